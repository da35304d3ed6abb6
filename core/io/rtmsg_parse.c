/* core/io/rtmsg_parse.c - read rtnetlink messages; every length is checked before it is used. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "io/rtmsg.h"

/* A run of attributes; bad is set once and for all when one of them is not what it should be. */
struct cursor {
	const char *pos;
	size_t left;
	bool bad;
};

static struct cursor cursor_at(const void *bytes, size_t len)
{
	return (struct cursor){.pos = bytes, .left = len};
}

/* The message's family header; NULL if it is cut short. The attributes follow in c. */
static const void *open_message(const struct nlmsghdr *nlh, size_t head, struct cursor *c)
{
	size_t attrs = MNL_NLMSG_HDRLEN + MNL_ALIGN(head);

	if (nlh->nlmsg_len < attrs)
		return NULL;
	*c = cursor_at((const char *)nlh + attrs, nlh->nlmsg_len - attrs);
	return (const char *)nlh + MNL_NLMSG_HDRLEN;
}

static const struct nlattr *next_attr(struct cursor *c)
{
	const struct nlattr *a = (const struct nlattr *)c->pos;
	size_t step;

	if (!c->left || c->bad)
		return NULL;
	if (c->left < sizeof(*a) || a->nla_len < sizeof(*a) || a->nla_len > c->left) {
		c->bad = true;
		return NULL;
	}
	step = MNL_ALIGN((size_t)a->nla_len);
	if (step > c->left)
		step = c->left; /* the last one may come without its padding */
	c->pos += step;
	c->left -= step;
	return a;
}

static size_t attr_len(const struct nlattr *a)
{
	return mnl_attr_get_payload_len(a);
}

static void take_u32(struct cursor *c, const struct nlattr *a, uint32_t *ret)
{
	if (attr_len(a) != sizeof(*ret))
		c->bad = true;
	else
		memcpy(ret, mnl_attr_get_payload(a), sizeof(*ret));
}

static uint8_t family_of_size(size_t size)
{
	switch (size) {
	case 4:
		return AF_INET;
	case 16:
		return AF_INET6;
	default:
		return AF_UNSPEC;
	}
}

static void take_bytes_addr(struct cursor *c, const void *bytes, size_t size, struct fl_addr *ret)
{
	struct fl_addr a = {.family = family_of_size(size)};

	if (a.family == AF_UNSPEC) {
		c->bad = true;
		return;
	}
	memcpy(a.bytes, bytes, size);
	*ret = a;
}

/* family AF_UNSPEC: the length alone tells. */
static void take_addr(struct cursor *c, const struct nlattr *a, uint8_t family, struct fl_addr *ret)
{
	if (family != AF_UNSPEC && family_of_size(attr_len(a)) != family)
		c->bad = true;
	else
		take_bytes_addr(c, mnl_attr_get_payload(a), attr_len(a), ret);
}

/* Other lengths are no fault: tunnels and InfiniBand have link addresses of their own size. */
static bool take_mac(const struct nlattr *a, struct fl_mac *ret)
{
	if (attr_len(a) != sizeof(ret->bytes))
		return false;
	memcpy(ret->bytes, mnl_attr_get_payload(a), sizeof(ret->bytes));
	return true;
}

/* Strings come with or without their NUL; one that is too long is cut, and so equals none of ours.
 */
static void take_text(const struct nlattr *a, char *ret, size_t size)
{
	size_t len = strnlen(mnl_attr_get_payload(a), attr_len(a));

	if (len >= size)
		len = size - 1;
	memcpy(ret, mnl_attr_get_payload(a), len);
	ret[len] = '\0';
}

static bool ip_family(uint8_t family)
{
	return family == AF_INET || family == AF_INET6;
}

static bool prefix_len_ok(uint8_t family, uint8_t len)
{
	return len <= (family == AF_INET ? 32 : 128);
}

int fl_rtmsg_neigh_parse(const struct nlmsghdr *nlh, struct fl_rtmsg_neigh *ret)
{
	struct fl_rtmsg_neigh n = {0};
	const struct ndmsg *ndm;
	const struct nlattr *a;
	struct cursor c;

	if (nlh->nlmsg_type != RTM_NEWNEIGH && nlh->nlmsg_type != RTM_DELNEIGH)
		return -ENOMSG;
	ndm = open_message(nlh, sizeof(*ndm), &c);
	if (!ndm)
		return -EBADMSG;
	if (!ip_family(ndm->ndm_family) && ndm->ndm_family != AF_BRIDGE)
		return -ENOMSG;

	n.family = ndm->ndm_family;
	n.ifindex = (uint32_t)ndm->ndm_ifindex;
	n.state = ndm->ndm_state;
	n.flags = ndm->ndm_flags;
	while ((a = next_attr(&c)))
		if (mnl_attr_get_type(a) == NDA_DST)
			take_addr(&c, a, n.family == AF_BRIDGE ? AF_UNSPEC : n.family, &n.dst);
		else if (mnl_attr_get_type(a) == NDA_LLADDR)
			n.has_mac = take_mac(a, &n.mac);
	if (c.bad)
		return -EBADMSG;
	*ret = n;
	return 0;
}

