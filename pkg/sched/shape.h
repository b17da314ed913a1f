/* SPDX-License-Identifier: Apache-2.0
 *
 * A shape is all that filters and scorers look at in a pod; pods of equal shape share their
 * verdicts and scores. Plugins that look at one node alone are cached per node and asked again only
 * about nodes that changed; a tournament tree over the sums gives the best node at its root.
 * Plugins that look across nodes, or normalise, are asked in each cycle, over the nodes that the
 * cached ones passed. The result is exact: sy_shape_check() recomputes everything and compares. */
#pragma once

#include "policy/policy.h"
#include "sched/queue.h"

struct sy_shape_cache;

struct sy_shape {
    const struct sy_shared_spec *spec;     /* a reference held; NULL when the id is free */
    const struct sy_shared_labels *labels; /* the relevant ones, a reference held */
    sy_sid ns;                             /* 0 when nothing asks for it */
    uint64_t owner;                        /* 0 when nothing asks for it */
    bool passes_gates;                     /* false when nothing asks for it */
    bool waits_for_quota; /* its pods may not be placed, as the queue may have no more of them */
    uint16_t queue;       /* of the shares; SY_NO_QUEUE when there are none */
    uint64_t pod;         /* hash of the UID of the one pod that has this shape; 0: any may */
    char *pod_name;       /* its name and, behind the NUL, its UID; owned, NULL without `pod` */
    const struct sy_profile *profile;
    uint32_t id;
    uint32_t refs; /* queue entries */
    uint64_t
        selectors_generation; /* of the cluster when the key was made: else it may be too coarse */
    struct sy_heap waiting;
    uint64_t relief_seen; /* entries of the cluster's relief log taken into account for `waiting` */
    uint64_t looked_at;   /* cluster generation of the last look for `waiting` (global shapes) */
    uint64_t view_epoch;  /* of the cluster, when `view` was resolved */
    struct sy_shape_view view;
    struct sy_arena arena; /* state of the cached plugins */
    struct sy_shape_plugins *plugins;
    /* Whose cache is used: its own, or that of a shape that is the same to the cached plugins, a
     * reference held. For pods that are the only ones of their shape, but for their volumes and
     * claims like others. */
    struct sy_shape *base;
    struct sy_shape_cache *cache;     /* NULL when not built or evicted */
    struct sy_kept kept[SY_KEPT_LEN]; /* goes with the cache */
    size_t kept_bytes;                /* of these, as counted in cache_bytes */
    uint64_t last_used;
    sy_time_ns recorded_ns; /* the last decision whose points were recorded */
    char *message;          /* why no node fits; owned */
    bool message_is_local;  /* no global filter had a say */
    uint64_t refusing;      /* bit i: the profile's filter i has a say in the message */
    uint64_t message_generation;
    uint64_t message_epoch;
    /* The last time that preemption could not help: the same again while nothing changed. */
    char *no_help; /* owned */
    uint64_t no_help_generation;
    int32_t no_help_priority;
};

/* Room that is being made on a node for a pod that waits. */
struct sy_nominee {
    uint32_t pod;
    uint32_t node;
};

/* A look at all nodes, as far as the next one would find the same. */
struct sy_pass_stamp {
    const struct sy_shape *shape; /* NULL: nothing is known */
    uint64_t generation, epoch, storage, devices, nominations;
    uint32_t asking;
};

struct sy_shapes {
    struct sy_cluster *cluster;
    struct sy_policy_texts texts;
    SY_VEC(struct sy_shape *) all; /* by id */
    SY_VEC(uint32_t) free;
    struct sy_map by_key;
    SY_VEC(struct sy_verdict) verdicts; /* distinct ones, by id; 0 is "fits" */
    struct sy_map verdict_by_hash;
    uint32_t last_verdict; /* interned */
    size_t cache_bytes;
    size_t cache_bytes_max;
    uint64_t use_clock;
    uint32_t waiting_shapes; /* with a non-empty `waiting` */
    uint64_t hits, builds, evaluated;
    /* Kept by whoever decides. As upstream's RunFilterPluginsWithNominatedPods: a node must pass
     * the filters also with the pods that have a claim on it and at least the priority of the
     * pod that is asked for. By node. */
    SY_VEC(struct sy_nominee) nominees;
    uint64_t nominations; /* changes of these */
    uint32_t asking; /* slot of the pod that the next looks are for; SY_NONE: no claim counts */
    /* As upstream, what-ifs of claims and of preemption ask only those global filters that had
     * something to say of the pod in its last look: bits, by index in the profile. */
    uint32_t speaking;
    bool asks_speaking_only;
    struct sy_arena arena;
    SY_VEC(uint32_t) pass_nodes;
    SY_VEC(int64_t) pass_total;
    SY_VEC(int64_t) pass_points[SY_SCORERS_MAX]; /* of global scorers, by index in the profile */
    bool pass_is_scored;                         /* they were asked */
    bool pass_is_last;             /* the last look went through a pass, not the tree */
    struct sy_pass_stamp pass_of;  /* what pass_verdict says, of all nodes and with claims */
    SY_VEC(uint32_t) pass_verdict; /* per node slot */
    SY_VEC(uint8_t) pass_refused;  /* per node slot */
};

/* What became of a look at all nodes. */
struct sy_outcome {
    uint32_t node;            /* the best, or SY_NONE */
    struct sy_verdict reject; /* code SY_FIT unless a plugin rejected the whole pod or failed */
    const char *reject_plugin;
};

