/* tests/fuzz/etcd3_proto.c - listings in protocol buffers: one that comes in pieces, wherever it is
 * cut, is understood as one that comes at once. The first two bytes say how it is cut, and how long
 * a value may be. */
#include <string.h>

#include "fuzz.h"
#include "store/etcd3_proto.h"

/* What was understood, to compare. */
struct seen {
	struct fl_etcd3_proto proto;
	struct fl_buf told;
	int result;
};

static void on_kv(struct fl_etcd3_proto *p, const struct fl_etcd3_kv *kv)
{
	struct seen *s = fl_container_of(p, struct seen, proto);

	FUZZ_CHECK(kv->mod_revision > 0);
	FUZZ_CHECK(strlen(kv->key.data) == kv->key.len && kv->key.len <= FL_ETCD3_KEY_MAX);
	FUZZ_CHECK(kv->value.len <= p->value_max);
	FUZZ_CHECK(!kv->too_long || kv->value.len == 0);
	fl_buf_append(&s->told, kv->key.data, kv->key.len);
	fl_buf_append(&s->told, kv->value.data, kv->value.len);
	fl_buf_printf(&s->told, " %d %llu %lld\n", kv->too_long,
		      (unsigned long long)kv->mod_revision, (long long)kv->lease);
}

static int feed(void *to, const char *bytes, size_t len)
{
	return fl_etcd3_proto_feed(to, bytes, len);
}

static void decode(struct seen *s, struct fuzz_input in, uint8_t cut, size_t value_max)
{
	memset(s, 0, sizeof(*s));
	fl_etcd3_proto_begin(&s->proto, on_kv, value_max);
	fuzz_pieces(in, cut, feed, &s->proto);
	s->result = fl_etcd3_proto_finish(&s->proto);
	FUZZ_CHECK((s->result == 0) == (*s->proto.why == '\0'));
	fl_buf_printf(&s->told, "%llu %llu %u\n", (unsigned long long)s->proto.cluster,
		      (unsigned long long)s->proto.revision, s->proto.kvs);
}

static void done(struct seen *s)
{
	fl_etcd3_proto_done(&s->proto);
	fl_buf_done(&s->told);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct seen whole, cut;
	struct fuzz_input in = {bytes, len};
	uint8_t how = fuzz_byte(&in);
	size_t value_max = 1 + fuzz_byte(&in) * 16u;

	decode(&whole, in, 0, value_max);
	decode(&cut, in, how ? how : 1, value_max);
	FUZZ_CHECK(whole.result == cut.result);
	FUZZ_CHECK(whole.told.len == cut.told.len);
	FUZZ_CHECK(memcmp(whole.told.data, cut.told.data, whole.told.len) == 0);
	done(&whole);
	done(&cut);
	return 0;
}