static void take_via(struct cursor *c, const struct nlattr *a, struct fl_addr *ret)
{
	const struct rtvia *via = mnl_attr_get_payload(a);
	size_t size;

	if (attr_len(a) < sizeof(*via)) {
		c->bad = true;
		return;
	}
	size = attr_len(a) - sizeof(*via);
	if (family_of_size(size) != via->rtvia_family)
		c->bad = true;
	else
		take_bytes_addr(c, via->rtvia_addr, size, ret);
}

static void route_attr(struct cursor *c, const struct nlattr *a, struct fl_rtmsg_route *r);

/* The first of several next hops stands for all. */
static void take_multipath(struct cursor *c, const struct nlattr *a, struct fl_rtmsg_route *r)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(a);
	size_t head = MNL_ALIGN(sizeof(*hop));
	const struct nlattr *inner;
	struct cursor attrs;

	r->multipath = true;
	if (attr_len(a) < head || hop->rtnh_len < head || hop->rtnh_len > attr_len(a)) {
		c->bad = true;
		return;
	}
	r->ifindex = (uint32_t)hop->rtnh_ifindex;
	r->onlink = hop->rtnh_flags & RTNH_F_ONLINK;
	attrs = cursor_at((const char *)hop + head, hop->rtnh_len - head);
	while ((inner = next_attr(&attrs)))
		if (mnl_attr_get_type(inner) == RTA_GATEWAY || mnl_attr_get_type(inner) == RTA_VIA)
			route_attr(&attrs, inner, r);
	c->bad = c->bad || attrs.bad;
}

static void route_attr(struct cursor *c, const struct nlattr *a, struct fl_rtmsg_route *r)
{
	uint8_t family = r->dst.addr.family;

	switch (mnl_attr_get_type(a)) {
	case RTA_DST:
		take_addr(c, a, family, &r->dst.addr);
		break;
	case RTA_GATEWAY:
		take_addr(c, a, family, &r->via);
		break;
	case RTA_VIA:
		take_via(c, a, &r->via);
		break;
	case RTA_PREFSRC:
		take_addr(c, a, family, &r->prefsrc);
		break;
	case RTA_OIF:
		take_u32(c, a, &r->ifindex);
		break;
	case RTA_NH_ID:
		take_u32(c, a, &r->nhid);
		break;
	case RTA_TABLE:
		take_u32(c, a, &r->table);
		break;
	case RTA_PRIORITY:
		take_u32(c, a, &r->metric);
		break;
	case RTA_MULTIPATH:
		take_multipath(c, a, r);
		break;
	default:
		break;
	}
}

int fl_rtmsg_route_parse(const struct nlmsghdr *nlh, struct fl_rtmsg_route *ret)
{
	struct fl_rtmsg_route r = {0};
	const struct rtmsg *rtm;
	const struct nlattr *a;
	struct cursor c;

	if (nlh->nlmsg_type != RTM_NEWROUTE && nlh->nlmsg_type != RTM_DELROUTE)
		return -ENOMSG;
	rtm = open_message(nlh, sizeof(*rtm), &c);
	if (!rtm)
		return -EBADMSG;
	if (!ip_family(rtm->rtm_family))
		return -ENOMSG;
	if (!prefix_len_ok(rtm->rtm_family, rtm->rtm_dst_len))
		return -EBADMSG;

	r.dst.addr.family = rtm->rtm_family;
	r.dst.len = rtm->rtm_dst_len;
	r.table = rtm->rtm_table;
	r.protocol = rtm->rtm_protocol;
	r.scope = rtm->rtm_scope;
	r.type = rtm->rtm_type;
	r.onlink = rtm->rtm_flags & RTNH_F_ONLINK;
	while ((a = next_attr(&c)))
		route_attr(&c, a, &r);
	if (c.bad)
		return -EBADMSG;
	r.dst = fl_prefix_masked(&r.dst); /* bits behind the length mean nothing */
	*ret = r;
	return 0;
}

int fl_rtmsg_nexthop_parse(const struct nlmsghdr *nlh, struct fl_rtmsg_nexthop *ret)
{
	struct fl_rtmsg_nexthop n = {0};
	const struct nhmsg *nhm;
	const struct nlattr *a;
	struct cursor c;

	if (nlh->nlmsg_type != RTM_NEWNEXTHOP && nlh->nlmsg_type != RTM_DELNEXTHOP)
		return -ENOMSG;
	nhm = open_message(nlh, sizeof(*nhm), &c);
	if (!nhm)
		return -EBADMSG;

	n.family = nhm->nh_family;
	n.protocol = nhm->nh_protocol;
	n.onlink = nhm->nh_flags & RTNH_F_ONLINK;
	while ((a = next_attr(&c)))
		if (mnl_attr_get_type(a) == NHA_ID)
			take_u32(&c, a, &n.id);
		else if (mnl_attr_get_type(a) == NHA_OIF)
			take_u32(&c, a, &n.ifindex);
		else if (mnl_attr_get_type(a) == NHA_GATEWAY)
			take_addr(&c, a, n.family, &n.via);
	if (c.bad || !n.id)
		return -EBADMSG;
	*ret = n;
	return 0;
}

