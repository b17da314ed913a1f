/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/gang_preempt.h"

#include "base/mem.h"
#include "sched/preempt.h"

#include <stdlib.h>
#include <string.h>

/* What goes as one: a pod, or all of a gang that has a place. */
struct unit {
    SY_VEC(uint32_t) pods;
    SY_VEC(uint32_t) nodes; /* they are on, in parallel */
    int32_t priority;       /* the highest */
    int64_t started_ns;     /* the earliest; wall time */
    uint32_t violations;
    bool is_off; /* removed, within the what-if */
};

struct placed {
    uint32_t candidate;
    uint32_t node;
};

/* One node in the order in which they are emptied. */
struct cost {
    uint32_t node;
    int32_t priority; /* highest of the units there */
    uint32_t pods;    /* of all units there */
};

struct search {
    struct sy_shapes *shapes;
    struct sy_cluster *cluster;
    const struct sy_gang_preemptor *by;
    sy_sid domain;             /* 0: all nodes */
    SY_VEC(struct unit) units; /* what matters most first */
    uint32_t from;             /* those from this one on may go now */
    SY_VEC(uint32_t)
    levels; /* where units of less priority begin, and first those whose budgets
               allow it */
    SY_VEC(uint32_t) unit_of_pod; /* by slot; SY_NONE: may not go */
    SY_VEC(uint32_t) here;        /* units of the node that is being emptied; some more than once */
    SY_VEC(struct placed) placed;
    SY_VEC(const struct sy_shape *) failed; /* fit nowhere now */
};

/* -- who may go -- */

static bool may_go(const struct search *s, const struct sy_pod_slot *p)
{
    return (p->flags & SY_POD_ALIVE) && p->node != SY_NONE && !(p->flags & SY_POD_ASSUMED) &&
           p->priority < s->by->priority && s->by->is_ours(s->by->arg, p);
}

static void add_pod(struct search *s, uint32_t unit, uint32_t pod)
{
    const struct sy_pod_slot *p = &s->cluster->pods.p[pod];
    struct unit *u = &s->units.p[unit];
    int64_t started = p->started_wall_ns ? p->started_wall_ns : INT64_MAX;

    if (!u->pods.len || p->priority > u->priority)
        u->priority = p->priority;
    if (!u->pods.len || started < u->started_ns)
        u->started_ns = started;
    sy_vec_push(&u->pods, pod);
    sy_vec_push(&u->nodes, p->node);
    s->unit_of_pod.p[pod] = unit;
}

/* A gang goes whole or, when one of it may not, stays. */
static void add_gang(struct search *s, const struct sy_gang *gang)
{
    for (size_t m = 0; m < gang->members.len; m++) {
        const struct sy_pod_slot *p = &s->cluster->pods.p[gang->members.p[m].pod];
        if (p->node != SY_NONE && !may_go(s, p))
            return;
    }
    sy_vec_push(&s->units, (struct unit){0});
    for (size_t m = 0; m < gang->members.len; m++) {
        uint32_t pod = gang->members.p[m].pod;
        if (s->cluster->pods.p[pod].node != SY_NONE)
            add_pod(s, (uint32_t)s->units.len - 1, pod);
    }
}

static void collect_units(struct search *s)
{
    const struct sy_cluster *c = s->cluster;
    const struct sy_gangs *g = s->by->gangs;
    bool *seen = sy_xcalloc(g->all.len + 1, sizeof(*seen));

    for (uint32_t pod = 0; pod < c->pods.len; pod++)
        sy_vec_push(&s->unit_of_pod, SY_NONE);
    for (uint32_t pod = 0; pod < c->pods.len; pod++) {
        if (!may_go(s, &c->pods.p[pod]))
            continue;
        uint32_t gang = sy_gangs_of(g, pod);
        if (gang == SY_NONE || g->all.p[gang].is_single || g->all.p[gang].members.len < 2) {
            sy_vec_push(&s->units, (struct unit){0});
            add_pod(s, (uint32_t)s->units.len - 1, pod);
        } else if (!seen[gang]) {
            seen[gang] = true;
            add_gang(s, &g->all.p[gang]);
        }
    }
    free(seen);
}

