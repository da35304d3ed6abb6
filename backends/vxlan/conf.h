/* backends/vxlan/conf.h - the Backend object of the network config, for vxlan. */
#ifndef VXLAN_CONF_H
#define VXLAN_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "core/backend.h"

#define VXLAN_OVERHEAD 50u   /* bytes: IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14 */
#define VXLAN_MTU_MIN  118u  /* bytes, of the underlay: leaves IPv4's 68 (RFC 791) inside */
#define VXLAN_PORT     8472u /* the Linux kernel's own, from before IANA gave out 4789 */

struct vxlan_conf {
	uint32_t vni;
	uint16_t port; /* UDP, host byte order */
	uint32_t mtu;  /* bytes, of the underlay, as in flannel; 0: the interface's */
	bool gbp;
	bool learning;
	bool direct; /* DirectRouting: no encapsulation towards peers that no gateway is before */
};

/**
 * Parse, with defaults. Keys match without regard to case; an unknown one is a warning in the log.
 * @param conf  NULL: all defaults
 * @return 0; -EINVAL for a value that cannot be taken: key, value and rule are in the log
 */
int vxlan_conf_parse(const struct fl_json *conf, struct vxlan_conf *ret);

/** What is left inside, bytes; 0: too little. The config's MTU wins if the underlay has it. */
uint32_t vxlan_mtu(const struct vxlan_conf *conf, uint32_t underlay_mtu);

#endif
