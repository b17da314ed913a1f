/* SPDX-License-Identifier: Apache-2.0
 *
 * Every call is in exactly one list, that of its state. A call leaves its list and is freed before
 * its on_done runs, so that callbacks may do anything but free the client. */
#include "kube/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/vec.h"
#include "kube/auth.h"

enum {
    RETRIES_MAX = 10,
    HEADERS_MAX = 64,
    DEFAULT_TIMEOUT_MS = 30000,
    PROBE_TIMEOUT_MS = 5000,
    PROBE_FAILURES_MAX = 2,
    STATUS_ARENA_MAX = 1024 * 1024,
};

static const int64_t tick_ns = SY_NS_PER_S / 2;
static const int64_t probe_after_ns = 3 * SY_NS_PER_S;
/* With a tick and what the streams' owners need, within 10 s. */
static const int64_t dead_after_ns = 9 * SY_NS_PER_S;
static const int64_t first_backoff_ns = 100 * SY_NS_PER_MS;
static const int64_t longest_backoff_ns = 10 * SY_NS_PER_S;

struct call {
    TAILQ_ENTRY(call) link;
    struct call_list *list;
    struct sy_kube *k;
    sy_http_id id;
    sy_http_id http_id; /* while sent */
    char *strings;      /* one block for all that follow */
    const char *url;
    const char *path; /* inside url */
    const char *accept;
    const char *content_type;
    struct sy_str body;
    char method[8];
    uint32_t timeout_ms; /* streams: idle */
    enum sy_kube_retry retry;
    bool is_stream;
    bool is_fenced;
    bool is_urgent;
    bool maybe_applied;
    bool is_auth_retried;
    int cancel_code; /* 0: not cancelled */
    uint32_t tries;
    uint64_t auth_generation; /* of the last try */
    struct sy_timer *timer;   /* while waiting for a retry */
    sy_kube_data_fn *on_data;
    sy_kube_done_fn *on_done;
    void *arg;
    struct sy_err err; /* why it waits or has ended */
};
TAILQ_HEAD(call_list, call);

struct sy_kube {
    struct sy_loop *loop;
    struct sy_http *http;
    struct sy_auth *auth;
    struct sy_kube_options options;
    struct sy_strings *strings;
    struct sy_decode decode;
    struct sy_rng rng;
    sy_kube_fence_fn *fence; /* NULL: none */
    void *fence_arg;
    uint32_t fence_timeout_ms;
    SY_VEC(char *) fixed_headers;
    bool is_closing;

    SY_VEC(struct call *) calls; /* by index; NULL: free */
    SY_VEC(uint32_t) free_indexes;
    uint32_t next_generation;
    struct call_list sent;
    struct call_list throttled; /* by our own limit, in order */
    struct call_list waiting;   /* for a retry */
    struct call_list unauthed;  /* for credentials */
    struct call_list ended;     /* on_done is due */
    struct sy_deferred *deliver;

    double tokens;
    sy_time_ns tokens_at;
    struct sy_timer *throttle;

    struct sy_timer *tick;
    sy_time_ns ticked_at;
    sy_time_ns heard_at;
    sy_time_ns silent_since;
    sy_http_id probe;
    uint32_t probe_failures;
    bool is_reachable;

    struct sy_kube_stats stats;
};

static void send_now(struct call *c);

/* ---- calls
 * --------------------------------------------------------------------------------------- */

static void move_to(struct call *c, struct call_list *list)
{
    if (c->list)
        TAILQ_REMOVE(c->list, c, link);
    c->list = list;
    if (list)
        TAILQ_INSERT_TAIL(list, c, link);
}

static struct call *call_new(struct sy_kube *k)
{
    struct call *c = sy_xcalloc(1, sizeof(*c));
    uint32_t index;