static int order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* What matters more comes first: it is put back first. */
static int by_importance(const void *pa, const void *pb)
{
    const struct unit *a = pa, *b = pb;
    int by;

    if ((by = order(b->violations != 0, a->violations != 0)) ||
        (by = order(b->priority, a->priority)) ||
        (by = order((int64_t)b->pods.len, (int64_t)a->pods.len)) ||
        (by = order(a->started_ns, b->started_ns)))
        return by;
    return order(a->pods.p[0], b->pods.p[0]);
}

static void count_violations(struct search *s)
{
    const struct sy_cluster *c = s->cluster;
    int32_t *allowed = sy_xcalloc(c->budgets.len + 1, sizeof(*allowed));

    for (size_t i = 0; i < c->budgets.len; i++)
        allowed[i] = c->budgets.p[i].budget.disruptions_allowed;
    for (size_t u = 0; u < s->units.len; u++) {
        struct unit *unit = &s->units.p[u];
        unit->violations = 0;
        for (size_t i = 0; i < unit->pods.len; i++)
            unit->violations += sy_preempt_violates(c, unit->pods.p[i], allowed);
    }
    free(allowed);
}

/* Sorted twice, as which pod is the one too many for a budget goes by importance, too. */
static void sort_units(struct search *s)
{
    for (int turn = 0; turn < 2 && s->units.len; turn++) {
        qsort(s->units.p, s->units.len, sizeof(*s->units.p), by_importance);
        if (turn == 0)
            count_violations(s);
    }
    for (uint32_t u = 0; u < s->units.len; u++) {
        const struct unit *unit = &s->units.p[u];
        for (size_t i = 0; i < unit->pods.len; i++)
            s->unit_of_pod.p[unit->pods.p[i]] = u;
        if (!u || unit[-1].priority != unit->priority || !unit[-1].violations != !unit->violations)
            sy_vec_push(&s->levels, u);
    }
}

/* -- the what-if -- */

static void take_off(struct search *s, struct unit *u)
{
    for (size_t i = 0; !u->is_off && i < u->pods.len; i++)
        sy_cluster_trial_remove(s->cluster, u->pods.p[i]);
    u->is_off = true;
}

static void put_back(struct search *s, struct unit *u)
{
    for (size_t i = 0; u->is_off && i < u->pods.len; i++)
        sy_cluster_trial_restore(s->cluster, u->pods.p[i], u->nodes.p[i]);
    u->is_off = false;
}

static const struct sy_gang_candidate *candidate(const struct search *s, uint32_t i)
{
    return &s->by->plan->candidates.p[i];
}

static bool is_in_domain(const struct search *s, uint32_t node)
{
    return sy_cluster_node_is_alive(s->cluster, node) &&
           (!s->domain || sy_labels_get(s->cluster->nodes[node].node.labels,
                                        s->by->plan->topology_key) == s->domain);
}

static bool fits(struct search *s, uint32_t i, uint32_t node)
{
    s->shapes->asking = candidate(s, i)->pod;
    return sy_shape_fits(s->shapes, candidate(s, i)->shape, node, NULL);
}

static void place(struct search *s, uint32_t i, uint32_t node)
{
    sy_cluster_trial_restore(s->cluster, candidate(s, i)->pod, node);
    sy_vec_push(&s->placed, (struct placed){i, node});
}

static bool is_placed(const struct search *s, uint32_t i)
{
    return s->cluster->pods.p[candidate(s, i)->pod].node != SY_NONE;
}

/* Puts as many members on the node as fit, up to those needed. */
static void fill(struct search *s, uint32_t node)
{
    const struct sy_gang_plan *plan = s->by->plan;

    s->failed.len = 0;
    for (uint32_t i = 0; i < plan->candidates.len && s->placed.len < plan->needed; i++) {
        const struct sy_shape *shape = candidate(s, i)->shape;
        bool is_known = false;
        if (is_placed(s, i))
            continue;
        for (size_t n = 0; n < s->failed.len; n++)
            is_known |= s->failed.p[n] == shape;
        if (is_known)
            continue;
        if (fits(s, i, node))
            place(s, i, node);
        else
            sy_vec_push(&s->failed, shape);
    }
}

static int by_cost(const void *pa, const void *pb)
{
    const struct cost *a = pa, *b = pb;
    int by;

    if ((by = order(a->priority, b->priority)) || (by = order(a->pods, b->pods)))
        return by;
    return order(a->node, b->node);
}

static bool has_room_for_all(const struct search *s)
{
    return s->placed.len >= s->by->plan->needed;
}

