/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP client against peers of every kind. The first group meets a thread that plays scripted
 * bytes over plain sockets; the second meets tests/fakeapi over TLS and HTTP/2 and is skipped where
 * there is no go. */
#include "net/http.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "fakeapi.h"

/* ---- what became of a request ---- */

struct outcome {
    struct fixture *fixture;
    sy_http_id id;
    int calls;
    int code;
    int status;
    bool maybe_sent;
    uint32_t retry_after_ms;
    char type[64];
    char error[256];
    struct sy_buf body;
    int64_t duration_ns;
    /* Streams. */
    struct sy_buf data;
    int pieces;
    int fail_with;      /* on_data returns this... */
    int fail_at;        /* ...at this piece */
    sy_http_id cancel;  /* canceled at the first piece */
    bool cancel_myself; /* the same for its own id */
};

struct fixture {
    struct sy_loop *loop;
    struct sy_http *http;
    struct sy_timer *guard;
    bool is_sending;
    int left;
    char *ca;
    struct fakeapi api;
    char url[640];
};

static void on_done(void *arg, const struct sy_http_result *r)
{
    struct outcome *o = arg;
    struct fixture *f = o->fixture;

    assert_false(f->is_sending);
    o->calls++;
    o->code = r->code;
    o->status = r->http_status;
    o->maybe_sent = r->maybe_sent;
    o->retry_after_ms = r->retry_after_ms;
    o->duration_ns = r->duration_ns;
    snprintf(o->type, sizeof(o->type), SY_STR_FMT, SY_STR_ARG(r->content_type));
    snprintf(o->error, sizeof(o->error), "%s", r->error);
    assert_true((r->code == 0) == (r->error[0] == '\0'));
    sy_buf_init(&o->body, SIZE_MAX);
    sy_buf_add(&o->body, r->body.p, r->body.len);
    /* Its own id is inert by now. */
    sy_http_cancel(f->http, o->id);
    if (--f->left == 0)
        sy_loop_stop(f->loop);
}

static int on_data(void *arg, struct sy_str piece)
{
    struct outcome *o = arg;

    assert_int_equal(o->calls, 0);
    assert_true(piece.len > 0);
    o->pieces++;
    sy_buf_add(&o->data, piece.p, piece.len);
    if (o->cancel)
        sy_http_cancel(o->fixture->http, o->cancel);
    o->cancel = 0;
    if (o->cancel_myself)
        sy_http_cancel(o->fixture->http, o->id);
    return o->fail_with && o->pieces >= o->fail_at ? o->fail_with : 0;
}

static void outcome_done(struct outcome *o)
{
    sy_buf_done(&o->body);
    sy_buf_done(&o->data);
}

static void submit(struct fixture *f, struct outcome *o, struct sy_http_request r)
{
    struct sy_err err = {0};

    o->fixture = f;
    sy_buf_init(&o->data, SIZE_MAX);
    r.on_done = on_done;
    r.on_data = r.is_stream ? on_data : NULL;
    r.arg = o;
    if (!r.method)
        r.method = "GET";
    if (!r.url)
        r.url = f->url;
    f->is_sending = true;
    f->left++;
    if (sy_http_send(f->http, &r, &o->id, &err))
        fail_msg("%s", err.msg);
    f->is_sending = false;
    assert_true(o->id != 0);
}

static void too_long(void *arg SY_UNUSED)
{
    fail_msg("a request hangs");
}

static void wait_all(struct fixture *f)
{
    sy_timer_arm(f->guard, 30 * SY_NS_PER_S);
    if (f->left)
        assert_int_equal(sy_loop_run(f->loop, NULL), 0);
    sy_timer_disarm(f->guard);
    assert_int_equal(f->left, 0);
    assert_int_equal(sy_http_in_flight(f->http), 0);
}

static void run_one(struct fixture *f, struct outcome *o, struct sy_http_request r)
{
    submit(f, o, r);
    wait_all(f);
    assert_int_equal(o->calls, 1);
}

static void wake(void *arg)
{
    sy_loop_stop(arg);
}

static void run_for_ms(struct fixture *f, int ms)
{
    struct sy_timer *t = sy_timer_new(f->loop, wake, f->loop);

    sy_timer_arm(t, ms * SY_NS_PER_MS);
    sy_loop_run(f->loop, NULL);
    sy_timer_free(t);
}

static void fixture_start(struct fixture *f, const struct sy_http_config *config)
{
    struct sy_err err = {0};

    assert_int_equal(sy_loop_new(&f->loop, NULL), 0);
    if (sy_http_new(f->loop, config, &f->http, &err))
        fail_msg("%s", err.msg);
    f->guard = sy_timer_new(f->loop, too_long, NULL);
}

static void fixture_stop(struct fixture *f)
{
    sy_http_free(f->http);
    sy_timer_free(f->guard);
    sy_loop_free(f->loop);
    free(f->ca);
}

/* ---- the scripted peer ---- */

struct step {
    const char *send; /* after a whole request was read; NULL: nothing */
    size_t len;       /* 0: strlen */
    int requests;     /* to answer on this connection, 0 for 1 */
    bool is_bytewise; /* a write for each byte */
    int pause_ms;     /* before the answer */
    bool holds;       /* then waits for the client to close */
    bool bites;       /* then takes a byte of the next request and closes */
    bool is_reset;    /* then closes with a reset */
};

enum { MAX_SEEN = 16 };

struct peer {
    const struct step *steps;
    int steps_len;
    int listen_fd;
    uint16_t port;
    pthread_t thread;
    int accepted;
    atomic_int seen;
    char requests[MAX_SEEN][4096];
};

static bool read_request(int fd, char *text, size_t room)
{
    size_t len = 0, body = 0;
    const char *end = NULL;

    for (;;) {
        ssize_t n = recv(fd, text + len, room - 1 - len, 0);

        if (n <= 0)
            return false;
        len += (size_t)n;
        text[len] = '\0';
        if (!end && (end = strstr(text, "\r\n\r\n"))) {
            const char *field = strcasestr(text, "\r\nContent-Length: ");

            if (field)
                sscanf(field + 18, "%zu", &body);
        }
        if (end && len >= (size_t)(end + 4 - text) + body)
            return true;
    }
}

