/* tests/unit/test_notify.c - datagrams to a service manager. */
#include <errno.h>
#include <fcntl.h>
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

#include "io/notify.h"

static int count_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int listen_on(const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(at.sun_path, name, strlen(name));
	if (name[0] == '@')
		at.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	(void)setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void assert_received(int fd, const char *expected)
{
	char text[256] = "";
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	assert_int_equal(n, strlen(expected));
	assert_string_equal(text, expected);
}

static void notifies_a_socket_by_path(void **state)
{
	char path[64];
	int fd, fds;

	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/test_child_notify.%d", (int)getpid());
	fd = listen_on(path);
	fds = count_fds();
	assert_int_equal(fl_notify("READY=1\nSTATUS=lease %s", "10.3.7.0/24"), 1);
	assert_received(fd, "READY=1\nSTATUS=lease 10.3.7.0/24");
	assert_int_equal(count_fds(), fds);
	(void)close(fd);
	(void)unlink(path);
	assert_int_equal(fl_notify("READY=1"), -ENOENT);
	(void)unsetenv("NOTIFY_SOCKET");
}

static void notifies_an_abstract_socket(void **state)
{
	char name[64];
	int fd;

	(void)state;
	(void)snprintf(name, sizeof(name), "@test_child_notify.%d", (int)getpid());
	fd = listen_on(name);
	assert_int_equal(fl_notify("STOPPING=1"), 1);
	assert_received(fd, "STOPPING=1");
	(void)close(fd);
	assert_int_equal(fl_notify("STOPPING=1"), -ECONNREFUSED);
	(void)unsetenv("NOTIFY_SOCKET");
}

static void notify_does_not_block_on_a_full_queue(void **state)
{
	char name[64];
	int fd, i, r = 1;

	(void)state;
	(void)snprintf(name, sizeof(name), "@test_child_full.%d", (int)getpid());
	fd = listen_on(name);
	for (i = 0; i < 100000 && r == 1; i++)
		r = fl_notify("STATUS=%d", i);
	assert_int_equal(r, -EAGAIN);
	(void)close(fd);
	(void)unsetenv("NOTIFY_SOCKET");
}

static void notifies_nobody_if_nobody_asked(void **state)
{
	(void)state;
	(void)unsetenv("NOTIFY_SOCKET");
	assert_int_equal(fl_notify("READY=1"), 0);
	(void)setenv("NOTIFY_SOCKET", "", 1);
	assert_int_equal(fl_notify("READY=1"), 0);
	(void)unsetenv("NOTIFY_SOCKET");
}

static void notify_refuses_a_bad_address(void **state)
{
	char longest[200];

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	(void)setenv("NOTIFY_SOCKET", longest, 1);
	assert_int_equal(fl_notify("READY=1"), -ENAMETOOLONG);
	(void)setenv("NOTIFY_SOCKET", "relative/path", 1);
	assert_int_equal(fl_notify("READY=1"), -EAFNOSUPPORT);
	(void)setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
	assert_int_equal(fl_notify("READY=1"), -EAFNOSUPPORT);
	(void)setenv("NOTIFY_SOCKET", "@", 1);
	assert_int_equal(fl_notify("READY=1"), -EINVAL);
	(void)unsetenv("NOTIFY_SOCKET");
}

static void set_watchdog(const char *usec, const char *pid)
{
	(void)setenv("WATCHDOG_USEC", usec, 1);
	if (pid)
		(void)setenv("WATCHDOG_PID", pid, 1);
	else
		(void)unsetenv("WATCHDOG_PID");
}

static void knows_whether_a_watchdog_listens(void **state)
{
	static const char *const nonsense[] = {"", "-1", "0", "1s", "99999999999999999999"};
	char pid[16];

	(void)state;
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	(void)setenv("NOTIFY_SOCKET", "/run/nowhere", 1);
	assert_int_equal(fl_notify_watchdog_us(), 0);
	set_watchdog("30000000", NULL);
	assert_int_equal(fl_notify_watchdog_us(), 30000000);
	set_watchdog("30000000", pid);
	assert_int_equal(fl_notify_watchdog_us(), 30000000);
	set_watchdog("30000000", "1"); /* it wants to hear another process */
	assert_int_equal(fl_notify_watchdog_us(), 0);
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(*nonsense); i++) {
		set_watchdog(nonsense[i], NULL);
		assert_int_equal(fl_notify_watchdog_us(), 0);
	}
	set_watchdog("30000000", NULL);
	(void)unsetenv("NOTIFY_SOCKET");
	assert_int_equal(fl_notify_watchdog_us(), 0);
	(void)unsetenv("WATCHDOG_USEC");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notifies_a_socket_by_path),
		cmocka_unit_test(notifies_an_abstract_socket),
		cmocka_unit_test(notify_does_not_block_on_a_full_queue),
		cmocka_unit_test(notifies_nobody_if_nobody_asked),
		cmocka_unit_test(notify_refuses_a_bad_address),
		cmocka_unit_test(knows_whether_a_watchdog_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