/* Takes off what may go from the node, and fills it; puts back what was no help. */
static void empty_node(struct search *s, uint32_t node)
{
    struct sy_cluster *c = s->cluster;
    size_t before = s->placed.len;

    s->here.len = 0;
    for (uint32_t p = c->nodes[node].first_pod; p != SY_NONE; p = c->pods.p[p].next_on_node) {
        if (s->unit_of_pod.p[p] != SY_NONE && s->unit_of_pod.p[p] >= s->from)
            sy_vec_push(&s->here, s->unit_of_pod.p[p]);
    }
    for (size_t i = 0; i < s->here.len; i++)
        take_off(s, &s->units.p[s->here.p[i]]);
    fill(s, node);
    for (size_t i = 0; i < s->here.len && s->placed.len == before; i++)
        put_back(s, &s->units.p[s->here.p[i]]);
}

/* Empties nodes, the cheapest first, until all members have a place. */
static void make_room(struct search *s)
{
    struct sy_cluster *c = s->cluster;
    struct cost *costs = sy_xcalloc((size_t)c->nodes_len + 1, sizeof(*costs));
    uint32_t len = 0;

    for (uint32_t node = 0; node < c->nodes_len; node++) {
        struct cost k = {.node = node, .priority = INT32_MIN};
        for (uint32_t p = is_in_domain(s, node) ? c->nodes[node].first_pod : SY_NONE; p != SY_NONE;
             p = c->pods.p[p].next_on_node) {
            uint32_t at = s->unit_of_pod.p[p];
            if (at == SY_NONE || at < s->from)
                continue;
            const struct unit *u = &s->units.p[at];
            k.pods += (uint32_t)u->pods.len;
            if (u->priority > k.priority)
                k.priority = u->priority;
        }
        if (k.pods)
            costs[len++] = k;
    }
    qsort(costs, len, sizeof(*costs), by_cost);
    for (uint32_t i = 0; i < len && !has_room_for_all(s); i++)
        empty_node(s, costs[i].node);
    free(costs);
}

/* Whether the members that were placed on the node still fit there, each beside the others. */
static bool still_fits(struct search *s, uint32_t node)
{
    bool ok = true;

    for (size_t m = 0; m < s->placed.len && ok; m++) {
        if (s->placed.p[m].node != node)
            continue;
        uint32_t pod = candidate(s, s->placed.p[m].candidate)->pod;
        sy_cluster_trial_remove(s->cluster, pod);
        ok = fits(s, s->placed.p[m].candidate, node);
        sy_cluster_trial_restore(s->cluster, pod, node);
    }
    return ok;
}

static void reprieve(struct search *s)
{
    for (uint32_t u = 0; u < s->units.len; u++) {
        struct unit *unit = &s->units.p[u];
        bool ok = true;
        if (!unit->is_off)
            continue;
        put_back(s, unit);
        for (size_t n = 0; n < unit->nodes.len && ok; n++)
            ok = still_fits(s, unit->nodes.p[n]);
        if (!ok)
            take_off(s, unit);
    }
}

/* What was put back on one node may matter to a member on another (affinity). */
static bool all_still_fit(struct search *s)
{
    bool ok = true;

    for (size_t m = 0; m < s->placed.len && ok; m++) {
        bool is_first = true;
        for (size_t n = 0; n < m; n++)
            is_first &= s->placed.p[n].node != s->placed.p[m].node;
        ok = !is_first || still_fits(s, s->placed.p[m].node);
    }
    return ok;
}

static void take(struct search *s, struct sy_gang_preemption *ret)
{
    sy_gang_preemption_done(ret);
    ret->fits = true;
    ret->priority = INT32_MIN;
    for (size_t u = 0; u < s->units.len; u++) {
        const struct unit *unit = &s->units.p[u];
        if (!unit->is_off)
            continue;
        ret->violations += unit->violations;
        if (unit->priority > ret->priority)
            ret->priority = unit->priority;
        for (size_t i = 0; i < unit->pods.len; i++)
            sy_vec_push(&ret->victims, unit->pods.p[i]);
    }
    for (size_t m = 0; m < s->placed.len; m++)
        sy_vec_push(&ret->room,
                    (struct sy_gang_room){s->placed.p[m].candidate, s->placed.p[m].node});
}

