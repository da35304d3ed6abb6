/* tests/fuzz/json.c - any document: what is taken stays the same when it is printed and read
 * again. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fuzz.h"

static void visit(const struct fl_json *v)
{
	const char *text = fl_json_string(v);
	int64_t number;
	bool truth;
	char *quoted;

	(void)fl_json_int(v, &number);
	(void)fl_json_bool(v, &truth);
	FUZZ_CHECK(fl_json_type_name(v));
	if (text) {
		quoted = fl_json_quote(text);
		FUZZ_CHECK(quoted);
		free(quoted);
	}
	fl_json_each (child, v) {
		if (fl_json_type(v) == FL_JSON_OBJECT)
			FUZZ_CHECK(fl_json_get(v, fl_json_key(child)));
		visit(child); /* at most 32 levels, which the parser sees to */
	}
}

static void check_printed(const struct fl_json *doc)
{
	char *text = fl_json_print(doc), *twice;
	struct fl_json *again;

	FUZZ_CHECK(text);
	/* escapes may be written longer than they came, beyond what is taken */
	if (strlen(text) <= 1024u * 1024u) {
		FUZZ_CHECK(fl_json_parse(text, strlen(text), &again, NULL) == 0);
		twice = fl_json_print(again);
		FUZZ_CHECK(twice && strcmp(text, twice) == 0);
		free(twice);
		fl_json_destroy(again);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fl_json *doc;
	char *why = NULL;

	if (fl_json_parse((const char *)bytes, len, &doc, &why) == 0) {
		visit(doc);
		check_printed(doc);
		fl_json_destroy(doc);
	} else {
		FUZZ_CHECK(why && why[0] && !strchr(why, '\n'));
	}
	free(why);
	return 0;
}
