/* SPDX-License-Identifier: Apache-2.0
 *
 * What pods and nodes say of GPUs: our own annotations, groups of GPUs as labels, and the
 * annotation in which Koordinator's scheduler notes what it gave. docs/gpu.md. */
#include <json-c/json.h>

#include "kube/decode.h"
#include "kube/decode_build.h"
#include "model/gpu.h"
#include "model/quantity.h"

#define KOORDINATOR_ALLOCATED "scheduling.koordinator.sh/device-allocated"
#define INTEL_GROUPS_LABEL    "gpu.intel.com/pci-groups"

enum { ALLOCATED_MAX_BYTES = 256 * 1024 }; /* of all annotations together, the API server says */

/* -- what Koordinator gave -- */

/* A quantity, written as a number or a text; 0 when there is none that can be read. */
static int64_t amount_of(struct json_object *resources, const char *name)
{
    struct json_object *value;
    int64_t amount;

    if (!json_object_object_get_ex(resources, name, &value))
        return 0;
    struct sy_str text = sy_str_from(json_object_get_string(value));
    if (sy_quantity_parse(text, SY_SCALE_UNIT, &amount, NULL) < 0 || amount < 0)
        return 0;
    return amount;
}

/* Adds one allocation. Whether it is one of a device that the ledger can have. */
static bool take_allocation(struct json_object *from, uint64_t *devices, struct sy_gpu_request *r)
{
    struct json_object *minor, *resources = NULL;

    if (!json_object_is_type(from, json_type_object) ||
        !json_object_object_get_ex(from, "minor", &minor) ||
        !json_object_is_type(minor, json_type_int))
        return false;
    int64_t number = json_object_get_int64(minor);
    if (number < 0 || number >= SY_GPUS_MAX || *devices >> number & 1)
        return false;
    *devices |= (uint64_t)1 << number;
    json_object_object_get_ex(from, "resources", &resources);
    if (!json_object_is_type(resources, json_type_object))
        return true;
    struct sy_gpu_request part = {
        .milli = sy_gpu_milli_of_percent(amount_of(resources, "koordinator.sh/gpu-core")),
        .memory_milli =
            sy_gpu_milli_of_percent(amount_of(resources, "koordinator.sh/gpu-memory-ratio")),
        .memory_bytes = amount_of(resources, "koordinator.sh/gpu-memory"),
    };
    sy_gpu_request_raise(r, &part);
    return true;
}

/* The devices of a pod that Koordinator has placed; 0 when the text says of none. *ret: how much of
 * each. */
static uint64_t koordinator_allocated(struct sy_str text, struct sy_gpu_request *ret)
{
    struct json_object *tree SY_CLEANUP(sy_wire_free_json) = NULL;
    struct sy_gpu_request r = {0};
    struct json_object *gpus;
    const char *why;
    uint64_t devices = 0;

    if (text.len <= ALLOCATED_MAX_BYTES)
        tree = sy_wire_parse_json(text, &why);
    if (!tree || !json_object_object_get_ex(tree, "gpu", &gpus) ||
        !json_object_is_type(gpus, json_type_array))
        return 0;
    for (size_t i = 0; i < json_object_array_length(gpus); i++) {
        if (!take_allocation(json_object_array_get_idx(gpus, i), &devices, &r))
            return 0;
    }
    if (!r.milli && !r.memory_milli && !r.memory_bytes)
        r.milli = SY_GPU_WHOLE_MILLI;
    r.count = (uint16_t)__builtin_popcountll(devices);
    *ret = r;
    return devices;
}

/* -- pods -- */

static void take_allocated(const struct wire_pod *wire, struct sy_str allocated, struct sy_pod *pod)
{
    struct sy_gpu_request given;

    /* Who waits has no devices, whatever it says; and our own word, if there is one, is later. */
    if (!allocated.len || !wire->spec->node_name.len || pod->gpu_devices)
        return;
    uint64_t devices = koordinator_allocated(allocated, &given);
    if (!devices)
        return;
    pod->gpu_devices = devices;
    if (pod->spec.gpu.count != given.count)
        pod->spec.gpu = given;
}

void sy_build_pod_gpus(struct build *b, const struct wire_pod *wire,
                       const struct sy_container *containers, uint32_t containers_len,
                       struct sy_pod *pod)
{
    struct sy_gpu_words words = {.requests = pod->spec.requests.requests,
                                 .containers = containers,
                                 .containers_len = containers_len};
    struct sy_str allocated = {0};
    const struct wire_pair *pair;

    if (wire->metadata) {
        WIRE_FOREACH (pair, &wire->metadata->annotations) {
            if (sy_str_eqz(pair->key, KOORDINATOR_ALLOCATED))
                allocated = pair->value;
            if (!sy_str_starts(pair->key, SY_STR("steelyard.dev/gpu-")))
                continue;
            /* An empty value is one that can not be read, and not none. */
            struct sy_str value = pair->value.len ? pair->value : SY_STR("-");
            if (sy_str_eqz(pair->key, SY_GPU_MILLI_ANNOTATION))
                words.milli = value;
            else if (sy_str_eqz(pair->key, SY_GPU_MEMORY_ANNOTATION))
                words.memory = value;
            else if (sy_str_eqz(pair->key, SY_GPU_GROUP_ANNOTATION))
                words.group = value;
            else if (sy_str_eqz(pair->key, SY_GPU_DEVICES_ANNOTATION))
                pod->gpu_devices = sy_gpu_devices_parse(value);
        }
    }
    pod->spec.gpu = sy_gpu_request_of(b->d->strings, &b->d->names, &words);
    take_allocated(wire, allocated, pod);
}

/* -- nodes -- */

static void take_groups(struct build *b, struct sy_str text, struct sy_node *node)
{
    uint64_t groups[SY_GPUS_MAX];
    uint32_t len = sy_gpu_groups_parse(text, groups);
    uint64_t *copy = sy_build_array(b, len, sizeof(*copy));

    node->gpu_groups = NULL;
    node->gpu_groups_len = 0;
    if (!copy)
        return;
    memcpy(copy, groups, len * sizeof(*copy));
    node->gpu_groups = copy;
    node->gpu_groups_len = len;
}

void sy_build_node_gpus(struct build *b, const struct wire_metadata *metadata, struct sy_node *node)
{
    struct sy_str annotated = {0}, labelled = {0}, intel = {0};
    const struct wire_pair *pair;

    WIRE_FOREACH (pair, &metadata->labels) {
        if (sy_str_eqz(pair->key, SY_GPU_GROUPS_ANNOTATION))
            labelled = pair->value;
        else if (sy_str_eqz(pair->key, INTEL_GROUPS_LABEL))
            intel = pair->value;
    }
    WIRE_FOREACH (pair, &metadata->annotations) {
        if (sy_str_eqz(pair->key, SY_GPU_GROUPS_ANNOTATION)) {
            annotated = pair->value;
        } else if (sy_str_eqz(pair->key, SY_GPU_UNHEALTHY_ANNOTATION) && pair->value.len) {
            node->gpus_unhealthy = sy_gpu_devices_parse(pair->value);
            /* What can not be read may be any. */
            if (!node->gpus_unhealthy)
                node->gpus_unhealthy = UINT64_MAX;
        }
    }
    take_groups(b, annotated.len ? annotated : labelled.len ? labelled : intel, node);
}
