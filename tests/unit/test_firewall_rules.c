/* tests/unit/test_firewall_rules.c - iptables rules: what is wanted, what stands, what corrects it.
 */
#include "firewall_texts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static void assert_corrected(const struct fl_firewall_want *want, const char *save,
			     const char *expected)
{
	struct fl_buf b = {0};

	assert_int_equal(fl_firewall_rules_correct(want, save, strlen(save), &b), 0);
	assert_string_equal(b.data ? b.data : "", expected);
	fl_buf_done(&b);
}

/* Masquerade and forward rules wanted. */
static void assert_corrects(const char *save, const char *expected)
{
	struct fl_firewall_want want = wanted(true, true);

	assert_corrected(&want, save, expected);
}

static void assert_refused(const char *save)
{
	struct fl_firewall_want want = wanted(true, true);
	struct fl_buf b = {0};

	assert_int_equal(fl_firewall_rules_correct(&want, save, strlen(save), &b), -EBADMSG);
	fl_buf_done(&b);
}

/* --- right, or nothing there */

static void writes_all_rules_where_no_table_exists(void **state)
{
	(void)state;
	assert_corrects("", WRITE_NAT WRITE_FILTER);
	assert_corrects("# Warning: iptables-legacy tables present, use iptables-legacy-save\n",
			WRITE_NAT WRITE_FILTER);
}

static void writes_all_rules_into_empty_tables(void **state)
{
	(void)state;
	assert_corrects(NFT_HEAD FILTER_CHAINS COMMIT TAIL NFT_HEAD NAT_CHAINS COMMIT TAIL,
			WRITE_NAT WRITE_FILTER);
}

static void changes_nothing_that_is_right(void **state)
{
	(void)state;
	assert_corrects(NFT_HEAD FILTER_RIGHT TAIL NFT_HEAD NAT_RIGHT TAIL, "");
	assert_corrects(LEGACY_HEAD NAT_RIGHT TAIL LEGACY_HEAD FILTER_RIGHT TAIL, "");
}

static void needs_no_newline_at_the_end(void **state)
{
	(void)state;
	assert_corrects(FILTER_RIGHT NAT_CHAINS OWN_MASQ MASQ_JUMP MASQ_RULES "COMMIT", "");
}

static void corrects_one_table_alone(void **state)
{
	(void)state;
	assert_corrects(FILTER_RIGHT NAT_CHAINS COMMIT, WRITE_NAT);
	assert_corrects(FILTER_CHAINS COMMIT NAT_RIGHT, WRITE_FILTER);
}

/* --- rules of others */

#define FOREIGN_NAT                                                                                \
	"-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n"                             \
	"-A POSTROUTING -m comment --comment \"a \\\"b\\\" -j FLANNEL-POSTRTG\" -j MASQUERADE\n"   \
	"-A POSTROUTING -j FLANNEL-POSTRTG-2\n-A POSTROUTING -j KUBE-POSTROUTING\n"

static void leaves_rules_of_others_behind_the_jump_alone(void **state)
{
	(void)state;
	assert_corrects(FILTER_CHAINS OWN_FWD FWD_JUMP
			"-A FORWARD -j DROP\n" FWD_RULES "-A INPUT -s 10.3.0.0/16 -j DROP\n" COMMIT
			"*mangle\n:POSTROUTING ACCEPT [0:0]\n"
			"-A POSTROUTING -j TTL\n" COMMIT NAT_CHAINS
			":KUBE-POSTROUTING - [0:0]\n:FLANNEL-POSTRTG-2 - [0:0]\n" OWN_MASQ MASQ_JUMP
				FOREIGN_NAT MASQ_RULES
			"-A FLANNEL-POSTRTG-2 -j ACCEPT\n-A KUBE-POSTROUTING -j RETURN\n" COMMIT,
			"");
}

static void names_no_rule_of_others(void **state)
{
	(void)state;
	assert_corrects(FILTER_RIGHT NAT_CHAINS ":KUBE-POSTROUTING - [0:0]\n" FOREIGN_NAT COMMIT,
			WRITE_NAT);
}

static void ignores_our_names_in_other_tables(void **state)
{
	(void)state;
	assert_corrects(FILTER_RIGHT "*mangle\n" OWN_MASQ MASQ_JUMP MASQ_RULES COMMIT
				     "*nat2\n" OWN_MASQ MASQ_JUMP MASQ_RULES COMMIT,
			WRITE_NAT);
}

