/* store/file_content.c - what a file with a network config and a list of leases says. */
#include "store/file_content.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/prefix_set.h"
#include "netconf.h"

#define LEASES	"Leases"
#define COMMENT "Comment" /* may stand anywhere: JSON has no other way to say something */

/* What a parse works on. */
struct reader {
	struct fl_file_content *c;
	const char *at;	  /* in the text, for line numbers: behind the last element found */
	const char *end;  /* of the text */
	size_t line;	  /* of `at` */
	const char *type; /* BackendType of an entry that has none */
	struct fl_prefix_set subnets; /* of the entries so far */
};

/* ---- lines: the text is known to be JSON ---- */

static void step(struct reader *r)
{
	if (r->at == r->end)
		return;
	r->line += *r->at == '\n';
	r->at++;
}

static void skip_string(struct reader *r)
{
	for (step(r); r->at < r->end && *r->at != '"'; step(r))
		if (*r->at == '\\')
			step(r);
	step(r);
}

static void skip_space(struct reader *r)
{
	while (r->at < r->end && isspace((unsigned char)*r->at))
		step(r);
}

/* Any value, up to the comma or bracket behind it. */
static void skip_value(struct reader *r)
{
	size_t depth = 0;

	while (r->at < r->end) {
		char c = *r->at;

		if (c == '"') {
			skip_string(r);
			continue;
		}
		if (depth == 0 && strchr(",]}", c))
			return;
		if (c == '[' || c == '{')
			depth++;
		else if (c == ']' || c == '}')
			depth--;
		step(r);
	}
}

static bool is_key(const char *text, size_t len, const char *name)
{
	return len == strlen(name) && strncasecmp(text, name, len) == 0;
}

/* To the first element of the array that counts: of several members Leases, the last. */
static void find_leases(struct reader *r)
{
	struct reader found = *r;

	skip_space(r);
	step(r); /* { */
	for (skip_space(r); r->at < r->end && *r->at == '"'; skip_space(r)) {
		const char *key = r->at + 1;
		bool leases;

		skip_string(r);
		leases = is_key(key, (size_t)(r->at - key - 1), LEASES);
		skip_space(r);
		step(r); /* : */
		skip_space(r);
		if (leases)
			found = *r;
		skip_value(r);
		if (r->at < r->end && *r->at == ',')
			step(r);
	}
	*r = found;
	step(r); /* [ */
}

/* @return the line of the next element, and be behind it */
static size_t next_line(struct reader *r)
{
	size_t line;

	skip_space(r);
	line = r->line;
	skip_value(r);
	if (r->at < r->end && *r->at == ',')
		step(r);
	return line;
}

/* ---- entries ---- */

/* One line: what is quoted from the file may hold more. */
static void on_one_line(char *words)
{
	for (; *words; words++)
		if (iscntrl((unsigned char)*words))
			*words = '?';
}

FL_PRINTF(4, 5)
static int note(const struct reader *r, const struct fl_file_entry *e, char **text, const char *fmt,
		...)
{
	size_t index = (size_t)(e - r->c->entries);
	struct fl_buf b = {0};
	char subnet[FL_PREFIX_STRLEN], *words = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&words, fmt, args);
	va_end(args);
	if (n < 0)
		return -ENOMEM;
	on_one_line(words);
	fl_buf_printf(&b, "line %zu, " LEASES "[%zu]", e->line, index);
	if (fl_prefix_is_set(&e->subnet))
		fl_buf_printf(&b, " (%s)", fl_prefix_format(&e->subnet, subnet));
	fl_buf_printf(&b, ": %s", words);
	free(words);
	free(*text);
	*text = fl_buf_take(&b);
	fl_buf_done(&b);
	return *text ? 0 : -ENOMEM;
}