    if (k->free_indexes.len) {
        index = k->free_indexes.p[--k->free_indexes.len];
    } else {
        index = (uint32_t)k->calls.len;
        sy_vec_push(&k->calls, NULL);
    }
    k->calls.p[index] = c;
    c->k = k;
    c->id = (uint64_t)++k->next_generation << 32 | (index + 1);
    return c;
}

static struct call *call_find(const struct sy_kube *k, sy_http_id id)
{
    uint32_t index = (uint32_t)id - 1;

    if (!id || index >= k->calls.len || !k->calls.p[index] || k->calls.p[index]->id != id)
        return NULL;
    return k->calls.p[index];
}

static void call_free(struct call *c)
{
    struct sy_kube *k = c->k;
    uint32_t index = (uint32_t)c->id - 1;

    move_to(c, NULL);
    sy_timer_free(c->timer);
    k->calls.p[index] = NULL;
    sy_vec_push(&k->free_indexes, index);
    free(c->strings);
    free(c);
}

static void finish(struct call *c, struct sy_kube_result *result)
{
    sy_kube_done_fn *on_done = c->on_done;
    void *arg = c->arg;
    struct sy_err err = c->err;

    result->maybe_applied = c->maybe_applied;
    result->tries = c->tries;
    if (result->code)
        result->err = &err;
    call_free(c);
    on_done(arg, result);
}

/* Ends a call of which no answer is at hand; err is set already. */
static void finish_with_error(struct call *c)
{
    struct sy_kube_result result = {.code = c->err.code, .http_status = c->err.http_status};

    finish(c, &result);
}

static void end_later(struct call *c)
{
    move_to(c, &c->k->ended);
    sy_deferred_trigger(c->k->deliver);
}

static void deliver_ended(void *arg)
{
    struct sy_kube *k = arg;
    struct call_list ended;

    TAILQ_INIT(&ended);
    /* One round only: what callbacks end now waits for the next turn. */
    while (!TAILQ_EMPTY(&k->ended))
        move_to(TAILQ_FIRST(&k->ended), &ended);
    while (!TAILQ_EMPTY(&ended))
        finish_with_error(TAILQ_FIRST(&ended));
}

/* ---- our own rate limit -------------------------------------------------------------------------
 */

static bool take_token(struct sy_kube *k)
{
    if (k->options.qps <= 0)
        return true;
    sy_time_ns now = sy_clock_boot_ns();
    k->tokens += (double)(now - k->tokens_at) / (double)SY_NS_PER_S * k->options.qps;
    k->tokens_at = now;
    if (k->tokens > k->options.burst)
        k->tokens = k->options.burst;
    if (k->tokens < 1)
        return false;
    k->tokens -= 1;
    return true;
}

static void arm_throttle(struct sy_kube *k)
{
    int64_t after = (int64_t)((1 - k->tokens) / k->options.qps * (double)SY_NS_PER_S) + 1;

    if (!sy_timer_is_armed(k->throttle))
        sy_timer_arm(k->throttle, after > 0 ? after : 1);
}

static void send_throttled(void *arg)
{
    struct sy_kube *k = arg;

    while (!TAILQ_EMPTY(&k->throttled)) {
        if (!take_token(k)) {
            arm_throttle(k);
            return;
        }
        send_now(TAILQ_FIRST(&k->throttled));
    }
}

static void send_when_allowed(struct call *c)
{
    struct sy_kube *k = c->k;

    if (c->is_urgent || (TAILQ_EMPTY(&k->throttled) && take_token(k))) {
        send_now(c);
        return;
    }
    k->stats.throttled_by_client++;
    move_to(c, &k->throttled);
    arm_throttle(k);
}

/* ---- errors for people --------------------------------------------------------------------------
 */

static const char *ca_name(const struct sy_kube *k)
{
    const struct sy_kubeconfig *config = sy_auth_config(k->auth);

    if (config->ca_path)
        return config->ca_path;
    return config->ca_pem ? "the kubeconfig's certificate-authority-data" : "the system's bundle";
}

