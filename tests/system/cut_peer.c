/* tests/system/cut_peer.c - is what udp cuts what the kernel's own segmentation cuts? Random
 * packets with a virtio header go into one tun device; the kernel forwards them to another that has
 * no offloads, so it segments them; that must be, byte for byte, what cut_begin() and cut_next()
 * make.
 *
 *     cut_peer FROM TO ROUNDS SEED
 *
 * FROM and TO are tun devices with a virtio header; 10.9.1.2 is behind FROM, 10.9.2.2 behind TO.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backends/udp/cut.h"

#define MTU	   1500u
#define TIMEOUT_MS 5000
#define ROOM	   (sizeof(struct virtio_net_hdr) + PACKET_MAX)

/* A packet as it goes in: what the kernel gets, and what we cut. */
struct packet {
	uint8_t pad[6]; /* so that the packet behind the virtio header is aligned */
	struct virtio_net_hdr v;
	uint8_t bytes[PACKET_MAX];
};

static uint64_t state;

static uint32_t pick(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

/* The kernel takes note of the carrier in a work queue of its own; until then the device drops what
 * is sent through it. */
static void wait_running(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	for (int tries = 0; tries < 1000; tries++) {
		if (ioctl(fd, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_RUNNING))
			break;
		(void)usleep(10000);
	}
	(void)close(fd);
}

static int attach(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETOFFLOAD, 0) < 0) {
		perror(name);
		exit(2);
	}
	wait_running(name);
	return fd;
}

/* ---- random packets ---- */

static size_t put_ip(uint8_t *at, uint8_t protocol)
{
	size_t options = pick(4) == 0 ? 4 * (1 + pick(10)) : 0, len = PACKET_IP_MIN + options;
	struct packet_ip *ip = (struct packet_ip *)at;

	*ip = (struct packet_ip){
		.version_ihl = (uint8_t)(0x40 | len / 4),
		.tos = (uint8_t)pick(256),
		.id_be = htons((uint16_t)pick(65536)),
		.frag_be = htons(pick(2) ? PACKET_DF : 0),
		.ttl = (uint8_t)(2 + pick(254)),
		.protocol = protocol,
		.src_be = htonl(0x0a090102),
		.dst_be = htonl(0x0a090202),
	};
	memset(at + PACKET_IP_MIN, 1, options); /* no operation */
	return len;
}

static size_t put_tcp(uint8_t *at)
{
	static const uint8_t flags[] = {PACKET_PSH, PACKET_FIN, PACKET_CWR, PACKET_ECE, PACKET_URG};
	size_t len = PACKET_TCP_MIN + 4 * pick(11);
	struct packet_tcp *tcp = (struct packet_tcp *)at;

	*tcp = (struct packet_tcp){
		.src_be = htons((uint16_t)(1024 + pick(60000))),
		.dst_be = htons(80),
		.seq_be = htonl(pick(2) ? 0xfffff000u + pick(0x1000) : pick(UINT32_MAX)),
		.ack_be = htonl(pick(UINT32_MAX)),
		.offset = (uint8_t)(len / 4 << 4),
		.flags = PACKET_ACK,
		.window_be = htons((uint16_t)pick(65536)),
	};
	for (size_t i = 0; i < sizeof(flags); i++)
		if (pick(3) == 0)
			tcp->flags |= flags[i];
	memset(at + PACKET_TCP_MIN, 1, len - PACKET_TCP_MIN);
	return len;
}

static size_t put_udp(uint8_t *at, size_t payload)
{
	*(struct packet_udp *)at = (struct packet_udp){
		.src_be = htons((uint16_t)(1024 + pick(60000))),
		.dst_be = htons(53),
		.len_be = htons((uint16_t)(PACKET_UDP_LEN + payload)),
	};
	return PACKET_UDP_LEN;
}

/* What the sender of a packet without its checksum leaves in the field. */
static void put_partial_sum(struct packet *p, size_t ip_len, size_t len)
{
	struct packet_ip *ip = (struct packet_ip *)p->bytes;
	uint16_t sum;

	p->v.csum_start = (uint16_t)ip_len;
	p->v.csum_offset = ip->protocol == PACKET_TCP ? offsetof(struct packet_tcp, sum)
						      : offsetof(struct packet_udp, sum);
	sum = (uint16_t)~packet_sum_fold(packet_sum_pseudo(ip, len - ip_len));
	memcpy(p->bytes + ip_len + p->v.csum_offset, &sum, sizeof(sum));
}

/* Bytes of payload: some segments, or less than one without segmentation. */
static size_t pick_payload(bool whole, size_t size, bool udp)
{
	size_t most = udp ? 60 * size : 62000;

	if (whole)
		return 1 + pick((uint32_t)size);
	if (most > 62000)
		most = 62000;
	return size + 1 + pick((uint32_t)(most - size));
}

