/* core/overlay.c - the leases of others become rows: peers in, backend.rows() asked, fib told. */
#include "overlay.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/prefix_set.h"
#include "env.h"
#include "fib.h"
#include "peers.h"
#include "route_watch.h"

#define LINES_MAX  10u	/* about single peers, per snapshot or walk */
#define FAULTS_MAX 200u /* likewise, about what is wrong with them (S1) */
#define WALK_PEERS 256u /* per turn of the loop: about a millisecond */

static void settle(struct fl_overlay *o);

/* How many leases of others are what. */
struct tally {
	uint32_t reached;  /* whose rows are declared */
	uint32_t ignored;  /* of another backend type (K10) */
	uint32_t waiting;  /* that no route leads to for now */
	uint32_t rejected; /* outside of Network, or with data that the backend refuses */
};

struct fl_overlay {
	struct fl_overlay_conf conf;
	struct fl_peers *peers;
	struct fl_peers_listener peers_listener;
	struct fl_fib *fib;
	struct fl_fib_listener fib_listener;
	struct fl_rows rows;	       /* scratch: the rows of the peer at hand */
	struct fl_rows before;	       /* scratch: those of another way to it */
	struct fl_route_watch *routes; /* NULL: there is one way for the backend */
	struct fl_route_watch_listener routes_listener;
	ev_check walk; /* one slice of peers per turn, to ask for their way again */
	ev_idle awake;
	struct fl_peers_cursor cursor;
	double walked_s; /* time that the walk has taken so far */
	struct tally tally;
	struct fl_backoff adopt_backoff;
	ev_timer adopt_timer;
	uint32_t said; /* lines about single peers in this snapshot or walk */
	uint32_t unsaid;
	bool in_snapshot;
	bool complete; /* all leases are known: a first snapshot has ended */
	bool adopted;  /* the kernel was compared once; before that nothing is sent to it */
	bool swept;    /* and no row of ours is left that nobody declares */
	/* Subnets whose entry is of no use: what stands for them may be right. Unused once swept.
	 */
	struct fl_prefix_set doubts;
	struct fl_prefix_set doubts_before; /* in a snapshot: those of the one before */
};

/* Which of the stats a lease counts in. */
enum verdict {
	REACHED,
	FOREIGN, /* of another backend */
	IGNORED, /* the backend has no use for it */
	WAITING, /* until a route leads to it */
	OUTSIDE, /* its subnet is not one of Network that others may have */
	REFUSED, /* its data is of no use, to the backend or to anybody */
};

static uint32_t *counter_of(struct fl_overlay *o, enum verdict v)
{
	switch (v) {
	case REACHED:
		return &o->tally.reached;
	case FOREIGN:
	case IGNORED:
		return &o->tally.ignored;
	case WAITING:
		return &o->tally.waiting;
	default:
		return &o->tally.rejected;
	}
}

/* What is wrong with rows that lead to @subnet, whoever holds it; NULL: nothing. */
static const char *flaw_of(const struct fl_overlay *o, const struct fl_prefix *subnet)
{
	const struct fl_prefix *network = &o->conf.env->network;

	if (subnet->len <= network->len || !fl_prefix_contains(network, &subnet->addr))
		return "its subnet is outside of Network";
	if (fl_prefix_overlaps(subnet, &o->conf.own_subnet))
		return "its subnet overlaps ours";
	if (fl_prefix_contains(subnet, &o->conf.env->extif->addr))
		return "its subnet holds our own address on the underlay";
	return NULL;
}

/* What can be said without the backend. */
static enum verdict screen(struct fl_overlay *o, const struct fl_lease *peer)
{
	const char *flaw = flaw_of(o, &peer->subnet);

	if (strcmp(peer->backend_type, o->conf.ops->name) != 0)
		return FOREIGN;
	if (flaw) {
		(void)fl_rows_reject(&o->rows, "%s", flaw);
		return OUTSIDE;
	}
	if (fl_prefix_contains(&peer->subnet, &peer->public_ip)) {
		(void)fl_rows_reject(&o->rows, "its subnet holds its own PublicIP: the tunnel "
					       "would lead into itself");
		return REFUSED;
	}
	return REACHED;
}

