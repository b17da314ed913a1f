/* SPDX-License-Identifier: Apache-2.0
 *
 * Unary requests over HTTP/2: the connections of each server, which request goes over which, what
 * is sent again. Everything is decided once at the end of a turn, in sy_h2_run(); what happens
 * before only takes notes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/http_h2.h"
#include "net/tls.h"

enum {
    /* What a server certainly did not carry out goes to it again: once when it refuses requests,
     * more often when it is connections that end, because each new one may. */
    RESENDS_REFUSED = 1,
    RESENDS_MAX = 6,
    /* After a further connection could not be made, while others serve. */
    HOLD_OFF_MS = 1000,
    KEEP_CALLS = 256,
    HOST_MAX = 256,
    PORT_MAX = 8,
};

struct sy_h2_host {
    struct sy_h2_host *next;
    struct sy_h2 *h2;
    char *origin; /* "https://name:port", as the URLs begin */
    size_t origin_len;
    const char *authority; /* in it */
    char name[HOST_MAX];   /* without brackets */
    char port[PORT_MAX];
    struct sy_h2_call_list waiting; /* by order */
    struct sy_h2_conn *conns;
    sy_time_ns hold_off_until;
    bool is_http1; /* speaks no HTTP/2: curl has its requests */
};

struct sy_h2 {
    struct sy_http *http;
    struct sy_h2_host *hosts;
    struct sy_h2_call *unused;
    uint32_t unused_len;
    uint64_t order;
    SSL_CTX *tls; /* NULL until needed, and again after new settings */
    uint8_t scratch[SY_H2_INPUT_BYTES];
};

const struct sy_http_settings *sy_h2_settings(const struct sy_h2 *h2)
{
    return sy_http_settings(h2->http);
}

struct sy_loop *sy_h2_loop(const struct sy_h2 *h2)
{
    return sy_http_loop(h2->http);
}

void sy_h2_wake(struct sy_h2 *h2)
{
    sy_http_wake(h2->http);
}

uint8_t *sy_h2_scratch(struct sy_h2 *h2)
{
    return h2->scratch;
}

const char *sy_h2_host_name(const struct sy_h2_host *host)
{
    return host->name;
}

const char *sy_h2_host_port(const struct sy_h2_host *host)
{
    return host->port;
}

SSL_CTX *sy_h2_tls(struct sy_h2 *h2, struct sy_err *err)
{
    if (!h2->tls && sy_tls_context(sy_h2_settings(h2), &h2->tls, err))
        return NULL;
    return h2->tls;
}

/* ---- calls ---- */

static void list_insert(struct sy_h2_call_list *l, struct sy_h2_call *c, struct sy_h2_call *after)
{
    c->prev = after;
    c->next = after ? after->next : l->first;
    if (c->next)
        c->next->prev = c;
    else
        l->last = c;
    if (after)
        after->next = c;
    else
        l->first = c;
    l->len++;
}

static void list_remove(struct sy_h2_call_list *l, struct sy_h2_call *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        l->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        l->last = c->prev;
    c->prev = c->next = NULL;
    l->len--;
}

static struct sy_h2_call *call_take(struct sy_h2 *h2)
{
    struct sy_h2_call *c = h2->unused;

    if (!c)
        return sy_xcalloc(1, sizeof(*c));
    h2->unused = c->next;
    h2->unused_len--;
    memset(c, 0, sizeof(*c));
    return c;
}

/* c is in no list. Returns its transfer, which is without a transport now. */
static struct sy_transfer *call_release(struct sy_h2_call *c)
{
    struct sy_transfer *t = c->transfer;
    struct sy_h2 *h2 = c->host->h2;

    t->transport = NULL;
    if (h2->unused_len >= KEEP_CALLS) {
        free(c);
    } else {
        c->next = h2->unused;
        h2->unused = c;
        h2->unused_len++;
    }
    return t;
}

static void call_detach(struct sy_h2_call *c)
{
    list_remove(c->conn ? &c->conn->calls : &c->host->waiting, c);
    c->conn = NULL;
}

/* By order, so that what is sent again goes before what came later. Nearly always that is the end.
 */
