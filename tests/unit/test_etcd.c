/* tests/unit/test_etcd.c - taking and keeping a lease, over a small etcd in memory that can be told
 * to fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_run.h"

/* ---- taking a lease ---- */

static void a_lease_of_our_address_is_taken_over_without_waking_anybody(void **state)
{
	(void)state;
	fake_put_lease("10.5.9.0-24", "192.168.0.9", "02:00:00:00:00:09", 50);
	fake_put_lease("10.5.7.0-24", "192.168.0.1", OUR_MAC, 50);
	begin(ONE, 100);
	run_until("end;");
	assert_string_equal(told.log, "acquired 10.5.7.0/24;begin;peer 10.5.9.0/24;end;");
	assert_int_equal(fake.writes, 0);
	assert_int_equal(fake.refreshes, 1);
	assert_int_equal(fake_find("10.5.7.0-24")->ttl_s, 100);
}

static void a_reservation_stays_one(void **state)
{
	(void)state;
	fake_put_lease("10.5.7.0-24", "192.168.0.1", "02:00:00:00:00:99", FL_ETCD_FOREVER);
	begin(ONE, 2);
	run_until("end;");
	assert_non_null(strstr(told.log, "acquired 10.5.7.0/24 for ever;"));
	assert_non_null(strstr(fake_find("10.5.7.0-24")->value, OUR_MAC));
	run_for(1.5);
	assert_int_equal(fake_find("10.5.7.0-24")->ttl_s, FL_ETCD_FOREVER);
	assert_int_equal(fake.writes + fake.refreshes, 1);
	assert_int_equal(fl_store_release(told.store), 0);
	run_until("released 0;");
	assert_non_null(fake_find("10.5.7.0-24"));
}

static void a_lease_that_the_config_forbids_is_deleted(void **state)
{
	(void)state;
	fake_put_lease("10.6.7.0-24", "192.168.0.1", OUR_MAC, 50);
	begin(ONE, 100);
	run_until("end;");
	assert_null(fake_find("10.6.7.0-24"));
	assert_non_null(strstr(told.log, "acquired 10.5."));
}

static void a_lease_that_holds_our_own_address_is_deleted(void **state)
{
	(void)state;
	(void)fl_addr_parse("10.5.7.9", &told.underlay);
	fake_put_lease("10.5.7.0-24", "192.168.0.1", OUR_MAC, 50);
	begin(ONE, 100);
	run_until("end;");
	assert_null(fake_find("10.5.7.0-24"));
	assert_non_null(strstr(told.log, "acquired 10.5."));
	assert_null(strstr(told.log, "acquired 10.5.7.0/24"));
}

static void a_previous_subnet_that_holds_our_own_address_is_not_asked_for(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	(void)fl_addr_parse("10.5.52.255", &told.underlay);
	begin(ONE, 100);
	run_until("end;");
	assert_null(strstr(told.log, "acquired 10.5.52.0/24"));
}

static void pool_until(const char *last)
{
	static char config[128];

	(void)snprintf(config, sizeof(config),
		       "{\"Network\":\"10.5.0.0/16\",\"SubnetMin\":\"10.5.1.0\",\"SubnetMax\":"
		       "\"%s\",\"Backend\":{\"Type\":\"vxlan\"}}",
		       last);
	fake.config = config;
}

static void a_subnet_that_holds_our_own_address_is_never_picked(void **state)
{
	(void)state;
	pool_until("10.5.3.0");
	(void)fl_addr_parse("10.5.1.4", &told.underlay);
	(void)fl_addr_parse("10.5.3.77", &told.mine.public_ip);
	begin(ONE, 100);
	run_until("acquired 10.5.2.0/24;");
}

static void a_pool_that_only_our_own_address_is_left_of_is_exhausted(void **state)
{
	(void)state;
	pool_until("10.5.2.0");
	(void)fl_addr_parse("10.5.1.4", &told.underlay);
	fake_put_lease("10.5.2.0-24", "192.168.0.3", "02:00:00:00:00:03", 50);
	begin(ONE, 100);
	run_for(.3);
	assert_string_equal(told.log, "");
	assert_non_null(strstr(told.status, "10.5.0.0/16: 1 leases"));
}

