/* core/options_table.c - every option of flanneld, and --help. */
#include "options_table.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "options.h"

#ifndef FL_BACKEND_DIR
#define FL_BACKEND_DIR "/usr/local/lib/flanneld/backends"
#endif

#define FIELD(member) .offset = offsetof(struct fl_options, member)
#define NO_KUBERNETES "Kubernetes is not supported; flanneld keeps its leases in etcd"

const struct fl_option fl_option_table[] = {
	{.name = "store",
	 .type = FL_OPTION_STORE,
	 .group = FL_GROUP_STORE,
	 FIELD(store),
	 .def = "etcd",
	 .arg = "etcd|URL",
	 .help = "where the network config and the leases are: in etcd, or in a file that people "
		 "write, file:///PATH"},
	{.name = "subnet",
	 .type = FL_OPTION_SUBNET,
	 .group = FL_GROUP_STORE,
	 FIELD(subnet),
	 .def = "",
	 .arg = "SUBNET",
	 .help = "which lease in the file is this host's, if not the one with its address as "
		 "PublicIP; only with --store=file:///PATH"},
	{.name = "etcd-endpoints",
	 .type = FL_OPTION_URLS,
	 .group = FL_GROUP_ETCD,
	 FIELD(etcd_endpoints),
	 .def = "http://127.0.0.1:4001,http://127.0.0.1:2379",
	 .arg = "LIST",
	 .help = "URLs of the etcd members, separated by commas"},
	{.name = "etcd-prefix",
	 .type = FL_OPTION_FOLDER,
	 .group = FL_GROUP_ETCD,
	 FIELD(etcd_prefix),
	 .def = "/coreos.com/network",
	 .arg = "PATH",
	 .help = "folder in etcd that holds the network config and the leases"},
	{.name = "etcd-api",
	 .type = FL_OPTION_ETCD_API,
	 .group = FL_GROUP_ETCD,
	 FIELD(etcd_api),
	 .def = "auto",
	 .arg = "auto|2|3",
	 .help = "API of etcd to use: v2, v3, or the one that holds the network config (v3 if both "
		 "do)"},
	{.name = "etcd-cafile",
	 .type = FL_OPTION_TEXT,
	 .group = FL_GROUP_ETCD,
	 FIELD(etcd_cafile),
	 .path = true,
	 .def = "",
	 .arg = "FILE",
	 .help = "certificates (PEM) of the authorities that etcd's certificate is checked "
		 "against, instead of the system's"},
	{.name = "etcd-certfile",
	 .type = FL_OPTION_TEXT,
	 .group = FL_GROUP_ETCD,
	 FIELD(etcd_certfile),
	 .path = true,
	 .def = "",
	 .arg = "FILE",
	 .help = "client certificate (PEM) to show to etcd; needs --etcd-keyfile"},
	{.name = "etcd-keyfile",
	 .type = FL_OPTION_TEXT,
	 .group = FL_GROUP_ETCD,
	 FIELD(etcd_keyfile),
	 .path = true,
	 .def = "",
	 .arg = "FILE",
	 .help = "private key (PEM) of the client certificate; needs --etcd-certfile"},
	{.name = "etcd-username",
	 .type = FL_OPTION_TEXT,
	 .group = FL_GROUP_ETCD,
	 FIELD(etcd_username),
	 .def = "",
	 .arg = "NAME",
	 .help = "user name for etcd's authentication"},
	{.name = "etcd-password",
	 .type = FL_OPTION_SECRET,
	 .group = FL_GROUP_ETCD,
	 FIELD(etcd_password),
	 .def = "",
	 .arg = "PASSWORD",
	 .help = "password for etcd's authentication; overwritten on the command line once read, "
		 "but better given by file or environment"},
	{.name = "etcd-password-file",
	 .type = FL_OPTION_TEXT,
	 .group = FL_GROUP_ETCD,
	 FIELD(etcd_password_file),
	 .def = "",
	 .arg = "FILE",
	 .help = "file whose first line is the password"},
	{.name = "iface",
	 .type = FL_OPTION_LIST,
	 .group = FL_GROUP_INTERFACE,
	 FIELD(iface),
	 .def = "",
	 .arg = "NAME|ADDRESS",
	 .help = "interface to reach the other hosts through, by name or address; may be repeated, "
		 "the first that fits is taken (without any: the default route's)"},
	{.name = "iface-regex",
	 .type = FL_OPTION_REGEXES,
	 .group = FL_GROUP_INTERFACE,
	 FIELD(iface_regex),
	 .def = "",
	 .arg = "REGEX",
	 .help = "extended regular expression for the interface's address or name; may be "
		 "repeated, "
		 "tried in order after every --iface"},
	{.name = "iface-can-reach",
	 .type = FL_OPTION_IP,
	 .group = FL_GROUP_INTERFACE,
	 FIELD(iface_can_reach),
	 .def = "",
	 .arg = "ADDRESS",
	 .help = "take the interface that the kernel would use to reach this address"},
	{.name = "public-ip",
	 .type = FL_OPTION_HOST,
	 .group = FL_GROUP_INTERFACE,
	 FIELD(public_ip),
	 .def = "",
	 .arg = "ADDRESS",
	 .help = "IPv4 address that other hosts reach this one at, if not the interface's own"},
	{.name = "address-check",
	 .type = FL_OPTION_BOOL,
	 .group = FL_GROUP_INTERFACE,
	 FIELD(address_check),
	 .def = "true",
	 .help = "refuse to start where another host of the link has the same address (ARP "
		 "probes, RFC 5227)"},
	{.name = "subnet-file",
	 .type = FL_OPTION_FILE,
	 .group = FL_GROUP_LEASE,
	 FIELD(subnet_file),
	 .path = true,
	 .def = "/run/flannel/subnet.env",
	 .arg = "FILE",
	 .help = "file that tells the subnet and the MTU to container runtimes"},
	{.name = "subnet-lease-ttl",
	 .type = FL_OPTION_DURATION,
	 .group = FL_GROUP_LEASE,
	 FIELD(lease_ttl_s),
	 .def = "24h",
	 .min = 5,
	 .max = UINT64_C(315360000),
	 .arg = "DURATION",
	 .help = "lifetime of the lease between renewals: 24h, 90m, 1h30m; 5s to 87600h"},
	{.name = "subnet-lease-renew-margin",
	 .type = FL_OPTION_NUMBER,
	 .group = FL_GROUP_LEASE,
	 FIELD(renew_margin_min),
	 .def = "60",
	 .min = 1,
	 .max = 1439,
	 .unit = "minutes",
	 .arg = "MINUTES",
	 .help = "renew the lease that long before it expires, 1..1439; if not given, at most half "
		 "of --subnet-lease-ttl"},
	{.name = "release-on-exit",
	 .type = FL_OPTION_BOOL,
	 .group = FL_GROUP_LEASE,
	 FIELD(release_on_exit),
	 .def = "false",
	 .help = "delete the lease when told to stop"},
	{.name = "backend-dir",
	 .type = FL_OPTION_PATH,
	 .group = FL_GROUP_LEASE,
	 FIELD(backend_dir),
	 .path = true,
	 .def = FL_BACKEND_DIR,
	 .arg = "DIRECTORY",
	 .help = "where the backends are"},
	{.name = "allow-extension",
	 .type = FL_OPTION_BOOL,
	 .group = FL_GROUP_LEASE,
	 FIELD(allow_extension),
	 .def = "false",
	 .help = "start backends that run commands from the network config, as root; whoever may "
		 "write the config in etcd is root on this host then"},
	{.name = "ip-masq",
	 .type = FL_OPTION_BOOL,
	 .group = FL_GROUP_FIREWALL,
	 FIELD(ip_masq),
	 .def = "false",
	 .help = "masquerade what leaves the overlay network"},
	{.name = "ip-masq-fully-random-disable",
	 .type = FL_OPTION_BOOL,
	 .group = FL_GROUP_FIREWALL,
	 FIELD(ip_masq_random_disable),
	 .def = "false",
	 .help = "masquerade without --random-fully"},
	{.name = "iptables-forward-rules",
	 .type = FL_OPTION_BOOL,
	 .group = FL_GROUP_FIREWALL,
	 FIELD(iptables_forward_rules),
	 .def = "true",
	 .help = "accept forwarded packets from and to the overlay network"},
	{.name = "peer-filter",
	 .type = FL_OPTION_BOOL,
	 .group = FL_GROUP_FIREWALL,
	 FIELD(peer_filter),
	 .def = "false",
	 .help = "let only holders of leases reach the backend's UDP port, by an nftables table of "
		 "our own"},
	{.name = "iptables-resync",
	 .type = FL_OPTION_NUMBER,
	 .group = FL_GROUP_FIREWALL,
	 FIELD(iptables_resync_s),
	 .def = "5",
	 .min = 1,
	 .max = 86400,
	 .floor = true,
	 .unit = "seconds",
	 .arg = "SECONDS",
	 .help = "how often the rules of a legacy iptables are looked at, 1..86400 (less counts as "
		 "1); nf_tables announces changes"},
	{.name = "healthz-ip",
	 .type = FL_OPTION_IP,
	 .group = FL_GROUP_HEALTH,
	 FIELD(healthz_ip),
	 .def = "127.0.0.1",
	 .arg = "ADDRESS",
	 .help = "address to serve health checks and metrics on"},
	{.name = "healthz-port",
	 .type = FL_OPTION_NUMBER,
	 .group = FL_GROUP_HEALTH,
	 FIELD(healthz_port),
	 .def = "0",
	 .min = 0,
	 .max = 65535,
	 .floor = true,
	 .arg = "PORT",
	 .help = "port to serve health checks and metrics on (/healthz, /readyz, /metrics), "
		 "0 for none"},
	{.name = "control-socket",
	 .type = FL_OPTION_TEXT,
	 .group = FL_GROUP_HEALTH,
	 FIELD(control_socket),
	 .def = "flanneld.sock",
	 .arg = "NAME|PATH",
	 .help = "socket that flannelctl asks; a name lies beside --subnet-file; empty for none"},
	{.name = "control-group",
	 .type = FL_OPTION_TEXT,
	 .group = FL_GROUP_HEALTH,
	 FIELD(control_group),
	 .def = "",
	 .arg = "GROUP",
	 .help = "group that may use the control socket, by name or number"},
	{.name = "daemon",
	 .type = FL_OPTION_BOOL,
	 .group = FL_GROUP_PROCESS,
	 FIELD(daemon),
	 .def = "false",
	 .help = "go into the background, and return once subnet.env is written and the rules "
		 "stand; from then on the log goes to syslog alone"},
	{.name = "pidfile",
	 .type = FL_OPTION_TEXT,
	 .group = FL_GROUP_PROCESS,
	 FIELD(pidfile),
	 .path = true,
	 .def = "",
	 .arg = "FILE",
	 .help = "file that is locked and holds the process's number while it runs; a second "
		 "flanneld with the same one refuses to start"},
	{.name = "no-sandbox",
	 .type = FL_OPTION_BOOL,
	 .group = FL_GROUP_PROCESS,
	 FIELD(no_sandbox),
	 .def = "false",
	 .help = "leave itself every file and system call, in place of those that it needs "
		 "(Landlock, seccomp)"},
	{.name = "ready-timeout",
	 .type = FL_OPTION_DURATION,
	 .group = FL_GROUP_PROCESS,
	 FIELD(ready_timeout_s),
	 .def = "0s",
	 .min = 0,
	 .max = 86400,
	 .arg = "DURATION",
	 .help = "with --daemon: return after that time with status 9 if it is not ready, and let "
		 "it go on; 0s waits for ever"},
	{.name = "user",
	 .type = FL_OPTION_TEXT,
	 .group = FL_GROUP_PROCESS,
	 FIELD(user),
	 .def = "",
	 .arg = "NAME[:GROUP]",
	 .help = "run as this user, with no capability but CAP_NET_ADMIN and CAP_NET_RAW; it must "
		 "be able to read the certificates and to write --subnet-file"},
	{.name = "v",
	 .type = FL_OPTION_NUMBER,
	 .group = FL_GROUP_LOG,
	 FIELD(verbosity),
	 .def = "0",
	 .min = 0,
	 .max = INT32_MAX,
	 .floor = true,
	 .arg = "LEVEL",
	 .help = "detail of the log; from 1 on with debug lines"},
	{.name = "log-format",
	 .type = FL_OPTION_LOG_FORMAT,
	 .group = FL_GROUP_LOG,
	 FIELD(log_format),
	 .def = "text",
	 .arg = "text|json",
	 .help = "form of a line of the log"},
	{.name = "vmodule",
	 .type = FL_OPTION_IGNORED,
	 .group = FL_GROUP_LOG,
	 .def = "",
	 .arg = "LIST",
	 .help = "accepted for flannel's sake, without effect"},
	{.name = "log_backtrace_at",
	 .type = FL_OPTION_IGNORED,
	 .group = FL_GROUP_LOG,
	 .def = "",
	 .arg = "LOCATION",
	 .help = "accepted for flannel's sake, without effect"},
	{.name = "check",
	 .type = FL_OPTION_BOOL,
	 .group = FL_GROUP_INSTEAD,
	 FIELD(check),
	 .def = "false",
	 .help = "print the interface and address that would be used, and why"},
	{.name = "cleanup",
	 .type = FL_OPTION_BOOL,
	 .group = FL_GROUP_INSTEAD,
	 FIELD(cleanup),
	 .def = "false",
	 .help = "remove what flanneld has made on this host: devices, routes, firewall chains, "
		 "--subnet-file; refused while one runs"},
	{.name = "list-backends",
	 .type = FL_OPTION_BOOL,
	 .group = FL_GROUP_INSTEAD,
	 FIELD(list_backends),
	 .def = "false",
	 .help = "print the backends that are installed: type, ABI, what it does, file"},
	{.name = "check-config",
	 .type = FL_OPTION_PATH,
	 .group = FL_GROUP_INSTEAD,
	 FIELD(check_config),
	 .def = "",
	 .arg = "FILE",
	 .help = "check a network config (- is the standard input), and print it with all defaults "
		 "filled in"},
	{.name = "version",
	 .type = FL_OPTION_BOOL,
	 .group = FL_GROUP_INSTEAD,
	 FIELD(version),
	 .def = "false",
	 .help = "print the version"},
	{.name = "help",
	 .alias = "h",
	 .type = FL_OPTION_BOOL,
	 .group = FL_GROUP_INSTEAD,
	 FIELD(help),
	 .def = "false",
	 .help = "print this; also -h"},
	{.name = "kube-subnet-mgr",
	 .type = FL_OPTION_REFUSED_ON,
	 .group = FL_GROUP_REFUSED,
	 .def = "",
	 .help = NO_KUBERNETES},
	{.name = "kube-api-url",
	 .type = FL_OPTION_REFUSED,
	 .group = FL_GROUP_REFUSED,
	 .def = "",
	 .help = NO_KUBERNETES},
	{.name = "kube-annotation-prefix",
	 .type = FL_OPTION_REFUSED,
	 .group = FL_GROUP_REFUSED,
	 .def = "",
	 .help = NO_KUBERNETES},
	{.name = "kubeconfig-file",
	 .type = FL_OPTION_REFUSED,
	 .group = FL_GROUP_REFUSED,
	 .def = "",
	 .help = NO_KUBERNETES},
	{.name = "net-config-path",
	 .type = FL_OPTION_REFUSED,
	 .group = FL_GROUP_REFUSED,
	 .def = "",
	 .help = NO_KUBERNETES},
	{.name = "set-node-network-unavailable",
	 .type = FL_OPTION_REFUSED,
	 .group = FL_GROUP_REFUSED,
	 .def = "",
	 .help = NO_KUBERNETES},
	{.name = "public-ipv6",
	 .type = FL_OPTION_REFUSED,
	 .group = FL_GROUP_REFUSED,
	 .def = "",
	 .help = "not supported yet: the overlay is IPv4 only"},
	{.name = "ip-blackhole-route",
	 .type = FL_OPTION_REFUSED_ON,
	 .group = FL_GROUP_REFUSED,
	 .def = "",
	 .help = "not supported yet: no blackhole route is set for the own subnet"},
};
const size_t fl_option_count = FL_ARRAY_SIZE(fl_option_table);

