/* tests/unit/test_fib.c - declared rows and shared nexthops become messages, in order and in turns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "fib_internal.h"
#include "fib_run.h"

/* ---- declarations ---- */

static void sends_nothing_before_commit(void **state)
{
	struct fixture *f = *state;

	peer(f, 5, declare);
	assert_string_equal(kernel.ops, "");
	assert_int_equal(stats(f).declared, 3);
	assert_int_equal(stats(f).installed, 0);
}

static void sends_a_peer_in_order_at_once_and_settles_from_the_loop(void **state)
{
	struct fixture *f = *state;

	peer(f, 5, declare);
	fl_fib_commit(f->fib);
	assert_string_equal(kernel.ops, "+nexthop\n+neigh 10.0.5.0\n"
					"+fdb 02:00:00:00:00:05 192.168.0.5\n+route 10.0.5.0/24\n");
	assert_int_equal(f->settled, 0);
	settle(f);
	assert_int_equal(stats(f).installed, 3);
	assert_int_equal(kernel_route_to("10.0.5.0/24")->protocol, FL_RTPROT);
	assert_true(kernel_route_to("10.0.5.0/24")->nhid >> 24 == FL_RTPROT);
}

static void settles_even_if_there_is_nothing_to_do(void **state)
{
	struct fixture *f = *state;

	commit(f);
	assert_string_equal(kernel.ops, "");
	assert_int_equal(kernel.batches, 0);
}

static void removes_the_route_first_and_the_nexthop_last(void **state)
{
	struct fixture *f = *state;

	peer(f, 5, declare);
	commit(f);
	withdraw(f, neigh("10.0.5.0", 5));
	withdraw(f, fdb(5, "192.168.0.5"));
	withdraw(f, route("10.0.5.0/24", "10.0.5.0"));
	assert_int_equal(stats(f).declared, 0);
	commit(f);
	assert_string_equal(kernel.ops, "-route 10.0.5.0/24\n-fdb 02:00:00:00:00:05 none\n"
					"-neigh 10.0.5.0\n-nexthop\n");
	assert_int_equal(kernel_count(ROUTE) + kernel_count(NEIGH) + kernel_count(FDB) +
				 kernel_count(NEXTHOP),
			 0);
}

static void adds_before_it_removes(void **state)
{
	struct fixture *f = *state;

	declare(f, neigh("10.0.5.0", 5));
	commit(f);
	withdraw(f, neigh("10.0.5.0", 5));
	declare(f, neigh("10.0.6.0", 6));
	commit(f);
	assert_string_equal(kernel.ops, "+neigh 10.0.6.0\n-neigh 10.0.5.0\n");
}

static void counts_equal_declarations(void **state)
{
	struct fixture *f = *state;

	declare(f, fdb(5, "192.168.0.5"));
	declare(f, fdb(5, "192.168.0.5"));
	assert_int_equal(stats(f).declared, 1);
	commit(f);
	withdraw(f, fdb(5, "192.168.0.5"));
	commit(f);
	assert_string_equal(kernel.ops, "");
	assert_int_equal(kernel_count(FDB), 1);
	withdraw(f, fdb(5, "192.168.0.5"));
	commit(f);
	assert_int_equal(kernel_count(FDB), 0);
}

static void the_last_declared_value_wins_and_the_earlier_one_returns(void **state)
{
	struct fixture *f = *state;

	declare(f, fdb(5, "192.168.0.1"));
	declare(f, fdb(5, "192.168.0.2"));
	declare(f, fdb(5, "192.168.0.3"));
	commit(f);
	assert_string_equal(kernel.ops, "+fdb 02:00:00:00:00:05 192.168.0.3\n");
	withdraw(f, fdb(5, "192.168.0.2"));
	commit(f);
	assert_string_equal(kernel.ops, "");
	withdraw(f, fdb(5, "192.168.0.3"));
	commit(f);
	assert_string_equal(kernel.ops, "+fdb 02:00:00:00:00:05 192.168.0.1\n");
	withdraw(f, fdb(5, "192.168.0.1"));
	commit(f);
	assert_string_equal(kernel.ops, "-fdb 02:00:00:00:00:05 none\n");
	assert_int_equal(stats(f).declared, 0);
}

static void a_value_that_is_declared_again_comes_to_the_front_with_its_count(void **state)
{
	struct fixture *f = *state;

	declare(f, neigh("10.0.5.0", 1));
	declare(f, neigh("10.0.5.0", 2));
	declare(f, neigh("10.0.5.0", 1));
	withdraw(f, neigh("10.0.5.0", 1));
	commit(f);
	assert_true(
		fl_mac_equal(&kernel.objects[0].neigh.mac, &(struct fl_mac){{2, 0, 0, 0, 0, 1}}));
	withdraw(f, neigh("10.0.5.0", 1));
	commit(f);
	assert_true(
		fl_mac_equal(&kernel.objects[0].neigh.mac, &(struct fl_mac){{2, 0, 0, 0, 0, 2}}));
}

