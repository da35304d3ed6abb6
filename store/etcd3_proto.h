/* store/etcd3_proto.h - the listing as gRPC has it: protocol buffers (etcd's
 * api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto; encoding: protobuf.dev, "Encoding"), each
 * message behind five bytes (gRPC over HTTP/2, "Length-Prefixed-Message"). Bytes in as they stream,
 * keys out. Memory is bounded by the longest value that is wanted. */
#ifndef FL_STORE_ETCD3_PROTO_H
#define FL_STORE_ETCD3_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/etcd3_decode.h"

#define FL_ETCD3_PROTO_PREFIX 5u /* bytes before a message */

/** A RangeRequest of all of [@p key, @p end), with its prefix. */
void fl_etcd3_proto_put_range(struct fl_buf *to, const char *key, const char *end);

struct fl_etcd3_proto;
/** A key of the listing, as soon as it is complete. */
typedef void (*fl_etcd3_proto_cb)(struct fl_etcd3_proto *p, const struct fl_etcd3_kv *kv);

/** A RangeResponse as it comes. Embed one; all zero is one that was not begun. */
struct fl_etcd3_proto {
	uint64_t cluster;  /* header.cluster_id */
	uint64_t revision; /* header.revision */
	uint32_t kvs;	   /* keys that were given to the callback */
	const char *why;   /* after a failure, for people */

	/* private to etcd3_proto.c */
	fl_etcd3_proto_cb on_kv;
	struct fl_etcd3_kv kv;
	size_t value_max;
	int error;
	int state;
	uint8_t prefix[FL_ETCD3_PROTO_PREFIX];
	size_t n_prefix;
	uint64_t number; /* the varint that comes */
	unsigned int shift;
	uint64_t at; /* in the message */
	uint64_t end;
	uint64_t inner_end; /* of the message within it that is being read */
	uint32_t inner;	    /* its field; 0: none */
	uint32_t field;
	uint64_t left; /* bytes of the field's value */
};

/** Begin with a new answer. @param value_max  a value longer than this, in bytes, is dropped and
 * marked */
void fl_etcd3_proto_begin(struct fl_etcd3_proto *p, fl_etcd3_proto_cb on_kv, size_t value_max);
/** Take the next bytes. @return 0; -EBADMSG if this is no listing; -ENOMEM. An error sticks. */
int fl_etcd3_proto_feed(struct fl_etcd3_proto *p, const char *bytes, size_t len);
/** Nothing that is wanted comes any more. */
bool fl_etcd3_proto_is_over(const struct fl_etcd3_proto *p);
/** The answer is over. @return 0; -EBADMSG if it is not whole, or was none; -ENOMEM */
int fl_etcd3_proto_finish(struct fl_etcd3_proto *p);
void fl_etcd3_proto_done(struct fl_etcd3_proto *p);

#endif
