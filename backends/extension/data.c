/* backends/extension/data.c - BackendData: a JSON string, from a command's output or of a peer. */
#include "data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPACE " \t\r\n\v\f"

/* C0, DEL and C1, of valid UTF-8: a second line for a `read`, or an escape for a terminal. */
static bool has_control(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0; i < len; i++)
		if (p[i] < 0x20 || p[i] == 0x7f ||
		    (p[i] == 0xc2 && i + 1 < len && p[i + 1] >= 0x80 && p[i + 1] < 0xa0))
			return true;
	return false;
}

/* Quoting puts a replacement character for what is not UTF-8: then other text comes back. */
static int compare_json(const char *json, const char *text)
{
	struct fl_json *doc = NULL;
	int r = fl_json_parse(json, strlen(json), &doc, NULL);

	if (r == 0 && strcmp(fl_json_string(doc), text) != 0)
		r = -EINVAL;
	fl_json_destroy(doc);
	return r;
}

static int encode(const char *text, char buf[FL_BACKEND_DATA_MAX], const char **why)
{
	char *json = fl_json_quote(text);
	int r = -EINVAL;

	if (!json)
		return -ENOMEM;
	*why = "its output is longer than BackendData may be (1023 bytes as JSON)";
	if (strlen(json) < FL_BACKEND_DATA_MAX) {
		*why = "its output is not UTF-8";
		r = compare_json(json, text);
	}
	if (r == 0)
		strcpy(buf, json);
	free(json);
	return r;
}

int ext_data_encode(const char *output, size_t len, char buf[FL_BACKEND_DATA_MAX], const char **why)
{
	char *text;
	int r;

	while (len > 0 && memchr(SPACE, output[len - 1], sizeof(SPACE) - 1))
		len--;
	while (len > 0 && memchr(SPACE, output[0], sizeof(SPACE) - 1)) {
		output++;
		len--;
	}
	*why = "its output has control characters";
	if (has_control(output, len))
		return -EINVAL;
	text = strndup(output, len);
	if (!text)
		return -ENOMEM;
	r = encode(text, buf, why);
	free(text);
	return r;
}

static int take_string(const struct fl_json *v, char buf[EXT_DATA_MAX], const char **why)
{
	const char *text = fl_json_string(v);

	*why = "its BackendData is not a JSON string";
	if (fl_json_type(v) != FL_JSON_STRING)
		return -EINVAL;
	*why = "its BackendData has control characters";
	if (!text || has_control(text, strlen(text)))
		return -EINVAL;
	*why = "its BackendData is longer than 1024 bytes";
	if (strlen(text) >= EXT_DATA_MAX)
		return -EINVAL;
	strcpy(buf, text);
	return 0;
}

int ext_data_decode(const char *json, char buf[EXT_DATA_MAX], const char **why)
{
	struct fl_json *doc = NULL;
	int r;

	if (!json) {
		buf[0] = '\0';
		return 0;
	}
	*why = "its BackendData is not JSON";
	r = fl_json_parse(json, strlen(json), &doc, NULL);
	if (r == 0)
		r = take_string(doc, buf, why);
	fl_json_destroy(doc);
	return r;
}
