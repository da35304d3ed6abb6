/* store/etcd_acquire.c - take a lease: the one of our address, the previous subnet, or a new one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator.h"
#include "base/log.h"
#include "base/random.h"
#include "netconf.h"
#include "store/etcd_internal.h"

#define LIST_TIMEOUT_MS	   60000u
#define REQUEST_TIMEOUT_MS 10000u
#define RACE_MIN_MS	   10u
#define RACE_MAX_MS	   1000u
#define POOL_MIN_MS	   1000u
#define POOL_MAX_MS	   5000u
#define TWIN_MS		   250u
#define REASON_MAX	   160u /* bytes, with NUL */

static const struct fl_etcd_chan_ops list_ops, write_ops, remove_ops;

static void forget_listing(struct fl_etcd_acquire *a)
{
	fl_allocator_destroy(a->taken);
	fl_lease_record_free(a->found);
	fl_lease_record_free(a->at_previous);
	a->taken = NULL;
	a->found = NULL;
	a->at_previous = NULL;
	a->count = 0;
	a->previous_taken = false;
	a->failed = false;
}

static void list(struct fl_etcd *etcd, uint32_t delay_ms)
{
	const struct fl_etcd_request req = {
		.verb = FL_ETCD_LIST,
		.ttl_s = FL_ETCD_FOREVER,
		.timeout_ms = LIST_TIMEOUT_MS,
	};

	forget_listing(&etcd->acquire);
	fl_etcd_listing_drop(etcd);
	fl_etcd_chan_start(&etcd->requests, &list_ops, &req, delay_ms);
}

/* Somebody was quicker: look again, but not in step with him. */
static void again(struct fl_etcd *etcd)
{
	list(etcd, fl_backoff_next(&etcd->acquire.race));
}

/* ---- the listing ---- */

/* Which of our addresses @subnet holds, or NULL. Such a lease would lead the tunnel into itself. */
static const struct fl_addr *held_address(const struct fl_etcd *etcd,
					  const struct fl_prefix *subnet)
{
	const struct fl_addr *public_ip = &etcd->own.rec->lease.public_ip;

	if (fl_prefix_contains(subnet, &etcd->acquire.underlay))
		return &etcd->acquire.underlay;
	return fl_prefix_contains(subnet, public_ip) ? public_ip : NULL;
}

/* NULL if we may lease @subnet; else why not: "the network config does not allow it". */
static const char *objection(const struct fl_etcd *etcd, const struct fl_prefix *subnet,
			     char buf[REASON_MAX])
{
	const struct fl_addr *held = held_address(etcd, subnet);
	char addr[FL_ADDR_STRLEN];

	if (!fl_netconf_allows(etcd->acquire.nc, subnet))
		return "the network config does not allow it";
	if (!held)
		return NULL;
	(void)snprintf(buf, REASON_MAX,
		       "it holds this host's own address %s, and tunnels to it would lead into "
		       "themselves",
		       fl_addr_format(held, addr));
	return buf;
}

/* Of several leases of our address: the previous subnet, else one that we may have. */
static unsigned int rank(const struct fl_etcd *etcd, const struct fl_lease_record *rec)
{
	const struct fl_etcd_acquire *a = &etcd->acquire;
	char reason[REASON_MAX];

	if (objection(etcd, &rec->lease.subnet, reason))
		return 0;
	return fl_prefix_equal(&rec->lease.subnet, &a->previous) ? 2 : 1;
}

/* Keep a copy of it, if the decision needs it. @return 0, -ENOMEM */
static int consider(struct fl_etcd *etcd, const struct fl_etcd_entry *e,
		    const struct fl_lease_record *rec)
{
	struct fl_etcd_acquire *a = &etcd->acquire;
	struct fl_lease_record **to = NULL, *copy;

	if (fl_addr_equal(&rec->lease.public_ip, &etcd->own.rec->lease.public_ip) &&
	    !fl_prefix_is_set(&rec->lease.subnet6)) {
		if (!a->found || rank(etcd, rec) > rank(etcd, a->found))
			to = &a->found;
	} else if (fl_prefix_equal(&rec->lease.subnet, &a->previous)) {
		to = &a->at_previous;
	}
	if (!to)
		return 0;
	copy = fl_lease_record_new(&rec->lease);
	if (!copy)
		return -ENOMEM;
	copy->index = e->index;
	copy->etcd_lease = e->lease;
	copy->expires_s = e->ttl_s; /* as it came: only whether there is one counts here */
	fl_lease_record_free(*to);
	*to = copy;
	return 0;
}

