/* store/etcd_json.h - JSON as it streams in, for the decoders of both APIs: yajl, with bounds. What
 * is kept follows the longest text that is wanted, not the answer. */
#ifndef FL_STORE_ETCD_JSON_H
#define FL_STORE_ETCD_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <yajl/yajl_parse.h>

#include "base/defs.h"
#include "base/yajl_mem.h"

#define FL_ETCD_JSON_DEPTH_MAX 64u /* levels of nesting inside of what is not wanted */

/** Embed one in the decoder, which must not move until fl_etcd_json_done(). All zero is done. */
struct fl_etcd_json {
	char why[160]; /* after a failure: one line for people */
	int error;     /* the first -errno; it sticks */
	bool seen_any; /* something that is no white space has come */

	/* private to etcd_json.c, but that each callback of yajl sets pending to 0 */
	size_t pending; /* bytes handed to yajl since it last gave something back */
	const yajl_callbacks *callbacks;
	void *ctx;
	bool many;
	struct fl_yajl_mem memory; /* of yajl */
	struct yajl_handle_t *yajl;
	size_t text_max;
	size_t string_len; /* raw bytes of the string that passes */
	unsigned int escape;
	bool in_string;
	bool clipping;
};

/**
 * Begin with a new answer.
 * @param text_max  a string longer than this, in bytes, may be given to @p callbacks cut; what is
 * given is then still longer than this
 * @param many  any number of documents may follow each other
 * @return 0, -ENOMEM
 */
int fl_etcd_json_reset(struct fl_etcd_json *j, const yajl_callbacks *callbacks, void *ctx,
		       size_t text_max, bool many);
/** Take the next bytes. @return 0; -EBADMSG if this is no answer of etcd; -ENOMEM */
int fl_etcd_json_feed(struct fl_etcd_json *j, const char *bytes, size_t len);
/** The answer is over. @p whole: the decoder has seen its end. @return 0; -ENODATA if it was empty
 * (white space); -EBADMSG if it was cut off; -ENOMEM */
int fl_etcd_json_finish(struct fl_etcd_json *j, bool whole);
void fl_etcd_json_done(struct fl_etcd_json *j);

/** Note an error unless one is noted already. @return 0, which tells yajl to stop */
int fl_etcd_json_fail(struct fl_etcd_json *j, int error, const char *fmt, ...) FL_PRINTF(3, 4);

/** Words of the server, for a message: what a terminal could trip over is replaced. @return 1 */
int fl_etcd_json_words(char *to, size_t size, const char *text, size_t len);

#endif
