/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sched.h"

#include "base/mem.h"
#include "sched/balance.h"
#include "sched/claims.h"
#include "sched/gang.h"
#include "sched/gang_plan.h"
#include "sched/inside.h"
#include "sched/learn.h"
#include "sched/preempt.h"
#include "sched/queue.h"
#include "sched/shape.h"
#include "sched/volumes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTE_MAX_BYTES = 1024, DEFAULT_BINDS_IN_FLIGHT = 128 };
static const size_t SHAPE_CACHE_MAX_BYTES = (size_t)32 << 20;
static const int64_t DECAY_EVERY_NS = 60 * SY_NS_PER_S;
/* AssumeExtendedResourceTimeoutDefaultSeconds. */
static const int64_t CLAIM_UNSEEN_MAX_NS = 120 * SY_NS_PER_S;
static const int64_t FADE_EVERY_NS = 5 * SY_NS_PER_S;
/* Looking at each waiting shape costs little, but with many shapes and a busy cluster it adds up:
 * beyond this many it is done at most once in the interval. */
enum { WAKE_AT_ONCE_SHAPES = 64 };
static const int64_t WAKE_INTERVAL_NS = 10 * SY_NS_PER_MS;
/* A gang that grows is not worth a word; one that has stopped growing is. */
static const int64_t GATHER_SAY_NS = 2 * SY_NS_PER_S;
static const int64_t GANG_TIMEOUT_NS = 60 * SY_NS_PER_S;
static const char WAITING_FOR_GANG[] = "WaitingForGang"; /* a condition's reason */

struct sy_sched {
    char gpu_text[SY_GPU_DEVICES_TEXT_MAX]; /* of the last decision to bind */
    struct sy_strings *strings;
    struct sy_cluster cluster;
    struct sy_shapes shapes;
    struct sy_learner learner;
    struct sy_sched_options options;
    struct sy_profile *profiles; /* owned, with owned names */
    sy_sid *profile_names;
    struct sy_profile_stats *profile_stats; /* in parallel */

    struct sy_records records;
    struct sy_entries entries;
    struct sy_heap active;
    struct sy_heap backoff;
    uint32_t waiting_oldest, waiting_newest; /* all WAITING entries, in order of their sweep */
    bool is_preemption_held;
    uint32_t in_flight;
    SY_VEC(uint32_t) reserved;   /* all RESERVED entries */
    uint64_t storage_generation; /* of the cluster's storage, when they were last checked */
    sy_time_ns next_volume_ns;   /* the first of them gives up */
    struct sy_claim_works claims;
    uint64_t devices_generation; /* of the cluster's devices, when they were last checked */
    struct sy_gangs gangs;
    uint64_t gangs_relief; /* entries of the cluster's relief log that waiting gangs know of */
    uint64_t next_serial;
    uint64_t looked_at_generation; /* of the cluster, when waiting shapes were last looked at */
    sy_time_ns next_wake_ns;
    sy_time_ns next_decay_ns;
    sy_time_ns next_fade_ns; /* of measured load */

    sy_decision_fn *decide;
    void *decide_arg;
    struct sy_sched_stats stats;
};

static struct sy_entry *entry(struct sy_sched *s, uint32_t i)
{
    return &s->entries.all.p[i];
}

static struct sy_shape *shape_of(struct sy_sched *s, const struct sy_entry *e)
{
    return s->shapes.all.p[e->shape];
}

static sy_time_ns earlier(sy_time_ns a, sy_time_ns b)
{
    return a < b ? a : b;
}

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
        s->profiles[i].scheduler_name = sy_xstrdup(options->profiles[i].scheduler_name);
        s->profile_names[i] = sy_strings_addz(s->strings, s->profiles[i].scheduler_name);
    }
    sy_gpu_targets_learn(&s->cluster, learns_gpus);
    static const struct sy_pools_options ONE_POOL = {0};
    sy_pools_configure(&s->cluster, options->pools ? options->pools : &ONE_POOL);
    s->options.pools = NULL; /* borrowed for this call */
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

static struct sy_profile_stats *stats_of(struct sy_sched *s, const struct sy_entry *e)
{
    return &s->profile_stats[shape_of(s, e)->profile - s->profiles];
}

struct sy_sched *sy_sched_new(struct sy_strings *strings, const struct sy_sched_options *options,
                              sy_decision_fn *fn, void *arg)
{
    struct sy_sched *s = sy_xcalloc(1, sizeof(*s));

    s->strings = strings;
    sy_cluster_init(&s->cluster, strings);
    sy_shapes_init(&s->shapes, &s->cluster, SHAPE_CACHE_MAX_BYTES);
    sy_gangs_init(&s->gangs, strings);
    take_options(s, options);
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
    return s;
}

void sy_sched_free(struct sy_sched *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->reserved.len; i++)
        sy_volume_work_free(&s->cluster, entry(s, s->reserved.p[i])->volumes);
    sy_vec_done(&s->reserved);
    sy_claim_works_done(&s->claims, &s->cluster);
    sy_gangs_done(&s->gangs);
    sy_records_done(&s->records);
    sy_shapes_done(&s->shapes);
    sy_cluster_done(&s->cluster);
    sy_learner_done(&s->learner);
    free_profiles(s->profiles, s->options.profiles_len);
    free(s->profile_names);
    free(s->profile_stats);
    sy_vec_done(&s->entries.all);
    sy_vec_done(&s->entries.free);
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

/* -- queue places -- */

static void list_append(struct sy_sched *s, uint32_t i)
{
    struct sy_entry *e = entry(s, i);

    e->older = s->waiting_newest;
    e->newer = SY_NO_ENTRY;
    if (s->waiting_newest != SY_NO_ENTRY)
        entry(s, s->waiting_newest)->newer = i;
    else
        s->waiting_oldest = i;
    s->waiting_newest = i;
}

static void list_remove(struct sy_sched *s, uint32_t i)
{
    struct sy_entry *e = entry(s, i);

    if (e->older != SY_NO_ENTRY)
        entry(s, e->older)->newer = e->newer;
    else
        s->waiting_oldest = e->newer;
    if (e->newer != SY_NO_ENTRY)
        entry(s, e->newer)->older = e->older;
    else
        s->waiting_newest = e->older;
    e->older = e->newer = SY_NO_ENTRY;
}

static void drop_claims(struct sy_sched *s, struct sy_entry *e)
{
    sy_claim_work_drop(&s->claims, &s->cluster, e->claims);
    e->claims = NULL;
}

/* Takes the entry out of whatever holds it. */
static void leave(struct sy_sched *s, uint32_t i)
{
    struct sy_entry *e = entry(s, i);

    switch (e->state) {
    case SY_ENTRY_ACTIVE:
        sy_heap_remove(&s->active, &s->entries, i);
        break;
    case SY_ENTRY_BACKOFF:
        sy_heap_remove(&s->backoff, &s->entries, i);
        break;
    case SY_ENTRY_WAITING: {
        struct sy_shape *shape = shape_of(s, e);
        sy_heap_remove(&shape->waiting, &s->entries, i);
        s->shapes.waiting_shapes -= sy_heap_len(&shape->waiting) == 0;
        list_remove(s, i);
        s->stats.unschedulable--;
        break;
    }
    case SY_ENTRY_GATED:
        s->stats.gated--;
        break;
    case SY_ENTRY_GANG:
        s->stats.in_gangs--;
        break;
    case SY_ENTRY_RESERVED: {
        size_t at = 0;
        while (s->reserved.p[at] != i)
            at++;
        sy_vec_swap_remove(&s->reserved, at);
        sy_volume_work_free(&s->cluster, e->volumes);
        e->volumes = NULL;
        drop_claims(s, e);
        break;
    }
    case SY_ENTRY_BINDING:
        s->in_flight--;
        drop_claims(s, e);
        break;
    default:
        break;
    }
    e->state = SY_ENTRY_FREE;
}

static void enter_active(struct sy_sched *s, uint32_t i)
{
    leave(s, i);
    entry(s, i)->state = SY_ENTRY_ACTIVE;
    sy_heap_push(&s->active, &s->entries, i);
}

static void enter_waiting(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    struct sy_entry *e = entry(s, i);
    struct sy_shape *shape = shape_of(s, e);

    leave(s, i);
    e->state = SY_ENTRY_WAITING;
    e->until_ns = now + s->options.sweep_ns;
    s->shapes.waiting_shapes += sy_heap_len(&shape->waiting) == 0;
    sy_heap_push(&shape->waiting, &s->entries, i);
    list_append(s, i);
    s->stats.unschedulable++;
}

