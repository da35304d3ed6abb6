/* backends/udp/packet.c - IPv4 packets in memory and their checksums. */
#include "packet.h"

#include <arpa/inet.h>
#include <string.h>

uint64_t packet_sum(uint64_t sum, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t a = 0, b = 0, c = 0, d = 0;
	uint64_t w[4];

	/* Halves of 64-bit words in 64-bit sums: 2^32 of them fit before one overflows. */
	for (; len >= sizeof(w); p += sizeof(w), len -= sizeof(w)) {
		memcpy(w, p, sizeof(w));
		a += (w[0] & 0xffffffffu) + (w[1] & 0xffffffffu);
		b += (w[0] >> 32) + (w[1] >> 32);
		c += (w[2] & 0xffffffffu) + (w[3] & 0xffffffffu);
		d += (w[2] >> 32) + (w[3] >> 32);
	}
	for (; len >= 2; p += 2, len -= 2) {
		uint16_t word;

		memcpy(&word, p, sizeof(word));
		a += word;
	}
	if (len) {
		uint16_t word = 0;

		memcpy(&word, p, 1);
		b += word;
	}
	return sum + a + b + c + d;
}

uint16_t packet_sum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffffu) + (sum >> 16);
	return (uint16_t)~sum;
}

uint64_t packet_sum_pseudo(const struct packet_ip *ip, size_t len)
{
	uint64_t sum = packet_sum(0, &ip->src_be, 8);

	return sum + htons(ip->protocol) + htons((uint16_t)len);
}

void packet_ip_seal(struct packet_ip *ip)
{
	ip->sum = 0;
	ip->sum = packet_sum_fold(packet_sum(0, ip, packet_ip_len(ip)));
}

void packet_ttl_dec(struct packet_ip *ip)
{
	uint32_t sum = (uint32_t)ntohs(ip->sum) + 0x0100u; /* the TTL is an upper byte */

	ip->sum = htons((uint16_t)(sum + (sum >> 16)));
	ip->ttl--;
}

struct packet_ip *packet_check(void *bytes, size_t len)
{
	struct packet_ip *ip = bytes;
	size_t header;

	if (len < PACKET_IP_MIN || len > PACKET_MAX || ip->version_ihl >> 4 != 4)
		return NULL;
	header = packet_ip_len(ip);
	if (header < PACKET_IP_MIN || header > len || ntohs(ip->len_be) != len)
		return NULL;
	return packet_sum_fold(packet_sum(0, ip, header)) == 0 ? ip : NULL;
}
