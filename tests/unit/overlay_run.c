/* tests/unit/overlay_run.c - an overlay over the fake kernel, with a backend and a route watch that
 * the test leads. */
#include "overlay_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "route_watch.h"

/* ---- the route watch ---- */

struct fl_route_watch {
	struct fl_route_watch_listener *listener;
};

static struct fl_route_watch watch;

int fl_route_watch_create(struct ev_loop *loop, const struct fl_prefix *network,
			  struct fl_route_watch_listener *listener, struct fl_route_watch **ret)
{
	(void)loop;
	(void)network;
	watch.listener = listener;
	*ret = &watch;
	return 0;
}

void fl_route_watch_destroy(struct fl_route_watch *w)
{
	if (w)
		w->listener = NULL;
}

void fl_route_watch_took(struct fl_route_watch *w, double seconds)
{
	assert_ptr_equal(w, &watch);
	assert_true(seconds >= 0.);
}

/* ---- the backend ---- */

static struct fixture *the_fixture;

static uint32_t number_of(const struct fl_lease *peer)
{
	return fl_addr_v4(&peer->subnet.addr) >> 8 & 0xffff;
}

static uint32_t be_way(struct fl_backend *be, const struct fl_lease *peer)
{
	(void)be;
	return the_fixture->ways[number_of(peer)];
}

static int be_add(struct fl_rows *rows, const struct fl_lease *peer, uint32_t n)
{
	const struct fl_row three[] = {
		{.kind = FL_ROW_NEIGH,
		 .ifindex = DEV,
		 .dst = {.addr = peer->subnet.addr, .len = 32},
		 .mac = mac(n)},
		{.kind = FL_ROW_FDB, .ifindex = DEV, .mac = mac(n), .via = peer->public_ip},
		{.kind = FL_ROW_ROUTE,
		 .ifindex = DEV,
		 .dst = peer->subnet,
		 .via = peer->subnet.addr,
		 .onlink = true},
	};
	int r = 0;

	for (size_t i = 0; i < FL_ARRAY_SIZE(three) && r == 0; i++)
		r = fl_rows_add(rows, &three[i]);
	return r;
}

static int be_rows(struct fl_backend *be, const struct fl_lease *peer, uint32_t way,
		   struct fl_rows *rows)
{
	const struct fl_row direct = {
		.kind = FL_ROW_ROUTE, .ifindex = way, .dst = peer->subnet, .via = peer->public_ip};

	(void)be;
	if (the_fixture->starved)
		return -ENOMEM;
	if (strcmp(peer->backend_data, "\"bad\"") == 0)
		return fl_rows_reject(rows, "bad data");
	if (strcmp(peer->backend_data, "\"none\"") == 0)
		return fl_rows_ignore(rows, "of no concern");
	if (way == WAIT)
		return fl_rows_wait(rows, "beyond the sea");
	if (way)
		return fl_rows_add(rows, &direct);
	return be_add(rows, peer, (uint32_t)strtoul(peer->backend_data + 1, NULL, 10));
}

static void tell(char sign, const struct fl_lease *peer)
{
	size_t len = strlen(the_fixture->told);
	char text[FL_PREFIX_STRLEN];

	(void)snprintf(the_fixture->told + len, sizeof(the_fixture->told) - len, "%c%s ", sign,
		       fl_prefix_format(&peer->subnet, text));
}

static int be_peer_add(struct fl_backend *be, const struct fl_lease *peer)
{
	(void)be;
	if (the_fixture->deaf)
		return -ENOMEM;
	tell('+', peer);
	return 0;
}

static void be_peer_del(struct fl_backend *be, const struct fl_lease *peer)
{
	(void)be;
	tell('-', peer);
}

static const struct fl_backend_ops ops = {
	.abi = FL_BACKEND_ABI,
	.name = "fake",
	.way = be_way,
	.rows = be_rows,
	.peer_add = be_peer_add,
	.peer_del = be_peer_del,
};

/* ---- life ---- */

void overlay_start(struct fixture *f)
{
	static struct fl_lease own;
	const struct fl_overlay_conf conf = {
		.loop = f->loop, .env = &f->env, .ops = &ops, .own = &own};

	own.subnet = prefix("10.255.1.0/24");
	assert_int_equal(fl_overlay_create(&conf, &f->overlay), 0);
}