/* A function of the lease, its way and the backend's state alone, so that what was declared can be
 * withdrawn. */
static enum verdict judge(struct fl_overlay *o, const struct fl_lease *peer, uint32_t way)
{
	enum verdict v;
	int r;

	fl_rows_reset(&o->rows);
	v = screen(o, peer);
	if (v != REACHED)
		return v;
	r = o->conf.ops->rows(o->conf.backend, peer, way, &o->rows);
	if (r == 0)
		return REACHED;
	if (!o->rows.why[0])
		(void)fl_rows_reject(&o->rows, "backend %s: rows: %s", o->conf.ops->name,
				     strerror(abs(r)));
	if (r == FL_ROWS_IGNORED)
		return IGNORED;
	return r == FL_ROWS_WAITING ? WAITING : REFUSED;
}

static uint32_t way_to(struct fl_overlay *o, const struct fl_lease *peer)
{
	if (!o->conf.ops->way || screen(o, peer) != REACHED)
		return 0;
	return o->conf.ops->way(o->conf.backend, peer);
}

/* Of very many lines, as when a link goes down, a few tell as much. */
static enum fl_log_level level_of(struct fl_overlay *o, enum fl_log_level level, uint32_t max)
{
	if (!o->in_snapshot && !ev_is_active(&o->walk))
		return level;
	if (o->said < max) {
		o->said++;
		return level;
	}
	o->unsaid++;
	return FL_LOG_DEBUG;
}

static void say_rest(struct fl_overlay *o)
{
	if (o->unsaid)
		fl_info("peers", "and %u more lines like these", o->unsaid);
	o->said = 0;
	o->unsaid = 0;
}

static void say_verdict(struct fl_overlay *o, const struct fl_lease *peer, enum verdict v)
{
	char subnet[FL_PREFIX_STRLEN], ip[FL_ADDR_STRLEN];

	fl_prefix_format(&peer->subnet, subnet);
	fl_addr_format(&peer->public_ip, ip);
	switch (v) {
	case FOREIGN:
		fl_log(level_of(o, FL_LOG_INFO, LINES_MAX), "peers",
		       "%s of %s: ignored: its backend is %s, ours is %s", subnet, ip,
		       peer->backend_type, o->conf.ops->name);
		break;
	case IGNORED:
		fl_log(o->in_snapshot ? FL_LOG_DEBUG : FL_LOG_INFO, "peers",
		       "%s of %s: ignored: %s", subnet, ip, o->rows.why);
		break;
	case WAITING:
		fl_log(level_of(o, FL_LOG_WARN, LINES_MAX), "peers",
		       "%s of %s: not reached: %s; waiting for a route", subnet, ip, o->rows.why);
		break;
	case REACHED:
		fl_log(o->in_snapshot ? FL_LOG_DEBUG : level_of(o, FL_LOG_INFO, LINES_MAX), "peers",
		       "%s is reached at %s", subnet, ip);
		break;
	default:
		fl_log(level_of(o, FL_LOG_WARN, FAULTS_MAX), "peers", "%s of %s: left out: %s",
		       subnet, ip, o->rows.why);
	}
}

static void declare(struct fl_overlay *o, const struct fl_lease *peer, const struct fl_rows *rows)
{
	char subnet[FL_PREFIX_STRLEN];
	uint32_t i = 0;
	int r = 0;

	while (i < rows->count && r == 0)
		r = fl_fib_declare(o->fib, &rows->rows[i++]);
	if (r < 0)
		fl_err("peers", "%s: %s; this peer is not reached until it changes",
		       fl_prefix_format(&peer->subnet, subnet), strerror(-r));
}

static void withdraw(struct fl_overlay *o, const struct fl_rows *rows)
{
	for (uint32_t i = rows->count; i > 0; i--)
		fl_fib_withdraw(o->fib, &rows->rows[i - 1]);
}

static void tell_added(struct fl_overlay *o, const struct fl_lease *peer)
{
	if (o->conf.ops->peer_add)
		o->conf.ops->peer_add(o->conf.backend, peer);
}

