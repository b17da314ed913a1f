/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's front: request records with generational ids, the queue over the concurrency limit,
 * deadlines, and delivery. Starts, aborts and on_done all happen in one deferred call at the end
 * of a turn, so that no transport is ever entered from inside its own callbacks and many requests
 * of one turn leave together. */
#include "net/http.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "net/http_int.h"

enum {
    DEFAULT_CONNECT_TIMEOUT_MS = 5000,
    DEFAULT_DEAD_PEER_MS = 8000,
    DEFAULT_CONNECTIONS = 2,
    DEFAULT_STREAMS = 100,
    /* What an idle record may keep for its next request. */
    KEEP_REQUEST_BYTES = 16 * 1024,
    KEEP_ANSWER_BYTES = 64 * 1024,
    /* A refused stream's answer is a Status object; the rest of a longer one is dropped. */
    MAX_REFUSAL_BYTES = 1024 * 1024,
    MAX_METHOD_BYTES = 16,
    MAX_URL_BYTES = 64 * 1024,
};

#define DEFAULT_MAX_BODY_BYTES ((size_t)64 * 1024 * 1024)

struct transfer_list {
    struct sy_transfer *first, *last;
};

struct sy_http {
    struct sy_loop *loop;
    struct sy_http_settings settings;
    struct sy_curl *curl;
    struct sy_h2 *h2;
    struct sy_deferred *work;
    SY_VEC(struct sy_transfer *) transfers; /* by index */
    struct transfer_list unused;
    struct transfer_list queued;  /* unary, in order */
    struct transfer_list streams; /* waiting for the end of the turn only */
    struct transfer_list aborting;
    struct transfer_list ended;
    uint32_t running_unary;
    uint32_t in_flight;
    bool is_delivering; /* what is started now leaves in this turn yet */
    bool is_freeing;
};

static void list_add(struct transfer_list *l, struct sy_transfer *t)
{
    t->prev = l->last;
    t->next = NULL;
    if (l->last)
        l->last->next = t;
    else
        l->first = t;
    l->last = t;
}

static void list_remove(struct transfer_list *l, struct sy_transfer *t)
{
    if (t->prev)
        t->prev->next = t->next;
    else
        l->first = t->next;
    if (t->next)
        t->next->prev = t->prev;
    else
        l->last = t->prev;
    t->prev = t->next = NULL;
}

const struct sy_http_settings *sy_http_settings(const struct sy_http *h)
{
    return &h->settings;
}

struct sy_loop *sy_http_loop(const struct sy_http *h)
{
    return h->loop;
}

uint32_t sy_http_in_flight(const struct sy_http *h)
{
    return h->in_flight;
}

/* ---- config ---- */

static void settings_done(struct sy_http_settings *s)
{
    free(s->ca_pem);
    free(s->client_cert_pem);
    if (s->client_key_pem)
        OPENSSL_cleanse(s->client_key_pem, strlen(s->client_key_pem));
    free(s->client_key_pem);
    free(s->tls_server_name);
    free(s->proxy_url);
    memset(s, 0, sizeof(*s));
}

static int no_passphrase(char *buf SY_UNUSED, int size SY_UNUSED, int is_write SY_UNUSED,
                         void *arg SY_UNUSED)
{
    return 0;
}

/* Certificates in the text, or -1 when one of them cannot be read. */
static int count_certificates(const char *pem, X509 **ret_first)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    int count = 0;
    unsigned long e;

    for (;;) {
        X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;

        if (!cert)
            break;
        if (ret_first && count == 0)
            *ret_first = cert;
        else
            X509_free(cert);
        count++;
    }
    e = ERR_peek_last_error();
    ERR_clear_error();
    BIO_free(bio);
    if (e && ERR_GET_REASON(e) != PEM_R_NO_START_LINE)
        count = -1;
    return count;
}

static int check_client_pair(const char *cert_pem, const char *key_pem, struct sy_err *err)
{
    X509 *cert = NULL;
    EVP_PKEY *key = NULL;
    BIO *bio = BIO_new_mem_buf(key_pem, -1);
    int code = 0;

    if (count_certificates(cert_pem, &cert) <= 0)
        code = sy_err_set(err, -EINVAL, "client certificate: no valid PEM certificate in it");
    if (bio)
        key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (!code && !key)
        code = sy_err_set(err, -EINVAL,
                          "client key: no valid PEM private key without a passphrase in it");
    if (!code && X509_check_private_key(cert, key) != 1)
        code = sy_err_set(err, -EINVAL, "client certificate and client key do not belong together");
    ERR_clear_error();
    X509_free(cert);
    EVP_PKEY_free(key);
    return code;
}

