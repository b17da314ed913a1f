/* SPDX-License-Identifier: Apache-2.0
 *
 * GpuBestFit, GpuPacking, GpuClustering and DotProduct: the policies that FGD was published
 * against, as its experiment has them. All put parts of GPUs on the tightest that fits. */
#include <math.h>

#include "policy/gpu_value.h"
#include "policy/plugins.h"

enum { FULL_CPU_MILLI = 128000, FULL_GPU_MILLI = 8000 };

static int64_t pod_milli(const struct sy_shape_view *shape)
{
    return sy_gpu_total_milli(&shape->spec->gpu);
}

/* -- GpuBestFit -- */

static int64_t best_fit(const struct sy_shape_view *shape, const void *state SY_UNUSED,
                        uint32_t node)
{
    struct sy_gpu_room now;

    sy_gpu_room_of(shape->cluster, node, &now);
    double cpu = (double)(now.cpu_milli - sy_shape_cpu_milli(shape)) / FULL_CPU_MILLI;
    double gpu = (double)(now.idle_milli - pod_milli(shape)) / FULL_GPU_MILLI;
    return (int64_t)floor(100 * (1 - 0.5 * cpu - 0.5 * gpu));
}

/* From the least to the most, as 0 to 100. */
static void spread_out(const struct sy_shape_view *shape SY_UNUSED, const void *state SY_UNUSED,
                       const uint32_t *nodes SY_UNUSED, uint32_t nodes_len, int64_t *scores)
{
    int64_t least = INT64_MAX, most = INT64_MIN;

    for (uint32_t i = 0; i < nodes_len; i++) {
        least = scores[i] < least ? scores[i] : least;
        most = scores[i] > most ? scores[i] : most;
    }
    for (uint32_t i = 0; i < nodes_len; i++)
        scores[i] = most > least ? (scores[i] - least) * 100 / (most - least) : 0;
}

const struct sy_scorer sy_scorer_gpu_best_fit = {
    .name = "GpuBestFit", .is_global = true, .score = best_fit, .normalize = spread_out};

/* -- GpuPacking -- */

enum { USED_LEAST = 50, FREE_ON_USED_LEAST = 33 };

static int64_t at_least(int64_t a, int64_t least)
{
    return a > least ? a : least;
}

/* The percents free of the `left` tightest GPUs that fit; how many of them were all free. */
static int64_t tightest(const struct sy_gpu_node *g, const struct sy_gpu_request *r,
                        int64_t *ret_unused)
{
    uint64_t taken = 0;
    int64_t sum = 0;

    *ret_unused = 0;
    for (uint32_t left = r->count; left; left--) {
        uint32_t best = SY_NONE;
        for (uint32_t i = 0; i < g->len; i++) {
            if (!(taken >> i & 1) && sy_gpu_has_room(g, i, r) &&
                (best == SY_NONE || g->gpus[i].free_milli < g->gpus[best].free_milli))
                best = i;
        }
        if (best == SY_NONE)
            return sum;
        taken |= (uint64_t)1 << best;
        sum += g->gpus[best].free_milli * 100 / SY_GPU_WHOLE_MILLI;
        *ret_unused += g->gpus[best].free_milli == SY_GPU_WHOLE_MILLI;
    }
    return sum;
}

static int64_t packing(const struct sy_shape_view *shape, const void *state SY_UNUSED,
                       uint32_t node)
{
    const struct sy_gpu_node *g = sy_gpus_of(shape->cluster, node);
    const struct sy_gpu_request *r = &shape->spec->gpu;
    int64_t unused;

    if (!g || !r->count)
        return 0;
    if (g->idle_milli == (int64_t)g->len * SY_GPU_WHOLE_MILLI)
        return at_least(FREE_ON_USED_LEAST - (int64_t)g->len, g->len);
    int64_t percents = tightest(g, r, &unused);
    if (unused)
        return at_least(USED_LEAST - unused, FREE_ON_USED_LEAST);
    return at_least(100 - percents / 10, USED_LEAST);
}

const struct sy_scorer sy_scorer_gpu_packing = {.name = "GpuPacking", .score = packing};

/* -- GpuClustering -- */

static int64_t clustering(const struct sy_shape_view *shape, const void *state SY_UNUSED,
                          uint32_t node)
{
    const struct sy_gpu_node *g = sy_gpus_of(shape->cluster, node);
    const struct sy_gpu_request *r = &shape->spec->gpu;

    if (!g || !r->count)
        return 0;
    uint32_t kind = 1U << sy_gpu_kind_of(r);
    int64_t points = 25 * (FULL_GPU_MILLI - (int64_t)g->idle_milli) / FULL_GPU_MILLI;
    if (g->kinds == kind)
        return points + 75;
    if (g->kinds & kind)
        return points + 50;
    return g->kinds ? points : points + 25;
}

const struct sy_scorer sy_scorer_gpu_clustering = {.name = "GpuClustering", .score = clustering};

/* -- DotProduct -- */

static int64_t dot_product(const struct sy_shape_view *shape, const void *state SY_UNUSED,
                           uint32_t node)
{
    struct sy_gpu_room now;

    sy_gpu_room_of(shape->cluster, node, &now);
    double cpu =
        (double)now.cpu_milli / FULL_CPU_MILLI * (double)sy_shape_cpu_milli(shape) / FULL_CPU_MILLI;
    double gpu =
        (double)now.idle_milli / FULL_GPU_MILLI * (double)pod_milli(shape) / FULL_GPU_MILLI;
    return (int64_t)floor(100 * (1 - (cpu + gpu) / 2));
}

const struct sy_scorer sy_scorer_dot_product = {.name = "DotProduct", .score = dot_product};
