/* backends/udp/table.c - the forwarding table: open addressing, one probe sequence per length of
 * subnets. */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct slot {
	uint32_t key;	   /* subnet, or public address */
	uint32_t len;	   /* bits of the subnet; 0: a public address */
	struct peer *peer; /* NULL: free */
};

struct table {
	uint32_t mask;	   /* slots - 1 */
	struct peer *gone; /* freed with the table */
	uint32_t n_lengths;
	uint32_t masks[33]; /* of the subnets that there are, longest first */
	uint32_t lengths[33];
	struct slot slots[];
};

/* Who picks subnets for leases cannot do harm with long chains: there are no more than leases. But
 * subnets differ in few bits, so mix well (finalizer of MurmurHash3, public domain). */
static uint32_t mix(uint32_t key, uint32_t len)
{
	uint32_t h = key ^ (len * 0x9e3779b9u);

	h = (h ^ (h >> 16)) * 0x85ebca6bu;
	h = (h ^ (h >> 13)) * 0xc2b2ae35u;
	return h ^ (h >> 16);
}

static const struct slot *find(const struct table *t, uint32_t key, uint32_t len)
{
	uint32_t i = mix(key, len) & t->mask;

	while (t->slots[i].peer && (t->slots[i].key != key || t->slots[i].len != len))
		i = (i + 1) & t->mask;
	return &t->slots[i];
}

/* Of two with one key the first stays. */
static void put(struct table *t, uint32_t key, uint32_t len, struct peer *peer)
{
	struct slot *s = &t->slots[find(t, key, len) - t->slots];

	if (!s->peer)
		*s = (struct slot){.key = key, .len = len, .peer = peer};
}

static uint32_t length_of(uint32_t mask)
{
	return (uint32_t)__builtin_popcount(mask);
}

static void note_lengths(struct table *t, struct peer *const *peers, uint32_t count)
{
	bool seen[33] = {false};

	for (uint32_t i = 0; i < count; i++)
		seen[length_of(peers[i]->mask)] = true;
	for (uint32_t len = 32; len > 0; len--)
		if (seen[len]) {
			t->masks[t->n_lengths] = ~0u << (32 - len);
			t->lengths[t->n_lengths++] = len;
		}
}

int table_create(struct peer *const *peers, uint32_t count, struct table **ret)
{
	uint32_t slots = 16;
	struct table *t;

	while (slots < 4u * count) /* two keys for each, at most half full */
		slots *= 2;
	t = calloc(1, sizeof(*t) + slots * sizeof(struct slot));
	if (!t)
		return -ENOMEM;
	t->mask = slots - 1;
	note_lengths(t, peers, count);
	for (uint32_t i = 0; i < count; i++) {
		put(t, peers[i]->subnet, length_of(peers[i]->mask), peers[i]);
		put(t, peers[i]->addr.sin_addr.s_addr, 0, peers[i]);
	}
	*ret = t;
	return 0;
}

void table_doom(struct table *t, struct peer *gone)
{
	t->gone = gone;
}

void table_destroy(struct table *t)
{
	struct peer *peer;

	if (!t)
		return;
	while ((peer = t->gone)) {
		t->gone = peer->next;
		free(peer);
	}
	free(t);
}

bool table_is_flat(const struct table *t)
{
	return t->n_lengths <= 1;
}

struct peer *table_find(const struct table *t, uint32_t addr)
{
	for (uint32_t i = 0; i < t->n_lengths; i++) {
		const struct slot *s = find(t, addr & t->masks[i], t->lengths[i]);

		if (s->peer)
			return s->peer;
	}
	return NULL;
}

bool table_knows(const struct table *t, uint32_t addr_be)
{
	return find(t, addr_be, 0)->peer != NULL;
}
