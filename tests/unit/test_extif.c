/* tests/unit/test_extif.c - which interface is chosen, over tables of links, addresses and routes.
 */
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
#include <linux/rtnetlink.h>
#include <regex.h>
#include <sys/socket.h>

#include "extif.h"
#include "extif_internal.h"

#define LINKS_MAX 80

/* A host: tables with their own storage. */
struct host {
	struct fl_extif_tables t;
	struct fl_rtmsg_link links[LINKS_MAX];
	struct fl_rtmsg_addr addrs[16];
	struct fl_rtmsg_route defaults[8];
};

static struct host host;
static struct fl_extif_choice choice;
static char *error;

static uint32_t add_link(const char *name, uint32_t flags)
{
	struct fl_rtmsg_link *l = &host.links[host.t.n_links++];

	l->ifindex = (uint32_t)host.t.n_links;
	l->flags = flags;
	l->mtu = 1500 + l->ifindex;
	snprintf(l->name, sizeof(l->name), "%s", name);
	return l->ifindex;
}

static struct fl_addr addr(const char *text)
{
	struct fl_addr a = {0};

	assert_int_equal(fl_addr_parse(text, &a), 0);
	return a;
}

static void add_addr(uint32_t ifindex, const char *text, uint32_t flags)
{
	struct fl_rtmsg_addr *a = &host.addrs[host.t.n_addrs++];

	a->ifindex = ifindex;
	a->flags = flags;
	a->local = (struct fl_prefix){addr(text), 24};
}

static struct fl_rtmsg_route *add_default(uint32_t ifindex, const char *via, uint32_t metric)
{
	struct fl_rtmsg_route *r = &host.defaults[host.t.n_defaults++];

	r->ifindex = ifindex;
	r->metric = metric;
	r->via = addr(via);
	r->type = RTN_UNICAST;
	return r;
}

/* lo, eth0 172.16.0.5, eth1 10.0.0.5 with company, eth2 192.168.1.5, and eth3 that is down. */
static int three_nics(void **state)
{
	uint32_t i;

	(void)state;
	memset(&host, 0, sizeof(host));
	host.t.links = host.links;
	host.t.addrs = host.addrs;
	host.t.defaults = host.defaults;
	add_addr(add_link("lo", IFF_UP | IFF_LOOPBACK), "127.0.0.1", IFA_F_PERMANENT);
	add_addr(add_link("eth0", IFF_UP), "172.16.0.5", IFA_F_PERMANENT);
	i = add_link("eth1", IFF_UP);
	add_addr(i, "10.0.0.2", IFA_F_DEPRECATED);
	add_addr(i, "10.0.0.3", IFA_F_TENTATIVE);
	add_addr(i, "10.0.0.4", IFA_F_SECONDARY);
	add_addr(i, "10.0.0.5", IFA_F_PERMANENT);
	add_addr(add_link("eth2", IFF_UP), "192.168.1.5", IFA_F_PERMANENT);
	add_addr(add_link("eth3", 0), "192.168.3.5", IFA_F_PERMANENT);
	return 0;
}

static int forget(void **state)
{
	(void)state;
	free(error);
	error = NULL;
	memset(&choice, 0, sizeof(choice));
	return 0;
}

static int pick(const struct fl_extif_conf *conf)
{
	(void)forget(NULL);
	return fl_extif_pick(&host.t, conf, &choice, &error);
}

static int pick_iface(const char *first, const char *second)
{
	const char *const list[] = {first, second, NULL};

	return pick(&(struct fl_extif_conf){.iface = list});
}

static int pick_regex(const char *first, const char *second)
{
	const char *const list[] = {first, second, NULL};

	return pick(&(struct fl_extif_conf){.iface_regex = list});
}

static int pick_default(void)
{
	return pick(&(struct fl_extif_conf){0});
}

