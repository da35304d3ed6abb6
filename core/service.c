/* core/service.c - flanneld in the hands of the host: pidfile, background,
 * privileges. */
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/log_init.h"
#include "base/pidfile.h"
#include "base/syslog.h"
#include "daemon.h"
#include "io/detach.h"
#include "options.h"
#include "subnet_env.h"

/* The network's state, and raw sockets. */
#define CAPS_KEPT (FL_CAP(CAP_NET_ADMIN) | FL_CAP(CAP_NET_RAW))

struct service {
	struct fl_options *opts;
	struct fl_pidfile *pidfile; /* NULL: none is wanted */
	struct fl_detach *detach;   /* NULL: nobody waits for us */
};

static enum fl_exit lock_pidfile(struct service *s)
{
	const char *path = s->opts->pidfile;
	pid_t holder = 0;
	int r;

	if (!path[0])
		return FL_EXIT_OK;
	r = fl_pidfile_open(path, &holder, &s->pidfile);
	if (r == 0)
		return FL_EXIT_OK;
	if (r == -EBUSY && holder)
		fl_err("service", "%s: flanneld runs already, as process %ld", path, (long)holder);
	else if (r == -EBUSY)
		fl_err("service", "%s: another process holds it", path);
	else
		fl_err("service", "%s: cannot be the pidfile: %s", path,
		       r == -ENOTSUP ? "it is not a regular file" : strerror(-r));
	return r == -EBUSY ? FL_EXIT_RUNNING : FL_EXIT_FAULT;
}

static enum fl_exit write_pidfile(const struct service *s)
{
	int r = s->pidfile ? fl_pidfile_write(s->pidfile) : 0;

	if (r == 0)
		return FL_EXIT_OK;
	fl_err("service", "%s: cannot be written: %s", s->opts->pidfile, strerror(-r));
	return FL_EXIT_FAULT;
}

/* The parent's part. */
static int wait_until_ready(struct service *s)
{
	uint32_t timeout_s = (uint32_t)s->opts->ready_timeout_s;
	pid_t pid;
	int r = fl_detach_wait(s->detach, timeout_s, &pid);

	fl_pidfile_leave(s->pidfile);
	if (r == FL_EXIT_NOT_READY)
		fl_err("service", "process %ld was told to stop before it was ready", (long)pid);
	if (r >= 0)
		return r;
	if (r == -ETIMEDOUT) {
		fl_err("service",
		       "not ready after %u s; process %ld goes on, and syslog has what "
		       "it waits for",
		       timeout_s, (long)pid);
		return FL_EXIT_NOT_READY;
	}
	if (r == -EPIPE)
		fl_err("service", "process %ld has ended before it was ready, without a word",
		       (long)pid);
	return r == -EINTR ? FL_EXIT_NOT_READY : FL_EXIT_FAULT;
}

static void log_to_syslog(void)
{
	int r = fl_log_to_syslog(FL_SYSLOG_PATH, "flanneld");

	if (r < 0)
		fl_warn("service",
			FL_SYSLOG_PATH ": %s: the log is lost until a syslog daemon listens there",
			strerror(-r));
}

/* @return as fl_detach_fork() */
static int go_into_background(struct service *s)
{
	int r = fl_detach_fork(s->pidfile ? fl_pidfile_fd(s->pidfile) : -1, &s->detach);

	if (r < 0)
		fl_err("service", "cannot go into the background: %s", strerror(-r));
	else if (r == 0)
		log_to_syslog();
	return r;
}

/* --- privileges */

/* /run is root's, and empty after each boot. One that is there already is not ours to give away. */
static void give_subnet_folder(const char *folder, const struct fl_user *user)
{
	if (mkdir(folder, 0755) == 0 && chown(folder, user->uid, user->gid) < 0)
		(void)rmdir(folder);
}

static bool may(const char *path, int how, const struct fl_user *user)
{
	if (!path[0] || faccessat(AT_FDCWD, path, how, AT_EACCESS) == 0)
		return true;
	fl_err("service", "%s: user %s (--user) may not %s it: %s", path, user->name,
	       how == R_OK ? "read" : "write to", strerror(errno));
	return false;
}

/* Better now than at the first connection, or with the lease taken. */
static enum fl_exit check_files(const struct fl_options *o, const char *folder,
				const struct fl_user *user)
{
	bool readable = may(o->etcd_cafile, R_OK, user) && may(o->etcd_certfile, R_OK, user) &&
			may(o->etcd_keyfile, R_OK, user);

	if (!readable)
		return FL_EXIT_FAULT;
	return may(folder, W_OK | X_OK, user) ? FL_EXIT_OK : FL_EXIT_FILE;
}

static enum fl_exit become_user(const struct fl_options *o)
{
	struct fl_user user;
	const char *why;
	char *folder;
	enum fl_exit code;
	int r;

	if (fl_user_parse(o->user, &user, &why) < 0) {
		fl_err("service", "--user=%s: %s", o->user, why);
		return FL_EXIT_USAGE;
	}
	folder = fl_subnet_env_folder(o->subnet_file);
	if (!folder)
		return FL_EXIT_FAULT;
	give_subnet_folder(folder, &user);
	r = fl_user_become(&user, CAPS_KEPT);
	if (r < 0)
		fl_err("service", "--user=%s: %s%s", o->user, strerror(-r),
		       r == -EPERM ? "; only root can become another user" : "");
	code = r < 0 ? FL_EXIT_FAULT : check_files(o, folder, &user);
	free(folder);
	return code;
}

static enum fl_exit settle_privileges(const struct fl_options *o)
{
	enum fl_exit code = o->user[0] ? become_user(o) : FL_EXIT_OK;
	uint64_t caps = fl_caps_effective();
	int r;

	if (code)
		return code;
	if (!(caps & FL_CAP(CAP_NET_ADMIN))) {
		fl_err("service", "CAP_NET_ADMIN is missing: the kernel would refuse every route; "
				  "start flanneld as root, or with that capability (setpriv(1), "
				  "AmbientCapabilities= of systemd)");
		return FL_EXIT_FAULT;
	}
	if (!(caps & FL_CAP(CAP_NET_RAW)))
		fl_info("service",
			"CAP_NET_RAW is missing: iptables of the legacy kind fails, and a "
			"backend has no raw sockets");
	r = fl_caps_hand_on(CAPS_KEPT);
	if (r < 0)
		fl_warn("service", "iptables will lack CAP_NET_ADMIN: %s", strerror(-r));
	return FL_EXIT_OK;
}

/* --- all of it */

int fl_service_run(struct fl_options *opts)
{
	struct service s = {.opts = opts};
	int r = opts->daemon ? fl_options_anchor(opts) : 0, code;

	if (r < 0) {
		fl_err("service", "the folder that this was started in: %s", strerror(-r));
		return FL_EXIT_FAULT;
	}
	code = lock_pidfile(&s);
	if (code)
		return code;
	if (opts->daemon)
		r = go_into_background(&s);
	if (r > 0)
		return wait_until_ready(&s);
	code = r < 0 ? FL_EXIT_FAULT : write_pidfile(&s);
	if (!code)
		code = settle_privileges(opts);
	if (!code)
		code = fl_daemon_run(opts, &s.detach);
	/* who still waits has been told nothing yet: SIGTERM before that is not what it hoped for
	 */
	fl_detach_say(s.detach, code ? code : FL_EXIT_NOT_READY);
	fl_pidfile_close(s.pidfile);
	return code;
}
