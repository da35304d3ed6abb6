/* core/base/caps.c - capabilities(7) by system calls, without a library. */
#include "caps.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "parse.h"

struct sets {
	uint64_t effective;
	uint64_t permitted;
	uint64_t inheritable;
};

static int get_sets(struct sets *ret)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	ret->effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	ret->permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	ret->inheritable = (uint64_t)data[1].inheritable << 32 | data[0].inheritable;
	return 0;
}

static int set_sets(const struct sets *s)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(s->effective >> 32 * i);
		data[i].permitted = (uint32_t)(s->permitted >> 32 * i);
		data[i].inheritable = (uint32_t)(s->inheritable >> 32 * i);
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

uint64_t fl_caps_effective(void)
{
	struct sets s;

	return get_sets(&s) < 0 ? 0 : s.effective;
}

/* --- inheritance */

/* Ambient ones are all that execve(2) leaves to a user that is not root. */
static int raise_ambient(uint64_t caps)
{
	for (unsigned long cap = 0; cap < 64; cap++)
		if ((caps & FL_CAP(cap)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0ul, 0ul) < 0)
			return -errno;
	return 0;
}

int fl_caps_hand_on(uint64_t keep)
{
	struct sets s;
	int r;

	if (geteuid() == 0)
		return 0;
	r = get_sets(&s);
	if (r < 0)
		return r;
	s.inheritable |= s.permitted & keep;
	r = set_sets(&s);
	return r < 0 ? r : raise_ambient(s.permitted & keep);
}

/* What a setuid program could give back otherwise. The kernel ends the list with EINVAL. */
static int drop_bounding(uint64_t keep)
{
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (keep & FL_CAP(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0ul, 0ul, 0ul) < 0)
			return errno == EINVAL ? 0 : -errno;
	}
	return 0;
}

/* --- another user */

static int change_ids(const struct fl_user *user)
{
	int r = user->known ? initgroups(user->name, user->gid) : setgroups(0, NULL);

	if (r < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return -errno;
	return 0;
}

int fl_user_become(const struct fl_user *user, uint64_t keep)
{
	const uint64_t setpcap = FL_CAP(CAP_SETPCAP);
	struct sets s;
	int r = get_sets(&s);

	if (r < 0)
		return r;
	keep &= s.permitted;
	/* Permitted ones outlive the change, effective ones do not. */
	if (prctl(PR_SET_KEEPCAPS, 1ul, 0ul, 0ul, 0ul) < 0)
		return -errno;
	r = change_ids(user);
	if (r < 0)
		return r;
	s.effective = s.permitted = keep | (s.permitted & setpcap);
	s.inheritable = keep;
	r = set_sets(&s);
	if (r == 0 && (s.permitted & setpcap))
		r = drop_bounding(keep);
	if (r < 0)
		return r;
	s.effective = s.permitted = keep;
	r = set_sets(&s);
	return r < 0 ? r : raise_ambient(keep);
}

static int find_user(const char *name, struct fl_user *ret)
{
	const struct passwd *pw = getpwnam(name);
	uint64_t number;

	if (!pw && fl_parse_u64(name, 0, UINT32_MAX - 1, &number) == 0)
		pw = getpwuid((uid_t)number);
	else if (!pw)
		return -ENOENT;
	ret->known = pw != NULL;
	ret->uid = pw ? pw->pw_uid : (uid_t)number;
	ret->gid = pw ? pw->pw_gid : (gid_t)number;
	if (pw && strlen(pw->pw_name) < sizeof(ret->name))
		strcpy(ret->name, pw->pw_name);
	return 0;
}

static int find_group(const char *name, struct fl_user *ret)
{
	const struct group *gr = getgrnam(name);
	uint64_t number;

	if (!gr && fl_parse_u64(name, 0, UINT32_MAX - 1, &number) < 0)
		return -ENOENT;
	ret->gid = gr ? gr->gr_gid : (gid_t)number;
	return 0;
}

int fl_user_parse(const char *text, struct fl_user *ret, const char **why)
{
	size_t len = strcspn(text, ":");

	*why = "must be NAME or NAME:GROUP";
	memset(ret, 0, sizeof(*ret));
	if (len == 0 || len >= sizeof(ret->name) || (text[len] && !text[len + 1]))
		return -EINVAL;
	memcpy(ret->name, text, len);
	*why = "there is no such user";
	if (find_user(ret->name, ret) < 0)
		return -ENOENT;
	*why = "there is no such group";
	return text[len] ? find_group(text + len + 1, ret) : 0;
}
