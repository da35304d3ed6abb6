/* core/route_watch.c - tells when this host may reach others another way. */
#include "route_watch.h"

#include <errno.h>
#include <ev.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "fib.h"
#include "io/rtmsg.h"
#include "io/rtnl_watch.h"

#define GATHER_S                                                                                   \
	0.05	  /* a link that goes down, or a routing daemon, changes many routes at once       \
		   */
#define SHARE 10. /* of the time that changed() may take: one in so many parts */

struct fl_route_watch {
	struct ev_loop *loop;
	const struct fl_prefix *network;
	struct fl_route_watch_listener *listener;
	struct fl_rtnl_watch *rtnl;
	struct fl_rtnl_watch_listener rtnl_listener;
	ev_timer gather;
	bool dropped; /* routes, since it runs */
	ev_tstamp not_before;
};

static void note(struct fl_route_watch *w)
{
	ev_tstamp wait;

	if (ev_is_active(&w->gather))
		return;
	ev_now_update(w->loop);
	wait = w->not_before - ev_now(w->loop);
	ev_timer_set(&w->gather, wait > GATHER_S ? wait : GATHER_S, 0.);
	ev_timer_start(w->loop, &w->gather);
}

static bool is_of_interest(const struct fl_route_watch *w, const struct nlmsghdr *nlh)
{
	struct fl_rtmsg_route route;

	if (nlh->nlmsg_type != RTM_NEWROUTE && nlh->nlmsg_type != RTM_DELROUTE)
		return true;
	if (fl_rtmsg_route_parse(nlh, &route) < 0)
		return false;
	return route.dst.len < w->network->len || !fl_prefix_contains(w->network, &route.dst.addr);
}

/* Those with the link or the address, and without a word of them. */
static bool drops_routes(const struct nlmsghdr *nlh)
{
	struct fl_rtmsg_link link;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return nlh->nlmsg_type == RTM_DELADDR || nlh->nlmsg_type == RTM_DELLINK;
	return fl_rtmsg_link_parse(nlh, &link) == 0 && !(link.flags & IFF_UP);
}

static void on_message(struct fl_rtnl_watch_listener *l, const struct nlmsghdr *nlh)
{
	struct fl_route_watch *w = fl_container_of(l, struct fl_route_watch, rtnl_listener);

	if (!ev_is_active(&w->gather) && is_of_interest(w, nlh))
		note(w);
	w->dropped = w->dropped || drops_routes(nlh);
}

static void on_lost(struct fl_rtnl_watch_listener *l)
{
	struct fl_route_watch *w = fl_container_of(l, struct fl_route_watch, rtnl_listener);

	w->dropped = true; /* for all we know */
	note(w);
}

static void on_gathered(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct fl_route_watch *w = fl_container_of(t, struct fl_route_watch, gather);
	bool dropped;

	(void)loop;
	(void)revents;
	dropped = w->dropped;
	w->dropped = false;
	w->listener->changed(w->listener, dropped);
}

void fl_route_watch_took(struct fl_route_watch *w, double seconds)
{
	ev_now_update(w->loop);
	w->not_before = ev_now(w->loop) + seconds * SHARE;
}

int fl_route_watch_create(struct ev_loop *loop, const struct fl_prefix *network,
			  struct fl_route_watch_listener *listener, struct fl_route_watch **ret)
{
	static const uint32_t groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE,
					  RTNLGRP_IPV4_RULE};
	struct fl_route_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->network = network;
	w->listener = listener;
	w->rtnl_listener.message = on_message;
	w->rtnl_listener.lost = on_lost;
	ev_init(&w->gather, on_gathered);
	r = fl_rtnl_watch_create(loop, groups, FL_ARRAY_SIZE(groups), &w->rtnl_listener, &w->rtnl);
	if (r == 0)
		r = fl_rtnl_watch_skip_routes(w->rtnl, FL_RTPROT);
	if (r < 0) {
		fl_route_watch_destroy(w);
		return r;
	}
	*ret = w;
	return 0;
}

void fl_route_watch_destroy(struct fl_route_watch *w)
{
	if (!w)
		return;
	ev_timer_stop(w->loop, &w->gather);
	fl_rtnl_watch_destroy(w->rtnl);
	free(w);
}
