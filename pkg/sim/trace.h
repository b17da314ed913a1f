/* SPDX-License-Identifier: Apache-2.0
 *
 * A trace played to the scheduler's core: pods arrive one by one in an order drawn from the seed,
 * each is placed at once or dropped, never tried again. What is measured is how much of the GPUs is
 * allocated when so much has been asked for. As in "Beware of Fragmentation" (ATC'23) and its
 * published simulator: nodes are in random order, which decides between equals; the list of pods is
 * shuffled, and tuned to a total by copies drawn at random and added at the end, or by dropping
 * pods at random. A gang comes as one, and is placed whole or dropped. Or with departures, or pods
 * wait for room: docs/simulate.md. One thread; any number side by side. */
#pragma once

#include "base/err.h"
#include "policy/policy.h"
#include "sim/openb.h"

enum {
    SY_TRACE_PERCENT_MAX = 200, /* of the GPUs, arrived: where curves end */
    SY_TRACE_POINTS = 8,
};
/* Where figures are compared: 50, 80, 90, 95, 100, 110, 120, 130. */
extern const uint32_t sy_trace_points[SY_TRACE_POINTS];

struct sy_trace_options {
    const struct sy_openb *trace; /* borrowed, read only */
    const struct sy_profile *profile;
    uint64_t seed;
    double tune; /* GPUs asked for over those there are; with departures, the offered load */
    /* Targets are those of the whole list, known before: as FGD was published. Else learned. */
    bool knows_targets;
    uint32_t departures; /* arrivals, with pods that end; 0: none ends */
    bool waits;          /* with departures: what finds no room waits for it */
    /* All come and end when the list says, and wait for room. tune and departures do not matter. */
    bool is_listed;
    bool exact; /* as in sy_sched_options */
    /* Called now and then with the share done, in [0,1]; true stops the run. May be NULL. */
    bool (*progress)(void *arg, double done);
    void *arg;
};

/* Waits of units from their arrival until all of their minimum have a node. What still waits at the
 * end counts with the time until then. */
struct sy_trace_waits {
    uint64_t units, never; /* never: of them, those that still wait */
    double mean_s, p50_s, p99_s, most_s;
};

struct sy_trace_result {
    /* Share of all milli-GPUs that is allocated, in percent, by percent arrived: the mean over the
     * events that round to it. Negative where there was none. */
    float allocated[SY_TRACE_PERCENT_MAX + 1];
    float fragmentation;   /* at the end: of what is idle, the part that the mix can not use, % */
    double mean_allocated; /* with departures or times: over time, in percent */
    double mean_cpu, mean_memory; /* the same of cpu and memory, where pods wait */
    struct sy_trace_waits singles, gangs;
    double lasted_s;
    double refused_milli;  /* part of the demand that was dropped, in percent */
    uint64_t pods, placed; /* placed: of them */
};

/* Runs it. errors: -EINVAL for options or a trace that can not be played, with what; -ECANCELED;
 * -EPROTO when the core's placements break the ledger kept here: a device taken twice, a node
 * overcommitted, exact_differences. Cost: some 100 us a pod at 1,200 nodes. */
int sy_trace_run(const struct sy_trace_options *options, struct sy_trace_result *ret,
                 struct sy_err *err) SY_NODISCARD;

/* The order in which units of the list arrive. Free with sy_vec_done(). */
struct sy_trace_order {
    SY_VEC(uint32_t) units;
};
void sy_trace_order(const struct sy_openb *list, int64_t capacity_milli, double tune, uint64_t seed,
                    struct sy_trace_order *ret);
/* Of a result: allocated at a point, or where the curve last was before it. */
double sy_trace_at(const struct sy_trace_result *r, uint32_t percent);
