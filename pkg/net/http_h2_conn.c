/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP/2 connection: addresses tried in turn, TLS over a socket that never blocks, and a PING
 * into a silence. What is to be sent gathers during a turn and leaves with one system call at its
 * end. */
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/http_h2.h"
#include "net/socket.h"
#include "net/tls.h"

enum {
    /* More than this is not taken from the session while the socket is stuffed. */
    WIRE_ENOUGH = 256 * 1024,
    WIRE_MAX = 4 * 1024 * 1024,
    WIRE_KEEP = 64 * 1024,
    ROUND_BYTES = 1024 * 1024,
    TEXT_MAX = 256,
};

static void try_address(struct sy_h2_conn *c);
static void on_read(evutil_socket_t fd, short what, void *arg);
static void on_write(evutil_socket_t fd, short what, void *arg);

static int64_t dead_peer_ns(const struct sy_h2_conn *c)
{
    return (int64_t)sy_h2_settings(c->h2)->dead_peer_ms * SY_NS_PER_MS;
}

/* ---- the end ---- */

static void close_socket(struct sy_h2_conn *c)
{
    if (c->has_events) {
        event_del(&c->read_event);
        event_del(&c->write_event);
        c->has_events = false;
    }
    SSL_free(c->ssl);
    c->ssl = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

/* Not freed: a caller further up may be at work on it. */
static void die(struct sy_h2_conn *c)
{
    c->state = SY_H2_DEAD;
    sy_timer_disarm(c->timer);
    sy_h2_lookup_free(c->lookup);
    c->lookup = NULL;
    close_socket(c);
    sy_h2_wake(c->h2);
}

static void fail(struct sy_h2_conn *c, int code, const char *text)
{
    bool was_ready = c->state == SY_H2_READY;

    if (c->state == SY_H2_DEAD)
        return;
    die(c);
    sy_h2_conn_lost(c, was_ready, code, text);
}

static void fail_errno(struct sy_h2_conn *c, int os_error, const char *what)
{
    char text[TEXT_MAX];

    snprintf(text, sizeof(text), "%s: %s", what, strerror(os_error));
    fail(c, sy_socket_code(os_error, -ECONNRESET), text);
}

/* This address leads nowhere: the next one, or the end. */
static void fail_address(struct sy_h2_conn *c, int os_error)
{
    close_socket(c);
    if (c->address->ai_next) {
        c->address = c->address->ai_next;
        try_address(c);
    } else {
        char text[TEXT_MAX];

        snprintf(text, sizeof(text), "cannot connect to %s port %s: %s", sy_h2_host_name(c->host),
                 sy_h2_host_port(c->host), strerror(os_error));
        fail(c, sy_socket_code(os_error, -ECONNREFUSED), text);
    }
}

/* ---- bytes ---- */

/* OpenSSL reads the socket itself, but is not let try again after a read that took all there was.
 */
static int bio_read(BIO *bio, char *p, int len)
{
    struct sy_h2_conn *c = BIO_get_data(bio);
    ssize_t n;

    BIO_clear_retry_flags(bio);
    c->os_error = 0;
    if (len <= 0)
        return 0;
    if (c->is_drained) {
        BIO_set_retry_read(bio);
        return -1;
    }
    do {
        n = recv(c->fd, p, (size_t)len, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        c->is_drained = true;
        BIO_set_retry_read(bio);
        return -1;
    }
    if (n > 0) {
        c->budget -= (size_t)n < c->budget ? (size_t)n : c->budget;
        c->is_drained = n < len || !c->budget;
    } else if (n < 0) {
        c->os_error = errno;
    }
    return (int)n;
}

/* Records gather here, so that those of one turn leave together. */
static int bio_write(BIO *bio, const char *p, int len)
{
    struct sy_h2_conn *c = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    return len > 0 && sy_buf_add(&c->wire, p, (size_t)len) == 0 ? len : -1;
}

static long bio_ctrl(BIO *bio SY_UNUSED, int command, long number SY_UNUSED, void *p SY_UNUSED)
{
    return command == BIO_CTRL_FLUSH;
}

static BIO *bio_new(struct sy_h2_conn *c)
{
    /* Made once, for the life of the process. */
    static BIO_METHOD *method;
    BIO *bio;

    if (!method) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
        if (!method)
            return NULL;
        BIO_meth_set_read(method, bio_read);
        BIO_meth_set_write(method, bio_write);
        BIO_meth_set_ctrl(method, bio_ctrl);
    }
    bio = BIO_new(method);
    if (bio) {
        BIO_set_data(bio, c);
        BIO_set_init(bio, 1);
    }
    return bio;
}

static void want_write(struct sy_h2_conn *c, bool is_wanted)
{
    if (c->is_writing == is_wanted)
        return;
    c->is_writing = is_wanted;
    if (is_wanted)
        event_add(&c->write_event, NULL);
    else
        event_del(&c->write_event);
}

/* 0, or the errno that ends the connection. */
static int send_wire(struct sy_h2_conn *c)
{
    while (c->wire_at < c->wire.len) {
        ssize_t n = send(c->fd, c->wire.p + c->wire_at, c->wire.len - c->wire_at, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            want_write(c, true);
            return 0;
        }
        if (n < 0)
            return errno;
        c->wire_at += (size_t)n;
    }
    c->wire_at = 0;
    if (c->wire.room > WIRE_KEEP)
        sy_buf_done(&c->wire);
    else
        sy_buf_reset(&c->wire);
    want_write(c, false);
    return 0;
}

/* One record, or what the session has. Bytes taken, 0, or a negative errno. */
static ssize_t take_record(struct sy_h2_conn *c)
{
    uint8_t *record = sy_h2_scratch(c->h2);
    size_t len = 0;

    while (len < SY_H2_RECORD_BYTES) {
        const uint8_t *p;
        ssize_t n = sy_h2_session_send(c->session, &p);

        if (n < 0)
            return n;
        if (!n)
            break;
        /* A frame is never larger than this, but for the limit a server may raise. */
        if (len + (size_t)n > SY_H2_INPUT_BYTES)
            return -EPROTO;
        memcpy(record + len, p, (size_t)n);
        len += (size_t)n;
    }
    if (len && SSL_write(c->ssl, record, (int)len) != (int)len)
        return -EIO;
    return (ssize_t)len;
}

static void read_all(struct sy_h2_conn *c);

void sy_h2_conn_flush(struct sy_h2_conn *c)
{
    ssize_t n;
    int os_error;

    if (c->state != SY_H2_READY)
        return;
    do {
        n = c->wire.len - c->wire_at < WIRE_ENOUGH ? take_record(c) : 0;
    } while (n > 0);
    if (n < 0) {
        char text[TEXT_MAX] = "the request cannot be sent";

        if (n == -EIO)
            n = sy_tls_explain(c->ssl, -ECONNRESET, text, sizeof(text));
        fail(c, (int)n, text);
        return;
    }
    os_error = send_wire(c);
    if (os_error) {
        /* What the server said before it closed tells what became of the requests. */
        read_all(c);
        if (c->state == SY_H2_READY)
            fail_errno(c, os_error, "the connection was lost");
    } else if (sy_h2_session_is_over(c->session)) {
        fail(c, -EPROTO, sy_h2_session_text(c->session));
    }
}

/* ---- answers ---- */

static void read_failed(struct sy_h2_conn *c, int ret)
{
    int reason = SSL_get_error(c->ssl, ret);
    char text[TEXT_MAX];

    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)
        return;
    if (reason == SSL_ERROR_ZERO_RETURN || (reason == SSL_ERROR_SYSCALL && !c->os_error)) {
        fail(c, -ECONNRESET, sy_h2_session_text(c->session));
    } else if (reason == SSL_ERROR_SYSCALL) {
        fail_errno(c, c->os_error, "the connection was lost");
    } else {
        int code = sy_tls_explain(c->ssl, -ECONNRESET, text, sizeof(text));

        fail(c, code, text);
    }
}

