/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests to one API server: authentication with rotation (token files, CA, client certificates,
 * exec plugins), optional client-side rate limit, retry on 429 and 5xx with Retry-After, and
 * decoding of Status errors. Loop thread only. Source: client-go rest/with_retry.go,
 * transport/token_source.go. */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "kube/decode.h"
#include "kube/kubeconfig.h"
#include "net/http.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_kube;

struct sy_kube_options {
    double qps; /* 0: no client-side limit */
    uint32_t burst;
    const char *user_agent; /* "steelyard/VERSION (linux/amd64)" */
    uint32_t unary_connections;
    bool force_json; /* decode JSON only; for tests */
};

/* config is copied. Runs an exec plugin if one is configured (posix_spawn, loop kept running later;
 * the first run may block up to 60 s). Sends nothing yet. */
int sy_kube_new(struct sy_loop *loop, const struct sy_kubeconfig *config,
                const struct sy_kube_options *options, struct sy_kube **ret,
                struct sy_err *err) SY_NODISCARD;
/* Ends all calls (on_done gets -ECANCELED; starting new ones from there fails). NULL allowed. */
void sy_kube_free(struct sy_kube *k);
struct sy_loop *sy_kube_loop(const struct sy_kube *k);
const char *sy_kube_server(const struct sy_kube *k);

/* What came of a request. code 0: 2xx. Else err is filled: 400 and 422 -EINVAL, 401 -EACCES,
 * 403 -EPERM, 404 -ENOENT, 409 -EEXIST, 410 -ESTALE, 429 -EAGAIN, other 4xx -EPROTO,
 * 5xx -EREMOTEIO; transport errors as in sy_http_result. */
struct sy_kube_result {
    int code;
    int http_status;
    bool maybe_applied; /* the server may have carried it out all the same: the answer of some try
                         * was lost, or was 500, 502 or 504 */
    bool resource_version_too_large; /* 504: the server has not got that far yet */
    struct sy_str body;              /* borrowed for the callback */
    bool body_is_protobuf;
    const struct sy_err *err; /* when code != 0 */
    int64_t duration_ns;      /* of the last try */
    uint32_t tries;
};
typedef void sy_kube_done_fn(void *arg, const struct sy_kube_result *result);
/* A piece of a stream's body. 0 or a negative errno, which ends the stream with it. May cancel. */
typedef int sy_kube_data_fn(void *arg, struct sy_str piece);

enum sy_kube_retry {
    SY_RETRY_NONE, /* the caller decides (binding) */
    SY_RETRY_SAFE, /* retried up to 10 times on 429, 5xx with Retry-After and transport errors */
    /* Both: a 401, or a server certificate that we do not trust, has credentials and CA re-read
     * (or the plugin run) and, if that gave something new, is tried once more. */
};

/* When writing ends, on the boot-time clock; 0: it is not allowed. */
typedef sy_time_ns sy_kube_fence_fn(void *arg);

struct sy_kube_call {
    const char *method;
    const char *path;         /* "/api/v1/..." with query, percent-encoded */
    const char *content_type; /* of body; NULL: application/json */
    const char *accept;       /* NULL: application/json */
    struct sy_str body;       /* copied */
    uint32_t timeout_ms;      /* per try; 0: 30000 */
    enum sy_kube_retry retry;
    bool is_urgent;           /* our own limit does not hold it up */
    bool is_unfenced;         /* what changes nothing, and what the fence itself stands on */
    sy_kube_done_fn *on_done; /* exactly once, never from inside sy_kube_send */
    void *arg;
};
int sy_kube_send(struct sy_kube *k, const struct sy_kube_call *call, sy_http_id *ret_id,
                 struct sy_err *err) SY_NODISCARD;

/* A GET whose body is handed on as it arrives: watches and lists. Never retried, save once with
 * newer credentials. When the server becomes unreachable all streams end with -ETIMEDOUT. */
struct sy_kube_stream {
    const char *path;         /* as above */
    const char *accept;       /* NULL: application/json */
    uint32_t idle_timeout_ms; /* longest silence; 0: none */
    sy_kube_data_fn *on_data; /* of a 2xx answer */
    sy_kube_done_fn *on_done; /* once; code 0 when the server ended it in order; body empty */
    void *arg;
};
int sy_kube_stream(struct sy_kube *k, const struct sy_kube_stream *stream, sy_http_id *ret_id,
                   struct sy_err *err) SY_NODISCARD;

/* Sets a fence before all that writes: each try of each call that is no GET and not unfenced is put
 * on the wire before the time that `fence` says or not at all; then it ends with -ECANCELED and is
 * counted. timeout_ms: longest that such a try may take, asked of the server too (?timeout=). Calls
 * made before are not fenced. fence NULL: none. */
void sy_kube_set_fence(struct sy_kube *k, sy_kube_fence_fn *fence, void *arg, uint32_t timeout_ms);

/* Ends a call or stream: its on_done gets -ECANCELED, perhaps from inside. Inert for an id that is
 * done or 0. */
void sy_kube_cancel(struct sy_kube *k, sy_http_id id);
/* Whether force_json is set: then bodies should be JSON too. */
bool sy_kube_is_json_only(const struct sy_kube *k);

/* Health of the path to the server: boot-time of the last byte that came from it, and whether the
 * periodic probe (a cheap GET each 3 s while otherwise silent) is overdue: then the server counts
 * as unreachable within 10 s even when TCP still answers. */
sy_time_ns sy_kube_last_heard_ns(const struct sy_kube *k);
bool sy_kube_is_reachable(const struct sy_kube *k);

/* Counters for /metrics (rest_client_requests_total{code,method} style). */
enum { SY_KUBE_REQUEST_KINDS = 64 };
struct sy_kube_requests {
    char method[8];
    uint32_t code; /* HTTP status; 0: no answer */
    uint64_t count;
};
struct sy_kube_stats {
    struct sy_kube_requests requests[SY_KUBE_REQUEST_KINDS]; /* rarer kinds are in the last */
    uint32_t requests_len;
    uint64_t retries;
    uint64_t throttled_by_server;
    uint64_t throttled_by_client;
    uint64_t token_reloads;
    uint64_t writes_withheld; /* by the fence */
};
const struct sy_kube_stats *sy_kube_stats(const struct sy_kube *k);
