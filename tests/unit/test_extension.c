/* tests/unit/test_extension.c - extension's config, its command lines, and BackendData. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/extension/conf.h"
#include "backends/extension/data.h"

/* ---- command lines ---- */

static struct fl_json *parse_json(const char *text)
{
	struct fl_json *doc = NULL;
	char *why = NULL;

	if (fl_json_parse(text, strlen(text), &doc, &why) < 0)
		fail_msg("%s: %s", text, why);
	return doc;
}

static void some_vars(struct ext_vars *v)
{
	struct fl_prefix network, subnet;
	struct fl_addr ip;

	assert_int_equal(fl_prefix_parse("10.5.0.0/16", &network), 0);
	assert_int_equal(fl_prefix_parse("10.5.7.0/24", &subnet), 0);
	assert_int_equal(fl_addr_parse("192.0.2.9", &ip), 0);
	ext_vars_set(v, &network, &subnet, &ip);
}

/* The argv of a value, joined by '|', with a '!' in front if a shell runs it. */
static void assert_argv(const char *json, const char *expected)
{
	struct fl_json *doc = parse_json(json);
	struct ext_command *c = NULL;
	const char *rule = NULL;
	char joined[1024] = "", **argv;
	struct ext_vars vars;

	assert_int_equal(ext_command_parse(doc, &c, &rule), 0);
	fl_json_destroy(doc); /* the command keeps nothing of it */
	assert_non_null(c);
	some_vars(&vars);
	argv = ext_command_argv(c, &vars);
	assert_non_null(argv);
	if (ext_command_is_shell(c))
		strcat(joined, "!");
	for (char **word = argv; *word; word++) {
		strcat(joined, word == argv ? "" : "|");
		strcat(joined, *word);
	}
	ext_argv_free(argv);
	ext_command_destroy(c);
	assert_string_equal(joined, expected);
}

static void assert_refused(const char *json, const char *part)
{
	struct fl_json *doc = parse_json(json);
	struct ext_command *c = NULL;
	const char *rule = NULL;

	assert_int_equal(ext_command_parse(doc, &c, &rule), -EINVAL);
	assert_null(c);
	if (!strstr(rule, part))
		fail_msg("%s: \"%s\" does not say \"%s\"", json, rule, part);
	fl_json_destroy(doc);
}

static void assert_blank(const char *json)
{
	struct fl_json *doc = parse_json(json);
	struct ext_command *c = (struct ext_command *)&doc;
	const char *rule = NULL;

	assert_int_equal(ext_command_parse(doc, &c, &rule), 0);
	assert_null(c);
	fl_json_destroy(doc);
}

static void splits_a_plain_command_into_words(void **state)
{
	(void)state;
	assert_argv("\"true\"", "true");
	assert_argv("\"a b\"", "a|b");
	assert_argv("\"  ip\\troute  add \"", "ip|route|add");
	assert_argv("\"a=b /x/y-z_%+,.:@^ c=d\"", "!/bin/sh|-c|a=b /x/y-z_%+,.:@^ c=d");
	assert_argv("\"x a=b /x/y-z_%+,.:@^\"", "x|a=b|/x/y-z_%+,.:@^");
	assert_argv("\"a b# c~ d\"", "a|b#|c~|d");
}

static void takes_quotes_as_a_shell_does(void **state)
{
	(void)state;
	assert_argv("\"a 'b c' \\\"d e\\\"\"", "a|b c|d e");
	assert_argv("\"a ''\"", "a|");
	assert_argv("\"a x'b'\\\"c\\\"y\"", "a|xbcy");
	assert_argv("\"a '$SUBNET \\\\; `|*'\"", "a|$SUBNET \\; `|*");
	assert_argv("\"a \\\"b;c|d*'e\\\"\"", "a|b;c|d*'e");
	assert_argv("\"a \\\"\\\\\\\"\\\\\\\\\\\\$\\\\`\\\\x\\\"\"", "a|\"\\$`\\x");
	assert_argv("\"a \\\\; \\\\$SUBNET b\\\\ c\"", "a|;|$SUBNET|b c");
	assert_argv("\"a 'b\\nc'\"", "a|b\nc");
}

