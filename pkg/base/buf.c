/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void sy_buf_init(struct sy_buf *b, size_t cap_bytes)
{
    *b = (struct sy_buf){.cap = cap_bytes};
}

void sy_buf_done(struct sy_buf *b)
{
    free(b->p);
    sy_buf_init(b, b->cap);
}

void sy_buf_reset(struct sy_buf *b)
{
    b->len = 0;
    b->failed = 0;
    if (b->p)
        b->p[0] = '\0';
}

static int fail(struct sy_buf *b, int code)
{
    sy_buf_done(b);
    b->failed = code;
    return code;
}

/* Makes room for len more bytes and a NUL. */
static int reserve(struct sy_buf *b, size_t len)
{
    if (b->failed)
        return b->failed;
    if (len > b->cap || b->len > b->cap - len)
        return fail(b, -E2BIG);
    size_t need = b->len + len + 1;
    if (need <= b->room)
        return 0;
    size_t room = b->room ? b->room : 64;
    while (room < need)
        room *= 2;
    char *p = sy_try_realloc(b->p, room);
    if (!p)
        return fail(b, -ENOMEM);
    b->p = p;
    b->room = room;
    return 0;
}

int sy_buf_add(struct sy_buf *b, const void *data, size_t len)
{
    int r = reserve(b, len);

    if (r < 0)
        return r;
    if (len)
        memcpy(b->p + b->len, data, len);
    b->len += len;
    b->p[b->len] = '\0';
    return 0;
}

int sy_buf_adds(struct sy_buf *b, const char *z)
{
    return sy_buf_add(b, z, strlen(z));
}

int sy_buf_addc(struct sy_buf *b, char c)
{
    return sy_buf_add(b, &c, 1);
}

int sy_buf_addf(struct sy_buf *b, const char *fmt, ...)
{
    va_list ap, again;

    if (b->failed)
        return b->failed;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    int r = len < 0 ? fail(b, -EINVAL) : reserve(b, (size_t)len);
    if (r == 0) {
        vsnprintf(b->p + b->len, (size_t)len + 1, fmt, again);
        b->len += (size_t)len;
    }
    va_end(again);
    return r;
}

/* Length of the UTF-8 sequence at p, or 0 when it is not well-formed. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80       ? 1
                 : p[0] >> 5 == 6  ? 2
                 : p[0] >> 4 == 14 ? 3
                 : p[0] >> 3 == 30 ? 4
                                   : 0;

    if (len <= 1 || len > left)
        return len == 1;
    uint32_t code = p[0] & (0xffU >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    if (code < smallest[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    return len;
}

int sy_buf_add_json(struct sy_buf *b, struct sy_str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t plain = 0;

    sy_buf_addc(b, '"');
    for (size_t i = 0; i < s.len;) {
        size_t len = utf8_sequence(p + i, s.len - i);
        bool control = p[i] < 0x20 || p[i] == 0x7f || (len == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0);
        if (len && !control && p[i] != '"' && p[i] != '\\') {
            i += len;
            continue;
        }
        sy_buf_add(b, s.p + plain, i - plain);
        if (!len)
            sy_buf_adds(b, "\\ufffd");
        else if (p[i] == '"' || p[i] == '\\')
            sy_buf_addf(b, "\\%c", p[i]);
        else
            sy_buf_addf(b, "\\u%04x", p[i + len - 1]); /* C1 is U+0080 + the second byte's rest */
        i += len ? len : 1;
        plain = i;
    }
    if (s.len > plain)
        sy_buf_add(b, s.p + plain, s.len - plain);
    return sy_buf_addc(b, '"');
}

void sy_buf_consume(struct sy_buf *b, size_t n)
{
    if (!n)
        return;
    b->len -= n;
    memmove(b->p, b->p + n, b->len + 1);
}

char *sy_buf_take(struct sy_buf *b)
{
    if (b->failed)
        return NULL;
    char *p = b->p ? b->p : sy_xstrdup("");
    sy_buf_init(b, b->cap);
    return p;
}
