/* core/daemon.c - the life: fetch config, load backend, acquire, up, ready, run, stop. */
#include "config.h"
#include "daemon_internal.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/trim.h"
#include "cleanup.h"
#include "daemon_health.h"
#include "io/notify.h"
#include "io/presence.h"
#include "io/rtnl.h"
#include "overlay.h"

#define RELEASE_TIMEOUT_S 2. /* --release-on-exit must not hold up a shutdown */
#define TRIM_AFTER_S	  2. /* READY is said, and mostly the rows of the others stand, too */

void daemon_quit(struct daemon *d, enum fl_exit code)
{
	if (d->stage != STAGE_STOPPING)
		d->code = code; /* the first reason counts */
	d->stage = STAGE_STOPPING;
	ev_break(d->loop, EVBREAK_ALL);
}

/* --- the service manager */

void daemon_say_running(const struct daemon *d)
{
	char subnet[FL_PREFIX_STRLEN];

	if (d->underlay_trouble[0])
		daemon_host_status("waiting for the interface: ", d->underlay_trouble);
	else
		daemon_host_status("running, lease ", fl_prefix_format(&d->subnet, subnet));
}

static void on_status(struct fl_store_listener *l, const char *text)
{
	struct daemon *d = fl_container_of(l, struct daemon, store_listener);

	if (text)
		daemon_host_status("", text);
	else if (d->stage == STAGE_READY)
		daemon_say_running(d);
}

/* --- stopping */

static void on_release_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct daemon *d = fl_container_of(w, struct daemon, release_limit);

	(void)loop;
	(void)revents;
	fl_warn("daemon", "the store did not answer in time; the lease stays until it expires");
	d->code = FL_EXIT_FAULT;
	ev_break(d->loop, EVBREAK_ALL);
}

/* The store has said how it went. */
static void on_released(struct fl_store_listener *l, int error)
{
	struct daemon *d = fl_container_of(l, struct daemon, store_listener);

	if (error)
		d->code = FL_EXIT_FAULT;
	ev_break(d->loop, EVBREAK_ALL);
}

/* Device, rows and rules stay: traffic flows on, and the next start adopts them. */
static void on_stop_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct daemon *d = ev_userdata(loop);
	bool again = d->stage == STAGE_STOPPING;

	(void)revents;
	fl_info("daemon", "%s: stopping, forwarding stays as it is", strsignal(w->signum));
	(void)fl_notify("STOPPING=1");
	if (!again && d->opts->release_on_exit && fl_prefix_is_set(&d->subnet) &&
	    fl_store_release(d->store) == 0) {
		d->stage = STAGE_STOPPING;
		ev_timer_start(loop, &d->release_limit);
		return;
	}
	daemon_quit(d, FL_EXIT_OK);
}

/* --- ready */

static void warn_if_not_forwarding(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_forward", "re");

	if (!f)
		return;
	if (fgetc(f) == '0')
		fl_warn("daemon", "net.ipv4.ip_forward is 0: this host passes nothing on between "
				  "its containers and the overlay");
	(void)fclose(f);
}

uint32_t daemon_mtu(const struct daemon *d)
{
	return d->ops->mtu(d->backend, d->underlay_mtu);
}

int daemon_write_subnet_env(const struct daemon *d)
{
	struct fl_subnet_env env = {
		.network = d->netconf.network,
		.subnet = d->subnet,
		.mtu = daemon_mtu(d),
		.ip_masq = d->opts->ip_masq,
	};

	return fl_subnet_env_write(d->opts->subnet_file, &env);
}

static void on_trim(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	fl_trim();
}

void daemon_become_ready(struct daemon *d)
{
	char subnet[FL_PREFIX_STRLEN];
	int r = daemon_write_subnet_env(d);

	if (r < 0) {
		fl_err("daemon", "%s: cannot be written: %s", d->opts->subnet_file, strerror(-r));
		daemon_quit(d, FL_EXIT_FILE);
		return;
	}
	d->stage = STAGE_READY;
	fl_prefix_format(&d->subnet, subnet);
	fl_info("daemon", "ready: %s, MTU %u, %s written", subnet, daemon_mtu(d),
		d->opts->subnet_file);
	daemon_host_ready(d);
	warn_if_not_forwarding();
	ev_timer_start(d->loop, &d->trim);
	daemon_follow(d);
}

/* --- the lease */