static void explain_transport(struct call *c, const struct sy_http_result *result)
{
    struct sy_kube *k = c->k;
    const char *server = sy_kube_server(k);
    int path_len = (int)strcspn(c->path, "?");
    int code = result->code;

    switch (code) {
    case -ECONNREFUSED:
        sy_err_set(&c->err, code,
                   "cannot reach %s: connection refused; is the API server up and the kubeconfig's "
                   "server right?",
                   server);
        break;
    case -EHOSTUNREACH:
        sy_err_set(&c->err, code,
                   "cannot reach %s: %s; is the kubeconfig's server right and the network up?",
                   server, result->error);
        break;
    case -EKEYREJECTED:
        sy_err_set(&c->err, code, "the certificate of %s is not trusted by the CA in %s: %s",
                   server, ca_name(k), result->error);
        break;
    case -ETIMEDOUT:
        sy_err_set(&c->err, code, "%s %.*s: no answer from %s in %.1f s", c->method, path_len,
                   c->path, server, (double)result->duration_ns / (double)SY_NS_PER_S);
        break;
    default:
        sy_err_set(&c->err, code, "%s %.*s: %s: %s", c->method, path_len, c->path, server,
                   result->error && *result->error ? result->error : strerror(-code));
    }
}

static int code_of_status(int http_status)
{
    switch (http_status) {
    case 400:
    case 422:
        return -EINVAL;
    case 401:
        return -EACCES;
    case 403:
        return -EPERM;
    case 404:
        return -ENOENT;
    case 409:
        return -EEXIST;
    case 410:
        return -ESTALE;
    case 429:
        return -EAGAIN;
    default:
        return http_status >= 500 ? -EREMOTEIO : -EPROTO;
    }
}

static bool is_protobuf(struct sy_str content_type)
{
    return sy_str_starts(content_type, SY_STR("application/vnd.kubernetes.protobuf"));
}

/* Fills c->err from an answer that is not 2xx. */
static void explain_status(struct call *c, const struct sy_http_result *result, bool *ret_too_large)
{
    struct sy_kube *k = c->k;
    struct sy_status status = {0};
    int path_len = (int)strcspn(c->path, "?");
    int code = code_of_status(result->http_status);
    bool is_pb = is_protobuf(result->content_type);
    struct sy_str message;

    sy_arena_reset(&k->decode.arena);
    if ((is_pb || sy_str_starts(result->content_type, SY_STR("application/json"))) &&
        sy_decode_status(&k->decode, is_pb ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON, result->body,
                         &status, NULL) == 0)
        message = status.message;
    else
        message = result->body; /* of a proxy, perhaps */
    if (message.len > 600)
        message.len = 600;
    *ret_too_large = status.resource_version_too_large;
    if (result->http_status == 401)
        sy_err_set(&c->err, code,
                   "the API server rejected our credentials (401: " SY_STR_FMT
                   "); is the token expired, or the kubeconfig's user wrong?",
                   SY_STR_ARG(message));
    else if (result->http_status == 403)
        sy_err_set(&c->err, code,
                   "the API server denied %s %.*s (403: " SY_STR_FMT
                   "); does the account have the RBAC rights?",
                   c->method, path_len, c->path, SY_STR_ARG(message));
    else
        sy_err_set(&c->err, code, "%s %.*s: %d " SY_STR_FMT "%s" SY_STR_FMT, c->method, path_len,
                   c->path, result->http_status, SY_STR_ARG(status.reason),
                   status.reason.len && message.len ? ": " : "", SY_STR_ARG(message));
    c->err.http_status = result->http_status;
    c->err.retry_after_ms = result->retry_after_ms ? result->retry_after_ms : status.retry_after_ms;
    snprintf(c->err.reason, sizeof(c->err.reason), SY_STR_FMT, SY_STR_ARG(status.reason));
}

/* ---- answers ------------------------------------------------------------------------------------
 */

static void mark_heard(struct sy_kube *k)
{
    k->heard_at = k->silent_since = sy_clock_boot_ns();
    k->probe_failures = 0;
    k->is_reachable = true;
}

