/* store/etcd_own.c - the life of the own lease: renew it, re-create it, lose it, release it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/random.h"
#include "store/etcd_internal.h"

#define REQUEST_TIMEOUT_MS 10000u
#define RELEASE_TIMEOUT_MS 1500u /* the daemon waits for 2 s in all: its end must not beat ours */
#define REPAIR_MIN_MS	   100u
#define REPAIR_MAX_MS	   60000u
#define REPAIR_CALM_S	   60.
#define JITTER_MAX_S	   60

static const struct fl_etcd_chan_ops own_ops, release_ops;

static const char *subnet_text(const struct fl_etcd *etcd, char buf[FL_PREFIX_STRLEN])
{
	return fl_prefix_format(&etcd->own.rec->lease.subnet, buf);
}

static bool is_reservation(const struct fl_etcd_own *own)
{
	return own->rec->expires_s == 0;
}

char *fl_etcd_encode(const struct fl_etcd *etcd, const struct fl_lease *lease)
{
	bool (*writes_ipv6)(const struct fl_etcd_session *) = etcd->api->writes_ipv6;

	return fl_lease_encode(lease, writes_ipv6 && writes_ipv6(&etcd->session));
}

/* Where to go on from: index, TTL and lease as etcd has them. */
static void adopt(struct fl_etcd *etcd, uint64_t index, int64_t ttl_s, uint64_t lease)
{
	etcd->own.rec->index = index;
	etcd->own.rec->etcd_lease = lease;
	etcd->own.rec->expires_s = ttl_s == FL_ETCD_FOREVER ? 0 : (int64_t)time(NULL) + ttl_s;
}

static void request(struct fl_etcd *etcd, const struct fl_etcd_chan_ops *ops,
		    enum fl_etcd_verb verb, uint32_t delay_ms)
{
	struct fl_etcd_own *own = &etcd->own;
	const struct fl_etcd_request req = {
		.verb = verb,
		.key = own->key,
		.value = own->value,
		.index = own->rec->index,
		.lease = own->rec->etcd_lease,
		.ttl_s = is_reservation(own) ? FL_ETCD_FOREVER : (int64_t)etcd->conf->lease_ttl_s,
		.timeout_ms = ops->once ? RELEASE_TIMEOUT_MS : REQUEST_TIMEOUT_MS,
	};

	own->seen = FL_ETCD_OWN_SAME; /* unless the answer tells otherwise */
	fl_etcd_chan_start(&etcd->requests, ops, &req, delay_ms);
}

/* ---- renewal ---- */

/* The margin before expiry, and a little earlier still, so that hosts that started together do not
 * renew together. */
static double renew_delay_s(const struct fl_etcd *etcd, int64_t ttl_s)
{
	int64_t left_s = ttl_s - etcd->conf->renew_margin_s;
	int64_t jitter_s;

	if (left_s <= 0)
		return 0.;
	jitter_s = left_s / 10 < JITTER_MAX_S ? left_s / 10 : JITTER_MAX_S;
	return (double)left_s - fl_random_below((uint32_t)jitter_s * 1000u + 1u) / 1e3;
}

static void arm(struct fl_etcd *etcd, int64_t ttl_s)
{
	struct fl_etcd_own *own = &etcd->own;

	ev_timer_stop(etcd->loop, &own->renew);
	if (!own->kept || ttl_s == FL_ETCD_FOREVER)
		return;
	ev_timer_set(&own->renew, renew_delay_s(etcd, ttl_s), 0.);
	ev_timer_start(etcd->loop, &own->renew);
}

static void on_renew(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fl_etcd *etcd = fl_container_of(w, struct fl_etcd, own.renew);

	(void)loop;
	(void)revents;
	/* Whatever else runs ends in arm() as well. */
	if (!etcd->requests.busy)
		request(etcd, &own_ops, etcd->refresh_empties ? FL_ETCD_UPDATE : FL_ETCD_REFRESH,
			0);
}

/* ---- looking after it ---- */

static void recheck(struct fl_etcd *etcd, uint32_t delay_ms)
{
	etcd->own.recheck = false;
	etcd->own.repairing = false;
	request(etcd, &own_ops, FL_ETCD_GET, delay_ms);
}

/* Somebody who takes it away again and again sets the pace to a minute. */
static uint32_t repair_delay_ms(struct fl_etcd *etcd)
{
	struct fl_etcd_own *own = &etcd->own;
	ev_tstamp now = ev_now(etcd->loop);
	bool calm = own->repaired_at == 0. || now - own->repaired_at > REPAIR_CALM_S;

	own->repaired_at = now;
	if (!calm)
		return fl_backoff_next(&own->repair);
	fl_backoff_reset(&own->repair);
	return 0;
}

