/* store/file_peers.c - what a file's listener is told of the other hosts, and what is logged of
 * entries that are of no use. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/file_internal.h"

#define NOTES_MAX 20u /* lines for one state of the file */

/* ---- what is logged ---- */

static bool was_said(const struct fl_file *f, const char *note)
{
	for (size_t i = 0; i < f->n_notes; i++)
		if (strcmp(f->notes[i], note) == 0)
			return true;
	return false;
}

static void forget(char **notes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(notes[i]);
	free(notes);
}

static const char *note_of(const struct fl_file_entry *e)
{
	return e->fault ? e->fault : e->remark;
}

void fl_file_say_notes(struct fl_file *f)
{
	char **notes = calloc(NOTES_MAX, sizeof(*notes));
	size_t kept = 0, more = 0;

	for (size_t i = 0; notes && i < f->content.count; i++) {
		const char *note = note_of(&f->content.entries[i]);

		if (!note)
			continue;
		if (kept == NOTES_MAX) {
			more++;
			continue;
		}
		if (!was_said(f, note))
			fl_warn("file", "%s: %s", f->path, note);
		notes[kept] = strdup(note);
		kept += notes[kept] != NULL;
	}
	if (more > 0)
		fl_warn("file", "%s: and %zu more entries like these", f->path, more);
	if (f->content.keyless > 0)
		fl_warn("file",
			"%s: as long as there is an entry without a Subnet that can be read, no "
			"lease that is missing is taken for removed",
			f->path);
	forget(f->notes, f->n_notes);
	f->notes = notes;
	f->n_notes = kept;
}

/* ---- what is told ---- */

/* A second lease of our own address: rows that lead to ourselves would only do harm. */
static bool leads_here(const struct fl_file *f, const struct fl_file_entry *e)
{
	return e->rec && fl_addr_equal(&e->rec->lease.public_ip, &f->mine->lease.public_ip);
}

static void say_second(struct fl_file *f, const struct fl_file_entry *e)
{
	char subnet[FL_PREFIX_STRLEN];

	if (!f->second_said)
		fl_warn("file",
			"%s: line %zu: %s: a second lease of this host's own address; it is of no "
			"use",
			f->path, e->line, fl_prefix_format(&e->subnet, subnet));
	f->second_said = true;
}

static void tell(struct fl_file *f, const struct fl_file_entry *e)
{
	struct fl_store_listener *l = f->store.listener;
	struct fl_lease_record *rec = e->rec ? fl_lease_record_new(&e->rec->lease) : NULL;

	if (rec)
		l->ops->peer(l, rec);
	else
		l->ops->unreadable(l, &e->subnet);
}

void fl_file_tell_peers(struct fl_file *f)
{
	struct fl_store_listener *l = f->store.listener;
	bool second = false;

	l->ops->snapshot_begin(l);
	for (size_t i = 0; i < f->content.count; i++) {
		const struct fl_file_entry *e = &f->content.entries[i];

		if (fl_prefix_equal(&e->subnet, &f->own->lease.subnet) ||
		    !fl_prefix_is_set(&e->subnet))
			continue;
		if (!leads_here(f, e)) {
			tell(f, e);
			continue;
		}
		say_second(f, e);
		second = true;
	}
	f->second_said = second;
	/* An entry without a subnet may be any lease: then what is missing is in doubt, and stays.
	 */
	if (f->content.keyless > 0)
		l->ops->snapshot_abort(l);
	else
		l->ops->snapshot_end(l);
}
