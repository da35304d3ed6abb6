/* store/etcd_internal.h - what the parts of the etcd store share; for etcd*.c only. */
#ifndef FL_STORE_ETCD_INTERNAL_H
#define FL_STORE_ETCD_INTERNAL_H

#include <ev.h>

#include "base/backoff.h"
#include "base/defs.h"
#include "base/hash.h"
#include "lease.h"
#include "store/etcd.h"
#include "store/store.h"

struct fl_allocator;
struct fl_etcd;
struct fl_etcd_chan;

#define FL_ETCD_TEXT_MAX 512u /* bytes, with NUL: a line for people */

/* ---- settings: etcd.c ---- */

struct fl_http_conf;

/** @return 0; -EINVAL with @p why set (owned by the caller); -ENOMEM */
int fl_etcd_conf_check(const struct fl_store_conf *conf, char **why);
/** Strings are those of @p conf. */
void fl_etcd_http_conf(const struct fl_store_conf *conf, struct fl_http_conf *ret);
const struct fl_etcd_api *fl_etcd_api_of(const struct fl_store_conf *conf);

/* ---- endpoints: etcd_endpoints.c ---- */

struct fl_etcd_endpoint {
	char *url; /* without slash at its end; it holds no password */
	bool down; /* failed when it was last tried */
	bool told; /* and that was said */
	char why[160];
};

struct fl_etcd_endpoints {
	struct fl_etcd_endpoint *items;
	size_t count;
};

/** @return 0; -EINVAL with @p why set (owned by the caller); -ENOMEM */
int fl_etcd_endpoints_parse(const char *list, struct fl_etcd_endpoints *ret, char **why);
void fl_etcd_endpoints_done(struct fl_etcd_endpoints *eps);
/** Slashes put right: one before each component, none behind. Same returns. */
int fl_etcd_prefix_parse(const char *text, char ret[FL_ETCD_PREFIX_MAX], char **why);

/* ---- a channel: one request at a time, carried from endpoint to endpoint until one answers;
 * etcd_chan.c ---- */

struct fl_etcd_chan_ops {
	/** An entry of the answer; see restart. */
	void (*entry)(struct fl_etcd *etcd, const struct fl_etcd_entry *e);
	/** The answer broke off, forget its entries: there will be another. May be NULL. */
	void (*restart)(struct fl_etcd *etcd);
	/** A watch that goes on has told all up to @p index. May be NULL. */
	void (*progress)(struct fl_etcd *etcd, uint64_t index);
	/** Never FAILED, ABSENT or DENIED, but for a request that is tried only once. */
	void (*done)(struct fl_etcd *etcd, const struct fl_etcd_result *res);
	bool once;
};

enum fl_etcd_trouble {
	FL_ETCD_FINE,
	FL_ETCD_AWAY,	/* no endpoint answers */
	FL_ETCD_REFUSED /* credentials or permissions */
};

struct fl_etcd_chan {
	struct fl_etcd *etcd;
	struct fl_etcd_slot slot;
	const struct fl_etcd_chan_ops *ops;
	struct fl_etcd_request req;
	ev_timer timer; /* the next attempt */
	struct fl_backoff backoff;
	size_t endpoint;       /* in use, or to be tried next */
	unsigned int failures; /* since the last answer */
	enum fl_etcd_trouble trouble;
	bool busy; /* a request is under way, or waits for its turn */
	ev_tstamp sent;
};

int fl_etcd_chan_init(struct fl_etcd_chan *ch, struct fl_etcd *etcd);
void fl_etcd_chan_done(struct fl_etcd_chan *ch);
/** Send @p req after @p delay_ms; its strings stay borrowed until done(). What ran is dropped.
 * Allowed in entry(): then it goes out from the loop. */
void fl_etcd_chan_start(struct fl_etcd_chan *ch, const struct fl_etcd_chan_ops *ops,
			const struct fl_etcd_request *req, uint32_t delay_ms);
void fl_etcd_chan_cancel(struct fl_etcd_chan *ch);

