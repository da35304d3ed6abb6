/* tests/unit/test_file_content.c - what a file with a network config and leases says, and what is
 * wrong with it. */
#include "store/file_content.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/defs.h"
#include "file_texts.h"

static struct fl_file_content parsed(const char *text)
{
	struct fl_file_content c;
	char *why = NULL;

	if (fl_file_content_parse(text, strlen(text), &c, &why) < 0)
		fail_msg("%s", why);
	return c;
}

static void all_but_the_leases_is_the_network_config(void **state)
{
	struct fl_file_content c = parsed("{\"Comment\":1," CONFIG ",\"leases\":[]}");

	(void)state;
	assert_string_equal(c.config, "{" CONFIG "}");
	assert_int_equal(c.count, 0);
	fl_file_content_done(&c);
}

static void a_lease_is_of_the_backend_of_the_config_unless_it_says_otherwise(void **state)
{
	struct fl_file_content c = parsed(FILE_OF(
		OURS ",{\"Subnet\":\"10.5.2.0/24\",\"PublicIP\":\"192.168.0.2\",\"BackendType\":"
		     "\"udp\",\"BackendData\":{\"a\":[1]},\"Comment\":\"desk\"}"));

	(void)state;
	assert_string_equal(c.entries[0].rec->lease.backend_type, "vxlan");
	assert_null(c.entries[0].rec->lease.backend_data);
	assert_string_equal(c.entries[1].rec->lease.backend_type, "udp");
	assert_string_equal(c.entries[1].rec->lease.backend_data, "{\"a\":[1]}");
	assert_null(c.entries[1].remark);
	fl_file_content_done(&c);
	c = parsed("{\"Network\":\"10.5.0.0/16\",\"Leases\":[" OURS "]}");
	assert_string_equal(c.entries[0].rec->lease.backend_type, "udp");
	fl_file_content_done(&c);
}

static void assert_fault(const char *leases, const char *fault, bool keyless)
{
	char text[1024];
	struct fl_file_content c;

	(void)snprintf(text, sizeof(text), "{" CONFIG ",\n\"Leases\":[\n%s\n]}", leases);
	c = parsed(text);
	assert_non_null(c.entries[c.count - 1].fault);
	assert_string_equal(c.entries[c.count - 1].fault, fault);
	assert_null(c.entries[c.count - 1].rec);
	assert_int_equal(c.keyless, keyless);
	fl_file_content_done(&c);
}

static void an_entry_of_no_use_is_named_by_line_place_and_member(void **state)
{
	(void)state;
	assert_fault("5", "line 3, Leases[0]: is a number, must be an object", true);
	assert_fault("{}",
		     "line 3, Leases[0]: Subnet is missing: must be a network with its host bits "
		     "clear, such as \"10.5.52.0/24\"",
		     true);
	assert_fault("{\"Subnet\":\"10.5.2.1/24\"}",
		     "line 3, Leases[0]: Subnet is \"10.5.2.1/24\": must be a network with its "
		     "host bits clear, such as \"10.5.52.0/24\"",
		     true);
	assert_fault(OURS ",\n\n{\"Subnet\":\"10.5.2.0/24\",\"PublicIP\":\"127.0.0.1\"}",
		     "line 5, Leases[1] (10.5.2.0/24): PublicIP is \"127.0.0.1\": must be an IPv4 "
		     "unicast address",
		     false);
	assert_fault("{\"Subnet\":\"10.5.2.0/24\"}",
		     "line 3, Leases[0] (10.5.2.0/24): PublicIP is missing: must be an IPv4 "
		     "unicast address",
		     false);
	assert_fault("{\"Subnet\":\"10.5.2.0/24\",\"PublicIP\":\"192.168.0.2\","
		     "\"BackendType\":null}",
		     "line 3, Leases[0] (10.5.2.0/24): BackendType is null: must be 1 to 32 of "
		     "a-z, 0-9 and -",
		     false);
	assert_fault(SECOND ",{\"Comment\":\"]}\\\"\",\n"
			    "\"PublicIP\":\"192.168.0.2\",\"Subnet\":\"10.5.2.0/24\"}",
		     "line 3, Leases[1] (10.5.2.0/24): another entry for this subnet; the first "
		     "one counts",
		     false);
}

