/* SPDX-License-Identifier: Apache-2.0
 *
 * Response time: the node where the pod would run soonest. Expected is the node's moving average
 * from bind to running (sched/learn.c), once for the pod and once for each that is starting there.
 * A node without history is taken to need a second, so that it gets pods and has one. */
#include "policy/plugins.h"

static const double UNKNOWN_S = 1;
static const double HALF_S = 5; /* that is worth half the points */

static int64_t score(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    const struct sy_cluster *c = shape->cluster;
    double start_s = c->start_s[node] > 0 ? (double)c->start_s[node] : UNKNOWN_S;
    double expected_s = start_s * (1 + (double)c->starting[node]);

    return (int64_t)(SY_SCORE_MAX * HALF_S / (HALF_S + expected_s));
}

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena SY_UNUSED,
                           const uint32_t *nodes SY_UNUSED, uint32_t nodes_len SY_UNUSED,
                           void **ret_state SY_UNUSED, struct sy_verdict *v SY_UNUSED)
{
    shape->cluster->starts_matter = true;
    return SY_PRE_RUN;
}

const struct sy_scorer sy_scorer_response_time = {
    .name = "ResponseTime", .is_fine = true, .prepare = prepare, .score = score};