static void answer(int fd, const struct step *s)
{
    size_t len = s->len ? s->len : s->send ? strlen(s->send) : 0;

    if (s->pause_ms)
        usleep((useconds_t)s->pause_ms * 1000);
    for (size_t at = 0; at < len;) {
        ssize_t n = send(fd, s->send + at, s->is_bytewise ? 1 : len - at, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        at += (size_t)n;
        if (s->is_bytewise)
            usleep(50);
    }
}

static void *play(void *arg)
{
    struct peer *p = arg;

    for (int i = 0; i < p->steps_len; i++) {
        const struct step *s = &p->steps[i];
        int fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC), on = 1;
        struct linger at_once = {.l_onoff = 1};
        char c;

        if (fd < 0)
            break;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        p->accepted++;
        for (int n = 0; n < (s->requests ? s->requests : 1); n++) {
            if (p->seen >= MAX_SEEN || !read_request(fd, p->requests[p->seen], 4096))
                break;
            p->seen++;
            answer(fd, s);
        }
        while (s->holds && recv(fd, &c, 1, 0) > 0)
            ;
        if (s->bites && recv(fd, &c, 1, 0) < 0)
            break;
        if (s->is_reset)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        close(fd);
    }
    return NULL;
}

static void peer_start(struct fixture *f, struct peer *p, const struct step *steps, int steps_len)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);

    memset(p, 0, sizeof(*p));
    p->steps = steps;
    p->steps_len = steps_len;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->listen_fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(p->listen_fd, 64), 0);
    assert_int_equal(getsockname(p->listen_fd, (struct sockaddr *)&at, &len), 0);
    p->port = ntohs(at.sin_port);
    snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u/api/v1/pods?limit=1", p->port);
    assert_int_equal(pthread_create(&p->thread, NULL, play, p), 0);
}

static void peer_stop(struct peer *p)
{
    shutdown(p->listen_fd, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->listen_fd);
}

static int plain_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    fixture_start(f, &(struct sy_http_config){0});
    *state = f;
    return 0;
}

static int plain_teardown(void **state)
{
    struct fixture *f = *state;

    if (f->http)
        fixture_stop(f);
    free(f);
    return 0;
}

/* ---- plain peers ---- */

#define OK_HEAD  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define OK_HELLO OK_HEAD "Content-Length: 5\r\n\r\nhello"
#define CHUNKED  OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"

