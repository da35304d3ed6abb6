/* core/daemon_backend.c - the backend's part in the life: load, lease data, up, what it says. */
#include "daemon_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "leftover.h"
#include "loader.h"
#include "overlay.h"
#include "peer_filter.h"

/* --- the lease */

static void say_no_data(struct daemon *d, int error)
{
	fl_err("daemon", "backend %s has no data for the lease: lease_data: %s", d->ops->name,
	       strerror(abs(error)));
	if (daemon_move_failed(d))
		return;
	daemon_quit(d, FL_EXIT_BACKEND);
}

/* A lease that is no JSON would be of no use to anybody. */
static int check_data(const struct daemon *d, const char data[FL_BACKEND_DATA_MAX])
{
	size_t len = strnlen(data, FL_BACKEND_DATA_MAX);
	struct fl_json *doc = NULL;
	char *why = NULL;
	int r;

	if (len == 0)
		return 0;
	r = len < FL_BACKEND_DATA_MAX ? fl_json_parse(data, len, &doc, &why) : -ENOSPC;
	if (r == -EINVAL)
		fl_err("daemon", "backend %s: lease_data: not JSON: %s", d->ops->name,
		       why ? why : "unreadable");
	free(why);
	fl_json_destroy(doc);
	return r;
}

/* The others must know when this host is reached otherwise. */
static void advertise(struct daemon *d, struct fl_lease *mine)
{
	int r = 0;

	mine->subnet = d->own->subnet;
	if (!fl_lease_same(mine, d->own))
		r = fl_store_change(d->store, mine, &d->own);
	if (r == 0) {
		daemon_backend_up(d, d->own);
		return;
	}
	fl_err("daemon", "cannot change our lease: %s", strerror(-r));
	daemon_quit(d, FL_EXIT_FAULT);
}

void daemon_acquire(struct daemon *d)
{
	char data[FL_BACKEND_DATA_MAX] = "";
	struct fl_lease mine = {
		.public_ip = d->iface.extif.public_ip,
		.public_ip6 = d->iface.extif.public_ip6,
		.backend_type = d->ops->name,
	};
	int r;

	d->stage = STAGE_PREPARE;
	r = d->ops->lease_data ? d->ops->lease_data(d->backend, data) : 0;
	d->busy = r == -EINPROGRESS;
	if (d->busy)
		return;
	if (r == 0)
		r = check_data(d, data);
	if (r) {
		say_no_data(d, r);
		return;
	}
	mine.backend_data = data[0] ? data : NULL;
	if (d->own) {
		advertise(d, &mine);
		return;
	}
	d->stage = STAGE_ACQUIRE;
	r = fl_store_acquire(d->store, &d->netconf, &mine, &d->previous.subnet,
			     &d->iface.extif.addr);
	if (r < 0) {
		fl_err("daemon", "cannot ask for a lease: %s", strerror(-r));
		daemon_quit(d, FL_EXIT_FAULT);
	}
}

static void say_not_up(struct daemon *d, int error)
{
	char subnet[FL_PREFIX_STRLEN];

	fl_err("daemon", "%s: backend %s does not come up: up: %s",
	       fl_prefix_format(&d->subnet, subnet), d->ops->name, strerror(abs(error)));
	if (daemon_move_failed(d))
		return;
	daemon_quit(d, FL_EXIT_BACKEND);
}

void daemon_backend_up(struct daemon *d, const struct fl_lease *own)
{
	int r;

	d->stage = STAGE_UP;
	r = d->ops->up(d->backend, own);
	d->busy = r == -EINPROGRESS;
	if (r == 0)
		daemon_go_on(d);
	else if (!d->busy)
		say_not_up(d, r);
}

/* --- what the backend says */

static void on_continued(struct fl_env_listener *l, int error)
{
	struct daemon *d = fl_container_of(l, struct daemon, env_listener);

	if (!d->busy) { /* within lease_data() or up(), or once too often */
		fl_warn("daemon", "backend %s: fl_env_continue() while nothing is under way",
			d->ops->name);
		return;
	}
	d->busy = false;
	if (d->stage == STAGE_PREPARE && error) {
		say_no_data(d, error);
	} else if (d->stage == STAGE_PREPARE) {
		daemon_acquire(d);
	} else if (d->stage == STAGE_UP && error) {
		say_not_up(d, error);
	} else if (d->stage == STAGE_UP) {
		daemon_go_on(d);
	}
}

static void on_device_came(struct fl_env_listener *l, uint32_t ifindex)
{
	struct daemon *d = fl_container_of(l, struct daemon, env_listener);

	if (d->overlay)
		fl_overlay_device_came(d->overlay, ifindex);
}

