/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds nodes for all members of a gang at once: one after another is placed by the ordinary
 * filters and scorers and assumed, so that each sees those before it. Where a topology key is
 * given, one domain after another is tried, the tightest that may hold them first. What is left
 * assumed at the end is a whole gang or nothing. */
#pragma once

#include "sched/shape.h"

struct sy_gang_candidate {
    uint32_t pod;   /* slot */
    uint32_t entry; /* for the caller */
    int32_t priority;
    uint64_t order;
    struct sy_shape *shape; /* borrowed */
    /* What became of it. */
    uint32_t node; /* assumed there; SY_NONE: not */
    bool failed;   /* in the try that got furthest; false too for one that was not needed */
};

struct sy_gang_plan {
    SY_VEC(struct sy_gang_candidate) candidates;
    uint32_t needed; /* so many of them, from 1 */
    sy_sid topology_key;
    bool topology_is_required;
    bool exact; /* compare every verdict with one made afresh */
    /* Called when a pod is assumed on a node: takes what else it needs there. False: it cannot be
     * had; then nothing is held. release takes that back. */
    bool (*hold)(void *arg, const struct sy_gang_candidate *candidate, uint32_t node);
    void (*release)(void *arg, const struct sy_gang_candidate *candidate);
    /* NULL, or called when a try begins with nothing placed, and for each member that fits
     * somewhere: a node where it fits and shall go rather than to the best, or SY_NONE. */
    void (*begin)(void *arg);
    uint32_t (*wish)(void *arg, const struct sy_gang_candidate *candidate, struct sy_shape *shape);
    void *arg;

    /* What became of it. */
    bool fits;
    uint32_t placed;  /* of those needed, in the try that got furthest */
    uint32_t blocker; /* index of the first candidate that failed then; SY_NONE */
    bool is_error;    /* a plugin failed: the message says how */
    char *message;    /* about the blocker, as a single pod would be told; owned */
    sy_sid domain;    /* value of the topology key that was chosen; 0: none */
    uint32_t domains_tried;
    uint64_t differences; /* with `exact` */
};

/* Fills the results, to be released with sy_gang_plan_done(). When it fits, the first `needed`
 * candidates that could be placed are assumed and held; else the cluster is as before, and no
 * relief is noted. Cost: candidates x one look each, for up to SY_GANG_DOMAINS_MAX domains. */
enum { SY_GANG_DOMAINS_MAX = 64 };
void sy_gang_plan(struct sy_shapes *s, struct sy_gang_plan *plan);
void sy_gang_plan_done(struct sy_gang_plan *plan);