static void assert_choice(const char *name, const char *address)
{
	char buf[FL_ADDR_STRLEN];

	assert_null(error);
	assert_string_equal(choice.extif.name, name);
	assert_ptr_equal(choice.extif.name, choice.name_buf);
	assert_string_equal(fl_addr_format(&choice.extif.addr, buf), address);
	assert_int_equal(choice.extif.mtu, 1500 + choice.extif.ifindex);
	assert_true(fl_addr_is_set(&choice.extif.public_ip));
	assert_false(fl_addr_is_set(&choice.extif.addr6));
}

static void assert_error_has(const char *text)
{
	assert_non_null(error);
	if (!strstr(error, text))
		fail_msg("\"%s\" lacks \"%s\"", error, text);
	assert_null(strchr(error, '\n'));
}

/* ---- --iface ---- */

static void a_name_gives_its_first_usable_address(void **state)
{
	(void)state;
	assert_int_equal(pick_iface("eth1", NULL), 0);
	assert_choice("eth1", "10.0.0.5");
	assert_string_equal(choice.why, "--iface=eth1: its first usable address");
}

static void an_address_is_taken_as_named(void **state)
{
	static const char *const texts[] = {"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++) {
		assert_int_equal(pick_iface(texts[i], NULL), 0);
		assert_choice("eth1", texts[i]);
	}
	assert_int_equal(pick_iface("192.168.3.5", NULL), 0);
	assert_choice("eth3", "192.168.3.5");
}

static void the_first_iface_that_fits_wins(void **state)
{
	(void)state;
	assert_int_equal(pick_iface("eth9", "eth2"), 0);
	assert_choice("eth2", "192.168.1.5");
	assert_int_equal(pick_iface("eth3", "eth2"), 0); /* eth3 is down */
	assert_choice("eth2", "192.168.1.5");
	assert_int_equal(pick_iface("eth2", "eth1"), 0);
	assert_choice("eth2", "192.168.1.5");
	assert_int_equal(pick_iface("10.0.0.99", "172.16.0.5"), 0);
	assert_choice("eth0", "172.16.0.5");
}

static void a_name_is_matched_whole(void **state)
{
	(void)state;
	assert_int_equal(pick_iface("eth", "ETH1"), -ENODEV);
	assert_int_equal(pick_iface("", NULL), -ENODEV);
}

static void an_ipv6_address_fits_nothing(void **state)
{
	(void)state;
	assert_int_equal(pick_iface("fd00::1", NULL), -ENODEV);
	assert_error_has("--iface=fd00::1");
}

static void special_addresses_are_skipped_and_the_reason_is_given(void **state)
{
	static const char *const special[] = {"0.1.2.3", "127.1.2.3", "224.0.0.1", "240.0.0.1",
					      "255.255.255.255"};
	uint32_t eth4 = add_link("eth4", IFF_UP);

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(special); i++)
		add_addr(eth4, special[i], IFA_F_PERMANENT);
	assert_int_equal(pick_iface("eth4", NULL), -ENODEV);
	assert_error_has("240.0.0.1 of 240.0.0.0/4 (reserved)");
	assert_int_equal(pick_iface("240.0.0.1", NULL), -ENODEV);
	assert_int_equal(pick_iface("127.0.0.1", NULL), -ENODEV);
	assert_error_has("lo (127.0.0.1 of 127.0.0.0/8 (loopback))");
	assert_int_equal(pick_regex("^(127|2[24]|0)", NULL), -ENODEV);
	add_default(eth4, "10.0.0.1", 0)->prefsrc = addr("240.0.0.1");
	assert_int_equal(pick_default(), -ENODEV);
	add_addr(eth4, "10.9.0.1", IFA_F_PERMANENT);
	assert_int_equal(pick_iface("eth4", NULL), 0);
	assert_choice("eth4", "10.9.0.1");
}

static void the_choice_tells_what_the_address_is_connected_to(void **state)
{
	char buf[FL_PREFIX_STRLEN];

	(void)state;
	assert_int_equal(pick_iface("eth1", NULL), 0);
	assert_string_equal(fl_prefix_format(&choice.connected, buf), "10.0.0.0/24");
	add_default(3, "10.0.0.1", 0)->prefsrc = addr("10.7.0.1"); /* an address of lo, perhaps */
	assert_int_equal(pick_default(), 0);
	assert_string_equal(fl_prefix_format(&choice.connected, buf), "10.7.0.1/32");
}

