/* store/etcd_keys.c - one key for each subnet: flannel's dual-stack hosts
 * write 10.5.2.0-24&fd00::-64, which does not keep another host from writing 10.5.2.0-24. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/prefix_set.h"
#include "store/etcd_internal.h"

struct holder {
	struct fl_hash_node node;
	struct fl_prefix subnet;
	uint32_t round; /* the latest snapshot that had it */
	bool rivalled;	/* another key was passed over for it */
	char key[];
};

static struct holder *find(const struct fl_etcd_keys *keys, const struct fl_prefix *subnet)
{
	for (struct fl_hash_node *n = fl_hash_find(&keys->table, fl_prefix_hash(subnet)); n;
	     n = fl_hash_find_next(n)) {
		struct holder *h = fl_container_of(n, struct holder, node);

		if (fl_prefix_equal(&h->subnet, subnet))
			return h;
	}
	return NULL;
}

static void drop(struct fl_etcd_keys *keys, struct holder *h)
{
	fl_hash_del(&keys->table, &h->node);
	free(h);
}

/* @p key was met: also where its value is of no use, it goes on standing for what it stood for. */
bool fl_etcd_keys_rivalled(struct fl_etcd_keys *keys, const char *key,
			   const struct fl_prefix *subnet)
{
	struct holder *h = find(keys, subnet);

	if (!h)
		return false;
	if (strcmp(h->key, key) != 0) {
		h->rivalled = true;
		return true;
	}
	h->round = keys->round;
	return false;
}

int fl_etcd_keys_take(struct fl_etcd_keys *keys, const char *key, const struct fl_prefix *subnet)
{
	struct holder *h = find(keys, subnet);
	size_t size = strlen(key) + 1;
	int r;

	if (h)
		return 0;
	h = calloc(1, sizeof(*h) + size);
	if (!h)
		return -ENOMEM;
	h->subnet = *subnet;
	h->round = keys->round;
	memcpy(h->key, key, size);
	r = fl_hash_add(&keys->table, &h->node, fl_prefix_hash(subnet));
	if (r < 0)
		free(h);
	return r;
}

bool fl_etcd_keys_drop(struct fl_etcd_keys *keys, const char *key, const struct fl_prefix *subnet,
		       bool *rivalled)
{
	struct holder *h = find(keys, subnet);

	if (h && strcmp(h->key, key) != 0)
		return false;
	*rivalled = h && h->rivalled;
	if (h)
		drop(keys, h);
	return true;
}

void fl_etcd_keys_begin(struct fl_etcd_keys *keys)
{
	keys->round++;
}

bool fl_etcd_keys_end(struct fl_etcd_keys *keys)
{
	bool rivalled = false;
	struct fl_hash_iter it;

	fl_hash_each (n, &it, &keys->table) {
		struct holder *h = fl_container_of(n, struct holder, node);

		if (h->round == keys->round)
			continue;
		rivalled = rivalled || h->rivalled;
		drop(keys, h);
	}
	return rivalled;
}

void fl_etcd_keys_done(struct fl_etcd_keys *keys)
{
	struct fl_hash_iter it;

	fl_hash_each (n, &it, &keys->table)
		drop(keys, fl_container_of(n, struct holder, node));
	fl_hash_done(&keys->table);
}
