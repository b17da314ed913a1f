/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP/2 transport. The first group feeds frames made by hand to a session without a socket;
 * the second meets a thread that plays frames over TLS. What it does with a real server is in
 * test_http.c. */
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "net/http_h2.h"

/* ---- frames ---- */

enum { DATA, HEADERS, RST_STREAM = 3, SETTINGS, PING = 6, GOAWAY, WINDOW_UPDATE, CONTINUATION };
enum { ACK = 1, END_STREAM = 1, END_HEADERS = 4 };

static void add_u32(struct sy_buf *b, uint32_t x)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        sy_buf_addc(b, (char)(x >> shift));
}

static void add_frame(struct sy_buf *b, int type, int flags, uint32_t stream, const void *p,
                      size_t len)
{
    sy_buf_addc(b, (char)(len >> 16));
    sy_buf_addc(b, (char)(len >> 8));
    sy_buf_addc(b, (char)len);
    sy_buf_addc(b, (char)type);
    sy_buf_addc(b, (char)flags);
    add_u32(b, stream);
    sy_buf_add(b, p, len);
}

static void add_settings(struct sy_buf *b, uint16_t id, uint32_t value)
{
    const uint8_t entry[] = {0,
                             (uint8_t)id,
                             (uint8_t)(value >> 24),
                             (uint8_t)(value >> 16),
                             (uint8_t)(value >> 8),
                             (uint8_t)value};

    add_frame(b, SETTINGS, 0, 0, entry, id ? sizeof(entry) : 0);
}

/* A frame with one or two numbers in it: RST_STREAM, WINDOW_UPDATE, GOAWAY. */
static void add_numbers(struct sy_buf *b, int type, uint32_t stream, uint32_t first, int64_t second)
{
    struct sy_buf p;

    sy_buf_init(&p, 8);
    add_u32(&p, first);
    if (second >= 0)
        add_u32(&p, (uint32_t)second);
    add_frame(b, type, 0, stream, p.p, p.len);
    sy_buf_done(&p);
}

/* fields: "name=value;name=value". */
static void add_headers(struct sy_buf *b, int flags, uint32_t stream, const char *fields)
{
    struct sy_buf p;

    sy_buf_init(&p, SIZE_MAX);
    while (*fields) {
        size_t name = strcspn(fields, "="), value = strcspn(fields + name + 1, ";");

        sy_buf_addc(&p, 0);
        sy_buf_addc(&p, (char)name);
        sy_buf_add(&p, fields, name);
        sy_buf_addc(&p, (char)value);
        sy_buf_add(&p, fields + name + 1, value);
        fields += name + 1 + value;
        fields += *fields == ';';
    }
    add_frame(b, HEADERS, END_HEADERS | flags, stream, p.p, p.len);
    sy_buf_done(&p);
}

static void add_answer(struct sy_buf *b, uint32_t stream, const char *body)
{
    add_headers(b, 0, stream, ":status=200;content-type=application/json");
    add_frame(b, DATA, END_STREAM, stream, body, strlen(body));
}

/* ---- a session without a socket ---- */

enum { CALLS = 4 };

struct fate {
    struct sy_transfer transfer;
    struct sy_h2_call call;
    int ends;
    enum sy_h2_fate fate;
    int code;
    char text[256];
    struct sy_buf body;
    size_t body_max;
};

struct bare {
    struct sy_h2_session *s;
    struct sy_buf in;  /* to be fed */
    struct sy_buf out; /* what the session sent */
    struct fate f[CALLS];
};

static void on_end(void *arg SY_UNUSED, struct sy_h2_call *c, enum sy_h2_fate fate, int code,
                   const char *text)
{
    struct fate *f = (struct fate *)(void *)c->transfer;

    assert_int_equal(c->stream_id, 0);
    f->ends++;
    f->fate = fate;
    f->code = code;
    snprintf(f->text, sizeof(f->text), "%s", text);
}

static int on_piece(void *arg SY_UNUSED, struct sy_h2_call *c, struct sy_str piece)
{
    struct fate *f = (struct fate *)(void *)c->transfer;

    assert_int_equal(f->ends, 0);
    if (f->body.len + piece.len > f->body_max)
        return -E2BIG;
    sy_buf_add(&f->body, piece.p, piece.len);
    return 0;
}

static void pump(struct bare *b)
{
    const uint8_t *p;
    ssize_t n;

    while ((n = sy_h2_session_send(b->s, &p)) > 0)
        sy_buf_add(&b->out, p, (size_t)n);
    assert_int_equal(n, 0);
}

/* In reads of so many bytes. */
static int feed(struct bare *b, size_t piece)
{
    int code = 0;

    for (size_t at = 0; at < b->in.len && !code; at += piece) {
        size_t len = b->in.len - at < piece ? b->in.len - at : piece;

        code = sy_h2_session_recv(b->s, (const uint8_t *)b->in.p + at, len);
    }
    sy_buf_reset(&b->in);
    if (!code)
        pump(b);
    return code;
}

static int bare_setup(void **state)
{
    struct sy_h2_session_user user = {.on_end = on_end, .on_data = on_piece};
    struct bare *b = sy_xcalloc(1, sizeof(*b));

    assert_int_equal(sy_h2_session_new(&user, &b->s), 0);
    sy_buf_init(&b->in, SIZE_MAX);
    sy_buf_init(&b->out, SIZE_MAX);
    for (int i = 0; i < CALLS; i++) {
        struct fate *f = &b->f[i];

        f->transfer.method = "POST";
        f->transfer.body = SY_STR("{}");
        f->call.transfer = &f->transfer;
        f->call.path = "/api/v1/namespaces/default/pods/p/binding";
        f->body_max = SIZE_MAX;
        sy_buf_init(&f->body, SIZE_MAX);
    }
    add_settings(&b->in, 0, 0);
    *state = b;
    return 0;
}

static int bare_teardown(void **state)
{
    struct bare *b = *state;

    sy_h2_session_free(b->s);
    sy_buf_done(&b->in);
    sy_buf_done(&b->out);
    for (int i = 0; i < CALLS; i++)
        sy_buf_done(&b->f[i].body);
    free(b);
    return 0;
}

