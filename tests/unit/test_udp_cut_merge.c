/* tests/unit/test_udp_cut_merge.c - what is cut and merged again is what it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/udp/cut.h"
#include "backends/udp/merge.h"

#define ROUNDS	3000
#define WIRE	(4u << 20)
#define PACKETS 256u

/* ---- random packets ---- */

static uint64_t state;

static uint32_t pick(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

static void fill(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)pick(256);
}

/* An IPv4 header with options at random. @return its bytes */
static size_t put_ip(uint8_t *at, uint8_t protocol, uint16_t id, bool df)
{
	size_t options = pick(4) == 0 ? 4 * (1 + pick(10)) : 0, len = PACKET_IP_MIN + options;
	struct packet_ip *ip = (struct packet_ip *)at;

	*ip = (struct packet_ip){
		.version_ihl = (uint8_t)(0x40 | len / 4),
		.tos = (uint8_t)pick(256),
		.id_be = htons(id),
		.frag_be = htons(df ? PACKET_DF : 0),
		.ttl = (uint8_t)(1 + pick(255)),
		.protocol = protocol,
		.src_be = htonl(0x0a050102),
		.dst_be = htonl(0x0a050202),
	};
	memset(at + PACKET_IP_MIN, 1, options); /* no operation */
	return len;
}

static size_t put_tcp(uint8_t *at, uint8_t flags)
{
	size_t options = 4 * pick(11), len = PACKET_TCP_MIN + options;
	struct packet_tcp *tcp = (struct packet_tcp *)at;

	*tcp = (struct packet_tcp){
		.src_be = htons(40000),
		.dst_be = htons(80),
		.seq_be = htonl(pick(2) ? 0xfffff000u + pick(0x2000) : pick(UINT32_MAX)),
		.ack_be = htonl(pick(UINT32_MAX)),
		.offset = (uint8_t)(len / 4 << 4),
		.flags = flags,
		.window_be = htons((uint16_t)pick(65536)),
	};
	memset(at + PACKET_TCP_MIN, 1, options);
	return len;
}

/* What the kernel would hand over: the length of all, the pseudo-header's sum in the checksum. */
static struct virtio_net_hdr finish(uint8_t *bytes, size_t len, size_t ip_len, size_t header,
				    uint16_t size)
{
	struct packet_ip *ip = (struct packet_ip *)bytes;
	size_t offset = ip->protocol == PACKET_TCP ? offsetof(struct packet_tcp, sum)
						   : offsetof(struct packet_udp, sum);
	uint16_t sum;

	ip->len_be = htons((uint16_t)len);
	packet_ip_seal(ip);
	sum = (uint16_t)~packet_sum_fold(packet_sum_pseudo(ip, len - ip_len));
	memcpy(bytes + ip_len + offset, &sum, sizeof(sum));
	return (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type =
			ip->protocol == PACKET_TCP ? VIRTIO_NET_HDR_GSO_TCPV4 : PACKET_GSO_UDP_L4,
		.hdr_len = (uint16_t)header,
		.gso_size = size,
		.csum_start = (uint16_t)ip_len,
		.csum_offset = (uint16_t)offset,
	};
}

/* ---- the wire: segments one behind the other ---- */

struct wire {
	uint8_t bytes[WIRE];
	struct packet_ip *packets[4096];
	uint32_t count;
	size_t used;
};
static struct wire wire;

static void wire_put(const struct cut_batch *b)
{
	const uint8_t *payload = b->payload;
	size_t total = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		size_t len = i + 1 < b->count ? b->size : b->last;
		uint8_t *at = wire.bytes + wire.used;

		memcpy(at, b->headers[i], b->header);
		memcpy(at + b->header, payload, len);
		payload += len;
		wire.used += (b->header + len + 63u) & ~63u;
		total += b->header + len;
		wire.packets[wire.count] = packet_check(at, b->header + len);
		assert_non_null(wire.packets[wire.count]);
		wire.count++;
	}
	assert_in_range(total, 1, CUT_BYTES);
}

static void wire_cut(const struct virtio_net_hdr *v, uint8_t *bytes)
{
	static struct cut_batch b;
	struct cut cut;

	wire.count = 0;
	wire.used = 0;
	assert_int_equal(cut_begin(v, (struct packet_ip *)bytes, &cut), 1);
	while (cut_next(&cut, &b)) {
		assert_in_range(b.count, 1, CUT_SEGMENTS);
		wire_put(&b);
	}
}

static bool transport_is_sound(const struct packet_ip *ip)
{
	size_t ip_len = packet_ip_len(ip), len = ntohs(ip->len_be) - ip_len;

	return packet_sum_fold(packet_sum(packet_sum_pseudo(ip, len), (const uint8_t *)ip + ip_len,
					  len)) == 0;
}

