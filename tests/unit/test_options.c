/* tests/unit/test_options.c - flags, environment, --help: every form, every limit, every refusal.
 */
#include "options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log_init.h"
#include "options_run.h"

static void gives_every_option_its_default(void **state)
{
	struct run t;

	(void)state;
	expect_ok(&t, ARGS(), NO_ENV);
	assert_string_equal(t.o.etcd_endpoints, "http://127.0.0.1:4001,http://127.0.0.1:2379");
	assert_string_equal(t.o.etcd_prefix, "/coreos.com/network");
	assert_string_equal(t.o.store, "etcd");
	assert_false(fl_prefix_is_set(&t.o.subnet));
	assert_string_equal(t.o.etcd_keyfile, "");
	assert_string_equal(t.o.etcd_certfile, "");
	assert_string_equal(t.o.etcd_cafile, "");
	assert_string_equal(t.o.etcd_username, "");
	assert_string_equal(t.o.etcd_password, "");
	assert_string_equal(t.o.etcd_password_file, "");
	assert_null(t.o.iface.items);
	assert_null(t.o.iface_regex.items);
	assert_string_equal(t.o.iface_can_reach, "");
	assert_string_equal(t.o.public_ip, "");
	assert_string_equal(t.o.subnet_file, "/run/flannel/subnet.env");
	assert_int_equal(t.o.renew_margin_min, 60);
	assert_int_equal(t.o.renew_margin_s, 3600);
	assert_int_equal(t.o.lease_ttl_s, 86400);
	assert_false(t.o.ip_masq);
	assert_false(t.o.ip_masq_random_disable);
	assert_int_equal(t.o.iptables_resync_s, 5);
	assert_true(t.o.iptables_forward_rules);
	assert_string_equal(t.o.healthz_ip, "127.0.0.1");
	assert_int_equal(t.o.healthz_port, 0);
	assert_int_equal(t.o.verbosity, 0);
	assert_int_equal(t.o.log_format, FL_LOG_TEXT);
	assert_true(t.o.backend_dir[0] == '/');
	assert_false(t.o.release_on_exit);
	assert_false(t.o.help || t.o.version || t.o.check);
	assert_string_equal(t.o.check_config, "");
	assert_string_equal(t.log, "");
	done(&t);
}

static void takes_a_file_as_store_and_then_a_subnet(void **state)
{
	char text[FL_PREFIX_STRLEN];
	struct run t;

	(void)state;
	expect_ok(&t, ARGS("--store=file:///etc/x", "--subnet=10.5.1.0/24"), NO_ENV);
	assert_string_equal(t.o.store, "file:///etc/x");
	assert_string_equal(fl_prefix_format(&t.o.subnet, text), "10.5.1.0/24");
	done(&t);
	expect_ok(&t, ARGS("--store=", "--subnet="), NO_ENV);
	assert_string_equal(t.o.store, "etcd");
	done(&t);
	expect_refusal(ARGS("--store=file:/etc/x"), NO_ENV,
		       "--store=file:/etc/x: must be file:///PATH, the absolute path of a file, "
		       "without %, ? and #");
	expect_refusal(ARGS("--store=x"), NO_ENV, "--store=x: must be etcd or file:///PATH");
	expect_refusal(ARGS("--subnet=10.5.1.0/24"), NO_ENV,
		       "--subnet=10.5.1.0/24: needs --store=file:///PATH, too");
	expect_refusal(ARGS("--store=file:///x", "--subnet=10.5.1.0"), NO_ENV,
		       "--subnet=10.5.1.0: must be an IPv4 network with its host bits clear, such "
		       "as 10.5.52.0/24");
}

static void takes_one_or_two_dashes_with_a_sign_or_a_space(void **state)
{
	static const char *const forms[][3] = {
		{"-etcd-prefix=/a"},
		{"--etcd-prefix=/a"},
		{"-etcd-prefix", "/a"},
		{"--etcd-prefix", "/a"},
	};
	struct run t;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(forms); i++) {
		expect_ok(&t, forms[i], NO_ENV);
		assert_string_equal(t.o.etcd_prefix, "/a");
		done(&t);
	}
}

