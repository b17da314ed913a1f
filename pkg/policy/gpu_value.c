/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/gpu_value.h"

#include <math.h>
#include <stdlib.h>

#include "policy/plugins.h"

enum { WORD_BITS = 64 };
/* Of the cpu that CPU-only pods want, what is counted as wanted beside GPUs. */
static const double CPU_ONLY_PART = 0.5;
static const double SQRT_2PI = 2.5066282746310002;

void sy_gpu_room_of(const struct sy_cluster *c, uint32_t node, struct sy_gpu_room *ret)
{
    const struct sy_column *cpu = &c->columns[SY_COLUMN_CPU_MILLI];
    const struct sy_gpu_node *g = sy_gpus_of(c, node);

    ret->node = node;
    ret->cpu_milli = cpu->allocatable[node] - cpu->used[node];
    ret->len = g ? g->len : 0;
    ret->idle_milli = g ? g->idle_milli : 0;
    for (uint32_t i = 0; i < ret->len; i++)
        ret->milli[i] = g->gpus[i].free_milli;
}

int64_t sy_shape_cpu_milli(const struct sy_shape_view *shape)
{
    for (uint32_t i = 0; i < shape->requests_len; i++) {
        if (shape->request_columns[i] == SY_COLUMN_CPU_MILLI)
            return shape->request_amounts[i];
    }
    return 0;
}

void sy_gpu_room_take(struct sy_gpu_room *room, const struct sy_shape_view *shape, uint64_t devices)
{
    int32_t milli = shape->spec->gpu.milli;

    room->cpu_milli -= sy_shape_cpu_milli(shape);
    for (uint32_t i = 0; devices && i < room->len; i++) {
        if (!(devices >> i & 1))
            continue;
        int32_t taken = room->milli[i] < milli ? room->milli[i] : milli;
        room->milli[i] -= taken;
        room->idle_milli -= taken;
    }
}

/* -- what the targets come to on the nodes -- */

static bool may_use(const struct sy_shape_view *target, const struct sy_gpu_node *g, uint32_t node)
{
    sy_sid resource = target->spec->gpu.resource;
    struct sy_verdict v;

    return (!resource || resource == g->resource) && sy_node_is_wanted(target, node) &&
           !sy_filter_taint_toleration.refuses(target, NULL, node, &v);
}

/* Milli-GPUs in all of the nodes that the target may use; its bits are set. */
static double mark_usable(const struct sy_shape_view *shape, const struct sy_gpu_target *target,
                          uint64_t *bits)
{
    const struct sy_cluster *c = shape->cluster;
    struct sy_shape_view view = {
        .cluster = shape->cluster,
        .profile = shape->profile,
        .spec = &target->spec->spec,
        .texts = shape->texts,
    };
    double milli = 0;

    for (uint32_t node = 0; node < c->nodes_len; node++) {
        const struct sy_gpu_node *g = sy_gpus_of(c, node);
        if (!g || !may_use(&view, g, node))
            continue;
        bits[node / WORD_BITS] |= (uint64_t)1 << node % WORD_BITS;
        milli += (double)g->len * SY_GPU_WHOLE_MILLI;
    }
    return milli;
}

static double target_milli(const struct sy_gpu_targets *t, const struct sy_gpu_target *target)
{
    return target->gpus ? (double)target->gpus * t->sizes[target->size] : 0;
}

/* Mean and spread of the cpu that goes with a milli-GPU. */
static void weigh_cpu(struct sy_gpu_targets *t)
{
    double gpu = 0, cpu = 0, variance = 0;

    for (uint32_t i = 0; i < t->len; i++) {
        const struct sy_gpu_target *target = &t->p[i];
        double milli = target_milli(t, target);
        gpu += target->share * milli;
        cpu += target->share * (double)target->cpu_milli * (milli > 0 ? 1 : CPU_ONLY_PART);
    }
    t->cpu_mean = gpu > 0 ? cpu / gpu : 0;
    for (uint32_t i = 0; i < t->len; i++) {
        double milli = target_milli(t, &t->p[i]);
        double off = (double)t->p[i].cpu_milli - t->cpu_mean * milli;
        if (milli > 0)
            variance += t->p[i].share * off * off / gpu;
    }
    t->cpu_sd = sqrt(variance);
}

static double gpu_demand(const struct sy_gpu_targets *t)
{
    double gpu = 0;

    for (uint32_t i = 0; i < t->len; i++)
        gpu += t->p[i].share * target_milli(t, &t->p[i]);
    return gpu;
}