/* ---- the parts' own state ---- */

/* Entries that cannot be read, so that each is told of once. etcd_bad.c */
struct fl_etcd_bad {
	struct fl_hash table;
	uint32_t round; /* the snapshot that runs, or ran last */
	bool full;	/* said that there are too many */
};

/* The keys whose leases were told as peers: one for each subnet. etcd_keys.c */
struct fl_etcd_key;
struct fl_etcd_keys {
	struct fl_etcd_key *slots;
	uint32_t mask; /* slots - 1 */
	uint32_t count;
	struct fl_hash dual; /* texts of those that do not follow from the subnet */
};

/* etcd_acquire.c */
struct fl_etcd_acquire {
	const struct fl_netconf *nc;   /* borrowed until acquired() */
	struct fl_prefix previous;     /* or none */
	struct fl_addr underlay;       /* our address there, or none */
	struct fl_allocator *taken;    /* NULL while no listing runs */
	struct fl_lease_record *found; /* a lease of our address */
	struct fl_lease_record *at_previous;
	uint32_t count;	     /* leases in the listing */
	bool previous_taken; /* an entry is there, readable or not */
	bool told_previous;
	bool failed; /* out of memory: the listing is incomplete */
	struct fl_backoff race;
	struct fl_backoff wait;
	bool waiting;
};

#define FL_ETCD_FORMER_MAX 8u /* changes while etcd is away; of more the last ones count */

/* The listing that acquire() has decided upon. etcd_listing.c */
struct fl_etcd_listed;
struct fl_etcd_listing {
	struct fl_etcd_listed *head;
	struct fl_etcd_listed **tail;
	char *usual_type; /* of its leases' backends */
	uint64_t index;	  /* of the store */
	bool whole;	  /* it has come to its end, and was not told yet */
	ev_check turn;	  /* one slice per turn of the loop */
	ev_idle awake;
};

/* What the store holds at our key. */
enum fl_etcd_own_state {
	FL_ETCD_OWN_SAME,    /* what we wrote */
	FL_ETCD_OWN_CHANGED, /* somebody wrote over it, but it is no other host's */
	FL_ETCD_OWN_FOREIGN, /* another host's */
};

/* etcd_own.c */
struct fl_etcd_own {
	struct fl_lease_record *rec; /* NULL before acquire() */
	char *value;		     /* its encoding */
	/* While a change is on its way: what etcd may hold instead, and is ours as well. */
	struct fl_lease_record *former[FL_ETCD_FORMER_MAX];
	uint32_t n_former;
	char key[FL_LEASE_KEY_MAX];
	bool held;    /* acquired, and neither lost nor released */
	bool kept;    /* watch() was called: renew and re-create it */
	bool recheck; /* something happened to it while a request was under way */
	ev_timer renew;
	bool repairing;		  /* what is written was missing, or not ours */
	struct fl_backoff repair; /* pace of re-creation */
	ev_tstamp repaired_at;
	/* what a get has found */
	enum fl_etcd_own_state seen;
	uint64_t seen_index;
	uint64_t seen_lease;
	int64_t seen_ttl_s;
	char holder[FL_ADDR_STRLEN];
	ev_timer release; /* released() comes from the loop */
	int release_error;
	unsigned int release_tries;
};

/* etcd_watch.c */
struct fl_etcd_watch {
	uint64_t index; /* of the store: all up to it is known */
	bool open;	/* a snapshot is being told */
	bool following; /* a snapshot is complete, and no other one is on its way */
	bool own_seen;
	bool hushed; /* snapshots follow each other: they are no news */
	bool stale;  /* a key that was passed over, or that there was no memory to read, may
			count now: take a snapshot */
	bool silent; /* the last poll was not answered at all, by this endpoint: */
	size_t silent_endpoint;
	uint32_t peers;
	uint32_t bad;
	ev_tstamp started;	/* the poll */
	ev_tstamp cleared;	/* when events were missed last; 0: never */
	struct fl_backoff pace; /* of answers that come suspiciously fast */
};

