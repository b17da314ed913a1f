/* SPDX-License-Identifier: Apache-2.0
 *
 * Gangs under failures: runs repeat, nothing is partial, and each outcome of a bind
 * is what it says. `make simulate-gangs` makes long runs of the same. */
#include "sim/gangs.h"

#include "sim/policies.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct sy_profile profile;

static struct sy_gangs_options options(uint64_t seed, uint64_t arrivals)
{
    assert_int_equal(sy_sim_policy("default", &profile, NULL), 0);
    return (struct sy_gangs_options){
        .profile = &profile, .seed = seed, .arrivals = arrivals, .nodes = 24, .exact = true};
}

static void test_no_partial_gang_whatever_fails(void **state)
{
    struct sy_gangs_options o = options(1, 700);
    struct sy_gangs_figures f;
    struct sy_err err = {0};

    (void)state;
    if (sy_gangs_run(&o, &f, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(f.gangs, o.arrivals);
    assert_int_equal(f.whole + f.given_up, f.gangs);
    assert_true(f.whole > f.gangs / 2);
    /* All that can go wrong did. */
    assert_true(f.refused > 100 && f.lost > 100 && f.unheard > 100);
    assert_true(f.nodes_gone > 5 && f.nodes_failed > f.nodes_gone + 5);
    assert_true(f.members_deleted > 50 && f.singles > 50 && f.evicted > 0);
    assert_true(f.whole_max_s > 0 && f.whole_max_s < SY_GANGS_WHOLE_S);
    assert_true(f.gpus_allocated > 10 && f.gpus_allocated < 100);
}

static void test_runs_repeat_and_seeds_differ(void **state)
{
    struct sy_gangs_options o = options(5, 200);
    struct sy_gangs_figures a = {0}, b = {0}, c = {0};

    (void)state;
    assert_int_equal(sy_gangs_run(&o, &a, NULL), 0);
    assert_int_equal(sy_gangs_run(&o, &b, NULL), 0);
    assert_memory_equal(&a, &b, sizeof(a));
    o.seed = 6;
    assert_int_equal(sy_gangs_run(&o, &c, NULL), 0);
    assert_int_not_equal(a.binds, c.binds);
}

static bool stop(void *arg, double done)
{
    (void)done;
    ++*(uint32_t *)arg;
    return true;
}

static void test_options_and_stopping(void **state)
{
    struct sy_gangs_options o = options(1, 0);
    struct sy_gangs_figures f;
    struct sy_err err = {0};
    uint32_t asked = 0;

    (void)state;
    assert_int_equal(sy_gangs_run(&o, &f, &err), -EINVAL);
    o.arrivals = 10;
    o.nodes = 7;
    assert_int_equal(sy_gangs_run(&o, &f, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "7 nodes"));
    o.nodes = 8;
    o.progress = stop;
    o.arg = &asked;
    assert_int_equal(sy_gangs_run(&o, &f, &err), -ECANCELED);
    assert_int_equal(asked, 1);
}

/* -- the engine's part -- */

struct heard {
    struct sy_sim *sim;
    enum sy_sim_outcome next;
    uint32_t decided, bound, ran;
};

static enum sy_sim_outcome outcome(void *arg, uint32_t pod, uint32_t node)
{
    (void)pod, (void)node;
    return ((struct heard *)arg)->next;
}

static void decided(void *arg, uint32_t pod, uint32_t node)
{
    (void)pod, (void)node;
    ((struct heard *)arg)->decided++;
}

static void bound(void *arg, uint32_t pod, uint32_t node)
{
    (void)pod, (void)node;
    ((struct heard *)arg)->bound++;
}

static void ran(void *arg)
{
    ((struct heard *)arg)->ran++;
}

static void test_each_outcome_of_a_bind(void **state)
{
    static const struct {
        enum sy_sim_outcome outcome;
        uint32_t bound_at_first;
        uint64_t unknown, refused;
    } CASES[] = {
        {SY_SIM_LANDS, 1, 0, 0}, {SY_SIM_LANDS_WATCH_FIRST, 1, 0, 0}, {SY_SIM_UNHEARD, 1, 1, 0},
        {SY_SIM_LOST, 0, 1, 1},  {SY_SIM_REFUSED, 0, 0, 1},
    };
    const struct sy_sim_room room = {.cpu_milli = 1000, .memory_bytes = 1 << 20, .gpus = 1};
    char text[256];

    (void)state;
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        struct heard h = {.next = CASES[i].outcome};
        assert_int_equal(sy_sim_policy("default", &profile, NULL), 0);
        h.sim = sy_sim_new(&(struct sy_sim_options){.profile = &profile,
                                                    .exact = true,
                                                    .reuses_pods = true,
                                                    .outcome = outcome,
                                                    .decided = decided,
                                                    .bound = bound,
                                                    .ran = ran,
                                                    .arg = &h});
        const struct sy_sched_stats *stats = sy_sched_stats(sy_sim_sched(h.sim));
        sy_sim_node_add(h.sim, room, 10);
        uint32_t pod = sy_sim_pod_add(h.sim, (struct sy_sim_ask){.requests = room});
        sy_sim_run(h.sim, 100 * SY_NS_PER_MS);
        assert_int_equal(h.decided, 1);
        assert_int_equal(h.bound, CASES[i].bound_at_first);
        assert_true(h.ran > 0);
        assert_int_equal(stats->binds_unknown, CASES[i].unknown);
        h.next = SY_SIM_LANDS;
        sy_sim_run(h.sim, 60 * SY_NS_PER_S);
        assert_int_equal(h.bound, 1);
        assert_int_equal(stats->binds_refused, CASES[i].refused);
        assert_int_equal(stats->binds_ok, 1);
        assert_null(sy_sim_audit(h.sim, text, sizeof(text)));
        /* Its number is the next pod's, and who asks for the first does not get the second. */
        sy_sim_pod_delete(h.sim, pod);
        assert_int_equal(sy_sim_pod_add(h.sim, (struct sy_sim_ask){.requests = room}), pod);
        sy_sim_run(h.sim, 120 * SY_NS_PER_S);
        assert_int_equal(h.bound, 2);
        assert_null(sy_sim_audit(h.sim, text, sizeof(text)));
        sy_sim_free(h.sim);
    }
}

static void test_a_gang_in_the_engine(void **state)
{
    const struct sy_sim_room room = {.cpu_milli = 1000, .memory_bytes = 1 << 20, .gpus = 1};
    struct sy_sim_ask ask = {.requests = room, .gang = 3, .min_members = 2, .in_one_rack = true};
    struct heard h = {0};
    char text[256];

    (void)state;
    assert_int_equal(sy_sim_policy("default", &profile, NULL), 0);
    h.sim = sy_sim_new(&(struct sy_sim_options){
        .profile = &profile, .exact = true, .decided = decided, .bound = bound, .arg = &h});
    for (uint32_t i = 0; i <= SY_SIM_RACK_NODES; i++) /* the last stands in a rack of its own */
        sy_sim_node_add(h.sim, room, 10);
    for (uint32_t i = 0; i < SY_SIM_RACK_NODES - 1; i++)
        sy_sim_pod_add(h.sim, (struct sy_sim_ask){.requests = room});
    sy_sim_run(h.sim, 10 * SY_NS_PER_S);
    uint32_t singles = h.bound;
    assert_int_equal(singles, SY_SIM_RACK_NODES - 1);
    sy_sim_pod_add(h.sim, ask);
    sy_sim_run(h.sim, 20 * SY_NS_PER_S);
    assert_int_equal(h.decided, singles);
    sy_sim_pod_add(h.sim, ask);
    sy_sim_run(h.sim, 40 * SY_NS_PER_S);
    bool is_one_free_in_each_rack = h.decided == singles;
    sy_sim_pod_delete(h.sim, 0);
    sy_sim_pod_delete(h.sim, 1);
    sy_sim_run(h.sim, 80 * SY_NS_PER_S);
    assert_int_equal(h.bound, singles + 2);
    assert_true(is_one_free_in_each_rack);
    sy_sim_node_gone(h.sim, 0, true);
    assert_null(sy_sim_audit(h.sim, text, sizeof(text)));
    sy_sim_node_gone(h.sim, 0, false);
    sy_sim_run(h.sim, 90 * SY_NS_PER_S);
    assert_null(sy_sim_audit(h.sim, text, sizeof(text)));
    sy_sim_free(h.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_partial_gang_whatever_fails),
        cmocka_unit_test(test_runs_repeat_and_seeds_differ),
        cmocka_unit_test(test_options_and_stopping),
        cmocka_unit_test(test_each_outcome_of_a_bind),
        cmocka_unit_test(test_a_gang_in_the_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
