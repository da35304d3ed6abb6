/* tests/unit/test_child.c - child processes: their end, what goes in and out, limits. */
#include "child_run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static double seconds_of(const struct fl_child_spec *spec, struct outcome *ret)
{
	ev_tstamp begin = ev_time();

	run_spec(spec, ret);
	return ev_time() - begin;
}

static void sleep_ms(double ms)
{
	ev_sleep(ms / 1e3);
}

/* A process that is gone, or only waits to be reaped. */
static bool is_dead(pid_t pid)
{
	char path[64], line[256] = "", *state;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return true;
	state = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	(void)fclose(f);
	return !state || state[2] == 'Z' || state[2] == 'X';
}

static void assert_dies(pid_t pid)
{
	int i;

	assert_true(pid > 1);
	for (i = 0; i < 500 && !is_dead(pid); i++)
		sleep_ms(10);
	assert_true(is_dead(pid));
}

static char *temp_file(void)
{
	static char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/tmp/test_child.XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	(void)close(fd);
	return path;
}

static pid_t read_pid(const char *path)
{
	char text[32] = "";
	FILE *f = fopen(path, "re");
	bool read;

	assert_non_null(f);
	read = fgets(text, sizeof(text), f) != NULL;
	(void)fclose(f);
	return read ? (pid_t)strtol(text, NULL, 10) : 0;
}

/* --- how it ends */

static void reports_output_and_exit_status(void **state)
{
	struct outcome o = {0};

	(void)state;
	run_shell("printf out; printf err >&2; exit 7", &o);
	assert_int_equal(o.error, 0);
	assert_int_equal(o.exit_status, 7);
	assert_int_equal(o.signal, 0);
	assert_string_equal(o.output, "out");
	assert_int_equal(o.output_len, 3);
	assert_string_equal(o.errors, "err");
	outcome_done(&o);
}

static void reports_the_signal_that_ended_it(void **state)
{
	struct outcome o = {0};

	(void)state;
	run_shell("kill -TERM $$", &o);
	assert_int_equal(o.error, 0);
	assert_int_equal(o.exit_status, -1);
	assert_int_equal(o.signal, SIGTERM);
	assert_string_equal(o.output, "");
	assert_string_equal(o.errors, "");
	outcome_done(&o);
}

static void keeps_zero_bytes_in_the_output(void **state)
{
	struct outcome o = {0};

	(void)state;
	run_shell("printf 'a\\000b'", &o);
	assert_int_equal(o.output_len, 3);
	assert_memory_equal(o.output, "a\0b", 4);
	outcome_done(&o);
}

static void runs_many_at_once(void **state)
{
	const char *argv[] = {"sh", "-c", "read n; exit $n", NULL};
	struct ev_loop *loop = ev_default_loop(EVFLAG_NOENV);
	struct outcome o[8] = {{0}};
	int i, calls;

	(void)state;
	for (i = 0; i < 8; i++) {
		char input[2] = {(char)('0' + i), '\n'};
		struct fl_child_spec spec = {.argv = argv,
					     .input = input,
					     .input_len = 2,
					     .max_output = 1,
					     .timeout_ms = LONG_MS};

		assert_int_equal(fl_child_start(loop, &spec, on_done, &o[i], &o[i].child), 0);
	}
	do {
		ev_run(loop, 0);
		for (i = 0, calls = 0; i < 8; i++)
			calls += o[i].calls;
	} while (calls < 8);
	for (i = 0; i < 8; i++) {
		assert_int_equal(o[i].calls, 1);
		assert_int_equal(o[i].exit_status, i);
		outcome_done(&o[i]);
	}
}

static void survives_a_kill_within_done(void **state)
{
	struct outcome o = {.kill_in_done = true};

	(void)state;
	run_shell("exit 3", &o);
	assert_int_equal(o.exit_status, 3);
	outcome_done(&o);
}

/* --- what it cannot start */

static void refuses_a_missing_program(void **state)
{
	const char *plain[] = {"no-such-program-of-flanneld", NULL};
	const char *path[] = {"/nonexistent/program", NULL};
	struct fl_child_spec spec = {.argv = plain, .max_output = 10, .timeout_ms = 1000};
	struct ev_loop *loop = ev_default_loop(EVFLAG_NOENV);
	struct fl_child *c = NULL;
	int fds = count_fds();

	(void)state;
	assert_int_equal(fl_child_start(loop, &spec, on_done, NULL, &c), -ENOENT);
	spec.argv = path;
	assert_int_equal(fl_child_start(loop, &spec, on_done, NULL, &c), -ENOENT);
	assert_null(c);
	assert_int_equal(count_fds(), fds);
}

static void refuses_a_file_that_is_not_executable(void **state)
{
	const char *path = temp_file();
	const char *argv[] = {path, NULL};
	struct fl_child_spec spec = {.argv = argv, .max_output = 10, .timeout_ms = 1000};
	struct fl_child *c = NULL;

	(void)state;
	assert_int_equal(fl_child_start(ev_default_loop(EVFLAG_NOENV), &spec, on_done, NULL, &c),
			 -EACCES);
	assert_null(c);
	(void)unlink(path);
}

