/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP server: accepting, one request at a time per connection, deadlines. A connection waits
 * for its answer to be taken before it reads on, so a peer that does not read costs one answer.
 * Whether it is TLS shows in its first byte, which is looked at before anything reads. */
#include "net/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/vec.h"
#include "net/request.h"
#include "net/tls_server.h"

enum { TLS_HANDSHAKE_RECORD = 0x16 };

struct route {
    char *path;
    sy_handler_fn *fn;
    void *arg;
};

struct sy_stream {
    struct connection *connection;
    void (*on_end)(void *arg);
    void *arg;
};

struct connection {
    struct sy_server *server;
    struct sy_stream *stream;       /* its answer has no end */
    struct connection *prev, *next; /* oldest activity first */
    struct event *first_byte; /* until it is known what the peer speaks: then there is a `bev` */
    struct bufferevent *bev;
    SSL *ssl; /* of bev; NULL: plain */
    struct sy_exchange *deferred;
    struct sy_timer *deadline;
    bool is_local; /* the peer is on this machine */
    bool is_busy;  /* a request has begun, or an answer is not taken yet */
    bool is_answering;
    bool close_when_sent;
    bool is_draining; /* answered and shut; what still comes is dropped until the peer closes */
};

struct sy_server {
    struct sy_loop *loop;
    struct evconnlistener *listener;
    struct sy_tls_server *tls; /* borrowed; NULL: none */
    uint16_t port;
    SY_VEC(struct route) routes;
    struct connection *first, *last;
    uint32_t connections;
    struct sy_timer *accept_again;
};

struct sy_exchange {
    struct connection *connection; /* NULL: gone; deferred ones only */
    struct sy_request request;     /* borrows from `head` */
    const char *header;            /* one more; static */
    bool is_head;
    bool is_replied;
    bool is_deferred;
    bool is_in_handler; /* whose caller frees it, else sy_reply() does */
    size_t head_len;
    char head[];
};

/* ---- connections ---- */

static void connection_unlink(struct connection *c)
{
    struct sy_server *s = c->server;

    if (c->prev)
        c->prev->next = c->next;
    else
        s->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        s->last = c->prev;
}

static void connection_link(struct connection *c)
{
    struct sy_server *s = c->server;

    c->prev = s->last;
    c->next = NULL;
    if (s->last)
        s->last->next = c;
    else
        s->first = c;
    s->last = c;
}

static void connection_free(struct connection *c)
{
    if (c->stream) {
        struct sy_stream *s = c->stream;
        c->stream = NULL;
        s->on_end(s->arg);
        free(s);
    }
    connection_unlink(c);
    c->server->connections--;
    sy_timer_free(c->deadline);
    if (c->deferred)
        c->deferred->connection = NULL;
    if (c->first_byte) {
        evutil_socket_t fd = event_get_fd(c->first_byte);
        event_free(c->first_byte);
        close(fd);
    }
    if (c->bev)
        bufferevent_free(c->bev);
    free(c);
}

static void deadline_passed(void *arg)
{
    connection_free(arg);
}

static void give_time(struct connection *c, int seconds)
{
    sy_timer_arm(c->deadline, seconds * SY_NS_PER_S);
}

/* ---- answers ---- */

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Content Too Large"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(texts); i++) {
        if (texts[i].status == status)
            return texts[i].text;
    }
    return "Status";
}

static struct sy_exchange *exchange_new(struct connection *c, size_t head_len)
{
    struct sy_exchange *x = sy_xcalloc(1, sizeof(*x) + head_len);

    x->connection = c;
    x->head_len = head_len;
    x->is_in_handler = true;
    return x;
}

static void exchange_free(struct sy_exchange *x)
{
    if (x->connection && x->is_deferred)
        x->connection->deferred = NULL;
    explicit_bzero(x->head, x->head_len); /* it may hold credentials */
    free(x);
}

static void write_reply(struct sy_exchange *x, int status, const char *content_type,
                        struct sy_str body)
{
    struct connection *c = x->connection;
    struct evbuffer *out = bufferevent_get_output(c->bev);

