/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_BLOCK_BYTES = 4096 };

struct sy_arena_block {
    struct sy_arena_block *older;
    size_t size;
    char data[];
};

void sy_arena_init(struct sy_arena *a, size_t cap_bytes)
{
    *a = (struct sy_arena){.cap_bytes = cap_bytes};
}

void sy_arena_done(struct sy_arena *a)
{
    for (struct sy_arena_block *b = a->blocks; b;) {
        struct sy_arena_block *older = b->older;
        free(b);
        b = older;
    }
    sy_arena_init(a, a->cap_bytes);
}

void sy_arena_reset(struct sy_arena *a)
{
    struct sy_arena_block *keep = a->blocks;

    a->used_bytes = 0;
    if (!keep)
        return;
    /* The newest block is the largest. A giant from one odd object is not kept for ever. */
    if (keep->size > 256 * (size_t)FIRST_BLOCK_BYTES) {
        sy_arena_done(a);
        return;
    }
    for (struct sy_arena_block *b = keep->older; b;) {
        struct sy_arena_block *older = b->older;
        free(b);
        b = older;
    }
    keep->older = NULL;
    a->next = keep->data;
    a->end = keep->data + keep->size;
}

static int add_block(struct sy_arena *a, size_t bytes)
{
    struct sy_arena_block *b = sy_try_malloc(sizeof(*b) + bytes);

    if (!b)
        return -ENOMEM;
    b->older = a->blocks;
    b->size = bytes;
    a->blocks = b;
    a->next = b->data;
    a->end = b->data + bytes;
    return 0;
}

int sy_arena_reserve(struct sy_arena *a, size_t bytes)
{
    return add_block(a, bytes);
}

static size_t rounded(size_t size)
{
    return size ? (size + 7) & ~(size_t)7 : 8;
}

static bool over_cap(const struct sy_arena *a, size_t size)
{
    return size > SIZE_MAX - 7 || rounded(size) > a->cap_bytes - a->used_bytes;
}

void *sy_arena_alloc(struct sy_arena *a, size_t size)
{
    if (over_cap(a, size))
        return NULL;
    size = rounded(size);
    if ((size_t)(a->end - a->next) < size) {
        size_t block_bytes = a->blocks ? 2 * a->blocks->size : FIRST_BLOCK_BYTES;
        if (add_block(a, block_bytes < size ? size : block_bytes) < 0)
            return NULL;
    }
    void *p = a->next;
    a->next += size;
    a->used_bytes += size;
    return memset(p, 0, size);
}

void *sy_arena_array(struct sy_arena *a, size_t count, size_t size)
{
    size_t bytes;

    return sy_mul_overflow(count, size, &bytes) ? NULL : sy_arena_alloc(a, bytes);
}

int sy_arena_why(const struct sy_arena *a, size_t count, size_t size)
{
    size_t bytes;

    return sy_mul_overflow(count, size, &bytes) || over_cap(a, bytes) ? -E2BIG : -ENOMEM;
}

char *sy_arena_str(struct sy_arena *a, struct sy_str s)
{
    char *copy = s.len < SIZE_MAX ? sy_arena_alloc(a, s.len + 1) : NULL;

    if (copy && s.len)
        memcpy(copy, s.p, s.len);
    return copy;
}
