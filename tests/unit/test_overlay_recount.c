/* tests/unit/test_overlay_recount.c - memory runs out while leases come and go: in the end the
 * kernel has what it must have, and what stood all along was not touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>

#include "overlay_run.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void time_is_up(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

/* Let timers have their time, and then some. */
static void wait_ms(struct fixture *f, uint32_t ms)
{
	ev_timer end;

	ev_timer_init(&end, time_is_up, ms / 1e3, 0.);
	ev_timer_start(f->loop, &end);
	ev_run(f->loop, 0);
	ev_timer_stop(f->loop, &end);
	turn(f);
}

static void feed(struct fixture *f)
{
	f->starved = false;
	wait_ms(f, 500);
	assert_true(logged(f, "all rows are known again"));
}

static void a_peer_that_came_without_memory_is_reached_later(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x501, 0x502);
	f->starved = true;
	put(f, 0x503, "3");
	turn(f);
	assert_int_equal(route_dev(0x503), 0);
	assert_true(logged(f, "out of memory"));
	kernel.ops[0] = '\0';
	feed(f);
	assert_int_equal(route_dev(0x503), DEV);
	assert_int_equal(kernel_count(NEIGH), 3);
	assert_null(strstr(kernel.ops, "10.5.1.0/24")); /* was there, and is left alone */
	assert_non_null(strstr(f->told, "+10.5.3.0/24 "));
}

static void a_peer_that_the_backend_has_no_memory_for_is_told_again(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x501, 0x502);
	f->told[0] = '\0';
	f->deaf = true;
	put(f, 0x503, "3");
	put(f, 0x504, "4");
	del(f, 0x504);
	turn(f);
	assert_true(logged(f, "out of memory"));
	assert_string_equal(f->told, "");
	wait_ms(f, 500); /* and once more in vain */
	assert_string_equal(f->told, "");
	f->deaf = false;
	wait_ms(f, 1500);
	assert_string_equal(f->told, "+10.5.3.0/24 ");
	assert_true(logged(f, "all rows are known again"));
}

static void a_peer_that_went_without_memory_is_removed_later(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x501, 0x503);
	f->told[0] = '\0';
	f->starved = true;
	del(f, 0x502);
	turn(f);
	assert_string_equal(f->told, "-10.5.2.0/24 ");
	feed(f);
	assert_int_equal(route_dev(0x502), 0);
	assert_int_equal(route_dev(0x501), DEV);
	assert_int_equal(route_dev(0x503), DEV);
	assert_int_equal(kernel_count(NEIGH), 2);
	assert_int_equal(kernel_count(FDB), 2);
	assert_string_equal(f->told, "-10.5.2.0/24 ");
}

static void a_peer_that_changed_without_memory_has_its_new_rows_later(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x501, 0x501);
	f->told[0] = '\0';
	f->starved = true;
	put(f, 0x501, "9");
	turn(f);
	feed(f);
	assert_int_equal(route_dev(0x501), DEV);
	assert_int_equal(kernel_count(NEIGH), 1);
	assert_int_equal(kernel_count(FDB), 1);
	assert_string_equal(f->told, "-10.5.1.0/24 +10.5.1.0/24 ");
}

static void nothing_is_removed_while_there_is_still_no_memory(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x501, 0x504);
	f->starved = true;
	del(f, 0x502);
	wait_ms(f, 400); /* some recounts fail */
	assert_int_equal(kernel_count(NEIGH), 4);
	assert_int_equal(route_dev(0x504), DEV);
	f->starved = false;
	wait_ms(f, 1500);
	assert_int_equal(kernel_count(NEIGH), 3);
	assert_int_equal(route_dev(0x502), 0);
}

static void shared_rows_are_counted_anew(void **state)
{
	struct fixture *f = *state;

	snapshot(f, 0x501, 0x501);
	put(f, 0x502, "1281"); /* the MAC of 0x501 */
	turn(f);
	f->starved = true;
	del(f, 0x501);
	turn(f);
	feed(f);
	assert_int_equal(kernel_count(FDB), 1);
	del(f, 0x502);
	turn(f);
	assert_int_equal(kernel_count(FDB), 0);
	assert_int_equal(kernel_count(NEIGH), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_peer_that_came_without_memory_is_reached_later),
		TEST(a_peer_that_the_backend_has_no_memory_for_is_told_again),
		TEST(a_peer_that_went_without_memory_is_removed_later),
		TEST(a_peer_that_changed_without_memory_has_its_new_rows_later),
		TEST(nothing_is_removed_while_there_is_still_no_memory),
		TEST(shared_rows_are_counted_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