static void submit_all(struct bare *b)
{
    for (int i = 0; i < CALLS; i++)
        assert_int_equal(sy_h2_session_submit(b->s, &b->f[i].call, "10.0.0.1:6443"), 0);
    pump(b);
    for (int i = 0; i < CALLS; i++) {
        assert_true(b->f[i].call.is_sent);
        assert_int_equal(b->f[i].call.stream_id, 2 * i + 1);
    }
}

/* Frames of a type that the session has sent, and the bytes in them. */
static int sent(const struct bare *b, int type, size_t *ret_bytes)
{
    size_t at = 24, bytes = 0;
    int n = 0;

    assert_true(b->out.len >= at && memcmp(b->out.p, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", at) == 0);
    while (at + 9 <= b->out.len) {
        const uint8_t *h = (const uint8_t *)b->out.p + at;
        size_t len = (size_t)h[0] << 16 | (size_t)h[1] << 8 | h[2];

        if (h[3] == type) {
            n++;
            bytes += len;
        }
        at += 9 + len;
    }
    if (ret_bytes)
        *ret_bytes = bytes;
    return n;
}

/* ---- the session ---- */

static void an_answer_is_read_in_any_pieces(void **state)
{
    static const size_t pieces[] = {SIZE_MAX, 1, 7};
    struct bare *b = *state;

    submit_all(b);
    for (size_t i = 0; i < SY_ARRAY_LEN(pieces); i++) {
        struct fate *f = &b->f[i];

        /* Interim answers first, and trailers that look like a header. */
        add_headers(&b->in, 0, (uint32_t)(2 * i + 1), ":status=100;retry-after=1");
        add_headers(&b->in, 0, (uint32_t)(2 * i + 1), ":status=103;content-type=text/plain");
        add_headers(&b->in, 0, (uint32_t)(2 * i + 1),
                    ":status=429;content-type=application/json;retry-after=7;date=x");
        add_frame(&b->in, DATA, 0, (uint32_t)(2 * i + 1), "he", 2);
        add_frame(&b->in, DATA, 0, (uint32_t)(2 * i + 1), "llo", 3);
        add_headers(&b->in, END_STREAM, (uint32_t)(2 * i + 1),
                    "content-type=text/html;retry-after=9;x=y");
        assert_int_equal(feed(b, pieces[i]), 0);
        assert_int_equal(f->ends, 1);
        assert_int_equal(f->fate, SY_H2_ANSWERED);
        assert_int_equal(f->code, 0);
        assert_int_equal(f->transfer.status, 429);
        assert_int_equal(f->transfer.retry_after_ms, 7000);
        assert_string_equal(f->transfer.content_type, "application/json");
        assert_true(sy_str_eqz(sy_buf_str(&f->body), "hello"));
    }
    assert_int_equal(b->f[3].ends, 0);
}

static void retry_after_may_be_a_date(void **state)
{
    static const struct {
        const char *fields;
        uint32_t least, most;
    } cases[] = {
        {":status=503;retry-after=Fri, 01 Jan 2100 00:00:00 GMT", 3600 * 1000, UINT32_MAX},
        {":status=503;retry-after=Fri, 01 Jan 2010 00:00:00 GMT", 0, 0},
        {":status=503;retry-after=99999999999999999999999", UINT32_MAX, UINT32_MAX},
        {":status=503;retry-after=soon", 0, 0},
    };
    struct bare *b = *state;

    submit_all(b);
    for (size_t i = 0; i < SY_ARRAY_LEN(cases); i++) {
        add_headers(&b->in, END_STREAM, (uint32_t)(2 * i + 1), cases[i].fields);
        assert_int_equal(feed(b, SIZE_MAX), 0);
        assert_int_equal(b->f[i].fate, SY_H2_ANSWERED);
        assert_in_range(b->f[i].transfer.retry_after_ms, cases[i].least, cases[i].most);
    }
}

/* "name: value\n" of the first HEADERS frame that the session sent. */
static void read_request(const struct bare *b, char *text, size_t room)
{
    nghttp2_hd_inflater *inflater;
    size_t at = 24, used = 0;
    const uint8_t *p;
    size_t len;

    for (;;) {
        p = (const uint8_t *)b->out.p + at;
        len = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
        if (p[3] == HEADERS)
            break;
        at += 9 + len;
        assert_true(at + 9 <= b->out.len);
    }
    p += 9;
    assert_int_equal(nghttp2_hd_inflate_new(&inflater), 0);
    while (len) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, p, len, 1);

        assert_true(n >= 0);
        p += n;
        len -= (size_t)n;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            used += (size_t)snprintf(text + used, room - used, "%s: %s\n", nv.name, nv.value);
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
    }
    nghttp2_hd_inflate_del(inflater);
}

static void a_request_is_put_in_fields(void **state)
{
    struct bare *b = *state;
    char lines[][64] = {"Content-Type: application/json", "X-Empty:",    "Connection: close",
                        "AUTHORIZATION:Bearer tOKEN",     "Host: other", "Content-Length: 77",
                        "Transfer-Encoding: chunked"};
    struct curl_slist nodes[SY_ARRAY_LEN(lines)];
    char text[1024] = "";

    for (size_t i = 0; i < SY_ARRAY_LEN(lines); i++)
        nodes[i] =
            (struct curl_slist){lines[i], i + 1 < SY_ARRAY_LEN(lines) ? &nodes[i + 1] : NULL};
    b->f[0].transfer.headers = nodes;
    b->f[0].transfer.body = SY_STR("{\"a\":[1,2]}");
    assert_int_equal(sy_h2_session_submit(b->s, &b->f[0].call, "10.0.0.1:6443"), 0);
    pump(b);
    read_request(b, text, sizeof(text));
    assert_string_equal(text, ":method: POST\n:scheme: https\n:authority: other\n"
                              ":path: /api/v1/namespaces/default/pods/p/binding\n"
                              "content-type: application/json\nauthorization: Bearer tOKEN\n"
                              "content-length: 11\n");
    assert_non_null(memmem(b->out.p, b->out.len, "{\"a\":[1,2]}", 11));
}

