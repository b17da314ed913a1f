/* SPDX-License-Identifier: Apache-2.0 */
#include "vtime.h"

#include "base/mem.h"
#include "base/vec.h"

#include <errno.h>
#include <sys/queue.h>

/* Some time after boot: 0 means "never" to parts of the core. */
static const sy_time_ns epoch_ns = 1000 * SY_NS_PER_S;
static const int64_t epoch_wall_ns = 1800000000 * SY_NS_PER_S;

enum { SIGNALS = 4 };

static struct {
    struct sy_loop *newest, *running;
    sy_time_ns now;
    int64_t wall_offset_ns;
    uint64_t next_serial;
    struct sy_rng entropy;
    SY_VEC(struct vevent *) heap;
} vt;

struct sy_deferred {
    TAILQ_ENTRY(sy_deferred) link;
    struct sy_loop *loop;
    sy_timer_fn *fn;
    void *arg;
    uint64_t round; /* of the turn in which it was triggered */
    bool is_triggered;
};
TAILQ_HEAD(deferred_list, sy_deferred);

struct sy_loop {
    struct deferred_list triggered;
    uint64_t round;
    struct vevent turn; /* for what deferred calls trigger */
    sy_time_ns frozen_until;
    int64_t lateness_ns;
    sy_timer_fn *on_turn, *on_stop;
    void *owner;
    struct sy_signal *signals[SIGNALS];
};

struct sy_signal {
    struct sy_loop *loop;
    int number;
    sy_signal_fn *fn;
    void *arg;
};

struct sy_timer {
    struct vevent event;
};

/* ---- the queue ---- */

static bool is_before(const struct vevent *a, const struct vevent *b)
{
    return a->at != b->at ? a->at < b->at : a->serial < b->serial;
}

static void put(size_t i, struct vevent *e)
{
    vt.heap.p[i] = e;
    e->place = (uint32_t)i + 1;
}

static void sift_up(size_t i, struct vevent *e)
{
    for (; i && is_before(e, vt.heap.p[(i - 1) / 2]); i = (i - 1) / 2)
        put(i, vt.heap.p[(i - 1) / 2]);
    put(i, e);
}

static void sift_down(size_t i, struct vevent *e)
{
    for (size_t child; (child = 2 * i + 1) < vt.heap.len; i = child) {
        child += child + 1 < vt.heap.len && is_before(vt.heap.p[child + 1], vt.heap.p[child]);
        if (!is_before(vt.heap.p[child], e))
            break;
        put(i, vt.heap.p[child]);
    }
    put(i, e);
}

void vevent_disarm(struct vevent *e)
{
    if (!e->place)
        return;
    size_t i = e->place - 1;
    struct vevent *last = vt.heap.p[--vt.heap.len];

    e->place = 0;
    if (last == e)
        return;
    if (i && is_before(last, vt.heap.p[(i - 1) / 2]))
        sift_up(i, last);
    else
        sift_down(i, last);
}

void vevent_arm(struct vevent *e, int64_t after_ns)
{
    vevent_disarm(e);
    e->at = sy_add_saturate(vt.now, after_ns > 0 ? after_ns : 0);
    e->serial = vt.next_serial++;
    sy_vec_push(&vt.heap, e);
    sift_up(vt.heap.len - 1, e);
}

static void end_turn(struct sy_loop *loop)
{
    struct sy_deferred *d;

    /* What these trigger waits for the next turn. */
    loop->round++;
    while ((d = TAILQ_FIRST(&loop->triggered)) && d->round < loop->round) {
        TAILQ_REMOVE(&loop->triggered, d, link);
        d->is_triggered = false;
        d->fn(d->arg);
    }
    if (TAILQ_EMPTY(&loop->triggered))
        vevent_disarm(&loop->turn);
    if (loop->on_turn)
        loop->on_turn(loop->owner);
}

const char *vtime_step(void)
{
    if (!vt.heap.len)
        return NULL;
    struct vevent *e = vt.heap.p[0];
    struct sy_loop *loop = e->loop;
    const char *what = e->what;

    if (e->at > vt.now)
        vt.now = e->at;
    vevent_disarm(e);
    if (loop && loop->frozen_until > vt.now) {
        vevent_arm(e, loop->frozen_until - vt.now);
        return "frozen";
    }
    sy_timer_fn *fn = e->fn;
    vt.running = loop;
    fn(e->arg); /* may free e, but not the loop */
    if (loop && loop->frozen_until <= vt.now)
        end_turn(loop);
    vt.running = NULL;
    return what;
}

sy_time_ns vtime_next_at(void)
{
    return vt.heap.len ? vt.heap.p[0]->at : INT64_MAX;
}

void vtime_advance(sy_time_ns to)
{
    if (to > vt.now)
        vt.now = to;
}

void vtime_start(uint64_t seed)
{
    vtime_end();
    vt.now = epoch_ns;
    vt.wall_offset_ns = epoch_wall_ns - epoch_ns;
    vt.next_serial = 1;
    sy_rng_seed(&vt.entropy, seed);
}

void vtime_end(void)
{
    while (vt.heap.len)
        vevent_disarm(vt.heap.p[vt.heap.len - 1]);
    sy_vec_done(&vt.heap);
}

sy_time_ns vtime_now(void)
{
    return vt.now;
}

