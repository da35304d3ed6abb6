/* tests/system/fib_model_kernel.c - the vandal, and a look at what stands. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/fib.h"
#include "core/io/rtmsg.h"
#include "core/io/rtnl.h"
#include "fib_model.h"

#define FOREIGN	       40u
#define FOREIGN_METRIC 77u
#define FD_LIMIT       256

static struct fl_rtnl *vandal;
static char message[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));

void kernel_open(void)
{
	if (fl_rtnl_open(&vandal) < 0)
		exit(2);
}

void kernel_close(void)
{
	fl_rtnl_close(vandal);
}

/* What it asks for may not be possible, for another damage came first. */
static void ask(struct nlmsghdr *nlh)
{
	(void)fl_rtnl_request(vandal, nlh);
}

/* ---- rows ---- */

static void neigh(uint16_t type, uint16_t flags, uint32_t ifindex, uint32_t i, uint32_t mac)
{
	const struct fl_rtmsg_neigh m = {.family = AF_INET,
					 .ifindex = ifindex,
					 .state = NUD_PERMANENT,
					 .dst = subnet_of(i).addr,
					 .mac = mac_of(mac),
					 .has_mac = type == RTM_NEWNEIGH};

	ask(fl_rtmsg_neigh_put(message, type, flags, &m));
}

static void fdb(uint16_t type, uint16_t flags, uint32_t ifindex, uint32_t mac, uint32_t remote)
{
	struct fl_rtmsg_neigh m = {.family = AF_BRIDGE,
				   .ifindex = ifindex,
				   .state = NUD_PERMANENT | NUD_NOARP,
				   .flags = NTF_SELF,
				   .mac = mac_of(mac),
				   .has_mac = true};

	if (type == RTM_NEWNEIGH)
		m.dst = remote_of(remote);
	ask(fl_rtmsg_neigh_put(message, type, flags, &m));
}

static void route(uint16_t type, uint16_t flags, uint32_t ifindex, uint32_t i, uint8_t protocol)
{
	struct fl_rtmsg_route m = {.dst = subnet_of(i),
				   .table = RT_TABLE_MAIN,
				   .protocol = protocol,
				   .scope = RT_SCOPE_LINK,
				   .type = RTN_UNICAST};

	if (type == RTM_NEWROUTE)
		m.ifindex = ifindex;
	else
		m.scope = RT_SCOPE_NOWHERE;
	ask(fl_rtmsg_route_put(message, type, flags, &m));
}

static int on_nexthop(const struct nlmsghdr *nlh, void *data)
{
	struct fl_rtmsg_nexthop m;
	uint32_t *id = data;

	if (fl_rtmsg_nexthop_parse(nlh, &m) == 0 && m.protocol == FL_RTPROT && pick(40) == 0)
		*id = m.id;
	return 0;
}

static void some_nexthop_goes(void)
{
	struct fl_rtmsg_nexthop m = {.id = 0};

	(void)fl_rtnl_dump(vandal, fl_rtmsg_nexthop_dump(message, 0), on_nexthop, &m.id);
	if (m.id)
		ask(fl_rtmsg_nexthop_put(message, RTM_DELNEXTHOP, 0, &m));
}

void kernel_damage(uint32_t ifindex, uint32_t i)
{
	uint32_t mac = peers[i].mac, other = pick(MACS);

	switch (pick(20)) {
	case 0:
		some_nexthop_goes();
		break;
	case 1:
	case 2:
		neigh(RTM_NEWNEIGH, NLM_F_REPLACE, ifindex, i, other);
		break;
	case 3:
	case 4: /* of a MAC that nobody declares, the entry would be none of ours to mend */
		fdb(RTM_NEWNEIGH, NLM_F_REPLACE, ifindex, mac, pick(REMOTES));
		break;
	case 5:
	case 6:
		fdb(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, ifindex, mac, pick(REMOTES));
		break;
	case 7:
		route(RTM_NEWROUTE, NLM_F_REPLACE, ifindex, i, RTPROT_BOOT);
		break;
	case 8:
		route(RTM_NEWROUTE, NLM_F_REPLACE, ifindex, i, FL_RTPROT);
		break;
	case 9:
	case 10:
	case 11:
	case 12:
		neigh(RTM_DELNEIGH, 0, ifindex, i, 0);
		break;
	case 13:
	case 14:
	case 15:
	case 16:
		fdb(RTM_DELNEIGH, 0, ifindex, mac, 0);
		break;
	default:
		route(RTM_DELROUTE, 0, ifindex, i, FL_RTPROT);
	}
}

