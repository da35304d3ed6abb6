/* core/daemon_sandbox.c - the sandbox: what this flanneld, with these options, still has to reach.
 *
 * It closes once the backend is known, before that makes threads or opens anything: until then the
 * store's answers have been looked at no further than the network config. Children are in it, too,
 * so iptables(8) must work in it; the commands of a backend that runs some cannot be foreseen, and
 * such a backend keeps it open.
 */
#include "daemon_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon_health.h"
#include "io/landlock.h"
#include "io/seccomp.h"

#define READ   FL_LANDLOCK_READ
#define RUN    (FL_LANDLOCK_READ | FL_LANDLOCK_RUN)
#define WRITE  (FL_LANDLOCK_READ | FL_LANDLOCK_WRITE)
#define FOLDER (WRITE | FL_LANDLOCK_CREATE | FL_LANDLOCK_REMOVE) /* of files that are replaced */

#define XTABLES_LOCK "/run/xtables.lock" /* iptables(8), XTABLES_LOCKFILE */

/* Programs, libraries and their settings, wherever distributions have them: iptables, the resolver
 * and TLS read what is theirs below /etc. No home, no /var, no /tmp, no /run. */
static const struct {
	const char *path;
	unsigned int rights;
} everywhere[] = {
	{"/bin", RUN},
	{"/sbin", RUN},
	{"/lib", RUN},
	{"/lib32", RUN},
	{"/lib64", RUN},
	{"/libx32", RUN},
	{"/usr", RUN},
	{"/opt", RUN},
	{"/nix/store", RUN},
	{"/gnu/store", RUN},
	{"/etc", READ},
	{"/var/lib/ca-certificates", READ},
	{"/proc", READ},
	{"/sys", READ},
	{"/dev/null", WRITE},
	{"/dev/net/tun", WRITE},
	{"/dev/zero", READ},
	{"/dev/random", READ},
	{"/dev/urandom", READ},
#ifdef FL_COVERAGE_DIR
	{FL_COVERAGE_DIR, FOLDER},
#endif
};

/* @return 0 also if there is no such thing: then there is nothing to reach either */
static int allow(struct fl_landlock *l, const char *path, unsigned int rights)
{
	int r = fl_landlock_allow(l, path, rights);

	return r == -ENOENT || r == -ENOTDIR || r == -EACCES || r == -ELOOP ? 0 : r;
}

/* Files that are exchanged while we run are new ones each time: their folder counts. */
static int allow_folder_of(struct fl_landlock *l, const char *path, unsigned int rights)
{
	char *copy;
	int r;

	if (!path || !path[0])
		return 0;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	r = allow(l, dirname(copy), rights);
	free(copy);
	return r;
}

/* A folder that is not there yet counts by the nearest one above it that is. */
static int allow_place_of(struct fl_landlock *l, const char *path, unsigned int rights)
{
	char *copy = strdup(path), *folder = copy;
	int r = copy ? -ENOENT : -ENOMEM;

	while (r == -ENOENT && strcmp(folder, "/") != 0 && strcmp(folder, ".") != 0) {
		folder = dirname(folder);
		if (strcmp(folder, "/") != 0 && strcmp(folder, "/run") != 0)
			r = fl_landlock_allow(l, folder, rights);
	}
	free(copy);
	return r == -ENOMEM ? r : 0;
}

/* The folders of a file, of each symbolic link on the way to it, which may lead elsewhere later
 * (but for those in the root, which would open all), and of what it leads to now. */
static int allow_reading(struct fl_landlock *l, const char *path)
{
	char part[PATH_MAX], real[PATH_MAX];
	struct stat st;
	int r;

	if (!path || !path[0])
		return 0;
	r = allow_folder_of(l, path, READ);
	for (const char *slash = strchr(path + 1, '/'); slash && r == 0;
	     slash = strchr(slash + 1, '/')) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (lstat(part, &st) == 0 && S_ISLNK(st.st_mode) && strrchr(part, '/') > part)
			r = allow_folder_of(l, part, READ);
	}
	if (r == 0 && realpath(path, real))
		r = allow_folder_of(l, real, READ);
	return r;
}

/* Mostly a link into /run, to what whoever writes it may not have written yet. */
static int allow_resolver(struct fl_landlock *l)
{
	char target[PATH_MAX];
	ssize_t n = readlink("/etc/resolv.conf", target, sizeof(target) - 1);
	int r = allow_reading(l, "/etc/resolv.conf");

	if (r < 0 || n <= 0)
		return r;
	target[n] = '\0';
	if (target[0] == '/')
		return allow_place_of(l, target, READ);
	return strncmp(target, "../", 3) == 0 ? allow_place_of(l, target + 2, READ) : 0;
}

