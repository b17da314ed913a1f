/* SPDX-License-Identifier: Apache-2.0
 *
 * Histograms: which bucket a value falls in, and quantiles as PromQL interpolates them. */
#include "base/histogram.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void expect_near(double got, double want)
{
    if (fabs(got - want) > 1e-9)
        fail_msg("got %.12g, want %.12g", got, want);
}

static void test_buckets(void **state)
{
    struct sy_histogram h;
    (void)state;

    sy_histogram_init(&h, 1, 2, 4); /* 1 2 4 8 +Inf */
    assert_int_equal(h.bounds_len, 4);
    expect_near(h.bounds[3], 8);
    static const double values[] = {-1, 0, 1, 1.0001, 2, 3, 8, 8.1, 1e300, INFINITY};
    static const uint64_t want[] = {3, 2, 1, 1, 3};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        sy_histogram_add(&h, values[i]);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_int_equal(h.counts[i], want[i]);
    assert_int_equal(h.count, 10);
}

static void test_quantiles(void **state)
{
    struct sy_histogram h;
    (void)state;

    sy_histogram_init(&h, 10, 2, 3); /* 10 20 40 +Inf */
    expect_near(sy_histogram_quantile(&h, 0.5), 0);
    for (int i = 0; i < 4; i++)
        sy_histogram_add(&h, 15);
    expect_near(sy_histogram_quantile(&h, 0.5), 15);
    expect_near(sy_histogram_quantile(&h, 1), 20);
    for (int i = 0; i < 4; i++)
        sy_histogram_add(&h, 30);
    expect_near(sy_histogram_quantile(&h, 0.5), 20);
    expect_near(sy_histogram_quantile(&h, 0.75), 30);
    for (int i = 0; i < 92; i++)
        sy_histogram_add(&h, 1000);
    expect_near(sy_histogram_quantile(&h, 0.99), 40); /* beyond the last bound: that bound */
    expect_near(h.sum, 4 * 15 + 4 * 30 + 92 * 1000.0);
}

static void test_many_bounds_are_cut(void **state)
{
    struct sy_histogram h;
    (void)state;

    sy_histogram_init(&h, 1, 1.5, 1000);
    assert_int_equal(h.bounds_len, SY_HISTOGRAM_MAX_BOUNDS);
    sy_histogram_add(&h, 1e12);
    assert_int_equal(h.counts[SY_HISTOGRAM_MAX_BOUNDS], 1);
    sy_histogram_init(&h, 1, 2, 0);
    sy_histogram_add(&h, 5);
    assert_int_equal(h.counts[0], 1);
    expect_near(sy_histogram_quantile(&h, 0.5), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_many_bounds_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