static void resets_say_what_they_mean(void **state)
{
    struct bare *b = *state;

    submit_all(b);
    add_numbers(&b->in, RST_STREAM, 1, NGHTTP2_REFUSED_STREAM, -1);
    add_numbers(&b->in, RST_STREAM, 3, NGHTTP2_INTERNAL_ERROR, -1);
    /* A refusal after the answer began cannot be true. */
    add_headers(&b->in, 0, 5, ":status=200");
    add_numbers(&b->in, RST_STREAM, 5, NGHTTP2_REFUSED_STREAM, -1);
    /* The end of an answer cut short, without a reason. */
    add_headers(&b->in, 0, 7, ":status=200");
    add_frame(&b->in, DATA, 0, 7, "{", 1);
    add_numbers(&b->in, RST_STREAM, 7, NGHTTP2_NO_ERROR, -1);
    assert_int_equal(feed(b, SIZE_MAX), 0);
    assert_int_equal(b->f[0].fate, SY_H2_UNPROCESSED);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(b->f[i].ends, 1);
        assert_int_equal(b->f[i].code, -ECONNRESET);
        if (i)
            assert_int_equal(b->f[i].fate, SY_H2_FAILED);
    }
    assert_int_equal(sy_h2_session_room(b->s, 10), 10);
}

static void an_early_answer_needs_no_more_of_the_request(void **state)
{
    struct bare *b = *state;
    size_t bytes;

    b->f[0].transfer.body = (struct sy_str){sy_xcalloc(1, 300000), 300000};
    submit_all(b);
    sent(b, DATA, &bytes);
    assert_true(bytes <= 65535);
    add_headers(&b->in, END_STREAM, 1, ":status=413");
    assert_int_equal(feed(b, SIZE_MAX), 0);
    assert_int_equal(b->f[0].fate, SY_H2_ANSWERED);
    assert_int_equal(b->f[0].transfer.status, 413);
    assert_int_equal(sent(b, RST_STREAM, NULL), 1);
    free((void *)(uintptr_t)b->f[0].transfer.body.p);
}

static void a_goodbye_tells_what_was_not_done(void **state)
{
    struct bare *b = *state;

    submit_all(b);
    assert_int_equal(sy_h2_session_room(b->s, 10), 6);
    add_numbers(&b->in, GOAWAY, 0, 3, NGHTTP2_NO_ERROR);
    assert_int_equal(feed(b, SIZE_MAX), 0);
    assert_int_equal(b->f[0].ends + b->f[1].ends, 0);
    for (int i = 2; i < CALLS; i++) {
        assert_int_equal(b->f[i].ends, 1);
        assert_int_equal(b->f[i].fate, SY_H2_UNPROCESSED);
    }
    assert_int_equal(sy_h2_session_room(b->s, 10), 0);
    assert_true(sy_h2_session_is_leaving(b->s));
    assert_false(sy_h2_session_is_over(b->s));
    add_answer(&b->in, 1, "{}");
    add_answer(&b->in, 3, "{}");
    assert_int_equal(feed(b, 1), 0);
    assert_int_equal(b->f[0].fate, SY_H2_ANSWERED);
    assert_int_equal(b->f[1].fate, SY_H2_ANSWERED);
    assert_true(sy_h2_session_is_over(b->s));
}

static void the_servers_window_holds_a_body_back(void **state)
{
    enum { LEN = 200000 };
    struct bare *b = *state;
    size_t bytes;

    b->f[0].transfer.body = (struct sy_str){sy_xcalloc(1, LEN), LEN};
    assert_int_equal(sy_h2_session_submit(b->s, &b->f[0].call, "h"), 0);
    pump(b);
    sent(b, DATA, &bytes);
    assert_int_equal(bytes, 65535);
    add_numbers(&b->in, WINDOW_UPDATE, 1, LEN, -1);
    assert_int_equal(feed(b, SIZE_MAX), 0);
    sent(b, DATA, &bytes);
    assert_int_equal(bytes, 65535);
    add_numbers(&b->in, WINDOW_UPDATE, 0, 1000, -1);
    assert_int_equal(feed(b, SIZE_MAX), 0);
    sent(b, DATA, &bytes);
    assert_int_equal(bytes, 66535);
    add_numbers(&b->in, WINDOW_UPDATE, 0, LEN, -1);
    add_answer(&b->in, 1, "{}");
    assert_int_equal(feed(b, SIZE_MAX), 0);
    free((void *)(uintptr_t)b->f[0].transfer.body.p);
    assert_int_equal(b->f[0].fate, SY_H2_ANSWERED);
}

static void the_servers_limit_of_streams_holds(void **state)
{
    struct bare *b = *state;

    assert_int_equal(sy_h2_session_room(b->s, 1000), 100);
    add_settings(&b->in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 5);
    assert_int_equal(feed(b, SIZE_MAX), 0);
    assert_int_equal(sy_h2_session_room(b->s, 1000), 5);
    submit_all(b);
    assert_int_equal(sy_h2_session_room(b->s, 1000), 1);
    add_settings(&b->in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2);
    assert_int_equal(feed(b, SIZE_MAX), 0);
    assert_int_equal(sy_h2_session_room(b->s, 1000), 0);
    assert_false(sy_h2_session_is_leaving(b->s));
}

static void an_unwanted_answer_is_reset(void **state)
{
    struct bare *b = *state;

    b->f[0].body_max = 4;
    submit_all(b);
    add_answer(&b->in, 3, "first");
    add_headers(&b->in, 0, 1, ":status=200");
    add_frame(&b->in, DATA, 0, 1, "1234", 4);
    add_frame(&b->in, DATA, 0, 1, "5", 1);
    add_frame(&b->in, DATA, 0, 1, "late", 4);
    sy_h2_session_cancel(b->s, &b->f[2].call);
    add_answer(&b->in, 5, "canceled");
    add_answer(&b->in, 7, "last");
    assert_int_equal(feed(b, SIZE_MAX), 0);
    assert_int_equal(b->f[0].ends, 1);
    assert_int_equal(b->f[0].code, -E2BIG);
    assert_int_equal(b->f[0].body.len, 4);
    assert_int_equal(b->f[2].ends, 0);
    assert_int_equal(b->f[2].body.len, 0);
    assert_int_equal(b->f[1].fate, SY_H2_ANSWERED);
    assert_int_equal(b->f[3].fate, SY_H2_ANSWERED);
    assert_int_equal(sent(b, RST_STREAM, NULL), 2);
}

