/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <errno.h>

int sy_str_cmp(struct sy_str a, struct sy_str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.p, b.p, shorter) : 0;

    if (order)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool sy_str_starts(struct sy_str s, struct sy_str prefix)
{
    return s.len >= prefix.len && (!prefix.len || memcmp(s.p, prefix.p, prefix.len) == 0);
}

int sy_str_u64(struct sy_str s, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (!s.len)
        return -EINVAL;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -EINVAL;
        if (sy_mul_overflow(value, 10U, &value) ||
            sy_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
            return -ERANGE;
    }
    *ret_value = value;
    return 0;
}

int sy_str_i64(struct sy_str s, int64_t *ret_value)
{
    bool negative = s.len && s.p[0] == '-';
    uint64_t magnitude;

    if (negative) {
        s.p++;
        s.len--;
    }
    int r = sy_str_u64(s, &magnitude);
    if (r < 0)
        return r;
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return -ERANGE;
    *ret_value = negative ? (int64_t)(0U - magnitude) : (int64_t)magnitude;
    return 0;
}

static inline uint64_t rotl(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

void sy_siphash128(const void *data, size_t len, const uint64_t key[2], uint64_t ret[2])
{
    const unsigned char *p = data;
    uint64_t v[4] = {
        0x736f6d6570736575U ^ key[0],
        0x646f72616e646f6dU ^ key[1] ^ 0xee,
        0x6c7967656e657261U ^ key[0],
        0x7465646279746573U ^ key[1],
    };
    uint64_t word;
    size_t left = len;

    for (; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)len << 56;
    for (size_t i = 0; i < left; i++)
        word |= (uint64_t)p[i] << (8 * i);
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xee;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    ret[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    ret[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}
