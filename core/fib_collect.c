/* core/fib_collect.c - what the kernel's tables hold of a device, or elsewhere of ours, read piece
 * by piece. */
#include "fib_collect.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "io/rtmsg.h"

#define TRIES 5u /* a dump that the kernel interrupts is repeated */

static int keep(struct fib_seen_list *l, const struct fib_seen *s)
{
	if (l->count == l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : 64;
		struct fib_seen *items = reallocarray(l->items, cap, sizeof(*items));

		if (!items)
			return -ENOMEM;
		l->items = items;
		l->cap = cap;
	}
	l->items[l->count++] = *s;
	return 0;
}

bool fib_collect_covers(const struct fib_collection *c, uint32_t ifindex)
{
	return c->ifindex ? ifindex == c->ifindex : ifindex && !fib_is_own(c->fib, ifindex);
}

/* ---- messages ---- */

static int on_neigh(const struct nlmsghdr *nlh, void *data)
{
	struct fib_collection *c = data;
	struct fl_rtmsg_neigh m;
	struct fib_seen s = {0};
	struct fl_row row = {.kind = FL_ROW_NEIGH, .ifindex = c->ifindex};

	if (fl_rtmsg_neigh_parse(nlh, &m) < 0 || m.ifindex != c->ifindex || m.family != AF_INET)
		return 0;
	if (!(m.state & NUD_PERMANENT) || (m.flags & NTF_PROXY) || !fl_addr_is_set(&m.dst))
		return 0;
	row.dst.addr = m.dst;
	row.mac = m.mac;
	fib_key_of(&row, &s.key, &s.value);
	s.odd = !m.has_mac;
	return keep(&c->rows, &s);
}

/* The entry of the all-zero MAC is the device's own default destination. */
static int on_fdb(const struct nlmsghdr *nlh, void *data)
{
	struct fib_collection *c = data;
	struct fl_rtmsg_neigh m;
	struct fib_seen s = {0};
	struct fl_row row = {.kind = FL_ROW_FDB, .ifindex = c->ifindex};

	if (fl_rtmsg_neigh_parse(nlh, &m) < 0 || m.ifindex != c->ifindex || m.family != AF_BRIDGE)
		return 0;
	if (!(m.state & NUD_PERMANENT) || !(m.flags & NTF_SELF) || !m.has_mac ||
	    !fl_mac_is_unicast(&m.mac))
		return 0;
	row.mac = m.mac;
	row.via = m.dst;
	fib_key_of(&row, &s.key, &s.value);
	s.odd = !fl_addr_is_set(&m.dst);
	return keep(&c->rows, &s);
}

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	struct fib_collection *c = data;
	struct fl_rtmsg_route m;
	struct fib_seen s = {0};
	struct fl_row row = {.kind = FL_ROW_ROUTE};

	if (fl_rtmsg_route_parse(nlh, &m) < 0 || m.table != RT_TABLE_MAIN || m.metric)
		return 0;
	if (!fl_prefix_is_set(&m.dst) || (!m.nhid && !fib_collect_covers(c, m.ifindex)))
		return 0;
	if (!c->ifindex &&
	    (m.protocol != FL_RTPROT || !fl_prefix_contains(&c->network, &m.dst.addr)))
		return 0;
	row.dst = m.dst;
	row.via = m.via;
	row.ifindex = m.ifindex;
	row.onlink = m.onlink;
	fib_key_of(&row, &s.key, &s.value);
	s.nhid = m.nhid;
	s.protocol = m.protocol;
	s.odd = m.multipath || m.type != RTN_UNICAST || fl_addr_is_set(&m.prefsrc);
	return keep(&c->rows, &s);
}

static int on_nexthop(const struct nlmsghdr *nlh, void *data)
{
	struct fib_collection *c = data;
	struct fl_rtmsg_nexthop m;
	struct fib_seen s = {0};

	if (fl_rtmsg_nexthop_parse(nlh, &m) < 0 || m.protocol != FL_RTPROT ||
	    !fib_collect_covers(c, m.ifindex))
		return 0;
	s.nhid = m.id;
	s.value.ifindex = m.ifindex;
	s.value.family = m.via.family;
	s.value.onlink = m.onlink;
	memcpy(s.value.bytes, m.via.bytes, sizeof(s.value.bytes));
	return keep(&c->nexthops, &s);
}

