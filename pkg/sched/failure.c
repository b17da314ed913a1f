/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/failure.h"

#include <math.h>
#include <string.h>

/* A kubelet's lease has this duration unless it is told another. */
static const int64_t USUAL_LEASE_NS = 40 * SY_NS_PER_S;
/* GPUs that do not come back were taken away on purpose. */
static const int64_t GPUS_SETTLE_NS = 600 * SY_NS_PER_S;
/* After a time without news the first lists may be older than what they replace. */
static const int64_t VIEW_SETTLE_NS = 5 * SY_NS_PER_S;
static const int64_t RUN_EVERY_NS = SY_NS_PER_S;
/* A zone of two nodes is not lost with one: as the node lifecycle controller has it. */
enum { ZONE_LEAST = 3, ZONES_MAX = 256 };

const char *sy_failure_state_name(enum sy_failure_state state)
{
    static const char *const NAMES[SY_FAILURE_STATES] = {
        [SY_FAILURE_HEALTHY] = "Healthy",    [SY_FAILURE_SUSPECT] = "Suspect",
        [SY_FAILURE_NOT_READY] = "NotReady", [SY_FAILURE_HOLDING] = "Holding",
        [SY_FAILURE_EVICTING] = "Evicting",  [SY_FAILURE_FORCED] = "Forced",
        [SY_FAILURE_HELD_DOWN] = "HeldDown",
    };

    return NAMES[state];
}

const char *sy_failure_cause_name(enum sy_failure_cause cause)
{
    static const char *const NAMES[SY_CAUSES] = {
        [SY_CAUSE_NOT_READY] = "NotReady", [SY_CAUSE_GONE] = "Deleted",
        [SY_CAUSE_LEASE] = "LeaseStale",   [SY_CAUSE_LABEL] = "UnhealthyLabel",
        [SY_CAUSE_GPUS] = "GpusMissing",
    };

    return NAMES[cause];
}

void sy_failure_options_default(struct sy_failure_options *o)
{
    *o = (struct sy_failure_options){
        .suspect_after_ns = 15 * SY_NS_PER_S,
        .grace_ns = 30 * SY_NS_PER_S,
        .hold_ns = 300 * SY_NS_PER_S,
        .evictions_per_s = 20,
        .evictions_burst = 200,
        .gpus = true,
        .hold_down_ns = 10 * SY_NS_PER_S,
        .hold_down_max_ns = 600 * SY_NS_PER_S,
        .flap_half_life_ns = 1800 * SY_NS_PER_S,
        .breaker_least = 3,
        .breaker_share = 0.1,
        .breaker_zone_share = 0.55,
        .breaker_window_ns = 60 * SY_NS_PER_S,
        .breaker_resume_ns = 600 * SY_NS_PER_S,
    };
}

void sy_failures_init(struct sy_failures *f)
{
    *f = (struct sy_failures){.next_ns = INT64_MAX};
}

void sy_failures_done(struct sy_failures *f)
{
    sy_vec_done(&f->nodes);
    sy_vec_done(&f->dirty);
}

void sy_failures_mark(const struct sy_failures *f, struct sy_strings *strings)
{
    const sy_sid own[] = {f->taint_out, f->taint_unreachable, f->taint_not_ready, f->zone,
                          f->empty,     f->word_false};

    for (size_t i = 0; f->is_on && i < SY_ARRAY_LEN(own); i++)
        sy_strings_mark(strings, own[i]);
    for (uint32_t i = 0; i < f->options.labels_len; i++) {
        sy_strings_mark(strings, f->labels[i].key);
        sy_strings_mark(strings, f->labels[i].value);
    }
    for (uint32_t i = 0; i < f->options.scheduler_names_len; i++)
        sy_strings_mark(strings, f->names[i]);
    for (size_t i = 0; i < f->nodes.len; i++)
        sy_strings_mark(strings, f->nodes.p[i].name);
}

/* -- one node -- */

static struct sy_node_failure *record(struct sy_failures *f, const struct sy_cluster *c,
                                      uint32_t node)
{
    while (f->nodes.len <= node)
        sy_vec_push(&f->nodes, (struct sy_node_failure){0});
    struct sy_node_failure *n = &f->nodes.p[node];
    if (n->name != c->nodes[node].node.name)
        *n = (struct sy_node_failure){.name = c->nodes[node].node.name, .is_dirty = n->is_dirty};
    return n;
}

