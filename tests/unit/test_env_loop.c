/* tests/unit/test_env_loop.c - the loop as a backend sees it: timers, descriptors, commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env.h"

#define LONG_MS 60000u /* valgrind starts programs slowly */

static struct fl_env env;

static int set_up(void **state)
{
	(void)state;
	env.loop = ev_default_loop(EVFLAG_NOENV);
	env.runs_commands = true;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ev_loop_destroy(env.loop);
	return 0;
}

static void stop(void)
{
	ev_break(env.loop, EVBREAK_ALL);
}

/* ---- timers ---- */

struct ticker {
	struct fl_timer *timer;
	unsigned int ticks;
	unsigned int again; /* start it again so often */
	bool destroy;
};

static void on_tick(void *owner)
{
	struct ticker *t = owner;

	t->ticks++;
	if (t->ticks <= t->again) {
		fl_timer_start(t->timer, 1);
	} else if (t->destroy) {
		fl_timer_destroy(t->timer);
		t->timer = NULL;
	}
}

static void a_timer_calls_once_for_each_start(void **state)
{
	struct ticker once = {.again = 0}, thrice = {.again = 2};

	(void)state;
	assert_int_equal(fl_timer_create(&env, on_tick, &once, &once.timer), 0);
	assert_int_equal(fl_timer_create(&env, on_tick, &thrice, &thrice.timer), 0);
	fl_timer_start(once.timer, LONG_MS);
	fl_timer_start(once.timer, 0); /* from now on */
	fl_timer_start(thrice.timer, 1);
	ev_run(env.loop, 0); /* until no timer runs */
	assert_int_equal(once.ticks, 1);
	assert_int_equal(thrice.ticks, 3);
	fl_timer_destroy(once.timer);
	fl_timer_destroy(thrice.timer);
	fl_timer_destroy(NULL);
}

static void a_timer_may_be_stopped_and_destroyed_at_any_time(void **state)
{
	struct ticker stopped = {0}, running = {0}, itself = {.destroy = true};

	(void)state;
	assert_int_equal(fl_timer_create(&env, on_tick, &stopped, &stopped.timer), 0);
	assert_int_equal(fl_timer_create(&env, on_tick, &running, &running.timer), 0);
	assert_int_equal(fl_timer_create(&env, on_tick, &itself, &itself.timer), 0);
	fl_timer_start(stopped.timer, 1);
	fl_timer_stop(stopped.timer);
	fl_timer_start(running.timer, LONG_MS);
	fl_timer_destroy(running.timer);
	fl_timer_start(itself.timer, 1);
	ev_run(env.loop, 0);
	assert_int_equal(stopped.ticks + running.ticks, 0);
	assert_int_equal(itself.ticks, 1);
	fl_timer_destroy(stopped.timer);
}

/* ---- descriptors ---- */

struct reader {
	struct fl_watch *watch;
	int fd;
	char bytes[8];
	size_t n;
};

static void on_bytes(void *owner)
{
	struct reader *r = owner;

	assert_int_equal(read(r->fd, r->bytes + r->n, 1), 1);
	r->n++;
	if (r->bytes[r->n - 1] != '.')
		return;
	fl_watch_destroy(r->watch);
	r->watch = NULL;
}

static void a_watch_calls_as_long_as_there_is_something(void **state)
{
	struct reader r = {0};
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	r.fd = fds[0];
	assert_int_equal(write(fds[1], "ab.c", 4), 4);
	assert_int_equal(fl_watch_create(&env, r.fd, on_bytes, &r, &r.watch), 0);
	ev_run(env.loop, 0); /* until it has destroyed itself */
	assert_string_equal(r.bytes, "ab.");
	close(fds[0]);
	close(fds[1]);
	fl_watch_destroy(NULL);
}

static void a_watch_needs_an_open_descriptor(void **state)
{
	struct fl_watch *untouched = (struct fl_watch *)&env, *w = untouched;

	(void)state;
	assert_int_equal(fl_watch_create(&env, -1, on_bytes, NULL, &w), -EBADF);
	assert_ptr_equal(w, untouched);
}

/* ---- commands ---- */

struct outcome {
	struct fl_running *run;
	unsigned int calls;
	bool kill_in_done;
	struct fl_command_result res;
	char output[4096];
	char errors[256];
};

static void on_done(void *owner, const struct fl_command_result *res)
{
	struct outcome *o = owner;

	o->calls++;
	o->res = *res;
	strncpy(o->output, res->output, sizeof(o->output) - 1);
	strncpy(o->errors, res->errors, sizeof(o->errors) - 1);
	if (o->kill_in_done)
		fl_command_kill(o->run);
	stop();
}

