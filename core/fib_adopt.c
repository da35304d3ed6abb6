/* core/fib_adopt.c - compare what is declared with what the kernel has on a device. */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fib_internal.h"
#include "io/rtmsg.h"

/* A row, or a nexthop object, that a dump showed. */
struct seen {
	struct fib_key key;	/* nexthop: unused */
	struct fib_value value; /* nexthop: its key */
	uint32_t nhid;
	uint8_t protocol;
	bool odd;   /* more than what we write: never equal to a row of ours */
	bool named; /* a nexthop: by a route */
};

struct seen_list {
	struct seen *items;
	uint32_t count;
	uint32_t cap;
};

/* Table by table, so that no more is held than the largest; all of one device, before anything is
 * scheduled: a failed dump must decide nothing. */
struct adoption {
	struct fl_fib *fib;
	uint32_t ifindex;		 /* 0: elsewhere, that is, on no device of our own */
	const struct fl_prefix *network; /* elsewhere: only routes into it */
	bool fresh;			 /* nothing is believed yet: forget nothing */
	struct seen_list rows;
	struct seen_list nexthops; /* sorted by id once complete */
};

/* Nobody's device is 0: a route over several, or one by an object that is not known here. */
static bool covers_device(const struct adoption *a, uint32_t ifindex)
{
	return a->ifindex ? ifindex == a->ifindex : ifindex && !fib_is_own(a->fib, ifindex);
}

static bool covers(const struct adoption *a, const struct fib_row *row)
{
	if (row->key.kind == FL_ROW_ROUTE)
		return covers_device(a, row->value.ifindex);
	return a->ifindex && row->key.ifindex == a->ifindex;
}

static int keep(struct seen_list *l, const struct seen *s)
{
	if (l->count == l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : 64;
		struct seen *items = reallocarray(l->items, cap, sizeof(*items));

		if (!items)
			return -ENOMEM;
		l->items = items;
		l->cap = cap;
	}
	l->items[l->count++] = *s;
	return 0;
}

/* ---- dumps ---- */

static int on_neigh(const struct nlmsghdr *nlh, void *data)
{
	struct adoption *a = data;
	struct fl_rtmsg_neigh m;
	struct seen s = {0};
	struct fl_row row = {.kind = FL_ROW_NEIGH, .ifindex = a->ifindex};

	if (fl_rtmsg_neigh_parse(nlh, &m) < 0 || m.ifindex != a->ifindex || m.family != AF_INET)
		return 0;
	if (!(m.state & NUD_PERMANENT) || (m.flags & NTF_PROXY) || !fl_addr_is_set(&m.dst))
		return 0;
	row.dst.addr = m.dst;
	row.mac = m.mac;
	fib_key_of(&row, &s.key, &s.value);
	s.odd = !m.has_mac;
	return keep(&a->rows, &s);
}

/* The entry of the all-zero MAC is the device's own default destination. */
static int on_fdb(const struct nlmsghdr *nlh, void *data)
{
	struct adoption *a = data;
	struct fl_rtmsg_neigh m;
	struct seen s = {0};
	struct fl_row row = {.kind = FL_ROW_FDB, .ifindex = a->ifindex};

	if (fl_rtmsg_neigh_parse(nlh, &m) < 0 || m.ifindex != a->ifindex || m.family != AF_BRIDGE)
		return 0;
	if (!(m.state & NUD_PERMANENT) || !(m.flags & NTF_SELF) || !m.has_mac ||
	    !fl_mac_is_unicast(&m.mac))
		return 0;
	row.mac = m.mac;
	row.via = m.dst;
	fib_key_of(&row, &s.key, &s.value);
	s.odd = !fl_addr_is_set(&m.dst);
	return keep(&a->rows, &s);
}

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	struct adoption *a = data;
	struct fl_rtmsg_route m;
	struct seen s = {0};
	struct fl_row row = {.kind = FL_ROW_ROUTE};

	if (fl_rtmsg_route_parse(nlh, &m) < 0 || m.table != RT_TABLE_MAIN || m.metric)
		return 0;
	if (!fl_prefix_is_set(&m.dst) || (!m.nhid && !covers_device(a, m.ifindex)))
		return 0;
	if (!a->ifindex &&
	    (m.protocol != FL_RTPROT || !fl_prefix_contains(a->network, &m.dst.addr)))
		return 0;
	row.dst = m.dst;
	row.via = m.via;
	row.ifindex = m.ifindex;
	row.onlink = m.onlink;
	fib_key_of(&row, &s.key, &s.value);
	s.nhid = m.nhid;
	s.protocol = m.protocol;
	s.odd = m.multipath || m.type != RTN_UNICAST || fl_addr_is_set(&m.prefsrc);
	return keep(&a->rows, &s);
}

