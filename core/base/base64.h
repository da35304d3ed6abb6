/* core/base/base64.h - base64 with padding (RFC 4648, section 4), read strictly. */
#ifndef FL_BASE_BASE64_H
#define FL_BASE_BASE64_H

#include <stddef.h>

#include "buf.h"

/** Characters that @p bytes take. */
#define FL_BASE64_LEN(bytes) (((size_t)(bytes) + 2) / 3 * 4)

/** Append @p len bytes as base64. */
void fl_base64_encode(struct fl_buf *to, const void *bytes, size_t len);
/**
 * Append what @p text stands for: nothing but the alphabet, padding where it belongs, and no bits
 * set that are not part of a byte.
 * @return 0; -EINVAL, with nothing appended; -ENOMEM
 */
int fl_base64_decode(struct fl_buf *to, const char *text, size_t len);

#endif