const struct sy_node_failure *sy_failures_of(const struct sy_failures *f,
                                             const struct sy_cluster *c, uint32_t node)
{
    const struct sy_node_failure *n = node < f->nodes.len ? &f->nodes.p[node] : NULL;

    return n && n->name && n->name == c->nodes[node].node.name ? n : NULL;
}

static void note(struct sy_failures *f, uint32_t node)
{
    f->generation++;
    if (f->nodes.p[node].is_dirty)
        return;
    f->nodes.p[node].is_dirty = true;
    sy_vec_push(&f->dirty, node);
}

uint32_t sy_failures_next_dirty(struct sy_failures *f)
{
    if (!f->dirty.len)
        return SY_NONE;
    uint32_t node = f->dirty.p[--f->dirty.len];
    f->nodes.p[node].is_dirty = false;
    return node;
}

static void enter(struct sy_failures *f, struct sy_cluster *c, uint32_t node,
                  enum sy_failure_state state, sy_time_ns now)
{
    static const enum sy_node_health HEALTH[SY_FAILURE_STATES] = {
        [SY_FAILURE_HEALTHY] = SY_HEALTH_GOOD,        [SY_FAILURE_SUSPECT] = SY_HEALTH_SUSPECT,
        [SY_FAILURE_NOT_READY] = SY_HEALTH_NOT_READY, [SY_FAILURE_HOLDING] = SY_HEALTH_NOT_READY,
        [SY_FAILURE_EVICTING] = SY_HEALTH_NOT_READY,  [SY_FAILURE_FORCED] = SY_HEALTH_NOT_READY,
        [SY_FAILURE_HELD_DOWN] = SY_HEALTH_HELD_DOWN,
    };
    struct sy_node_failure *n = &f->nodes.p[node];

    sy_cluster_set_health(c, node, HEALTH[state]);
    if (n->state == state)
        return;
    n->state = (uint8_t)state;
    n->since_ns = now;
    note(f, node);
}

/* How long the node is to prove itself, after one more failure. */
static int64_t count_flap(const struct sy_failures *f, struct sy_node_failure *n, sy_time_ns now)
{
    const struct sy_failure_options *o = &f->options;

    n->flaps *= (float)exp2(-(double)(now - n->flaps_at_ns) / (double)o->flap_half_life_ns);
    n->flaps_at_ns = now;
    n->flaps += 1;
    double hold = (double)o->hold_down_ns * exp2((double)n->flaps - 1);
    return hold < (double)o->hold_down_max_ns ? (int64_t)hold : o->hold_down_max_ns;
}

/* Causes that speak of our view as much as of the node are not heeded while many nodes have them.
 */
static uint8_t heeded(const struct sy_failures *f, const struct sy_node_failure *n)
{
    return f->is_open ? n->causes & (uint8_t) ~(1U << SY_CAUSE_LEASE) : n->causes;
}

static void settle(struct sy_failures *f, struct sy_cluster *c, uint32_t node, sy_time_ns now)
{
    static const uint8_t HARD = 1U << SY_CAUSE_NOT_READY | 1U << SY_CAUSE_GONE;
    struct sy_node_failure *n = &f->nodes.p[node];
    uint8_t causes = heeded(f, n);

    if (causes & HARD) {
        if (!n->failed_ns)
            n->failed_ns = now;
        n->is_counted |= n->was_ready;
        if (!sy_failure_is_failed(n))
            enter(f, c, node, SY_FAILURE_NOT_READY, now);
        return;
    }
    n->failed_ns = 0;
    if (causes) {
        n->is_counted |= n->was_ready && (causes & ~(1U << SY_CAUSE_LEASE));
        enter(f, c, node, SY_FAILURE_SUSPECT, now);
        return;
    }
    if (n->is_counted) {
        n->is_counted = false;
        n->until_ns = now + count_flap(f, n, now);
        enter(f, c, node, SY_FAILURE_HELD_DOWN, now);
        f->next_ns = n->until_ns < f->next_ns ? n->until_ns : f->next_ns;
    } else {
        enter(f, c, node, now < n->until_ns ? SY_FAILURE_HELD_DOWN : SY_FAILURE_HEALTHY, now);
    }
}

static void set_cause(struct sy_failures *f, struct sy_node_failure *n, enum sy_failure_cause cause,
                      bool is_there, sy_time_ns now)
{
    uint8_t bit = (uint8_t)(1U << cause);

    if (!(n->causes & bit) == !is_there)
        return;
    f->generation++;
    if (!is_there) {
        n->causes &= (uint8_t)~bit;
        if (!n->causes)
            n->bad_ns = 0;
        return;
    }
    if (!n->causes)
        n->bad_ns = now;
    n->causes |= bit;
    if (!n->was_ready)
        return;
    f->counts[cause]++;
    if (cause != SY_CAUSE_LABEL && cause != SY_CAUSE_GPUS)
        f->last_failure_ns = now;
}