static int on_nexthop(const struct nlmsghdr *nlh, void *data)
{
	struct adoption *a = data;
	struct fl_rtmsg_nexthop m;
	struct seen s = {0};

	if (fl_rtmsg_nexthop_parse(nlh, &m) < 0 || m.protocol != FL_RTPROT ||
	    !covers_device(a, m.ifindex))
		return 0;
	s.nhid = m.id;
	s.value.ifindex = m.ifindex;
	s.value.family = m.via.family;
	s.value.onlink = m.onlink;
	memcpy(s.value.bytes, m.via.bytes, sizeof(s.value.bytes));
	return keep(&a->nexthops, &s);
}

/* @param nlh  can be sent again: the sender sets all that changes */
static int collect(struct adoption *a, struct nlmsghdr *nlh, fl_rtnl_cb cb)
{
	uint32_t rows = a->rows.count, nexthops = a->nexthops.count, tries;
	int r = -EINTR;

	for (tries = 0; tries < FIB_DUMP_TRIES && r == -EINTR; tries++) {
		a->rows.count = rows;
		a->nexthops.count = nexthops;
		r = fl_rtnl_dump(a->fib->rtnl, nlh, cb, a);
	}
	return r;
}

static int by_id(const void *a, const void *b)
{
	uint32_t x = ((const struct seen *)a)->nhid, y = ((const struct seen *)b)->nhid;

	return (x > y) - (x < y);
}

static int collect_routes(struct adoption *a)
{
	union {
		struct nlmsghdr nlh;
		char bytes[FL_RTNL_MSG_MAX];
	} buf;
	uint8_t protocol = a->ifindex ? 0 : FL_RTPROT;
	int r = 0;

	if (a->fib->has_nexthops)
		r = collect(a, fl_rtmsg_nexthop_dump(&buf, a->ifindex), on_nexthop);
	if (r == 0)
		r = collect(a,
			    fl_rtmsg_route_dump(&buf, AF_INET, RT_TABLE_MAIN, protocol, a->ifindex),
			    on_route);
	if (r == -ENOENT) /* the main table never had a route */
		r = 0;
	if (r == 0 && a->nexthops.count)
		qsort(a->nexthops.items, a->nexthops.count, sizeof(struct seen), by_id);
	return r;
}

static int collect_kind(struct adoption *a, enum fl_row_kind kind)
{
	union {
		struct nlmsghdr nlh;
		char bytes[FL_RTNL_MSG_MAX];
	} buf;

	a->rows.count = 0;
	a->nexthops.count = 0;
	if (kind == FL_ROW_ROUTE)
		return collect_routes(a);
	if (kind == FL_ROW_NEIGH)
		return collect(a, fl_rtmsg_neigh_dump(&buf, AF_INET, a->ifindex), on_neigh);
	return collect(a, fl_rtmsg_neigh_dump(&buf, AF_BRIDGE, a->ifindex), on_fdb);
}

/* ---- decisions ---- */

static void forget_nexthops(const struct adoption *a)
{
	struct fl_hash_iter it;

	fl_hash_each (n, &it, &a->fib->nexthops) {
		struct fib_nexthop *nh = fl_container_of(n, struct fib_nexthop, node);

		if (covers_device(a, nh->key.ifindex))
			fib_nexthop_forget(a->fib, nh);
	}
}

