/* core/overlay.h - the leases of others become rows: peers in, backend.rows() asked, fib told. */
#ifndef FL_OVERLAY_H
#define FL_OVERLAY_H

#include <stdint.h>

#include "fib.h"
#include "lease.h"
#include "peers.h"

struct ev_loop;
struct fl_env;
struct fl_peer_filter;
struct fl_overlay; /* fields in overlay.c */

/** Borrowed, and must outlive the overlay. */
struct fl_overlay_conf {
	struct ev_loop *loop;
	struct fl_env *env; /* its devices are the ones to compare with the kernel */
	const struct fl_backend_ops *ops;
	struct fl_backend *backend;
	const struct fl_lease *own;
	struct fl_peer_filter *filter; /* lets in the peers that are reached; NULL: no filter */
	/** A lease of another host came, or is gone, or about to change (then it comes again).
	 * NULL: nobody wants to know. */
	void (*news)(void *owner, const struct fl_lease *peer, bool came);
	void *news_owner;
};

/** @return 0 or -errno; @p ret is set only on success, and the caller's until fl_overlay_destroy()
 */
int fl_overlay_create(const struct fl_overlay_conf *conf, struct fl_overlay **ret);
/** The rows that the backend wants whatever peers there are. @return 0; -EINVAL: they cannot be
 * had,
 * @p why is set to the reason, borrowed until the next call */
int fl_overlay_declare_own(struct fl_overlay *o, const char **why);
/** Rows stay in the kernel. NULL is a no-op. */
void fl_overlay_destroy(struct fl_overlay *o);

/**
 * A snapshot of all leases: begin, put or keep each, end or abort. The end of the first one
 * compares the kernel with what is declared (fl_fib_adopt). Rows of peers that left while we were
 * away are removed then; those that lead to a subnet whose entry is of no use stay until it is
 * of use or gone, for they may be right (S1).
 */
void fl_overlay_snapshot_begin(struct fl_overlay *o);
void fl_overlay_snapshot_end(struct fl_overlay *o);
void fl_overlay_snapshot_abort(struct fl_overlay *o);

/** A lease of another host, from a snapshot or as an event. @param rec taken */
void fl_overlay_put(struct fl_overlay *o, struct fl_lease_record *rec);
/** The entry of @p subnet is there but unreadable: what is known of it stays (S1). */
void fl_overlay_keep(struct fl_overlay *o, const struct fl_prefix *subnet);
/** The lease of @p subnet is gone. */
void fl_overlay_del(struct fl_overlay *o, const struct fl_prefix *subnet);

struct fl_overlay_stats {
	uint32_t peers;	   /* leases of others: the sum of the next four */
	uint32_t reached;  /* whose rows are declared */
	uint32_t ignored;  /* of another backend type, or of no concern to ours */
	uint32_t waiting;  /* that no route leads to for now */
	uint32_t refused;  /* outside of Network, or with data that is of no use */
	bool complete;	   /* all leases are known */
	bool devices_well; /* nothing is known to be wrong with the backend's devices */
	uint64_t device_repairs;
	struct fl_fib_stats rows;
};

void fl_overlay_stats(const struct fl_overlay *o, struct fl_overlay_stats *ret);

/** A lease of another host, and what was made of it. */
struct fl_overlay_peer {
	const struct fl_lease_record *rec;
	const char *state;	    /* "reached", "ignored", "waiting", "refused" */
	const char *why;	    /* "" if reached */
	const struct fl_rows *rows; /* that lead to it */
	uint32_t standing;	    /* how many of them stand in the kernel */
};

/** @param p  and all in it: borrowed for the call */
typedef void (*fl_overlay_each)(void *owner, const struct fl_overlay_peer *p);

/** Hand about @p max leases of others to @p each, as fl_peers_walk() does. @return true if there
 * are more */
bool fl_overlay_walk(struct fl_overlay *o, struct fl_peers_cursor *c, uint32_t max,
		     fl_overlay_each each, void *owner);

/**
 * The backend is about to be destroyed and made anew, because the underlay has changed: ask it
 * nothing any more and leave the kernel alone. What is in the kernel stays, leases are still taken.
 */
void fl_overlay_suspend(struct fl_overlay *o);
/**
 * @p backend is up in place of the one before, as after a restart: what is declared now is compared
 * with the kernel, and equal rows are not touched.
 * @return 0 or -errno: it is suspended as before
 */
int fl_overlay_resume(struct fl_overlay *o, struct fl_backend *backend, const struct fl_lease *own);

/** A device of the backend's own making came, or went. */
void fl_overlay_device_came(struct fl_overlay *o, uint32_t ifindex);
void fl_overlay_device_went(struct fl_overlay *o, uint32_t ifindex);

#endif
