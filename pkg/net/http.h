/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP client, driven by the loop. Unary requests share HTTP/2 connections, and those of one turn
 * their system calls; streams (watches) get a connection each, over HTTP/1.1. TLS is verified
 * always unless the config says not to. Redirects are never followed. What a server certainly did
 * not carry out, and a GET whose kept connection was lost before its answer, is sent again by the
 * client itself. */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

/* How to reach one server. All strings borrowed until sy_http_new() or sy_http_reconfigure()
 * return. */
struct sy_http_config {
    const char *ca_pem;          /* NULL: the system's CA bundle */
    const char *client_cert_pem; /* both or neither */
    const char *client_key_pem;
    bool insecure_skip_verify;
    const char
        *tls_server_name;  /* SNI and the name to verify, when not the URL's host; NULL: host */
    const char *proxy_url; /* NULL: environment is NOT consulted, no proxy */
    uint32_t connect_timeout_ms; /* 0: 5000 */
    uint32_t dead_peer_ms;       /* TCP_USER_TIMEOUT and keepalive budget; 0: 8000 */
    uint32_t unary_connections;  /* HTTP/2 connections for unary calls; 0: 2 */
    uint32_t unary_streams;      /* concurrent requests per connection; 0: 100 */
    bool disable_http2;
};

struct sy_http;
typedef uint64_t
    sy_http_id; /* generational; 0 is never used; an id of a finished request is inert */

struct sy_http_result {
    int code;        /* 0 when an HTTP answer was had in full, else negative errno: -ETIMEDOUT,
                        -ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH, -EPROTO, -EKEYREJECTED (TLS
                        verification), -E2BIG (answer over max_body_bytes), -ECANCELED */
    int http_status; /* 0 when no status line was had */
    bool maybe_sent; /* false only when the request certainly never reached the server */
    uint32_t retry_after_ms;
    struct sy_str content_type; /* borrowed for the callback; "" when none */
    struct sy_str body; /* unary: whole; stream: at most max_body_bytes of a non-2xx answer */
    const char *error;  /* for people, when code != 0, else "" */
    int64_t duration_ns;
};

typedef void sy_http_done_fn(void *arg, const struct sy_http_result *result);
/* One piece of a 2xx stream's body as it arrives. Return 0 to go on or a negative errno to end the
 * stream (done gets that code). May call sy_http_cancel on any id, its own included. */
typedef int sy_http_data_fn(void *arg, struct sy_str piece);

struct sy_http_request {
    const char *method;         /* "GET", "POST", ... */
    const char *url;            /* absolute, percent-encoded */
    const char *const *headers; /* "Name: value" lines, NULL-terminated; may be NULL */
    struct sy_str body;         /* copied; len 0 sends none */
    uint32_t timeout_ms;        /* whole request; 0: none (streams) */
    uint32_t idle_timeout_ms;   /* streams: longest silence; 0: none */
    size_t max_body_bytes;      /* 0: 64 MiB */
    sy_time_ns not_after;       /* unary: not put on a connection later than that, but ended with
                                   -ECANCELED; 0: no limit */
    bool is_stream;
    sy_http_data_fn *on_data; /* streams */
    sy_http_done_fn *on_done; /* exactly once for each started request, never from inside
                                 sy_http_send(), also after cancel (-ECANCELED) */
    void *arg;
};

int sy_http_new(struct sy_loop *loop, const struct sy_http_config *config, struct sy_http **ret,
                struct sy_err *err) SY_NODISCARD;
/* Ends all requests (each on_done gets -ECANCELED) and frees. */
void sy_http_free(struct sy_http *h);
/* New credentials or CA: applies to connections made from now on; idle ones are closed. */
int sy_http_reconfigure(struct sy_http *h, const struct sy_http_config *config,
                        struct sy_err *err) SY_NODISCARD;
/* Starts a request. Cost: no blocking I/O, no DNS wait. Requests over the concurrency limit queue
 * in order. */
int sy_http_send(struct sy_http *h, const struct sy_http_request *request, sy_http_id *ret_id,
                 struct sy_err *err) SY_NODISCARD;
void sy_http_cancel(struct sy_http *h, sy_http_id id);
/* Requests started and not done. */
uint32_t sy_http_in_flight(const struct sy_http *h);
