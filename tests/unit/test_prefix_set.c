/* tests/unit/test_prefix_set.c - a set of prefixes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/prefix_set.h"

static struct fl_prefix prefix(const char *text)
{
	struct fl_prefix p;

	assert_int_equal(fl_prefix_parse(text, &p), 0);
	return p;
}

static void holds_what_was_added_until_it_is_taken_out(void **state)
{
	struct fl_prefix p = prefix("10.5.1.0/24"), longer = prefix("10.5.1.0/25");
	struct fl_prefix six = prefix("fd00:5:1::/64");
	struct fl_prefix_set s = {0};

	(void)state;
	assert_false(fl_prefix_set_has(&s, &p));
	assert_false(fl_prefix_set_del(&s, &p));
	assert_int_equal(fl_prefix_set_add(&s, &p), 0);
	assert_int_equal(fl_prefix_set_add(&s, &p), 0);
	assert_int_equal(fl_prefix_set_add(&s, &six), 0);
	assert_int_equal(fl_prefix_set_count(&s), 2);
	assert_true(fl_prefix_set_has(&s, &p));
	assert_true(fl_prefix_set_has(&s, &six));
	assert_false(fl_prefix_set_has(&s, &longer));
	assert_true(fl_prefix_set_del(&s, &p));
	assert_false(fl_prefix_set_has(&s, &p));
	assert_int_equal(fl_prefix_set_count(&s), 1);
	fl_prefix_set_done(&s);
	assert_int_equal(fl_prefix_set_count(&s), 0);
	assert_false(fl_prefix_set_has(&s, &six));
}

static void keeps_many_apart(void **state)
{
	struct fl_prefix_set s = {0};
	struct fl_prefix p = {.len = 24};
	uint32_t i;

	(void)state;
	for (i = 0; i < 5000; i++) {
		p.addr = fl_addr_from_v4(0x0a000000u + (i << 8));
		assert_int_equal(fl_prefix_set_add(&s, &p), 0);
	}
	for (i = 0; i < 5000; i += 2) {
		p.addr = fl_addr_from_v4(0x0a000000u + (i << 8));
		assert_true(fl_prefix_set_del(&s, &p));
	}
	for (i = 0; i < 5000; i++) {
		p.addr = fl_addr_from_v4(0x0a000000u + (i << 8));
		assert_int_equal(fl_prefix_set_has(&s, &p), i % 2);
	}
	fl_prefix_set_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_what_was_added_until_it_is_taken_out),
		cmocka_unit_test(keeps_many_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
