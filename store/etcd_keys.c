/* store/etcd_keys.c - one key for each subnet: flannel's dual-stack hosts
 * write 10.5.2.0-24&fd00::-64, which does not keep another host from writing 10.5.2.0-24.
 *
 * Nearly all keys follow from their subnets, so eight bytes a subnet do; and as there are as many
 * subnets as leases, they lie in a table of open addressing (linear probing), without pointers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/prefix_set.h"
#include "store/etcd_internal.h"

#define SLOTS_MIN 16u

struct fl_etcd_key {
	uint8_t subnet[4];
	uint8_t len;	   /* bits; 0: the slot is empty, for no lease's subnet has none */
	bool seen : 1;	   /* by the snapshot that runs, or ran last */
	bool rivalled : 1; /* another key was passed over for it */
	bool dual : 1;	   /* its text is in keys->dual */
};

/* The text of a key with IPv6, of which one subnet may have several. */
struct dual {
	struct fl_hash_node node;
	struct fl_prefix subnet;
	char key[];
};

/* ---- the table ---- */

static struct fl_prefix subnet_of(const struct fl_etcd_key *k)
{
	struct fl_prefix p = {.addr.family = AF_INET, .len = k->len};

	memcpy(p.addr.bytes, k->subnet, sizeof(k->subnet));
	return p;
}

static bool is_of(const struct fl_etcd_key *k, const struct fl_prefix *subnet)
{
	return k->len == subnet->len && !memcmp(k->subnet, subnet->addr.bytes, sizeof(k->subnet));
}

/* Where @subnet is, or else the empty slot where it belongs. The table has one at least. */
static struct fl_etcd_key *slot_of(const struct fl_etcd_keys *keys, const struct fl_prefix *subnet)
{
	uint32_t i = fl_prefix_hash(subnet) & keys->mask;

	while (keys->slots[i].len != 0 && !is_of(&keys->slots[i], subnet))
		i = (i + 1) & keys->mask;
	return &keys->slots[i];
}

static struct fl_etcd_key *find(const struct fl_etcd_keys *keys, const struct fl_prefix *subnet)
{
	struct fl_etcd_key *k = keys->slots ? slot_of(keys, subnet) : NULL;

	return k && k->len != 0 ? k : NULL;
}

/* One slot in eight stays empty, so that probing ends soon. @return 0, -ENOMEM */
static int make_room(struct fl_etcd_keys *keys)
{
	uint32_t size = keys->slots ? keys->mask + 1 : 0;
	struct fl_etcd_keys old = *keys;

	if (keys->count < size - size / 8)
		return 0;
	keys->slots = calloc(size ? 2 * (size_t)size : SLOTS_MIN, sizeof(*keys->slots));
	if (!keys->slots) {
		*keys = old;
		return -ENOMEM;
	}
	keys->mask = (size ? 2 * size : SLOTS_MIN) - 1;
	for (uint32_t i = 0; i < size; i++)
		if (old.slots[i].len != 0) {
			const struct fl_prefix subnet = subnet_of(&old.slots[i]);

			*slot_of(keys, &subnet) = old.slots[i];
		}
	free(old.slots);
	return 0;
}

/* Empty the slot, and move up what was displaced by it. */
static void vacate(struct fl_etcd_keys *keys, struct fl_etcd_key *k)
{
	uint32_t hole = (uint32_t)(k - keys->slots);

	for (uint32_t i = (hole + 1) & keys->mask; keys->slots[i].len != 0;
	     i = (i + 1) & keys->mask) {
		const struct fl_prefix subnet = subnet_of(&keys->slots[i]);
		uint32_t home = fl_prefix_hash(&subnet) & keys->mask;

		/* as far from its home as from the hole, or farther: it may go there */
		if (((i - home) & keys->mask) >= ((i - hole) & keys->mask)) {
			keys->slots[hole] = keys->slots[i];
			hole = i;
		}
	}
	keys->slots[hole] = (struct fl_etcd_key){0};
	keys->count--;
}

/* ---- keys with IPv6 ---- */

/* One without has one text alone: fl_lease_key_parse() takes no other. */
static bool is_dual(const char *key)
{
	return strchr(key, '&') != NULL;
}

