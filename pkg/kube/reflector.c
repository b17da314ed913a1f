/* SPDX-License-Identifier: Apache-2.0
 *
 * A state machine: phase says what is to be had next (the whole state or the changes), begin()
 * opens the stream for it, on_end() decides from how the stream ended what comes next and when. */
#include "kube/reflector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"

enum {
    PAGE = 500,
    RV_MAX = 64, /* decimal digits, or whatever a server that predates that rule uses */
    CONTINUE_MAX = 64 * 1024,
    OBJECT_DEFAULT_MAX = 16 * 1024 * 1024,
    FRAME_FACTOR = 4, /* how much larger an object may be and still be stepped over */
    META_ARENA_MAX = 4 * 1024 * 1024,
    LIST_IDLE_MS = 60000,
    WATCH_IDLE_MS = 90000, /* bookmarks come each minute or so */
    WATCH_LEAST_S = 300,
    WATCH_SPREAD_S = 300,
    WATCH_HURRIED_S = 3,
    FAILURES_BEFORE_RELIST = 3,
};

static const int64_t first_backoff_ns = 800 * SY_NS_PER_MS;
static const int64_t longest_backoff_ns = 30 * SY_NS_PER_S;
static const int64_t backoff_reset_ns = 120 * SY_NS_PER_S;
static const int64_t short_watch_ns = SY_NS_PER_S;
static const int64_t proven_ns = 2 * SY_NS_PER_S;
static const int64_t wait_slice_ns = SY_NS_PER_S;
/* While the state is due something is always on its way, so silence is suspect sooner than in a
 * watch. */
static const int64_t stall_ns = 30 * SY_NS_PER_S;

enum phase {
    PHASE_WATCH_LIST, /* the state as the first part of a watch */
    PHASE_LIST,
    PHASE_WATCH,
};

/* Outlives the reflector until the client has said that the stream is over. */
struct stream {
    struct sy_reflector *r; /* NULL: abandoned */
    sy_http_id id;
    struct sy_framer *framer; /* made when the first byte tells the encoding */
    enum sy_encoding encoding;
    enum phase phase; /* as it began; a watch-list turns into a watch */
    uint64_t events;
    sy_time_ns started;
    int error;         /* of the framer or an ERROR event */
    struct sy_err err; /* its text */
    bool is_too_large; /* resource version */
};

struct sy_reflector {
    struct sy_kube *k;
    struct sy_reflector_options options;
    char *path;
    char *query;
    struct sy_reflector_stats stats;
    struct sy_rng rng;
    struct sy_strings *strings;
    struct sy_decode decode; /* for metadata and statuses */

    enum phase phase;
    char rv[RV_MAX + 1];      /* last seen; "" before the first state */
    char changed[RV_MAX + 1]; /* the last change that a watch brought */
    bool is_hurried;          /* the next watch is to be a short one */
    bool is_rv_lost;          /* the server no longer has rv or not yet: ask for the newest */
    bool is_paging_refused;   /* a continue token expired: one list without pages */
    bool is_replacing;
    char *continue_token; /* NULL: first page */
    bool no_watch_list;
    struct stream *stream;

    bool is_synced;
    bool is_down;      /* the last stream failed and no newer one has proven itself */
    uint32_t failures; /* in a row, of watches that the server or its bytes made fail */
    int64_t backoff_ns;
    sy_time_ns backoff_at;
    bool was_unreached; /* at the last failure nobody answered */
    struct sy_timer *stall;
    struct sy_timer *timer;
    sy_time_ns wait_until;
    sy_time_ns failed_at;
    bool is_waiting_for_server; /* the server was not reached: go on as soon as it is heard again */
};

static void begin(struct sy_reflector *r);

/* ---- resource versions --------------------------------------------------------------------------
 */

static bool is_decimal(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    return len > 0;
}

/* Decimal numbers of any size: the longer is the greater. */
static bool is_older(const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (!is_decimal(a, a_len) || !is_decimal(b, b_len))
        return false;
    return a_len != b_len ? a_len < b_len : memcmp(a, b, a_len) < 0;
}

/* Never goes back: a server that lags would replay what is known. */
static void advance_rv(struct sy_reflector *r, struct sy_str rv)
{
    if (!rv.len || rv.len > RV_MAX || is_older(rv.p, rv.len, r->rv, strlen(r->rv)))
        return;
    memcpy(r->rv, rv.p, rv.len);
    r->rv[rv.len] = 0;
}