static void leaves_a_jump_from_a_users_own_chain(void **state)
{
	(void)state;
	assert_corrects(FILTER_RIGHT NAT_CHAINS ":USER - [0:0]\n" OWN_MASQ MASQ_JUMP MASQ_RULES
						"-A USER -o eth0 -j FLANNEL-POSTRTG\n" COMMIT,
			"");
}

/* --- the jump */

static void puts_the_jump_in_front_of_others(void **state)
{
	(void)state;
	assert_corrects(FILTER_RIGHT NAT_CHAINS OWN_MASQ FOREIGN_NAT MASQ_JUMP MASQ_RULES COMMIT,
			"*nat\n-D POSTROUTING" MASQ_SPEC INSERT_MASQ COMMIT);
}

static void leaves_one_of_many_jumps(void **state)
{
	(void)state;
	assert_corrects(FILTER_RIGHT NAT_CHAINS OWN_MASQ MASQ_JUMP FOREIGN_NAT MASQ_JUMP
			"-A POSTROUTING -j FLANNEL-POSTRTG\n"
			"-A POSTROUTING -o eth0 -g FLANNEL-POSTRTG\n" MASQ_JUMP MASQ_RULES COMMIT,
			"*nat\n-D POSTROUTING" MASQ_SPEC "-D POSTROUTING" MASQ_SPEC
			"-D POSTROUTING -j FLANNEL-POSTRTG\n"
			"-D POSTROUTING -o eth0 -g FLANNEL-POSTRTG\n"
			"-D POSTROUTING" MASQ_SPEC INSERT_MASQ COMMIT);
}

static void replaces_a_jump_that_says_more_or_less(void **state)
{
	(void)state;
	assert_corrects(FILTER_CHAINS OWN_FWD
			"-A FORWARD -i eth0" FWD_SPEC FWD_RULES COMMIT NAT_RIGHT,
			"*filter\n-D FORWARD -i eth0" FWD_SPEC INSERT_FWD COMMIT);
	assert_corrects(FILTER_CHAINS OWN_FWD
			"-A FORWARD -j FLANNEL-FWD\n" FWD_RULES COMMIT NAT_RIGHT,
			"*filter\n-D FORWARD -j FLANNEL-FWD\n" INSERT_FWD COMMIT);
}

static void adds_a_missing_jump(void **state)
{
	(void)state;
	assert_corrects(FILTER_CHAINS OWN_FWD FWD_RULES COMMIT NAT_RIGHT,
			"*filter\n" INSERT_FWD COMMIT);
}

/* --- our chains */

static void rewrites_a_chain_of_an_earlier_subnet(void **state)
{
	(void)state;
	assert_corrects(FILTER_RIGHT NAT_CHAINS OWN_MASQ MASQ_JUMP MASQ_RULES_OF(
				"10.3.99.0/24", " --random-fully") COMMIT,
			"*nat\n" OWN_MASQ MASQ_RULES COMMIT);
}

static void rewrites_chains_of_an_earlier_network(void **state)
{
	struct fl_firewall_want want = wanted(false, true);

	(void)state;
	assert_int_equal(fl_prefix_parse("10.5.0.0/16", &want.network), 0);
	assert_corrected(&want, FILTER_RIGHT,
			 "*filter\n" OWN_FWD "-A FLANNEL-FWD -s 10.5.0.0/16 -m comment --comment "
			 "\"flanneld forward\" -j ACCEPT\n"
			 "-A FLANNEL-FWD -d 10.5.0.0/16 -m comment --comment "
			 "\"flanneld forward\" -j ACCEPT\n" COMMIT);
}

static void rewrites_a_partial_chain(void **state)
{
	(void)state;
	assert_corrects(FILTER_RIGHT NAT_CHAINS OWN_MASQ MASQ_JUMP MASQ_MARK COMMIT,
			"*nat\n" OWN_MASQ MASQ_RULES COMMIT);
	assert_corrects(FILTER_RIGHT NAT_CHAINS OWN_MASQ MASQ_JUMP COMMIT,
			"*nat\n" OWN_MASQ MASQ_RULES COMMIT);
}

