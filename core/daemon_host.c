/* core/daemon_host.c - the daemon in the hands of the host: its service manager, and the signals
 * that do not end it. */
#include "daemon_internal.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log_init.h"
#include "io/detach.h"
#include "io/notify.h"

#define EXTEND_EVERY_S 10. /* while we wait before READY, the service manager hears from us */

/* --- what it is told */

static void on_extend(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	(void)fl_notify("EXTEND_TIMEOUT_USEC=%u", (unsigned int)(3 * EXTEND_EVERY_S * 1e6));
}

/* From the loop, so that it tells that the loop turns. */
static void on_heartbeat(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	(void)fl_notify("WATCHDOG=1");
}

/* A line of the protocol ends at a newline: text of others must not add lines of its own. */
void daemon_host_status(const char *prefix, const char *text)
{
	char line[256];
	char *c;

	(void)snprintf(line, sizeof(line), "%s%s", prefix, text);
	for (c = line; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	(void)fl_notify("STATUS=%s", line);
}

void daemon_host_ready(struct daemon *d)
{
	char subnet[FL_PREFIX_STRLEN];

	ev_timer_stop(d->loop, &d->extend);
	(void)fl_notify("READY=1\nSTATUS=running, lease %s", fl_prefix_format(&d->subnet, subnet));
	if (!d->ready || !*d->ready)
		return;
	fl_log_leave_stderr();
	fl_detach_say(*d->ready, FL_EXIT_OK);
	*d->ready = NULL;
}

/* --- signals */

static const char *words_of(int verbosity)
{
	return verbosity > 0 ? "with debug lines" : "without debug lines";
}

/* The protocol wants both ends of a reload, but READY=1 means more before we are. */
static void tell_reload(const struct daemon *d)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (d->stage == STAGE_READY)
		(void)fl_notify("RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
				(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

static void on_hup(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct daemon *d = fl_container_of(w, struct daemon, on_hup);

	(void)loop;
	(void)revents;
	tell_reload(d);
	fl_log_set_verbosity((int)d->opts->verbosity);
	if (d->store)
		fl_store_reload(d->store);
	fl_info("daemon", "SIGHUP: the log is as at the start again, %s",
		words_of((int)d->opts->verbosity));
	if (d->stage == STAGE_READY)
		(void)fl_notify("READY=1");
}

static void on_usr(struct ev_loop *loop, ev_signal *w, int revents)
{
	int verbosity = w->signum == SIGUSR1;

	(void)loop;
	(void)revents;
	fl_log_set_verbosity(verbosity);
	fl_info("daemon", "%s: the log goes on %s", w->signum == SIGUSR1 ? "SIGUSR1" : "SIGUSR2",
		words_of(verbosity));
}

/* --- start */

void daemon_host_start(struct daemon *d)
{
	uint64_t watchdog_us = fl_notify_watchdog_us();

	ev_signal_init(&d->on_hup, on_hup, SIGHUP);
	ev_signal_init(&d->on_usr1, on_usr, SIGUSR1);
	ev_signal_init(&d->on_usr2, on_usr, SIGUSR2);
	ev_signal_start(d->loop, &d->on_hup);
	ev_signal_start(d->loop, &d->on_usr1);
	ev_signal_start(d->loop, &d->on_usr2);
	ev_timer_init(&d->extend, on_extend, 0., EXTEND_EVERY_S);
	if (getenv("NOTIFY_SOCKET"))
		ev_timer_start(d->loop, &d->extend);
	/* Twice in the time: one may be late. */
	ev_timer_init(&d->heartbeat, on_heartbeat, 0., (double)watchdog_us / 2e6);
	if (watchdog_us)
		ev_timer_start(d->loop, &d->heartbeat);
}
