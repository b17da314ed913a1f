/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const int64_t WINDOW_NS = 10 * SY_NS_PER_S;
static const char *const LEVEL_NAMES[] = {"debug", "info", "warn", "error"};

static struct {
    enum sy_log_level least;
    bool json;
} settings = {SY_LOG_INFO, false};

void sy_log_configure(enum sy_log_level least, bool json)
{
    settings.least = least;
    settings.json = json;
}

enum sy_log_level sy_log_least(void)
{
    return settings.least;
}

int sy_log_level_parse(const char *name, enum sy_log_level *ret)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(LEVEL_NAMES); i++) {
        if (strcmp(name, LEVEL_NAMES[i]) == 0) {
            *ret = (enum sy_log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

static bool is_plain(const char *s)
{
    for (const char *p = s; *p; p++) {
        if ((unsigned char)*p <= 0x20 || *p == '"' || *p == '=' || *p == '\\' ||
            (unsigned char)*p >= 0x7f)
            return false;
    }
    return *s != '\0';
}

static void add_pair(struct sy_buf *b, const char *key, const char *value)
{
    if (settings.json) {
        sy_buf_addc(b, b->len ? ',' : '{');
        sy_buf_add_json(b, sy_str_from(key));
        sy_buf_addc(b, ':');
        sy_buf_add_json(b, sy_str_from(value));
        return;
    }
    if (b->len)
        sy_buf_addc(b, ' ');
    sy_buf_adds(b, key);
    sy_buf_addc(b, '=');
    if (is_plain(value))
        sy_buf_adds(b, value);
    else
        sy_buf_add_json(b, sy_str_from(value));
}

static void write_all(const char *p, size_t len)
{
    while (len) {
        ssize_t n = write(STDERR_FILENO, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nowhere left to complain */
        p += n;
        len -= (size_t)n;
    }
}

/* Whether this line may be written; adds up those that may not. */
static bool admit(struct sy_log_site *site, uint32_t *ret_held_back)
{
    int64_t now = sy_clock_boot_ns();

    *ret_held_back = 0;
    if (now - site->window_start_ns > WINDOW_NS) {
        *ret_held_back = site->held_back;
        *site = (struct sy_log_site){.window_start_ns = now};
    }
    if (site->lines >= SY_LOG_BURST) {
        site->held_back++;
        return false;
    }
    site->lines++;
    return true;
}

void sy_log_line(struct sy_log_site *site, enum sy_log_level level, const char *message, ...)
{
    char time[SY_RFC3339_MAX];
    uint32_t held_back;
    struct sy_buf b;
    va_list ap;

    if (!admit(site, &held_back))
        return;
    sy_rfc3339_format(sy_clock_wall_ns(), 1, time);
    sy_buf_init(&b, 16384);
    add_pair(&b, "time", time);
    add_pair(&b, "level", LEVEL_NAMES[level]);
    add_pair(&b, "msg", message);
    va_start(ap, message);
    for (const char *key; (key = va_arg(ap, const char *));) {
        const char *value = va_arg(ap, const char *);
        add_pair(&b, key, value ? value : "");
        if (!value)
            break; /* the sentinel: an odd number of arguments */
    }
    va_end(ap);
    if (held_back)
        add_pair(&b, "similar_lines_held_back", SY_FMT("%u", held_back));
    sy_buf_adds(&b, settings.json ? "}\n" : "\n");
    if (b.failed) {
        /* Better a line without its pairs than none. */
        sy_buf_done(&b);
        add_pair(&b, "time", time);
        add_pair(&b, "level", LEVEL_NAMES[level]);
        add_pair(&b, "msg", "a log line was too long to write");
        sy_buf_adds(&b, settings.json ? "}\n" : "\n");
    }
    if (!b.failed)
        write_all(b.p, b.len);
    sy_buf_done(&b);
}

struct sy_fmt sy_fmt(const char *format, ...)
{
    struct sy_fmt f;
    va_list ap;

    va_start(ap, format);
    vsnprintf(f.text, sizeof(f.text), format, ap);
    va_end(ap);
    return f;
}
