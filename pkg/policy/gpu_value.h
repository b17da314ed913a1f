/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node's free GPUs are good for, given the pods that are expected: fragmentation as FGD
 * defines it, and GPUs stranded for lack of cpu. docs/gpu.md has the formulas. */
#pragma once

#include "policy/policy.h"

/* What is free of one node: as it is, or as it would be. */
struct sy_gpu_room {
    uint32_t node;
    uint32_t len;
    int64_t cpu_milli;
    int32_t idle_milli;
    int32_t milli[SY_GPUS_MAX]; /* by device */
};

/* As the node is now; len 0 when no GPUs are known of it. */
void sy_gpu_room_of(const struct sy_cluster *c, uint32_t node, struct sy_gpu_room *ret);
/* Takes the pod's cpu away, and its part of those devices. */
void sy_gpu_room_take(struct sy_gpu_room *room, const struct sy_shape_view *shape,
                      uint64_t devices);
/* The cpu that the pod asks for. */
int64_t sy_shape_cpu_milli(const struct sy_shape_view *shape);

/* Whether the pod chooses among devices by points: a part of a single one. */
static inline bool sy_gpu_chooses(const struct sy_gpu_request *r)
{
    return r->count == 1 && r->milli < SY_GPU_WHOLE_MILLI;
}

/* Brings what the cluster keeps of its targets up to date with the nodes. To be called before the
 * three below. Cheap when nothing changed, O(targets x nodes with GPUs) else. */
void sy_gpu_value_prepare(const struct sy_shape_view *shape);
/* Milli-GPUs that the expected pods can not use, in the mean: FGD's F. O(devices x sizes +
 * targets). */
double sy_gpu_fragment(const struct sy_cluster *c, const struct sy_gpu_room *room);
/* Milli-GPUs that, in the mean, will find no cpu left. */
double sy_gpu_stranded(const struct sy_cluster *c, const struct sy_gpu_room *room);
/* How much in demand the node's GPUs are with pods that can not go everywhere: their share of
 * demand for each such kind over the share of the GPUs that it may use, summed up. */
double sy_gpu_price(const struct sy_cluster *c, uint32_t node);