/* The key that etcd would have: one rule for both. */
static int read_subnet(const struct fl_json *v, struct fl_prefix *ret, char key[FL_LEASE_KEY_MAX])
{
	const char *text = v ? fl_json_string(v) : NULL;
	struct fl_prefix subnet, subnet6;
	char *slash;

	if (!text || strlen(text) >= FL_LEASE_KEY_MAX || strpbrk(text, "-&"))
		return -EINVAL;
	(void)snprintf(key, FL_LEASE_KEY_MAX, "%s", text);
	slash = strchr(key, '/');
	if (!slash)
		return -EINVAL;
	*slash = '-';
	if (fl_lease_key_parse(key, &subnet, &subnet6) < 0)
		return -EINVAL;
	*ret = subnet;
	return 0;
}

static int refuse_subnet(const struct reader *r, struct fl_file_entry *e, const struct fl_json *v)
{
	static const char rule[] =
		"must be a network with its host bits clear, such as \"10.5.52.0/24\"";
	char *shown;
	int n;

	r->c->keyless++;
	if (!v)
		return note(r, e, &e->fault, "Subnet is missing: %s", rule);
	shown = fl_json_print(v);
	n = shown ? note(r, e, &e->fault, "Subnet is %.80s: %s", shown, rule) : -ENOMEM;
	free(shown);
	return n;
}

static const char *unknown_member(const struct fl_json *v)
{
	static const char *const known[] = {"Subnet",	   "PublicIP",	  "PublicIPv6",
					    "BackendType", "BackendData", "BackendV6Data",
					    COMMENT};

	fl_json_each (m, v) {
		size_t i = 0;

		while (i < FL_ARRAY_SIZE(known) && strcasecmp(fl_json_key(m), known[i]) != 0)
			i++;
		if (i == FL_ARRAY_SIZE(known))
			return fl_json_key(m);
	}
	return NULL;
}

/* As a value in etcd; a member that comes later counts, so the type of the entry wins. */
static char *value_of(const struct reader *r, const struct fl_json *v)
{
	char *members = fl_json_print(v), *type = fl_json_quote(r->type);
	struct fl_buf b = {0};

	if (members && type)
		fl_buf_printf(&b, "{\"BackendType\":%s%s%s", type, members[1] == '}' ? "" : ",",
			      members + 1);
	free(members);
	free(type);
	return fl_buf_take(&b);
}

static int read_value(const struct reader *r, struct fl_file_entry *e, const struct fl_json *v,
		      const char *key)
{
	char *value = value_of(r, v), *why = NULL;
	const char *odd = unknown_member(v);
	int n;

	if (!value)
		return -ENOMEM;
	n = fl_lease_decode(key, value, strlen(value), &e->rec, &why);
	if (n == -EINVAL)
		n = note(r, e, &e->fault, "%s", why ? why : "of no use");
	else if (n == 0 && odd)
		n = note(r, e, &e->remark, "%.60s is not known, and ignored", odd);
	free(why);
	free(value);
	return n;
}

static int read_entry(struct reader *r, struct fl_file_entry *e, const struct fl_json *v)
{
	const struct fl_json *subnet = fl_json_get(v, "Subnet");
	char key[FL_LEASE_KEY_MAX];

	e->line = next_line(r);
	if (fl_json_type(v) != FL_JSON_OBJECT) {
		r->c->keyless++;
		return note(r, e, &e->fault, "is %s, must be an object", fl_json_type_name(v));
	}
	if (read_subnet(subnet, &e->subnet, key) < 0)
		return refuse_subnet(r, e, subnet);
	if (fl_prefix_set_has(&r->subnets, &e->subnet))
		return note(r, e, &e->fault, "another entry for this subnet; the first one counts");
	if (fl_prefix_set_add(&r->subnets, &e->subnet) < 0)
		return -ENOMEM;
	return read_value(r, e, v, key);
}

static size_t count_of(const struct fl_json *array)
{
	size_t n = 0;

	fl_json_each (v, array)
		n++;
	return n;
}

