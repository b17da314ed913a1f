/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop: order and fairness of timers, deferred calls, descriptors and signals; freeing from
 * inside callbacks. */
#include "net/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"

struct log {
    struct sy_loop *loop;
    char text[256];
    size_t len;
    size_t stop_at;
};

struct mark {
    struct log *log;
    char name;
    struct sy_timer *timer;
    struct sy_deferred *deferred;
    struct sy_timer *other_timer;
    int repeats;
};

static void note(struct log *l, char c)
{
    assert_true(l->len + 1 < sizeof(l->text));
    l->text[l->len++] = c;
    if (l->stop_at && l->len >= l->stop_at)
        sy_loop_stop(l->loop);
}

static int setup(void **state)
{
    struct log *l = calloc(1, sizeof(*l));

    assert_int_equal(sy_loop_new(&l->loop, NULL), 0);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    struct log *l = *state;

    sy_loop_free(l->loop);
    free(l);
    return 0;
}

static void on_mark(void *arg)
{
    struct mark *m = arg;

    note(m->log, m->name);
}

static void stop(void *arg)
{
    sy_loop_stop(arg);
}

static void run_for(struct log *l, int64_t ns)
{
    struct sy_timer *t = sy_timer_new(l->loop, stop, l->loop);

    sy_timer_arm(t, ns);
    assert_int_equal(sy_loop_run(l->loop, NULL), 0);
    sy_timer_free(t);
}

static void timers_fire_in_order(void **state)
{
    struct log *l = *state;
    struct mark m[4];
    const int64_t after_ms[4] = {9, 3, 6, 3};

    for (int i = 0; i < 4; i++) {
        m[i] = (struct mark){.log = l, .name = (char)('a' + i)};
        m[i].timer = sy_timer_new(l->loop, on_mark, &m[i]);
        sy_timer_arm(m[i].timer, after_ms[i] * SY_NS_PER_MS);
        assert_true(sy_timer_is_armed(m[i].timer));
    }
    l->stop_at = 4;
    assert_int_equal(sy_loop_run(l->loop, NULL), 0);
    assert_string_equal(l->text, "bdca");
    for (int i = 0; i < 4; i++) {
        assert_false(sy_timer_is_armed(m[i].timer));
        sy_timer_free(m[i].timer);
    }
}

static void timers_are_precise(void **state)
{
    struct log *l = *state;
    sy_time_ns start = sy_clock_boot_ns();
    int64_t took;

    run_for(l, 20 * SY_NS_PER_MS);
    took = sy_clock_boot_ns() - start;
    assert_true(took >= 20 * SY_NS_PER_MS);
    assert_true(took < SY_NS_PER_S);
}

static void arming_moves_and_disarming_stops(void **state)
{
    struct log *l = *state;
    struct mark a = {.log = l, .name = 'a'}, b = {.log = l, .name = 'b'};

    a.timer = sy_timer_new(l->loop, on_mark, &a);
    b.timer = sy_timer_new(l->loop, on_mark, &b);
    sy_timer_arm(a.timer, 3600 * SY_NS_PER_S);
    sy_timer_arm(a.timer, SY_NS_PER_MS);
    sy_timer_arm(b.timer, SY_NS_PER_MS);
    sy_timer_disarm(b.timer);
    sy_timer_disarm(b.timer);
    run_for(l, 10 * SY_NS_PER_MS);
    assert_string_equal(l->text, "a");

    /* Later than before, and the wake that was set for the earlier time must do no harm. */
    sy_timer_arm(a.timer, 2 * SY_NS_PER_MS);
    sy_timer_arm(a.timer, 20 * SY_NS_PER_MS);
    run_for(l, 8 * SY_NS_PER_MS);
    assert_string_equal(l->text, "a");
    run_for(l, 30 * SY_NS_PER_MS);
    assert_string_equal(l->text, "aa");
    sy_timer_free(a.timer);
    sy_timer_free(b.timer);
    sy_timer_free(NULL);
}

struct check {
    sy_time_ns deadline;
    struct sy_timer *timer;
    struct many *many;
    bool is_armed;
};

struct many {
    struct sy_loop *loop;
    struct check checks[300];
    sy_time_ns last;
    int fired;
    int armed;
};

