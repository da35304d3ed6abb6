/* core/io/rtnl.c - requests, dumps and batches over one NETLINK_ROUTE socket. */
#include "io/rtnl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define RECV_SIZE      65536u	 /* bytes: the kernel fills at most 32 KiB, or one huge message */
#define SOCKET_SIZE    (4 << 20) /* bytes of answers the kernel may queue */
#define BATCH_SIZE     32768u	 /* bytes in one sendmsg() */
#define BATCH_MESSAGES 256u
#define ANSWER_LIMIT_S 10 /* never reached: answers are there when sendmsg() returns */

struct fl_rtnl {
	struct mnl_socket *sock; /* NULL: broken, the next call opens it again */
	uint32_t portid;
	uint32_t seq; /* of the last message that was sent */
	char why[256];
	struct wait *dump; /* that goes on piece by piece, or NULL */
	char recv[RECV_SIZE] __attribute__((aligned(8)));
};

/* One call that waits for answers. */
struct wait {
	uint32_t first_seq; /* the messages that were sent ... */
	uint32_t count;	    /* ... carry first_seq .. first_seq + count - 1 */
	bool done;
	bool single;	  /* one message is the whole answer */
	bool interrupted; /* NLM_F_DUMP_INTR was seen */
	int result;	  /* the kernel's verdict */
	int cb_result;	  /* the first non-zero value of cb */
	fl_rtnl_cb cb;
	void *data;
	struct fl_rtnl_batch *batch; /* NULL: a single request */
	fl_rtnl_failed_cb failed;
};

struct fl_rtnl_batch {
	struct fl_rtnl *rtnl;
	uint32_t count;
	size_t used;
	void *cookies[BATCH_MESSAGES];
	char buf[BATCH_SIZE] __attribute__((aligned(8)));
};

/* Old kernels lack some of these, and work without. */
static void set_options(struct mnl_socket *sock)
{
	static const struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};
	int fd = mnl_socket_get_fd(sock), on = 1, size = SOCKET_SIZE;

	(void)mnl_socket_setsockopt(sock, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(sock, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(sock, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static int socket_open(struct fl_rtnl *rtnl)
{
	struct mnl_socket *sock;
	int r;

	if (rtnl->sock)
		return 0;
	sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!sock)
		return -errno;
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		(void)mnl_socket_close(sock);
		return r;
	}
	set_options(sock);
	rtnl->sock = sock;
	rtnl->portid = mnl_socket_get_portid(sock);
	return 0;
}

/* After lost or broken answers nobody knows what is still on its way; and closing ends a dump that
 * nobody wants to the end. A new socket starts clean. */
static void socket_drop(struct fl_rtnl *rtnl)
{
	if (rtnl->sock)
		(void)mnl_socket_close(rtnl->sock);
	rtnl->sock = NULL;
}

int fl_rtnl_open(struct fl_rtnl **ret)
{
	struct fl_rtnl *rtnl = calloc(1, sizeof(*rtnl));
	int r;

	if (!rtnl)
		return -ENOMEM;
	r = socket_open(rtnl);
	if (r < 0) {
		free(rtnl);
		return r;
	}
	*ret = rtnl;
	return 0;
}

void fl_rtnl_close(struct fl_rtnl *rtnl)
{
	if (!rtnl)
		return;
	socket_drop(rtnl);
	free(rtnl->dump);
	free(rtnl);
}

uint32_t fl_rtnl_portid(const struct fl_rtnl *rtnl)
{
	return rtnl->portid;
}

const char *fl_rtnl_why(const struct fl_rtnl *rtnl)
{
	return rtnl->why;
}

static int send_bytes(struct fl_rtnl *rtnl, const void *bytes, size_t len)
{
	ssize_t n;
	int r;

	r = socket_open(rtnl);
	if (r < 0)
		return r;
	do
		n = mnl_socket_sendto(rtnl->sock, bytes, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EMSGSIZE;
}

/* One datagram from the kernel. @return its length, 0 for one of somebody else, or -errno */
static ssize_t recv_datagram(struct fl_rtnl *rtnl)
{
	struct sockaddr_nl from = {0};
	struct iovec iov = {.iov_base = rtnl->recv, .iov_len = sizeof(rtnl->recv)};
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	do
		n = recvmsg(mnl_socket_get_fd(rtnl->sock), &msg, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (from.nl_pid != 0)
		return 0;
	if (msg.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	return n > 0 ? n : -EBADMSG;
}

/* Extended acknowledgements: the attributes behind the error, and behind the request that it
 * repeats unless capped. */
static void keep_why(struct fl_rtnl *rtnl, const struct nlmsghdr *nlh, size_t skip)
{
	const char *tail = mnl_nlmsg_get_payload_tail(nlh);
	const struct nlattr *a;
	size_t end;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || mnl_nlmsg_get_payload_len(nlh) < skip)
		return;
	for (a = mnl_nlmsg_get_payload_offset(nlh, skip);
	     mnl_attr_ok(a, (int)(tail - (const char *)a)); a = mnl_attr_next(a)) {
		if (mnl_attr_get_type(a) != NLMSGERR_ATTR_MSG)
			continue;
		end = strnlen(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
		(void)snprintf(rtnl->why, sizeof(rtnl->why), "%.*s", (int)end,
			       (const char *)mnl_attr_get_payload(a));
	}
}

static int error_in(struct fl_rtnl *rtnl, const struct nlmsghdr *nlh, int *ret)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*err);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*err) || err->error > 0)
		return -EBADMSG;
	if (err->error && !(nlh->nlmsg_flags & NLM_F_CAPPED) &&
	    err->msg.nlmsg_len > sizeof(err->msg))
		skip += MNL_ALIGN((size_t)err->msg.nlmsg_len - sizeof(err->msg));
	rtnl->why[0] = '\0';
	if (err->error)
		keep_why(rtnl, nlh, skip);
	*ret = err->error;
	return 0;
}

