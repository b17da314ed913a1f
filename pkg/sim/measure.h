/* SPDX-License-Identifier: Apache-2.0
 *
 * What is counted in a run, from the end of its warm-up on, and the figures that come of it. */
#pragma once

#include "base/clock.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

enum sy_measure {
    SY_MEASURE_SPREAD_SD,
    SY_MEASURE_SPREAD_RANGE,
    SY_MEASURE_OVERLOAD,
    SY_MEASURE_OVERLOAD_CPU,
    SY_MEASURE_OVERLOAD_MEMORY,
    SY_MEASURE_WAIT_MEAN,
    SY_MEASURE_WAIT_P50,
    SY_MEASURE_WAIT_P99,
    SY_MEASURE_SLOWED,
    SY_MEASURE_HITS,
    SY_MEASURE_RECOVERY,
    SY_MEASURE_COMPLETED,
    SY_MEASURE_USE,
    SY_MEASURE_REQUESTED,
    SY_MEASURES,
};

struct sy_measure_info {
    const char *key;   /* in JSON */
    const char *title; /* for people */
    const char *unit;
    const char *says; /* one sentence */
    int better;       /* -1: less is better, 1: more is, 0: neither */
};
extern const struct sy_measure_info sy_measure_infos[SY_MEASURES];

enum { SY_QUANTILES = 201 }; /* of waiting, evenly over 0..1 */

/* One run's figures. Free with sy_figures_done(). */
struct sy_figures {
    double value[SY_MEASURES];
    double wait_quantile_s[SY_QUANTILES];
    /* A point each SY_SERIES_STEP_NS, warm-up included. */
    SY_VEC(float) spread;     /* standard deviation of real cpu use, in shares */
    SY_VEC(float) overloaded; /* share of nodes that are */
    uint64_t pods, binds;
};
#define SY_SERIES_STEP_NS (300 * SY_NS_PER_S)
/* Frees the series; the values stay. */
void sy_figures_done(struct sy_figures *f);

/* The state of a run while it goes on; zero it, then set `from`. */
struct sy_gauge {
    sy_time_ns from; /* nothing before this counts */
    SY_VEC(double) waits_s;
    double recovery_s;
    uint64_t recoveries, hits, completed;
    double spread_sd, spread_range, use, requested; /* sums over `looks` */
    uint64_t looks;
    double overload_s, overload_cpu_s, overload_memory_s;
    double slow_s, run_s; /* pod-seconds on overloaded nodes; all */
    /* The looks since the last point of the series. */
    double step_sd, step_overloaded;
    uint32_t step_looks;
    sy_time_ns step_until;
    struct sy_figures figures;
};

/* One node at one instant, for sy_gauge_look(). Shares of what it has; above 1 is overload. */
struct sy_gauge_node {
    double cpu, memory, requested_cpu_milli, cpu_milli;
    uint32_t running;
};
/* Looks at the nodes that are up, which have been so for dt_ns. O(len). */
void sy_gauge_look(struct sy_gauge *g, const struct sy_gauge_node *nodes, uint32_t len,
                   int64_t dt_ns, sy_time_ns now);
/* A pod that arrived then has first run now, or still waits when the run ends. */
void sy_gauge_wait(struct sy_gauge *g, sy_time_ns arrived, sy_time_ns now);
/* A pod that was lost then runs again. */
void sy_gauge_recovery(struct sy_gauge *g, sy_time_ns lost, sy_time_ns now);
/* A running pod was lost with its node; a pod has run to its end. */
void sy_gauge_hit(struct sy_gauge *g, sy_time_ns now);
void sy_gauge_completed(struct sy_gauge *g, sy_time_ns now);
/* Moves the figures out and frees the rest. */
struct sy_figures sy_gauge_finish(struct sy_gauge *g);
