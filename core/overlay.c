/* core/overlay.c - the leases of others become rows: peers in, backend.rows() asked, fib told. */
#include "overlay_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "peer_filter.h"

void overlay_declare(struct fl_overlay *o, const struct fl_lease *peer, const struct fl_rows *rows)
{
	char subnet[FL_PREFIX_STRLEN];
	uint32_t i = 0;
	int r = 0;

	while (i < rows->count && r == 0)
		r = fl_fib_declare(o->fib, &rows->rows[i++]);
	if (r == -ENOMEM)
		overlay_lose_count(o);
	else if (r < 0)
		fl_err("peers", "%s: %s; this peer is not reached until it changes",
		       fl_prefix_format(&peer->subnet, subnet), strerror(-r));
}

void overlay_withdraw(struct fl_overlay *o, const struct fl_rows *rows)
{
	for (uint32_t i = rows->count; i > 0; i--)
		fl_fib_withdraw(o->fib, &rows->rows[i - 1]);
}

void overlay_tell_added(struct fl_overlay *o, struct fl_lease_record *rec)
{
	int r = 0;

	if (o->conf.ops->peer_add)
		r = o->conf.ops->peer_add(o->conf.backend, &rec->lease);
	if (r < 0) { /* the recount tells it again */
		overlay_lose_count(o);
		return;
	}
	rec->told = true;
	fl_peer_filter_add(o->conf.filter, &rec->lease.public_ip);
}

void overlay_tell_removed(struct fl_overlay *o, struct fl_lease_record *rec)
{
	rec->told = false;
	fl_peer_filter_del(o->conf.filter, &rec->lease.public_ip);
	if (o->conf.ops->peer_del)
		o->conf.ops->peer_del(o->conf.backend, &rec->lease);
}

static void tell_news(struct fl_overlay *o, const struct fl_lease *peer, bool came)
{
	if (o->conf.news)
		o->conf.news(o->conf.news_owner, peer, came);
}

/* The backend that was told of it is no more. */
static void forget_told(struct fl_overlay *o, struct fl_lease_record *rec)
{
	if (rec->told)
		fl_peer_filter_del(o->conf.filter, &rec->lease.public_ip);
	rec->told = false;
}

static void on_added(struct fl_peers_listener *l, struct fl_lease_record *rec)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, peers_listener);
	enum verdict v;

	if (!rec->since_s) {
		tell_news(o, &rec->lease, true);
		rec->since_s = (int64_t)ev_now(o->conf.loop);
	}
	if (o->suspended)
		return; /* its turn comes when that ends */
	forget_told(o, rec);
	rec->way = overlay_way_to(o, &rec->lease);
	v = overlay_judge(o, &rec->lease, rec->way);
	(*overlay_counter_of(o, v))++;
	overlay_say_verdict(o, &rec->lease, v);
	if (v == REFUSED)
		fl_overlay_keep(o, &rec->lease.subnet);
	if (v != REACHED)
		return;
	overlay_declare(o, &rec->lease, &o->rows);
	overlay_tell_added(o, rec);
}

static void on_removed(struct fl_peers_listener *l, struct fl_lease_record *rec)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, peers_listener);
	char subnet[FL_PREFIX_STRLEN];
	enum verdict v;

	tell_news(o, &rec->lease, false);
	if (o->suspended) {
		forget_told(o, rec);
		return;
	}
	v = overlay_judge(o, &rec->lease, rec->way);
	(*overlay_counter_of(o, v))--;
	fl_log(o->in_snapshot ? FL_LOG_DEBUG : FL_LOG_INFO, "peers", "%s is gone or changes",
	       fl_prefix_format(&rec->lease.subnet, subnet));
	if (rec->told)
		overlay_tell_removed(o, rec);
	if (v == REACHED)
		overlay_withdraw(o, &o->rows);
}

/* ---- the fib ---- */

