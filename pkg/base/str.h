/* SPDX-License-Identifier: Apache-2.0
 *
 * struct sy_str: pointer and length, passed by value, not NUL-terminated. What a peer sent stays in
 * this form until it is interned or copied, so nothing ever runs strlen over the wire's bytes. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sy_str {
    const char *p; /* may be NULL when len is 0 */
    size_t len;
};

#define SY_STR(literal) ((struct sy_str){(literal), sizeof(literal) - 1})
#define SY_STR_FMT      "%.*s"
#define SY_STR_ARG(s)   (int)((s).len > 4096 ? 4096 : (s).len), ((s).p ? (s).p : "")

static inline struct sy_str sy_str_from(const char *z)
{
    return (struct sy_str){z, z ? strlen(z) : 0};
}

static inline bool sy_str_eq(struct sy_str a, struct sy_str b)
{
    return a.len == b.len && (!a.len || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool sy_str_eqz(struct sy_str a, const char *z)
{
    return sy_str_eq(a, sy_str_from(z));
}

/* Byte order, as Go compares strings: <0, 0, >0. */
int sy_str_cmp(struct sy_str a, struct sy_str b);
bool sy_str_starts(struct sy_str s, struct sy_str prefix);

/* Strict decimal, no sign for u64, optional '-' for i64, whole string. Returns 0, -EINVAL or
 * -ERANGE; *ret_value only written on success. */
int sy_str_u64(struct sy_str s, uint64_t *ret_value) SY_NODISCARD;
int sy_str_i64(struct sy_str s, int64_t *ret_value) SY_NODISCARD;

/* SipHash-2-4 with a 128-bit result. key: 16 bytes; a random key makes collisions unreachable for a
 * peer, a fixed one makes simulations repeatable. ret: 2 words. Cost ~1.5 cycles/byte. */
void sy_siphash128(const void *data, size_t len, const uint64_t key[2], uint64_t ret[2]);

/* 64-bit finaliser for integer keys (splitmix64). */
static inline uint64_t sy_hash_u64(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9U;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}
