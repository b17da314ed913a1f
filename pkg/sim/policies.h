/* SPDX-License-Identifier: Apache-2.0
 *
 * Policies by name, for comparisons: profiles as the daemon has them, or scorers alone. */
#pragma once

#include "base/err.h"
#include "policy/policy.h"

/* Fills a profile of SY_SIM_SCHEDULER with all default filters. name:
 *   "default"         our default profile
 *   "kube"            kube-scheduler's
 *   "LeastAllocated"  NodeResourcesFit alone with that strategy; so "MostAllocated"
 *   "DynamicWeightShares", "DynamicWeightBest"  DynamicWeight alone with that selection
 *   "NAME[:WEIGHT][+NAME[:WEIGHT]...]"  those scorers alone; weight 1..10000, 1 without
 * Errors: -EINVAL with a message that says which part is not known. */
int sy_sim_policy(const char *name, struct sy_profile *ret, struct sy_err *err) SY_NODISCARD;
