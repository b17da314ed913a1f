/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP server as peers meet it: whole and broken requests, keep-alive, caps, slow and greedy
 * peers. A thread plays the peer over real sockets. */
#include "net/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/request.h"

struct fixture {
    struct sy_loop *loop;
    struct sy_server *server;
    int calls;
    char last_query[64];
    char last_bearer[64];
    bool was_private;
    struct sy_timer *later;
    struct sy_exchange *waiting;
    struct sy_stream *stream;
    int stream_says, stream_ends;
    bool is_greedy;
};

static void hello(void *arg, struct sy_exchange *x)
{
    struct fixture *f = arg;
    const char *name = sy_exchange_query(x, "name");

    f->calls++;
    snprintf(f->last_query, sizeof(f->last_query), "%s", name ? name : "(none)");
    sy_reply(x, 200, "text/plain", SY_STR("hello\n"));
    sy_reply(x, 500, "text/plain", SY_STR("twice"));
}

static void mute(void *arg SY_UNUSED, struct sy_exchange *x SY_UNUSED)
{
}

static void large(void *arg SY_UNUSED, struct sy_exchange *x)
{
    size_t len = 8 * 1024 * 1024;
    char *text = sy_xmalloc(len);

    memset(text, 'x', len);
    sy_reply(x, 200, "text/plain", (struct sy_str){text, len});
    free(text);
}

static void secret(void *arg, struct sy_exchange *x)
{
    struct fixture *f = arg;
    const char *token = sy_exchange_bearer(x);

    f->calls++;
    f->was_private = sy_exchange_is_private(x);
    snprintf(f->last_bearer, sizeof(f->last_bearer), "%s", token ? token : "(none)");
    sy_reply(x, token ? 200 : 401, "text/plain", SY_STR("secret\n"));
}

static void answer_later(void *arg)
{
    struct fixture *f = arg;

    snprintf(f->last_query, sizeof(f->last_query), "%s", sy_exchange_query(f->waiting, "name"));
    sy_reply(f->waiting, 200, "text/plain", SY_STR("at last\n"));
    f->waiting = NULL;
}

static void later(void *arg, struct sy_exchange *x)
{
    struct fixture *f = arg;

    f->calls++;
    f->waiting = x;
    sy_exchange_defer(x);
    if (!sy_exchange_query(x, "never"))
        sy_timer_arm(f->later, 20 * SY_NS_PER_MS);
}

static void deferred_and_at_once(void *arg SY_UNUSED, struct sy_exchange *x)
{
    sy_exchange_defer(x);
    sy_reply(x, 200, "text/plain", SY_STR("at once\n"));
}

static void on_stream_end(void *arg)
{
    struct fixture *f = arg;

    f->stream = NULL;
    f->stream_ends++;
}

static void say_more(void *arg)
{
    struct fixture *f = arg;
    static char much[1 << 20];

    if (!f->stream)
        return;
    if (f->stream_says == 3) {
        sy_stream_end(f->stream);
        f->stream = NULL;
        return;
    }
    f->stream_says++;
    if (f->is_greedy)
        sy_stream_send(f->stream, (struct sy_str){much, sizeof(much)});
    else
        sy_stream_send(f->stream, SY_STR("more\n"));
    if (f->is_greedy)
        f->stream_says = 0; /* without an end */
    sy_timer_arm(f->later, SY_NS_PER_MS);
}

