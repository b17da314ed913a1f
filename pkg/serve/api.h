/* SPDX-License-Identifier: Apache-2.0
 *
 * The endpoints for people and programs that ask what the scheduler does and why: the dashboard's
 * page at /ui/, open, and what it and others ask for: GET /steelyard/v1/stream (serve/live.h) and
 * /steelyard/v1/explain, /steelyard/v1/nodes and /steelyard/v1/balance, as docs/explain.md
 * describes their JSON, and /steelyard/v1/whatif and /steelyard/v1/capacity, as docs/tools.md does.
 * Each request must carry a bearer token, over TLS or from this machine; whether its holder may is
 * for the gate to say, and without a "yes" nothing is answered. */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/server.h"
#include "sched/sched.h"

/* status: 200 to let it pass, else the HTTP status to answer with; why: for the peer, one line,
 * borrowed for the call. */
typedef void sy_gate_done_fn(void *arg, int status, const char *why);
/* Finds out whether the holder of the token may GET the path. Calls done exactly once: from inside
 * or later. token is a secret and borrowed for the call, path too. */
typedef void sy_gate_fn(void *arg, const char *token, const char *path, sy_gate_done_fn *done,
                        void *done_arg);

struct sy_api_options {
    struct sy_loop *loop;             /* borrowed */
    struct sy_sched *sched;           /* borrowed, as all here */
    const struct sy_strings *strings; /* of sched */
    sy_gate_fn *gate;
    void *gate_arg;
    sy_time_ns (*now)(void);
    int64_t (*wall_now)(void);
    const char *version;
    /* Appends the JSON of GET /steelyard/v1/whatif for manifests as people write them. errors:
     * negative errno, and what is wrong with them in *err. NULL: there is no such endpoint. */
    int (*what_if)(void *arg, struct sy_str manifests, struct sy_buf *out, struct sy_err *err);
    void *what_if_arg;
};

struct sy_api;

/* Adds the endpoints to a server, which must be freed before what is returned; checks that are
 * under way must have ended before too. Loop thread. Free with sy_api_free(). */
struct sy_api *sy_api_new(struct sy_server *server, const struct sy_api_options *options);
void sy_api_free(struct sy_api *a); /* NULL allowed */
