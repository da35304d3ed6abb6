/* tests/unit/test_overlay_compare.c - the kernel's tables take longer to read than one turn of the
 * loop: what happens meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "overlay_run.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#define FIRST 0x501u
#define LAST  0x53cu

static void tell_all(struct fixture *f, uint32_t first, uint32_t last)
{
	char data[12];

	for (uint32_t n = first; n <= last; n++) {
		(void)snprintf(data, sizeof(data), "%u", n);
		put(f, n, data);
	}
}

/* The rows of FIRST to LAST stand, and another overlay, which knows all but the last peer, has
 * begun to compare. */
static void begin(struct fixture *f)
{
	snapshot(f, FIRST, LAST);
	overlay_restart(f);
	kernel.piece = 1;
	kernel.slow_us = 200;
	kernel.ops[0] = '\0';
	fl_overlay_snapshot_begin(f->overlay);
	tell_all(f, FIRST, LAST - 1);
	fl_overlay_snapshot_end(f->overlay);
}

static void assert_compared(struct fixture *f)
{
	kernel.slow_us = 0;
	turn(f);
	for (uint32_t n = FIRST; n < LAST; n++)
		assert_int_equal(route_dev(n), DEV);
	assert_int_equal(route_dev(LAST), 0);
}

static void nothing_is_sent_before_the_end(void **state)
{
	struct fixture *f = *state;

	begin(f);
	put(f, 0x5f0, "1520");
	assert_string_equal(kernel.ops, "");
	assert_compared(f);
	assert_int_equal(route_dev(0x5f0), DEV);
	assert_true(no_op("10.5.1.0"));
	(void)op("-route 10.5.60.0/24\n");
}

/* Of the snapshot only a part is known: what the rest will be spares must not be looked at. */
static void a_snapshot_has_it_wait(void **state)
{
	struct fixture *f = *state;

	begin(f);
	fl_overlay_snapshot_begin(f->overlay);
	tell_all(f, FIRST, FIRST + 3);
	turn(f);
	assert_string_equal(kernel.ops, "");
	tell_all(f, FIRST + 4, LAST - 1);
	fl_overlay_snapshot_end(f->overlay);
	assert_compared(f);
}

static void a_peer_that_goes_meanwhile_is_forgotten(void **state)
{
	struct fixture *f = *state;

	begin(f);
	put(f, LAST, "1340");
	del(f, LAST);
	assert_compared(f);
}

static void it_begins_again_after_the_backend_was_made_anew(void **state)
{
	struct fixture *f = *state;

	begin(f);
	fl_overlay_suspend(f->overlay);
	turn(f);
	assert_string_equal(kernel.ops, "");
	overlay_move(f);
	assert_compared(f);
}

static void it_begins_again_when_a_device_goes_or_comes(void **state)
{
	struct fixture *f = *state;

	begin(f);
	fl_overlay_device_went(f->overlay, DEV);
	assert_string_equal(kernel.ops, "");
	fl_overlay_device_came(f->overlay, DEV);
	assert_compared(f);
}

static void it_begins_again_when_routes_may_have_gone_with_a_link(void **state)
{
	struct fixture *f = *state;

	begin(f);
	routes_drop(f);
	assert_compared(f);
}

static void a_failure_is_said_and_nothing_is_sent(void **state)
{
	struct fixture *f = *state;

	begin(f);
	kernel.dump_error = -12;
	kernel.dump_skip = 0;
	kernel.slow_us = 0;
	turn(f);
	assert_true(logged(f, "cannot read the kernel's tables"));
	assert_string_equal(kernel.ops, "");
}

static void it_may_be_broken_off(void **state)
{
	struct fixture *f = *state;

	begin(f);
	overlay_restart(f);
	turn(f);
	assert_string_equal(kernel.ops, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_sent_before_the_end),
		TEST(a_snapshot_has_it_wait),
		TEST(a_peer_that_goes_meanwhile_is_forgotten),
		TEST(it_begins_again_after_the_backend_was_made_anew),
		TEST(it_begins_again_when_a_device_goes_or_comes),
		TEST(it_begins_again_when_routes_may_have_gone_with_a_link),
		TEST(a_failure_is_said_and_nothing_is_sent),
		TEST(it_may_be_broken_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
