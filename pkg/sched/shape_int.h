/* SPDX-License-Identifier: Apache-2.0
 *
 * What is kept for a shape, and what shape.c, shape_pass.c, shape_ask.c and rank.c ask of one
 * another. For these alone. None of it blocks or fails but for memory, which aborts; all of it runs
 * on the core's thread. */
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

/* -- shape.c: one node, and the cache -- */

/* The id of a verdict, which is copied; valid until sy_shapes_mark(). O(1). */
uint32_t sy_shapes_intern(struct sy_shapes *s, const struct sy_verdict *v);
/* Makes v's reason upstream's text of an error: "running ", `before`, the plugin's name in quotes,
 * `after`, then the reason. */
void sy_shapes_wrap_error(struct sy_shapes *s, const char *before, const char *plugin,
                          const char *after, struct sy_verdict *v);
/* Brings view and plugins up to the cluster's epoch. O(1) when they are. */
void sy_shape_resolve(struct sy_shapes *s, struct sy_shape *shape);
/* Brings the cache up to date, and with it what sy_shape_resolve() does. O(changed nodes x log
 * nodes), or O(nodes) to build it. */
void sy_shape_refresh(struct sy_shapes *s, struct sy_shape *shape);
/* Throws away what plugins keep for the shape. */
void sy_shape_drop_kept(struct sy_shapes *s, struct sy_shape *shape);
/* Runs filters over one node: the id of the first refusal, or VERDICT_FITS. O(filters). */
uint32_t sy_shape_ask(struct sy_shapes *s, const struct sy_shape *shape,
                      const struct ready_filter *filters, uint32_t len, uint32_t node);
/* The same of the cached filters, for any node slot. The shape must be resolved. */
uint32_t sy_shape_local_verdict(struct sy_shapes *s, const struct sy_shape *shape, uint32_t node);
/* The sum of the cached scorers' points in thousandths, for a node that fits. */
int64_t sy_shape_local_score(const struct sy_shape *shape, uint32_t node);

/* Whether a filter failed, rather than refused. */
static inline bool sy_shapes_is_failure(const struct sy_shapes *s, uint32_t verdict)
{
    return verdict != VERDICT_NO_NODE && s->verdicts.p[verdict].code == SY_ERROR;
}

/* Whether the shape does without a cache. */
static inline bool sy_shape_is_named(const struct sy_shape *shape)
{
    return shape->plugins->names_len != SY_NONE && shape->plugins->reject.code == SY_FIT;
}

/* -- shape_pass.c: a look at all nodes; the shape must be refreshed -- */

/* Readies those global filters that have something to say, in s->arena: fills `ready` (room for
 * SY_FILTERS_MAX) and returns how many. out->reject: of the one that refused the whole pod. */
uint32_t sy_shape_ready_filters(struct sy_shapes *s, struct sy_shape *shape,
                                struct ready_filter *ready, struct sy_outcome *out);
/* The alive ones of the nodes that the shape names, rising; returns how many. */
uint32_t sy_shape_find_named(const struct sy_shapes *s, const struct sy_shape *shape,
                             uint32_t nodes[NAMES_MAX]);
/* Fills s->pass_nodes with what the cached and the `ready` filters pass, and s->pass_verdict for
 * every node slot. O(nodes). */
void sy_shape_filter_pass(struct sy_shapes *s, struct sy_shape *shape,
                          const struct ready_filter *ready, uint32_t len);
/* The same for a shape that names its nodes. out: where a failure ends the look, with nothing in
 * pass_verdict, for O(names); or NULL. */
void sy_shape_named_pass(struct sy_shapes *s, struct sy_shape *shape,
                         const struct ready_filter *ready, uint32_t len, struct sy_outcome *out);
/* Takes nodes out of pass_nodes that do not pass with the claims on them. verdicts: also notes why,
 * in pass_verdict; else nodes that do not pass anyway are left alone. out: what a failure goes to.
 * O(claims), each of which asks all filters about its node. */
void sy_shape_heed_claims(struct sy_shapes *s, struct sy_shape *shape, bool verdicts,
                          struct sy_outcome *out);
/* Whether any claim counts for the pod that is asked for. O(claims). */
bool sy_shapes_any_claims(const struct sy_shapes *s);
/* The verdict of all filters on one node, asked afresh, without the claims on it, and with them.
 * The shape must be resolved; reset s->arena. */
uint32_t sy_shape_plain_verdict(struct sy_shapes *s, struct sy_shape *shape, uint32_t node);
uint32_t sy_shape_claimed_verdict(struct sy_shapes *s, struct sy_shape *shape, uint32_t node);
/* The weighted points, in thousandths, that every node gets from global scorers that give all the
 * same. */
int64_t sy_shape_constant_points(const struct sy_shape *shape);
