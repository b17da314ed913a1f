/* SPDX-License-Identifier: Apache-2.0
 *
 * Every NoSchedule and NoExecute taint of the node must be tolerated. */
#include "policy/plugins.h"

static bool refuses(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node,
                    struct sy_verdict *v)
{
    const struct sy_node *n = &shape->cluster->nodes[node].node;

    if (!n->taints_len)
        return false;
    if (!sy_taints_first_untolerated(n->taints, n->taints_len, shape->spec->tolerations,
                                     shape->spec->tolerations_len, shape->cluster->strings,
                                     1U << SY_EFFECT_NO_SCHEDULE | 1U << SY_EFFECT_NO_EXECUTE))
        return false;
    return sy_refuse(v, SY_UNRESOLVABLE, shape->texts->untolerated_taint);
}

const struct sy_filter sy_filter_taint_toleration = {.name = "TaintToleration", .refuses = refuses};
