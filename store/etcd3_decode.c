/* store/etcd3_decode.c - push parser for the answers of etcd's JSON gateway. */
#include "store/etcd3_decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/parse.h"

/* Where in the document the parser is. */
enum place {
	TOP,  /* between documents */
	ROOT, /* a message; "result" of a stream is one, too */
	HEADER,
	KVS,
	KV,
	EVENTS,
	EVENT,
	RESPONSES,
	RESPONSE,
	LEASE_KEYS,
	ERROR,
};

enum member {
	UNWANTED,
	RESULT,
	THE_HEADER,
	CLUSTER,
	REVISION,
	SUCCEEDED,
	CREATED,
	CANCELED,
	COMPACT_REVISION,
	CANCEL_REASON,
	LEASE_ID,
	TTL,
	THE_LEASE_KEYS,
	THE_KVS,
	THE_EVENTS,
	THE_RESPONSES,
	RESPONSE_RANGE,
	TOKEN,
	VERSION,
	THE_ERROR,
	CODE,
	WORDS,
	TYPE,
	THE_KV,
	KEY,
	VALUE,
	MOD_REVISION,
	LEASE,
};

enum kind { SCALAR, OBJECT, ARRAY, EITHER };

/* What may be where. Objects and arrays lead to another place. */
static const struct {
	enum place in;
	const char *name;
	enum member member;
	enum kind kind;
	enum place to;
} members[] = {
	{ROOT, "result", RESULT, OBJECT, ROOT},
	{ROOT, "header", THE_HEADER, OBJECT, HEADER},
	{HEADER, "cluster_id", CLUSTER, SCALAR, TOP},
	{HEADER, "revision", REVISION, SCALAR, TOP},
	{ROOT, "kvs", THE_KVS, ARRAY, KVS},
	{ROOT, "succeeded", SUCCEEDED, SCALAR, TOP},
	{ROOT, "responses", THE_RESPONSES, ARRAY, RESPONSES},
	{RESPONSE, "response_range", RESPONSE_RANGE, OBJECT, RESPONSE},
	{RESPONSE, "kvs", THE_KVS, ARRAY, KVS},
	{ROOT, "created", CREATED, SCALAR, TOP},
	{ROOT, "canceled", CANCELED, SCALAR, TOP},
	{ROOT, "compact_revision", COMPACT_REVISION, SCALAR, TOP},
	{ROOT, "cancel_reason", CANCEL_REASON, SCALAR, TOP},
	{ROOT, "events", THE_EVENTS, ARRAY, EVENTS},
	{ROOT, "ID", LEASE_ID, SCALAR, TOP},
	{ROOT, "TTL", TTL, SCALAR, TOP},
	{ROOT, "keys", THE_LEASE_KEYS, ARRAY, LEASE_KEYS},
	{ROOT, "token", TOKEN, SCALAR, TOP},
	{ROOT, "etcdserver", VERSION, SCALAR, TOP},
	/* a text beside "message" in an answer, an object of its own in a stream */
	{ROOT, "error", THE_ERROR, EITHER, ERROR},
	{ROOT, "code", CODE, SCALAR, TOP},
	{ROOT, "message", WORDS, SCALAR, TOP},
	{ERROR, "code", CODE, SCALAR, TOP},
	{ERROR, "grpc_code", CODE, SCALAR, TOP},
	{ERROR, "message", WORDS, SCALAR, TOP},
	{EVENT, "type", TYPE, SCALAR, TOP},
	{EVENT, "kv", THE_KV, OBJECT, KV},
	{KV, "key", KEY, SCALAR, TOP},
	{KV, "value", VALUE, SCALAR, TOP},
	{KV, "mod_revision", MOD_REVISION, SCALAR, TOP},
	{KV, "lease", LEASE, SCALAR, TOP},
};

static enum place place(const struct fl_etcd3_decoder *d)
{
	return (enum place)d->places[d->level];
}

/* Arrays of objects, and of what. */
static enum place element_of(enum place array)
{
	switch (array) {
	case KVS:
		return KV;
	case EVENTS:
		return EVENT;
	case RESPONSES:
		return RESPONSE;
	default:
		return TOP;
	}
}

