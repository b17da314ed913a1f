/* SPDX-License-Identifier: Apache-2.0
 *
 * The paths of the protobuf reader that are not inline. */
#include "kube/pb.h"

enum { FIELD_NUMBER_MAX = (1 << 29) - 1 };

int sy_pb_varint(const uint8_t *p, size_t len, uint64_t *ret)
{
    uint64_t value = 0;

    for (int i = 0; i < SY_PB_VARINT_MAX; i++) {
        if ((size_t)i == len)
            return 0;
        if (i == SY_PB_VARINT_MAX - 1 && p[i] > 1)
            return -1;
        value |= (uint64_t)(p[i] & 0x7f) << (7 * i);
        if (p[i] < 0x80) {
            *ret = value;
            return i + 1;
        }
    }
    return -1;
}

static bool varint(struct sy_pb *r, uint64_t *ret)
{
    int n = sy_pb_varint(r->p, (size_t)(r->end - r->p), ret);

    if (n <= 0)
        return false;
    r->p += n;
    return true;
}

static bool fixed(struct sy_pb *r, int bytes, uint64_t *ret)
{
    uint64_t value = 0;

    if (r->end - r->p < bytes)
        return false;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)r->p[i] << (8 * i);
    r->p += bytes;
    *ret = value;
    return true;
}

static bool read_field(struct sy_pb *r, struct sy_pb_field *ret)
{
    uint64_t tag;

    if (!varint(r, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
        return false;
    *ret = (struct sy_pb_field){.number = (uint32_t)(tag >> 3), .type = tag & 7};
    switch (ret->type) {
    case SY_PB_VARINT:
        return varint(r, &ret->value);
    case SY_PB_FIXED64:
        return fixed(r, 8, &ret->value);
    case SY_PB_FIXED32:
        return fixed(r, 4, &ret->value);
    case SY_PB_BYTES: {
        uint64_t len;
        if (!varint(r, &len) || len > (uint64_t)(r->end - r->p))
            return false;
        ret->bytes = (struct sy_str){(const char *)r->p, (size_t)len};
        r->p += len;
        return true;
    }
    default:
        return false;
    }
}

bool sy_pb_next_slow(struct sy_pb *r, struct sy_pb_field *ret)
{
    if (r->p == r->end)
        return false;
    if (read_field(r, ret))
        return true;
    r->bad = true;
    r->p = r->end;
    return false;
}
