/* backends/udp/sock.h - the sockets that datagrams travel through, one per thread. */
#ifndef UDP_SOCK_H
#define UDP_SOCK_H

#include "core/backend.h"

/** What the kernel can do for them. */
struct sock_offloads {
	bool gso; /* UDP_SEGMENT, from Linux 4.18 on */
	bool gro; /* UDP_GRO, from 5.0 on */
};

/**
 * @param addr    IPv4, ours
 * @param port    host byte order
 * @param first   of those that share this address and port (SO_REUSEPORT): nobody may have it yet
 * @return a non-blocking descriptor; -errno; it was logged
 */
int sock_open(const struct fl_addr *addr, uint16_t port, bool first, struct sock_offloads *ret);

/**
 * A socket that sends IP packets as they are. ICMP errors leave through it, not through the tun
 * device: their source is the device's own address, and a packet that enters with that is dropped.
 *
 * @return a descriptor; -errno; it was logged
 */
int sock_open_raw(void);

#endif
