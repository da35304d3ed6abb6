/* tests/fuzz/rtmsg.c - rtnetlink messages, as the kernel should never send them: links, addresses,
 * routes, neighbours, nexthops. The header's length and type are made to fit; all behind is the
 * input's. What is understood stays the same when it is written and read again. */
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "io/rtmsg.h"
#include "io/rtnl.h"

static const uint16_t types[] = {
	RTM_NEWLINK,  RTM_DELLINK,  RTM_NEWADDR,  RTM_DELADDR,	  RTM_NEWROUTE,
	RTM_DELROUTE, RTM_NEWNEIGH, RTM_DELNEIGH, RTM_NEWNEXTHOP, RTM_DELNEXTHOP,
};

static void try_link(const struct nlmsghdr *nlh)
{
	static const uint32_t one = 1;
	const struct fl_rtmsg_attr attrs[] = {{1, 4, &one}, {2, 0, NULL}};
	struct fl_rtmsg_link l;

	if (fl_rtmsg_link_parse(nlh, &l) < 0)
		return;
	FUZZ_CHECK(l.ifindex && strnlen(l.name, sizeof(l.name)) < sizeof(l.name));
	FUZZ_CHECK(strnlen(l.kind, sizeof(l.kind)) < sizeof(l.kind));
	FUZZ_CHECK(!l.data ||
		   ((const char *)l.data >= (const char *)nlh &&
		    (const char *)l.data + l.data_len <= (const char *)nlh + nlh->nlmsg_len));
	(void)fl_rtmsg_attrs_match(l.data, l.data_len, attrs, 2);
}

static void try_addr(const struct nlmsghdr *nlh)
{
	struct fl_rtmsg_addr a;

	if (fl_rtmsg_addr_parse(nlh, &a) == 0)
		FUZZ_CHECK(a.local.len <= 8 * fl_addr_size(&a.local.addr));
}

static void try_neigh(const struct nlmsghdr *nlh)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct fl_rtmsg_neigh n, again;
	struct nlmsghdr *written;

	if (fl_rtmsg_neigh_parse(nlh, &n) < 0)
		return;
	written = fl_rtmsg_neigh_put(buf, RTM_NEWNEIGH, 0, &n);
	FUZZ_CHECK(written && fl_rtmsg_neigh_parse(written, &again) == 0);
	FUZZ_CHECK(n.ifindex == again.ifindex && n.state == again.state);
	FUZZ_CHECK(fl_addr_equal(&n.dst, &again.dst));
	FUZZ_CHECK(!n.has_mac || (again.has_mac && fl_mac_equal(&n.mac, &again.mac)));
}

static void try_route(const struct nlmsghdr *nlh)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct fl_rtmsg_route r, again;
	struct nlmsghdr *written;

	if (fl_rtmsg_route_parse(nlh, &r) < 0)
		return;
	FUZZ_CHECK(r.dst.len <= 8 * fl_addr_size(&r.dst.addr));
	written = fl_rtmsg_route_put(buf, RTM_NEWROUTE, 0, &r);
	FUZZ_CHECK(written && fl_rtmsg_route_parse(written, &again) == 0);
	FUZZ_CHECK(fl_prefix_equal(&r.dst, &again.dst) && r.nhid == again.nhid);
	FUZZ_CHECK(r.nhid || (r.ifindex == again.ifindex && fl_addr_equal(&r.via, &again.via)));
}

static void try_nexthop(const struct nlmsghdr *nlh)
{
	char buf[FL_RTNL_MSG_MAX] __attribute__((aligned(8)));
	struct fl_rtmsg_nexthop n, again;
	struct nlmsghdr *written;

	if (fl_rtmsg_nexthop_parse(nlh, &n) < 0)
		return;
	written = fl_rtmsg_nexthop_put(buf, RTM_NEWNEXTHOP, 0, &n);
	FUZZ_CHECK(written && fl_rtmsg_nexthop_parse(written, &again) == 0);
	FUZZ_CHECK(n.id == again.id && n.ifindex == again.ifindex);
	FUZZ_CHECK(fl_addr_equal(&n.via, &again.via));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fuzz_input in = {bytes, len};
	uint16_t type = types[fuzz_byte(&in) % (sizeof(types) / sizeof(types[0]))];
	struct nlmsghdr *nlh = calloc(1, sizeof(*nlh) + in.left);

	FUZZ_CHECK(nlh);
	nlh->nlmsg_len = (uint32_t)(sizeof(*nlh) + in.left);
	nlh->nlmsg_type = type;
	memcpy(nlh + 1, in.at, in.left);
	try_link(nlh);
	try_addr(nlh);
	try_neigh(nlh);
	try_route(nlh);
	try_nexthop(nlh);
	free(nlh);
	return 0;
}
