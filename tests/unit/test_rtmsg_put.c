/* tests/unit/test_rtmsg_put.c - rtnetlink messages that we send, and the attributes of a device. */
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

#define BUF(name) char name[FL_RTNL_MSG_MAX] __attribute__((aligned(8)))

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

static struct fl_addr addr(const char *text)
{
	struct fl_addr a = {0};

	assert_int_equal(fl_addr_parse(text, &a), 0);
	return a;
}

/* ---- what we send ---- */

static void neighbours_survive_a_round_trip(void **state)
{
	const struct fl_rtmsg_neigh all[] = {
		{.family = AF_INET,
		 .ifindex = 7,
		 .state = NUD_PERMANENT,
		 .dst = addr("10.5.2.0"),
		 .mac = {{2, 0, 0, 0, 0, 1}},
		 .has_mac = true},
		{.family = AF_INET6, .ifindex = 1, .state = NUD_REACHABLE, .dst = addr("fd00::1")},
		{.family = AF_BRIDGE,
		 .ifindex = 0x7fffffff,
		 .state = NUD_NOARP,
		 .flags = NTF_SELF,
		 .dst = addr("fd00::2"),
		 .mac = {{2, 0, 0, 0, 0, 2}},
		 .has_mac = true},
	};
	struct fl_rtmsg_neigh n;
	BUF(buf);

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(all); i++) {
		struct nlmsghdr *nlh = fl_rtmsg_neigh_put(buf, RTM_NEWNEIGH,
							  NLM_F_CREATE | NLM_F_REPLACE, &all[i]);

		assert_int_equal(nlh->nlmsg_flags, NLM_F_CREATE | NLM_F_REPLACE);
		assert_int_equal(fl_rtmsg_neigh_parse(aligned(nlh, nlh->nlmsg_len), &n), 0);
		assert_int_equal(n.family, all[i].family);
		assert_int_equal(n.ifindex, all[i].ifindex);
		assert_int_equal(n.state, all[i].state);
		assert_int_equal(n.flags, all[i].flags);
		assert_true(fl_addr_equal(&n.dst, &all[i].dst));
		assert_int_equal(n.has_mac, all[i].has_mac);
		assert_true(fl_mac_equal(&n.mac, &all[i].mac));
	}
}

static void assert_route_equal(const struct fl_rtmsg_route *a, const struct fl_rtmsg_route *b)
{
	assert_true(fl_prefix_equal(&a->dst, &b->dst));
	assert_true(fl_addr_equal(&a->via, &b->via));
	assert_true(fl_addr_equal(&a->prefsrc, &b->prefsrc));
	assert_int_equal(a->ifindex, b->ifindex);
	assert_int_equal(a->nhid, b->nhid);
	assert_int_equal(a->table, b->table);
	assert_int_equal(a->metric, b->metric);
	assert_int_equal(a->protocol, b->protocol);
	assert_int_equal(a->scope, b->scope);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->onlink, b->onlink);
	assert_int_equal(a->multipath, b->multipath);
}

static void routes_survive_a_round_trip(void **state)
{
	const struct fl_rtmsg_route all[] = {
		{.dst = {addr("10.5.2.0"), 24},
		 .via = addr("10.5.2.0"),
		 .ifindex = 7,
		 .table = RT_TABLE_MAIN,
		 .protocol = 70,
		 .type = RTN_UNICAST,
		 .onlink = true},
		{.dst = {addr("10.5.2.0"), 24}, .nhid = 0xffffffff, .table = 252, .protocol = 70},
		{.dst = {addr("0.0.0.0"), 0},
		 .via = addr("fe80::1"),
		 .ifindex = 2,
		 .table = 256,
		 .metric = 0xffffffff,
		 .prefsrc = addr("10.0.0.1"),
		 .scope = RT_SCOPE_LINK},
		{.dst = {addr("::"), 0}, .via = addr("fe80::1"), .ifindex = 2, .table = 0xffffffff},
	};
	struct fl_rtmsg_route r;
	BUF(buf);

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(all); i++) {
		struct nlmsghdr *nlh = fl_rtmsg_route_put(buf, RTM_DELROUTE, 0, &all[i]);

		assert_int_equal(fl_rtmsg_route_parse(aligned(nlh, nlh->nlmsg_len), &r), 0);
		assert_route_equal(&r, &all[i]);
	}
}

