/* core/base/pidfile.c - one process per file, see core/base/pidfile.h. */
#include "pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parse.h"

#define TRIES 10 /* a file that goes away each time we have opened it is somebody's game */

struct fl_pidfile {
	int fd;
	char *path;
};

/* O_NONBLOCK: somebody may have put a FIFO there. O_NOFOLLOW: or a link to a file of value. */
static int open_file(const char *path, int flags, int *ret)
{
	struct stat st;
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644), r = 0;

	if (fd < 0)
		return errno == ELOOP || errno == EISDIR || errno == ENXIO ? -ENOTSUP : -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -ENOTSUP;
	if (r < 0)
		(void)close(fd);
	else
		*ret = fd;
	return r;
}

static pid_t read_number(int fd)
{
	char text[24];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	uint64_t number;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return fl_parse_u64(text, 1, INT_MAX, &number) == 0 ? (pid_t)number : 0;
}

/* Its last holder may have removed the file between our open(2) and our lock. */
static int is_still_there(int fd, const char *path)
{
	struct stat ours, theirs;

	return fstat(fd, &ours) == 0 && lstat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
	       ours.st_dev == theirs.st_dev;
}

/* @return a locked descriptor, -EAGAIN: once more; -EBUSY, -errno */
static int try_lock(const char *path, pid_t *holder)
{
	int fd, r = open_file(path, O_RDWR | O_CREAT, &fd);

	if (r < 0)
		return r;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else if (!is_still_there(fd, path))
		r = -EAGAIN;
	if (r == 0)
		return fd;
	if (r == -EBUSY)
		*holder = read_number(fd);
	(void)close(fd);
	return r;
}

int fl_pidfile_open(const char *path, pid_t *holder, struct fl_pidfile **ret)
{
	struct fl_pidfile *p = calloc(1, sizeof(*p));
	int fd = -EAGAIN;

	if (!p)
		return -ENOMEM;
	p->path = strdup(path);
	if (!p->path) {
		free(p);
		return -ENOMEM;
	}
	for (int i = 0; fd == -EAGAIN && i < TRIES; i++)
		fd = try_lock(path, holder);
	if (fd < 0) {
		free(p->path);
		free(p);
		return fd;
	}
	p->fd = fd;
	*ret = p;
	return 0;
}

int fl_pidfile_fd(const struct fl_pidfile *p)
{
	return p->fd;
}

int fl_pidfile_write(struct fl_pidfile *p)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	ssize_t n;

	if (ftruncate(p->fd, 0) < 0)
		return -errno;
	n = pwrite(p->fd, text, (size_t)len, 0);
	if (n < 0)
		return -errno;
	return n == len ? 0 : -ENOSPC;
}

/* Removed before the lock goes: behind that the file may be another's. */
void fl_pidfile_close(struct fl_pidfile *p)
{
	int r = p ? unlink(p->path) : 0;

	if (r < 0)
		r = ftruncate(p->fd, 0);
	(void)r; /* a number without a lock: whoever looks knows that it is stale */
	fl_pidfile_leave(p);
}

void fl_pidfile_leave(struct fl_pidfile *p)
{
	if (!p)
		return;
	(void)close(p->fd);
	free(p->path);
	free(p);
}

int fl_pidfile_holder(const char *path, pid_t *ret)
{
	int fd, r = open_file(path, O_RDONLY, &fd);
	pid_t pid;

	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		r = -ESRCH;
	else if (errno != EWOULDBLOCK)
		r = -errno;
	pid = r == 0 ? read_number(fd) : 0;
	(void)close(fd);
	if (r < 0)
		return r;
	if (!pid)
		return -EAGAIN;
	*ret = pid;
	return 0;
}
