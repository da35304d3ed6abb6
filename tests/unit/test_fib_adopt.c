/* tests/unit/test_fib_adopt.c - what a dump shows is compared with what is declared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "fib_internal.h"
#include "fib_run.h"

/* ---- adoption ---- */

static void adopts_equal_rows_without_touching_them(void **state)
{
	struct fixture *f = *state;
	uint32_t i;

	for (i = 1; i <= 1000; i++)
		peer(f, i, declare);
	commit(f);
	fib_restart(f);
	for (i = 1; i <= 1000; i++)
		peer(f, i, declare);
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_string_equal(kernel.ops, "");
	assert_int_equal(stats(f).installed, 3000);
	peer(f, 7, withdraw);
	commit(f);
	assert_int_equal(kernel_count(ROUTE), 999);
	assert_int_equal(kernel_count(NEXTHOP), 999);
}

static void adopts_routes_that_show_only_the_id_of_their_nexthop(void **state)
{
	struct fixture *f = *state;

	peer(f, 5, declare);
	commit(f);
	fib_restart(f);
	kernel.no_compat = true;
	peer(f, 5, declare);
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_string_equal(kernel.ops, "");
	assert_int_equal(stats(f).installed, 3);
}

static void removes_what_nobody_declares_and_nothing_of_others(void **state)
{
	struct fixture *f = *state;

	peer(f, 5, declare);
	commit(f);
	kernel_neigh("10.0.6.1", 9, DEV, NUD_STALE);
	kernel_neigh("10.0.6.2", 9, OTHER_DEV, NUD_PERMANENT);
	kernel_fdb(0, "192.168.0.9", NUD_PERMANENT);
	kernel_fdb(9, "192.168.0.9", NUD_REACHABLE);
	kernel_route("10.77.0.0/24", DEV, RTPROT_STATIC, 0);
	kernel_route("10.78.0.0/24", OTHER_DEV, FL_RTPROT, 0);
	kernel_route("10.79.0.0/24", DEV, FL_RTPROT, 100);
	kernel_nexthop(77, "10.9.9.9", OTHER_DEV, FL_RTPROT);
	kernel_nexthop(78, "10.9.9.9", DEV, RTPROT_STATIC);
	kernel_nexthop(79, "10.9.9.9", DEV, FL_RTPROT);
	fib_restart(f);
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	assert_string_equal(kernel.ops, "");
	commit(f);
	assert_string_equal(kernel.ops, "-route 10.0.5.0/24\n-fdb 02:00:00:00:00:05 none\n"
					"-neigh 10.0.5.0\n-nexthop\n-nexthop\n");
	assert_int_equal(kernel_count(NEIGH), 2);
	assert_int_equal(kernel_count(FDB), 2);
	assert_int_equal(kernel_count(ROUTE), 3);
	assert_int_equal(kernel_count(NEXTHOP), 2);
	assert_int_equal(f->fib->rows.count, 0);
}

/* What host-gw had, or the direct routes of a vxlan. */
static void finds_routes_of_ours_on_devices_that_are_not_ours(void **state)
{
	static const struct fl_prefix network = {.addr = {.family = AF_INET, .bytes = {10}},
						 .len = 16};
	struct fixture *f = *state;

	declare(f, route("10.0.5.0/24", "192.168.0.5"));
	declare(f, route("10.0.6.0/24", "192.168.0.6"));
	declare(f, route("10.77.0.0/24", "192.168.0.7")); /* of another network */
	commit(f);
	kernel_neigh("192.168.0.9", 9, DEV, NUD_PERMANENT);
	kernel_route("10.0.9.0/24", DEV, RTPROT_STATIC, 0);
	kernel_nexthop(99, "192.168.0.9", DEV, FL_RTPROT); /* of another flanneld */
	fib_restart(f);
	declare(f, route("10.0.5.0/24", "192.168.0.5"));
	assert_int_equal(fl_fib_adopt(f->fib, OTHER_DEV), 0);
	assert_int_equal(fl_fib_adopt_elsewhere(f->fib, &network), 0);
	commit(f);
	assert_string_equal(kernel.ops, "-route 10.0.6.0/24\n-nexthop\n");
	assert_int_equal(stats(f).installed, 1);
	assert_int_equal(kernel_count(NEXTHOP), 3);
	assert_int_equal(kernel_count(NEIGH), 1);
}

