/* tests/unit/test_etcd3.c - etcd's JSON gateway: what is sent, answers whole, in pieces, cut off
 * and hostile, and what its errors mean. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/defs.h"
#include "store/etcd3_decode.h"
#include "store/etcd3_fault.h"
#include "store/etcd3_put.h"

#define VALUE_MAX 16u

#define HEADER                                                                                     \
	"\"header\":{\"cluster_id\":\"14841639068965178418\",\"member_id\":"                       \
	"\"10276657743932975437\""                                                                 \
	",\"revision\":\"12\",\"raft_term\":\"2\"}"

/* /n/subnets/a, 1; /n/subnets/b, "", attached to a lease */
#define RANGE                                                                                      \
	"{" HEADER ",\"kvs\":[{\"key\":\"L24vc3VibmV0cy9h\",\"create_revision\":\"2\","            \
	"\"mod_revision\":\"3\",\"version\":\"1\",\"value\":\"MQ==\"},{\"key\":"                   \
	"\"L24vc3VibmV0cy9i\",\"mod_revision\":\"4\",\"lease\":\"7587899160263853574\"}],"         \
	"\"count\":\"2\"}"

#define CREATED "{\"result\":{" HEADER ",\"created\":true}}\n"
#define EVENTS                                                                                     \
	"{\"result\":{" HEADER ",\"events\":[{\"kv\":{\"key\":\"L24vc3VibmV0cy9h\","               \
	"\"mod_revision\":\"11\",\"value\":\"MQ==\"},\"prev_kv\":{\"key\":\"eA==\","               \
	"\"mod_revision\":\"1\"}},{\"type\":\"DELETE\",\"kv\":{\"key\":\"L24vc3VibmV0cy9i\","      \
	"\"mod_revision\":\"12\"}}]}}\n"

struct fixture {
	struct fl_etcd3_decoder d;
	char seen[1024];
};

FL_PRINTF(2, 3)
static void note(struct fixture *f, const char *fmt, ...)
{
	size_t used = strlen(f->seen);
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(f->seen + used, sizeof(f->seen) - used, fmt, args);
	va_end(args);
}

static void on_kv(struct fl_etcd3_decoder *d, const struct fl_etcd3_kv *kv)
{
	note(fl_container_of(d, struct fixture, d), "%s%s=%s@%llu%s%s%s;", kv->gone ? "-" : "",
	     kv->key.data, kv->value.data, (unsigned long long)kv->mod_revision,
	     kv->lease ? " leased" : "", kv->too_long ? " long" : "", kv->no_base64 ? " bad" : "");
}

static void on_message(struct fl_etcd3_decoder *d, const struct fl_etcd3_message *m)
{
	note(fl_container_of(d, struct fixture, d), "%s%s%s.", m->created ? "created" : "",
	     m->canceled ? "canceled" : "", m->is_error ? "error" : "");
}

static const struct fl_etcd3_callbacks callbacks = {.kv = on_kv, .message = on_message};

static int decode(struct fixture *f, const char *text, size_t len, size_t step)
{
	f->seen[0] = '\0';
	assert_int_equal(fl_etcd3_decoder_reset(&f->d, VALUE_MAX), 0);
	for (size_t i = 0; i < len; i += step)
		(void)fl_etcd3_decoder_feed(&f->d, text + i, len - i < step ? len - i : step);
	return fl_etcd3_decoder_finish(&f->d);
}

static int decode_text(struct fixture *f, const char *text)
{
	return decode(f, text, strlen(text), strlen(text) + 1);
}

static int setup(void **state)
{
	static struct fixture f;

	fl_etcd3_decoder_init(&f.d, &callbacks);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fl_etcd3_decoder_done(&f->d);
	return 0;
}

/* ---- answers ---- */

static void a_range_reads_the_same_in_pieces_of_any_size(void **state)
{
	struct fixture *f = *state;

	for (size_t step = 1; step <= strlen(RANGE); step++) {
		assert_int_equal(decode(f, RANGE, strlen(RANGE), step), 0);
		assert_string_equal(f->seen, "/n/subnets/a=1@3;/n/subnets/b=@4 leased;.");
		assert_true(f->d.message.revision == 12 && f->d.message.kvs == 2);
		assert_true(f->d.message.cluster == UINT64_C(14841639068965178418));
		assert_true(f->d.kv.lease == INT64_C(7587899160263853574));
	}
}

