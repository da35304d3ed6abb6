/* core/base/json.h - small JSON documents as a tree (yajl). Installed with <flanneld/backend.h>. */
#ifndef FL_BASE_JSON_H
#define FL_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "defs.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A value of a parsed document. The root owns the whole tree; all others are borrowed from it. For
 * the functions that look at one, a NULL, as fl_json_get() returns it, is like null. */
struct fl_json;

enum fl_json_type {
	FL_JSON_NULL,
	FL_JSON_BOOL,
	FL_JSON_NUMBER,
	FL_JSON_STRING,
	FL_JSON_ARRAY,
	FL_JSON_OBJECT,
};

/**
 * Parse one whole document: valid UTF-8, nothing behind it, at most 32 levels deep and 1 MiB long,
 * no U+0000 in members' names.
 *
 * @param ret  set only on success; the caller owns it until fl_json_destroy()
 * @param why  if not NULL: on -EINVAL a one-line reason with the position, owned by the caller
 * (free())
 * @return 0, -EINVAL, -ENOMEM
 */
FL_PUBLIC int fl_json_parse(const char *text, size_t len, struct fl_json **ret, char **why);
FL_PUBLIC void fl_json_destroy(struct fl_json *root); /* NULL is a no-op; only for a root */

FL_PUBLIC enum fl_json_type fl_json_type(const struct fl_json *v);
/** "null", "a boolean", "a number", "a string", "an array", "an object": for messages. */
FL_PUBLIC const char *fl_json_type_name(const struct fl_json *v);

/**
 * The member @p key of an object, as Go's encoding/json finds it: letters match without regard to
 * ASCII case, and of several the last one counts. NULL if there is none, or @p obj is NULL or no
 * object.
 */
FL_PUBLIC const struct fl_json *fl_json_get(const struct fl_json *obj, const char *key);

/** First member of an object or element of an array; NULL if empty. Then fl_json_next() until NULL.
 */
FL_PUBLIC const struct fl_json *fl_json_first(const struct fl_json *v);
FL_PUBLIC const struct fl_json *fl_json_next(const struct fl_json *v);
FL_PUBLIC const char *fl_json_key(const struct fl_json *v); /* a member's key; NULL for elements */

/** The text of a string; NULL for any other type (NULL too if it contains U+0000, which no value of
 * ours may). */
FL_PUBLIC const char *fl_json_string(const struct fl_json *v);
/** @return 0, -EINVAL if @p v is not a number, -ERANGE if it is no integer or too big */
FL_PUBLIC int fl_json_int(const struct fl_json *v, int64_t *ret);
/** @return 0, -EINVAL if @p v is not a boolean */
FL_PUBLIC int fl_json_bool(const struct fl_json *v, bool *ret);

/** @p v as compact JSON text, numbers as they were written; owned by the caller (free()). NULL: out
 * of memory. */
FL_PUBLIC char *fl_json_print(const struct fl_json *v);

/** @p text as a JSON string with its quotes; owned by the caller (free()). NULL: out of memory. */
FL_PUBLIC char *fl_json_quote(const char *text);

#define fl_json_each(v, parent)                                                                    \
	for (const struct fl_json *v = fl_json_first(parent); v; v = fl_json_next(v))

#ifdef __cplusplus
}
#endif

#endif
