/* SPDX-License-Identifier: Apache-2.0
 *
 * ResourceSlices, DeviceClasses and ResourceClaims: their field tables and what the fields mean.
 * Numbers and names are those of k8s.io/api/resource/v1 (v0.37.2). */
#include <errno.h>

#include "kube/decode.h"
#include "kube/decode_build.h"

struct wire_quantity {
    struct sy_str value;
};

struct wire_counter {
    struct wire_counter *next;
    struct sy_str key;
    struct wire_quantity *value;
};

/* A counter set, or what a device takes of one. */
struct wire_counter_set {
    struct wire_counter_set *next;
    struct sy_str name;
    struct wire_list counters;
    struct wire_list groups;
};

struct wire_attribute {
    struct wire_opt_int number;
    struct wire_opt_int boolean;
    struct sy_str string;
    struct sy_str version;
};

struct wire_attribute_entry {
    struct wire_attribute_entry *next;
    struct sy_str key;
    struct wire_attribute *value;
};

struct wire_policy_range {
    struct sy_str min;
    struct sy_str max;
    struct sy_str step;
};

struct wire_policy {
    struct sy_str by_default;
    struct wire_list values;
    struct wire_policy_range *range;
};

struct wire_device_capacity {
    struct sy_str value;
    struct wire_policy *policy;
};

struct wire_capacity_entry {
    struct wire_capacity_entry *next;
    struct sy_str key;
    struct wire_device_capacity *value;
};

struct wire_device_taint {
    struct wire_device_taint *next;
    struct sy_str key;
    struct sy_str value;
    struct sy_str effect;
};

struct wire_device {
    struct wire_device *next;
    struct sy_str name;
    struct wire_list attributes;
    struct wire_list capacity;
    struct wire_list counters;
    struct sy_str node;
    struct wire_node_selector *selector;
    bool all_nodes;
    struct wire_list taints;
    bool binds_to_node;
    struct wire_list conditions;
    struct wire_list failure_conditions;
    bool is_shared;
};

struct wire_pool {
    struct sy_str name;
    int64_t generation;
    int64_t slices;
};

struct wire_slice_spec {
    struct sy_str driver;
    struct wire_pool *pool;
    struct sy_str node;
    struct wire_node_selector *selector;
    bool all_nodes;
    struct wire_list devices;
    bool per_device;
    struct wire_list counters;
};

struct wire_slice {
    struct wire_metadata *metadata;
    struct wire_slice_spec *spec;
};

struct wire_cel {
    struct sy_str expression;
};

struct wire_device_selector {
    struct wire_device_selector *next;
    struct wire_cel *cel;
};

struct wire_opaque {
    struct sy_str driver;
    struct sy_str parameters;
};

struct wire_device_config {
    struct wire_opaque *opaque;
};

/* DeviceClassConfiguration has no requests. */
struct wire_config {
    struct wire_config *next;
    struct wire_list requests;
    struct wire_device_config *config;
};

/* A toleration of devices has seconds, too. */
struct wire_device_toleration {
    struct wire_device_toleration *next;
    struct wire_toleration toleration;
    struct wire_opt_int seconds;
};

struct wire_class_spec {
    struct wire_list config;
    struct wire_list selectors;
    struct sy_str extended_resource;
};

struct wire_class {
    struct wire_metadata *metadata;
    struct wire_class_spec *spec;
};

struct wire_taint_selector {
    struct sy_str driver;
    struct sy_str pool;
    struct sy_str device;
};

struct wire_rule_spec {
    struct wire_taint_selector *selector;
    struct wire_device_taint *taint;
};

struct wire_rule {
    struct wire_metadata *metadata;
    struct wire_rule_spec *spec;
};

struct wire_capacity_requests {
    struct wire_list requests;
};

/* ExactDeviceRequest and DeviceSubRequest. */
struct wire_want {
    struct wire_want *next;
    struct sy_str name;
    struct sy_str class;
    struct wire_list selectors;
    struct sy_str mode;
    int64_t count;
    bool admin;
    struct wire_list tolerations;
    struct wire_capacity_requests *capacity;
};

struct wire_device_request {
    struct wire_device_request *next;
    struct sy_str name;
    struct wire_want *exactly;
    struct wire_list alternatives;
};

struct wire_constraint {
    struct wire_constraint *next;
    struct wire_list requests;
    struct sy_str match;
    struct sy_str distinct;
};

struct wire_device_claim {
    struct wire_list requests;
    struct wire_list constraints;
    struct wire_list config;
};

struct wire_claim_spec {
    struct wire_device_claim *devices;
};

struct wire_result {
    struct wire_result *next;
    struct sy_str request;
    struct sy_str driver;
    struct sy_str pool;
    struct sy_str device;
    bool admin;
    struct wire_list conditions;
    struct wire_list failure_conditions;
    struct sy_str share;
    struct wire_list consumed;
};

struct wire_results {
    struct wire_list results;
};

struct wire_allocation {
    struct wire_results *devices;
    struct wire_node_selector *selector;
};

struct wire_consumer {
    struct wire_consumer *next;
    struct sy_str uid;
};

struct wire_device_condition {
    struct wire_device_condition *next;
    struct sy_str type;
    struct sy_str status;
};

/* What a driver says of an allocated device. */
struct wire_device_status {
    struct wire_device_status *next;
    struct sy_str driver;
    struct sy_str pool;
    struct sy_str device;
    struct wire_list conditions;
};