static bool is_printable(const char *z)
{
    for (; *z; z++) {
        if ((unsigned char)*z <= 0x20 || (unsigned char)*z >= 0x7f)
            return false;
    }
    return true;
}

static int settings_from(const struct sy_http_config *c, struct sy_http_settings *ret,
                         struct sy_err *err)
{
    int code;

    if (c->ca_pem && count_certificates(c->ca_pem, NULL) <= 0)
        return sy_err_set(err, -EINVAL, "certificate authority: no valid PEM certificate in it");
    if (!c->client_cert_pem != !c->client_key_pem)
        return sy_err_set(err, -EINVAL, "client certificate and client key: give both or neither");
    if (c->client_cert_pem) {
        code = check_client_pair(c->client_cert_pem, c->client_key_pem, err);
        if (code)
            return code;
    }
    if (c->tls_server_name && (!*c->tls_server_name || !is_printable(c->tls_server_name) ||
                               strpbrk(c->tls_server_name, "/@?#[]")))
        return sy_err_set(err, -EINVAL, "TLS server name \"%s\" is no host name",
                          c->tls_server_name);
    if (c->proxy_url && strncmp(c->proxy_url, "http://", 7) != 0 &&
        strncmp(c->proxy_url, "https://", 8) != 0 && strncmp(c->proxy_url, "socks5://", 9) != 0)
        return sy_err_set(err, -EINVAL,
                          "proxy URL: must begin with http://, https:// or socks5://");

    *ret = (struct sy_http_settings){
        .ca_pem = sy_xstrdup(c->ca_pem),
        .client_cert_pem = sy_xstrdup(c->client_cert_pem),
        .client_key_pem = sy_xstrdup(c->client_key_pem),
        .tls_server_name = sy_xstrdup(c->tls_server_name),
        .proxy_url = sy_xstrdup(c->proxy_url),
        .insecure_skip_verify = c->insecure_skip_verify,
        .disable_http2 = c->disable_http2,
        .connect_timeout_ms =
            c->connect_timeout_ms ? c->connect_timeout_ms : DEFAULT_CONNECT_TIMEOUT_MS,
        .dead_peer_ms = c->dead_peer_ms ? c->dead_peer_ms : DEFAULT_DEAD_PEER_MS,
        .unary_connections = c->unary_connections ? c->unary_connections : DEFAULT_CONNECTIONS,
        .unary_streams = c->unary_streams ? c->unary_streams : DEFAULT_STREAMS,
    };
    return 0;
}

/* ---- the request's record ---- */

static void deadline_passed(void *arg);
static void idle_passed(void *arg);

static struct sy_transfer *transfer_take(struct sy_http *h)
{
    struct sy_transfer *t = h->unused.last;

    if (t) {
        list_remove(&h->unused, t);
        return t;
    }
    t = sy_xcalloc(1, sizeof(*t));
    t->http = h;
    t->index = (uint32_t)h->transfers.len;
    t->generation = 1;
    t->deadline = sy_timer_new(h->loop, deadline_passed, t);
    sy_buf_init(&t->answer, DEFAULT_MAX_BODY_BYTES);
    sy_vec_push(&h->transfers, t);
    return t;
}

static void transfer_recycle(struct sy_transfer *t)
{
    struct sy_http *h = t->http;

    if (++t->generation == 0)
        t->generation = 1;
    t->state = SY_TRANSFER_FREE;
    if (t->mem_room > KEEP_REQUEST_BYTES) {
        free(t->mem);
        t->mem = NULL;
        t->mem_room = 0;
    }
    if (t->answer.room > KEEP_ANSWER_BYTES)
        sy_buf_done(&t->answer);
    else
        sy_buf_reset(&t->answer);
    list_add(&h->unused, t);
}

static void transfer_destroy(struct sy_transfer *t)
{
    sy_timer_free(t->deadline);
    sy_timer_free(t->idle);
    sy_buf_done(&t->answer);
    free(t->mem);
    free(t);
}

static sy_http_id transfer_id(const struct sy_transfer *t)
{
    return (uint64_t)t->generation << 32 | (t->index + 1);
}

static struct sy_transfer *transfer_find(const struct sy_http *h, sy_http_id id)
{
    uint32_t place = (uint32_t)id;