static void the_previous_subnet_is_asked_for(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	begin(ONE, 100);
	run_until("acquired 10.5.52.0/24;");
}

static void the_previous_subnet_of_another_host_is_left_alone(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	fake_put_lease("10.5.52.0-24", "192.168.0.2", "02:00:00:00:00:02", 50);
	begin(ONE, 100);
	run_until("peer 10.5.52.0/24;end;");
	assert_null(strstr(told.log, "acquired 10.5.52.0/24"));
	assert_non_null(strstr(fake_find("10.5.52.0-24")->value, "192.168.0.2"));
}

static void the_previous_subnet_is_kept_when_our_address_changed(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	fake_put_lease("10.5.52.0-24", "192.168.0.2", OUR_MAC, 50);
	begin(ONE, 100);
	run_until("acquired 10.5.52.0/24;");
	assert_non_null(strstr(fake_find("10.5.52.0-24")->value, "192.168.0.1"));
}

static void a_lost_race_picks_again(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	(void)snprintf(fake.rival, sizeof(fake.rival), "10.5.52.0-24");
	begin(ONE, 100);
	run_until("peer 10.5.52.0/24;end;");
	assert_non_null(strstr(fake_find("10.5.52.0-24")->value, "192.168.0.77"));
}

static void an_exhausted_pool_is_waited_out(void **state)
{
	(void)state;
	fake.config = "{\"Network\":\"10.5.0.0/16\",\"SubnetMin\":\"10.5.1.0\",\"SubnetMax\":"
		      "\"10.5.2.0\",\"Backend\":{\"Type\":\"vxlan\"}}";
	fake_put_lease("10.5.1.0-24", "192.168.0.2", "02:00:00:00:00:02", 50);
	fake_put_lease("10.5.2.0-24", "192.168.0.3", "02:00:00:00:00:03", 50);
	begin(ONE, 100);
	run_for(.3);
	assert_string_equal(told.log, "");
	assert_non_null(strstr(told.status, "10.5.0.0/16: 2 leases"));
	fake_find("10.5.2.0-24")->index = 0;
	run_until("acquired 10.5.2.0/24;");
	assert_string_equal(told.status, "");
}

static void an_entry_as_large_as_the_network_takes_nothing(void **state)
{
	(void)state;
	fake_put_lease("10.5.0.0-16", "192.168.0.2", "02:00:00:00:00:02", 50);
	fake_put_lease("10.0.0.0-8", "192.168.0.3", "02:00:00:00:00:03", 50);
	fake_put_lease("10.5.0.0-17", "192.168.0.4", "02:00:00:00:00:04", 50);
	begin(ONE, 100);
	run_until("acquired 10.5.");
	assert_true(atoi(strstr(told.log, "acquired 10.5.") + strlen("acquired 10.5.")) >= 128);
}

/* ---- keeping it ---- */

static void a_renewal_is_in_time_and_wakes_nobody(void **state)
{
	(void)state;
	begin(ONE, 2);
	run_until("end;");
	assert_int_equal(fake.writes, 1);
	run_for(1.5);
	assert_int_equal(fake.writes, 1);
	assert_int_equal(fake.refreshes, 1);
}

static void a_deleted_lease_is_re_created(void **state)
{
	struct fake_key *k;

	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	begin(ONE, 100);
	run_until("end;");
	k = fake_find("10.5.52.0-24");
	assert_non_null(k);
	k->index = 0;
	fake.index++;
	event("10.5.52.0-24", true);
	run_for(.1);
	k = fake_find("10.5.52.0-24");
	assert_non_null(k);
	assert_int_equal(k->ttl_s, 100);
	assert_string_equal(told.log, "");
}

