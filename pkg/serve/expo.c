/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/expo.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_escaped(struct sy_buf *b, const char *s, bool in_quotes)
{
    for (; *s; s++) {
        if (*s == '\\')
            sy_buf_adds(b, "\\\\");
        else if (*s == '\n')
            sy_buf_adds(b, "\\n");
        else if (*s == '"' && in_quotes)
            sy_buf_adds(b, "\\\"");
        else
            sy_buf_addc(b, *s);
    }
}

/* How many bytes the UTF-8 sequence at s has, 0 when it is none. */
static size_t utf8_len(const unsigned char *s)
{
    size_t len = s[0] < 0x80                   ? 1
                 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                               : 0;

    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0; /* the string's end, too */
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

static void add_label_value(struct sy_buf *b, const char *s)
{
    while (*s) {
        size_t len = utf8_len((const unsigned char *)s);
        if (len == 1)
            add_escaped(b, (char[2]){*s, '\0'}, true);
        else if (len)
            sy_buf_add(b, s, len);
        else
            sy_buf_adds(b, "\xef\xbf\xbd");
        s += len ? len : 1;
    }
}

static void add_number(struct sy_buf *b, double v)
{
    char text[40];

    if (isnan(v)) {
        sy_buf_adds(b, "NaN");
    } else if (isinf(v)) {
        sy_buf_adds(b, v > 0 ? "+Inf" : "-Inf");
    } else {
        /* The shortest of the three that reads back the same. */
        for (int digits = 6; digits <= 17; digits += digits == 6 ? 9 : 2) {
            snprintf(text, sizeof(text), "%.*g", digits, v);
            if (strtod(text, NULL) == v)
                break;
        }
        sy_buf_adds(b, text);
    }
}

static void add_name_and_labels(struct sy_expo *e, const char *suffix, const double *le, va_list ap)
{
    const char *sep = "{";
    const char *name;

    sy_buf_adds(e->out, e->family);
    sy_buf_adds(e->out, suffix);
    while ((name = va_arg(ap, const char *))) {
        const char *value = va_arg(ap, const char *);
        sy_buf_adds(e->out, sep);
        sy_buf_adds(e->out, name);
        sy_buf_adds(e->out, "=\"");
        add_label_value(e->out, value ? value : "");
        sy_buf_addc(e->out, '"');
        sep = ",";
    }
    if (le) {
        sy_buf_adds(e->out, sep);
        sy_buf_adds(e->out, "le=\"");
        add_number(e->out, *le);
        sy_buf_addc(e->out, '"');
        sep = ",";
    }
    if (*sep == ',')
        sy_buf_addc(e->out, '}');
    sy_buf_addc(e->out, ' ');
}

void sy_expo_family(struct sy_expo *e, const char *name, enum sy_expo_type type, const char *help)
{
    static const char *const TYPES[] = {[SY_EXPO_COUNTER] = "counter",
                                        [SY_EXPO_GAUGE] = "gauge",
                                        [SY_EXPO_HISTOGRAM] = "histogram"};

    e->family = name;
    sy_buf_adds(e->out, "# HELP ");
    sy_buf_adds(e->out, name);
    sy_buf_addc(e->out, ' ');
    add_escaped(e->out, help, false);
    sy_buf_adds(e->out, "\n# TYPE ");
    sy_buf_adds(e->out, name);
    sy_buf_addc(e->out, ' ');
    sy_buf_adds(e->out, TYPES[type]);
    sy_buf_addc(e->out, '\n');
}

void sy_expo_u64(struct sy_expo *e, uint64_t value, ...)
{
    va_list ap;

    va_start(ap, value);
    add_name_and_labels(e, "", NULL, ap);
    va_end(ap);
    sy_buf_addf(e->out, "%" PRIu64 "\n", value);
}

void sy_expo_f64(struct sy_expo *e, double value, ...)
{
    va_list ap;

    va_start(ap, value);
    add_name_and_labels(e, "", NULL, ap);
    va_end(ap);
    add_number(e->out, value);
    sy_buf_addc(e->out, '\n');
}

void sy_expo_histogram(struct sy_expo *e, const struct sy_histogram *h, ...)
{
    uint64_t total = 0;
    va_list ap, each;

    va_start(ap, h);
    for (uint32_t i = 0; i <= h->bounds_len; i++) {
        double bound = i < h->bounds_len ? h->bounds[i] : INFINITY;
        total += h->counts[i];
        va_copy(each, ap);
        add_name_and_labels(e, "_bucket", &bound, each);
        va_end(each);
        sy_buf_addf(e->out, "%" PRIu64 "\n", total);
    }
    va_copy(each, ap);
    add_name_and_labels(e, "_sum", NULL, each);
    va_end(each);
    add_number(e->out, h->sum);
    sy_buf_addc(e->out, '\n');
    add_name_and_labels(e, "_count", NULL, ap);
    va_end(ap);
    sy_buf_addf(e->out, "%" PRIu64 "\n", total);
}