static void on_retry_due(void *arg)
{
    send_when_allowed(arg);
}

static void wait_for_retry(struct call *c)
{
    struct sy_kube *k = c->k;
    int64_t backoff = first_backoff_ns << (c->tries < 8 ? c->tries - 1 : 7);

    if (backoff > longest_backoff_ns)
        backoff = longest_backoff_ns;
    backoff += (int64_t)(sy_rng_unit(&k->rng) * (double)backoff);
    if (backoff < c->err.retry_after_ms * SY_NS_PER_MS)
        backoff = c->err.retry_after_ms * SY_NS_PER_MS;
    k->stats.retries++;
    move_to(c, &k->waiting);
    if (!c->timer)
        c->timer = sy_timer_new(k->loop, on_retry_due, c);
    sy_timer_arm(c->timer, backoff);
}

static bool is_retryable(const struct call *c, const struct sy_http_result *result)
{
    if (c->k->is_closing || c->retry != SY_RETRY_SAFE || c->tries > RETRIES_MAX)
        return false;
    if (result->code)
        return result->code != -EKEYREJECTED && result->code != -E2BIG &&
               result->code != -ECANCELED;
    return result->http_status == 429 || (result->http_status >= 500 && c->err.retry_after_ms);
}

/* Whether the call goes on with newer credentials, now or when the plugin has run. */
static bool try_new_credentials(struct call *c)
{
    struct sy_kube *k = c->k;

    if (c->is_auth_retried || k->is_closing)
        return false;
    c->is_auth_retried = true;
    if (c->auth_generation == sy_auth_generation(k->auth) &&
        sy_auth_refresh(k->auth) == -EINPROGRESS) {
        move_to(c, &k->unauthed);
        return true;
    }
    if (c->auth_generation == sy_auth_generation(k->auth))
        return false;
    k->stats.retries++;
    send_when_allowed(c);
    return true;
}

static void on_refreshed(void *arg)
{
    struct sy_kube *k = arg;
    struct call_list list;

    TAILQ_INIT(&list);
    while (!TAILQ_EMPTY(&k->unauthed))
        move_to(TAILQ_FIRST(&k->unauthed), &list);
    while (!TAILQ_EMPTY(&list)) {
        struct call *c = TAILQ_FIRST(&list);

        if (c->auth_generation == sy_auth_generation(k->auth)) {
            finish_with_error(c);
        } else {
            k->stats.retries++;
            send_when_allowed(c);
        }
    }
}

static void on_tls(void *arg)
{
    struct sy_kube *k = arg;
    struct sy_http_config config = {.unary_connections = k->options.unary_connections};
    struct sy_err err;

    sy_auth_fill(k->auth, &config);
    if (sy_http_reconfigure(k->http, &config, &err))
        sy_log_error("new certificates not taken over", "error", err.msg);
    else
        sy_log_info("certificates were rotated");
}

static void count_request(struct sy_kube *k, const char *method, uint32_t code)
{
    struct sy_kube_stats *s = &k->stats;
    uint32_t i = 0;

    while (i < s->requests_len &&
           (s->requests[i].code != code || strcmp(s->requests[i].method, method) != 0))
        i++;
    if (i == SY_KUBE_REQUEST_KINDS) {
        i--;
    } else if (i == s->requests_len) {
        s->requests_len++;
        s->requests[i].code = code;
        snprintf(s->requests[i].method, sizeof(s->requests[i].method), "%s", method);
    }
    s->requests[i].count++;
}

