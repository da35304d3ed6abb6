/* core/base/buf.c - a growing byte buffer with a sticky error. */
#include "buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_MIN 64u /* bytes */

/** Room for @p len more bytes and the NUL. @return false with the error set */
static bool make_room(struct fl_buf *b, size_t len)
{
	size_t cap = b->cap ? b->cap : BUF_MIN;
	char *data;

	if (b->error)
		return false;
	if (len >= SIZE_MAX / 2 - b->len) {
		b->error = -ENOMEM;
		return false;
	}
	if (b->len + len < b->cap)
		return true;
	while (cap <= b->len + len)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->error = -ENOMEM;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

void *fl_buf_extend(struct fl_buf *b, size_t len)
{
	char *at;

	if (!make_room(b, len))
		return NULL;
	at = b->data + b->len;
	b->len += len;
	b->data[b->len] = '\0';
	return at;
}

void fl_buf_append(struct fl_buf *b, const void *bytes, size_t len)
{
	void *at = fl_buf_extend(b, len);

	if (at && len)
		memcpy(at, bytes, len);
}

void fl_buf_puts(struct fl_buf *b, const char *text)
{
	fl_buf_append(b, text, strlen(text));
}

void fl_buf_printf(struct fl_buf *b, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0) {
		if (!b->error)
			b->error = -EINVAL;
		return;
	}
	if (!make_room(b, (size_t)n))
		return;
	va_start(args, fmt);
	(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, args);
	va_end(args);
	b->len += (size_t)n;
}

static bool is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~", c));
}

void fl_buf_urlencode(struct fl_buf *b, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";

	fl_buf_append(b, "", 0);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		char code[3] = {'%', hex[c >> 4], hex[c & 15]};

		if (is_unreserved(c))
			fl_buf_append(b, text, 1);
		else
			fl_buf_append(b, code, sizeof(code));
	}
}

void fl_buf_reset(struct fl_buf *b)
{
	b->len = 0;
	b->error = 0;
	if (b->data)
		b->data[0] = '\0';
}

void fl_buf_done(struct fl_buf *b)
{
	free(b->data);
	*b = (struct fl_buf){0};
}

char *fl_buf_take(struct fl_buf *b)
{
	char *text;

	fl_buf_append(b, "", 0); /* an empty buffer is an empty text */
	if (b->error) {
		fl_buf_done(b);
		return NULL;
	}
	text = b->data;
	*b = (struct fl_buf){0};
	return text;
}
