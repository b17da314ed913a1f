/* SPDX-License-Identifier: Apache-2.0
 *
 * The turn of the loop: file descriptors through libevent, then timers that are due, then deferred
 * calls. Timers are a heap of our own, on the boot-time clock and woken by one timerfd, because
 * libevent's run on a clock that stands still while the machine sleeps. */
#include "net/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"

struct sy_timer {
    struct sy_loop *loop;
    sy_timer_fn *fn;
    void *arg;
    sy_time_ns deadline;
    uint64_t seq;   /* order of arming: ties fire in it */
    uint32_t place; /* index in the heap plus one; 0: not armed */
};

struct sy_deferred {
    struct sy_loop *loop;
    sy_timer_fn *fn;
    void *arg;
    struct sy_deferred *prev, *next; /* in loop->deferred while pending */
    bool is_pending;
};

struct sy_signal {
    sy_signal_fn *fn;
    void *arg;
    struct event *event;
};

struct sy_loop {
    struct event_base *base;
    struct event *timer_event;
    int timer_fd;
    sy_time_ns timer_set; /* what timer_fd is set to; INT64_MAX: nothing */
    SY_VEC(struct sy_timer *) timers;
    uint64_t timer_seq;
    struct sy_deferred *deferred, *deferred_last;
    sy_time_ns now;
    bool has_now;
    bool is_running;
    bool is_stopping;
};

static void timer_fd_ready(evutil_socket_t fd, short what SY_UNUSED, void *arg)
{
    struct sy_loop *loop = arg;
    uint64_t expirations;

    /* Nothing to read means that it was set anew meanwhile; the wait then starts over. */
    if (read(fd, &expirations, sizeof(expirations)) == (ssize_t)sizeof(expirations))
        loop->timer_set = INT64_MAX;
}

static void libevent_says(int severity, const char *message)
{
    if (severity >= EVENT_LOG_WARN)
        sy_log_warn("libevent", "message", message);
    else
        sy_log_debug("libevent", "message", message);
}

int sy_loop_new(struct sy_loop **ret, struct sy_err *err)
{
    struct event_config *config = event_config_new();
    struct sy_loop *loop = sy_xcalloc(1, sizeof(*loop));

    loop->timer_fd = -1;
    loop->timer_set = INT64_MAX;
    /* A peer that hangs up must not end the process. */
    signal(SIGPIPE, SIG_IGN);
    event_set_log_callback(libevent_says);

    if (config) {
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        loop->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (!loop->base) {
        sy_loop_free(loop);
        return sy_err_set(err, -ENOMEM, "cannot set up the event loop");
    }

    loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->timer_fd < 0) {
        int code = -errno;

        sy_loop_free(loop);
        return sy_err_set(err, code, "cannot create a timer: %s", strerror(-code));
    }
    loop->timer_event =
        event_new(loop->base, loop->timer_fd, EV_READ | EV_PERSIST, timer_fd_ready, loop);
    if (!loop->timer_event || event_add(loop->timer_event, NULL) < 0) {
        sy_loop_free(loop);
        return sy_err_set(err, -ENOMEM, "cannot watch the loop's timer");
    }
    *ret = loop;
    return 0;
}

void sy_loop_free(struct sy_loop *loop)
{
    if (!loop)
        return;
    if (loop->timer_event)
        event_free(loop->timer_event);
    if (loop->base)
        event_base_free(loop->base);
    if (loop->timer_fd >= 0)
        close(loop->timer_fd);
    sy_vec_done(&loop->timers);
    free(loop);
}

struct event_base *sy_loop_base(struct sy_loop *loop)
{
    return loop->base;
}

sy_time_ns sy_loop_now_ns(const struct sy_loop *loop)
{
    /* The cache is no part of what a caller sees as the loop's state. */
    struct sy_loop *l = (struct sy_loop *)loop;

    if (!loop->is_running)
        return sy_clock_boot_ns();
    if (!loop->has_now) {
        l->now = sy_clock_boot_ns();
        l->has_now = true;
    }
    return l->now;
}

