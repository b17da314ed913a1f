/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeded randomness: the same run twice, the published algorithm, and even spread. */
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_determinism(void **state)
{
    struct sy_rng a, b, c;
    int same = 0;
    (void)state;

    sy_rng_seed(&a, 5);
    sy_rng_seed(&b, 5);
    sy_rng_seed(&c, 6);
    for (int i = 0; i < 1000; i++) {
        uint64_t x = sy_rng_u64(&a);
        assert_true(x == sy_rng_u64(&b));
        same += x == sy_rng_u64(&c);
    }
    assert_int_equal(same, 0);
}

/* xoshiro256** from the state {1, 2, 3, 4}, as its authors' code prints it. */
static void test_reference(void **state)
{
    static const uint64_t want[] = {11520U, 0U, 1509978240U, 1215971899390074240U};
    struct sy_rng r = {{1, 2, 3, 4}};
    (void)state;

    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_true(sy_rng_u64(&r) == want[i]);
}

static void test_below(void **state)
{
    static const uint64_t bounds[] = {
        1, 2, 3, 1000, UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1, UINT64_MAX};
    struct sy_rng r;
    (void)state;

    sy_rng_seed(&r, 1);
    assert_int_equal(sy_rng_below(&r, 0), 0);
    for (size_t b = 0; b < sizeof(bounds) / sizeof(bounds[0]); b++) {
        for (int i = 0; i < 2000; i++)
            assert_true(sy_rng_below(&r, bounds[b]) < bounds[b]);
    }
}

/* Chi-squared over 3/4 of the range of 2^64, where a plain remainder would favour the low third
 * two to one; and over 7 buckets. */
static void test_even_spread(void **state)
{
    enum { DRAWS = 60000 };
    struct sy_rng r;
    int low = 0, buckets[7] = {0};
    uint64_t n = UINT64_C(3) << 62;
    double chi = 0;
    (void)state;

    sy_rng_seed(&r, 2);
    for (int i = 0; i < DRAWS; i++)
        low += sy_rng_below(&r, n) < n / 3;
    /* 20000 expected, standard deviation 115: five of them */
    assert_true(low > 20000 - 577 && low < 20000 + 577);
    for (int i = 0; i < DRAWS; i++)
        buckets[sy_rng_below(&r, 7)]++;
    for (int i = 0; i < 7; i++) {
        double off = buckets[i] - DRAWS / 7.0;
        chi += off * off / (DRAWS / 7.0);
    }
    assert_true(chi < 27.9); /* 6 degrees of freedom, p = 0.0001 */
}

static void test_unit(void **state)
{
    struct sy_rng r;
    double sum = 0;
    (void)state;

    sy_rng_seed(&r, 3);
    for (int i = 0; i < 20000; i++) {
        double x = sy_rng_unit(&r);
        assert_true(x >= 0 && x < 1);
        sum += x;
    }
    assert_true(sum / 20000 > 0.49 && sum / 20000 < 0.51);
}

static void test_entropy(void **state)
{
    (void)state;
    assert_true(sy_rng_entropy() != sy_rng_entropy());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_determinism), cmocka_unit_test(test_reference),
        cmocka_unit_test(test_below),       cmocka_unit_test(test_even_spread),
        cmocka_unit_test(test_unit),        cmocka_unit_test(test_entropy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
