/* tests/unit/test_netconf.c - the network config: defaults, each limit from both sides, refusals.
 */
#include "lease.h"
#include "netconf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static char logged[8192]; /* stderr of the last parse */

static int parse_bytes(const char *text, size_t len, struct fl_netconf *nc, char **why)
{
	int saved = dup(STDERR_FILENO), fd = memfd_create("stderr", MFD_CLOEXEC), r;
	ssize_t n;

	assert_true(saved >= 0 && fd >= 0);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	r = fl_netconf_parse(text, len, nc, why);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	n = pread(fd, logged, sizeof(logged) - 1, 0);
	assert_true(n >= 0);
	logged[n] = '\0';
	close(fd);
	return r;
}

/* @wanted: all of --check-config's output, or of the refusal if it does not start with a brace */
static void expect(const char *text, const char *wanted)
{
	struct fl_netconf nc;
	char *got = NULL;
	int r = parse_bytes(text, strlen(text), &nc, &got);

	if (r == 0) {
		assert_null(got);
		got = fl_netconf_print(&nc);
		fl_netconf_done(&nc);
	} else {
		assert_int_equal(r, -EINVAL);
	}
	assert_non_null(got);
	if (strcmp(got, wanted) != 0)
		fail_msg("%s\n gave   %s\n wanted %s", text, got, wanted);
	free(got);
}

static void expect_all(const char *const (*cases)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect(cases[i][0], cases[i][1]);
}

#define EXPECT_ALL(cases) expect_all(cases, FL_ARRAY_SIZE(cases))

#define RESULT(net, len, min, max)                                                                 \
	"{\"Network\":\"" net "\",\"SubnetLen\":" len ",\"SubnetMin\":\"" min                      \
	"\",\"SubnetMax\":\"" max "\",\"BackendType\":\"udp\"}"
#define DEFAULTS RESULT("10.3.0.0/16", "24", "10.3.1.0", "10.3.255.0")

static void fills_in_every_default(void **state)
{
	(void)state;
	expect("{\"Network\":\"10.3.0.0/16\"}", DEFAULTS);
	assert_string_equal(logged, "");
}

static void reads_keys_without_regard_to_case(void **state)
{
	(void)state;
	expect("{\"network\":\"10.3.0.0/16\",\"SUBNETLEN\":25,\"subnetmin\":\"10.3.9.0\","
	       "\"SubNetMax\":\"10.3.9.128\",\"backend\":{\"type\":\"host-gw\"}}",
	       "{\"Network\":\"10.3.0.0/16\",\"SubnetLen\":25,\"SubnetMin\":\"10.3.9.0\","
	       "\"SubnetMax\":\"10.3.9.128\",\"BackendType\":\"host-gw\","
	       "\"Backend\":{\"type\":\"host-gw\"}}");
	assert_string_equal(logged, "");
}

static void takes_null_as_not_given(void **state)
{
	(void)state;
	expect("{\"Network\":\"10.3.0.0/16\",\"SubnetLen\":null,\"SubnetMin\":null,"
	       "\"SubnetMax\":null,\"Backend\":null,\"EnableIPv4\":null,\"EnableIPv6\":null,"
	       "\"EnableNFTables\":null}",
	       DEFAULTS);
}

static void gives_a_subnet_length_by_the_network(void **state)
{
	static const char *const cases[][2] = {
		{"{\"Network\":\"64.0.0.0/2\"}",
		 "Network \"64.0.0.0/2\": must not overlap 127.0.0.0/8 (loopback)"},
		{"{\"Network\":\"32.0.0.0/3\"}",
		 RESULT("32.0.0.0/3", "24", "32.0.1.0", "63.255.255.0")},
		{"{\"Network\":\"10.3.4.0/22\"}",
		 RESULT("10.3.4.0/22", "24", "10.3.5.0", "10.3.7.0")},
		{"{\"Network\":\"10.3.4.0/23\"}",
		 RESULT("10.3.4.0/23", "25", "10.3.4.128", "10.3.5.128")},
		{"{\"Network\":\"10.3.4.0/24\"}",
		 RESULT("10.3.4.0/24", "26", "10.3.4.64", "10.3.4.192")},
		{"{\"Network\":\"10.3.4.16/28\"}",
		 RESULT("10.3.4.16/28", "30", "10.3.4.20", "10.3.4.28")},
	};

	(void)state;
	EXPECT_ALL(cases);
}

