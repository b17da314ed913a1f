/* SPDX-License-Identifier: Apache-2.0
 *
 * What the models say of the cluster as it is: utilization and balance of everything, of each pool
 * and zone, the gates, and the dynamic weight of nodes. For endpoints and metrics; decides nothing.
 * Loop thread. */
#pragma once

#include "policy/weights.h"
#include "sched/sched.h"

enum sy_balance_kind { SY_BALANCE_CLUSTER, SY_BALANCE_POOL, SY_BALANCE_ZONE };
/* "cluster", "pool", "zone". */
const char *sy_balance_kind_name(enum sy_balance_kind k);

/* A group of nodes. Arrays are by enum sy_load_metric. */
struct sy_balance {
    enum sy_balance_kind kind;
    const char *name; /* "" for the cluster; borrowed until pools or nodes change */
    struct sy_group_sums sums;
    double load[SY_LOAD_METRICS]; /* used / total; 0 where sums.total is 0 */
    enum sy_balance_state states[SY_LOAD_METRICS];
    enum sy_load_metric fullest; /* of those with a total, the one with the highest load */
    enum sy_balance_state state; /* of that */
    bool has_gate;               /* pools only, as the rest */
    bool is_closed;
    const char *reason; /* while closed; as the name */
    uint64_t closings;
};

enum { SY_BALANCE_ZONES_MAX = 256, SY_BALANCE_MAX = 1 + SY_POOLS_MAX + 1 + SY_BALANCE_ZONES_MAX };

/* The cluster, then pools, then zones. Writes up to room groups, returns how many there are. Cost
 * O(nodes x zones). */
uint32_t sy_sched_balance(struct sy_sched *s, struct sy_balance *ret, uint32_t room);

/* Of an alive node, as it is. Cost O(1). */
void sy_sched_node_weight(struct sy_sched *s, uint32_t node, struct sy_node_weight *ret);

/* Pods that wait and that a closed gate kept off some node when they were last looked at. Cost
 * O(waiting shapes x nodes) while a gate is closed, none else. */
uint32_t sy_sched_gate_waiting(const struct sy_sched *s);
