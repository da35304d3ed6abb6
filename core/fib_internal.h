/* core/fib_internal.h - what the fib's files share: fib.c (declarations, lists, the loop),
 * fib_kernel.c (slices of messages), fib_nexthop.c (shared gateways), fib_adopt.c (comparison with
 * what fib_collect.c has read). */
#ifndef FL_FIB_INTERNAL_H
#define FL_FIB_INTERNAL_H

#include <ev.h>
#include <stdbool.h>

#include "base/backoff.h"
#include "base/hash.h"
#include "fib.h"
#include "io/rtnl.h"

#define FIB_SLICE_ROWS 256u /* rows per loop turn: about 2 ms of the kernel's time */
#define FIB_PATIENCE   5u /* that often a row is put back at once; then somebody fights us for it */
#define FIB_DUMP_TRIES 5u /* a dump that the kernel interrupts is repeated */

/* What tells one row from another in the kernel's tables. Compared as bytes: fields that a kind
 * does not use are 0. */
struct fib_key {
	uint32_t ifindex; /* NEIGH, FDB; the device of a route is part of its value */
	uint8_t kind;	  /* enum fl_row_kind */
	uint8_t family;	  /* NEIGH, ROUTE: of bytes */
	uint8_t len;	  /* ROUTE: bits */
	uint8_t zero;
	uint8_t bytes[16]; /* NEIGH, ROUTE: address; FDB: MAC */
};

/* The rest of a row, and for a route also the key of its nexthop. Compared as bytes, too. */
struct fib_value {
	uint32_t ifindex; /* ROUTE */
	uint8_t family;	  /* FDB, ROUTE: of bytes; 0: a route without gateway */
	uint8_t onlink;	  /* ROUTE */
	uint8_t zero[2];
	uint8_t bytes[16]; /* NEIGH: MAC; FDB: remote address; ROUTE: gateway */
};

/* A value that somebody still declares but that a later declaration has pushed aside. */
struct fib_older {
	struct fib_older *next;
	struct fib_value value;
	uint32_t count;
};

/* What the kernel has at a row's key. */
enum fib_state {
	FIB_ABSENT,
	FIB_SAME,   /* exactly the value in force */
	FIB_OTHER,  /* of ours, but with another value */
	FIB_UNSURE, /* a batch broke off: perhaps something of ours */
};

enum fib_trouble {
	FIB_FINE,
	FIB_REFUSED,
	FIB_CONFLICT, /* somebody else's route has our prefix */
};

enum fib_list_id {
	FIB_NOWHERE, /* in no list: nothing to do */
	FIB_ADD,
	FIB_DEL_ROUTE,
	FIB_DEL_FDB,
	FIB_DEL_NEIGH,
	FIB_WAIT,	 /* refused or in conflict, until the retry timer */
	FIB_CLASH,	 /* the kernel said EEXIST: whose route is it? */
	FIB_SLICE,	 /* being sent */
	FIB_LATER_FDB,	 /* within a comparison: their turn comes behind the neighbours' */
	FIB_LATER_ROUTE, /* and theirs is the last */
	FIB_LISTS,
};

#define FIB_FORCE  1u  /* the route that stands there may be replaced */
#define FIB_PURGE  2u  /* the MAC has strange remotes: delete them all, then add */
#define FIB_HIT	   4u  /* its message failed in this slice */
#define FIB_TRIED  8u  /* clashed, and then nobody was there */
#define FIB_SPARED 16u /* nobody declares it, and it stays for now */
#define FIB_AGAIN  32u /* as we know it, it is not there to be removed: perhaps as another one */
#define FIB_DOUBT                                                                                  \
	128u /* within a comparison: others did something to it, perhaps since it was read */
#define FIB_LEFT 64u /* flannel has left it: as anybody's route, not with our number */

