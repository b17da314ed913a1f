/* SPDX-License-Identifier: Apache-2.0
 *
 * The strategies, each alone in a profile, over the whole scheduler; caches are held against a
 * fresh evaluation at every decision. */
#include "base/rng.h"
#include "core_sched.h"
#include "policy/policy.h"
#include "sched/sched.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NODES_MAX = 64 };

struct fixture {
    struct core k;
    struct sy_sched *s;
    struct sy_cluster *c;
    struct sy_profile profile;
    char node[64];
    char pod[64];
    uint64_t ticket;
    uint32_t serial;
    sy_time_ns now;
};

static void hear(void *arg, const struct sy_decision *d)
{
    struct fixture *f = arg;

    if (d->kind != SY_DECIDE_BIND)
        return;
    snprintf(f->node, sizeof(f->node), "%s", d->node);
    snprintf(f->pod, sizeof(f->pod), "%s", d->name);
    f->ticket = d->ticket;
}

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_profile_default(&f->profile, "steelyard");
    f->now = 1000 * SY_NS_PER_S;
    *state = f;
    return 0;
}

static void use(struct fixture *f, const char *scorer)
{
    struct sy_sched_options options = {.profiles = &f->profile, .profiles_len = 1, .exact = true};

    f->profile.scorers_len = 1;
    f->profile.scorers[0] = (struct sy_weighted_scorer){sy_scorer_find(scorer), 1};
    if (f->s) {
        sy_sched_configure(f->s, &options, f->now);
        return;
    }
    f->s = sy_sched_new(f->k.strings, &options, hear, f);
    f->c = sy_sched_cluster(f->s);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    core_sched_end(f->s);
    core_done(&f->k);
    free(f);
    return 0;
}

static void put_node(struct fixture *f, const char *name, int64_t cpu_milli,
                     struct sy_labels labels)
{
    struct sy_node node = core_node(&f->k, name, cpu_milli, cpu_milli, 0);

    node.labels = labels;
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
}

static struct sy_pod new_pod(struct fixture *f, int64_t cpu_milli)
{
    char name[32];

    snprintf(name, sizeof(name), "p%u", f->serial++);
    return core_pod(&f->k, name, cpu_milli, cpu_milli, 0);
}

/* Schedules one pod and has its bind acknowledged; returns the node's name. */
static const char *place(struct fixture *f, struct sy_pod pod)
{
    f->node[0] = '\0';
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
    sy_sched_run(f->s, true, 0, f->now);
    if (f->node[0]) {
        sy_sched_bind_result(f->s, f->ticket, SY_BIND_RESULT_OK, NULL, f->now);
        pod.node = core_id(&f->k, f->node);
        assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
    }
    return f->node;
}

static void starts(struct fixture *f, struct sy_pod pod, const char *node)
{
    pod.node = core_id(&f->k, node);
    pod.phase = SY_PHASE_RUNNING;
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
}

static uint32_t pods_on(struct fixture *f, const char *name)
{
    return f->c->nodes[sy_cluster_node_find(f->c, core_id(&f->k, name))].pods_len;
}

static void test_round_robin_takes_turns(void **state)
{
    struct fixture *f = *state;

    use(f, "RoundRobin");
    put_node(f, "a", 1000, (struct sy_labels){0});
    put_node(f, "b", 64000, (struct sy_labels){0});
    put_node(f, "c", 8000, (struct sy_labels){0});
    for (int round = 0; round < 4; round++) {
        assert_string_equal(place(f, new_pod(f, 200)), "a");
        assert_string_equal(place(f, new_pod(f, 100)), "b");
        assert_string_equal(place(f, new_pod(f, 300)), "c");
    }
    /* A full node is passed over; one that comes gets no flood. */
    assert_string_equal(place(f, new_pod(f, 500)), "b");
    put_node(f, "d", 8000, (struct sy_labels){0});
    assert_string_equal(place(f, new_pod(f, 500)), "c");
    assert_string_equal(place(f, new_pod(f, 500)), "d");
    assert_string_equal(place(f, new_pod(f, 500)), "b");
    assert_string_equal(place(f, new_pod(f, 500)), "c");
    assert_string_equal(place(f, new_pod(f, 500)), "d");
}

