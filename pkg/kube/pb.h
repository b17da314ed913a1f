/* SPDX-License-Identifier: Apache-2.0
 *
 * A pull reader over the protobuf wire format: it walks the fields of one message and copies
 * nothing. Knows no schema; what the numbers mean is the caller's business. Source:
 * https://protobuf.dev/programming-guides/encoding/. */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sy_pb_type {
    SY_PB_VARINT = 0,
    SY_PB_FIXED64 = 1,
    SY_PB_BYTES = 2,
    SY_PB_FIXED32 = 5,
};

enum { SY_PB_VARINT_MAX = 10 };

struct sy_pb {
    const uint8_t *p;
    const uint8_t *end;
    bool bad; /* sticky: the message is malformed from here on */
};

struct sy_pb_field {
    uint32_t number;     /* 1 .. 2^29 - 1 */
    uint8_t type;        /* enum sy_pb_type */
    uint64_t value;      /* varint and fixed */
    struct sy_str bytes; /* SY_PB_BYTES: points into the message */
};

/* Decodes a varint of up to `len` bytes at p into *ret (written on success only). Returns how many
 * bytes it took, 0 when the input ends inside it, -1 when it does not fit in 64 bits. */
int sy_pb_varint(const uint8_t *p, size_t len, uint64_t *ret);

/* What sy_pb_next() does when its fast path does not apply. */
bool sy_pb_next_slow(struct sy_pb *r, struct sy_pb_field *ret);

static inline struct sy_pb sy_pb_of(struct sy_str message)
{
    const uint8_t *p = (const uint8_t *)message.p;

    return (struct sy_pb){.p = p, .end = message.len ? p + message.len : p};
}

/* The next field. False at the end or when the message is malformed (r->bad tells): a length past
 * the end, a varint over 64 bits, field number 0, a group, an unknown wire type. Cost: O(1) however
 * long the field is; no allocation. */
static inline bool sy_pb_next(struct sy_pb *r, struct sy_pb_field *ret)
{
    /* One-byte tag and length is what nearly all fields of API objects have. */
    if (r->end - r->p >= 2 && r->p[0] < 0x80 && (r->p[0] & 7) == SY_PB_BYTES && r->p[0] >= 8 &&
        r->p[1] < 0x80 && r->p[1] <= r->end - r->p - 2) {
        ret->number = r->p[0] >> 3;
        ret->type = SY_PB_BYTES;
        ret->value = 0;
        ret->bytes = (struct sy_str){(const char *)r->p + 2, r->p[1]};
        r->p += 2 + r->p[1];
        return true;
    }
    return sy_pb_next_slow(r, ret);
}
