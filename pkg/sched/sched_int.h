/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler's own state, for the files that it is written in: sched.c (what comes in, cycles,
 * time), sched_queue.c (where an entry stands), sched_say.c (decisions that go out),
 * sched_reserve.c (claims before a bind, and binds), sched_preempt.c, sched_gang.c,
 * sched_groups.c and sched_failure.c. Nobody else includes it; neighbours that only look use
 * inside.h. All of it runs on the scheduler's thread; an entry is named by its index `i`, which
 * stays, while pointers to entries last until one is made. Where no cost is given it is
 * O(log pending). */
#pragma once

#include "sched/claims.h"
#include "sched/failure.h"
#include "sched/gang.h"
#include "sched/gang_plan.h"
#include "sched/inside.h"
#include "sched/learn.h"
#include "sched/queue.h"
#include "sched/recovery.h"
#include "sched/sched.h"
#include "sched/shape.h"

enum { SY_SCHED_NOTE_MAX_BYTES = 1024 };

/* A place that a gang's member has left, kept for the gang. */
struct sy_first_claim {
    uint32_t stand_in; /* slot of a pod that is nominated there in place of the one to come */
    uint32_t node;
    sy_sid ns, name; /* of the gang */
    uint8_t source;
    bool is_used; /* by the attempt that is going on */
    sy_time_ns until_ns;
};

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
    struct sy_heap active; /* where there are no queues that share the cluster */
    struct {
        SY_VEC(struct sy_heap) heaps; /* the active ones of each queue */
        uint64_t relief_seen;         /* of the shares, when those that wait were last looked at */
    } quota;
    uint32_t active_len;
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
    SY_VEC(struct sy_first_claim) first_claims;
    struct sy_failures failures;
    struct sy_recovery recovery;
    uint64_t gangs_relief; /* entries of the cluster's relief log that waiting gangs know of */
    uint64_t next_serial;
    uint64_t looked_at_generation; /* of the cluster, when waiting shapes were last looked at */
    sy_time_ns next_wake_ns;
    sy_time_ns next_decay_ns;
    sy_time_ns next_fade_ns; /* of measured load */
    sy_time_ns costly_ns;    /* the next pod whose cycle costs much has its turn then */

    sy_decision_fn *decide;
    void *decide_arg;
    struct sy_sched_stats stats;
};

static inline struct sy_entry *sy_sched_entry(struct sy_sched *s, uint32_t i)
{
    return &s->entries.all.p[i];
}

static inline struct sy_shape *sy_sched_shape_of(struct sy_sched *s, const struct sy_entry *e)
{
    return s->shapes.all.p[e->shape];
}

static inline sy_time_ns sy_time_earlier(sy_time_ns a, sy_time_ns b)
{
    return a < b ? a : b;
}

static inline sy_time_ns sy_sched_measure(const struct sy_sched *s)
{
    return s->options.clock ? s->options.clock() : 0;
}

/* -- sched.c -- */

/* Of the profile that the entry's shape has. Borrowed. O(1). */
struct sy_profile_stats *sy_sched_stats_of(struct sy_sched *s, const struct sy_entry *e);
/* The profile with that name, or NULL: pods that name it are not ours. Borrowed. O(profiles). */
const struct sy_profile *sy_sched_profile_of(const struct sy_sched *s, sy_sid scheduler_name);
/* The profile to schedule a pod under; NULL when it is not ours to schedule. O(profiles). */
const struct sy_profile *sy_sched_wanted_by(const struct sy_sched *s, const struct sy_pod_slot *p);

/* -- sched_queue.c -- */

/* Takes the entry out of whatever holds it, with the claims that it has there. */
void sy_sched_leave(struct sy_sched *s, uint32_t i);
/* Each moves the entry from wherever it is. Active: it is tried in order of priority. */
void sy_sched_enter_active(struct sy_sched *s, uint32_t i);
/* Under its shape, until room comes or the sweep. */
void sy_sched_enter_waiting(struct sy_sched *s, uint32_t i, sy_time_ns now);
void sy_sched_enter_backoff_until(struct sy_sched *s, uint32_t i, sy_time_ns until);
/* For as long as its attempts ask for. */
void sy_sched_enter_backoff(struct sy_sched *s, uint32_t i, sy_time_ns now);
void sy_sched_enter_gated(struct sy_sched *s, uint32_t i);
/* It waits for its gang. */
void sy_sched_enter_gang(struct sy_sched *s, uint32_t i);
/* A pod that is to be looked at: at once, or with its gang. */
void sy_sched_enter_queue(struct sy_sched *s, uint32_t i);
/* How long to wait after that many attempts: `first`, doubling, `most` at most. O(attempts). */
int64_t sy_sched_doubled_ns(int64_t first, int64_t most, uint32_t attempts);
/* A nomination is room that is being made for a pod on a node; others heed its claim
 * (sy_shapes.nominees). A new one ends the last one. O(nominations). */
