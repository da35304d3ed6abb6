/* tests/unit/test_udp_packet.c - IPv4 headers and checksums of udp. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "backends/udp/packet.h"

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

/* RFC 1071, word by word. */
static uint16_t plain_sum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffffu) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void the_sum_is_right_for_every_length_and_place(void **unused)
{
	static uint8_t bytes[PACKET_MAX];

	(void)unused;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * i >> 3);
	for (size_t len = 0; len < 300; len++)
		for (size_t at = 0; at < 40; at++)
			assert_int_equal(packet_sum_fold(packet_sum(0, bytes + at, len)),
					 plain_sum(bytes + at, len));
	memset(bytes, 0xff, sizeof(bytes)); /* the largest sums */
	assert_int_equal(packet_sum_fold(packet_sum(0, bytes, sizeof(bytes))),
			 plain_sum(bytes, sizeof(bytes)));
}

static void a_hop_less_keeps_the_checksum_right(void **unused)
{
	uint8_t bytes[20];

	(void)unused;
	for (uint32_t round = 0; round < 255 * 256; round++) {
		struct packet_ip *ip = (struct packet_ip *)bytes;

		memset(bytes, 0, sizeof(bytes));
		ip->version_ihl = 0x45;
		ip->len_be = htons(20);
		ip->id_be = htons((uint16_t)(round * 0x9e37u)); /* so that each sum occurs */
		ip->ttl = (uint8_t)(1 + round % 255);
		packet_ip_seal(ip);
		packet_ttl_dec(ip);
		assert_non_null(packet_check(bytes, 20));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_packets_are_none),
		cmocka_unit_test(the_sum_is_right_for_every_length_and_place),
		cmocka_unit_test(a_hop_less_keeps_the_checksum_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
