/* core/io/nfnl.c - nf_tables over nfnetlink. */
#include "io/nfnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/defs.h"

#define RECV_SIZE  32768u
#define SEND_MAX   (16 << 20) /* bytes of one transaction */
#define QUEUE_SIZE (4 << 20)  /* bytes of announcements the kernel may queue */
#define RECV_TURNS 256u	      /* datagrams per turn of the loop: others want their turn, too */

struct fl_nfnl {
	struct mnl_socket *sock;
	uint32_t seq;
	char recv[RECV_SIZE] __attribute__((aligned(8)));
};

struct fl_nfnl_watch {
	struct ev_loop *loop;
	struct mnl_socket *sock;
	struct fl_nfnl_listener *listener;
	ev_io readable;
	char buf[RECV_SIZE] __attribute__((aligned(8)));
};

static struct mnl_socket *socket_open(int flags)
{
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | flags);
	int error;

	if (!sock || mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) == 0)
		return sock;
	error = errno;
	(void)mnl_socket_close(sock);
	errno = error;
	return NULL;
}

static void force_size(struct mnl_socket *sock, int forced, int plain, int size)
{
	int fd = mnl_socket_get_fd(sock);

	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

/* ---- requests ---- */

/* What one call waits for. */
struct answer {
	fl_nfnl_cb cb;
	void *data;
	int result; /* the first error, of the kernel or of cb */
	bool any;   /* the kernel has said something */
};

static void take_answer(const struct nlmsghdr *nlh, struct answer *a)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	int r = 0;

	if (nlh->nlmsg_type != NLMSG_ERROR && nlh->nlmsg_type < NLMSG_MIN_TYPE)
		return;
	a->any = true;
	if (nlh->nlmsg_type != NLMSG_ERROR)
		r = a->cb ? a->cb(nlh, a->data) : 0;
	else if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(*e))
		r = e->error;
	if (a->result == 0)
		a->result = r;
}

/* All answers are there when the request was sent. */
static int read_answers(struct fl_nfnl *n, struct answer *a)
{
	const struct nlmsghdr *nlh;
	ssize_t got;
	int left;

	for (;;) {
		got = recv(mnl_socket_get_fd(n->sock), n->recv, sizeof(n->recv), MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno != EAGAIN)
			return -errno;
		if (got < 0)
			break;
		nlh = (const struct nlmsghdr *)n->recv;
		left = (int)got;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			take_answer(nlh, a);
	}
	return a->any ? a->result : -EIO;
}

static int send_all(struct fl_nfnl *n, struct iovec *iov, size_t count)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	const struct msghdr msg = {.msg_name = &kernel,
				   .msg_namelen = sizeof(kernel),
				   .msg_iov = iov,
				   .msg_iovlen = count};

	return sendmsg(mnl_socket_get_fd(n->sock), &msg, 0) < 0 ? -errno : 0;
}

/* The brackets of a transaction. */
struct bracket {
	struct nlmsghdr nlh;
	struct nfgenmsg nfg;
};

static struct bracket bracket_of(struct fl_nfnl *n, uint16_t type)
{
	return (struct bracket){
		.nlh = {.nlmsg_len = sizeof(struct bracket),
			.nlmsg_type = type,
			.nlmsg_flags = NLM_F_REQUEST,
			.nlmsg_seq = ++n->seq},
		.nfg = {.nfgen_family = AF_UNSPEC, .res_id = htons(NFNL_SUBSYS_NFTABLES)},
	};
}

/* Errors come unasked; one ack, sent once all is in force, tells that there are none. */
static void number_messages(struct fl_nfnl *n, const struct fl_buf *messages)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)messages->data;
	int left = (int)messages->len;

	nlh->nlmsg_flags |= NLM_F_ACK;
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		nlh->nlmsg_seq = ++n->seq;
}

int fl_nfnl_commit(struct fl_nfnl *n, const struct fl_buf *messages)
{
	struct bracket begin = bracket_of(n, NFNL_MSG_BATCH_BEGIN), end;
	struct answer a = {0};
	struct iovec iov[3];
	int r;

	if (messages->error)
		return messages->error;
	number_messages(n, messages);
	end = bracket_of(n, NFNL_MSG_BATCH_END);
	iov[0] = (struct iovec){.iov_base = &begin, .iov_len = sizeof(begin)};
	iov[1] = (struct iovec){.iov_base = messages->data, .iov_len = messages->len};
	iov[2] = (struct iovec){.iov_base = &end, .iov_len = sizeof(end)};
	r = send_all(n, iov, 3);
	return r < 0 ? r : read_answers(n, &a);
}

int fl_nfnl_get(struct fl_nfnl *n, const struct fl_buf *message, fl_nfnl_cb cb, void *data)
{
	struct answer a = {.cb = cb, .data = data};
	struct nlmsghdr *nlh = (struct nlmsghdr *)message->data;
	struct iovec iov = {.iov_base = message->data, .iov_len = message->len};
	int r;

	if (message->error)
		return message->error;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nlh->nlmsg_seq = ++n->seq;
	r = send_all(n, &iov, 1);
	return r < 0 ? r : read_answers(n, &a);
}

