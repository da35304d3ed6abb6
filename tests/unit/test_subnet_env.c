/* tests/unit/test_subnet_env.c - subnet.env: its bytes, what is made of garbage, nothing left over.
 */
#include "subnet_env.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/fl-subnet-env-XXXXXX";
static char file[64];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(file, sizeof(file), "%s/subnet.env", folder);
	return 0;
}

static void remove_tree(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	char child[512];

	while (dir && (e = readdir(dir))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, e->d_name);
		if (e->d_type == DT_DIR)
			remove_tree(child);
		else
			unlink(child);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

static int remove_folder(void **state)
{
	(void)state;
	remove_tree(folder);
	return 0;
}

static size_t count_entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2; /* . and .. */
}

static struct fl_prefix prefix(const char *text)
{
	struct fl_prefix p = {0};

	assert_int_equal(fl_prefix_parse(text, &p), 0);
	return p;
}

static struct fl_subnet_env example(void)
{
	return (struct fl_subnet_env){.network = prefix("10.5.0.0/16"),
				      .subnet = prefix("10.5.52.0/24"),
				      .mtu = 1450,
				      .ip_masq = true};
}

static void put(const char *text, size_t len)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static void expect_text(const char *path, const char *wanted)
{
	char text[512];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	assert_string_equal(text, wanted);
}

/* Read @text; network, subnet as text, "none" if the file does not say */
static void expect_read(const char *text, const char *network, const char *subnet, uint32_t mtu,
			bool masq)
{
	struct fl_subnet_env env;
	char buf[FL_PREFIX_STRLEN];

	put(text, strlen(text));
	assert_int_equal(fl_subnet_env_read(file, &env), 0);
	assert_string_equal(fl_prefix_format(&env.network, buf), network);
	assert_string_equal(fl_prefix_format(&env.subnet, buf), subnet);
	assert_int_equal(env.mtu, mtu);
	assert_int_equal(env.ip_masq, masq);
}

#define FULL                                                                                       \
	"FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.52.1/24\nFLANNEL_MTU=1450\n"             \
	"FLANNEL_IPMASQ=true\n"

/* --- writing */

static void writes_flannels_bytes_readable_for_all(void **state)
{
	struct fl_subnet_env env = example();
	mode_t old = umask(077);
	struct stat st;

	(void)state;
	assert_int_equal(fl_subnet_env_write(file, &env), 0);
	umask(old);
	expect_text(file, FULL);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(count_entries(folder), 1);

	env.ip_masq = false;
	env.mtu = 8951;
	env.subnet = prefix("10.5.52.128/30");
	assert_int_equal(fl_subnet_env_write(file, &env), 0);
	expect_text(file, "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.52.129/30\n"
			  "FLANNEL_MTU=8951\nFLANNEL_IPMASQ=false\n");
	assert_int_equal(count_entries(folder), 1);
}

static void reads_back_what_it_wrote(void **state)
{
	struct fl_subnet_env env = example(), back;

	(void)state;
	assert_int_equal(fl_subnet_env_write(file, &env), 0);
	assert_int_equal(fl_subnet_env_read(file, &back), 0);
	assert_true(fl_prefix_equal(&back.network, &env.network));
	assert_true(fl_prefix_equal(&back.subnet, &env.subnet));
	assert_int_equal(back.mtu, 1450);
	assert_true(back.ip_masq);
}

