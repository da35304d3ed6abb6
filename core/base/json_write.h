/* core/base/json_write.h - JSON text into a buffer, value after value; commas come by themselves.
 * A line that has ended, or a comma, may stand before. */
#ifndef FL_BASE_JSON_WRITE_H
#define FL_BASE_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

/** In all of these @p key is the member's name, a literal; NULL for an element of an array, or for
 * the document itself. */
void fl_jsonw_open(struct fl_buf *b, const char *key, char bracket);	 /* '{' or '[' */
void fl_jsonw_close(struct fl_buf *b, char bracket);			 /* '}' or ']' */
void fl_jsonw_text(struct fl_buf *b, const char *key, const char *text); /* NULL: null */
void fl_jsonw_bool(struct fl_buf *b, const char *key, bool value);
void fl_jsonw_uint(struct fl_buf *b, const char *key, uint64_t value);
/** A time, Unix, seconds; 0 is null. */
void fl_jsonw_time(struct fl_buf *b, const char *key, int64_t value);

#endif
