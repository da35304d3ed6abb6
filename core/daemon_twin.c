/* core/daemon_twin.c - another host with our address would have our lease, too (S12). It answers
 * ARP probes before the store could tell anything. */
#include "daemon_internal.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/log.h"
#include "io/rtmsg.h"
#include "io/rtnl.h"

struct search {
	struct fl_mac mac;
	bool found;
};

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	struct search *s = data;
	struct fl_rtmsg_link link;

	if (fl_rtmsg_link_parse(nlh, &link) == 0 && link.has_mac)
		s->found = s->found || fl_mac_equal(&link.mac, &s->mac);
	return 0;
}

/* Two interfaces on one link answer for each other's address (arp_ignore of ip-sysctl.txt). If it
 * cannot be told, it is not held against this host. */
static bool is_own(const struct daemon *d, const struct fl_mac *mac)
{
	struct search s = {.mac = *mac};
	char buf[FL_RTNL_MSG_MAX];

	return fl_rtnl_dump(d->rtnl, fl_rtmsg_link_dump(buf), on_link, &s) < 0 || s.found;
}

static void on_conflict(struct fl_acd_listener *l, const struct fl_mac *mac)
{
	struct daemon *d = fl_container_of(l, struct daemon, twin_listener);
	const struct fl_extif *e = &d->iface.extif;
	char addr[FL_ADDR_STRLEN], text[FL_MAC_STRLEN];

	if (is_own(d, mac))
		return;
	(void)fl_addr_format(&e->addr, addr);
	(void)fl_mac_format(mac, text);
	daemon_twin_done(d);
	/* Whoever is ready was there first. */
	if (d->stage >= STAGE_READY || !fl_addr_equal(&e->addr, &e->public_ip)) {
		fl_warn("daemon", "%s, the address of %s, is also that of another host, %s", addr,
			e->name, text);
		return;
	}
	fl_err("daemon",
	       "%s, the address of %s, is also that of another host, %s: both would have one "
	       "lease. Give this host an address of its own (--address-check=false starts it all "
	       "the same)",
	       addr, e->name, text);
	daemon_quit(d, FL_EXIT_INTERFACE);
}

static int on_own_link(const struct nlmsghdr *nlh, void *data)
{
	struct fl_acd_conf *conf = data;
	struct fl_rtmsg_link link;

	if (fl_rtmsg_link_parse(nlh, &link) == 0 && link.has_mac &&
	    !(link.flags & (IFF_NOARP | IFF_LOOPBACK | IFF_POINTOPOINT)))
		conf->mac = link.mac;
	return 0;
}

void daemon_twin_start(struct daemon *d)
{
	const struct fl_extif *e = &d->iface.extif;
	struct fl_acd_conf conf = {.ifindex = e->ifindex, .addr = e->addr};
	char buf[FL_RTNL_MSG_MAX];
	int r;

	d->twin_listener.conflict = on_conflict;
	if (!d->opts->address_check)
		return;
	r = fl_rtnl_get(d->rtnl, fl_rtmsg_link_get(buf, e->ifindex, NULL), on_own_link, &conf);
	if (r < 0 || !fl_mac_is_unicast(&conf.mac)) /* no ARP there */
		return;
	r = fl_acd_create(d->loop, &conf, &d->twin_listener, &d->twin);
	if (r < 0)
		fl_info("daemon",
			"whether another host has the address of %s is not looked at: %s%s",
			e->name, strerror(-r),
			r == -EPERM ? "; it takes the capability CAP_NET_RAW" : "");
}

void daemon_twin_done(struct daemon *d)
{
	fl_acd_destroy(d->twin);
	d->twin = NULL;
}
