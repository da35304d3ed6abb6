/* tests/unit/test_sandbox.c - what is left to a process behind Landlock and seccomp. Each attempt
 * is a child's, for nothing of it can be undone. */
#include "config.h"
#include "io/landlock.h"
#include "io/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_alg.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/defs.h"

#define MISSING 200 /* the kernel, or a tool that stands in for it, has no such thing */

static char folder[] = "/tmp/fl-sandbox-XXXXXX";

static int abi; /* of Landlock, in a child that is enclosed */

static const char *path(const char *name)
{
	static char buf[4][128];
	static unsigned int i;

	i = (i + 1) % FL_ARRAY_SIZE(buf);
	(void)snprintf(buf[i], sizeof(buf[i]), "%s/%s", folder, name);
	return buf[i];
}

/* Run in a child. @return what it returns, an errno or MISSING */
static int in_child(int (*attempt)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(attempt());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void assert_errno(int (*attempt)(void), int expected)
{
	int got = in_child(attempt);

	if (got == MISSING)
		skip();
	assert_int_equal(got, expected);
}

/* ---- Landlock ---- */

static int tried(int fd)
{
	if (fd < 0)
		return errno;
	(void)close(fd);
	return 0;
}

static int opened(const char *name, int flags)
{
	return tried(open(path(name), flags | O_CLOEXEC, 0600));
}

/* "read" may be read, "kept" only written to, "made" is for files that are replaced, "gone" for
 * removing; "link" leads to "read". @return 0, an errno, MISSING */
static int enclosed(void)
{
	struct fl_landlock *l;
	int r = fl_landlock_create(&l);

	if (r == -EOPNOTSUPP)
		return MISSING;
	if (r == 0)
		r = fl_landlock_allow(l, path("link"), FL_LANDLOCK_READ);
	if (r == 0)
		r = fl_landlock_allow(l, path("kept"), FL_LANDLOCK_WRITE | FL_LANDLOCK_CREATE);
	if (r == 0)
		r = fl_landlock_allow(l, path("made"),
				      FL_LANDLOCK_READ | FL_LANDLOCK_WRITE | FL_LANDLOCK_CREATE |
					      FL_LANDLOCK_REMOVE);
	if (r == 0)
		r = fl_landlock_allow(l, path("gone"), FL_LANDLOCK_CREATE | FL_LANDLOCK_REMOVE);
	if (r == 0 && fl_landlock_allow(l, path("nothing"), FL_LANDLOCK_READ) != -ENOENT)
		r = -EBADF;
	if (r == 0)
		r = fl_landlock_enforce(l);
	fl_landlock_destroy(l);
	abi = r;
	return r < 0 ? -r : 0;
}

#define ENCLOSED(name, expression)                                                                 \
	static int name(void)                                                                      \
	{                                                                                          \
		int r = enclosed();                                                                \
                                                                                                   \
		return r ? r : (expression);                                                       \
	}

ENCLOSED(reads_by_a_link, opened("read/file", O_RDONLY))
ENCLOSED(writes_what_is_read, opened("read/file", O_WRONLY))
ENCLOSED(makes_beside_it, opened("read/new", O_WRONLY | O_CREAT))
ENCLOSED(removes_what_is_read, unlink(path("read/file")) < 0 ? errno : 0)
ENCLOSED(reads_elsewhere, opened("other", O_RDONLY))
ENCLOSED(truncates_elsewhere, abi < 3 ? MISSING : truncate(path("other"), 0) < 0 ? errno : 0)
ENCLOSED(signals_others, abi < 6 ? MISSING : kill(getppid(), 0) < 0 ? errno : 0)
ENCLOSED(signals_itself, kill(getpid(), 0) < 0 ? errno : 0)
ENCLOSED(writes_the_one, opened("kept", O_WRONLY))
ENCLOSED(reads_the_one, opened("kept", O_RDONLY))
ENCLOSED(makes, opened("made/new", O_RDWR | O_CREAT))
ENCLOSED(makes_a_folder, mkdir(path("made/folder"), 0700) < 0 ? errno : 0)
ENCLOSED(replaces, opened("made/a", O_RDWR | O_CREAT) || rename(path("made/a"), path("made/b")) < 0
			   ? errno
			   : 0)
ENCLOSED(moves_out, opened("made/c", O_RDWR | O_CREAT) || rename(path("made/c"), path("gone/c")) < 0
			    ? errno
			    : 0)
ENCLOSED(removes, unlink(path("gone/file")) < 0 ? errno : 0)
ENCLOSED(gains_no_privileges, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : EPERM)

static void files_are_reached_by_their_rights_alone(void **state)
{
	(void)state;
	assert_errno(reads_by_a_link, 0);
	assert_errno(writes_what_is_read, EACCES);
	assert_errno(makes_beside_it, EACCES);
	assert_errno(removes_what_is_read, EACCES);
	assert_errno(reads_elsewhere, EACCES);
	assert_errno(writes_the_one, 0);
	assert_errno(reads_the_one, EACCES);
	assert_errno(makes, 0);
	assert_errno(makes_a_folder, EACCES);
	assert_errno(replaces, 0);
	assert_errno(removes, 0);
	assert_errno(gains_no_privileges, 0);
}

static void nothing_leaves_its_folder(void **state)
{
	int got = in_child(moves_out);

	(void)state;
	if (got == MISSING)
		skip();
	assert_true(got == EXDEV || got == EACCES);
}

static void what_is_open_already_stays_open(void **state)
{
	char c;
	int fd = open(path("other"), O_RDONLY | O_CLOEXEC), status;
	pid_t pid = fork();

	(void)state;
	assert_true(fd >= 0 && pid >= 0);
	if (pid == 0) {
		int r = enclosed();

		_exit(r ? r : read(fd, &c, 1) == 1 ? 0 : errno);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(fd);
	if (WEXITSTATUS(status) == MISSING)
		skip();
	assert_int_equal(status, 0);
}

static void a_file_may_be_truncated_by_who_writes_it_alone(void **state)
{
	(void)state;
	assert_errno(truncates_elsewhere, EACCES);
}

static void signals_reach_nobody_else(void **state)
{
	(void)state;
	assert_errno(signals_itself, 0);
	assert_errno(signals_others, EPERM);
}

/* ---- seccomp ---- */

static int filtered(void)
{
	int r = fl_seccomp_enforce();

	if (r == -EOPNOTSUPP)
		return MISSING;
	return r < 0 ? -r : 0;
}

#define FILTERED(name, call)                                                                       \
	static int name(void)                                                                      \
	{                                                                                          \
		int r = filtered();                                                                \
                                                                                                   \
		return r ? r : (call) < 0 ? errno : 0;                                             \
	}

FILTERED(mounts, mount("none", "/tmp", "tmpfs", 0, NULL))
FILTERED(leaves_its_namespace, unshare(CLONE_NEWNET))
FILTERED(enters_a_namespace, setns(-1, 0))
FILTERED(changes_its_root, chroot("/"))
FILTERED(loads_a_module, (int)syscall(SYS_finit_module, -1, "", 0))
FILTERED(loads_a_program, (int)syscall(SYS_bpf, 0, NULL, 0))
FILTERED(sets_the_clock, (int)syscall(SYS_clock_settime, CLOCK_REALTIME, NULL))
FILTERED(becomes_another, setuid(65534))
FILTERED(queues_by_io_uring, (int)syscall(SYS_io_uring_setup, 1, NULL))
FILTERED(takes_keys, (int)syscall(SYS_add_key, "user", "fl", "x", 1, -1))
FILTERED(clones_a_namespace, (int)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0))
FILTERED(clones_unseen, (int)syscall(SYS_clone3, NULL, 0))
FILTERED(makes_a_file_setuid, chmod(path("other"), 04755))
FILTERED(makes_it_another_s, chown(path("other"), 65534, 65534))
FILTERED(types_into_a_terminal, ioctl(0, TIOCSTI, "x"))
FILTERED(types_with_spare_bits, (int)syscall(SYS_ioctl, 0L, 0xf00000000L | TIOCSTI, "x"))
FILTERED(opens_a_crypto_socket, socket(AF_ALG, SOCK_SEQPACKET, 0))

static void what_a_kernel_is_taken_over_with_is_not_there(void **state)
{
	(void)state;
	assert_errno(mounts, ENOSYS);
	assert_errno(leaves_its_namespace, ENOSYS);
	assert_errno(enters_a_namespace, ENOSYS);
	assert_errno(changes_its_root, ENOSYS);
	assert_errno(loads_a_module, ENOSYS);
	assert_errno(loads_a_program, ENOSYS);
	assert_errno(sets_the_clock, ENOSYS);
	assert_errno(becomes_another, ENOSYS);
	assert_errno(queues_by_io_uring, ENOSYS);
	assert_errno(takes_keys, ENOSYS);
	assert_errno(clones_a_namespace, ENOSYS);
	assert_errno(clones_unseen, ENOSYS);
	assert_errno(opens_a_crypto_socket, ENOSYS);
	assert_errno(makes_a_file_setuid, ENOSYS);
	assert_errno(makes_it_another_s, ENOSYS);
	assert_errno(types_into_a_terminal, ENOSYS);
	assert_errno(types_with_spare_bits, ENOSYS);
}

FILTERED(has_unix_sockets, socket(AF_UNIX, SOCK_STREAM, 0))
FILTERED(has_inet_sockets, socket(AF_INET, SOCK_DGRAM, 0))
FILTERED(has_inet6_sockets, socket(AF_INET6, SOCK_STREAM, 0))
FILTERED(has_netlink_sockets, socket(AF_NETLINK, SOCK_RAW, 0))
FILTERED(asks_a_terminal,
	 ioctl(0, TIOCGWINSZ, &(struct winsize){0}) < 0 && errno == ENOSYS ? -1 : 0)

static void what_it_lives_on_is_left(void **state)
{
	(void)state;
	assert_errno(has_unix_sockets, 0);
	assert_errno(has_inet_sockets, 0);
	assert_errno(has_inet6_sockets, 0);
	assert_errno(has_netlink_sockets, 0);
	assert_errno(asks_a_terminal, 0);
}

static void *nothing(void *arg)
{
	return arg;
}

static int starts_a_thread(void)
{
	pthread_t thread;
	int r = filtered();

	return r ? r : pthread_create(&thread, NULL, nothing, NULL);
}

static int starts_a_program(void)
{
	char shell[] = "sh", option[] = "-c", script[] = "test \"$(echo a | cat)\" = a";
	char *const argv[] = {shell, option, script, NULL};
	pid_t pid;
	int r = filtered(), status;

	if (r == 0)
		r = posix_spawnp(&pid, "sh", NULL, NULL, argv, environ);
	if (r == 0 && waitpid(pid, &status, 0) == pid)
		r = status ? ECHILD : 0;
	return r;
}

static void threads_and_programs_start(void **state)
{
	(void)state;
	assert_errno(starts_a_thread, 0);
	assert_errno(starts_a_program, 0);
}

/* A thread that was there before. */
struct early {
	pthread_barrier_t ready, closed;
	int error;
};

static void *leave_later(void *arg)
{
	struct early *e = arg;

	(void)pthread_barrier_wait(&e->ready);
	(void)pthread_barrier_wait(&e->closed);
	e->error = unshare(CLONE_NEWNET) < 0 ? errno : 0;
	return NULL;
}

static int binds_an_early_thread(void)
{
	struct early e;
	pthread_t thread;
	int r;

	(void)pthread_barrier_init(&e.ready, NULL, 2);
	(void)pthread_barrier_init(&e.closed, NULL, 2);
	if (pthread_create(&thread, NULL, leave_later, &e) != 0)
		return EAGAIN;
	(void)pthread_barrier_wait(&e.ready);
	r = filtered();
	(void)pthread_barrier_wait(&e.closed);
	(void)pthread_join(thread, NULL);
	return r ? r : e.error;
}

static void threads_that_run_already_are_bound(void **state)
{
	(void)state;
	assert_errno(binds_an_early_thread, ENOSYS);
}

/* ---- set-up ---- */

static void put(const char *name)
{
	FILE *f = fopen(path(name), "we");

	assert_non_null(f);
	assert_true(fputs("x\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
	static const char *const folders[] = {"read", "made", "gone"};
	static const char *const files[] = {"read/file", "gone/file", "kept", "other"};

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	for (size_t i = 0; i < FL_ARRAY_SIZE(folders); i++)
		assert_int_equal(mkdir(path(folders[i]), 0700), 0);
	for (size_t i = 0; i < FL_ARRAY_SIZE(files); i++)
		put(files[i]);
	return symlink("read", path("link"));
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command); /* NOLINT(cert-env33-c,concurrency-mt-unsafe): our own folder */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_reached_by_their_rights_alone),
		cmocka_unit_test(nothing_leaves_its_folder),
		cmocka_unit_test(what_is_open_already_stays_open),
		cmocka_unit_test(a_file_may_be_truncated_by_who_writes_it_alone),
		cmocka_unit_test(signals_reach_nobody_else),
		cmocka_unit_test(what_a_kernel_is_taken_over_with_is_not_there),
		cmocka_unit_test(what_it_lives_on_is_left),
		cmocka_unit_test(threads_and_programs_start),
		cmocka_unit_test(threads_that_run_already_are_bound),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
