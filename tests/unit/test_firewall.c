/* tests/unit/test_firewall.c - the course of the child processes that read and write iptables
 * rules, with scripts in the place of iptables. */
#include "firewall_texts.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/defs.h"
#include "firewall.h"

struct bench {
	struct fl_firewall_listener listener;
	struct fl_firewall *fw;
	char dir[32];
	char *path_before;
	bool destroy_in_applied;
	int calls;
	int error;
	char why[600];
};

static void on_applied(struct fl_firewall_listener *l, int error, const char *why)
{
	struct bench *b = fl_container_of(l, struct bench, listener);

	b->calls++;
	b->error = error;
	(void)snprintf(b->why, sizeof(b->why), "%s", why);
	if (b->destroy_in_applied) {
		fl_firewall_destroy(b->fw);
		b->fw = NULL;
	}
	ev_break(EV_DEFAULT_ EVBREAK_ALL);
}

static void write_file(const struct bench *b, const char *name, const char *text)
{
	char path[96];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", b->dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0755), 0);
}

static void assert_file(const struct bench *b, const char *name, const char *expected)
{
	char path[96], text[8192];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", b->dir, name);
	f = fopen(path, "re");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	(void)fclose(f);
	assert_string_equal(text, expected);
}

/* Each script notes its arguments in "log"; iptables-restore keeps its input in "input". */
static void write_tools(const struct bench *b, const char *save, const char *restore)
{
	char script[1024];

	(void)snprintf(script, sizeof(script), "#!/bin/sh\ncd %s\necho save \"$@\" >> log\n%s\n",
		       b->dir, save);
	write_file(b, "iptables-save", script);
	(void)snprintf(script, sizeof(script),
		       "#!/bin/sh\ncd %s\necho restore \"$@\" >> log\ncat > input\n%s\n", b->dir,
		       restore);
	write_file(b, "iptables-restore", script);
	write_file(b, "log", "");
	write_file(b, "input", "");
	write_file(b, "rules", "");
}