static int wrong_type(struct fl_etcd3_decoder *d, const char *is)
{
	const char *name = "a list";

	for (size_t i = 0; i < FL_ARRAY_SIZE(members); i++)
		if ((int)members[i].member == d->member)
			name = members[i].name;
	if (place(d) == TOP)
		return fl_etcd_json_fail(&d->json, -EBADMSG, "the answer is %s, not an object", is);
	return fl_etcd_json_fail(&d->json, -EBADMSG, "\"%s\" is, or holds, %s", name, is);
}

/* Each of yajl's callbacks begins here: false while what comes is of no interest. */
static bool wanted(struct fl_etcd3_decoder *d)
{
	d->json.pending = 0;
	return d->depth == 0 && d->member != UNWANTED;
}

/* A scalar where only objects may be. */
static bool misplaced(const struct fl_etcd3_decoder *d)
{
	return d->depth == 0 && (place(d) == TOP || element_of(place(d)) != TOP);
}

void fl_etcd3_kv_reset(struct fl_etcd3_kv *kv)
{
	struct fl_buf key = kv->key, value = kv->value;

	fl_buf_reset(&key);
	fl_buf_reset(&value);
	fl_buf_puts(&key, "");
	fl_buf_puts(&value, "");
	*kv = (struct fl_etcd3_kv){.key = key, .value = value};
}

/* ---- values ---- */

static int put_key(struct fl_etcd3_decoder *d, const char *text, size_t len)
{
	struct fl_buf *key = &d->kv.key;
	const size_t most = FL_BASE64_LEN(FL_ETCD3_KEY_MAX);

	fl_buf_reset(key);
	if (fl_base64_decode(key, text, len < most ? len : most) == -ENOMEM)
		return fl_etcd_json_fail(&d->json, -ENOMEM, "out of memory");
	for (size_t i = 0; i < key->len; i++)
		if (key->data[i] == '\0')
			key->data[i] = '?';
	fl_buf_puts(key, "");
	return 1;
}

static int put_value(struct fl_etcd3_decoder *d, const char *text, size_t len)
{
	struct fl_etcd3_kv *kv = &d->kv;
	int r;

	fl_buf_reset(&kv->value);
	fl_buf_puts(&kv->value, "");
	kv->too_long = len > FL_BASE64_LEN(d->value_max);
	if (kv->too_long)
		return 1;
	r = fl_base64_decode(&kv->value, text, len);
	if (r == -ENOMEM)
		return fl_etcd_json_fail(&d->json, -ENOMEM, "out of memory");
	kv->no_base64 = r < 0;
	kv->too_long = kv->value.len > d->value_max;
	if (kv->too_long)
		fl_buf_reset(&kv->value);
	return 1;
}

static void put_token(struct fl_etcd3_message *m, const char *text, size_t len)
{
	m->token[0] = '\0';
	if (len < sizeof(m->token))
		(void)fl_etcd_json_words(m->token, sizeof(m->token), text, len);
}

static void put_code(struct fl_etcd3_message *m, uint64_t n)
{
	m->code = n <= INT32_MAX ? (int)n : INT32_MAX;
	m->is_error = m->is_error || n > 0;
}

/* int64 and uint64 are strings, int32 are numbers; a lease's id and a TTL may be below zero. */
static int put_number(struct fl_etcd3_decoder *d, const char *text, size_t len)
{
	struct fl_etcd3_message *m = &d->message;
	const bool negative = len > 0 && text[0] == '-';
	char digits[24];
	uint64_t n;

	if (len == 0 || len >= sizeof(digits))
		return wrong_type(d, "out of range");
	memcpy(digits, text + negative, len - negative);
	digits[len - negative] = '\0';
	if (fl_parse_u64(digits, 0, d->member == CLUSTER ? UINT64_MAX : INT64_MAX, &n) < 0)
		return wrong_type(d, "no integer, or out of range");
	if (negative && d->member != LEASE_ID && d->member != LEASE && d->member != TTL)
		return wrong_type(d, "negative");
	if (d->member == CLUSTER)
		m->cluster = n;
	else if (d->member == REVISION)
		m->revision = n;
	else if (d->member == COMPACT_REVISION)
		m->compact_revision = n;
	else if (d->member == MOD_REVISION)
		d->kv.mod_revision = n;
	else if (d->member == LEASE)
		d->kv.lease = negative ? -(int64_t)n : (int64_t)n;
	else if (d->member == LEASE_ID)
		m->lease = negative ? -(int64_t)n : (int64_t)n;
	else if (d->member == TTL)
		m->ttl_s = negative ? -(int64_t)n : (int64_t)n;
	else if (d->member == CODE)
		put_code(m, n);
	else
		return wrong_type(d, "a number");
	return 1;
}