static void the_answer_comes_whole(void **state)
{
    struct fixture *f = *state;
    const char *const headers[] = {"Accept: application/json", "Authorization: Bearer t", NULL};
    struct step steps[] = {{.send = OK_HELLO, .is_bytewise = true}};
    struct outcome o = {0};
    struct peer p;

    peer_start(f, &p, steps, 1);
    run_one(f, &o, (struct sy_http_request){.headers = headers});
    peer_stop(&p);
    assert_int_equal(o.code, 0);
    assert_int_equal(o.status, 200);
    assert_string_equal(o.type, "application/json");
    assert_true(sy_str_eqz(sy_buf_str(&o.body), "hello"));
    assert_true(o.maybe_sent);
    assert_int_equal(o.retry_after_ms, 0);
    assert_true(o.duration_ns > 0);
    assert_non_null(strstr(p.requests[0], "GET /api/v1/pods?limit=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(p.requests[0], "\r\nAuthorization: Bearer t\r\n"));
    assert_non_null(strstr(p.requests[0], "\r\nAccept: application/json\r\n"));
    assert_null(strstr(p.requests[0], "*/*"));
    outcome_done(&o);
}

static void methods_and_bodies_are_sent(void **state)
{
    struct fixture *f = *state;
    const char *const headers[] = {"Content-Type: application/json", NULL};
    static const struct {
        const char *method;
        const char *body;
    } cases[] = {{"POST", "{\"a\":1}"}, {"PATCH", "{}"}, {"PUT", "{\"b\":2}"},    {"DELETE", ""},
                 {"GET", ""},           {"POST", ""},    {"DELETE", "{\"c\":3}"}, {"OPTIONS", ""}};
    struct step steps[] = {{.send = OK_HELLO, .requests = SY_ARRAY_LEN(cases)}};
    struct peer p;

    peer_start(f, &p, steps, 1);
    for (size_t i = 0; i < SY_ARRAY_LEN(cases); i++) {
        struct outcome o = {0};
        char line[64];

        run_one(f, &o,
                (struct sy_http_request){.method = cases[i].method,
                                         .headers = headers,
                                         .body = sy_str_from(cases[i].body)});
        assert_int_equal(o.code, 0);
        assert_true(sy_str_eqz(sy_buf_str(&o.body), "hello"));
        snprintf(line, sizeof(line), "%s /api/v1/pods?limit=1 HTTP/1.1\r\n", cases[i].method);
        assert_int_equal(strncmp(p.requests[i], line, strlen(line)), 0);
        assert_string_equal(strstr(p.requests[i], "\r\n\r\n") + 4, cases[i].body);
        assert_null(strcasestr(p.requests[i], "Expect:"));
        outcome_done(&o);
    }
    peer_stop(&p);
    assert_int_equal(p.accepted, 1);
}

static void head_has_no_body(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {{.send = OK_HEAD "Content-Length: 5\r\n\r\n", .holds = true}};
    struct outcome o = {0};
    struct peer p;

    peer_start(f, &p, steps, 1);
    run_one(f, &o, (struct sy_http_request){.method = "HEAD"});
    assert_int_equal(o.code, 0);
    assert_int_equal(o.body.len, 0);
    outcome_done(&o);
    fixture_stop(f);
    f->http = NULL;
    peer_stop(&p);
}

static void statuses_are_answers(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {
        {.send = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}"},
        {.send =
             "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"},
        {.send = "HTTP/1.1 503 No\r\nRetry-After: 99999999999\r\nConnection: close\r\n\r\nsorry"},
    };
    struct outcome o[3] = {0};
    struct peer p;

    peer_start(f, &p, steps, 3);
    for (int i = 0; i < 3; i++) {
        run_one(f, &o[i], (struct sy_http_request){0});
        assert_int_equal(o[i].code, 0);
    }
    peer_stop(&p);
    assert_int_equal(o[0].status, 429);
    assert_int_equal(o[0].retry_after_ms, 7000);
    assert_int_equal(o[1].status, 302);
    assert_int_equal(o[2].status, 503);
    assert_true(o[2].retry_after_ms > 7000);
    assert_true(sy_str_eqz(sy_buf_str(&o[2].body), "sorry"));
    for (int i = 0; i < 3; i++)
        outcome_done(&o[i]);
}

static void answers_over_the_cap_are_refused(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {
        {.send = OK_HELLO},
        {.send = CHUNKED "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"},
        {.send = OK_HELLO},
    };
    struct outcome o[3] = {0};
    struct peer p;

    peer_start(f, &p, steps, 3);
    run_one(f, &o[0], (struct sy_http_request){.max_body_bytes = 4});
    run_one(f, &o[1], (struct sy_http_request){.max_body_bytes = 5});
    run_one(f, &o[2], (struct sy_http_request){.max_body_bytes = 5});
    peer_stop(&p);
    assert_int_equal(o[0].code, -E2BIG);
    assert_int_equal(o[0].body.len, 0);
    assert_int_equal(o[1].code, -E2BIG);
    assert_int_equal(o[2].code, 0);
    for (int i = 0; i < 3; i++)
        outcome_done(&o[i]);
}

static void an_unreachable_peer_got_nothing(void **state)
{
    struct fixture *f = *state;
    struct outcome o = {0};
    struct peer p;

    peer_start(f, &p, NULL, 0);
    peer_stop(&p);
    run_one(f, &o, (struct sy_http_request){.method = "POST", .body = SY_STR("x")});
    assert_int_equal(o.code, -ECONNREFUSED);
    assert_int_equal(o.status, 0);
    assert_false(o.maybe_sent);
    outcome_done(&o);
}

static void a_lost_answer_may_have_been_sent(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {
        {.send = NULL},
        {.send = NULL, .is_reset = true},
        {.send = OK_HEAD "Content-Length: 50\r\n\r\nhel"},
        {.send = CHUNKED "3\r\nabc\r\n"},
        {.send = OK_HEAD "Content-Len", .is_reset = true},
    };
    struct outcome o[5] = {0};
    struct peer p;

    peer_start(f, &p, steps, 5);
    for (int i = 0; i < 5; i++) {
        run_one(f, &o[i], (struct sy_http_request){.method = "POST", .body = SY_STR("x")});
        assert_int_equal(o[i].code, -ECONNRESET);
        assert_true(o[i].maybe_sent);
        outcome_done(&o[i]);
    }
    peer_stop(&p);
}

/* curl repeats by itself what was lost on a kept connection. That must not happen to a POST. */
static void only_gets_are_repeated(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {
        {.send = OK_HELLO, .bites = true, .is_reset = true},
        {.send = OK_HELLO}, /* curl connects for its second try, and is stopped then */
        {.send = OK_HELLO, .bites = true, .is_reset = true},
        {.send = OK_HELLO},
    };
    struct outcome o = {0}, post = {0}, get = {0};
    struct peer p;

    peer_start(f, &p, steps, 4);
    run_one(f, &o, (struct sy_http_request){0});
    assert_int_equal(o.code, 0);
    run_one(f, &post, (struct sy_http_request){.method = "POST", .body = SY_STR("x")});
    outcome_done(&o);
    o = (struct outcome){0};
    run_one(f, &o, (struct sy_http_request){0});
    run_one(f, &get, (struct sy_http_request){0});
    assert_int_equal(get.code, 0);
    peer_stop(&p);
    assert_int_equal(p.accepted, 4);
    assert_int_equal(post.code, -ECONNRESET);
    assert_true(post.maybe_sent);
    for (int i = 0; i < p.seen; i++)
        assert_null(strstr(p.requests[i], "POST"));
    outcome_done(&o);
    outcome_done(&post);
    outcome_done(&get);
}

static void silence_has_an_end(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {{.holds = true},
                           {.send = OK_HEAD "Content-Length: 9\r\n\r\na", .holds = true}};
    struct outcome o[2] = {0};
    struct peer p;

    peer_start(f, &p, steps, 2);
    for (int i = 0; i < 2; i++) {
        run_one(f, &o[i], (struct sy_http_request){.timeout_ms = 80});
        assert_int_equal(o[i].code, -ETIMEDOUT);
        assert_true(o[i].maybe_sent);
        assert_true(o[i].duration_ns >= 80 * SY_NS_PER_MS);
        assert_true(o[i].duration_ns < 5 * SY_NS_PER_S);
        outcome_done(&o[i]);
    }
    peer_stop(&p);
}

static void garbage_is_an_error(void **state)
{
    struct fixture *f = *state;
    size_t huge_len = 2 * 1024 * 1024;
    char *huge = sy_xmalloc(huge_len + 1);
    struct step steps[] = {
        {.send = "\x00\xff\x13garbage\r\n\r\n", .len = 15},
        {.send = "SSH-2.0-OpenSSH\r\n"},
        {.send = "HTTP/1.1 abc\r\n\r\n"},
        {.send = CHUNKED "zz\r\nabc"},
        {.send = OK_HEAD "Content-Length: 1x\r\nContent-Length: 2\r\n\r\n"},
        {.send = huge},
    };
    struct peer p;

    memset(huge, 'h', huge_len);
    huge[huge_len] = '\0';
    memcpy(huge, OK_HEAD, strlen(OK_HEAD));
    peer_start(f, &p, steps, SY_ARRAY_LEN(steps));
    for (size_t i = 0; i < SY_ARRAY_LEN(steps); i++) {
        struct outcome o = {0};

        run_one(f, &o, (struct sy_http_request){.timeout_ms = 5000});
        if (o.code != -EPROTO && o.code != -ECONNRESET && o.code != -ENOMEM)
            fail_msg("step %zu gives %d, status %d", i, o.code, o.status);
        assert_true(o.maybe_sent);
        outcome_done(&o);
    }
    peer_stop(&p);
    free(huge);
}

static void bad_requests_are_not_sent(void **state)
{
    struct fixture *f = *state;
    const char *const bad_header[] = {"A: b\r\nEvil: x", NULL};
    const char *const no_colon[] = {"Authorization", NULL};
    const struct sy_http_request cases[] = {
        {.method = "", .url = "http://h/"},
        {.method = "get", .url = "http://h/"},
        {.method = NULL, .url = "http://h/"},
        {.method = "GET", .url = NULL},
        {.method = "GET", .url = "ftp://h/"},
        {.method = "GET", .url = "file:///etc/passwd"},
        {.method = "GET", .url = "http://h/a b"},
        {.method = "GET", .url = "http://h/\r\nX: y"},
        {.method = "GET", .url = "http://h/", .headers = bad_header},
        {.method = "GET", .url = "http://h/", .headers = no_colon},
        {.method = "GET", .url = "http://h/", .is_stream = true},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(cases); i++) {
        struct sy_err err = {0};

        assert_int_equal(sy_http_send(f->http, &cases[i], NULL, &err), -EINVAL);
        assert_true(err.msg[0] != '\0');
    }
    assert_int_equal(sy_http_in_flight(f->http), 0);
}

static void bad_configs_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct sy_http_config cases[] = {
        {.ca_pem = "no PEM"},
        {.ca_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
        {.client_cert_pem = "x"},
        {.client_key_pem = "x"},
        {.client_cert_pem = "x", .client_key_pem = "y"},
        {.tls_server_name = "a/b"},
        {.proxy_url = "gopher://x"},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(cases); i++) {
        struct sy_http *h = NULL;
        struct sy_err err = {0};

        assert_int_equal(sy_http_new(f->loop, &cases[i], &h, &err), -EINVAL);
        assert_null(h);
        assert_int_equal(sy_http_reconfigure(f->http, &cases[i], &err), -EINVAL);
    }
}

static void streams_deliver_pieces(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {
        {.send = CHUNKED "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", .is_bytewise = true}};
    struct outcome o = {0};
    struct peer p;

    peer_start(f, &p, steps, 1);
    run_one(f, &o, (struct sy_http_request){.is_stream = true, .idle_timeout_ms = 5000});
    peer_stop(&p);
    assert_int_equal(o.code, 0);
    assert_int_equal(o.status, 200);
    assert_true(sy_str_eqz(sy_buf_str(&o.data), "abcdefg"));
    assert_true(o.pieces >= 2);
    assert_int_equal(o.body.len, 0);
    outcome_done(&o);
}

static void a_refused_stream_has_a_body(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {
        {.send = "HTTP/1.1 410 Gone\r\nContent-Length: 7\r\n\r\nexpired"},
        {.send = "HTTP/1.1 500 No\r\nContent-Length: 7\r\n\r\nexpired"},
    };
    struct outcome o[2] = {0};
    struct peer p;

    peer_start(f, &p, steps, 2);
    run_one(f, &o[0], (struct sy_http_request){.is_stream = true});
    run_one(f, &o[1], (struct sy_http_request){.is_stream = true, .max_body_bytes = 3});
    peer_stop(&p);
    assert_int_equal(o[0].code, 0);
    assert_int_equal(o[0].status, 410);
    assert_int_equal(o[0].pieces, 0);
    assert_true(sy_str_eqz(sy_buf_str(&o[0].body), "expired"));
    assert_int_equal(o[1].code, 0);
    assert_true(sy_str_eqz(sy_buf_str(&o[1].body), "exp"));
    outcome_done(&o[0]);
    outcome_done(&o[1]);
}

static void a_silent_stream_ends(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {{.send = CHUNKED "3\r\nabc\r\n", .holds = true}, {.holds = true}};
    struct outcome o[2] = {0};
    struct peer p;

    peer_start(f, &p, steps, 2);
    for (int i = 0; i < 2; i++) {
        run_one(f, &o[i], (struct sy_http_request){.is_stream = true, .idle_timeout_ms = 60});
        assert_int_equal(o[i].code, -ETIMEDOUT);
        assert_int_equal(o[i].pieces, i == 0);
        assert_true(o[i].duration_ns >= 60 * SY_NS_PER_MS);
        outcome_done(&o[i]);
    }
    peer_stop(&p);
}

static void the_receiver_may_end_a_stream(void **state)
{
    struct fixture *f = *state;
    struct step step = {
        .send = CHUNKED "3\r\nabc\r\n4\r\ndefg\r\n", .is_bytewise = true, .holds = true};
    struct step steps[] = {step, step};
    struct outcome failing = {.fail_with = -EBADMSG, .fail_at = 2},
                   canceled = {.cancel_myself = true};
    struct peer p;

    peer_start(f, &p, steps, 2);
    run_one(f, &failing, (struct sy_http_request){.is_stream = true});
    run_one(f, &canceled, (struct sy_http_request){.is_stream = true});
    peer_stop(&p);
    assert_int_equal(failing.code, -EBADMSG);
    assert_int_equal(failing.pieces, 2);
    assert_int_equal(canceled.code, -ECANCELED);
    assert_int_equal(canceled.pieces, 1);
    outcome_done(&failing);
    outcome_done(&canceled);
}

static void a_stream_may_cancel_others(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {{.holds = true}, {.send = CHUNKED "1\r\na\r\n0\r\n\r\n"}};
    struct outcome victim = {0}, killer = {0};
    struct peer p;

    peer_start(f, &p, steps, 2);
    submit(f, &victim, (struct sy_http_request){.is_stream = true});
    run_for_ms(f, 30);
    killer.cancel = victim.id;
    submit(f, &killer, (struct sy_http_request){.is_stream = true});
    /* The peer serves one connection after the other: the victim's must end first. */
    sy_http_cancel(f->http, victim.id);
    wait_all(f);
    peer_stop(&p);
    assert_int_equal(victim.code, -ECANCELED);
    assert_int_equal(victim.calls, 1);
    assert_int_equal(killer.code, 0);
    outcome_done(&victim);
    outcome_done(&killer);
}

static void canceling_is_safe_at_any_time(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {{.holds = true}, {.send = OK_HELLO}};
    struct outcome queued = {0}, running = {0}, last = {0};
    struct peer p;
    sy_http_id old;

    peer_start(f, &p, steps, 2);
    submit(f, &queued, (struct sy_http_request){0});
    sy_http_cancel(f->http, queued.id);
    sy_http_cancel(f->http, queued.id);
    assert_int_equal(queued.calls, 0);
    assert_int_equal(sy_http_in_flight(f->http), 1);
    wait_all(f);
    assert_int_equal(queued.code, -ECANCELED);
    assert_false(queued.maybe_sent);

    submit(f, &running, (struct sy_http_request){.method = "POST", .body = SY_STR("x")});
    while (p.seen < 1)
        run_for_ms(f, 5);
    sy_http_cancel(f->http, running.id);
    assert_int_equal(running.calls, 0);
    wait_all(f);
    assert_int_equal(running.code, -ECANCELED);
    assert_true(running.maybe_sent);

    old = running.id;
    submit(f, &last, (struct sy_http_request){0});
    assert_true(last.id != old);
    sy_http_cancel(f->http, old);
    sy_http_cancel(f->http, 0);
    sy_http_cancel(f->http, UINT64_MAX);
    wait_all(f);
    assert_int_equal(last.code, 0);
    peer_stop(&p);
    outcome_done(&queued);
    outcome_done(&running);
    outcome_done(&last);
}

static void freeing_ends_all(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {{.holds = true}};
    struct outcome o[6] = {0};
    struct peer p;

    peer_start(f, &p, steps, 1);
    for (int i = 0; i < 3; i++)
        submit(f, &o[i], (struct sy_http_request){.is_stream = i == 2});
    run_for_ms(f, 30);
    for (int i = 3; i < 6; i++)
        submit(f, &o[i], (struct sy_http_request){0});
    fixture_stop(f);
    f->http = NULL;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_int_equal(o[i].code, -ECANCELED);
        outcome_done(&o[i]);
    }
    peer_stop(&p);
}

static void the_environment_names_no_proxy(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {{.send = OK_HELLO}, {.send = OK_HELLO}};
    struct outcome direct = {0}, proxied = {0};
    char proxy[64];
    struct peer p;

    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    setenv("no_proxy", "*", 1);
    peer_start(f, &p, steps, 2);
    run_one(f, &direct, (struct sy_http_request){0});
    assert_int_equal(direct.code, 0);

    /* The peer plays the proxy now. */
    snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", p.port);
    assert_int_equal(
        sy_http_reconfigure(f->http, &(struct sy_http_config){.proxy_url = proxy}, NULL), 0);
    run_one(f, &proxied, (struct sy_http_request){.url = "http://elsewhere.example/x"});
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    unsetenv("no_proxy");
    peer_stop(&p);
    assert_int_equal(proxied.code, 0);
    assert_non_null(strstr(p.requests[1], "GET http://elsewhere.example/x HTTP/1.1\r\n"));
    outcome_done(&direct);
    outcome_done(&proxied);
}

static void dead_peers_are_watched_for(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {{.holds = true}};
    struct outcome o = {0};
    struct peer p;
    bool found = false;

    peer_start(f, &p, steps, 1);
    submit(f, &o, (struct sy_http_request){.is_stream = true});
    run_for_ms(f, 30);
    for (int fd = 3; fd < 256 && !found; fd++) {
        int timeout = 0, alive = 0, idle = 0, interval = 0;
        socklen_t len = sizeof(int);

        if (getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, &len) != 0 || timeout != 8000)
            continue;
        getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &alive, &len);
        getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &len);
        getsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, &len);
        assert_int_equal(alive, 1);
        assert_true(idle + interval < 8);
        found = true;
    }
    assert_true(found);
    sy_http_cancel(f->http, o.id);
    wait_all(f);
    peer_stop(&p);
    outcome_done(&o);
}

