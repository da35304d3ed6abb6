/* backends/udp/icmp.c - ICMP errors. */
#include "icmp.h"

#include <arpa/inet.h>
#include <string.h>

#define TTL 64u

struct icmp_header {
	uint8_t type;
	uint8_t code;
	uint16_t sum;
	uint16_t unused;
	uint16_t mtu_be;
};

/* One host's address, as a source may be: not 0/8, loopback, multicast, or 240/4 and broadcast. */
static bool is_host(uint32_t addr_be)
{
	uint32_t first = ntohl(addr_be) >> 24;

	return first != 0 && first != 127 && first < 224;
}

/* Echo, timestamp and the like are no errors (RFC 1812, 4.3.2.7). */
static bool is_icmp_error(const struct packet_ip *ip)
{
	size_t header = packet_ip_len(ip);
	uint8_t type;

	if (ip->protocol != PACKET_ICMP)
		return false;
	if (ntohs(ip->len_be) <= header)
		return true; /* cannot be told */
	type = *((const uint8_t *)ip + header);
	return type != 0 && type != 8 && !(type >= 13 && type <= 18);
}

size_t icmp_make(const struct packet_ip *about, struct icmp_error e, uint32_t from_be,
		 uint8_t buf[ICMP_ERROR_MAX])
{
	struct packet_ip *ip = (struct packet_ip *)buf;
	struct icmp_header *icmp = (struct icmp_header *)(buf + PACKET_IP_MIN);
	size_t quoted = ntohs(about->len_be), len;

	if ((ntohs(about->frag_be) & PACKET_OFFSET) || is_icmp_error(about) ||
	    !is_host(about->src_be) || !is_host(about->dst_be))
		return 0;
	if (quoted > ICMP_ERROR_MAX - PACKET_IP_MIN - sizeof(*icmp))
		quoted = ICMP_ERROR_MAX - PACKET_IP_MIN - sizeof(*icmp);
	len = PACKET_IP_MIN + sizeof(*icmp) + quoted;
	*ip = (struct packet_ip){
		.version_ihl = 0x45,
		.tos = 0xc0, /* internetwork control: RFC 1812, 4.3.2.5 */
		.len_be = htons((uint16_t)len),
		.ttl = TTL,
		.protocol = PACKET_ICMP,
		.src_be = from_be,
		.dst_be = about->src_be,
	};
	packet_ip_seal(ip);
	*icmp = (struct icmp_header){.type = e.type, .code = e.code, .mtu_be = htons(e.mtu)};
	memcpy(icmp + 1, about, quoted);
	icmp->sum = packet_sum_fold(packet_sum(0, icmp, sizeof(*icmp) + quoted));
	return len;
}

/* A bucket as the time at which it will be full: each token moves that on. */
static bool take(struct icmp_bucket *b, uint64_t now_ms, uint64_t token_ms, uint64_t burst)
{
	if (b->at_ms < now_ms)
		b->at_ms = now_ms;
	if (b->at_ms - now_ms > token_ms * (burst - 1))
		return false;
	b->at_ms += token_ms;
	return true;
}

bool icmp_may(struct icmp_limit *l, uint32_t to_be, uint64_t now_ms)
{
	uint32_t h = to_be * 0x9e3779b1u;

	return take(&l->buckets[h >> 24], now_ms, 10, 20) && take(&l->all, now_ms, 1, 100);
}
