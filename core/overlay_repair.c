/* core/overlay_repair.c - what others have done to our rows and devices is undone, driven by the
 * kernel's announcements. */
#include "overlay_internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "base/random.h"
#include "base/trim.h"
#include "io/rtmsg.h"
#include "io/rtnl.h"

#define GATHER_MS   10u
#define MEND_MAX_MS 5000u
#define CALM_S	    10.	 /* a device that was well for so long is repaired at once */
#define SLOW_MIN_S  180. /* the full comparison: every three to five minutes */
#define SLOW_MORE_S 120u
#define SLOW_SOON_S 5. /* after rows were sent that nobody has listened to */
#define FILL_ROWS   1024u
#define EVERYTHING  UINT32_MAX

/* ---- what is looked at ---- */

static void look_soon(struct fl_overlay *o)
{
	bool calm = ev_now(o->conf.loop) - o->mended > CALM_S;
	uint32_t ms = GATHER_MS;

	if (ev_is_active(&o->mend))
		return;
	if (calm)
		fl_backoff_reset(&o->mend_backoff);
	else
		ms += fl_backoff_next(&o->mend_backoff);
	ev_now_update(o->conf.loop);
	ev_timer_set(&o->mend, ms / 1e3, 0.);
	ev_timer_start(o->conf.loop, &o->mend);
}

/* @param gone  its rows have gone with it, or with its address */
static void notice_device(struct fl_overlay *o, uint32_t ifindex, bool gone)
{
	const struct fl_env *env = o->conf.env;

	for (uint32_t i = 0; i < env->n_devices; i++) {
		if (env->devices[i] != ifindex)
			continue;
		o->hurt |= 1u << i;
		if (gone) {
			o->refill |= 1u << i;
			o->unwell |= 1u << i;
		}
		look_soon(o);
	}
}

static void notice_link(struct fl_overlay *o, const struct nlmsghdr *nlh)
{
	struct fl_rtmsg_link l;

	if (fl_rtmsg_link_parse(nlh, &l) == 0)
		notice_device(o, l.ifindex, nlh->nlmsg_type == RTM_DELLINK || !(l.flags & IFF_UP));
}

static void notice_addr(struct fl_overlay *o, const struct nlmsghdr *nlh)
{
	struct fl_rtmsg_addr a;

	if (fl_rtmsg_addr_parse(nlh, &a) == 0)
		notice_device(o, a.ifindex, nlh->nlmsg_type == RTM_DELADDR);
}

static void on_announced(struct fl_rtnl_watch_listener *l, const struct nlmsghdr *nlh)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, announced_listener);

	if (nlh->nlmsg_type == RTM_NEWLINK || nlh->nlmsg_type == RTM_DELLINK)
		notice_link(o, nlh);
	else if (nlh->nlmsg_type == RTM_NEWADDR || nlh->nlmsg_type == RTM_DELADDR)
		notice_addr(o, nlh);
	else if ((o->adopted || o->comparing) && !o->refill) /* else all is compared soon anyhow */
		fl_fib_notice(o->fib, nlh);
}

/* Nobody knows what was in them, so all is looked at. */
static void on_lost(struct fl_rtnl_watch_listener *l)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, announced_listener);

	fl_debug("fib", "announcements of the kernel were lost; comparing all");
	o->hurt = EVERYTHING;
	o->refill = EVERYTHING;
	look_soon(o);
}

/* ---- what is done ---- */

void overlay_compare_anew(struct fl_overlay *o)
{
	overlay_compare_stop(o);
	o->adopted = false;
	overlay_settle(o);
}

/* Paced like the repair of devices: somebody may go on and on. */
static void compare_all(struct fl_overlay *o)
{
	int r = overlay_repair_filter(o); /* our socket may be another one by now */

	if (r < 0)
		fl_debug("fib", "the filter of announcements is the old one: %s", strerror(-r));
	o->mended = ev_now(o->conf.loop);
	if (o->adopted || o->comparing) /* else it is due anyhow */
		overlay_compare_anew(o);
}

/* @return false: it cannot be used yet */
static bool mend_device(struct fl_overlay *o, uint32_t i)
{
	int r = fl_env_device_repair(o->conf.env, o->conf.env->devices[i]);

	if (r != 0)
		o->mended = ev_now(o->conf.loop);
	if (r < 0 || r == 2) {
		o->hurt |= 1u << i;
		look_soon(o);
	}
	if (r < 0 || r == 1)
		o->refill |= 1u << i;
	o->unwell = r < 0 ? o->unwell | 1u << i : o->unwell & ~(1u << i);
	o->device_repairs += r > 0;
	return r >= 0;
}

static bool mend_devices(struct fl_overlay *o, uint32_t which)
{
	bool well = true;

	o->hurt = 0;
	for (uint32_t i = 0; i < o->conf.env->n_devices; i++)
		if (which & (1u << i))
			well = mend_device(o, i) && well;
	return well;
}

