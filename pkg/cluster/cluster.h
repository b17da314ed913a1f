/* SPDX-License-Identifier: Apache-2.0
 *
 * The state that decisions are made on: nodes, pods, what each node has left, and the assumptions
 * that we made and the API server has not confirmed yet. All pods on a node count, whatever their
 * scheduler. Pure: no I/O, no clock. One thread.
 *
 * Hot data are columns indexed by node slot. A slot is stable while its node exists or pods are
 * charged to it; generations are drawn from one counter that never goes back. Every change that a
 * filter or scorer can see is noted in a log of slots, so that caches re-evaluate only those. */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "cluster/budgets.h"
#include "cluster/counters.h"
#include "cluster/devices.h"
#include "cluster/gpus.h"
#include "cluster/images.h"
#include "cluster/load.h"
#include "cluster/pools.h"
#include "cluster/shares.h"
#include "cluster/specs.h"
#include "cluster/storage.h"
#include "cluster/trial.h"
#include "cluster/turns.h"
#include "cluster/workloads.h"
#include "model/node.h"
#include "model/pod.h"

#include <stdbool.h>
#include <stdint.h>

#define SY_NONE UINT32_MAX /* no such slot */

/* A pod is charged at most this much of a resource, so that no sum over the pods that fit on a node
 * can wrap. More than a pebibyte, or a million million cores, is on no node. */
#define SY_CHARGE_MAX ((int64_t)1 << 50)

enum {
    SY_COLUMN_CPU_MILLI,
    SY_COLUMN_MEMORY_BYTES,
    SY_COLUMN_EPHEMERAL_BYTES,
    SY_COLUMN_PODS,
    SY_COLUMN_FIRST_EXTENDED,
    SY_COLUMNS_MAX = 512, /* further resource names are refused: no pod that asks for one fits */
};

/* One resource over all node slots. */
struct sy_column {
    sy_sid resource;
    int64_t *allocatable; /* as the node says, negative values as 0 */
    int64_t *used;        /* requests of all non-terminal pods, assumed ones included */
};

enum sy_node_flags {
    SY_NODE_ALIVE = 1 << 0, /* the API server has it; else only pods refer to it */
    SY_NODE_UNSCHEDULABLE = 1 << 1,
    SY_NODE_READY = 1 << 2,
    SY_NODE_SEEN = 1 << 3, /* in the replacement that is going on */
};

/* Whether pods are placed on a node, in the judgement of who follows failures (sched/failure.h). */
enum sy_node_health {
    SY_HEALTH_GOOD,
    SY_HEALTH_SUSPECT,
    SY_HEALTH_NOT_READY,
    SY_HEALTH_HELD_DOWN, /* it has come back, and is to prove itself */
};

struct sy_node_slot {
    struct sy_arena arena; /* holds `node` */
    struct sy_node node;   /* valid while ALIVE; name always */
    uint32_t first_pod;    /* head of the list of pods charged here */
    uint32_t pods_len;
    uint32_t volumes_len; /* of those pods; those that may count against a CSI driver's limit */
    SY_VEC(struct sy_host_port) ports; /* host ports of those pods, in no order */
};

enum sy_pod_flags {
    SY_POD_ALIVE = 1 << 0,
    SY_POD_ASSUMED = 1 << 1, /* charged to `node` by our decision, not confirmed by a watch event */
    SY_POD_TERMINATING = 1 << 2,
    SY_POD_GATED = 1 << 3,
    SY_POD_SEEN = 1 << 4, /* in the replacement that is going on */
    SY_POD_RUNNING = 1 << 5,
    SY_POD_NEVER_PREEMPTS = 1 << 6,
    SY_POD_EVICTED = 1 << 7, /* we have asked for its deletion */
    SY_POD_HOLD = 1 << 8,    /* no pod, but room that is held for one (sched/holds.h) */
};

