/* SPDX-License-Identifier: Apache-2.0
 *
 * A node must declare all features that the pod needs. */
#include "policy/plugins.h"

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena SY_UNUSED,
                           void **ret_state SY_UNUSED, struct sy_verdict *v SY_UNUSED)
{
    return shape->spec->needed_features ? SY_PRE_RUN : SY_PRE_SKIP;
}

static bool refuses(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node,
                    struct sy_verdict *v)
{
    if (!(shape->spec->needed_features & ~shape->cluster->nodes[node].node.declared_features))
        return false;
    return sy_refuse(v, SY_UNRESOLVABLE, shape->texts->declared_features);
}

const struct sy_filter sy_filter_node_declared_features = {
    .name = "NodeDeclaredFeatures", .prepare = prepare, .refuses = refuses};
