/* SPDX-License-Identifier: Apache-2.0
 *
 * Traces played to the core: the order is drawn from the seed alone and tuned, runs repeat, cached
 * answers are fresh ones, and on a made-up cluster the policies are in the order that is known. */
#include "sim/gen.h"
#include "sim/published.h"
#include "sim/trace.h"
#include "sim/trace_policies.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NODES = 40, PODS = 400 };

static int make_trace(void **state)
{
    struct sy_openb *o = sy_xcalloc(1, sizeof(*o));
    struct sy_buf text;

    sy_buf_init(&text, 1 << 20);
    assert_int_equal(sy_gen_nodes(3, NODES, &text), 0);
    assert_int_equal(sy_openb_read_nodes(o, sy_buf_str(&text), "nodes", NULL), 0);
    sy_buf_reset(&text);
    assert_int_equal(sy_gen_pods(3, PODS, &text), 0);
    assert_int_equal(sy_openb_read_pods(o, sy_buf_str(&text), "pods", NULL), 0);
    sy_buf_done(&text);
    *state = o;
    return 0;
}

static int free_trace(void **state)
{
    sy_openb_done(*state);
    free(*state);
    return 0;
}

static int play(const struct sy_openb *trace, const char *policy, uint64_t seed, bool exact,
                uint32_t departures, struct sy_trace_result *ret, struct sy_err *err)
{
    struct sy_trace_policy p;

    assert_int_equal(sy_trace_policy(policy, &p, NULL), 0);
    struct sy_trace_options o = {.trace = trace,
                                 .profile = &p.profile,
                                 .knows_targets = p.knows_targets,
                                 .seed = seed,
                                 .tune = departures ? 0.9 : 1.3,
                                 .departures = departures,
                                 .exact = exact};
    return sy_trace_run(&o, ret, err);
}

static void must_play(const struct sy_openb *trace, const char *policy, uint64_t seed, bool exact,
                      uint32_t departures, struct sy_trace_result *ret)
{
    struct sy_err err = {0};

    if (play(trace, policy, seed, exact, departures, ret, &err) < 0)
        fail_msg("%s: %s", policy, err.msg);
}

static int64_t asked(const struct sy_openb *trace, const struct sy_trace_order *order)
{
    int64_t sum = 0;

    for (size_t i = 0; i < order->pods.len; i++)
        sum += sy_openb_pod_milli(&trace->pods.p[order->pods.p[i]]);
    return sum;
}

static void test_order_is_tuned(void **state)
{
    const struct sy_openb *trace = *state;
    int64_t capacity = sy_openb_capacity_milli(trace);
    struct sy_trace_order order, same, other;

    for (double tune = 0.5; tune < 1.9; tune += 0.4) {
        sy_trace_order(trace, capacity, tune, 42, &order);
        /* One pod over at most, or one short. */
        assert_true((double)asked(trace, &order) <= tune * (double)capacity + 8000);
        assert_true((double)asked(trace, &order) >= tune * (double)capacity - 8000);
        sy_vec_done(&order.pods);
    }
    sy_trace_order(trace, capacity, 1.3, 42, &order);
    sy_trace_order(trace, capacity, 1.3, 42, &same);
    sy_trace_order(trace, capacity, 1.3, 43, &other);
    assert_int_equal(order.pods.len, same.pods.len);
    assert_memory_equal(order.pods.p, same.pods.p, same.pods.len * sizeof(*same.pods.p));
    assert_true(other.pods.len != order.pods.len ||
                memcmp(order.pods.p, other.pods.p, order.pods.len * sizeof(*order.pods.p)) != 0);
    sy_vec_done(&order.pods);
    sy_vec_done(&same.pods);
    sy_vec_done(&other.pods);
}

static void test_runs_repeat_and_are_exact(void **state)
{
    static const char *const POLICIES[] = {"Random",  "DotProd", "GpuClustering", "GpuPacking",
                                           "BestFit", "FGD",     "steelyard"};
    struct sy_trace_result a, b;

    for (size_t i = 0; i < SY_ARRAY_LEN(POLICIES); i++) {
        must_play(*state, POLICIES[i], 42, true, 0, &a);
        must_play(*state, POLICIES[i], 42, false, 0, &b);
        assert_memory_equal(a.allocated, b.allocated, sizeof(a.allocated));
        assert_int_equal(a.placed, b.placed);
        assert_true(a.placed > 0 && a.placed < a.pods);
        assert_true(sy_trace_at(&a, 50) > 40 && sy_trace_at(&a, 50) < 51);
        assert_true(sy_trace_at(&a, 130) <= 100);
    }
}

