/* SPDX-License-Identifier: Apache-2.0
 *
 * What is done about failed nodes: nominations and places on them are given up, room is held for
 * replacements, pods that opted in are evicted. Which nodes have failed is for failure.c. */
#include "sched/sched_int.h"

#include "base/mem.h"
#include "sched/health.h"

#include <stdio.h>
#include <stdlib.h>

static const int64_t RETRY_NS = SY_NS_PER_S;
enum { NODE_TEXT_MAX = 256 };

bool sy_sched_node_lease(struct sy_sched *s, sy_sid name, int64_t wall_ns, int64_t duration_ns,
                         sy_time_ns now)
{
    uint64_t before = s->failures.generation;

    sy_failures_lease(&s->failures, &s->cluster, name, wall_ns, duration_ns, now);
    return s->failures.generation != before;
}

void sy_sched_leases_live(struct sy_sched *s, bool live, sy_time_ns now)
{
    sy_failures_leases_live(&s->failures, live, now);
}

const struct sy_failures *sy_sched_failures(const struct sy_sched *s)
{
    return &s->failures;
}

const struct sy_recovery *sy_sched_recovery(const struct sy_sched *s)
{
    return &s->recovery;
}

static void wake_at(struct sy_sched *s, sy_time_ns at)
{
    s->recovery.next_ns = sy_time_earlier(s->recovery.next_ns, at);
}

static const char *node_name(const struct sy_sched *s, uint32_t node)
{
    return sy_strings_getz(s->strings, s->cluster.nodes[node].node.name);
}

/* Whether the pod is a real one of ours that is bound. */
static bool is_bound_by_us(const struct sy_sched *s, const struct sy_pod_slot *p)
{
    return (p->flags & (SY_POD_ALIVE | SY_POD_ASSUMED | SY_POD_HOLD)) == SY_POD_ALIVE &&
           p->node != SY_NONE && sy_sched_profile_of(s, p->spec->spec.scheduler_name);
}

void sy_sched_failure_pod(struct sy_sched *s, uint32_t slot, const struct sy_pod *pod)
{
    struct sy_pod_slot *p = &s->cluster.pods.p[slot];
    uint32_t g = sy_gangs_of(&s->gangs, slot);

    p->claimant = p->owner;
    if (g != SY_NONE) {
        const struct sy_gang *gang = &s->gangs.all.p[g];
        p->claimant =
            sy_hash_u64(sy_hash_u64((uint64_t)gang->ns << 32 | gang->name) ^ gang->source) | 1;
    }
    sy_recovery_pod(&s->recovery, s->strings, &s->cluster, slot, pod);
    if (p->node == SY_NONE || (p->flags & SY_POD_ASSUMED))
        return;
    const struct sy_node_failure *n = sy_failures_of(&s->failures, &s->cluster, p->node);
    if (n && sy_failure_is_failed(n))
        wake_at(s, n->failed_ns); /* bound there meanwhile, or it says something else now */
}

/* -- places that are given up -- */

static void drop_nominations(struct sy_sched *s, uint32_t node)
{
    SY_VEC(uint32_t) pods = {0};

    for (size_t n = 0; n < s->shapes.nominees.len; n++) {
        const struct sy_nominee *nominee = &s->shapes.nominees.p[n];
        /* Stand-ins have no entry. */
        if (nominee->node == node && s->cluster.pods.p[nominee->pod].user != SY_NONE)
            sy_vec_push(&pods, nominee->pod);
    }
    for (size_t n = 0; n < pods.len; n++) {
        uint32_t i = s->cluster.pods.p[pods.p[n]].user;
        struct sy_entry *e = sy_sched_entry(s, i);
        sy_sched_end_nomination(s, e);
        if (e->state == SY_ENTRY_WAITING || e->state == SY_ENTRY_BACKOFF)
            sy_sched_enter_active(s, i);
    }
    sy_vec_done(&pods);
}

/* Pods that are assumed there and whose bind is not on its way are looked at again at once. A bind
 * that is may land, so it keeps its place until the API server has said what is true. */
