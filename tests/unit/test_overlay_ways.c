/* tests/unit/test_overlay_ways.c - leases in, rows out: snapshots, verdicts, and other ways to a
 * peer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>

#include "fib.h"
#include "overlay_run.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- snapshots ---- */

static void rows_come_with_the_end_of_the_snapshot(void **state)
{
	struct fixture *f = *state;

	fl_overlay_snapshot_begin(f->overlay);
	put(f, 0x501, "1");
	turn(f);
	assert_string_equal(kernel.ops, "");
	fl_overlay_snapshot_end(f->overlay);
	turn(f);
	assert_int_equal(kernel_count(NEIGH), 1);
	assert_int_equal(kernel_count(FDB), 1);
	assert_int_equal(route_dev(0x501), DEV);
	assert_string_equal(f->told, "+10.5.1.0/24 ");
}

static void nothing_is_compared_before_all_leases_are_known(void **state)
{
	struct fixture *f = *state;

	kernel_route("10.5.1.0/24", UNDERLAY, FL_RTPROT, 0);
	kernel_route("10.5.2.0/24", DEV, FL_RTPROT, 0);
	kernel_neigh("10.5.2.0", 2, DEV, 0x80);
	reroute(f);
	assert_string_equal(kernel.ops, "");
	fl_overlay_snapshot_begin(f->overlay);
	put(f, 0x501, "1");
	reroute(f);
	assert_string_equal(kernel.ops, "");
	fl_overlay_snapshot_abort(f->overlay);
	reroute(f);
	assert_string_equal(kernel.ops, "");
	f->ways[0x501] = UNDERLAY;
	snapshot(f, 0x501, 0x501);
	assert_int_equal(route_dev(0x501), UNDERLAY);
	assert_int_equal(route_dev(0x502), 0);
	assert_int_equal(kernel_count(NEIGH), 0);
}

static void a_kernel_that_cannot_be_read_is_read_again(void **state)
{
	struct fixture *f = *state;
	ev_tstamp end = ev_time() + 20.;

	kernel_route("10.5.9.0/24", UNDERLAY, FL_RTPROT, 0);
	kernel.dump_error = -ENOBUFS;
	snapshot(f, 0x501, 0x501);
	assert_string_equal(kernel.ops, "");
	assert_true(logged(f, "cannot read the kernel's tables"));
	kernel.dump_error = 0;
	while (!route_dev(0x501) && ev_time() < end)
		ev_run(f->loop, EVRUN_ONCE);
	turn(f);
	assert_int_equal(route_dev(0x501), DEV);
	assert_int_equal(route_dev(0x509), 0);
}

static void a_restart_touches_nothing(void **state)
{
	struct fixture *f = *state;

	f->ways[0x502] = UNDERLAY;
	snapshot(f, 0x501, 0x503);
	overlay_restart(f);
	snapshot(f, 0x501, 0x503);
	assert_string_equal(kernel.ops, "");
}

/* From one backend to another: the device of the one is gone, or is not its own any more. */
static void routes_of_another_backend_are_replaced_or_removed(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x501, 0x502);
	f->env.n_devices = 0;
	f->ways[0x501] = UNDERLAY;
	overlay_restart(f);
	snapshot(f, 0x501, 0x501);
	assert_int_equal(route_dev(0x501), UNDERLAY);
	assert_int_equal(route_dev(0x502), 0);
	assert_true(no_op("-route 10.5.1.0/24"));
	assert_int_equal(fl_env_device_add(&f->env, DEV), 0);
	f->ways[0x501] = 0;
	overlay_restart(f);
	snapshot(f, 0x501, 0x501);
	assert_int_equal(route_dev(0x501), DEV);
	assert_true(no_op("-route"));
	assert_int_equal(kernel_count(NEIGH), 1);
	assert_int_equal(kernel_count(NEXTHOP), 1);
}

static void what_stands_for_an_entry_that_cannot_be_read_stays(void **state)
{
	struct fixture *f = *state;
	struct fl_prefix subnet = prefix("10.5.2.0/24");

	f->ways[0x502] = UNDERLAY;
	snapshot(f, 0x501, 0x502);
	overlay_restart(f);
	fl_overlay_snapshot_begin(f->overlay);
	put(f, 0x501, "1281");
	fl_overlay_keep(f->overlay, &subnet);
	fl_overlay_snapshot_end(f->overlay);
	turn(f);
	assert_int_equal(route_dev(0x502), UNDERLAY);
	reroute(f);
	assert_int_equal(route_dev(0x502), UNDERLAY);
	del(f, 0x502);
	turn(f);
	assert_int_equal(route_dev(0x502), 0);
}

