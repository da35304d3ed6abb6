/* tests/unit/test_options_value.c - the table of options, each value's rule, --help. */
#include "options_value.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "options.h"
#include "options_table.h"

/* Set one option to @value; @return the rule that it breaks, "" if none; owned by the caller. */
static char *set(struct fl_options *o, const char *name, const char *value)
{
	const struct fl_option *opt = fl_option_find(name, strlen(name));
	char *rule = NULL;
	int r;

	assert_non_null(opt);
	r = fl_option_set(o, opt, value, &rule);
	assert_true(r == 0 || r == -EINVAL);
	assert_true((r == 0) == (rule == NULL));
	return rule ? rule : strdup("");
}

struct limit {
	const char *name, *value;
	const char *rule; /* "": must be taken */
};

static void check_limits(const struct limit *limits, size_t n)
{
	struct fl_options o = {0};

	for (size_t i = 0; i < n; i++) {
		char *rule = set(&o, limits[i].name, limits[i].value);

		if (strcmp(rule, limits[i].rule) != 0)
			fail_msg("%s=%s: %s", limits[i].name, limits[i].value, rule);
		free(rule);
	}
	fl_options_done(&o);
}

static void holds_numbers_to_their_range(void **state)
{
	static const struct limit limits[] = {
		{"subnet-lease-renew-margin", "1", ""},
		{"subnet-lease-renew-margin", "1439", ""},
		{"subnet-lease-renew-margin", "0", "must be 1..1439 (minutes)"},
		{"subnet-lease-renew-margin", "1440", "must be 1..1439 (minutes)"},
		{"subnet-lease-renew-margin", "60m", "must be 1..1439 (minutes)"},
		{"iptables-resync", "1", ""},
		{"iptables-resync", "86400", ""},
		{"iptables-resync", "0", ""},
		{"iptables-resync", "-5", ""},
		{"iptables-resync", "86401", "must be 1..86400 (seconds)"},
		{"healthz-port", "0", ""},
		{"healthz-port", "65535", ""},
		{"healthz-port", "65536", "must be 0..65535"},
		{"healthz-port", "-1", ""},
		{"healthz-port", "18446744073709551616", "must be 0..65535"},
		{"healthz-port", "-9223372036854775809", "must be 0..65535"},
		{"v", "99", ""},
		{"v", "-1", ""},
		{"v", "2147483647", ""},
		{"v", "2147483648", "must be 0..2147483647"},
		{"v", "", "must be 0..2147483647"},
	};

	(void)state;
	check_limits(limits, FL_ARRAY_SIZE(limits));
}

static void reads_numbers_as_go_does(void **state)
{
	static const struct {
		const char *text;
		uint64_t minutes;
	} cases[] = {
		{"0x10", 16},	 {"0X1f", 31},	{"0o17", 15}, {"0O17", 15},
		{"0b101", 5},	 {"0B11", 3},	{"017", 15},  {"+60", 60},
		{"1_000", 1000}, {"0x_10", 16}, {"0_17", 15}, {"0x0_0_a", 10},
	};
	static const char *const bad[] = {"08",	  "0x",	   "0b",  "0b2", "0o8", "_7",	"7_",
					  "1__0", "0x__1", "0_",  "+",	 "-",	"+-1",	" 7",
					  "7 ",	  "1e3",   "60.", "0xg", "١",	"0x1_", "-0x10"};
	struct fl_options o = {0};

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(cases); i++) {
		free(set(&o, "subnet-lease-renew-margin", cases[i].text));
		if (o.renew_margin_min != cases[i].minutes)
			fail_msg("%s is not %d", cases[i].text, (int)o.renew_margin_min);
	}
	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		char *rule = set(&o, "subnet-lease-renew-margin", bad[i]);

		if (strcmp(rule, "must be 1..1439 (minutes)") != 0)
			fail_msg("\"%s\" passed", bad[i]);
		free(rule);
	}
	fl_options_done(&o);
}

