/* core/daemon_health.h - what the daemon shows of itself over HTTP: health, readiness, metrics. */
#ifndef FL_DAEMON_HEALTH_H
#define FL_DAEMON_HEALTH_H

#include "daemon.h"
#include "io/httpd.h"
#include "status.h"

struct daemon;
struct health; /* fields in daemon_health.c */

/** Listen where the options say. It says what is wrong. @return the code to end with */
enum fl_exit daemon_open_health(struct daemon *d);
void daemon_health_done(struct daemon *d);
/** Where the control socket is; NULL if there is none. */
const char *daemon_control_path(const struct daemon *d);

#define FL_TYPE_JSON  "application/json"
#define FL_TYPE_TEXT  "text/plain; charset=utf-8"
#define FL_TYPE_LINES "application/x-ndjson" /* one object a line */

/** daemon_peers.c: /v1/peers */
void daemon_answer_peers(struct daemon *d, struct fl_httpd_req *req);

/** daemon_events.c: /v1/events. @return 0, -ENOMEM */
int daemon_events_open(struct daemon *d);
/** Once nobody listens any more. */
void daemon_events_done(struct daemon *d);
void daemon_answer_events(struct daemon *d, struct fl_httpd_req *req);
/** A lease of another host came, or went. @param owner  the daemon */
void daemon_events_peer(void *owner, const struct fl_lease *peer, bool came);

/** What is true now. */
void daemon_status(const struct daemon *d, struct fl_status *ret);

#endif
