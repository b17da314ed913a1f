/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a resource slice, device class, resource claim or device taint rule, in either
 * encoding: the first byte picks. What decodes can be copied and printed. */
#include "kube/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t KEY[2] = {1, 2};
    union sy_devices_object object, copy;
    struct sy_strings *strings;
    struct sy_decode decode;
    struct sy_arena arena;
    struct sy_buf out;

    if (!size)
        return 0;
    enum sy_devices_kind kind = (enum sy_devices_kind)(data[0] % SY_DEVICES_KINDS);
    enum sy_encoding enc = data[0] & 0x80 ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON;
    struct sy_str raw = {(const char *)data + 1, size - 1};
    strings = sy_strings_new(KEY);
    sy_decode_init(&decode, strings, (size_t)1 << 20);
    sy_arena_init(&arena, (size_t)4 << 20);
    sy_buf_init(&out, (size_t)4 << 20);
    if (sy_decode_devices(&decode, kind, enc, raw, &object, NULL) == 0 &&
        sy_devices_copy(kind, &arena, &object, &copy) == 0) {
        sy_strings_mark_begin(strings);
        sy_decode_mark(&decode);
        sy_devices_mark(kind, &copy, strings);
        sy_strings_sweep(strings);
        (void)sy_devices_dump(kind, &copy, strings, &out);
    }
    sy_buf_done(&out);
    sy_arena_done(&arena);
    sy_decode_done(&decode);
    sy_strings_free(strings);
    return 0;
}
