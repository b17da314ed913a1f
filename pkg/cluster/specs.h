/* SPDX-License-Identifier: Apache-2.0
 *
 * One packed copy of each distinct pod spec and label set, shared by all pods that have it.
 * Replicas of a workload differ in little more than their name, so 50,000 pods hold a few hundred
 * specs, and the spec's dense id is the key of the scheduler's caches. */
#pragma once

#include "model/pod.h"

struct sy_shared_spec {
    struct sy_pod_spec spec; /* its pointers go into `arena` */
    struct sy_arena arena;
    uint64_t hash[2]; /* SipHash-128 of the canonical encoding, under the string table's key */
    uint32_t id;      /* dense; reused after release */
    uint32_t refs;
    uint64_t serial; /* never reused: tells a recycled id from the old one */
};

struct sy_shared_labels {
    uint32_t refs;
    uint32_t id;
    uint64_t hash;
    struct sy_labels labels; /* pairs follow this struct in the same block */
};

struct sy_specs;

struct sy_specs *sy_specs_new(struct sy_strings *strings);
void sy_specs_free(struct sy_specs *s);

/* The shared copy of `spec`, with one reference for the caller. NULL: memory (or a spec over 64
 * MiB). Cost: one encode and hash when known; a copy when new. */
const struct sy_shared_spec *sy_specs_ref(struct sy_specs *s,
                                          const struct sy_pod_spec *spec) SY_NODISCARD;
/* One more reference to a shared copy. */
const struct sy_shared_spec *sy_specs_retain(struct sy_specs *s, const struct sy_shared_spec *spec);
void sy_specs_unref(struct sy_specs *s, const struct sy_shared_spec *spec);
const struct sy_shared_labels *sy_specs_ref_labels(struct sy_specs *s,
                                                   struct sy_labels labels) SY_NODISCARD;
const struct sy_shared_labels *sy_specs_retain_labels(struct sy_specs *s,
                                                      const struct sy_shared_labels *labels);
void sy_specs_unref_labels(struct sy_specs *s, const struct sy_shared_labels *labels);
uint32_t sy_specs_len(const struct sy_specs *s);
void sy_specs_mark(const struct sy_specs *s);