static void repair(struct fl_etcd *etcd, enum fl_etcd_verb verb)
{
	char text[FL_PREFIX_STRLEN];

	if (verb == FL_ETCD_CREATE)
		fl_warn("etcd", "%s: our lease is gone from etcd; re-creating it",
			subnet_text(etcd, text));
	else
		fl_warn("etcd", "%s: our lease was written over; restoring it",
			subnet_text(etcd, text));
	etcd->own.repairing = true;
	request(etcd, &own_ops, verb, repair_delay_ms(etcd));
}

static void lose(struct fl_etcd *etcd)
{
	struct fl_store_listener *l = etcd->store.listener;
	char text[FL_PREFIX_STRLEN], why[FL_ETCD_TEXT_MAX];

	etcd->own.held = false;
	ev_timer_stop(etcd->loop, &etcd->own.renew);
	fl_etcd_chan_cancel(&etcd->requests);
	fl_etcd_chan_cancel(&etcd->events);
	fl_etcd_listing_drop(etcd);
	(void)snprintf(why, sizeof(why), "%s: our subnet is held by %s now",
		       subnet_text(etcd, text), etcd->own.holder);
	l->ops->lost(l, why);
}

/* ---- what it says changes ---- */

static void forget_former(struct fl_etcd_own *own)
{
	while (own->n_former > 0)
		fl_lease_record_free(own->former[--own->n_former]);
}

static bool is_former(const struct fl_etcd_own *own, const struct fl_lease *lease)
{
	for (uint32_t i = 0; i < own->n_former; i++)
		if (fl_lease_same(lease, &own->former[i]->lease))
			return true;
	return false;
}

/* The first one is what stood before: it is never let go. */
static void keep_former(struct fl_etcd_own *own, struct fl_lease_record *rec)
{
	if (own->n_former == FL_ETCD_FORMER_MAX)
		fl_lease_record_free(own->former[--own->n_former]);
	own->former[own->n_former++] = rec;
}

static struct fl_lease_record *changed_record(const struct fl_lease_record *was,
					      const struct fl_lease *mine)
{
	struct fl_lease now = *mine;
	struct fl_lease_record *rec;

	now.subnet = was->lease.subnet;
	now.subnet6 = was->lease.subnet6;
	rec = fl_lease_record_new(&now);
	if (!rec)
		return NULL;
	rec->index = was->index;
	rec->etcd_lease = was->etcd_lease;
	rec->expires_s = was->expires_s;
	return rec;
}

/* What is under way may have reached etcd or not: then ours is refused, and looked at. */
int fl_etcd_change(struct fl_store *s, const struct fl_lease *mine, const struct fl_lease **own)
{
	struct fl_etcd *etcd = fl_etcd_of(s);
	struct fl_etcd_own *o = &etcd->own;
	struct fl_lease_record *rec;
	char *value;

	if (!o->held)
		return -EINVAL;
	rec = changed_record(o->rec, mine);
	value = rec ? fl_etcd_encode(etcd, &rec->lease) : NULL;
	if (!value) {
		fl_lease_record_free(rec);
		return -ENOMEM;
	}
	fl_etcd_chan_cancel(&etcd->requests);
	free(o->value);
	o->value = value;
	keep_former(o, o->rec);
	o->rec = rec;
	request(etcd, &own_ops, FL_ETCD_UPDATE, 0);
	fl_etcd_watch_again(etcd);
	*own = &rec->lease;
	return 0;
}

/* Ours as far as others are concerned, nobody's, or another host's? */
void fl_etcd_own_look(struct fl_etcd *etcd, const struct fl_etcd_entry *e)
{
	struct fl_etcd_own *own = &etcd->own;
	struct fl_lease_record *rec = NULL;
	char *why = NULL;

	own->seen = FL_ETCD_OWN_CHANGED;
	own->seen_index = e->index;
	own->seen_lease = e->lease;
	own->seen_ttl_s = e->ttl_s;
	if (e->flaw || fl_lease_decode(e->key, e->value, e->value_len, &rec, &why) < 0) {
		free(why);
		return;
	}
	(void)fl_addr_format(&rec->lease.public_ip, own->holder);
	if (fl_lease_same(&rec->lease, &own->rec->lease))
		own->seen = FL_ETCD_OWN_SAME;
	else if (!fl_addr_equal(&rec->lease.public_ip, &own->rec->lease.public_ip) &&
		 !is_former(own, &rec->lease))
		own->seen = FL_ETCD_OWN_FOREIGN;
	fl_lease_record_free(rec);
}

