/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of matching pods per domain of a topology, kept from cycle to cycle: a refresh looks at the
 * nodes that changed since the last one. For the plugins that look across nodes; a shape keeps its
 * tallies in its view's `kept`. */
#pragma once

#include "cluster/cluster.h"

#include <stdbool.h>
#include <stdint.h>

/* Adds weight times the count on each node. */
struct sy_tally_source {
    uint32_t *const *on_node; /* of a counter or carrier; not read after that has gone */
    int64_t weight;
};

/* Whether the pods on a node count. May depend on the node alone. */
typedef bool sy_tally_takes(const void *arg, uint32_t node);

struct sy_tally {
    const struct sy_topology *topology;
    /* To be right before each refresh. Sources may come and go between two refreshes if they had no
     * pods on any node that has not changed since the first of these; else reset the tally. */
    SY_VEC(struct sy_tally_source) sources;
    int64_t *sum;         /* per domain, up to domains_room; 0 without nodes */
    uint32_t *nodes;      /* per domain: nodes that count */
    uint32_t domains_len; /* of the topology, at the last refresh */
    uint32_t domains_room;
    uint32_t domains_used; /* that have a node that counts */
    uint32_t nodes_nonzero;
    int64_t total;

    /* What is accounted for. */
    bool is_built;
    uint32_t nodes_room;
    uint32_t *node_domain; /* SY_NO_DOMAIN: the node does not count */
    int64_t *node_value;
    uint64_t changes_seen;
    uint64_t epoch;
    SY_VEC(uint32_t) trial_nodes; /* accounted for as a what-if had them */
};

/* Brings the tally up to date. takes: NULL for all nodes that have the topology's label. Cost:
 * O(changed nodes x sources); O(nodes x sources) the first time, after a reset, and when the
 * cluster's epoch changed. */
void sy_tally_refresh(struct sy_tally *t, const struct sy_cluster *c, sy_tally_takes *takes,
                      const void *arg);
/* Everything is counted anew at the next refresh. */
void sy_tally_reset(struct sy_tally *t);
void sy_tally_done(struct sy_tally *t);
/* Bytes that it takes, about. */
size_t sy_tally_bytes(const struct sy_tally *t);

/* The sum of the node's domain, 0 when it has none. */
static inline int64_t sy_tally_at(const struct sy_tally *t, uint32_t node)
{
    uint32_t domain = t->topology->domain[node];

    return domain == SY_NO_DOMAIN ? 0 : t->sum[domain];
}
