/* store/file_internal.h - what the parts of the store from a file share; for file*.c only. */
#ifndef FL_STORE_FILE_INTERNAL_H
#define FL_STORE_FILE_INTERNAL_H

#include <ev.h>
#include <stdbool.h>

#include "base/defs.h"
#include "io/path_watch.h"
#include "lease.h"
#include "store/file_content.h"
#include "store/store.h"

#define FL_FILE_TEXT_MAX 512u /* bytes, with NUL: a line for people */

struct fl_file {
	struct fl_store store;
	struct ev_loop *loop;
	const struct fl_store_conf *conf;
	char *path;
	struct fl_path_watch watch;
	ev_timer work; /* everything is done from it, so nothing is told from within a call */

	struct fl_file_content content; /* the last that was good */
	bool unread;			/* look at the file */
	bool loaded;			/* there was a good one */
	bool fresh;			/* and what it says was not told yet */
	ev_tstamp read_s;		/* when it was read */
	uint64_t snapshots;
	char fault[FL_FILE_TEXT_MAX];	/* why the file is of no use now; "": it is */
	char open_to[FL_FILE_TEXT_MAX]; /* who may write it but root, as it was said */
	char said[FL_FILE_TEXT_MAX];	/* the status */
	char **notes;			/* of entries, as they were said */
	size_t n_notes;

	char *config; /* as reported last */
	bool wants_config;
	bool config_told; /* that it has changed */

	bool wants_lease;
	const struct fl_netconf *nc; /* borrowed until acquired() */
	struct fl_lease_record *mine;
	struct fl_prefix previous; /* or none */
	struct fl_addr underlay;   /* or none */
	char awaits[FL_FILE_TEXT_MAX];
	struct fl_lease_record *own; /* NULL: not acquired */
	bool own_missing;	     /* and that was said */
	bool lost;		     /* it is another host's */

	bool watching;
	bool second_said; /* that there is another lease of our address */

	bool releasing;
};

static inline struct fl_file *fl_file_of(struct fl_store *s)
{
	return fl_container_of(s, struct fl_file, store);
}

/* ---- file.c ---- */

/** What we wait for, or what is wrong; NULL: nothing. */
void fl_file_status(struct fl_file *f, const char *text);

/* ---- file_own.c ---- */

/** Look for our lease. @return true if it is there: f->own is set */
bool fl_file_find_own(struct fl_file *f);
/** Whether our lease still stands as it was taken. @return true unless @p why says why not */
bool fl_file_check_own(struct fl_file *f, char why[FL_FILE_TEXT_MAX]);

/* ---- file_peers.c ---- */

/** Tell the listener all leases of the others. */
void fl_file_tell_peers(struct fl_file *f);
/** Log what is wrong with entries, each once as long as it is. */
void fl_file_say_notes(struct fl_file *f);

#endif
