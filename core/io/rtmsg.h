/* core/io/rtmsg.h - rtnetlink messages: pure functions between structs and buffers, no socket. See
 * rtnetlink(7) and the kernel's include/uapi/linux/{rtnetlink,neighbour,nexthop,if_link,if_addr}.h.
 */
#ifndef FL_IO_RTMSG_H
#define FL_IO_RTMSG_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct nlmsghdr;

/** A neighbour entry (ARP/ND): @p dst answers at @p mac. Or, family AF_BRIDGE, an FDB entry: @p mac
 * is behind @p dst. */
struct fl_rtmsg_neigh {
	uint8_t family; /* AF_INET, AF_INET6: the neighbour table; AF_BRIDGE: the device's
			   forwarding database */
	uint32_t ifindex;
	uint16_t state; /* NUD_PERMANENT ... */
	uint8_t flags;	/* NTF_SELF ... */
	struct fl_addr dst;
	struct fl_mac mac;
	bool has_mac;
};

/** A route. Either nhid, or ifindex with or without a gateway: with a nhid, the encoder leaves the
 * others out, and the decoder shows what the kernel tells beside it (ip_fib's compat mode). */
struct fl_rtmsg_route {
	struct fl_prefix dst;
	struct fl_addr via; /* gateway, or none */
	uint32_t ifindex;   /* RTA_OIF, 0: none */
	uint32_t nhid;	    /* RTA_NH_ID, 0: none */
	uint32_t table;	    /* RT_TABLE_MAIN ... */
	uint32_t metric;    /* RTA_PRIORITY; 0 is the kernel's default for IPv4 */
	uint8_t protocol;   /* RTPROT_*, or our own number */
	uint8_t scope;	    /* RT_SCOPE_* */
	uint8_t type;	    /* RTN_UNICAST ... */
	bool onlink; /* RTNH_F_ONLINK: the gateway need not be covered by a route of the device */
	struct fl_addr prefsrc;
	bool multipath; /* decoded only: it has several next hops, ifindex and via are the first's
			 */
};

/** A nexthop object (kernel 5.3): a gateway on a device, by id. */
struct fl_rtmsg_nexthop {
	uint32_t id;
	uint8_t family;
	uint8_t protocol;
	uint32_t ifindex;
	struct fl_addr via;
	bool onlink;
};

struct fl_rtmsg_addr {
	uint32_t ifindex;
	struct fl_prefix local; /* the address with its prefix length */
	uint32_t flags;		/* IFA_F_SECONDARY, IFA_F_DEPRECATED, IFA_F_TENTATIVE ... */
	uint8_t scope;
};

struct fl_rtmsg_link {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	uint32_t mtu;
	uint32_t flags; /* IFF_UP, IFF_LOOPBACK ... */
	struct fl_mac mac;
	bool has_mac;
	char kind[16];	  /* IFLA_INFO_KIND: "vxlan" ...; "" for a plain device */
	char alias[32];	  /* IFLA_IFALIAS: a text of whoever made it; a longer one is cut */
	const void *data; /* IFLA_INFO_DATA's payload, borrowed from the message; NULL: none */
	size_t data_len;
};

/** An attribute of IFLA_INFO_DATA; NULL @p data: it must be absent. */
struct fl_rtmsg_attr {
	uint16_t type;
	uint16_t len; /* bytes */
	const void *data;
};

/** What to make of a link. All borrowed. */
struct fl_rtmsg_link_change {
	struct fl_rtmsg_link link;
	uint32_t change_mask;		   /* which IFF_* of link.flags to set */
	const struct fl_rtmsg_attr *attrs; /* for IFLA_INFO_DATA */
	size_t n_attrs;
};

/* Encoders: write one message into buf (at least FL_RTNL_MSG_MAX bytes) and return its header.
 * flags are NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE ...; REQUEST, ACK, DUMP and the sequence number
 * are the sender's business (rtnl.h). NULL: it does not fit (a name or link attributes of absurd
 * length). */
struct nlmsghdr *fl_rtmsg_neigh_put(void *buf, uint16_t type, uint16_t flags,
				    const struct fl_rtmsg_neigh *n);
struct nlmsghdr *fl_rtmsg_route_put(void *buf, uint16_t type, uint16_t flags,
				    const struct fl_rtmsg_route *r);
struct nlmsghdr *fl_rtmsg_nexthop_put(void *buf, uint16_t type, uint16_t flags,
				      const struct fl_rtmsg_nexthop *n);
struct nlmsghdr *fl_rtmsg_addr_put(void *buf, uint16_t type, uint16_t flags,
				   const struct fl_rtmsg_addr *a);
/** RTM_NEWLINK/RTM_SETLINK/RTM_DELLINK. Fields that are 0 or unset are left out. */
struct nlmsghdr *fl_rtmsg_link_put(void *buf, uint16_t type, uint16_t flags,
				   const struct fl_rtmsg_link_change *c);
/** RTM_GETLINK for one link, by index, or by name if ifindex is 0. */
struct nlmsghdr *fl_rtmsg_link_get(void *buf, uint32_t ifindex, const char *name);
/** RTM_GETROUTE: which route the kernel takes to @p dst. */
struct nlmsghdr *fl_rtmsg_route_get(void *buf, const struct fl_addr *dst);
/* Dump requests with the kernel's own filters where strict checking has them (else filter the
 * answers as well). ifindex, protocol, table: 0 means any. */
struct nlmsghdr *fl_rtmsg_link_dump(void *buf);
struct nlmsghdr *fl_rtmsg_addr_dump(void *buf, uint8_t family, uint32_t ifindex);
struct nlmsghdr *fl_rtmsg_neigh_dump(void *buf, uint8_t family, uint32_t ifindex);
/** The kernel answers -ENOENT for a table in which there never was a route, even the main one of a
 * new namespace. */
struct nlmsghdr *fl_rtmsg_route_dump(void *buf, uint8_t family, uint32_t table, uint8_t protocol,
				     uint32_t ifindex);
struct nlmsghdr *fl_rtmsg_nexthop_dump(void *buf, uint32_t ifindex);

/* Decoders. No message is trusted: lengths and types of every attribute are checked.
 * The caller has made sure that nlmsg_len bytes are there.
 * @return 0; -EBADMSG for a malformed message; -ENOMSG if the type or family is not one of that
 * object's */
int fl_rtmsg_neigh_parse(const struct nlmsghdr *nlh, struct fl_rtmsg_neigh *ret);
int fl_rtmsg_route_parse(const struct nlmsghdr *nlh, struct fl_rtmsg_route *ret);
int fl_rtmsg_nexthop_parse(const struct nlmsghdr *nlh, struct fl_rtmsg_nexthop *ret);
int fl_rtmsg_addr_parse(const struct nlmsghdr *nlh, struct fl_rtmsg_addr *ret);
int fl_rtmsg_link_parse(const struct nlmsghdr *nlh, struct fl_rtmsg_link *ret);

/** True if IFLA_INFO_DATA @p data holds what each of @p attrs says (absent where its data is NULL).
 */
bool fl_rtmsg_attrs_match(const void *data, size_t data_len, const struct fl_rtmsg_attr *attrs,
			  size_t n_attrs);

#endif
