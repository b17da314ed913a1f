/* SPDX-License-Identifier: Apache-2.0
 *
 * The failure machine by itself: states from conditions, taints, leases, labels and GPUs; the
 * breaker; hold-downs. */
#include "sched/failure.h"

#include "core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct core k;
    struct sy_cluster c;
    struct sy_failures f;
    struct sy_failure_options options;
    sy_time_ns now;
};

static int setup(void **state)
{
    static const struct sy_failure_label LABELS[] = {{"gpu-health", "bad"}, {"broken", NULL}};
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_cluster_init(&f->c, f->k.strings);
    sy_failures_init(&f->f);
    sy_failure_options_default(&f->options);
    f->options.gpus = true;
    f->options.labels = LABELS;
    f->options.labels_len = SY_ARRAY_LEN(LABELS);
    f->now = 1000 * SY_NS_PER_S;
    sy_failures_configure(&f->f, &f->c, &f->options, f->now);
    sy_failures_view(&f->f, true, f->now);
    sy_failures_leases_live(&f->f, true, f->now);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_failures_done(&f->f);
    sy_cluster_done(&f->c);
    core_done(&f->k);
    free(f);
    return 0;
}

static uint32_t put(struct fixture *f, struct sy_node node)
{
    uint32_t slot, change;

    assert_int_equal(sy_cluster_node_upsert(&f->c, &node, &slot, &change), 0);
    if (change)
        sy_failures_node(&f->f, &f->c, slot, f->now);
    return slot;
}

static uint32_t put_ready(struct fixture *f, const char *name, uint8_t ready)
{
    struct sy_node node = core_node(&f->k, name, 4000, 4096, 8);

    node.capacity = node.allocatable;
    node.ready = ready;
    return put(f, node);
}

static void pass(struct fixture *f, int64_t seconds)
{
    f->now += seconds * SY_NS_PER_S;
    sy_failures_run(&f->f, &f->c, f->now);
}

static void assert_state(struct fixture *f, uint32_t slot, enum sy_failure_state want)
{
    const struct sy_node_failure *n = sy_failures_of(&f->f, &f->c, slot);

    assert_non_null(n);
    assert_string_equal(sy_failure_state_name(n->state), sy_failure_state_name(want));
}

static void test_not_ready_and_back(void **state)
{
    struct fixture *f = *state;
    uint32_t slot = put_ready(f, "a", SY_CONDITION_TRUE);

    assert_state(f, slot, SY_FAILURE_HEALTHY);
    put_ready(f, "a", SY_CONDITION_UNKNOWN);
    assert_state(f, slot, SY_FAILURE_NOT_READY);
    assert_int_equal(f->c.node_health[slot], SY_HEALTH_NOT_READY);
    assert_int_equal(sy_failures_next_dirty(&f->f), slot);
    assert_int_equal(sy_failures_next_dirty(&f->f), SY_NONE);
    pass(f, 30);
    put_ready(f, "a", SY_CONDITION_TRUE);
    assert_state(f, slot, SY_FAILURE_HELD_DOWN);
    pass(f, 9);
    assert_state(f, slot, SY_FAILURE_HELD_DOWN);
    assert_int_equal(f->c.node_health[slot], SY_HEALTH_HELD_DOWN);
    pass(f, 1);
    assert_state(f, slot, SY_FAILURE_HEALTHY);
    assert_int_equal(f->c.node_health[slot], SY_HEALTH_GOOD);
    assert_int_equal(f->f.counts[SY_CAUSE_NOT_READY], 1);
}

static void test_a_node_that_joins_has_not_failed(void **state)
{
    struct fixture *f = *state;
    uint32_t slot = put_ready(f, "a", SY_CONDITION_FALSE);

    assert_state(f, slot, SY_FAILURE_NOT_READY);
    put_ready(f, "a", SY_CONDITION_TRUE);
    assert_state(f, slot, SY_FAILURE_HEALTHY);
    assert_int_equal(f->f.counts[SY_CAUSE_NOT_READY], 0);
    /* Nor has one that says nothing. */
    assert_state(f, put_ready(f, "b", SY_CONDITION_ABSENT), SY_FAILURE_HEALTHY);
}

