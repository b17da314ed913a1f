/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/reclaim.h"

/* Of system-node-critical and system-cluster-critical: nobody's guarantee comes before them. */
static const int32_t CRITICAL_PRIORITY = 2000000000;

struct search {
    const struct sy_reclaimer *by;
    struct sy_cluster *cluster;
    struct sy_queue_amounts asked;
    struct sy_queue_amounts claimed; /* the same with what room is being made for already */
};

/* A gang keeps its minimum: what is left of it would be of no use. */
static bool breaks_gang(const struct search *s, uint32_t pod)
{
    uint32_t g = sy_gangs_of(s->by->gangs, pod), placed = 0;

    if (g == SY_NONE || s->by->gangs->all.p[g].is_single)
        return false;
    const struct sy_gang *gang = &s->by->gangs->all.p[g];
    for (size_t m = 0; m < gang->members.len; m++) {
        const struct sy_pod_slot *p = &s->cluster->pods.p[gang->members.p[m].pod];
        placed += p->node != SY_NONE && !(p->flags & (SY_POD_TERMINATING | SY_POD_EVICTED));
    }
    return placed <= gang->min_members;
}

static bool is_possible(const void *arg, const struct sy_pod_slot *p)
{
    const struct search *s = arg;
    const struct sy_shares *shares = &s->cluster->shares;
    uint32_t named;

    return p->priority < CRITICAL_PRIORITY && shares->all.p[p->queue].is_reclaimable &&
           s->by->is_ours(s->by->arg, p) &&
           sy_shares_is_entitled(s->cluster, s->cluster->pods.p[s->by->pod].queue, p->queue,
                                 &s->claimed, &named);
}

static bool lacks_gpus(const struct search *s, uint32_t node)
{
    const struct sy_gpu_request *request = &s->by->shape->spec->spec.gpu;
    const struct sy_gpu_node *g = sy_gpus_of(s->cluster, node);

    return g && request->count && sy_gpus_with_room(g, request) < request->count;
}

/* Bits of the resources that the pod asks for and the node has too little of. */
static uint32_t scarce_on(const struct search *s, uint32_t node)
{
    const struct sy_cluster *c = s->cluster;
    uint32_t scarce = 0;

    for (uint32_t r = 0; r < c->shares.resources_len; r++) {
        sy_sid name = c->shares.resources[r].name;
        uint32_t column = sy_cluster_column(c, name);
        bool is_gpu = sy_resource_is_gpu(&c->names, name);
        int64_t asked = is_gpu ? (s->asked.of[r] + SY_GPU_WHOLE_MILLI - 1) / SY_GPU_WHOLE_MILLI
                               : s->asked.of[r];
        if (!asked || column == SY_NONE)
            continue;
        int64_t room = c->columns[column].allocatable[node] - c->columns[column].used[node];
        if (room < asked || (is_gpu && lacks_gpus(s, node)))
            scarce |= UINT32_C(1) << r;
    }
    return scarce;
}

/* It gives back something that is scarce, and of all that is scarce what was borrowed. */
static bool may_go(const struct search *s, uint32_t pod, uint32_t scarce)
{
    const struct sy_cluster *c = s->cluster;
    const struct sy_pod_slot *p = &c->pods.p[pod];
    uint16_t queue = c->pods.p[s->by->pod].queue;
    struct sy_queue_amounts has;
    bool helps = false;
    uint32_t named = 0;

    if (!sy_shares_is_entitled(c, queue, p->queue, &s->claimed, &named) || (scarce & ~named) ||
        breaks_gang(s, pod))
        return false;
    sy_shares_amounts(c, &p->spec->spec, &has);
    for (uint32_t r = 0; r < c->shares.resources_len; r++) {
        if (!(scarce >> r & 1) || !has.of[r])
            continue;
        if (!sy_shares_has_borrowed(c, p->queue, queue, r))
            return false;
        helps = true;
    }
    return helps;
}

/* Pods go one after another, the least important first, as long as their queue has borrowed: any of
 * them may be spared then. */
static size_t narrow(const void *arg, uint32_t node, uint32_t *pods, size_t len)
{
    const struct search *s = arg;
    uint32_t scarce = scarce_on(s, node);
    size_t first = len;

    sy_cluster_trial_begin(s->cluster);
    for (size_t i = len; i-- && scarce;) {
        uint32_t pod = pods[i];
        if (!may_go(s, pod, scarce))
            continue;
        sy_cluster_trial_remove(s->cluster, pod);
        pods[--first] = pod; /* what was there has been looked at */
    }
    for (size_t i = first; i < len; i++)
        sy_cluster_trial_restore(s->cluster, pods[i], node);
    sy_cluster_trial_end(s->cluster);
    for (size_t i = first; i < len; i++)
        pods[i - first] = pods[i];
    return len - first;
}

/* The queue right below the root that one is in. */
static uint16_t top_of(const struct sy_shares *s, uint16_t queue)
{
    while (s->all.p[queue].parent != SY_QUEUE_ROOT)
        queue = s->all.p[queue].parent;
    return queue;
}

/* Pods of the same part of the tree that have a claim on a node use nothing yet, but will. */
static void add_claims(const struct sy_shapes *shapes, struct search *s)
{
    const struct sy_cluster *c = s->cluster;
    uint16_t top = top_of(&c->shares, c->pods.p[s->by->pod].queue);
    struct sy_queue_amounts one;

    for (size_t i = 0; i < shapes->nominees.len; i++) {
        uint32_t pod = shapes->nominees.p[i].pod;
        const struct sy_pod_slot *p = &c->pods.p[pod];
        if (pod == s->by->pod || p->node != SY_NONE || top_of(&c->shares, p->queue) != top)
            continue;
        sy_shares_amounts(c, &p->spec->spec, &one);
        sy_shares_add(&s->claimed, &one);
    }
}

void sy_reclaim_find(struct sy_shapes *shapes, const struct sy_reclaimer *by,
                     struct sy_preemption *ret)
{
    struct search s = {.by = by, .cluster = shapes->cluster};
    struct sy_preemptor preemptor = {
        .pod = by->pod,
        .shape = by->shape,
        .is_ours = is_possible,
        .arg = &s,
        .first_node = by->first_node,
        .any_priority = true,
        .narrow = narrow,
    };

    sy_shares_amounts(s.cluster, &by->shape->spec->spec, &s.asked);
    s.claimed = s.asked;
    add_claims(shapes, &s);
    sy_preempt_find(shapes, &preemptor, ret);
    if (ret->node == SY_NONE || !ret->violations)
        return;
    sy_vec_done(&ret->victims);
    ret->node = SY_NONE;
}
