/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/preempt.h"

#include "sched/reasons.h"

#include <stdlib.h>
#include <string.h>

struct candidate {
    uint32_t node;
    SY_VEC(uint32_t) victims;
    uint32_t violations;
};

struct search {
    struct sy_shapes *shapes;
    struct sy_cluster *cluster;
    const struct sy_preemptor *by;
    int32_t priority;
    SY_VEC(uint32_t) possible; /* victims of the node under trial, most important first */
    SY_VEC(bool) is_violating;
    SY_VEC(int32_t) allowed; /* per budget, what is left of it */
    struct sy_reason_counts reasons;
};

/* A pod that has not started counts as started now: the least loss. */
static int64_t started(const struct sy_pod_slot *p)
{
    return p->started_wall_ns ? p->started_wall_ns : INT64_MAX;
}

static bool is_more_important(const struct sy_cluster *c, uint32_t a, uint32_t b)
{
    const struct sy_pod_slot *x = &c->pods.p[a], *y = &c->pods.p[b];

    if (x->priority != y->priority)
        return x->priority > y->priority;
    return started(x) < started(y);
}

static void sort_by_importance(const struct sy_cluster *c, uint32_t *p, size_t len)
{
    /* Insertion keeps equals in order; a node holds about a hundred pods. */
    for (size_t i = 1; i < len; i++) {
        uint32_t pod = p[i];
        size_t j = i;
        for (; j && is_more_important(c, pod, p[j - 1]); j--)
            p[j] = p[j - 1];
        p[j] = pod;
    }
}

static void collect_possible(struct search *s, uint32_t node)
{
    struct sy_cluster *c = s->cluster;

    s->possible.len = 0;
    for (uint32_t i = c->nodes[node].first_pod; i != SY_NONE; i = c->pods.p[i].next_on_node) {
        const struct sy_pod_slot *p = &c->pods.p[i];
        /* What we have assumed is not there yet to be taken away. */
        if (p->priority >= s->priority || (p->flags & SY_POD_ASSUMED))
            continue;
        if (s->by->is_ours(s->by->arg, p))
            sy_vec_push(&s->possible, i);
    }
    sort_by_importance(c, s->possible.p, s->possible.len);
}

static bool is_disrupted(const struct sy_cluster *c, const struct sy_budget *b,
                         const struct sy_pod_slot *p)
{
    for (uint32_t i = 0; i < b->disrupted_len; i++) {
        if (strcmp(sy_strings_getz(c->strings, b->disrupted[i]), p->name) == 0)
            return true;
    }
    return false;
}

/* Uses up the budgets that cover the pod; whether one of them is overdrawn. */
static bool violates(struct search *s, uint32_t pod)
{
    const struct sy_cluster *c = s->cluster;
    const struct sy_pod_slot *p = &c->pods.p[pod];

    for (size_t i = 0; p->labels->labels.len && i < c->budgets.len; i++) {
        const struct sy_budget *b = &c->budgets.p[i].budget;
        if (b->ns != p->ns || !b->selector.len ||
            !sy_selector_matches(&b->selector, c->strings, p->labels->labels) ||
            is_disrupted(c, b, p))
            continue;
        if (--s->allowed.p[i] < 0)
            return true;
    }
    return false;
}

static void mark_violating(struct search *s)
{
    s->allowed.len = 0;
    for (size_t i = 0; i < s->cluster->budgets.len; i++)
        sy_vec_push(&s->allowed, s->cluster->budgets.p[i].budget.disruptions_allowed);
    s->is_violating.len = 0;
    for (size_t i = 0; i < s->possible.len; i++)
        sy_vec_push(&s->is_violating, violates(s, s->possible.p[i]));
}

/* Puts the possible victim back if the pod still fits with it there; else it is a victim. */
static void reprieve(struct search *s, struct candidate *ret, size_t i)
{
    uint32_t pod = s->possible.p[i];

    sy_cluster_trial_restore(s->cluster, pod, ret->node);
    if (sy_shape_fits(s->shapes, s->by->shape, ret->node, NULL))
        return;
    sy_cluster_trial_remove(s->cluster, pod);
    sy_vec_push(&ret->victims, pod);
    ret->violations += s->is_violating.p[i];
}

/* Whether the pod fits on the node without some others; which, goes to *ret. */
static bool try_node(struct search *s, uint32_t node, struct candidate *ret)
{
    struct sy_cluster *c = s->cluster;
    struct sy_verdict v;

    *ret = (struct candidate){.node = node};
    collect_possible(s, node);
    if (!s->possible.len) {
        sy_reasons_add(&s->reasons, s->shapes->texts.no_victims, 1);
        return false;
    }
    sy_cluster_trial_begin(c);
    for (size_t i = 0; i < s->possible.len; i++)
        sy_cluster_trial_remove(c, s->possible.p[i]);
    bool fits = sy_shape_fits(s->shapes, s->by->shape, node, &v);
    if (fits) {
        mark_violating(s);
        for (int violating = 1; violating >= 0; violating--) {
            for (size_t i = 0; i < s->possible.len; i++) {
                if (s->is_violating.p[i] == (violating != 0))
                    reprieve(s, ret, i);
            }
        }
        for (size_t i = 0; i < ret->victims.len; i++)
            sy_cluster_trial_restore(c, ret->victims.p[i], node);
        sort_by_importance(c, ret->victims.p, ret->victims.len);
    } else {
        for (size_t i = 0; i < s->possible.len; i++)
            sy_cluster_trial_restore(c, s->possible.p[i], node);
        for (uint32_t i = 0; i < v.reasons_len; i++)
            sy_reasons_add(&s->reasons, v.reasons[i], 1);
    }
    sy_cluster_trial_end(c);
    return fits && ret->victims.len;
}

