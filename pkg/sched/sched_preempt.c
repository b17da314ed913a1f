/* SPDX-License-Identifier: Apache-2.0
 *
 * Room that is made for a pod: victims are evicted, the node is nominated. Who they are is for
 * preempt.c. */
#include "sched/sched_int.h"

#include "base/mem.h"
#include "sched/gang_preempt.h"
#include "sched/preempt.h"
#include "sched/reclaim.h"

#include <stdlib.h>

/* Priority counts within a queue. Between queues, what is guaranteed does: see reclaim.h. */
struct preempting {
    const struct sy_sched *s;
    uint16_t queue;
};

static bool is_anyones(const void *arg, const struct sy_pod_slot *p)
{
    const struct preempting *by = arg;

    return p->queue == by->queue;
}

static bool is_ours(const void *arg, const struct sy_pod_slot *p)
{
    const struct preempting *by = arg;

    return is_anyones(arg, p) && sy_sched_profile_of(by->s, p->spec->spec.scheduler_name);
}

static bool is_of_a_profile(const void *arg, const struct sy_pod_slot *p)
{
    return sy_sched_profile_of(arg, p->spec->spec.scheduler_name) != NULL;
}

/* What was borrowed of what is guaranteed to the pod's queue. False: nothing helps; then
 * found->violations tells of budgets that stand in the way. */
static bool find_borrowed(struct sy_sched *s, const struct sy_entry *e, struct sy_preemption *found)
{
    struct sy_preemption borrowed;
    struct sy_reclaimer by = {
        .pod = e->pod,
        .shape = sy_sched_shape_of(s, e),
        .gangs = &s->gangs,
        .is_ours = is_of_a_profile,
        .arg = s,
        .first_node = (uint32_t)sy_hash_u64(e->order),
    };

    if (!s->cluster.shares.is_on)
        return false;
    sy_reclaim_find(&s->shapes, &by, &borrowed);
    if (borrowed.node == SY_NONE) {
        found->violations = borrowed.violations;
        sy_preemption_done(&borrowed);
        return false;
    }
    sy_preemption_done(found);
    *found = borrowed;
    return true;
}

static void evict(struct sy_sched *s, const struct sy_entry *by, uint32_t victim, const char *node)
{
    struct sy_pod_slot *p = &s->cluster.pods.p[victim];
    struct sy_entry about = {.pod = victim};
    bool is_reclaim = p->queue != s->cluster.pods.p[by->pod].queue;
    char *why = sy_xasprintf("%s: %s", sy_sched_shape_of(s, by)->profile->scheduler_name,
                             is_reclaim ? "reclaiming what is guaranteed to another queue"
                                        : "preempting to accommodate a higher priority pod");
    char *note =
        sy_xasprintf("Preempted by pod %s on node %s", s->cluster.pods.p[by->pod].uid, node);

    s->stats.preemption_victims++;
    if (!(p->flags & (SY_POD_TERMINATING | SY_POD_EVICTED))) {
        p->flags |= SY_POD_EVICTED;
        sy_sched_decide_about(s, &about,
                              &(struct sy_decision){.kind = SY_DECIDE_EVICT, .message = why});
        sy_sched_emit_event(s, &about, sy_sched_shape_of(s, by)->profile->scheduler_name, "Normal",
                            "Preempted", "Preempting", note);
    }
    free(why);
    free(note);
}

void sy_sched_evict_failed(struct sy_sched *s, struct sy_str uid, sy_time_ns now SY_UNUSED)
{
    uint32_t pod = sy_cluster_pod_find(&s->cluster, uid);

    if (pod != SY_NONE)
        s->cluster.pods.p[pod].flags &= (uint16_t)~SY_POD_EVICTED;
}

void sy_sched_hold_preemption(struct sy_sched *s, bool held)
{
    bool is_freed = s->is_preemption_held && !held;

    s->is_preemption_held = held;
    while (is_freed && s->waiting_oldest != SY_NO_ENTRY) {
        sy_sched_entry(s, s->waiting_oldest)->swept = false;
        sy_sched_enter_active(s, s->waiting_oldest);
        s->stats.incoming_woken++;
    }
}

