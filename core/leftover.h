/* core/leftover.h - devices that flanneld made for another network config, and that nobody uses. */
#ifndef FL_LEFTOVER_H
#define FL_LEFTOVER_H

#include <net/if.h>
#include <stddef.h>

#include "base/addr.h"

struct fl_env;

#define FL_LEFTOVERS_MAX 8u

struct fl_leftover {
	char name[IF_NAMESIZE];
	struct fl_addr addr; /* one of the overlay network */
};

/**
 * Find the virtual devices called "flannel.*" that carry an address of the overlay network alone,
 * as a backend gives it (/32), and are not @p env's.
 *
 * @param ret  the first FL_LEFTOVERS_MAX of them
 * @return how many, or -errno of rtnetlink
 */
int fl_leftover_find(const struct fl_env *env, struct fl_leftover ret[FL_LEFTOVERS_MAX]);

#endif
