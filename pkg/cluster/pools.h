/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools: groups of nodes by label, what is used of each, and the load gate of each. A node is in
 * the first pool whose labels it has, else in the last one, "default". Used is what the models take
 * (requested, or more where measured). Pure. docs/models.md has the formulas. */
#pragma once

#include "base/strings.h"
#include "base/vec.h"
#include "model/load.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_cluster;

enum { SY_POOLS_MAX = 32, SY_POOL_LABELS_MAX = 8 };

/* Closes when more than `close_above` of a resource is used, opens when all are below their
 * `open_below`. Shares of the whole; a resource with close_above 0 does not count. */
struct sy_gate_options {
    bool is_on;
    double close_above[SY_LOAD_METRICS];
    double open_below[SY_LOAD_METRICS];
};

struct sy_pool_options {
    const char *name;
    const char *keys[SY_POOL_LABELS_MAX];
    const char *values[SY_POOL_LABELS_MAX]; /* NULL: any */
    uint32_t labels_len;
    struct sy_gate_options gate;
};

enum { SY_EXEMPT_CLASSES_MAX = 16 };

/* All borrowed for the call. */
struct sy_pools_options {
    const struct sy_pool_options *pools; /* without "default" */
    uint32_t pools_len;                  /* SY_POOLS_MAX at most */
    struct sy_gate_options default_gate;
    double balance_fraction; /* 0: 0.5 */
    /* Pods that no gate holds up: of at least this priority, or of these classes. */
    bool exempt_by_priority;
    int32_t exempt_priority;
    const char *const *exempt_classes;
    uint32_t exempt_classes_len; /* SY_EXEMPT_CLASSES_MAX at most */
};

enum sy_balance_state { SY_UNDERLOADED, SY_BALANCED, SY_OVERLOADED };
/* "Underloaded" and so on. */
const char *sy_balance_state_name(enum sy_balance_state s);
/* Overloaded when load is more than fraction x total, Balanced at equality. */
enum sy_balance_state sy_balance_state(double load, double total, double fraction);

/* Sums of a group of nodes, whole numbers so that they never drift: milli-cores, bytes, thousandths
 * of a GPU; for what is measured only, millionths of a node, of the nodes with a sample. */
struct sy_group_sums {
    uint32_t nodes;
    int64_t used[SY_LOAD_METRICS];
    int64_t total[SY_LOAD_METRICS];
};
/* used / total; 0 where there is none of it. */
double sy_group_load(const struct sy_group_sums *g, enum sy_load_metric m);

struct sy_pool {
    char *name; /* owned */
    sy_sid keys[SY_POOL_LABELS_MAX];
    sy_sid values[SY_POOL_LABELS_MAX]; /* 0: any */
    uint32_t labels_len;
    struct sy_gate_options gate;
    struct sy_group_sums sums;
    bool is_closed;
    sy_sid reason; /* while closed: why, as it was when it closed */
    uint64_t closings;
};

struct sy_pool_share; /* what one node adds to its pool */

struct sy_pools {
    SY_VEC(struct sy_pool) all; /* the last is "default"; empty until sy_pools_configure() */
    double balance_fraction;
    bool has_gates;
    bool exempt_by_priority;
    int32_t exempt_priority;
    SY_VEC(sy_sid) exempt_classes;
    /* With gates, sums follow the cluster. */
    struct sy_pool_share *shares; /* per node slot */
    uint32_t shares_room;
    uint64_t changes_seen;
    bool is_built;
};

/* Takes the options over. Gates begin open, but for those of pools that had one under the same
 * name; shapes are looked at anew. */
void sy_pools_configure(struct sy_cluster *c, const struct sy_pools_options *options);
/* Brings sums and gates up to date; where a gate opens or closes, its nodes count as changed. Cost
 * O(nodes that changed), nothing without gates. */
void sy_pools_follow(struct sy_cluster *c);
/* Whether the gates let pods of that priority and class pass. */
bool sy_pools_exempt(const struct sy_cluster *c, int32_t priority, sy_sid priority_class);
/* The pool that a node is in now. */
uint32_t sy_pool_of(const struct sy_cluster *c, uint32_t node);

/* Sums as they are now, counted afresh: per pool (room for all of them), and of everything.
 * O(nodes). */
void sy_pools_count(const struct sy_cluster *c, struct sy_group_sums *per_pool,
                    struct sy_group_sums *whole);
struct sy_zone_sums {
    sy_sid zone;
    struct sy_group_sums sums;
};
/* The same by topology.kubernetes.io/zone, of the first `room` zones that nodes name; returns how
 * many it wrote. O(nodes x zones). */
uint32_t sy_zones_count(const struct sy_cluster *c, struct sy_zone_sums *ret, uint32_t room);

void sy_pools_done(struct sy_cluster *c);
void sy_pools_mark(const struct sy_cluster *c);
/* Whether the sums that follow are what counting gives. O(nodes). */
bool sy_pools_audit(const struct sy_cluster *c);