static bool has_label(const struct sy_failures *f, struct sy_labels labels)
{
    for (uint32_t i = 0; labels.len && i < f->options.labels_len; i++) {
        sy_sid value = sy_labels_get(labels, f->labels[i].key);
        if (value && (f->labels[i].value ? value == f->labels[i].value
                                         : value != f->empty && value != f->word_false))
            return true;
    }
    return false;
}

static void look_at_gpus(struct sy_failures *f, const struct sy_cluster *c,
                         struct sy_node_failure *n, const struct sy_node *node, sy_time_ns now)
{
    int64_t gpus = sy_amounts_get(node->allocatable, c->names.nvidia_gpu);
    int64_t most = sy_amounts_get(node->capacity, c->names.nvidia_gpu);

    if (gpus != n->gpus) {
        n->gpus = gpus;
        n->gpus_since_ns = now;
    }
    if (gpus > n->gpus_usual)
        n->gpus_usual = gpus;
    /* A kubelet counts what its device plugin calls unhealthy in the capacity alone. */
    set_cause(f, n, SY_CAUSE_GPUS, f->options.gpus && (gpus < n->gpus_usual || gpus < most), now);
}

void sy_failures_node(struct sy_failures *f, struct sy_cluster *c, uint32_t slot, sy_time_ns now)
{
    const struct sy_node *node = &c->nodes[slot].node;

    if (!f->is_on)
        return;
    struct sy_node_failure *n = record(f, c, slot);
    if (n->causes & 1U << SY_CAUSE_GONE) /* another machine of that name */
        *n = (struct sy_node_failure){
            .name = n->name, .state = n->state, .since_ns = n->since_ns, .is_dirty = n->is_dirty};
    bool is_bad = node->ready == SY_CONDITION_FALSE || node->ready == SY_CONDITION_UNKNOWN;
    n->is_out = false;
    for (uint32_t i = 0; i < node->taints_len; i++) {
        n->is_out |= node->taints[i].key == f->taint_out;
        is_bad |= node->taints[i].effect == SY_EFFECT_NO_EXECUTE &&
                  (node->taints[i].key == f->taint_unreachable ||
                   node->taints[i].key == f->taint_not_ready);
    }
    n->was_ready |= !is_bad;
    set_cause(f, n, SY_CAUSE_NOT_READY, is_bad, now);
    set_cause(f, n, SY_CAUSE_LABEL, has_label(f, node->labels) || has_label(f, node->annotations),
              now);
    look_at_gpus(f, c, n, node, now);
    settle(f, c, slot, now);
    if (sy_failure_is_failed(n) || node->unschedulable)
        note(f, slot); /* a taint may have come that lets more be done */
}

void sy_failures_gone(struct sy_failures *f, struct sy_cluster *c, uint32_t slot, bool is_planned,
                      sy_time_ns now)
{
    if (!f->is_on)
        return;
    struct sy_node_failure *n = record(f, c, slot);
    n->was_ready &= !is_planned;
    set_cause(f, n, SY_CAUSE_LEASE, false, now);
    set_cause(f, n, SY_CAUSE_GONE, true, now);
    n->lease_wall_ns = 0;
    settle(f, c, slot, now);
}

void sy_failures_advance(struct sy_failures *f, uint32_t node, enum sy_failure_state to,
                         sy_time_ns now)
{
    struct sy_node_failure *n = &f->nodes.p[node];

    if (!sy_failure_is_failed(n) || n->state >= to)
        return;
    n->state = (uint8_t)to;
    n->since_ns = now;
}

/* -- leases -- */

void sy_failures_lease(struct sy_failures *f, struct sy_cluster *c, sy_sid name, int64_t wall_ns,
                       int64_t duration_ns, sy_time_ns now)
{
    uint32_t slot = sy_cluster_node_find(c, name);

    if (!f->is_on || slot == SY_NONE || !sy_cluster_node_is_alive(c, slot))
        return;
    struct sy_node_failure *n = record(f, c, slot);
    if (n->lease_wall_ns == wall_ns)
        return;
    if (duration_ns <= 0 || duration_ns > 86400 * SY_NS_PER_S)
        duration_ns = USUAL_LEASE_NS;
    n->lease_wall_ns = wall_ns;
    n->lease_ns = now;
    n->lease_stale_ns = (int64_t)((double)f->options.suspect_after_ns *
                                  ((double)duration_ns / (double)USUAL_LEASE_NS));
    if (n->causes & 1U << SY_CAUSE_LEASE) {
        set_cause(f, n, SY_CAUSE_LEASE, false, now);
        settle(f, c, slot, now);
    }
}

