/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 as a client, over nghttp2 and without a socket: requests become frames, frames become
 * answers. Knows nothing of connections, so that any bytes can be fed to it. */
#include <curl/curl.h>
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http_h2.h"

enum {
    STREAM_WINDOW = 1024 * 1024,
    CONNECTION_WINDOW = 8 * 1024 * 1024,
    LENGTH_TEXT_MAX = 24,
};

struct sy_h2_session {
    nghttp2_session *ng;
    struct sy_h2_session_user user;
    uint32_t streams; /* calls on streams */
    bool is_goodbye;  /* GOAWAY came, or no ids are left */
    char text[160];
};

/* ---- the answer ---- */

static struct sy_h2_call *call_of(nghttp2_session *ng, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(ng, stream_id);
}

static void leave_stream(struct sy_h2_session *s, struct sy_h2_call *c)
{
    nghttp2_session_set_stream_user_data(s->ng, c->stream_id, NULL);
    c->stream_id = 0;
    s->streams--;
}

/* Resets the stream and reports at once: what still comes for it is nobody's. */
static void give_up(struct sy_h2_session *s, struct sy_h2_call *c, uint32_t error, int code,
                    const char *text)
{
    nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, c->stream_id, error);
    leave_stream(s, c);
    s->user.on_end(s->user.arg, c, SY_H2_FAILED, code, text);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg SY_UNUSED)
{
    struct sy_h2_call *c = call_of(ng, frame->hd.stream_id);

    if (c)
        c->is_head = false;
    return 0;
}

static uint32_t retry_after_ms(const char *text)
{
    uint64_t seconds;
    time_t date;
    int64_t wait_s;
    int code = sy_str_u64(sy_str_from(text), &seconds);

    if (!code || code == -ERANGE)
        return !code && seconds < UINT32_MAX / 1000 ? (uint32_t)seconds * 1000 : UINT32_MAX;
    date = curl_getdate(text, NULL);
    if (date < 0)
        return 0;
    wait_s = (int64_t)date - sy_clock_wall_ns() / SY_NS_PER_S;
    if (wait_s <= 0)
        return 0;
    return wait_s < UINT32_MAX / 1000 ? (uint32_t)wait_s * 1000 : UINT32_MAX;
}

/* A final header, an interim one (1xx) or a trailer: only the first counts, and only it has a
 * final status. nghttp2 has seen to it that :status comes first and is three digits. */
static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len,
                     uint8_t flags SY_UNUSED, void *arg)
{
    struct sy_str n = {(const char *)name, name_len};
    struct sy_h2_call *c = call_of(ng, frame->hd.stream_id);
    struct sy_h2_session *s = arg;
    struct sy_transfer *t;

    if (!c)
        return 0;
    c->header_bytes += name_len + value_len + 32;
    if (c->header_bytes > SY_H2_HEADERS_MAX) {
        give_up(s, c, NGHTTP2_CANCEL, -EPROTO, "the answer's headers are larger than allowed");
        return 0;
    }
    t = c->transfer;
    if (name_len == 7 && sy_str_eq(n, SY_STR(":status"))) {
        int status = 0;

        for (size_t i = 0; i < value_len && i < 3; i++)
            status = status * 10 + (value[i] - '0');
        if (status / 100 == 1)
            return 0;
        if (status < 100) {
            give_up(s, c, NGHTTP2_PROTOCOL_ERROR, -EPROTO, "the answer's status is none");
            return 0;
        }
        c->is_head = true;
        t->status = status;
    } else if (!c->is_head) {
        return 0;
    } else if (name_len == 12 && sy_str_eq(n, SY_STR("content-type"))) {
        size_t len = value_len < SY_HTTP_TYPE_MAX ? value_len : SY_HTTP_TYPE_MAX - 1;

        memcpy(t->content_type, value, len);
        t->content_type[len] = '\0';
    } else if (name_len == 11 && sy_str_eq(n, SY_STR("retry-after"))) {
        /* nghttp2 ends values with a NUL. */
        t->retry_after_ms = retry_after_ms((const char *)value);
    }
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags SY_UNUSED, int32_t stream_id,
                   const uint8_t *data, size_t len, void *arg)
{
    struct sy_h2_session *s = arg;
    struct sy_h2_call *c = call_of(ng, stream_id);
    int code;

    if (!c)
        return 0;
    code = s->user.on_data(s->user.arg, c, (struct sy_str){(const char *)data, len});
    if (code)
        give_up(s, c, NGHTTP2_CANCEL, code, "the answer is not wanted");
    return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct sy_h2_session *s = arg;
    struct sy_h2_call *c;

    switch (frame->hd.type) {
    case NGHTTP2_GOAWAY:
        s->is_goodbye = true;
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR)
            snprintf(s->text, sizeof(s->text), "the server ended the connection: %s",
                     nghttp2_http2_strerror(frame->goaway.error_code));
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
            break;
        c = call_of(ng, frame->hd.stream_id);
        if (!c)
            break;
        c->is_whole = true;
        /* Answered before the request was sent in full: the rest is not needed. */
        if (nghttp2_session_get_stream_local_close(ng, frame->hd.stream_id) == 0)
            nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
        break;
    default:
        break;
    }
    return 0;
}

