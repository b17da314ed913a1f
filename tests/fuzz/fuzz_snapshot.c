/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a file of objects: no crash, no leak, an error always says something, and what is
 * taken has what its users rely on. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "snapshot/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t KEY[2] = {1, 2};
    struct sy_strings *strings = sy_strings_new(KEY);
    struct sy_snapshot s;
    struct sy_err err = {0};
    struct sy_buf out;

    sy_snapshot_init(&s, strings);
    s.pods_max = 500;
    int code = sy_snapshot_read(&s, (struct sy_str){(const char *)data, size}, "f", &err);
    if (code == 0)
        code = sy_snapshot_finish(&s, &err);
    if (code < 0 && (!err.msg[0] || err.code != code))
        abort();
    sy_buf_init(&out, 64 << 20);
    for (size_t i = 0; i < s.nodes.len && i < 500; i++) {
        if (!s.nodes.p[i].name || sy_node_dump(&s.nodes.p[i], strings, &out) < 0)
            abort();
        sy_buf_reset(&out);
    }
    for (size_t i = 0; i < s.pods.len; i++) {
        const struct sy_snapshot_pod *p = &s.pods.p[i];
        if (!p->pod.uid.len || !p->pod.name.len || !p->pod.ns || p->arrives_ns < 0 ||
            p->lasts_ns < 0 || sy_pod_dump(&p->pod, strings, &out) < 0)
            abort();
        sy_buf_reset(&out);
    }
    sy_buf_done(&out);
    sy_snapshot_done(&s);
    sy_strings_free(strings);
    return 0;
}
