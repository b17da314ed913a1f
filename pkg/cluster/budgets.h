/* SPDX-License-Identifier: Apache-2.0
 *
 * PodDisruptionBudgets, as far as preemption looks at them. Owned by the cluster; one thread. */
#pragma once

#include "cluster/specs.h"
#include "model/budget.h"

struct sy_cluster;

/* budget is borrowed and copied. 0 or -ENOMEM. */
int sy_cluster_budget_upsert(struct sy_cluster *c, const struct sy_budget *budget) SY_NODISCARD;
void sy_cluster_budget_delete(struct sy_cluster *c, sy_sid ns, sy_sid name);
void sy_cluster_budgets_replace_begin(struct sy_cluster *c);
void sy_cluster_budgets_replace_end(struct sy_cluster *c); /* drops those not given since begin */
