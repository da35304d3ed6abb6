/* tests/system/fib_model.c - random leases come, change and go, and somebody damages the kernel's
 * tables at random; what stands at the end, and now and then, is what is declared. All of it is the
 * daemon's own code, from the leases on, against the kernel, in a network namespace of its own.
 *
 *     fib_model STEPS SEED
 */
#include <arpa/inet.h>
#include <ev.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/env.h"
#include "core/io/rtnl.h"
#include "core/lease.h"
#include "core/overlay.h"
#include "fib_model.h"

#define LOOK_EVERY   1000u /* steps */
#define PATIENCE_S   40.   /* until the tables have to match; the daemon's slowest pace is 5 s */
#define STALE	     30u
#define SMALL_BUFFER 1

struct fl_backend {
	struct fl_link *link;
};

static uint64_t state;
static struct fl_env env;
static struct fl_backend backend;
static struct fl_overlay *overlay;
static struct fl_lease own;
static uint32_t overruns, restarts;

uint32_t pick(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

static void need(bool good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "fib_model: %s\n", what);
	exit(2);
}

/* ---- a backend: vxlan's rows, and BackendData that is the number of a MAC ---- */

static int rows(struct fl_backend *be, const struct fl_lease *peer, uint32_t way,
		struct fl_rows *into)
{
	const struct fl_mac mac = mac_of((uint32_t)strtoul(peer->backend_data, NULL, 10));
	const uint32_t ifindex = fl_link_ifindex(be->link);
	const struct fl_row three[] = {
		{.kind = FL_ROW_NEIGH,
		 .ifindex = ifindex,
		 .dst = {.addr = peer->subnet.addr, .len = 32},
		 .mac = mac},
		{.kind = FL_ROW_FDB, .ifindex = ifindex, .mac = mac, .via = peer->public_ip},
		{.kind = FL_ROW_ROUTE,
		 .ifindex = ifindex,
		 .dst = peer->subnet,
		 .via = peer->subnet.addr,
		 .onlink = true},
	};
	int r = 0;

	(void)way;
	for (size_t i = 0; i < FL_ARRAY_SIZE(three) && r == 0; i++)
		r = fl_rows_add(into, &three[i]);
	return r;
}

static const struct fl_backend_ops ops = {.abi = FL_BACKEND_ABI, .name = "model", .rows = rows};

/* ---- leases ---- */

static struct fl_lease_record *record(uint32_t i)
{
	struct fl_lease lease = {.subnet = subnet_of(i),
				 .public_ip = remote_of(peers[i].remote),
				 .backend_type = "model"};
	struct fl_lease_record *rec;
	char data[12];

	(void)snprintf(data, sizeof(data), "%u", peers[i].mac);
	lease.backend_data = data;
	rec = fl_lease_record_new(&lease);
	need(rec, "no memory");
	return rec;
}

static void put(uint32_t i)
{
	uint32_t mac = peers[i].there && pick(2) ? peers[i].mac : pick(MACS);

	model_put(i, mac, pick(REMOTES));
	fl_overlay_put(overlay, record(i));
}

static void del(uint32_t i)
{
	const struct fl_prefix subnet = subnet_of(i);

	model_del(i);
	fl_overlay_del(overlay, &subnet);
}

/* @param leave  one in so many leases is not there any more; 0: all are */
static void snapshot(uint32_t leave)
{
	fl_overlay_snapshot_begin(overlay);
	for (uint32_t i = 0; i < PEERS; i++) {
		if (leave && pick(leave) == 0)
			model_del(i);
		if (peers[i].there)
			fl_overlay_put(overlay, record(i));
	}
	fl_overlay_snapshot_end(overlay);
}

static void start(void)
{
	const struct fl_overlay_conf conf = {
		.loop = env.loop, .env = &env, .ops = &ops, .backend = &backend, .own = &own};

	need(fl_overlay_create(&conf, &overlay) == 0, "no overlay");
}

/* ---- steps ---- */

