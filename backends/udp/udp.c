/* backends/udp/udp.c - IP in UDP by user space: the way out where the kernel's tunnels do not pass.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "conf.h"
#include "core/backend.h"
#include "lane.h"
#include "peers.h"
#include "sock.h"
#include "tun.h"

#define REPAIR_MS     100u /* after that the device is made again ... */
#define REPAIR_MAX_MS 5000u

struct fl_backend {
	struct fl_env *env;
	struct udp_conf conf;
	struct plane plane;
	struct peers *peers;
	struct tun tun;
	struct fl_link *link;
	uint32_t n_socks;
	int socks[HANDOVER_READERS];
	uint32_t n_lanes;
	struct lane *lanes[HANDOVER_READERS];
	struct fl_watch *news;
	struct fl_timer *repair;
	uint32_t repair_ms;
	bool said_no_gso;
	const struct fl_lease *own; /* NULL before up() */
	struct fl_counter counters[TALLY_COUNT];
};

static const struct fl_counter counters[TALLY_COUNT] = {
	[TALLY_TX_PACKETS] = {"sent_packets", "packets sent to peers", 0},
	[TALLY_TX_BYTES] = {"sent_bytes", "bytes of them", 0},
	[TALLY_RX_PACKETS] = {"received_packets", "packets taken from peers", 0},
	[TALLY_RX_BYTES] = {"received_bytes", "bytes of them", 0},
	[TALLY_TX_MALFORMED] = {"dropped_malformed_out_packets", "not IPv4, or not well-formed", 0},
	[TALLY_TX_TTL] = {"dropped_ttl_packets", "time to live exceeded", 0},
	[TALLY_TX_NO_PEER] = {"dropped_no_peer_packets", "no peer has the destination", 0},
	[TALLY_TX_TOO_BIG] = {"dropped_too_big_packets", "longer than the MTU, with DF", 0},
	[TALLY_TX_REFUSED] = {"dropped_send_packets", "not taken by the socket", 0},
	[TALLY_RX_MALFORMED] = {"dropped_malformed_in_packets", "not IPv4, or not well-formed", 0},
	[TALLY_RX_STRANGER] = {"dropped_stranger_packets", "sent from no peer's address", 0},
	[TALLY_RX_SPOOFED] = {"dropped_spoofed_packets", "source not in the sender's subnet", 0},
	[TALLY_RX_DESTINATION] = {"dropped_destination_packets", "destination not in Network", 0},
	[TALLY_RX_REFUSED] = {"dropped_write_packets", "not taken by the tun device", 0},
	[TALLY_ICMP] = {"icmp_errors", "ICMP errors sent", 0},
	[TALLY_ICMP_LIMITED] = {"icmp_limited_errors", "ICMP errors not sent, too many", 0},
};

/* ---- the data plane ---- */

static void stop_lanes(struct fl_backend *be)
{
	while (be->n_lanes > 0)
		lane_stop(be->lanes[--be->n_lanes]);
}

static int start_lanes(struct fl_backend *be)
{
	int r = 0;

	__atomic_store_n(&be->plane.tun_gone, false, __ATOMIC_RELAXED);
	while (be->n_lanes < be->conf.threads && r == 0) {
		uint32_t i = be->n_lanes;

		r = lane_start(&be->plane, i, be->tun.fds[i], be->socks[i], &be->lanes[i]);
		if (r == 0)
			be->n_lanes++;
	}
	if (r < 0) {
		fl_err("udp", "cannot start a thread: %s", strerror(-r));
		stop_lanes(be);
	}
	return r;
}

/* ---- the device ---- */

static void close_device(struct fl_backend *be)
{
	fl_link_release(be->link);
	be->link = NULL;
	tun_close(&be->tun);
}

static int open_device(struct fl_backend *be, uint32_t ifindex)
{
	int r = tun_open(fl_env_network(be->env), be->conf.threads, ifindex, &be->tun);

	if (r < 0)
		return r;
	be->plane.uso = tun_takes_udp(&be->tun);
	r = fl_link_attach(be->env, be->tun.name, be->plane.mtu, &be->link);
	if (r < 0)
		tun_close(&be->tun);
	return r;
}

