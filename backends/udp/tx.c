/* backends/udp/tx.c - tun to socket: read, look up the peer, cut, gather, send. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#include "lane_internal.h"

#define READ_ROOM  (sizeof(struct virtio_net_hdr) + PACKET_MAX)
/* So that the packet behind the virtio header is aligned for its 32-bit fields. */
#define READ_SHIFT 6u

/* ---- messages ---- */

/* Take the message's pieces as they are now: segments that are added later are behind them. */
static void message_header(struct tx *tx, uint32_t i)
{
	struct msghdr *h = &tx->headers[i].msg_hdr;
	struct tx_message *m = &tx->messages[i];
	struct cmsghdr *c = &m->control.align;

	h->msg_name = &m->to;
	h->msg_namelen = sizeof(m->to);
	h->msg_control = NULL;
	h->msg_controllen = 0;
	if (m->segments == 1)
		return;
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(m->size));
	memcpy(CMSG_DATA(c), &m->size, sizeof(m->size));
	h->msg_control = &m->control;
	h->msg_controllen = sizeof(m->control);
}

static void add_piece(struct tx *tx, void *base, size_t len)
{
	tx->pieces[tx->n_pieces++] = (struct iovec){.iov_base = base, .iov_len = len};
	tx->headers[tx->n_messages - 1].msg_hdr.msg_iovlen++;
}

static struct tx_message *new_message(struct tx *tx, const struct peer *peer)
{
	struct tx_message *m = &tx->messages[tx->n_messages];
	struct msghdr *h = &tx->headers[tx->n_messages].msg_hdr;

	tx->n_messages++;
	m->to = peer->addr;
	m->segments = 0;
	m->bytes = 0;
	m->size = 0;
	m->closed = false;
	h->msg_iov = &tx->pieces[tx->n_pieces];
	h->msg_iovlen = 0;
	return m;
}

static bool has_room(const struct tx *tx, uint32_t pieces)
{
	return tx->n_messages < TX_MESSAGES && tx->n_pieces + pieces <= TX_PIECES;
}

static bool uses_gso(const struct lane *lane)
{
	return __atomic_load_n(&lane->plane->gso, __ATOMIC_RELAXED);
}

/* The last message, if a datagram of @p len bytes to @p peer may join it. */
static struct tx_message *open_message(struct lane *lane, const struct peer *peer, size_t len)
{
	struct tx *tx = &lane->tx;
	struct tx_message *m = tx->n_messages ? &tx->messages[tx->n_messages - 1] : NULL;

	if (!m || m->closed || len > m->size || len > lane->plane->mtu ||
	    m->segments == CUT_SEGMENTS || m->bytes + len > CUT_BYTES ||
	    m->to.sin_addr.s_addr != peer->addr.sin_addr.s_addr)
		return NULL;
	return uses_gso(lane) ? m : NULL;
}

static void count_sent(struct lane *lane, struct peer *peer, uint32_t packets, size_t bytes)
{
	lane_count_peer(lane, peer);
	lane->run.stats.tx_packets += packets;
	lane->run.stats.tx_bytes += bytes;
	lane->tally[TALLY_TX_PACKETS] += packets;
	lane->tally[TALLY_TX_BYTES] += bytes;
}

/* Begin a datagram: its pieces follow. It joins the message before it if that has its size,
 * whatever packets they come from: one message of 64 costs the kernel hardly more than one of 2. */
static void begin_datagram(struct lane *lane, const struct peer *peer, size_t len)
{
	struct tx_message *m = open_message(lane, peer, len);

	if (!m) {
		m = new_message(&lane->tx, peer);
		m->size = (uint16_t)len;
	}
	m->segments++;
	m->bytes += (uint32_t)len;
	m->closed = len < m->size || len > lane->plane->mtu;
}

static void queue_whole(struct lane *lane, struct peer *peer, struct packet_ip *ip)
{
	size_t len = ntohs(ip->len_be);

	begin_datagram(lane, peer, len);
	add_piece(&lane->tx, ip, len);
	count_sent(lane, peer, 1, len);
}