/* ---- verdicts ---- */

static void leases_are_counted_by_what_becomes_of_them(void **state)
{
	struct fixture *f = *state;

	fl_overlay_snapshot_begin(f->overlay);
	put(f, 0x501, "1");
	put(f, 0x502, "bad");
	put(f, 0x503, "none");
	f->ways[0x504] = WAIT;
	put(f, 0x504, "4");
	put_lease(f, "10.5.5.0/24", "udp", "5");
	put_lease(f, "192.168.6.0/24", "fake", "6");
	put_lease(f, "10.255.0.0/16", "fake", "7");
	put_lease(f, "10.0.0.0/8", "fake", "8");
	fl_overlay_snapshot_end(f->overlay);
	turn(f);
	assert_int_equal(kernel_count(ROUTE), 1);
	assert_string_equal(f->told, "+10.5.1.0/24 ");
	assert_true(logged(f, "8 leases of other hosts: 1 reached, 2 ignored or of another "
			      "backend, 1 waiting for a route, 4 left out"));
	assert_true(logged(f, "10.5.4.0/24 of 192.168.5.4: not reached: beyond the sea; waiting "
			      "for a route"));
	assert_true(logged(f, "10.5.2.0/24 of 192.168.5.2: left out: bad data"));
	assert_true(logged(f, "its backend is udp, ours is fake"));
}

static void a_peer_that_goes_takes_the_rows_of_its_way_along(void **state)
{
	struct fixture *f = *state;

	f->ways[0x502] = UNDERLAY;
	snapshot(f, 0x501, 0x502);
	f->ways[0x501] = UNDERLAY; /* known to the backend, but nobody has been told */
	f->ways[0x502] = 0;
	f->told[0] = '\0';
	del(f, 0x501);
	del(f, 0x502);
	turn(f);
	assert_int_equal(kernel_count(ROUTE), 0);
	assert_int_equal(kernel_count(NEIGH), 0);
	assert_int_equal(kernel_count(FDB), 0);
	assert_int_equal(kernel_count(NEXTHOP), 0);
	assert_string_equal(f->told, "-10.5.1.0/24 -10.5.2.0/24 ");
}

static void a_peer_whose_data_turn_bad_stays_on_its_way_and_follows_others(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x501, 0x501);
	put(f, 0x501, "bad");
	turn(f);
	assert_true(logged(f, "bad data; it is reached as before"));
	assert_int_equal(route_dev(0x501), DEV);
	f->ways[0x501] = UNDERLAY;
	reroute(f);
	assert_int_equal(route_dev(0x501), UNDERLAY);
	assert_int_equal(kernel_count(NEIGH), 0);
}

/* ---- other ways ---- */

static void a_direct_way_replaces_the_route_before_the_rest_goes(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x501, 0x501);
	f->ways[0x501] = UNDERLAY;
	reroute(f);
	assert_int_equal(route_dev(0x501), UNDERLAY);
	assert_true(op("+route 10.5.1.0/24") < op("-fdb"));
	assert_true(op("-fdb") < op("-neigh 10.5.1.0"));
	assert_true(no_op("-route"));
	assert_int_equal(kernel_count(NEXTHOP), 1);
	assert_string_equal(f->told, "-10.5.1.0/24 +10.5.1.0/24 ");
	assert_true(logged(f, "10.5.1.0/24: another way leads to it now"));
}

static void the_rest_comes_before_the_route_leaves_the_direct_way(void **state)
{
	struct fixture *f = *state;

	f->ways[0x501] = UNDERLAY;
	snapshot(f, 0x501, 0x501);
	f->ways[0x501] = 0;
	reroute(f);
	assert_int_equal(route_dev(0x501), DEV);
	assert_true(op("+neigh 10.5.1.0") < op("+route 10.5.1.0/24"));
	assert_true(op("+fdb") < op("+route 10.5.1.0/24"));
	assert_true(no_op("-route"));
	assert_int_equal(kernel_count(NEXTHOP), 1);
}

static void the_way_it_has_already_changes_nothing(void **state)
{
	struct fixture *f = *state;

	f->ways[0x502] = UNDERLAY;
	snapshot(f, 0x501, 0x502);
	reroute(f);
	assert_string_equal(kernel.ops, "");
	assert_string_equal(f->told, "");
}

