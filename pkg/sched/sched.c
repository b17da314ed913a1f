/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sched.h"

#include "base/mem.h"
#include "sched/balance.h"
#include "sched/sched_int.h"
#include "sched/volumes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_BINDS_IN_FLIGHT = 128 };
static const size_t SHAPE_CACHE_MAX_BYTES = (size_t)32 << 20;
static const int64_t DECAY_EVERY_NS = 60 * SY_NS_PER_S;
static const int64_t FADE_EVERY_NS = 5 * SY_NS_PER_S;
/* Looking at each waiting shape costs little, but with many shapes and a busy cluster it adds up:
 * beyond this many it is done at most once in the interval. */
enum { WAKE_AT_ONCE_SHAPES = 64 };
static const int64_t WAKE_INTERVAL_NS = 10 * SY_NS_PER_MS;

/* -- life of the object -- */

static void free_profiles(struct sy_profile *profiles, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        free((void *)(uintptr_t)profiles[i].scheduler_name);
    free(profiles);
}

/* Figures go on under a name that stays. */
static struct sy_profile_stats *make_profile_stats(const struct sy_profile *profiles, uint32_t len,
                                                   const struct sy_profile_stats *old,
                                                   uint32_t old_len)
{
    struct sy_profile_stats *stats = sy_xcalloc(len, sizeof(*stats));

    for (uint32_t i = 0; i < len; i++) {
        /* Bounds as kube-scheduler's pkg/scheduler/metrics has them. */
        sy_histogram_init(&stats[i].attempt_s, 0.001, 2, 15);
        sy_histogram_init(&stats[i].attempt_unschedulable_s, 0.001, 2, 15);
        struct sy_histogram *points[] = {&stats[i].filter_s, &stats[i].filter_unschedulable_s,
                                         &stats[i].post_filter_s, &stats[i].bind_s};
        for (size_t p = 0; p < SY_ARRAY_LEN(points); p++)
            sy_histogram_init(points[p], 0.0001, 2, 12);
        for (uint32_t n = 0; n < old_len; n++) {
            if (strcmp(old[n].scheduler_name, profiles[i].scheduler_name) == 0)
                stats[i] = old[n];
        }
        stats[i].scheduler_name = profiles[i].scheduler_name;
    }
    return stats;
}

static void take_options(struct sy_sched *s, const struct sy_sched_options *options)
{
    uint32_t old_len = s->profile_stats ? s->options.profiles_len : 0;

    s->options = *options;
    if (!s->options.backoff_initial_ns)
        s->options.backoff_initial_ns = SY_NS_PER_S;
    if (!s->options.backoff_max_ns)
        s->options.backoff_max_ns = 10 * SY_NS_PER_S;
    if (!s->options.sweep_ns)
        s->options.sweep_ns = 30 * SY_NS_PER_S;
    if (!s->options.binds_in_flight_max)
        s->options.binds_in_flight_max = DEFAULT_BINDS_IN_FLIGHT;
    s->profiles = sy_xcalloc(options->profiles_len, sizeof(*s->profiles));
    s->profile_names =
        sy_xreallocarray(s->profile_names, options->profiles_len, sizeof(*s->profile_names));
    bool learns_gpus = false;
    for (uint32_t i = 0; i < options->profiles_len; i++) {
        learns_gpus |= sy_profile_learns_gpus(&options->profiles[i]);
        s->profiles[i] = options->profiles[i];
        if (options->failures)
            sy_profile_watch_health(&s->profiles[i]);
        s->profiles[i].scheduler_name = sy_xstrdup(options->profiles[i].scheduler_name);
        s->profile_names[i] = sy_strings_addz(s->strings, s->profiles[i].scheduler_name);
    }
    sy_gpu_targets_learn(&s->cluster, learns_gpus);
    static const struct sy_pools_options ONE_POOL = {0};
    sy_pools_configure(&s->cluster, options->pools ? options->pools : &ONE_POOL);
    sy_sched_open_queues(s, options->queues);
    s->options.pools = NULL; /* borrowed for this call */
    s->options.gpu_resources = NULL;
    s->options.queues = NULL;
    s->options.failures = NULL;
    s->entries.ageing.points_per_ns =
        options->ageing.points_per_minute / (60 * (double)SY_NS_PER_S);
    s->entries.ageing.most = options->ageing.most;
    s->learner.start_half_life_ns = options->start_half_life_ns;
    s->learner.failure_half_life_ns = options->failure_half_life_ns;
    s->options.profiles = s->profiles;
    sy_records_init(&s->records, options->records_max); /* their columns are the old profiles' */
    struct sy_profile_stats *old = s->profile_stats;
    s->profile_stats = make_profile_stats(s->profiles, options->profiles_len, old, old_len);
    free(old);
}

