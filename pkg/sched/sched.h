/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler's core as a state machine: inputs (what the API server said, results of binds, the
 * time) go in, decisions come out. No sockets, no clock of its own, no global state: the daemon,
 * the simulators and the tests drive the same object. One thread.
 *
 * Life of a pod: pending pod of ours -> active -> (filter, score, assume) -> BIND decision ->
 * result; or -> unschedulable, grouped by shape, and woken when a changed node passes all filters
 * of that shape, at the latest by the safety sweep. */
#pragma once

#include "base/histogram.h"
#include "base/rng.h"
#include "cluster/cluster.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_sched;

/* A pod that waits gains priority, so that low priority never starves: points for each minute since
 * it was first seen, `most` points at most (0: no limit). For the order of the queue alone: nobody
 * is evicted for it. points_per_minute 0: off. */
struct sy_ageing {
    double points_per_minute;
    double most;
};

/* Of gangs. Zeroed: the defaults, no first claims. */
struct sy_gang_options {
    bool never_preempts;
    int64_t timeout_ns;                         /* 0: 60 s */
    int64_t backoff_initial_ns, backoff_max_ns; /* 0: as for pods */
    int64_t first_claim_ns; /* how long a place that a member leaves is kept for its gang */
};

struct sy_failure_options; /* in sched/failure.h */

struct sy_sched_options {
    const struct sy_profile *profiles; /* copied; at least one */
    uint32_t profiles_len;
    int64_t backoff_initial_ns;           /* 0: 1 s */
    int64_t backoff_max_ns;               /* 0: 10 s */
    int64_t sweep_ns;                     /* safety sweep of unschedulable pods; 0: 30 s */
    uint32_t binds_in_flight_max;         /* 0: 128 */
    uint32_t records_max;                 /* decisions kept for explain (record.h); 0: none */
    const struct sy_pools_options *pools; /* copied; NULL: one pool of all nodes, without a gate */
    const struct sy_queues_options *queues; /* copied; NULL: none, all pods are in one queue */
    /* Beside nvidia.com/gpu, resources of which a unit is a whole GPU. Taken at the start only. */
    const char *const *gpu_resources;
    uint32_t gpu_resources_len;
    struct sy_gang_options gangs;
    struct sy_ageing ageing;                   /* of the order in which pods are looked at */
    int64_t start_half_life_ns;                /* of bind-to-running times; 0: 10 min */
    int64_t failure_half_life_ns;              /* of nodes' failures; 0: a day */
    const struct sy_failure_options *failures; /* copied; NULL: nobody judges nodes */
    bool exact; /* recompute every cached verdict and score and compare; counts differences */
    /* Measures only (durations in metrics), never decides. NULL: no durations. */
    sy_time_ns (*clock)(void);
};

enum sy_decision_kind {
    SY_DECIDE_BIND,      /* POST a binding; answer with sy_sched_bind_result(ticket) */
    SY_DECIDE_CONDITION, /* set PodScheduled=False with reason and message */
    SY_DECIDE_EVENT,     /* emit an event */
    SY_DECIDE_EVICT,     /* make it go as `removal` says, by UID, for `message`; answer with
                            sy_sched_evict_failed() or _later() when that did not work out */
    SY_DECIDE_VOLUME,    /* write `volume`; answer with sy_sched_volume_result(ticket) */
    SY_DECIDE_CLAIM,     /* write `claim`; answer with sy_sched_claim_result(ticket) */
    SY_DECIDE_GROUP,     /* write `group` to the status of the PodGroup `name` */
};

enum sy_removal {
    SY_REMOVE_BY_PREEMPTION, /* condition DisruptionTarget, then a deletion */
    SY_REMOVE_BY_EVICTION,   /* the eviction subresource, which respects budgets */
    SY_REMOVE_BY_FORCE,      /* phase Failed with DisruptionTarget, then a deletion without grace */
};

