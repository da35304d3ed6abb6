/* tests/unit/test_peer_filter.c - the peer filter's messages: well-formed, whole, and read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "peer_filter_rules.h"

/* The messages' types, as letters: T table, t its removal, S set, O object, C chain, R rule, E
 * elements, e their removal, g a question. */
static char letter(uint16_t type)
{
	static const char letters[] = {
		[NFT_MSG_NEWTABLE] = 'T',   [NFT_MSG_DELTABLE] = 't', [NFT_MSG_NEWSET] = 'S',
		[NFT_MSG_NEWOBJ] = 'O',	    [NFT_MSG_NEWCHAIN] = 'C', [NFT_MSG_NEWRULE] = 'R',
		[NFT_MSG_NEWSETELEM] = 'E', [NFT_MSG_GETOBJ] = 'g',   [NFT_MSG_DELSETELEM] = 'e',
	};

	assert_int_equal(type >> 8, NFNL_SUBSYS_NFTABLES);
	assert_in_range(type & 255, 0, sizeof(letters) - 1);
	return letters[type & 255];
}

/* Walks over all attributes, so that a length that lies is found. */
static void assert_attributes(const void *bytes, size_t len)
{
	const struct nlattr *a = bytes;
	int left = (int)len;

	for (; mnl_attr_ok(a, left); a = mnl_attr_next(a)) {
		left -= (int)MNL_ALIGN(a->nla_len);
		if (a->nla_type & NLA_F_NESTED)
			assert_attributes(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
	}
	assert_int_equal(left, 0);
}

static void assert_messages(struct fl_buf *b, const char *types)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)b->data;
	int left = (int)b->len;
	size_t n = 0;

	assert_int_equal(b->error, 0);
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left), n++) {
		assert_int_equal(letter(nlh->nlmsg_type), types[n]);
		assert_true(fl_peer_filter_is_ours(nlh));
		assert_attributes((const char *)mnl_nlmsg_get_payload(nlh) +
					  sizeof(struct nfgenmsg),
				  mnl_nlmsg_get_payload_len(nlh) - sizeof(struct nfgenmsg));
	}
	assert_int_equal(left, 0);
	assert_int_equal(n, strlen(types));
	fl_buf_done(b);
}

static void a_table_replaces_the_one_that_is_there(void **state)
{
	struct fl_peer_filter_table t = {.ports = {8472, 8285}, .n_ports = 2};
	struct fl_buf b = {0};

	(void)state;
	fl_peer_filter_put_table(&b, &t);
	assert_messages(&b, "TtTSOCRR");
}

static void a_removal_may_or_may_not_miss_the_table(void **state)
{
	struct fl_buf b = {0};

	(void)state;
	fl_peer_filter_put_removal(&b, false);
	assert_messages(&b, "t");
	fl_peer_filter_put_removal(&b, true);
	assert_messages(&b, "Tt");
}

/* How many elements a message's list has; a list of 64 KiB or more would lie about its length. */
static size_t elements_of(const struct nlmsghdr *nlh)
{
	const struct nlattr *a, *element;
	size_t n = 0;

	mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(a) ==
							       NFTA_SET_ELEM_LIST_ELEMENTS)
		mnl_attr_for_each_nested(element, a) n++;
	return n;
}

static void many_addresses_go_into_several_messages(void **state)
{
	static uint32_t addrs_be[50000];
	struct fl_buf b = {0};
	const struct nlmsghdr *nlh;
	size_t n = 0;
	int left;

	(void)state;
	fl_peer_filter_put_addrs(&b, true, addrs_be, 50000);
	nlh = (const struct nlmsghdr *)b.data;
	left = (int)b.len;
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		n += elements_of(nlh);
	assert_int_equal(n, 50000);
	fl_buf_done(&b);

	fl_peer_filter_put_addrs(&b, true, addrs_be, 1);
	assert_messages(&b, "E");
	fl_peer_filter_put_addrs(&b, false, addrs_be, 1001);
	assert_messages(&b, "ee");
	fl_peer_filter_put_addrs(&b, true, addrs_be, 0);
	assert_int_equal(b.len, 0);
	fl_buf_done(&b);
}

static void a_table_of_others_is_not_ours(void **state)
{
	struct fl_buf b = {0};
	struct nlmsghdr *nlh;
	struct nfgenmsg *nfg;

	(void)state;
	fl_peer_filter_put_removal(&b, false);
	nlh = (struct nlmsghdr *)b.data;
	nfg = mnl_nlmsg_get_payload(nlh);
	nfg->nfgen_family = AF_INET6;
	assert_false(fl_peer_filter_is_ours(nlh));
	nfg->nfgen_family = AF_INET;
	assert_true(fl_peer_filter_is_ours(nlh));
	((char *)(nfg + 1))[sizeof(struct nlattr)] = 'g';
	assert_false(fl_peer_filter_is_ours(nlh));
	nlh->nlmsg_len = sizeof(*nlh) + 2;
	assert_false(fl_peer_filter_is_ours(nlh));
	fl_buf_done(&b);
}

/* What the kernel answers: the object as it was made, with its numbers of now. */
static void the_counter_is_read_back(void **state)
{
	struct fl_peer_filter_table t = {.count = {.packets = 7, .bytes = 1ull << 40}};
	struct fl_peer_filter_count count = {0};
	struct fl_buf b = {0};
	const struct nlmsghdr *nlh;
	int left;

	(void)state;
	fl_peer_filter_put_table(&b, &t);
	nlh = (const struct nlmsghdr *)b.data;
	left = (int)b.len;
	while (letter(nlh->nlmsg_type) != 'O') {
		assert_int_equal(fl_peer_filter_parse_count(nlh, &count), -EBADMSG);
		nlh = mnl_nlmsg_next(nlh, &left);
	}
	assert_int_equal(fl_peer_filter_parse_count(nlh, &count), 0);
	assert_int_equal(count.packets, 7);
	assert_true(count.bytes == 1ull << 40);
	fl_buf_done(&b);
	fl_peer_filter_put_question(&b);
	assert_messages(&b, "g");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_replaces_the_one_that_is_there),
		cmocka_unit_test(a_removal_may_or_may_not_miss_the_table),
		cmocka_unit_test(many_addresses_go_into_several_messages),
		cmocka_unit_test(a_table_of_others_is_not_ours),
		cmocka_unit_test(the_counter_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