struct sy_profile_stats *sy_sched_stats_of(struct sy_sched *s, const struct sy_entry *e)
{
    return &s->profile_stats[sy_sched_shape_of(s, e)->profile - s->profiles];
}

struct sy_sched *sy_sched_new(struct sy_strings *strings, const struct sy_sched_options *options,
                              sy_decision_fn *fn, void *arg)
{
    struct sy_sched *s = sy_xcalloc(1, sizeof(*s));

    s->strings = strings;
    sy_cluster_init(&s->cluster, strings);
    sy_resource_names_add_gpus(&s->cluster.names, strings, options->gpu_resources,
                               options->gpu_resources_len);
    sy_shapes_init(&s->shapes, &s->cluster, SHAPE_CACHE_MAX_BYTES);
    sy_gangs_init(&s->gangs, strings);
    sy_failures_init(&s->failures);
    sy_recovery_init(&s->recovery, strings);
    take_options(s, options);
    sy_failures_configure(&s->failures, &s->cluster, options->failures, 0);
    s->backoff.by_time = true;
    s->waiting_oldest = s->waiting_newest = SY_NO_ENTRY;
    s->next_volume_ns = INT64_MAX;
    s->next_serial = 1;
    s->decide = fn;
    s->decide_arg = arg;
    /* Bounds as kube-scheduler's pkg/scheduler/metrics has them. */
    sy_histogram_init(&s->stats.algorithm_s, 0.001, 2, 15);
    for (size_t i = 0; i < SY_ARRAY_LEN(s->stats.sli_s); i++)
        sy_histogram_init(&s->stats.sli_s[i], 0.01, 2, 20);
    sy_histogram_init(&s->stats.attempts, 1, 2, 5);
    sy_histogram_init(&s->stats.victims, 1, 2, 7);
    sy_histogram_init(&s->stats.gang_wait_s, 0.01, 2, 20);
    return s;
}

void sy_sched_free(struct sy_sched *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->reserved.len; i++)
        sy_volume_work_free(&s->cluster, sy_sched_entry(s, s->reserved.p[i])->volumes);
    sy_vec_done(&s->reserved);
    sy_claim_works_done(&s->claims, &s->cluster);
    sy_gangs_done(&s->gangs);
    sy_vec_done(&s->first_claims);
    sy_failures_done(&s->failures);
    sy_recovery_done(&s->recovery);
    sy_records_done(&s->records);
    sy_shapes_done(&s->shapes);
    sy_cluster_done(&s->cluster);
    sy_learner_done(&s->learner);
    free_profiles(s->profiles, s->options.profiles_len);
    free(s->profile_names);
    free(s->profile_stats);
    sy_vec_done(&s->entries.all);
    sy_vec_done(&s->entries.free);
    sy_sched_close_queues(s);
    sy_heap_done(&s->active);
    sy_heap_done(&s->backoff);
    free(s);
}

struct sy_cluster *sy_sched_cluster(struct sy_sched *s)
{
    return &s->cluster;
}

uint32_t sy_sched_binds_in_flight(const struct sy_sched *s)
{
    return s->in_flight;
}

/* -- pods -- */

const struct sy_profile *sy_sched_profile_of(const struct sy_sched *s, sy_sid scheduler_name)
{
    for (uint32_t i = 0; i < s->options.profiles_len; i++) {
        if (s->profile_names[i] == scheduler_name)
            return &s->profiles[i];
    }
    return NULL;
}

static void enqueue(struct sy_sched *s, uint32_t slot, const struct sy_profile *profile,
                    sy_time_ns now)
{
    struct sy_pod_slot *p = &s->cluster.pods.p[slot];
    uint32_t i = sy_entry_new(&s->entries);
    struct sy_entry *e = sy_sched_entry(s, i);

    e->pod = slot;
    e->shape = sy_shape_ref(&s->shapes, p, profile)->id;
    e->priority = p->priority;
    e->queued_ns = now;
    p->user = i;
    if (p->flags & SY_POD_GATED) {
        sy_sched_enter_gated(s, i);
        return;
    }
    sy_sched_enter_queue(s, i);
    s->stats.incoming_added++;
}

