/* SPDX-License-Identifier: Apache-2.0
 *
 * The Lease by which a kubelet says that it lives. Field numbers: k8s.io/api/coordination/v1
 * (v0.37.2). */
#include "base/clock.h"
#include "kube/decode.h"
#include "kube/decode_build.h"

struct wire_lease_spec {
    int64_t duration_s;
    int64_t renewed_wall_ns;
};

struct wire_lease {
    struct wire_metadata *metadata;
    struct wire_lease_spec *spec;
};

/* clang-format off */

static const struct wire_message spec_message = WIRE_MESSAGE(wire_lease_spec,
    [2] = WIRE_FIELD(wire_lease_spec, duration_s, "leaseDurationSeconds", WIRE_INT32),
    [4] = WIRE_FIELD(wire_lease_spec, renewed_wall_ns, "renewTime", WIRE_TIME));

static const struct wire_message lease_message = WIRE_MESSAGE(wire_lease,
    [1] = WIRE_SUB(wire_lease, metadata, "metadata", WIRE_MSG, sy_wire_metadata),
    [2] = WIRE_SUB(wire_lease, spec, "spec", WIRE_MSG, spec_message));

/* clang-format on */

int sy_decode_lease(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw,
                    struct sy_node_lease *ret, struct sy_err *err)
{
    struct json_object *tree SY_CLEANUP(sy_wire_free_json) = NULL;
    struct build b = {.d = d};
    struct sy_node_lease lease = {0};
    struct wire_lease wire = {0};
    int code = sy_wire_read(d, enc, &lease_message, raw, &wire, &tree, err);

    if (code < 0)
        return sy_err_wrap(err, code, "decoding a lease");
    if (wire.metadata)
        lease.node = sy_build_id_unless_empty(&b, wire.metadata->name);
    if (wire.spec) {
        lease.renewed_wall_ns = wire.spec->renewed_wall_ns;
        lease.duration_ns = wire.spec->duration_s * SY_NS_PER_S;
    }
    if (b.code)
        return sy_err_wrap(err, sy_wire_out_of_room(d, b.code, err), "decoding a lease");
    *ret = lease;
    return 0;
}
