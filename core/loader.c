/* core/loader.c - finds and checks a backend's .so: its type comes from the network (X1). */
#include "loader.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define NAME_MAX_CHARS 32u
#define SHOWN_CHARS    40u /* of a refused name */
#define CONTROL_CHARS                                                                              \
	"\001\002\003\004\005\006\a\b\t\n\v\f\r\016\017\020\021\022\023\024\025\026\027\030\031"   \
	"\032\033\034"                                                                             \
	"\035\036\037\177"
#define LIST_CHARS  400u /* of the types that are there */
#define KNOWN_FLAGS FL_BACKEND_RUNS_COMMANDS

struct fl_module {
	void *handle;
	const struct fl_backend_ops *ops; /* in the module's data */
	char *path;
};

bool fl_loader_name_ok(const char *type)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t len = strnlen(type, NAME_MAX_CHARS + 1);

	return len > 0 && len <= NAME_MAX_CHARS && type[0] != '-' && strspn(type, allowed) == len;
}

/* Set *why, and return @p error, so that it can be the return statement. */
static int FL_PRINTF(3, 4) refuse(char **why, int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(why, fmt, ap) < 0)
		*why = NULL;
	va_end(ap);
	return error;
}

static int refuse_name(const char *type, char **why)
{
	char shown[SHOWN_CHARS * 4 + 4];
	size_t i, at = 0;

	for (i = 0; i < SHOWN_CHARS && type[i]; i++) {
		unsigned char c = (unsigned char)type[i];
		bool plain = c > 0x20 && c < 0x7f && c != '"' && c != '\\';

		at += (size_t)(plain ? snprintf(shown + at, sizeof(shown) - at, "%c", c)
				     : snprintf(shown + at, sizeof(shown) - at, "\\x%02x", c));
	}
	shown[at] = '\0';
	return refuse(why, -EINVAL,
		      "backend type \"%s%s\" is refused: it must be 1 to %u of a-z, 0-9 and '-', "
		      "and not begin with '-'",
		      shown, type[i] ? "..." : "", NAME_MAX_CHARS);
}

/* ---- owner and mode ---- */

/* Root's, or ours: then whoever could change it has our rights already. */
static bool owner_ok(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

static int check_trust(const char *path, bool is_parent, char **why)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return refuse(why, -errno, "%s: %s", path, strerror(errno));
	if (!owner_ok(&st))
		return refuse(why, -EPERM,
			      "%s belongs to user %u, must belong to root: no backend is loaded",
			      path, (unsigned int)st.st_uid);
	/* in a sticky folder nobody can rename what belongs to root or us */
	if (is_parent && S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX))
		return 0;
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return refuse(why, -EPERM,
			      "%s has mode %04o, must not be writable by group or others: no "
			      "backend is loaded",
			      path, (unsigned int)(st.st_mode & 07777));
	return 0;
}

/* @param dir  as from realpath(3): absolute, without symlinks */
static int check_folders(const char *dir, char **why)
{
	char path[PATH_MAX];
	size_t i, len = strlen(dir);
	int r;

	r = check_trust("/", len > 1, why);
	for (i = 1; r == 0 && len > 1 && i <= len; i++) {
		if (dir[i] != '/' && dir[i] != '\0')
			continue;
		memcpy(path, dir, i);
		path[i] = '\0';
		r = check_trust(path, dir[i] == '/', why);
	}
	return r;
}

/* ---- which there are ---- */

static int is_module(const struct dirent *e)
{
	char stem[NAME_MAX_CHARS + 2];
	size_t len = strlen(e->d_name);

	if (len <= 3 || len - 3 > NAME_MAX_CHARS || strcmp(e->d_name + len - 3, ".so") != 0)
		return 0;
	memcpy(stem, e->d_name, len - 3);
	stem[len - 3] = '\0';
	return fl_loader_name_ok(stem);
}

static int refuse_missing(const char *dir, const char *type, char **why)
{
	struct dirent **found = NULL;
	struct fl_buf list = {0};
	int n = scandir(dir, &found, is_module, alphasort), i;

	for (i = 0; i < n; i++) {
		if (list.len < LIST_CHARS)
			fl_buf_printf(&list, "%s%.*s", i ? ", " : "",
				      (int)strlen(found[i]->d_name) - 3, found[i]->d_name);
		free(found[i]);
	}
	free(found);
	if (n > 0 && list.data)
		refuse(why, 0, "no backend \"%s\" in %s; there are: %s%s", type, dir, list.data,
		       list.len < LIST_CHARS ? "" : " ...");
	else
		refuse(why, 0, "no backend \"%s\" in %s; there is none at all", type, dir);
	fl_buf_done(&list);
	return -ENOENT;
}

int fl_loader_list(const char *dir, FILE *out, FILE *errors)
{
	struct dirent **found = NULL;
	int n = scandir(dir, &found, is_module, alphasort), r = 0, i;

	if (n < 0)
		return -errno;
	for (i = 0; i < n; i++) {
		struct fl_module *m = NULL;
		char *why = NULL;

		found[i]->d_name[strlen(found[i]->d_name) - 3] = '\0'; /* the type */
		if (fl_loader_load(dir, found[i]->d_name, &m, &why) == 0) {
			(void)fprintf(out, "%-12s %u  %s  (%s)\n", m->ops->name, m->ops->abi,
				      m->ops->description, m->path);
		} else {
			(void)fprintf(errors, "%s: %s\n", found[i]->d_name,
				      why ? why : strerror(ENOMEM));
			r = -ELIBBAD;
		}
		fl_loader_unload(m);
		free(why);
		free(found[i]);
	}
	free(found);
	return r;
}

