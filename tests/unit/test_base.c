/* tests/unit/test_base.c - buffers, delays, numbers out of text, random numbers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/backoff.h"
#include "base/buf.h"
#include "base/parse.h"
#include "base/random.h"
#include "base/trim.h"

/* ---- buf ---- */

static void a_buffer_grows_and_stays_terminated(void **state)
{
	struct fl_buf b = {0};

	(void)state;
	for (size_t i = 0; i < 10000; i++) {
		fl_buf_append(&b, "x", 1);
		assert_int_equal(b.len, i + 1);
		assert_int_equal(b.data[b.len], '\0');
		assert_true(b.cap > b.len);
	}
	assert_int_equal(b.error, 0);
	assert_int_equal(strspn(b.data, "x"), 10000);
	fl_buf_done(&b);
	assert_null(b.data);
}

static void a_buffer_takes_text_and_formats(void **state)
{
	struct fl_buf b = {0};

	(void)state;
	fl_buf_puts(&b, "lease ");
	fl_buf_printf(&b, "%s/%d", "10.5.0.0", 16);
	fl_buf_printf(&b, "%0200d", 7);
	assert_int_equal(b.len, 6 + 11 + 200);
	assert_int_equal(strlen(b.data), b.len);
	assert_memory_equal(b.data, "lease 10.5.0.0/16000", 20);
	fl_buf_done(&b);
}

static void a_buffer_keeps_zero_bytes(void **state)
{
	struct fl_buf b = {0};

	(void)state;
	fl_buf_append(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
	fl_buf_done(&b);
}

static void an_error_sticks_until_reset(void **state)
{
	struct fl_buf b = {0};

	(void)state;
	fl_buf_puts(&b, "before");
	fl_buf_append(&b, "x", SIZE_MAX - 2);
	assert_int_equal(b.error, -ENOMEM);
	fl_buf_puts(&b, "after");
	fl_buf_printf(&b, "%d", 1);
	assert_string_equal(b.data, "before");
	fl_buf_reset(&b);
	assert_int_equal(b.error, 0);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
	fl_buf_puts(&b, "again");
	assert_string_equal(b.data, "again");
	fl_buf_done(&b);
}

static void take_hands_the_text_over_once(void **state)
{
	struct fl_buf b = {0};
	char *text;

	(void)state;
	fl_buf_puts(&b, "mine");
	text = fl_buf_take(&b);
	assert_string_equal(text, "mine");
	free(text);
	assert_null(b.data);
	assert_int_equal(b.len, 0);

	text = fl_buf_take(&b);
	assert_string_equal(text, "");
	free(text);

	fl_buf_puts(&b, "lost");
	b.error = -ENOMEM;
	assert_null(fl_buf_take(&b));
	assert_null(b.data);
}

static void urlencode_leaves_unreserved_characters_alone(void **state)
{
	struct fl_buf b = {0};

	(void)state;
	fl_buf_urlencode(&b, "AZaz09-._~");
	assert_string_equal(b.data, "AZaz09-._~");
	fl_buf_reset(&b);
	fl_buf_urlencode(&b, "{\"a b\"} /?#&=%+\xc3\xa4\n@[`{");
	assert_string_equal(b.data,
			    "%7B%22a%20b%22%7D%20%2F%3F%23%26%3D%25%2B%C3%A4%0A%40%5B%60%7B");
	fl_buf_reset(&b);
	fl_buf_urlencode(&b, "");
	assert_string_equal(b.data, "");
	fl_buf_done(&b);
}

/* ---- backoff ---- */

static void rejects_an_empty_range(void **state)
{
	struct fl_backoff b;

	(void)state;
	assert_int_equal(fl_backoff_init(&b, 500, 100), -EINVAL);
	assert_int_equal(fl_backoff_init(&b, 0, 100), -EINVAL);
	assert_int_equal(fl_backoff_init(&b, 0, 0), -EINVAL);
	assert_int_equal(fl_backoff_init(&b, 1, 1), 0);
	assert_int_equal(fl_backoff_next(&b), 1);
	assert_int_equal(fl_backoff_next(&b), 1);
}

static void delays_double_up_to_the_ceiling_with_jitter(void **state)
{
	static const uint32_t steps[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
	struct fl_backoff b;

	(void)state;
	assert_int_equal(fl_backoff_init(&b, 100, 5000), 0);
	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < FL_ARRAY_SIZE(steps); i++) {
			uint32_t ms = fl_backoff_next(&b);

			assert_in_range(ms, steps[i] / 2 + 1, steps[i]);
		}
		fl_backoff_reset(&b);
	}
}

