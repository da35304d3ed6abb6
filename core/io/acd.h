/* core/io/acd.h - does another host of the link use our IPv4 address? ARP probes, as in RFC 5227,
 * 2.1.1; but while we use it, and only for a second. Knows nothing of flannel. */
#ifndef FL_IO_ACD_H
#define FL_IO_ACD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct ev_loop;
struct fl_acd; /* a question that is being asked; fields in acd.c */

/** Whose address it is. */
struct fl_acd_conf {
	uint32_t ifindex;    /* an Ethernet interface */
	struct fl_mac mac;   /* its own */
	struct fl_addr addr; /* IPv4 */
};

/** Embed one in the owner. */
struct fl_acd_listener {
	/** @p mac has it, too: it may be another interface of this host. Called for each answer;
	 * the question may be ended in it. */
	void (*conflict)(struct fl_acd_listener *l, const struct fl_mac *mac);
};

/**
 * Begin to ask. Silence says that nobody else has the address; after a second nothing is left open.
 * @param conf  copied
 * @param ret   set only on success; the caller's until fl_acd_destroy()
 * @return 0; -EPERM without CAP_NET_RAW; -EAFNOSUPPORT where packet sockets are not allowed; other
 * -errno
 */
int fl_acd_create(struct ev_loop *loop, const struct fl_acd_conf *conf,
		  struct fl_acd_listener *listener, struct fl_acd **ret);
void fl_acd_destroy(struct fl_acd *a); /* NULL is a no-op */

#define FL_ACD_PACKET 28u /* bytes: ARP for IPv4 over Ethernet, RFC 826 */

/* The pure part. */

void fl_acd_put_probe(const struct fl_acd_conf *conf, uint8_t packet[FL_ACD_PACKET]);
/** True if the packet shows that its sender, @p mac, uses the address, and is not us. */
bool fl_acd_is_conflict(const struct fl_acd_conf *conf, const void *packet, size_t len,
			struct fl_mac *mac);

#endif