static void start_overlay(struct daemon *d)
{
	struct fl_overlay_conf conf = {
		.loop = d->loop,
		.env = &d->env,
		.ops = d->ops,
		.backend = d->backend,
		.own = d->own,
		.filter = d->peer_filter,
		.news = daemon_events_peer,
		.news_owner = d,
	};
	const char *why = "";
	int r = fl_overlay_create(&conf, &d->overlay);

	if (r == 0 && fl_overlay_declare_own(d->overlay, &why) < 0) {
		fl_err("daemon", "backend %s does not come up: own_rows: %s", d->ops->name, why);
		daemon_quit(d, FL_EXIT_BACKEND);
		return;
	}
	if (r == 0)
		r = fl_store_watch(d->store);
	if (r < 0) {
		fl_err("daemon", "cannot follow the other hosts: %s", strerror(-r));
		daemon_quit(d, FL_EXIT_FAULT);
	}
}

static void on_acquired(struct fl_store_listener *l, const struct fl_lease_record *own)
{
	struct daemon *d = fl_container_of(l, struct daemon, store_listener);

	d->subnet = own->lease.subnet;
	d->own = &own->lease;
	daemon_backend_up(d, &own->lease);
}

void daemon_go_on(struct daemon *d)
{
	if (d->overlay) {
		daemon_moved(d);
		return;
	}
	d->stage = STAGE_RULES;
	daemon_say_leftovers(d);
	start_overlay(d);
	if (d->stage != STAGE_RULES)
		return;
	daemon_apply_rules(d);
}

static void on_lost(struct fl_store_listener *l, const char *why)
{
	struct daemon *d = fl_container_of(l, struct daemon, store_listener);

	fl_err("daemon",
	       "%s; forwarding stays as it is, but this host must not go on with its lease", why);
	daemon_quit(d, FL_EXIT_LEASE);
}

/* --- the network config */

/* It works as long as no subnet holds an address of the underlay that somebody needs. */
static void warn_if_overlapping(const struct daemon *d)
{
	char network[FL_PREFIX_STRLEN], underlay[FL_PREFIX_STRLEN];

	if (fl_prefix_overlaps(&d->netconf.network, &d->iface.connected))
		fl_warn("daemon",
			"network config: Network %s overlaps %s, which %s is in: addresses in "
			"there that become part of another host's subnet cannot be reached any "
			"longer; choose a Network of its own",
			fl_prefix_format(&d->netconf.network, network),
			fl_prefix_format(&d->iface.connected, underlay), d->iface.extif.name);
}

/* @param why  taken */
static void refuse_config(struct daemon *d, int error, char *why)
{
	const char *reason = why ? why : strerror(-error);

	if (error == -ENOMEM) { /* that it changes is no help */
		fl_err("daemon", "%s: %s", fl_store_config_name(d->store), reason);
		daemon_quit(d, FL_EXIT_FAULT);
	} else {
		fl_err("daemon", "%s: %s; waiting for a better one", fl_store_config_name(d->store),
		       reason);
		daemon_host_status("network config refused: ", reason);
		(void)fl_store_fetch_config(d->store);
	}
	free(why);
}

static void on_config(struct fl_store_listener *l, const char *text, size_t len)
{
	struct daemon *d = fl_container_of(l, struct daemon, store_listener);
	char *why = NULL, *printed;
	int r = fl_netconf_parse(text, len, &d->netconf, &why);

	if (r < 0) {
		refuse_config(d, r, why);
		return;
	}
	d->has_netconf = true;
	printed = fl_netconf_print(&d->netconf);
	fl_info("daemon", "network config: %s", printed ? printed : "");
	free(printed);
	warn_if_overlapping(d);
	if (daemon_backend_load(d) < 0)
		daemon_quit(d, FL_EXIT_BACKEND);
	else if (daemon_close_sandbox(d) < 0)
		daemon_quit(d, FL_EXIT_FAULT);
	else if (daemon_backend_create(d) < 0)
		daemon_quit(d, FL_EXIT_BACKEND);
	else if (daemon_filter_peers(d) < 0)
		daemon_quit(d, FL_EXIT_FIREWALL);
	else
		daemon_acquire(d);
}

/* --- the leases of others: straight on to the overlay */

static struct fl_overlay *overlay_of(struct fl_store_listener *l)
{
	return fl_container_of(l, struct daemon, store_listener)->overlay;
}

static void on_snapshot_begin(struct fl_store_listener *l)
{
	fl_overlay_snapshot_begin(overlay_of(l));
}

