/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/load.h"

#include "base/rng.h"
#include "core_sched.h"
#include "policy/weights.h"
#include "sched/inputs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { S = 1000000000 };

struct fixture {
    struct core k;
    struct sy_sched *s;
    struct sy_cluster *c;
    struct sy_profile profile;
    char node[64]; /* of the last bind */
    uint64_t ticket;
    sy_time_ns now;
};

static void hear(void *arg, const struct sy_decision *d)
{
    struct fixture *f = arg;

    if (d->kind != SY_DECIDE_BIND)
        return;
    snprintf(f->node, sizeof(f->node), "%s", d->node);
    f->ticket = d->ticket;
}

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_profile_default(&f->profile, "steelyard");
    struct sy_sched_options options = {.profiles = &f->profile, .profiles_len = 1, .exact = true};
    f->s = sy_sched_new(f->k.strings, &options, hear, f);
    f->c = sy_sched_cluster(f->s);
    f->now = 1000 * (sy_time_ns)S;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    core_sched_end(f->s);
    core_done(&f->k);
    free(f);
    return 0;
}

static uint32_t add_node(struct fixture *f, const char *name, int64_t cpu_milli, int64_t gpus)
{
    struct sy_node node = core_node(&f->k, name, cpu_milli, 1024, gpus);

    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    return sy_cluster_node_find(f->c, node.name);
}

static enum sy_load_result give(struct fixture *f, const char *node, enum sy_load_metric metric,
                                double share, int64_t age_s)
{
    struct sy_load_sample sample = {.metric = metric,
                                    .value = share,
                                    .is_share = true,
                                    .at_ns = f->now - age_s * S,
                                    .window_ns = (int64_t)30 * S};

    return sy_sched_load(f->s, core_id(&f->k, node), &sample, f->now);
}

static void run_after(struct fixture *f, int64_t seconds)
{
    f->now += seconds * S;
    sy_sched_run(f->s, true, 0, f->now);
}

/* The bound pod as the API server has it. */
static struct sy_pod placed(struct fixture *f, const char *name, const char *node,
                            int64_t cpu_milli)
{
    struct sy_pod pod = core_pod(&f->k, name, cpu_milli, 0, 0);

    pod.node = core_id(&f->k, node);
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
    return pod;
}

static double used(const struct fixture *f, uint32_t node, enum sy_load_metric metric)
{
    struct sy_utilization_term terms[16];
    uint32_t len = sy_node_utilization(f->c, node, terms, 16);

    for (uint32_t i = 0; i < len; i++) {
        if (terms[i].metric == metric)
            return terms[i].used;
    }
    return -1;
}

static void close_to(double a, double b)
{
    if (fabs(a - b) > 1e-6)
        fail_msg("%.9f is not %.9f", a, b);
}

static void test_what_is_taken(void **state)
{
    struct fixture *f = *state;
    struct sy_load_view v;
    uint32_t a = add_node(f, "a", 4000, 0);
    static const struct {
        double value;
        bool is_share;
        enum sy_load_metric metric;
        int64_t age_s, window_s;
        enum sy_load_result result;
    } CASES[] = {
        {0.5, true, SY_LOAD_CPU, 0, 30, SY_LOAD_TAKEN},
        {1.5, true, SY_LOAD_CPU, 0, 30, SY_LOAD_TAKEN},
        {1.51, true, SY_LOAD_CPU, 0, 30, SY_LOAD_ABSURD},
        {(double)NAN, true, SY_LOAD_CPU, 0, 30, SY_LOAD_NOT_FINITE},
        {(double)INFINITY, true, SY_LOAD_CPU, 0, 30, SY_LOAD_NOT_FINITE},
        {-(double)INFINITY, false, SY_LOAD_CPU, 0, 30, SY_LOAD_NOT_FINITE},
        {-0.1, true, SY_LOAD_CPU, 0, 30, SY_LOAD_NEGATIVE},
        {2000, false, SY_LOAD_CPU, 0, 30, SY_LOAD_TAKEN},
        {6001, false, SY_LOAD_CPU, 0, 30, SY_LOAD_ABSURD},
        {1e300, false, SY_LOAD_CPU, 0, 30, SY_LOAD_ABSURD},
        {500, false, SY_LOAD_GPU, 0, 30, SY_LOAD_NO_TOTAL}, /* it has none */
        {500, false, SY_LOAD_NETWORK, 0, 30, SY_LOAD_NO_TOTAL},
        {0.2, true, SY_LOAD_NETWORK, 0, 30, SY_LOAD_TAKEN},
        {0.5, true, SY_LOAD_MEMORY, 89, 30, SY_LOAD_TAKEN},
        {0.5, true, SY_LOAD_EPHEMERAL, 90, 30, SY_LOAD_STALE},
        {0.5, true, SY_LOAD_EPHEMERAL, 179, 0, SY_LOAD_TAKEN}, /* 60 s when not known */
        {0.5, true, SY_LOAD_MEMORY, -30, 30, SY_LOAD_TAKEN},
        {0.5, true, SY_LOAD_MEMORY, -31, 30, SY_LOAD_FUTURE},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        struct sy_load_sample sample = {
            .metric = CASES[i].metric,
            .value = CASES[i].value,
            .is_share = CASES[i].is_share,
            .at_ns = f->now - CASES[i].age_s * S,
            .window_ns = CASES[i].window_s * S,
        };
        assert_int_equal(sy_sched_load(f->s, core_id(&f->k, "a"), &sample, f->now),
                         CASES[i].result);
    }
    assert_true(sy_cluster_load_get(f->c, a, SY_LOAD_CPU, &v));
    close_to(v.measured, 0.5); /* 2000 of 4000 */
    assert_int_equal(give(f, "nobody", SY_LOAD_CPU, 0.5, 0), SY_LOAD_UNJOINED);
    assert_int_equal(give(f, "a", SY_LOAD_CPU, 0.5, 10), SY_LOAD_STALE); /* a newer one is held */
    assert_int_equal(give(f, "a", SY_LOAD_CPU, 0.5, 0), SY_LOAD_TAKEN);
    assert_string_equal(sy_load_result_name(SY_LOAD_NO_TOTAL), "no_total");
    assert_string_equal(sy_load_metric_name(SY_LOAD_EPHEMERAL), "ephemeral-storage");
}