static void queue_batch(struct lane *lane, struct peer *peer, struct cut_batch *b)
{
	uint8_t *payload = (uint8_t *)b->payload; /* only read from */
	size_t total = 0, len;

	for (uint32_t i = 0; i < b->count; i++, payload += len) {
		len = i + 1 < b->count ? b->size : b->last;
		begin_datagram(lane, peer, b->header + len);
		add_piece(&lane->tx, b->headers[i], b->header);
		add_piece(&lane->tx, payload, len);
		total += b->header + len;
	}
	count_sent(lane, peer, b->count, total);
}

/* ---- sending ---- */

static void drop_message(struct lane *lane, const struct tx_message *m)
{
	lane->tally[TALLY_TX_REFUSED] += m->segments;
}

/* A datagram is some of the message's pieces, whole ones. */
static bool send_one_by_one(struct lane *lane, uint32_t i)
{
	struct tx_message *m = &lane->tx.messages[i];
	const struct msghdr *whole = &lane->tx.headers[i].msg_hdr;
	const struct iovec *end = whole->msg_iov + whole->msg_iovlen;
	struct msghdr h = {.msg_name = &m->to, .msg_namelen = sizeof(m->to)};

	for (struct iovec *at = whole->msg_iov; at < end; at += h.msg_iovlen) {
		size_t len = 0;

		h.msg_iov = at;
		h.msg_iovlen = 0;
		while (at + h.msg_iovlen < end && len < m->size)
			len += at[h.msg_iovlen++].iov_len;
		if (sendmsg(lane->sock, &h, 0) < 0)
			lane->tally[TALLY_TX_REFUSED]++;
	}
	return true;
}

/* A message that the kernel has refused. @return false: it takes no more for now */
static bool on_refused(struct lane *lane, uint32_t i, int error)
{
	struct tx_message *m = &lane->tx.messages[i];

	if (error == EAGAIN || error == ENOBUFS)
		return error == ENOBUFS ? (drop_message(lane, m), true) : false;
	if (m->segments == 1 || (error != EINVAL && error != EMSGSIZE && error != EIO)) {
		drop_message(lane, m);
		return true;
	}
	/* EIO: the device cannot fill in checksums; the others: larger than this path's MTU. */
	if (error == EIO && __atomic_exchange_n(&lane->plane->gso, false, __ATOMIC_RELAXED))
		lane_tell(lane);
	return send_one_by_one(lane, i);
}

bool tx_flush(struct lane *lane)
{
	struct tx *tx = &lane->tx;

	for (uint32_t i = tx->sent; i < tx->n_messages; i++)
		message_header(tx, i);
	while (tx->sent < tx->n_messages) {
		int n = sendmmsg(lane->sock, &tx->headers[tx->sent], tx->n_messages - tx->sent, 0);

		if (n > 0) {
			tx->sent += (uint32_t)n;
		} else if (errno != EINTR) {
			if (!on_refused(lane, tx->sent, errno))
				return false;
			tx->sent++;
		}
	}
	tx->sent = 0;
	tx->n_messages = 0;
	tx->n_pieces = 0;
	tx->n_cuts = 0;
	return true;
}

/* ---- packets ---- */

static void drop(struct lane *lane, enum tally_id why)
{
	lane->tally[why]++;
}

static void refuse(struct lane *lane, const struct packet_ip *ip, enum tally_id why,
		   struct icmp_error e)
{
	drop(lane, why);
	lane_say_error(lane, ip, e);
}

/* What a router does with a packet before it forwards it (RFC 1812, 5.3.1). @return its peer, or
 * NULL: it was dropped */
static struct peer *route(struct lane *lane, struct packet_ip *ip, size_t segment)
{
	struct peer *peer;

