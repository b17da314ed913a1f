/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void begin(struct sy_json *j, const char *key)
{
    if (j->has_before)
        sy_buf_addc(j->out, ',');
    j->has_before = true;
    if (key)
        sy_buf_addf(j->out, "\"%s\":", key);
}

void sy_json_object(struct sy_json *j, const char *key)
{
    begin(j, key);
    sy_buf_addc(j->out, '{');
    j->has_before = false;
}

void sy_json_array(struct sy_json *j, const char *key)
{
    begin(j, key);
    sy_buf_addc(j->out, '[');
    j->has_before = false;
}

void sy_json_end_object(struct sy_json *j)
{
    sy_buf_addc(j->out, '}');
    j->has_before = true;
}

void sy_json_end_array(struct sy_json *j)
{
    sy_buf_addc(j->out, ']');
    j->has_before = true;
}

void sy_json_text(struct sy_json *j, const char *key, const char *value)
{
    begin(j, key);
    if (value)
        sy_buf_add_json(j->out, sy_str_from(value));
    else
        sy_buf_adds(j->out, "null");
}

void sy_json_i64(struct sy_json *j, const char *key, int64_t value)
{
    begin(j, key);
    sy_buf_addf(j->out, "%lld", (long long)value);
}

void sy_json_bool(struct sy_json *j, const char *key, bool value)
{
    begin(j, key);
    sy_buf_adds(j->out, value ? "true" : "false");
}

void sy_json_real(struct sy_json *j, const char *key, double value, int digits)
{
    char text[400]; /* the largest double has 309 digits before the point */

    begin(j, key);
    if (!isfinite(value)) {
        sy_buf_adds(j->out, "null");
        return;
    }
    int len = snprintf(text, sizeof(text), "%.*f",
                       digits < 0    ? 0
                       : digits > 17 ? 17
                                     : digits,
                       value);
    if (memchr(text, '.', (size_t)len)) {
        while (text[len - 1] == '0')
            len--;
        if (text[len - 1] == '.')
            len--;
    }
    if (len == 2 && memcmp(text, "-0", 2) == 0)
        sy_buf_addc(j->out, '0');
    else
        sy_buf_add(j->out, text, (size_t)len);
}
