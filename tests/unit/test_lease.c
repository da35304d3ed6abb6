/* tests/unit/test_lease.c - keys and values of leases: flannel's are read, bad ones are refused one
 * by one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lease.h"

#define KEY "10.5.52.0-24"
#define GOOD                                                                                       \
	"{\"PublicIP\":\"192.168.1.1\",\"BackendType\":\"vxlan\","                                 \
	"\"BackendData\":{\"VtepMAC\":\"02:00:5e:10:00:01\"}}"

static struct fl_lease_record *decode(const char *key, const char *value)
{
	struct fl_lease_record *rec = NULL;
	char *why = NULL;

	if (fl_lease_decode(key, value, strlen(value), &rec, &why) < 0)
		fail_msg("%s %s: %s", key, value, why);
	assert_non_null(rec);
	return rec;
}

static void assert_refused(const char *key, const char *value, size_t len, const char *part)
{
	struct fl_lease_record *rec = NULL;
	char *why = NULL;

	assert_int_equal(fl_lease_decode(key, value, len, &rec, &why), -EINVAL);
	assert_null(rec);
	assert_non_null(why);
	assert_null(strchr(why, '\n'));
	assert_true(strlen(why) < 300);
	if (!strstr(why, part))
		fail_msg("%s: \"%s\" does not say \"%s\"", value, why, part);
	free(why);
	assert_int_equal(fl_lease_decode(key, value, len, &rec, NULL), -EINVAL);
}

/* ---- keys ---- */

static void keys_survive_a_round_trip(void **state)
{
	static const char *const keys[] = {"10.5.52.0-24",
					   "1.0.0.0-8",
					   "128.0.0.0-2",
					   "223.255.255.254-31",
					   "10.5.52.0-24&fd00:5:52::-64",
					   "10.5.52.0-24&fd00::2-127"};
	struct fl_prefix v4, v6;
	char buf[FL_LEASE_KEY_MAX];

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(keys); i++) {
		assert_int_equal(fl_lease_key_parse(keys[i], &v4, &v6), 0);
		assert_int_equal(fl_prefix_is_set(&v6), strchr(keys[i], '&') != NULL);
		assert_string_equal(fl_lease_key_format(&v4, &v6, buf), keys[i]);
	}
	assert_string_equal(fl_lease_key_format(&v4, NULL, buf), "10.5.52.0-24");
}

static void the_longest_key_fits(void **state)
{
	struct fl_prefix v4 = {.len = 24}, v6 = {.len = 127};
	char buf[FL_LEASE_KEY_MAX];

	(void)state;
	assert_int_equal(fl_addr_parse("223.255.255.0", &v4.addr), 0);
	assert_int_equal(fl_addr_parse("fdff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", &v6.addr), 0);
	assert_string_equal(fl_lease_key_format(&v4, &v6, buf),
			    "223.255.255.0-24&fdff:ffff:ffff:ffff:ffff:ffff:ffff:fffe-127");
}

static void refuses_keys_that_are_no_subnet(void **state)
{
	static const char *const keys[] = {"",
					   "foo",
					   "config",
					   "10.1.2.0-99",
					   "10.1.2.0-33",
					   "10.1.2.0-32",
					   "10.1.2.0",
					   "10.1.2.0-",
					   "-24",
					   "10.1.2.0/24",
					   "10.1.2.0/24-24",
					   "10.1.2.0-24-24",
					   "10.1.2.1-24",
					   "10.1.2-24",
					   "10.1.2.0-024",
					   "10.01.2.0-24",
					   " 10.1.2.0-24",
					   "10.1.2.0-24 ",
					   "10.1.2.0-24\n",
					   "x10.1.2.0-24",
					   "10.1.2.0--24",
					   "0.0.0.0-0",
					   "0.0.0.0-0&fd00::-64",
					   "0.1.0.0-24",
					   "127.0.0.0-8",
					   "126.0.0.0-7",
					   "224.0.0.0-24",
					   "240.0.0.0-24",
					   "255.255.255.0-24",
					   "fd00::-64",
					   "10.1.2.0-24&",
					   "10.1.2.0-24&10.1.3.0-24",
					   "10.1.2.0-24&fd00::",
					   "10.1.2.0-24&fd00::-129",
					   "10.1.2.0-24&fd00::-128",
					   "10.1.2.0-24&fd00::1-64",
					   "10.1.2.0-24&ff00::-64",
					   "10.1.2.0-24&::-0",
					   "10.1.2.0-24&::-64",
					   "10.1.2.0-24&fd00::-64&fd01::-64",
					   "10.1.2.0-24&zz-64"};
	struct fl_prefix v4 = {.len = 77}, v6 = {.len = 78};
	char longest[4096];

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(keys); i++) {
		if (fl_lease_key_parse(keys[i], &v4, &v6) != -EINVAL)
			fail_msg("\"%s\" passed", keys[i]);
		assert_refused(keys[i], GOOD, strlen(GOOD), "must be a subnet");
	}
	memset(longest, '1', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(fl_lease_key_parse(longest, &v4, &v6), -EINVAL);
	assert_int_equal(v4.len, 77);
	assert_int_equal(v6.len, 78);
}

