/* tests/unit/test_file_store.c - network config and leases from a file: what is told, and what
 * happens as it changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_texts.h"
#include "store_run.h"

/* ---- helpers ---- */

static char folder[64], path[128], url[160];
static struct fl_store_conf conf;

static int setup_file(void **state)
{
	(void)snprintf(folder, sizeof(folder), "/tmp/fl-file-store-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/network.json", folder);
	(void)snprintf(url, sizeof(url), "file://%s", path);
	conf = (struct fl_store_conf){.url = url};
	return setup(state);
}

static int teardown_file(void **state)
{
	int r = teardown(state);

	(void)unlink(path);
	(void)chmod(folder, 0700);
	return rmdir(folder) == 0 ? r : -1;
}

static void write_in_place(const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
	told.log[0] = '\0';
}

static void replace(const char *text)
{
	char temporary[160], kept[128];

	(void)snprintf(temporary, sizeof(temporary), "%s.new", path);
	memcpy(kept, path, sizeof(kept));
	memcpy(path, temporary, sizeof(path));
	write_in_place(text);
	memcpy(path, kept, sizeof(path));
	assert_int_equal(rename(temporary, path), 0);
}

static void begin_file(void)
{
	char *why = NULL;

	assert_int_equal(fl_store_create(fake.loop, &conf, &listener, &told.store, &why), 0);
	assert_int_equal(fl_store_fetch_config(told.store), 0);
	assert_string_equal(told.log, "");
	assert_string_equal(told.status, "");
}

static void the_lease_of_our_address_is_ours_and_the_rest_are_the_others(void **state)
{
	(void)state;
	write_in_place(FILE_OF(SECOND "," OURS "," THIRD));
	begin_file();
	run_until("end;");
	assert_string_equal(told.log, "acquired 10.5.1.0/24 for ever;begin;peer 10.5.2.0/24;peer "
				      "10.5.3.0/24;end;");
	assert_true(fl_store_by_hand(told.store));
	assert_string_equal(fl_store_config_name(told.store), url);
}

static void the_lease_that_the_operator_names_is_ours_whatever_its_address(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.3.0/24", &conf.subnet);
	write_in_place(FILE_OF(SECOND "," THIRD));
	begin_file();
	run_until("end;");
	assert_string_equal(told.log, "acquired 10.5.3.0/24 for ever;begin;peer 10.5.2.0/24;end;");
}

static void of_two_leases_of_our_address_the_previous_one_is_taken(void **state)
{
	(void)state;
	(void)fl_prefix_parse("10.5.9.0/24", &told.previous);
	write_in_place(
		FILE_OF(OURS ",{\"Subnet\":\"10.5.9.0/24\",\"PublicIP\":\"192.168.0.1\"}," SECOND));
	begin_file();
	run_until("end;");
	assert_string_equal(told.log, "acquired 10.5.9.0/24 for ever;begin;peer 10.5.2.0/24;end;");
}

static void assert_waits(const char *leases, const char *status)
{
	char text[512];

	(void)snprintf(text, sizeof(text), FILE_OF("%s"), leases);
	write_in_place(text);
	begin_file();
	run_for(0.1);
	assert_string_equal(told.log, "");
	assert_non_null(strstr(told.status, status));
	replace(FILE_OF(OURS));
	run_until("end;");
	assert_string_equal(told.log, "acquired 10.5.1.0/24 for ever;begin;end;");
	assert_string_equal(told.status, "");
}

static void a_file_without_our_lease_is_waited_out(void **state)
{
	(void)state;
	assert_waits(SECOND, "no lease with the PublicIP 192.168.0.1");
}

static void a_lease_that_the_config_forbids_is_not_taken(void **state)
{
	(void)state;
	assert_waits("{\"Subnet\":\"10.6.1.0/24\",\"PublicIP\":\"192.168.0.1\"}",
		     "the network config does not allow it");
}

static void a_lease_of_another_backend_is_not_taken(void **state)
{
	(void)state;
	assert_waits("{\"Subnet\":\"10.5.1.0/24\",\"PublicIP\":\"192.168.0.1\",\"BackendType\":"
		     "\"udp\"}",
		     "its BackendType is udp");
}

