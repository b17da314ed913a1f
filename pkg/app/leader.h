/* SPDX-License-Identifier: Apache-2.0
 *
 * What leading means for the daemon: when it may decide, that nothing is written else, and how the
 * lease is handed over. A new leader waits until its predecessor's last write has landed and until
 * its own watches have come as far as the server was then; only then it decides. Who leads is found
 * out in kube/election.h. Loop thread only. */
#pragma once

#include "app/feed.h"
#include "app/leader_config.h"
#include "app/outbox.h"
#include "kube/election.h"
#include "serve/health.h"

struct sy_leader;

struct sy_leader_options {
    const struct sy_config_leader *config; /* this and all below is borrowed */
    struct sy_kube *kube;
    struct sy_outbox *outbox;
    struct sy_feed *const *feeds; /* SY_FEEDS, of which some may be NULL */
    const struct sy_cluster *cluster;
    const char *component;        /* source of events */
    uint32_t write_ms;            /* sy_config_leader_write_ms() */
    void (*on_change)(void *arg); /* what may be decided has changed */
    void (*on_lost)(void *arg);   /* for good: the process is to end without another write */
    void *arg;
};

/* Fences the client's writes from now on. out: *ret, to be freed before the outbox, the feeds and
 * the client. Errors: as sy_election_new(). */
int sy_leader_new(const struct sy_leader_options *options, struct sy_leader **ret,
                  struct sy_err *err) SY_NODISCARD;
/* The fence stays, and shut. NULL allowed. */
void sy_leader_free(struct sy_leader *l);
void sy_leader_start(struct sy_leader *l);

/* Whether we may decide now, and why not. */
struct sy_health_check sy_leader_check(const struct sy_leader *l);

/* Whether our own renewals have stopped coming by the watch: changes may not be arriving at all. */
bool sy_leader_is_deaf(const struct sy_leader *l);

/* The end of a shutdown, when no bind is on its way: hands the lease over. To be called again until
 * it returns true: then it is given back, or cannot be. */
bool sy_leader_let_go(struct sy_leader *l, sy_time_ns now);

void sy_leader_figures(const struct sy_leader *l, struct sy_figures *ret);
