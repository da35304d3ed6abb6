/* tests/unit/test_fib_trouble.c - what the kernel refuses, and routes of others that stand in the
 * way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/rtnetlink.h>

#include "fib_internal.h"
#include "fib_run.h"

/* ---- conflicts and refusals ---- */

static void leaves_a_foreign_route_alone_until_it_goes(void **state)
{
	struct fixture *f = *state;

	kernel_route("10.0.5.0/24", OTHER_DEV, RTPROT_STATIC, 0);
	peer(f, 5, declare);
	commit(f);
	assert_int_equal(stats(f).conflicts, 1);
	assert_int_equal(stats(f).failed, 0);
	assert_int_equal(stats(f).installed, 2);
	assert_int_equal(kernel_route_to("10.0.5.0/24")->protocol, RTPROT_STATIC);
	run_ms(f, 500);
	assert_int_equal(stats(f).conflicts, 1);
	assert_int_equal(logged(f, "conflicts with one of protocol static"), 1);
	kernel.objects[0].what = NOTHING;
	heal(f, 0);
	assert_int_equal(stats(f).installed, 3);
}

static void a_conflict_that_is_withdrawn_removes_nothing_of_others(void **state)
{
	struct fixture *f = *state;

	kernel_route("10.0.5.0/24", OTHER_DEV, RTPROT_STATIC, 0);
	peer(f, 5, declare);
	commit(f);
	peer(f, 5, withdraw);
	commit(f);
	assert_int_equal(stats(f).conflicts, 0);
	assert_int_equal(kernel_count(ROUTE), 1);
	assert_int_equal(kernel_count(NEXTHOP), 0);
}

static void a_route_of_ours_or_on_our_device_is_replaced(void **state)
{
	struct fixture *f = *state;

	kernel_route("10.0.5.0/24", OTHER_DEV, FL_RTPROT, 0);
	kernel_route("10.0.6.0/24", DEV, RTPROT_BOOT, 0);
	assert_int_equal(fl_fib_adopt(f->fib, DEV), 0);
	peer(f, 5, declare);
	peer(f, 6, declare);
	commit(f);
	assert_int_equal(stats(f).installed, 6);
	assert_int_equal(kernel_route_to("10.0.5.0/24")->ifindex, DEV);
	assert_int_equal(kernel_route_to("10.0.6.0/24")->protocol, FL_RTPROT);
}

/* As on the underlay's device, which is not ours alone. */
static void on_a_shared_device_only_what_another_flanneld_has_made_is_replaced(void **state)
{
	struct fixture *f = *state;
	uint32_t i;

	kernel_route("10.0.5.0/24", DEV, RTPROT_BOOT, 0);
	kernel_route("10.0.6.0/24", DEV, RTPROT_BOOT, 0);
	kernel_route("10.0.7.0/24", DEV, RTPROT_STATIC, 0);
	for (i = 0; i < 3; i++)
		kernel.objects[i].route.via = addr(i == 1 ? "192.168.66.66" : "192.168.0.5");
	declare(f, route("10.0.5.0/24", "192.168.0.5"));
	declare(f, route("10.0.6.0/24", "192.168.0.5"));
	declare(f, route("10.0.7.0/24", "192.168.0.5"));
	commit(f);
	assert_int_equal(kernel_route_to("10.0.5.0/24")->protocol, FL_RTPROT);
	assert_int_equal(kernel_route_to("10.0.6.0/24")->protocol, RTPROT_BOOT);
	assert_int_equal(kernel_route_to("10.0.7.0/24")->protocol, RTPROT_STATIC);
	assert_int_equal(stats(f).conflicts, 2);
}

static void a_clash_with_nobody_is_tried_again(void **state)
{
	struct fixture *f = *state;

	kernel.refuse = ROUTE;
	kernel.refuse_error = -EEXIST;
	kernel.refuse_times = 1;
	peer(f, 5, declare);
	commit(f);
	assert_int_equal(stats(f).installed, 3);
}

static void a_clash_that_cannot_be_looked_at_waits(void **state)
{
	struct fixture *f = *state;

	kernel_route("10.0.5.0/24", OTHER_DEV, RTPROT_STATIC, 0);
	kernel.dump_error = -ENOMEM;
	peer(f, 5, declare);
	commit(f);
	assert_int_equal(stats(f).failed, 1);
	kernel.dump_error = 0;
	heal(f, 1);
}

