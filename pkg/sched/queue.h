/* SPDX-License-Identifier: Apache-2.0
 *
 * Queue entries and the heaps that hold them. An entry is in at most one heap and knows its place
 * there, so it can be taken out in O(log n) wherever it is. */
#pragma once

#include "base/clock.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

#define SY_NO_ENTRY UINT32_MAX

enum sy_entry_state {
    SY_ENTRY_FREE,
    SY_ENTRY_ACTIVE,  /* in the active heap */
    SY_ENTRY_BACKOFF, /* in the backoff heap until `until_ns` */
    SY_ENTRY_WAITING, /* unschedulable: in its shape's heap; `until_ns` is the sweep's deadline */
    SY_ENTRY_GATED,
    SY_ENTRY_GANG,     /* waits for its gang, which is in a heap by another member at most */
    SY_ENTRY_RESERVED, /* assumed on `node`; its claims are seen to, then the pod is bound */
    SY_ENTRY_BINDING,  /* a bind is in flight */
};

struct sy_entry {
    uint32_t
        pod; /* slot in the cluster; SY_NO_ENTRY when the pod went while its bind was in flight */
    uint32_t shape; /* id */
    uint8_t state;
    bool swept;              /* what woke it last was only the safety sweep */
    bool is_ripe;            /* in a heap: it has gained all the priority that waiting gives */
    bool is_counted;         /* among what waits in its queue of the shares */
    uint16_t queue;          /* ACTIVE or counted: that queue */
    uint32_t place;          /* index in its heap */
    uint32_t node;           /* RESERVED and BINDING: the slot assumed */
    uint32_t nominated;      /* slot that others are moved away from for it; SY_NO_ENTRY: none */
    uint64_t nominated_seen; /* that node's generation when last looked at */
    uint32_t attempts;
    int32_t priority;
    uint64_t order;       /* arrival: ties of priority go by age */
    uint64_t serial;      /* of the bind ticket; 0: none */
    uint64_t said_hash;   /* of the condition last written, so that only changes are written */
    sy_time_ns queued_ns; /* first seen */
    sy_time_ns until_ns;
    sy_time_ns attempt_ns;          /* start of the attempt that is in flight */
    sy_time_ns bind_ns;             /* BINDING: when it was sent */
    sy_time_ns failed_ns;           /* of the node whose pod it replaces; 0: none */
    uint32_t older, newer;          /* WAITING: list in order of until_ns */
    struct sy_volume_work *volumes; /* RESERVED: owned; until_ns is when it gives up */
    struct sy_claim_work *claims;   /* RESERVED and BINDING: dropped when it leaves that place */
};

/* A pod that waits gains priority. All gain at one pace, so the order among those that still gain
 * never changes, nor that among those that do not any more (ripe ones): a heap of each, and only
 * their tops are compared, at a time. */
struct sy_queue_ageing {
    double points_per_ns; /* 0: off */
    double most;          /* points gained at most; 0: no limit */
    sy_time_ns now;
};

struct sy_entries {
    SY_VEC(struct sy_entry) all;
    SY_VEC(uint32_t) free;
    uint64_t next_order;
    struct sy_queue_ageing ageing;
};

struct sy_heap_part {
    SY_VEC(uint32_t) at;
};

struct sy_heap {
    struct sy_heap_part parts[2]; /* [1]: ripe ones */
    bool by_time; /* ordered by until_ns; else by priority with what it gained, then age */
};

uint32_t sy_entry_new(struct sy_entries *e);
void sy_entry_free(struct sy_entries *e, uint32_t i);
void sy_heap_push(struct sy_heap *h, struct sy_entries *e, uint32_t entry);
void sy_heap_remove(struct sy_heap *h, struct sy_entries *e, uint32_t entry);
/* The first, or SY_NO_ENTRY. O(1) but for entries that have ripened, O(log n) each, once. */
uint32_t sy_heap_top(struct sy_heap *h, struct sy_entries *e);
/* Makes the order right after a change of the ageing. O(n). */
void sy_heap_rebuild(struct sy_heap *h, struct sy_entries *e);
void sy_heap_done(struct sy_heap *h);
static inline uint32_t sy_heap_len(const struct sy_heap *h)
{
    return (uint32_t)(h->parts[0].at.len + h->parts[1].at.len);
}
/* Priority with what it gained. */
double sy_entry_effective(const struct sy_entries *e, const struct sy_entry *entry);
