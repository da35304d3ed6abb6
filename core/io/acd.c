/* core/io/acd.c - does another host of the link use our IPv4 address? */
#include "io/acd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_ether.h>

#include "base/defs.h"

#define PROBES	   3u
#define INTERVAL_S 0.15
#define LISTEN_S   0.7 /* after the last probe */

/* RFC 826, for these two kinds of addresses. */
struct arp {
	uint16_t hardware_be;
	uint16_t protocol_be;
	uint8_t hardware_len;
	uint8_t protocol_len;
	uint16_t operation_be;
	struct fl_mac sender_mac;
	uint8_t sender_ip[4];
	struct fl_mac target_mac;
	uint8_t target_ip[4];
} __attribute__((packed));

_Static_assert(sizeof(struct arp) == FL_ACD_PACKET, "an ARP packet");

struct fl_acd {
	struct ev_loop *loop;
	struct fl_acd_conf conf;
	struct fl_acd_listener *listener;
	int fd; /* -1: it is over */
	ev_io io;
	ev_timer timer; /* the next probe, or the end */
	unsigned int sent;
};

/* ---- packets ---- */

static void put_ip(uint8_t to[4], const struct fl_addr *addr)
{
	const uint32_t be = htonl(fl_addr_v4(addr));

	memcpy(to, &be, sizeof(be));
}

void fl_acd_put_probe(const struct fl_acd_conf *conf, uint8_t packet[FL_ACD_PACKET])
{
	struct arp arp = {
		.hardware_be = htons(ARPHRD_ETHER),
		.protocol_be = htons(ETH_P_IP),
		.hardware_len = sizeof(struct fl_mac),
		.protocol_len = 4,
		.operation_be = htons(ARPOP_REQUEST),
		.sender_mac = conf->mac, /* and no IP: caches shall not be changed by it */
	};

	put_ip(arp.target_ip, &conf->addr);
	memcpy(packet, &arp, sizeof(arp));
}

bool fl_acd_is_conflict(const struct fl_acd_conf *conf, const void *packet, size_t len,
			struct fl_mac *mac)
{
	struct arp arp;
	uint8_t ip[4];

	if (len < sizeof(arp))
		return false;
	memcpy(&arp, packet, sizeof(arp));
	put_ip(ip, &conf->addr);
	if (arp.hardware_be != htons(ARPHRD_ETHER) || arp.protocol_be != htons(ETH_P_IP) ||
	    arp.hardware_len != sizeof(struct fl_mac) || arp.protocol_len != sizeof(ip))
		return false;
	/* Whoever sends as this address has it; whoever only asks for it does not. */
	if (memcmp(arp.sender_ip, ip, sizeof(ip)) != 0 || fl_mac_equal(&arp.sender_mac, &conf->mac))
		return false;
	*mac = arp.sender_mac;
	return fl_mac_is_unicast(mac);
}

/* ---- the question ---- */

static void end(struct fl_acd *a)
{
	ev_io_stop(a->loop, &a->io);
	ev_timer_stop(a->loop, &a->timer);
	if (a->fd >= 0)
		(void)close(a->fd);
	a->fd = -1;
}

static void on_packet(struct ev_loop *loop, ev_io *w, int revents)
{
	struct fl_acd *a = fl_container_of(w, struct fl_acd, io);
	uint8_t packet[64];
	struct fl_mac mac;
	ssize_t n = recv(a->fd, packet, sizeof(packet), MSG_DONTWAIT);

	(void)loop;
	(void)revents;
	if (n > 0 && fl_acd_is_conflict(&a->conf, packet, (size_t)n, &mac))
		a->listener->conflict(a->listener, &mac); /* may have ended it */
	else if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENETDOWN)
		end(a);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fl_acd *a = fl_container_of(w, struct fl_acd, timer);
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ARP),
		.sll_ifindex = (int)a->conf.ifindex,
		.sll_halen = sizeof(struct fl_mac),
	};
	uint8_t packet[FL_ACD_PACKET];

	(void)revents;
	if (a->sent == PROBES) {
		end(a);
		return;
	}
	memset(to.sll_addr, 0xff, sizeof(struct fl_mac));
	fl_acd_put_probe(&a->conf, packet);
	/* One that is not sent is one that is not answered: there are more. */
	(void)!sendto(a->fd, packet, sizeof(packet), MSG_DONTWAIT, (struct sockaddr *)&to,
		      sizeof(to));
	a->sent++;
	ev_timer_set(&a->timer, a->sent == PROBES ? LISTEN_S : INTERVAL_S, 0.);
	ev_timer_start(loop, &a->timer);
}

static int open_socket(struct fl_acd *a)
{
	const struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ARP),
		.sll_ifindex = (int)a->conf.ifindex,
	};

	/* No protocol yet: nothing shall come before it is bound to the interface. */
	a->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0 || bind(a->fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	return 0;
}

int fl_acd_create(struct ev_loop *loop, const struct fl_acd_conf *conf,
		  struct fl_acd_listener *listener, struct fl_acd **ret)
{
	struct fl_acd *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->loop = loop;
	a->conf = *conf;
	a->listener = listener;
	ev_init(&a->io, on_packet);
	ev_init(&a->timer, on_timer);
	r = open_socket(a);
	if (r < 0) {
		fl_acd_destroy(a);
		return r;
	}
	ev_io_set(&a->io, a->fd, EV_READ);
	ev_io_start(loop, &a->io);
	on_timer(loop, &a->timer, 0); /* the first one now */
	*ret = a;
	return 0;
}

void fl_acd_destroy(struct fl_acd *a)
{
	if (!a)
		return;
	end(a);
	free(a);
}
