/* backends/udp/table.h - the forwarding table: which peer holds an address. Made by the loop, then
 * only read; a change is another table (see handover.h). */
#ifndef UDP_TABLE_H
#define UDP_TABLE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/backend.h"

/** What went to and came from a peer; threads add to it, see fl_counter_add(). */
struct peer_stats {
	uint64_t tx_packets;
	uint64_t tx_bytes; /* of inner packets */
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t drops; /* of either direction */
};

/** A peer, from malloc(3). It outlives every table that names it. */
struct peer {
	uint32_t subnet;	 /* first address, host byte order */
	uint32_t mask;		 /* likewise */
	struct sockaddr_in addr; /* where its datagrams go */
	struct peer_stats stats;
	struct peer *next; /* of those that go with a table */
	uint32_t at;	   /* the loop's: its place in the list that tables are made of */
};

/** What a table is made of. */
struct table_entry {
	uint32_t subnet;  /* first address, host byte order */
	uint32_t mask;	  /* likewise */
	uint32_t addr_be; /* public address */
	struct peer *peer;
};

struct table; /* fields in table.c */

/**
 * @param entries  copied; their peers are borrowed until table_destroy(). Subnets are different
 *                 ones, and may nest: then the longest counts
 * @param ret      set only on success; the caller's until table_destroy()
 * @return 0, -ENOMEM
 */
int table_create(const struct table_entry *entries, uint32_t count, struct table **ret);
void table_destroy(struct table *t); /* NULL is a no-op */

/** The list @p gone (by next) is in no younger table: they are freed with this one. */
void table_doom(struct table *t, struct peer *gone);

/** True if all subnets have one length, so that none lies in another. */
bool table_is_flat(const struct table *t);

/** The peer that holds @p addr (host byte order), NULL: none. O(lengths of subnets), mostly 1. */
struct peer *table_find(const struct table *t, uint32_t addr);

/** Is it any peer's public address (network byte order)? */
bool table_knows(const struct table *t, uint32_t addr_be);

#endif