/* @param list  paths separated by colons, or NULL */
static int allow_list(struct fl_landlock *l, const char *list, unsigned int rights)
{
	char *copy = strdup(list ? list : ""), *rest = copy, *folder;
	int r = copy ? 0 : -ENOMEM;

	while (r == 0 && (folder = strsep(&rest, ":")))
		if (folder[0] == '/' && folder[1])
			r = allow(l, folder, rights);
	free(copy);
	return r;
}

/* Wherever PATH leads; those that are run may be links to what is elsewhere. */
static int allow_programs(struct fl_landlock *l, const struct fl_firewall *fw)
{
	const char *programs[2];
	char real[PATH_MAX];
	int r = allow_list(l, getenv("PATH"), RUN);

	fl_firewall_programs(fw, programs);
	for (size_t i = 0; i < FL_ARRAY_SIZE(programs) && r == 0; i++)
		if (programs[i] && realpath(programs[i], real))
			r = allow_folder_of(l, real, RUN);
	return r < 0 ? r : allow_list(l, getenv("XTABLES_LIBDIR"), RUN);
}

/* iptables makes it as root would: it must be there for a rule about it. */
static int allow_lock(struct fl_landlock *l)
{
	const char *given = getenv("XTABLES_LOCKFILE"), *path = given ? given : XTABLES_LOCK;
	int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);

	if (fd >= 0)
		(void)close(fd);
	return allow(l, path, WRITE);
}

static int allow_store(struct fl_landlock *l, const struct fl_options *o)
{
	const char *const files[] = {o->etcd_cafile, o->etcd_certfile, o->etcd_keyfile,
				     getenv("SSL_CERT_FILE"), fl_store_path_of(o->store)};
	int r = allow_list(l, getenv("SSL_CERT_DIR"), READ);

	for (size_t i = 0; i < FL_ARRAY_SIZE(files) && r == 0; i++)
		r = allow_reading(l, files[i]);
	return r < 0 ? r : allow_resolver(l);
}

/* What cannot be made now is said when it is written. */
static int allow_own(struct fl_landlock *l, const struct daemon *d)
{
	const struct fl_options *o = d->opts;
	int r;

	(void)fl_subnet_env_make_folder(o->subnet_file);
	r = allow_folder_of(l, o->subnet_file, FOLDER);
	if (r == 0)
		r = allow_folder_of(l, daemon_control_path(d), FL_LANDLOCK_REMOVE);
	return r < 0 ? r : allow_folder_of(l, o->pidfile, FL_LANDLOCK_REMOVE);
}

static int allow_all(struct fl_landlock *l, const struct daemon *d)
{
	const struct fl_options *o = d->opts;
	int r = 0;

	for (size_t i = 0; i < FL_ARRAY_SIZE(everywhere) && r == 0; i++)
		r = allow(l, everywhere[i].path, everywhere[i].rights);
	if (r == 0)
		r = allow(l, o->backend_dir, RUN);
	if (r == 0)
		r = allow_programs(l, d->firewall);
	if (r == 0)
		r = allow_lock(l);
	if (r == 0)
		r = allow_store(l, o);
	return r < 0 ? r : allow_own(l, d);
}

/* @return 0, -EOPNOTSUPP, other -errno */
static int close_files(const struct daemon *d)
{
	struct fl_landlock *l = NULL;
	int r = fl_landlock_create(&l);

	if (r == 0)
		r = allow_all(l, d);
	if (r == 0)
		r = fl_landlock_enforce(l);
	fl_landlock_destroy(l);
	return r < 0 ? r : 0;
}

/* A kernel without it is no reason not to run. @return whether that is all that is wrong */
static bool is_fine(int error, const char *what)
{
	if (error == 0)
		return true;
	if (error == -EOPNOTSUPP)
		fl_info("daemon", "sandbox: %s are not to be had here", what);
	else
		fl_err("daemon", "sandbox: %s: %s; --no-sandbox does without", what,
		       strerror(-error));
	return error == -EOPNOTSUPP;
}

int daemon_close_sandbox(const struct daemon *d)
{
	int files, calls;

	if (d->opts->no_sandbox) {
		fl_info("daemon", "sandbox: off (--no-sandbox)");
		return 0;
	}
	if (d->ops->flags & FL_BACKEND_RUNS_COMMANDS) {
		fl_info("daemon",
			"sandbox: off, for what commands backend %s runs may need anything",
			d->ops->name);
		return 0;
	}
	fl_firewall_load_tables(d->firewall);
	files = close_files(d);
	if (!is_fine(files, "Landlock's rules"))
		return files;
	calls = fl_seccomp_enforce();
	if (!is_fine(calls, "seccomp filters"))
		return calls;
	fl_debug("daemon", "sandbox: closed");
	return 0;
}