static void tell_reservation(const struct fl_etcd *etcd, bool before)
{
	char text[FL_PREFIX_STRLEN];

	if (before != is_reservation(&etcd->own))
		fl_info("etcd", "%s: our lease %s", subnet_text(etcd, text),
			before ? "expires from now on"
			       : "is a reservation now: it does not expire");
}

/* The change stands. */
static void tell_changed(struct fl_etcd *etcd)
{
	char text[FL_PREFIX_STRLEN], ip[FL_ADDR_STRLEN];

	fl_info("etcd", "%s: our lease tells the others to reach this host at %s now",
		subnet_text(etcd, text), fl_addr_format(&etcd->own.rec->lease.public_ip, ip));
	forget_former(&etcd->own);
}

static void on_looked(struct fl_etcd *etcd)
{
	struct fl_etcd_own *own = &etcd->own;
	bool before = is_reservation(own);
	uint64_t lease = own->seen_lease;

	/* What is to be written over stays attached to our lease, whatever it is attached to now.
	 */
	if (own->seen == FL_ETCD_OWN_CHANGED && own->rec->etcd_lease && lease)
		lease = own->rec->etcd_lease;
	adopt(etcd, own->seen_index, own->seen_ttl_s, lease);
	tell_reservation(etcd, before);
	if (own->seen == FL_ETCD_OWN_CHANGED && own->n_former > 0)
		request(etcd, &own_ops, FL_ETCD_UPDATE, 0);
	else if (own->seen == FL_ETCD_OWN_CHANGED)
		repair(etcd, FL_ETCD_UPDATE);
	else
		arm(etcd, own->seen_ttl_s);
	if (own->seen == FL_ETCD_OWN_SAME && own->n_former > 0)
		tell_changed(etcd);
}

static void on_written(struct fl_etcd *etcd, enum fl_etcd_verb verb,
		       const struct fl_etcd_result *res)
{
	struct fl_etcd_own *own = &etcd->own;
	char text[FL_PREFIX_STRLEN];

	adopt(etcd, res->index, res->ttl_s, res->lease);
	if (verb == FL_ETCD_REFRESH && own->seen == FL_ETCD_OWN_CHANGED) {
		fl_etcd_own_emptied(etcd);
		request(etcd, &own_ops, FL_ETCD_UPDATE, 0);
		return;
	}
	arm(etcd, res->ttl_s);
	if (own->n_former > 0)
		tell_changed(etcd);
	else if (own->repairing)
		fl_info("etcd", "%s: lease %s", subnet_text(etcd, text),
			verb == FL_ETCD_CREATE ? "re-created" : "restored");
	else
		fl_debug("etcd", "%s: lease renewed", subnet_text(etcd, text));
	own->repairing = false;
}

void fl_etcd_own_emptied(struct fl_etcd *etcd)
{
	char text[FL_PREFIX_STRLEN];

	if (!etcd->refresh_empties)
		fl_warn("etcd",
			"%s: this etcd empties a lease when it renews it, as before 2.3.7; writing "
			"it whole from now on, which wakes the other hosts",
			subnet_text(etcd, text));
	etcd->refresh_empties = true;
}

static void on_own_done(struct fl_etcd *etcd, const struct fl_etcd_result *res)
{
	enum fl_etcd_verb verb = etcd->requests.req.verb;

	if (res->outcome == FL_ETCD_MISSING) {
		repair(etcd, FL_ETCD_CREATE);
		return;
	}
	if (res->outcome != FL_ETCD_OK) {
		/* It is not what we think: see whose it is. Each side may see the other's write
		 * first, so not without a pause. */
		if (verb == FL_ETCD_CREATE)
			etcd->own.rec->etcd_lease = res->lease;
		recheck(etcd, fl_random_below(50) + 1);
		return;
	}
	if (etcd->own.seen == FL_ETCD_OWN_FOREIGN) {
		lose(etcd);
		return;
	}
	if (verb == FL_ETCD_GET)
		on_looked(etcd);
	else
		on_written(etcd, verb, res);
	if (etcd->own.recheck && !etcd->requests.busy)
		recheck(etcd, 0);
}

static const struct fl_etcd_chan_ops own_ops = {.entry = fl_etcd_own_look, .done = on_own_done};

void fl_etcd_own_taken(struct fl_etcd *etcd, const struct fl_etcd_result *res)
{
	adopt(etcd, res->index, res->ttl_s, res->lease);
	etcd->own.held = true;
}