static void a_route_by_nexthop_id_names_nothing_else(void **state)
{
	struct fl_rtmsg_route r = {.dst = {addr("10.5.2.0"), 24},
				   .via = addr("10.5.2.0"),
				   .ifindex = 7,
				   .nhid = 9,
				   .onlink = true};
	BUF(buf);

	(void)state;
	assert_int_equal(fl_rtmsg_route_parse(fl_rtmsg_route_put(buf, RTM_NEWROUTE, 0, &r), &r), 0);
	assert_int_equal(r.nhid, 9);
	assert_int_equal(r.ifindex, 0);
	assert_false(fl_addr_is_set(&r.via));
	assert_false(r.onlink);
}

static void a_nexthop_is_deleted_by_its_id_alone(void **state)
{
	const struct fl_rtmsg_nexthop put = {.id = 9,
					     .family = AF_INET,
					     .protocol = 70,
					     .ifindex = 7,
					     .via = addr("10.5.2.0"),
					     .onlink = true};
	const struct nhmsg zero = {0};
	struct fl_rtmsg_nexthop n;
	struct nlmsghdr *nlh;
	BUF(buf);

	(void)state;
	nlh = fl_rtmsg_nexthop_put(buf, RTM_NEWNEXTHOP, NLM_F_CREATE, &put);
	assert_int_equal(fl_rtmsg_nexthop_parse(nlh, &n), 0);
	assert_int_equal(n.family, AF_INET);
	assert_int_equal(n.protocol, 70);
	assert_int_equal(n.ifindex, 7);
	assert_true(n.onlink);
	assert_true(fl_addr_equal(&n.via, &put.via));
	nlh = fl_rtmsg_nexthop_put(buf, RTM_DELNEXTHOP, 0, &put);
	assert_int_equal(nlh->nlmsg_len, NLMSG_HDRLEN + sizeof(zero) + 8);
	assert_memory_equal(mnl_nlmsg_get_payload(nlh), &zero, sizeof(zero));
	assert_int_equal(fl_rtmsg_nexthop_parse(nlh, &n), 0);
	assert_int_equal(n.id, 9);
}

static void addresses_survive_a_round_trip(void **state)
{
	const struct fl_rtmsg_addr put = {.ifindex = 7,
					  .local = {addr("10.5.2.0"), 32},
					  .flags = IFA_F_NOPREFIXROUTE,
					  .scope = RT_SCOPE_LINK};
	struct fl_rtmsg_addr a;
	BUF(buf);

	(void)state;
	assert_int_equal(fl_rtmsg_addr_parse(fl_rtmsg_addr_put(buf, RTM_NEWADDR, 0, &put), &a), 0);
	assert_int_equal(a.ifindex, 7);
	assert_true(fl_prefix_equal(&a.local, &put.local));
	assert_int_equal(a.flags, IFA_F_NOPREFIXROUTE); /* beyond the header's eight bits */
	assert_int_equal(a.scope, RT_SCOPE_LINK);
}

static void links_survive_a_round_trip(void **state)
{
	const uint32_t vni = 1;
	const struct fl_rtmsg_attr attrs[] = {
		{IFLA_VXLAN_ID, 4, &vni}, {IFLA_VXLAN_GBP, 0, ""}, {IFLA_VXLAN_GPE, 0, NULL}};
	const struct fl_rtmsg_link_change put = {
		.link = {.name = "fifteen-letters",
			 .alias = "of somebody",
			 .kind = "vxlan",
			 .mtu = 1450,
			 .flags = IFF_UP | IFF_NOARP,
			 .mac = {{2, 0, 0, 0, 0, 1}},
			 .has_mac = true,
			 .ifindex = 4},
		.change_mask = IFF_UP,
		.attrs = attrs,
		.n_attrs = 3,
	};
	struct fl_rtmsg_link l;
	BUF(buf);

	(void)state;
	assert_int_equal(fl_rtmsg_link_parse(fl_rtmsg_link_put(buf, RTM_NEWLINK, 0, &put), &l), 0);
	assert_string_equal(l.name, "fifteen-letters");
	assert_string_equal(l.alias, "of somebody");
	assert_string_equal(l.kind, "vxlan");
	assert_int_equal(l.mtu, 1450);
	assert_int_equal(l.flags, IFF_UP); /* what the mask leaves out is left alone */
	assert_true(l.has_mac && fl_mac_equal(&l.mac, &put.link.mac));
	assert_int_equal(l.data_len,
			 8 + 4); /* the flag without a byte, the absent one not at all */
	assert_true(fl_rtmsg_attrs_match(l.data, l.data_len, attrs, 3));
}