bool sy_sched_is_room_being_made(struct sy_sched *s, const struct sy_entry *e)
{
    if (e->nominated == SY_NO_ENTRY || !sy_cluster_node_is_alive(&s->cluster, e->nominated))
        return false;
    uint16_t queue = s->cluster.pods.p[e->pod].queue;
    for (uint32_t i = s->cluster.nodes[e->nominated].first_pod; i != SY_NONE;
         i = s->cluster.pods.p[i].next_on_node) {
        const struct sy_pod_slot *p = &s->cluster.pods.p[i];
        if ((p->priority < e->priority || p->queue != queue) &&
            (p->flags & (SY_POD_TERMINATING | SY_POD_EVICTED)))
            return true;
    }
    return false;
}

/* Whether the search finds something else when it forgets what it knows. */
static bool differs_anew(struct sy_sched *s, struct sy_preemptor by,
                         const struct sy_preemption *found)
{
    struct sy_preemption anew;

    by.may_remember = false;
    sy_preempt_find(&s->shapes, &by, &anew);
    bool differs = !sy_preemption_is_same(&anew, found);
    sy_preemption_done(&anew);
    return differs;
}

char *sy_sched_preempt(struct sy_sched *s, uint32_t i, const char **ret_node)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    struct sy_shape *shape = sy_sched_shape_of(s, e);
    const struct sy_pod_slot *p = &s->cluster.pods.p[e->pod];
    struct sy_preemption found;

    *ret_node = NULL;
    if (s->is_preemption_held)
        return sy_xstrdup("off while disruption budgets cannot be read.");
    if (p->flags & SY_POD_NEVER_PREEMPTS)
        return sy_xstrdup("not eligible due to preemptionPolicy=Never.");
    if (sy_sched_is_room_being_made(s, e))
        return sy_xstrdup("not eligible due to a terminating pod on the nominated node.");
    if (p->nominated_node)
        *ret_node = "";
    sy_sched_end_nomination(s, e);
    if (shape->no_help && shape->no_help_generation == s->cluster.generation &&
        shape->no_help_priority == e->priority)
        return sy_xstrdup(shape->no_help);

    struct sy_preemptor by = {
        .pod = e->pod,
        .shape = shape,
        .is_ours = shape->profile->args.preempts_any_scheduler ? is_anyones : is_ours,
        .arg = &(struct preempting){s, p->queue},
        .first_node = (uint32_t)sy_hash_u64(e->order),
        .may_remember = true,
    };
    sy_preempt_find(&s->shapes, &by, &found);
    if (s->options.exact)
        s->stats.exact_differences += differs_anew(s, by, &found);
    if (found.node == SY_NONE && !find_borrowed(s, e, &found)) {
        free(shape->no_help);
        shape->no_help = sy_xstrdup(found.message);
        /* Budgets change without any node. */
        shape->no_help_generation = found.violations ? 0 : s->cluster.generation;
        shape->no_help_priority = e->priority;
        sy_preemption_done(&found);
        return sy_xstrdup(shape->no_help);
    }
    const char *node = sy_strings_getz(s->strings, s->cluster.nodes[found.node].node.name);
    s->stats.preemption_attempts++;
    sy_histogram_add(&s->stats.victims, (double)found.victims.len);
    for (size_t v = 0; v < found.victims.len; v++)
        evict(s, e, found.victims.p[v], node);
    sy_sched_nominate(s, e, found.node);
    *ret_node = node;
    char *text =
        sy_xasprintf("found a potential placement for pod on node %s, preempting %zu victims", node,
                     found.victims.len);
    sy_preemption_done(&found);
    return text;
}

/* -- for a gang -- */

