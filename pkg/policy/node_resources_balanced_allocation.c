/* SPDX-License-Identifier: Apache-2.0
 *
 * Prefers nodes whose resources the pod makes more evenly used: 75 points when it changes nothing,
 * up to 100 when the spread of the used shares shrinks, down to 50 when it grows. A pod that asks
 * for none of the resources gets no points anywhere. */
#include "policy/plugins.h"

#include <math.h>

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena,
                           const uint32_t *nodes SY_UNUSED, uint32_t nodes_len SY_UNUSED,
                           void **ret_state, struct sy_verdict *v)
{
    const struct sy_policy_args *args = &shape->profile->args;
    struct sy_weighed_resources *weighed = sy_arena_alloc(arena, sizeof(*weighed));

    if (!weighed) {
        v->code = SY_ERROR;
        return SY_PRE_REJECT;
    }
    *ret_state = weighed;
    return sy_weigh_resources(shape, args->balanced_resources, args->balanced_resources_len, false,
                              weighed)
               ? SY_PRE_RUN
               : SY_PRE_SKIP;
}

/* 100 less the standard deviation of the used shares in percent, cut to a whole number. */
static int64_t evenness(const double *shares, uint32_t len)
{
    double deviation = 0, sum = 0, squares = 0;

    for (uint32_t i = 0; i < len; i++)
        sum += shares[i];
    if (len == 2) {
        deviation = fabs((shares[0] - shares[1]) / 2);
    } else if (len > 2) {
        double mean = sum / len;
        for (uint32_t i = 0; i < len; i++)
            squares = squares + (shares[i] - mean) * (shares[i] - mean);
        deviation = sqrt(squares / len);
    }
    return (int64_t)((1 - deviation) * 100);
}

static double share(int64_t part, int64_t whole)
{
    double ratio = (double)part / (double)whole;

    return ratio > 1 ? 1 : ratio;
}

static int64_t score(const struct sy_shape_view *shape, const void *state, uint32_t node)
{
    const struct sy_weighed_resources *weighed = state;
    double with[SY_ARG_LIST_MAX], without[SY_ARG_LIST_MAX];
    uint32_t len = 0;

    for (uint32_t i = 0; i < weighed->len; i++) {
        const struct sy_weighed_resource *r = &weighed->p[i];
        int64_t total = shape->cluster->columns[r->column].allocatable[node];
        if (!total)
            continue;
        with[len] = share(r->used[node] + r->asked, total);
        without[len++] = share(r->used[node], total);
    }
    return 50 + (50 + evenness(with, len) - evenness(without, len)) / 2;
}

const struct sy_scorer sy_scorer_node_resources_balanced_allocation = {
    .name = "NodeResourcesBalancedAllocation", .prepare = prepare, .score = score};