static void leaves_an_equal_file_as_it_is(void **state)
{
	struct fl_subnet_env env = example();
	struct stat before, after;

	(void)state;
	assert_int_equal(fl_subnet_env_write(file, &env), 0);
	assert_int_equal(stat(file, &before), 0);
	assert_int_equal(fl_subnet_env_write(file, &env), 0);
	assert_int_equal(stat(file, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);

	env.mtu++;
	assert_int_equal(fl_subnet_env_write(file, &env), 0);
	assert_int_equal(stat(file, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
}

static void makes_missing_folders(void **state)
{
	struct fl_subnet_env env = example();
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/a//b/c/subnet.env", folder);
	assert_int_equal(fl_subnet_env_write(path, &env), 0);
	expect_text(path, FULL);
}

static void writes_into_the_working_folder(void **state)
{
	struct fl_subnet_env env = example();
	char *old = getcwd(NULL, 0);

	(void)state;
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(fl_subnet_env_write("subnet.env", &env), 0);
	assert_int_equal(chdir(old), 0);
	free(old);
	expect_text(file, FULL);
}

static void leaves_nothing_behind_when_it_fails(void **state)
{
	struct fl_subnet_env env = example();
	char path[128];

	(void)state;
	assert_int_equal(mkdir(file, 0755), 0); /* a folder stands where the file belongs */
	assert_int_equal(fl_subnet_env_write(file, &env), -EISDIR);
	assert_int_equal(count_entries(folder), 1);

	snprintf(path, sizeof(path), "%s/", file);
	assert_int_equal(fl_subnet_env_write(path, &env), -EISDIR);
	assert_int_equal(fl_subnet_env_write("", &env), -EISDIR);
	assert_int_equal(rmdir(file), 0);

	put("x", 1); /* a file stands where a folder belongs */
	snprintf(path, sizeof(path), "%s/subnet.env", file);
	assert_int_equal(fl_subnet_env_write(path, &env), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/deeper/subnet.env", file);
	assert_int_equal(fl_subnet_env_write(path, &env), -ENOTDIR);
	expect_text(file, "x");
	assert_int_equal(count_entries(folder), 1);
}

static void keeps_the_old_file_when_it_has_nothing_to_write(void **state)
{
	struct fl_subnet_env env = example();

	(void)state;
	put("old", 3);
	env.subnet = (struct fl_prefix){0};
	assert_int_equal(fl_subnet_env_write(file, &env), -EINVAL);
	env = example();
	env.network = prefix("fd00::/48");
	assert_int_equal(fl_subnet_env_write(file, &env), -EINVAL);
	expect_text(file, "old");
}

static void replaces_a_symlink_and_not_what_it_points_at(void **state)
{
	struct fl_subnet_env env = example();
	char target[128];
	struct stat st;

	(void)state;
	snprintf(target, sizeof(target), "%s/target", folder);
	put("precious", 8);
	assert_int_equal(rename(file, target), 0);
	assert_int_equal(symlink(target, file), 0);
	assert_int_equal(fl_subnet_env_write(file, &env), 0);
	expect_text(target, "precious");
	expect_text(file, FULL);
	assert_int_equal(lstat(file, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

/* Another process writes one of two texts in turn: every reading is one of them, whole. */
static void never_shows_half_a_file(void **state)
{
	struct fl_subnet_env env = example(), seen;
	pid_t child;
	int status;

	(void)state;
	assert_int_equal(fl_subnet_env_write(file, &env), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		for (int i = 0; i < 300; i++) {
			env.mtu = i % 2 ? 1450 : 8951;
			env.ip_masq = i % 2;
			if (fl_subnet_env_write(file, &env))
				_exit(1);
		}
		_exit(0);
	}
	do {
		assert_int_equal(fl_subnet_env_read(file, &seen), 0);
		assert_true(fl_prefix_equal(&seen.subnet, &env.subnet));
		assert_int_equal(seen.mtu, seen.ip_masq ? 1450 : 8951);
	} while (waitpid(child, &status, WNOHANG) == 0);
	assert_int_equal(status, 0);
	assert_int_equal(count_entries(folder), 1);
}

/* --- reading */

static void reads_files_of_people_and_shells(void **state)
{
	(void)state;
	expect_read(FULL, "10.5.0.0/16", "10.5.52.0/24", 1450, true);
	expect_read("FLANNEL_SUBNET=10.5.52.1/24", "none", "10.5.52.0/24", 0, false);
	expect_read("FLANNEL_NETWORK=10.5.0.0/16\r\nFLANNEL_SUBNET=10.5.52.1/24\r\n"
		    "FLANNEL_MTU=1450\r\nFLANNEL_IPMASQ=true\r\n",
		    "10.5.0.0/16", "10.5.52.0/24", 1450, true);
	expect_read("# a comment\n\n  export\tFLANNEL_SUBNET = \"10.5.52.1/24\" \n"
		    "export FLANNEL_MTU='1450'\nFLANNEL_IPV6_SUBNET=fd00::1/64\n",
		    "none", "10.5.52.0/24", 1450, false);
	expect_read("FLANNEL_SUBNET=10.5.1.1/24\nFLANNEL_SUBNET=10.5.2.1/24\n", "none",
		    "10.5.2.0/24", 0, false);
}

static void passes_over_lines_that_make_no_sense(void **state)
{
	(void)state;
	expect_read("", "none", "none", 0, false);
	expect_read("\n\n=\n==\nFLANNEL_SUBNET\nFLANNEL_SUBNET=\n", "none", "none", 0, false);
	expect_read("FLANNEL_SUBNET=\"\nFLANNEL_MTU='\nFLANNEL_IPMASQ=\"true\n", "none", "none", 0,
		    false);
	expect_read("FLANNEL_SUBNET=10.5.52.1\nFLANNEL_NETWORK=10.5.0.0/33\nFLANNEL_MTU=-1\n"
		    "FLANNEL_IPMASQ=maybe\n",
		    "none", "none", 0, false);
	expect_read("FLANNEL_SUBNET=fd00::1/64\nFLANNEL_MTU=4294967296\n", "none", "none", 0,
		    false);
	expect_read("exportFLANNEL_MTU=1450\nXFLANNEL_MTU=1450\nflannel_mtu=1450\n", "none", "none",
		    0, false);
	expect_read("junk\nFLANNEL_MTU=1450\n\xff\xfe=\x01\n", "none", "none", 1450, false);
}

static void passes_over_a_line_with_a_nul(void **state)
{
	static const char text[] = "FLANNEL_MTU=1450\0\nFLANNEL_SUBNET=10.5.52.1/24\n\0";
	struct fl_subnet_env env;

	(void)state;
	put(text, sizeof(text) - 1);
	assert_int_equal(fl_subnet_env_read(file, &env), 0);
	assert_int_equal(env.mtu, 0);
	assert_true(fl_prefix_is_set(&env.subnet));
}

static void survives_random_bytes(void **state)
{
	struct fl_subnet_env env;
	char text[600];

	(void)state;
	srandom(1);
	for (int round = 0; round < 300; round++) {
		size_t n = (size_t)random() % sizeof(text);

		for (size_t i = 0; i < n; i++)
			text[i] = (char)random();
		/* half of the rounds: a good file with one byte or its end spoiled */
		if (round % 2) {
			n = strlen(FULL) - (size_t)random() % 20;
			memcpy(text, FULL, n);
			text[(size_t)random() % n] = (char)random();
		}
		put(text, n);
		assert_int_equal(fl_subnet_env_read(file, &env), 0);
		assert_true(fl_prefix_is_masked(&env.subnet));
	}
}

static void looks_at_64_kib_and_no_more(void **state)
{
	size_t size = 1u << 20;
	char *text = malloc(size);
	struct fl_subnet_env env;

	(void)state;
	assert_non_null(text);
	memset(text, '\n', size);
	memcpy(text, "FLANNEL_MTU=1450\n", 17);
	memcpy(text + 65536, "FLANNEL_SUBNET=10.5.52.1/24\n", 28);
	put(text, size);
	assert_int_equal(fl_subnet_env_read(file, &env), 0);
	assert_int_equal(env.mtu, 1450);
	assert_false(fl_prefix_is_set(&env.subnet));

	/* "FLANNEL_MTU=14" before the cut, "50" behind it */
	memset(text, '\n', size);
	memcpy(text + 65536 - 14, "FLANNEL_MTU=1450\n", 17);
	put(text, size);
	assert_int_equal(fl_subnet_env_read(file, &env), 0);
	assert_int_equal(env.mtu, 0);

	memset(text, 'x', size);
	put(text, size);
	assert_int_equal(fl_subnet_env_read(file, &env), 0);
	free(text);
}

static void tells_that_there_is_no_file(void **state)
{
	struct fl_subnet_env env, before;

	(void)state;
	memset(&env, 0x5a, sizeof(env));
	before = env;
	assert_int_equal(fl_subnet_env_read(file, &env), -ENOENT);
	assert_int_equal(fl_subnet_env_read(folder, &env), -EISDIR);
	assert_memory_equal(&env, &before, sizeof(env));
}

static void does_not_wait_for_a_fifo(void **state)
{
	struct fl_subnet_env env;

	(void)state;
	assert_int_equal(mkfifo(file, 0600), 0);
	alarm(60); /* a disk that is slow to sync is not what is meant */
	assert_int_equal(fl_subnet_env_read(file, &env), 0);
	assert_false(fl_prefix_is_set(&env.subnet));
	env = example();
	assert_int_equal(fl_subnet_env_write(file, &env), 0);
	alarm(0);
	expect_text(file, FULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

static void tells_what_may_be_written_to(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(fl_subnet_env_check(file), 0); /* nothing there yet */
	assert_int_equal(fl_subnet_env_check("/nowhere/at/all/subnet.env"), 0);
	assert_int_equal(fl_subnet_env_check(folder), -EISDIR);
	assert_int_equal(fl_subnet_env_check("/proc/self/status/subnet.env"), -ENOTDIR);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_int_equal(fl_subnet_env_check(file), -EEXIST);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(symlink(folder, file), 0);
	assert_int_equal(fl_subnet_env_check(file), 0);
	assert_int_equal(unlink(file), 0);
	fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(fl_subnet_env_check(file), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(writes_flannels_bytes_readable_for_all),
		TEST(reads_back_what_it_wrote),
		TEST(leaves_an_equal_file_as_it_is),
		TEST(makes_missing_folders),
		TEST(writes_into_the_working_folder),
		TEST(leaves_nothing_behind_when_it_fails),
		TEST(keeps_the_old_file_when_it_has_nothing_to_write),
		TEST(replaces_a_symlink_and_not_what_it_points_at),
		TEST(never_shows_half_a_file),
		TEST(reads_files_of_people_and_shells),
		TEST(passes_over_lines_that_make_no_sense),
		TEST(passes_over_a_line_with_a_nul),
		TEST(survives_random_bytes),
		TEST(looks_at_64_kib_and_no_more),
		TEST(tells_that_there_is_no_file),
		TEST(does_not_wait_for_a_fifo),
		TEST(tells_what_may_be_written_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
