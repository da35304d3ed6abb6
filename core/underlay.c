/* core/underlay.c - follows the interface to the other hosts: its MTU, its address, its index. */
#include "underlay.h"

#include <errno.h>
#include <ev.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "base/log.h"
#include "io/rtmsg.h"
#include "io/rtnl_watch.h"

#define GATHER_S .02 /* what one command changes is announced in several messages */
#define SETTLE_S 1.  /* an address that goes and returns, as with DHCP, is no other address */

struct fl_underlay {
	struct fl_underlay_conf conf;
	struct fl_extif_choice told;
	struct fl_extif_choice next; /* with another address, since next_at; name "": none */
	ev_tstamp next_at;
	ev_tstamp missing_at; /* since when there is no address to use; 0: there is one */
	bool gone;	      /* was told, and nothing after it */
	bool said;	      /* what is missing */
	struct fl_rtnl_watch *rtnl;
	struct fl_rtnl_watch_listener rtnl_listener;
	ev_timer look;
};

/* Sooner rather than later: a storm of announcements must not put it off. */
static void look_in(struct fl_underlay *u, ev_tstamp seconds)
{
	ev_tstamp wait = seconds > GATHER_S ? seconds : GATHER_S;

	ev_now_update(u->conf.loop);
	if (ev_is_active(&u->look) && ev_timer_remaining(u->conf.loop, &u->look) <= wait)
		return;
	ev_timer_stop(u->conf.loop, &u->look);
	ev_timer_set(&u->look, wait, 0.);
	ev_timer_start(u->conf.loop, &u->look);
}

/* ---- what is there ---- */

static void say_back(struct fl_underlay *u)
{
	char addr[FL_ADDR_STRLEN];

	u->missing_at = 0.;
	if (!u->said)
		return;
	u->said = false;
	fl_info("underlay", "%s is there again, with %s", u->told.extif.name,
		fl_addr_format(&u->told.extif.addr, addr));
	u->conf.listener->status(u->conf.listener, NULL);
}

static void tell(struct fl_underlay *u, const struct fl_extif_choice *now)
{
	fl_extif_choice_copy(&u->told, now);
	u->gone = false;
	u->next.name_buf[0] = '\0';
	say_back(u);
	u->conf.listener->changed(u->conf.listener, &u->told);
}

/* Another address must stay for a while before it counts. */
static void consider(struct fl_underlay *u, const struct fl_extif_choice *now)
{
	ev_tstamp at = ev_now(u->conf.loop);

	if (!u->next.name_buf[0] || !fl_addr_equal(&u->next.extif.addr, &now->extif.addr))
		u->next_at = at;
	fl_extif_choice_copy(&u->next, now);
	if (at - u->next_at >= SETTLE_S)
		tell(u, now);
	else
		look_in(u, SETTLE_S - (at - u->next_at));
}

static void found(struct fl_underlay *u, const struct fl_extif_choice *now)
{
	const struct fl_extif *a = &u->told.extif, *b = &now->extif;

	if (!fl_addr_equal(&a->addr, &b->addr) || !fl_addr_equal(&a->public_ip, &b->public_ip)) {
		consider(u, now);
		return;
	}
	u->next.name_buf[0] = '\0';
	if (u->gone || a->ifindex != b->ifindex || a->mtu != b->mtu)
		tell(u, now);
	else
		say_back(u);
}

static void tell_gone(struct fl_underlay *u)
{
	if (u->gone)
		return;
	u->gone = true;
	u->conf.listener->gone(u->conf.listener);
}

static void missing(struct fl_underlay *u, const char *why, bool gone)
{
	ev_tstamp at = ev_now(u->conf.loop);

	if (gone)
		tell_gone(u);
	u->next.name_buf[0] = '\0';
	if (u->missing_at == 0.)
		u->missing_at = at;
	if (u->said)
		return;
	if (at - u->missing_at < SETTLE_S) {
		look_in(u, SETTLE_S - (at - u->missing_at));
		return;
	}
	u->said = true;
	fl_warn("underlay", "%s; waiting for it, other hosts are out of reach meanwhile", why);
	u->conf.listener->status(u->conf.listener, why);
}

static void on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fl_underlay *u = fl_container_of(w, struct fl_underlay, look);
	struct fl_extif_choice now;
	char *why = NULL;
	int r = fl_extif_follow(u->conf.rtnl, &u->conf.extif, &u->told, &now, &why);

	(void)loop;
	(void)revents;
	if (r == 0)
		found(u, &now);
	else if (r == -ENODEV || r == -EADDRNOTAVAIL)
		missing(u, why ? why : strerror(-r), r == -ENODEV);
	else
		look_in(u, SETTLE_S);
	free(why);
}

/* ---- what is announced ---- */

static void notice_link(struct fl_underlay *u, const struct nlmsghdr *nlh)
{
	struct fl_rtmsg_link l;

	if (fl_rtmsg_link_parse(nlh, &l) < 0)
		return;
	if (l.ifindex != u->told.extif.ifindex && strcmp(l.name, u->told.extif.name) != 0)
		return;
	if (nlh->nlmsg_type == RTM_DELLINK && l.ifindex == u->told.extif.ifindex)
		tell_gone(u);
	look_in(u, GATHER_S);
}

static void on_message(struct fl_rtnl_watch_listener *l, const struct nlmsghdr *nlh)
{
	struct fl_underlay *u = fl_container_of(l, struct fl_underlay, rtnl_listener);
	struct fl_rtmsg_addr a;

	if (nlh->nlmsg_type == RTM_NEWLINK || nlh->nlmsg_type == RTM_DELLINK)
		notice_link(u, nlh);
	else if (fl_rtmsg_addr_parse(nlh, &a) == 0 &&
		 (a.ifindex == u->told.extif.ifindex || u->missing_at > 0. || u->gone))
		look_in(u, GATHER_S);
}

static void on_lost(struct fl_rtnl_watch_listener *l)
{
	look_in(fl_container_of(l, struct fl_underlay, rtnl_listener), GATHER_S);
}

/* ---- life ---- */

int fl_underlay_create(const struct fl_underlay_conf *conf, const struct fl_extif_choice *first,
		       struct fl_underlay **ret)
{
	static const uint32_t groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR};
	struct fl_underlay *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	u->conf = *conf;
	fl_extif_choice_copy(&u->told, first);
	u->rtnl_listener.message = on_message;
	u->rtnl_listener.lost = on_lost;
	ev_timer_init(&u->look, on_look, 0., 0.);
	r = fl_rtnl_watch_create(conf->loop, groups, FL_ARRAY_SIZE(groups), &u->rtnl_listener,
				 &u->rtnl);
	if (r < 0) {
		fl_underlay_destroy(u);
		return r;
	}
	look_in(u, GATHER_S); /* it may have changed since it was chosen */
	*ret = u;
	return 0;
}

void fl_underlay_destroy(struct fl_underlay *u)
{
	if (!u)
		return;
	ev_timer_stop(u->conf.loop, &u->look);
	fl_rtnl_watch_destroy(u->rtnl);
	free(u);
}
