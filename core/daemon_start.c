/* core/daemon_start.c - what is there before the loop turns: interface, firewall, store. */
#include "daemon_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/rtnl.h"

struct fl_extif_conf daemon_extif_conf(const struct daemon *d)
{
	return (struct fl_extif_conf){
		.iface = (const char *const *)d->opts->iface.items,
		.iface_regex = (const char *const *)d->opts->iface_regex.items,
		.can_reach = d->opts->iface_can_reach,
		.public_ip = d->opts->public_ip,
	};
}

enum fl_exit daemon_choose_interface(struct daemon *d)
{
	const struct fl_extif_conf conf = daemon_extif_conf(d);
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
	d->underlay_mtu = d->iface.extif.mtu;
	return FL_EXIT_OK;
}

void daemon_say_interface(const struct daemon *d)
{
	const struct fl_extif *e = &d->iface.extif;
	char addr[FL_ADDR_STRLEN], public_ip[FL_ADDR_STRLEN];

	fl_info("daemon", "interface %s, address %s, public address %s, MTU %u: %s", e->name,
		fl_addr_format(&e->addr, addr), fl_addr_format(&e->public_ip, public_ip), e->mtu,
		d->iface.why);
}

enum fl_exit daemon_open_firewall(struct daemon *d)
{
	const struct fl_firewall_conf conf = {
		.masq = d->opts->ip_masq,
		.forward = d->opts->iptables_forward_rules,
		.random_fully = !d->opts->ip_masq_random_disable,
		.resync_s = (uint32_t)d->opts->iptables_resync_s,
	};
	char *why = NULL;
	int r;

	r = fl_firewall_create(d->loop, &conf, &d->firewall_listener, &d->firewall, &why);
	if (r == 0)
		return FL_EXIT_OK;
	fl_err("firewall", "%s", why ? why : strerror(-r));
	free(why);
	return FL_EXIT_FIREWALL;
}

enum fl_exit daemon_open_store(struct daemon *d)
{
	const struct fl_options *o = d->opts;
	char *why = NULL;
	int r;

	fl_options_store(o, &d->store_conf);
	r = fl_store_create(d->loop, &d->store_conf, &d->store_listener, &d->store, &why);
	if (r == 0)
		r = fl_store_fetch_config(d->store);
	if (r == 0)
		return FL_EXIT_OK;
	fl_err("daemon", "store: %s", why ? why : strerror(-r));
	free(why);
	return FL_EXIT_FAULT;
}

enum fl_exit daemon_read_previous(struct daemon *d)
{
	int r = fl_subnet_env_check(d->opts->subnet_file);

	if (r < 0) {
		fl_err("daemon", "%s: cannot be written: %s", d->opts->subnet_file,
		       r == -EEXIST ? "what is there is not a regular file" : strerror(-r));
		return FL_EXIT_FILE;
	}
	r = fl_subnet_env_read(d->opts->subnet_file, &d->previous);
	if (r < 0 && r != -ENOENT)
		fl_warn("daemon", "%s: %s; the previous subnet is not known", d->opts->subnet_file,
			strerror(-r));
	return FL_EXIT_OK;
}

int fl_daemon_check(const struct fl_options *opts)
{
	struct daemon d = {.opts = opts};
	const struct fl_extif *e = &d.iface.extif;
	char addr[FL_ADDR_STRLEN], public_ip[FL_ADDR_STRLEN];
	enum fl_exit code = daemon_choose_interface(&d);

	if (!code)
		(void)printf(
			"interface %s\nindex %u\nmtu %u\naddress %s\npublic-ip %s\nreason %s\n",
			e->name, e->ifindex, e->mtu, fl_addr_format(&e->addr, addr),
			fl_addr_format(&e->public_ip, public_ip), d.iface.why);
	fl_rtnl_close(d.rtnl);
	return code;
}
