/* SPDX-License-Identifier: Apache-2.0
 *
 * Error objects. Fallible functions return 0 or a negative errno and take a trailing
 * `struct sy_err *`, which may be NULL, is left untouched on success, and is wrapped with context
 * on the way up. Errors are logged once, where they stop. */
#pragma once

#include "base/compiler.h"

#include <stdarg.h>
#include <stdint.h>

enum {
    SY_ERR_MSG_MAX = 1024,
    SY_ERR_REASON_MAX = 64,
};

struct sy_err {
    int code;                       /* negative errno, as returned */
    int http_status;                /* 0 when no HTTP answer was had */
    uint32_t retry_after_ms;        /* 0 when the server named none */
    char reason[SY_ERR_REASON_MAX]; /* metav1.Status.reason ("Conflict", "Expired", ...) or "" */
    char msg[SY_ERR_MSG_MAX];       /* one line for a person: what, where, what to do */
};

/* Sets *err (NULL allowed) to `code` (a negative errno) with a formatted message; clears the HTTP
 * fields. Messages are cut at SY_ERR_MSG_MAX - 1 bytes; control characters become '?' so that a
 * peer cannot forge log lines. Returns `code`, so that `return sy_err_set(err, -EINVAL, ...)`
 * works. */
int sy_err_set(struct sy_err *err, int code, const char *fmt, ...) SY_PRINTF(3, 4);

/* Prepends "context: " to err->msg. No effect on NULL. Returns err->code, or `code` when err is
 * NULL; use it as `return sy_err_wrap(err, r, "reading %s", path)`. */
int sy_err_wrap(struct sy_err *err, int code, const char *fmt, ...) SY_PRINTF(3, 4);

/* The message, or the errno's text when err is NULL or empty. Borrowed. */
const char *sy_err_text(const struct sy_err *err, int code);

/* The analyzer sees one file at a time and would take what these return for unknown, and so every
 * caller's early return for a possible success. They do return `code`. */
#ifdef __clang_analyzer__
#define sy_err_set(err, code, ...)  (sy_err_set((err), (code), __VA_ARGS__), (code))
#define sy_err_wrap(err, code, ...) (sy_err_wrap((err), (code), __VA_ARGS__), (code))
#endif