static void refuses_what_could_never_report(void **state)
{
	const char *argv[] = {"true", NULL};
	const char *none[] = {NULL};
	struct fl_child_spec spec = {.argv = argv, .max_output = 10};
	struct ev_loop *loop = ev_default_loop(EVFLAG_NOENV), *other = ev_loop_new(EVFLAG_NOENV);
	struct fl_child *c = NULL;

	(void)state;
	assert_int_equal(fl_child_start(loop, &spec, on_done, NULL, &c), -EINVAL);
	spec.timeout_ms = 1000;
	assert_int_equal(fl_child_start(other, &spec, on_done, NULL, &c), -EINVAL);
	spec.argv = none;
	assert_int_equal(fl_child_start(loop, &spec, on_done, NULL, &c), -EINVAL);
	assert_null(c);
	ev_loop_destroy(other);
}

/* --- input and output */

static void feeds_more_input_than_a_pipe_holds(void **state)
{
	const char *argv[] = {"cat", NULL};
	size_t len = 3u << 20, i;
	char *input = malloc(len);
	struct fl_child_spec spec = {
		.argv = argv, .input_len = len, .max_output = len, .timeout_ms = LONG_MS};
	struct outcome o = {0};

	(void)state;
	assert_non_null(input);
	for (i = 0; i < len; i++)
		input[i] = (char)(i * 31 + i / 251);
	spec.input = input;
	run_spec(&spec, &o);
	assert_int_equal(o.error, 0);
	assert_int_equal(o.exit_status, 0);
	assert_int_equal(o.output_len, len);
	assert_memory_equal(o.output, input, len);
	outcome_done(&o);
	free(input);
}

static void does_not_mind_input_that_is_not_read(void **state)
{
	const char *argv[] = {"true", NULL};
	size_t len = 1u << 20;
	char *input = calloc(1, len);
	struct fl_child_spec spec = {.argv = argv,
				     .input = input,
				     .input_len = len,
				     .max_output = 10,
				     .timeout_ms = LONG_MS};
	struct outcome o = {0};

	(void)state;
	assert_non_null(input);
	run_spec(&spec, &o);
	assert_int_equal(o.error, 0);
	assert_int_equal(o.exit_status, 0);
	outcome_done(&o);
	free(input);
}

static void gives_an_end_of_file_without_input(void **state)
{
	(void)state;
	assert_says("cat; echo end", "end\n");
}

static void keeps_as_much_output_as_allowed(void **state)
{
	const char *argv[] = {"sh", "-c", "printf 12345678", NULL};
	struct fl_child_spec spec = {.argv = argv, .max_output = 8, .timeout_ms = LONG_MS};
	struct outcome o = {0};

	(void)state;
	run_spec(&spec, &o);
	assert_int_equal(o.error, 0);
	assert_string_equal(o.output, "12345678");
	outcome_done(&o);
}

static void ends_a_child_that_prints_too_much(void **state)
{
	const char *argv[] = {"sh", "-c", "printf 123456789; exec sleep 1000", NULL};
	struct fl_child_spec spec = {.argv = argv, .max_output = 8, .timeout_ms = LONG_MS};
	struct outcome o = {0};

	(void)state;
	assert_true(seconds_of(&spec, &o) < LONG_MS / 1e3 / 2);
	assert_int_equal(o.error, -EMSGSIZE);
	assert_int_equal(o.exit_status, -1);
	assert_true(o.output_len <= 8);
	outcome_done(&o);
}

static void ends_a_child_that_prints_for_ever(void **state)
{
	const char *argv[] = {"yes", NULL};
	struct fl_child_spec spec = {.argv = argv, .max_output = 100000, .timeout_ms = LONG_MS};
	struct outcome o = {0};

	(void)state;
	run_spec(&spec, &o);
	assert_int_equal(o.error, -EMSGSIZE);
	assert_true(o.output_len <= 100000);
	outcome_done(&o);
}

static void keeps_the_first_errors_and_reads_on(void **state)
{
	struct outcome o = {0};

	(void)state;
	run_shell("printf first >&2; head -c 300000 /dev/zero | tr '\\0' x >&2; echo out", &o);
	assert_int_equal(o.error, 0);
	assert_string_equal(o.output, "out\n");
	assert_int_equal(strlen(o.errors), 4096);
	assert_memory_equal(o.errors, "firstxxx", 8);
	outcome_done(&o);
}

/* --- time limit and kill */