void fl_etcd_own_keep(struct fl_etcd *etcd)
{
	int64_t now = time(NULL);

	etcd->own.kept = true;
	arm(etcd, is_reservation(&etcd->own) ? FL_ETCD_FOREVER : etcd->own.rec->expires_s - now);
}

void fl_etcd_own_event(struct fl_etcd *etcd, const struct fl_etcd_entry *e)
{
	struct fl_etcd_own *own = &etcd->own;

	/* Our own writes come back as events. Another index, also a lower one, is news: etcd may
	 * have been restored from a backup. What is only late costs a look. */
	if (!own->held || (e && !e->gone && e->index == own->rec->index))
		return;
	if (etcd->requests.busy)
		own->recheck = true;
	else
		recheck(etcd, 0);
}

/* ---- release ---- */

static void tell_released(struct fl_etcd *etcd, int error)
{
	struct fl_store_listener *l = etcd->store.listener;

	etcd->own.held = false;
	l->ops->released(l, error);
}

static void on_release_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	tell_released(fl_container_of(w, struct fl_etcd, own.release), 0);
}

static void release_step(struct fl_etcd *etcd, enum fl_etcd_verb verb)
{
	request(etcd, &release_ops, verb, 0);
}

static void on_release_done(struct fl_etcd *etcd, const struct fl_etcd_result *res)
{
	struct fl_etcd_own *own = &etcd->own;
	enum fl_etcd_verb verb = etcd->requests.req.verb;
	char text[FL_PREFIX_STRLEN];

	if (res->outcome == FL_ETCD_CONFLICT && own->release_tries++ == 0) {
		release_step(etcd, FL_ETCD_GET);
	} else if (res->outcome == FL_ETCD_OK && verb == FL_ETCD_GET &&
		   own->seen != FL_ETCD_OWN_FOREIGN && own->seen_ttl_s != FL_ETCD_FOREVER) {
		adopt(etcd, own->seen_index, own->seen_ttl_s, own->seen_lease);
		release_step(etcd, FL_ETCD_REMOVE);
	} else if (res->outcome == FL_ETCD_OK || res->outcome == FL_ETCD_MISSING) {
		fl_info("etcd", "%s: lease %s", subnet_text(etcd, text),
			verb == FL_ETCD_GET && res->outcome == FL_ETCD_OK ? "is not ours to delete"
									  : "released");
		tell_released(etcd, 0);
	} else {
		fl_warn("etcd", "%s: lease not released, it will expire: %s",
			subnet_text(etcd, text), *res->why ? res->why : "it keeps changing");
		tell_released(etcd, res->outcome == FL_ETCD_DENIED     ? -EACCES
				    : res->outcome == FL_ETCD_CONFLICT ? -EBUSY
								       : -EIO);
	}
}

static const struct fl_etcd_chan_ops release_ops = {
	.entry = fl_etcd_own_look,
	.done = on_release_done,
	.once = true,
};

int fl_etcd_release(struct fl_store *s)
{
	struct fl_etcd *etcd = fl_etcd_of(s);
	struct fl_etcd_own *own = &etcd->own;
	char text[FL_PREFIX_STRLEN];

	ev_timer_stop(etcd->loop, &own->renew);
	fl_etcd_chan_cancel(&etcd->requests);
	fl_etcd_chan_cancel(&etcd->events);
	fl_etcd_listing_drop(etcd);
	own->release_tries = 0;
	if (own->held && !is_reservation(own)) {
		release_step(etcd, FL_ETCD_REMOVE);
		return 0;
	}
	if (own->held)
		fl_info("etcd", "%s: our lease is a reservation, so it stays",
			subnet_text(etcd, text));
	ev_timer_set(&own->release, 0., 0.);
	ev_timer_start(etcd->loop, &own->release);
	return 0;
}

/* ---- life ---- */

void fl_etcd_own_init(struct fl_etcd *etcd)
{
	ev_init(&etcd->own.renew, on_renew);
	ev_init(&etcd->own.release, on_release_timer);
	(void)fl_backoff_init(&etcd->own.repair, REPAIR_MIN_MS, REPAIR_MAX_MS);
}

void fl_etcd_own_done(struct fl_etcd *etcd)
{
	struct fl_etcd_own *own = &etcd->own;

	ev_timer_stop(etcd->loop, &own->renew);
	ev_timer_stop(etcd->loop, &own->release);
	forget_former(own);
	fl_lease_record_free(own->rec);
	free(own->value);
	own->rec = NULL;
	own->value = NULL;
	own->held = false;
	own->kept = false;
	own->recheck = false;
	own->repairing = false;
}
