/* SPDX-License-Identifier: Apache-2.0 */
#include "vnet.h"

#include "base/mem.h"
#include "trace.h"
#include "vtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { TOGETHER_MOST = 64 };

struct piece {
    struct vmessage m;
    sy_time_ns at;
    int end; /* 1: the stream ends here in order, or with this negative errno */
};

struct vcall {
    TAILQ_ENTRY(vcall) all;   /* of the network */
    TAILQ_ENTRY(vcall) link;  /* of its HTTP client */
    TAILQ_ENTRY(vcall) watch; /* of the network's watches */
    struct vnet *net;
    struct sy_http *http; /* NULL: the client has done with it */
    struct vclient *client;
    uint64_t id;
    char *method;
    char *path;
    char *body;
    size_t body_len;
    bool is_protobuf, takes_protobuf;
    struct sy_http_request request; /* callbacks and limits; the rest is above */
    sy_time_ns sent_at;

    struct vevent arrive; /* at the server */
    bool is_skipped;      /* the server answers without carrying it out */
    bool has_answer;
    bool is_unsent;  /* it never left the client */
    int fake_status; /* answered instead of what the server said; 0: none */
    bool is_bind, may_land;
    uint32_t bind_pod, bind_node;

    struct vevent answer; /* at the client */
    struct vanswer said;
    int code; /* of the answer */

    struct vevent timer; /* whole request, or silence */

    bool is_watching, is_silent;
    enum vkind kind;
    enum sy_encoding enc;
    int64_t gap_ns; /* between pieces */
    sy_time_ns last_at;
    struct vevent expire; /* the watch, at the server; a bookmark comes before */
    bool is_expiring;
    SY_VEC(struct piece) queue;
    size_t head;
    struct vevent deliver;
};
TAILQ_HEAD(call_list, vcall);

struct sy_http {
    struct vnet *net;
    struct vclient *client;
    struct sy_loop *loop;
    struct call_list calls;
    uint32_t len;
};

struct vnet {
    struct vapi *api;
    struct sy_rng rng;
    struct vfaults faults;
    struct vnet_events events;
    SY_VEC(struct vclient *) clients;
    struct call_list all;
    struct call_list watches;
    struct vevent bookmarks;
    uint64_t next_id;
    uint32_t requests;
    bool is_down;
    struct {
        const char *method, *part;
        enum vfate fate;
        uint32_t count;
        int64_t after_ns;
    } plan;
    int64_t lag_ns[VKIND_EMPTY + 1];
};

static struct vnet *the_net; /* sy_http_new() is told of none */

static const int64_t LAST_BOOKMARK_NS = 2 * SY_NS_PER_S; /* before a watch ends */
static const int64_t CONNECT_NS = 5 * SY_NS_PER_S;
static const int64_t DEAD_PEER_NS = 8 * SY_NS_PER_S;
static const int64_t bookmark_ns = 50 * SY_NS_PER_S;

static bool chance(struct vnet *n, uint32_t in_thousand)
{
    return in_thousand && sy_rng_below(&n->rng, 1000) < in_thousand;
}

static uint64_t number(const char *text, size_t len, uint64_t otherwise)
{
    uint64_t n;

    return text && sy_str_u64((struct sy_str){text, len}, &n) == 0 ? n : otherwise;
}

static int64_t between(struct vnet *n, int64_t from, int64_t to)
{
    return from + (int64_t)sy_rng_below(&n->rng, (uint64_t)(to - from) + 1);
}

/* ---- life of a call ---- */

static void forget_landing(struct vcall *c)
{
    if (!c->may_land)
        return;
    c->may_land = false;
    c->net->events.on_bind(c->net->events.arg, c->client, c->bind_pod, c->bind_node, false);
}

static void drop_queue(struct vcall *c)
{
    for (size_t i = c->head; i < c->queue.len; i++)
        vmessage_done(&c->queue.p[i].m);
    c->queue.len = c->head = 0;
}

static void stop_watching(struct vcall *c)
{
    if (c->is_watching)
        TAILQ_REMOVE(&c->net->watches, c, watch);
    c->is_watching = false;
    vevent_disarm(&c->expire);
}

