/* tests/unit/test_loader.c - which .so is taken as a backend, and why others are not (X1). */
#include "loader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
	char path[64]; /* /tmp/..., mode 0700; /tmp is sticky, so its parents are fine */
	char file[128];
};

static int setup(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->path, "/tmp/test-loader.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	*state = f;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct folder *f = *state;

	(void)nftw(f->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static const char *in(struct folder *f, const char *name)
{
	snprintf(f->file, sizeof(f->file), "%s/%s", f->path, name);
	return f->file;
}

/* Copy a module that was built for this test; "" as its name: an empty file. */
static void put(struct folder *f, const char *module, const char *name)
{
	char from[PATH_MAX], bytes[4096];
	size_t n;
	FILE *src, *dst;
	int fd = open(in(f, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	dst = fdopen(fd, "w");
	assert_non_null(dst);
	if (module[0]) {
		snprintf(from, sizeof(from), "%s/%s.so", TEST_MODULE_DIR, module);
		src = fopen(from, "re");
		assert_non_null(src);
		while ((n = fread(bytes, 1, sizeof(bytes), src)) > 0)
			assert_int_equal(fwrite(bytes, 1, n, dst), n);
		fclose(src);
	}
	assert_int_equal(fclose(dst), 0);
}

static void write_text(struct folder *f, const char *name, const char *text)
{
	FILE *dst;

	put(f, "", name);
	dst = fopen(f->file, "we");
	assert_non_null(dst);
	assert_true(fputs(text, dst) >= 0);
	assert_int_equal(fclose(dst), 0);
}

static void takes(const char *dir, const char *type)
{
	struct fl_module *m = NULL;
	char *why = NULL;

	if (fl_loader_load(dir, type, &m, &why) < 0)
		fail_msg("%s: %s", type, why);
	assert_string_equal(fl_module_ops(m)->name, type);
	assert_null(why);
	fl_loader_unload(m);
}

static void refuses(const char *dir, const char *type, int error, const char *reason)
{
	struct fl_module *m = NULL;
	char *why = NULL;

	assert_int_equal(fl_loader_load(dir, type, &m, &why), error);
	assert_null(m);
	assert_non_null(why);
	if (!strstr(why, reason))
		fail_msg("\"%s\" does not say \"%s\"", why, reason);
	assert_null(strchr(why, '\n'));
	assert_true(strlen(why) < 1000);
	free(why);
}

static void knows_good_names(void **state)
{
	(void)state;
	assert_true(fl_loader_name_ok("vxlan"));
	assert_true(fl_loader_name_ok("host-gw"));
	assert_true(fl_loader_name_ok("4in6"));
	assert_true(fl_loader_name_ok("x"));
	assert_true(fl_loader_name_ok("abcdefghijklmnopqrstuvwxyz012345"));
}

static void knows_bad_names(void **state)
{
	static const char *const bad[] = {
		"",	    "-x",	"VXLAN",     "vx lan",
		"vxlan.so", "../vxlan", "/etc/x",    "vx/lan",
		"vxlan\n",  "v_x",	"v\xc3\xa4", "%s%n",
		"$(id)",    ".",	"..",	     "abcdefghijklmnopqrstuvwxyz0123456",
	};
	size_t i;

	(void)state;
	for (i = 0; i < FL_ARRAY_SIZE(bad); i++)
		assert_false(fl_loader_name_ok(bad[i]));
}

static void refuses_a_bad_name_with_its_text_escaped_and_cut(void **state)
{
	struct folder *f = *state;
	char name[4001];

	refuses(f->path, "../../tmp/x", -EINVAL, "\"../../tmp/x\" is refused");
	refuses(f->path, "a\nb \"%s", -EINVAL, "\"a\\x0ab\\x20\\x22%s\" is refused");
	refuses(f->path, "", -EINVAL, "\"\" is refused");
	memset(name, '\n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	refuses(f->path, name, -EINVAL, "\\x0a...\" is refused");
}

static void loads_a_good_module(void **state)
{
	struct folder *f = *state;

	put(f, "good", "good.so");
	takes(f->path, "good");
	takes(f->path, "good");
}

static void unloading_nothing_is_fine(void **state)
{
	(void)state;
	fl_loader_unload(NULL);
}

static void a_missing_type_is_answered_with_those_that_are_there(void **state)
{
	struct folder *f = *state;

	refuses(f->path, "vxlan", -ENOENT, "there is none at all");
	put(f, "", "udp.so");
	put(f, "", "host-gw.so");
	put(f, "", "README");
	put(f, "", "BAD.so");
	put(f, "", ".so");
	refuses(f->path, "vxlan", -ENOENT, "there are: host-gw, udp");
}

static void a_long_list_of_types_is_cut(void **state)
{
	struct folder *f = *state;
	char name[40];
	int i;

	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "a-rather-long-name-%03d.so", i);
		put(f, "", name);
	}
	refuses(f->path, "vxlan", -ENOENT, " ...");
}

static void refuses_a_folder_that_is_not_there(void **state)
{
	struct folder *f = *state;

	refuses(in(f, "nowhere"), "good", -ENOENT, "nowhere");
}

static void refuses_a_file_that_others_may_write(void **state)
{
	struct folder *f = *state;

	put(f, "good", "good.so");
	assert_int_equal(chmod(in(f, "good.so"), 0666), 0);
	refuses(f->path, "good", -EPERM, "good.so has mode 0666");
	assert_int_equal(chmod(in(f, "good.so"), 0664), 0);
	refuses(f->path, "good", -EPERM, "good.so has mode 0664");
}

static void refuses_a_folder_that_others_may_write(void **state)
{
	struct folder *f = *state;

	put(f, "good", "good.so");
	assert_int_equal(chmod(f->path, 0777), 0);
	refuses(f->path, "good", -EPERM, "has mode 0777");
	assert_int_equal(chmod(f->path, 0775), 0);
	refuses(f->path, "good", -EPERM, "has mode 0775");
	assert_int_equal(chmod(f->path, 01777), 0); /* sticky: anybody may put a file there */
	refuses(f->path, "good", -EPERM, "has mode 1777");
	assert_int_equal(chmod(f->path, 0755), 0);
	takes(f->path, "good");
}

static void refuses_a_parent_folder_that_others_may_write(void **state)
{
	struct folder *f = *state;
	char sub[160];

	assert_int_equal(mkdir(in(f, "sub"), 0755), 0);
	strcpy(sub, f->file);
	put(f, "good", "sub/good.so");
	takes(sub, "good");
	assert_int_equal(chmod(f->path, 0777), 0);
	refuses(sub, "good", -EPERM, "has mode 0777");
}

static void refuses_what_belongs_to_somebody_else(void **state)
{
	struct folder *f = *state;

	if (geteuid() != 0)
		skip(); /* only root can give files away */
	put(f, "good", "good.so");
	assert_int_equal(chown(in(f, "good.so"), 12345, 12345), 0);
	refuses(f->path, "good", -EPERM, "belongs to user 12345");
	assert_int_equal(chown(in(f, "good.so"), 0, 0), 0);
	assert_int_equal(chown(f->path, 12345, 12345), 0);
	refuses(f->path, "good", -EPERM, "belongs to user 12345");
}

static void a_symlink_may_not_lead_out_of_the_folder(void **state)
{
	struct folder *f = *state;
	char sub[160], target[160];

	put(f, "good", "good.so");
	strcpy(target, in(f, "good.so"));
	assert_int_equal(mkdir(in(f, "sub"), 0755), 0);
	strcpy(sub, f->file);
	assert_int_equal(symlink(target, in(f, "sub/good.so")), 0);
	refuses(sub, "good", -EPERM, "out of its folder");
	assert_int_equal(symlink("sub/real.so", in(f, "deep.so")), 0);
	put(f, "good", "sub/real.so");
	refuses(f->path, "deep", -EPERM, "out of its folder");
}

static void a_symlink_within_the_folder_is_followed(void **state)
{
	struct folder *f = *state;

	put(f, "good", "good-1.so");
	assert_int_equal(symlink("good-1.so", in(f, "good.so")), 0);
	takes(f->path, "good");
}

static void a_folder_that_is_a_symlink_is_judged_by_where_it_leads(void **state)
{
	struct folder *f = *state;
	char link[160];

	assert_int_equal(mkdir(in(f, "real"), 0755), 0);
	put(f, "good", "real/good.so");
	assert_int_equal(symlink("real", in(f, "link")), 0);
	strcpy(link, f->file);
	takes(link, "good");
	assert_int_equal(chmod(in(f, "real"), 0777), 0);
	refuses(link, "good", -EPERM, "real has mode 0777");
}

static void a_dangling_symlink_is_refused(void **state)
{
	struct folder *f = *state;

	assert_int_equal(symlink("nowhere.so", in(f, "good.so")), 0);
	refuses(f->path, "good", -ENOENT, "good.so");
}

static void refuses_what_is_no_regular_file(void **state)
{
	struct folder *f = *state;

	assert_int_equal(mkdir(in(f, "good.so"), 0755), 0);
	refuses(f->path, "good", -ELIBBAD, "not a regular file");
	assert_int_equal(mkfifo(in(f, "pipe.so"), 0644), 0);
	refuses(f->path, "pipe", -ELIBBAD, "not a regular file");
}

static void refuses_what_cannot_be_loaded(void **state)
{
	struct folder *f = *state;

	put(f, "", "empty.so");
	refuses(f->path, "empty", -ELIBBAD, "cannot be loaded");
	write_text(f, "script.so", "#!/bin/sh\n");
	refuses(f->path, "script", -ELIBBAD, "cannot be loaded");
	put(f, "good", "cut.so");
	assert_int_equal(truncate(in(f, "cut.so"), 200), 0);
	refuses(f->path, "cut", -ELIBBAD, "cannot be loaded");
}

static void refuses_what_needs_a_function_that_nobody_has(void **state)
{
	struct folder *f = *state;

	put(f, "unresolved", "unresolved.so");
	refuses(f->path, "unresolved", -ELIBBAD, "fl_no_such_function");
}

static void refuses_what_is_no_backend(void **state)
{
	struct folder *f = *state;

	put(f, "no_symbol", "none.so");
	refuses(f->path, "none", -ELIBBAD, "no symbol fl_backend_ops");
}

static void refuses_another_abi_before_it_reads_on(void **state)
{
	struct folder *f = *state;

	put(f, "bad_abi", "good.so");
	refuses(f->path, "good", -ELIBBAD, "is built for backend ABI ");
}

static void refuses_a_name_that_is_not_the_files(void **state)
{
	struct folder *f = *state;

	put(f, "bad_name", "good.so");
	refuses(f->path, "good", -ELIBBAD, "calls itself \"another\", must be \"good\"");
}

static void refuses_a_table_with_a_hole(void **state)
{
	struct folder *f = *state;

	put(f, "half_table", "half.so");
	refuses(f->path, "half", -ELIBBAD, "lacks the member rows");
}

static void refuses_half_of_a_pair(void **state)
{
	struct folder *f = *state;

	put(f, "half_pair", "pair.so");
	refuses(f->path, "pair", -ELIBBAD, "lacks the member peer_del");
}

static void refuses_flags_that_it_does_not_know(void **state)
{
	struct folder *f = *state;

	put(f, "unknown_flags", "flags.so");
	refuses(f->path, "flags", -ELIBBAD, "unknown flags (0x40000000)");
}

/* ---- the list ---- */

struct listing {
	char *out;
	char *errors;
	int result;
};

static struct listing list(const char *dir)
{
	struct listing l = {0};
	size_t n_out, n_errors;
	FILE *out = open_memstream(&l.out, &n_out), *errors = open_memstream(&l.errors, &n_errors);

	assert_true(out && errors);
	l.result = fl_loader_list(dir, out, errors);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(fclose(errors), 0);
	return l;
}

static void listing_done(struct listing *l)
{
	free(l->out);
	free(l->errors);
}

static void a_list_has_type_abi_description_and_file(void **state)
{
	struct folder *f = *state;
	struct listing l;
	char line[256];

	put(f, "good", "good.so");
	l = list(f->path);
	snprintf(line, sizeof(line), "good         %u  taken  (%s)\n", FL_BACKEND_ABI, f->file);
	assert_string_equal(l.out, line);
	assert_string_equal(l.errors, "");
	assert_int_equal(l.result, 0);
	listing_done(&l);
}

static void a_list_goes_on_behind_a_bad_one(void **state)
{
	struct folder *f = *state;
	struct listing l;

	put(f, "bad_abi", "another.so");
	put(f, "good", "good.so");
	put(f, "half_table", "half.so");
	put(f, "", "Not-A-Type.so");
	l = list(f->path);
	assert_int_equal(l.result, -ELIBBAD);
	assert_memory_equal(l.out, "good ", 5);
	assert_int_equal(strchr(l.out, '\n') + 1 - l.out, strlen(l.out));
	assert_memory_equal(l.errors, "another: ", 9);
	assert_non_null(strstr(l.errors, "is built for backend ABI"));
	assert_non_null(strstr(l.errors, "\nhalf: "));
	assert_null(strstr(l.errors, "Not-A-Type"));
	listing_done(&l);
}

static void a_list_of_nothing_is_empty(void **state)
{
	struct folder *f = *state;
	struct listing l = list(f->path);

	assert_int_equal(l.result, 0);
	assert_string_equal(l.out, "");
	assert_string_equal(l.errors, "");
	listing_done(&l);
	l = list(in(f, "nowhere"));
	assert_int_equal(l.result, -ENOENT);
	listing_done(&l);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(knows_good_names),
		TEST(knows_bad_names),
		TEST(refuses_a_bad_name_with_its_text_escaped_and_cut),
		TEST(loads_a_good_module),
		TEST(unloading_nothing_is_fine),
		TEST(a_missing_type_is_answered_with_those_that_are_there),
		TEST(a_long_list_of_types_is_cut),
		TEST(refuses_a_folder_that_is_not_there),
		TEST(refuses_a_file_that_others_may_write),
		TEST(refuses_a_folder_that_others_may_write),
		TEST(refuses_a_parent_folder_that_others_may_write),
		TEST(refuses_what_belongs_to_somebody_else),
		TEST(a_symlink_may_not_lead_out_of_the_folder),
		TEST(a_symlink_within_the_folder_is_followed),
		TEST(a_folder_that_is_a_symlink_is_judged_by_where_it_leads),
		TEST(a_dangling_symlink_is_refused),
		TEST(refuses_what_is_no_regular_file),
		TEST(refuses_what_cannot_be_loaded),
		TEST(refuses_what_is_no_backend),
		TEST(refuses_another_abi_before_it_reads_on),
		TEST(refuses_a_name_that_is_not_the_files),
		TEST(refuses_a_table_with_a_hole),
		TEST(refuses_what_needs_a_function_that_nobody_has),
		TEST(refuses_half_of_a_pair),
		TEST(refuses_flags_that_it_does_not_know),
		TEST(a_list_has_type_abi_description_and_file),
		TEST(a_list_goes_on_behind_a_bad_one),
		TEST(a_list_of_nothing_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
