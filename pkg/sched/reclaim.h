/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom to evict so that a queue gets what is guaranteed to it: pods of queues that use more than is
 * guaranteed to them. Pure: finds, does not act. docs/queues.md has the rules. */
#pragma once

#include "sched/gang.h"
#include "sched/preempt.h"

struct sy_reclaimer {
    uint32_t pod; /* slot */
    struct sy_shape *shape;
    const struct sy_gangs *gangs;
    /* As in struct sy_preemptor. */
    bool (*is_ours)(const void *arg, const struct sy_pod_slot *pod);
    const void *arg;
    uint32_t first_node;
};

/* ret: as of sy_preempt_find(), with which it shares its search; without victims that a disruption
 * budget protects. Cost: as there, and O(queues) for each pod of a candidate node. */
void sy_reclaim_find(struct sy_shapes *s, const struct sy_reclaimer *by, struct sy_preemption *ret);
