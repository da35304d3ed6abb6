/* tests/unit/test_etcd_watch.c - following the others, endpoints and settings, over a small etcd in
 * memory that can be told to fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "store_run.h"

/* ---- the others ---- */

static void a_snapshot_that_breaks_off_is_taken_back(void **state)
{
	(void)state;
	fake_put_lease("10.5.9.0-24", "192.168.0.9", "02:00:00:00:00:09", 50);
	begin(ONE, 100);
	run_until("end;");
	told.log[0] = '\0';
	fake.broken_lists = 1;
	fake_end_poll(FL_ETCD_CLEARED);
	run_until("end;");
	assert_string_equal(told.log, "begin;peer 10.5.9.0/24;abort;begin;peer 10.5.9.0/24;end;");
}

/* Of many leases etcd makes a listing only slowly. */
static void the_listing_that_has_shown_a_free_subnet_is_the_first_snapshot(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	fake_put_lease("10.5.9.0-24", "192.168.0.9", "02:00:00:00:00:09", 50);
	begin(ONE, 100);
	run_until("end;");
	assert_string_equal(told.log, "acquired 10.5.52.0/24;begin;peer 10.5.9.0/24;end;");
	assert_int_equal(fake.requests[FL_ETCD_LIST], 1);
	assert_true(fake.watcher->req.index < fake_find("10.5.52.0-24")->index);
}

static void a_listing_that_has_broken_off_is_told_once(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	fake_put_lease("10.5.9.0-24", "192.168.0.9", "02:00:00:00:00:09", 50);
	fake.broken_lists = 1;
	begin(ONE, 100);
	run_until("end;");
	assert_string_equal(told.log, "acquired 10.5.52.0/24;begin;peer 10.5.9.0/24;end;");
}

/* The listing shows the lease as it was before it was taken over. */
static void the_own_lease_in_the_listing_is_no_news(void **state)
{
	(void)state;
	fake_put_lease("10.5.7.0-24", "192.168.0.1", "02:00:00:00:00:77", 50);
	begin(ONE, 100);
	run_until("end;");
	run_for(.1);
	assert_string_equal(told.log, "acquired 10.5.7.0/24;begin;end;");
	assert_int_equal(fake.requests[FL_ETCD_GET], 0);
}

static void bad_entries_affect_only_themselves(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	fake_put("foo", "x", FL_ETCD_FOREVER);
	fake_put("10.5.1.0-99", "x", FL_ETCD_FOREVER);
	fake_put("10.5.8.0-24", "{", 50);
	fake_put_lease("10.5.9.0-24", "192.168.0.9", "02:00:00:00:00:09", 50);
	begin(ONE, 100);
	run_until("end;");
	assert_string_equal(told.log, "acquired 10.5.52.0/24;begin;unreadable 10.5.8.0/24;"
				      "peer 10.5.9.0/24;end;");
	fake_put_lease("10.5.4.0-24", "192.168.0.1", "02:00:00:00:00:04", 50);
	event("10.5.4.0-24", false); /* our own address: no row may lead to ourselves */
	assert_string_equal(told.log, "gone 10.5.4.0/24;");
	fake_find("10.5.9.0-24")->index = 0;
	event("10.5.9.0-24", true);
	assert_string_equal(told.log, "gone 10.5.9.0/24;");
}

/* It is kept in as few bytes as it takes, until it is told. */
static void the_first_listing_is_told_as_any_other_snapshot(void **state)
{
	char leases[sizeof(told.leases)];

	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	fake_put_lease("10.5.9.0-24", "192.168.0.9", "02:00:00:00:00:09", 50);
	fake_put("10.5.10.0-24", "{\"PublicIP\":\"192.168.0.10\",\"BackendType\":\"host-gw\"}",
		 FL_ETCD_FOREVER);
	fake_put("10.5.11.0-25&fd00:11::-64",
		 "{\"PublicIP\":\"192.168.0.11\",\"PublicIPv6\":\"fd01::11\",\"BackendType\":"
		 "\"vxlan\",\"BackendData\":{\"VNI\":1},\"BackendV6Data\":{\"VNI\":2}}",
		 50);
	fake_put_lease("10.5.12.0-24&fd00:0:12::0-64", "192.168.0.12", "02:00:00:00:00:12", 50);
	fake_put_lease("10.5.12.0-24&fd00:13::-64", "192.168.0.13", "02:00:00:00:00:13", 50);
	begin(ONE, 100);
	run_until("end;");
	(void)snprintf(leases, sizeof(leases), "%s", told.leases);
	assert_string_equal(told.log,
			    "acquired 10.5.52.0/24;begin;peer 10.5.9.0/24;peer 10.5.10.0/24;"
			    "peer 10.5.11.0/25;peer 10.5.12.0/24;unreadable 10.5.12.0/24;end;");
	told.log[0] = told.leases[0] = '\0';
	fake_end_poll(FL_ETCD_CLEARED);
	run_until("end;");
	assert_string_equal(told.leases, leases);
	assert_non_null(strstr(leases, "10.5.11.0-25&fd00:11::-64 {\"PublicIP\":\"192.168.0.11\","
				       "\"PublicIPv6\":\"fd01::11\",\"BackendType\":\"vxlan\","
				       "\"BackendData\":{\"VNI\":1},\"BackendV6Data\":{\"VNI\":2}} "
				       "index "));
	assert_non_null(strstr(leases, " for ever\n"));
	assert_null(strstr(leases, "index 0"));
}

