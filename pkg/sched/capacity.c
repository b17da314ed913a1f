/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/capacity.h"

#include "sched/inside.h"
#include "sched/shape.h"

#include <stdlib.h>
#include <string.h>

static const int64_t CPU_LEAST_MILLI = 100;
static const int64_t MEMORY_LEAST_BYTES = (int64_t)64 << 20;

const char *sy_stranded_name(enum sy_stranded cause)
{
    static const char *const NAMES[SY_STRANDED_CAUSES] = {
        [SY_STRANDED_NOT_READY] = "NotReady", [SY_STRANDED_CORDONED] = "Cordoned",
        [SY_STRANDED_TAINTED] = "Tainted",    [SY_STRANDED_NO_PODS] = "NoRoomForPods",
        [SY_STRANDED_NO_CPU] = "NoCPU",       [SY_STRANDED_NO_MEMORY] = "NoMemory",
    };

    return cause < SY_STRANDED_CAUSES ? NAMES[cause] : "Unknown";
}

static int64_t free_of(const struct sy_cluster *c, uint32_t column, uint32_t node)
{
    int64_t left = c->columns[column].allocatable[node] - c->columns[column].used[node];

    return left > 0 ? left : 0;
}

static bool is_tainted(const struct sy_node *n)
{
    for (uint32_t i = 0; i < n->taints_len; i++) {
        if (n->taints[i].effect == SY_EFFECT_NO_SCHEDULE ||
            n->taints[i].effect == SY_EFFECT_NO_EXECUTE)
            return true;
    }
    return false;
}

/* SY_STRANDED_CAUSES when what is free of the column can be had. */
static enum sy_stranded cause_of(const struct sy_cluster *c, uint32_t column, uint32_t node)
{
    /* A node that is not ready, or cordoned, is tainted for that as well. */
    if (!(c->node_flags[node] & SY_NODE_READY))
        return SY_STRANDED_NOT_READY;
    if (c->node_flags[node] & SY_NODE_UNSCHEDULABLE)
        return SY_STRANDED_CORDONED;
    if (is_tainted(&c->nodes[node].node))
        return SY_STRANDED_TAINTED;
    if (!free_of(c, SY_COLUMN_PODS, node))
        return SY_STRANDED_NO_PODS;
    if (column != SY_COLUMN_CPU_MILLI && free_of(c, SY_COLUMN_CPU_MILLI, node) < CPU_LEAST_MILLI)
        return SY_STRANDED_NO_CPU;
    if (column != SY_COLUMN_MEMORY_BYTES &&
        free_of(c, SY_COLUMN_MEMORY_BYTES, node) < MEMORY_LEAST_BYTES)
        return SY_STRANDED_NO_MEMORY;
    return SY_STRANDED_CAUSES;
}

static void add_resource(const struct sy_cluster *c, uint32_t column, struct sy_capacity_found *ret)
{
    struct sy_capacity_resource r = {.resource = c->columns[column].resource};

    for (uint32_t node = 0; node < c->nodes_len; node++) {
        if (!sy_cluster_node_is_alive(c, node))
            continue;
        int64_t left = free_of(c, column, node);
        r.total = sy_add_saturate(r.total, c->columns[column].allocatable[node]);
        if (!left)
            continue;
        enum sy_stranded cause = cause_of(c, column, node);
        r.free = sy_add_saturate(r.free, left);
        if (cause != SY_STRANDED_CAUSES) {
            r.stranded[cause] = sy_add_saturate(r.stranded[cause], left);
            r.stranded_nodes[cause]++;
            continue;
        }
        r.usable = sy_add_saturate(r.usable, left);
        if (left > r.largest) {
            r.largest = left;
            r.node = c->nodes[node].node.name;
        }
    }
    if (r.total)
        sy_vec_push(&ret->resources, r);
}

/* -- kinds of pods -- */

struct kind {
    const struct sy_shared_spec *spec;
    uint32_t example, pods, waiting;
};

struct kinds {
    SY_VEC(struct kind) all;
};

