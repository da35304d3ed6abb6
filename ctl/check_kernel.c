/* ctl/check_kernel.c - what this host's kernel does with packets for a lease. */
#include "check_kernel.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fib.h"
#include "io/rtnl.h"
#include "lease.h"

/* ---- reading ---- */

/* A growing array of one kind of thing. */
struct list {
	char *items;
	size_t count;
	size_t cap;
	size_t size; /* of one */
};

static int push(struct list *l, const void *item)
{
	size_t cap = l->cap ? 2 * l->cap : 64;
	char *grown;

	if (l->count == l->cap) {
		grown = reallocarray(l->items, cap, l->size);
		if (!grown)
			return -ENOMEM;
		l->items = grown;
		l->cap = cap;
	}
	memcpy(l->items + l->count++ * l->size, item, l->size);
	return 0;
}

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	struct fl_rtmsg_route r;

	if (fl_rtmsg_route_parse(nlh, &r) < 0 || r.table != RT_TABLE_MAIN)
		return 0;
	return push(data, &r);
}

static int on_neigh(const struct nlmsghdr *nlh, void *data)
{
	struct fl_rtmsg_neigh n;

	return fl_rtmsg_neigh_parse(nlh, &n) < 0 ? 0 : push(data, &n);
}

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	struct fl_rtmsg_link l;

	if (fl_rtmsg_link_parse(nlh, &l) < 0)
		return 0;
	l.data = NULL; /* of the message */
	return push(data, &l);
}

/* A dump that others have disturbed is taken again. */
static int dump(struct fl_rtnl *rtnl, struct nlmsghdr *nlh, fl_rtnl_cb cb, struct list *l)
{
	int r = -EINTR;

	for (int i = 0; i < 5 && r == -EINTR; i++) {
		l->count = 0;
		r = fl_rtnl_dump(rtnl, nlh, cb, l);
	}
	return r;
}

