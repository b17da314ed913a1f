/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation. Two families:
 *  - sy_x*: small sizes that we choose. Failure prints one line and aborts.
 *  - sy_try_*: sizes that a peer chooses. Failure returns NULL and the caller reports -ENOMEM.
 * The torture tests fail the n-th sy_try_* call through sy_mem_fail_at(). */
#pragma once

#include "base/compiler.h"

#include <stddef.h>

void *sy_xmalloc(size_t size);
void *sy_xcalloc(size_t count, size_t size); /* zeroed; aborts on count * size overflow */
void *sy_xrealloc(void *p, size_t size);
void *sy_xreallocarray(void *p, size_t count, size_t size);
char *sy_xstrdup(const char *s); /* NULL gives NULL */
char *sy_xstrndup(const char *s, size_t len);
char *sy_xasprintf(const char *fmt, ...) SY_PRINTF(1, 2); /* owned by the caller */

void *sy_try_malloc(size_t size) SY_NODISCARD;
void *sy_try_realloc(void *p, size_t size) SY_NODISCARD; /* on NULL, p is still valid */

/* Makes the n-th following sy_try_* call of this thread (1 = next) and all after it fail; 0 turns
 * it off. Returns how many it has made since the last call of this function. For tests. */
size_t sy_mem_fail_at(size_t n);

/* For SY_CLEANUP(sy_freep): frees *(void **)p and sets it to NULL. */
void sy_freep(void *p);
