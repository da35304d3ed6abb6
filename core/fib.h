/* core/fib.h - declared rows -> kernel. The only room that programs neighbours, FDB entries,
 * nexthops and routes. */
#ifndef FL_FIB_H
#define FL_FIB_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"

struct ev_loop;
struct fl_fib; /* fields in fib.c */
struct nlmsghdr;
struct fl_rtnl;

/** Our number in /etc/iproute2/rt_protos terms: routes and nexthops with it are ours. */
#define FL_RTPROT 70

struct fl_fib_stats {
	uint32_t declared;  /* distinct rows that should stand */
	uint32_t installed; /* that do, acknowledged by the kernel */
	uint32_t failed;    /* that the kernel refused */
	uint32_t conflicts; /* that stand in the way of somebody else's row, left alone */
	uint32_t spared;    /* that nobody declares, and that stay for now */
	uint64_t amiss;	    /* how often a comparison has found one that was believed to stand */
	uint64_t repaired;  /* how often others have removed or changed one, and it was put back */
};

struct fl_fib_listener {
	/**
	 * A route of ours to @p dst stands, and nobody declares it. True: it stays for now, and
	 * with it the neighbour of its gateway and that one's FDB entry. Asked by fl_fib_adopt()
	 * and fl_fib_sweep(); must not call the fib. NULL: nothing is spared.
	 */
	bool (*spared)(struct fl_fib_listener *l, const struct fl_prefix *dst);
	/** All that was declared or withdrawn has been handed to the kernel and acknowledged, or
	 * has failed. */
	void (*settled)(struct fl_fib_listener *l);
};

int fl_fib_create(struct ev_loop *loop, struct fl_rtnl *rtnl, struct fl_fib_listener *listener,
		  struct fl_fib **ret);
/** Rows stay in the kernel. NULL is a no-op. */
void fl_fib_destroy(struct fl_fib *fib);

/**
 * A row should stand. Rows with the same key are counted (K9): it goes when the last one is
 * withdrawn; while two declare different values for one key, the last declared one is in the
 * kernel, and the earlier one returns after it. Nothing is sent before fl_fib_commit().
 */
int fl_fib_declare(struct fl_fib *fib, const struct fl_row *row);
/** The reverse; @p row equals one that was declared. */
void fl_fib_withdraw(struct fl_fib *fib, const struct fl_row *row);

/**
 * What is declared is not known any more, because memory ran out: between the two, declare all that
 * should stand. Then whatever was not declared again counts as withdrawn. Nothing is sent before
 * fl_fib_commit(). Without the end, what was declared before stays in the kernel as it is.
 */
void fl_fib_recount_begin(struct fl_fib *fib);
void fl_fib_recount_end(struct fl_fib *fib);

/**
 * Send what changed, in batches: additions in the order of declaration, removals in the reverse
 * order of kinds (route, FDB, neighbour). The first batch goes out at once; more follow one per
 * loop turn, and settled() is called at the end, from the loop. Rows that the kernel refuses, or
 * that are in conflict, are logged once and tried again with backoff (100 ms .. 5 s) until they
 * stand.
 */
void fl_fib_commit(struct fl_fib *fib);

#define FL_FIB_DEVICES_MAX 8u

/**
 * Compare with the kernel: rows of ours on @p ifindex (own device: all permanent neighbours and FDB
 * entries; own protocol: routes and nexthops) that nobody declares are scheduled for removal if not
 * spared, equal ones are taken as installed and not touched, others are scheduled to be put right.
 * Call it once at start, after a complete snapshot, then commit. From then on the device counts as
 * our own.
 * @return 0 or -errno (-ENOSPC: FL_FIB_DEVICES_MAX); on error nothing is scheduled
 */
int fl_fib_adopt(struct fl_fib *fib, uint32_t ifindex);

/** The same for routes of ours (own protocol) into @p network on devices that are not our own, such
 * as the underlay's; call it after fl_fib_adopt() for those that are. */
int fl_fib_adopt_elsewhere(struct fl_fib *fib, const struct fl_prefix *network);

/**
 * The same step by step: begin, step until it returns 0 or an error, end; or end it early, and
 * nothing that it has found so far is known. A step takes a few milliseconds at most, but for
 * 150,000 rows some 20. Between steps anything may be called but another of these or
 * fl_fib_forget(); what is sent waits for the end. Announcements should be passed on, for what
 * others do meanwhile.
 */
struct fl_fib_adoption;

/** @return 0; -ENOSPC; -EBUSY: one runs already; -ENOMEM, or -errno of a socket */
int fl_fib_adopt_begin(struct fl_fib *fib, uint32_t ifindex, struct fl_fib_adoption **ret);
int fl_fib_adopt_elsewhere_begin(struct fl_fib *fib, const struct fl_prefix *network,
				 struct fl_fib_adoption **ret);
/** @return 1: there is more to do; 0: done; -EINTR: what is read is out of date each time, try
 * again later; or another -errno; and then nothing is scheduled */
int fl_fib_adopt_step(struct fl_fib_adoption *a);
void fl_fib_adopt_end(struct fl_fib_adoption *a); /* NULL is a no-op */

/** An own device has gone, and its rows with it. What is declared on it waits for the next
 * fl_fib_adopt() of it. */
void fl_fib_forget(struct fl_fib *fib, uint32_t ifindex);

/** Ask spared() again about what it has spared so far; what it gives up now is scheduled for
 * removal. Then commit. */
void fl_fib_sweep(struct fl_fib *fib);

/**
 * The kernel has announced something: RTM_NEWNEIGH, RTM_DELROUTE and so on. What others have done
 * to a declared row is undone, a few milliseconds later in one batch; if they do it again and
 * again, at the pace of rows that the kernel refuses. Echoes of our own requests do no harm.
 */
void fl_fib_notice(struct fl_fib *fib, const struct nlmsghdr *nlh);

void fl_fib_stats(const struct fl_fib *fib, struct fl_fib_stats *ret);

/** Does a row that was declared stand in the kernel with just these values? */
bool fl_fib_stands(const struct fl_fib *fib, const struct fl_row *row);

#endif