void kernel_add_stale(uint32_t ifindex, uint32_t i)
{
	neigh(RTM_NEWNEIGH, NLM_F_CREATE, ifindex, i, MACS + i);
	fdb(RTM_NEWNEIGH, NLM_F_CREATE, ifindex, MACS + i, pick(REMOTES));
	route(RTM_NEWROUTE, NLM_F_CREATE, ifindex, i, FL_RTPROT);
}

/* ---- devices and sockets ---- */

static void link_change(uint16_t type, const struct fl_rtmsg_link_change *c)
{
	ask(fl_rtmsg_link_put(message, type, 0, c));
}

void kernel_set_link(uint32_t ifindex, bool up)
{
	const struct fl_rtmsg_link_change c = {
		.link = {.ifindex = ifindex, .flags = up ? IFF_UP : 0}, .change_mask = IFF_UP};

	link_change(RTM_SETLINK, &c);
}

void kernel_set_mac(uint32_t ifindex, uint32_t number)
{
	const struct fl_rtmsg_link_change c = {
		.link = {.ifindex = ifindex, .mac = mac_of(number), .has_mac = true}};

	link_change(RTM_SETLINK, &c);
}

void kernel_del_link(uint32_t ifindex)
{
	const struct fl_rtmsg_link_change c = {.link = {.ifindex = ifindex}};

	link_change(RTM_DELLINK, &c);
}