static void tell_removed(struct fl_overlay *o, const struct fl_lease *peer)
{
	if (o->conf.ops->peer_del)
		o->conf.ops->peer_del(o->conf.backend, peer);
}

static void on_added(struct fl_peers_listener *l, struct fl_lease_record *rec)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, peers_listener);
	enum verdict v;

	rec->way = way_to(o, &rec->lease);
	v = judge(o, &rec->lease, rec->way);
	(*counter_of(o, v))++;
	say_verdict(o, &rec->lease, v);
	if (v == REFUSED)
		fl_overlay_keep(o, &rec->lease.subnet);
	if (v != REACHED)
		return;
	declare(o, &rec->lease, &o->rows);
	tell_added(o, &rec->lease);
}

static void on_removed(struct fl_peers_listener *l, const struct fl_lease_record *rec)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, peers_listener);
	enum verdict v = judge(o, &rec->lease, rec->way);
	char subnet[FL_PREFIX_STRLEN];

	(*counter_of(o, v))--;
	fl_log(o->in_snapshot ? FL_LOG_DEBUG : FL_LOG_INFO, "peers", "%s is gone or changes",
	       fl_prefix_format(&rec->lease.subnet, subnet));
	if (v != REACHED)
		return;
	tell_removed(o, &rec->lease);
	withdraw(o, &o->rows);
}

/* ---- other ways, because routes of this host have changed (K8) ---- */

/* The new rows first: a route whose gateway changes is replaced in one step. */
static void reconsider(struct fl_peers_listener *l, struct fl_lease_record *rec)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, peers_listener);
	uint32_t way = way_to(o, &rec->lease);
	enum verdict was, now;
	struct fl_rows rows;

	if (way == rec->way)
		return;
	was = judge(o, &rec->lease, rec->way);
	rows = o->before;
	o->before = o->rows;
	o->rows = rows;
	now = judge(o, &rec->lease, way);
	rec->way = way;
	(*counter_of(o, was))--;
	(*counter_of(o, now))++;
	if (now == REACHED)
		declare(o, &rec->lease, &o->rows);
	if (was == REACHED) {
		tell_removed(o, &rec->lease);
		withdraw(o, &o->before);
	}
	if (now == REACHED)
		tell_added(o, &rec->lease);
	if (now == REACHED && was == REACHED)
		fl_log(level_of(o, FL_LOG_INFO, LINES_MAX), "peers",
		       "%s: another way leads to it now",
		       fl_prefix_format(&rec->lease.subnet, (char[FL_PREFIX_STRLEN]){0}));
	else
		say_verdict(o, &rec->lease, now);
}

static void stop_walk(struct fl_overlay *o)
{
	ev_check_stop(o->conf.loop, &o->walk);
	ev_idle_stop(o->conf.loop, &o->awake);
}

static void on_walk(struct ev_loop *loop, ev_check *w, int revents)
{
	struct fl_overlay *o = fl_container_of(w, struct fl_overlay, walk);
	double begin = ev_time();
	bool more = fl_peers_walk(o->peers, &o->cursor, WALK_PEERS, reconsider);

	(void)loop;
	(void)revents;
	o->walked_s += ev_time() - begin;
	if (more)
		return;
	stop_walk(o);
	say_rest(o);
	fl_route_watch_took(o->routes, o->walked_s);
	settle(o);
}

static void on_awake(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

static void on_routes_changed(struct fl_route_watch_listener *l)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, routes_listener);

	o->cursor = (struct fl_peers_cursor){0};
	o->walked_s = 0.;
	ev_check_start(o->conf.loop, &o->walk);
	ev_idle_start(o->conf.loop, &o->awake);
}

/* ---- the fib ---- */

static void on_settled(struct fl_fib_listener *l)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, fib_listener);
	struct fl_fib_stats s;

	fl_fib_stats(o->fib, &s);
	fl_debug("fib", "%u rows declared, %u installed, %u failed, %u in conflict", s.declared,
		 s.installed, s.failed, s.conflicts);
}

/* ---- the kernel as we find it ---- */