static void bench_open(struct bench *b)
{
	const struct fl_firewall_conf conf = {.masq = true, .forward = true, .random_fully = true};
	char *why = NULL, path[512];

	memset(b, 0, sizeof(*b));
	(void)snprintf(b->dir, sizeof(b->dir), "/tmp/test_firewall.XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	b->path_before = strdup(getenv("PATH"));
	assert_non_null(b->path_before);
	(void)snprintf(path, sizeof(path), "%s:/usr/bin:/bin", b->dir);
	(void)setenv("PATH", path, 1);
	write_tools(b, "cat rules", "exit 0");
	b->listener.applied = on_applied;
	assert_int_equal(fl_firewall_create(ev_default_loop(EVFLAG_NOENV), &conf, &b->listener,
					    &b->fw, &why),
			 0);
	assert_null(why);
}

static void bench_close(struct bench *b)
{
	static const char *const names[] = {"iptables-save", "iptables-restore", "log", "input",
					    "rules"};
	char path[96];
	size_t i;

	fl_firewall_destroy(b->fw);
	for (i = 0; i < FL_ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", b->dir, names[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(b->dir), 0);
	(void)setenv("PATH", b->path_before, 1);
	free(b->path_before);
}

static int start_apply(struct bench *b)
{
	struct fl_firewall_want want = wanted(true, true);
	struct fl_prefix subnet;

	/* the address of a container: the subnet is meant */
	assert_int_equal(fl_prefix_parse("10.3.7.1/24", &subnet), 0);
	return fl_firewall_apply(b->fw, &want.network, &subnet);
}

static void apply(struct bench *b)
{
	b->calls = 0;
	assert_int_equal(start_apply(b), 0);
	assert_int_equal(b->calls, 0);
	ev_run(ev_default_loop(EVFLAG_NOENV), 0);
	assert_int_equal(b->calls, 1);
}

#define RESTORED "save\nrestore --noflush --wait\n"

static void first_apply_saves_once_and_restores_once(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	apply(&b);
	assert_int_equal(b.error, 0);
	assert_string_equal(b.why, "");
	assert_file(&b, "log", RESTORED);
	assert_file(&b, "input", WRITE_NAT WRITE_FILTER);
	bench_close(&b);
}

static void second_apply_only_saves(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	write_file(&b, "rules", NFT_HEAD FILTER_RIGHT TAIL NFT_HEAD NAT_RIGHT TAIL);
	apply(&b);
	assert_int_equal(b.error, 0);
	assert_file(&b, "log", "save\n");
	apply(&b);
	assert_int_equal(b.error, 0);
	assert_file(&b, "log", "save\nsave\n");
	bench_close(&b);
}

static void a_later_apply_replaces_one_that_runs(void **state)
{
	struct fl_prefix network, subnet;
	struct bench b;

	(void)state;
	bench_open(&b);
	assert_int_equal(fl_prefix_parse("10.99.0.0/16", &network), 0);
	assert_int_equal(fl_prefix_parse("10.99.1.0/24", &subnet), 0);
	assert_int_equal(fl_firewall_apply(b.fw, &network, &subnet), 0);
	apply(&b);
	assert_int_equal(b.error, 0);
	assert_file(&b, "input", WRITE_NAT WRITE_FILTER);
	ev_run(ev_default_loop(EVFLAG_NOENV), EVRUN_NOWAIT);
	assert_int_equal(b.calls, 1);
	bench_close(&b);
}

static void an_old_iptables_gets_no_random_fully(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	write_file(&b, "rules",
		   "# Generated by iptables-save v1.6.1 on x\n" FILTER_RIGHT NAT_CHAINS COMMIT);
	apply(&b);
	assert_int_equal(b.error, 0);
	assert_file(&b, "log", RESTORED);
	assert_file(&b, "input",
		    "*nat\n" OWN_MASQ MASQ_RULES_OF("10.3.7.0/24", "") INSERT_MASQ COMMIT);
	bench_close(&b);
}

static void a_refused_random_fully_is_left_out_once_and_for_all(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	write_tools(&b, "cat rules",
		    "grep -q random-fully input || exit 0\n"
		    "echo 'iptables-restore v1.4: unknown option \"--random-fully\"' >&2; exit 2");
	apply(&b);
	assert_int_equal(b.error, 0);
	assert_file(&b, "log", RESTORED "restore --noflush --wait\n");
	assert_file(&b, "input",
		    "*nat\n" OWN_MASQ MASQ_RULES_OF("10.3.7.0/24", "")
			    INSERT_MASQ COMMIT WRITE_FILTER);
	write_file(&b, "rules",
		   FILTER_RIGHT NAT_CHAINS OWN_MASQ MASQ_JUMP MASQ_RULES_OF("10.3.7.0/24", "")
			   COMMIT);
	write_file(&b, "log", "");
	apply(&b);
	assert_int_equal(b.error, 0);
	assert_file(&b, "log", "save\n");
	bench_close(&b);
}

static void a_refused_random_fully_may_leave_nothing_to_do(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	write_tools(&b, "cat rules", "echo 'unknown option --random-fully' >&2; exit 2");
	write_file(&b, "rules",
		   FILTER_RIGHT NAT_CHAINS OWN_MASQ MASQ_JUMP MASQ_RULES_OF("10.3.7.0/24", "")
			   COMMIT);
	apply(&b);
	assert_int_equal(b.error, 0);
	assert_file(&b, "log", RESTORED);
	bench_close(&b);
}

static void a_failing_restore_is_told_in_its_own_words(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	write_tools(&b, "cat rules",
		    "echo '# Warning: legacy' >&2; echo >&2; echo 'line 3: no %s luck' >&2; "
		    "echo more >&2; exit 4");
	apply(&b);
	assert_int_equal(b.error, -EIO);
	assert_non_null(strstr(b.why, "/iptables-restore: line 3: no %s luck"));
	assert_null(strchr(b.why, '\n'));
	assert_file(&b, "log", RESTORED);
	write_tools(&b, "cat rules", "exit 4");
	apply(&b);
	assert_int_equal(b.error, -EIO);
	assert_non_null(strstr(b.why, "/iptables-restore: exit status 4"));
	bench_close(&b);
}

static void a_failing_save_restores_nothing(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	write_tools(&b, "echo 'Permission denied' >&2; exit 3", "exit 0");
	apply(&b);
	assert_int_equal(b.error, -EIO);
	assert_non_null(strstr(b.why, "/iptables-save: Permission denied"));
	assert_file(&b, "log", "save\n");
	write_tools(&b, "kill -KILL $$", "exit 0");
	apply(&b);
	assert_int_equal(b.error, -EIO);
	assert_non_null(strstr(b.why, "signal 9"));
	assert_file(&b, "log", "save\n");
	write_tools(&b, "echo '*nat'", "exit 0");
	apply(&b);
	assert_int_equal(b.error, -EBADMSG);
	assert_non_null(strstr(b.why, "no list of rules"));
	assert_file(&b, "log", "save\n");
	bench_close(&b);
}

static void a_vanished_tool_is_an_error(void **state)
{
	struct bench b;
	char path[96];

	(void)state;
	bench_open(&b);
	(void)snprintf(path, sizeof(path), "%s/iptables-restore", b.dir);
	assert_int_equal(unlink(path), 0);
	apply(&b);
	assert_int_equal(b.error, -ENOENT);
	assert_non_null(strstr(b.why, path));
	(void)snprintf(path, sizeof(path), "%s/iptables-save", b.dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(start_apply(&b), -ENOENT);
	bench_close(&b);
}

static void the_listener_may_destroy_it(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	b.destroy_in_applied = true;
	apply(&b);
	assert_int_equal(b.error, 0);
	assert_null(b.fw);
	bench_close(&b);
}

static void destroy_ends_what_runs(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b);
	write_tools(&b, "exec sleep 1000", "exit 0");
	assert_int_equal(start_apply(&b), 0);
	fl_firewall_destroy(b.fw);
	b.fw = NULL;
	ev_run(ev_default_loop(EVFLAG_NOENV), EVRUN_NOWAIT);
	assert_int_equal(b.calls, 0);
	fl_firewall_destroy(NULL);
	bench_close(&b);
}

static int destroy_loop(void **state)
{
	(void)state;
	ev_loop_destroy(ev_default_loop(EVFLAG_NOENV));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_apply_saves_once_and_restores_once),
		cmocka_unit_test(second_apply_only_saves),
		cmocka_unit_test(a_later_apply_replaces_one_that_runs),
		cmocka_unit_test(an_old_iptables_gets_no_random_fully),
		cmocka_unit_test(a_refused_random_fully_is_left_out_once_and_for_all),
		cmocka_unit_test(a_refused_random_fully_may_leave_nothing_to_do),
		cmocka_unit_test(a_failing_restore_is_told_in_its_own_words),
		cmocka_unit_test(a_failing_save_restores_nothing),
		cmocka_unit_test(a_vanished_tool_is_an_error),
		cmocka_unit_test(the_listener_may_destroy_it),
		cmocka_unit_test(destroy_ends_what_runs),
	};

	return cmocka_run_group_tests(tests, NULL, destroy_loop);
}