/* flannel's dual-stack hosts write a key of two subnets. */
static void a_second_key_for_a_subnet_counts_once_the_first_is_gone(void **state)
{
	const char *twin = "10.5.9.0-24&fd00:9::-64";

	(void)state;
	fake_put_lease("10.5.9.0-24", "192.168.0.9", "02:00:00:00:00:09", 50);
	begin(ONE, 100);
	run_until("end;");
	fake_put_lease(twin, "192.168.0.10", "02:00:00:00:00:10", 50);
	event(twin, false);
	assert_string_equal(told.log, "unreadable 10.5.9.0/24;");
	fake_find(twin)->index = 0;
	event(twin, true); /* not the one that counts */
	assert_string_equal(told.log, "");
	fake_put_lease(twin, "192.168.0.10", "02:00:00:00:00:10", 50);
	event(twin, false);
	fake_find("10.5.9.0-24")->index = 0;
	event("10.5.9.0-24", true);
	run_until("end;");
	assert_string_equal(told.log, "gone 10.5.9.0/24;begin;peer 10.5.9.0/24;end;");
}

static void an_entry_that_turns_bad_is_only_told_to_be_unreadable(void **state)
{
	(void)state;
	fake_put_lease("10.5.9.0-24", "192.168.0.9", "02:00:00:00:00:09", 50);
	begin(ONE, 100);
	run_until("end;");
	fake_put("10.5.9.0-24", "{", 50);
	event("10.5.9.0-24", false);
	assert_string_equal(told.log, "unreadable 10.5.9.0/24;");
	fake_find("10.5.9.0-24")->index = 0;
	event("10.5.9.0-24", true);
	assert_string_equal(told.log, "gone 10.5.9.0/24;");
}

/* Of etcd's v2 API, which tells one change a poll. */
static void many_changes_at_once_are_one_snapshot(void **state)
{
	unsigned int lists;

	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous); /* or 10.5.9.0/24 might be ours */
	begin(ONE, 100);
	run_until("end;");
	lists = fake.requests[FL_ETCD_LIST];
	told.log[0] = '\0';
	fake_put_lease("10.5.9.0-24", "192.168.0.9", "02:00:00:00:00:09", 50);
	fake_late_event("10.5.9.0-24", 10);
	run_for(.05);
	assert_int_equal(fake.requests[FL_ETCD_LIST], lists);
	assert_string_equal(told.log, "peer 10.5.9.0/24;");
	fake_late_event("10.5.9.0-24", 1000);
	run_until("end;");
	assert_int_equal(fake.requests[FL_ETCD_LIST], lists + 1);
	assert_non_null(fake.watcher);
	assert_int_equal(fake.watcher->req.index, fake.index);
}

/* A proxy that keeps the headers of a poll back looks like an endpoint that is dead. */
static void a_poll_that_is_not_answered_is_checked_by_another_question(void **state)
{
	unsigned int gets;

	(void)state;
	begin(ONE, 100);
	run_until("end;");
	gets = fake.requests[FL_ETCD_GET];
	assert_true(fake.watcher->req.begin_timeout_ms > 0);
	fake_end_poll(FL_ETCD_SILENT);
	run_for(.1);
	assert_int_equal(fake.requests[FL_ETCD_GET], gets + 1);
	assert_non_null(fake.watcher);
	assert_int_equal(fake.watcher->req.begin_timeout_ms, 0); /* it lives, so it is waited for */
	assert_string_equal(told.status, "");
}