/* The pool, without the subnets that hold our own addresses. */
static int open_pool(struct fl_etcd *etcd)
{
	struct fl_etcd_acquire *a = &etcd->acquire;
	const struct fl_prefix underlay = {a->underlay, 32};
	const struct fl_prefix public_ip = {etcd->own.rec->lease.public_ip, 32};

	if (a->taken)
		return 0;
	if (fl_allocator_create(a->nc, &a->taken) < 0)
		return -ENOMEM;
	(void)fl_allocator_take(a->taken, &underlay); /* none of IPv4: nothing to do */
	(void)fl_allocator_take(a->taken, &public_ip);
	return 0;
}

/* Which subnets are taken? @return 0, -ENOMEM */
static int count_in(struct fl_etcd *etcd, const struct fl_prefix *subnet)
{
	struct fl_etcd_acquire *a = &etcd->acquire;

	if (open_pool(etcd) < 0)
		return -ENOMEM;
	a->count++;
	if (fl_prefix_equal(subnet, &a->previous))
		a->previous_taken = true;
	/* Nobody is reached by a lease as large as Network: one entry must not use up the pool. */
	return subnet->len > a->nc->network.len ? fl_allocator_take(a->taken, subnet) : 0;
}

static void on_entry(struct fl_etcd *etcd, const struct fl_etcd_entry *e)
{
	struct fl_etcd_acquire *a = &etcd->acquire;
	struct fl_prefix subnet, subnet6;
	struct fl_lease_record *rec;
	char *why;

	if (a->failed)
		return;
	if (fl_lease_key_parse(e->key, &subnet, &subnet6) == 0 && count_in(etcd, &subnet) < 0)
		a->failed = true;
	rec = fl_etcd_entry_read(e, &why);
	if (rec && consider(etcd, e, rec) < 0)
		a->failed = true;
	if (fl_etcd_listing_add(etcd, e, rec, why) < 0)
		a->failed = true;
}

static void on_restart(struct fl_etcd *etcd)
{
	forget_listing(&etcd->acquire);
	fl_etcd_listing_drop(etcd);
}

/* ---- the decision ---- */

/* A lease of our address that says something else may be that of a host with the same address. If
 * it lives, the daemon hears of it soon, and ends: until then it is not written over. */
static uint32_t caution_ms(const struct fl_etcd *etcd, const struct fl_lease_record *over)
{
	return over && fl_addr_equal(&over->lease.public_ip, &etcd->own.rec->lease.public_ip) &&
			       !fl_lease_same(&over->lease, &etcd->own.rec->lease)
		       ? TWIN_MS
		       : 0;
}

static void write_lease(struct fl_etcd *etcd, const struct fl_prefix *subnet,
			const struct fl_lease_record *over)
{
	struct fl_etcd_own *own = &etcd->own;
	struct fl_etcd_request req = {
		.verb = over ? FL_ETCD_UPDATE : FL_ETCD_CREATE,
		.key = own->key,
		.value = own->value,
		.index = over ? over->index : 0,
		.lease = over ? over->etcd_lease : own->rec->etcd_lease,
		.ttl_s = etcd->conf->lease_ttl_s,
		.timeout_ms = REQUEST_TIMEOUT_MS,
	};

	own->rec->lease.subnet = *subnet;
	if (over && over->expires_s == FL_ETCD_FOREVER)
		req.ttl_s = FL_ETCD_FOREVER; /* a reservation stays one */
	else if (over && !etcd->refresh_empties && fl_lease_same(&over->lease, &own->rec->lease))
		req.verb = FL_ETCD_REFRESH; /* nothing is new but the TTL: wake nobody */
	(void)fl_lease_key_format(subnet, NULL, own->key);
	own->seen = FL_ETCD_OWN_SAME; /* unless the answer tells otherwise */
	fl_etcd_chan_start(&etcd->requests, &write_ops, &req, caution_ms(etcd, over));
}

