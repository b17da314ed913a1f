/* SPDX-License-Identifier: Apache-2.0
 *
 * An API server for tests: plain HTTP on loopback, a thread per connection, answers written by the
 * test's own function. It knows nothing of Kubernetes, so a test can be as wrong as it likes. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube/client.h"

enum { FAKE_CONNECTIONS_MAX = 256, FAKE_REQUEST_MAX = 65536, FAKE_LOG_MAX = 256 };

struct fake;

/* Answers request number n (from 0) by writing to fd. target: path and query. Returning false
 * closes the connection. */
typedef bool fake_fn(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                     const char *head, const char *body);

struct fake {
    fake_fn *fn;
    int listen_fd;
    unsigned port;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_t threads[FAKE_CONNECTIONS_MAX];
    int fds[FAKE_CONNECTIONS_MAX];
    unsigned connections;
    atomic_uint requests;
    char *_Atomic log[FAKE_LOG_MAX]; /* "METHOD target" of each request */
    atomic_int stage;                /* the test's own */
};

struct fake_connection {
    struct fake *f;
    int fd;
};

static inline void fake_write(int fd, const char *p, size_t len)
{
    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        p += n;
        len -= (size_t)n;
    }
}

/* A whole answer with a length. headers: further lines, each with CRLF. */
static inline bool fake_reply(int fd, int status, const char *headers, const char *body)
{
    char head[1024];
    int len = snprintf(head, sizeof(head),
                       "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%sContent-Length: "
                       "%zu\r\n\r\n",
                       status, headers, strlen(body));

    fake_write(fd, head, (size_t)len);
    fake_write(fd, body, strlen(body));
    return true;
}

/* The head of a stream that ends when the connection does. */
static inline void fake_stream(int fd)
{
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";

    fake_write(fd, head, sizeof(head) - 1);
}

static inline void fake_writef(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void fake_writef(int fd, const char *fmt, ...)
{
    char *text;
    va_list ap;

    va_start(ap, fmt);
    int len = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (len < 0)
        abort();
    fake_write(fd, text, (size_t)len);
    free(text);
}

/* Blocks until the client closes. */
static inline void fake_hold(int fd)
{
    char c;

    while (recv(fd, &c, 1, 0) > 0)
        ;
}

static inline bool fake_serve_one(struct fake *f, int fd)
{
    char *text = calloc(1, FAKE_REQUEST_MAX + 1);
    size_t len = 0;
    char *end = NULL;
    bool goes_on = false;

    while (!end && len < FAKE_REQUEST_MAX) {
        ssize_t n = recv(fd, text + len, FAKE_REQUEST_MAX - len, 0);

        if (n <= 0)
            goto out;
        len += (size_t)n;
        end = strstr(text, "\r\n\r\n");
    }
    if (!end)
        goto out;
    uint64_t body_len = 0;
    const char *field = strcasestr(text, "\r\nContent-Length: ");
    if (field && field < end)
        (void)!sy_str_u64((struct sy_str){field + 18, strcspn(field + 18, "\r")}, &body_len);
    while (len < (size_t)(end + 4 - text) + body_len && len < FAKE_REQUEST_MAX) {
        ssize_t n = recv(fd, text + len, FAKE_REQUEST_MAX - len, 0);

        if (n <= 0)
            goto out;
        len += (size_t)n;
    }
    char method[16], target[8192];
    if (sscanf(text, "%15s %8191s", method, target) != 2)
        goto out;
    *end = 0;
    /* The client's own probe of silence is no part of any script. */
    if (strcmp(target, "/version") == 0) {
        goes_on = fake_reply(fd, 200, "", "{}");
        goto out;
    }
    unsigned n = atomic_fetch_add(&f->requests, 1);
    if (n < FAKE_LOG_MAX) {
        char *line;
        if (asprintf(&line, "%s %s", method, target) < 0)
            abort();
        atomic_store(&f->log[n], line);
    }
    goes_on = f->fn(f, fd, n, method, target, text, end + 4);
out:
    free(text);
    return goes_on;
}

static inline void *fake_serve(void *arg)
{
    struct fake_connection c = *(struct fake_connection *)arg;

    free(arg);
    while (fake_serve_one(c.f, c.fd))
        ;
    shutdown(c.fd, SHUT_RDWR);
    return NULL;
}

static inline void *fake_accept(void *arg)
{
    struct fake *f = arg;
    int fd;

    while ((fd = accept(f->listen_fd, NULL, NULL)) >= 0) {
        struct fake_connection *c = malloc(sizeof(*c));

        *c = (struct fake_connection){f, fd};
        if (f->connections == FAKE_CONNECTIONS_MAX)
            abort();
        f->fds[f->connections] = fd;
        pthread_create(&f->threads[f->connections++], NULL, fake_serve, c);
    }
    return NULL;
}

/* port 0 picks one. */
static inline void fake_start(struct fake *f, fake_fn *fn, unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof(address);
    int on = 1;

    *f = (struct fake){.fn = fn};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(f->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(f->listen_fd, (struct sockaddr *)&address, sizeof(address)) ||
        listen(f->listen_fd, 64) || getsockname(f->listen_fd, (struct sockaddr *)&address, &len))
        abort();
    f->port = ntohs(address.sin_port);
    pthread_create(&f->thread, NULL, fake_accept, f);
}

/* Closes all connections, and the port. */
static inline void fake_stop(struct fake *f)
{
    shutdown(f->listen_fd, SHUT_RDWR);
    pthread_join(f->thread, NULL);
    close(f->listen_fd);
    for (unsigned i = 0; i < f->connections; i++)
        shutdown(f->fds[i], SHUT_RDWR);
    for (unsigned i = 0; i < f->connections; i++) {
        pthread_join(f->threads[i], NULL);
        close(f->fds[i]);
    }
}

static inline void fake_free_log(struct fake *f)
{
    for (unsigned i = 0; i < FAKE_LOG_MAX; i++)
        free(f->log[i]);
}

/* ---- a client for it ----------------------------------------------------------------------------
 */

struct fake_client {
    struct sy_loop *loop;
    struct sy_kube *k;
    struct sy_timer *alarm;
    bool is_late;
};

static inline void fake_alarm(void *arg)
{
    struct fake_client *c = arg;

    c->is_late = true;
    sy_loop_stop(c->loop);
}

static inline void fake_client_start(struct fake_client *c, unsigned port,
                                     const struct sy_kubeconfig *more,
                                     const struct sy_kube_options *options)
{
    struct sy_kubeconfig config = more ? *more : (struct sy_kubeconfig){0};
    struct sy_kube_options plain = {.force_json = true};
    char server[64];
    struct sy_err err;

    *c = (struct fake_client){0};
    snprintf(server, sizeof(server), "http://127.0.0.1:%u", port);
    config.server = server;
    if (sy_loop_new(&c->loop, &err) ||
        sy_kube_new(c->loop, &config, options ? options : &plain, &c->k, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        abort();
    }
    c->alarm = sy_timer_new(c->loop, fake_alarm, c);
}

/* Runs the loop until somebody stops it; false when that took longer. */
static inline bool fake_client_run(struct fake_client *c, int64_t seconds)
{
    struct sy_err err;

    c->is_late = false;
    sy_timer_arm(c->alarm, seconds * SY_NS_PER_S);
    sy_loop_run(c->loop, &err);
    sy_timer_disarm(c->alarm);
    return !c->is_late;
}

static inline void fake_client_stop(struct fake_client *c)
{
    sy_kube_free(c->k);
    sy_timer_free(c->alarm);
    sy_loop_free(c->loop);
}
