/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoder of PodGroups: the first byte modulo 8 picks the API, bit 3 the encoding. What decodes
 * goes into a table of gangs, and out of it again. */
#include "kube/decode.h"
#include "sched/gang.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t key[2] = {1, 2};
    struct sy_group_object object;
    struct sy_decode d;
    struct sy_gangs gangs;

    if (!size || (data[0] & 7) >= SY_GROUP_SOURCES || !sy_group_has_objects(data[0] & 7))
        return 0;
    struct sy_str raw = {(const char *)data + 1, size - 1};
    enum sy_encoding enc = data[0] & 8 ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON;
    struct sy_strings *strings = sy_strings_new(key);
    sy_decode_init(&d, strings, 1 << 20);
    sy_gangs_init(&gangs, strings);
    if (sy_decode_group(&d, data[0] & 7, enc, raw, &object, NULL) == 0) {
        sy_gangs_object(&gangs, &object);
        sy_gangs_mark(&gangs);
        sy_gangs_object_gone(&gangs, object.source, object.ns, object.name);
    }
    sy_gangs_done(&gangs);
    sy_decode_done(&d);
    sy_strings_free(strings);
    return 0;
}
