/* SPDX-License-Identifier: Apache-2.0
 *
 * What a pod asks for by the names of resources that device classes stand for (KEP-5004): which of
 * them a node has from a device plugin, and the rest as requests of a claim. Source:
 * plugins/dynamicresources/extendeddynamicresources.go (v1.37.2). */
#pragma once

#include "model/allocation.h"
#include "policy/policy.h"

enum { SY_EXTENDED_MAX = 64 }; /* resource names of one pod */

struct sy_extended_resource {
    sy_sid name;
    const struct sy_device_class *class; /* that stands for it, or NULL */
};

/* The extended resources that a pod asks for. */
struct sy_extended {
    const struct sy_extended_resource *p; /* by the texts of their names */
    uint32_t len;
    bool is_backed; /* some class stands for some of them */
};

/* Whether a class stands for any resource that the spec asks for. O(resources x classes). */
bool sy_extended_is_asked(const struct sy_cluster *c, const struct sy_pod_spec *spec);
/* Fills *ret, in the arena. 0, -E2BIG past SY_EXTENDED_MAX or the arena's cap, or -ENOMEM. */
int sy_extended_gather(const struct sy_shape_view *shape, struct sy_arena *arena,
                       struct sy_extended *ret) SY_NODISCARD;
/* Which of them devices must serve on a node, as bits. False: the node has neither the resource nor
 * is there a class for it. */
bool sy_extended_on_node(const struct sy_shape_view *shape, const struct sy_extended *e,
                         uint32_t node, uint64_t *ret_served);
/* The claim for the resources of those bits, in the arena and with its names interned. 0, -E2BIG or
 * -ENOMEM. O(containers x resources). */
int sy_extended_claim(const struct sy_shape_view *shape, struct sy_arena *arena,
                      const struct sy_extended *e, uint64_t served,
                      struct sy_device_claim *ret) SY_NODISCARD;

/* Which requests of that claim serve which containers, in the arena: by resource, containers that
 * stay before init containers, which use what those after them have. Errors as above.
 * O(containers^2 x resources). */
int sy_extended_mappings(const struct sy_shape_view *shape, struct sy_arena *arena,
                         const struct sy_extended *e, uint64_t served,
                         const struct sy_device_mapping **ret, uint32_t *ret_len) SY_NODISCARD;
