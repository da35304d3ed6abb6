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
#define BLIND_POLL_MS	   45000u /* where a silent member may be one that has lost the others */
/* etcd sends the headers of a poll at once, its proxy keeps them back until there is an event. So
 * when nothing comes, ask something that must be answered: a silent endpoint is left after both
 * bounds. */
#define POLL_BEGIN_MS	   5000u
#define CHECK_TIMEOUT_MS   5000u
#define QUIET_TOO_FAST_S   1.
#define CLEARED_TOO_FAST_S 10.
/* A poll brings one event, and takes as long as 24 leases of a listing. */
#define BEHIND_MIN	   64u
#define LEASES_PER_POLL	   16u
#define PACE_MIN_MS	   100u
#define PACE_MAX_MS	   5000u

static const struct fl_etcd_chan_ops snapshot_ops, poll_ops, check_ops;

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
	rec->etcd_lease = e->lease;
	rec->expires_s = e->ttl_s == FL_ETCD_FOREVER	? 0
			 : e->ttl_s == FL_ETCD_SOMETIME ? FL_LEASE_SOMETIME
							: (int64_t)time(NULL) + e->ttl_s;
	etcd->watch.peers++;
	fl_etcd_bad_forget(&etcd->bad, e->key);
	l->ops->peer(l, rec);
}

/* The entry does not, or does not any more, stand for the subnet. */
static void on_gone(struct fl_etcd *etcd, const char *key, const struct fl_prefix *subnet)
{
	struct fl_store_listener *l = listener(etcd);
	bool rivalled;

	if (!fl_etcd_keys_drop(&etcd->keys, key, subnet, &rivalled))
		return;
	etcd->watch.stale = etcd->watch.stale || rivalled;
	if (!etcd->watch.open) /* else its end removes it */
		l->ops->gone(l, subnet);
}

static void on_lease(struct fl_etcd *etcd, const struct fl_etcd_entry *e,
		     struct fl_lease_record *rec)
{
	const struct fl_prefix subnet = rec->lease.subnet;
	struct fl_store_listener *l = listener(etcd);

	if (fl_addr_equal(&rec->lease.public_ip, &etcd->own.rec->lease.public_ip)) {
		/* Rows that lead to ourselves would only do harm. */
		tell_bad(etcd, e, "a second lease of our own address");
		fl_lease_record_free(rec);
		on_gone(etcd, e->key, &subnet);
	} else if (fl_etcd_keys_take(&etcd->keys, e->key, &subnet) < 0) {
		etcd->watch.stale = true;
		fl_lease_record_free(rec);
		l->ops->unreadable(l, &subnet);
	} else {
		tell_peer(etcd, e, rec);
	}
}

struct fl_lease_record *fl_etcd_entry_read(const struct fl_etcd_entry *e, char **why)
{
	struct fl_lease_record *rec;
	int r = -EINVAL;

	*why = NULL;
	if (e->flaw)
		*why = strdup(e->flaw);
	else
		r = fl_lease_decode(e->key, e->value, e->value_len, &rec, why);
	if (r == 0)
		return rec;
	if (!*why && r != -ENOMEM)
		*why = strdup(strerror(-r));
	return NULL;
}

/* @param rec  taken; NULL: the value is of no use, and @p why says why */
static void on_value(struct fl_etcd *etcd, const struct fl_etcd_entry *e,
		     const struct fl_prefix *subnet, struct fl_lease_record *rec, const char *why)
{
	struct fl_store_listener *l = listener(etcd);

	if (fl_etcd_keys_rivalled(&etcd->keys, e->key, subnet))
		why = "another key for this subnet";
	else if (rec) {
		on_lease(etcd, e, rec);
		return;
	}
	fl_lease_record_free(rec);
	if (why)
		tell_bad(etcd, e, why);
	else
		etcd->watch.stale = true; /* there was no memory to read it */
	l->ops->unreadable(l, subnet);
}

/* An entry that is not our own. @param rec  as for on_value() */
static void take(struct fl_etcd *etcd, const struct fl_etcd_entry *e, struct fl_lease_record *rec,
		 const char *why)
{
	struct fl_prefix subnet, subnet6;
	const char *flaw = NULL;

	if (e->gone)
		fl_etcd_bad_forget(&etcd->bad, e->key);
	if (fl_lease_key_parse(e->key, &subnet, &subnet6) < 0)
		flaw = "its key is not that of a lease (10.5.52.0-24)";
	else if (fl_prefix_equal(&subnet, &etcd->own.rec->lease.subnet))
		flaw = "another key for our own subnet";
	if (flaw && !e->gone)
		tell_bad(etcd, e, flaw);
	if (!flaw && !e->gone) {
		on_value(etcd, e, &subnet, rec, why);
		return;
	}
	fl_lease_record_free(rec);
	if (!flaw)
		on_gone(etcd, e->key, &subnet);
}