static void an_answer_cut_off_anywhere_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(decode(f, RANGE, 0, 1), -ENODATA);
	assert_int_equal(decode_text(f, " \r\n\t"), -ENODATA);
	for (size_t len = 1; len < strlen(RANGE); len++) {
		assert_int_equal(decode(f, RANGE, len, 7), -EBADMSG);
		assert_string_not_equal(f->d.json.why, "");
	}
}

static void a_stream_gives_each_event_and_not_what_was_before(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(decode(f, CREATED EVENTS, strlen(CREATED EVENTS), 5), 0);
	assert_string_equal(f->seen, "created./n/subnets/a=1@11;-/n/subnets/b=@12;.");
	assert_int_equal(f->d.messages, 2);
}

static void a_refused_watch_is_told_from_a_created_one(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(decode_text(f,
				     "{\"result\":{" HEADER ",\"created\":true,\"canceled\":true,"
				     "\"compact_revision\":\"9\"}}"),
			 0);
	assert_string_equal(f->seen, "createdcanceled.");
	assert_int_equal(f->d.message.compact_revision, 9);
}

static void leases_and_transactions_are_read(void **state)
{
	struct fixture *f = *state;
	const struct fl_etcd3_message *m = &f->d.message;

	assert_int_equal(decode_text(f, "{" HEADER ",\"ID\":\"-5\",\"TTL\":\"-1\"}"), 0);
	assert_true(m->lease == -5 && m->ttl_s == -1);
	assert_int_equal(decode_text(f, "{\"result\":{" HEADER ",\"ID\":\"77\",\"TTL\":\"60\"}}"),
			 0);
	assert_true(m->lease == 77 && m->ttl_s == 60);
	assert_int_equal(
		decode_text(f, "{\"ID\":\"7\",\"TTL\":\"6\",\"keys\":[\"YQ==\",\"Yg==\"]}"), 0);
	assert_int_equal(m->lease_keys, 2);
	assert_int_equal(decode_text(f,
				     "{" HEADER
				     ",\"responses\":[{\"response_put\":{\"header\":{\"revision\":"
				     "\"99\"}}},{\"response_range\":{\"kvs\":[{\"key\":\"YQ==\","
				     "\"mod_revision\":\"3\"}],\"count\":\"1\"}}]}"),
			 0);
	assert_true(!m->succeeded && m->kvs == 1 && m->revision == 12);
	assert_int_equal(decode_text(f, "{\"succeeded\":true}"), 0);
	assert_true(m->succeeded);
}

static void errors_of_all_versions_are_read(void **state)
{
	static const char *const texts[] = {
		"{\"error\":\"no\",\"message\":\"no\",\"code\":5}",
		"{\"error\":\"no\",\"code\":5}",
		"{\"code\":5,\"message\":\"no\",\"details\":[]}",
		"{\"error\":{\"grpc_code\":5,\"http_code\":404,\"message\":\"no\"}}",
		"{\"error\":{\"code\":5,\"message\":\"no\",\"details\":[{\"x\":1}]}}",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++) {
		assert_int_equal(decode_text(f, texts[i]), 0);
		assert_true(f->d.message.is_error && f->d.message.code == 5);
		assert_string_equal(f->d.message.error, "no");
	}
}

static void bad_keys_and_values_cost_only_themselves(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		decode_text(
			f, "{\"kvs\":[{\"key\":\"YQ==\",\"mod_revision\":\"1\",\"value\":\"M?==\"},"
			   "{\"key\":\"YQ\",\"mod_revision\":\"2\"},"
			   "{\"key\":\"AGE=\",\"mod_revision\":\"3\",\"value\":"
			   "\"MTIzNDU2Nzg5MDEyMzQ1Njc=\"},"
			   "{\"key\":\"Yg==\",\"mod_revision\":\"4\",\"value\":\"Mg==\"}]}"),
		0);
	assert_string_equal(f->seen, "a=@1 bad;=@2;?a=@3 long;b=2@4;.");
}

static void a_value_of_any_length_takes_no_more_memory_than_the_longest_wanted(void **state)
{
	struct fixture *f = *state;
	const char *head = "{\"kvs\":[{\"mod_revision\":\"1\",\"value\":\"";
	char block[4096];

	f->seen[0] = '\0';
	memset(block, 'A', sizeof(block));
	assert_int_equal(fl_etcd3_decoder_reset(&f->d, VALUE_MAX), 0);
	(void)fl_etcd3_decoder_feed(&f->d, head, strlen(head));
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(fl_etcd3_decoder_feed(&f->d, block, sizeof(block)), 0);
	(void)fl_etcd3_decoder_feed(&f->d, "\"}]}", 4);
	assert_int_equal(fl_etcd3_decoder_finish(&f->d), 0);
	assert_string_equal(f->seen, "=@1 long;.");
	assert_true(f->d.kv.value.cap <= 4096);
}

