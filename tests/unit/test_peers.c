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

/* While set, there is none for fl_peers_put(). */
static bool no_memory;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
	return no_memory ? NULL : __real_malloc(size);
}

/** Writes down what it is told: "+10.5.1.0/24=data " and "-10.5.1.0/24=data ". */
struct recorder {
	struct fl_peers_listener listener;
	struct fl_peers *peers;
	char said[4096];
	size_t len;
	uint32_t calls;
	const struct fl_lease_record *last; /* that was added; borrowed */
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
	struct fl_lease_record found;

	assert_true(fl_peers_find(rec->peers, &r->lease.subnet, &found));
	assert_true(fl_lease_same(&found.lease, &r->lease));
	rec->last = r;
	say(rec, '+', r);
}

static void on_removed(struct fl_peers_listener *l, struct fl_lease_record *r)
{
	struct recorder *rec = fl_container_of(l, struct recorder, listener);
	struct fl_lease_record found;

	assert_false(fl_peers_find(rec->peers, &r->lease.subnet, &found));
	say(rec, '-', r);
}

static int start(void **state)
{
	struct recorder *rec = calloc(1, sizeof(*rec));

	rec->listener = (struct fl_peers_listener){
		.usual_type = "vxlan", .added = on_added, .removed = on_removed};
	*state = rec;
	return fl_peers_create(&rec->listener, &rec->peers);
}

