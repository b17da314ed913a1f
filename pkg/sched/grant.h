/* SPDX-License-Identifier: Apache-2.0
 *
 * From the devices that the allocator picked to what is written into a claim. Source:
 * k8s.io/dynamic-resource-allocation/structured/internal/incubating (v0.37.2), the end of
 * Allocate() and createNodeSelector(). */
#pragma once

#include "base/err.h"
#include "cluster/allocate.h"

/* The allocation of one claim.
 *
 * in:     claims, picks, picks_len: as sy_allocator_try() was given and gave them; claim: which;
 *         node: the slot that was tried.
 * out:    *ret, in arena or borrowed from the cluster's objects: copy it to keep it.
 * errors: -ENOMEM, -E2BIG; -EINVAL for a slice's node selector that cannot be passed on.
 * cost:   O(picks x config). */
int sy_grant_make(struct sy_cluster *c, struct sy_arena *arena,
                  const struct sy_device_claim *const *claims, uint32_t claim,
                  const struct sy_device_pick *picks, uint32_t picks_len, uint32_t node,
                  struct sy_device_allocation *ret, struct sy_err *err) SY_NODISCARD;