static void remove_found(struct fl_etcd *etcd)
{
	struct fl_etcd_acquire *a = &etcd->acquire;
	struct fl_etcd_request req = {
		.verb = FL_ETCD_REMOVE,
		.key = etcd->own.key,
		.index = a->found->index,
		.lease = a->found->etcd_lease,
		.ttl_s = FL_ETCD_FOREVER,
		.timeout_ms = REQUEST_TIMEOUT_MS,
	};
	char text[FL_PREFIX_STRLEN], buf[REASON_MAX];
	const char *reason = objection(etcd, &a->found->lease.subnet, buf);

	fl_warn("etcd", "%s: a lease of our address, but %s; deleting it",
		fl_prefix_format(&a->found->lease.subnet, text), reason ? reason : "of no use");
	(void)fl_lease_key_format(&a->found->lease.subnet, NULL, etcd->own.key);
	fl_etcd_chan_start(&etcd->requests, &remove_ops, &req, 0);
}

/* Only what nobody else writes proves that a lease of another address was ours: its backend data.
 */
static bool was_ours(const struct fl_etcd *etcd, const struct fl_lease_record *rec)
{
	struct fl_lease as_ours = rec->lease, mine = etcd->own.rec->lease;

	if (!mine.backend_data || rec->lease.backend_data == NULL)
		return false;
	as_ours.public_ip = mine.public_ip;
	mine.subnet = as_ours.subnet;
	return fl_lease_same(&as_ours, &mine);
}

static void tell_previous(struct fl_etcd *etcd, const char *reason)
{
	struct fl_etcd_acquire *a = &etcd->acquire;
	char text[FL_PREFIX_STRLEN], ip[FL_ADDR_STRLEN];

	if (a->told_previous)
		return;
	a->told_previous = true;
	(void)fl_prefix_format(&a->previous, text);
	if (reason)
		fl_warn("etcd", "%s: our previous subnet, but %s; taking another", text, reason);
	else if (a->at_previous)
		fl_warn("etcd", "%s: our previous subnet, but %s holds it now; taking another",
			text, fl_addr_format(&a->at_previous->lease.public_ip, ip));
	else
		fl_warn("etcd",
			"%s: our previous subnet, but its entry or an overlapping one is in "
			"the way; taking another",
			text);
}

/* @return true if the previous subnet is being taken */
static bool take_previous(struct fl_etcd *etcd)
{
	struct fl_etcd_acquire *a = &etcd->acquire;
	char buf[REASON_MAX];
	const char *reason;

	if (!fl_prefix_is_set(&a->previous))
		return false;
	reason = objection(etcd, &a->previous, buf);
	if (!reason && a->at_previous && was_ours(etcd, a->at_previous)) {
		write_lease(etcd, &a->previous, a->at_previous);
		return true;
	}
	if (reason || a->previous_taken || !fl_allocator_is_free(a->taken, &a->previous)) {
		tell_previous(etcd, reason);
		return false;
	}
	write_lease(etcd, &a->previous, NULL);
	return true;
}

/* ", and ... is no choice", or nothing. */
static const char *own_part(const struct fl_etcd_acquire *a, char buf[REASON_MAX])
{
	struct fl_prefix own = {a->underlay, a->nc->subnet_len};
	char text[FL_PREFIX_STRLEN], addr[FL_ADDR_STRLEN];

	own = fl_prefix_masked(&own);
	buf[0] = '\0';
	if (fl_netconf_allows(a->nc, &own))
		(void)snprintf(buf, REASON_MAX,
			       ", and %s, which holds this host's own address %s, is no choice",
			       fl_prefix_format(&own, text), fl_addr_format(&a->underlay, addr));
	return buf;
}

static void wait_for_room(struct fl_etcd *etcd)
{
	struct fl_etcd_acquire *a = &etcd->acquire;
	char first[FL_ADDR_STRLEN], last[FL_ADDR_STRLEN], net[FL_PREFIX_STRLEN], own[REASON_MAX];

	(void)fl_addr_format(&a->nc->subnet_min, first);
	(void)fl_addr_format(&a->nc->subnet_max, last);
	(void)fl_prefix_format(&a->nc->network, net);
	if (!a->waiting)
		fl_err("etcd",
		       "no free /%u from %s to %s in %s: %u leases are taken%s; waiting for "
		       "one to be released or to expire",
		       a->nc->subnet_len, first, last, net, a->count, own_part(a, own));
	a->waiting = true;
	fl_etcd_wait_for(etcd, "waiting for a free /%u in %s: %u leases are taken",
			 a->nc->subnet_len, net, a->count);
	list(etcd, fl_backoff_next(&a->wait));
}