static void a_refused_row_is_said_once_and_retried(void **state)
{
	struct fixture *f = *state;

	kernel.refuse = NEIGH;
	kernel.refuse_error = -ENOBUFS;
	kernel.refuse_times = 3;
	peer(f, 5, declare);
	commit(f);
	assert_int_equal(stats(f).failed, 1);
	assert_int_equal(stats(f).installed, 2);
	heal(f, 0);
	assert_int_equal(stats(f).installed, 3);
	assert_int_equal(logged(f, "10.0.5.0: neighbour refused"), 1);
}

static void many_refused_rows_do_not_flood_the_log(void **state)
{
	struct fixture *f = *state;
	uint32_t i;

	kernel.refuse = FDB;
	kernel.refuse_error = -ENODEV;
	kernel.refuse_times = UINT32_MAX;
	for (i = 1; i <= 1000; i++)
		peer(f, i, declare);
	commit(f);
	assert_int_equal(stats(f).failed, 1000);
	assert_int_equal(logged(f, "refused:"), 10);
	assert_int_equal(logged(f, "and 990 more"), 1);
	kernel.refuse_times = 0;
	heal(f, 0);
}

static void a_refused_nexthop_holds_back_its_routes_alone(void **state)
{
	struct fixture *f = *state;

	kernel.refuse = NEXTHOP;
	kernel.refuse_error = -ENETDOWN;
	kernel.refuse_times = 2;
	peer(f, 5, declare);
	commit(f);
	assert_int_equal(stats(f).installed, 2);
	assert_int_equal(stats(f).failed, 1);
	heal(f, 0);
	assert_int_equal(stats(f).installed, 3);
	assert_int_equal(logged(f, "nexthop refused"), 1);
}

static void a_batch_that_breaks_off_is_sent_again(void **state)
{
	struct fixture *f = *state;
	uint32_t i;

	for (i = 1; i <= 40; i++)
		peer(f, i, declare);
	kernel.broken = 2;
	commit(f);
	assert_true(stats(f).failed > 0);
	heal(f, 0);
	assert_int_equal(stats(f).installed, 120);
	assert_int_equal(kernel_count(ROUTE), 40);
	assert_int_equal(kernel_count(NEXTHOP), 40);
}

static void what_an_unsure_batch_may_have_left_is_removed(void **state)
{
	struct fixture *f = *state;

	declare(f, neigh("10.0.5.0", 5));
	declare(f, neigh("10.0.6.0", 6));
	kernel.broken = 1;
	commit(f);
	assert_int_equal(kernel_count(NEIGH), 1);
	withdraw(f, neigh("10.0.5.0", 5));
	withdraw(f, neigh("10.0.6.0", 6));
	commit(f);
	assert_int_equal(kernel_count(NEIGH), 0);
	assert_int_equal(f->fib->rows.count, 0);
}

static void what_is_gone_already_counts_as_removed(void **state)
{
	struct fixture *f = *state;
	uint32_t i;

	peer(f, 5, declare);
	commit(f);
	for (i = 0; i < kernel.count; i++)
		kernel.objects[i].what = NOTHING;
	peer(f, 5, withdraw);
	commit(f);
	assert_int_equal(stats(f).failed, 0);
	assert_int_equal(f->fib->rows.count, 0);
	assert_int_equal(logged(f, "not removed"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(leaves_a_foreign_route_alone_until_it_goes),
		TEST(a_conflict_that_is_withdrawn_removes_nothing_of_others),
		TEST(a_route_of_ours_or_on_our_device_is_replaced),
		TEST(on_a_shared_device_only_what_another_flanneld_has_made_is_replaced),
		TEST(a_clash_with_nobody_is_tried_again),
		TEST(a_clash_that_cannot_be_looked_at_waits),
		TEST(a_refused_row_is_said_once_and_retried),
		TEST(many_refused_rows_do_not_flood_the_log),
		TEST(a_refused_nexthop_holds_back_its_routes_alone),
		TEST(a_batch_that_breaks_off_is_sent_again),
		TEST(what_an_unsure_batch_may_have_left_is_removed),
		TEST(what_is_gone_already_counts_as_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