struct wire_claim_status {
    struct wire_allocation *allocation;
    struct wire_list reserved;
    struct wire_list devices;
};

struct wire_resource_claim {
    struct wire_metadata *metadata;
    struct wire_claim_spec *spec;
    struct wire_claim_status *status;
};

/* clang-format off */

#define MESSAGE WIRE_MESSAGE
#define FIELD   WIRE_FIELD
#define SUB     WIRE_SUB

static const struct wire_message quantity_message = MESSAGE(wire_quantity,
    [1] = FIELD(wire_quantity, value, "value", WIRE_QUANTITY));

static const struct wire_message counter_message = MESSAGE(wire_counter,
    [1] = FIELD(wire_counter, key, "", WIRE_STR),
    [2] = SUB(wire_counter, value, "", WIRE_MSG, quantity_message));

static const struct wire_message counter_set_message = MESSAGE(wire_counter_set,
    [1] = FIELD(wire_counter_set, name, "name", WIRE_STR),
    [2] = SUB(wire_counter_set, counters, "counters", WIRE_MSG_MAP, counter_message));

static const struct wire_message consumption_message = MESSAGE(wire_counter_set,
    [1] = FIELD(wire_counter_set, name, "counterSet", WIRE_STR),
    [2] = SUB(wire_counter_set, counters, "counters", WIRE_MSG_MAP, counter_message),
    [3] = FIELD(wire_counter_set, groups, "compatibilityGroups", WIRE_STR_LIST));

static const struct wire_message attribute_message = MESSAGE(wire_attribute,
    [2] = FIELD(wire_attribute, number, "int", WIRE_OPT_INT64),
    [3] = FIELD(wire_attribute, boolean, "bool", WIRE_OPT_BOOL),
    [4] = FIELD(wire_attribute, string, "string", WIRE_STR),
    [5] = FIELD(wire_attribute, version, "version", WIRE_STR));

static const struct wire_message attribute_entry_message = MESSAGE(wire_attribute_entry,
    [1] = FIELD(wire_attribute_entry, key, "", WIRE_STR),
    [2] = SUB(wire_attribute_entry, value, "", WIRE_MSG, attribute_message));

static const struct wire_message policy_range_message = MESSAGE(wire_policy_range,
    [1] = FIELD(wire_policy_range, min, "min", WIRE_QUANTITY),
    [2] = FIELD(wire_policy_range, max, "max", WIRE_QUANTITY),
    [3] = FIELD(wire_policy_range, step, "step", WIRE_QUANTITY));

static const struct wire_message policy_message = MESSAGE(wire_policy,
    [1] = FIELD(wire_policy, by_default, "default", WIRE_QUANTITY),
    [3] = FIELD(wire_policy, values, "validValues", WIRE_QUANTITY_LIST),
    [4] = SUB(wire_policy, range, "validRange", WIRE_MSG, policy_range_message));

static const struct wire_message device_capacity_message = MESSAGE(wire_device_capacity,
    [1] = FIELD(wire_device_capacity, value, "value", WIRE_QUANTITY),
    [2] = SUB(wire_device_capacity, policy, "requestPolicy", WIRE_MSG, policy_message));

static const struct wire_message capacity_entry_message = MESSAGE(wire_capacity_entry,
    [1] = FIELD(wire_capacity_entry, key, "", WIRE_STR),
    [2] = SUB(wire_capacity_entry, value, "", WIRE_MSG, device_capacity_message));

static const struct wire_message taint_message = MESSAGE(wire_device_taint,
    [1] = FIELD(wire_device_taint, key, "key", WIRE_STR),
    [2] = FIELD(wire_device_taint, value, "value", WIRE_STR),
    [3] = FIELD(wire_device_taint, effect, "effect", WIRE_STR));

static const struct wire_message device_message = MESSAGE(wire_device,
    [1] = FIELD(wire_device, name, "name", WIRE_STR),
    [2] = SUB(wire_device, attributes, "attributes", WIRE_MSG_MAP, attribute_entry_message),
    [3] = SUB(wire_device, capacity, "capacity", WIRE_MSG_MAP, capacity_entry_message),
    [4] = SUB(wire_device, counters, "consumesCounters", WIRE_MSG_LIST, consumption_message),
    [5] = FIELD(wire_device, node, "nodeName", WIRE_STR),
    [6] = SUB(wire_device, selector, "nodeSelector", WIRE_MSG, sy_wire_node_selector),
    [7] = FIELD(wire_device, all_nodes, "allNodes", WIRE_BOOL),
    [8] = SUB(wire_device, taints, "taints", WIRE_MSG_LIST, taint_message),
    [9] = FIELD(wire_device, binds_to_node, "bindsToNode", WIRE_BOOL),
    [10] = FIELD(wire_device, conditions, "bindingConditions", WIRE_STR_LIST),
    [11] = FIELD(wire_device, failure_conditions, "bindingFailureConditions", WIRE_STR_LIST),
    [12] = FIELD(wire_device, is_shared, "allowMultipleAllocations", WIRE_BOOL));

static const struct wire_message pool_message = MESSAGE(wire_pool,
    [1] = FIELD(wire_pool, name, "name", WIRE_STR),
    [2] = FIELD(wire_pool, generation, "generation", WIRE_INT64),
    [3] = FIELD(wire_pool, slices, "resourceSliceCount", WIRE_INT64));