static void call_wait(struct sy_h2_call *c)
{
    struct sy_h2_call *after = c->host->waiting.last;

    while (after && after->order > c->order)
        after = after->prev;
    c->conn = NULL;
    list_insert(&c->host->waiting, c, after);
}

static void call_end(struct sy_h2_call *c, int code, bool maybe_sent, const char *text)
{
    call_detach(c);
    sy_transfer_end(call_release(c), code, maybe_sent, text);
}

static bool call_again(struct sy_h2_call *c)
{
    bool is_refused = c->conn->state == SY_H2_READY && !sy_h2_session_is_leaving(c->conn->session);

    if (c->transfer->abort_code || c->resends >= (is_refused ? RESENDS_REFUSED : RESENDS_MAX))
        return false;
    c->resends++;
    call_detach(c);
    c->stream_id = 0;
    call_wait(c);
    sy_h2_wake(c->host->h2);
    return true;
}

void sy_h2_call_ended(struct sy_h2_call *c, enum sy_h2_fate fate, int code, const char *text)
{
    if (fate == SY_H2_UNPROCESSED && call_again(c))
        return;
    call_end(c, code, fate != SY_H2_UNPROCESSED, text);
}

/* ---- connections ---- */

void sy_h2_conn_ready(struct sy_h2_conn *c)
{
    sy_h2_wake(c->h2);
}

static void end_waiting(struct sy_h2_host *host, int code, const char *text)
{
    while (host->waiting.first)
        call_end(host->waiting.first, code, false, text);
}

static void conn_failed(struct sy_h2_conn *c, int code, const char *text)
{
    struct sy_h2_host *host = c->host;
    bool has_other = false;

    /* Of old settings: those who wait get a connection with the new ones. */
    if (c->is_leaving)
        return;
    for (const struct sy_h2_conn *o = host->conns; o; o = o->next)
        has_other |= o != c && o->state != SY_H2_DEAD && !o->is_leaving;
    if (has_other)
        host->hold_off_until = sy_clock_boot_ns() + HOLD_OFF_MS * SY_NS_PER_MS;
    else
        end_waiting(host, code, text);
}

/* A connection that was kept may have been closed while a request was on its way. Such a request
 * goes out again when it never left, or when it only asks. */
static bool may_go_again(const struct sy_h2_conn *c, const struct sy_h2_call *call, int code)
{
    if (!call->is_sent)
        return true;
    return c->has_served && code == -ECONNRESET && !call->transfer->status &&
           strcmp(call->transfer->method, "GET") == 0;
}

void sy_h2_conn_lost(struct sy_h2_conn *c, bool was_ready, int code, const char *text)
{
    struct sy_h2_call *call;

    if (!was_ready) {
        conn_failed(c, code, text);
        return;
    }
    while ((call = c->calls.last)) {
        if (may_go_again(c, call, code) && call_again(call))
            continue;
        call_end(call, code, call->is_sent, text);
    }
}

void sy_h2_conn_is_http1(struct sy_h2_conn *c)
{
    struct sy_h2_host *host = c->host;
    struct sy_h2_call *call;

    if (c->is_leaving)
        return;
    host->is_http1 = true;
    while ((call = host->waiting.first)) {
        call_detach(call);
        sy_transfer_over_curl(call_release(call));
    }
}

static void conn_add(struct sy_h2_host *host)
{
    struct sy_h2_conn *c = sy_xcalloc(1, sizeof(*c));

    c->h2 = host->h2;
    c->host = host;
    c->next = host->conns;
    host->conns = c;
    sy_h2_conn_open(c);
}

/* The fullest one with room: what shares a connection shares records and system calls. */
static struct sy_h2_conn *conn_with_room(const struct sy_h2_host *host, uint32_t *ret_room)
{
    uint32_t streams = sy_h2_settings(host->h2)->unary_streams;
    struct sy_h2_conn *best = NULL;

    for (struct sy_h2_conn *c = host->conns; c; c = c->next) {
        uint32_t room;

        if (c->state != SY_H2_READY || c->is_leaving)
            continue;
        room = sy_h2_session_room(c->session, streams);
        if (room && (!best || room < *ret_room)) {
            best = c;
            *ret_room = room;
        }
    }
    return best;
}