static void holds_network_to_its_limits(void **state)
{
#define WANTED "must be an IPv4 network such as \"10.5.0.0/16\""
#define LENGTH "its length must be 1..28 (room for four subnets of /30)"
	static const char *const cases[][2] = {
		{"{}", "Network is missing: " WANTED},
		{"{\"Network\":null}", "Network is missing: " WANTED},
		{"{\"Network\":\"\"}", "Network \"\": " WANTED},
		{"{\"Network\":\"10.3.0.0\"}", "Network \"10.3.0.0\": " WANTED},
		{"{\"Network\":\"10.3.0.0/33\"}", "Network \"10.3.0.0/33\": " WANTED},
		{"{\"Network\":\"10.3.0.0/16 \"}", "Network \"10.3.0.0/16 \": " WANTED},
		{"{\"Network\":\"fd00::/16\"}", "Network \"fd00::/16\": " WANTED},
		{"{\"Network\":\"10.3.0.0/16\\u0000\"}", "Network \"10.3.0.0/16\\u0000\": " WANTED},
		{"{\"Network\":5}", "Network 5: is a number, must be a string"},
		{"{\"Network\":[\"10.3.0.0/16\"]}",
		 "Network [\"10.3.0.0/16\"]: is an array, must be a string"},
		{"{\"Network\":\"0.0.0.0/0\"}", "Network \"0.0.0.0/0\": " LENGTH},
		{"{\"Network\":\"10.3.0.0/29\"}", "Network \"10.3.0.0/29\": " LENGTH},
		{"{\"Network\":\"10.3.0.0/29\",\"SubnetLen\":30}",
		 "Network \"10.3.0.0/29\": " LENGTH},
		{"{\"Network\":\"127.1.0.0/16\"}",
		 "Network \"127.1.0.0/16\": must not overlap 127.0.0.0/8 (loopback)"},
		{"{\"Network\":\"239.1.0.0/16\"}",
		 "Network \"239.1.0.0/16\": must not overlap 224.0.0.0/4 (multicast)"},
	};

	(void)state;
	EXPECT_ALL(cases);
}

static void masks_a_network_with_host_bits_and_warns(void **state)
{
	(void)state;
	expect("{\"Network\":\"10.3.7.1/16\"}", DEFAULTS);
	assert_non_null(strstr(logged, "10.3.7.1/16"));
	assert_non_null(strstr(logged, "10.3.0.0/16"));
}

static void holds_subnet_len_to_its_limits(void **state)
{
#define LEN(x)	    "{\"Network\":\"10.3.0.0/16\",\"SubnetLen\":" x "}"
#define LEN_RULE(x) "SubnetLen " x ": must be an integer 18..30 (Network's length + 2, to /30)"
	static const char *const cases[][2] = {
		{LEN("0"), DEFAULTS},
		{LEN("18"), RESULT("10.3.0.0/16", "18", "10.3.64.0", "10.3.192.0")},
		{LEN("30"), RESULT("10.3.0.0/16", "30", "10.3.0.4", "10.3.255.252")},
		{LEN("17"), LEN_RULE("17")},
		{LEN("31"), LEN_RULE("31")},
		{LEN("1"), LEN_RULE("1")},
		{LEN("-1"), LEN_RULE("-1")},
		{LEN("280"), LEN_RULE("280")},
		{LEN("4294967320"), LEN_RULE("4294967320")},
		{LEN("99999999999999999999"), LEN_RULE("99999999999999999999")},
		{LEN("24.5"), LEN_RULE("24.5")},
		{LEN("\"24\""), "SubnetLen \"24\": is a string, must be an integer"},
		{LEN("true"), "SubnetLen true: is a boolean, must be an integer"},
		{"{\"Network\":\"10.3.4.0/28\",\"SubnetLen\":30}",
		 RESULT("10.3.4.0/28", "30", "10.3.4.4", "10.3.4.12")},
		{"{\"Network\":\"10.3.4.0/28\",\"SubnetLen\":29}",
		 "SubnetLen 29: must be an integer 30..30 (Network's length + 2, to /30)"},
	};

	(void)state;
	EXPECT_ALL(cases);
}

