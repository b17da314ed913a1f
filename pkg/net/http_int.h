/* SPDX-License-Identifier: Apache-2.0
 *
 * Between http.c (ids, queue, deadlines, callbacks) and what moves the bytes: http_h2.c for unary
 * requests over TLS, http_curl.c for the rest. For pkg/net only. A transport never calls the user:
 * it reports to the sy_transfer_* functions, and http.c delivers at the end of the turn. */
#pragma once

#include "base/buf.h"
#include "net/http.h"

#include <curl/curl.h>

enum {
    SY_HTTP_ERROR_MAX = 320,
    SY_HTTP_TYPE_MAX = 256,
};

/* The config, owned, with defaults filled in. */
struct sy_http_settings {
    char *ca_pem;
    char *client_cert_pem;
    char *client_key_pem;
    char *tls_server_name;
    char *proxy_url;
    bool insecure_skip_verify;
    bool disable_http2;
    uint32_t connect_timeout_ms;
    uint32_t dead_peer_ms;
    uint32_t unary_connections;
    uint32_t unary_streams;
};

enum sy_transfer_state {
    SY_TRANSFER_FREE,
    SY_TRANSFER_QUEUED,
    SY_TRANSFER_RUNNING,
    SY_TRANSFER_ABORTING, /* running, to be stopped at the end of the turn */
    SY_TRANSFER_ENDED,    /* on_done is due */
};

struct sy_transfer {
    struct sy_http *http;
    uint32_t index;
    uint32_t generation;
    enum sy_transfer_state state;
    struct sy_transfer *prev, *next; /* in the list that the state implies */

    /* The request. Texts lie in `mem`, which is reused. */
    char *mem;
    size_t mem_room;
    const char *method;
    const char *url;
    struct sy_str body;
    struct curl_slist *headers; /* array of nodes in mem, linked; NULL: none */
    uint32_t idle_timeout_ms;
    bool is_stream;
    sy_http_data_fn *on_data;
    sy_http_done_fn *on_done;
    void *arg;

    void *transport; /* the transport's own record while running */
    bool is_over_h2; /* it is http_h2.c's */
    struct sy_timer *deadline;
    struct sy_timer *idle;
    sy_time_ns started_at;
    sy_time_ns not_after; /* 0: no limit */
    sy_time_ns heard_at;

    /* The answer. */
    int abort_code; /* what ended it from our side; goes before what the transport says */
    int code;
    int status;
    bool maybe_sent;
    uint32_t retry_after_ms;
    struct sy_buf answer;
    char content_type[SY_HTTP_TYPE_MAX];
    char error[SY_HTTP_ERROR_MAX];
};

/* ---- http.c, for transports ---- */

const struct sy_http_settings *sy_http_settings(const struct sy_http *h);
struct sy_loop *sy_http_loop(const struct sy_http *h);
/* Whether it may not be begun any more. */
bool sy_transfer_is_late(const struct sy_transfer *t);
extern const char sy_transfer_late_text[];
/* A piece of the body. Returns 0, or a negative errno: then the transport ends the transfer, whose
 * result is already set. t's status must be set before. Calls on_data for streams. */
int sy_transfer_data(struct sy_transfer *t, struct sy_str piece);
/* The transport is done with t and holds no reference any more. text: borrowed, for people. */
void sy_transfer_end(struct sy_transfer *t, int code, bool maybe_sent, const char *text);

/* The server speaks no HTTP/2: curl starts t anew. Nothing was sent, and the caller holds no
 * reference any more. */
void sy_transfer_over_curl(struct sy_transfer *t);
/* Calls sy_h2_run() at the end of the turn. */
void sy_http_wake(struct sy_http *h);

/* ---- http_h2.c ---- */

struct sy_h2;
struct sy_h2 *sy_h2_new(struct sy_http *h);
void sy_h2_free(struct sy_h2 *h2); /* no transfers are left */
/* New settings hold for connections made from now on; old ones end with their last transfer. */
void sy_h2_reconfigure(struct sy_h2 *h2);
/* Takes t, to be sent by the next sy_h2_run(). false: t is for curl. */
bool sy_h2_start(struct sy_h2 *h2, struct sy_transfer *t);
/* Ends t with sy_transfer_end() before it returns. */
void sy_h2_abort(struct sy_h2 *h2, struct sy_transfer *t);
/* Sends what is due. Once at the end of a turn. */
void sy_h2_run(struct sy_h2 *h2);

/* ---- http_curl.c ---- */

struct sy_curl;
int sy_curl_new(struct sy_http *h, struct sy_curl **ret, struct sy_err *err);
void sy_curl_free(struct sy_curl *c);
/* New settings hold for transfers started from now on; old connections end with their last. */
int sy_curl_reconfigure(struct sy_curl *c, struct sy_err *err);
void sy_curl_start(struct sy_curl *c, struct sy_transfer *t);
/* Ends t with sy_transfer_end() before it returns. */
void sy_curl_abort(struct sy_curl *c, struct sy_transfer *t);
