/* SPDX-License-Identifier: Apache-2.0
 *
 * PodGroup objects, of whichever API, to struct sy_group_object. Numbers and names of the native
 * one are those of k8s.io/api/scheduling/v1beta1 (v0.37.2; v1alpha3 has the same); the others are
 * custom resources, which come as JSON only: scheduling.x-k8s.io/v1alpha1 (scheduler-plugins),
 * scheduling.volcano.sh/v1beta1, scheduling.run.ai/v2alpha2 (KAI). */
#include <string.h>

#include "base/clock.h"
#include "kube/decode.h"
#include "kube/decode_build.h"

struct wire_gang_policy {
    int64_t min_count;
};

struct wire_group_policy {
    struct wire_gang_policy *basic;
    struct wire_gang_policy *gang;
};

struct wire_group_topology {
    struct wire_group_topology *next;
    struct sy_str key;
};

struct wire_group_constraints {
    struct wire_list topology;
};

struct wire_kai_topology {
    struct sy_str required;
    struct sy_str preferred;
};

/* Of all APIs; each table names what its own has. */
struct wire_group_spec {
    struct wire_group_policy *policy;
    struct wire_group_constraints *constraints;
    struct wire_kai_topology *kai_topology;
    int64_t min_member;
    int64_t timeout_s;
};

struct wire_group_status {
    struct sy_str phase;
    struct wire_list conditions;
};

struct wire_pod_group {
    struct wire_metadata *metadata;
    struct wire_group_spec *spec;
    struct wire_group_status *status;
};

/* clang-format off */

/* Of `basic` nothing but its presence counts. */
static const struct wire_message gang_policy_message = WIRE_MESSAGE(wire_gang_policy,
    [1] = WIRE_FIELD(wire_gang_policy, min_count, "minCount", WIRE_INT32));

static const struct wire_message policy_message = WIRE_MESSAGE(wire_group_policy,
    [1] = WIRE_SUB(wire_group_policy, basic, "basic", WIRE_MSG, gang_policy_message),
    [2] = WIRE_SUB(wire_group_policy, gang, "gang", WIRE_MSG, gang_policy_message));

static const struct wire_message topology_message = WIRE_MESSAGE(wire_group_topology,
    [1] = WIRE_FIELD(wire_group_topology, key, "key", WIRE_STR));

static const struct wire_message constraints_message = WIRE_MESSAGE(wire_group_constraints,
    [1] = WIRE_SUB(wire_group_constraints, topology, "topology", WIRE_MSG_LIST, topology_message));

static const struct wire_message native_spec_message = WIRE_MESSAGE(wire_group_spec,
    [3] = WIRE_SUB(wire_group_spec, policy, "schedulingPolicy", WIRE_MSG, policy_message),
    [4] = WIRE_SUB(wire_group_spec, constraints, "schedulingConstraints", WIRE_MSG,
                   constraints_message));

/* metav1.Condition. */
static const struct wire_message condition_message = WIRE_MESSAGE(wire_condition,
    [1] = WIRE_FIELD(wire_condition, type, "type", WIRE_STR),
    [2] = WIRE_FIELD(wire_condition, status, "status", WIRE_STR));

static const struct wire_message native_status_message = WIRE_MESSAGE(wire_group_status,
    [1] = WIRE_SUB(wire_group_status, conditions, "conditions", WIRE_MSG_LIST, condition_message));