/* ---- fakeapi: TLS, HTTP/2 ---- */

static char *read_text(const char *dir, const char *name)
{
    char path[640];
    char *text = calloc(1, 65536);
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    return text;
}

/* Starts fakeapi with the flags, and a client that trusts it. */
static struct fixture *api_start(const char *const *flags, struct sy_http_config config)
{
    struct fixture *f = calloc(1, sizeof(*f));
    int code = fakeapi_start(&f->api, flags);

    if (code) {
        fakeapi_stop(&f->api);
        free(f);
        if (code == -ENOENT)
            skip();
        fail_msg("fakeapi does not start");
    }
    f->ca = read_text(f->api.dir, "ca.pem");
    config.ca_pem = f->ca;
    fixture_start(f, &config);
    snprintf(f->url, sizeof(f->url), "%s/api/v1/nodes", f->api.url);
    return f;
}

static void api_stop(struct fixture *f)
{
    fixture_stop(f);
    fakeapi_stop(&f->api);
    free(f);
}

static void control(struct fixture *f, const char *method, const char *path, const char *body)
{
    char *text = fakeapi_control(&f->api, method, path, body);

    if (!text)
        fail_msg("%s %s was refused", method, path);
    free(text);
}

static int log_count(struct fixture *f, const char *query)
{
    char path[256];
    char *text;
    int n = -1;

    snprintf(path, sizeof(path), "/_log?count&%s", query);
    text = fakeapi_control(&f->api, "GET", path, NULL);
    assert_non_null(text);
    sscanf(text, "%d", &n);
    free(text);
    return n;
}

