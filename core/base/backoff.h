/* core/base/backoff.h - bounded, jittered, exponential delay between attempts. */
#ifndef FL_BASE_BACKOFF_H
#define FL_BASE_BACKOFF_H

#include <stdint.h>

struct fl_backoff {
	uint32_t min_ms;
	uint32_t max_ms;
	uint32_t next_ms; /* upper end of the next delay */
};

/**
 * Start at @p min_ms, double up to @p max_ms.
 * @return 0, -EINVAL unless 0 < min_ms <= max_ms
 */
int fl_backoff_init(struct fl_backoff *b, uint32_t min_ms, uint32_t max_ms);
/** The delay to wait now, milliseconds: random in (half of the step .. the step], so that hosts
 * spread. */
uint32_t fl_backoff_next(struct fl_backoff *b);
/** After a success: begin again at min_ms. */
void fl_backoff_reset(struct fl_backoff *b);

#endif
