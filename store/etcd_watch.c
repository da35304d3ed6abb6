/* store/etcd_watch.c - the others' leases: a snapshot, then event after event by long poll. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/random.h"
#include "store/etcd_internal.h"

#define LIST_TIMEOUT_MS	   60000u
/* A connection through a balancer may be half dead without either kernel seeing it: so no poll is
 * for ever. */
#define POLL_MIN_MS	   270000u
#define POLL_JITTER_MS	   60000u
#define QUIET_TOO_FAST_S   1.
#define CLEARED_TOO_FAST_S 10.
#define PACE_MIN_MS	   100u
#define PACE_MAX_MS	   5000u

static const struct fl_etcd_chan_ops snapshot_ops, poll_ops;

static struct fl_store_listener *listener(struct fl_etcd *etcd)
{
	return etcd->store.listener;
}

/* ---- entries ---- */

static void tell_bad(struct fl_etcd *etcd, const struct fl_etcd_entry *e, const char *why)
{
	etcd->watch.bad++;
	fl_etcd_bad_note(&etcd->bad, e, why);
}

static void tell_peer(struct fl_etcd *etcd, const struct fl_etcd_entry *e,
		      struct fl_lease_record *rec)
{
	struct fl_store_listener *l = listener(etcd);

	rec->index = e->index;
	rec->expires_s = e->ttl_s == FL_ETCD_FOREVER ? 0 : (int64_t)time(NULL) + e->ttl_s;
	etcd->watch.peers++;
	fl_etcd_bad_forget(&etcd->bad, e->key);
	l->ops->peer(l, rec);
}

/* A value that parses as a lease, or does not. */
static void on_value(struct fl_etcd *etcd, const struct fl_etcd_entry *e,
		     const struct fl_prefix *subnet)
{
	struct fl_store_listener *l = listener(etcd);
	const struct fl_lease *own = &etcd->own.rec->lease;
	struct fl_lease_record *rec = NULL;
	char *why = NULL;
	int r;

	r = e->flaw ? -EINVAL : fl_lease_decode(e->key, e->value, e->value_len, &rec, &why);
	if (r < 0) {
		tell_bad(etcd, e, e->flaw ? e->flaw : why ? why : strerror(-r));
		free(why);
		l->ops->unreadable(l, subnet);
		return;
	}
	if (!fl_addr_equal(&rec->lease.public_ip, &own->public_ip)) {
		tell_peer(etcd, e, rec);
		return;
	}
	/* Rows that lead to ourselves would only do harm. */
	tell_bad(etcd, e, "a second lease of our own address");
	fl_lease_record_free(rec);
	if (!etcd->watch.open)
		l->ops->gone(l, subnet);
}

static void on_entry(struct fl_etcd *etcd, const struct fl_etcd_entry *e)
{
	struct fl_store_listener *l = listener(etcd);
	struct fl_prefix subnet, subnet6;

	if (strcmp(e->key, etcd->own.key) == 0) {
		etcd->watch.own_seen = true;
		fl_etcd_own_event(etcd, e);
		return;
	}
	if (e->gone)
		fl_etcd_bad_forget(&etcd->bad, e->key);
	if (fl_lease_key_parse(e->key, &subnet, &subnet6) < 0) {
		if (!e->gone)
			tell_bad(etcd, e, "its key is not that of a lease (10.5.52.0-24)");
	} else if (fl_prefix_equal(&subnet, &etcd->own.rec->lease.subnet)) {
		if (!e->gone)
			tell_bad(etcd, e, "another key for our own subnet");
	} else if (e->gone) {
		l->ops->gone(l, &subnet);
	} else {
		on_value(etcd, e, &subnet);
	}
}

/* ---- snapshot ---- */

static void snapshot_open(struct fl_etcd *etcd)
{
	struct fl_etcd_watch *w = &etcd->watch;

	if (w->open)
		return;
	w->open = true;
	w->own_seen = false;
	w->peers = 0;
	w->bad = 0;
	fl_etcd_bad_begin(&etcd->bad);
	listener(etcd)->ops->snapshot_begin(listener(etcd));
}

static void snapshot(struct fl_etcd *etcd, uint32_t delay_ms)
{
	const struct fl_etcd_request req = {
		.verb = FL_ETCD_LIST,
		.ttl_s = FL_ETCD_FOREVER,
		.timeout_ms = LIST_TIMEOUT_MS,
	};

	fl_etcd_chan_start(&etcd->events, &snapshot_ops, &req, delay_ms);
}

