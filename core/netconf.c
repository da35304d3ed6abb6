/* core/netconf.c - the network config: what flannel reads, checked before anything is built on it.
 */
#include "netconf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/special.h"

#define SHOWN_MAX      80u /* bytes of a value or key that a message repeats */
#define WARNINGS_MAX   8u  /* unknown keys named one by one */
#define NETWORK_MAX    28u /* bits: four subnets of /30 */
#define SUBNET_MAX     30u /* bits: room for the device and a bridge */
#define SUBNET_BITS    2u  /* at least four subnets, the first of which is not used */
#define SUBNET_DEFAULT 24u /* bits */

static const char *const known_keys[] = {
	"Network",     "SubnetLen",	"SubnetMin",	 "SubnetMax",
	"Backend",     "EnableIPv4",	"EnableIPv6",	 "EnableNFTables",
	"IPv6Network", "IPv6SubnetLen", "IPv6SubnetMin", "IPv6SubnetMax",
};

/** What a parse works on. */
struct reader {
	struct fl_netconf *nc;
	const struct fl_json *root;
	char **why;
};

/* --- refusals */

static int refuse(struct reader *r, const char *fmt, ...) FL_PRINTF(2, 3);
static int refuse(struct reader *r, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(r->why, fmt, args);
	va_end(args);
	if (n >= 0)
		return -EINVAL;
	*r->why = NULL;
	return -ENOMEM;
}

/* JSON text leaves DEL and C1 characters as they are, and a terminal obeys them. */
static void show(struct fl_buf *b, const char *json)
{
	for (size_t done = 0, n; json[done]; done += n) {
		const char *c = json + done;

		if (done >= SHOWN_MAX) {
			fl_buf_puts(b, "...");
			return;
		}
		n = fl_parse_utf8(c, strlen(c));
		if (n == 2 && (unsigned char)c[0] == 0xc2 && (unsigned char)c[1] < 0xa0)
			fl_buf_printf(b, "\\u00%02x", (unsigned char)c[1]);
		else if (n == 0 || *c == 0x7f)
			fl_buf_printf(b, "\\u00%02x", (unsigned char)*c);
		else
			fl_buf_append(b, c, n);
		n = n ? n : 1;
	}
}

/* "KEY VALUE: RULE", the value as JSON text. */
static int refuse_value(struct reader *r, const char *key, const struct fl_json *v,
			const char *rule)
{
	struct fl_buf b = {0};
	char *text = fl_json_print(v);

	if (!text)
		return -ENOMEM;
	fl_buf_printf(&b, "%s ", key);
	show(&b, text);
	fl_buf_printf(&b, ": %s", rule);
	free(text);
	*r->why = fl_buf_take(&b);
	fl_buf_done(&b);
	return *r->why ? -EINVAL : -ENOMEM;
}

static int refuse_type(struct reader *r, const char *key, const struct fl_json *v,
		       const char *wanted)
{
	char rule[64];

	(void)snprintf(rule, sizeof(rule), "is %s, must be %s", fl_json_type_name(v), wanted);
	return refuse_value(r, key, v, rule);
}

/* --- members; null leaves the default, as in Go */

static const struct fl_json *member(const struct reader *r, const char *key)
{
	const struct fl_json *v = fl_json_get(r->root, key);

	return v && fl_json_type(v) != FL_JSON_NULL ? v : NULL;
}

/* A switch that has one position only. */
static int read_switch(struct reader *r, const char *key, bool wanted, const char *reason)
{
	const struct fl_json *v = member(r, key);
	bool on = wanted;

	if (!v)
		return 0;
	if (fl_json_bool(v, &on) < 0)
		return refuse_type(r, key, v, "a boolean");
	return on == wanted ? 0 : refuse_value(r, key, v, reason);
}

static int read_network(struct reader *r)
{
	const struct fl_json *v = member(r, "Network");
	struct fl_prefix *net = &r->nc->network, other;
	char given[FL_PREFIX_STRLEN], used[FL_PREFIX_STRLEN], rule[96];

	if (!v)
		return refuse(r, "Network is missing: must be an IPv4 network such as "
				 "\"10.5.0.0/16\"");
	if (fl_json_type(v) != FL_JSON_STRING)
		return refuse_type(r, "Network", v, "a string");
	if (!fl_json_string(v) || fl_prefix_parse(fl_json_string(v), net) < 0 ||
	    net->addr.family != AF_INET)
		return refuse_value(r, "Network", v,
				    "must be an IPv4 network such as \"10.5.0.0/16\"");
	if (net->len == 0 || net->len > NETWORK_MAX)
		return refuse_value(r, "Network", v,
				    "its length must be 1..28 (room for four subnets of /30)");
	if (fl_special(net)) {
		(void)snprintf(rule, sizeof(rule), "must not overlap %s", fl_special(net));
		return refuse_value(r, "Network", v, rule);
	}
	if (!fl_prefix_is_masked(net)) {
		other = fl_prefix_masked(net);
		fl_warn("netconf", "Network %s has bits behind its length, %s is used",
			fl_prefix_format(net, given), fl_prefix_format(&other, used));
		*net = other;
	}
	return 0;
}

