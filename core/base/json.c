/* core/base/json.c - small JSON documents as a tree, built from yajl's callbacks into few
 * allocations. */
#include "json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yajl/yajl_parse.h>

#include "buf.h"
#include "parse.h"
#include "yajl_mem.h"

#define DEPTH_MAX 32u
#define TEXT_MAX  (1024u * 1024u) /* bytes */
#define CHUNK_MIN 256u		  /* bytes */
#define CHUNK_MAX 65536u

struct fl_json {
	struct fl_json *next;
	const char *key; /* NULL: an element, or the root */
	union {
		struct fl_json *first; /* array, object */
		const char *text;      /* string, number; NUL-terminated */
	};
	uint32_t len; /* bytes of text */
	uint8_t type;
	bool truth;
};

struct chunk {
	struct chunk *next;
	size_t used;
	size_t cap;
	char bytes[];
};

/** The root, first, and what all others live in. */
struct document {
	struct fl_json root;
	struct chunk *chunks; /* newest first */
	size_t chunk_size;
};

struct parser {
	struct document *doc;
	struct fl_json **tail[DEPTH_MAX + 1]; /* where each open container takes its next child */
	unsigned int depth;
	bool has_root;
	const char *key;    /* of the member whose value comes next */
	int error;	    /* why a callback stopped the parser */
	const char *reason; /* likewise, for people */
};

/* ---- memory ---- */

static void *allocate(struct document *doc, size_t size, size_t align)
{
	struct chunk *c = doc->chunks;
	size_t start = c ? (c->used + align - 1) / align * align : 0;

	if (!c || start + size > c->cap) {
		size_t cap = size > doc->chunk_size ? size : doc->chunk_size;

		c = malloc(sizeof(*c) + cap);
		if (!c)
			return NULL;
		*c = (struct chunk){.next = doc->chunks, .cap = cap};
		doc->chunks = c;
		start = 0;
	}
	c->used = start + size;
	return c->bytes + start;
}