static int on_string(void *ctx, const unsigned char *bytes, size_t len)
{
	struct fl_etcd3_decoder *d = ctx;
	struct fl_etcd3_message *m = &d->message;
	const char *text = (const char *)bytes;

	if (misplaced(d))
		return wrong_type(d, "a string");
	if (d->depth == 0 && place(d) == LEASE_KEYS)
		m->lease_keys++;
	if (!wanted(d))
		return 1;
	switch (d->member) {
	case KEY:
		return put_key(d, text, len);
	case VALUE:
		return put_value(d, text, len);
	case TYPE:
		d->kv.gone = len == 6 && memcmp(text, "DELETE", 6) == 0;
		return 1;
	case THE_ERROR:
		m->is_error = true;
		return *m->error ? 1 : fl_etcd_json_words(m->error, sizeof(m->error), text, len);
	case WORDS:
		return fl_etcd_json_words(m->error, sizeof(m->error), text, len);
	case CANCEL_REASON:
		return fl_etcd_json_words(m->cancel_reason, sizeof(m->cancel_reason), text, len);
	case VERSION:
		return fl_etcd_json_words(m->version, sizeof(m->version), text, len);
	case TOKEN:
		put_token(m, text, len);
		return 1;
	default:
		return put_number(d, text, len);
	}
}

static int on_number(void *ctx, const char *bytes, size_t len)
{
	struct fl_etcd3_decoder *d = ctx;

	if (misplaced(d))
		return wrong_type(d, "a number");
	if (!wanted(d))
		return 1;
	/* "type" as a number: PUT is 0, DELETE is 1 */
	if (d->member == TYPE)
		d->kv.gone = len == 1 && bytes[0] == '1';
	return d->member == TYPE ? 1 : put_number(d, bytes, len);
}

static int on_bool(void *ctx, int value)
{
	struct fl_etcd3_decoder *d = ctx;
	struct fl_etcd3_message *m = &d->message;

	if (misplaced(d))
		return wrong_type(d, "a boolean");
	if (!wanted(d))
		return 1;
	if (d->member == SUCCEEDED)
		m->succeeded = value != 0;
	else if (d->member == CREATED)
		m->created = value != 0;
	else if (d->member == CANCELED)
		m->canceled = value != 0;
	else
		return wrong_type(d, "a boolean");
	return 1;
}

static int on_null(void *ctx)
{
	struct fl_etcd3_decoder *d = ctx;

	if (misplaced(d))
		return wrong_type(d, "null");
	(void)wanted(d);
	return 1;
}

/* ---- structure ---- */

static int skip(struct fl_etcd3_decoder *d)
{
	if (d->depth >= FL_ETCD_JSON_DEPTH_MAX)
		return fl_etcd_json_fail(&d->json, -EBADMSG, "nested too deeply");
	d->depth++;
	return 1;
}

static int enter(struct fl_etcd3_decoder *d, enum place to)
{
	if (d->level + 1 >= FL_ETCD3_PLACES)
		return fl_etcd_json_fail(&d->json, -EBADMSG, "nested too deeply");
	d->places[++d->level] = to;
	d->member = UNWANTED;
	/* A kv within an event was reset with it: "type" may come first. */
	if (to == EVENT || (to == KV && d->places[d->level - 1] == KVS)) {
		fl_etcd3_kv_reset(&d->kv);
		d->has_kv = false;
	}
	if (to == ERROR)
		d->message.is_error = true;
	return 1;
}

/* An object or array as the value of the member that comes next. */
static int enter_member(struct fl_etcd3_decoder *d, enum kind kind)
{
	for (size_t i = 0; i < FL_ARRAY_SIZE(members); i++) {
		if (members[i].in != place(d) || (int)members[i].member != d->member)
			continue;
		if (members[i].kind == kind || (members[i].kind == EITHER && kind == OBJECT))
			return enter(d, members[i].to);
	}
	return wrong_type(d, kind == OBJECT ? "an object" : "an array");
}