void overlay_restart(struct fixture *f)
{
	fl_overlay_destroy(f->overlay);
	f->overlay = NULL;
	kernel.ops[0] = '\0';
	f->told[0] = '\0';
	overlay_start(f);
}

int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	kernel_reset();
	the_fixture = f;
	f->loop = ev_loop_new(EVFLAG_AUTO);
	f->extif.addr = addr("192.0.2.1");
	f->env.extif = &f->extif;
	f->env.network = prefix("10.0.0.0/8");
	f->log_fd = memfd_create("log", MFD_CLOEXEC);
	f->stderr_fd = dup(STDERR_FILENO);
	assert_true(dup2(f->log_fd, STDERR_FILENO) >= 0);
	assert_int_equal(fl_env_device_add(&f->env, DEV), 0);
	overlay_start(f);
	*state = f;
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;

	fl_overlay_destroy(f->overlay);
	ev_loop_destroy(f->loop);
	(void)dup2(f->stderr_fd, STDERR_FILENO);
	close(f->stderr_fd);
	close(f->log_fd);
	free(f);
	return 0;
}

/* ---- words ---- */

void turn(struct fixture *f)
{
	for (uint32_t i = 0; i < 100; i++)
		ev_run(f->loop, EVRUN_NOWAIT);
}

void routes_change(struct fixture *f)
{
	(void)f;
	watch.listener->changed(watch.listener, false);
}

void routes_drop(struct fixture *f)
{
	(void)f;
	watch.listener->changed(watch.listener, true);
}

bool watches_routes(void)
{
	return watch.listener != NULL;
}

void overlay_move(struct fixture *f)
{
	static struct fl_lease own;

	kernel.ops[0] = '\0';
	f->told[0] = '\0';
	own.subnet = prefix("10.255.1.0/24");
	assert_int_equal(fl_overlay_resume(f->overlay, NULL, &own), 0);
	turn(f);
}

void reroute(struct fixture *f)
{
	kernel.ops[0] = '\0';
	f->told[0] = '\0';
	routes_change(f);
	turn(f);
}

static void subnet_text(uint32_t n, char buf[24])
{
	snprintf(buf, 24, "10.%u.%u.0/24", n >> 8 & 255, n & 255);
}

void put_lease(struct fixture *f, const char *subnet, const char *type, const char *data)
{
	char text[80];
	struct fl_lease lease = {.subnet = prefix(subnet), .backend_type = type};

	lease.public_ip =
		fl_addr_from_v4(0xc0a80000u | (fl_addr_v4(&lease.subnet.addr) >> 8 & 0xffff));
	snprintf(text, sizeof(text), "\"%s\"", data);
	lease.backend_data = text;
	fl_overlay_put(f->overlay, fl_lease_record_new(&lease));
}

void put(struct fixture *f, uint32_t n, const char *data)
{
	char subnet[24];

	subnet_text(n, subnet);
	put_lease(f, subnet, "fake", data);
}

void del(struct fixture *f, uint32_t n)
{
	struct fl_prefix subnet;
	char text[24];

	subnet_text(n, text);
	subnet = prefix(text);
	fl_overlay_del(f->overlay, &subnet);
}

void snapshot(struct fixture *f, uint32_t first, uint32_t last)
{
	char data[12];

	fl_overlay_snapshot_begin(f->overlay);
	for (uint32_t n = first; n <= last; n++) {
		snprintf(data, sizeof(data), "%u", n);
		put(f, n, data);
	}
	fl_overlay_snapshot_end(f->overlay);
	turn(f);
}

uint32_t logged_times(const struct fixture *f, const char *text)
{
	static char log[1 << 18];
	ssize_t n = pread(f->log_fd, log, sizeof(log) - 1, 0);
	uint32_t count = 0;

	log[n > 0 ? n : 0] = '\0';
	for (const char *at = log; (at = strstr(at, text)); at++)
		count++;
	return count;
}

bool logged(const struct fixture *f, const char *text)
{
	return logged_times(f, text) > 0;
}

const char *op(const char *text)
{
	const char *at = strstr(kernel.ops, text);

	if (!at || strstr(at + 1, text))
		fail_msg("%s is not once in:\n%s", text, kernel.ops);
	return at;
}

bool no_op(const char *text)
{
	return !strstr(kernel.ops, text);
}

uint32_t route_dev(uint32_t n)
{
	const struct fl_rtmsg_route *r;
	char text[24];

	subnet_text(n, text);
	r = kernel_route_to(text);
	return r ? r->ifindex : 0;
}
