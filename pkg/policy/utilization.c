/* SPDX-License-Identifier: Apache-2.0
 *
 * The utilization model: used / total of each resource, with the pod placed, where used is what is
 * requested or, where more was measured, that. Prefers the node that would be utilized least.
 * docs/models.md has the formula and its examples. */
#include "policy/plugins.h"

double sy_utilization_with(const struct sy_shape_view *shape, uint32_t node)
{
    const struct sy_cluster *c = shape->cluster;
    int64_t cpu_milli = 0, memory_bytes = 0;
    double sum = 0;
    uint32_t terms = 2;

    for (uint32_t i = 0; i < shape->requests_len; i++) {
        uint32_t column = shape->request_columns[i];
        if (column == SY_COLUMN_CPU_MILLI) {
            cpu_milli = shape->request_amounts[i];
        } else if (column == SY_COLUMN_MEMORY_BYTES) {
            memory_bytes = shape->request_amounts[i];
        } else if (column != SY_NONE && column >= SY_COLUMN_FIRST_EXTENDED) {
            sum += sy_share_used(c, column, node, shape->request_amounts[i]);
            terms++;
        }
    }
    sum += sy_share_used(c, SY_COLUMN_CPU_MILLI, node, cpu_milli);
    sum += sy_share_used(c, SY_COLUMN_MEMORY_BYTES, node, memory_bytes);
    return sum / terms;
}

static int64_t score(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node)
{
    return (int64_t)((1 - sy_utilization_with(shape, node)) * SY_SCORE_MAX);
}

const struct sy_scorer sy_scorer_utilization = {
    .name = "Utilization", .is_fine = true, .score = score};
