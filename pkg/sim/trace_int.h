/* SPDX-License-Identifier: Apache-2.0
 *
 * What the ways to play a trace share: the run, its ledger, and how pods come, are placed and go.
 * Private to sim/trace*. */
#pragma once

#include "base/rng.h"
#include "base/vec.h"
#include "sched/sched.h"
#include "sim/trace.h"

static const sy_time_ns SY_TRACE_EPOCH_NS = 1000 * SY_NS_PER_S;

/* What a node gives, by the simulator's own count. */
struct trace_node {
    const struct sy_openb_node *is;
    int64_t cpu_milli, memory_bytes; /* free */
    int32_t free_milli[SY_OPENB_GPUS_MAX];
    bool has_unknown; /* something is there that does not say on which devices */
};

struct trace_pod {
    const struct sy_openb_pod *is;
    uint32_t node; /* index; SY_NONE: not placed */
    uint32_t unit; /* of arrivals; SY_NONE: it was there before */
    uint64_t devices;
    double ends_s; /* INFINITY: never */
    bool is_gone;
};

/* A unit of the list that has come. */
struct trace_arrival {
    uint32_t of_list;
    uint32_t first_pod; /* in pods; its members follow one another */
    uint32_t placed;    /* members that got a node */
    double at_s;
    double part_left; /* of how long the list says that its pods last */
    double waited_s;  /* until all of its minimum had a node; negative: they have not */
};

struct trace_bind {
    uint64_t ticket, devices;
    uint32_t pod, node;
};

struct trace_run {
    const struct sy_trace_options *o;
    struct sy_strings *strings;
    struct sy_resource_names names;
    struct sy_sched *sched;
    sy_sid ns, scheduler_name, model_key, group_key, min_key;
    sy_sid models[SY_OPENB_MODELS_MAX];
    sy_time_ns now;                  /* of the core */
    double clock_s;                  /* of the trace, where it has times */
    SY_VEC(struct trace_node) nodes; /* in the core's order */
    SY_VEC(uint32_t) node_of_id;
    SY_VEC(struct trace_pod) pods; /* residents, then by number of arrival */
    uint32_t residents_len;
    SY_VEC(struct trace_arrival) arrivals;
    SY_VEC(uint32_t) ends; /* a heap of those that end, earliest first */
    int64_t capacity_milli, used_milli, arrived_milli, refused_milli;
    int64_t cpu_capacity_milli, cpu_used_milli;
    int64_t memory_capacity_bytes, memory_used_bytes;
    double sums[SY_TRACE_PERCENT_MAX + 1];
    uint32_t counts[SY_TRACE_PERCENT_MAX + 1];
    SY_VEC(struct trace_bind) binds; /* what the core has just decided */
    const char *broken;              /* what the core did wrong */
    struct sy_trace_result result;
};

/* A unit comes: its pods are told to the core, which is not run. Returns its index. */
uint32_t sy_trace_come(struct trace_run *r, uint32_t of_list, double at_s, double part_left);
/* Runs the core and carries out what it decides. Returns when it wants to be run again. */
sy_time_ns sy_trace_decide(struct trace_run *r);
/* A pod is deleted, wherever it is. */
void sy_trace_go(struct trace_run *r, uint32_t pod);
/* The placed pod that ends next, taken out of the heap. */
uint32_t sy_trace_pop_end(struct trace_run *r);
/* When that is; INFINITY when none ends. */
double sy_trace_next_end_s(const struct trace_run *r);
/* Tells how much is done, in some of the steps; true when the run is to stop. */
bool sy_trace_note_progress(const struct trace_run *r, size_t step, size_t done, size_t all);

/* Arrivals of a list's units at random: which, and at what mean rate. */
struct trace_draw {
    SY_VEC(double) lasts; /* running sum, over those with times */
    SY_VEC(uint32_t) which;
    double sum_s;
    double rate;  /* units a second */
    size_t first; /* units that are there at the start */
};
/* errors: -EINVAL for a list without times. Free with sy_trace_draw_done() in any case. */
int sy_trace_draw(const struct trace_run *r, struct trace_draw *ret, struct sy_err *err);
void sy_trace_draw_done(struct trace_draw *d);
/* The i-th unit, and the part of its time that it has left. */
uint32_t sy_trace_draw_next(const struct trace_draw *d, struct sy_rng *rng, size_t i,
                            double *ret_part);

/* Pods that find no room wait for it; trace_wait.c. */
int sy_trace_play_waiting(struct trace_run *r, struct sy_err *err);
