/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/model_metrics.h"

#include <stdlib.h>

#include "base/mem.h"

static void write_loads(struct sy_expo *e, const struct sy_balance *all, uint32_t len,
                        enum sy_balance_kind kind)
{
    for (uint32_t i = 0; i < len; i++) {
        for (int m = 0; all[i].kind == kind && m < SY_LOAD_METRICS; m++) {
            if (all[i].sums.total[m])
                sy_expo_f64(e, all[i].load[m], sy_balance_kind_name(kind), all[i].name, "resource",
                            sy_load_metric_name((enum sy_load_metric)m), NULL);
        }
    }
}

static void write_states(struct sy_expo *e, const struct sy_balance *all, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        for (int state = SY_UNDERLOADED; all[i].kind == SY_BALANCE_POOL && state <= SY_OVERLOADED;
             state++)
            sy_expo_u64(e, all[i].sums.nodes && all[i].state == (enum sy_balance_state)state,
                        "pool", all[i].name, "state",
                        sy_balance_state_name((enum sy_balance_state)state), NULL);
    }
}

static void write_gates(struct sy_expo *e, struct sy_sched *sched, const struct sy_balance *all,
                        uint32_t len)
{
    sy_expo_family(e, "steelyard_gate_closed", SY_EXPO_GAUGE,
                   "1 while the load gate of a pool that has one is closed.");
    for (uint32_t i = 0; i < len; i++) {
        if (all[i].has_gate)
            sy_expo_u64(e, all[i].is_closed, "pool", all[i].name, NULL);
    }
    sy_expo_family(e, "steelyard_gate_closings_total", SY_EXPO_COUNTER,
                   "Times that the load gate of a pool has closed.");
    for (uint32_t i = 0; i < len; i++) {
        if (all[i].has_gate)
            sy_expo_u64(e, all[i].closings, "pool", all[i].name, NULL);
    }
    sy_expo_family(e, "steelyard_gate_waiting_pods", SY_EXPO_GAUGE,
                   "Pods that wait and that a closed gate kept off some node.");
    sy_expo_u64(e, sy_sched_gate_waiting(sched), NULL);
}

static void write_nodes(struct sy_expo *e, struct sy_sched *sched)
{
    const struct sy_cluster *c = sy_sched_cluster(sched);

    sy_expo_family(e, "steelyard_node_weight", SY_EXPO_GAUGE,
                   "Dynamic weight of a node as it is, and the factors that it is the product of.");
    for (uint32_t node = 0; node < c->nodes_len; node++) {
        struct sy_node_weight w;
        if (!sy_cluster_node_is_alive(c, node))
            continue;
        const char *name = sy_strings_getz(c->strings, c->nodes[node].node.name);
        sy_sched_node_weight(sched, node, &w);
        sy_expo_f64(e, w.capacity, "factor", "capacity", "node", name, NULL);
        sy_expo_f64(e, w.performance, "factor", "performance", "node", name, NULL);
        sy_expo_f64(e, w.headroom, "factor", "headroom", "node", name, NULL);
        sy_expo_f64(e, w.reliability, "factor", "reliability", "node", name, NULL);
        sy_expo_f64(e, w.weight, "factor", "weight", "node", name, NULL);
    }
}

void sy_model_metrics_write(struct sy_expo *e, struct sy_sched *sched, bool nodes)
{
    struct sy_balance *all = sy_xcalloc(SY_BALANCE_MAX, sizeof(*all));
    uint32_t len = sy_sched_balance(sched, all, SY_BALANCE_MAX);

    sy_expo_family(e, "steelyard_pool_utilization", SY_EXPO_GAUGE,
                   "Share in use of what a pool's nodes can give: requested, or more where "
                   "measured.");
    write_loads(e, all, len, SY_BALANCE_POOL);
    sy_expo_family(e, "steelyard_zone_utilization", SY_EXPO_GAUGE,
                   "The same by topology.kubernetes.io/zone.");
    write_loads(e, all, len, SY_BALANCE_ZONE);
    sy_expo_family(e, "steelyard_balance_state", SY_EXPO_GAUGE,
                   "1 for the state that a pool is in, by the resource that is used most.");
    write_states(e, all, len);
    write_gates(e, sched, all, len);
    if (nodes)
        write_nodes(e, sched);
    free(all);
}