/* Until the socket has no more, or enough was read for one round. */
static void read_all(struct sy_h2_conn *c)
{
    uint8_t *input = sy_h2_scratch(c->h2);

    c->is_drained = false;
    c->budget = ROUND_BYTES;
    while (c->state == SY_H2_READY) {
        int n, code;

        ERR_clear_error();
        n = SSL_read(c->ssl, input, SY_H2_INPUT_BYTES);
        if (n <= 0) {
            read_failed(c, n);
            break;
        }
        c->heard_at = sy_loop_now_ns(sy_h2_loop(c->h2));
        c->is_pinged = false;
        code = sy_h2_session_recv(c->session, input, (size_t)n);
        if (code)
            fail(c, code, sy_h2_session_text(c->session));
    }
    sy_h2_wake(c->h2);
}

/* ---- silence ---- */

/* Moved only when it fires, and let lie when there is nothing to wait for. */
static void on_silence(struct sy_h2_conn *c)
{
    sy_time_ns since = c->heard_at > c->busy_since ? c->heard_at : c->busy_since;
    int64_t limit = c->is_pinged ? dead_peer_ns(c) : dead_peer_ns(c) / 2;
    int64_t left = since + limit - sy_clock_boot_ns();

    if (!c->calls.len)
        return;
    if (left > 0) {
        sy_timer_arm(c->timer, left);
    } else if (!c->is_pinged) {
        c->is_pinged = true;
        sy_h2_session_ping(c->session);
        sy_timer_arm(c->timer, dead_peer_ns(c) - limit);
        sy_h2_wake(c->h2);
    } else {
        fail(c, -ETIMEDOUT, "the connection fell silent");
    }
}