static void huge_headers_end_their_answer_only(void **state)
{
    struct bare *b = *state;
    char *field = sy_xcalloc(1, 16000), *p = field;

    /* 127 fields of 125 bytes, so that lengths take one byte. */
    for (int i = 0; i < 120; i++) {
        p[0] = 0;
        p[1] = 2;
        memcpy(p + 2, "ab", 2);
        p[4] = 120;
        memset(p + 5, 'x', 120);
        p += 125;
    }
    submit_all(b);
    add_frame(&b->in, HEADERS, 0, 1, "\x88", 1);
    for (int i = 0; i < 4; i++)
        add_frame(&b->in, CONTINUATION, i == 3 ? END_HEADERS : 0, 1, field, 15000);
    assert_int_equal(feed(b, 4096), 0);
    assert_int_equal(b->f[0].ends, 1);
    assert_int_equal(b->f[0].code, -EPROTO);
    assert_non_null(strstr(b->f[0].text, "headers are larger"));
    add_answer(&b->in, 3, "{}");
    assert_int_equal(feed(b, SIZE_MAX), 0);
    assert_int_equal(b->f[1].fate, SY_H2_ANSWERED);
    free(field);
}

static void broken_frames_end_the_session(void **state)
{
    static const struct {
        const char *p;
        size_t len;
    } cases[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", 28},
        {"\0\0\1\0\0\0\0\0\0x", 10},                /* DATA on stream 0 */
        {"\0\0\4\1\4\0\0\0\1\xff\xff\xff\xff", 13}, /* HPACK garbage */
        {"\xff\xff\xff\0\0\0\0\0\1", 9},            /* 16 MB */
        {"\0\0\5\4\0\0\0\0\0\1\2\3\4\5", 14},       /* half a setting */
        {"\0\0\1\5\4\0\0\0\1\0", 10},               /* a push */
        {"\0\0\4\10\0\0\0\0\0\0\0\0\0", 13},        /* a window of nothing */
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(cases); i++) {
        struct bare *b;
        int code;

        bare_teardown(state);
        bare_setup(state);
        b = *state;
        submit_all(b);
        if (i)
            assert_int_equal(feed(b, SIZE_MAX), 0);
        sy_buf_reset(&b->in);
        sy_buf_add(&b->in, cases[i].p, cases[i].len);
        code = feed(b, SIZE_MAX);
        if (code != -EPROTO && !sy_h2_session_is_over(b->s))
            fail_msg("case %zu goes on: %d", i, code);
        if (!strstr(sy_h2_session_text(b->s), "broke the HTTP/2 protocol"))
            fail_msg("case %zu: %s", i, sy_h2_session_text(b->s));
    }
}

static void lengths_and_statuses_must_be_right(void **state)
{
    struct bare *b = *state;

    submit_all(b);
    add_headers(&b->in, 0, 1, ":status=200;content-length=50");
    add_frame(&b->in, DATA, END_STREAM, 1, "short", 5);
    add_headers(&b->in, 0, 3, ":status=abc");
    add_headers(&b->in, END_STREAM, 5, ":status=052");
    add_answer(&b->in, 7, "{}");
    assert_int_equal(feed(b, SIZE_MAX), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(b->f[i].ends, 1);
        assert_int_equal(b->f[i].fate, SY_H2_FAILED);
        assert_int_equal(b->f[i].code, -EPROTO);
    }
    assert_int_equal(b->f[3].fate, SY_H2_ANSWERED);
}

/* ---- a peer that plays frames over TLS ---- */

enum { PLAYS_MAX = 9 };

/* What is done with one connection. */
struct play {
    int requests;         /* to be seen before... */
    struct sy_buf frames; /* ...this is sent... */
    struct sy_buf later;  /* ...and this after one request more */
    int pause_ms;         /* before the first */
    const char *protocol; /* "\2h2" by default; "": none chosen */
    const char *text;     /* sent instead of a handshake */
    bool closes;          /* then, else the client does */
    bool pongs;           /* answers PINGs */
    bool is_mute;         /* accepts, and no more */
};

struct peer {
    struct play plays[PLAYS_MAX];
    int listen_fd;
    SSL_CTX *ctx;
    pthread_t thread;
    atomic_int accepted;
    atomic_int headers, resets, pings, datas;
};

struct outcome {
    struct fixture *fixture;
    sy_http_id id;
    int calls;
    int code;
    int status;
    bool maybe_sent;
    char error[256];
    char body[64];
    int64_t duration_ns;
};

struct fixture {
    struct sy_loop *loop;
    struct sy_http *http;
    struct sy_timer *guard;
    struct peer peer;
    char url[128];
    char ca[4096];
    int left;
};

static int choose(SSL *ssl SY_UNUSED, const unsigned char **ret, unsigned char *ret_len,
                  const unsigned char *offered SY_UNUSED, unsigned int len SY_UNUSED, void *arg)
{
    struct peer *p = arg;
    const char *protocol = p->plays[p->accepted - 1].protocol;

    if (!protocol)
        protocol = "\2h2";
    if (!*protocol)
        return SSL_TLSEXT_ERR_NOACK;
    *ret = (const unsigned char *)protocol + 1;
    *ret_len = (unsigned char)protocol[0];
    return SSL_TLSEXT_ERR_OK;
}

