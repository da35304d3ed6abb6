/* core/main.c - options, then the loop. The only place that ends the process. */
#include "config.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log_init.h"
#include "cleanup.h"
#include "config_check.h"
#include "daemon.h"
#include "loader.h"
#include "options.h"
#include "service.h"

/* --check-config: no etcd, no privileges; the refusal goes to stderr, the config to stdout. */
static int check_config(const struct fl_options *opts)
{
	char *text = NULL;
	int r = fl_config_check(opts->check_config, opts->backend_dir, NULL, &text);

	if (r == 0)
		(void)puts(text);
	free(text);
	if (r == -ELIBBAD)
		return FL_EXIT_BACKEND;
	return r < 0 ? FL_EXIT_FAULT : FL_EXIT_OK;
}

static int list_backends(const char *dir)
{
	int r = fl_loader_list(dir, stdout, stderr);

	if (r < 0 && r != -ELIBBAD)
		(void)fprintf(stderr, "%s: %s\n", dir, strerror(-r));
	return r ? FL_EXIT_BACKEND : FL_EXIT_OK;
}

static int clean_up(const char *subnet_file)
{
	int r = fl_cleanup_run(subnet_file);

	if (r == -EBUSY)
		return FL_EXIT_RUNNING;
	return r < 0 ? FL_EXIT_FAULT : FL_EXIT_OK;
}

static int act(struct fl_options *opts)
{
	if (opts->help) {
		fl_options_help(stdout);
		return FL_EXIT_OK;
	}
	if (opts->version) {
		(void)puts(PACKAGE_VERSION);
		return FL_EXIT_OK;
	}
	fl_log_init(opts->log_format, (int)opts->verbosity);
	if (opts->check_config[0])
		return check_config(opts);
	if (opts->list_backends)
		return list_backends(opts->backend_dir);
	if (opts->cleanup)
		return clean_up(opts->subnet_file);
	if (opts->check)
		return fl_daemon_check(opts);
	return fl_service_run(opts);
}

/* Neither children nor /proc/PID/environ are to show it any longer. */
static void hide_password(void)
{
	char *value = getenv("FLANNELD_ETCD_PASSWORD");

	if (!value)
		return;
	explicit_bzero(value, strlen(value));
	(void)unsetenv("FLANNELD_ETCD_PASSWORD");
}

/* Memory that holds a password or a key goes to no core file, and to no other process of its user.
 */
static void keep_secrets(const struct fl_options *opts)
{
	const char *password = opts->etcd_password, *key = opts->etcd_keyfile;

	if ((password && *password) || (key && *key)) /* NULL: out of memory */
		(void)prctl(PR_SET_DUMPABLE, 0);
}

/* libev has no other way to say that it cannot go on: without descriptors at its start. */
static void on_loop_error(const char *what)
{
	fl_err("daemon", "%s: %s", what, strerror(errno));
	exit(FL_EXIT_FAULT);
}

int main(int argc, char **argv)
{
	struct fl_options opts;
	char *why = NULL;
	int code, r;

	ev_set_syserr_cb(on_loop_error);
	r = fl_options_parse(argc, argv, environ, &opts, &why);

	hide_password();
	keep_secrets(&opts);
	if (r < 0) {
		(void)fprintf(stderr, "flanneld: %s\n", why ? why : strerror(-r));
		code = r == -EINVAL ? FL_EXIT_USAGE : FL_EXIT_FAULT;
	} else {
		code = act(&opts);
		if (fflush(stdout) != 0 || ferror(stdout)) {
			(void)fprintf(stderr, "flanneld: standard output: %s\n", strerror(errno));
			code = FL_EXIT_FAULT;
		}
	}
	free(why);
	fl_options_done(&opts);
	return code;
}
