/* tests/unit/test_ctl.c - flannelctl's pure parts: echo packets, and text for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/icmp.h"
#include "ctl/show.h"

#define ID 0x1234

/* An IPv4 header without options, then the echo reply to our request. @return its length */
static size_t reply(uint8_t packet[128], uint16_t seq)
{
	uint8_t request[64];
	size_t len = ctl_icmp_request(request, ID, seq);

	memset(packet, 0, 128);
	packet[0] = 0x45;
	packet[9] = 1;
	memcpy(packet + 12, (const uint8_t[]){10, 5, 72, 0}, 4);
	memcpy(packet + 20, request, len);
	packet[20] = 0; /* a reply: its type is 8 less, so the checksum is 0x0800 more */
	packet[22] = (uint8_t)(packet[22] + 8);
	return 20 + len;
}

static void a_reply_to_our_request_tells_round_and_sender(void **state)
{
	uint8_t packet[128];
	uint32_t src = 0;

	(void)state;
	assert_int_equal(ctl_icmp_reply(packet, reply(packet, 7), ID, &src), 7);
	assert_int_equal(src, 0x0a054800);
}

static void what_is_no_reply_of_ours_is_passed_over(void **state)
{
	uint8_t packet[128];
	size_t len = reply(packet, 7);
	uint32_t src;

	(void)state;
	assert_int_equal(ctl_icmp_reply(packet, len, ID + 1, &src), -1);
	for (size_t i = 0; i < 28; i++)
		assert_int_equal(ctl_icmp_reply(packet, i, ID, &src), -1);
	packet[30] ^= 1; /* a bit of its payload */
	assert_int_equal(ctl_icmp_reply(packet, len, ID, &src), -1);
	len = reply(packet, 7);
	packet[0] = 0x65; /* not IPv4 */
	assert_int_equal(ctl_icmp_reply(packet, len, ID, &src), -1);
	packet[0] = 0x4f; /* with options up to the end */
	assert_int_equal(ctl_icmp_reply(packet, 60, ID, &src), -1);
	packet[0] = 0x41; /* a header that is too short to be one */
	assert_int_equal(ctl_icmp_reply(packet, len, ID, &src), -1);
}

static void spans_are_said_as_people_say_them(void **state)
{
	char buf[32];

	(void)state;
	assert_string_equal(ctl_span(-5, buf), "0s");
	assert_string_equal(ctl_span(59, buf), "59s");
	assert_string_equal(ctl_span(60, buf), "1m");
	assert_string_equal(ctl_span(3600, buf), "1h 0m");
	assert_string_equal(ctl_span(2 * 86400, buf), "2d");
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
	char buf[8];

	(void)state;
	assert_string_equal(ctl_clean("a\033[1m\n\x7f", buf, sizeof(buf)), "a?[1m??");
	assert_string_equal(ctl_clean("far too long", buf, sizeof(buf)), "far too");
}

static void a_table_keeps_its_columns(void **state)
{
	struct ctl_table t = {.columns = 2};

	(void)state;
	for (int i = 0; i < 1000; i++)
		ctl_table_add(&t, "cell");
	assert_int_equal(t.count, 1000);
	assert_false(t.failed);
	ctl_table_done(&t);
	assert_int_equal(t.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_to_our_request_tells_round_and_sender),
		cmocka_unit_test(what_is_no_reply_of_ours_is_passed_over),
		cmocka_unit_test(spans_are_said_as_people_say_them),
		cmocka_unit_test(control_characters_do_not_reach_the_terminal),
		cmocka_unit_test(a_table_keeps_its_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
