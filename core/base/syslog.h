/* core/base/syslog.h - datagrams to the host's syslog daemon (RFC 3164). Unlike syslog(3) it never
 * waits: a line that the daemon cannot take now is counted and dropped. */
#ifndef FL_BASE_SYSLOG_H
#define FL_BASE_SYSLOG_H

#include <stddef.h>

#include "log.h"

#define FL_SYSLOG_PATH "/dev/log"

/**
 * Lines go to @p path from now on. The path is looked up for each of them, so a syslog daemon that
 * is started again, or later, gets them.
 * @param ident  the program's name; a literal
 * @return 0; -ENOENT or another -errno if nobody listens now: the next lines are tried all the same
 */
int fl_syslog_open(const char *path, const char *ident);
void fl_syslog_close(void); /* a no-op if not open */

/** Send one line, if open; @p text needs no end. Any thread may. */
void fl_syslog_send(enum fl_log_level level, const char *text, size_t len);

#endif