/* ---- what comes out of the merge ---- */

struct sink {
	uint8_t bytes[PACKET_MAX + 1];
	size_t len;
	struct virtio_net_hdr virtio;
	uint32_t count;
};
static struct sink sink;

static void on_out(void *owner, const struct iovec *iov, int count)
{
	struct sink *s = owner;

	assert_int_equal(iov[0].iov_len, sizeof(s->virtio));
	memcpy(&s->virtio, iov[0].iov_base, sizeof(s->virtio));
	s->len = 0;
	for (int i = 1; i < count; i++) {
		assert_true(s->len + iov[i].iov_len <= PACKET_MAX);
		memcpy(s->bytes + s->len, iov[i].iov_base, iov[i].iov_len);
		s->len += iov[i].iov_len;
	}
	s->count++;
}

static struct merge merge;

static void merge_start(void)
{
	memset(&sink, 0, sizeof(sink));
	merge_init(&merge, on_out, &sink);
}

/* ---- tests ---- */

static int seed(void **unused)
{
	const char *given = getenv("TEST_SEED");

	(void)unused;
	state = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	print_message("TEST_SEED=%llu\n", (unsigned long long)state);
	return 0;
}

static void tcp_is_the_same_after_cutting_and_merging(void **unused)
{
	static uint8_t bytes[PACKET_MAX + 1];

	(void)unused;
	for (int round = 0; round < ROUNDS; round++) {
		uint8_t flags = (uint8_t)(PACKET_ACK | (pick(3) ? 0 : PACKET_PSH));
		size_t ip_len = put_ip(bytes, PACKET_TCP, (uint16_t)pick(65536), pick(2));
		size_t header = ip_len + put_tcp(bytes + ip_len, flags);
		uint16_t size = (uint16_t)(1000 + pick(500));
		size_t len = header + size + 1 + pick((uint32_t)(PACKET_MAX - header - size));
		struct virtio_net_hdr v;

		fill(bytes + header, len - header);
		v = finish(bytes, len, ip_len, header, size);
		wire_cut(&v, bytes);
		merge_start();
		for (uint32_t i = 0; i < wire.count; i++) {
			assert_true(transport_is_sound(wire.packets[i]));
			merge_add(&merge, wire.packets[i]);
		}
		merge_flush(&merge);
		assert_int_equal(sink.count, 1);
		assert_int_equal(sink.len, len);
		assert_memory_equal(sink.bytes, bytes, len);
		assert_memory_equal(&sink.virtio, &v, sizeof(v));
	}
}

static void udp_is_cut_into_whole_datagrams(void **unused)
{
	static uint8_t bytes[PACKET_MAX + 1];

	(void)unused;
	for (int round = 0; round < ROUNDS / 10; round++) {
		size_t ip_len = put_ip(bytes, PACKET_UDP, 7, true), at = 0;
		size_t header = ip_len + PACKET_UDP_LEN, len = header + 2 + pick(60000);
		uint16_t size = (uint16_t)(1 + pick(1400));
		struct packet_udp *udp = (struct packet_udp *)(bytes + ip_len);
		struct virtio_net_hdr v;

		if ((len - header) / size > 4000)
			continue;
		*udp = (struct packet_udp){.src_be = htons(1), .dst_be = htons(2)};
		fill(bytes + header, len - header);
		v = finish(bytes, len, ip_len, header, size);
		wire_cut(&v, bytes);
		for (uint32_t i = 0; i < wire.count; i++) {
			const struct packet_ip *ip = wire.packets[i];
			const struct packet_udp *u = (const void *)((const uint8_t *)ip + ip_len);
			size_t n = ntohs(ip->len_be) - header;

			assert_true(transport_is_sound(ip));
			assert_int_not_equal(u->sum, 0);
			assert_int_equal(ntohs(u->len_be), n + PACKET_UDP_LEN);
			assert_int_equal(ntohs(ip->id_be), 7 + i);
			assert_memory_equal((const uint8_t *)ip + header, bytes + header + at, n);
			at += n;
		}
		assert_int_equal(at, len - header);
	}
}

