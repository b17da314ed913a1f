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

/* A whole run out of the seed. */
struct world_result world_run(const struct world_options *options);

/* For stories: a world without nodes, pods, people and faults, in which a scheduler has started, or
 * two that elect a leader. */
struct world;
struct world *world_bare(bool is_loud, bool elects);
void world_free(struct world *w);
struct vapi *world_api(struct world *w);
struct vnet *world_net(struct world *w);
struct books *world_books(struct world *w);
struct daemon *world_daemon(struct world *w); /* the first; NULL: it is down */
struct daemon *world_leader(struct world *w); /* that holds the lease, or NULL */
void world_start_daemon(struct world *w);
void world_kill_daemon(struct world *w, struct daemon *d);
void world_pass(struct world *w, int64_t ns);
