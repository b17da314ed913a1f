/* SPDX-License-Identifier: Apache-2.0
 *
 * Transfers over libcurl's multi interface: sockets and timeouts of curl on the loop, options of
 * its handles, and what its results mean. One engine (a curl multi handle) carries unary calls,
 * another streams; new settings get new engines, and the old ones go when their last transfer
 * ends. */
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/http_int.h"
#include "net/socket.h"

enum {
    KEEP_HANDLES = 256,
    STREAM_BUFFER_BYTES = 128 * 1024,
    UNARY_BUFFER_BYTES = 16 * 1024,
    /* Where no HTTP/2 can be had, calls need connections of their own. */
    HTTP1_CONNECTIONS = 16,
};

struct call {
    struct engine *engine;
    struct sy_transfer *transfer;
    CURL *easy;
    struct call *next; /* in engine->spare */
    /* Asked by curl just before it writes a request: before that nothing was sent. */
    bool is_sent;
    bool has_custom_method;
    struct curl_slist *connect_to;
    struct curl_slist host_line;
    char *host_text;
    char error[CURL_ERROR_SIZE];
};

struct engine {
    struct sy_curl *curl;
    struct engine *next;
    CURLM *multi;
    struct sy_timer *timer;
    struct call *spare;
    uint32_t spare_len;
    uint32_t running;
    sy_time_ns heard_at; /* when a transfer last got anything */
    bool is_for_streams;
    bool is_retired;
};

struct sock {
    struct event event;
    struct engine *engine;
    short what;
};

struct sy_curl {
    struct sy_http *http;
    struct engine *engines;
    struct engine *unary;
    struct engine *streams;
    struct sy_deferred *sweep; /* frees retired engines, never from inside curl */
};

/* ---- results ---- */

static int code_of(CURLcode result, long os_error)
{
    switch (result) {
    case CURLE_OK:
        return 0;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -EHOSTUNREACH;
    case CURLE_COULDNT_CONNECT:
        return sy_socket_code(os_error, -ECONNREFUSED);
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return -EKEYREJECTED;
    case CURLE_SSL_CONNECT_ERROR:
        return os_error ? sy_socket_code(os_error, -ECONNRESET) : -EPROTO;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_ABORTED_BY_CALLBACK: /* see before_request() */
        return sy_socket_code(os_error, -ECONNRESET);
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    default:
        return -EPROTO;
    }
}

/* ---- engines on the loop ---- */

static void collect(struct engine *e);

