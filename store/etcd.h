/* store/etcd.h - between what both APIs of etcd share (etcd.c and its parts: policy, endpoints,
 * retries, the life of the own lease) and what each API speaks (etcd2.c, etcd3.c: one request in,
 * typed results out). Floors: etcd.c stands on a struct fl_etcd_api. */
#ifndef FL_STORE_ETCD_H
#define FL_STORE_ETCD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fl_http;

extern const struct fl_store_ops fl_store_etcd;

#define FL_ETCD_PREFIX_MAX 512u	   /* bytes, with NUL */
#define FL_ETCD_CONFIG_MAX 262144u /* bytes: a longer network config is refused */
#define FL_ETCD_FOREVER	   (-1)	   /* a TTL: there is none */
#define FL_ETCD_SOMETIME   (-2)	   /* a TTL: there is one, but the answer does not tell it */

enum fl_etcd_verb {
	FL_ETCD_GET_CONFIG, /* PREFIX/config */
	FL_ETCD_LIST,	    /* all below PREFIX/subnets; a missing folder is MISSING */
	FL_ETCD_GET,	    /* one of them: key; its TTL is told */
	FL_ETCD_CREATE,	    /* only if there is none: key or config, value, ttl_s, lease */
	FL_ETCD_UPDATE,	    /* only at that index: key or config, value, ttl_s, index, lease */
	FL_ETCD_REFRESH,    /* new TTL, waking nobody if that can be, only at that index: key,
			       value, ttl_s, index, lease; gives the entry as it is now, if the
			       answer has it */
	FL_ETCD_REMOVE,	    /* only at that index: key, index, lease */
	FL_ETCD_VERSION,    /* of the server, as the result's why; not v2 */
	FL_ETCD_WATCH,	    /* what happens behind index, below PREFIX/subnets: the first event
			       (v2), or one after the other (v3) */
};

/** Strings are borrowed until done(). */
struct fl_etcd_request {
	enum fl_etcd_verb verb;
	const char *key; /* the last component */
	bool config;	 /* PREFIX/config in place of an entry below PREFIX/subnets */
	const char *value;
	int64_t ttl_s; /* or FL_ETCD_FOREVER */
	uint64_t index;
	uint64_t lease; /* v3: the etcd lease to attach the entry to; 0: grant one if it has a TTL.
			   REMOVE: revoke it if nothing else is attached to it */
	uint32_t timeout_ms;
	uint32_t begin_timeout_ms; /* watch: SILENT if it has not begun to answer; 0: no bound */
};

/** An entry below subnets/, as it is in an answer. Borrowed. */
struct fl_etcd_entry {
	const char *key; /* the last component; "config" for the config */
	const char *value;
	size_t value_len;
	uint64_t index;	  /* v2 modifiedIndex, v3 mod_revision */
	uint64_t lease;	  /* v3: the etcd lease it is attached to, or 0 */
	int64_t ttl_s;	  /* left, or FL_ETCD_FOREVER, or FL_ETCD_SOMETIME */
	const char *flaw; /* why the value is of no use ("a folder"); NULL: it may be */
	bool gone;	  /* an event that took it away: delete, expire */
};

/** How a request ended. */
enum fl_etcd_outcome {
	FL_ETCD_OK,
	FL_ETCD_MISSING,  /* no such key */
	FL_ETCD_CONFLICT, /* it is there already, or its index is another */
	FL_ETCD_CLEARED,  /* watch: events may have been missed, take a snapshot */
	FL_ETCD_QUIET,	  /* watch: ended without an event, go on (index: nothing happened up to
			     there; 0: that cannot be said) */
	FL_ETCD_SILENT,	  /* watch: no answer began; is the endpoint alive? */
	FL_ETCD_DENIED,	  /* 401, 403: say so, retry slowly */
	FL_ETCD_ABSENT,	  /* this endpoint does not speak the API, or cannot be used by it */
	FL_ETCD_FAILED,	  /* no usable answer: try the next endpoint */
};

struct fl_etcd_result {
	enum fl_etcd_outcome outcome;
	uint64_t index;	  /* of the store: go on watching behind it (0: unknown); for a write: the
			     entry's new index */
	uint64_t newest;  /* for a watch that has an event: the store's index when it was asked (0:
			     unknown), so that one sees how far behind one is */
	int64_t ttl_s;	  /* for a write: what is left, or FL_ETCD_FOREVER */
	uint64_t lease;	  /* v3, for a write: the etcd lease to go on with, also after a failure; 0:
			     none */
	uint64_t cluster; /* id of the cluster that answered; 0: not said */
	const char *why;  /* one line for people; "" on success */
};

/** A slot for one request at a time. Embed one in its owner. */
struct fl_etcd_slot {
	const struct fl_etcd_slot_ops *ops;
	void *call; /* private to the API */
};

struct fl_etcd_slot_ops {
	/** A watch is accepted, though there is no event yet: the endpoint lives. @p cluster as in
	 * the result. */
	void (*accepted)(struct fl_etcd_slot *slot, uint64_t cluster);
	/** A watch that goes on: all that happened up to @p index has been told. */
	void (*progress)(struct fl_etcd_slot *slot, uint64_t index);
	/** An entry of the answer, streamed. Each is whole and true, also if the answer breaks off
	 * behind it; but then nothing follows from what was not in it. */
	void (*entry)(struct fl_etcd_slot *slot, const struct fl_etcd_entry *e);
	/** Exactly once per start that returned 0, last, never from within it; not after a cancel.
	 * The slot may be started again in it. */
	void (*done)(struct fl_etcd_slot *slot, const struct fl_etcd_result *res);
};

/** What all slots of a store have in common. Strings are borrowed, "" where not given. */
struct fl_etcd_session {
	struct fl_http *http;
	const char *prefix; /* normal: one slash before each component, none behind */
	const char *username;
	const char *password;
	void *shared; /* private to the API */
};

/** What an API of etcd implements. */
struct fl_etcd_api {
	/** Before the first init(). May be NULL, with close(). @return 0, -ENOMEM */
	int (*open)(struct fl_etcd_session *session);
	/** After the last done(); no-op if open() was not, or failed. */
	void (*close)(struct fl_etcd_session *session);
	/** Do values have "PublicIPv6", as flannel writes them for this API? May be NULL: no. */
	bool (*writes_ipv6)(const struct fl_etcd_session *session);
	/** Does the watch of a member that has lost the others go on, in silence? May be NULL: no.
	 */
	bool (*watches_blindly)(const struct fl_etcd_session *session);
	/** @p session is borrowed until done(). */
	int (*init)(struct fl_etcd_slot *slot, struct fl_etcd_session *session);
	/** @p endpoint is a URL without slash at its end, borrowed until done(). @return 0;
	 * -EDEADLK within accepted(), progress() or entry() of any slot; -ENOMEM */
	int (*start)(struct fl_etcd_slot *slot, const char *endpoint,
		     const struct fl_etcd_request *req);
	void (*cancel)(struct fl_etcd_slot *slot); /* no-op if nothing runs */
	void (*done)(struct fl_etcd_slot *slot);   /* no-op if init() was not, or failed */
};

/** What create() takes in place of the API that is asked for, if it is not NULL: for unit tests. */
extern const struct fl_etcd_api *fl_etcd_api;

#endif