const struct sy_profile *sy_sched_wanted_by(const struct sy_sched *s, const struct sy_pod_slot *p)
{
    if (p->node != SY_NONE || (p->flags & (SY_POD_TERMINATING | SY_POD_HOLD)))
        return NULL;
    return sy_sched_profile_of(s, p->spec->spec.scheduler_name);
}

static void pod_changed_in_queue(struct sy_sched *s, uint32_t slot, uint32_t change, sy_time_ns now)
{
    struct sy_pod_slot *p = &s->cluster.pods.p[slot];
    uint32_t i = p->user;
    struct sy_entry *e = sy_sched_entry(s, i);

    if (e->state == SY_ENTRY_BINDING)
        return; /* the result of the bind decides */
    if (e->state == SY_ENTRY_RESERVED && (p->flags & SY_POD_ASSUMED))
        return;                      /* what becomes of its claims decides */
    if (p->flags & SY_POD_ASSUMED) { /* its place is kept while its bind is tried again */
        if (!(p->flags & SY_POD_TERMINATING) && !(change & (SY_POD_SPEC | SY_POD_GATES)))
            return;
        sy_cluster_forget(&s->cluster, slot);
    }
    const struct sy_profile *profile = sy_sched_wanted_by(s, p);
    if (!profile) {
        sy_sched_drop_entry(s, i);
        return;
    }
    if (!(change & (SY_POD_SPEC | SY_POD_GATES)))
        return;
    sy_sched_leave(s, i);
    struct sy_shape *old = sy_sched_shape_of(s, e);
    e->shape = sy_shape_ref(&s->shapes, p, profile)->id;
    sy_shape_unref(&s->shapes, old);
    e->priority = p->priority;
    if (p->flags & SY_POD_GATED) {
        sy_sched_enter_gated(s, i);
        return;
    }
    e->swept = false;
    if (change & SY_POD_GATES)
        e->queued_ns = now; /* the time behind a gate is not ours */
    sy_sched_enter_queue(s, i);
}

int sy_sched_pod(struct sy_sched *s, const struct sy_pod *pod, sy_time_ns now)
{
    uint32_t slot, change;

    if (sy_pod_is_terminal(pod)) {
        sy_sched_pod_deleted(s, pod->uid, now);
        return 0;
    }
    sy_cluster_load_now(&s->cluster, now);
    int r = sy_cluster_pod_upsert(&s->cluster, pod, &slot, &change);
    if (r < 0) {
        s->stats.pods_refused++;
        return r;
    }
    struct sy_pod_slot *p = &s->cluster.pods.p[slot];
    if ((change & SY_POD_STARTED) && p->bound_ns) {
        if (p->node != SY_NONE)
            sy_learn_start(&s->learner, &s->cluster, p->node, (double)(now - p->bound_ns) / 1e9,
                           now);
        p->bound_ns = 0;
    }
    sy_gangs_pod(&s->gangs, slot, pod, change != 0);
    sy_sched_failure_pod(s, slot, pod);
    if (p->user != SY_NONE) {
        pod_changed_in_queue(s, slot, change, now);
        if (p->user != SY_NONE && sy_sched_entry(s, p->user)->state == SY_ENTRY_GANG &&
            sy_gangs_of(&s->gangs, slot) == SY_NONE)
            sy_sched_enter_active(s, p->user); /* it has left its gang */
        return 0;
    }
    const struct sy_profile *profile = sy_sched_wanted_by(s, p);
    if (!profile || (p->flags & SY_POD_ASSUMED))
        return 0;
    enqueue(s, slot, profile, now);
    if (pod->scheduled == SY_CONDITION_FALSE)
        sy_sched_entry(s, p->user)->said_hash = sy_sched_hash_said(
            sy_strings_getz(s->strings, pod->scheduled_reason), pod->scheduled_message);
    return 0;
}

static void forget_pod(struct sy_sched *s, uint32_t slot, sy_time_ns now)
{
    uint32_t i = s->cluster.pods.p[slot].user;

    sy_sched_member_leaves(s, slot, now);
    if (i != SY_NONE) {
        struct sy_entry *e = sy_sched_entry(s, i);
        if (e->state == SY_ENTRY_BINDING) {
            sy_shape_unref(&s->shapes, sy_sched_shape_of(s, e));
            e->pod = SY_NO_ENTRY; /* waits for the bind's result only */
        } else {
            sy_sched_drop_entry(s, i);
        }
    }
    sy_gangs_pod_gone(&s->gangs, slot);
    sy_cluster_pod_delete(&s->cluster, slot);
}

