/* SPDX-License-Identifier: Apache-2.0
 *
 * spec.nodeSelector and required node affinity. */
#include "policy/plugins.h"

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena SY_UNUSED,
                           void **ret_state SY_UNUSED, struct sy_verdict *v SY_UNUSED)
{
    return shape->spec->node_selector.len || shape->spec->required_nodes.is_set ? SY_PRE_RUN
                                                                                : SY_PRE_SKIP;
}

static bool refuses(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node,
                    struct sy_verdict *v)
{
    const struct sy_node *n = &shape->cluster->nodes[node].node;
    struct sy_labels wanted = shape->spec->node_selector;
    bool matches = true;

    for (uint32_t i = 0; i < wanted.len && matches; i++)
        matches = sy_labels_get(n->labels, wanted.p[i].key) == wanted.p[i].value;
    if (matches && sy_node_selector_matches(&shape->spec->required_nodes, shape->cluster->strings,
                                            n->labels, n->name, shape->texts->metadata_name))
        return false;
    return sy_refuse(v, SY_UNRESOLVABLE, shape->texts->node_affinity);
}

const struct sy_filter sy_filter_node_affinity = {
    .name = "NodeAffinity", .prepare = prepare, .refuses = refuses};
