/* core/fib_collect.h - what the kernel's tables hold, read piece by piece; for fib*.c only. Table
 * by table, so that no more is held than the largest; whole, before anything is decided: a failed
 * dump must decide nothing. */
#ifndef FL_FIB_COLLECT_H
#define FL_FIB_COLLECT_H

#include "fib_internal.h"

/* A row, or a nexthop object, that a dump showed. */
struct fib_seen {
	struct fib_key key;	/* nexthop: unused */
	struct fib_value value; /* nexthop: its key */
	uint32_t nhid;
	uint8_t protocol;
	bool odd;   /* more than what we write: never equal to a row of ours */
	bool named; /* a nexthop: by a route */
};

struct fib_seen_list {
	struct fib_seen *items;
	uint32_t count;
	uint32_t cap;
};

struct fib_collection {
	struct fl_fib *fib;
	uint32_t ifindex;	  /* 0: elsewhere, that is, on no device of our own */
	struct fl_prefix network; /* elsewhere: only routes into it */
	struct fl_rtnl *rtnl;	  /* a socket for dumps alone */
	enum fl_row_kind kind;	  /* that is read, or was read last */
	struct fib_seen_list rows;
	struct fib_seen_list nexthops; /* with routes; sorted by id once complete */
	bool in_nexthops;	       /* they come first */
	bool sent;		       /* the dump was asked for */
	bool again;		       /* what was read is out of date */
	uint32_t tries;
};

/* The fields fib, ifindex and network are the caller's. @return 0 or -errno */
int fib_collect_open(struct fib_collection *c);
void fib_collect_close(struct fib_collection *c);
/* Forget what was read, and begin with rows of @p kind. */
void fib_collect_begin(struct fib_collection *c, enum fl_row_kind kind);
/* @return 1: there is more; 0: all rows of the kind are there; or -errno */
int fib_collect_go_on(struct fib_collection *c);
/* If what was read is out of date, begin with the kind once more. @return false: it is not, or that
 * was done often enough */
bool fib_collect_again(struct fib_collection *c);
/* The nexthop object of ours that a route names, or NULL. */
struct fib_seen *fib_collect_nexthop(const struct fib_collection *c, uint32_t id);
/* Nobody's device is 0: a route over several, or one by an object that is not known here. */
bool fib_collect_covers(const struct fib_collection *c, uint32_t ifindex);

#endif
