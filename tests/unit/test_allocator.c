/* tests/unit/test_allocator.c - the pick among the first hundred free subnets. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "allocator.h"
#include "netconf.h"

static struct fl_prefix prefix(const char *text)
{
	struct fl_prefix p = {0};

	assert_int_equal(fl_prefix_parse(text, &p), 0);
	return p;
}

static struct fl_netconf pool(const char *min, const char *max, uint8_t len)
{
	struct fl_netconf nc = {.subnet_len = len};

	assert_int_equal(fl_addr_parse(min, &nc.subnet_min), 0);
	assert_int_equal(fl_addr_parse(max, &nc.subnet_max), 0);
	return nc;
}

static struct fl_allocator *create(const char *min, const char *max, uint8_t len)
{
	struct fl_netconf nc = pool(min, max, len);
	struct fl_allocator *a = NULL;

	assert_int_equal(fl_allocator_create(&nc, &a), 0);
	assert_non_null(a);
	return a;
}

static void take(struct fl_allocator *a, const char *text)
{
	struct fl_prefix p = prefix(text);

	assert_int_equal(fl_allocator_take(a, &p), 0);
}

static bool is_free(const struct fl_allocator *a, const char *text)
{
	struct fl_prefix p = prefix(text);

	return fl_allocator_is_free(a, &p);
}

static uint32_t pick(const struct fl_allocator *a, uint8_t len)
{
	struct fl_prefix p = {0};

	assert_int_equal(fl_allocator_pick(a, &p), 0);
	assert_int_equal(p.len, len);
	assert_true(fl_prefix_is_masked(&p));
	assert_true(fl_allocator_is_free(a, &p));
	return fl_addr_v4(&p.addr);
}

static void assert_full(const struct fl_allocator *a)
{
	struct fl_prefix p = {.len = 77};

	assert_int_equal(fl_allocator_pick(a, &p), -ENOSPC);
	assert_int_equal(p.len, 77);
}

static void refuses_a_range_that_is_no_range_of_subnets(void **state)
{
	struct fl_netconf bad[] = {
		pool("10.3.2.0", "10.3.1.0", 24),   pool("10.3.1.1", "10.3.9.0", 24),
		pool("10.3.1.0", "10.3.9.128", 24), pool("10.3.1.0", "10.3.9.0", 0),
		pool("10.3.1.0", "10.3.9.0", 31),   pool("10.3.1.0", "10.3.9.0", 255),
		pool("fd00::", "fd00::", 24)};
	struct fl_allocator *a = NULL;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++)
		assert_int_equal(fl_allocator_create(&bad[i], &a), -EINVAL);
	assert_null(a);
	fl_allocator_destroy(NULL);
}

static void picks_are_the_first_hundred_and_all_of_them(void **state)
{
	struct fl_allocator *a = create("10.3.1.0", "10.3.255.0", 24);
	uint32_t hits[100] = {0};

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint32_t number = (pick(a, 24) - 0x0a030100u) >> 8;

		assert_true(number < 100);
		hits[number]++;
	}
	/* 200 expected, deviation 14 */
	for (size_t i = 0; i < FL_ARRAY_SIZE(hits); i++)
		assert_in_range(hits[i], 90, 310);
	fl_allocator_destroy(a);
}

static void the_first_hundred_skip_what_is_taken(void **state)
{
	struct fl_allocator *a = create("10.3.0.0", "10.3.255.0", 24);
	uint32_t highest = 0;

	(void)state;
	for (uint32_t i = 0; i < 256; i += 2) {
		struct fl_prefix p = {.addr = fl_addr_from_v4(0x0a030000u + (i << 8)), .len = 24};

		assert_int_equal(fl_allocator_take(a, &p), 0);
	}
	for (int i = 0; i < 5000; i++) {
		uint32_t number = (pick(a, 24) - 0x0a030000u) >> 8;

		assert_int_equal(number % 2, 1);
		highest = number > highest ? number : highest;
	}
	assert_int_equal(highest, 199); /* the hundredth odd number */
	fl_allocator_destroy(a);
}

static void a_full_pool_is_told(void **state)
{
	struct fl_allocator *a = create("10.3.1.0", "10.3.255.0", 24);
	uint32_t taken = 0;
	struct fl_prefix p;

	(void)state;
	while (fl_allocator_pick(a, &p) == 0) {
		assert_true(fl_allocator_is_free(a, &p));
		assert_int_equal(fl_allocator_take(a, &p), 0);
		assert_false(fl_allocator_is_free(a, &p));
		taken++;
	}
	assert_int_equal(taken, 255);
	assert_full(a);
	assert_int_equal(fl_allocator_take(a, &p), 0); /* twice does no harm */
	fl_allocator_destroy(a);
}

