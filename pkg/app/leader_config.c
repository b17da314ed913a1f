/* SPDX-License-Identifier: Apache-2.0 */
#include "app/leader_config.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "kube/elector.h"

static const int64_t WRITE_MOST_NS = 5 * SY_NS_PER_S;

/* leaseDurationSeconds is an int32. */
#define DURATION_MOST_NS (INT32_MAX * SY_NS_PER_S)

#define IN(field) .offset = offsetof(struct sy_config_leader, field)
#define LEADER(is_on_initial, name_initial, on_help)                                               \
    {"leaderElect", SY_OPTION_BOOL, IN(is_on), .initial = (is_on_initial), .help = (on_help)},     \
        {"leaseDuration",                                                                          \
         SY_OPTION_DURATION,                                                                       \
         IN(lease_ns),                                                                             \
         .is_terse = true,                                                                         \
         .initial = "15s",                                                                         \
         .least = 1,                                                                               \
         .most = DURATION_MOST_NS,                                                                 \
         .range = "must be greater than zero",                                                     \
         .help = "a leader that is not heard of for so long is replaced"},                         \
        {"renewDeadline",                                                                          \
         SY_OPTION_DURATION,                                                                       \
         IN(renew_ns),                                                                             \
         .is_terse = true,                                                                         \
         .initial = "10s",                                                                         \
         .least = 1,                                                                               \
         .most = DURATION_MOST_NS,                                                                 \
         .range = "must be greater than zero",                                                     \
         .help = "a leader that cannot renew its lease for so long leaves"},                       \
        {"retryPeriod",                                                                            \
         SY_OPTION_DURATION,                                                                       \
         IN(retry_ns),                                                                             \
         .is_terse = true,                                                                         \
         .initial = "2s",                                                                          \
         .least = 1,                                                                               \
         .most = DURATION_MOST_NS,                                                                 \
         .range = "must be greater than zero",                                                     \
         .help = "the lease is renewed, or asked for, each such time"},                            \
        {"resourceLock",   SY_OPTION_TEXT,      IN(resource_lock),                                 \
         .is_terse = true, .initial = "leases", .help = "leases"},                                 \
        {"resourceName",                                                                           \
         SY_OPTION_TEXT,                                                                           \
         IN(resource_name),                                                                        \
         .is_terse = true,                                                                         \
         .initial = (name_initial),                                                                \
         .help = "of the Lease"},                                                                  \
    {                                                                                              \
        "resourceNamespace", SY_OPTION_TEXT, IN(resource_namespace),                               \
            .is_terse = true, .initial = "kube-system", .help = "of the Lease"                     \
    }

const struct sy_option sy_config_leader_options[] = {
    LEADER("false", "steelyard", "needed as soon as there may be a second replica"),
    {0},
};
const struct sy_option sy_config_kube_leader_options[] = {
    LEADER("true", "kube-scheduler",
           "beside kube-scheduler itself: false, or another resourceName"),
    {0},
};

static void check_names(const struct sy_config_leader *c, const struct sy_schema_at *at)
{
    if (strcmp(c->resource_lock, "leases") != 0)
        sy_schema_problem(at, "resourceLock",
                          "Invalid value: \"%.64s\": resourceLock value must be \"leases\"",
                          c->resource_lock);
    if (!*c->resource_namespace)
        sy_schema_problem(at, "resourceNamespace", "Required value");
    if (!*c->resource_name)
        sy_schema_problem(at, "resourceName", "Required value");
}

void sy_config_leader_check(const void *base, const struct sy_schema_at *at)
{
    const struct sy_config_leader *c = base;

    if (!c->is_on)
        return;
    if (c->lease_ns < SY_NS_PER_S)
        sy_schema_problem(at, "leaseDuration",
                          "is shorter than the second that a Lease counts in; write 15s");
    else if (c->lease_ns <= c->renew_ns)
        sy_schema_problem(at, "leaseDuration",
                          "Invalid value: must be greater than `RenewDeadline`");
    /* client-go's JitterFactor, 1.2. */
    if (c->renew_ns / 6 <= c->retry_ns / 5)
        sy_schema_problem(at, "renewDeadline",
                          "Invalid value: must be greater than retryPeriod*JitterFactor, which is "
                          "%.1fs",
                          1.2 * (double)c->retry_ns / (double)SY_NS_PER_S);
    check_names(c, at);
}

uint32_t sy_config_leader_write_ms(const struct sy_config_leader *c, int64_t bind_timeout_ns)
{
    int64_t most_ns = bind_timeout_ns < WRITE_MOST_NS ? bind_timeout_ns : WRITE_MOST_NS;
    int64_t ms = sy_elector_write_ns(c->renew_ns, c->retry_ns, most_ns) / SY_NS_PER_MS;

    return ms < 1 ? 1 : (uint32_t)ms;
}