/* What was believed of such rows on the device no longer counts. */
static void forget(const struct adoption *a, enum fl_row_kind kind)
{
	struct fl_fib *fib = a->fib;
	struct fl_hash_iter it;

	if (kind == FL_ROW_ROUTE)
		forget_nexthops(a);
	fl_hash_each (n, &it, &fib->rows) {
		struct fib_row *row = fl_container_of(n, struct fib_row, node);

		if (row->key.kind != kind || !covers(a, row))
			continue;
		fib_nexthop_put(fib, row->nh);
		row->nh = NULL;
		fib_row_spare(fib, row, false);
		row->flags = 0;
		row->repairs = 0;
		row->believed = row->count && row->state == FIB_SAME;
		fib_row_set(fib, row, FIB_ABSENT, FIB_FINE);
	}
}

/* The nexthop object of ours that a route names, or NULL. */
static struct seen *seen_nexthop(const struct adoption *a, uint32_t id)
{
	const struct seen key = {.nhid = id};

	if (!id || !a->nexthops.count)
		return NULL;
	return bsearch(&key, a->nexthops.items, a->nexthops.count, sizeof(key), by_id);
}

/* flannel's routes have the number that anybody's have, so their shape must tell: through an
 * address that is on the link by declaration alone, and that is their own first one. On a device
 * that is ours alone nobody else makes such a route. */
static bool is_left_by_flannel(const struct adoption *a, const struct seen *s)
{
	return a->ifindex && s->protocol == RTPROT_BOOT && !s->odd && !s->nhid && s->value.onlink &&
	       s->value.family == s->key.family &&
	       memcmp(s->value.bytes, s->key.bytes, sizeof(s->key.bytes)) == 0;
}

/* Somebody else's route on our device stands where ours should: the device is ours, so it may be
 * replaced. Where nobody declares one, flannel's goes as ours would. */
static int take_foreign_route(struct adoption *a, const struct seen *s)
{
	struct fib_row *row = fib_row_find(a->fib, &s->key);
	int r;

	if (row && row->count) {
		if (!s->odd && s->value.ifindex == row->value.ifindex)
			row->flags |= FIB_FORCE;
		return 0;
	}
	if (!is_left_by_flannel(a, s) || (row && row->state != FIB_ABSENT))
		return 0;
	r = fib_row_get(a->fib, &s->key, &row);
	if (r < 0)
		return r;
	row->value = s->value;
	row->flags |= FIB_LEFT;
	fib_row_set(a->fib, row, FIB_OTHER, FIB_FINE);
	return 0;
}

static bool equals(const struct fib_row *row, const struct seen *s)
{
	return !s->odd && memcmp(&row->value, &s->value, sizeof(s->value)) == 0;
}

/* With nexthop_compat_mode=0, a route alone does not tell its gateway. @return the nexthop that we
 * use for it, or NULL: it has none, or a strange one */
static struct fib_nexthop *resolve_nexthop(const struct adoption *a, struct seen *s)
{
	const struct seen *object = seen_nexthop(a, s->nhid);
	struct fib_nexthop *nh = NULL;

	if (object) {
		s->value = object->value;
		nh = fib_nexthop_find(a->fib, &object->value);
	}
	if (nh && nh->id == s->nhid)
		return nh;
	if (s->nhid)
		s->odd = true;
	return NULL;
}

