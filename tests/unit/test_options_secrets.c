/* tests/unit/test_options_secrets.c - passwords and keys: taken, checked, never shown. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "options_run.h"

static void assert_no_trace(const struct run *t, const char *secret)
{
	for (int i = 0; i < t->argc; i++)
		assert_null(strstr(t->argv[i], secret));
	assert_null(strstr(t->log, secret));
	assert_true(!t->why || !strstr(t->why, secret));
}

static void wipes_a_password_from_the_command_line(void **state)
{
	static const char *const forms[][3] = {
		{"-etcd-password=geheim"},
		{"--etcd-password", "geheim"},
	};
	struct run t;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(forms); i++) {
		size_t last = forms[i][1] ? 2 : 1;

		expect_ok(&t, forms[i], ARGS("FLANNELD_ETCD_USERNAME=u"));
		assert_string_equal(t.o.etcd_password, "geheim");
		assert_no_trace(&t, "geheim");
		/* all of it, not just its first byte */
		assert_memory_equal(t.argv[last] + strlen(t.argv[last]), "\0\0\0\0\0\0\0", 7);
		assert_string_equal(t.log, "");
		done(&t);
	}
	run(&t, ARGS("--etcd-password=geheim", "--ip-masq=x"), NO_ENV);
	assert_int_equal(t.error, -EINVAL);
	assert_no_trace(&t, "geheim");
	done(&t);
}

static void wants_a_user_name_with_a_password(void **state)
{
	(void)state;
	expect_refusal(ARGS("--etcd-password=geheim"), NO_ENV,
		       "--etcd-password: needs --etcd-username, too");
	expect_refusal(ARGS(), ARGS("FLANNELD_ETCD_PASSWORD=geheim"),
		       "FLANNELD_ETCD_PASSWORD: needs --etcd-username, too");
	expect_refusal(ARGS("--etcd-password-file=/x"), NO_ENV,
		       "--etcd-password-file=/x: needs --etcd-username, too");
}