static bool is_called(const char *name, const char *text, size_t len)
{
	return name && strlen(name) == len && memcmp(name, text, len) == 0;
}

const struct fl_option *fl_option_find(const char *name, size_t len)
{
	for (size_t i = 0; i < fl_option_count; i++) {
		const struct fl_option *opt = &fl_option_table[i];

		if (is_called(opt->name, name, len) || is_called(opt->alias, name, len))
			return opt;
	}
	return NULL;
}

/* --- what was meant */

/* Insertions, deletions and replacements that lead from one to the other; case does not count. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[FL_OPTION_NAME_MAX + 1];

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			int same = tolower((unsigned char)a[i - 1]) ==
				   tolower((unsigned char)b[j - 1]);
			size_t best = diagonal + !same;

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b_len];
}

const struct fl_option *fl_option_guess(const char *name, size_t len)
{
	const struct fl_option *found = NULL;
	size_t best = len / 3 < 3 ? len / 3 : 3;

	if (len > FL_OPTION_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < fl_option_count; i++) {
		const struct fl_option *opt = &fl_option_table[i];
		size_t d = distance(name, len, opt->name, strlen(opt->name));

		if (opt->group == FL_GROUP_REFUSED || d > best || (found && d == best))
			continue;
		best = d;
		found = opt;
	}
	return found;
}

/* --- the environment */

