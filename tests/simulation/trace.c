/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include "vtime.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINES = 4096, LINE = 120 };

static struct {
    sy_time_ns at[LINES];
    char text[LINES][LINE];
    uint64_t len;
    uint64_t sum;
    bool is_loud;
} t;

void trace_start(bool is_loud)
{
    t.len = 0;
    t.sum = 14695981039346656037U; /* FNV-1a */
    t.is_loud = is_loud;
}

static void print(uint64_t i)
{
    printf("%12.6f  %s\n", (double)t.at[i % LINES] / 1e9, t.text[i % LINES]);
}

void trace(const char *format, ...)
{
    char *text = t.text[t.len % LINES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, LINE, format, args);
    va_end(args);
    t.at[t.len % LINES] = vtime_now();
    t.sum = (t.sum ^ (uint64_t)vtime_now()) * 1099511628211U;
    for (const char *p = text; *p; p++)
        t.sum = (t.sum ^ (uint8_t)*p) * 1099511628211U;
    if (t.is_loud)
        print(t.len);
    t.len++;
}

uint64_t trace_sum(void)
{
    return t.sum;
}

void trace_print(unsigned lines)
{
    uint64_t from = t.len > lines ? t.len - lines : 0;

    if (t.len > LINES && from < t.len - LINES)
        from = t.len - LINES;
    for (uint64_t i = from; i < t.len; i++)
        print(i);
}
