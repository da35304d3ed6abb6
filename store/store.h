/* store/store.h - THE contract of a store: where the network config and the leases live.
 *
 * All calls come from the loop's thread and return at once; results come to the listener, from the
 * loop, never from within a call. A store retries by itself (100 ms .. 5 s, jittered) and never
 * gives up on an outage: it says what it waits for.
 */
#ifndef FL_STORE_H
#define FL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "lease.h"

struct ev_loop;
struct fl_netconf;
struct fl_store; /* a store's own object starts with one: see below */
struct fl_store_listener;

/** How to reach the store. Borrowed; must outlive it. Strings may be NULL or "" where not given. */
struct fl_store_conf {
	const char *url;	 /* which store: see fl_store_check_url(); not given: etcd */
	struct fl_prefix subnet; /* a store by hand: the lease with this subnet is ours; or none */
	const char *endpoints;	 /* comma list of URLs */
	const char *prefix;	 /* "/coreos.com/network" */
	const char *ca_file;
	const char *cert_file;
	const char *key_file;
	const char *username;
	const char *password;
	unsigned int etcd_api;	 /* 2 or 3; 0: whichever holds the network config */
	uint32_t lease_ttl_s;	 /* for leases we create or take over */
	uint32_t renew_margin_s; /* renew that long before expiry; less than lease_ttl_s */
};

struct fl_store_listener_ops {
	/** Answer to fetch_config(): the network config as it is in the store. Borrowed. */
	void (*config)(struct fl_store_listener *l, const char *text, size_t len);

	/** Answer to acquire(): the lease is ours. @p own is borrowed, and valid until the next
	 * acquire() or change(), or the store's end. */
	void (*acquired)(struct fl_store_listener *l, const struct fl_lease_record *own);

	/** A snapshot of the others' leases is about to come: begin, then peer() or unreadable()
	 * for each, then end or, if the answer broke off, abort. What was told before an abort is
	 * true and stays; it is not all, so nothing follows from what was not told. Another
	 * snapshot comes. */
	void (*snapshot_begin)(struct fl_store_listener *l);
	void (*snapshot_end)(struct fl_store_listener *l);
	void (*snapshot_abort)(struct fl_store_listener *l);

	/** A lease of another host, within a snapshot or as an event. @p rec is taken. */
	void (*peer)(struct fl_store_listener *l, struct fl_lease_record *rec);
	/** An entry of @p subnet is there but of no use (already logged): keep what is known of it
	 * (S1). */
	void (*unreadable)(struct fl_store_listener *l, const struct fl_prefix *subnet);
	/** The lease of @p subnet is gone, by deletion or expiry. */
	void (*gone)(struct fl_store_listener *l, const struct fl_prefix *subnet);

	/** Our subnet is another host's now (S7, S8), @p why says whose: no retry can help, the
	 * daemon must act. The store has stopped writing the lease and watching the others'. */
	void (*lost)(struct fl_store_listener *l, const char *why);

	/** Answer to release(): the own lease is deleted (0), or could not be (-errno). */
	void (*released)(struct fl_store_listener *l, int error);

	/** What the store is doing, for people (sd_notify's STATUS=): "waiting for
	 * /coreos.com/network/config ...". NULL: all is well. */
	void (*status)(struct fl_store_listener *l, const char *text);
};

/** Embed one in the owner; fl_container_of() gets back to it. */
struct fl_store_listener {
	const struct fl_store_listener_ops *ops;
};

/** How the own lease stands. */
enum fl_store_own {
	FL_STORE_OWN_NONE,  /* not acquired yet, lost or released */
	FL_STORE_OWN_HELD,  /* as far as is known, the store has it; see expires_s */
	FL_STORE_OWN_AMISS, /* it was missing or written over, and is not put right yet */
};

/** What a store knows of itself. Counters only grow. */
struct fl_store_stats {
	enum fl_store_own own;
	int64_t expires_s;   /* of the own lease: Unix time; 0: it has none, or does not expire */
	bool following;	     /* all leases are known, and what happens to them is heard */
	double contact_s;    /* Unix time of the last answer; 0: none yet */
	const char *waiting; /* as told by status(), "" for nothing; borrowed until the next call */
	int64_t cert_expires_s; /* of our certificate towards it: Unix time; 0: there is none */
	int64_t ca_expires_s;	/* of the CA by which we know it; likewise */
	uint32_t unreadable;	/* entries that are there and of no use */
	uint64_t renewals;
	uint64_t renewal_failures; /* attempts; each is repeated */
	uint64_t recreations;	   /* of the own lease */
	uint64_t snapshots;	   /* one is normal; more: events were missed */
	uint64_t events;
	uint64_t requests_answered;
	uint64_t requests_denied;      /* credentials or permissions */
	uint64_t requests_failed;      /* no usable answer */
	struct fl_histogram durations; /* of what was answered, or denied; without the watch */
};

