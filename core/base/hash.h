/* core/base/hash.h - hash table of embedded nodes: no allocation per entry, grows by itself. */
#ifndef FL_BASE_HASH_H
#define FL_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "defs.h"

/** Embed one in each object; fl_container_of() gets back to the object. */
struct fl_hash_node {
	struct fl_hash_node *next;
	uint32_t hash;
	uint32_t tag; /* the owner's, for anything: it would be padding */
};

/** All zero is an empty table. The table owns its buckets, never the objects. */
struct fl_hash {
	struct fl_hash_node **buckets;
	uint32_t mask;	/* buckets - 1 (a power of two), or 0 before the first insertion */
	uint32_t count; /* objects in the table */
};

/** Hash of bytes, seeded at random once per process so that nobody can aim at one bucket. */
uint32_t fl_hash_bytes(const void *bytes, size_t len);

/** Get the first buckets now: no fl_hash_add() will fail. @return 0, -ENOMEM */
int fl_hash_prepare(struct fl_hash *t);
/** Insert; the caller has made sure that no equal object is in it. @return 0, -ENOMEM (table
 * unchanged) */
int fl_hash_add(struct fl_hash *t, struct fl_hash_node *n, uint32_t hash);
/** Take out an object that is in the table. */
void fl_hash_del(struct fl_hash *t, struct fl_hash_node *n);
/** First node with @p hash, NULL if none; fl_hash_find_next() for the next. Compare the objects
 * yourself. */
struct fl_hash_node *fl_hash_find(const struct fl_hash *t, uint32_t hash);
struct fl_hash_node *fl_hash_find_next(const struct fl_hash_node *n);
/** Free the buckets. The objects are the caller's: free them before. */
void fl_hash_done(struct fl_hash *t);

/** Walk over all nodes; the current one may be deleted and freed, nothing may be added meanwhile.
 */
struct fl_hash_iter {
	uint32_t bucket;
	struct fl_hash_node *next;
};
struct fl_hash_node *fl_hash_first(const struct fl_hash *t, struct fl_hash_iter *it);
struct fl_hash_node *fl_hash_step(const struct fl_hash *t, struct fl_hash_iter *it);

#define fl_hash_each(n, it, t)                                                                     \
	for (struct fl_hash_node *n = fl_hash_first(t, it); n; n = fl_hash_step(t, it))

#endif
