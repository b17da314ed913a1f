/* SPDX-License-Identifier: Apache-2.0
 *
 * What /metrics says of the models: pools and zones, their balance and gates, nodes' weights. */
#pragma once

#include "sched/balance.h"
#include "serve/expo.h"

#include <stdbool.h>

/* nodes: also steelyard_node_weight, five lines for each. Cost: as sy_sched_balance() and
 * sy_sched_gate_waiting(). */
void sy_model_metrics_write(struct sy_expo *e, struct sy_sched *sched, bool nodes);
