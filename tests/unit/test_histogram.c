/* tests/unit/test_histogram.c - how often something took how long. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/histogram.h"

static void counts_a_value_in_the_first_bucket_that_holds_it(void **state)
{
	struct fl_histogram h = {0};

	(void)state;
	fl_histogram_add(&h, 0.0004);
	fl_histogram_add(&h, 0.001); /* on the bound is within it */
	fl_histogram_add(&h, 0.3);
	fl_histogram_add(&h, 10.);
	assert_int_equal(h.buckets[0], 2);
	assert_int_equal(h.buckets[7], 0);
	assert_int_equal(h.buckets[8], 1);
	assert_int_equal(h.buckets[FL_HISTOGRAM_BUCKETS - 1], 1);
	assert_int_equal(h.count, 4);
	assert_true(fabs(h.sum_s - 10.3014) < 1e-9);
}

static void what_is_above_all_bounds_counts_in_the_whole_alone(void **state)
{
	struct fl_histogram h = {0};

	(void)state;
	fl_histogram_add(&h, 10.1);
	for (unsigned int i = 0; i < FL_HISTOGRAM_BUCKETS; i++)
		assert_int_equal(h.buckets[i], 0);
	assert_int_equal(h.count, 1);
}

static void a_clock_that_went_back_counts_as_no_time(void **state)
{
	struct fl_histogram h = {0};

	(void)state;
	fl_histogram_add(&h, -3.);
	fl_histogram_add(&h, NAN);
	assert_int_equal(h.buckets[0], 2);
	assert_true(h.sum_s == 0.);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_a_value_in_the_first_bucket_that_holds_it),
		cmocka_unit_test(what_is_above_all_bounds_counts_in_the_whole_alone),
		cmocka_unit_test(a_clock_that_went_back_counts_as_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
