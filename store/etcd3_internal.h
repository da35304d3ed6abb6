/* store/etcd3_internal.h - what the parts of the v3 API share; for etcd3*.c only. */
#ifndef FL_STORE_ETCD3_INTERNAL_H
#define FL_STORE_ETCD3_INTERNAL_H

#include "base/buf.h"
#include "io/http.h"
#include "store/etcd.h"
#include "store/etcd3_decode.h"
#include "store/etcd3_proto.h"

/** What all slots of a store share: struct fl_etcd_session's shared. */
struct fl_etcd3_shared {
	char *token;	     /* of authenticate; NULL: none yet */
	bool no_auth;	     /* authentication was not enabled when we asked */
	bool beta;	     /* the gateway is at /v3beta, as in 3.3 */
	int64_t asked_ttl_s; /* etcd raises a TTL that is too short for it: what was asked for, */
	int64_t given_ttl_s; /* and what came of it */
	const char *known;   /* the endpoint whose version was read last */
	const char *gateway_only; /* the endpoint that gave no listing over gRPC last */
	bool told_narrow;
	unsigned int unusable; /* answers in a row that say so */
};

/** One HTTP exchange. A request takes one, or a few, one after the other. */
enum fl_etcd3_step {
	FL_ETCD3_VERSION,
	FL_ETCD3_AUTHENTICATE,
	FL_ETCD3_RANGE,
	FL_ETCD3_LOOK, /* what is left of the TTL of the key that was found */
	FL_ETCD3_KEEPALIVE,
	FL_ETCD3_GRANT,
	FL_ETCD3_TXN,
	FL_ETCD3_TIDY_LOOK, /* is anything attached to the lease that we leave? */
	FL_ETCD3_TIDY,	    /* nothing: revoke it */
	FL_ETCD3_STREAM,
};

struct fl_etcd3_call {
	struct fl_etcd_slot *slot;
	struct fl_etcd_session *session;
	struct fl_etcd3_shared *shared;
	struct fl_http_req http;
	struct fl_etcd3_decoder decoder;
	struct fl_etcd3_proto proto; /* decodes what comes over gRPC */
	struct fl_etcd_request req;
	const char *endpoint;
	enum fl_etcd3_step step;
	enum fl_etcd3_step resume; /* behind a log-in, or the version */
	int64_t deadline_ms;	   /* of the whole request, CLOCK_MONOTONIC */
	struct fl_etcd_result result;
	uint64_t left;	/* the lease that the entry is not attached to any more, or 0 */
	bool logged_in; /* within this request */
	bool regranted;
	bool by_gateway;	 /* within this request: no gRPC any more */
	bool grpc;		 /* the exchange that runs is one */
	int grpc_status;	 /* of its answer; -1: none yet */
	bool turned;		 /* /v3 and /v3beta were swapped */
	bool stop;		 /* the stream has told why it ends: result */
	uint64_t told;		 /* stream: all up to it was told */
	uint64_t created;	 /* stream: the store's revision when it began */
	struct fl_buf found_key; /* of a GET, until its TTL is known */
	struct fl_buf found_value;
	struct fl_etcd3_kv found;
	struct fl_buf url;
	struct fl_buf body;
	struct fl_buf auth;
	char key[FL_ETCD_PREFIX_MAX + 160];
	char end[FL_ETCD_PREFIX_MAX + 16];
	char head[160]; /* of an answer: what is no JSON is words for people */
	size_t head_len;
	char why[400];
};

/* ---- etcd3.c ---- */

/** Send what @p step needs; a fault of ours ends the request as FAILED. */
void fl_etcd3_go(struct fl_etcd3_call *c, enum fl_etcd3_step step);
/** Tell the owner. The call may be in use again when this returns. */
void fl_etcd3_end(struct fl_etcd3_call *c, enum fl_etcd_outcome outcome);
/** The same, with words. */
void fl_etcd3_end_why(struct fl_etcd3_call *c, enum fl_etcd_outcome outcome, const char *why);
/** Give what was found to the owner, @p ttl_s as in struct fl_etcd_entry. */
void fl_etcd3_give(struct fl_etcd3_call *c, const struct fl_etcd3_kv *kv, int64_t ttl_s);

/** "Authorization: ..." of the token, in c->auth; NULL: there is none. */
const char *fl_etcd3_authorization(struct fl_etcd3_call *c);

/* ---- etcd3_grpc.c ---- */

/** May the step go past the gateway? */
bool fl_etcd3_grpc_fits(const struct fl_etcd3_call *c);
/** Send it so. @return 0 or -errno */
int fl_etcd3_grpc_send(struct fl_etcd3_call *c, uint32_t timeout_ms);
void fl_etcd3_grpc_header(struct fl_etcd3_call *c, const char *name, const char *value);
/** @return not 0: that is all that is wanted of the answer */
int fl_etcd3_grpc_body(struct fl_etcd3_call *c, const char *bytes, size_t len);
/** The exchange is over: end the request, or go on by the gateway. */
void fl_etcd3_grpc_done(struct fl_etcd3_call *c, const struct fl_http_result *res);

/* ---- etcd3_steps.c ---- */

enum fl_etcd3_step fl_etcd3_first_step(struct fl_etcd3_call *c);
/** The step's answer is whole and no error: go on, or end. */
void fl_etcd3_answered(struct fl_etcd3_call *c);
/** The step's answer is an error of etcd. */
void fl_etcd3_refused(struct fl_etcd3_call *c, int code, long status, const char *words);
/** A message of a watch. Sets stop, and the result, if that is its end. */
void fl_etcd3_message(struct fl_etcd3_call *c, const struct fl_etcd3_message *m);
/** The watch was stopped by fl_etcd3_message(). */
void fl_etcd3_stopped(struct fl_etcd3_call *c);

#endif
