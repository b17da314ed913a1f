/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/pools.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cluster/cluster.h"

/* A whole node, of what is measured only. */
static const double MILLIONTHS = 1e6;
/* So that the sum over any number of nodes that fits into memory cannot wrap. */
static const int64_t MOST_OF_A_NODE = (int64_t)1 << 45;
static const char ZONE_LABEL[] = "topology.kubernetes.io/zone";

struct sy_pool_share {
    uint32_t pool; /* SY_NONE: the slot is in none */
    struct sy_group_sums sums;
};

const char *sy_balance_state_name(enum sy_balance_state s)
{
    static const char *const NAMES[] = {"Underloaded", "Balanced", "Overloaded"};

    return (unsigned)s < SY_ARRAY_LEN(NAMES) ? NAMES[s] : "Unknown";
}

enum sy_balance_state sy_balance_state(double load, double total, double fraction)
{
    double limit = fraction * total;

    return load > limit ? SY_OVERLOADED : load < limit ? SY_UNDERLOADED : SY_BALANCED;
}

double sy_group_load(const struct sy_group_sums *g, enum sy_load_metric m)
{
    return g->total[m] > 0 ? (double)g->used[m] / (double)g->total[m] : 0;
}

/* -- sums -- */

static void count_column(const struct sy_cluster *c, uint32_t node, enum sy_load_metric m,
                         uint32_t column, struct sy_group_sums *ret)
{
    int64_t total = c->columns[column].allocatable[node];
    int64_t used = c->columns[column].used[node];

    total = total < MOST_OF_A_NODE ? total : MOST_OF_A_NODE;
    used = used < MOST_OF_A_NODE ? used : MOST_OF_A_NODE;
    ret->total[m] = total;
    ret->used[m] = used + llround(sy_load_excess(&c->load, m, node) * (double)total);
}

static void count_gpus(const struct sy_cluster *c, uint32_t node, struct sy_group_sums *ret)
{
    struct sy_gpu_sums gpus = sy_gpus_sums(c, node);
    double excess = gpus.total_milli ? sy_load_excess(&c->load, SY_LOAD_GPU, node) : 0;

    ret->total[SY_LOAD_GPU] = gpus.total_milli;
    ret->used[SY_LOAD_GPU] = gpus.used_milli + llround(excess * (double)gpus.total_milli);
}

static void count_measured(const struct sy_cluster *c, uint32_t node, enum sy_load_metric m,
                           struct sy_group_sums *ret)
{
    const struct sy_load_column *column = &c->load.columns[m];

    if (!column->held || column->weight[node] <= 0)
        return;
    ret->total[m] = llround(MILLIONTHS);
    ret->used[m] = llround((double)column->excess[node] * MILLIONTHS);
}

static struct sy_group_sums count_node(const struct sy_cluster *c, uint32_t node)
{
    struct sy_group_sums s = {.nodes = 1};

    count_column(c, node, SY_LOAD_CPU, SY_COLUMN_CPU_MILLI, &s);
    count_column(c, node, SY_LOAD_MEMORY, SY_COLUMN_MEMORY_BYTES, &s);
    count_column(c, node, SY_LOAD_EPHEMERAL, SY_COLUMN_EPHEMERAL_BYTES, &s);
    count_gpus(c, node, &s);
    count_measured(c, node, SY_LOAD_GPU_MEMORY, &s);
    count_measured(c, node, SY_LOAD_NETWORK, &s);
    return s;
}

static void add(struct sy_group_sums *to, const struct sy_group_sums *s, int sign)
{
    to->nodes += (uint32_t)(sign * (int64_t)s->nodes);
    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        to->used[m] += sign * s->used[m];
        to->total[m] += sign * s->total[m];
    }
}

static bool has_labels(const struct sy_pool *p, struct sy_labels labels)
{
    for (uint32_t i = 0; i < p->labels_len; i++) {
        sy_sid value = sy_labels_get(labels, p->keys[i]);
        if (!value || (p->values[i] && p->values[i] != value))
            return false;
    }
    return true;
}

uint32_t sy_pool_of(const struct sy_cluster *c, uint32_t node)
{
    uint32_t i = 0;

    while (i + 1 < c->pools.all.len && !has_labels(&c->pools.all.p[i], c->nodes[node].node.labels))
        i++;
    return i;
}

