/* store/etcd_json.c - JSON as it streams in: yajl, with bounds. */
#include "store/etcd_json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GAP_MAX 65536u

int fl_etcd_json_fail(struct fl_etcd_json *j, int error, const char *fmt, ...)
{
	va_list args;

	if (j->error != 0)
		return 0;
	j->error = error;
	va_start(args, fmt);
	(void)vsnprintf(j->why, sizeof(j->why), fmt, args);
	va_end(args);
	return 0;
}

int fl_etcd_json_words(char *to, size_t size, const char *text, size_t len)
{
	size_t n = len < size ? len : size - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	to[n] = '\0';
	return 1;
}

/* What yajl gets in one call; NULL: there is no more. */
struct piece {
	struct fl_etcd_json *json;
	const char *bytes;
	size_t len;
	yajl_status status;
};

static void call_yajl(void *ctx)
{
	struct piece *p = ctx;
	yajl_handle h = p->json->yajl;

	p->status = p->bytes ? yajl_parse(h, (const unsigned char *)p->bytes, p->len)
			     : yajl_complete_parse(h);
}

static int parse(struct fl_etcd_json *j, const char *bytes, size_t len)
{
	struct piece piece = {.json = j, .bytes = bytes, .len = len};

	if (len == 0 || j->error != 0)
		return j->error;
	j->pending += len;
	if (!fl_yajl_mem_run(&j->memory, call_yajl, &piece))
		(void)fl_etcd_json_fail(j, -ENOMEM, "out of memory");
	else if (piece.status != yajl_status_ok)
		(void)fl_etcd_json_fail(j, -EBADMSG, "no answer of etcd: not JSON");
	/* White space or digits without end; strings are clipped before they get here. */
	else if (j->pending > 6 * j->text_max + GAP_MAX)
		(void)fl_etcd_json_fail(j, -EBADMSG, "no answer of etcd: endless");
	return j->error;
}

/* How many bytes of an escape sequence are to come; it must not be cut. */
#define HEX_DIGITS	4u
#define AFTER_BACKSLASH 5u

/* One byte of a string. True if it is the closing quote. */
static bool string_ends(struct fl_etcd_json *j, char b)
{
	j->string_len++;
	if (j->escape == AFTER_BACKSLASH) {
		j->escape = b == 'u' ? HEX_DIGITS : 0;
		return false;
	}
	if (j->escape > 0) {
		j->escape--;
		return false;
	}
	if (b == '\\')
		j->escape = AFTER_BACKSLASH;
	return b == '"';
}

static bool has_ink(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r\n", bytes[i]) || bytes[i] == '\0')
			return true;
	return false;
}

/* Go past what is neither the end of the string nor an escape sequence, nor to be dropped. @return
 * bytes */
static size_t pass_plain(struct fl_etcd_json *j, const char *bytes, size_t len, size_t clip_at)
{
	size_t n = j->string_len < clip_at ? clip_at - j->string_len : 0;
	const char *end;

	if (j->clipping || j->escape > 0)
		return 0;
	n = n < len ? n : len;
	end = memchr(bytes, '"', n);
	n = end ? (size_t)(end - bytes) : n;
	end = memchr(bytes, '\\', n);
	n = end ? (size_t)(end - bytes) : n;
	j->string_len += n;
	return n;
}

/*
 * yajl collects a string whole before it hands it over. So drop what is behind the longest text
 * that could still be one of text_max bytes, each written as \uXXXX: such a text is too long.
 */
int fl_etcd_json_feed(struct fl_etcd_json *j, const char *bytes, size_t len)
{
	const size_t clip_at = 6 * j->text_max + 6;
	size_t from = 0, i = 0;

	j->seen_any = j->seen_any || has_ink(bytes, len);
	while (i < len && j->error == 0) {
		if (!j->in_string) {
			const char *quote = memchr(bytes + i, '"', len - i);

			j->in_string = quote;
			j->string_len = 0;
			i = quote ? (size_t)(quote - bytes) + 1 : len;
			continue;
		}
		i += pass_plain(j, bytes + i, len - i, clip_at);
		if (i == len)
			break;
		if (j->string_len >= clip_at && j->escape == 0 && !j->clipping) {
			(void)parse(j, bytes + from, i - from);
			j->clipping = true;
		}
		if (!string_ends(j, bytes[i++]))
			continue;
		j->in_string = false;
		if (j->clipping)
			from = i - 1;
		j->clipping = false;
	}
	return j->clipping ? j->error : parse(j, bytes + from, len - from);
}

int fl_etcd_json_finish(struct fl_etcd_json *j, bool whole)
{
	struct piece end = {.json = j};

	if (j->error != 0)
		return j->error;
	if (!j->seen_any)
		(void)fl_etcd_json_fail(j, -ENODATA, "empty answer");
	else if (!fl_yajl_mem_run(&j->memory, call_yajl, &end))
		(void)fl_etcd_json_fail(j, -ENOMEM, "out of memory");
	else if (!whole || end.status != yajl_status_ok)
		(void)fl_etcd_json_fail(j, -EBADMSG, "no answer of etcd: it breaks off");
	return j->error;
}

static void begin_yajl(void *ctx)
{
	struct fl_etcd_json *j = ctx;

	j->yajl = yajl_alloc(j->callbacks, &j->memory.funcs, j->ctx);
	/* Bad UTF-8 in one value must not cost the others: whoever reads a value checks it. */
	(void)yajl_config(j->yajl, yajl_dont_validate_strings, 1);
	if (j->many)
		(void)yajl_config(j->yajl, yajl_allow_multiple_values, 1);
}

int fl_etcd_json_reset(struct fl_etcd_json *j, const yajl_callbacks *callbacks, void *ctx,
		       size_t text_max, bool many)
{
	fl_etcd_json_done(j);
	*j = (struct fl_etcd_json){
		.text_max = text_max, .callbacks = callbacks, .ctx = ctx, .many = many};
	fl_yajl_mem_init(&j->memory);
	if (fl_yajl_mem_run(&j->memory, begin_yajl, j))
		return 0;
	(void)fl_etcd_json_fail(j, -ENOMEM, "out of memory");
	return -ENOMEM;
}

void fl_etcd_json_done(struct fl_etcd_json *j)
{
	fl_yajl_mem_done(&j->memory);
	j->yajl = NULL;
}
