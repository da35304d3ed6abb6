/* ctl/commands.c - the table of commands. */
#include "ctl.h"

#include <stdio.h>

#include "base/defs.h"

const struct ctl_command ctl_commands[] = {
	{"status", "", "what is right, what is not, and what to do about it", ctl_status},
	{"peers", "", "the other hosts, and whether the kernel is in step", ctl_peers},
	{"watch", "", "what happens, as it happens", ctl_watch},
	{"ping", "[--count N] [--first]", "round trip to every host, through the overlay",
	 ctl_ping},
	{"check", "", "compare store, flanneld and kernel; also without a flanneld", ctl_check},
	{"config", "show|check FILE|set FILE", "the network config in the store", ctl_config},
	{"leases", "", "all leases in the store", ctl_leases},
	{"reserve", "SUBNET [--public-ip=A]", "a lease that does not expire", ctl_reserve},
	{"unreserve", "SUBNET", "make it an ordinary lease again", ctl_unreserve},
	{"release", "[SUBNET]", "give a lease back: this host's, or that one", ctl_release},
};
const size_t ctl_command_count = FL_ARRAY_SIZE(ctl_commands);

int ctl_no_args(int argc, char **argv)
{
	if (argc == 0)
		return CTL_OK;
	(void)fprintf(stderr, "flannelctl: unexpected argument \"%s\"\n", argv[0]);
	return CTL_USAGE;
}
