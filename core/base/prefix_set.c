/* core/base/prefix_set.c - a set of prefixes, O(1) each. */
#include "prefix_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct member {
	struct fl_hash_node node;
	struct fl_prefix prefix;
};

uint32_t fl_prefix_hash(const struct fl_prefix *p)
{
	unsigned char key[1 + sizeof(p->addr.bytes)] = {p->len};
	size_t size = fl_addr_size(&p->addr);

	memcpy(key + 1, p->addr.bytes, size);
	return fl_hash_bytes(key, 1 + size);
}

static struct member *find(const struct fl_prefix_set *s, const struct fl_prefix *p)
{
	struct fl_hash_node *n = fl_hash_find(&s->table, fl_prefix_hash(p));

	for (; n; n = fl_hash_find_next(n)) {
		struct member *m = fl_container_of(n, struct member, node);

		if (fl_prefix_equal(&m->prefix, p))
			return m;
	}
	return NULL;
}

static void drop(struct fl_prefix_set *s, struct member *m)
{
	fl_hash_del(&s->table, &m->node);
	free(m);
}

bool fl_prefix_set_has(const struct fl_prefix_set *s, const struct fl_prefix *p)
{
	return find(s, p) != NULL;
}

int fl_prefix_set_add(struct fl_prefix_set *s, const struct fl_prefix *p)
{
	struct member *m;
	int r;

	if (find(s, p))
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->prefix = *p;
	r = fl_hash_add(&s->table, &m->node, fl_prefix_hash(p));
	if (r < 0)
		free(m);
	return r;
}

bool fl_prefix_set_del(struct fl_prefix_set *s, const struct fl_prefix *p)
{
	struct member *m = find(s, p);

	if (m)
		drop(s, m);
	return m != NULL;
}

uint32_t fl_prefix_set_count(const struct fl_prefix_set *s)
{
	return s->table.count;
}

void fl_prefix_set_done(struct fl_prefix_set *s)
{
	struct fl_hash_iter it;

	fl_hash_each (n, &it, &s->table)
		drop(s, fl_container_of(n, struct member, node));
	fl_hash_done(&s->table);
}