/* How often `what` stands in the request log. */
static int log_has(struct fixture *f, const char *what)
{
    char *text = fakeapi_control(&f->api, "GET", "/_log", NULL);
    int n = 0;

    assert_non_null(text);
    for (const char *p = text; (p = strstr(p, what)); p++)
        n++;
    free(text);
    return n;
}

static const char *const no_flags[] = {NULL};

static void calls_share_http2_and_streams_do_not(void **state SY_UNUSED)
{
    struct fixture *f =
        api_start((const char *const[]){"--nodes", "3", NULL}, (struct sy_http_config){0});
    enum { CALLS = 300 };
    struct outcome *o = calloc(CALLS, sizeof(*o)), stream = {.fail_with = -EXDEV, .fail_at = 1};
    char watch[640], *text;
    int connections = 0;
    char seen[8][64] = {{0}};

    for (int i = 0; i < CALLS; i++)
        submit(f, &o[i], (struct sy_http_request){.timeout_ms = 20000});
    wait_all(f);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(o[i].code, 0);
        assert_int_equal(o[i].status, 200);
        assert_int_equal(o[i].calls, 1);
        assert_non_null(memmem(o[i].body.p, o[i].body.len, "node-2", 6));
        outcome_done(&o[i]);
    }
    text = fakeapi_control(&f->api, "GET", "/_log", NULL);
    assert_non_null(text);
    for (const char *p = text; (p = strstr(p, "\"conn\":\"")); p++) {
        char conn[64] = "";
        int i;

        sscanf(p + 8, "%63[^\"]", conn);
        for (i = 0; i < connections && strcmp(seen[i], conn) != 0; i++)
            ;
        if (i == connections && connections < 8)
            snprintf(seen[connections++], sizeof(seen[0]), "%s", conn);
    }
    free(text);
    assert_in_range(connections, 1, 2);
    assert_int_equal(log_has(f, "\"proto\":\"HTTP/2.0\""), CALLS);

    snprintf(watch, sizeof(watch), "%s/api/v1/nodes?watch=1&resourceVersion=0", f->api.url);
    run_one(f, &stream, (struct sy_http_request){.url = watch, .is_stream = true});
    assert_int_equal(stream.code, -EXDEV);
    assert_non_null(memmem(stream.data.p, stream.data.len, "\"type\":\"ADDED\"", 14));
    assert_int_equal(log_has(f, "\"proto\":\"HTTP/1.1\""), 1);
    outcome_done(&stream);
    free(o);
    api_stop(f);
}