/* One write that a pod's claims need before the pod is bound. Text as in the decision. */
struct sy_decision_volume {
    const char *volume;     /* this persistent volume gets a claimRef; NULL: the claim gets the
                               annotation volume.kubernetes.io/selected-node */
    const char *version;    /* resourceVersion that the object must still have */
    bool set_by_controller; /* and the annotation pv.kubernetes.io/bound-by-controller */
    const char *ns;
    const char *claim;
    const char *claim_uid;
    const char *claim_version;
    const char *node;
};

/* What the status of a PodGroup is to say. The native one has the condition
 * PodGroupInitiallyScheduled, with reason and message as in the decision; the others a phase. */
struct sy_decision_group {
    uint8_t source; /* enum sy_group_source: which API it is of */
    bool is_scheduled;
    const char *phase; /* NULL: it gets the condition */
    uint32_t running;  /* members that have started; with a phase */
};

/* Text is borrowed until the next call of any sy_sched_ function. */
struct sy_decision {
    enum sy_decision_kind kind;
    uint64_t ticket; /* BIND, VOLUME and CLAIM */
    const char *ns;
    const char *name;
    const char *uid;
    int64_t generation;      /* of the pod, as the decision saw it; 0 when not known */
    const char *node;        /* BIND */
    enum sy_removal removal; /* EVICT */
    const char *gpu_devices; /* BIND: goes with it as an annotation (model/gpu.h); NULL: none */
    const char *reporter;    /* EVENT: the scheduler name that it comes from */
    const char *type;        /* EVENT: "Normal" or "Warning" */
    const char
        *reason; /* EVENT: "Scheduled", "FailedScheduling"; CONDITION: "Unschedulable", ... */
    const char *action;  /* EVENT: "Binding" or "Scheduling" */
    const char *message; /* EVENT, CONDITION and EVICT */
    const char
        *nominated_node; /* CONDITION: status.nominatedNodeName; NULL leaves it, "" clears it */
    const struct sy_decision_volume *volume; /* VOLUME */
    const struct sy_claim_write *claim;      /* CLAIM */
    struct sy_decision_group group;          /* GROUP */
};
/* The decision is the receiver's to carry out; called from inside sy_sched_run() and
 * sy_sched_bind_result(); must not call back into the scheduler. */
typedef void sy_decision_fn(void *arg, const struct sy_decision *decision);

/* in:  strings: borrowed, outlives it, and all ids given to it are of this table; options: copied;
 *      fn, arg: who hears its decisions, until sy_sched_free().
 * out: the caller's to free. Want of memory aborts. O(profiles). */
struct sy_sched *sy_sched_new(struct sy_strings *strings, const struct sy_sched_options *options,
                              sy_decision_fn *fn, void *arg);
/* What is under way is forgotten, without a decision. NULL allowed. */
void sy_sched_free(struct sy_sched *s);
/* New profiles and settings (config reload); pods, assumptions and queue places stay; pods of names
 * that no profile has any more leave the queue. */
void sy_sched_configure(struct sy_sched *s, const struct sy_sched_options *options, sy_time_ns now);
/* The state that it decides on; borrowed. To be read: changes go through the inputs below. */
struct sy_cluster *sy_sched_cluster(struct sy_sched *s);

/* Inputs from the watches. Objects are borrowed for the call; now: boot time, as everywhere here.
 * What is deleted need not be known. Errors: -ENOMEM, -E2BIG (object not taken over; state as
 * before). Cost: O(object), and O(waiting shapes) where what changed may let some fit. */
int sy_sched_pod(struct sy_sched *s, const struct sy_pod *pod, sy_time_ns now) SY_NODISCARD;
void sy_sched_pod_deleted(struct sy_sched *s, struct sy_str uid, sy_time_ns now);
int sy_sched_node(struct sy_sched *s, const struct sy_node *node, sy_time_ns now) SY_NODISCARD;
void sy_sched_node_deleted(struct sy_sched *s, sy_sid name, sy_time_ns now);
/* Around a full list: what was not given between begin and end is deleted at end. */
void sy_sched_pods_replace_begin(struct sy_sched *s);
void sy_sched_pods_replace_end(struct sy_sched *s, sy_time_ns now);
void sy_sched_nodes_replace_begin(struct sy_sched *s);
void sy_sched_nodes_replace_end(struct sy_sched *s, sy_time_ns now);

