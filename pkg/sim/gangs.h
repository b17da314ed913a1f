/* SPDX-License-Identifier: Apache-2.0
 *
 * A seeded cluster of GPU nodes that gangs come to without end while all that can fail does: binds
 * are refused, lost or unheard of, nodes fail and go away, members are deleted and come again.
 * Whether a gang is whole is judged from the binds alone, at each step of the engine: the
 * scheduler's own word counts for nothing. docs/simulate.md says what happens how often. */
#pragma once

#include "base/err.h"
#include "sim/sim.h"

struct sy_gangs_options {
    const struct sy_profile *profile;
    uint64_t seed;
    uint64_t arrivals; /* gangs, from 1 */
    uint32_t nodes;    /* 8 to SY_GANGS_NODES_MAX, of 8 GPUs */
    bool exact;
    /* Called now and then with the share done, in [0,1]; true stops the run. May be NULL. */
    bool (*progress)(void *arg, double done);
    void *arg;
};
enum { SY_GANGS_NODES_MAX = 10000 };

struct sy_gangs_figures {
    uint64_t gangs, singles, members; /* that have come; members of gangs, replacements included */
    uint64_t whole;                   /* gangs that had all of their minimum bound */
    uint64_t given_up;                /* left before they were */
    uint64_t binds, refused, lost, unheard;
    uint64_t nodes_failed, nodes_gone, members_deleted, evicted;
    double wait_mean_s, wait_max_s; /* of gangs, from the last member that the minimum needs */
    double whole_mean_s,
        whole_max_s;       /* from a gang's first bind to its last, no member being lost */
    double gpus_allocated; /* over time, in percent of those on nodes that are there */
    double days;           /* virtual */
};

/* Runs until all have come and gone. errors: -EINVAL for options; -ECANCELED; -EPROTO when a gang
 * was partial (a first bind without those of its minimum, members of one rack in two, or not whole
 * SY_GANGS_WHOLE_S after its first bind although nothing of it was lost) or something that
 * sy_sim_audit() looks for was wrong, with what and when. Memory: of the pods alive. Any thread. */
enum { SY_GANGS_WHOLE_S = 300 };
int sy_gangs_run(const struct sy_gangs_options *options, struct sy_gangs_figures *ret,
                 struct sy_err *err) SY_NODISCARD;