struct fl_etcd {
	struct fl_store store;
	struct ev_loop *loop;
	const struct fl_store_conf *conf;
	const struct fl_etcd_api *api;
	struct fl_http *http;
	struct fl_etcd_session session;
	bool opened;	  /* the API's part of it */
	uint64_t cluster; /* id of the cluster that answered last; 0: none yet */
	char prefix[FL_ETCD_PREFIX_MAX];
	struct fl_etcd_endpoints endpoints;
	struct fl_etcd_chan requests; /* keeps one connection */
	struct fl_etcd_chan events;   /* keeps the other */
	enum fl_etcd_trouble trouble; /* the worse of both, as it was told */
	char trouble_text[FL_ETCD_TEXT_MAX];
	char waiting[FL_ETCD_TEXT_MAX]; /* what we wait for in a store that answers; "": nothing */
	char said[FL_ETCD_TEXT_MAX];
	char *config; /* as reported last */
	size_t config_len;
	bool config_news;
	bool config_missing;
	struct fl_backoff config_wait;
	struct fl_etcd_acquire acquire;
	struct fl_etcd_listing listing;
	struct fl_etcd_own own;
	struct fl_etcd_watch watch;
	struct fl_etcd_bad bad;
	struct fl_etcd_keys keys;
	struct fl_store_stats stats; /* the counters and contact_s; the rest is looked up */
	unsigned int handing; /* > 0: an API's callback is on the stack, so none may be started */
	bool refresh_empties; /* etcd before 2.3.7: a refresh takes the value away */
};

static inline struct fl_etcd *fl_etcd_of(struct fl_store *s)
{
	return fl_container_of(s, struct fl_etcd, store);
}

/* ---- etcd.c ---- */

/** What we wait for, besides the store's answers; NULL: nothing. */
void fl_etcd_wait_for(struct fl_etcd *etcd, const char *fmt, ...) FL_PRINTF(2, 3);
/** @p ch is in trouble, or not any more: say so, once. */
void fl_etcd_trouble(struct fl_etcd_chan *ch, enum fl_etcd_trouble trouble, const char *why);
/** @p cluster has answered (0: not said). If that is another one than before: say so, and look at
 * everything anew. */
void fl_etcd_met_cluster(struct fl_etcd_chan *ch, uint64_t cluster);

/* ---- etcd_acquire.c ---- */

int fl_etcd_acquire(struct fl_store *s, const struct fl_netconf *nc, const struct fl_lease *mine,
		    const struct fl_prefix *previous, const struct fl_addr *underlay);
void fl_etcd_acquire_done(struct fl_etcd *etcd);

/* ---- etcd_own.c ---- */

void fl_etcd_own_init(struct fl_etcd *etcd);
void fl_etcd_own_done(struct fl_etcd *etcd);
/** The value of @p lease, as flannel writes it for this API; the caller's. NULL: no memory. */
char *fl_etcd_encode(const struct fl_etcd *etcd, const struct fl_lease *lease);
/** The lease is ours: index, TTL and etcd lease as in the answer to the write. */
void fl_etcd_own_taken(struct fl_etcd *etcd, const struct fl_etcd_result *res);
/** From now on: renew it in time, re-create it. */
void fl_etcd_own_keep(struct fl_etcd *etcd);
/** What etcd has at our key, as GET or REFRESH answer it: noted as own.seen. */
void fl_etcd_own_look(struct fl_etcd *etcd, const struct fl_etcd_entry *e);
/** A refresh took the value away: say so, once, and refresh no more. */
void fl_etcd_own_emptied(struct fl_etcd *etcd);
/** The watch saw our key, or that it is gone; NULL: a snapshot does not have it. */
void fl_etcd_own_event(struct fl_etcd *etcd, const struct fl_etcd_entry *e);
int fl_etcd_change(struct fl_store *s, const struct fl_lease *mine, const struct fl_lease **own);
int fl_etcd_release(struct fl_store *s);

/* ---- etcd_listing.c ---- */

