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

/* Reads the configuration and the kubeconfig as sy_app_run() would, contacts no server. Prints the
 * problems to standard error. Returns the exit status. */
int sy_app_validate(const struct sy_app_options *options);
