/* SPDX-License-Identifier: Apache-2.0
 *
 * One run: a cluster, those who use it, the faults and the schedulers, all out of one seed. */
#pragma once

#include "books.h"

struct world_options {
    uint64_t seed;
    uint64_t steps; /* with faults; then they end, and all is to settle */
    enum vlie lie;
    bool is_loud;         /* each line of the trace is printed as it comes */
    unsigned trace_lines; /* printed when something is wrong */
};

struct world_result {
    enum rule verdict; /* RULES: nothing was wrong */
    char text[512];
    uint64_t step; /* at which the run ended */
    uint64_t sum;  /* of the trace */
    double virtual_s;
    uint64_t decisions, evictions, requests, pods, restarts;
};

struct world_result world_run(const struct world_options *options);
