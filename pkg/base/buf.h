/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing byte buffer with a mandatory cap. After any failure it is empty, holds no memory, and
 * all further appends fail too, so a writer may check once at its end. Always NUL-terminated when
 * not empty, so text can be handed to C. */
#pragma once

#include "base/compiler.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct sy_buf {
    char *p; /* owned; NULL while nothing was appended */
    size_t len;
    size_t room;
    size_t cap; /* largest len allowed */
    int failed; /* 0, -ENOMEM or -E2BIG; sticky until sy_buf_done() */
};

void sy_buf_init(struct sy_buf *b, size_t cap_bytes);
void sy_buf_done(struct sy_buf *b);  /* frees and makes it usable again with the same cap */
void sy_buf_reset(struct sy_buf *b); /* empties, keeps memory, clears `failed` */

/* All return 0, -ENOMEM, or -E2BIG when the cap would be passed. */
int sy_buf_add(struct sy_buf *b, const void *data, size_t len);
int sy_buf_adds(struct sy_buf *b, const char *z);
int sy_buf_addc(struct sy_buf *b, char c);
int sy_buf_addf(struct sy_buf *b, const char *fmt, ...) SY_PRINTF(2, 3);
/* Appends s as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD, and control
 * characters (C0, DEL, C1) are escaped, so that the text cannot steer a terminal either. */
int sy_buf_add_json(struct sy_buf *b, struct sy_str s);

/* Drops the first n bytes (n <= len). Cost O(len - n). */
void sy_buf_consume(struct sy_buf *b, size_t n);
/* Moves the text out (owned by the caller, "" when empty) and empties b. NULL after a failure. */
char *sy_buf_take(struct sy_buf *b);
static inline struct sy_str sy_buf_str(const struct sy_buf *b)
{
    return (struct sy_str){b->p, b->len};
}
