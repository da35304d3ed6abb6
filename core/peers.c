/* core/peers.c - the leases of the other hosts: snapshot or event in, additions and removals out.
 */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>

#include "base/prefix_set.h"
#include "lease_packed.h"

/* What a node's tag says: what the node is in, and the latest snapshot that had the lease. */
#define TAG_PACKED   1u /* in a struct packed, not in a record */
#define TAG_TOLD     2u /* the record's member */
#define TAG_SNAPSHOT 4u /* the least of the bits that number it */

struct fl_peers {
	struct fl_hash table; /* by subnet; owns what the nodes are in */
	struct fl_peers_listener *listener;
	uint32_t snapshot; /* number of the latest one, as in tags */
	bool in_snapshot;
};

/* All that is kept of a record, if the listener does not need it to last. */
struct packed {
	struct fl_hash_node node;
	int64_t expires_s;
	uint32_t way;
	uint32_t since_s;
	unsigned char lease[];
};

int fl_peers_create(struct fl_peers_listener *listener, struct fl_peers **ret)
{
	struct fl_peers *p = calloc(1, sizeof(*p));

	/* A lease that comes is not to be lost for lack of the first buckets. */
	if (!p || fl_hash_prepare(&p->table) < 0) {
		free(p);
		return -ENOMEM;
	}
	p->listener = listener;
	*ret = p;
	return 0;
}

/* ---- what is kept of a lease ---- */

static struct fl_lease_record *record_of(struct fl_hash_node *n)
{
	return fl_container_of(n, struct fl_lease_record, node);
}

static struct packed *packed_of(struct fl_hash_node *n)
{
	return fl_container_of(n, struct packed, node);
}

static bool is_packed(const struct fl_hash_node *n)
{
	return n->tag & TAG_PACKED;
}

/* @param rec  taken. Where there is no memory for less, it is kept as it is. */
static struct fl_hash_node *keep(const struct fl_peers *p, struct fl_lease_record *rec)
{
	const char *usual = p->listener->usual_type;
	struct packed *k = NULL;

	if (!p->listener->lasting)
		k = malloc(sizeof(*k) + fl_lease_packed_size(&rec->lease, usual));
	if (!k) {
		rec->node.tag = p->snapshot;
		return &rec->node;
	}
	*k = (struct packed){.node.tag = p->snapshot | TAG_PACKED, .expires_s = rec->expires_s};
	fl_lease_pack(&rec->lease, usual, k->lease);
	fl_lease_record_free(rec);
	return &k->node;
}

static void discard(struct fl_hash_node *n)
{
	if (is_packed(n))
		free(packed_of(n));
	else
		fl_lease_record_free(record_of(n));
}

/* The record, or one like it in @p room. What was changed there is kept by put_back(). */
static struct fl_lease_record *unpack(const struct fl_peers *p, struct fl_hash_node *n,
				      struct fl_lease_record *room)
{
	const struct packed *k = packed_of(n);

	if (!is_packed(n))
		return record_of(n);
	*room = (struct fl_lease_record){.expires_s = k->expires_s,
					 .way = k->way,
					 .since_s = k->since_s,
					 .told = n->tag & TAG_TOLD};
	fl_lease_unpack(k->lease, p->listener->usual_type, &room->lease);
	return room;
}

static void put_back(struct fl_hash_node *n, const struct fl_lease_record *rec)
{
	struct packed *k = packed_of(n);

	if (!is_packed(n))
		return;
	k->expires_s = rec->expires_s;
	k->way = rec->way;
	k->since_s = (uint32_t)rec->since_s; /* until 2106 */
	n->tag = (n->tag & ~TAG_TOLD) | (rec->told ? TAG_TOLD : 0);
}

static void tell(struct fl_peers *p, struct fl_hash_node *n,
		 void (*what)(struct fl_peers_listener *l, struct fl_lease_record *rec))
{
	struct fl_lease_record room, *rec = unpack(p, n, &room);

	what(p->listener, rec);
	put_back(n, rec);
}

static bool is_of(struct fl_hash_node *n, const struct fl_prefix *subnet)
{
	struct fl_prefix packed;

	if (!is_packed(n))
		return fl_prefix_equal(&record_of(n)->lease.subnet, subnet);
	packed = fl_lease_packed_subnet(packed_of(n)->lease);
	return fl_prefix_equal(&packed, subnet);
}

