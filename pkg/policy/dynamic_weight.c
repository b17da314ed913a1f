/* SPDX-License-Identifier: Apache-2.0
 *
 * The dynamic weight of a node: capacity x performance x headroom x reliability, each in [0,1]
 * (weights.h). Capacity is the node's size against the largest node, performance and reliability
 * are learned (sched/learn.c), headroom is what would be left with the pod placed.
 *
 * The best node is the one that carries least for its weight: then what the nodes carry is in
 * proportion to their weights. The node of the largest weight would not do: it is the largest node
 * until that is nearly full. docs/decisions/0011 has what simulation says of either. */
#include "policy/plugins.h"
#include "policy/weights.h"

/* Of quotients weight / carried, from 0 to without end, to points from none to all of them. What a
 * node carries is capacity x (1 - headroom), so capacity cancels out. */
static int64_t score(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    struct sy_node_weight w;

    sy_node_weight(shape->cluster, shape, node, &w);
    double earned = w.performance * w.headroom * w.reliability;
    double carried = 1 - w.headroom;
    return earned > 0 ? (int64_t)(earned / (earned + carried) * SY_SCORE_MAX) : 0;
}

const struct sy_scorer sy_scorer_dynamic_weight = {
    .name = "DynamicWeight", .is_fine = true, .score = score};