static void stream(void *arg, struct sy_exchange *x)
{
    struct fixture *f = arg;

    f->calls++;
    sy_timer_free(f->later);
    f->later = sy_timer_new(f->loop, say_more, f);
    f->is_greedy = sy_exchange_query(x, "much") != NULL;
    f->stream = sy_reply_stream(x, "text/plain", on_stream_end, f);
    if (f->stream)
        sy_timer_arm(f->later, SY_NS_PER_MS);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_int_equal(sy_loop_new(&f->loop, NULL), 0);
    assert_int_equal(sy_server_new(f->loop, "127.0.0.1", 0, &f->server, NULL), 0);
    sy_server_handle(f->server, "/hello", mute, f);
    sy_server_handle(f->server, "/hello", hello, f);
    sy_server_handle(f->server, "/mute", mute, f);
    sy_server_handle(f->server, "/large", large, f);
    sy_server_handle(f->server, "/secret", secret, f);
    sy_server_handle(f->server, "/later", later, f);
    sy_server_handle(f->server, "/stream", stream, f);
    sy_server_handle(f->server, "/both", deferred_and_at_once, f);
    f->later = sy_timer_new(f->loop, answer_later, f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_server_free(f->server);
    sy_timer_free(f->later);
    sy_loop_free(f->loop);
    free(f);
    return 0;
}

/* ---- the peer ---- */

struct peer {
    uint16_t port;
    const char *send; /* sent whole */
    size_t send_len;
    bool is_slow;   /* a byte at a time */
    bool keep_open; /* no half-close after sending */
    size_t read_max;
    char *got; /* all until the server closed or read_max bytes */
    size_t got_len;
    int done_fd;
};

static int dial(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void *play(void *arg)
{
    struct peer *p = arg;
    int fd = dial(p->port);
    size_t room = 64 * 1024 * 1024;

    p->got = malloc(room);
    for (size_t i = 0; fd >= 0 && i < p->send_len;) {
        ssize_t n = send(fd, p->send + i, p->is_slow ? 1 : p->send_len - i, MSG_NOSIGNAL);

        if (n < 0)
            break;
        i += (size_t)n;
        if (p->is_slow)
            usleep(200);
    }
    if (!p->keep_open)
        shutdown(fd, SHUT_WR);
    while (fd >= 0 && p->got_len < room - 1 && (!p->read_max || p->got_len < p->read_max)) {
        ssize_t n = recv(fd, p->got + p->got_len, room - 1 - p->got_len, 0);

        if (n <= 0)
            break;
        p->got_len += (size_t)n;
    }
    p->got[p->got_len] = '\0';
    if (fd >= 0)
        close(fd);
    close(p->done_fd);
    return NULL;
}

static void peer_done(evutil_socket_t fd SY_UNUSED, short what SY_UNUSED, void *arg)
{
    sy_loop_stop(arg);
}

/* Runs the server until the peer is through. The caller frees p->got. */
static void serve(struct fixture *f, struct peer *p)
{
    int fds[2];
    struct event *e;
    pthread_t thread;

    assert_int_equal(pipe(fds), 0);
    p->port = sy_server_port(f->server);
    p->done_fd = fds[1];
    if (!p->send_len)
        p->send_len = strlen(p->send);
    e = event_new(sy_loop_base(f->loop), fds[0], EV_READ, peer_done, f->loop);
    event_add(e, NULL);
    assert_int_equal(pthread_create(&thread, NULL, play, p), 0);
    assert_int_equal(sy_loop_run(f->loop, NULL), 0);
    pthread_join(thread, NULL);
    event_free(e);
    close(fds[0]);
}

static void expect(struct fixture *f, const char *request, const char *begins, const char *has)
{
    struct peer p = {.send = request};

    serve(f, &p);
    if (strncmp(p.got, begins, strlen(begins)) != 0)
        fail_msg("to \"%s\" came \"%s\"", request, p.got);
    if (has && !strstr(p.got, has))
        fail_msg("to \"%s\" came \"%s\", which lacks \"%s\"", request, p.got, has);
    free(p.got);
}

/* ---- tests ---- */

static void answers_get_and_head(void **state)
{
    struct fixture *f = *state;
    struct peer p = {.send = "HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"};

    expect(f, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\nhello\n");
    assert_int_equal(f->calls, 1);
    assert_string_equal(f->last_query, "(none)");
    serve(f, &p);
    assert_non_null(strstr(p.got, "Content-Length: 6\r\n"));
    assert_non_null(strstr(p.got, "Connection: close\r\n"));
    assert_string_equal(p.got + p.got_len - 4, "\r\n\r\n");
    assert_null(strstr(p.got, "hello"));
    free(p.got);
    assert_int_equal(f->calls, 2);
    expect(f, "GET /hello HTTP/1.0\n\n", "HTTP/1.1 200 OK\r\n", "Connection: close\r\n");
}

static void decodes_queries(void **state)
{
    struct fixture *f = *state;

    expect(f, "GET /hello?a=1&name=a%20b+c%2Fd&name=second HTTP/1.1\r\n\r\n", "HTTP/1.1 200", NULL);
    assert_string_equal(f->last_query, "a b c/d");
    expect(f, "GET /hello?name HTTP/1.1\r\n\r\n", "HTTP/1.1 200", NULL);
    assert_string_equal(f->last_query, "");
    expect(f, "GET http://h:1/hello?&&=&name=%zz%2 HTTP/1.1\r\n\r\n", "HTTP/1.1 200", NULL);
    assert_string_equal(f->last_query, "%zz%2");
    expect(f, "GET /hello?name=a%00b HTTP/1.1\r\n\r\n", "HTTP/1.1 400", NULL);
}

static void refuses_what_it_must(void **state)
{
    struct fixture *f = *state;
    static const char *const broken[] = {
        "GET\r\n\r\n",
        "GET /hello\r\n\r\n",
        "get /hello HTTP/1.1\r\n\r\n",
        "GET hello HTTP/1.1\r\n\r\n",
        "GET /hello FTP/1.1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        "GET /hello HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "GET /he\x01llo HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02 a TLS hello\r\n\r\n",
    };

    expect(f, "GET /hell HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", NULL);
    expect(f, "GET /hello/ HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", NULL);
    expect(f, "DELETE /hello HTTP/1.1\r\n\r\n", "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n");
    expect(f, "POST /hello HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 405 ",
           "Connection: close\r\n");
    expect(f, "GET /mute HTTP/1.1\r\n\r\n", "HTTP/1.1 500 ", NULL);
    expect(f, "GET /hello HTTP/2.0\r\n\r\n", "HTTP/1.1 505 ", NULL);
    assert_int_equal(f->calls, 0);
    for (size_t i = 0; i < SY_ARRAY_LEN(broken); i++)
        expect(f, broken[i], "HTTP/1.1 400 Bad Request\r\n", "Connection: close\r\n");
    assert_int_equal(f->calls, 0);
}

static void a_head_too_long_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t len = 20 * 1024;
    char *text = sy_xmalloc(len + 1);

    memset(text, 'a', len);
    text[len] = '\0';
    memcpy(text, "GET /", 5);
    expect(f, text, "HTTP/1.1 431 ", "Connection: close\r\n");
    free(text);
}

static void a_body_is_not_taken_for_a_request(void **state)
{
    struct fixture *f = *state;
    struct peer p = {.send = "GET /hello HTTP/1.1\r\nContent-Length: 40\r\n\r\n"
                             "GET /hello HTTP/1.1\r\nX: smuggled in\r\n\r\n"};

    serve(f, &p);
    assert_int_equal(f->calls, 1);
    assert_non_null(strstr(p.got, "Connection: close\r\n"));
    free(p.got);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    struct peer p = {.send = "GET /hello HTTP/1.1\r\n\r\n\r\nGET /none HTTP/1.1\r\n\r\n"
                             "GET /hello?name=last HTTP/1.1\r\nConnection: close\r\n\r\n"
                             "GET /hello HTTP/1.1\r\n\r\n"};
    const char *first, *second, *third;

    serve(f, &p);
    assert_int_equal(f->calls, 2);
    assert_string_equal(f->last_query, "last");
    first = strstr(p.got, "200 OK");
    second = first ? strstr(first, "404 Not Found") : NULL;
    third = second ? strstr(second, "200 OK") : NULL;
    assert_non_null(third);
    free(p.got);
}

static void bytes_may_trickle(void **state)
{
    struct fixture *f = *state;
    struct peer p = {.send = "GET /hello?name=slow HTTP/1.1\r\nHost: x\r\n\r\n", .is_slow = true};

    serve(f, &p);
    assert_string_equal(f->last_query, "slow");
    free(p.got);
}

static void a_large_answer_arrives_whole(void **state)
{
    struct fixture *f = *state;
    struct peer p = {.send = "GET /large HTTP/1.1\r\nConnection: close\r\n\r\n"};
    const char *body;

    serve(f, &p);
    body = strstr(p.got, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(p.got + p.got_len - (body + 4), 8 * 1024 * 1024);
    free(p.got);
}

static void connections_are_capped(void **state)
{
    struct fixture *f = *state;
    enum { EXTRA = 40, ALL = SY_SERVER_MAX_CONNECTIONS + EXTRA };
    int fds[ALL];
    struct peer p = {.send = "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n"};
    int closed = 0;
    char c;

    for (int i = 0; i < ALL; i++) {
        fds[i] = dial(sy_server_port(f->server));
        assert_true(fds[i] >= 0);
        if (i % 64 == 63) {
            /* Let the server accept, so that the backlog does not fill. */
            struct peer q = {.send = "GET /none HTTP/1.1\r\nConnection: close\r\n\r\n"};

            serve(f, &q);
            free(q.got);
        }
    }
    serve(f, &p);
    assert_non_null(strstr(p.got, "200 OK"));
    free(p.got);
    for (int i = 0; i < ALL; i++) {
        if (recv(fds[i], &c, 1, MSG_DONTWAIT) == 0)
            closed++;
        close(fds[i]);
    }
    assert_true(closed >= EXTRA);
    assert_true(closed < 2 * EXTRA);
}

static void addresses_are_checked(void **state)
{
    struct fixture *f = *state;
    struct sy_server *s = NULL;
    struct sy_err err = {0};
    char port[16];

    snprintf(port, sizeof(port), ":%u: ", sy_server_port(f->server));
    assert_int_equal(sy_server_new(f->loop, "127.0.0.1", sy_server_port(f->server), &s, &err),
                     -EADDRINUSE);
    assert_non_null(strstr(err.msg, "listen on 127.0.0.1"));
    assert_non_null(strstr(err.msg, port));
    assert_non_null(strstr(err.msg, "choose another"));
    assert_int_equal(sy_server_new(f->loop, "localhost", 0, &s, &err), -EINVAL);
    assert_int_equal(sy_server_new(f->loop, "192.0.2.1", 0, &s, &err), -EADDRNOTAVAIL);
    assert_null(s);
    assert_int_equal(sy_server_new(f->loop, "", 0, &s, &err), 0);
    sy_server_free(s);
    sy_server_free(NULL);
}

static void tokens_are_handed_on(void **state)
{
    struct fixture *f = *state;

    expect(f, "GET /secret HTTP/1.1\r\nAuthorization: bearer  abc.def\r\n\r\n", "HTTP/1.1 200",
           NULL);
    assert_string_equal(f->last_bearer, "abc.def");
    assert_true(f->was_private); /* plain, but from this machine */
    expect(f, "GET /secret HTTP/1.1\r\nAuthorization: Basic YTpi\r\n\r\n", "HTTP/1.1 401",
           "WWW-Authenticate: Bearer\r\n");
    expect(f, "GET /secret HTTP/1.1\r\nAuthorization: Bearer \r\n\r\n", "HTTP/1.1 401", NULL);
    expect(f, "GET /secret HTTP/1.1\r\n\r\n", "HTTP/1.1 401", NULL);
    assert_int_equal(f->calls, 4);
    expect(f, "GET /secret HTTP/1.1\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
           "HTTP/1.1 400", NULL);
    assert_int_equal(f->calls, 4);
}

static void an_answer_may_come_later(void **state)
{
    struct fixture *f = *state;

    expect(f, "GET /later?name=kept HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\nat last\n");
    assert_string_equal(f->last_query, "kept");
    assert_null(f->waiting);
    expect(f, "GET /both HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\nat once\n");
    /* What follows on the connection waits for its turn. */
    expect(
        f,
        "GET /later?name=1 HTTP/1.1\r\n\r\nGET /hello?name=2 HTTP/1.1\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\n", "at last\nHTTP/1.1 200 OK\r\n");
    assert_string_equal(f->last_query, "2");
}

static void stop_when_waiting(void *arg)
{
    struct fixture *f = arg;

    if (f->waiting)
        sy_loop_stop(f->loop);
    else
        sy_timer_arm(f->later, SY_NS_PER_MS);
}

/* The one who asked and the server itself may be gone when the answer is there. */
static void a_late_answer_to_nobody_is_dropped(void **state)
{
    static const char ASK[] = "GET /later?never HTTP/1.1\r\n\r\n";
    struct fixture *f = *state;
    int fd = dial(sy_server_port(f->server));

    assert_int_equal(send(fd, ASK, sizeof(ASK) - 1, MSG_NOSIGNAL), sizeof(ASK) - 1);
    sy_timer_free(f->later);
    f->later = sy_timer_new(f->loop, stop_when_waiting, f);
    sy_timer_arm(f->later, SY_NS_PER_MS);
    assert_int_equal(sy_loop_run(f->loop, NULL), 0);
    assert_non_null(f->waiting);
    sy_server_free(f->server);
    f->server = NULL;
    assert_false(sy_exchange_is_private(f->waiting));
    sy_reply(f->waiting, 200, "text/plain", SY_STR("nobody hears this"));
    close(fd);
}

static void parameters_are_capped(void **state SY_UNUSED)
{
    char text[1024] = "GET /x?", *at = text + strlen(text);
    struct sy_request r;

    for (int i = 0; i < 100; i++) {
        memcpy(at, "p=1&", 4);
        at += 4;
    }
    memcpy(at, " HTTP/1.1\r\n\r\n", 13);
    assert_int_equal(sy_request_parse(text, (size_t)(at - text) + 13, &r), 0);
    assert_int_equal(r.params_len, SY_REQUEST_MAX_PARAMS);
    assert_null(sy_request_param(&r, "q"));
}

static void a_stream_tells_until_it_ends(void **state)
{
    struct fixture *f = *state;
    struct peer p = {.send = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", .keep_open = true};

    serve(f, &p);
    assert_non_null(strstr(p.got, "Connection: close\r\n\r\nmore\nmore\nmore\n"));
    free(p.got);
    assert_int_equal(f->stream_ends, 0);
    expect(f, "HEAD /stream HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", NULL);
    assert_int_equal(f->calls, 2);
    assert_null(f->stream);
}

/* Has the loop turn until the stream is over, or long enough. */
static void turn_until_the_stream_ends(struct fixture *f)
{
    for (int i = 0; i < 10000 && !f->stream_ends; i++)
        expect(f, "GET /hello HTTP/1.1\r\n\r\n", "HTTP/1.1 200", NULL);
    assert_int_equal(f->stream_ends, 1);
    assert_null(f->stream);
}

static void a_stream_ends_when_nobody_listens(void **state)
{
    struct fixture *f = *state;
    struct peer p = {
        .send = "GET /stream?much HTTP/1.1\r\nHost: x\r\n\r\n", .keep_open = true, .read_max = 10};

    serve(f, &p);
    free(p.got);
    turn_until_the_stream_ends(f);
}

static void who_does_not_read_is_cut(void **state)
{
    struct fixture *f = *state;
    static const char REQUEST[] = "GET /stream?much HTTP/1.1\r\nHost: x\r\n\r\n";
    int fd = dial(sy_server_port(f->server));

    assert_true(fd >= 0);
    assert_int_equal(send(fd, REQUEST, sizeof(REQUEST) - 1, 0), sizeof(REQUEST) - 1);
    turn_until_the_stream_ends(f);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_get_and_head, setup, teardown),
        cmocka_unit_test_setup_teardown(decodes_queries, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_it_must, setup, teardown),
        cmocka_unit_test_setup_teardown(a_head_too_long_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_is_not_taken_for_a_request, setup, teardown),
        cmocka_unit_test_setup_teardown(pipelined_requests_are_answered_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_may_trickle, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_answer_arrives_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(connections_are_capped, setup, teardown),
        cmocka_unit_test_setup_teardown(addresses_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(tokens_are_handed_on, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_may_come_later, setup, teardown),
        cmocka_unit_test_setup_teardown(a_late_answer_to_nobody_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_tells_until_it_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_ends_when_nobody_listens, setup, teardown),
        cmocka_unit_test_setup_teardown(who_does_not_read_is_cut, setup, teardown),
        cmocka_unit_test(parameters_are_capped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
