/* core/fib_adopt.c - compare what is declared with what the kernel has on a device, step by step.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "fib_collect.h"

#define SLICE 4096u /* rows that are taken in one step: about 2 ms */

/* Kind by kind: what the kernel has is collected, what was believed is forgotten, what was
 * collected is taken. In the end all of it is looked at. */
enum phase { COLLECT, FORGET, TAKE, SPARE, SCHEDULE, DONE };

struct fl_fib_adoption {
	struct fib_collection c;
	enum phase phase;
	bool fresh;	/* nothing is believed yet: forget nothing */
	uint32_t taken; /* of the nexthops, then of the rows */
};

static bool covers(const struct fl_fib_adoption *a, const struct fib_row *row)
{
	if (row->key.kind == FL_ROW_ROUTE)
		return fib_collect_covers(&a->c, row->value.ifindex);
	return a->c.ifindex && row->key.ifindex == a->c.ifindex;
}

/* ---- decisions ---- */

static void forget_nexthops(const struct fl_fib_adoption *a)
{
	struct fl_hash_iter it;

	fl_hash_each (n, &it, &a->c.fib->nexthops) {
		struct fib_nexthop *nh = fl_container_of(n, struct fib_nexthop, node);

		if (fib_collect_covers(&a->c, nh->key.ifindex))
			fib_nexthop_forget(a->c.fib, nh);
	}
}

/* What was believed of such rows on the device no longer counts. */
static void forget(const struct fl_fib_adoption *a, enum fl_row_kind kind)
{
	struct fl_fib *fib = a->c.fib;
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
		row->flags &= FIB_DOUBT;
		row->repairs = 0;
		row->believed = row->count && row->state == FIB_SAME;
		fib_row_set(fib, row, FIB_ABSENT, FIB_FINE);
	}
}

/* flannel's routes have the number that anybody's have, so their shape must tell: through an
 * address that is on the link by declaration alone, and that is their own first one. On a device
 * that is ours alone nobody else makes such a route. */
static bool is_left_by_flannel(const struct fl_fib_adoption *a, const struct fib_seen *s)
{
	return a->c.ifindex && s->protocol == RTPROT_BOOT && !s->odd && !s->nhid &&
	       s->value.onlink && s->value.family == s->key.family &&
	       memcmp(s->value.bytes, s->key.bytes, sizeof(s->key.bytes)) == 0;
}

/* Somebody else's route on our device stands where ours should: the device is ours, so it may be
 * replaced. Where nobody declares one, flannel's goes as ours would. */
static int take_foreign_route(struct fl_fib_adoption *a, const struct fib_seen *s)
{
	struct fib_row *row = fib_row_find(a->c.fib, &s->key);
	int r;

	if (row && row->count) {
		if (!s->odd && s->value.ifindex == row->value.ifindex)
			row->flags |= FIB_FORCE;
		return 0;
	}
	if (!is_left_by_flannel(a, s) || (row && row->state != FIB_ABSENT))
		return 0;
	r = fib_row_get(a->c.fib, &s->key, &row);
	if (r < 0)
		return r;
	row->value = s->value;
	row->flags |= FIB_LEFT;
	fib_row_set(a->c.fib, row, FIB_OTHER, FIB_FINE);
	return 0;
}

static bool equals(const struct fib_row *row, const struct fib_seen *s)
{
	return !s->odd && memcmp(&row->value, &s->value, sizeof(s->value)) == 0;
}

/* With nexthop_compat_mode=0, a route alone does not tell its gateway. @return the nexthop that we
 * use for it, or NULL: it has none, or a strange one */
static struct fib_nexthop *resolve_nexthop(const struct fl_fib_adoption *a, struct fib_seen *s)
{
	const struct fib_seen *object = fib_collect_nexthop(&a->c, s->nhid);
	struct fib_nexthop *nh = NULL;

	if (object) {
		s->value = object->value;
		nh = fib_nexthop_find(a->c.fib, &object->value);
	}
	if (nh && nh->id == s->nhid)
		return nh;
	if (s->nhid)
		s->odd = true;
	return NULL;
}

