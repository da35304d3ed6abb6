/* tests/unit/test_rtmsg.c - rtnetlink messages of the kernel, whole and broken. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "io/rtmsg.h"
#include "io/rtnl.h"
#include "rtmsg_recorded.h"

#define BUF(name)      char name[FL_RTNL_MSG_MAX] __attribute__((aligned(8)))
#define RECORDED(name) ((const struct nlmsghdr *)aligned(name, sizeof(name) - 1))

/* One at a time, with no byte to spare, so that ASan sees a read beyond. */
static const void *aligned(const void *bytes, size_t len)
{
	static void *copy;

	free(copy);
	copy = NULL;
	if (bytes) {
		copy = malloc(len);
		assert_non_null(copy);
		memcpy(copy, bytes, len);
	}
	return copy;
}

static void assert_addr(const struct fl_addr *a, const char *text)
{
	char buf[FL_ADDR_STRLEN];

	assert_string_equal(fl_addr_format(a, buf), text);
}

static void assert_prefix(const struct fl_prefix *p, const char *text)
{
	char buf[FL_PREFIX_STRLEN];

	assert_string_equal(fl_prefix_format(p, buf), text);
}

static void assert_mac(const struct fl_mac *m, const char *text)
{
	char buf[FL_MAC_STRLEN];

	assert_string_equal(fl_mac_format(m, buf), text);
}

/* ---- what the kernel sends ---- */

static void reads_a_vxlan_link_and_its_attributes(void **state)
{
	static const uint8_t learning = 0, local[] = {192, 168, 9, 1}, port[] = {0x21, 0x18};
	uint32_t vni = 1, other_vni = 2;
	struct fl_rtmsg_attr attrs[] = {
		{IFLA_VXLAN_ID, 4, &vni},   {IFLA_VXLAN_LOCAL, 4, local},
		{IFLA_VXLAN_PORT, 2, port}, {IFLA_VXLAN_LEARNING, 1, &learning},
		{IFLA_VXLAN_GBP, 0, NULL},
	};
	struct fl_rtmsg_link l;

	(void)state;
	assert_int_equal(fl_rtmsg_link_parse(RECORDED(recorded_vxlan_link), &l), 0);
	assert_string_equal(l.name, "flannel.1");
	assert_string_equal(l.kind, "vxlan");
	assert_int_equal(l.mtu, 1450);
	assert_true(l.flags & IFF_UP);
	assert_true(l.has_mac);
	assert_mac(&l.mac, "02:00:5e:10:00:01");
	assert_true(fl_rtmsg_attrs_match(l.data, l.data_len, attrs, FL_ARRAY_SIZE(attrs)));
	attrs[0].data = &other_vni;
	assert_false(fl_rtmsg_attrs_match(l.data, l.data_len, attrs, FL_ARRAY_SIZE(attrs)));
	assert_true(fl_rtmsg_attrs_match(l.data, l.data_len, attrs + 1, 4));
	attrs[4].data = ""; /* a flag that is wanted, and is not there */
	assert_false(fl_rtmsg_attrs_match(l.data, l.data_len, attrs + 1, 4));
}

static void a_link_without_ethernet_address_has_no_mac(void **state)
{
	struct fl_rtmsg_link l;

	(void)state;
	assert_int_equal(fl_rtmsg_link_parse(RECORDED(recorded_tun_link), &l), 0);
	assert_string_equal(l.name, "tun0");
	assert_string_equal(l.kind, "tun");
	assert_false(l.has_mac);
}

static void a_bridge_port_that_leaves_is_not_a_link_that_goes(void **state)
{
	struct fl_rtmsg_link l;

	(void)state;
	assert_int_equal(fl_rtmsg_link_parse(RECORDED(recorded_bridge_port), &l), -ENOMSG);
}

