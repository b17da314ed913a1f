/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/tally.h"

#include <stdlib.h>
#include <string.h>

/* Weights come from the API server and are not trusted: sums wrap, and do not trap. */
static int64_t add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t value_of(const struct sy_tally *t, uint32_t node)
{
    uint64_t value = 0;

    for (size_t i = 0; i < t->sources.len; i++)
        value += (uint64_t)t->sources.p[i].weight * (*t->sources.p[i].on_node)[node];
    return (int64_t)value;
}

static void take_out(struct sy_tally *t, uint32_t node)
{
    uint32_t domain = t->node_domain[node];
    int64_t value = t->node_value[node];

    if (domain == SY_NO_DOMAIN)
        return;
    t->sum[domain] = add(t->sum[domain], -value);
    t->total = add(t->total, -value);
    t->nodes_nonzero -= value != 0;
    t->domains_used -= --t->nodes[domain] == 0;
    t->node_domain[node] = SY_NO_DOMAIN;
}

static void put_in(struct sy_tally *t, uint32_t node, sy_tally_takes *takes, const void *arg)
{
    uint32_t domain = t->topology->domain[node];

    if (domain == SY_NO_DOMAIN || (takes && !takes(arg, node)))
        return;
    int64_t value = value_of(t, node);
    t->node_domain[node] = domain;
    t->node_value[node] = value;
    t->sum[domain] = add(t->sum[domain], value);
    t->total = add(t->total, value);
    t->nodes_nonzero += value != 0;
    t->domains_used += t->nodes[domain]++ == 0;
}

static void make_room(struct sy_tally *t, const struct sy_cluster *c)
{
    uint32_t domains = t->topology->domains_len;

    if (t->nodes_room < c->nodes_room) {
        t->node_domain = sy_xreallocarray(t->node_domain, c->nodes_room, sizeof(*t->node_domain));
        t->node_value = sy_xreallocarray(t->node_value, c->nodes_room, sizeof(*t->node_value));
        for (uint32_t node = t->nodes_room; node < c->nodes_room; node++)
            t->node_domain[node] = SY_NO_DOMAIN;
        t->nodes_room = c->nodes_room;
    }
    if (t->domains_room < domains || !t->sum) {
        uint32_t room = domains < 8 ? 8 : domains + domains / 4;
        t->sum = sy_xreallocarray(t->sum, room, sizeof(*t->sum));
        t->nodes = sy_xreallocarray(t->nodes, room, sizeof(*t->nodes));
        memset(t->sum + t->domains_room, 0, (room - t->domains_room) * sizeof(*t->sum));
        memset(t->nodes + t->domains_room, 0, (room - t->domains_room) * sizeof(*t->nodes));
        t->domains_room = room;
    }
    t->domains_len = domains;
}

static void build(struct sy_tally *t, const struct sy_cluster *c, sy_tally_takes *takes,
                  const void *arg)
{
    memset(t->sum, 0, t->domains_room * sizeof(*t->sum));
    memset(t->nodes, 0, t->domains_room * sizeof(*t->nodes));
    for (uint32_t node = 0; node < t->nodes_room; node++)
        t->node_domain[node] = SY_NO_DOMAIN;
    t->domains_used = t->nodes_nonzero = 0;
    t->total = 0;
    for (uint32_t node = 0; node < c->nodes_len; node++)
        put_in(t, node, takes, arg);
    t->is_built = true;
}

static void account(struct sy_tally *t, uint32_t node, sy_tally_takes *takes, const void *arg)
{
    take_out(t, node);
    put_in(t, node, takes, arg);
}

/* The nodes of a what-if are not in the log: they are looked at in each refresh of it, and once
 * more after its end. */
static void follow_trial(struct sy_tally *t, const struct sy_cluster *c, sy_tally_takes *takes,
                         const void *arg)
{
    for (size_t i = 0; i < t->trial_nodes.len; i++)
        account(t, t->trial_nodes.p[i], takes, arg);
    t->trial_nodes.len = 0;
    for (size_t i = 0; c->trial_depth && i < c->trial_nodes.len; i++) {
        account(t, c->trial_nodes.p[i], takes, arg);
        sy_vec_push(&t->trial_nodes, c->trial_nodes.p[i]);
    }
}

void sy_tally_refresh(struct sy_tally *t, const struct sy_cluster *c, sy_tally_takes *takes,
                      const void *arg)
{
    uint64_t behind = c->changes.len - t->changes_seen;

    make_room(t, c);
    if (!t->is_built || t->epoch != c->epoch || behind >= SY_LOG_ROOM || behind > c->nodes_len) {
        build(t, c, takes, arg);
    } else {
        for (uint64_t i = t->changes_seen + 1; i <= c->changes.len; i++)
            account(t, c->changes.ring[i % SY_LOG_ROOM], takes, arg);
    }
    follow_trial(t, c, takes, arg);
    t->changes_seen = c->changes.len;
    t->epoch = c->epoch;
}

void sy_tally_reset(struct sy_tally *t)
{
    t->is_built = false;
}

void sy_tally_done(struct sy_tally *t)
{
    sy_vec_done(&t->sources);
    sy_vec_done(&t->trial_nodes);
    free(t->sum);
    free(t->nodes);
    free(t->node_domain);
    free(t->node_value);
    *t = (struct sy_tally){0};
}

size_t sy_tally_bytes(const struct sy_tally *t)
{
    return t->domains_room * (sizeof(*t->sum) + sizeof(*t->nodes)) +
           t->nodes_room * (sizeof(*t->node_domain) + sizeof(*t->node_value));
}