static int64_t sum_of_priorities(const struct search *s, const struct candidate *k)
{
    int64_t sum = 0;

    /* Each counts as positive, so that fewer negative ones do not weigh more. */
    for (size_t i = 0; i < k->victims.len; i++)
        sum += (int64_t)s->cluster->pods.p[k->victims.p[i]].priority + INT32_MAX + 1;
    return sum;
}

static int64_t earliest_start_of_highest(const struct search *s, const struct candidate *k)
{
    const struct sy_pod_slot *first = &s->cluster->pods.p[k->victims.p[0]];
    int64_t earliest = started(first);

    for (size_t i = 1; i < k->victims.len; i++) {
        const struct sy_pod_slot *p = &s->cluster->pods.p[k->victims.p[i]];
        if (p->priority == first->priority && started(p) < earliest)
            earliest = started(p);
    }
    return earliest;
}

static int order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* Whether a costs less than b, by upstream's list of criteria. */
static bool is_cheaper(const struct search *s, const struct candidate *a, const struct candidate *b)
{
    const struct sy_pod_slot *pods = s->cluster->pods.p;
    int by;

    if ((by = order(a->violations, b->violations)))
        return by < 0;
    if ((by = order(pods[a->victims.p[0]].priority, pods[b->victims.p[0]].priority)))
        return by < 0;
    if ((by = order(sum_of_priorities(s, a), sum_of_priorities(s, b))))
        return by < 0;
    if ((by = order((int64_t)a->victims.len, (int64_t)b->victims.len)))
        return by < 0;
    return earliest_start_of_highest(s, a) > earliest_start_of_highest(s, b);
}

static void take_if_cheaper(const struct search *s, struct candidate *best, struct candidate *k)
{
    if (best->node != SY_NONE && !is_cheaper(s, k, best)) {
        sy_vec_done(&k->victims);
        return;
    }
    sy_vec_done(&best->victims);
    *best = *k;
}

/* Tries the nodes in `helpful`, in turn from the given one, until enough candidates are found and
 * one of them violates no budget. */
static void try_all(struct search *s, const uint32_t *helpful, uint32_t len, struct candidate *best)
{
    const struct sy_policy_args *args = &s->by->shape->profile->args;
    uint32_t wanted = (uint32_t)((uint64_t)len * args->preemption_min_candidates_percent / 100);
    uint32_t found = 0;
    bool has_clean = false;

    if (wanted < args->preemption_min_candidates)
        wanted = args->preemption_min_candidates;
    for (uint32_t i = 0; i < len && !(has_clean && found >= wanted); i++) {
        struct candidate k;
        if (!try_node(s, helpful[(s->by->first_node + i) % len], &k)) {
            sy_vec_done(&k.victims);
            continue;
        }
        found++;
        has_clean |= k.violations == 0;
        take_if_cheaper(s, best, &k);
    }
}

void sy_preempt_find(struct sy_shapes *shapes, const struct sy_preemptor *by,
                     struct sy_preemption *ret)
{
    struct search s = {
        .shapes = shapes,
        .cluster = shapes->cluster,
        .by = by,
        .priority = shapes->cluster->pods.p[by->pod].priority,
    };
    struct candidate best = {.node = SY_NONE};
    struct sy_slots helpful = {0};

    *ret = (struct sy_preemption){.node = SY_NONE};
    sy_shape_nodes_with_code(shapes, by->shape, SY_UNSCHEDULABLE, &helpful);
    shapes->asks_speaking_only = true;
    if (helpful.slots.len)
        try_all(&s, helpful.slots.p, (uint32_t)helpful.slots.len, &best);
    shapes->asks_speaking_only = false;
    if (best.node == SY_NONE) {
        uint32_t tried = (uint32_t)helpful.slots.len;
        if (shapes->cluster->nodes_alive > tried)
            sy_reasons_add(&s.reasons, shapes->texts.preemption_no_help,
                           shapes->cluster->nodes_alive - tried);
        ret->message = sy_reasons_text(&s.reasons, shapes->cluster);
    }
    ret->node = best.node;
    ret->violations = best.violations;
    for (size_t i = 0; i < best.victims.len; i++)
        sy_vec_push(&ret->victims, best.victims.p[i]);
    sy_vec_done(&best.victims);
    sy_vec_done(&helpful.slots);
    sy_vec_done(&s.possible);
    sy_vec_done(&s.is_violating);
    sy_vec_done(&s.allowed);
    sy_vec_done(&s.reasons.counts);
}

void sy_preemption_done(struct sy_preemption *p)
{
    sy_vec_done(&p->victims);
    free(p->message);
    p->message = NULL;
}
