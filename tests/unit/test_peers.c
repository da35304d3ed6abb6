/* tests/unit/test_peers.c - snapshots and events in, additions and removals out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "peers.h"

/** Writes down what it is told: "+10.5.1.0/24=data " and "-10.5.1.0/24=data ". */
struct recorder {
	struct fl_peers_listener listener;
	struct fl_peers *peers;
	char said[4096];
	size_t len;
	uint32_t calls;
};

static void say(struct recorder *rec, char sign, const struct fl_lease_record *r)
{
	char subnet[FL_PREFIX_STRLEN];

	rec->calls++;
	if (rec->len < sizeof(rec->said) - 100)
		rec->len += (size_t)snprintf(
			rec->said + rec->len, sizeof(rec->said) - rec->len, "%c%s=%s ", sign,
			fl_prefix_format(&r->lease.subnet, subnet), r->lease.backend_data);
}

static void on_added(struct fl_peers_listener *l, struct fl_lease_record *r)
{
	struct recorder *rec = fl_container_of(l, struct recorder, listener);

	assert_ptr_equal(fl_peers_find(rec->peers, &r->lease.subnet), r);
	say(rec, '+', r);
}

static void on_removed(struct fl_peers_listener *l, struct fl_lease_record *r)
{
	struct recorder *rec = fl_container_of(l, struct recorder, listener);

	assert_null(fl_peers_find(rec->peers, &r->lease.subnet));
	say(rec, '-', r);
}

static int start(void **state)
{
	struct recorder *rec = calloc(1, sizeof(*rec));

	rec->listener = (struct fl_peers_listener){.added = on_added, .removed = on_removed};
	*state = rec;
	return fl_peers_create(&rec->listener, &rec->peers);
}

static int stop(void **state)
{
	struct recorder *rec = *state;

	fl_peers_destroy(rec->peers);
	free(rec);
	return 0;
}

static struct fl_prefix subnet(uint32_t number)
{
	return (struct fl_prefix){.addr = fl_addr_from_v4(0x0a000000u + (number << 8)), .len = 24};
}

static struct fl_lease_record *lease(uint32_t number, const char *mac, uint64_t index)
{
	struct fl_lease l = {.subnet = subnet(number),
			     .public_ip = fl_addr_from_v4(0xc0a80000u + number),
			     .backend_type = "vxlan",
			     .backend_data = mac};
	struct fl_lease_record *r = fl_lease_record_new(&l);

	r->index = index;
	r->expires_s = (int64_t)index * 10;
	r->etcd_lease = index * 100;
	return r;
}

static void put(struct recorder *rec, uint32_t number, const char *mac)
{
	assert_int_equal(fl_peers_put(rec->peers, lease(number, mac, 1)), 0);
}

static void assert_said(struct recorder *rec, const char *want)
{
	assert_string_equal(rec->said, want);
	rec->len = 0;
	rec->said[0] = '\0';
}

static void a_new_lease_is_told(void **state)
{
	struct recorder *rec = *state;
	struct fl_prefix one = subnet(1), two = subnet(2);

	put(rec, 1, "A");
	assert_said(rec, "+10.0.1.0/24=A ");
	assert_int_equal(fl_peers_count(rec->peers), 1);
	assert_non_null(fl_peers_find(rec->peers, &one));
	assert_null(fl_peers_find(rec->peers, &two));
}

static void the_same_lease_again_is_silent_but_moves_index_and_expiry(void **state)
{
	struct recorder *rec = *state;
	struct fl_prefix one = subnet(1);
	const struct fl_lease_record *before, *after;

	assert_int_equal(fl_peers_put(rec->peers, lease(1, "A", 5)), 0);
	before = fl_peers_find(rec->peers, &one);
	assert_said(rec, "+10.0.1.0/24=A ");
	assert_int_equal(fl_peers_put(rec->peers, lease(1, "A", 9)), 0);
	assert_said(rec, "");
	after = fl_peers_find(rec->peers, &one);
	assert_ptr_equal(after, before); /* whoever borrowed it still may */
	assert_true(after->index == 9 && after->expires_s == 90 && after->etcd_lease == 900);
	assert_int_equal(fl_peers_count(rec->peers), 1);
}

