/* SPDX-License-Identifier: Apache-2.0
 *
 * The load gate: nodes of a pool that is overloaded take no new pods until it is not (pools.h says
 * when), but for pods that are exempt. Evicting somebody is no way through it. Says nothing while
 * no pool has a gate. */
#include "policy/plugins.h"

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena SY_UNUSED,
                           void **ret_state SY_UNUSED, struct sy_verdict *v SY_UNUSED)
{
    return shape->cluster->pools.has_gates && !shape->passes_gates ? SY_PRE_RUN : SY_PRE_SKIP;
}

static bool refuses(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node,
                    struct sy_verdict *v)
{
    const struct sy_cluster *c = shape->cluster;
    const struct sy_pool *pool = &c->pools.all.p[sy_pool_of(c, node)];

    return pool->is_closed && sy_refuse(v, SY_UNRESOLVABLE, pool->reason);
}

const struct sy_filter sy_filter_load_gate = {
    .name = "LoadGate", .prepare = prepare, .refuses = refuses};