static void rewrites_a_misordered_chain(void **state)
{
	(void)state;
	assert_corrects(FILTER_RIGHT NAT_CHAINS OWN_MASQ MASQ_JUMP MASQ_RETURNS("10.3.7.0/24")
				MASQ_MARK MASQ_TARGETS(" --random-fully") COMMIT,
			"*nat\n" OWN_MASQ MASQ_RULES COMMIT);
}

static void rewrites_a_chain_with_more_than_ours(void **state)
{
	(void)state;
	assert_corrects(FILTER_CHAINS OWN_FWD FWD_JUMP FWD_RULES
			"-A FLANNEL-FWD -j DROP\n" COMMIT NAT_RIGHT,
			"*filter\n" OWN_FWD FWD_RULES COMMIT);
	assert_corrects(FILTER_CHAINS OWN_FWD FWD_JUMP
			"-A FLANNEL-FWD\n" FWD_RULES COMMIT NAT_RIGHT,
			"*filter\n" OWN_FWD FWD_RULES COMMIT);
}

static void follows_a_change_of_random_fully(void **state)
{
	struct fl_firewall_want want = wanted(true, true);

	(void)state;
	want.random_fully = false;
	assert_corrected(&want, FILTER_RIGHT NAT_RIGHT,
			 "*nat\n" OWN_MASQ MASQ_RULES_OF("10.3.7.0/24", "") COMMIT);
	assert_corrected(&want,
			 FILTER_RIGHT NAT_CHAINS OWN_MASQ MASQ_JUMP MASQ_RULES_OF("10.3.7.0/24", "")
				 COMMIT,
			 "");
}

/* --- not wanted */

static void removes_what_an_earlier_start_wanted(void **state)
{
	struct fl_firewall_want want = wanted(false, true);

	(void)state;
	assert_corrected(&want, FILTER_RIGHT NAT_RIGHT,
			 "*nat\n-D POSTROUTING" MASQ_SPEC
			 "-F FLANNEL-POSTRTG\n-X FLANNEL-POSTRTG\n" COMMIT);
	want = wanted(true, false);
	assert_corrected(&want, FILTER_RIGHT NAT_RIGHT,
			 "*filter\n-D FORWARD" FWD_SPEC "-F FLANNEL-FWD\n-X FLANNEL-FWD\n" COMMIT);
}

static void touches_nothing_if_nothing_is_wanted_or_there(void **state)
{
	struct fl_firewall_want want = wanted(false, false);

	(void)state;
	assert_corrected(&want, "", "");
	assert_corrected(&want, FILTER_CHAINS COMMIT NAT_CHAINS FOREIGN_NAT COMMIT, "");
}

static void empties_but_keeps_a_chain_that_others_use(void **state)
{
	struct fl_firewall_want want = wanted(false, true);

	(void)state;
	assert_corrected(&want,
			 FILTER_RIGHT NAT_CHAINS ":USER - [0:0]\n" OWN_MASQ MASQ_JUMP MASQ_RULES
						 "-A USER -j FLANNEL-POSTRTG\n" COMMIT,
			 "*nat\n-D POSTROUTING" MASQ_SPEC "-F FLANNEL-POSTRTG\n" COMMIT);
	assert_corrected(&want,
			 FILTER_RIGHT NAT_CHAINS ":USER - [0:0]\n" OWN_MASQ
						 "-A USER -j FLANNEL-POSTRTG\n" COMMIT,
			 "");
}

/* --- bad input */

static void refuses_a_text_that_was_cut_off(void **state)
{
	(void)state;
	assert_refused(FILTER_RIGHT NAT_CHAINS OWN_MASQ);
	assert_refused(NAT_CHAINS);
	assert_refused(FILTER_RIGHT "*nat");
	assert_refused("*nat\n*filter\nCOMMIT\n");
}

static void refuses_a_text_that_is_no_list_of_rules(void **state)
{
	(void)state;
	assert_refused("command not found\n");
	assert_refused("COMMIT\n");
	assert_refused("-A POSTROUTING -j ACCEPT\n");
	assert_refused("*nat\nhello\nCOMMIT\n");
	assert_refused("*nat\n[0:0] -A POSTROUTING -j ACCEPT\nCOMMIT\n");
}