static void on_snapshot_end(struct fl_store_listener *l)
{
	fl_overlay_snapshot_end(overlay_of(l));
}

static void on_snapshot_abort(struct fl_store_listener *l)
{
	fl_overlay_snapshot_abort(overlay_of(l));
}

static void on_peer(struct fl_store_listener *l, struct fl_lease_record *rec)
{
	fl_overlay_put(overlay_of(l), rec);
}

static void on_unreadable(struct fl_store_listener *l, const struct fl_prefix *subnet)
{
	fl_overlay_keep(overlay_of(l), subnet);
}

static void on_gone(struct fl_store_listener *l, const struct fl_prefix *subnet)
{
	fl_overlay_del(overlay_of(l), subnet);
}

static const struct fl_store_listener_ops store_listener_ops = {
	.config = on_config,
	.acquired = on_acquired,
	.snapshot_begin = on_snapshot_begin,
	.snapshot_end = on_snapshot_end,
	.snapshot_abort = on_snapshot_abort,
	.peer = on_peer,
	.unreadable = on_unreadable,
	.gone = on_gone,
	.lost = on_lost,
	.released = on_released,
	.status = on_status,
};

/* --- start */

/* First of all: a signal that comes while the kernel's tables are read counts, too. */
static void start_watchers(struct daemon *d)
{
	d->store_listener.ops = &store_listener_ops;
	daemon_rules_init(d);
	(void)signal(SIGPIPE, SIG_IGN); /* a write to a gone peer is an error code, not our end */
	ev_set_userdata(d->loop, d);
	ev_signal_init(&d->on_term, on_stop_signal, SIGTERM);
	ev_signal_init(&d->on_int, on_stop_signal, SIGINT);
	ev_signal_start(d->loop, &d->on_term);
	ev_signal_start(d->loop, &d->on_int);
	ev_timer_init(&d->release_limit, on_release_limit, RELEASE_TIMEOUT_S, 0.);
	ev_timer_init(&d->trim, on_trim, TRIM_AFTER_S, 0.);
	daemon_host_start(d);
	daemon_underlay_init(d);
}

/* Before anything is made. */
static void show_presence(struct daemon *d)
{
	int r = fl_presence_show(FL_PRESENCE, &d->presence_fd);

	if (r < 0)
		fl_warn("daemon", "--cleanup cannot see that this flanneld runs: %s", strerror(-r));
}

static enum fl_exit start(struct daemon *d)
{
	enum fl_exit code;

	start_watchers(d);
	show_presence(d);
	code = daemon_choose_interface(d);
	if (code)
		return code;
	daemon_say_interface(d);
	daemon_twin_start(d);
	if (daemon_underlay_start(d) < 0)
		return FL_EXIT_FAULT;
	code = daemon_open_health(d);
	if (code)
		return code;
	code = daemon_open_firewall(d);
	if (code)
		return code;
	code = daemon_read_previous(d);
	if (code)
		return code;
	return daemon_open_store(d);
}

static void finish(struct daemon *d)
{
	daemon_health_done(d);
	daemon_backend_done(d); /* before the store: the leases that it was given are the others' */
	fl_overlay_destroy(d->overlay);
	daemon_filter_done(d);
	fl_store_destroy(d->store);
	ev_timer_stop(d->loop, &d->rules_retry);
	fl_firewall_destroy(d->firewall);
	daemon_underlay_done(d);
	daemon_twin_done(d);
	if (d->has_netconf)
		fl_netconf_done(&d->netconf);
	fl_rtnl_close(d->rtnl);
	if (d->presence_fd >= 0)
		(void)close(d->presence_fd);
	if (d->loop)
		ev_loop_destroy(d->loop);
}

int fl_daemon_run(const struct fl_options *opts, struct fl_detach **ready)
{
	struct daemon d = {.opts = opts, .ready = ready, .presence_fd = -1};

	fl_trim_init();
	fl_info("daemon", "flanneld " PACKAGE_VERSION " starts");
	d.loop = ev_default_loop(EVFLAG_NOENV);
	if (!d.loop) {
		fl_err("daemon", "no event loop: %s", strerror(errno));
		return FL_EXIT_FAULT;
	}
	d.started_s = ev_time();
	d.code = start(&d);
	if (!d.code)
		ev_run(d.loop, 0);
	finish(&d);
	return d.code;
}
