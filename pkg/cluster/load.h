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

#include <stdbool.h>
#include <stdint.h>

struct sy_cluster;

enum sy_load_metric {
    SY_LOAD_CPU,
    SY_LOAD_MEMORY,
    SY_LOAD_EPHEMERAL,
    SY_LOAD_GPU,
    SY_LOAD_GPU_MEMORY,
    SY_LOAD_NETWORK,
    SY_LOAD_METRICS,
};

/* One measurement, as a source read it. */
struct sy_load_sample {
    enum sy_load_metric metric;
    /* Share of what the node has (is_share), 1 for all of it; else an amount: milli-cores for CPU,
     * bytes for MEMORY, EPHEMERAL and GPU_MEMORY, thousandths of a GPU for GPU, bytes a second for
     * NETWORK. Any double: NaN and the like are rejected here, not by the source. */
    double value;
    bool is_share;
    sy_time_ns at_ns;  /* end of the interval that it is the mean of, in the core's time */
    int64_t window_ns; /* length of that interval; 0: not known, then 60 s */
};

/* What became of a sample; the reasons for a counter's label. */
enum sy_load_result {
    SY_LOAD_TAKEN,
    SY_LOAD_NOT_FINITE,
    SY_LOAD_NEGATIVE,
    SY_LOAD_ABSURD,   /* more than 1.5 of the whole */
    SY_LOAD_STALE,    /* older than three windows, or than the one that is held */
    SY_LOAD_FUTURE,   /* more than a window ahead of the clock */
    SY_LOAD_UNJOINED, /* no such node */
    SY_LOAD_NO_TOTAL, /* an amount of something that the node has none of */
    SY_LOAD_RESULTS,
};
/* "not_finite" and so on; "taken". */
const char *sy_load_result_name(enum sy_load_result r);
/* "cpu", "memory", "ephemeral-storage", "gpu", "gpu-memory", "network". */
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
