/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.1 server on the loop: health, metrics and what pkg/serve adds. GET and HEAD only. One port
 * speaks plain HTTP and, once told to, TLS: the first byte tells. Sizes, time and the number of
 * connections are capped, and slow peers are cut, so that a peer cannot take the daemon's memory or
 * descriptors. (libevent's evhttp has neither a cap on connections nor
 * a deadline for a request that trickles in, so this reads requests itself.) */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SY_SERVER_MAX_CONNECTIONS = 256, /* one more closes the longest idle one, or is refused */
    SY_SERVER_MAX_HEAD_BYTES = 16 * 1024,
    SY_SERVER_REQUEST_TIMEOUT_S = 10, /* for a whole request, and for each step of an answer */
    SY_SERVER_IDLE_TIMEOUT_S = 120,   /* between requests */
};

struct sy_server;
struct sy_exchange; /* one request being answered */

/* Must reply with sy_reply() before it returns, or else call sy_exchange_defer(); if it did neither
 * the peer gets 500. Must not free the server. */
typedef void sy_handler_fn(void *arg, struct sy_exchange *x);

/* address: IPv4 or IPv6 literal, "" for every address; port 0 picks a free one. Errors name address
 * and port and what to do: -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EINVAL. */
int sy_server_new(struct sy_loop *loop, const char *address, uint16_t port, struct sy_server **ret,
                  struct sy_err *err) SY_NODISCARD;
void sy_server_free(struct sy_server *s); /* NULL allowed; cuts connections */
uint16_t sy_server_port(const struct sy_server *s);
/* Exact path match, GET and HEAD only; other methods get 405, other paths 404. path is copied. A
 * second call for the same path replaces the handler. */
void sy_server_handle(struct sy_server *s, const char *path, sy_handler_fn *fn, void *arg);
/* Connections that begin with a TLS hello are TLS from now on: 1.2 or newer, under the certificate
 * that tls has at that time. tls is borrowed for the server's life. */
struct sy_tls_server;
void sy_server_use_tls(struct sy_server *s, struct sy_tls_server *tls);
/* Path of the request without the query; the decoded value of a query parameter or NULL ("" when it
 * has none). Borrowed until the reply. */
const char *sy_exchange_path(const struct sy_exchange *x);
const char *sy_exchange_query(const struct sy_exchange *x, const char *name);
/* The token of "Authorization: Bearer TOKEN", or NULL. A secret: never log it. Borrowed until the
 * reply. */
const char *sy_exchange_bearer(const struct sy_exchange *x);
/* Whether nobody on the way could read or change the request: it came over TLS, or from this very
 * machine. */
bool sy_exchange_is_private(const struct sy_exchange *x);
/* From inside the handler: the reply comes later. x stays valid until then, and sy_reply() must be
 * called exactly once, also when the peer has gone or the server was freed meanwhile (it is then
 * dropped): it frees x. The peer waits at most SY_SERVER_REQUEST_TIMEOUT_S. */
void sy_exchange_defer(struct sy_exchange *x);
/* body is copied; HEAD sends its length only. A second reply to an exchange that was not deferred
 * is dropped. */
void sy_reply(struct sy_exchange *x, int status, const char *content_type, struct sy_str body);
/* A line for the head of the reply ("Name: value"), a static string, before sy_reply(). One. */
void sy_exchange_add_header(struct sy_exchange *x, const char *line);

/* An answer without an end, for what is told as it happens. It starts with status 200 and ends with
 * the connection. x: as for sy_reply(), which this is in place of. on_end is called once when the
 * peer has gone, was cut because it did not take what it was sent (SY_SERVER_STREAM_MAX_BYTES
 * behind, or nothing in SY_SERVER_REQUEST_TIMEOUT_S), or the server is freed; not after
 * sy_stream_end(). NULL: the peer has gone already, or asked for the head only. Loop thread. */
enum { SY_SERVER_STREAM_MAX_BYTES = 8 << 20 };
struct sy_stream;
struct sy_stream *sy_reply_stream(struct sy_exchange *x, const char *content_type,
                                  void (*on_end)(void *arg), void *arg);
/* Copied. May call on_end before it returns; the stream is gone then. */
void sy_stream_send(struct sy_stream *s, struct sy_str bytes);
/* Ends the answer, after what was sent. */
void sy_stream_end(struct sy_stream *s);
