/* SPDX-License-Identifier: Apache-2.0
 *
 * All decoders: bits 0 and 1 of the first byte pick the kind, bit 2 the encoding. What decodes is
 * printed and encoded as well, which walks every pointer of the model. */
#include <stdlib.h>

#include "kube/decode.h"

static void use_pod(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw)
{
    struct sy_pod pod;
    struct sy_pod_spec copy;
    struct sy_buf out;

    if (sy_decode_pod(d, enc, raw, &pod, NULL) < 0)
        return;
    sy_buf_init(&out, 64 << 20);
    if (sy_pod_dump(&pod, d->strings, &out) == 0 && sy_pod_spec_encode(&pod.spec, &out) == 0 &&
        sy_pod_spec_copy(&d->arena, &pod.spec, &copy) == 0)
        sy_pod_spec_mark(&copy, d->strings);
    sy_buf_done(&out);
}

static void use_node(struct sy_decode *d, enum sy_encoding enc, struct sy_str raw)
{
    struct sy_node node;
    struct sy_buf out;

    if (sy_decode_node(d, enc, raw, &node, NULL) < 0)
        return;
    sy_buf_init(&out, 64 << 20);
    if (sy_node_dump(&node, d->strings, &out) == 0)
        sy_node_mark(&node, d->strings);
    sy_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t key[2] = {1, 2};
    static const char *const annotation_keys[] = {"a", "steelyard.dev/gang", NULL};
    struct sy_strings *strings;
    struct sy_decode d;
    struct sy_meta meta;
    struct sy_status status;

    if (!size)
        return 0;
    struct sy_str raw = {(const char *)data + 1, size - 1};
    enum sy_encoding enc = data[0] & 4 ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON;
    strings = sy_strings_new(key);
    sy_decode_init(&d, strings, 1 << 20);
    d.annotation_keys = annotation_keys;
    switch (data[0] & 3) {
    case 0:
        use_pod(&d, enc, raw);
        break;
    case 1:
        use_node(&d, enc, raw);
        break;
    case 2:
        if (sy_decode_meta(&d, enc, raw, &meta, NULL) < 0)
            break;
        break;
    default:
        if (sy_decode_status(&d, enc, raw, &status, NULL) < 0)
            break;
        break;
    }
    sy_decode_done(&d);
    sy_strings_free(strings);
    return 0;
}
