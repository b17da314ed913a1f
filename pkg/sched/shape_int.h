/* SPDX-License-Identifier: Apache-2.0
 *
 * What shape.c keeps for a shape, for its neighbours shape.c and rank.c alone. */
#pragma once

#include "sched/shape.h"

enum {
    VERDICT_FITS = 0,
    VERDICT_NO_NODE = 1, /* the slot holds no alive node */
    NAMES_MAX = 4,       /* nodes by name up to which looking at each is cheaper than a cache */
};

/* The plugins of a shape's profile, sorted by how they are asked. */
struct ready_filter {
    const struct sy_filter *filter;
    uint8_t index; /* in the profile */
    void *state;
};

struct ready_scorer {
    const struct sy_scorer *scorer;
    int64_t weight; /* times the unit that makes its points thousandths */
    uint8_t index;  /* in the profile */
    void *state;
};

struct sy_shape_plugins {
    struct ready_filter local[SY_FILTERS_MAX];
    uint32_t local_len;
    struct ready_filter global[SY_FILTERS_MAX]; /* state of one cycle */
    uint32_t global_len;
    struct ready_scorer local_scorers[SY_SCORERS_MAX];
    uint32_t local_scorers_len;
    struct ready_scorer global_scorers[SY_SCORERS_MAX];
    uint32_t global_scorers_len;
    /* The only nodes that a filter leaves, as with pods of DaemonSets: then there is no cache,
     * these are looked at each time. SY_NONE: nothing of the kind. */
    uint32_t names_len;
    sy_sid names[NAMES_MAX];
    uint8_t namer;            /* that filter, by index in the profile */
    struct sy_verdict reject; /* of a local filter's prepare(): no node will do in this epoch */
    const char *reject_plugin;
};

struct sy_shape_cache {
    uint64_t changes_seen; /* entries of the cluster's log taken into account */
    uint64_t epoch;
    uint64_t stamp; /* of the local scorers, when the scores were computed */
    uint32_t nodes_len;
    uint32_t leaves; /* power of two >= nodes_len */
    uint32_t feasible;
    uint32_t failed;   /* nodes on which a local filter failed: no answer stands */
    uint32_t *verdict; /* per node, of the local filters: id in verdicts */
    int64_t *score;    /* per node, of the local scorers; meaningless unless it fits */
    uint32_t *winner;  /* per inner node of the tree, root at 1: best node below, or SY_NONE */
};

/* The weighted points that every node gets from global scorers that give all the same. */
int64_t sy_shape_constant_points(const struct sy_shape *shape);
