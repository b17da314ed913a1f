/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop: one thread, built on libevent. Everything in the shell (HTTP, timers, signals)
 * runs on it; callbacks must not block. A turn is: wait, callbacks of file descriptors and signals,
 * timers that are due, deferred calls. Timers and deferred calls that callbacks of their own kind
 * add wait for the next turn, so none of the three can starve the others. */
#pragma once

#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdint.h>

struct event_base;
struct sy_loop;
struct sy_timer;
struct sy_signal;

/* Also makes the process ignore SIGPIPE. -ENOMEM, -EMFILE and the like. */
int sy_loop_new(struct sy_loop **ret, struct sy_err *err) SY_NODISCARD;
/* Timers, deferred objects and signals of the loop are freed before it. NULL allowed. */
void sy_loop_free(struct sy_loop *loop);
/* Runs until sy_loop_stop(), and may be run again after it. Returns 0 or a negative errno; -EBUSY
 * from inside a callback. */
int sy_loop_run(struct sy_loop *loop, struct sy_err *err);
/* May be called from callbacks; the loop ends after the current one. Called before sy_loop_run() it
 * makes that return at once. */
void sy_loop_stop(struct sy_loop *loop);
/* Boot-time clock as of the first call in this loop turn; cheap. */
sy_time_ns sy_loop_now_ns(const struct sy_loop *loop);
/* For pkg/net only. */
struct event_base *sy_loop_base(struct sy_loop *loop);

/* One-shot timers on the boot-time clock, counted from the moment of the call. Arming an armed
 * timer moves it. A timer may free itself in its callback. Cost O(log timers). */
typedef void sy_timer_fn(void *arg);
struct sy_timer *sy_timer_new(struct sy_loop *loop, sy_timer_fn *fn, void *arg);
void sy_timer_free(struct sy_timer *t); /* NULL allowed */
void sy_timer_arm(struct sy_timer *t, int64_t after_ns);
void sy_timer_disarm(struct sy_timer *t);
int sy_timer_is_armed(const struct sy_timer *t);

/* Calls fn(arg) once at the end of the current loop turn, after all I/O callbacks and timers;
 * several calls with the same deferred object collapse into one. For "work arrived, run the
 * scheduler". May free itself in its callback. */
struct sy_deferred;
struct sy_deferred *sy_deferred_new(struct sy_loop *loop, sy_timer_fn *fn, void *arg);
void sy_deferred_free(struct sy_deferred *d); /* NULL allowed */
void sy_deferred_trigger(struct sy_deferred *d);

/* NULL when the signal cannot be caught. Only one loop of a process can have signals. */
typedef void sy_signal_fn(void *arg, int signal_number);
struct sy_signal *sy_signal_new(struct sy_loop *loop, int signal_number, sy_signal_fn *fn,
                                void *arg);
void sy_signal_free(struct sy_signal *s); /* NULL allowed */
