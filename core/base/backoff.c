/* core/base/backoff.c - bounded, jittered, exponential delay between attempts. */
#include "backoff.h"

#include <errno.h>

#include "random.h"

int fl_backoff_init(struct fl_backoff *b, uint32_t min_ms, uint32_t max_ms)
{
	if (min_ms == 0 || min_ms > max_ms)
		return -EINVAL;
	*b = (struct fl_backoff){.min_ms = min_ms, .max_ms = max_ms, .next_ms = min_ms};
	return 0;
}

uint32_t fl_backoff_next(struct fl_backoff *b)
{
	uint32_t step = b->next_ms, half = step / 2;

	b->next_ms = step > b->max_ms / 2 ? b->max_ms : step * 2;
	return half + 1 + fl_random_below(step - half);
}

void fl_backoff_reset(struct fl_backoff *b)
{
	b->next_ms = b->min_ms;
}