static void fills_in_our_variables_as_single_words(void **state)
{
	(void)state;
	assert_argv("\"ip route add \\\"$SUBNET\\\" via \\\"$PUBLIC_IP\\\"\"",
		    "ip|route|add|10.5.7.0/24|via|192.0.2.9");
	assert_argv("\"a $SUBNET ${SUBNET}x x$NETWORK-y $PUBLIC_IP\"",
		    "a|10.5.7.0/24|10.5.7.0/24x|x10.5.0.0/16-y|192.0.2.9");
	assert_argv("\"a $IPV6SUBNET \\\"$PUBLIC_IPV6\\\" b\"", "a|||b");
}

static void hands_what_only_a_shell_understands_to_one(void **state)
{
	static const char *const texts[] = {
		"a; b",	      "a | b",	      "a && b",	    "a &",
		"a > b",      "a < b",	      "(a)",	    "`a`",
		"a *",	      "a ?",	      "a [b]",	    "{ a",
		"! a",	      "# a",	      "a #b",	    "a ~",
		"a $(b)",     "a $HOME",      "a ${X}",	    "a $",
		"a $$",	      "a $1",	      "a $?",	    "A=b c",
		"_x1= c",     "A+=b",	      "if x",	    "export A",
		"cd /",	      "exec ip x",    "a $SUBNETS", "a ${SUBNET%/*}",
		"a ${SUBNET", "a $SUBNET_IP",
	};
	char json[80], expected[80];

	(void)state;
	for (size_t i = 0; i < FL_ARRAY_SIZE(texts); i++) {
		(void)snprintf(json, sizeof(json), "\"%s\"", texts[i]);
		(void)snprintf(expected, sizeof(expected), "!/bin/sh|-c|%s", texts[i]);
		assert_argv(json, expected);
	}
	assert_argv("\"a\\nb\"", "!/bin/sh|-c|a\nb");
	assert_argv("\"a \\\"`b`\\\"\"", "!/bin/sh|-c|a \"`b`\"");
	assert_argv("\"a \\\"$(b)\\\"\"", "!/bin/sh|-c|a \"$(b)\"");
	assert_argv("\"a \\\\\"", "!/bin/sh|-c|a \\");
	assert_argv("\"a \\\\\\nb\"", "!/bin/sh|-c|a \\\nb");
	assert_argv("\"a \\\"b\\\\\\nc\\\"\"", "!/bin/sh|-c|a \"b\\\nc\"");
}

static void leaves_the_variables_of_a_shell_command_alone(void **state)
{
	(void)state;
	assert_argv("\"echo $SUBNET; echo $PUBLIC_IP\"",
		    "!/bin/sh|-c|echo $SUBNET; echo $PUBLIC_IP");
}

static void takes_an_array_as_argv(void **state)
{
	(void)state;
	assert_argv("[\"ip\"]", "ip");
	assert_argv("[\"a b\",\"; c\",\"\",\"'d'\",\"\\\\e\"]", "a b|; c||'d'|\\e");
	assert_argv("[\"a\",\"$SUBNET\",\"x${PUBLIC_IP}y\",\"$\",\"$HOME ${HOME} $SUBNETS\"]",
		    "a|10.5.7.0/24|x192.0.2.9y|$|$HOME ${HOME} $SUBNETS");
	assert_argv("[\"sh\",\"-c\",\"echo $NETWORK; ls *\"]", "sh|-c|echo 10.5.0.0/16; ls *");
}

/* "x" and a few random pieces. */
static void random_text(unsigned int *seed, char text[256])
{
	static const char *const pieces[] = {
		" ",	     "\t",	   "a", "b=c", "'",  "\"",  "\\",   "#", "~",  "$SUBNET",
		"${SUBNET}", "$PUBLIC_IP", "/", "%s",  "-n", "\\$", "\\\"", ";", "$x", "*",
	};
	unsigned int n = 1 + (unsigned int)rand_r(seed) % 9;

	strcpy(text, "x ");
	while (n-- > 0)
		strcat(text, pieces[(unsigned int)rand_r(seed) % FL_ARRAY_SIZE(pieces)]);
}