static void a_lease_that_another_host_holds_is_never_written(void **state)
{
	uint64_t index;

	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	begin(ONE, 2);
	run_until("end;");
	fake_put_lease("10.5.52.0-24", "192.168.0.2", "02:00:00:00:00:02", 50);
	index = fake.index;
	run_until("lost 10.5.52.0/24: our subnet is held by 192.168.0.2 now;"); /* by renewing */
	run_for(1.5);
	assert_int_equal(fake.index, index);
	assert_int_equal(fl_store_release(told.store), 0);
	run_until("released 0;");
	assert_int_equal(fake.index, index);
}

static void garbage_over_our_lease_is_repaired(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	begin(ONE, 100);
	run_until("end;");
	fake_put("10.5.52.0-24", "garbage", FL_ETCD_FOREVER);
	event("10.5.52.0-24", false);
	run_for(.1);
	assert_non_null(strstr(fake_find("10.5.52.0-24")->value, "192.168.0.1"));
	assert_int_equal(fake_find("10.5.52.0-24")->ttl_s, FL_ETCD_FOREVER);
}

static void an_etcd_that_empties_what_it_refreshes_gets_the_whole_lease(void **state)
{
	(void)state;
	fake.refresh_empties = true;
	fake_put_lease("10.5.7.0-24", "192.168.0.1", OUR_MAC, 50);
	begin(ONE, 2);
	run_until("end;");
	assert_non_null(strstr(told.log, "acquired 10.5.7.0/24;"));
	assert_non_null(strstr(fake_find("10.5.7.0-24")->value, "192.168.0.1"));
	run_for(1.5);
	assert_non_null(strstr(fake_find("10.5.7.0-24")->value, "192.168.0.1"));
	assert_int_equal(fake.refreshes, 1); /* known from then on */
	assert_true(fake.writes >= 2);
}

/* ---- this host has another address ---- */

static void move_to(const char *address)
{
	const struct fl_lease *own = NULL;
	struct fl_lease mine = told.mine;

	(void)fl_addr_parse(address, &mine.public_ip);
	assert_int_equal(fl_store_change(told.store, &mine, &own), 0);
	assert_true(fl_addr_equal(&own->public_ip, &mine.public_ip));
	assert_int_equal(own->subnet.len, 24);
}

static void hold_52(uint32_t ttl_s)
{
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	begin(ONE, ttl_s);
	run_until("end;");
	told.log[0] = '\0';
}

static bool etcd_says(const char *address)
{
	const struct fake_key *k = fake_find("10.5.52.0-24");

	return k && strstr(k->value, address);
}

static void a_new_address_is_written_over_our_lease(void **state)
{
	(void)state;
	hold_52(2);
	move_to("192.168.0.200");
	run_for(.1);
	assert_true(etcd_says("\"192.168.0.200\""));
	assert_int_equal(fake_find("10.5.52.0-24")->ttl_s, 2);
	run_for(1.5); /* and renewed from there */
	assert_true(etcd_says("\"192.168.0.200\""));
	assert_int_equal(fake.refreshes, 1);
	assert_string_equal(told.log, "");
}

static void a_new_address_leaves_a_reservation_one(void **state)
{
	(void)state;
	fake_put_lease("10.5.52.0-24", "192.168.0.1", OUR_MAC, FL_ETCD_FOREVER);
	hold_52(100);
	move_to("192.168.0.200");
	run_for(.1);
	assert_true(etcd_says("\"192.168.0.200\""));
	assert_int_equal(fake_find("10.5.52.0-24")->ttl_s, FL_ETCD_FOREVER);
}

static void a_new_address_gets_past_a_touch_of_the_old_lease(void **state)
{
	(void)state;
	hold_52(100);
	fake_find("10.5.52.0-24")->index = ++fake.index; /* a renewal whose answer was lost */
	move_to("192.168.0.200");
	run_for(.3);
	assert_true(etcd_says("\"192.168.0.200\""));
	assert_string_equal(told.log, "");
}