static void a_lease_that_holds_our_own_address_is_not_taken(void **state)
{
	(void)state;
	(void)fl_addr_parse("10.5.8.9", &told.underlay);
	assert_waits("{\"Subnet\":\"10.5.8.0/24\",\"PublicIP\":\"192.168.0.1\"}",
		     "this host's own address 10.5.8.9");
}

static void a_file_that_is_not_there_is_waited_for(void **state)
{
	(void)state;
	begin_file();
	run_for(0.1);
	assert_non_null(strstr(told.status, "No such file"));
	write_in_place("{");
	run_for(0.2);
	assert_non_null(strstr(told.status, "not JSON"));
	replace(FILE_OF(OURS));
	run_until("end;");
	assert_string_equal(told.status, "");
}

static void the_folder_may_come_later(void **state)
{
	char deep[160];

	(void)state;
	(void)snprintf(path + strlen(path), sizeof(path) - strlen(path), ".d/deep/n.json");
	(void)snprintf(url, sizeof(url), "file://%s", path);
	begin_file();
	run_for(0.1);
	(void)snprintf(deep, sizeof(deep), "%s/network.json.d", folder);
	assert_int_equal(mkdir(deep, 0755), 0);
	run_for(0.1);
	(void)strcat(deep, "/deep");
	assert_int_equal(mkdir(deep, 0755), 0);
	run_for(0.1);
	write_in_place(FILE_OF(OURS));
	run_until("end;");
	(void)unlink(path);
	(void)rmdir(deep);
	*strrchr(deep, '/') = '\0';
	(void)rmdir(deep);
}

static void a_symlink_that_leads_elsewhere_is_followed(void **state)
{
	char one[128], two[128], link[128];

	(void)state;
	(void)snprintf(one, sizeof(one), "%s/one", folder);
	(void)snprintf(two, sizeof(two), "%s/two", folder);
	(void)snprintf(link, sizeof(link), "%s/link", folder);
	memcpy(path, one, sizeof(path));
	write_in_place(FILE_OF(OURS));
	memcpy(path, two, sizeof(path));
	write_in_place(FILE_OF(OURS "," SECOND));
	(void)snprintf(path, sizeof(path), "%s/network.json", folder);
	assert_int_equal(symlink("one", path), 0);
	begin_file();
	run_until("end;");
	told.log[0] = '\0';
	assert_int_equal(symlink("two", link), 0);
	assert_int_equal(rename(link, path), 0);
	run_until("end;");
	assert_string_equal(told.log, "begin;peer 10.5.2.0/24;end;");
	(void)unlink(one);
	(void)unlink(two);
}

static void joined(const char *text)
{
	write_in_place(text);
	begin_file();
	run_until("end;");
	told.log[0] = '\0';
}

static void a_change_in_place_and_one_by_rename_are_told_whole(void **state)
{
	(void)state;
	joined(FILE_OF(OURS));
	write_in_place(FILE_OF(OURS "," SECOND));
	run_until("end;");
	assert_string_equal(told.log, "begin;peer 10.5.2.0/24;end;");
	replace(FILE_OF(OURS "," THIRD));
	run_until("end;");
	assert_string_equal(told.log, "begin;peer 10.5.3.0/24;end;");
}

static void what_a_bad_file_said_before_stays(void **state)
{
	static const char *const bad[] = {"",
					  "{",
					  "{}",
					  "null",
					  "{" CONFIG "}",
					  "{\"Network\":\"10.5.0.0/33\",\"Leases\":[]}"};

	(void)state;
	joined(FILE_OF(OURS "," SECOND));
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		write_in_place(bad[i]);
		run_for(0.15);
		assert_string_equal(told.log, "");
		assert_non_null(strstr(told.status, path));
	}
	assert_int_equal(unlink(path), 0);
	run_for(0.15);
	assert_string_equal(told.log, "");
	replace(FILE_OF(OURS "," SECOND));
	run_until("end;");
	assert_string_equal(told.log, "begin;peer 10.5.2.0/24;end;");
	assert_string_equal(told.status, "");
}