static void a_named_loopback_gives_what_is_not_127(void **state)
{
	(void)state;
	assert_int_equal(pick_iface("lo", NULL), -ENODEV);
	add_addr(1, "10.255.0.1", IFA_F_PERMANENT);
	assert_int_equal(pick_iface("lo", NULL), 0);
	assert_choice("lo", "10.255.0.1");
}

static void link_local_serves_only_where_nothing_else_is(void **state)
{
	(void)state;
	add_addr(add_link("eth4", IFF_UP), "169.254.7.7", IFA_F_PERMANENT);
	assert_int_equal(pick_iface("eth4", NULL), 0);
	assert_choice("eth4", "169.254.7.7");
	add_addr((uint32_t)host.t.n_links, "169.253.7.7", IFA_F_PERMANENT);
	assert_int_equal(pick_iface("eth4", NULL), 0);
	assert_choice("eth4", "169.253.7.7");
}

static void an_interface_with_unusable_addresses_only_does_not_fit(void **state)
{
	(void)state;
	add_addr(add_link("eth4", IFF_UP), "10.4.0.1", IFA_F_TENTATIVE);
	add_addr((uint32_t)host.t.n_links, "10.4.0.2", IFA_F_DEPRECATED);
	add_addr((uint32_t)host.t.n_links, "10.4.0.3", IFA_F_SECONDARY);
	assert_int_equal(pick_iface("eth4", NULL), -ENODEV);
	assert_error_has("eth4 (10.4.0.1 tentative, 10.4.0.2 deprecated, 10.4.0.3 secondary)");
}

/* ---- --iface-regex ---- */

static void a_regex_matches_addresses_before_names(void **state)
{
	(void)state;
	/* eth2's address, and eth0's name further ahead in the table */
	assert_int_equal(pick_regex("^192|eth0", NULL), 0);
	assert_choice("eth2", "192.168.1.5");
	assert_string_equal(choice.why, "--iface-regex=^192|eth0: the first address that matches");
	assert_int_equal(pick_regex("^eth[12]$", NULL), 0);
	assert_choice("eth1", "10.0.0.5");
	assert_string_equal(choice.why, "--iface-regex=^eth[12]$: the first name that matches");
}

static void regexes_are_tried_in_order(void **state)
{
	(void)state;
	assert_int_equal(pick_regex("^eth2", "^172"), 0);
	assert_choice("eth2", "192.168.1.5");
	assert_int_equal(pick_regex("^wlan", "^172"), 0);
	assert_choice("eth0", "172.16.0.5");
}

static void a_regex_does_not_see_unusable_addresses_and_interfaces(void **state)
{
	(void)state;
	assert_int_equal(pick_regex("^10\\.0\\.0\\.[234]$", NULL), -ENODEV);
	assert_int_equal(pick_regex("^192\\.168\\.3\\.", "eth3"), -ENODEV);
	assert_int_equal(pick_regex("^127", "^lo$"), -ENODEV);
	assert_int_equal(pick_regex(".*", NULL), 0);
	assert_choice("eth0", "172.16.0.5");
}

static void a_regex_takes_link_local_last(void **state)
{
	(void)state;
	host.addrs[1].local.addr = addr("169.254.1.1"); /* eth0 */
	assert_int_equal(pick_regex(".", NULL), 0);
	assert_choice("eth1", "10.0.0.5");
	assert_int_equal(pick_regex("^eth", NULL), 0);
	assert_choice("eth1", "10.0.0.5");
	assert_int_equal(pick_regex("^169", NULL), 0);
	assert_choice("eth0", "169.254.1.1");
}

