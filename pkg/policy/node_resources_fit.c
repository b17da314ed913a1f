/* SPDX-License-Identifier: Apache-2.0
 *
 * What the pod requests must be left on the node, of every resource, and a place for one more pod.
 * Codes and texts as kube-scheduler's NodeResourcesFit: a request over the node's allocatable can
 * not be helped by removing pods. The score prefers nodes with much left (LeastAllocated), little
 * (MostAllocated) or by a curve over the share used (RequestedToCapacityRatio). */
#include "policy/plugins.h"

#include <string.h>

/* -- resources that the profile ignores -- */

/* Extended resources alone can be ignored. */
static bool is_ignored(const struct sy_policy_args *args, const char *name)
{
    size_t group_len = strcspn(name, "/");

    if (!sy_resource_is_extended(sy_str_from(name)))
        return false;
    for (uint32_t i = 0; i < args->ignored_resources_len; i++) {
        if (strcmp(args->ignored_resources[i], name) == 0)
            return true;
    }
    for (uint32_t i = 0; i < args->ignored_resource_groups_len; i++) {
        const char *group = args->ignored_resource_groups[i];
        if (strlen(group) == group_len && memcmp(group, name, group_len) == 0)
            return true;
    }
    return false;
}

enum request_kind {
    REQUEST_PLAIN,
    REQUEST_IGNORED,
    REQUEST_OF_DEVICES, /* a device class stands for it: DynamicResources answers for nodes that
                           have none of it themselves */
};

static uint8_t kind_of(const struct sy_shape_view *shape, sy_sid resource)
{
    const struct sy_policy_args *args = &shape->profile->args;
    struct sy_str name = sy_strings_get(shape->cluster->strings, resource);

    if ((args->ignored_resources_len || args->ignored_resource_groups_len) &&
        is_ignored(args, sy_strings_getz(shape->cluster->strings, resource)))
        return REQUEST_IGNORED;
    if (sy_resource_may_be_device(name) && sy_devices_class_for(shape->cluster, resource))
        return REQUEST_OF_DEVICES;
    return REQUEST_PLAIN;
}

/* state: enum request_kind of each request. */
static enum sy_pre prepare(const struct sy_shape_view *shape, struct sy_arena *arena,
                           void **ret_state, struct sy_verdict *v)
{
    struct sy_amounts requests = shape->spec->requests.requests;
    uint8_t *kinds = sy_arena_array(arena, (size_t)shape->requests_len + 1, sizeof(*kinds));
    uint32_t len = 0;

    if (!kinds) {
        v->code = SY_ERROR;
        return SY_PRE_REJECT;
    }
    /* shape->request_* leave out what is not asked for. */
    for (uint32_t i = 0; i < requests.len && len < shape->requests_len; i++) {
        if (requests.p[i].amount > 0)
            kinds[len++] = kind_of(shape, requests.p[i].resource);
    }
    *ret_state = kinds;
    return SY_PRE_RUN;
}

/* -- filter -- */

static void add_reason(struct sy_verdict *v, sy_sid reason)
{
    if (v->reasons_len < SY_REASONS_MAX)
        v->reasons[v->reasons_len++] = reason;
}

static bool refuses(const struct sy_shape_view *shape, const void *state, uint32_t node,
                    struct sy_verdict *v)
{
    const struct sy_column *columns = shape->cluster->columns;
    const struct sy_column *pods = &columns[SY_COLUMN_PODS];
    const uint8_t *kinds = state;

    v->code = SY_UNSCHEDULABLE;
    v->reasons_len = 0;
    if (pods->used[node] + 1 > pods->allocatable[node])
        add_reason(v, shape->texts->too_many_pods);
    for (uint32_t i = 0; i < shape->requests_len; i++) {
        uint32_t column = shape->request_columns[i];
        int64_t amount = shape->request_amounts[i];
        int64_t total = column == SY_NONE ? 0 : columns[column].allocatable[node];
        int64_t used = column == SY_NONE ? 0 : columns[column].used[node];
        if (amount <= total - used || kinds[i] == REQUEST_IGNORED ||
            (kinds[i] == REQUEST_OF_DEVICES && total == 0))
            continue;
        add_reason(v, shape->request_reasons[i]);
        if (amount > total)
            v->code = SY_UNRESOLVABLE;
    }
    return v->reasons_len != 0;
}