static void maybe_free(struct vcall *c)
{
    if (c->http || vevent_is_armed(&c->arrive))
        return;
    TAILQ_REMOVE(&c->net->all, c, all);
    forget_landing(c);
    stop_watching(c);
    drop_queue(c);
    sy_vec_done(&c->queue);
    vevent_disarm(&c->answer);
    vevent_disarm(&c->timer);
    vevent_disarm(&c->deliver);
    sy_buf_done(&c->said.body);
    free(c->method);
    free(c->path);
    free(c->body);
    free(c);
}

/* The client has done with it, one way or the other. */
static void finish(struct vcall *c, int code, int status, bool maybe_sent)
{
    struct sy_http *h = c->http;
    struct sy_http_result result = {
        .code = code,
        .http_status = status,
        .maybe_sent = maybe_sent,
        .content_type = sy_str_from(c->said.content_type ? c->said.content_type : ""),
        .retry_after_ms = c->said.retry_after_s * 1000,
        .error = code ? strerror(-code) : "",
        .duration_ns = vtime_now() - c->sent_at,
    };

    if (!c->request.is_stream || status >= 300)
        result.body = sy_buf_str(&c->said.body);
    TAILQ_REMOVE(&h->calls, c, link);
    h->len--;
    c->http = NULL;
    vevent_disarm(&c->answer);
    vevent_disarm(&c->timer);
    vevent_disarm(&c->deliver);
    stop_watching(c);
    if (code && code != -ECANCELED)
        trace("client %u: %s %.60s: %s", c->client->number, c->method, c->path, strerror(-code));
    else if (status >= 300)
        trace("client %u: %s %.60s: %d", c->client->number, c->method, c->path, status);
    c->request.on_done(c->request.arg, &result);
    maybe_free(c);
}

static void on_answer(void *arg)
{
    struct vcall *c = arg;

    finish(c, c->code, c->code ? 0 : c->said.status, !c->is_unsent);
}

static void on_timeout(void *arg)
{
    finish(arg, -ETIMEDOUT, 0, true);
}

static void answer_in(struct vcall *c, int code, int64_t after_ns)
{
    if (!c->http)
        return;
    c->code = code;
    vevent_arm(&c->answer, after_ns);
}

static struct vcall *find(struct sy_http *h, uint64_t id)
{
    struct vcall *c;

    TAILQ_FOREACH(c, &h->calls, link)
    {
        if (c->id == id)
            return c;
    }
    return NULL;
}

/* ---- streams ---- */

static void arm_deliver(struct vcall *c)
{
    if (c->http && c->head < c->queue.len && !vevent_is_armed(&c->deliver))
        vevent_arm(&c->deliver, c->queue.p[c->head].at - vtime_now());
}

static void push_piece(struct vcall *c, struct piece piece, int64_t delay_ns)
{
    sy_time_ns at = vtime_now() + delay_ns;

    /* One connection keeps its order. */
    if (at < c->last_at + c->gap_ns)
        at = c->last_at + c->gap_ns;
    c->last_at = piece.at = at;
    sy_vec_push(&c->queue, piece);
}

static void end_stream(struct vcall *c, int end)
{
    push_piece(c, (struct piece){.end = end}, between(c->net, 0, 2 * SY_NS_PER_MS));
    arm_deliver(c);
}

/* Hands bytes on in one piece or cut anywhere. Returns false when the call is done. */
static bool hand_on(struct vcall *c, struct sy_str bytes)
{
    size_t cut = bytes.len;

    if (!bytes.len)
        return true;
    if (chance(c->net, 250))
        cut = (size_t)sy_rng_below(&c->net->rng, bytes.len) + 1;
    struct sy_http *h = c->http;
    uint64_t id = c->id;
    for (size_t at = 0; at < bytes.len;) {
        size_t len = bytes.len - at < cut ? bytes.len - at : cut;
        int r = c->request.on_data(c->request.arg, (struct sy_str){bytes.p + at, len});
        if (find(h, id) != c)
            return false;
        if (r) {
            finish(c, r, 200, true);
            return false;
        }
        at += len;
    }
    return true;
}