static void test_round_robin_over_a_part_of_the_nodes(void **state)
{
    struct fixture *f = *state;
    struct sy_label wanted = {core_id(&f->k, "pool"), core_id(&f->k, "x")};

    use(f, "RoundRobin");
    put_node(f, "a", 8000, (struct sy_labels){0});
    put_node(f, "b", 8000, core_label(&f->k, "pool", "x"));
    put_node(f, "c", 8000, core_label(&f->k, "pool", "x"));
    for (int i = 0; i < 3; i++) {
        struct sy_pod pod = new_pod(f, 100);
        pod.spec.node_selector = (struct sy_labels){&wanted, 1};
        assert_string_equal(place(f, pod), "b");
        pod = new_pod(f, 100);
        pod.spec.node_selector = (struct sy_labels){&wanted, 1};
        assert_string_equal(place(f, pod), "c");
    }
    assert_string_equal(place(f, new_pod(f, 100)), "a");
}

static void test_least_connections(void **state)
{
    struct fixture *f = *state;

    use(f, "LeastConnections");
    put_node(f, "a", 1000, (struct sy_labels){0});
    put_node(f, "b", 64000, (struct sy_labels){0});
    struct sy_pod first = new_pod(f, 10);
    assert_string_equal(place(f, first), "a");
    assert_string_equal(place(f, new_pod(f, 10)), "b");
    assert_string_equal(place(f, new_pod(f, 10)), "a");
    assert_string_equal(place(f, new_pod(f, 10)), "b");
    sy_sched_pod_deleted(f->s, first.uid, f->now);
    assert_string_equal(place(f, new_pod(f, 10)), "a");
    /* Pods that others placed count too. */
    for (int i = 0; i < 3; i++)
        starts(f, new_pod(f, 10), "a");
    assert_string_equal(place(f, new_pod(f, 10)), "b");
    assert_string_equal(place(f, new_pod(f, 10)), "b");
}

static void test_response_time(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod;

    use(f, "ResponseTime");
    put_node(f, "a", 64000, (struct sy_labels){0});
    put_node(f, "b", 64000, (struct sy_labels){0});
    /* a takes 8 s, b 2 s. */
    pod = new_pod(f, 10);
    assert_string_equal(place(f, pod), "a");
    f->now += 8 * SY_NS_PER_S;
    starts(f, pod, "a");
    pod = new_pod(f, 10);
    assert_string_equal(place(f, pod), "b");
    f->now += 2 * SY_NS_PER_S;
    starts(f, pod, "b");
    /* Expected: a 8, b 2; 4 with one that starts there, and so on, until a is as good. */
    for (int i = 0; i < 3; i++)
        assert_string_equal(place(f, new_pod(f, 10)), "b");
    assert_string_equal(place(f, new_pod(f, 10)), "a"); /* 8 against 8: the lower slot */
    assert_string_equal(place(f, new_pod(f, 10)), "b");
}

static void test_static_weights_as_shares(void **state)
{
    struct fixture *f = *state;
    static const struct sy_static_weight RULES[] = {{"tier", "edge", 3}, {"tier", NULL, 2}};

    f->profile.args.static_weights = RULES;
    f->profile.args.static_weights_len = 2;
    use(f, "StaticWeights");
    put_node(f, "plain", 640000, (struct sy_labels){0});
    put_node(f, "edge", 640000, core_label(&f->k, "tier", "edge"));
    put_node(f, "cloud", 640000, core_label(&f->k, "tier", "cloud"));
    put_node(f, "own", 640000, core_label(&f->k, "steelyard.dev/weight", "4"));
    put_node(f, "odd", 640000, core_label(&f->k, "steelyard.dev/weight", "heavy"));
    put_node(f, "none", 640000, core_label(&f->k, "steelyard.dev/weight", "0"));
    for (int i = 0; i < 110; i++)
        place(f, new_pod(f, 10));
    /* 1 + 3 + 2 + 4 + 1 parts of 110. */
    assert_int_equal(pods_on(f, "plain"), 10);
    assert_int_equal(pods_on(f, "edge"), 30);
    assert_int_equal(pods_on(f, "cloud"), 20);
    assert_int_equal(pods_on(f, "own"), 40);
    assert_int_equal(pods_on(f, "odd"), 10);
    assert_int_equal(pods_on(f, "none"), 0);
}

