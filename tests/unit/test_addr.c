/* tests/unit/test_addr.c - addresses, prefixes and MAC addresses at their limits. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/special.h"

static struct fl_addr addr(const char *text)
{
	struct fl_addr a = {0};

	assert_int_equal(fl_addr_parse(text, &a), 0);
	return a;
}

static struct fl_prefix prefix(const char *text)
{
	struct fl_prefix p = {0};

	assert_int_equal(fl_prefix_parse(text, &p), 0);
	return p;
}

static void addresses_survive_a_round_trip(void **state)
{
	static const char *const texts[] = {"0.0.0.0",
					    "10.5.0.1",
					    "255.255.255.255",
					    "::",
					    "::1",
					    "fd00:1:2:3:4:5:6:7",
					    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
					    "::ffff:10.0.0.1"};
	char buf[FL_ADDR_STRLEN];

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++) {
		struct fl_addr a = addr(texts[i]);

		assert_string_equal(fl_addr_format(&a, buf), texts[i]);
		assert_int_equal(a.family, strchr(texts[i], ':') ? AF_INET6 : AF_INET);
	}
}

static void refuses_what_is_no_address(void **state)
{
	static const char *const texts[] = {
		"",	      " ",	   "10.5.0",	"10.5.0.1.2", "10.5.0.256", "10.5.0.01",
		"010.5.0.1",  " 10.5.0.1", "10.5.0.1 ", "10.5.0.1\n", "10.5.0.-1",  "10.5..1",
		"0x0a.5.0.1", "1",	   "localhost", ":::",	      "1:2",	    "fe80::1%eth0",
		"12345::",    "::g",	   "1::2::3",	"10.5.0.1/24"};
	struct fl_addr a, before;

	(void)state;
	memset(&a, 0x5a, sizeof(a));
	before = a;
	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++) {
		assert_int_equal(fl_addr_parse(texts[i], &a), -EINVAL);
		assert_memory_equal(&a, &before, sizeof(a));
	}
}

static void none_is_written_as_none(void **state)
{
	struct fl_addr a = {0};
	struct fl_prefix p = {0};
	char buf[FL_PREFIX_STRLEN];

	(void)state;
	assert_string_equal(fl_addr_format(&a, buf), "none");
	assert_string_equal(fl_prefix_format(&p, buf), "none");
	assert_false(fl_addr_is_set(&a));
	assert_false(fl_prefix_is_set(&p));
	assert_int_equal(fl_addr_size(&a), 0);
}

static void ipv4_values_are_in_host_order(void **state)
{
	struct fl_addr a = fl_addr_from_v4(0x0a050001), six = addr("::1"),
		       parsed = addr("10.5.0.1");

	(void)state;
	assert_true(fl_addr_equal(&a, &parsed));
	assert_memory_equal(&a, &parsed, sizeof(a));
	assert_int_equal(fl_addr_v4(&a), 0x0a050001);
	a = fl_addr_from_v4(UINT32_MAX);
	assert_int_equal(fl_addr_v4(&a), UINT32_MAX);
	assert_int_equal(fl_addr_v4(&six), 0);
	assert_int_equal(fl_addr_size(&a), 4);
	assert_int_equal(fl_addr_size(&six), 16);
}

static void families_are_never_equal(void **state)
{
	struct fl_addr v4 = addr("0.0.0.0"), v6 = addr("::"), none = {0};

	(void)state;
	assert_false(fl_addr_equal(&v4, &v6));
	assert_false(fl_addr_equal(&v4, &none));
	assert_true(fl_addr_equal(&none, &none));
}

static void prefixes_survive_a_round_trip(void **state)
{
	static const char *const texts[] = {
		"0.0.0.0/0",   "10.5.0.0/16",
		"10.3.7.1/16", "255.255.255.255/32",
		"::/0",	       "fd00::/64",
		"::1/128",     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"};
	char buf[FL_PREFIX_STRLEN];

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++) {
		struct fl_prefix p = prefix(texts[i]);

		assert_string_equal(fl_prefix_format(&p, buf), texts[i]);
	}
}

static void refuses_what_is_no_prefix(void **state)
{
	static const char *const texts[] = {
		"",
		"/",
		"10.5.0.0",
		"10.5.0.0/",
		"10.5.0.0/33",
		"10.5.0.0/-1",
		"10.5.0.0/+8",
		"10.5.0.0/8 ",
		"10.5.0.0/ 8",
		"10.5.0.0/08",
		"10.5.0.0/00",
		"10.5.0.0/8/8",
		"10.5.0.0/x",
		"::/129",
		"::/4294967296",
		"/24",
		"10.5.0.0/99999999999999999999",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/64"};
	struct fl_prefix p, before;

	(void)state;
	memset(&p, 0x5a, sizeof(p));
	before = p;
	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++) {
		assert_int_equal(fl_prefix_parse(texts[i], &p), -EINVAL);
		assert_memory_equal(&p, &before, sizeof(p));
	}
}

static void masks_host_bits_at_every_length(void **state)
{
	(void)state;
	for (uint8_t len = 0; len <= 32; len++) {
		struct fl_prefix p = {.addr = fl_addr_from_v4(UINT32_MAX), .len = len};
		struct fl_prefix m = fl_prefix_masked(&p);
		uint32_t want = len ? UINT32_MAX << (32 - len) : 0;
		struct fl_addr last = fl_prefix_last(&m);

		assert_int_equal(fl_addr_v4(&m.addr), want);
		assert_true(fl_prefix_is_masked(&m));
		assert_int_equal(fl_prefix_is_masked(&p), len == 32);
		assert_int_equal(fl_addr_v4(&last), UINT32_MAX);
	}
}

static void masks_ipv6_within_a_byte(void **state)
{
	struct fl_prefix p = prefix("fd00:ffff::1/19"), m = fl_prefix_masked(&p);
	struct fl_addr last = fl_prefix_last(&p);
	char buf[FL_PREFIX_STRLEN];

	(void)state;
	assert_string_equal(fl_prefix_format(&m, buf), "fd00:e000::/19");
	assert_string_equal(fl_addr_format(&last, buf), "fd00:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void a_network_contains_its_first_and_last_address_only(void **state)
{
	struct fl_prefix p = prefix("10.5.52.0/23");
	struct fl_addr in[] = {addr("10.5.52.0"), addr("10.5.53.255")};
	struct fl_addr out[] = {addr("10.5.51.255"), addr("10.5.54.0"), addr("::"), {0}};
	struct fl_prefix all = prefix("0.0.0.0/0"), one = prefix("10.5.52.7/32"), none = {0};
	struct fl_addr self = addr("10.5.52.7");

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(in); i++)
		assert_true(fl_prefix_contains(&p, &in[i]));
	for (size_t i = 0; i < FL_ARRAY_SIZE(out); i++)
		assert_false(fl_prefix_contains(&p, &out[i]));
	assert_true(fl_prefix_contains(&all, &in[0]));
	assert_false(fl_prefix_contains(&all, &out[2]));
	assert_true(fl_prefix_contains(&one, &self));
	assert_false(fl_prefix_contains(&one, &in[0]));
	assert_false(fl_prefix_contains(&none, &none.addr));
}

static void networks_overlap_if_one_contains_the_other(void **state)
{
	struct fl_prefix net = prefix("10.5.0.0/16"), sub = prefix("10.5.255.0/24");
	struct fl_prefix other = prefix("10.6.0.0/16"), all = prefix("0.0.0.0/0");
	struct fl_prefix six = prefix("::/0"), unmasked = prefix("10.5.9.9/16");

	(void)state;
	assert_true(fl_prefix_overlaps(&net, &sub));
	assert_true(fl_prefix_overlaps(&sub, &net));
	assert_true(fl_prefix_overlaps(&net, &net));
	assert_true(fl_prefix_overlaps(&unmasked, &sub));
	assert_true(fl_prefix_overlaps(&all, &other));
	assert_false(fl_prefix_overlaps(&net, &other));
	assert_false(fl_prefix_overlaps(&other, &sub));
	assert_false(fl_prefix_overlaps(&all, &six));
}

static void equal_prefixes_have_equal_lengths(void **state)
{
	struct fl_prefix a = prefix("10.5.0.0/16"), b = prefix("10.5.0.0/17"), c = a;

	(void)state;
	assert_true(fl_prefix_equal(&a, &c));
	assert_false(fl_prefix_equal(&a, &b));
}

static void prefixes_have_an_order(void **state)
{
	static const char *const texts[] = {"9.0.0.0/8",   "10.5.0.0/16",  "10.5.0.0/24",
					    "10.5.9.0/24", "10.5.10.0/24", "200.0.0.0/8",
					    "fd00::/64",   "fd00:5::/32"};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++)
		for (size_t j = 0; j < FL_ARRAY_SIZE(texts); j++) {
			struct fl_prefix a = prefix(texts[i]), b = prefix(texts[j]);
			int r = fl_prefix_compare(&a, &b);

			assert_true(i < j ? r < 0 : i > j ? r > 0 : r == 0);
		}
}

static void macs_survive_a_round_trip(void **state)
{
	struct fl_mac m, upper;
	char buf[FL_MAC_STRLEN];

	(void)state;
	assert_int_equal(fl_mac_parse("02:00:5e:10:00:ff", &m), 0);
	assert_string_equal(fl_mac_format(&m, buf), "02:00:5e:10:00:ff");
	assert_int_equal(fl_mac_parse("02:00:5E:10:00:FF", &upper), 0);
	assert_true(fl_mac_equal(&m, &upper));
	upper.bytes[5] ^= 1;
	assert_false(fl_mac_equal(&m, &upper));
}

static void refuses_what_is_no_mac(void **state)
{
	static const char *const texts[] = {"",
					    "02:00:5e:10:00",
					    "02:00:5e:10:00:0",
					    "02:00:5e:10:00:0g",
					    "02-00-5e-10-00-01",
					    "02:00:5e:10:00:01 ",
					    "02:00:5e:10:00:01:02",
					    " 2:00:5e:10:00:01",
					    "0200:5e:10:00:01:",
					    ":02:00:5e:10:00:0",
					    "02:00:5e:10:00:+1"};
	struct fl_mac m = {{1, 2, 3, 4, 5, 6}}, before = m;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++) {
		assert_int_equal(fl_mac_parse(texts[i], &m), -EINVAL);
		assert_true(fl_mac_equal(&m, &before));
	}
}

static void only_a_station_s_mac_is_unicast(void **state)
{
	struct fl_mac zero = {{0}}, all = {{255, 255, 255, 255, 255, 255}};
	struct fl_mac group = {{1, 0, 0x5e, 0, 0, 1}}, one = {{2, 0, 0, 0, 0, 0}};

	(void)state;
	assert_false(fl_mac_is_unicast(&zero));
	assert_false(fl_mac_is_unicast(&all));
	assert_false(fl_mac_is_unicast(&group));
	assert_true(fl_mac_is_unicast(&one));
}

static void tells_special_addresses_from_those_of_hosts(void **state)
{
	static const char *const special[] = {
		"0.0.0.0",	 "0.255.255.255",  "127.0.0.1", "224.0.0.1",
		"239.255.255.1", "240.0.0.1",	   "::",	"::1",
		"ff02::1",	 "255.255.255.255"};
	static const char *const hosts[] = {"1.0.0.0",	   "126.255.255.255", "128.0.0.0",
					    "169.254.1.1", "223.255.255.255", "10.0.0.1",
					    "::2",	   "fe80::1",	      "2001:db8::1"};
	struct fl_addr none = {0}, a;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(special); i++) {
		a = addr(special[i]);
		assert_non_null(fl_special_addr(&a));
	}
	for (size_t i = 0; i < FL_ARRAY_SIZE(hosts); i++) {
		a = addr(hosts[i]);
		assert_null(fl_special_addr(&a));
	}
	assert_null(fl_special_addr(&none));
}

static void a_network_is_special_if_any_of_its_addresses_is(void **state)
{
	static const char *const special[] = {"0.0.0.0/0",   "64.0.0.0/2",   "126.0.0.0/7",
					      "127.0.0.0/8", "127.1.2.0/24", "192.0.0.0/2",
					      "::/64",	     "fe00::/7"};
	static const char *const others[] = {"1.0.0.0/8",   "126.0.0.0/8",	"128.0.0.0/2",
					     "192.0.0.0/3", "223.255.255.0/24", "fd00::/8"};
	struct fl_prefix p;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(special); i++) {
		p = prefix(special[i]);
		assert_non_null(fl_special(&p));
	}
	for (size_t i = 0; i < FL_ARRAY_SIZE(others); i++) {
		p = prefix(others[i]);
		assert_null(fl_special(&p));
	}
	p = prefix("127.1.2.0/24");
	assert_string_equal(fl_special(&p), "127.0.0.0/8 (loopback)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_survive_a_round_trip),
		cmocka_unit_test(refuses_what_is_no_address),
		cmocka_unit_test(none_is_written_as_none),
		cmocka_unit_test(ipv4_values_are_in_host_order),
		cmocka_unit_test(families_are_never_equal),
		cmocka_unit_test(prefixes_survive_a_round_trip),
		cmocka_unit_test(refuses_what_is_no_prefix),
		cmocka_unit_test(masks_host_bits_at_every_length),
		cmocka_unit_test(masks_ipv6_within_a_byte),
		cmocka_unit_test(a_network_contains_its_first_and_last_address_only),
		cmocka_unit_test(networks_overlap_if_one_contains_the_other),
		cmocka_unit_test(equal_prefixes_have_equal_lengths),
		cmocka_unit_test(prefixes_have_an_order),
		cmocka_unit_test(macs_survive_a_round_trip),
		cmocka_unit_test(refuses_what_is_no_mac),
		cmocka_unit_test(only_a_station_s_mac_is_unicast),
		cmocka_unit_test(tells_special_addresses_from_those_of_hosts),
		cmocka_unit_test(a_network_is_special_if_any_of_its_addresses_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
