/* core/base/buf.h - a growing byte buffer with a sticky error: append freely, test once at the end.
 */
#ifndef FL_BASE_BUF_H
#define FL_BASE_BUF_H

#include <stddef.h>

#include "defs.h"

/** All zero is an empty buffer. */
struct fl_buf {
	char *data; /* NUL-terminated once anything was appended; NULL before */
	size_t len; /* bytes, without the NUL */
	size_t cap;
	int error; /* 0 or the first -errno; later appends do nothing */
};

void fl_buf_append(struct fl_buf *b, const void *bytes, size_t len);
/** Append @p len bytes that the caller writes there at once. NULL: no memory, nothing appended. */
void *fl_buf_extend(struct fl_buf *b, size_t len);
void fl_buf_puts(struct fl_buf *b, const char *text);
void fl_buf_printf(struct fl_buf *b, const char *fmt, ...) FL_PRINTF(2, 3);
/** Percent-encode all but RFC 3986's unreserved characters (for paths and form bodies). */
void fl_buf_urlencode(struct fl_buf *b, const char *text);
/** Forget the content and the error, keep the memory. */
void fl_buf_reset(struct fl_buf *b);
void fl_buf_done(struct fl_buf *b);
/** Hand the text to the caller (free()) and empty the buffer; NULL if an error stuck. */
char *fl_buf_take(struct fl_buf *b);

#endif
