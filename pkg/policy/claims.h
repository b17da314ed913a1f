/* SPDX-License-Identifier: Apache-2.0
 *
 * What the volume plugins share: from a pod's volumes to its claims, and their words for what is
 * wrong with one. */
#pragma once

#include "policy/policy.h"

enum { SY_CLAIM_NAME_ROOM = 512 };

/* The claim behind one volume. */
struct sy_pod_claim {
    bool is_ephemeral;
    struct sy_str name;         /* valid as long as the room it was made in, and the strings */
    uint32_t slot;              /* SY_NO_OBJECT when there is no such claim */
    const struct sy_pvc *claim; /* NULL then */
};

/* Whether the volume is behind a claim; then fills *ret. pod_name: needed for ephemeral volumes. */
bool sy_pod_claim(const struct sy_cluster *c, sy_sid ns, struct sy_str pod_name,
                  const struct sy_volume *volume, char room[SY_CLAIM_NAME_ROOM],
                  struct sy_pod_claim *ret);
/* Whether the pod of that UID controls the claim, as it must for an ephemeral volume. */
bool sy_claim_is_of_pod(const struct sy_pvc *claim, struct sy_str pod_uid);

/* Whether the spec has a volume behind a claim. */
bool sy_spec_has_claims(const struct sy_pod_spec *spec);

/* The id of a text made by printf's rules; the one of "" when it does not fit in memory. */
sy_sid sy_reason(const struct sy_shape_view *shape, const char *fmt, ...) SY_PRINTF(2, 3);
/* persistentvolumeclaim "name" not found */
sy_sid sy_reason_no_claim(const struct sy_shape_view *shape, struct sy_str name);
/* ... was not created for pod ... (pod is not owner) */
sy_sid sy_reason_not_owner(const struct sy_shape_view *shape, sy_sid ns, struct sy_str claim,
                           struct sy_str pod);