/* ---- objects ------------------------------------------------------------------------------------
 */

static void hand_on(struct stream *s, enum sy_event_type type, struct sy_str raw)
{
    struct sy_reflector *r = s->r;
    int code = raw.len > r->options.max_object_bytes
                   ? -E2BIG
                   : r->options.on_object(r->options.arg, type, s->encoding, raw);

    if (code < 0) {
        r->stats.skipped_objects++;
        sy_log_warn("object skipped", "path", r->path, "bytes", SY_FMT("%zu", raw.len), "error",
                    code == -E2BIG ? "too large" : strerror(-code));
    }
}

static void begin_replace(struct sy_reflector *r)
{
    if (r->is_replacing)
        return;
    r->is_replacing = true;
    if (r->options.on_replace_begin)
        r->options.on_replace_begin(r->options.arg);
}

static void end_replace(struct sy_reflector *r)
{
    begin_replace(r); /* an empty state */
    r->is_replacing = false;
    r->is_rv_lost = false;
    r->is_paging_refused = false;
    r->is_down = false;
    r->failures = 0;
    r->phase = PHASE_WATCH;
    if (r->options.on_replace_end)
        r->options.on_replace_end(r->options.arg);
    r->is_synced = true;
}

static int on_bookmark(struct stream *s, const struct sy_meta *meta)
{
    struct sy_reflector *r = s->r;

    r->stats.bookmarks++;
    if (r->phase == PHASE_WATCH) {
        advance_rv(r, meta->resource_version);
        return 0;
    }
    if (!meta->initial_events_end) {
        /* A server that knows sendInitialEvents sends no other bookmark before that one. */
        r->no_watch_list = true;
        return sy_err_set(&s->err, -EOPNOTSUPP, "%s: the server does not stream initial lists",
                          r->path);
    }
    /* The state may be older than what was known if the server was restored from a backup. */
    if (!meta->resource_version.len)
        return sy_err_set(&s->err, -EBADMSG, "%s: an initial state without a version", r->path);
    r->rv[0] = 0;
    advance_rv(r, meta->resource_version);
    end_replace(r);
    return 0;
}

static int on_error_event(struct stream *s, struct sy_str raw)
{
    struct sy_reflector *r = s->r;
    struct sy_status status = {0};
    struct sy_err err;
    int code;

    sy_arena_reset(&r->decode.arena);
    if (sy_decode_status(&r->decode, s->encoding, raw, &status, &err))
        return sy_err_set(&s->err, -EBADMSG,
                          "%s: the watch ended with an error that cannot be read", r->path);
    bool is_expired = status.code == 410 || sy_str_eqz(status.reason, "Expired") ||
                      sy_str_eqz(status.reason, "Gone");
    code = is_expired ? -ESTALE : status.code == 429 ? -EAGAIN : -EREMOTEIO;
    sy_err_set(&s->err, code, "%s: the watch ended with %d " SY_STR_FMT ": " SY_STR_FMT, r->path,
               status.code, SY_STR_ARG(status.reason), SY_STR_ARG(status.message));
    s->err.http_status = status.code;
    s->err.retry_after_ms = status.retry_after_ms;
    s->is_too_large = status.resource_version_too_large;
    return code;
}

static int on_frame(void *arg, enum sy_event_type type, struct sy_str raw)
{
    struct stream *s = arg;
    struct sy_reflector *r = s->r;
    struct sy_meta meta;
    bool is_change = type != SY_EVENT_BOOKMARK;

    s->events++;
    if (type == SY_EVENT_ERROR)
        return on_error_event(s, raw);
    /* Initial objects come in no order, so their versions say nothing. */
    if (r->phase != PHASE_WATCH && is_change) {
        r->stats.events++;
        hand_on(s, type == SY_EVENT_MODIFIED ? SY_EVENT_ADDED : type, raw);
        return 0;
    }
    sy_arena_reset(&r->decode.arena);
    int code = sy_decode_meta(&r->decode, s->encoding, raw, &meta, &s->err);
    if (code)
        return code;
    if (!is_change)
        return on_bookmark(s, &meta);
    r->stats.events++;
    hand_on(s, type, raw);
    advance_rv(r, meta.resource_version);
    if (meta.resource_version.len && meta.resource_version.len <= RV_MAX)
        snprintf(r->changed, sizeof(r->changed), SY_STR_FMT, SY_STR_ARG(meta.resource_version));
    return 0;
}

