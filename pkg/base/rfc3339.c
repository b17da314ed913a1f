/* SPDX-License-Identifier: Apache-2.0
 *
 * The text form of times. Apart from the clocks, which a simulation has its own of. */
#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

void sy_rfc3339_format(int64_t wall_ns, int micros, char ret[SY_RFC3339_MAX])
{
    /* The second that wall_ns lies in, before 1970 too. */
    time_t s = wall_ns / SY_NS_PER_S - (wall_ns % SY_NS_PER_S < 0);
    int64_t rest_ns = wall_ns % SY_NS_PER_S;
    if (rest_ns < 0)
        rest_ns += SY_NS_PER_S;
    struct tm tm;

    gmtime_r(&s, &tm);
    size_t len = strftime(ret, SY_RFC3339_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    if (micros)
        snprintf(ret + len, SY_RFC3339_MAX - len, ".%06dZ", (int)(rest_ns / 1000));
    else
        snprintf(ret + len, SY_RFC3339_MAX - len, "Z");
}

/* Reads exactly `digits` digits at *p. */
static bool number(const char **p, const char *end, int digits, int *ret)
{
    int value = 0;

    if (end - *p < digits)
        return false;
    for (int i = 0; i < digits; i++) {
        char c = *(*p)++;
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *ret = value;
    return true;
}

static bool literal(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return false;
    (*p)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (leap && month == 2);
}

int sy_rfc3339_parse(const char *p, size_t len, int64_t *ret_wall_ns)
{
    const char *end = p + len;
    struct tm tm = {0};
    int64_t fraction_ns = 0;
    int offset_s = 0;

    if (!number(&p, end, 4, &tm.tm_year) || !literal(&p, end, '-') ||
        !number(&p, end, 2, &tm.tm_mon) || !literal(&p, end, '-') ||
        !number(&p, end, 2, &tm.tm_mday) || !literal(&p, end, 'T') ||
        !number(&p, end, 2, &tm.tm_hour) || !literal(&p, end, ':') ||
        !number(&p, end, 2, &tm.tm_min) || !literal(&p, end, ':') ||
        !number(&p, end, 2, &tm.tm_sec))
        return -EINVAL;
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
        tm.tm_mday > days_in_month(tm.tm_year, tm.tm_mon) || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 60 || tm.tm_year < 1678 || tm.tm_year > 2261)
        return -EINVAL; /* the years that fit in nanoseconds */
    if (literal(&p, end, '.')) {
        if (p == end || *p < '0' || *p > '9')
            return -EINVAL;
        int64_t unit = SY_NS_PER_S / 10;
        for (; p < end && *p >= '0' && *p <= '9'; p++, unit /= 10)
            fraction_ns += (*p - '0') * unit;
    }
    if (!literal(&p, end, 'Z')) {
        int hours, minutes;
        int sign = literal(&p, end, '+') ? 1 : literal(&p, end, '-') ? -1 : 0;
        if (!sign || !number(&p, end, 2, &hours) || !literal(&p, end, ':') ||
            !number(&p, end, 2, &minutes) || hours > 23 || minutes > 59)
            return -EINVAL;
        offset_s = sign * (hours * 3600 + minutes * 60);
    }
    if (p != end)
        return -EINVAL;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret_wall_ns = (timegm(&tm) - offset_s) * SY_NS_PER_S + fraction_ns;
    return 0;
}
