/* backends/udp/cut.c - segmentation: TCP (RFC 9293) and UDP, as the kernel does it in
 * net/ipv4/tcp_offload.c and udp_offload.c. */
#include "cut.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* The sender left the pseudo-header's sum in the checksum field (CHECKSUM_PARTIAL). */
static int finish_sum(const struct virtio_net_hdr *v, struct packet_ip *ip)
{
	size_t len = ntohs(ip->len_be), start = v->csum_start;
	uint8_t *bytes = (uint8_t *)ip;
	uint16_t sum;

	if (start < packet_ip_len(ip) || start > len || len - start < v->csum_offset + 2u)
		return -EBADMSG;
	sum = packet_sum_fold(packet_sum(0, bytes + start, len - start));
	if (sum == 0)
		sum = 0xffff; /* the same number; but in UDP 0 means: none (RFC 768) */
	memcpy(bytes + start + v->csum_offset, &sum, sizeof(sum));
	return 0;
}

/* Bytes of the header behind IP's; 0: it does not fit. */
static size_t transport_len(const struct packet_ip *ip, size_t room)
{
	const struct packet_tcp *tcp = (const void *)((const uint8_t *)ip + packet_ip_len(ip));
	size_t len;

	if (ip->protocol == PACKET_UDP)
		return room < PACKET_UDP_LEN ? 0 : PACKET_UDP_LEN;
	if (ip->protocol != PACKET_TCP || room < PACKET_TCP_MIN)
		return 0;
	len = (size_t)(tcp->offset >> 4) * 4u;
	return len < PACKET_TCP_MIN || len > room ? 0 : len;
}

static bool type_fits(uint8_t gso_type, const struct packet_ip *ip)
{
	switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return ip->protocol == PACKET_TCP;
	case PACKET_GSO_UDP_L4:
		return ip->protocol == PACKET_UDP;
	default:
		return false;
	}
}

int cut_begin(const struct virtio_net_hdr *v, struct packet_ip *ip, struct cut *cut)
{
	size_t len = ntohs(ip->len_be), ip_len = packet_ip_len(ip), transport;

	if (v->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM ? finish_sum(v, ip) : 0;
	transport = transport_len(ip, len - ip_len);
	if (!type_fits(v->gso_type, ip) || !transport || !v->gso_size ||
	    (ntohs(ip->frag_be) & (PACKET_MF | PACKET_OFFSET)))
		return -EBADMSG;
	*cut = (struct cut){
		.ip = ip,
		.payload = (const uint8_t *)ip + ip_len + transport,
		.left = len - ip_len - transport,
		.ip_len = (uint16_t)ip_len,
		.header = (uint16_t)(ip_len + transport),
		.size = v->gso_size,
	};
	if (cut->left == 0 || (size_t)cut->header + cut->size > CUT_BYTES)
		return -EBADMSG;
	return 1;
}

static void seal_tcp(const struct cut *cut, struct packet_ip *ip, uint64_t sum, size_t len,
		     bool last)
{
	struct packet_tcp *tcp = (void *)((uint8_t *)ip + cut->ip_len);
	size_t header = cut->header - cut->ip_len;

	tcp->seq_be = htonl(ntohl(tcp->seq_be) + cut->done * (uint32_t)cut->size);
	if (!last)
		tcp->flags &= (uint8_t) ~(PACKET_FIN | PACKET_PSH);
	if (cut->done > 0)
		tcp->flags &= (uint8_t)~PACKET_CWR; /* once is enough (RFC 3168) */
	tcp->sum = 0;
	sum += packet_sum_pseudo(ip, header + len);
	tcp->sum = packet_sum_fold(packet_sum(sum, tcp, header));
}

static void seal_udp(const struct cut *cut, struct packet_ip *ip, uint64_t sum, size_t len)
{
	struct packet_udp *udp = (void *)((uint8_t *)ip + cut->ip_len);

	udp->len_be = htons((uint16_t)(PACKET_UDP_LEN + len));
	udp->sum = 0;
	sum += packet_sum_pseudo(ip, PACKET_UDP_LEN + len);
	udp->sum = packet_sum_fold(packet_sum(sum, udp, PACKET_UDP_LEN));
	if (udp->sum == 0)
		udp->sum = 0xffff;
}

static void put_header(const struct cut *cut, uint8_t *header, const uint8_t *payload, size_t len)
{
	struct packet_ip *ip = (void *)header;
	uint64_t sum = packet_sum(0, payload, len);

	memcpy(header, cut->ip, cut->header);
	ip->len_be = htons((uint16_t)(cut->header + len));
	ip->id_be = htons((uint16_t)(ntohs(ip->id_be) + cut->done));
	packet_ip_seal(ip);
	if (ip->protocol == PACKET_TCP)
		seal_tcp(cut, ip, sum, len, len == cut->left);
	else
		seal_udp(cut, ip, sum, len);
}

bool cut_next(struct cut *cut, struct cut_batch *batch)
{
	size_t room = CUT_BYTES, len;

	batch->count = 0;
	batch->header = cut->header;
	batch->size = cut->size;
	batch->payload = cut->payload;
	while (cut->left > 0 && batch->count < CUT_SEGMENTS) {
		len = cut->left < cut->size ? cut->left : cut->size;
		if (cut->header + len > room)
			break;
		put_header(cut, batch->headers[batch->count++], cut->payload, len);
		batch->last = (uint16_t)len;
		cut->payload += len;
		cut->left -= len;
		cut->done++;
		room -= cut->header + len;
	}
	return batch->count > 0;
}
