/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/learn.h"

#include <math.h>

static const int64_t START_HALF_LIFE_NS = 600 * SY_NS_PER_S;
static const int64_t FAILURE_HALF_LIFE_NS = 86400 * SY_NS_PER_S;
static const double PRIOR_FAILURES = 0.1;
static const double PRIOR_PERIODS = 10;

double sy_ewma_alpha(int64_t elapsed_ns, int64_t half_life_ns)
{
    return 1 - exp2(-(double)elapsed_ns / (double)half_life_ns);
}

double sy_failure_probability(double failures)
{
    return (failures + PRIOR_FAILURES) / (failures + PRIOR_PERIODS);
}

double sy_failure_probability_any(double p, uint32_t nodes)
{
    return 1 - pow(1 - p, nodes);
}

void sy_learner_done(struct sy_learner *l)
{
    sy_vec_done(&l->nodes);
}

void sy_learner_mark(const struct sy_learner *l, struct sy_strings *strings)
{
    for (size_t i = 0; i < l->nodes.len; i++)
        sy_strings_mark(strings, l->nodes.p[i].name);
}

static struct sy_learned *history(struct sy_learner *l, const struct sy_cluster *c, uint32_t node)
{
    while (l->nodes.len <= node)
        sy_vec_push(&l->nodes, (struct sy_learned){0});
    struct sy_learned *h = &l->nodes.p[node];
    if (h->name != c->nodes[node].node.name)
        *h = (struct sy_learned){.name = c->nodes[node].node.name};
    return h;
}

static void publish(const struct sy_learner *l, struct sy_cluster *c, uint32_t node)
{
    const struct sy_learned *h = &l->nodes.p[node];
    /* Faster than its peers is worth no more than being as fast: 1 is the best. */
    float performance =
        h->start_s > l->peers_start_s && h->start_s > 0 ? l->peers_start_s / h->start_s : 1;
    float reliability = (float)((1 - sy_failure_probability((double)h->failures)) /
                                (1 - sy_failure_probability(0)));

    sy_cluster_set_factors(c, node, performance, reliability);
    sy_cluster_set_start(c, node, h->start_s);
}

/* A burst of samples in one instant must still count: each weighs at least 5 %. */
static float blend(const struct sy_learner *l, float old, double sample, int64_t elapsed_ns)
{
    int64_t half_life_ns = l->start_half_life_ns ? l->start_half_life_ns : START_HALF_LIFE_NS;
    double alpha = sy_ewma_alpha(elapsed_ns, half_life_ns);

    if (old <= 0)
        return (float)sample;
    if (alpha < 0.05)
        alpha = 0.05;
    return (float)((1 - alpha) * (double)old + alpha * sample);
}

void sy_learn_start(struct sy_learner *l, struct sy_cluster *c, uint32_t node, double start_s,
                    sy_time_ns now)
{
    struct sy_learned *h = history(l, c, node);

    if (start_s < 0.05)
        start_s = 0.05; /* below this it is all our own and the watch's latency */
    h->start_s = blend(l, h->start_s, start_s, now - h->start_at_ns);
    h->start_at_ns = now;
    l->peers_start_s = blend(l, l->peers_start_s, start_s, now - l->peers_at_ns);
    l->peers_at_ns = now;
    publish(l, c, node);
}

static void decay(const struct sy_learner *l, struct sy_learned *h, sy_time_ns now)
{
    int64_t half_life_ns = l->failure_half_life_ns ? l->failure_half_life_ns : FAILURE_HALF_LIFE_NS;

    h->failures *= (float)(1 - sy_ewma_alpha(now - h->failures_at_ns, half_life_ns));
    h->failures_at_ns = now;
}

void sy_learn_failure(struct sy_learner *l, struct sy_cluster *c, uint32_t node, sy_time_ns now)
{
    struct sy_learned *h = history(l, c, node);

    decay(l, h, now);
    h->failures += 1;
    publish(l, c, node);
}

void sy_learn_decay(struct sy_learner *l, struct sy_cluster *c, sy_time_ns now)
{
    for (uint32_t node = 0; node < l->nodes.len && node < c->nodes_len; node++) {
        struct sy_learned *h = &l->nodes.p[node];
        if (h->failures <= 0 || h->name != c->nodes[node].node.name)
            continue;
        decay(l, h, now);
        if (h->failures < 0.001F)
            h->failures = 0;
        publish(l, c, node);
    }
}
