/* backends/udp/tun.h - the tun device (linux/if_tun.h): found again or made, one queue per thread.
 */
#ifndef UDP_TUN_H
#define UDP_TUN_H

#include <net/if.h>

#include "core/backend.h"
#include "handover.h"

struct tun {
	char name[IFNAMSIZ]; /* "flannel0" */
	uint32_t ifindex;
	uint32_t queues;
	int fds[HANDOVER_READERS]; /* non-blocking; packets come behind a virtio header */
	uint32_t offloads;	   /* TUN_F_* that the kernel has agreed to */
	bool adopted;
};

/**
 * Take the lowest number N for which flannelN is ours to have: an idle tun device whose address is
 * in @p network, or that has none and one queue; or no device of that name. It is persistent: it
 * outlives us, and with it flows (K7).
 *
 * @param want  queues, 1..HANDOVER_READERS; the kernel makes a device for one queue or for many, so
 * if that differs, an idle device of ours is replaced
 * @param ifindex  for a new device, 0: any
 * @return 0; -errno; it was logged
 */
int tun_open(const struct fl_prefix *network, uint32_t want, uint32_t ifindex, struct tun *ret);
/** Let go of it; it stays. */
void tun_close(struct tun *tun);

#endif
