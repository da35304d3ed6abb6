/* core/lease.c - a lease, its key and its value in the store: decode, encode, copy, compare. */
#include "lease.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/special.h"

#define BACKEND_TYPE_MAX 32u /* bytes */
#define SHOWN_MAX	 80  /* bytes of a bad value that a message repeats */

/* ---- the key ---- */

/** "ADDRESS-LEN", @p len bytes. */
static int parse_key_part(const char *text, size_t len, int family, struct fl_prefix *ret)
{
	char copy[FL_PREFIX_STRLEN];
	struct fl_prefix p;
	char *dash;

	/* a slash of its own must not pass for the dash */
	if (len >= sizeof(copy) || memchr(text, '/', len))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	dash = strchr(copy, '-');
	if (!dash)
		return -EINVAL;
	*dash = '/';

	if (fl_prefix_parse(copy, &p) < 0 || p.addr.family != family)
		return -EINVAL;
	if (p.len == 0 || p.len == 8 * fl_addr_size(&p.addr))
		return -EINVAL;
	if (!fl_prefix_is_masked(&p) || fl_special(&p))
		return -EINVAL;
	*ret = p;
	return 0;
}

int fl_lease_key_parse(const char *key, struct fl_prefix *subnet, struct fl_prefix *subnet6)
{
	struct fl_prefix v4, v6 = {0};
	const char *amp = strchrnul(key, '&');

	if (parse_key_part(key, (size_t)(amp - key), AF_INET, &v4) < 0)
		return -EINVAL;
	if (*amp && parse_key_part(amp + 1, strlen(amp + 1), AF_INET6, &v6) < 0)
		return -EINVAL;
	*subnet = v4;
	*subnet6 = v6;
	return 0;
}

const char *fl_lease_key_format(const struct fl_prefix *subnet, const struct fl_prefix *subnet6,
				char buf[FL_LEASE_KEY_MAX])
{
	char addr[FL_ADDR_STRLEN], addr6[FL_ADDR_STRLEN];

	fl_addr_format(&subnet->addr, addr);
	if (subnet6 && fl_prefix_is_set(subnet6))
		(void)snprintf(buf, FL_LEASE_KEY_MAX, "%s-%u&%s-%u", addr, subnet->len,
			       fl_addr_format(&subnet6->addr, addr6), subnet6->len);
	else
		(void)snprintf(buf, FL_LEASE_KEY_MAX, "%s-%u", addr, subnet->len);
	return buf;
}

/* ---- the record ---- */

static const char *copy_string(char **at, const char *text)
{
	char *copy = *at;
	size_t size;

	if (!text || !*text)
		return NULL;
	size = strlen(text) + 1;
	memcpy(copy, text, size);
	*at += size;
	return copy;
}

static size_t string_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

struct fl_lease_record *fl_lease_record_new(const struct fl_lease *lease)
{
	struct fl_lease_record *rec;
	char *tail;

	rec = malloc(sizeof(*rec) + string_size(lease->backend_type) +
		     string_size(lease->backend_data) + string_size(lease->backend_data6));
	if (!rec)
		return NULL;
	*rec = (struct fl_lease_record){.lease = *lease};
	tail = (char *)(rec + 1);
	rec->lease.backend_type = copy_string(&tail, lease->backend_type);
	rec->lease.backend_data = copy_string(&tail, lease->backend_data);
	rec->lease.backend_data6 = copy_string(&tail, lease->backend_data6);
	return rec;
}

void fl_lease_record_free(struct fl_lease_record *rec)
{
	free(rec);
}

