/* store/file_content.h - what a file with a network config and a list of leases says: pure
 * functions over its text. */
#ifndef FL_STORE_FILE_CONTENT_H
#define FL_STORE_FILE_CONTENT_H

#include <stddef.h>

#include "lease.h"

#define FL_FILE_MAX 1048576u /* bytes: a longer file is refused */

/** An element of Leases. */
struct fl_file_entry {
	size_t line;		     /* where it begins */
	struct fl_prefix subnet;     /* none: that cannot be read */
	struct fl_lease_record *rec; /* NULL: of no use */
	char *fault;  /* why not, as one line with place and member; NULL: all is well */
	char *remark; /* of use, but something is odd; NULL: nothing is */
};

struct fl_file_content {
	char *config; /* the network config, as JSON text */
	struct fl_file_entry *entries;
	size_t count;
	size_t keyless; /* entries whose subnet cannot be read */
};

/**
 * Parse the text. An entry that is of no use does not make the file so.
 * @param ret  filled only on success; the caller ends it with fl_file_content_done()
 * @param why  set on -EINVAL, which means that nothing of the file can be used: one line, owned by
 * the caller
 * @return 0, -EINVAL, -ENOMEM
 */
int fl_file_content_parse(const char *text, size_t len, struct fl_file_content *ret, char **why);
void fl_file_content_done(struct fl_file_content *c); /* all zero is a no-op */

/** The entry of @p subnet, whether it is of use or not; NULL: there is none. */
const struct fl_file_entry *fl_file_content_find(const struct fl_file_content *c,
						 const struct fl_prefix *subnet);

#endif
