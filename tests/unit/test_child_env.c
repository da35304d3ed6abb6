/* tests/unit/test_child_env.c - what a child process inherits, and where programs are found. */
#include "child_run.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- what it inherits */

/* A mask of signals out of /proc/self/status of a child. No shell: some clear the mask. */
static uint64_t mask_of_child(const char *field)
{
	char script[80];
	const char *argv[] = {"sed", "-n", script, "/proc/self/status", NULL};
	struct fl_child_spec spec = {.argv = argv, .max_output = 100, .timeout_ms = LONG_MS};
	struct outcome o = {0};
	uint64_t mask;

	(void)snprintf(script, sizeof(script), "s/^%s:[^0-9]*//p", field);
	run_spec(&spec, &o);
	assert_int_equal(o.output_len, 17);
	mask = strtoull(o.output, NULL, 16);
	outcome_done(&o);
	return mask;
}

static void gives_the_child_default_signals(void **state)
{
	/* 32 and 33 are the C library's own; it leaves them ignored */
	const uint64_t internal = UINT64_C(3) << 31;
	sigset_t blocked, before;

	(void)state;
	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &blocked, &before);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGUSR2, SIG_IGN);
	assert_int_equal(mask_of_child("SigBlk"), 0);
	assert_int_equal(mask_of_child("SigIgn") & ~internal, 0);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGUSR2, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
}

static void opens_every_descriptor_with_close_on_exec(void **state)
{
	const char *argv[] = {"sleep", "1000", NULL};
	struct fl_child_spec spec = {
		.argv = argv, .input = "x", .input_len = 1, .timeout_ms = LONG_MS};
	struct ev_loop *loop = ev_default_loop(EVFLAG_NOENV);
	struct outcome o = {0};
	bool before[256];
	int fd, added = 0;

	(void)state;
	for (fd = 0; fd < 256; fd++)
		before[fd] = fcntl(fd, F_GETFD) >= 0;
	assert_int_equal(fl_child_start(loop, &spec, on_done, &o, &o.child), 0);
	for (fd = 0; fd < 256; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (before[fd] || flags < 0)
			continue;
		added++;
		assert_true(flags & FD_CLOEXEC);
	}
	assert_true(added >= 2);
	fl_child_kill(o.child);
}

static void gives_the_child_its_three_descriptors_alone(void **state)
{
	const char *argv[] = {"sh", "-c",
			      "for f in /proc/$$/fd/*; do case ${f##*/} in [012]) ;; "
			      "*) readlink $f;; esac; done; echo end",
			      NULL};
	struct fl_child_spec spec = {.argv = argv,
				     .input = "x",
				     .input_len = 1,
				     .max_output = 4096,
				     .timeout_ms = LONG_MS};
	struct outcome o = {0};

	(void)state;
	run_spec(&spec, &o);
	/* Whoever started the test may have left files open, but hardly one of these. */
	assert_null(strstr(o.output, "memfd:"));
	assert_non_null(strstr(o.output, "end\n"));
	outcome_done(&o);
}

static void makes_the_child_lead_its_own_group(void **state)
{
	(void)state;
	assert_says("set -- $(cat /proc/$$/stat); test $5 = $$ && echo leads", "leads\n");
}

static void adds_to_and_replaces_the_environment(void **state)
{
	const char *argv[] = {"sh", "-c",
			      "echo $FL_KEPT $FL_SET $FL_NEW; env | grep -c ^FL_SET=", NULL};
	const char *extra[] = {"FL_SET=new", "FL_NEW=a b=c", NULL};
	struct fl_child_spec spec = {
		.argv = argv, .extra_env = extra, .max_output = 100, .timeout_ms = LONG_MS};
	struct outcome o = {0};

	(void)state;
	(void)setenv("FL_KEPT", "kept", 1);
	(void)setenv("FL_SET", "old", 1);
	run_spec(&spec, &o);
	assert_string_equal(o.output, "kept new a b=c\n1\n");
	(void)unsetenv("FL_KEPT");
	(void)unsetenv("FL_SET");
	outcome_done(&o);
}