static void the_one_that_is_left_is_found(void **state)
{
	for (uint32_t left = 0; left < 256; left += 15) {
		struct fl_allocator *a = create("10.3.0.0", "10.3.255.0", 24);

		(void)state;
		for (uint32_t i = 0; i < 256; i++) {
			struct fl_prefix p = {.addr = fl_addr_from_v4(0x0a030000u + (i << 8)),
					      .len = 24};

			if (i != left)
				assert_int_equal(fl_allocator_take(a, &p), 0);
		}
		assert_int_equal(pick(a, 24), 0x0a030000u + (left << 8));
		fl_allocator_destroy(a);
	}
}

static void a_pool_of_one_works(void **state)
{
	struct fl_allocator *a = create("10.3.7.0", "10.3.7.0", 24);

	(void)state;
	assert_int_equal(pick(a, 24), 0x0a030700);
	take(a, "10.3.7.0/24");
	assert_full(a);
	fl_allocator_destroy(a);
}

static void shorter_prefixes_take_all_that_they_cover(void **state)
{
	struct fl_allocator *a = create("10.3.0.0", "10.3.255.0", 24);

	(void)state;
	take(a, "10.3.0.0/17");
	assert_false(is_free(a, "10.3.0.0/24"));
	assert_false(is_free(a, "10.3.127.0/24"));
	assert_true(is_free(a, "10.3.128.0/24"));
	for (int i = 0; i < 1000; i++)
		assert_in_range(pick(a, 24), 0x0a038000, 0x0a038000 + (99 << 8));
	take(a, "10.0.0.0/8");
	assert_full(a);
	fl_allocator_destroy(a);
}

static void the_whole_internet_takes_the_whole_pool(void **state)
{
	struct fl_allocator *a = create("10.3.1.0", "10.3.9.0", 24);

	(void)state;
	take(a, "0.0.0.0/0");
	assert_full(a);
	fl_allocator_destroy(a);
}

static void longer_prefixes_take_the_subnet_they_lie_in(void **state)
{
	struct fl_allocator *a = create("10.3.1.0", "10.3.3.0", 24);

	(void)state;
	take(a, "10.3.1.255/32");
	take(a, "10.3.3.128/25");
	assert_false(is_free(a, "10.3.1.0/24"));
	assert_true(is_free(a, "10.3.2.0/24"));
	assert_true(is_free(a, "10.3.2.16/28"));
	assert_false(is_free(a, "10.3.2.0/23"));
	assert_int_equal(pick(a, 24), 0x0a030200);
	fl_allocator_destroy(a);
}

static void foreign_prefixes_take_nothing(void **state)
{
	struct fl_allocator *a = create("10.3.1.0", "10.3.2.0", 24);
	struct fl_prefix six = prefix("fd00::/64"), odd = {.addr = fl_addr_from_v4(0), .len = 33};

	(void)state;
	take(a, "10.3.0.0/24");
	take(a, "10.3.3.0/24");
	take(a, "10.2.0.0/16");
	take(a, "0.0.0.0/8");
	take(a, "255.255.255.255/32");
	assert_true(is_free(a, "10.3.1.0/24"));
	assert_true(is_free(a, "10.3.2.0/24"));
	assert_int_equal(fl_allocator_take(a, &six), -EINVAL);
	assert_int_equal(fl_allocator_take(a, &odd), -EINVAL);
	assert_false(fl_allocator_is_free(a, &six));
	assert_false(fl_allocator_is_free(a, &odd));
	fl_allocator_destroy(a);
}

static void outside_of_the_pool_nothing_is_free(void **state)
{
	struct fl_allocator *a = create("10.3.1.0", "10.3.2.0", 24);

	(void)state;
	assert_false(is_free(a, "10.3.0.0/24"));
	assert_false(is_free(a, "10.3.3.0/24"));
	assert_false(is_free(a, "10.3.0.0/23"));
	assert_false(is_free(a, "10.3.0.0/16"));
	assert_false(is_free(a, "0.0.0.0/0"));
	fl_allocator_destroy(a);
}