static void ends_the_whole_group_in_time(void **state)
{
	char script[160], *path = temp_file();
	const char *argv[] = {"sh", "-c", script, NULL};
	struct fl_child_spec spec = {.argv = argv, .max_output = 100, .timeout_ms = 1500};
	struct outcome o = {0};
	double took;
	pid_t grandchild;

	(void)state;
	(void)snprintf(script, sizeof(script), "sleep 1000 & echo $! > %s; echo early; wait", path);
	took = seconds_of(&spec, &o);
	assert_true(took > 1.4 && took < 30);
	assert_int_equal(o.error, -ETIMEDOUT);
	assert_string_equal(o.output, "early\n");
	grandchild = read_pid(path);
	assert_dies(grandchild);
	outcome_done(&o);
	(void)unlink(path);
}

static void ends_a_child_that_ignores_signals(void **state)
{
	const char *argv[] = {"sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done", NULL};
	struct fl_child_spec spec = {.argv = argv, .max_output = 100, .timeout_ms = 300};
	struct outcome o = {0};

	(void)state;
	run_spec(&spec, &o);
	assert_int_equal(o.error, -ETIMEDOUT);
	outcome_done(&o);
}

static void kill_calls_nobody_and_leaves_nothing(void **state)
{
	char script[160], *path = temp_file();
	const char *argv[] = {"sh", "-c", script, NULL};
	struct fl_child_spec spec = {.argv = argv, .max_output = 100, .timeout_ms = LONG_MS};
	struct ev_loop *loop = ev_default_loop(EVFLAG_NOENV);
	struct outcome o = {0};
	int fds = count_fds(), i;
	pid_t pid = 0;

	(void)state;
	(void)snprintf(script, sizeof(script), "echo $$ > %s; exec sleep 1000", path);
	assert_int_equal(fl_child_start(loop, &spec, on_done, &o, &o.child), 0);
	for (i = 0; i < 3000 && pid == 0; i++) {
		sleep_ms(10);
		pid = read_pid(path);
	}
	fl_child_kill(o.child);
	assert_dies(pid);
	ev_run(loop, 0);
	assert_int_equal(o.calls, 0);
	assert_int_equal(count_fds(), fds);
	fl_child_kill(NULL);
	(void)unlink(path);
}

static void does_not_wait_for_a_grandchild_with_the_pipe(void **state)
{
	const char *argv[] = {"sh", "-c", "sleep 1000 & echo $!; printf e >&2; exit 5", NULL};
	struct fl_child_spec spec = {.argv = argv, .max_output = 100, .timeout_ms = LONG_MS};
	struct outcome o = {0};
	pid_t grandchild;

	(void)state;
	assert_true(seconds_of(&spec, &o) < LONG_MS / 1e3 / 2);
	assert_int_equal(o.error, 0);
	assert_int_equal(o.exit_status, 5);
	assert_string_equal(o.errors, "e");
	grandchild = (pid_t)strtol(o.output, NULL, 10);
	assert_true(grandchild > 1);
	assert_false(is_dead(grandchild));
	(void)kill(grandchild, SIGKILL);
	outcome_done(&o);
}

static void does_not_wait_for_a_grandchild_that_writes_for_ever(void **state)
{
	const char *argv[] = {"sh", "-c", "yes >&2 & echo $!", NULL};
	struct fl_child_spec spec = {.argv = argv, .max_output = 100, .timeout_ms = LONG_MS};
	struct outcome o = {0};
	pid_t grandchild;

	(void)state;
	assert_true(seconds_of(&spec, &o) < LONG_MS / 1e3 / 2);
	assert_int_equal(o.error, 0);
	assert_int_equal(o.exit_status, 0);
	grandchild = (pid_t)strtol(o.output, NULL, 10);
	assert_dies(grandchild); /* of SIGPIPE */
	outcome_done(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reports_output_and_exit_status),
		cmocka_unit_test(reports_the_signal_that_ended_it),
		cmocka_unit_test(keeps_zero_bytes_in_the_output),
		cmocka_unit_test(runs_many_at_once),
		cmocka_unit_test(survives_a_kill_within_done),
		cmocka_unit_test(refuses_a_missing_program),
		cmocka_unit_test(refuses_a_file_that_is_not_executable),
		cmocka_unit_test(refuses_what_could_never_report),
		cmocka_unit_test(feeds_more_input_than_a_pipe_holds),
		cmocka_unit_test(does_not_mind_input_that_is_not_read),
		cmocka_unit_test(gives_an_end_of_file_without_input),
		cmocka_unit_test(keeps_as_much_output_as_allowed),
		cmocka_unit_test(ends_a_child_that_prints_too_much),
		cmocka_unit_test(ends_a_child_that_prints_for_ever),
		cmocka_unit_test(keeps_the_first_errors_and_reads_on),
		cmocka_unit_test(ends_the_whole_group_in_time),
		cmocka_unit_test(ends_a_child_that_ignores_signals),
		cmocka_unit_test(kill_calls_nobody_and_leaves_nothing),
		cmocka_unit_test(does_not_wait_for_a_grandchild_with_the_pipe),
		cmocka_unit_test(does_not_wait_for_a_grandchild_that_writes_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, destroy_loop);
}
