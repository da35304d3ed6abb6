/* backends/udp/merge.c - merging of TCP segments. */
#include "merge.h"

#include <arpa/inet.h>
#include <string.h>

/* A TCP segment that may be merged. */
struct segment {
	struct packet_ip *ip;
	struct packet_tcp *tcp;
	uint16_t ip_len;
	uint16_t header_len;
	uint16_t len; /* payload */
};

static const struct packet_ip *ip_of(const struct merge_flow *f)
{
	return (const struct packet_ip *)f->header;
}

static const struct packet_tcp *tcp_of(const struct merge_flow *f)
{
	return (const struct packet_tcp *)(f->header + f->ip_len);
}

/* ---- out ---- */

static void put_alone(struct merge *m, struct packet_ip *ip)
{
	struct virtio_net_hdr virtio = {0};
	const struct iovec iov[2] = {
		{.iov_base = &virtio, .iov_len = sizeof(virtio)},
		{.iov_base = ip, .iov_len = ntohs(ip->len_be)},
	};

	m->out(m->owner, iov, 2);
}

/* The kernel wants the pseudo-header's sum where the checksum will be (CHECKSUM_PARTIAL). */
static void seal(struct merge_flow *f)
{
	struct packet_ip *ip = (struct packet_ip *)f->header;
	struct packet_tcp *tcp = (struct packet_tcp *)(f->header + f->ip_len);

	ip->len_be = htons((uint16_t)f->len);
	packet_ip_seal(ip);
	tcp->sum = (uint16_t)~packet_sum_fold(packet_sum_pseudo(ip, f->len - f->ip_len));
	f->virtio = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = f->header_len,
		.gso_size = f->size,
		.csum_start = f->ip_len,
		.csum_offset = offsetof(struct packet_tcp, sum),
	};
}

static void flow_flush(struct merge *m, struct merge_flow *f)
{
	uint32_t pieces = f->pieces;

	f->pieces = 0;
	if (pieces == 0)
		return;
	if (pieces > 1)
		seal(f);
	else
		f->virtio = (struct virtio_net_hdr){0};
	f->iov[0] = (struct iovec){.iov_base = &f->virtio, .iov_len = sizeof(f->virtio)};
	f->iov[1] = (struct iovec){.iov_base = f->header, .iov_len = f->header_len};
	m->out(m->owner, f->iov, (int)(2 + pieces));
}

void merge_flush(struct merge *m)
{
	for (uint32_t i = 0; i < MERGE_FLOWS; i++)
		flow_flush(m, &m->flows[i]);
}

/* ---- in ---- */

/* @return false: not TCP, or without payload, or with a flag that stands for itself */
static bool segment_of(struct packet_ip *ip, struct segment *s)
{
	size_t len = ntohs(ip->len_be), ip_len = packet_ip_len(ip), tcp_len;

	if (ip->protocol != PACKET_TCP || len < ip_len + PACKET_TCP_MIN ||
	    (ntohs(ip->frag_be) & (PACKET_MF | PACKET_OFFSET)))
		return false;
	s->ip = ip;
	s->tcp = (struct packet_tcp *)((uint8_t *)ip + ip_len);
	tcp_len = (size_t)(s->tcp->offset >> 4) * 4u;
	if (tcp_len < PACKET_TCP_MIN || len <= ip_len + tcp_len)
		return false;
	s->ip_len = (uint16_t)ip_len;
	s->header_len = (uint16_t)(ip_len + tcp_len);
	s->len = (uint16_t)(len - ip_len - tcp_len);
	return (s->tcp->flags & ~PACKET_PSH) == PACKET_ACK ||
	       (s->tcp->flags & ~PACKET_PSH) == (PACKET_ACK | PACKET_ECE);
}

static bool is_sound(const struct segment *s)
{
	size_t len = (size_t)s->header_len - s->ip_len + s->len;

	return packet_sum_fold(packet_sum(packet_sum_pseudo(s->ip, len), s->tcp, len)) == 0;
}

static struct merge_flow *flow_find(struct merge *m, const struct packet_ip *ip)
{
	const uint8_t *ports = (const uint8_t *)ip + packet_ip_len(ip);

	for (uint32_t i = 0; i < MERGE_FLOWS; i++) {
		struct merge_flow *f = &m->flows[i];

		if (f->pieces && memcmp(&ip_of(f)->src_be, &ip->src_be, 8) == 0 &&
		    memcmp(tcp_of(f), ports, 4) == 0)
			return f;
	}
	return NULL;
}

