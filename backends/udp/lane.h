/* backends/udp/lane.h - the data plane: a lane is a thread that carries packets between one queue
 * of the tun device and one socket. Inside: lane.c (the thread), tx.c (tun to socket), rx.c (socket
 * to tun). */
#ifndef UDP_LANE_H
#define UDP_LANE_H

#include <pthread.h>
#include <stdbool.h>

#include "handover.h"
#include "icmp.h"
#include "merge.h"
#include "table.h"

/** What is counted, in all lanes together. */
enum tally_id {
	TALLY_TX_PACKETS, /* to peers, as they travel */
	TALLY_TX_BYTES,
	TALLY_RX_PACKETS, /* from peers */
	TALLY_RX_BYTES,
	TALLY_TX_MALFORMED, /* no IPv4 packet, or one that lies about itself */
	TALLY_TX_TTL,
	TALLY_TX_NO_PEER,
	TALLY_TX_TOO_BIG,
	TALLY_TX_REFUSED, /* by the kernel: no route to the peer, no memory ... */
	TALLY_RX_MALFORMED,
	TALLY_RX_STRANGER,    /* the datagram's source is no peer's address */
	TALLY_RX_SPOOFED,     /* the packet's source is not in that peer's subnet */
	TALLY_RX_DESTINATION, /* the packet's destination is not in Network */
	TALLY_RX_REFUSED,     /* by the tun device */
	TALLY_ICMP,	      /* errors said */
	TALLY_ICMP_LIMITED,   /* errors not said, for there were too many */
	TALLY_COUNT
};

/** What all lanes share. Constant while they run, but for what says otherwise. */
struct plane {
	uint32_t network; /* host byte order, as all addresses without _be */
	uint32_t network_mask;
	uint32_t own_be; /* the source of ICMP errors */
	uint32_t mtu;	 /* of the tun device */
	bool any_source; /* AllowAnySource */
	bool gro;	 /* the sockets have UDP_GRO */
	bool gso;    /* atomic: UDP_SEGMENT is used; a lane turns it off when the kernel refuses */
	int raw_fd;  /* for ICMP errors: sock_open_raw(); -1: they are not said */
	int news_fd; /* eventfd: a lane has something to say */
	bool tun_gone;		     /* atomic: the news: the device is gone */
	struct handover tables;	     /* of struct table */
	struct fl_counter *counters; /* TALLY_COUNT */
};

struct lane; /* fields in lane_internal.h */

/**
 * Start a thread.
 *
 * @param number  of the lane, below HANDOVER_READERS: it is the reader of that number
 * @param tun_fd  a queue of the tun device, with a virtio header, non-blocking; borrowed
 * @param sock    a UDP socket, non-blocking; borrowed
 * @param ret     set only on success; the caller's until lane_stop()
 * @return 0 or -errno
 */
int lane_start(struct plane *plane, uint32_t number, int tun_fd, int sock, struct lane **ret);
/** End the thread, and wait for that: what it has in its hands goes out before. NULL is a no-op. */
void lane_stop(struct lane *lane);

#endif
