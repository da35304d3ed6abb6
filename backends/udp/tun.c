/* backends/udp/tun.c - the tun device. See Documentation/networking/tuntap.rst of the kernel. */
#include "tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* From Linux 6.2 on. Both or neither: the kernel has one feature for the two. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define NUMBERS 64u /* flannel0 .. */

void tun_close(struct tun *tun)
{
	for (uint32_t i = 0; i < tun->queues; i++)
		(void)close(tun->fds[i]);
	tun->queues = 0;
}

/* The kernel says no to all if it does not know one. */
static uint32_t agree_on_offloads(int fd)
{
	static const uint32_t offers[] = {
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN,
		TUN_F_CSUM | TUN_F_TSO4,
		TUN_F_CSUM,
	};

	for (size_t i = 0; i < FL_ARRAY_SIZE(offers); i++)
		if (ioctl(fd, TUNSETOFFLOAD, offers[i]) == 0)
			return offers[i];
	(void)ioctl(fd, TUNSETOFFLOAD, 0);
	return 0;
}

/* @return a descriptor, or -errno: -EBUSY: another process has it; -EINVAL: no tun device, or one
 * of the other kind */
static int attach(const char *name, bool many, uint32_t ifindex)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), r;

	if (fd < 0)
		return -errno;
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (many)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	if (ifindex)
		(void)ioctl(fd, TUNSETIFINDEX, &ifindex); /* else any index */
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return fd;
	r = -errno;
	(void)close(fd);
	return r;
}

/* Its first address; none: 0. */
static uint32_t address_of(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};
	struct sockaddr_in in;

	if (fd < 0)
		return 0;
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFADDR, &ifr) < 0)
		memset(&ifr, 0, sizeof(ifr));
	(void)close(fd);
	memcpy(&in, &ifr.ifr_addr, sizeof(in));
	return in.sin_family == AF_INET ? ntohl(in.sin_addr.s_addr) : 0;
}

/* True if a process holds a queue of it, and it is up (ethtool_op_get_link()). */
static bool has_link(const char *name)
{
	struct ethtool_value link = {.cmd = ETHTOOL_GLINK};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};
	bool up;

	if (fd < 0)
		return false;
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_data = (void *)&link;
	up = ioctl(fd, SIOCETHTOOL, &ifr) == 0 && link.data;
	(void)close(fd);
	return up;
}

/* May a device that exists be ours? One for many queues can be attached to while another process
 * has it: without an address nobody knows whose it is. */
static bool may_take(const char *name, const struct fl_prefix *network, bool many, uint32_t addr)
{
	struct fl_addr a = fl_addr_from_v4(addr);

	return addr ? fl_prefix_contains(network, &a) && !has_link(name) : !many;
}

/* An idle device of ours that was made for another number of queues: away with it. */
static int replace(const char *name, bool many, uint32_t ifindex)
{
	int fd = attach(name, !many, 0);

	if (fd < 0)
		return fd;
	fl_info("udp", "%s: it was made for %s; replacing it", name,
		many ? "one thread" : "several threads");
	(void)ioctl(fd, TUNSETPERSIST, 0);
	(void)close(fd);
	return attach(name, many, ifindex);
}

/* @return the first queue; 0: this name is not for us; -errno: none can be had */
static int try_name(const struct fl_prefix *network, struct tun *tun, bool many, uint32_t ifindex)
{
	bool exists = if_nametoindex(tun->name) != 0;
	uint32_t addr = exists ? address_of(tun->name) : 0;
	int fd;

	if (exists && !may_take(tun->name, network, many, addr))
		return 0;
	fd = attach(tun->name, many, ifindex);
	if (fd == -EINVAL && addr)
		fd = replace(tun->name, many, ifindex);
	if (fd == -EBUSY || (fd == -EINVAL && exists))
		return 0;
	tun->adopted = exists;
	return fd;
}

static int first_queue(const struct fl_prefix *network, struct tun *tun, bool many,
		       uint32_t ifindex)
{
	int fd = 0;

	for (uint32_t n = 0; n < NUMBERS && fd == 0; n++) {
		(void)snprintf(tun->name, sizeof(tun->name), "flannel%u", n);
		fd = try_name(network, tun, many, ifindex);
	}
	return fd == 0 ? -EBUSY : fd;
}

static int open_queues(const struct fl_prefix *network, uint32_t want, uint32_t ifindex,
		       struct tun *tun)
{
	int fd = first_queue(network, tun, want > 1, ifindex);

	while (fd > 0) {
		tun->offloads = agree_on_offloads(fd);
		tun->fds[tun->queues++] = fd;
		if (tun->queues == want)
			break;
		fd = attach(tun->name, true, 0);
	}
	if (fd < 0)
		return fd;
	if (ioctl(fd, TUNSETPERSIST, 1) < 0)
		return -errno;
	tun->ifindex = if_nametoindex(tun->name);
	return tun->ifindex ? 0 : -ENODEV;
}

int tun_open(const struct fl_prefix *network, uint32_t want, uint32_t ifindex, struct tun *ret)
{
	struct tun tun = {0};
	int r = open_queues(network, want, ifindex, &tun);

	if (r == 0) {
		*ret = tun;
		return 0;
	}
	if (r == -EBUSY)
		fl_err("udp", "flannel0 to flannel%u are taken", NUMBERS - 1);
	else
		fl_err("udp", "no tun device %s: %s%s", tun.name, strerror(-r),
		       r == -ENOENT ? " (/dev/net/tun is missing; is the module tun there?)" : "");
	tun_close(&tun);
	return r;
}
