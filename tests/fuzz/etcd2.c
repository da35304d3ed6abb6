/* tests/fuzz/etcd2.c - answers of etcd's v2 API: one that comes in pieces, wherever it is cut, is
 * understood as one that comes at once. The first two bytes say how it is cut, and how long a value
 * may be. */
#include <string.h>

#include "fuzz.h"
#include "store/etcd2_decode.h"

/* What was understood, to compare. */
struct seen {
	struct fl_etcd2_decoder decoder;
	struct fl_buf children;
	uint32_t count;
	int result;
};

static void on_child(struct fl_etcd2_decoder *d, const struct fl_etcd2_node *child)
{
	struct seen *s = fl_container_of(d, struct seen, decoder);

	FUZZ_CHECK(child->key.len > 0 && strlen(child->key.data) == child->key.len);
	FUZZ_CHECK(!child->has_value || child->value.len <= d->value_max);
	FUZZ_CHECK(child->expires || child->ttl_s == 0);
	fl_buf_append(&s->children, child->key.data, child->key.len);
	if (child->has_value && child->value.len)
		fl_buf_append(&s->children, child->value.data, child->value.len);
	fl_buf_printf(&s->children, " %d %d %d %llu %lld\n", child->dir, child->too_long,
		      child->expires, (unsigned long long)child->index, (long long)child->ttl_s);
	s->count++;
}

static int feed(void *to, const char *bytes, size_t len)
{
	return fl_etcd2_decoder_feed(to, bytes, len);
}

static void decode(struct seen *s, struct fuzz_input in, uint8_t cut, size_t value_max)
{
	memset(s, 0, sizeof(*s));
	fl_etcd2_decoder_init(&s->decoder, on_child);
	FUZZ_CHECK(fl_etcd2_decoder_reset(&s->decoder, value_max) == 0);
	fuzz_pieces(in, cut, feed, &s->decoder);
	s->result = fl_etcd2_decoder_finish(&s->decoder);
}

static void done(struct seen *s)
{
	fl_etcd2_decoder_done(&s->decoder);
	fl_buf_done(&s->children);
}

static bool same_text(const struct fl_buf *a, const struct fl_buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void check_same(const struct seen *a, const struct seen *b)
{
	const struct fl_etcd2_decoder *x = &a->decoder, *y = &b->decoder;

	FUZZ_CHECK((a->result == 0) == (b->result == 0));
	FUZZ_CHECK(a->count == b->count && same_text(&a->children, &b->children));
	if (a->result != 0)
		return;
	FUZZ_CHECK(strcmp(x->action, y->action) == 0 && strcmp(x->cause, y->cause) == 0);
	FUZZ_CHECK(x->error_code == y->error_code && x->has_node == y->has_node);
	FUZZ_CHECK(same_text(&x->node.key, &y->node.key));
	FUZZ_CHECK(same_text(&x->node.value, &y->node.value));
	FUZZ_CHECK(x->node.index == y->node.index && x->node.ttl_s == y->node.ttl_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct seen whole, cut;
	struct fuzz_input in = {bytes, len};
	uint8_t how = fuzz_byte(&in);
	size_t value_max = 1 + fuzz_byte(&in) * 16u;

	decode(&whole, in, 0, value_max);
	decode(&cut, in, how ? how : 1, value_max);
	check_same(&whole, &cut);
	done(&whole);
	done(&cut);
	return 0;
}