/* Ask for anything: a kernel without nf_tables does not know the whole subsystem. */
static int probe(struct fl_nfnl *n)
{
	struct bracket request = bracket_of(n, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN);
	struct iovec iov = {.iov_base = &request, .iov_len = sizeof(request)};
	struct answer a = {0};
	int r;

	request.nfg.res_id = 0;
	r = send_all(n, &iov, 1);
	if (r == 0)
		r = read_answers(n, &a);
	return r == -EINVAL ? -EOPNOTSUPP : r;
}

int fl_nfnl_open(struct fl_nfnl **ret)
{
	struct fl_nfnl *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->sock = socket_open(0);
	/* without nfnetlink there is not even the protocol */
	r = n->sock ? 0 : errno == EPROTONOSUPPORT ? -EOPNOTSUPP : -errno;
	if (r == 0) {
		force_size(n->sock, SO_SNDBUFFORCE, SO_SNDBUF, SEND_MAX);
		r = probe(n);
	}
	if (r < 0) {
		fl_nfnl_close(n);
		return r;
	}
	*ret = n;
	return 0;
}

void fl_nfnl_close(struct fl_nfnl *n)
{
	if (!n)
		return;
	if (n->sock)
		(void)mnl_socket_close(n->sock);
	free(n);
}

uint32_t fl_nfnl_portid(const struct fl_nfnl *n)
{
	return mnl_socket_get_portid(n->sock);
}

/* ---- attributes ---- */

/* The attribute of that type in @p len bytes, NULL: none. */
static const struct nlattr *find(const void *bytes, size_t len, uint16_t type)
{
	const struct nlattr *a = bytes;

	for (; len <= INT32_MAX && mnl_attr_ok(a, (int)len); a = mnl_attr_next(a)) {
		size_t step = MNL_ALIGN((size_t)a->nla_len);

		if (mnl_attr_get_type(a) == type)
			return a;
		len -= step < len ? step : len;
	}
	return NULL;
}

const struct nlattr *fl_nfnl_attr(const struct nlmsghdr *nlh, uint16_t type)
{
	const char *payload = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);

	if (nlh->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg))
		return NULL;
	return find(payload + sizeof(struct nfgenmsg), len - sizeof(struct nfgenmsg), type);
}

const struct nlattr *fl_nfnl_nested(const struct nlattr *parent, uint16_t type)
{
	return find(mnl_attr_get_payload(parent), mnl_attr_get_payload_len(parent), type);
}

/* ---- announcements ---- */

static void take(struct fl_nfnl_watch *w, ssize_t n)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)w->buf;
	int left = (int)n;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		if (nlh->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES)
			w->listener->message(w->listener, nlh);
}

/* The kernel's own messages only: any process may send to a netlink socket. */
static void on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct fl_nfnl_watch *w = fl_container_of(io, struct fl_nfnl_watch, readable);
	struct sockaddr_nl from;
	ssize_t n;

	(void)loop;
	(void)revents;
	for (uint32_t turns = 0; turns < RECV_TURNS; turns++) {
		socklen_t from_len = sizeof(from);

		n = recvfrom(io->fd, w->buf, sizeof(w->buf), MSG_DONTWAIT | MSG_TRUNC,
			     (struct sockaddr *)&from, &from_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != ENOBUFS)
			return;
		if (n < 0 || (size_t)n > sizeof(w->buf))
			w->listener->lost(w->listener);
		else if (from.nl_pid == 0)
			take(w, n);
	}
}

int fl_nfnl_watch_create(struct ev_loop *loop, struct fl_nfnl_listener *listener,
			 struct fl_nfnl_watch **ret)
{
	struct fl_nfnl_watch *w = calloc(1, sizeof(*w));
	int group = NFNLGRP_NFTABLES, r;

	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->listener = listener;
	ev_init(&w->readable, on_readable);
	w->sock = socket_open(SOCK_NONBLOCK);
	if (!w->sock ||
	    mnl_socket_setsockopt(w->sock, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
		r = -errno;
		fl_nfnl_watch_destroy(w);
		return r;
	}
	force_size(w->sock, SO_RCVBUFFORCE, SO_RCVBUF, QUEUE_SIZE);
	ev_io_set(&w->readable, mnl_socket_get_fd(w->sock), EV_READ);
	ev_io_start(loop, &w->readable);
	*ret = w;
	return 0;
}

void fl_nfnl_watch_destroy(struct fl_nfnl_watch *w)
{
	if (!w)
		return;
	ev_io_stop(w->loop, &w->readable);
	if (w->sock)
		(void)mnl_socket_close(w->sock);
	free(w);
}