static void reads_addresses_with_all_their_flags(void **state)
{
	struct fl_rtmsg_addr a;

	(void)state;
	assert_int_equal(fl_rtmsg_addr_parse(RECORDED(recorded_secondary_addr), &a), 0);
	assert_prefix(&a.local, "192.168.9.2/24");
	assert_int_equal(a.flags, IFA_F_SECONDARY | IFA_F_PERMANENT);
	assert_int_equal(a.ifindex, 3);
	/* the far end is not ours */
	assert_int_equal(fl_rtmsg_addr_parse(RECORDED(recorded_peer_addr), &a), 0);
	assert_prefix(&a.local, "10.9.0.1/32");
	assert_int_equal(fl_rtmsg_addr_parse(RECORDED(recorded_addr6), &a), 0);
	assert_int_equal(a.local.addr.family, AF_INET6);
	assert_int_equal(a.local.len, 64);
	assert_int_equal(a.scope, RT_SCOPE_LINK);
}

static void reads_neighbours_of_both_families_and_fdb_entries(void **state)
{
	struct fl_rtmsg_neigh n;

	(void)state;
	assert_int_equal(fl_rtmsg_neigh_parse(RECORDED(recorded_neigh), &n), 0);
	assert_int_equal(n.family, AF_INET);
	assert_int_equal(n.state, NUD_PERMANENT);
	assert_addr(&n.dst, "10.5.2.0");
	assert_true(n.has_mac);
	assert_mac(&n.mac, "02:00:5e:10:00:02");
	assert_int_equal(fl_rtmsg_neigh_parse(RECORDED(recorded_neigh6), &n), 0);
	assert_addr(&n.dst, "fd00:5:2::");
	assert_int_equal(fl_rtmsg_neigh_parse(RECORDED(recorded_fdb), &n), 0);
	assert_int_equal(n.family, AF_BRIDGE);
	assert_int_equal(n.flags, NTF_SELF);
	assert_int_equal(n.ifindex, 5);
	assert_addr(&n.dst, "192.168.9.5");
}

static void reads_plain_routes(void **state)
{
	struct fl_rtmsg_route r;

	(void)state;
	assert_int_equal(fl_rtmsg_route_parse(RECORDED(recorded_default_route), &r), 0);
	assert_prefix(&r.dst, "0.0.0.0/0");
	assert_addr(&r.via, "192.168.9.254");
	assert_addr(&r.prefsrc, "192.168.9.1");
	assert_int_equal(r.metric, 100);
	assert_int_equal(r.ifindex, 3);
	assert_int_equal(r.table, RT_TABLE_MAIN);
	assert_int_equal(r.type, RTN_UNICAST);
	assert_false(r.multipath);
	assert_int_equal(fl_rtmsg_route_parse(RECORDED(recorded_route6), &r), 0);
	assert_prefix(&r.dst, "fd00:77::/64");
	assert_int_equal(r.metric, 42);
	assert_int_equal(r.protocol, 70);
	assert_int_equal(fl_rtmsg_route_parse(RECORDED(recorded_table_route), &r), 0);
	assert_int_equal(r.table, 1000);
	assert_false(fl_addr_is_set(&r.via));
}

static void reads_routes_of_more_than_one_kind_of_next_hop(void **state)
{
	struct fl_rtmsg_route r;

	(void)state;
	assert_int_equal(fl_rtmsg_route_parse(RECORDED(recorded_nhid_route), &r), 0);
	assert_int_equal(r.nhid, 9);
	assert_addr(&r.via, "10.5.2.0");
	assert_int_equal(r.ifindex, 5);
	assert_int_equal(fl_rtmsg_route_parse(RECORDED(recorded_multipath_route), &r), 0);
	assert_true(r.multipath);
	assert_addr(&r.via, "192.168.9.10");
	assert_int_equal(r.ifindex, 3);
	assert_int_equal(fl_rtmsg_route_parse(RECORDED(recorded_via6_route), &r), 0);
	assert_addr(&r.via, "fe80::5");
	assert_prefix(&r.dst, "10.78.0.0/16");
}

