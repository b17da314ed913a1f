/* SPDX-License-Identifier: Apache-2.0
 *
 * Error objects: setting, wrapping, and messages that come from a peer. */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_set(void **state)
{
    struct sy_err err = {.http_status = 409, .retry_after_ms = 5, .reason = "Conflict"};
    (void)state;

    assert_int_equal(sy_err_set(&err, -EINVAL, "bad %s", "thing"), -EINVAL);
    assert_int_equal(err.code, -EINVAL);
    assert_string_equal(err.msg, "bad thing");
    assert_int_equal(err.http_status, 0);
    assert_int_equal(err.retry_after_ms, 0);
    assert_string_equal(err.reason, "");
    assert_int_equal(sy_err_set(NULL, -EIO, "x"), -EIO);
}

static void test_wrap(void **state)
{
    struct sy_err err = {0};
    (void)state;

    sy_err_set(&err, -ENOENT, "no such file");
    err.http_status = 404;
    assert_int_equal(sy_err_wrap(&err, -EIO, "reading %d", 7), -ENOENT);
    assert_string_equal(err.msg, "reading 7: no such file");
    assert_int_equal(err.http_status, 404);
    assert_int_equal(sy_err_wrap(NULL, -EIO, "x"), -EIO);

    /* Nothing was set below: the errno's text stands in. */
    struct sy_err empty = {0};
    assert_int_equal(sy_err_wrap(&empty, -ENOENT, "opening"), -ENOENT);
    assert_string_equal(empty.msg, "opening: No such file or directory");
    assert_int_equal(empty.code, -ENOENT);
}

static void test_message_from_itself(void **state)
{
    struct sy_err err = {0};
    (void)state;

    sy_err_set(&err, -EINVAL, "inner");
    sy_err_set(&err, -EIO, "outer (%s)", err.msg);
    assert_string_equal(err.msg, "outer (inner)");
    sy_err_wrap(&err, -EIO, "again %s", err.msg);
    assert_string_equal(err.msg, "again outer (inner): outer (inner)");
}

static void test_control_characters(void **state)
{
    struct sy_err err = {0};
    (void)state;

    sy_err_set(&err, -EINVAL, "%s", "a\nlevel=error\tb\x1b[31m\x7f\r");
    assert_string_equal(err.msg, "a level=error b?[31m??");
    sy_err_wrap(&err, -EINVAL, "%s", "x\ny\x01");
    assert_memory_equal(err.msg, "x y?: a", 7);
}

static void test_long_messages_are_cut(void **state)
{
    struct sy_err err = {0};
    char big[4000];
    (void)state;

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    sy_err_set(&err, -EINVAL, "%s", big);
    assert_int_equal(strlen(err.msg), SY_ERR_MSG_MAX - 1);
    sy_err_wrap(&err, -EINVAL, "context");
    assert_int_equal(strlen(err.msg), SY_ERR_MSG_MAX - 1);
    assert_memory_equal(err.msg, "context: xxx", 12);
    sy_err_wrap(&err, -EINVAL, "%s", big);
    assert_int_equal(strlen(err.msg), SY_ERR_MSG_MAX - 1);
}

static void test_text(void **state)
{
    struct sy_err err = {0};
    (void)state;

    assert_string_equal(sy_err_text(NULL, -ENOENT), "No such file or directory");
    assert_string_equal(sy_err_text(NULL, ENOENT), "No such file or directory");
    assert_string_equal(sy_err_text(&err, -ENOENT), "No such file or directory");
    sy_err_set(&err, -EIO, "mine");
    assert_string_equal(sy_err_text(&err, -ENOENT), "mine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_message_from_itself),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_long_messages_are_cut),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
