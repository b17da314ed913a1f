/* SPDX-License-Identifier: Apache-2.0
 *
 * The dynamic weight of a node: capacity x performance x headroom x reliability, each in [0,1].
 * Capacity is the node's size against the largest node, performance and reliability are learned
 * (sched/learn.c), headroom is what would be left with the pod placed. docs/models.md explains. */
#include "policy/plugins.h"
#include "policy/weights.h"

static int64_t score(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    struct sy_node_weight w;

    sy_node_weight(shape->cluster, shape, node, &w);
    return (int64_t)(w.weight * SY_SCORE_MAX);
}

const struct sy_scorer sy_scorer_dynamic_weight = {
    .name = "DynamicWeight", .is_fine = true, .score = score};
