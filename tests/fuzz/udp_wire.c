/* tests/fuzz/udp_wire.c - packets of udp on their way. */
#include "udp_wire.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "backends/udp/cut.h"
#include "backends/udp/merge.h"
#include "fuzz.h"

static void append(struct wire *w, uint8_t *packet, size_t len)
{
	FUZZ_CHECK(w->count < WIRE_PACKETS);
	w->packets[w->count] = packet;
	w->len[w->count++] = len;
}

static bool is_sound(const struct packet_ip *ip)
{
	size_t ip_len = packet_ip_len(ip), len = ntohs(ip->len_be) - ip_len;

	return packet_sum_fold(packet_sum(packet_sum_pseudo(ip, len), (const uint8_t *)ip + ip_len,
					  len)) == 0;
}

void wire_put(struct wire *w, const uint8_t *header, size_t header_len, const uint8_t *payload,
	      size_t len)
{
	uint8_t *packet = malloc(header_len + len);
	const struct packet_ip *ip;

	FUZZ_CHECK(packet);
	memcpy(packet, header, header_len);
	memcpy(packet + header_len, payload, len);
	ip = packet_check(packet, header_len + len);
	FUZZ_CHECK(ip && is_sound(ip));
	append(w, packet, header_len + len);
}

static uint8_t *join(const struct iovec *iov, int count, size_t *len)
{
	uint8_t *packet, *at;

	*len = 0;
	for (int i = 0; i < count; i++)
		*len += iov[i].iov_len;
	FUZZ_CHECK(*len > 0 && *len <= PACKET_MAX);
	at = packet = malloc(*len);
	FUZZ_CHECK(packet);
	for (int i = 0; i < count; at += iov[i++].iov_len)
		memcpy(at, iov[i].iov_base, iov[i].iov_len);
	return packet;
}

static void on_merged(void *owner, const struct iovec *iov, int count)
{
	size_t len;
	uint8_t *packet = join(iov + 1, count - 1, &len);

	FUZZ_CHECK(iov[0].iov_len == sizeof(struct virtio_net_hdr) && packet_check(packet, len));
	append(owner, packet, len);
}

void wire_merge(const struct wire *in, struct wire *out)
{
	static struct merge merge;

	merge_init(&merge, true, on_merged, out);
	for (uint32_t i = 0; i < in->count; i++)
		merge_add(&merge, packet_check(in->packets[i], in->len[i]));
	merge_flush(&merge);
}

void wire_put_cut(struct wire *w, const struct iovec *iov, int count)
{
	static struct cut_batch b;
	const struct virtio_net_hdr *v = iov[0].iov_base;
	size_t len;
	uint8_t *packet = join(iov + 1, count - 1, &len);
	struct packet_ip *ip = packet_check(packet, len);
	struct cut cut;

	FUZZ_CHECK(ip);
	if (v->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		append(w, packet, len);
		return;
	}
	FUZZ_CHECK(cut_begin(v, ip, &cut) == 1);
	while (cut_next(&cut, &b)) {
		const uint8_t *payload = b.payload;

		for (uint32_t i = 0; i < b.count; i++, payload += b.size)
			wire_put(w, b.headers[i], b.header, payload,
				 i + 1 < b.count ? b.size : b.last);
	}
	free(packet);
}

void wire_reset(struct wire *w)
{
	while (w->count > 0)
		free(w->packets[--w->count]);
}

void wire_fix_header(uint8_t *bytes, size_t len)
{
	struct packet_ip *ip = (struct packet_ip *)bytes;
	size_t words = len / 4 < 15 ? len / 4 : 15;

	if (len < PACKET_IP_MIN || len > PACKET_MAX)
		return;
	if ((ip->version_ihl & 15u) < 5 || (ip->version_ihl & 15u) > words)
		ip->version_ihl = 5;
	ip->version_ihl = (uint8_t)(0x40u | (ip->version_ihl & 15u));
	ip->len_be = htons((uint16_t)len);
	packet_ip_seal(ip);
}

void wire_fix_transport(uint8_t *bytes, size_t len)
{
	const struct packet_ip *ip = (const struct packet_ip *)bytes;
	size_t ip_len = packet_ip_len(ip), room = len - ip_len, at;
	uint16_t sum = 0;

	if (ip->protocol == PACKET_TCP && room >= PACKET_TCP_MIN) {
		at = offsetof(struct packet_tcp, sum);
	} else if (ip->protocol == PACKET_UDP && room >= PACKET_UDP_LEN) {
		at = offsetof(struct packet_udp, sum);
		((struct packet_udp *)(bytes + ip_len))->len_be = htons((uint16_t)room);
	} else {
		return;
	}
	memcpy(bytes + ip_len + at, &sum, sizeof(sum));
	sum = packet_sum_fold(packet_sum(packet_sum_pseudo(ip, room), bytes + ip_len, room));
	if (sum == 0)
		sum = 0xffff; /* the same number; in UDP 0 means: none */
	memcpy(bytes + ip_len + at, &sum, sizeof(sum));
}
