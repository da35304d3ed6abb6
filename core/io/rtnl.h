/* core/io/rtnl.h - requests, dumps and batches over rtnetlink (libmnl). Knows nothing of flannel.
 */
#ifndef FL_IO_RTNL_H
#define FL_IO_RTNL_H

#include <stddef.h>
#include <stdint.h>

struct nlmsghdr;
struct fl_rtnl; /* one NETLINK_ROUTE socket for requests; fields in rtnl.c */

/**
 * Open a socket with extended acknowledgements, capped acknowledgements and strict dump checking
 * where the kernel has them. The kernel executes a request within sendmsg(2)
 * (net/netlink/af_netlink.c), so waiting for its answer does not block the loop.
 * @return 0 or -errno
 */
int fl_rtnl_open(struct fl_rtnl **ret);
void fl_rtnl_close(struct fl_rtnl *rtnl); /* NULL is a no-op */

/** The socket's number, by which announcements tell who has asked for what. Another one after the
 * socket has mended itself. */
uint32_t fl_rtnl_portid(const struct fl_rtnl *rtnl);

/** What the kernel said about the last error (NLMSGERR_ATTR_MSG), or "" ; valid until the next
 * call. */
const char *fl_rtnl_why(const struct fl_rtnl *rtnl);

/** Send one request (nlmsg_seq and NLM_F_REQUEST|NLM_F_ACK are set here) and wait for its ack.
 * @return 0 or -errno */
int fl_rtnl_request(struct fl_rtnl *rtnl, struct nlmsghdr *nlh);

/** Called for each message of an answer; non-zero ends the call with that value (the rest is
 * dropped). Must not use the socket: a dump may still be running on it. */
typedef int (*fl_rtnl_cb)(const struct nlmsghdr *nlh, void *data);

/** Send one request that answers with a single message (RTM_GETLINK of one link, RTM_GETROUTE of
 * one address ...). */
int fl_rtnl_get(struct fl_rtnl *rtnl, struct nlmsghdr *nlh, fl_rtnl_cb cb, void *data);

/**
 * Dump (NLM_F_DUMP is set here). A dump that the kernel marks as interrupted (NLM_F_DUMP_INTR)
 * returns -EINTR after the last message: what was seen may be incomplete or doubled, so start
 * again.
 */
int fl_rtnl_dump(struct fl_rtnl *rtnl, struct nlmsghdr *nlh, fl_rtnl_cb cb, void *data);

/** The same in pieces: begin, then take one after the other. Until it is over nothing else may use
 * the socket, so have one for it alone; to close it is the way to end it early. @return 0 or -errno
 */
int fl_rtnl_dump_begin(struct fl_rtnl *rtnl, struct nlmsghdr *nlh);
/** The next piece, up to 32 KiB. @return 1: there is more; else, as fl_rtnl_dump(), 0, what @p cb
 * has returned (negative) or -errno */
int fl_rtnl_dump_piece(struct fl_rtnl *rtnl, fl_rtnl_cb cb, void *data);

/**
 * Many requests in few system calls. Add messages, then run: all are executed in order; only the
 * last asks for an ack, failures are always reported by the kernel (netlink_rcv_skb), so a message
 * without one has succeeded.
 */
struct fl_rtnl_batch; /* fields in rtnl.c */

int fl_rtnl_batch_create(struct fl_rtnl *rtnl, struct fl_rtnl_batch **ret);
void fl_rtnl_batch_destroy(struct fl_rtnl_batch *b); /* NULL is a no-op */
/**
 * Room for one more message of at most FL_RTNL_MSG_MAX bytes: build it there with fl_rtmsg_*(),
 * then batch_push(). NULL: the batch is full, run it first.
 */
void *fl_rtnl_batch_space(struct fl_rtnl_batch *b);
/** Take the message that was built at batch_space(). @p cookie comes back if it fails. */
void fl_rtnl_batch_push(struct fl_rtnl_batch *b, void *cookie);
/** Called for each message that failed: its cookie, -errno, and the kernel's words ("" if none).
 * Must not use the socket: other answers are still being read. */
typedef void (*fl_rtnl_failed_cb)(void *cookie, int error, const char *why, void *data);
/** Execute and empty the batch. @return 0 (single failures went to @p failed, which may be NULL),
 * or -errno if answers were lost (-ENOBUFS, -EMSGSIZE ...): then read back what stands. The socket
 * mends itself with the next call. */
int fl_rtnl_batch_run(struct fl_rtnl_batch *b, fl_rtnl_failed_cb failed, void *data);

#define FL_RTNL_MSG_MAX 512u /* bytes: more than any message of rtmsg.h needs */

#endif
