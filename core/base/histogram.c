/* core/base/histogram.c - how often something took how long. */
#include "histogram.h"

const double fl_histogram_bounds_s[FL_HISTOGRAM_BUCKETS] = {
	0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1., 2.5, 5., 10.};

void fl_histogram_add(struct fl_histogram *h, double seconds)
{
	uint32_t i = 0;

	if (!(seconds > 0.))
		seconds = 0.;
	while (i < FL_HISTOGRAM_BUCKETS && seconds > fl_histogram_bounds_s[i])
		i++;
	if (i < FL_HISTOGRAM_BUCKETS)
		h->buckets[i]++;
	h->count++;
	h->sum_s += seconds;
}
