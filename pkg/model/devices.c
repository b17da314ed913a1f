/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact quantities of devices. */
#include "model/devices.h"

#include <errno.h>

#include "model/quantity.h"

typedef __int128 nano; /* a sy_exact in nanos: at most 2^63 * 10^9 */

static const int64_t NANOS = 1000000000;

static nano nano_max(void)
{
    return (nano)INT64_MAX * NANOS;
}

static nano to_nano(struct sy_exact e)
{
    return (nano)e.whole * NANOS + e.nano;
}

static struct sy_exact from_nano(nano n)
{
    if (n > nano_max())
        n = nano_max();
    if (n < -nano_max())
        n = -nano_max();
    nano whole = n / NANOS, rest = n % NANOS;
    if (rest < 0) {
        rest += NANOS;
        whole--;
    }
    return (struct sy_exact){.whole = (int64_t)whole, .nano = (uint32_t)rest};
}

int sy_exact_cmp(struct sy_exact a, struct sy_exact b)
{
    if (a.whole != b.whole)
        return a.whole < b.whole ? -1 : 1;
    return (a.nano > b.nano) - (a.nano < b.nano);
}

static struct sy_exact written_as(struct sy_exact e, struct sy_exact other)
{
    e.is_binary = other.is_binary;
    return e;
}

struct sy_exact sy_exact_add(struct sy_exact a, struct sy_exact b)
{
    return written_as(from_nano(to_nano(a) + to_nano(b)), a);
}

struct sy_exact sy_exact_sub(struct sy_exact a, struct sy_exact b)
{
    return written_as(from_nano(to_nano(a) - to_nano(b)), a);
}

int sy_exact_print(struct sy_exact e, struct sy_buf *out)
{
    static const char *const DECIMAL[] = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
    static const char *const BINARY[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    bool is_binary = e.is_binary && !e.nano && (e.whole >= 1024 || e.whole <= -1024);
    nano n = is_binary ? e.whole : to_nano(e);
    int64_t base = is_binary ? 1024 : 1000;
    size_t last = is_binary ? SY_ARRAY_LEN(BINARY) - 1 : SY_ARRAY_LEN(DECIMAL) - 1;
    size_t power = 0;

    if (!n)
        return sy_buf_adds(out, "0");
    for (; power < last && n % base == 0; power++)
        n /= base;
    /* What is left of more than 64 bits has a fraction; its whole part is at most int64's. */
    nano high = n / NANOS, low = n % NANOS;
    if (high > INT64_MAX / NANOS || high < INT64_MIN / NANOS)
        return sy_buf_addf(out, "%lld%09lld%s", (long long)high, (long long)(low < 0 ? -low : low),
                           is_binary ? BINARY[power] : DECIMAL[power]);
    return sy_buf_addf(out, "%lld%s", (long long)n, is_binary ? BINARY[power] : DECIMAL[power]);
}

/* The power of ten or two that a suffix stands for. The text is a quantity's. */
static void suffix_of(struct sy_str s, int64_t *exp10, int *exp2)
{
    static const char DECIMAL[] = "numkMGTPE";
    static const int POWERS[] = {-9, -6, -3, 3, 6, 9, 12, 15, 18};

    if (s.len > 1 && s.p[1] != 'i' && (s.p[0] == 'e' || s.p[0] == 'E')) {
        struct sy_str digits = {s.p + 1, s.len - 1};
        if (digits.p[0] == '+')
            digits = (struct sy_str){digits.p + 1, digits.len - 1};
        if (sy_str_i64(digits, exp10) < 0)
            *exp10 = digits.p[0] == '-' ? -100 : 100;
        return;
    }
    for (size_t i = 0; s.len && i < sizeof(DECIMAL) - 1; i++) {
        char c = s.p[0] == 'K' ? 'k' : s.p[0];
        if (DECIMAL[i] != c)
            continue;
        if (s.len == 2)
            *exp2 = (POWERS[i] / 3) * 10;
        else
            *exp10 = POWERS[i];
    }
}

int sy_exact_parse(struct sy_str s, struct sy_exact *ret)
{
    int64_t rounded, exp10 = 0;
    int exp2 = 0, fraction = 0;
    bool negative = false, point = false, more = false;
    nano n = 0;
    size_t i = 0;
    int r = sy_quantity_parse(s, SY_SCALE_UNIT, &rounded, NULL);

    if (r < 0 && r != -ERANGE)
        return -EINVAL;
    if (s.len && (s.p[0] == '-' || s.p[0] == '+'))
        negative = s.p[i++] == '-';
    for (; i < s.len && ((s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '.'); i++) {
        if (s.p[i] == '.') {
            point = true;
        } else if (n <= nano_max()) {
            n = n * 10 + (s.p[i] - '0');
            fraction += point;
        } else {
            more |= s.p[i] != '0';
            fraction -= !point;
        }
    }
    suffix_of((struct sy_str){s.p + i, s.len - i}, &exp10, &exp2);
    if (exp10 > 100 || exp10 < -100)
        exp10 = exp10 < 0 ? -100 : 100;
    int64_t shift = exp10 + 9 - fraction;
    /* Twos before tens: dividing last loses nothing. The bound holds n * 2 in 128 bits. */
    for (; exp2 && n <= nano_max() * NANOS; exp2--)
        n *= 2;
    if (exp2)
        shift = 100;
    for (; shift < 0 && n; shift++) {
        more |= n % 10 != 0;
        n /= 10;
    }
    for (; shift > 0 && n && n <= nano_max(); shift--)
        n *= 10;
    n += more && n <= nano_max();
    *ret = from_nano(negative ? -n : n);
    ret->is_binary = s.len && s.p[s.len - 1] == 'i';
    return 0;
}
