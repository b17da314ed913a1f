/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantities against a table that the upstream library produced, and by hand at the edges. */
#include "base/buf.h"
#include "model/quantity.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int parse(const char *text, enum sy_quantity_scale scale, int64_t *ret)
{
    return sy_quantity_parse(sy_str_from(text), scale, ret, NULL);
}

static void expect(const char *text, enum sy_quantity_scale scale, int64_t want)
{
    int64_t got = 77;

    assert_int_equal(parse(text, scale, &got), 0);
    if (got != want)
        fail_msg("%s: got %lld, want %lld", text, (long long)got, (long long)want);
}

/* One column of the table: `want` is a number, "!", "over", "max" or "min". */
static void check_column(struct sy_str text, enum sy_quantity_scale scale, struct sy_str want)
{
    static const int64_t untouched = -12345678901;
    bool negative = text.len && text.p[0] == '-';
    int64_t got = untouched, number;
    int r = sy_quantity_parse(text, scale, &got, NULL);
    bool ok;

    if (sy_str_eqz(want, "!"))
        ok = r == -EINVAL && got == untouched;
    else if (sy_str_eqz(want, "over"))
        ok = r == -ERANGE && got == (negative ? INT64_MIN : INT64_MAX);
    else if (sy_str_eqz(want, "max"))
        ok = (r == 0 || r == -ERANGE) && got == INT64_MAX;
    else if (sy_str_eqz(want, "min"))
        ok = (r == 0 || r == -ERANGE) && got <= -INT64_MAX;
    else
        ok = sy_str_i64(want, &number) == 0 && r == 0 && got == number;
    if (!ok)
        fail_msg("\"%.*s\" at scale %d: returned %d and %lld, want %.*s", SY_STR_ARG(text),
                 (int)scale, r, (long long)got, SY_STR_ARG(want));
}

static struct sy_str next_field(char **at)
{
    char *start = *at;
    size_t len = strcspn(start, "\t\n");

    *at = start + len + (start[len] != '\0');
    return (struct sy_str){start, len};
}

static void test_upstream_table(void **state)
{
    char line[512];
    int rows = 0;
    (void)state;

    FILE *f = fopen("tests/unit/data/quantity_cases.tsv", "re");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        if (line[0] == '#')
            continue;
        char *at = line;
        struct sy_str text = next_field(&at);
        struct sy_str value = next_field(&at);
        struct sy_str milli = next_field(&at);
        check_column(text, SY_SCALE_UNIT, value);
        check_column(text, SY_SCALE_MILLI, milli);
        rows++;
    }
    fclose(f);
    assert_true(rows > 2000);
}

static void test_known_values(void **state)
{
    (void)state;
    expect("100m", SY_SCALE_MILLI, 100);
    expect("100m", SY_SCALE_UNIT, 1);
    expect("2Gi", SY_SCALE_UNIT, INT64_C(2147483648));
    expect("1.5Gi", SY_SCALE_UNIT, INT64_C(1610612736));
    expect("1e3", SY_SCALE_UNIT, 1000);
    expect("1E3", SY_SCALE_MILLI, 1000000);
    expect("1E", SY_SCALE_UNIT, INT64_C(1000000000000000000));
    expect(".5", SY_SCALE_UNIT, 1);
    expect("1.", SY_SCALE_UNIT, 1);
    expect("+1", SY_SCALE_UNIT, 1);
    expect("-1500m", SY_SCALE_UNIT, -2);
    expect("1n", SY_SCALE_MILLI, 1);
    expect("0.1n", SY_SCALE_UNIT, 1);
    expect("7Ei", SY_SCALE_UNIT, INT64_C(7) << 60);
    expect("-8Ei", SY_SCALE_UNIT, INT64_MIN);
}

