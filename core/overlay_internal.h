/* core/overlay_internal.h - what the overlay's files share: overlay.c (peers in, fib told, life),
 * overlay_judge.c (what to make of a lease, and what is said), overlay_ways.c (other ways to
 * peers), overlay_recount.c (when memory ran out), overlay_compare.c (with what the kernel has),
 * overlay_repair.c (what others have done to rows and devices of ours).
 */
#ifndef FL_OVERLAY_INTERNAL_H
#define FL_OVERLAY_INTERNAL_H

#include <ev.h>

#include "base/backoff.h"
#include "base/log.h"
#include "base/prefix_set.h"
#include "env.h"
#include "fib.h"
#include "io/rtnl_watch.h"
#include "overlay.h"
#include "peers.h"
#include "route_watch.h"

#define OVERLAY_LINES_MAX 10u /* about single peers, per snapshot or walk */

/* How many leases of others are what. */
struct tally {
	uint32_t reached;  /* whose rows are declared */
	uint32_t ignored;  /* of another backend type (K10) */
	uint32_t waiting;  /* that no route leads to for now */
	uint32_t rejected; /* outside of Network, or with data that the backend refuses */
};

struct fl_overlay {
	struct fl_overlay_conf conf;
	struct fl_peers *peers;
	struct fl_peers_listener peers_listener;
	struct fl_fib *fib;
	struct fl_fib_listener fib_listener;
	struct fl_rows rows;	       /* scratch: the rows of the peer at hand */
	struct fl_rows before;	       /* scratch: those of another way to it */
	struct fl_route_watch *routes; /* NULL: there is one way for the backend */
	struct fl_route_watch_listener routes_listener;
	ev_check walk; /* one slice of peers per turn, to ask for their way again */
	ev_idle awake;
	struct fl_peers_cursor cursor;
	double walked_s; /* time that the walk has taken so far */
	bool dropped;	 /* by the kernel: rows on links that are not ours alone, perhaps */
	struct tally tally;
	struct fl_rtnl_watch *announced; /* what others do to rows and devices of ours */
	struct fl_rtnl_watch_listener announced_listener;
	ev_timer mend; /* devices to look at, or all to be compared */
	ev_timer slow; /* a full comparison now and then, as a net below */
	struct fl_backoff mend_backoff;
	ev_tstamp mended; /* when a device was repaired last */
	uint32_t hurt;	  /* bits: which of env's devices are to be looked at */
	uint32_t refill;  /* bits: whose rows have gone with them */
	uint32_t unwell;  /* bits: which cannot be used, as far as is known */
	bool away;	  /* one of the backend's own making has gone */
	uint64_t device_repairs;
	fl_overlay_each each; /* while fl_overlay_walk() runs */
	void *each_owner;
	ev_timer recount; /* what is declared is not certain: declare all anew */
	struct fl_backoff recount_backoff;
	bool miscounted;		  /* since the last recount has begun */
	struct fl_fib_adoption *adoption; /* of one device, while all is compared */
	uint32_t compared;		  /* devices, so far */
	ev_check compare_turn;
	ev_idle compare_awake;
	struct fl_backoff adopt_backoff;
	ev_timer adopt_timer;
	uint32_t said; /* lines about single peers in this snapshot or walk */
	uint32_t unsaid;
	bool suspended; /* there is no backend to ask, and no fib */
	bool in_snapshot;
	bool filled;	/* what happens to rows is heard: not many are to be sent */
	bool unheard;	/* for a while it was not, and since then not all has been compared */
	bool complete;	/* all leases are known: a first snapshot has ended */
	bool adopted;	/* the kernel was compared; before that nothing is sent to it */
	bool comparing; /* it is on its way */
	bool by_slow;	/* as a net below: what it finds was missed */
	uint64_t amiss_before; /* and what had been found before it */
	bool swept;	       /* and no row of ours is left that nobody declares */
	/* Subnets whose entry is of no use: what stands for them may be right. Unused once swept.
	 */
	struct fl_prefix_set doubts;
	struct fl_prefix_set doubts_before; /* in a snapshot: those of the one before */
};

