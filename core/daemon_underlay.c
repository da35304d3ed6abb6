/* core/daemon_underlay.c - another underlay: the backend is made anew on it, as at a restart, while
 * rows, device and lease stay; an MTU that changes less than that. */
#include "daemon_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "lease.h"
#include "overlay.h"

#define RETRY_MIN_MS 100u
#define RETRY_MAX_MS 5000u

static bool same_place(const struct fl_extif *a, const struct fl_extif *b)
{
	return a->ifindex == b->ifindex && fl_addr_equal(&a->addr, &b->addr) &&
	       fl_addr_equal(&a->public_ip, &b->public_ip);
}

static void say_where(const struct daemon *d)
{
	const struct fl_extif *e = &d->iface.extif;
	char addr[FL_ADDR_STRLEN], public_ip[FL_ADDR_STRLEN];

	fl_info("underlay", "%s: index %u, address %s, public address %s, MTU %u from now on",
		e->name, e->ifindex, fl_addr_format(&e->addr, addr),
		fl_addr_format(&e->public_ip, public_ip), e->mtu);
}

/* ---- the MTU ---- */

static void publish(const struct daemon *d, uint32_t mtu_before)
{
	uint32_t mtu = daemon_mtu(d);
	int r = daemon_write_subnet_env(d);

	if (r < 0)
		fl_err("daemon", "%s: cannot be written: %s; it still says MTU %u",
		       d->opts->subnet_file, strerror(-r), mtu_before);
	else if (mtu != mtu_before)
		fl_info("daemon", "MTU %u, was %u; %s written", mtu, mtu_before,
			d->opts->subnet_file);
}

/* @return true if that is all there was to do: the backend may go on as it is */
static bool take_mtu(struct daemon *d, uint32_t underlay_mtu)
{
	uint32_t before = daemon_mtu(d), now = d->ops->mtu(d->backend, underlay_mtu);

	if (now == 0) {
		fl_err("underlay",
		       "%s: its MTU is %u now, too little for backend %s; MTU %u is kept inside",
		       d->iface.extif.name, underlay_mtu, d->ops->name, before);
		return true;
	}
	if (now == before) {
		fl_info("underlay", "%s: its MTU is %u now; that inside stays %u",
			d->iface.extif.name, underlay_mtu, before);
		d->underlay_mtu = underlay_mtu;
		return true;
	}
	if (!(d->ops->flags & FL_BACKEND_RUNS_COMMANDS))
		return false;
	d->underlay_mtu = underlay_mtu; /* its commands are not told of it */
	publish(d, before);
	return true;
}

/* ---- another place ---- */

static void set_trouble(struct daemon *d, const char *text)
{
	(void)snprintf(d->underlay_trouble, sizeof(d->underlay_trouble), "%s", text);
	if (d->stage == STAGE_READY)
		daemon_say_running(d);
}

static void try_later(struct daemon *d)
{
	uint32_t ms = fl_backoff_next(&d->follow_backoff);

	d->follow_due = true;
	d->stage = STAGE_READY; /* nothing is under way */
	set_trouble(d, "the backend does not come up on it");
	fl_warn("underlay", "%s: the backend does not come up there; retrying in %u ms",
		d->next_iface.extif.name, ms);
	ev_timer_stop(d->loop, &d->follow);
	ev_timer_set(&d->follow, ms / 1e3, 0.);
	ev_timer_start(d->loop, &d->follow);
}

bool daemon_move_failed(struct daemon *d)
{
	if (!d->overlay)
		return false;
	try_later(d);
	return true;
}

/* A tunnel to an address that is inside of it leads nowhere. */
static bool is_inside(const struct daemon *d, const struct fl_extif *e)
{
	char addr[FL_ADDR_STRLEN], subnet[FL_PREFIX_STRLEN];

	if (!fl_prefix_contains(&d->subnet, &e->addr) &&
	    !fl_prefix_contains(&d->subnet, &e->public_ip))
		return false;
	fl_err("underlay", "%s: its address is %s now, inside of this host's subnet %s; not used",
	       e->name, fl_addr_format(&e->addr, addr), fl_prefix_format(&d->subnet, subnet));
	return true;
}