static void release_places(struct sy_sched *s, uint32_t node)
{
    SY_VEC(uint32_t) pods = {0};

    for (uint32_t pod = s->cluster.nodes[node].first_pod; pod != SY_NONE;
         pod = s->cluster.pods.p[pod].next_on_node) {
        const struct sy_pod_slot *p = &s->cluster.pods.p[pod];
        if ((p->flags & SY_POD_ASSUMED) && p->user != SY_NONE &&
            sy_sched_entry(s, p->user)->state != SY_ENTRY_BINDING)
            sy_vec_push(&pods, pod);
    }
    for (size_t n = 0; n < pods.len; n++) {
        const struct sy_pod_slot *p = &s->cluster.pods.p[pods.p[n]];
        uint32_t i = p->user;
        sy_sched_leave(s, i);
        sy_sched_drop_claims(s, sy_sched_entry(s, i));
        sy_cluster_forget(&s->cluster, pods.p[n]);
        s->recovery.stats.released++;
        if (!sy_sched_wanted_by(s, p)) {
            sy_sched_drop_entry(s, i);
            continue;
        }
        sy_sched_entry(s, i)->swept = false;
        sy_sched_enter_queue(s, i);
    }
    sy_vec_done(&pods);
}

/* -- room that is held -- */

static void end_hold(struct sy_sched *s, size_t at)
{
    struct sy_hold *h = &s->recovery.holds.p[at];

    sy_shapes_end_nomination(&s->shapes, h->ghost);
    (void)sy_cluster_pod_delete(&s->cluster, h->ghost);
    if (h->node != SY_NONE && sy_cluster_node_is_alive(&s->cluster, h->node))
        sy_cluster_touch(&s->cluster, h->node, true); /* for those that it was kept from */
    sy_vec_swap_remove(&s->recovery.holds, at);
}

void sy_sched_holds_seen(struct sy_sched *s)
{
    for (size_t n = 0; n < s->recovery.holds.len; n++)
        s->cluster.pods.p[s->recovery.holds.p[n].ghost].flags |= SY_POD_SEEN;
}

void sy_sched_drop_holds(struct sy_sched *s)
{
    while (s->recovery.holds.len)
        end_hold(s, s->recovery.holds.len - 1);
}

void sy_sched_take_hold(struct sy_sched *s, struct sy_entry *e, uint32_t node)
{
    const struct sy_pod_slot *p = &s->cluster.pods.p[e->pod];
    size_t found = SIZE_MAX;

    for (size_t n = 0; p->claimant && n < s->recovery.holds.len; n++) {
        const struct sy_hold *h = &s->recovery.holds.p[n];
        if (h->claimant == p->claimant && (found == SIZE_MAX || h->node == node))
            found = n;
    }
    if (found == SIZE_MAX)
        return;
    e->failed_ns = s->recovery.holds.p[found].failed_ns;
    end_hold(s, found);
}

static void find_room(struct sy_sched *s, struct sy_hold *h, sy_time_ns now)
{
    const struct sy_pod_slot *p = &s->cluster.pods.p[h->ghost];
    const struct sy_profile *profile = sy_sched_profile_of(s, p->spec->spec.scheduler_name);

    if (!profile)
        return;
    struct sy_shape *shape = sy_shape_ref(&s->shapes, p, profile);
    s->shapes.asking = h->ghost;
    struct sy_outcome out = sy_shape_best(&s->shapes, shape);
    sy_shape_unref(&s->shapes, shape);
    if (out.node == SY_NONE)
        return;
    h->node = out.node;
    sy_shapes_nominate(&s->shapes, h->ghost, out.node);
    s->recovery.stats.holds_made++;
    sy_histogram_add(&s->recovery.stats.hold_s, (double)(now - h->failed_ns) / 1e9);
}

static bool has_hold(const struct sy_sched *s, uint64_t uid_hash)
{
    for (size_t n = 0; n < s->recovery.holds.len; n++) {
        if (s->recovery.holds.p[n].pod == uid_hash)
            return true;
    }
    return false;
}

