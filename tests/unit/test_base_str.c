/* SPDX-License-Identifier: Apache-2.0
 *
 * Strings by pointer and length, numbers in them, and SipHash-2-4-128. */
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Key 00 01 .. 0f, input 00 01 .. len-1: the vectors of the reference implementation. */
static void test_siphash_vectors(void **state)
{
    static const struct {
        size_t len;
        const char *hex;
    } vectors[] = {
        {0, "a3817f04ba25a8e66df67214c7550293"},  {1, "da87c1d86b99af44347659119b22fc45"},
        {7, "a1f1ebbed8dbc153c0b84aa61ff08239"},  {8, "3b62a9ba6258f5610f83e264f31497b4"},
        {15, "5493e99933b0a8117e08ec0f97cfc3d9"}, {63, "5150d1772f50834a503e069a973fbd7c"},
    };
    static const uint64_t key[2] = {0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
    unsigned char input[64], bytes[16];
    uint64_t hash[2];
    char hex[33];
    (void)state;

    for (size_t i = 0; i < sizeof(input); i++)
        input[i] = (unsigned char)i;
    for (size_t v = 0; v < SY_ARRAY_LEN(vectors); v++) {
        sy_siphash128(vectors[v].len ? input : NULL, vectors[v].len, key, hash);
        memcpy(bytes, hash, 16);
        for (size_t i = 0; i < 16; i++)
            snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
        assert_string_equal(hex, vectors[v].hex);
    }
}

static void test_siphash_every_byte_counts(void **state)
{
    static const uint64_t key[2] = {1, 2};
    unsigned char input[40] = {0};
    uint64_t plain[2], changed[2];
    (void)state;

    sy_siphash128(input, sizeof(input), key, plain);
    for (size_t i = 0; i < sizeof(input); i++) {
        input[i] = 1;
        sy_siphash128(input, sizeof(input), key, changed);
        input[i] = 0;
        assert_true(changed[0] != plain[0] && changed[1] != plain[1]);
    }
    sy_siphash128(input, sizeof(input) - 1, key, changed);
    assert_true(changed[0] != plain[0]);
}

static void test_compare(void **state)
{
    struct sy_str none = {NULL, 0};
    (void)state;

    assert_true(sy_str_eq(none, SY_STR("")));
    assert_true(sy_str_eqz(SY_STR("abc"), "abc"));
    assert_false(sy_str_eqz(SY_STR("abc"), "abd"));
    assert_false(sy_str_eq(SY_STR("a\0b"), SY_STR("a\0c")));
    assert_int_equal(sy_str_from(NULL).len, 0);
    assert_int_equal(sy_str_cmp(none, SY_STR("")), 0);
    assert_true(sy_str_cmp(none, SY_STR("a")) < 0);
    assert_true(sy_str_cmp(SY_STR("ab"), SY_STR("a")) > 0);
    assert_true(sy_str_cmp(SY_STR("a"), SY_STR("b")) < 0);
    assert_true(sy_str_cmp(SY_STR("\xff"), SY_STR("a")) > 0); /* bytes are unsigned */
    assert_true(sy_str_starts(SY_STR("abc"), SY_STR("ab")));
    assert_true(sy_str_starts(none, none));
    assert_false(sy_str_starts(SY_STR("a"), SY_STR("ab")));
}

static int64_t i64(const char *text, int want)
{
    int64_t got = 77;

    assert_int_equal(sy_str_i64(sy_str_from(text), &got), want);
    return got;
}

static uint64_t u64(const char *text, int want)
{
    uint64_t got = 77;

    assert_int_equal(sy_str_u64(sy_str_from(text), &got), want);
    return got;
}

static void test_numbers(void **state)
{
    (void)state;
    assert_true(u64("0", 0) == 0);
    assert_true(u64("007", 0) == 7);
    assert_true(u64("18446744073709551615", 0) == UINT64_MAX);
    assert_true(u64("18446744073709551616", -ERANGE) == 77);
    assert_true(u64("99999999999999999999999", -ERANGE) == 77);
    assert_true(i64("9223372036854775807", 0) == INT64_MAX);
    assert_true(i64("-9223372036854775808", 0) == INT64_MIN);
    assert_true(i64("-0", 0) == 0);
    assert_true(i64("9223372036854775808", -ERANGE) == 77);
    assert_true(i64("-9223372036854775809", -ERANGE) == 77);
    static const char *const bad[] = {"", "-", "+1", "1 ", " 1", "1x", "--1", "0x1", "1.0"};
    for (size_t i = 0; i < SY_ARRAY_LEN(bad); i++)
        assert_true(i64(bad[i], -EINVAL) == 77);
    u64("-1", -EINVAL);
}

static void test_saturating_sum(void **state)
{
    (void)state;
    assert_true(sy_add_saturate(INT64_MAX, 1) == INT64_MAX);
    assert_true(sy_add_saturate(INT64_MIN, -1) == INT64_MIN);
    assert_true(sy_add_saturate(-5, 3) == -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash_vectors), cmocka_unit_test(test_siphash_every_byte_counts),
        cmocka_unit_test(test_compare),         cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_saturating_sum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