static void on_check(void *arg)
{
    struct check *c = arg;

    assert_true(c->is_armed);
    assert_true(c->deadline >= c->many->last - SY_NS_PER_MS);
    c->many->last = c->deadline;
    c->is_armed = false;
    if (++c->many->fired == c->many->armed)
        sy_loop_stop(c->many->loop);
}

static void heap_keeps_order_under_churn(void **state)
{
    struct log *l = *state;
    struct many *m = calloc(1, sizeof(*m));
    struct sy_rng rng;

    sy_rng_seed(&rng, 7);
    m->loop = l->loop;
    for (int i = 0; i < 300; i++) {
        m->checks[i].many = m;
        m->checks[i].timer = sy_timer_new(l->loop, on_check, &m->checks[i]);
    }
    for (int i = 0; i < 5000; i++) {
        struct check *c = &m->checks[sy_rng_below(&rng, 300)];

        if (sy_rng_below(&rng, 3) == 0) {
            sy_timer_disarm(c->timer);
            c->is_armed = false;
        } else {
            int64_t after = (int64_t)sy_rng_below(&rng, 40) * SY_NS_PER_MS;

            c->deadline = sy_clock_boot_ns() + after;
            c->is_armed = true;
            sy_timer_arm(c->timer, after);
        }
    }
    for (int i = 0; i < 300; i++)
        m->armed += m->checks[i].is_armed;
    assert_true(m->armed > 100);
    assert_int_equal(sy_loop_run(l->loop, NULL), 0);
    assert_int_equal(m->fired, m->armed);
    for (int i = 0; i < 300; i++)
        sy_timer_free(m->checks[i].timer);
    free(m);
}

static void free_timers(void *arg)
{
    struct mark *m = arg;

    note(m->log, m->name);
    sy_timer_free(m->other_timer);
    sy_timer_free(m->timer);
    sy_loop_stop(m->log->loop);
}

static void timer_may_free_itself_and_others(void **state)
{
    struct log *l = *state;
    struct mark a = {.log = l, .name = 'a'}, b = {.log = l, .name = 'b'};

    a.timer = sy_timer_new(l->loop, free_timers, &a);
    a.other_timer = sy_timer_new(l->loop, on_mark, &b);
    sy_timer_arm(a.timer, 0);
    sy_timer_arm(a.other_timer, 0);
    assert_int_equal(sy_loop_run(l->loop, NULL), 0);
    assert_string_equal(l->text, "a");
}

static void rearm(void *arg)
{
    struct mark *m = arg;

    note(m->log, m->name);
    if (m->timer)
        sy_timer_arm(m->timer, 0);
    if (m->deferred)
        sy_deferred_trigger(m->deferred);
}

static void on_readable(evutil_socket_t fd, short what SY_UNUSED, void *arg)
{
    struct mark *m = arg;
    char c;

    assert_int_equal(read(fd, &c, 1), 1);
    note(m->log, m->name);
}

/* A timer and a deferred call that never rest let the descriptor and each other through. */
static void nothing_starves(void **state)
{
    struct log *l = *state;
    struct mark t = {.log = l, .name = 't'}, d = {.log = l, .name = 'd'},
                i = {.log = l, .name = 'i'};
    int fds[2];
    struct event *e;

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "xyz", 3), 3);
    e = event_new(sy_loop_base(l->loop), fds[0], EV_READ | EV_PERSIST, on_readable, &i);
    event_add(e, NULL);
    t.timer = sy_timer_new(l->loop, rearm, &t);
    d.deferred = sy_deferred_new(l->loop, rearm, &d);
    sy_timer_arm(t.timer, 0);
    sy_deferred_trigger(d.deferred);
    l->stop_at = 9;
    assert_int_equal(sy_loop_run(l->loop, NULL), 0);
    assert_string_equal(l->text, "itditditd");
    event_free(e);
    sy_timer_free(t.timer);
    sy_deferred_free(d.deferred);
    close(fds[0]);
    close(fds[1]);
}

static void free_deferred(void *arg)
{
    struct mark *m = arg;

    note(m->log, m->name);
    sy_deferred_free(m->deferred);
    m->deferred = NULL;
}