/* @return bytes of the packet */
static size_t make(struct packet *p, bool udp)
{
	size_t ip_len = put_ip(p->bytes, udp ? PACKET_UDP : PACKET_TCP), header, payload, size;
	bool whole = pick(5) == 0;

	header = ip_len + (udp ? PACKET_UDP_LEN : put_tcp(p->bytes + ip_len));
	size = whole || pick(2) ? MTU - header : 200 + pick((uint32_t)(MTU - header - 200));
	payload = pick_payload(whole, size, udp);
	if (udp)
		(void)put_udp(p->bytes + ip_len, payload);
	for (size_t i = 0; i < payload; i++)
		p->bytes[header + i] = (uint8_t)pick(256);
	((struct packet_ip *)p->bytes)->len_be = htons((uint16_t)(header + payload));
	packet_ip_seal((struct packet_ip *)p->bytes);
	p->v = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM};
	put_partial_sum(p, ip_len, header + payload);
	if (!whole) {
		p->v.gso_type = udp ? PACKET_GSO_UDP_L4 : VIRTIO_NET_HDR_GSO_TCPV4;
		p->v.hdr_len = (uint16_t)header;
		p->v.gso_size = (uint16_t)size;
	}
	return header + payload;
}

/* ---- comparing ---- */

static void dump(const char *who, const uint8_t *bytes, size_t len)
{
	(void)printf("%s, %zu bytes:", who, len);
	for (size_t i = 0; i < len && i < CUT_HEADER + 8; i++)
		(void)printf("%s%02x", i % 4 ? "" : " ", bytes[i]);
	(void)printf("\n");
}

/* The next IPv4 packet that the kernel has made; of itself it only says IPv6. @return its bytes,
 * with the virtio header; -1: none comes */
static ssize_t next_packet(int fd, uint8_t got[ROOM])
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	do
		n = poll(&p, 1, TIMEOUT_MS) == 1 ? read(fd, got, ROOM) : -1;
	while (n > (ssize_t)sizeof(struct virtio_net_hdr) &&
	       got[sizeof(struct virtio_net_hdr)] >> 4 == 6);
	return n;
}

/* The next packet that the kernel has made is this one. */
static bool expect(int fd, const uint8_t *bytes, size_t len)
{
	static uint8_t got[ROOM];
	size_t shift = sizeof(struct virtio_net_hdr);
	ssize_t n = next_packet(fd, got);

	if (n == (ssize_t)(shift + len) && memcmp(got + shift, bytes, len) == 0)
		return true;
	dump("ours", bytes, len);
	if (n < (ssize_t)shift)
		(void)printf("the kernel's: none\n");
	else
		dump("the kernel's", got + shift, (size_t)n - shift);
	return false;
}

static bool expect_batch(int fd, const struct cut_batch *b)
{
	static uint8_t whole[PACKET_MAX];
	const uint8_t *payload = b->payload;
	size_t len;

	for (uint32_t i = 0; i < b->count; i++, payload += len) {
		len = i + 1 < b->count ? b->size : b->last;
		memcpy(whole, b->headers[i], b->header);
		memcpy(whole + b->header, payload, len);
		if (!expect(fd, whole, b->header + len))
			return false;
	}
	return true;
}

/* @return segments; 0: they differ */
static uint32_t compare(int from, int to, bool udp)
{
	static struct packet p;
	static struct cut_batch batch;
	size_t len = make(&p, udp);
	struct packet_ip *ip = (struct packet_ip *)p.bytes;
	struct cut cut;
	uint32_t segments = 0;
	const struct iovec iov[2] = {
		{.iov_base = &p.v, .iov_len = sizeof(p.v)},
		{.iov_base = p.bytes, .iov_len = len},
	};
	int r;

	if (writev(from, iov, 2) < 0) {
		perror("write");
		return 0;
	}
	packet_ttl_dec(ip); /* as the kernel does when it forwards */
	r = cut_begin(&p.v, ip, &cut);
	if (r < 0 || !packet_check(ip, len))
		return 0;
	if (r == 0)
		return expect(to, p.bytes, len);
	while (cut_next(&cut, &batch)) {
		if (!expect_batch(to, &batch))
			return 0;
		segments += batch.count;
	}
	return segments;
}

int main(int argc, char **argv)
{
	uint64_t segments = 0;
	int from, to, rounds;
	bool uso;

	if (argc != 5) {
		(void)fprintf(stderr, "usage: cut_peer FROM TO ROUNDS SEED\n");
		return 2;
	}
	rounds = atoi(argv[3]);
	state = strtoull(argv[4], NULL, 10);
	from = attach(argv[1]);
	to = attach(argv[2]);
	uso = ioctl(from, TUNSETOFFLOAD, TUN_F_CSUM | 0x20 | 0x40) == 0; /* TUN_F_USO4, _USO6 */
	for (int i = 0; i < rounds; i++) {
		uint32_t n = compare(from, to, uso && pick(3) == 0);

		if (n == 0) {
			(void)printf("packet %d differs\n", i);
			return 1;
		}
		segments += n;
	}
	(void)printf("%d packets, %llu segments, %s: equal\n", rounds, (unsigned long long)segments,
		     uso ? "TCP and UDP" : "TCP");
	return 0;
}
