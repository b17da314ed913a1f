/* SPDX-License-Identifier: Apache-2.0
 *
 * What is written into resource claims: the devices that a claim gets, whom it is reserved for, and
 * the taking back of both. Plain data that points into an arena, as in devices.h; what makes JSON
 * of it is kube/actions_claim.h. Source of the fields: k8s.io/api/resource/v1 (v0.37.2),
 * AllocationResult. */
#pragma once

#include "model/devices.h"

/* One device for one request. */
struct sy_device_grant {
    struct sy_device_result result;
    const struct sy_toleration *tolerations;
    const int64_t *toleration_seconds; /* as in struct sy_device_want */
    uint32_t tolerations_len;
    const sy_sid *conditions;
    uint32_t conditions_len;
    const sy_sid *failure_conditions;
    uint32_t failure_conditions_len;
};

struct sy_device_setting {
    bool is_of_class; /* else of the claim */
    struct sy_device_config config;
};

struct sy_device_allocation {
    const struct sy_device_grant *grants;
    uint32_t grants_len;
    const struct sy_device_setting *settings;
    uint32_t settings_len;
    struct sy_node_selector nodes; /* not set: all */
};

/* Copies all that it points to into arena. 0, -ENOMEM or -E2BIG; *ret only on success. */
int sy_device_allocation_copy(struct sy_arena *arena, const struct sy_device_allocation *from,
                              struct sy_device_allocation *ret) SY_NODISCARD;
void sy_device_allocation_mark(const struct sy_device_allocation *a, struct sy_strings *strings);

enum sy_claim_write_kind {
    SY_CLAIM_PROTECT,    /* the finalizer that keeps an allocated claim from going */
    SY_CLAIM_ALLOCATE,   /* `allocation`, and reserved for the pod */
    SY_CLAIM_RESERVE,    /* reserved for the pod, too */
    SY_CLAIM_UNRESERVE,  /* for the pod no more */
    SY_CLAIM_DEALLOCATE, /* allocation, reservations and the devices' state go */
    /* Of claims that are made for a pod's extended resources: */
    SY_CLAIM_CREATE,   /* with the requests of `made` */
    SY_CLAIM_TELL_POD, /* `mappings`, into the pod's status */
    SY_CLAIM_DELETE,   /* whatever is in it */
};

/* Which request of such a claim serves a container's resource: ContainerExtendedResourceRequest. */
struct sy_device_mapping {
    sy_sid container;
    sy_sid resource;
    sy_sid request;
};

/* One write. Borrowed. */
struct sy_claim_write {
    enum sy_claim_write_kind kind;
    const char *ns;
    const char *name;
    const char *uid;     /* of the claim; "": any */
    const char *version; /* resourceVersion that it must still have; NULL: any */
    const char *pod;
    const char *pod_uid;
    const struct sy_device_allocation *allocation; /* ALLOCATE */
    const struct sy_device_claim *made;            /* CREATE */
    const struct sy_device_mapping *mappings;      /* TELL_POD */
    uint32_t mappings_len;
};