static void what_is_no_answer_of_etcd_is_refused(void **state)
{
	static const char *const texts[] = {
		"Not Found",
		"[]",
		"1",
		"null",
		"\"x\"",
		"true",
		"{\"kvs\":{}}",
		"{\"kvs\":[1]}",
		"{\"kvs\":[{}]}",
		"{\"kvs\":[[]]}",
		"{\"events\":[{}]}",
		"{\"header\":[]}",
		"{\"header\":1}",
		"{\"header\":{\"revision\":\"x\"}}",
		"{\"header\":{\"revision\":\"-1\"}}",
		"{\"header\":{\"revision\":\"9223372036854775808\"}}",
		"{\"header\":{\"revision\":true}}",
		"{\"succeeded\":\"yes\"}",
		"{\"created\":1}",
		"{\"result\":[]}",
		"{\"result\":1}",
		"{\"error\":[]}",
		"{\"error\":1}",
		"{\"TTL\":1.5}",
		"{\"TTL\":{}}",
		"{\"responses\":[{\"response_range\":[]}]}",
		"{\"result\":{\"result\":{\"result\":{\"result\":{\"result\":{\"result\":{"
		"\"result\":"
		"{\"result\":{\"result\":{\"result\":{\"result\":{\"result\":{}}}}}}}}}}}}}",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++) {
		if (decode_text(f, texts[i]) != -EBADMSG)
			fail_msg("taken: %s", texts[i]);
		assert_string_not_equal(f->d.json.why, "");
	}
}

static void unknown_members_are_passed_over(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(decode_text(f, "{\"new\":[{\"kvs\":[1,[2],{\"key\":3}]}],\"kvs\":null,"
					"\"header\":{\"x\":{\"y\":[]},\"revision\":\"7\"},"
					"\"token\":\"abc\",\"etcdserver\":\"3.4.1\"}"),
			 0);
	assert_int_equal(f->d.message.revision, 7);
	assert_string_equal(f->d.message.token, "abc");
	assert_string_equal(f->d.message.version, "3.4.1");
}

/* ---- requests ---- */

static void expect(struct fl_buf *b, const char *text)
{
	assert_int_equal(b->error, 0);
	assert_string_equal(b->data, text);
	fl_buf_reset(b);
}

static void requests_are_what_the_gateway_takes(void **state)
{
	struct fl_etcd3_txn txn = {.key = "a", .value = "1", .lease = 7};
	struct fl_buf b = {0};

	(void)state;
	fl_etcd3_put_range(&b, "a", NULL);
	expect(&b, "{\"key\":\"YQ==\"}");
	fl_etcd3_put_txn(&b, &txn);
	expect(&b, "{\"compare\":[{\"key\":\"YQ==\",\"target\":\"VERSION\",\"version\":\"0\"}],"
		   "\"success\":[{\"request_put\":{\"key\":\"YQ==\",\"value\":\"MQ==\","
		   "\"lease\":\"7\"}}],\"failure\":[{\"request_range\":{\"key\":\"YQ==\"}}]}");
	txn = (struct fl_etcd3_txn){.key = "a", .mod_revision = 5, .lease = 7};
	fl_etcd3_put_txn(&b, &txn);
	expect(&b, "{\"compare\":[{\"key\":\"YQ==\",\"target\":\"MOD\",\"mod_revision\":\"5\"}],"
		   "\"success\":[{\"request_delete_range\":{\"key\":\"YQ==\"}}],"
		   "\"failure\":[{\"request_range\":{\"key\":\"YQ==\"}}]}");
	fl_etcd3_put_watch(&b, "a", "b", 9);
	expect(&b, "{\"create_request\":{\"key\":\"YQ==\",\"range_end\":\"Yg==\","
		   "\"start_revision\":\"9\",\"progress_notify\":true}}");
	fl_etcd3_put_login(&b, "a\"b", "c\\d");
	expect(&b, "{\"name\":\"a\\\"b\",\"password\":\"c\\\\d\"}");
	fl_buf_done(&b);
}

/* ---- base64 ---- */