static void keeps_an_equals_sign_in_a_value_and_takes_values_with_dashes(void **state)
{
	struct run t;

	(void)state;
	expect_ok(&t, ARGS("--etcd-cafile=a=b", "--iface", "--ip-masq"), NO_ENV);
	assert_string_equal(t.o.etcd_cafile, "a=b");
	assert_string_equal(t.o.iface.items[0], "--ip-masq"); /* as Go does */
	assert_false(t.o.ip_masq);
	done(&t);
}

static void reads_booleans_as_go_does(void **state)
{
	static const char *const on[] = {"1", "t", "T", "TRUE", "true", "True"};
	static const char *const off[] = {"0", "f", "F", "FALSE", "false", "False"};
	char arg[32];
	struct run t;

	(void)state;
	expect_ok(&t, ARGS("--ip-masq"), NO_ENV);
	assert_true(t.o.ip_masq);
	done(&t);
	for (size_t i = 0; i < FL_ARRAY_SIZE(on); i++) {
		snprintf(arg, sizeof(arg), "--ip-masq=%s", on[i]);
		expect_ok(&t, ARGS(arg), NO_ENV);
		assert_true(t.o.ip_masq);
		done(&t);
		snprintf(arg, sizeof(arg), "-iptables-forward-rules=%s", off[i]);
		expect_ok(&t, ARGS(arg), NO_ENV);
		assert_false(t.o.iptables_forward_rules);
		done(&t);
	}
	expect_refusal(ARGS("--ip-masq=yes"), NO_ENV, "--ip-masq=yes: must be true or false");
	expect_refusal(ARGS("--ip-masq="), NO_ENV, "--ip-masq=: must be true or false");
}

static void passes_over_an_empty_argument(void **state)
{
	struct run t;

	(void)state;
	expect_ok(&t, ARGS("", "--ip-masq", "", "-v", "1", ""), NO_ENV);
	assert_true(t.o.ip_masq);
	assert_int_equal(t.o.verbosity, 1);
	done(&t);
	expect_ok(&t, ARGS("--etcd-cafile", "", "-v=1"), NO_ENV);
	assert_string_equal(t.o.etcd_cafile, "");
	assert_int_equal(t.o.verbosity, 1);
	done(&t);
}

static void refuses_what_is_no_flag(void **state)
{
	(void)state;
	expect_refusal(ARGS("--ip-masq", "false"), NO_ENV, "unexpected argument \"false\"");
	expect_refusal(ARGS("x", "--ip-masq"), NO_ENV, "unexpected argument \"x\"");
	expect_refusal(ARGS("-"), NO_ENV, "unexpected argument \"-\"");
	expect_refusal(ARGS("--", "--ip-masq"), NO_ENV, "unexpected argument \"--ip-masq\"");
	expect_refusal(ARGS("---v=1"), NO_ENV, "bad flag syntax \"---v=1\"");
	expect_refusal(ARGS("--=1"), NO_ENV, "bad flag syntax \"--=1\"");
	expect_refusal(ARGS("-=1"), NO_ENV, "bad flag syntax \"-=1\"");
	expect_refusal(ARGS("a\nb\x1b[0m"), NO_ENV, "unexpected argument \"a\\x0ab\\x1b[0m\"");
}

static void ends_the_flags_at_two_dashes(void **state)
{
	struct run t;

	(void)state;
	expect_ok(&t, ARGS("-v=3", "--"), NO_ENV);
	assert_int_equal(t.o.verbosity, 3);
	done(&t);
}

static void names_an_unknown_flag_and_what_may_have_been_meant(void **state)
{
	(void)state;
	expect_refusal(ARGS("--ipmasq"), NO_ENV, "unknown flag --ipmasq; did you mean --ip-masq?");
	expect_refusal(ARGS("-etcd_endpoints=x"), NO_ENV,
		       "unknown flag -etcd_endpoints; did you mean --etcd-endpoints?");
	expect_refusal(ARGS("--IP-Masq"), NO_ENV,
		       "unknown flag --IP-Masq; did you mean --ip-masq?");
	expect_refusal(ARGS("--bogus"), NO_ENV, "unknown flag --bogus");
	expect_refusal(ARGS("-x"), NO_ENV, "unknown flag -x");
	expect_refusal(ARGS("--etcd-pasword=secret"), NO_ENV,
		       "unknown flag --etcd-pasword; did you mean --etcd-password?");
}

