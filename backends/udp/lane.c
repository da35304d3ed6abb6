/* backends/udp/lane.c - the thread of a lane: waits, turns, counts. */
#include "lane.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lane_internal.h"

/* ---- counting ---- */

static void add(uint64_t *to, uint64_t n)
{
	if (n)
		(void)__atomic_fetch_add(to, n, __ATOMIC_RELAXED);
}

static void flush_run(struct lane *lane)
{
	struct run *run = &lane->run;

	if (run->peer) {
		add(&run->peer->stats.tx_packets, run->stats.tx_packets);
		add(&run->peer->stats.tx_bytes, run->stats.tx_bytes);
		add(&run->peer->stats.rx_packets, run->stats.rx_packets);
		add(&run->peer->stats.rx_bytes, run->stats.rx_bytes);
		add(&run->peer->stats.drops, run->stats.drops);
	}
	*run = (struct run){0};
}

void lane_count_peer(struct lane *lane, struct peer *peer)
{
	if (lane->run.peer == peer)
		return;
	flush_run(lane);
	lane->run.peer = peer;
}

static void flush_tally(struct lane *lane)
{
	for (uint32_t i = 0; i < TALLY_COUNT; i++) {
		if (lane->tally[i])
			fl_counter_add(&lane->plane->counters[i], lane->tally[i]);
		lane->tally[i] = 0;
	}
}

/* ---- what both directions need ---- */

void lane_tell(struct lane *lane)
{
	const uint64_t one = 1;

	(void)!write(lane->plane->news_fd, &one, sizeof(one)); /* full: it has been told already */
}

void lane_say_error(struct lane *lane, const struct packet_ip *ip, struct icmp_error e)
{
	uint8_t packet[ICMP_ERROR_MAX];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {ip->src_be}};
	size_t len = icmp_make(ip, e, lane->plane->own_be, packet);

	if (len == 0)
		return;
	if (!icmp_may(&lane->limit, ip->src_be, lane->now_ms)) {
		lane->tally[TALLY_ICMP_LIMITED]++;
		return;
	}
	if (sendto(lane->plane->raw_fd, packet, len, MSG_DONTWAIT, (const struct sockaddr *)&to,
		   sizeof(to)) >= 0)
		lane->tally[TALLY_ICMP]++;
}

/* ---- turns ---- */

static uint64_t clock_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return 1000000u + (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/* What a socket or device cannot take now is waited for, and then what was asked for goes on. */
static void update_interest(struct lane *lane, bool *was_blocked)
{
	struct epoll_event sock = {.events = EPOLLIN, .data.fd = lane->sock};
	struct epoll_event tun = {.events = EPOLLIN, .data.fd = lane->tun_fd};

	if (lane->blocked == *was_blocked)
		return;
	if (lane->blocked) {
		sock.events |= EPOLLOUT;
		tun.events = 0;
	}
	(void)epoll_ctl(lane->epoll_fd, EPOLL_CTL_MOD, lane->sock, &sock);
	(void)epoll_ctl(lane->epoll_fd, EPOLL_CTL_MOD, lane->tun_fd, &tun);
	*was_blocked = lane->blocked;
}

/* @return false: told to stop */
static bool serve(struct lane *lane, const struct epoll_event *events, int n)
{
	struct handover *tables = &lane->plane->tables;
	bool tx = false, rx = false, stop = false;

	for (int i = 0; i < n; i++) {
		tx = tx || events[i].data.fd == lane->tun_fd || (events[i].events & EPOLLOUT);
		/* Also errors: they are reported until somebody has taken them. */
		rx = rx || (events[i].data.fd == lane->sock && events[i].events != EPOLLOUT);
		stop = stop || events[i].data.fd == lane->stop_fd;
	}
	lane->now_ms = clock_ms();
	lane->table = handover_hold(tables, lane->number);
	if (rx)
		(void)rx_turn(lane);
	if (tx)
		(void)tx_turn(lane);
	flush_run(lane);
	handover_release(tables, lane->number);
	flush_tally(lane);
	return !stop;
}

static void *run(void *arg)
{
	struct lane *lane = arg;
	struct epoll_event events[4];
	bool blocked = false, going = true;
	char name[16];

	/* by the thread itself: for another one it takes writing below /proc, which a sandbox
	 * denies */
	(void)snprintf(name, sizeof(name), "udp-lane-%u", lane->number);
	(void)pthread_setname_np(pthread_self(), name);
	while (going) {
		int n = epoll_wait(lane->epoll_fd, events, 4, -1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		going = serve(lane, events, n);
		update_interest(lane, &blocked);
		if (__atomic_load_n(&lane->plane->tun_gone, __ATOMIC_RELAXED))
			(void)epoll_ctl(lane->epoll_fd, EPOLL_CTL_DEL, lane->tun_fd, NULL);
	}
	return NULL;
}

/* ---- life ---- */

static int watch(struct lane *lane, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(lane->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static int open_fds(struct lane *lane)
{
	int r;

	lane->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	lane->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lane->epoll_fd < 0 || lane->stop_fd < 0)
		return -errno;
	r = watch(lane, lane->stop_fd);
	if (r == 0)
		r = watch(lane, lane->tun_fd);
	return r < 0 ? r : watch(lane, lane->sock);
}

static void lane_free(struct lane *lane)
{
	if (lane->epoll_fd >= 0)
		(void)close(lane->epoll_fd);
	if (lane->stop_fd >= 0)
		(void)close(lane->stop_fd);
	free(lane);
}

/* Signals are the loop's. */
static int start_thread(struct lane *lane)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&lane->thread, NULL, run, lane);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int lane_start(struct plane *plane, uint32_t number, int tun_fd, int sock, struct lane **ret)
{
	struct lane *lane = aligned_alloc(64, (sizeof(*lane) + 63u) & ~(size_t)63u);
	int r;

	if (!lane)
		return -ENOMEM;
	memset(lane, 0, sizeof(*lane));
	lane->plane = plane;
	lane->number = number;
	lane->tun_fd = tun_fd;
	lane->sock = sock;
	rx_init(lane);
	r = open_fds(lane);
	if (r == 0)
		r = start_thread(lane);
	if (r < 0) {
		lane_free(lane);
		return r;
	}
	*ret = lane;
	return 0;
}

void lane_stop(struct lane *lane)
{
	const uint64_t one = 1;

	if (!lane)
		return;
	(void)!write(lane->stop_fd, &one, sizeof(one)); /* an empty eventfd takes it */
	(void)pthread_join(lane->thread, NULL);
	lane_free(lane);
}