const char *fl_option_env(const struct fl_option *opt, char buf[FL_OPTION_ENV_MAX])
{
	if (opt->group == FL_GROUP_INSTEAD) {
		buf[0] = '\0';
		return buf;
	}
	(void)snprintf(buf, FL_OPTION_ENV_MAX, "FLANNELD_%s", opt->name);
	for (char *c = buf; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	return buf;
}

/* --- --help */

#define HELP_COLUMN 30u
#define HELP_WIDTH  80u

static const char *const group_titles[FL_GROUP_REFUSED] = {
	[FL_GROUP_STORE] = "Store",
	[FL_GROUP_ETCD] = "etcd",
	[FL_GROUP_INTERFACE] = "Interface",
	[FL_GROUP_LEASE] = "Lease and backend",
	[FL_GROUP_FIREWALL] = "Firewall",
	[FL_GROUP_HEALTH] = "Health",
	[FL_GROUP_PROCESS] = "Process",
	[FL_GROUP_LOG] = "Log",
	[FL_GROUP_INSTEAD] = "Instead of running",
};

/* The output stands at HELP_COLUMN already. */
static void put_wrapped(FILE *out, const char *text)
{
	size_t at = HELP_COLUMN;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (at > HELP_COLUMN && at + 1 + len > HELP_WIDTH) {
			(void)fprintf(out, "\n%*s", (int)HELP_COLUMN, "");
			at = HELP_COLUMN;
		} else if (at > HELP_COLUMN) {
			(void)fputc(' ', out);
			at++;
		}
		(void)fprintf(out, "%.*s", (int)len, text);
		at += len;
		text += len;
		text += strspn(text, " ");
	}
	(void)fputc('\n', out);
}