/* Whether all members may have others evicted; *ret_priority: pods below it may go. */
static bool may_preempt(const struct sy_sched *s, const struct sy_gang_plan *plan,
                        int32_t *ret_priority)
{
    *ret_priority = INT32_MAX;
    for (size_t i = 0; i < plan->candidates.len; i++) {
        const struct sy_gang_candidate *k = &plan->candidates.p[i];
        if (k->shape->profile->args.preemption_is_off ||
            (s->cluster.pods.p[k->pod].flags & SY_POD_NEVER_PREEMPTS))
            return false;
        if (k->priority < *ret_priority)
            *ret_priority = k->priority;
    }
    return !s->is_preemption_held;
}

char *sy_sched_preempt_for_gang(struct sy_sched *s, struct sy_gang *gang,
                                const struct sy_gang_plan *plan)
{
    const struct sy_profile *profile = plan->candidates.p[0].shape->profile;
    struct preempting by = {s, s->cluster.pods.p[plan->candidates.p[0].pod].queue};
    struct sy_gang_preemptor preemptor = {
        .plan = plan,
        .gangs = &s->gangs,
        .is_ours = profile->args.preempts_any_scheduler ? is_anyones : is_ours,
        .arg = &by,
    };
    struct sy_gang_preemption found;

    if (s->options.gangs.never_preempts || !may_preempt(s, plan, &preemptor.priority))
        return NULL;
    sy_gang_preempt_find(&s->shapes, &preemptor, &found);
    if (!found.fits || !found.victims.len) {
        sy_gang_preemption_done(&found);
        return NULL;
    }
    s->stats.preemption_attempts++;
    sy_histogram_add(&s->stats.victims, (double)found.victims.len);
    gang->victims.len = 0;
    for (size_t v = 0; v < found.victims.len; v++) {
        uint32_t victim = found.victims.p[v], node = s->cluster.pods.p[victim].node;
        sy_vec_push(&gang->victims, victim);
        evict(s, sy_sched_entry(s, plan->candidates.p[0].entry), victim,
              sy_strings_getz(s->strings, s->cluster.nodes[node].node.name));
    }
    for (size_t r = 0; r < found.room.len; r++) {
        const struct sy_gang_room *room = &found.room.p[r];
        sy_sched_nominate(s, sy_sched_entry(s, plan->candidates.p[room->candidate].entry),
                          room->node);
    }
    char *text =
        sy_xasprintf("preemption: room for all of it when %zu pods of lower priority have gone",
                     found.victims.len);
    sy_gang_preemption_done(&found);
    return text;
}

void sy_sched_find_victims(struct sy_sched *s, const struct sy_gang_plan *plan,
                           struct sy_gang_preemption *ret)
{
    const struct sy_gang_candidate *first = &plan->candidates.p[0];
    bool any = first->shape->profile->args.preempts_any_scheduler;
    bool is_gang = plan->candidates.len > 1 || plan->topology_key;
    struct preempting by = {s, s->cluster.pods.p[first->pod].queue};
    struct sy_gang_preemptor gang = {
        .plan = plan, .gangs = &s->gangs, .is_ours = any ? is_anyones : is_ours, .arg = &by};
    struct sy_preemptor one = {
        .pod = first->pod, .shape = first->shape, .is_ours = gang.is_ours, .arg = &by};
    struct sy_preemption found;

    *ret = (struct sy_gang_preemption){0};
    if (!may_preempt(s, plan, &gang.priority) || (is_gang && s->options.gangs.never_preempts))
        return;
    if (is_gang) {
        sy_gang_preempt_find(&s->shapes, &gang, ret);
        return;
    }
    sy_preempt_find(&s->shapes, &one, &found);
    ret->fits = found.node != SY_NONE;
    ret->violations = found.violations;
    for (size_t i = 0; i < found.victims.len && ret->fits; i++)
        sy_vec_push(&ret->victims, found.victims.p[i]);
    if (ret->fits)
        sy_vec_push(&ret->room, (struct sy_gang_room){0, found.node});
    sy_preemption_done(&found);
}