/* A certificate for localhost and 127.0.0.1, signed by itself. */
static void make_certificate(SSL_CTX *ctx, char *ret_pem, size_t room)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    X509_EXTENSION *names =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    BIO *bio = BIO_new(BIO_s_mem());
    int len;

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"peer", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    X509_add_ext(cert, names, -1);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    SSL_CTX_use_certificate(ctx, cert);
    SSL_CTX_use_PrivateKey(ctx, key);
    PEM_write_bio_X509(bio, cert);
    len = BIO_read(bio, ret_pem, (int)room - 1);
    assert_true(len > 0);
    ret_pem[len] = '\0';
    BIO_free(bio);
    X509_EXTENSION_free(names);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static bool read_n(SSL *ssl, void *p, size_t len)
{
    for (size_t at = 0; at < len;) {
        int n = SSL_read(ssl, (char *)p + at, (int)(len - at));

        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* Takes one frame. */
static bool read_frame(struct peer *p, SSL *ssl, const struct play *play, int *headers)
{
    static const uint8_t pong[] = {0, 0, 8, PING, ACK, 0, 0, 0, 0};
    uint8_t head[9], payload[17000];
    size_t len;

    if (!read_n(ssl, head, sizeof(head)))
        return false;
    len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    if (len > sizeof(payload) || !read_n(ssl, payload, len))
        return false;
    if (head[3] == HEADERS) {
        p->headers++;
        ++*headers;
    } else if (head[3] == DATA) {
        p->datas++;
    } else if (head[3] == RST_STREAM) {
        p->resets++;
    } else if (head[3] == PING && !(head[4] & ACK)) {
        p->pings++;
        if (play->pongs)
            return SSL_write(ssl, pong, sizeof(pong)) > 0 && SSL_write(ssl, payload, 8) > 0;
    }
    return true;
}

static void play_frames(struct peer *p, SSL *ssl, const struct play *play)
{
    bool is_http1 = play->protocol && strcmp(play->protocol, "\2h2") != 0;
    static const uint8_t settings[] = {0, 0, 0, SETTINGS, 0, 0, 0, 0, 0};
    char preface[24], text[4096];
    int headers = 0;

    if (is_http1) {
        if (play->frames.len && SSL_read(ssl, text, sizeof(text)) > 0)
            SSL_write(ssl, play->frames.p, (int)play->frames.len);
        if (!play->closes)
            read_n(ssl, text, sizeof(text));
        return;
    }
    if (!read_n(ssl, preface, sizeof(preface)) || SSL_write(ssl, settings, sizeof(settings)) <= 0)
        return;
    while (headers < play->requests) {
        if (!read_frame(p, ssl, play, &headers))
            return;
    }
    for (int ms = 0; ms < play->pause_ms;) {
        struct pollfd poll_fd = {.fd = SSL_get_fd(ssl), .events = POLLIN};

        if (SSL_pending(ssl) || poll(&poll_fd, 1, 10) > 0) {
            if (!read_frame(p, ssl, play, &headers))
                return;
        } else {
            ms += 10;
        }
    }
    if (play->frames.len)
        SSL_write(ssl, play->frames.p, (int)play->frames.len);
    while (play->later.len && headers <= play->requests) {
        if (!read_frame(p, ssl, play, &headers))
            return;
    }
    if (play->later.len)
        SSL_write(ssl, play->later.p, (int)play->later.len);
    while (!play->closes && read_frame(p, ssl, play, &headers))
        ;
}

static void *run_peer(void *arg)
{
    struct peer *p = arg;

    for (int i = 0; i < PLAYS_MAX; i++) {
        const struct play *play = &p->plays[i];
        int fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        char rest[512];
        SSL *ssl;

        if (fd < 0)
            break;
        p->accepted++;
        if (play->is_mute) {
            while (recv(fd, rest, sizeof(rest), 0) > 0)
                ;
        } else if (play->text) {
            send(fd, play->text, strlen(play->text), MSG_NOSIGNAL);
            while (!play->closes && recv(fd, rest, sizeof(rest), 0) > 0)
                ;
        } else {
            ssl = SSL_new(p->ctx);
            SSL_set_fd(ssl, fd);
            if (SSL_accept(ssl) == 1)
                play_frames(p, ssl, play);
            SSL_shutdown(ssl);
            SSL_free(ssl);
        }
        close(fd);
    }
    return NULL;
}

static void on_done(void *arg, const struct sy_http_result *r)
{
    struct outcome *o = arg;

    o->calls++;
    o->code = r->code;
    o->status = r->http_status;
    o->maybe_sent = r->maybe_sent;
    o->duration_ns = r->duration_ns;
    snprintf(o->error, sizeof(o->error), "%s", r->error);
    snprintf(o->body, sizeof(o->body), SY_STR_FMT, SY_STR_ARG(r->body));
    assert_true((r->code == 0) == (r->error[0] == '\0'));
    if (--o->fixture->left == 0)
        sy_loop_stop(o->fixture->loop);
}

static void too_long(void *arg SY_UNUSED)
{
    fail_msg("a request hangs");
}

static int tls_setup(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    struct fixture *f = sy_xcalloc(1, sizeof(*f));
    struct peer *p = &f->peer;
    socklen_t len = sizeof(at);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->listen_fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(p->listen_fd, 16), 0);
    assert_int_equal(getsockname(p->listen_fd, (struct sockaddr *)&at, &len), 0);
    snprintf(f->url, sizeof(f->url), "https://127.0.0.1:%u/api/v1/pods", ntohs(at.sin_port));
    p->ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_alpn_select_cb(p->ctx, choose, p);
    make_certificate(p->ctx, f->ca, sizeof(f->ca));
    for (int i = 0; i < PLAYS_MAX; i++) {
        sy_buf_init(&p->plays[i].frames, SIZE_MAX);
        sy_buf_init(&p->plays[i].later, SIZE_MAX);
    }
    *state = f;
    return 0;
}

/* The plays are set. */
static void begin(struct fixture *f, struct sy_http_config config)
{
    struct sy_err err = {0};

    config.ca_pem = f->ca;
    assert_int_equal(sy_loop_new(&f->loop, NULL), 0);
    if (sy_http_new(f->loop, &config, &f->http, &err))
        fail_msg("%s", err.msg);
    f->guard = sy_timer_new(f->loop, too_long, NULL);
    assert_int_equal(pthread_create(&f->peer.thread, NULL, run_peer, &f->peer), 0);
}

static void submit(struct fixture *f, struct outcome *o, struct sy_http_request r)
{
    struct sy_err err = {0};

    memset(o, 0, sizeof(*o));
    o->fixture = f;
    r.on_done = on_done;
    r.arg = o;
    if (!r.method)
        r.method = "POST";
    if (!r.url)
        r.url = f->url;
    f->left++;
    if (sy_http_send(f->http, &r, &o->id, &err))
        fail_msg("%s", err.msg);
}

static void wait_all(struct fixture *f)
{
    sy_timer_arm(f->guard, 30 * SY_NS_PER_S);
    if (f->left)
        assert_int_equal(sy_loop_run(f->loop, NULL), 0);
    sy_timer_disarm(f->guard);
    assert_int_equal(f->left, 0);
}

static void run_one(struct fixture *f, struct outcome *o, struct sy_http_request r)
{
    submit(f, o, r);
    wait_all(f);
    assert_int_equal(o->calls, 1);
}

static void stop_loop(void *arg)
{
    sy_loop_stop(arg);
}

static void run_for_ms(struct fixture *f, int ms)
{
    struct sy_timer *t = sy_timer_new(f->loop, stop_loop, f->loop);

    sy_timer_arm(t, ms * SY_NS_PER_MS);
    sy_loop_run(f->loop, NULL);
    sy_timer_free(t);
}

static void end(struct fixture *f)
{
    sy_http_free(f->http);
    shutdown(f->peer.listen_fd, SHUT_RDWR);
    pthread_join(f->peer.thread, NULL);
    close(f->peer.listen_fd);
    SSL_CTX_free(f->peer.ctx);
    for (int i = 0; i < PLAYS_MAX; i++) {
        sy_buf_done(&f->peer.plays[i].frames);
        sy_buf_done(&f->peer.plays[i].later);
    }
    sy_timer_free(f->guard);
    sy_loop_free(f->loop);
    free(f);
}

/* ---- the transport ---- */

static void calls_of_one_turn_share_a_connection(void **state)
{
    struct fixture *f = *state;
    struct outcome o[3];

    f->peer.plays[0].requests = 3;
    add_answer(&f->peer.plays[0].frames, 5, "c");
    add_answer(&f->peer.plays[0].frames, 1, "a");
    add_answer(&f->peer.plays[0].frames, 3, "b");
    begin(f, (struct sy_http_config){0});
    for (int i = 0; i < 3; i++)
        submit(f, &o[i], (struct sy_http_request){.body = SY_STR("{}")});
    wait_all(f);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(o[i].code, 0);
        assert_int_equal(o[i].status, 200);
        assert_true(o[i].maybe_sent);
        assert_int_equal(o[i].body[0], 'a' + i);
    }
    assert_int_equal(f->peer.accepted, 1);
    end(f);
}

