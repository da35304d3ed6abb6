/* core/extif_internal.h - the choice of an interface as a pure function over tables; for extif.c
 * and its tests. */
#ifndef FL_EXTIF_INTERNAL_H
#define FL_EXTIF_INTERNAL_H

#include <regex.h>

#include "extif.h"
#include "io/rtmsg.h"

/** What the kernel told, in its order. IPv4 only. */
struct fl_extif_tables {
	struct fl_rtmsg_link *links; /* owned, like all arrays */
	size_t n_links;
	struct fl_rtmsg_addr *addrs;
	size_t n_addrs;
	struct fl_rtmsg_route *defaults; /* routes of the main table, those to everywhere */
	size_t n_defaults;
	struct fl_rtmsg_route reach; /* the kernel's route to --iface-can-reach */
	int reach_error;	     /* or why there is none, -errno */
};

/** fl_extif_choose() without the kernel. */
int fl_extif_pick(const struct fl_extif_tables *t, const struct fl_extif_conf *conf,
		  struct fl_extif_choice *ret, char **error);

/** fl_extif_follow() without the kernel. */
int fl_extif_pick_again(const struct fl_extif_tables *t, const struct fl_extif_conf *conf,
			const struct fl_extif_choice *was, struct fl_extif_choice *ret,
			char **error);

/**
 * A pattern in Go's syntax (RE2) as a POSIX extended one: \d \w \s and their negations, \A \z, (?:,
 * and escapes within brackets.
 * @param ret  owned by the caller
 * @return 0; -EINVAL for what POSIX cannot say; -ENOMEM
 */
int fl_extif_regex(const char *pattern, char **ret);

/**
 * Compile such a pattern.
 * @param ret  set only on success; the caller ends it with regfree()
 * @param why  set on -EINVAL: what is wrong with it, owned by the caller
 * @return 0, -EINVAL, -ENOMEM
 */
int fl_extif_regex_compile(const char *pattern, regex_t *ret, char **why);

#endif
