/* SPDX-License-Identifier: Apache-2.0 */
#include "base/duration.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static const struct unit {
    const char *name;
    int64_t ns;
} UNITS[] = {
    /* "ms" before "m": the longest name that fits is meant. */
    {"ns", 1},          {"us", 1000},      {"ms", 1000000}, {"h", 3600000000000},
    {"m", 60000000000}, {"s", 1000000000},
};

static const struct unit *find_unit(struct sy_str s)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(UNITS); i++) {
        if (sy_str_starts(s, sy_str_from(UNITS[i].name)))
            return &UNITS[i];
    }
    return NULL;
}

static int one_part(struct sy_str s, int64_t *total, size_t *ret_taken)
{
    size_t at = 0;
    int64_t whole = 0, fraction = 0, scale = 1;
    bool digits = false;

    for (; at < s.len && s.p[at] >= '0' && s.p[at] <= '9'; at++) {
        digits = true;
        if (sy_mul_overflow(whole, (int64_t)10, &whole) ||
            sy_add_overflow(whole, (int64_t)(s.p[at] - '0'), &whole))
            return -ERANGE;
    }
    if (at < s.len && s.p[at] == '.') {
        for (at++; at < s.len && s.p[at] >= '0' && s.p[at] <= '9'; at++) {
            digits = true;
            if (scale < 1000000000) { /* further digits are below what the units resolve */
                fraction = fraction * 10 + (s.p[at] - '0');
                scale *= 10;
            }
        }
    }
    if (!digits)
        return -EINVAL;
    const struct unit *unit = find_unit((struct sy_str){s.p + at, s.len - at});
    if (!unit)
        return -EINVAL;
    if (sy_mul_overflow(whole, unit->ns, &whole))
        return -ERANGE;
    /* Below one unit, so exact enough in a double and cannot overflow. */
    int64_t rest = (int64_t)((double)fraction * ((double)unit->ns / (double)scale));
    if (sy_add_overflow(*total, whole, total) || sy_add_overflow(*total, rest, total))
        return -ERANGE;
    *ret_taken = at + strlen(unit->name);
    return 0;
}

int sy_duration_parse(struct sy_str s, int64_t *ret_ns)
{
    int64_t total = 0;

    if (!s.len)
        return -EINVAL;
    if (sy_str_eqz(s, "0")) {
        *ret_ns = 0;
        return 0;
    }
    while (s.len) {
        size_t taken;
        int r = one_part(s, &total, &taken);
        if (r)
            return r;
        s.p += taken;
        s.len -= taken;
    }
    *ret_ns = total;
    return 0;
}

void sy_duration_format(int64_t ns, char ret[SY_DURATION_MAX])
{
    int64_t s = ns / 1000000000, rest = ns % 1000000000;

    if (ns <= 0) {
        snprintf(ret, SY_DURATION_MAX, "0s");
    } else if (rest % 1000) {
        snprintf(ret, SY_DURATION_MAX, "%" PRId64 "ns", ns);
    } else if (rest % 1000000) {
        snprintf(ret, SY_DURATION_MAX, "%" PRId64 "us", ns / 1000);
    } else if (rest) {
        snprintf(ret, SY_DURATION_MAX, "%" PRId64 "ms", ns / 1000000);
    } else {
        int len = 0;
        if (s >= 3600)
            len += snprintf(ret, SY_DURATION_MAX, "%" PRId64 "h", s / 3600);
        if (s / 60 % 60)
            len += snprintf(ret + len, SY_DURATION_MAX - (size_t)len, "%" PRId64 "m", s / 60 % 60);
        if (s % 60)
            snprintf(ret + len, SY_DURATION_MAX - (size_t)len, "%" PRId64 "s", s % 60);
    }
}
