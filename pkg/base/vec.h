/* SPDX-License-Identifier: Apache-2.0
 *
 * Typed growing arrays: `SY_VEC(struct x) xs = {0};`. Growth aborts when memory ends; where a peer
 * chooses the count, cap it first. Element pointers are invalid after a push. */
#pragma once

#include "base/mem.h"

#include <stdlib.h>

#define SY_VEC(type)                                                                               \
    struct {                                                                                       \
        type *p;                                                                                   \
        size_t len;                                                                                \
        size_t room;                                                                               \
    }

#define sy_vec_reserve(v, n)                                                                       \
    do {                                                                                           \
        size_t need_ = (n);                                                                        \
        if (need_ > (v)->room) {                                                                   \
            (v)->room = (v)->room * 2 > need_ ? (v)->room * 2 : need_ < 4 ? 4 : need_;             \
            (v)->p = sy_xreallocarray((v)->p, (v)->room, sizeof(*(v)->p));                         \
        }                                                                                          \
    } while (0)

#define sy_vec_push(v, ...)                                                                        \
    do {                                                                                           \
        sy_vec_reserve((v), (v)->len + 1);                                                         \
        (v)->p[(v)->len++] = __VA_ARGS__;                                                          \
    } while (0)

/* Removes element i by moving the last one into its place. */
#define sy_vec_swap_remove(v, i) ((v)->p[(i)] = (v)->p[--(v)->len])

#define sy_vec_done(v)                                                                             \
    do {                                                                                           \
        free((v)->p);                                                                              \
        (v)->p = NULL;                                                                             \
        (v)->len = (v)->room = 0;                                                                  \
    } while (0)

#define SY_VEC_FOREACH(item, v) for (item = (v)->p; item && item < (v)->p + (v)->len; item++)