static void put_on(struct sy_h2_conn *conn, struct sy_h2_call *c)
{
    int code;

    if (sy_transfer_is_late(c->transfer)) {
        call_end(c, -ECANCELED, false, sy_transfer_late_text);
        return;
    }
    list_remove(&c->host->waiting, c);
    c->conn = conn;
    list_insert(&conn->calls, c, conn->calls.last);
    if (conn->calls.len == 1)
        sy_h2_conn_busy(conn);
    code = sy_h2_session_submit(conn->session, c, c->host->authority);
    if (code)
        sy_h2_call_ended(c, SY_H2_UNPROCESSED, code, "the request cannot be sent");
}

/* As many as the queue fills, one at least; further ones only when the first cannot hold it. */
static void add_connections(struct sy_h2_host *host)
{
    const struct sy_http_settings *settings = sy_h2_settings(host->h2);
    uint32_t usable = 0, coming = 0, needed;

    for (const struct sy_h2_conn *c = host->conns; c; c = c->next) {
        if (c->state == SY_H2_DEAD || c->is_leaving)
            continue;
        usable++;
        coming += c->state != SY_H2_READY;
    }
    if (usable && sy_clock_boot_ns() < host->hold_off_until)
        return;
    needed = (host->waiting.len + settings->unary_streams - 1) / settings->unary_streams;
    /* One that fails at once takes those who wait with it. */
    for (; host->waiting.first && coming < needed && usable < settings->unary_connections;
         coming++, usable++)
        conn_add(host);
}

static void host_dispatch(struct sy_h2_host *host)
{
    struct sy_h2_conn *conn;
    uint32_t room = 0;

    for (conn = host->conns; conn; conn = conn->next) {
        if (conn->state == SY_H2_READY && sy_h2_session_is_leaving(conn->session))
            conn->is_leaving = true;
    }
    while (host->waiting.first && (conn = conn_with_room(host, &room))) {
        while (room-- && host->waiting.first)
            put_on(conn, host->waiting.first);
    }
    if (host->waiting.first)
        add_connections(host);
}

static void host_sweep(struct sy_h2_host *host)
{
    struct sy_h2_conn **link = &host->conns;

    while (*link) {
        struct sy_h2_conn *c = *link;

        if (c->is_leaving && !c->calls.len)
            sy_h2_conn_close(c);
        if (c->state == SY_H2_DEAD) {
            *link = c->next;
            sy_h2_conn_free(c);
        } else {
            link = &c->next;
        }
    }
}

void sy_h2_run(struct sy_h2 *h2)
{
    for (struct sy_h2_host *host = h2->hosts; host; host = host->next) {
        host_dispatch(host);
        for (struct sy_h2_conn *c = host->conns; c; c = c->next)
            sy_h2_conn_flush(c);
        host_sweep(host);
    }
}

/* ---- servers ---- */

/* "https://name:port" and where the path begins. false: not one for this transport. */
static bool split_origin(const char *url, struct sy_h2_host *ret, size_t *ret_len)
{
    const char *name = url + strlen("https://"), *end = name + strcspn(name, "/?#");
    const char *name_end, *port;
    size_t name_len, port_len;

    if (strncmp(url, "https://", strlen("https://")) != 0 ||
        memchr(name, '@', (size_t)(end - name)))
        return false;
    if (*name == '[') {
        name_end = memchr(name, ']', (size_t)(end - name));
        if (!name_end)
            return false;
        name++;
        port = name_end + 1;
    } else {
        name_end = port = name + strcspn(name, ":/?#");
    }
    name_len = (size_t)(name_end - name);
    if (port < end && *port != ':')
        return false;
    port_len = port < end ? (size_t)(end - port) - 1 : 0;
    if (!name_len || name_len >= sizeof(ret->name) || port_len >= sizeof(ret->port) ||
        strspn(port + (port < end), "0123456789") < port_len)
        return false;
    snprintf(ret->name, sizeof(ret->name), "%.*s", (int)name_len, name);
    snprintf(ret->port, sizeof(ret->port), "%.*s", port_len ? (int)port_len : 3,
             port_len ? port + 1 : "443");
    *ret_len = (size_t)(end - url);
    return true;
}

