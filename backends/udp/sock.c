/* backends/udp/sock.c - the sockets that datagrams travel through. See udp(7), ip(7). */
#include "sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A burst of one bandwidth-delay product at 10 Gbit/s and a few ms; more would only be a queue. */
#define BUFFER_SIZE (4 << 20)

static void set_buffer(int fd, int forced, int plain)
{
	int size = BUFFER_SIZE;

	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

/* An outer packet that is too long is better cut by a router than lost: the inner one fits. */
static void set_options(int fd, struct sock_offloads *ret)
{
	int dont = IP_PMTUDISC_DONT, on = 1, zero = 0;

	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &dont, sizeof(dont));
	ret->gso = setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &zero, sizeof(zero)) == 0;
	ret->gro = setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) == 0;
}

static bool share(int fd)
{
	int on = 1;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0;
}

int sock_open(const struct fl_addr *addr, uint16_t port, bool first, struct sock_offloads *ret)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = {htonl(fl_addr_v4(addr))},
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;
	char text[FL_ADDR_STRLEN];

	if (fd >= 0) {
		set_options(fd, ret);
		/* The first one shares what it has alone: so no other process joins in. */
		if ((first || share(fd)) &&
		    bind(fd, (const struct sockaddr *)&in, sizeof(in)) == 0 &&
		    (!first || share(fd)))
			return fd;
	}
	r = -errno;
	fl_err("udp", "UDP port %u of %s: %s", port, fl_addr_format(addr, text), strerror(-r));
	if (fd >= 0)
		(void)close(fd);
	return r;
}

int sock_open_raw(void)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW), r;

	if (fd >= 0)
		return fd;
	r = -errno;
	fl_warn("udp", "no raw socket: %s; who sends too much or to nowhere is not told by ICMP",
		strerror(-r));
	return r;
}
