/* SPDX-License-Identifier: Apache-2.0
 *
 * One measurement of one metric of a node, as sources give it (pkg/load) and the cluster takes it
 * (cluster/load.h), and what may become of it. */
#pragma once

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

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
     * NETWORK. Any double: the cluster rejects NaN and the like, not the source. */
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