static void reads_a_nexthop(void **state)
{
	struct fl_rtmsg_nexthop n;

	(void)state;
	assert_int_equal(fl_rtmsg_nexthop_parse(RECORDED(recorded_nexthop), &n), 0);
	assert_int_equal(n.id, 9);
	assert_int_equal(n.protocol, 70);
	assert_int_equal(n.ifindex, 5);
	assert_true(n.onlink);
	assert_addr(&n.via, "10.5.2.0");
}

/* ---- broken messages ---- */

struct recording {
	const char *bytes;
	size_t len;
	size_t head; /* bytes before the attributes */
};

#define REC(name, body)                                                                            \
	{                                                                                          \
		recorded_##name, sizeof(recorded_##name) - 1,                                      \
			NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct body))                            \
	}

static const struct recording recordings[] = {
	REC(vxlan_link, ifinfomsg),
	REC(tun_link, ifinfomsg),
	REC(secondary_addr, ifaddrmsg),
	REC(peer_addr, ifaddrmsg),
	REC(addr6, ifaddrmsg),
	REC(neigh, ndmsg),
	REC(neigh6, ndmsg),
	REC(fdb, ndmsg),
	REC(default_route, rtmsg),
	REC(nhid_route, rtmsg),
	REC(multipath_route, rtmsg),
	REC(via6_route, rtmsg),
	REC(route6, rtmsg),
	REC(table_route, rtmsg),
	REC(nexthop, nhmsg),
	REC(bridge_port, ifinfomsg),
};

/* @return what its own decoder says; the other four must say that it is none of theirs */
static int parse_any(const struct nlmsghdr *nlh)
{
	struct fl_rtmsg_neigh n;
	struct fl_rtmsg_route r;
	struct fl_rtmsg_nexthop h;
	struct fl_rtmsg_addr a;
	struct fl_rtmsg_link l;
	int results[] = {fl_rtmsg_neigh_parse(nlh, &n), fl_rtmsg_route_parse(nlh, &r),
			 fl_rtmsg_nexthop_parse(nlh, &h), fl_rtmsg_addr_parse(nlh, &a),
			 fl_rtmsg_link_parse(nlh, &l)};
	int verdict = -ENOMSG;

	for (size_t i = 0; i < FL_ARRAY_SIZE(results); i++) {
		if (results[i] == -ENOMSG)
			continue;
		assert_int_equal(verdict, -ENOMSG);
		verdict = results[i];
	}
	assert_true(verdict == 0 || verdict == -EBADMSG || verdict == -ENOMSG);
	return verdict;
}

/* True if a cut after len bytes leaves an attribute without a part of itself. */
static bool cuts_an_attribute(const struct recording *rec, size_t len)
{
	size_t pos = rec->head;
	struct nlattr a;

	while (pos < len) {
		if (len - pos < sizeof(a))
			return true;
		memcpy(&a, rec->bytes + pos, sizeof(a));
		if (len - pos < a.nla_len)
			return true;
		pos += NLMSG_ALIGN((size_t)a.nla_len);
	}
	return false;
}

static void a_message_cut_anywhere_is_refused(void **state)
{
	for (size_t i = 0; i < FL_ARRAY_SIZE(recordings); i++) {
		const struct recording *rec = &recordings[i];
		bool bridge = rec->bytes == recorded_bridge_port;

		for (size_t len = NLMSG_HDRLEN; len < rec->len; len++) {
			struct nlmsghdr *nlh =
				(struct nlmsghdr *)(uintptr_t)aligned(rec->bytes, len);

			nlh->nlmsg_len = (uint32_t)len;
			if (len < rec->head)
				assert_int_equal(parse_any(nlh), -EBADMSG);
			else if (cuts_an_attribute(rec, len) && !bridge)
				assert_int_equal(parse_any(nlh), -EBADMSG);
			else
				(void)parse_any(nlh);
		}
	}
	aligned(NULL, 0);
	(void)state;
}