static void test_policies_are_in_the_known_order(void **state)
{
    double random = 0, fgd = 0, ours = 0;

    for (uint64_t seed = 42; seed < 46; seed++) {
        struct sy_trace_result r;
        must_play(*state, "Random", seed, false, 0, &r);
        random += sy_trace_at(&r, 100);
        must_play(*state, "FGD", seed, false, 0, &r);
        fgd += sy_trace_at(&r, 100);
        must_play(*state, "steelyard", seed, false, 0, &r);
        ours += sy_trace_at(&r, 100);
    }
    assert_true(fgd > random + 4 * 2);
    assert_true(ours > random + 4 * 2);
}

static void test_departures(void **state)
{
    struct sy_trace_result a, b;

    must_play(*state, "steelyard", 7, true, 1500, &a);
    must_play(*state, "steelyard", 7, false, 1500, &b);
    assert_true(a.mean_allocated == b.mean_allocated);
    assert_true(a.mean_allocated > 50 && a.mean_allocated <= 100);
    assert_true(a.refused_milli >= 0 && a.refused_milli < 50);
}

static void test_what_can_not_be_played_says_why(void **state)
{
    struct sy_openb empty = {0}, no_times = {0};
    const struct sy_openb *trace = *state;
    struct sy_trace_result r;
    struct sy_err err = {0};

    assert_int_equal(play(&empty, "FGD", 1, false, 0, &r, &err), -EINVAL);
    assert_string_equal(err.msg, "no node has GPUs");
    assert_int_equal(
        sy_openb_read_nodes(&no_times, SY_STR("sn,cpu_milli,memory_mib,gpu\nn,1,1,1\n"), "n", NULL),
        0);
    assert_int_equal(play(&no_times, "FGD", 1, false, 0, &r, &err), -EINVAL);
    assert_string_equal(err.msg, "there are no pods");
    assert_int_equal(
        sy_openb_read_pods(&no_times,
                           SY_STR("name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,1,1,500\n"),
                           "p", NULL),
        0);
    assert_int_equal(play(&no_times, "FGD", 1, false, 10, &r, &err), -EINVAL);
    assert_string_equal(err.msg, "the list has no pods with GPUs and times of their ends");
    sy_openb_done(&no_times);
    struct sy_trace_policy p;
    assert_int_equal(sy_trace_policy("nope", &p, &err), -EINVAL);
    assert_int_equal(sy_trace_policy("FGD", &p, NULL), 0);
    assert_int_equal(
        sy_trace_run(&(struct sy_trace_options){.trace = trace, .profile = &p.profile, .tune = 3},
                     &r, &err),
        -EINVAL);
}

static void test_published(void **state SY_UNUSED)
{
    static const char TEXT[] =
        "metric,workload,policy,runs,mean_50,mean_80,mean_90,mean_95,mean_100,mean_110,mean_120,"
        "mean_130\nfrag_pct_of_idle,openb_pod_list_x,06-FGD,10,1,1,1,1,1,1,1,1\n"
        "alloc_pct,openb_pod_list_x,06-FGD,10,50,80,90,94.5,95,95.1,95.2,95.3\n";
    struct sy_published p = {0};
    struct sy_err err = {0};
    char name[32];

    assert_int_equal(sy_published_read(&p, sy_str_from(TEXT), "s.csv", NULL), 0);
    assert_int_equal(p.rows.len, 1);
    assert_true(sy_published_find(&p, "x", "FGD")->allocated[3] == 94.5);
    assert_null(sy_published_find(&p, "x", "BestFit"));
    sy_vec_done(&p.rows);
    assert_int_equal(sy_published_read(&p, SY_STR("metric,workload\n"), "s.csv", &err), -EINVAL);
    assert_string_equal(err.msg, "s.csv: the header has no column \"policy\"");
    sy_published_trace_name("/a/openb_pod_list_cpu050.csv", name, sizeof(name));
    assert_string_equal(name, "cpu050");
    sy_published_trace_name("other.txt", name, sizeof(name));
    assert_string_equal(name, "other.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_is_tuned),
        cmocka_unit_test(test_runs_repeat_and_are_exact),
        cmocka_unit_test(test_policies_are_in_the_known_order),
        cmocka_unit_test(test_departures),
        cmocka_unit_test(test_what_can_not_be_played_says_why),
        cmocka_unit_test(test_published),
    };
    return cmocka_run_group_tests(tests, make_trace, free_trace);
}
