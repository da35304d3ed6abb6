/* tests/unit/test_etcd2.c - answers of etcd's v2 API: whole, in pieces, cut off and hostile. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/defs.h"
#include "lease.h"
#include "store/etcd2_decode.h"

#define VALUE_MAX 64u

#define LIST                                                                                       \
	"{\"action\":\"get\",\"node\":{\"key\":\"/n/subnets\",\"dir\":true,\"nodes\":["            \
	"{\"key\":\"/n/subnets/10.5.1.0-24\",\"value\":\"{\\\"PublicIP\\\":\\\"1.1.1.1\\\"}\","    \
	"\"expiration\":\"2026-11-24T03:30:36.067524443Z\",\"ttl\":100,\"modifiedIndex\":5,"       \
	"\"createdIndex\":5},"                                                                     \
	"{\"key\":\"/n/subnets/10.5.2.0-24\",\"value\":\"\\u00e9\\u0000x\",\"modifiedIndex\":7,"   \
	"\"createdIndex\":7},"                                                                     \
	"{\"key\":\"/n/subnets/dir\",\"dir\":true,\"nodes\":[{\"key\":\"/n/subnets/dir/a\","       \
	"\"value\":\"1\",\"modifiedIndex\":9,\"createdIndex\":9}],\"modifiedIndex\":8}"            \
	"],\"modifiedIndex\":5,\"createdIndex\":5}}"

#define EVENT                                                                                      \
	"{\"action\":\"expire\",\"node\":{\"key\":\"/n/subnets/b\",\"modifiedIndex\":13,"          \
	"\"createdIndex\":12},\"prevNode\":{\"key\":\"/n/subnets/OLD\",\"value\":\"1\","           \
	"\"expiration\":\"2026-11-24T03:36:10.953832783Z\",\"modifiedIndex\":12}}\n"

struct fixture {
	struct fl_etcd2_decoder d;
	char seen[512]; /* one line per child */
};

static void on_child(struct fl_etcd2_decoder *d, const struct fl_etcd2_node *n)
{
	struct fixture *f = fl_container_of(d, struct fixture, d);
	size_t used = strlen(f->seen);

	(void)snprintf(f->seen + used, sizeof(f->seen) - used, "%s %zu %d %llu %lld%s%s;",
		       n->key.data, n->value.len, n->dir, (unsigned long long)n->index,
		       n->expires ? (long long)n->ttl_s : -1LL, n->too_long ? " long" : "",
		       n->has_value ? "" : " none");
}

static int decode(struct fixture *f, const char *text, size_t len, size_t step)
{
	f->seen[0] = '\0';
	assert_int_equal(fl_etcd2_decoder_reset(&f->d, VALUE_MAX), 0);
	for (size_t i = 0; i < len; i += step)
		(void)fl_etcd2_decoder_feed(&f->d, text + i, len - i < step ? len - i : step);
	return fl_etcd2_decoder_finish(&f->d);
}

static int decode_text(struct fixture *f, const char *text)
{
	return decode(f, text, strlen(text), strlen(text) + 1);
}

static int setup(void **state)
{
	static struct fixture f;

	fl_etcd2_decoder_init(&f.d, on_child);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fl_etcd2_decoder_done(&f->d);
	return 0;
}

static void a_listing_reads_the_same_in_pieces_of_any_size(void **state)
{
	struct fixture *f = *state;

	for (size_t step = 1; step <= strlen(LIST); step++) {
		assert_int_equal(decode(f, LIST, strlen(LIST), step), 0);
		assert_string_equal(f->seen, "/n/subnets/10.5.1.0-24 22 0 5 100;"
					     "/n/subnets/10.5.2.0-24 4 0 7 -1;"
					     "/n/subnets/dir 0 1 8 -1 none;");
		assert_true(f->d.has_node && f->d.node.dir);
		assert_string_equal(f->d.action, "get");
	}
}

static void an_answer_cut_off_anywhere_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(decode(f, LIST, 0, 1), -ENODATA);
	assert_int_equal(decode_text(f, " \r\n\t"), -ENODATA);
	for (size_t len = 1; len < strlen(LIST); len++) {
		assert_int_equal(decode(f, LIST, len, 7), -EBADMSG);
		assert_string_not_equal(f->d.json.why, "");
	}
}

