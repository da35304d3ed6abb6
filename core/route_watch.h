/* core/route_watch.h - tells when this host may reach others another way: routes, addresses or
 * interfaces have changed. */
#ifndef FL_ROUTE_WATCH_H
#define FL_ROUTE_WATCH_H

#include <stdbool.h>

#include "base/addr.h"

struct ev_loop;
struct fl_route_watch; /* fields in route_watch.c */

struct fl_route_watch_listener {
	/**
	 * Something has changed, some time ago: what came within a moment is one call.
	 * @param dropped  a link went down or an address went, be it for a moment: the kernel has
	 * dropped the routes that needed it, and has not announced that
	 */
	void (*changed)(struct fl_route_watch_listener *l, bool dropped);
};

/**
 * @param network  routes into it are ours and of no interest; borrowed
 * @param ret      set only on success; the caller owns it until fl_route_watch_destroy()
 * @return 0 or -errno
 */
int fl_route_watch_create(struct ev_loop *loop, const struct fl_prefix *network,
			  struct fl_route_watch_listener *listener, struct fl_route_watch **ret);
void fl_route_watch_destroy(struct fl_route_watch *w); /* NULL is a no-op */

/** What changed() had to do took so long: the next call comes such that it costs a tenth of the
 * time at most. */
void fl_route_watch_took(struct fl_route_watch *w, double seconds);

#endif
