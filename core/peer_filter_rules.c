/* core/peer_filter_rules.c - the peer filter's table, as nf_tables messages:
 *
 *	table ip flanneld-peers {
 *		set peers { type ipv4_addr; elements = { 192.0.2.12, ... } }
 *		counter dropped {}
 *		chain input {
 *			type filter hook input priority -10; policy accept;
 *			udp dport 8472 ip saddr != @peers counter name "dropped" drop
 *		}
 *	}
 */
#include "peer_filter_rules.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "base/buf.h"
#include "io/nfnl.h"

#define SET	  "peers"
#define CHAIN	  "input"
#define COUNTER	  "dropped"
#define PRIORITY  (-10)
#define TYPE_IPV4 7u   /* what nft(8) calls ipv4_addr */
#define PER_LIST  1000 /* elements in a message: its list must stay below 64 KiB */

/* ---- messages and attributes; a buffer that grows moves, so places are offsets ---- */

static size_t message_begin(struct fl_buf *b, uint16_t type, uint16_t flags)
{
	const struct nlmsghdr nlh = {.nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type),
				     .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)};
	const struct nfgenmsg nfg = {.nfgen_family = NFPROTO_IPV4, .version = NFNETLINK_V0};
	size_t at = b->len;

	fl_buf_append(b, &nlh, sizeof(nlh));
	fl_buf_append(b, &nfg, sizeof(nfg));
	return at;
}

static void message_end(struct fl_buf *b, size_t at)
{
	if (!b->error)
		((struct nlmsghdr *)(b->data + at))->nlmsg_len = (uint32_t)(b->len - at);
}

static void put(struct fl_buf *b, uint16_t type, const void *data, size_t len)
{
	const struct nlattr a = {.nla_len = (uint16_t)(sizeof(a) + len), .nla_type = type};

	fl_buf_append(b, &a, sizeof(a));
	fl_buf_append(b, data, len);
	fl_buf_append(b, "\0\0\0", MNL_ALIGN(len) - len);
}

static void put_text(struct fl_buf *b, uint16_t type, const char *text)
{
	put(b, type, text, strlen(text) + 1);
}

static void put_u32(struct fl_buf *b, uint16_t type, uint32_t value)
{
	value = htonl(value);
	put(b, type, &value, sizeof(value));
}

static void put_u64(struct fl_buf *b, uint16_t type, uint64_t value)
{
	value = htobe64(value);
	put(b, type, &value, sizeof(value));
}

static size_t nest_begin(struct fl_buf *b, uint16_t type)
{
	size_t at = b->len;

	put(b, (uint16_t)(type | NLA_F_NESTED), "", 0);
	return at;
}

static void nest_end(struct fl_buf *b, size_t at)
{
	if (!b->error)
		((struct nlattr *)(b->data + at))->nla_len = (uint16_t)(b->len - at);
}

/* ---- the rule ---- */

/* Where an expression begins: in a list, its name, and the nest of its data. */
struct expr {
	size_t element;
	size_t data;
};

static struct expr expr_begin(struct fl_buf *b, const char *name)
{
	struct expr e = {.element = nest_begin(b, NFTA_LIST_ELEM)};

	put_text(b, NFTA_EXPR_NAME, name);
	e.data = nest_begin(b, NFTA_EXPR_DATA);
	return e;
}

static void expr_end(struct fl_buf *b, struct expr e)
{
	nest_end(b, e.data);
	nest_end(b, e.element);
}

static void put_protocol(struct fl_buf *b)
{
	struct expr e = expr_begin(b, "meta");

	put_u32(b, NFTA_META_DREG, NFT_REG_1);
	put_u32(b, NFTA_META_KEY, NFT_META_L4PROTO);
	expr_end(b, e);
}

