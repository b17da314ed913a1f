/* SPDX-License-Identifier: Apache-2.0 */
#include "app/gang_config.h"

#include "base/clock.h"

#define AT(field) .offset = offsetof(struct sy_config_gangs, field)
#define HOUR      (3600 * SY_NS_PER_S)

const struct sy_option sy_config_gangs_options[] = {
    {"podGroups", SY_OPTION_BOOL, AT(pod_groups), .is_live = true, .initial = "true",
     .help = "read PodGroup objects where the server has them, and write their status"},
    {"preemption", SY_OPTION_BOOL, AT(preempts), .is_live = true, .initial = "true",
     .help = "whether a gang may have pods of lower priority evicted, when all of it fits then"},
    {"timeout", SY_OPTION_DURATION, AT(timeout_ns), .is_live = true, .initial = "60s",
     .least = SY_NS_PER_S, .most = HOUR,
     .help = "from a gang's first bind to its last, where neither it nor its PodGroup says"},
    {"backoffInitial", SY_OPTION_DURATION, AT(backoff_initial_ns), .is_live = true, .initial = "0s",
     .least = 0, .most = HOUR,
     .help = "wait after a gang's first failed attempt, doubled with each; 0s: as for pods"},
    {"backoffMax", SY_OPTION_DURATION, AT(backoff_max_ns), .is_live = true, .initial = "0s",
     .least = 0, .most = HOUR, .help = "longest such wait; 0s: as for pods"},
    {"firstClaim", SY_OPTION_DURATION, AT(first_claim_ns), .is_live = true, .initial = "30s",
     .least = 0, .most = HOUR,
     .help = "how long the place of a gang's member that went is kept for the gang; 0s: not"},
    {0},
};

void sy_config_gangs_check(const void *base, const struct sy_schema_at *at)
{
    const struct sy_config_gangs *c = base;

    if (c->backoff_initial_ns && c->backoff_max_ns && c->backoff_max_ns < c->backoff_initial_ns)
        sy_schema_problem(at, "backoffMax", "is less than backoffInitial; raise it");
}

struct sy_gang_options sy_config_gangs(const struct sy_config_gangs *c)
{
    return (struct sy_gang_options){
        .never_preempts = !c->preempts,
        .timeout_ns = c->timeout_ns,
        .backoff_initial_ns = c->backoff_initial_ns,
        .backoff_max_ns = c->backoff_max_ns,
        .first_claim_ns = c->first_claim_ns,
    };
}
