/* SPDX-License-Identifier: Apache-2.0
 *
 * Buffers: caps, sticky failure, appending, and JSON of any bytes. */
#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_appends(void **state)
{
    struct sy_buf b;
    (void)state;

    sy_buf_init(&b, 1000);
    assert_null(b.p);
    assert_int_equal(sy_buf_add(&b, "ab", 2), 0);
    assert_int_equal(sy_buf_adds(&b, "cd"), 0);
    assert_int_equal(sy_buf_addc(&b, 'e'), 0);
    assert_int_equal(sy_buf_addf(&b, "%d-%s", 7, "x"), 0);
    assert_int_equal(sy_buf_add(&b, NULL, 0), 0);
    assert_string_equal(b.p, "abcde7-x");
    assert_int_equal(b.len, 8);
    sy_buf_consume(&b, 0);
    sy_buf_consume(&b, 3);
    assert_string_equal(b.p, "de7-x");
    sy_buf_consume(&b, 5);
    assert_string_equal(b.p, "");
    sy_buf_adds(&b, "again");
    sy_buf_reset(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.p, "");
    sy_buf_done(&b);
    assert_null(b.p);
}

static void test_cap_is_exact(void **state)
{
    struct sy_buf b;
    (void)state;

    sy_buf_init(&b, 4);
    assert_int_equal(sy_buf_adds(&b, "1234"), 0);
    assert_int_equal(sy_buf_add(&b, "", 0), 0);
    assert_int_equal(sy_buf_addc(&b, '5'), -E2BIG);
    sy_buf_done(&b);
    assert_int_equal(sy_buf_addf(&b, "%s", "12345"), -E2BIG);
    sy_buf_done(&b);
    assert_int_equal(sy_buf_addf(&b, "%s", "1234"), 0);
    sy_buf_done(&b);

    sy_buf_init(&b, 0);
    assert_int_equal(sy_buf_adds(&b, ""), 0);
    assert_int_equal(sy_buf_addc(&b, 'x'), -E2BIG);
    sy_buf_done(&b);
}

static void test_failure_sticks(void **state)
{
    struct sy_buf b;
    (void)state;

    sy_buf_init(&b, 4);
    sy_buf_adds(&b, "12");
    assert_int_equal(sy_buf_adds(&b, "345"), -E2BIG);
    assert_null(b.p);
    assert_int_equal(b.len, 0);
    assert_int_equal(sy_buf_addc(&b, 'x'), -E2BIG);
    assert_int_equal(sy_buf_addf(&b, "x"), -E2BIG);
    assert_int_equal(sy_buf_add_json(&b, SY_STR("")), -E2BIG);
    assert_null(sy_buf_take(&b));
    sy_buf_reset(&b);
    assert_int_equal(sy_buf_adds(&b, "ok"), 0);
    assert_string_equal(b.p, "ok");
    sy_buf_done(&b);
}

static void test_memory_ends_at_each_call(void **state)
{
    struct sy_buf b;
    int failures = 0;
    (void)state;

    for (size_t n = 1;; n++) {
        sy_buf_init(&b, 100000);
        sy_mem_fail_at(n);
        for (int i = 0; i < 1000; i++)
            sy_buf_adds(&b, "0123456789");
        sy_mem_fail_at(0);
        if (!b.failed)
            break;
        assert_int_equal(b.failed, -ENOMEM);
        assert_null(b.p);
        failures++;
    }
    assert_int_equal(b.len, 10000);
    assert_true(failures > 3);
    sy_buf_done(&b);
}

static void test_take(void **state)
{
    struct sy_buf b;
    (void)state;

    sy_buf_init(&b, 10);
    char *empty = sy_buf_take(&b);
    assert_string_equal(empty, "");
    free(empty);
    sy_buf_adds(&b, "text");
    char *text = sy_buf_take(&b);
    assert_string_equal(text, "text");
    assert_int_equal(b.len, 0);
    assert_int_equal(sy_buf_adds(&b, "0123456789"), 0); /* the cap stays */
    sy_buf_done(&b);
    free(text);
}

static void expect_json(struct sy_str in, const char *want)
{
    struct sy_buf b;

    sy_buf_init(&b, 1000);
    assert_int_equal(sy_buf_add_json(&b, in), 0);
    assert_string_equal(b.p, want);
    sy_buf_done(&b);
}

static void test_json(void **state)
{
    (void)state;
    expect_json(SY_STR(""), "\"\"");
    expect_json((struct sy_str){NULL, 0}, "\"\"");
    expect_json(SY_STR("plain /"), "\"plain /\"");
    expect_json(SY_STR("a\"b\\c"), "\"a\\\"b\\\\c\"");
    expect_json(SY_STR("\n\t\0\x1f"), "\"\\u000a\\u0009\\u0000\\u001f\"");
    expect_json(SY_STR("\x7f\xc2\x80\xc2\x9b\xc2\xa0"), "\"\\u007f\\u0080\\u009b\xc2\xa0\"");
    expect_json(SY_STR("é€😀"), "\"é€😀\"");
    expect_json(SY_STR("x\xffy"), "\"x\\ufffdy\"");
    expect_json(SY_STR("\x80"), "\"\\ufffd\"");
    expect_json(SY_STR("\xc3"), "\"\\ufffd\"");            /* cut short */
    expect_json(SY_STR("\xc3("), "\"\\ufffd(\"");          /* no continuation */
    expect_json(SY_STR("\xc0\xaf"), "\"\\ufffd\\ufffd\""); /* overlong */
    expect_json(SY_STR("\xe0\x80\xaf"), "\"\\ufffd\\ufffd\\ufffd\"");
    expect_json(SY_STR("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""); /* a surrogate */
    expect_json(SY_STR("\xf4\x8f\xbf\xbf"), "\"\xf4\x8f\xbf\xbf\"");
    expect_json(SY_STR("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
    expect_json(SY_STR("\xf8\x88\x80\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"");
}

static void test_json_respects_the_cap(void **state)
{
    struct sy_buf b;
    (void)state;

    sy_buf_init(&b, 5);
    assert_int_equal(sy_buf_add_json(&b, SY_STR("abc")), 0);
    sy_buf_done(&b);
    assert_int_equal(sy_buf_add_json(&b, SY_STR("abcd")), -E2BIG);
    assert_null(b.p);
    sy_buf_done(&b);
    assert_int_equal(sy_buf_add_json(&b, SY_STR("\x01")), -E2BIG);
    sy_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_cap_is_exact),
        cmocka_unit_test(test_failure_sticks),
        cmocka_unit_test(test_memory_ends_at_each_call),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_respects_the_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
