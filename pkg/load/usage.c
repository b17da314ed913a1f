/* SPDX-License-Identifier: Apache-2.0 */
#include "load/usage.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "load/json.h"
#include "model/quantity.h"

/* What koordlet aggregates over when the spec does not say. */
static const int64_t KOORDLET_WINDOW_NS = 300 * SY_NS_PER_S;
/* Longer windows are a mistake. */
static const int64_t WINDOW_MAX_NS = 24 * 3600 * SY_NS_PER_S;

static int read_name(struct json_object *tree, struct sy_usage *ret, struct sy_err *err)
{
    struct sy_str name = sy_load_json_text(sy_load_json_get(
        sy_load_json_get(tree, "metadata", json_type_object), "name", json_type_string));

    if (!name.len || name.len > SY_USAGE_NAME_MAX || memchr(name.p, '\0', name.len))
        return sy_err_set(err, -EBADMSG, "an item of the list has no name");
    memcpy(ret->node, name.p, name.len);
    return 0;
}

static int64_t read_time(struct json_object *o)
{
    struct sy_str s = sy_load_json_text(o);
    int64_t wall_ns = 0;

    return s.len && sy_rfc3339_parse(s.p, s.len, &wall_ns) == 0 && wall_ns > 0 ? wall_ns : 0;
}

/* Quantities are strings; a bare number is one too. */
static bool read_quantity(struct json_object *o, enum sy_quantity_scale scale, double *ret)
{
    const char *s = json_object_is_type(o, json_type_string) ||
                            json_object_is_type(o, json_type_int) ||
                            json_object_is_type(o, json_type_double)
                        ? json_object_get_string(o)
                        : NULL;
    int64_t value = 0;

    if (!s || sy_quantity_parse(sy_str_from(s), scale, &value, NULL))
        return false;
    *ret = (double)value;
    return true;
}

static void read_amount(struct json_object *list, const char *key, enum sy_quantity_scale scale,
                        enum sy_load_metric metric, struct sy_usage *ret)
{
    struct json_object *o = NULL;

    if (!list || !json_object_object_get_ex(list, key, &o))
        return;
    ret->metrics[metric].is_there = true;
    ret->metrics[metric].is_malformed = !read_quantity(o, scale, &ret->metrics[metric].value);
}

static void read_amounts(struct json_object *list, struct sy_usage *ret)
{
    read_amount(list, "cpu", SY_SCALE_MILLI, SY_LOAD_CPU, ret);
    read_amount(list, "memory", SY_SCALE_UNIT, SY_LOAD_MEMORY, ret);
}

static int64_t read_duration(struct json_object *o)
{
    int64_t ns = 0;

    if (sy_duration_parse(sy_load_json_text(o), &ns) || ns > WINDOW_MAX_NS)
        return 0;
    return ns;
}

int sy_usage_read_node_metrics(struct sy_str raw, struct sy_usage *ret, struct sy_err *err)
{
    struct json_object *tree SY_CLEANUP(sy_load_json_put) = NULL;
    struct sy_usage usage = {0};
    int r = sy_load_json_parse(raw, "an item of the list", &tree, err);

    if (r || (r = read_name(tree, &usage, err)))
        return r;
    usage.at_wall_ns = read_time(sy_load_json_get(tree, "timestamp", json_type_string));
    usage.window_ns = read_duration(sy_load_json_get(tree, "window", json_type_string));
    read_amounts(sy_load_json_get(tree, "usage", json_type_object), &usage);
    *ret = usage;
    return 0;
}

/* ---- NodeMetric ---- */

static int64_t aggregation_ns(struct json_object *tree)
{
    struct json_object *policy = sy_load_json_get(sy_load_json_get(tree, "spec", json_type_object),
                                                  "metricCollectPolicy", json_type_object);
    struct json_object *seconds =
        sy_load_json_get(policy, "aggregateDurationSeconds", json_type_int);
    int64_t s = seconds ? json_object_get_int64(seconds) : 0;

    return s > 0 && s <= WINDOW_MAX_NS / SY_NS_PER_S ? s * SY_NS_PER_S : KOORDLET_WINDOW_NS;
}

/* The mean of one percentage over the GPUs that have it. */
static void read_gpus(struct json_object *devices, const char *key, enum sy_load_metric metric,
                      struct sy_usage *ret)
{
    size_t len = devices ? json_object_array_length(devices) : 0;
    double sum = 0, value;
    uint32_t count = 0;

    for (size_t i = 0; i < len; i++) {
        struct json_object *device = json_object_array_get_idx(devices, i), *o = NULL;
        struct json_object *resources = sy_load_json_get(device, "resources", json_type_object);
        if (!sy_str_eqz(sy_load_json_text(sy_load_json_get(device, "type", json_type_string)),
                        "gpu") ||
            !resources || !json_object_object_get_ex(resources, key, &o))
            continue;
        ret->metrics[metric].is_there = true;
        if (!read_quantity(o, SY_SCALE_MILLI, &value)) {
            ret->metrics[metric].is_malformed = true;
            return;
        }
        sum += value;
        count++;
    }
    ret->metrics[metric].is_share = true;
    ret->metrics[metric].value = count ? sum / count / 1e5 : 0;
}

int sy_usage_read_nodemetric(struct sy_str raw, struct sy_usage *ret, struct sy_err *err)
{
    struct json_object *tree SY_CLEANUP(sy_load_json_put) = NULL;
    struct sy_usage usage = {0};
    int r = sy_load_json_parse(raw, "an item of the list", &tree, err);

    if (r || (r = read_name(tree, &usage, err)))
        return r;
    struct json_object *status = sy_load_json_get(tree, "status", json_type_object);
    struct json_object *node = sy_load_json_get(
        sy_load_json_get(status, "nodeMetric", json_type_object), "nodeUsage", json_type_object);
    usage.at_wall_ns = read_time(sy_load_json_get(status, "updateTime", json_type_string));
    usage.window_ns = aggregation_ns(tree);
    read_amounts(sy_load_json_get(node, "resources", json_type_object), &usage);
    struct json_object *devices = sy_load_json_get(node, "devices", json_type_array);
    read_gpus(devices, "koordinator.sh/gpu-core", SY_LOAD_GPU, &usage);
    read_gpus(devices, "koordinator.sh/gpu-memory-ratio", SY_LOAD_GPU_MEMORY, &usage);
    *ret = usage;
    return 0;
}
