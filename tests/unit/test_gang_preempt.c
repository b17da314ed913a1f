/* SPDX-License-Identifier: Apache-2.0
 *
 * Gangs that have others evicted: only when all of the gang fits then, and no more than it needs.
 */
#include "gang_world.h"
#include "model/budget.h"

/* A pod that runs. gang: NULL for none. */
static struct sy_pod running(struct fixture *f, const char *name, const char *node, int64_t gpus,
                             int32_t priority, const char *gang)
{
    struct sy_pod pod = core_pod(&f->k, name, 100, 64, gpus);

    pod.node = core_id(&f->k, node);
    pod.phase = SY_PHASE_RUNNING;
    pod.priority = priority;
    if (gang)
        pod.labels = core_label(&f->k, "steelyard.dev/pod-group", gang);
    return pod;
}

static void put_high(struct fixture *f, uint32_t len, const char *min, int64_t gpus)
{
    for (uint32_t i = 0; i < len; i++) {
        struct sy_pod pod = member(f, "high", i, min, gpus);
        pod.priority = 100;
        put_pod(f, pod);
    }
}

static void delete_pod(struct fixture *f, const char *name)
{
    char uid[80];

    snprintf(uid, sizeof(uid), "uid-%s", name);
    sy_sched_pod_deleted(f->s, sy_str_from(uid), f->now);
}

static void test_evicts_what_the_whole_gang_needs(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 4, 8);
    put_pod(f, running(f, "a", "n0", 8, 0, NULL));
    put_pod(f, running(f, "b", "n1", 8, 0, NULL));
    put_pod(f, running(f, "c", "n2", 8, 0, NULL));
    put_high(f, 3, "3", 8);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    assert_int_equal(count(f, SY_DECIDE_EVICT), 2); /* n3 is free */
    /* Nobody else takes the room while they leave, and the gang does not evict again. */
    delete_pod(f, heard(f, SY_DECIDE_EVICT, NULL)->name);
    put_pod(f, core_pod(&f->k, "thief", 100, 64, 8));
    run_later(f, 1);
    assert_null(heard(f, SY_DECIDE_BIND, "thief"));
    assert_int_equal(count(f, SY_DECIDE_EVICT), 0);
}

static void test_is_bound_when_they_have_gone(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 2, 8);
    put_pod(f, running(f, "a", "n0", 8, 0, NULL));
    put_pod(f, running(f, "b", "n1", 8, 0, NULL));
    put_high(f, 2, "2", 8);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_EVICT), 2);
    delete_pod(f, "a");
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    delete_pod(f, "b");
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 2);
}

static void test_evicts_nobody_when_not_all_would_fit(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 3, 8);
    put_pod(f, running(f, "a", "n0", 8, 0, NULL));
    put_pod(f, running(f, "b", "n1", 8, 0, NULL));
    put_pod(f, running(f, "keep", "n2", 8, 200, NULL));
    put_high(f, 3, "3", 8);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_EVICT), 0);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
}

static void test_spares_what_it_can(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 2, 8);
    put_pod(f, running(f, "small-0", "n0", 2, 0, NULL));
    put_pod(f, running(f, "more-0", "n0", 6, 50, NULL));
    put_pod(f, running(f, "small-1", "n1", 2, 0, NULL));
    put_pod(f, running(f, "more-1", "n1", 6, 50, NULL));
    put_high(f, 2, "2", 2);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_EVICT), 2);
    assert_non_null(heard(f, SY_DECIDE_EVICT, "small-0"));
    assert_non_null(heard(f, SY_DECIDE_EVICT, "small-1"));
}

/* A gang among the victims goes whole, so single pods of the same priority go first. */
static void test_prefers_not_to_break_a_gang(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 3, 8);
    put_pod(f, running(f, "train-0", "n0", 8, 0, "train"));
    put_pod(f, running(f, "train-1", "n1", 8, 0, "train"));
    put_pod(f, running(f, "single", "n2", 8, 0, NULL));
    put_high(f, 1, "1", 8);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_EVICT), 1);
    assert_non_null(heard(f, SY_DECIDE_EVICT, "single"));
}

static void test_a_gang_goes_whole(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 3, 8);
    put_pod(f, running(f, "train-0", "n0", 8, 0, "train"));
    put_pod(f, running(f, "train-1", "n1", 8, 0, "train"));
    put_pod(f, running(f, "single", "n2", 8, 0, NULL));
    put_high(f, 2, "2", 8);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_EVICT), 2 + 1);
}

