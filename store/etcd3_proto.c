/* store/etcd3_proto.c - push parser for a listing in protocol buffers. */
#include "store/etcd3_proto.h"

#include <errno.h>
#include <string.h>

#define VARINT_BITS 63u /* where the last byte of ten begins */

/* The types of values that there are (protobuf.dev, "Encoding"). */
enum wire { NUMBER = 0, FIXED_8_BYTES = 1, BYTES = 2, FIXED_4_BYTES = 5 };

/* etcd's fields: of a RangeRequest, */
enum { REQUEST_KEY = 1, REQUEST_END = 2 };
/* of a RangeResponse, and of what is in it. */
enum { HEADER = 1, KVS = 2 };
enum { CLUSTER_ID = 1, REVISION = 3 };
enum { KEY = 1, MOD_REVISION = 3, VALUE = 5, LEASE = 6 };

enum state {
	IN_PREFIX, /* of the message */
	IN_TAG,
	IN_NUMBER,
	IN_LENGTH,
	IN_BYTES,
	OVER,
};

/* ---- requests ---- */

static void put_varint(struct fl_buf *to, uint64_t n)
{
	do {
		const uint8_t byte = (uint8_t)((n & 0x7fu) | (n > 0x7fu ? 0x80u : 0));

		fl_buf_append(to, &byte, 1);
		n >>= 7;
	} while (n > 0);
}

static size_t varint_size(uint64_t n)
{
	return n > 0x7fu ? 1 + varint_size(n >> 7) : 1;
}

static void put_text(struct fl_buf *to, uint32_t field, const char *text)
{
	put_varint(to, (uint64_t)field << 3 | BYTES);
	put_varint(to, strlen(text));
	fl_buf_puts(to, text);
}

void fl_etcd3_proto_put_range(struct fl_buf *to, const char *key, const char *end)
{
	const size_t a = strlen(key), b = strlen(end);
	const uint32_t len = (uint32_t)(2 + varint_size(a) + a + varint_size(b) + b);
	const uint8_t prefix[FL_ETCD3_PROTO_PREFIX] = {
		0, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};

	fl_buf_append(to, prefix, sizeof(prefix));
	put_text(to, REQUEST_KEY, key);
	put_text(to, REQUEST_END, end);
}

/* ---- keys ---- */

static void fail(struct fl_etcd3_proto *p, int error, const char *why)
{
	if (p->error != 0)
		return;
	p->error = error;
	p->why = why;
}

static void kv_over(struct fl_etcd3_proto *p)
{
	struct fl_etcd3_kv *kv = &p->kv;

	for (size_t i = 0; i < kv->key.len; i++)
		if (kv->key.data[i] == '\0')
			kv->key.data[i] = '?';
	if (kv->key.error != 0 || kv->value.error != 0) {
		fail(p, -ENOMEM, "out of memory");
	} else if (kv->mod_revision == 0) {
		fail(p, -EBADMSG, "a key without mod_revision");
	} else {
		p->kvs++;
		p->on_kv(p, kv);
	}
}

static void store(struct fl_etcd3_proto *p, uint64_t n)
{
	if (p->inner == HEADER && p->field == CLUSTER_ID)
		p->cluster = n;
	else if (p->inner == HEADER && p->field == REVISION)
		p->revision = n;
	else if (p->inner == KVS && p->field == MOD_REVISION)
		p->kv.mod_revision = n;
	else if (p->inner == KVS && p->field == LEASE)
		p->kv.lease = (int64_t)n;
}

/* Bytes of a key or value: of a key that is too long, the beginning; of such a value, nothing. */
static void keep(struct fl_etcd3_proto *p, const char *bytes, size_t len)
{
	struct fl_etcd3_kv *kv = &p->kv;

	if (p->inner == KVS && p->field == KEY && kv->key.len < FL_ETCD3_KEY_MAX) {
		const size_t room = FL_ETCD3_KEY_MAX - kv->key.len;

		fl_buf_append(&kv->key, bytes, len < room ? len : room);
	} else if (p->inner == KVS && p->field == VALUE && !kv->too_long) {
		fl_buf_append(&kv->value, bytes, len);
	}
}

/* ---- fields ---- */

static uint64_t bound(const struct fl_etcd3_proto *p)
{
	return p->inner ? p->inner_end : p->end;
}

static void field_over(struct fl_etcd3_proto *p)
{
	if (p->at > bound(p)) {
		fail(p, -EBADMSG, "a field that is longer than its message");
		return;
	}
	if (p->inner && p->at == p->inner_end) {
		if (p->inner == KVS)
			kv_over(p);
		p->inner = 0;
	}
	p->state = p->at == p->end ? OVER : IN_TAG;
}