static void takes_less_than_the_least_for_it_where_flannel_does(void **state)
{
	struct fl_options o = {0};

	(void)state;
	free(set(&o, "iptables-resync", "0"));
	assert_int_equal(o.iptables_resync_s, 1);
	free(set(&o, "healthz-port", "-1"));
	assert_int_equal(o.healthz_port, 0);
	free(set(&o, "v", "-3"));
	assert_int_equal(o.verbosity, 0);
	free(set(&o, "v", "99"));
	assert_int_equal(o.verbosity, 99);
	fl_options_done(&o);
}

static void holds_durations_to_their_range(void **state)
{
#define BAD_TTL(x)                                                                                 \
	{                                                                                          \
		"subnet-lease-ttl", x, "must be 5s..87600h, whole seconds, such as 24h or 1h30m"   \
	}
	static const struct limit limits[] = {
		{"subnet-lease-ttl", "5s", ""},
		{"subnet-lease-ttl", "87600h", ""},
		{"subnet-lease-ttl", "90m", ""},
		BAD_TTL("4s"),
		BAD_TTL("87600h1s"),
		BAD_TTL("60"),
		BAD_TTL(""),
		BAD_TTL("-1h"),
	};

	(void)state;
	check_limits(limits, FL_ARRAY_SIZE(limits));
}

static void holds_texts_to_their_form(void **state)
{
	static const struct limit limits[] = {
		{"public-ip", "192.0.2.1", ""},
		{"public-ip", "", ""},
		{"public-ip", "192.0.2", "must be an IPv4 address"},
		{"public-ip", "fd00::1", "must be an IPv4 address"},
		{"public-ip", "0.0.0.0", "must not be in 0.0.0.0/8 (this network)"},
		{"public-ip", "127.0.0.1", "must not be in 127.0.0.0/8 (loopback)"},
		{"public-ip", "224.0.0.1", "must not be in 224.0.0.0/4 (multicast)"},
		{"public-ip", "240.0.0.1", "must not be in 240.0.0.0/4 (reserved)"},
		{"public-ip", "255.255.255.255", "must not be in 240.0.0.0/4 (reserved)"},
		{"iface-can-reach", "fd00::1", ""},
		{"iface-can-reach", "", ""},
		{"iface-can-reach", "gw", "must be an IP address"},
		{"healthz-ip", "0.0.0.0", ""},
		{"healthz-ip", "::1", ""},
		{"healthz-ip", "", ""},
		{"healthz-ip", "localhost", "must be an IP address"},
		{"etcd-prefix", "/a", ""},
		{"etcd-prefix", "/...a/.b/c..", ""},
		{"etcd-prefix", "coreos.com/network", ""},
		{"etcd-prefix", "/a/..", "must name a folder, and do without . and .."},
		{"etcd-prefix", "/./a", "must name a folder, and do without . and .."},
		{"etcd-prefix", "./a", "must name a folder, and do without . and .."},
		{"etcd-prefix", "/", "must name a folder, and do without . and .."},
		{"etcd-prefix", "", "must name a folder, and do without . and .."},
		{"iface-regex", "^eth\\d$", ""},
		{"iface-regex", "", ""},
		{"iface-regex", "eth(", "Unmatched ( or \\("},
		{"iface-regex", "\\pL",
		 "not a pattern that can be understood (POSIX extended syntax with \\d, \\w, "
		 "\\s)"},
		{"subnet-file", "", "must not be empty"},
		{"subnet-file", "subnet.env", ""},
		{"subnet-file", "/run/flannel/", "must name a file, not a folder"},
		{"subnet-file", "/", "must name a file, not a folder"},
		{"backend-dir", "", "must not be empty"},
		{"check-config", "", "must not be empty"},
		{"check-config", "-", ""},
		{"etcd-api", "auto", ""},
		{"etcd-api", "2", ""},
		{"etcd-api", "3", ""},
		{"etcd-api", "", "must be auto, 2 or 3"},
		{"etcd-api", "v3", "must be auto, 2 or 3"},
		{"etcd-api", "4", "must be auto, 2 or 3"},
		{"log-format", "json", ""},
		{"log-format", "JSON", "must be text or json"},
	};

	(void)state;
	check_limits(limits, FL_ARRAY_SIZE(limits));
}

