/* tests/unit/fib_run.h - a fib on a loop, over the fake kernel, and short words to tell it rows. */
#ifndef TEST_FIB_RUN_H
#define TEST_FIB_RUN_H

#include "fake_kernel.h"
#include "fib.h"

struct ev_loop;

struct fixture {
	struct ev_loop *loop;
	struct fl_fib *fib;
	struct fl_fib_listener listener;
	uint32_t settled;
	bool destroy_in_settled;
	bool spare; /* for tests that set listener.spared */
	int log_fd; /* stderr goes here */
	int stderr_fd;
};

/* setup and teardown of each test; stderr is caught meanwhile. */
int setup(void **state);
int teardown(void **state);

/* The fib goes and another one comes; the kernel keeps its tables. */
void fib_restart(struct fixture *f);
/* How often @p text was logged. */
uint32_t logged(const struct fixture *f, const char *text);
/* Turn the loop until settled() was called, once; timers do not get their time. */
void settle(struct fixture *f);
/* Forget the list of operations, commit, settle. */
void commit(struct fixture *f);
/* Let the loop and its timers run. */
void run_ms(struct fixture *f, uint32_t ms);
/* Let it retry until nothing is refused and @p conflicts are left; 20 s at most. */
void heal(struct fixture *f, uint32_t conflicts);
struct fl_fib_stats stats(const struct fixture *f);

/* Rows on DEV. */
struct fl_row neigh(const char *ip, uint32_t n);
struct fl_row fdb(uint32_t n, const char *remote);
struct fl_row route(const char *dst, const char *via);
void declare(struct fixture *f, struct fl_row row);
void withdraw(struct fixture *f, struct fl_row row);
/* The three rows of peer @p n, 1..65535: 10.x.y.0/24, MAC n, remote address 192.168.x.y. */
void peer(struct fixture *f, uint32_t n, void (*tell)(struct fixture *, struct fl_row));

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