static void regexes_come_after_all_ifaces(void **state)
{
	const char *const ifaces[] = {"eth9", "eth2", NULL}, *const regexes[] = {"^172", NULL};
	struct fl_extif_conf conf = {.iface = ifaces, .iface_regex = regexes};

	(void)state;
	assert_int_equal(pick(&conf), 0);
	assert_choice("eth2", "192.168.1.5");
	conf.iface = (const char *const[]){"eth9", NULL};
	assert_int_equal(pick(&conf), 0);
	assert_choice("eth0", "172.16.0.5");
}

static void a_bad_regex_is_an_error_even_when_not_needed(void **state)
{
	const char *const ifaces[] = {"eth2", NULL}, *const regexes[] = {"eth(", NULL};
	struct fl_extif_conf conf = {.iface = ifaces, .iface_regex = regexes};

	(void)state;
	assert_int_equal(pick(&conf), -EINVAL);
	assert_error_has("--iface-regex=eth(");
	assert_int_equal(pick_regex("\\pL", NULL), -EINVAL);
	assert_error_has("--iface-regex=\\pL");
	assert_int_equal(pick_regex("^eth2", "[z-a]"), -EINVAL);
}

static void what_was_named_and_fails_never_falls_back_to_the_default(void **state)
{
	const char *const ifaces[] = {"eth9", "10.9.9.9", NULL}, *const regexes[] = {"^wl", NULL};
	struct fl_extif_conf conf = {
		.iface = ifaces, .iface_regex = regexes, .can_reach = "10.0.0.1"};

	(void)state;
	add_default(2, "172.16.0.1", 0);
	host.t.reach = (struct fl_rtmsg_route){.ifindex = 3, .type = RTN_UNICAST};
	assert_int_equal(pick(&conf), -ENODEV);
	assert_string_equal(
		error, "no usable interface for --iface=eth9, --iface=10.9.9.9, --iface-regex=^wl; "
		       "there are lo (127.0.0.1 of 127.0.0.0/8 (loopback)), eth0 (172.16.0.5), "
		       "eth1 (10.0.0.2 deprecated, "
		       "10.0.0.3 tentative, 10.0.0.4 secondary, 10.0.0.5), eth2 (192.168.1.5), "
		       "eth3 (down, 192.168.3.5)");
}

/* ---- --iface-can-reach ---- */

static int pick_reach(const char *dst)
{
	return pick(&(struct fl_extif_conf){.can_reach = dst});
}

static void can_reach_takes_the_source_that_the_kernel_would(void **state)
{
	(void)state;
	host.t.reach = (struct fl_rtmsg_route){
		.ifindex = 3, .type = RTN_UNICAST, .prefsrc = addr("10.0.0.4")};
	assert_int_equal(pick_reach("10.0.0.99"), 0);
	assert_choice("eth1", "10.0.0.4");
	assert_string_equal(choice.why, "--iface-can-reach=10.0.0.99: the kernel's route to it");
	host.t.reach.prefsrc = (struct fl_addr){0};
	assert_int_equal(pick_reach("10.0.0.99"), 0);
	assert_choice("eth1", "10.0.0.5");
}

static void can_reach_of_an_own_address_takes_its_interface_not_lo(void **state)
{
	(void)state;
	host.t.reach = (struct fl_rtmsg_route){
		.ifindex = 1, .type = RTN_LOCAL, .prefsrc = addr("192.168.1.5")};
	assert_int_equal(pick_reach("192.168.1.5"), 0);
	assert_choice("eth2", "192.168.1.5");
}

static void can_reach_says_why_it_cannot(void **state)
{
	(void)state;
	host.t.reach_error = -ENETUNREACH;
	assert_int_equal(pick_reach("10.0.0.99"), -ENODEV);
	assert_error_has("--iface-can-reach=10.0.0.99: the kernel has no route to it: "
			 "Network is unreachable");
	assert_error_has("eth2 (192.168.1.5)");
	assert_int_equal(pick_reach("etcd.example"), -EINVAL);
	assert_error_has("--iface-can-reach=etcd.example: not an IPv4 address");
	assert_int_equal(pick_reach("fd00::1"), -EINVAL);
	host.t.reach_error = 0;
	host.t.reach = (struct fl_rtmsg_route){.ifindex = 77, .type = RTN_UNICAST};
	assert_int_equal(pick_reach("10.0.0.99"), -ENODEV);
}