static void delays_differ(void **state)
{
	struct fl_backoff b;
	uint32_t low = UINT32_MAX, high = 0;

	(void)state;
	assert_int_equal(fl_backoff_init(&b, 5000, 5000), 0);
	for (int i = 0; i < 200; i++) {
		uint32_t ms = fl_backoff_next(&b);

		low = ms < low ? ms : low;
		high = ms > high ? ms : high;
	}
	assert_true(high - low > 1000);
}

static void the_longest_delay_does_not_overflow(void **state)
{
	struct fl_backoff b;

	(void)state;
	assert_int_equal(fl_backoff_init(&b, UINT32_MAX - 1, UINT32_MAX), 0);
	for (int i = 0; i < 5; i++)
		assert_true(fl_backoff_next(&b) >= UINT32_MAX / 2);
	assert_int_equal(b.next_ms, UINT32_MAX);
}

/* ---- parse ---- */

static void whole_numbers_are_read_within_their_range(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_int_equal(fl_parse_u64("0", 0, 0, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(fl_parse_u64("18446744073709551615", 0, UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(fl_parse_u64("0060", 1, 1439, &v), 0);
	assert_int_equal(v, 60);
	assert_int_equal(fl_parse_u64("1439", 1, 1439, &v), 0);
	assert_int_equal(fl_parse_u64("1440", 1, 1439, &v), -ERANGE);
	assert_int_equal(fl_parse_u64("0", 1, 1439, &v), -ERANGE);
	assert_int_equal(fl_parse_u64("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(fl_parse_u64("99999999999999999999999999", 0, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(v, 1439);
}

static void what_is_no_whole_number_is_refused(void **state)
{
	static const char *const texts[] = {"",
					    " ",
					    "-1",
					    "+1",
					    " 1",
					    "1 ",
					    "1x",
					    "0x1",
					    "1.0",
					    "1e3",
					    "abc",
					    "1\n",
					    "99999999999999999999x"};
	uint64_t v = 7;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++)
		assert_int_equal(fl_parse_u64(texts[i], 0, UINT64_MAX, &v), -EINVAL);
	assert_int_equal(v, 7);
}

static void booleans_are_go_s(void **state)
{
	static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
	static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
	static const char *const bad[] = {"", "yes", "no", "tRUE", "2", " 1", "true ", "on"};
	bool v;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(yes); i++) {
		v = false;
		assert_int_equal(fl_parse_bool(yes[i], &v), 0);
		assert_true(v);
		assert_int_equal(fl_parse_bool(no[i], &v), 0);
		assert_false(v);
	}
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++)
		assert_int_equal(fl_parse_bool(bad[i], &v), -EINVAL);
}

static void durations_are_go_s(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} cases[] = {
		{"24h", 86400},
		{"90m", 5400},
		{"1h30m", 5400},
		{"3600s", 3600},
		{"1h1m1s", 3661},
		{"0", 0},
		{"0s", 0},
		{"+0", 0},
		{"-0s", 0},
		{"+5s", 5},
		{"1.5h", 5400},
		{".5m", 30},
		{"1.m", 60},
		{"1000ms", 1},
		{"1s1000ms", 2},
		{"500ms500ms", 1},
		{"1000000us", 1},
		{"1000000\xc2\xb5s", 1},
		{"1000000\xce\xbcs", 1},
		{"1000000000ns", 1},
		{"30m1h", 5400},
		{"0.0000000000h", 0},
	};
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(cases); i++) {
		v = 77;
		assert_int_equal(fl_parse_duration_s(cases[i].text, 0, UINT64_MAX, &v), 0);
		assert_int_equal(v, cases[i].seconds);
	}
}

static void what_is_no_duration_is_refused(void **state)
{
	static const char *const bad[] = {"",	   "-",
					  "+",	   "24",
					  "h",	   "24 h",
					  " 24h",  "24h ",
					  "1h-5m", "1d",
					  "1H",	   ".",
					  ".h",	   "1..5h",
					  "--1h",  "500ms",
					  "1.5s",  "0x1h",
					  "1h30",  "1.0000001h",
					  "00",	   "99999999999999999999999h?"};
	static const char *const far[] = {
		"-1s", "9s", "101s", "99999999999h", "18446744073709551616s", "5124095h5124095h"};
	uint64_t v = 7;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++)
		assert_int_equal(fl_parse_duration_s(bad[i], 0, UINT64_MAX, &v), -EINVAL);
	for (size_t i = 0; i < FL_ARRAY_SIZE(far); i++)
		assert_int_equal(fl_parse_duration_s(far[i], 10, 100, &v), -ERANGE);
	assert_int_equal(v, 7);
	assert_int_equal(fl_parse_duration_s("10s", 10, 100, &v), 0);
	assert_int_equal(fl_parse_duration_s("100s", 10, 100, &v), 0);
}