/* ---- timers ---- */

static bool fires_before(const struct sy_timer *a, const struct sy_timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->seq < b->seq;
}

static void heap_put(struct sy_loop *loop, size_t i, struct sy_timer *t)
{
    loop->timers.p[i] = t;
    t->place = (uint32_t)i + 1;
}

static void heap_up(struct sy_loop *loop, size_t i, struct sy_timer *t)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;

        if (!fires_before(t, loop->timers.p[parent]))
            break;
        heap_put(loop, i, loop->timers.p[parent]);
        i = parent;
    }
    heap_put(loop, i, t);
}

static void heap_down(struct sy_loop *loop, size_t i, struct sy_timer *t)
{
    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= loop->timers.len)
            break;
        if (child + 1 < loop->timers.len &&
            fires_before(loop->timers.p[child + 1], loop->timers.p[child]))
            child++;
        if (!fires_before(loop->timers.p[child], t))
            break;
        heap_put(loop, i, loop->timers.p[child]);
        i = child;
    }
    heap_put(loop, i, t);
}

static void heap_fix(struct sy_loop *loop, size_t i, struct sy_timer *t)
{
    if (i > 0 && fires_before(t, loop->timers.p[(i - 1) / 2]))
        heap_up(loop, i, t);
    else
        heap_down(loop, i, t);
}

struct sy_timer *sy_timer_new(struct sy_loop *loop, sy_timer_fn *fn, void *arg)
{
    struct sy_timer *t = sy_xcalloc(1, sizeof(*t));

    t->loop = loop;
    t->fn = fn;
    t->arg = arg;
    return t;
}

void sy_timer_disarm(struct sy_timer *t)
{
    struct sy_loop *loop = t->loop;
    struct sy_timer *last;
    size_t i;

    if (!t->place)
        return;
    i = t->place - 1;
    t->place = 0;
    last = loop->timers.p[--loop->timers.len];
    if (last != t)
        heap_fix(loop, i, last);
}

void sy_timer_free(struct sy_timer *t)
{
    if (!t)
        return;
    sy_timer_disarm(t);
    free(t);
}

void sy_timer_arm(struct sy_timer *t, int64_t after_ns)
{
    struct sy_loop *loop = t->loop;

    /* From now, not from the start of the turn: what came before may have taken long. */
    t->deadline = sy_add_saturate(sy_clock_boot_ns(), after_ns > 0 ? after_ns : 0);
    t->seq = ++loop->timer_seq;
    if (t->place) {
        heap_fix(loop, t->place - 1, t);
    } else {
        sy_vec_push(&loop->timers, t);
        heap_up(loop, loop->timers.len - 1, t);
    }
}

int sy_timer_is_armed(const struct sy_timer *t)
{
    return t->place != 0;
}

/* Runs what is due, but not what a callback arms meanwhile: that waits for the next turn, so that a
 * timer which arms itself at once cannot hold the loop. */
static void run_timers(struct sy_loop *loop)
{
    uint64_t last_seq = loop->timer_seq;
    sy_time_ns now;

    if (!loop->timers.len)
        return;
    now = sy_clock_boot_ns();
    while (loop->timers.len && !loop->is_stopping) {
        struct sy_timer *t = loop->timers.p[0];

        if (t->deadline > now || t->seq > last_seq)
            return;
        sy_timer_disarm(t);
        t->fn(t->arg);
    }
}

/* Returns whether a timer is due already, so that the loop must not sleep. The timerfd is left
 * alone when it fires no later than needed: a wake too many costs less than a system call a turn.
 */