static void add_price(const struct sy_cluster *c, struct sy_gpu_targets *t, const uint64_t *bits,
                      double price)
{
    for (uint32_t node = 0; node < c->nodes_len; node++) {
        if (bits[node / WORD_BITS] >> node % WORD_BITS & 1)
            t->price[node] += price;
    }
}

static void make(const struct sy_shape_view *shape)
{
    struct sy_cluster *c = shape->cluster;
    struct sy_gpu_targets *t = &c->gpus.targets;
    double capacity = 0, demand = gpu_demand(t);

    t->made_nodes = c->nodes_len;
    t->words = (c->nodes_len + WORD_BITS - 1) / WORD_BITS;
    free(t->usable);
    free(t->price);
    t->usable = sy_xcalloc((size_t)t->len * t->words + 1, sizeof(*t->usable));
    t->price = sy_xcalloc(c->nodes_len + 1, sizeof(*t->price));
    for (uint32_t node = 0; node < c->nodes_len; node++) {
        if (sy_gpus_of(c, node))
            capacity += (double)sy_gpus_of(c, node)->len * SY_GPU_WHOLE_MILLI;
    }
    for (uint32_t i = 0; i < t->len; i++) {
        uint64_t *bits = t->usable + (size_t)i * t->words;
        double milli = mark_usable(shape, &t->p[i], bits);
        if (milli > 0 && milli < capacity && demand > 0)
            add_price(c, t, bits,
                      t->p[i].share * target_milli(t, &t->p[i]) / demand * capacity / milli);
    }
    weigh_cpu(t);
}

void sy_gpu_value_prepare(const struct sy_shape_view *shape)
{
    const struct sy_gpus *gpus = &shape->cluster->gpus;
    struct sy_gpu_targets *t = &shape->cluster->gpus.targets;

    if (t->is_made && t->made_generation == t->generation && t->made_statics == gpus->statics)
        return;
    make(shape);
    t->made_generation = t->generation;
    t->made_statics = gpus->statics;
    t->is_made = true;
}

/* -- asking -- */

double sy_gpu_fragment(const struct sy_cluster *c, const struct sy_gpu_room *room)
{
    const struct sy_gpu_targets *t = &c->gpus.targets;
    uint32_t fit[SY_GPU_SIZES_MAX];
    int32_t small[SY_GPU_SIZES_MAX]; /* milli on devices that are too small */
    double sum = 0;

    if (!room->len)
        return 0;
    for (uint32_t s = 0; s < t->sizes_len; s++) {
        fit[s] = 0;
        small[s] = 0;
        for (uint32_t i = 0; i < room->len; i++) {
            fit[s] += room->milli[i] >= t->sizes[s];
            small[s] += room->milli[i] >= t->sizes[s] ? 0 : room->milli[i];
        }
    }
    const uint64_t *word = t->usable + room->node / WORD_BITS;
    for (uint32_t i = 0; i < t->len; i++, word += t->words) {
        const struct sy_gpu_target *target = &t->p[i];
        bool runs = target->gpus && *word >> room->node % WORD_BITS & 1 &&
                    room->cpu_milli >= target->cpu_milli && fit[target->size] >= target->gpus;
        sum += target->share * (runs ? small[target->size] : room->idle_milli);
    }
    return sum;
}

static double density(double x)
{
    return exp(-x * x / 2) / SQRT_2PI;
}

static double below(double x)
{
    return erfc(-x * M_SQRT1_2) / 2;
}

double sy_gpu_stranded(const struct sy_cluster *c, const struct sy_gpu_room *room)
{
    const struct sy_gpu_targets *t = &c->gpus.targets;
    double idle = room->idle_milli, cpu = (double)room->cpu_milli;

    if (idle <= 0 || t->cpu_mean <= 0)
        return 0;
    double mean = t->cpu_mean * idle, sd = t->cpu_sd * sqrt(idle);
    if (sd < 1)
        return mean > cpu ? fmin((mean - cpu) / t->cpu_mean, idle) : 0;
    double z = (mean - cpu) / sd;
    return fmin(((mean - cpu) * below(z) + sd * density(z)) / t->cpu_mean, idle);
}

double sy_gpu_price(const struct sy_cluster *c, uint32_t node)
{
    const struct sy_gpu_targets *t = &c->gpus.targets;

    return node < t->made_nodes ? t->price[node] : 0; /* newer ones have no GPUs */
}
