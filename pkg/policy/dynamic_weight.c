/* SPDX-License-Identifier: Apache-2.0
 *
 * The dynamic weight of a node: capacity x performance x headroom x reliability, each in [0,1].
 * Capacity is the node's size against the largest node, performance and reliability are learned
 * (sched/learn.c), headroom is what would be left with the pod placed. docs/models.md explains. */
#include "policy/plugins.h"

static double ratio(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

static int64_t score(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    const struct sy_cluster *c = shape->cluster;
    double capacity =
        (ratio(c->columns[SY_COLUMN_CPU_MILLI].allocatable[node], c->max_cpu_milli) +
         ratio(c->columns[SY_COLUMN_MEMORY_BYTES].allocatable[node], c->max_memory_bytes)) /
        2;
    double headroom = 1 - sy_utilization_with(shape, node);
    double weight =
        capacity * (double)c->performance[node] * headroom * (double)c->reliability[node];

    return (int64_t)(weight * SY_SCORE_MAX);
}

const struct sy_scorer sy_scorer_dynamic_weight = {
    .name = "DynamicWeight", .is_fine = true, .score = score};