/* Makes a stand-in that is like the pod. SY_NONE: there is no memory for it. */
static uint32_t make_ghost(struct sy_sched *s, uint32_t pod)
{
    const struct sy_pod_slot like = s->cluster.pods.p[pod];
    char uid[64];
    uint32_t slot, change;

    snprintf(uid, sizeof(uid), "steelyard.dev/hold/%llu",
             (unsigned long long)s->recovery.next_hold++);
    struct sy_pod ghost = {
        .uid = sy_str_from(uid),
        .ns = like.ns,
        .labels = like.labels->labels,
        .phase = SY_PHASE_PENDING,
        .priority = like.priority,
        .priority_class = like.priority_class,
        .never_preempts = true,
        .gates_len = 1,
        .spec = like.spec->spec,
    };
    if (sy_cluster_pod_upsert(&s->cluster, &ghost, &slot, &change) < 0)
        return SY_NONE;
    s->cluster.pods.p[slot].flags |= SY_POD_HOLD;
    s->cluster.pods.p[slot].owner = like.owner;
    s->cluster.pods.p[slot].claimant = like.claimant;
    return slot;
}

/* node: where the room is, SY_NONE to look for some. */
static void hold_for(struct sy_sched *s, uint32_t pod, uint32_t from, uint32_t node,
                     sy_time_ns failed_ns, sy_time_ns now)
{
    const struct sy_pod_slot *p = &s->cluster.pods.p[pod];
    struct sy_entry about = {.pod = pod};
    char note[2 * NODE_TEXT_MAX + 128];

    /* Devices of resource claims are the claim's, and a new pod has claims of its own. */
    if (!p->claimant || p->spec->spec.claims_len || s->recovery.holds.len >= SY_HOLDS_MAX ||
        has_hold(s, p->uid_hash))
        return;
    struct sy_hold h = {
        .node = node,
        .from = from,
        .pod = p->uid_hash,
        .claimant = p->claimant,
        .failed_ns = failed_ns,
        .until_ns = now + s->failures.options.hold_ns,
    };
    h.ghost = make_ghost(s, pod);
    if (h.ghost == SY_NONE)
        return;
    if (node == SY_NONE)
        find_room(s, &h, now);
    else
        sy_shapes_nominate(&s->shapes, h.ghost, node);
    sy_vec_push(&s->recovery.holds, h);
    wake_at(s, h.node == SY_NONE ? now + RETRY_NS : h.until_ns);
    if (h.node != SY_NONE)
        snprintf(note, sizeof(note), "room on node %.*s is held for the replacement of this pod",
                 NODE_TEXT_MAX, node_name(s, h.node));
    else
        snprintf(note, sizeof(note), "there is no room for a replacement of this pod");
    sy_sched_emit_event(s, &about, NULL, "Normal",
                        h.node != SY_NONE ? "ReplacementHeld" : "ReplacementLacksRoom",
                        "Scheduling", note);
}

static void run_holds(struct sy_sched *s, sy_time_ns now)
{
    for (size_t n = s->recovery.holds.len; n--;) {
        struct sy_hold *h = &s->recovery.holds.p[n];
        bool is_room_lost =
            h->node != SY_NONE && (!sy_cluster_node_is_alive(&s->cluster, h->node) ||
                                   s->cluster.node_health[h->node] != SY_HEALTH_GOOD);
        if (now >= h->until_ns) {
            s->recovery.stats.holds_expired++;
            end_hold(s, n);
            continue;
        }
        if (is_room_lost) {
            sy_shapes_end_nomination(&s->shapes, h->ghost);
            h->node = SY_NONE;
        }
        if (h->node == SY_NONE)
            find_room(s, h, now);
        wake_at(s, h->node == SY_NONE ? sy_time_earlier(h->until_ns, now + RETRY_NS) : h->until_ns);
    }
}

/* -- who goes -- */

static bool has_opted_in(const struct sy_sched *s, const struct sy_pod_slot *p,
                         const struct sy_recovery_terms *t)
{
    if (!(t->flags & SY_RECOVERY_OWNED) || (t->flags & SY_RECOVERY_OFF))
        return false;
    if (t->flags & SY_RECOVERY_ASKS)
        return true;
    for (uint32_t i = 0; i < s->failures.options.scheduler_names_len; i++) {
        if (s->failures.names[i] == p->spec->spec.scheduler_name)
            return true;
    }
    return false;
}