/* ---- decode ---- */

static void reads_what_flannel_writes(void **state)
{
	struct fl_lease_record *rec = decode(KEY, GOOD);
	char buf[FL_PREFIX_STRLEN];

	(void)state;
	assert_string_equal(fl_prefix_format(&rec->lease.subnet, buf), "10.5.52.0/24");
	assert_false(fl_prefix_is_set(&rec->lease.subnet6));
	assert_string_equal(fl_addr_format(&rec->lease.public_ip, buf), "192.168.1.1");
	assert_false(fl_addr_is_set(&rec->lease.public_ip6));
	assert_string_equal(rec->lease.backend_type, "vxlan");
	assert_string_equal(rec->lease.backend_data, "{\"VtepMAC\":\"02:00:5e:10:00:01\"}");
	assert_null(rec->lease.backend_data6);
	assert_true(rec->index == 0 && rec->etcd_lease == 0 && rec->expires_s == 0);
	fl_lease_record_free(rec);
	fl_lease_record_free(NULL);
}

static void reads_what_newer_flannels_write(void **state)
{
	struct fl_lease_record *rec =
		decode("10.5.52.0-24&fd00::-64",
		       "{\"PublicIP\":\"192.168.1.1\",\"PublicIPv6\":\"2001:db8::1\","
		       "\"BackendType\":\"vxlan\","
		       "\"BackendData\":{\"VNI\":1,\"VtepMAC\":\"02:00:5e:10:00:01\"},"
		       "\"BackendV6Data\": {\"VNI\": 1}, \"Later\":[{}]}");
	char buf[FL_PREFIX_STRLEN];

	(void)state;
	assert_string_equal(fl_prefix_format(&rec->lease.subnet6, buf), "fd00::/64");
	assert_string_equal(fl_addr_format(&rec->lease.public_ip6, buf), "2001:db8::1");
	assert_string_equal(rec->lease.backend_data,
			    "{\"VNI\":1,\"VtepMAC\":\"02:00:5e:10:00:01\"}");
	assert_string_equal(rec->lease.backend_data6, "{\"VNI\":1}");
	fl_lease_record_free(rec);

	rec = decode(
		KEY,
		"{\"PublicIP\":\"192.168.1.1\",\"PublicIPv6\":null,\"BackendType\":\"host-gw\"}");
	assert_false(fl_addr_is_set(&rec->lease.public_ip6));
	assert_null(rec->lease.backend_data);
	fl_lease_record_free(rec);
}

static void member_names_match_as_go_matches_them(void **state)
{
	struct fl_lease_record *rec =
		decode(KEY, "{\"publicip\":\"1.1.1.1\",\"PUBLICIP\":\"192.168.1.1\","
			    "\"backendTYPE\":\"udp\",\"backenddata\":7}");
	char buf[FL_ADDR_STRLEN];

	(void)state;
	assert_string_equal(fl_addr_format(&rec->lease.public_ip, buf), "192.168.1.1");
	assert_string_equal(rec->lease.backend_type, "udp");
	assert_string_equal(rec->lease.backend_data, "7");
	fl_lease_record_free(rec);
}

