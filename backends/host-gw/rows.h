/* backends/host-gw/rows.h - which row leads to a peer: pure functions of its lease and our end. */
#ifndef HOST_GW_ROWS_H
#define HOST_GW_ROWS_H

#include "core/backend.h"

/** Our end. */
struct hostgw_self {
	uint32_t ifindex; /* of the underlay */
	const char *name; /* "eth1", borrowed */
	struct fl_addr public_ip;
};

/** Of the ways to a peer: it is not on the link of the underlay. Else the way is the underlay's
 * ifindex. */
#define HOSTGW_NO_WAY 0u

/** @param route  to its PublicIP; NULL: there is none */
uint32_t hostgw_way(const struct hostgw_self *self, const struct fl_route *route);

/**
 * A route by the peer's PublicIP; the neighbour behind that is the kernel's business.
 *
 * @param route  for HOSTGW_NO_WAY, to say what is in the way: the kernel's route to its PublicIP
 * now, NULL if there is none; else unused
 * @return 0; or what fl_rows_reject() or fl_rows_wait() returns; -ENOMEM
 */
int hostgw_rows(const struct hostgw_self *self, const struct fl_lease *peer, uint32_t way,
		const struct fl_route *route, struct fl_rows *rows);

#endif
