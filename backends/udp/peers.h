/* backends/udp/peers.h - the peers as the loop knows them, and the tables that the lanes get of
 * them. */
#ifndef UDP_PEERS_H
#define UDP_PEERS_H

#include "handover.h"
#include "table.h"

struct peers; /* fields in peers.c */

/** @param port  of all of them, host byte order @return 0, -ENOMEM */
int peers_create(struct fl_env *env, uint16_t port, struct handover *tables, struct peers **ret);
/** No lane is left. NULL is a no-op. */
void peers_destroy(struct peers *p);

/** It appears, or is gone. The lanes know a few milliseconds later, with all that came meanwhile.
 *
 * @return 0, -ENOMEM: it is unknown still */
int peers_add(struct peers *p, const struct fl_lease *lease);
void peers_del(struct peers *p, const struct fl_lease *lease);

#endif