	if (ip->ttl <= 1) {
		refuse(lane, ip, TALLY_TX_TTL,
		       (struct icmp_error){ICMP_TIME_EXCEEDED, ICMP_TTL, 0});
		return NULL;
	}
	peer = table_find(lane->table, ntohl(ip->dst_be));
	if (!peer) {
		refuse(lane, ip, TALLY_TX_NO_PEER,
		       (struct icmp_error){ICMP_UNREACHABLE, ICMP_NET, 0});
		return NULL;
	}
	if (segment > lane->plane->mtu && (ntohs(ip->frag_be) & PACKET_DF)) {
		refuse(lane, ip, TALLY_TX_TOO_BIG,
		       (struct icmp_error){ICMP_UNREACHABLE, ICMP_FRAG_NEEDED,
					   (uint16_t)lane->plane->mtu});
		return NULL;
	}
	packet_ttl_dec(ip);
	return peer;
}

/* Room for a batch of segments. What is in the way is sent: the packet at hand stays where it is.
 */
static bool make_room(struct lane *lane)
{
	struct tx *tx = &lane->tx;

	if (tx->n_messages + CUT_SEGMENTS <= TX_MESSAGES && tx->n_cuts < TX_CUTS &&
	    tx->n_pieces + 2 * CUT_SEGMENTS <= TX_PIECES)
		return true;
	return tx_flush(lane);
}

static void queue_cut(struct lane *lane, struct peer *peer, struct cut *cut)
{
	struct tx *tx = &lane->tx;

	while (make_room(lane)) {
		if (!cut_next(cut, &tx->cuts[tx->n_cuts]))
			return;
		queue_batch(lane, peer, &tx->cuts[tx->n_cuts++]);
	}
	lane->tally[TALLY_TX_REFUSED] += (cut->left + cut->size - 1) / cut->size;
}

static void forward(struct lane *lane, uint8_t *bytes, size_t len)
{
	struct virtio_net_hdr v;
	struct packet_ip *ip = NULL;
	struct peer *peer;
	struct cut cut;
	int r;

	if (len > sizeof(v)) {
		memcpy(&v, bytes, sizeof(v));
		ip = packet_check(bytes + sizeof(v), len - sizeof(v));
	}
	r = ip ? cut_begin(&v, ip, &cut) : -EBADMSG;
	if (r < 0) {
		drop(lane, TALLY_TX_MALFORMED);
		return;
	}
	peer = route(lane, ip, r ? (size_t)cut.header + cut.size : ntohs(ip->len_be));
	if (!peer)
		return;
	if (r)
		queue_cut(lane, peer, &cut);
	else
		queue_whole(lane, peer, ip);
}

/* Room for one more packet, that needs no cutting or makes room for itself. */
static bool may_read(const struct tx *tx)
{
	return has_room(tx, 1) && tx->n_cuts < TX_CUTS &&
	       tx->arena_used + READ_SHIFT + READ_ROOM <= TX_ARENA;
}

static void on_read_error(struct lane *lane, int error)
{
	if (error != EBADFD)
		return;
	__atomic_store_n(&lane->plane->tun_gone, true, __ATOMIC_RELAXED);
	lane_tell(lane);
}

/* @return false: there is nothing more */
static bool read_one(struct lane *lane)
{
	struct tx *tx = &lane->tx;
	uint8_t *at = tx->arena + tx->arena_used + READ_SHIFT;
	ssize_t n = read(lane->tun_fd, at, READ_ROOM);

	if (n <= 0) {
		on_read_error(lane, errno);
		return n < 0 && errno == EINTR;
	}
	forward(lane, at, (size_t)n);
	tx->arena_used += (uint32_t)(READ_SHIFT + (size_t)n + 63u) & ~63u;
	return true;
}

bool tx_turn(struct lane *lane)
{
	struct tx *tx = &lane->tx;
	bool more = true;

	lane->blocked = !tx_flush(lane); /* what the socket did not take before */
	if (lane->blocked)
		return false;
	tx->arena_used = 0;
	while (more && may_read(tx))
		more = read_one(lane);
	lane->blocked = !tx_flush(lane);
	return more && !lane->blocked;
}