static const struct wire_message slice_spec_message = MESSAGE(wire_slice_spec,
    [1] = FIELD(wire_slice_spec, driver, "driver", WIRE_STR),
    [2] = SUB(wire_slice_spec, pool, "pool", WIRE_MSG, pool_message),
    [3] = FIELD(wire_slice_spec, node, "nodeName", WIRE_STR),
    [4] = SUB(wire_slice_spec, selector, "nodeSelector", WIRE_MSG, sy_wire_node_selector),
    [5] = FIELD(wire_slice_spec, all_nodes, "allNodes", WIRE_BOOL),
    [6] = SUB(wire_slice_spec, devices, "devices", WIRE_MSG_LIST, device_message),
    [7] = FIELD(wire_slice_spec, per_device, "perDeviceNodeSelection", WIRE_BOOL),
    [8] = SUB(wire_slice_spec, counters, "sharedCounters", WIRE_MSG_LIST, counter_set_message));

static const struct wire_message slice_message = MESSAGE(wire_slice,
    [1] = SUB(wire_slice, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = SUB(wire_slice, spec, "spec", WIRE_MSG, slice_spec_message));

static const struct wire_message cel_message = MESSAGE(wire_cel,
    [1] = FIELD(wire_cel, expression, "expression", WIRE_STR));

static const struct wire_message selector_message = MESSAGE(wire_device_selector,
    [1] = SUB(wire_device_selector, cel, "cel", WIRE_MSG, cel_message));

static const struct wire_message opaque_message = MESSAGE(wire_opaque,
    [1] = FIELD(wire_opaque, driver, "driver", WIRE_STR),
    [2] = FIELD(wire_opaque, parameters, "parameters", WIRE_RAW_JSON));

static const struct wire_message device_config_message = MESSAGE(wire_device_config,
    [1] = SUB(wire_device_config, opaque, "opaque", WIRE_MSG, opaque_message));

static const struct wire_message class_config_message = MESSAGE(wire_config,
    [1] = SUB(wire_config, config, "", WIRE_INLINE, device_config_message));

static const struct wire_message claim_config_message = MESSAGE(wire_config,
    [1] = FIELD(wire_config, requests, "requests", WIRE_STR_LIST),
    [2] = SUB(wire_config, config, "", WIRE_INLINE, device_config_message));

static const struct wire_message class_spec_message = MESSAGE(wire_class_spec,
    [1] = SUB(wire_class_spec, selectors, "selectors", WIRE_MSG_LIST, selector_message),
    [2] = SUB(wire_class_spec, config, "config", WIRE_MSG_LIST, class_config_message),
    [4] = FIELD(wire_class_spec, extended_resource, "extendedResourceName", WIRE_STR));

static const struct wire_message class_message = MESSAGE(wire_class,
    [1] = SUB(wire_class, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = SUB(wire_class, spec, "spec", WIRE_MSG, class_spec_message));

static const struct wire_message taint_selector_message = MESSAGE(wire_taint_selector,
    [2] = FIELD(wire_taint_selector, driver, "driver", WIRE_STR),
    [3] = FIELD(wire_taint_selector, pool, "pool", WIRE_STR),
    [4] = FIELD(wire_taint_selector, device, "device", WIRE_STR));

static const struct wire_message rule_spec_message = MESSAGE(wire_rule_spec,
    [1] = SUB(wire_rule_spec, selector, "deviceSelector", WIRE_MSG, taint_selector_message),
    [2] = SUB(wire_rule_spec, taint, "taint", WIRE_MSG, taint_message));

static const struct wire_message rule_message = MESSAGE(wire_rule,
    [1] = SUB(wire_rule, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = SUB(wire_rule, spec, "spec", WIRE_MSG, rule_spec_message));

static const struct wire_message toleration_message = MESSAGE(wire_device_toleration,
    [1] = FIELD(wire_device_toleration, toleration.key, "key", WIRE_STR),
    [2] = FIELD(wire_device_toleration, toleration.op, "operator", WIRE_STR),
    [3] = FIELD(wire_device_toleration, toleration.value, "value", WIRE_STR),
    [4] = FIELD(wire_device_toleration, toleration.effect, "effect", WIRE_STR),
    [5] = FIELD(wire_device_toleration, seconds, "tolerationSeconds", WIRE_OPT_INT64));

static const struct wire_message capacity_requests_message = MESSAGE(wire_capacity_requests,
    [1] = FIELD(wire_capacity_requests, requests, "requests", WIRE_QUANTITY_MAP));

static const struct wire_message exactly_message = MESSAGE(wire_want,
    [1] = FIELD(wire_want, class, "deviceClassName", WIRE_STR),
    [2] = SUB(wire_want, selectors, "selectors", WIRE_MSG_LIST, selector_message),
    [3] = FIELD(wire_want, mode, "allocationMode", WIRE_STR),
    [4] = FIELD(wire_want, count, "count", WIRE_INT64),
    [5] = FIELD(wire_want, admin, "adminAccess", WIRE_BOOL),
    [6] = SUB(wire_want, tolerations, "tolerations", WIRE_MSG_LIST, toleration_message),
    [7] = SUB(wire_want, capacity, "capacity", WIRE_MSG, capacity_requests_message));

static const struct wire_message alternative_message = MESSAGE(wire_want,
    [1] = FIELD(wire_want, name, "name", WIRE_STR),
    [2] = FIELD(wire_want, class, "deviceClassName", WIRE_STR),
    [3] = SUB(wire_want, selectors, "selectors", WIRE_MSG_LIST, selector_message),
    [4] = FIELD(wire_want, mode, "allocationMode", WIRE_STR),
    [5] = FIELD(wire_want, count, "count", WIRE_INT64),
    [6] = SUB(wire_want, tolerations, "tolerations", WIRE_MSG_LIST, toleration_message),
    [7] = SUB(wire_want, capacity, "capacity", WIRE_MSG, capacity_requests_message));

static const struct wire_message request_message = MESSAGE(wire_device_request,
    [1] = FIELD(wire_device_request, name, "name", WIRE_STR),
    [2] = SUB(wire_device_request, exactly, "exactly", WIRE_MSG, exactly_message),
    [3] = SUB(wire_device_request, alternatives, "firstAvailable", WIRE_MSG_LIST,
              alternative_message));

static const struct wire_message constraint_message = MESSAGE(wire_constraint,
    [1] = FIELD(wire_constraint, requests, "requests", WIRE_STR_LIST),
    [2] = FIELD(wire_constraint, match, "matchAttribute", WIRE_STR),
    [3] = FIELD(wire_constraint, distinct, "distinctAttribute", WIRE_STR));

static const struct wire_message device_claim_message = MESSAGE(wire_device_claim,
    [1] = SUB(wire_device_claim, requests, "requests", WIRE_MSG_LIST, request_message),
    [2] = SUB(wire_device_claim, constraints, "constraints", WIRE_MSG_LIST, constraint_message),
    [3] = SUB(wire_device_claim, config, "config", WIRE_MSG_LIST, claim_config_message));

static const struct wire_message claim_spec_message = MESSAGE(wire_claim_spec,
    [1] = SUB(wire_claim_spec, devices, "devices", WIRE_MSG, device_claim_message));

static const struct wire_message result_message = MESSAGE(wire_result,
    [1] = FIELD(wire_result, request, "request", WIRE_STR),
    [2] = FIELD(wire_result, driver, "driver", WIRE_STR),
    [3] = FIELD(wire_result, pool, "pool", WIRE_STR),
    [4] = FIELD(wire_result, device, "device", WIRE_STR),
    [5] = FIELD(wire_result, admin, "adminAccess", WIRE_BOOL),
    [7] = FIELD(wire_result, conditions, "bindingConditions", WIRE_STR_LIST),
    [8] = FIELD(wire_result, failure_conditions, "bindingFailureConditions", WIRE_STR_LIST),
    [9] = FIELD(wire_result, share, "shareID", WIRE_STR),
    [10] = FIELD(wire_result, consumed, "consumedCapacity", WIRE_QUANTITY_MAP));

static const struct wire_message results_message = MESSAGE(wire_results,
    [1] = SUB(wire_results, results, "results", WIRE_MSG_LIST, result_message));

static const struct wire_message allocation_message = MESSAGE(wire_allocation,
    [1] = SUB(wire_allocation, devices, "devices", WIRE_MSG, results_message),
    [3] = SUB(wire_allocation, selector, "nodeSelector", WIRE_MSG, sy_wire_node_selector));

static const struct wire_message consumer_message = MESSAGE(wire_consumer,
    [5] = FIELD(wire_consumer, uid, "uid", WIRE_STR));

static const struct wire_message device_condition_message = MESSAGE(wire_device_condition,
    [1] = FIELD(wire_device_condition, type, "type", WIRE_STR),
    [2] = FIELD(wire_device_condition, status, "status", WIRE_STR));

static const struct wire_message device_status_message = MESSAGE(wire_device_status,
    [1] = FIELD(wire_device_status, driver, "driver", WIRE_STR),
    [2] = FIELD(wire_device_status, pool, "pool", WIRE_STR),
    [3] = FIELD(wire_device_status, device, "device", WIRE_STR),
    [4] = SUB(wire_device_status, conditions, "conditions", WIRE_MSG_LIST,
              device_condition_message));

static const struct wire_message claim_status_message = MESSAGE(wire_claim_status,
    [1] = SUB(wire_claim_status, allocation, "allocation", WIRE_MSG, allocation_message),
    [2] = SUB(wire_claim_status, reserved, "reservedFor", WIRE_MSG_LIST, consumer_message),
    [4] = SUB(wire_claim_status, devices, "devices", WIRE_MSG_LIST, device_status_message));

static const struct wire_message claim_message = MESSAGE(wire_resource_claim,
    [1] = SUB(wire_resource_claim, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = SUB(wire_resource_claim, spec, "spec", WIRE_MSG, claim_spec_message),
    [3] = SUB(wire_resource_claim, status, "status", WIRE_MSG, claim_status_message));

/* clang-format on */

/* ---- pieces ---------------------------------------------------------------------------------- */

static const struct wire_metadata NO_METADATA;

static struct sy_exact exact_of(struct build *b, struct sy_str text)
{
    struct sy_exact value = {0};

    if (sy_exact_parse(text, &value) < 0)
        b->d->odd_values++;
    return value;
}

/* DOMAIN/NAME, or NAME in the domain given. Returns whether it has its own. */
static bool qualified_name(struct build *b, struct sy_str text, sy_sid domain, sy_sid *ret_domain,
                           sy_sid *ret_name)
{
    const char *slash = text.len ? memchr(text.p, '/', text.len) : NULL;

    if (!slash) {
        *ret_domain = domain;
        *ret_name = sy_build_id(b, text);
        return false;
    }
    size_t len = (size_t)(slash - text.p);
    *ret_domain = sy_build_id(b, (struct sy_str){text.p, len});
    *ret_name = sy_build_id(b, (struct sy_str){slash + 1, text.len - len - 1});
    return true;
}

static struct sy_node_selector node_selector(struct build *b, const struct wire_node_selector *from)
{
    struct sy_node_selector to = {.is_set = from != NULL};
    struct sy_node_term *terms = from ? sy_build_array(b, from->terms.len, sizeof(*terms)) : NULL;
    const struct wire_node_term *term;

    if (terms) {
        WIRE_FOREACH (term, &from->terms)
            terms[to.len++] = sy_build_node_term(b, term);
    }
    to.terms = terms;
    return to;
}

static struct sy_device_selectors selectors(struct build *b, const struct wire_list *from)
{
    struct sy_str *p = sy_build_array(b, from->len, sizeof(*p));
    struct sy_device_selectors to = {.p = p};
    const struct wire_device_selector *s;

    if (p) {
        WIRE_FOREACH (s, from)
            p[to.len++] = s->cel ? sy_build_text(b, s->cel->expression) : (struct sy_str){0};
    }
    return to;
}

static struct sy_device_config *configs(struct build *b, const struct wire_list *from,
                                        uint32_t *ret_len)
{
    struct sy_device_config *p = sy_build_array(b, from->len, sizeof(*p));
    const struct wire_config *c;

    *ret_len = 0;
    if (!p)
        return NULL;
    WIRE_FOREACH (c, from) {
        const struct wire_opaque *opaque = c->config ? c->config->opaque : NULL;
        struct sy_device_config *to = &p[(*ret_len)++];
        to->requests = sy_build_ids(b, &c->requests, &to->requests_len);
        if (!opaque)
            continue;
        to->driver = sy_build_id(b, opaque->driver);
        to->parameters = sy_build_text(b, opaque->parameters);
    }
    return p;
}

/* ---- slices ---------------------------------------------------------------------------------- */

static struct sy_device_counter *counters(struct build *b, const struct wire_list *sets,
                                          uint32_t *ret_len, bool *ret_has_groups)
{
    const struct wire_counter_set *set;
    const struct wire_counter *counter;
    size_t all = 0;

    WIRE_FOREACH (set, sets) {
        all += set->counters.len;
        *ret_has_groups |= set->groups.len != 0;
    }
    struct sy_device_counter *p = sy_build_array(b, all, sizeof(*p));
    *ret_len = 0;
    WIRE_FOREACH (set, sets) {
        for (counter = set->counters.first; p && counter; counter = counter->next) {
            p[(*ret_len)++] = (struct sy_device_counter){
                .set = sy_build_id(b, set->name),
                .name = sy_build_id(b, counter->key),
                .value = counter->value ? exact_of(b, counter->value->value) : (struct sy_exact){0},
            };
        }
    }
    return p;
}

static struct sy_attribute attribute(struct build *b, const struct wire_attribute_entry *from,
                                     sy_sid driver)
{
    static const struct wire_attribute nothing;
    const struct wire_attribute *value = from->value ? from->value : &nothing;
    struct sy_attribute to = {.kind = SY_ATTRIBUTE_NONE};

    (void)qualified_name(b, from->key, driver, &to.domain, &to.name);
    if (value->number.is_set) {
        to.kind = SY_ATTRIBUTE_INT;
        to.number = value->number.value;
    } else if (value->boolean.is_set) {
        to.kind = SY_ATTRIBUTE_BOOL;
        to.number = value->boolean.value;
    } else if (value->string.p) {
        to.kind = SY_ATTRIBUTE_STRING;
        to.text = sy_build_id(b, value->string);
    } else if (value->version.p) {
        to.kind = SY_ATTRIBUTE_VERSION;
        to.text = sy_build_id(b, value->version);
    }
    return to;
}

static bool bound_of(struct build *b, struct sy_str text, struct sy_exact *ret)
{
    if (!text.len)
        return false;
    *ret = exact_of(b, text);
    return true;
}

static const struct sy_capacity_policy *policy_of(struct build *b, const struct wire_policy *from)
{
    struct sy_capacity_policy *to = from ? sy_build_array(b, 1, sizeof(*to)) : NULL;
    const struct wire_text *text;

    if (!to)
        return NULL;
    to->has_default = bound_of(b, from->by_default, &to->by_default);
    if (from->range) {
        to->has_range = true;
        to->has_min = bound_of(b, from->range->min, &to->min);
        to->has_max = bound_of(b, from->range->max, &to->max);
        to->has_step = bound_of(b, from->range->step, &to->step);
    }
    struct sy_exact *values = sy_build_array(b, from->values.len, sizeof(*values));
    to->values = values;
    if (values) {
        WIRE_FOREACH (text, &from->values)
            values[to->values_len++] = exact_of(b, text->s);
    }
    return to;
}

static struct sy_device_taint taint_of(struct build *b, const struct wire_device_taint *from)
{
    return (struct sy_device_taint){
        .key = sy_build_id_unless_empty(b, from->key),
        .value = sy_build_id(b, from->value),
        .effect = sy_build_effect(from->effect),
    };
}

static void build_device_lists(struct build *b, const struct wire_device *from, sy_sid driver,
                               struct sy_device *to)
{
    struct sy_attribute *attributes = sy_build_array(b, from->attributes.len, sizeof(*attributes));
    struct sy_capacity *capacity = sy_build_array(b, from->capacity.len, sizeof(*capacity));
    struct sy_device_taint *taints = sy_build_array(b, from->taints.len, sizeof(*taints));
    const struct wire_attribute_entry *a;
    const struct wire_capacity_entry *c;
    const struct wire_device_taint *t;

    if (b->code)
        return;
    WIRE_FOREACH (a, &from->attributes)
        attributes[to->attributes_len++] = attribute(b, a, driver);
    WIRE_FOREACH (c, &from->capacity) {
        struct sy_capacity *k = &capacity[to->capacity_len++];
        k->is_qualified = qualified_name(b, c->key, driver, &k->domain, &k->name);
        k->value = c->value ? exact_of(b, c->value->value) : (struct sy_exact){0};
        k->policy = c->value ? policy_of(b, c->value->policy) : NULL;
    }
    WIRE_FOREACH (t, &from->taints)
        taints[to->taints_len++] = taint_of(b, t);
    to->attributes = attributes;
    to->capacity = capacity;
    to->taints = taints;
}

static void build_slice(struct build *b, const void *wire, union sy_devices_object *ret)
{
    static const struct wire_slice_spec no_spec;
    static const struct wire_pool no_pool;
    const struct wire_slice *from = wire;
    const struct wire_metadata *m = from->metadata ? from->metadata : &NO_METADATA;
    const struct wire_slice_spec *spec = from->spec ? from->spec : &no_spec;
    const struct wire_pool *pool = spec->pool ? spec->pool : &no_pool;
    struct sy_device *devices = sy_build_array(b, spec->devices.len, sizeof(*devices));
    struct sy_device_slice *to = &ret->slice;
    const struct wire_device *d;

    *to = (struct sy_device_slice){
        .resource_version = sy_build_text(b, m->resource_version),
        .name = sy_build_id_unless_empty(b, m->name),
        .driver = sy_build_id(b, spec->driver),
        .pool = sy_build_id(b, pool->name),
        .pool_generation = pool->generation,
        .pool_slices = pool->slices,
        .nodes = {.node = sy_build_id_unless_empty(b, spec->node),
                  .selector = node_selector(b, spec->selector),
                  .all = spec->all_nodes},
        .nodes_per_device = spec->per_device,
        .devices = devices,
    };
    to->counters = counters(b, &spec->counters, &to->counters_len, &to->has_groups);
    if (!devices)
        return;
    WIRE_FOREACH (d, &spec->devices) {
        struct sy_device *device = &devices[to->devices_len++];
        *device = (struct sy_device){
            .name = sy_build_id(b, d->name),
            .nodes = {.node = sy_build_id_unless_empty(b, d->node),
                      .selector = node_selector(b, d->selector),
                      .all = d->all_nodes},
            .is_shared = d->is_shared,
            .binds_to_node = d->binds_to_node,
        };
        device->conditions = sy_build_ids(b, &d->conditions, &device->conditions_len);
        device->failure_conditions =
            sy_build_ids(b, &d->failure_conditions, &device->failure_conditions_len);
        device->counters = counters(b, &d->counters, &device->counters_len, &to->has_groups);
        build_device_lists(b, d, to->driver, device);
    }
}

/* ---- classes and claims ---------------------------------------------------------------------- */

static void build_class(struct build *b, const void *wire, union sy_devices_object *ret)
{
    static const struct wire_class_spec no_spec;
    const struct wire_class *from = wire;
    const struct wire_metadata *m = from->metadata ? from->metadata : &NO_METADATA;
    const struct wire_class_spec *spec = from->spec ? from->spec : &no_spec;

    ret->class = (struct sy_device_class){
        .resource_version = sy_build_text(b, m->resource_version),
        .name = sy_build_id_unless_empty(b, m->name),
        .selectors = selectors(b, &spec->selectors),
        .extended_resource = sy_build_id_unless_empty(b, spec->extended_resource),
        .created_wall_ns = m->created_wall_ns,
    };
    ret->class.config = configs(b, &spec->config, &ret->class.config_len);
}

static void build_rule(struct build *b, const void *wire, union sy_devices_object *ret)
{
    static const struct wire_rule_spec no_spec;
    static const struct wire_taint_selector no_selector;
    static const struct wire_device_taint no_taint;
    const struct wire_rule *from = wire;
    const struct wire_metadata *m = from->metadata ? from->metadata : &NO_METADATA;
    const struct wire_rule_spec *spec = from->spec ? from->spec : &no_spec;
    const struct wire_taint_selector *selector = spec->selector ? spec->selector : &no_selector;

    ret->rule = (struct sy_device_taint_rule){
        .resource_version = sy_build_text(b, m->resource_version),
        .name = sy_build_id_unless_empty(b, m->name),
        .has_selector = spec->selector != NULL,
        .driver = sy_build_id_unless_empty(b, selector->driver),
        .pool = sy_build_id_unless_empty(b, selector->pool),
        .device = sy_build_id_unless_empty(b, selector->device),
        .taint = taint_of(b, spec->taint ? spec->taint : &no_taint),
    };
}

static struct sy_capacity *amounts(struct build *b, const struct wire_list *pairs,
                                   uint32_t *ret_len)
{
    struct sy_capacity *p = sy_build_array(b, pairs->len, sizeof(*p));
    const struct wire_pair *pair;

    *ret_len = 0;
    if (!p)
        return NULL;
    WIRE_FOREACH (pair, pairs) {
        struct sy_capacity *k = &p[(*ret_len)++];
        k->is_qualified = qualified_name(b, pair->key, 0, &k->domain, &k->name);
        k->value = exact_of(b, pair->value);
    }
    return p;
}

static struct sy_toleration toleration(struct build *b, const struct wire_toleration *from)
{
    struct sy_toleration to = {
        .key = sy_build_id_unless_empty(b, from->key),
        .value = sy_build_id(b, from->value),
        .op = !from->op.len || sy_str_eqz(from->op, "Equal") ? SY_TOLERATION_EQUAL
              : sy_str_eqz(from->op, "Exists")               ? SY_TOLERATION_EXISTS
                                                             : SY_TOLERATION_INVALID,
        .effect = sy_build_effect(from->effect),
    };

    if (from->effect.len && to.effect == SY_EFFECT_NONE)
        to.op = SY_TOLERATION_INVALID;
    return to;
}

static struct sy_device_want want(struct build *b, const struct wire_want *from)
{
    struct sy_toleration *tolerations =
        sy_build_array(b, from->tolerations.len, sizeof(*tolerations));
    int64_t *seconds = sy_build_array(b, from->tolerations.len, sizeof(*seconds));
    struct sy_device_want to = {
        .name = sy_build_id_unless_empty(b, from->name),
        .class = sy_build_id_unless_empty(b, from->class),
        .selectors = selectors(b, &from->selectors),
        .mode = sy_str_eqz(from->mode, "ExactCount") ? SY_DEVICES_EXACT_COUNT
                : sy_str_eqz(from->mode, "All")      ? SY_DEVICES_ALL
                                                     : SY_DEVICES_OTHER,
        .count = from->count,
        .admin_access = from->admin,
        .tolerations = tolerations,
        .toleration_seconds = seconds,
    };
    const struct wire_device_toleration *t;

    if (from->capacity)
        to.capacity = amounts(b, &from->capacity->requests, &to.capacity_len);
    if (!tolerations || !seconds)
        return to;
    WIRE_FOREACH (t, &from->tolerations) {
        seconds[to.tolerations_len] = t->seconds.is_set ? t->seconds.value : INT64_MIN;
        tolerations[to.tolerations_len++] = toleration(b, &t->toleration);
    }
    return to;
}

static struct sy_device_request request(struct build *b, const struct wire_device_request *from)
{
    size_t len = from->exactly ? 1 : from->alternatives.len;
    struct sy_device_want *wants = sy_build_array(b, len, sizeof(*wants));
    struct sy_device_request to = {
        .name = sy_build_id_unless_empty(b, from->name),
        .has_alternatives = !from->exactly && len,
        .wants = wants,
    };
    const struct wire_want *w;

    if (!wants)
        return to;
    if (from->exactly) {
        wants[to.wants_len++] = want(b, from->exactly);
    } else {
        WIRE_FOREACH (w, &from->alternatives)
            wants[to.wants_len++] = want(b, w);
    }
    return to;
}

static void build_claim_spec(struct build *b, const struct wire_device_claim *from,
                             struct sy_device_claim *to)
{
    struct sy_device_request *requests = sy_build_array(b, from->requests.len, sizeof(*requests));
    struct sy_device_constraint *constraints =
        sy_build_array(b, from->constraints.len, sizeof(*constraints));
    const struct wire_device_request *r;
    const struct wire_constraint *k;

    if (b->code)
        return;
    WIRE_FOREACH (r, &from->requests)
        requests[to->requests_len++] = request(b, r);
    WIRE_FOREACH (k, &from->constraints) {
        struct sy_device_constraint *c = &constraints[to->constraints_len++];
        c->requests = sy_build_ids(b, &k->requests, &c->requests_len);
        c->is_distinct = !k->match.len && k->distinct.len;
        struct sy_str attribute = c->is_distinct ? k->distinct : k->match;
        if (attribute.len)
            (void)qualified_name(b, attribute, 0, &c->domain, &c->name);
    }
    to->requests = requests;
    to->constraints = constraints;
    to->config = configs(b, &from->config, &to->config_len);
}

static void build_allocation(struct build *b, const struct wire_allocation *from,
                             struct sy_device_claim *to)
{
    static const struct wire_results none;
    const struct wire_list *list = from->devices ? &from->devices->results : &none.results;
    struct sy_device_result *results = sy_build_array(b, list->len, sizeof(*results));
    const struct wire_result *r;

    to->is_allocated = true;
    to->nodes = node_selector(b, from->selector);
    to->results = results;
    if (!results)
        return;
    WIRE_FOREACH (r, list) {
        struct sy_device_result *result = &results[to->results_len++];
        *result = (struct sy_device_result){
            .request = sy_build_id(b, r->request),
            .driver = sy_build_id(b, r->driver),
            .pool = sy_build_id(b, r->pool),
            .device = sy_build_id(b, r->device),
            .admin_access = r->admin,
            .is_share = r->share.p != NULL,
        };
        result->consumed = amounts(b, &r->consumed, &result->consumed_len);
    }
}

static const struct wire_device_status *status_of(const struct wire_claim_status *status,
                                                  const struct wire_result *r)
{
    const struct wire_device_status *s;

    WIRE_FOREACH (s, &status->devices) {
        if (sy_str_eq(s->driver, r->driver) && sy_str_eq(s->pool, r->pool) &&
            sy_str_eq(s->device, r->device))
            return s;
    }
    return NULL;
}

static bool is_true(const struct wire_device_status *status, struct sy_str type)
{
    const struct wire_device_condition *c;

    WIRE_FOREACH (c, &status->conditions) {
        if (sy_str_eq(c->type, type))
            return sy_str_eqz(c->status, "True");
    }
    return false;
}

static bool is_any_true(const struct wire_device_status *status, const struct wire_list *types)
{
    const struct wire_text *t;

    WIRE_FOREACH (t, types) {
        if (is_true(status, t->s))
            return true;
    }
    return false;
}

static bool are_all_true(const struct wire_device_status *status, const struct wire_list *types)
{
    const struct wire_text *t;

    WIRE_FOREACH (t, types) {
        if (!is_true(status, t->s))
            return false;
    }
    return true;
}

/* As upstream's isClaimReadyForBinding: what comes behind a device that is not ready is not looked
 * at. */
static void build_readiness(const struct wire_claim_status *from, struct sy_device_claim *to)
{
    const struct wire_result *r;

    if (!from->allocation || !from->allocation->devices)
        return;
    WIRE_FOREACH (r, &from->allocation->devices->results) {
        const struct wire_device_status *status = r->conditions.len ? status_of(from, r) : NULL;
        if (!r->conditions.len)
            continue;
        to->has_failed = status && is_any_true(status, &r->failure_conditions);
        to->is_waiting = !to->has_failed && (!status || !are_all_true(status, &r->conditions));
        if (to->has_failed || to->is_waiting)
            return;
    }
}

static void build_claim(struct build *b, const void *wire, union sy_devices_object *ret)
{
    const struct wire_resource_claim *from = wire;
    const struct wire_metadata *m = from->metadata ? from->metadata : &NO_METADATA;
    struct sy_device_claim *to = &ret->claim;
    const struct wire_owner *owner;
    const struct wire_consumer *c;
    const struct wire_pair *annotation;

    *to = (struct sy_device_claim){
        .uid = sy_build_text(b, m->uid),
        .resource_version = sy_build_text(b, m->resource_version),
        .ns = sy_build_id_unless_empty(b, m->ns),
        .name = sy_build_id_unless_empty(b, m->name),
        .is_deleting = m->deleting_wall_ns != 0,
    };
    WIRE_FOREACH (owner, &m->owners) {
        if (owner->controller) {
            to->owner_uid = sy_build_text(b, owner->uid);
            break;
        }
    }
    WIRE_FOREACH (annotation, &m->annotations)
        to->is_for_extended |=
            sy_str_eqz(annotation->key, "resource.kubernetes.io/extended-resource-claim") &&
            sy_str_eqz(annotation->value, "true");
    if (from->spec && from->spec->devices)
        build_claim_spec(b, from->spec->devices, to);
    if (!from->status)
        return;
    if (from->status->allocation)
        build_allocation(b, from->status->allocation, to);
    build_readiness(from->status, to);
    struct sy_str *reserved = sy_build_array(b, from->status->reserved.len, sizeof(*reserved));
    to->reserved_for = reserved;
    if (!reserved)
        return;
    WIRE_FOREACH (c, &from->status->reserved)
        reserved[to->reserved_for_len++] = sy_build_text(b, c->uid);
}

static const struct {
    const char *what;
    const struct wire_message *message;
    void (*build)(struct build *b, const void *wire, union sy_devices_object *ret);
} KINDS[SY_DEVICES_KINDS] = {
    [SY_DEVICES_SLICE] = {"decoding a resource slice", &slice_message, build_slice},
    [SY_DEVICES_CLASS] = {"decoding a device class", &class_message, build_class},
    [SY_DEVICES_CLAIM] = {"decoding a resource claim", &claim_message, build_claim},
    [SY_DEVICES_RULE] = {"decoding a device taint rule", &rule_message, build_rule},
};

int sy_decode_devices(struct sy_decode *d, enum sy_devices_kind kind, enum sy_encoding enc,
                      struct sy_str raw, union sy_devices_object *ret, struct sy_err *err)
{
    struct json_object *tree SY_CLEANUP(sy_wire_free_json) = NULL;
    struct build b = {.d = d};
    union sy_devices_object object = {0};
    union {
        struct wire_slice slice;
        struct wire_class class;
        struct wire_resource_claim claim;
        struct wire_rule rule;
    } wire = {0};
    int code = sy_wire_read(d, enc, KINDS[kind].message, raw, &wire, &tree, err);

    if (code < 0)
        return sy_err_wrap(err, code, "%s", KINDS[kind].what);
    KINDS[kind].build(&b, &wire, &object);
    if (b.code)
        return sy_err_wrap(err, sy_wire_out_of_room(d, b.code, err), "%s", KINDS[kind].what);
    *ret = object;
    return 0;
}