/* What sh(1) makes of what we take as plain: "[a][b c]", a line each. */
static char *ask_shell(const char *script)
{
	char name[] = "/tmp/test_extension.XXXXXX", command[80], *answer = calloc(1, 1 << 18);
	int fd = mkstemp(name);
	FILE *sh;

	assert_true(fd >= 0 && answer);
	assert_int_equal(write(fd, script, strlen(script)), strlen(script));
	close(fd);
	(void)snprintf(command, sizeof(command), "SUBNET=10.5.7.0/24 PUBLIC_IP=192.0.2.9 sh %s",
		       name);
	sh = popen(command, "r");
	assert_non_null(sh);
	(void)!fread(answer, 1, (1 << 18) - 1, sh);
	assert_int_equal(pclose(sh), 0);
	(void)unlink(name);
	return answer;
}

static void append_argv(const struct ext_command *c, char *to)
{
	struct ext_vars vars;
	char **argv;

	some_vars(&vars);
	argv = ext_command_argv(c, &vars);
	assert_non_null(argv);
	for (char **word = argv + 1; *word; word++)
		sprintf(to + strlen(to), "[%s]", *word);
	if (!argv[1])
		strcat(to, "[]"); /* as printf without arguments */
	strcat(to, "\n");
	ext_argv_free(argv);
}

static void splits_as_a_shell_does(void **state)
{
	char *script = calloc(1, 1 << 18), *expected = calloc(1, 1 << 18), *answer;
	unsigned int seed = 4711, n = 0;

	(void)state;
	assert_true(script && expected);
	for (unsigned int i = 0; i < 3000; i++) {
		char text[256], *json;
		struct ext_command *c = NULL;
		const char *rule = NULL;
		struct fl_json *doc;

		random_text(&seed, text);
		json = fl_json_quote(text);
		doc = parse_json(json);
		if (ext_command_parse(doc, &c, &rule) == 0 && !ext_command_is_shell(c)) {
			append_argv(c, expected);
			sprintf(script + strlen(script), "printf '[%%s]' %s; echo\n", text + 2);
			n++;
		}
		ext_command_destroy(c);
		fl_json_destroy(doc);
		free(json);
	}
	answer = ask_shell(script);
	assert_string_equal(expected, answer);
	assert_true(n > 500);
	free(answer);
	free(expected);
	free(script);
}

static void an_empty_string_is_no_command(void **state)
{
	(void)state;
	assert_blank("\"\"");
	assert_blank("\" \\t\\n\"");
}

static void refuses_what_is_no_command(void **state)
{
	(void)state;
	assert_refused("7", "a string, or an array of strings");
	assert_refused("true", "a string, or an array of strings");
	assert_refused("{}", "a string, or an array of strings");
	assert_refused("[]", "a string, or an array of strings");
	assert_refused("[\"\"]", "the first is not empty");
	assert_refused("[1]", "an array of strings");
	assert_refused("[\"a\",null]", "an array of strings");
	assert_refused("[\"a\",[\"b\"]]", "an array of strings");
	assert_refused("[\"a\\u0000b\"]", "without U+0000");
	assert_refused("\"a\\u0000b\"", "without U+0000");
	assert_refused("\"a 'b\"", "quotes are closed");
	assert_refused("\"a \\\"b\"", "quotes are closed");
	assert_refused("\"'' b\"", "begins with a program");
}

/* ---- the config ---- */

static char log_text[8192];