static void a_row_that_goes_and_returns_before_the_commit_is_not_touched(void **state)
{
	struct fixture *f = *state;

	peer(f, 5, declare);
	commit(f);
	peer(f, 5, withdraw);
	peer(f, 5, declare);
	commit(f);
	assert_string_equal(kernel.ops, "");
	assert_int_equal(stats(f).installed, 3);
}

static void a_row_that_comes_and_goes_before_the_commit_is_never_sent(void **state)
{
	struct fixture *f = *state;

	peer(f, 5, declare);
	peer(f, 5, withdraw);
	commit(f);
	assert_string_equal(kernel.ops, "");
}

static void a_withdrawal_of_what_nobody_declared_is_ignored(void **state)
{
	struct fixture *f = *state;

	peer(f, 5, declare);
	withdraw(f, neigh("10.0.5.0", 6));
	withdraw(f, neigh("10.0.6.0", 6));
	commit(f);
	assert_int_equal(stats(f).installed, 3);
}

static void refuses_rows_that_make_no_sense(void **state)
{
	struct fixture *f = *state;
	struct fl_row rows[] = {
		neigh("10.0.5.0", 5),  neigh("10.0.5.0", 5),	   neigh("10.0.5.0", 5),
		fdb(5, "192.168.0.5"), route("10.0.5.0/24", NULL), route("10.0.5.0/24", "fd00::1"),
		fdb(5, "192.168.0.5"), neigh("10.0.5.0", 5),
	};
	size_t i;

	rows[0].ifindex = 0;
	rows[1].dst.len = 24;
	rows[2].mac.bytes[0] = 1;
	rows[3].via = (struct fl_addr){0};
	rows[4].dst = prefix("10.0.5.1/24");
	rows[6].mac = (struct fl_mac){0};
	rows[7].kind = (enum fl_row_kind)9;
	for (i = 0; i < FL_ARRAY_SIZE(rows); i++)
		assert_int_equal(fl_fib_declare(f->fib, &rows[i]), -EINVAL);
	assert_int_equal(stats(f).declared, 0);
}

/* ---- nexthops ---- */

static void routes_with_one_gateway_share_a_nexthop(void **state)
{
	struct fixture *f = *state;

	declare(f, route("10.1.0.0/24", "10.9.0.0"));
	declare(f, route("10.2.0.0/24", "10.9.0.0"));
	commit(f);
	assert_int_equal(kernel_count(NEXTHOP), 1);
	withdraw(f, route("10.1.0.0/24", "10.9.0.0"));
	commit(f);
	assert_int_equal(kernel_count(NEXTHOP), 1);
	withdraw(f, route("10.2.0.0/24", "10.9.0.0"));
	commit(f);
	assert_int_equal(kernel_count(NEXTHOP), 0);
}

static void a_route_whose_gateway_changes_drops_the_old_nexthop(void **state)
{
	struct fixture *f = *state;

	declare(f, route("10.1.0.0/24", "10.9.0.0"));
	commit(f);
	withdraw(f, route("10.1.0.0/24", "10.9.0.0"));
	declare(f, route("10.1.0.0/24", "10.8.0.0"));
	commit(f);
	assert_string_equal(kernel.ops, "+nexthop\n+route 10.1.0.0/24\n-nexthop\n");
	assert_int_equal(kernel_count(NEXTHOP), 1);
	assert_int_equal(kernel_count(ROUTE), 1);
}

static void a_route_without_gateway_needs_no_nexthop(void **state)
{
	struct fixture *f = *state;

	declare(f, route("10.1.0.0/24", NULL));
	commit(f);
	assert_string_equal(kernel.ops, "+route 10.1.0.0/24\n");
	assert_int_equal(kernel_route_to("10.1.0.0/24")->scope, RT_SCOPE_LINK);
	withdraw(f, route("10.1.0.0/24", NULL));
	commit(f);
	assert_int_equal(kernel_count(ROUTE), 0);
}

static void takes_another_id_if_one_is_taken(void **state)
{
	struct fixture *f = *state;
	const struct fl_rtmsg_route *o;
	uint32_t id = ((uint32_t)FL_RTPROT << 24) | ((f->fib->next_id + 1) & 0xffffff);

	kernel_nexthop(id, "10.99.0.0", OTHER_DEV, 4);
	declare(f, route("10.1.0.0/24", "10.9.0.0"));
	commit(f);
	assert_string_equal(kernel.ops, "+nexthop\n+nexthop\n+route 10.1.0.0/24\n");
	o = kernel_route_to("10.1.0.0/24");
	assert_true(o->nhid != id);
	assert_int_equal(o->ifindex, DEV);
}