static void test_long_texts_are_exact(void **state)
{
    struct sy_buf b;
    (void)state;

    /* 2^-60 has 60 digits, so 2^-60 Ei is 1 exactly and the least addition makes it 2. */
    static const char tiny[] = "0.000000000000000000867361737988403547205962240695953369140625";
    sy_buf_init(&b, 100000);
    sy_buf_adds(&b, tiny);
    sy_buf_adds(&b, "Ei");
    expect(b.p, SY_SCALE_UNIT, 1);
    sy_buf_reset(&b);
    sy_buf_adds(&b, tiny);
    for (int i = 0; i < 5000; i++)
        sy_buf_addc(&b, '0');
    sy_buf_adds(&b, "1Ei");
    expect(b.p, SY_SCALE_UNIT, 2);

    sy_buf_reset(&b);
    sy_buf_addc(&b, '1');
    for (int i = 0; i < 50000; i++)
        sy_buf_addc(&b, '0');
    sy_buf_adds(&b, "e-50000");
    expect(b.p, SY_SCALE_UNIT, 1);
    expect(b.p, SY_SCALE_MILLI, 1000);

    sy_buf_reset(&b);
    for (int i = 0; i < 50000; i++)
        sy_buf_addc(&b, '0');
    sy_buf_adds(&b, "12Ki");
    expect(b.p, SY_SCALE_UNIT, 12288);
    sy_buf_done(&b);
}

static void test_out_of_range_saturates(void **state)
{
    static const char *const texts[] = {"9223372036854775808",   "1e19", "1e300",  "8Ei",
                                        "1e9000000000000000000", "10E",  "16384Pi"};
    int64_t got;
    (void)state;

    for (size_t i = 0; i < SY_ARRAY_LEN(texts); i++) {
        char negative[64];
        got = 0;
        assert_int_equal(parse(texts[i], SY_SCALE_UNIT, &got), -ERANGE);
        assert_true(got == INT64_MAX);
        snprintf(negative, sizeof(negative), "-1%s", texts[i]);
        got = 0;
        assert_int_equal(parse(negative, SY_SCALE_UNIT, &got), -ERANGE);
        assert_true(got == INT64_MIN);
    }
    assert_int_equal(parse("9223372036854775.808", SY_SCALE_MILLI, &got), -ERANGE);
    expect("9223372036854775.807", SY_SCALE_MILLI, INT64_MAX);
    expect("1e-9000000000000000000", SY_SCALE_UNIT, 1);
    expect("0e9000000000000000000", SY_SCALE_UNIT, 0);
}

static void test_messages(void **state)
{
    struct sy_err err = {0};
    int64_t got = 5;
    (void)state;

    assert_int_equal(sy_quantity_parse(SY_STR("1.5Xi"), SY_SCALE_UNIT, &got, &err), -EINVAL);
    assert_string_equal(err.msg, "quantity \"1.5Xi\": unknown suffix \"Xi\"");
    assert_int_equal(got, 5);
    assert_int_equal(sy_quantity_parse(SY_STR("many"), SY_SCALE_UNIT, &got, &err), -EINVAL);
    assert_string_equal(err.msg, "quantity \"many\": not a number");
    assert_int_equal(sy_quantity_parse(SY_STR(""), SY_SCALE_UNIT, &got, &err), -EINVAL);
    assert_string_equal(err.msg, "quantity \"\": no digits");
    assert_int_equal(sy_quantity_parse(SY_STR("9Ei"), SY_SCALE_UNIT, &got, &err), -ERANGE);
    assert_string_equal(err.msg, "quantity \"9Ei\": does not fit in 64 bits");
    assert_int_equal(err.code, -ERANGE);
    assert_int_equal(sy_quantity_parse((struct sy_str){"1\0k", 3}, SY_SCALE_UNIT, &got, &err),
                     -EINVAL);
    assert_int_equal(sy_quantity_parse((struct sy_str){NULL, 0}, SY_SCALE_UNIT, &got, &err),
                     -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upstream_table),
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_long_texts_are_exact),
        cmocka_unit_test(test_out_of_range_saturates),
        cmocka_unit_test(test_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