struct sy_pod_slot {
    const struct sy_shared_spec *spec;
    const struct sy_shared_labels *labels;
    char *name; /* owned block: name NUL uid NUL */
    const char *uid;
    uint64_t uid_hash;
    uint64_t owner;       /* sy_cluster_owner_hash() of its controlling owner */
    uint64_t claimant;    /* what is held for one pod others with the same may take; 0: none */
    uint64_t gpu_devices; /* as bits: its annotation's, or what it gets as assumed; 0: not known */
    int64_t generation;   /* metadata.generation */
    int64_t created_wall_ns;
    int64_t started_wall_ns;
    sy_time_ns bound_ns; /* when our bind was acknowledged; 0: not ours or long ago */
    sy_sid ns;
    sy_sid nominated_node;
    sy_sid priority_class;
    uint32_t node; /* slot it is charged to, or SY_NONE */
    uint32_t next_on_node, prev_on_node;
    int32_t priority;
    uint16_t flags; /* enum sy_pod_flags */
    uint16_t queue; /* of the shares that it counts in; SY_NO_QUEUE while there are no queues */
    uint32_t user;  /* for pkg/sched: index of its queue entry, or SY_NONE */
};

/* Ring of the node slots that changed. Entry number n (from 1) is ring[n % SY_LOG_ROOM]; a reader
 * keeps the number up to which it has read, and starts over when that is before `len -
 * SY_LOG_ROOM`. */
enum { SY_LOG_ROOM = 16384 };
struct sy_change_log {
    uint32_t *ring;
    uint64_t len; /* entries ever written */
};

struct sy_namespace {
    sy_sid name;
    const struct sy_shared_labels *labels;
    bool is_seen; /* in the replacement that is going on */
};

struct sy_kept_budget {
    struct sy_budget budget; /* its pointers go into `packed` */
    const struct sy_shared_spec *packed;
    bool is_seen;
};

struct sy_cluster {
    struct sy_strings *strings; /* borrowed */
    struct sy_resource_names names;
    struct sy_specs *specs;

    uint32_t nodes_len; /* node slots in use or free: loops go to here */
    uint32_t nodes_alive;
    uint32_t nodes_room;
    struct sy_node_slot *nodes;
    uint8_t *node_flags;
    uint8_t *node_health; /* enum sy_node_health */
    uint64_t *node_generation;
    uint32_t columns_len;
    struct sy_column columns[SY_COLUMNS_MAX];
    int64_t *used_nonzero_cpu_milli; /* with kube-scheduler's defaults for pods that ask for none */
    int64_t *used_nonzero_memory_bytes;
    float *performance; /* factors of the dynamic weight in [0,1]; 1 for a node without history */
    float *reliability;
    float *start_s;     /* how long pods take there from bind to running, s; 0: not known yet */
    uint32_t *starting; /* pods that are charged and do not run yet */
    bool starts_matter; /* some scorer reads these two: then they are changes of the node */
    struct sy_map node_by_name; /* hash of the name's id to slot */
    SY_VEC(uint32_t) free_nodes;

    SY_VEC(struct sy_pod_slot) pods;
    SY_VEC(uint32_t) free_pods;
    uint32_t pods_alive;
    uint32_t pods_assumed;
    struct sy_map pod_by_uid;

    uint64_t generation;          /* of the last change of any node */
    struct sy_change_log changes; /* every change that a filter or scorer can see */
    struct sy_change_log relief;  /* those that can make room: for waking what waits */
    /* Bumped when something changed that touches all nodes (a model's normaliser, columns). */
    uint64_t epoch;
    /* Largest allocatable of any alive node: what the models normalise capacity by. */
    int64_t max_cpu_milli;
    int64_t max_memory_bytes;
    struct sy_arena scratch;
    struct sy_counters counters;
    SY_VEC(struct sy_namespace) namespaces;
    bool namespaces_unknown; /* the API server does not let us read them */
    SY_VEC(struct sy_kept_budget) budgets;
    uint32_t trial_depth;         /* see sy_cluster_trial_begin() */
    SY_VEC(uint32_t) trial_nodes; /* that this trial changed; some more than once */
    struct sy_trial trial;
    /* Label keys that any selector seen so far names: other labels are nobody's concern, so pods
     * that differ in them alone (a StatefulSet's pod name) still have one shape. Only grows. */
    struct sy_map selector_keys;
    bool labels_matter;                /* some selector or carrier has been seen */
    uint64_t selectors_generation;     /* grows with either */
    uint32_t nodes_prefer_no_schedule; /* alive nodes with a PreferNoSchedule taint */
    struct sy_images images;
    struct sy_storage storage;
    struct sy_devices devices;
    struct sy_gpus gpus;
    struct sy_workloads workloads;
    struct sy_load load;
    struct sy_pools pools;
    struct sy_shares shares;
    struct sy_turns turns[SY_TURNS];
};