static void no_changed_byte_leads_outside(void **state)
{
	static const unsigned char values[] = {0x00, 0x01, 0x03, 0x05, 0x7f, 0x80, 0xff};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(recordings); i++) {
		const struct recording *rec = &recordings[i];

		for (size_t at = NLMSG_HDRLEN; at < rec->len; at++)
			for (size_t v = 0; v < sizeof(values); v++) {
				char *copy = (char *)(uintptr_t)aligned(rec->bytes, rec->len);

				copy[at] = (char)values[v];
				(void)parse_any((const struct nlmsghdr *)copy);
			}
	}
	aligned(NULL, 0);
}

static struct nlmsghdr *begin(void *buf, uint16_t type, const void *head, size_t head_len)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	memcpy(mnl_nlmsg_put_extra_header(nlh, head_len), head, head_len);
	return nlh;
}

static struct nlmsghdr *begin_route(void *buf, uint8_t family, uint8_t dst_len)
{
	const struct rtmsg rtm = {.rtm_family = family, .rtm_dst_len = dst_len};

	return begin(buf, RTM_NEWROUTE, &rtm, sizeof(rtm));
}

static void attributes_of_a_wrong_size_are_refused(void **state)
{
	static const struct {
		uint16_t type, len;
	} bad[] = {{RTA_DST, 0},      {RTA_DST, 3},	  {RTA_DST, 5},	     {RTA_DST, 16},
		   {RTA_GATEWAY, 6},  {RTA_GATEWAY, 16},  {RTA_PREFSRC, 0},  {RTA_OIF, 0},
		   {RTA_OIF, 2},      {RTA_OIF, 8},	  {RTA_NH_ID, 1},    {RTA_TABLE, 3},
		   {RTA_PRIORITY, 5}, {RTA_VIA, 0},	  {RTA_VIA, 1},	     {RTA_VIA, 2},
		   {RTA_VIA, 7},      {RTA_MULTIPATH, 0}, {RTA_MULTIPATH, 7}};
	static const char zeros[32];
	struct fl_rtmsg_route r;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		BUF(buf);
		struct nlmsghdr *nlh = begin_route(buf, AF_INET, 24);

		mnl_attr_put(nlh, bad[i].type, bad[i].len, zeros);
		assert_int_equal(fl_rtmsg_route_parse(nlh, &r), -EBADMSG);
	}
}

static void impossible_prefix_lengths_and_strange_families_are_refused(void **state)
{
	struct fl_rtmsg_route r;
	BUF(buf);

	(void)state;
	assert_int_equal(fl_rtmsg_route_parse(begin_route(buf, AF_INET, 32), &r), 0);
	assert_int_equal(fl_rtmsg_route_parse(begin_route(buf, AF_INET, 33), &r), -EBADMSG);
	assert_int_equal(fl_rtmsg_route_parse(begin_route(buf, AF_INET6, 128), &r), 0);
	assert_int_equal(fl_rtmsg_route_parse(begin_route(buf, AF_INET6, 129), &r), -EBADMSG);
	assert_int_equal(fl_rtmsg_route_parse(begin_route(buf, AF_MPLS, 20), &r), -ENOMSG);
	assert_int_equal(fl_rtmsg_route_parse(begin_route(buf, AF_UNSPEC, 0), &r), -ENOMSG);
}

static void a_next_hop_that_lies_about_its_length_is_refused(void **state)
{
	static const uint16_t lens[] = {0, 4, 7, 9, 17, 24, 0xffff};
	struct {
		struct rtnexthop hop;
		struct nlattr a;
		uint8_t gateway[4];
	} hop = {.hop = {.rtnh_ifindex = 3}, .a = {8, RTA_GATEWAY}};
	struct fl_rtmsg_route r;
	BUF(buf);

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(lens); i++) {
		struct nlmsghdr *nlh = begin_route(buf, AF_INET, 24);

		hop.hop.rtnh_len = lens[i];
		mnl_attr_put(nlh, RTA_MULTIPATH, sizeof(hop), &hop);
		assert_int_equal(fl_rtmsg_route_parse(nlh, &r), -EBADMSG);
	}
	hop.hop.rtnh_len = sizeof(hop);
	hop.a.nla_len = 9; /* within the message, beyond its next hop */
	struct nlmsghdr *nlh = begin_route(buf, AF_INET, 24);

	mnl_attr_put(nlh, RTA_MULTIPATH, sizeof(hop), &hop);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, 1);
	assert_int_equal(fl_rtmsg_route_parse(nlh, &r), -EBADMSG);
}