static void reads_no_further_than_the_length(void **state)
{
	struct fl_firewall_want want = wanted(true, true);
	struct fl_buf b = {0};
	const char *text = FILTER_RIGHT NAT_RIGHT "garbage";
	size_t len = strlen(FILTER_RIGHT NAT_RIGHT), i;
	char *copy = malloc(len);

	(void)state;
	assert_non_null(copy);
	memcpy(copy, text, len);
	assert_int_equal(fl_firewall_rules_correct(&want, copy, len, &b), 0);
	assert_int_equal(b.len, 0);
	free(copy);
	for (i = 0; i < len; i++) {
		copy = malloc(i ? i : 1);
		assert_non_null(copy);
		memcpy(copy, text, i);
		(void)fl_firewall_rules_correct(&want, copy, i, &b);
		fl_buf_reset(&b);
		free(copy);
	}
	fl_buf_done(&b);
}

static void knows_where_an_iptables_has_its_rules(void **state)
{
	(void)state;
	assert_int_equal(fl_firewall_rules_kind("# Warning: iptables-legacy tables present\n"
						"# Generated by iptables-nft-save v1.8.9 "
						"(nf_tables) on Thu\n*nat\n"),
			 FL_FIREWALL_NFT);
	assert_int_equal(fl_firewall_rules_kind("# Generated by iptables-save v1.8.9 on Thu\n"
						":nf_tables -\n"),
			 FL_FIREWALL_LEGACY);
	assert_int_equal(fl_firewall_rules_kind(""), FL_FIREWALL_UNKNOWN);
}

static void knows_which_iptables_has_random_fully(void **state)
{
	(void)state;
	assert_true(fl_firewall_rules_random_fully(NFT_HEAD NAT_RIGHT));
	assert_true(fl_firewall_rules_random_fully(LEGACY_HEAD NAT_RIGHT));
	assert_true(fl_firewall_rules_random_fully("# Generated by iptables-save v1.6.2 on x\n"));
	assert_true(fl_firewall_rules_random_fully("# Generated by iptables-save v2.0 on x\n"));
	assert_false(fl_firewall_rules_random_fully("# Generated by iptables-save v1.6.1 on x\n"));
	assert_false(fl_firewall_rules_random_fully("# Generated by iptables-save v1.6 on x\n"));
	assert_false(fl_firewall_rules_random_fully("# Generated by iptables-save v1.4.21 on x\n"));
	assert_true(fl_firewall_rules_random_fully(""));
	assert_true(fl_firewall_rules_random_fully("# Generated by something\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_all_rules_where_no_table_exists),
		cmocka_unit_test(writes_all_rules_into_empty_tables),
		cmocka_unit_test(changes_nothing_that_is_right),
		cmocka_unit_test(needs_no_newline_at_the_end),
		cmocka_unit_test(corrects_one_table_alone),
		cmocka_unit_test(leaves_rules_of_others_behind_the_jump_alone),
		cmocka_unit_test(names_no_rule_of_others),
		cmocka_unit_test(ignores_our_names_in_other_tables),
		cmocka_unit_test(leaves_a_jump_from_a_users_own_chain),
		cmocka_unit_test(puts_the_jump_in_front_of_others),
		cmocka_unit_test(leaves_one_of_many_jumps),
		cmocka_unit_test(replaces_a_jump_that_says_more_or_less),
		cmocka_unit_test(adds_a_missing_jump),
		cmocka_unit_test(rewrites_a_chain_of_an_earlier_subnet),
		cmocka_unit_test(rewrites_chains_of_an_earlier_network),
		cmocka_unit_test(rewrites_a_partial_chain),
		cmocka_unit_test(rewrites_a_misordered_chain),
		cmocka_unit_test(rewrites_a_chain_with_more_than_ours),
		cmocka_unit_test(follows_a_change_of_random_fully),
		cmocka_unit_test(removes_what_an_earlier_start_wanted),
		cmocka_unit_test(touches_nothing_if_nothing_is_wanted_or_there),
		cmocka_unit_test(empties_but_keeps_a_chain_that_others_use),
		cmocka_unit_test(refuses_a_text_that_was_cut_off),
		cmocka_unit_test(refuses_a_text_that_is_no_list_of_rules),
		cmocka_unit_test(reads_no_further_than_the_length),
		cmocka_unit_test(knows_where_an_iptables_has_its_rules),
		cmocka_unit_test(knows_which_iptables_has_random_fully),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
