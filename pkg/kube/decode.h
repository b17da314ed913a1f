/* SPDX-License-Identifier: Apache-2.0
 *
 * From one object's bytes, protobuf or JSON, to the compact model. Both forms give equal models.
 * Decoders read only the fields that scheduling needs, never recurse deeper than a fixed depth, and
 * survive any bytes: a malformed object is -EBADMSG, an object over the arena's cap -E2BIG, memory
 * -ENOMEM. All pointers in the result go into d->arena, valid until it is reset. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/strings.h"
#include "model/node.h"
#include "model/pod.h"

#include <stdbool.h>

enum sy_encoding { SY_ENCODING_JSON, SY_ENCODING_PROTOBUF };

struct sy_decode {
    struct sy_strings *strings;
    struct sy_resource_names names;
    struct sy_arena arena; /* reset by the caller between objects */
    /* Annotation keys kept, by exact text (NULL-terminated, may be NULL). */
    const char *const *annotation_keys;
    /* Quantities that were malformed or saturated, ints out of range etc.: counted, not fatal. */
    uint64_t odd_values;
};

/* arena_cap_bytes: largest model of one object, e.g. 64 MiB. */
void sy_decode_init(struct sy_decode *d, struct sy_strings *strings, size_t arena_cap_bytes);
void sy_decode_done(struct sy_decode *d);

/* raw: one object. Protobuf: the message itself (no "k8s\0" envelope: the framers strip it). */
int sy_decode_pod(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw, struct sy_pod *ret,
                  struct sy_err *err) SY_NODISCARD;
int sy_decode_node(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw,
                   struct sy_node *ret, struct sy_err *err) SY_NODISCARD;

/* metav1.ObjectMeta's and Status's few fields that every object has. Text points into raw or arena.
 */
struct sy_meta {
    struct sy_str name;
    struct sy_str ns;
    struct sy_str uid;
    struct sy_str resource_version;
    bool
        initial_events_end; /* annotation k8s.io/initial-events-end: "true" (watch-list bookmark) */
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
/* Accepts the envelope too, since error bodies come whole. */
int sy_decode_status(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw,
                     struct sy_status *ret, struct sy_err *err) SY_NODISCARD;
