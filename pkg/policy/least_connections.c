/* SPDX-License-Identifier: Apache-2.0
 *
 * Least connections: the node with the fewest pods, running and starting, whoever placed them.
 * 100 x 110 / (110 + pods) points: strictly less with each pod, half at the kubelet's limit. */
#include "policy/plugins.h"

enum { PODS_AT_HALF = 110 };

static int64_t score(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    int64_t pods = shape->cluster->nodes[node].pods_len;

    return (int64_t)SY_SCORE_MAX * PODS_AT_HALF / (PODS_AT_HALF + pods);
}

const struct sy_scorer sy_scorer_least_connections = {
    .name = "LeastConnections", .is_fine = true, .score = score};