/* What was not heard of while nobody could be is no older than now. */
static void begin_leases_anew(struct sy_failures *f, sy_time_ns now)
{
    for (size_t i = 0; i < f->nodes.len; i++)
        f->nodes.p[i].lease_ns = now;
}

void sy_failures_leases_live(struct sy_failures *f, bool live, sy_time_ns now)
{
    if (live && !f->leases_live)
        begin_leases_anew(f, now);
    f->leases_live = live;
}

void sy_failures_view(struct sy_failures *f, bool live, sy_time_ns now)
{
    if (live && !f->view_is_live) {
        f->view_since_ns = now;
        begin_leases_anew(f, now);
    }
    f->view_is_live = live;
}

static bool are_leases_read(const struct sy_failures *f)
{
    return f->options.suspect_after_ns && f->leases_live && f->view_is_live;
}

/* -- the breaker -- */

struct zone {
    sy_sid name;
    uint32_t nodes, bad;
};

/* Whether this many nodes fail together. since: those that failed
 * before do not count. */
static bool are_many_bad(const struct sy_failures *f, const struct sy_cluster *c, sy_time_ns since)
{
    static const uint8_t SIGNS =
        1U << SY_CAUSE_NOT_READY | 1U << SY_CAUSE_LEASE | 1U << SY_CAUSE_GONE;
    struct zone zones[ZONES_MAX];
    uint32_t zones_len = 0, nodes = 0, bad = 0;

    for (uint32_t slot = 0; slot < c->nodes_len; slot++) {
        const struct sy_node_failure *n = sy_failures_of(f, c, slot);
        if (!n || !(sy_cluster_node_is_alive(c, slot) || (n->causes & 1U << SY_CAUSE_GONE)))
            continue;
        bool is_bad = n->was_ready && (n->causes & SIGNS) && n->bad_ns >= since;
        sy_sid name = sy_labels_get(c->nodes[slot].node.labels, f->zone);
        uint32_t z = 0;
        nodes++;
        bad += is_bad;
        while (z < zones_len && zones[z].name != name)
            z++;
        if (!name || z == ZONES_MAX)
            continue;
        if (z == zones_len)
            zones[zones_len++] = (struct zone){.name = name};
        zones[z].nodes++;
        zones[z].bad += is_bad;
    }
    double share = f->options.breaker_share * nodes;
    if (bad > f->options.breaker_least && bad > share)
        return true;
    for (uint32_t z = 0; z < zones_len; z++) {
        if (zones[z].bad >= ZONE_LEAST &&
            zones[z].bad >= f->options.breaker_zone_share * zones[z].nodes)
            return true;
    }
    return false;
}

/* Opens on many failures within the window; closes when no longer many nodes are bad, or when none
 * has failed for long. What was only suspected for its lease is looked at again with each change.
 */
static void run_breaker(struct sy_failures *f, struct sy_cluster *c, sy_time_ns now)
{
    const struct sy_failure_options *o = &f->options;
    bool was_open = f->is_open;

    if (!was_open && f->breaker_generation == f->generation)
        return;
    f->breaker_generation = f->generation;
    if (!was_open)
        f->is_open = are_many_bad(f, c, now - o->breaker_window_ns);
    else if (now - f->last_failure_ns >= o->breaker_resume_ns || !are_many_bad(f, c, INT64_MIN))
        f->is_open = false;
    if (f->is_open == was_open)
        return;
    f->openings += f->is_open;
    for (uint32_t slot = 0; slot < f->nodes.len && slot < c->nodes_len; slot++) {
        if (!sy_failures_of(f, c, slot))
            continue;
        settle(f, c, slot, now);
        if (sy_failure_is_failed(&f->nodes.p[slot]))
            note(f, slot);
    }
    f->breaker_generation = f->generation;
}

const char *sy_failures_suspended(const struct sy_failures *f, sy_time_ns now)
{
    if (f->is_open)
        return "too many nodes have failed at once";
    if (!f->view_is_live || now < f->view_since_ns + VIEW_SETTLE_NS)
        return "what is known of the cluster may be old";
    return NULL;
}

