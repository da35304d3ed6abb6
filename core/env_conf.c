/* core/env_conf.c - what a backend reads of the config's Backend object. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "backend.h"

int fl_conf_refuse(const char *name, const char *key, const struct fl_json *v, const char *rule)
{
	char *text = fl_json_print(v);

	fl_err(name, "network config: Backend.%s is %.100s, must be %s", key,
	       text ? text : fl_json_type_name(v), rule);
	free(text);
	return -EINVAL;
}

const struct fl_json *fl_conf_get(const struct fl_json *conf, const char *key)
{
	const struct fl_json *v = fl_json_get(conf, key);

	return v && fl_json_type(v) != FL_JSON_NULL ? v : NULL;
}

static int read_number(const struct fl_json *v, const char *name, const struct fl_conf_key *key)
{
	char rule[80];
	int64_t n;

	if (fl_json_int(v, &n) == 0) {
		if (n == 0 && key->zero)
			return 0;
		if (n >= key->min && n <= key->max) {
			*(uint32_t *)key->value = (uint32_t)n;
			return 0;
		}
	}
	(void)snprintf(rule, sizeof(rule), "a whole number from %u to %u%s", key->min, key->max,
		       key->zero ? ", or 0 for the default" : "");
	return fl_conf_refuse(name, key->name, v, rule);
}

static int read_text(const struct fl_json *v, const char *name, const struct fl_conf_key *key)
{
	const char *text = fl_json_string(v);

	if (!text)
		return fl_conf_refuse(name, key->name, v, "a string");
	*(const char **)key->value = text;
	return 0;
}

static int read_key(const struct fl_json *conf, const char *name, const struct fl_conf_key *key)
{
	const struct fl_json *v = fl_conf_get(conf, key->name);

	if (!v)
		return 0;
	switch (key->type) {
	case FL_JSON_BOOL:
		if (fl_json_bool(v, key->value) == 0)
			return 0;
		return fl_conf_refuse(name, key->name, v, "true or false");
	case FL_JSON_NUMBER:
		return read_number(v, name, key);
	case FL_JSON_STRING:
		return read_text(v, name, key);
	default:
		return 0;
	}
}

static void warn_unknown(const struct fl_json *conf, const char *name,
			 const struct fl_conf_key *keys, size_t n_keys)
{
	fl_json_each (v, conf) {
		bool known = strcasecmp(fl_json_key(v), "Type") == 0;

		for (size_t i = 0; i < n_keys && !known; i++)
			known = strcasecmp(fl_json_key(v), keys[i].name) == 0;
		if (!known)
			fl_warn(name, "network config: unknown key Backend.%.64s is ignored",
				fl_json_key(v));
	}
}

int fl_conf_read(const struct fl_json *conf, const char *name, const struct fl_conf_key *keys,
		 size_t n_keys)
{
	int r = 0;

	if (!conf)
		return 0;
	if (fl_json_type(conf) != FL_JSON_OBJECT) {
		fl_err(name, "network config: Backend is %s, must be an object",
		       fl_json_type_name(conf));
		return -EINVAL;
	}
	for (size_t i = 0; i < n_keys && r == 0; i++)
		r = read_key(conf, name, &keys[i]);
	if (r == 0)
		warn_unknown(conf, name, keys, n_keys);
	return r;
}
