/* tests/unit/fib_run.c - a fib on a loop, over the fake kernel. */
#include "fib_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void on_settled(struct fl_fib_listener *l)
{
	struct fixture *f = fl_container_of(l, struct fixture, listener);

	f->settled++;
	if (f->destroy_in_settled) {
		fl_fib_destroy(f->fib);
		f->fib = NULL;
	}
}

static void fib_start(struct fixture *f)
{
	assert_int_equal(fl_fib_create(f->loop, NULL, &f->listener, &f->fib), 0);
}

void fib_restart(struct fixture *f)
{
	fl_fib_destroy(f->fib);
	f->fib = NULL;
	fib_start(f);
	kernel.ops[0] = '\0';
}

int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	kernel_reset();
	f->loop = ev_loop_new(EVFLAG_AUTO);
	f->listener.settled = on_settled;
	f->log_fd = memfd_create("log", MFD_CLOEXEC);
	f->stderr_fd = dup(STDERR_FILENO);
	assert_true(dup2(f->log_fd, STDERR_FILENO) >= 0);
	fib_start(f);
	*state = f;
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;

	fl_fib_destroy(f->fib);
	ev_loop_destroy(f->loop);
	(void)dup2(f->stderr_fd, STDERR_FILENO);
	close(f->stderr_fd);
	close(f->log_fd);
	free(f);
	return 0;
}

uint32_t logged(const struct fixture *f, const char *text)
{
	static char log[1 << 16];
	ssize_t n = pread(f->log_fd, log, sizeof(log) - 1, 0);
	uint32_t count = 0;
	const char *at;

	log[n > 0 ? n : 0] = '\0';
	for (at = log; (at = strstr(at, text)); at++)
		count++;
	return count;
}

void settle(struct fixture *f)
{
	uint32_t before = f->settled, i;

	for (i = 0; i < 100 && f->settled == before; i++)
		ev_run(f->loop, EVRUN_NOWAIT);
	assert_int_equal(f->settled, before + 1);
}

void commit(struct fixture *f)
{
	kernel.ops[0] = '\0';
	fl_fib_commit(f->fib);
	settle(f);
}

struct fl_fib_stats stats(const struct fixture *f)
{
	struct fl_fib_stats s;

	fl_fib_stats(f->fib, &s);
	return s;
}

struct fl_row neigh(const char *ip, uint32_t n)
{
	return (struct fl_row){.kind = FL_ROW_NEIGH,
			       .ifindex = DEV,
			       .dst = {.addr = addr(ip), .len = 32},
			       .mac = mac(n)};
}

struct fl_row fdb(uint32_t n, const char *remote)
{
	return (struct fl_row){
		.kind = FL_ROW_FDB, .ifindex = DEV, .mac = mac(n), .via = addr(remote)};
}

struct fl_row route(const char *dst, const char *via)
{
	return (struct fl_row){.kind = FL_ROW_ROUTE,
			       .ifindex = DEV,
			       .dst = prefix(dst),
			       .via = via ? addr(via) : (struct fl_addr){0},
			       .onlink = via != NULL};
}

void declare(struct fixture *f, struct fl_row row)
{
	assert_int_equal(fl_fib_declare(f->fib, &row), 0);
}

void withdraw(struct fixture *f, struct fl_row row)
{
	fl_fib_withdraw(f->fib, &row);
}

void peer(struct fixture *f, uint32_t n, void (*tell)(struct fixture *, struct fl_row))
{
	char ip[20], subnet[24], remote[24];

	snprintf(ip, sizeof(ip), "10.%u.%u.0", n >> 8 & 255, n & 255);
	snprintf(subnet, sizeof(subnet), "%s/24", ip);
	snprintf(remote, sizeof(remote), "192.168.%u.%u", n >> 8 & 255, n & 255);
	if (tell == declare) {
		tell(f, neigh(ip, n));
		tell(f, fdb(n, remote));
		tell(f, route(subnet, ip));
	} else {
		tell(f, route(subnet, ip));
		tell(f, fdb(n, remote));
		tell(f, neigh(ip, n));
	}
}

/* A machine that stands still meanwhile does not take turns of the loop away. */
void run_ms(struct fixture *f, uint32_t ms)
{
	for (uint32_t i = 0; i <= ms / 5; i++) {
		ev_run(f->loop, EVRUN_NOWAIT);
		usleep(5000);
	}
}

void heal(struct fixture *f, uint32_t conflicts)
{
	ev_tstamp end = ev_time() + 20.;

	do
		run_ms(f, 20);
	while ((stats(f).failed || stats(f).conflicts != conflicts) && ev_time() < end);
	assert_int_equal(stats(f).failed, 0);
	assert_int_equal(stats(f).conflicts, conflicts);
}