    if (!place || place > h->transfers.len)
        return NULL;
    if (transfer_id(h->transfers.p[place - 1]) != id)
        return NULL;
    return h->transfers.p[place - 1];
}

/* Ends a transfer from our side: the queue is left at once, a transport at the end of the turn. */
static void transfer_stop(struct sy_transfer *t, int code, const char *text)
{
    struct sy_http *h = t->http;

    switch (t->state) {
    case SY_TRANSFER_QUEUED:
        list_remove(t->is_stream ? &h->streams : &h->queued, t);
        sy_transfer_end(t, code, false, text);
        break;
    case SY_TRANSFER_RUNNING:
        t->abort_code = code;
        t->state = SY_TRANSFER_ABORTING;
        snprintf(t->error, sizeof(t->error), "%s", text);
        list_add(&h->aborting, t);
        sy_deferred_trigger(h->work);
        break;
    case SY_TRANSFER_FREE:
    case SY_TRANSFER_ABORTING:
    case SY_TRANSFER_ENDED:
        break;
    }
}

static void deadline_passed(void *arg)
{
    transfer_stop(arg, -ETIMEDOUT, "no answer in time");
}

/* Moved only when it fires: a stream's pieces come too often to move a timer for each. */
static void idle_passed(void *arg)
{
    struct sy_transfer *t = arg;
    int64_t left = t->heard_at + (int64_t)t->idle_timeout_ms * SY_NS_PER_MS - sy_clock_boot_ns();

    if (left > 0)
        sy_timer_arm(t->idle, left);
    else
        transfer_stop(t, -ETIMEDOUT, "the stream fell silent");
}

/* What t gets no more of, from inside a transport's callback. */
static int transfer_refuse(struct sy_transfer *t, int code, const char *text)
{
    t->abort_code = code;
    snprintf(t->error, sizeof(t->error), "%s", text);
    return code;
}

int sy_transfer_data(struct sy_transfer *t, struct sy_str piece)
{
    size_t room = t->answer.cap - t->answer.len;
    int code = 0;

    if (t->abort_code)
        return t->abort_code;
    if (t->is_stream && t->status / 100 == 2) {
        t->heard_at = sy_loop_now_ns(t->http->loop);
        code = t->on_data(t->arg, piece);
        if (t->abort_code)
            return t->abort_code;
        return code < 0 ? transfer_refuse(t, code, "ended by its receiver") : 0;
    }
    if (t->is_stream && piece.len > room)
        piece.len = room;
    if (piece.len > room)
        return transfer_refuse(t, -E2BIG, "the answer is larger than allowed");
    if (piece.len)
        code = sy_buf_add(&t->answer, piece.p, piece.len);
    return code ? transfer_refuse(t, code, "no memory for the answer") : 0;
}

void sy_transfer_end(struct sy_transfer *t, int code, bool maybe_sent, const char *text)
{
    struct sy_http *h = t->http;

    if (t->state == SY_TRANSFER_ABORTING)
        list_remove(&h->aborting, t);
    if (t->state != SY_TRANSFER_QUEUED && !t->is_stream)
        h->running_unary--;
    t->code = t->abort_code ? t->abort_code : code;
    t->maybe_sent = maybe_sent;
    if (!t->code)
        t->error[0] = '\0';
    else if (!t->abort_code)
        snprintf(t->error, sizeof(t->error), "%s", text);
    t->transport = NULL;
    t->state = SY_TRANSFER_ENDED;
    sy_timer_disarm(t->deadline);
    if (t->idle)
        sy_timer_disarm(t->idle);
    list_add(&h->ended, t);
    sy_deferred_trigger(h->work);
}

/* ---- sending ---- */

static int check_request(const struct sy_http_request *r, struct sy_err *err)
{
    size_t len;

    for (len = 0; r->method && r->method[len] >= 'A' && r->method[len] <= 'Z'; len++)
        ;
    if (!len || r->method[len] || len > MAX_METHOD_BYTES)
        return sy_err_set(err, -EINVAL, "HTTP method \"%s\" is none", r->method ? r->method : "");
    if (!r->url || (strncmp(r->url, "https://", 8) != 0 && strncmp(r->url, "http://", 7) != 0) ||
        !is_printable(r->url) || strlen(r->url) > MAX_URL_BYTES)
        return sy_err_set(err, -EINVAL, "URL \"%.200s\" is no http:// or https:// URL",
                          r->url ? r->url : "");
    for (const char *const *line = r->headers; line && *line; line++) {
        const char *colon = strchr(*line, ':');

        if (!colon || colon == *line || strpbrk(*line, "\r\n"))
            return sy_err_set(err, -EINVAL, "HTTP header line %d is malformed",
                              (int)(line - r->headers) + 1);
    }
    if (r->is_stream && !r->on_data)
        return sy_err_set(err, -EINVAL, "a stream needs a receiver");
    return 0;
}