static void a_store_that_was_set_back_is_believed(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	begin(ONE, 100);
	run_until("end;");
	fake.index = 3;
	fake_put_lease("10.5.52.0-24", "192.168.0.1", "02:00:00:00:00:55", 50); /* of a backup */
	told.log[0] = '\0';
	fake_end_poll(FL_ETCD_CLEARED);
	run_until("end;");
	run_for(.1);
	assert_non_null(strstr(fake_find("10.5.52.0-24")->value, OUR_MAC));
}

/* ---- endpoints ---- */

static void a_dead_endpoint_is_passed_over_at_once(void **state)
{
	(void)state;
	(void)snprintf(fake.dead, sizeof(fake.dead), "one");
	begin("http://one, http://two/", 100);
	run_until("end;");
	assert_string_equal(told.status, "");
}

static void an_outage_is_said_and_waited_out(void **state)
{
	(void)state;
	(void)snprintf(fake.dead, sizeof(fake.dead), "http");
	begin("http://one:1,http://two:2", 100);
	run_for(.5);
	assert_string_equal(told.log, "");
	assert_non_null(strstr(told.status, "dead"));
	fake.dead[0] = '\0';
	run_until("end;");
	assert_string_equal(told.status, "");
}

static void a_config_is_waited_for(void **state)
{
	const char *config = fake.config;

	(void)state;
	fake.config = NULL;
	begin(ONE, 100);
	run_for(.3);
	assert_string_equal(told.status, "waiting for /coreos.com/network/config");
	fake.config = config;
	run_until("acquired");
	assert_string_equal(told.status, "");
}

static void a_refusal_of_access_is_said(void **state)
{
	(void)state;
	fake.denied = true;
	begin(ONE, 100);
	run_for(.2);
	assert_string_equal(told.status, "waiting for etcd: http://one: no");
}

static void wrong_settings_are_refused_by_name(void **state)
{
	static const struct {
		struct fl_store_conf conf;
		const char *names;
	} bad[] = {
		{{.endpoints = "", .lease_ttl_s = 9}, "etcd-endpoints"},
		{{.endpoints = "one:2379", .lease_ttl_s = 9}, "etcd-endpoints"},
		{{.endpoints = "ftp://u:secret@one", .lease_ttl_s = 9}, "etcd-endpoints"},
		{{.endpoints = "http://u:secret@one:x", .lease_ttl_s = 9}, "etcd-endpoints"},
		{{.endpoints = "http://u:secret@one", .lease_ttl_s = 9}, "etcd-username"},
		{{.endpoints = "http://one?x=1", .lease_ttl_s = 9}, "etcd-endpoints"},
		{{.endpoints = ONE, .prefix = "/a/../b", .lease_ttl_s = 9}, "etcd-prefix"},
		{{.endpoints = ONE, .cert_file = "/c", .lease_ttl_s = 9}, "etcd-keyfile"},
		{{.endpoints = ONE, .password = "secret", .lease_ttl_s = 9}, "etcd-username"},
		{{.endpoints = ONE, .lease_ttl_s = 9, .renew_margin_s = 9}, "subnet-lease-ttl"},
	};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		struct fl_store *s = NULL;
		char *why = NULL;

		assert_int_equal(fl_store_create(fake.loop, &bad[i].conf, &listener, &s, &why),
				 -EINVAL);
		assert_null(s);
		assert_non_null(strstr(why, bad[i].names));
		assert_null(strstr(why, "secret"));
		free(why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_snapshot_that_breaks_off_is_taken_back),
		TEST(the_listing_that_has_shown_a_free_subnet_is_the_first_snapshot),
		TEST(a_listing_that_has_broken_off_is_told_once),
		TEST(the_own_lease_in_the_listing_is_no_news),
		TEST(bad_entries_affect_only_themselves),
		TEST(the_first_listing_is_told_as_any_other_snapshot),
		TEST(a_second_key_for_a_subnet_counts_once_the_first_is_gone),
		TEST(an_entry_that_turns_bad_is_only_told_to_be_unreadable),
		TEST(many_changes_at_once_are_one_snapshot),
		TEST(a_poll_that_is_not_answered_is_checked_by_another_question),
		TEST(a_store_that_was_set_back_is_believed),
		TEST(a_dead_endpoint_is_passed_over_at_once),
		TEST(an_outage_is_said_and_waited_out),
		TEST(a_config_is_waited_for),
		TEST(a_refusal_of_access_is_said),
		TEST(wrong_settings_are_refused_by_name),
	};

	fl_etcd_api = &fake_etcd_api;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