static void on_deliver(void *arg)
{
    struct vcall *c = arg;
    struct vnet *n = c->net;
    struct sy_buf bytes;
    size_t to = c->head;
    int end = 0;

    if (c->is_silent)
        return;
    if (c->client->deaf_until > vtime_now()) {
        /* It is sent again until it gets through, or the client gives up. */
        vevent_arm(&c->deliver, c->client->deaf_until - vtime_now());
        return;
    }
    sy_buf_init(&bytes, (size_t)64 << 20);
    while (to < c->queue.len && to < c->head + TOGETHER_MOST && c->queue.p[to].at <= vtime_now() &&
           !end) {
        sy_buf_add(&bytes, c->queue.p[to].m.p, c->queue.p[to].m.len);
        end = c->queue.p[to++].end;
    }
    /* A break may come in the middle of an object. */
    if (end < 0 && chance(n, 300))
        sy_buf_add(&bytes, c->enc == SY_ENCODING_JSON ? "{\"ty" : "\0\0\0\x20", 4);
    vevent_arm(&c->timer, (int64_t)c->request.idle_timeout_ms * SY_NS_PER_MS);
    /* Told first, as the client's end may be that of c. Nothing is decided before the turn ends. */
    for (; c->head < to; c->head++) {
        struct vmessage *m = &c->queue.p[c->head].m;
        n->events.on_seen(n->events.arg, c->client, c->kind, m);
        vmessage_done(m);
    }
    bool goes_on = hand_on(c, sy_buf_str(&bytes));
    sy_buf_done(&bytes);
    if (!goes_on)
        return;
    if (c->head == c->queue.len)
        c->queue.len = c->head = 0;
    if (end)
        finish(c, end < 0 ? end : 0, 200, true);
    else
        arm_deliver(c);
}

static void push_change(struct vcall *c, struct version *v)
{
    struct vnet *n = c->net;
    struct vmessage m;

    if (chance(n, n->faults.cut)) {
        end_stream(c, chance(n, 500) ? 1 : -ECONNRESET);
        stop_watching(c);
        return;
    }
    int64_t delay = between(n, 0, 3 * SY_NS_PER_MS) + n->lag_ns[c->kind];
    if (chance(n, n->faults.lagging))
        delay += between(n, 0, 8 * SY_NS_PER_S);
    int copies = chance(n, n->faults.duplicated) ? 2 : 1;
    while (copies--) {
        vapi_frame(n->api, v, c->enc, &m);
        push_piece(c, (struct piece){.m = m}, delay);
    }
    arm_deliver(c);
}

static void on_change(void *arg, struct version *v)
{
    struct vnet *n = arg;
    struct vcall *next;

    n->events.on_change(n->events.arg, v);
    for (struct vcall *c = TAILQ_FIRST(&n->watches); c; c = next) {
        next = TAILQ_NEXT(c, watch);
        if (c->kind == v->kind)
            push_change(c, v);
    }
}

static void push_bookmark(struct vcall *c)
{
    struct vmessage m;

    vapi_frame_bookmark(c->net->api, c->kind, false, c->enc, &m);
    push_piece(c, (struct piece){.m = m}, between(c->net, 0, SY_NS_PER_MS));
    arm_deliver(c);
}

static void on_expire(void *arg)
{
    struct vcall *c = arg;

    if (!c->is_expiring) {
        c->is_expiring = true;
        push_bookmark(c);
        vevent_arm(&c->expire, LAST_BOOKMARK_NS);
        return;
    }
    end_stream(c, 1);
    stop_watching(c);
}

static void on_bookmarks(void *arg)
{
    struct vnet *n = arg;
    struct vcall *next;

    for (struct vcall *c = TAILQ_FIRST(&n->watches); c; c = next) {
        next = TAILQ_NEXT(c, watch);
        push_bookmark(c);
    }
    vevent_arm(&n->bookmarks, bookmark_ns);
}

