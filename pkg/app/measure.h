/* SPDX-License-Identifier: Apache-2.0
 *
 * From the sources of measured load into the scheduler, with what people should know of it: log
 * lines and figures. A source that is down changes nothing else. */
#pragma once

#include "app/load_config.h"
#include "kube/client.h"
#include "load/load.h"
#include "sched/sched.h"
#include "serve/metrics.h"

struct sy_measure;

struct sy_measure_options {
    struct sy_loop *loop; /* borrowed, as all here */
    struct sy_kube *kube;
    struct sy_sched *sched;
    struct sy_strings *strings;
    void (*on_input)(void *arg); /* something changed that the scheduler may act on */
    void *arg;
};

/* out: *ret, NULL when there are no sources; to be freed with sy_measure_free() before what the
 * options name. Errors: as sy_load_feed_new(). Loop thread. */
int sy_measure_new(const struct sy_config_load *config, const struct sy_measure_options *options,
                   struct sy_measure **ret, struct sy_err *err) SY_NODISCARD;
void sy_measure_free(struct sy_measure *m); /* NULL allowed */
/* Once the nodes are known. A second call does nothing. */
void sy_measure_start(struct sy_measure *m);
/* Where to tell the nodes' addresses, or NULL. m: NULL allowed. */
struct sy_load_join *sy_measure_join(struct sy_measure *m);
/* Fills in what the figures say of load: counts since the start, states of now. */
void sy_measure_figures(const struct sy_measure *m, struct sy_figures *ret);
