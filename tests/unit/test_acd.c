/* tests/unit/test_acd.c - which ARP packets show that another host has our address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/defs.h"
#include "io/acd.h"

#define US   0x02, 0, 0, 0, 0, 1
#define THEM 0x02, 0, 0, 0, 0, 2

enum { OPERATION = 7, SENDER_MAC = 8, SENDER_IP = 14, TARGET_IP = 24 };

static const struct fl_acd_conf conf = {
	.ifindex = 3, .mac = {{US}}, .addr = {.family = 2, .bytes = {192, 0, 2, 11}}};

/* They answer that 192.0.2.11 is theirs. */
static const uint8_t answer[FL_ACD_PACKET] = {0,   1, 8, 0,  6,	 4, 0, 2, THEM,
					      192, 0, 2, 11, US, 0, 0, 0, 0};

static bool is_conflict(const uint8_t *packet, size_t len)
{
	struct fl_mac mac;

	return fl_acd_is_conflict(&conf, packet, len, &mac);
}

static void a_probe_asks_and_tells_no_address(void **state)
{
	static const uint8_t expected[FL_ACD_PACKET] = {0, 1, 8, 0, 6, 4, 0, 1,	  US, 0, 0, 0,
							0, 0, 0, 0, 0, 0, 0, 192, 0,  2, 11};
	uint8_t packet[FL_ACD_PACKET];

	(void)state;
	fl_acd_put_probe(&conf, packet);
	assert_memory_equal(packet, expected, sizeof(expected));
	assert_false(is_conflict(packet, sizeof(packet)));
}

static void who_sends_as_our_address_has_it(void **state)
{
	const struct fl_mac them = {{THEM}};
	uint8_t packet[FL_ACD_PACKET + 18]; /* Ethernet's padding */
	struct fl_mac mac;

	(void)state;
	memset(packet, 0, sizeof(packet));
	memcpy(packet, answer, sizeof(answer));
	assert_true(fl_acd_is_conflict(&conf, packet, sizeof(packet), &mac));
	assert_true(fl_mac_equal(&mac, &them));
	packet[OPERATION] = 1; /* an announcement, or their own question */
	assert_true(is_conflict(packet, sizeof(packet)));
}

static void all_else_is_no_conflict(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} other[] = {{0, 1}, {1, 6}, {2, 9}, {4, 8}, {5, 16}, {SENDER_IP + 3, 12}, {SENDER_MAC, 1}};
	const struct fl_mac us = {{US}};
	uint8_t packet[FL_ACD_PACKET];

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(other); i++) {
		memcpy(packet, answer, sizeof(packet));
		packet[other[i].at] = other[i].value;
		assert_false(is_conflict(packet, sizeof(packet)));
	}
	memcpy(packet, answer, sizeof(packet));
	memcpy(packet + SENDER_MAC, &us, sizeof(us));
	assert_false(is_conflict(packet, sizeof(packet)));
	for (size_t len = 0; len < sizeof(answer); len++)
		assert_false(is_conflict(answer, len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_probe_asks_and_tells_no_address),
		cmocka_unit_test(who_sends_as_our_address_has_it),
		cmocka_unit_test(all_else_is_no_conflict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
