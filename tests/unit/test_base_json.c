/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON as it is written: commas, quotes, numbers, any bytes, and the cap. */
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void commas_fall_into_place(void **state SY_UNUSED)
{
    struct sy_buf out;

    sy_buf_init(&out, 4096);
    struct sy_json j = {.out = &out};
    sy_json_object(&j, NULL);
    sy_json_text(&j, "a", "x\"\n\xff");
    sy_json_text(&j, "none", NULL);
    sy_json_array(&j, "b");
    sy_json_i64(&j, NULL, INT64_MIN);
    sy_json_i64(&j, NULL, 7);
    sy_json_object(&j, NULL);
    sy_json_end_object(&j);
    sy_json_array(&j, NULL);
    sy_json_end_array(&j);
    sy_json_end_array(&j);
    sy_json_bool(&j, "c", true);
    sy_json_bool(&j, "d", false);
    sy_json_end_object(&j);
    assert_string_equal(out.p, "{\"a\":\"x\\\"\\u000a\\ufffd\",\"none\":null,"
                               "\"b\":[-9223372036854775808,7,{},[]],\"c\":true,\"d\":false}");
    sy_buf_done(&out);
}

static void numbers_are_short_and_finite(void **state SY_UNUSED)
{
    static const struct {
        double value;
        int digits;
        const char *text;
    } CASES[] = {
        {0.5, 4, "[0.5]"},
        {1, 4, "[1]"},
        {0, 2, "[0]"},
        {-0.00001, 2, "[0]"},
        {1.0 / 3, 3, "[0.333]"},
        {100, 0, "[100]"},
        {1e15, 2, "[1000000000000000]"},
        {NAN, 2, "[null]"},
        {-INFINITY, 2, "[null]"},
        {-2.5, 1, "[-2.5]"},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        struct sy_buf out;

        sy_buf_init(&out, 4096);
        struct sy_json j = {.out = &out};
        sy_json_array(&j, NULL);
        sy_json_real(&j, NULL, CASES[i].value, CASES[i].digits);
        sy_json_end_array(&j);
        assert_string_equal(out.p, CASES[i].text);
        sy_buf_done(&out);
    }
}

static void the_cap_is_heeded(void **state SY_UNUSED)
{
    struct sy_buf out;

    sy_buf_init(&out, 64);
    struct sy_json j = {.out = &out};
    sy_json_array(&j, NULL);
    for (int i = 0; i < 100; i++)
        sy_json_i64(&j, NULL, i);
    sy_json_real(&j, NULL, 1e308, 17);
    sy_json_end_array(&j);
    assert_int_equal(out.failed, -E2BIG);
    assert_null(out.p);
    sy_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_fall_into_place),
        cmocka_unit_test(numbers_are_short_and_finite),
        cmocka_unit_test(the_cap_is_heeded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