static void on_http_done(void *arg, const struct sy_http_result *http)
{
    struct call *c = arg;
    struct sy_kube *k = c->k;
    struct sy_kube_result result = {
        .http_status = http->http_status,
        .body = http->body,
        .duration_ns = http->duration_ns,
    };
    int status = http->http_status;

    c->http_id = 0;
    count_request(k, c->method, http->code ? 0 : (uint32_t)status);
    /* A stream cut off because the server fell silent had its status long ago. */
    if (status && !http->code)
        mark_heard(k);
    if (http->code == 0 && status >= 200 && status < 300) {
        result.body_is_protobuf = is_protobuf(http->content_type);
        finish(c, &result);
        return;
    }
    if (http->code) {
        if (c->is_fenced && !c->cancel_code && http->code == -ECANCELED)
            k->stats.writes_withheld++;
        c->maybe_applied |= http->maybe_sent;
        explain_transport(c, http);
        if (c->cancel_code == -ETIMEDOUT)
            sy_err_set(&c->err, c->cancel_code, "nothing heard from %s in %.0f s",
                       sy_kube_server(k),
                       (double)(sy_clock_boot_ns() - k->heard_at) / (double)SY_NS_PER_S);
    } else {
        /* 500 and 504 may come from a timeout after the write, 502 from a proxy that lost the
         * server; other statuses say that it was refused. */
        c->maybe_applied |= status == 500 || status == 502 || status == 504;
        explain_status(c, http, &result.resource_version_too_large);
        if (status == 429)
            k->stats.throttled_by_server++;
    }
    if (!c->cancel_code) {
        if ((status == 401 || http->code == -EKEYREJECTED) && try_new_credentials(c))
            return;
        if (is_retryable(c, http)) {
            wait_for_retry(c);
            return;
        }
    }
    result.code = c->err.code;
    finish(c, &result);
}

static int on_http_data(void *arg, struct sy_str piece)
{
    struct call *c = arg;

    mark_heard(c->k);
    return c->on_data(c->arg, piece);
}

/* ---- requests -----------------------------------------------------------------------------------
 */

static size_t fill_headers(struct sy_kube *k, const struct call *c, const char **headers)
{
    size_t n = 0;
    const char *auth = sy_auth_header(k->auth);

    for (size_t i = 0; i < k->fixed_headers.len; i++)
        headers[n++] = k->fixed_headers.p[i];
    if (auth)
        headers[n++] = auth;
    if (c) {
        headers[n++] = c->accept;
        if (c->content_type)
            headers[n++] = c->content_type;
    }
    headers[n] = NULL;
    return n;
}

/* Whether the fence is shut for it: then it has ended. */
static bool is_withheld(struct call *c, sy_time_ns *ret_not_after)
{
    struct sy_kube *k = c->k;

    if (!c->is_fenced || !k->fence)
        return false;
    *ret_not_after = k->fence(k->fence_arg);
    if (*ret_not_after > sy_clock_boot_ns())
        return false;
    k->stats.writes_withheld++;
    sy_err_set(&c->err, -ECANCELED, "%s %.*s: withheld, we may not lead any more", c->method,
               (int)strcspn(c->path, "?"), c->path);
    end_later(c);
    return true;
}

static void send_now(struct call *c)
{
    struct sy_kube *k = c->k;
    const char *headers[HEADERS_MAX + 4];
    sy_time_ns not_after = 0;
    if (is_withheld(c, &not_after))
        return;
    struct sy_http_request request = {
        .method = c->method,
        .url = c->url,
        .headers = headers,
        .body = c->body,
        .timeout_ms = c->is_stream ? 0 : c->timeout_ms,
        .idle_timeout_ms = c->is_stream ? c->timeout_ms : 0,
        .is_stream = c->is_stream,
        .not_after = not_after,
        .on_data = on_http_data,
        .on_done = on_http_done,
        .arg = c,
    };

    fill_headers(k, c, headers);
    c->auth_generation = sy_auth_generation(k->auth);
    c->tries++;
    move_to(c, &k->sent);
    if (sy_http_send(k->http, &request, &c->http_id, &c->err))
        end_later(c);
}