static void test_static_weights_overflow(void **state)
{
    struct fixture *f = *state;

    f->profile.args.static_selection = SY_SELECT_BEST;
    use(f, "StaticWeights");
    put_node(f, "cloud", 64000, core_label(&f->k, "steelyard.dev/weight", "10"));
    put_node(f, "edge", 1000, core_label(&f->k, "steelyard.dev/weight", "100"));
    put_node(f, "last", 64000, core_label(&f->k, "steelyard.dev/weight", "0"));
    for (int i = 0; i < 4; i++)
        assert_string_equal(place(f, new_pod(f, 250)), "edge");
    assert_string_equal(place(f, new_pod(f, 250)), "cloud");
    assert_string_equal(place(f, new_pod(f, 64000)), "last"); /* no refusal */
}

/* Nodes of 4 : 2 : 1 in size, filled to a third: about 4 : 2 : 1 of the pods, as all factors but
 * capacity stay nearly the same; the largest does not get all. */
static void test_dynamic_weight_deals_in_shares(void **state)
{
    struct fixture *f = *state;

    f->profile.args.dynamic_selection = SY_SELECT_SHARES;
    use(f, "DynamicWeight");
    put_node(f, "large", 64000, (struct sy_labels){0});
    put_node(f, "mid", 32000, (struct sy_labels){0});
    put_node(f, "small", 16000, (struct sy_labels){0});
    for (int i = 0; i < 70; i++)
        place(f, new_pod(f, 500));
    assert_in_range(pods_on(f, "large"), 39, 41);
    assert_in_range(pods_on(f, "mid"), 19, 21);
    assert_in_range(pods_on(f, "small"), 9, 11);
}

/* With equal nodes, one of which is half as reliable, it gets half as many. */
static void test_a_worse_node_gets_a_smaller_share(void **state)
{
    struct fixture *f = *state;
    uint32_t good, bad;

    f->profile.args.dynamic_selection = SY_SELECT_SHARES;
    use(f, "DynamicWeight");
    put_node(f, "good", 640000, (struct sy_labels){0});
    put_node(f, "bad", 640000, (struct sy_labels){0});
    sy_cluster_set_factors(f->c, sy_cluster_node_find(f->c, core_id(&f->k, "bad")), 1, 0.5F);
    for (int i = 0; i < 90; i++)
        place(f, new_pod(f, 100));
    good = pods_on(f, "good");
    bad = pods_on(f, "bad");
    assert_in_range(good, 59, 61);
    assert_in_range(bad, 29, 31);
}

static void test_dynamic_weight_levels(void **state)
{
    struct fixture *f = *state;

    use(f, "DynamicWeight");
    put_node(f, "large", 64000, (struct sy_labels){0});
    put_node(f, "small", 16000, (struct sy_labels){0});
    put_node(f, "slow", 64000, (struct sy_labels){0});
    sy_cluster_set_factors(f->c, sy_cluster_node_find(f->c, core_id(&f->k, "slow")), 0.5F, 1);
    for (int i = 0; i < 70; i++)
        place(f, new_pod(f, 500));
    /* Use is u, and u / (1 - u) in proportion to performance: u = 0.3 and 0.176. */
    assert_in_range(pods_on(f, "large"), 37, 39);
    assert_in_range(pods_on(f, "small"), 9, 10);
    assert_in_range(pods_on(f, "slow"), 22, 23);
}

