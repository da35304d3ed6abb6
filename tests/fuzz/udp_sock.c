/* tests/fuzz/udp_sock.c - datagrams as they come from a socket: a byte of flags, two of length, the
 * packet, and the next. Whatever is merged, and cut again as the kernel does it, is what came: each
 * packet once, those of a flow in their order. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "backends/udp/merge.h"
#include "backends/udp/packet.h"
#include "fuzz.h"
#include "udp_wire.h"

#define FIX_HEADER    1u  /* length and checksum of the IP header */
#define FIX_TRANSPORT 2u  /* checksum of TCP or UDP */
#define NEXT	      4u  /* takes the place behind the one before: sequence number and id */
#define FLUSH	      8u  /* the socket was empty behind it */
#define NO_UDP	      16u /* in the first one: the kernel takes no merged datagrams */
#define DATAGRAMS     64u

static void on_out(void *owner, const struct iovec *iov, int count)
{
	wire_put_cut(owner, iov, count);
}

/* As a sender goes on, so that not all of merging must be found by chance. */
static void follow(uint8_t *bytes, size_t len, const uint8_t *before, size_t before_len)
{
	const struct packet_ip *b = (const struct packet_ip *)before;
	struct packet_ip *ip = (struct packet_ip *)bytes;
	size_t header = PACKET_IP_MIN + PACKET_TCP_MIN;

	if (len < header || before_len < header || b->version_ihl != 0x45)
		return;
	memcpy(bytes, before, header);
	ip->id_be = htons((uint16_t)(ntohs(b->id_be) + 1));
	if (ip->protocol == PACKET_TCP) {
		struct packet_tcp *tcp = (struct packet_tcp *)(bytes + PACKET_IP_MIN);

		tcp->offset = 0x50;
		tcp->seq_be = htonl(ntohl(tcp->seq_be) + (uint32_t)(before_len - header));
	}
}

/* Two checksums that are one number, 0 and 0xffff; and with DF an id says nothing (RFC 6864): where
 * those of a flow stand still, they count up once it was merged. */
static void put_alike(uint8_t *bytes, size_t len)
{
	struct packet_ip *ip = packet_check(bytes, len);
	size_t room = len - packet_ip_len(ip);
	struct packet_tcp *tcp = (struct packet_tcp *)(bytes + packet_ip_len(ip));

	if (ntohs(ip->frag_be) == PACKET_DF)
		ip->id_be = 0;
	packet_ip_seal(ip);
	if (ip->protocol == PACKET_TCP && room >= PACKET_TCP_MIN && tcp->sum == 0xffff)
		tcp->sum = 0;
}

static bool same_packet(uint8_t *a, size_t a_len, uint8_t *b, size_t b_len)
{
	if (a_len != b_len)
		return false;
	put_alike(a, a_len);
	put_alike(b, b_len);
	return memcmp(a, b, a_len) == 0;
}

static bool same_flow(const uint8_t *a, const uint8_t *b)
{
	const struct packet_ip *x = (const struct packet_ip *)a;
	const struct packet_ip *y = (const struct packet_ip *)b;

	return x->protocol == y->protocol && x->src_be == y->src_be && x->dst_be == y->dst_be;
}

/* Find what came out among what went in, and cross it out. Before it nothing of its flow may be
 * left, unless the two have nothing that tells flows apart: fragments and the like. */
static void cross_out(struct wire *in, uint8_t *packet, size_t len)
{
	const struct packet_ip *ip = (const struct packet_ip *)packet;
	bool ports = (ip->protocol == PACKET_TCP || ip->protocol == PACKET_UDP) &&
		     len >= packet_ip_len(ip) + 4;

	for (uint32_t i = 0; i < in->count; i++) {
		uint8_t *other = in->packets[i];
		const struct packet_ip *o = (const struct packet_ip *)other;

		if (in->len[i] == 0)
			continue;
		if (same_packet(other, in->len[i], packet, len)) {
			in->len[i] = 0;
			return;
		}
		FUZZ_CHECK(!ports || !same_flow(other, packet) ||
			   in->len[i] < packet_ip_len(o) + 4 ||
			   memcmp(other + packet_ip_len(o), packet + packet_ip_len(ip), 4) != 0);
	}
	FUZZ_CHECK(!"a packet came out that never went in");
}

static void compare(struct wire *in, struct wire *out)
{
	for (uint32_t i = 0; i < out->count; i++)
		cross_out(in, out->packets[i], out->len[i]);
	for (uint32_t i = 0; i < in->count; i++)
		FUZZ_CHECK(in->len[i] == 0);
	wire_reset(in);
	wire_reset(out);
}

/* One datagram into the merge, and a copy of it to compare. */
static uint8_t *receive(struct fuzz_input *src, struct merge *merge, struct wire *in, uint8_t flags)
{
	size_t len = fuzz_u16(src);
	uint8_t *bytes = fuzz_take(src, &len), *copy;
	struct packet_ip *ip;

	if ((flags & NEXT) && in->count > 0)
		follow(bytes, len, in->packets[in->count - 1], in->len[in->count - 1]);
	if (flags & FIX_HEADER)
		wire_fix_header(bytes, len);
	ip = packet_check(bytes, len);
	if (!ip)
		return bytes;
	if (flags & FIX_TRANSPORT)
		wire_fix_transport(bytes, len);
	copy = malloc(len);
	FUZZ_CHECK(copy);
	memcpy(copy, bytes, len);
	in->packets[in->count] = copy;
	in->len[in->count++] = len;
	merge_add(merge, ip);
	return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct merge merge;
	static struct wire in, out;
	struct fuzz_input src = {bytes, len};
	uint8_t *received[DATAGRAMS];
	uint32_t n = 0;

	merge_init(&merge, !(len && bytes[0] & NO_UDP), on_out, &out);
	while (src.left > 0 && n < DATAGRAMS) {
		uint8_t flags = fuzz_byte(&src);

		received[n++] = receive(&src, &merge, &in, flags);
		if (flags & FLUSH)
			merge_flush(&merge);
	}
	merge_flush(&merge);
	compare(&in, &out);
	while (n > 0)
		free(received[--n]);
	return 0;
}
