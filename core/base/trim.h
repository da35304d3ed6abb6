/* core/base/trim.h - give memory back that only the start has needed. */
#ifndef FL_BASE_TRIM_H
#define FL_BASE_TRIM_H

/** Call it first: from now on, large blocks that are freed go back to the kernel at once. The C
 * library would keep those that are as large as one that was freed before, and what lies behind. */
void fl_trim_init(void);

/**
 * Unmap the pages of program and libraries that can be read back from their files, and free heap to
 * the kernel. What is needed again comes back by itself, mostly from the page cache; what was only
 * there to relocate and initialise some thirty libraries does not. See madvise(2), MADV_DONTNEED,
 * and malloc_trim(3). Takes about a millisecond.
 */
void fl_trim(void);

#endif