void fl_etcd_listing_init(struct fl_etcd *etcd);
/** One more entry. @p rec and @p why are as fl_etcd_entry_read() has left them, and taken.
 * @return 0, -ENOMEM */
int fl_etcd_listing_add(struct fl_etcd *etcd, const struct fl_etcd_entry *e,
			struct fl_lease_record *rec, char *why);
/** That was all of it, up to @p index. */
void fl_etcd_listing_close(struct fl_etcd *etcd, uint64_t index);
/** Tell it as a snapshot, in slices, from the loop. @return false if there is none */
bool fl_etcd_listing_tell(struct fl_etcd *etcd);
/** Forget it, also while it is being told. */
void fl_etcd_listing_drop(struct fl_etcd *etcd);

/* ---- etcd_watch.c ---- */

int fl_etcd_watch(struct fl_store *s);
/** Poll anew, over another connection, if a poll is under way. */
void fl_etcd_watch_again(struct fl_etcd *etcd);
/** The lease that an entry is; the caller's. NULL: it is of no use, and @p why (the caller's, too;
 * NULL: no memory) says why. */
struct fl_lease_record *fl_etcd_entry_read(const struct fl_etcd_entry *e, char **why);
/** An entry of a snapshot that was read before; not the own one. @p rec is taken; NULL: of no use,
 * see @p why. */
void fl_etcd_watch_take(struct fl_etcd *etcd, const struct fl_etcd_entry *e,
			struct fl_lease_record *rec, const char *why);
/** That was all of it: go on behind @p index. */
void fl_etcd_watch_taken(struct fl_etcd *etcd, uint64_t index);
/** Another cluster has answered @p ch: if we watch, nothing that we know may be so any more. */
void fl_etcd_watch_anew(struct fl_etcd_chan *ch);

/* ---- etcd_stats.c ---- */

/** A request of the channel is on its way. */
void fl_etcd_stats_sent(struct fl_etcd_chan *ch);
/** The store has said something. */
void fl_etcd_stats_contact(struct fl_etcd *etcd);
/** The channel's request has ended. */
void fl_etcd_stats_done(struct fl_etcd_chan *ch, const struct fl_etcd_result *res);
void fl_etcd_stats(const struct fl_store *s, struct fl_store_stats *ret);

/* ---- etcd_bad.c ---- */

/** The entry cannot be used: log it unless it was logged before. */
void fl_etcd_bad_note(struct fl_etcd_bad *bad, const struct fl_etcd_entry *e, const char *why);
/** It is gone, or good again. */
void fl_etcd_bad_forget(struct fl_etcd_bad *bad, const char *key);
/** A snapshot begins; when it is complete, forget the entries that it did not have. */
void fl_etcd_bad_begin(struct fl_etcd_bad *bad);
void fl_etcd_bad_end(struct fl_etcd_bad *bad);
void fl_etcd_bad_done(struct fl_etcd_bad *bad);

/* ---- etcd_keys.c ---- */

/** True if another key stands for @p subnet. @p key counts from when that is gone. */
bool fl_etcd_keys_rivalled(struct fl_etcd_keys *keys, const char *key,
			   const struct fl_prefix *subnet);
/** @p key stands for @p subnet, for which no other does. @return 0, -ENOMEM */
int fl_etcd_keys_take(struct fl_etcd_keys *keys, const char *key, const struct fl_prefix *subnet);
/** It is gone. @return false if another key stands for @p subnet; else @p rivalled is set to true
 * if another one was passed over for it */
bool fl_etcd_keys_drop(struct fl_etcd_keys *keys, const char *key, const struct fl_prefix *subnet,
		       bool *rivalled);
/** A snapshot begins. */
void fl_etcd_keys_begin(struct fl_etcd_keys *keys);
/** It is complete: drop the keys that it did not have. @return true if another was passed over for
 * one of them */
bool fl_etcd_keys_end(struct fl_etcd_keys *keys);
void fl_etcd_keys_done(struct fl_etcd_keys *keys);

#endif