static bool listens(int fd)
{
	uint32_t groups[8] = {0};
	socklen_t size = sizeof(groups);
	bool any = false;

	if (getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		any = any || groups[i];
	return any;
}

void kernel_set_buffers(int bytes)
{
	for (int fd = 3; fd < FD_LIMIT; fd++)
		if (listens(fd) &&
		    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
			exit(2);
}

/* ---- what stands ---- */

struct look {
	uint32_t ifindex;
	uint32_t neighs, fdbs, routes, nexthops, foreign;
	char *why; /* of 160 bytes; "": all is as it should be */
};

static void blame(struct look *l, const char *what, uint32_t number)
{
	if (!l->why[0])
		(void)snprintf(l->why, 160, "%s %u", what, number);
}

/* Which peer's subnet it is in; PEERS: none's. */
static uint32_t peer_at(const struct fl_addr *a)
{
	uint32_t host_order = fl_addr_v4(a), i = ((host_order >> 8) & 0xffff) - 1;

	return host_order >> 24 == 10 && i < PEERS ? i : PEERS;
}

static uint32_t mac_number(const struct fl_mac *m)
{
	uint32_t number = (uint32_t)m->bytes[4] << 8 | m->bytes[5];
	struct fl_mac same = mac_of(number);

	return memcmp(&same, m, sizeof(same)) == 0 && number < MACS ? number : MACS;
}

static int see_neigh(const struct nlmsghdr *nlh, void *data)
{
	struct fl_rtmsg_neigh m;
	struct look *l = data;
	uint32_t i;

	if (fl_rtmsg_neigh_parse(nlh, &m) < 0 || m.ifindex != l->ifindex ||
	    !(m.state & NUD_PERMANENT))
		return 0;
	i = peer_at(&m.dst);
	l->neighs++;
	if (i == PEERS || !peers[i].there)
		blame(l, "a neighbour that nobody declares, of peer", i);
	else if (!m.has_mac || mac_number(&m.mac) != peers[i].mac)
		blame(l, "a neighbour with a wrong MAC, of peer", i);
	return 0;
}

static int see_fdb(const struct nlmsghdr *nlh, void *data)
{
	struct fl_addr wanted;
	struct fl_rtmsg_neigh m;
	struct look *l = data;
	uint32_t n;

	if (fl_rtmsg_neigh_parse(nlh, &m) < 0 || m.ifindex != l->ifindex ||
	    !(m.state & NUD_PERMANENT) || !m.has_mac || !fl_mac_is_unicast(&m.mac))
		return 0;
	n = mac_number(&m.mac);
	l->fdbs++;
	if (n == MACS || model_remote(n) == REMOTES) {
		blame(l, "an FDB entry that nobody declares, of MAC", n);
		return 0;
	}
	wanted = remote_of(model_remote(n));
	if (!fl_addr_equal(&m.dst, &wanted))
		blame(l, "an FDB entry with a wrong remote, of MAC", n);
	return 0;
}

static int see_route(const struct nlmsghdr *nlh, void *data)
{
	struct fl_rtmsg_route m;
	struct look *l = data;
	uint32_t i;

	if (fl_rtmsg_route_parse(nlh, &m) < 0 || m.table != RT_TABLE_MAIN || m.dst.len != 24)
		return 0;
	if (m.metric == FOREIGN_METRIC) {
		l->foreign++;
		return 0;
	}
	i = peer_at(&m.dst.addr);
	if (m.protocol != FL_RTPROT && (i == PEERS || !peers[i].there))
		return 0; /* the vandal's, in place of one that has been withdrawn since */
	l->routes++;
	if (i == PEERS || !peers[i].there)
		blame(l, "a route that nobody declares, of peer", i);
	else if (m.protocol != FL_RTPROT || m.ifindex != l->ifindex ||
		 !fl_addr_equal(&m.via, &m.dst.addr))
		blame(l, "a route that leads astray, of peer", i);
	return 0;
}

static int see_nexthop(const struct nlmsghdr *nlh, void *data)
{
	struct fl_rtmsg_nexthop m;
	struct look *l = data;

	l->nexthops += fl_rtmsg_nexthop_parse(nlh, &m) == 0 && m.protocol == FL_RTPROT;
	return 0;
}

static uint32_t macs_in_use(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MACS; i++)
		n += model_remote(i) != REMOTES;
	return n;
}

/* What is wrong in number, once nothing is wrong in kind. */
static void count(struct look *l)
{
	uint32_t n = model_count(), macs = macs_in_use();

	if (l->neighs != n)
		blame(l, "neighbours that stand:", l->neighs);
	if (l->fdbs != macs)
		blame(l, "FDB entries that stand:", l->fdbs);
	if (l->routes != n)
		blame(l, "routes that stand:", l->routes);
	if (l->nexthops != n)
		blame(l, "nexthop objects that stand:", l->nexthops);
	if (l->foreign != FOREIGN)
		blame(l, "routes of others that stand:", l->foreign);
}

bool kernel_matches(uint32_t ifindex, char why[160])
{
	struct look l = {.ifindex = ifindex, .why = why};
	int r;

	why[0] = '\0';
	r = fl_rtnl_dump(vandal, fl_rtmsg_neigh_dump(message, AF_INET, ifindex), see_neigh, &l);
	if (r == 0)
		r = fl_rtnl_dump(vandal, fl_rtmsg_neigh_dump(message, AF_BRIDGE, ifindex), see_fdb,
				 &l);
	if (r == 0)
		r = fl_rtnl_dump(vandal, fl_rtmsg_route_dump(message, AF_INET, RT_TABLE_MAIN, 0, 0),
				 see_route, &l);
	if (r == 0)
		r = fl_rtnl_dump(vandal, fl_rtmsg_nexthop_dump(message, 0), see_nexthop, &l);
	if (r < 0)
		blame(&l, "a dump has failed:", (uint32_t)-r);
	count(&l);
	return !why[0];
}

/* On the loopback device: with a device of ours they would go. */
void kernel_add_foreign(void)
{
	for (uint32_t i = 0; i < FOREIGN; i++) {
		const struct fl_rtmsg_route m = {.dst = subnet_of(i * (PEERS / FOREIGN)),
						 .ifindex = 1,
						 .table = RT_TABLE_MAIN,
						 .metric = FOREIGN_METRIC,
						 .protocol = RTPROT_STATIC,
						 .scope = RT_SCOPE_LINK,
						 .type = RTN_UNICAST};

		ask(fl_rtmsg_route_put(message, RTM_NEWROUTE, NLM_F_CREATE, &m));
	}
}