#define RANGE(min, max) "{\"Network\":\"10.3.0.0/16\",\"SubnetMin\":" min ",\"SubnetMax\":" max "}"

static void holds_the_range_to_network_and_subnet_boundaries(void **state)
{
	static const char *const cases[][2] = {
		{RANGE("\"10.3.0.0\"", "\"10.3.255.0\""),
		 RESULT("10.3.0.0/16", "24", "10.3.0.0", "10.3.255.0")},
		{RANGE("\"10.3.9.0\"", "\"10.3.9.0\""),
		 RESULT("10.3.0.0/16", "24", "10.3.9.0", "10.3.9.0")},
		{RANGE("\"\"", "\"0.0.0.0\""), DEFAULTS},
		{RANGE("\"10.2.255.0\"", "null"),
		 "SubnetMin \"10.2.255.0\": must lie in Network 10.3.0.0/16"},
		{RANGE("\"10.4.0.0\"", "null"),
		 "SubnetMin \"10.4.0.0\": must lie in Network 10.3.0.0/16"},
		{RANGE("null", "\"10.4.0.0\""),
		 "SubnetMax \"10.4.0.0\": must lie in Network 10.3.0.0/16"},
		{RANGE("\"10.3.9.1\"", "null"),
		 "SubnetMin \"10.3.9.1\": must be the start of a /24 subnet"},
		{RANGE("null", "\"10.3.9.255\""),
		 "SubnetMax \"10.3.9.255\": must be the start of a /24 subnet"},
		{RANGE("\"10.3.9.0\"", "\"10.3.8.0\""),
		 "SubnetMin 10.3.9.0: must not lie behind SubnetMax 10.3.8.0"},
		{RANGE("null", "\"10.3.0.0\""),
		 "SubnetMin 10.3.1.0: must not lie behind SubnetMax 10.3.0.0"},
		{RANGE("\"10.3.9\"", "null"), "SubnetMin \"10.3.9\": must be an IPv4 address"},
		{RANGE("\"fd00::\"", "null"), "SubnetMin \"fd00::\": must be an IPv4 address"},
		{RANGE("9", "null"), "SubnetMin 9: is a number, must be a string"},
		{RANGE("null", "{}"), "SubnetMax {}: is an object, must be a string"},
	};

	(void)state;
	EXPECT_ALL(cases);
}

#define RESERVED "must not overlap 240.0.0.0/4 (reserved)"

static void reaches_the_ends_of_the_address_space(void **state)
{
	static const char *const cases[][2] = {
		{"{\"Network\":\"1.0.0.0/8\"}",
		 RESULT("1.0.0.0/8", "24", "1.0.1.0", "1.255.255.0")},
		{"{\"Network\":\"223.255.255.240/28\"}",
		 RESULT("223.255.255.240/28", "30", "223.255.255.244", "223.255.255.252")},
		{"{\"Network\":\"0.0.0.0/8\"}",
		 "Network \"0.0.0.0/8\": must not overlap 0.0.0.0/8 (this network)"},
		{"{\"Network\":\"240.0.0.0/8\"}", "Network \"240.0.0.0/8\": " RESERVED},
		{"{\"Network\":\"255.255.255.0/24\"}", "Network \"255.255.255.0/24\": " RESERVED},
		{"{\"Network\":\"255.255.255.240/28\"}",
		 "Network \"255.255.255.240/28\": " RESERVED},
		{"{\"Network\":\"128.0.0.0/1\"}",
		 "Network \"128.0.0.0/1\": must not overlap 224.0.0.0/4 (multicast)"},
	};

	(void)state;
	EXPECT_ALL(cases);
}

