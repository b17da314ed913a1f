/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/queue.h"

#include "base/rng.h"
#include "core.h"
#include "sched/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const sy_time_ns MINUTE = 60 * SY_NS_PER_S;

/* What must be first: the most priority with what waiting gave, then the oldest. */
static uint32_t expected(const struct sy_entries *e)
{
    uint32_t best = SY_NO_ENTRY;

    for (uint32_t i = 0; i < e->all.len; i++) {
        const struct sy_entry *x = &e->all.p[i];
        if (x->state != SY_ENTRY_ACTIVE)
            continue;
        if (best == SY_NO_ENTRY) {
            best = i;
            continue;
        }
        double a = sy_entry_effective(e, x), b = sy_entry_effective(e, &e->all.p[best]);
        if (a > b + 1e-6 || (a > b - 1e-6 && x->order < e->all.p[best].order))
            best = i;
    }
    return best;
}

static void churn(double points_per_minute, double most)
{
    struct sy_entries e = {
        .ageing = {.points_per_ns = points_per_minute / (double)MINUTE, .most = most}};
    struct sy_heap h = {0};
    struct sy_rng rng;

    sy_rng_seed(&rng, 9);
    e.ageing.now = 1000 * MINUTE;
    for (int step = 0; step < 4000; step++) {
        uint64_t kind = sy_rng_below(&rng, 5);
        if (kind < 2) {
            uint32_t i = sy_entry_new(&e);
            e.all.p[i].priority = (int32_t)sy_rng_below(&rng, 40);
            e.all.p[i].queued_ns = e.ageing.now;
            e.all.p[i].state = SY_ENTRY_ACTIVE;
            sy_heap_push(&h, &e, i);
        } else if (kind == 2) {
            e.ageing.now += (int64_t)sy_rng_below(&rng, 100) * SY_NS_PER_S;
        } else if (kind == 3 && e.all.len) {
            uint32_t i = (uint32_t)sy_rng_below(&rng, e.all.len);
            if (e.all.p[i].state == SY_ENTRY_ACTIVE) {
                sy_heap_remove(&h, &e, i);
                sy_entry_free(&e, i);
            }
        } else {
            uint32_t first = sy_heap_top(&h, &e);
            assert_int_equal(first, expected(&e));
            if (first != SY_NO_ENTRY && sy_rng_below(&rng, 2)) {
                sy_heap_remove(&h, &e, first);
                sy_entry_free(&e, first);
            }
        }
        if (step == 2000) { /* as a reload does */
            e.ageing.points_per_ns *= 3;
            sy_heap_rebuild(&h, &e);
        }
    }
    assert_true(sy_heap_len(&h) > 10);
    sy_heap_done(&h);
    sy_vec_done(&e.all);
    sy_vec_done(&e.free);
}

static void test_order_with_and_without_ageing(void **state)
{
    (void)state;
    churn(0, 0);
    churn(1, 0);
    churn(2, 15);
    churn(30, 10);
}

struct world {
    struct sy_strings *strings;
    char bound[64];
    uint64_t ticket;
    uint32_t evictions;
};

static void hear(void *arg, const struct sy_decision *d)
{
    struct world *w = arg;

    w->evictions += d->kind == SY_DECIDE_EVICT;
    if (d->kind != SY_DECIDE_BIND)
        return;
    snprintf(w->bound, sizeof(w->bound), "%s", d->name);
    w->ticket = d->ticket;
}

/* Important pods keep coming and one bind at a time is all there is: when does the modest one that
 * came first get its turn? Returns the minute, or -1 within two hours. */
static int minutes_until_served(struct sy_ageing ageing)
{
    struct core k;
    struct world w = {0};
    struct sy_profile profile;
    int served = -1;

    core_init(&k);
    sy_profile_default(&profile, "steelyard");
    struct sy_sched_options options = {.profiles = &profile,
                                       .profiles_len = 1,
                                       .binds_in_flight_max = 1,
                                       .ageing = ageing,
                                       .exact = true};
    struct sy_sched *s = sy_sched_new(k.strings, &options, hear, &w);
    sy_time_ns now = 50 * MINUTE;
    struct sy_node node = core_node(&k, "n", 1000000, 1000000, 0);
    assert_int_equal(sy_sched_node(s, &node, now), 0);
    struct sy_pod low = core_pod(&k, "low", 1, 1, 0);
    assert_int_equal(sy_sched_pod(s, &low, now), 0);
    for (int minute = 0; minute < 120 && served < 0; minute++) {
        for (int i = 0; i < 2; i++) { /* twice what is served */
            char name[32];
            snprintf(name, sizeof(name), "high-%d-%d", minute, i);
            struct sy_pod high = core_pod(&k, name, 1, 1, 0);
            high.priority = 20;
            assert_int_equal(sy_sched_pod(s, &high, now), 0);
        }
        sy_sched_run(s, true, 0, now);
        if (strcmp(w.bound, "low") == 0)
            served = minute;
        sy_sched_bind_result(s, w.ticket, SY_BIND_RESULT_OK, NULL, now);
        now += MINUTE;
    }
    assert_int_equal(w.evictions, 0);
    assert_int_equal(sy_sched_stats(s)->exact_differences, 0);
    sy_sched_free(s);
    core_done(&k);
    return served;
}

static void test_low_priority_does_not_starve(void **state)
{
    (void)state;
    assert_int_equal(minutes_until_served((struct sy_ageing){0}), -1);
    /* 20 points behind. Those that came later gain as well, but later: it is first among those of
     * its effective priority when the newest is 20 minutes younger. */
    int minute = minutes_until_served((struct sy_ageing){.points_per_minute = 1});
    assert_in_range(minute, 20, 60);
    assert_true(minutes_until_served((struct sy_ageing){.points_per_minute = 10}) < minute);
    assert_int_equal(minutes_until_served((struct sy_ageing){.points_per_minute = 1, .most = 19}),
                     -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_with_and_without_ageing),
        cmocka_unit_test(test_low_priority_does_not_starve),
    };

    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
