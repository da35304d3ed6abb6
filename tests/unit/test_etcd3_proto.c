/* tests/unit/test_etcd3_proto.c - listings over gRPC: what is asked, answers whole, in pieces, cut
 * off and hostile. */
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
#include "store/etcd3_proto.h"

#define VALUE_MAX 16u

/* cluster_id 5, member_id 6, revision 300, raft_term 2 */
#define HEADER "\x0a\x09\x08\x05\x10\x06\x18\xac\x02\x20\x02"
/* /a: created at 2, modified at 3, version 1, value "1" */
#define FIRST  "\x12\x0d\x0a\x02/a\x10\x02\x18\x03\x20\x01\x2a\x01\x31"
/* /b: modified at 4, no value, attached to the lease -1 */
#define SECOND "\x12\x11\x0a\x02/b\x18\x04\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
#define COUNT  "\x20\x02"

#define TEXT(s) s, sizeof(s) - 1

struct listing {
	struct fl_etcd3_proto proto;
	char told[512];
	char bytes[4096];
	size_t len;
};

static void on_kv(struct fl_etcd3_proto *p, const struct fl_etcd3_kv *kv)
{
	struct listing *l = fl_container_of(p, struct listing, proto);
	size_t at = strlen(l->told);

	(void)snprintf(l->told + at, sizeof(l->told) - at, "%.20s=%s@%llu,%lld%s;", kv->key.data,
		       kv->value.data, (unsigned long long)kv->mod_revision, (long long)kv->lease,
		       kv->too_long ? " too long" : "");
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct listing));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct listing *l = *state;

	fl_etcd3_proto_done(&l->proto);
	free(l);
	return 0;
}

/* The message, behind its prefix. */
static void message(struct listing *l, const char *bytes, size_t len)
{
	const uint8_t prefix[] = {0, 0, 0, (uint8_t)(len >> 8), (uint8_t)len};

	memcpy(l->bytes, prefix, sizeof(prefix));
	memcpy(l->bytes + sizeof(prefix), bytes, len);
	l->len = sizeof(prefix) + len;
}

/* In pieces of @p size bytes. @return what finish() says */
static int decode(struct listing *l, size_t size)
{
	l->told[0] = '\0';
	fl_etcd3_proto_begin(&l->proto, on_kv, VALUE_MAX);
	for (size_t at = 0; at < l->len; at += size)
		if (fl_etcd3_proto_feed(&l->proto, l->bytes + at,
					l->len - at < size ? l->len - at : size) < 0)
			break;
	return fl_etcd3_proto_finish(&l->proto);
}

static void a_listing_is_understood_however_it_comes(void **state)
{
	struct listing *l = *state;

	message(l, TEXT(HEADER FIRST SECOND COUNT));
	for (size_t size = 1; size <= l->len; size++) {
		assert_int_equal(decode(l, size), 0);
		assert_true(fl_etcd3_proto_is_over(&l->proto));
		assert_string_equal(l->told, "/a=1@3,0;/b=@4,-1;");
		assert_int_equal(l->proto.cluster, 5);
		assert_int_equal(l->proto.revision, 300);
		assert_int_equal(l->proto.kvs, 2);
	}
}

static void a_listing_that_is_cut_off_is_none(void **state)
{
	struct listing *l = *state;
	size_t whole;

	message(l, TEXT(HEADER FIRST SECOND COUNT));
	whole = l->len;
	for (l->len = 0; l->len < whole; l->len++) {
		assert_int_equal(decode(l, 7), -EBADMSG);
		assert_false(fl_etcd3_proto_is_over(&l->proto));
		assert_string_equal(l->proto.why, "it breaks off");
	}
}

static void an_empty_folder_is_a_listing(void **state)
{
	struct listing *l = *state;

	message(l, TEXT(HEADER));
	assert_int_equal(decode(l, 3), 0);
	assert_string_equal(l->told, "");
	message(l, TEXT(""));
	assert_int_equal(decode(l, 3), -EBADMSG); /* nor a revision */
}

