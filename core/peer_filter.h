/* core/peer_filter.h - only the holders of leases reach the backend's UDP port: an nftables table
 * of our own, whose set follows the leases. It takes the port from everybody else, and gives nobody
 * anything that others' rules take. */
#ifndef FL_PEER_FILTER_H
#define FL_PEER_FILTER_H

#include <stddef.h>
#include <stdint.h>

struct ev_loop;
struct fl_addr;
struct fl_peer_filter; /* fields in peer_filter.c */

/**
 * Nothing changes in the kernel before fl_peer_filter_settle(): what an earlier run has left there
 * goes on to filter until the leases are known.
 *
 * @param ports  UDP, host byte order, 1 to 4 of them
 * @param ret    set only on success; the caller's until fl_peer_filter_destroy()
 * @return 0; -EOPNOTSUPP for a kernel without nf_tables; other -errno
 */
int fl_peer_filter_create(struct ev_loop *loop, const uint16_t *ports, size_t n_ports,
			  struct fl_peer_filter **ret);
/** The table stays, so that stopping opens nothing and closes nothing. NULL is a no-op. */
void fl_peer_filter_destroy(struct fl_peer_filter *f);

/* The holder of a lease came, or went; as often as several leases have one address. IPv4. NULL, or
 * another family, is a no-op. */

void fl_peer_filter_add(struct fl_peer_filter *f, const struct fl_addr *addr);
void fl_peer_filter_del(struct fl_peer_filter *f, const struct fl_addr *addr);

/** All leases are known: the kernel is made equal, at the end of this turn of the loop, and from
 * now on after each change and when somebody else changes the table. NULL, or a second call, is a
 * no-op. */
void fl_peer_filter_settle(struct fl_peer_filter *f);

/** How many packets were dropped, since the table was first made. NULL: 0. */
uint64_t fl_peer_filter_dropped(struct fl_peer_filter *f);

/** Remove the table, if there is one; for who does not want the filter. @return 1: there was one;
 * 0: there was none, or the kernel has no nf_tables; -errno */
int fl_peer_filter_remove(void);

#endif