/* Copies what the call needs into one block. */
static void copy_strings(struct call *c, const char *path, const char *accept,
                         const char *content_type, struct sy_str body)
{
    const char *server = sy_kube_server(c->k);
    size_t server_len = strlen(server);
    size_t path_size = strlen(path) + 1;
    size_t accept_size = strlen(accept) + sizeof("Accept: ");
    size_t type_size = body.len ? strlen(content_type) + sizeof("Content-Type: ") : 0;
    char *p = c->strings = sy_xmalloc(server_len + path_size + accept_size + type_size + body.len);

    c->url = p;
    memcpy(p, server, server_len);
    p += server_len;
    c->path = p;
    memcpy(p, path, path_size);
    p += path_size;
    c->accept = p;
    snprintf(p, accept_size, "Accept: %s", accept);
    p += accept_size;
    if (body.len) {
        c->content_type = p;
        snprintf(p, type_size, "Content-Type: %s", content_type);
        p += type_size;
        memcpy(p, body.p, body.len);
        c->body = (struct sy_str){p, body.len};
    }
}

int sy_kube_send(struct sy_kube *k, const struct sy_kube_call *call, sy_http_id *ret_id,
                 struct sy_err *err)
{
    const char *accept = call->accept && !k->options.force_json ? call->accept : "application/json";

    if (k->is_closing)
        return sy_err_set(err, -ESHUTDOWN, "the client is being closed");
    if (strlen(call->method) >= sizeof(((struct call *)0)->method))
        return sy_err_set(err, -EINVAL, "unknown method %.32s", call->method);
    bool is_fenced = k->fence && !call->is_unfenced && strcmp(call->method, "GET") != 0;
    char *path SY_CLEANUP(sy_freep) = NULL;
    if (is_fenced && !strstr(call->path, "timeout="))
        path = sy_xasprintf("%s%ctimeout=%ums", call->path, strchr(call->path, '?') ? '&' : '?',
                            k->fence_timeout_ms);
    struct call *c = call_new(k);
    copy_strings(c, path ? path : call->path, accept,
                 call->content_type ? call->content_type : "application/json", call->body);
    snprintf(c->method, sizeof(c->method), "%s", call->method);
    c->timeout_ms = call->timeout_ms ? call->timeout_ms : DEFAULT_TIMEOUT_MS;
    c->is_fenced = is_fenced;
    c->is_urgent = call->is_urgent;
    if (is_fenced && c->timeout_ms > k->fence_timeout_ms)
        c->timeout_ms = k->fence_timeout_ms;
    c->retry = call->retry;
    c->on_done = call->on_done;
    c->arg = call->arg;
    if (ret_id)
        *ret_id = c->id;
    send_when_allowed(c);
    return 0;
}

int sy_kube_stream(struct sy_kube *k, const struct sy_kube_stream *stream, sy_http_id *ret_id,
                   struct sy_err *err)
{
    const char *accept =
        stream->accept && !k->options.force_json ? stream->accept : "application/json";

    if (k->is_closing)
        return sy_err_set(err, -ESHUTDOWN, "the client is being closed");
    struct call *c = call_new(k);
    copy_strings(c, stream->path, accept, "", (struct sy_str){0});
    snprintf(c->method, sizeof(c->method), "GET");
    c->is_stream = true;
    c->timeout_ms = stream->idle_timeout_ms;
    c->on_data = stream->on_data;
    c->on_done = stream->on_done;
    c->arg = stream->arg;
    if (ret_id)
        *ret_id = c->id;
    send_when_allowed(c);
    return 0;
}

static void cancel_call(struct call *c, int code)
{
    if (c->cancel_code)
        return;
    c->cancel_code = code;
    if (c->list == &c->k->sent) {
        sy_http_cancel(c->k->http, c->http_id);
        return;
    }
    sy_err_set(&c->err, code, "%s %.*s: cancelled", c->method, (int)strcspn(c->path, "?"), c->path);
    if (c->timer)
        sy_timer_disarm(c->timer);
    end_later(c);
}

void sy_kube_cancel(struct sy_kube *k, sy_http_id id)
{
    struct call *c = call_find(k, id);

    if (c)
        cancel_call(c, -ECANCELED);
}

