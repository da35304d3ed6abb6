/* tests/unit/test_presence.c - who else is here. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/presence.h"

/* Of this run alone: others run tests, too. */
static char kind[33];

static int make_kind(void **state)
{
	(void)state;
	(void)snprintf(kind, sizeof(kind), "test-%d", (int)getpid());
	return 0;
}

static void each_that_shows_itself_is_counted_until_it_is_closed(void **state)
{
	int first = -1, second = -1;

	(void)state;
	assert_int_equal(fl_presence_count(kind), 0);
	assert_int_equal(fl_presence_show(kind, &first), 0);
	assert_int_equal(fl_presence_show(kind, &second), 0);
	assert_int_equal(fl_presence_count(kind), 2);
	assert_int_equal(close(first), 0);
	assert_int_equal(fl_presence_count(kind), 1);
	assert_int_equal(close(second), 0);
	assert_int_equal(fl_presence_count(kind), 0);
}

static void it_is_not_handed_on_to_children(void **state)
{
	int fd = -1;

	(void)state;
	assert_int_equal(fl_presence_show(kind, &fd), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(close(fd), 0);
}

static void a_process_that_was_killed_is_not_counted(void **state)
{
	int status, fd = -1;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		if (fl_presence_show(kind, &fd) == 0)
			(void)raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(fl_presence_count(kind), 0);
}

static void another_kind_is_not_counted(void **state)
{
	char longer[64], shorter[33];
	int a = -1, b = -1;

	(void)state;
	(void)snprintf(longer, sizeof(longer), "%s-cleanup", kind);
	(void)snprintf(shorter, sizeof(shorter), "%.4s", kind);
	assert_int_equal(fl_presence_show(longer, &a), 0);
	assert_int_equal(fl_presence_show(shorter, &b), 0);
	assert_int_equal(fl_presence_count(kind), 0);
	assert_int_equal(close(a), 0);
	assert_int_equal(close(b), 0);
}

static void a_file_of_such_a_name_is_not_counted(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_true(fd >= 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/%s", kind);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(fl_presence_count(kind), 0);
	assert_int_equal(unlink(at.sun_path), 0);
	assert_int_equal(close(fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_that_shows_itself_is_counted_until_it_is_closed),
		cmocka_unit_test(it_is_not_handed_on_to_children),
		cmocka_unit_test(a_process_that_was_killed_is_not_counted),
		cmocka_unit_test(another_kind_is_not_counted),
		cmocka_unit_test(a_file_of_such_a_name_is_not_counted),
	};

	return cmocka_run_group_tests(tests, make_kind, NULL);
}
