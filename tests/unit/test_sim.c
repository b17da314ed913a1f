/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim.h"

#include "sim/policies.h"
#include "sim/report.h"
#include "sim/world.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void close_to(double a, double b, double within)
{
    if (!(fabs(a - b) <= within))
        fail_msg("%.9f is not %.9f", a, b);
}

/* -- the engine -- */

struct notes {
    struct sy_sim *sim;
    uint32_t said[16];
    sy_time_ns at[16];
    size_t len;
};

static void note(void *arg, uint32_t a, uint32_t b)
{
    struct notes *n = arg;

    (void)b;
    n->said[n->len] = a;
    n->at[n->len++] = sy_sim_now(n->sim);
}

static void nothing(void *arg, uint32_t a, uint32_t b)
{
    (void)arg, (void)a, (void)b;
}

static void test_events_in_order(void **state)
{
    struct sy_profile profile;
    struct notes n = {0};

    (void)state;
    sy_profile_default(&profile, SY_SIM_SCHEDULER);
    n.sim = sy_sim_new(&(struct sy_sim_options){.profile = &profile, .bound = nothing});
    for (uint32_t i = 0; i < 8; i++) /* 70, 60, ... 0 ms */
        sy_sim_at(n.sim, (7 - i) * 10 * SY_NS_PER_MS, note, &n, 7 - i, 0);
    sy_sim_at(n.sim, 30 * SY_NS_PER_MS, note, &n, 30, 0); /* after the other of that time */
    sy_sim_run(n.sim, 60 * SY_NS_PER_MS);
    static const uint32_t WANT[] = {0, 1, 2, 3, 30, 4, 5, 6};
    assert_int_equal(n.len, SY_ARRAY_LEN(WANT));
    for (size_t i = 0; i < n.len; i++) {
        assert_int_equal(n.said[i], WANT[i]);
        assert_int_equal(n.at[i], (WANT[i] == 30 ? 3 : WANT[i]) * 10 * SY_NS_PER_MS);
    }
    assert_int_equal(sy_sim_now(n.sim), 60 * SY_NS_PER_MS);
    sy_sim_at(n.sim, 0, note, &n, 99, 0); /* that time has passed: now */
    sy_sim_run(n.sim, 60 * SY_NS_PER_MS);
    assert_int_equal(n.said[n.len - 1], 99);
    assert_int_equal(n.at[n.len - 1], 60 * SY_NS_PER_MS);
    sy_sim_free(n.sim);
}

static void test_binds_pods_once_there_is_room(void **state)
{
    struct sy_profile profile;
    struct notes n = {0};
    char text[256];
    const struct sy_sim_room two = {.cpu_milli = 2000, .memory_bytes = 1 << 30};

    (void)state;
    sy_profile_default(&profile, SY_SIM_SCHEDULER);
    n.sim = sy_sim_new(&(struct sy_sim_options){
        .profile = &profile, .bind_ns = SY_NS_PER_S, .exact = true, .bound = note, .arg = &n});
    sy_sim_node_add(n.sim, two, 10);
    for (int i = 0; i < 3; i++)
        sy_sim_pod_add(
            n.sim, (struct sy_sim_ask){.requests = {.cpu_milli = 1000, .memory_bytes = 1 << 20}});
    sy_sim_run(n.sim, 10 * SY_NS_PER_S);
    assert_int_equal(n.len, 2); /* the third waits */
    assert_int_equal(n.at[0], SY_NS_PER_S);
    sy_sim_pod_running(n.sim, 0);
    sy_sim_pod_delete(n.sim, 0);
    sy_sim_run(n.sim, 20 * SY_NS_PER_S);
    assert_int_equal(n.len, 3);
    assert_int_equal(n.said[2], 2);
    assert_null(sy_sim_audit(n.sim, text, sizeof(text)));
    sy_sim_node_ready(n.sim, 0, false);
    sy_sim_pod_delete(n.sim, 1);
    sy_sim_pod_add(n.sim,
                   (struct sy_sim_ask){.requests = {.cpu_milli = 1000, .memory_bytes = 1 << 20}});
    sy_sim_run(n.sim, 100 * SY_NS_PER_S);
    assert_int_equal(n.len, 3); /* not on a node that is not ready */
    sy_sim_node_ready(n.sim, 0, true);
    sy_sim_run(n.sim, 200 * SY_NS_PER_S);
    assert_int_equal(n.len, 4);
    struct sy_sim_faults f = sy_sim_faults(n.sim);
    assert_int_equal(
        f.bound_twice + f.overcommitted + f.bound_not_ready + f.refused + f.exact_differences, 0);
    sy_sim_free(n.sim);
}