static void serve_stream(struct vcall *c)
{
    struct vnet *n = c->net;
    char room[64];
    const char *text = vapi_param(c->path, "resourceVersion", room, sizeof(room));
    uint64_t rv = number(text, text ? strlen(text) : 0, 0), seconds = 0;
    vmessages pieces = {0};
    int error = 0;

    c->kind = vapi_kind_of_path(c->path);
    c->enc = c->takes_protobuf && !chance(n, 100) ? SY_ENCODING_PROTOBUF : SY_ENCODING_JSON;
    bool is_watch = vapi_param(c->path, "watch", room, sizeof(room));
    if (is_watch) {
        bool is_initial = vapi_param(c->path, "sendInitialEvents", room, sizeof(room));
        text = vapi_param(c->path, "timeoutSeconds", room, sizeof(room));
        seconds = number(text, text ? strlen(text) : 0, 300);
        error = vapi_watch(n->api, c->kind, is_initial, rv, c->enc, &pieces);
        if (is_initial && chance(n, n->faults.slow_list))
            c->gap_ns = between(n, 0, 2 * SY_NS_PER_S);
    } else {
        vapi_list(n->api, c->kind, c->enc, &pieces);
        if (chance(n, n->faults.slow_list))
            c->gap_ns = between(n, 0, 2 * SY_NS_PER_S);
    }
    if (error && (error != 410 || chance(n, 500))) {
        sy_buf_init(&c->said.body, 4096);
        vanswer_status(&c->said, error, error == 410 ? "Expired" : "Timeout", 0);
        answer_in(c, 0, between(n, 0, 2 * SY_NS_PER_MS));
        return;
    }
    for (size_t i = 0; i < pieces.len; i++)
        push_piece(c, (struct piece){.m = pieces.p[i]}, between(n, 0, 2 * SY_NS_PER_MS));
    sy_vec_done(&pieces);
    c->gap_ns = 0;
    if (error) {
        struct vmessage m;
        vapi_frame_error(error, c->enc, &m);
        push_piece(c, (struct piece){.m = m}, 0);
    }
    if (error || !is_watch) {
        end_stream(c, 1);
        return;
    }
    vevent_arm(&c->expire, (int64_t)seconds * SY_NS_PER_S - LAST_BOOKMARK_NS);
    c->is_watching = true;
    TAILQ_INSERT_TAIL(&n->watches, c, watch);
    arm_deliver(c);
}

/* ---- at the server ---- */

static void serve_unary(struct vcall *c)
{
    struct vnet *n = c->net;
    struct vrequest rq = {
        .method = c->method,
        .path = c->path,
        .body = {c->body, c->body_len},
        .is_protobuf = c->is_protobuf,
        .takes_protobuf = c->takes_protobuf,
        .client = c->client->number,
    };

    if (!c->is_skipped) {
        n->events.on_write(n->events.arg, c->client, &rq);
        vapi_handle(n->api, &rq, &c->said);
    }
    forget_landing(c);
    if (c->fake_status) {
        sy_buf_done(&c->said.body);
        sy_buf_init(&c->said.body, 4096);
        bool is_throttled = c->fake_status == 429 || c->fake_status == 503;
        vanswer_status(&c->said, c->fake_status, is_throttled ? "TooManyRequests" : "InternalError",
                       is_throttled ? 1 : 0);
    }
}

static void on_arrive(void *arg)
{
    struct vcall *c = arg;
    struct vnet *n = c->net;

    if (n->is_down) {
        forget_landing(c);
        answer_in(c, -ECONNRESET, 0);
    } else if (c->request.is_stream && !c->fake_status) {
        if (c->http)
            serve_stream(c);
    } else {
        serve_unary(c);
        int64_t deaf = c->client->deaf_until - vtime_now();
        if (c->has_answer)
            answer_in(c, c->code, between(n, 0, 3 * SY_NS_PER_MS) + (deaf > 0 ? deaf : 0));
    }
    maybe_free(c);
}

static enum vfate roll(struct vnet *n)
{
    const struct vfaults *f = &n->faults;
    const uint32_t chances[] = {
        [FATE_REFUSED] = f->refused,
        [FATE_LOST_BEFORE] = f->lost_before,
        [FATE_LOST_AFTER] = f->lost_after,
        [FATE_SWALLOWED] = f->swallowed,
        [FATE_MUTE] = f->mute,
        [FATE_ERROR_BEFORE] = f->error_before,
        [FATE_ERROR_AFTER] = f->error_after,
        [FATE_THROTTLED] = f->throttled,
        [FATE_UNAUTHORIZED] = f->unauthorized,
        [FATE_FORBIDDEN] = f->forbidden,
    };

