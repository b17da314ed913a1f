/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/balance.h"

#include <stdlib.h>

#include "base/mem.h"

const char *sy_balance_kind_name(enum sy_balance_kind k)
{
    static const char *const NAMES[] = {"cluster", "pool", "zone"};

    return (unsigned)k < SY_ARRAY_LEN(NAMES) ? NAMES[k] : "unknown";
}

static struct sy_balance judge(const struct sy_cluster *c, enum sy_balance_kind kind,
                               const char *name, const struct sy_group_sums *sums)
{
    struct sy_balance b = {.kind = kind, .name = name, .sums = *sums, .state = SY_UNDERLOADED};
    double fraction = c->pools.balance_fraction;
    bool has_any = false;

    for (int m = 0; m < SY_LOAD_METRICS; m++) {
        b.load[m] = sy_group_load(sums, (enum sy_load_metric)m);
        b.states[m] = sy_balance_state((double)sums->used[m], (double)sums->total[m], fraction);
        if (!sums->total[m] || (has_any && b.load[m] <= b.load[b.fullest]))
            continue;
        has_any = true;
        b.fullest = (enum sy_load_metric)m;
        b.state = b.states[m];
    }
    return b;
}

uint32_t sy_sched_balance(struct sy_sched *s, struct sy_balance *ret, uint32_t room)
{
    const struct sy_cluster *c = sy_sched_cluster(s);
    struct sy_group_sums pools[SY_POOLS_MAX + 1], whole;
    struct sy_zone_sums *zones = sy_xcalloc(SY_BALANCE_ZONES_MAX, sizeof(*zones));
    uint32_t zones_len = sy_zones_count(c, zones, SY_BALANCE_ZONES_MAX);
    uint32_t len = 0;

    sy_pools_count(c, pools, &whole);
    if (len < room)
        ret[len] = judge(c, SY_BALANCE_CLUSTER, "", &whole);
    len++;
    for (size_t i = 0; i < c->pools.all.len; i++, len++) {
        const struct sy_pool *p = &c->pools.all.p[i];
        if (len >= room)
            continue;
        ret[len] = judge(c, SY_BALANCE_POOL, p->name, &pools[i]);
        ret[len].has_gate = p->gate.is_on;
        ret[len].is_closed = p->is_closed;
        ret[len].reason = p->is_closed ? sy_strings_getz(c->strings, p->reason) : NULL;
        ret[len].closings = p->closings;
    }
    for (uint32_t i = 0; i < zones_len; i++, len++) {
        if (len < room)
            ret[len] = judge(c, SY_BALANCE_ZONE, sy_strings_getz(c->strings, zones[i].zone),
                             &zones[i].sums);
    }
    free(zones);
    return len;
}

void sy_sched_node_weight(struct sy_sched *s, uint32_t node, struct sy_node_weight *ret)
{
    sy_node_weight(sy_sched_cluster(s), NULL, node, ret);
}