static void on_timer(void *arg)
{
    struct engine *e = arg;
    int running;

    curl_multi_socket_action(e->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(e);
}

static int set_timer(CURLM *multi SY_UNUSED, long after_ms, void *arg)
{
    struct engine *e = arg;

    if (after_ms < 0)
        sy_timer_disarm(e->timer);
    else
        sy_timer_arm(e->timer, after_ms * SY_NS_PER_MS);
    return 0;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    const struct sock *s = arg;
    struct engine *e = s->engine;
    int mask = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    int running;

    curl_multi_socket_action(e->multi, fd, mask, &running);
    collect(e);
}

static int set_socket(CURL *easy SY_UNUSED, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct engine *e = arg;
    struct sock *s = socket_arg;
    short wanted = EV_PERSIST;

    if (what == CURL_POLL_REMOVE) {
        if (s) {
            event_del(&s->event);
            free(s);
        }
        return 0;
    }
    if (what & CURL_POLL_IN)
        wanted |= EV_READ;
    if (what & CURL_POLL_OUT)
        wanted |= EV_WRITE;
    if (!s) {
        s = sy_xcalloc(1, sizeof(*s));
        s->engine = e;
        curl_multi_assign(e->multi, fd, s);
    } else if (s->what == wanted) {
        return 0;
    } else {
        event_del(&s->event);
    }
    s->what = wanted;
    event_assign(&s->event, sy_loop_base(sy_http_loop(e->curl->http)), fd, wanted, on_event, s);
    event_add(&s->event, NULL);
    return 0;
}

static void call_free(struct call *c)
{
    curl_easy_cleanup(c->easy);
    curl_slist_free_all(c->connect_to);
    free(c->host_text);
    free(c);
}

static void engine_free(struct engine *e)
{
    while (e->spare) {
        struct call *c = e->spare;

        e->spare = c->next;
        call_free(c);
    }
    if (e->multi)
        curl_multi_cleanup(e->multi);
    sy_timer_free(e->timer);
    free(e);
}

static struct engine *engine_new(struct sy_curl *curl, bool is_for_streams)
{
    const struct sy_http_settings *settings = sy_http_settings(curl->http);
    struct engine *e = sy_xcalloc(1, sizeof(*e));

    e->curl = curl;
    e->is_for_streams = is_for_streams;
    e->timer = sy_timer_new(sy_http_loop(curl->http), on_timer, e);
    e->multi = curl_multi_init();
    if (!e->multi) {
        engine_free(e);
        return NULL;
    }
    curl_multi_setopt(e->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    curl_multi_setopt(e->multi, CURLMOPT_SOCKETDATA, e);
    curl_multi_setopt(e->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(e->multi, CURLMOPT_TIMERDATA, e);
    if (!is_for_streams) {
        long connections = settings->unary_connections;

        if (settings->disable_http2 && connections < HTTP1_CONNECTIONS)
            connections = HTTP1_CONNECTIONS;
        curl_multi_setopt(e->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
        curl_multi_setopt(e->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)settings->unary_streams);
        curl_multi_setopt(e->multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections);
        curl_multi_setopt(e->multi, CURLMOPT_MAXCONNECTS, connections);
    } else {
        curl_multi_setopt(e->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    }
    e->next = curl->engines;
    curl->engines = e;
    return e;
}

/* ---- handles ---- */

static int set_socket_options(void *arg, curl_socket_t fd, curlsocktype purpose SY_UNUSED)
{
    const struct call *c = arg;

    sy_socket_tune(fd, sy_http_settings(c->engine->curl->http)->dead_peer_ms);
    return CURL_SOCKOPT_OK;
}

/* curl sends a request again by itself when a connection that it had kept turns out to be closed.
 * That is right for a GET; whether to repeat anything else is the caller's decision. */
static int before_request(void *arg, char *remote_ip SY_UNUSED, char *local_ip SY_UNUSED,
                          int remote_port SY_UNUSED, int local_port SY_UNUSED)
{
    struct call *c = arg;

    if (c->is_sent && strcmp(c->transfer->method, "GET") != 0)
        return CURL_PREREQFUNC_ABORT;
    c->is_sent = true;
    return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
    struct call *c = arg;
    struct sy_transfer *t = c->transfer;
    size_t len = size * count;

    c->engine->heard_at = sy_loop_now_ns(sy_http_loop(t->http));
    if (!t->status) {
        long status = 0;

        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
        t->status = (int)status;
    }
    return sy_transfer_data(t, (struct sy_str){p, len}) ? CURL_WRITEFUNC_ERROR : len;
}

static void set_blob(CURL *easy, CURLoption option, char *pem)
{
    struct curl_blob blob = {.data = pem, .len = pem ? strlen(pem) : 0, .flags = CURL_BLOB_COPY};

    if (pem)
        curl_easy_setopt(easy, option, &blob);
}

static void call_setup(struct call *c)
{
    const struct sy_http_settings *settings = sy_http_settings(c->engine->curl->http);
    CURL *easy = c->easy;
    long version = CURL_HTTP_VERSION_2TLS;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, c);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_socket_options);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, c);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout_ms);

    /* "" keeps curl from reading the environment. */
    curl_easy_setopt(easy, CURLOPT_PROXY, settings->proxy_url ? settings->proxy_url : "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);

    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, settings->insecure_skip_verify ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, settings->insecure_skip_verify ? 0L : 2L);
    if (settings->ca_pem) {
        set_blob(easy, CURLOPT_CAINFO_BLOB, settings->ca_pem);
        /* The blob takes the place of the bundle, but the system's folder would still be trusted
         * beside it. */
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    set_blob(easy, CURLOPT_SSLCERT_BLOB, settings->client_cert_pem);
    set_blob(easy, CURLOPT_SSLKEY_BLOB, settings->client_key_pem);

    if (c->engine->is_for_streams || settings->disable_http2)
        version = CURL_HTTP_VERSION_1_1;
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
    if (c->engine->is_for_streams) {
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)STREAM_BUFFER_BYTES);
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)UNARY_BUFFER_BYTES);
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, version == CURL_HTTP_VERSION_2TLS ? 1L : 0L);
    }
}