static int start_lasting(void **state)
{
	int r = start(state);

	((struct recorder *)*state)->listener.lasting = true;
	return r;
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

static bool knows(const struct recorder *rec, const struct fl_prefix *subnet)
{
	struct fl_lease_record found;

	return fl_peers_find(rec->peers, subnet, &found);
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
	assert_true(knows(rec, &one));
	assert_false(knows(rec, &two));
}

static void the_same_lease_again_is_silent_but_moves_its_expiry(void **state)
{
	struct recorder *rec = *state;
	struct fl_prefix one = subnet(1);
	struct fl_lease_record now;

	assert_int_equal(fl_peers_put(rec->peers, lease(1, "A", 5)), 0);
	assert_said(rec, "+10.0.1.0/24=A ");
	assert_int_equal(fl_peers_put(rec->peers, lease(1, "A", 9)), 0);
	assert_said(rec, "");
	assert_true(fl_peers_find(rec->peers, &one, &now));
	assert_int_equal(now.expires_s, 90);
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
	assert_true(knows(rec, &one));
	assert_false(knows(rec, &nine));
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

/* Each member has a value that fits into no smaller one. */
static void mark(struct fl_peers_listener *l, struct fl_lease_record *r)
{
	(void)l;
	r->way = UINT32_MAX;
	r->since_s = INT64_C(4102444800); /* in 2100 */
	r->told = true;
}

static void check_marks(struct fl_peers_listener *l, struct fl_lease_record *r)
{
	struct recorder *rec = fl_container_of(l, struct recorder, listener);

	assert_true(r->way == UINT32_MAX && r->since_s == INT64_C(4102444800) && r->told);
	assert_true(r->expires_s == FL_LEASE_SOMETIME);
	r->told = false;
	rec->calls++;
}

static void check_unmarked(struct fl_peers_listener *l, struct fl_lease_record *r)
{
	(void)l;
	assert_false(r->told);
	assert_true(r->way == UINT32_MAX);
}

static void what_the_listener_leaves_in_a_record_is_there_the_next_time(void **state)
{
	struct recorder *rec = *state;
	struct fl_lease_record *r = lease(1, "A", 1);

	r->expires_s = FL_LEASE_SOMETIME;
	assert_int_equal(fl_peers_put(rec->peers, r), 0);
	rec->calls = 0;
	(void)fl_peers_walk(rec->peers, &(struct fl_peers_cursor){0}, UINT32_MAX, mark);
	fl_peers_snapshot_begin(rec->peers); /* has another place in the same word */
	fl_peers_keep(rec->peers, &(struct fl_prefix){fl_addr_from_v4(0x0a000100u), 24});
	fl_peers_snapshot_end(rec->peers);
	(void)fl_peers_walk(rec->peers, &(struct fl_peers_cursor){0}, UINT32_MAX, check_marks);
	(void)fl_peers_walk(rec->peers, &(struct fl_peers_cursor){0}, UINT32_MAX, check_unmarked);
	assert_int_equal(rec->calls, 1);
}

static void all_of_a_lease_is_kept(void **state)
{
	struct recorder *rec = *state;
	struct fl_prefix one = subnet(1);
	struct fl_lease l = {.subnet = one,
			     .public_ip = fl_addr_from_v4(0xc0a80001u),
			     .backend_type = "host-gw",
			     .backend_data = "{\"VNI\":1}",
			     .backend_data6 = "{}"};
	struct fl_lease_record now;

	assert_int_equal(fl_prefix_parse("fd00:1::/64", &l.subnet6), 0);
	assert_int_equal(fl_addr_parse("fd01::1", &l.public_ip6), 0);
	assert_int_equal(fl_peers_put(rec->peers, fl_lease_record_new(&l)), 0);
	assert_true(fl_peers_find(rec->peers, &one, &now));
	assert_true(fl_lease_same(&now.lease, &l));
	l.backend_data6 = NULL;
	assert_int_equal(fl_peers_put(rec->peers, fl_lease_record_new(&l)), 0);
	assert_said(rec, "+10.0.1.0/24={\"VNI\":1} -10.0.1.0/24={\"VNI\":1} "
			 "+10.0.1.0/24={\"VNI\":1} ");
}

static void a_lease_is_kept_whole_where_there_is_no_memory_to_pack_it(void **state)
{
	struct recorder *rec = *state;
	struct fl_lease_record *one = lease(1, "A", 1), *two = lease(1, "B", 2);

	no_memory = true;
	assert_int_equal(fl_peers_put(rec->peers, one), 0);
	assert_int_equal(fl_peers_put(rec->peers, two), 0);
	no_memory = false;
	assert_said(rec, "+10.0.1.0/24=A -10.0.1.0/24=A +10.0.1.0/24=B ");
	put(rec, 1, "C");
	fl_peers_snapshot_begin(rec->peers);
	fl_peers_snapshot_end(rec->peers);
	assert_said(rec, "-10.0.1.0/24=B +10.0.1.0/24=C -10.0.1.0/24=C ");
}

static void check_last(struct fl_peers_listener *l, struct fl_lease_record *r)
{
	assert_ptr_equal(fl_container_of(l, struct recorder, listener)->last, r);
}

static void a_record_lasts_if_it_has_to(void **state)
{
	struct recorder *rec = *state;

	put(rec, 1, "A");
	assert_int_equal(fl_peers_put(rec->peers, lease(1, "A", 9)), 0); /* the same */
	(void)fl_peers_walk(rec->peers, &(struct fl_peers_cursor){0}, UINT32_MAX, check_last);
	assert_int_equal(rec->last->expires_s, 90);
	put(rec, 1, "B");
	(void)fl_peers_walk(rec->peers, &(struct fl_peers_cursor){0}, UINT32_MAX, check_last);
	assert_said(rec, "+10.0.1.0/24=A -10.0.1.0/24=A +10.0.1.0/24=B ");
}

static void destroying_tells_nobody(void **state)
{
	struct recorder *rec = *state;

	put(rec, 1, "A");
	fl_peers_destroy(rec->peers);
	rec->peers = NULL; /* which is a no-op to destroy */
	assert_said(rec, "+10.0.1.0/24=A ");
}

#define with_peers(test)   cmocka_unit_test_setup_teardown(test, start, stop)
#define with_lasting(test) cmocka_unit_test_setup_teardown(test, start_lasting, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_peers(a_new_lease_is_told),
		with_peers(the_same_lease_again_is_silent_but_moves_its_expiry),
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
		with_peers(what_the_listener_leaves_in_a_record_is_there_the_next_time),
		with_peers(all_of_a_lease_is_kept),
		with_peers(a_lease_is_kept_whole_where_there_is_no_memory_to_pack_it),
		with_peers(destroying_tells_nobody),
		with_lasting(a_record_lasts_if_it_has_to),
		with_lasting(what_the_listener_leaves_in_a_record_is_there_the_next_time),
		with_lasting(a_snapshot_removes_what_it_does_not_hold),
		with_lasting(fifty_thousand_leases_come_stay_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
