/* store/etcd2_decode.c - push parser for the answers of etcd's v2 API. */
#include "store/etcd2_decode.h"

#include <errno.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/defs.h"
#include "base/parse.h"

#define KEY_MAX 1024u /* bytes: a longer key is no lease's, whatever is behind */

/* Where in the document the parser is. */
enum place {
	BEFORE,	  /* of the root object */
	ROOT,	  /* {"action", "node", "errorCode", ...} */
	NODE,	  /* the root's "node" */
	CHILDREN, /* its "nodes" */
	CHILD,	  /* one of them */
	AFTER,
};

/* The member whose value comes next. */
enum member {
	UNWANTED,
	ACTION,
	THE_NODE,
	ERROR_CODE,
	MESSAGE,
	CAUSE,
	KEY,
	VALUE,
	DIR,
	NODES,
	MODIFIED_INDEX,
	TTL,
	EXPIRATION,
};

static const struct {
	const char *name;
	enum member member;
	bool in_root; /* else in a node */
} members[] = {
	{"action", ACTION, true},
	{"node", THE_NODE, true},
	{"errorCode", ERROR_CODE, true},
	{"message", MESSAGE, true},
	{"cause", CAUSE, true},
	{"key", KEY, false},
	{"value", VALUE, false},
	{"dir", DIR, false},
	{"nodes", NODES, false},
	{"ttl", TTL, false},
	{"modifiedIndex", MODIFIED_INDEX, false},
	{"expiration", EXPIRATION, false},
};

static const char *member_name(int member)
{
	for (size_t i = 0; i < FL_ARRAY_SIZE(members); i++)
		if ((int)members[i].member == member)
			return members[i].name;
	return "a member";
}

static int wrong_type(struct fl_etcd2_decoder *d, const char *is)
{
	if (d->place == BEFORE || d->place == AFTER)
		return fl_etcd_json_fail(&d->json, -EBADMSG, "the answer is %s, not an object", is);
	if (d->place == CHILDREN)
		return fl_etcd_json_fail(&d->json, -EBADMSG, "\"nodes\" holds %s, not an object",
					 is);
	return fl_etcd_json_fail(&d->json, -EBADMSG, "\"%s\" is %s", member_name(d->member), is);
}

static struct fl_etcd2_node *node_here(struct fl_etcd2_decoder *d)
{
	return d->place == CHILD ? &d->child : &d->node;
}

static void node_reset(struct fl_etcd2_node *n)
{
	struct fl_buf key = n->key, value = n->value;

	fl_buf_reset(&key);
	fl_buf_reset(&value);
	*n = (struct fl_etcd2_node){.key = key, .value = value};
}

static void node_done(struct fl_etcd2_node *n)
{
	fl_buf_done(&n->key);
	fl_buf_done(&n->value);
}

/* Each of yajl's callbacks begins here: false while what comes is of no interest. */
static bool wanted(struct fl_etcd2_decoder *d)
{
	d->json.pending = 0;
	return d->depth == 0 && d->member != UNWANTED;
}

/* ---- values ---- */

static int put_text(struct fl_etcd2_decoder *d, struct fl_buf *to, const char *text, size_t len)
{
	fl_buf_reset(to);
	fl_buf_append(to, text, len);
	if (to->error != 0)
		return fl_etcd_json_fail(&d->json, -ENOMEM, "out of memory");
	return 1;
}

static int put_key(struct fl_etcd2_decoder *d, const char *text, size_t len)
{
	struct fl_buf *key = &node_here(d)->key;

	if (!put_text(d, key, text, len < KEY_MAX ? len : KEY_MAX))
		return 0;
	for (size_t i = 0; i < key->len; i++)
		if (key->data[i] == '\0')
			key->data[i] = '?';
	return 1;
}

static int put_value(struct fl_etcd2_decoder *d, const char *text, size_t len)
{
	struct fl_etcd2_node *n = node_here(d);

	n->has_value = true;
	n->too_long = len > d->value_max;
	return put_text(d, &n->value, text, n->too_long ? d->value_max : len);
}

static int on_string(void *ctx, const unsigned char *bytes, size_t len)
{
	struct fl_etcd2_decoder *d = ctx;
	const char *text = (const char *)bytes;

	if (d->place == BEFORE || (d->place == CHILDREN && d->depth == 0))
		return wrong_type(d, "a string");
	if (!wanted(d))
		return 1;
	switch (d->member) {
	case ACTION:
		return fl_etcd_json_words(d->action, sizeof(d->action), text, len);
	case MESSAGE:
		return fl_etcd_json_words(d->message, sizeof(d->message), text, len);
	case CAUSE:
		return fl_etcd_json_words(d->cause, sizeof(d->cause), text, len);
	case KEY:
		return put_key(d, text, len);
	case VALUE:
		return put_value(d, text, len);
	case EXPIRATION:
		node_here(d)->expires = true;
		return 1;
	default:
		return wrong_type(d, "a string");
	}
}

static int put_number(struct fl_etcd2_decoder *d, uint64_t n, bool negative)
{
	switch (d->member) {
	case ERROR_CODE:
		if (n > INT32_MAX || n == 0 || negative)
			return wrong_type(d, "out of range");
		d->error_code = (int)n;
		return 1;
	case MODIFIED_INDEX:
		node_here(d)->index = n;
		return negative ? wrong_type(d, "negative") : 1;
	case TTL:
		/* A key that should be gone already has a TTL below 0 until etcd gets to it. */
		node_here(d)->ttl_s = negative ? 0 : (int64_t)(n < INT32_MAX ? n : INT32_MAX);
		node_here(d)->expires = true;
		return 1;
	default:
		return wrong_type(d, "a number");
	}
}

