/* core/io/path_watch.h - tells when the file at a path may have become another one: written,
 * renamed over, removed, there at last, also where a folder on the way to it or a symlink changes.
 */
#ifndef FL_IO_PATH_WATCH_H
#define FL_IO_PATH_WATCH_H

#include <ev.h>
#include <limits.h>
#include <stdbool.h>

#define FL_PATH_WATCH_DEPTH 32u /* folders on the way that are watched, the file's own included */

/** Embed one in the owner; fl_container_of() gets back to it. */
struct fl_path_watch {
	/** From the loop: look at the file again. It may be as it was. The watch may be ended in
	 * it. */
	void (*changed)(struct fl_path_watch *w);

	/* private to path_watch.c */
	struct ev_loop *loop;
	const char *path;
	int fd; /* -1: inotify is not to be had, so `settle` repeats */
	ev_io io;
	ev_timer settle; /* several events of one change make one call */
	struct {
		int wd;
		const char *next; /* what of the folder matters, within path; NULL: all of it */
		size_t next_len;
	} folders[FL_PATH_WATCH_DEPTH];
	size_t n_folders;
	bool polling; /* and that was said */
};

/**
 * @param path     absolute, borrowed
 * @param changed  not called for what is there already
 */
void fl_path_watch_start(struct fl_path_watch *w, struct ev_loop *loop, const char *path,
			 void (*changed)(struct fl_path_watch *w));
/** No-op if it was not started. */
void fl_path_watch_stop(struct fl_path_watch *w);

#endif
