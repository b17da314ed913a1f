/* SPDX-License-Identifier: Apache-2.0
 *
 * Inputs and figures of node failures (failure.h, recovery.h) beside those of sched.h. */
#pragma once

#include "sched/failure.h"
#include "sched/recovery.h"
#include "sched/sched.h"

/* A node's lease, as written: renewed at wall_ns for duration_ns. Name: of the scheduler's table.
 * True when it changed what is thought of the node, so that sy_sched_run() is due. O(1). */
bool sy_sched_node_lease(struct sy_sched *s, sy_sid name, int64_t wall_ns, int64_t duration_ns,
                         sy_time_ns now);
/* Whether leases are being received; until that is said no lease is stale. */
void sy_sched_leases_live(struct sy_sched *s, bool live, sy_time_ns now);

/* As sy_sched_evict_failed(), and the pod is not chosen again for after_ns. */
void sy_sched_evict_later(struct sy_sched *s, struct sy_str uid, int64_t after_ns, sy_time_ns now);

/* Borrowed; change with the next call of any sy_sched_ function. */
const struct sy_failures *sy_sched_failures(const struct sy_sched *s);
const struct sy_recovery *sy_sched_recovery(const struct sy_sched *s);
