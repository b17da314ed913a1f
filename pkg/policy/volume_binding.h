/* SPDX-License-Identifier: Apache-2.0
 *
 * What VolumeBinding has found for a pod on a node, for the scheduler to carry out. */
#pragma once

#include "policy/policy.h"

/* One claim, and the volume that it gets or, with SY_NO_OBJECT, is to be made. Slots in the
 * cluster's storage. */
struct sy_claim_plan {
    uint32_t claim;
    uint32_t volume;
};

struct sy_volume_plan {
    const struct sy_claim_plan *claims;
    uint32_t claims_len;
};

/* What has to be done before the shape's pod can be bound to the node: nothing when every claim has
 * its volume. Only for a node that VolumeBinding passes. out: *ret, in arena. Errors: -ENOMEM;
 * -ENOENT when the node does not pass any more. */
int sy_volume_plan(const struct sy_shape_view *shape, struct sy_arena *arena, uint32_t node,
                   struct sy_volume_plan *ret) SY_NODISCARD;
/* Whether a bound volume's node affinity takes the node: by the node's labels, those of a CSI
 * driver where one has taken over the volume's kind. O(terms of the affinity). */
bool sy_volume_reaches(const struct sy_cluster *c, const struct sy_pv *pv, uint32_t node);
