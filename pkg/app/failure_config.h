/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of `failures`, in both kinds of file: what is done about nodes that fail. */
#pragma once

#include "app/model_config.h"
#include "app/schema.h"
#include "sched/failure.h"

struct sy_config_failures {
    bool is_on;
    int64_t suspect_after_ns; /* 0: leases are not watched */
    int64_t grace_ns;
    int64_t hold_ns;
    double evictions_per_s;
    int64_t evictions_burst;
    bool gpus;
    bool force_allowed;
    int64_t hold_down_ns, hold_down_max_ns, flap_half_life_ns;
    int64_t breaker_least;
    double breaker_share, breaker_zone_share;
    int64_t breaker_window_ns, breaker_resume_ns;
    struct sy_option_list labels; /* struct sy_config_label */
    struct sy_option_list names;  /* char * */
};

/* Offsets from struct sy_config_failures. */
extern const struct sy_option sy_config_failures_options[];
void sy_config_failures_check(const void *base, const struct sy_schema_at *at);

/* What the core takes; `room` is to live as long as *ret, both borrow from c. NULL when it is off,
 * else ret. */
struct sy_config_failures_room {
    struct sy_failure_label labels[SY_FAILURE_LABELS_MAX];
    const char *keys[SY_FAILURE_LABELS_MAX + 1]; /* of annotations of nodes, NULL-terminated */
};
const struct sy_failure_options *sy_config_failures(const struct sy_config_failures *c,
                                                    struct sy_config_failures_room *room,
                                                    struct sy_failure_options *ret);