/* Everything that one look at all nodes found; arrays are borrowed until the next call into s. */
struct sy_survey {
    struct sy_outcome outcome;
    const uint32_t *nodes; /* slots of the feasible ones, rising */
    const int64_t *totals; /* their weighted points in thousandths, in parallel */
    uint32_t nodes_len;
    const uint32_t *verdicts; /* per node slot, for sy_shapes_verdict() */
    uint32_t verdicts_len;
};

/* All of this runs on the core's thread, and fails only for want of memory, which aborts. */

/* cluster: borrowed, outlives s. cache_bytes_max: what caches may take before the one that was not
 * used for longest goes; one is always allowed. */
void sy_shapes_init(struct sy_shapes *s, struct sy_cluster *cluster, size_t cache_bytes_max);
/* Frees all shapes, whatever references there are to them. */
void sy_shapes_done(struct sy_shapes *s);
/* A pod, by slot, gets a claim on a node, in addition to others. O(claims). */
void sy_shapes_nominate(struct sy_shapes *s, uint32_t pod, uint32_t node);
/* The pod's claims are gone. O(claims). */
void sy_shapes_end_nomination(struct sy_shapes *s, uint32_t pod);
/* Whether another pod has a claim on the node that the pod asked for has to heed. O(log claims). */
bool sy_shapes_is_claimed(const struct sy_shapes *s, uint32_t node);
/* The shape of a pod under a profile, with one reference for the caller (a queue entry), who gives
 * it back by sy_shape_unref(). The profile must outlive it. O(1) for a shape that exists. */
struct sy_shape *sy_shape_ref(struct sy_shapes *s, const struct sy_pod_slot *pod,
                              const struct sy_profile *profile);
/* Gives a reference back; the last one frees the shape, unless it has a cache to be kept. */
void sy_shape_unref(struct sy_shapes *s, struct sy_shape *shape);
/* The same for a shape of a what-if: unless somebody else has it, its cache goes too. */
void sy_shape_forget(struct sy_shapes *s, struct sy_shape *shape);
/* Whether selectors came up since that may tell pods of this shape apart: then ask sy_shape_ref()
 * again for each. */
bool sy_shape_is_stale(const struct sy_shapes *s, const struct sy_shape *shape);

/* The best node for the shape now. Cost: O(changed nodes x log nodes) with a cache and no global
 * plugin in play; O(nodes) else. */
struct sy_outcome sy_shape_best(struct sy_shapes *s, struct sy_shape *shape);
/* The shape's pod is about to be assumed on the node: scorers that remember turns note it. */
void sy_shape_placed(struct sy_shapes *s, struct sy_shape *shape, uint32_t node);
/* The GPUs that the pod is to get on the node that was chosen, as bits; 0: nobody has a wish. */
uint64_t sy_shape_devices(struct sy_shapes *s, struct sy_shape *shape, uint32_t node);
/* As sy_shape_best(), but without its short cuts: asks every plugin about every node, and scores a
 * single feasible node too. For `explain` and for comparing with kube-scheduler. Lengths are 0
 * after a rejection of the whole pod, totals NULL after one by a scorer. O(nodes). */
struct sy_survey sy_shape_survey(struct sy_shapes *s, struct sy_shape *shape);
/* A survey's verdict, code SY_FIT for a feasible node; NULL where a slot holds no node. Borrowed
 * until the next call into s. */
const struct sy_verdict *sy_shapes_verdict(const struct sy_shapes *s, uint32_t verdict);
/* Whether what changed since the last call lets the shape fit somewhere. Costs as sy_shape_best()
 * where that has to be asked, else O(changed nodes). */
bool sy_shape_is_relieved(struct sy_shapes *s, struct sy_shape *shape);
/* kube-scheduler's text for a shape that fits nowhere, as upstream's FitError.Error(); borrowed
 * until the next call for this shape. O(nodes) unless nothing changed since the last. */
const char *sy_shape_message(struct sy_shapes *s, struct sy_shape *shape);
/* Whether, in its last look, the filter (cached, of the profile) refused the shape some node.
 * O(nodes). */
bool sy_shape_is_refused_by(const struct sy_shapes *s, const struct sy_shape *shape,
                            const struct sy_filter *filter);
/* Node slots; whoever has it frees it by sy_vec_done(). */
struct sy_slots {
    SY_VEC(uint32_t) slots;
};
/* Appends the nodes whose verdict has that code to ret; none when the whole pod is rejected.
 * O(nodes). */
void sy_shape_nodes_with_code(struct sy_shapes *s, struct sy_shape *shape, enum sy_code code,
                              struct sy_slots *ret);
/* Whether all filters pass one node as the cluster is now, a what-if included; asked afresh.
 * ret, which may be NULL, gets the verdict. O(filters). */
bool sy_shape_fits(struct sy_shapes *s, struct sy_shape *shape, uint32_t node,
                   struct sy_verdict *ret);
/* Recomputes verdicts and scores of all nodes; returns how many differ from the cache, or between a
 * filter's two ways to be asked: 0 unless there is a bug. O(nodes). */
uint32_t sy_shape_check(struct sy_shapes *s, struct sy_shape *shape);
/* Throws all caches away (profiles changed). */
void sy_shapes_drop_caches(struct sy_shapes *s);
/* Marks the string ids held here, after throwing away what holds most: caches and verdicts. */
void sy_shapes_mark(struct sy_shapes *s);