static void backend_data_may_be_any_json(void **state)
{
	static const struct {
		const char *in;
		const char *out;
	} cases[] = {{"null", NULL},	 {"{}", "{}"},
		     {"[]", "[]"},	 {" [ 1 , 2.50 ] ", "[1,2.50]"},
		     {"true", "true"},	 {"\"\"", "\"\""},
		     {"\"x\"", "\"x\""}, {"-1e9", "-1e9"}};
	char value[200];

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(cases); i++) {
		struct fl_lease_record *rec;

		snprintf(value, sizeof(value),
			 "{\"PublicIP\":\"192.168.1.1\",\"BackendType\":\"x\",\"BackendData\":%s}",
			 cases[i].in);
		rec = decode(KEY, value);
		if (cases[i].out)
			assert_string_equal(rec->lease.backend_data, cases[i].out);
		else
			assert_null(rec->lease.backend_data);
		fl_lease_record_free(rec);
	}
}

static void refuses_values_that_are_no_object(void **state)
{
	static const char *const garbage[] = {"",	  " ",
					      "{",	  "}",
					      "foo",	  "{\"PublicIP\":",
					      GOOD "x",	  GOOD GOOD,
					      "\xff\xfe", "{\"PublicIP\":\"\xff\"}"};
	static const char *const wrong[] = {"null", "true", "1", "\"x\"", "[]", "[" GOOD "]"};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(garbage); i++)
		assert_refused(KEY, garbage[i], strlen(garbage[i]), "not JSON: ");
	for (size_t i = 0; i < FL_ARRAY_SIZE(wrong); i++)
		assert_refused(KEY, wrong[i], strlen(wrong[i]), "must be an object");
	assert_refused(KEY, GOOD, strlen(GOOD) - 1, "not JSON: ");
	assert_refused(KEY, GOOD, strlen(GOOD) + 1, "not JSON: "); /* the NUL is not JSON */
	assert_refused(KEY, "{}", 2, "PublicIP is missing");
}

static void refuses_every_wrong_public_ip(void **state)
{
	static const char *const bad[] = {"null",
					  "true",
					  "1",
					  "3232235777",
					  "[]",
					  "{}",
					  "[\"192.168.1.1\"]",
					  "\"\"",
					  "\"x\"",
					  "\"192.168.1\"",
					  "\"192.168.1.256\"",
					  "\"192.168.1.1/24\"",
					  "\" 192.168.1.1\"",
					  "\"192.168.1.1\\n\"",
					  "\"192.168.1.1\\u0000\"",
					  "\"0.0.0.0\"",
					  "\"0.1.2.3\"",
					  "\"127.0.0.1\"",
					  "\"224.0.0.1\"",
					  "\"255.255.255.255\"",
					  "\"240.0.0.1\"",
					  "\"::1\"",
					  "\"2001:db8::1\"",
					  "\"::ffff:192.168.1.1\"",
					  "\"host\""};
	char value[200];

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		snprintf(value, sizeof(value), "{\"PublicIP\":%s,\"BackendType\":\"vxlan\"}",
			 bad[i]);
		assert_refused(KEY, value, strlen(value), "PublicIP is ");
	}
	assert_refused(KEY, "{\"BackendType\":\"vxlan\"}", 23, "PublicIP is missing");
}

static void refuses_every_wrong_public_ipv6(void **state)
{
	static const char *const bad[] = {"true",	 "1",		"[]",	  "{}",
					  "\"\"",	 "\"x\"",	"\"::\"", "\"::1\"",
					  "\"ff02::1\"", "\"10.0.0.1\""};
	char value[200];

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		snprintf(value, sizeof(value),
			 "{\"PublicIP\":\"10.0.0.1\",\"PublicIPv6\":%s,\"BackendType\":\"vxlan\"}",
			 bad[i]);
		assert_refused(KEY, value, strlen(value), "PublicIPv6 is ");
	}
}

static void refuses_every_wrong_backend_type(void **state)
{
	static const char *const bad[] = {"null",
					  "true",
					  "1",
					  "[]",
					  "{}",
					  "[\"vxlan\"]",
					  "\"\"",
					  "\"VXLAN\"",
					  "\"vx lan\"",
					  "\"../x\"",
					  "\"vxlan\\u0000\"",
					  "\"vxlan\\n\"",
					  "\"vx\xc3\xa4n\"",
					  "\"a_b\"",
					  "\"a23456789012345678901234567890123\""};
	char value[200];

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		snprintf(value, sizeof(value), "{\"PublicIP\":\"10.0.0.1\",\"BackendType\":%s}",
			 bad[i]);
		assert_refused(KEY, value, strlen(value), "BackendType is ");
	}
	assert_refused(KEY, "{\"PublicIP\":\"10.0.0.1\"}", 23, "BackendType is missing");
	fl_lease_record_free(decode(KEY, "{\"PublicIP\":\"10.0.0.1\",\"BackendType\":"
					 "\"a2345678901234567890123456789-12\"}"));
}

