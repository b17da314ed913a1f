/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters and scorers. One file each; registry.c has the tables. To add one: add a file, declare
 * its struct in plugins.h, add one line to the table. All are pure functions of the cluster, the
 * shape and the profile: same input, same output. */
#pragma once

#include "cluster/cluster.h"

#include <stdbool.h>
#include <stdint.h>

/* kube-scheduler's codes: UNRESOLVABLE says that removing pods from the node would not help. */
enum sy_code { SY_FIT, SY_UNSCHEDULABLE, SY_UNRESOLVABLE, SY_ERROR };

enum {
    SY_REASONS_MAX = 16, /* per node and filter */
    SY_FILTERS_MAX = 32,
    SY_SCORERS_MAX = 24,
    SY_SCORE_MAX =
        100000, /* 100 points in thousandths; kube-scheduler's plugins use whole points */
};

/* Why a filter refused one node: reasons are interned texts, as kube-scheduler words them. */
struct sy_verdict {
    uint8_t code;   /* enum sy_code */
    uint8_t filter; /* index in the profile, set by the caller */
    uint8_t reasons_len;
    sy_sid reasons[SY_REASONS_MAX];
};

/* Reasons of DynamicResources that an allocation which nobody else uses may be behind: pkg/sched
 * has it undone where they were given. */
#define SY_REASON_CLAIM_OUT_OF_REACH    "resourceclaim not available on the node"
#define SY_REASON_EXTENDED_CLAIM_EXISTS "cannot schedule extended resource claim"

struct sy_profile;

/* What a plugin, or preemption, keeps for a shape between cycles, so as not to count all pods again
 * in each: counts that follow the cluster. It must never change an answer. It lives until the
 * engine drops the shape's cache. */
struct sy_kept {
    void *data; /* NULL until it is made */
    void (*release)(struct sy_cluster *cluster, void *data);
    size_t bytes; /* what it takes, about */
};
enum sy_kept_slot { SY_KEPT_SPREAD, SY_KEPT_INTER_POD, SY_KEPT_PREEMPTION, SY_KEPT_LEN };

/* What a filter or scorer sees of the incoming pod. */
struct sy_shape_view {
    struct sy_cluster *cluster;
    const struct sy_profile *profile;
    const struct sy_pod_spec *spec;
    struct sy_labels labels; /* only those whose key some selector names */
    sy_sid ns;               /* 0 when nothing asks for it */
    sy_sid node_name;        /* spec.nodeName; 0 for a pod that waits */
    uint64_t owner;          /* sy_cluster_owner_hash(); 0 when nothing asks for it */
    bool passes_gates;       /* sy_pools_exempt(); false when nothing asks for it */
    /* Of a pod that uses objects called after it; empty for all others. */
    struct sy_str pod_name;
    struct sy_str pod_uid;
    struct sy_kept *kept; /* by enum sy_kept_slot */
    /* spec->requests by column, resolved once per shape: parallel arrays. A request whose resource
     * no node has got a column for is SY_NONE there. */
    uint32_t requests_len;
    const uint32_t *request_columns;
    const int64_t *request_amounts;
    const sy_sid *request_reasons; /* "Insufficient <resource>" */
    const struct sy_policy_texts *texts;
};

