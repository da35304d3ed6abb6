/* backends/udp/packet.c - IPv4 packets in memory and their checksums. */
#include "packet.h"

#include <arpa/inet.h>
#include <string.h>

/* What every machine with vectors has a register for. */
typedef uint32_t lanes __attribute__((vector_size(16)));

#define BLOCK (2 * sizeof(lanes))

/* 16-bit words in 32-bit sums: two of them overflow after 2^15 turns, which are 1 MB. */
static uint64_t sum_blocks(const uint8_t *p, size_t blocks)
{
	lanes even[2] = {{0}}, odd[2] = {{0}}, w[2];
	uint64_t sum = 0;

	for (; blocks > 0; p += BLOCK, blocks--) {
		memcpy(w, p, BLOCK);
		even[0] += w[0] & 0xffffu;
		odd[0] += w[0] >> 16;
		even[1] += w[1] & 0xffffu;
		odd[1] += w[1] >> 16;
	}
	even[0] += even[1];
	odd[0] += odd[1];
	for (size_t i = 0; i < sizeof(lanes) / sizeof(uint32_t); i++)
		sum += (uint64_t)even[0][i] + odd[0][i];
	return sum;
}

uint64_t packet_sum(uint64_t sum, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint16_t word;

	sum += sum_blocks(p, len / BLOCK);
	p += len - len % BLOCK;
	len %= BLOCK;
	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	word = 0;
	memcpy(&word, p, len);
	return sum + word;
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
