/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens, told as it happens, for the dashboard: server-sent events with the nodes that have
 * changed, the pods that wait, the newest decisions and a summary. docs/dashboard.md has their
 * JSON. Each event is made once and sent to all; nothing is made while nobody listens. */
#pragma once

#include "base/buf.h"
#include "net/server.h"
#include "sched/sched.h"

enum {
    SY_LIVE_CLIENTS_MAX = 16,
    SY_LIVE_PODS_MAX = 200,      /* that wait, named in one event */
    SY_LIVE_DECISIONS_MAX = 50,  /* in one event: the newest */
    SY_LIVE_INTERVAL_MS = 1000,  /* between events */
    SY_LIVE_SESSION_S = 10 * 60, /* then the token is to be shown again */
};

struct sy_live_options {
    struct sy_loop *loop; /* borrowed, as all here */
    struct sy_sched *sched;
    const struct sy_strings *strings; /* of sched */
    sy_time_ns (*now)(void);
    int64_t (*wall_now)(void);
};

struct sy_live;
struct sy_live *sy_live_new(const struct sy_live_options *options);
/* Ends the streams; those of a server that is freed have ended. NULL allowed. */
void sy_live_free(struct sy_live *l);
/* Answers x, whose sender may see it, with a stream, or with 503 when there are too many. */
void sy_live_add(struct sy_live *l, struct sy_exchange *x);
/* Clients now. */
uint32_t sy_live_clients(const struct sy_live *l);
/* One turn, as the timer has it: what has changed since the last goes to all. Cost: O(node slots +
 * records), and what is written. */
void sy_live_tell(struct sy_live *l);
