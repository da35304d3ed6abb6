/* tests/unit/test_json.c - documents as trees: limits, garbage, look-up as Go does it, printing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

static struct fl_json *parse(const char *text)
{
	struct fl_json *doc = NULL;

	assert_int_equal(fl_json_parse(text, strlen(text), &doc, NULL), 0);
	assert_non_null(doc);
	return doc;
}

/** Refused, with a reason of one line, and nothing handed out. */
static void assert_refused(const char *text, size_t len, const char *part)
{
	struct fl_json *doc = NULL;
	char *why = NULL;

	assert_int_equal(fl_json_parse(text, len, &doc, &why), -EINVAL);
	assert_null(doc);
	assert_non_null(why);
	assert_null(strchr(why, '\n'));
	if (!strstr(why, part))
		fail_msg("\"%s\" does not say \"%s\"", why, part);
	free(why);
	assert_int_equal(fl_json_parse(text, len, &doc, NULL), -EINVAL);
}

static void reads_every_type(void **state)
{
	static const struct {
		const char *text;
		enum fl_json_type type;
		const char *name;
	} cases[] = {
		{"null", FL_JSON_NULL, "null"},
		{"true", FL_JSON_BOOL, "a boolean"},
		{"-12.5e+3", FL_JSON_NUMBER, "a number"},
		{"\"\"", FL_JSON_STRING, "a string"},
		{" [ ] ", FL_JSON_ARRAY, "an array"},
		{"\n{\t}\r\n", FL_JSON_OBJECT, "an object"},
	};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(cases); i++) {
		struct fl_json *doc = parse(cases[i].text);

		assert_int_equal(fl_json_type(doc), cases[i].type);
		assert_string_equal(fl_json_type_name(doc), cases[i].name);
		assert_null(fl_json_first(doc));
		assert_null(fl_json_next(doc));
		assert_null(fl_json_key(doc));
		fl_json_destroy(doc);
	}
	fl_json_destroy(NULL);
}

static void walks_members_and_elements_in_order(void **state)
{
	struct fl_json *doc = parse("{\"a\":[1,[2],{}],\"b\":{\"c\":null},\"d\":false}");
	static const char *const keys[] = {"a", "b", "d"};
	size_t n = 0;

	(void)state;
	fl_json_each (v, doc)
		assert_string_equal(fl_json_key(v), keys[n++]);
	assert_int_equal(n, 3);
	n = 0;
	fl_json_each (v, fl_json_get(doc, "a")) {
		assert_null(fl_json_key(v));
		n++;
	}
	assert_int_equal(n, 3);
	fl_json_destroy(doc);
}

static void finds_members_as_go_does(void **state)
{
	struct fl_json *doc = parse("{\"network\":1,\"Network\":2,\"NETWORK\":3,\"Networks\":4,"
				    "\"Networ\":5,\"[\":6,\"\":7}");
	int64_t v = 0;

	(void)state;
	assert_int_equal(fl_json_int(fl_json_get(doc, "Network"), &v), 0);
	assert_int_equal(v, 3);
	assert_int_equal(fl_json_int(fl_json_get(doc, "nETWORK"), &v), 0);
	assert_int_equal(v, 3);
	assert_int_equal(fl_json_int(fl_json_get(doc, ""), &v), 0);
	assert_int_equal(v, 7);
	assert_null(fl_json_get(doc, "{")); /* '[' with the bit that makes letters small */
	assert_null(fl_json_get(doc, "Net"));
	assert_null(fl_json_get(doc, "Network "));
	assert_null(fl_json_get(NULL, "Network"));
	assert_null(fl_json_get(fl_json_get(doc, "Network"), "Network"));
	fl_json_destroy(doc);
}

static void an_array_has_no_members(void **state)
{
	struct fl_json *doc = parse("[{\"a\":1}]");

	(void)state;
	assert_null(fl_json_get(doc, "a"));
	assert_non_null(fl_json_get(fl_json_first(doc), "A"));
	fl_json_destroy(doc);
}

