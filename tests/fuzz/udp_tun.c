/* tests/fuzz/udp_tun.c - what a tun device may hand over: a virtio header and a packet, which is
 * cut into what travels, and merged again. The first byte says what is put right beforehand, so
 * that not all inputs end at the first checksum. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "backends/udp/cut.h"
#include "backends/udp/icmp.h"
#include "backends/udp/merge.h"
#include "fuzz.h"
#include "udp_wire.h"

#define FIX_HEADER 1u /* length and checksum of the IP header */
#define FIX_VIRTIO 2u /* the kind of segmentation fits the packet */
#define FIX_MERGE  4u /* flags and checksum such that it can be merged whole again */

static void fix_virtio(struct virtio_net_hdr *v, const struct packet_ip *ip)
{
	bool tcp = ip->protocol == PACKET_TCP;

	v->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	v->gso_type = tcp ? VIRTIO_NET_HDR_GSO_TCPV4 : PACKET_GSO_UDP_L4;
	v->csum_start = (uint16_t)packet_ip_len(ip);
	v->csum_offset = tcp ? offsetof(struct packet_tcp, sum) : offsetof(struct packet_udp, sum);
}

static void try_icmp(const struct packet_ip *ip)
{
	static const struct icmp_error errors[] = {
		{ICMP_UNREACHABLE, ICMP_NET, 0},
		{ICMP_UNREACHABLE, ICMP_FRAG_NEEDED, 1472},
		{ICMP_TIME_EXCEEDED, ICMP_TTL, 0},
	};
	uint8_t buf[ICMP_ERROR_MAX];
	size_t len;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		len = icmp_make(ip, errors[i], htonl(0x0a050100), buf);
		FUZZ_CHECK(len <= sizeof(buf));
		FUZZ_CHECK(len == 0 || packet_check(buf, len));
	}
}

/* All segments, well-formed, one behind the other; their payload is the packet's. */
static void cut_all(struct cut *cut, struct wire *wire)
{
	static struct cut_batch b;
	const uint8_t *payload = cut->payload;
	size_t left = cut->left;

	while (cut_next(cut, &b)) {
		FUZZ_CHECK(b.count >= 1 && b.count <= CUT_SEGMENTS && b.payload == payload);
		for (uint32_t i = 0; i < b.count; i++) {
			size_t len = i + 1 < b.count ? b.size : b.last;

			FUZZ_CHECK(len <= left);
			wire_put(wire, b.headers[i], b.header, payload, len);
			payload += len;
			left -= len;
		}
	}
	FUZZ_CHECK(left == 0);
}

/* A packet that says nothing but "merge me" comes out of the merge as it was before the cut. */
static void check_merged(const struct wire *wire, const struct packet_ip *ip)
{
	static struct wire merged;

	wire_merge(wire, &merged);
	FUZZ_CHECK(merged.count == 1 && merged.len[0] == ntohs(ip->len_be));
	FUZZ_CHECK(memcmp(merged.packets[0], ip, merged.len[0]) == 0);
	wire_reset(&merged);
}

/* What merging wants, and what the kernel leaves in the checksum's place. @return false: there is
 * too little of it */
static bool make_mergeable(struct packet_ip *ip, size_t len)
{
	size_t ip_len = packet_ip_len(ip), room = len - ip_len;
	struct packet_tcp *tcp = (struct packet_tcp *)((uint8_t *)ip + ip_len);
	uint16_t sum;

	if (ip->protocol != PACKET_TCP || room < PACKET_TCP_MIN)
		return false;
	tcp->flags = PACKET_ACK;
	packet_ip_seal(ip); /* a checksum of 0xffff stands for 0 as well */
	sum = (uint16_t)~packet_sum_fold(packet_sum_pseudo(ip, room));
	memcpy(&tcp->sum, &sum, sizeof(sum));
	return true;
}

static void try_packet(uint8_t flags, struct virtio_net_hdr v, uint8_t *bytes, size_t len)
{
	static struct wire wire;
	struct packet_ip *ip;
	bool whole = false;
	struct cut cut;
	int r;

	if (flags & FIX_HEADER)
		wire_fix_header(bytes, len);
	ip = packet_check(bytes, len);
	if (!ip)
		return;
	try_icmp(ip);
	if (flags & FIX_VIRTIO)
		fix_virtio(&v, ip);
	if (flags & FIX_MERGE)
		whole = make_mergeable(ip, len) && v.gso_type == VIRTIO_NET_HDR_GSO_TCPV4;
	r = cut_begin(&v, ip, &cut);
	FUZZ_CHECK(r == 1 || packet_check(bytes, len));
	if (r != 1 || cut.left / cut.size >= WIRE_PACKETS)
		return;
	/* what is merged again: an id of a fragment that may be one, and no more than go into one
	 */
	whole = whole && cut.left > cut.size && cut.left <= (size_t)cut.size * MERGE_PIECES &&
		(ntohs(ip->frag_be) == PACKET_DF || ntohs(ip->frag_be) == 0);
	cut_all(&cut, &wire);
	if (whole)
		check_merged(&wire, ip);
	wire_reset(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fuzz_input in = {bytes, len};
	uint8_t flags = fuzz_byte(&in), *copy;
	struct virtio_net_hdr v = {0};
	size_t n = sizeof(v);

	copy = fuzz_take(&in, &n);
	memcpy(&v, copy, n);
	free(copy);
	n = in.left;
	copy = fuzz_take(&in, &n);
	try_packet(flags, v, copy, n);
	free(copy);
	return 0;
}
