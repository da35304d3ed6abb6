/* backends/extension/conf.c - the Backend object of the network config, for extension. */
#include "conf.h"

#include <errno.h>

#define TIMEOUT_S     30u
#define TIMEOUT_MAX_S 3600u

static const char *const key_names[EXT_KEYS] = {
	[EXT_PRE_STARTUP] = "PreStartupCommand",
	[EXT_POST_STARTUP] = "PostStartupCommand",
	[EXT_SUBNET_ADD] = "SubnetAddCommand",
	[EXT_SUBNET_REMOVE] = "SubnetRemoveCommand",
};

const char *ext_key_name(enum ext_key key)
{
	return key_names[key];
}

static int parse_command(const struct fl_json *conf, enum ext_key key, struct ext_command **ret)
{
	const struct fl_json *v = fl_conf_get(conf, key_names[key]);
	const char *rule = NULL;
	int r;

	if (!v)
		return 0;
	r = ext_command_parse(v, ret, &rule);
	return r == -EINVAL ? fl_conf_refuse("extension", key_names[key], v, rule) : r;
}

int ext_conf_parse(const struct fl_json *conf, struct ext_conf *ret)
{
	struct ext_conf c = {.timeout_s = TIMEOUT_S};
	/* The commands are named so that they are known; they are of more than one type. */
	const struct fl_conf_key keys[] = {
		{key_names[EXT_PRE_STARTUP], FL_JSON_ARRAY, NULL, 0, 0, false},
		{key_names[EXT_POST_STARTUP], FL_JSON_ARRAY, NULL, 0, 0, false},
		{key_names[EXT_SUBNET_ADD], FL_JSON_ARRAY, NULL, 0, 0, false},
		{key_names[EXT_SUBNET_REMOVE], FL_JSON_ARRAY, NULL, 0, 0, false},
		{"CommandTimeout", FL_JSON_NUMBER, &c.timeout_s, 1, TIMEOUT_MAX_S, false},
	};
	int r = fl_conf_read(conf, "extension", keys, FL_ARRAY_SIZE(keys));

	for (enum ext_key key = 0; key < EXT_KEYS && r == 0; key++)
		r = parse_command(conf, key, &c.commands[key]);
	if (r < 0)
		ext_conf_done(&c);
	else
		*ret = c;
	return r;
}

void ext_conf_done(struct ext_conf *c)
{
	for (enum ext_key key = 0; key < EXT_KEYS; key++) {
		ext_command_destroy(c->commands[key]);
		c->commands[key] = NULL;
	}
}
