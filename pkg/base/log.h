/* SPDX-License-Identifier: Apache-2.0
 *
 * Structured log lines to stderr: key=value text or JSON, one write(2) each. Rate-limited per call
 * site (SY_LOG_BURST lines in 10 s, then a line that says how many were held back). Never pass
 * credentials. Only pkg/app, cmd and the places where an error stops log above debug.
 *
 *   sy_log_warn("watch ended", "resource", "pods", "error", err.msg);
 *
 * Arguments after the message are pairs of `const char *`; numbers go through SY_FMT("%d", n). */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

enum sy_log_level { SY_LOG_DEBUG, SY_LOG_INFO, SY_LOG_WARN, SY_LOG_ERROR };
enum { SY_LOG_BURST = 20 };

struct sy_log_site {
    int64_t window_start_ns;
    uint32_t lines;
    uint32_t held_back;
};

/* Process-wide, set once at start and on reload. */
void sy_log_configure(enum sy_log_level least, bool json);
enum sy_log_level sy_log_least(void);
/* "debug", "info", "warn" or "error"; -EINVAL else. */
int sy_log_level_parse(const char *name, enum sy_log_level *ret);

void sy_log_line(struct sy_log_site *site, enum sy_log_level level, const char *message, ...)
    __attribute__((sentinel));

#define sy_log_at(level, ...)                                                                      \
    do {                                                                                           \
        static struct sy_log_site site_;                                                           \
        if ((level) >= sy_log_least())                                                             \
            sy_log_line(&site_, (level), __VA_ARGS__, (const char *)NULL);                         \
    } while (0)
#define sy_log_debug(...) sy_log_at(SY_LOG_DEBUG, __VA_ARGS__)
#define sy_log_info(...)  sy_log_at(SY_LOG_INFO, __VA_ARGS__)
#define sy_log_warn(...)  sy_log_at(SY_LOG_WARN, __VA_ARGS__)
#define sy_log_error(...) sy_log_at(SY_LOG_ERROR, __VA_ARGS__)

/* A short formatted string that lives to the end of the enclosing block (SY_FMT("%d", n)). */
struct sy_fmt {
    char text[256];
};
struct sy_fmt sy_fmt(const char *format, ...) SY_PRINTF(1, 2);
#define SY_FMT(...) ((const char *)(struct sy_fmt[1]){sy_fmt(__VA_ARGS__)}[0].text)