/* The end of a dump carries its error. */
static int done_in(struct fl_rtnl *rtnl, const struct nlmsghdr *nlh, int *ret)
{
	int error = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(error))
		memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	if (error > 0)
		return -EBADMSG;
	if (error < 0)
		keep_why(rtnl, nlh, sizeof(error));
	*ret = error;
	return 0;
}

static int on_error(struct fl_rtnl *rtnl, struct wait *w, const struct nlmsghdr *nlh)
{
	uint32_t index = nlh->nlmsg_seq - w->first_seq;
	int error, r;

	r = error_in(rtnl, nlh, &error);
	if (r < 0)
		return r;
	w->done = index == w->count - 1;
	if (!w->batch)
		w->result = error;
	else if (error && w->failed)
		w->failed(w->batch->cookies[index], error, rtnl->why, w->data);
	return 0;
}

static int on_message(struct fl_rtnl *rtnl, struct wait *w, const struct nlmsghdr *nlh)
{
	if (nlh->nlmsg_pid != rtnl->portid || nlh->nlmsg_seq - w->first_seq >= w->count)
		return 0; /* an answer to an earlier request */
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		w->interrupted = true;
	switch (nlh->nlmsg_type) {
	case NLMSG_ERROR:
		return on_error(rtnl, w, nlh);
	case NLMSG_DONE:
		w->done = true;
		return done_in(rtnl, nlh, &w->result);
	case NLMSG_NOOP:
		return 0;
	case NLMSG_OVERRUN:
		return -ENOBUFS;
	default:
		if (w->cb)
			w->cb_result = w->cb(nlh, w->data);
		w->done = w->single;
		return 0;
	}
}

static int on_datagram(struct fl_rtnl *rtnl, struct wait *w, size_t len)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)rtnl->recv;
	int left = (int)len, r;

	while (!w->done && !w->cb_result && left > 0) {
		if (!mnl_nlmsg_ok(nlh, left))
			return -EBADMSG;
		r = on_message(rtnl, w, nlh);
		if (r < 0)
			return r;
		nlh = mnl_nlmsg_next(nlh, &left);
	}
	return 0;
}

static int wait_once(struct fl_rtnl *rtnl, struct wait *w)
{
	ssize_t n = recv_datagram(rtnl);

	return n < 0 ? (int)n : on_datagram(rtnl, w, (size_t)n);
}

/* @param r  of the last wait_once() */
static int wait_over(struct fl_rtnl *rtnl, const struct wait *w, int r)
{
	if (!w->done)
		socket_drop(rtnl);
	if (r < 0)
		return r;
	return w->cb_result ? w->cb_result : w->result;
}

static int wait_for(struct fl_rtnl *rtnl, struct wait *w)
{
	int r = 0;

	while (!w->done && r == 0 && !w->cb_result)
		r = wait_once(rtnl, w);
	return wait_over(rtnl, w, r);
}

