/* core/base/parse.h - numbers, booleans and characters out of text, whole or not at all. */
#ifndef FL_BASE_PARSE_H
#define FL_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Decimal digits only, no sign, no space, nothing behind.
 * @return 0, -EINVAL if it is no number, -ERANGE if outside min..max; @p ret is set only on 0
 */
int fl_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
/**
 * What Go's flag package takes for an int: a sign; 0x, 0o, 0b or 0 before hexadecimal, octal,
 * binary, octal digits; single underscores between digits, or behind what is before them.
 * @return 0, -EINVAL if it is no number, -ERANGE beyond 64 bits; @p ret is set only on 0
 */
int fl_parse_go_int(const char *text, int64_t *ret);
/** Go's strconv.ParseBool: 1 t T TRUE true True 0 f F FALSE false False. @return 0, -EINVAL */
int fl_parse_bool(const char *text, bool *ret);
/** Go's time.ParseDuration, whole seconds wanted: "24h", "90m", "1h30m", "3600s". @return 0,
 * -EINVAL, -ERANGE */
int fl_parse_duration_s(const char *text, uint64_t min_s, uint64_t max_s, uint64_t *ret);

/** The bytes, 1..4, of the UTF-8 character (RFC 3629) at the start of @p text, of which @p len > 0
 * bytes are there; 0 if they are none. */
size_t fl_parse_utf8(const char *text, size_t len);

#endif