static void make_file(char path[32], const char *bytes, size_t len, mode_t mode)
{
	int fd;

	strcpy(path, "/tmp/fl-options-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void reads_a_password_file(void **state)
{
	static const struct {
		const char *text, *password;
	} files[] = {
		{"geheim\n", "geheim"},
		{"geheim", "geheim"},
		{"geheim\r\nmore\n", "geheim"},
		{" ge heim \n\n", " ge heim "},
	};
	char path[32];
	struct run t;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(files); i++) {
		make_file(path, files[i].text, strlen(files[i].text), 0600);
		expect_ok(&t, ARGS("--etcd-username=u", "--etcd-password-file", path), NO_ENV);
		assert_string_equal(t.o.etcd_password, files[i].password);
		assert_string_equal(t.log, "");
		done(&t);
		unlink(path);
	}
}

static void refuse_file(const char *bytes, size_t len, const char *rule)
{
	char path[32], arg[64], why[128];

	make_file(path, bytes, len, 0600);
	snprintf(arg, sizeof(arg), "--etcd-password-file=%s", path);
	snprintf(why, sizeof(why), "%s: %s", arg, rule);
	expect_refusal(ARGS("--etcd-username=u", arg), NO_ENV, why);
	unlink(path);
}

static void refuses_a_password_file_without_a_password(void **state)
{
	char text[1024];
	char path[32];
	struct run t;

	(void)state;
	refuse_file("", 0, "its first line must be the password");
	refuse_file("\nx\n", 3, "its first line must be the password");
	refuse_file("\r\n", 2, "its first line must be the password");
	refuse_file("a\0b\n", 4, "its first line must be the password");
	memset(text, 'x', sizeof(text));
	refuse_file(text, 1024, "its first line is too long");
	text[1023] = '\n';
	make_file(path, text, sizeof(text), 0600);
	expect_ok(&t, ARGS("--etcd-username=u", "--etcd-password-file", path), NO_ENV);
	assert_int_equal(strlen(t.o.etcd_password), 1023);
	done(&t);
	unlink(path);
	expect_refusal(ARGS("--etcd-username=u", "--etcd-password-file=/nonexistent/pw"), NO_ENV,
		       "--etcd-password-file=/nonexistent/pw: No such file or directory");
	expect_refusal(ARGS("--etcd-username=u", "--etcd-password-file=/"), NO_ENV,
		       "--etcd-password-file=/: Is a directory");
}

static void warns_of_a_password_file_that_everybody_can_read(void **state)
{
	char path[32];
	struct run t;

	(void)state;
	make_file(path, "geheim\n", 7, 0644);
	expect_ok(&t, ARGS("--etcd-username=u", "--etcd-password-file", path), NO_ENV);
	assert_non_null(strstr(t.log, path));
	assert_non_null(strstr(t.log, "every user can read the password"));
	assert_no_trace(&t, "geheim");
	done(&t);
	unlink(path);
}

static void refuses_two_passwords_of_one_origin(void **state)
{
	(void)state;
	expect_refusal(
		ARGS("--etcd-username=u", "--etcd-password-file=/x", "--etcd-password=geheim"),
		NO_ENV,
		"--etcd-password-file=/x: must not be given together with a password "
		"(--etcd-password or FLANNELD_ETCD_PASSWORD)");
	expect_refusal(ARGS("--etcd-username=u"),
		       ARGS("FLANNELD_ETCD_PASSWORD=geheim", "FLANNELD_ETCD_PASSWORD_FILE=/x"),
		       "FLANNELD_ETCD_PASSWORD_FILE=/x: must not be given together with a password "
		       "(--etcd-password or FLANNELD_ETCD_PASSWORD)");
}

static void lets_a_password_of_the_command_line_win_in_either_form(void **state)
{
	char path[32];
	struct run t;

	(void)state;
	make_file(path, "new\n", 4, 0600);
	expect_ok(&t, ARGS("--etcd-username=u", "--etcd-password-file", path),
		  ARGS("FLANNELD_ETCD_PASSWORD=old"));
	assert_string_equal(t.o.etcd_password, "new");
	done(&t);
	unlink(path);
	expect_ok(&t, ARGS("--etcd-username=u", "--etcd-password=new"),
		  ARGS("FLANNELD_ETCD_PASSWORD_FILE=/nonexistent"));
	assert_string_equal(t.o.etcd_password, "new");
	assert_string_equal(t.o.etcd_password_file, "");
	done(&t);
	/* the one that loses must not make up for the one that fails */
	expect_refusal(ARGS("--etcd-username=u", "--etcd-password-file=/nonexistent"),
		       ARGS("FLANNELD_ETCD_PASSWORD=old"),
		       "--etcd-password-file=/nonexistent: No such file or directory");
}

static void leaves_the_password_file_alone_where_no_etcd_is_asked(void **state)
{
	const char *const *env =
		ARGS("FLANNELD_ETCD_PASSWORD_FILE=/nonexistent", "FLANNELD_ETCD_USERNAME=u");
	struct run t;

	(void)state;
	expect_ok(&t, ARGS("--check-config=-"), env);
	assert_string_equal(t.o.check_config, "-");
	done(&t);
	expect_ok(&t, ARGS("--check"), env);
	assert_true(t.o.check);
	done(&t);
}

static void wants_certificate_and_key_together(void **state)
{
	struct run t;

	(void)state;
	expect_refusal(ARGS("--etcd-certfile=c.pem"), NO_ENV,
		       "--etcd-certfile=c.pem: needs --etcd-keyfile, too");
	expect_refusal(ARGS("--etcd-certfile="), ARGS("FLANNELD_ETCD_KEYFILE=k.pem"),
		       "FLANNELD_ETCD_KEYFILE=k.pem: needs --etcd-certfile, too");
	expect_ok(&t, ARGS("--etcd-certfile=c.pem", "--etcd-keyfile=k.pem"), NO_ENV);
	done(&t);
	expect_ok(&t, ARGS("--etcd-cafile=ca.pem"), NO_ENV);
	done(&t);
}

static void never_shows_a_password_in_an_endpoint(void **state)
{
	(void)state;
	expect_refusal(ARGS("--etcd-endpoints=http://root:geheim@a:2379"), NO_ENV,
		       "--etcd-endpoints: a URL must not hold a user name or password; use "
		       "--etcd-username and --etcd-password-file");
	expect_refusal(ARGS("--etcd-endpoints=x,http://root:geheim@a:2379"), NO_ENV,
		       "--etcd-endpoints: \"x\" must be http://HOST:PORT or https://HOST:PORT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_shows_a_password_in_an_endpoint),
		cmocka_unit_test(wipes_a_password_from_the_command_line),
		cmocka_unit_test(wants_a_user_name_with_a_password),
		cmocka_unit_test(reads_a_password_file),
		cmocka_unit_test(refuses_a_password_file_without_a_password),
		cmocka_unit_test(warns_of_a_password_file_that_everybody_can_read),
		cmocka_unit_test(refuses_two_passwords_of_one_origin),
		cmocka_unit_test(lets_a_password_of_the_command_line_win_in_either_form),
		cmocka_unit_test(leaves_the_password_file_alone_where_no_etcd_is_asked),
		cmocka_unit_test(wants_certificate_and_key_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
