/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON of /steelyard/v1/whatif; docs/tools.md describes it. */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "sched/would.h"

/* Appends what sy_sched_would() found of ask. took_ns: how long that was. out's own failure is for
 * the caller to look at. Loop thread, before the next call of the scheduler. */
void sy_api_would_write(struct sy_sched *sched, const struct sy_strings *strings,
                        const struct sy_would_ask *ask, const struct sy_would *w, int64_t took_ns,
                        struct sy_buf *out);