static void on_settled(struct fl_fib_listener *l)
{
	struct fl_overlay *o = fl_container_of(l, struct fl_overlay, fib_listener);
	struct fl_fib_stats s;

	if (o->adopted)
		overlay_repair_filled(o);
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

void overlay_compared(struct fl_overlay *o, int error)
{
	if (error < 0) {
		retry_later(o, error);
		return;
	}
	o->adopted = true;
	fl_backoff_reset(&o->adopt_backoff);
	check_swept(o);
	if (!o->swept) { /* doubts may have gone meanwhile */
		fl_fib_sweep(o->fib);
		check_swept(o);
	}
	overlay_repair_compared(o);
	overlay_repair_fill(o);
	fl_fib_commit(o->fib);
}

/* Until the kernel was compared, nothing may be sent: equal rows would be touched, strangers
 * overlooked. And until all leases are known it must not be compared: what stands for those that
 * have not come yet would be removed. */
void overlay_settle(struct fl_overlay *o)
{
	if (o->suspended || o->in_snapshot || !o->complete)
		return;
	fl_peer_filter_settle(o->conf.filter);
	if (o->adopted) {
		fl_fib_commit(o->fib);
		return;
	}
	overlay_repair_listen(o); /* before: else what happens in between is missed */
	overlay_compare(o);
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
	overlay_settle(fl_container_of(w, struct fl_overlay, adopt_timer));
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
	overlay_say_rest(o);
	o->in_snapshot = false;
	o->complete = true;
	fl_log(o->suspended ? FL_LOG_DEBUG : FL_LOG_INFO, "peers",
	       "%u leases of other hosts: %u reached, %u ignored or of another backend, %u "
	       "waiting for a route, %u left out",
	       fl_peers_count(o->peers), o->tally.reached, o->tally.ignored, o->tally.waiting,
	       o->tally.rejected);
	fl_prefix_set_done(&o->doubts_before);
	sweep(o);
	overlay_settle(o);
}

void fl_overlay_snapshot_abort(struct fl_overlay *o)
{
	fl_peers_snapshot_abort(o->peers);
	overlay_say_rest(o);
	o->in_snapshot = false;
	fl_prefix_set_done(&o->doubts); /* not all of them: those of before stand for the rest */
	o->doubts = o->doubts_before;
	o->doubts_before = (struct fl_prefix_set){0};
	overlay_settle(o);
}

/* A peer that was reached, and whose data is of no use now: nothing is removed on doubt (S1). */
static bool turned_bad(struct fl_overlay *o, const struct fl_lease *now)
{
	struct fl_lease_record before;
	char subnet[FL_PREFIX_STRLEN];

	if (o->suspended || !fl_peers_find(o->peers, &now->subnet, &before) ||
	    fl_lease_same(&before.lease, now) ||
	    overlay_judge(o, &before.lease, before.way) != REACHED ||
	    overlay_judge(o, now, overlay_way_to(o, now)) != REFUSED)
		return false;
	fl_warn("peers", "%s: its new entry is of no use: %s; it is reached as before",
		fl_prefix_format(&now->subnet, subnet), o->rows.why);
	return true;
}

/* The entry of @p subnet can be read now. Is it of use, too? */
static void review_doubt(struct fl_overlay *o, const struct fl_prefix *subnet)
{
	struct fl_lease_record now;

	if (o->suspended)
		return;
	if (!fl_prefix_set_has(&o->doubts, subnet) && !fl_prefix_set_has(&o->doubts_before, subnet))
		return;
	if (fl_peers_find(o->peers, subnet, &now) &&
	    overlay_judge(o, &now.lease, now.way) == REFUSED)
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
	overlay_settle(o);
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
	overlay_settle(o);
}

int fl_overlay_declare_own(struct fl_overlay *o, const char **why)
{
	int r;

	fl_rows_reset(&o->rows);
	if (!o->conf.ops->own_rows)
		return 0;
	r = o->conf.ops->own_rows(o->conf.backend, o->conf.own, &o->rows);
	for (uint32_t i = 0; i < o->rows.count && r == 0; i++)
		r = fl_fib_declare(o->fib, &o->rows.rows[i]);
	if (r != 0 && !o->rows.why[0])
		(void)fl_rows_reject(&o->rows, "%s", strerror(abs(r)));
	*why = o->rows.why;
	return r == 0 ? 0 : -EINVAL;
}

/* ---- devices of the backend's own making ---- */

void fl_overlay_device_came(struct fl_overlay *o, uint32_t ifindex)
{
	int r;

	if (o->suspended)
		return;
	o->away = false;
	r = overlay_repair_filter(o);
	if (r < 0)
		fl_warn("fib", "what others do to rows is not seen at once: %s", strerror(-r));
	if (o->comparing) {
		overlay_compare_anew(o);
		return;
	}
	if (!o->adopted)
		return; /* its turn comes with the others' */
	r = fl_fib_adopt(o->fib, ifindex);
	if (r < 0) {
		o->adopted = false;
		retry_later(o, r);
		return;
	}
	overlay_settle(o);
}

void fl_overlay_device_went(struct fl_overlay *o, uint32_t ifindex)
{
	if (o->suspended)
		return;
	o->away = true;
	if (!o->comparing) {
		fl_fib_forget(o->fib, ifindex);
		return;
	}
	overlay_compare_stop(o);
	fl_fib_forget(o->fib, ifindex);
	overlay_compare_anew(o);
}

/* ---- another backend on another underlay ---- */

/* What looks at the kernel, asks the backend, or programs rows. */
static int senses_start(struct fl_overlay *o)
{
	int r = fl_fib_create(o->conf.loop, o->conf.env->rtnl, &o->fib_listener, &o->fib);

	if (r == 0)
		r = overlay_walk_start(o);
	return r == 0 ? overlay_repair_start(o) : r;
}

static void senses_stop(struct fl_overlay *o)
{
	ev_timer_stop(o->conf.loop, &o->adopt_timer);
	overlay_compare_stop(o);
	overlay_walk_done(o);
	overlay_recount_done(o);
	overlay_repair_done(o);
	fl_fib_destroy(o->fib);
	o->fib = NULL;
}

void fl_overlay_suspend(struct fl_overlay *o)
{
	if (o->suspended)
		return;
	senses_stop(o);
	o->suspended = true;
	o->adopted = false;
	o->filled = false;
	o->unwell = 0;
	o->miscounted = false;
	o->away = false;
	o->tally = (struct tally){0};
}

int fl_overlay_resume(struct fl_overlay *o, struct fl_backend *backend, const struct fl_lease *own)
{
	struct fl_peers_cursor from = {0};
	bool in_snapshot = o->in_snapshot;
	const char *why = "";
	int r;

	o->conf.backend = backend;
	o->conf.own = own;
	r = senses_start(o);
	if (r == 0)
		r = fl_overlay_declare_own(o, &why);
	if (r < 0) {
		fl_err("fib", "rows cannot be declared anew: %s", why[0] ? why : strerror(-r));
		senses_stop(o);
		return r;
	}
	o->suspended = false;
	o->in_snapshot = true; /* it is as much to say at once, and to settle once */
	(void)fl_peers_walk(o->peers, &from, UINT32_MAX, on_added);
	overlay_say_rest(o);
	o->in_snapshot = in_snapshot;
	overlay_settle(o);
	return 0;
}

/* ---- life ---- */

int fl_overlay_create(const struct fl_overlay_conf *conf, struct fl_overlay **ret)
{
	struct fl_overlay *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->conf = *conf;
	o->peers_listener.usual_type = conf->ops->name;
	o->peers_listener.lasting = conf->ops->peer_add != NULL;
	o->peers_listener.added = on_added;
	o->peers_listener.removed = on_removed;
	o->fib_listener.settled = on_settled;
	o->fib_listener.spared = on_spared;
	ev_timer_init(&o->adopt_timer, on_adopt_timer, 0., 0.);
	overlay_compare_init(o);
	overlay_walk_init(o);
	overlay_recount_init(o);
	overlay_repair_init(o);
	(void)fl_backoff_init(&o->adopt_backoff, 100, 5000);
	r = fl_peers_create(&o->peers_listener, &o->peers);
	if (r < 0)
		goto fail;
	r = senses_start(o);
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
	senses_stop(o);
	fl_peers_destroy(o->peers);
	fl_rows_done(&o->rows);
	fl_rows_done(&o->before);
	fl_prefix_set_done(&o->doubts);
	fl_prefix_set_done(&o->doubts_before);
	free(o);
}