static int on_bad_frame(nghttp2_session *ng SY_UNUSED, const nghttp2_frame *frame SY_UNUSED,
                        int error, void *arg)
{
    struct sy_h2_session *s = arg;

    snprintf(s->text, sizeof(s->text), "the server broke the HTTP/2 protocol: %s",
             nghttp2_strerror(error));
    return 0;
}

static int on_close(nghttp2_session *ng, int32_t stream_id, uint32_t error, void *arg)
{
    struct sy_h2_session *s = arg;
    struct sy_h2_call *c = call_of(ng, stream_id);
    char text[160];

    if (!c)
        return 0;
    leave_stream(s, c);
    if (c->is_whole && c->transfer->status) {
        s->user.on_end(s->user.arg, c, SY_H2_ANSWERED, 0, "");
    } else if (error == NGHTTP2_REFUSED_STREAM && !c->transfer->status) {
        s->user.on_end(s->user.arg, c, SY_H2_UNPROCESSED, -ECONNRESET,
                       "the server took no more requests");
    } else {
        bool is_ours = error == NGHTTP2_PROTOCOL_ERROR && s->text[0];

        snprintf(text, sizeof(text), "the HTTP/2 stream ended early: %s",
                 nghttp2_http2_strerror(error));
        s->user.on_end(s->user.arg, c, SY_H2_FAILED, is_ours ? -EPROTO : -ECONNRESET,
                       is_ours ? s->text : text);
    }
    return 0;
}

/* ---- the request ---- */

static int before_send(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct sy_h2_session *s = arg;
    struct sy_h2_call *c;

    if (frame->hd.type == NGHTTP2_HEADERS) {
        c = call_of(ng, frame->hd.stream_id);
        if (c)
            c->is_sent = true;
    } else if (frame->hd.type == NGHTTP2_GOAWAY && !s->text[0] &&
               frame->goaway.error_code != NGHTTP2_NO_ERROR) {
        snprintf(s->text, sizeof(s->text), "the server broke the HTTP/2 protocol: %s",
                 nghttp2_http2_strerror(frame->goaway.error_code));
    }
    return 0;
}