static void what_is_declared_on_a_device_that_went_waits_for_it(void **state)
{
	struct fixture *f = *state;

	peer(f, 5, declare);
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	kernel_reset();
	fl_fib_forget(f->fib, DEV);
	assert_int_equal(stats(f).installed, 0);
	commit(f);
	assert_string_equal(kernel.ops, "");
	peer(f, 6, declare); /* while it is away */
	peer(f, 6, withdraw);
	kernel.ops[0] = '\0';
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_int_equal(stats(f).installed, 3);
	assert_int_equal(kernel_count(ROUTE), 1);
	assert_int_equal(kernel_count(NEXTHOP), 1);
}

static bool spares_10_0_5_0(struct fl_fib_listener *l, const struct fl_prefix *dst)
{
	struct fixture *f = fl_container_of(l, struct fixture, listener);
	char text[FL_PREFIX_STRLEN];

	return f->spare && strcmp(fl_prefix_format(dst, text), "10.0.5.0/24") == 0;
}

static void spares_a_route_and_what_is_behind_it(void **state)
{
	struct fixture *f = *state;

	peer(f, 5, declare);
	peer(f, 6, declare);
	commit(f);
	fib_restart(f);
	f->spare = true;
	f->listener.spared = spares_10_0_5_0;
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_string_equal(kernel.ops, "-route 10.0.6.0/24\n-fdb 02:00:00:00:00:06 none\n"
					"-neigh 10.0.6.0\n-nexthop\n");
	assert_int_equal(stats(f).spared, 3);
	f->spare = false;
	fl_fib_sweep(f->fib);
	assert_int_equal(stats(f).spared, 0);
	commit(f);
	assert_string_equal(kernel.ops, "-route 10.0.5.0/24\n-fdb 02:00:00:00:00:05 none\n"
					"-neigh 10.0.5.0\n-nexthop\n");
}

static void a_spared_row_that_is_declared_is_not_touched(void **state)
{
	struct fixture *f = *state;

	peer(f, 5, declare);
	commit(f);
	fib_restart(f);
	f->spare = true;
	f->listener.spared = spares_10_0_5_0;
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	peer(f, 5, declare);
	assert_int_equal(stats(f).spared, 0);
	assert_int_equal(stats(f).installed, 3);
	f->spare = false;
	fl_fib_sweep(f->fib);
	commit(f);
	assert_string_equal(kernel.ops, "");
}

static void puts_right_what_differs(void **state)
{
	struct fixture *f = *state;

	kernel_neigh("10.0.5.0", 66, DEV, NUD_PERMANENT);
	kernel_fdb(5, "192.168.66.66", NUD_PERMANENT);
	kernel_route("10.0.5.0/24", DEV, FL_RTPROT, 0);
	peer(f, 5, declare);
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_string_equal(kernel.ops, "+nexthop\n+neigh 10.0.5.0\n-fdb 02:00:00:00:00:05 none\n"
					"+fdb 02:00:00:00:00:05 192.168.0.5\n+route 10.0.5.0/24\n");
	assert_int_equal(stats(f).installed, 3);
	fib_restart(f);
	peer(f, 5, declare);
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_string_equal(kernel.ops, "");
}

static void removes_a_second_remote_of_a_mac(void **state)
{
	struct fixture *f = *state;

	kernel_fdb(5, "192.168.0.5", NUD_PERMANENT);
	kernel_fdb(5, "192.168.66.66", NUD_PERMANENT);
	declare(f, fdb(5, "192.168.0.5"));
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_int_equal(kernel_count(FDB), 1);
	assert_true(stats(f).installed == 1);
}

static void takes_over_the_routes_of_another_flanneld_at_once(void **state)
{
	struct fixture *f = *state;

	kernel_route("10.0.5.0/24", DEV, RTPROT_BOOT, 0);
	declare(f, route("10.0.5.0/24", "10.0.5.0"));
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_string_equal(kernel.ops, "+nexthop\n+route 10.0.5.0/24\n");
	assert_int_equal(kernel_route_to("10.0.5.0/24")->protocol, FL_RTPROT);
}