static void a_nest_in_a_nest_without_end_is_refused(void **state)
{
	static const struct nexthop_head {
		struct nhmsg nhm;
	} head = {{.nh_family = AF_INET}};
	const struct ifinfomsg ifi = {.ifi_index = 3};
	const struct nlattr inner = {.nla_len = 12, .nla_type = IFLA_INFO_DATA};
	struct fl_rtmsg_nexthop n;
	struct fl_rtmsg_link l;
	struct nlmsghdr *nlh;
	BUF(buf);

	(void)state;
	nlh = begin(buf, RTM_NEWLINK, &ifi, sizeof(ifi));
	mnl_attr_put(nlh, IFLA_LINKINFO, sizeof(inner), &inner);
	mnl_attr_put_u32(nlh, IFLA_MTU, 1500);
	assert_int_equal(fl_rtmsg_link_parse(nlh, &l), -EBADMSG);
	/* a nexthop is its id */
	nlh = begin(buf, RTM_NEWNEXTHOP, &head, sizeof(head));
	mnl_attr_put_u32(nlh, NHA_OIF, 3);
	assert_int_equal(fl_rtmsg_nexthop_parse(nlh, &n), -EBADMSG);
}

static void texts_without_end_are_cut_to_their_room(void **state)
{
	const struct ifinfomsg ifi = {.ifi_index = 3};
	char name[64];
	struct fl_rtmsg_link l;
	struct nlmsghdr *nlh;
	struct nlattr *nest;
	BUF(buf);

	(void)state;
	memset(name, 'x', sizeof(name));
	nlh = begin(buf, RTM_NEWLINK, &ifi, sizeof(ifi));
	mnl_attr_put(nlh, IFLA_IFNAME, sizeof(name), name);
	nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put(nlh, IFLA_INFO_KIND, sizeof(name), name);
	mnl_attr_nest_end(nlh, nest);
	assert_int_equal(fl_rtmsg_link_parse(aligned(nlh, nlh->nlmsg_len), &l), 0);
	assert_int_equal(strlen(l.name), sizeof(l.name) - 1);
	assert_int_equal(strlen(l.kind), sizeof(l.kind) - 1);
	assert_null(l.data);
	aligned(NULL, 0);
}

static int free_copy(void **state)
{
	(void)state;
	aligned(NULL, 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_vxlan_link_and_its_attributes),
		cmocka_unit_test(a_link_without_ethernet_address_has_no_mac),
		cmocka_unit_test(a_bridge_port_that_leaves_is_not_a_link_that_goes),
		cmocka_unit_test(reads_addresses_with_all_their_flags),
		cmocka_unit_test(reads_neighbours_of_both_families_and_fdb_entries),
		cmocka_unit_test(reads_plain_routes),
		cmocka_unit_test(reads_routes_of_more_than_one_kind_of_next_hop),
		cmocka_unit_test(reads_a_nexthop),
		cmocka_unit_test(a_message_cut_anywhere_is_refused),
		cmocka_unit_test(no_changed_byte_leads_outside),
		cmocka_unit_test(attributes_of_a_wrong_size_are_refused),
		cmocka_unit_test(impossible_prefix_lengths_and_strange_families_are_refused),
		cmocka_unit_test(a_next_hop_that_lies_about_its_length_is_refused),
		cmocka_unit_test(a_nest_in_a_nest_without_end_is_refused),
		cmocka_unit_test(texts_without_end_are_cut_to_their_room),
	};

	return cmocka_run_group_tests(tests, NULL, free_copy);
}