void sy_sched_pod_deleted(struct sy_sched *s, struct sy_str uid, sy_time_ns now)
{
    uint32_t slot = sy_cluster_pod_find(&s->cluster, uid);

    if (slot != SY_NONE)
        forget_pod(s, slot, now);
}

void sy_sched_pods_replace_begin(struct sy_sched *s)
{
    sy_cluster_pods_replace_begin(&s->cluster);
    sy_sched_holds_seen(s);
}

void sy_sched_pods_replace_end(struct sy_sched *s, sy_time_ns now)
{
    uint32_t at = 0;

    sy_sched_keep_stand_ins(s);
    for (uint32_t slot; (slot = sy_cluster_pods_next_unseen(&s->cluster, &at)) != SY_NONE;)
        forget_pod(s, slot, now);
}

/* -- nodes -- */

int sy_sched_node(struct sy_sched *s, const struct sy_node *node, sy_time_ns now)
{
    uint32_t slot, change;
    uint32_t before = sy_cluster_node_find(&s->cluster, node->name);
    bool was_ready = before != SY_NONE && (s->cluster.node_flags[before] & SY_NODE_READY);

    int r = sy_cluster_node_upsert(&s->cluster, node, &slot, &change);
    if (r < 0)
        return r;
    if ((change & SY_NODE_READINESS) && was_ready && !(s->cluster.node_flags[slot] & SY_NODE_READY))
        sy_learn_failure(&s->learner, &s->cluster, slot, now);
    if (change)
        sy_failures_node(&s->failures, &s->cluster, slot, now);
    return 0;
}

void sy_sched_node_deleted(struct sy_sched *s, sy_sid name, sy_time_ns now)
{
    sy_sched_failure_node_gone(s, name, now);
}

void sy_sched_nodes_replace_begin(struct sy_sched *s)
{
    sy_cluster_nodes_replace_begin(&s->cluster);
}

void sy_sched_nodes_replace_end(struct sy_sched *s, sy_time_ns now)
{
    uint32_t at = 0;

    for (uint32_t slot; (slot = sy_cluster_nodes_next_unseen(&s->cluster, &at)) != SY_NONE;)
        sy_sched_node_deleted(s, s->cluster.nodes[slot].node.name, now);
}

/* -- storage -- */

int sy_sched_storage(struct sy_sched *s, enum sy_storage_kind kind, const void *object)
{
    return sy_storage_upsert(&s->cluster, kind, object);
}

void sy_sched_storage_deleted(struct sy_sched *s, enum sy_storage_kind kind, sy_sid ns, sy_sid name)
{
    sy_storage_delete(&s->cluster, kind, ns, name);
}

void sy_sched_storage_replace_begin(struct sy_sched *s, enum sy_storage_kind kind)
{
    sy_storage_replace_begin(&s->cluster, kind);
}

void sy_sched_storage_replace_end(struct sy_sched *s, enum sy_storage_kind kind)
{
    sy_storage_replace_end(&s->cluster, kind);
}

/* -- cycles -- */

/* Has an allocation undone that keeps the pod off some node and that nobody else uses. */
static void free_claim(struct sy_sched *s, const struct sy_entry *e, const char *message)
{
    struct sy_claim_write write;

    /* Hardly any pod has such a claim, and messages are long: that is asked first. */
    if (sy_claims_to_free(&s->cluster, e->pod, &write) &&
        (strstr(message, SY_REASON_CLAIM_OUT_OF_REACH) ||
         strstr(message, SY_REASON_EXTENDED_CLAIM_EXISTS)))
        sy_sched_decide_about(s, e,
                              &(struct sy_decision){.kind = SY_DECIDE_CLAIM, .claim = &write});
}