/* ---- is the server there?
 * ------------------------------------------------------------------------ */

static void lose_server(struct sy_kube *k)
{
    SY_VEC(sy_http_id) streams = {0};
    struct call *c;

    k->is_reachable = false;
    for (c = TAILQ_FIRST(&k->sent); c; c = TAILQ_NEXT(c, link))
        if (c->is_stream)
            sy_vec_push(&streams, c->id);
    for (size_t i = 0; i < streams.len; i++) {
        c = call_find(k, streams.p[i]);
        if (c)
            cancel_call(c, -ETIMEDOUT);
    }
    sy_vec_done(&streams);
}

static void look_at_silence(struct sy_kube *k)
{
    if (k->is_reachable && (k->probe_failures >= PROBE_FAILURES_MAX ||
                            sy_clock_boot_ns() - k->silent_since >= dead_after_ns))
        lose_server(k);
}

static void on_probe_done(void *arg, const struct sy_http_result *http)
{
    struct sy_kube *k = arg;

    k->probe = 0;
    if (http->http_status) {
        mark_heard(k);
    } else if (!k->is_closing && http->code != -ECANCELED) {
        k->probe_failures++;
        look_at_silence(k);
    }
}

static void send_probe(struct sy_kube *k)
{
    const char *headers[HEADERS_MAX + 4];
    char *url = sy_xasprintf("%s/version", sy_kube_server(k));
    struct sy_http_request request = {
        .method = "GET",
        .url = url,
        .headers = headers,
        .timeout_ms = PROBE_TIMEOUT_MS,
        .on_done = on_probe_done,
        .arg = k,
    };
    struct sy_err err;

    fill_headers(k, NULL, headers);
    if (sy_http_send(k->http, &request, &k->probe, &err)) {
        k->probe = 0;
        k->probe_failures++;
    }
    free(url);
}

static void on_tick(void *arg)
{
    struct sy_kube *k = arg;
    sy_time_ns now = sy_clock_boot_ns();

    /* We were stopped or starved, so the silence may be our own. */
    if (now - k->ticked_at > probe_after_ns)
        k->silent_since = now;
    k->ticked_at = now;
    k->stats.token_reloads = sy_auth_token_reloads(k->auth);
    look_at_silence(k);
    if (!k->probe && now - k->silent_since >= probe_after_ns)
        send_probe(k);
    sy_timer_arm(k->tick, tick_ns);
}

/* ---- life ---------------------------------------------------------------------------------------
 */

static int add_fixed_headers(struct sy_kube *k, const struct sy_kubeconfig *config,
                             struct sy_err *err)
{
    sy_vec_push(&k->fixed_headers,
                sy_xasprintf("User-Agent: %s",
                             k->options.user_agent ? k->options.user_agent : "steelyard"));
    if (config->impersonate)
        sy_vec_push(&k->fixed_headers, sy_xasprintf("Impersonate-User: %s", config->impersonate));
    if (config->impersonate_uid)
        sy_vec_push(&k->fixed_headers,
                    sy_xasprintf("Impersonate-Uid: %s", config->impersonate_uid));
    for (char **g = config->impersonate_groups; g && *g; g++)
        sy_vec_push(&k->fixed_headers, sy_xasprintf("Impersonate-Group: %s", *g));
    if (k->fixed_headers.len > HEADERS_MAX)
        return sy_err_set(err, -E2BIG, "the kubeconfig's as-groups holds more than 60 groups");
    return 0;
}

static int start_client(struct sy_kube *k, const struct sy_kubeconfig *config, struct sy_err *err)
{
    struct sy_http_config http = {.unary_connections = k->options.unary_connections};
    struct sy_auth_events events = {.on_tls = on_tls, .on_refreshed = on_refreshed, .arg = k};
    int r = add_fixed_headers(k, config, err);

    if (!r)
        r = sy_auth_new(k->loop, config, &events, &k->auth, err);
    if (r)
        return r;
    sy_auth_fill(k->auth, &http);
    return sy_http_new(k->loop, &http, &k->http, err);
}

