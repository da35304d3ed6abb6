/* core/peer_filter_rules.h - the nftables table of the peer filter, as nf_tables messages: pure
 * functions between structs and buffers, no socket. See linux/netfilter/nf_tables.h. */
#ifndef FL_PEER_FILTER_RULES_H
#define FL_PEER_FILTER_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fl_buf;
struct nlmsghdr;

#define FL_PEER_FILTER_TABLE "flanneld-peers" /* of family ip */
#define FL_PEER_FILTER_PORTS 4u

/** What the rule has let nobody see. */
struct fl_peer_filter_count {
	uint64_t packets;
	uint64_t bytes;
};

/** The table without an element; what it replaces goes in the same transaction. */
struct fl_peer_filter_table {
	uint16_t ports[FL_PEER_FILTER_PORTS]; /* UDP, host byte order */
	uint32_t n_ports;
	struct fl_peer_filter_count count; /* that its counter begins with */
};

/* Writers append whole messages; a failure sticks to the buffer. */

void fl_peer_filter_put_table(struct fl_buf *b, const struct fl_peer_filter_table *t);
/** The table goes. @p may_be_missing: no error if there is none. */
void fl_peer_filter_put_removal(struct fl_buf *b, bool may_be_missing);
/** @param addrs_be  network byte order
 * @param add  they come into the set, or go out of it */
void fl_peer_filter_put_addrs(struct fl_buf *b, bool add, const uint32_t *addrs_be, size_t n);
/** The request for the table itself. */
void fl_peer_filter_put_table_question(struct fl_buf *b);
/** The request for the counter. */
void fl_peer_filter_put_question(struct fl_buf *b);

/** The counter out of the answer. The caller has made sure that nlmsg_len bytes are there.
 * @return 0, -EBADMSG */
int fl_peer_filter_parse_count(const struct nlmsghdr *nlh, struct fl_peer_filter_count *ret);
/** True if an announcement is about our table, or part of it. Likewise. */
bool fl_peer_filter_is_ours(const struct nlmsghdr *nlh);

#endif
