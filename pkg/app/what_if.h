/* SPDX-License-Identifier: Apache-2.0
 *
 * From manifests as people write them to the JSON of what would become of them: for the daemon's
 * endpoint and, on a snapshot, for `steelyard whatif`. */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "sched/sched.h"
#include "snapshot/snapshot.h"

enum { SY_WHAT_IF_BYTES_MAX = 1 << 20 };

/* in:  strings: the scheduler's; manifests, file: their bytes, and their name for messages; around:
 *      whose PriorityClasses count too, NULL for none; now: the core's time.
 * out: appended to *out, whose own failure is for the caller to look at.
 * errors: as sy_snapshot_read(); -EINVAL no pod in it, or more than SY_WOULD_PODS_MAX.
 * cost: O(bytes), and that of sy_sched_would(). Loop thread. */
int sy_what_if(struct sy_sched *sched, struct sy_strings *strings, struct sy_str manifests,
               const char *file, const struct sy_snapshot *around, sy_time_ns now,
               struct sy_buf *out, struct sy_err *err) SY_NODISCARD;