static const struct wire_message native_message = WIRE_MESSAGE(wire_pod_group,
    [1] = WIRE_SUB(wire_pod_group, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = WIRE_SUB(wire_pod_group, spec, "spec", WIRE_MSG, native_spec_message),
    [3] = WIRE_SUB(wire_pod_group, status, "status", WIRE_MSG, native_status_message));

static const struct wire_message kai_topology_message = WIRE_MESSAGE(wire_kai_topology,
    [1] = WIRE_FIELD(wire_kai_topology, required, "requiredTopologyLevel", WIRE_STR),
    [2] = WIRE_FIELD(wire_kai_topology, preferred, "preferredTopologyLevel", WIRE_STR));

static const struct wire_message custom_spec_message = WIRE_MESSAGE(wire_group_spec,
    [1] = WIRE_FIELD(wire_group_spec, min_member, "minMember", WIRE_INT32),
    [2] = WIRE_FIELD(wire_group_spec, timeout_s, "scheduleTimeoutSeconds", WIRE_INT32),
    [3] = WIRE_SUB(wire_group_spec, kai_topology, "topologyConstraint", WIRE_MSG,
                   kai_topology_message));

static const struct wire_message custom_status_message = WIRE_MESSAGE(wire_group_status,
    [1] = WIRE_FIELD(wire_group_status, phase, "phase", WIRE_STR));

static const struct wire_message custom_message = WIRE_MESSAGE(wire_pod_group,
    [1] = WIRE_SUB(wire_pod_group, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = WIRE_SUB(wire_pod_group, spec, "spec", WIRE_MSG, custom_spec_message),
    [3] = WIRE_SUB(wire_pod_group, status, "status", WIRE_MSG, custom_status_message));

/* clang-format on */

static void build_native(struct build *b, const struct wire_pod_group *from,
                         struct sy_group_object *to)
{
    const struct wire_group_policy *policy = from->spec ? from->spec->policy : NULL;
    const struct wire_group_topology *topology = NULL;

    to->is_single = policy && policy->basic && !policy->gang;
    if (policy && policy->gang && policy->gang->min_count > 0)
        to->min_members = (uint32_t)policy->gang->min_count;
    if (from->spec && from->spec->constraints)
        topology = from->spec->constraints->topology.first;
    if (topology) {
        to->topology_key = sy_build_id_unless_empty(b, topology->key);
        to->topology_is_required = to->topology_key != 0;
    }
    if (from->status)
        to->was_scheduled =
            sy_build_condition(&from->status->conditions, SY_STR("PodGroupInitiallyScheduled"),
                               NULL) == SY_CONDITION_TRUE;
}

static void build_custom(struct build *b, const struct wire_pod_group *from,
                         struct sy_group_object *to)
{
    const struct wire_kai_topology *topology = from->spec ? from->spec->kai_topology : NULL;

    if (from->spec && from->spec->min_member > 0)
        to->min_members = (uint32_t)from->spec->min_member;
    if (from->spec && from->spec->timeout_s > 0)
        to->timeout_ns = from->spec->timeout_s * SY_NS_PER_S;
    if (topology) {
        to->topology_is_required = topology->required.len != 0;
        to->topology_key = sy_build_id_unless_empty(
            b, to->topology_is_required ? topology->required : topology->preferred);
    }
    if (from->status)
        to->phase = sy_build_id_unless_empty(b, from->status->phase);
}

int sy_decode_group(struct sy_decode *d, uint8_t source, enum sy_encoding enc, struct sy_str raw,
                    struct sy_group_object *ret, struct sy_err *err)
{
    static const char what[] = "decoding a pod group";
    static const struct wire_metadata NO_METADATA;
    struct json_object *tree SY_CLEANUP(sy_wire_free_json) = NULL;
    struct build b = {.d = d};
    struct wire_pod_group wire = {0};
    bool is_native = source == SY_GROUP_NATIVE;
    int code =
        sy_wire_read(d, enc, is_native ? &native_message : &custom_message, raw, &wire, &tree, err);

    if (code < 0)
        return sy_err_wrap(err, code, "%s", what);
    const struct wire_metadata *meta = wire.metadata ? wire.metadata : &NO_METADATA;
    struct sy_group_object group = {
        .source = source,
        .ns = sy_build_id_unless_empty(&b, meta->ns),
        .name = sy_build_id(&b, meta->name),
        .uid = sy_build_text(&b, meta->uid),
        .generation = meta->generation,
    };
    if (is_native)
        build_native(&b, &wire, &group);
    else
        build_custom(&b, &wire, &group);
    if (b.code)
        return sy_err_wrap(err, sy_wire_out_of_room(d, b.code, err), "%s", what);
    *ret = group;
    return 0;
}