int sy_kube_new(struct sy_loop *loop, const struct sy_kubeconfig *config,
                const struct sy_kube_options *options, struct sy_kube **ret, struct sy_err *err)
{
    struct sy_kube *k = sy_xcalloc(1, sizeof(*k));
    uint64_t key[2] = {sy_rng_entropy(), sy_rng_entropy()};

    k->loop = loop;
    k->options = *options;
    if (k->options.burst < 1)
        k->options.burst = 1;
    k->tokens = k->options.burst;
    k->tokens_at = k->ticked_at = k->heard_at = k->silent_since = sy_clock_boot_ns();
    k->is_reachable = true;
    TAILQ_INIT(&k->sent);
    TAILQ_INIT(&k->throttled);
    TAILQ_INIT(&k->waiting);
    TAILQ_INIT(&k->unauthed);
    TAILQ_INIT(&k->ended);
    sy_rng_seed(&k->rng, sy_rng_entropy());
    k->strings = sy_strings_new(key);
    sy_decode_init(&k->decode, k->strings, STATUS_ARENA_MAX);
    k->deliver = sy_deferred_new(loop, deliver_ended, k);
    k->throttle = sy_timer_new(loop, send_throttled, k);
    k->tick = sy_timer_new(loop, on_tick, k);
    int r = start_client(k, config, err);
    if (r) {
        sy_kube_free(k);
        return r;
    }
    if (config->insecure_skip_tls_verify)
        sy_log_warn("insecure-skip-tls-verify is set: anyone on the path can pose as the API "
                    "server and read our credentials",
                    "server", config->server);
    sy_timer_arm(k->tick, tick_ns);
    *ret = k;
    return 0;
}

static void finish_all(struct sy_kube *k, struct call_list *list)
{
    while (!TAILQ_EMPTY(list)) {
        struct call *c = TAILQ_FIRST(list);

        if (list != &k->ended)
            sy_err_set(&c->err, -ECANCELED, "the client is being closed");
        finish_with_error(c);
    }
}

void sy_kube_free(struct sy_kube *k)
{
    if (!k)
        return;
    k->is_closing = true;
    if (k->http)
        sy_http_free(k->http);
    finish_all(k, &k->sent);
    finish_all(k, &k->throttled);
    finish_all(k, &k->waiting);
    finish_all(k, &k->unauthed);
    finish_all(k, &k->ended);
    sy_auth_free(k->auth);
    sy_timer_free(k->tick);
    sy_timer_free(k->throttle);
    sy_deferred_free(k->deliver);
    sy_decode_done(&k->decode);
    sy_strings_free(k->strings);
    for (size_t i = 0; i < k->fixed_headers.len; i++)
        free(k->fixed_headers.p[i]);
    sy_vec_done(&k->fixed_headers);
    sy_vec_done(&k->calls);
    sy_vec_done(&k->free_indexes);
    free(k);
}

struct sy_loop *sy_kube_loop(const struct sy_kube *k)
{
    return k->loop;
}

const char *sy_kube_server(const struct sy_kube *k)
{
    return sy_auth_config(k->auth)->server;
}

void sy_kube_set_fence(struct sy_kube *k, sy_kube_fence_fn *fence, void *arg, uint32_t timeout_ms)
{
    k->fence = fence;
    k->fence_arg = arg;
    k->fence_timeout_ms = timeout_ms;
}

bool sy_kube_is_json_only(const struct sy_kube *k)
{
    return k->options.force_json;
}

sy_time_ns sy_kube_last_heard_ns(const struct sy_kube *k)
{
    return k->heard_at;
}

bool sy_kube_is_reachable(const struct sy_kube *k)
{
    return k->is_reachable;
}

const struct sy_kube_stats *sy_kube_stats(const struct sy_kube *k)
{
    return &k->stats;
}
