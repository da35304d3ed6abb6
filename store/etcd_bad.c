/* store/etcd_bad.c - entries that cannot be used: each is told of once, not with each snapshot. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/etcd_internal.h"

#define BAD_MAX	    1024u
#define SHOWN_BYTES 120

struct bad_entry {
	struct fl_hash_node node;
	uint64_t index;
	uint32_t round;
	char key[];
};

static struct bad_entry *find(const struct fl_etcd_bad *bad, const char *key)
{
	if (bad->table.count == 0)
		return NULL;
	for (struct fl_hash_node *n = fl_hash_find(&bad->table, fl_hash_bytes(key, strlen(key))); n;
	     n = fl_hash_find_next(n)) {
		struct bad_entry *b = fl_container_of(n, struct bad_entry, node);

		if (strcmp(b->key, key) == 0)
			return b;
	}
	return NULL;
}

static void drop(struct fl_etcd_bad *bad, struct bad_entry *b)
{
	fl_hash_del(&bad->table, &b->node);
	free(b);
}

static struct bad_entry *add(struct fl_etcd_bad *bad, const char *key)
{
	size_t len = strlen(key);
	struct bad_entry *b;

	if (bad->table.count >= BAD_MAX)
		return NULL;
	b = calloc(1, sizeof(*b) + len + 1);
	if (!b)
		return NULL;
	memcpy(b->key, key, len + 1);
	if (fl_hash_add(&bad->table, &b->node, fl_hash_bytes(key, len)) < 0) {
		free(b);
		return NULL;
	}
	return b;
}

void fl_etcd_bad_note(struct fl_etcd_bad *bad, const struct fl_etcd_entry *e, const char *why)
{
	struct bad_entry *b = find(bad, e->key);
	bool known = b && b->index == e->index;

	if (!b)
		b = add(bad, e->key);
	if (!b) {
		if (!bad->full)
			fl_warn("etcd",
				"subnets/: more than %u entries are of no use; those "
				"beyond are ignored without a word",
				BAD_MAX);
		bad->full = true;
		return;
	}
	b->index = e->index;
	b->round = bad->round;
	if (!known)
		fl_warn("etcd", "subnets/%.*s: ignored: %s", SHOWN_BYTES, e->key, why);
}

void fl_etcd_bad_forget(struct fl_etcd_bad *bad, const char *key)
{
	struct bad_entry *b = find(bad, key);

	if (b)
		drop(bad, b);
}

void fl_etcd_bad_begin(struct fl_etcd_bad *bad)
{
	bad->round++;
}

static void drop_old(struct fl_etcd_bad *bad, bool all)
{
	struct fl_hash_iter it;

	fl_hash_each (n, &it, &bad->table) {
		struct bad_entry *b = fl_container_of(n, struct bad_entry, node);

		if (all || b->round != bad->round)
			drop(bad, b);
	}
}

void fl_etcd_bad_end(struct fl_etcd_bad *bad)
{
	drop_old(bad, false);
	bad->full = bad->full && bad->table.count >= BAD_MAX;
}

void fl_etcd_bad_done(struct fl_etcd_bad *bad)
{
	drop_old(bad, true);
	fl_hash_done(&bad->table);
}
