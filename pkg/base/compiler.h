/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiler attributes and checked arithmetic. Works with gcc 12 and clang 14 in gnu17. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SY_NODISCARD       __attribute__((warn_unused_result))
#define SY_PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define SY_CLEANUP(fn)     __attribute__((cleanup(fn)))
#define SY_UNUSED          __attribute__((unused))
#define SY_NORETURN        __attribute__((noreturn))
#define SY_LIKELY(x)       __builtin_expect(!!(x), 1)
#define SY_UNLIKELY(x)     __builtin_expect(!!(x), 0)
#define SY_ARRAY_LEN(a)    (sizeof(a) / sizeof((a)[0]))

/* Each stores the result in *r and returns true when it overflowed (then *r is not to be used). */
#define sy_add_overflow(a, b, r) __builtin_add_overflow((a), (b), (r))
#define sy_sub_overflow(a, b, r) __builtin_sub_overflow((a), (b), (r))
#define sy_mul_overflow(a, b, r) __builtin_mul_overflow((a), (b), (r))

/* a + b held at INT64_MAX or INT64_MIN. Sums of what a peer sends must not wrap. */
static inline int64_t sy_add_saturate(int64_t a, int64_t b)
{
    int64_t sum;

    if (sy_add_overflow(a, b, &sum))
        return b > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}
