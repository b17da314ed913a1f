/* SPDX-License-Identifier: Apache-2.0
 *
 * Namespaces, Services and the controllers of pods: metadata and selector only. Numbers and names
 * are those of k8s.io/api/core/v1 and apps/v1 (v0.37.2). */
#include "kube/decode.h"
#include "kube/decode_build.h"

struct wire_map_spec {
    struct wire_list selector;
};

struct wire_selector_spec {
    struct wire_selector *selector;
};

/* Of the two only the one that the kind's table names is filled. */
struct wire_workload {
    struct wire_metadata *metadata;
    struct wire_map_spec *map;
    struct wire_selector_spec *spec;
};

/* clang-format off */

static const struct wire_message map_spec_message = WIRE_MESSAGE(wire_map_spec,
    [2] = WIRE_FIELD(wire_map_spec, selector, "selector", WIRE_STR_MAP));

static const struct wire_message selector_spec_message = WIRE_MESSAGE(wire_selector_spec,
    [2] = WIRE_SUB(wire_selector_spec, selector, "selector", WIRE_MSG, sy_wire_selector));

static const struct wire_message namespace_message = WIRE_MESSAGE(wire_workload,
    [1] = WIRE_SUB(wire_workload, metadata, "metadata", WIRE_MSG, sy_wire_metadata));

/* Service, ReplicationController. */
static const struct wire_message map_message = WIRE_MESSAGE(wire_workload,
    [1] = WIRE_SUB(wire_workload, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = WIRE_SUB(wire_workload, map, "spec", WIRE_MSG, map_spec_message));

/* ReplicaSet, StatefulSet. */
static const struct wire_message selector_message = WIRE_MESSAGE(wire_workload,
    [1] = WIRE_SUB(wire_workload, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = WIRE_SUB(wire_workload, spec, "spec", WIRE_MSG, selector_spec_message));

/* clang-format on */

static const struct {
    const struct wire_message *message;
    const char *what;
} KINDS[SY_WORKLOAD_KINDS] = {
    [SY_WORKLOAD_NAMESPACE] = {&namespace_message, "decoding a namespace"},
    [SY_WORKLOAD_SERVICE] = {&map_message, "decoding a service"},
    [SY_WORKLOAD_REPLICATION_CONTROLLER] = {&map_message, "decoding a replicationcontroller"},
    [SY_WORKLOAD_REPLICA_SET] = {&selector_message, "decoding a replicaset"},
    [SY_WORKLOAD_STATEFUL_SET] = {&selector_message, "decoding a statefulset"},
};

int sy_decode_workload(struct sy_decode *d, enum sy_workload_kind kind, enum sy_encoding enc,
                       struct sy_str raw, struct sy_workload *ret, struct sy_err *err)
{
    static const struct wire_metadata NO_METADATA;
    struct json_object *tree SY_CLEANUP(sy_wire_free_json) = NULL;
    struct build b = {.d = d};
    struct wire_workload wire = {0};
    int code = sy_wire_read(d, enc, KINDS[kind].message, raw, &wire, &tree, err);

    if (code < 0)
        return sy_err_wrap(err, code, "%s", KINDS[kind].what);
    const struct wire_metadata *meta = wire.metadata ? wire.metadata : &NO_METADATA;
    struct sy_workload workload = {
        .ns = sy_build_id_unless_empty(&b, meta->ns),
        .name = sy_build_id(&b, meta->name),
        .uid = sy_build_text(&b, meta->uid),
        .selector = {.is_nil = true},
    };
    if (kind == SY_WORKLOAD_NAMESPACE)
        workload.labels = sy_build_labels(&b, &meta->labels);
    else if (kind == SY_WORKLOAD_SERVICE && wire.map)
        workload.labels = sy_build_labels(&b, &wire.map->selector);
    else if (wire.map)
        workload.selector =
            sy_build_selector(&b, &(struct wire_selector){.labels = wire.map->selector});
    else if (wire.spec)
        workload.selector = sy_build_selector(&b, wire.spec->selector);
    if (b.code)
        return sy_err_wrap(err, sy_wire_out_of_room(d, b.code, err), "%s", KINDS[kind].what);
    *ret = workload;
    return 0;
}
