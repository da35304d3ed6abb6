/* core/peers.c - the leases of the other hosts: snapshot or event in, additions and removals out.
 */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>

#include "base/prefix_set.h"

struct fl_peers {
	struct fl_hash table; /* of fl_lease_record.node, by subnet; owns the records */
	struct fl_peers_listener *listener;
	uint32_t snapshot; /* number of the latest one */
	bool in_snapshot;
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

static struct fl_lease_record *record_of(struct fl_hash_node *n)
{
	return fl_container_of(n, struct fl_lease_record, node);
}

void fl_peers_destroy(struct fl_peers *p)
{
	struct fl_hash_iter it;

	if (!p)
		return;
	fl_hash_each (n, &it, &p->table)
		fl_lease_record_free(record_of(n));
	fl_hash_done(&p->table);
	free(p);
}

static struct fl_lease_record *find(const struct fl_peers *p, const struct fl_prefix *subnet,
				    uint32_t hash)
{
	struct fl_hash_node *n;

	for (n = fl_hash_find(&p->table, hash); n; n = fl_hash_find_next(n))
		if (fl_prefix_equal(&record_of(n)->lease.subnet, subnet))
			return record_of(n);
	return NULL;
}

/** Out of the set first, so that whom removed() calls finds it gone. */
static void drop(struct fl_peers *p, struct fl_lease_record *rec)
{
	fl_hash_del(&p->table, &rec->node);
	p->listener->removed(p->listener, rec);
	fl_lease_record_free(rec);
}

/** @p old says the same to other hosts as @p rec: what guards and renewals need moves over. */
static void refresh(struct fl_peers *p, struct fl_lease_record *old, struct fl_lease_record *rec)
{
	old->index = rec->index;
	old->etcd_lease = rec->etcd_lease;
	old->expires_s = rec->expires_s;
	old->seen = p->snapshot;
	fl_lease_record_free(rec);
}

int fl_peers_put(struct fl_peers *p, struct fl_lease_record *rec)
{
	uint32_t hash = fl_prefix_hash(&rec->lease.subnet);
	struct fl_lease_record *old = find(p, &rec->lease.subnet, hash);
	int r;

	if (old && fl_lease_same(&old->lease, &rec->lease)) {
		refresh(p, old, rec);
		return 0;
	}
	if (old)
		drop(p, old);
	rec->seen = p->snapshot;
	r = fl_hash_add(&p->table, &rec->node, hash);
	if (r < 0) {
		fl_lease_record_free(rec);
		return r;
	}
	p->listener->added(p->listener, rec);
	return 0;
}

void fl_peers_del(struct fl_peers *p, const struct fl_prefix *subnet)
{
	struct fl_lease_record *rec = find(p, subnet, fl_prefix_hash(subnet));

	if (rec)
		drop(p, rec);
}

void fl_peers_snapshot_begin(struct fl_peers *p)
{
	p->snapshot++;
	p->in_snapshot = true;
}

void fl_peers_snapshot_end(struct fl_peers *p)
{
	struct fl_hash_iter it;

	if (!p->in_snapshot)
		return;
	p->in_snapshot = false;
	fl_hash_each (n, &it, &p->table)
		if (record_of(n)->seen != p->snapshot)
			drop(p, record_of(n));
}

void fl_peers_snapshot_abort(struct fl_peers *p)
{
	p->in_snapshot = false;
}

void fl_peers_keep(struct fl_peers *p, const struct fl_prefix *subnet)
{
	struct fl_lease_record *rec = find(p, subnet, fl_prefix_hash(subnet));

	if (rec)
		rec->seen = p->snapshot;
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
			each(p->listener, record_of(node));
			n++;
		}
	return c->bucket <= t->mask;
}

uint32_t fl_peers_count(const struct fl_peers *p)
{
	return p->table.count;
}

const struct fl_lease_record *fl_peers_find(const struct fl_peers *p,
					    const struct fl_prefix *subnet)
{
	return find(p, subnet, fl_prefix_hash(subnet));
}
