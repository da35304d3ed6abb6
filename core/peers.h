/* core/peers.h - the leases of the other hosts: snapshot or event in, additions and removals out.
 * O(1) each. */
#ifndef FL_PEERS_H
#define FL_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "lease.h"

struct fl_peers; /* fields in peers.c */

/** Who is told. Embed one in the owner; fl_container_of() gets back to it. */
struct fl_peers_listener {
	/** The backend type that nearly all leases have, borrowed; NULL: there is none. */
	const char *usual_type;
	/** Records stay where they are until removed() for them returns, which takes twice the
	 * memory. Else each is borrowed for the call. */
	bool lasting;
	/** A lease appeared. The members way, since_s and told of @p rec are the listener's: what
	 * it leaves there is there the next time. */
	void (*added)(struct fl_peers_listener *l, struct fl_lease_record *rec);
	/** A lease is gone, or about to be replaced (then added() follows at once). */
	void (*removed)(struct fl_peers_listener *l, struct fl_lease_record *rec);
};

int fl_peers_create(struct fl_peers_listener *listener, struct fl_peers **ret);
void fl_peers_destroy(struct fl_peers *p); /* tells nobody; NULL is a no-op */

/**
 * A lease as the store has it now. Unknown: added(). Known and the same for other hosts: only its
 * expiry is taken over, nobody is told. Known and different: removed(), added(). Index and etcd
 * lease, which nobody asks for, are not kept.
 * @param rec  taken, also on error
 */
int fl_peers_put(struct fl_peers *p, struct fl_lease_record *rec);
/** The lease of @p subnet is gone; no-op if it is not known. */
void fl_peers_del(struct fl_peers *p, const struct fl_prefix *subnet);

/** A snapshot begins: put what it holds, then end it (whatever was not put is removed), or abort it
 * (nothing is). */
void fl_peers_snapshot_begin(struct fl_peers *p);
void fl_peers_snapshot_end(struct fl_peers *p);
void fl_peers_snapshot_abort(struct fl_peers *p);

/** In a snapshot: this subnet's entry is there but unreadable, so what we know of it stays (S1: no
 * removal on doubt). */
void fl_peers_keep(struct fl_peers *p, const struct fl_prefix *subnet);

/** Where a walk over all leases has come. All zero: at the beginning. */
struct fl_peers_cursor {
	uint32_t bucket;
	uint32_t mask;
};

/**
 * Hand about @p max leases to @p each, and go on from there the next time. Between two calls leases
 * may come and go; then some may be handed out twice, none is left out. In @p each none may be put
 * or deleted.
 * @return true if there are more
 */
bool fl_peers_walk(struct fl_peers *p, struct fl_peers_cursor *c, uint32_t max,
		   void (*each)(struct fl_peers_listener *l, struct fl_lease_record *rec));

uint32_t fl_peers_count(const struct fl_peers *p);
/** @param ret  set if it is known: what added() has got, its strings borrowed until the next put
 * or deletion */
bool fl_peers_find(const struct fl_peers *p, const struct fl_prefix *subnet,
		   struct fl_lease_record *ret);

#endif
