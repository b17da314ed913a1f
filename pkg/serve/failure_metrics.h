/* SPDX-License-Identifier: Apache-2.0
 *
 * What /metrics says of nodes that fail and of recovery. */
#pragma once

#include "sched/sched.h"
#include "serve/expo.h"

/* Nothing while nobody judges nodes. Cost: O(nodes). */
void sy_failure_metrics_write(struct sy_expo *e, struct sy_sched *sched);
