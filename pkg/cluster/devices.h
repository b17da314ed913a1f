/* SPDX-License-Identifier: Apache-2.0
 *
 * Resource slices, device classes and resource claims by name. Part of the cluster; one thread.
 * Every change grows the cluster's generation, so that pods that wait are looked at again. */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "cluster/device_index.h"
#include "model/allocation.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_cluster;

struct sy_devices_slot {
    struct sy_arena arena;           /* holds `object` */
    union sy_devices_object *object; /* NULL: the slot is free */
    sy_sid ns, name;
    bool seen;     /* in the replacement that is going on */
    bool is_ahead; /* of a claim: newer than what the watch has told */
    struct sy_devices_hold *hold;
};

/* An allocation that is being written into a claim. Until that has ended the claim's devices are
 * taken, and nobody else may have the claim. */
struct sy_devices_hold {
    struct sy_arena arena;
    struct sy_device_allocation allocation;
    uint64_t holder;
};

struct sy_devices_table {
    SY_VEC(struct sy_devices_slot) all;
    SY_VEC(uint32_t) free;
    struct sy_map by_name;
};

struct sy_devices {
    struct sy_devices_table tables[SY_DEVICES_KINDS];
    SY_VEC(struct sy_devices_hold *) ahead; /* of claims that are not there yet */
    struct sy_device_index index;
    uint64_t generation; /* grows with every change here */
    /* Whoever acts on our decisions writes allocations and reservations into claims before it
     * binds. While this is false, no pod with claims may be placed: it would start without its
     * devices, and they would be given to others. */
    bool are_written;
    /* The same of claims made for extended resources that a device class stands for. */
    bool extended_are_written;
};

/* Adds or updates an object (the kind's struct, borrowed). One whose resourceVersion is the one we
 * have changes nothing. Errors: -ENOMEM, -E2BIG; then all is as before. O(object). */
int sy_devices_upsert(struct sy_cluster *c, enum sy_devices_kind kind,
                      const void *object) SY_NODISCARD;
/* ns: 0 for a kind without namespaces. */
void sy_devices_delete(struct sy_cluster *c, enum sy_devices_kind kind, sy_sid ns, sy_sid name);
/* Around a full list: what was not given between is deleted at the end. O(objects). */
void sy_devices_replace_begin(struct sy_cluster *c, enum sy_devices_kind kind);
void sy_devices_replace_end(struct sy_cluster *c, enum sy_devices_kind kind);

/* By name; NULL when there is none. Valid until the object changes. */
const struct sy_device_class *sy_devices_class(const struct sy_cluster *c, sy_sid name);
const struct sy_device_claim *sy_devices_claim(const struct sy_cluster *c, sy_sid ns, sy_sid name);
/* The class that stands for an extended resource, or that a resource's name names; NULL: none. Of
 * several the newest, then the first by name. Source: deviceclass/extendedresourcecache in
 * k8s.io/dynamic-resource-allocation v0.37.2. O(classes). */
const struct sy_device_class *sy_devices_class_for(const struct sy_cluster *c, sy_sid resource);
/* The claim's allocation is being written by `holder`, any number of the caller's choice. The claim
 * has no allocation and no other holder. Errors: -ENOENT for no such claim, -ENOMEM, -E2BIG. Ends
 * by itself when the claim is told to have an allocation, to be another, or to be gone.
 * O(allocation). */
int sy_devices_hold(struct sy_cluster *c, sy_sid ns, sy_sid name, uint64_t holder,
                    const struct sy_device_allocation *allocation) SY_NODISCARD;
/* Inert when the claim is not held by it (any more). */
void sy_devices_release(struct sy_cluster *c, sy_sid ns, sy_sid name, uint64_t holder);
/* The same for a claim that is yet to be made. Ends with sy_devices_release_ahead() alone, also
 * inert when there is none. O(allocation), O(holds ahead). */
int sy_devices_hold_ahead(struct sy_cluster *c, uint64_t holder,
                          const struct sy_device_allocation *allocation) SY_NODISCARD;
void sy_devices_release_ahead(struct sy_cluster *c, uint64_t holder);
/* Whether anybody holds the claim. O(1). */
bool sy_devices_is_held(const struct sy_cluster *c, const struct sy_device_claim *claim);
/* Those allocations: at starts at 0; NULL after the last. */
const struct sy_device_allocation *sy_devices_next_held(const struct sy_cluster *c, uint32_t *at);
/* A claim as the server gave it in answer to a write or a read, which may be ahead of the watch:
 * what the watch tells of the past after this changes nothing. Inert unless we have a claim of that
 * UID with an older resourceVersion. Errors as sy_devices_upsert(). */
int sy_devices_refresh(struct sy_cluster *c, const struct sy_device_claim *claim) SY_NODISCARD;
/* The objects of a kind: at starts at 0; NULL after the last. */
const union sy_devices_object *sy_devices_next(const struct sy_cluster *c,
                                               enum sy_devices_kind kind, uint32_t *at);

/* For cluster.c only. */
void sy_devices_mark_all(const struct sy_cluster *c);
void sy_devices_done(struct sy_cluster *c);