/* Everything here runs on one thread. Where no error is named, only want of memory can stop it, and
 * that aborts. Where no cost is named, it is O(1). */

/* strings: borrowed, outlives c; every id given to c is of this table. */
void sy_cluster_init(struct sy_cluster *c, struct sy_strings *strings);
/* Frees all that c holds, not c itself. */
void sy_cluster_done(struct sy_cluster *c);

/* What an upsert changed, for the scheduling queue. */
enum sy_node_change {
    SY_NODE_ADDED = 1 << 0,
    SY_NODE_ALLOCATABLE = 1 << 1,
    SY_NODE_LABELS = 1 << 2,
    SY_NODE_TAINTS = 1 << 3,
    SY_NODE_SCHEDULABLE = 1 << 4,
    SY_NODE_READINESS = 1 << 5,
    SY_NODE_OTHER = 1 << 6, /* images, annotations, uid */
};

/* Adds or updates a node. node is borrowed (its ids must be of c->strings). A heartbeat that
 * changes nothing that scheduling looks at costs one comparison and leaves no trace. out:
 * *ret_slot; *ret_change mask of enum sy_node_change, 0 when nothing changed. errors: -ENOMEM,
 * -E2BIG. */
int sy_cluster_node_upsert(struct sy_cluster *c, const struct sy_node *node, uint32_t *ret_slot,
                           uint32_t *ret_change) SY_NODISCARD;
/* The node is gone; its pods stay charged to the slot until they go too. Returns its slot or
 * SY_NONE. */
uint32_t sy_cluster_node_delete(struct sy_cluster *c, sy_sid name);
/* The slot of the node of that name, SY_NONE when there is none. It may be gone and have pods
 * charged to it still: see sy_cluster_node_is_alive(). */
uint32_t sy_cluster_node_find(const struct sy_cluster *c, sy_sid name);
static inline bool sy_cluster_node_is_alive(const struct sy_cluster *c, uint32_t slot)
{
    return c->node_flags[slot] & SY_NODE_ALIVE;
}

enum sy_pod_change {
    SY_POD_ADDED = 1 << 0,
    SY_POD_BOUND = 1 << 1,     /* became charged to a node by the API server's word */
    SY_POD_CONFIRMED = 1 << 2, /* our assumption was confirmed as it was */
    SY_POD_MOVED = 1 << 3,     /* the API server has it on another node than we assumed */
    SY_POD_FREED = 1 << 4,     /* resources were given back */
    SY_POD_SPEC = 1 << 5,      /* spec, labels or priority differ */
    SY_POD_GATES = 1 << 6,
    SY_POD_STARTED = 1 << 7, /* went to Running */
    SY_POD_DELETING = 1 << 8,
};

/* Adds or updates a pod as the API server has it (borrowed). A terminal pod is treated as deleted
 * (then *ret_slot is SY_NONE). An assumption survives updates that do not bind. *ret_change: mask
 * of enum sy_pod_change. errors: -ENOMEM, -E2BIG; then all is as before. O(pod). */
int sy_cluster_pod_upsert(struct sy_cluster *c, const struct sy_pod *pod, uint32_t *ret_slot,
                          uint32_t *ret_change) SY_NODISCARD;
/* The slot of the pod with that UID, SY_NONE when there is none. */
uint32_t sy_cluster_pod_find(const struct sy_cluster *c, struct sy_str uid);
/* Removes a pod, gives its resources back. Returns the node slot that was freed, or SY_NONE. */
uint32_t sy_cluster_pod_delete(struct sy_cluster *c, uint32_t slot);

/* Charges an unbound pod to a node before the API server knows. Returns -EBUSY when it is bound or
 * assumed already. Does not check fit: the scheduler has. */
