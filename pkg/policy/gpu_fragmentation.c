/* SPDX-License-Identifier: Apache-2.0
 *
 * GpuFragmentation: where a pod leaves the most GPUs usable for those that are expected, at the
 * least price in models that others can not do without. FGD: the same idea as published ("Beware of
 * Fragmentation", USENIX ATC 2023), for comparison. docs/gpu.md has the formulas. */
#include <math.h>

#include "policy/gpu_value.h"
#include "policy/plugins.h"

static const double PRICE = 3;       /* of a milli-GPU of a model in demand, in milli-GPUs */
static const double BEST_FIT = 100;  /* milli-GPUs that the best fit is worth */
static const double SCATTERED = 500; /* milli-GPUs that GPUs of several groups cost */
static const double FULL_CPU = 128000;
static const double FULL_GPU = 8000;
static const double POINTS_PER_MILLI = 100; /* in thousandths: a GPU is worth 100 points */
static const double SIGMOID_MILLI = 1000;
static const double SAME = 1e-9;

typedef double value_fn(const struct sy_cluster *c, const struct sy_gpu_room *room);

/* The greatest value that the node can have with the pod on it; of devices that give the same, the
 * first counts. */
static double best_value(const struct sy_shape_view *shape, const struct sy_gpu_room *now,
                         value_fn *value, uint64_t *ret_devices)
{
    const struct sy_gpu_request *r = &shape->spec->gpu;
    const struct sy_gpu_node *g = sy_gpus_of(shape->cluster, now->node);
    struct sy_gpu_room then = *now;
    double best = -HUGE_VAL;

    *ret_devices = 0;
    if (!g || !r->count || !sy_gpu_chooses(r)) {
        *ret_devices = r->count ? sy_gpus_choose(g, r) : 0;
        sy_gpu_room_take(&then, shape, *ret_devices);
        return value(shape->cluster, &then);
    }
    for (uint32_t i = 0; i < g->len; i++) {
        bool is_tried = !sy_gpu_has_room(g, i, r);
        for (uint32_t j = 0; j < i && !is_tried; j++)
            is_tried = now->milli[j] == now->milli[i] && sy_gpu_has_room(g, j, r);
        if (is_tried)
            continue;
        then = *now;
        sy_gpu_room_take(&then, shape, (uint64_t)1 << i);
        double v = value(shape->cluster, &then);
        if (v > best + SAME) {
            best = v;
            *ret_devices = (uint64_t)1 << i;
        }
    }
    return best;
}

static uint64_t stamp(const struct sy_shape_view *shape)
{
    const struct sy_gpus *g = &shape->cluster->gpus;

    return sy_hash_u64(g->statics) ^ g->targets.generation;
}

/* -- ours -- */

static double usable(const struct sy_cluster *c, const struct sy_gpu_room *room)
{
    return -sy_gpu_fragment(c, room) - sy_gpu_stranded(c, room);
}

static double best_fit(const struct sy_shape_view *shape, const struct sy_gpu_room *now)
{
    double cpu = (double)(now->cpu_milli - sy_shape_cpu_milli(shape));
    double gpu = (double)(now->idle_milli - sy_gpu_total_milli(&shape->spec->gpu));

    return 1 - cpu / FULL_CPU / 2 - gpu / FULL_GPU / 2;
}

/* Several GPUs that are not all near each other, where the node could say so. */
static bool are_scattered(const struct sy_shape_view *shape, uint32_t node, uint64_t devices)
{
    const struct sy_gpu_node *g = sy_gpus_of(shape->cluster, node);

    return g && g->groups_len && shape->spec->gpu.count > 1 && devices &&
           !sy_gpus_are_of_a_group(g, devices);
}

static int64_t score(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    struct sy_gpu_room now;
    uint64_t devices;

    sy_gpu_value_prepare(shape);
    sy_gpu_room_of(shape->cluster, node, &now);
    double gained = best_value(shape, &now, usable, &devices) - usable(shape->cluster, &now);
    double price =
        PRICE * (double)sy_gpu_total_milli(&shape->spec->gpu) * sy_gpu_price(shape->cluster, node);
    if (are_scattered(shape, node, devices))
        price += SCATTERED;
    return llround((gained - price + BEST_FIT * best_fit(shape, &now)) * POINTS_PER_MILLI);
}

static uint64_t devices(const struct sy_shape_view *shape, const void *state SY_UNUSED,
                        uint32_t node)
{
    struct sy_gpu_room now;
    uint64_t chosen;

    sy_gpu_value_prepare(shape);
    sy_gpu_room_of(shape->cluster, node, &now);
    best_value(shape, &now, usable, &chosen);
    return chosen;
}

const struct sy_scorer sy_scorer_gpu_fragmentation = {.name = "GpuFragmentation",
                                                      .unit = "hundredths of a GPU",
                                                      .is_fine = true,
                                                      .stamp = stamp,
                                                      .score = score,
                                                      .devices = devices};

/* -- as published -- */

static double whole_points(double fewer)
{
    return floor(100 / (1 + exp(-fewer / SIGMOID_MILLI)));
}

/* Whole points, as devices are compared by them too. */
static double fgd(const struct sy_shape_view *shape, uint32_t node, uint64_t *ret_devices)
{
    const struct sy_gpu_request *r = &shape->spec->gpu;
    const struct sy_gpu_node *g = sy_gpus_of(shape->cluster, node);
    struct sy_gpu_room now, then;
    double best = -1;

    sy_gpu_value_prepare(shape);
    sy_gpu_room_of(shape->cluster, node, &now);
    double before = sy_gpu_fragment(shape->cluster, &now);
    *ret_devices = 0;
    if (!g || !r->count || !sy_gpu_chooses(r)) {
        *ret_devices = r->count ? sy_gpus_choose(g, r) : 0;
        then = now;
        sy_gpu_room_take(&then, shape, *ret_devices);
        return whole_points(before - sy_gpu_fragment(shape->cluster, &then));
    }
    for (uint32_t i = 0; i < g->len; i++) {
        if (!sy_gpu_has_room(g, i, r))
            continue;
        then = now;
        sy_gpu_room_take(&then, shape, (uint64_t)1 << i);
        double v = whole_points(before - sy_gpu_fragment(shape->cluster, &then));
        if (v > best) {
            best = v;
            *ret_devices = (uint64_t)1 << i;
        }
    }
    return best;
}

static int64_t fgd_score(const struct sy_shape_view *shape, const void *state SY_UNUSED,
                         uint32_t node)
{
    uint64_t ignored;

    return (int64_t)fgd(shape, node, &ignored);
}

static uint64_t fgd_devices(const struct sy_shape_view *shape, const void *state SY_UNUSED,
                            uint32_t node)
{
    uint64_t chosen;

    (void)fgd(shape, node, &chosen);
    return chosen;
}

const struct sy_scorer sy_scorer_fgd = {
    .name = "FGD", .stamp = stamp, .score = fgd_score, .devices = fgd_devices};