static int on_data(void *arg, struct sy_str piece)
{
    struct stream *s = arg;
    struct sy_reflector *r = s->r;

    if (!r)
        return -ECANCELED;
    if (!piece.len)
        return 0;
    if (!s->framer) {
        /* Neither "k\0..." nor a frame's length of less than 2 GiB begins with a brace. */
        bool is_json = piece.p[0] == '{' || r->options.encoding == SY_ENCODING_JSON;

        s->encoding = is_json ? SY_ENCODING_JSON : SY_ENCODING_PROTOBUF;
        size_t cap = r->options.max_object_bytes * FRAME_FACTOR;
        s->framer = s->phase == PHASE_LIST ? sy_list_framer_new(s->encoding, cap, on_frame, s)
                                           : sy_watch_framer_new(s->encoding, cap, on_frame, s);
        if (s->phase != PHASE_WATCH)
            begin_replace(r);
    }
    r->stats.bytes += piece.len;
    if (s->phase == PHASE_WATCH)
        r->is_down = false;
    struct sy_err err = {0};
    s->error = sy_framer_feed(s->framer, piece, &err);
    /* Callbacks leave their own text. */
    if (s->error && !s->err.code)
        s->err = err;
    if (r->phase == PHASE_WATCH)
        sy_timer_disarm(r->stall);
    else
        sy_timer_arm(r->stall, stall_ns);
    return s->error;
}

static void on_stall(void *arg)
{
    struct sy_reflector *r = arg;
    struct stream *s = r->stream;

    if (!s)
        return;
    s->error =
        sy_err_set(&s->err, -ETIMEDOUT, "%s: nothing has come for %d s, and the state is not whole",
                   r->path, (int)(stall_ns / SY_NS_PER_S));
    sy_kube_cancel(r->k, s->id);
}

/* ---- waiting ------------------------------------------------------------------------------------
 */

static void on_timer(void *arg)
{
    struct sy_reflector *r = arg;
    sy_time_ns now = sy_clock_boot_ns();

    if (r->is_waiting_for_server && sy_kube_last_heard_ns(r->k) > r->failed_at) {
        /* It is back. All clients notice at once, so spread over a second. */
        int64_t soon = (int64_t)(sy_rng_unit(&r->rng) * (double)SY_NS_PER_S);

        r->is_waiting_for_server = false;
        if (r->wait_until > now + soon)
            r->wait_until = now + soon;
    }
    int64_t left = r->wait_until - now;
    if (left <= 0)
        begin(r);
    else
        sy_timer_arm(r->timer,
                     r->is_waiting_for_server && left > wait_slice_ns ? wait_slice_ns : left);
}

static void wait_for(struct sy_reflector *r, int64_t after_ns)
{
    r->failed_at = sy_clock_boot_ns();
    r->wait_until = r->failed_at + after_ns;
    sy_timer_arm(r->timer,
                 r->is_waiting_for_server && after_ns > wait_slice_ns ? wait_slice_ns : after_ns);
}

static int64_t next_backoff(struct sy_reflector *r)
{
    sy_time_ns now = sy_clock_boot_ns();

    if (!r->backoff_ns || now - r->backoff_at > r->backoff_ns + backoff_reset_ns)
        r->backoff_ns = first_backoff_ns;
    else if (r->backoff_ns < longest_backoff_ns)
        r->backoff_ns *= 2;
    if (r->backoff_ns > longest_backoff_ns)
        r->backoff_ns = longest_backoff_ns;
    r->backoff_at = now;
    return r->backoff_ns + (int64_t)(sy_rng_unit(&r->rng) * (double)r->backoff_ns);
}

static void back_off(struct sy_reflector *r, const struct sy_err *err)
{
    /* For how long nobody answered says nothing about a server that does. */
    if (err->http_status && r->was_unreached)
        r->backoff_ns = 0;
    r->was_unreached = !err->http_status;
    int64_t after = next_backoff(r);

    if (after < err->retry_after_ms * SY_NS_PER_MS)
        after = err->retry_after_ms * SY_NS_PER_MS;
    r->stats.errors++;
    r->is_down = true;
    if (r->options.on_error)
        r->options.on_error(r->options.arg, err, after);
    wait_for(r, after);
}

