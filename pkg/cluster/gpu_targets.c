/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/gpu_targets.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "cluster/cluster.h"

enum {
    FIRST_ARRIVALS = 4, /* until the first targets */
    KINDS_MAX = 4096,   /* kept; when there are more, the rarest half goes */
};
static const double COVERED = 0.95; /* of the arrivals, by the targets */
static const double GROWTH = 0.25;  /* by which arrivals grow until the targets are made anew */
static const double HALF_LIFE_NS = 30.0 * 24 * 3600 * 1e9;
static const double LATER_MAX = 32; /* half-lives after the landmark, before it is moved */

/* What makes a kind, alone. */
static struct sy_pod_spec reduce(const struct sy_cluster *c, const struct sy_pod_spec *spec,
                                 struct sy_amount *cpu)
{
    *cpu = (struct sy_amount){c->names.cpu, sy_amounts_get(spec->requests.requests, c->names.cpu)};
    return (struct sy_pod_spec){
        .requests = {.requests = {cpu, 1}},
        .gpu = {.count = spec->gpu.count, .milli = spec->gpu.milli, .resource = spec->gpu.resource},
        .node_selector = spec->node_selector,
        .required_nodes = spec->required_nodes,
        .tolerations = spec->tolerations,
        .tolerations_len = spec->tolerations_len,
    };
}

/* Pods that are for one node by name say nothing of what others will want. */
static bool is_for_named_nodes(const struct sy_pod_spec *spec)
{
    for (uint32_t i = 0; i < spec->required_nodes.len; i++) {
        if (spec->required_nodes.terms[i].fields_len)
            return true;
    }
    return false;
}

static bool has_serial(const void *arg, const void *key, uint32_t value)
{
    const struct sy_gpu_targets *t = arg;

    return t->kinds.p[value].spec->serial == *(const uint64_t *)key;
}

/* Adds weight to the kind of a spec. 0 or -ENOMEM. */
static int count(struct sy_cluster *c, const struct sy_pod_spec *spec, double weight)
{
    struct sy_gpu_targets *t = &c->gpus.targets;
    struct sy_amount cpu;
    struct sy_pod_spec reduced = reduce(c, spec, &cpu);
    const struct sy_shared_spec *shared = sy_specs_ref(c->specs, &reduced);

    if (!shared)
        return -ENOMEM;
    uint64_t hash = sy_hash_u64(shared->serial);
    uint32_t kind = sy_map_get(&t->kind_by_serial, hash, has_serial, t, &shared->serial);
    if (kind == SY_MAP_NONE) {
        kind = (uint32_t)t->kinds.len;
        sy_vec_push(&t->kinds, (struct sy_gpu_pod_kind){.spec = shared});
        sy_map_add(&t->kind_by_serial, hash, kind);
    } else {
        sy_specs_unref(c->specs, shared);
    }
    t->kinds.p[kind].weight += weight;
    t->total += weight;
    return 0;
}

static int64_t cpu_of(const struct sy_gpu_pod_kind *k)
{
    struct sy_amounts requests = k->spec->spec.requests.requests;

    return requests.len ? requests.p[0].amount : 0;
}

/* Most frequent first; of equals, the larger. */
static int by_weight(const void *pa, const void *pb)
{
    const struct sy_gpu_pod_kind *a = pa, *b = pb;
    const struct sy_gpu_request *x = &a->spec->spec.gpu, *y = &b->spec->spec.gpu;

    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    if (cpu_of(a) != cpu_of(b))
        return cpu_of(a) > cpu_of(b) ? -1 : 1;
    if (x->milli != y->milli)
        return x->milli > y->milli ? -1 : 1;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return a->spec->serial < b->spec->serial ? -1 : a->spec->serial > b->spec->serial;
}

static void index_kinds(struct sy_gpu_targets *t)
{
    sy_map_done(&t->kind_by_serial);
    for (uint32_t i = 0; i < t->kinds.len; i++)
        sy_map_add(&t->kind_by_serial, sy_hash_u64(t->kinds.p[i].spec->serial), i);
}

static void drop_kinds(struct sy_cluster *c, size_t from)
{
    struct sy_gpu_targets *t = &c->gpus.targets;

    for (size_t i = from; i < t->kinds.len; i++) {
        t->total -= t->kinds.p[i].weight;
        sy_specs_unref(c->specs, t->kinds.p[i].spec);
    }
    t->kinds.len = from;
}

