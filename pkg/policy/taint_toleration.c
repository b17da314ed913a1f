/* SPDX-License-Identifier: Apache-2.0
 *
 * Every NoSchedule and NoExecute taint of the node must be tolerated; of the PreferNoSchedule ones,
 * the fewer the pod does not tolerate the better. */
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

static bool is_constant(const struct sy_shape_view *shape, int64_t *ret_points)
{
    *ret_points = 100;
    return shape->cluster->nodes_prefer_no_schedule == 0;
}

static int64_t score(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    const struct sy_node *n = &shape->cluster->nodes[node].node;
    int64_t untolerated = 0;

    for (uint32_t i = 0; i < n->taints_len; i++)
        untolerated += sy_taints_first_untolerated(
                           &n->taints[i], 1, shape->spec->tolerations, shape->spec->tolerations_len,
                           shape->cluster->strings, 1U << SY_EFFECT_PREFER_NO_SCHEDULE) != NULL;
    return untolerated;
}

static void normalize(const struct sy_shape_view *shape SY_UNUSED, const void *state SY_UNUSED,
                      const uint32_t *nodes SY_UNUSED, uint32_t nodes_len, int64_t *scores)
{
    sy_normalize_default(100, true, nodes_len, scores);
}

const struct sy_filter sy_filter_taint_toleration = {.name = "TaintToleration", .refuses = refuses};

const struct sy_scorer sy_scorer_taint_toleration = {
    .name = "TaintToleration",
    .is_global = true,
    .is_constant = is_constant,
    .score = score,
    .normalize = normalize,
};