static void put_load(struct fl_buf *b, enum nft_payload_bases base, uint32_t offset, uint32_t len)
{
	struct expr e = expr_begin(b, "payload");

	put_u32(b, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put_u32(b, NFTA_PAYLOAD_BASE, base);
	put_u32(b, NFTA_PAYLOAD_OFFSET, offset);
	put_u32(b, NFTA_PAYLOAD_LEN, len);
	expr_end(b, e);
}

static void put_equal(struct fl_buf *b, const void *value, size_t len)
{
	struct expr e = expr_begin(b, "cmp");
	size_t data;

	put_u32(b, NFTA_CMP_SREG, NFT_REG_1);
	put_u32(b, NFTA_CMP_OP, NFT_CMP_EQ);
	data = nest_begin(b, NFTA_CMP_DATA);
	put(b, NFTA_DATA_VALUE, value, len);
	nest_end(b, data);
	expr_end(b, e);
}

static void put_stranger(struct fl_buf *b)
{
	struct expr e = expr_begin(b, "lookup");

	put_text(b, NFTA_LOOKUP_SET, SET);
	put_u32(b, NFTA_LOOKUP_SREG, NFT_REG_1);
	put_u32(b, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	expr_end(b, e);
}

static void put_drop(struct fl_buf *b)
{
	struct expr e = expr_begin(b, "objref");
	size_t data, verdict;

	put_u32(b, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	put_text(b, NFTA_OBJREF_IMM_NAME, COUNTER);
	expr_end(b, e);

	e = expr_begin(b, "immediate");
	put_u32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nest_begin(b, NFTA_IMMEDIATE_DATA);
	verdict = nest_begin(b, NFTA_DATA_VERDICT);
	put_u32(b, NFTA_VERDICT_CODE, NF_DROP);
	nest_end(b, verdict);
	nest_end(b, data);
	expr_end(b, e);
}

static void put_rule(struct fl_buf *b, uint16_t port)
{
	const uint8_t protocol = IPPROTO_UDP;
	uint16_t port_be = htons(port);
	size_t at, list;

	at = message_begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	put_text(b, NFTA_RULE_TABLE, FL_PEER_FILTER_TABLE);
	put_text(b, NFTA_RULE_CHAIN, CHAIN);
	list = nest_begin(b, NFTA_RULE_EXPRESSIONS);
	put_protocol(b);
	put_equal(b, &protocol, sizeof(protocol));
	put_load(b, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(port_be)); /* destination port */
	put_equal(b, &port_be, sizeof(port_be));
	put_load(b, NFT_PAYLOAD_NETWORK_HEADER, 12, 4); /* source address */
	put_stranger(b);
	put_drop(b);
	nest_end(b, list);
	message_end(b, at);
}

/* ---- the rest of the table ---- */

static void put_bare_table(struct fl_buf *b, uint16_t type, uint16_t flags)
{
	size_t at = message_begin(b, type, flags);

	put_text(b, NFTA_TABLE_NAME, FL_PEER_FILTER_TABLE);
	message_end(b, at);
}

static void put_set(struct fl_buf *b)
{
	size_t at = message_begin(b, NFT_MSG_NEWSET, NLM_F_CREATE);

	put_text(b, NFTA_SET_TABLE, FL_PEER_FILTER_TABLE);
	put_text(b, NFTA_SET_NAME, SET);
	put_u32(b, NFTA_SET_KEY_TYPE, TYPE_IPV4);
	put_u32(b, NFTA_SET_KEY_LEN, 4);
	put_u32(b, NFTA_SET_ID, 1);
	message_end(b, at);
}

static void put_counter(struct fl_buf *b, const struct fl_peer_filter_count *count)
{
	size_t at = message_begin(b, NFT_MSG_NEWOBJ, NLM_F_CREATE), data;

	put_text(b, NFTA_OBJ_TABLE, FL_PEER_FILTER_TABLE);
	put_text(b, NFTA_OBJ_NAME, COUNTER);
	put_u32(b, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
	data = nest_begin(b, NFTA_OBJ_DATA);
	put_u64(b, NFTA_COUNTER_BYTES, count->bytes);
	put_u64(b, NFTA_COUNTER_PACKETS, count->packets);
	nest_end(b, data);
	message_end(b, at);
}

static void put_chain(struct fl_buf *b)
{
	size_t at = message_begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE), hook;

	put_text(b, NFTA_CHAIN_TABLE, FL_PEER_FILTER_TABLE);
	put_text(b, NFTA_CHAIN_NAME, CHAIN);
	hook = nest_begin(b, NFTA_CHAIN_HOOK);
	put_u32(b, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_IN);
	put_u32(b, NFTA_HOOK_PRIORITY, (uint32_t)PRIORITY);
	nest_end(b, hook);
	put_u32(b, NFTA_CHAIN_POLICY, NF_ACCEPT);
	put_text(b, NFTA_CHAIN_TYPE, "filter");
	message_end(b, at);
}

void fl_peer_filter_put_removal(struct fl_buf *b, bool may_be_missing)
{
	if (may_be_missing)
		put_bare_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_bare_table(b, NFT_MSG_DELTABLE, 0);
}

void fl_peer_filter_put_table_question(struct fl_buf *b)
{
	put_bare_table(b, NFT_MSG_GETTABLE, 0);
}

void fl_peer_filter_put_table(struct fl_buf *b, const struct fl_peer_filter_table *t)
{
	fl_peer_filter_put_removal(b, true);
	put_bare_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_set(b);
	put_counter(b, &t->count);
	put_chain(b);
	for (uint32_t i = 0; i < t->n_ports; i++)
		put_rule(b, t->ports[i]);
}

static void put_list(struct fl_buf *b, bool add, const uint32_t *addrs_be, size_t n)
{
	size_t at = message_begin(b, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM,
				  add ? NLM_F_CREATE : 0);
	size_t list, element, key;

	put_text(b, NFTA_SET_ELEM_LIST_TABLE, FL_PEER_FILTER_TABLE);
	put_text(b, NFTA_SET_ELEM_LIST_SET, SET);
	list = nest_begin(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (size_t i = 0; i < n; i++) {
		element = nest_begin(b, NFTA_LIST_ELEM);
		key = nest_begin(b, NFTA_SET_ELEM_KEY);
		put(b, NFTA_DATA_VALUE, &addrs_be[i], sizeof(addrs_be[i]));
		nest_end(b, key);
		nest_end(b, element);
	}
	nest_end(b, list);
	message_end(b, at);
}

void fl_peer_filter_put_addrs(struct fl_buf *b, bool add, const uint32_t *addrs_be, size_t n)
{
	size_t step;

	for (; n > 0; addrs_be += step, n -= step) {
		step = n < PER_LIST ? n : PER_LIST;
		put_list(b, add, addrs_be, step);
	}
}

/* ---- the counter, and what others do ---- */

void fl_peer_filter_put_question(struct fl_buf *b)
{
	size_t at = message_begin(b, NFT_MSG_GETOBJ, 0);

	put_text(b, NFTA_OBJ_TABLE, FL_PEER_FILTER_TABLE);
	put_text(b, NFTA_OBJ_NAME, COUNTER);
	put_u32(b, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
	message_end(b, at);
}

static bool take_u64(const struct nlattr *data, uint16_t type, uint64_t *ret)
{
	const struct nlattr *a = fl_nfnl_nested(data, type);

	if (!a || mnl_attr_get_payload_len(a) != sizeof(*ret))
		return false;
	memcpy(ret, mnl_attr_get_payload(a), sizeof(*ret));
	*ret = be64toh(*ret);
	return true;
}

int fl_peer_filter_parse_count(const struct nlmsghdr *nlh, struct fl_peer_filter_count *ret)
{
	const struct nlattr *data = fl_nfnl_attr(nlh, NFTA_OBJ_DATA);
	struct fl_peer_filter_count count;

	if (!data || !take_u64(data, NFTA_COUNTER_PACKETS, &count.packets) ||
	    !take_u64(data, NFTA_COUNTER_BYTES, &count.bytes))
		return -EBADMSG;
	*ret = count;
	return 0;
}

/* The first attribute of each kind of message is its table's name. */
bool fl_peer_filter_is_ours(const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a = fl_nfnl_attr(nlh, NFTA_TABLE_NAME);

	return a && nfg->nfgen_family == NFPROTO_IPV4 &&
	       mnl_attr_get_payload_len(a) == sizeof(FL_PEER_FILTER_TABLE) &&
	       memcmp(mnl_attr_get_payload(a), FL_PEER_FILTER_TABLE,
		      sizeof(FL_PEER_FILTER_TABLE)) == 0;
}
