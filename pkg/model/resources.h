/* SPDX-License-Identifier: Apache-2.0
 *
 * Amounts of named resources, and the requests of a pod as Kubernetes computes them. Source:
 * k8s.io/component-helpers/resource/helpers.go (v0.37.2), KEP-753 (sidecars), KEP-2837 (pod-level
 * resources), KEP-1287 (in-place resize). */
#pragma once

#include "base/arena.h"
#include "base/strings.h"

#include <stdbool.h>
#include <stdint.h>

/* cpu in milli-cores, memory, ephemeral-storage and hugepages in bytes, all else in units. */
struct sy_amount {
    sy_sid resource;
    int64_t amount;
};

/* Sorted by resource id, unique. An entry with amount 0 says "present and zero". */
struct sy_amounts {
    const struct sy_amount *p;
    uint32_t len;
};

/* The amount, or 0 when absent; whether there is an entry. O(log n). */
int64_t sy_amounts_get(struct sy_amounts a, sy_sid resource);
bool sy_amounts_has(struct sy_amounts a, sy_sid resource);
/* Sorts by resource id, the last of equal ids wins. Returns the new length. */
uint32_t sy_amounts_sort(struct sy_amount *p, uint32_t len);
/* Equal ids and amounts, entries of 0 included. O(n). */
bool sy_amounts_eq(struct sy_amounts a, struct sy_amounts b);
/* Element-wise sum (saturating) and maximum, in `arena`; on failure .p is NULL with len UINT32_MAX.
 */
struct sy_amounts sy_amounts_sum(struct sy_arena *arena, struct sy_amounts a, struct sy_amounts b);
struct sy_amounts sy_amounts_max(struct sy_arena *arena, struct sy_amounts a, struct sy_amounts b);

enum sy_container_kind { SY_CONTAINER_MAIN, SY_CONTAINER_INIT, SY_CONTAINER_SIDECAR };

struct sy_container {
    uint8_t kind; /* SIDECAR: an init container with restartPolicy Always */
    struct sy_amounts requests;
    /* From the container's status; used for bound pods (in-place resize). */
    bool has_status;
    struct sy_amounts status_requests;  /* status.resources.requests */
    struct sy_amounts status_allocated; /* status.allocatedResources */
};

struct sy_pod_resources {
    const struct sy_container *containers; /* init containers first, in spec order */
    uint32_t containers_len;
    bool has_pod_level;
    struct sy_amounts pod_level; /* spec.resources.requests */
    struct sy_amounts overhead;
    /* From the pod's status: resources.requests and allocatedResources (pod-level in-place resize,
     * on by default since 1.36). When both are given they stand for the sums over containers. */
    struct sy_amounts pod_status_requests;
    struct sy_amounts pod_status_allocated;
    bool resize_infeasible; /* the first condition PodResizePending has reason Infeasible */
};

struct sy_pod_request_totals {
    struct sy_amounts requests; /* what the scheduler charges */
    /* For scoring: as requests, but each container that has no entry at all counts as 100m and 200
     * MiB. With pod-level requests that holds only for a resource that the whole pod does not ask
     * for. */
    int64_t nonzero_cpu_milli;
    int64_t nonzero_memory_bytes;
    /* NodeResourcesFit's score leaves pod-level requests out, unlike all else. For a pod that has
     * them: what it counts for the pod to place, instead of the two above. Else false, 0, 0. */
    bool scored_apart;
    int64_t scored_cpu_milli;
    int64_t scored_memory_bytes;
};

/* Whether a name is of an extended resource: of a domain that is not Kubernetes' own. Source:
 * pkg/apis/core/v1/helper (v1.37.2), IsExtendedResourceName; that the name is well formed is the
 * API server's to see to. O(len). */
bool sy_resource_is_extended(struct sy_str name);
/* Whether a device class may stand for the name: extended ones, and those that name a class. */
bool sy_resource_may_be_device(struct sy_str name);
/* deviceclass.resource.kubernetes.io/CLASS */
#define SY_DEVICE_CLASS_PREFIX "deviceclass.resource.kubernetes.io/"

enum { SY_GPU_RESOURCES_MAX = 8 };

/* Ids of the resource names that have special rules; filled once per string table. */
struct sy_resource_names {
    sy_sid cpu;
    sy_sid memory;
    sy_sid ephemeral_storage;
    sy_sid pods;
    sy_sid nvidia_gpu;
    /* Of which a unit is a whole GPU: nvidia_gpu, and those that sy_resource_names_add_gpus() has
     * added. */
    sy_sid gpus[SY_GPU_RESOURCES_MAX];
    uint32_t gpus_len;
};
/* Interns the names in strings and fills *n. */
void sy_resource_names_init(struct sy_resource_names *n, struct sy_strings *strings);
/* Further resources of which a unit is a whole GPU; those that are there already change nothing,
 * and so do those that there is no room for. O(len). */
void sy_resource_names_add_gpus(struct sy_resource_names *n, struct sy_strings *strings,
                                const char *const *names, uint32_t len);
/* Marks the ids, as every sweep needs. */
void sy_resource_names_mark(const struct sy_resource_names *n, struct sy_strings *strings);
/* Whether a unit of the resource is a whole GPU. */
static inline bool sy_resource_is_gpu(const struct sy_resource_names *n, sy_sid resource)
{
    for (uint32_t i = 0; i < n->gpus_len; i++) {
        if (n->gpus[i] == resource)
            return true;
    }
    return false;
}

/* The requests of a pod as kube-scheduler charges them (NodeInfo and the scorers): the greater of
 * the sum over main containers and sidecars and of what any init container needs beside the
 * sidecars before it; pod-level cpu, memory and hugepages instead, where given; plus overhead. A
 * container with a status counts with the greatest of spec, allocated and actual, or without the
 * spec when the resize is infeasible. Sums saturate. "A limit without a request" is filled in by
 * the API server.
 *
 * in:     strings, to know hugepages by name; in: lists sorted as sy_amounts are.
 * out:    *ret, pointing into arena; untouched on failure.
 * errors: -E2BIG past the arena's cap; -ENOMEM.
 * cost:   O(containers x resources of the pod); one small allocation without statuses and init
 *         containers.
 * Amounts are rounded up before they are summed, upstream after; the API server rounds cpu to whole
 * milli-cores at admission, so this shows only for fractions of bytes. */
int sy_pod_requests(struct sy_arena *arena, const struct sy_strings *strings,
                    const struct sy_resource_names *names, const struct sy_pod_resources *in,
                    struct sy_pod_request_totals *ret) SY_NODISCARD;