static int on_message(const struct nlmsghdr *nlh, void *data)
{
	struct fib_collection *c = data;

	if (c->in_nexthops)
		return on_nexthop(nlh, c);
	if (c->kind == FL_ROW_ROUTE)
		return on_route(nlh, c);
	return c->kind == FL_ROW_NEIGH ? on_neigh(nlh, c) : on_fdb(nlh, c);
}

/* ---- dumps ---- */

static int send_dump(struct fib_collection *c)
{
	union {
		struct nlmsghdr nlh;
		char bytes[FL_RTNL_MSG_MAX];
	} buf;
	const uint8_t protocol = c->ifindex ? 0 : FL_RTPROT;
	struct nlmsghdr *nlh;

	if (c->in_nexthops)
		nlh = fl_rtmsg_nexthop_dump(&buf, c->ifindex);
	else if (c->kind == FL_ROW_ROUTE)
		nlh = fl_rtmsg_route_dump(&buf, AF_INET, RT_TABLE_MAIN, protocol, c->ifindex);
	else
		nlh = fl_rtmsg_neigh_dump(&buf, c->kind == FL_ROW_NEIGH ? AF_INET : AF_BRIDGE,
					  c->ifindex);
	return fl_rtnl_dump_begin(c->rtnl, nlh);
}

static void start_over(struct fib_collection *c)
{
	c->rows.count = 0;
	c->nexthops.count = 0;
	c->in_nexthops = c->kind == FL_ROW_ROUTE && c->fib->has_nexthops;
	c->sent = false;
	c->again = false;
}

bool fib_collect_again(struct fib_collection *c)
{
	if (!c->again || ++c->tries >= TRIES)
		return false;
	start_over(c);
	return true;
}

void fib_collect_begin(struct fib_collection *c, enum fl_row_kind kind)
{
	c->kind = kind;
	c->tries = 0;
	start_over(c);
}

static int by_id(const void *a, const void *b)
{
	uint32_t x = ((const struct fib_seen *)a)->nhid, y = ((const struct fib_seen *)b)->nhid;

	return (x > y) - (x < y);
}

/* Most often they are: the kernel keeps them so. */
static bool are_sorted(const struct fib_seen_list *l)
{
	for (uint32_t i = 1; i < l->count; i++)
		if (l->items[i - 1].nhid > l->items[i].nhid)
			return false;
	return true;
}

int fib_collect_go_on(struct fib_collection *c)
{
	int r = c->sent ? 0 : send_dump(c);

	c->sent = true;
	if (r == 0)
		r = fl_rtnl_dump_piece(c->rtnl, on_message, c);
	if (r > 0)
		return r;
	c->again = c->again || r == -EINTR;
	if ((r == 0 || r == -EINTR) && fib_collect_again(c))
		return 1;
	if (r == 0 && c->again)
		r = -EINTR;
	if (r == -ENOENT && c->kind == FL_ROW_ROUTE) /* the main table never had a route */
		r = 0;
	c->sent = false;
	if (r < 0 || !c->in_nexthops) {
		if (r == 0 && !are_sorted(&c->nexthops))
			qsort(c->nexthops.items, c->nexthops.count, sizeof(struct fib_seen), by_id);
		return r;
	}
	c->in_nexthops = false;
	return 1;
}

struct fib_seen *fib_collect_nexthop(const struct fib_collection *c, uint32_t id)
{
	const struct fib_seen key = {.nhid = id};

	if (!id || !c->nexthops.count)
		return NULL;
	return bsearch(&key, c->nexthops.items, c->nexthops.count, sizeof(key), by_id);
}

int fib_collect_open(struct fib_collection *c)
{
	return fl_rtnl_open(&c->rtnl);
}

void fib_collect_close(struct fib_collection *c)
{
	fl_rtnl_close(c->rtnl);
	free(c->rows.items);
	free(c->nexthops.items);
	*c = (struct fib_collection){0};
}