static void fail_attempt(struct sy_sched *s, uint32_t i, const struct sy_outcome *out,
                         sy_time_ns now)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    struct sy_shape *shape = sy_sched_shape_of(s, e);
    const char *nominated_node = NULL;

    if (out->reject.code == SY_ERROR) {
        const char *why = out->reject.reasons_len
                              ? sy_strings_getz(s->strings, out->reject.reasons[0])
                              : "failed";
        s->stats.attempts_error++;
        sy_sched_stats_of(s, e)->attempts_error++;
        sy_sched_say(s, e, "SchedulerError", why, NULL);
        sy_sched_record_refusal(s, e, SY_RECORD_FAILED, why, now);
        sy_sched_enter_backoff(s, i, now);
        return;
    }
    s->stats.attempts_unschedulable++;
    sy_sched_stats_of(s, e)->attempts_unschedulable++;
    char *message = sy_xstrdup(sy_shape_message(&s->shapes, shape));
    bool is_costly = sy_sched_is_costly(s, e);
    if (!shape->profile->args.preemption_is_off && s->cluster.nodes_alive && !is_costly) {
        sy_time_ns started = sy_sched_measure(s);
        char *more = sy_sched_preempt(s, i, &nominated_node);
        sy_histogram_add(&sy_sched_stats_of(s, e)->post_filter_s,
                         (double)(sy_sched_measure(s) - started) / 1e9);
        char *joined = sy_xasprintf("%s preemption: %s", message, more);
        free(message);
        free(more);
        message = joined;
    }
    shape->relief_seen = s->cluster.relief.len;
    shape->looked_at = s->cluster.generation;
    sy_sched_say(s, e, "Unschedulable", message, nominated_node);
    sy_sched_record_refusal(s, e, SY_RECORD_REFUSED, message, now);
    free_claim(s, e, message);
    free(message);
    if (is_costly) { /* each change would have it looked at */
        sy_sched_enter_backoff(s, i, now);
        return;
    }
    sy_sched_enter_waiting(s, i, now);
    if (e->nominated != SY_NO_ENTRY)
        e->nominated_seen = s->cluster.node_generation[e->nominated];
}

/* The node that the last attempt kept for the pod, if it may still go there; it is free again. */
static uint32_t take_kept_place(struct sy_sched *s, const struct sy_entry *e)
{
    const struct sy_pod_slot *p = &s->cluster.pods.p[e->pod];
    uint32_t node = p->node;

    if (!(p->flags & SY_POD_ASSUMED))
        return SY_NONE;
    sy_cluster_forget(&s->cluster, e->pod);
    if (!sy_cluster_node_is_alive(&s->cluster, node) ||
        !sy_shape_fits(&s->shapes, sy_sched_shape_of(s, e), node, NULL))
        return SY_NONE;
    return node;
}

static void place_or_refuse(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    struct sy_entry *e = sy_sched_entry(s, i);
    sy_time_ns started = sy_sched_measure(s);

    sy_sched_leave(s, i);
    if (sy_shape_is_stale(&s->shapes, sy_sched_shape_of(s, e)))
        sy_sched_renew_shape(s, e);
    if (sy_sched_is_held(s, i, now))
        return;
    struct sy_shape *shape = sy_sched_shape_of(s, e);
    e->attempts++;
    e->attempt_ns = now;
    s->shapes.asking = e->pod;
    struct sy_outcome out = {.node = take_kept_place(s, e)};
    bool is_kept = out.node != SY_NONE;
    if (!is_kept)
        out = sy_shape_best(&s->shapes, shape);
    if (s->options.exact)
        s->stats.exact_differences += sy_shape_check(&s->shapes, shape);
    if (!is_kept && out.node != SY_NONE) {
        uint32_t first = sy_sched_use_first_claim(s, e->pod, shape);
        out.node = first != SY_NONE ? first : out.node;
    }
    double took_s = (double)(sy_sched_measure(s) - started) / 1e9;
    sy_histogram_add(&s->stats.algorithm_s, took_s);
    if (out.node == SY_NONE) {
        sy_histogram_add(&sy_sched_stats_of(s, e)->attempt_unschedulable_s, took_s);
        sy_histogram_add(&sy_sched_stats_of(s, e)->filter_unschedulable_s, took_s);
        fail_attempt(s, i, &out, now);
        return;
    }
    sy_histogram_add(&sy_sched_stats_of(s, e)->filter_s, took_s);
    sy_sched_end_nomination(s, e);
    if (!is_kept)
        sy_sched_record_choice(s, e, out.node, now);
    sy_shape_placed(&s->shapes, shape, out.node);
    sy_gpus_propose(&s->cluster, e->pod, sy_shape_devices(&s->shapes, shape, out.node));
    if (sy_cluster_assume(&s->cluster, e->pod, out.node) < 0) {
        sy_cluster_touch(&s->cluster, out.node, false);
        sy_sched_drop_entry(s, i); /* bound behind our back: nothing left to do */
        return;
    }
    sy_sched_reserve(s, i, out.node, now);
}

/* One scheduling cycle: the pod is bound or told why not. */
static void attempt(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    uint32_t gang =
        s->first_claims.len ? sy_gangs_of(&s->gangs, sy_sched_entry(s, i)->pod) : SY_NONE;

    if (gang != SY_NONE)
        sy_sched_lift_first_claims(s, &s->gangs.all.p[gang]);
    place_or_refuse(s, i, now);
    if (gang != SY_NONE)
        sy_sched_restore_first_claims(s, &s->gangs.all.p[gang]);
}