/* Volumes, claims and what describes storage; as sy_storage_upsert() and its neighbours. Pods that
 * wait for them are looked at in the next sy_sched_run(). */
int sy_sched_storage(struct sy_sched *s, enum sy_storage_kind kind,
                     const void *object) SY_NODISCARD;
void sy_sched_storage_deleted(struct sy_sched *s, enum sy_storage_kind kind, sy_sid ns,
                              sy_sid name);
void sy_sched_storage_replace_begin(struct sy_sched *s, enum sy_storage_kind kind);
void sy_sched_storage_replace_end(struct sy_sched *s, enum sy_storage_kind kind);

enum sy_bind_result {
    SY_BIND_RESULT_OK,
    SY_BIND_RESULT_CONFLICT, /* bound by somebody else, deleted or replaced: a watch event follows
                              */
    SY_BIND_RESULT_GONE,
    SY_BIND_RESULT_REFUSED, /* a definite no: forget, back off, try again */
    SY_BIND_RESULT_UNKNOWN, /* keep the assumption; a definite result follows */
};
/* error: text for the event when REFUSED, else NULL. A ticket that is not in flight is ignored. */
void sy_sched_bind_result(struct sy_sched *s, uint64_t ticket, enum sy_bind_result result,
                          const char *error, sy_time_ns now);

/* What became of a VOLUME decision: error NULL when it is written. One that may have been written
 * is told as an error: the pod is tried again, and finds what is there. */
void sy_sched_volume_result(struct sy_sched *s, uint64_t ticket, const char *error, sy_time_ns now);

enum sy_claim_result {
    SY_CLAIM_RESULT_OK,
    /* The claim was another by then, or may be: what it is now comes with this. */
    SY_CLAIM_RESULT_CONFLICT,
    SY_CLAIM_RESULT_REFUSED, /* a definite no */
};
/* What became of a CLAIM decision. Nothing is told before it is certain whether the write has
 * landed: until then the devices stay taken. claim: as the server gave it with the answer, NULL
 * when it did not; error: NULL when OK. A ticket that is not awaited, 0 among them, brings its
 * claim alone. Whether claims are written at all: sy_devices.are_written. */
void sy_sched_claim_result(struct sy_sched *s, uint64_t ticket, enum sy_claim_result result,
                           const struct sy_device_claim *claim, const char *error, sy_time_ns now);

/* An eviction was refused or lost: the pod may be chosen again. */
void sy_sched_evict_failed(struct sy_sched *s, struct sy_str uid, sy_time_ns now);

/* While held nobody is preempted, as the condition of those that it would help says: for when the
 * disruption budgets are not known. Its end has all who wait look again. Off at first. */
void sy_sched_hold_preemption(struct sy_sched *s, bool held);

/* Decides up to max_cycles pods (0: until nothing is active or binds in flight are at their limit).
 * Returns when to call again at the latest (boot-time ns; INT64_MAX: only after an input). `active`
 * false: only keeps time, decides nothing (not synced, not leader, watch stale). */
sy_time_ns sy_sched_run(struct sy_sched *s, bool active, uint32_t max_cycles, sy_time_ns now);
/* Whether sy_sched_run() would find a pod to decide now. */
bool sy_sched_has_work(const struct sy_sched *s);
/* BIND decisions that await their result, unknown outcomes included. O(1). */
uint32_t sy_sched_binds_in_flight(const struct sy_sched *s);

