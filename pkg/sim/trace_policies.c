/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/trace_policies.h"

#include <string.h>

#include "base/compiler.h"
#include "sim/policies.h"

static const struct {
    const char *name, *scorer;
    bool knows_targets;
} NAMES[] = {
    {"Random", "Random", false},
    {"DotProd", "DotProduct", false},
    {"GpuClustering", "GpuClustering", false},
    {"Clustering", "GpuClustering", false},
    {"GpuPacking", "GpuPacking", false},
    {"Packing", "GpuPacking", false},
    {"BestFit", "GpuBestFit", false},
    {"FGD", "FGD", true},
    {"steelyard", "GpuFragmentation", false},
};

int sy_trace_policy(const char *name, struct sy_trace_policy *ret, struct sy_err *err)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(NAMES); i++) {
        if (strcmp(name, NAMES[i].name) != 0)
            continue;
        ret->knows_targets = NAMES[i].knows_targets;
        return sy_sim_policy(NAMES[i].scorer, &ret->profile, err);
    }
    ret->knows_targets = false;
    return sy_sim_policy(name, &ret->profile, err);
}