static void retry_later(struct fl_overlay *o, int error)
{
	uint32_t ms = fl_backoff_next(&o->adopt_backoff);

	fl_warn("fib", "cannot read the kernel's tables: %s; retrying in %u ms", strerror(-error),
		ms);
	ev_timer_stop(o->conf.loop, &o->adopt_timer);
	ev_timer_set(&o->adopt_timer, ms / 1e3, 0.);
	ev_timer_start(o->conf.loop, &o->adopt_timer);
}

static bool on_spared(struct fl_fib_listener *l, const struct fl_prefix *dst)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, fib_listener);

	return fl_prefix_set_has(&o->doubts, dst);
}

static void check_swept(struct fl_overlay *o)
{
	struct fl_fib_stats s;

	fl_fib_stats(o->fib, &s);
	if (s.spared) {
		fl_debug("fib", "%u rows stay until the entries of their subnets can be read",
			 s.spared);
		return;
	}
	o->swept = true;
	fl_prefix_set_done(&o->doubts);
	fl_prefix_set_done(&o->doubts_before);
}

/* Until the kernel was compared, nothing may be sent: equal rows would be touched, strangers
 * overlooked. And until all leases are known it must not be compared: what stands for those that
 * have not come yet would be removed. */
static void settle(struct fl_overlay *o)
{
	uint32_t i;
	int r = 0;

	if (o->in_snapshot || !o->complete)
		return;
	if (!o->adopted) {
		for (i = 0; i < o->conf.env->n_devices && r == 0; i++)
			r = fl_fib_adopt(o->fib, o->conf.env->devices[i]);
		if (r == 0)
			r = fl_fib_adopt_elsewhere(o->fib, &o->conf.env->network);
		if (r < 0) {
			retry_later(o, r);
			return;
		}
		o->adopted = true;
		fl_backoff_reset(&o->adopt_backoff);
		check_swept(o);
	}
	fl_fib_commit(o->fib);
}

/* Some doubts are gone, and with them perhaps the reason why rows stay. */
static void sweep(struct fl_overlay *o)
{
	if (!o->adopted || o->swept || o->in_snapshot)
		return;
	fl_fib_sweep(o->fib);
	check_swept(o);
}

static void on_adopt_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	settle(fl_container_of(w, struct fl_overlay, adopt_timer));
}

/* ---- in from the store ---- */

void fl_overlay_snapshot_begin(struct fl_overlay *o)
{
	o->in_snapshot = true;
	o->doubts_before = o->doubts;
	o->doubts = (struct fl_prefix_set){0};
	fl_peers_snapshot_begin(o->peers);
}

void fl_overlay_snapshot_end(struct fl_overlay *o)
{
	fl_peers_snapshot_end(o->peers);
	say_rest(o);
	o->in_snapshot = false;
	o->complete = true;
	fl_info("peers",
		"%u leases of other hosts: %u reached, %u ignored or of another backend, %u "
		"waiting for a route, %u left out",
		fl_peers_count(o->peers), o->tally.reached, o->tally.ignored, o->tally.waiting,
		o->tally.rejected);
	fl_prefix_set_done(&o->doubts_before);
	sweep(o);
	settle(o);
}

void fl_overlay_snapshot_abort(struct fl_overlay *o)
{
	fl_peers_snapshot_abort(o->peers);
	say_rest(o);
	o->in_snapshot = false;
	fl_prefix_set_done(&o->doubts); /* not all of them: those of before stand for the rest */
	o->doubts = o->doubts_before;
	o->doubts_before = (struct fl_prefix_set){0};
	if (o->adopted)
		fl_fib_commit(o->fib);
}

/* A peer that was reached, and whose data is of no use now: nothing is removed on doubt (S1). */
static bool turned_bad(struct fl_overlay *o, const struct fl_lease *now)
{
	const struct fl_lease_record *before = fl_peers_find(o->peers, &now->subnet);
	char subnet[FL_PREFIX_STRLEN];

	if (!before || fl_lease_same(&before->lease, now) ||
	    judge(o, &before->lease, before->way) != REACHED ||
	    judge(o, now, way_to(o, now)) != REFUSED)
		return false;
	fl_warn("peers", "%s: its new entry is of no use: %s; it is reached as before",
		fl_prefix_format(&now->subnet, subnet), o->rows.why);
	return true;
}

