/* core/base/trim.c - give memory back that only the start has needed. */
#include "trim.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

struct mapping {
	uint64_t begin;
	uint64_t end;
	bool of_file; /* and not writable */
};

/* "7f0012345000-7f0012349000 r-xp 00004000 fe:01 1234 /usr/lib/libx.so", see proc(5) */
static bool parse_mapping(const char *line, struct mapping *m)
{
	uint64_t begin, end, inode;
	char mode[5];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*x:%*x %" SCNu64, &begin, &end, mode,
		   &inode) != 4)
		return false;
	m->begin = begin;
	m->end = end;
	m->of_file = inode != 0 && mode[0] == 'r' && mode[1] == '-';
	return true;
}

/* Pages that were written to, as those of RELRO and of a debugger's breakpoints, are anonymous: no
 * file has them, so a mapping with one stays. */
static void trim_mapping(const struct mapping *m, const char *line)
{
	uint64_t anonymous_kb;

	if (m->of_file && sscanf(line, "Anonymous: %" SCNu64 " kB", &anonymous_kb) == 1 &&
	    anonymous_kb == 0)
		(void)madvise((void *)(uintptr_t)m->begin, m->end - m->begin, MADV_DONTNEED);
}

#define LARGE (128 << 10) /* bytes: the C library's first guess, which it raises by itself */

void fl_trim_init(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, LARGE);
}

void fl_trim(void)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	struct mapping m = {0};
	char *line = NULL;
	size_t size = 0;

	(void)malloc_trim(0);
	if (!maps)
		return;
	while (getline(&line, &size, maps) > 0)
		if (!parse_mapping(line, &m))
			trim_mapping(&m, line);
	free(line);
	(void)fclose(maps);
}