static void assert_key(const struct fl_addr *first, uint8_t len)
{
	struct fl_prefix subnet = {*first, len}, read = {0}, read6;
	char key[FL_LEASE_KEY_MAX];

	(void)fl_lease_key_format(&subnet, NULL, key);
	if (fl_lease_key_parse(key, &read, &read6) < 0)
		fail_msg("%s is no key", key);
	assert_true(fl_prefix_equal(&read, &subnet));
}

/* False if it is refused. */
static bool has_good_keys(const struct fl_prefix *net)
{
	struct fl_prefix masked = fl_prefix_masked(net);
	char text[80], network[FL_PREFIX_STRLEN], *why;
	struct fl_netconf nc;

	(void)snprintf(text, sizeof(text), "{\"Network\":\"%s\"}",
		       fl_prefix_format(&masked, network));
	if (fl_netconf_parse(text, strlen(text), &nc, &why) < 0) {
		free(why);
		return false;
	}
	assert_key(&nc.network.addr, nc.subnet_len);
	assert_key(&nc.subnet_min, nc.subnet_len);
	assert_key(&nc.subnet_max, nc.subnet_len);
	fl_netconf_done(&nc);
	return true;
}

/* One rule for both: else a host takes a lease that no other host accepts. */
static void every_network_that_is_taken_gives_keys_that_are_taken(void **state)
{
	struct fl_prefix net = {.len = 1};
	unsigned int taken = 0;

	(void)state;
	for (; net.len <= 28; net.len++)
		for (uint32_t first = 0; first < 256; first++) {
			net.addr = fl_addr_from_v4(first << 24 | 0xffffff);
			taken += has_good_keys(&net);
		}
	assert_true(taken > 28 * 200); /* of 28 by 256 */
}

static void refuses_what_comes_later(void **state)
{
#define WITH(x) "{\"Network\":\"10.3.0.0/16\"," x "}"
	static const char *const cases[][2] = {
		{WITH("\"EnableIPv4\":true,\"EnableIPv6\":false,\"EnableNFTables\":false"),
		 DEFAULTS},
		{WITH("\"EnableIPv4\":false"),
		 "EnableIPv4 false: an overlay without IPv4 is not supported yet"},
		{WITH("\"enableipv6\":true"), "EnableIPv6 true: IPv6 is not supported yet"},
		{WITH("\"EnableNFTables\":true"),
		 "EnableNFTables true: nftables is not supported yet, leave it out to use "
		 "iptables"},
		{WITH("\"EnableIPv6\":\"true\""),
		 "EnableIPv6 \"true\": is a string, must be a boolean"},
		{WITH("\"EnableIPv4\":1"), "EnableIPv4 1: is a number, must be a boolean"},
	};

	(void)state;
	EXPECT_ALL(cases);
}

static void overlooks_keys_for_ipv6_while_it_is_off(void **state)
{
	(void)state;
	expect(WITH("\"IPv6Network\":5,\"IPv6SubnetLen\":\"x\",\"ipv6subnetmin\":{},"
		    "\"IPv6SubnetMax\":[]"),
	       DEFAULTS);
	assert_string_equal(logged, "");
}

