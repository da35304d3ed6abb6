/* tests/unit/test_firewall_watch.c - which announcements of nf_tables concern our rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/defs.h"
#include "firewall_watch.h"

struct announcement {
	uint16_t type;
	uint8_t family;
	uint16_t table_attr;
	const char *table; /* NULL: the attribute is missing */
	uint16_t chain_attr;
	const char *chain; /* likewise */
};

static bool concerns(const struct announcement *a)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | a->type);
	nfg->nfgen_family = a->family;
	if (a->table)
		mnl_attr_put_strz(nlh, a->table_attr, a->table);
	if (a->chain)
		mnl_attr_put_strz(nlh, a->chain_attr, a->chain);
	return fl_firewall_watch_concerns(nlh);
}

#define RULE(type, table, chain)                                                                   \
	{                                                                                          \
		type, NFPROTO_IPV4, NFTA_RULE_TABLE, table, NFTA_RULE_CHAIN, chain                 \
	}
#define CHAIN(type, table, chain)                                                                  \
	{                                                                                          \
		type, NFPROTO_IPV4, NFTA_CHAIN_TABLE, table, NFTA_CHAIN_NAME, chain                \
	}
#define TABLE(type, family, table)                                                                 \
	{                                                                                          \
		type, family, NFTA_TABLE_NAME, table, 0, NULL                                      \
	}

static void hears_of_our_chains_and_of_those_that_jump_to_them(void **state)
{
	static const struct announcement about[] = {
		RULE(NFT_MSG_DELRULE, "nat", "FLANNEL-POSTRTG"),
		RULE(NFT_MSG_NEWRULE, "nat", "POSTROUTING"),
		RULE(NFT_MSG_NEWRULE, "filter", "FLANNEL-FWD"),
		RULE(NFT_MSG_DELRULE, "filter", "FORWARD"),
		CHAIN(NFT_MSG_DELCHAIN, "nat", "FLANNEL-POSTRTG"),
		CHAIN(NFT_MSG_DELCHAIN, "filter", "FORWARD"),
		TABLE(NFT_MSG_DELTABLE, NFPROTO_IPV4, "nat"),
		TABLE(NFT_MSG_DELTABLE, NFPROTO_IPV4, "filter"),
	};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(about); i++)
		assert_true(concerns(&about[i]));
}

static void all_else_is_the_business_of_others(void **state)
{
	static const struct announcement about[] = {
		RULE(NFT_MSG_NEWRULE, "nat", "KUBE-POSTROUTING"),
		RULE(NFT_MSG_NEWRULE, "nat", "POSTROUTING2"),
		RULE(NFT_MSG_NEWRULE, "nat", "POSTROUTIN"),
		RULE(NFT_MSG_NEWRULE, "mangle", "FORWARD"),
		RULE(NFT_MSG_NEWRULE, "filter", NULL),
		RULE(NFT_MSG_NEWRULE, NULL, "FORWARD"),
		{NFT_MSG_DELRULE, NFPROTO_IPV6, NFTA_RULE_TABLE, "filter", NFTA_RULE_CHAIN,
		 "FORWARD"},
		CHAIN(NFT_MSG_NEWCHAIN, "nat", "FLANNEL-POSTRTG"),
		CHAIN(NFT_MSG_DELCHAIN, "nat", "DOCKER"),
		TABLE(NFT_MSG_DELTABLE, NFPROTO_IPV6, "nat"),
		TABLE(NFT_MSG_DELTABLE, NFPROTO_IPV4, "flanneld-peers"),
		TABLE(NFT_MSG_NEWTABLE, NFPROTO_IPV4, "nat"),
	};
	char buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(about); i++)
		assert_false(concerns(&about[i]));
	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE);
	assert_false(fl_firewall_watch_concerns(nlh)); /* too short for a header */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hears_of_our_chains_and_of_those_that_jump_to_them),
		cmocka_unit_test(all_else_is_the_business_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