/* One flow of segments that follow each other: 3 of 100 bytes. */
static void make_flow(uint8_t flags)
{
	static uint8_t bytes[2048];
	struct virtio_net_hdr v;

	struct packet_ip *ip = (struct packet_ip *)bytes;
	struct packet_tcp *tcp = (struct packet_tcp *)(bytes + PACKET_IP_MIN);

	*ip = (struct packet_ip){.version_ihl = 0x45,
				 .id_be = htons(9),
				 .frag_be = htons(PACKET_DF),
				 .ttl = 64,
				 .protocol = PACKET_TCP,
				 .src_be = htonl(0x0a050102),
				 .dst_be = htonl(0x0a050202)};
	*tcp = (struct packet_tcp){.src_be = htons(1),
				   .dst_be = htons(2),
				   .seq_be = htonl(1000),
				   .offset = 0x50,
				   .flags = flags,
				   .window_be = htons(500)};
	fill(bytes + 40, 300);
	v = finish(bytes, 340, 20, 40, 100);
	wire_cut(&v, bytes);
	assert_int_equal(wire.count, 3);
}

static struct packet_tcp *tcp_of(uint32_t i)
{
	return (struct packet_tcp *)((uint8_t *)wire.packets[i] + PACKET_IP_MIN);
}

static void reseal(uint32_t i)
{
	struct packet_ip *ip = wire.packets[i];
	size_t len = ntohs(ip->len_be) - PACKET_IP_MIN;

	packet_ip_seal(ip);
	tcp_of(i)->sum = 0;
	tcp_of(i)->sum = packet_sum_fold(packet_sum(packet_sum_pseudo(ip, len), tcp_of(i), len));
}

static uint32_t packets_out(void)
{
	merge_start();
	for (uint32_t i = 0; i < wire.count; i++)
		merge_add(&merge, wire.packets[i]);
	merge_flush(&merge);
	return sink.count;
}

/* Each difference keeps the last segment out. */
static void differ_ack(void)
{
	tcp_of(2)->ack_be = htonl(1);
}

static void differ_window(void)
{
	tcp_of(2)->window_be = htons(501);
}

static void differ_seq(void)
{
	tcp_of(2)->seq_be = htonl(1201);
}

static void differ_tos(void)
{
	wire.packets[2]->tos = 1;
}

static void differ_ttl(void)
{
	wire.packets[2]->ttl = 63;
}

static void differ_df(void)
{
	wire.packets[2]->frag_be = 0;
}

static void differ_id(void)
{
	wire.packets[2]->id_be = htons(77);
}

static void differ_port(void)
{
	tcp_of(2)->src_be = htons(3);
}

static void differ_address(void)
{
	wire.packets[2]->src_be = htonl(0x0a050103);
}

static void differ_ece(void)
{
	tcp_of(2)->flags |= PACKET_ECE;
}

static void differ_fin(void)
{
	tcp_of(2)->flags |= PACKET_FIN;
}

static void differ_cwr(void)
{
	tcp_of(2)->flags |= PACKET_CWR;
}

static void differ_fragment(void)
{
	wire.packets[2]->frag_be = htons(PACKET_MF);
}

static void what_differs_is_not_merged(void **unused)
{
	static void (*const differences[])(void) = {
		differ_ack, differ_window, differ_seq,	    differ_tos,	    differ_ttl,
		differ_df,  differ_id,	   differ_port,	    differ_address, differ_ece,
		differ_fin, differ_cwr,	   differ_fragment,
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(differences) / sizeof(*differences); i++) {
		make_flow(PACKET_ACK);
		assert_int_equal(packets_out(), 1);
		differences[i]();
		reseal(2);
		assert_int_equal(packets_out(), 2);
	}
}

static void a_bad_checksum_goes_alone_and_untouched(void **unused)
{
	(void)unused;
	make_flow(PACKET_ACK);
	tcp_of(1)->sum ^= 0x1111;
	assert_int_equal(packets_out(), 3);
	make_flow(PACKET_ACK);
	tcp_of(2)->sum ^= 0x1111;
	assert_int_equal(packets_out(), 2);
	assert_memory_equal(sink.bytes, wire.packets[2], 140);
	assert_int_equal(sink.virtio.flags, 0);
}

static void a_push_ends_a_packet(void **unused)
{
	(void)unused;
	make_flow(PACKET_ACK);
	tcp_of(0)->flags |= PACKET_PSH;
	reseal(0);
	assert_int_equal(packets_out(), 2);
	make_flow(PACKET_ACK | PACKET_PSH);
	assert_int_equal(packets_out(), 1);
	assert_true(((struct packet_tcp *)(sink.bytes + 20))->flags & PACKET_PSH);
}

static void identifications_may_stand_still_with_df(void **unused)
{
	(void)unused;
	make_flow(PACKET_ACK);
	for (uint32_t i = 0; i < 3; i++) {
		wire.packets[i]->id_be = 0;
		reseal(i);
	}
	assert_int_equal(packets_out(), 1);
	for (uint32_t i = 0; i < 3; i++) {
		wire.packets[i]->frag_be = 0;
		reseal(i);
	}
	assert_int_equal(packets_out(), 3);
}