static void bounds_what_a_message_repeats(void **state)
{
	char arg[5000];
	struct run t;

	(void)state;
	memset(arg, 'a', sizeof(arg) - 1);
	arg[sizeof(arg) - 1] = '\0';
	memcpy(arg, "--", 2);
	run(&t, ARGS(arg), NO_ENV);
	assert_int_equal(t.error, -EINVAL);
	assert_true(strlen(t.why) < 120);
	done(&t);
}

static void misses_the_value_at_the_end(void **state)
{
	(void)state;
	expect_refusal(ARGS("--etcd-prefix"), NO_ENV, "--etcd-prefix: needs a value");
	expect_refusal(ARGS("-etcd-password"), NO_ENV, "-etcd-password: needs a value");
}

static void takes_the_last_of_several(void **state)
{
	struct run t;

	(void)state;
	expect_ok(&t, ARGS("-v=1", "-v", "2", "--etcd-prefix=/a", "--etcd-prefix=/b"), NO_ENV);
	assert_int_equal(t.o.verbosity, 2);
	assert_string_equal(t.o.etcd_prefix, "/b");
	done(&t);
}

static void collects_repeated_interfaces_in_order(void **state)
{
	struct run t;

	(void)state;
	expect_ok(&t, ARGS("--iface=eth1", "-iface", "10.0.0.1", "--iface=", "--iface-regex=^e.*"),
		  NO_ENV);
	assert_int_equal(t.o.iface.count, 2);
	assert_string_equal(t.o.iface.items[0], "eth1");
	assert_string_equal(t.o.iface.items[1], "10.0.0.1");
	assert_null(t.o.iface.items[2]);
	assert_int_equal(t.o.iface_regex.count, 1);
	assert_string_equal(t.o.iface_regex.items[0], "^e.*");
	done(&t);
}

/* --- the environment */

static void reads_the_environment_and_lets_the_command_line_win(void **state)
{
	const char *const *env =
		ARGS("HOME=/", "FLANNELD_ETCD_PREFIX=/env", "FLANNELD_IFACE=a,b",
		     "FLANNELD_IP_MASQ=T", "FLANNELD_V=4", "FLANNELD_SUBNET_LEASE_RENEW_MARGIN=7",
		     "FLANNELD_ETCD_PASSWORD=pw", "FLANNELD_ETCD_USERNAME=u");
	struct run t;

	(void)state;
	expect_ok(&t, ARGS(), env);
	assert_string_equal(t.o.etcd_prefix, "/env");
	assert_int_equal(t.o.iface.count, 1);
	assert_string_equal(t.o.iface.items[0], "a,b");
	assert_true(t.o.ip_masq);
	assert_int_equal(t.o.verbosity, 4);
	assert_int_equal(t.o.renew_margin_s, 420);
	assert_string_equal(t.o.etcd_password, "pw");
	done(&t);

	expect_ok(&t, ARGS("--etcd-prefix=/cmd", "--iface=c", "--ip-masq=false", "-v=0"), env);
	assert_string_equal(t.o.etcd_prefix, "/cmd");
	assert_int_equal(t.o.iface.count, 1);
	assert_string_equal(t.o.iface.items[0], "c");
	assert_false(t.o.ip_masq);
	assert_int_equal(t.o.verbosity, 0);
	done(&t);
}

static void overlooks_empty_variables_and_those_that_the_command_line_overrules(void **state)
{
	struct run t;

	(void)state;
	expect_ok(&t, ARGS("-v=1"), ARGS("FLANNELD_ETCD_PREFIX=", "FLANNELD_V=junk"));
	assert_string_equal(t.o.etcd_prefix, "/coreos.com/network");
	done(&t);
}

static void names_the_variable_that_is_wrong(void **state)
{
	(void)state;
	expect_refusal(ARGS(), ARGS("FLANNELD_PUBLIC_IP=x"),
		       "FLANNELD_PUBLIC_IP=x: must be an IPv4 address");
	expect_refusal(ARGS(), ARGS("FLANNELD_IP_MASQ=on"),
		       "FLANNELD_IP_MASQ=on: must be true or false");
	expect_refusal(ARGS(), ARGS("FLANNELD_KUBE_SUBNET_MGR=true"),
		       "FLANNELD_KUBE_SUBNET_MGR: Kubernetes is not supported; flanneld keeps its "
		       "leases in etcd");
}

