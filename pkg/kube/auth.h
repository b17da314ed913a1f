/* SPDX-License-Identifier: Apache-2.0
 *
 * The credentials in force: read from the config, its files and its plugin, and kept fresh. Sending
 * them is the client's business. Token and certificate files are re-read every minute and on
 * demand, a plugin runs again when its credential is about to expire and on demand. Loop thread
 * only. Source: client-go transport/token_source.go, transport/cert_rotation.go. */
#pragma once

#include "base/err.h"
#include "kube/kubeconfig.h"
#include "net/http.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_auth;

struct sy_auth_events {
    /* Certificates changed: the HTTP client is to be given sy_auth_fill()'s new values. */
    void (*on_tls)(void *arg);
    /* A refresh for which sy_auth_refresh() said -EINPROGRESS is over, well or not. */
    void (*on_refreshed)(void *arg);
    void *arg;
};

/* config is copied. Reads all files; runs the plugin, which may block for up to 60 s. */
int sy_auth_new(struct sy_loop *loop, const struct sy_kubeconfig *config,
                const struct sy_auth_events *events, struct sy_auth **ret,
                struct sy_err *err) SY_NODISCARD;
void sy_auth_free(struct sy_auth *a); /* NULL allowed */

/* Grows with every change of what sy_auth_header() or sy_auth_fill() give. */
uint64_t sy_auth_generation(const struct sy_auth *a);
/* "Authorization: ..." or NULL. Borrowed until the generation changes. Never log it. */
const char *sy_auth_header(const struct sy_auth *a);
/* Sets the TLS fields of *ret to borrowed strings, valid until the generation changes. */
void sy_auth_fill(const struct sy_auth *a, struct sy_http_config *ret);
const struct sy_kubeconfig *sy_auth_config(const struct sy_auth *a);

/* The server refused what we showed, or we could not verify it: look for something newer now. 0:
 * looked (compare generations); -EINPROGRESS: a plugin runs, on_refreshed will be called. A plugin
 * that ended less than 5 s ago is not run again (0). */
int sy_auth_refresh(struct sy_auth *a) SY_NODISCARD;
/* Times that a token changed. */
uint64_t sy_auth_token_reloads(const struct sy_auth *a);
