/* core/netconf.h - the network config (PREFIX/config): parse, check, defaults, as flannel 0.28
 * does. */
#ifndef FL_NETCONF_H
#define FL_NETCONF_H

#include "base/addr.h"
#include "base/json.h"

#define FL_BACKEND_TYPE_DEFAULT "udp" /* of a config without Backend, in every flannel */
#define FL_BACKEND_TYPE_MAX	33u   /* bytes, with NUL: [a-z0-9][a-z0-9-]{0,31} */

struct fl_netconf {
	struct fl_prefix network;  /* host bits clear */
	uint8_t subnet_len;	   /* bits */
	struct fl_addr subnet_min; /* first subnet that may be leased */
	struct fl_addr subnet_max; /* last one */
	struct fl_prefix network6; /* IPv6 comes later: parsed never, types ready */
	uint8_t subnet6_len;
	char backend_type[FL_BACKEND_TYPE_MAX];
	const struct fl_json
		*backend; /* the Backend object, borrowed from doc; NULL if the config has none */
	struct fl_json *doc; /* owned */
};

/**
 * Parse and check. Warnings (unknown keys, host bits in Network) are logged; a refusal is not: the
 * caller says it.
 *
 * @param ret  filled only on success; the caller ends it with fl_netconf_done()
 * @param why  set on -EINVAL: key, value and rule in one line, owned by the caller
 * @return 0, -EINVAL, -ENOMEM
 */
int fl_netconf_parse(const char *text, size_t len, struct fl_netconf *ret, char **why);
void fl_netconf_done(struct fl_netconf *nc);

/**
 * The config with every default filled in, as one line of compact JSON: Network, SubnetLen,
 * SubnetMin, SubnetMax, BackendType, and Backend if the config has one. Owned by the caller; NULL:
 * out of memory.
 */
char *fl_netconf_print(const struct fl_netconf *nc);

/** True if @p subnet could be leased under this config: length, range (flannel's
 * isSubnetConfigCompat). */
bool fl_netconf_allows(const struct fl_netconf *nc, const struct fl_prefix *subnet);

#endif
