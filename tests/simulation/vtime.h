/* SPDX-License-Identifier: Apache-2.0
 *
 * Virtual time: one clock and one queue of events for everything in a run, the daemons' timers
 * included. vtime.c also stands in for net/loop.c, base/clock.c and base/entropy.c, so that code of
 * the product gets its time, its timers and its seeds from here. One run at a time. */
#pragma once

#include "base/clock.h"
#include "base/rng.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct vevent {
    sy_time_ns at;
    uint64_t serial; /* events of one time come in the order in which they were armed */
    uint32_t place;  /* in the heap, from 1; 0: not armed */
    sy_timer_fn *fn;
    void *arg;
    struct sy_loop *loop; /* whose thread it runs on; NULL: nobody's */
    const char *what;     /* for the trace; static */
};

/* Starts a run: all that was armed is forgotten. */
void vtime_start(uint64_t seed);
void vtime_end(void);
sy_time_ns vtime_now(void);
/* The wall clock jumps; nothing else does. */
void vtime_jump_wall(int64_t by_ns);

/* Arming an armed event moves it. */
void vevent_arm(struct vevent *e, int64_t after_ns);
void vevent_disarm(struct vevent *e);
static inline bool vevent_is_armed(const struct vevent *e)
{
    return e->place != 0;
}
/* Runs the next event and, when it is on a loop, the deferred calls of that loop. Returns what it
 * was, NULL when nothing is armed. */
const char *vtime_step(void);
/* Nothing happens until then. */
void vtime_advance(sy_time_ns to);
sy_time_ns vtime_next_at(void); /* INT64_MAX: nothing is armed */

/* The process of a loop stands still until then: its events come late, all at once. */
void vloop_freeze(struct sy_loop *loop, sy_time_ns until);
/* Each timer of the loop comes up to this much late. */
void vloop_set_lateness(struct sy_loop *loop, int64_t most_ns);
/* The loop that was made last. */
struct sy_loop *vloop_newest(void);
/* Whose it is: told at the end of each turn, and when it is stopped. */
void vloop_own(struct sy_loop *loop, void *owner, sy_timer_fn *on_turn, sy_timer_fn *on_stop);
/* The owner of the loop that runs now. */
void *vloop_owner(void);
void vloop_signal(struct sy_loop *loop, int signal_number);