static char *put(char **at, const char *p, size_t len)
{
    char *text = *at;

    if (len)
        memcpy(text, p, len);
    text[len] = '\0';
    *at += len + 1;
    return text;
}

static int copy_request(struct sy_transfer *t, const struct sy_http_request *r)
{
    size_t headers = 0, size, method_len = strlen(r->method), url_len = strlen(r->url);
    struct curl_slist *nodes;
    char *at;

    size = method_len + url_len + r->body.len + 3;
    while (r->headers && r->headers[headers])
        size += strlen(r->headers[headers++]) + 1 + sizeof(struct curl_slist);
    if (size > t->mem_room) {
        char *mem = sy_try_malloc(size);

        if (!mem)
            return -ENOMEM;
        free(t->mem);
        t->mem = mem;
        t->mem_room = size;
    }
    nodes = (struct curl_slist *)(void *)t->mem;
    at = t->mem + headers * sizeof(struct curl_slist);
    t->method = put(&at, r->method, method_len);
    t->url = put(&at, r->url, url_len);
    for (size_t i = 0; i < headers; i++) {
        nodes[i].data = put(&at, r->headers[i], strlen(r->headers[i]));
        nodes[i].next = i + 1 < headers ? &nodes[i + 1] : NULL;
    }
    t->headers = headers ? nodes : NULL;
    t->body.len = r->body.len;
    t->body.p = put(&at, r->body.p, r->body.len);
    return 0;
}

int sy_http_send(struct sy_http *h, const struct sy_http_request *request, sy_http_id *ret_id,
                 struct sy_err *err)
{
    int code = check_request(request, err);
    struct sy_transfer *t;

    if (code)
        return code;
    if (h->is_freeing)
        return sy_err_set(err, -ESHUTDOWN, "the HTTP client is shutting down");
    t = transfer_take(h);
    code = copy_request(t, request);
    if (code) {
        list_add(&h->unused, t);
        return sy_err_set(err, code, "no memory for a request of %zu bytes", request->body.len);
    }
    t->is_stream = request->is_stream;
    t->on_data = request->on_data;
    t->on_done = request->on_done;
    t->arg = request->arg;
    t->idle_timeout_ms = request->is_stream ? request->idle_timeout_ms : 0;
    t->started_at = sy_clock_boot_ns();
    t->heard_at = t->started_at;
    t->abort_code = t->code = t->status = 0;
    t->retry_after_ms = 0;
    t->maybe_sent = false;
    t->content_type[0] = t->error[0] = '\0';
    t->answer.cap = request->max_body_bytes ? request->max_body_bytes : DEFAULT_MAX_BODY_BYTES;
    if (t->is_stream && t->answer.cap > MAX_REFUSAL_BYTES)
        t->answer.cap = MAX_REFUSAL_BYTES;

    t->not_after = request->not_after;
    t->state = SY_TRANSFER_QUEUED;
    list_add(t->is_stream ? &h->streams : &h->queued, t);
    h->in_flight++;
    if (request->timeout_ms)
        sy_timer_arm(t->deadline, (int64_t)request->timeout_ms * SY_NS_PER_MS);
    if (t->idle_timeout_ms) {
        if (!t->idle)
            t->idle = sy_timer_new(h->loop, idle_passed, t);
        sy_timer_arm(t->idle, (int64_t)t->idle_timeout_ms * SY_NS_PER_MS);
    }
    if (!h->is_delivering)
        sy_deferred_trigger(h->work);
    if (ret_id)
        *ret_id = transfer_id(t);
    return 0;
}

void sy_http_wake(struct sy_http *h)
{
    sy_deferred_trigger(h->work);
}

void sy_http_cancel(struct sy_http *h, sy_http_id id)
{
    struct sy_transfer *t = transfer_find(h, id);

    if (t)
        transfer_stop(t, -ECANCELED, "canceled");
}

/* ---- the end of the turn ---- */

const char sy_transfer_late_text[] = "too late to be sent";

