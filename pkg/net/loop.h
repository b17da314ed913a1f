/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop: one thread, built on libevent. Everything in the shell (HTTP, timers, signals)
 * runs on it; callbacks must not block. */
#pragma once

#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdint.h>

struct event_base;
struct sy_loop;
struct sy_timer;
struct sy_signal;

int sy_loop_new(struct sy_loop **ret, struct sy_err *err) SY_NODISCARD;
void sy_loop_free(struct sy_loop *loop);
/* Runs until sy_loop_stop(). Returns 0 or a negative errno. */
int sy_loop_run(struct sy_loop *loop, struct sy_err *err);
/* May be called from callbacks; the loop ends after the current one. */
void sy_loop_stop(struct sy_loop *loop);
/* Boot-time clock as of the start of this loop turn; cheap. */
sy_time_ns sy_loop_now_ns(const struct sy_loop *loop);
/* For pkg/net only. */
struct event_base *sy_loop_base(struct sy_loop *loop);

/* One-shot timers. Arming an armed timer moves it. A timer may free itself in its callback. */
typedef void sy_timer_fn(void *arg);
struct sy_timer *sy_timer_new(struct sy_loop *loop, sy_timer_fn *fn, void *arg);
void sy_timer_free(struct sy_timer *t); /* NULL allowed */
void sy_timer_arm(struct sy_timer *t, int64_t after_ns);
void sy_timer_disarm(struct sy_timer *t);
int sy_timer_is_armed(const struct sy_timer *t);

/* Calls fn(arg) once at the end of the current loop turn, after all I/O callbacks; several calls
 * with the same deferred object collapse into one. For "work arrived, run the scheduler". */
struct sy_deferred;
struct sy_deferred *sy_deferred_new(struct sy_loop *loop, sy_timer_fn *fn, void *arg);
void sy_deferred_free(struct sy_deferred *d);
void sy_deferred_trigger(struct sy_deferred *d);

typedef void sy_signal_fn(void *arg, int signal_number);
struct sy_signal *sy_signal_new(struct sy_loop *loop, int signal_number, sy_signal_fn *fn,
                                void *arg);
void sy_signal_free(struct sy_signal *s);
