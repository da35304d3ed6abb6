/* core/base/prefix_set.h - a set of prefixes, O(1) each. */
#ifndef FL_BASE_PREFIX_SET_H
#define FL_BASE_PREFIX_SET_H

#include "addr.h"
#include "hash.h"

/** All zero is an empty set. */
struct fl_prefix_set {
	struct fl_hash table;
};

/** Hash for a table of objects by prefix; masked prefixes of any family. */
uint32_t fl_prefix_hash(const struct fl_prefix *p);

bool fl_prefix_set_has(const struct fl_prefix_set *s, const struct fl_prefix *p);
/** No-op if it is in. @return 0, -ENOMEM (set unchanged) */
int fl_prefix_set_add(struct fl_prefix_set *s, const struct fl_prefix *p);
/** @return true if it was in */
bool fl_prefix_set_del(struct fl_prefix_set *s, const struct fl_prefix *p);
uint32_t fl_prefix_set_count(const struct fl_prefix_set *s);
/** Empty it, and free its memory. */
void fl_prefix_set_done(struct fl_prefix_set *s);

#endif