static bool is_in_gang(const struct sy_sched *s, uint32_t pod)
{
    uint32_t g = sy_gangs_of(&s->gangs, pod);

    return g != SY_NONE && (s->gangs.all.p[g].members.len > 1 || s->gangs.all.p[g].min_members > 1);
}

/* For pods that a controller replaces: gangs, which are broken, and what is to be evicted. */
static void hold_replacements(struct sy_sched *s, uint32_t node, const struct sy_node_failure *n,
                              sy_time_ns now)
{
    SY_VEC(uint32_t) pods = {0};

    for (uint32_t pod = s->cluster.nodes[node].first_pod; pod != SY_NONE;
         pod = s->cluster.pods.p[pod].next_on_node) {
        const struct sy_pod_slot *p = &s->cluster.pods.p[pod];
        const struct sy_recovery_terms *t = sy_recovery_of(&s->recovery, &s->cluster, pod);
        if (t && is_bound_by_us(s, p) && !(p->flags & SY_POD_TERMINATING) &&
            (t->flags & SY_RECOVERY_OWNED) && !(t->flags & SY_RECOVERY_OFF) &&
            (is_in_gang(s, pod) || has_opted_in(s, p, t)))
            sy_vec_push(&pods, pod);
    }
    for (size_t i = 0; i < pods.len; i++)
        hold_for(s, pods.p[i], node, SY_NONE, n->failed_ns, now);
    if (pods.len)
        sy_failures_advance(&s->failures, node, SY_FAILURE_HOLDING, now);
    sy_vec_done(&pods);
}

static void remove_pod(struct sy_sched *s, uint32_t pod, enum sy_removal removal, const char *node,
                       const char *why)
{
    struct sy_pod_slot *p = &s->cluster.pods.p[pod];
    struct sy_recovery_terms *t = sy_recovery_of(&s->recovery, &s->cluster, pod);
    struct sy_entry about = {.pod = pod};
    char text[NODE_TEXT_MAX + 128];
    bool is_forced = removal == SY_REMOVE_BY_FORCE;

    snprintf(text, sizeof(text), "node %.*s %s", NODE_TEXT_MAX, node, why);
    p->flags |= SY_POD_EVICTED;
    if (is_forced)
        t->flags |= SY_RECOVERY_FORCED;
    s->recovery.stats.evicted += !is_forced;
    s->recovery.stats.forced += is_forced;
    for (size_t n = 0; n < s->recovery.holds.len; n++) {
        struct sy_hold *h = &s->recovery.holds.p[n];
        if (h->pod == p->uid_hash)
            h->is_leaving = true;
    }
    sy_sched_decide_about(
        s, &about,
        &(struct sy_decision){.kind = SY_DECIDE_EVICT, .removal = removal, .message = text});
    sy_sched_emit_event(s, &about, NULL, "Warning",
                        is_forced ? "ForcedRecovery" : "RecoveryEviction", "Evicting", text);
}

static bool may_remove(struct sy_sched *s, sy_time_ns now)
{
    sy_time_ns next = INT64_MAX;
    bool may = sy_recovery_take_token(&s->recovery, s->failures.options.evictions_per_s,
                                      s->failures.options.evictions_burst, now, &next);

    if (!may)
        wake_at(s, next);
    return may;
}

/* Others of a gang that is to start anew as a whole: those that are bound now, and no later ones.
 */
static void restart_gang(struct sy_sched *s, uint32_t trigger, const struct sy_node_failure *n,
                         sy_time_ns now)
{
    uint32_t g = sy_gangs_of(&s->gangs, trigger);

    if (g == SY_NONE)
        return;
    const struct sy_gang *gang = &s->gangs.all.p[g];
    s->recovery.stats.gangs_restarted++;
    for (size_t m = 0; m < gang->members.len; m++) {
        uint32_t pod = gang->members.p[m].pod;
        const struct sy_pod_slot *p = &s->cluster.pods.p[pod];
        struct sy_recovery_terms *t = sy_recovery_of(&s->recovery, &s->cluster, pod);
        if (!t || !is_bound_by_us(s, p) || !(t->flags & SY_RECOVERY_OWNED) ||
            (t->flags & SY_RECOVERY_STARTED_GANG))
            continue;
        t->flags |= SY_RECOVERY_STARTED_GANG;
        if (pod == trigger || p->node == s->cluster.pods.p[trigger].node)
            continue;
        sy_vec_push(&s->recovery.restarts, (struct sy_restart){pod, p->uid_hash});
        hold_for(s, pod, s->cluster.pods.p[trigger].node, p->node, n->failed_ns, now);
    }
}