static int bring_up(struct fl_backend *be)
{
	struct fl_prefix local = {.addr = be->own->subnet.addr, .len = 32};
	int r = fl_link_up(be->link, &local);

	return r < 0 ? r : start_lanes(be);
}

/* Under its old index, because rows name it. */
static void on_repair(void *owner)
{
	struct fl_backend *be = owner;
	uint32_t ifindex = be->tun.ifindex;
	int r = open_device(be, ifindex);

	if (r == 0 && be->tun.ifindex != ifindex)
		r = -EEXIST;
	if (r == 0)
		r = bring_up(be);
	if (r == 0)
		r = fl_env_device_came(be->env, ifindex);
	if (r == 0) {
		fl_info("udp", "%s: it is back", be->tun.name);
		be->repair_ms = REPAIR_MS;
		return;
	}
	stop_lanes(be);
	close_device(be);
	be->tun.ifindex = ifindex;
	be->repair_ms = be->repair_ms * 2 > REPAIR_MAX_MS ? REPAIR_MAX_MS : be->repair_ms * 2;
	fl_warn("udp", "the tun device cannot be made again: %s; retrying in %u ms", strerror(-r),
		be->repair_ms);
	fl_timer_start(be->repair, be->repair_ms);
}

static void on_tun_gone(struct fl_backend *be)
{
	uint32_t ifindex = be->tun.ifindex;

	fl_warn("udp", "%s: the device is gone; making it again", be->tun.name);
	stop_lanes(be);
	close_device(be);
	be->tun.ifindex = ifindex;
	fl_env_device_went(be->env, ifindex);
	fl_timer_start(be->repair, be->repair_ms);
}

/* A lane has something to say. */
static void on_news(void *owner)
{
	struct fl_backend *be = owner;
	uint64_t n;

	if (read(be->plane.news_fd, &n, sizeof(n)) < 0)
		return;
	if (!__atomic_load_n(&be->plane.gso, __ATOMIC_RELAXED) && !be->said_no_gso) {
		fl_warn("udp", "the way to a peer takes no UDP_SEGMENT: one datagram per message "
			       "from now on, which is slower");
		be->said_no_gso = true;
	}
	if (__atomic_load_n(&be->plane.tun_gone, __ATOMIC_RELAXED) && be->n_lanes > 0)
		on_tun_gone(be);
}

/* ---- life ---- */

static int open_socks(struct fl_backend *be)
{
	const struct fl_extif *ext = fl_env_extif(be->env);
	struct sock_offloads offloads = {0};
	int fd;

	while (be->n_socks < be->conf.threads) {
		fd = sock_open(&ext->addr, be->conf.port, be->n_socks == 0, &offloads);
		if (fd < 0)
			return fd;
		be->socks[be->n_socks++] = fd;
	}
	be->plane.raw_fd = sock_open_raw();
	be->plane.gso = offloads.gso;
	be->plane.gro = offloads.gro;
	be->said_no_gso = !offloads.gso;
	return 0;
}

static void init_plane(struct fl_backend *be)
{
	const struct fl_prefix *network = fl_env_network(be->env);

	be->plane.network = fl_addr_v4(&network->addr);
	be->plane.network_mask = ~0u << (32 - network->len);
	be->plane.mtu = udp_mtu(&be->conf, fl_env_extif(be->env)->mtu);
	be->plane.any_source = be->conf.any_source;
	be->plane.counters = be->counters;
}

static int open_watchers(struct fl_backend *be)
{
	int r;

	be->plane.news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (be->plane.news_fd < 0)
		return -errno;
	r = fl_watch_create(be->env, be->plane.news_fd, on_news, be, &be->news);
	if (r == 0)
		r = fl_timer_create(be->env, on_repair, be, &be->repair);
	return r;
}

static int prepare(struct fl_backend *be, const struct fl_json *conf)
{
	int r = udp_conf_parse(conf, &be->conf);

	if (r < 0)
		return r;
	init_plane(be);
	r = open_watchers(be);
	if (r == 0)
		r = peers_create(be->env, be->conf.port, &be->plane.tables, &be->peers);
	if (r == 0)
		r = open_socks(be);
	return r < 0 ? r : open_device(be, 0);
}