    if (x->request.has_body || !x->request.keep_alive)
        c->close_when_sent = true;
    evbuffer_add_printf(out,
                        "HTTP/1.1 %d %s\r\n"
                        "Content-Type: %s\r\n"
                        "Content-Length: %zu\r\n"
                        "Cache-Control: no-store\r\n"
                        "X-Content-Type-Options: nosniff\r\n"
                        "%s%s%s%s%s\r\n",
                        status, status_text(status), content_type, body.len,
                        x->header ? x->header : "", x->header ? "\r\n" : "",
                        status == 405 ? "Allow: GET, HEAD\r\n" : "",
                        status == 401 ? "WWW-Authenticate: Bearer\r\n" : "",
                        c->close_when_sent ? "Connection: close\r\n" : "");
    if (!x->is_head)
        evbuffer_add(out, body.p, body.len);
    c->is_answering = true;
    give_time(c, SY_SERVER_REQUEST_TIMEOUT_S);
}

void sy_reply(struct sy_exchange *x, int status, const char *content_type, struct sy_str body)
{
    if (x->is_replied)
        return;
    x->is_replied = true;
    if (x->connection)
        write_reply(x, status, content_type, body);
    if (!x->is_in_handler)
        exchange_free(x);
}

void sy_exchange_add_header(struct sy_exchange *x, const char *line)
{
    x->header = line;
}

struct sy_stream *sy_reply_stream(struct sy_exchange *x, const char *content_type,
                                  void (*on_end)(void *arg), void *arg)
{
    struct connection *c = x->connection;
    struct sy_stream *s;

    if (!c || x->is_head || x->is_replied) {
        sy_reply(x, 200, content_type, SY_STR(""));
        return NULL;
    }
    s = sy_xmalloc(sizeof(*s));
    *s = (struct sy_stream){c, on_end, arg};
    c->stream = s;
    c->is_draining = true; /* it has nothing more to say; that it closes is to be seen */
    bufferevent_enable(c->bev, EV_READ);
    evbuffer_add_printf(bufferevent_get_output(c->bev),
                        "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
                        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
                        content_type);
    c->is_answering = true;
    give_time(c, SY_SERVER_REQUEST_TIMEOUT_S);
    x->is_replied = true;
    if (!x->is_in_handler)
        exchange_free(x);
    return s;
}

void sy_stream_send(struct sy_stream *s, struct sy_str bytes)
{
    struct connection *c = s->connection;
    struct evbuffer *out = bufferevent_get_output(c->bev);

    if (evbuffer_get_length(out) + bytes.len > SY_SERVER_STREAM_MAX_BYTES ||
        evbuffer_add(out, bytes.p, bytes.len) < 0) {
        connection_free(c);
        return;
    }
    if (!c->is_answering) {
        c->is_answering = true;
        give_time(c, SY_SERVER_REQUEST_TIMEOUT_S);
    }
}

void sy_exchange_defer(struct sy_exchange *x)
{
    if (x->is_replied)
        return;
    x->is_deferred = true;
    x->connection->deferred = x;
}

static void reply_text(struct sy_exchange *x, int status)
{
    const char *text = status_text(status);

    sy_reply(x, status, "text/plain; charset=utf-8", sy_str_from(text));
}

static void dispatch(struct connection *c, struct sy_exchange *x)
{
    const struct sy_server *s = c->server;
    const struct route *route;

    x->is_head = strcmp(x->request.method, "HEAD") == 0;
    SY_VEC_FOREACH (route, &s->routes) {
        if (strcmp(route->path, x->request.path) != 0)
            continue;
        if (!x->is_head && strcmp(x->request.method, "GET") != 0)
            reply_text(x, 405);
        else
            route->fn(route->arg, x);
        if (!x->is_replied && !x->is_deferred)
            reply_text(x, 500);
        return;
    }
    reply_text(x, 404);
}