/* -- time -- */

/* Wakes the first pod of each shape that a change gave room to. The next one is woken when this one
 * has been placed, so that ten thousand equal pods do not all run for one free slot. */
static void wake_relieved(struct sy_sched *s, sy_time_ns now)
{
    if (s->looked_at_generation == s->cluster.generation || !s->shapes.waiting_shapes)
        return;
    if (s->shapes.waiting_shapes > WAKE_AT_ONCE_SHAPES && now < s->next_wake_ns)
        return;
    s->next_wake_ns = now + WAKE_INTERVAL_NS;
    s->looked_at_generation = s->cluster.generation;
    for (size_t i = 0; i < s->shapes.all.len; i++) {
        struct sy_shape *shape = s->shapes.all.p[i];
        if (!shape || !sy_heap_len(&shape->waiting) || shape->waits_for_quota)
            continue;
        if (sy_shape_is_stale(&s->shapes, shape)) {
            while (shape &&
                   sy_heap_len(&shape->waiting)) { /* the last one may take the shape with it */
                sy_sched_wake_first(s, shape);
                shape = s->shapes.all.p[i];
            }
            continue;
        }
        s->shapes.asking = sy_sched_entry(s, sy_heap_top(&shape->waiting, &s->entries))->pod;
        if (sy_shape_is_relieved(&s->shapes, shape))
            sy_sched_wake_first(s, shape);
    }
}

/* Room that was being made may be there: the pod that it is for looks at once. While more of it is
 * on its way, only if the pod fits already. */
static void wake_nominees(struct sy_sched *s)
{
    for (size_t n = 0; n < s->shapes.nominees.len; n++) {
        const struct sy_nominee *nominee = &s->shapes.nominees.p[n];
        uint32_t i = s->cluster.pods.p[nominee->pod].user;
        if (i == SY_NONE)
            continue; /* a stand-in */
        struct sy_entry *e = sy_sched_entry(s, i);
        uint64_t generation = s->cluster.node_generation[nominee->node];
        if (e->state != SY_ENTRY_WAITING || e->nominated_seen == generation)
            continue;
        e->nominated_seen = generation;
        s->shapes.asking = nominee->pod;
        if (!sy_sched_is_room_being_made(s, e) ||
            sy_shape_is_stale(&s->shapes, sy_sched_shape_of(s, e)) ||
            sy_shape_fits(&s->shapes, sy_sched_shape_of(s, e), nominee->node, NULL))
            sy_sched_enter_active(s, i);
    }
}

static void end_backoffs(struct sy_sched *s, sy_time_ns now)
{
    for (uint32_t i; (i = sy_heap_top(&s->backoff, &s->entries)) != SY_NO_ENTRY &&
                     sy_sched_entry(s, i)->until_ns <= now;)
        sy_sched_enter_active(s, i);
}

/* Events can be missed (released versions of etcd and of watches have lost some): nobody waits
 * longer than this for a fresh look. */
static void sweep(struct sy_sched *s, sy_time_ns now)
{
    for (uint32_t i;
         (i = s->waiting_oldest) != SY_NO_ENTRY && sy_sched_entry(s, i)->until_ns <= now;) {
        sy_sched_entry(s, i)->swept = true;
        sy_sched_enter_active(s, i);
        s->stats.incoming_swept++;
    }
}

static sy_time_ns next_deadline(struct sy_sched *s)
{
    sy_time_ns next = s->next_decay_ns;

    if (s->cluster.load.samples)
        next = sy_time_earlier(next, s->next_fade_ns);
    if (sy_heap_len(&s->backoff))
        next = sy_time_earlier(next,
                               sy_sched_entry(s, sy_heap_top(&s->backoff, &s->entries))->until_ns);
    if (s->waiting_oldest != SY_NO_ENTRY)
        next = sy_time_earlier(next, sy_sched_entry(s, s->waiting_oldest)->until_ns);
    if (s->looked_at_generation != s->cluster.generation && s->shapes.waiting_shapes)
        next = sy_time_earlier(next, s->next_wake_ns);
    if (s->reserved.len)
        next = sy_time_earlier(next, s->next_volume_ns);
    next = sy_time_earlier(next, sy_sched_next_first_claim(s));
    return s->gangs.used ? sy_time_earlier(next, s->gangs.next_ns) : next;
}

