/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

#include <string.h>

void sy_histogram_init(struct sy_histogram *h, double start, double factor, uint32_t count)
{
    memset(h, 0, sizeof(*h));
    h->bounds_len = count < SY_HISTOGRAM_MAX_BOUNDS ? count : SY_HISTOGRAM_MAX_BOUNDS;
    for (uint32_t i = 0; i < h->bounds_len; i++, start *= factor)
        h->bounds[i] = start;
}

void sy_histogram_add(struct sy_histogram *h, double value)
{
    uint32_t low = 0, high = h->bounds_len;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (value <= h->bounds[middle])
            high = middle;
        else
            low = middle + 1;
    }
    h->counts[low]++;
    h->count++;
    h->sum += value;
}

double sy_histogram_quantile(const struct sy_histogram *h, double q)
{
    double rank = q * (double)h->count;
    double below = 0;

    if (!h->count)
        return 0;
    for (uint32_t i = 0; i < h->bounds_len; i++) {
        double in_bucket = (double)h->counts[i];
        if (below + in_bucket >= rank && in_bucket > 0) {
            double from = i ? h->bounds[i - 1] : 0;
            return from + (h->bounds[i] - from) * (rank - below) / in_bucket;
        }
        below += in_bucket;
    }
    return h->bounds_len ? h->bounds[h->bounds_len - 1] : 0;
}
