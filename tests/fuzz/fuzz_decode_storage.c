/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoders of storage objects: the first byte modulo 8 picks the kind, bit 3 the encoding. What
 * decodes goes into a cluster's store as well, and is printed and marked from there. */
#include <stdlib.h>

#include "cluster/cluster.h"
#include "kube/decode.h"

static void use(struct sy_strings *strings, enum sy_storage_kind kind,
                const union sy_storage_object *object)
{
    struct sy_storage_identity identity = sy_storage_identity(kind, object);
    struct sy_cluster c;
    struct sy_buf out;

    sy_cluster_init(&c, strings);
    if (sy_storage_upsert(&c, kind, object) == 0) {
        uint32_t slot = sy_storage_find(&c, kind, identity.ns, identity.name);
        sy_buf_init(&out, 64 << 20);
        if (slot != SY_NO_OBJECT)
            (void)!sy_storage_dump(kind, c.storage.tables[kind].all.p[slot].object, strings, &out);
        sy_buf_done(&out);
        sy_storage_mark_all(&c);
        sy_storage_delete(&c, kind, identity.ns, identity.name);
    }
    sy_cluster_done(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t key[2] = {1, 2};
    union sy_storage_object object;
    struct sy_decode d;

    if (!size || (data[0] & 7) >= SY_STORAGE_KINDS)
        return 0;
    struct sy_str raw = {(const char *)data + 1, size - 1};
    enum sy_encoding enc = data[0] & 8 ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON;
    enum sy_storage_kind kind = (enum sy_storage_kind)(data[0] & 7);
    struct sy_strings *strings = sy_strings_new(key);
    sy_decode_init(&d, strings, 1 << 20);
    if (sy_decode_storage(&d, kind, enc, raw, &object, NULL) == 0)
        use(strings, kind, &object);
    sy_decode_done(&d);
    sy_strings_free(strings);
    return 0;
}