/* ---- the default route ---- */

static void the_default_route_with_the_lowest_metric_wins(void **state)
{
	(void)state;
	add_default(2, "172.16.0.1", 100);
	add_default(4, "192.168.1.1", 50);
	add_default(3, "10.0.0.1", 50);
	assert_int_equal(pick_default(), 0);
	assert_choice("eth2", "192.168.1.5");
	assert_string_equal(choice.why, "default route via 192.168.1.1, metric 50");
	/* empty options are as none */
	assert_int_equal(pick(&(struct fl_extif_conf){.can_reach = "", .public_ip = ""}), 0);
	assert_choice("eth2", "192.168.1.5");
}

static void a_default_route_names_its_source(void **state)
{
	(void)state;
	add_default(3, "10.0.0.1", 0)->prefsrc = addr("10.0.0.4");
	assert_int_equal(pick_default(), 0);
	assert_choice("eth1", "10.0.0.4");
}

static void default_routes_that_lead_nowhere_are_passed_over(void **state)
{
	(void)state;
	add_default(5, "192.168.3.1", 0);  /* down */
	add_default(77, "192.168.3.1", 1); /* gone */
	add_default(add_link("eth4", IFF_UP), "192.168.4.1", 2);
	add_default(2, "172.16.0.1", 4294967295u);
	assert_int_equal(pick_default(), 0);
	assert_choice("eth0", "172.16.0.5");
}

static void without_a_default_route_the_error_shows_what_there_is(void **state)
{
	(void)state;
	assert_int_equal(pick_default(), -ENODEV);
	assert_error_has("no default route over a usable interface (name one with --iface); there "
			 "are lo (127.0.0.1 of 127.0.0.0/8 (loopback)), eth0 (172.16.0.5)");
	host.t.n_links = 0;
	assert_int_equal(pick_default(), -ENODEV);
	assert_error_has("there are none");
}

static void the_error_of_a_crowded_host_stays_readable(void **state)
{
	char name[IFNAMSIZ];

	(void)state;
	for (int i = 0; host.t.n_links < LINKS_MAX; i++) {
		snprintf(name, sizeof(name), "veth%d", i);
		add_link(name, IFF_UP);
	}
	assert_int_equal(pick_default(), -ENODEV);
	assert_error_has("veth0 (no IPv4 address)");
	assert_error_has("veth58 (no IPv4 address) and 16 more");
}

/* ---- --public-ip ---- */

static void public_ip_is_advertised_instead_of_the_address(void **state)
{
	struct fl_extif_conf conf = {.public_ip = "203.0.113.7"};
	char buf[FL_ADDR_STRLEN];

	(void)state;
	add_default(2, "172.16.0.1", 0);
	assert_int_equal(pick(&conf), 0);
	assert_choice("eth0", "172.16.0.5");
	assert_string_equal(fl_addr_format(&choice.extif.public_ip, buf), "203.0.113.7");
	conf.public_ip = NULL;
	assert_int_equal(pick(&conf), 0);
	assert_true(fl_addr_equal(&choice.extif.public_ip, &choice.extif.addr));
}

static void a_bad_public_ip_is_refused_and_nothing_chosen(void **state)
{
	static const char *const bad[] = {"203.0.113", "203.0.113.256", "fd00::7", "me",
					  " 1.2.3.4"};

	(void)state;
	add_default(2, "172.16.0.1", 0);
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		assert_int_equal(pick(&(struct fl_extif_conf){.public_ip = bad[i]}), -EINVAL);
		assert_error_has("--public-ip=");
		assert_null(choice.extif.name);
	}
}

/* ---- Go's patterns ---- */