static void takes_no_action_from_the_environment(void **state)
{
	struct run t;

	(void)state;
	expect_ok(&t, ARGS(), ARGS("FLANNELD_VERSION=0.11", "FLANNELD_HELP=1", "FLANNELD_CHECK=1"));
	assert_false(t.o.version || t.o.help || t.o.check);
	assert_string_equal(t.log, "");
	done(&t);
}

static void warns_of_a_mistyped_variable_but_not_of_others(void **state)
{
	struct run t;

	(void)state;
	expect_ok(&t, ARGS(), ARGS("FLANNELD_ETCD_ENDPOINT=x", "FLANNELD_EXTRA=1", "PATH=/"));
	assert_non_null(strstr(t.log, "FLANNELD_ETCD_ENDPOINT: unknown variable, ignored; "
				      "did you mean FLANNELD_ETCD_ENDPOINTS?"));
	assert_null(strstr(t.log, "EXTRA"));
	done(&t);
}

/* --- time to live and margin */

static void halves_a_margin_that_nobody_asked_for(void **state)
{
	static const struct {
		const char *ttl;
		uint64_t margin_s;
	} cases[] = {
		{"--subnet-lease-ttl=5s", 2},	 {"--subnet-lease-ttl=10s", 5},
		{"--subnet-lease-ttl=1h", 1800}, {"--subnet-lease-ttl=7199s", 3599},
		{"--subnet-lease-ttl=2h", 3600}, {"--subnet-lease-ttl=87600h", 3600},
	};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(cases); i++) {
		struct run t;

		expect_ok(&t, ARGS(cases[i].ttl), NO_ENV);
		assert_int_equal(t.o.renew_margin_s, cases[i].margin_s);
		done(&t);
	}
}

static void refuses_a_margin_that_was_asked_for_and_leaves_no_time(void **state)
{
	struct run t;

	(void)state;
	expect_refusal(ARGS("--subnet-lease-ttl=1h", "-subnet-lease-renew-margin=60"), NO_ENV,
		       "-subnet-lease-renew-margin=60: these minutes must be less than "
		       "--subnet-lease-ttl, which is 3600 seconds");
	expect_refusal(ARGS("--subnet-lease-ttl=1m"), ARGS("FLANNELD_SUBNET_LEASE_RENEW_MARGIN=2"),
		       "FLANNELD_SUBNET_LEASE_RENEW_MARGIN=2: these minutes must be less than "
		       "--subnet-lease-ttl, which is 60 seconds");
	expect_ok(&t, ARGS("--subnet-lease-ttl=3601s", "--subnet-lease-renew-margin=60"), NO_ENV);
	assert_int_equal(t.o.renew_margin_s, 3600);
	done(&t);
}

/* --- flannel's flags that are not ours, --help and --version */

static void accepts_flags_of_glog_with_a_warning(void **state)
{
	struct run t;

	(void)state;
	expect_ok(&t, ARGS("-vmodule=a=1"), ARGS("FLANNELD_LOG_BACKTRACE_AT=x.go:1"));
	assert_non_null(strstr(t.log, "-vmodule has no effect"));
	assert_non_null(strstr(t.log, "FLANNELD_LOG_BACKTRACE_AT has no effect"));
	done(&t);
}

static void warns_in_the_format_that_was_asked_for(void **state)
{
	struct run t;

	(void)state;
	expect_ok(&t, ARGS("--vmodule", "x", "--log-format=json"), NO_ENV);
	assert_int_equal(t.log[0], '{');
	done(&t);
	fl_log_init(FL_LOG_TEXT, 0);
}