static int take_row(struct adoption *a, const struct seen *shown)
{
	struct seen s = *shown;
	struct fib_nexthop *nh = resolve_nexthop(a, &s);
	struct fib_row *row;
	bool messy;
	int r;

	if (s.key.kind == FL_ROW_ROUTE && !covers_device(a, s.value.ifindex))
		return 0;
	r = fib_row_get(a->fib, &s.key, &row);
	if (r < 0)
		return r;
	if (!row->count && row->state == FIB_ABSENT)
		row->value = s.value;
	/* an FDB entry comes once per remote: strange ones must go, and with them the right one */
	messy = s.key.kind == FL_ROW_FDB && (row->state != FIB_ABSENT || !equals(row, &s));
	if (messy)
		row->flags |= FIB_PURGE;
	fib_row_set(a->fib, row, equals(row, &s) && !messy ? FIB_SAME : FIB_OTHER, FIB_FINE);
	if (nh && !row->nh) {
		row->nh = nh;
		nh->refs++;
	}
	return 0;
}

/* On a device that is not ours alone, an object may belong to a flanneld of another network: only
 * those count that routes of ours name. */
static void mark_named(struct adoption *a)
{
	for (uint32_t i = 0; i < a->rows.count; i++) {
		struct seen *nexthop = seen_nexthop(a, a->rows.items[i].nhid);

		if (nexthop)
			nexthop->named = true;
	}
}

static int take_all(struct adoption *a)
{
	uint32_t i;
	int r = 0;

	mark_named(a);
	for (i = 0; i < a->nexthops.count && r == 0; i++)
		if (a->ifindex || a->nexthops.items[i].named)
			r = fib_nexthop_adopt(a->fib, &a->nexthops.items[i].value,
					      a->nexthops.items[i].nhid);
	for (i = 0; i < a->rows.count && r == 0; i++) {
		const struct seen *s = &a->rows.items[i];

		if (s->key.kind == FL_ROW_ROUTE && s->protocol != FL_RTPROT)
			r = take_foreign_route(a, s);
		else
			r = take_row(a, s);
	}
	return r;
}

/* ---- what nobody declares and yet stays ---- */

static struct fib_row *standing(const struct fl_fib *fib, const struct fl_row *shape)
{
	struct fib_value unused;
	struct fib_key key;
	struct fib_row *row;

	fib_key_of(shape, &key, &unused);
	row = fib_row_find(fib, &key);
	return row && !row->count && row->state != FIB_ABSENT ? row : NULL;
}

/* The neighbour that is a route's gateway, and the FDB entry that leads to it. */
static void spare_behind(struct fl_fib *fib, const struct fib_row *route)
{
	struct fl_row shape = {.kind = FL_ROW_NEIGH, .ifindex = route->value.ifindex};
	struct fib_row *neigh, *fdb;

	shape.dst.addr = fib_addr(route->value.family, route->value.bytes);
	neigh = standing(fib, &shape);
	if (!neigh)
		return;
	fib_row_spare(fib, neigh, true);
	shape.kind = FL_ROW_FDB;
	memcpy(shape.mac.bytes, neigh->value.bytes, sizeof(shape.mac.bytes));
	fdb = standing(fib, &shape);
	if (fdb)
		fib_row_spare(fib, fdb, true);
}

/* @param a  NULL: wherever they are */
static void spare_rows(struct fl_fib *fib, const struct adoption *a)
{
	struct fl_hash_iter it;

	if (!fib->listener->spared || fib->rows.count == fib->stats.declared)
		return; /* nothing stands that nobody declares */
	fl_hash_each (n, &it, &fib->rows) {
		struct fib_row *row = fl_container_of(n, struct fib_row, node);
		struct fl_prefix dst = fib_prefix(&row->key);

		if (row->key.kind != FL_ROW_ROUTE || row->count || row->state == FIB_ABSENT ||
		    (a && !covers(a, row)) || !fib->listener->spared(fib->listener, &dst))
			continue;
		fib_row_spare(fib, row, true);
		spare_behind(fib, row);
	}
}

void fl_fib_sweep(struct fl_fib *fib)
{
	struct fl_hash_iter it;

	fl_hash_each (n, &it, &fib->rows)
		fib_row_spare(fib, fl_container_of(n, struct fib_row, node), false);
	spare_rows(fib, NULL);
	fl_hash_each (n, &it, &fib->rows) {
		struct fib_row *row = fl_container_of(n, struct fib_row, node);

		if (!row->count && row->list == FIB_NOWHERE)
			fib_row_schedule(fib, row);
	}
}

