/* tests/fuzz/etcd3.c - answers of etcd's JSON gateway: one that comes in pieces, wherever it is
 * cut, is understood as one that comes at once. The first two bytes say how it is cut, and how long
 * a value may be. */
#include <string.h>

#include "fuzz.h"
#include "store/etcd3_decode.h"

/* What was understood, to compare. */
struct seen {
	struct fl_etcd3_decoder decoder;
	struct fl_buf told;
	int result;
};

static void on_kv(struct fl_etcd3_decoder *d, const struct fl_etcd3_kv *kv)
{
	struct seen *s = fl_container_of(d, struct seen, decoder);

	FUZZ_CHECK(kv->mod_revision > 0);
	FUZZ_CHECK(strlen(kv->key.data) == kv->key.len);
	FUZZ_CHECK(kv->value.len <= d->value_max);
	FUZZ_CHECK(!(kv->too_long || kv->no_base64) || kv->value.len == 0);
	fl_buf_append(&s->told, kv->key.data, kv->key.len);
	fl_buf_append(&s->told, kv->value.data, kv->value.len);
	fl_buf_printf(&s->told, " %d %d %d %llu %lld\n", kv->gone, kv->too_long, kv->no_base64,
		      (unsigned long long)kv->mod_revision, (long long)kv->lease);
}

static void on_message(struct fl_etcd3_decoder *d, const struct fl_etcd3_message *m)
{
	struct seen *s = fl_container_of(d, struct seen, decoder);

	FUZZ_CHECK(strlen(m->error) < sizeof(m->error) && strlen(m->token) < sizeof(m->token));
	fl_buf_printf(&s->told, "%llu %llu %d %d %d %llu %lld %lld %u %u %d %d %s %s %s %s\n",
		      (unsigned long long)m->cluster, (unsigned long long)m->revision, m->succeeded,
		      m->created, m->canceled, (unsigned long long)m->compact_revision,
		      (long long)m->lease, (long long)m->ttl_s, m->lease_keys, m->kvs, m->is_error,
		      m->code, m->error, m->cancel_reason, m->token, m->version);
}

static const struct fl_etcd3_callbacks callbacks = {.kv = on_kv, .message = on_message};

static int feed(void *to, const char *bytes, size_t len)
{
	return fl_etcd3_decoder_feed(to, bytes, len);
}

static void decode(struct seen *s, struct fuzz_input in, uint8_t cut, size_t value_max)
{
	memset(s, 0, sizeof(*s));
	fl_etcd3_decoder_init(&s->decoder, &callbacks);
	FUZZ_CHECK(fl_etcd3_decoder_reset(&s->decoder, value_max) == 0);
	fuzz_pieces(in, cut, feed, &s->decoder);
	s->result = fl_etcd3_decoder_finish(&s->decoder);
}

static void done(struct seen *s)
{
	fl_etcd3_decoder_done(&s->decoder);
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
	FUZZ_CHECK((whole.result == 0) == (cut.result == 0));
	FUZZ_CHECK(whole.told.len == cut.told.len);
	FUZZ_CHECK(whole.told.len == 0 ||
		   memcmp(whole.told.data, cut.told.data, whole.told.len) == 0);
	done(&whole);
	done(&cut);
	return 0;
}
