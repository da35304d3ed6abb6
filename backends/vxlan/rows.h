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

/**
 * A permanent neighbour and an FDB entry, then the route that needs them.
 * @return 0; -EBADMSG with the reason in @p rows; -ENOMEM
 */
int vxlan_rows(const struct vxlan_self *self, const struct fl_lease *peer, struct fl_rows *rows);

#endif
