/* backends/extension/vars.c - the variables that commands get. */
#include "vars.h"

#include <stdio.h>
#include <string.h>

static const char *const names[EXT_VARS] = {
	[EXT_NETWORK] = "NETWORK",	   [EXT_SUBNET] = "SUBNET",
	[EXT_PUBLIC_IP] = "PUBLIC_IP",	   [EXT_IPV6SUBNET] = "IPV6SUBNET",
	[EXT_PUBLIC_IPV6] = "PUBLIC_IPV6",
};

static void set(struct ext_vars *v, enum ext_var var, const char *value)
{
	(void)snprintf(v->text[var], EXT_VAR_MAX, "%s=%s", names[var], value);
}

static void set_prefix(struct ext_vars *v, enum ext_var var, const struct fl_prefix *p)
{
	char text[FL_PREFIX_STRLEN];

	set(v, var, p && fl_prefix_is_set(p) ? fl_prefix_format(p, text) : "");
}

void ext_vars_set(struct ext_vars *v, const struct fl_prefix *network,
		  const struct fl_prefix *subnet, const struct fl_addr *public_ip)
{
	char text[FL_ADDR_STRLEN];

	set_prefix(v, EXT_NETWORK, network);
	set_prefix(v, EXT_SUBNET, subnet);
	set(v, EXT_PUBLIC_IP,
	    public_ip && fl_addr_is_set(public_ip) ? fl_addr_format(public_ip, text) : "");
	set(v, EXT_IPV6SUBNET, "");
	set(v, EXT_PUBLIC_IPV6, "");
}

const char *ext_vars_value(const struct ext_vars *v, enum ext_var var)
{
	return v->text[var] + strlen(names[var]) + 1;
}

enum ext_var ext_vars_find(const char *name, size_t len)
{
	enum ext_var var = 0;

	while (var < EXT_VARS && (strlen(names[var]) != len || strncmp(names[var], name, len) != 0))
		var++;
	return var;
}
