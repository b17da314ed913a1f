/* SPDX-License-Identifier: Apache-2.0
 *
 * From one object's bytes, protobuf or JSON, to the compact model. Both forms give equal models.
 * Decoders read only the fields that scheduling needs, never recurse deeper than a fixed depth, and
 * survive any bytes: a malformed object is -EBADMSG, an object over the arena's cap -E2BIG, memory
 * -ENOMEM. All pointers in the result go into d->arena, valid until it is reset. One thread per
 * struct sy_decode. Cost: O(bytes of the object).
 *
 * JSON values that are null or of the wrong type are as good as absent. Two things are left to the
 * users of the model: an affinity term without namespaces and namespace selector means the pod's
 * own namespace; a term's or constraint's weight and skew are as sent. Source of semantics:
 * k8s.io/api/core/v1, k8s.io/kubernetes/pkg/scheduler (v1.37.2). */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/strings.h"
#include "model/budget.h"
#include "model/devices.h"
#include "model/group.h"
#include "model/node.h"
#include "model/pod.h"
#include "model/storage.h"
#include "model/workload.h"

#include <stdbool.h>

enum sy_encoding { SY_ENCODING_JSON, SY_ENCODING_PROTOBUF };

struct sy_decode {
    struct sy_strings *strings;
    struct sy_resource_names names;
    struct sy_arena arena; /* reset by the caller between objects */
    /* Annotation keys kept, by exact text (NULL-terminated, may be NULL). */
    const char *const *annotation_keys;
    /* Quantities that were malformed (then absent) or saturated, ints and times out of range, JSON
     * of the wrong type, texts too long to intern (then cut): counted, not fatal. */
    uint64_t odd_values;
    /* Private: what is read before it becomes a model, and ids of frequent texts. */
    struct sy_arena scratch;
    sy_sid empty;
    sy_sid any_ip;
};

/* arena_cap_bytes: largest model of one object, e.g. 64 MiB; the same again is the cap on what is
 * read on the way there. strings is borrowed and must outlive d. */
void sy_decode_init(struct sy_decode *d, struct sy_strings *strings, size_t arena_cap_bytes);
void sy_decode_done(struct sy_decode *d);
/* Marks the ids that d keeps for itself, between sy_strings_mark_begin() and _sweep(). */
void sy_decode_mark(const struct sy_decode *d);

/* raw: one object. Protobuf: the message itself, as the framers give it, or with the "k8s\0"
 * envelope, as a GET answers. *ret is written on success only. */
int sy_decode_pod(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw, struct sy_pod *ret,
                  struct sy_err *err) SY_NODISCARD;
int sy_decode_node(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw,
                   struct sy_node *ret, struct sy_err *err) SY_NODISCARD;

/* Volumes, claims, storage classes and CSI objects; *ret holds the kind's struct. */
int sy_decode_storage(struct sy_decode *d, enum sy_storage_kind kind, enum sy_encoding enc,
                      struct sy_str raw, union sy_storage_object *ret,
                      struct sy_err *err) SY_NODISCARD;

/* policy/v1 PodDisruptionBudget. */
int sy_decode_budget(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw,
                     struct sy_budget *ret, struct sy_err *err) SY_NODISCARD;

/* Namespaces, Services and controllers: metadata and selector only. */
int sy_decode_workload(struct sy_decode *d, enum sy_workload_kind kind, enum sy_encoding enc,
                       struct sy_str raw, struct sy_workload *ret, struct sy_err *err) SY_NODISCARD;

/* ResourceSlices, DeviceClasses and ResourceClaims; *ret holds the kind's struct. A malformed
 * quantity counts as 0, and as odd. */
int sy_decode_devices(struct sy_decode *d, enum sy_devices_kind kind, enum sy_encoding enc,
                      struct sy_str raw, union sy_devices_object *ret,
                      struct sy_err *err) SY_NODISCARD;

/* A PodGroup of the API that the source (enum sy_group_source) stands for. A minimum that is no
 * number from 1 counts as not said. */
int sy_decode_group(struct sy_decode *d, uint8_t source, enum sy_encoding enc, struct sy_str raw,
                    struct sy_group_object *ret, struct sy_err *err) SY_NODISCARD;
/* A node's Lease (coordination.k8s.io/v1, of namespace kube-node-lease). */
struct sy_node_lease {
    sy_sid node;             /* its name is the node's; 0 when absent */
    int64_t renewed_wall_ns; /* in whole seconds; 0 when absent */
    int64_t duration_ns;     /* as sent: any int32 of seconds */
};
int sy_decode_lease(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw,
                    struct sy_node_lease *ret, struct sy_err *err) SY_NODISCARD;

/* The few fields of metav1.ObjectMeta that every object has. Text points into raw or d->arena. */
struct sy_meta {
    struct sy_str name;
    struct sy_str ns;
    struct sy_str uid;
    struct sy_str resource_version;
    /* Annotation k8s.io/initial-events-end is "true": the bookmark that ends a watch-list. */
    bool initial_events_end;
};
int sy_decode_meta(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw,
                   struct sy_meta *ret, struct sy_err *err) SY_NODISCARD;

struct sy_status { /* metav1.Status */
    int code;
    struct sy_str reason;
    struct sy_str message;
    uint32_t retry_after_ms;         /* details.retryAfterSeconds */
    bool resource_version_too_large; /* details.causes[].reason ResourceVersionTooLarge */
};
/* Accepts the envelope too, since error bodies come whole. What is of another kind is -EBADMSG.
 * Text points into raw or d->arena. */
int sy_decode_status(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw,
                     struct sy_status *ret, struct sy_err *err) SY_NODISCARD;