static void on_entry(struct fl_etcd *etcd, const struct fl_etcd_entry *e)
{
	struct fl_lease_record *rec = NULL;
	char *why = NULL;

	if (strcmp(e->key, etcd->own.key) == 0) {
		etcd->watch.own_seen = true;
		fl_etcd_own_event(etcd, e);
		return;
	}
	if (!e->gone)
		rec = fl_etcd_entry_read(e, &why);
	take(etcd, e, rec, why);
	free(why);
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
	w->stale = false;
	fl_etcd_bad_begin(&etcd->bad);
	fl_etcd_keys_begin(&etcd->keys);
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

/* A member that has lost the others answers polls, and knows nothing new. If we could go to another
 * one, see whether it still belongs to a majority. */
static bool may_be_blind(const struct fl_etcd *etcd)
{
	bool (*blindly)(const struct fl_etcd_session *) = etcd->api->watches_blindly;

	return etcd->endpoints.count > 1 && blindly && blindly(&etcd->session);
}

static void poll_events(struct fl_etcd *etcd, uint32_t delay_ms)
{
	struct fl_etcd_watch *w = &etcd->watch;
	/* It was silent and yet it lives: so it keeps the headers back. */
	bool patient = w->silent && w->silent_endpoint == etcd->events.endpoint;
	const uint32_t bound_ms = may_be_blind(etcd) ? BLIND_POLL_MS : POLL_MIN_MS;
	const struct fl_etcd_request req = {
		.verb = FL_ETCD_WATCH,
		.index = etcd->watch.index,
		.ttl_s = FL_ETCD_FOREVER,
		.timeout_ms = bound_ms + fl_random_below(bound_ms / 4),
		.begin_timeout_ms = patient ? 0 : POLL_BEGIN_MS,
	};

	w->silent = false;
	w->started = ev_now(etcd->loop) + delay_ms / 1e3;
	fl_etcd_chan_start(&etcd->events, &poll_ops, &req, delay_ms);
}

/* Answers without news that come at once, from a proxy for instance, must not make us spin. */
static uint32_t pace_ms(struct fl_etcd *etcd, ev_tstamp since, double too_fast_s)
{
	struct fl_etcd_watch *w = &etcd->watch;

	if (since > 0. && ev_now(etcd->loop) - since < too_fast_s)
		return fl_backoff_next(&w->pace);
	fl_backoff_reset(&w->pace);
	return 0;
}

static void look_again(struct fl_etcd *etcd, const char *why)
{
	struct fl_etcd_watch *w = &etcd->watch;
	uint32_t delay_ms = pace_ms(etcd, w->cleared, CLEARED_TOO_FAST_S);

	w->cleared = ev_now(etcd->loop);
	w->following = false;
	w->hushed = delay_ms > 0; /* once is news */
	fl_log(w->hushed ? FL_LOG_DEBUG : FL_LOG_INFO, "etcd",
	       "behind index %llu %s; taking a snapshot", (unsigned long long)w->index, why);
	snapshot(etcd, delay_ms);
}

/* All up to the index is known, so what comes behind it is wanted. */
static void follow(struct fl_etcd *etcd)
{
	if (etcd->watch.stale)
		look_again(etcd, "entries wait to be read again");
	else
		poll_events(etcd, 0);
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

static void snapshot_close(struct fl_etcd *etcd, uint64_t index)
{
	struct fl_etcd_watch *w = &etcd->watch;
	struct fl_store_listener *l = listener(etcd);

	fl_etcd_bad_end(&etcd->bad);
	w->stale = fl_etcd_keys_end(&etcd->keys) || w->stale;
	w->open = false;
	w->following = true;
	w->index = index;
	fl_log(w->hushed ? FL_LOG_DEBUG : FL_LOG_INFO, "etcd",
	       "%s/subnets: %u leases of other hosts, %u entries of no use (index %llu)",
	       etcd->prefix, w->peers, w->bad, (unsigned long long)w->index);
	follow(etcd);
	if (!w->own_seen)
		fl_etcd_own_event(etcd, NULL);
	l->ops->snapshot_end(l);
}

static void on_snapshot_done(struct fl_etcd *etcd, const struct fl_etcd_result *res)
{
	snapshot_open(etcd); /* nothing was in it */
	snapshot_close(etcd, res->index);
}

void fl_etcd_watch_take(struct fl_etcd *etcd, const struct fl_etcd_entry *e,
			struct fl_lease_record *rec, const char *why)
{
	snapshot_open(etcd);
	take(etcd, e, rec, why);
}

void fl_etcd_watch_taken(struct fl_etcd *etcd, uint64_t index)
{
	snapshot_open(etcd);	     /* nothing was in it */
	etcd->watch.own_seen = true; /* we have written it since */
	etcd->stats.snapshots++;
	snapshot_close(etcd, index);
}

static const struct fl_etcd_chan_ops snapshot_ops = {
	.entry = on_snapshot_entry,
	.restart = on_snapshot_restart,
	.done = on_snapshot_done,
};

/* ---- events ---- */

/* The endpoint did not begin to answer a poll: something else it must answer. Another endpoint does
 * it if not. */
static void verify(struct fl_etcd *etcd)
{
	const struct fl_etcd_request req = {
		.verb = FL_ETCD_GET,
		.key = etcd->own.key,
		.ttl_s = FL_ETCD_FOREVER,
		.timeout_ms = CHECK_TIMEOUT_MS,
	};

	fl_etcd_chan_start(&etcd->events, &check_ops, &req, 0);
}

static void check(struct fl_etcd *etcd)
{
	etcd->watch.silent = true;
	etcd->watch.silent_endpoint = etcd->events.endpoint;
	verify(etcd);
}

static void on_check_done(struct fl_etcd *etcd, const struct fl_etcd_result *res)
{
	(void)res; /* also a missing key is an answer */
	follow(etcd);
}

static const struct fl_etcd_chan_ops check_ops = {
	.entry = fl_etcd_own_event,
	.done = on_check_done,
};

/* A watch that goes on, and may go on for long: what would follow its end is due now. */
static void on_poll_progress(struct fl_etcd *etcd, uint64_t index)
{
	struct fl_etcd_watch *w = &etcd->watch;

	fl_backoff_reset(&w->pace);
	w->index = index;
	if (w->stale)
		look_again(etcd, "a subnet has lost one of its keys");
}

/* After so many changes that a listing has them sooner than one poll for each. */
static bool is_far_behind(const struct fl_etcd *etcd, const struct fl_etcd_result *res)
{
	return res->newest > res->index &&
	       res->newest - res->index > BEHIND_MIN + etcd->keys.count / LEASES_PER_POLL;
}

static void catch_up(struct fl_etcd *etcd, const struct fl_etcd_result *res)
{
	fl_debug("etcd", "behind index %llu of %llu; taking a snapshot",
		 (unsigned long long)res->index, (unsigned long long)res->newest);
	etcd->watch.hushed = true;
	snapshot(etcd, 0);
}

static void on_poll_done(struct fl_etcd *etcd, const struct fl_etcd_result *res)
{
	struct fl_etcd_watch *w = &etcd->watch;

	switch (res->outcome) {
	case FL_ETCD_OK:
		fl_backoff_reset(&w->pace);
		w->index = res->index;
		if (is_far_behind(etcd, res))
			catch_up(etcd, res);
		else
			follow(etcd);
		return;
	case FL_ETCD_QUIET:
		/* Not to move on would run us out of etcd's history while others write. */
		if (res->index > w->index)
			w->index = res->index;
		if (w->stale)
			follow(etcd);
		else if (res->index > 0 && may_be_blind(etcd))
			verify(etcd);
		else
			poll_events(etcd, pace_ms(etcd, w->started, QUIET_TOO_FAST_S));
		return;
	case FL_ETCD_SILENT:
		check(etcd);
		return;
	default:
		look_again(etcd, "events may have been missed");
	}
}

static const struct fl_etcd_chan_ops poll_ops = {
	.entry = on_entry,
	.progress = on_poll_progress,
	.done = on_poll_done,
};

void fl_etcd_watch_anew(struct fl_etcd_chan *ch)
{
	struct fl_etcd *etcd = ch->etcd;
	const bool within = ch == &etcd->events;

	if (!etcd->own.kept || !etcd->own.held)
		return;
	if (within && ch->req.verb == FL_ETCD_LIST)
		return; /* this is the snapshot */
	etcd->watch.stale = true;
	if (within && etcd->handing == 0)
		return; /* its end looks again */
	fl_etcd_listing_drop(etcd);
	on_snapshot_restart(etcd);
	look_again(etcd, "another cluster answers");
}

/* A connection from an address that is gone hears nothing any more, and nobody says so. */
void fl_etcd_watch_again(struct fl_etcd *etcd)
{
	if (etcd->events.busy && etcd->events.req.verb == FL_ETCD_WATCH)
		poll_events(etcd, 0);
}

int fl_etcd_watch(struct fl_store *s)
{
	struct fl_etcd *etcd = fl_etcd_of(s);

	if (!etcd->own.held)
		return -EINVAL;
	(void)fl_backoff_init(&etcd->watch.pace, PACE_MIN_MS, PACE_MAX_MS);
	etcd->events.endpoint = etcd->requests.endpoint; /* the one that answered last */
	fl_etcd_own_keep(etcd);
	if (!fl_etcd_listing_tell(etcd))
		snapshot(etcd, 0);
	return 0;
}
