/* SPDX-License-Identifier: Apache-2.0
 *
 * Stable sort of small records by the string id that each begins with; of equal ids the last given
 * is kept. Linear on sorted input, O(n log n) at worst, since a peer chooses the length. */
#pragma once

#include "base/compiler.h"
#include "base/mem.h"
#include "base/strings.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SY_SORT_INSERTION_MAX = 24 };

static inline sy_sid sy_sort_key(const char *record)
{
    sy_sid key;

    memcpy(&key, record, sizeof(key));
    return key;
}

static inline void sy_sort_insertion(char *p, size_t len, size_t size)
{
    char moved[64];

    for (size_t i = 1; i < len; i++) {
        sy_sid key = sy_sort_key(p + i * size);
        size_t to = i;
        while (to && sy_sort_key(p + (to - 1) * size) > key)
            to--;
        if (to == i)
            continue;
        memcpy(moved, p + i * size, size);
        memmove(p + (to + 1) * size, p + to * size, (i - to) * size);
        memcpy(p + to * size, moved, size);
    }
}

/* Bottom-up merge sort through a second array. False when there is no memory for it. */
static inline bool sy_sort_merge(char *p, size_t len, size_t size)
{
    char *spare = sy_try_malloc(len * size);
    char *from = p, *to = spare;

    if (!spare)
        return false;
    for (size_t run = 1; run < len; run *= 2) {
        char *out = to;
        for (size_t start = 0; start < len; start += 2 * run) {
            size_t a = start, b = start + run < len ? start + run : len;
            size_t a_end = b, b_end = b + run < len ? b + run : len;
            for (; a < a_end || b < b_end; out += size) {
                bool take_a = b == b_end || (a < a_end && sy_sort_key(from + a * size) <=
                                                              sy_sort_key(from + b * size));
                memcpy(out, from + (take_a ? a++ : b++) * size, size);
            }
        }
        char *swap = from;
        from = to;
        to = swap;
    }
    if (from != p)
        memcpy(p, from, len * size);
    free(spare);
    return true;
}

/* Sorts p, an array of len records of `size` bytes (a constant of at most 64), and removes all but
 * the last of equal ids. Returns the new length. */
static inline __attribute__((always_inline)) uint32_t sy_sort_unique(void *records, uint32_t len,
                                                                     size_t size)
{
    char *p = records;
    bool in_order = true;
    uint32_t kept = 0;

    for (uint32_t i = 1; i < len && in_order; i++)
        in_order = sy_sort_key(p + (i - 1) * size) < sy_sort_key(p + i * size);
    if (in_order)
        return len;
    if (len <= SY_SORT_INSERTION_MAX || !sy_sort_merge(p, len, size))
        sy_sort_insertion(p, len, size);
    for (uint32_t i = 0; i < len; i++) {
        if (i + 1 < len && sy_sort_key(p + i * size) == sy_sort_key(p + (i + 1) * size))
            continue;
        if (kept != i)
            memcpy(p + kept * size, p + i * size, size);
        kept++;
    }
    return kept;
}
