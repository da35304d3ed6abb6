/* tests/fuzz/extension.c - a command of the network config as JSON on the first line, the text that
 * a command has printed on the second, a peer's BackendData behind. */
#include <stdlib.h>
#include <string.h>

#include "backends/extension/command.h"
#include "backends/extension/data.h"
#include "fuzz.h"

static void fill(struct ext_vars *vars)
{
	struct fl_prefix network, subnet;
	struct fl_addr ip;

	FUZZ_CHECK(fl_prefix_parse("10.5.0.0/16", &network) == 0);
	FUZZ_CHECK(fl_prefix_parse("10.5.7.0/24", &subnet) == 0);
	FUZZ_CHECK(fl_addr_parse("192.0.2.9", &ip) == 0);
	ext_vars_set(vars, &network, &subnet, &ip);
}

static void run(const struct ext_command *c)
{
	struct ext_vars vars;
	char **argv;

	fill(&vars);
	argv = ext_command_argv(c, &vars);
	FUZZ_CHECK(argv && argv[0]);
	/* what a shell gets is the config's alone: its first words are not for filling in */
	FUZZ_CHECK(!ext_command_is_shell(c) || (argv[1] && strcmp(argv[1], "-c") == 0 && argv[2]));
	ext_argv_free(argv);
}

static void try_command(const char *text)
{
	struct fl_json *doc = NULL;
	struct ext_command *c = NULL;
	const char *rule = NULL;

	if (fl_json_parse(text, strlen(text), &doc, NULL) < 0)
		return;
	if (ext_command_parse(doc, &c, &rule) < 0)
		FUZZ_CHECK(rule);
	else if (c)
		run(c);
	ext_command_destroy(c);
	fl_json_destroy(doc);
}

/* What goes into a lease comes out of it, unless a command may not get it. */
static void try_output(const char *text)
{
	char json[FL_BACKEND_DATA_MAX], again[EXT_DATA_MAX];
	const char *why = NULL;

	if (ext_data_encode(text, strlen(text), json, &why) < 0) {
		FUZZ_CHECK(why);
		return;
	}
	if (ext_data_decode(json[0] ? json : NULL, again, &why) == 0)
		FUZZ_CHECK(strstr(text, again));
	else
		FUZZ_CHECK(why);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fuzz_input in = {bytes, len};
	char *command = fuzz_line(&in), *output = fuzz_line(&in);
	char *data = strndup((const char *)in.at, in.left), text[EXT_DATA_MAX];
	const char *why = NULL;

	FUZZ_CHECK(data);
	try_command(command);
	try_output(output);
	if (ext_data_decode(data, text, &why) < 0)
		FUZZ_CHECK(why);
	else
		FUZZ_CHECK(strlen(text) < sizeof(text));
	free(data);
	free(output);
	free(command);
	return 0;
}