static const char *copy_text(struct document *doc, const void *text, size_t len)
{
	char *copy = allocate(doc, len + 1, 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

static struct document *document_new(size_t text_len)
{
	struct document *doc = calloc(1, sizeof(*doc));

	if (!doc)
		return NULL;
	/* a tree takes about three times its text */
	doc->chunk_size = text_len * 3;
	if (doc->chunk_size < CHUNK_MIN)
		doc->chunk_size = CHUNK_MIN;
	if (doc->chunk_size > CHUNK_MAX)
		doc->chunk_size = CHUNK_MAX;
	return doc;
}

void fl_json_destroy(struct fl_json *root)
{
	struct document *doc;
	struct chunk *next;

	if (!root)
		return;
	doc = fl_container_of(root, struct document, root);
	for (struct chunk *c = doc->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	free(doc);
}

/* ---- yajl's callbacks: 1 goes on, 0 stops ---- */

static int stop(struct parser *p, int error, const char *reason)
{
	p->error = error;
	p->reason = reason;
	return 0;
}

static struct fl_json *add_value(struct parser *p, enum fl_json_type type)
{
	struct fl_json *v = &p->doc->root;

	if (p->has_root)
		v = allocate(p->doc, sizeof(*v), _Alignof(struct fl_json));
	if (!v) {
		stop(p, -ENOMEM, NULL);
		return NULL;
	}
	*v = (struct fl_json){.type = (uint8_t)type, .key = p->key};
	if (p->has_root) {
		*p->tail[p->depth] = v;
		p->tail[p->depth] = &v->next;
	}
	p->has_root = true;
	p->key = NULL;
	return v;
}

static bool is_utf8(const char *text, size_t len, size_t *bad)
{
	for (size_t i = 0, n; i < len; i += n) {
		n = fl_parse_utf8(text + i, len - i);
		if (!n) {
			*bad = i;
			return false;
		}
	}
	return true;
}

/** Form feed and vertical tab: space to yajl, forbidden everywhere by RFC 8259. */
static bool has_odd_space(const char *text, size_t len, size_t *bad)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\f' || text[i] == '\v') {
			*bad = i;
			return true;
		}
	return false;
}

static int add_text(struct parser *p, enum fl_json_type type, const char *text, size_t len)
{
	struct fl_json *v;
	size_t bad;

	/* the document is UTF-8, but an escape may name half of a surrogate pair */
	if (!is_utf8(text, len, &bad))
		return stop(p, -EINVAL, "an escape that is no character");
	v = add_value(p, type);
	if (!v)
		return 0;
	v->len = (uint32_t)len;
	v->text = copy_text(p->doc, text, len);
	return v->text ? 1 : stop(p, -ENOMEM, NULL);
}

static int on_null(void *ctx)
{
	return add_value(ctx, FL_JSON_NULL) != NULL;
}

static int on_bool(void *ctx, int truth)
{
	struct fl_json *v = add_value(ctx, FL_JSON_BOOL);

	if (!v)
		return 0;
	v->truth = truth != 0;
	return 1;
}

static int on_number(void *ctx, const char *text, size_t len)
{
	return add_text(ctx, FL_JSON_NUMBER, text, len);
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
	return add_text(ctx, FL_JSON_STRING, (const char *)text, len);
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
	struct parser *p = ctx;
	size_t bad;

	/* a name that ends early would pass for another one */
	if (memchr(text, 0, len) || !is_utf8((const char *)text, len, &bad))
		return stop(p, -EINVAL, "a member's name with an escape that is no character");
	p->key = copy_text(p->doc, text, len);
	return p->key ? 1 : stop(p, -ENOMEM, NULL);
}

static int open_container(struct parser *p, enum fl_json_type type)
{
	struct fl_json *v;

	if (p->depth == DEPTH_MAX)
		return stop(p, -EINVAL, "more than 32 levels deep");
	v = add_value(p, type);
	if (!v)
		return 0;
	p->tail[++p->depth] = &v->first;
	return 1;
}

static int on_map(void *ctx)
{
	return open_container(ctx, FL_JSON_OBJECT);
}

static int on_array(void *ctx)
{
	return open_container(ctx, FL_JSON_ARRAY);
}

static int on_end(void *ctx)
{
	struct parser *p = ctx;

	p->depth--;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_array,
	.yajl_end_array = on_end,
};

/* ---- parsing ---- */

/** Fill *@p why, if wanted, with the reason and where in @p text it is. @return -EINVAL, -ENOMEM */
static int refuse(char **why, const char *reason, const char *text, size_t at)
{
	size_t line = 1, column = 1, len = strcspn(reason, "\n");

	if (!why)
		return -EINVAL;
	for (size_t i = 0; i < at; i++) {
		column = text[i] == '\n' ? 1 : column + 1;
		line += text[i] == '\n';
	}
	if (asprintf(why, "%.*s at line %zu, column %zu", (int)len, reason, line, column) < 0) {
		*why = NULL;
		return -ENOMEM;
	}
	return -EINVAL;
}

/** One run of yajl, and what came of it. */
struct run {
	struct parser *parser;
	struct fl_yajl_mem mem;
	const char *text;
	size_t len;
	size_t at; /* how far it has come */
	yajl_status status;
	const char *reason; /* of yajl, if status says so */
};

static void call_yajl(void *ctx)
{
	struct run *run = ctx;
	const unsigned char *text = (const unsigned char *)run->text;
	yajl_handle h = yajl_alloc(&callbacks, &run->mem.funcs, run->parser);

	run->status = yajl_parse(h, text, run->len);
	run->at = yajl_get_bytes_consumed(h);
	if (run->status == yajl_status_ok) {
		run->at = run->len;
		run->status = yajl_complete_parse(h);
	}
	if (run->at > run->len)
		run->at = run->len;
	if (run->status == yajl_status_error)
		run->reason = (const char *)yajl_get_error(h, 0, text, run->at);
}

static int run_parser(struct parser *p, const char *text, size_t len, char **why)
{
	struct run run = {.parser = p, .text = text, .len = len};
	int r = 0;

	fl_yajl_mem_init(&run.mem);
	if (!fl_yajl_mem_run(&run.mem, call_yajl, &run))
		r = -ENOMEM;
	else if (p->error == -EINVAL)
		r = refuse(why, p->reason, text, run.at);
	else if (p->error < 0)
		r = p->error;
	else if (run.status != yajl_status_ok)
		r = refuse(why, run.reason ? run.reason : "malformed", text, run.at);
	fl_yajl_mem_done(&run.mem);
	return r;
}

int fl_json_parse(const char *text, size_t len, struct fl_json **ret, char **why)
{
	struct parser p = {0};
	size_t bad;
	int r;

	if (len > TEXT_MAX)
		return refuse(why, "longer than 1 MiB", text, 0);
	if (!is_utf8(text, len, &bad)) /* yajl lets overlong forms and surrogates pass */
		return refuse(why, "not UTF-8", text, bad);
	if (has_odd_space(text, len, &bad))
		return refuse(why, "a control character", text, bad);
	p.doc = document_new(len);
	if (!p.doc)
		return -ENOMEM;
	r = run_parser(&p, text, len, why);
	if (r < 0) {
		fl_json_destroy(&p.doc->root);
		return r;
	}
	*ret = &p.doc->root;
	return 0;
}

/* ---- reading ---- */

enum fl_json_type fl_json_type(const struct fl_json *v)
{
	return v ? (enum fl_json_type)v->type : FL_JSON_NULL;
}

const char *fl_json_type_name(const struct fl_json *v)
{
	static const char *const names[] = {
		[FL_JSON_NULL] = "null",       [FL_JSON_BOOL] = "a boolean",
		[FL_JSON_NUMBER] = "a number", [FL_JSON_STRING] = "a string",
		[FL_JSON_ARRAY] = "an array",  [FL_JSON_OBJECT] = "an object",
	};

	return names[fl_json_type(v)];
}

static bool same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		char x = *a >= 'A' && *a <= 'Z' ? (char)(*a | 0x20) : *a;
		char y = *b >= 'A' && *b <= 'Z' ? (char)(*b | 0x20) : *b;

		if (x != y)
			return false;
	}
	return *a == *b;
}

