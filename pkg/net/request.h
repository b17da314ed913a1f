/* SPDX-License-Identifier: Apache-2.0
 *
 * The head of an HTTP/1 request as a server reads it: request line, the few header fields that
 * decide what follows, query parameters. Pure: no sockets. Source: RFC 9112. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

enum { SY_REQUEST_MAX_PARAMS = 32 };

struct sy_request {
    const char *method;
    const char *path; /* as sent, without the query; begins with '/' */
    struct {
        const char *name;
        const char *value;           /* "" when there is no '=' */
    } params[SY_REQUEST_MAX_PARAMS]; /* decoded; further ones are dropped */
    size_t params_len;
    const char *authorization; /* value of that field, NULL without one; a secret */
    bool keep_alive;           /* the connection may carry another request */
    bool has_body;             /* a body follows the head; it is not framed here */
};

/* in/out: text, `len` bytes ending in the empty line, cut up in place; *ret borrows from it.
 * Returns 0, -EINVAL (answer 400) or -EPROTONOSUPPORT (not HTTP/1.x: answer 505). Cost O(len). */
int sy_request_parse(char *text, size_t len, struct sy_request *ret) SY_NODISCARD;
/* The value of a parameter (the first of that name) or NULL. */
const char *sy_request_param(const struct sy_request *r, const char *name);
