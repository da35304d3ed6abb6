/* core/io/notify.h - tell the service manager how we are: the datagram protocol of sd_notify(3),
 * without libsystemd. */
#ifndef FL_IO_NOTIFY_H
#define FL_IO_NOTIFY_H

#include <stdint.h>

#include "base/defs.h"

/**
 * Send one datagram, such as "READY=1\nSTATUS=..." to $NOTIFY_SOCKET (path or "@abstract").
 * @return 1 if sent, 0 if nobody asked (variable unset), -errno on a fault
 */
int fl_notify(const char *fmt, ...) FL_PRINTF(1, 2);

/** The time, µs, within which the service manager wants to hear WATCHDOG=1 from this process; 0: it
 * does not. */
uint64_t fl_notify_watchdog_us(void);

#endif