/* -- the world -- */

static struct sy_world_options small_world(const char *scenario, const struct sy_profile *profile,
                                           uint64_t seed)
{
    const struct sy_scenario *s = sy_scenario_find(scenario);

    assert_non_null(s);
    return (struct sy_world_options){.scenario = *s,
                                     .profile = profile,
                                     .seed = seed,
                                     .nodes = 10,
                                     .hours = 1,
                                     .warmup_hours = 0.5,
                                     .is_measured = true,
                                     .exact = true};
}

static void policy(const char *name, struct sy_profile *p)
{
    struct sy_err err = {0};

    if (sy_sim_policy(name, p, &err) < 0)
        fail_msg("%s", err.msg);
}

static char *run_to_json(uint64_t seed)
{
    static const char *const NAME = "DynamicWeight";
    struct sy_profile p;
    struct sy_figures f;
    struct sy_buf out;
    struct sy_err err = {0};

    policy(NAME, &p);
    struct sy_world_options o = small_world("balance", &p, seed);
    if (sy_world_run(&o, &f, &err) < 0)
        fail_msg("%s", err.msg);
    struct sy_comparison c = {.scenario = o.scenario,
                              .nodes = o.nodes,
                              .hours = o.hours,
                              .warmup_hours = o.warmup_hours,
                              .policies = &NAME,
                              .policies_len = 1,
                              .seeds = &(uint64_t){7},
                              .seeds_len = 1,
                              .figures = &f};
    sy_buf_init(&out, 1 << 20);
    assert_int_equal(sy_compare_json(&c, &out), 0);
    assert_int_equal(sy_report_html(&c, &out), 0);
    sy_figures_done(&f);
    return sy_buf_take(&out);
}

static void test_same_seed_same_bytes(void **state)
{
    char *a = run_to_json(3), *b = run_to_json(3), *other = run_to_json(4);

    (void)state;
    assert_string_equal(a, b);
    assert_string_not_equal(a, other);
    free(a);
    free(b);
    free(other);
}

/* No overcommit, no pod bound twice, cached answers exact, state equal to a rebuilt one: the run
 * fails where one does not hold. */
static void test_invariants_in_each_scenario(void **state)
{
    static const char *const POLICIES[] = {"DynamicWeight", "MostAllocated", "kube", "default"};

    (void)state;
    for (uint32_t i = 0; sy_scenario_at(i); i++) {
        struct sy_profile p;
        struct sy_figures f;
        struct sy_err err = {0};
        policy(POLICIES[i % SY_ARRAY_LEN(POLICIES)], &p);
        struct sy_world_options o = small_world(sy_scenario_at(i)->name, &p, 40 + i);
        o.scenario.load = 1.2; /* more than there is room for */
        if (sy_world_run(&o, &f, &err) < 0)
            fail_msg("%s: %s", o.scenario.name, err.msg);
        assert_true(f.pods > 100);
        assert_true(f.value[SY_MEASURE_COMPLETED] > 50);
        assert_true(f.value[SY_MEASURE_REQUESTED] > 50 && f.value[SY_MEASURE_REQUESTED] <= 100);
        assert_true(f.value[SY_MEASURE_WAIT_P99] > f.value[SY_MEASURE_WAIT_P50]);
        sy_figures_done(&f);
    }
}

static void without_filter(struct sy_profile *p, const char *name)
{
    for (uint32_t i = 0; i < p->filters_len; i++) {
        if (strcmp(p->filters[i]->name, name) == 0)
            p->filters[i] = p->filters[--p->filters_len];
    }
}

static void fails_without(const char *filter, const char *message)
{
    struct sy_profile p;
    struct sy_figures f;
    struct sy_err err = {0};

    policy("MostAllocated", &p);
    without_filter(&p, filter);
    struct sy_world_options o = small_world("flaky", &p, 5);
    o.scenario.load = 1.5;
    o.scenario.flaky = 1;
    o.hours = 8;
    o.exact = false;
    assert_int_equal(sy_world_run(&o, &f, &err), -EPROTO);
    if (!strstr(err.msg, message))
        fail_msg("\"%s\" is not in \"%s\"", message, err.msg);
}