static void refuses_what_is_not_json(void **state)
{
	static const char *const texts[] = {
		"",	      " ",	  "{",	       "}",	     "[",	 "[1,",
		"[1,]",	      "{\"a\"}",  "{\"a\":}",  "{\"a\":1,}", "{a:1}",	 "{'a':1}",
		"\"",	      "\"\\\"",	  "\"\\x\"",   "\"\\u12\"",  "nul",	 "True",
		"01",	      "-",	  "1.",	       ".5",	     "+1",	 "1e",
		"NaN",	      "Infinity", "/* c */ 1", "1 // c",     "\"a\nb\"", "\xef\xbb\xbf{}",
		"{\"a\":1}}", "1 2",	  "{} x",      "[] []",	     "{},",	 "null\v",
		"[1,\f2]",    "[1}",	  "{\"a\":1]", "{1:2}",	     "{null:1}"};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++)
		assert_refused(texts[i], strlen(texts[i]), " at line ");
	assert_refused(NULL, 0, "premature EOF at line 1, column 1");
	assert_refused("{}\0", 3, "");
	assert_refused("{\"a\0b\":1}", 9, "");
}

static void a_refusal_names_the_place(void **state)
{
	static const char text[] = "{\n\"Network\": \"10.0.0.0/8\",\n  \xff}";

	(void)state;
	assert_refused(text, strlen(text), "not UTF-8 at line 3, column 3");
}

static void refuses_text_that_is_not_utf8(void **state)
{
	static const char *const texts[] = {"\"\xff\"",	    "\"\xc0\x80\"", "\"\xed\xa0\x80\"",
					    "\"\xe2\x82\"", "{\"\x80\":1}", "\xf4\x90\x80\x80"};
	static const char half[] = "\"\xe2\x82\xac";

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++)
		assert_refused(texts[i], strlen(texts[i]), "not UTF-8");
	assert_refused(half, 3, "not UTF-8");
}

static void refuses_escapes_that_are_no_character(void **state)
{
	static const char low[] = "[1,\"\\udc00\"]", key[] = "{\"\\uDFFF\":1}";
	static const char zero[] = "{\"PublicIP\\u0000x\":1}";

	(void)state;
	assert_refused(low, strlen(low), "no character");
	assert_refused(key, strlen(key), "no character");
	assert_refused(zero, strlen(zero), "member's name");
}

static void depth_ends_at_32(void **state)
{
	char text[200];
	struct fl_json *doc;
	const struct fl_json *v;
	unsigned int depth = 0;

	(void)state;
	memset(text, '[', 33);
	memset(text + 33, ']', 33);
	assert_refused(text, 66, "32 levels");
	text[65] = '\0';
	doc = parse(text + 1); /* 32 opened, 32 closed */
	for (v = doc; v; v = fl_json_first(v))
		depth++;
	assert_int_equal(depth, 32);
	fl_json_destroy(doc);
	/* closing makes room again */
	doc = parse(
		"[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
		"[],[],[],[],[],[],[],[],[],[],[],[],[],[]]");
	fl_json_destroy(doc);
	memset(text, '[', 200);
	assert_refused(text, 200, "32 levels");
}

static void size_ends_at_one_mebibyte(void **state)
{
	size_t len = 1024 * 1024;
	char *text = malloc(len + 1);
	struct fl_json *doc = NULL;

	(void)state;
	memset(text, 'x', len + 1);
	text[0] = text[len - 1] = '"';
	assert_int_equal(fl_json_parse(text, len, &doc, NULL), 0);
	assert_int_equal(strlen(fl_json_string(doc)), len - 2);
	fl_json_destroy(doc);
	text[len - 1] = 'x';
	text[len] = '"';
	assert_refused(text, len + 1, "1 MiB");
	free(text);
}

static void many_values_fit(void **state)
{
	size_t n = 200000;
	char *text = malloc(2 * n + 2), *printed;
	struct fl_json *doc = NULL;
	size_t count = 0;

	(void)state;
	text[0] = '[';
	for (size_t i = 0; i < n; i++)
		memcpy(text + 1 + 2 * i, i + 1 < n ? "7," : "7]", 2);
	assert_int_equal(fl_json_parse(text, 2 * n + 1, &doc, NULL), 0);
	fl_json_each (v, doc)
		count++;
	assert_int_equal(count, n);
	printed = fl_json_print(doc);
	text[2 * n + 1] = '\0';
	assert_string_equal(printed, text);
	free(printed);
	free(text);
	fl_json_destroy(doc);
}

