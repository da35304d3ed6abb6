/* core/daemon.c - the life: fetch config, load backend, acquire, up, ready, run, stop. */
#include "daemon.h"

#include "config.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/trim.h"
#include "env.h"
#include "extif.h"
#include "firewall.h"
#include "io/notify.h"
#include "io/rtnl.h"
#include "loader.h"
#include "netconf.h"
#include "options.h"
#include "overlay.h"
#include "store/store.h"
#include "subnet_env.h"

#define RELEASE_TIMEOUT_S 2.  /* --release-on-exit must not hold up a shutdown */
#define TRIM_AFTER_S	  2.  /* READY is said, and mostly the rows of the others stand, too */
#define EXTEND_EVERY_S	  10. /* while we wait before READY, the service manager hears from us */

enum stage {
	STAGE_CONFIG,  /* waiting for a network config that we can use */
	STAGE_ACQUIRE, /* the backend is there, waiting for a lease */
	STAGE_RULES,   /* the device is up, waiting for the firewall */
	STAGE_READY,   /* subnet.env is written */
	STAGE_STOPPING,
};

struct daemon {
	const struct fl_options *opts;
	struct ev_loop *loop;
	enum stage stage;
	enum fl_exit code;

	ev_signal on_term;
	ev_signal on_int;
	ev_timer extend; /* runs until READY, if a service manager listens */
	ev_timer release_limit;
	ev_timer trim; /* once, when the start is over */

	struct fl_rtnl *rtnl;
	struct fl_extif_choice iface;
	struct fl_subnet_env previous; /* what the last run left behind */
	struct fl_store_conf store_conf;
	struct fl_store *store;
	struct fl_store_listener store_listener;
	struct fl_netconf netconf;
	bool has_netconf;
	struct fl_firewall *firewall;
	struct fl_firewall_listener firewall_listener;

	struct fl_module *module;
	const struct fl_backend_ops *ops;
	struct fl_env env;
	struct fl_backend *backend;
	struct fl_overlay *overlay;
	struct fl_prefix subnet; /* ours */
};

static void quit(struct daemon *d, enum fl_exit code)
{
	if (d->stage != STAGE_STOPPING)
		d->code = code; /* the first reason counts */
	d->stage = STAGE_STOPPING;
	ev_break(d->loop, EVBREAK_ALL);
}

/* --- the service manager */

static void on_extend(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	(void)fl_notify("EXTEND_TIMEOUT_USEC=%u", (unsigned int)(3 * EXTEND_EVERY_S * 1e6));
}

