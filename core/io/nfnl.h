/* core/io/nfnl.h - nf_tables over nfnetlink (libmnl): transactions, requests, announcements. Knows
 * nothing of flannel. */
#ifndef FL_IO_NFNL_H
#define FL_IO_NFNL_H

#include <stdint.h>

struct ev_loop;
struct fl_buf;
struct nlattr;
struct nlmsghdr;
struct fl_nfnl;	      /* a socket for requests; fields in nfnl.c */
struct fl_nfnl_watch; /* a socket that listens; fields in nfnl.c */

/**
 * The kernel executes what is sent within sendmsg(2) (net/netfilter/nfnetlink.c), so waiting for
 * its answer does not block the loop.
 * @return 0; -EOPNOTSUPP for a kernel without nf_tables; other -errno
 */
int fl_nfnl_open(struct fl_nfnl **ret);
void fl_nfnl_close(struct fl_nfnl *n); /* NULL is a no-op */

/** The socket's number, by which announcements tell who has asked for what. */
uint32_t fl_nfnl_portid(const struct fl_nfnl *n);

/**
 * One transaction: all or nothing.
 * @param messages  NFT_MSG_*, one behind the other, of at least one
 * @return 0, or the -errno of the first message that failed
 */
int fl_nfnl_commit(struct fl_nfnl *n, const struct fl_buf *messages);

/** Called for each message of an answer; non-zero ends the call with that value. */
typedef int (*fl_nfnl_cb)(const struct nlmsghdr *nlh, void *data);
/** Ask for one object; its flags are set here. @return 0; -ENOENT; other -errno */
int fl_nfnl_get(struct fl_nfnl *n, const struct fl_buf *message, fl_nfnl_cb cb, void *data);

/** The attribute of that type in a message of nf_tables, whose nlmsg_len bytes are there. NULL:
 * there is none */
const struct nlattr *fl_nfnl_attr(const struct nlmsghdr *nlh, uint16_t type);
/** Likewise, in the payload of @p parent. */
const struct nlattr *fl_nfnl_nested(const struct nlattr *parent, uint16_t type);

/** Who is told. Embed one in the owner. The watch must not be destroyed in these. */
struct fl_nfnl_listener {
	/** Somebody changes a ruleset: NFT_MSG_NEWTABLE ... Borrowed. */
	void (*message)(struct fl_nfnl_listener *l, const struct nlmsghdr *nlh);
	/** Announcements were lost, so anything may have changed. */
	void (*lost)(struct fl_nfnl_listener *l);
};

/** @return 0 or -errno; @p ret is set only on success, and the caller's until
 * fl_nfnl_watch_destroy() */
int fl_nfnl_watch_create(struct ev_loop *loop, struct fl_nfnl_listener *listener,
			 struct fl_nfnl_watch **ret);
void fl_nfnl_watch_destroy(struct fl_nfnl_watch *w); /* NULL is a no-op */

#endif
