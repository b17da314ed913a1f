/* SPDX-License-Identifier: Apache-2.0
 *
 * What was measured on the nodes: real load, beside what pods request. Each metric of each node is
 * independent of the others. A sample counts in full for one window after its end, then fades, and
 * is nothing after three; what was placed since is added as an estimate. Whatever is missing, old
 * or absurd leaves the requests alone to speak. Pure; time is given. docs/models.md has the
 * formulas. */
#pragma once

#include "base/clock.h"
#include "base/strings.h"
#include "base/vec.h"
#include "model/load.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_cluster;

/* "not_finite" and so on; "taken". */
const char *sy_load_result_name(enum sy_load_result r);
/* "cpu", "memory", "ephemeral-storage", "gpu", "gpu-memory", "network", NULL. */
extern const char *const sy_load_metric_names[SY_LOAD_METRICS + 1];
/* One of these. */
const char *sy_load_metric_name(enum sy_load_metric m);

/* Takes one measurement of a node. A sample that came before changes nothing and is TAKEN. Cost
 * O(pods placed on the node within the last windows); the node counts as changed when its effective
 * load moved by more than a small step. Loop thread, as all here. */
enum sy_load_result sy_cluster_load(struct sy_cluster *c, sy_sid node_name,
                                    const struct sy_load_sample *sample, sy_time_ns now);
/* Lets samples fade. Call every few seconds. Cost O(nodes with samples), none without any. */
void sy_cluster_load_fade(struct sy_cluster *c, sy_time_ns now);
/* The time: what is placed from now on was placed then. */
void sy_cluster_load_now(struct sy_cluster *c, sy_time_ns now);

/* What is held of one metric of a node. */
struct sy_load_view {
    double measured; /* share of the whole, as measured */
    double weight;   /* 1 fresh, 0 faded: then nothing else counts */
    double share;    /* what the models use: measured plus the estimate of what came since */
    sy_time_ns at_ns;
};
/* False when there is no sample. */
bool sy_cluster_load_get(const struct sy_cluster *c, uint32_t node, enum sy_load_metric metric,
                         struct sy_load_view *ret);

/* -- what the cluster keeps of it -- */

struct sy_load_held {
    double measured;
    sy_time_ns at_ns;
    int64_t window_ns; /* 0: no sample */
};

/* One metric over all node slots; the arrays are NULL until the first sample of it. */
struct sy_load_column {
    struct sy_load_held *held;
    /* Published: what filters and scorers read. They change together with the node. */
    float *share;  /* measured plus estimate */
    float *weight; /* in [0,1] */
    float *excess; /* weight x (share - requested share), 0 at least: what load adds to requests */
    uint32_t samples; /* nodes that have one */
};

/* A pod that samples may not know of yet. */
struct sy_load_placed {
    uint32_t pod;
    sy_time_ns at_ns;
};
struct sy_load_recent {
    SY_VEC(struct sy_load_placed) pods; /* by time */
};

struct sy_load {
    struct sy_load_column columns[SY_LOAD_METRICS];
    struct sy_load_recent *recent; /* per node slot; NULL until the first sample of all */
    uint32_t samples;              /* of all metrics */
    sy_time_ns now_ns;
    bool is_filtered; /* a filter reads it: less load is relief to pods that wait */
};

/* For cluster.c. grow: as the other arrays do. forget: nothing is held of the slot any more.
 * follow: the node's charge or size changed, and the node is about to count as changed. */
void sy_load_done(struct sy_cluster *c);
void sy_load_grow(struct sy_cluster *c, uint32_t old_room, uint32_t room);
void sy_load_forget(struct sy_cluster *c, uint32_t node);
void sy_load_follow(struct sy_cluster *c, uint32_t node);
/* A pod was put on a node (1) or taken off (-1). */
void sy_load_pod_on_node(struct sy_cluster *c, uint32_t pod, uint32_t node, int sign);
/* Whether what is published is right, but for the step. O(nodes with samples). */
bool sy_load_audit(const struct sy_cluster *c);

/* What load adds to the requested share of a node: 0 where nothing fresh says more. */
static inline double sy_load_excess(const struct sy_load *load, enum sy_load_metric metric,
                                    uint32_t node)
{
    const float *excess = load->columns[metric].excess;

    return excess ? (double)excess[node] : 0;
}