static void a_changed_lease_is_removed_then_added(void **state)
{
	struct recorder *rec = *state;

	put(rec, 1, "A");
	put(rec, 2, "A");
	assert_said(rec, "+10.0.1.0/24=A +10.0.2.0/24=A ");
	put(rec, 1, "B");
	assert_said(rec, "-10.0.1.0/24=A +10.0.1.0/24=B ");
	assert_int_equal(fl_peers_count(rec->peers), 2);
}

static void a_deleted_lease_is_told_once(void **state)
{
	struct recorder *rec = *state;
	struct fl_prefix one = subnet(1), shorter = {.addr = one.addr, .len = 23};

	put(rec, 1, "A");
	assert_said(rec, "+10.0.1.0/24=A ");
	fl_peers_del(rec->peers, &shorter);
	assert_said(rec, "");
	fl_peers_del(rec->peers, &one);
	assert_said(rec, "-10.0.1.0/24=A ");
	fl_peers_del(rec->peers, &one);
	assert_said(rec, "");
	assert_int_equal(fl_peers_count(rec->peers), 0);
}

static void a_snapshot_removes_what_it_does_not_hold(void **state)
{
	struct recorder *rec = *state;

	put(rec, 1, "A");
	put(rec, 2, "A");
	put(rec, 3, "A");
	assert_said(rec, "+10.0.1.0/24=A +10.0.2.0/24=A +10.0.3.0/24=A ");
	fl_peers_snapshot_begin(rec->peers);
	put(rec, 3, "B");
	put(rec, 1, "A");
	put(rec, 4, "A");
	assert_said(rec, "-10.0.3.0/24=A +10.0.3.0/24=B +10.0.4.0/24=A ");
	fl_peers_snapshot_end(rec->peers);
	assert_said(rec, "-10.0.2.0/24=A ");
	assert_int_equal(fl_peers_count(rec->peers), 3);
}

static void an_empty_snapshot_removes_all(void **state)
{
	struct recorder *rec = *state;

	put(rec, 1, "A");
	put(rec, 2, "A");
	fl_peers_snapshot_begin(rec->peers);
	fl_peers_snapshot_end(rec->peers);
	assert_int_equal(fl_peers_count(rec->peers), 0);
	assert_int_equal(rec->calls, 4);
}

static void an_aborted_snapshot_removes_nothing(void **state)
{
	struct recorder *rec = *state;

	put(rec, 1, "A");
	put(rec, 2, "A");
	assert_said(rec, "+10.0.1.0/24=A +10.0.2.0/24=A ");
	fl_peers_snapshot_begin(rec->peers);
	put(rec, 1, "B");
	fl_peers_snapshot_abort(rec->peers);
	assert_said(rec, "-10.0.1.0/24=A +10.0.1.0/24=B ");
	fl_peers_snapshot_end(rec->peers); /* none is open */
	assert_said(rec, "");
	assert_int_equal(fl_peers_count(rec->peers), 2);
}

static void what_an_aborted_snapshot_held_does_not_count_for_the_next(void **state)
{
	struct recorder *rec = *state;

	put(rec, 1, "A");
	fl_peers_snapshot_begin(rec->peers);
	put(rec, 1, "A");
	fl_peers_snapshot_abort(rec->peers);
	fl_peers_snapshot_begin(rec->peers);
	fl_peers_snapshot_end(rec->peers);
	assert_said(rec, "+10.0.1.0/24=A -10.0.1.0/24=A ");
}

static void a_snapshot_begun_again_starts_over(void **state)
{
	struct recorder *rec = *state;

	put(rec, 1, "A");
	put(rec, 2, "A");
	fl_peers_snapshot_begin(rec->peers);
	put(rec, 1, "A");
	fl_peers_snapshot_begin(rec->peers);
	put(rec, 2, "A");
	fl_peers_snapshot_end(rec->peers);
	assert_said(rec, "+10.0.1.0/24=A +10.0.2.0/24=A -10.0.1.0/24=A ");
}

static void an_unreadable_entry_keeps_what_is_known_of_it(void **state)
{
	struct recorder *rec = *state;
	struct fl_prefix one = subnet(1), nine = subnet(9);

	put(rec, 1, "A");
	put(rec, 2, "A");
	assert_said(rec, "+10.0.1.0/24=A +10.0.2.0/24=A ");
	fl_peers_snapshot_begin(rec->peers);
	fl_peers_keep(rec->peers, &one);
	fl_peers_keep(rec->peers, &nine);
	fl_peers_snapshot_end(rec->peers);
	assert_said(rec, "-10.0.2.0/24=A ");
	assert_non_null(fl_peers_find(rec->peers, &one));
	assert_null(fl_peers_find(rec->peers, &nine));
}