static void patterns_of_go_become_posix_ones(void **state)
{
	static const struct {
		const char *go, *posix;
	} pairs[] = {
		{"", ""},
		{"^eth.*$", "^eth.*$"},
		{"10\\.\\d+", "10\\.[0-9]+"},
		{"\\w\\s\\D\\W\\S", "[[:alnum:]_][[:space:]][^0-9][^[:alnum:]_][^[:space:]]"},
		{"\\Aeth\\z", "^eth$"},
		{"(?:a|b)", "(a|b)"},
		{"\\-\\<\\/", "-</"},
		{"\\(\\)\\[\\]\\{\\}\\*\\+\\?\\|\\^\\$\\\\",
		 "\\(\\)\\[\\]\\{\\}\\*\\+\\?\\|\\^\\$\\\\"},
		{"[\\d.]", "[0-9.]"},
		{"[^\\w\\-]", "[^[:alnum:]_[.-.]]"},
		{"[]a]b", "[]a]b"},
		{"[[:alpha:]\\]]", "[[:alpha:][.].]]"},
	};
	char *posix;
	regex_t regex;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(pairs); i++) {
		assert_int_equal(fl_extif_regex(pairs[i].go, &posix), 0);
		assert_string_equal(posix, pairs[i].posix);
		assert_int_equal(regcomp(&regex, posix, REG_EXTENDED), 0);
		regfree(&regex);
		free(posix);
	}
}

static void patterns_that_posix_cannot_say_are_refused(void **state)
{
	static const char *const bad[] = {"\\",	   "a\\",  "\\pL",     "\\x41", "\\b", "(?",
					  "(?i)a", "(?P",  "(?P<n>a)", "[",	"[a",  "[^",
					  "[]",	   "[a\\", "[\\D]",    "[\\n]", "[[:a"};
	char *posix = NULL;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		assert_int_equal(fl_extif_regex(bad[i], &posix), -EINVAL);
		assert_null(posix);
	}
}

static void a_pattern_without_bound_is_refused(void **state)
{
	char big[5000], *posix = NULL;

	(void)state;
	memset(big, 'a', sizeof(big));
	big[4097] = '\0';
	assert_int_equal(fl_extif_regex(big, &posix), -EINVAL);
	big[4096] = '\0';
	assert_int_equal(fl_extif_regex(big, &posix), 0);
	free(posix);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, three_nics, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_gives_its_first_usable_address),
		TEST(an_address_is_taken_as_named),
		TEST(the_first_iface_that_fits_wins),
		TEST(a_name_is_matched_whole),
		TEST(an_ipv6_address_fits_nothing),
		TEST(special_addresses_are_skipped_and_the_reason_is_given),
		TEST(the_choice_tells_what_the_address_is_connected_to),
		TEST(a_named_loopback_gives_what_is_not_127),
		TEST(link_local_serves_only_where_nothing_else_is),
		TEST(an_interface_with_unusable_addresses_only_does_not_fit),
		TEST(a_regex_matches_addresses_before_names),
		TEST(regexes_are_tried_in_order),
		TEST(a_regex_does_not_see_unusable_addresses_and_interfaces),
		TEST(a_regex_takes_link_local_last),
		TEST(regexes_come_after_all_ifaces),
		TEST(a_bad_regex_is_an_error_even_when_not_needed),
		TEST(what_was_named_and_fails_never_falls_back_to_the_default),
		TEST(can_reach_takes_the_source_that_the_kernel_would),
		TEST(can_reach_of_an_own_address_takes_its_interface_not_lo),
		TEST(can_reach_says_why_it_cannot),
		TEST(the_default_route_with_the_lowest_metric_wins),
		TEST(a_default_route_names_its_source),
		TEST(default_routes_that_lead_nowhere_are_passed_over),
		TEST(without_a_default_route_the_error_shows_what_there_is),
		TEST(the_error_of_a_crowded_host_stays_readable),
		TEST(public_ip_is_advertised_instead_of_the_address),
		TEST(a_bad_public_ip_is_refused_and_nothing_chosen),
		TEST(patterns_of_go_become_posix_ones),
		TEST(patterns_that_posix_cannot_say_are_refused),
		TEST(a_pattern_without_bound_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
