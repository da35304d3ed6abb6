/* backends/vxlan/conf.c - the Backend object of the network config, for vxlan. */
#include "conf.h"

#include <errno.h>

#define VNI_MAX	 16777215u /* 24 bits (RFC 7348) */
#define PORT_MAX 65535u
#define MTU_MAX	 65535u

int vxlan_conf_parse(const struct fl_json *conf, struct vxlan_conf *ret)
{
	struct vxlan_conf c = {.vni = 1};
	uint32_t port = VXLAN_PORT;
	const struct fl_conf_key keys[] = {
		{"VNI", FL_JSON_NUMBER, &c.vni, 1, VNI_MAX, false},
		{"Port", FL_JSON_NUMBER, &port, 1, PORT_MAX, true},
		{"MTU", FL_JSON_NUMBER, &c.mtu, VXLAN_MTU_MIN, MTU_MAX, true},
		{"GBP", FL_JSON_BOOL, &c.gbp, 0, 0, false},
		{"Learning", FL_JSON_BOOL, &c.learning, 0, 0, false},
		{"DirectRouting", FL_JSON_BOOL, &c.direct, 0, 0, false},
	};
	int r = fl_conf_read(conf, "vxlan", keys, FL_ARRAY_SIZE(keys));

	if (r < 0)
		return r;
	c.port = (uint16_t)port;
	*ret = c;
	return 0;
}

uint32_t vxlan_mtu(const struct vxlan_conf *conf, uint32_t underlay_mtu)
{
	uint32_t mtu = conf->mtu && conf->mtu < underlay_mtu ? conf->mtu : underlay_mtu;

	return mtu < VXLAN_MTU_MIN ? 0 : mtu - VXLAN_OVERHEAD;
}