static void schedule_row(struct adoption *a, struct fib_row *row)
{
	static const enum fib_list_id later[] = {
		[FL_ROW_NEIGH] = FIB_NOWHERE,
		[FL_ROW_FDB] = FIB_LATER_FDB,
		[FL_ROW_ROUTE] = FIB_LATER_ROUTE,
	};

	if (row->believed && row->count && row->state != FIB_SAME)
		a->fib->stats.amiss++;
	row->believed = 0;
	/* what was to be added already keeps its place in the order of declaration */
	if (row->list == FIB_ADD && row->state != FIB_SAME)
		return;
	if (later[row->key.kind] != FIB_NOWHERE && row->count && row->state != FIB_SAME)
		fib_row_move(a->fib, row, later[row->key.kind]);
	else
		fib_row_schedule(a->fib, row);
}

/* Neighbours first, routes last. */
static void schedule_all(struct adoption *a)
{
	struct fl_fib *fib = a->fib;
	struct fl_hash_iter it;
	struct fib_row *row;

	fl_hash_each (n, &it, &fib->rows) {
		row = fl_container_of(n, struct fib_row, node);
		if (covers(a, row))
			schedule_row(a, row);
	}
	while ((row = fib->lists[FIB_LATER_FDB].head))
		fib_row_schedule(fib, row);
	while ((row = fib->lists[FIB_LATER_ROUTE].head))
		fib_row_schedule(fib, row);
}

static int adopt_kind(struct adoption *a, enum fl_row_kind kind)
{
	struct fl_fib *fib = a->fib;
	int r = collect_kind(a, kind);

	if (r < 0)
		return r;
	if (!a->fresh)
		forget(a, kind);
	if (a->rows.count || a->nexthops.count)
		fib->touched = true;
	return take_all(a);
}

/* Elsewhere only routes are ours: each kind costs walks over all rows, which are far apart. */
static int adopt(struct adoption *a)
{
	int r = 0;

	a->fresh = !a->fib->touched;
	if (a->ifindex)
		r = adopt_kind(a, FL_ROW_NEIGH);
	if (r == 0 && a->ifindex)
		r = adopt_kind(a, FL_ROW_FDB);
	if (r == 0)
		r = adopt_kind(a, FL_ROW_ROUTE);
	if (r == 0) {
		a->fib->fighting = false;
		spare_rows(a->fib, a);
		schedule_all(a);
	}
	free(a->rows.items);
	free(a->nexthops.items);
	return r;
}

int fl_fib_adopt(struct fl_fib *fib, uint32_t ifindex)
{
	struct adoption a = {.fib = fib, .ifindex = ifindex};

	if (!fib_is_own(fib, ifindex)) {
		if (fib->n_own == FL_FIB_DEVICES_MAX)
			return -ENOSPC;
		fib->own[fib->n_own++] = ifindex;
	}
	return adopt(&a);
}

int fl_fib_adopt_elsewhere(struct fl_fib *fib, const struct fl_prefix *network)
{
	struct adoption a = {.fib = fib, .network = network};

	return adopt(&a);
}

void fl_fib_forget(struct fl_fib *fib, uint32_t ifindex)
{
	const struct adoption a = {.fib = fib, .ifindex = ifindex};
	struct fl_hash_iter it;

	forget(&a, FL_ROW_NEIGH);
	forget(&a, FL_ROW_FDB);
	forget(&a, FL_ROW_ROUTE);
	fl_hash_each (n, &it, &fib->rows) {
		struct fib_row *row = fl_container_of(n, struct fib_row, node);

		if (covers(&a, row) && row->count)
			fib_row_move(fib, row, FIB_NOWHERE);
		else if (covers(&a, row))
			fib_row_schedule(fib, row); /* frees it */
	}
}