static bool set_timer_fd(struct sy_loop *loop)
{
    struct itimerspec when = {0};
    sy_time_ns deadline;

    if (!loop->timers.len)
        return false;
    deadline = loop->timers.p[0]->deadline;
    if (deadline >= loop->timer_set && loop->timer_set > sy_clock_boot_ns())
        return false;
    if (deadline <= sy_clock_boot_ns())
        return true;
    when.it_value.tv_sec = deadline / SY_NS_PER_S;
    when.it_value.tv_nsec = deadline % SY_NS_PER_S;
    if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0)
        loop->timer_set = deadline;
    return false;
}

/* ---- deferred calls ---- */

struct sy_deferred *sy_deferred_new(struct sy_loop *loop, sy_timer_fn *fn, void *arg)
{
    struct sy_deferred *d = sy_xcalloc(1, sizeof(*d));

    d->loop = loop;
    d->fn = fn;
    d->arg = arg;
    return d;
}

static void deferred_unlink(struct sy_deferred *d)
{
    struct sy_loop *loop = d->loop;

    if (d->prev)
        d->prev->next = d->next;
    else
        loop->deferred = d->next;
    if (d->next)
        d->next->prev = d->prev;
    else
        loop->deferred_last = d->prev;
    d->prev = d->next = NULL;
    d->is_pending = false;
}

void sy_deferred_free(struct sy_deferred *d)
{
    if (!d)
        return;
    if (d->is_pending)
        deferred_unlink(d);
    free(d);
}

void sy_deferred_trigger(struct sy_deferred *d)
{
    struct sy_loop *loop = d->loop;

    if (d->is_pending)
        return;
    d->is_pending = true;
    d->prev = loop->deferred_last;
    if (d->prev)
        d->prev->next = d;
    else
        loop->deferred = d;
    loop->deferred_last = d;
}

/* What a deferred call triggers runs in the next turn, after that turn's I/O. The marker ends this
 * turn's share of the list and stays valid whatever the calls free. */
static void run_deferred(struct sy_loop *loop)
{
    struct sy_deferred marker = {.loop = loop};

    if (!loop->deferred)
        return;
    sy_deferred_trigger(&marker);
    while (loop->deferred != &marker && !loop->is_stopping) {
        struct sy_deferred *d = loop->deferred;

        deferred_unlink(d);
        d->fn(d->arg);
    }
    deferred_unlink(&marker);
}

/* ---- signals ---- */

static void signal_ready(evutil_socket_t fd, short what SY_UNUSED, void *arg)
{
    struct sy_signal *s = arg;

    s->fn(s->arg, (int)fd);
}

struct sy_signal *sy_signal_new(struct sy_loop *loop, int signal_number, sy_signal_fn *fn,
                                void *arg)
{
    struct sy_signal *s = sy_xcalloc(1, sizeof(*s));

    s->fn = fn;
    s->arg = arg;
    s->event = evsignal_new(loop->base, signal_number, signal_ready, s);
    if (!s->event || event_add(s->event, NULL) < 0) {
        sy_signal_free(s);
        return NULL;
    }
    return s;
}

void sy_signal_free(struct sy_signal *s)
{
    if (!s)
        return;
    if (s->event)
        event_free(s->event);
    free(s);
}

/* ---- the turn ---- */

int sy_loop_run(struct sy_loop *loop, struct sy_err *err)
{
    int code = 0;

    if (loop->is_running)
        return sy_err_set(err, -EBUSY, "the event loop is running already");
    loop->is_running = true;
    while (!loop->is_stopping) {
        bool is_busy = set_timer_fd(loop) || loop->deferred;

        loop->has_now = false;
        if (event_base_loop(loop->base, EVLOOP_ONCE | (is_busy ? EVLOOP_NONBLOCK : 0)) < 0) {
            code = sy_err_set(err, -EIO, "the event loop failed: %s", strerror(errno));
            break;
        }
        if (!loop->is_stopping)
            run_timers(loop);
        if (!loop->is_stopping)
            run_deferred(loop);
    }
    loop->is_running = false;
    loop->is_stopping = false;
    return code;
}

void sy_loop_stop(struct sy_loop *loop)
{
    loop->is_stopping = true;
    event_base_loopbreak(loop->base);
}
