/* SPDX-License-Identifier: Apache-2.0
 *
 * What NodeResourcesFit's and NodeResourcesBalancedAllocation's scores have in common: which
 * resources count for a pod, and how much of them it asks for. */
#include "policy/plugins.h"

static int64_t asked(const struct sy_shape_view *shape, uint32_t column, bool nonzero)
{
    const struct sy_pod_request_totals *totals = &shape->spec->requests;

    if (nonzero && column == SY_COLUMN_CPU_MILLI)
        return totals->scored_apart ? totals->scored_cpu_milli : totals->nonzero_cpu_milli;
    if (nonzero && column == SY_COLUMN_MEMORY_BYTES)
        return totals->scored_apart ? totals->scored_memory_bytes : totals->nonzero_memory_bytes;
    return sy_amounts_get(totals->requests, shape->cluster->columns[column].resource);
}

static const int64_t *used(const struct sy_cluster *c, uint32_t column, bool nonzero)
{
    if (nonzero && column == SY_COLUMN_CPU_MILLI)
        return c->used_nonzero_cpu_milli;
    if (nonzero && column == SY_COLUMN_MEMORY_BYTES)
        return c->used_nonzero_memory_bytes;
    return c->columns[column].used;
}

static int64_t bounded(int64_t amount)
{
    return amount < 0 ? 0 : amount < SY_CHARGE_MAX ? amount : SY_CHARGE_MAX;
}

int64_t sy_weigh_resources(const struct sy_shape_view *shape,
                           const struct sy_scoring_resource *list, uint32_t len, bool nonzero,
                           struct sy_weighed_resources *ret)
{
    int64_t sum = 0;

    ret->len = 0;
    for (uint32_t i = 0; i < len && i < SY_ARG_LIST_MAX; i++) {
        sy_sid resource = sy_strings_find(shape->cluster->strings, sy_str_from(list[i].name));
        uint32_t column = resource ? sy_cluster_column(shape->cluster, resource) : SY_NONE;
        if (column == SY_NONE || column == SY_COLUMN_PODS)
            continue;
        int64_t amount = bounded(asked(shape, column, nonzero));
        sum += amount;
        if (!amount && column >= SY_COLUMN_FIRST_EXTENDED)
            continue;
        ret->p[ret->len++] = (struct sy_weighed_resource){
            .column = column,
            .weight = list[i].weight,
            .asked = amount,
            .used = used(shape->cluster, column, nonzero),
        };
    }
    return sum;
}
