/* tests/bench/udp_loop.c - the simplest thing that speaks udp's wire format: one thread, one packet
 * per system call, routes in a list. Peer of the system tests, reference of the benchmark. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUTES	  64u
#define IP_HEADER 20
#define PACKET	  65536u

struct route {
	uint32_t subnet; /* host byte order */
	uint32_t mask;
	struct sockaddr_in peer;
};

struct loop {
	int tun;
	int sock;
	uint32_t n_routes;
	struct route routes[ROUTES];
	uint8_t packet[PACKET];
};

static void die(const char *what)
{
	(void)fprintf(stderr, "udp_loop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct in_addr address(const char *text)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) == 1)
		return a;
	errno = EINVAL;
	die(text);
	return a;
}

static int open_tun(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
		die(name);
	return fd;
}

static int open_sock(const char *addr, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	in.sin_addr = address(addr);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&in, sizeof(in)) < 0)
		die(addr);
	return fd;
}

/* "10.5.1.0/24", "192.0.2.1" */
static void add_route(struct loop *l, char *subnet, const char *peer, uint16_t port)
{
	char *slash = strchr(subnet, '/');
	struct route *r = &l->routes[l->n_routes++];
	int len = slash ? atoi(slash + 1) : 0;

	if (len < 1 || len > 32) {
		errno = EINVAL;
		die(subnet);
	}
	*slash = '\0';
	r->mask = ~0u << (32 - len);
	r->subnet = ntohl(address(subnet).s_addr) & r->mask;
	r->peer.sin_family = AF_INET;
	r->peer.sin_port = htons(port);
	r->peer.sin_addr = address(peer);
}

static const struct route *find(const struct loop *l, const uint8_t *packet)
{
	uint32_t dst;

	memcpy(&dst, packet + 16, sizeof(dst));
	for (uint32_t i = 0; i < l->n_routes; i++)
		if ((ntohl(dst) & l->routes[i].mask) == l->routes[i].subnet)
			return &l->routes[i];
	return NULL;
}

/* One hop less; the checksum of the whole header, because that is the simplest. */
static bool decrement_ttl(uint8_t *packet)
{
	uint32_t sum = 0;

	if (packet[8] <= 1)
		return false;
	packet[8]--;
	packet[10] = packet[11] = 0;
	for (int i = 0; i < (packet[0] & 15) * 4; i += 2)
		sum += (uint32_t)(packet[i] << 8 | packet[i + 1]);
	sum = (sum & 0xffffu) + (sum >> 16);
	sum = ~(sum + (sum >> 16));
	packet[10] = (uint8_t)(sum >> 8);
	packet[11] = (uint8_t)sum;
	return true;
}

static bool tun_to_sock(struct loop *l)
{
	ssize_t n = read(l->tun, l->packet, sizeof(l->packet));
	const struct route *r;

	if (n < IP_HEADER)
		return n > 0;
	r = find(l, l->packet);
	if (r && decrement_ttl(l->packet))
		(void)sendto(l->sock, l->packet, (size_t)n, 0, (const struct sockaddr *)&r->peer,
			     sizeof(r->peer));
	return true;
}

static bool sock_to_tun(struct loop *l)
{
	ssize_t n = recvfrom(l->sock, l->packet, sizeof(l->packet), 0, NULL, NULL);

	if (n >= IP_HEADER && write(l->tun, l->packet, (size_t)n) < 0 && errno != EINVAL)
		die("write to the tun device");
	return n >= 0;
}

/* Both in turn until neither has more, so that neither starves. */
static void run(struct loop *l)
{
	struct pollfd fds[2] = {{.fd = l->tun, .events = POLLIN},
				{.fd = l->sock, .events = POLLIN}};
	bool more;

	while (poll(fds, 2, -1) > 0 || errno == EINTR)
		do {
			more = tun_to_sock(l);
			more = sock_to_tun(l) || more;
		} while (more);
	die("poll");
}

int main(int argc, char **argv)
{
	static struct loop l;
	uint16_t port;

	if (argc < 4 || (argc - 4) % 2 != 0 || (unsigned)(argc - 4) / 2 > ROUTES) {
		(void)fprintf(stderr, "usage: udp_loop TUN ADDRESS PORT [SUBNET/LENGTH PEER]...\n");
		return 2;
	}
	port = (uint16_t)atoi(argv[3]);
	l.tun = open_tun(argv[1]);
	l.sock = open_sock(argv[2], port);
	for (int i = 4; i < argc; i += 2)
		add_route(&l, argv[i], argv[i + 1], port);
	(void)printf("ready\n");
	(void)fflush(stdout);
	run(&l);
	return 0;
}