const struct fl_json *fl_json_get(const struct fl_json *obj, const char *key)
{
	const struct fl_json *found = NULL;

	if (!obj || obj->type != FL_JSON_OBJECT)
		return NULL;
	fl_json_each (v, obj)
		if (same_name(v->key, key))
			found = v;
	return found;
}

const struct fl_json *fl_json_first(const struct fl_json *v)
{
	return v && (v->type == FL_JSON_OBJECT || v->type == FL_JSON_ARRAY) ? v->first : NULL;
}

const struct fl_json *fl_json_next(const struct fl_json *v)
{
	return v->next;
}

const char *fl_json_key(const struct fl_json *v)
{
	return v->key;
}

const char *fl_json_string(const struct fl_json *v)
{
	if (!v || v->type != FL_JSON_STRING || memchr(v->text, 0, v->len))
		return NULL;
	return v->text;
}

int fl_json_int(const struct fl_json *v, int64_t *ret)
{
	intmax_t value;
	char *end;

	if (!v || v->type != FL_JSON_NUMBER)
		return -EINVAL;
	errno = 0;
	value = strtoimax(v->text, &end, 10);
	if (errno || *end || value < INT64_MIN || value > INT64_MAX)
		return -ERANGE;
	*ret = value;
	return 0;
}

int fl_json_bool(const struct fl_json *v, bool *ret)
{
	if (!v || v->type != FL_JSON_BOOL)
		return -EINVAL;
	*ret = v->truth;
	return 0;
}

/* ---- writing ---- */

static void print_char(struct fl_buf *b, const char *at, size_t n)
{
	unsigned char c = (unsigned char)*at;

	if (n == 0)
		fl_buf_puts(b, "\xef\xbf\xbd"); /* U+FFFD: JSON must be UTF-8 whatever comes in */
	else if (c == '"' || c == '\\')
		fl_buf_printf(b, "\\%c", c);
	else if (c < 0x20)
		fl_buf_printf(b, "\\u%04x", c);
	else
		fl_buf_append(b, at, n);
}

static void print_string(struct fl_buf *b, const char *text, size_t len)
{
	fl_buf_puts(b, "\"");
	for (size_t i = 0, n; i < len; i += n ? n : 1) {
		n = fl_parse_utf8(text + i, len - i);
		print_char(b, text + i, n);
	}
	fl_buf_puts(b, "\"");
}

static void print_value(struct fl_buf *b, const struct fl_json *v);

static void print_children(struct fl_buf *b, const struct fl_json *parent)
{
	fl_json_each (v, parent) {
		if (v != parent->first)
			fl_buf_puts(b, ",");
		if (v->key) {
			print_string(b, v->key, strlen(v->key));
			fl_buf_puts(b, ":");
		}
		print_value(b, v);
	}
}

static void print_value(struct fl_buf *b, const struct fl_json *v)
{
	switch (fl_json_type(v)) {
	case FL_JSON_NULL:
		fl_buf_puts(b, "null");
		break;
	case FL_JSON_BOOL:
		fl_buf_puts(b, v->truth ? "true" : "false");
		break;
	case FL_JSON_NUMBER:
		fl_buf_append(b, v->text, v->len);
		break;
	case FL_JSON_STRING:
		print_string(b, v->text, v->len);
		break;
	case FL_JSON_ARRAY:
	case FL_JSON_OBJECT:
		fl_buf_puts(b, v->type == FL_JSON_ARRAY ? "[" : "{");
		print_children(b, v);
		fl_buf_puts(b, v->type == FL_JSON_ARRAY ? "]" : "}");
		break;
	}
}

char *fl_json_print(const struct fl_json *v)
{
	struct fl_buf b = {0};

	print_value(&b, v);
	return fl_buf_take(&b);
}

char *fl_json_quote(const char *text)
{
	struct fl_buf b = {0};

	print_string(&b, text, strlen(text));
	return fl_buf_take(&b);
}