static void run_restarts(struct sy_sched *s, sy_time_ns now)
{
    for (size_t n = s->recovery.restarts.len; n--;) {
        const struct sy_restart r = s->recovery.restarts.p[n];
        const struct sy_pod_slot *p = &s->cluster.pods.p[r.pod];
        struct sy_recovery_terms *t = sy_recovery_of(&s->recovery, &s->cluster, r.pod);
        if (!t || p->uid_hash != r.uid_hash || !is_bound_by_us(s, p) ||
            (p->flags & SY_POD_TERMINATING)) {
            sy_vec_swap_remove(&s->recovery.restarts, n);
            continue;
        }
        if (p->flags & SY_POD_EVICTED)
            continue;
        if (t->retry_ns > now) {
            wake_at(s, t->retry_ns);
            continue;
        }
        if (sy_failures_suspended(&s->failures, now)) {
            wake_at(s, now + RETRY_NS);
            continue;
        }
        if (!may_remove(s, now))
            return;
        remove_pod(s, r.pod, SY_REMOVE_BY_EVICTION, node_name(s, p->node),
                   "is well, but the pod's gang starts anew because another has failed");
    }
}

static bool may_force(const struct sy_sched *s, const struct sy_node_failure *n,
                      const struct sy_recovery_terms *t)
{
    return (n->causes & 1U << SY_CAUSE_GONE) || n->is_out ||
           (s->failures.options.force_allowed && (t->flags & SY_RECOVERY_MAY_FORCE));
}

static void tell_suspended(struct sy_sched *s, uint32_t pod, struct sy_recovery_terms *t,
                           const char *why)
{
    struct sy_entry about = {.pod = pod};
    char text[256];

    if (t->flags & SY_RECOVERY_TOLD)
        return;
    t->flags |= SY_RECOVERY_TOLD;
    snprintf(text, sizeof(text), "the pod is not evicted from its failed node: %s", why);
    sy_sched_emit_event(s, &about, NULL, "Warning", "RecoverySuspended", "Evicting", text);
}

/* False: no more may be evicted now. */
static bool recover_pod(struct sy_sched *s, uint32_t pod, uint32_t node, sy_time_ns now)
{
    const struct sy_node_failure *n = sy_failures_of(&s->failures, &s->cluster, node);
    const struct sy_pod_slot *p = &s->cluster.pods.p[pod];
    struct sy_recovery_terms *t = sy_recovery_of(&s->recovery, &s->cluster, pod);

    if (!t || !is_bound_by_us(s, p) || !has_opted_in(s, p, t) || (t->flags & SY_RECOVERY_FORCED))
        return true;
    bool by_force = may_force(s, n, t);
    if ((p->flags & (SY_POD_TERMINATING | SY_POD_EVICTED)) && !by_force)
        return true;
    sy_time_ns due = sy_add_saturate(n->failed_ns,
                                     t->grace_ns >= 0 ? t->grace_ns : s->failures.options.grace_ns);
    due = due > t->retry_ns ? due : t->retry_ns;
    if (due > now) {
        wake_at(s, due);
        return true;
    }
    const char *why = sy_failures_suspended(&s->failures, now);
    if (why) {
        if (s->failures.is_open)
            tell_suspended(s, pod, t, why);
        wake_at(s, now + RETRY_NS);
        return true;
    }
    if (!may_remove(s, now))
        return false;
    if ((t->flags & SY_RECOVERY_GANG) && !(t->flags & SY_RECOVERY_STARTED_GANG))
        restart_gang(s, pod, n, now);
    remove_pod(s, pod, by_force ? SY_REMOVE_BY_FORCE : SY_REMOVE_BY_EVICTION, node_name(s, node),
               n->causes & 1U << SY_CAUSE_GONE ? "was deleted" : "is not ready");
    sy_failures_advance(&s->failures, node, by_force ? SY_FAILURE_FORCED : SY_FAILURE_EVICTING,
                        now);
    return true;
}

