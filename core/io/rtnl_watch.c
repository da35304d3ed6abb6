/* core/io/rtnl_watch.c - what the kernel announces over rtnetlink, on the event loop. */
#include "io/rtnl_watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/defs.h"

#define QUEUE_SIZE (8 << 20) /* bytes of announcements the kernel may queue */
#define RECV_SIZE  32768u    /* bytes: more than the kernel puts into one datagram */
#define RECV_TURNS 512u	     /* datagrams per turn of the loop: others want their turn, too */

struct fl_rtnl_watch {
	struct ev_loop *loop;
	struct mnl_socket *sock;
	struct fl_rtnl_watch_listener *listener;
	ev_io readable;
	char buf[RECV_SIZE] __attribute__((aligned(8)));
};

/* The kernel's own messages only: any process may send to a netlink socket. */
static void take(struct fl_rtnl_watch *w, ssize_t n)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)w->buf;
	int len = (int)n;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
		if (nlh->nlmsg_type >= NLMSG_MIN_TYPE)
			w->listener->message(w->listener, nlh);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct fl_rtnl_watch *w = fl_container_of(io, struct fl_rtnl_watch, readable);
	struct sockaddr_nl from;
	uint32_t turns;
	ssize_t n;

	(void)loop;
	(void)revents;
	for (turns = 0; turns < RECV_TURNS; turns++) {
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

int fl_rtnl_watch_join(struct fl_rtnl_watch *w, const uint32_t *groups, size_t n_groups)
{
	for (size_t i = 0; i < n_groups; i++) {
		int group = (int)groups[i];

		if (mnl_socket_setsockopt(w->sock, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) <
		    0)
			return -errno;
	}
	return 0;
}

void fl_rtnl_watch_leave(struct fl_rtnl_watch *w, const uint32_t *groups, size_t n_groups)
{
	for (size_t i = 0; i < n_groups; i++) {
		int group = (int)groups[i];

		(void)mnl_socket_setsockopt(w->sock, NETLINK_DROP_MEMBERSHIP, &group,
					    sizeof(group));
	}
}

static int set_up(struct mnl_socket *sock)
{
	int size = QUEUE_SIZE, fd = mnl_socket_get_fd(sock);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
}

int fl_rtnl_watch_create(struct ev_loop *loop, const uint32_t *groups, size_t n_groups,
			 struct fl_rtnl_watch_listener *listener, struct fl_rtnl_watch **ret)
{
	struct fl_rtnl_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->listener = listener;
	ev_init(&w->readable, on_readable);
	w->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	r = w->sock ? set_up(w->sock) : -errno;
	if (r == 0)
		r = fl_rtnl_watch_join(w, groups, n_groups);
	if (r < 0) {
		fl_rtnl_watch_destroy(w);
		return r;
	}
	ev_io_set(&w->readable, mnl_socket_get_fd(w->sock), EV_READ);
	ev_io_start(loop, &w->readable);
	*ret = w;
	return 0;
}

static int attach(struct fl_rtnl_watch *w, struct sock_filter *code, size_t len)
{
	const struct sock_fprog program = {.len = (unsigned short)len, .filter = code};

	if (setsockopt(mnl_socket_get_fd(w->sock), SOL_SOCKET, SO_ATTACH_FILTER, &program,
		       sizeof(program)) < 0)
		return -errno;
	return 0;
}

/* The filter sees one announcement at a time and loads in network byte order. */
int fl_rtnl_watch_skip_routes(struct fl_rtnl_watch *w, uint8_t protocol)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS,
			 NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_protocol)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, protocol, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};

	return attach(w, code, FL_ARRAY_SIZE(code));
}

#define LOAD(size, offset) BPF_STMT(BPF_LD | (size) | BPF_ABS, (uint32_t)(offset))
#define IF_EQ(k, yes, no)  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (yes), (no))
#define IF_ANY(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (k), (yes), (no))
#define TAKE		   BPF_STMT(BPF_RET | BPF_K, UINT32_MAX)
#define LEAVE		   BPF_STMT(BPF_RET | BPF_K, 0)
#define FILTER_DEVICES	   8u
#define FILTER_NEWROUTE	   8u /* where the program looks at what */
#define FILTER_DELROUTE	   11u
#define FILTER_TAKE	   13u
#define FILTER_DEVICE	   15u

int fl_rtnl_watch_filter(struct fl_rtnl_watch *w, const struct fl_rtnl_watch_filter *f)
{
	struct sock_filter code[FILTER_DEVICE + 1 + 2 * FILTER_DEVICES + 1] = {
		LOAD(BPF_W, offsetof(struct nlmsghdr, nlmsg_pid)),
		IF_EQ(htonl(f->portid), 0, 1),
		LEAVE,
		LOAD(BPF_H, offsetof(struct nlmsghdr, nlmsg_type)),
		IF_EQ(htons(RTM_NEWROUTE), FILTER_NEWROUTE - 5, 0),
		IF_EQ(htons(RTM_DELROUTE), FILTER_DELROUTE - 6, 0),
		IF_EQ(htons(RTM_NEWNEXTHOP), FILTER_TAKE - 7, 0),
		IF_EQ(htons(RTM_DELNEXTHOP), FILTER_TAKE - 8, FILTER_DEVICE - 8),
		/* FILTER_NEWROUTE */
		LOAD(BPF_H, offsetof(struct nlmsghdr, nlmsg_flags)),
		IF_ANY(htons(NLM_F_REPLACE), FILTER_TAKE - 10, 0),
		LEAVE,
		/* FILTER_DELROUTE */
		LOAD(BPF_B, NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_protocol)),
		IF_EQ(f->protocol, 0, 1),
		/* FILTER_TAKE */
		TAKE,
		LEAVE,
		/* FILTER_DEVICE: ndm_ifindex; ifi_index and ifa_index stand at the same place */
		LOAD(BPF_W, NLMSG_HDRLEN + offsetof(struct ndmsg, ndm_ifindex)),
	};
	size_t n = FILTER_DEVICE + 1;

	if (f->n_devices > FILTER_DEVICES)
		return -EINVAL;
	for (size_t i = 0; i < f->n_devices; i++) {
		code[n++] = (struct sock_filter)IF_EQ(htonl(f->devices[i]), 0, 1);
		code[n++] = (struct sock_filter)TAKE;
	}
	code[n++] = (struct sock_filter)LEAVE;
	return attach(w, code, n);
}

void fl_rtnl_watch_destroy(struct fl_rtnl_watch *w)
{
	if (!w)
		return;
	ev_io_stop(w->loop, &w->readable);
	if (w->sock)
		(void)mnl_socket_close(w->sock);
	free(w);
}
