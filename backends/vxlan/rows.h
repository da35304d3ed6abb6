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
	bool by_hand; /* fl_env_by_hand() */
};

/** The MAC of a lease by hand that does not say it: 0e:f1 and the four bytes of @p public_ip, which
 * anybody can work out. */
struct fl_mac vxlan_plain_mac(const struct fl_addr *public_ip);

/**
 * The MAC that @p lease, ours, tells the others; for leases by hand.
 * @return 0; -EINVAL: it tells none that can be used; -ENOMEM
 */
int vxlan_told_mac(const struct fl_lease *lease, struct fl_mac *ret);

/** {"VNI":1,"VtepMAC":"02:..."}, or nothing for leases by hand. @return 0, -ENOSPC */
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