static void what_is_known_of_a_bad_entry_stays(void **state)
{
	(void)state;
	joined(FILE_OF(OURS "," SECOND));
	replace(FILE_OF(OURS ",{\"Subnet\":\"10.5.2.0/24\",\"PublicIP\":7}," THIRD));
	run_until("end;");
	assert_string_equal(told.log, "begin;unreadable 10.5.2.0/24;peer 10.5.3.0/24;end;");
}

static void nothing_counts_as_removed_beside_an_entry_that_may_be_any(void **state)
{
	(void)state;
	joined(FILE_OF(OURS "," SECOND "," THIRD));
	replace(FILE_OF(OURS ",{\"Subnet\":\"10.5.2.0/2y\",\"PublicIP\":\"192.168.0.2\"}," THIRD));
	run_until("abort;");
	assert_string_equal(told.log, "begin;peer 10.5.3.0/24;abort;");
}

static void our_lease_under_another_subnet_is_lost(void **state)
{
	(void)state;
	joined(FILE_OF(OURS));
	replace(FILE_OF("{\"Subnet\":\"10.5.7.0/24\",\"PublicIP\":\"192.168.0.1\"}"));
	run_until("lost");
	assert_non_null(strstr(told.log, "lost 10.5.1.0/24: our subnet is 10.5.7.0/24 in "));
}

static void our_subnet_at_another_host_is_lost(void **state)
{
	(void)state;
	joined(FILE_OF(OURS));
	replace(FILE_OF("{\"Subnet\":\"10.5.1.0/24\",\"PublicIP\":\"192.168.0.2\"}"));
	run_until("lost");
	assert_non_null(strstr(told.log, "10.5.1.0/24: our subnet is held by 192.168.0.2 in "));
}

static void other_data_of_our_lease_is_a_loss_too(void **state)
{
	(void)state;
	joined(FILE_OF(OURS));
	replace(FILE_OF("{\"Subnet\":\"10.5.1.0/24\",\"PublicIP\":\"192.168.0.1\","
			"\"BackendData\":{\"VtepMAC\":\"02:00:00:00:00:07\"}}"));
	run_until("lost");
	assert_non_null(strstr(told.log, "our lease was changed in "));
}

static void our_lease_may_be_missing_for_a_while(void **state)
{
	(void)state;
	joined(FILE_OF(OURS));
	replace(FILE_OF(SECOND));
	run_until("end;");
	assert_string_equal(told.log, "begin;peer 10.5.2.0/24;end;");
	replace(FILE_OF(OURS "," THIRD));
	run_until("end;");
	assert_string_equal(told.log, "begin;peer 10.5.3.0/24;end;");
}

static void a_release_leaves_the_file_alone(void **state)
{
	(void)state;
	joined(FILE_OF(OURS));
	assert_int_equal(fl_store_release(told.store), 0);
	assert_string_equal(told.log, "");
	run_until("released 0;");
	assert_int_equal(access(path, R_OK), 0);
}

static void a_reload_looks_at_the_file(void **state)
{
	(void)state;
	joined(FILE_OF(OURS));
	fl_store_reload(told.store);
	run_until("end;");
	assert_string_equal(told.log, "begin;end;");
}

static struct fl_store_stats stats(void)
{
	struct fl_store_stats s;

	fl_store_stats(told.store, &s);
	return s;
}

static void it_tells_operators_how_it_stands(void **state)
{
	(void)state;
	write_in_place(FILE_OF(SECOND));
	begin_file();
	run_for(0.1);
	assert_int_equal(stats().own, FL_STORE_OWN_NONE);
	assert_false(stats().following);
	assert_non_null(strstr(stats().waiting, "waiting for "));
	replace(FILE_OF(OURS ",{\"Subnet\":\"10.5.9.0/24\"}"));
	run_until("end;");
	assert_int_equal(stats().own, FL_STORE_OWN_HELD);
	assert_int_equal(stats().unreadable, 1);
	assert_int_equal(stats().snapshots, 1);
	assert_true(stats().following && stats().contact_s > 0.);
	assert_string_equal(stats().waiting, "");
	replace(FILE_OF(SECOND));
	run_until("end;");
	assert_int_equal(stats().own, FL_STORE_OWN_AMISS);
	assert_int_equal(stats().unreadable, 0);
	write_in_place("{");
	run_for(0.15);
	assert_false(stats().following);
}

