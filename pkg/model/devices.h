/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices and what asks for them (resource.k8s.io/v1), as compact structs. Decoders fill them with
 * pointers into a scratch arena; the cluster keeps packed copies. A name that may be absent is 0
 * then, and so is an empty one. Source: k8s.io/api/resource/v1 (v0.37.2). */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "model/labels.h"

#include <stdbool.h>
#include <stdint.h>

/* whole + nano / 10^9, nano in [0, 10^9): every quantity within int64's range, exactly. */
struct sy_exact {
    int64_t whole;
    uint32_t nano;
    bool is_binary; /* written with Ki, Mi, ...: how it is written again; of no weight else */
};

/* A Kubernetes quantity. Beyond int64's range the nearest value within; what is finer than a nano
 * is rounded up. 0 or -EINVAL. O(len). */
int sy_exact_parse(struct sy_str s, struct sy_exact *ret) SY_NODISCARD;
/* <0, 0, >0. */
int sy_exact_cmp(struct sy_exact a, struct sy_exact b);
/* Held at the ends of int64's range; written as the first. */
struct sy_exact sy_exact_add(struct sy_exact a, struct sy_exact b);
struct sy_exact sy_exact_sub(struct sy_exact a, struct sy_exact b);
/* Appends it as Kubernetes writes it. Errors as sy_buf_add(). Source: apimachinery
 * pkg/api/resource/quantity.go (v0.37.2), CanonicalizeBytes. */
int sy_exact_print(struct sy_exact e, struct sy_buf *out);

enum sy_attribute_kind {
    SY_ATTRIBUTE_NONE, /* no value that we know */
    SY_ATTRIBUTE_INT,
    SY_ATTRIBUTE_BOOL,
    SY_ATTRIBUTE_STRING,
    SY_ATTRIBUTE_VERSION, /* a semantic version's text */
};

/* Attributes of a list type are behind a gate that is off in v1.37, and are not kept. */
struct sy_attribute {
    sy_sid name;
    sy_sid domain;  /* of the driver when the name has none */
    uint8_t kind;   /* enum sy_attribute_kind */
    sy_sid text;    /* of STRING and VERSION */
    int64_t number; /* of INT and BOOL */
};

/* How much of a capacity one request may take: CapacityRequestPolicy. */
struct sy_capacity_policy {
    bool has_default, has_range, has_min, has_max, has_step;
    struct sy_exact by_default;     /* for a request that names no amount */
    struct sy_exact min, max, step; /* validRange */
    const struct sy_exact *values;  /* validValues, rising */
    uint32_t values_len;
};

/* A device's capacity, or what a request wants of one. */
struct sy_capacity {
    sy_sid name;
    sy_sid domain;
    bool is_qualified; /* the domain is part of the name: matters where names are compared */
    struct sy_exact value;
    const struct sy_capacity_policy *policy; /* of a device's; NULL: none */
};

/* A counter of a counter set: how much there is, or how much a device takes of it. */
struct sy_device_counter {
    sy_sid set;
    sy_sid name;
    struct sy_exact value;
};

struct sy_device_taint {
    sy_sid key;
    sy_sid value; /* the id of "" when absent */
    bool is_none; /* effect None: for information only */
    uint8_t effect;
};

/* Where devices can be used from. */
struct sy_device_nodes {
    sy_sid node;
    struct sy_node_selector selector;
    bool all;
};

struct sy_device {
    sy_sid name;
    const struct sy_attribute *attributes;
    uint32_t attributes_len;
    const struct sy_capacity *capacity;
    uint32_t capacity_len;
    const struct sy_device_taint *taints;
    uint32_t taints_len;
    struct sy_device_nodes nodes;             /* when the slice says so */
    bool is_shared;                           /* allowMultipleAllocations */
    const struct sy_device_counter *counters; /* consumesCounters */
    uint32_t counters_len;
    bool binds_to_node; /* once allocated it is of use on that node alone */
    /* The driver has a say before the pod is bound. */
    const sy_sid *conditions;
    uint32_t conditions_len;
    const sy_sid *failure_conditions;
    uint32_t failure_conditions_len;
};

struct sy_device_slice { /* ResourceSlice */
    struct sy_str resource_version;
    sy_sid name;
    sy_sid driver;
    sy_sid pool;
    int64_t pool_generation;
    int64_t pool_slices; /* how many there are of this generation */
    struct sy_device_nodes nodes;
    bool nodes_per_device;
    const struct sy_device_counter *counters; /* sharedCounters; then it has no devices */
    uint32_t counters_len;
    bool has_groups; /* of compatibility, behind a gate that is off: the slice does not count */
    const struct sy_device *devices;
    uint32_t devices_len;
};

/* A CEL expression; 0-terminated text. Another kind of selector is an empty one, which no device
 * satisfies. */
struct sy_device_selectors {
    const struct sy_str *p;
    uint32_t len;
};

