/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler's parts, for its neighbours in this folder that look and do not decide. */
#pragma once

#include "sched/queue.h"
#include "sched/record.h"
#include "sched/sched.h"

struct sy_sched_inside {
    struct sy_strings *strings;
    struct sy_cluster *cluster;
    struct sy_shapes *shapes;
    const struct sy_entries *entries;
    const struct sy_records *records;
    const struct sy_profile *profiles;
    uint32_t profiles_len;
};
/* All borrowed for the life of s, but profiles until the next sy_sched_configure(). */
void sy_sched_look_inside(struct sy_sched *s, struct sy_sched_inside *ret);
