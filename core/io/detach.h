/* core/io/detach.h - go into the background, while who has started us waits until we are ready. */
#ifndef FL_IO_DETACH_H
#define FL_IO_DETACH_H

#include <stdint.h>
#include <sys/types.h>

struct fl_detach; /* either end; fields in detach.c */

/**
 * Fork twice. The daemon has a session of its own, no terminal to get, no inherited descriptor but
 * @p keep, "/" as its folder, umask 022, and ignores SIGPIPE. What it writes to stderr comes out of
 * the parent's until fl_detach_say(); what does not fit into a pipe is lost, it never waits.
 * @param keep  a descriptor above 2 that stays open; -1: none
 * @param ret   owned until fl_detach_wait() or fl_detach_say()
 * @return 1 in the parent, 0 in the daemon, -errno
 */
int fl_detach_fork(int keep, struct fl_detach **ret);

/**
 * The parent: pass on what the daemon writes to stderr, until it is heard of. SIGINT, SIGTERM,
 * SIGHUP and SIGQUIT end the daemon, too. Frees @p d.
 * @param timeout_s  0: for ever
 * @param pid        the daemon's; 0 if it has not got so far
 * @return what the daemon said; -ETIMEDOUT: nothing yet, and it goes on; -EINTR: told to stop;
 * -EPIPE: it has ended without a word
 */
int fl_detach_wait(struct fl_detach *d, uint32_t timeout_s, pid_t *pid);

/** The daemon: let the parent return with @p code (0..255), and give up stderr. Frees @p d; NULL is
 * a no-op. */
void fl_detach_say(struct fl_detach *d, int code);

#endif