static void uses_plain_routes_where_the_kernel_has_no_nexthops(void **state)
{
	struct fixture *f = *state;

	kernel.no_nexthops = true;
	fib_restart(f);
	assert_int_equal(logged(f, "no nexthop objects"), 1);
	peer(f, 5, declare);
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_int_equal(kernel_count(NEXTHOP), 0);
	assert_true(kernel_route_to("10.0.5.0/24")->onlink);
	assert_int_equal(kernel_route_to("10.0.5.0/24")->ifindex, DEV);
	fib_restart(f);
	peer(f, 5, declare);
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_string_equal(kernel.ops, "");
	peer(f, 5, withdraw);
	commit(f);
	assert_int_equal(kernel_count(ROUTE), 0);
}

static void a_probe_that_fails_for_another_reason_fails_the_creation(void **state)
{
	struct fixture *f = *state;
	struct fl_fib *fib = NULL;

	kernel.dump_error = -ENOMEM;
	assert_int_equal(fl_fib_create(f->loop, NULL, &f->listener, &fib), -ENOMEM);
	assert_null(fib);
}

static void recreates_a_nexthop_that_vanished_with_its_device(void **state)
{
	struct fixture *f = *state;
	uint32_t i;

	declare(f, route("10.1.0.0/24", "10.9.0.0"));
	commit(f);
	for (i = 0; i < kernel.count; i++)
		kernel.objects[i].what = NOTHING;
	declare(f, route("10.2.0.0/24", "10.9.0.0"));
	commit(f);
	assert_int_equal(stats(f).failed, 1);
	heal(f, 0);
	assert_non_null(kernel_route_to("10.2.0.0/24"));
}

/* ---- the loop ---- */

static void count_turn(struct ev_loop *loop, ev_prepare *w, int revents)
{
	(void)loop;
	(void)revents;
	++*(uint32_t *)w->data;
}

static void a_bulk_job_leaves_turns_to_others(void **state)
{
	struct fixture *f = *state;
	uint32_t turns = 0, i;
	ev_prepare w;

	ev_prepare_init(&w, count_turn);
	w.data = &turns;
	ev_prepare_start(f->loop, &w);
	for (i = 1; i <= 1000; i++)
		peer(f, i, declare);
	fl_fib_commit(f->fib);
	assert_true(stats(f).installed > 0 && stats(f).installed <= FIB_SLICE_ROWS);
	settle(f);
	assert_true(turns >= 3000 / FIB_SLICE_ROWS);
	assert_int_equal(stats(f).installed, 3000);
	ev_prepare_stop(f->loop, &w);
}

static void an_idle_fib_keeps_no_watcher_alive(void **state)
{
	struct fixture *f = *state;

	peer(f, 5, declare);
	commit(f);
	assert_false(ev_run(f->loop, EVRUN_NOWAIT));
}

static void may_be_destroyed_in_settled(void **state)
{
	struct fixture *f = *state;

	f->destroy_in_settled = true;
	peer(f, 5, declare);
	commit(f);
	assert_null(f->fib);
	assert_int_equal(kernel_count(ROUTE), 1);
}

static void may_be_destroyed_in_the_middle_of_a_job(void **state)
{
	struct fixture *f = *state;
	uint32_t i;

	for (i = 1; i <= 1000; i++)
		peer(f, i, declare);
	declare(f, fdb(1, "192.168.9.9"));
	fl_fib_commit(f->fib);
	fl_fib_destroy(f->fib);
	f->fib = NULL;
	assert_false(ev_run(f->loop, EVRUN_NOWAIT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sends_nothing_before_commit),
		TEST(sends_a_peer_in_order_at_once_and_settles_from_the_loop),
		TEST(settles_even_if_there_is_nothing_to_do),
		TEST(removes_the_route_first_and_the_nexthop_last),
		TEST(adds_before_it_removes),
		TEST(counts_equal_declarations),
		TEST(the_last_declared_value_wins_and_the_earlier_one_returns),
		TEST(a_value_that_is_declared_again_comes_to_the_front_with_its_count),
		TEST(a_row_that_goes_and_returns_before_the_commit_is_not_touched),
		TEST(a_row_that_comes_and_goes_before_the_commit_is_never_sent),
		TEST(a_withdrawal_of_what_nobody_declared_is_ignored),
		TEST(refuses_rows_that_make_no_sense),
		TEST(routes_with_one_gateway_share_a_nexthop),
		TEST(a_route_whose_gateway_changes_drops_the_old_nexthop),
		TEST(a_route_without_gateway_needs_no_nexthop),
		TEST(takes_another_id_if_one_is_taken),
		TEST(uses_plain_routes_where_the_kernel_has_no_nexthops),
		TEST(a_probe_that_fails_for_another_reason_fails_the_creation),
		TEST(recreates_a_nexthop_that_vanished_with_its_device),
		TEST(a_bulk_job_leaves_turns_to_others),
		TEST(an_idle_fib_keeps_no_watcher_alive),
		TEST(may_be_destroyed_in_settled),
		TEST(may_be_destroyed_in_the_middle_of_a_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