/* Parse, and keep what was logged meanwhile. */
static int parse(const char *json, struct ext_conf *conf)
{
	int fd = memfd_create("log", MFD_CLOEXEC), err = dup(STDERR_FILENO), r;
	struct fl_json *doc = parse_json(json);
	ssize_t n;

	assert_true(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	r = ext_conf_parse(doc, conf);
	(void)dup2(err, STDERR_FILENO);
	close(err);
	n = pread(fd, log_text, sizeof(log_text) - 1, 0);
	log_text[n > 0 ? n : 0] = '\0';
	close(fd);
	fl_json_destroy(doc);
	return r;
}

static void refuses(const char *json, const char *reason)
{
	struct ext_conf conf = {.timeout_s = 77};

	assert_int_equal(parse(json, &conf), -EINVAL);
	assert_int_equal(conf.timeout_s, 77);
	if (!strstr(log_text, reason))
		fail_msg("%s: \"%s\" does not say \"%s\"", json, log_text, reason);
}

static void no_config_means_no_commands(void **state)
{
	struct ext_conf c;

	(void)state;
	assert_int_equal(ext_conf_parse(NULL, &c), 0);
	assert_int_equal(c.timeout_s, 30);
	for (enum ext_key key = 0; key < EXT_KEYS; key++)
		assert_null(c.commands[key]);
	ext_conf_done(&c);
}

static void reads_all_keys_without_regard_to_case(void **state)
{
	struct ext_conf c;

	(void)state;
	assert_int_equal(parse("{\"type\":\"extension\",\"prestartupcommand\":\"a\","
			       "\"POSTSTARTUPCOMMAND\":[\"b\"],\"SubnetAddCommand\":\"c;\","
			       "\"subnetRemoveCommand\":\"d\",\"CommandTimeout\":3600}",
			       &c),
			 0);
	assert_string_equal(log_text, "");
	assert_int_equal(c.timeout_s, 3600);
	assert_false(ext_command_is_shell(c.commands[EXT_POST_STARTUP]));
	assert_true(ext_command_is_shell(c.commands[EXT_SUBNET_ADD]));
	for (enum ext_key key = 0; key < EXT_KEYS; key++)
		assert_non_null(c.commands[key]);
	ext_conf_done(&c);
}

static void refuses_a_wrong_type_of_each_key(void **state)
{
	static const char *const wrong[] = {"1", "true", "{}", "[]", "[1]", "[\"a\",{}]"};
	char json[120], reason[120];

	(void)state;
	for (enum ext_key key = 0; key < EXT_KEYS; key++)
		for (size_t i = 0; i < FL_ARRAY_SIZE(wrong); i++) {
			const char *name = ext_key_name(key);

			(void)snprintf(json, sizeof(json), "{\"%s\":%s}", name, wrong[i]);
			(void)snprintf(reason, sizeof(reason), "Backend.%s is %s, must be a string",
				       name, wrong[i]);
			refuses(json, reason);
		}
	refuses("{\"CommandTimeout\":\"30\"}", "Backend.CommandTimeout is \"30\", must be a whole");
	refuses("{\"CommandTimeout\":0}", "a whole number from 1 to 3600");
	refuses("{\"CommandTimeout\":3601}", "Backend.CommandTimeout is 3601");
	refuses("[]", "Backend is an array");
}

static void a_refusal_frees_the_commands_before_it(void **state)
{
	(void)state;
	refuses("{\"PreStartupCommand\":\"a\",\"SubnetRemoveCommand\":7}",
		"Backend.SubnetRemoveCommand");
}

/* ---- BackendData ---- */

static void assert_decodes(const char *json, const char *text)
{
	char buf[EXT_DATA_MAX];
	const char *why = NULL;

	assert_int_equal(ext_data_decode(json, buf, &why), 0);
	assert_string_equal(buf, text);
}

static void assert_rejects(const char *json, const char *reason)
{
	char buf[EXT_DATA_MAX] = "untouched";
	const char *why = NULL;

	assert_int_equal(ext_data_decode(json, buf, &why), -EINVAL);
	assert_string_equal(buf, "untouched");
	if (!strstr(why, reason))
		fail_msg("%s: \"%s\" does not say \"%s\"", json, why, reason);
}

static void takes_the_text_of_a_peer_as_it_is(void **state)
{
	(void)state;
	assert_decodes(NULL, "");
	assert_decodes("\"\"", "");
	assert_decodes("\"0a:00:00:00:00:01\"", "0a:00:00:00:00:01");
	assert_decodes("\"$(reboot); `x` \\\"'\\\\\"", "$(reboot); `x` \"'\\");
	assert_decodes("\"\\u00a0\\u00e4\\u4e2d\"", "\xc2\xa0\xc3\xa4\xe4\xb8\xad");
}

static void rejects_data_that_is_no_string(void **state)
{
	(void)state;
	assert_rejects("{\"VtepMAC\":\"x\"}", "not a JSON string");
	assert_rejects("[\"a\"]", "not a JSON string");
	assert_rejects("7", "not a JSON string");
	assert_rejects("true", "not a JSON string");
	assert_rejects("null", "not a JSON string");
	assert_rejects("", "not JSON");
	assert_rejects("\"a", "not JSON");
	assert_rejects("\"a\xff\"", "not JSON");
}

static void rejects_control_characters(void **state)
{
	char json[16];

	(void)state;
	for (unsigned int c = 0; c < 0xa0; c++) {
		if (c >= 0x20 && c < 0x7f)
			continue;
		(void)snprintf(json, sizeof(json), "\"a\\u%04xb\"", c);
		assert_rejects(json, "control characters");
	}
	assert_rejects("\"\xc2\x85\"", "control characters");
}

static void rejects_data_that_is_too_long(void **state)
{
	char json[1100];
	char buf[EXT_DATA_MAX];
	const char *why = NULL;

	(void)state;
	(void)snprintf(json, sizeof(json), "\"%0*d\"", 1024, 0);
	assert_int_equal(ext_data_decode(json, buf, &why), 0);
	assert_int_equal(strlen(buf), 1024);
	(void)snprintf(json, sizeof(json), "\"%0*d\"", 1025, 0);
	assert_int_equal(ext_data_decode(json, buf, &why), -EINVAL);
	assert_non_null(strstr(why, "longer than 1024 bytes"));
}

static void assert_encodes(const char *output, size_t len, const char *json)
{
	char buf[FL_BACKEND_DATA_MAX];
	const char *why = NULL;

	assert_int_equal(ext_data_encode(output, len, buf, &why), 0);
	assert_string_equal(buf, json);
}

static void assert_unfit(const char *output, size_t len, const char *reason)
{
	char buf[FL_BACKEND_DATA_MAX] = "untouched";
	const char *why = NULL;

	assert_int_equal(ext_data_encode(output, len, buf, &why), -EINVAL);
	assert_string_equal(buf, "untouched");
	if (!strstr(why, reason))
		fail_msg("\"%s\" does not say \"%s\"", why, reason);
}

static void output_becomes_a_json_string_without_its_margins(void **state)
{
	(void)state;
	assert_encodes("", 0, "\"\"");
	assert_encodes(" \n\t", 3, "\"\"");
	assert_encodes("0a:00:00:00:00:01\n", 18, "\"0a:00:00:00:00:01\"");
	assert_encodes("\r\n a \"b\" \\ \n", 12, "\"a \\\"b\\\" \\\\\"");
}

static void refuses_output_that_no_peer_would_take(void **state)
{
	char big[1100];

	(void)state;
	assert_unfit("a\nb", 3, "control characters");
	assert_unfit("a\0b", 3, "control characters");
	assert_unfit("a\x7f", 2, "control characters");
	assert_unfit("\xc2\x9bx", 3, "control characters");
	assert_unfit("a\xff", 2, "not UTF-8");
	assert_unfit("\xc2", 1, "not UTF-8");
	memset(big, 'x', sizeof(big));
	assert_unfit(big, 1022, "longer");
	memset(big, '"', sizeof(big)); /* two bytes each, as JSON */
	assert_unfit(big, 600, "longer");
}

static void the_longest_output_fits(void **state)
{
	char big[1021], buf[FL_BACKEND_DATA_MAX];
	const char *why = NULL;

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_int_equal(ext_data_encode(big, sizeof(big), buf, &why), 0);
	assert_int_equal(strlen(buf), 1023);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_a_plain_command_into_words),
		cmocka_unit_test(takes_quotes_as_a_shell_does),
		cmocka_unit_test(fills_in_our_variables_as_single_words),
		cmocka_unit_test(hands_what_only_a_shell_understands_to_one),
		cmocka_unit_test(leaves_the_variables_of_a_shell_command_alone),
		cmocka_unit_test(takes_an_array_as_argv),
		cmocka_unit_test(splits_as_a_shell_does),
		cmocka_unit_test(an_empty_string_is_no_command),
		cmocka_unit_test(refuses_what_is_no_command),
		cmocka_unit_test(no_config_means_no_commands),
		cmocka_unit_test(reads_all_keys_without_regard_to_case),
		cmocka_unit_test(refuses_a_wrong_type_of_each_key),
		cmocka_unit_test(a_refusal_frees_the_commands_before_it),
		cmocka_unit_test(takes_the_text_of_a_peer_as_it_is),
		cmocka_unit_test(rejects_data_that_is_no_string),
		cmocka_unit_test(rejects_control_characters),
		cmocka_unit_test(rejects_data_that_is_too_long),
		cmocka_unit_test(output_becomes_a_json_string_without_its_margins),
		cmocka_unit_test(refuses_output_that_no_peer_would_take),
		cmocka_unit_test(the_longest_output_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
