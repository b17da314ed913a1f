/* SPDX-License-Identifier: Apache-2.0
 *
 * From the scheduler to the API server and back: decisions become binds, conditions, events,
 * evictions and writes to what claims need; ends of these are collected, so that the scheduler
 * learns of them outside its own calls. */
#pragma once

#include "kube/actions.h"
#include "sched/sched.h"
#include "serve/metrics.h"

struct sy_outbox;

struct sy_outbox_options {
    const char *component; /* copied: the scheduler's name, for events */
    uint32_t bind_timeout_ms;
    uint32_t events_max_queued;
    struct sy_strings *strings; /* borrowed: the scheduler's */
    bool events;                /* may be changed with sy_outbox_set_events() */
    /* A bind has ended or an eviction failed: sy_outbox_apply() is due. */
    void (*on_result)(void *arg);
    void *arg;
};

/* out: *ret, to be freed with sy_outbox_free() before the client. Errors: as sy_actions_new().
 * Loop thread. */
int sy_outbox_new(struct sy_kube *kube, const struct sy_outbox_options *options,
                  struct sy_outbox **ret, struct sy_err *err) SY_NODISCARD;
void sy_outbox_free(struct sy_outbox *o); /* NULL allowed */

/* Carries out one decision: a sy_decision_fn; arg is the outbox. */
void sy_outbox_decide(void *arg, const struct sy_decision *d);
/* Tells the scheduler of all binds that ended and evictions that failed since. */
void sy_outbox_apply(struct sy_outbox *o, struct sy_sched *sched, sy_time_ns now);
/* Marks the string ids that it holds. */
void sy_outbox_mark(const struct sy_outbox *o);
void sy_outbox_set_events(struct sy_outbox *o, bool enabled);

/* As sy_actions_pause(). */
void sy_outbox_pause(struct sy_outbox *o, bool is_paused);

/* The PodGroups of that source (enum sy_group_source) are resources of that API, "GROUP/VERSION",
 * copied. Until it is known their status is not written. */
void sy_outbox_set_group_api(struct sy_outbox *o, uint8_t source, const char *api);

uint32_t sy_outbox_binds_in_flight(const struct sy_outbox *o);
bool sy_outbox_is_idle(const struct sy_outbox *o);
/* Gives up queued events. */
void sy_outbox_drop_events(struct sy_outbox *o);
void sy_outbox_figures(const struct sy_outbox *o, struct sy_figures *ret);