static void destroy(struct fl_backend *be)
{
	if (!be)
		return;
	stop_lanes(be);
	peers_destroy(be->peers);
	close_device(be);
	while (be->n_socks > 0)
		(void)close(be->socks[--be->n_socks]);
	if (be->plane.raw_fd >= 0)
		(void)close(be->plane.raw_fd);
	fl_timer_destroy(be->repair);
	fl_watch_destroy(be->news);
	if (be->plane.news_fd >= 0)
		(void)close(be->plane.news_fd);
	free(be);
}

static void say_start(const struct fl_backend *be)
{
	const struct tun *t = &be->tun;

	fl_info("udp", "%s %s: port %u, MTU %u, %u thread%s%s", t->name,
		t->adopted ? "adopted" : "created", be->conf.port, be->plane.mtu, be->conf.threads,
		be->conf.threads > 1 ? "s" : "",
		be->conf.any_source ? ", datagrams from any source" : "");
	if (!t->offloads || !be->plane.gso || !be->plane.gro)
		fl_info("udp",
			"this kernel lacks offloads, so it is slower: tun device %s, "
			"UDP_SEGMENT %s, UDP_GRO %s",
			t->offloads ? "yes" : "no", be->plane.gso ? "yes" : "no",
			be->plane.gro ? "yes" : "no");
}

static int create(struct fl_env *env, const struct fl_json *conf, struct fl_backend **ret)
{
	struct fl_backend *be = aligned_alloc(64, (sizeof(*be) + 63u) & ~(size_t)63u);
	int r;

	if (!be)
		return -ENOMEM;
	memset(be, 0, sizeof(*be));
	be->env = env;
	be->plane.news_fd = -1;
	be->plane.raw_fd = -1;
	be->repair_ms = REPAIR_MS;
	memcpy(be->counters, counters, sizeof(counters));
	r = prepare(be, conf);
	if (r == 0)
		r = fl_env_udp_port(env, be->conf.port);
	if (r < 0) {
		destroy(be);
		return r;
	}
	fl_env_counters(env, be->counters, TALLY_COUNT);
	say_start(be);
	*ret = be;
	return 0;
}

static int check(const struct fl_json *conf)
{
	struct udp_conf parsed;

	return udp_conf_parse(conf, &parsed);
}

static uint32_t mtu(struct fl_backend *be, uint32_t underlay_mtu)
{
	return udp_mtu(&be->conf, underlay_mtu);
}

static int up(struct fl_backend *be, const struct fl_lease *own)
{
	be->own = own;
	be->plane.own_be = htonl(fl_addr_v4(&own->subnet.addr));
	return be->n_lanes > 0 ? 0 : bring_up(be);
}

/* Everything that is not on a nearer device goes through ours; it finds the peer. */
static int own_rows(struct fl_backend *be, const struct fl_lease *own, struct fl_rows *rows)
{
	const struct fl_row route = {
		.kind = FL_ROW_ROUTE,
		.ifindex = be->tun.ifindex,
		.dst = *fl_env_network(be->env),
	};

	(void)own;
	return fl_rows_add(rows, &route);
}

static int rows(struct fl_backend *be, const struct fl_lease *peer, uint32_t way,
		struct fl_rows *into)
{
	(void)way;
	if (fl_addr_equal(&peer->public_ip, &fl_env_extif(be->env)->public_ip))
		return fl_rows_reject(into, "its PublicIP is ours");
	return 0;
}

static int peer_add(struct fl_backend *be, const struct fl_lease *peer)
{
	return peers_add(be->peers, peer);
}

static void peer_del(struct fl_backend *be, const struct fl_lease *peer)
{
	peers_del(be->peers, peer);
}

FL_BACKEND_EXPORT(.name = "udp",
		  .description = "IP in UDP by user space: passes where nothing else does",
		  .check = check, .create = create, .mtu = mtu, .up = up, .own_rows = own_rows,
		  .rows = rows, .peer_add = peer_add, .peer_del = peer_del, .destroy = destroy);
