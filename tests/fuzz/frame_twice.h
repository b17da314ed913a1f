/* SPDX-License-Identifier: Apache-2.0
 *
 * For fuzzers of framers: one input in pieces and as a whole must be told alike. */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube/frame.h"

struct seen {
    uint64_t hash;
    unsigned count;
};

static int see(void *arg, enum sy_event_type type, struct sy_str raw)
{
    static const uint64_t key[2] = {1, 2};
    struct seen *s = arg;
    uint64_t h[2];

    sy_siphash128(raw.p, raw.len, key, h);
    s->hash = sy_hash_u64(s->hash ^ h[0] ^ (uint64_t)type) + h[1];
    s->count++;
    return 0;
}

/* Returns the final code. */
static int frame_once(enum sy_encoding enc, bool is_list, const uint8_t *data, size_t size,
                      size_t piece, struct seen *ret)
{
    enum { LIMIT = 4096 };
    struct sy_framer *f = is_list ? sy_list_framer_new(enc, LIMIT, see, ret)
                                  : sy_watch_framer_new(enc, LIMIT, see, ret);
    struct sy_err err;
    int code = 0;

    for (size_t at = 0; at < size && code == 0; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        char *copy = malloc(len);
        memcpy(copy, data + at, len);
        code = sy_framer_feed(f, (struct sy_str){copy, len}, &err);
        free(copy);
    }
    if (code == 0)
        code = sy_framer_finish(f, &err);
    (void)sy_framer_list_meta(f);
    sy_framer_free(f);
    return code;
}

/* pick: bit 0 list or watch, the rest the size of the pieces less one. */
static void frame_twice(enum sy_encoding enc, uint8_t pick, const uint8_t *data, size_t size)
{
    struct seen whole = {0}, pieces = {0};
    int a = frame_once(enc, pick & 1, data, size, size ? size : 1, &whole);
    int b = frame_once(enc, pick & 1, data, size, (size_t)(pick >> 1) + 1, &pieces);

    /* An object that is over the limit may be seen to be malformed before or after that. */
    bool same_end = (a == 0) == (b == 0);
    if (!same_end || whole.count != pieces.count || whole.hash != pieces.hash)
        abort();
}