static void test_used_is_the_larger_of_requested_and_measured(void **state)
{
    struct fixture *f = *state;
    uint32_t a = add_node(f, "a", 100000, 0);

    placed(f, "p", "a", 80000);
    close_to(used(f, a, SY_LOAD_CPU), 0.8); /* the worked example: 80 of 100 cores are 80 % */
    run_after(f, 100);
    assert_int_equal(give(f, "a", SY_LOAD_CPU, 0.3, 0), SY_LOAD_TAKEN);
    close_to(used(f, a, SY_LOAD_CPU), 0.8);
    f->now += S;
    assert_int_equal(give(f, "a", SY_LOAD_CPU, 0.95, 0), SY_LOAD_TAKEN);
    close_to(used(f, a, SY_LOAD_CPU), (double)0.95F);
    assert_int_equal(give(f, "a", SY_LOAD_GPU_MEMORY, 0.25, 0), SY_LOAD_TAKEN);
    close_to(used(f, a, SY_LOAD_GPU_MEMORY), 0.25);
}

static void test_what_came_since_is_estimated(void **state)
{
    struct fixture *f = *state;
    struct sy_load_view v;
    uint32_t a = add_node(f, "a", 10000, 0);

    placed(f, "old", "a", 1000);
    run_after(f, 100);
    assert_int_equal(give(f, "a", SY_LOAD_CPU, 0.5, 10), SY_LOAD_TAKEN);
    assert_true(sy_cluster_load_get(f->c, a, SY_LOAD_CPU, &v));
    close_to(v.share, 0.5);
    placed(f, "new", "a", 2000); /* 10 s after the sample's end */
    sy_cluster_load_get(f->c, a, SY_LOAD_CPU, &v);
    close_to(v.share, (double)0.7F);
    close_to(v.measured, 0.5);
    close_to(used(f, a, SY_LOAD_CPU), (double)0.7F);

    /* The next sample's window of 30 s began 15 s before the pod: half of it is measured. */
    run_after(f, 15);
    assert_int_equal(give(f, "a", SY_LOAD_CPU, 0.6, 0), SY_LOAD_TAKEN);
    sy_cluster_load_get(f->c, a, SY_LOAD_CPU, &v);
    close_to(v.share, (double)0.7F);
    run_after(f, 15);
    assert_int_equal(give(f, "a", SY_LOAD_CPU, 0.7, 0), SY_LOAD_TAKEN);
    sy_cluster_load_get(f->c, a, SY_LOAD_CPU, &v);
    close_to(v.share, (double)0.7F);

    /* One that goes takes its estimate along; one that asks for nothing counts a little. */
    struct sy_pod brief = placed(f, "brief", "a", 1000);
    sy_cluster_load_get(f->c, a, SY_LOAD_CPU, &v);
    close_to(v.share, (double)0.8F);
    sy_sched_pod_deleted(f->s, brief.uid, f->now);
    placed(f, "modest", "a", 0);
    sy_cluster_load_get(f->c, a, SY_LOAD_CPU, &v);
    close_to(v.share, (double)0.71F);
}