/* Texts that filters refer to, interned once. */
struct sy_policy_texts {
    sy_sid metadata_name; /* "metadata.name" */
    sy_sid empty;
    sy_sid too_many_pods;
    sy_sid unschedulable;
    sy_sid node_name;
    sy_sid node_affinity;
    sy_sid untolerated_taint;
    sy_sid no_victims;
    sy_sid preemption_no_help;
    sy_sid not_selected_by_plugin;  /* PreFilterResult left the node out */
    sy_sid unschedulable_taint_key; /* node.kubernetes.io/unschedulable */
    sy_sid any_ip;                  /* "0.0.0.0" */
    sy_sid no_free_ports;
    sy_sid enforced_affinity;  /* NodeAffinity.addedAffinity does not match */
    sy_sid affinity_conflict;  /* no node has all the names that the terms ask for */
    sy_sid preferred_is_wrong; /* a preferred term that can not be parsed */
    sy_sid selector_is_wrong;  /* a label selector that can not be converted */
    sy_sid no_memory;
    sy_sid hostname; /* kubernetes.io/hostname */
    sy_sid zone;     /* topology.kubernetes.io/zone */
    sy_sid spread;
    sy_sid spread_label;
    sy_sid affinity;
    sy_sid anti_affinity;
    sy_sid existing_anti_affinity;
    sy_sid namespaces_unknown; /* required terms select namespaces by labels that we may not read */
    sy_sid declared_features;
    sy_sid extended_unsupported; /* the same of extended resources that devices serve */
    sy_sid gpu_devices;          /* fewer GPUs than it takes, whatever is on them */
    sy_sid gpu_free;             /* too few whole ones are free */
    sy_sid gpu_milli;
    sy_sid gpu_memory;
    sy_sid gpu_overcommitted;
    sy_sid gpu_group_size; /* no group is large enough, whatever is on it */
    sy_sid gpu_group;
    sy_sid health_suspect;
    sy_sid health_not_ready;
    sy_sid health_held_down;
    sy_sid claims_unsupported; /* a pod with resource claims would be bound without devices */
};
void sy_policy_texts_init(struct sy_policy_texts *t, struct sy_strings *strings);

/* What a plugin's preparation says: kube-scheduler's Success, Skip, and a rejection of the whole
 * pod. */
enum sy_pre { SY_PRE_RUN, SY_PRE_SKIP, SY_PRE_REJECT };

enum { SY_SWEEP_REFUSED = 1, SY_SWEEP_FAILED = 2 };

/* A filter. `state` is what prepare() left, NULL without one; it lives in the arena given to it. */
struct sy_filter {
    const char *name; /* kube-scheduler's plugin name where there is one */
    /* False: the verdict on a node depends on that node and on what bumps the cluster's epoch, so
     * it is cached until the node changes. True: also on other nodes, pods or objects, so it is
     * asked anew in every cycle, after all others. */
    bool is_global;
    /* Whether the filter has anything to say of the spec, whatever else there is but what bumps the
     * cluster's epoch; NULL: yes. Where it says no, the shape has one global filter less. Global
     * only. */
    bool (*concerns)(const struct sy_cluster *c, const struct sy_pod_spec *spec);
    /* PreFilter; NULL always runs. On REJECT fills *v: no node is looked at. */
    enum sy_pre (*prepare)(const struct sy_shape_view *shape, struct sy_arena *arena,
                           void **ret_state, struct sy_verdict *v);
    /* PreFilterResult: whether prepare() ruled the node out by name. Such nodes are not filtered;
     * their reason is "node(s) didn't satisfy plugin(s) [NAME]". NULL: never. */
    bool (*excludes)(const struct sy_shape_view *shape, const void *state, uint32_t node);
    /* The names of all nodes that excludes() leaves: fills ret, no name twice, and returns how
     * many; SY_NONE when it leaves all, or more than room. Exactly one filter that is not global
     * may have it, and that is the only one with excludes() then. NULL: SY_NONE. */
    uint32_t (*names)(const struct sy_shape_view *shape, const void *state, sy_sid *ret,
                      uint32_t room);
    /* Filter: fills *v and returns true when the node is refused. Called for alive nodes only. Code
     * ERROR on one node ends the attempt, as upstream. */
    bool (*refuses)(const struct sy_shape_view *shape, const void *state, uint32_t node,
                    struct sy_verdict *v);
    /* The same for all slots below nodes_len at once, without reasons, where that is cheaper: adds
     * SY_SWEEP_REFUSED to refused[node] where refuses() is true of an alive node, SY_SWEEP_FAILED
     * where that is for an error; of other slots nobody asks, and those that are not 0 may be left
     * out. NULL: nodes are asked one by one. Global filters only. */
    void (*sweep)(const struct sy_shape_view *shape, const void *state, uint32_t nodes_len,
                  uint8_t *refused);
};

