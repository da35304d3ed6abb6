/* core/main.c - options, then the loop. The only place that ends the process. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log_init.h"
#include "cleanup.h"
#include "daemon.h"
#include "loader.h"
#include "netconf.h"
#include "options.h"
#include "service.h"

#define CONFIG_MAX (1u << 20) /* bytes: no network config is longer */

static int read_all(FILE *in, struct fl_buf *buf)
{
	char piece[4096];
	size_t n;

	while ((n = fread(piece, 1, sizeof(piece), in)) > 0 && buf->len <= CONFIG_MAX)
		fl_buf_append(buf, piece, n);
	if (ferror(in))
		return errno ? -errno : -EIO;
	if (buf->len > CONFIG_MAX)
		return -EFBIG;
	return buf->error;
}

static int read_config(const char *path, struct fl_buf *buf)
{
	FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	int r;

	if (!in)
		return -errno;
	r = read_all(in, buf);
	if (in != stdin)
		(void)fclose(in);
	return r;
}

/* What the backend makes of its part; it says key, value and rule itself. One that is not installed
 * here is no fault of the config. */
static enum fl_exit check_backend(const char *path, const char *dir, const struct fl_netconf *nc)
{
	const struct fl_backend_ops *ops;
	struct fl_module *m = NULL;
	char *why = NULL;
	int r = fl_loader_load(dir, nc->backend_type, &m, &why);

	if (r < 0) {
		(void)fprintf(stderr, "%s: Backend is not checked: %s\n", path,
			      why ? why : strerror(-r));
		free(why);
		return r == -ENOENT ? FL_EXIT_OK : FL_EXIT_BACKEND;
	}
	ops = fl_module_ops(m);
	r = ops->check ? ops->check(nc->backend) : 0;
	if (r == -EINVAL)
		(void)fprintf(stderr, "%s: backend %s refuses its part\n", path, ops->name);
	else if (r)
		(void)fprintf(stderr, "%s: backend %s cannot check its part: check: %s\n", path,
			      ops->name, strerror(abs(r)));
	fl_loader_unload(m);
	return r ? FL_EXIT_FAULT : FL_EXIT_OK;
}

static int print_config(const struct fl_netconf *nc)
{
	char *text = fl_netconf_print(nc);

	if (!text)
		return -ENOMEM;
	(void)puts(text);
	free(text);
	return 0;
}

/* --check-config: no etcd, no privileges; the refusal goes to stderr, the config to stdout. */
static int check_config(const char *path, const char *backend_dir)
{
	enum fl_exit code = FL_EXIT_FAULT;
	struct fl_netconf nc = {0};
	struct fl_buf text = {0};
	char *why = NULL;
	int r = read_config(path, &text);

	if (r == 0)
		r = fl_netconf_parse(text.data ? text.data : "", text.len, &nc, &why);
	if (r == 0) {
		code = check_backend(path, backend_dir, &nc);
		if (code == FL_EXIT_OK)
			r = print_config(&nc);
	}
	if (r < 0) {
		(void)fprintf(stderr, "%s: %s\n", path, why ? why : strerror(-r));
		code = FL_EXIT_FAULT;
	}
	free(why);
	fl_netconf_done(&nc);
	fl_buf_done(&text);
	return code;
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
		return check_config(opts->check_config, opts->backend_dir);
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

int main(int argc, char **argv)
{
	struct fl_options opts;
	char *why = NULL;
	int code, r = fl_options_parse(argc, argv, environ, &opts, &why);

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