/* The index of a size; the last one stands for those that there is no room for. */
static uint32_t size_index(struct sy_gpu_targets *t, int32_t milli)
{
    for (uint32_t i = 0; i < t->sizes_len; i++) {
        if (t->sizes[i] == milli)
            return i;
    }
    if (t->sizes_len == SY_GPU_SIZES_MAX)
        return SY_GPU_SIZES_MAX - 1;
    t->sizes[t->sizes_len] = milli;
    return t->sizes_len++;
}

static void make_targets(struct sy_cluster *c)
{
    struct sy_gpu_targets *t = &c->gpus.targets;
    double covered = 0;

    if (t->kinds.len > KINDS_MAX) {
        qsort(t->kinds.p, t->kinds.len, sizeof(*t->kinds.p), by_weight);
        drop_kinds(c, KINDS_MAX / 2);
    } else if (t->kinds.len) {
        qsort(t->kinds.p, t->kinds.len, sizeof(*t->kinds.p), by_weight);
    }
    index_kinds(t);
    t->len = t->sizes_len = 0;
    for (size_t i = 0; i < t->kinds.len && t->len < SY_GPU_TARGETS_MAX; i++) {
        const struct sy_gpu_pod_kind *k = &t->kinds.p[i];
        t->p[t->len++] = (struct sy_gpu_target){
            .spec = k->spec,
            .share = k->weight,
            .cpu_milli = cpu_of(k),
            .gpus = k->spec->spec.gpu.count,
            .size = k->spec->spec.gpu.count ? size_index(t, k->spec->spec.gpu.milli) : 0,
        };
        covered += k->weight;
        if (covered >= COVERED * t->total - 1e-9 * t->total)
            break;
    }
    for (uint32_t i = 0; i < t->len; i++)
        t->p[i].share /= covered;
    t->generation++;
}

static void forget_all(struct sy_cluster *c)
{
    struct sy_gpu_targets *t = &c->gpus.targets;

    drop_kinds(c, 0);
    sy_map_done(&t->kind_by_serial);
    t->total = t->arrivals = t->newest = 0;
    t->next = FIRST_ARRIVALS;
    t->landmark_wall_ns = 0;
    t->len = t->sizes_len = 0;
    t->generation++;
}

void sy_gpu_targets_learn(struct sy_cluster *c, bool on)
{
    struct sy_gpu_targets *t = &c->gpus.targets;

    if (on && t->next == 0)
        t->next = FIRST_ARRIVALS;
    t->is_learning = on;
}

int sy_gpu_targets_set(struct sy_cluster *c, const struct sy_pod_spec *const *specs,
                       const double *weights, uint32_t len)
{
    int r = 0;

    forget_all(c);
    for (uint32_t i = 0; i < len && r == 0; i++)
        r = count(c, specs[i], weights[i] > 0 ? weights[i] : 0);
    c->gpus.targets.is_given = r == 0 && len;
    if (c->gpus.targets.is_given)
        make_targets(c);
    else
        forget_all(c);
    return r;
}

/* What a pod that was created then counts, against others. */
static double weight_at(struct sy_gpu_targets *t, int64_t created_wall_ns)
{
    if (!t->landmark_wall_ns)
        t->landmark_wall_ns = created_wall_ns;
    double later = ((double)created_wall_ns - (double)t->landmark_wall_ns) / HALF_LIFE_NS;
    if (later > LATER_MAX) {
        double scale = exp2(-later);
        for (size_t i = 0; i < t->kinds.len; i++)
            t->kinds.p[i].weight *= scale;
        t->total *= scale;
        t->landmark_wall_ns = created_wall_ns;
        later = t->newest = 0;
        t->next = FIRST_ARRIVALS; /* what the targets were made of is next to nothing now */
    }
    double weight = exp2(later > -LATER_MAX ? later : -LATER_MAX);
    t->newest = weight > t->newest ? weight : t->newest;
    return weight;
}

void sy_gpu_targets_arrive(struct sy_cluster *c, const struct sy_pod_spec *spec,
                           int64_t created_wall_ns)
{
    struct sy_gpu_targets *t = &c->gpus.targets;

    if (!t->is_learning || t->is_given || is_for_named_nodes(spec))
        return;
    double weight = weight_at(t, created_wall_ns);
    if (count(c, spec, weight) < 0 || ++t->arrivals < t->next)
        return;
    make_targets(c);
    t->arrivals = 0;
    t->next = floor(GROWTH * t->total / t->newest) + 1;
}

void sy_gpu_targets_done(struct sy_cluster *c)
{
    struct sy_gpu_targets *t = &c->gpus.targets;

    drop_kinds(c, 0);
    sy_vec_done(&t->kinds);
    sy_map_done(&t->kind_by_serial);
    free(t->usable);
    free(t->price);
}
