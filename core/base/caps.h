/* core/base/caps.h - capabilities(7) of this process, and another user to be. */
#ifndef FL_BASE_CAPS_H
#define FL_BASE_CAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FL_CAP(number) (UINT64_C(1) << (number)) /* of CAP_* of <linux/capability.h> */

/** Who to be. */
struct fl_user {
	char name[64]; /* as it was given, for messages */
	uid_t uid;
	gid_t gid;
	bool known; /* has a name, so groups may belong to it */
};

/** The effective ones, as a set of FL_CAP(); 0 if they cannot be read. */
uint64_t fl_caps_effective(void);

/**
 * Read "NAME" or "NAME:GROUP"; numbers are fine.
 * @param why  what is wrong with it, a literal
 * @return 0, -ENOENT: no such user or group; -EINVAL: nonsense
 */
int fl_user_parse(const char *text, struct fl_user *ret, const char **why);

/**
 * Be that user from now on, for good, with no capability but those of @p keep that are there, which
 * programs that we start inherit. Before there are threads.
 * @return 0, -EPERM: we may not; other -errno; in between on a failure, so it must end the process
 */
int fl_user_become(const struct fl_user *user, uint64_t keep);

/** Let programs that we start inherit those of @p keep that are there, where root's rules do not do
 * that by themselves. @return 0 or -errno */
int fl_caps_hand_on(uint64_t keep);

#endif
