/* backends/udp/packet.h - IPv4 packets in memory (RFC 791), their checksums (RFC 1071), and the
 * header that a tun device puts before them (linux/virtio_net.h). No state, no system calls. */
#ifndef UDP_PACKET_H
#define UDP_PACKET_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX    65535u /* bytes of an IPv4 packet */
#define PACKET_IP_MIN 20u
#define PACKET_IP_MAX 60u
#define PACKET_TCP    6u
#define PACKET_UDP    17u
#define PACKET_ICMP   1u

/* From Linux 6.2 on, so not in every linux/virtio_net.h that we are built with. */
#define PACKET_GSO_UDP_L4 5u

/* The IPv4 header, as it is in memory. */
struct packet_ip {
	uint8_t version_ihl;
	uint8_t tos;
	uint16_t len_be;
	uint16_t id_be;
	uint16_t frag_be;
	uint8_t ttl;
	uint8_t protocol;
	uint16_t sum;
	uint32_t src_be;
	uint32_t dst_be;
} __attribute__((packed, aligned(1)));

#define PACKET_DF     0x4000u
#define PACKET_MF     0x2000u
#define PACKET_OFFSET 0x1fffu

struct packet_tcp {
	uint16_t src_be;
	uint16_t dst_be;
	uint32_t seq_be;
	uint32_t ack_be;
	uint8_t offset; /* upper half: words of the header */
	uint8_t flags;
	uint16_t window_be;
	uint16_t sum;
	uint16_t urgent_be;
} __attribute__((packed, aligned(1)));

#define PACKET_TCP_MIN 20u
#define PACKET_FIN     0x01u
#define PACKET_SYN     0x02u
#define PACKET_RST     0x04u
#define PACKET_PSH     0x08u
#define PACKET_ACK     0x10u
#define PACKET_URG     0x20u
#define PACKET_ECE     0x40u
#define PACKET_CWR     0x80u

struct packet_udp {
	uint16_t src_be;
	uint16_t dst_be;
	uint16_t len_be;
	uint16_t sum;
} __attribute__((packed, aligned(1)));

#define PACKET_UDP_LEN 8u

/** The packet's header if @p len bytes hold a whole, well-formed IPv4 packet: version, lengths,
 * header checksum; nothing behind it. NULL if not. */
struct packet_ip *packet_check(void *bytes, size_t len);

static inline size_t packet_ip_len(const struct packet_ip *ip)
{
	return (size_t)(ip->version_ihl & 15u) * 4u;
}

/** Add @p len bytes to a sum, as 16-bit words in memory order; @p bytes stands at an even place of
 * what is summed. */
uint64_t packet_sum(uint64_t sum, const void *bytes, size_t len);
/** The checksum field for a sum, in memory order. */
uint16_t packet_sum_fold(uint64_t sum);
/** The pseudo-header's share (RFC 793, RFC 768) for @p len bytes behind the IP header. */
uint64_t packet_sum_pseudo(const struct packet_ip *ip, size_t len);
/** Set the header's checksum. */
void packet_ip_seal(struct packet_ip *ip);
/** One hop less, checksum included (RFC 1624). @p ip->ttl > 0 */
void packet_ttl_dec(struct packet_ip *ip);

#endif