static void refuses_by_name_what_flannel_has_and_we_do_not(void **state)
{
#define KUBERNETES ": Kubernetes is not supported; flanneld keeps its leases in etcd"
	(void)state;
	expect_refusal(ARGS("-kube-subnet-mgr"), NO_ENV, "-kube-subnet-mgr" KUBERNETES);
	expect_refusal(ARGS("--kube-subnet-mgr=1"), NO_ENV, "--kube-subnet-mgr" KUBERNETES);
	expect_refusal(ARGS("--kube-api-url", "x"), NO_ENV, "--kube-api-url" KUBERNETES);
	expect_refusal(ARGS("--kube-annotation-prefix=x"), NO_ENV,
		       "--kube-annotation-prefix" KUBERNETES);
	expect_refusal(ARGS("--kubeconfig-file=x"), NO_ENV, "--kubeconfig-file" KUBERNETES);
	expect_refusal(ARGS("--net-config-path=x"), NO_ENV, "--net-config-path" KUBERNETES);
	expect_refusal(ARGS("--set-node-network-unavailable=false"), NO_ENV,
		       "--set-node-network-unavailable" KUBERNETES);
	expect_refusal(ARGS("--public-ipv6=fd00::1"), NO_ENV,
		       "--public-ipv6: not supported yet: the overlay is IPv4 only");
	expect_refusal(ARGS("--ip-blackhole-route"), NO_ENV,
		       "--ip-blackhole-route: not supported yet: no blackhole route is set for "
		       "the own subnet");
}

static void accepts_such_a_switch_if_it_is_off(void **state)
{
	struct run t;

	(void)state;
	expect_ok(&t, ARGS("--kube-subnet-mgr=false", "-ip-blackhole-route=F"), NO_ENV);
	assert_string_equal(t.log, "");
	done(&t);
}

static void stops_reading_at_help_and_passes_over_the_environment_for_version(void **state)
{
	static const char *const help[] = {"-h", "--h", "-help", "--help", "--help=true"};
	struct run t;

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(help); i++) {
		expect_ok(&t, ARGS(help[i], "--bogus"), ARGS("FLANNELD_V=junk"));
		assert_true(t.o.help);
		done(&t);
	}
	expect_ok(&t, ARGS("-version"), ARGS("FLANNELD_V=junk"));
	assert_true(t.o.version);
	done(&t);
	expect_refusal(ARGS("-version", "--bogus"), NO_ENV, "unknown flag --bogus");
}

static void can_be_done_twice(void **state)
{
	struct run t;

	(void)state;
	expect_ok(&t, ARGS("--iface=a"), NO_ENV);
	fl_options_done(&t.o);
	assert_null(t.o.etcd_prefix);
	done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_every_option_its_default),
		cmocka_unit_test(takes_a_file_as_store_and_then_a_subnet),
		cmocka_unit_test(takes_one_or_two_dashes_with_a_sign_or_a_space),
		cmocka_unit_test(keeps_an_equals_sign_in_a_value_and_takes_values_with_dashes),
		cmocka_unit_test(reads_booleans_as_go_does),
		cmocka_unit_test(passes_over_an_empty_argument),
		cmocka_unit_test(refuses_what_is_no_flag),
		cmocka_unit_test(ends_the_flags_at_two_dashes),
		cmocka_unit_test(names_an_unknown_flag_and_what_may_have_been_meant),
		cmocka_unit_test(bounds_what_a_message_repeats),
		cmocka_unit_test(misses_the_value_at_the_end),
		cmocka_unit_test(takes_the_last_of_several),
		cmocka_unit_test(collects_repeated_interfaces_in_order),
		cmocka_unit_test(reads_the_environment_and_lets_the_command_line_win),
		cmocka_unit_test(
			overlooks_empty_variables_and_those_that_the_command_line_overrules),
		cmocka_unit_test(names_the_variable_that_is_wrong),
		cmocka_unit_test(takes_no_action_from_the_environment),
		cmocka_unit_test(warns_of_a_mistyped_variable_but_not_of_others),
		cmocka_unit_test(halves_a_margin_that_nobody_asked_for),
		cmocka_unit_test(refuses_a_margin_that_was_asked_for_and_leaves_no_time),
		cmocka_unit_test(accepts_flags_of_glog_with_a_warning),
		cmocka_unit_test(warns_in_the_format_that_was_asked_for),
		cmocka_unit_test(refuses_by_name_what_flannel_has_and_we_do_not),
		cmocka_unit_test(accepts_such_a_switch_if_it_is_off),
		cmocka_unit_test(stops_reading_at_help_and_passes_over_the_environment_for_version),
		cmocka_unit_test(can_be_done_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