static int64_t hold_down(struct fixture *f, uint32_t slot)
{
    put_ready(f, "a", SY_CONDITION_FALSE);
    put_ready(f, "a", SY_CONDITION_TRUE);
    return (sy_failures_of(&f->f, &f->c, slot)->until_ns - f->now) / SY_NS_PER_S;
}

static void test_flaps_grow_and_fade(void **state)
{
    struct fixture *f = *state;
    uint32_t slot = put_ready(f, "a", SY_CONDITION_TRUE);

    assert_int_equal(hold_down(f, slot), 10);
    assert_int_equal(hold_down(f, slot), 20);
    assert_int_equal(hold_down(f, slot), 40);
    for (int i = 0; i < 10; i++)
        (void)hold_down(f, slot);
    assert_int_equal(hold_down(f, slot), 600);
    pass(f, 86400);
    assert_state(f, slot, SY_FAILURE_HEALTHY);
    assert_int_equal(hold_down(f, slot), 10);
}

static void test_taints_count_as_conditions(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "a", 4000, 4096, 0);
    struct sy_taint taints[] = {
        {core_id(&f->k, "node.kubernetes.io/unreachable"), core_id(&f->k, ""),
         SY_EFFECT_NO_EXECUTE},
        {core_id(&f->k, "node.kubernetes.io/out-of-service"), core_id(&f->k, "nodeshutdown"),
         SY_EFFECT_NO_EXECUTE},
    };
    uint32_t slot = put(f, node);

    node.taints = taints;
    node.taints_len = 1;
    put(f, node);
    assert_state(f, slot, SY_FAILURE_NOT_READY);
    assert_false(sy_failures_of(&f->f, &f->c, slot)->is_out);
    node.taints_len = 2;
    put(f, node);
    assert_true(sy_failures_of(&f->f, &f->c, slot)->is_out);
    taints[0].effect = SY_EFFECT_NO_SCHEDULE; /* not what says that it failed */
    node.taints_len = 1;
    node.labels = core_label(&f->k, "x", "y"); /* taints are compared by what they point to */
    sy_failures_node(&f->f, &f->c, put(f, node), f->now);
    assert_state(f, slot, SY_FAILURE_HELD_DOWN);
}

static void renew(struct fixture *f, const char *name, int64_t duration_s)
{
    sy_failures_lease(&f->f, &f->c, core_id(&f->k, name), f->now, duration_s * SY_NS_PER_S, f->now);
}

static void test_a_stale_lease_is_suspect_and_no_failure(void **state)
{
    struct fixture *f = *state;
    uint32_t a = put_ready(f, "a", SY_CONDITION_TRUE), b = put_ready(f, "b", SY_CONDITION_TRUE);

    for (int i = 0; i < 30; i++) {
        char name[32];
        snprintf(name, sizeof(name), "other%d", i);
        put_ready(f, name, SY_CONDITION_TRUE);
    }
    renew(f, "a", 40);
    renew(f, "b", 400); /* renewed more seldom: stale later */
    pass(f, 14);
    assert_state(f, a, SY_FAILURE_HEALTHY);
    pass(f, 1);
    assert_state(f, a, SY_FAILURE_SUSPECT);
    assert_state(f, b, SY_FAILURE_HEALTHY);
    renew(f, "a", 40);
    assert_state(f, a, SY_FAILURE_HEALTHY); /* at once */
    pass(f, 14);
    renew(f, "a", 40);
    pass(f, 14);
    assert_state(f, a, SY_FAILURE_HEALTHY);
}

static void test_leases_do_not_age_while_nobody_listens(void **state)
{
    struct fixture *f = *state;
    uint32_t a = put_ready(f, "a", SY_CONDITION_TRUE);

    renew(f, "a", 40);
    sy_failures_leases_live(&f->f, false, f->now);
    pass(f, 100);
    assert_state(f, a, SY_FAILURE_HEALTHY);
    sy_failures_leases_live(&f->f, true, f->now);
    pass(f, 14);
    assert_state(f, a, SY_FAILURE_HEALTHY);
    sy_failures_view(&f->f, false, f->now);
    pass(f, 100);
    sy_failures_view(&f->f, true, f->now);
    pass(f, 14);
    assert_state(f, a, SY_FAILURE_HEALTHY);
    pass(f, 1);
    assert_state(f, a, SY_FAILURE_SUSPECT);
}

