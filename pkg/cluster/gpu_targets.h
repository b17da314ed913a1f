/* SPDX-License-Identifier: Apache-2.0
 *
 * What pods are expected to come, for scores that keep GPUs usable: the most frequent kinds of
 * those that came so far, CPU-only ones among them. Two pods are of one kind when they ask for the
 * same cpu and GPUs (of which vendor, too) and may use the same nodes (selector, required affinity,
 * tolerations). Owned by the cluster; one thread. */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "model/pod.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_cluster;
struct sy_shared_spec;

enum {
    SY_GPU_TARGETS_MAX = 256,
    SY_GPU_SIZES_MAX = 64, /* distinct milli of the targets */
};

struct sy_gpu_target {
    const struct sy_shared_spec *spec; /* borrowed of its kind: requests and constraints alone */
    double share;                      /* of the targets; they add up to 1 */
    int64_t cpu_milli;
    uint32_t gpus; /* 0: CPU-only */
    uint32_t size; /* index in sizes, of what it asks of each */
};

struct sy_gpu_pod_kind {
    const struct sy_shared_spec *spec; /* a reference held */
    double weight;                     /* arrivals, those of long ago count less */
};

struct sy_gpu_targets {
    bool is_learning; /* pods that come are noted */
    bool is_given;    /* by sy_gpu_targets_set(): nothing is learned */
    SY_VEC(struct sy_gpu_pod_kind) kinds;
    struct sy_map kind_by_serial;
    double total;
    double newest;            /* the weight of the pod that was created last */
    int64_t landmark_wall_ns; /* a pod created then counts as 1; later ones as more */
    double arrivals, next;    /* since the targets were made; and how many until the next time */

    uint64_t generation; /* of what follows */
    uint32_t len;
    struct sy_gpu_target p[SY_GPU_TARGETS_MAX];
    uint32_t sizes_len;
    int32_t sizes[SY_GPU_SIZES_MAX];

    /* Kept by policy/gpu_value.c: what the targets come to on the nodes as they are labelled. */
    uint64_t made_generation, made_statics;
    bool is_made;
    uint32_t made_nodes;
    uint32_t words;   /* of one target's bits */
    uint64_t *usable; /* target by target, bits by node slot: nodes that it may use */
    double *price;    /* by node slot: demand by pods that can not go everywhere */
    double cpu_mean;  /* milli-CPU that a milli-GPU's pods want */
    double cpu_sd;    /* of one milli-GPU */
};

/* Learning goes on from now, or ends. What was learned stays. */
void sy_gpu_targets_learn(struct sy_cluster *c, bool on);
/* The targets from here on, instead of what is learned: specs (borrowed for the call) and their
 * weights, of which the most frequent 95 % count. len 0: learned ones again. 0 or -ENOMEM. */
int sy_gpu_targets_set(struct sy_cluster *c, const struct sy_pod_spec *const *specs,
                       const double *weights, uint32_t len) SY_NODISCARD;

/* For cluster.c only: a pod was seen for the first time. */
void sy_gpu_targets_arrive(struct sy_cluster *c, const struct sy_pod_spec *spec,
                           int64_t created_wall_ns);
void sy_gpu_targets_done(struct sy_cluster *c);