/* A line of the protocol ends at a newline: text of others must not add lines of its own. */
static void notify_status(const char *prefix, const char *text)
{
	char line[256];
	char *c;

	(void)snprintf(line, sizeof(line), "%s%s", prefix, text);
	for (c = line; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	(void)fl_notify("STATUS=%s", line);
}

static void on_status(struct fl_store_listener *l, const char *text)
{
	struct daemon *d = fl_container_of(l, struct daemon, store_listener);
	char subnet[FL_PREFIX_STRLEN];

	if (text)
		notify_status("", text);
	else if (d->stage == STAGE_READY)
		notify_status("running, lease ", fl_prefix_format(&d->subnet, subnet));
}

/* --- stopping */

static void on_release_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct daemon *d = fl_container_of(w, struct daemon, release_limit);

	(void)loop;
	(void)revents;
	fl_warn("daemon", "etcd did not answer in time; the lease stays until it expires");
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
	quit(d, FL_EXIT_OK);
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

static int write_subnet_env(struct daemon *d)
{
	struct fl_subnet_env env = {
		.network = d->netconf.network,
		.subnet = d->subnet,
		.mtu = d->ops->mtu(d->backend),
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

static void become_ready(struct daemon *d)
{
	char subnet[FL_PREFIX_STRLEN];
	int r = write_subnet_env(d);

	if (r < 0) {
		fl_err("daemon", "%s: cannot be written: %s", d->opts->subnet_file, strerror(-r));
		quit(d, FL_EXIT_FILE);
		return;
	}
	d->stage = STAGE_READY;
	ev_timer_stop(d->loop, &d->extend);
	fl_prefix_format(&d->subnet, subnet);
	fl_info("daemon", "ready: %s, MTU %u, %s written", subnet, d->ops->mtu(d->backend),
		d->opts->subnet_file);
	(void)fl_notify("READY=1\nSTATUS=running, lease %s", subnet);
	warn_if_not_forwarding();
	ev_timer_start(d->loop, &d->trim);
}

static void on_firewall(struct fl_firewall_listener *l, int error, const char *why)
{
	struct daemon *d = fl_container_of(l, struct daemon, firewall_listener);

	if (error)
		fl_err("firewall", "rules not installed: %s", why);
	if (d->stage != STAGE_RULES)
		return;
	/* Without masquerade containers that were promised the outside have none; forward rules
	 * matter only where the FORWARD policy is DROP. */
	if (error && d->opts->ip_masq)
		quit(d, FL_EXIT_FIREWALL);
	else
		become_ready(d);
}

/* --- the lease */

static void start_overlay(struct daemon *d)
{
	struct fl_overlay_conf conf = {
		.loop = d->loop,
		.env = &d->env,
		.ops = d->ops,
		.backend = d->backend,
		.own_subnet = d->subnet,
	};
	int r = fl_overlay_create(&conf, &d->overlay);

	if (r == 0)
		r = fl_store_watch(d->store);
	if (r < 0) {
		fl_err("daemon", "cannot follow the other hosts: %s", strerror(-r));
		quit(d, FL_EXIT_FAULT);
	}
}

static void on_acquired(struct fl_store_listener *l, const struct fl_lease_record *own)
{
	struct daemon *d = fl_container_of(l, struct daemon, store_listener);
	char subnet[FL_PREFIX_STRLEN];
	int r;

	d->subnet = own->lease.subnet;
	fl_prefix_format(&d->subnet, subnet);
	r = d->ops->up(d->backend, &own->lease);
	if (r < 0) {
		fl_err("daemon", "%s: backend %s cannot bring up its device: %s", subnet,
		       d->ops->name, strerror(-r));
		quit(d, FL_EXIT_BACKEND);
		return;
	}
	d->stage = STAGE_RULES;
	start_overlay(d);
	if (d->stage != STAGE_RULES)
		return;
	r = fl_firewall_apply(d->firewall, &d->netconf.network, &d->subnet);
	if (r < 0)
		on_firewall(&d->firewall_listener, r, strerror(-r));
}

static void on_lost(struct fl_store_listener *l, const char *why)
{
	struct daemon *d = fl_container_of(l, struct daemon, store_listener);

	fl_err("daemon", "%s; forwarding stays as it is, but this host must not use the subnet",
	       why);
	quit(d, FL_EXIT_LEASE);
}

static int acquire(struct daemon *d)
{
	char data[FL_BACKEND_DATA_MAX] = "";
	struct fl_lease mine = {
		.public_ip = d->iface.extif.public_ip,
		.public_ip6 = d->iface.extif.public_ip6,
		.backend_type = d->ops->name,
	};
	int r = d->ops->lease_data ? d->ops->lease_data(d->backend, data) : 0;

	if (r < 0)
		return r;
	mine.backend_data = data[0] ? data : NULL;
	d->stage = STAGE_ACQUIRE;
	return fl_store_acquire(d->store, &d->netconf, &mine, &d->previous.subnet);
}

/* --- the network config */

static int load_backend(struct daemon *d)
{
	char *why = NULL;
	int r = fl_loader_load(d->opts->backend_dir, d->netconf.backend_type, &d->module, &why);

	if (r < 0) {
		fl_err("daemon", "backend %s: %s", d->netconf.backend_type,
		       why ? why : strerror(-r));
		free(why);
		return r;
	}
	d->ops = fl_module_ops(d->module);
	d->env.rtnl = d->rtnl;
	d->env.extif = &d->iface.extif;
	d->env.network = d->netconf.network;
	r = d->ops->create(&d->env, d->netconf.backend, &d->backend);
	if (r < 0)
		fl_err("daemon", "backend %s cannot start: %s", d->ops->name, strerror(-r));
	return r;
}

static void on_config(struct fl_store_listener *l, const char *text, size_t len)
{
	struct daemon *d = fl_container_of(l, struct daemon, store_listener);
	char *why = NULL, *printed;
	int r = fl_netconf_parse(text, len, &d->netconf, &why);

	if (r < 0) {
		fl_err("daemon", "%s/config: %s; waiting for a better one", d->opts->etcd_prefix,
		       why ? why : strerror(-r));
		notify_status("network config refused: ", why ? why : "");
		free(why);
		(void)fl_store_fetch_config(d->store);
		return;
	}
	d->has_netconf = true;
	printed = fl_netconf_print(&d->netconf);
	fl_info("daemon", "network config: %s", printed ? printed : "");
	free(printed);
	if (load_backend(d) < 0) {
		quit(d, FL_EXIT_BACKEND);
		return;
	}
	r = acquire(d);
	if (r < 0) {
		fl_err("daemon", "cannot ask for a lease: %s", strerror(-r));
		quit(d, FL_EXIT_FAULT);
	}
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

static enum fl_exit choose_interface(struct daemon *d)
{
	const struct fl_extif_conf conf = {
		.iface = (const char *const *)d->opts->iface.items,
		.iface_regex = (const char *const *)d->opts->iface_regex.items,
		.can_reach = d->opts->iface_can_reach,
		.public_ip = d->opts->public_ip,
	};
	char *error = NULL;
	int r = fl_rtnl_open(&d->rtnl);

	if (r < 0) {
		fl_err("daemon", "rtnetlink: %s", strerror(-r));
		return FL_EXIT_FAULT;
	}
	r = fl_extif_choose(d->rtnl, &conf, &d->iface, &error);
	if (r < 0) {
		fl_err("daemon", "no interface to use: %s", error ? error : strerror(-r));
		free(error);
		return FL_EXIT_INTERFACE;
	}
	return FL_EXIT_OK;
}

static void say_interface(const struct daemon *d)
{
	const struct fl_extif *e = &d->iface.extif;
	char addr[FL_ADDR_STRLEN], public_ip[FL_ADDR_STRLEN];

	fl_info("daemon", "interface %s, address %s, public address %s, MTU %u: %s", e->name,
		fl_addr_format(&e->addr, addr), fl_addr_format(&e->public_ip, public_ip), e->mtu,
		d->iface.why);
}

static enum fl_exit open_firewall(struct daemon *d)
{
	const struct fl_firewall_conf conf = {
		.masq = d->opts->ip_masq,
		.forward = d->opts->iptables_forward_rules,
		.random_fully = !d->opts->ip_masq_random_disable,
	};
	char *why = NULL;
	int r;

	d->firewall_listener.applied = on_firewall;
	r = fl_firewall_create(d->loop, &conf, &d->firewall_listener, &d->firewall, &why);
	if (r == 0)
		return FL_EXIT_OK;
	fl_err("firewall", "%s", why ? why : strerror(-r));
	free(why);
	return FL_EXIT_FIREWALL;
}

static enum fl_exit open_store(struct daemon *d)
{
	const struct fl_options *o = d->opts;
	char *why = NULL;
	int r;

	d->store_conf = (struct fl_store_conf){
		.endpoints = o->etcd_endpoints,
		.prefix = o->etcd_prefix,
		.ca_file = o->etcd_cafile,
		.cert_file = o->etcd_certfile,
		.key_file = o->etcd_keyfile,
		.username = o->etcd_username,
		.password = o->etcd_password,
		.lease_ttl_s = (uint32_t)o->lease_ttl_s,
		.renew_margin_s = (uint32_t)o->renew_margin_s,
	};
	d->store_listener.ops = &store_listener_ops;
	r = fl_store_create(d->loop, &d->store_conf, &d->store_listener, &d->store, &why);
	if (r == 0)
		r = fl_store_fetch_config(d->store);
	if (r == 0)
		return FL_EXIT_OK;
	fl_err("daemon", "store: %s", why ? why : strerror(-r));
	free(why);
	return FL_EXIT_FAULT;
}

static void read_previous(struct daemon *d)
{
	int r = fl_subnet_env_read(d->opts->subnet_file, &d->previous);

	if (r < 0 && r != -ENOENT)
		fl_warn("daemon", "%s: %s; the previous subnet is not known", d->opts->subnet_file,
			strerror(-r));
}

static void start_watchers(struct daemon *d)
{
	(void)signal(SIGPIPE, SIG_IGN); /* a write to a gone peer is an error code, not our end */
	ev_set_userdata(d->loop, d);
	ev_signal_init(&d->on_term, on_stop_signal, SIGTERM);
	ev_signal_init(&d->on_int, on_stop_signal, SIGINT);
	ev_signal_start(d->loop, &d->on_term);
	ev_signal_start(d->loop, &d->on_int);
	ev_timer_init(&d->release_limit, on_release_limit, RELEASE_TIMEOUT_S, 0.);
	ev_timer_init(&d->extend, on_extend, 0., EXTEND_EVERY_S);
	ev_timer_init(&d->trim, on_trim, TRIM_AFTER_S, 0.);
	if (getenv("NOTIFY_SOCKET"))
		ev_timer_start(d->loop, &d->extend);
}

static enum fl_exit start(struct daemon *d)
{
	enum fl_exit code = choose_interface(d);

	if (code)
		return code;
	say_interface(d);
	start_watchers(d);
	code = open_firewall(d);
	if (code)
		return code;
	read_previous(d);
	return open_store(d);
}

static void finish(struct daemon *d)
{
	fl_store_destroy(d->store);
	fl_overlay_destroy(d->overlay);
	fl_firewall_destroy(d->firewall);
	if (d->backend)
		d->ops->destroy(d->backend);
	fl_loader_unload(d->module);
	if (d->has_netconf)
		fl_netconf_done(&d->netconf);
	fl_rtnl_close(d->rtnl);
	if (d->loop)
		ev_loop_destroy(d->loop);
}

int fl_daemon_run(const struct fl_options *opts)
{
	struct daemon d = {.opts = opts};

	fl_info("daemon", "flanneld " PACKAGE_VERSION " starts");
	d.loop = ev_default_loop(EVFLAG_NOENV);
	if (!d.loop) {
		fl_err("daemon", "no event loop: %s", strerror(errno));
		return FL_EXIT_FAULT;
	}
	d.code = start(&d);
	if (!d.code)
		ev_run(d.loop, 0);
	finish(&d);
	return d.code;
}

int fl_daemon_check(const struct fl_options *opts)
{
	struct daemon d = {.opts = opts};
	const struct fl_extif *e = &d.iface.extif;
	char addr[FL_ADDR_STRLEN], public_ip[FL_ADDR_STRLEN];
	enum fl_exit code = choose_interface(&d);

	if (!code)
		(void)printf(
			"interface %s\nindex %u\nmtu %u\naddress %s\npublic-ip %s\nreason %s\n",
			e->name, e->ifindex, e->mtu, fl_addr_format(&e->addr, addr),
			fl_addr_format(&e->public_ip, public_ip), d.iface.why);
	finish(&d);
	return code;
}