static void strings_are_decoded(void **state)
{
	struct fl_json *doc =
		parse("[\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e4\\u20ac\\ud83d\\ude00"
		      "\xc3\xa4\", \"\\u0000\", \"a\\u0000b\", 1]");
	const struct fl_json *v = fl_json_first(doc);

	(void)state;
	assert_string_equal(fl_json_string(v), "a\"\\/\b\f\n\r\tA\xc3\xa4\xe2\x82\xac"
					       "\xf0\x9f\x98\x80\xc3\xa4");
	v = fl_json_next(v);
	assert_null(fl_json_string(v));
	v = fl_json_next(v);
	assert_null(fl_json_string(v));
	v = fl_json_next(v);
	assert_null(fl_json_string(v));
	fl_json_destroy(doc);
}

static void integers_are_integers(void **state)
{
	static const struct {
		const char *text;
		int result;
		int64_t value;
	} cases[] = {
		{"0", 0, 0},
		{"-0", 0, 0},
		{"-1", 0, -1},
		{"9223372036854775807", 0, INT64_MAX},
		{"-9223372036854775808", 0, INT64_MIN},
		{"9223372036854775808", -ERANGE, 0},
		{"-9223372036854775809", -ERANGE, 0},
		{"99999999999999999999999999", -ERANGE, 0},
		{"1.0", -ERANGE, 0},
		{"1e3", -ERANGE, 0},
		{"1E0", -ERANGE, 0},
		{"\"1\"", -EINVAL, 0},
		{"null", -EINVAL, 0},
		{"true", -EINVAL, 0},
		{"[1]", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(cases); i++) {
		struct fl_json *doc = parse(cases[i].text);
		int64_t v = 77;

		assert_int_equal(fl_json_int(doc, &v), cases[i].result);
		assert_true(v == (cases[i].result ? 77 : cases[i].value));
		fl_json_destroy(doc);
	}
}

static void booleans_are_booleans(void **state)
{
	struct fl_json *doc = parse("[true,false,1,\"true\",null]");
	const struct fl_json *v = fl_json_first(doc);
	bool b = false;

	(void)state;
	assert_int_equal(fl_json_bool(v, &b), 0);
	assert_true(b);
	v = fl_json_next(v);
	assert_int_equal(fl_json_bool(v, &b), 0);
	assert_false(b);
	for (v = fl_json_next(v); v; v = fl_json_next(v))
		assert_int_equal(fl_json_bool(v, &b), -EINVAL);
	fl_json_destroy(doc);
}

static void prints_compactly_and_numbers_as_written(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
		{" { \"VNI\" : 1 , \"VtepMAC\" : \"02:00\" } ",
		 "{\"VNI\":1,\"VtepMAC\":\"02:00\"}"},
		{"[1.50, 1E+2,-0, 123456789012345678901234567890]",
		 "[1.50,1E+2,-0,123456789012345678901234567890]"},
		{"[ ]", "[]"},
		{"{\"a\":[{},[],null,true,false]}", "{\"a\":[{},[],null,true,false]}"},
		{"\"\\u0041\\/\\n\\u0000\\u001f\\\"\\\\\\u007f\\u00e4\"",
		 "\"A/\\u000a\\u0000\\u001f\\\"\\\\\x7f\xc3\xa4\""},
		{"{\"a\":1,\"A\":2,\"a\":3,\"\\n\\\"\":4}",
		 "{\"a\":1,\"A\":2,\"a\":3,\"\\u000a\\\"\":4}"},
	};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(cases); i++) {
		struct fl_json *doc = parse(cases[i].text), *again;
		char *text = fl_json_print(doc), *second;

		assert_string_equal(text, cases[i].want);
		again = parse(text);
		second = fl_json_print(again);
		assert_string_equal(second, text);
		free(second);
		free(text);
		fl_json_destroy(again);
		fl_json_destroy(doc);
	}
}

