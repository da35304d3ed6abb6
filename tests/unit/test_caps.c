/* tests/unit/test_caps.c - who --user names. What becomes of the process: tests/system. */
#include "base/caps.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct fl_user user;
static const char *why;

static void a_name_has_its_own_group(void **state)
{
	(void)state;
	assert_int_equal(fl_user_parse("root", &user, &why), 0);
	assert_int_equal(user.uid, 0);
	assert_int_equal(user.gid, 0);
	assert_true(user.known);
	assert_string_equal(user.name, "root");
}

static void a_group_replaces_it(void **state)
{
	(void)state;
	assert_int_equal(fl_user_parse("root:4711", &user, &why), 0);
	assert_int_equal(user.uid, 0);
	assert_int_equal(user.gid, 4711);
}

static void a_number_may_be_nobodys(void **state)
{
	(void)state;
	assert_int_equal(fl_user_parse("0", &user, &why), 0);
	assert_string_equal(user.name, "root");
	assert_int_equal(fl_user_parse("4294967294", &user, &why), 0);
	assert_int_equal(user.uid, 4294967294u);
	assert_int_equal(user.gid, 4294967294u);
	assert_false(user.known);
	assert_string_equal(user.name, "4294967294");
	/* -1 means "as it is" to setresuid(2): a user that stays root */
	assert_int_equal(fl_user_parse("4294967295", &user, &why), -ENOENT);
	assert_int_equal(fl_user_parse("-1", &user, &why), -ENOENT);
	assert_int_equal(fl_user_parse("root:4294967295", &user, &why), -ENOENT);
}

static void what_is_wrong_is_said(void **state)
{
	char name[100];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(fl_user_parse("no-such-user", &user, &why), -ENOENT);
	assert_string_equal(why, "there is no such user");
	assert_int_equal(fl_user_parse("root:no-such-group", &user, &why), -ENOENT);
	assert_string_equal(why, "there is no such group");
	assert_int_equal(fl_user_parse("", &user, &why), -EINVAL);
	assert_int_equal(fl_user_parse(":root", &user, &why), -EINVAL);
	assert_int_equal(fl_user_parse("root:", &user, &why), -EINVAL);
	assert_int_equal(fl_user_parse(name, &user, &why), -EINVAL);
	assert_string_equal(why, "must be NAME or NAME:GROUP");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_its_own_group),
		cmocka_unit_test(a_group_replaces_it),
		cmocka_unit_test(a_number_may_be_nobodys),
		cmocka_unit_test(what_is_wrong_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
