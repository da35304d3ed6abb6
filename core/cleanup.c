/* core/cleanup.c - what is removed, and in which order, see core/cleanup.h. */
#include "cleanup_internal.h"

#include <errno.h>
#include <ev.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "io/presence.h"
#include "peer_filter.h"
#include "subnet_env.h"

void cleanup_say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)fputs("removed ", stdout);
	(void)vprintf(fmt, args);
	(void)putchar('\n');
	va_end(args);
}

/* It would put everything back. */
static int check_nobody_runs(void)
{
	int n = fl_presence_count(FL_PRESENCE);

	if (n < 0)
		fl_err("cleanup", "cannot see whether a flanneld runs: %s; nothing is removed",
		       strerror(-n));
	if (n > 0)
		fl_err("cleanup",
		       "a flanneld runs in this network namespace; stop it first; nothing is "
		       "removed");
	return n > 0 ? -EBUSY : n;
}

static int remove_peer_filter(void)
{
	int r = fl_peer_filter_remove();

	if (r > 0)
		cleanup_say("the peer filter's nftables table");
	else if (r < 0)
		fl_err("cleanup", "the peer filter's nftables table cannot be removed: %s",
		       strerror(-r));
	return r < 0 ? r : 0;
}

/* One that a run has written is a regular file; what makes no sense as subnet.env is not one. */
static int remove_subnet_env(const char *path)
{
	struct fl_subnet_env env = {0};
	struct stat st;
	int r = 0;

	if (lstat(path, &st) < 0)
		r = -errno;
	else if (S_ISREG(st.st_mode))
		r = fl_subnet_env_read(path, &env);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r == 0 && (!fl_prefix_is_set(&env.network) || !fl_prefix_is_set(&env.subnet))) {
		fl_warn("cleanup", "%s: it is not what flanneld writes; it stays", path);
		return 0;
	}
	if (r == 0 && unlink(path) < 0)
		r = -errno;
	if (r == 0)
		cleanup_say("%s", path);
	else
		fl_err("cleanup", "%s: cannot be removed: %s", path, strerror(-r));
	return r;
}

int fl_cleanup_run(const char *subnet_file)
{
	struct ev_loop *loop = ev_default_loop(EVFLAG_NOENV);
	int kernel, rules, filter, file, r = check_nobody_runs();

	if (r < 0)
		return r;
	if (!loop) {
		fl_err("cleanup", "no event loop: %s", strerror(errno));
		return -ENOMEM;
	}
	kernel = cleanup_kernel();
	rules = cleanup_rules(loop);
	filter = remove_peer_filter();
	file = remove_subnet_env(subnet_file);
	ev_loop_destroy(loop);
	return kernel < 0 ? kernel : rules < 0 ? rules : filter < 0 ? filter : file;
}