/* The host of a URL, NULL when it is none for this transport. */
static struct sy_h2_host *host_of(struct sy_h2 *h2, const char *url)
{
    struct sy_h2_host *host, parsed = {0};
    size_t len;

    for (host = h2->hosts; host; host = host->next) {
        if (strncmp(url, host->origin, host->origin_len) == 0 &&
            (url[host->origin_len] == '/' || !url[host->origin_len]))
            return host;
    }
    if (!split_origin(url, &parsed, &len))
        return NULL;
    host = sy_xcalloc(1, sizeof(*host));
    *host = parsed;
    host->h2 = h2;
    host->origin = sy_xstrndup(url, len);
    host->origin_len = len;
    host->authority = host->origin + strlen("https://");
    host->next = h2->hosts;
    h2->hosts = host;
    return host;
}

static bool is_for_us(const struct sy_h2 *h2, const struct sy_transfer *t)
{
    const struct sy_http_settings *settings = sy_h2_settings(h2);
    int lines = 0;

    if (t->is_stream || settings->proxy_url || settings->disable_http2 ||
        strncmp(t->url, "https://", 8) != 0)
        return false;
    for (const struct curl_slist *line = t->headers; line; line = line->next)
        lines++;
    return lines <= SY_H2_LINES_MAX;
}

bool sy_h2_start(struct sy_h2 *h2, struct sy_transfer *t)
{
    struct sy_h2_host *host = is_for_us(h2, t) ? host_of(h2, t->url) : NULL;
    struct sy_h2_call *c;
    const char *path;

    if (!host || host->is_http1)
        return false;
    path = t->url + host->origin_len;
    if (*path && (*path != '/' || strchr(path, '#')))
        return false;
    c = call_take(h2);
    c->transfer = t;
    c->host = host;
    c->path = *path ? path : "/";
    c->order = ++h2->order;
    t->transport = c;
    call_wait(c);
    return true;
}

void sy_h2_abort(struct sy_h2 *h2, struct sy_transfer *t)
{
    struct sy_h2_call *c = t->transport;
    struct sy_h2_conn *conn = c->conn;
    bool maybe_sent = conn && c->is_sent;

    if (conn) {
        /* Nothing at all came since the call began: the connection may lead nowhere, although the
         * peer's kernel still answers. Those that wait on it may still have their answers. */
        if (t->abort_code == -ETIMEDOUT && maybe_sent && conn->heard_at <= t->started_at)
            conn->is_leaving = true;
        sy_h2_session_cancel(conn->session, c);
        sy_h2_wake(h2);
    }
    call_end(c, -ECANCELED, maybe_sent, "");
}

/* ---- life ---- */

void sy_h2_reconfigure(struct sy_h2 *h2)
{
    SSL_CTX_free(h2->tls);
    h2->tls = NULL;
    for (struct sy_h2_host *host = h2->hosts; host; host = host->next) {
        host->is_http1 = false;
        host->hold_off_until = 0;
        for (struct sy_h2_conn *c = host->conns; c; c = c->next)
            c->is_leaving = true;
    }
    sy_h2_wake(h2);
}

struct sy_h2 *sy_h2_new(struct sy_http *h)
{
    struct sy_h2 *h2 = sy_xcalloc(1, sizeof(*h2));

    h2->http = h;
    return h2;
}

void sy_h2_free(struct sy_h2 *h2)
{
    if (!h2)
        return;
    while (h2->hosts) {
        struct sy_h2_host *host = h2->hosts;

        for (struct sy_h2_conn *c = host->conns; c; c = c->next)
            c->is_leaving = true;
        host_sweep(host);
        h2->hosts = host->next;
        free(host->origin);
        free(host);
    }
    while (h2->unused) {
        struct sy_h2_call *c = h2->unused;

        h2->unused = c->next;
        free(c);
    }
    SSL_CTX_free(h2->tls);
    free(h2);
}