static void posts_arrive_once_each(void **state SY_UNUSED)
{
    struct fixture *f = api_start((const char *const[]){"--pods", "200", NULL},
                                  (struct sy_http_config){.unary_connections = 1});
    enum { CALLS = 200 };
    struct outcome *o = calloc(CALLS, sizeof(*o));
    const char *const headers[] = {"Content-Type: application/json", NULL};

    for (int i = 0; i < CALLS; i++) {
        char url[640];

        snprintf(url, sizeof(url), "%s/api/v1/namespaces/default/pods/pod-%d/binding", f->api.url,
                 i);
        submit(f, &o[i],
               (struct sy_http_request){.method = "POST",
                                        .url = url,
                                        .headers = headers,
                                        .body = SY_STR("{\"target\":{\"name\":\"n\"}}"),
                                        .timeout_ms = 20000});
    }
    wait_all(f);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(o[i].code, 0);
        assert_int_equal(o[i].status, 201);
        outcome_done(&o[i]);
    }
    assert_int_equal(log_count(f, "path=/binding"), CALLS);
    free(o);
    api_stop(f);
}

static void certificates_are_verified(void **state SY_UNUSED)
{
    struct fixture *f = api_start(no_flags, (struct sy_http_config){0});
    char *client = read_text(f->api.dir, "client.pem");
    const struct {
        struct sy_http_config config;
        int code;
    } cases[] = {
        {{.ca_pem = f->ca}, 0},
        {{.ca_pem = client}, -EKEYREJECTED}, /* another CA */
        {{0}, -EKEYREJECTED},                /* the system's */
        {{.insecure_skip_verify = true}, 0},
        {{.ca_pem = f->ca, .tls_server_name = "fake.example"}, 0},
        {{.ca_pem = f->ca, .tls_server_name = "127.0.0.1"}, 0},
        {{.ca_pem = f->ca, .tls_server_name = "::1"}, 0},
        {{.ca_pem = f->ca, .tls_server_name = "other.example"}, -EKEYREJECTED},
        {{.ca_pem = f->ca, .tls_server_name = "127.0.0.2"}, -EKEYREJECTED},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(cases); i++) {
        for (int is_stream = 0; is_stream < 2; is_stream++) {
            struct outcome o = {0};
            int seen = log_count(f, "");

            assert_int_equal(sy_http_reconfigure(f->http, &cases[i].config, NULL), 0);
            run_one(f, &o, (struct sy_http_request){.is_stream = is_stream});
            if (o.code != cases[i].code)
                fail_msg("case %zu gives %d: %s", i, o.code, o.error);
            assert_int_equal(o.maybe_sent, o.code == 0);
            assert_int_equal(log_count(f, "") - seen, o.code == 0);
            outcome_done(&o);
        }
    }
    free(client);
    api_stop(f);
}