/** What each store implements. */
struct fl_store_ops {
	/** fl_store_check_url() for one of this store's scheme. NULL: the scheme's name is all. */
	int (*check_url)(const char *url, char **why);
	int (*create)(struct ev_loop *loop, const struct fl_store_conf *conf,
		      struct fl_store_listener *listener, struct fl_store **ret, char **why);
	int (*fetch_config)(struct fl_store *s);
	int (*acquire)(struct fl_store *s, const struct fl_netconf *nc, const struct fl_lease *mine,
		       const struct fl_prefix *previous, const struct fl_addr *underlay);
	int (*watch)(struct fl_store *s);
	int (*change)(struct fl_store *s, const struct fl_lease *mine, const struct fl_lease **own);
	int (*release)(struct fl_store *s);
	void (*reload)(struct fl_store *s); /* NULL: nothing to do */
	void (*stats)(const struct fl_store *s, struct fl_store_stats *ret);
	void (*destroy)(struct fl_store *s);
	bool by_hand; /* fl_store_by_hand() */
};

struct fl_store {
	const struct fl_store_ops *ops;
	struct fl_store_listener *listener;
	char *config_name; /* owned; fl_store_create() makes it */
};

/**
 * Whether @p url names a store: "etcd" (also ""), or "file:///PATH" for one that people write by
 * hand.
 * @param why  set on -EINVAL: what it must be, owned by the caller
 * @return 0, -EINVAL, -ENOMEM
 */
int fl_store_check_url(const char *url, char **why);

/** The path in a URL "file:///PATH", within it; NULL if it is none. */
const char *fl_store_path_of(const char *url);

/**
 * Create the store that @p conf->url asks for (the table of stores is in store.c).
 * @param why  set on -EINVAL: which setting is wrong, one line, owned by the caller
 */
int fl_store_create(struct ev_loop *loop, const struct fl_store_conf *conf,
		    struct fl_store_listener *listener, struct fl_store **ret, char **why);
/** Stops everything, tells nobody; NULL is a no-op. Of the listener's functions, only config(),
 * acquired(), lost() and released() may call it. */
void fl_store_destroy(struct fl_store *s);

/** Where the network config is, for messages: "/coreos.com/network/config". Borrowed. */
const char *fl_store_config_name(const struct fl_store *s);

/** True if people write the leases, and we only read them: then a lease may be without BackendData,
 * and our own may have other than we asked for. */
bool fl_store_by_hand(const struct fl_store *s);

/** Files that it reads may have changed (SIGHUP): look at them now. */
void fl_store_reload(struct fl_store *s);

/** Get the network config, waiting until there is one. Ends in config(). May be called again (the
 * last text was no good): then it waits for a text that differs from the one it reported last, and
 * leaves it to the caller to say why. */
int fl_store_fetch_config(struct fl_store *s);

/**
 * Take a lease for @p mine (all but its subnet, copied) under @p nc (borrowed until acquired()), as
 * flannel does: one with our PublicIP that nc allows is taken over (a reservation, without TTL,
 * stays one), one that nc does not allow is deleted; else @p previous (may be none) if free and
 * allowed; else a pick of the allocator. Creation is exclusive; a lost race begins again. An
 * exhausted pool is said (which, how many) and waited out. A store by hand looks for the lease that
 * was given to us, and waits until there is one; @p mine tells who we are. A subnet that holds @p
 * underlay, our address on the underlay (may be none), or our PublicIP counts as one that nc does
 * not allow: the others' tunnels to us would lead into themselves. Ends in acquired().
 */
int fl_store_acquire(struct fl_store *s, const struct fl_netconf *nc, const struct fl_lease *mine,
		     const struct fl_prefix *previous, const struct fl_addr *underlay);

/** After acquired(): report the others' leases, for ever, and keep the own one: renew it in time,
 * re-create it when it vanishes. One snapshot first. */
int fl_store_watch(struct fl_store *s);

/**
 * After acquired(): the own lease says @p mine (all but its subnet, copied) from now on, for this
 * host has another address (S12). It is written over what we have written before, and over nothing
 * else: if another host holds it by now, that is lost(). Tried until it stands; nobody is told. A
 * store by hand only says that it has to be changed.
 * @param own  the lease as it is now, in place of what acquired() has handed out; borrowed likewise
 * @return 0; -EINVAL while no lease is ours; -ENOMEM (all is as before)
 */
int fl_store_change(struct fl_store *s, const struct fl_lease *mine, const struct fl_lease **own);

/** Delete the own lease, if it is still ours; a reservation stays, which is no error, and so does
 * any lease of a store by hand. Ends in
 * released(), soon: one attempt. */
int fl_store_release(struct fl_store *s);

/** What to tell operators. Cheap; any time. */
void fl_store_stats(const struct fl_store *s, struct fl_store_stats *ret);

#endif
