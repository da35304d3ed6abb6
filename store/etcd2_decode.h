/* store/etcd2_decode.h - push parser for the answers of etcd's v2 API: bytes in as they stream,
 * entries out. Memory is bounded by the longest value that is wanted, not by the answer. */
#ifndef FL_STORE_ETCD2_DECODE_H
#define FL_STORE_ETCD2_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/etcd_json.h"

struct fl_etcd2_decoder;

/** A key as etcd describes it. */
struct fl_etcd2_node {
	struct fl_buf key;   /* the whole path; U+0000 replaced by '?' */
	struct fl_buf value; /* at most value_max bytes, see too_long */
	uint64_t index;	     /* modifiedIndex */
	int64_t ttl_s;	     /* seconds left; counts only if expires */
	bool expires; /* it has a TTL; in its last second etcd sends `expiration` but no `ttl` */
	bool has_value;
	bool too_long; /* the value is longer than value_max; what is kept of it is its beginning */
	bool dir;
};

/** Called for each child of a directory, as soon as it is complete. */
typedef void (*fl_etcd2_child_cb)(struct fl_etcd2_decoder *d, const struct fl_etcd2_node *child);

/** Embed one; fl_container_of() gets back to the owner. */
struct fl_etcd2_decoder {
	/* what was found, complete after fl_etcd2_decoder_finish() */
	char action[24];	   /* "get", "compareAndSwap" ...; "" if the answer has none */
	struct fl_etcd2_node node; /* its children went to the callback */
	bool has_node;
	int error_code; /* etcd's errorCode, 0: none */
	char message[96];
	char cause[160];
	struct fl_etcd_json json; /* why: after a failure, one line for people; seen_any */

	/* private to etcd2_decode.c */
	fl_etcd2_child_cb child_cb;
	struct fl_etcd2_node child;
	size_t value_max;
	int place;
	int member;
	unsigned int depth; /* of what is skipped */
};

/** @param child  may be NULL */
void fl_etcd2_decoder_init(struct fl_etcd2_decoder *d, fl_etcd2_child_cb child);
void fl_etcd2_decoder_done(struct fl_etcd2_decoder *d);

/**
 * Begin with a new answer.
 * @param value_max  a value longer than this, in bytes, is cut and marked
 * @return 0, -ENOMEM
 */
int fl_etcd2_decoder_reset(struct fl_etcd2_decoder *d, size_t value_max);

/** Take the next bytes. @return 0; -EBADMSG if this is no answer of etcd; -ENOMEM. An error sticks.
 */
int fl_etcd2_decoder_feed(struct fl_etcd2_decoder *d, const char *bytes, size_t len);

/** The answer is over. @return 0; -ENODATA if it was empty (white space); -EBADMSG if it is no
 * answer of etcd or was cut off; -ENOMEM */
int fl_etcd2_decoder_finish(struct fl_etcd2_decoder *d);

#endif
