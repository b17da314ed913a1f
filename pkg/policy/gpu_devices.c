/* SPDX-License-Identifier: Apache-2.0
 *
 * A pod that asks for GPUs, or for parts of them, needs as many devices with room as it asks for,
 * as the ledger has them (cluster/gpus.h). How many units of the resource a node has to give is
 * NodeResourcesFit's to count: on a node whose devices are not known one by one this filter has
 * nothing to say of pods that ask for whole ones. */
#include "policy/plugins.h"

static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena SY_UNUSED,
                           void **ret_state SY_UNUSED, struct sy_verdict *v SY_UNUSED)
{
    return shape->spec->gpu.count ? SY_PRE_RUN : SY_PRE_SKIP;
}

/* Which of the things asked for there is too little of. */
static sy_sid lacking(const struct sy_shape_view *shape, const struct sy_gpu_node *g)
{
    const struct sy_gpu_request *r = &shape->spec->gpu;
    struct sy_gpu_request milli = {.count = r->count, .milli = r->milli};

    if (sy_gpu_is_whole(r))
        return shape->texts->gpu_free;
    return sy_gpus_with_room(g, &milli) < r->count ? shape->texts->gpu_milli
                                                   : shape->texts->gpu_memory;
}

static bool refuses(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node,
                    struct sy_verdict *v)
{
    const struct sy_gpu_request *r = &shape->spec->gpu;
    const struct sy_gpu_node *g = sy_gpus_of(shape->cluster, node);
    const struct sy_policy_texts *t = shape->texts;

    if (!g || sy_gpus_are_the_plugins(g, r)) {
        if (r->one_group && r->count > 1)
            return sy_refuse(v, SY_UNRESOLVABLE, t->gpu_group_size);
        /* Of more devices than the ledger takes the plugin knows, too. */
        if (sy_gpu_is_whole(r) && r->count != UINT16_MAX)
            return false;
        return sy_refuse(v, SY_UNRESOLVABLE, t->gpu_devices);
    }
    bool needs_group = r->one_group && r->count > 1;
    if (r->count > g->len - g->lost)
        return sy_refuse(v, SY_UNRESOLVABLE, t->gpu_devices);
    if (needs_group && !sy_gpus_fit_a_group(g, r, true))
        return sy_refuse(v, SY_UNRESOLVABLE, t->gpu_group_size);
    if (r->memory_bytes > g->memory_bytes)
        return sy_refuse(v, SY_UNRESOLVABLE, t->gpu_memory);
    if (g->unplaced)
        return sy_refuse(v, SY_UNSCHEDULABLE, t->gpu_overcommitted);
    if (sy_gpus_with_room(g, r) < r->count)
        return sy_refuse(v, SY_UNSCHEDULABLE, lacking(shape, g));
    if (needs_group && !sy_gpus_fit_a_group(g, r, false))
        return sy_refuse(v, SY_UNSCHEDULABLE, t->gpu_group);
    return false;
}

const struct sy_filter sy_filter_gpu_devices = {
    .name = "GpuDevices", .prepare = prepare, .refuses = refuses};