static void a_message_repeats_only_the_start_of_a_long_value(void **state)
{
	char value[8192];
	size_t len;

	(void)state;
	strcpy(value, "{\"BackendType\":\"vxlan\",\"PublicIP\":\"");
	len = strlen(value);
	memset(value + len, 'x', 5000);
	strcpy(value + len + 5000, "\"}");
	assert_refused(KEY, value, strlen(value), "xxx...: must be");
}

static void values_end_at_their_limit(void **state)
{
	size_t size = 60000, head = strlen(GOOD);
	char *value = malloc(size + 1);
	struct fl_lease_record *rec = NULL;

	(void)state;
	memset(value, ' ', size);
	memcpy(value, GOOD, head);
	assert_int_equal(fl_lease_decode(KEY, value, FL_LEASE_VALUE_MAX, &rec, NULL), 0);
	assert_string_equal(rec->lease.backend_data, "{\"VtepMAC\":\"02:00:5e:10:00:01\"}");
	fl_lease_record_free(rec);
	assert_refused(KEY, value, FL_LEASE_VALUE_MAX + 1, "16385 bytes");
	assert_refused(KEY, value, size, "60000 bytes");
	free(value);
}

/* ---- encode ---- */

static void assert_encodes(const struct fl_lease *l, const char *want)
{
	char *text = fl_lease_encode(l, false);

	assert_string_equal(text, want);
	free(text);
}

static void writes_what_flannel_writes(void **state)
{
	struct fl_lease l = {.backend_type = "vxlan",
			     .backend_data = "{\"VtepMAC\":\"02:00:5e:10:00:01\"}"};

	(void)state;
	assert_int_equal(fl_addr_parse("192.168.1.1", &l.public_ip), 0);
	assert_encodes(&l, GOOD);
	l.backend_type = "host-gw";
	l.backend_data = NULL;
	assert_encodes(&l, "{\"PublicIP\":\"192.168.1.1\",\"BackendType\":\"host-gw\"}");
	l.backend_data = "";
	assert_encodes(&l, "{\"PublicIP\":\"192.168.1.1\",\"BackendType\":\"host-gw\"}");
	l.backend_data6 = "{\"VNI\":1}";
	assert_int_equal(fl_addr_parse("2001:db8::1", &l.public_ip6), 0);
	assert_encodes(&l, "{\"PublicIP\":\"192.168.1.1\",\"PublicIPv6\":\"2001:db8::1\","
			   "\"BackendType\":\"host-gw\",\"BackendV6Data\":{\"VNI\":1}}");
}

static void what_was_written_reads_the_same(void **state)
{
	struct fl_lease_record *rec =
		decode("10.5.52.0-24&fd00::-64",
		       "{\"PublicIP\":\"192.168.1.1\",\"PublicIPv6\":\"2001:db8::1\","
		       "\"BackendType\":\"vxlan\",\"BackendData\":[1.0],"
		       "\"BackendV6Data\":\"\\u00e4\"}");
	char *text = fl_lease_encode(&rec->lease, false);
	struct fl_lease_record *again = decode("10.5.52.0-24&fd00::-64", text);

	(void)state;
	assert_true(fl_lease_same(&rec->lease, &again->lease));
	free(text);
	fl_lease_record_free(rec);
	fl_lease_record_free(again);
}

/* ---- records ---- */

