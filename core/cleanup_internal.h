/* core/cleanup_internal.h - what the cleanup's files share: cleanup.c (order, files),
 * cleanup_kernel.c (devices, routes, nexthops), cleanup_rules.c (iptables). */
#ifndef FL_CLEANUP_INTERNAL_H
#define FL_CLEANUP_INTERNAL_H

#include "base/defs.h"
#include "cleanup.h"

struct ev_loop;

/* What was removed, one line on stdout. */
void cleanup_say(const char *fmt, ...) FL_PRINTF(1, 2);

/* Each goes on after a failure. @return 0, or -errno of the first one; it was logged */
int cleanup_kernel(void);
int cleanup_rules(struct ev_loop *loop);

#endif
