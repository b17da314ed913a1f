/* SPDX-License-Identifier: Apache-2.0
 *
 * A seeded cluster in which what pods request and what they do are two things. Nodes are uneven;
 * some share their machine with tenants that no scheduler sees, some start pods slowly, some fail.
 * Pods come in groups, as workloads that are scaled up do; those of noisy workloads use more than
 * they request. A node of which more is wanted than it has is overloaded: everything on it goes
 * slower, so its pods stay longer.
 *
 * Nodes, failures, arrivals and what each pod wants are drawn from the seed alone: each policy gets
 * the same. docs/simulate.md has the numbers. */
#pragma once

#include "base/err.h"
#include "sim/measure.h"
#include "sim/sim.h"

struct sy_scenario {
    const char *name;
    const char *says;
    double load;     /* cpu requested by what should run, over that of all nodes */
    double noisy;    /* share of workloads that use more than they request */
    double tenants;  /* share of nodes with load that no request tells of */
    double slow;     /* share of nodes that start pods slowly */
    double flaky;    /* share of nodes that fail every few hours */
    bool are_uneven; /* node sizes differ */
};
/* The i-th, NULL after the last; by name, NULL when there is none. Static. */
const struct sy_scenario *sy_scenario_at(uint32_t i);
const struct sy_scenario *sy_scenario_find(const char *name);

struct sy_world_options {
    struct sy_scenario scenario;
    const struct sy_profile *profile;
    uint64_t seed;
    uint32_t nodes;      /* 1..SY_WORLD_NODES_MAX */
    double hours;        /* that count */
    double warmup_hours; /* before them */
    bool is_measured;    /* the core gets samples of real load */
    bool exact;
    /* Called each virtual minute with the share done, in [0,1]; true stops the run. May be NULL. */
    bool (*progress)(void *arg, double done);
    void *arg;
};
enum { SY_WORLD_NODES_MAX = 10000 };

/* Runs it. out: *ret, the caller's to sy_figures_done(). errors: -EINVAL for options out of range;
 * -ECANCELED; -EPROTO when an invariant did not hold, with what and when. Cost: about a microsecond
 * per pod that runs and ten virtual seconds. Any thread. */
int sy_world_run(const struct sy_world_options *options, struct sy_figures *ret,
                 struct sy_err *err) SY_NODISCARD;
