/* SPDX-License-Identifier: Apache-2.0
 *
 * Log lines as they reach stderr: both forms, quoting, levels and the rate limit. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int real_stderr = -1;
static FILE *caught;

static void catch_begin(void)
{
    fflush(stderr);
    real_stderr = dup(STDERR_FILENO);
    caught = tmpfile();
    assert_true(real_stderr >= 0 && caught);
    assert_true(dup2(fileno(caught), STDERR_FILENO) >= 0);
}

/* What was written to stderr since; owned by the caller. */
static char *catch_end(void)
{
    assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
    close(real_stderr);
    long size = lseek(fileno(caught), 0, SEEK_END);
    assert_true(size >= 0);
    char *text = sy_xcalloc(1, (size_t)size + 1);
    assert_int_equal(pread(fileno(caught), text, (size_t)size, 0), size);
    fclose(caught);
    return text;
}

static int count_lines(const char *text)
{
    int lines = 0;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

/* The line without its time, which must look like one. */
static const char *after_time(const char *line, const char *prefix)
{
    int64_t at;
    size_t len = strlen(prefix);

    assert_memory_equal(line, prefix, len);
    assert_int_equal(sy_rfc3339_parse(line + len, 27, &at), 0);
    return line + len + 27;
}

static void test_text(void **state)
{
    (void)state;
    sy_log_configure(SY_LOG_INFO, false);
    catch_begin();
    sy_log_warn("watch ended", "resource", "pods", "error", "a \"b\"\nc", "empty", "", "n",
                SY_FMT("%d", 7), "bad", "\xff");
    char *text = catch_end();
    assert_string_equal(after_time(text, "time="),
                        " level=warn msg=\"watch ended\" resource=pods "
                        "error=\"a \\\"b\\\"\\u000ac\" empty=\"\" n=7 bad=\"\\ufffd\"\n");
    free(text);
}

static void test_json(void **state)
{
    (void)state;
    sy_log_configure(SY_LOG_INFO, true);
    catch_begin();
    sy_log_error("it \"broke\"", "why", "a=b");
    char *text = catch_end();
    assert_string_equal(after_time(text, "{\"time\":\""),
                        "\",\"level\":\"error\",\"msg\":\"it \\\"broke\\\"\",\"why\":\"a=b\"}\n");
    free(text);
}

static void test_levels(void **state)
{
    enum sy_log_level level;
    (void)state;

    sy_log_configure(SY_LOG_WARN, false);
    assert_int_equal(sy_log_least(), SY_LOG_WARN);
    catch_begin();
    sy_log_debug("no");
    sy_log_info("no");
    sy_log_warn("yes");
    sy_log_error("yes");
    char *text = catch_end();
    assert_int_equal(count_lines(text), 2);
    assert_null(strstr(text, "msg=no"));
    free(text);
    assert_int_equal(sy_log_level_parse("debug", &level), 0);
    assert_int_equal(level, SY_LOG_DEBUG);
    assert_int_equal(sy_log_level_parse("error", &level), 0);
    assert_int_equal(level, SY_LOG_ERROR);
    assert_int_equal(sy_log_level_parse("WARN", &level), -EINVAL);
    assert_int_equal(sy_log_level_parse("", &level), -EINVAL);
    assert_int_equal(level, SY_LOG_ERROR);
}

static void test_rate_limit_per_site(void **state)
{
    struct sy_log_site site = {0};
    (void)state;

    sy_log_configure(SY_LOG_INFO, false);
    catch_begin();
    for (int i = 0; i < 100; i++)
        sy_log_line(&site, SY_LOG_INFO, "busy", NULL);
    for (int i = 0; i < 2; i++)
        sy_log_info("another site");
    char *text = catch_end();
    assert_int_equal(count_lines(text), SY_LOG_BURST + 2);
    free(text);
    assert_int_equal(site.held_back, 100 - SY_LOG_BURST);

    /* Eleven seconds on, as the site sees it. */
    site.window_start_ns -= 11 * SY_NS_PER_S;
    catch_begin();
    sy_log_line(&site, SY_LOG_INFO, "busy", NULL);
    sy_log_line(&site, SY_LOG_INFO, "busy", NULL);
    text = catch_end();
    assert_int_equal(count_lines(text), 2);
    const char *said = strstr(text, "similar_lines_held_back=80\n");
    assert_non_null(said);
    assert_null(strstr(said + 1, "similar_lines_held_back"));
    free(text);
}

static void test_odd_arguments(void **state)
{
    struct sy_log_site site = {0};
    (void)state;

    sy_log_configure(SY_LOG_INFO, false);
    catch_begin();
    sy_log_line(&site, SY_LOG_INFO, "odd", "key", NULL);
    char *text = catch_end();
    assert_string_equal(after_time(text, "time="), " level=info msg=odd key=\"\"\n");
    free(text);
}

static void test_overlong_line_is_not_lost(void **state)
{
    char *big = sy_xcalloc(1, 20001);
    (void)state;

    memset(big, 'x', 20000);
    for (int json = 0; json < 2; json++) {
        sy_log_configure(SY_LOG_INFO, json);
        catch_begin();
        sy_log_error("huge", "value", big);
        char *text = catch_end();
        assert_int_equal(count_lines(text), 1);
        assert_non_null(strstr(text, "too long to write"));
        assert_non_null(strstr(text, "error"));
        free(text);
    }
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),          cmocka_unit_test(test_json),
        cmocka_unit_test(test_levels),        cmocka_unit_test(test_rate_limit_per_site),
        cmocka_unit_test(test_odd_arguments), cmocka_unit_test(test_overlong_line_is_not_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
