/* SPDX-License-Identifier: Apache-2.0
 *
 * The filters and scorers that registry.c lists, each defined in the file of its name. */
#pragma once

#include "policy/policy.h"

extern const struct sy_filter sy_filter_node_unschedulable;
extern const struct sy_filter sy_filter_node_name;
extern const struct sy_filter sy_filter_taint_toleration;
extern const struct sy_filter sy_filter_node_affinity;
extern const struct sy_filter sy_filter_node_ports;
extern const struct sy_filter sy_filter_node_resources_fit;
extern const struct sy_filter sy_filter_volume_restrictions;
extern const struct sy_filter sy_filter_node_volume_limits;
extern const struct sy_filter sy_filter_volume_binding;
extern const struct sy_filter sy_filter_volume_zone;
extern const struct sy_filter sy_filter_pod_topology_spread;
extern const struct sy_filter sy_filter_inter_pod_affinity;
extern const struct sy_filter sy_filter_dynamic_resources;
extern const struct sy_filter sy_filter_node_declared_features;
extern const struct sy_filter sy_filter_node_health;
extern const struct sy_filter sy_filter_load_gate;
extern const struct sy_filter sy_filter_node_load;
extern const struct sy_filter sy_filter_gpu_devices;

extern const struct sy_scorer sy_scorer_pod_topology_spread;
extern const struct sy_scorer sy_scorer_inter_pod_affinity;
extern const struct sy_scorer sy_scorer_dynamic_resources;
extern const struct sy_scorer sy_scorer_volume_binding;
extern const struct sy_scorer sy_scorer_utilization;
extern const struct sy_scorer sy_scorer_dynamic_weight;
extern const struct sy_scorer sy_scorer_round_robin;
extern const struct sy_scorer sy_scorer_least_connections;
extern const struct sy_scorer sy_scorer_response_time;
extern const struct sy_scorer sy_scorer_static_weights;
extern const struct sy_scorer sy_scorer_gpu_fragmentation;
extern const struct sy_scorer sy_scorer_fgd;
extern const struct sy_scorer sy_scorer_gpu_best_fit;
extern const struct sy_scorer sy_scorer_gpu_packing;
extern const struct sy_scorer sy_scorer_gpu_clustering;
extern const struct sy_scorer sy_scorer_random;
extern const struct sy_scorer sy_scorer_dot_product;
extern const struct sy_scorer sy_scorer_taint_toleration;
extern const struct sy_scorer sy_scorer_node_affinity;
extern const struct sy_scorer sy_scorer_node_resources_fit;
extern const struct sy_scorer sy_scorer_node_resources_balanced_allocation;
extern const struct sy_scorer sy_scorer_image_locality;

/* One of the resources that an argument weighs, for scores of how much of a node is allocated. */
struct sy_weighed_resource {
    uint32_t column;
    int64_t weight;
    int64_t asked;       /* by the pod */
    const int64_t *used; /* per node slot */
};

struct sy_weighed_resources {
    uint32_t len;
    struct sy_weighed_resource p[SY_ARG_LIST_MAX];
};

/* Those of the list that some node may have and that the pod lets count: cpu, memory and ephemeral
 * storage always, others when the pod asks for them. nonzero: cpu and memory with kube-scheduler's
 * defaults for containers that ask for none. Returns the sum of what the pod asks for, saturated.
 */
int64_t sy_weigh_resources(const struct sy_shape_view *shape,
                           const struct sy_scoring_resource *list, uint32_t len, bool nonzero,
                           struct sy_weighed_resources *ret);

/* What is used of a node's resource once `added` is there too, in [0,1]: requested, or more where
 * more was measured. A resource that the node has none of counts as full. */
double sy_share_used(const struct sy_cluster *c, uint32_t column, uint32_t node, int64_t added);

/* Mean utilization of node, in [0,1], with the shape's pod on it: over cpu, memory and each
 * extended resource that the pod asks for. */
double sy_utilization_with(const struct sy_shape_view *shape, uint32_t node);

/* Sets the verdict to one reason; returns true. */
bool sy_refuse(struct sy_verdict *v, enum sy_code code, sy_sid reason);

/* -- strategies that deal in proportion to weights, over turns (cluster/turns.h) -- */

/* Points of a node that would have paid `pass + cost` once it got the pod: all for one that is due,
 * half for one that is `scale` later. scale > 0; the same for all nodes and as in the stamp. */
int64_t sy_turn_points(const struct sy_turns *t, uint32_t node, double cost, double scale);
/* The stamp that goes with it: moves when the points of all nodes do. */
uint64_t sy_turn_stamp(const struct sy_turns *t, double scale);
