/* SPDX-License-Identifier: Apache-2.0
 *
 * What kinds of sources share: a poll is one question that is asked again and again, with its
 * timer, its backing off and its count of what was left out of the answer. Private to pkg/load. */
#pragma once

#include "load/load.h"

enum { SY_POLL_EXAMPLE_MAX = 160 };
/* The window of a sample whose source does not say it, as cluster/load.h has it. */
#define SY_LOAD_WINDOW_UNKNOWN_NS (60 * SY_NS_PER_S)

/* A source in the feed. */
struct sy_origin {
    struct sy_load_feed *feed;
    char *name;
    enum sy_load_type type;
    int64_t interval_ns;
    int64_t timeout_ns;
    struct sy_load_figures figures; /* name and is_up are filled in when asked for */
    struct sy_prometheus *prometheus;
    struct sy_kube_list *list;
};

struct sy_poll {
    struct sy_origin *origin;
    const char *what; /* static */
    struct sy_timer *timer;
    void (*ask)(struct sy_poll *p); /* ends in sy_poll_answered() or sy_poll_failed() */
    uint32_t failures;              /* in a row */
    struct {
        uint64_t count; /* in this answer */
        bool was_said;
        char example[SY_POLL_EXAMPLE_MAX];
    } left_out[SY_LOAD_OUTCOMES];
};

/* origin, what: borrowed, outlive p. It is idle until sy_poll_start(), which asks after that time;
 * sy_poll_done() frees what it has: no answer may come after it. */
void sy_poll_init(struct sy_poll *p, struct sy_origin *origin, const char *what,
                  void (*ask)(struct sy_poll *p));
void sy_poll_done(struct sy_poll *p);
void sy_poll_start(struct sy_poll *p, int64_t after_ns);

/* Hands a sample on, counts what became of it and remembers what was left out. */
void sy_poll_give(struct sy_poll *p, struct sy_str node, struct sy_load_sample sample);
/* For what is left out earlier. outcome: not SY_LOAD_TAKEN. example may be any bytes. */
void sy_poll_leave_out(struct sy_poll *p, int outcome, uint64_t count, struct sy_str example);

/* The answer was handed on; asks again after the interval. */
void sy_poll_answered(struct sy_poll *p);
/* Asks again after a wait that grows and is jittered. */
void sy_poll_failed(struct sy_poll *p, const struct sy_err *err);

/* ---- the kinds ---- */

/* All answers go through polls of the origin, which is borrowed, as are loop, client and join. free
 * ends what is under way; is_up: the last answer to each question was good. Errors of
 * sy_prometheus_new(): as sy_load_feed_new(). */

struct sy_prometheus;
int sy_prometheus_new(struct sy_origin *origin, const struct sy_load_source *source,
                      struct sy_loop *loop, const struct sy_load_join *join,
                      struct sy_prometheus **ret, struct sy_err *err) SY_NODISCARD;
void sy_prometheus_free(struct sy_prometheus *p); /* NULL allowed */
void sy_prometheus_start(struct sy_prometheus *p);
bool sy_prometheus_is_up(const struct sy_prometheus *p);
/* Whether it joins by addresses. */
bool sy_prometheus_joins(const struct sy_load_source *source);

struct sy_kube_list;
struct sy_kube_list *sy_kube_list_new(struct sy_origin *origin, struct sy_kube *kube);
void sy_kube_list_free(struct sy_kube_list *l); /* NULL allowed */
void sy_kube_list_start(struct sy_kube_list *l);
bool sy_kube_list_is_up(const struct sy_kube_list *l);