/* That the checks find what they are for. */
static void test_a_broken_policy_is_caught(void **state)
{
    (void)state;
    fails_without("NodeResourcesFit", "m in the ledger");
    fails_without("TaintToleration", " 0 overcommitted, ");
}

static bool stop_at_once(void *arg, double done)
{
    double *seen = arg;

    *seen = done;
    return true;
}

static void test_options_and_stopping(void **state)
{
    struct sy_profile p;
    struct sy_figures f;
    struct sy_err err = {0};
    double seen = 0;

    (void)state;
    policy("default", &p);
    struct sy_world_options o = small_world("even", &p, 1);
    o.nodes = 0;
    assert_int_equal(sy_world_run(&o, &f, &err), -EINVAL);
    o.nodes = 3;
    o.hours = -1;
    assert_int_equal(sy_world_run(&o, &f, &err), -EINVAL);
    o.hours = NAN;
    assert_int_equal(sy_world_run(&o, &f, &err), -EINVAL);
    o.hours = 1;
    o.scenario.load = 0;
    assert_int_equal(sy_world_run(&o, &f, &err), -EINVAL);
    o.scenario.load = 0.5;
    o.progress = stop_at_once;
    o.arg = &seen;
    assert_int_equal(sy_world_run(&o, &f, &err), -ECANCELED);
    close_to(seen, 60 / 5400.0, 1e-9);
}

/* -- measures, comparisons and what is written -- */

static void test_measures_by_hand(void **state)
{
    const sy_time_ns minute = 60 * SY_NS_PER_S;
    const struct sy_gauge_node nodes[] = {
        {.cpu = 1.2, .memory = 0.5, .requested_cpu_milli = 800, .cpu_milli = 1000, .running = 3},
        {.cpu = 0.4, .memory = 1.5, .requested_cpu_milli = 400, .cpu_milli = 3000, .running = 1},
        {.cpu = 0.2, .memory = 0.2, .requested_cpu_milli = 0, .cpu_milli = 0, .running = 4},
    };
    struct sy_gauge g = {.from = minute};

    (void)state;
    sy_gauge_look(&g, nodes, 3, minute, minute); /* still the warm-up */
    sy_gauge_look(&g, nodes, 3, minute, 2 * minute);
    sy_gauge_look(&g, nodes, 3, minute, 3 * minute);
    sy_gauge_wait(&g, 0, 2 * minute);
    for (int i = 0; i <= 100; i++)
        sy_gauge_wait(&g, minute, minute + (100 - i) * SY_NS_PER_S);
    sy_gauge_hit(&g, 2 * minute);
    sy_gauge_recovery(&g, 2 * minute, 4 * minute);
    sy_gauge_completed(&g, 0);
    sy_gauge_completed(&g, 2 * minute);
    struct sy_figures f = sy_gauge_finish(&g);
    close_to(f.value[SY_MEASURE_SPREAD_SD], 100 * sqrt((0.36 + 0.04 + 0.16) / 3), 1e-9);
    close_to(f.value[SY_MEASURE_SPREAD_RANGE], 100, 1e-9);
    close_to(f.value[SY_MEASURE_OVERLOAD], 4, 1e-9);
    close_to(f.value[SY_MEASURE_OVERLOAD_CPU], 2, 1e-9);
    close_to(f.value[SY_MEASURE_OVERLOAD_MEMORY], 2, 1e-9);
    close_to(f.value[SY_MEASURE_SLOWED], 50, 1e-9);
    close_to(f.value[SY_MEASURE_USE], 60, 1e-9);
    close_to(f.value[SY_MEASURE_REQUESTED], 30, 1e-9);
    close_to(f.value[SY_MEASURE_WAIT_MEAN], 50, 1e-9);
    close_to(f.value[SY_MEASURE_WAIT_P50], 50, 1e-9);
    close_to(f.value[SY_MEASURE_WAIT_P99], 99, 1e-9);
    close_to(f.value[SY_MEASURE_HITS], 1, 0);
    close_to(f.value[SY_MEASURE_RECOVERY], 120, 1e-9);
    close_to(f.value[SY_MEASURE_COMPLETED], 1, 0);
    assert_int_equal(f.pods, 101);
    assert_int_equal(f.spread.len, 1);
    close_to((double)f.overloaded.p[0], 2.0 / 3, 1e-6);
    sy_figures_done(&f);
}