static void test_labels(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "a", 4000, 4096, 0);
    uint32_t slot = put(f, node);
    static const struct {
        const char *key, *value;
        enum sy_failure_state want;
    } CASES[] = {
        {"gpu-health", "good", SY_FAILURE_HEALTHY}, {"gpu-health", "bad", SY_FAILURE_SUSPECT},
        {"other", "bad", SY_FAILURE_HELD_DOWN},     {"broken", "xid-79", SY_FAILURE_SUSPECT},
        {"broken", "false", SY_FAILURE_HELD_DOWN},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        node.labels = core_label(&f->k, CASES[i].key, CASES[i].value);
        put(f, node);
        assert_state(f, slot, CASES[i].want);
    }
    node.labels = (struct sy_labels){0};
    node.annotations = core_label(&f->k, "broken", "yes");
    put(f, node);
    assert_state(f, slot, SY_FAILURE_SUSPECT);
}

static void test_gpus(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "a", 4000, 4096, 8);

    node.capacity = core_amounts(&f->k, 4000, 4096, 8, 110);
    uint32_t slot = put(f, node);
    assert_state(f, slot, SY_FAILURE_HEALTHY);
    node.allocatable = core_amounts(&f->k, 4000, 4096, 7, 110); /* one is unhealthy */
    put(f, node);
    assert_state(f, slot, SY_FAILURE_SUSPECT);
    node.capacity = core_amounts(&f->k, 4000, 4096, 7, 110); /* one is gone */
    put(f, node);
    assert_state(f, slot, SY_FAILURE_SUSPECT);
    pass(f, 599);
    assert_state(f, slot, SY_FAILURE_SUSPECT);
    pass(f, 1); /* for good: somebody meant it */
    assert_state(f, slot, SY_FAILURE_HELD_DOWN);
    pass(f, 60);
    assert_state(f, slot, SY_FAILURE_HEALTHY);
}

static void put_many(struct fixture *f, int from, int to, uint8_t ready, const char *zone)
{
    for (int i = from; i < to; i++) {
        char name[32];
        snprintf(name, sizeof(name), "n%d", i);
        struct sy_node node = core_node(&f->k, name, 4000, 4096, 0);
        node.ready = ready;
        if (zone)
            node.labels = core_label(&f->k, "topology.kubernetes.io/zone", zone);
        put(f, node);
    }
    sy_failures_run(&f->f, &f->c, f->now);
}

static void test_the_breaker_by_share(void **state)
{
    struct fixture *f = *state;

    put_many(f, 0, 50, SY_CONDITION_TRUE, NULL);
    pass(f, 10);
    assert_null(sy_failures_suspended(&f->f, f->now));
    put_many(f, 0, 5, SY_CONDITION_UNKNOWN, NULL);
    assert_null(sy_failures_suspended(&f->f, f->now)); /* 10 % */
    put_many(f, 5, 6, SY_CONDITION_UNKNOWN, NULL);
    assert_non_null(sy_failures_suspended(&f->f, f->now));
    assert_int_equal(f->f.openings, 1);
    pass(f, 120); /* the window is over, the failures are not */
    assert_non_null(sy_failures_suspended(&f->f, f->now));
    put_many(f, 5, 6, SY_CONDITION_TRUE, NULL);
    pass(f, 1);
    assert_null(sy_failures_suspended(&f->f, f->now));
}

static void test_the_breaker_closes_when_nothing_more_fails(void **state)
{
    struct fixture *f = *state;

    put_many(f, 0, 20, SY_CONDITION_TRUE, NULL);
    put_many(f, 0, 10, SY_CONDITION_UNKNOWN, NULL);
    pass(f, 599);
    assert_non_null(sy_failures_suspended(&f->f, f->now));
    pass(f, 1);
    assert_null(sy_failures_suspended(&f->f, f->now));
    pass(f, 1000);
    assert_null(sy_failures_suspended(&f->f, f->now));
    assert_int_equal(f->f.openings, 1);
}