static void poll_events(struct fl_etcd *etcd, uint32_t delay_ms)
{
	const struct fl_etcd_request req = {
		.verb = FL_ETCD_WATCH,
		.index = etcd->watch.index,
		.ttl_s = FL_ETCD_FOREVER,
		.timeout_ms = POLL_MIN_MS + fl_random_below(POLL_JITTER_MS),
	};

	etcd->watch.started = ev_now(etcd->loop) + delay_ms / 1e3;
	fl_etcd_chan_start(&etcd->events, &poll_ops, &req, delay_ms);
}

static void on_snapshot_entry(struct fl_etcd *etcd, const struct fl_etcd_entry *e)
{
	snapshot_open(etcd);
	on_entry(etcd, e);
}

static void on_snapshot_restart(struct fl_etcd *etcd)
{
	struct fl_store_listener *l = listener(etcd);

	if (!etcd->watch.open)
		return;
	etcd->watch.open = false;
	l->ops->snapshot_abort(l);
}

static void on_snapshot_done(struct fl_etcd *etcd, const struct fl_etcd_result *res)
{
	struct fl_etcd_watch *w = &etcd->watch;
	struct fl_store_listener *l = listener(etcd);

	snapshot_open(etcd); /* nothing was in it */
	fl_etcd_bad_end(&etcd->bad);
	w->open = false;
	w->index = res->index;
	fl_log(w->hushed ? FL_LOG_DEBUG : FL_LOG_INFO, "etcd",
	       "%s/subnets: %u leases of other hosts, %u entries of no use (index %llu)",
	       etcd->prefix, w->peers, w->bad, (unsigned long long)w->index);
	poll_events(etcd, 0);
	if (!w->own_seen)
		fl_etcd_own_event(etcd, NULL);
	l->ops->snapshot_end(l);
}

static const struct fl_etcd_chan_ops snapshot_ops = {
	.entry = on_snapshot_entry,
	.restart = on_snapshot_restart,
	.done = on_snapshot_done,
};

/* ---- events ---- */

/* Answers without news that come at once, from a proxy for instance, must not make us spin. */
static uint32_t pace_ms(struct fl_etcd *etcd, ev_tstamp since, double too_fast_s)
{
	struct fl_etcd_watch *w = &etcd->watch;

	if (since > 0. && ev_now(etcd->loop) - since < too_fast_s)
		return fl_backoff_next(&w->pace);
	fl_backoff_reset(&w->pace);
	return 0;
}

static void on_poll_done(struct fl_etcd *etcd, const struct fl_etcd_result *res)
{
	struct fl_etcd_watch *w = &etcd->watch;
	uint32_t delay_ms;

	switch (res->outcome) {
	case FL_ETCD_OK:
		fl_backoff_reset(&w->pace);
		w->index = res->index;
		poll_events(etcd, 0);
		return;
	case FL_ETCD_QUIET:
		/* Nothing happened to leases up to there; not to move on would run us out of
		 * etcd's history while others write. */
		if (res->index > w->index)
			w->index = res->index;
		poll_events(etcd, pace_ms(etcd, w->started, QUIET_TOO_FAST_S));
		return;
	default:
		delay_ms = pace_ms(etcd, w->cleared, CLEARED_TOO_FAST_S);
		w->cleared = ev_now(etcd->loop);
		w->hushed = delay_ms > 0; /* once is news */
		fl_log(w->hushed ? FL_LOG_DEBUG : FL_LOG_INFO, "etcd",
		       "events behind index %llu may have been missed; taking a snapshot",
		       (unsigned long long)w->index);
		snapshot(etcd, delay_ms);
	}
}

static const struct fl_etcd_chan_ops poll_ops = {.entry = on_entry, .done = on_poll_done};

int fl_etcd_watch(struct fl_store *s)
{
	struct fl_etcd *etcd = fl_etcd_of(s);

	if (!etcd->own.held)
		return -EINVAL;
	(void)fl_backoff_init(&etcd->watch.pace, PACE_MIN_MS, PACE_MAX_MS);
	etcd->events.endpoint = etcd->requests.endpoint; /* the one that answered last */
	fl_etcd_own_keep(etcd);
	snapshot(etcd, 0);
	return 0;
}
