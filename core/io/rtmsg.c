/* core/io/rtmsg.c - build rtnetlink messages in a caller's buffer. */
#include "io/rtmsg.h"

#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "io/rtnl.h"

/* A message that grows within FL_RTNL_MSG_MAX; once something did not fit, it stays refused. */
struct out {
	struct nlmsghdr *nlh;
	bool full;
};

static void *out_begin(struct out *o, void *buf, uint16_t type, uint16_t flags, size_t head)
{
	o->nlh = mnl_nlmsg_put_header(buf);
	o->nlh->nlmsg_type = type;
	o->nlh->nlmsg_flags = flags;
	o->full = false;
	return mnl_nlmsg_put_extra_header(o->nlh, head);
}

static struct nlmsghdr *out_end(const struct out *o)
{
	return o->full ? NULL : o->nlh;
}

static void put(struct out *o, uint16_t type, size_t len, const void *data)
{
	char *end = (char *)mnl_nlmsg_get_payload_tail(o->nlh) + MNL_ATTR_HDRLEN + len;

	if (mnl_attr_put_check(o->nlh, FL_RTNL_MSG_MAX, type, len, data))
		memset(end, 0, MNL_ALIGN(len) - len); /* libmnl leaves old bytes in the padding */
	else
		o->full = true;
}

static void put_u32(struct out *o, uint16_t type, uint32_t value)
{
	if (value)
		put(o, type, sizeof(value), &value);
}

static void put_addr(struct out *o, uint16_t type, const struct fl_addr *a)
{
	if (fl_addr_is_set(a))
		put(o, type, fl_addr_size(a), a->bytes);
}

static void put_mac(struct out *o, uint16_t type, const struct fl_mac *mac)
{
	put(o, type, sizeof(mac->bytes), mac->bytes);
}

static struct nlattr *nest(struct out *o, uint16_t type)
{
	struct nlattr *start = mnl_attr_nest_start_check(o->nlh, FL_RTNL_MSG_MAX, type);

	if (!start)
		o->full = true;
	return start;
}

static void unnest(struct out *o, struct nlattr *start)
{
	if (start)
		mnl_attr_nest_end(o->nlh, start);
}

struct nlmsghdr *fl_rtmsg_neigh_put(void *buf, uint16_t type, uint16_t flags,
				    const struct fl_rtmsg_neigh *n)
{
	struct out o;
	struct ndmsg *ndm = out_begin(&o, buf, type, flags, sizeof(*ndm));

	ndm->ndm_family = n->family;
	ndm->ndm_ifindex = (int)n->ifindex;
	ndm->ndm_state = n->state;
	ndm->ndm_flags = n->flags;
	put_addr(&o, NDA_DST, &n->dst);
	if (n->has_mac)
		put_mac(&o, NDA_LLADDR, &n->mac);
	return out_end(&o);
}

/* The gateway may be of the other family (RFC 5549): then it has an attribute of its own. */
static void put_gateway(struct out *o, uint8_t family, const struct fl_addr *via)
{
	uint8_t rtvia[sizeof(struct rtvia) + sizeof(via->bytes)];
	__kernel_sa_family_t via_family = via->family;
	size_t size = fl_addr_size(via);

	if (!size || via->family == family) {
		put_addr(o, RTA_GATEWAY, via);
		return;
	}
	memcpy(rtvia, &via_family, sizeof(via_family));
	memcpy(rtvia + sizeof(struct rtvia), via->bytes, size);
	put(o, RTA_VIA, sizeof(struct rtvia) + size, rtvia);
}

struct nlmsghdr *fl_rtmsg_route_put(void *buf, uint16_t type, uint16_t flags,
				    const struct fl_rtmsg_route *r)
{
	struct out o;
	struct rtmsg *rtm = out_begin(&o, buf, type, flags, sizeof(*rtm));

	rtm->rtm_family = r->dst.addr.family;
	rtm->rtm_dst_len = r->dst.len;
	rtm->rtm_table = r->table < RT_TABLE_COMPAT ? (uint8_t)r->table : RT_TABLE_UNSPEC;
	rtm->rtm_protocol = r->protocol;
	rtm->rtm_scope = r->scope;
	rtm->rtm_type = r->type;
	if (r->dst.len)
		put_addr(&o, RTA_DST, &r->dst.addr);
	put_u32(&o, RTA_TABLE, r->table);
	put_u32(&o, RTA_PRIORITY, r->metric);
	put_addr(&o, RTA_PREFSRC, &r->prefsrc);
	put_u32(&o, RTA_NH_ID, r->nhid);
	if (r->nhid)
		return out_end(&o); /* the kernel refuses a gateway or device beside an id */
	rtm->rtm_flags = r->onlink ? RTNH_F_ONLINK : 0;
	put_gateway(&o, rtm->rtm_family, &r->via);
	put_u32(&o, RTA_OIF, r->ifindex);
	return out_end(&o);
}

struct nlmsghdr *fl_rtmsg_nexthop_put(void *buf, uint16_t type, uint16_t flags,
				      const struct fl_rtmsg_nexthop *n)
{
	struct out o;
	struct nhmsg *nhm = out_begin(&o, buf, type, flags, sizeof(*nhm));

	put_u32(&o, NHA_ID, n->id);
	if (type != RTM_NEWNEXTHOP)
		return out_end(&o); /* the kernel refuses anything but the id (nh_valid_get_del_req)
				     */
	nhm->nh_family = n->family;
	nhm->nh_protocol = n->protocol;
	nhm->nh_flags = n->onlink ? RTNH_F_ONLINK : 0;
	put_u32(&o, NHA_OIF, n->ifindex);
	put_addr(&o, NHA_GATEWAY, &n->via);
	return out_end(&o);
}