static void puts_the_slashes_of_the_prefix_right(void **state)
{
	struct fl_options o = {0};

	(void)state;
	free(set(&o, "etcd-prefix", "/a/b//"));
	assert_string_equal(o.etcd_prefix, "/a/b");
	free(set(&o, "etcd-prefix", "c/d/"));
	assert_string_equal(o.etcd_prefix, "/c/d");
	free(set(&o, "healthz-ip", "::1"));
	free(set(&o, "healthz-ip", ""));
	assert_string_equal(o.healthz_ip, "127.0.0.1");
	fl_options_done(&o);
}

static void holds_endpoints_to_urls(void **state)
{
#define NO_URL(x)                                                                                  \
	{                                                                                          \
		"etcd-endpoints", x, "\"" x "\" must be http://HOST:PORT or https://HOST:PORT"     \
	}
	static const struct limit limits[] = {
		{"etcd-endpoints", "https://etcd-1.example.com", ""},
		{"etcd-endpoints", "HTTP://[fd00::1]:2379/path", ""},
		{"etcd-endpoints", "http://a:1", ""},
		{"etcd-endpoints", "http://a:65535", ""},
		{"etcd-endpoints", "", "must name at least one URL"},
		{"etcd-endpoints", " , ,", "must name at least one URL"},
		{"etcd-endpoints", "http://a,b",
		 "\"b\" must be http://HOST:PORT or https://HOST:PORT"},
		NO_URL("10.0.0.1:2379"),
		NO_URL("ftp://a"),
		NO_URL("http://"),
		NO_URL("http:///path"),
		NO_URL("http://:2379"),
		NO_URL("http://a:"),
		NO_URL("http://a:0"),
		NO_URL("http://a:65536"),
		NO_URL("http://a:23x"),
		NO_URL("http://a b"),
		NO_URL("http://a?x"),
		NO_URL("http://[fd00::1"),
		NO_URL("http://[]:1"),
		NO_URL("http://[10.0.0.1]:1"),
		NO_URL("http://[fd00::1]2379"),
	};

	(void)state;
	check_limits(limits, FL_ARRAY_SIZE(limits));
}

static void tidies_the_list_of_endpoints(void **state)
{
	struct fl_options o = {0};

	(void)state;
	free(set(&o, "etcd-endpoints", " http://a:1/ ,,\thttps://b//, "));
	assert_string_equal(o.etcd_endpoints, "http://a:1,https://b");
	fl_options_done(&o);
}

static void keeps_the_old_value_when_the_new_one_is_refused(void **state)
{
	struct fl_options o = {0};

	(void)state;
	free(set(&o, "etcd-prefix", "/a"));
	free(set(&o, "etcd-prefix", "/b/.."));
	assert_string_equal(o.etcd_prefix, "/a");
	free(set(&o, "v", "3"));
	free(set(&o, "v", "x"));
	assert_int_equal(o.verbosity, 3);
	free(set(&o, "ip-masq", "true"));
	free(set(&o, "ip-masq", "maybe"));
	assert_true(o.ip_masq);
	fl_options_done(&o);
}

/* --- the table */

static void gives_every_option_a_name_words_and_a_valid_default(void **state)
{
	(void)state;
	for (size_t i = 0; i < fl_option_count; i++) {
		const struct fl_option *opt = &fl_option_table[i];
		struct fl_options o = {0};

		assert_true(strlen(opt->name) <= FL_OPTION_NAME_MAX);
		assert_ptr_equal(fl_option_find(opt->name, strlen(opt->name)), opt);
		assert_true(strlen(opt->help) > 5);
		assert_int_not_equal(opt->help[strlen(opt->help) - 1], '.');
		assert_non_null(opt->def);
		assert_true(opt->group < FL_GROUP_COUNT);
		if (opt->type == FL_OPTION_NUMBER || opt->type == FL_OPTION_DURATION)
			assert_true(opt->min < opt->max && opt->arg && opt->def[0]);
		if (opt->type == FL_OPTION_BOOL)
			assert_true(!opt->arg && opt->def[0]);
		if (fl_option_init(&o, opt) != 0)
			fail_msg("%s: the default \"%s\" is refused", opt->name, opt->def);
		fl_option_done(&o, opt);
	}
}

