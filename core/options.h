/* core/options.h - flags, FLANNELD_* environment and --help, all from one const table. */
#ifndef FL_OPTIONS_H
#define FL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/log.h"

/** Repeatable option: a NULL-terminated, owned vector; NULL while empty. */
struct fl_strings {
	char **items;
	uint32_t count;
};

/** Everything that can be set. Strings are owned, never NULL ("" if not given). */
struct fl_options {
	char *store;		 /* which one: see fl_store_check_url() */
	struct fl_prefix subnet; /* our lease in a store by hand; or none */
	char *etcd_endpoints;
	char *etcd_prefix;
	unsigned int etcd_api; /* 2 or 3; 0: whichever holds the network config */
	char *etcd_keyfile;
	char *etcd_certfile;
	char *etcd_cafile;
	char *etcd_username;
	char *etcd_password; /* also from --etcd-password-file; wiped from argv */
	char *etcd_password_file;
	struct fl_strings iface;
	struct fl_strings iface_regex;
	char *iface_can_reach;
	char *public_ip;
	bool address_check; /* refuse an address that another host has, too */
	char *subnet_file;
	uint64_t renew_margin_min; /* minutes, 1..1439 */
	uint64_t lease_ttl_s;	   /* seconds; more than the margin */
	uint64_t renew_margin_s;   /* the margin that holds, seconds: at most half of a short TTL */
	bool ip_masq;
	bool ip_masq_random_disable;
	uint64_t iptables_resync_s;
	bool iptables_forward_rules;
	bool peer_filter;
	char *healthz_ip;
	uint64_t healthz_port;
	char *control_socket; /* "": none; without a slash: beside subnet_file */
	char *control_group;
	uint64_t verbosity; /* -v */
	enum fl_log_format log_format;
	char *backend_dir;
	bool allow_extension;
	bool release_on_exit;
	bool no_sandbox;
	bool daemon;
	char *pidfile;
	uint64_t ready_timeout_s; /* 0: for ever */
	char *user;		  /* NAME[:GROUP] to become */
	/* what to do instead of running */
	bool help;
	bool version;
	bool check;
	bool cleanup;
	bool list_backends;
	char *check_config; /* file, "-": stdin */
};

/**
 * Defaults, then FLANNELD_* of @p env, then the command line, which wins. A password on the command
 * line is overwritten in argv. --help ends the reading, --version leaves the environment aside, and
 * neither is checked any further. Warnings are logged, in the format that was asked for
 * (fl_log_init() is called before the first one).
 *
 * @param argv  argc strings, argv[0] is skipped; modified only where a password stood
 * @param env   NULL-terminated "NAME=value"
 * @param ret   filled always, so that the caller can fl_options_done() it on any return
 * @param why   set on -EINVAL: one line that names the flag or variable, the value and the rule;
 * owned by the caller
 * @return 0, -EINVAL, -ENOMEM
 */
int fl_options_parse(int argc, char **argv, char *const *env, struct fl_options *ret, char **why);
void fl_options_done(struct fl_options *o); /* passwords are wiped before they are freed */

/** Give every relative file name the folder that we are in: the process is about to leave it.
 * @return 0 or -errno */
int fl_options_anchor(struct fl_options *o);

struct fl_store_conf;

/** What they say of the store. Strings are those of @p o. */
void fl_options_store(const struct fl_options *o, struct fl_store_conf *ret);

/** The text of --help. */
void fl_options_help(FILE *out);

#endif