static void begin_bytes(struct fl_etcd3_proto *p, uint64_t len)
{
	if (p->at > bound(p) || len > bound(p) - p->at) {
		fail(p, -EBADMSG, "a field that is longer than its message");
		return;
	}
	if (!p->inner && (p->field == HEADER || p->field == KVS)) {
		p->inner = p->field;
		p->inner_end = p->at + len;
		if (p->inner == KVS)
			fl_etcd3_kv_reset(&p->kv);
		field_over(p);
		return;
	}
	if (p->inner == KVS && p->field == KEY) {
		fl_buf_reset(&p->kv.key); /* of two the last one counts */
		fl_buf_puts(&p->kv.key, "");
	} else if (p->inner == KVS && p->field == VALUE) {
		fl_buf_reset(&p->kv.value);
		fl_buf_puts(&p->kv.value, "");
		p->kv.too_long = len > p->value_max;
	}
	p->left = len;
	p->state = IN_BYTES;
	if (len == 0)
		field_over(p);
}

static void begin_field(struct fl_etcd3_proto *p, uint64_t tag)
{
	p->field = tag >> 3 <= UINT32_MAX ? (uint32_t)(tag >> 3) : 0;
	switch (tag & 7u) {
	case NUMBER:
		p->state = IN_NUMBER;
		break;
	case BYTES:
		p->state = IN_LENGTH;
		break;
	case FIXED_8_BYTES:
	case FIXED_4_BYTES:
		p->field = 0; /* none that we know has one */
		begin_bytes(p, (tag & 7u) == FIXED_8_BYTES ? 8 : 4);
		break;
	default:
		fail(p, -EBADMSG, "a field of an unknown kind");
	}
}

static void on_varint(struct fl_etcd3_proto *p)
{
	const uint64_t n = p->number;

	p->number = 0;
	p->shift = 0;
	if (p->state == IN_TAG) {
		begin_field(p, n);
	} else if (p->state == IN_LENGTH) {
		begin_bytes(p, n);
	} else {
		store(p, n);
		field_over(p);
	}
}

/* ---- bytes ---- */

/* Compressed ones come only to those who ask for them. */
static void on_prefix(struct fl_etcd3_proto *p, uint8_t byte)
{
	const uint8_t *b = p->prefix;

	p->prefix[p->n_prefix++] = byte;
	if (p->n_prefix < sizeof(p->prefix))
		return;
	if (b[0] != 0) {
		fail(p, -EBADMSG, "a compressed message");
		return;
	}
	p->end = (uint64_t)b[1] << 24 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 8 | b[4];
	p->state = p->end > 0 ? IN_TAG : OVER;
}

static void on_byte(struct fl_etcd3_proto *p, uint8_t byte)
{
	p->at++;
	if (p->shift > VARINT_BITS) {
		fail(p, -EBADMSG, "a number of more than 64 bits");
		return;
	}
	p->number |= (uint64_t)(byte & 0x7fu) << p->shift;
	p->shift += 7;
	if (!(byte & 0x80u))
		on_varint(p);
}

static size_t on_bytes(struct fl_etcd3_proto *p, const char *bytes, size_t len)
{
	const size_t n = len < p->left ? len : (size_t)p->left;

	keep(p, bytes, n);
	p->at += n;
	p->left -= n;
	if (p->left == 0)
		field_over(p);
	return n;
}

int fl_etcd3_proto_feed(struct fl_etcd3_proto *p, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len && p->error == 0;) {
		if (p->state == IN_BYTES)
			i += on_bytes(p, bytes + i, len - i);
		else if (p->state == IN_PREFIX)
			on_prefix(p, (uint8_t)bytes[i++]);
		else if (p->state != OVER)
			on_byte(p, (uint8_t)bytes[i++]);
		else
			fail(p, -EBADMSG, "more than one message");
	}
	return p->error;
}

bool fl_etcd3_proto_is_over(const struct fl_etcd3_proto *p)
{
	return p->error == 0 && p->state == OVER;
}

int fl_etcd3_proto_finish(struct fl_etcd3_proto *p)
{
	if (p->state != OVER)
		fail(p, -EBADMSG, "it breaks off");
	else if (p->revision == 0)
		fail(p, -EBADMSG, "no revision in the answer");
	return p->error;
}

void fl_etcd3_proto_begin(struct fl_etcd3_proto *p, fl_etcd3_proto_cb on_kv, size_t value_max)
{
	struct fl_etcd3_kv kv = p->kv;

	fl_etcd3_kv_reset(&kv);
	*p = (struct fl_etcd3_proto){
		.on_kv = on_kv, .kv = kv, .value_max = value_max, .state = IN_PREFIX, .why = ""};
}

void fl_etcd3_proto_done(struct fl_etcd3_proto *p)
{
	fl_buf_done(&p->kv.key);
	fl_buf_done(&p->kv.value);
}
