/* tests/unit/child_run.h - run one child on the default loop and keep how it ended. */
#ifndef FL_TESTS_CHILD_RUN_H
#define FL_TESTS_CHILD_RUN_H

#include <ev.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/child.h"

/* valgrind starts programs slowly: what must not time out gets this long */
#define LONG_MS 60000u

/* How one child ended, copied out of done(). */
struct outcome {
	struct fl_child *child;
	bool kill_in_done;
	int calls;
	int error;
	int exit_status;
	int signal;
	char *output;
	size_t output_len;
	char *errors;
};

static inline void on_done(void *owner, const struct fl_child_result *res)
{
	struct outcome *o = owner;

	o->calls++;
	o->error = res->error;
	o->exit_status = res->exit_status;
	o->signal = res->signal;
	o->output_len = res->output_len;
	o->output = malloc(res->output_len + 1);
	assert_non_null(o->output);
	memcpy(o->output, res->output, res->output_len + 1);
	o->errors = strdup(res->errors);
	if (o->kill_in_done)
		fl_child_kill(o->child);
	ev_break(EV_DEFAULT_ EVBREAK_ALL);
}

static inline void outcome_done(struct outcome *o)
{
	free(o->output);
	free(o->errors);
}

static inline void run_spec(const struct fl_child_spec *spec, struct outcome *ret)
{
	struct ev_loop *loop = ev_default_loop(EVFLAG_NOENV);

	assert_int_equal(fl_child_start(loop, spec, on_done, ret, &ret->child), 0);
	assert_int_equal(ret->calls, 0);
	ev_run(loop, 0);
	assert_int_equal(ret->calls, 1);
}

static inline void run_shell(const char *script, struct outcome *ret)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct fl_child_spec spec = {.argv = argv, .max_output = 65536, .timeout_ms = LONG_MS};

	run_spec(&spec, ret);
}

static inline void assert_says(const char *script, const char *expected)
{
	struct outcome o = {0};

	run_shell(script, &o);
	assert_int_equal(o.error, 0);
	assert_int_equal(o.exit_status, 0);
	assert_string_equal(o.output, expected);
	outcome_done(&o);
}

static inline int count_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static inline int destroy_loop(void **state)
{
	(void)state;
	ev_loop_destroy(ev_default_loop(EVFLAG_NOENV));
	return 0;
}

#endif