/* ---- the file ---- */

/* A symlink may rename a module within its folder, never lead out of it. */
static int resolve(const char *dir, const char *type, char path[PATH_MAX], char **why)
{
	char named[PATH_MAX];
	size_t len = strlen(dir);
	const char *rest;
	struct stat st;

	if (snprintf(named, sizeof(named), "%s/%s.so", len > 1 ? dir : "", type) >= PATH_MAX)
		return refuse(why, -ENAMETOOLONG, "%s: %s", dir, strerror(ENAMETOOLONG));
	if (!realpath(named, path)) {
		if (errno == ENOENT && lstat(named, &st) < 0)
			return refuse_missing(dir, type, why);
		return refuse(why, -errno, "%s: %s", named, strerror(errno));
	}
	rest = len > 1 && strncmp(path, dir, len) == 0 ? path + len : path;
	if ((len > 1 && rest == path) || rest[0] != '/' || strchr(rest + 1, '/'))
		return refuse(why, -EPERM,
			      "%s leads to %s, out of its folder: no backend is loaded", named,
			      path);
	if (stat(path, &st) < 0)
		return refuse(why, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(why, -ELIBBAD, "%s is not a regular file", path);
	return check_trust(path, false, why);
}

static const char *missing_member(const struct fl_backend_ops *ops)
{
	if (!ops->name)
		return "name";
	if (!ops->description)
		return "description";
	if (!ops->create)
		return "create";
	if (!ops->mtu)
		return "mtu";
	if (!ops->up)
		return "up";
	if (!ops->rows)
		return "rows";
	if (!ops->peer_add != !ops->peer_del)
		return ops->peer_add ? "peer_del" : "peer_add";
	return ops->destroy ? NULL : "destroy";
}

static int check_ops(const struct fl_backend_ops *ops, const char *path, const char *type,
		     char **why)
{
	const char *missing;

	if (!ops)
		return refuse(why, -ELIBBAD, "%s is no backend: it has no symbol fl_backend_ops",
			      path);
	if (ops->abi != FL_BACKEND_ABI) /* nothing behind it may be read */
		return refuse(why, -ELIBBAD,
			      "%s is built for backend ABI %u, this flanneld has %u: install those "
			      "of one version",
			      path, ops->abi, FL_BACKEND_ABI);
	if (ops->flags & ~KNOWN_FLAGS)
		return refuse(why, -ELIBBAD, "%s: its table has unknown flags (%#x)", path,
			      ops->flags & ~KNOWN_FLAGS);
	missing = missing_member(ops);
	if (missing)
		return refuse(why, -ELIBBAD, "%s: its table lacks the member %s", path, missing);
	if (strpbrk(ops->description, CONTROL_CHARS))
		return refuse(why, -ELIBBAD, "%s: its description is not one line of text", path);
	if (strcmp(ops->name, type) != 0)
		return refuse(why, -ELIBBAD, "%s calls itself \"%.*s\", must be \"%s\"", path,
			      (int)NAME_MAX_CHARS, ops->name, type);
	return 0;
}

static int open_module(const char *path, const char *type, struct fl_module *m, char **why)
{
	const char *error;

	m->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!m->handle) {
		error = dlerror();
		return refuse(why, -ELIBBAD, "%s cannot be loaded: %.400s", path,
			      error ? error : "unknown reason");
	}
	m->ops = dlsym(m->handle, "fl_backend_ops");
	return check_ops(m->ops, path, type, why);
}

int fl_loader_load(const char *dir, const char *type, struct fl_module **ret, char **why)
{
	char real_dir[PATH_MAX], path[PATH_MAX];
	struct fl_module *m;
	int r;

	if (!fl_loader_name_ok(type))
		return refuse_name(type, why);
	if (!realpath(dir, real_dir))
		return refuse(why, -errno, "%s: %s: no backend can be loaded", dir,
			      strerror(errno));
	r = check_folders(real_dir, why);
	if (r == 0)
		r = resolve(real_dir, type, path, why);
	if (r < 0)
		return r;
	m = calloc(1, sizeof(*m));
	if (!m)
		return refuse(why, -ENOMEM, "%s", strerror(ENOMEM));
	m->path = strdup(path);
	r = m->path ? open_module(path, type, m, why)
		    : refuse(why, -ENOMEM, "%s", strerror(ENOMEM));
	if (r < 0) {
		fl_loader_unload(m);
		return r;
	}
	*ret = m;
	return 0;
}

const struct fl_backend_ops *fl_module_ops(const struct fl_module *m)
{
	return m->ops;
}

void fl_loader_unload(struct fl_module *m)
{
	if (!m)
		return;
	if (m->handle)
		dlclose(m->handle);
	free(m->path);
	free(m);
}