/* As flannel makes them; returns what may be made to differ. */
static struct fl_rtmsg_route *flannels_route(const char *dst, const char *via, uint32_t ifindex)
{
	struct fl_rtmsg_route *r;

	kernel_route(dst, ifindex, RTPROT_BOOT, 0);
	r = &kernel.objects[kernel.count - 1].route;
	r->via = addr(via);
	r->onlink = true;
	return r;
}

static void removes_routes_that_flannel_has_left_and_no_others_like_them(void **state)
{
	const struct fl_prefix network = prefix("10.0.0.0/16");
	struct fixture *f = *state;

	flannels_route("10.0.5.0/24", "10.0.5.0", DEV);
	flannels_route("10.0.6.0/24", "10.0.6.0", DEV);
	flannels_route("10.0.7.0/24", "10.0.7.0", OTHER_DEV);
	flannels_route("10.0.8.0/24", "10.0.8.1", DEV);
	flannels_route("10.0.9.0/24", "10.0.9.0", DEV)->onlink = false;
	flannels_route("10.0.10.0/24", "10.0.10.0", DEV)->metric = 5;
	flannels_route("10.0.11.0/24", "10.0.11.0", DEV)->protocol = RTPROT_STATIC;
	flannels_route("10.0.12.0/24", "10.0.12.0", DEV)->prefsrc = addr("10.0.1.0");
	declare(f, route("10.0.6.0/24", "10.0.6.0"));
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	assert_int_equal(fl_fib_adopt_elsewhere(f->fib, &network), 0);
	commit(f);
	assert_string_equal(kernel.ops, "+nexthop\n+route 10.0.6.0/24\n-route 10.0.5.0/24\n");
	assert_int_equal(kernel_count(ROUTE), 7);
	assert_int_equal(kernel_route_to("10.0.6.0/24")->protocol, FL_RTPROT);
}

static void a_route_that_flannel_has_left_is_spared_and_taken_over_as_ours_would_be(void **state)
{
	struct fixture *f = *state;

	f->listener.spared = spares_10_0_5_0;
	f->spare = true;
	flannels_route("10.0.5.0/24", "10.0.5.0", DEV);
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_string_equal(kernel.ops, "");
	declare(f, route("10.0.5.0/24", "10.0.5.0"));
	commit(f);
	assert_string_equal(kernel.ops, "+nexthop\n+route 10.0.5.0/24\n");
	withdraw(f, route("10.0.5.0/24", "10.0.5.0"));
	commit(f);
	assert_int_equal(kernel_count(ROUTE), 0);
}

static void a_second_nexthop_for_one_gateway_is_given_up(void **state)
{
	struct fixture *f = *state;

	kernel_nexthop(70, "10.0.5.0", DEV, FL_RTPROT);
	kernel_nexthop(71, "10.0.5.0", DEV, FL_RTPROT);
	kernel_route("10.0.5.0/24", DEV, FL_RTPROT, 0);
	kernel.objects[2].route.nhid = 71;
	kernel.no_compat = true;
	declare(f, route("10.0.5.0/24", "10.0.5.0"));
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_string_equal(kernel.ops, "+route 10.0.5.0/24\n-nexthop\n");
	assert_int_equal(kernel_route_to("10.0.5.0/24")->nhid, 70);
	assert_int_equal(kernel_count(NEXTHOP), 1);
}

static void a_failed_dump_schedules_nothing(void **state)
{
	struct fixture *f = *state;
	uint32_t skip;

	peer(f, 5, declare);
	commit(f);
	fib_restart(f);
	for (skip = 0; skip < 4; skip++) {
		kernel.dump_error = -ENOMEM;
		kernel.dump_skip = skip;
		assert_int_equal(fl_fib_adopt(f->fib, DEV), -ENOMEM);
		kernel.dump_error = 0;
		commit(f);
		assert_string_equal(kernel.ops, "");
	}
}

static void repeats_an_interrupted_dump_but_not_for_ever(void **state)
{
	struct fixture *f = *state;

	peer(f, 5, declare);
	commit(f);
	fib_restart(f);
	peer(f, 5, declare);
	kernel.dump_interrupt = 3;
	kernel.interrupted = FDB; /* seen twice, an entry would look like two remotes */
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_string_equal(kernel.ops, "");
	kernel.dump_interrupt = UINT32_MAX;
	kernel.interrupted = NOTHING;
	kernel.dumps = 0;
	assert_int_equal(fl_fib_adopt(f->fib, DEV), -EINTR);
	assert_true(kernel.dumps < 10);
	commit(f);
	assert_string_equal(kernel.ops, "");
}