void sy_h2_conn_busy(struct sy_h2_conn *c)
{
    c->busy_since = sy_loop_now_ns(sy_h2_loop(c->h2));
    c->is_pinged = false;
    if (!sy_timer_is_armed(c->timer))
        sy_timer_arm(c->timer, dead_peer_ns(c) / 2);
}

static void on_timer(void *arg)
{
    struct sy_h2_conn *c = arg;
    char text[TEXT_MAX];

    if (c->state == SY_H2_READY) {
        on_silence(c);
    } else if (c->state == SY_H2_CONNECTING && c->address->ai_next) {
        fail_address(c, ETIMEDOUT);
    } else {
        snprintf(text, sizeof(text), "connecting to %s port %s took too long",
                 sy_h2_host_name(c->host), sy_h2_host_port(c->host));
        fail(c, -ETIMEDOUT, text);
    }
}

/* ---- the beginning ---- */

static void on_answered(void *arg, struct sy_h2_call *call, enum sy_h2_fate fate, int code,
                        const char *text)
{
    struct sy_h2_conn *c = arg;

    if (fate == SY_H2_ANSWERED)
        c->has_served = true;
    sy_h2_call_ended(call, fate, code, text);
}

static int on_piece(void *arg SY_UNUSED, struct sy_h2_call *call, struct sy_str piece)
{
    return sy_transfer_data(call->transfer, piece);
}

static void handshake_done(struct sy_h2_conn *c)
{
    struct sy_h2_session_user user = {.on_end = on_answered, .on_data = on_piece, .arg = c};
    const unsigned char *protocol;
    unsigned int len;

    SSL_get0_alpn_selected(c->ssl, &protocol, &len);
    if (len != 2 || memcmp(protocol, "h2", 2) != 0) {
        die(c);
        sy_h2_conn_is_http1(c);
        return;
    }
    if (sy_h2_session_new(&user, &c->session)) {
        fail(c, -ENOMEM, "no memory for a connection");
        return;
    }
    sy_timer_disarm(c->timer);
    freeaddrinfo(c->addresses);
    c->addresses = c->address = NULL;
    c->state = SY_H2_READY;
    c->heard_at = sy_loop_now_ns(sy_h2_loop(c->h2));
    sy_h2_conn_ready(c);
    /* The server's first frames may lie in OpenSSL's buffer already. */
    read_all(c);
}

static void shake_hands(struct sy_h2_conn *c)
{
    int ret, reason, os_error;
    char text[TEXT_MAX];

    c->is_drained = false;
    c->budget = ROUND_BYTES;
    ERR_clear_error();
    ret = SSL_do_handshake(c->ssl);
    reason = SSL_get_error(c->ssl, ret);
    if (ret == 1 || reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) {
        os_error = send_wire(c);
        if (os_error)
            fail_errno(c, os_error, "TLS handshake");
        else if (ret == 1)
            handshake_done(c);
    } else if (reason == SSL_ERROR_SYSCALL) {
        if (c->os_error)
            fail_errno(c, c->os_error, "TLS handshake");
        else
            fail(c, -ECONNRESET, "the server closed the connection in the TLS handshake");
    } else {
        int code = sy_tls_explain(c->ssl, -EPROTO, text, sizeof(text));

        send_wire(c); /* the alert */
        fail(c, code, text);
    }
}

static void connected(struct sy_h2_conn *c)
{
    const char *server_name = sy_h2_settings(c->h2)->tls_server_name;
    struct sy_err err = {0};
    SSL_CTX *ctx = sy_h2_tls(c->h2, &err);
    BIO *bio = ctx ? bio_new(c) : NULL;

    want_write(c, false);
    c->ssl = bio ? SSL_new(ctx) : NULL;
    if (!c->ssl) {
        BIO_free(bio);
        fail(c, ctx ? -ENOMEM : -EKEYREJECTED, ctx ? "no memory for TLS" : err.msg);
        return;
    }
    SSL_set_bio(c->ssl, bio, bio);
    SSL_set_connect_state(c->ssl);
    if (sy_tls_expect(c->ssl, server_name ? server_name : sy_h2_host_name(c->host))) {
        fail(c, -ENOMEM, "cannot set up TLS");
        return;
    }
    c->state = SY_H2_HANDSHAKE;
    sy_timer_arm(c->timer, c->connect_until - sy_clock_boot_ns());
    event_add(&c->read_event, NULL);
    shake_hands(c);
}

