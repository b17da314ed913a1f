/* SPDX-License-Identifier: Apache-2.0
 *
 * A pod that names its node goes nowhere else. */
#include "policy/plugins.h"

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena SY_UNUSED,
                           void **ret_state SY_UNUSED, struct sy_verdict *v SY_UNUSED)
{
    return shape->node_name != 0 ? SY_PRE_RUN : SY_PRE_SKIP;
}

static bool refuses(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node,
                    struct sy_verdict *v)
{
    if (shape->cluster->nodes[node].node.name == shape->node_name)
        return false;
    return sy_refuse(v, SY_UNRESOLVABLE, shape->texts->node_name);
}

const struct sy_filter sy_filter_node_name = {
    .name = "NodeName", .prepare = prepare, .refuses = refuses};