/* Of one profile. They start anew when its name has gone and comes back. */
struct sy_profile_stats {
    const char *scheduler_name; /* borrowed */
    uint64_t attempts_scheduled, attempts_unschedulable, attempts_error;
    struct sy_histogram attempt_s; /* scheduling_attempt_duration_seconds, result scheduled */
    struct sy_histogram attempt_unschedulable_s;
    /* framework_extension_point_duration_seconds: the look at nodes that found one and that found
     * none, scores included, as filters and scores are asked in one go; the search for victims; a
     * bind from being sent to its answer. */
    struct sy_histogram filter_s, filter_unschedulable_s, post_filter_s, bind_s;
};

enum { SY_SLI_ATTEMPTS = 15 }; /* the last is for so many and more */

struct sy_sched_stats {
    uint64_t attempts_scheduled, attempts_unschedulable, attempts_error;
    uint64_t binds_ok, binds_conflict, binds_refused, binds_unknown, binds_gone;
    uint32_t active, backoff, unschedulable, gated, in_gangs;
    uint64_t incoming_added, incoming_woken, incoming_backoff, incoming_swept;
    uint64_t preemption_attempts, preemption_victims; /* attempts that chose victims, and those */
    struct sy_histogram victims;                      /* preemption_victims: of each such attempt */
    uint64_t gangs_placed, gangs_refused, gangs_error; /* attempts for whole gangs, by their end */
    uint64_t first_claims;                             /* places that were kept for a gang */
    struct sy_histogram gang_wait_s; /* from its oldest member's first sight to a place for all */
    uint64_t rescued_by_sweep;       /* scheduled after only the sweep woke them */
    uint64_t shape_hits, shape_builds, nodes_evaluated;
    uint64_t exact_differences;
    /* Pods of many terms (effort.h): cycles, those that had to let others go first, and looks at
     * one that is not tried. */
    uint64_t costly_attempts, costly_put_off, costly_refused;
    uint64_t pods_refused;           /* objects that could not be taken over */
    struct sy_histogram algorithm_s; /* scheduling_algorithm_duration_seconds */
    /* pod_scheduling_sli_duration_seconds, by how many attempts it took, from 1. */
    struct sy_histogram sli_s[SY_SLI_ATTEMPTS];
    struct sy_histogram attempts; /* pod_scheduling_attempts */
};
/* Counters since the start and gauges of now; borrowed, changes with the next call. */
const struct sy_sched_stats *sy_sched_stats(const struct sy_sched *s);
/* Gangs that have not the members or the room that they need. O(gangs). */
uint32_t sy_sched_gangs_waiting(const struct sy_sched *s);
/* Places that are kept for a gang's member to come, now. O(1). */
uint32_t sy_sched_first_claims_len(const struct sy_sched *s);
/* One for each profile, in their order. */
const struct sy_profile_stats *sy_sched_profile_stats(const struct sy_sched *s, uint32_t *ret_len);

/* Between sy_strings_mark_begin() and _sweep() of its table: marks every id that it holds. Throws
 * caches away that hold many, so call it when little is going on, outside all other calls. Cost:
 * O(all that is kept), and shapes are evaluated anew. */
void sy_sched_mark(struct sy_sched *s);

/* unschedulable_pods: how many of those that wait under a profile one of its filters has a say in
 * keeping back. */
struct sy_refused_pods {
    const char *scheduler_name, *filter; /* borrowed */
    uint32_t pods;
};
/* Calls back for each that is not 0. Members of gangs are not counted. O(shapes x filters). */
void sy_sched_refused_pods(const struct sy_sched *s,
                           void (*each)(void *arg, const struct sy_refused_pods *refused),
                           void *arg);

/* Utilization of the whole cluster per resource, for the table and /metrics: alive nodes only. */
struct sy_utilization {
    sy_sid resource;
    int64_t used;
    int64_t total;
};
/* Writes up to room entries, returns how many resources there are. O(nodes x resources). */
uint32_t sy_sched_utilization(const struct sy_sched *s, struct sy_utilization *ret, uint32_t room);