    for (size_t i = 1; i < SY_ARRAY_LEN(chances); i++) {
        if (chance(n, chances[i]))
            return (enum vfate)i;
    }
    return FATE_FAIR;
}

static enum vfate planned(struct vcall *c, int64_t *delay_ns)
{
    struct vnet *n = c->net;

    if (!n->plan.count || strcmp(c->method, n->plan.method) != 0 || !strstr(c->path, n->plan.part))
        return roll(n);
    n->plan.count--;
    *delay_ns += n->plan.after_ns;
    return n->plan.fate;
}

static void meet(struct vcall *c, enum vfate fate)
{
    struct vnet *n = c->net;

    c->has_answer = fate != FATE_SWALLOWED && fate != FATE_MUTE;
    c->is_skipped = fate == FATE_LOST_BEFORE || fate == FATE_SWALLOWED ||
                    fate == FATE_ERROR_BEFORE || fate >= FATE_THROTTLED;
    if (fate == FATE_LOST_BEFORE || fate == FATE_LOST_AFTER)
        c->code = -ECONNRESET;
    else if (fate == FATE_ERROR_BEFORE || fate == FATE_ERROR_AFTER)
        c->fake_status = chance(n, 500) ? 500 : 504;
    else if (fate == FATE_THROTTLED)
        c->fake_status = chance(n, 700) ? 429 : 503;
    else if (fate == FATE_UNAUTHORIZED || fate == FATE_FORBIDDEN)
        c->fake_status = fate == FATE_UNAUTHORIZED ? 401 : 403;
}

/* The server gives up by itself, and what it has not done by then it does not do any more, though
 * it may just have done it. */
static int64_t limit_delay(struct vcall *c, int64_t delay_ns)
{
    char room[32];
    const char *limit = vapi_param(c->path, "timeout", room, sizeof(room));
    int64_t limit_ns = (int64_t)number(limit, limit ? strcspn(limit, "m") : 0, 0) * SY_NS_PER_MS;

    if (!limit_ns || delay_ns <= limit_ns)
        return delay_ns;
    c->is_skipped = c->is_skipped || chance(c->net, 500);
    c->fake_status = 504;
    return limit_ns;
}

/* A fence of the client's: too late to be put on a connection. */
static bool is_late(const struct vcall *c)
{
    return c->request.not_after && vtime_now() > c->request.not_after;
}

/* It never leaves the client. */
static void stay(struct vcall *c, int code, int64_t after_ns)
{
    forget_landing(c);
    c->is_unsent = true;
    answer_in(c, code, after_ns);
}

static void decide_fate(struct vcall *c)
{
    struct vnet *n = c->net;
    int64_t delay = between(n, 100000, 3 * SY_NS_PER_MS);
    enum vfate fate = n->is_down ? FATE_REFUSED : planned(c, &delay);

    if (is_late(c)) {
        stay(c, -ECANCELED, 0);
        return;
    }
    if (fate == FATE_REFUSED) {
        stay(c, -ECONNREFUSED, delay);
        return;
    }
    meet(c, fate);
    if (c->request.is_stream && (c->code || !c->has_answer)) {
        /* It never gets as far as its first byte. */
        if (c->code)
            answer_in(c, c->code, delay);
        return;
    }
    if (chance(n, n->faults.slow))
        delay += between(n, 0, 12 * SY_NS_PER_S);
    delay = limit_delay(c, delay);
    int64_t mute = c->client->mute_until - vtime_now();
    if (mute > 0 || (c->request.is_stream && c->client->deaf_until > vtime_now())) {
        /* A stream needs a connection of its own, and none comes about. What goes over one that is
         * there is sent again until it gets through, but not for ever. */
        if (c->request.is_stream) {
            stay(c, -ETIMEDOUT, CONNECT_NS);
            return;
        }
        if (mute > DEAD_PEER_NS) {
            forget_landing(c);
            answer_in(c, -ETIMEDOUT, DEAD_PEER_NS);
            return;
        }
        delay += mute;
    }
    vevent_arm(&c->arrive, delay);
}

/* ---- in place of net/http.c ---- */