static void a_refused_call_goes_out_again(void **state)
{
    struct fixture *f = *state;
    struct outcome o;

    f->peer.plays[0].requests = 1;
    add_numbers(&f->peer.plays[0].frames, RST_STREAM, 1, NGHTTP2_REFUSED_STREAM, -1);
    add_answer(&f->peer.plays[0].later, 3, "again");
    begin(f, (struct sy_http_config){0});
    run_one(f, &o, (struct sy_http_request){.body = SY_STR("{}")});
    assert_int_equal(f->peer.accepted, 1);
    assert_int_equal(f->peer.headers, 2);
    assert_int_equal(o.code, 0);
    assert_true(o.maybe_sent);
    end(f);
}

/* Neither at first, nor when a call that was begun in time is to go out again. */
static void what_is_late_is_not_sent(void **state)
{
    struct fixture *f = *state;
    struct outcome late, first, again;
    sy_time_ns now = sy_clock_boot_ns();

    f->peer.plays[0].requests = 1;
    add_answer(&f->peer.plays[0].frames, 1, "a");
    begin(f, (struct sy_http_config){0});
    submit(f, &late, (struct sy_http_request){.body = SY_STR("{}"), .not_after = now});
    submit(f, &first, (struct sy_http_request){.not_after = now + 60 * SY_NS_PER_S});
    /* In time when it is begun, and not any more when there is a connection. */
    submit(f, &again, (struct sy_http_request){.not_after = sy_clock_boot_ns() + SY_NS_PER_MS / 2});
    wait_all(f);
    assert_int_equal(late.code, -ECANCELED);
    assert_false(late.maybe_sent);
    assert_int_equal(again.code, -ECANCELED);
    assert_false(again.maybe_sent);
    assert_int_equal(first.code, 0);
    assert_int_equal(f->peer.headers, 1);
    end(f);
}

static void a_call_refused_again_was_not_sent(void **state)
{
    struct fixture *f = *state;
    struct outcome o;

    f->peer.plays[0].requests = 1;
    add_numbers(&f->peer.plays[0].frames, RST_STREAM, 1, NGHTTP2_REFUSED_STREAM, -1);
    add_numbers(&f->peer.plays[0].later, RST_STREAM, 3, NGHTTP2_REFUSED_STREAM, -1);
    begin(f, (struct sy_http_config){0});
    run_one(f, &o, (struct sy_http_request){.body = SY_STR("{}")});
    assert_int_equal(o.code, -ECONNRESET);
    assert_false(o.maybe_sent);
    assert_int_equal(f->peer.headers, 2);
    end(f);
}

static void goodbyes_without_end_have_one(void **state)
{
    struct fixture *f = *state;
    struct outcome o;

    for (int i = 0; i < PLAYS_MAX; i++) {
        f->peer.plays[i].requests = 1;
        add_numbers(&f->peer.plays[i].frames, GOAWAY, 0, 0, NGHTTP2_NO_ERROR);
    }
    begin(f, (struct sy_http_config){0});
    run_one(f, &o, (struct sy_http_request){.body = SY_STR("{}")});
    assert_int_equal(o.code, -ECONNRESET);
    assert_false(o.maybe_sent);
    assert_in_range(f->peer.headers, 2, PLAYS_MAX - 1);
    end(f);
}

static void after_a_goodbye_calls_go_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct outcome o[4];

    f->peer.plays[0].requests = 4;
    add_numbers(&f->peer.plays[0].frames, GOAWAY, 0, 3, NGHTTP2_NO_ERROR);
    add_answer(&f->peer.plays[0].frames, 1, "a");
    f->peer.plays[0].closes = true;
    f->peer.plays[1].requests = 2;
    add_answer(&f->peer.plays[1].frames, 1, "c");
    add_answer(&f->peer.plays[1].frames, 3, "d");
    begin(f, (struct sy_http_config){0});
    for (int i = 0; i < 4; i++)
        submit(f, &o[i], (struct sy_http_request){.body = SY_STR("{}"), .timeout_ms = 20000});
    wait_all(f);
    assert_int_equal(f->peer.accepted, 2);
    assert_int_equal(f->peer.headers, 6);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_true(o[i].maybe_sent);
        if (i == 1) { /* within the goodbye, but never answered */
            assert_int_equal(o[i].code, -ECONNRESET);
        } else {
            assert_int_equal(o[i].code, 0);
            assert_int_equal(o[i].body[0], 'a' + i); /* in their old order */
        }
    }
    end(f);
}

