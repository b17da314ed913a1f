/* SPDX-License-Identifier: Apache-2.0
 *
 * The compact node. Decoders fill it with pointers into a scratch arena; the cluster keeps packed
 * copies. */
#pragma once

#include "base/buf.h"
#include "model/features.h"
#include "model/labels.h"
#include "model/resources.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_image {
    sy_sid name;
    int64_t size_bytes;
};

struct sy_node {
    struct sy_str uid;
    struct sy_str resource_version;
    sy_sid name;
    struct sy_labels labels;
    struct sy_labels annotations;  /* only keys that the decode context asks for */
    struct sy_amounts allocatable; /* negative values are kept as sent; users clamp */
    struct sy_amounts capacity;
    const struct sy_taint *taints; /* spec order */
    uint32_t taints_len;
    bool unschedulable;            /* spec.unschedulable */
    uint8_t ready;                 /* condition Ready, enum sy_condition in model/pod.h */
    int64_t ready_changed_wall_ns; /* its lastTransitionTime; 0 when absent */
    int64_t created_wall_ns;
    const struct sy_image *images; /* sorted by name id, one entry per name */
    uint32_t images_len;
    uint16_t declared_features; /* status.declaredFeatures, 1 << enum sy_node_feature */
    /* GPUs, as bits of device numbers; model/gpu.h has the annotations. */
    uint64_t gpus_unhealthy;    /* all, when the annotation can not be read */
    const uint64_t *gpu_groups; /* in their order, which may overlap */
    uint32_t gpu_groups_len;
    /* Addresses say which node a measurement is of. Only decoded nodes have them, copies do not. */
    const struct sy_str *internal_ips;
    uint32_t internal_ips_len;
    struct sy_str hostname;
};

/* Copies node and all that it points to into arena. 0, -ENOMEM or -E2BIG; *ret only on success. */
int sy_node_copy(struct sy_arena *arena, const struct sy_node *node,
                 struct sy_node *ret) SY_NODISCARD;
/* Whether two states of a node are equal in all that scheduling looks at (not resourceVersion, not
 * heartbeat times): a heartbeat then costs nothing further. */
bool sy_node_same_for_scheduling(const struct sy_node *a, const struct sy_node *b);
/* Marks every string id that node holds, for sy_strings_sweep(). */
void sy_node_mark(const struct sy_node *node, struct sy_strings *strings);
/* As sy_pod_dump(). */
int sy_node_dump(const struct sy_node *node, const struct sy_strings *strings, struct sy_buf *out);