/* Which of the stats a lease counts in. */
enum verdict {
	REACHED,
	FOREIGN, /* of another backend */
	IGNORED, /* the backend has no use for it */
	WAITING, /* until a route leads to it */
	OUTSIDE, /* its subnet is not one of Network that others may have */
	UNKNOWN, /* there was no memory to find out */
	REFUSED, /* its data is of no use, to the backend or to anybody */
};

/* overlay_judge.c */

/* Where leases of that verdict are counted. */
uint32_t *overlay_counter_of(struct fl_overlay *o, enum verdict v);
/* Which way leads to the peer now. */
uint32_t overlay_way_to(struct fl_overlay *o, const struct fl_lease *peer);
/* A function of the lease, its way and the backend's state alone, so that what was declared can be
 * withdrawn. Leaves the rows, or why there are none, in o->rows. */
enum verdict overlay_judge(struct fl_overlay *o, const struct fl_lease *peer, uint32_t way);
/* In a snapshot or walk only the first @p max lines are said at @p level. */
enum fl_log_level overlay_level_of(struct fl_overlay *o, enum fl_log_level level, uint32_t max);
void overlay_say_verdict(struct fl_overlay *o, const struct fl_lease *peer, enum verdict v);
/* The snapshot or walk ends: how many lines were not said? */
void overlay_say_rest(struct fl_overlay *o);

/* overlay.c */

void overlay_declare(struct fl_overlay *o, const struct fl_lease *peer, const struct fl_rows *rows);
void overlay_withdraw(struct fl_overlay *o, const struct fl_rows *rows);
/* For a backend that takes peers as events, and for the peer filter. */
void overlay_tell_added(struct fl_overlay *o, struct fl_lease_record *rec);
void overlay_tell_removed(struct fl_overlay *o, struct fl_lease_record *rec);
/* Send what was declared, once the kernel was compared. */
void overlay_settle(struct fl_overlay *o);

/* All is compared: 0; or the kernel's tables could not be read: -errno. */
void overlay_compared(struct fl_overlay *o, int error);

/* overlay_compare.c */

void overlay_compare_init(struct fl_overlay *o);
/* Begin, or go on behind a snapshot. Ends by overlay_compared(), perhaps at once. */
void overlay_compare(struct fl_overlay *o);
/* Once more, but only what is on no device of our own. */
void overlay_compare_elsewhere(struct fl_overlay *o);
/* Break off, if it runs. */
void overlay_compare_stop(struct fl_overlay *o);

/* overlay_recount.c */

void overlay_recount_init(struct fl_overlay *o);
/* Something could not be declared or withdrawn for lack of memory: do all of it again, soon. */
void overlay_lose_count(struct fl_overlay *o);
void overlay_recount_done(struct fl_overlay *o);

/* overlay_repair.c */

void overlay_repair_init(struct fl_overlay *o);
int overlay_repair_start(struct fl_overlay *o);
/* The backend's devices are others now. @return 0 or -errno */
int overlay_repair_filter(struct fl_overlay *o);
/* Listen to what happens to rows. */
void overlay_repair_listen(struct fl_overlay *o);
/* Rows are about to be sent: if they are many, do not listen meanwhile. */
void overlay_repair_fill(struct fl_overlay *o);
/* They have been sent. */
void overlay_repair_filled(struct fl_overlay *o);
/* All was compared. */
void overlay_repair_compared(struct fl_overlay *o);
/* Compare all anew, also if that is on its way. */
void overlay_compare_anew(struct fl_overlay *o);
void overlay_repair_done(struct fl_overlay *o);

/* overlay_ways.c */

void overlay_walk_init(struct fl_overlay *o);
/* Watch routes, if the backend knows several ways. @return 0 or -errno */
int overlay_walk_start(struct fl_overlay *o);
void overlay_walk_done(struct fl_overlay *o);

#endif