static struct dual *find_dual(const struct fl_etcd_keys *keys, const struct fl_prefix *subnet)
{
	struct fl_hash_node *n = fl_hash_find(&keys->dual, fl_prefix_hash(subnet));

	while (n && !fl_prefix_equal(&fl_container_of(n, struct dual, node)->subnet, subnet))
		n = fl_hash_find_next(n);
	return n ? fl_container_of(n, struct dual, node) : NULL;
}

static int add_dual(struct fl_etcd_keys *keys, const char *key, const struct fl_prefix *subnet)
{
	size_t size = strlen(key) + 1;
	struct dual *d = calloc(1, sizeof(*d) + size);
	int r;

	if (!d)
		return -ENOMEM;
	d->subnet = *subnet;
	memcpy(d->key, key, size);
	r = fl_hash_add(&keys->dual, &d->node, fl_prefix_hash(subnet));
	if (r < 0)
		free(d);
	return r;
}

static void drop_dual(struct fl_etcd_keys *keys, struct dual *d)
{
	fl_hash_del(&keys->dual, &d->node);
	free(d);
}

/* ---- both ---- */

static bool stands_for(const struct fl_etcd_keys *keys, const struct fl_etcd_key *k,
		       const char *key, const struct fl_prefix *subnet)
{
	if (!k->dual || !is_dual(key))
		return k->dual == is_dual(key);
	return strcmp(find_dual(keys, subnet)->key, key) == 0;
}

static void drop(struct fl_etcd_keys *keys, struct fl_etcd_key *k)
{
	const struct fl_prefix subnet = subnet_of(k);

	if (k->dual)
		drop_dual(keys, find_dual(keys, &subnet));
	vacate(keys, k);
}

/* @p key was met: also where its value is of no use, it goes on standing for what it stood for. */
bool fl_etcd_keys_rivalled(struct fl_etcd_keys *keys, const char *key,
			   const struct fl_prefix *subnet)
{
	struct fl_etcd_key *k = find(keys, subnet);

	if (!k)
		return false;
	if (!stands_for(keys, k, key, subnet)) {
		k->rivalled = true;
		return true;
	}
	k->seen = true;
	return false;
}

int fl_etcd_keys_take(struct fl_etcd_keys *keys, const char *key, const struct fl_prefix *subnet)
{
	struct fl_etcd_key *k;

	if (find(keys, subnet))
		return 0;
	if (make_room(keys) < 0 || (is_dual(key) && add_dual(keys, key, subnet) < 0))
		return -ENOMEM;
	k = slot_of(keys, subnet);
	*k = (struct fl_etcd_key){.len = subnet->len, .seen = true, .dual = is_dual(key)};
	memcpy(k->subnet, subnet->addr.bytes, sizeof(k->subnet));
	keys->count++;
	return 0;
}

bool fl_etcd_keys_drop(struct fl_etcd_keys *keys, const char *key, const struct fl_prefix *subnet,
		       bool *rivalled)
{
	struct fl_etcd_key *k = find(keys, subnet);

	if (k && !stands_for(keys, k, key, subnet))
		return false;
	*rivalled = k && k->rivalled;
	if (k)
		drop(keys, k);
	return true;
}

void fl_etcd_keys_begin(struct fl_etcd_keys *keys)
{
	for (uint32_t i = 0; keys->slots && i <= keys->mask; i++)
		keys->slots[i].seen = false;
}

bool fl_etcd_keys_end(struct fl_etcd_keys *keys)
{
	bool rivalled = false;
	uint32_t i = 0;

	while (keys->slots && i <= keys->mask) {
		struct fl_etcd_key *k = &keys->slots[i];

		if (k->len == 0 || k->seen) {
			i++;
			continue;
		}
		rivalled = rivalled || k->rivalled;
		drop(keys, k); /* another one may be there now */
	}
	return rivalled;
}

void fl_etcd_keys_done(struct fl_etcd_keys *keys)
{
	struct fl_hash_iter it;

	fl_hash_each (n, &it, &keys->dual)
		drop_dual(keys, fl_container_of(n, struct dual, node));
	fl_hash_done(&keys->dual);
	free(keys->slots);
	*keys = (struct fl_etcd_keys){0};
}