static void keep_time(struct sy_sched *s, sy_time_ns now)
{
    sy_cluster_load_now(&s->cluster, now);
    s->entries.ageing.now = now;
    if (now >= s->next_decay_ns) {
        sy_learn_decay(&s->learner, &s->cluster, now);
        s->next_decay_ns = now + DECAY_EVERY_NS;
    }
    if (now >= s->next_fade_ns) {
        sy_cluster_load_fade(&s->cluster, now);
        s->next_fade_ns = now + FADE_EVERY_NS;
    }
}

sy_time_ns sy_sched_run(struct sy_sched *s, bool active, uint32_t max_cycles, sy_time_ns now)
{
    keep_time(s, now);
    sy_time_ns next_failure_ns = sy_sched_tend_failures(s, active, now);
    if (active) {
        sy_sched_check_volumes(s, now);
        sy_pools_follow(&s->cluster);
        sy_sched_wake_quota(s);
        sy_sched_end_first_claims(s, now);
        sy_sched_wake_gangs(s, now);
        wake_nominees(s);
        wake_relieved(s, now);
        end_backoffs(s, now);
        sweep(s, now);
        sy_sched_settle_gangs(s, now);
        for (uint32_t cycles = 0; sy_sched_has_work(s) && (!max_cycles || cycles < max_cycles);
             cycles++, sy_sched_settle_gangs(s, now)) {
            uint32_t i = sy_sched_next_active(s);
            sy_pools_follow(&s->cluster); /* what was placed may close a gate */
            if (sy_sched_put_off(s, i, now))
                continue;
            if (sy_sched_goes_with_gang(s, sy_sched_entry(s, i))) {
                sy_sched_attempt_gang(s, i, now);
                continue;
            }
            attempt(s, i, now);
            if (sy_sched_entry(s, i)->state != SY_ENTRY_BINDING &&
                sy_sched_entry(s, i)->state != SY_ENTRY_RESERVED)
                continue;
            struct sy_shape *shape = sy_sched_shape_of(s, sy_sched_entry(s, i));
            if (!sy_heap_len(&shape->waiting))
                continue;
            s->shapes.asking = sy_sched_entry(s, sy_heap_top(&shape->waiting, &s->entries))->pod;
            if (sy_sched_has_quota(s, shape) && sy_shape_best(&s->shapes, shape).node != SY_NONE)
                sy_sched_wake_first(s, shape);
        }
    }
    s->stats.active = s->active_len;
    s->stats.backoff = sy_heap_len(&s->backoff);
    s->stats.shape_hits = s->shapes.hits;
    s->stats.shape_builds = s->shapes.builds;
    s->stats.nodes_evaluated = s->shapes.evaluated;
    return sy_time_earlier(active ? next_deadline(s) : s->next_decay_ns, next_failure_ns);
}

bool sy_sched_has_work(const struct sy_sched *s)
{
    return s->active_len && s->in_flight < s->options.binds_in_flight_max;
}

/* -- configuration and figures -- */

void sy_sched_configure(struct sy_sched *s, const struct sy_sched_options *options, sy_time_ns now)
{
    struct sy_profile *old = s->profiles;
    uint32_t old_len = s->options.profiles_len;

    sy_sched_close_queues(s);
    take_options(s, options);
    sy_failures_configure(&s->failures, &s->cluster, options->failures, now);
    if (!options->failures)
        sy_sched_drop_holds(s);
    for (uint32_t slot = 0; slot < s->cluster.pods.len; slot++) {
        struct sy_pod_slot *p = &s->cluster.pods.p[slot];
        if (!(p->flags & SY_POD_ALIVE))
            continue;
        const struct sy_profile *profile = sy_sched_wanted_by(s, p);
        if (p->user == SY_NONE) {
            if (profile && !(p->flags & SY_POD_ASSUMED))
                enqueue(s, slot, profile, now);
            continue;
        }
        /* A shape belongs to a profile, and all profiles are new. A bind in flight keeps a shape
         * only to give it back, so any profile will do. */
        struct sy_entry *e = sy_sched_entry(s, p->user);
        if (e->state == SY_ENTRY_BINDING || e->state == SY_ENTRY_RESERVED) {
            struct sy_shape *shape = sy_sched_shape_of(s, e);
            e->shape = sy_shape_ref(&s->shapes, p, profile ? profile : s->profiles)->id;
            sy_shape_unref(&s->shapes, shape);
        } else {
            pod_changed_in_queue(s, slot, SY_POD_SPEC, now);
        }
    }
    /* Those that wait have all become active; the new order may be another. */
    sy_sched_rebuild_active(s);
    sy_shapes_drop_caches(&s->shapes);
    free_profiles(old, old_len);
}

