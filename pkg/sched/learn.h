/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node's behaviour teaches: performance from bind-to-running times against its peers,
 * reliability from how often it went NotReady. Feeds the dynamic weight. The formulas are in
 * docs/models.md; time is given, so that a run replays. */
#pragma once

#include "cluster/cluster.h"

struct sy_learned {
    sy_sid name;    /* whose history this is: slots are reused */
    float start_s;  /* EWMA of bind-to-running seconds; 0 before the first sample */
    float failures; /* times NotReady, decayed */
    sy_time_ns start_at_ns;
    sy_time_ns failures_at_ns;
};

struct sy_learner {
    int64_t start_half_life_ns;      /* 0: 10 min */
    int64_t failure_half_life_ns;    /* 0: a day */
    SY_VEC(struct sy_learned) nodes; /* by slot */
    float peers_start_s;             /* EWMA over all nodes */
    sy_time_ns peers_at_ns;
};

void sy_learner_done(struct sy_learner *l);
/* Marks the names that it holds. */
void sy_learner_mark(const struct sy_learner *l, struct sy_strings *strings);
/* A pod that we bound went Running after start_s seconds. */
void sy_learn_start(struct sy_learner *l, struct sy_cluster *c, uint32_t node, double start_s,
                    sy_time_ns now);
/* A node went from Ready to not. */
void sy_learn_failure(struct sy_learner *l, struct sy_cluster *c, uint32_t node, sy_time_ns now);
/* Lets failures fade; call about once a minute. Cost O(nodes). */
void sy_learn_decay(struct sy_learner *l, struct sy_cluster *c, sy_time_ns now);

/* Weight of a sample that comes elapsed_ns after the last one, for an EWMA with that half-life. */
double sy_ewma_alpha(int64_t elapsed_ns, int64_t half_life_ns);
/* Posterior mean probability of failure after `failures` decayed failures, under a prior worth 0.1
 * failures in 10 periods (p = 0.01 without history); and 1 - (1 - p)^n for n nodes. */
double sy_failure_probability(double failures);
double sy_failure_probability_any(double p, uint32_t nodes);