static int compare_addr(const struct fl_addr *a, const struct fl_addr *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static int by_prefix(const void *a, const void *b)
{
	const struct fl_rtmsg_route *x = a, *y = b;
	int r = fl_prefix_compare(&x->dst, &y->dst);

	if (r == 0 && x->metric != y->metric)
		r = x->metric < y->metric ? -1 : 1; /* the one that counts comes first */
	return r;
}

static int by_device(const struct fl_rtmsg_neigh *x, const struct fl_rtmsg_neigh *y)
{
	return x->ifindex == y->ifindex ? 0 : x->ifindex < y->ifindex ? -1 : 1;
}

static int by_addr(const void *a, const void *b)
{
	const struct fl_rtmsg_neigh *x = a, *y = b;
	int r = by_device(x, y);

	return r ? r : compare_addr(&x->dst, &y->dst);
}

static int by_mac(const void *a, const void *b)
{
	const struct fl_rtmsg_neigh *x = a, *y = b;
	int r = by_device(x, y);

	return r ? r : memcmp(&x->mac, &y->mac, sizeof(x->mac));
}

/* Take the array over, sorted. */
static void *take(struct list *l, size_t *count, int (*compare)(const void *, const void *))
{
	void *items = l->items;

	*count = l->count;
	if (compare && l->count > 1)
		qsort(items, l->count, l->size, compare);
	return items;
}

static int read_all(struct fl_rtnl *rtnl, struct ctl_kernel *k)
{
	struct list routes = {.size = sizeof(*k->routes)}, neighs = {.size = sizeof(*k->neighs)},
		    fdb = {.size = sizeof(*k->fdb)}, links = {.size = sizeof(*k->links)};
	char buf[FL_RTNL_MSG_MAX];
	int r = dump(rtnl, fl_rtmsg_route_dump(buf, AF_INET, RT_TABLE_MAIN, 0, 0), on_route,
		     &routes);

	if (r == -ENOENT) /* a namespace in which there never was a route */
		r = 0;
	if (r == 0)
		r = dump(rtnl, fl_rtmsg_neigh_dump(buf, AF_INET, 0), on_neigh, &neighs);
	if (r == 0)
		r = dump(rtnl, fl_rtmsg_neigh_dump(buf, AF_BRIDGE, 0), on_neigh, &fdb);
	if (r == 0)
		r = dump(rtnl, fl_rtmsg_link_dump(buf), on_link, &links);
	k->routes = take(&routes, &k->n_routes, by_prefix);
	k->neighs = take(&neighs, &k->n_neighs, by_addr);
	k->fdb = take(&fdb, &k->n_fdb, by_mac);
	k->links = take(&links, &k->n_links, NULL);
	return r;
}

int ctl_kernel_read(struct ctl_kernel *ret)
{
	struct fl_rtnl *rtnl;
	int r = fl_rtnl_open(&rtnl);

	*ret = (struct ctl_kernel){0};
	if (r < 0)
		return r;
	r = read_all(rtnl, ret);
	fl_rtnl_close(rtnl);
	return r;
}

void ctl_kernel_done(struct ctl_kernel *k)
{
	free(k->routes);
	free(k->neighs);
	free(k->fdb);
	free(k->links);
	*k = (struct ctl_kernel){0};
}

bool ctl_kernel_is_ours(const struct fl_rtmsg_route *route)
{
	return route->protocol == FL_RTPROT;
}

/* ---- looking ---- */

static const struct fl_rtmsg_route *find_route(const struct ctl_kernel *k,
					       const struct fl_prefix *dst)
{
	const struct fl_rtmsg_route *found = NULL;
	size_t low = 0, high = k->n_routes;

	while (low < high) { /* the first of those to dst: the one with the lowest metric */
		size_t mid = low + (high - low) / 2;
		struct fl_rtmsg_route key = {.dst = *dst};

		if (by_prefix(&k->routes[mid], &key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < k->n_routes && fl_prefix_equal(&k->routes[low].dst, dst))
		found = &k->routes[low];
	return found;
}

static const struct fl_rtmsg_link *find_link(const struct ctl_kernel *k, uint32_t ifindex)
{
	for (size_t i = 0; i < k->n_links; i++)
		if (k->links[i].ifindex == ifindex)
			return &k->links[i];
	return NULL;
}

/* Over a vxlan device: the gateway's MAC address, and where frames for that one are sent. */
static bool frames_arrive(const struct ctl_kernel *k, const struct fl_rtmsg_route *route,
			  const struct fl_lease *lease, char *text, size_t size)
{
	struct fl_rtmsg_neigh key = {.ifindex = route->ifindex, .dst = route->via};
	const struct fl_rtmsg_neigh *n =
		bsearch(&key, k->neighs, k->n_neighs, sizeof(key), by_addr);
	char via[FL_ADDR_STRLEN], mac[FL_MAC_STRLEN], host[FL_ADDR_STRLEN];

	if (!n || !n->has_mac) {
		(void)snprintf(text, size, "no neighbour entry for %s",
			       fl_addr_format(&route->via, via));
		return false;
	}
	key.mac = n->mac;
	(void)fl_mac_format(&n->mac, mac);
	n = bsearch(&key, k->fdb, k->n_fdb, sizeof(key), by_mac);
	if (!n) {
		(void)snprintf(text, size, "no FDB entry for %s", mac);
		return false;
	}
	if (fl_addr_equal(&n->dst, &lease->public_ip))
		return true;
	(void)snprintf(text, size, "the FDB entry for %s leads to %s", mac,
		       fl_addr_format(&n->dst, host));
	return false;
}

bool ctl_kernel_reaches(const struct ctl_kernel *k, const struct fl_lease *lease,
			const struct fl_prefix *network, char *text, size_t size)
{
	const struct fl_rtmsg_route *route = find_route(k, &lease->subnet);
	const struct fl_rtmsg_link *link;

	if (!route)
		route = find_route(k, network);
	if (!route) {
		(void)snprintf(text, size, "no route");
		return false;
	}
	link = find_link(k, route->ifindex);
	if (!link) {
		(void)snprintf(text, size, "its route has no device");
		return false;
	}
	if (!ctl_kernel_is_ours(route)) {
		(void)snprintf(text, size, "a route of another program (protocol %u, over %s)",
			       route->protocol, link->name);
		return false;
	}
	if (strcmp(link->kind, "vxlan") == 0)
		return frames_arrive(k, route, lease, text, size);
	if (route->via.family == 0 || fl_addr_equal(&route->via, &lease->public_ip))
		return true;
	(void)snprintf(text, size, "its gateway is not %s",
		       fl_addr_format(&lease->public_ip, (char[FL_ADDR_STRLEN]){0}));
	return false;
}
