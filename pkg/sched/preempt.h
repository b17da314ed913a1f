/* SPDX-License-Identifier: Apache-2.0
 *
 * Preemption, as kube-scheduler's DefaultPreemption (v1.37): on each node where removing pods might
 * help, take all pods of lower priority off, see whether the pod fits, put back as many as possible
 * (those whose budget would be violated first, then by importance), and choose the node whose
 * victims matter least. Pure: finds, does not act. */
#pragma once

#include "sched/shape.h"

struct sy_preemption {
    uint32_t node;            /* SY_NONE: nothing helps */
    SY_VEC(uint32_t) victims; /* pod slots, most important first */
    uint32_t violations;      /* budgets that it would violate */
    char *message; /* when nothing helps: kube-scheduler's text after "preemption: "; owned */
};

struct sy_preemptor {
    uint32_t pod; /* slot */
    struct sy_shape *shape;
    /* Whether a pod may be a victim as far as its scheduler goes. */
    bool (*is_ours)(const void *arg, const struct sy_pod_slot *pod);
    const void *arg;
    uint32_t first_node; /* where the round over candidates starts: spreads ties; any number */
    /* What was found out about nodes that have not changed since may be used again, and is kept
     * with the shape. Finds the same. `arg` must be the same each time. */
    bool may_remember;
    bool any_priority; /* pods of the same and of higher priority may go as well */
    /* NULL, or takes those out of the possible victims of a node that may not go together, and
     * returns how many are left: pods, most important first. In no what-if. */
    size_t (*narrow)(const void *arg, uint32_t node, uint32_t *pods, size_t len);
};

/* ret: to be released with sy_preemption_done(). Cost: O(candidates x pods on them) filter runs, at
 * most max(100, 10 %) candidates; none for a candidate that is remembered. */
void sy_preempt_find(struct sy_shapes *s, const struct sy_preemptor *preemptor,
                     struct sy_preemption *ret);
/* For comparing the two ways to find. */
bool sy_preemption_is_same(const struct sy_preemption *a, const struct sy_preemption *b);
void sy_preemption_done(struct sy_preemption *p);
/* Uses up the budgets that cover the pod, of which `allowed` has what is left (in parallel to the
 * cluster's budgets); whether one of them is overdrawn. O(budgets). */
bool sy_preempt_violates(const struct sy_cluster *c, uint32_t pod, int32_t *allowed);
