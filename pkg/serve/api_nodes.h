/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON of /steelyard/v1/nodes and /steelyard/v1/balance; docs/explain.md describes it. */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "sched/sched.h"

/* Append the answer; errors as sy_buf_add(), to be looked at by the caller. now: the core's time.
 * Cost: O(nodes x resources). Loop thread. */
void sy_api_nodes_write(struct sy_sched *sched, const struct sy_strings *strings, sy_time_ns now,
                        struct sy_buf *out);
void sy_api_balance_write(struct sy_sched *sched, const struct sy_strings *strings,
                          struct sy_buf *out);
