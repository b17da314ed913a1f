/* SPDX-License-Identifier: Apache-2.0
 *
 * The number is kept as an integer part and, where there is one, 63 decimal digits of fraction plus
 * a flag for anything smaller. Multiplying by a power of two moves carries from the fraction into
 * the integer part and never makes it longer, so the result is exact however long the text is. */
#include "model/quantity.h"

#include <errno.h>
#include <stdbool.h>

enum {
    LIMBS = 7, /* of 9 decimal digits each, most significant first */
    LIMB_DIGITS = 9,
    /* Largest 10^n and smallest 10^-n that can still matter beside a factor of 2^60. */
    MOST_INTEGER_DIGITS = 19,
    MOST_LEADING_ZEROS = 18,
    SHIFT_STEP = 30, /* limb << 30 fits in 64 bits */
};
static const uint64_t LIMB_BASE = 1000000000;

struct magnitude {
    uint64_t whole;
    uint32_t fraction[LIMBS];
    bool has_fraction;
    bool sticky; /* more than zero beyond the last limb */
};

/* What the text consists of. */
struct pieces {
    bool negative;
    struct sy_str whole;    /* digits before the point */
    struct sy_str fraction; /* digits after it */
    struct sy_str suffix;
};

struct unit {
    int64_t exp10;
    int exp2;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct sy_str take_digits(struct sy_str *s)
{
    size_t n = 0;

    while (n < s->len && is_digit(s->p[n]))
        n++;
    struct sy_str digits = {s->p, n};
    *s = (struct sy_str){s->p + n, s->len - n};
    return digits;
}

static struct pieces split(struct sy_str s)
{
    struct pieces t = {0};