static void client_certificates_are_shown(void **state SY_UNUSED)
{
    struct fixture *f =
        api_start((const char *const[]){"--client-cert", NULL}, (struct sy_http_config){0});
    char *cert = read_text(f->api.dir, "client.pem"),
         *key = read_text(f->api.dir, "client-key.pem");
    struct sy_http_config config = {
        .ca_pem = f->ca, .client_cert_pem = cert, .client_key_pem = key};
    struct outcome without = {0}, with = {0};
    struct sy_err err = {0};
    struct sy_http *h = NULL;

    run_one(f, &without, (struct sy_http_request){0});
    assert_true(without.code < 0);
    assert_int_equal(log_count(f, ""), 0);
    assert_int_equal(sy_http_reconfigure(f->http, &config, NULL), 0);
    run_one(f, &with, (struct sy_http_request){0});
    assert_int_equal(with.code, 0);
    assert_int_equal(with.status, 200);

    config.client_cert_pem = f->ca;
    assert_int_equal(sy_http_new(f->loop, &config, &h, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "do not belong together"));
    outcome_done(&without);
    outcome_done(&with);
    free(cert);
    free(key);
    api_stop(f);
}

static void a_cut_connection_ends_each_call_once(void **state SY_UNUSED)
{
    struct fixture *f = api_start(no_flags, (struct sy_http_config){0});
    enum { CALLS = 60 };
    struct outcome o[CALLS + 1] = {0};

    control(f, "POST", "/_fault", "{\"action\":\"hang\"}");
    for (int i = 0; i < CALLS; i++)
        submit(f, &o[i], (struct sy_http_request){.method = "POST", .body = SY_STR("{}")});
    while (log_count(f, "") < CALLS)
        run_for_ms(f, 10);
    control(f, "POST", "/_cut", NULL);
    wait_all(f);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_int_equal(o[i].code, -ECONNRESET);
        assert_true(o[i].maybe_sent);
    }
    assert_int_equal(log_count(f, ""), CALLS);
    control(f, "DELETE", "/_fault", NULL);
    run_one(f, &o[CALLS], (struct sy_http_request){0});
    assert_int_equal(o[CALLS].code, 0);
    for (int i = 0; i <= CALLS; i++)
        outcome_done(&o[i]);
    api_stop(f);
}

/* Calls that reach a connection after its GOAWAY are refused by it and go to the next one, until it
 * has happened too often; then they were certainly not carried out. Nothing hangs, nothing arrives
 * twice. */
static void goaway_loses_no_call(void **state SY_UNUSED)
{
    enum { CALLS = 200 };

    for (int is_patch = 0; is_patch < 2; is_patch++) {
        struct fixture *f = api_start(no_flags, (struct sy_http_config){0});
        struct outcome *o = calloc(CALLS, sizeof(*o));
        int answered = 0, seen;

        for (int i = 0; i < 20; i++) {
            char rule[64];

            snprintf(rule, sizeof(rule), "{\"action\":\"goaway\",\"skip\":%d,\"times\":1}",
                     i * 9 + 5);
            control(f, "POST", "/_fault", rule);
        }
        for (int i = 0; i < CALLS; i++)
            submit(f, &o[i],
                   (struct sy_http_request){.method = is_patch ? "PATCH" : "GET",
                                            .body = is_patch ? SY_STR("{}") : SY_STR(""),
                                            .timeout_ms = 20000});
        wait_all(f);
        for (int i = 0; i < CALLS; i++) {
            assert_int_equal(o[i].calls, 1);
            if (o[i].code == 0)
                answered++;
            else if (o[i].code != -ECONNRESET || o[i].maybe_sent)
                fail_msg("call %d: %d %s", i, o[i].code, o[i].error);
            outcome_done(&o[i]);
        }
        seen = log_count(f, "");
        assert_true(answered > 0);
        assert_int_equal(answered, seen);
        free(o);
        api_stop(f);
    }
}

static void a_reset_stream_may_have_been_sent(void **state SY_UNUSED)
{
    struct fixture *f = api_start(no_flags, (struct sy_http_config){0});
    struct outcome o[2] = {0}, ok = {0};

    control(f, "POST", "/_fault", "{\"action\":\"reset\",\"times\":1}");
    control(f, "POST", "/_fault", "{\"action\":\"truncate\",\"n\":3,\"times\":1}");
    for (int i = 0; i < 2; i++) {
        run_one(f, &o[i],
                (struct sy_http_request){.method = i ? "GET" : "POST",
                                         .body = i ? SY_STR("") : SY_STR("{}")});
        assert_int_equal(o[i].code, -ECONNRESET);
        assert_true(o[i].maybe_sent);
        outcome_done(&o[i]);
    }
    run_one(f, &ok, (struct sy_http_request){0});
    assert_int_equal(ok.code, 0);
    outcome_done(&ok);
    api_stop(f);
}

/* The kernel of a hung server still acknowledges. A call that timed out must not send the next one
 * to the same dead end. */
static void frozen_connections_are_left(void **state SY_UNUSED)
{
    struct fixture *f = api_start(no_flags, (struct sy_http_config){0});
    struct outcome o[3] = {0};

    run_one(f, &o[0], (struct sy_http_request){0});
    assert_int_equal(o[0].code, 0);
    control(f, "POST", "/_freeze", NULL);
    run_one(f, &o[1], (struct sy_http_request){.timeout_ms = 150});
    assert_int_equal(o[1].code, -ETIMEDOUT);
    assert_true(o[1].maybe_sent);
    run_one(f, &o[2], (struct sy_http_request){.timeout_ms = 5000});
    assert_int_equal(o[2].code, 0);
    for (int i = 0; i < 3; i++)
        outcome_done(&o[i]);
    api_stop(f);
}

static void large_and_trickling_answers_are_whole(void **state SY_UNUSED)
{
    struct fixture *f =
        api_start((const char *const[]){"--mode", "big-object", NULL}, (struct sy_http_config){0});
    struct outcome big = {0}, small = {0};
    char url[640];

    snprintf(url, sizeof(url), "%s/api/v1/pods", f->api.url);
    run_one(f, &big, (struct sy_http_request){.url = url});
    assert_int_equal(big.code, 0);
    assert_true(big.body.len > 5 * 1024 * 1024);
    assert_int_equal(big.body.p[big.body.len - 2], '}');
    control(f, "POST", "/_mode?name=bytewise", NULL);
    run_one(f, &small, (struct sy_http_request){0});
    assert_int_equal(small.code, 0);
    assert_non_null(memmem(small.body.p, small.body.len, "NodeList", 8));
    assert_int_equal(small.body.p[small.body.len - 2], '}');
    outcome_done(&big);
    outcome_done(&small);
    api_stop(f);
}

