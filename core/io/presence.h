/* core/io/presence.h - who else of a kind runs in this network namespace. A process shows itself by
 * an abstract unix(7) socket: those belong to the namespace, are seen from containers that share
 * it, leave no file behind, and end with the process however it ends. */
#ifndef FL_IO_PRESENCE_H
#define FL_IO_PRESENCE_H

/**
 * Show that this process is here.
 * @param kind  1 to 32 letters, digits or '-'
 * @param ret   a descriptor; closing it ends that
 * @return 0 or -errno
 */
int fl_presence_show(const char *kind, int *ret);

/**
 * How many are here.
 * @return their number, or -errno of reading /proc/net/unix
 */
int fl_presence_count(const char *kind);

#endif