static void a_subnet_is_no_key_of_etcd_and_no_default_route(void **state)
{
	static const char *const bad[] = {"10.5.2.0-24",    "10.5.2.0",	    "10.5.2.0/24&fd00::/64",
					  "0.0.0.0/0",	    "10.5.2.0/32",  "127.1.0.0/24",
					  "10.5.2.0/24/24", "fd00:1::/64",  "224.5.2.0/24",
					  "10.5.2.0/024",   "10.5.2.0/24 ", ""};
	char entry[128];

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		struct fl_file_content c;

		(void)snprintf(entry, sizeof(entry),
			       "{" CONFIG ",\"Leases\":[{\"Subnet\":\"%s\"}]}", bad[i]);
		c = parsed(entry);
		assert_int_equal(c.keyless, 1);
		fl_file_content_done(&c);
	}
}

static void an_unknown_member_is_remarked(void **state)
{
	struct fl_file_content c = parsed(FILE_OF(
		"{\"Subnet\":\"10.5.2.0/24\",\"PublicIP\":\"192.168.0.2\",\"VtepMAC\":\"x\"}"));

	(void)state;
	assert_non_null(c.entries[0].rec);
	assert_string_equal(c.entries[0].remark,
			    "line 1, Leases[0] (10.5.2.0/24): VtepMAC is not known, and ignored");
	fl_file_content_done(&c);
}

static void of_several_members_leases_the_last_one_counts(void **state)
{
	struct fl_file_content c =
		parsed("{\"Leases\":[{},\n{}]," CONFIG ",\n\n\"LEASES\" : [\n" SECOND ",7]}");

	(void)state;
	assert_int_equal(c.count, 2);
	assert_int_equal(c.entries[0].line, 5);
	assert_non_null(c.entries[0].rec);
	assert_int_equal(c.keyless, 1);
	fl_file_content_done(&c);
}

static void assert_refused(const char *text, const char *reason)
{
	struct fl_file_content c;
	char *why = NULL;

	assert_int_equal(fl_file_content_parse(text, strlen(text), &c, &why), -EINVAL);
	assert_string_equal(why, reason);
	free(why);
}

static void a_file_that_is_none_is_refused_with_the_reason(void **state)
{
	(void)state;
	assert_refused("[]", "it is an array, must be an object");
	assert_refused("{}", "Leases is missing: must be an array");
	assert_refused("{\"Leases\":{}}", "Leases is an object, must be an array");
	assert_refused("{" CONFIG ",\n\"Leases\":[" OURS ",]}",
		       "not JSON: parse error: unallowed token at this point in JSON text at line "
		       "2, column 62");
}

static void a_file_cut_off_anywhere_is_refused(void **state)
{
	static const char text[] = FILE_OF(OURS "," SECOND);
	struct fl_file_content c;
	char *why = NULL;

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		assert_int_equal(fl_file_content_parse(text, len, &c, &why), -EINVAL);
		free(why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_but_the_leases_is_the_network_config),
		cmocka_unit_test(a_lease_is_of_the_backend_of_the_config_unless_it_says_otherwise),
		cmocka_unit_test(an_entry_of_no_use_is_named_by_line_place_and_member),
		cmocka_unit_test(a_subnet_is_no_key_of_etcd_and_no_default_route),
		cmocka_unit_test(an_unknown_member_is_remarked),
		cmocka_unit_test(of_several_members_leases_the_last_one_counts),
		cmocka_unit_test(a_file_that_is_none_is_refused_with_the_reason),
		cmocka_unit_test(a_file_cut_off_anywhere_is_refused),
	};

	return cmocka_run_group_tests_name("file_content", tests, NULL, NULL);
}
