/* SPDX-License-Identifier: Apache-2.0
 *
 * First claims: when a gang that runs loses a member and so falls below its minimum, the place is
 * kept for it for a while, by a stand-in for the pod that went, which is nominated there: a pod
 * that nobody schedules and the API server does not know. */
#include "sched/sched_int.h"

#include "base/mem.h"

#include <stdlib.h>

static bool is_of(const struct sy_first_claim *k, const struct sy_gang *gang)
{
    return k->ns == gang->ns && k->name == gang->name && k->source == gang->source;
}

static void end_at(struct sy_sched *s, size_t at)
{
    struct sy_first_claim k = s->first_claims.p[at];

    sy_vec_swap_remove(&s->first_claims, at);
    sy_shapes_end_nomination(&s->shapes, k.stand_in);
    sy_cluster_pod_delete(&s->cluster, k.stand_in);
    if (sy_cluster_node_is_alive(&s->cluster, k.node))
        sy_cluster_touch(&s->cluster, k.node, true); /* who waits may look at the place */
}

static void end_of_gang(struct sy_sched *s, const struct sy_gang *gang)
{
    for (size_t i = s->first_claims.len; i--;) {
        if (is_of(&s->first_claims.p[i], gang))
            end_at(s, i);
    }
}

static uint32_t make_stand_in(struct sy_sched *s, uint32_t slot)
{
    const struct sy_pod_slot *p = &s->cluster.pods.p[slot];
    char *uid SY_CLEANUP(sy_freep) = sy_xasprintf("first claim of %s", p->uid);
    struct sy_pod pod = {
        .uid = sy_str_from(uid),
        .name = sy_str_from(p->name),
        .ns = p->ns,
        .labels = p->labels->labels,
        .priority = p->priority,
        .phase = SY_PHASE_PENDING,
        .spec = p->spec->spec,
    };
    uint32_t ret, change;

    pod.spec.scheduler_name = 0;
    return sy_cluster_pod_upsert(&s->cluster, &pod, &ret, &change) < 0 ? SY_NONE : ret;
}

void sy_sched_member_leaves(struct sy_sched *s, uint32_t slot, sy_time_ns now)
{
    const struct sy_pod_slot *p = &s->cluster.pods.p[slot];
    uint32_t g = sy_gangs_of(&s->gangs, slot), node = p->node;
    bool is_bound = node != SY_NONE && !(p->flags & SY_POD_ASSUMED);
    struct sy_gang_count n;

    if (g == SY_NONE || !is_bound || !s->options.gangs.first_claim_ns)
        return;
    struct sy_gang *gang = &s->gangs.all.p[g];
    sy_gang_count(&s->gangs, gang, &s->cluster, &s->entries, &n);
    uint32_t left = n.placed - !(p->flags & SY_POD_TERMINATING);
    if (!left) {
        end_of_gang(s, gang); /* nobody is to come back */
        return;
    }
    if (gang->is_single || left >= gang->min_members || (p->flags & SY_POD_EVICTED) ||
        !sy_cluster_node_is_alive(&s->cluster, node) ||
        !sy_sched_profile_of(s, p->spec->spec.scheduler_name))
        return;
    uint32_t stand_in = make_stand_in(s, slot);
    if (stand_in == SY_NONE)
        return;
    s->stats.first_claims++;
    sy_shapes_nominate(&s->shapes, stand_in, node);
    sy_vec_push(&s->first_claims, (struct sy_first_claim){
                                      .stand_in = stand_in,
                                      .node = node,
                                      .ns = gang->ns,
                                      .name = gang->name,
                                      .source = gang->source,
                                      .until_ns = now + s->options.gangs.first_claim_ns,
                                  });
}

void sy_sched_end_first_claims(struct sy_sched *s, sy_time_ns now)
{
    for (size_t i = s->first_claims.len; i--;) {
        if (s->first_claims.p[i].until_ns <= now)
            end_at(s, i);
    }
}

sy_time_ns sy_sched_next_first_claim(const struct sy_sched *s)
{
    sy_time_ns next = INT64_MAX;

    for (size_t i = 0; i < s->first_claims.len; i++)
        next = sy_time_earlier(next, s->first_claims.p[i].until_ns);
    return next;
}

void sy_sched_keep_stand_ins(struct sy_sched *s)
{
    for (size_t i = 0; i < s->first_claims.len; i++)
        s->cluster.pods.p[s->first_claims.p[i].stand_in].flags |= SY_POD_SEEN;
}

void sy_sched_lift_first_claims(struct sy_sched *s, const struct sy_gang *gang)
{
    for (size_t i = 0; i < s->first_claims.len; i++) {
        if (is_of(&s->first_claims.p[i], gang))
            sy_shapes_end_nomination(&s->shapes, s->first_claims.p[i].stand_in);
    }
}

void sy_sched_restore_first_claims(struct sy_sched *s, const struct sy_gang *gang)
{
    for (size_t i = s->first_claims.len; i--;) {
        const struct sy_first_claim *k = &s->first_claims.p[i];
        if (!is_of(k, gang))
            continue;
        if (k->is_used)
            end_at(s, i);
        else
            sy_shapes_nominate(&s->shapes, k->stand_in, k->node);
    }
}

void sy_sched_unuse_first_claims(struct sy_sched *s, const struct sy_gang *gang)
{
    for (size_t i = 0; i < s->first_claims.len; i++)
        s->first_claims.p[i].is_used &= !is_of(&s->first_claims.p[i], gang);
}

uint32_t sy_sched_use_first_claim(struct sy_sched *s, uint32_t pod, struct sy_shape *shape)
{
    uint32_t g = s->first_claims.len ? sy_gangs_of(&s->gangs, pod) : SY_NONE;

    for (size_t i = 0; g != SY_NONE && i < s->first_claims.len; i++) {
        struct sy_first_claim *k = &s->first_claims.p[i];
        if (k->is_used || !is_of(k, &s->gangs.all.p[g]) ||
            !sy_cluster_node_is_alive(&s->cluster, k->node) ||
            !sy_shape_fits(&s->shapes, shape, k->node, NULL))
            continue;
        k->is_used = true;
        return k->node;
    }
    return SY_NONE;
}

void sy_sched_first_claims_mark(const struct sy_sched *s)
{
    for (size_t i = 0; i < s->first_claims.len; i++) {
        sy_strings_mark(s->strings, s->first_claims.p[i].ns);
        sy_strings_mark(s->strings, s->first_claims.p[i].name);
    }
}

uint32_t sy_sched_first_claims_len(const struct sy_sched *s)
{
    return (uint32_t)s->first_claims.len;
}