static void there_and_back_before_anything_was_sent_changes_nothing(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x501, 0x501);
	kernel.ops[0] = '\0';
	fl_overlay_snapshot_begin(f->overlay);
	f->ways[0x501] = UNDERLAY;
	routes_change(f);
	turn(f);
	f->ways[0x501] = 0;
	routes_change(f);
	turn(f);
	put(f, 0x501, "1281");
	fl_overlay_snapshot_end(f->overlay);
	turn(f);
	assert_int_equal(route_dev(0x501), DEV);
	assert_true(no_op("-"));
}

static void a_peer_waits_until_a_route_leads_to_it(void **state)
{
	struct fixture *f = *state;

	f->ways[0x501] = WAIT;
	snapshot(f, 0x501, 0x501);
	assert_int_equal(kernel_count(ROUTE), 0);
	f->ways[0x501] = UNDERLAY;
	reroute(f);
	assert_int_equal(route_dev(0x501), UNDERLAY);
	assert_string_equal(f->told, "+10.5.1.0/24 ");
	assert_true(logged(f, "10.5.1.0/24 is reached at 192.168.5.1"));
	f->ways[0x501] = WAIT;
	reroute(f);
	assert_int_equal(route_dev(0x501), 0);
	assert_int_equal(kernel_count(NEXTHOP), 0);
	assert_string_equal(f->told, "-10.5.1.0/24 ");
	fl_overlay_snapshot_begin(f->overlay);
	put(f, 0x501, "1281");
	fl_overlay_snapshot_end(f->overlay);
	assert_true(logged(f, "0 reached, 0 ignored or of another backend, 1 waiting"));
}

static void a_waiting_peer_that_goes_leaves_no_trace(void **state)
{
	struct fixture *f = *state;

	f->ways[0x501] = WAIT;
	snapshot(f, 0x501, 0x501);
	del(f, 0x501);
	f->ways[0x501] = UNDERLAY;
	reroute(f);
	assert_string_equal(kernel.ops, "");
	fl_overlay_snapshot_begin(f->overlay);
	fl_overlay_snapshot_end(f->overlay);
	assert_true(logged(f, "0 leases of other hosts: 0 reached, 0 ignored or of another "
			      "backend, 0 waiting"));
}

static void a_refused_peer_has_no_way(void **state)
{
	struct fixture *f = *state;

	fl_overlay_snapshot_begin(f->overlay);
	put(f, 0x501, "bad");
	put_lease(f, "10.5.2.0/24", "udp", "2");
	fl_overlay_snapshot_end(f->overlay);
	turn(f);
	f->ways[0x501] = UNDERLAY;
	f->ways[0x502] = UNDERLAY;
	reroute(f);
	assert_string_equal(kernel.ops, "");
	assert_string_equal(f->told, "");
}

static void many_peers_take_another_way_in_slices(void **state)
{
	struct fixture *f = *state;
	uint32_t n;

	snapshot(f, 0x100, 0x4ff);
	assert_int_equal(kernel_count(ROUTE), 0x400);
	kernel.ops[0] = '\0'; /* too short for all of them, and not looked at */
	for (n = 0x100; n <= 0x4ff; n++)
		f->ways[n] = UNDERLAY;
	routes_change(f);
	ev_run(f->loop, EVRUN_NOWAIT);
	del(f, 0x100); /* wherever the walk is now */
	del(f, 0x4ff);
	put(f, 0x500, "1280");
	turn(f);
	for (n = 0x101; n <= 0x4fe; n++)
		assert_int_equal(route_dev(n), UNDERLAY);
	assert_int_equal(route_dev(0x500), DEV);
	assert_int_equal(kernel_count(ROUTE), 0x3ff);
	assert_int_equal(kernel_count(NEIGH), 1);
	assert_int_equal(kernel_count(FDB), 1);
	assert_int_equal(kernel_count(NEXTHOP), 0x3ff);
}

