/* ctl/show.h - text for people: columns that fit, colours, times. */
#ifndef CTL_SHOW_H
#define CTL_SHOW_H

#include <stdio.h>

#include "ctl.h"

enum ctl_mark { CTL_GOOD, CTL_DOUBTFUL, CTL_BAD };

/** "ok", "??", "!!" in their colours; always two columns. */
const char *ctl_mark(const struct ctl *c, enum ctl_mark mark);

/** Text of others, with control characters made visible, so that they do nothing to a terminal. */
const char *ctl_clean(const char *text, char *buf, size_t size);

/** A time span as people say it: "42s", "5m", "3h 20m", "12d". */
const char *ctl_span(long long seconds, char buf[32]);

/** Print @p text from column @p indent on, broken between words where the terminal ends; further
 * lines are indented likewise. */
void ctl_wrapped(const struct ctl *c, unsigned int indent, const char *text);

/** A line of a screen: mark, label, and a text of others, cleaned and wrapped. */
void ctl_row(const struct ctl *c, enum ctl_mark mark, const char *label, const char *text);

#define CTL_COLUMNS_MAX 8u

/** A table that is printed once it is whole. All zero is empty. */
struct ctl_table {
	char **cells; /* row after row; owned */
	size_t count;
	size_t cap;
	unsigned int columns;
	bool failed; /* out of memory */
};

/** The first row is the head. @p text is copied. */
void ctl_table_add(struct ctl_table *t, const char *text);
/** Columns as wide as they must be; the last one is cut where the terminal ends. */
void ctl_table_print(const struct ctl *c, const struct ctl_table *t);
void ctl_table_done(struct ctl_table *t);

#endif
