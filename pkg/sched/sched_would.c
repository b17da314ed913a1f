/* SPDX-License-Identifier: Apache-2.0
 *
 * The pods are put into the cluster under names that no API server gives, planned as a gang, and
 * taken out again. The queue never sees them. */
#include "sched/sched_int.h"

#include "base/mem.h"
#include "sched/gang_preempt.h"
#include "sched/would.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- what scorers remember of pods that they placed -- */

struct turns_before {
    struct sy_turns turns[SY_TURNS];
};

static void keep_turns(const struct sy_cluster *c, struct turns_before *ret)
{
    for (int t = 0; t < SY_TURNS; t++) {
        ret->turns[t] = c->turns[t];
        if (!c->turns[t].pass)
            continue;
        ret->turns[t].pass = sy_xcalloc(c->nodes_room, sizeof(double));
        memcpy(ret->turns[t].pass, c->turns[t].pass, c->nodes_room * sizeof(double));
    }
}

/* Nodes whose turn is another again count as changed. */
static void restore_turns(struct sy_cluster *c, struct turns_before *before)
{
    for (int t = 0; t < SY_TURNS; t++) {
        const double *pass = before->turns[t].pass;
        c->turns[t].now = before->turns[t].now;
        for (uint32_t node = 0; c->turns[t].pass && node < c->nodes_len; node++) {
            double was = pass ? pass[node] : 0;
            if (c->turns[t].pass[node] == was)
                continue;
            c->turns[t].pass[node] = was;
            sy_cluster_touch(c, node, false);
        }
        free(before->turns[t].pass);
    }
}

/* -- the pods -- */

static int add_pods(struct sy_sched *s, const struct sy_would_ask *ask, struct sy_gang_plan *plan)
{
    char uid[32];
    int code = 0;

    for (uint32_t i = 0; i < ask->pods_len && code == 0; i++) {
        struct sy_pod pod = ask->pods[i];
        uint32_t slot, change;
        int len = snprintf(uid, sizeof(uid), "what-if/%u", i);
        pod.uid = (struct sy_str){uid, (size_t)len};
        pod.node = pod.nominated_node = 0;
        pod.phase = SY_PHASE_PENDING;
        pod.deleting_wall_ns = pod.started_wall_ns = 0;
        pod.gpu_devices = 0;
        pod.gates_len = 0;
        /* What is asked for here alone is no demand that GPUs should be kept in shape for. */
        sy_cluster_trial_begin(&s->cluster);
        code = sy_cluster_pod_upsert(&s->cluster, &pod, &slot, &change);
        sy_cluster_trial_end(&s->cluster);
        if (code < 0)
            break;
        sy_vec_push(
            &plan->candidates,
            (struct sy_gang_candidate){
                .pod = slot, .entry = i, .priority = pod.priority, .order = i, .node = SY_NONE});
    }
    /* Selectors of the later ones may tell the earlier ones apart. */
    for (size_t i = 0; i < plan->candidates.len && code == 0; i++) {
        struct sy_gang_candidate *k = &plan->candidates.p[i];
        const struct sy_pod_slot *p = &s->cluster.pods.p[k->pod];
        const struct sy_profile *profile = sy_sched_profile_of(s, p->spec->spec.scheduler_name);
        k->shape = sy_shape_ref(&s->shapes, p, profile ? profile : s->profiles);
    }
    return code;
}

static void remove_pods(struct sy_sched *s, struct sy_gang_plan *plan)
{
    for (size_t i = plan->candidates.len; i--;) {
        struct sy_gang_candidate *k = &plan->candidates.p[i];
        sy_cluster_take_back(&s->cluster, k->pod);
        if (k->shape)
            sy_shape_forget(&s->shapes, k->shape);
        sy_cluster_pod_delete(&s->cluster, k->pod);
    }
}

/* -- answers -- */

static void note_places(const struct sy_sched *s, const struct sy_gang_plan *plan,
                        struct sy_would *ret)
{
    for (size_t i = 0; i < plan->candidates.len; i++) {
        const struct sy_gang_candidate *k = &plan->candidates.p[i];
        if (k->node != SY_NONE)
            ret->nodes.p[k->entry] = s->cluster.nodes[k->node].node.name;
    }
}

static void note_victims(struct sy_sched *s, const struct sy_gang_plan *plan, struct sy_would *ret)
{
    struct sy_gang_preemption found;

    sy_sched_find_victims(s, plan, &found);
    ret->fits_by_eviction = found.fits && found.victims.len;
    for (size_t i = 0; i < found.victims.len && ret->fits_by_eviction; i++)
        sy_vec_push(&ret->victims, found.victims.p[i]);
    for (size_t i = 0; i < found.room.len && ret->fits_by_eviction; i++)
        ret->nodes.p[plan->candidates.p[found.room.p[i].candidate].entry] =
            s->cluster.nodes[found.room.p[i].node].node.name;
    ret->violations = ret->fits_by_eviction ? found.violations : 0;
    sy_gang_preemption_done(&found);
}

int sy_sched_would(struct sy_sched *s, const struct sy_would_ask *ask, sy_time_ns now,
                   struct sy_would *ret)
{
    struct sy_would w = {.blocker = SY_NONE, .nodes_alive = s->cluster.nodes_alive};
    struct sy_gang_plan plan = {.needed = ask->needed ? ask->needed : ask->pods_len,
                                .topology_key = ask->topology_key,
                                .topology_is_required = ask->topology_is_required,
                                .exact = s->options.exact};
    struct turns_before turns;
    uint32_t asking = s->shapes.asking;

    if (!ask->pods_len || ask->pods_len > SY_WOULD_PODS_MAX || plan.needed > ask->pods_len)
        return -EINVAL;
    sy_cluster_load_now(&s->cluster, now);
    keep_turns(&s->cluster, &turns);
    int code = add_pods(s, ask, &plan);
    if (code == 0) {
        for (uint32_t i = 0; i < ask->pods_len; i++)
            sy_vec_push(&w.nodes, 0);
        w.profile = plan.candidates.p[0].shape->profile;
        w.no_quota = sy_sched_why_no_quota(s, &plan);
        w.has_why = ask->pods_len == 1;
        if (w.has_why)
            sy_sched_survey(s, plan.candidates.p[0].pod, w.profile, &w.why);
        sy_gang_plan(&s->shapes, &plan);
        s->stats.exact_differences += plan.differences;
        w.fits = plan.fits;
        w.placed = plan.placed;
        w.domain = plan.domain;
        note_places(s, &plan, &w);
        if (!plan.fits && plan.blocker != SY_NONE)
            w.blocker = plan.candidates.p[plan.blocker].entry;
        if (!plan.fits && plan.message)
            w.message = sy_xstrdup(plan.message);
        if (!plan.fits && !plan.is_error)
            note_victims(s, &plan, &w);
    }
    restore_turns(&s->cluster, &turns);
    remove_pods(s, &plan);
    s->shapes.asking = asking;
    sy_gang_plan_done(&plan);
    if (code < 0)
        sy_would_done(&w);
    else
        *ret = w;
    return code;
}

void sy_would_done(struct sy_would *w)
{
    if (w->has_why)
        sy_explanation_done(&w->why);
    sy_vec_done(&w->nodes);
    sy_vec_done(&w->victims);
    free(w->message);
    free(w->no_quota);
}
