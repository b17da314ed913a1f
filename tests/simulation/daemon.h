/* SPDX-License-Identifier: Apache-2.0
 *
 * One incarnation of the scheduler's process: the product's own app, on a loop and a network that
 * are virtual. It is linked so that calls of sy_sched_new() and sy_sched_run() come by here: that
 * is how decisions are seen. */
#pragma once

#include "sched/sched.h"
#include "vnet.h"

struct daemon;

struct daemon_options {
    const char *config; /* path of its configuration */
    bool elects;        /* it leads by a lease, or not at all */
    /* Each decision, before it is carried out. */
    void (*on_decision)(void *arg, struct daemon *d, const struct sy_decision *decision);
    /* The end of each turn of its loop. */
    void (*on_turn)(void *arg, struct daemon *d);
    /* It has ended: lost its lease, or was told to and is through. Not to be killed from inside. */
    void (*on_end)(void *arg, struct daemon *d);
    void *arg;
};

struct daemon *daemon_new(struct vnet *net, uint32_t number, const struct daemon_options *options);
/* As if killed: nothing is said to anybody. */
void daemon_kill(struct daemon *d);
/* SIGHUP: it reads its configuration again. */
void daemon_reload(struct daemon *d);
/* SIGTERM. */
void daemon_retire(struct daemon *d);
struct vclient *daemon_client(struct daemon *d);
struct sy_sched *daemon_sched(struct daemon *d);
struct sy_strings *daemon_strings(struct daemon *d);
/* Whether it decided pods when it last could. */
bool daemon_is_active(const struct daemon *d);