static int take_row(struct fl_fib_adoption *a, const struct fib_seen *shown)
{
	struct fib_seen s = *shown;
	struct fib_nexthop *nh = resolve_nexthop(a, &s);
	struct fib_row *row;
	bool messy;
	int r;

	if (s.key.kind == FL_ROW_ROUTE && !fib_collect_covers(&a->c, s.value.ifindex))
		return 0;
	r = fib_row_get(a->c.fib, &s.key, &row);
	if (r < 0)
		return r;
	if (!row->count && row->state == FIB_ABSENT)
		row->value = s.value;
	/* an FDB entry comes once per remote: strange ones must go, and with them the right one */
	messy = s.key.kind == FL_ROW_FDB && (row->state != FIB_ABSENT || !equals(row, &s));
	if (messy)
		row->flags |= FIB_PURGE;
	fib_row_set(a->c.fib, row, equals(row, &s) && !messy ? FIB_SAME : FIB_OTHER, FIB_FINE);
	if (nh && !row->nh) {
		row->nh = nh;
		nh->refs++;
	}
	return 0;
}

/* On a device that is not ours alone, an object may belong to a flanneld of another network: only
 * those count that routes of ours name. */
static void mark_named(struct fl_fib_adoption *a)
{
	if (a->c.ifindex)
		return;
	for (uint32_t i = 0; i < a->c.rows.count; i++) {
		struct fib_seen *nexthop = fib_collect_nexthop(&a->c, a->c.rows.items[i].nhid);

		if (nexthop)
			nexthop->named = true;
	}
}

static int take_nexthop(struct fl_fib_adoption *a, const struct fib_seen *s)
{
	if (!a->c.ifindex && !s->named)
		return 0;
	return fib_nexthop_adopt(a->c.fib, &s->value, s->nhid);
}