static void huge_headers_do_no_harm(void **state SY_UNUSED)
{
    struct fixture *f = api_start((const char *const[]){"--mode", "huge-headers", NULL},
                                  (struct sy_http_config){0});
    struct outcome o[3] = {0};

    /* A call that went out on the connection that the headers broke shares its end; the next one
     * has a connection of its own. */
    for (size_t i = 0; i < SY_ARRAY_LEN(o); i++) {
        run_one(f, &o[i], (struct sy_http_request){.timeout_ms = 10000});
        assert_true(o[i].maybe_sent);
    }
    assert_true(o[1].code == 0 || o[1].code == -EPROTO);
    assert_int_equal(o[2].code, 0);
    for (size_t i = 0; i < SY_ARRAY_LEN(o); i++)
        outcome_done(&o[i]);
    api_stop(f);
}

static void calls_over_the_limit_wait_in_order(void **state SY_UNUSED)
{
    struct fixture *f =
        api_start(no_flags, (struct sy_http_config){.unary_connections = 1, .unary_streams = 1});
    enum { CALLS = 12 };
    struct outcome o[CALLS] = {0}, late = {0};
    char *text;
    const char *at;

    control(f, "POST", "/_fault", "{\"action\":\"slow\",\"ms\":15}");
    for (int i = 0; i < CALLS; i++) {
        char url[640];

        snprintf(url, sizeof(url), "%s/api/v1/call-%c", f->api.url, 'a' + i);
        submit(f, &o[i], (struct sy_http_request){.url = url});
    }
    /* Its time runs out while it waits. */
    submit(f, &late, (struct sy_http_request){.method = "POST", .timeout_ms = 20});
    wait_all(f);
    assert_int_equal(late.code, -ETIMEDOUT);
    assert_false(late.maybe_sent);
    assert_true(o[CALLS - 1].duration_ns >= CALLS * 15 * SY_NS_PER_MS);
    text = fakeapi_control(&f->api, "GET", "/_log", NULL);
    assert_non_null(text);
    at = text;
    for (int i = 0; i < CALLS; i++) {
        char name[16];

        assert_int_equal(o[i].code, 0);
        snprintf(name, sizeof(name), "/call-%c", 'a' + i);
        at = strstr(at, name);
        assert_non_null(at);
        outcome_done(&o[i]);
    }
    outcome_done(&late);
    free(text);
    api_stop(f);
}

static void new_settings_get_new_connections(void **state SY_UNUSED)
{
    struct fixture *f = api_start(no_flags, (struct sy_http_config){0});
    struct sy_http_config config = {.ca_pem = f->ca, .disable_http2 = true};
    struct outcome slow = {0}, quick = {0};

    control(f, "POST", "/_fault", "{\"action\":\"slow\",\"ms\":100,\"times\":1}");
    submit(f, &slow, (struct sy_http_request){0});
    while (log_count(f, "") < 1)
        run_for_ms(f, 5);
    assert_int_equal(sy_http_reconfigure(f->http, &config, NULL), 0);
    submit(f, &quick, (struct sy_http_request){0});
    wait_all(f);
    assert_int_equal(slow.code, 0);
    assert_int_equal(quick.code, 0);
    assert_int_equal(log_has(f, "HTTP/2.0"), 1);
    assert_int_equal(log_has(f, "HTTP/1.1"), 1);
    outcome_done(&slow);
    outcome_done(&quick);
    api_stop(f);
}

#define plain_test(name) cmocka_unit_test_setup_teardown(name, plain_setup, plain_teardown)

int main(void)
{
    const struct CMUnitTest plain[] = {
        plain_test(the_answer_comes_whole),
        plain_test(methods_and_bodies_are_sent),
        plain_test(head_has_no_body),
        plain_test(statuses_are_answers),
        plain_test(answers_over_the_cap_are_refused),
        plain_test(an_unreachable_peer_got_nothing),
        plain_test(a_lost_answer_may_have_been_sent),
        plain_test(only_gets_are_repeated),
        plain_test(silence_has_an_end),
        plain_test(garbage_is_an_error),
        plain_test(bad_requests_are_not_sent),
        plain_test(bad_configs_are_refused),
        plain_test(streams_deliver_pieces),
        plain_test(a_refused_stream_has_a_body),
        plain_test(a_silent_stream_ends),
        plain_test(the_receiver_may_end_a_stream),
        plain_test(a_stream_may_cancel_others),
        plain_test(canceling_is_safe_at_any_time),
        plain_test(freeing_ends_all),
        plain_test(the_environment_names_no_proxy),
        plain_test(dead_peers_are_watched_for),
    };
    const struct CMUnitTest secure[] = {
        cmocka_unit_test(calls_share_http2_and_streams_do_not),
        cmocka_unit_test(posts_arrive_once_each),
        cmocka_unit_test(certificates_are_verified),
        cmocka_unit_test(client_certificates_are_shown),
        cmocka_unit_test(a_cut_connection_ends_each_call_once),
        cmocka_unit_test(goaway_loses_no_call),
        cmocka_unit_test(a_reset_stream_may_have_been_sent),
        cmocka_unit_test(frozen_connections_are_left),
        cmocka_unit_test(large_and_trickling_answers_are_whole),
        cmocka_unit_test(huge_headers_do_no_harm),
        cmocka_unit_test(calls_over_the_limit_wait_in_order),
        cmocka_unit_test(new_settings_get_new_connections),
    };
    int failed = cmocka_run_group_tests_name("plain", plain, NULL, NULL);

    return failed + cmocka_run_group_tests_name("secure", secure, NULL, NULL);
}