int sy_http_new(struct sy_loop *loop, const struct sy_http_config *config SY_UNUSED,
                struct sy_http **ret, struct sy_err *err SY_UNUSED)
{
    struct sy_http *h = sy_xcalloc(1, sizeof(*h));

    h->net = the_net;
    h->client = the_net->clients.p[the_net->clients.len - 1];
    h->loop = loop;
    TAILQ_INIT(&h->calls);
    *ret = h;
    return 0;
}

void sy_http_free(struct sy_http *h)
{
    struct vcall *c;

    if (!h)
        return;
    while ((c = TAILQ_FIRST(&h->calls)))
        finish(c, -ECANCELED, 0, true);
    free(h);
}

int sy_http_reconfigure(struct sy_http *h SY_UNUSED, const struct sy_http_config *config SY_UNUSED,
                        struct sy_err *err SY_UNUSED)
{
    return 0;
}

static bool has_header(const char *const *headers, const char *name, const char *part)
{
    for (; headers && *headers; headers++) {
        if (strncmp(*headers, name, strlen(name)) == 0)
            return strstr(*headers, part);
    }
    return false;
}

static void note_bind(struct vcall *c)
{
    struct vrequest rq = {
        .path = c->path, .body = {c->body, c->body_len}, .is_protobuf = c->is_protobuf};

    c->is_bind = strcmp(c->method, "POST") == 0 && strstr(c->path, "/binding");
    if (!c->is_bind || !vapi_read_binding(c->net->api, &rq, &c->bind_pod, &c->bind_node))
        return;
    c->may_land = true;
    c->net->events.on_bind(c->net->events.arg, c->client, c->bind_pod, c->bind_node, true);
}

int sy_http_send(struct sy_http *h, const struct sy_http_request *request, sy_http_id *ret_id,
                 struct sy_err *err SY_UNUSED)
{
    struct vnet *n = h->net;
    struct vcall *c = sy_xcalloc(1, sizeof(*c));
    const char *path = strchr(strstr(request->url, "://") + 3, '/');
    static const char PB[] = "application/vnd.kubernetes.protobuf";

    c->net = n;
    c->http = h;
    c->client = h->client;
    c->id = ++n->next_id;
    c->method = sy_xstrdup(request->method);
    c->path = sy_xstrdup(path);
    c->body = request->body.len ? sy_xstrndup("", 0) : NULL;
    if (request->body.len) {
        c->body = sy_xrealloc(c->body, request->body.len);
        memcpy(c->body, request->body.p, request->body.len);
        c->body_len = request->body.len;
    }
    c->is_protobuf = has_header(request->headers, "Content-Type:", PB);
    c->takes_protobuf = has_header(request->headers, "Accept:", PB);
    c->request = *request;
    c->sent_at = c->last_at = vtime_now();
    c->arrive = (struct vevent){.fn = on_arrive, .arg = c, .what = "arrive"};
    c->answer = (struct vevent){.fn = on_answer, .arg = c, .loop = h->loop, .what = "answer"};
    c->expire = (struct vevent){.fn = on_expire, .arg = c, .what = "expire"};
    c->timer = (struct vevent){.fn = on_timeout, .arg = c, .loop = h->loop, .what = "timeout"};
    c->deliver = (struct vevent){.fn = on_deliver, .arg = c, .loop = h->loop, .what = "deliver"};
    TAILQ_INSERT_TAIL(&n->all, c, all);
    TAILQ_INSERT_TAIL(&h->calls, c, link);
    h->len++;
    n->requests++;
    note_bind(c);
    uint32_t limit_ms = request->is_stream ? request->idle_timeout_ms : request->timeout_ms;
    if (limit_ms)
        vevent_arm(&c->timer, limit_ms * SY_NS_PER_MS);
    *ret_id = c->id;
    decide_fate(c);
    return 0;
}

void sy_http_cancel(struct sy_http *h, sy_http_id id)
{
    struct vcall *c = find(h, id);

    if (!c)
        return;
    /* The server may hear of it in time, or not. */
    if (vevent_is_armed(&c->arrive) && chance(h->net, 500)) {
        vevent_disarm(&c->arrive);
        forget_landing(c);
    }
    finish(c, -ECANCELED, 0, true);
}