static void of_many_lines_a_few_are_said(void **state)
{
	struct fixture *f = *state;
	uint32_t n;

	for (n = 0x100; n <= 0x1ff; n++)
		f->ways[n] = n & 1 ? WAIT : UNDERLAY;
	snapshot(f, 0x100, 0x1ff);
	assert_int_equal(logged_times(f, "beyond the sea"), 10);
	assert_int_equal(logged_times(f, "and 118 more lines like these"), 1);
	for (n = 0x100; n <= 0x1ff; n++)
		f->ways[n] = WAIT;
	reroute(f);
	assert_int_equal(logged_times(f, "beyond the sea"), 20);
	assert_int_equal(logged_times(f, "and 118 more lines like these"), 2);
	f->ways[0x300] = WAIT;
	put(f, 0x300, "1");
	assert_int_equal(logged_times(f, "beyond the sea"), 21);
	for (n = 0x100; n <= 0x102; n++)
		f->ways[n] = UNDERLAY;
	reroute(f);
	assert_int_equal(logged_times(f, "is reached at"), 3);
	assert_int_equal(logged_times(f, "more lines"), 2);
}

static void a_change_during_the_walk_starts_it_again(void **state)
{
	struct fixture *f = *state;
	uint32_t n;

	snapshot(f, 0x100, 0x4ff);
	for (n = 0x100; n <= 0x4ff; n++)
		f->ways[n] = UNDERLAY;
	routes_change(f);
	ev_run(f->loop, EVRUN_NOWAIT);
	for (n = 0x100; n <= 0x4ff; n++)
		f->ways[n] = 0;
	routes_change(f);
	turn(f);
	for (n = 0x100; n <= 0x4ff; n++)
		assert_int_equal(route_dev(n), DEV);
	assert_int_equal(kernel_count(NEIGH), 0x400);
}

static void the_end_may_come_during_a_walk(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x100, 0x4ff);
	f->ways[0x100] = UNDERLAY;
	routes_change(f);
	ev_run(f->loop, EVRUN_NOWAIT);
	fl_overlay_destroy(f->overlay);
	f->overlay = NULL;
	turn(f);
	assert_int_equal(kernel_count(ROUTE), 0x400);
}

/* ---- whose routes they are ---- */

static void a_route_of_somebody_else_is_left_alone_on_a_shared_device(void **state)
{
	struct fixture *f = *state;

	kernel_route("10.5.1.0/24", UNDERLAY, 4, 0); /* RTPROT_STATIC */
	f->ways[0x501] = UNDERLAY;
	f->ways[0x502] = UNDERLAY;
	snapshot(f, 0x501, 0x502);
	assert_int_equal(kernel_route_to("10.5.1.0/24")->protocol, 4);
	assert_int_equal(route_dev(0x502), UNDERLAY);
	assert_true(logged(f, "10.5.1.0/24: route conflicts with one of protocol static"));
	del(f, 0x501);
	turn(f);
	assert_int_equal(kernel_route_to("10.5.1.0/24")->protocol, 4);
}

static void routes_outside_of_the_network_are_not_ours(void **state)
{
	struct fixture *f = *state;

	kernel_route("172.16.1.0/24", UNDERLAY, FL_RTPROT, 0);
	kernel_route("10.5.9.0/24", UNDERLAY, FL_RTPROT, 0);
	snapshot(f, 0x501, 0x501);
	assert_non_null(kernel_route_to("172.16.1.0/24"));
	assert_int_equal(route_dev(0x509), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_come_with_the_end_of_the_snapshot),
		TEST(nothing_is_compared_before_all_leases_are_known),
		TEST(a_kernel_that_cannot_be_read_is_read_again),
		TEST(a_restart_touches_nothing),
		TEST(routes_of_another_backend_are_replaced_or_removed),
		TEST(what_stands_for_an_entry_that_cannot_be_read_stays),
		TEST(leases_are_counted_by_what_becomes_of_them),
		TEST(a_peer_that_goes_takes_the_rows_of_its_way_along),
		TEST(a_peer_whose_data_turn_bad_stays_on_its_way_and_follows_others),
		TEST(a_direct_way_replaces_the_route_before_the_rest_goes),
		TEST(the_rest_comes_before_the_route_leaves_the_direct_way),
		TEST(the_way_it_has_already_changes_nothing),
		TEST(there_and_back_before_anything_was_sent_changes_nothing),
		TEST(a_peer_waits_until_a_route_leads_to_it),
		TEST(a_waiting_peer_that_goes_leaves_no_trace),
		TEST(a_refused_peer_has_no_way),
		TEST(many_peers_take_another_way_in_slices),
		TEST(of_many_lines_a_few_are_said),
		TEST(a_change_during_the_walk_starts_it_again),
		TEST(the_end_may_come_during_a_walk),
		TEST(a_route_of_somebody_else_is_left_alone_on_a_shared_device),
		TEST(routes_outside_of_the_network_are_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
