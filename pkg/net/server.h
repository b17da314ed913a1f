/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP server over libevent's evhttp, on the loop: health, metrics and what pkg/serve adds. Header
 * and body sizes are capped and slow peers are cut. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

struct sy_server;
struct sy_exchange; /* one request being answered */

/* Must reply with sy_reply() before it returns. */
typedef void sy_handler_fn(void *arg, struct sy_exchange *x);

/* address: "127.0.0.1" style literal; port 0 picks a free one. -EADDRINUSE names address and port.
 */
int sy_server_new(struct sy_loop *loop, const char *address, uint16_t port, struct sy_server **ret,
                  struct sy_err *err) SY_NODISCARD;
void sy_server_free(struct sy_server *s);
uint16_t sy_server_port(const struct sy_server *s);
/* Exact path match, GET and HEAD only. The longest-lived strings are copied. */
void sy_server_handle(struct sy_server *s, const char *path, sy_handler_fn *fn, void *arg);
/* Path of the request without the query; the value of a query parameter or NULL. Borrowed. */
const char *sy_exchange_path(const struct sy_exchange *x);
const char *sy_exchange_query(const struct sy_exchange *x, const char *name);
void sy_reply(struct sy_exchange *x, int status, const char *content_type, struct sy_str body);
