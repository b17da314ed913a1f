/* SPDX-License-Identifier: Apache-2.0
 *
 * A shape is all that filters and scorers look at in a pod; pods of equal shape share their
 * verdicts and scores. A shape's cache holds the verdict and score for every node, and a tournament
 * tree over them, so that the best node is read at the root; when nodes changed, only they are
 * evaluated again. The cache is exact: sy_shape_check() recomputes everything and compares. */
#pragma once

#include "policy/policy.h"
#include "sched/queue.h"

struct sy_shape_cache;

struct sy_shape {
    const struct sy_shared_spec *spec; /* one reference held; NULL when the id is free */
    const struct sy_profile *profile;
    uint32_t id;
    uint32_t refs; /* queue entries */
    struct sy_heap waiting;
    uint64_t relief_seen; /* entries of the cluster's relief log taken into account for `waiting` */
    uint64_t view_epoch;  /* of the cluster, when `view` was resolved */
    struct sy_shape_view view;
    const struct sy_filter *filters[SY_FILTERS_MAX]; /* those that apply */
    uint8_t filter_index[SY_FILTERS_MAX];            /* of each, in the profile */
    uint32_t filters_len;
    struct sy_shape_cache *cache; /* NULL when not built or evicted */
    uint64_t last_used;
    char *message; /* why no node fits, as of message_generation; owned */
    uint64_t message_generation;
    uint64_t message_epoch;
};

struct sy_shapes {
    struct sy_cluster *cluster;
    struct sy_policy_texts texts;
    SY_VEC(struct sy_shape *) all; /* by id */
    SY_VEC(uint32_t) free;
    struct sy_map by_key;
    SY_VEC(struct sy_verdict) verdicts; /* distinct ones, by id; 0 is "fits" */
    struct sy_map verdict_by_hash;
    size_t cache_bytes;
    size_t cache_bytes_max;
    uint64_t use_clock;
    uint32_t waiting_shapes; /* with a non-empty `waiting` */
    uint64_t hits, builds, evaluated;
};

void sy_shapes_init(struct sy_shapes *s, struct sy_cluster *cluster, size_t cache_bytes_max);
void sy_shapes_done(struct sy_shapes *s);
/* The shape of a spec under a profile, with one reference for the caller (a queue entry). The
 * profile must outlive it. */
struct sy_shape *sy_shape_ref(struct sy_shapes *s, const struct sy_shared_spec *spec,
                              const struct sy_profile *profile);
void sy_shape_unref(struct sy_shapes *s, struct sy_shape *shape);

/* The best node for the shape now, or SY_NONE. Cost: O(changed nodes x log nodes) with a cache,
 * O(nodes) to build one. */
uint32_t sy_shape_best(struct sy_shapes *s, struct sy_shape *shape);
/* Whether a change noted in the relief log since the last call lets the shape fit somewhere. */
bool sy_shape_is_relieved(struct sy_shapes *s, struct sy_shape *shape);
/* "0/N nodes are available: ..." for a shape that fits nowhere; borrowed until the next call. */
const char *sy_shape_message(struct sy_shapes *s, struct sy_shape *shape);
/* Recomputes verdicts and scores of all nodes; returns how many differ from the cache. */
uint32_t sy_shape_check(struct sy_shapes *s, struct sy_shape *shape);
/* Verdict and score of one node, computed afresh. */
struct sy_verdict sy_shape_evaluate(struct sy_shapes *s, struct sy_shape *shape, uint32_t node,
                                    int64_t *ret_score);
/* Throws all caches away (profiles changed). */
void sy_shapes_drop_caches(struct sy_shapes *s);
