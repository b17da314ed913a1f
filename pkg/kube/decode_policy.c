/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/v1 PodDisruptionBudget to struct sy_budget. Numbers and names are those of
 * k8s.io/api/policy/v1 (v0.37.2). */
#include <errno.h>

#include "kube/decode.h"
#include "kube/decode_build.h"
#include "model/sort.h"

struct wire_budget_spec {
    struct wire_selector *selector;
};

struct wire_budget_status {
    struct wire_list disrupted; /* name to time; the time is not looked at */
    int64_t allowed;
};

struct wire_budget {
    struct wire_metadata *metadata;
    struct wire_budget_spec *spec;
    struct wire_budget_status *status;
};

/* clang-format off */

static const struct wire_message spec_message = WIRE_MESSAGE(wire_budget_spec,
    [2] = WIRE_SUB(wire_budget_spec, selector, "selector", WIRE_MSG, sy_wire_selector));

static const struct wire_message status_message = WIRE_MESSAGE(wire_budget_status,
    [2] = WIRE_FIELD(wire_budget_status, disrupted, "disruptedPods", WIRE_STR_MAP),
    [3] = WIRE_FIELD(wire_budget_status, allowed, "disruptionsAllowed", WIRE_INT32));

static const struct wire_message budget_message = WIRE_MESSAGE(wire_budget,
    [1] = WIRE_SUB(wire_budget, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = WIRE_SUB(wire_budget, spec, "spec", WIRE_MSG, spec_message),
    [3] = WIRE_SUB(wire_budget, status, "status", WIRE_MSG, status_message));

/* clang-format on */

static void build_budget(struct build *b, const struct wire_budget *from, struct sy_budget *to)
{
    const struct wire_pair *pair;

    if (from->metadata) {
        to->ns = sy_build_id_unless_empty(b, from->metadata->ns);
        to->name = sy_build_id_unless_empty(b, from->metadata->name);
    }
    to->selector = sy_build_selector(b, from->spec ? from->spec->selector : NULL);
    if (!from->status)
        return;
    to->disruptions_allowed = (int32_t)from->status->allowed;
    sy_sid *names = sy_build_array(b, from->status->disrupted.len, sizeof(*names));
    uint32_t len = 0;
    if (!names)
        return;
    WIRE_FOREACH (pair, &from->status->disrupted)
        names[len++] = sy_build_id(b, pair->key);
    to->disrupted_len = sy_sort_unique(names, len, sizeof(*names));
    to->disrupted = names;
}

int sy_decode_budget(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw,
                     struct sy_budget *ret, struct sy_err *err)
{
    static const char what[] = "decoding a pod disruption budget";
    struct json_object *tree SY_CLEANUP(sy_wire_free_json) = NULL;
    struct build b = {.d = d};
    struct sy_budget budget = {0};
    struct wire_budget wire = {0};
    int code = sy_wire_read(d, enc, &budget_message, raw, &wire, &tree, err);

    if (code < 0)
        return sy_err_wrap(err, code, "%s", what);
    build_budget(&b, &wire, &budget);
    if (b.code)
        return sy_err_wrap(err, sy_wire_out_of_room(d, b.code, err), "%s", what);
    *ret = budget;
    return 0;
}