static void recover_node(struct sy_sched *s, uint32_t node, sy_time_ns now)
{
    SY_VEC(uint32_t) pods = {0};

    for (uint32_t pod = s->cluster.nodes[node].first_pod; pod != SY_NONE;
         pod = s->cluster.pods.p[pod].next_on_node)
        sy_vec_push(&pods, pod);
    for (size_t i = 0; i < pods.len && recover_pod(s, pods.p[i], node, now); i++)
        ;
    sy_vec_done(&pods);
}

/* -- what came of it -- */

void sy_sched_evict_later(struct sy_sched *s, struct sy_str uid, int64_t after_ns, sy_time_ns now)
{
    uint32_t pod = sy_cluster_pod_find(&s->cluster, uid);

    sy_sched_evict_failed(s, uid, now);
    if (pod == SY_NONE)
        return;
    struct sy_recovery_terms *t = sy_recovery_of(&s->recovery, &s->cluster, pod);
    if (!t)
        return;
    t->flags &= (uint8_t)~SY_RECOVERY_FORCED;
    t->retry_ns = sy_add_saturate(now, after_ns > RETRY_NS ? after_ns : RETRY_NS);
    s->recovery.stats.refused++;
    wake_at(s, t->retry_ns);
}

void sy_sched_failure_bound(struct sy_sched *s, const struct sy_entry *e, sy_time_ns now)
{
    if (e->failed_ns)
        sy_histogram_add(&s->recovery.stats.bound_s, (double)(now - e->failed_ns) / 1e9);
}

/* -- nodes -- */

void sy_sched_failure_node_gone(struct sy_sched *s, sy_sid name, sy_time_ns now)
{
    uint32_t node = sy_cluster_node_find(&s->cluster, name);

    bool was_cordoned =
        node != SY_NONE && (s->cluster.node_flags[node] & SY_NODE_UNSCHEDULABLE) != 0;
    if (sy_cluster_node_delete(&s->cluster, name) == SY_NONE)
        return;
    drop_nominations(s, node);
    if (s->cluster.nodes[node].pods_len)
        sy_failures_gone(&s->failures, &s->cluster, node, was_cordoned, now);
}

static void tend_node(struct sy_sched *s, uint32_t node, sy_time_ns now)
{
    const struct sy_node_failure *n = sy_failures_of(&s->failures, &s->cluster, node);

    if (!n)
        return;
    bool is_failed = sy_failure_is_failed(n);
    if (is_failed || n->state == SY_FAILURE_SUSPECT ||
        (s->cluster.node_flags[node] & SY_NODE_UNSCHEDULABLE))
        drop_nominations(s, node);
    if (is_failed) {
        release_places(s, node);
        hold_replacements(s, node, n, now);
        wake_at(s, now);
        return;
    }
    for (size_t h = s->recovery.holds.len; h--;) {
        if (s->recovery.holds.p[h].from == node && !s->recovery.holds.p[h].is_leaving)
            end_hold(s, h);
    }
}

sy_time_ns sy_sched_tend_failures(struct sy_sched *s, bool active, sy_time_ns now)
{
    if (!s->failures.is_on)
        return INT64_MAX;
    sy_failures_view(&s->failures, active, now);
    sy_failures_run(&s->failures, &s->cluster, now);
    if (!active)
        return s->failures.next_ns;
    for (uint32_t node; (node = sy_failures_next_dirty(&s->failures)) != SY_NONE;)
        tend_node(s, node, now);
    if (now >= s->recovery.next_ns) {
        s->recovery.next_ns = INT64_MAX;
        run_holds(s, now);
        for (uint32_t node = 0; node < s->failures.nodes.len; node++) {
            const struct sy_node_failure *n = sy_failures_of(&s->failures, &s->cluster, node);
            if (n && sy_failure_is_failed(n) && s->cluster.nodes[node].pods_len)
                recover_node(s, node, now);
        }
        run_restarts(s, now);
    }
    return sy_time_earlier(s->failures.next_ns, s->recovery.next_ns);
}