/* 104 bytes: 50,000 peers have 150,000 of them. */
struct fib_row {
	struct fl_hash_node node;
	struct fib_row *next; /* in the list that `list` names */
	struct fib_row *prev;
	struct fib_older *older; /* newest first */
	struct fib_nexthop *nh;	 /* of the route in the kernel, or that waits; counted */
	struct fib_key key;
	struct fib_value value; /* in force; of an unwanted row: the last one that was */
	uint32_t count;		/* declarations of it; 0: unwanted */
	uint8_t state : 2;
	uint8_t trouble : 2;
	uint8_t list : 4;
	uint8_t flags;
	uint8_t err;	      /* errno of the last refusal, so that it is said once */
	uint8_t repairs : 7;  /* since the last full comparison, up to FIB_PATIENCE + 1 */
	uint8_t believed : 1; /* within a comparison: it was said to stand */
};

/* A nexthop object: one per gateway and device, shared by routes. */
struct fib_nexthop {
	struct fl_hash_node node;
	struct fl_hash_node by_id; /* in fib->ids while it is in the kernel */
	struct fib_nexthop *next;  /* in fib->idle */
	struct fib_value key;
	uint32_t id;
	uint32_t refs; /* routes that use it, or are about to */
	uint8_t err;   /* errno of the last try */
	uint8_t said;  /* errno that was logged */
	bool in_kernel;
	bool doubted; /* it may have vanished with its device */
	bool asked;   /* its creation is in the batch */
	bool listed;  /* in fib->idle */
	bool hashed;
	bool known; /* in fib->ids */
};

/* A row that is being added. */
struct fib_sent {
	struct fib_row *row;
	struct fib_nexthop *nh; /* counted; NULL: it needs none */
};

struct fib_list {
	struct fib_row *head;
	struct fib_row *tail;
};

struct fl_fib {
	struct ev_loop *loop;
	struct fl_rtnl *rtnl;
	struct fl_rtnl_batch *batch;
	struct fl_fib_listener *listener;
	struct fl_hash rows;
	struct fl_hash nexthops;
	struct fl_hash ids; /* of nexthops that are in the kernel, by id */
	struct fib_list lists[FIB_LISTS];
	struct fib_sent slice[FIB_SLICE_ROWS]; /* what is in FIB_SLICE, while rows are added */
	uint32_t n_slice;
	struct fib_nexthop *idle; /* perhaps unused: removed at the end of a run */
	struct fl_fib_stats stats;
	ev_check turn; /* one slice per loop turn */
	ev_idle awake; /* keeps the loop from sleeping between them */
	ev_timer retry;
	ev_timer gather;  /* damage by others is announced row by row */
	uint32_t damaged; /* rows, since it runs */
	bool nexthops_lost;
	bool fighting; /* for some row, since the last full comparison: the pace stays slow */
	struct fl_backoff backoff;
	uint32_t own[FL_FIB_DEVICES_MAX]; /* ifindex of devices that are ours alone */
	uint32_t n_own;
	uint32_t next_id;
	int broken;	    /* -errno of the socket in this slice */
	uint32_t said;	    /* lines about single rows in this run */
	uint32_t unsaid;    /* that were left out */
	uint32_t recovered; /* rows that stand now, after trouble */
	uint32_t stood;	    /* likewise, and those that somebody fights us for */
	bool has_nexthops;
	bool touched;  /* something was sent, or found: rows may be other than absent */
	bool busy;     /* turn and awake run */
	bool announce; /* settled() is due */
	struct fl_fib_adoption *adoption; /* while it runs nothing is sent; or NULL */
	uint32_t installed_before;	  /* it: what is known of rows until it is over */
	bool probing;			  /* this run retries a sample of what was refused */
};