static void utf8_is_measured_strictly(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		size_t want;
	} cases[] = {
		{"a", 1, 1},
		{"\0", 1, 1},
		{"\x7f", 1, 1},
		{"\xc2\x80", 2, 2},
		{"\xdf\xbf", 2, 2},
		{"\xe0\xa0\x80", 3, 3},
		{"\xed\x9f\xbf", 3, 3},
		{"\xef\xbf\xbf", 3, 3},
		{"\xf0\x90\x80\x80", 4, 4},
		{"\xf4\x8f\xbf\xbf", 4, 4},
		{"\x80", 1, 0},	    /* a continuation alone */
		{"\xc0\x80", 2, 0}, /* overlong NUL */
		{"\xc1\xbf", 2, 0},
		{"\xe0\x9f\xbf", 3, 0},	    /* overlong */
		{"\xf0\x8f\xbf\xbf", 4, 0}, /* overlong */
		{"\xed\xa0\x80", 3, 0},	    /* a surrogate */
		{"\xed\xbf\xbf", 3, 0},
		{"\xf4\x90\x80\x80", 4, 0}, /* above U+10FFFF */
		{"\xf5\x80\x80\x80", 4, 0},
		{"\xff", 1, 0},
		{"\xc2", 1, 0}, /* cut off */
		{"\xe2\x82\xac", 2, 0},
		{"\xf0\x90\x80\x80", 3, 0},
		{"\xe2\x82z", 3, 0},
	};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(cases); i++)
		assert_int_equal(fl_parse_utf8(cases[i].text, cases[i].len), cases[i].want);
}

/* ---- random ---- */

static void random_numbers_stay_below_their_bound(void **state)
{
	uint32_t hits[7] = {0};

	(void)state;
	assert_int_equal(fl_random_below(0), 0);
	assert_int_equal(fl_random_below(1), 0);
	for (int i = 0; i < 7000; i++) {
		uint32_t v = fl_random_below(7);

		assert_true(v < 7);
		hits[v]++;
	}
	/* 1000 expected, deviation 29: eight deviations off is no chance */
	for (size_t i = 0; i < FL_ARRAY_SIZE(hits); i++)
		assert_in_range(hits[i], 765, 1235);
	assert_true(fl_random_below(UINT32_MAX) < UINT32_MAX);
}

static void random_bytes_differ(void **state)
{
	uint8_t a[32] = {0}, b[32] = {0};

	(void)state;
	fl_random_bytes(a, sizeof(a));
	fl_random_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
}

static long file_pages_kib(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kib = -1;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		(void)sscanf(line, "RssFile: %ld kB", &kib);
	(void)fclose(f);
	return kib;
}

static void trimming_takes_only_what_comes_back(void **state)
{
	static const char constant[] = "a constant of the program";
	static int counter = 41;
	char *heap = strdup(constant);
	long before;

	(void)state;
	assert_non_null(heap);
	(void)fl_random_below(7); /* a library that has been used before */
	before = file_pages_kib();
	fl_trim();
	assert_in_range(file_pages_kib(), 1, before - 1);
	counter++;
	assert_int_equal(counter, 42);
	assert_string_equal(heap, constant);
	assert_in_range(fl_random_below(7), 0, 6);
	free(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_grows_and_stays_terminated),
		cmocka_unit_test(a_buffer_takes_text_and_formats),
		cmocka_unit_test(a_buffer_keeps_zero_bytes),
		cmocka_unit_test(an_error_sticks_until_reset),
		cmocka_unit_test(take_hands_the_text_over_once),
		cmocka_unit_test(urlencode_leaves_unreserved_characters_alone),
		cmocka_unit_test(rejects_an_empty_range),
		cmocka_unit_test(delays_double_up_to_the_ceiling_with_jitter),
		cmocka_unit_test(delays_differ),
		cmocka_unit_test(the_longest_delay_does_not_overflow),
		cmocka_unit_test(whole_numbers_are_read_within_their_range),
		cmocka_unit_test(what_is_no_whole_number_is_refused),
		cmocka_unit_test(booleans_are_go_s),
		cmocka_unit_test(durations_are_go_s),
		cmocka_unit_test(what_is_no_duration_is_refused),
		cmocka_unit_test(utf8_is_measured_strictly),
		cmocka_unit_test(random_numbers_stay_below_their_bound),
		cmocka_unit_test(random_bytes_differ),
		cmocka_unit_test(trimming_takes_only_what_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
