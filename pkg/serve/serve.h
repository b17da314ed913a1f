/* SPDX-License-Identifier: Apache-2.0
 *
 * The program's HTTP endpoints: /livez, /readyz, /healthz (as /livez) and /metrics. */
#pragma once

#include "net/server.h"
#include "serve/health.h"
#include "serve/metrics.h"

enum { SY_SERVE_CHECKS_MAX = 64 };

struct sy_serve_options {
    struct sy_sched *sched;           /* borrowed */
    const struct sy_strings *strings; /* borrowed */
    /* Fills in what this layer cannot see; called for each request. */
    void (*collect)(void *arg, struct sy_figures *ret);
    /* Fills up to SY_SERVE_CHECKS_MAX checks of readiness and returns how many. */
    uint32_t (*check)(void *arg, struct sy_health_check *ret);
    void *arg;
};

struct sy_serve;

/* Adds the endpoints to a server, which must be freed before what is returned. Loop thread. Free
 * with sy_serve_free(). */
struct sy_serve *sy_serve_new(struct sy_server *server, const struct sy_serve_options *options);
void sy_serve_free(struct sy_serve *s); /* NULL allowed */