static void test_slow_failures_do_not_open_it(void **state)
{
    struct fixture *f = *state;

    put_many(f, 0, 20, SY_CONDITION_TRUE, NULL);
    pass(f, 10);
    for (int i = 0; i < 10; i++) {
        put_many(f, i, i + 1, SY_CONDITION_UNKNOWN, NULL);
        pass(f, 30);
        assert_null(sy_failures_suspended(&f->f, f->now));
    }
}

static void test_the_breaker_by_zone(void **state)
{
    struct fixture *f = *state;

    put_many(f, 0, 95, SY_CONDITION_TRUE, "big");
    put_many(f, 95, 100, SY_CONDITION_TRUE, "small");
    pass(f, 10);
    put_many(f, 95, 97, SY_CONDITION_UNKNOWN, "small");
    assert_null(sy_failures_suspended(&f->f, f->now));
    put_many(f, 97, 98, SY_CONDITION_UNKNOWN, "small"); /* 60 % of it, 3 % of all */
    assert_non_null(sy_failures_suspended(&f->f, f->now));
}

/* When all leases stop at once it is not the nodes. */
static void test_many_stale_leases_are_not_heeded(void **state)
{
    struct fixture *f = *state;
    char name[32];

    put_many(f, 0, 20, SY_CONDITION_TRUE, NULL);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        renew(f, name, 40);
    }
    pass(f, 20);
    assert_non_null(sy_failures_suspended(&f->f, f->now));
    for (uint32_t slot = 0; slot < 20; slot++)
        assert_state(f, slot, SY_FAILURE_HEALTHY);
    for (int i = 0; i < 19; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        renew(f, name, 40);
    }
    pass(f, 1);
    assert_null(sy_failures_suspended(&f->f, f->now));
    assert_state(f, 19, SY_FAILURE_SUSPECT);
}

static void test_an_old_view_suspends(void **state)
{
    struct fixture *f = *state;

    pass(f, 10);
    assert_null(sy_failures_suspended(&f->f, f->now));
    sy_failures_view(&f->f, false, f->now);
    assert_non_null(sy_failures_suspended(&f->f, f->now));
    sy_failures_view(&f->f, true, f->now);
    assert_non_null(sy_failures_suspended(&f->f, f->now)); /* lists may be old yet */
    pass(f, 5);
    assert_null(sy_failures_suspended(&f->f, f->now));
}

static void test_off(void **state)
{
    struct fixture *f = *state;
    uint32_t slot = put_ready(f, "a", SY_CONDITION_TRUE);

    put_ready(f, "a", SY_CONDITION_FALSE);
    assert_int_equal(f->c.node_health[slot], SY_HEALTH_NOT_READY);
    sy_failures_configure(&f->f, &f->c, NULL, f->now);
    assert_int_equal(f->c.node_health[slot], SY_HEALTH_GOOD);
    assert_null(sy_failures_of(&f->f, &f->c, slot));
    sy_failures_configure(&f->f, &f->c, &f->options, f->now);
    assert_state(f, slot, SY_FAILURE_NOT_READY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_not_ready_and_back),
        TEST(test_a_node_that_joins_has_not_failed),
        TEST(test_flaps_grow_and_fade),
        TEST(test_taints_count_as_conditions),
        TEST(test_a_stale_lease_is_suspect_and_no_failure),
        TEST(test_leases_do_not_age_while_nobody_listens),
        TEST(test_labels),
        TEST(test_gpus),
        TEST(test_the_breaker_by_share),
        TEST(test_the_breaker_closes_when_nothing_more_fails),
        TEST(test_slow_failures_do_not_open_it),
        TEST(test_the_breaker_by_zone),
        TEST(test_many_stale_leases_are_not_heeded),
        TEST(test_an_old_view_suspends),
        TEST(test_off),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
