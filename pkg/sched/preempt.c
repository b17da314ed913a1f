/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/preempt.h"

#include "base/mem.h"
#include "sched/reasons.h"

#include <stdlib.h>
#include <string.h>

enum {
    REMEMBERED_VICTIMS_MAX = 64,
    REMEMBERED_FROM_NODES = 8, /* for fewer it is not worth its memory */
};

struct candidate {
    uint32_t node;
    SY_VEC(uint32_t) victims;
    uint32_t violations;
};

/* What trying a node came to, for the next pod of the shape: which of the possible victims, by
 * their order, have to go. */
struct tried {
    uint64_t key; /* hash of all that it hangs on; 0: not known */
    uint64_t victims;
};

/* Kept for a shape. Only where the filters look at one node alone, and no claims are on it. */
struct memory {
    uint64_t epoch;
    int32_t priority;
    bool (*is_ours)(const void *arg, const struct sy_pod_slot *pod);
    uint32_t len;
    struct tried nodes[];
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
    struct memory *memory; /* NULL: what was tried before says nothing */
    uint64_t remembered;   /* victims of the node under trial */
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
    if (started(x) != started(y))
        return started(x) < started(y);
    return a > b; /* any order, as long as it is the same each time */
}

static void sort_by_importance(const struct sy_cluster *c, uint32_t *p, size_t len)
{
    /* By insertion: a node holds about a hundred pods. */
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
    if (s->by->narrow)
        s->possible.len = s->by->narrow(s->by->arg, node, s->possible.p, s->possible.len);
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

bool sy_preempt_violates(const struct sy_cluster *c, uint32_t pod, int32_t *allowed)
{
    const struct sy_pod_slot *p = &c->pods.p[pod];

    for (size_t i = 0; p->labels->labels.len && i < c->budgets.len; i++) {
        const struct sy_budget *b = &c->budgets.p[i].budget;
        if (b->ns != p->ns || !b->selector.len ||
            !sy_selector_matches(&b->selector, c->strings, p->labels->labels) ||
            is_disrupted(c, b, p))
            continue;
        if (--allowed[i] < 0)
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
        sy_vec_push(&s->is_violating,
                    sy_preempt_violates(s->cluster, s->possible.p[i], s->allowed.p));
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

/* Calls f for each possible victim that is not spared at first, those first whose budgets would be
 * violated. */
static void for_each_in_turn(struct search *s, struct candidate *k,
                             void (*f)(struct search *s, struct candidate *k, size_t i))
{
    for (int violating = 1; violating >= 0; violating--) {
        for (size_t i = 0; i < s->possible.len; i++) {
            if (s->is_violating.p[i] == (violating != 0))
                f(s, k, i);
        }
    }
}

/* What trying a node hangs on, other than what the memory as a whole is for: its state, and who may
 * go, in which order. */
static uint64_t key_of(const struct search *s, uint32_t node)
{
    uint64_t hash = sy_hash_u64(s->cluster->node_generation[node]);

    for (size_t i = 0; i < s->possible.len; i++)
        hash = sy_hash_u64(hash ^ ((uint64_t)s->possible.p[i] << 1 | s->is_violating.p[i]));
    return hash ? hash : 1;
}

static struct tried *recall(const struct search *s, uint32_t node)
{
    if (!s->memory || node >= s->memory->len || s->possible.len > REMEMBERED_VICTIMS_MAX ||
        sy_shapes_is_claimed(s->shapes, node))
        return NULL;
    return &s->memory->nodes[node];
}

static void take_remembered(struct search *s, struct candidate *k, size_t i)
{
    if (!(s->remembered >> i & 1))
        return;
    sy_vec_push(&k->victims, s->possible.p[i]);
    k->violations += s->is_violating.p[i];
}

static void remember(const struct search *s, struct tried *t, uint64_t key,
                     const struct candidate *k)
{
    *t = (struct tried){.key = key};
    for (size_t v = 0, i = 0; v < k->victims.len; v++) {
        for (i = 0; s->possible.p[i] != k->victims.p[v]; i++)
            continue;
        t->victims |= UINT64_C(1) << i;
    }
}

/* As try_node(), with the possible victims known and no memory of it. */
static bool try_anew(struct search *s, struct candidate *ret)
{
    struct sy_cluster *c = s->cluster;
    struct sy_verdict v;

    sy_cluster_trial_begin(c);
    for (size_t i = 0; i < s->possible.len; i++)
        sy_cluster_trial_remove(c, s->possible.p[i]);
    bool fits = sy_shape_fits(s->shapes, s->by->shape, ret->node, &v);
    if (fits) {
        for_each_in_turn(s, ret, reprieve);
        for (size_t i = 0; i < ret->victims.len; i++)
            sy_cluster_trial_restore(c, ret->victims.p[i], ret->node);
    } else {
        for (size_t i = 0; i < s->possible.len; i++)
            sy_cluster_trial_restore(c, s->possible.p[i], ret->node);
        for (uint32_t i = 0; i < v.reasons_len; i++)
            sy_reasons_add(&s->reasons, v.reasons[i], 1);
    }
    sy_cluster_trial_end(c);
    return fits && ret->victims.len;
}

/* Whether the pod fits on the node without some others; which, goes to *ret. */
static bool try_node(struct search *s, uint32_t node, struct candidate *ret)
{
    uint64_t key = 0;

    ret->node = node;
    ret->victims.len = 0;
    ret->violations = 0;
    collect_possible(s, node);
    if (!s->possible.len) {
        sy_reasons_add(&s->reasons, s->shapes->texts.no_victims, 1);
        return false;
    }
    mark_violating(s);
    struct tried *t = recall(s, node);
    if (t && t->key == (key = key_of(s, node))) {
        s->remembered = t->victims;
        for_each_in_turn(s, ret, take_remembered);
    } else if (!try_anew(s, ret)) {
        return false;
    } else if (t) {
        remember(s, t, key, ret);
    }
    sort_by_importance(s->cluster, ret->victims.p, ret->victims.len);
    return true;
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

/* Leaves in *k what the next one may overwrite. */
static void take_if_cheaper(const struct search *s, struct candidate *best, struct candidate *k)
{
    if (best->node != SY_NONE && !is_cheaper(s, k, best))
        return;
    struct candidate old = *best;
    *best = *k;
    *k = old;
}

/* Tries the nodes in `helpful`, in turn from the given one, until enough candidates are found and
 * one of them violates no budget. */
static void try_all(struct search *s, const uint32_t *helpful, uint32_t len, struct candidate *best)
{
    const struct sy_policy_args *args = &s->by->shape->profile->args;
    uint32_t wanted = (uint32_t)((uint64_t)len * args->preemption_min_candidates_percent / 100);
    uint32_t found = 0;
    bool has_clean = false;
    struct candidate k = {.node = SY_NONE};

    if (wanted < args->preemption_min_candidates)
        wanted = args->preemption_min_candidates;
    for (uint32_t i = 0; i < len && !(has_clean && found >= wanted); i++) {
        if (!try_node(s, helpful[(s->by->first_node + i) % len], &k))
            continue;
        found++;
        has_clean |= k.violations == 0;
        take_if_cheaper(s, best, &k);
    }
    sy_vec_done(&k.victims);
}

static void release_memory(struct sy_cluster *c SY_UNUSED, void *data)
{
    free(data);
}

/* The memory of what was tried for pods like this one. */
static struct memory *memory_for(const struct search *s, size_t helpful)
{
    struct sy_kept *kept = &s->by->shape->kept[SY_KEPT_PREEMPTION];
    const struct sy_cluster *c = s->cluster;
    struct memory *m = kept->data;

    if (!s->by->may_remember || helpful < REMEMBERED_FROM_NODES || s->shapes->speaking ||
        c->trial_depth)
        return NULL;
    if (m && m->len == c->nodes_len && m->epoch == c->epoch && m->priority == s->priority &&
        m->is_ours == s->by->is_ours)
        return m;
    if (!m || m->len != c->nodes_len) {
        free(m);
        kept->bytes = sizeof(*m) + c->nodes_len * sizeof(m->nodes[0]);
        kept->data = m = sy_xmalloc(kept->bytes);
        kept->release = release_memory;
    }
    memset(m, 0, kept->bytes);
    m->epoch = c->epoch;
    m->priority = s->priority;
    m->is_ours = s->by->is_ours;
    m->len = c->nodes_len;
    return m;
}

void sy_preempt_find(struct sy_shapes *shapes, const struct sy_preemptor *by,
                     struct sy_preemption *ret)
{
    struct search s = {
        .shapes = shapes,
        .cluster = shapes->cluster,
        .by = by,
        .priority = by->any_priority ? INT32_MAX : shapes->cluster->pods.p[by->pod].priority,
    };
    struct candidate best = {.node = SY_NONE};
    struct sy_slots helpful = {0};

    *ret = (struct sy_preemption){.node = SY_NONE};
    if (!by->may_remember)
        shapes->pass_of.shape = NULL;
    sy_shape_nodes_with_code(shapes, by->shape, SY_UNSCHEDULABLE, &helpful);
    shapes->asks_speaking_only = true;
    s.memory = memory_for(&s, helpful.slots.len);
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

bool sy_preemption_is_same(const struct sy_preemption *a, const struct sy_preemption *b)
{
    bool same = a->node == b->node && a->victims.len == b->victims.len &&
                a->violations == b->violations && !a->message == !b->message;

    for (size_t i = 0; same && i < a->victims.len; i++)
        same = a->victims.p[i] == b->victims.p[i];
    return same && (!a->message || strcmp(a->message, b->message) == 0);
}

void sy_preemption_done(struct sy_preemption *p)
{
    sy_vec_done(&p->victims);
    free(p->message);
    p->message = NULL;
}
