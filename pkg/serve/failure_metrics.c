/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/failure_metrics.h"

#include "sched/health.h"

static void one(struct sy_expo *e, const char *name, enum sy_expo_type type, const char *help,
                uint64_t value)
{
    sy_expo_family(e, name, type, help);
    sy_expo_u64(e, value, NULL);
}

static void write_nodes(struct sy_expo *e, const struct sy_failures *f, const struct sy_cluster *c)
{
    uint32_t counts[SY_FAILURE_STATES];

    sy_failures_count(f, c, counts);
    sy_expo_family(e, "steelyard_nodes", SY_EXPO_GAUGE, "Nodes by what is thought of them.");
    for (int state = 0; state < SY_FAILURE_STATES; state++)
        sy_expo_u64(e, counts[state], "state", sy_failure_state_name((enum sy_failure_state)state),
                    NULL);
    sy_expo_family(e, "steelyard_node_failures_total", SY_EXPO_COUNTER,
                   "Failures of nodes that were well, by what made them known.");
    for (int cause = 0; cause < SY_CAUSES; cause++)
        sy_expo_u64(e, f->counts[cause], "cause",
                    sy_failure_cause_name((enum sy_failure_cause)cause), NULL);
    one(e, "steelyard_recovery_suspended", SY_EXPO_GAUGE,
        "1 while nobody is evicted because too many nodes have failed at once.", f->is_open);
    one(e, "steelyard_recovery_suspensions_total", SY_EXPO_COUNTER, "Times that this began.",
        f->openings);
}

void sy_failure_metrics_write(struct sy_expo *e, struct sy_sched *sched)
{
    const struct sy_failures *f = sy_sched_failures(sched);
    const struct sy_recovery *r = sy_sched_recovery(sched);
    const struct sy_recovery_stats *s = &r->stats;

    if (!f->is_on)
        return;
    write_nodes(e, f, sy_sched_cluster(sched));
    sy_expo_family(e, "steelyard_recovery_evictions_total", SY_EXPO_COUNTER,
                   "Pods on failed nodes, and of their gangs, that were made to go.");
    sy_expo_u64(e, s->evicted, "how", "evict", NULL);
    sy_expo_u64(e, s->forced, "how", "force", NULL);
    one(e, "steelyard_recovery_refused_total", SY_EXPO_COUNTER,
        "Of these, what the server did not carry out, for a budget or else.", s->refused);
    one(e, "steelyard_recovery_gangs_restarted_total", SY_EXPO_COUNTER,
        "Gangs that started anew as a whole.", s->gangs_restarted);
    one(e, "steelyard_recovery_released_total", SY_EXPO_COUNTER,
        "Places on failed nodes that were given up before the pods were bound.", s->released);
    one(e, "steelyard_recovery_holds", SY_EXPO_GAUGE,
        "Replacements that room is held, or looked for, for.", r->holds.len);
    one(e, "steelyard_recovery_holds_expired_total", SY_EXPO_COUNTER,
        "Of these, those that nobody came for in time.", s->holds_expired);
    sy_expo_family(e, "steelyard_recovery_hold_seconds", SY_EXPO_HISTOGRAM,
                   "From a node's failure to room being held.");
    sy_expo_histogram(e, &s->hold_s, NULL);
    sy_expo_family(e, "steelyard_recovery_seconds", SY_EXPO_HISTOGRAM,
                   "From a node's failure to the replacement being bound.");
    sy_expo_histogram(e, &s->bound_s, NULL);
}
