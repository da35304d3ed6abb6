/* core/underlay.h - follows the interface to the other hosts: its MTU, its address, its index. */
#ifndef FL_UNDERLAY_H
#define FL_UNDERLAY_H

#include "extif.h"

struct ev_loop;
struct fl_underlay; /* fields in underlay.c */

/** Who is told, from the loop. Embed one in the owner. The watch must not be destroyed in these. */
struct fl_underlay_listener {
	/** It is another than what was told before: by MTU or index at once, by address when that
	 * has not changed any more for a second. After gone(): it is there again. @p now is
	 * borrowed. */
	void (*changed)(struct fl_underlay_listener *l, const struct fl_extif_choice *now);
	/** The interface was removed, and what stood on it. */
	void (*gone)(struct fl_underlay_listener *l);
	/** What is missing, for people, a second after it went (once); NULL: nothing any more. */
	void (*status)(struct fl_underlay_listener *l, const char *text);
};

/** Borrowed, and must outlive the watch. */
struct fl_underlay_conf {
	struct ev_loop *loop;
	struct fl_rtnl *rtnl;
	struct fl_extif_conf extif; /* as it was chosen at first */
	struct fl_underlay_listener *listener;
};

/**
 * @param first  the choice so far, copied
 * @param ret    set only on success; the caller owns it until fl_underlay_destroy()
 * @return 0 or -errno
 */
int fl_underlay_create(const struct fl_underlay_conf *conf, const struct fl_extif_choice *first,
		       struct fl_underlay **ret);
void fl_underlay_destroy(struct fl_underlay *u); /* NULL is a no-op */

#endif
