/* tests/unit/test_overlay_move.c - the backend is made anew on another underlay, and links that go
 * for a moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "fib.h"
#include "overlay_run.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#define OTHER 9u /* ifindex: the underlay came back under it */

/* ---- suspended ---- */

static void equal_rows_are_not_touched_when_the_backend_returns(void **state)
{
	struct fixture *f = *state;

	f->ways[0x502] = UNDERLAY;
	snapshot(f, 0x501, 0x503);
	fl_overlay_suspend(f->overlay);
	overlay_move(f);
	assert_string_equal(kernel.ops, "");
	assert_int_equal(route_dev(0x501), DEV);
	assert_int_equal(route_dev(0x502), UNDERLAY);
	assert_non_null(strstr(f->told, "+10.5.1.0/24"));
}

static void rows_follow_the_interface_to_its_new_index(void **state)
{
	struct fixture *f = *state;

	f->ways[0x501] = UNDERLAY;
	f->ways[0x502] = UNDERLAY;
	snapshot(f, 0x501, 0x503);
	fl_overlay_suspend(f->overlay);
	f->ways[0x501] = OTHER;
	f->ways[0x502] = OTHER;
	overlay_move(f);
	assert_int_equal(route_dev(0x501), OTHER);
	assert_int_equal(route_dev(0x502), OTHER);
	assert_int_equal(route_dev(0x503), DEV);
}

static void while_suspended_nothing_is_sent_nor_asked(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x501, 0x502);
	fl_overlay_suspend(f->overlay);
	fl_overlay_suspend(f->overlay);
	assert_false(watches_routes());
	kernel.ops[0] = '\0';
	f->told[0] = '\0';
	put(f, 0x503, "3");
	put(f, 0x501, "bad");
	del(f, 0x502);
	fl_overlay_device_came(f->overlay, DEV);
	fl_overlay_device_went(f->overlay, DEV);
	turn(f);
	assert_string_equal(kernel.ops, "");
	assert_string_equal(f->told, "");
	assert_int_equal(route_dev(0x502), DEV);
}

static void what_came_and_went_meanwhile_counts_afterwards(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x501, 0x502);
	fl_overlay_suspend(f->overlay);
	put(f, 0x503, "3");
	del(f, 0x502);
	overlay_move(f);
	assert_int_equal(route_dev(0x501), DEV);
	assert_int_equal(route_dev(0x502), 0);
	assert_int_equal(route_dev(0x503), DEV);
	assert_true(watches_routes());
}

static void a_snapshot_that_is_half_told_decides_nothing(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x501, 0x502);
	fl_overlay_snapshot_begin(f->overlay);
	put(f, 0x501, "1");
	fl_overlay_suspend(f->overlay);
	overlay_move(f);
	assert_string_equal(kernel.ops, "");
	assert_int_equal(route_dev(0x502), DEV);
	fl_overlay_snapshot_end(f->overlay);
	turn(f);
	assert_int_equal(route_dev(0x501), DEV);
	assert_int_equal(route_dev(0x502), 0);
}

static void count(void *owner, const struct fl_overlay_peer *p)
{
	uint32_t *n = owner;

	assert_string_equal(p->state, "waiting");
	assert_non_null(strstr(p->why, "interface"));
	assert_int_equal(p->rows->count, 0);
	(*n)++;
}

static void operators_see_that_all_peers_wait(void **state)
{
	struct fl_peers_cursor from = {0};
	struct fixture *f = *state;
	struct fl_overlay_stats s;
	uint32_t n = 0;

	snapshot(f, 0x501, 0x502);
	fl_overlay_suspend(f->overlay);
	(void)fl_overlay_walk(f->overlay, &from, 100, count, &n);
	assert_int_equal(n, 2);
	fl_overlay_stats(f->overlay, &s);
	assert_false(s.devices_well);
	assert_int_equal(s.rows.declared, 0);
	overlay_move(f);
	fl_overlay_stats(f->overlay, &s);
	assert_true(s.devices_well);
	assert_int_equal(s.reached, 2);
	assert_int_equal(s.rows.declared, 6);
}

static void a_suspended_overlay_can_be_destroyed(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x501, 0x502);
	fl_overlay_suspend(f->overlay);
	fl_overlay_destroy(f->overlay);
	f->overlay = NULL;
	assert_int_equal(route_dev(0x501), DEV);
}

static void many_peers_are_not_named_one_by_one(void **state)
{
	struct fixture *f = *state;
	uint32_t before;

	snapshot(f, 0x501, 0x580);
	before = logged_times(f, "is reached at");
	fl_overlay_suspend(f->overlay);
	overlay_move(f);
	assert_int_equal(logged_times(f, "is reached at"), before);
}

/* ---- a link goes for a moment ---- */

/* As the kernel does it, without a word. */
static void drop(uint32_t ifindex)
{
	for (uint32_t i = 0; i < kernel.count; i++) {
		struct object *o = &kernel.objects[i];

		if ((o->what == ROUTE && o->route.ifindex == ifindex) ||
		    (o->what == NEXTHOP && o->nh.ifindex == ifindex))
			o->what = NOTHING;
	}
}

static void rows_that_went_with_a_link_return_though_the_way_is_the_same(void **state)
{
	struct fixture *f = *state;

	f->ways[0x501] = UNDERLAY;
	snapshot(f, 0x501, 0x502);
	drop(UNDERLAY);
	assert_int_equal(route_dev(0x501), 0);
	routes_drop(f);
	turn(f);
	assert_int_equal(route_dev(0x501), UNDERLAY);
	assert_int_equal(route_dev(0x502), DEV);
}

static void other_changes_of_routes_cost_no_comparison(void **state)
{
	struct fixture *f = *state;

	f->ways[0x501] = UNDERLAY;
	snapshot(f, 0x501, 0x502);
	drop(UNDERLAY);
	routes_change(f);
	turn(f);
	assert_int_equal(route_dev(0x501), 0);
	routes_drop(f);
	turn(f);
	assert_int_equal(route_dev(0x501), UNDERLAY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(equal_rows_are_not_touched_when_the_backend_returns),
		TEST(rows_follow_the_interface_to_its_new_index),
		TEST(while_suspended_nothing_is_sent_nor_asked),
		TEST(what_came_and_went_meanwhile_counts_afterwards),
		TEST(a_snapshot_that_is_half_told_decides_nothing),
		TEST(operators_see_that_all_peers_wait),
		TEST(a_suspended_overlay_can_be_destroyed),
		TEST(many_peers_are_not_named_one_by_one),
		TEST(rows_that_went_with_a_link_return_though_the_way_is_the_same),
		TEST(other_changes_of_routes_cost_no_comparison),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
