/* core/base/json_write.c - JSON text into a buffer. */
#include "json_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* What stands behind an opening bracket, behind a comma that is there already, or first, needs
 * none. */
static void begin(struct fl_buf *b, const char *key)
{
	if (b->len > 0 && !strchr("{[\n,", b->data[b->len - 1]))
		fl_buf_puts(b, ",");
	if (key)
		fl_buf_printf(b, "\"%s\":", key);
}

void fl_jsonw_open(struct fl_buf *b, const char *key, char bracket)
{
	begin(b, key);
	fl_buf_append(b, &bracket, 1);
}

void fl_jsonw_close(struct fl_buf *b, char bracket)
{
	fl_buf_append(b, &bracket, 1);
}

void fl_jsonw_text(struct fl_buf *b, const char *key, const char *text)
{
	char *quoted = text ? fl_json_quote(text) : NULL;

	begin(b, key);
	if (text && !quoted)
		b->error = b->error ? b->error : -ENOMEM;
	fl_buf_puts(b, quoted ? quoted : "null");
	free(quoted);
}

void fl_jsonw_bool(struct fl_buf *b, const char *key, bool value)
{
	begin(b, key);
	fl_buf_puts(b, value ? "true" : "false");
}

void fl_jsonw_uint(struct fl_buf *b, const char *key, uint64_t value)
{
	begin(b, key);
	fl_buf_printf(b, "%" PRIu64, value);
}

void fl_jsonw_time(struct fl_buf *b, const char *key, int64_t value)
{
	begin(b, key);
	if (value)
		fl_buf_printf(b, "%" PRId64, value);
	else
		fl_buf_puts(b, "null");
}
