/* tests/unit/test_extif_follow.c - what has become of the interface that was chosen, over tables of
 * links and addresses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/if_addr.h>
#include <sys/socket.h>

#include "extif_internal.h"

static struct fl_rtmsg_link links[4];
static struct fl_rtmsg_addr addrs[6];
static struct fl_extif_tables tables;
static struct fl_extif_choice was, now;
static char *error;

static struct fl_addr addr(const char *text)
{
	struct fl_addr a = {0};

	assert_int_equal(fl_addr_parse(text, &a), 0);
	return a;
}

static void link_is(uint32_t ifindex, const char *name, uint32_t mtu)
{
	struct fl_rtmsg_link *l = &links[tables.n_links++];

	*l = (struct fl_rtmsg_link){.ifindex = ifindex, .mtu = mtu, .flags = IFF_UP};
	(void)snprintf(l->name, sizeof(l->name), "%s", name);
}

static void addr_is(uint32_t ifindex, const char *text)
{
	addrs[tables.n_addrs++] =
		(struct fl_rtmsg_addr){.ifindex = ifindex, .local = {addr(text), 24}};
}

/* eth1, index 5, 10.0.0.5 was chosen; beside it there is eth0. */
static int setup(void **state)
{
	(void)state;
	free(error);
	error = NULL;
	tables = (struct fl_extif_tables){.links = links, .addrs = addrs};
	memset(&now, 0, sizeof(now));
	memset(&was, 0, sizeof(was));
	(void)snprintf(was.name_buf, sizeof(was.name_buf), "eth1");
	(void)snprintf(was.why, sizeof(was.why), "as it was chosen");
	was.extif = (struct fl_extif){.name = was.name_buf,
				      .ifindex = 5,
				      .mtu = 1500,
				      .addr = addr("10.0.0.5"),
				      .public_ip = addr("10.0.0.5")};
	link_is(2, "eth0", 1500);
	addr_is(2, "172.16.0.5");
	return 0;
}

static int follow(const struct fl_extif_conf *conf)
{
	return fl_extif_pick_again(&tables, conf, &was, &now, &error);
}

static int follow_plain(void)
{
	return follow(&(struct fl_extif_conf){0});
}

static void assert_now(uint32_t ifindex, const char *address, uint32_t mtu)
{
	char buf[FL_ADDR_STRLEN];

	assert_null(error);
	assert_int_equal(now.extif.ifindex, ifindex);
	assert_string_equal(fl_addr_format(&now.extif.addr, buf), address);
	assert_int_equal(now.extif.mtu, mtu);
	assert_ptr_equal(now.extif.name, now.name_buf);
	assert_string_equal(now.why, "as it was chosen");
}

static void another_mtu_is_seen(void **state)
{
	(void)state;
	link_is(5, "eth1", 1400);
	addr_is(5, "10.0.0.5");
	assert_int_equal(follow_plain(), 0);
	assert_now(5, "10.0.0.5", 1400);
}

static void the_address_stays_as_long_as_it_is_there(void **state)
{
	(void)state;
	link_is(5, "eth1", 1500);
	addr_is(5, "10.0.0.4");
	addr_is(5, "10.0.0.5");
	addrs[tables.n_addrs - 1].flags = IFA_F_SECONDARY | IFA_F_DEPRECATED;
	assert_int_equal(follow_plain(), 0);
	assert_now(5, "10.0.0.5", 1500);
}

static void an_interface_that_is_down_is_still_the_same(void **state)
{
	(void)state;
	link_is(5, "eth1", 1500);
	links[tables.n_links - 1].flags = 0;
	addr_is(5, "10.0.0.5");
	assert_int_equal(follow_plain(), 0);
	assert_now(5, "10.0.0.5", 1500);
}

static void the_first_usable_address_comes_after_it(void **state)
{
	(void)state;
	link_is(5, "eth1", 1500);
	addr_is(5, "169.254.7.7");
	addr_is(5, "10.0.0.8");
	assert_int_equal(follow_plain(), 0);
	assert_now(5, "10.0.0.8", 1500);
	assert_true(fl_addr_equal(&now.extif.public_ip, &now.extif.addr));
}

static void another_interface_of_the_same_name_is_the_one(void **state)
{
	(void)state;
	link_is(9, "eth1", 1500);
	addr_is(9, "10.0.0.5");
	assert_int_equal(follow_plain(), 0);
	assert_now(9, "10.0.0.5", 1500);
}