/* -- score -- */

static enum sy_pre prepare_score(const struct sy_shape_view *shape, struct sy_arena *arena,
                                 const uint32_t *nodes SY_UNUSED, uint32_t nodes_len SY_UNUSED,
                                 void **ret_state, struct sy_verdict *v)
{
    const struct sy_policy_args *args = &shape->profile->args;
    struct sy_weighed_resources *weighed = sy_arena_alloc(arena, sizeof(*weighed));

    if (!weighed) {
        v->code = SY_ERROR;
        return SY_PRE_REJECT;
    }
    sy_weigh_resources(shape, args->fit_resources, args->fit_resources_len, true, weighed);
    *ret_state = weighed;
    return SY_PRE_RUN;
}

/* part * 100 / whole for 0 <= part <= whole, whose product may not fit in 64 bits. */
static int64_t percent(int64_t part, int64_t whole)
{
    return (int64_t)((unsigned __int128)part * 100 / (unsigned __int128)whole);
}

/* The configured curve at a utilization in percent; its scores of 0 to 10 count tenfold. */
static int64_t curve(const struct sy_policy_args *args, int64_t utilization)
{
    const struct sy_utilization_point *p = args->fit_points;

    for (uint32_t i = 0; i < args->fit_points_len; i++) {
        if (utilization > p[i].utilization)
            continue;
        if (i == 0)
            return 10 * (int64_t)p[0].score;
        return 10 * (int64_t)p[i - 1].score + 10 * (int64_t)(p[i].score - p[i - 1].score) *
                                                  (utilization - p[i - 1].utilization) /
                                                  (p[i].utilization - p[i - 1].utilization);
    }
    return args->fit_points_len ? 10 * (int64_t)p[args->fit_points_len - 1].score : 0;
}

static int64_t points_of(const struct sy_policy_args *args, int64_t used, int64_t total)
{
    switch (args->fit_strategy) {
    case SY_LEAST_ALLOCATED:
        return used > total ? 0 : percent(total - used, total);
    case SY_MOST_ALLOCATED:
        return used > total ? 100 : percent(used, total);
    case SY_REQUESTED_TO_CAPACITY_RATIO:
        return curve(args, used > total ? 100 : percent(used, total));
    }
    return 0;
}

static int64_t score(const struct sy_shape_view *shape, const void *state, uint32_t node)
{
    const struct sy_policy_args *args = &shape->profile->args;
    const struct sy_weighed_resources *weighed = state;
    bool is_curve = args->fit_strategy == SY_REQUESTED_TO_CAPACITY_RATIO;
    int64_t sum = 0, weights = 0;

    for (uint32_t i = 0; i < weighed->len; i++) {
        const struct sy_weighed_resource *r = &weighed->p[i];
        int64_t total = shape->cluster->columns[r->column].allocatable[node];
        if (!total)
            continue;
        int64_t points = points_of(args, r->used[node] + r->asked, total);
        if (is_curve && points <= 0)
            continue; /* as upstream: no points, no weight */
        sum += points * r->weight;
        weights += r->weight;
    }
    if (!weights)
        return 0;
    return is_curve ? (2 * sum + weights) / (2 * weights) : sum / weights;
}

const struct sy_filter sy_filter_node_resources_fit = {
    .name = "NodeResourcesFit", .prepare = prepare, .refuses = refuses};

const struct sy_scorer sy_scorer_node_resources_fit = {
    .name = "NodeResourcesFit", .prepare = prepare_score, .score = score};
