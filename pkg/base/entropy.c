/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's randomness and nothing else: tests/simulation links its own in place of this file.
 */
#include "base/rng.h"

#include "base/clock.h"
#include "base/str.h"

#include <sys/random.h>

uint64_t sy_rng_entropy(void)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof(seed), 0) != (long)sizeof(seed))
        seed = sy_hash_u64((uint64_t)sy_clock_wall_ns()); /* only spreads load; never a secret */
    return seed;
}