static int on_object(void *ctx)
{
	struct fl_etcd3_decoder *d = ctx;

	d->json.pending = 0;
	if (d->depth > 0)
		return skip(d);
	if (place(d) == TOP) {
		d->message = (struct fl_etcd3_message){0};
		return enter(d, ROOT);
	}
	if (element_of(place(d)) != TOP)
		return enter(d, element_of(place(d)));
	return d->member == UNWANTED ? skip(d) : enter_member(d, OBJECT);
}

static int kv_over(struct fl_etcd3_decoder *d)
{
	if (d->kv.key.error != 0 || d->kv.value.error != 0)
		return fl_etcd_json_fail(&d->json, -ENOMEM, "out of memory");
	if (d->kv.mod_revision == 0)
		return fl_etcd_json_fail(&d->json, -EBADMSG, "a key without mod_revision");
	d->message.kvs++;
	if (d->ops->kv)
		d->ops->kv(d, &d->kv);
	return 1;
}

static int on_object_end(void *ctx)
{
	struct fl_etcd3_decoder *d = ctx;
	enum place ended;

	d->json.pending = 0;
	if (d->depth > 0) {
		d->depth--;
		return 1;
	}
	ended = place(d);
	d->level--;
	d->member = UNWANTED;
	if (ended == KV && place(d) == KVS)
		return kv_over(d);
	if (ended == KV)
		d->has_kv = true;
	if (ended == EVENT && !d->has_kv)
		return fl_etcd_json_fail(&d->json, -EBADMSG, "an event without key");
	if (ended == EVENT)
		return kv_over(d);
	if (place(d) == TOP) {
		d->messages++;
		if (d->ops->message)
			d->ops->message(d, &d->message);
	}
	return d->json.error == 0; /* the callback may have had enough */
}

static int on_array(void *ctx)
{
	struct fl_etcd3_decoder *d = ctx;

	d->json.pending = 0;
	if (d->depth > 0)
		return skip(d);
	if (misplaced(d))
		return wrong_type(d, "an array");
	return d->member == UNWANTED ? skip(d) : enter_member(d, ARRAY);
}

static int on_array_end(void *ctx)
{
	struct fl_etcd3_decoder *d = ctx;

	d->json.pending = 0;
	if (d->depth > 0) {
		d->depth--;
		return 1;
	}
	d->level--;
	d->member = UNWANTED;
	return 1;
}

static int on_member(void *ctx, const unsigned char *name, size_t len)
{
	struct fl_etcd3_decoder *d = ctx;

	d->json.pending = 0;
	if (d->depth > 0)
		return 1;
	d->member = UNWANTED;
	for (size_t i = 0; i < FL_ARRAY_SIZE(members); i++)
		if (members[i].in == place(d) && strlen(members[i].name) == len &&
		    memcmp(members[i].name, name, len) == 0)
			d->member = (int)members[i].member;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_object,
	.yajl_map_key = on_member,
	.yajl_end_map = on_object_end,
	.yajl_start_array = on_array,
	.yajl_end_array = on_array_end,
};

/* ---- bytes and life ---- */

int fl_etcd3_decoder_feed(struct fl_etcd3_decoder *d, const char *bytes, size_t len)
{
	return fl_etcd_json_feed(&d->json, bytes, len);
}

int fl_etcd3_decoder_finish(struct fl_etcd3_decoder *d)
{
	return fl_etcd_json_finish(&d->json, d->messages > 0 && d->level == 0);
}

void fl_etcd3_decoder_init(struct fl_etcd3_decoder *d, const struct fl_etcd3_callbacks *ops)
{
	*d = (struct fl_etcd3_decoder){.ops = ops};
}

void fl_etcd3_decoder_done(struct fl_etcd3_decoder *d)
{
	fl_etcd_json_done(&d->json);
	fl_buf_done(&d->kv.key);
	fl_buf_done(&d->kv.value);
}

int fl_etcd3_decoder_reset(struct fl_etcd3_decoder *d, size_t value_max)
{
	fl_etcd3_kv_reset(&d->kv);
	d->message = (struct fl_etcd3_message){0};
	d->messages = 0;
	d->value_max = value_max;
	d->level = 0;
	d->places[0] = TOP;
	d->member = UNWANTED;
	d->depth = 0;
	d->has_kv = false;
	return fl_etcd_json_reset(
		&d->json, &callbacks, d,
		FL_BASE64_LEN(value_max > FL_ETCD3_KEY_MAX ? value_max : FL_ETCD3_KEY_MAX), true);
}
