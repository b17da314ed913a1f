/* SPDX-License-Identifier: Apache-2.0
 *
 * The place of a member that went is kept for its gang, for a while. */
#include "gang_world.h"

static void keep(struct fixture *f, int64_t seconds)
{
    f->options.gangs.first_claim_ns = seconds * SY_NS_PER_S;
    sy_sched_configure(f->s, &f->options, f->now);
}

/* A gang of two that fills two of three nodes; returns with both bound. */
static void run_gang(struct fixture *f)
{
    put_nodes(f, 2, 8);
    put_gang(f, "g", 0, 2, "2", 8);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 2);
    acknowledge(f, "g", "2", 8);
}

static void test_nobody_else_takes_it(void **state)
{
    struct fixture *f = *state;

    keep(f, 60);
    run_gang(f);
    put_pod(f, core_pod(&f->k, "thief", 100, 64, 8));
    put_gang(f, "other", 0, 1, "1", 8);
    run(f);
    delete_member(f, "g", 1);
    run_later(f, 11);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    put_gang(f, "g", 2, 3, "2", 8);
    run_later(f, 1);
    assert_int_equal(count(f, SY_DECIDE_BIND), 1);
    assert_non_null(heard(f, SY_DECIDE_BIND, "g-2"));
}

static void test_it_is_kept_for_a_while_only(void **state)
{
    struct fixture *f = *state;

    keep(f, 60);
    run_gang(f);
    put_pod(f, core_pod(&f->k, "thief", 100, 64, 8));
    run(f);
    delete_member(f, "g", 1);
    run_later(f, 59);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    run_later(f, 2);
    assert_non_null(heard(f, SY_DECIDE_BIND, "thief"));
}

/* The replacement goes to the very place, though others have more room. */
static void test_it_goes_to_the_place_that_was_left(void **state)
{
    struct fixture *f = *state;
    char node[64];

    keep(f, 60);
    put_nodes(f, 2, 8);
    put_gang(f, "g", 0, 2, "2", 5);
    run(f);
    copy_text(node, sizeof(node), heard(f, SY_DECIDE_BIND, "g-1")->node);
    acknowledge(f, "g", "2", 5);
    put_node(f, core_node(&f->k, "empty", 64000, 65536, 8));
    delete_member(f, "g", 1);
    put_gang(f, "g", 2, 3, "2", 5);
    run_later(f, 1);
    assert_string_equal(heard(f, SY_DECIDE_BIND, "g-2")->node, node);
}

static void test_higher_priority_wins(void **state)
{
    struct fixture *f = *state;
    struct sy_pod high = core_pod(&f->k, "high", 100, 64, 8);

    keep(f, 60);
    run_gang(f);
    delete_member(f, "g", 1);
    high.priority = 100;
    put_pod(f, high);
    run_later(f, 1);
    assert_int_equal(count(f, SY_DECIDE_BIND), 1);
}

static void test_a_gang_that_goes_leaves_no_claim(void **state)
{
    struct fixture *f = *state;

    keep(f, 60);
    run_gang(f);
    put_pod(f, core_pod(&f->k, "next-0", 100, 64, 8));
    put_pod(f, core_pod(&f->k, "next-1", 100, 64, 8));
    run(f);
    delete_member(f, "g", 0);
    delete_member(f, "g", 1);
    run_later(f, 1);
    assert_int_equal(count(f, SY_DECIDE_BIND), 2);
    assert_int_equal(sy_sched_cluster(f->s)->pods_alive, 2);
}

static void test_a_member_above_the_minimum_leaves_none(void **state)
{
    struct fixture *f = *state;

    keep(f, 60);
    put_nodes(f, 2, 8);
    put_gang(f, "g", 0, 2, "1", 8);
    run(f);
    acknowledge(f, "g", "1", 8);
    put_pod(f, core_pod(&f->k, "next", 100, 64, 8));
    run(f);
    delete_member(f, "g", 1);
    run_later(f, 1);
    assert_non_null(heard(f, SY_DECIDE_BIND, "next"));
}

static void test_it_outlives_a_list_and_a_reload(void **state)
{
    struct fixture *f = *state;
    struct sy_pod left;

    keep(f, 60);
    run_gang(f);
    delete_member(f, "g", 1);
    left = member(f, "g", 0, "2", 8);
    sy_sched_pods_replace_begin(f->s);
    for (int i = 0; i < 2; i++) {
        left.node = core_id(&f->k, i ? "n1" : "n0");
        uint32_t slot = sy_cluster_pod_find(sy_sched_cluster(f->s), left.uid);
        if (sy_sched_cluster(f->s)->pods.p[slot].node ==
            sy_cluster_node_find(sy_sched_cluster(f->s), left.node))
            break;
    }
    put_pod(f, left);
    sy_sched_pods_replace_end(f->s, f->now);
    sy_sched_configure(f->s, &f->options, f->now);
    put_pod(f, core_pod(&f->k, "thief", 100, 64, 8));
    run_later(f, 1);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    put_gang(f, "g", 2, 3, "2", 8);
    run_later(f, 1);
    assert_non_null(heard(f, SY_DECIDE_BIND, "g-2"));
}

static void test_off_nothing_is_kept(void **state)
{
    struct fixture *f = *state;

    run_gang(f);
    put_pod(f, core_pod(&f->k, "next", 100, 64, 8));
    run(f);
    delete_member(f, "g", 1);
    run_later(f, 1);
    assert_non_null(heard(f, SY_DECIDE_BIND, "next"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_nobody_else_takes_it),
        CASE(test_it_is_kept_for_a_while_only),
        CASE(test_it_goes_to_the_place_that_was_left),
        CASE(test_higher_priority_wins),
        CASE(test_a_gang_that_goes_leaves_no_claim),
        CASE(test_a_member_above_the_minimum_leaves_none),
        CASE(test_it_outlives_a_list_and_a_reload),
        CASE(test_off_nothing_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