/* -- time -- */

static void run_node(struct sy_failures *f, struct sy_cluster *c, uint32_t slot, sy_time_ns now)
{
    struct sy_node_failure *n = &f->nodes.p[slot];

    if (are_leases_read(f) && n->lease_wall_ns && now - n->lease_ns >= n->lease_stale_ns)
        set_cause(f, n, SY_CAUSE_LEASE, true, now);
    if ((n->causes & 1U << SY_CAUSE_GPUS) && now - n->gpus_since_ns >= GPUS_SETTLE_NS &&
        sy_cluster_node_is_alive(c, slot)) {
        n->gpus_usual = n->gpus;
        look_at_gpus(f, c, n, &c->nodes[slot].node, now);
    }
}

void sy_failures_run(struct sy_failures *f, struct sy_cluster *c, sy_time_ns now)
{
    if (!f->is_on)
        return;
    if (now < f->next_ns) {
        run_breaker(f, c, now);
        return;
    }
    f->next_ns = now + RUN_EVERY_NS;
    for (uint32_t slot = 0; slot < f->nodes.len && slot < c->nodes_len; slot++) {
        if (sy_failures_of(f, c, slot))
            run_node(f, c, slot, now);
    }
    run_breaker(f, c, now);
    for (uint32_t slot = 0; slot < f->nodes.len && slot < c->nodes_len; slot++) {
        const struct sy_node_failure *n = sy_failures_of(f, c, slot);
        if (!n)
            continue;
        settle(f, c, slot, now);
        if (n->state == SY_FAILURE_HELD_DOWN && n->until_ns < f->next_ns)
            f->next_ns = n->until_ns;
    }
}

void sy_failures_configure(struct sy_failures *f, struct sy_cluster *c,
                           const struct sy_failure_options *o, sy_time_ns now)
{
    bool was_on = f->is_on;

    f->is_on = o != NULL;
    f->options = o ? *o : (struct sy_failure_options){0};
    f->options.labels = NULL;
    f->options.scheduler_names = NULL;
    if (!o) {
        for (uint32_t slot = 0; was_on && slot < c->nodes_len; slot++)
            sy_cluster_set_health(c, slot, SY_HEALTH_GOOD);
        sy_vec_done(&f->nodes);
        sy_vec_done(&f->dirty);
        f->is_open = false;
        f->next_ns = INT64_MAX;
        return;
    }
    f->taint_out = sy_strings_addz(c->strings, "node.kubernetes.io/out-of-service");
    f->taint_unreachable = sy_strings_addz(c->strings, "node.kubernetes.io/unreachable");
    f->taint_not_ready = sy_strings_addz(c->strings, "node.kubernetes.io/not-ready");
    f->zone = sy_strings_addz(c->strings, "topology.kubernetes.io/zone");
    f->empty = sy_strings_addz(c->strings, "");
    f->word_false = sy_strings_addz(c->strings, "false");
    if (f->options.labels_len > SY_FAILURE_LABELS_MAX)
        f->options.labels_len = SY_FAILURE_LABELS_MAX;
    for (uint32_t i = 0; i < f->options.labels_len; i++) {
        f->labels[i].key = sy_strings_addz(c->strings, o->labels[i].key);
        f->labels[i].value =
            o->labels[i].value ? sy_strings_addz(c->strings, o->labels[i].value) : 0;
    }
    if (f->options.scheduler_names_len > SY_FAILURE_NAMES_MAX)
        f->options.scheduler_names_len = SY_FAILURE_NAMES_MAX;
    for (uint32_t i = 0; i < f->options.scheduler_names_len; i++)
        f->names[i] = sy_strings_addz(c->strings, o->scheduler_names[i]);
    f->next_ns = now;
    for (uint32_t slot = 0; slot < c->nodes_len; slot++) {
        if (sy_cluster_node_is_alive(c, slot))
            sy_failures_node(f, c, slot, now);
    }
}

void sy_failures_count(const struct sy_failures *f, const struct sy_cluster *c,
                       uint32_t ret[SY_FAILURE_STATES])
{
    memset(ret, 0, SY_FAILURE_STATES * sizeof(*ret));
    for (uint32_t slot = 0; slot < c->nodes_len; slot++) {
        const struct sy_node_failure *n = sy_failures_of(f, c, slot);
        if (n && (sy_cluster_node_is_alive(c, slot) || (n->causes & 1U << SY_CAUSE_GONE)))
            ret[n->state]++;
    }
}
