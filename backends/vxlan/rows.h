/* backends/vxlan/rows.h - which rows lead to a peer: pure functions of its lease and ours. */
#ifndef VXLAN_ROWS_H
#define VXLAN_ROWS_H

#include "core/backend.h"

/** Our end. */
struct vxlan_self {
	uint32_t vni;
	uint32_t ifindex; /* of flannel.VNI */
	struct fl_mac mac;
	struct fl_addr public_ip;
};

/** {"VNI":1,"VtepMAC":"02:..."} @return 0, -ENOSPC */
int vxlan_lease_data(const struct vxlan_self *self, char buf[FL_BACKEND_DATA_MAX]);

/* Ways to a peer: encapsulated, or direct, which is the ifindex of the link it is on. */
#define VXLAN_ENCAPSULATED 0u

/**
 * Direct if the kernel reaches the peer's PublicIP without a gateway, on whatever link, but for the
 * tunnel itself.
 * @param route  to its PublicIP; NULL: there is none
 */
uint32_t vxlan_way(const struct vxlan_self *self, const struct fl_route *route);

/**
 * Encapsulated: a permanent neighbour and an FDB entry, then the route that needs them. Direct: a
 * route by its PublicIP. Its BackendData must be right either way, so that it depends on nothing
 * else whether a peer is accepted.
 * @return 0; -EBADMSG with the reason in @p rows; -ENOMEM
 */
int vxlan_rows(const struct vxlan_self *self, const struct fl_lease *peer, uint32_t way,
	       struct fl_rows *rows);

#endif
