/* SPDX-License-Identifier: Apache-2.0
 *
 * Points from turns: what strategies that deal in proportion to weights have in common. A node's
 * score is when it would be done with the pod in virtual time (finish tag), against a base that
 * moves in steps, so that most decisions change the score of one node only. */
#include "policy/plugins.h"

#include <math.h>
#include <string.h>

/* Steps of half a scale: then the points of nodes that are due stay in the upper two thirds. */
static double base_of(const struct sy_turns *t, double scale)
{
    return floor(t->now / (scale / 2)) * (scale / 2);
}

int64_t sy_turn_points(const struct sy_turns *t, uint32_t node, double cost, double scale)
{
    double late = sy_turn_pass(t, node) + cost - base_of(t, scale);

    return (int64_t)(SY_SCORE_MAX * (late > 0 ? scale / (scale + late) : 1));
}

uint64_t sy_turn_stamp(const struct sy_turns *t, double scale)
{
    double base = base_of(t, scale);
    uint64_t bits;

    memcpy(&bits, &base, sizeof(bits));
    return bits;
}