static void on_device_went(struct fl_env_listener *l, uint32_t ifindex)
{
	struct daemon *d = fl_container_of(l, struct daemon, env_listener);

	if (d->overlay)
		fl_overlay_device_went(d->overlay, ifindex);
}

/* --- load */

static int check_backend(struct daemon *d)
{
	if (!(d->ops->flags & FL_BACKEND_RUNS_COMMANDS) || d->opts->allow_extension)
		return 0;
	fl_err("daemon",
	       "backend %s runs commands from the network config, as root: it is not started "
	       "without --allow-extension",
	       d->ops->name);
	return -EPERM;
}

static int check_mtu(struct daemon *d)
{
	const struct fl_extif *e = &d->iface.extif;

	if (d->ops->mtu(d->backend, e->mtu) > 0)
		return 0;
	fl_err("daemon", "%s: its MTU is %u, too little for backend %s: mtu: 0", e->name, e->mtu,
	       d->ops->name);
	return -EINVAL;
}

int daemon_backend_create(struct daemon *d)
{
	int r;

	d->env_listener.continued = on_continued;
	d->env_listener.device_came = on_device_came;
	d->env_listener.device_went = on_device_went;
	d->env.loop = d->loop;
	d->env.rtnl = d->rtnl;
	d->env.listener = &d->env_listener;
	d->env.extif = &d->iface.extif;
	d->env.network = d->netconf.network;
	d->env.by_hand = fl_store_by_hand(d->store);
	d->env.runs_commands = d->ops->flags & FL_BACKEND_RUNS_COMMANDS;
	r = d->ops->create(&d->env, d->netconf.backend, &d->backend);
	if (r == 0)
		return check_mtu(d);
	if (r == -EINVAL) /* it has said what it does not take */
		fl_err("daemon", "backend %s refuses to start", d->ops->name);
	else
		fl_err("daemon", "backend %s cannot start: create: %s", d->ops->name,
		       strerror(abs(r)));
	d->env.n_counters = 0; /* they were the backend's */
	return -abs(r);	       /* a module of others may return anything */
}

int daemon_backend_load(struct daemon *d)
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
	return check_backend(d);
}

void daemon_say_leftovers(const struct daemon *d)
{
	struct fl_leftover found[FL_LEFTOVERS_MAX];
	int n = fl_leftover_find(&d->env, found);
	char addr[FL_ADDR_STRLEN];

	if (n < 0)
		fl_debug("daemon", "cannot look for devices of an earlier config: %s",
			 strerror(-n));
	for (int i = 0; i < n; i++)
		fl_warn("daemon",
			"%s: a device of an earlier network config, with the address %s of this "
			"one; if nothing else uses it: ip link del %s",
			found[i].name, fl_addr_format(&found[i].addr, addr), found[i].name);
}

/* Who does not want it any longer must not be left with the set of an earlier run, which nobody
 * keeps. */
static void drop_filter(void)
{
	int r = fl_peer_filter_remove();

	if (r > 0)
		fl_info("firewall", "peer filter: not wanted any longer: removed");
	else if (r < 0)
		fl_warn("firewall", "peer filter: cannot see whether there is one to remove: %s",
			strerror(-r));
}

int daemon_filter_peers(struct daemon *d)
{
	int r;

	if (d->opts->peer_filter && !d->env.n_udp_ports)
		fl_warn("firewall", "--peer-filter: backend %s uses no UDP port to filter",
			d->ops->name);
	if (!d->opts->peer_filter || !d->env.n_udp_ports) {
		drop_filter();
		return 0;
	}
	r = fl_peer_filter_create(d->loop, d->env.udp_ports, d->env.n_udp_ports, &d->peer_filter);
	if (r < 0)
		fl_err("firewall", "--peer-filter: %s",
		       r == -EOPNOTSUPP ? "this kernel has no nf_tables: load or build it, or "
					  "start without --peer-filter"
					: strerror(-r));
	return r;
}

void daemon_filter_done(struct daemon *d)
{
	if (d->peer_filter)
		fl_info("firewall", "peer filter: %llu packets of strangers dropped so far",
			(unsigned long long)fl_peer_filter_dropped(d->peer_filter));
	fl_peer_filter_destroy(d->peer_filter);
}

static void say_counters(const struct fl_env *env)
{
	for (size_t i = 0; i < env->n_counters; i++)
		fl_debug("daemon", "%s: %llu", env->counters[i].name,
			 (unsigned long long)fl_counter_value(&env->counters[i]));
}

void daemon_backend_destroy(struct daemon *d)
{
	if (!d->backend)
		return;
	say_counters(&d->env);
	d->ops->destroy(d->backend);
	d->backend = NULL;
	d->env.n_counters = 0;
	d->env.n_udp_ports = 0;
}

void daemon_backend_done(struct daemon *d)
{
	daemon_backend_destroy(d);
	fl_loader_unload(d->module);
}