static void mark_args(const struct sy_policy_args *args, struct sy_strings *strings)
{
    struct sy_pod_spec carrier = {
        .required_nodes = args->added_affinity,
        .preferred_nodes = args->added_preferred,
        .preferred_nodes_len = args->added_preferred_len,
        .spread = args->spread_defaults,
        .spread_len = args->spread_defaults_len,
    };

    sy_pod_spec_mark(&carrier, strings);
}

void sy_sched_mark(struct sy_sched *s)
{
    sy_shapes_mark(&s->shapes);
    sy_cluster_mark(&s->cluster);
    sy_gangs_mark(&s->gangs);
    sy_sched_first_claims_mark(s);
    sy_failures_mark(&s->failures, s->strings);
    sy_recovery_mark(&s->recovery, s->strings);
    sy_learner_mark(&s->learner, s->strings);
    sy_records_mark(&s->records, s->strings);
    for (uint32_t i = 0; i < s->options.profiles_len; i++) {
        sy_strings_mark(s->strings, s->profile_names[i]);
        mark_args(&s->profiles[i].args, s->strings);
    }
    for (size_t i = 0; i < s->reserved.len; i++)
        sy_volume_work_mark(sy_sched_entry(s, s->reserved.p[i])->volumes, s->strings);
    sy_claim_works_mark(&s->claims, s->strings);
}

const struct sy_profile_stats *sy_sched_profile_stats(const struct sy_sched *s, uint32_t *ret_len)
{
    *ret_len = s->options.profiles_len;
    return s->profile_stats;
}

uint32_t sy_sched_gate_waiting(const struct sy_sched *s)
{
    const struct sy_filter *gate = sy_filter_find("LoadGate");
    bool any_closed = false;
    uint32_t pods = 0;

    for (size_t i = 0; i < s->cluster.pools.all.len; i++)
        any_closed |= s->cluster.pools.all.p[i].is_closed;
    for (size_t i = 0; any_closed && i < s->shapes.all.len; i++) {
        const struct sy_shape *shape = s->shapes.all.p[i];
        if (shape && sy_heap_len(&shape->waiting) &&
            sy_shape_is_refused_by(&s->shapes, shape, gate))
            pods += sy_heap_len(&shape->waiting);
    }
    return pods;
}

void sy_sched_look_inside(struct sy_sched *s, struct sy_sched_inside *ret)
{
    *ret = (struct sy_sched_inside){
        .strings = s->strings,
        .cluster = &s->cluster,
        .shapes = &s->shapes,
        .entries = &s->entries,
        .records = &s->records,
        .profiles = s->profiles,
        .profiles_len = s->options.profiles_len,
    };
}

const struct sy_sched_stats *sy_sched_stats(const struct sy_sched *s)
{
    return &s->stats;
}

void sy_sched_refused_pods(const struct sy_sched *s,
                           void (*each)(void *arg, const struct sy_refused_pods *refused),
                           void *arg)
{
    for (uint32_t p = 0; p < s->options.profiles_len; p++) {
        const struct sy_profile *profile = &s->profiles[p];
        uint32_t pods[SY_FILTERS_MAX] = {0};
        for (size_t i = 0; i < s->shapes.all.len; i++) {
            const struct sy_shape *shape = s->shapes.all.p[i];
            if (!shape || shape->profile != profile)
                continue;
            for (uint32_t f = 0; f < profile->filters_len; f++)
                pods[f] += shape->refusing >> f & 1 ? sy_heap_len(&shape->waiting) : 0;
        }
        for (uint32_t f = 0; f < profile->filters_len; f++) {
            if (pods[f])
                each(arg, &(struct sy_refused_pods){profile->scheduler_name,
                                                    profile->filters[f]->name, pods[f]});
        }
    }
}

uint32_t sy_sched_utilization(const struct sy_sched *s, struct sy_utilization *ret, uint32_t room)
{
    const struct sy_cluster *c = &s->cluster;

    for (uint32_t i = 0; i < c->columns_len && i < room; i++) {
        ret[i] = (struct sy_utilization){.resource = c->columns[i].resource};
        for (uint32_t node = 0; node < c->nodes_len; node++) {
            if (!sy_cluster_node_is_alive(c, node))
                continue;
            ret[i].used = sy_add_saturate(ret[i].used, c->columns[i].used[node]);
            ret[i].total = sy_add_saturate(ret[i].total, c->columns[i].allocatable[node]);
        }
    }
    return c->columns_len;
}