/* Length of the head with its empty line, or 0 when it is not whole yet. */
static size_t head_length(struct evbuffer *in)
{
    size_t eol_len;
    struct evbuffer_ptr at = evbuffer_search(in, "\n\r\n", 3, NULL), bare;

    eol_len = 3;
    bare = evbuffer_search(in, "\n\n", 2, NULL);
    if (bare.pos >= 0 && (at.pos < 0 || bare.pos < at.pos)) {
        at = bare;
        eol_len = 2;
    }
    return at.pos < 0 ? 0 : (size_t)at.pos + eol_len;
}

/* x has room for the head, which is in the buffer. */
static void answer(struct connection *c, struct sy_exchange *x)
{
    evbuffer_remove(bufferevent_get_input(c->bev), x->head, x->head_len);
    int code = sy_request_parse(x->head, x->head_len, &x->request);
    if (code) {
        x->request.keep_alive = false;
        reply_text(x, code == -EPROTONOSUPPORT ? 505 : 400);
    } else {
        dispatch(c, x);
    }
    x->is_in_handler = false;
    if (x->is_replied)
        exchange_free(x);
}

/* Answers the request in the buffer if it is whole. Returns whether it did. */
static bool answer_one(struct connection *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    size_t len;
    char first;

    /* A robust server skips empty lines before a request (RFC 9112, 2.2). */
    while (evbuffer_copyout(in, &first, 1) == 1 && (first == '\r' || first == '\n'))
        evbuffer_drain(in, 1);
    if (!evbuffer_get_length(in))
        return false;
    if (!c->is_busy) {
        c->is_busy = true;
        connection_unlink(c);
        connection_link(c);
        give_time(c, SY_SERVER_REQUEST_TIMEOUT_S);
    }
    len = head_length(in);
    if (len > SY_SERVER_MAX_HEAD_BYTES ||
        (!len && evbuffer_get_length(in) >= SY_SERVER_MAX_HEAD_BYTES)) {
        struct sy_exchange *x = exchange_new(c, 0);
        reply_text(x, 431);
        exchange_free(x);
        return true;
    }
    if (!len)
        return false;
    answer(c, exchange_new(c, len));
    return true;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct connection *c = arg;

    if (c->is_draining) {
        evbuffer_drain(bufferevent_get_input(bev), evbuffer_get_length(bufferevent_get_input(bev)));
        return;
    }
    if (c->is_answering || !answer_one(c) || c->stream)
        return;
    /* The rest of the input waits until the answer is taken: see on_written(). */
    bufferevent_disable(bev, EV_READ);
    give_time(c, SY_SERVER_REQUEST_TIMEOUT_S);
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct connection *c = arg;

    if (!c->is_answering)
        return;
    c->is_answering = false;
    if (c->stream) {
        sy_timer_disarm(c->deadline);
        return;
    }
    if (c->close_when_sent) {
        /* Closing with input unread would reset the connection and could take the answer along. */
        if (c->ssl)
            SSL_shutdown(c->ssl);
        ERR_clear_error();
        shutdown(bufferevent_getfd(bev), SHUT_WR);
        c->is_draining = true;
        give_time(c, SY_SERVER_REQUEST_TIMEOUT_S);
        bufferevent_enable(bev, EV_READ);
        on_read(bev, c);
        return;
    }
    c->is_busy = false;
    give_time(c, SY_SERVER_IDLE_TIMEOUT_S);
    bufferevent_enable(bev, EV_READ);
    on_read(bev, c);
}

void sy_stream_end(struct sy_stream *s)
{
    struct connection *c = s->connection;

    c->stream = NULL;
    free(s);
    c->close_when_sent = true;
    if (c->is_answering)
        return; /* it is closed when what was sent is taken */
    c->is_answering = true;
    on_written(c->bev, c);
}

static void on_progress(struct evbuffer *out SY_UNUSED, const struct evbuffer_cb_info *info,
                        void *arg)
{
    struct connection *c = arg;

    if (info->n_deleted && c->is_answering)
        give_time(c, SY_SERVER_REQUEST_TIMEOUT_S);
}

static void on_end(struct bufferevent *bev SY_UNUSED, short what, void *arg)
{
    if (!(what & BEV_EVENT_CONNECTED)) /* that: TLS is set up */
        connection_free(arg);
}

