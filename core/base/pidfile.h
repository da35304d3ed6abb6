/* core/base/pidfile.h - one process per file: a lock says that it lives, the number only which it
 * is.
 */
#ifndef FL_BASE_PIDFILE_H
#define FL_BASE_PIDFILE_H

#include <sys/types.h>

struct fl_pidfile; /* fields in pidfile.c */

/**
 * Create the file if need be, and lock it. The lock is inherited by fork(2), not by execve(2), and
 * the kernel lets go of it when the last process that has it ends: what a crash leaves behind is
 * taken over.
 * @param holder  set on -EBUSY: who holds it; 0 if it has not said so yet
 * @param ret     owned until fl_pidfile_close()
 * @return 0, -EBUSY: another process holds it; -ENOTSUP: not a regular file; other -errno
 */
int fl_pidfile_open(const char *path, pid_t *holder, struct fl_pidfile **ret);

/** The descriptor that has the lock. */
int fl_pidfile_fd(const struct fl_pidfile *p);

/** Write the number of this process into it. @return 0 or -errno */
int fl_pidfile_write(struct fl_pidfile *p);

/** Remove the file (empty it where that is not allowed any longer) and let go of it. NULL is a
 * no-op. */
void fl_pidfile_close(struct fl_pidfile *p);

/** Let go of it, but leave it to the other process that inherited the lock. NULL is a no-op. */
void fl_pidfile_leave(struct fl_pidfile *p);

/**
 * Who holds the file, without touching it.
 * @param ret  set only on 0
 * @return 0, -ESRCH: nobody does, or there is no file; -EAGAIN: somebody does, and has not said
 * who; other -errno
 */
int fl_pidfile_holder(const char *path, pid_t *ret);

#endif
