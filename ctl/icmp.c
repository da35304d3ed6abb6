/* ctl/icmp.c - echo requests to many addresses at once. */
#include "icmp.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/random.h"

#define BURST 64u /* requests between two looks at what has come */

struct run {
	struct ctl_target *targets;
	size_t n;
	int fd;
	uint16_t id;
	uint32_t rounds;
	size_t missing; /* answers */
};

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- packets ---- */

static uint16_t checksum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

size_t ctl_icmp_request(uint8_t buf[64], uint16_t id, uint16_t seq)
{
	memset(buf, 0, 64);
	buf[0] = ICMP_ECHO;
	put16(buf + 4, id);
	put16(buf + 6, seq);
	for (uint8_t i = 8; i < 64; i++)
		buf[i] = i;
	put16(buf + 2, checksum(buf, 64));
	return 64;
}

int ctl_icmp_reply(const uint8_t *packet, size_t len, uint16_t id, uint32_t *src)
{
	size_t head = len >= 20 ? (size_t)(packet[0] & 15) * 4 : 0;

	if (head < 20 || packet[0] >> 4 != 4 || packet[9] != IPPROTO_ICMP || len < head + 8)
		return -1;
	if (packet[head] != ICMP_ECHOREPLY || packet[head + 1] != 0 ||
	    checksum(packet + head, (len - head) & ~(size_t)1) != 0 ||
	    get16(packet + head + 4) != id)
		return -1;
	*src = (uint32_t)get16(packet + 12) << 16 | get16(packet + 14);
	return get16(packet + head + 6);
}

/* ---- sending and receiving ---- */

static int by_address(const void *a, const void *b)
{
	return memcmp(((const struct ctl_target *)a)->addr.bytes,
		      ((const struct ctl_target *)b)->addr.bytes, 4);
}

static void note(struct run *r, uint32_t src, uint32_t round, double at)
{
	const struct ctl_target key = {.addr = fl_addr_from_v4(src)};
	struct ctl_target *t = bsearch(&key, r->targets, r->n, sizeof(key), by_address);
	double ms;

	if (!t || round >= r->rounds || t->sent_at[round] == 0.)
		return; /* a stranger's, or a second answer */
	ms = (at - t->sent_at[round]) * 1e3;
	t->sent_at[round] = 0.;
	t->min_ms = t->received == 0 || ms < t->min_ms ? ms : t->min_ms;
	t->max_ms = ms > t->max_ms ? ms : t->max_ms;
	t->sum_ms += ms;
	t->received++;
	r->missing--;
}

static void receive(struct run *r)
{
	uint8_t packet[2048];
	uint32_t src;
	ssize_t n;
	int round;

	while ((n = recv(r->fd, packet, sizeof(packet), MSG_DONTWAIT)) >= 0) {
		round = ctl_icmp_reply(packet, (size_t)n, r->id, &src);
		if (round >= 0)
			note(r, src, (uint32_t)round, now_s());
	}
}

/* @param all  or until nothing is missing */
static void wait_until(struct run *r, double end, bool all)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN};
	double left;

	while ((left = end - now_s()) > 0. && (all || r->missing > 0)) {
		(void)poll(&p, 1, (int)(left * 1e3) + 1);
		receive(r);
	}
}

static void send_round(struct run *r, uint32_t round)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	uint8_t packet[64];
	size_t len = ctl_icmp_request(packet, r->id, (uint16_t)round);

	for (size_t i = 0; i < r->n; i++) {
		struct ctl_target *t = &r->targets[i];

		memcpy(&to.sin_addr, t->addr.bytes, 4);
		t->sent_at[round] = now_s();
		t->sent++;
		r->missing++;
		(void)sendto(r->fd, packet, len, 0, (const struct sockaddr *)&to, sizeof(to));
		if (i % BURST == BURST - 1)
			receive(r);
	}
}

int ctl_icmp_run(struct ctl_target *targets, size_t n, uint32_t rounds, uint32_t interval_ms,
		 uint32_t wait_ms)
{
	struct icmp_filter filter = {.data = ~(1u << ICMP_ECHOREPLY)};
	struct run r = {.targets = targets, .n = n, .rounds = rounds};
	int size = 4 << 20;
	double began;

	r.fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (r.fd < 0)
		return -errno;
	(void)setsockopt(r.fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter));
	if (setsockopt(r.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(r.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	r.id = (uint16_t)fl_random_below(65536);
	if (n > 1)
		qsort(targets, n, sizeof(*targets), by_address);
	for (uint32_t round = 0; round < rounds; round++) {
		began = now_s();
		send_round(&r, round);
		if (round + 1 < rounds)
			wait_until(&r, began + interval_ms / 1e3, true);
	}
	wait_until(&r, now_s() + wait_ms / 1e3, false);
	(void)close(r.fd);
	return 0;
}