/* ---- the set ---- */

void fl_peers_destroy(struct fl_peers *p)
{
	struct fl_hash_iter it;

	if (!p)
		return;
	fl_hash_each (n, &it, &p->table)
		discard(n);
	fl_hash_done(&p->table);
	free(p);
}

static struct fl_hash_node *find(const struct fl_peers *p, const struct fl_prefix *subnet)
{
	struct fl_hash_node *n = fl_hash_find(&p->table, fl_prefix_hash(subnet));

	while (n && !is_of(n, subnet))
		n = fl_hash_find_next(n);
	return n;
}

static void mark(const struct fl_peers *p, struct fl_hash_node *n)
{
	n->tag = (n->tag & (TAG_SNAPSHOT - 1)) | p->snapshot;
}

/** Out of the set first, so that whom removed() calls finds it gone. */
static void drop(struct fl_peers *p, struct fl_hash_node *n)
{
	fl_hash_del(&p->table, n);
	tell(p, n, p->listener->removed);
	discard(n);
}

/** If @p n says the same to other hosts as @p rec: what else is to be known moves over. */
static bool refresh(struct fl_peers *p, struct fl_hash_node *n, const struct fl_lease_record *rec)
{
	struct fl_lease_record room, *old = unpack(p, n, &room);

	if (!fl_lease_same(&old->lease, &rec->lease))
		return false;
	old->expires_s = rec->expires_s;
	put_back(n, old);
	mark(p, n);
	return true;
}

int fl_peers_put(struct fl_peers *p, struct fl_lease_record *rec)
{
	struct fl_hash_node *n = find(p, &rec->lease.subnet);
	uint32_t hash = fl_prefix_hash(&rec->lease.subnet);
	int r;

	if (n && refresh(p, n, rec)) {
		fl_lease_record_free(rec);
		return 0;
	}
	if (n)
		drop(p, n);
	n = keep(p, rec);
	r = fl_hash_add(&p->table, n, hash);
	if (r < 0) {
		discard(n);
		return r;
	}
	tell(p, n, p->listener->added);
	return 0;
}

void fl_peers_del(struct fl_peers *p, const struct fl_prefix *subnet)
{
	struct fl_hash_node *n = find(p, subnet);

	if (n)
		drop(p, n);
}

void fl_peers_snapshot_begin(struct fl_peers *p)
{
	p->snapshot += TAG_SNAPSHOT;
	p->in_snapshot = true;
}

void fl_peers_snapshot_end(struct fl_peers *p)
{
	struct fl_hash_iter it;

	if (!p->in_snapshot)
		return;
	p->in_snapshot = false;
	fl_hash_each (n, &it, &p->table)
		if ((n->tag ^ p->snapshot) >= TAG_SNAPSHOT)
			drop(p, n);
}

void fl_peers_snapshot_abort(struct fl_peers *p)
{
	p->in_snapshot = false;
}

void fl_peers_keep(struct fl_peers *p, const struct fl_prefix *subnet)
{
	struct fl_hash_node *n = find(p, subnet);

	if (n)
		mark(p, n);
}

bool fl_peers_walk(struct fl_peers *p, struct fl_peers_cursor *c, uint32_t max,
		   void (*each)(struct fl_peers_listener *l, struct fl_lease_record *rec))
{
	const struct fl_hash *t = &p->table;
	uint32_t n = 0;

	if (!t->buckets)
		return false;
	if (c->mask != t->mask) /* it has grown: everything lies elsewhere now */
		*c = (struct fl_peers_cursor){.mask = t->mask};
	for (; c->bucket <= t->mask && n < max; c->bucket++)
		for (struct fl_hash_node *node = t->buckets[c->bucket]; node; node = node->next) {
			tell(p, node, each);
			n++;
		}
	return c->bucket <= t->mask;
}

uint32_t fl_peers_count(const struct fl_peers *p)
{
	return p->table.count;
}

bool fl_peers_find(const struct fl_peers *p, const struct fl_prefix *subnet,
		   struct fl_lease_record *ret)
{
	struct fl_hash_node *n = find(p, subnet);
	struct fl_lease_record room;

	if (n)
		*ret = *unpack(p, n, &room);
	return n != NULL;
}
