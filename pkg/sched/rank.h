/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the last look at all nodes put its first few, and what each scorer gave them: for records
 * of decisions and for `explain`. */
#pragma once

#include "sched/shape.h"

enum { SY_RANK_MAX = 3 };
/* The scorer had no say: it skipped, or there was only one node. */
#define SY_POINTS_NONE INT64_MIN

struct sy_ranked {
    uint32_t node;
    int64_t total;                  /* of weight x points, in thousandths */
    int64_t points[SY_SCORERS_MAX]; /* before the weight, in thousandths, by index in the profile */
};

struct sy_rank {
    uint32_t feasible; /* nodes that passed all filters, of those that had to be asked */
    uint32_t len;
    struct sy_ranked nodes[SY_RANK_MAX]; /* best first; of equal ones the lower slot, as decided */
};

/* The first `most` nodes of the look for `shape` that was the last call into s. The cluster must be
 * as it was then: before the pod is assumed. Without scorers' points when with_points is false.
 * Cost: O(log nodes) after a look that used the cache alone, else O(feasible nodes); O(scorers) for
 * each node's points. */
void sy_shape_rank(const struct sy_shapes *s, const struct sy_shape *shape, uint32_t most,
                   bool with_points, struct sy_rank *ret);
