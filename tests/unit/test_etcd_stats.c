/* tests/unit/test_etcd_stats.c - what the store says of itself to operators. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store_run.h"

static struct fl_store_stats stats(void)
{
	struct fl_store_stats s;

	fl_store_stats(told.store, &s);
	return s;
}

static void nothing_is_claimed_before_the_first_answer(void **state)
{
	struct fl_store_stats s;

	(void)state;
	(void)snprintf(fake.dead, sizeof(fake.dead), "one");
	begin(ONE, 100);
	run_for(.5);
	s = stats();
	assert_int_equal(s.own, FL_STORE_OWN_NONE);
	assert_false(s.following);
	assert_true(s.contact_s == 0.);
	assert_true(s.requests_failed > 1);
	assert_int_equal(s.requests_answered, 0);
	assert_int_equal(s.durations.count, 0);
	assert_non_null(strstr(s.waiting, "waiting for etcd"));
}

static void a_lease_that_is_held_and_followed_is_told_with_its_expiry(void **state)
{
	struct fl_store_stats s;

	(void)state;
	fake_put("nonsense", "{", 50);
	begin(ONE, 100);
	run_until("end;");
	s = stats();
	assert_int_equal(s.own, FL_STORE_OWN_HELD);
	assert_in_range(s.expires_s, time(NULL) + 90, time(NULL) + 101);
	assert_true(s.following);
	assert_in_range((int64_t)s.contact_s, time(NULL) - 5, time(NULL) + 1);
	assert_string_equal(s.waiting, "");
	assert_int_equal(s.unreadable, 1);
	assert_int_equal(s.snapshots, 1);
	assert_int_equal(s.recreations, 0);
	assert_true(s.durations.count == s.requests_answered);
}

static void a_reservation_is_told_as_one_that_does_not_expire(void **state)
{
	(void)state;
	fake_put_lease("10.5.7.0-24", "192.168.0.1", OUR_MAC, FL_ETCD_FOREVER);
	begin(ONE, 100);
	run_until("end;");
	assert_int_equal(stats().own, FL_STORE_OWN_HELD);
	assert_int_equal(stats().expires_s, 0);
}

static void renewals_are_counted_and_those_that_fail_apart(void **state)
{
	(void)state;
	begin(ONE, 2);
	run_until("end;");
	run_for(1.6);
	assert_true(stats().renewals >= 1);
	assert_int_equal(stats().renewal_failures, 0);
	fake.read_only = true;
	run_for(2.);
	assert_true(stats().renewal_failures >= 1);
	assert_true(stats().requests_denied >= 1);
	assert_true(stats().expires_s <= time(NULL) + 2);
}

static void a_lease_that_is_gone_is_amiss_until_it_is_created_again(void **state)
{
	struct fl_store_stats s;

	(void)state;
	fake_put_lease("10.5.7.0-24", "192.168.0.1", OUR_MAC, 50);
	begin(ONE, 100);
	run_until("end;");
	fake.read_only = true;
	fake_find("10.5.7.0-24")->index = 0;
	event("10.5.7.0-24", true);
	run_for(.5);
	assert_int_equal(stats().own, FL_STORE_OWN_AMISS);
	fake.read_only = false;
	run_for(6.);
	s = stats();
	assert_int_equal(s.own, FL_STORE_OWN_HELD);
	assert_int_equal(s.recreations, 1);
	assert_true(s.events >= 1);
}

static void the_watch_is_not_followed_while_nobody_answers_it(void **state)
{
	(void)state;
	begin(ONE, 100);
	run_until("end;");
	fake_end_poll(FL_ETCD_FAILED);
	run_for(.5);
	assert_true(stats().following); /* once is ordinary */
	fake_end_poll(FL_ETCD_FAILED);
	run_for(.5);
	assert_false(stats().following);
	assert_int_equal(stats().own, FL_STORE_OWN_HELD);
	fake_put_lease("10.5.9.0-24", "192.168.0.9", "02:00:00:00:00:09", 50);
	event("10.5.9.0-24", false);
	assert_true(stats().following);
}

static void a_watch_that_has_missed_events_takes_another_snapshot(void **state)
{
	(void)state;
	begin(ONE, 100);
	run_until("end;");
	told.log[0] = '\0';
	fake_end_poll(FL_ETCD_CLEARED);
	run_until("end;");
	assert_true(stats().following);
	assert_int_equal(stats().snapshots, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_claimed_before_the_first_answer),
		TEST(a_lease_that_is_held_and_followed_is_told_with_its_expiry),
		TEST(a_reservation_is_told_as_one_that_does_not_expire),
		TEST(renewals_are_counted_and_those_that_fail_apart),
		TEST(a_lease_that_is_gone_is_amiss_until_it_is_created_again),
		TEST(the_watch_is_not_followed_while_nobody_answers_it),
		TEST(a_watch_that_has_missed_events_takes_another_snapshot),
	};

	fl_etcd_api = &fake_etcd_api;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