static struct call *call_take(struct engine *e)
{
    struct call *c = e->spare;

    if (c) {
        e->spare = c->next;
        e->spare_len--;
        return c;
    }
    c = sy_xcalloc(1, sizeof(*c));
    c->engine = e;
    c->easy = curl_easy_init();
    if (!c->easy) {
        free(c);
        return NULL;
    }
    call_setup(c);
    return c;
}

/* The URL gets the name to verify as its host, which makes curl send it as SNI and check it; the
 * connection goes to the real host, which the Host header names. */
static void set_server_name(struct call *c, const char *server_name)
{
    const char *host = c->transfer->url + strlen("https://"), *end = host + strcspn(host, "/?#");
    const char *at = memchr(host, '@', (size_t)(end - host)), *port = end;
    bool is_v6 = strchr(server_name, ':') != NULL;
    char *url, *connect_to;

    if (at)
        host = at + 1;
    for (const char *p = host; p < end; p++) {
        if (*p == ']')
            port = end;
        else if (*p == ':' && port == end)
            port = p;
    }
    if (*host == '[') {
        const char *bracket = memchr(host, ']', (size_t)(end - host));

        port = bracket && bracket[1] == ':' ? bracket + 1 : end;
    }
    url = sy_xasprintf("https://%s%s%s%s", is_v6 ? "[" : "", server_name, is_v6 ? "]" : "", port);
    connect_to =
        sy_xasprintf("::%.*s:%.*s", (int)(port - host), host,
                     port < end ? (int)(end - port - 1) : 3, port < end ? port + 1 : "443");
    free(c->host_text);
    c->host_text = sy_xasprintf("Host: %.*s", (int)(end - host), host);
    c->host_line = (struct curl_slist){c->host_text, c->transfer->headers};
    curl_slist_free_all(c->connect_to);
    c->connect_to = curl_slist_append(NULL, connect_to);
    curl_easy_setopt(c->easy, CURLOPT_URL, url);
    curl_easy_setopt(c->easy, CURLOPT_CONNECT_TO, c->connect_to);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, &c->host_line);
    free(url);
    free(connect_to);
}

