/* backends/udp/rx.c - socket to tun: receive, take only what a peer may send, merge, write. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#include "lane_internal.h"

/* ---- out ---- */

static void write_tun(void *owner, const struct iovec *iov, int count)
{
	struct lane *lane = owner;

	if (writev(lane->tun_fd, iov, count) < 0)
		lane->tally[TALLY_RX_REFUSED] += count > 2 ? (uint64_t)count - 2 : 1;
}

/* ---- in ---- */

static void drop(struct lane *lane, enum tally_id why, struct peer *peer)
{
	lane->tally[why]++;
	if (!peer)
		return;
	lane_count_peer(lane, peer);
	lane->run.stats.drops++;
}

/* Whose packet it is: the outer source must be the peer in whose subnet the inner source lies (X3).
 * NULL: nobody's, and counted */
static struct peer *sender_of(struct lane *lane, const struct packet_ip *ip, uint32_t from_be)
{
	uint32_t src = ntohl(ip->src_be);
	struct peer *peer = lane->run.peer;

	/* Packets come in runs of one peer. */
	if (!peer || (src & peer->mask) != peer->subnet || !table_is_flat(lane->table))
		peer = table_find(lane->table, src);
	if (peer && (lane->plane->any_source || peer->addr.sin_addr.s_addr == from_be))
		return peer;
	if (lane->plane->any_source || table_knows(lane->table, from_be))
		drop(lane, TALLY_RX_SPOOFED, peer);
	else
		drop(lane, TALLY_RX_STRANGER, NULL);
	return NULL;
}

static void take_packet(struct lane *lane, uint8_t *bytes, size_t len, uint32_t from_be)
{
	struct plane *p = lane->plane;
	struct packet_ip *ip = packet_check(bytes, len);
	struct peer *peer;

	if (!ip) {
		drop(lane, TALLY_RX_MALFORMED, NULL);
		return;
	}
	peer = sender_of(lane, ip, from_be);
	if (!peer)
		return;
	if ((ntohl(ip->dst_be) & p->network_mask) != p->network) {
		drop(lane, TALLY_RX_DESTINATION, peer);
		return;
	}
	lane_count_peer(lane, peer);
	lane->run.stats.rx_packets++;
	lane->run.stats.rx_bytes += len;
	lane->tally[TALLY_RX_PACKETS]++;
	lane->tally[TALLY_RX_BYTES] += len;
	merge_add(&lane->rx.merge, ip);
}

/* How long each datagram of the message is (UDP_GRO); a message that is only one has no note. */
static size_t segment_size(struct msghdr *h, size_t len)
{
	struct cmsghdr *c;
	int size;

	for (c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		if (size > 0)
			return (size_t)size;
	}
	return len;
}

static void take_message(struct lane *lane, uint32_t i)
{
	struct rx *rx = &lane->rx;
	size_t len = rx->headers[i].msg_len, size = segment_size(&rx->headers[i].msg_hdr, len), n;
	uint8_t *at = rx->buffers[i];

	if (len == 0 || (rx->headers[i].msg_hdr.msg_flags & MSG_TRUNC)) {
		drop(lane, TALLY_RX_MALFORMED, NULL);
		return;
	}
	for (; len > 0; at += n, len -= n) {
		n = len < size ? len : size;
		take_packet(lane, at, n, rx->from[i].sin_addr.s_addr);
	}
}

bool rx_turn(struct lane *lane)
{
	struct rx *rx = &lane->rx;
	int n;

	for (uint32_t i = 0; i < RX_MESSAGES; i++) {
		rx->headers[i].msg_hdr.msg_namelen = sizeof(rx->from[i]);
		rx->headers[i].msg_hdr.msg_controllen = sizeof(rx->control[i]);
	}
	n = recvmmsg(lane->sock, rx->headers, RX_MESSAGES, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		take_message(lane, (uint32_t)i);
	merge_flush(&rx->merge);
	return n == (int)RX_MESSAGES;
}

void rx_init(struct lane *lane)
{
	struct rx *rx = &lane->rx;

	merge_init(&rx->merge, write_tun, lane);
	for (uint32_t i = 0; i < RX_MESSAGES; i++) {
		struct msghdr *h = &rx->headers[i].msg_hdr;

		rx->iov[i] = (struct iovec){.iov_base = rx->buffers[i], .iov_len = RX_BUFFER};
		h->msg_name = &rx->from[i];
		h->msg_iov = &rx->iov[i];
		h->msg_iovlen = 1;
		h->msg_control = &rx->control[i];
	}
}
