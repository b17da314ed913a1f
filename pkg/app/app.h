/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon: wires configuration, API client, scheduler and HTTP endpoints together on one loop,
 * and handles signals. SIGTERM and SIGINT stop deciding, wait for binds in flight and flush events;
 * SIGHUP reads the configuration again. */
#pragma once

#include "app/config.h"

struct sy_app_options {
    struct sy_config_source source; /* borrowed; read again on SIGHUP */
    const char *version;            /* borrowed: "v0.1.0" */
    const char *compiler;           /* borrowed: "gcc 12.2.0" */
    bool allow_core_dumps;          /* else the kernel is told to write none: memory holds tokens */
};

/* Runs until a signal ends it or something is wrong that waiting does not heal. Says what happened
 * in log lines. Returns the exit status: 0 after a signal, else 1. Main thread, once. */
int sy_app_run(const struct sy_app_options *options);

/* The same in steps, for those who run its loop themselves (tests/simulation): loads the
 * configuration and starts, on a new loop. out: *ret, to be freed with sy_app_free(); options must
 * live until then. Says what is wrong and returns the exit status, 0 when it has started. */
struct sy_app;
int sy_app_new(const struct sy_app_options *options, struct sy_app **ret);
/* Ends everything at once, whatever is under way. NULL allowed. */
void sy_app_free(struct sy_app *app);

/* Reads the configuration and the kubeconfig as sy_app_run() would, contacts no server. Prints the
 * problems to standard error. Returns the exit status. */
int sy_app_validate(const struct sy_app_options *options);