static void the_end_of_the_address_space_does_not_overflow(void **state)
{
	struct fl_allocator *a = create("255.255.254.0", "255.255.255.0", 24);
	bool seen[2] = {false};

	(void)state;
	for (int i = 0; i < 200; i++)
		seen[(pick(a, 24) - 0xfffffe00u) >> 8] = true;
	assert_true(seen[0] && seen[1]);
	take(a, "255.255.255.255/32");
	assert_int_equal(pick(a, 24), 0xfffffe00u);
	take(a, "255.255.254.0/24");
	assert_full(a);
	fl_allocator_destroy(a);
}

static void pool_sizes_around_a_machine_word_are_exact(void **state)
{
	(void)state;
	for (uint32_t n = 62; n <= 130; n++) {
		struct fl_netconf nc = {.subnet_len = 30,
					.subnet_min = fl_addr_from_v4(0x0a000004u),
					.subnet_max = fl_addr_from_v4(0x0a000004u + (n - 1) * 4)};
		struct fl_allocator *a = NULL;
		struct fl_prefix p;
		uint32_t taken = 0;

		assert_int_equal(fl_allocator_create(&nc, &a), 0);
		for (; fl_allocator_pick(a, &p) == 0; taken++) {
			assert_in_range(fl_addr_v4(&p.addr), 0x0a000004u,
					0x0a000004u + (n - 1) * 4);
			assert_int_equal(fl_allocator_take(a, &p), 0);
		}
		assert_int_equal(taken, n);
		fl_allocator_destroy(a);
	}
}

static void a_range_over_many_words_takes_exactly_its_subnets(void **state)
{
	struct fl_allocator *a = create("10.0.0.0", "10.255.255.252", 30);

	(void)state;
	take(a, "10.64.0.0/10");
	assert_true(is_free(a, "10.63.255.252/30"));
	assert_false(is_free(a, "10.64.0.0/30"));
	assert_false(is_free(a, "10.100.1.4/30"));
	assert_false(is_free(a, "10.127.255.252/30"));
	assert_true(is_free(a, "10.128.0.0/30"));
	assert_true(is_free(a, "10.128.0.0/9"));
	assert_false(is_free(a, "10.0.0.0/8"));
	take(a, "10.0.0.0/10");
	assert_in_range(pick(a, 30), 0x0a800000u, 0x0a800000u + 99 * 4);
	fl_allocator_destroy(a);
}

static void the_largest_pool_works(void **state)
{
	struct fl_allocator *a = create("0.0.0.0", "255.255.255.252", 30);

	(void)state;
	assert_true(pick(a, 30) < 400);
	take(a, "0.0.0.0/32");
	take(a, "255.255.255.252/30");
	assert_false(is_free(a, "255.255.255.252/30"));
	assert_true(is_free(a, "255.255.255.248/30"));
	fl_allocator_destroy(a);
}

static void fifty_thousand_leases_leave_the_rest(void **state)
{
	struct fl_allocator *a = create("10.0.0.0", "10.255.255.0", 24);

	(void)state;
	for (uint32_t i = 0; i < 50000; i++) {
		struct fl_prefix p = {.addr = fl_addr_from_v4(0x0a000000u + (i << 8)), .len = 24};

		assert_int_equal(fl_allocator_take(a, &p), 0);
	}
	for (int i = 0; i < 1000; i++)
		assert_in_range((pick(a, 24) - 0x0a000000u) >> 8, 50000, 50099);
	fl_allocator_destroy(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_a_range_that_is_no_range_of_subnets),
		cmocka_unit_test(picks_are_the_first_hundred_and_all_of_them),
		cmocka_unit_test(the_first_hundred_skip_what_is_taken),
		cmocka_unit_test(a_full_pool_is_told),
		cmocka_unit_test(the_one_that_is_left_is_found),
		cmocka_unit_test(a_pool_of_one_works),
		cmocka_unit_test(shorter_prefixes_take_all_that_they_cover),
		cmocka_unit_test(the_whole_internet_takes_the_whole_pool),
		cmocka_unit_test(longer_prefixes_take_the_subnet_they_lie_in),
		cmocka_unit_test(foreign_prefixes_take_nothing),
		cmocka_unit_test(outside_of_the_pool_nothing_is_free),
		cmocka_unit_test(the_end_of_the_address_space_does_not_overflow),
		cmocka_unit_test(pool_sizes_around_a_machine_word_are_exact),
		cmocka_unit_test(a_range_over_many_words_takes_exactly_its_subnets),
		cmocka_unit_test(the_largest_pool_works),
		cmocka_unit_test(fifty_thousand_leases_leave_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
