/* SPDX-License-Identifier: Apache-2.0
 *
 * One incarnation of the scheduler's process: everything of the product from the request layer to
 * the core, wired as pkg/app/app.c does, on a loop and a network that are virtual. */
#pragma once

#include "app/leader_config.h"
#include "sched/sched.h"
#include "vnet.h"

struct daemon;

struct daemon_options {
    const struct sy_profile *profile;
    uint32_t binds_in_flight_max;
    int64_t bind_timeout_ns;
    const struct sy_config_leader *leader;
    /* It is to end now: it has lost its lease, or has been retired and is through. */
    void (*on_end)(void *arg, struct daemon *d);
    /* Each decision, before it is carried out. */
    void (*on_decision)(void *arg, struct daemon *d, const struct sy_decision *decision);
    /* The end of each turn of its loop. */
    void (*on_turn)(void *arg, struct daemon *d);
    void *arg;
};

struct daemon *daemon_new(struct vnet *net, uint32_t number, const struct daemon_options *options);
/* As if killed: nothing is said to anybody. */
void daemon_kill(struct daemon *d);
/* As by SIGTERM: it finishes what is under way, gives its lease back and ends. */
void daemon_retire(struct daemon *d);
struct vclient *daemon_client(struct daemon *d);
struct sy_sched *daemon_sched(struct daemon *d);
struct sy_strings *daemon_strings(struct daemon *d);
bool daemon_is_active(const struct daemon *d);