static void on_read(evutil_socket_t fd SY_UNUSED, short what SY_UNUSED, void *arg)
{
    struct sy_h2_conn *c = arg;

    if (c->state == SY_H2_READY)
        read_all(c);
    else if (c->state == SY_H2_HANDSHAKE)
        shake_hands(c);
}

static void on_write(evutil_socket_t fd, short what SY_UNUSED, void *arg)
{
    struct sy_h2_conn *c = arg;
    int os_error = 0;
    socklen_t len = sizeof(os_error);

    if (c->state == SY_H2_READY) {
        sy_h2_conn_flush(c);
    } else if (c->state == SY_H2_HANDSHAKE) {
        os_error = send_wire(c);
        if (os_error)
            fail_errno(c, os_error, "TLS handshake");
    } else if (c->state == SY_H2_CONNECTING) {
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &os_error, &len) < 0)
            os_error = errno;
        if (os_error)
            fail_address(c, os_error);
        else
            connected(c);
    }
}

/* The time left is shared by the addresses left, so that a dead one does not use it up. */
static void try_address(struct sy_h2_conn *c)
{
    struct event_base *base = sy_loop_base(sy_h2_loop(c->h2));
    const struct addrinfo *a = c->address;
    int64_t left = c->connect_until - sy_clock_boot_ns(), addresses = 0;

    for (const struct addrinfo *i = a; i; i = i->ai_next)
        addresses++;
    c->state = SY_H2_CONNECTING;
    c->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (c->fd < 0) {
        fail_address(c, errno);
        return;
    }
    sy_socket_tune(c->fd, sy_h2_settings(c->h2)->dead_peer_ms);
    event_assign(&c->read_event, base, c->fd, EV_READ | EV_PERSIST, on_read, c);
    event_assign(&c->write_event, base, c->fd, EV_WRITE | EV_PERSIST, on_write, c);
    c->has_events = true;
    c->is_writing = false;
    sy_timer_arm(c->timer, left / addresses);
    if (connect(c->fd, a->ai_addr, a->ai_addrlen) == 0)
        connected(c);
    else if (errno == EINPROGRESS)
        want_write(c, true);
    else
        fail_address(c, errno);
}

static void on_addresses(void *arg, struct addrinfo *addresses, const char *text)
{
    struct sy_h2_conn *c = arg;
    char message[TEXT_MAX];

    sy_h2_lookup_free(c->lookup);
    c->lookup = NULL;
    if (!addresses) {
        snprintf(message, sizeof(message), "cannot resolve %s: %s", sy_h2_host_name(c->host), text);
        fail(c, -EHOSTUNREACH, message);
        return;
    }
    c->addresses = c->address = addresses;
    try_address(c);
}

void sy_h2_conn_open(struct sy_h2_conn *c)
{
    const char *name = sy_h2_host_name(c->host), *port = sy_h2_host_port(c->host);
    int64_t budget_ns = (int64_t)sy_h2_settings(c->h2)->connect_timeout_ms * SY_NS_PER_MS;

    c->fd = -1;
    c->state = SY_H2_RESOLVING;
    c->connect_until = sy_clock_boot_ns() + budget_ns;
    sy_buf_init(&c->wire, WIRE_MAX);
    c->timer = sy_timer_new(sy_h2_loop(c->h2), on_timer, c);
    c->addresses = c->address = sy_h2_lookup_now(name, port);
    if (c->addresses) {
        try_address(c);
        return;
    }
    sy_timer_arm(c->timer, budget_ns);
    c->lookup = sy_h2_lookup_new(sy_h2_loop(c->h2), name, port, on_addresses, c);
    if (!c->lookup)
        fail(c, -ENOMEM, "no thread to resolve a name");
}

void sy_h2_conn_close(struct sy_h2_conn *c)
{
    if (c->state == SY_H2_DEAD)
        return;
    if (c->state == SY_H2_READY) {
        sy_h2_session_shutdown(c->session);
        while (take_record(c) > 0)
            ;
        ERR_clear_error();
        SSL_shutdown(c->ssl);
        send_wire(c);
        ERR_clear_error();
    }
    die(c);
}

void sy_h2_conn_free(struct sy_h2_conn *c)
{
    if (!c)
        return;
    sy_timer_free(c->timer);
    sy_h2_lookup_free(c->lookup);
    close_socket(c);
    sy_h2_session_free(c->session);
    if (c->addresses)
        freeaddrinfo(c->addresses);
    sy_buf_done(&c->wire);
    free(c);
}