/* Whatever speaks TLS or not, from here on it is bytes of HTTP. Returns whether there was memory;
 * the descriptor is the bufferevent's then. */
static bool begin(struct connection *c, evutil_socket_t fd, bool is_tls)
{
    struct event_base *base = sy_loop_base(c->server->loop);

    if (is_tls) {
        c->ssl = sy_tls_server_accept(c->server->tls);
        if (!c->ssl)
            return false;
        /* Frees the SSL also when it fails. */
        c->bev = bufferevent_openssl_socket_new(base, fd, c->ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                BEV_OPT_CLOSE_ON_FREE);
    } else {
        c->bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    }
    if (!c->bev)
        return false;
    bufferevent_setcb(c->bev, on_read, on_written, on_end, c);
    bufferevent_setwatermark(c->bev, EV_READ, 0, SY_SERVER_MAX_HEAD_BYTES);
    evbuffer_add_cb(bufferevent_get_output(c->bev), on_progress, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    return true;
}

static void on_first_byte(evutil_socket_t fd, short what SY_UNUSED, void *arg)
{
    struct connection *c = arg;
    unsigned char byte = 0;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR) && event_add(c->first_byte, NULL) == 0)
        return;
    if (n <= 0 || !begin(c, fd, byte == TLS_HANDSHAKE_RECORD)) {
        connection_free(c);
        return;
    }
    event_free(c->first_byte);
    c->first_byte = NULL;
}

static bool is_loopback(const struct sockaddr *peer)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)peer;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)peer;

    if (peer->sa_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    if (peer->sa_family != AF_INET6)
        return false;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
}

static void on_accept(struct evconnlistener *listener SY_UNUSED, evutil_socket_t fd,
                      struct sockaddr *peer, int peer_len SY_UNUSED, void *arg)
{
    struct sy_server *s = arg;
    struct connection *c;
    int on = 1;

