/* SPDX-License-Identifier: Apache-2.0
 *
 * Policies for traces by name: those of the FGD experiment, and all that policies.h has. */
#pragma once

#include "base/err.h"
#include "policy/policy.h"

#include <stdbool.h>

struct sy_trace_policy {
    struct sy_profile profile;
    bool knows_targets; /* as in sy_trace_options */
};

/* name:
 *   "Random", "DotProd", "GpuClustering", "GpuPacking", "BestFit", "FGD"  as published, FGD with
 * the whole list known before; "Clustering" and "Packing" too "steelyard"    what our profile for
 * GPUs decides by: GpuFragmentation, which learns else           as sy_sim_policy(), where scorers
 * of fragmentation learn Errors: -EINVAL with a message. */
int sy_trace_policy(const char *name, struct sy_trace_policy *ret, struct sy_err *err) SY_NODISCARD;
