/* SPDX-License-Identifier: Apache-2.0
 *
 * What the search for devices would else have to look through all objects for: slices by node and
 * by pool, allocated devices, claims that stand for a pod's extended resources. Follows the store
 * (devices.c) change by change; sy_device_index_audit() compares it with one made anew. Part of the
 * cluster; one thread. */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "model/allocation.h"

struct sy_cluster;

/* All slices of a driver's pool, of every generation. */
struct sy_device_pool {
    sy_sid driver;
    sy_sid name;
    SY_VEC(uint32_t) slices; /* slots, by the texts of the slices' names */
    /* What holds of the newest generation, slices with compatibility groups left out; right when
     * has_facts. */
    bool has_facts;
    bool names_are_unique;   /* of devices */
    bool counters_are_sound; /* each set comes once, each counter that a device takes is there */
    uint32_t newest_len;
    int64_t newest; /* generation, also of slices with groups */
};

/* Slices that one node alone reaches; place 0: those that many may. */
struct sy_device_place {
    sy_sid node;
    SY_VEC(uint32_t) slices; /* slots, by the texts of driver, pool and name */
};

/* One allocation of a device. */
struct sy_device_use {
    const struct sy_device_result
        *result;   /* of a claim in the store, or held; NULL: the entry is free */
    uint32_t next; /* of the same device, or SY_NONE */
};

struct sy_device_index {
    SY_VEC(struct sy_device_pool) pools;
    SY_VEC(uint32_t) free_pools;
    struct sy_map pool_by_name;
    SY_VEC(struct sy_device_place) places;
    SY_VEC(uint32_t) free_places;
    struct sy_map place_by_node;
    SY_VEC(struct sy_device_use) uses;
    SY_VEC(uint32_t) free_uses;
    struct sy_map use_by_device; /* the first of each device */
    struct sy_map claim_by_owner;
};

/* Slots of slices. Borrowed until the store changes. */
struct sy_device_slots {
    const uint32_t *p;
    uint32_t len;
};
/* The slices that the node alone reaches, and those that many nodes may reach. O(1). */
struct sy_device_slots sy_device_index_of_node(const struct sy_cluster *c, sy_sid node);
struct sy_device_slots sy_device_index_shared(const struct sy_cluster *c);
/* The pool that a slice (by slot) belongs to, with facts. Borrowed until the store changes. Cost
 * O(1), O(devices of the pool) the first time after a change. */
const struct sy_device_pool *sy_device_index_pool(struct sy_cluster *c, uint32_t slice);
/* The first use of a device that claims hold, not for admins; SY_NONE: nobody does. O(1). */
uint32_t sy_device_index_use(const struct sy_cluster *c, sy_sid driver, sy_sid pool, sy_sid device);
/* The claim made for the extended resources of the pod with that UID, or NULL. O(1). */
const struct sy_device_claim *sy_device_index_for_pod(const struct sy_cluster *c,
                                                      struct sy_str uid);

/* For devices.c: an object came into its slot, or is about to leave it. */
void sy_device_index_add(struct sy_cluster *c, enum sy_devices_kind kind, uint32_t slot);
void sy_device_index_remove(struct sy_cluster *c, enum sy_devices_kind kind, uint32_t slot);
/* The same of an allocation that is held (sy_devices_hold()). */
void sy_device_index_hold(struct sy_cluster *c, const struct sy_device_allocation *a);
void sy_device_index_release(struct sy_cluster *c, const struct sy_device_allocation *a);
void sy_device_index_done(struct sy_device_index *index);
/* Compares with an index made anew: the first difference as text, or NULL. O(objects). For tests
 * and the audit. */
const char *sy_device_index_audit(const struct sy_cluster *c);