static void test_pairs_seeds(void **state)
{
    static const char *const NAMES[] = {"a", "b<&\"'>"};
    struct sy_figures figures[] = {
        {.value = {[SY_MEASURE_OVERLOAD] = 1}}, {.value = {[SY_MEASURE_OVERLOAD] = 3}},
        {.value = {[SY_MEASURE_OVERLOAD] = 5}}, {.value = {[SY_MEASURE_OVERLOAD] = 2}},
        {.value = {[SY_MEASURE_OVERLOAD] = 3}}, {.value = {[SY_MEASURE_OVERLOAD] = 10}}};
    struct sy_comparison c = {.scenario = *sy_scenario_at(0),
                              .nodes = 1,
                              .hours = 1,
                              .policies = NAMES,
                              .policies_len = 2,
                              .seeds = (uint64_t[]){1, 2, 3},
                              .seeds_len = 3,
                              .figures = figures};
    struct sy_buf out;

    (void)state;
    struct sy_summary s = sy_compare_one(&c, 0, SY_MEASURE_OVERLOAD);
    close_to(s.mean, 3, 1e-9);
    close_to(s.sd, 2, 1e-9);
    struct sy_pairing p = sy_compare_pair(&c, 0, 1, SY_MEASURE_OVERLOAD);
    close_to(p.mean, -2, 1e-9);
    close_to(p.sd, sqrt(7), 1e-9);
    close_to(p.relative, -2.0 / 5, 1e-9);
    assert_int_equal(p.wins, 2);
    assert_int_equal(p.losses, 0);
    assert_int_equal(sy_compare_pair(&c, 1, 0, SY_MEASURE_OVERLOAD).losses, 2);

    sy_buf_init(&out, 1 << 20);
    assert_int_equal(sy_compare_table(&c, &out), 0);
    assert_non_null(strstr(out.p, "-40% 2/3"));
    sy_buf_reset(&out);
    assert_int_equal(sy_report_html(&c, &out), 0);
    assert_null(strstr(out.p, "b<&"));
    assert_non_null(strstr(out.p, "b&lt;&amp;&quot;&#39;&gt;"));
    assert_null(strstr(out.p, "src="));
    assert_null(strstr(out.p, "href="));
    assert_null(strstr(out.p, "nan"));
    assert_null(strstr(out.p, "inf"));
    sy_buf_done(&out);
}

static void test_policies_by_name(void **state)
{
    struct sy_profile p;
    struct sy_err err = {0};

    (void)state;
    policy("LeastAllocated", &p);
    assert_int_equal(p.scorers_len, 1);
    assert_ptr_equal(p.scorers[0].scorer, sy_scorer_find("NodeResourcesFit"));
    assert_int_equal(p.args.fit_strategy, SY_LEAST_ALLOCATED);
    policy("MostAllocated:3+DynamicWeightBest", &p);
    assert_int_equal(p.scorers_len, 2);
    assert_int_equal(p.scorers[0].weight, 3);
    assert_int_equal(p.args.fit_strategy, SY_MOST_ALLOCATED);
    assert_int_equal(p.args.dynamic_selection, SY_SELECT_BEST);
    static const char *const WRONG[] = {"",
                                        "+",
                                        "Nope",
                                        "Utilization:",
                                        "Utilization:0",
                                        ":",
                                        "Utilization:10001",
                                        "Utilization+",
                                        "kube:2",
                                        "Utilization+Utilization",
                                        "Utilization:-1"};
    for (size_t i = 0; i < SY_ARRAY_LEN(WRONG); i++) {
        if (sy_sim_policy(WRONG[i], &p, &err) != -EINVAL)
            fail_msg("\"%s\" is taken", WRONG[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_in_order),
        cmocka_unit_test(test_binds_pods_once_there_is_room),
        cmocka_unit_test(test_same_seed_same_bytes),
        cmocka_unit_test(test_invariants_in_each_scenario),
        cmocka_unit_test(test_a_broken_policy_is_caught),
        cmocka_unit_test(test_options_and_stopping),
        cmocka_unit_test(test_measures_by_hand),
        cmocka_unit_test(test_pairs_seeds),
        cmocka_unit_test(test_policies_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
