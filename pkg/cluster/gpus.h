/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger of GPUs: of each node's devices, what is free. A node's part is worked out anew from
 * its pods whenever one of those with GPUs comes or goes, so it can not drift, and no order of
 * events matters: pods that name their devices get these, others are presumed on the lowest ones
 * that fit, by pod slot. Nodes without GPUs and pods without cost nothing. docs/gpu.md. */
#pragma once

#include "cluster/gpu_targets.h"
#include "model/gpu.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_cluster;
struct sy_node;
struct sy_pod;

/* Kinds of pods that a node's GPUs serve, by how many they ask for: for GpuClustering. */
enum sy_gpu_kind {
    SY_GPU_KIND_SHARE,
    SY_GPU_KIND_1,
    SY_GPU_KIND_2,
    SY_GPU_KIND_4,
    SY_GPU_KIND_8,
    SY_GPU_KIND_OTHER,
};

struct sy_gpu {
    int64_t free_memory_bytes;
    int16_t free_milli;
    uint16_t users; /* pods */
    bool is_lost;   /* takes no pods: said to be unhealthy, or the node reports fewer devices than
                       it has and this is presumed to be one that is gone */
};

struct sy_gpu_node {
    int64_t memory_bytes; /* of each device; 0: not known, then free_memory_bytes is of 1000 */
    sy_sid resource;      /* whose units the devices are */
    uint32_t len;         /* devices */
    uint32_t lost;        /* of them */
    uint64_t unhealthy;   /* those that the node says are, as bits */
    uint32_t units;       /* allocatable; more than len where the device plugin shares by itself */
    int32_t idle_milli;   /* free, in all */
    uint32_t unplaced;    /* pods with GPUs for which there is no room: more was promised than is */
    uint32_t kinds;       /* 1 << enum sy_gpu_kind, of the pods here */
    uint32_t groups_len;
    uint64_t *groups;     /* devices that are near each other, as bits; behind gpus */
    struct sy_gpu gpus[]; /* by device number */
};

/* A column of the cluster whose units are GPUs, or sevenths of them: slices of MIG. */
struct sy_gpu_column {
    uint32_t column;
    uint32_t sevenths; /* of a GPU, of one unit */
};

/* Requested of a node, and there, in milli-GPUs: whole ones, and MIG's slices. */
struct sy_gpu_sums {
    int64_t used_milli, total_milli;
};

struct sy_gpus {
    struct sy_gpu_node **nodes; /* by node slot; NULL for a node without GPUs */
    uint32_t nodes_len;         /* that are not NULL */
    /* Grows when GPUs come or go, or the labels or taints of a node with some change. */
    uint64_t statics;
    sy_sid count_label, memory_label; /* as NVIDIA GPU feature discovery sets them */
    sy_sid koordinator;               /* koordinator.sh/gpu-core */
    SY_VEC(struct sy_gpu_column) columns;
    struct sy_gpu_targets targets;
};

/* A node's devices; NULL when it has none, or none that are known one by one. */
const struct sy_gpu_node *sy_gpus_of(const struct sy_cluster *c, uint32_t node);
/* Whether a device has room for one device's part of the request. */
bool sy_gpu_has_room(const struct sy_gpu_node *g, uint32_t device,
                     const struct sy_gpu_request *request);
/* How many devices have room. */
uint32_t sy_gpus_with_room(const struct sy_gpu_node *g, const struct sy_gpu_request *request);
/* Whether the request is left to the node's device plugin, which hands out more units than there
 * are devices, or for units of another resource than the ledger's: then only their number is
 * counted, as of any resource. */
bool sy_gpus_are_the_plugins(const struct sy_gpu_node *g, const struct sy_gpu_request *request);
/* The devices for a request, as bits: the tightest for a part of one; else, of a node whose groups
 * are known, those of the group that is left with the least, or of as few groups as will do; else
 * the lowest with room. 0: there is not enough room, or nothing to choose. O(devices + groups). */
uint64_t sy_gpus_choose(const struct sy_gpu_node *g, const struct sy_gpu_request *request);
/* Whether devices are all of one group. O(groups). */
bool sy_gpus_are_of_a_group(const struct sy_gpu_node *g, uint64_t devices);
/* Whether a group has room for the request; with is_empty, or would have if nobody were there. */
bool sy_gpus_fit_a_group(const struct sy_gpu_node *g, const struct sy_gpu_request *request,
                         bool is_empty);
/* O(columns of GPUs). */
struct sy_gpu_sums sy_gpus_sums(const struct sy_cluster *c, uint32_t node);
enum sy_gpu_kind sy_gpu_kind_of(const struct sy_gpu_request *request);

/* The devices that a pod is to get when it is assumed, which is next; without this, those of
 * sy_gpus_choose(). */
void sy_gpus_propose(struct sy_cluster *c, uint32_t pod, uint64_t devices);

/* For cluster.c only. */
void sy_gpus_init(struct sy_cluster *c);
void sy_gpus_done(struct sy_cluster *c);
void sy_gpus_grow(struct sy_cluster *c, uint32_t old_room, uint32_t room);
/* The node is another than before; node NULL: it is gone. change: enum sy_node_change. */
void sy_gpus_node(struct sy_cluster *c, uint32_t slot, const struct sy_node *node, uint32_t change);
/* A pod has come to the node, or gone, or changed there. */
void sy_gpus_pod_on_node(struct sy_cluster *c, uint32_t pod, uint32_t node);
/* Pods there may be others than before. */
void sy_gpus_work_out(struct sy_cluster *c, uint32_t node);
/* Takes the devices from the pod as the API server has it; whether they are others now. */
bool sy_gpus_pod(struct sy_cluster *c, uint32_t slot, const struct sy_pod *pod);
/* Settles the devices of a pod that is about to be assumed, or that no longer is (SY_NONE). */
void sy_gpus_assume(struct sy_cluster *c, uint32_t pod, uint32_t node);
/* The column is new. */
void sy_gpus_column(struct sy_cluster *c, uint32_t column);
void sy_gpus_mark(const struct sy_cluster *c);
bool sy_gpus_audit(const struct sy_cluster *c);
