/* tests/unit/test_overlay.c - which leases of others become rows, against a scripted kernel. */
#include "overlay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "env.h"
#include "fake_kernel.h"

/* We are 10.9.0.5, hold 10.9.1.0/24 of 10.9.0.0/16, and the underlay is within it. */
struct fixture {
	struct fl_lease own;
	struct fl_extif extif;
	struct fl_env env;
	struct fl_overlay_conf conf;
	struct fl_overlay *overlay;
	int log_fd; /* stderr goes here */
	int stderr_fd;
};

/* One route for each peer. */
static int rows(struct fl_backend *be, const struct fl_lease *peer, uint32_t way,
		struct fl_rows *into)
{
	const struct fl_row row = {.kind = FL_ROW_ROUTE, .ifindex = DEV, .dst = peer->subnet};

	(void)be;
	(void)way;
	return fl_rows_add(into, &row);
}

static const struct fl_backend_ops ops = {.name = "plain", .rows = rows};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	kernel_reset();
	f->log_fd = memfd_create("log", MFD_CLOEXEC);
	f->stderr_fd = dup(STDERR_FILENO);
	assert_true(dup2(f->log_fd, STDERR_FILENO) >= 0);
	f->extif.addr = addr("10.9.0.5");
	f->env.extif = &f->extif;
	f->env.network = prefix("10.9.0.0/16");
	f->env.devices[f->env.n_devices++] = DEV;
	f->own.subnet = prefix("10.9.1.0/24");
	f->conf = (struct fl_overlay_conf){
		.loop = ev_loop_new(EVFLAG_AUTO), .env = &f->env, .ops = &ops, .own = &f->own};
	assert_int_equal(fl_overlay_create(&f->conf, &f->overlay), 0);
	fl_overlay_snapshot_begin(f->overlay);
	fl_overlay_snapshot_end(f->overlay);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fl_overlay_destroy(f->overlay);
	ev_loop_destroy(f->conf.loop);
	(void)dup2(f->stderr_fd, STDERR_FILENO);
	close(f->stderr_fd);
	close(f->log_fd);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *subnet, const char *public_ip)
{
	const struct fl_lease lease = {
		.subnet = prefix(subnet), .public_ip = addr(public_ip), .backend_type = "plain"};
	struct fl_lease_record *rec = fl_lease_record_new(&lease);

	assert_non_null(rec);
	fl_overlay_put(f->overlay, rec);
	for (int i = 0; i < 20; i++)
		ev_run(f->conf.loop, EVRUN_NOWAIT);
}

static bool was_logged(const struct fixture *f, const char *text)
{
	static char log[1 << 14];
	ssize_t n = pread(f->log_fd, log, sizeof(log) - 1, 0);

	log[n > 0 ? n : 0] = '\0';
	return strstr(log, text);
}

static void a_sane_lease_becomes_a_row(void **state)
{
	put(*state, "10.9.2.0/24", "10.9.0.6");
	assert_non_null(kernel_route_to("10.9.2.0/24"));
}

static void a_subnet_that_is_ours_or_outside_is_left_out(void **state)
{
	put(*state, "10.9.1.0/25", "10.9.0.6");
	put(*state, "10.8.2.0/24", "10.9.0.6");
	put(*state, "10.9.0.0/16", "192.0.2.6");
	assert_int_equal(kernel_count(ROUTE), 0);
	assert_true(was_logged(*state, "10.9.1.0/25 of 10.9.0.6: left out: its subnet overlaps"));
	assert_true(was_logged(*state, "10.8.2.0/24 of 10.9.0.6: left out: its subnet is outside"));
}

static void a_subnet_that_holds_our_own_address_is_left_out(void **state)
{
	put(*state, "10.9.0.0/24", "192.0.2.6");
	put(*state, "10.9.0.4/30", "192.0.2.7");
	assert_int_equal(kernel_count(ROUTE), 0);
	assert_true(was_logged(*state, "10.9.0.4/30 of 192.0.2.7: left out: its subnet holds our "
				       "own address"));
}

static void a_subnet_that_holds_its_own_public_ip_is_left_out(void **state)
{
	put(*state, "10.9.2.0/24", "10.9.2.6");
	assert_int_equal(kernel_count(ROUTE), 0);
	assert_true(was_logged(*state, "10.9.2.0/24 of 10.9.2.6: left out: its subnet holds its "
				       "own PublicIP"));
	put(*state, "10.9.2.0/24", "10.9.0.6");
	assert_non_null(kernel_route_to("10.9.2.0/24"));
}

static void a_peer_whose_public_ip_moves_into_its_subnet_is_reached_as_before(void **state)
{
	put(*state, "10.9.2.0/24", "10.9.0.6");
	put(*state, "10.9.2.0/24", "10.9.2.6");
	assert_non_null(kernel_route_to("10.9.2.0/24"));
	assert_true(was_logged(*state, "its new entry is of no use: its subnet holds its own"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_sane_lease_becomes_a_row),
		TEST(a_subnet_that_is_ours_or_outside_is_left_out),
		TEST(a_subnet_that_holds_our_own_address_is_left_out),
		TEST(a_subnet_that_holds_its_own_public_ip_is_left_out),
		TEST(a_peer_whose_public_ip_moves_into_its_subnet_is_reached_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
