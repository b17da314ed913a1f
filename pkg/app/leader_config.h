/* SPDX-License-Identifier: Apache-2.0
 *
 * The section `leaderElection` of the configuration, as kube-scheduler has it (component-base
 * config/v1alpha1, v0.37.2), in both kinds of file. */
#pragma once

#include "app/schema.h"

struct sy_config_leader {
    bool is_on;
    int64_t lease_ns, renew_ns, retry_ns;
    char *resource_lock, *resource_name, *resource_namespace;
};

/* Keys of the section; offsets are from struct sy_config_leader. In a file of our own kind it is
 * off until asked for, and the Lease is ours; in one of kube-scheduler's all is as there. */
extern const struct sy_option sy_config_leader_options[];
extern const struct sy_option sy_config_kube_leader_options[];
/* For the section's check_map. */
void sy_config_leader_check(const void *base, const struct sy_schema_at *at);

/* Longest that the server may work on one write, so that writing can be fenced: 5 s, or what the
 * times above and the timeout for binds leave. */
uint32_t sy_config_leader_write_ms(const struct sy_config_leader *c, int64_t bind_timeout_ns);