static void what_does_not_fit_is_refused(void **state)
{
	static const char big[FL_RTNL_MSG_MAX];
	const struct fl_rtmsg_attr one = {1, sizeof(big), big};
	const struct fl_rtmsg_attr many[] = {
		{1, 120, big}, {2, 120, big}, {3, 120, big}, {4, 120, big}};
	struct fl_rtmsg_link_change c = {
		.link = {.name = "flannel.1", .kind = "vxlan"}, .attrs = &one, .n_attrs = 1};
	char name[FL_RTNL_MSG_MAX];
	BUF(buf);

	(void)state;
	assert_null(fl_rtmsg_link_put(buf, RTM_NEWLINK, 0, &c));
	c.attrs = many;
	c.n_attrs = 3;
	assert_non_null(fl_rtmsg_link_put(buf, RTM_NEWLINK, 0, &c));
	c.n_attrs = 4;
	assert_null(fl_rtmsg_link_put(buf, RTM_NEWLINK, 0, &c));
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_null(fl_rtmsg_link_get(buf, 0, name));
}

static void padding_holds_no_old_bytes(void **state)
{
	const struct fl_rtmsg_link_change c = {
		.link = {.name = "abcd", .ifindex = 1}}; /* five bytes, three more */
	static const char zeros[3];
	struct nlmsghdr *nlh;
	BUF(buf);

	(void)state;
	memset(buf, 0xa5, sizeof(buf));
	nlh = fl_rtmsg_link_put(buf, RTM_SETLINK, 0, &c);
	assert_memory_equal((char *)mnl_nlmsg_get_payload_tail(nlh) - 3, zeros, 3);
}

static void assert_request(const struct nlmsghdr *nlh, uint16_t type, size_t head, uint16_t attr,
			   uint32_t value)
{
	const struct nlattr *a = mnl_nlmsg_get_payload_offset(nlh, head);

	assert_int_equal(nlh->nlmsg_type, type);
	assert_int_equal(nlh->nlmsg_len, NLMSG_HDRLEN + NLMSG_ALIGN(head) + (attr ? 8 : 0));
	if (!attr)
		return;
	assert_int_equal(mnl_attr_get_type(a), attr);
	assert_int_equal(mnl_attr_get_u32(a), value);
}

static void dumps_ask_with_the_filters_that_strict_kernels_take(void **state)
{
	const struct rtmsg *rtm;
	const struct ifaddrmsg *ifa;
	struct nlmsghdr *nlh;
	BUF(buf);

	(void)state;
	assert_request(fl_rtmsg_link_dump(buf), RTM_GETLINK, sizeof(struct ifinfomsg), 0, 0);
	assert_request(fl_rtmsg_neigh_dump(buf, AF_INET, 0), RTM_GETNEIGH, sizeof(struct ndmsg), 0,
		       0);
	nlh = fl_rtmsg_neigh_dump(buf, AF_BRIDGE, 7);
	assert_request(nlh, RTM_GETNEIGH, sizeof(struct ndmsg), NDA_IFINDEX, 7);
	assert_int_equal(((const struct ndmsg *)mnl_nlmsg_get_payload(nlh))->ndm_ifindex, 0);
	assert_request(fl_rtmsg_nexthop_dump(buf, 7), RTM_GETNEXTHOP, sizeof(struct nhmsg), NHA_OIF,
		       7);
	nlh = fl_rtmsg_addr_dump(buf, AF_INET, 7);
	assert_request(nlh, RTM_GETADDR, sizeof(*ifa), 0, 0);
	ifa = mnl_nlmsg_get_payload(nlh);
	assert_int_equal(ifa->ifa_index, 7);
	nlh = fl_rtmsg_route_dump(buf, AF_INET, RT_TABLE_MAIN, 70, 0);
	assert_request(nlh, RTM_GETROUTE, sizeof(*rtm), RTA_TABLE, RT_TABLE_MAIN);
	rtm = mnl_nlmsg_get_payload(nlh);
	assert_int_equal(rtm->rtm_protocol, 70);
	assert_int_equal(rtm->rtm_table, 0);
}