int fl_rtmsg_addr_parse(const struct nlmsghdr *nlh, struct fl_rtmsg_addr *ret)
{
	struct fl_rtmsg_addr r = {0};
	struct fl_addr local = {0}, peer = {0};
	const struct ifaddrmsg *ifa;
	const struct nlattr *a;
	struct cursor c;

	if (nlh->nlmsg_type != RTM_NEWADDR && nlh->nlmsg_type != RTM_DELADDR)
		return -ENOMSG;
	ifa = open_message(nlh, sizeof(*ifa), &c);
	if (!ifa)
		return -EBADMSG;
	if (!ip_family(ifa->ifa_family))
		return -ENOMSG;

	r.ifindex = ifa->ifa_index;
	r.flags = ifa->ifa_flags;
	r.scope = ifa->ifa_scope;
	while ((a = next_attr(&c)))
		if (mnl_attr_get_type(a) == IFA_LOCAL)
			take_addr(&c, a, ifa->ifa_family, &local);
		else if (mnl_attr_get_type(a) == IFA_ADDRESS)
			take_addr(&c, a, ifa->ifa_family, &peer);
		else if (mnl_attr_get_type(a) == IFA_FLAGS)
			take_u32(&c, a, &r.flags);
	/* IFA_ADDRESS is the far end of a point-to-point link, or IPv6's only attribute */
	r.local.addr = fl_addr_is_set(&local) ? local : peer;
	r.local.len = ifa->ifa_prefixlen;
	if (c.bad || !fl_addr_is_set(&r.local.addr) || !prefix_len_ok(ifa->ifa_family, r.local.len))
		return -EBADMSG;
	*ret = r;
	return 0;
}

static void take_linkinfo(struct cursor *c, const struct nlattr *info, struct fl_rtmsg_link *l)
{
	struct cursor attrs = cursor_at(mnl_attr_get_payload(info), attr_len(info));
	const struct nlattr *a;

	while ((a = next_attr(&attrs)))
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND) {
			take_text(a, l->kind, sizeof(l->kind));
		} else if (mnl_attr_get_type(a) == IFLA_INFO_DATA) {
			l->data = mnl_attr_get_payload(a);
			l->data_len = attr_len(a);
		}
	c->bad = c->bad || attrs.bad;
}

static void link_attr(struct cursor *c, const struct nlattr *a, struct fl_rtmsg_link *l)
{
	switch (mnl_attr_get_type(a)) {
	case IFLA_IFNAME:
		take_text(a, l->name, sizeof(l->name));
		break;
	case IFLA_MTU:
		take_u32(c, a, &l->mtu);
		break;
	case IFLA_ADDRESS:
		l->has_mac = take_mac(a, &l->mac);
		break;
	case IFLA_IFALIAS:
		take_text(a, l->alias, sizeof(l->alias));
		break;
	case IFLA_LINKINFO:
		take_linkinfo(c, a, l);
		break;
	default:
		break;
	}
}

int fl_rtmsg_link_parse(const struct nlmsghdr *nlh, struct fl_rtmsg_link *ret)
{
	struct fl_rtmsg_link l = {0};
	const struct ifinfomsg *ifi;
	const struct nlattr *a;
	struct cursor c;

	if (nlh->nlmsg_type != RTM_NEWLINK && nlh->nlmsg_type != RTM_DELLINK)
		return -ENOMSG;
	ifi = open_message(nlh, sizeof(*ifi), &c);
	if (!ifi)
		return -EBADMSG;
	if (ifi->ifi_family != AF_UNSPEC)
		return -ENOMSG; /* AF_BRIDGE's RTM_DELLINK is a port leaving, not a device going */

	l.ifindex = (uint32_t)ifi->ifi_index;
	l.flags = ifi->ifi_flags;
	while ((a = next_attr(&c)))
		link_attr(&c, a, &l);
	if (c.bad || !l.ifindex)
		return -EBADMSG;
	*ret = l;
	return 0;
}

static bool attr_matches(const struct nlattr *have, const struct fl_rtmsg_attr *want)
{
	const uint8_t *bytes;

	if (!have)
		return !want->data;
	bytes = mnl_attr_get_payload(have);
	if (!want->data) /* some flags that are off are told as a zero byte */
		return attr_len(have) == 1 && bytes[0] == 0;
	return attr_len(have) == want->len && memcmp(bytes, want->data, want->len) == 0;
}

bool fl_rtmsg_attrs_match(const void *data, size_t data_len, const struct fl_rtmsg_attr *attrs,
			  size_t n_attrs)
{
	for (size_t i = 0; i < n_attrs; i++) {
		struct cursor c = cursor_at(data, data ? data_len : 0);
		const struct nlattr *a, *have = NULL;

		while ((a = next_attr(&c)))
			if (mnl_attr_get_type(a) == attrs[i].type)
				have = a;
		if (c.bad || !attr_matches(have, &attrs[i]))
			return false;
	}
	return true;
}