static void an_event_tells_the_node_and_not_what_it_was_before(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(decode(f, EVENT, strlen(EVENT), 1), 0);
	assert_string_equal(f->d.action, "expire");
	assert_string_equal(f->d.node.key.data, "/n/subnets/b");
	assert_int_equal(f->d.node.index, 13);
	assert_false(f->d.node.has_value || f->d.node.expires);
}

static void an_error_is_read_with_its_words(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(decode_text(f, "{\"errorCode\":401,\"message\":\"The event\\u001b[1m is "
					"cleared\",\"cause\":\"[116/5]\",\"index\":1115}"),
			 0);
	assert_int_equal(f->d.error_code, 401);
	assert_string_equal(f->d.message, "The event?[1m is cleared");
	assert_string_equal(f->d.cause, "[116/5]");
	assert_false(f->d.has_node);
	assert_int_equal(decode_text(f, "{\"message\":\"Insufficient credentials\"}"), 0);
	assert_string_equal(f->d.message, "Insufficient credentials");
	assert_int_equal(f->d.error_code, 0);
}

static void what_is_no_answer_of_etcd_is_refused(void **state)
{
	static const char *const bad[] = {
		"<html><body>502 Bad Gateway</body></html>",
		"404 page not found\n",
		"[]",
		"\"text\"",
		"7",
		"null",
		"true",
		"{} {}",
		"{\"action\":7}",
		"{\"action\":{}}",
		"{\"node\":[]}",
		"{\"node\":\"x\"}",
		"{\"node\":{}}",
		"{\"node\":{\"value\":\"no key\"}}",
		"{\"node\":{\"key\":7}}",
		"{\"node\":{\"key\":\"/a\",\"value\":7}}",
		"{\"node\":{\"key\":\"/a\",\"value\":{}}}",
		"{\"node\":{\"key\":\"/a\",\"dir\":\"yes\"}}",
		"{\"node\":{\"key\":\"/a\",\"ttl\":\"100\"}}",
		"{\"node\":{\"key\":\"/a\",\"ttl\":1.5}}",
		"{\"node\":{\"key\":\"/a\",\"modifiedIndex\":-1}}",
		"{\"node\":{\"key\":\"/a\",\"modifiedIndex\":1e3}}",
		"{\"node\":{\"key\":\"/a\",\"modifiedIndex\":99999999999999999999}}",
		"{\"node\":{\"key\":\"/a\",\"modifiedIndex\":999999999999999999999999999999}}",
		"{\"node\":{\"key\":\"/a\",\"nodes\":{}}}",
		"{\"node\":{\"key\":\"/a\",\"nodes\":[7]}}",
		"{\"node\":{\"key\":\"/a\",\"nodes\":[null]}}",
		"{\"node\":{\"key\":\"/a\",\"nodes\":[[]]}}",
		"{\"node\":{\"key\":\"/a\",\"nodes\":[{}]}}",
		"{\"errorCode\":\"100\"}",
		"{\"errorCode\":0}",
		"{\"errorCode\":-100}",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		if (decode_text(f, bad[i]) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
		assert_string_not_equal(f->d.json.why, "");
		if (decode(f, bad[i], strlen(bad[i]), 1) != -EBADMSG)
			fail_msg("taken byte by byte: %s", bad[i]);
	}
}

static void unknown_members_and_nulls_are_passed_over(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		decode_text(f, "{\"new\":{\"node\":[1,{\"key\":2}]},\"action\":null,\"node\":{"
			       "\"x\":[[{}]],\"key\":\"/a\",\"nodes\":null,\"value\":null}}"),
		0);
	assert_string_equal(f->d.node.key.data, "/a");
	assert_false(f->d.node.has_value);
	assert_string_equal(f->seen, "");
}

static void a_key_in_its_last_second_still_expires(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(decode_text(f, "{\"node\":{\"key\":\"/a\",\"value\":\"\",\"expiration\":"
					"\"2026-11-24T03:36:10.95Z\",\"modifiedIndex\":1}}"),
			 0);
	assert_true(f->d.node.expires);
	assert_int_equal(f->d.node.ttl_s, 0);
	assert_int_equal(decode_text(f, "{\"node\":{\"key\":\"/a\",\"ttl\":-3}}"), 0);
	assert_true(f->d.node.expires);
	assert_int_equal(f->d.node.ttl_s, 0);
}

static void nesting_has_a_bound(void **state)
{
	struct fixture *f = *state;
	char text[4096] = "{\"x\":";

	memset(text + 5, '[', 2000);
	assert_int_equal(decode_text(f, text), -EBADMSG);
	assert_non_null(strstr(f->d.json.why, "deep"));
}

