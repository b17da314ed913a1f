/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/weights.h"

#include "core.h"
#include "sched/learn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void close_to(double a, double b, double within)
{
    if (fabs(a - b) > within)
        fail_msg("%.9f is not %.9f", a, b);
}

/* The worked example. The article that has it prints 48.15 % over a denominator of 2.6. */
static void test_shares_of_demand(void **state)
{
    static const double LOADS[] = {0.4, 0.6, 0.5, 0.3, 0.4};
    static const double SHARES[] = {18.18, 27.27, 22.73, 13.64, 18.18};
    double shares[5], sum = 0;

    (void)state;
    sy_allocation_shares(LOADS, 5, 100, shares);
    for (size_t i = 0; i < 5; i++) {
        close_to(shares[i], SHARES[i], 0.005);
        sum += shares[i];
    }
    close_to(sum, 100, 1e-9);
    sy_allocation_shares((const double[]){0, 0}, 2, 100, shares);
    close_to(shares[0] + shares[1], 0, 0);
}

/* 1 - (1 - 0.01)^24 is 21.4 %; the article prints 0.38 %. */
static void test_failure_of_any_of_many(void **state)
{
    (void)state;
    close_to(sy_failure_probability(0), 0.01, 1e-12);
    close_to(sy_failure_probability_any(0.01, 24), 0.2143, 0.00005);
    close_to(sy_failure_probability_any(0.01, 0), 0, 0);
    close_to(sy_failure_probability_any(1, 3), 1, 0);
}

static void test_factors_of_a_node(void **state)
{
    struct core k;
    struct sy_cluster c;
    struct sy_node_weight w;
    uint32_t slot, change;

    (void)state;
    core_init(&k);
    sy_cluster_init(&c, k.strings);
    struct sy_node large = core_node(&k, "large", 8000, 8192, 0);
    struct sy_node small = core_node(&k, "small", 2000, 4096, 0);
    assert_int_equal(sy_cluster_node_upsert(&c, &large, &slot, &change), 0);
    assert_int_equal(sy_cluster_node_upsert(&c, &small, &slot, &change), 0);
    struct sy_pod pod = core_pod(&k, "p", 1000, 1024, 0);
    pod.node = small.name;
    uint32_t pod_slot;
    assert_int_equal(sy_cluster_pod_upsert(&c, &pod, &pod_slot, &change), 0);
    sy_cluster_set_factors(&c, slot, 0.5F, 0.75F);
    sy_node_weight(&c, NULL, slot, &w);
    close_to(w.capacity, (0.25 + 0.5) / 2, 1e-9);
    close_to(w.performance, 0.5, 0);
    close_to(w.reliability, 0.75, 0);
    close_to(w.headroom, 0.5, 1e-9); /* of cpu; three quarters of the memory are free */
    close_to(w.weight, w.capacity * 0.5 * w.headroom * 0.75, 1e-9);

    struct sy_utilization_term terms[8];
    assert_int_equal(sy_node_utilization(&c, slot, terms, 8), 2);
    close_to(terms[0].used, 0.5, 1e-9);
    close_to(terms[1].used, 0.25, 1e-9);
    assert_int_equal(terms[0].metric, SY_LOAD_CPU);
    assert_false(terms[0].has_load);
    assert_int_equal(sy_node_utilization(&c, slot, NULL, 0), 2);
    sy_cluster_done(&c);
    core_done(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_of_demand),
        cmocka_unit_test(test_failure_of_any_of_many),
        cmocka_unit_test(test_factors_of_a_node),
    };

    return cmocka_run_group_tests_name("models", tests, NULL, NULL);
}