static void take_new(struct fl_etcd *etcd)
{
	struct fl_prefix subnet;

	if (fl_allocator_pick(etcd->acquire.taken, &subnet) < 0)
		wait_for_room(etcd);
	else
		write_lease(etcd, &subnet, NULL);
}

static void on_listed(struct fl_etcd *etcd, const struct fl_etcd_result *res)
{
	struct fl_etcd_acquire *a = &etcd->acquire;

	/* MISSING: nobody has a lease yet */
	if (open_pool(etcd) < 0)
		a->failed = true;
	if (a->failed) {
		fl_err("etcd", "out of memory while reading the leases; retrying");
		list(etcd, POOL_MAX_MS);
		return;
	}
	fl_etcd_listing_close(etcd, res->index);
	if (a->found && rank(etcd, a->found) > 0)
		write_lease(etcd, &a->found->lease.subnet, a->found);
	else if (a->found)
		remove_found(etcd);
	else if (!take_previous(etcd))
		take_new(etcd);
}

/* The refresh took the value away: put it back. */
static void write_whole(struct fl_etcd *etcd, uint64_t index)
{
	struct fl_etcd_request req = etcd->requests.req;

	fl_etcd_own_emptied(etcd);
	req.verb = FL_ETCD_UPDATE;
	req.index = index;
	etcd->own.seen = FL_ETCD_OWN_SAME;
	fl_etcd_chan_start(&etcd->requests, &write_ops, &req, 0);
}

static void on_written(struct fl_etcd *etcd, const struct fl_etcd_result *res)
{
	struct fl_store_listener *l = etcd->store.listener;
	bool created = etcd->requests.req.verb == FL_ETCD_CREATE;
	char text[FL_PREFIX_STRLEN];

	if (res->outcome != FL_ETCD_OK) {
		/* Granted for this key: it will do for the next one. */
		if (created)
			etcd->own.rec->etcd_lease = res->lease;
		again(etcd);
		return;
	}
	if (etcd->own.seen != FL_ETCD_OWN_SAME) {
		write_whole(etcd, res->index);
		return;
	}
	fl_info("etcd", "%s: %s%s", fl_prefix_format(&etcd->own.rec->lease.subnet, text),
		created ? "lease created" : "lease taken over",
		res->ttl_s == FL_ETCD_FOREVER ? " (a reservation: it does not expire)" : "");
	fl_etcd_acquire_done(etcd);
	fl_etcd_own_taken(etcd, res);
	fl_etcd_wait_for(etcd, NULL);
	l->ops->acquired(l, etcd->own.rec);
}

static void on_removed(struct fl_etcd *etcd, const struct fl_etcd_result *res)
{
	if (res->outcome == FL_ETCD_OK || res->outcome == FL_ETCD_MISSING)
		list(etcd, 0);
	else
		again(etcd);
}

static void no_entry(struct fl_etcd *etcd, const struct fl_etcd_entry *e)
{
	(void)etcd;
	(void)e;
}

static const struct fl_etcd_chan_ops list_ops = {
	.entry = on_entry,
	.restart = on_restart,
	.done = on_listed,
};
static const struct fl_etcd_chan_ops write_ops = {.entry = fl_etcd_own_look, .done = on_written};
static const struct fl_etcd_chan_ops remove_ops = {.entry = no_entry, .done = on_removed};

int fl_etcd_acquire(struct fl_store *s, const struct fl_netconf *nc, const struct fl_lease *mine,
		    const struct fl_prefix *previous, const struct fl_addr *underlay)
{
	struct fl_etcd *etcd = fl_etcd_of(s);
	struct fl_etcd_acquire *a = &etcd->acquire;

	fl_etcd_acquire_done(etcd);
	fl_etcd_own_done(etcd);
	etcd->own.rec = fl_lease_record_new(mine);
	etcd->own.value = fl_etcd_encode(etcd, mine);
	if (!etcd->own.rec || !etcd->own.value)
		return -ENOMEM;
	a->nc = nc;
	if (previous)
		a->previous = *previous;
	if (underlay)
		a->underlay = *underlay;
	(void)fl_backoff_init(&a->race, RACE_MIN_MS, RACE_MAX_MS);
	(void)fl_backoff_init(&a->wait, POOL_MIN_MS, POOL_MAX_MS);
	list(etcd, 0);
	return 0;
}

void fl_etcd_acquire_done(struct fl_etcd *etcd)
{
	forget_listing(&etcd->acquire);
	etcd->acquire = (struct fl_etcd_acquire){0};
}
