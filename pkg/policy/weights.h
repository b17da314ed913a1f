/* SPDX-License-Identifier: Apache-2.0
 *
 * The models as numbers: how utilized a node is, what its dynamic weight is made of, what shares of
 * demand weights earn. Scorers use them, and whoever explains or exports them. docs/models.md has
 * the formulas. Pure; any thread that may read the cluster. */
#pragma once

#include "cluster/cluster.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_shape_view;

/* One resource of one node. Shares are of the node's allocatable, 1 for all of it. */
struct sy_utilization_term {
    sy_sid resource;            /* 0 where nothing can be requested: gpu-memory, network */
    enum sy_load_metric metric; /* SY_LOAD_METRICS: nothing measures it */
    int64_t total;              /* as the column has it; 0 where there is none */
    double requested;
    double used; /* what the models take: requested, or more where measured */
    bool has_load;
    struct sy_load_view load; /* while has_load */
};

/* Cpu, memory and ephemeral storage, the node's extended resources, and what is measured beside
 * them. Writes up to room terms, returns how many there are. Cost O(columns). */
uint32_t sy_node_utilization(const struct sy_cluster *c, uint32_t node,
                             struct sy_utilization_term *ret, uint32_t room);

/* The dynamic weight and its factors, each in [0,1]. */
struct sy_node_weight {
    double capacity;
    double performance;
    double headroom;
    double reliability;
    double weight; /* their product */
};
/* As the node is (shape NULL), or with the shape's pod on it. Headroom is what is left of the
 * fullest resource: of cpu, memory and what the pod asks for. O(requests). */
void sy_node_weight(const struct sy_cluster *c, const struct sy_shape_view *shape, uint32_t node,
                    struct sy_node_weight *ret);

/* Splits demand by weights: share_i = weight_i x demand / sum of weights; all 0 when that sum is
 * not positive. ret may be weights. */
void sy_allocation_shares(const double *weights, uint32_t len, double demand, double *ret);
