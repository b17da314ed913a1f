/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON of /steelyard/v1/nodes and /steelyard/v1/balance; docs/explain.md describes it. */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "sched/sched.h"

/* Append the answer; out's failure is for the caller to look at. now: the core's time. Cost:
 * O(nodes x resources), O(nodes x zones). Loop thread. */
void sy_api_nodes_write(struct sy_sched *sched, sy_time_ns now, struct sy_buf *out);
void sy_api_balance_write(struct sy_sched *sched, struct sy_buf *out);