bool sy_transfer_is_late(const struct sy_transfer *t)
{
    return t->not_after && sy_clock_boot_ns() > t->not_after;
}

static void start(struct sy_http *h, struct sy_transfer *t)
{
    t->state = SY_TRANSFER_RUNNING;
    t->is_over_h2 = sy_h2_start(h->h2, t);
    if (!t->is_over_h2)
        sy_curl_start(h->curl, t);
}

void sy_transfer_over_curl(struct sy_transfer *t)
{
    t->is_over_h2 = false;
    /* One that is to be aborted is so at the end of the turn, like any other. */
    sy_curl_start(t->http->curl, t);
}

static void abort_all(struct sy_http *h)
{
    struct sy_transfer *t;

    while ((t = h->aborting.first)) {
        if (t->is_over_h2)
            sy_h2_abort(h->h2, t);
        else
            sy_curl_abort(h->curl, t);
    }
}

static void deliver(struct sy_transfer *t)
{
    struct sy_http *h = t->http;
    struct sy_http_result result = {
        .code = t->code,
        .http_status = t->status,
        .maybe_sent = t->maybe_sent,
        .retry_after_ms = t->retry_after_ms,
        .content_type = sy_str_from(t->content_type),
        .body = sy_buf_str(&t->answer),
        .error = t->error,
        .duration_ns = sy_clock_boot_ns() - t->started_at,
    };

    h->in_flight--;
    if (t->on_done)
        t->on_done(t->arg, &result);
    transfer_recycle(t);
}

/* Only what had ended before the first callback: the rest comes in the next turn. */
static void deliver_ended(struct sy_http *h)
{
    struct sy_transfer *last = h->ended.last, *t;

    do {
        t = h->ended.first;
        if (!t)
            return;
        list_remove(&h->ended, t);
        deliver(t);
    } while (t != last);
}

static void start_queued(struct sy_http *h)
{
    uint64_t limit = (uint64_t)h->settings.unary_connections * h->settings.unary_streams;
    struct sy_transfer *t;

    while ((t = h->streams.first)) {
        list_remove(&h->streams, t);
        start(h, t);
    }
    while (h->running_unary < limit && (t = h->queued.first)) {
        if (sy_transfer_is_late(t)) {
            transfer_stop(t, -ECANCELED, sy_transfer_late_text);
            continue;
        }
        list_remove(&h->queued, t);
        h->running_unary++;
        start(h, t);
    }
}

static void work(void *arg)
{
    struct sy_http *h = arg;

    abort_all(h);
    h->is_delivering = true;
    deliver_ended(h);
    h->is_delivering = false;
    start_queued(h);
    sy_h2_run(h->h2);
}

/* ---- life ---- */

int sy_http_new(struct sy_loop *loop, const struct sy_http_config *config, struct sy_http **ret,
                struct sy_err *err)
{
    struct sy_http_settings settings;
    struct sy_http *h;
    int code = settings_from(config, &settings, err);

    if (code)
        return code;
    h = sy_xcalloc(1, sizeof(*h));
    h->loop = loop;
    h->settings = settings;
    h->work = sy_deferred_new(loop, work, h);
    h->h2 = sy_h2_new(h);
    code = sy_curl_new(h, &h->curl, err);
    if (code) {
        sy_http_free(h);
        return code;
    }
    *ret = h;
    return 0;
}

void sy_http_free(struct sy_http *h)
{
    if (!h)
        return;
    h->is_freeing = true;
    for (size_t i = 0; i < h->transfers.len; i++)
        transfer_stop(h->transfers.p[i], -ECANCELED, "the HTTP client is shutting down");
    abort_all(h);
    while (h->ended.first)
        deliver_ended(h);
    sy_h2_free(h->h2);
    sy_curl_free(h->curl);
    for (size_t i = 0; i < h->transfers.len; i++)
        transfer_destroy(h->transfers.p[i]);
    sy_vec_done(&h->transfers);
    sy_deferred_free(h->work);
    settings_done(&h->settings);
    free(h);
}

int sy_http_reconfigure(struct sy_http *h, const struct sy_http_config *config, struct sy_err *err)
{
    struct sy_http_settings settings;
    int code = settings_from(config, &settings, err);

    if (code)
        return code;
    settings_done(&h->settings);
    h->settings = settings;
    sy_h2_reconfigure(h->h2);
    return sy_curl_reconfigure(h->curl, err);
}