static void a_record_stands_on_its_own(void **state)
{
	char type[] = "vxlan", data[] = "{}", data6[] = "[]";
	struct fl_lease l = {.subnet = {.len = 24},
			     .backend_type = type,
			     .backend_data = data,
			     .backend_data6 = data6};
	struct fl_lease_record *rec = fl_lease_record_new(&l);

	(void)state;
	assert_true(fl_lease_same(&l, &rec->lease));
	memset(type, 'x', 5);
	memset(data, 'x', 2);
	memset(data6, 'x', 2);
	assert_string_equal(rec->lease.backend_type, "vxlan");
	assert_string_equal(rec->lease.backend_data, "{}");
	assert_string_equal(rec->lease.backend_data6, "[]");
	assert_false(fl_lease_same(&l, &rec->lease));
	fl_lease_record_free(rec);

	l.backend_data = "";
	l.backend_data6 = NULL;
	rec = fl_lease_record_new(&l);
	assert_null(rec->lease.backend_data);
	assert_null(rec->lease.backend_data6);
	assert_true(fl_lease_same(&l, &rec->lease));
	fl_lease_record_free(rec);
}

static void any_difference_that_others_act_on_counts(void **state)
{
	static const char *const others[][2] = {
		{"10.5.53.0-24", GOOD},
		{"10.5.52.0-25", GOOD},
		{"10.5.52.0-24&fd00::-64", GOOD},
		{KEY, "{\"PublicIP\":\"192.168.1.2\",\"BackendType\":\"vxlan\","
		      "\"BackendData\":{\"VtepMAC\":\"02:00:5e:10:00:01\"}}"},
		{KEY, "{\"PublicIP\":\"192.168.1.1\",\"BackendType\":\"udp\","
		      "\"BackendData\":{\"VtepMAC\":\"02:00:5e:10:00:01\"}}"},
		{KEY, "{\"PublicIP\":\"192.168.1.1\",\"BackendType\":\"vxlan\","
		      "\"BackendData\":{\"VtepMAC\":\"02:00:5e:10:00:02\"}}"},
		{KEY, "{\"PublicIP\":\"192.168.1.1\",\"BackendType\":\"vxlan\"}"},
		{KEY, "{\"PublicIP\":\"192.168.1.1\",\"PublicIPv6\":\"2001:db8::1\","
		      "\"BackendType\":\"vxlan\","
		      "\"BackendData\":{\"VtepMAC\":\"02:00:5e:10:00:01\"}}"},
		{KEY, "{\"PublicIP\":\"192.168.1.1\",\"BackendType\":\"vxlan\",\"BackendV6Data\":1,"
		      "\"BackendData\":{\"VtepMAC\":\"02:00:5e:10:00:01\"}}"},
	};
	struct fl_lease_record *rec = decode(KEY, GOOD);
	struct fl_lease_record *spaced = decode(
		KEY, " { \"BackendData\" : { \"VtepMAC\" : \"02:00:5e:10:00:01\" } , \"New\":1,"
		     "\"BackendType\":\"vxlan\",\"PublicIP\":\"192.168.1.1\"}\n");

	(void)state;
	spaced->index = 7;
	spaced->expires_s = 8;
	assert_true(fl_lease_same(&rec->lease, &spaced->lease));
	for (size_t i = 0; i < FL_ARRAY_SIZE(others); i++) {
		struct fl_lease_record *other = decode(others[i][0], others[i][1]);

		assert_false(fl_lease_same(&rec->lease, &other->lease));
		assert_false(fl_lease_same(&other->lease, &rec->lease));
		fl_lease_record_free(other);
	}
	fl_lease_record_free(rec);
	fl_lease_record_free(spaced);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_survive_a_round_trip),
		cmocka_unit_test(the_longest_key_fits),
		cmocka_unit_test(refuses_keys_that_are_no_subnet),
		cmocka_unit_test(reads_what_flannel_writes),
		cmocka_unit_test(reads_what_newer_flannels_write),
		cmocka_unit_test(member_names_match_as_go_matches_them),
		cmocka_unit_test(backend_data_may_be_any_json),
		cmocka_unit_test(refuses_values_that_are_no_object),
		cmocka_unit_test(refuses_every_wrong_public_ip),
		cmocka_unit_test(refuses_every_wrong_public_ipv6),
		cmocka_unit_test(refuses_every_wrong_backend_type),
		cmocka_unit_test(a_message_repeats_only_the_start_of_a_long_value),
		cmocka_unit_test(values_end_at_their_limit),
		cmocka_unit_test(writes_what_flannel_writes),
		cmocka_unit_test(what_was_written_reads_the_same),
		cmocka_unit_test(a_record_stands_on_its_own),
		cmocka_unit_test(any_difference_that_others_act_on_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