static void on_late(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void run_for(double seconds)
{
	ev_timer late;

	ev_timer_init(&late, on_late, seconds, 0.);
	ev_now_update(env.loop);
	ev_timer_start(env.loop, &late);
	(void)ev_run(env.loop, 0);
	ev_timer_stop(env.loop, &late);
}

static uint32_t ifindex(void)
{
	return fl_link_ifindex(backend.link);
}

static void damage(void)
{
	uint32_t i = pick(PEERS);

	while (!peers[i].there)
		i = (i + 1) % PEERS;
	kernel_damage(ifindex(), i);
}

/* So much at once that announcements are lost. */
static void overrun(void)
{
	kernel_set_buffers(SMALL_BUFFER);
	for (uint32_t n = 0; n < 100; n++)
		damage();
	run_for(.05);
	kernel_set_buffers(8 << 20);
	overruns++;
}

/* What happens meanwhile is found by the comparison at the start. */
static void restart(void)
{
	fl_overlay_destroy(overlay);
	for (uint32_t n = 0; n < 100; n++)
		damage();
	for (uint32_t n = 0; n < STALE; n++) {
		uint32_t i = pick(PEERS);

		if (!peers[i].there)
			kernel_add_stale(ifindex(), i);
	}
	for (uint32_t i = 0; i < PEERS; i++)
		if (pick(10) == 0)
			model_del(i);
	model_forget_order();
	start();
	snapshot(0);
	restarts++;
}

static void hurt_device(uint32_t turn)
{
	if (turn % 4 == 0)
		kernel_del_link(ifindex());
	else if (turn % 4 == 1)
		kernel_set_link(ifindex(), false);
	else if (turn % 4 == 2)
		kernel_set_mac(ifindex(), pick(MACS));
	else
		restart();
}

static void step(uint32_t n)
{
	uint32_t i = pick(PEERS);

	if (n % LOOK_EVERY == LOOK_EVERY / 3)
		overrun();
	else if (n % LOOK_EVERY == LOOK_EVERY * 2 / 3)
		hurt_device(n / LOOK_EVERY);
	else if (pick(300) == 0)
		snapshot(20);
	else if (pick(100) < 25)
		put(i);
	else if (pick(100) < 20 && model_count() > PEERS / 2)
		del(i);
	else
		damage();
	if (pick(4) == 0)
		(void)ev_run(env.loop, EVRUN_NOWAIT);
	if (pick(20) == 0)
		run_for(pick(20) / 1e3);
}

/* @return false: what stands is not what is declared, and stays so */
static bool look(uint32_t n)
{
	ev_tstamp since = ev_time();
	char why[160];

	while (!kernel_matches(ifindex(), why)) {
		if (ev_time() - since > PATIENCE_S) {
			(void)printf("step %u: %s; %u peers are declared\n", n, why, model_count());
			return false;
		}
		run_for(.02);
	}
	(void)printf("step %u: the rows of %u peers stand after %.2f s\n", n, model_count(),
		     ev_time() - since);
	return true;
}

static void set_up(void)
{
	static struct fl_extif extif = {.name = "lo", .mtu = 1500, .ifindex = 1};
	const uint32_t vni = 77;
	const uint16_t port_be = htons(4789);
	const uint8_t learning = 0;
	const struct fl_link_attr attrs[] = {{IFLA_VXLAN_ID, sizeof(vni), &vni},
					     {IFLA_VXLAN_PORT, sizeof(port_be), &port_be},
					     {IFLA_VXLAN_LEARNING, sizeof(learning), &learning}};
	const struct fl_link_spec spec = {.name = DEVICE,
					  .kind = "vxlan",
					  .mac = mac_of(MACS),
					  .mtu = 1450,
					  .attrs = attrs,
					  .n_attrs = FL_ARRAY_SIZE(attrs)};
	struct fl_prefix local;

	need(unshare(CLONE_NEWNET) == 0, "no network namespace: run it as root");
	kernel_open();
	kernel_set_link(1, true);
	kernel_add_foreign();
	env.loop = ev_default_loop(0);
	env.extif = &extif;
	need(fl_rtnl_open(&env.rtnl) == 0, "no rtnetlink");
	need(fl_addr_parse("192.0.2.1", &extif.addr) == 0 &&
		     fl_prefix_parse("10.0.0.0/8", &env.network) == 0 &&
		     fl_prefix_parse("10.255.0.0/24", &own.subnet) == 0,
	     "addresses");
	local = (struct fl_prefix){.addr = own.subnet.addr, .len = 32};
	need(fl_link_ensure(&env, &spec, &backend.link) == 0 &&
		     fl_link_up(backend.link, &local) == 0,
	     "no device");
	start();
	for (uint32_t i = 0; i < PEERS; i += 2)
		model_put(i, pick(MACS), pick(REMOTES));
	snapshot(0);
}

int main(int argc, char **argv)
{
	uint32_t steps = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 10000;
	bool good;

	state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	(void)printf("%u steps, seed %" PRIu64 "\n", steps, state);
	set_up();
	good = look(0);
	for (uint32_t n = 1; n <= steps && good; n++) {
		step(n);
		if (n % LOOK_EVERY == 0 || n == steps)
			good = look(n);
	}
	(void)printf("%u overruns, %u restarts\n", overruns, restarts);
	fl_overlay_destroy(overlay);
	fl_link_release(backend.link);
	fl_rtnl_close(env.rtnl);
	kernel_close();
	ev_loop_destroy(env.loop);
	return good ? 0 : 1;
}