static void a_pure_acknowledgement_overtakes_nothing(void **unused)
{
	static uint8_t ack[64] __attribute__((aligned(8)));

	(void)unused;
	make_flow(PACKET_ACK);
	memcpy(ack, wire.packets[2], 40);
	((struct packet_ip *)ack)->len_be = htons(40);
	wire.packets[2] = (struct packet_ip *)ack;
	reseal(2);
	assert_int_equal(packets_out(), 2);
	assert_int_equal(sink.len, 40); /* last */
}

static void headers_that_lie_are_refused(void **unused)
{
	static uint8_t bytes[PACKET_MAX + 1];
	struct virtio_net_hdr good, v;
	struct cut cut;

	(void)unused;
	for (int round = 0; round < ROUNDS; round++) {
		size_t ip_len =
			put_ip(bytes, (uint8_t)(pick(2) ? PACKET_TCP : PACKET_UDP), 1, true);
		size_t len = ip_len + pick(100);

		fill(bytes + ip_len, len - ip_len);
		((struct packet_ip *)bytes)->len_be = htons((uint16_t)len);
		fill((uint8_t *)&v, sizeof(v));
		if (pick(2))
			v.gso_type = (uint8_t)(pick(2) ? 1 : 5);
		/* only that nothing outside of the packet is touched: ASan and valgrind see it */
		(void)cut_begin(&v, (struct packet_ip *)bytes, &cut);
	}
	make_flow(PACKET_ACK);
	memcpy(bytes, wire.packets[0], 140);
	good = finish(bytes, 140, 20, 40, 50);
	v = good;
	v.gso_size = 0;
	assert_int_equal(cut_begin(&v, (struct packet_ip *)bytes, &cut), -EBADMSG);
	v = good;
	v.gso_type = PACKET_GSO_UDP_L4;
	assert_int_equal(cut_begin(&v, (struct packet_ip *)bytes, &cut), -EBADMSG);
	v = good;
	v.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	v.csum_start = 139;
	assert_int_equal(cut_begin(&v, (struct packet_ip *)bytes, &cut), -EBADMSG);
	v.csum_start = 20;
	assert_int_equal(cut_begin(&v, (struct packet_ip *)bytes, &cut), 0);
	assert_true(transport_is_sound((struct packet_ip *)bytes));
}

static void malformed_packets_are_none(void **unused)
{
	uint8_t bytes[64];
	size_t len = 40;

	(void)unused;
	memset(bytes, 0, sizeof(bytes));
	*(struct packet_ip *)bytes = (struct packet_ip){
		.version_ihl = 0x45, .len_be = htons(40), .ttl = 1, .protocol = 17};
	packet_ip_seal((struct packet_ip *)bytes);
	assert_non_null(packet_check(bytes, len));
	assert_null(packet_check(bytes, len - 1));
	assert_null(packet_check(bytes, len + 1));
	assert_null(packet_check(bytes, 19));
	bytes[0] = 0x65;
	assert_null(packet_check(bytes, len));
	bytes[0] = 0x44;
	assert_null(packet_check(bytes, len));
	bytes[0] = 0x4f;
	assert_null(packet_check(bytes, len));
	bytes[0] = 0x45;
	bytes[8] = 2;
	assert_null(packet_check(bytes, len));
}

static void a_hop_less_keeps_the_checksum_right(void **unused)
{
	uint8_t bytes[20];

	(void)unused;
	for (int round = 0; round < ROUNDS; round++) {
		struct packet_ip *ip = (struct packet_ip *)bytes;

		fill(bytes, sizeof(bytes));
		ip->version_ihl = 0x45;
		ip->len_be = htons(20);
		ip->ttl = (uint8_t)(1 + pick(255));
		packet_ip_seal(ip);
		packet_ttl_dec(ip);
		assert_non_null(packet_check(bytes, 20));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_is_the_same_after_cutting_and_merging),
		cmocka_unit_test(udp_is_cut_into_whole_datagrams),
		cmocka_unit_test(what_differs_is_not_merged),
		cmocka_unit_test(a_bad_checksum_goes_alone_and_untouched),
		cmocka_unit_test(a_push_ends_a_packet),
		cmocka_unit_test(identifications_may_stand_still_with_df),
		cmocka_unit_test(a_pure_acknowledgement_overtakes_nothing),
		cmocka_unit_test(headers_that_lie_are_refused),
		cmocka_unit_test(malformed_packets_are_none),
		cmocka_unit_test(a_hop_less_keeps_the_checksum_right),
	};

	return cmocka_run_group_tests(tests, seed, NULL);
}
