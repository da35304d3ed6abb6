/* tests/unit/options_run.c - one parse of a command line and an environment, with what it logged.
 */
#include "options_run.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int catch_stderr(int *saved)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);

	assert_true(fd >= 0);
	*saved = dup(STDERR_FILENO);
	assert_true(*saved >= 0);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	return fd;
}

static void release_stderr(int fd, int saved, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	close(fd);
}

void run(struct run *t, const char *const *args, const char *const *env)
{
	int saved, fd;

	memset(t, 0, sizeof(*t));
	t->argv[t->argc++] = strdup("flanneld");
	for (; *args; args++) {
		assert_true(t->argc < ARGS_MAX);
		t->argv[t->argc++] = strdup(*args);
	}
	fd = catch_stderr(&saved);
	t->error = fl_options_parse(t->argc, t->argv, (char *const *)env, &t->o, &t->why);
	release_stderr(fd, saved, t->log, sizeof(t->log));
}

void done(struct run *t)
{
	fl_options_done(&t->o);
	free(t->why);
	for (int i = 0; i < t->argc; i++)
		free(t->argv[i]);
}

void expect_ok(struct run *t, const char *const *args, const char *const *env)
{
	run(t, args, env);
	if (t->error)
		fail_msg("refused: %s", t->why ? t->why : strerror(-t->error));
	assert_null(t->why);
}

void expect_refusal(const char *const *args, const char *const *env, const char *why)
{
	struct run t;

	run(&t, args, env);
	assert_int_equal(t.error, -EINVAL);
	assert_non_null(t.why);
	assert_string_equal(t.why, why);
	assert_null(strchr(t.why, '\n'));
	done(&t);
}