static void a_silent_connection_is_dead(void **state)
{
    struct fixture *f = *state;
    struct outcome o[2];

    f->peer.plays[0].requests = 3;
    add_answer(&f->peer.plays[1].frames, 1, "next");
    f->peer.plays[1].requests = 1;
    begin(f, (struct sy_http_config){.dead_peer_ms = 400});
    for (int i = 0; i < 2; i++)
        submit(f, &o[i], (struct sy_http_request){.body = SY_STR("{}")});
    wait_all(f);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(o[i].code, -ETIMEDOUT);
        assert_true(o[i].maybe_sent);
        assert_true(o[i].duration_ns >= 390 * SY_NS_PER_MS);
        assert_true(o[i].duration_ns < 5 * SY_NS_PER_S);
    }
    assert_int_equal(f->peer.pings, 1);
    run_one(f, &o[0], (struct sy_http_request){0});
    assert_int_equal(o[0].code, 0);
    assert_string_equal(o[0].body, "next");
    end(f);
}

static void a_slow_server_that_answers_pings_is_alive(void **state)
{
    struct fixture *f = *state;
    struct outcome o;

    f->peer.plays[0].requests = 1;
    f->peer.plays[0].pongs = true;
    /* Long enough that a peer that a busy machine holds up still answers in time. */
    f->peer.plays[0].pause_ms = 3600;
    add_answer(&f->peer.plays[0].frames, 1, "slow");
    begin(f, (struct sy_http_config){.dead_peer_ms = 1600});
    run_one(f, &o, (struct sy_http_request){0});
    assert_int_equal(o.code, 0);
    assert_string_equal(o.body, "slow");
    assert_in_range(f->peer.pings, 2, 6);
    end(f);
}

/* A kept connection is closed as the next call goes out: only one that asks is sent again. */
static void only_gets_are_repeated(void **state)
{
    struct fixture *f = *state;
    struct outcome o;

    for (int is_get = 0; is_get < 2; is_get++) {
        struct play *plays = &f->peer.plays[2 * is_get];

        plays[0].requests = 1;
        add_answer(&plays[0].frames, 1, "a");
        /* The first bytes of an answer's frame, and the end. */
        sy_buf_add(&plays[0].later, "\0\0", 2);
        plays[0].closes = true;
        plays[1].requests = 1;
        add_answer(&plays[1].frames, 1, "b");
    }
    begin(f, (struct sy_http_config){0});
    for (int is_get = 0; is_get < 2; is_get++) {
        struct sy_http_request r = {.method = is_get ? "GET" : "POST"};

        run_one(f, &o, r);
        assert_int_equal(o.code, 0);
        run_one(f, &o, r);
        assert_true(o.maybe_sent);
        assert_int_equal(o.code, is_get ? 0 : -ECONNRESET);
        assert_int_equal(f->peer.headers, is_get ? 6 : 2);
        if (!is_get) {
            run_one(f, &o, r);
            assert_int_equal(o.code, 0);
            /* The next round begins with a connection of its own. */
            assert_int_equal(
                sy_http_reconfigure(f->http, &(struct sy_http_config){.ca_pem = f->ca}, NULL), 0);
        }
    }
    assert_string_equal(o.body, "b");
    end(f);
}

static void a_lost_connection_ends_its_calls(void **state)
{
    struct fixture *f = *state;
    struct outcome o[3];

    f->peer.plays[0].requests = 3;
    f->peer.plays[0].closes = true;
    add_answer(&f->peer.plays[0].frames, 3, "b");
    f->peer.plays[1].requests = 1;
    add_answer(&f->peer.plays[1].frames, 1, "c");
    begin(f, (struct sy_http_config){0});
    for (int i = 0; i < 3; i++)
        submit(f, &o[i], (struct sy_http_request){.method = i == 2 ? "GET" : "POST"});
    wait_all(f);
    assert_int_equal(o[1].code, 0);
    assert_int_equal(o[0].code, -ECONNRESET);
    assert_true(o[0].maybe_sent);
    assert_int_equal(o[2].code, 0);
    assert_string_equal(o[2].body, "c");
    end(f);
}

static void broken_frames_end_their_calls(void **state)
{
    struct fixture *f = *state;
    struct outcome o;

    f->peer.plays[0].requests = 1;
    sy_buf_adds(&f->peer.plays[0].frames, "HTTP/1.1 400 Bad Request\r\n\r\nwhat is this?");
    f->peer.plays[1].requests = 1;
    add_answer(&f->peer.plays[1].frames, 1, "ok");
    begin(f, (struct sy_http_config){0});
    run_one(f, &o, (struct sy_http_request){.method = "GET"});
    assert_int_equal(o.code, -EPROTO);
    assert_true(o.maybe_sent);
    assert_non_null(strstr(o.error, "broke the HTTP/2 protocol"));
    run_one(f, &o, (struct sy_http_request){.method = "GET"});
    assert_int_equal(o.code, 0);
    end(f);
}

static void canceling_resets_the_stream(void **state)
{
    struct fixture *f = *state;
    struct outcome o[2];

    f->peer.plays[0].requests = 2;
    f->peer.plays[0].pause_ms = 100;
    add_answer(&f->peer.plays[0].frames, 1, "nobody's");
    add_answer(&f->peer.plays[0].frames, 3, "b");
    begin(f, (struct sy_http_config){0});
    submit(f, &o[0], (struct sy_http_request){.body = SY_STR("{}")});
    submit(f, &o[1], (struct sy_http_request){.body = SY_STR("{}")});
    while (f->peer.headers < 2)
        run_for_ms(f, 5);
    sy_http_cancel(f->http, o[0].id);
    assert_int_equal(o[0].calls, 0);
    wait_all(f);
    assert_int_equal(o[0].code, -ECANCELED);
    assert_true(o[0].maybe_sent);
    assert_int_equal(o[1].code, 0);
    assert_string_equal(o[1].body, "b");
    end(f);
}

static void an_answer_over_the_cap_is_reset(void **state)
{
    struct fixture *f = *state;
    struct outcome o;

    f->peer.plays[0].requests = 1;
    add_answer(&f->peer.plays[0].frames, 1, "12345");
    begin(f, (struct sy_http_config){0});
    run_one(f, &o, (struct sy_http_request){.max_body_bytes = 4});
    assert_int_equal(o.code, -E2BIG);
    assert_int_equal(o.status, 200);
    end(f);
}

