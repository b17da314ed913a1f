/* SPDX-License-Identifier: Apache-2.0
 *
 * Traces played to the core: the order is drawn from the seed alone and tuned, runs repeat, cached
 * answers are fresh ones, and on a made-up cluster the policies are in the order that is known. */
#include "sim/gen.h"
#include "sim/published.h"
#include "sim/trace.h"
#include "sim/trace_policies.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NODES = 40, PODS = 400 };

static void close_to(double a, double b, double within)
{
    if (!(fabs(a - b) <= within))
        fail_msg("%.9f is not %.9f", a, b);
}

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

    for (size_t i = 0; i < order->units.len; i++)
        sum += trace->units.p[order->units.p[i]].milli;
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
        sy_vec_done(&order.units);
    }
    sy_trace_order(trace, capacity, 1.3, 42, &order);
    sy_trace_order(trace, capacity, 1.3, 42, &same);
    sy_trace_order(trace, capacity, 1.3, 43, &other);
    assert_int_equal(order.units.len, same.units.len);
    assert_memory_equal(order.units.p, same.units.p, same.units.len * sizeof(*same.units.p));
    assert_true(other.units.len != order.units.len ||
                memcmp(order.units.p, other.units.p, order.units.len * sizeof(*order.units.p)) !=
                    0);
    sy_vec_done(&order.units);
    sy_vec_done(&same.units);
    sy_vec_done(&other.units);
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
    assert_string_equal(err.msg, "there are no nodes");
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

/* -- gangs, and pods that wait -- */

/* Two nodes of two GPUs. */
static void read_small(struct sy_openb *o, const char *pods)
{
    struct sy_err err = {0};

    assert_int_equal(sy_openb_read_nodes(o,
                                         SY_STR("sn,cpu_milli,memory_mib,gpu\nm,8000,8192,2\n"
                                                "n,8000,8192,2\n"),
                                         "n", NULL),
                     0);
    if (sy_openb_read_pods(o, sy_str_from(pods), "p", &err) < 0)
        fail_msg("%s", err.msg);
}

static void run_small(const struct sy_openb *o, struct sy_trace_options options,
                      struct sy_trace_result *ret)
{
    struct sy_trace_policy p;
    struct sy_err err = {0};

    assert_int_equal(sy_trace_policy("steelyard", &p, NULL), 0);
    options.trace = o;
    options.profile = &p.profile;
    options.exact = true;
    options.seed = 1;
    if (sy_trace_run(&options, ret, &err) < 0)
        fail_msg("%s", err.msg);
}

#define COLUMNS                                                                                    \
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gang,gang_min,creation_time,deletion_time\n"

static void test_a_gang_is_placed_whole_or_dropped(void **state SY_UNUSED)
{
    static const struct {
        const char *pods;
        uint64_t placed;
    } CASES[] = {
        {COLUMNS "a,1,1,2,1000,g,\nb,1,1,2,1000,g,\n", 2},
        {COLUMNS "a,1,1,2,1000,g,\nb,1,1,2,1000,g,\nc,1,1,1,500,g,\n", 0},
        {COLUMNS "a,1,1,2,1000,g,1\nb,1,1,2,1000,g,\nc,1,1,2,1000,g,\n", 2},
    };
    struct sy_trace_result r;

    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        struct sy_openb o = {0};
        read_small(&o, CASES[i].pods);
        /* Tuned to what it has: no copies. */
        double tune = (double)o.units.p[0].milli / (double)sy_openb_capacity_milli(&o);
        run_small(&o, (struct sy_trace_options){.tune = tune}, &r);
        assert_int_equal(r.placed, CASES[i].placed);
        assert_int_equal(r.pods, o.pods.len);
        sy_openb_done(&o);
    }
}

static void test_as_listed(void **state SY_UNUSED)
{
    struct sy_openb o = {0};
    struct sy_trace_result r;

    /* At 100 s one GPU of each node is taken, until 200 and 300: the gang of two whole nodes, which
     * comes at 150, starts at 300; what comes at 160 and fits beside it in between does not wait;
     * and one is too large for any node. */
    read_small(&o, COLUMNS "a,5000,1,1,1000,,,100,200\nb,5000,1,1,1000,,,100,300\n"
                           "c,1000,1,2,1000,g,,150,250\nd,1000,1,2,1000,g,,150,250\n"
                           "e,1000,1,1,500,,,160,170\nf,1000,1,3,1000,,,170,180\n");
    run_small(&o, (struct sy_trace_options){.is_listed = true}, &r);
    assert_int_equal(r.pods, 6);
    assert_int_equal(r.placed, 5);
    assert_int_equal(r.singles.units, 4);
    assert_int_equal(r.singles.never, 1);
    close_to(r.singles.p50_s, 0, 0.01);
    assert_int_equal(r.gangs.units, 1);
    assert_int_equal(r.gangs.never, 0);
    close_to(r.gangs.most_s, 150, 0.01);
    close_to(r.lasted_s, 300, 0.01); /* the first comes at 0 */
    /* GPU seconds over 4 GPUs and 300 s. */
    close_to(r.mean_allocated, 100 * (100 + 200 + 4 * 100 + 0.5 * 10) / (4 * 300.0), 0.01);
    close_to(r.mean_cpu, 100 * (500 + 1000 + 2 * 100 + 10) / (16 * 300.0), 0.01);
    sy_openb_done(&o);
}

/* All at once and for good: what is allocated is that of the end. */
static void test_listed_without_times(void **state SY_UNUSED)
{
    struct sy_openb o = {0};
    struct sy_trace_result r;

    read_small(&o, COLUMNS "a,1000,1,1,1000\nb,1000,1,2,1000\nc,1000,1,2,1000\n");
    run_small(&o, (struct sy_trace_options){.is_listed = true}, &r);
    assert_int_equal(r.placed, 2);
    assert_int_equal(r.singles.never, 1);
    close_to(r.mean_allocated, 75, 0.001);
    close_to(r.mean_cpu, 12.5, 0.001);
    close_to(r.lasted_s, 0, 0.001);
    sy_openb_done(&o);
}

static void test_waiting_with_departures(void **state)
{
    const struct sy_openb *trace = *state;
    struct sy_trace_policy p;
    struct sy_trace_result a, b;
    struct sy_trace_options o = {.trace = trace,
                                 .profile = &p.profile,
                                 .seed = 3,
                                 .tune = 1.1,
                                 .departures = 1500,
                                 .waits = true};

    assert_int_equal(sy_trace_policy("steelyard", &p, NULL), 0);
    assert_int_equal(sy_trace_run(&o, &a, NULL), 0);
    o.exact = true;
    assert_int_equal(sy_trace_run(&o, &b, NULL), 0);
    assert_true(a.mean_allocated == b.mean_allocated && a.singles.mean_s == b.singles.mean_s);
    assert_int_equal(a.singles.units, 1500);
    assert_true(a.singles.never > 0 && a.singles.never < 1500);
    assert_true(a.singles.p50_s <= a.singles.p99_s && a.singles.p99_s <= a.singles.most_s);
    assert_true(a.mean_allocated > 80 && a.mean_allocated <= 100);
    assert_int_equal(a.refused_milli, 0);
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
        cmocka_unit_test(test_a_gang_is_placed_whole_or_dropped),
        cmocka_unit_test(test_as_listed),
        cmocka_unit_test(test_listed_without_times),
        cmocka_unit_test(test_waiting_with_departures),
    };
    return cmocka_run_group_tests(tests, make_trace, free_trace);
}