static void deferred_collapse_and_free(void **state)
{
    struct log *l = *state;
    struct mark a = {.log = l, .name = 'a'}, b = {.log = l, .name = 'b'},
                c = {.log = l, .name = 'c'};

    a.deferred = sy_deferred_new(l->loop, free_deferred, &a);
    b.deferred = sy_deferred_new(l->loop, on_mark, &b);
    c.deferred = sy_deferred_new(l->loop, on_mark, &c);
    sy_deferred_trigger(a.deferred);
    sy_deferred_trigger(c.deferred);
    sy_deferred_trigger(b.deferred);
    sy_deferred_trigger(a.deferred);
    sy_deferred_trigger(b.deferred);
    sy_deferred_free(c.deferred);
    run_for(l, 5 * SY_NS_PER_MS);
    assert_string_equal(l->text, "ab");
    sy_deferred_trigger(b.deferred);
    run_for(l, 5 * SY_NS_PER_MS);
    assert_string_equal(l->text, "abb");
    sy_deferred_free(b.deferred);
    sy_deferred_free(NULL);
}

static void on_signal(void *arg, int number)
{
    struct log *l = arg;

    assert_int_equal(number, SIGUSR1);
    note(l, 's');
    sy_loop_stop(l->loop);
}

static void signals_arrive(void **state)
{
    struct log *l = *state;
    struct sy_signal *s = sy_signal_new(l->loop, SIGUSR1, on_signal, l);

    assert_non_null(s);
    raise(SIGUSR1);
    assert_int_equal(sy_loop_run(l->loop, NULL), 0);
    assert_string_equal(l->text, "s");
    sy_signal_free(s);
    sy_signal_free(NULL);
    assert_null(sy_signal_new(l->loop, SIGKILL, on_signal, l));
}

static void run_inside(void *arg)
{
    struct log *l = arg;
    struct sy_err err = {0};

    assert_int_equal(sy_loop_run(l->loop, &err), -EBUSY);
    note(l, 'r');
    sy_loop_stop(l->loop);
}

static void stop_before_run_and_nesting(void **state)
{
    struct log *l = *state;
    struct sy_deferred *d = sy_deferred_new(l->loop, run_inside, l);

    sy_deferred_trigger(d);
    sy_loop_stop(l->loop);
    assert_int_equal(sy_loop_run(l->loop, NULL), 0);
    assert_int_equal(l->len, 0);
    assert_int_equal(sy_loop_run(l->loop, NULL), 0);
    assert_string_equal(l->text, "r");
    sy_deferred_free(d);
}

struct clock_test {
    struct sy_loop *loop;
    sy_time_ns first;
};

static void check_now(void *arg)
{
    struct clock_test *c = arg;
    sy_time_ns now = sy_loop_now_ns(c->loop);
    struct timespec ms = {.tv_nsec = 2000000};

    nanosleep(&ms, NULL);
    assert_true(sy_loop_now_ns(c->loop) == now);
    if (!c->first)
        c->first = now;
    else
        assert_true(now >= c->first + 2 * SY_NS_PER_MS);
}

static void now_is_fixed_within_a_turn(void **state)
{
    struct log *l = *state;
    struct clock_test c = {.loop = l->loop};
    struct sy_deferred *d = sy_deferred_new(l->loop, check_now, &c);
    sy_time_ns before = sy_clock_boot_ns();

    assert_true(sy_loop_now_ns(l->loop) >= before);
    sy_deferred_trigger(d);
    run_for(l, SY_NS_PER_MS);
    sy_deferred_trigger(d);
    run_for(l, SY_NS_PER_MS);
    assert_true(c.first >= before);
    sy_deferred_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timers_fire_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(timers_are_precise, setup, teardown),
        cmocka_unit_test_setup_teardown(arming_moves_and_disarming_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(heap_keeps_order_under_churn, setup, teardown),
        cmocka_unit_test_setup_teardown(timer_may_free_itself_and_others, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_starves, setup, teardown),
        cmocka_unit_test_setup_teardown(deferred_collapse_and_free, setup, teardown),
        cmocka_unit_test_setup_teardown(signals_arrive, setup, teardown),
        cmocka_unit_test_setup_teardown(stop_before_run_and_nesting, setup, teardown),
        cmocka_unit_test_setup_teardown(now_is_fixed_within_a_turn, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