static void warns_of_unknown_keys_one_line_each_but_not_without_end(void **state)
{
	char text[1024] = "{\"Network\":\"10.3.0.0/16\"";
	size_t lines = 0;

	(void)state;
	expect(WITH("\"Subnetlen \":24,\"BackendType\":\"vxlan\""), DEFAULTS);
	assert_non_null(strstr(logged, "\"Subnetlen \" is not a key"));
	assert_non_null(strstr(logged, "\"BackendType\" is not a key"));

	for (int i = 0; i < 20; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ",\"x%d\":1", i);
	strcat(text, "}");
	expect(text, DEFAULTS);
	for (const char *c = logged; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 9);
	assert_non_null(strstr(logged, "12 more unknown keys"));
}

static void reads_the_backend(void **state)
{
#define TYPE_RULE "must be 1..32 of a-z, 0-9 and -, not starting with -"
#define TYPE(x)	  WITH("\"Backend\":{\"Type\":" x "}")
#define A32	  "abcdefghijklmnopqrstuvwxyz-01234"
	static const char *const cases[][2] = {
		{TYPE("\"" A32 "\""),
		 "{\"Network\":\"10.3.0.0/16\",\"SubnetLen\":24,\"SubnetMin\":\"10.3.1.0\","
		 "\"SubnetMax\":\"10.3.255.0\",\"BackendType\":\"" A32
		 "\",\"Backend\":{\"Type\":\"" A32 "\"}}"},
		{WITH("\"Backend\" : { \"Type\" : \"vxlan\", \"VNI\" : 1.50, \"x\" : [ 1 ] }"),
		 "{\"Network\":\"10.3.0.0/16\",\"SubnetLen\":24,\"SubnetMin\":\"10.3.1.0\","
		 "\"SubnetMax\":\"10.3.255.0\",\"BackendType\":\"vxlan\","
		 "\"Backend\":{\"Type\":\"vxlan\",\"VNI\":1.50,\"x\":[1]}}"},
		{TYPE("\"" A32 "5\""), "Backend.Type \"" A32 "5\": " TYPE_RULE},
		{TYPE("\"\""), "Backend.Type \"\": " TYPE_RULE},
		{TYPE("\"-a\""), "Backend.Type \"-a\": " TYPE_RULE},
		{TYPE("\"VXLAN\""), "Backend.Type \"VXLAN\": " TYPE_RULE},
		{TYPE("\"../x\""), "Backend.Type \"../x\": " TYPE_RULE},
		{TYPE("\"a.so\""), "Backend.Type \"a.so\": " TYPE_RULE},
		{TYPE("\"a\\u0000b\""), "Backend.Type \"a\\u0000b\": " TYPE_RULE},
		{TYPE("\"a\\n\""), "Backend.Type \"a\\u000a\": " TYPE_RULE},
		{TYPE("\"\x7f\xc2\x9b\""), "Backend.Type \"\\u007f\\u009b\": " TYPE_RULE},
		{TYPE("5"), "Backend.Type 5: is a number, must be a string"},
		{TYPE("null"), "Backend.Type null: is null, must be a string"},
		{WITH("\"Backend\":{}"), "Backend {}: Backend.Type is missing, must be a string"},
		{WITH("\"Backend\":\"vxlan\""),
		 "Backend \"vxlan\": is a string, must be an object"},
		{WITH("\"Backend\":[]"), "Backend []: is an array, must be an object"},
	};

	(void)state;
	EXPECT_ALL(cases);
}

static void bounds_what_a_refusal_repeats(void **state)
{
	char text[3000] = "{\"Network\":\"10.3.0.0/16\",\"Backend\":{\"Type\":\"", *why = NULL;
	struct fl_netconf nc;

	(void)state;
	for (int i = 0; i < 1000; i++)
		strcat(text, "\xc3\xa4");
	strcat(text, "\"}}");
	assert_int_equal(parse_bytes(text, strlen(text), &nc, &why), -EINVAL);
	assert_true(strlen(why) < 160);
	assert_non_null(strstr(why, "\xc3\xa4...: must be"));
	free(why);
}

