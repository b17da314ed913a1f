/* SPDX-License-Identifier: Apache-2.0
 *
 * A pod that names its node goes nowhere else. */
#include "policy/plugins.h"

static bool applies(const struct sy_shape_view *shape)
{
    return shape->node_name != 0;
}

static bool refuses(const struct sy_shape_view *shape, uint32_t node, struct sy_verdict *v)
{
    if (shape->cluster->nodes[node].node.name == shape->node_name)
        return false;
    return sy_refuse(v, SY_UNRESOLVABLE, shape->texts->node_name);
}

const struct sy_filter sy_filter_node_name = {
    .name = "NodeName", .applies = applies, .refuses = refuses};