static void move(struct daemon *d)
{
	int r;

	fl_overlay_suspend(d->overlay);
	daemon_backend_destroy(d);
	fl_extif_choice_copy(&d->iface, &d->next_iface);
	say_where(d);
	d->busy = false;
	d->moving = true;
	d->interface_gone = false;
	r = daemon_backend_create(d);
	if (r == 0) {
		daemon_acquire(d);
		return;
	}
	if (r != -EINVAL) {
		try_later(d);
		return;
	}
	fl_err("underlay", "%s is of no use to backend %s as it is; waiting until it changes",
	       d->iface.extif.name, d->ops->name);
	set_trouble(d, "the backend does not take it as it is");
}

void daemon_moved(struct daemon *d)
{
	int r = 0;

	if (!d->interface_gone) /* meanwhile */
		r = fl_overlay_resume(d->overlay, d->backend, d->own);
	if (r < 0) {
		daemon_quit(d, FL_EXIT_FAULT);
		return;
	}
	fl_backoff_reset(&d->follow_backoff);
	d->underlay_mtu = d->iface.extif.mtu;
	d->moving = false;
	d->stage = STAGE_READY;
	publish(d, d->mtu_inside);
	set_trouble(d, "");
	daemon_follow(d);
}

void daemon_follow(struct daemon *d)
{
	const struct fl_extif *next = &d->next_iface.extif;

	if (!d->follow_due || d->stage != STAGE_READY)
		return;
	d->follow_due = false;
	ev_timer_stop(d->loop, &d->follow);
	if (is_inside(d, next))
		return;
	if (!d->moving && !d->interface_gone && same_place(&d->iface.extif, next) &&
	    take_mtu(d, next->mtu))
		return;
	if (!d->moving)
		d->mtu_inside = daemon_mtu(d);
	move(d);
}

static void on_follow(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	daemon_follow(fl_container_of(w, struct daemon, follow));
}

/* ---- what the interface does ---- */

static void on_changed(struct fl_underlay_listener *l, const struct fl_extif_choice *now)
{
	struct daemon *d = fl_container_of(l, struct daemon, underlay_listener);

	fl_extif_choice_copy(&d->next_iface, now);
	d->follow_due = true;
	daemon_follow(d);
}

/* What stood on it is gone, too. The kernel removes a device that was bound to it. */
static void on_gone(struct fl_underlay_listener *l)
{
	struct daemon *d = fl_container_of(l, struct daemon, underlay_listener);

	fl_warn("underlay", "%s was removed", d->iface.extif.name);
	d->interface_gone = true;
	if (d->overlay)
		fl_overlay_suspend(d->overlay);
}

static void on_status(struct fl_underlay_listener *l, const char *text)
{
	struct daemon *d = fl_container_of(l, struct daemon, underlay_listener);

	set_trouble(d, text ? text : "");
}

/* ---- life ---- */

void daemon_underlay_init(struct daemon *d)
{
	d->underlay_listener.changed = on_changed;
	d->underlay_listener.gone = on_gone;
	d->underlay_listener.status = on_status;
	ev_timer_init(&d->follow, on_follow, 0., 0.);
	(void)fl_backoff_init(&d->follow_backoff, RETRY_MIN_MS, RETRY_MAX_MS);
}

int daemon_underlay_start(struct daemon *d)
{
	const struct fl_underlay_conf conf = {
		.loop = d->loop,
		.rtnl = d->rtnl,
		.extif = daemon_extif_conf(d),
		.listener = &d->underlay_listener,
	};
	int r = fl_underlay_create(&conf, &d->iface, &d->underlay);

	if (r < 0)
		fl_err("underlay", "%s cannot be followed: %s", d->iface.extif.name, strerror(-r));
	return r;
}

void daemon_underlay_done(struct daemon *d)
{
	ev_timer_stop(d->loop, &d->follow);
	fl_underlay_destroy(d->underlay);
}
