/* core/io/path_watch.c - tells when the file at a path may have become another one (inotify(7)). */
#include "io/path_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/log.h"

#define SETTLE_S 0.05 /* a change comes as several events */
#define POLL_S	 5.   /* without inotify */

#define FOLDER_EVENTS                                                                              \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |     \
	 IN_ONLYDIR)
#define FILE_EVENTS (FOLDER_EVENTS | IN_CLOSE_WRITE | IN_ATTRIB)
#define SELF_EVENTS (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT | IN_Q_OVERFLOW)

static int add_folder(struct fl_path_watch *w, const char *folder, const char *next, size_t len)
{
	uint32_t events = next ? FOLDER_EVENTS : FILE_EVENTS;
	int wd;

	if (w->n_folders == FL_PATH_WATCH_DEPTH)
		return -ENOSPC;
	wd = inotify_add_watch(w->fd, folder, events | IN_MASK_ADD);
	if (wd < 0)
		return -errno;
	w->folders[w->n_folders].wd = wd;
	w->folders[w->n_folders].next = next;
	w->folders[w->n_folders++].next_len = len;
	return 0;
}

/* From the root on, each folder for the next one, as far as they are there. */
static int add_way(struct fl_path_watch *w)
{
	const char *slash = w->path, *next, *end;
	char folder[PATH_MAX];
	int r = 0;

	for (; slash && r == 0; slash = *end ? end : NULL) {
		size_t len = slash == w->path ? 1 : (size_t)(slash - w->path);

		next = slash + strspn(slash, "/");
		end = strchrnul(next, '/');
		if (len >= sizeof(folder) || !*next)
			return -ENAMETOOLONG;
		memcpy(folder, w->path, len);
		folder[len] = '\0';
		r = add_folder(w, folder, *end ? next : NULL, (size_t)(end - next));
	}
	return r == -ENOENT || r == -ENOTDIR || r == -EACCES ? 0 : r;
}

/* Where symlinks lead away from the path, what is written is elsewhere. */
static int add_target(struct fl_path_watch *w)
{
	char *real = realpath(w->path, NULL), *slash;
	int r = 0;

	if (!real)
		return 0;
	slash = strrchr(real, '/');
	if (strcmp(real, w->path) != 0 && slash && slash > real) {
		*slash = '\0';
		r = add_folder(w, real, NULL, 0);
	}
	free(real);
	return r == -ENOENT || r == -EACCES ? 0 : r;
}

static void on_events(struct ev_loop *loop, ev_io *io, int revents);

static void disarm(struct fl_path_watch *w)
{
	ev_io_stop(w->loop, &w->io);
	if (w->fd >= 0)
		(void)close(w->fd);
	w->fd = -1;
}

static void poll_instead(struct fl_path_watch *w, int error)
{
	disarm(w);
	if (!w->polling)
		fl_warn("watch", "%s: cannot be watched: %s; looking at it every %.0f s", w->path,
			strerror(-error), POLL_S);
	w->polling = true;
	ev_timer_set(&w->settle, POLL_S, 0.);
	ev_timer_start(w->loop, &w->settle);
}

static void arm(struct fl_path_watch *w)
{
	int r;

	disarm(w);
	w->n_folders = 0;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	r = w->fd < 0 ? -errno : add_way(w);
	if (r == 0)
		r = add_target(w);
	if (r < 0) {
		poll_instead(w, r);
		return;
	}
	w->polling = false;
	ev_io_set(&w->io, w->fd, EV_READ);
	ev_io_start(w->loop, &w->io);
}

static bool matters(const struct fl_path_watch *w, const struct inotify_event *e)
{
	if (e->mask & SELF_EVENTS)
		return true;
	for (size_t i = 0; i < w->n_folders; i++) {
		const char *next = w->folders[i].next;
		size_t len = w->folders[i].next_len;

		if (w->folders[i].wd != e->wd)
			continue;
		if (!next || (e->len > len && strncmp(e->name, next, len) == 0 && !e->name[len]))
			return true;
	}
	return false;
}

static void on_events(struct ev_loop *loop, ev_io *io, int revents)
{
	struct fl_path_watch *w = fl_container_of(io, struct fl_path_watch, io);
	char buf[4096] __attribute__((aligned(8)));
	bool any = false;
	ssize_t n;

	(void)revents;
	while ((n = read(w->fd, buf, sizeof(buf))) > 0) {
		for (const char *at = buf; at < buf + n;) {
			const struct inotify_event *e = (const void *)at;

			any = any || matters(w, e);
			at += sizeof(*e) + e->len;
		}
	}
	if (!any || ev_is_active(&w->settle))
		return;
	ev_timer_set(&w->settle, SETTLE_S, 0.);
	ev_timer_start(loop, &w->settle);
}

/* First the watches, then the look: what comes in between is seen by one or the other. */
static void on_settled(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct fl_path_watch *w = fl_container_of(t, struct fl_path_watch, settle);

	(void)loop;
	(void)revents;
	arm(w);
	w->changed(w);
}

void fl_path_watch_start(struct fl_path_watch *w, struct ev_loop *loop, const char *path,
			 void (*changed)(struct fl_path_watch *w))
{
	*w = (struct fl_path_watch){.changed = changed, .loop = loop, .path = path, .fd = -1};
	ev_init(&w->io, on_events);
	ev_init(&w->settle, on_settled);
	arm(w);
}

void fl_path_watch_stop(struct fl_path_watch *w)
{
	if (!w->loop)
		return;
	disarm(w);
	ev_timer_stop(w->loop, &w->settle);
	w->loop = NULL;
}