static void a_member_is_printed_without_its_name(void **state)
{
	struct fl_json *doc = parse("{\"Backend\":{\"Type\":\"vxlan\"}}");
	char *text = fl_json_print(fl_json_get(doc, "backend"));

	(void)state;
	assert_string_equal(text, "{\"Type\":\"vxlan\"}");
	free(text);
	fl_json_destroy(doc);
}

static void quotes_any_text_as_valid_json(void **state)
{
	char text[256], *quoted = fl_json_quote("a\"b\\c\n\x01\xff\xc3\xa4\xe2\x82");
	struct fl_json *doc;

	(void)state;
	assert_string_equal(quoted, "\"a\\\"b\\\\c\\u000a\\u0001\xef\xbf\xbd\xc3\xa4"
				    "\xef\xbf\xbd\xef\xbf\xbd\"");
	free(quoted);
	for (int i = 0; i < 255; i++)
		text[i] = (char)(i + 1);
	text[255] = '\0';
	quoted = fl_json_quote(text);
	doc = parse(quoted);
	assert_memory_equal(fl_json_string(doc), text, 127);
	fl_json_destroy(doc);
	free(quoted);
	quoted = fl_json_quote("");
	assert_string_equal(quoted, "\"\"");
	free(quoted);
}

/* Every truncation and every changed byte of a document: refused or read, never a crash. */
static void mangled_documents_do_no_harm(void **state)
{
	static const char text[] =
		"{\"PublicIP\":\"10.0.0.1\",\"d\":[1.5e3,true,null,{\"\\ud83d\\ude00"
		"\":\"\\u00e4\\n\"}],\"\xc3\xa4\":-0}";
	char copy[sizeof(text)];
	struct fl_json *doc;

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		char *exact = malloc(len + 1); /* so that reading beyond is seen */

		memcpy(exact, text, len);
		exact = realloc(exact, len ? len : 1);
		assert_int_equal(fl_json_parse(exact, len, &doc, NULL), -EINVAL);
		free(exact);
	}
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		for (int c = 0; c < 256; c++) {
			memcpy(copy, text, sizeof(text));
			copy[i] = (char)c;
			if (fl_json_parse(copy, sizeof(text) - 1, &doc, NULL) == 0)
				fl_json_destroy(doc);
		}
}

static void a_missing_member_is_like_null(void **state)
{
	struct fl_json *doc = parse("{}");
	const struct fl_json *v = fl_json_get(fl_json_get(doc, "a"), "b");
	int64_t n = 7;
	bool b = true;

	(void)state;
	assert_null(v);
	assert_int_equal(fl_json_type(v), FL_JSON_NULL);
	assert_string_equal(fl_json_type_name(v), "null");
	assert_null(fl_json_first(v));
	assert_null(fl_json_string(v));
	assert_int_equal(fl_json_int(v, &n), -EINVAL);
	assert_int_equal(fl_json_bool(v, &b), -EINVAL);
	assert_true(n == 7 && b);
	fl_json_destroy(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_type),
		cmocka_unit_test(walks_members_and_elements_in_order),
		cmocka_unit_test(finds_members_as_go_does),
		cmocka_unit_test(a_missing_member_is_like_null),
		cmocka_unit_test(an_array_has_no_members),
		cmocka_unit_test(refuses_what_is_not_json),
		cmocka_unit_test(a_refusal_names_the_place),
		cmocka_unit_test(refuses_text_that_is_not_utf8),
		cmocka_unit_test(refuses_escapes_that_are_no_character),
		cmocka_unit_test(depth_ends_at_32),
		cmocka_unit_test(size_ends_at_one_mebibyte),
		cmocka_unit_test(many_values_fit),
		cmocka_unit_test(strings_are_decoded),
		cmocka_unit_test(integers_are_integers),
		cmocka_unit_test(booleans_are_booleans),
		cmocka_unit_test(prints_compactly_and_numbers_as_written),
		cmocka_unit_test(a_member_is_printed_without_its_name),
		cmocka_unit_test(quotes_any_text_as_valid_json),
		cmocka_unit_test(mangled_documents_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