void sy_sched_nominate(struct sy_sched *s, struct sy_entry *e, uint32_t node);
void sy_sched_end_nomination(struct sy_sched *s, struct sy_entry *e);
/* The entry's job is done, or its pod is nothing of ours any more; frees it. */
void sy_sched_drop_entry(struct sy_sched *s, uint32_t i);
/* Finds the shape anew: selectors that came up since may tell pods of one shape apart. */
void sy_sched_renew_shape(struct sy_sched *s, struct sy_entry *e);
/* The first that waits under the shape is tried again. */
void sy_sched_wake_first(struct sy_sched *s, struct sy_shape *shape);

/* -- sched_quota.c -- */

/* For sched_queue.c: an entry becomes active, ends to be so; and waits in any way, or does not. */
void sy_sched_push_active(struct sy_sched *s, uint32_t i);
void sy_sched_remove_active(struct sy_sched *s, uint32_t i);
void sy_sched_count_waiting(struct sy_sched *s, uint32_t i);
void sy_sched_uncount_waiting(struct sy_sched *s, uint32_t i);
/* The entry whose turn it is, SY_NO_ENTRY: none is active. O(queues). */
uint32_t sy_sched_next_active(struct sy_sched *s);
/* Whether the queue may have one more pod of the shape; notes it when not. O(queues). */
bool sy_sched_has_quota(struct sy_sched *s, struct sy_shape *shape);
/* Has an entry that was in no place wait, and says why, when its queue may not have it now. */
bool sy_sched_is_held(struct sy_sched *s, uint32_t i, sy_time_ns now);
/* The same for a gang as a whole. */
bool sy_sched_is_gang_held(struct sy_sched *s, struct sy_gang *gang,
                           const struct sy_gang_plan *plan, sy_time_ns now);
/* Why their queue may not have as many of the plan's pods as are needed, owned by the caller; NULL:
 * it may. */
char *sy_sched_why_no_quota(struct sy_sched *s, const struct sy_gang_plan *plan);
/* Has those looked at again that a quota held up and does not any more. O(shapes) after a change.
 */
void sy_sched_wake_quota(struct sy_sched *s);
/* Around a new configuration: all active entries go to the one heap; then each is to enter anew. */
void sy_sched_close_queues(struct sy_sched *s);
void sy_sched_open_queues(struct sy_sched *s, const struct sy_queues_options *options);
/* After a change of the ageing. O(active). */
void sy_sched_rebuild_active(struct sy_sched *s);

/* -- sched_say.c -- */

/* Fills in which pod d is about, and who reports it unless that is set, and hands it out. */
void sy_sched_decide_about(struct sy_sched *s, const struct sy_entry *e, struct sy_decision *d);
/* reporter: NULL for the pod's own scheduler name. The message is cut as kube-scheduler's
 * truncateMessage cuts it. O(message). */
void sy_sched_emit_event(struct sy_sched *s, const struct sy_entry *e, const char *reporter,
                         const char *type, const char *reason, const char *action,
                         const char *message);
/* Writes the condition and the event, if they say something new. nominated_node: as in the
 * decision. O(message). */
void sy_sched_say(struct sy_sched *s, struct sy_entry *e, const char *reason, const char *message,
                  const char *nominated_node);
/* What `e->said_hash` has of a condition that was written. O(message). */
uint64_t sy_sched_hash_said(const char *reason, struct sy_str message);
/* For explain: an attempt that placed nothing, and one that did, before the pod is assumed. */
void sy_sched_record_refusal(struct sy_sched *s, const struct sy_entry *e, enum sy_record_kind kind,
                             const char *why, sy_time_ns now);
void sy_sched_record_choice(struct sy_sched *s, const struct sy_entry *e, uint32_t node,
                            sy_time_ns now);

/* -- sched_reserve.c -- */

/* Holds the devices and volumes of an assumed pod. False: they cannot be had; *ret_error, owned by
 * the caller, says why. */
bool sy_sched_hold(struct sy_sched *s, uint32_t i, uint32_t node, char **ret_error);
/* Sees to what is held for an assumed pod, and binds it. */
void sy_sched_proceed(struct sy_sched *s, uint32_t i, uint32_t node, sy_time_ns now);
/* Both; where nothing can be held the attempt has failed. */
void sy_sched_reserve(struct sy_sched *s, uint32_t i, uint32_t node, sy_time_ns now);
void sy_sched_drop_claims(struct sy_sched *s, struct sy_entry *e);
/* Binds the pods whose claims are ready. Asked in every turn; looks, in O(reserved), when something
 * has changed. */
void sy_sched_check_volumes(struct sy_sched *s, sy_time_ns now);

/* -- sched_preempt.c -- */

/* Whether what was to make room for the pod is still on its way out. O(pods of the node). */
bool sy_sched_is_room_being_made(struct sy_sched *s, const struct sy_entry *e);
/* Tries to make room: text for the message, owned by the caller; *ret_node as in the decision.
 * O(nodes), see preempt.h. */