/* What we open then gets the numbers that the child is to have. */
static void works_with_our_own_stdio_closed(void **state)
{
	const char *argv[] = {"sh", "-c", "cat; echo out; echo err >&2", NULL};
	struct fl_child_spec spec = {.argv = argv,
				     .input = "in ",
				     .input_len = 3,
				     .max_output = 100,
				     .timeout_ms = LONG_MS};
	struct ev_loop *loop = ev_default_loop(EVFLAG_NOENV);
	struct outcome o = {0};
	int saved[3], fd, r;

	(void)state;
	for (fd = 0; fd < 3; fd++) {
		saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
		(void)close(fd);
	}
	r = fl_child_start(loop, &spec, on_done, &o, &o.child);
	for (fd = 0; fd < 3; fd++) {
		if (saved[fd] < 0)
			continue;
		(void)dup2(saved[fd], fd);
		(void)close(saved[fd]);
	}
	assert_int_equal(r, 0);
	ev_run(loop, 0);
	assert_string_equal(o.output, "in out\n");
	assert_string_equal(o.errors, "err\n");
	outcome_done(&o);
}

static void leaves_no_descriptor_behind(void **state)
{
	struct outcome o = {0};
	int fds;

	(void)state;
	assert_says("echo warm", "warm\n");
	fds = count_fds();
	run_shell("cat; exit 1", &o);
	assert_int_equal(count_fds(), fds);
	outcome_done(&o);
}

/* --- which */

static void which_finds_programs_by_path(void **state)
{
	char *path = fl_child_which("sh");

	(void)state;
	assert_non_null(path);
	assert_int_equal(path[0], '/');
	assert_int_equal(access(path, X_OK), 0);
	free(path);
	path = fl_child_which("/bin/sh");
	assert_string_equal(path, "/bin/sh");
	free(path);
	assert_null(fl_child_which("no-such-program-of-flanneld"));
	assert_null(fl_child_which("/nonexistent/sh"));
	assert_null(fl_child_which(""));
}

static void which_takes_no_folder_no_plain_file_no_relative_path(void **state)
{
	char *before = strdup(getenv("PATH")), dir[] = "/tmp/test_child_dir.XXXXXX";
	char folder[64], plain[64], program[64], *found;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(folder, sizeof(folder), "%s/fl-folder", dir);
	(void)snprintf(plain, sizeof(plain), "%s/fl-plain", dir);
	(void)snprintf(program, sizeof(program), "%s/fl-program", dir);
	assert_int_equal(mkdir(folder, 0755), 0);
	fd = open(plain, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	(void)close(fd);
	fd = open(program, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	assert_true(fd >= 0);
	(void)close(fd);

	(void)setenv("PATH", dir, 1);
	assert_null(fl_child_which("fl-folder"));
	assert_null(fl_child_which("fl-plain"));
	found = fl_child_which("fl-program");
	assert_string_equal(found, program);
	free(found);
	assert_int_equal(chdir(dir), 0);
	(void)setenv("PATH", ":.::", 1);
	assert_null(fl_child_which("fl-program"));
	(void)unsetenv("PATH");
	assert_null(fl_child_which("fl-program"));

	(void)setenv("PATH", before, 1);
	free(before);
	(void)unlink(program);
	(void)unlink(plain);
	(void)rmdir(folder);
	(void)rmdir(dir);
	assert_int_equal(chdir("/"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_child_default_signals),
		cmocka_unit_test(opens_every_descriptor_with_close_on_exec),
		cmocka_unit_test(gives_the_child_its_three_descriptors_alone),
		cmocka_unit_test(makes_the_child_lead_its_own_group),
		cmocka_unit_test(adds_to_and_replaces_the_environment),
		cmocka_unit_test(works_with_our_own_stdio_closed),
		cmocka_unit_test(leaves_no_descriptor_behind),
		cmocka_unit_test(which_finds_programs_by_path),
		cmocka_unit_test(which_takes_no_folder_no_plain_file_no_relative_path),
	};

	return cmocka_run_group_tests(tests, NULL, destroy_loop);
}
