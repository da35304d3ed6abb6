/* backends/udp/icmp.h - the errors that a router owes (RFC 792, RFC 1812): made here, said no more
 * often than is good. */
#ifndef UDP_ICMP_H
#define UDP_ICMP_H

#include "packet.h"

#define ICMP_ERROR_MAX 576u /* bytes: RFC 1812, 4.3.2.3 */

#define ICMP_UNREACHABLE   3u
#define ICMP_NET	   0u /* codes of it */
#define ICMP_FRAG_NEEDED   4u
#define ICMP_TIME_EXCEEDED 11u
#define ICMP_TTL	   0u

struct icmp_error {
	uint8_t type;
	uint8_t code;
	uint16_t mtu; /* FRAG_NEEDED: of the next hop (RFC 1191); else 0 */
};

/**
 * The error about a packet, as a packet.
 *
 * @param about  well-formed
 * @param from   our address, network byte order
 * @param buf    room
 * @return its bytes; 0: none is owed about that packet: a later fragment, itself an ICMP error, not
 * from or to one host
 */
size_t icmp_make(const struct packet_ip *about, struct icmp_error e, uint32_t from_be,
		 uint8_t buf[ICMP_ERROR_MAX]);

#define ICMP_BUCKETS 256u

/** Token buckets: 100 a second with a burst of 20 for hosts that share one, 1,000 a second in all.
 * All zero is full. */
struct icmp_limit {
	struct icmp_bucket {
		uint64_t at_ms; /* when it was full, or will have been */
	} buckets[ICMP_BUCKETS], all;
};

/** May another error go to @p to_be at @p now_ms (any clock that only grows, not below 1e6)? */
bool icmp_may(struct icmp_limit *l, uint32_t to_be, uint64_t now_ms);

#endif
