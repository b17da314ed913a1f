/* SPDX-License-Identifier: Apache-2.0
 *
 * Which devices could serve a pod's claims on a node: kube-scheduler's structured allocator. The
 * first solution in the order of pools, slices and devices counts, found by search with going back.
 * Source: k8s.io/dynamic-resource-allocation/structured/internal/incubating (v0.37.2), with the
 * features that are on by default in v1.37. Refused with a clear error instead: a CEL expression
 * beyond the subset (cel.h), a search of more than SY_ALLOCATE_STEPS_MAX steps (upstream has a time
 * limit). */
#pragma once

#include "base/err.h"
#include "cluster/cluster.h"

enum {
    SY_ALLOCATE_STEPS_MAX = 100000,
    SY_ALLOCATE_PER_CLAIM_MAX = 32,
};

struct sy_allocator;
struct sy_alloc_counters;

/* A device for one request. */
struct sy_device_pick {
    uint32_t claim; /* index in the list given */
    uint32_t request;
    uint32_t want; /* which alternative; 0 for `exactly` */
    const struct sy_device_slice *slice;
    const struct sy_device *device;
    /* What is taken of a shared device's capacities, all that it has; none of another device. */
    const struct sy_capacity *consumed;
    uint32_t consumed_len;
    struct sy_alloc_counters *counters; /* the allocator's own */
};

/* Prepares for asking about many nodes.
 *
 * in:     arena: takes all; claims: those without an allocation, borrowed while *ret is in use, as
 *         is the cluster, which must not change.
 * errors: -EINVAL for what cannot be tried on any node, with kube-scheduler's text; -EOPNOTSUPP;
 *         -ENOMEM, -E2BIG.
 * cost:   O(slices + pools) to clear memory; what the claims ask for. */
int sy_allocator_new(struct sy_cluster *c, struct sy_arena *arena,
                     const struct sy_device_claim *const *claims, uint32_t claims_len,
                     struct sy_allocator **ret, struct sy_err *err) SY_NODISCARD;

/* Looks for devices on a node.
 *
 * out:    *ret_picks, *ret_len: valid until the next call.
 * return: 1 found; 0 there is no solution; -ENODEV none, and some pool is invalid; -EINVAL or
 *         another failure that ends the attempt for all nodes, with kube-scheduler's text.
 * cost:   O(devices within the node's reach), whatever other nodes have, when the first try
 * succeeds, at most SY_ALLOCATE_STEPS_MAX tries. */
int sy_allocator_try(struct sy_allocator *a, uint32_t node, const struct sy_device_pick **ret_picks,
                     uint32_t *ret_len, struct sy_err *err) SY_NODISCARD;