void sy_pools_count(const struct sy_cluster *c, struct sy_group_sums *per_pool,
                    struct sy_group_sums *whole)
{
    memset(per_pool, 0, c->pools.all.len * sizeof(*per_pool));
    memset(whole, 0, sizeof(*whole));
    for (uint32_t node = 0; node < c->nodes_len; node++) {
        if (!sy_cluster_node_is_alive(c, node))
            continue;
        struct sy_group_sums s = count_node(c, node);
        if (c->pools.all.len)
            add(&per_pool[sy_pool_of(c, node)], &s, 1);
        add(whole, &s, 1);
    }
}

uint32_t sy_zones_count(const struct sy_cluster *c, struct sy_zone_sums *ret, uint32_t room)
{
    sy_sid key = sy_strings_find(c->strings, sy_str_from(ZONE_LABEL));
    uint32_t len = 0;

    for (uint32_t node = 0; key && node < c->nodes_len; node++) {
        sy_sid zone =
            sy_cluster_node_is_alive(c, node) ? sy_labels_get(c->nodes[node].node.labels, key) : 0;
        uint32_t i = 0;
        while (i < len && ret[i].zone != zone)
            i++;
        if (!zone || i == room)
            continue;
        if (i == len)
            ret[len++] = (struct sy_zone_sums){.zone = zone};
        struct sy_group_sums s = count_node(c, node);
        add(&ret[i].sums, &s, 1);
    }
    return len;
}

/* -- gates -- */

static void close_gate(struct sy_cluster *c, struct sy_pool *p, enum sy_load_metric m)
{
    char text[160];

    snprintf(text, sizeof(text),
             "node(s) in pool %.64s, which is overloaded (%s %.1f %% > %.0f %%)", p->name,
             sy_load_metric_name(m), 100 * sy_group_load(&p->sums, m),
             100 * p->gate.close_above[m]);
    p->is_closed = true;
    p->closings++;
    p->reason = sy_strings_addz(c->strings, text);
}

/* Returns whether it turned. */
static bool turn_gate(struct sy_cluster *c, struct sy_pool *p)
{
    bool stays = false;

    if (!p->gate.is_on)
        return false;
    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        double load = sy_group_load(&p->sums, (enum sy_load_metric)m);
        if (p->gate.close_above[m] <= 0)
            continue;
        if (!p->is_closed && load > p->gate.close_above[m]) {
            close_gate(c, p, (enum sy_load_metric)m);
            return true;
        }
        stays |= load >= p->gate.open_below[m];
    }
    if (!p->is_closed || stays)
        return false;
    p->is_closed = false;
    return true;
}

static void touch_pool(struct sy_cluster *c, uint32_t pool, bool relief)
{
    for (uint32_t node = 0; node < c->nodes_len; node++) {
        if (c->pools.shares[node].pool == pool)
            sy_cluster_touch(c, node, relief);
    }
}

static void account(struct sy_cluster *c, uint32_t node)
{
    struct sy_pool_share *share = &c->pools.shares[node];

    if (share->pool != SY_NONE)
        add(&c->pools.all.p[share->pool].sums, &share->sums, -1);
    share->pool = SY_NONE;
    if (!sy_cluster_node_is_alive(c, node))
        return;
    share->pool = sy_pool_of(c, node);
    share->sums = count_node(c, node);
    add(&c->pools.all.p[share->pool].sums, &share->sums, 1);
}

static void make_room(struct sy_cluster *c)
{
    struct sy_pools *p = &c->pools;

    if (p->shares_room >= c->nodes_room)
        return;
    p->shares = sy_xreallocarray(p->shares, c->nodes_room, sizeof(*p->shares));
    for (uint32_t node = p->shares_room; node < c->nodes_room; node++)
        p->shares[node].pool = SY_NONE;
    p->shares_room = c->nodes_room;
}

void sy_pools_follow(struct sy_cluster *c)
{
    struct sy_pools *p = &c->pools;
    uint64_t behind = c->changes.len - p->changes_seen;

    if (!p->has_gates || (p->is_built && !behind))
        return;
    make_room(c);
    if (!p->is_built || behind >= SY_LOG_ROOM || behind > c->nodes_len) {
        for (uint32_t node = 0; node < c->nodes_len; node++)
            account(c, node);
    } else {
        for (uint64_t i = p->changes_seen + 1; i <= c->changes.len; i++)
            account(c, c->changes.ring[i % SY_LOG_ROOM]);
    }
    p->is_built = true;
    p->changes_seen = c->changes.len;
    for (uint32_t i = 0; i < p->all.len; i++) {
        if (turn_gate(c, &p->all.p[i]))
            touch_pool(c, i, !p->all.p[i].is_closed);
    }
}