static void set_request(struct call *c)
{
    const struct sy_http_settings *settings = sy_http_settings(c->engine->curl->http);
    const struct sy_transfer *t = c->transfer;
    CURL *easy = c->easy;
    bool has_body = t->body.len > 0, is_post = strcmp(t->method, "POST") == 0;

    if (settings->tls_server_name && strncmp(t->url, "https://", 8) == 0) {
        set_server_name(c, settings->tls_server_name);
    } else {
        curl_easy_setopt(easy, CURLOPT_URL, t->url);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
    }
    if (c->has_custom_method)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
    c->has_custom_method = false;
    if (has_body || is_post) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, t->body.p);
    } else if (strcmp(t->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    if (strcmp(t->method, has_body || is_post ? "POST" : "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, t->method);
        c->has_custom_method = true;
    }
}

/* The handle is out of its multi handle already. */
static void call_release(struct call *c)
{
    struct engine *e = c->engine;

    e->running--;
    c->transfer = NULL;
    if (e->is_for_streams || e->is_retired || e->spare_len >= KEEP_HANDLES) {
        call_free(c);
    } else {
        c->next = e->spare;
        e->spare = c;
        e->spare_len++;
    }
    if (e->is_retired && !e->running)
        sy_deferred_trigger(e->curl->sweep);
}

void sy_curl_start(struct sy_curl *curl, struct sy_transfer *t)
{
    struct engine *e = t->is_stream ? curl->streams : curl->unary;
    struct call *c = call_take(e);

    if (!c) {
        sy_transfer_end(t, -ENOMEM, false, "no memory for a connection");
        return;
    }
    c->transfer = t;
    c->is_sent = false;
    c->error[0] = '\0';
    t->transport = c;
    e->running++;
    set_request(c);
    if (curl_multi_add_handle(e->multi, c->easy) != CURLM_OK) {
        call_release(c);
        sy_transfer_end(t, -ENOMEM, false, "curl takes no more requests");
    }
}

static void engine_retire(struct engine *e)
{
    e->is_retired = true;
    sy_deferred_trigger(e->curl->sweep);
}

/* A call ran out of time and nothing at all came since it began. curl would give the next call to
 * the same connection, which may lead nowhere although the peer's kernel still answers: new calls
 * get new connections, and those that wait on the old ones may still have their answers. */
static void leave_silent_connections(struct sy_curl *curl, const struct sy_transfer *t)
{
    struct engine *e = curl->unary, *fresh;

    if (e->heard_at > t->started_at)
        return;
    fresh = engine_new(curl, false);
    if (!fresh)
        return;
    engine_retire(e);
    curl->unary = fresh;
}

void sy_curl_abort(struct sy_curl *curl, struct sy_transfer *t)
{
    struct call *c = t->transport;
    bool maybe_sent = c->is_sent;

    if (t->abort_code == -ETIMEDOUT && maybe_sent && c->engine == curl->unary)
        leave_silent_connections(curl, t);
    curl_multi_remove_handle(c->engine->multi, c->easy);
    call_release(c);
    sy_transfer_end(t, -ECANCELED, maybe_sent, "");
}

static void finish(struct call *c, CURLcode result)
{
    struct sy_transfer *t = c->transfer;
    const char *type = NULL;
    long status = 0, os_error = 0;
    curl_off_t retry_after = 0;
    bool maybe_sent = c->is_sent;
    char text[CURL_ERROR_SIZE];

    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(c->easy, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &retry_after);
    curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &os_error);
    t->status = (int)status;
    if (status)
        c->engine->heard_at = sy_loop_now_ns(sy_http_loop(t->http));
    snprintf(t->content_type, sizeof(t->content_type), "%s", type ? type : "");
    if (retry_after > 0)
        t->retry_after_ms =
            retry_after < UINT32_MAX / 1000 ? (uint32_t)retry_after * 1000 : UINT32_MAX;
    if (result == CURLE_ABORTED_BY_CALLBACK)
        snprintf(text, sizeof(text), "the connection was lost; the request is not repeated");
    else
        snprintf(text, sizeof(text), "%s", c->error[0] ? c->error : curl_easy_strerror(result));
    curl_multi_remove_handle(c->engine->multi, c->easy);
    call_release(c);
    sy_transfer_end(t, code_of(result, os_error), maybe_sent, text);
}

static void collect(struct engine *e)
{
    const CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(e->multi, &left))) {
        CURLcode result = message->data.result;
        struct call *c = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&c);
        finish(c, result);
    }
}

/* ---- life ---- */

static void sweep(void *arg)
{
    struct sy_curl *curl = arg;
    struct engine **link = &curl->engines;

    while (*link) {
        struct engine *e = *link;

        if (e->is_retired && !e->running) {
            *link = e->next;
            engine_free(e);
        } else {
            link = &e->next;
        }
    }
}

int sy_curl_reconfigure(struct sy_curl *curl, struct sy_err *err)
{
    struct engine *unary = engine_new(curl, false), *streams = engine_new(curl, true);

    if (!unary || !streams) {
        if (unary)
            engine_retire(unary);
        if (streams)
            engine_retire(streams);
        return sy_err_set(err, -ENOMEM, "cannot set up curl");
    }
    if (curl->unary) {
        engine_retire(curl->unary);
        engine_retire(curl->streams);
    }
    curl->unary = unary;
    curl->streams = streams;
    return 0;
}

int sy_curl_new(struct sy_http *h, struct sy_curl **ret, struct sy_err *err)
{
    struct sy_curl *curl;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return sy_err_set(err, -ENOMEM, "cannot set up curl");
    curl = sy_xcalloc(1, sizeof(*curl));
    curl->http = h;
    curl->sweep = sy_deferred_new(sy_http_loop(h), sweep, curl);
    *ret = curl;
    return sy_curl_reconfigure(curl, err);
}

void sy_curl_free(struct sy_curl *curl)
{
    if (!curl)
        return;
    while (curl->engines) {
        struct engine *e = curl->engines;

        curl->engines = e->next;
        engine_free(e);
    }
    sy_deferred_free(curl->sweep);
    free(curl);
    curl_global_cleanup();
}
