/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include "base/str.h"

void sy_rng_seed(struct sy_rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15U;
        r->s[i] = sy_hash_u64(seed);
    }
}

static uint64_t rotl(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

uint64_t sy_rng_u64(struct sy_rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t sy_rng_below(struct sy_rng *r, uint64_t n)
{
    if (!n)
        return 0;
    uint64_t reject_below = -n % n; /* 2^64 mod n: makes the rest an exact multiple of n */
    uint64_t x;
    do {
        x = sy_rng_u64(r);
    } while (x < reject_below);
    return x % n;
}

double sy_rng_unit(struct sy_rng *r)
{
    return (double)(sy_rng_u64(r) >> 11) * 0x1.0p-53;
}
