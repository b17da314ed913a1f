/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of the configuration under `gangs`, in both kinds of file. */
#pragma once

#include "app/schema.h"
#include "sched/sched.h"

struct sy_config_gangs {
    bool pod_groups; /* whether PodGroup objects are read and their status written */
    bool preempts;
    int64_t timeout_ns;
    int64_t backoff_initial_ns, backoff_max_ns; /* 0: as for pods */
    int64_t first_claim_ns;
};

/* Keys with offsets from struct sy_config_gangs. */
extern const struct sy_option sy_config_gangs_options[];
void sy_config_gangs_check(const void *base, const struct sy_schema_at *at);
/* As the core takes them. */
struct sy_gang_options sy_config_gangs(const struct sy_config_gangs *c);