static void base64_is_written_and_read_back(void **state)
{
	char bytes[64];
	struct fl_buf text = {0}, back = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 37);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		fl_buf_reset(&text);
		fl_buf_reset(&back);
		fl_base64_encode(&text, bytes, len);
		assert_int_equal(text.len, FL_BASE64_LEN(len));
		assert_int_equal(fl_base64_decode(&back, text.data, text.len), 0);
		assert_int_equal(back.len, len);
		assert_true(len == 0 || memcmp(back.data, bytes, len) == 0);
	}
	fl_buf_done(&text);
	fl_buf_done(&back);
}

static void base64_that_is_none_is_refused(void **state)
{
	static const char *const texts[] = {
		"Y",	"YQ",	"YQ=",	"YQ==YQ==", "YR==",	"YWF=",	    "Y Q=",	 "YQ=\n",
		"====", "=YQ=", "Y===", "YQ-_",	    "YWE=YWFh", "YWFhYQ=a", "Y\xc3\xa9="};
	struct fl_buf b = {0};

	(void)state;
	fl_buf_puts(&b, "x");
	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++) {
		if (fl_base64_decode(&b, texts[i], strlen(texts[i])) != -EINVAL)
			fail_msg("taken: %s", texts[i]);
		assert_string_equal(b.data, "x");
	}
	fl_buf_done(&b);
}

/* ---- errors ---- */

static void errors_are_told_apart_by_their_words(void **state)
{
	static const struct {
		struct fl_etcd3_error error;
		enum fl_etcd3_fault fault;
		const char *advice;
	} table[] = {
		{{5, 404, "etcdserver: requested lease not found"}, FL_ETCD3_NO_LEASE, ""},
		{{16, 401, "etcdserver: invalid auth token"}, FL_ETCD3_LOGIN, ""},
		{{16, 401, "something new"}, FL_ETCD3_LOGIN, ""},
		{{3, 400, "etcdserver: user name is empty"}, FL_ETCD3_LOGIN, "--etcd-username"},
		{{9, 400, "etcdserver: authentication is not enabled"}, FL_ETCD3_NO_AUTH, ""},
		{{7, 403, "etcdserver: permission denied"}, FL_ETCD3_DENIED, "--etcd-prefix"},
		{{0, 400, "CommonName of client sending a request against gateway will be ignored"},
		 FL_ETCD3_DENIED,
		 "--etcd-username"},
		{{14, 503,
		  "connection error: desc = \"transport: authentication handshake failed: "
		  "remote error: tls: bad certificate\""},
		 FL_ETCD3_UNUSABLE,
		 "clientAuth"},
		{{14, 503, "connection closed"}, FL_ETCD3_UNUSABLE, "clientAuth"},
		{{14, 503, "etcdserver: no leader"}, FL_ETCD3_OTHER, "majority"},
		{{14, 503, "etcdserver: rpc not supported for learner"}, FL_ETCD3_OTHER, ""},
	};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(table); i++) {
		char text[400];

		assert_int_equal(fl_etcd3_fault(&table[i].error), table[i].fault);
		fl_etcd3_fault_describe(&table[i].error, text, sizeof(text));
		assert_non_null(strstr(text, table[i].error.words));
		assert_non_null(strstr(text, table[i].advice));
	}
}

static void narrow_versions_are_known(void **state)
{
	(void)state;
	assert_true(fl_etcd3_version_is_narrow("3.3.25"));
	assert_true(fl_etcd3_version_is_narrow("3.4.19"));
	assert_true(fl_etcd3_version_is_narrow("3.5.4"));
	assert_false(fl_etcd3_version_is_narrow("3.4.20"));
	assert_false(fl_etcd3_version_is_narrow("3.5.5"));
	assert_false(fl_etcd3_version_is_narrow("3.6.0"));
	assert_false(fl_etcd3_version_is_narrow("4.0.0"));
	assert_false(fl_etcd3_version_is_narrow("what"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_range_reads_the_same_in_pieces_of_any_size),
		TEST(an_answer_cut_off_anywhere_is_refused),
		TEST(a_stream_gives_each_event_and_not_what_was_before),
		TEST(a_refused_watch_is_told_from_a_created_one),
		TEST(leases_and_transactions_are_read),
		TEST(errors_of_all_versions_are_read),
		TEST(bad_keys_and_values_cost_only_themselves),
		TEST(a_value_of_any_length_takes_no_more_memory_than_the_longest_wanted),
		TEST(what_is_no_answer_of_etcd_is_refused),
		TEST(unknown_members_are_passed_over),
		TEST(requests_are_what_the_gateway_takes),
		TEST(base64_is_written_and_read_back),
		TEST(base64_that_is_none_is_refused),
		TEST(errors_are_told_apart_by_their_words),
		TEST(narrow_versions_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
