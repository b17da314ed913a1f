/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Test hook; the one piece of process-wide state here, and never written in production. */
/* Of each thread: simulations run side by side. */
static _Thread_local struct {
    size_t calls;
    size_t fail_at;
} torture;

static SY_NORETURN void die_out_of_memory(size_t size)
{
    fprintf(stderr, "steelyard: out of memory (%zu bytes)\n", size);
    abort();
}

void *sy_xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        die_out_of_memory(size);
    return p;
}

void *sy_xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);

    if (!p)
        die_out_of_memory(size);
    return p;
}

void *sy_xrealloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);

    if (!p)
        die_out_of_memory(size);
    return p;
}

void *sy_xreallocarray(void *old, size_t count, size_t size)
{
    size_t bytes;

    if (sy_mul_overflow(count, size, &bytes))
        die_out_of_memory(SIZE_MAX);
    return sy_xrealloc(old, bytes);
}

char *sy_xstrdup(const char *s)
{
    return s ? sy_xstrndup(s, strlen(s)) : NULL;
}

char *sy_xstrndup(const char *s, size_t len)
{
    char *copy = sy_xmalloc(len + 1);

    if (len)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *sy_xasprintf(const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;

    va_start(ap, fmt);
    int len = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (len < 0)
        die_out_of_memory(0);
    return s;
}

static int torture_says_fail(void)
{
    torture.calls++;
    return torture.fail_at && torture.calls >= torture.fail_at;
}

void *sy_try_malloc(size_t size)
{
    return torture_says_fail() ? NULL : malloc(size ? size : 1);
}

void *sy_try_realloc(void *p, size_t size)
{
    return torture_says_fail() ? NULL : realloc(p, size ? size : 1);
}

size_t sy_mem_fail_at(size_t n)
{
    size_t calls = torture.calls;

    torture.calls = 0;
    torture.fail_at = n;
    return calls;
}

void sy_freep(void *p)
{
    void **slot = p;

    free(*slot);
    *slot = NULL;
}
