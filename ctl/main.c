/* ctl/main.c - flannelctl: options, then the command. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/parse.h"
#include "ctl.h"

static void print_help(void)
{
	(void)puts("flannelctl [OPTION...] COMMAND\n\nCommands:");
	for (size_t i = 0; i < ctl_command_count; i++)
		(void)printf("  %-9s %-24s %s\n", ctl_commands[i].name, ctl_commands[i].args,
			     ctl_commands[i].help);
	(void)puts("\nOptions:\n"
		   "  --json          for programs\n"
		   "  --socket=PATH   of the flanneld to ask (" CTL_SOCKET ")\n"
		   "  --etcd-..., --store, --subnet-file, --subnet-lease-ttl, --backend-dir\n"
		   "                  as of flanneld(8), for what asks the store; or FLANNELD_...\n"
		   "  --version       print the version\n"
		   "  --help          print this; also -h");
}

static const struct ctl_command *find(const char *name)
{
	for (size_t i = 0; i < ctl_command_count; i++)
		if (strcmp(ctl_commands[i].name, name) == 0)
			return &ctl_commands[i];
	return NULL;
}

static void look_at_terminal(struct ctl *c)
{
	const char *columns = getenv("COLUMNS"), *no_colour = getenv("NO_COLOR");
	struct winsize size;
	uint64_t given;

	if (!isatty(STDOUT_FILENO))
		return;
	c->colour = !no_colour || !no_colour[0];
	c->width = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		c->width = size.ws_col;
	else if (columns && fl_parse_u64(columns, 1, 10000, &given) == 0)
		c->width = (unsigned int)given;
	if (c->width < 40)
		c->width = 40;
}

static int usage(const char *what, const char *text)
{
	(void)fprintf(stderr, "flannelctl: %s%s%s; --help shows what there is\n", what,
		      text ? " " : "", text ? text : "");
	return CTL_USAGE;
}

/* --json may stand anywhere. Takes it out. */
static int take_json(struct ctl *c, int argc, char **argv)
{
	int kept = 0;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			c->json = true;
		else
			argv[kept++] = argv[i];
	}
	argv[kept] = NULL;
	return kept;
}

/* Those of flanneld's that say where the store is and what it has left. All of them have a value.
 */
static bool is_flanneld_s(const char *arg)
{
	static const char *const names[] = {"store", "subnet-file", "subnet-lease-ttl",
					    "backend-dir"};
	size_t len;

	arg += 1 + (arg[1] == '-');
	len = strcspn(arg, "=");
	if (strncmp(arg, "etcd-", 5) == 0)
		return true;
	for (size_t i = 0; i < FL_ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == len && memcmp(names[i], arg, len) == 0)
			return true;
	return false;
}

/* @return as take_option() */
static int take_flag(struct ctl *c, char **argv)
{
	int n = strchr(argv[0], '=') ? 1 : 2;

	if (!is_flanneld_s(argv[0]) || (n == 2 && !argv[1]))
		return 0;
	for (int i = 0; i < n; i++)
		c->flags[c->n_flags++] = argv[i];
	return n;
}

/* @return how many arguments it has read; -1: there is nothing more to do */
static int take_option(struct ctl *c, char **argv)
{
	if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
		print_help();
		return -1;
	}
	if (strcmp(argv[0], "--version") == 0) {
		(void)puts(PACKAGE_VERSION);
		return -1;
	}
	if (strncmp(argv[0], "--socket=", 9) == 0 && argv[0][9]) {
		c->socket = argv[0] + 9;
		return 1;
	}
	if (strcmp(argv[0], "--socket") == 0 && argv[1]) {
		c->socket = argv[1];
		return 2;
	}
	return take_flag(c, argv);
}

static int run(struct ctl *c, int argc, char **argv)
{
	const struct ctl_command *command;
	int at = 0;

	while (at < argc && argv[at][0] == '-') {
		int n = take_option(c, argv + at);

		if (n < 0)
			return CTL_OK;
		if (n == 0)
			return usage("unknown option, or one without its value:", argv[at]);
		at += n;
	}
	if (at == argc)
		return usage("no command", NULL);
	command = find(argv[at]);
	if (!command)
		return usage("unknown command", argv[at]);
	return command->run(c, argc - at - 1, argv + at + 1);
}

int main(int argc, char **argv)
{
	struct ctl c = {.socket = CTL_SOCKET};
	int code;

	c.flags = calloc((size_t)argc + 1, sizeof(*c.flags));
	if (!c.flags) {
		(void)fputs("flannelctl: out of memory\n", stderr);
		return CTL_MUTE;
	}
	c.flags[c.n_flags++] = argv[0];
	look_at_terminal(&c);
	argc = take_json(&c, argc, argv);
	code = run(&c, argc - 1, argv + 1);
	free(c.flags);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		(void)fprintf(stderr, "flannelctl: standard output: %s\n", strerror(errno));
		return CTL_MUTE;
	}
	return code;
}
