/* backends/udp/table.c - the forwarding table: entries in one piece, found by two indexes of open
 * addressing. A table of 50,000 peers is made anew within a change's few milliseconds, so what is
 * touched at random is kept small: four bytes a slot, and no peer. */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct table {
	uint32_t seed;	   /* who writes leases must not know which of them share a chain */
	uint32_t mask;	   /* slots of an index - 1 */
	struct peer *gone; /* freed with the table */
	uint32_t *subnets; /* index: number of an entry + 1; 0: free */
	uint32_t *addrs;   /* likewise, by public address */
	uint32_t n_masks;
	uint32_t masks[33]; /* of the subnets that there are, longest first */
	struct table_entry entries[];
};

/* Subnets differ in few bits, so mix well (finalizer of MurmurHash3, public domain). */
static uint32_t mix(uint32_t key, uint32_t seed)
{
	uint32_t h = key ^ seed;

	h = (h ^ (h >> 16)) * 0x85ebca6bu;
	h = (h ^ (h >> 13)) * 0xc2b2ae35u;
	return h ^ (h >> 16);
}

static uint32_t *find_subnet(const struct table *t, uint32_t subnet, uint32_t mask)
{
	uint32_t i = mix(subnet, t->seed ^ mask) & t->mask;
	const struct table_entry *e;

	for (; t->subnets[i]; i = (i + 1) & t->mask) {
		e = &t->entries[t->subnets[i] - 1];
		if (e->subnet == subnet && e->mask == mask)
			break;
	}
	return &t->subnets[i];
}

static uint32_t *find_addr(const struct table *t, uint32_t addr_be)
{
	uint32_t i = mix(addr_be, t->seed) & t->mask;

	while (t->addrs[i] && t->entries[t->addrs[i] - 1].addr_be != addr_be)
		i = (i + 1) & t->mask;
	return &t->addrs[i];
}

static void note_masks(struct table *t, uint32_t count)
{
	bool seen[33] = {false};

	for (uint32_t i = 0; i < count; i++)
		seen[__builtin_popcount(t->entries[i].mask)] = true;
	for (uint32_t len = 32; len > 0; len--)
		if (seen[len])
			t->masks[t->n_masks++] = ~0u << (32 - len);
}

static struct table *alloc(uint32_t count, uint32_t slots)
{
	size_t entries = count * sizeof(struct table_entry);
	struct table *t = calloc(1, sizeof(*t) + entries + 2 * slots * sizeof(uint32_t));

	if (!t)
		return NULL;
	t->mask = slots - 1;
	t->subnets = (uint32_t *)&t->entries[count];
	t->addrs = t->subnets + slots;
	/* Before the kernel has random numbers, any will do. */
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) != (ssize_t)sizeof(t->seed))
		t->seed = (uint32_t)(uintptr_t)t;
	return t;
}

int table_create(const struct table_entry *entries, uint32_t count, struct table **ret)
{
	uint32_t slots = 16;
	struct table *t;

	while (slots < 2u * count)
		slots *= 2;
	t = alloc(count, slots);
	if (!t)
		return -ENOMEM;
	if (count)
		memcpy(t->entries, entries, count * sizeof(*entries));
	note_masks(t, count);
	for (uint32_t i = 0; i < count; i++) {
		*find_subnet(t, entries[i].subnet, entries[i].mask) = i + 1;
		*find_addr(t, entries[i].addr_be) = i + 1;
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
	return t->n_masks <= 1;
}

struct peer *table_find(const struct table *t, uint32_t addr)
{
	for (uint32_t i = 0; i < t->n_masks; i++) {
		uint32_t number = *find_subnet(t, addr & t->masks[i], t->masks[i]);

		if (number)
			return t->entries[number - 1].peer;
	}
	return NULL;
}

bool table_knows(const struct table *t, uint32_t addr_be)
{
	return *find_addr(t, addr_be) != 0;
}