static void test_a_sample_fades(void **state)
{
    struct fixture *f = *state;
    struct sy_load_view v;
    uint32_t a = add_node(f, "a", 10000, 0);

    placed(f, "p", "a", 1000);
    run_after(f, 100);
    assert_int_equal(give(f, "a", SY_LOAD_CPU, 0.9, 0), SY_LOAD_TAKEN);
    close_to(used(f, a, SY_LOAD_CPU), (double)0.9F);
    run_after(f, 30);
    close_to(used(f, a, SY_LOAD_CPU), (double)0.9F);
    run_after(f, 30); /* two windows: half of what it adds */
    sy_cluster_load_get(f->c, a, SY_LOAD_CPU, &v);
    close_to(v.weight, 0.5);
    close_to(used(f, a, SY_LOAD_CPU), 0.1 + 0.4);
    run_after(f, 30);
    assert_false(sy_cluster_load_get(f->c, a, SY_LOAD_CPU, &v));
    close_to(used(f, a, SY_LOAD_CPU), 0.1);
    assert_int_equal(f->c->load.samples, 0);
}

static void test_pods_avoid_the_hot_node_until_its_load_is_old(void **state)
{
    struct fixture *f = *state;
    char name[32];

    add_node(f, "a", 10000, 0);
    add_node(f, "b", 10000, 0);
    add_node(f, "c", 10000, 0);
    give(f, "a", SY_LOAD_CPU, 0.9, 0);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        struct sy_pod pod = core_pod(&f->k, name, 200, 0, 0);
        assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
        run_after(f, 1);
        assert_string_not_equal(f->node, "a");
        sy_sched_bind_result(f->s, f->ticket, SY_BIND_RESULT_OK, NULL, f->now);
    }
    run_after(f, 120);
    struct sy_pod pod = core_pod(&f->k, "late", 200, 0, 0);
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
    run_after(f, 1);
    assert_string_equal(f->node, "a"); /* nothing fresh says that it is hot, and it is empty */
}

static void test_small_moves_are_not_published(void **state)
{
    struct fixture *f = *state;

    add_node(f, "a", 10000, 0);
    give(f, "a", SY_LOAD_CPU, 0.5, 0);
    uint64_t changes = f->c->changes.len;
    f->now += S;
    give(f, "a", SY_LOAD_CPU, 0.503, 0);
    assert_int_equal(f->c->changes.len, changes);
    f->now += S;
    give(f, "a", SY_LOAD_CPU, 0.51, 0);
    assert_int_equal(f->c->changes.len, changes + 1);
    sy_cluster_load_fade(f->c, f->now);
    assert_int_equal(f->c->changes.len, changes + 1);
}

static void test_a_node_that_comes_back_has_no_past(void **state)
{
    struct fixture *f = *state;
    struct sy_load_view v;
    uint32_t a = add_node(f, "a", 10000, 2);

    give(f, "a", SY_LOAD_GPU, 1, 0);
    close_to(used(f, a, SY_LOAD_GPU), 1);
    sy_sched_node_deleted(f->s, core_id(&f->k, "a"), f->now);
    assert_int_equal(add_node(f, "b", 10000, 2), a); /* the slot is the same */
    assert_false(sy_cluster_load_get(f->c, a, SY_LOAD_GPU, &v));
    close_to(used(f, a, SY_LOAD_GPU), 0);
}

/* Whatever comes in whatever order, caches and sums stay exact: the teardown looks. */
static void test_any_order_stays_exact(void **state)
{
    struct fixture *f = *state;
    struct sy_rng rng;
    char name[32], node[32];
    char text[256];

    sy_rng_seed(&rng, 7);
    for (int i = 0; i < 400; i++) {
        snprintf(node, sizeof(node), "n%u", (unsigned)sy_rng_below(&rng, 70));
        snprintf(name, sizeof(name), "p%u", (unsigned)sy_rng_below(&rng, 60));
        struct sy_pod pod = core_pod(&f->k, name, (int64_t)sy_rng_below(&rng, 900), 0,
                                     (int64_t)sy_rng_below(&rng, 2));
        switch (sy_rng_below(&rng, 7)) {
        case 0:
        case 1:
            add_node(f, node, 1000 + (int64_t)sy_rng_below(&rng, 4) * 1000, 2);
            break;
        case 2:
            assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
            break;
        case 3:
            placed(f, name, node, 300);
            break;
        case 4:
            if (sy_rng_below(&rng, 4) == 0)
                sy_sched_node_deleted(f->s, core_id(&f->k, node), f->now);
            else
                sy_sched_pod_deleted(f->s, pod.uid, f->now);
            break;
        default:
            give(f, node, (enum sy_load_metric)sy_rng_below(&rng, SY_LOAD_METRICS),
                 (double)sy_rng_below(&rng, 160) / 100, (int64_t)sy_rng_below(&rng, 60));
        }
        run_after(f, (int64_t)sy_rng_below(&rng, 9));
        assert_null(sy_cluster_audit(f->c, text, sizeof(text)));
    }
    assert_true(f->c->load.samples > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_used_is_the_larger_of_requested_and_measured, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_came_since_is_estimated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_sample_fades, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pods_avoid_the_hot_node_until_its_load_is_old, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_small_moves_are_not_published, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_node_that_comes_back_has_no_past, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any_order_stays_exact, setup, teardown),
    };

    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
