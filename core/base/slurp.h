/* core/base/slurp.h - a whole regular file into memory, bounded. */
#ifndef FL_BASE_SLURP_H
#define FL_BASE_SLURP_H

#include <stddef.h>
#include <sys/stat.h>

struct fl_buf;

/**
 * Read all of it, symlinks followed. Never waits for what is no file: a FIFO, a terminal.
 * @param max  bytes that it may have
 * @param ret  appended to; on an error, what is in it is of no use. There is one copy in memory,
 * also of a secret, unless the file grows meanwhile
 * @param st   filled once it was opened, so also on -EINVAL and -EFBIG; may be NULL
 * @return 0; -EINVAL: not a regular file; -EFBIG; other -errno
 */
int fl_slurp(const char *path, size_t max, struct fl_buf *ret, struct stat *st);

/** @return why fl_slurp() has failed, for people */
const char *fl_slurp_reason(int error);

#endif
