/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom to evict so that a whole gang fits, or nobody. In one what-if: members that fit are placed;
 * for the others nodes are emptied of pods of lower priority, those first whose pods matter least;
 * then all that can stay is put back, what matters most first. A victim that belongs to a gang
 * counts with all its members, as the rest of it would be of no use. Pure: finds, does not act. */
#pragma once

#include "sched/gang.h"
#include "sched/gang_plan.h"

struct sy_gang_room {
    uint32_t candidate; /* index in the plan */
    uint32_t node;
};

struct sy_gang_preemptor {
    const struct sy_gang_plan *plan; /* that failed: its candidates, in order, and its topology */
    const struct sy_gangs *gangs;
    int32_t priority; /* pods below it may go */
    /* Whether a pod may be a victim as far as its scheduler goes. */
    bool (*is_ours)(const void *arg, const struct sy_pod_slot *pod);
    const void *arg;
};

struct sy_gang_preemption {
    bool fits;
    uint32_t violations;              /* budgets that it would violate */
    int32_t priority;                 /* highest of the victims' */
    SY_VEC(uint32_t) victims;         /* pod slots */
    SY_VEC(struct sy_gang_room) room; /* where the needed members go then */
};

/* ret: to be released with sy_gang_preemption_done(). The cluster is as before. Cost for each
 * domain, 64 at most: O(nodes x shapes of members + members + possible victims x members on their
 * node) filter runs. */
void sy_gang_preempt_find(struct sy_shapes *s, const struct sy_gang_preemptor *by,
                          struct sy_gang_preemption *ret);
void sy_gang_preemption_done(struct sy_gang_preemption *p);