static int by_spec(const void *pa, const void *pb)
{
    const struct kind *a = pa, *b = pb;

    if (a->spec != b->spec)
        return (uintptr_t)a->spec < (uintptr_t)b->spec ? -1 : 1;
    return a->example < b->example ? -1 : a->example > b->example;
}

static int by_count(const void *pa, const void *pb)
{
    const struct kind *a = pa, *b = pb;

    if (a->pods != b->pods)
        return a->pods > b->pods ? -1 : 1;
    return a->example < b->example ? -1 : a->example > b->example;
}

static void list_kinds(const struct sy_cluster *c, struct kinds *ret)
{
    size_t len = 0;

    for (uint32_t i = 0; i < c->pods.len; i++) {
        const struct sy_pod_slot *p = &c->pods.p[i];
        if (p->flags & SY_POD_ALIVE)
            sy_vec_push(&ret->all, (struct kind){p->spec, i, 1, p->node == SY_NONE});
    }
    if (!ret->all.len)
        return;
    qsort(ret->all.p, ret->all.len, sizeof(*ret->all.p), by_spec);
    for (size_t i = 0; i < ret->all.len; i++) {
        struct kind k = ret->all.p[i];
        if (len && ret->all.p[len - 1].spec == k.spec) {
            ret->all.p[len - 1].pods++;
            ret->all.p[len - 1].waiting += k.waiting;
        } else {
            ret->all.p[len++] = k;
        }
    }
    ret->all.len = len;
    qsort(ret->all.p, len, sizeof(*ret->all.p), by_count);
}

/* How many more of the spec a node's free resources hold. */
static int64_t room_on(const struct sy_cluster *c, const struct sy_pod_spec *spec, uint32_t node)
{
    struct sy_amounts asked = spec->requests.requests;
    int64_t room = free_of(c, SY_COLUMN_PODS, node);

    for (uint32_t i = 0; i < asked.len; i++) {
        uint32_t column = sy_cluster_column(c, asked.p[i].resource);
        if (asked.p[i].amount <= 0 || column == SY_COLUMN_PODS)
            continue;
        int64_t holds = column == SY_NONE ? 0 : free_of(c, column, node) / asked.p[i].amount;
        room = holds < room ? holds : room;
    }
    return room;
}

static void add_shape(const struct sy_sched_inside *in, const struct kind *k,
                      struct sy_capacity_found *ret)
{
    const struct sy_pod_slot *p = &in->cluster->pods.p[k->example];
    const struct sy_profile *profile = in->profiles;
    struct sy_capacity_shape out = {.example = k->example, .pods = k->pods, .waiting = k->waiting};

    for (uint32_t i = 0; i < in->profiles_len; i++) {
        if (strcmp(in->profiles[i].scheduler_name,
                   sy_strings_getz(in->strings, k->spec->spec.scheduler_name)) == 0)
            profile = &in->profiles[i];
    }
    struct sy_shape *shape = sy_shape_ref(in->shapes, p, profile);
    struct sy_survey found = sy_shape_survey(in->shapes, shape);
    out.nodes = found.nodes_len;
    for (uint32_t i = 0; i < found.nodes_len; i++)
        out.more += (uint64_t)room_on(in->cluster, &k->spec->spec, found.nodes[i]);
    sy_shape_forget(in->shapes, shape);
    ret->shapes[ret->shapes_len++] = out;
}

void sy_sched_capacity(struct sy_sched *s, struct sy_capacity_found *ret)
{
    struct sy_sched_inside in;
    struct kinds kinds = {0};

    *ret = (struct sy_capacity_found){0};
    sy_sched_look_inside(s, &in);
    for (uint32_t column = 0; column < in.cluster->columns_len; column++)
        add_resource(in.cluster, column, ret);
    list_kinds(in.cluster, &kinds);
    uint32_t asking = in.shapes->asking;
    in.shapes->asking = SY_NONE;
    for (size_t i = 0; i < kinds.all.len && i < SY_CAPACITY_SHAPES; i++)
        add_shape(&in, &kinds.all.p[i], ret);
    in.shapes->asking = asking;
    sy_vec_done(&kinds.all);
}

void sy_capacity_done(struct sy_capacity_found *c)
{
    sy_vec_done(&c->resources);
}