static int send_one(struct fl_rtnl *rtnl, struct nlmsghdr *nlh, uint16_t flags, struct wait *w)
{
	rtnl->why[0] = '\0';
	nlh->nlmsg_flags |= NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++rtnl->seq;
	nlh->nlmsg_pid = 0;
	w->first_seq = nlh->nlmsg_seq;
	w->count = 1;
	return send_bytes(rtnl, nlh, nlh->nlmsg_len);
}

static int transact(struct fl_rtnl *rtnl, struct nlmsghdr *nlh, uint16_t flags, struct wait *w)
{
	int r = send_one(rtnl, nlh, flags, w);

	return r < 0 ? r : wait_for(rtnl, w);
}

int fl_rtnl_request(struct fl_rtnl *rtnl, struct nlmsghdr *nlh)
{
	struct wait w = {0};

	return transact(rtnl, nlh, NLM_F_ACK, &w);
}

/* Without an ack, which would be a second datagram: a failure is reported all the same. */
int fl_rtnl_get(struct fl_rtnl *rtnl, struct nlmsghdr *nlh, fl_rtnl_cb cb, void *data)
{
	struct wait w = {.single = true, .cb = cb, .data = data};

	return transact(rtnl, nlh, 0, &w);
}

int fl_rtnl_dump(struct fl_rtnl *rtnl, struct nlmsghdr *nlh, fl_rtnl_cb cb, void *data)
{
	struct wait w = {.cb = cb, .data = data};
	int r = transact(rtnl, nlh, NLM_F_DUMP, &w);

	return r == 0 && w.interrupted ? -EINTR : r;
}

int fl_rtnl_dump_begin(struct fl_rtnl *rtnl, struct nlmsghdr *nlh)
{
	if (!rtnl->dump)
		rtnl->dump = malloc(sizeof(*rtnl->dump));
	if (!rtnl->dump)
		return -ENOMEM;
	*rtnl->dump = (struct wait){0};
	return send_one(rtnl, nlh, NLM_F_DUMP, rtnl->dump);
}

int fl_rtnl_dump_piece(struct fl_rtnl *rtnl, fl_rtnl_cb cb, void *data)
{
	struct wait *w = rtnl->dump;
	int r;

	w->cb = cb;
	w->data = data;
	r = wait_once(rtnl, w);
	if (r == 0 && !w->done && !w->cb_result)
		return 1;
	r = wait_over(rtnl, w, r);
	return r == 0 && w->interrupted ? -EINTR : r;
}

int fl_rtnl_batch_create(struct fl_rtnl *rtnl, struct fl_rtnl_batch **ret)
{
	struct fl_rtnl_batch *b = malloc(sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->rtnl = rtnl;
	b->count = 0;
	b->used = 0;
	*ret = b;
	return 0;
}

void fl_rtnl_batch_destroy(struct fl_rtnl_batch *b)
{
	free(b);
}

void *fl_rtnl_batch_space(struct fl_rtnl_batch *b)
{
	if (b->count == BATCH_MESSAGES || sizeof(b->buf) - b->used < FL_RTNL_MSG_MAX)
		return NULL;
	return b->buf + b->used;
}

void fl_rtnl_batch_push(struct fl_rtnl_batch *b, void *cookie)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)(b->buf + b->used);

	b->used += MNL_ALIGN((size_t)nlh->nlmsg_len);
	b->cookies[b->count++] = cookie;
}

/* Sequence numbers are given at the last moment: other requests may have gone out since the push.
 */
static uint32_t batch_number(struct fl_rtnl_batch *b)
{
	uint32_t first = b->rtnl->seq + 1;
	struct nlmsghdr *nlh = NULL;
	size_t pos;

	for (pos = 0; pos < b->used; pos += MNL_ALIGN((size_t)nlh->nlmsg_len)) {
		nlh = (struct nlmsghdr *)(b->buf + pos);
		nlh->nlmsg_flags |= NLM_F_REQUEST;
		nlh->nlmsg_seq = ++b->rtnl->seq;
		nlh->nlmsg_pid = 0;
	}
	if (nlh)
		nlh->nlmsg_flags |= NLM_F_ACK;
	return first;
}

int fl_rtnl_batch_run(struct fl_rtnl_batch *b, fl_rtnl_failed_cb failed, void *data)
{
	struct wait w = {.batch = b, .failed = failed, .data = data};
	int r;

	if (!b->count)
		return 0;
	b->rtnl->why[0] = '\0';
	w.first_seq = batch_number(b);
	w.count = b->count;
	r = send_bytes(b->rtnl, b->buf, b->used);
	if (r == 0)
		r = wait_for(b->rtnl, &w);
	b->count = 0;
	b->used = 0;
	return r;
}