static void addresses_that_change_while_etcd_is_away_end_in_the_last_one(void **state)
{
	char address[FL_ADDR_STRLEN];

	(void)state;
	hold_52(100);
	(void)snprintf(fake.dead, sizeof(fake.dead), "one");
	for (int i = 0; i < 12; i++) {
		(void)snprintf(address, sizeof(address), "192.168.0.%d", 200 + i);
		move_to(address);
		run_for(.01);
	}
	assert_true(etcd_says("\"192.168.0.1\""));
	fake.dead[0] = '\0';
	for (int i = 0; i < 80 && !etcd_says("\"192.168.0.211\""); i++)
		run_for(.1);
	assert_true(etcd_says("\"192.168.0.211\""));
	assert_string_equal(told.log, "");
}

static void a_new_address_is_not_written_over_the_lease_of_another_host(void **state)
{
	uint64_t index;

	(void)state;
	hold_52(100);
	fake_put_lease("10.5.52.0-24", "192.168.0.1", "02:00:00:00:00:99", 50);
	index = fake.index;
	move_to("192.168.0.200");
	run_until("lost 10.5.52.0/24: our subnet is held by 192.168.0.1 now;");
	assert_int_equal(fake.index, index);
}

static void a_new_address_re_creates_a_lease_that_is_gone(void **state)
{
	(void)state;
	hold_52(100);
	fake_find("10.5.52.0-24")->index = 0;
	move_to("192.168.0.200");
	run_for(.2);
	assert_true(etcd_says("\"192.168.0.200\""));
}

static void nothing_changes_before_a_lease_is_ours(void **state)
{
	const struct fl_lease *own = NULL;

	(void)state;
	pool_until("10.5.1.0");
	fake_put_lease("10.5.1.0-24", "192.168.0.3", "02:00:00:00:00:03", 50);
	begin(ONE, 100);
	run_for(.1);
	assert_int_equal(fl_store_change(told.store, &told.mine, &own), -EINVAL);
	assert_null(own);
}

static void release_deletes_our_lease(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.52.0/24", &told.previous);
	begin(ONE, 100);
	run_until("end;");
	fake_find("10.5.52.0-24")->index = ++fake.index; /* somebody touched it */
	assert_int_equal(fl_store_release(told.store), 0);
	run_until("released 0;");
	assert_null(fake_find("10.5.52.0-24"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lease_of_our_address_is_taken_over_without_waking_anybody),
		TEST(a_reservation_stays_one),
		TEST(a_lease_that_the_config_forbids_is_deleted),
		TEST(a_lease_that_holds_our_own_address_is_deleted),
		TEST(a_previous_subnet_that_holds_our_own_address_is_not_asked_for),
		TEST(a_subnet_that_holds_our_own_address_is_never_picked),
		TEST(a_pool_that_only_our_own_address_is_left_of_is_exhausted),
		TEST(the_previous_subnet_is_asked_for),
		TEST(the_previous_subnet_of_another_host_is_left_alone),
		TEST(the_previous_subnet_is_kept_when_our_address_changed),
		TEST(a_lost_race_picks_again),
		TEST(an_exhausted_pool_is_waited_out),
		TEST(an_entry_as_large_as_the_network_takes_nothing),
		TEST(a_renewal_is_in_time_and_wakes_nobody),
		TEST(a_deleted_lease_is_re_created),
		TEST(a_lease_that_another_host_holds_is_never_written),
		TEST(garbage_over_our_lease_is_repaired),
		TEST(an_etcd_that_empties_what_it_refreshes_gets_the_whole_lease),
		TEST(a_new_address_is_written_over_our_lease),
		TEST(a_new_address_leaves_a_reservation_one),
		TEST(a_new_address_gets_past_a_touch_of_the_old_lease),
		TEST(addresses_that_change_while_etcd_is_away_end_in_the_last_one),
		TEST(a_new_address_is_not_written_over_the_lease_of_another_host),
		TEST(a_new_address_re_creates_a_lease_that_is_gone),
		TEST(nothing_changes_before_a_lease_is_ours),
		TEST(release_deletes_our_lease),
	};

	fl_etcd_api = &fake_etcd_api;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