/* ---- what comes next ----------------------------------------------------------------------------
 */

static void relist(struct sy_reflector *r)
{
    r->phase = r->no_watch_list ? PHASE_LIST : PHASE_WATCH_LIST;
    r->is_replacing = false;
    free(r->continue_token);
    r->continue_token = NULL;
}

static bool is_transport(int code, int http_status)
{
    return !http_status && code != -EBADMSG && code != -E2BIG && code != -ENOMEM;
}

/* The stream that was to bring the state failed. */
static void state_failed(struct sy_reflector *r, const struct sy_kube_result *result,
                         const struct sy_err *err, int code, bool is_too_large)
{
    bool was_watch_list = r->phase == PHASE_WATCH_LIST;
    bool is_first_page = !r->continue_token;
    int status = err->http_status;

    if (was_watch_list &&
        ((result->http_status == 400 || result->http_status == 403 || result->http_status == 422) ||
         code == -EOPNOTSUPP)) {
        r->no_watch_list = true;
        relist(r);
        begin(r);
        return;
    }
    relist(r);
    if (code == -ESTALE || status == 410 || is_too_large) {
        bool had_asked_newest = r->is_rv_lost;

        r->stats.expired++;
        if (!is_first_page)
            r->is_paging_refused = true;
        else
            r->is_rv_lost = true;
        /* At once, but only once: then as any other error. */
        if (!is_first_page || !had_asked_newest) {
            begin(r);
            return;
        }
    }
    back_off(r, err);
}

static void watch_failed(struct sy_reflector *r, const struct sy_err *err, int code,
                         bool is_too_large)
{
    if (code == -ESTALE || err->http_status == 410) {
        r->stats.expired++;
        relist(r);
        begin(r);
        return;
    }
    if (is_too_large)
        r->is_rv_lost = true;
    /* Refused connections, silence and overload say nothing about our version. */
    if (!is_transport(code, err->http_status) && code != -EAGAIN &&
        (is_too_large || ++r->failures >= FAILURES_BEFORE_RELIST)) {
        r->failures = 0;
        relist(r);
    }
    back_off(r, err);
}

static void page_ended(struct sy_reflector *r, struct stream *s)
{
    struct sy_list_meta meta =
        s->framer ? sy_framer_list_meta(s->framer) : (struct sy_list_meta){0};
    struct sy_err err;

    if (!meta.resource_version.len && !meta.continue_token.len) {
        relist(r);
        sy_err_set(&err, -EBADMSG, "%s: a list without a resource version", r->path);
        back_off(r, &err);
        return;
    }
    free(r->continue_token);
    r->continue_token = NULL;
    if (meta.continue_token.len && meta.continue_token.len <= CONTINUE_MAX) {
        r->continue_token = sy_xstrndup(meta.continue_token.p, meta.continue_token.len);
        begin(r);
        return;
    }
    r->rv[0] = 0;
    advance_rv(r, meta.resource_version);
    end_replace(r);
    begin(r);
}

/* The server ended a watch in order: by its timeout, or because it shuts down. */
static void watch_ended(struct sy_reflector *r, const struct stream *s)
{
    struct sy_err err;

    if (!s->events && sy_clock_boot_ns() - s->started < short_watch_ns) {
        sy_err_set(&err, -ECONNRESET, "%s: very short watch: closed within a second without events",
                   r->path);
        r->failures++;
        if (r->failures >= FAILURES_BEFORE_RELIST) {
            r->failures = 0;
            relist(r);
        }
        back_off(r, &err);
        return;
    }
    begin(r);
}

static void stream_free(struct stream *s)
{
    if (s->framer)
        sy_framer_free(s->framer);
    free(s);
}

