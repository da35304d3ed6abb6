/* tests/unit/test_pidfile.c - one process per file: who may have it, and what is made of leftovers.
 */
#include "base/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/fl-pidfile-XXXXXX";
static char file[64];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(file, sizeof(file), "%s/pid", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	(void)unlink(file);
	return rmdir(folder); /* fails if anything else was left */
}

static void write_file(const char *text)
{
	FILE *f = fopen(file, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void is_held_until_it_is_closed(void **state)
{
	struct fl_pidfile *p = NULL, *second = NULL;
	pid_t who = 1;

	(void)state;
	assert_int_equal(fl_pidfile_holder(file, &who), -ESRCH);
	assert_int_equal(fl_pidfile_open(file, &who, &p), 0);
	assert_int_equal(fl_pidfile_holder(file, &who), -EAGAIN);
	assert_int_equal(fl_pidfile_open(file, &who, &second), -EBUSY);
	assert_int_equal(who, 0);
	assert_int_equal(fl_pidfile_write(p), 0);
	assert_int_equal(fl_pidfile_holder(file, &who), 0);
	assert_int_equal(who, getpid());
	who = 0;
	assert_int_equal(fl_pidfile_open(file, &who, &second), -EBUSY);
	assert_int_equal(who, getpid());
	assert_null(second);
	fl_pidfile_close(p);
	assert_int_equal(access(file, F_OK), -1);
	assert_int_equal(fl_pidfile_holder(file, &who), -ESRCH);
	fl_pidfile_close(NULL);
}

/* Process 1 always lives: a number alone must not keep anybody out. */
static void takes_over_what_a_crash_has_left(void **state)
{
	static const char *const leftovers[] = {"1\n", "", "garbage", "99999999999999999999999999"};
	struct fl_pidfile *p;
	struct stat st;
	char text[32] = "";
	pid_t who;
	int fd;

	(void)state;
	for (size_t i = 0; i < sizeof(leftovers) / sizeof(*leftovers); i++) {
		write_file(leftovers[i]);
		assert_int_equal(fl_pidfile_holder(file, &who), -ESRCH);
		assert_int_equal(fl_pidfile_open(file, &who, &p), 0);
		assert_int_equal(fl_pidfile_write(p), 0);
		assert_int_equal(stat(file, &st), 0);
		fd = open(file, O_RDONLY | O_CLOEXEC);
		assert_int_equal(read(fd, text, sizeof(text) - 1), st.st_size);
		(void)close(fd);
		assert_int_equal(strtol(text, NULL, 10), getpid());
		assert_string_equal(strchr(text, '\n'), "\n");
		fl_pidfile_close(p);
	}
}

static void goes_to_the_child_of_who_opened_it(void **state)
{
	struct fl_pidfile *p = NULL;
	int ready[2], status;
	char byte;
	pid_t child, who = 0;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(fl_pidfile_open(file, &who, &p), 0);
	child = fork();
	if (child == 0) {
		if (fl_pidfile_write(p) == 0 && write(ready[1], "", 1) == 1)
			(void)pause();
		_exit(1);
	}
	fl_pidfile_leave(p);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(fl_pidfile_holder(file, &who), 0);
	assert_int_equal(who, child);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(fl_pidfile_holder(file, &who), -ESRCH);
	assert_int_equal(access(file, F_OK), 0); /* nobody was left to remove it */
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void is_not_inherited_by_another_program(void **state)
{
	struct fl_pidfile *p = NULL;
	int ready[2], status;
	char byte;
	pid_t child, who;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(fl_pidfile_open(file, &who, &p), 0);
	child = fork();
	if (child == 0) {
		(void)execl("/bin/sleep", "sleep", "60", NULL);
		_exit(1);
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 0); /* execve(2) has closed the other end */
	fl_pidfile_close(p);
	assert_int_equal(fl_pidfile_open(file, &who, &p), 0);
	fl_pidfile_close(p);
	(void)kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	(void)close(ready[0]);
}

static void leaves_alone_what_is_no_file(void **state)
{
	char target[80];
	struct fl_pidfile *p = NULL;
	pid_t who;

	(void)state;
	snprintf(target, sizeof(target), "%s.target", file);
	assert_int_equal(symlink(target, file), 0);
	assert_int_equal(fl_pidfile_open(file, &who, &p), -ENOTSUP);
	assert_int_equal(access(target, F_OK), -1);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_int_equal(fl_pidfile_open(file, &who, &p), -ENOTSUP);
	assert_int_equal(fl_pidfile_holder(file, &who), -ENOTSUP);
	assert_int_equal(fl_pidfile_open(folder, &who, &p), -ENOTSUP);
	assert_int_equal(fl_pidfile_open("/nowhere/pid", &who, &p), -ENOENT);
	assert_null(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(is_held_until_it_is_closed, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(takes_over_what_a_crash_has_left, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(goes_to_the_child_of_who_opened_it, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(is_not_inherited_by_another_program, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(leaves_alone_what_is_no_file, make_folder,
						remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
