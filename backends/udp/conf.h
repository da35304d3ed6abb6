/* backends/udp/conf.h - the Backend object of the network config, for udp. */
#ifndef UDP_CONF_H
#define UDP_CONF_H

#include "core/backend.h"
#include "handover.h"

#define UDP_PORT     8285u
#define UDP_OVERHEAD 28u /* bytes: IPv4 20, UDP 8 */
#define UDP_MTU_MIN  96u /* bytes, of the underlay: leaves IPv4's 68 (RFC 791) inside */

struct udp_conf {
	uint16_t port;	  /* host byte order */
	uint32_t mtu;	  /* bytes, of the underlay; 0: the interface's */
	uint32_t threads; /* 1..HANDOVER_READERS */
	bool any_source;  /* AllowAnySource: a datagram may come from where no peer is (NAT) */
};

/** @return 0; -EINVAL: it was logged */
int udp_conf_parse(const struct fl_json *conf, struct udp_conf *ret);

/** What is left inside, bytes; 0: too little. */
uint32_t udp_mtu(const struct udp_conf *conf, uint32_t underlay_mtu);

#endif