static ssize_t read_body(nghttp2_session *ng, int32_t stream_id, uint8_t *buf, size_t room,
                         uint32_t *ret_flags, nghttp2_data_source *source SY_UNUSED,
                         void *arg SY_UNUSED)
{
    struct sy_h2_call *c = call_of(ng, stream_id);
    struct sy_str body;
    size_t len;

    /* Canceled; its reset is on the way. */
    if (!c)
        return NGHTTP2_ERR_DEFERRED;
    body = c->transfer->body;
    len = body.len - c->body_at;
    if (len > room)
        len = room;
    memcpy(buf, body.p + c->body_at, len);
    c->body_at += len;
    if (c->body_at == body.len)
        *ret_flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static nghttp2_nv field(const char *name, size_t name_len, const char *value, size_t value_len)
{
    /* nghttp2 reads only. */
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, name_len,
                        value_len, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

/* Fields that speak of an HTTP/1.1 connection must not be sent; the length is ours to give. */
static bool is_of_http1(const char *name, size_t len)
{
    static const char *const names[] = {"connection",        "keep-alive", "proxy-connection", "te",
                                        "transfer-encoding", "upgrade",    "content-length"};

    for (size_t i = 0; i < SY_ARRAY_LEN(names); i++) {
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return true;
    }
    return false;
}

/* "Name: value" as a field. false: it is none to be sent. */
static bool split_line(char *line, nghttp2_nv *ret)
{
    char *name = line, *value;
    size_t len;

    for (; *line && *line != ':'; line++) {
        if (*line >= 'A' && *line <= 'Z')
            *line = (char)(*line - 'A' + 'a');
    }
    len = (size_t)(line - name);
    value = *line ? line + 1 : line;
    while (*value == ' ' || *value == '\t')
        value++;
    if (!*value || is_of_http1(name, len))
        return false;
    *ret = field(name, len, value, strlen(value));
    return true;
}

/* n in decimal, at the end of text. */
static struct sy_str put_length(size_t n, char text[LENGTH_TEXT_MAX])
{
    char *p = text + LENGTH_TEXT_MAX;

    do {
        *--p = (char)('0' + n % 10);
    } while (n /= 10);
    return (struct sy_str){p, (size_t)(text + LENGTH_TEXT_MAX - p)};
}

int sy_h2_session_submit(struct sy_h2_session *s, struct sy_h2_call *c, const char *authority)
{
    const struct sy_transfer *t = c->transfer;
    bool is_post = t->method[0] == 'P', has_body = t->body.len > 0;
    nghttp2_data_provider provider = {.read_callback = read_body};
    nghttp2_nv fields[SY_H2_LINES_MAX + 5];
    char length[LENGTH_TEXT_MAX];
    size_t n = 0;
    int32_t id;

    fields[n++] = field(":method", 7, t->method, strlen(t->method));
    fields[n++] = field(":scheme", 7, "https", 5);
    fields[n++] = field(":authority", 10, authority, strlen(authority));
    fields[n++] = field(":path", 5, c->path, strlen(c->path));
    for (const struct curl_slist *line = t->headers; line; line = line->next) {
        nghttp2_nv nv;

        if (!split_line(line->data, &nv))
            continue;
        if (nv.namelen == 4 && memcmp(nv.name, "host", 4) == 0)
            fields[2] = field(":authority", 10, (const char *)nv.value, nv.valuelen);
        else if (n < SY_H2_LINES_MAX + 4)
            fields[n++] = nv;
    }
    if (has_body || is_post) {
        struct sy_str digits = put_length(t->body.len, length);

        /* The digits do not outlive this call. */
        fields[n] = field("content-length", 14, digits.p, digits.len);
        fields[n++].flags = NGHTTP2_NV_FLAG_NO_COPY_NAME;
    }
    id = nghttp2_submit_request(s->ng, NULL, fields, n, has_body ? &provider : NULL, c);
    if (id < 0) {
        if (id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE)
            s->is_goodbye = true;
        return id == NGHTTP2_ERR_NOMEM ? -ENOMEM : -ECONNRESET;
    }
    c->stream_id = id;
    c->body_at = c->header_bytes = 0;
    c->is_sent = c->is_head = c->is_whole = false;
    s->streams++;
    return 0;
}

void sy_h2_session_cancel(struct sy_h2_session *s, struct sy_h2_call *c)
{
    if (!c->stream_id)
        return;
    nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, c->stream_id, NGHTTP2_CANCEL);
    leave_stream(s, c);
}

/* ---- the session ---- */

int sy_h2_session_recv(struct sy_h2_session *s, const uint8_t *p, size_t len)
{
    ssize_t n = nghttp2_session_mem_recv(s->ng, p, len);

    if (n >= 0)
        return 0;
    snprintf(s->text, sizeof(s->text), "the server broke the HTTP/2 protocol: %s",
             nghttp2_strerror((int)n));
    return n == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO;
}

ssize_t sy_h2_session_send(struct sy_h2_session *s, const uint8_t **ret)
{
    ssize_t n = nghttp2_session_mem_send(s->ng, ret);

    return n >= 0 ? n : n == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO;
}

void sy_h2_session_ping(struct sy_h2_session *s)
{
    nghttp2_submit_ping(s->ng, NGHTTP2_FLAG_NONE, NULL);
}

void sy_h2_session_shutdown(struct sy_h2_session *s)
{
    nghttp2_session_terminate_session(s->ng, NGHTTP2_NO_ERROR);
}

uint32_t sy_h2_session_room(const struct sy_h2_session *s, uint32_t most)
{
    uint32_t allowed;

    if (sy_h2_session_is_leaving(s))
        return 0;
    allowed = nghttp2_session_get_remote_settings(s->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    if (allowed > most)
        allowed = most;
    return allowed > s->streams ? allowed - s->streams : 0;
}

bool sy_h2_session_is_leaving(const struct sy_h2_session *s)
{
    return s->is_goodbye || !nghttp2_session_check_request_allowed(s->ng);
}

bool sy_h2_session_is_over(const struct sy_h2_session *s)
{
    return !nghttp2_session_want_read(s->ng) && !nghttp2_session_want_write(s->ng);
}

const char *sy_h2_session_text(const struct sy_h2_session *s)
{
    return s->text[0] ? s->text : "the server closed the connection";
}

static int session_open(struct sy_h2_session *s, nghttp2_session_callbacks *callbacks,
                        nghttp2_option *option)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, SY_H2_HEADERS_MAX},
    };

    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_bad_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, before_send);
    /* Closed streams are kept for a priority tree that nobody uses. */
    nghttp2_option_set_no_closed_streams(option, 1);
    if (nghttp2_session_client_new2(&s->ng, callbacks, s, option) != 0 ||
        nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, settings, SY_ARRAY_LEN(settings)) != 0 ||
        nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) != 0)
        return -ENOMEM;
    return 0;
}

int sy_h2_session_new(const struct sy_h2_session_user *user, struct sy_h2_session **ret)
{
    struct sy_h2_session *s = sy_xcalloc(1, sizeof(*s));
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int code = -ENOMEM;

    s->user = *user;
    if (nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0)
        code = session_open(s, callbacks, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    if (code) {
        sy_h2_session_free(s);
        return code;
    }
    *ret = s;
    return 0;
}

void sy_h2_session_free(struct sy_h2_session *s)
{
    if (!s)
        return;
    nghttp2_session_del(s->ng);
    free(s);
}
