/* backends/udp/merge.h - consecutive TCP segments of a flow become one packet again, for one write
 * to the tun device: what the kernel's GRO does (net/ipv4/tcp_offload.c). Payload is not copied. */
#ifndef UDP_MERGE_H
#define UDP_MERGE_H

#include <sys/uio.h>

#include "packet.h"

#define MERGE_FLOWS  16u  /* that are gathered at a time */
#define MERGE_PIECES 128u /* segments in one packet */

/** Where whole packets go: a virtio header, an IP header and what is behind it. Borrowed for the
 * call. */
typedef void (*merge_out)(void *owner, const struct iovec *iov, int count);

/** Segments of one flow, the first of which lends its header. */
struct merge_flow {
	struct virtio_net_hdr virtio;
	uint8_t header[120];
	struct iovec iov[2 + MERGE_PIECES];
	uint32_t pieces;     /* 0: the flow is free */
	uint32_t next_seq;   /* of the segment that would follow */
	uint32_t len;	     /* of the whole packet, bytes */
	uint16_t next_id;    /* of its IP header */
	uint16_t header_len; /* IP and TCP */
	uint16_t ip_len;
	uint16_t size; /* payload of each segment but the last */
	bool fixed_id; /* the second had the first one's id, with DF */
};

struct merge {
	merge_out out;
	void *owner;
	uint32_t oldest; /* the flow that gives way when all are taken */
	struct merge_flow flows[MERGE_FLOWS];
};

void merge_init(struct merge *m, merge_out out, void *owner);

/** Take a packet that packet_check() has found well-formed; it stays where it is until
 * merge_flush(). What cannot be merged goes out at once, behind what was gathered of its flow. */
void merge_add(struct merge *m, struct packet_ip *ip);

/** All that was gathered goes out. */
void merge_flush(struct merge *m);

#endif