static int start_shell(const char *script, uint32_t timeout_ms, struct outcome *o)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	const char *const more[] = {"FL_NEW=a b", NULL};
	const struct fl_command cmd = {
		.argv = argv,
		.env = more,
		.input = "one\ntwo\n",
		.input_len = 8,
		.timeout_ms = timeout_ms,
	};

	return fl_command_start(&env, &cmd, on_done, o, &o->run);
}

static void run_shell(const char *script, uint32_t timeout_ms, struct outcome *o)
{
	assert_int_equal(start_shell(script, timeout_ms, o), 0);
	assert_int_equal(o->calls, 0);
	ev_run(env.loop, 0);
	assert_int_equal(o->calls, 1);
}

static void a_command_gets_input_and_environment(void **state)
{
	struct outcome o = {0};

	(void)state;
	run_shell("read A; read B; echo $B $A $FL_NEW; echo no >&2; exit 3", LONG_MS, &o);
	assert_int_equal(o.res.error, 0);
	assert_int_equal(o.res.exit_status, 3);
	assert_string_equal(o.output, "two one a b\n");
	assert_int_equal(o.res.output_len, 12);
	assert_string_equal(o.errors, "no\n");
}

static void a_command_gets_nothing_that_is_flannelds(void **state)
{
	static const char *const ours[] = {"FLANNELD_ETCD_PASSWORD", "NOTIFY_SOCKET",
					   "WATCHDOG_USEC", "WATCHDOG_PID"};
	struct outcome o = {0};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(ours); i++)
		(void)setenv(ours[i], "fl-secret", 1);
	(void)setenv("FL_KEPT", "kept", 1);
	run_shell("env | grep -e =fl-secret$ -e ^FL_KEPT=", LONG_MS, &o);
	assert_string_equal(o.output, "FL_KEPT=kept\n");
	for (size_t i = 0; i < FL_ARRAY_SIZE(ours); i++)
		(void)unsetenv(ours[i]);
	(void)unsetenv("FL_KEPT");
}

static void a_command_that_is_late_is_killed(void **state)
{
	struct outcome o = {0};

	(void)state;
	run_shell("sleep 1000", 300, &o);
	assert_int_equal(o.res.error, -ETIMEDOUT);
	assert_int_equal(o.res.exit_status, -1);
}

static void a_command_that_says_too_much_is_killed(void **state)
{
	struct outcome o = {0};

	(void)state;
	run_shell("yes", LONG_MS, &o);
	assert_int_equal(o.res.error, -EMSGSIZE);
}

static void a_command_may_be_killed_while_its_end_is_told(void **state)
{
	struct outcome o = {.kill_in_done = true};

	(void)state;
	run_shell("exit 0", LONG_MS, &o);
	assert_int_equal(o.res.error, 0);
}

static void a_killed_command_is_not_heard_of_again(void **state)
{
	struct outcome killed = {0}, other = {0};

	(void)state;
	assert_int_equal(start_shell("sleep 1000", LONG_MS, &killed), 0);
	fl_command_kill(killed.run);
	fl_command_kill(NULL);
	run_shell("exit 0", LONG_MS, &other);
	assert_int_equal(killed.calls, 0);
}

static void a_command_that_cannot_be_run_is_refused_at_once(void **state)
{
	const char *const nowhere[] = {"no-such-program-of-flanneld", NULL};
	const struct fl_command cmd = {.argv = nowhere, .timeout_ms = LONG_MS};
	struct outcome o = {0};

	(void)state;
	assert_int_equal(fl_command_start(&env, &cmd, on_done, &o, &o.run), -ENOENT);
	assert_int_equal(start_shell("exit 0", 0, &o), -EINVAL);
	env.runs_commands = false;
	assert_int_equal(start_shell("exit 0", LONG_MS, &o), -EPERM);
	assert_null(o.run);
	assert_int_equal(o.calls, 0);
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_timer_calls_once_for_each_start),
		TEST(a_timer_may_be_stopped_and_destroyed_at_any_time),
		TEST(a_watch_calls_as_long_as_there_is_something),
		TEST(a_watch_needs_an_open_descriptor),
		TEST(a_command_gets_input_and_environment),
		TEST(a_command_gets_nothing_that_is_flannelds),
		TEST(a_command_that_is_late_is_killed),
		TEST(a_command_that_says_too_much_is_killed),
		TEST(a_command_may_be_killed_while_its_end_is_told),
		TEST(a_killed_command_is_not_heard_of_again),
		TEST(a_command_that_cannot_be_run_is_refused_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
