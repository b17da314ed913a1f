/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoder of nodes' leases, in the encoding that the first byte picks. What decodes is taken for a
 * renewal by a node of that name. */
#include "kube/decode.h"
#include "sched/failure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t key[2] = {1, 2};
    struct sy_failure_options options;
    struct sy_node_lease lease;
    struct sy_failures failures;
    struct sy_cluster cluster;
    struct sy_decode d;
    uint32_t slot, change;

    if (!size)
        return 0;
    struct sy_str raw = {(const char *)data + 1, size - 1};
    struct sy_strings *strings = sy_strings_new(key);
    sy_decode_init(&d, strings, 1 << 20);
    sy_cluster_init(&cluster, strings);
    sy_failures_init(&failures);
    sy_failure_options_default(&options);
    sy_failures_configure(&failures, &cluster, &options, 0);
    sy_failures_leases_live(&failures, true, 0);
    sy_failures_view(&failures, true, 0);
    enum sy_encoding enc = data[0] & 1 ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON;
    if (sy_decode_lease(&d, enc, raw, &lease, NULL) == 0 && lease.node) {
        struct sy_node node = {.name = lease.node};
        if (sy_cluster_node_upsert(&cluster, &node, &slot, &change) == 0)
            sy_failures_node(&failures, &cluster, slot, 0);
        sy_failures_lease(&failures, &cluster, lease.node, lease.renewed_wall_ns, lease.duration_ns,
                          0);
        sy_failures_run(&failures, &cluster, INT64_MAX / 2);
    }
    sy_failures_done(&failures);
    sy_cluster_done(&cluster);
    sy_decode_done(&d);
    sy_strings_free(strings);
    return 0;
}
