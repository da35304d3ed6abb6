/* backends/extension/queue.h - commands for peers: one at a time per subnet, a few at once, in
 * order. */
#ifndef EXT_QUEUE_H
#define EXT_QUEUE_H

#include "run.h"

#define EXT_RUNNING_MAX	 8u /* commands for peers at once */
#define EXT_ADD_ATTEMPTS 4u /* of SubnetAddCommand, until the peer changes */

struct ext_queue;

/** @p run is borrowed. @return 0, -ENOMEM; @p ret is the caller's until ext_queue_destroy() */
int ext_queue_create(struct ext_runner *run, struct ext_queue **ret);
/** Kill what runs, forget the rest. NULL is a no-op. */
void ext_queue_destroy(struct ext_queue *q);

/**
 * From now on @p peer is to be reached, with this text as BackendData. Copies both.
 *
 * What was begun for its subnet is undone first, unless it is the same; what has not begun is
 * dropped.
 *
 * @return 0, -ENOMEM: all is as it was
 */
int ext_queue_add(struct ext_queue *q, const struct fl_lease *peer, const char *data);
/** From now on nobody is to be reached at @p subnet. */
void ext_queue_del(struct ext_queue *q, const struct fl_prefix *subnet);

#endif
