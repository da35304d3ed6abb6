/* tests/unit/test_syslog.c - the log in the hands of a syslog daemon that comes, goes and lags. */
#include "base/syslog.h"

#include <errno.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log_init.h"

static char path[64];
static int daemon_fd = -1;
static int err_pipe[2];
static int real_stderr = -1;
static char text[65536];

static void start_daemon(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	strcpy(at.sun_path, path);
	daemon_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(daemon_fd >= 0);
	assert_int_equal(bind(daemon_fd, (struct sockaddr *)&at, sizeof(at)), 0);
}

static void stop_daemon(void)
{
	(void)close(daemon_fd);
	(void)unlink(path);
}

/* The next line; NULL if there is none. */
static const char *next_line(void)
{
	ssize_t n = recv(daemon_fd, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? NULL : text;
}

static size_t said_on_stderr(void)
{
	char bytes[4096];
	ssize_t n = recv(err_pipe[0], bytes, sizeof(bytes), MSG_DONTWAIT);

	return n < 0 ? 0 : (size_t)n;
}

static int set_up(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/fl-syslog.%d", (int)getpid());
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, err_pipe) < 0)
		return -1;
	real_stderr = dup(STDERR_FILENO);
	return dup2(err_pipe[1], STDERR_FILENO) < 0;
}

static int tear_down(void **state)
{
	(void)state;
	fl_syslog_close();
	(void)dup2(real_stderr, STDERR_FILENO);
	(void)close(real_stderr);
	(void)close(err_pipe[0]);
	(void)close(err_pipe[1]);
	return 0;
}

static void assert_matches(const char *line, const char *pattern)
{
	regex_t re;

	assert_non_null(line);
	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&re, line, 0, NULL, 0) != 0)
		fail_msg("%s", line);
	regfree(&re);
}

static void a_line_has_priority_time_program_and_text(void **state)
{
	char wanted[160];

	(void)state;
	start_daemon();
	assert_int_equal(fl_log_to_syslog(path, "flanneld"), 0);
	fl_info("etcd", "lease %s", "10.5.52.0/24");
	snprintf(wanted, sizeof(wanted),
		 "^<30>[A-Z][a-z]{2} [ 123][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9] "
		 "flanneld\\[%d\\]: etcd: lease 10\\.5\\.52\\.0/24$",
		 (int)getpid());
	assert_matches(next_line(), wanted);
	fl_err("etcd", "two\nlines");
	assert_matches(next_line(), "^<27>.*: etcd: two\\\\x0alines$");
	fl_warn("etcd", "x");
	assert_matches(next_line(), "^<28>");
	fl_debug("etcd", "x");
	assert_null(next_line());
	fl_log_set_verbosity(1);
	fl_debug("etcd", "x");
	assert_matches(next_line(), "^<31>");
	fl_log_set_verbosity(0);
	stop_daemon();
}

static void json_stays_json(void **state)
{
	(void)state;
	start_daemon();
	fl_log_init(FL_LOG_JSON, 0);
	assert_int_equal(fl_log_to_syslog(path, "flanneld"), 0);
	fl_info("etcd", "x");
	assert_matches(next_line(), "flanneld\\[[0-9]+\\]: \\{\"time\":.*\"msg\":\"x\"\\}$");
	fl_log_init(FL_LOG_TEXT, 0);
	stop_daemon();
}

static void a_daemon_that_comes_later_gets_the_rest_and_is_told(void **state)
{
	(void)state;
	assert_int_equal(fl_log_to_syslog(path, "flanneld"), -ENOENT);
	fl_info("etcd", "one");
	fl_info("etcd", "two");
	start_daemon();
	fl_info("etcd", "three");
	assert_matches(next_line(), "<28>.*: log: 2 lines before this one are lost$");
	assert_matches(next_line(), ": etcd: three$");
	stop_daemon();
	fl_info("etcd", "four");
	start_daemon();
	fl_info("etcd", "five");
	assert_matches(next_line(), ": log: 1 lines before this one are lost$");
	assert_matches(next_line(), ": etcd: five$");
	stop_daemon();
}

/* syslog(3) would wait here, and with it the event loop. */
static void a_daemon_that_does_not_read_holds_up_nobody(void **state)
{
	char wanted[64];
	int taken = 0;

	(void)state;
	start_daemon();
	assert_int_equal(fl_log_to_syslog(path, "flanneld"), 0);
	for (int i = 0; i < 5000; i++)
		fl_info("etcd", "line %d", i);
	while (next_line())
		taken++;
	assert_in_range(taken, 1, 4999);
	fl_info("etcd", "again");
	snprintf(wanted, sizeof(wanted), ": log: %d lines before this one are lost$", 5000 - taken);
	assert_matches(next_line(), wanted);
	assert_matches(next_line(), ": etcd: again$");
	stop_daemon();
}

static void stderr_gets_what_is_wrong_and_then_nothing(void **state)
{
	(void)state;
	start_daemon();
	assert_int_equal(fl_log_to_syslog(path, "flanneld"), 0);
	fl_info("etcd", "x");
	assert_int_equal(said_on_stderr(), 0);
	fl_warn("etcd", "x");
	assert_true(said_on_stderr() > 0);
	fl_log_leave_stderr();
	fl_err("etcd", "x");
	assert_int_equal(said_on_stderr(), 0);
	stop_daemon();
}

static void refuses_a_path_that_is_too_long(void **state)
{
	char name[200];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(fl_log_to_syslog(name, "flanneld"), -ENAMETOOLONG);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_line_has_priority_time_program_and_text),
		TEST(json_stays_json),
		TEST(a_daemon_that_comes_later_gets_the_rest_and_is_told),
		TEST(a_daemon_that_does_not_read_holds_up_nobody),
		TEST(stderr_gets_what_is_wrong_and_then_nothing),
		TEST(refuses_a_path_that_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