static int64_t backoff_ns(const struct sy_sched *s, uint32_t attempts)
{
    int64_t wait = s->options.backoff_initial_ns;

    for (uint32_t n = 1; n < attempts && wait < s->options.backoff_max_ns; n++)
        wait *= 2;
    return earlier(wait, s->options.backoff_max_ns);
}

static void enter_backoff_until(struct sy_sched *s, uint32_t i, sy_time_ns until)
{
    struct sy_entry *e = entry(s, i);

    leave(s, i);
    e->state = SY_ENTRY_BACKOFF;
    e->until_ns = until;
    e->swept = false;
    sy_heap_push(&s->backoff, &s->entries, i);
    s->stats.incoming_backoff++;
}

static void enter_backoff(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    enter_backoff_until(s, i, now + backoff_ns(s, entry(s, i)->attempts));
}

static void enter_gated(struct sy_sched *s, uint32_t i)
{
    leave(s, i);
    entry(s, i)->state = SY_ENTRY_GATED;
    s->stats.gated++;
}

static void enter_gang(struct sy_sched *s, uint32_t i)
{
    leave(s, i);
    entry(s, i)->state = SY_ENTRY_GANG;
    s->stats.in_gangs++;
}

/* A pod that is to be looked at: at once, or with its gang. */
static void enter_queue(struct sy_sched *s, uint32_t i)
{
    uint32_t gang = sy_gangs_of(&s->gangs, entry(s, i)->pod);

    if (gang == SY_NONE) {
        enter_active(s, i);
        return;
    }
    enter_gang(s, i);
    sy_gangs_touch(&s->gangs, gang, true);
}

/* -- nominations: room that is being made for a pod; others heed its claim (sy_shapes.nominees) --
 */

static void end_nomination(struct sy_sched *s, struct sy_entry *e)
{
    if (e->nominated == SY_NO_ENTRY)
        return;
    e->nominated = SY_NO_ENTRY;
    sy_shapes_end_nomination(&s->shapes, e->pod);
}

static void nominate(struct sy_sched *s, struct sy_entry *e, uint32_t node)
{
    end_nomination(s, e);
    e->nominated = node;
    sy_shapes_nominate(&s->shapes, e->pod, node);
}

/* The entry's job is done, or its pod is nothing of ours any more. */
static void drop_entry(struct sy_sched *s, uint32_t i)
{
    struct sy_entry *e = entry(s, i);

    end_nomination(s, e);
    leave(s, i);
    if (e->pod != SY_NO_ENTRY) {
        s->cluster.pods.p[e->pod].user = SY_NONE;
        sy_shape_unref(&s->shapes, shape_of(s, e));
    }
    sy_entry_free(&s->entries, i);
}

/* Selectors that came up since may tell pods of one shape apart. */
static void renew_shape(struct sy_sched *s, struct sy_entry *e)
{
    struct sy_shape *old = shape_of(s, e);

    e->shape = sy_shape_ref(&s->shapes, &s->cluster.pods.p[e->pod], old->profile)->id;
    sy_shape_unref(&s->shapes, old);
}

static void wake_first(struct sy_sched *s, struct sy_shape *shape)
{
    uint32_t i = sy_heap_top(&shape->waiting, &s->entries);

    if (i == SY_NO_ENTRY)
        return;
    entry(s, i)->swept = false;
    enter_active(s, i);
    s->stats.incoming_woken++;
}

/* -- pods -- */

static const struct sy_profile *profile_of(const struct sy_sched *s, sy_sid scheduler_name)
{
    for (uint32_t i = 0; i < s->options.profiles_len; i++) {
        if (s->profile_names[i] == scheduler_name)
            return &s->profiles[i];
    }
    return NULL;
}

static uint64_t hash_said(const char *reason, struct sy_str message)
{
    static const uint64_t KEY[2] = {0x7374656c, 0x79617264}; /* no secret: guards nothing */
    uint64_t r[2], m[2];

    sy_siphash128(reason, strlen(reason), KEY, r);
    sy_siphash128(message.p, message.len, KEY, m);
    return sy_hash_u64(r[0] ^ sy_hash_u64(m[0]));
}

static void enqueue(struct sy_sched *s, uint32_t slot, const struct sy_profile *profile,
                    sy_time_ns now)
{
    struct sy_pod_slot *p = &s->cluster.pods.p[slot];
    uint32_t i = sy_entry_new(&s->entries);
    struct sy_entry *e = entry(s, i);

    e->pod = slot;
    e->shape = sy_shape_ref(&s->shapes, p, profile)->id;
    e->priority = p->priority;
    e->queued_ns = now;
    p->user = i;
    if (p->flags & SY_POD_GATED) {
        enter_gated(s, i);
        return;
    }
    enter_queue(s, i);
    s->stats.incoming_added++;
}

/* Whether a pod is ours to schedule, and under which profile. */
static const struct sy_profile *wanted_by(const struct sy_sched *s, const struct sy_pod_slot *p)
{
    if (p->node != SY_NONE || (p->flags & SY_POD_TERMINATING))
        return NULL;
    return profile_of(s, p->spec->spec.scheduler_name);
}

static void pod_changed_in_queue(struct sy_sched *s, uint32_t slot, uint32_t change, sy_time_ns now)
{
    struct sy_pod_slot *p = &s->cluster.pods.p[slot];
    uint32_t i = p->user;
    struct sy_entry *e = entry(s, i);

    if (e->state == SY_ENTRY_BINDING)
        return; /* the result of the bind decides */
    if (e->state == SY_ENTRY_RESERVED && (p->flags & SY_POD_ASSUMED))
        return;                      /* what becomes of its claims decides */
    if (p->flags & SY_POD_ASSUMED) { /* its place is kept while its bind is tried again */
        if (!(p->flags & SY_POD_TERMINATING) && !(change & (SY_POD_SPEC | SY_POD_GATES)))
            return;
        sy_cluster_forget(&s->cluster, slot);
    }
    const struct sy_profile *profile = wanted_by(s, p);
    if (!profile) {
        drop_entry(s, i);
        return;
    }
    if (!(change & (SY_POD_SPEC | SY_POD_GATES)))
        return;
    leave(s, i);
    struct sy_shape *old = shape_of(s, e);
    e->shape = sy_shape_ref(&s->shapes, p, profile)->id;
    sy_shape_unref(&s->shapes, old);
    e->priority = p->priority;
    if (p->flags & SY_POD_GATED) {
        enter_gated(s, i);
        return;
    }
    e->swept = false;
    if (change & SY_POD_GATES)
        e->queued_ns = now; /* the time behind a gate is not ours */
    enter_queue(s, i);
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
    if (p->user != SY_NONE) {
        pod_changed_in_queue(s, slot, change, now);
        if (p->user != SY_NONE && entry(s, p->user)->state == SY_ENTRY_GANG &&
            sy_gangs_of(&s->gangs, slot) == SY_NONE)
            enter_active(s, p->user); /* it has left its gang */
        return 0;
    }
    const struct sy_profile *profile = wanted_by(s, p);
    if (!profile || (p->flags & SY_POD_ASSUMED))
        return 0;
    enqueue(s, slot, profile, now);
    if (pod->scheduled == SY_CONDITION_FALSE)
        entry(s, p->user)->said_hash =
            hash_said(sy_strings_getz(s->strings, pod->scheduled_reason), pod->scheduled_message);
    return 0;
}

static void forget_pod(struct sy_sched *s, uint32_t slot)
{
    uint32_t i = s->cluster.pods.p[slot].user;

    if (i != SY_NONE) {
        struct sy_entry *e = entry(s, i);
        if (e->state == SY_ENTRY_BINDING) {
            sy_shape_unref(&s->shapes, shape_of(s, e));
            e->pod = SY_NO_ENTRY; /* waits for the bind's result only */
        } else {
            drop_entry(s, i);
        }
    }
    sy_gangs_pod_gone(&s->gangs, slot);
    sy_cluster_pod_delete(&s->cluster, slot);
}

void sy_sched_pod_deleted(struct sy_sched *s, struct sy_str uid, sy_time_ns now)
{
    uint32_t slot = sy_cluster_pod_find(&s->cluster, uid);

    (void)now;
    if (slot != SY_NONE)
        forget_pod(s, slot);
}