static int on_number(void *ctx, const char *bytes, size_t len)
{
	struct fl_etcd2_decoder *d = ctx;
	char digits[24];
	bool negative;
	uint64_t n;

	if (d->place == BEFORE || (d->place == CHILDREN && d->depth == 0))
		return wrong_type(d, "a number");
	if (!wanted(d))
		return 1;
	negative = len > 0 && bytes[0] == '-';
	if (len >= sizeof(digits))
		return wrong_type(d, "out of range");
	memcpy(digits, bytes + negative, len - negative);
	digits[len - negative] = '\0';
	if (fl_parse_u64(digits, 0, INT64_MAX, &n) < 0)
		return wrong_type(d, "no integer");
	return put_number(d, n, negative);
}

static int on_bool(void *ctx, int value)
{
	struct fl_etcd2_decoder *d = ctx;

	if (d->place == BEFORE || (d->place == CHILDREN && d->depth == 0))
		return wrong_type(d, "a boolean");
	if (!wanted(d))
		return 1;
	if (d->member != DIR)
		return wrong_type(d, "a boolean");
	node_here(d)->dir = value != 0;
	return 1;
}

/* Go writes a null for a list without elements, and reads one as "not given". */
static int on_null(void *ctx)
{
	struct fl_etcd2_decoder *d = ctx;

	if (d->place == BEFORE || (d->place == CHILDREN && d->depth == 0))
		return wrong_type(d, "null");
	(void)wanted(d);
	return 1;
}

/* ---- structure ---- */

static int skip(struct fl_etcd2_decoder *d)
{
	d->json.pending = 0;
	if (d->depth >= FL_ETCD_JSON_DEPTH_MAX)
		return fl_etcd_json_fail(&d->json, -EBADMSG, "nested too deeply");
	d->depth++;
	return 1;
}

static int enter(struct fl_etcd2_decoder *d, enum place place)
{
	d->json.pending = 0;
	d->place = place;
	d->member = UNWANTED;
	return 1;
}

static int on_object(void *ctx)
{
	struct fl_etcd2_decoder *d = ctx;

	if (d->depth > 0)
		return skip(d);
	switch (d->place) {
	case BEFORE:
		return enter(d, ROOT);
	case ROOT:
		if (d->member == THE_NODE) {
			node_reset(&d->node);
			d->has_node = true;
			return enter(d, NODE);
		}
		break;
	case CHILDREN:
		node_reset(&d->child);
		return enter(d, CHILD);
	default:
		break;
	}
	return d->member == UNWANTED ? skip(d) : wrong_type(d, "an object");
}

static int child_over(struct fl_etcd2_decoder *d)
{
	if (d->child.key.len == 0)
		return fl_etcd_json_fail(&d->json, -EBADMSG, "a node without key");
	if (d->child_cb)
		d->child_cb(d, &d->child);
	return enter(d, CHILDREN);
}

static int on_object_end(void *ctx)
{
	struct fl_etcd2_decoder *d = ctx;

	d->json.pending = 0;
	if (d->depth > 0) {
		d->depth--;
		return 1;
	}
	if (d->place == CHILD)
		return child_over(d);
	if (d->place == NODE && d->node.key.len == 0)
		return fl_etcd_json_fail(&d->json, -EBADMSG, "a node without key");
	return enter(d, d->place == NODE ? ROOT : AFTER);
}

static int on_array(void *ctx)
{
	struct fl_etcd2_decoder *d = ctx;

	if (d->depth > 0)
		return skip(d);
	if (d->place == BEFORE || d->place == CHILDREN)
		return wrong_type(d, "an array");
	if (d->member == NODES && d->place == NODE)
		return enter(d, CHILDREN);
	if (d->member == NODES || d->member == UNWANTED)
		return skip(d); /* a folder in a folder of leases is nobody's */
	return wrong_type(d, "an array");
}

static int on_array_end(void *ctx)
{
	struct fl_etcd2_decoder *d = ctx;

	d->json.pending = 0;
	if (d->depth > 0) {
		d->depth--;
		return 1;
	}
	return enter(d, NODE);
}

static int on_member(void *ctx, const unsigned char *name, size_t len)
{
	struct fl_etcd2_decoder *d = ctx;

	d->json.pending = 0;
	if (d->depth > 0)
		return 1;
	d->member = UNWANTED;
	for (size_t i = 0; i < FL_ARRAY_SIZE(members); i++)
		if (members[i].in_root == (d->place == ROOT) && strlen(members[i].name) == len &&
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

/* ---- bytes ---- */

int fl_etcd2_decoder_feed(struct fl_etcd2_decoder *d, const char *bytes, size_t len)
{
	return fl_etcd_json_feed(&d->json, bytes, len);
}

int fl_etcd2_decoder_finish(struct fl_etcd2_decoder *d)
{
	return fl_etcd_json_finish(&d->json, d->place == AFTER);
}

/* ---- life ---- */

void fl_etcd2_decoder_init(struct fl_etcd2_decoder *d, fl_etcd2_child_cb child)
{
	*d = (struct fl_etcd2_decoder){.child_cb = child};
}

void fl_etcd2_decoder_done(struct fl_etcd2_decoder *d)
{
	fl_etcd_json_done(&d->json);
	node_done(&d->node);
	node_done(&d->child);
}

int fl_etcd2_decoder_reset(struct fl_etcd2_decoder *d, size_t value_max)
{
	struct fl_etcd2_node node = d->node, child = d->child;
	struct fl_etcd_json json = d->json;

	node_reset(&node);
	node_reset(&child);
	*d = (struct fl_etcd2_decoder){.value_max = value_max,
				       .child_cb = d->child_cb,
				       .node = node,
				       .child = child,
				       .json = json};
	return fl_etcd_json_reset(&d->json, &callbacks, d, value_max, false);
}
