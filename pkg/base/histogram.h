/* SPDX-License-Identifier: Apache-2.0
 *
 * Histograms with fixed upper bounds, as Prometheus has them: O(log buckets) to add, no allocation.
 */
#pragma once

#include <stdint.h>

enum { SY_HISTOGRAM_MAX_BOUNDS = 24 };

struct sy_histogram {
    uint32_t bounds_len;
    double bounds[SY_HISTOGRAM_MAX_BOUNDS];       /* rising; an implicit +Inf follows */
    uint64_t counts[SY_HISTOGRAM_MAX_BOUNDS + 1]; /* per bucket, not cumulative */
    uint64_t count;
    double sum;
};

/* bounds start, start*factor, ... (count of them, at most SY_HISTOGRAM_MAX_BOUNDS). */
void sy_histogram_init(struct sy_histogram *h, double start, double factor, uint32_t count);
void sy_histogram_add(struct sy_histogram *h, double value);
/* Upper bound of the bucket that holds quantile q in [0,1], interpolated as PromQL does; 0 if
 * empty. */
double sy_histogram_quantile(const struct sy_histogram *h, double q);