/* What a driver is told about devices that are allocated: not for us, but passed on. */
struct sy_device_config {
    const sy_sid *requests; /* of a claim's: NAME or NAME/ALTERNATIVE; none: all requests */
    uint32_t requests_len;
    sy_sid driver;            /* 0: a config of another kind than `opaque`, which is not kept */
    struct sy_str parameters; /* JSON as it came */
};

struct sy_device_class { /* DeviceClass */
    struct sy_str resource_version;
    sy_sid name;
    struct sy_device_selectors selectors;
    const struct sy_device_config *config;
    uint32_t config_len;
    sy_sid extended_resource; /* spec.extendedResourceName */
    int64_t created_wall_ns;
};

enum sy_device_mode { SY_DEVICES_EXACT_COUNT, SY_DEVICES_ALL, SY_DEVICES_OTHER };

/* `exactly`, or one of `firstAvailable`. */
struct sy_device_want {
    sy_sid name; /* of an alternative; 0 for `exactly` */
    sy_sid class;
    struct sy_device_selectors selectors;
    uint8_t mode; /* enum sy_device_mode */
    int64_t count;
    bool admin_access;
    const struct sy_capacity *capacity; /* capacity.requests; domain 0 for a name without one */
    uint32_t capacity_len;
    const struct sy_toleration *tolerations;
    const int64_t *toleration_seconds; /* in parallel; INT64_MIN: for ever. NULL: all for ever */
    uint32_t tolerations_len;
};

struct sy_device_request {
    sy_sid name;
    bool has_alternatives;
    const struct sy_device_want *wants; /* one, or the alternatives in order; none: unknown type */
    uint32_t wants_len;
};

struct sy_device_constraint {
    const sy_sid *requests; /* NAME or NAME/ALTERNATIVE; none: all requests */
    uint32_t requests_len;
    bool is_distinct; /* distinctAttribute; else matchAttribute */
    sy_sid domain;    /* of the attribute */
    sy_sid name;      /* 0: a constraint of another kind */
};

struct sy_device_result {
    sy_sid request; /* NAME or NAME/ALTERNATIVE */
    sy_sid driver;
    sy_sid pool;
    sy_sid device;
    bool admin_access;
    bool is_share; /* shareID: others may hold the device too */
    const struct sy_capacity *consumed;
    uint32_t consumed_len;
};

struct sy_device_claim { /* ResourceClaim */
    struct sy_str uid;
    struct sy_str resource_version;
    sy_sid ns;
    sy_sid name;
    bool is_deleting;
    struct sy_str owner_uid; /* of the controlling owner */
    bool is_for_extended;    /* made by a scheduler for a pod's extended resources */
    const struct sy_device_request *requests;
    uint32_t requests_len;
    const struct sy_device_constraint *constraints;
    uint32_t constraints_len;
    const struct sy_device_config *config;
    uint32_t config_len;
    bool is_allocated;
    bool has_failed; /* a driver says that one of the devices can not be had */
    bool is_waiting; /* else: a driver has not said yet that the devices can be used */
    const struct sy_device_result *results;
    uint32_t results_len;
    struct sy_node_selector nodes;     /* of the allocation; not set: all */
    const struct sy_str *reserved_for; /* uids */
    uint32_t reserved_for_len;
};

/* DeviceTaintRule: the taint is as good as in the slices, on all devices that it selects. */
struct sy_device_taint_rule {
    struct sy_str resource_version;
    sy_sid name;
    bool has_selector; /* without one it selects none */
    sy_sid driver;     /* 0, as the next two: any */
    sy_sid pool;
    sy_sid device;
    struct sy_device_taint taint;
};

enum sy_devices_kind {
    SY_DEVICES_SLICE, /* struct sy_device_slice */
    SY_DEVICES_CLASS, /* struct sy_device_class */
    SY_DEVICES_CLAIM, /* struct sy_device_claim */
    SY_DEVICES_RULE,  /* struct sy_device_taint_rule */
    SY_DEVICES_KINDS,
};

/* Room for one object of any kind. */
union sy_devices_object {
    struct sy_device_slice slice;
    struct sy_device_class class;
    struct sy_device_claim claim;
    struct sy_device_taint_rule rule;
};

/* What all kinds have: ns is 0 where there is none. Borrowed. */
struct sy_devices_identity {
    sy_sid ns;
    sy_sid name;
    struct sy_str resource_version;
};
struct sy_devices_identity sy_devices_identity(enum sy_devices_kind kind, const void *object);
/* Copies the object and all that it points to into arena. object: the kind's struct. 0, -ENOMEM or
 * -E2BIG; *ret only on success. */
int sy_devices_copy(enum sy_devices_kind kind, struct sy_arena *arena, const void *object,
                    union sy_devices_object *ret) SY_NODISCARD;
/* Marks every string id that the object holds, for sy_strings_sweep(). */
void sy_devices_mark(enum sy_devices_kind kind, const void *object, struct sy_strings *strings);
/* As sy_pod_dump(). */
int sy_devices_dump(enum sy_devices_kind kind, const void *object, const struct sy_strings *strings,
                    struct sy_buf *out);
