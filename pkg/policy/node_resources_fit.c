/* SPDX-License-Identifier: Apache-2.0
 *
 * What the pod requests must be left on the node, of every resource, and a place for one more pod.
 * Codes and texts as kube-scheduler's NodeResourcesFit: a request over the node's allocatable can
 * not be helped by removing pods. */
#include "policy/plugins.h"

static void add_reason(struct sy_verdict *v, sy_sid reason)
{
    if (v->reasons_len < SY_REASONS_MAX)
        v->reasons[v->reasons_len++] = reason;
}

static bool refuses(const struct sy_shape_view *shape, const void *state SY_UNUSED, uint32_t node,
                    struct sy_verdict *v)
{
    const struct sy_column *columns = shape->cluster->columns;
    const struct sy_column *pods = &columns[SY_COLUMN_PODS];

    v->code = SY_UNSCHEDULABLE;
    v->reasons_len = 0;
    if (pods->used[node] + 1 > pods->allocatable[node])
        add_reason(v, shape->texts->too_many_pods);
    for (uint32_t i = 0; i < shape->requests_len; i++) {
        uint32_t column = shape->request_columns[i];
        int64_t amount = shape->request_amounts[i];
        int64_t total = column == SY_NONE ? 0 : columns[column].allocatable[node];
        int64_t used = column == SY_NONE ? 0 : columns[column].used[node];
        if (amount <= total - used)
            continue;
        add_reason(v, shape->request_reasons[i]);
        if (amount > total)
            v->code = SY_UNRESOLVABLE;
    }
    return v->reasons_len != 0;
}

const struct sy_filter sy_filter_node_resources_fit = {.name = "NodeResourcesFit",
                                                       .refuses = refuses};