static int take(struct fl_fib_adoption *a, const struct fib_seen *s)
{
	if (s->key.kind == FL_ROW_ROUTE && s->protocol != FL_RTPROT)
		return take_foreign_route(a, s);
	return take_row(a, s);
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
static void spare_rows(struct fl_fib *fib, const struct fl_fib_adoption *a)
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

/* Somebody did something to it behind the dump's back. */
static void doubt(struct fl_fib *fib, struct fib_row *row)
{
	row->flags &= (uint8_t)~FIB_DOUBT;
	if (row->state != FIB_SAME)
		return;
	if (row->key.kind == FL_ROW_FDB)
		row->flags |= FIB_PURGE;
	fib->stats.repaired += row->count > 0;
	fib_row_set(fib, row, FIB_UNSURE, FIB_FINE);
}

static void schedule_row(struct fl_fib_adoption *a, struct fib_row *row)
{
	static const enum fib_list_id later[] = {
		[FL_ROW_NEIGH] = FIB_NOWHERE,
		[FL_ROW_FDB] = FIB_LATER_FDB,
		[FL_ROW_ROUTE] = FIB_LATER_ROUTE,
	};

	if (row->believed && row->count && row->state != FIB_SAME)
		a->c.fib->stats.amiss++;
	if (row->flags & FIB_DOUBT)
		doubt(a->c.fib, row);
	row->believed = 0;
	/* what was to be added already keeps its place in the order of declaration */
	if (row->list == FIB_ADD && row->state != FIB_SAME)
		return;
	if (later[row->key.kind] != FIB_NOWHERE && row->count && row->state != FIB_SAME)
		fib_row_move(a->c.fib, row, later[row->key.kind]);
	else
		fib_row_schedule(a->c.fib, row);
}

/* Neighbours first, routes last. */
static void schedule_all(struct fl_fib_adoption *a)
{
	struct fl_fib *fib = a->c.fib;
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

/* ---- one step after the other ---- */

/* All of the kind is known now, and nothing of it is decided yet. */
static int collect(struct fl_fib_adoption *a)
{
	int r = fib_collect_go_on(&a->c);

	if (r == 0)
		a->phase = FORGET;
	return r < 0 ? r : 1;
}

static int begin_to_take(struct fl_fib_adoption *a)
{
	if (!a->fresh)
		forget(a, a->c.kind);
	if (a->c.rows.count || a->c.nexthops.count)
		a->c.fib->touched = true;
	mark_named(a);
	a->taken = 0;
	a->phase = TAKE;
	return 1;
}

/* Elsewhere only routes are ours: each kind costs walks over all rows, which are far apart. */
static void next_kind(struct fl_fib_adoption *a)
{
	a->phase = COLLECT;
	if (a->c.kind == FL_ROW_NEIGH)
		fib_collect_begin(&a->c, FL_ROW_FDB);
	else if (a->c.kind == FL_ROW_FDB)
		fib_collect_begin(&a->c, FL_ROW_ROUTE);
	else
		a->phase = SPARE;
}

/* Nexthops first: routes name them. */
static int take_slice(struct fl_fib_adoption *a)
{
	const uint32_t all = a->c.nexthops.count + a->c.rows.count;
	int r = 0;

	for (uint32_t n = 0; n < SLICE && a->taken < all && r == 0; n++, a->taken++) {
		if (a->taken < a->c.nexthops.count)
			r = take_nexthop(a, &a->c.nexthops.items[a->taken]);
		else
			r = take(a, &a->c.rows.items[a->taken - a->c.nexthops.count]);
	}
	if (r < 0 || a->taken < all)
		return r < 0 ? r : 1;
	if (fib_collect_again(&a->c)) {
		a->fresh = false; /* what was just taken is out of date */
		a->phase = COLLECT;
	} else if (a->c.again) {
		return -EINTR;
	} else {
		next_kind(a);
	}
	return 1;
}

int fl_fib_adopt_step(struct fl_fib_adoption *a)
{
	switch (a->phase) {
	case COLLECT:
		return collect(a);
	case FORGET:
		return begin_to_take(a);
	case TAKE:
		return take_slice(a);
	case SPARE:
		a->c.fib->fighting = false;
		spare_rows(a->c.fib, a);
		a->phase = SCHEDULE;
		return 1;
	case SCHEDULE:
		schedule_all(a);
		a->phase = DONE;
		return 0;
	default:
		return 0;
	}
}

void fl_fib_adopt_end(struct fl_fib_adoption *a)
{
	struct fl_fib *fib;

	if (!a)
		return;
	fib = a->c.fib;
	fib_collect_close(&a->c);
	free(a);
	fib->adoption = NULL;
	fib_go_on(fib);
}

static int begin(struct fl_fib *fib, const struct fib_collection *c, struct fl_fib_adoption **ret)
{
	struct fl_fib_adoption *a;
	int r;

	if (fib->adoption)
		return -EBUSY;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->c = *c;
	a->fresh = !fib->touched;
	r = fib_collect_open(&a->c);
	if (r < 0) {
		free(a);
		return r;
	}
	fib_collect_begin(&a->c, c->ifindex ? FL_ROW_NEIGH : FL_ROW_ROUTE);
	fib->installed_before = fib->stats.installed;
	fib->adoption = a;
	*ret = a;
	return 0;
}

int fl_fib_adopt_begin(struct fl_fib *fib, uint32_t ifindex, struct fl_fib_adoption **ret)
{
	const struct fib_collection c = {.fib = fib, .ifindex = ifindex};

	if (!fib_is_own(fib, ifindex)) {
		if (fib->n_own == FL_FIB_DEVICES_MAX)
			return -ENOSPC;
		fib->own[fib->n_own++] = ifindex;
	}
	return begin(fib, &c, ret);
}

int fl_fib_adopt_elsewhere_begin(struct fl_fib *fib, const struct fl_prefix *network,
				 struct fl_fib_adoption **ret)
{
	const struct fib_collection c = {.fib = fib, .network = *network};

	return begin(fib, &c, ret);
}

static int to_the_end(struct fl_fib_adoption *a)
{
	int r;

	do
		r = fl_fib_adopt_step(a);
	while (r > 0);
	fl_fib_adopt_end(a);
	return r;
}

int fl_fib_adopt(struct fl_fib *fib, uint32_t ifindex)
{
	struct fl_fib_adoption *a = NULL;
	int r = fl_fib_adopt_begin(fib, ifindex, &a);

	return r < 0 ? r : to_the_end(a);
}

int fl_fib_adopt_elsewhere(struct fl_fib *fib, const struct fl_prefix *network)
{
	struct fl_fib_adoption *a = NULL;
	int r = fl_fib_adopt_elsewhere_begin(fib, network, &a);

	return r < 0 ? r : to_the_end(a);
}

/* ---- what happens meanwhile ---- */

bool fib_adopt_runs(const struct fl_fib *fib)
{
	return fib->adoption && fib->adoption->phase != DONE;
}

void fib_adopt_lost_nexthop(struct fl_fib *fib)
{
	if (fib_adopt_runs(fib) && fib->adoption->c.kind == FL_ROW_ROUTE)
		fib->adoption->c.again = true;
}

void fl_fib_forget(struct fl_fib *fib, uint32_t ifindex)
{
	const struct fl_fib_adoption a = {.c = {.fib = fib, .ifindex = ifindex}};
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