static void gives_no_two_options_one_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < fl_option_count; i++) {
		for (size_t k = 0; k < i; k++) {
			const struct fl_option *a = &fl_option_table[i], *b = &fl_option_table[k];

			if (a->type < FL_OPTION_IGNORED && b->type < FL_OPTION_IGNORED)
				assert_true(a->offset != b->offset);
		}
	}
}

static void names_variables_after_flags(void **state)
{
	char buf[FL_OPTION_ENV_MAX];

	(void)state;
	assert_string_equal(fl_option_env(fl_option_find("etcd-endpoints", 14), buf),
			    "FLANNELD_ETCD_ENDPOINTS");
	assert_string_equal(fl_option_env(fl_option_find("log_backtrace_at", 16), buf),
			    "FLANNELD_LOG_BACKTRACE_AT");
	assert_string_equal(fl_option_env(fl_option_find("check-config", 12), buf), "");
}

static void finds_names_by_case_and_length(void **state)
{
	(void)state;
	assert_null(fl_option_find("Iface", 5));
	assert_null(fl_option_find("ifac", 4));
	assert_null(fl_option_find("", 0));
	assert_string_equal(fl_option_find("iface=eth1", 5)->name, "iface");
	assert_string_equal(fl_option_find("h", 1)->name, "help");
}

static void guesses_only_what_is_near_and_allowed(void **state)
{
	(void)state;
	assert_string_equal(fl_option_guess("ifaces", 6)->name, "iface");
	assert_string_equal(fl_option_guess("iptable-resync", 14)->name, "iptables-resync");
	assert_null(fl_option_guess("kube-subnet-mg", 14));
	assert_null(fl_option_guess("x", 1));
	assert_null(fl_option_guess("", 0));
}

/* --- --help */

static void shows_every_option_with_its_default_in_80_columns(void **state)
{
	char *text = NULL, wanted[96];
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	fl_options_help(out);
	fclose(out);
	for (size_t i = 0; i < fl_option_count; i++) {
		const struct fl_option *opt = &fl_option_table[i];
		const char *dashes = strlen(opt->name) > 1 ? "--" : "-";
		bool shown;

		snprintf(wanted, sizeof(wanted), "\n  %s%s%s%s", dashes, opt->name,
			 opt->arg ? " " : "", opt->arg ? opt->arg : "");
		shown = strstr(text, wanted) != NULL;
		if (shown != (opt->group != FL_GROUP_REFUSED))
			fail_msg("--%s is %sshown", opt->name, shown ? "" : "not ");
		if (shown && opt->def[0] && strcmp(opt->def, "false") != 0)
			assert_non_null(strstr(text, opt->def));
	}
	assert_non_null(strstr(text, "FLANNELD_ETCD_ENDPOINTS"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		/* only a word alone, such as a long --backend-dir, may stand out */
		assert_true(strlen(line) <= 80 || !strchr(line + strspn(line, " "), ' '));
		assert_false(isspace((unsigned char)line[strlen(line) - 1]));
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_numbers_to_their_range),
		cmocka_unit_test(reads_numbers_as_go_does),
		cmocka_unit_test(takes_less_than_the_least_for_it_where_flannel_does),
		cmocka_unit_test(holds_durations_to_their_range),
		cmocka_unit_test(holds_texts_to_their_form),
		cmocka_unit_test(puts_the_slashes_of_the_prefix_right),
		cmocka_unit_test(holds_endpoints_to_urls),
		cmocka_unit_test(tidies_the_list_of_endpoints),
		cmocka_unit_test(keeps_the_old_value_when_the_new_one_is_refused),
		cmocka_unit_test(gives_every_option_a_name_words_and_a_valid_default),
		cmocka_unit_test(gives_no_two_options_one_field),
		cmocka_unit_test(names_variables_after_flags),
		cmocka_unit_test(finds_names_by_case_and_length),
		cmocka_unit_test(guesses_only_what_is_near_and_allowed),
		cmocka_unit_test(shows_every_option_with_its_default_in_80_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