static void refuses_what_is_no_object(void **state)
{
	static const char *const cases[][2] = {
		{"[]", "the network config is an array, must be an object"},
		{"null", "the network config is null, must be an object"},
		{"\"10.3.0.0/16\"", "the network config is a string, must be an object"},
	};

	(void)state;
	EXPECT_ALL(cases);
}

static void refuses_what_is_no_json(void **state)
{
	static const char *const texts[] = {
		"",	   "{", "{\"Network\":", "{\"Network\":\"10.3.0.0/16\"} x", "{'Network':1}",
		"\xff\xfe"};
	struct fl_netconf nc;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++) {
		char *why = NULL;

		assert_int_equal(parse_bytes(texts[i], strlen(texts[i]), &nc, &why), -EINVAL);
		assert_non_null(why);
		assert_int_equal(strncmp(why, "not JSON: ", 10), 0);
		assert_null(strchr(why, '\n'));
		free(why);
	}
	expect("{\"Network\":\"10.3.0.0/16\"}\n", DEFAULTS);
}

static void keeps_the_result_untouched_when_it_refuses(void **state)
{
	struct fl_netconf nc, before;
	char *why = NULL;

	(void)state;
	memset(&nc, 0x5a, sizeof(nc));
	memcpy(&before, &nc, sizeof(nc));
	assert_int_equal(parse_bytes("{}", 2, &nc, &why), -EINVAL);
	assert_memory_equal(&nc, &before, sizeof(nc));
	free(why);
}

static void allows_subnets_of_the_right_length_in_range(void **state)
{
	static const struct {
		const char *subnet;
		bool allowed;
	} cases[] = {
		{"10.3.9.0/24", true},	 {"10.3.12.0/24", true},  {"10.3.10.0/24", true},
		{"10.3.8.0/24", false},	 {"10.3.13.0/24", false}, {"10.3.10.0/25", false},
		{"10.3.10.0/23", false}, {"10.3.10.1/24", false}, {"10.4.10.0/24", false},
		{"fd00::/24", false},
	};
	const char *text = RANGE("\"10.3.9.0\"", "\"10.3.12.0\"");
	struct fl_prefix p, none = {0};
	struct fl_netconf nc;
	char *why = NULL;

	(void)state;
	assert_int_equal(parse_bytes(text, strlen(text), &nc, &why), 0);
	for (size_t i = 0; i < FL_ARRAY_SIZE(cases); i++) {
		assert_int_equal(fl_prefix_parse(cases[i].subnet, &p), 0);
		if (fl_netconf_allows(&nc, &p) != cases[i].allowed)
			fail_msg("%s", cases[i].subnet);
	}
	assert_false(fl_netconf_allows(&nc, &none));
	fl_netconf_done(&nc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_in_every_default),
		cmocka_unit_test(reads_keys_without_regard_to_case),
		cmocka_unit_test(takes_null_as_not_given),
		cmocka_unit_test(gives_a_subnet_length_by_the_network),
		cmocka_unit_test(holds_network_to_its_limits),
		cmocka_unit_test(masks_a_network_with_host_bits_and_warns),
		cmocka_unit_test(holds_subnet_len_to_its_limits),
		cmocka_unit_test(holds_the_range_to_network_and_subnet_boundaries),
		cmocka_unit_test(reaches_the_ends_of_the_address_space),
		cmocka_unit_test(every_network_that_is_taken_gives_keys_that_are_taken),
		cmocka_unit_test(refuses_what_comes_later),
		cmocka_unit_test(overlooks_keys_for_ipv6_while_it_is_off),
		cmocka_unit_test(warns_of_unknown_keys_one_line_each_but_not_without_end),
		cmocka_unit_test(reads_the_backend),
		cmocka_unit_test(bounds_what_a_refusal_repeats),
		cmocka_unit_test(refuses_what_is_no_object),
		cmocka_unit_test(refuses_what_is_no_json),
		cmocka_unit_test(keeps_the_result_untouched_when_it_refuses),
		cmocka_unit_test(allows_subnets_of_the_right_length_in_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