bool sy_pools_exempt(const struct sy_cluster *c, int32_t priority, sy_sid priority_class)
{
    const struct sy_pools *p = &c->pools;

    if (p->exempt_by_priority && priority >= p->exempt_priority)
        return true;
    for (size_t i = 0; i < p->exempt_classes.len; i++) {
        if (priority_class && p->exempt_classes.p[i] == priority_class)
            return true;
    }
    return false;
}

/* -- configuration and upkeep -- */

static void drop(struct sy_pools *p)
{
    for (size_t i = 0; i < p->all.len; i++)
        free(p->all.p[i].name);
    sy_vec_done(&p->all);
    sy_vec_done(&p->exempt_classes);
    free(p->shares);
    *p = (struct sy_pools){0};
}

static void add_pool(struct sy_cluster *c, const struct sy_pool_options *o)
{
    struct sy_pool pool = {.name = sy_xstrdup(o->name), .gate = o->gate};

    for (uint32_t i = 0; i < o->labels_len && i < SY_POOL_LABELS_MAX; i++) {
        pool.keys[i] = sy_strings_addz(c->strings, o->keys[i]);
        pool.values[i] = o->values[i] ? sy_strings_addz(c->strings, o->values[i]) : 0;
        pool.labels_len++;
    }
    c->pools.has_gates |= pool.gate.is_on;
    sy_vec_push(&c->pools.all, pool);
}

/* A gate that is closed stays so over a reload, until it would open. */
static void keep_gates(struct sy_pools *p, const struct sy_pools *old)
{
    for (size_t i = 0; i < p->all.len; i++) {
        struct sy_pool *to = &p->all.p[i];
        for (size_t n = 0; n < old->all.len; n++) {
            const struct sy_pool *from = &old->all.p[n];
            if (!to->gate.is_on || strcmp(to->name, from->name) != 0)
                continue;
            to->is_closed = from->is_closed;
            to->reason = from->reason;
            to->closings = from->closings;
        }
    }
}

void sy_pools_configure(struct sy_cluster *c, const struct sy_pools_options *options)
{
    struct sy_pools *p = &c->pools;
    struct sy_pool_options rest = {.name = "default", .gate = options->default_gate};
    struct sy_pools old = *p;

    *p = (struct sy_pools){0};
    for (uint32_t i = 0; i < options->pools_len && i < SY_POOLS_MAX; i++)
        add_pool(c, &options->pools[i]);
    add_pool(c, &rest);
    p->balance_fraction = options->balance_fraction > 0 ? options->balance_fraction : 0.5;
    p->exempt_by_priority = options->exempt_by_priority;
    p->exempt_priority = options->exempt_priority;
    for (uint32_t i = 0; i < options->exempt_classes_len && i < SY_EXEMPT_CLASSES_MAX; i++)
        sy_vec_push(&p->exempt_classes, sy_strings_addz(c->strings, options->exempt_classes[i]));
    keep_gates(p, &old);
    drop(&old);
    c->epoch++;
    c->generation++;
}

void sy_pools_done(struct sy_cluster *c)
{
    drop(&c->pools);
}

void sy_pools_mark(const struct sy_cluster *c)
{
    for (size_t i = 0; i < c->pools.all.len; i++) {
        const struct sy_pool *p = &c->pools.all.p[i];
        sy_strings_mark(c->strings, p->reason);
        for (uint32_t n = 0; n < p->labels_len; n++) {
            sy_strings_mark(c->strings, p->keys[n]);
            sy_strings_mark(c->strings, p->values[n]);
        }
    }
    for (size_t i = 0; i < c->pools.exempt_classes.len; i++)
        sy_strings_mark(c->strings, c->pools.exempt_classes.p[i]);
}

bool sy_pools_audit(const struct sy_cluster *c)
{
    struct sy_group_sums counted[SY_POOLS_MAX + 1], whole;

    /* What changed since is not in the sums yet. */
    if (!c->pools.is_built || c->pools.changes_seen != c->changes.len)
        return true;
    sy_pools_count(c, counted, &whole);
    for (size_t i = 0; i < c->pools.all.len; i++) {
        const struct sy_group_sums *sums = &c->pools.all.p[i].sums;
        if (sums->nodes != counted[i].nodes ||
            memcmp(sums->used, counted[i].used, sizeof(sums->used)) != 0 ||
            memcmp(sums->total, counted[i].total, sizeof(sums->total)) != 0)
            return false;
    }
    return true;
}