static void another_address_of_this_host_waits_for_the_file_to_say_it(void **state)
{
	const struct fl_lease *own = NULL;
	struct fl_lease moved;

	(void)state;
	joined(FILE_OF(OURS));
	moved = told.mine;
	(void)fl_addr_parse("192.168.0.7", &moved.public_ip);
	assert_int_equal(fl_store_change(told.store, &moved, &own), 0);
	assert_true(fl_addr_equal(&own->public_ip, &told.mine.public_ip));
	replace(FILE_OF(OURS "," SECOND));
	run_until("end;");
	assert_string_equal(told.log, "begin;peer 10.5.2.0/24;end;");
	replace(FILE_OF("{\"Subnet\":\"10.5.1.0/24\",\"PublicIP\":\"192.168.0.7\"}"));
	run_until("lost");
	assert_non_null(strstr(told.log, "our lease was changed in "));
	assert_int_equal(stats().own, FL_STORE_OWN_NONE);
}

static void what_is_no_file_is_not_waited_at(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	begin_file();
	run_for(0.1);
	assert_non_null(strstr(told.status, "not a regular file"));
}

/* ---- which store ---- */

static void a_store_is_named_by_its_scheme(void **state)
{
	static const char *const good[] = {"", "etcd", "file:///etc/flanneld/network.json"};
	static const char *const bad[] = {"etcd:",
					  "etcd://x",
					  "file",
					  "file:/etc/x",
					  "file://etc/x",
					  "file:///etc/",
					  "file:///a%20b",
					  "file:///a?b",
					  "http://one",
					  "consul",
					  ":"};
	char *why = NULL;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(good); i++)
		assert_int_equal(fl_store_check_url(good[i], &why), 0);
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		assert_int_equal(fl_store_check_url(bad[i], &why), -EINVAL);
		assert_non_null(strstr(why, "file:///PATH"));
		free(why);
	}
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup_file, teardown_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(the_lease_of_our_address_is_ours_and_the_rest_are_the_others),
		FILE_TEST(the_lease_that_the_operator_names_is_ours_whatever_its_address),
		FILE_TEST(of_two_leases_of_our_address_the_previous_one_is_taken),
		FILE_TEST(a_file_without_our_lease_is_waited_out),
		FILE_TEST(a_lease_that_the_config_forbids_is_not_taken),
		FILE_TEST(a_lease_of_another_backend_is_not_taken),
		FILE_TEST(a_lease_that_holds_our_own_address_is_not_taken),
		FILE_TEST(a_file_that_is_not_there_is_waited_for),
		FILE_TEST(the_folder_may_come_later),
		FILE_TEST(a_symlink_that_leads_elsewhere_is_followed),
		FILE_TEST(a_change_in_place_and_one_by_rename_are_told_whole),
		FILE_TEST(what_a_bad_file_said_before_stays),
		FILE_TEST(what_is_known_of_a_bad_entry_stays),
		FILE_TEST(nothing_counts_as_removed_beside_an_entry_that_may_be_any),
		FILE_TEST(our_lease_under_another_subnet_is_lost),
		FILE_TEST(our_subnet_at_another_host_is_lost),
		FILE_TEST(other_data_of_our_lease_is_a_loss_too),
		FILE_TEST(our_lease_may_be_missing_for_a_while),
		FILE_TEST(a_release_leaves_the_file_alone),
		FILE_TEST(a_reload_looks_at_the_file),
		FILE_TEST(it_tells_operators_how_it_stands),
		FILE_TEST(another_address_of_this_host_waits_for_the_file_to_say_it),
		FILE_TEST(what_is_no_file_is_not_waited_at),
		cmocka_unit_test(a_store_is_named_by_its_scheme),
	};

	return cmocka_run_group_tests_name("file_store", tests, NULL, NULL);
}