/* Rows come when all devices are well. */
static void on_mend(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fl_overlay *o = fl_container_of(w, struct fl_overlay, mend);

	(void)loop;
	(void)revents;
	if (!mend_devices(o, o->hurt) || !o->refill)
		return;
	o->refill = 0;
	compare_all(o);
}

static void start_slow(struct fl_overlay *o, double after)
{
	ev_timer_stop(o->conf.loop, &o->slow);
	ev_timer_set(&o->slow, after, 0.);
	ev_timer_start(o->conf.loop, &o->slow);
}

static double slow_after(void)
{
	return SLOW_MIN_S + fl_random_below(SLOW_MORE_S * 1000u) / 1e3;
}

/* What it finds was missed before, so it is said as a fault of ours would be. */
static void on_slow(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fl_overlay *o = fl_container_of(w, struct fl_overlay, slow);
	struct fl_fib_stats s;

	(void)loop;
	(void)revents;
	start_slow(o, slow_after());
	if (!o->adopted || o->in_snapshot || ev_is_active(&o->mend))
		return;
	if (!mend_devices(o, EVERYTHING))
		return;
	o->refill = 0;
	fl_fib_stats(o->fib, &s);
	o->by_slow = true;
	o->amiss_before = s.amiss;
	compare_all(o);
}

void overlay_repair_compared(struct fl_overlay *o)
{
	struct fl_fib_stats s;

	if (!o->by_slow)
		return;
	o->by_slow = false;
	fl_fib_stats(o->fib, &s);
	if (s.amiss > o->amiss_before && !o->unheard)
		fl_warn("fib",
			"the full comparison has found %llu rows amiss that were not "
			"noticed; put right",
			(unsigned long long)(s.amiss - o->amiss_before));
	o->unheard = false;
	fl_trim(); /* of what the comparison has needed */
}

/* ---- life ---- */

void overlay_repair_init(struct fl_overlay *o)
{
	o->announced_listener.message = on_announced;
	o->announced_listener.lost = on_lost;
	ev_timer_init(&o->mend, on_mend, 0., 0.);
	ev_timer_init(&o->slow, on_slow, 0., 0.);
	(void)fl_backoff_init(&o->mend_backoff, 100, MEND_MAX_MS);
	o->mended = -CALM_S;
}

int overlay_repair_filter(struct fl_overlay *o)
{
	const struct fl_rtnl_watch_filter filter = {
		.portid = fl_rtnl_portid(o->conf.env->rtnl),
		.protocol = FL_RTPROT,
		.devices = o->conf.env->devices,
		.n_devices = o->conf.env->n_devices,
	};

	return fl_rtnl_watch_filter(o->announced, &filter);
}

int overlay_repair_start(struct fl_overlay *o)
{
	static const uint32_t groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR};
	int r = fl_rtnl_watch_create(o->conf.loop, groups, FL_ARRAY_SIZE(groups),
				     &o->announced_listener, &o->announced);

	if (r == 0)
		r = overlay_repair_filter(o);
	if (r == 0)
		start_slow(o, slow_after());
	return r;
}

static const uint32_t row_groups[] = {RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE, RTNLGRP_NEXTHOP};

void overlay_repair_listen(struct fl_overlay *o)
{
	int r;

	if (o->filled)
		return;
	r = overlay_repair_filter(o);
	if (r == 0)
		r = fl_rtnl_watch_join(o->announced, row_groups, FL_ARRAY_SIZE(row_groups));
	o->filled = r == 0;
	if (r < 0)
		fl_warn("fib", "what others do to rows is not seen at once: %s", strerror(-r));
}

/* That the kernel tells us of each row of ours, and its filter drops it, takes a fifth of the time
 * that 16,000 peers need. What happens to rows meanwhile is found by a comparison. */
void overlay_repair_fill(struct fl_overlay *o)
{
	struct fl_fib_stats s;

	fl_fib_stats(o->fib, &s);
	if (!o->filled || s.declared - s.installed < FILL_ROWS)
		return;
	fl_rtnl_watch_leave(o->announced, row_groups, FL_ARRAY_SIZE(row_groups));
	o->filled = false;
	o->unheard = true;
}

void overlay_repair_filled(struct fl_overlay *o)
{
	if (o->filled)
		return;
	overlay_repair_listen(o);
	if (o->unheard)
		start_slow(o, SLOW_SOON_S);
}

void overlay_repair_done(struct fl_overlay *o)
{
	ev_timer_stop(o->conf.loop, &o->mend);
	ev_timer_stop(o->conf.loop, &o->slow);
	fl_rtnl_watch_destroy(o->announced);
	o->announced = NULL;
	o->hurt = 0;
	o->refill = 0;
}