/* A future etcd may tell more; of a field that comes twice the last one counts. */
static void unknown_fields_are_passed_over(void **state)
{
	struct listing *l = *state;

	message(l, TEXT("\x7a\x03xyz"
			"\x79"
			"12345678"
			"\x7d"
			"1234" HEADER "\xf8\x07\x05"
			"\x12\x15\x0a\x01x\x0a\x02/c\x18\x09\x52\x02zz\x2a\x01x\x2a\x01y\x50\x01"));
	assert_int_equal(decode(l, 2), 0);
	assert_string_equal(l->told, "/c=y@9,0;");
}

static void long_values_and_odd_keys_are_marked(void **state)
{
	struct listing *l = *state;

	message(l, TEXT(HEADER "\x12\x1a\x0a\x03"
			       "a\0b\x18\x07\x2a\x11"
			       "0123456789abcdef!" FIRST));
	assert_int_equal(decode(l, 4), 0);
	assert_string_equal(l->told, "a?b=@7,0 too long;/a=1@3,0;");
}

static void of_a_key_without_end_only_the_beginning_is_kept(void **state)
{
	struct listing *l = *state;
	char bytes[FL_ETCD3_KEY_MAX + 64] = "\x12\x87\x08\x0a\x82\x08"; /* 1031 and 1026 bytes */
	size_t len = 6;

	memset(bytes + len, 'k', FL_ETCD3_KEY_MAX + 2);
	len += FL_ETCD3_KEY_MAX + 2;
	memcpy(bytes + len, "\x18\x07" HEADER, 2 + sizeof(HEADER) - 1);
	message(l, bytes, len + 2 + sizeof(HEADER) - 1);
	assert_int_equal(decode(l, 100), 0);
	assert_int_equal(l->proto.kv.key.len, FL_ETCD3_KEY_MAX);
	assert_string_equal(l->told, "kkkkkkkkkkkkkkkkkkkk=@7,0;");
}

static void nonsense_is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *why;
	} bad[] = {
		{TEXT("\x12\x7f/a"), "a field that is longer than its message"},
		{TEXT("\x12\x03\x0a\x05/a"), "a field that is longer than its message"},
		{TEXT("\x12\x02\x18\xff\x01"), "a field that is longer than its message"},
		{TEXT("\x12\x02\x7d\x01\x01\x01\x01\x01"),
		 "a field that is longer than its message"},
		{TEXT("\x0b\x01"), "a field of an unknown kind"},
		{TEXT("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
		 "a number of more than 64 bits"},
		{TEXT("\x12\x04\x0a\x02/a"), "a key without mod_revision"},
	};
	struct listing *l = *state;

	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		message(l, bad[i].bytes, bad[i].len);
		assert_int_equal(decode(l, 1), -EBADMSG);
		assert_string_equal(l->proto.why, bad[i].why);
	}
	message(l, TEXT(HEADER));
	l->bytes[0] = 1;
	assert_int_equal(decode(l, 9), -EBADMSG);
	assert_string_equal(l->proto.why, "a compressed message");
	message(l, TEXT(HEADER));
	l->bytes[l->len++] = 0;
	assert_int_equal(decode(l, 9), -EBADMSG);
	assert_string_equal(l->proto.why, "more than one message");
}

static void a_request_is_what_etcd_reads(void **state)
{
	char key[200] = "/", want[600];
	struct fl_buf b = {0};

	(void)state;
	fl_etcd3_proto_put_range(&b, "/a/", "/a0");
	assert_int_equal(b.len, 15);
	assert_memory_equal(b.data, "\0\0\0\0\x0a\x0a\x03/a/\x12\x03/a0", 15);
	fl_buf_reset(&b);
	memset(key + 1, 'k', sizeof(key) - 2);
	fl_etcd3_proto_put_range(&b, key, "0");
	(void)snprintf(want, sizeof(want), "\x0a\xc7\x01%s\x12\x01%s", key, "0");
	assert_int_equal(b.len, 5 + strlen(want));
	assert_int_equal((uint8_t)b.data[4], strlen(want));
	assert_string_equal(b.data + 5, want);
	fl_buf_done(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_listing_is_understood_however_it_comes),
		TEST(a_listing_that_is_cut_off_is_none),
		TEST(an_empty_folder_is_a_listing),
		TEST(unknown_fields_are_passed_over),
		TEST(long_values_and_odd_keys_are_marked),
		TEST(of_a_key_without_end_only_the_beginning_is_kept),
		TEST(nonsense_is_refused_with_the_reason),
		TEST(a_request_is_what_etcd_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
