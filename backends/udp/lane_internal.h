/* backends/udp/lane_internal.h - what a lane's files share. */
#ifndef UDP_LANE_INTERNAL_H
#define UDP_LANE_INTERNAL_H

#include <sys/socket.h>

#include "cut.h"
#include "lane.h"

#define TX_MESSAGES 128u
#define TX_PIECES   1024u /* of all messages: UIO_MAXIOV bounds those of one */
#define TX_CUTS	    16u
#define TX_ARENA    (512u << 10) /* bytes: packets that were read and are not sent yet */
#define RX_MESSAGES 16u
#define RX_BUFFER   65536u

/** A datagram, or several of one size to one peer (UDP_SEGMENT). */
struct tx_message {
	struct sockaddr_in to;
	uint32_t segments;
	uint32_t bytes;
	uint16_t size; /* of each but the last */
	bool closed;   /* its last segment is there */
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(uint16_t))];
	} control;
};

/** Tun to socket. */
struct tx {
	uint32_t arena_used;
	uint32_t n_messages;
	uint32_t n_pieces;
	uint32_t n_cuts;
	uint32_t sent; /* messages of them that are on their way */
	struct mmsghdr headers[TX_MESSAGES];
	struct tx_message messages[TX_MESSAGES];
	struct iovec pieces[TX_PIECES];
	struct cut_batch cuts[TX_CUTS];
	uint8_t arena[TX_ARENA] __attribute__((aligned(64)));
};

/** Socket to tun. */
struct rx {
	struct mmsghdr headers[RX_MESSAGES];
	struct sockaddr_in from[RX_MESSAGES];
	struct iovec iov[RX_MESSAGES];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control[RX_MESSAGES];
	struct merge merge;
	uint8_t buffers[RX_MESSAGES][RX_BUFFER] __attribute__((aligned(64)));
};

/** What happened to one peer's packets since it was last added to its stats. */
struct run {
	struct peer *peer; /* NULL: nothing */
	struct peer_stats stats;
};

struct lane {
	struct plane *plane;
	uint32_t number;
	int tun_fd;
	int sock;
	int epoll_fd;
	int stop_fd; /* eventfd */
	pthread_t thread;
	bool blocked; /* the socket takes no more for now: the tun device has to wait */
	const struct table *table; /* held while packets are looked at */
	struct run run;
	struct icmp_limit limit;
	uint64_t now_ms; /* of this turn */
	uint64_t tally[TALLY_COUNT];
	struct tx tx;
	struct rx rx;
};

/* lane.c */
void lane_count_peer(struct lane *lane, struct peer *peer);
/* An ICMP error about @p ip, if one is owed, to where it came from. */
void lane_say_error(struct lane *lane, const struct packet_ip *ip, struct icmp_error e);
/* Tell the loop. */
void lane_tell(struct lane *lane);

/* tx.c: @return false if there is nothing (more) to do now */
bool tx_turn(struct lane *lane);
/* Send what is there. @return false: the socket takes no more */
bool tx_flush(struct lane *lane);

/* rx.c */
void rx_init(struct lane *lane);
bool rx_turn(struct lane *lane);

#endif
