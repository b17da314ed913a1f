/* SPDX-License-Identifier: Apache-2.0
 *
 * Round robin: each node that can take the pod has its turn before any has its next one. All points
 * for a node that has not had its turn in this round, none else; in order of slots. */
#include "policy/plugins.h"

static const struct sy_turns *turns(const struct sy_shape_view *shape)
{
    return &shape->cluster->turns[SY_TURN_ROUND_ROBIN];
}

static int64_t score(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    return sy_turn_pass(turns(shape), node) > turns(shape)->now ? 0 : SY_SCORE_MAX;
}

static uint64_t stamp(const struct sy_shape_view *shape)
{
    return (uint64_t)turns(shape)->now;
}

static void placed(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    sy_turn_take(shape->cluster, SY_TURN_ROUND_ROBIN, node, 1, 0);
}

const struct sy_scorer sy_scorer_round_robin = {
    .name = "RoundRobin", .is_fine = true, .stamp = stamp, .score = score, .placed = placed};