/* All that the packet in the making can say only once. */
static bool same_header(const struct merge_flow *f, const struct segment *s)
{
	const struct packet_ip *ip = ip_of(f);
	const struct packet_tcp *tcp = tcp_of(f);

	return f->ip_len == s->ip_len && f->header_len == s->header_len && ip->tos == s->ip->tos &&
	       ip->ttl == s->ip->ttl && ip->frag_be == s->ip->frag_be &&
	       tcp->ack_be == s->tcp->ack_be && tcp->window_be == s->tcp->window_be &&
	       tcp->offset == s->tcp->offset && tcp->urgent_be == s->tcp->urgent_be &&
	       (tcp->flags & ~PACKET_PSH) == (s->tcp->flags & ~PACKET_PSH) &&
	       memcmp(ip + 1, s->ip + 1, s->ip_len - PACKET_IP_MIN) == 0 &&
	       memcmp(tcp + 1, s->tcp + 1, s->header_len - s->ip_len - PACKET_TCP_MIN) == 0;
}

/* Identifications count up; where DF makes them meaningless (RFC 6864) they may also stand still.
 */
static bool id_follows(const struct merge_flow *f, const struct packet_ip *ip)
{
	uint16_t id = ntohs(ip->id_be);

	if (f->pieces == 1 && (ntohs(ip->frag_be) & PACKET_DF) && id == ntohs(ip_of(f)->id_be))
		return true;
	return id == f->next_id;
}

static bool follows(const struct merge_flow *f, const struct segment *s)
{
	return s->len <= f->size && ntohl(s->tcp->seq_be) == f->next_seq &&
	       f->len + s->len <= PACKET_MAX && f->pieces < MERGE_PIECES && same_header(f, s) &&
	       id_follows(f, s->ip);
}

static void flow_append(struct merge_flow *f, const struct segment *s)
{
	uint16_t id = ntohs(s->ip->id_be);

	if (f->pieces == 1)
		f->fixed_id = s->ip->id_be == ip_of(f)->id_be;
	f->iov[2 + f->pieces] = (struct iovec){
		.iov_base = (uint8_t *)s->ip + s->header_len,
		.iov_len = s->len,
	};
	f->pieces++;
	f->len += s->len;
	f->next_seq += s->len;
	f->next_id = (uint16_t)(f->fixed_id ? id : id + 1);
	((struct packet_tcp *)(f->header + f->ip_len))->flags |= s->tcp->flags & PACKET_PSH;
}

static void flow_begin(struct merge_flow *f, const struct segment *s)
{
	memcpy(f->header, s->ip, s->header_len);
	f->ip_len = s->ip_len;
	f->header_len = s->header_len;
	f->size = s->len;
	f->len = s->header_len;
	f->pieces = 0;
	f->fixed_id = false;
	f->next_seq = ntohl(s->tcp->seq_be);
	flow_append(f, s);
}

static struct merge_flow *flow_free(struct merge *m)
{
	struct merge_flow *f;

	for (uint32_t i = 0; i < MERGE_FLOWS; i++)
		if (m->flows[i].pieces == 0)
			return &m->flows[i];
	f = &m->flows[m->oldest];
	m->oldest = (m->oldest + 1) % MERGE_FLOWS;
	flow_flush(m, f);
	return f;
}

/* A pushed or a short segment is the last of its packet. */
static bool is_last(const struct merge_flow *f, const struct segment *s)
{
	return (s->tcp->flags & PACKET_PSH) || s->len < f->size;
}

void merge_add(struct merge *m, struct packet_ip *ip)
{
	struct merge_flow *f = NULL;
	struct segment s;

	if (ip->protocol == PACKET_TCP && ntohs(ip->len_be) >= packet_ip_len(ip) + PACKET_TCP_MIN)
		f = flow_find(m, ip);
	if (!segment_of(ip, &s) || !is_sound(&s)) {
		if (f)
			flow_flush(m, f);
		put_alone(m, ip);
		return;
	}
	if (f && follows(f, &s)) {
		flow_append(f, &s);
	} else {
		if (f)
			flow_flush(m, f);
		else
			f = flow_free(m);
		flow_begin(f, &s);
	}
	if (is_last(f, &s))
		flow_flush(m, f);
}

void merge_init(struct merge *m, merge_out out, void *owner)
{
	m->out = out;
	m->owner = owner;
	m->oldest = 0;
	for (uint32_t i = 0; i < MERGE_FLOWS; i++)
		m->flows[i].pieces = 0;
}