static void a_lookup_asks_for_one_address_or_one_link(void **state)
{
	const struct fl_addr dst = addr("10.0.0.1");
	const struct ifinfomsg *ifi;
	const struct rtmsg *rtm;
	struct nlmsghdr *nlh;
	BUF(buf);

	(void)state;
	nlh = fl_rtmsg_route_get(buf, &dst);
	rtm = mnl_nlmsg_get_payload(nlh);
	assert_int_equal(rtm->rtm_dst_len, 32);
	assert_int_equal(nlh->nlmsg_len, NLMSG_HDRLEN + sizeof(*rtm) + 8);
	nlh = fl_rtmsg_link_get(buf, 7, NULL);
	ifi = mnl_nlmsg_get_payload(nlh);
	assert_int_equal(ifi->ifi_index, 7);
	assert_int_equal(nlh->nlmsg_len, NLMSG_HDRLEN + sizeof(*ifi));
}

/* ---- attributes of a device ---- */

static void a_flag_that_is_told_as_zero_is_absent(void **state)
{
	static const uint8_t off[] = {5, 0, 7, 0, 0, 0, 0, 0}, on[] = {5, 0, 7, 0, 1, 0, 0, 0};
	static const uint8_t wide[] = {6, 0, 7, 0, 0, 0, 0, 0};
	const struct fl_rtmsg_attr absent = {7, 0, NULL}, zero = {7, 1, "\0"};

	(void)state;
	assert_true(fl_rtmsg_attrs_match(off, sizeof(off), &absent, 1));
	assert_true(fl_rtmsg_attrs_match(off, sizeof(off), &zero, 1));
	assert_false(fl_rtmsg_attrs_match(on, sizeof(on), &absent, 1));
	assert_false(fl_rtmsg_attrs_match(wide, sizeof(wide), &absent, 1));
	assert_true(fl_rtmsg_attrs_match(NULL, 0, &absent, 1));
	assert_false(fl_rtmsg_attrs_match(NULL, 0, &zero, 1));
	assert_true(fl_rtmsg_attrs_match(NULL, 0, NULL, 0));
}

static void garbage_matches_nothing(void **state)
{
	static const uint8_t data[] = {8, 0, 7, 0, 1, 0, 0, 0, 200, 0, 8, 0};
	const uint32_t one = 1;
	const struct fl_rtmsg_attr want = {7, 4, &one}, absent = {9, 0, NULL};

	(void)state;
	assert_true(fl_rtmsg_attrs_match(data, 8, &want, 1));
	for (size_t len = 9; len <= sizeof(data); len++) {
		assert_false(fl_rtmsg_attrs_match(aligned(data, len), len, &want, 1));
		assert_false(fl_rtmsg_attrs_match(aligned(data, len), len, &absent, 1));
	}
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
		cmocka_unit_test(neighbours_survive_a_round_trip),
		cmocka_unit_test(routes_survive_a_round_trip),
		cmocka_unit_test(a_route_by_nexthop_id_names_nothing_else),
		cmocka_unit_test(a_nexthop_is_deleted_by_its_id_alone),
		cmocka_unit_test(addresses_survive_a_round_trip),
		cmocka_unit_test(links_survive_a_round_trip),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(padding_holds_no_old_bytes),
		cmocka_unit_test(dumps_ask_with_the_filters_that_strict_kernels_take),
		cmocka_unit_test(a_lookup_asks_for_one_address_or_one_link),
		cmocka_unit_test(a_flag_that_is_told_as_zero_is_absent),
		cmocka_unit_test(garbage_matches_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, free_copy);
}