uint32_t sy_http_in_flight(const struct sy_http *h)
{
    return h->len;
}

/* ---- the world's hand ---- */

struct vnet *vnet_new(uint64_t seed, const struct vnet_events *events)
{
    struct vnet *n = sy_xcalloc(1, sizeof(*n));

    sy_rng_seed(&n->rng, seed);
    n->events = *events;
    TAILQ_INIT(&n->all);
    TAILQ_INIT(&n->watches);
    n->api = vapi_new(on_change, n);
    n->bookmarks = (struct vevent){.fn = on_bookmarks, .arg = n, .what = "bookmarks"};
    vevent_arm(&n->bookmarks, bookmark_ns);
    the_net = n;
    return n;
}

void vnet_free(struct vnet *n)
{
    struct vcall *c;

    if (!n)
        return;
    /* Clients are gone by now; what is left is on its way to the server. */
    while ((c = TAILQ_FIRST(&n->all))) {
        vevent_disarm(&c->arrive);
        maybe_free(c);
    }
    vevent_disarm(&n->bookmarks);
    vapi_free(n->api);
    for (size_t i = 0; i < n->clients.len; i++)
        free(n->clients.p[i]);
    sy_vec_done(&n->clients);
    free(n);
    the_net = NULL;
}

void vnet_kill(struct vnet *n, struct vclient *client, bool may_be_late)
{
    struct vcall *c, *next;

    for (c = TAILQ_FIRST(&n->all); c; c = next) {
        next = TAILQ_NEXT(c, all);
        if (c->client != client || !vevent_is_armed(&c->arrive))
            continue;
        if (may_be_late && !c->request.is_stream && chance(n, 500))
            continue;
        vevent_disarm(&c->arrive);
        c->has_answer = false;
        if (!c->request.is_stream && chance(n, 500))
            serve_unary(c);
        forget_landing(c);
        maybe_free(c);
    }
}

void vnet_set_down(struct vnet *n, bool is_down)
{
    struct vcall *c, *next;

    n->is_down = is_down;
    for (c = TAILQ_FIRST(&n->all); is_down && c; c = next) {
        next = TAILQ_NEXT(c, all);
        if (c->http && c->request.is_stream && !vevent_is_armed(&c->arrive)) {
            drop_queue(c);
            end_stream(c, -ECONNRESET);
            stop_watching(c);
        }
    }
}

void vnet_cut_watches(struct vnet *n, uint32_t in_thousand)
{
    struct vcall *next;

    for (struct vcall *c = TAILQ_FIRST(&n->watches); c; c = next) {
        next = TAILQ_NEXT(c, watch);
        if (!chance(n, in_thousand))
            continue;
        end_stream(c, chance(n, 500) ? 1 : -ECONNRESET);
        stop_watching(c);
    }
}

void vnet_silence_watches(struct vnet *n, uint32_t in_thousand)
{
    struct vcall *next;

    for (struct vcall *c = TAILQ_FIRST(&n->watches); c; c = next) {
        next = TAILQ_NEXT(c, watch);
        if (!chance(n, in_thousand))
            continue;
        c->is_silent = true;
        drop_queue(c);
        vevent_disarm(&c->deliver);
        stop_watching(c);
    }
}

struct vapi *vnet_api(struct vnet *n)
{
    return n->api;
}

struct vfaults *vnet_faults(struct vnet *n)
{
    return &n->faults;
}

struct vclient *vnet_client_new(struct vnet *n, uint32_t number_of_it, void *arg)
{
    struct vclient *c = sy_xcalloc(1, sizeof(*c));

    *c = (struct vclient){.number = number_of_it, .arg = arg};
    sy_vec_push(&n->clients, c);
    return c;
}

void vnet_plan(struct vnet *n, const char *method, const char *part, enum vfate fate,
               uint32_t count, int64_t after_ns)
{
    n->plan.method = method;
    n->plan.part = part;
    n->plan.fate = fate;
    n->plan.count = count;
    n->plan.after_ns = after_ns;
}

void vnet_lag(struct vnet *n, enum vkind kind, int64_t by_ns)
{
    n->lag_ns[kind] = by_ns;
}

uint32_t vnet_requests(const struct vnet *n)
{
    return n->requests;
}
