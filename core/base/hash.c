/* core/base/hash.c - hash table of embedded nodes; SipHash-1-3 with a secret of this process. */
#include "hash.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

#define BUCKETS_MIN 16u
#define BUCKETS_MAX (1u << 31)

static inline uint64_t rotate(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32) + v[3];
	v[2] += v[1];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

static const uint64_t *secret(void)
{
	static uint64_t key[2];
	static bool drawn; /* tables belong to the loop's thread alone, so no lock */

	if (!drawn)
		fl_random_bytes(key, sizeof(key));
	drawn = true;
	return key;
}

uint32_t fl_hash_bytes(const void *bytes, size_t len)
{
	const uint64_t *key = secret();
	const unsigned char *p = bytes;
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
			 key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
	uint64_t word, tail = (uint64_t)len << 56;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, sizeof(word));
		sip_word(v, le64toh(word));
	}
	for (size_t i = 0; i < len; i++)
		tail |= (uint64_t)p[i] << (8 * i);
	sip_word(v, tail);

	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	word = v[0] ^ v[1] ^ v[2] ^ v[3];
	return (uint32_t)(word ^ word >> 32);
}

static void link_node(struct fl_hash *t, struct fl_hash_node *n)
{
	struct fl_hash_node **bucket = &t->buckets[n->hash & t->mask];

	n->next = *bucket;
	*bucket = n;
}

static int resize(struct fl_hash *t, uint32_t n_buckets)
{
	struct fl_hash old = *t;

	t->buckets = calloc(n_buckets, sizeof(struct fl_hash_node *));
	if (!t->buckets) {
		*t = old;
		return -ENOMEM;
	}
	t->mask = n_buckets - 1;
	for (uint32_t i = 0; old.buckets && i <= old.mask; i++)
		for (struct fl_hash_node *n = old.buckets[i], *next; n; n = next) {
			next = n->next;
			link_node(t, n);
		}
	free(old.buckets);
	return 0;
}

int fl_hash_prepare(struct fl_hash *t)
{
	return t->buckets ? 0 : resize(t, BUCKETS_MIN);
}

int fl_hash_add(struct fl_hash *t, struct fl_hash_node *n, uint32_t hash)
{
	if (fl_hash_prepare(t) < 0)
		return -ENOMEM;
	if (t->count > t->mask && t->mask + 1 < BUCKETS_MAX)
		(void)resize(t, (t->mask + 1) * 2); /* longer chains are slower, not wrong */
	n->hash = hash;
	link_node(t, n);
	t->count++;
	return 0;
}

void fl_hash_del(struct fl_hash *t, struct fl_hash_node *n)
{
	struct fl_hash_node **at = &t->buckets[n->hash & t->mask];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	n->next = NULL;
	t->count--;
}

static struct fl_hash_node *with_hash(struct fl_hash_node *n, uint32_t hash)
{
	while (n && n->hash != hash)
		n = n->next;
	return n;
}

struct fl_hash_node *fl_hash_find(const struct fl_hash *t, uint32_t hash)
{
	return t->buckets ? with_hash(t->buckets[hash & t->mask], hash) : NULL;
}

struct fl_hash_node *fl_hash_find_next(const struct fl_hash_node *n)
{
	return with_hash(n->next, n->hash);
}

void fl_hash_done(struct fl_hash *t)
{
	free(t->buckets);
	*t = (struct fl_hash){0};
}

struct fl_hash_node *fl_hash_first(const struct fl_hash *t, struct fl_hash_iter *it)
{
	*it = (struct fl_hash_iter){0};
	return fl_hash_step(t, it);
}

struct fl_hash_node *fl_hash_step(const struct fl_hash *t, struct fl_hash_iter *it)
{
	struct fl_hash_node *n = it->next;

	while (!n && t->buckets && it->bucket <= t->mask)
		n = t->buckets[it->bucket++];
	if (n)
		it->next = n->next;
	return n;
}