/* A scorer. Points are whole, 0 to 100 once normalised, as kube-scheduler's; `is_fine` ones are in
 * thousandths, 0 to SY_SCORE_MAX. */
struct sy_scorer {
    const char *name;
    const char *unit; /* of points that are not of 100 and may be negative; NULL: they are */
    bool is_fine;
    bool is_global; /* as above; also when there is normalize() */
    /* PreScore; NULL always runs. nodes: the feasible ones (NULL, 0 for a scorer that is not
     * global). REJECT: the attempt fails with *v. */
    enum sy_pre (*prepare)(const struct sy_shape_view *shape, struct sy_arena *arena,
                           const uint32_t *nodes, uint32_t nodes_len, void **ret_state,
                           struct sy_verdict *v);
    /* Whether all nodes get the same points now, so that asking each is no use. NULL: no. Global
     * only. */
    bool (*is_constant)(const struct sy_shape_view *shape, int64_t *ret_points);
    /* For a scorer that is not global and yet reads something beside the node: a number that
     * changes with it, so that all nodes are scored anew then. Cheap: asked at every look. */
    uint64_t (*stamp)(const struct sy_shape_view *shape);
    /* Raw score of a feasible node, as if the pod were placed there. */
    int64_t (*score)(const struct sy_shape_view *shape, const void *state, uint32_t node);
    /* Turns raw scores into points in place. NULL: they are points. */
    void (*normalize)(const struct sy_shape_view *shape, const void *state, const uint32_t *nodes,
                      uint32_t nodes_len, int64_t *scores);
    /* The pod is about to be assumed on the node: for strategies that remember whose turn it is.
     * May change what score() says of that node, and of others what stamp() tells. NULL: nothing.
     */
    void (*placed)(const struct sy_shape_view *shape, const void *state, uint32_t node);
    /* The GPUs of the node that the points are for, as bits, for a pod that asks for some and that
     * the node has room for; 0: no wish. NULL: none. */
    uint64_t (*devices)(const struct sy_shape_view *shape, const void *state, uint32_t node);
};

/* Whether the pod's nodeSelector and required node affinity take the node; what the profile adds is
 * not asked. */
bool sy_node_is_wanted(const struct sy_shape_view *shape, uint32_t node);

/* kube-scheduler's helper.DefaultNormalizeScore: to [0, max] by the largest, reversed on request.
 */
void sy_normalize_default(int64_t max, bool reverse, uint32_t len, int64_t *scores);

const struct sy_filter *sy_filter_find(const char *name);
const struct sy_scorer *sy_scorer_find(const char *name);
/* The i-th of all, NULL after the last; for `config check` and docs. */
const struct sy_filter *sy_filter_at(uint32_t i);
const struct sy_scorer *sy_scorer_at(uint32_t i);

struct sy_weighted_scorer {
    const struct sy_scorer *scorer;
    int32_t weight; /* 1..10000 */
};

/* Arguments of plugins, with kube-scheduler's names and defaults (kubescheduler.config.k8s.io/v1).
 * Names are borrowed for the profile's life and resolved in prepare(). */
enum sy_scoring_strategy { SY_LEAST_ALLOCATED, SY_MOST_ALLOCATED, SY_REQUESTED_TO_CAPACITY_RATIO };

enum { SY_ARG_LIST_MAX = 16 };

struct sy_scoring_resource {
    const char *name;
    int64_t weight; /* 1..100 */
};

struct sy_utilization_point { /* of requestedToCapacityRatio.shape */
    int32_t utilization;      /* 0..100, rising */
    int32_t score;            /* 0..10 */
};

/* How a weight decides. docs/models.md compares them. */
enum sy_selection {
    SY_SELECT_LEVEL,  /* the node that carries least for its weight */
    SY_SELECT_SHARES, /* each node gets the share of arriving demand that its weight earns */
    SY_SELECT_BEST,   /* the node of the largest weight */
};