static int read_subnet_len(struct reader *r)
{
	const struct fl_json *v = member(r, "SubnetLen");
	struct fl_netconf *nc = r->nc;
	unsigned int least = nc->network.len + SUBNET_BITS;
	int64_t len = 0;
	char rule[96];
	int error;

	nc->subnet_len = (uint8_t)(least > SUBNET_DEFAULT ? least : SUBNET_DEFAULT);
	if (!v)
		return 0;
	error = fl_json_int(v, &len);
	if (error == -EINVAL)
		return refuse_type(r, "SubnetLen", v, "an integer");
	if (error == 0 && len == 0) /* Go cannot tell it from a missing one */
		return 0;
	if (error < 0 || len < (int64_t)least || len > (int64_t)SUBNET_MAX) {
		(void)snprintf(rule, sizeof(rule),
			       "must be an integer %u..%u (Network's length + 2, to /30)", least,
			       SUBNET_MAX);
		return refuse_value(r, "SubnetLen", v, rule);
	}
	nc->subnet_len = (uint8_t)len;
	return 0;
}

/* SubnetMin or SubnetMax; @ret keeps its default if the key is not given. */
static int read_bound(struct reader *r, const char *key, struct fl_addr *ret)
{
	const struct fl_json *v = member(r, key);
	const struct fl_netconf *nc = r->nc;
	char network[FL_PREFIX_STRLEN], rule[FL_PREFIX_STRLEN + 32];
	struct fl_prefix subnet = {.len = nc->subnet_len};
	const char *text;

	if (!v)
		return 0;
	if (fl_json_type(v) != FL_JSON_STRING)
		return refuse_type(r, key, v, "a string");
	text = fl_json_string(v);
	if (text && !text[0])
		return 0;
	if (!text || fl_addr_parse(text, &subnet.addr) < 0 || subnet.addr.family != AF_INET)
		return refuse_value(r, key, v, "must be an IPv4 address");
	if (fl_addr_v4(&subnet.addr) == 0) /* flannel's mark for "not given" */
		return 0;
	if (!fl_prefix_contains(&nc->network, &subnet.addr)) {
		(void)snprintf(rule, sizeof(rule), "must lie in Network %s",
			       fl_prefix_format(&nc->network, network));
		return refuse_value(r, key, v, rule);
	}
	if (!fl_prefix_is_masked(&subnet)) {
		(void)snprintf(rule, sizeof(rule), "must be the start of a /%u subnet",
			       nc->subnet_len);
		return refuse_value(r, key, v, rule);
	}
	*ret = subnet.addr;
	return 0;
}

static int read_range(struct reader *r)
{
	struct fl_netconf *nc = r->nc;
	char min[FL_ADDR_STRLEN], max[FL_ADDR_STRLEN];
	struct fl_addr last = fl_prefix_last(&nc->network);
	uint32_t size = UINT32_C(1) << (32 - nc->subnet_len);
	int error;

	/* The first subnet starts with the network's own address, hence is left alone. */
	nc->subnet_min = fl_addr_from_v4(fl_addr_v4(&nc->network.addr) + size);
	nc->subnet_max = fl_addr_from_v4(fl_addr_v4(&last) - (size - 1));
	error = read_bound(r, "SubnetMin", &nc->subnet_min);
	if (error == 0)
		error = read_bound(r, "SubnetMax", &nc->subnet_max);
	if (error < 0)
		return error;
	if (fl_addr_v4(&nc->subnet_min) > fl_addr_v4(&nc->subnet_max))
		return refuse(r, "SubnetMin %s: must not lie behind SubnetMax %s",
			      fl_addr_format(&nc->subnet_min, min),
			      fl_addr_format(&nc->subnet_max, max));
	return 0;
}

/* X1: the type becomes part of a file name, so it is held to a plain alphabet. */
static bool is_type(const char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return len > 0 && len < FL_BACKEND_TYPE_MAX && !text[len] && text[0] != '-';
}

