/* SPDX-License-Identifier: Apache-2.0
 *
 * Clocks and RFC 3339 times, there and back, and what is refused. */
#include "base/clock.h"
#include "base/rng.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect_time(const char *text, int64_t want_ns)
{
    int64_t got = 0;

    assert_int_equal(sy_rfc3339_parse(text, strlen(text), &got), 0);
    if (got != want_ns)
        fail_msg("%s: got %lld, want %lld", text, (long long)got, (long long)want_ns);
}

static void test_known_times(void **state)
{
    (void)state;
    expect_time("1970-01-01T00:00:00Z", 0);
    expect_time("2026-11-24T11:03:04Z", 1795518184 * SY_NS_PER_S);
    expect_time("2026-11-24T11:03:04.123456Z", 1795518184 * SY_NS_PER_S + 123456000);
    expect_time("2026-11-24T11:03:04.1Z", 1795518184 * SY_NS_PER_S + 100000000);
    expect_time("2026-11-24T11:03:04.1234567894321Z", 1795518184 * SY_NS_PER_S + 123456789);
    expect_time("2026-11-24T13:03:04+02:00", 1795518184 * SY_NS_PER_S);
    expect_time("2026-11-24T05:33:04-05:30", 1795518184 * SY_NS_PER_S);
    expect_time("2024-02-29T00:00:00Z", 1709164800 * SY_NS_PER_S);
    expect_time("2000-02-29T00:00:00Z", 951782400 * SY_NS_PER_S);
    expect_time("1969-12-31T23:59:59.5Z", -SY_NS_PER_S / 2);
}

static void test_bad_input(void **state)
{
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11-24",
        "2026-11-24T11:03:04",
        "2026-11-24 11:03:04Z",
        "2026-11-24T11:03:04z",
        "2026-11-24T11:03:04ZZ",
        "2026-11-24T11:03:04Z ",
        " 2026-11-24T11:03:04Z",
        "2026-13-24T11:03:04Z",
        "2026-00-24T11:03:04Z",
        "2026-11-00T11:03:04Z",
        "2026-11-31T11:03:04Z",
        "2026-02-29T11:03:04Z",
        "1900-02-29T11:03:04Z",
        "2026-11-24T24:03:04Z",
        "2026-11-24T11:60:04Z",
        "2026-11-24T11:03:61Z",
        "2026-11-24T11:03:04.Z",
        "2026-11-24T11:03:04.",
        "2026-11-24T11:03:04.5",
        "2026-11-24T11:03:04+",
        "2026-11-24T11:03:04+0200",
        "2026-11-24T11:03:04+24:00",
        "2026-11-24T11:03:04+02:60",
        "2026-11-24T11:03:04*02:00",
        "0001-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "-026-11-24T11:03:04Z",
        "2026-1a-24T11:03:04Z",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t got = 99;
        if (sy_rfc3339_parse(bad[i], strlen(bad[i]), &got) != -EINVAL || got != 99)
            fail_msg("\"%s\" was taken", bad[i]);
    }
    /* Every prefix of a good time, from memory that ends with it. */
    const char good[] = "2026-11-24T11:03:04.123+02:00";
    for (size_t len = 0; len < sizeof(good) - 1; len++) {
        int64_t got;
        char *exact = test_malloc(len + !len);
        memcpy(exact, good, len);
        assert_int_equal(sy_rfc3339_parse(exact, len, &got), -EINVAL);
        test_free(exact);
    }
}

static void test_round_trip(void **state)
{
    struct sy_rng rng;
    char text[SY_RFC3339_MAX];
    (void)state;

    sy_rng_seed(&rng, 9);
    for (int i = 0; i < 20000; i++) {
        /* 1700 to 2240 */
        int64_t s = (int64_t)sy_rng_below(&rng, 17040000000U) - 8520336000;
        int64_t micros = (int64_t)sy_rng_below(&rng, 1000000), got;
        int64_t ns = s * SY_NS_PER_S + micros * 1000 + 999;
        sy_rfc3339_format(ns, 1, text);
        assert_int_equal(strlen(text), 27);
        assert_int_equal(sy_rfc3339_parse(text, strlen(text), &got), 0);
        if (got != ns - 999)
            fail_msg("%s came back as %lld, not %lld", text, (long long)got, (long long)ns - 999);
        sy_rfc3339_format(ns, 0, text);
        assert_int_equal(strlen(text), 20);
        assert_int_equal(sy_rfc3339_parse(text, strlen(text), &got), 0);
        assert_true(got == s * SY_NS_PER_S);
    }
}

static void test_format_at_the_ends(void **state)
{
    char text[SY_RFC3339_MAX];
    (void)state;

    sy_rfc3339_format(0, 0, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
    sy_rfc3339_format(-1, 1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
    sy_rfc3339_format(INT64_MAX, 1, text);
    assert_string_equal(text, "2262-04-11T23:47:16.854775Z");
    sy_rfc3339_format(INT64_MIN, 1, text);
    assert_string_equal(text, "1677-09-21T00:12:43.145224Z");
}

static void test_clocks_run(void **state)
{
    (void)state;
    sy_time_ns before = sy_clock_boot_ns();
    assert_true(before > 0);
    assert_true(sy_clock_boot_ns() >= before);
    assert_true(sy_clock_wall_ns() > 1700000000 * SY_NS_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_times), cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_format_at_the_ends),
        cmocka_unit_test(test_clocks_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
