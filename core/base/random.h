/* core/base/random.h - the kernel's random numbers (getrandom(2)). */
#ifndef FL_BASE_RANDOM_H
#define FL_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/** Fill @p buf, at most 256 bytes. Good enough to spread hosts and to seed tables, not for keys: it
 * never waits for the kernel's pool, which early at boot may not be filled yet. */
void fl_random_bytes(void *buf, size_t len);

/** An unbiased number in 0 .. @p bound - 1; 0 if @p bound is 0 or 1. */
uint32_t fl_random_below(uint32_t bound);

#endif