/* One entry with a value of @p n copies of @p unit between two good ones. */
static void assert_cut_alone(struct fixture *f, const char *unit, size_t n, size_t step)
{
	static const char before[] = "{\"node\":{\"key\":\"/s\",\"nodes\":[{\"key\":\"/s/a\","
				     "\"value\":\"1\"},{\"key\":\"/s/b\",\"value\":\"";
	static const char after[] = "\"},{\"key\":\"/s/c\",\"value\":\"3\"}]}}";
	size_t len = strlen(before) + n * strlen(unit) + strlen(after);
	char *text = malloc(len + 1), *p = text;

	assert_non_null(text);
	p = stpcpy(p, before);
	for (size_t i = 0; i < n; i++)
		p = stpcpy(p, unit);
	(void)stpcpy(p, after);
	assert_int_equal(decode(f, text, len, step), 0);
	assert_string_equal(f->seen, "/s/a 1 0 0 -1;/s/b 64 0 0 -1 long;/s/c 1 0 0 -1;");
	free(text);
}

static void a_huge_value_costs_neither_memory_nor_its_neighbours(void **state)
{
	static const char *const units[] = {"x", "\\\"", "\\\\", "\\u0041", "\\ud83d\\ude00", "{}"};
	struct fixture *f = *state;

	for (size_t i = 0; i < FL_ARRAY_SIZE(units); i++) {
		for (size_t n = VALUE_MAX + 1; n < 8 * VALUE_MAX; n += 5)
			assert_cut_alone(f, units[i], n, 13);
		assert_cut_alone(f, units[i], 1u << 20, 4096);
	}
	assert_true(f->d.node.value.cap <= 4096 && f->d.child.value.cap <= 4096);
}

static void endless_white_space_and_digits_are_cut_short(void **state)
{
	struct fixture *f = *state;
	char piece[4096];
	int r = 0;

	assert_int_equal(fl_etcd2_decoder_reset(&f->d, VALUE_MAX), 0);
	memset(piece, ' ', sizeof(piece));
	(void)fl_etcd2_decoder_feed(&f->d, "{", 1);
	for (int i = 0; i < 1000 && r == 0; i++)
		r = fl_etcd2_decoder_feed(&f->d, piece, sizeof(piece));
	assert_int_equal(r, -EBADMSG);
	assert_int_equal(fl_etcd2_decoder_reset(&f->d, VALUE_MAX), 0);
	(void)fl_etcd2_decoder_feed(&f->d, "{\"x\":", 5);
	memset(piece, '1', sizeof(piece));
	for (int i = 0; i < 1000 && r == 0; i++)
		r = fl_etcd2_decoder_feed(&f->d, piece, sizeof(piece));
	assert_int_equal(r, -EBADMSG);
}

static void a_key_cannot_hide_behind_a_nul_or_its_length(void **state)
{
	struct fixture *f = *state;
	char text[4096] = "{\"node\":{\"key\":\"/";

	assert_int_equal(decode_text(f, "{\"node\":{\"key\":\"/s/10.5.1.0-24\\u0000x\"}}"), 0);
	assert_string_equal(f->d.node.key.data, "/s/10.5.1.0-24?x");
	memset(text + strlen(text), 'k', 2000);
	(void)strcat(text, "\"}}");
	assert_int_equal(decode_text(f, text), 0);
	assert_in_range(f->d.node.key.len, FL_LEASE_KEY_MAX, 1024); /* so it is no lease's */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listing_reads_the_same_in_pieces_of_any_size),
		cmocka_unit_test(an_answer_cut_off_anywhere_is_refused),
		cmocka_unit_test(an_event_tells_the_node_and_not_what_it_was_before),
		cmocka_unit_test(an_error_is_read_with_its_words),
		cmocka_unit_test(what_is_no_answer_of_etcd_is_refused),
		cmocka_unit_test(unknown_members_and_nulls_are_passed_over),
		cmocka_unit_test(a_key_in_its_last_second_still_expires),
		cmocka_unit_test(nesting_has_a_bound),
		cmocka_unit_test(a_huge_value_costs_neither_memory_nor_its_neighbours),
		cmocka_unit_test(endless_white_space_and_digits_are_cut_short),
		cmocka_unit_test(a_key_cannot_hide_behind_a_nul_or_its_length),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