char *sy_sched_preempt(struct sy_sched *s, uint32_t i, const char **ret_node);

/* Tries to make room for a gang whose plan failed: its victims are noted in it and its members
 * nominated. What to say of it, owned by the caller; NULL: nobody was evicted. */
struct sy_gang_plan;
char *sy_sched_preempt_for_gang(struct sy_sched *s, struct sy_gang *gang,
                                const struct sy_gang_plan *plan);

/* Whom the preemption of a plan that failed would evict, if it may; for one pod as for several.
 * Evicts nobody. ret: to be released by sy_gang_preemption_done(). */
struct sy_gang_preemption;
void sy_sched_find_victims(struct sy_sched *s, const struct sy_gang_plan *plan,
                           struct sy_gang_preemption *ret);

/* -- sched_effort.c -- */

/* Whether the pod's cycle costs so much that it takes turns (effort.h). O(terms). */
bool sy_sched_is_costly(const struct sy_sched *s, const struct sy_entry *e);
/* Has an active entry, whose turn it would be, come back later if it, or the gang that it stands
 * for, costs much and others have not had their share, or costs too much. O(terms). */
bool sy_sched_put_off(struct sy_sched *s, uint32_t i, sy_time_ns now);
/* -- sched_failure.c -- */

/* Follows a pod that was given, after its gang is known. O(its labels). */
void sy_sched_failure_pod(struct sy_sched *s, uint32_t slot, const struct sy_pod *pod);
/* Deletes a node. O(nominations). */
void sy_sched_failure_node_gone(struct sy_sched *s, sy_sid name, sy_time_ns now);
/* What stands in for pods that are to come is in no list of pods: it stays. O(holds). */
void sy_sched_holds_seen(struct sy_sched *s);
/* Nothing is held any more. O(holds). */
void sy_sched_drop_holds(struct sy_sched *s);
/* The pod is to be bound to the node: what was held for it is held no more. O(holds). */
void sy_sched_take_hold(struct sy_sched *s, struct sy_entry *e, uint32_t node);
/* It is bound. O(log buckets). */
void sy_sched_failure_bound(struct sy_sched *s, const struct sy_entry *e, sy_time_ns now);
/* Does what is due about failed nodes; returns when to be called again at the latest. O(1) while
 * none has changed and nothing is due; else O(nodes + pods of failed nodes + holds x a look). */
sy_time_ns sy_sched_tend_failures(struct sy_sched *s, bool active, sy_time_ns now);

/* -- sched_gang.c -- */

/* Puts every gang that something has changed about where it belongs. O(members of those). */
void sy_sched_settle_gangs(struct sy_sched *s, sy_time_ns now);
/* One scheduling cycle for a whole gang, when its head's turn has come. See gang_plan.h. */
void sy_sched_attempt_gang(struct sy_sched *s, uint32_t i, sy_time_ns now);
/* Whether an active entry stands for its gang. O(1). */
bool sy_sched_goes_with_gang(const struct sy_sched *s, const struct sy_entry *e);
/* Looks after gangs whose time has come, and those that room may have come for. O(gangs) when any
 * has. */
void sy_sched_wake_gangs(struct sy_sched *s, sy_time_ns now);

/* -- sched_first_claim.c -- */

/* Before a pod is forgotten: keeps its place, where it was of a gang that is broken by that.
 * O(gang) for a bound member of a gang. */
void sy_sched_member_leaves(struct sy_sched *s, uint32_t slot, sy_time_ns now);
/* Ends those whose time is over. O(claims). */
void sy_sched_end_first_claims(struct sy_sched *s, sy_time_ns now);
/* When the next one ends. O(claims). */
sy_time_ns sy_sched_next_first_claim(const struct sy_sched *s);
/* At the end of a list of all pods, in which they are not. */
void sy_sched_keep_stand_ins(struct sy_sched *s);
/* Around an attempt to place members: the gang's own claims are out of its way. Those that were
 * used are over at the end. */
void sy_sched_lift_first_claims(struct sy_sched *s, const struct sy_gang *gang);
void sy_sched_restore_first_claims(struct sy_sched *s, const struct sy_gang *gang);
/* A node that is kept for the pod's gang and where the pod fits, or SY_NONE; it counts as used. */
uint32_t sy_sched_use_first_claim(struct sy_sched *s, uint32_t pod, struct sy_shape *shape);
/* What was used is not, after all. */
void sy_sched_unuse_first_claims(struct sy_sched *s, const struct sy_gang *gang);
void sy_sched_first_claims_mark(const struct sy_sched *s);

/* -- sched_groups.c -- */

/* Has the status of the gang's PodGroup, if it has one, say how it stands; only what is new is
 * written. O(members). */
void sy_sched_tell_group(struct sy_sched *s, const struct sy_gang *gang,
                         const struct sy_gang_count *n);
/* The same of a gang that was not placed. */
void sy_sched_tell_group_failed(struct sy_sched *s, const struct sy_gang *gang, const char *reason,
                                const char *message);
