/* backends/udp/cut.h - a packet as the kernel hands it over to a tun device, up to 64 KB with
 * checksums left out, becomes packets as they travel: what a network card's segmentation does. */
#ifndef UDP_CUT_H
#define UDP_CUT_H

#include "packet.h"

#define CUT_SEGMENTS 64u    /* in one batch: UDP_MAX_SEGMENTS of the kernel's include/linux/udp.h */
#define CUT_BYTES    65507u /* in one batch: the largest UDP payload */
#define CUT_HEADER   120u   /* the longest IP header and the longest TCP header */

/** Where in a packet we are. */
struct cut {
	const struct packet_ip *ip;
	const uint8_t *payload; /* what is cut, behind all headers */
	size_t left;		/* bytes of it that are not given out yet */
	uint32_t done;		/* segments given out */
	uint16_t ip_len;	/* bytes of the IP header */
	uint16_t header;	/* bytes of all headers */
	uint16_t size;		/* of the payload in each segment but the last */
};

/** Some segments of one packet, each a header of its own and a part of the payload. */
struct cut_batch {
	uint32_t count;
	uint16_t header;	/* bytes, of each */
	uint16_t size;		/* bytes of payload, of each but the last */
	uint16_t last;		/* bytes of payload of the last */
	const uint8_t *payload; /* of all, one behind the other */
	uint8_t headers[CUT_SEGMENTS][CUT_HEADER];
};

/**
 * Look at a packet that packet_check() has found well-formed, and finish its checksum if it was
 * left out.
 *
 * @param v    the header before it; gso_type NONE: it goes as it is
 * @param cut  for cut_next() if 1 is returned; it points into the packet
 * @return 0: the packet is ready; 1: it must be cut; -EBADMSG: the header lies
 */
int cut_begin(const struct virtio_net_hdr *v, struct packet_ip *ip, struct cut *cut);

/** The next batch. @return false: there is none left */
bool cut_next(struct cut *cut, struct cut_batch *batch);

#endif
