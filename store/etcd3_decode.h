/* store/etcd3_decode.h - push parser for the answers of etcd's JSON gateway (v3 API): bytes in as
 * they stream, keys and messages out. Memory is bounded by the longest value that is wanted. */
#ifndef FL_STORE_ETCD3_DECODE_H
#define FL_STORE_ETCD3_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/etcd_json.h"

struct fl_etcd3_decoder;

/** A key and what is known of it. Members that are zero are left out by etcd. */
struct fl_etcd3_kv {
	struct fl_buf key;   /* decoded; U+0000 replaced by '?'; "" if it is no base64 */
	struct fl_buf value; /* decoded; "" if it is not */
	uint64_t mod_revision;
	int64_t lease;	/* 0: none */
	bool too_long;	/* the value is longer than value_max */
	bool no_base64; /* the value is not base64 */
	bool gone;	/* an event that took the key away */
};

#define FL_ETCD3_KEY_MAX 1024u /* bytes: a longer key is no lease's, whatever is behind */

/** Empty it, and keep the memory of its buffers. */
void fl_etcd3_kv_reset(struct fl_etcd3_kv *kv);

/** All that a message may hold, of whatever kind it is. */
struct fl_etcd3_message {
	uint64_t cluster;  /* header.cluster_id */
	uint64_t revision; /* header.revision */
	bool succeeded;	   /* txn */
	bool created, canceled;
	uint64_t compact_revision;
	char cancel_reason[160];
	int64_t lease; /* ID */
	int64_t ttl_s; /* TTL */
	uint32_t lease_keys;
	uint32_t kvs;	  /* keys that were given to the callback */
	char token[4096]; /* of authenticate; "" also if it is longer than fits */
	char version[32]; /* of /version: etcdserver */
	bool is_error;
	int code; /* gRPC's; 0: none, or not said */
	char error[160];
};

struct fl_etcd3_callbacks {
	/** Each key of a range or event, as soon as it is complete. May be NULL. */
	void (*kv)(struct fl_etcd3_decoder *d, const struct fl_etcd3_kv *kv);
	/** The end of each message of a stream, or of the answer. May be NULL. */
	void (*message)(struct fl_etcd3_decoder *d, const struct fl_etcd3_message *m);
};

#define FL_ETCD3_PLACES 12u

/** Embed one; fl_container_of() gets back to the owner. */
struct fl_etcd3_decoder {
	struct fl_etcd3_message message; /* the last one */
	struct fl_etcd3_kv kv;		 /* the last one */
	uint32_t messages;		 /* whole ones */
	struct fl_etcd_json json;	 /* why: after a failure, one line for people; seen_any */

	/* private to etcd3_decode.c */
	const struct fl_etcd3_callbacks *ops;
	size_t value_max;
	int places[FL_ETCD3_PLACES];
	unsigned int level; /* of places */
	int member;
	unsigned int depth; /* of what is skipped */
	bool has_kv;	    /* the event has one */
};

void fl_etcd3_decoder_init(struct fl_etcd3_decoder *d, const struct fl_etcd3_callbacks *ops);
void fl_etcd3_decoder_done(struct fl_etcd3_decoder *d);
/**
 * Begin with a new answer.
 * @param value_max  a value longer than this, in bytes, is dropped and marked
 * @return 0, -ENOMEM
 */
int fl_etcd3_decoder_reset(struct fl_etcd3_decoder *d, size_t value_max);
/** Take the next bytes. @return 0; -EBADMSG if this is no answer of etcd; -ENOMEM. An error sticks.
 */
int fl_etcd3_decoder_feed(struct fl_etcd3_decoder *d, const char *bytes, size_t len);
/** The answer is over. @return 0; -ENODATA if it was empty (white space); -EBADMSG if it is no
 * answer of etcd or was cut off; -ENOMEM */
int fl_etcd3_decoder_finish(struct fl_etcd3_decoder *d);

#endif