static int read_backend(struct reader *r)
{
	const struct fl_json *v = member(r, "Backend"), *type;

	(void)strcpy(r->nc->backend_type, FL_BACKEND_TYPE_DEFAULT);
	if (!v)
		return 0;
	if (fl_json_type(v) != FL_JSON_OBJECT)
		return refuse_type(r, "Backend", v, "an object");
	type = fl_json_get(v, "Type");
	if (!type)
		return refuse_value(r, "Backend", v, "Backend.Type is missing, must be a string");
	if (fl_json_type(type) != FL_JSON_STRING)
		return refuse_type(r, "Backend.Type", type, "a string");
	if (!fl_json_string(type) || !is_type(fl_json_string(type)))
		return refuse_value(r, "Backend.Type", type,
				    "must be 1..32 of a-z, 0-9 and -, not starting with -");
	(void)strcpy(r->nc->backend_type, fl_json_string(type));
	r->nc->backend = v;
	return 0;
}

static bool is_known(const char *key)
{
	for (size_t i = 0; i < FL_ARRAY_SIZE(known_keys); i++) {
		if (strcasecmp(key, known_keys[i]) == 0)
			return true;
	}
	return false;
}

static void warn_of_unknown_keys(const struct fl_json *root)
{
	size_t unknown = 0;

	fl_json_each (v, root) {
		const char *key = fl_json_key(v);

		if (is_known(key))
			continue;
		if (unknown++ < WARNINGS_MAX)
			fl_warn("netconf", "\"%.*s\" is not a key of the network config, ignored",
				(int)SHOWN_MAX, key);
	}
	if (unknown > WARNINGS_MAX)
		fl_warn("netconf", "%zu more unknown keys ignored", unknown - WARNINGS_MAX);
}

/* --- all of it */

static int read_config(struct reader *r)
{
	int error;

	if (fl_json_type(r->root) != FL_JSON_OBJECT)
		return refuse(r, "the network config is %s, must be an object",
			      fl_json_type_name(r->root));
	error = read_switch(r, "EnableIPv4", true, "an overlay without IPv4 is not supported yet");
	if (error == 0)
		error = read_switch(r, "EnableIPv6", false, "IPv6 is not supported yet");
	if (error == 0)
		error = read_switch(r, "EnableNFTables", false,
				    "nftables is not supported yet, leave it out to use iptables");
	if (error == 0)
		error = read_network(r);
	if (error == 0)
		error = read_subnet_len(r);
	if (error == 0)
		error = read_range(r);
	if (error == 0)
		error = read_backend(r);
	if (error == 0)
		warn_of_unknown_keys(r->root);
	return error;
}

int fl_netconf_parse(const char *text, size_t len, struct fl_netconf *ret, char **why)
{
	struct fl_netconf nc = {0};
	struct reader r = {.nc = &nc, .why = why};
	char *reason = NULL;
	int error = fl_json_parse(text, len, &nc.doc, &reason);

	*why = NULL;
	if (error == -EINVAL)
		error = refuse(&r, "not JSON: %s", reason ? reason : "unreadable");
	free(reason);
	if (error < 0)
		return error;
	r.root = nc.doc;
	error = read_config(&r);
	if (error < 0) {
		fl_json_destroy(nc.doc);
		return error;
	}
	*ret = nc;
	return 0;
}

void fl_netconf_done(struct fl_netconf *nc)
{
	fl_json_destroy(nc->doc);
	memset(nc, 0, sizeof(*nc));
}

char *fl_netconf_print(const struct fl_netconf *nc)
{
	char network[FL_PREFIX_STRLEN], min[FL_ADDR_STRLEN], max[FL_ADDR_STRLEN];
	char *backend = nc->backend ? fl_json_print(nc->backend) : NULL;
	struct fl_buf b = {0};
	char *text;

	if (nc->backend && !backend)
		return NULL;
	fl_buf_printf(&b,
		      "{\"Network\":\"%s\",\"SubnetLen\":%u,\"SubnetMin\":\"%s\","
		      "\"SubnetMax\":\"%s\",\"BackendType\":\"%s\"",
		      fl_prefix_format(&nc->network, network), nc->subnet_len,
		      fl_addr_format(&nc->subnet_min, min), fl_addr_format(&nc->subnet_max, max),
		      nc->backend_type);
	if (backend)
		fl_buf_printf(&b, ",\"Backend\":%s", backend);
	fl_buf_puts(&b, "}");
	free(backend);
	text = fl_buf_take(&b);
	fl_buf_done(&b);
	return text;
}

bool fl_netconf_allows(const struct fl_netconf *nc, const struct fl_prefix *subnet)
{
	uint32_t first = fl_addr_v4(&subnet->addr);

	return subnet->addr.family == AF_INET && subnet->len == nc->subnet_len &&
	       fl_prefix_is_masked(subnet) && first >= fl_addr_v4(&nc->subnet_min) &&
	       first <= fl_addr_v4(&nc->subnet_max);
}