    if (s->connections >= SY_SERVER_MAX_CONNECTIONS) {
        for (c = s->first; c && c->is_busy; c = c->next)
            ;
        if (!c) {
            close(fd);
            return;
        }
        connection_free(c);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c = sy_xcalloc(1, sizeof(*c));
    c->server = s;
    c->is_local = is_loopback(peer);
    c->deadline = sy_timer_new(s->loop, deadline_passed, c);
    s->connections++;
    connection_link(c);
    /* The first request has no more time than any other. */
    give_time(c, SY_SERVER_REQUEST_TIMEOUT_S);
    if (s->tls) {
        c->first_byte = event_new(sy_loop_base(s->loop), fd, EV_READ, on_first_byte, c);
        if (c->first_byte && event_add(c->first_byte, NULL) == 0)
            return;
    } else if (begin(c, fd, false)) {
        return;
    }
    if (!c->first_byte) /* else it is closed with the event */
        close(fd);
    connection_free(c);
}

/* Out of descriptors, most likely: the listener would stay readable and spin. An idle connection
 * gives way; if there is none, the others have a moment to end. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct sy_server *s = arg;
    struct connection *c;

    for (c = s->first; c && c->is_busy; c = c->next)
        ;
    if (c)
        connection_free(c);
    evconnlistener_disable(listener);
    sy_timer_arm(s->accept_again, 100 * SY_NS_PER_MS);
}

static void accept_again(void *arg)
{
    struct sy_server *s = arg;

    evconnlistener_enable(s->listener);
}

/* ---- the server ---- */

static int parse_address(const char *address, uint16_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ret;

    memset(ret, 0, sizeof(*ret));
    if (*address && inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return (int)sizeof(*v4);
    }
    if (inet_pton(AF_INET6, *address ? address : "::", &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        return (int)sizeof(*v6);
    }
    return -EINVAL;
}

static int listen_on(const char *address, uint16_t port, uint16_t *ret_port, struct sy_err *err)
{
    struct sockaddr_storage where;
    int len = parse_address(address, port, &where), fd, on = 1, off = 0, code;
    bool is_v6 = where.ss_family == AF_INET6;
    socklen_t got = sizeof(where);

    if (len < 0)
        return sy_err_set(err, -EINVAL, "listen on \"%s\": not an IP address: give one such as %s",
                          address, "127.0.0.1 or ::1");
    fd = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        code = -errno;
        return sy_err_set(err, code, "listen on port %u: %s", port, strerror(-code));
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (is_v6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, *address ? &on : &off, sizeof(on));
    if (bind(fd, (struct sockaddr *)&where, (socklen_t)len) < 0 ||
        getsockname(fd, (struct sockaddr *)&where, &got) < 0 || listen(fd, 128) < 0) {
        const char *hint = "";

        code = -errno;
        close(fd);
        if (code == -EADDRINUSE)
            hint = ": choose another address or port, or stop what listens there";
        else if (code == -EADDRNOTAVAIL)
            hint = ": this machine has no such address";
        else if (code == -EACCES)
            hint = ": choose a port above 1023";
        return sy_err_set(err, code, "listen on %s%s%s:%u: %s%s", is_v6 ? "[" : "", address,
                          is_v6 ? "]" : "", port, strerror(-code), hint);
    }
    *ret_port = ntohs(is_v6 ? ((struct sockaddr_in6 *)(void *)&where)->sin6_port
                            : ((struct sockaddr_in *)(void *)&where)->sin_port);
    return fd;
}

int sy_server_new(struct sy_loop *loop, const char *address, uint16_t port, struct sy_server **ret,
                  struct sy_err *err)
{
    struct sy_server *s;
    uint16_t got = 0;
    int fd = listen_on(address, port, &got, err);

    if (fd < 0)
        return fd;
    s = sy_xcalloc(1, sizeof(*s));
    s->loop = loop;
    s->port = got;
    s->listener = evconnlistener_new(sy_loop_base(loop), on_accept, s,
                                     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!s->listener) {
        close(fd);
        free(s);
        return sy_err_set(err, -ENOMEM, "listen on port %u: no memory", port);
    }
    evconnlistener_set_error_cb(s->listener, on_accept_error);
    s->accept_again = sy_timer_new(loop, accept_again, s);
    *ret = s;
    return 0;
}

void sy_server_free(struct sy_server *s)
{
    struct route *route;

    if (!s)
        return;
    while (s->first)
        connection_free(s->first);
    evconnlistener_free(s->listener);
    sy_timer_free(s->accept_again);
    SY_VEC_FOREACH (route, &s->routes)
        free(route->path);
    sy_vec_done(&s->routes);
    free(s);
}

uint16_t sy_server_port(const struct sy_server *s)
{
    return s->port;
}

void sy_server_handle(struct sy_server *s, const char *path, sy_handler_fn *fn, void *arg)
{
    struct route *route;

    SY_VEC_FOREACH (route, &s->routes) {
        if (strcmp(route->path, path) == 0) {
            route->fn = fn;
            route->arg = arg;
            return;
        }
    }
    sy_vec_push(&s->routes, (struct route){.path = sy_xstrdup(path), .fn = fn, .arg = arg});
}

void sy_server_use_tls(struct sy_server *s, struct sy_tls_server *tls)
{
    s->tls = tls;
}

const char *sy_exchange_bearer(const struct sy_exchange *x)
{
    static const char SCHEME[] = "Bearer";
    const char *value = x->request.authorization;

    if (!value || strncasecmp(value, SCHEME, sizeof(SCHEME) - 1) != 0 ||
        value[sizeof(SCHEME) - 1] != ' ')
        return NULL;
    value += sizeof(SCHEME) - 1;
    value += strspn(value, " ");
    return *value ? value : NULL;
}

bool sy_exchange_is_private(const struct sy_exchange *x)
{
    return x->connection && (x->connection->ssl || x->connection->is_local);
}

const char *sy_exchange_path(const struct sy_exchange *x)
{
    return x->request.path;
}

const char *sy_exchange_query(const struct sy_exchange *x, const char *name)
{
    return sy_request_param(&x->request, name);
}