/* The server's word is remembered: one connection tells, curl has the requests after it. */
static void without_http2_curl_takes_over(void **state)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    struct fixture *f = *state;
    struct outcome o;

    for (int i = 0; i < 4; i++) {
        f->peer.plays[i].protocol = i == 2 ? "" : "\x08http/1.1";
        f->peer.plays[i].closes = i > 0;
        if (i)
            sy_buf_adds(&f->peer.plays[i].frames, ok);
    }
    begin(f, (struct sy_http_config){0});
    for (int i = 0; i < 3; i++) {
        run_one(f, &o, (struct sy_http_request){.body = SY_STR("{}")});
        assert_int_equal(o.code, 0);
        assert_int_equal(o.status, 200);
        assert_string_equal(o.body, "ok");
        assert_int_equal(f->peer.accepted, i + 2);
    }
    end(f);
}

static void names_are_resolved(void **state)
{
    struct fixture *f = *state;
    char url[128];
    struct outcome o;

    f->peer.plays[0].requests = 1;
    add_answer(&f->peer.plays[0].frames, 1, "local");
    begin(f, (struct sy_http_config){.connect_timeout_ms = 3000});
    snprintf(url, sizeof(url), "https://localhost:%s", strrchr(f->url, ':') + 1);
    run_one(f, &o, (struct sy_http_request){.url = url});
    assert_int_equal(o.code, 0);
    assert_string_equal(o.body, "local");

    /* No such name, by definition. Where nobody answers, the time runs out. */
    run_one(f, &o, (struct sy_http_request){.url = "https://nowhere.invalid/"});
    assert_true(o.code == -EHOSTUNREACH || o.code == -ETIMEDOUT);
    assert_false(o.maybe_sent);
    assert_non_null(strstr(o.error, "nowhere.invalid"));
    end(f);
}

static void connecting_has_an_end(void **state)
{
    struct fixture *f = *state;
    struct outcome o[2];

    f->peer.plays[0].is_mute = true;
    begin(f, (struct sy_http_config){.connect_timeout_ms = 120});
    submit(f, &o[0], (struct sy_http_request){0});
    submit(f, &o[1], (struct sy_http_request){0});
    wait_all(f);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(o[i].code, -ETIMEDOUT);
        assert_false(o[i].maybe_sent);
        assert_true(o[i].duration_ns >= 110 * SY_NS_PER_MS);
    }
    end(f);
}

static void a_server_without_tls_is_told_apart(void **state)
{
    struct fixture *f = *state;
    struct outcome o;

    f->peer.plays[0].text = "HTTP/1.1 400 Bad Request\r\n\r\n";
    f->peer.plays[1].text = "";
    f->peer.plays[1].closes = true;
    begin(f, (struct sy_http_config){0});
    run_one(f, &o, (struct sy_http_request){0});
    assert_int_equal(o.code, -EPROTO);
    assert_false(o.maybe_sent);
    run_one(f, &o, (struct sy_http_request){0});
    assert_int_equal(o.code, -ECONNRESET);
    assert_false(o.maybe_sent);
    end(f);
}

/* Settings change while a connection is being made: the call waits for the next one. */
static void waiting_calls_get_the_new_settings(void **state)
{
    struct fixture *f = *state;
    struct outcome o;

    f->peer.plays[0].is_mute = true;
    f->peer.plays[1].requests = 1;
    add_answer(&f->peer.plays[1].frames, 1, "new");
    begin(f, (struct sy_http_config){0});
    submit(f, &o, (struct sy_http_request){0});
    while (f->peer.accepted < 1)
        run_for_ms(f, 5);
    assert_int_equal(
        sy_http_reconfigure(f->http, &(struct sy_http_config){.insecure_skip_verify = true}, NULL),
        0);
    wait_all(f);
    assert_int_equal(o.code, 0);
    assert_string_equal(o.body, "new");
    end(f);
}

static void freeing_ends_all(void **state)
{
    struct fixture *f = *state;
    struct outcome o[3];
    struct sy_http *h;

    f->peer.plays[0].requests = 9;
    begin(f, (struct sy_http_config){.unary_streams = 2, .unary_connections = 1});
    for (int i = 0; i < 3; i++)
        submit(f, &o[i], (struct sy_http_request){.body = SY_STR("{}")});
    while (f->peer.headers < 2)
        run_for_ms(f, 5);
    h = f->http;
    f->http = NULL;
    sy_http_free(h);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_int_equal(o[i].code, -ECANCELED);
        assert_int_equal(o[i].maybe_sent, i < 2);
    }
    end(f);
}

#define bare_test(name) cmocka_unit_test_setup_teardown(name, bare_setup, bare_teardown)
#define tls_test(name)  cmocka_unit_test_setup(name, tls_setup)

int main(void)
{
    const struct CMUnitTest session[] = {
        bare_test(an_answer_is_read_in_any_pieces),
        bare_test(retry_after_may_be_a_date),
        bare_test(a_request_is_put_in_fields),
        bare_test(resets_say_what_they_mean),
        bare_test(an_early_answer_needs_no_more_of_the_request),
        bare_test(a_goodbye_tells_what_was_not_done),
        bare_test(the_servers_window_holds_a_body_back),
        bare_test(the_servers_limit_of_streams_holds),
        bare_test(an_unwanted_answer_is_reset),
        bare_test(huge_headers_end_their_answer_only),
        bare_test(broken_frames_end_the_session),
        bare_test(lengths_and_statuses_must_be_right),
    };
    const struct CMUnitTest transport[] = {
        tls_test(calls_of_one_turn_share_a_connection),
        tls_test(a_refused_call_goes_out_again),
        tls_test(what_is_late_is_not_sent),
        tls_test(a_call_refused_again_was_not_sent),
        tls_test(goodbyes_without_end_have_one),
        tls_test(after_a_goodbye_calls_go_elsewhere),
        tls_test(a_silent_connection_is_dead),
        tls_test(a_slow_server_that_answers_pings_is_alive),
        tls_test(only_gets_are_repeated),
        tls_test(a_lost_connection_ends_its_calls),
        tls_test(broken_frames_end_their_calls),
        tls_test(canceling_resets_the_stream),
        tls_test(an_answer_over_the_cap_is_reset),
        tls_test(without_http2_curl_takes_over),
        tls_test(names_are_resolved),
        tls_test(connecting_has_an_end),
        tls_test(a_server_without_tls_is_told_apart),
        tls_test(waiting_calls_get_the_new_settings),
        tls_test(freeing_ends_all),
    };
    int failed;

    signal(SIGPIPE, SIG_IGN);
    failed = cmocka_run_group_tests_name("session", session, NULL, NULL);
    return failed + cmocka_run_group_tests_name("transport", transport, NULL, NULL);
}