    if (s.len && (s.p[0] == '-' || s.p[0] == '+')) {
        t.negative = s.p[0] == '-';
        s = (struct sy_str){s.p + 1, s.len - 1};
    }
    t.whole = take_digits(&s);
    if (s.len && s.p[0] == '.') {
        s = (struct sy_str){s.p + 1, s.len - 1};
        t.fraction = take_digits(&s);
    }
    t.suffix = s;
    return t;
}

/* "e3", "E-3": the whole rest is a signed integer of 64 bits, as Go's ParseInt reads it. */
static int parse_exponent(struct sy_str digits, int64_t *ret)
{
    bool plus = digits.len && digits.p[0] == '+';

    if (plus) {
        digits = (struct sy_str){digits.p + 1, digits.len - 1};
        if (!digits.len || !is_digit(digits.p[0]))
            return -EINVAL;
    }
    return sy_str_i64(digits, ret);
}

static int parse_suffix(struct sy_str s, struct unit *ret)
{
    static const struct {
        char name;
        int exp10;
    } decimals[] = {{'n', -9}, {'u', -6}, {'m', -3}, {'k', 3}, {'M', 6},
                    {'G', 9},  {'T', 12}, {'P', 15}, {'E', 18}};
    static const char binaries[] = "KMGTPE";

    *ret = (struct unit){0};
    if (!s.len)
        return 0;
    if (s.len == 1) {
        for (size_t i = 0; i < SY_ARRAY_LEN(decimals); i++) {
            if (decimals[i].name == s.p[0]) {
                ret->exp10 = decimals[i].exp10;
                return 0;
            }
        }
        return -EINVAL;
    }
    if (s.len == 2 && s.p[1] == 'i') {
        const char *at = memchr(binaries, s.p[0], sizeof(binaries) - 1);
        if (at) {
            ret->exp2 = 10 * (int)(at - binaries + 1);
            return 0;
        }
    }
    if (s.p[0] == 'e' || s.p[0] == 'E')
        return parse_exponent((struct sy_str){s.p + 1, s.len - 1}, &ret->exp10);
    return -EINVAL;
}

/* Upstream reads a suffix with no digit as zero, except where its slow path refuses. */
static bool accepted_without_digits(const struct unit *unit, struct sy_str text)
{
    return text.len && unit->exp2 < 50 && unit->exp10 >= -9;
}

/* Adds digit c at 10^place (place 0 is the ones). False when the integer part passes 64 bits. */
static bool put_digit(struct magnitude *m, char c, int64_t place)
{
    static const uint32_t powers[LIMB_DIGITS] = {100000000, 10000000, 1000000, 100000, 10000,
                                                 1000,      100,      10,      1};
    unsigned digit = (unsigned)(c - '0');

    if (place >= 0) {
        return !sy_mul_overflow(m->whole, (uint64_t)10, &m->whole) &&
               !sy_add_overflow(m->whole, (uint64_t)digit, &m->whole);
    }
    if (!digit)
        return true;
    uint64_t index = (uint64_t)(-1 - place);
    if (index >= LIMBS * LIMB_DIGITS) {
        m->sticky = true;
        return true;
    }
    m->has_fraction = true;
    m->fraction[index / LIMB_DIGITS] += digit * powers[index % LIMB_DIGITS];
    return true;
}

static bool shift_left(struct magnitude *m, int bits)
{
    while (bits > 0) {
        int step = bits < SHIFT_STEP ? bits : SHIFT_STEP;
        uint64_t carry = 0;
        for (int i = LIMBS - 1; m->has_fraction && i >= 0; i--) {
            uint64_t limb = ((uint64_t)m->fraction[i] << step) + carry;
            m->fraction[i] = (uint32_t)(limb % LIMB_BASE);
            carry = limb / LIMB_BASE;
        }
        if (sy_mul_overflow(m->whole, (uint64_t)1 << step, &m->whole) ||
            sy_add_overflow(m->whole, carry, &m->whole))
            return false;
        bits -= step;
    }
    return true;
}

static bool has_rest(const struct magnitude *m)
{
    bool any = m->sticky;

    for (int i = 0; m->has_fraction && i < LIMBS; i++)
        any |= m->fraction[i] != 0;
    return any;
}

/* The least integer >= the text's magnitude * 10^exp10 * 2^exp2. False when over 64 bits. */
static bool round_up(const struct pieces *t, int64_t exp10, int exp2, uint64_t *ret)
{
    struct sy_str whole = t->whole;
    struct sy_str fraction = t->fraction;
    struct magnitude m = {0};
    int64_t place = 0;

    while (whole.len && whole.p[0] == '0')
        whole = (struct sy_str){whole.p + 1, whole.len - 1};
    if (!whole.len) {
        while (fraction.len && fraction.p[0] == '0') {
            fraction = (struct sy_str){fraction.p + 1, fraction.len - 1};
            place--;
        }
        if (!fraction.len) {
            *ret = 0;
            return true;
        }
    }
    /* Text is shorter than 2^48 bytes and exp10 was clamped, so this cannot wrap. */
    place += (int64_t)whole.len + exp10;
    if (place > MOST_INTEGER_DIGITS + 1)
        return false;
    if (place < -MOST_LEADING_ZEROS) {
        *ret = 1;
        return true;
    }
    for (size_t i = 0; i < whole.len; i++) {
        if (!put_digit(&m, whole.p[i], --place))
            return false;
    }
    for (size_t i = 0; i < fraction.len; i++) {
        if (!put_digit(&m, fraction.p[i], --place))
            return false;
    }
    while (place-- > 0) {
        if (!put_digit(&m, '0', 0))
            return false;
    }
    if (!shift_left(&m, exp2))
        return false;
    return !sy_add_overflow(m.whole, (uint64_t)has_rest(&m), ret);
}

static int saturate(bool negative, int64_t *ret_value)
{
    *ret_value = negative ? INT64_MIN : INT64_MAX;
    return -ERANGE;
}

int sy_quantity_parse(struct sy_str s, enum sy_quantity_scale scale, int64_t *ret_value,
                      struct sy_err *err)
{
    static const int64_t exponent_limit = (int64_t)1 << 60;
    struct pieces t = split(s.p ? s : SY_STR(""));
    struct unit unit;
    uint64_t magnitude;

    if (parse_suffix(t.suffix, &unit) < 0) {
        if (!t.whole.len && !t.fraction.len)
            return sy_err_set(err, -EINVAL, "quantity \"" SY_STR_FMT "\": not a number",
                              SY_STR_ARG(s));
        return sy_err_set(err, -EINVAL,
                          "quantity \"" SY_STR_FMT "\": unknown suffix \"" SY_STR_FMT "\"",
                          SY_STR_ARG(s), SY_STR_ARG(t.suffix));
    }
    if (!t.whole.len && !t.fraction.len && !accepted_without_digits(&unit, s))
        return sy_err_set(err, -EINVAL, "quantity \"" SY_STR_FMT "\": no digits", SY_STR_ARG(s));
    if (unit.exp10 > exponent_limit)
        unit.exp10 = exponent_limit;
    if (unit.exp10 < -exponent_limit)
        unit.exp10 = -exponent_limit;

    if (!round_up(&t, unit.exp10 + (int)scale, unit.exp2, &magnitude) ||
        magnitude > (uint64_t)INT64_MAX + t.negative) {
        sy_err_set(err, -ERANGE, "quantity \"" SY_STR_FMT "\": does not fit in 64 bits",
                   SY_STR_ARG(s));
        return saturate(t.negative, ret_value);
    }
    *ret_value = t.negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return 0;
}