/* The entry of @p subnet can be read now. Is it of use, too? */
static void review_doubt(struct fl_overlay *o, const struct fl_prefix *subnet)
{
	const struct fl_lease_record *now;

	if (!fl_prefix_set_has(&o->doubts, subnet) && !fl_prefix_set_has(&o->doubts_before, subnet))
		return;
	now = fl_peers_find(o->peers, subnet);
	if (now && judge(o, &now->lease, now->way) == REFUSED)
		fl_overlay_keep(o, subnet);
	else if (fl_prefix_set_del(&o->doubts, subnet))
		sweep(o);
}

void fl_overlay_put(struct fl_overlay *o, struct fl_lease_record *rec)
{
	const struct fl_prefix subnet = rec->lease.subnet;
	char text[FL_PREFIX_STRLEN];
	int r;

	if (turned_bad(o, &rec->lease)) {
		fl_lease_record_free(rec);
		fl_overlay_keep(o, &subnet);
		return;
	}
	r = fl_peers_put(o->peers, rec);
	if (r < 0)
		fl_err("peers", "%s: %s; this lease is left as it was",
		       fl_prefix_format(&subnet, text), strerror(-r));
	review_doubt(o, &subnet);
	settle(o);
}

void fl_overlay_keep(struct fl_overlay *o, const struct fl_prefix *subnet)
{
	fl_peers_keep(o->peers, subnet);
	if (!o->swept && fl_prefix_set_add(&o->doubts, subnet) < 0)
		fl_err("peers", "out of memory: rows that lead to a subnet whose entry cannot be "
				"read may be removed");
}

void fl_overlay_del(struct fl_overlay *o, const struct fl_prefix *subnet)
{
	fl_peers_del(o->peers, subnet);
	if (fl_prefix_set_del(&o->doubts, subnet))
		sweep(o);
	settle(o);
}

/* ---- devices of the backend's own making ---- */

void fl_overlay_device_came(struct fl_overlay *o, uint32_t ifindex)
{
	int r;

	if (!o->adopted)
		return; /* its turn comes with the others' */
	r = fl_fib_adopt(o->fib, ifindex);
	if (r < 0) {
		o->adopted = false;
		retry_later(o, r);
		return;
	}
	settle(o);
}

void fl_overlay_device_went(struct fl_overlay *o, uint32_t ifindex)
{
	fl_fib_forget(o->fib, ifindex);
}

/* ---- life ---- */

int fl_overlay_create(const struct fl_overlay_conf *conf, struct fl_overlay **ret)
{
	struct fl_overlay *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->conf = *conf;
	o->peers_listener.added = on_added;
	o->peers_listener.removed = on_removed;
	o->fib_listener.settled = on_settled;
	o->fib_listener.spared = on_spared;
	o->routes_listener.changed = on_routes_changed;
	ev_timer_init(&o->adopt_timer, on_adopt_timer, 0., 0.);
	ev_check_init(&o->walk, on_walk);
	ev_idle_init(&o->awake, on_awake);
	(void)fl_backoff_init(&o->adopt_backoff, 100, 5000);
	r = fl_peers_create(&o->peers_listener, &o->peers);
	if (r < 0)
		goto fail;
	r = fl_fib_create(conf->loop, conf->env->rtnl, &o->fib_listener, &o->fib);
	if (r == 0 &&
	    conf->ops->way) /* before the first one is asked for: else a change is missed */
		r = fl_route_watch_create(conf->loop, &conf->env->network, &o->routes_listener,
					  &o->routes);
	if (r < 0)
		goto fail;
	*ret = o;
	return 0;

fail:
	fl_overlay_destroy(o);
	return r;
}

void fl_overlay_destroy(struct fl_overlay *o)
{
	if (!o)
		return;
	ev_timer_stop(o->conf.loop, &o->adopt_timer);
	stop_walk(o);
	fl_route_watch_destroy(o->routes);
	fl_peers_destroy(o->peers);
	fl_fib_destroy(o->fib);
	fl_rows_done(&o->rows);
	fl_rows_done(&o->before);
	fl_prefix_set_done(&o->doubts);
	fl_prefix_set_done(&o->doubts_before);
	free(o);
}
