/* core/cleanup_kernel.c - devices, routes and nexthop objects of ours are removed. Neighbours and
 * FDB entries are on devices of ours alone, and go with them. */
#include "cleanup_internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "fib.h"
#include "io/rtmsg.h"
#include "io/rtnl.h"
#include "link_mark.h"

#define DUMP_TRIES 5 /* an interrupted dump is read again */

/* Things that a dump has shown, all of one size. */
struct found {
	void *items;
	size_t size; /* of one */
	uint32_t count;
	uint32_t cap;
};

static int keep(struct found *f, const void *item)
{
	if (f->count == f->cap) {
		uint32_t cap = f->cap ? f->cap * 2 : 16;
		void *items = reallocarray(f->items, cap, f->size);

		if (!items)
			return -ENOMEM;
		f->items = items;
		f->cap = cap;
	}
	memcpy((char *)f->items + f->size * f->count++, item, f->size);
	return 0;
}

/* @param nlh  can be sent again: the sender sets all that changes */
static int collect(struct fl_rtnl *rtnl, struct nlmsghdr *nlh, fl_rtnl_cb cb, struct found *f)
{
	uint32_t before = f->count;
	int r = -EINTR;

	for (int i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
		f->count = before;
		r = fl_rtnl_dump(rtnl, nlh, cb, f);
	}
	return r;
}

/* @return 0 also if somebody has just removed it, and then nothing is said; -errno, which was
 * logged */
static int judge_removal(int r, const char *what)
{
	if (r == 0)
		cleanup_say("%s", what);
	else if (r == -ENODEV || r == -ESRCH || r == -ENOENT)
		return 0;
	else
		fl_err("cleanup", "%s: cannot be removed: %s", what, strerror(-r));
	return r;
}

static int say_unread(const char *what, int r)
{
	if (r < 0)
		fl_err("cleanup", "cannot read %s: %s", what, strerror(-r));
	return r;
}

/* ---- devices ---- */

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	struct fl_rtmsg_link l;
	int r = fl_rtmsg_link_parse(nlh, &l);

	if (r < 0)
		return r == -ENOMSG ? 0 : r;
	return fl_link_is_marked(&l) ? keep(data, &l) : 0;
}

static int remove_device(struct fl_rtnl *rtnl, const struct fl_rtmsg_link *l)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8))), what[64];
	const struct fl_rtmsg_link_change gone = {.link = {.ifindex = l->ifindex}};

	(void)snprintf(what, sizeof(what), "device %s (%s)", l->name, l->kind);
	return judge_removal(fl_rtnl_request(rtnl, fl_rtmsg_link_put(buf, RTM_DELLINK, 0, &gone)),
			     what);
}

static int remove_devices(struct fl_rtnl *rtnl)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct found f = {.size = sizeof(struct fl_rtmsg_link)};
	int first = say_unread("the devices", collect(rtnl, fl_rtmsg_link_dump(buf), on_link, &f));

	for (uint32_t i = 0; first != -ENOMEM && i < f.count; i++) {
		int r = remove_device(rtnl, (struct fl_rtmsg_link *)f.items + i);

		first = first < 0 ? first : r;
	}
	free(f.items);
	return first;
}

/* ---- routes ---- */

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	struct fl_rtmsg_route m;
	int r = fl_rtmsg_route_parse(nlh, &m);

	if (r < 0)
		return r == -ENOMSG ? 0 : r;
	if (m.protocol != FL_RTPROT || m.table != RT_TABLE_MAIN)
		return 0;
	return keep(data, &m);
}

static void route_text(const struct fl_rtmsg_route *m, char *buf, size_t size)
{
	char dst[FL_PREFIX_STRLEN], via[FL_ADDR_STRLEN], name[IF_NAMESIZE] = "";
	bool has_via = fl_addr_is_set(&m->via);

	if (m->ifindex)
		(void)if_indextoname(m->ifindex, name);
	(void)snprintf(buf, size, "route %s%s%s%s%s", fl_prefix_format(&m->dst, dst),
		       has_via ? " via " : "", has_via ? fl_addr_format(&m->via, via) : "",
		       name[0] ? " dev " : "", name);
}

/* With all that it was shown with, so that the kernel can match no other one. */
static int remove_route(struct fl_rtnl *rtnl, const struct fl_rtmsg_route *shown)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8))), what[160];
	struct fl_rtmsg_route m = *shown;

	route_text(shown, what, sizeof(what));
	if (m.dst.addr.family == AF_INET)
		m.scope = RT_SCOPE_NOWHERE; /* any */
	m.onlink = false;
	return judge_removal(fl_rtnl_request(rtnl, fl_rtmsg_route_put(buf, RTM_DELROUTE, 0, &m)),
			     what);
}

