/* backends/vxlan/conf.c - the Backend object of the network config, for vxlan. */
#include "conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define VNI_MAX	 16777215 /* 24 bits (RFC 7348) */
#define PORT_MAX 65535
#define MTU_MAX	 65535

static int refuse(const char *key, const struct fl_json *v, const char *rule)
{
	char *text = fl_json_print(v);

	fl_err("vxlan", "network config: Backend.%s is %.100s, must be %s", key,
	       text ? text : fl_json_type_name(v), rule);
	free(text);
	return -EINVAL;
}

/* The value of @p key; NULL if it is not given or null, which leaves the default, as in Go. */
static const struct fl_json *get(const struct fl_json *conf, const char *key)
{
	const struct fl_json *v = fl_json_get(conf, key);

	return v && fl_json_type(v) != FL_JSON_NULL ? v : NULL;
}

static int get_bool(const struct fl_json *conf, const char *key, bool *ret)
{
	const struct fl_json *v = get(conf, key);

	if (!v || fl_json_bool(v, ret) == 0)
		return 0;
	return refuse(key, v, "true or false");
}

/* 0 stands for the default where @p zero_ok. */
static int get_number(const struct fl_json *conf, const char *key, int64_t range[2], bool zero_ok,
		      uint32_t *ret)
{
	const struct fl_json *v = get(conf, key);
	char rule[80];
	int64_t n;

	if (!v)
		return 0;
	if (fl_json_int(v, &n) == 0) {
		if (n == 0 && zero_ok)
			return 0;
		if (n >= range[0] && n <= range[1]) {
			*ret = (uint32_t)n;
			return 0;
		}
	}
	snprintf(rule, sizeof(rule), "a whole number from %lld to %lld%s", (long long)range[0],
		 (long long)range[1], zero_ok ? ", or 0 for the default" : "");
	return refuse(key, v, rule);
}

static void warn_unknown(const struct fl_json *conf)
{
	static const char *const known[] = {"Type", "VNI",	"Port",		"GBP",
					    "MTU",  "Learning", "DirectRouting"};
	size_t i;

	fl_json_each (v, conf) {
		for (i = 0; i < FL_ARRAY_SIZE(known); i++)
			if (strcasecmp(fl_json_key(v), known[i]) == 0)
				break;
		if (i == FL_ARRAY_SIZE(known))
			fl_warn("vxlan", "network config: unknown key Backend.%.64s is ignored",
				fl_json_key(v));
	}
}

static int parse_flags(const struct fl_json *conf, struct vxlan_conf *c)
{
	bool direct = false;
	int r;

	r = get_bool(conf, "GBP", &c->gbp);
	if (r == 0)
		r = get_bool(conf, "Learning", &c->learning);
	if (r == 0)
		r = get_bool(conf, "DirectRouting", &direct);
	if (r == 0 && direct)
		r = refuse("DirectRouting", get(conf, "DirectRouting"),
			   "false: DirectRouting comes with host-gw in a later release");
	return r;
}

int vxlan_conf_parse(const struct fl_json *conf, struct vxlan_conf *ret)
{
	struct vxlan_conf c = {.vni = 1};
	int64_t vni[2] = {1, VNI_MAX}, port[2] = {1, PORT_MAX}, mtu[2] = {VXLAN_MTU_MIN, MTU_MAX};
	uint32_t number = VXLAN_PORT;
	int r;

	if (conf && fl_json_type(conf) != FL_JSON_OBJECT) {
		fl_err("vxlan", "network config: Backend is %s, must be an object",
		       fl_json_type_name(conf));
		return -EINVAL;
	}
	r = get_number(conf, "VNI", vni, false, &c.vni);
	if (r == 0)
		r = get_number(conf, "Port", port, true, &number);
	if (r == 0)
		r = get_number(conf, "MTU", mtu, true, &c.mtu);
	if (r == 0)
		r = parse_flags(conf, &c);
	if (r < 0)
		return r;
	c.port = (uint16_t)number;
	if (conf)
		warn_unknown(conf);
	*ret = c;
	return 0;
}
