/* core/base/histogram.h - how often something took how long, in buckets that suit a network. */
#ifndef FL_BASE_HISTOGRAM_H
#define FL_BASE_HISTOGRAM_H

#include <stdint.h>

#define FL_HISTOGRAM_BUCKETS 13u

/** All zero is empty. */
struct fl_histogram {
	uint64_t buckets[FL_HISTOGRAM_BUCKETS]; /* each alone, not the sum of those before it */
	uint64_t count;				/* of all, also of those above the last bound */
	double sum_s;
};

/** Upper bounds of the buckets, seconds, ascending; a value on a bound is within it. */
extern const double fl_histogram_bounds_s[FL_HISTOGRAM_BUCKETS];

/** Count one. What is less than 0, as after a step of the clock, or no number, counts as 0. */
void fl_histogram_add(struct fl_histogram *h, double seconds);

#endif
