/* core/daemon_health.h - what the daemon shows of itself over HTTP: health, readiness, metrics. */
#ifndef FL_DAEMON_HEALTH_H
#define FL_DAEMON_HEALTH_H

#include "daemon.h"
#include "status.h"

struct daemon;
struct health; /* fields in daemon_health.c */

/** Listen where the options say. It says what is wrong. @return the code to end with */
enum fl_exit daemon_open_health(struct daemon *d);
void daemon_health_done(struct daemon *d);

/** What is true now. */
void daemon_status(const struct daemon *d, struct fl_status *ret);

#endif