static void put_option(FILE *out, const struct fl_option *opt)
{
	struct fl_buf text = {0};
	int n = fprintf(out, "  %s%s%s%s", opt->name[1] ? "--" : "-", opt->name,
			opt->arg ? " " : "", opt->arg ? opt->arg : "");

	if (n < 0 || (size_t)n + 2 > HELP_COLUMN) {
		(void)fputc('\n', out);
		n = 0;
	}
	(void)fprintf(out, "%*s", (int)HELP_COLUMN - n, "");
	fl_buf_puts(&text, opt->help);
	if (opt->def[0] && strcmp(opt->def, "false") != 0)
		fl_buf_printf(&text, " (default: %s)", opt->def);
	put_wrapped(out, text.error ? opt->help : text.data);
	fl_buf_done(&text);
}

void fl_options_help(FILE *out)
{
	(void)fputs("Usage: flanneld [OPTION]...\n"
		    "Lease a subnet of the overlay network for this host, and keep the\n"
		    "kernel's tables such that it reaches the subnets of all others.\n"
		    "\n"
		    "One dash or two; -x=VALUE or -x VALUE; booleans only as -x or -x=VALUE.\n"
		    "All but those that do something instead of running are taken from the\n"
		    "environment, too: --etcd-endpoints from FLANNELD_ETCD_ENDPOINTS.\n"
		    "The command line wins.\n",
		    out);
	for (size_t g = 0; g < FL_ARRAY_SIZE(group_titles); g++) {
		(void)fprintf(out, "\n%s:\n", group_titles[g]);
		for (size_t i = 0; i < fl_option_count; i++) {
			if (fl_option_table[i].group == g)
				put_option(out, &fl_option_table[i]);
		}
	}
}
