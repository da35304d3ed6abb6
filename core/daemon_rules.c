/* core/daemon_rules.c - the firewall's part in the life: rules before READY, and again until they
 * stand. */
#include "daemon_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define RETRY_MIN_MS 5000u
#define RETRY_MAX_MS 60000u

static void try_again(struct daemon *d)
{
	ev_timer_stop(d->loop, &d->rules_retry);
	ev_timer_set(&d->rules_retry, fl_backoff_next(&d->rules_backoff) / 1e3, 0.);
	ev_timer_start(d->loop, &d->rules_retry);
}

/* A failure is said once, however often it is tried again. */
static void note(struct daemon *d, int error, const char *why)
{
	bool before = d->rules == FL_STATUS_RULES_FAILED;

	if (error)
		fl_log(before && strcmp(why, d->rules_why) == 0 ? FL_LOG_DEBUG : FL_LOG_ERR,
		       "firewall", "rules not installed: %s", why);
	else if (before)
		fl_info("firewall", "the rules are installed now");
	d->rules = error ? FL_STATUS_RULES_FAILED : FL_STATUS_RULES_STAND;
	(void)snprintf(d->rules_why, sizeof(d->rules_why), "%s", error ? why : "");
}

static void on_applied(struct fl_firewall_listener *l, int error, const char *why)
{
	struct daemon *d = fl_container_of(l, struct daemon, firewall_listener);

	note(d, error, why);
	if (d->stage != STAGE_RULES && d->stage != STAGE_READY)
		return;
	/* Without masquerade containers that were promised the outside have none; forward rules
	 * matter only where the FORWARD policy is DROP. */
	if (error && d->opts->ip_masq && d->stage == STAGE_RULES) {
		daemon_quit(d, FL_EXIT_FIREWALL);
		return;
	}
	if (error)
		try_again(d);
	else
		fl_backoff_reset(&d->rules_backoff);
	if (d->stage == STAGE_RULES)
		daemon_become_ready(d);
}

void daemon_apply_rules(struct daemon *d)
{
	int r = fl_firewall_apply(d->firewall, &d->netconf.network, &d->subnet);

	if (r < 0)
		on_applied(&d->firewall_listener, r, strerror(-r));
}

static void on_retry(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	daemon_apply_rules(fl_container_of(w, struct daemon, rules_retry));
}

void daemon_rules_init(struct daemon *d)
{
	d->firewall_listener.applied = on_applied;
	ev_init(&d->rules_retry, on_retry);
	(void)fl_backoff_init(&d->rules_backoff, RETRY_MIN_MS, RETRY_MAX_MS);
}