static void a_renamed_interface_is_still_the_one(void **state)
{
	(void)state;
	link_is(5, "lan", 1500);
	addr_is(5, "10.0.0.5");
	assert_int_equal(follow_plain(), 0);
	assert_now(5, "10.0.0.5", 1500);
	assert_string_equal(now.extif.name, "lan");
}

static void its_index_alone_does_not_make_an_interface_the_one(void **state)
{
	(void)state;
	link_is(5, "tap7", 1500);
	addr_is(5, "192.168.9.9");
	assert_int_equal(follow_plain(), -ENODEV);
	assert_string_equal(error, "eth1 is gone");
	setup(NULL);
	link_is(5, "tap7", 1500);
	link_is(9, "eth1", 1500);
	addr_is(9, "10.0.0.5");
	assert_int_equal(follow_plain(), 0);
	assert_now(9, "10.0.0.5", 1500);
}

static void no_address_is_said_with_what_there_is(void **state)
{
	(void)state;
	link_is(5, "eth1", 1500);
	assert_int_equal(follow_plain(), -EADDRNOTAVAIL);
	assert_string_equal(error, "eth1 has no address to use: no IPv4 address");
	setup(NULL);
	link_is(5, "eth1", 1500);
	links[tables.n_links - 1].flags = 0;
	addr_is(5, "127.0.0.9");
	assert_int_equal(follow_plain(), -EADDRNOTAVAIL);
	assert_non_null(strstr(error, "eth1, which is down, has no address to use: 127.0.0.9"));
}

static void an_address_that_was_asked_for_is_not_given_up_for_another(void **state)
{
	const char *const list[] = {"10.0.0.5", NULL};
	const char *const patterns[] = {"^10\\.0\\.0\\.", NULL};

	(void)state;
	link_is(5, "eth1", 1500);
	addr_is(5, "10.0.0.8");
	assert_int_equal(follow(&(struct fl_extif_conf){.iface = list}), -EADDRNOTAVAIL);
	free(error);
	error = NULL;
	assert_int_equal(follow(&(struct fl_extif_conf){.iface_regex = patterns}), 0);
	assert_now(5, "10.0.0.8", 1500);
}

static void another_interface_that_fits_is_not_taken(void **state)
{
	const char *const patterns[] = {"^172\\.16\\.", "^10\\.", NULL};

	(void)state;
	link_is(5, "eth1", 1500);
	addr_is(5, "192.168.7.7");
	assert_int_equal(follow(&(struct fl_extif_conf){.iface_regex = patterns}), -EADDRNOTAVAIL);
	assert_non_null(strstr(error, "eth1 has no address to use: 192.168.7.7"));
}

static void the_public_address_that_was_given_stays(void **state)
{
	char buf[FL_ADDR_STRLEN];

	(void)state;
	link_is(5, "eth1", 1500);
	addr_is(5, "10.0.0.8");
	assert_int_equal(follow(&(struct fl_extif_conf){.public_ip = "198.51.100.7"}), 0);
	assert_now(5, "10.0.0.8", 1500);
	assert_string_equal(fl_addr_format(&now.extif.public_ip, buf), "198.51.100.7");
}

static void a_copy_names_itself(void **state)
{
	struct fl_extif_choice copy;

	(void)state;
	fl_extif_choice_copy(&copy, &was);
	assert_ptr_equal(copy.extif.name, copy.name_buf);
	assert_string_equal(copy.extif.name, "eth1");
	fl_extif_choice_copy(&copy, &copy);
	assert_string_equal(copy.extif.name, "eth1");
}

static int done(void **state)
{
	(void)state;
	free(error);
	error = NULL;
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_mtu_is_seen),
		TEST(the_address_stays_as_long_as_it_is_there),
		TEST(an_interface_that_is_down_is_still_the_same),
		TEST(the_first_usable_address_comes_after_it),
		TEST(another_interface_of_the_same_name_is_the_one),
		TEST(a_renamed_interface_is_still_the_one),
		TEST(its_index_alone_does_not_make_an_interface_the_one),
		TEST(no_address_is_said_with_what_there_is),
		TEST(an_address_that_was_asked_for_is_not_given_up_for_another),
		TEST(another_interface_that_fits_is_not_taken),
		TEST(the_public_address_that_was_given_stays),
		TEST(a_copy_names_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
