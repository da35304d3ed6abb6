/* backends/extension/vars.h - the variables that commands get. */
#ifndef EXT_VARS_H
#define EXT_VARS_H

#include "core/backend.h"

enum ext_var {
	EXT_NETWORK,
	EXT_SUBNET,
	EXT_PUBLIC_IP,
	EXT_IPV6SUBNET,
	EXT_PUBLIC_IPV6,
	EXT_VARS,
};

#define EXT_VAR_MAX 64u /* bytes of "NAME=value", with NUL */

/** All of them, always: what does not apply is empty, so that nothing of that name is inherited. */
struct ext_vars {
	char text[EXT_VARS][EXT_VAR_MAX]; /* "SUBNET=10.5.1.0/24" */
};

/** Format them; NULL or "none": empty. IPv6 is empty until overlays have it. */
void ext_vars_set(struct ext_vars *v, const struct fl_prefix *network,
		  const struct fl_prefix *subnet, const struct fl_addr *public_ip);

const char *ext_vars_value(const struct ext_vars *v, enum ext_var var);

/** The variable whose name is the first @p len bytes of @p name; EXT_VARS if it is none of ours. */
enum ext_var ext_vars_find(const char *name, size_t len);

#endif
