/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of decoders and framers: reading files, and writing protobuf by hand. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

#define OBJECTS "tests/unit/data/objects/"

/* All of a file; free with free(). */
static inline struct sy_str read_whole(const char *path)
{
    FILE *f = fopen(path, "re");

    if (!f)
        fail_msg("cannot open %s", path);
    fseek(f, 0, SEEK_END);
    size_t len = (size_t)ftell(f);
    rewind(f);
    char *p = sy_xmalloc(len + 1);
    assert_int_equal(fread(p, 1, len, f), len);
    fclose(f);
    return (struct sy_str){p, len};
}

static inline void pb_varint(struct sy_buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        sy_buf_addc(b, (char)(v | 0x80));
    sy_buf_addc(b, (char)v);
}

static inline void pb_number(struct sy_buf *b, unsigned number, uint64_t v)
{
    pb_varint(b, number << 3);
    pb_varint(b, v);
}

static inline void pb_bytes(struct sy_buf *b, unsigned number, struct sy_str s)
{
    pb_varint(b, number << 3 | 2);
    pb_varint(b, s.len);
    sy_buf_add(b, s.p, s.len);
}

static inline void pb_text(struct sy_buf *b, unsigned number, const char *z)
{
    pb_bytes(b, number, sy_str_from(z));
}

/* Moves the message `sub` into a field of b. */
static inline void pb_message(struct sy_buf *b, unsigned number, struct sy_buf *sub)
{
    pb_bytes(b, number, sy_buf_str(sub));
    sy_buf_done(sub);
}

static inline void pb_pair(struct sy_buf *b, unsigned number, const char *key, const char *value)
{
    struct sy_buf pair;

    sy_buf_init(&pair, 1 << 24);
    pb_text(&pair, 1, key);
    pb_text(&pair, 2, value);
    pb_message(b, number, &pair);
}

/* "k8s\0" and runtime.Unknown around raw. */
static inline void pb_envelope(struct sy_buf *b, const char *kind, struct sy_str raw)
{
    struct sy_buf type_meta;

    sy_buf_init(&type_meta, 1 << 10);
    sy_buf_add(b, "k8s", 4);
    pb_text(&type_meta, 1, "v1");
    pb_text(&type_meta, 2, kind);
    pb_message(b, 1, &type_meta);
    pb_bytes(b, 2, raw);
    pb_text(b, 3, "");
    pb_text(b, 4, "");
}