static void on_done(void *arg, const struct sy_kube_result *result)
{
    struct stream *s = arg;
    struct sy_reflector *r = s->r;

    if (r) {
        r->stream = NULL;
        sy_timer_disarm(r->stall);
    }
    if (!r || (result->code == -ECANCELED && !s->error)) {
        stream_free(s);
        return;
    }
    /* What our own callbacks and the framer said is more precise than the client's view of it. */
    struct sy_err err = s->err;
    int code = s->error ? s->error : result->code;
    if (!s->error && code)
        err = *result->err;
    if (!code && s->framer) {
        code = sy_framer_finish(s->framer, &err);
        if (code)
            sy_err_wrap(&err, code, "%s: the stream broke off", r->path);
    }
    err.code = code;
    bool is_too_large = s->is_too_large || result->resource_version_too_large;
    r->is_waiting_for_server =
        code == -ECONNREFUSED || code == -EHOSTUNREACH || !sy_kube_is_reachable(r->k) ||
        (code == -ETIMEDOUT && !s->error && !result->maybe_applied); /* no connection came about */
    if (!code && r->phase == PHASE_WATCH_LIST) {
        code = sy_err_set(&err, -ECONNRESET,
                          "%s: the watch ended before the initial state was whole", r->path);
    }
    /* The API server need not say anything on a watch of what does not change, bookmarks included.
     * A new one from where we are loses nothing, so that is no failure while the server answers
     * else. */
    bool is_quiet = code == -ETIMEDOUT && r->phase == PHASE_WATCH && sy_kube_is_reachable(r->k) &&
                    sy_clock_boot_ns() - s->started >= WATCH_IDLE_MS * SY_NS_PER_MS;
    /* A connection that breaks later says nothing about how long the server was away before. */
    if (r->phase == PHASE_WATCH && is_transport(code, err.http_status) && !r->is_down &&
        sy_clock_boot_ns() - s->started >= short_watch_ns)
        r->backoff_ns = 0;
    if (is_quiet)
        begin(r);
    else if (code && r->phase != PHASE_WATCH)
        state_failed(r, result, &err, code, is_too_large);
    else if (code)
        watch_failed(r, &err, code, is_too_large);
    else if (r->phase == PHASE_LIST)
        page_ended(r, s);
    else
        watch_ended(r, s);
    stream_free(s);
}

/* ---- requests -----------------------------------------------------------------------------------
 */

static void add_param(struct sy_buf *url, const char *name, const char *value)
{
    sy_buf_addc(url, strchr(url->p, '?') ? '&' : '?');
    sy_buf_addf(url, "%s=", name);
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        bool is_safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';

        if (is_safe)
            sy_buf_addc(url, (char)c);
        else
            sy_buf_addf(url, "%%%02X", c);
    }
}

static void add_watch_params(struct sy_reflector *r, struct sy_buf *url)
{
    char seconds[16];

    snprintf(seconds, sizeof(seconds), "%u",
             r->is_hurried ? WATCH_HURRIED_S
                           : WATCH_LEAST_S + (unsigned)sy_rng_below(&r->rng, WATCH_SPREAD_S));
    r->is_hurried = false;
    add_param(url, "watch", "true");
    add_param(url, "allowWatchBookmarks", "true");
    add_param(url, "timeoutSeconds", seconds);
}

static void build_url(struct sy_reflector *r, struct sy_buf *url)
{
    const char *known = r->is_rv_lost ? "" : r->rv;

    sy_buf_adds(url, r->path);
    if (r->query)
        sy_buf_addf(url, "?%s", r->query);
    switch (r->phase) {
    case PHASE_WATCH:
        add_watch_params(r, url);
        add_param(url, "resourceVersion", r->rv);
        break;
    case PHASE_WATCH_LIST:
        add_watch_params(r, url);
        add_param(url, "sendInitialEvents", "true");
        add_param(url, "resourceVersionMatch", "NotOlderThan");
        add_param(url, "resourceVersion", known);
        break;
    case PHASE_LIST:
        /* A version lets the server's cache answer, which knows no pages. */
        if (r->continue_token) {
            add_param(url, "limit", "500");
            add_param(url, "continue", r->continue_token);
        } else if (r->is_paging_refused) {
            add_param(url, "resourceVersion", "");
        } else if (r->is_rv_lost) {
            add_param(url, "limit", "500");
            add_param(url, "resourceVersion", "");
        } else {
            add_param(url, "resourceVersion", *known ? known : "0");
        }
        break;
    }
}