static int read_entries(struct reader *r, const struct fl_json *leases)
{
	int n = 0;

	r->c->entries = calloc(count_of(leases) + 1, sizeof(*r->c->entries));
	if (!r->c->entries)
		return -ENOMEM;
	find_leases(r);
	fl_json_each (v, leases) {
		if (n == 0)
			n = read_entry(r, &r->c->entries[r->c->count++], v);
	}
	return n;
}

/* ---- the network config: all but the leases ---- */

static int read_config(struct fl_file_content *c, const struct fl_json *doc)
{
	struct fl_buf b = {0};

	fl_json_each (m, doc) {
		char *key = fl_json_quote(fl_json_key(m)), *value = fl_json_print(m);
		bool ours = strcasecmp(fl_json_key(m), LEASES) == 0 ||
			    strcasecmp(fl_json_key(m), COMMENT) == 0;

		if (!key || !value)
			b.error = -ENOMEM;
		else if (!ours)
			fl_buf_printf(&b, "%s%s:%s", b.len > 0 ? "," : "{", key, value);
		free(key);
		free(value);
	}
	fl_buf_puts(&b, b.len > 0 ? "}" : "{}");
	c->config = fl_buf_take(&b);
	fl_buf_done(&b);
	return c->config ? 0 : -ENOMEM;
}

/* As the config's check has it; what is no type there is said by that check. */
static const char *default_type(const struct fl_json *doc)
{
	const struct fl_json *type = fl_json_get(fl_json_get(doc, "Backend"), "Type");
	const char *text = type ? fl_json_string(type) : NULL;

	return text && *text ? text : FL_BACKEND_TYPE_DEFAULT;
}

static int refuse(char **why, const char *before, const char *what, const char *behind)
{
	return asprintf(why, "%s%s%s", before, what, behind) < 0 ? (*why = NULL, -ENOMEM) : -EINVAL;
}

static int read_document(struct reader *r, const struct fl_json *doc, char **why)
{
	const struct fl_json *leases = fl_json_get(doc, LEASES);
	int n;

	if (fl_json_type(doc) != FL_JSON_OBJECT)
		return refuse(why, "it is ", fl_json_type_name(doc), ", must be an object");
	if (!leases)
		return refuse(why, LEASES, " is missing", ": must be an array");
	if (fl_json_type(leases) != FL_JSON_ARRAY)
		return refuse(why, LEASES " is ", fl_json_type_name(leases), ", must be an array");
	r->type = default_type(doc);
	n = read_config(r->c, doc);
	return n < 0 ? n : read_entries(r, leases);
}

int fl_file_content_parse(const char *text, size_t len, struct fl_file_content *ret, char **why)
{
	struct fl_file_content c = {0};
	struct reader r = {.c = &c, .at = text, .end = text + len, .line = 1};
	struct fl_json *doc = NULL;
	char *reason = NULL;
	int n;

	*why = NULL;
	n = fl_json_parse(text, len, &doc, &reason);
	if (n == -EINVAL)
		n = refuse(why, "not JSON: ", reason ? reason : "malformed", "");
	free(reason);
	if (n == 0)
		n = read_document(&r, doc, why);
	fl_prefix_set_done(&r.subnets);
	fl_json_destroy(doc);
	if (n < 0)
		fl_file_content_done(&c);
	else
		*ret = c;
	return n;
}

void fl_file_content_done(struct fl_file_content *c)
{
	for (size_t i = 0; i < c->count; i++) {
		fl_lease_record_free(c->entries[i].rec);
		free(c->entries[i].fault);
		free(c->entries[i].remark);
	}
	free(c->entries);
	free(c->config);
	*c = (struct fl_file_content){0};
}

const struct fl_file_entry *fl_file_content_find(const struct fl_file_content *c,
						 const struct fl_prefix *subnet)
{
	for (size_t i = 0; i < c->count; i++)
		if (fl_prefix_equal(&c->entries[i].subnet, subnet))
			return &c->entries[i];
	return NULL;
}
