/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the allocator share: allocate.c (the search), allocate_pools.c (what a node
 * reaches, counters of pools), allocate_capacity.c (what is left of a device). */
#pragma once

#include "cluster/allocate.h"

#include "model/cel.h"

struct sy_programs {
    const struct sy_cel **p;
    const struct sy_device_selectors *texts;
};

struct sy_alloc_want {
    const struct sy_device_want *want;
    const struct sy_device_class *class;
    struct sy_programs of_class, own;
    int8_t **matches; /* by slice slot and device: 0 unknown, 1 yes, -1 no; a slice's when asked */
    uint32_t claim, request, alternative;
    int64_t count;              /* how many devices; of All on this node */
    struct sy_device_pick *all; /* those of All, on this node */
    uint32_t all_room;
};

struct sy_alloc_counter {
    const struct sy_device_counter *is;
    struct sy_exact left; /* after what claims and picks hold */
};

/* The counters of a pool, the same for all nodes. */
struct sy_alloc_counters {
    bool is_loaded;
    int64_t generation;
    struct sy_alloc_counter *p; /* by set and name */
    uint32_t len;
};

struct sy_alloc_pool {
    const struct sy_device_pool *pool;
    uint32_t first, len; /* in `here` */
    int64_t generation;
    bool is_incomplete, is_invalid, has_conditions;
    struct sy_alloc_counters *counters;
};

struct sy_alloc_request {
    uint32_t first_want, wants_len;
};

struct sy_allocator {
    struct sy_cluster *cluster;
    struct sy_arena *arena;
    const struct sy_device_claim *const *claims;
    uint32_t claims_len;
    struct sy_alloc_want *wants;
    uint32_t wants_len;
    struct sy_alloc_request **requests; /* by claim */
    struct sy_alloc_counters *counters; /* by index of the pool */
    sy_sid name_field;
    /* One node. */
    uint32_t node;
    uint32_t *here; /* slots of slices within reach, their pool's newest generation only */
    uint32_t here_len, here_room;
    struct sy_alloc_pool *pools;
    uint32_t pools_len, pools_room;
    struct sy_device_pick *picks;
    uint32_t picks_len;
    uint64_t steps;
    struct sy_err *err;
};

static inline const char *sy_alloc_text(const struct sy_allocator *a, sy_sid id)
{
    return sy_strings_getz(a->cluster->strings, id);
}

static inline const struct sy_device_slice *sy_alloc_slice(const struct sy_allocator *a,
                                                           uint32_t slot)
{
    return &a->cluster->devices.tables[SY_DEVICES_SLICE].all.p[slot].object->slice;
}

static inline const struct sy_device_want *sy_alloc_want_of(const struct sy_allocator *a,
                                                            const struct sy_device_pick *p)
{
    return &a->claims[p->claim]->requests[p->request].wants[p->want];
}

/* Sets a->err; return -E2BIG or -ENOMEM. */
int sy_alloc_out_of_room(struct sy_allocator *a) SY_NODISCARD;
/* "claim NAMESPACE/NAME, request NAME: WHAT"; returns -EINVAL. */
int sy_alloc_fail_request(struct sy_allocator *a, const struct sy_alloc_want *w,
                          const char *what) SY_NODISCARD;

/* Fills here and pools for a->node. 0 or out of room. Cost O(slices of the node and shared ones).
 */
int sy_alloc_gather_pools(struct sy_allocator *a) SY_NODISCARD;
/* Whether the node is one from which the devices can be used. */
bool sy_alloc_reaches(const struct sy_allocator *a, const struct sy_device_nodes *from);
/* Takes what a device takes of its pool's counters. 1 taken, 0 there is not enough, or out of room.
 */
int sy_alloc_take_counters(struct sy_allocator *a, struct sy_alloc_pool *pool,
                           const struct sy_device *d) SY_NODISCARD;
void sy_alloc_return_counters(struct sy_alloc_counters *counters, const struct sy_device *d);

/* From an entry on, the uses of a device by claims: alone, or shared. */
bool sy_alloc_is_held_alone(const struct sy_allocator *a, const struct sy_device_slice *slice,
                            const struct sy_device *d);
bool sy_alloc_is_held_shared(const struct sy_allocator *a, const struct sy_device_slice *slice,
                             const struct sy_device *d);
/* 1, 0 or an error: whether a device has as much as a request asks for. held: claims' and picks'
 * shares count. whole_name: how a failure calls the device. */
int sy_alloc_has_capacity(struct sy_allocator *a, const struct sy_alloc_want *w,
                          const struct sy_device_slice *slice, const struct sy_device *d, bool held,
                          bool whole_name) SY_NODISCARD;
/* Fills p->consumed where the device is shared. 0 or out of room. */
int sy_alloc_note_consumed(struct sy_allocator *a, struct sy_device_pick *p) SY_NODISCARD;