static bool same_string(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

bool fl_lease_same(const struct fl_lease *a, const struct fl_lease *b)
{
	return fl_prefix_equal(&a->subnet, &b->subnet) &&
	       fl_prefix_equal(&a->subnet6, &b->subnet6) &&
	       fl_addr_equal(&a->public_ip, &b->public_ip) &&
	       fl_addr_equal(&a->public_ip6, &b->public_ip6) &&
	       same_string(a->backend_type, b->backend_type) &&
	       same_string(a->backend_data, b->backend_data) &&
	       same_string(a->backend_data6, b->backend_data6);
}

/* ---- the value ---- */

static int FL_PRINTF(2, 3) refuse(char **why, const char *fmt, ...)
{
	va_list args;
	int n;

	if (!why)
		return -EINVAL;
	va_start(args, fmt);
	n = vasprintf(why, fmt, args);
	va_end(args);
	if (n >= 0)
		return -EINVAL;
	*why = NULL;
	return -ENOMEM;
}

/** As refuse(), about @p json, JSON text that is taken (NULL: no memory), of which a long one is
 * cut. */
static int refuse_value(char **why, const char *name, char *json, const char *rule)
{
	int r;

	if (!json)
		return -ENOMEM;
	r = refuse(why, "%s is %.*s%s: must be %s", name, SHOWN_MAX, json,
		   strlen(json) > SHOWN_MAX ? "..." : "", rule);
	free(json);
	return r;
}

static int refuse_member(char **why, const char *name, const struct fl_json *v, const char *rule)
{
	if (!v)
		return refuse(why, "%s is missing: must be %s", name, rule);
	return refuse_value(why, name, fl_json_print(v), rule);
}

static bool is_missing(const struct fl_json *v)
{
	return !v || fl_json_type(v) == FL_JSON_NULL;
}

static bool read_address(const struct fl_json *v, int family, struct fl_addr *ret)
{
	const char *text = v ? fl_json_string(v) : NULL;
	struct fl_addr a;

	if (!text || fl_addr_parse(text, &a) < 0 || a.family != family || fl_special_addr(&a))
		return false;
	*ret = a;
	return true;
}

static bool is_backend_type(const char *text)
{
	size_t len = text ? strlen(text) : 0;

	return len > 0 && len <= BACKEND_TYPE_MAX &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/** Fill @p l from the members; its strings belong to @p doc. */
static int read_members(const struct fl_json *doc, struct fl_lease *l, char **why)
{
	const struct fl_json *ip = fl_json_get(doc, "PublicIP");
	const struct fl_json *ip6 = fl_json_get(doc, "PublicIPv6");
	const struct fl_json *type = fl_json_get(doc, "BackendType");

	if (fl_json_type(doc) != FL_JSON_OBJECT)
		return refuse(why, "the value is %s: must be an object", fl_json_type_name(doc));
	if (!read_address(ip, AF_INET, &l->public_ip))
		return refuse_member(why, "PublicIP", ip, "an IPv4 unicast address");
	if (!is_missing(ip6) && !read_address(ip6, AF_INET6, &l->public_ip6))
		return refuse_member(why, "PublicIPv6", ip6, "an IPv6 unicast address");
	l->backend_type = type ? fl_json_string(type) : NULL;
	if (!is_backend_type(l->backend_type))
		return refuse_member(why, "BackendType", type, "1 to 32 of a-z, 0-9 and -");
	return 0;
}

/** @p v as text in *@p ret, which stays NULL if there is none. */
static int print_data(const struct fl_json *v, char **ret)
{
	if (is_missing(v))
		return 0;
	*ret = fl_json_print(v);
	return *ret ? 0 : -ENOMEM;
}

/** A record of @p l, whose strings come from @p doc. */
static int record_from(const struct fl_json *doc, struct fl_lease *l, struct fl_lease_record **ret)
{
	struct fl_lease_record *rec = NULL;
	char *data = NULL, *data6 = NULL;

	if (print_data(fl_json_get(doc, "BackendData"), &data) == 0 &&
	    print_data(fl_json_get(doc, "BackendV6Data"), &data6) == 0) {
		l->backend_data = data;
		l->backend_data6 = data6;
		rec = fl_lease_record_new(l);
	}
	free(data);
	free(data6);
	if (!rec)
		return -ENOMEM;
	*ret = rec;
	return 0;
}

static int parse_value(const char *value, size_t len, struct fl_json **ret, char **why)
{
	char *reason;
	int r;

	if (len > FL_LEASE_VALUE_MAX)
		return refuse(why, "the value has %zu bytes: at most %u are allowed", len,
			      FL_LEASE_VALUE_MAX);
	r = fl_json_parse(value, len, ret, &reason);
	if (r == -EINVAL) {
		r = refuse(why, "the value is not JSON: %s", reason);
		free(reason);
	}
	return r;
}

int fl_lease_decode(const char *key, const char *value, size_t value_len,
		    struct fl_lease_record **ret, char **why)
{
	struct fl_lease l = {0};
	struct fl_json *doc;
	int r;

	if (fl_lease_key_parse(key, &l.subnet, &l.subnet6) < 0)
		return refuse_value(why, "the key", fl_json_quote(key),
				    "a subnet such as 10.5.52.0-24");
	r = parse_value(value, value_len, &doc, why);
	if (r < 0)
		return r;
	r = read_members(doc, &l, why);
	if (r == 0)
		r = record_from(doc, &l, ret);
	fl_json_destroy(doc);
	return r;
}

static void put_string(struct fl_buf *b, const char *name, const char *text)
{
	char *quoted = fl_json_quote(text);

	if (!quoted && !b->error)
		b->error = -ENOMEM;
	fl_buf_printf(b, "%s\"%s\":%s", b->len > 1 ? "," : "", name, quoted ? quoted : "");
	free(quoted);
}

static void put_data(struct fl_buf *b, const char *name, const char *json)
{
	if (json && *json)
		fl_buf_printf(b, ",\"%s\":%s", name, json);
}

char *fl_lease_encode(const struct fl_lease *lease, bool null_ipv6)
{
	char addr[FL_ADDR_STRLEN];
	struct fl_buf b = {0};

	fl_buf_puts(&b, "{");
	put_string(&b, "PublicIP", fl_addr_format(&lease->public_ip, addr));
	if (fl_addr_is_set(&lease->public_ip6))
		put_string(&b, "PublicIPv6", fl_addr_format(&lease->public_ip6, addr));
	else if (null_ipv6)
		put_data(&b, "PublicIPv6", "null");
	if (lease->backend_type)
		put_string(&b, "BackendType", lease->backend_type);
	put_data(&b, "BackendData", lease->backend_data);
	put_data(&b, "BackendV6Data", lease->backend_data6);
	fl_buf_puts(&b, "}");
	return fl_buf_take(&b);
}