struct nlmsghdr *fl_rtmsg_addr_put(void *buf, uint16_t type, uint16_t flags,
				   const struct fl_rtmsg_addr *a)
{
	struct out o;
	struct ifaddrmsg *ifa = out_begin(&o, buf, type, flags, sizeof(*ifa));

	ifa->ifa_family = a->local.addr.family;
	ifa->ifa_prefixlen = a->local.len;
	ifa->ifa_flags = (uint8_t)a->flags;
	ifa->ifa_scope = a->scope;
	ifa->ifa_index = a->ifindex;
	put_addr(&o, IFA_LOCAL, &a->local.addr);
	put_addr(&o, IFA_ADDRESS, &a->local.addr);
	put_u32(&o, IFA_FLAGS, a->flags);
	return out_end(&o);
}

static void put_linkinfo(struct out *o, const char *kind, const struct fl_rtmsg_attr *attrs,
			 size_t n_attrs)
{
	struct nlattr *info = nest(o, IFLA_LINKINFO), *data;

	put(o, IFLA_INFO_KIND, strlen(kind), kind);
	data = n_attrs ? nest(o, IFLA_INFO_DATA) : NULL;
	for (size_t i = 0; i < n_attrs; i++)
		if (attrs[i].data)
			put(o, attrs[i].type, attrs[i].len, attrs[i].data);
	unnest(o, data);
	unnest(o, info);
}

struct nlmsghdr *fl_rtmsg_link_put(void *buf, uint16_t type, uint16_t flags,
				   const struct fl_rtmsg_link_change *c)
{
	const struct fl_rtmsg_link *l = &c->link;
	struct out o;
	struct ifinfomsg *ifi = out_begin(&o, buf, type, flags, sizeof(*ifi));

	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = (int)l->ifindex;
	ifi->ifi_flags = l->flags & c->change_mask;
	ifi->ifi_change = c->change_mask;
	if (l->name[0])
		put(&o, IFLA_IFNAME, strnlen(l->name, IFNAMSIZ - 1) + 1, l->name);
	put_u32(&o, IFLA_MTU, l->mtu);
	if (l->has_mac)
		put_mac(&o, IFLA_ADDRESS, &l->mac);
	if (l->alias[0])
		put(&o, IFLA_IFALIAS, strnlen(l->alias, sizeof(l->alias) - 1), l->alias);
	if (l->kind[0])
		put_linkinfo(&o, l->kind, c->attrs, c->n_attrs);
	return out_end(&o);
}

struct nlmsghdr *fl_rtmsg_link_get(void *buf, uint32_t ifindex, const char *name)
{
	struct out o;
	struct ifinfomsg *ifi = out_begin(&o, buf, RTM_GETLINK, 0, sizeof(*ifi));

	ifi->ifi_index = (int)ifindex;
	if (!ifindex)
		put(&o, IFLA_IFNAME, strlen(name) + 1, name);
	return out_end(&o);
}

struct nlmsghdr *fl_rtmsg_route_get(void *buf, const struct fl_addr *dst)
{
	struct out o;
	struct rtmsg *rtm = out_begin(&o, buf, RTM_GETROUTE, 0, sizeof(*rtm));

	rtm->rtm_family = dst->family;
	rtm->rtm_dst_len = (uint8_t)(fl_addr_size(dst) * 8);
	put_addr(&o, RTA_DST, dst);
	return out_end(&o);
}

struct nlmsghdr *fl_rtmsg_link_dump(void *buf)
{
	struct out o;

	out_begin(&o, buf, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	return out_end(&o);
}

struct nlmsghdr *fl_rtmsg_addr_dump(void *buf, uint8_t family, uint32_t ifindex)
{
	struct out o;
	struct ifaddrmsg *ifa = out_begin(&o, buf, RTM_GETADDR, 0, sizeof(*ifa));

	ifa->ifa_family = family;
	ifa->ifa_index = ifindex;
	return out_end(&o);
}

struct nlmsghdr *fl_rtmsg_neigh_dump(void *buf, uint8_t family, uint32_t ifindex)
{
	struct out o;
	struct ndmsg *ndm = out_begin(&o, buf, RTM_GETNEIGH, 0, sizeof(*ndm));

	ndm->ndm_family = family;
	put_u32(&o, NDA_IFINDEX, ifindex); /* in the header, strict checking refuses it */
	return out_end(&o);
}

struct nlmsghdr *fl_rtmsg_route_dump(void *buf, uint8_t family, uint32_t table, uint8_t protocol,
				     uint32_t ifindex)
{
	struct out o;
	struct rtmsg *rtm = out_begin(&o, buf, RTM_GETROUTE, 0, sizeof(*rtm));

	rtm->rtm_family = family;
	rtm->rtm_protocol = protocol;
	put_u32(&o, RTA_TABLE, table);
	put_u32(&o, RTA_OIF, ifindex);
	return out_end(&o);
}

struct nlmsghdr *fl_rtmsg_nexthop_dump(void *buf, uint32_t ifindex)
{
	struct out o;

	out_begin(&o, buf, RTM_GETNEXTHOP, 0, sizeof(struct nhmsg));
	put_u32(&o, NHA_OIF, ifindex);
	return out_end(&o);
}