static void begin(struct sy_reflector *r)
{
    struct stream *s = sy_xcalloc(1, sizeof(*s));
    struct sy_buf url;
    struct sy_err err;

    sy_buf_init(&url, 256 * 1024);
    build_url(r, &url);
    if (r->phase == PHASE_LIST)
        r->stats.lists++;
    else
        r->stats.watches++;
    s->r = r;
    s->phase = r->phase;
    s->started = sy_clock_boot_ns();
    struct sy_kube_stream stream = {
        .path = url.p,
        .accept = r->options.encoding == SY_ENCODING_PROTOBUF
                      ? "application/vnd.kubernetes.protobuf, application/json"
                      : NULL,
        .idle_timeout_ms = r->phase == PHASE_LIST ? LIST_IDLE_MS : WATCH_IDLE_MS,
        .on_data = on_data,
        .on_done = on_done,
        .arg = s,
    };
    r->stream = s;
    int code = url.failed ? sy_err_set(&err, url.failed, "%s: the query is too long", r->path)
                          : sy_kube_stream(r->k, &stream, &s->id, &err);
    sy_buf_done(&url);
    if (r->phase != PHASE_WATCH)
        sy_timer_arm(r->stall, stall_ns);
    if (code) {
        r->stream = NULL;
        sy_timer_disarm(r->stall);
        stream_free(s);
        if (code != -ESHUTDOWN)
            back_off(r, &err);
    }
}

/* ---- life ---------------------------------------------------------------------------------------
 */

int sy_reflector_new(struct sy_kube *k, const struct sy_reflector_options *options,
                     struct sy_reflector **ret, struct sy_err *err)
{
    uint64_t key[2] = {options->rng_seed, ~options->rng_seed};

    if (options->max_object_bytes > SIZE_MAX / FRAME_FACTOR)
        return sy_err_set(err, -EINVAL, "max_object_bytes is too large");
    if (!options->path || options->path[0] != '/' || strchr(options->path, '?'))
        return sy_err_set(err, -EINVAL, "a reflector's path must begin with / and hold no query");
    struct sy_reflector *r = sy_xcalloc(1, sizeof(*r));
    r->k = k;
    r->options = *options;
    if (!r->options.max_object_bytes)
        r->options.max_object_bytes = OBJECT_DEFAULT_MAX;
    if (sy_kube_is_json_only(k))
        r->options.encoding = SY_ENCODING_JSON;
    r->path = sy_xstrdup(options->path);
    r->query = sy_xstrdup(options->query);
    r->no_watch_list = options->no_watch_list;
    r->strings = sy_strings_new(key);
    sy_decode_init(&r->decode, r->strings, META_ARENA_MAX);
    sy_rng_seed(&r->rng, options->rng_seed);
    r->timer = sy_timer_new(sy_kube_loop(k), on_timer, r);
    r->stall = sy_timer_new(sy_kube_loop(k), on_stall, r);
    relist(r);
    *ret = r;
    return 0;
}

void sy_reflector_start(struct sy_reflector *r)
{
    /* From the loop, so that no callback runs inside this call. */
    r->wait_until = 0;
    sy_timer_arm(r->timer, 0);
}

void sy_reflector_free(struct sy_reflector *r)
{
    if (!r)
        return;
    if (r->stream) {
        struct stream *s = r->stream;

        s->r = NULL;
        sy_kube_cancel(r->k, s->id);
    }
    sy_timer_free(r->timer);
    sy_timer_free(r->stall);
    sy_decode_done(&r->decode);
    sy_strings_free(r->strings);
    free(r->continue_token);
    free(r->path);
    free(r->query);
    free(r);
}

bool sy_reflector_is_synced(const struct sy_reflector *r)
{
    return r->is_synced;
}

bool sy_reflector_is_live(const struct sy_reflector *r)
{
    /* The server tells nothing when a watch begins, so one that holds for a moment is up. */
    bool is_proven = r->stream && r->phase == PHASE_WATCH && sy_kube_is_reachable(r->k) &&
                     sy_clock_boot_ns() - r->stream->started > proven_ns;

    return r->is_synced && r->phase == PHASE_WATCH && (!r->is_down || is_proven) &&
           sy_kube_is_reachable(r->k);
}

const char *sy_reflector_version(const struct sy_reflector *r)
{
    return r->rv;
}

const char *sy_reflector_last_change(const struct sy_reflector *r)
{
    return r->changed;
}

void sy_reflector_hurry(struct sy_reflector *r)
{
    struct stream *s = r->stream;

    if (!s || r->phase != PHASE_WATCH)
        return;
    r->stream = NULL;
    s->r = NULL;
    sy_kube_cancel(r->k, s->id);
    r->is_hurried = true;
    begin(r);
}

const struct sy_reflector_stats *sy_reflector_stats(const struct sy_reflector *r)
{
    return &r->stats;
}
