/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/weights.h"

#include <math.h>

#include "policy/plugins.h"

static enum sy_load_metric metric_of(const struct sy_cluster *c, uint32_t column)
{
    switch (column) {
    case SY_COLUMN_CPU_MILLI:
        return SY_LOAD_CPU;
    case SY_COLUMN_MEMORY_BYTES:
        return SY_LOAD_MEMORY;
    case SY_COLUMN_EPHEMERAL_BYTES:
        return SY_LOAD_EPHEMERAL;
    default:
        return sy_resource_is_gpu(&c->names, c->columns[column].resource) ? SY_LOAD_GPU
                                                                          : SY_LOAD_METRICS;
    }
}

double sy_share_used(const struct sy_cluster *c, uint32_t column, uint32_t node, int64_t added)
{
    int64_t total = c->columns[column].allocatable[node];
    enum sy_load_metric metric = metric_of(c, column);

    if (total <= 0)
        return 1;
    double share = ((double)c->columns[column].used[node] + (double)added) / (double)total;
    if (metric != SY_LOAD_METRICS)
        share += sy_load_excess(&c->load, metric, node);
    return share > 1 ? 1 : share;
}

uint32_t sy_node_utilization(const struct sy_cluster *c, uint32_t node,
                             struct sy_utilization_term *ret, uint32_t room)
{
    uint32_t len = 0;

    for (uint32_t i = 0; i < c->columns_len; i++) {
        int64_t total = c->columns[i].allocatable[node];
        struct sy_utilization_term t = {
            .resource = c->columns[i].resource,
            .metric = metric_of(c, i),
            .total = total,
        };
        if (i == SY_COLUMN_PODS || total <= 0)
            continue;
        t.requested = (double)c->columns[i].used[node] / (double)total;
        t.used = t.requested;
        if (t.metric != SY_LOAD_METRICS) {
            t.used += sy_load_excess(&c->load, t.metric, node);
            t.has_load = sy_cluster_load_get(c, node, t.metric, &t.load);
        }
        if (len < room)
            ret[len] = t;
        len++;
    }
    for (int m = SY_LOAD_GPU_MEMORY; m <= SY_LOAD_NETWORK; m++) {
        struct sy_utilization_term t = {.metric = (enum sy_load_metric)m, .has_load = true};
        if (!sy_cluster_load_get(c, node, t.metric, &t.load))
            continue;
        t.used = sy_load_excess(&c->load, t.metric, node);
        if (len < room)
            ret[len] = t;
        len++;
    }
    return len;
}

static double ratio(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

/* A node is as full as its fullest resource: a mean would call one with no memory left half free.
 */
static double fullest(const struct sy_cluster *c, const struct sy_shape_view *shape, uint32_t node)
{
    int64_t cpu_milli = 0, memory_bytes = 0;
    double most = 0;

    for (uint32_t i = 0; shape && i < shape->requests_len; i++) {
        uint32_t column = shape->request_columns[i];
        if (column == SY_COLUMN_CPU_MILLI)
            cpu_milli = shape->request_amounts[i];
        else if (column == SY_COLUMN_MEMORY_BYTES)
            memory_bytes = shape->request_amounts[i];
        else if (column != SY_NONE && column != SY_COLUMN_PODS)
            most = fmax(most, sy_share_used(c, column, node, shape->request_amounts[i]));
    }
    most = fmax(most, sy_share_used(c, SY_COLUMN_CPU_MILLI, node, cpu_milli));
    return fmax(most, sy_share_used(c, SY_COLUMN_MEMORY_BYTES, node, memory_bytes));
}

void sy_node_weight(const struct sy_cluster *c, const struct sy_shape_view *shape, uint32_t node,
                    struct sy_node_weight *ret)
{
    ret->capacity =
        (ratio(c->columns[SY_COLUMN_CPU_MILLI].allocatable[node], c->max_cpu_milli) +
         ratio(c->columns[SY_COLUMN_MEMORY_BYTES].allocatable[node], c->max_memory_bytes)) /
        2;
    ret->performance = (double)c->performance[node];
    ret->headroom = 1 - fullest(c, shape, node);
    ret->reliability = (double)c->reliability[node];
    ret->weight = ret->capacity * ret->performance * ret->headroom * ret->reliability;
}

void sy_allocation_shares(const double *weights, uint32_t len, double demand, double *ret)
{
    double sum = 0;

    for (uint32_t i = 0; i < len; i++)
        sum += weights[i];
    for (uint32_t i = 0; i < len; i++)
        ret[i] = sum > 0 ? weights[i] * demand / sum : 0;
}
