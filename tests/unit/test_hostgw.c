/* tests/unit/test_hostgw.c - host-gw: which way leads to a peer, and the row of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "backends/host-gw/rows.h"
#include "env.h"

#define UNDERLAY 3u
#define LOOPBACK 1u /* of every network namespace */

static struct fl_addr address(const char *text)
{
	struct fl_addr a;

	assert_int_equal(fl_addr_parse(text, &a), 0);
	return a;
}

static struct hostgw_self self_of(void)
{
	return (struct hostgw_self){
		.ifindex = UNDERLAY, .name = "eth7", .public_ip = address("192.168.1.1")};
}

static struct fl_lease peer_of(const char *ip)
{
	struct fl_lease peer = {.backend_type = "host-gw", .public_ip = address(ip)};

	assert_int_equal(fl_prefix_parse("10.5.2.0/24", &peer.subnet), 0);
	return peer;
}

static void refuses(const char *ip, const char *reason)
{
	const uint32_t ways[] = {HOSTGW_NO_WAY, UNDERLAY};
	struct hostgw_self self = self_of();
	struct fl_lease peer = peer_of(ip);
	struct fl_rows rows = {0};

	for (size_t i = 0; i < FL_ARRAY_SIZE(ways); i++) {
		fl_rows_reset(&rows);
		assert_int_equal(hostgw_rows(&self, &peer, ways[i], NULL, &rows), FL_ROWS_REJECTED);
		assert_int_equal(rows.count, 0);
		if (!strstr(rows.why, reason))
			fail_msg("\"%s\" does not say \"%s\"", rows.why, reason);
	}
	fl_rows_done(&rows);
}

static void waits(const struct fl_route *route, const char *reason)
{
	struct hostgw_self self = self_of();
	struct fl_lease peer = peer_of("192.168.1.2");
	struct fl_rows rows = {0};

	assert_int_equal(hostgw_rows(&self, &peer, HOSTGW_NO_WAY, route, &rows), FL_ROWS_WAITING);
	assert_int_equal(rows.count, 0);
	if (!strstr(rows.why, reason))
		fail_msg("\"%s\" does not say \"%s\"", rows.why, reason);
	fl_rows_done(&rows);
}

static void a_peer_on_the_link_needs_one_route(void **state)
{
	struct hostgw_self self = self_of();
	struct fl_lease peer = peer_of("192.168.1.2");
	struct fl_rows rows = {0};
	char text[FL_PREFIX_STRLEN];

	(void)state;
	assert_int_equal(hostgw_rows(&self, &peer, UNDERLAY, NULL, &rows), 0);
	assert_int_equal(rows.count, 1);
	assert_int_equal(rows.rows[0].kind, FL_ROW_ROUTE);
	assert_int_equal(rows.rows[0].ifindex, UNDERLAY);
	assert_string_equal(fl_prefix_format(&rows.rows[0].dst, text), "10.5.2.0/24");
	assert_string_equal(fl_addr_format(&rows.rows[0].via, text), "192.168.1.2");
	assert_false(rows.rows[0].onlink);
	fl_rows_done(&rows);
}

static void what_a_lease_says_beside_its_address_does_not_matter(void **state)
{
	struct hostgw_self self = self_of();
	struct fl_lease peer = peer_of("192.168.1.2");
	struct fl_rows rows = {0};

	(void)state;
	peer.backend_data = "{\"VNI\":7,";
	assert_int_equal(hostgw_rows(&self, &peer, UNDERLAY, NULL, &rows), 0);
	assert_int_equal(rows.count, 1);
	fl_rows_done(&rows);
}

static void the_way_is_the_link_of_the_underlay(void **state)
{
	struct hostgw_self self = self_of();
	struct fl_route route = {.ifindex = UNDERLAY};

	(void)state;
	assert_int_equal(hostgw_way(&self, &route), UNDERLAY);
	assert_int_equal(hostgw_way(&self, NULL), HOSTGW_NO_WAY);
	route.ifindex = UNDERLAY + 1;
	assert_int_equal(hostgw_way(&self, &route), HOSTGW_NO_WAY);
	route = (struct fl_route){.ifindex = UNDERLAY, .local = true};
	assert_int_equal(hostgw_way(&self, &route), HOSTGW_NO_WAY);
	route = (struct fl_route){.ifindex = UNDERLAY, .via = address("192.168.1.254")};
	assert_int_equal(hostgw_way(&self, &route), HOSTGW_NO_WAY);
	route.via = address("fe80::1");
	assert_int_equal(hostgw_way(&self, &route), HOSTGW_NO_WAY);
}

static void a_peer_that_is_not_on_the_link_waits_and_we_say_why(void **state)
{
	struct fl_route route = {.ifindex = LOOPBACK, .via = address("192.168.1.254")};

	(void)state;
	waits(NULL, "no route");
	waits(&route, "behind the gateway 192.168.1.254 on lo, but must be on the link of eth7");
	route.via = (struct fl_addr){0};
	waits(&route, "on the link of lo, but must be on that of eth7");
	route.ifindex = 0x7ffffff0;
	waits(&route, "another interface");
	route.ifindex = UNDERLAY;
	waits(&route, "was not on the link of eth7");
	route.local = true;
	waits(&route, "address of this host");
}

static void the_longest_reason_is_not_cut(void **state)
{
	struct hostgw_self self = self_of();
	struct fl_lease peer = peer_of("192.168.1.2");
	struct fl_route route = {.ifindex = 0x7ffffff0,
				 .via = address("fe80:1111:2222:3333:4444:5555:6666:7777")};
	struct fl_rows rows = {0};

	(void)state;
	self.name = "fifteen-letters";
	assert_int_equal(hostgw_rows(&self, &peer, HOSTGW_NO_WAY, &route, &rows), FL_ROWS_WAITING);
	assert_non_null(strstr(rows.why, "on the link of fifteen-letters"));
	fl_rows_done(&rows);
}

static void refuses_our_own_address_and_the_other_family(void **state)
{
	(void)state;
	refuses("192.168.1.1", "its PublicIP 192.168.1.1 is ours");
	refuses("fd00::1", "PublicIP fd00::1 is no IPv4 address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peer_on_the_link_needs_one_route),
		cmocka_unit_test(what_a_lease_says_beside_its_address_does_not_matter),
		cmocka_unit_test(the_way_is_the_link_of_the_underlay),
		cmocka_unit_test(a_peer_that_is_not_on_the_link_waits_and_we_say_why),
		cmocka_unit_test(the_longest_reason_is_not_cut),
		cmocka_unit_test(refuses_our_own_address_and_the_other_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