static void test_dynamic_weight_takes_the_best(void **state)
{
    struct fixture *f = *state;

    f->profile.args.dynamic_selection = SY_SELECT_BEST;
    use(f, "DynamicWeight");
    put_node(f, "small", 16000, (struct sy_labels){0});
    put_node(f, "large", 64000, (struct sy_labels){0});
    for (int i = 0; i < 10; i++)
        assert_string_equal(place(f, new_pod(f, 500)), "large");
}

/* All at once, with pods and nodes that come and go and factors that move: the same run gives the
 * same placements, and (the teardown) caches never differ from a fresh evaluation. */
static uint64_t churn(uint64_t seed)
{
    void *state;
    struct sy_rng rng;
    uint64_t digest = 0;
    char name[32];

    setup(&state);
    struct fixture *f = state;
    f->profile.scorers_len = 0;
    for (size_t i = 0; i < 5; i++) {
        static const char *const NAMES[] = {"RoundRobin", "LeastConnections", "ResponseTime",
                                            "StaticWeights", "DynamicWeight"};
        f->profile.scorers[f->profile.scorers_len++] =
            (struct sy_weighted_scorer){sy_scorer_find(NAMES[i]), (int32_t)i + 1};
    }
    struct sy_sched_options options = {.profiles = &f->profile, .profiles_len = 1, .exact = true};
    f->s = sy_sched_new(f->k.strings, &options, hear, f);
    f->c = sy_sched_cluster(f->s);
    sy_rng_seed(&rng, seed);
    for (int i = 0; i < 600; i++) {
        f->now += (int64_t)sy_rng_below(&rng, 3) * SY_NS_PER_S;
        snprintf(name, sizeof(name), "n%u", (unsigned)sy_rng_below(&rng, NODES_MAX + 20));
        uint32_t node = sy_cluster_node_find(f->c, core_id(&f->k, name));
        switch (sy_rng_below(&rng, 8)) {
        case 0:
            put_node(f, name, 1000 + 1000 * (int64_t)sy_rng_below(&rng, 4),
                     core_label(&f->k, "steelyard.dev/weight", node % 2 ? "5" : "2"));
            break;
        case 1:
            if (node != SY_NONE && sy_rng_below(&rng, 3) == 0)
                sy_sched_node_deleted(f->s, core_id(&f->k, name), f->now);
            break;
        case 2:
            if (node != SY_NONE)
                sy_cluster_set_factors(f->c, node, (float)sy_rng_unit(&rng),
                                       (float)sy_rng_unit(&rng));
            break;
        default: {
            struct sy_pod pod = new_pod(f, 50 + (int64_t)sy_rng_below(&rng, 3) * 100);
            const char *where = place(f, pod);
            digest = sy_hash_u64(digest ^ (where[0] ? core_id(&f->k, where) : 0));
            if (where[0] && sy_rng_below(&rng, 2))
                starts(f, pod, f->node);
            if (sy_rng_below(&rng, 4) == 0)
                sy_sched_pod_deleted(f->s, pod.uid, f->now);
        }
        }
    }
    assert_true(sy_sched_stats(f->s)->binds_ok > 200);
    teardown(&state);
    return digest;
}

static void test_exact_and_repeatable(void **state)
{
    (void)state;
    assert_true(churn(3) == churn(3));
    assert_true(churn(3) != churn(4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_robin_takes_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_round_robin_over_a_part_of_the_nodes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_least_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_response_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_static_weights_as_shares, setup, teardown),
        cmocka_unit_test_setup_teardown(test_static_weights_overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dynamic_weight_deals_in_shares, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_worse_node_gets_a_smaller_share, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dynamic_weight_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dynamic_weight_takes_the_best, setup, teardown),
        cmocka_unit_test(test_exact_and_repeatable),
    };

    return cmocka_run_group_tests_name("strategies", tests, NULL, NULL);
}