static void events_within_a_snapshot_count(void **state)
{
	struct recorder *rec = *state;
	struct fl_prefix two = subnet(2);

	put(rec, 1, "A");
	put(rec, 2, "A");
	fl_peers_snapshot_begin(rec->peers);
	put(rec, 1, "A");
	put(rec, 2, "A");
	fl_peers_del(rec->peers, &two);
	put(rec, 3, "A");
	fl_peers_snapshot_end(rec->peers);
	assert_said(rec, "+10.0.1.0/24=A +10.0.2.0/24=A -10.0.2.0/24=A +10.0.3.0/24=A ");
}

static void events_between_snapshots_do_not_survive_the_next_by_themselves(void **state)
{
	struct recorder *rec = *state;

	fl_peers_snapshot_begin(rec->peers);
	put(rec, 1, "A");
	fl_peers_snapshot_end(rec->peers);
	put(rec, 2, "A");
	assert_said(rec, "+10.0.1.0/24=A +10.0.2.0/24=A ");
	fl_peers_snapshot_begin(rec->peers);
	put(rec, 1, "A");
	fl_peers_snapshot_end(rec->peers);
	assert_said(rec, "-10.0.2.0/24=A ");
}

static void subnets_of_one_address_and_two_lengths_are_two(void **state)
{
	struct recorder *rec = *state;
	struct fl_lease l = {.subnet = {.addr = fl_addr_from_v4(0x0a000100u), .len = 25},
			     .backend_type = "vxlan",
			     .backend_data = "B"};

	put(rec, 1, "A");
	assert_int_equal(fl_peers_put(rec->peers, fl_lease_record_new(&l)), 0);
	assert_said(rec, "+10.0.1.0/24=A +10.0.1.0/25=B ");
	fl_peers_del(rec->peers, &l.subnet);
	assert_said(rec, "-10.0.1.0/25=B ");
	assert_int_equal(fl_peers_count(rec->peers), 1);
}

static void fifty_thousand_leases_come_stay_and_go(void **state)
{
	struct recorder *rec = *state;
	enum { N = 50000 };

	fl_peers_snapshot_begin(rec->peers);
	for (uint32_t i = 0; i < N; i++)
		put(rec, i, "A");
	fl_peers_snapshot_end(rec->peers);
	assert_int_equal(rec->calls, N);
	fl_peers_snapshot_begin(rec->peers);
	for (uint32_t i = N; i > 0; i--)
		put(rec, i - 1, "A");
	fl_peers_snapshot_end(rec->peers);
	assert_int_equal(rec->calls, N);
	fl_peers_snapshot_begin(rec->peers);
	for (uint32_t i = 0; i < N; i += 2)
		put(rec, i, "A");
	fl_peers_snapshot_end(rec->peers);
	assert_int_equal(rec->calls, N + N / 2);
	assert_int_equal(fl_peers_count(rec->peers), N / 2);
}

static void destroying_tells_nobody(void **state)
{
	struct recorder *rec = *state;

	put(rec, 1, "A");
	fl_peers_destroy(rec->peers);
	rec->peers = NULL; /* which is a no-op to destroy */
	assert_said(rec, "+10.0.1.0/24=A ");
}

#define with_peers(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_peers(a_new_lease_is_told),
		with_peers(the_same_lease_again_is_silent_but_moves_index_and_expiry),
		with_peers(a_changed_lease_is_removed_then_added),
		with_peers(a_deleted_lease_is_told_once),
		with_peers(a_snapshot_removes_what_it_does_not_hold),
		with_peers(an_empty_snapshot_removes_all),
		with_peers(an_aborted_snapshot_removes_nothing),
		with_peers(what_an_aborted_snapshot_held_does_not_count_for_the_next),
		with_peers(a_snapshot_begun_again_starts_over),
		with_peers(an_unreadable_entry_keeps_what_is_known_of_it),
		with_peers(events_within_a_snapshot_count),
		with_peers(events_between_snapshots_do_not_survive_the_next_by_themselves),
		with_peers(subnets_of_one_address_and_two_lengths_are_two),
		with_peers(fifty_thousand_leases_come_stay_and_go),
		with_peers(destroying_tells_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