/* fib.c */
void fib_key_of(const struct fl_row *row, struct fib_key *key, struct fib_value *value);
struct fib_row *fib_row_find(const struct fl_fib *fib, const struct fib_key *key);
/* Find or create (unwanted, absent). @return 0, -ENOMEM */
int fib_row_get(struct fl_fib *fib, const struct fib_key *key, struct fib_row **ret);
void fib_row_move(struct fl_fib *fib, struct fib_row *row, enum fib_list_id to);
/* Take the flag off and on; what is wanted is not spared. */
void fib_row_spare(struct fl_fib *fib, struct fib_row *row, bool spared);
/* Put it into the list that its state calls for; a row that is neither wanted nor there is freed.
 */
void fib_row_schedule(struct fl_fib *fib, struct fib_row *row);
void fib_row_set(struct fl_fib *fib, struct fib_row *row, enum fib_state state,
		 enum fib_trouble trouble);
/* Is the device ours alone? */
bool fib_is_own(const struct fl_fib *fib, uint32_t ifindex);
/* A comparison has ended: send what waits. */
void fib_go_on(struct fl_fib *fib);
/* May one more line about a single row be logged in this run? Else it is counted. */
bool fib_may_say(struct fl_fib *fib);

/* fib_adopt.c */
/* Does a comparison run that has not decided yet what is to be done? */
bool fib_adopt_runs(const struct fl_fib *fib);
/* A nexthop object has gone: routes that were read may be gone, too. */
void fib_adopt_lost_nexthop(struct fl_fib *fib);

/* fib_kernel.c */
/* Send one slice. @return true if there was one, false if nothing is left to do */
bool fib_step(struct fl_fib *fib);
/* Room in the batch, which is run first if it is full. NULL: the socket broke, see fib->broken. */
void *fib_batch_space(struct fl_fib *fib, fl_rtnl_failed_cb failed);
void fib_batch_run(struct fl_fib *fib, fl_rtnl_failed_cb failed);
/* "10.5.3.0/24: route" and the like, for the log. */
const char *fib_row_text(const struct fib_row *row, char buf[80]);
struct fl_addr fib_addr(uint8_t family, const uint8_t bytes[16]);
struct fl_prefix fib_prefix(const struct fib_key *key);

/* fib_watch.c */
void fib_watch_init(struct fl_fib *fib);
/* Somebody has removed or changed it: put it back, or, if that goes on, later. */
void fib_row_repair(struct fl_fib *fib, struct fib_row *row);

/* fib_nexthop.c */
/* Does the kernel have nexthop objects? Sets fib->has_nexthops. @return 0 or -errno */
int fib_nexthop_probe(struct fl_fib *fib);
bool fib_needs_nexthop(const struct fl_fib *fib, const struct fib_row *row);
struct fib_nexthop *fib_nexthop_find(const struct fl_fib *fib, const struct fib_value *key);
/* Find or create (not in the kernel yet) and count one user. NULL: no memory. */
struct fib_nexthop *fib_nexthop_get(struct fl_fib *fib, const struct fib_value *key);
/* One user less; the last one makes it idle. NULL is a no-op. */
void fib_nexthop_put(struct fl_fib *fib, struct fib_nexthop *nh);
/* A nexthop of ours was found in the kernel. @return 0, -ENOMEM */
int fib_nexthop_adopt(struct fl_fib *fib, const struct fib_value *key, uint32_t id);
/* What was believed of it no longer counts. */
void fib_nexthop_forget(struct fl_fib *fib, struct fib_nexthop *nh);
void fib_nexthop_set_idle(struct fl_fib *fib, struct fib_nexthop *nh);
/* Create those that the routes in fib->slice need and the kernel lacks; each gets one counted. */
void fib_nexthop_prepare(struct fl_fib *fib);
/* Remove a slice of idle ones. @return true if there were any */
bool fib_nexthop_sweep(struct fl_fib *fib);
/* The kernel says that the object has gone. @return true if it was one that we use */
bool fib_nexthop_lost(struct fl_fib *fib, uint32_t id);
/* After some were lost: their routes, which have gone with them, are scheduled again. */
void fib_nexthop_recheck(struct fl_fib *fib);
void fib_nexthop_destroy_all(struct fl_fib *fib);

#endif