static uint32_t victims_now(const struct search *s, uint32_t *ret_violations, int32_t *ret_priority)
{
    uint32_t len = 0;

    *ret_violations = 0;
    *ret_priority = INT32_MIN;
    for (size_t u = 0; u < s->units.len; u++) {
        if (!s->units.p[u].is_off)
            continue;
        len += (uint32_t)s->units.p[u].pods.len;
        *ret_violations += s->units.p[u].violations;
        if (s->units.p[u].priority > *ret_priority)
            *ret_priority = s->units.p[u].priority;
    }
    return len;
}

static bool is_cheaper(const struct search *s, const struct sy_gang_preemption *best)
{
    uint32_t violations;
    int32_t priority;
    uint32_t len = victims_now(s, &violations, &priority);
    int by;

    if (!best->fits)
        return true;
    if ((by = order(violations, best->violations)) || (by = order(priority, best->priority)))
        return by < 0;
    return len < best->victims.len;
}

/* With those that may go now. True when all members have a place then. */
static bool try_once(struct search *s, struct sy_gang_preemption *ret)
{
    struct sy_cluster *c = s->cluster;
    bool ok = false;

    s->placed.len = 0;
    sy_cluster_trial_begin(c);
    for (uint32_t node = 0; node < c->nodes_len && !has_room_for_all(s); node++) {
        if (is_in_domain(s, node))
            fill(s, node);
    }
    if (!has_room_for_all(s))
        make_room(s);
    if (has_room_for_all(s)) {
        reprieve(s);
        ok = all_still_fit(s);
        if (ok && is_cheaper(s, ret))
            take(s, ret);
    }
    for (size_t m = s->placed.len; m--;)
        sy_cluster_trial_remove(c, candidate(s, s->placed.p[m].candidate)->pod);
    for (size_t u = 0; u < s->units.len; u++)
        put_back(s, &s->units.p[u]);
    sy_cluster_trial_end(c);
    return ok;
}

/* Finds the lowest priority up to which pods have to go, by halving. */
static void try_domain(struct search *s, sy_sid domain, struct sy_gang_preemption *ret)
{
    uint32_t low = 0, high = (uint32_t)s->levels.len;

    s->domain = domain;
    s->from = 0;
    if (!try_once(s, ret))
        return;
    while (high - low > 1) { /* it does with `low`, and has none from `high` on */
        uint32_t middle = low + (high - low) / 2;
        s->from = s->levels.p[middle];
        if (try_once(s, ret))
            low = middle;
        else
            high = middle;
    }
}

void sy_gang_preempt_find(struct sy_shapes *shapes, const struct sy_gang_preemptor *by,
                          struct sy_gang_preemption *ret)
{
    struct search s = {.shapes = shapes, .cluster = shapes->cluster, .by = by};
    struct sy_cluster *c = s.cluster;
    SY_VEC(sy_sid) domains = {0};

    *ret = (struct sy_gang_preemption){0};
    collect_units(&s);
    sort_units(&s);
    for (uint32_t node = 0;
         by->plan->topology_key && by->plan->topology_is_required && node < c->nodes_len; node++) {
        sy_sid value = 0;
        if (sy_cluster_node_is_alive(c, node))
            value = sy_labels_get(c->nodes[node].node.labels, by->plan->topology_key);
        bool is_new = value != 0;
        for (size_t i = 0; i < domains.len && is_new; i++)
            is_new = domains.p[i] != value;
        if (is_new && domains.len < SY_GANG_DOMAINS_MAX)
            sy_vec_push(&domains, value);
    }
    for (size_t i = 0; s.units.len && i < domains.len; i++)
        try_domain(&s, domains.p[i], ret);
    if (s.units.len && !(by->plan->topology_key && by->plan->topology_is_required))
        try_domain(&s, 0, ret);
    for (size_t u = 0; u < s.units.len; u++) {
        sy_vec_done(&s.units.p[u].pods);
        sy_vec_done(&s.units.p[u].nodes);
    }
    sy_vec_done(&s.units);
    sy_vec_done(&s.levels);
    sy_vec_done(&s.unit_of_pod);
    sy_vec_done(&s.here);
    sy_vec_done(&s.placed);
    sy_vec_done(&s.failed);
    sy_vec_done(&domains);
}

void sy_gang_preemption_done(struct sy_gang_preemption *p)
{
    sy_vec_done(&p->victims);
    sy_vec_done(&p->room);
    *p = (struct sy_gang_preemption){0};
}
