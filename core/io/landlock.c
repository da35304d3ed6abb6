/* core/io/landlock.c - Landlock's three system calls, which no C library has. */
#include "io/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* newer than the headers that may be there */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#define SCOPE_SIGNAL (1ULL << 1)

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define MAKE                                                                                       \
	(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |                              \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |                              \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |                            \
	 LANDLOCK_ACCESS_FS_MAKE_SYM)
#define REMOVE (LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE)

/* all that a rule may allow for what is no folder */
#define OF_FILES                                                                                   \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                              \
	 LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)

/* struct landlock_ruleset_attr of ABI 6; older kernels take its beginning */
struct ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

struct fl_landlock {
	int abi;
	int fd;
	uint64_t handled;
};

static uint64_t handled_by(int abi)
{
	uint64_t all =
		LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | READ | MAKE | REMOVE;

	if (abi >= 2)
		all |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		all |= LANDLOCK_ACCESS_FS_TRUNCATE;
	return all;
}

int fl_landlock_create(struct fl_landlock **ret)
{
	struct ruleset attr = {0};
	struct fl_landlock *l;
	size_t size = sizeof(attr.handled_access_fs);
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi <
	    0) /* ENOSYS: not built in; EOPNOTSUPP: not switched on; EPERM: a filter of others */
		return -EOPNOTSUPP;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->abi = (int)abi;
	l->handled = handled_by(l->abi);
	attr.handled_access_fs = l->handled;
	if (l->abi >= 6) {
		attr.scoped = SCOPE_SIGNAL;
		size = sizeof(attr);
	}
	l->fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (l->fd < 0) {
		int r = -errno;

		free(l);
		return r;
	}
	*ret = l;
	return 0;
}

static uint64_t access_of(unsigned int rights)
{
	uint64_t access = 0;

	if (rights & FL_LANDLOCK_READ)
		access |= READ;
	if (rights & FL_LANDLOCK_RUN)
		access |= LANDLOCK_ACCESS_FS_EXECUTE;
	if (rights & FL_LANDLOCK_WRITE)
		access |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;
	if (rights & FL_LANDLOCK_CREATE)
		access |= LANDLOCK_ACCESS_FS_MAKE_REG;
	if (rights & FL_LANDLOCK_REMOVE)
		access |= LANDLOCK_ACCESS_FS_REMOVE_FILE;
	return access;
}

int fl_landlock_allow(struct fl_landlock *l, const char *path, unsigned int rights)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = access_of(rights) & l->handled,
		.parent_fd = open(path, O_PATH | O_CLOEXEC),
	};
	struct stat st;
	int r = 0;

	if (rule.parent_fd < 0)
		return -errno;
	if (fstat(rule.parent_fd, &st) < 0)
		r = -errno;
	else if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= OF_FILES;
	if (r == 0 && rule.allowed_access &&
	    syscall(SYS_landlock_add_rule, l->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		r = -errno;
	(void)close(rule.parent_fd);
	return r;
}

int fl_landlock_enforce(struct fl_landlock *l)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, l->fd, 0) < 0)
		return -errno;
	return l->abi;
}

void fl_landlock_destroy(struct fl_landlock *l)
{
	if (!l)
		return;
	(void)close(l->fd);
	free(l);
}