/* Nodes with the label have the weight; the first that matches counts. */
struct sy_static_weight {
    const char *key;
    const char *value; /* NULL: any */
    int32_t weight;    /* 0..1000 */
};

enum { SY_STATIC_WEIGHT_MAX = 1000 };

struct sy_policy_args {
    enum sy_scoring_strategy fit_strategy;
    struct sy_scoring_resource fit_resources[SY_ARG_LIST_MAX];
    uint32_t fit_resources_len;
    struct sy_utilization_point fit_points[SY_ARG_LIST_MAX];
    uint32_t fit_points_len;
    const char *ignored_resources[SY_ARG_LIST_MAX];
    uint32_t ignored_resources_len;
    const char *ignored_resource_groups[SY_ARG_LIST_MAX];
    uint32_t ignored_resource_groups_len;
    struct sy_scoring_resource balanced_resources[SY_ARG_LIST_MAX];
    uint32_t balanced_resources_len;
    /* VolumeBinding.shape: what use of the storage that a node has left is worth. */
    struct sy_utilization_point volume_points[SY_ARG_LIST_MAX];
    uint32_t volume_points_len;
    int64_t volume_bind_timeout_s;    /* VolumeBinding.bindTimeoutSeconds */
    int64_t claim_bind_timeout_ns;    /* DynamicResources.bindingTimeout */
    int32_t hard_pod_affinity_weight; /* 0..100, 1 by default */
    bool ignore_preferred_terms_of_existing_pods;
    /* DefaultPreemption: how many nodes to try, 10 % of all and at least 100 by default. */
    uint32_t preemption_min_candidates_percent;
    uint32_t preemption_min_candidates;
    bool preemption_is_off;      /* DefaultPreemption is disabled */
    bool preempts_any_scheduler; /* also pods of scheduler names that are not ours */
    /* PodTopologySpread.defaultingType List; when not set, System: maxSkew 3 over hostname and 5
     * over zone, both ScheduleAnyway. Selectors come from Services and owners. */
    bool spread_defaults_are_listed;
    const struct sy_spread_constraint *spread_defaults; /* borrowed; topology keys interned */
    uint32_t spread_defaults_len;
    struct sy_node_selector
        added_affinity; /* NodeAffinity.addedAffinity, required part; borrowed */
    const struct sy_preferred_node_term *added_preferred;
    uint32_t added_preferred_len;
    /* Our own strategies. */
    enum sy_selection dynamic_selection;
    enum sy_selection static_selection; /* BEST, else SHARES */
    const char *static_label; /* of nodes: its value is the weight, where it is a number */
    const struct sy_static_weight *static_weights; /* borrowed */
    uint32_t static_weights_len;
    int32_t static_default; /* of other nodes */
    /* NodeLoad: shares by enum sy_load_metric above which a node is refused; 0: none. */
    double node_load_max[SY_LOAD_METRICS];
};
/* kube-scheduler's defaults. */
void sy_policy_args_default(struct sy_policy_args *args);

struct sy_profile {
    const char *scheduler_name;
    const struct sy_filter *filters[SY_FILTERS_MAX]; /* in order */
    uint32_t filters_len;
    struct sy_weighted_scorer scorers[SY_SCORERS_MAX];
    uint32_t scorers_len;
    struct sy_policy_args args;
};
/* Default filters and scorers for a scheduler name (borrowed). */
void sy_profile_default(struct sy_profile *p, const char *scheduler_name);
/* kube-scheduler's default plugins, weights and arguments (v1.37). */
void sy_profile_kube(struct sy_profile *p, const char *scheduler_name);
/* For clusters of GPUs: our filters, and GPUs kept usable before all else. docs/gpu.md. */
void sy_profile_gpu(struct sy_profile *p, const char *scheduler_name);
/* Adds NodeHealth to the filters, unless it is there. */
void sy_profile_watch_health(struct sy_profile *p);
/* Whether some scorer of the profile learns what pods come (sy_gpu_targets_learn()). */
bool sy_profile_learns_gpus(const struct sy_profile *p);