static void what_is_not_there_yet_is_added_in_the_order_of_declaration(void **state)
{
	struct fixture *f = *state;

	declare(f, neigh("10.0.3.0", 3));
	declare(f, fdb(3, "192.168.0.3"));
	declare(f, route("10.0.3.0/24", NULL));
	declare(f, neigh("10.0.1.0", 1));
	declare(f, fdb(1, "192.168.0.1"));
	declare(f, route("10.0.1.0/24", NULL));
	declare(f, neigh("10.0.2.0", 2));
	kernel_neigh("10.0.1.0", 1, DEV, NUD_PERMANENT);
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_string_equal(kernel.ops, "+neigh 10.0.3.0\n+fdb 02:00:00:00:00:03 192.168.0.3\n"
					"+route 10.0.3.0/24\n+fdb 02:00:00:00:00:01 192.168.0.1\n"
					"+route 10.0.1.0/24\n+neigh 10.0.2.0\n");
}

static void a_later_adoption_refills_what_has_vanished(void **state)
{
	struct fixture *f = *state;
	uint32_t i;

	for (i = 1; i < 20; i++)
		peer(f, i, declare);
	commit(f);
	for (i = 0; i < kernel.count; i += 2)
		kernel.objects[i].what = NOTHING;
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	commit(f);
	assert_int_equal(stats(f).installed, 57);
	assert_int_equal(kernel_count(ROUTE), 19);
	assert_int_equal(kernel_count(NEIGH), 19);
	assert_int_equal(kernel_count(FDB), 19);
	assert_int_equal(kernel_count(NEXTHOP), 19);
}

/* Then a route tells neither its device nor its gateway, but the id of an object alone. */
static void without_the_compatible_mode_each_route_counts_for_its_own_device(void **state)
{
	struct fixture *f = *state;
	const struct fl_prefix network = prefix("10.0.0.0/8");
	struct fl_row direct = route("10.0.2.0/24", "192.168.0.2");
	int pass;

	direct.ifindex = OTHER_DEV;
	direct.onlink = false;
	kernel.no_compat = true;
	for (pass = 0; pass < 2; pass++) {
		peer(f, 1, declare);
		declare(f, direct);
		assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
		assert_int_equal(fl_fib_adopt_elsewhere(f->fib, &network), 0);
		commit(f);
		assert_int_equal(stats(f).installed, 4);
		if (pass == 0)
			fib_restart(f);
	}
	assert_string_equal(kernel.ops, "");
	fib_restart(f);
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	assert_int_equal(fl_fib_adopt_elsewhere(f->fib, &network), 0);
	commit(f);
	assert_int_equal(kernel_count(ROUTE), 0);
	assert_int_equal(kernel_count(NEXTHOP), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(adopts_equal_rows_without_touching_them),
		TEST(adopts_routes_that_show_only_the_id_of_their_nexthop),
		TEST(removes_what_nobody_declares_and_nothing_of_others),
		TEST(finds_routes_of_ours_on_devices_that_are_not_ours),
		TEST(what_is_declared_on_a_device_that_went_waits_for_it),
		TEST(spares_a_route_and_what_is_behind_it),
		TEST(a_spared_row_that_is_declared_is_not_touched),
		TEST(puts_right_what_differs),
		TEST(removes_a_second_remote_of_a_mac),
		TEST(takes_over_the_routes_of_another_flanneld_at_once),
		TEST(removes_routes_that_flannel_has_left_and_no_others_like_them),
		TEST(a_route_that_flannel_has_left_is_spared_and_taken_over_as_ours_would_be),
		TEST(a_second_nexthop_for_one_gateway_is_given_up),
		TEST(a_failed_dump_schedules_nothing),
		TEST(repeats_an_interrupted_dump_but_not_for_ever),
		TEST(what_is_not_there_yet_is_added_in_the_order_of_declaration),
		TEST(a_later_adoption_refills_what_has_vanished),
		TEST(without_the_compatible_mode_each_route_counts_for_its_own_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