static int remove_routes(struct fl_rtnl *rtnl, uint8_t family)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct found f = {.size = sizeof(struct fl_rtmsg_route)};
	int first = collect(rtnl, fl_rtmsg_route_dump(buf, family, RT_TABLE_MAIN, FL_RTPROT, 0),
			    on_route, &f);

	if (first == -ENOENT) /* the table never had a route */
		first = 0;
	(void)say_unread("the routes", first);
	for (uint32_t i = 0; first != -ENOMEM && i < f.count; i++) {
		int r = remove_route(rtnl, (struct fl_rtmsg_route *)f.items + i);

		first = first < 0 ? first : r;
	}
	free(f.items);
	return first;
}

/* ---- nexthop objects ---- */

static int on_nexthop(const struct nlmsghdr *nlh, void *data)
{
	struct fl_rtmsg_nexthop m;
	int r = fl_rtmsg_nexthop_parse(nlh, &m);

	if (r < 0)
		return r == -ENOMSG ? 0 : r;
	return m.protocol == FL_RTPROT ? keep(data, &m) : 0;
}

/* Those that a route still uses, which is somebody else's by now: it would go with the object. */
static int on_user(const struct nlmsghdr *nlh, void *data)
{
	struct fl_rtmsg_route m;
	int r = fl_rtmsg_route_parse(nlh, &m);

	if (r < 0)
		return r == -ENOMSG ? 0 : r;
	return m.nhid ? keep(data, &m.nhid) : 0;
}

static int find_users(struct fl_rtnl *rtnl, struct found *ret)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	int r = 0;

	for (size_t i = 0; i < FL_ARRAY_SIZE(families) && r == 0; i++) {
		r = collect(rtnl, fl_rtmsg_route_dump(buf, families[i], 0, 0, 0), on_user, ret);
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

static int remove_nexthop(struct fl_rtnl *rtnl, const struct fl_rtmsg_nexthop *m,
			  const struct found *users)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8))), what[96], via[FL_ADDR_STRLEN];

	(void)snprintf(what, sizeof(what), "nexthop %u via %s", m->id,
		       fl_addr_is_set(&m->via) ? fl_addr_format(&m->via, via) : "no gateway");
	for (uint32_t i = 0; i < users->count; i++) {
		if (((const uint32_t *)users->items)[i] != m->id)
			continue;
		fl_warn("cleanup", "%s: a route that is not ours uses it; it stays", what);
		return 0;
	}
	return judge_removal(fl_rtnl_request(rtnl, fl_rtmsg_nexthop_put(buf, RTM_DELNEXTHOP, 0, m)),
			     what);
}

static int remove_nexthops(struct fl_rtnl *rtnl)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct found f = {.size = sizeof(struct fl_rtmsg_nexthop)};
	struct found users = {.size = sizeof(uint32_t)};
	int first = collect(rtnl, fl_rtmsg_nexthop_dump(buf, 0), on_nexthop, &f), r;
	bool known;

	if (first == -EOPNOTSUPP) /* before Linux 5.3 */
		first = 0;
	if (first == 0 && f.count)
		first = find_users(rtnl, &users);
	(void)say_unread("the nexthop objects and who uses them", first);
	known = first == 0; /* else one that somebody uses might go */
	for (uint32_t i = 0; known && i < f.count; i++) {
		r = remove_nexthop(rtnl, (struct fl_rtmsg_nexthop *)f.items + i, &users);
		first = first < 0 ? first : r;
	}
	free(users.items);
	free(f.items);
	return first;
}

int cleanup_kernel(void)
{
	struct fl_rtnl *rtnl;
	int r[4], first = 0;

	first = fl_rtnl_open(&rtnl);
	if (first < 0)
		return say_unread("anything by rtnetlink", first);
	r[0] = remove_devices(rtnl); /* and with them most routes and objects, at once */
	r[1] = remove_routes(rtnl, AF_INET);
	r[2] = remove_routes(rtnl, AF_INET6);
	r[3] = remove_nexthops(rtnl);
	for (size_t i = 0; i < FL_ARRAY_SIZE(r) && first == 0; i++)
		first = r[i];
	fl_rtnl_close(rtnl);
	return first;
}