void vtime_jump_wall(int64_t by_ns)
{
    vt.wall_offset_ns += by_ns;
}

/* ---- in place of base/clock.c and base/entropy.c ---- */

sy_time_ns sy_clock_boot_ns(void)
{
    return vt.now;
}

int64_t sy_clock_wall_ns(void)
{
    return vt.now + vt.wall_offset_ns;
}

uint64_t sy_rng_entropy(void)
{
    return sy_rng_u64(&vt.entropy);
}

/* ---- in place of net/loop.c ---- */

static void nothing(void *arg SY_UNUSED)
{
}

int sy_loop_new(struct sy_loop **ret, struct sy_err *err SY_UNUSED)
{
    struct sy_loop *loop = sy_xcalloc(1, sizeof(*loop));

    TAILQ_INIT(&loop->triggered);
    loop->turn = (struct vevent){.fn = nothing, .loop = loop, .what = "turn"};
    vt.newest = loop;
    *ret = loop;
    return 0;
}

void sy_loop_free(struct sy_loop *loop)
{
    if (!loop)
        return;
    vevent_disarm(&loop->turn);
    free(loop);
}

sy_time_ns sy_loop_now_ns(const struct sy_loop *loop SY_UNUSED)
{
    return vt.now;
}

void vloop_freeze(struct sy_loop *loop, sy_time_ns until)
{
    if (until > loop->frozen_until)
        loop->frozen_until = until;
}

void vloop_set_lateness(struct sy_loop *loop, int64_t most_ns)
{
    loop->lateness_ns = most_ns;
}

struct sy_loop *vloop_newest(void)
{
    return vt.newest;
}

void vloop_own(struct sy_loop *loop, void *owner, sy_timer_fn *on_turn, sy_timer_fn *on_stop)
{
    loop->owner = owner;
    loop->on_turn = on_turn;
    loop->on_stop = on_stop;
}

void *vloop_owner(void)
{
    return vt.running->owner;
}

int sy_loop_run(struct sy_loop *loop SY_UNUSED, struct sy_err *err)
{
    return sy_err_set(err, -ENOTSUP, "a virtual loop is run from outside");
}

void sy_loop_stop(struct sy_loop *loop)
{
    loop->on_stop(loop->owner);
}

struct event_base *sy_loop_base(struct sy_loop *loop SY_UNUSED)
{
    return NULL;
}

struct sy_signal *sy_signal_new(struct sy_loop *loop, int signal_number, sy_signal_fn *fn,
                                void *arg)
{
    struct sy_signal *s = sy_xcalloc(1, sizeof(*s));
    size_t i = 0;

    *s = (struct sy_signal){loop, signal_number, fn, arg};
    while (loop->signals[i])
        i++;
    loop->signals[i] = s;
    return s;
}

void sy_signal_free(struct sy_signal *s)
{
    for (size_t i = 0; s && i < SIGNALS; i++) {
        if (s->loop->signals[i] == s)
            s->loop->signals[i] = NULL;
    }
    free(s);
}

void vloop_signal(struct sy_loop *loop, int signal_number)
{
    vt.running = loop;
    for (size_t i = 0; i < SIGNALS; i++) {
        struct sy_signal *s = loop->signals[i];
        if (s && s->number == signal_number)
            s->fn(s->arg, signal_number);
    }
    vt.running = NULL;
}

struct sy_timer *sy_timer_new(struct sy_loop *loop, sy_timer_fn *fn, void *arg)
{
    struct sy_timer *t = sy_xcalloc(1, sizeof(*t));

    t->event = (struct vevent){.fn = fn, .arg = arg, .loop = loop, .what = "timer"};
    return t;
}

void sy_timer_free(struct sy_timer *t)
{
    if (!t)
        return;
    vevent_disarm(&t->event);
    free(t);
}

void sy_timer_arm(struct sy_timer *t, int64_t after_ns)
{
    int64_t late = t->event.loop->lateness_ns;

    if (late)
        late = (int64_t)sy_rng_below(&vt.entropy, (uint64_t)late);
    vevent_arm(&t->event, sy_add_saturate(after_ns > 0 ? after_ns : 0, late));
}

void sy_timer_disarm(struct sy_timer *t)
{
    vevent_disarm(&t->event);
}

int sy_timer_is_armed(const struct sy_timer *t)
{
    return vevent_is_armed(&t->event);
}

struct sy_deferred *sy_deferred_new(struct sy_loop *loop, sy_timer_fn *fn, void *arg)
{
    struct sy_deferred *d = sy_xcalloc(1, sizeof(*d));

    d->loop = loop;
    d->fn = fn;
    d->arg = arg;
    return d;
}

void sy_deferred_free(struct sy_deferred *d)
{
    if (!d)
        return;
    if (d->is_triggered)
        TAILQ_REMOVE(&d->loop->triggered, d, link);
    free(d);
}

void sy_deferred_trigger(struct sy_deferred *d)
{
    if (d->is_triggered)
        return;
    d->is_triggered = true;
    d->round = d->loop->round;
    TAILQ_INSERT_TAIL(&d->loop->triggered, d, link);
    /* Not every call comes from one of the loop's own events. */
    if (!vevent_is_armed(&d->loop->turn))
        vevent_arm(&d->loop->turn, 0);
}
