/* ctl/ctl.h - what the commands of flannelctl share. A command is a file, cmd_NAME.c, and a row in
 * the table of commands.c. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>

/** Exit codes, as in flannelctl(8). */
enum ctl_exit {
	CTL_OK = 0,
	CTL_AMISS = 1, /* it was asked, and something is not as it should be */
	CTL_USAGE = 2,
	CTL_MUTE = 3, /* flanneld, the store, or whoever else was asked, does not answer */
};

#define CTL_SOCKET "/run/flannel/flanneld.sock"

/** How it was called. */
struct ctl {
	const char *socket; /* of the flanneld to ask */
	bool json;	    /* for programs */
	char **flags;	    /* flanneld's own options that were given, as of an argv */
	int n_flags;
	bool colour;	    /* on a terminal */
	unsigned int width; /* columns of it; 0: no terminal, so there is no end */
};

struct ctl_command {
	const char *name;
	const char *args; /* for --help: "[--count N]" */
	const char *help; /* one line */
	/** @param argv  what follows the command's name, @p argc of them; NULL-terminated */
	int (*run)(const struct ctl *c, int argc, char **argv);
};

extern const struct ctl_command ctl_commands[];
extern const size_t ctl_command_count;

/* cmd_*.c */
int ctl_status(const struct ctl *c, int argc, char **argv);
int ctl_peers(const struct ctl *c, int argc, char **argv);
int ctl_watch(const struct ctl *c, int argc, char **argv);
int ctl_ping(const struct ctl *c, int argc, char **argv);
int ctl_check(const struct ctl *c, int argc, char **argv);
int ctl_config(const struct ctl *c, int argc, char **argv);
int ctl_leases(const struct ctl *c, int argc, char **argv);
int ctl_reserve(const struct ctl *c, int argc, char **argv);
int ctl_unreserve(const struct ctl *c, int argc, char **argv);
int ctl_release(const struct ctl *c, int argc, char **argv);

/** For a command without arguments. @return CTL_OK, or CTL_USAGE, which it has said */
int ctl_no_args(int argc, char **argv);

#endif
