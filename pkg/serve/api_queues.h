/* SPDX-License-Identifier: Apache-2.0
 *
 * What /steelyard/v1/queues and /metrics say of the queues that share the cluster; docs/queues.md
 * describes both. */
#pragma once

#include "base/buf.h"
#include "sched/sched.h"
#include "serve/expo.h"

/* Appends the answer; out's failure is for the caller to look at. Cost: O(queues^2 x resources +
 * pods that wait). Loop thread. */
void sy_api_queues_write(struct sy_sched *sched, struct sy_buf *out);
/* Nothing while there are no queues. Cost: as above. */
void sy_queue_metrics_write(struct sy_expo *e, struct sy_sched *sched);
