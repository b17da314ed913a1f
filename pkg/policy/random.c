/* SPDX-License-Identifier: Apache-2.0
 *
 * Random: any node that can take the pod, and any of its GPUs that have room, all alike. What comes
 * out depends on what the cluster has been through alone, so runs repeat. */
#include "policy/plugins.h"

/* Each placement changes the cluster's generation, and so all points. */
static uint64_t draw(const struct sy_shape_view *shape, uint32_t what)
{
    return sy_hash_u64(sy_hash_u64(shape->cluster->generation) + what);
}

static int64_t score(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    return (int64_t)(draw(shape, node) % (SY_SCORE_MAX + 1));
}

static uint64_t stamp(const struct sy_shape_view *shape)
{
    return shape->cluster->generation;
}

static uint64_t devices(const struct sy_shape_view *shape, const void *state SY_UNUSED,
                        uint32_t node)
{
    const struct sy_gpu_node *g = sy_gpus_of(shape->cluster, node);
    uint32_t left = shape->spec->gpu.count, room = g ? sy_gpus_with_room(g, &shape->spec->gpu) : 0;
    uint64_t chosen = 0;

    if (!left || left > room)
        return 0;
    for (uint32_t i = 0; i < g->len && left; i++) {
        if (!sy_gpu_has_room(g, i, &shape->spec->gpu))
            continue;
        if (draw(shape, ~i) % room < left) {
            chosen |= (uint64_t)1 << i;
            left--;
        }
        room--;
    }
    return chosen;
}

const struct sy_scorer sy_scorer_random = {
    .name = "Random", .is_fine = true, .stamp = stamp, .score = score, .devices = devices};
