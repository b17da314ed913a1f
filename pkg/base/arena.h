/* SPDX-License-Identifier: Apache-2.0
 *
 * Bump allocator: one per decoded object and one per scheduling cycle, reset and not freed. Capped,
 * because its contents are sized by a peer. */
#pragma once

#include "base/compiler.h"
#include "base/str.h"

#include <stddef.h>

struct sy_arena_block;

struct sy_arena {
    struct sy_arena_block *blocks; /* newest first */
    char *next;
    char *end;
    size_t used_bytes;
    size_t cap_bytes;
};

void sy_arena_init(struct sy_arena *a, size_t cap_bytes);
void sy_arena_done(struct sy_arena *a);
/* Forgets all allocations; keeps one block so that steady use makes no malloc calls. */
void sy_arena_reset(struct sy_arena *a);

/* On an empty arena: makes the first block exactly this large, so that a packed copy of known size
 * wastes nothing. 0 or -ENOMEM. */
int sy_arena_reserve(struct sy_arena *a, size_t bytes) SY_NODISCARD;

/* Zeroed memory aligned to 8 bytes, valid until reset/done. NULL when the cap or memory is
 * exhausted (the caller returns -E2BIG or -ENOMEM). */
void *sy_arena_alloc(struct sy_arena *a, size_t size) SY_NODISCARD;
void *sy_arena_array(struct sy_arena *a, size_t count, size_t size) SY_NODISCARD;
/* Why an allocation of count * size bytes just gave NULL: -E2BIG for the cap, else -ENOMEM. */
int sy_arena_why(const struct sy_arena *a, size_t count, size_t size);
/* NUL-terminated copy, NULL as above. */
char *sy_arena_str(struct sy_arena *a, struct sy_str s) SY_NODISCARD;