void sy_sched_pods_replace_begin(struct sy_sched *s)
{
    sy_cluster_pods_replace_begin(&s->cluster);
}

void sy_sched_pods_replace_end(struct sy_sched *s, sy_time_ns now)
{
    uint32_t at = 0;

    (void)now;
    for (uint32_t slot; (slot = sy_cluster_pods_next_unseen(&s->cluster, &at)) != SY_NONE;)
        forget_pod(s, slot);
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
    return 0;
}

void sy_sched_node_deleted(struct sy_sched *s, sy_sid name, sy_time_ns now)
{
    (void)now;
    (void)sy_cluster_node_delete(&s->cluster, name);
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

/* -- decisions -- */

static void decide_about(struct sy_sched *s, const struct sy_entry *e, struct sy_decision *d)
{
    const struct sy_pod_slot *p = &s->cluster.pods.p[e->pod];

    d->ns = sy_strings_getz(s->strings, p->ns);
    d->name = p->name;
    d->uid = p->uid;
    d->generation = p->generation;
    if (!d->reporter)
        d->reporter = sy_strings_getz(s->strings, p->spec->spec.scheduler_name);
    s->decide(s->decide_arg, d);
}

/* kube-scheduler's truncateMessage. */
static void emit_event(struct sy_sched *s, const struct sy_entry *e, const char *reporter,
                       const char *type, const char *reason, const char *action,
                       const char *message)
{
    static const char CUT[] = " ...";
    char note[NOTE_MAX_BYTES + 1];
    size_t len = strlen(message);

    if (len > NOTE_MAX_BYTES) {
        memcpy(note, message, NOTE_MAX_BYTES);
        memcpy(note + NOTE_MAX_BYTES - (sizeof(CUT) - 1), CUT, sizeof(CUT));
        message = note;
    }
    decide_about(s, e,
                 &(struct sy_decision){.kind = SY_DECIDE_EVENT,
                                       .reporter = reporter,
                                       .type = type,
                                       .reason = reason,
                                       .action = action,
                                       .message = message});
}

/* Writes the condition and the event, if they say something new. nominated_node: as in the
 * decision. */
static void say(struct sy_sched *s, struct sy_entry *e, const char *reason, const char *message,
                const char *nominated_node)
{
    uint64_t hash = hash_said(reason, sy_str_from(message));

    if (e->said_hash == hash && !nominated_node)
        return;
    e->said_hash = hash;
    emit_event(s, e, NULL, "Warning", "FailedScheduling", "Scheduling", message);
    decide_about(s, e,
                 &(struct sy_decision){.kind = SY_DECIDE_CONDITION,
                                       .reason = reason,
                                       .message = message,
                                       .nominated_node = nominated_node});
}

static void record_refusal(struct sy_sched *s, const struct sy_entry *e, enum sy_record_kind kind,
                           const char *why, sy_time_ns now)
{
    struct sy_record *record = sy_records_new(&s->records, &s->cluster, e->pod);

    if (!record)
        return;
    struct sy_str text = sy_str_from(why);
    text.len = text.len < SY_RECORD_TEXT_MAX ? text.len : SY_RECORD_TEXT_MAX;
    record->kind = kind;
    record->at_ns = now;
    record->attempts = e->attempts;
    record->text = sy_strings_add(s->strings, text);
}

/* Before it is assumed. */
static void record_choice(struct sy_sched *s, const struct sy_entry *e, uint32_t node,
                          sy_time_ns now)
{
    struct sy_record *record = sy_records_new(&s->records, &s->cluster, e->pod);

    if (!record)
        return;
    record->attempts = e->attempts;
    sy_record_placed(record, &s->shapes, shape_of(s, e), node, now);
}

static sy_time_ns measure(const struct sy_sched *s)
{
    return s->options.clock ? s->options.clock() : 0;
}

/* Answers to older ones are ignored from now on. */
static void new_ticket(struct sy_sched *s, struct sy_entry *e)
{
    e->serial = s->next_serial++ & UINT32_MAX;
    if (!e->serial)
        e->serial = s->next_serial++ & UINT32_MAX;
}

static void send_bind(struct sy_sched *s, uint32_t i, uint32_t node)
{
    struct sy_entry *e = entry(s, i);
    uint64_t gpus = s->cluster.pods.p[e->pod].gpu_devices;

    e->state = SY_ENTRY_BINDING;
    e->node = node;
    new_ticket(s, e);
    s->in_flight++;
    decide_about(s, e,
                 &(struct sy_decision){
                     .kind = SY_DECIDE_BIND,
                     .ticket = e->serial << 32 | i,
                     .node = sy_strings_getz(s->strings, s->cluster.nodes[node].node.name),
                     .gpu_devices = gpus ? sy_gpu_devices_format(gpus, s->gpu_text) : NULL,
                 });
}

/* -- preemption -- */

static bool is_ours(const void *arg, const struct sy_pod_slot *p)
{
    const struct sy_sched *s = arg;

    return profile_of(s, p->spec->spec.scheduler_name) != NULL;
}

static bool is_anyones(const void *arg SY_UNUSED, const struct sy_pod_slot *p SY_UNUSED)
{
    return true;
}

static void evict(struct sy_sched *s, const struct sy_entry *by, uint32_t victim, const char *node)
{
    struct sy_pod_slot *p = &s->cluster.pods.p[victim];
    struct sy_entry about = {.pod = victim};
    char *why = sy_xasprintf("%s: preempting to accommodate a higher priority pod",
                             shape_of(s, by)->profile->scheduler_name);
    char *note =
        sy_xasprintf("Preempted by pod %s on node %s", s->cluster.pods.p[by->pod].uid, node);

    s->stats.preemption_victims++;
    if (!(p->flags & (SY_POD_TERMINATING | SY_POD_EVICTED))) {
        p->flags |= SY_POD_EVICTED;
        decide_about(s, &about, &(struct sy_decision){.kind = SY_DECIDE_EVICT, .message = why});
        emit_event(s, &about, shape_of(s, by)->profile->scheduler_name, "Normal", "Preempted",
                   "Preempting", note);
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
        entry(s, s->waiting_oldest)->swept = false;
        enter_active(s, s->waiting_oldest);
        s->stats.incoming_woken++;
    }
}

/* Whether what was to make room for the pod is still on its way out. */
static bool is_room_being_made(struct sy_sched *s, const struct sy_entry *e)
{
    if (e->nominated == SY_NO_ENTRY || !sy_cluster_node_is_alive(&s->cluster, e->nominated))
        return false;
    for (uint32_t i = s->cluster.nodes[e->nominated].first_pod; i != SY_NONE;
         i = s->cluster.pods.p[i].next_on_node) {
        const struct sy_pod_slot *p = &s->cluster.pods.p[i];
        if (p->priority < e->priority && (p->flags & (SY_POD_TERMINATING | SY_POD_EVICTED)))
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

/* What became of a try to make room: text for the message, owned by the caller; *ret_node as in the
 * decision. */
static char *preempt(struct sy_sched *s, uint32_t i, const char **ret_node)
{
    struct sy_entry *e = entry(s, i);
    struct sy_shape *shape = shape_of(s, e);
    const struct sy_pod_slot *p = &s->cluster.pods.p[e->pod];
    struct sy_preemption found;

    *ret_node = NULL;
    if (s->is_preemption_held)
        return sy_xstrdup("off while disruption budgets cannot be read.");
    if (p->flags & SY_POD_NEVER_PREEMPTS)
        return sy_xstrdup("not eligible due to preemptionPolicy=Never.");
    if (is_room_being_made(s, e))
        return sy_xstrdup("not eligible due to a terminating pod on the nominated node.");
    if (p->nominated_node)
        *ret_node = "";
    end_nomination(s, e);
    if (shape->no_help && shape->no_help_generation == s->cluster.generation &&
        shape->no_help_priority == e->priority)
        return sy_xstrdup(shape->no_help);

    struct sy_preemptor by = {
        .pod = e->pod,
        .shape = shape,
        .is_ours = shape->profile->args.preempts_any_scheduler ? is_anyones : is_ours,
        .arg = s,
        .first_node = (uint32_t)sy_hash_u64(e->order),
        .may_remember = true,
    };
    sy_preempt_find(&s->shapes, &by, &found);
    if (s->options.exact)
        s->stats.exact_differences += differs_anew(s, by, &found);
    if (found.node == SY_NONE) {
        free(shape->no_help);
        shape->no_help = sy_xstrdup(found.message);
        shape->no_help_generation = s->cluster.generation;
        shape->no_help_priority = e->priority;
        sy_preemption_done(&found);
        return sy_xstrdup(shape->no_help);
    }
    const char *node = sy_strings_getz(s->strings, s->cluster.nodes[found.node].node.name);
    s->stats.preemption_attempts++;
    for (size_t v = 0; v < found.victims.len; v++)
        evict(s, e, found.victims.p[v], node);
    nominate(s, e, found.node);
    *ret_node = node;
    char *text =
        sy_xasprintf("found a potential placement for pod on node %s, preempting %zu victims", node,
                     found.victims.len);
    sy_preemption_done(&found);
    return text;
}

/* Has an allocation undone that keeps the pod off some node and that nobody else uses. */
static void free_claim(struct sy_sched *s, const struct sy_entry *e, const char *message)
{
    struct sy_claim_write write;

    /* Hardly any pod has such a claim, and messages are long: that is asked first. */
    if (sy_claims_to_free(&s->cluster, e->pod, &write) &&
        (strstr(message, SY_REASON_CLAIM_OUT_OF_REACH) ||
         strstr(message, SY_REASON_EXTENDED_CLAIM_EXISTS)))
        decide_about(s, e, &(struct sy_decision){.kind = SY_DECIDE_CLAIM, .claim = &write});
}

static void fail_attempt(struct sy_sched *s, uint32_t i, const struct sy_outcome *out,
                         sy_time_ns now)
{
    struct sy_entry *e = entry(s, i);
    struct sy_shape *shape = shape_of(s, e);
    const char *nominated_node = NULL;

    if (out->reject.code == SY_ERROR) {
        const char *why = out->reject.reasons_len
                              ? sy_strings_getz(s->strings, out->reject.reasons[0])
                              : "failed";
        s->stats.attempts_error++;
        stats_of(s, e)->attempts_error++;
        say(s, e, "SchedulerError", why, NULL);
        record_refusal(s, e, SY_RECORD_FAILED, why, now);
        enter_backoff(s, i, now);
        return;
    }
    s->stats.attempts_unschedulable++;
    stats_of(s, e)->attempts_unschedulable++;
    char *message = sy_xstrdup(sy_shape_message(&s->shapes, shape));
    if (!shape->profile->args.preemption_is_off && s->cluster.nodes_alive) {
        char *more = preempt(s, i, &nominated_node);
        char *joined = sy_xasprintf("%s preemption: %s", message, more);
        free(message);
        free(more);
        message = joined;
    }
    shape->relief_seen = s->cluster.relief.len;
    shape->looked_at = s->cluster.generation;
    say(s, e, "Unschedulable", message, nominated_node);
    record_refusal(s, e, SY_RECORD_REFUSED, message, now);
    free_claim(s, e, message);
    free(message);
    enter_waiting(s, i, now);
    if (e->nominated != SY_NO_ENTRY)
        e->nominated_seen = s->cluster.node_generation[e->nominated];
}

/* -- claims that are seen to before the pod is bound -- */

/* The bind of an assumed pod came to nothing. While a gang is being bound, its member keeps its
 * place until it is tried again; else the place is given up. False when the pod is nothing of ours
 * any more. */
static bool give_up_place(struct sy_sched *s, const struct sy_entry *e, sy_time_ns now)
{
    const struct sy_pod_slot *p = &s->cluster.pods.p[e->pod];
    uint32_t g = sy_gangs_of(&s->gangs, e->pod);

    if (g != SY_NONE) {
        const struct sy_gang *gang = &s->gangs.all.p[g];
        sy_gangs_touch(&s->gangs, g, false);
        if (gang->give_up_ns != INT64_MAX && now < gang->give_up_ns &&
            (p->flags & (SY_POD_ASSUMED | SY_POD_TERMINATING)) == SY_POD_ASSUMED &&
            sy_cluster_node_is_alive(&s->cluster, p->node) &&
            profile_of(s, p->spec->spec.scheduler_name))
            return true;
    }
    sy_cluster_forget(&s->cluster, e->pod);
    return wanted_by(s, p) != NULL;
}

static void reserved_failed(struct sy_sched *s, uint32_t i, const char *error, sy_time_ns now)
{
    struct sy_entry *e = entry(s, i);

    leave(s, i);
    drop_claims(s, e);
    if (!give_up_place(s, e, now)) {
        drop_entry(s, i);
        return;
    }
    s->stats.attempts_error++;
    stats_of(s, e)->attempts_error++;
    say(s, e, "SchedulerError", error, NULL);
    record_refusal(s, e, SY_RECORD_FAILED, error, now);
    enter_backoff(s, i, now);
}

/* Leaves RESERVED or BINDING with its claims still to be seen to. */
static void leave_with_claims(struct sy_sched *s, uint32_t i)
{
    struct sy_claim_work *claims = entry(s, i)->claims;

    entry(s, i)->claims = NULL;
    leave(s, i);
    entry(s, i)->claims = claims;
}

static void enter_reserved(struct sy_sched *s, uint32_t i, uint32_t node)
{
    struct sy_entry *e = entry(s, i);

    e->state = SY_ENTRY_RESERVED;
    e->node = node;
    e->until_ns = INT64_MAX;
    sy_vec_push(&s->reserved, i);
}

static void claims_failed(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    char *error = sy_xstrdup(sy_claim_work_error(entry(s, i)->claims));

    reserved_failed(s, i, error, now);
    free(error);
}

/* For drivers, which have a say before the pod is bound. */
static void begin_waiting(struct sy_sched *s, struct sy_entry *e, sy_time_ns now)
{
    char note[NOTE_MAX_BYTES];

    if (e->until_ns != INT64_MAX)
        return;
    /* INT64_MAX means that nothing is waited for. */
    e->until_ns = earlier(sy_add_saturate(now, shape_of(s, e)->profile->args.claim_bind_timeout_ns),
                          INT64_MAX - 1);
    s->next_volume_ns = earlier(s->next_volume_ns, e->until_ns);
    snprintf(note, sizeof(note), "waiting for binding conditions for device on node %s",
             sy_strings_getz(s->strings, s->cluster.nodes[e->node].node.name));
    emit_event(s, e, NULL, "Normal", "BindingConditionsPending", "Scheduling", note);
}

/* Once volumes are there: has the next write of a resource claim done, or what follows the last. */
static void next_claim(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    struct sy_entry *e = entry(s, i);
    struct sy_decision d = {.kind = SY_DECIDE_CLAIM};
    struct sy_claim_write write;
    enum sy_claim_step step = SY_CLAIMS_READY;

    if (e->claims)
        step = sy_claim_work_next(&s->claims, &s->cluster, e->claims, &write, &d.ticket);
    if (step == SY_CLAIMS_WRITE) {
        e->until_ns = INT64_MAX;
        d.claim = &write;
        decide_about(s, e, &d);
    } else if (step == SY_CLAIMS_UNSEEN) {
        e->until_ns = earlier(e->until_ns, sy_add_saturate(now, CLAIM_UNSEEN_MAX_NS));
        s->next_volume_ns = earlier(s->next_volume_ns, e->until_ns);
    } else if (step == SY_CLAIMS_WAIT) {
        begin_waiting(s, e, now);
    } else if (step == SY_CLAIMS_FAILED) {
        claims_failed(s, i, now);
    } else {
        leave_with_claims(s, i);
        send_bind(s, i, e->node);
    }
}

void sy_sched_claim_result(struct sy_sched *s, uint64_t ticket, enum sy_claim_result result,
                           const struct sy_device_claim *claim, const char *error, sy_time_ns now)
{
    struct sy_claim_work *w = sy_claim_works_find(&s->claims, ticket);

    /* Without room for it the watch will tell. */
    if (claim)
        (void)!sy_devices_refresh(&s->cluster, claim);
    if (w && sy_claim_work_result(&s->claims, &s->cluster, w, result, claim, error))
        next_claim(s, sy_claim_work_user(w), now);
}

static bool has_filter(const struct sy_profile *profile, const struct sy_filter *filter)
{
    for (uint32_t i = 0; i < profile->filters_len; i++) {
        if (profile->filters[i] == filter)
            return true;
    }
    return false;
}

/* Holds the devices of an assumed pod's resource claims. False: they cannot be had; *ret_error,
 * owned by the caller, says why. */
static bool hold_claims(struct sy_sched *s, uint32_t i, uint32_t node, char **ret_error)
{
    struct sy_entry *e = entry(s, i);
    struct sy_shape *shape = shape_of(s, e);
    struct sy_err err = {0};

    const struct sy_pod_spec *spec = &s->cluster.pods.p[e->pod].spec->spec;
    if ((!spec->claims_len && !spec->device_resources_len) ||
        !has_filter(shape->profile, sy_filter_find("DynamicResources")))
        return true;
    if (sy_claim_work_new(&s->claims, &shape->view, &s->shapes.arena, e->pod, node, i, &e->claims,
                          &err) == 0)
        return true;
    *ret_error = sy_xasprintf("running Reserve plugin \"DynamicResources\": %s", err.msg);
    return false;
}

/* Has the next write done, or begins to wait for what was written. */
static void next_write(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    struct sy_entry *e = entry(s, i);
    struct sy_decision_volume write;

    if (!sy_volume_work_next(&s->cluster, e->volumes, &write)) {
        e->until_ns = now + shape_of(s, e)->profile->args.volume_bind_timeout_s * SY_NS_PER_S;
        s->next_volume_ns = now; /* it may be bound already */
        return;
    }
    new_ticket(s, e);
    decide_about(s, e,
                 &(struct sy_decision){
                     .kind = SY_DECIDE_VOLUME, .ticket = e->serial << 32 | i, .volume = &write});
}

/* The same for its volumes. */
static bool hold_volumes(struct sy_sched *s, uint32_t i, uint32_t node, char **ret_error)
{
    struct sy_entry *e = entry(s, i);
    struct sy_shape *shape = shape_of(s, e);
    struct sy_volume_plan plan = {0};

    if (!s->cluster.pods.p[e->pod].spec->spec.volumes_len ||
        !has_filter(shape->profile, sy_filter_find("VolumeBinding")))
        return true;
    int r = sy_volume_plan(&shape->view, &s->shapes.arena, node, &plan);
    if (r < 0) {
        *ret_error = sy_xstrdup("running Reserve plugin \"VolumeBinding\": no memory");
        return false;
    }
    if (plan.claims_len)
        e->volumes = sy_volume_work_new(&s->cluster, &plan, node);
    return true;
}

static void volumes_failed(struct sy_sched *s, uint32_t i, const char *error, sy_time_ns now)
{
    char *text = sy_xasprintf("running PreBind plugin \"VolumeBinding\": %s", error);

    reserved_failed(s, i, text, now);
    free(text);
}

void sy_sched_volume_result(struct sy_sched *s, uint64_t ticket, const char *error, sy_time_ns now)
{
    uint32_t i = (uint32_t)ticket;

    if (i >= s->entries.all.len || entry(s, i)->state != SY_ENTRY_RESERVED ||
        entry(s, i)->serial != ticket >> 32)
        return;
    if (error) {
        volumes_failed(s, i, error, now);
        return;
    }
    sy_volume_work_written(entry(s, i)->volumes);
    next_write(s, i, now);
}

static void check_reserved(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    struct sy_entry *e = entry(s, i);
    char *error = NULL;

    if (e->until_ns == INT64_MAX)
        return; /* still being written */
    if (!e->volumes) {
        if (now >= e->until_ns)
            sy_claim_work_expire(&s->cluster, e->claims);
        next_claim(s, i, now);
        return;
    }
    enum sy_volume_progress p = sy_volume_work_check(&s->cluster, e->volumes, &error);
    if (p == SY_VOLUMES_WAIT && now >= e->until_ns) {
        p = SY_VOLUMES_FAILED;
        error = sy_xstrdup("context deadline exceeded");
    }
    if (p == SY_VOLUMES_FAILED) {
        char *text = sy_xasprintf("binding volumes: %s", error);
        volumes_failed(s, i, text, now);
        free(text);
        free(error);
    } else if (p == SY_VOLUMES_BOUND) {
        sy_volume_work_free(&s->cluster, e->volumes);
        e->volumes = NULL;
        e->until_ns = INT64_MAX;
        next_claim(s, i, now);
    }
}

/* Binds the pods whose claims are ready. Asked in every turn; looks when something has changed. */
static void check_volumes(struct sy_sched *s, sy_time_ns now)
{
    if (s->storage_generation == s->cluster.storage.generation &&
        s->devices_generation == s->cluster.devices.generation && now < s->next_volume_ns)
        return;
    s->storage_generation = s->cluster.storage.generation;
    s->devices_generation = s->cluster.devices.generation;
    for (size_t n = s->reserved.len; n--;)
        check_reserved(s, s->reserved.p[n], now); /* may take itself out of the list */
    s->next_volume_ns = INT64_MAX;
    for (size_t n = 0; n < s->reserved.len; n++)
        s->next_volume_ns = earlier(s->next_volume_ns, entry(s, s->reserved.p[n])->until_ns);
}

static bool hold(struct sy_sched *s, uint32_t i, uint32_t node, char **ret_error)
{
    return hold_claims(s, i, node, ret_error) && hold_volumes(s, i, node, ret_error);
}

/* Sees to what is held for an assumed pod, and binds it. */
static void proceed(struct sy_sched *s, uint32_t i, uint32_t node, sy_time_ns now)
{
    struct sy_entry *e = entry(s, i);

    if (e->volumes) {
        enter_reserved(s, i, node);
        next_write(s, i, now);
    } else if (e->claims) {
        enter_reserved(s, i, node);
        next_claim(s, i, now);
    } else {
        send_bind(s, i, node);
    }
}

static void reserve(struct sy_sched *s, uint32_t i, uint32_t node, sy_time_ns now)
{
    char *error = NULL;

    if (hold(s, i, node, &error))
        proceed(s, i, node, now);
    else
        reserved_failed(s, i, error, now);
    free(error);
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
        !sy_shape_fits(&s->shapes, shape_of(s, e), node, NULL))
        return SY_NONE;
    return node;
}

/* One scheduling cycle: the pod is bound or told why not. */
static void attempt(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    struct sy_entry *e = entry(s, i);
    sy_time_ns started = measure(s);

    leave(s, i);
    if (sy_shape_is_stale(&s->shapes, shape_of(s, e)))
        renew_shape(s, e);
    struct sy_shape *shape = shape_of(s, e);
    e->attempts++;
    e->attempt_ns = now;
    s->shapes.asking = e->pod;
    struct sy_outcome out = {.node = take_kept_place(s, e)};
    bool is_kept = out.node != SY_NONE;
    if (!is_kept)
        out = sy_shape_best(&s->shapes, shape);
    if (s->options.exact)
        s->stats.exact_differences += sy_shape_check(&s->shapes, shape);
    double took_s = (double)(measure(s) - started) / 1e9;
    sy_histogram_add(&s->stats.algorithm_s, took_s);
    if (out.node == SY_NONE) {
        sy_histogram_add(&stats_of(s, e)->attempt_unschedulable_s, took_s);
        fail_attempt(s, i, &out, now);
        return;
    }
    end_nomination(s, e);
    if (!is_kept)
        record_choice(s, e, out.node, now);
    sy_shape_placed(&s->shapes, shape, out.node);
    sy_gpus_propose(&s->cluster, e->pod, sy_shape_devices(&s->shapes, shape, out.node));
    if (sy_cluster_assume(&s->cluster, e->pod, out.node) < 0) {
        sy_cluster_touch(&s->cluster, out.node, false);
        drop_entry(s, i); /* bound behind our back: nothing left to do */
        return;
    }
    reserve(s, i, out.node, now);
}

static void bind_succeeded(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    struct sy_entry *e = entry(s, i);
    struct sy_pod_slot *p = &s->cluster.pods.p[e->pod];
    char note[NOTE_MAX_BYTES];

    s->stats.attempts_scheduled++;
    stats_of(s, e)->attempts_scheduled++;
    s->stats.rescued_by_sweep += e->swept;
    sy_histogram_add(&stats_of(s, e)->attempt_s, (double)(now - e->attempt_ns) / 1e9);
    uint32_t attempts = e->attempts < SY_SLI_ATTEMPTS ? e->attempts : SY_SLI_ATTEMPTS;
    sy_histogram_add(&s->stats.sli_s[attempts ? attempts - 1 : 0],
                     (double)(now - e->queued_ns) / 1e9);
    sy_histogram_add(&s->stats.attempts, e->attempts);
    if (!(p->flags & SY_POD_RUNNING))
        p->bound_ns = now;
    snprintf(note, sizeof(note), "Successfully assigned %s/%s to %s",
             sy_strings_getz(s->strings, p->ns), p->name,
             sy_strings_getz(s->strings, s->cluster.nodes[e->node].node.name));
    emit_event(s, e, NULL, "Normal", "Scheduled", "Binding", note);
    drop_entry(s, i);
}

static void bind_failed(struct sy_sched *s, uint32_t i, const char *error, sy_time_ns now)
{
    struct sy_entry *e = entry(s, i);

    if (error && e->claims && sy_claim_work_undo(e->claims, error)) {
        leave_with_claims(s, i);
        enter_reserved(s, i, e->node);
        next_claim(s, i, now);
        return;
    }
    if (!give_up_place(s, e, now)) {
        drop_entry(s, i); /* bound by another, or going away */
        return;
    }
    s->stats.attempts_error++;
    stats_of(s, e)->attempts_error++;
    if (error) {
        say(s, e, "SchedulerError", error, NULL);
        record_refusal(s, e, SY_RECORD_FAILED, error, now);
    }
    enter_backoff(s, i, now);
}

void sy_sched_bind_result(struct sy_sched *s, uint64_t ticket, enum sy_bind_result result,
                          const char *error, sy_time_ns now)
{
    uint32_t i = (uint32_t)ticket;

    if (i >= s->entries.all.len || entry(s, i)->state != SY_ENTRY_BINDING ||
        entry(s, i)->serial != ticket >> 32)
        return;
    switch (result) {
    case SY_BIND_RESULT_OK:
        s->stats.binds_ok++;
        break;
    case SY_BIND_RESULT_CONFLICT:
        s->stats.binds_conflict++;
        break;
    case SY_BIND_RESULT_GONE:
        s->stats.binds_gone++;
        break;
    case SY_BIND_RESULT_REFUSED:
        s->stats.binds_refused++;
        break;
    case SY_BIND_RESULT_UNKNOWN:
        s->stats.binds_unknown++;
        return; /* it may have landed: the slot stays taken until the API server settles it */
    }
    if (entry(s, i)->pod == SY_NO_ENTRY)
        drop_entry(s, i); /* the pod was deleted meanwhile, and its charge with it */
    else if (result == SY_BIND_RESULT_OK)
        bind_succeeded(s, i, now);
    else
        bind_failed(s, i, result == SY_BIND_RESULT_REFUSED ? error : NULL, now);
}

/* -- gangs -- */

static void gang_deadline(struct sy_sched *s, sy_time_ns at)
{
    s->gangs.next_ns = earlier(s->gangs.next_ns, at);
}

/* Tells a member why it waits, without calling it unschedulable: room is not what it lacks, so
 * nobody is to add nodes for it. */
static void say_in_gang(struct sy_sched *s, struct sy_entry *e, const char *reason,
                        const char *message)
{
    uint64_t hash = hash_said(reason, sy_str_from(message));

    if (e->said_hash == hash)
        return;
    e->said_hash = hash;
    decide_about(
        s, e,
        &(struct sy_decision){.kind = SY_DECIDE_CONDITION, .reason = reason, .message = message});
}

/* What a gang that is not tried waits for. */
static void say_gathering(struct sy_sched *s, const struct sy_gang *gang)
{
    char name[512];
    char *text;

    sy_gang_name(&s->gangs, gang, name, sizeof(name));
    if (gang->is_malformed)
        text = sy_xasprintf("gang %s: a member's minimum is not a number from 1, or its timeout is "
                            "not a duration",
                            name);
    else
        text = sy_xasprintf("waiting for %u more members of gang %s", gang->missing, name);
    for (size_t m = 0; m < gang->members.len; m++) {
        uint32_t i = s->cluster.pods.p[gang->members.p[m].pod].user;
        if (i != SY_NONE && entry(s, i)->state == SY_ENTRY_GANG)
            say_in_gang(s, entry(s, i), WAITING_FOR_GANG, text);
    }
    free(text);
}

static bool is_in_heap(const struct sy_entry *e)
{
    return e->state == SY_ENTRY_ACTIVE || e->state == SY_ENTRY_BACKOFF ||
           e->state == SY_ENTRY_WAITING;
}

/* Has all members but one that are looked for a place singly wait for each other again. */
static void gather(struct sy_sched *s, const struct sy_gang *gang, uint32_t but)
{
    for (size_t m = 0; m < gang->members.len; m++) {
        const struct sy_pod_slot *p = &s->cluster.pods.p[gang->members.p[m].pod];
        if (p->user == SY_NONE || p->user == but || (p->flags & SY_POD_ASSUMED) ||
            !is_in_heap(entry(s, p->user)))
            continue;
        end_nomination(s, entry(s, p->user));
        enter_gang(s, p->user);
    }
}

static void open_gang(struct sy_sched *s, struct sy_gang *gang)
{
    gang->state = SY_GANG_OPEN;
    gang->head = SY_NO_ENTRY;
    for (size_t m = 0; m < gang->members.len; m++) {
        uint32_t i = s->cluster.pods.p[gang->members.p[m].pod].user;
        if (i != SY_NONE && entry(s, i)->state == SY_ENTRY_GANG)
            enter_active(s, i);
    }
}

static void queue_gang(struct sy_sched *s, struct sy_gang *gang, uint32_t head, sy_time_ns now)
{
    bool is_queued = gang->state == SY_GANG_QUEUED && gang->head == head &&
                     entry(s, head)->state == SY_ENTRY_ACTIVE;

    gang->state = SY_GANG_QUEUED;
    gang->head = head;
    if (is_queued)
        return;
    if (gang->retry_ns > now)
        enter_backoff_until(s, head, gang->retry_ns);
    else
        enter_active(s, head);
}

/* Puts a gang where it belongs after something about its members changed. */
static void settle_gang(struct sy_sched *s, uint32_t g, sy_time_ns now)
{
    struct sy_gang *gang = &s->gangs.all.p[g];
    struct sy_gang_count n;
    bool is_eager = gang->is_eager;

    gang->is_eager = false;
    sy_gang_count(gang, &s->cluster, &s->entries, &n);
    if (!n.assumed)
        gang->give_up_ns = INT64_MAX;
    uint32_t need = gang->min_members > n.placed ? gang->min_members - n.placed : 0;
    /* Nobody is bound before all are there: where somebody is, those that are missing have come and
     * gone, and the others need not wait for them. */
    if (!gang->is_malformed && (!need || (n.placed && n.waiting < need))) {
        open_gang(s, gang);
        return;
    }
    if (gang->is_malformed || n.waiting < need) {
        uint32_t missing = gang->is_malformed ? 0 : need - n.waiting;
        gather(s, gang, SY_NO_ENTRY);
        gang->head = SY_NO_ENTRY;
        if (gang->state != SY_GANG_GATHERING || gang->missing != missing ||
            gang->until_ns == INT64_MAX)
            gang->until_ns = now + GATHER_SAY_NS;
        gang->state = SY_GANG_GATHERING;
        gang->missing = missing;
        gang_deadline(s, gang->until_ns);
        return;
    }
    bool stays = gang->state == SY_GANG_WAITING && !is_eager;
    gather(s, gang, stays ? SY_NO_ENTRY : n.head);
    if (!stays)
        queue_gang(s, gang, n.head, now);
}

static void settle_gangs(struct sy_sched *s, sy_time_ns now)
{
    for (uint32_t g; (g = sy_gangs_next_dirty(&s->gangs)) != SY_NONE;)
        settle_gang(s, g, now);
}

static void release_member(void *arg, const struct sy_gang_candidate *k)
{
    struct sy_sched *s = arg;
    struct sy_entry *e = entry(s, k->entry);

    drop_claims(s, e);
    sy_volume_work_free(&s->cluster, e->volumes);
    e->volumes = NULL;
}

static bool hold_member(void *arg, const struct sy_gang_candidate *k, uint32_t node)
{
    struct sy_sched *s = arg;
    const struct sy_pod_spec *spec = &s->cluster.pods.p[k->pod].spec->spec;
    char *error = NULL;

    if (!spec->claims_len && !spec->volumes_len && !spec->device_resources_len)
        return true;
    /* What is held is looked up by the pod's own shape: a look brings that up to date, where
     * another one that is kept to a domain was asked so far. */
    (void)sy_shape_fits(&s->shapes, k->shape, node, NULL);
    if (hold(s, k->entry, node, &error))
        return true;
    free(error);
    release_member(s, k);
    return false;
}

static void collect_candidates(struct sy_sched *s, const struct sy_gang *gang,
                               struct sy_gang_plan *plan)
{
    for (size_t m = 0; m < gang->members.len; m++) {
        uint32_t pod = gang->members.p[m].pod, i = s->cluster.pods.p[pod].user;
        if (i == SY_NONE || entry(s, i)->state != SY_ENTRY_GANG ||
            (s->cluster.pods.p[pod].flags & SY_POD_TERMINATING))
            continue;
        if (sy_shape_is_stale(&s->shapes, shape_of(s, entry(s, i))))
            renew_shape(s, entry(s, i));
        struct sy_gang_candidate k = {
            .pod = pod,
            .entry = i,
            .priority = entry(s, i)->priority,
            .order = entry(s, i)->order,
            .shape = shape_of(s, entry(s, i)),
        };
        sy_vec_push(&plan->candidates, k);
    }
}

/* All are assumed: the binds go out. */
static void bind_gang(struct sy_sched *s, struct sy_gang *gang, const struct sy_gang_plan *plan,
                      sy_time_ns now)
{
    gang->attempts = 0;
    gang->retry_ns = 0;
    gang->give_up_ns = now + (gang->timeout_ns ? gang->timeout_ns : GANG_TIMEOUT_NS);
    gang_deadline(s, gang->give_up_ns);
    for (size_t c = 0; c < plan->candidates.len; c++) {
        const struct sy_gang_candidate *k = &plan->candidates.p[c];
        if (k->node == SY_NONE)
            continue;
        struct sy_entry *e = entry(s, k->entry);
        leave(s, k->entry);
        e->attempts++;
        e->attempt_ns = now;
        proceed(s, k->entry, k->node, now);
    }
}

/* "gang X: 5 of 8 members fit; member P: 0/500 nodes are available: ...", owned by the caller. */
static char *gang_message(struct sy_sched *s, const struct sy_gang *gang,
                          const struct sy_gang_plan *plan, uint32_t placed_before)
{
    char name[512], where[300] = "";

    sy_gang_name(&s->gangs, gang, name, sizeof(name));
    if (plan->domain)
        snprintf(where, sizeof(where), " in %.120s=%.120s",
                 sy_strings_getz(s->strings, gang->topology_key),
                 sy_strings_getz(s->strings, plan->domain));
    return sy_xasprintf("gang %s: %u of %u members fit%s; member %s: %s", name,
                        placed_before + plan->placed, gang->min_members, where,
                        s->cluster.pods.p[plan->candidates.p[plan->blocker].pod].name,
                        plan->message);
}

/* The blocking member says what happened; others that did not fit either are unschedulable as well,
 * as many as are lacking; the rest wait. */
static void say_no_room(struct sy_sched *s, const struct sy_gang *gang,
                        const struct sy_gang_plan *plan, const char *text)
{
    const char *reason = plan->is_error ? "SchedulerError" : "Unschedulable";
    uint32_t lacking = plan->needed - plan->placed - 1;
    char name[512];

    sy_gang_name(&s->gangs, gang, name, sizeof(name));
    char *others = sy_xasprintf("waiting for room for all members of gang %s", name);
    say(s, entry(s, plan->candidates.p[plan->blocker].entry), reason, text, NULL);
    for (uint32_t c = 0; c < plan->candidates.len; c++) {
        struct sy_entry *e = entry(s, plan->candidates.p[c].entry);
        if (c == plan->blocker)
            continue;
        if (plan->candidates.p[c].failed && lacking) {
            lacking--;
            say_in_gang(s, e, reason, text);
        } else {
            say_in_gang(s, e, WAITING_FOR_GANG, others);
        }
    }
    free(others);
}

static void fail_gang(struct sy_sched *s, struct sy_gang *gang, const struct sy_gang_plan *plan,
                      uint32_t placed_before, sy_time_ns now)
{
    struct sy_entry *first = entry(s, plan->candidates.p[plan->blocker].entry);
    char *text = gang_message(s, gang, plan, placed_before);

    say_no_room(s, gang, plan, text);
    record_refusal(s, first, plan->is_error ? SY_RECORD_FAILED : SY_RECORD_REFUSED, text, now);
    free(text);
    if (plan->is_error) {
        s->stats.attempts_error++;
        stats_of(s, first)->attempts_error++;
    } else {
        s->stats.attempts_unschedulable++;
        stats_of(s, first)->attempts_unschedulable++;
    }
    gang->attempts++;
    gang->retry_ns = now + backoff_ns(s, gang->attempts);
    gang->state = SY_GANG_WAITING;
    gang->head = SY_NO_ENTRY;
    gang->relief_seen = s->cluster.relief.len;
    gang->until_ns = now + s->options.sweep_ns;
    gang_deadline(s, gang->until_ns);
}

/* One scheduling cycle for a whole gang, when its head's turn has come. */
static void attempt_gang(struct sy_sched *s, uint32_t i, sy_time_ns now)
{
    uint32_t g = sy_gangs_of(&s->gangs, entry(s, i)->pod);
    struct sy_gang *gang = &s->gangs.all.p[g];
    sy_time_ns started = measure(s);
    struct sy_gang_count n;
    struct sy_gang_plan plan = {
        .exact = s->options.exact,
        .hold = hold_member,
        .release = release_member,
        .arg = s,
    };

    enter_gang(s, i);
    sy_gang_count(gang, &s->cluster, &s->entries, &n);
    collect_candidates(s, gang, &plan);
    plan.needed = gang->min_members > n.placed ? gang->min_members - n.placed : 0;
    plan.topology_key = gang->topology_key;
    plan.topology_is_required = gang->topology_is_required;
    if (!plan.needed || plan.needed > plan.candidates.len) {
        sy_gangs_touch(&s->gangs, g, true); /* settling finds its place */
        sy_gang_plan_done(&plan);
        return;
    }
    sy_gang_plan(&s->shapes, &plan);
    s->stats.exact_differences += plan.differences;
    sy_histogram_add(&s->stats.algorithm_s, (double)(measure(s) - started) / 1e9);
    if (plan.fits)
        bind_gang(s, gang, &plan, now);
    else
        fail_gang(s, gang, &plan, n.placed, now);
    sy_gangs_touch(&s->gangs, g, false);
    sy_gang_plan_done(&plan);
}

static void say_rolled_back(struct sy_sched *s, const struct sy_gang *gang, uint32_t taken_back,
                            uint32_t bound)
{
    char name[512];

    sy_gang_name(&s->gangs, gang, name, sizeof(name));
    char *text = sy_xasprintf("gang %s: %u members were not bound in time and gave their places "
                              "back; %u are bound and stay",
                              name, taken_back, bound);
    for (size_t m = 0; m < gang->members.len; m++) {
        uint32_t i = s->cluster.pods.p[gang->members.p[m].pod].user;
        if (i != SY_NONE && entry(s, i)->state == SY_ENTRY_GANG)
            say(s, entry(s, i), "SchedulerError", text, NULL);
    }
    free(text);
}

/* Members that could not be bound in time give their places back; those that are bound stay, and
 * so does what may be bound yet. */
static void roll_back_gang(struct sy_sched *s, uint32_t g, sy_time_ns now)
{
    struct sy_gang *gang = &s->gangs.all.p[g];
    uint32_t bound = 0, taken_back = 0;

    gang->give_up_ns = INT64_MAX;
    for (size_t m = 0; m < gang->members.len; m++) {
        const struct sy_pod_slot *p = &s->cluster.pods.p[gang->members.p[m].pod];
        bound += p->node != SY_NONE && !(p->flags & SY_POD_ASSUMED);
        if (p->user == SY_NONE || !(p->flags & SY_POD_ASSUMED) || !is_in_heap(entry(s, p->user)))
            continue;
        sy_cluster_forget(&s->cluster, gang->members.p[m].pod);
        enter_gang(s, p->user);
        taken_back++;
    }
    if (!taken_back)
        return;
    gang->attempts++;
    gang->retry_ns = now + backoff_ns(s, gang->attempts);
    sy_gangs_touch(&s->gangs, g, true);
    say_rolled_back(s, gang, taken_back, bound);
}

static bool goes_with_gang(const struct sy_sched *s, const struct sy_entry *e)
{
    uint32_t g = sy_gangs_of(&s->gangs, e->pod);

    return g != SY_NONE && s->gangs.all.p[g].state != SY_GANG_OPEN &&
           !(s->cluster.pods.p[e->pod].flags & SY_POD_ASSUMED);
}

/* Looks after gangs whose time has come, and those that room may have come for. */
static void wake_gangs(struct sy_sched *s, sy_time_ns now)
{
    if (!s->gangs.used || (now < s->gangs.next_ns && s->gangs_relief == s->cluster.relief.len))
        return;
    s->gangs_relief = s->cluster.relief.len;
    s->gangs.next_ns = INT64_MAX;
    for (uint32_t g = 0; g < s->gangs.all.len; g++) {
        struct sy_gang *gang = &s->gangs.all.p[g];
        if (!gang->state)
            continue;
        if (gang->give_up_ns <= now)
            roll_back_gang(s, g, now);
        if (gang->state == SY_GANG_WAITING &&
            (gang->relief_seen != s->cluster.relief.len || gang->until_ns <= now)) {
            sy_gangs_touch(&s->gangs, g, true);
        } else if (gang->state == SY_GANG_GATHERING && gang->until_ns <= now) {
            say_gathering(s, gang);
            gang->until_ns = now + s->options.sweep_ns;
        }
        if (gang->state == SY_GANG_GATHERING || gang->state == SY_GANG_WAITING)
            gang_deadline(s, gang->until_ns);
        gang_deadline(s, gang->give_up_ns);
    }
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
        if (!shape || !sy_heap_len(&shape->waiting))
            continue;
        if (sy_shape_is_stale(&s->shapes, shape)) {
            while (shape &&
                   sy_heap_len(&shape->waiting)) { /* the last one may take the shape with it */
                wake_first(s, shape);
                shape = s->shapes.all.p[i];
            }
            continue;
        }
        s->shapes.asking = entry(s, sy_heap_top(&shape->waiting, &s->entries))->pod;
        if (sy_shape_is_relieved(&s->shapes, shape))
            wake_first(s, shape);
    }
}

/* Room that was being made may be there: the pod that it is for looks at once. While more of it is
 * on its way, only if the pod fits already. */
static void wake_nominees(struct sy_sched *s)
{
    for (size_t n = 0; n < s->shapes.nominees.len; n++) {
        const struct sy_nominee *nominee = &s->shapes.nominees.p[n];
        uint32_t i = s->cluster.pods.p[nominee->pod].user;
        struct sy_entry *e = entry(s, i);
        uint64_t generation = s->cluster.node_generation[nominee->node];
        if (e->state != SY_ENTRY_WAITING || e->nominated_seen == generation)
            continue;
        e->nominated_seen = generation;
        s->shapes.asking = nominee->pod;
        if (!is_room_being_made(s, e) || sy_shape_is_stale(&s->shapes, shape_of(s, e)) ||
            sy_shape_fits(&s->shapes, shape_of(s, e), nominee->node, NULL))
            enter_active(s, i);
    }
}

static void end_backoffs(struct sy_sched *s, sy_time_ns now)
{
    for (uint32_t i; (i = sy_heap_top(&s->backoff, &s->entries)) != SY_NO_ENTRY &&
                     entry(s, i)->until_ns <= now;)
        enter_active(s, i);
}

/* Events can be missed (released versions of etcd and of watches have lost some): nobody waits
 * longer than this for a fresh look. */
static void sweep(struct sy_sched *s, sy_time_ns now)
{
    for (uint32_t i; (i = s->waiting_oldest) != SY_NO_ENTRY && entry(s, i)->until_ns <= now;) {
        entry(s, i)->swept = true;
        enter_active(s, i);
        s->stats.incoming_swept++;
    }
}

static sy_time_ns next_deadline(struct sy_sched *s)
{
    sy_time_ns next = s->next_decay_ns;

    if (s->cluster.load.samples)
        next = earlier(next, s->next_fade_ns);
    if (sy_heap_len(&s->backoff))
        next = earlier(next, entry(s, sy_heap_top(&s->backoff, &s->entries))->until_ns);
    if (s->waiting_oldest != SY_NO_ENTRY)
        next = earlier(next, entry(s, s->waiting_oldest)->until_ns);
    if (s->looked_at_generation != s->cluster.generation && s->shapes.waiting_shapes)
        next = earlier(next, s->next_wake_ns);
    if (s->reserved.len)
        next = earlier(next, s->next_volume_ns);
    return s->gangs.used ? earlier(next, s->gangs.next_ns) : next;
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
    if (active) {
        check_volumes(s, now);
        sy_pools_follow(&s->cluster);
        wake_gangs(s, now);
        wake_nominees(s);
        wake_relieved(s, now);
        end_backoffs(s, now);
        sweep(s, now);
        settle_gangs(s, now);
        for (uint32_t cycles = 0; sy_sched_has_work(s) && (!max_cycles || cycles < max_cycles);
             cycles++, settle_gangs(s, now)) {
            uint32_t i = sy_heap_top(&s->active, &s->entries);
            sy_pools_follow(&s->cluster); /* what was placed may close a gate */
            if (goes_with_gang(s, entry(s, i))) {
                attempt_gang(s, i, now);
                continue;
            }
            attempt(s, i, now);
            if (entry(s, i)->state != SY_ENTRY_BINDING && entry(s, i)->state != SY_ENTRY_RESERVED)
                continue;
            struct sy_shape *shape = shape_of(s, entry(s, i));
            if (!sy_heap_len(&shape->waiting))
                continue;
            s->shapes.asking = entry(s, sy_heap_top(&shape->waiting, &s->entries))->pod;
            if (sy_shape_best(&s->shapes, shape).node != SY_NONE)
                wake_first(s, shape);
        }
    }
    s->stats.active = sy_heap_len(&s->active);
    s->stats.backoff = sy_heap_len(&s->backoff);
    s->stats.shape_hits = s->shapes.hits;
    s->stats.shape_builds = s->shapes.builds;
    s->stats.nodes_evaluated = s->shapes.evaluated;
    return active ? next_deadline(s) : s->next_decay_ns;
}

bool sy_sched_has_work(const struct sy_sched *s)
{
    return sy_heap_len(&s->active) && s->in_flight < s->options.binds_in_flight_max;
}

/* -- configuration and figures -- */

void sy_sched_configure(struct sy_sched *s, const struct sy_sched_options *options, sy_time_ns now)
{
    struct sy_profile *old = s->profiles;
    uint32_t old_len = s->options.profiles_len;

    take_options(s, options);
    for (uint32_t slot = 0; slot < s->cluster.pods.len; slot++) {
        struct sy_pod_slot *p = &s->cluster.pods.p[slot];
        if (!(p->flags & SY_POD_ALIVE))
            continue;
        const struct sy_profile *profile = wanted_by(s, p);
        if (p->user == SY_NONE) {
            if (profile && !(p->flags & SY_POD_ASSUMED))
                enqueue(s, slot, profile, now);
            continue;
        }
        /* A shape belongs to a profile, and all profiles are new. A bind in flight keeps a shape
         * only to give it back, so any profile will do. */
        struct sy_entry *e = entry(s, p->user);
        if (e->state == SY_ENTRY_BINDING || e->state == SY_ENTRY_RESERVED) {
            struct sy_shape *shape = shape_of(s, e);
            e->shape = sy_shape_ref(&s->shapes, p, profile ? profile : s->profiles)->id;
            sy_shape_unref(&s->shapes, shape);
        } else {
            pod_changed_in_queue(s, slot, SY_POD_SPEC, now);
        }
    }
    /* Those that wait have all become active; the new order may be another. */
    sy_heap_rebuild(&s->active, &s->entries);
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
    sy_learner_mark(&s->learner, s->strings);
    sy_records_mark(&s->records, s->strings);
    for (uint32_t i = 0; i < s->options.profiles_len; i++) {
        sy_strings_mark(s->strings, s->profile_names[i]);
        mark_args(&s->profiles[i].args, s->strings);
    }
    for (size_t i = 0; i < s->reserved.len; i++)
        sy_volume_work_mark(entry(s, s->reserved.p[i])->volumes, s->strings);
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