int sy_cluster_assume(struct sy_cluster *c, uint32_t pod, uint32_t node) SY_NODISCARD;
/* Takes an assumption back; no effect on a pod that the API server has bound. */
void sy_cluster_forget(struct sy_cluster *c, uint32_t pod);
/* The same for one that was made since anybody was told that nothing fits: as there is no more room
 * than there was then, nobody is to look again. */
void sy_cluster_take_back(struct sy_cluster *c, uint32_t pod);

/* What-if (may be nested): between begin and end, pods may be taken off their nodes and put back,
 * and filters asked; nothing of it reaches the change logs, so all must be as it was at the end.
 * What follows the logs looks at trial_nodes too, and again once the trial is over. */
void sy_cluster_trial_begin(struct sy_cluster *c);
void sy_cluster_trial_end(struct sy_cluster *c);
/* By slot: takes a pod off its node; puts one that has no node on one. O(its resources, ports and
 * labels). */
void sy_cluster_trial_remove(struct sy_cluster *c, uint32_t pod);
void sy_cluster_trial_restore(struct sy_cluster *c, uint32_t pod, uint32_t node);

/* The column of a resource, SY_NONE when no node and no pod named it yet. */
uint32_t sy_cluster_column(const struct sy_cluster *c, sy_sid resource);

/* Replacement of all pods after a list: begin, upsert each, then take the slots that were not seen
 * again (the caller deletes them). *at starts at 0; returns SY_NONE at the end. */
void sy_cluster_pods_replace_begin(struct sy_cluster *c);
uint32_t sy_cluster_pods_next_unseen(const struct sy_cluster *c, uint32_t *at);
void sy_cluster_nodes_replace_begin(struct sy_cluster *c);
uint32_t sy_cluster_nodes_next_unseen(const struct sy_cluster *c, uint32_t *at);

/* The node counts as changed. relief: the change may let a pod fit that did not before. For files
 * of this folder and for who keeps more about nodes. */
void sy_cluster_touch(struct sy_cluster *c, uint32_t node, bool relief);

/* Says whether pods are placed there. */
void sy_cluster_set_health(struct sy_cluster *c, uint32_t node, enum sy_node_health health);

/* Sets the factors of the dynamic weight that are learned, in [0,1]. */
void sy_cluster_set_factors(struct sy_cluster *c, uint32_t node, float performance,
                            float reliability);

/* Sets what was learned of the time from bind to running. */
void sy_cluster_set_start(struct sy_cluster *c, uint32_t node, float start_s);

/* Notes that pods' labels are compared with a selector from now on. */
void sy_cluster_note_selector(struct sy_cluster *c, const struct sy_selector *selector);
/* Notes all selectors of a spec's own affinity terms and spread constraints. */
void sy_cluster_note_spec(struct sy_cluster *c, const struct sy_pod_spec *spec);
/* The labels whose keys selectors name: at most labels.len go to room. Returns how many. */
uint32_t sy_cluster_relevant_labels(const struct sy_cluster *c, struct sy_labels labels,
                                    struct sy_label *room);

/* Labels of a namespace, for namespace selectors; borrowed until it changes, and none of one that
 * is not known. Upsert: labels are copied; 0 or -ENOMEM. O(namespaces). */
struct sy_labels sy_cluster_namespace_labels(const struct sy_cluster *c, sy_sid name);
bool sy_cluster_namespace_is_known(const struct sy_cluster *c, sy_sid name);
int sy_cluster_namespace_upsert(struct sy_cluster *c, sy_sid name,
                                struct sy_labels labels) SY_NODISCARD;
void sy_cluster_namespace_delete(struct sy_cluster *c, sy_sid name);
void sy_cluster_namespaces_replace_begin(struct sy_cluster *c);
void sy_cluster_namespaces_replace_end(struct sy_cluster *c); /* drops those not given since */

/* Marks every string id held here. */
void sy_cluster_mark(const struct sy_cluster *c);
/* Recomputes all sums from the pods and compares; the first difference as text, or NULL when equal.
 * Cost O(nodes x columns + pods). For tests, the simulator and the audit. */
const char *sy_cluster_audit(const struct sy_cluster *c, char *text, size_t text_size);