/* One of its members may not go: then none does. */
static void test_a_gang_with_one_that_stays_stays(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 2, 8);
    put_pod(f, running(f, "train-0", "n0", 8, 0, "train"));
    put_pod(f, running(f, "train-1", "n1", 8, 500, "train"));
    put_high(f, 1, "1", 8);
    put_high(f, 1, "1", 8);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_EVICT), 0);
}

static void test_budgets_are_respected_where_that_is_possible(void **state)
{
    struct fixture *f = *state;
    struct sy_requirement req = {.key = core_id(&f->k, "app"), .op = SY_OP_EXISTS};
    struct sy_budget budget = {
        .ns = core_id(&f->k, "default"),
        .name = core_id(&f->k, "guard"),
        .selector = {.reqs = &req, .len = 1},
    };

    put_nodes(f, 3, 8);
    for (int i = 0; i < 3; i++) {
        char name[16], node[16];
        snprintf(name, sizeof(name), "p%d", i);
        snprintf(node, sizeof(node), "n%d", i);
        struct sy_pod pod = running(f, name, node, 8, i == 0 ? 0 : 10, NULL);
        if (i == 0)
            pod.labels = core_label(&f->k, "app", "db");
        put_pod(f, pod);
    }
    assert_int_equal(sy_sched_budget(f->s, &budget), 0);
    put_high(f, 2, "2", 8);
    run(f);
    /* The guarded one has the lowest priority and stays all the same. */
    assert_int_equal(count(f, SY_DECIDE_EVICT), 2);
    assert_null(heard(f, SY_DECIDE_EVICT, "p0"));
}

static void test_stays_in_one_domain(void **state)
{
    struct fixture *f = *state;
    static const char *const RACKS[] = {"r0", "r0", "r1", "r1"};

    for (int i = 0; i < 4; i++) {
        char name[16], pod[16];
        snprintf(name, sizeof(name), "n%d", i);
        snprintf(pod, sizeof(pod), "p%d", i);
        struct sy_node node = core_node(&f->k, name, 64000, 65536, 8);
        node.labels = core_label(&f->k, "rack", RACKS[i]);
        put_node(f, node);
        /* r0 has the dearer pods, but one of r1 may not go. */
        put_pod(f, running(f, pod, name, 8, i == 3 ? 200 : 50 - i * 10, NULL));
    }
    for (uint32_t i = 0; i < 2; i++) {
        struct sy_pod pod = member(f, "high", i, NULL, 8);
        struct sy_label *pairs = sy_arena_array(&f->k.arena, 2, sizeof(*pairs));
        pairs[0] =
            (struct sy_label){core_id(&f->k, "steelyard.dev/min-member"), core_id(&f->k, "2")};
        pairs[1] = (struct sy_label){core_id(&f->k, "steelyard.dev/required-topology"),
                                     core_id(&f->k, "rack")};
        pod.annotations = (struct sy_labels){pairs, sy_labels_sort(pairs, 2)};
        pod.priority = 100;
        put_pod(f, pod);
    }
    run(f);
    assert_int_equal(count(f, SY_DECIDE_EVICT), 2);
    assert_non_null(heard(f, SY_DECIDE_EVICT, "p0"));
    assert_non_null(heard(f, SY_DECIDE_EVICT, "p1"));
}

static void test_off_by_configuration(void **state)
{
    struct fixture *f = *state;

    f->options.gangs.never_preempts = true;
    sy_sched_configure(f->s, &f->options, f->now);
    put_nodes(f, 1, 8);
    put_pod(f, running(f, "a", "n0", 8, 0, NULL));
    put_high(f, 1, "1", 8);
    put_high(f, 1, "1", 8);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_EVICT), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_evicts_what_the_whole_gang_needs),
        CASE(test_is_bound_when_they_have_gone),
        CASE(test_evicts_nobody_when_not_all_would_fit),
        CASE(test_spares_what_it_can),
        CASE(test_prefers_not_to_break_a_gang),
        CASE(test_a_gang_goes_whole),
        CASE(test_a_gang_with_one_that_stays_stays),
        CASE(test_budgets_are_respected_where_that_is_possible),
        CASE(test_stays_in_one_domain),
        CASE(test_off_by_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
