/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON of /steelyard/v1/capacity; docs/tools.md describes it. */
#pragma once

#include "base/buf.h"
#include "sched/sched.h"

/* Appends what still fits. out's own failure is for the caller to look at. Cost: that of
 * sy_sched_capacity(). Loop thread. */
void sy_api_capacity_write(struct sy_sched *sched, struct sy_buf *out);
