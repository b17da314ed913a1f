/* SPDX-License-Identifier: Apache-2.0
 *
 * Cordoned nodes take only pods that tolerate the taint that stands for it. */
#include "policy/plugins.h"

static bool refuses(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node,
                    struct sy_verdict *v)
{
    if (!(shape->cluster->node_flags[node] & SY_NODE_UNSCHEDULABLE))
        return false;
    struct sy_taint cordon = {
        .key = shape->texts->unschedulable_taint_key,
        .value = shape->texts->empty,
        .effect = SY_EFFECT_NO_SCHEDULE,
    };
    for (uint32_t i = 0; i < shape->spec->tolerations_len; i++) {
        if (sy_toleration_covers(&shape->spec->tolerations[i], shape->cluster->strings, &cordon))
            return false;
    }
    return sy_refuse(v, SY_UNRESOLVABLE, shape->texts->unschedulable);
}

const struct sy_filter sy_filter_node_unschedulable = {.name = "NodeUnschedulable",
                                                       .refuses = refuses};
