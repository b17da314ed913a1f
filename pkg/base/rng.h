/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeded randomness (xoshiro256**), passed as an argument so that a run replays exactly. Not for
 * secrets. */
#pragma once

#include <stdint.h>

struct sy_rng {
    uint64_t s[4];
};

void sy_rng_seed(struct sy_rng *r, uint64_t seed);
uint64_t sy_rng_u64(struct sy_rng *r);
/* Uniform in [0, n); 0 when n is 0. */
uint64_t sy_rng_below(struct sy_rng *r, uint64_t n);
/* Uniform in [0, 1). */
double sy_rng_unit(struct sy_rng *r);
/* A seed from the kernel, for the daemon. */
uint64_t sy_rng_entropy(void);
