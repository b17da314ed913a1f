/* SPDX-License-Identifier: Apache-2.0
 *
 * CEL: a table of what k8s.io/dynamic-resource-allocation/cel v0.37.2 says of two devices, what is
 * refused, and the limits. */
#include "model/cel.h"

#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct sy_strings *strings;
    struct sy_arena arena, scratch;
    struct sy_attribute attributes[6];
    struct sy_capacity capacity[2];
    struct sy_device gpu, nic;
    sy_sid gpu_driver, nic_driver;
};

static struct sy_attribute text(struct fixture *f, const char *domain, const char *name,
                                uint8_t kind, const char *value)
{
    return (struct sy_attribute){
        .domain = sy_strings_addz(f->strings, domain),
        .name = sy_strings_addz(f->strings, name),
        .kind = kind,
        .text = sy_strings_addz(f->strings, value),
    };
}

static struct sy_attribute number(struct fixture *f, const char *name, uint8_t kind, int64_t value)
{
    return (struct sy_attribute){
        .domain = f->gpu_driver,
        .name = sy_strings_addz(f->strings, name),
        .kind = kind,
        .number = value,
    };
}

static int setup(void **state)
{
    static const uint64_t KEY[2] = {1, 2};
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    f->strings = sy_strings_new(KEY);
    sy_arena_init(&f->arena, (size_t)4 << 20);
    sy_arena_init(&f->scratch, (size_t)1 << 18);
    f->gpu_driver = sy_strings_addz(f->strings, "gpu.example.com");
    f->nic_driver = sy_strings_addz(f->strings, "nic.example.com");
    f->attributes[0] = text(f, "gpu.example.com", "model", SY_ATTRIBUTE_STRING, "a");
    f->attributes[1] = text(f, "gpu.example.com", "version", SY_ATTRIBUTE_VERSION, "1.2.3-rc.1");
    f->attributes[2] = text(f, "other.example.com", "uuid", SY_ATTRIBUTE_STRING, "GPU-abc");
    f->attributes[3] = number(f, "index", SY_ATTRIBUTE_INT, 3);
    f->attributes[4] = number(f, "neg", SY_ATTRIBUTE_INT, -5);
    f->attributes[5] = number(f, "fast", SY_ATTRIBUTE_BOOL, 1);
    f->capacity[0] = (struct sy_capacity){.domain = f->gpu_driver,
                                          .name = sy_strings_addz(f->strings, "memory"),
                                          .value = {.whole = (int64_t)40 << 30}};
    f->capacity[1] = (struct sy_capacity){.domain = f->gpu_driver,
                                          .name = sy_strings_addz(f->strings, "cores"),
                                          .value = {.whole = 1, .nano = 500000000}};
    f->gpu = (struct sy_device){.attributes = f->attributes,
                                .attributes_len = SY_ARRAY_LEN(f->attributes),
                                .capacity = f->capacity,
                                .capacity_len = SY_ARRAY_LEN(f->capacity),
                                .is_shared = true};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_arena_done(&f->arena);
    sy_arena_done(&f->scratch);
    sy_strings_free(f->strings);
    free(f);
    return 0;
}

/* 1 and 0 for an answer, else the negative errno. */
static int ask(struct fixture *f, const char *expression, bool nic, struct sy_err *err)
{
    const struct sy_cel *cel;
    bool match;

    sy_arena_reset(&f->arena);
    sy_arena_reset(&f->scratch);
    int r = sy_cel_compile(&f->arena, sy_str_from(expression), &cel, err);
    if (!r)
        r = sy_cel_matches(cel, f->strings, nic ? f->nic_driver : f->gpu_driver,
                           nic ? &f->nic : &f->gpu, &f->scratch, &match, err);
    return r ? r : match;
}

static int differs(struct fixture *f, const char *expression, bool nic, const char *expected)
{
    struct sy_err err = {0};
    int r = ask(f, expression, nic, &err);
    const char *got = r == 1 ? "true" : r == 0 ? "false" : r == -EINVAL ? "error" : "beyond";

    if (strcmp(expected, "invalid") == 0)
        expected = "error"; /* it may fail at either time */
    if (strcmp(expected, got) == 0)
        return 0;
    printf("%s on %s: expected %s, got %s %s\n", expression, nic ? "nic" : "gpu", expected, got,
           err.msg);
    return 1;
}

static void test_answers_as_upstream(void **state)
{
    FILE *file = fopen("tests/unit/data/cel_cases.tsv", "r");
    char line[1024];
    int lines = 0, different = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = 0;
        char *on_nic = strchr(line, '\t');
        assert_non_null(on_nic);
        *on_nic++ = 0;
        char *expression = strchr(on_nic, '\t');
        assert_non_null(expression);
        *expression++ = 0;
        different += differs(*state, expression, false, line);
        different += differs(*state, expression, true, on_nic);
        lines++;
    }
    fclose(file);
    assert_true(lines > 200);
    assert_int_equal(different, 0);
}

static void test_refuses_what_it_does_not_have(void **state)
{
    static const struct {
        const char *expression, *what;
    } CASES[] = {
        {"1.5 < 2.0", "a floating-point number"},
        {"1u == 1u", "an unsigned integer"},
        {"b'x' == b'x'", "a string of bytes"},
        {"null == null", "null"},
        {"{'a': 1}.a == 1", "a map"},
        {"timestamp('2020-01-01T00:00:00Z') == timestamp('x')", "the function timestamp"},
        {"device.driver.split('.').size() == 3", "the function split"},
        {"quantity('1').asApproximateFloat() > dyn(0)", "the function asApproximateFloat"},
        {"device.driver.matches('a|b')", "a regular expression that is not a simple one"},
        {"device.driver.matches('(a)')", "a regular expression that is not a simple one"},
        {"device.driver.matches(device.driver)", "a regular expression that is not a simple one"},
        {"[1].all(i, v, v == 1)", "a macro with another number of arguments"},
        {"cel.block([1], true)", "cel.block"},
        {"[?optional.none()] == []", "an optional list element"},
    };
    char expected[256];

    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        struct sy_err err = {0};
        snprintf(expected, sizeof(expected),
                 "selector uses %s, which steelyard's CEL subset does not have", CASES[i].what);
        assert_int_equal(ask(*state, CASES[i].expression, false, &err), -EOPNOTSUPP);
        assert_string_equal(err.msg, expected);
    }
}

static void test_says_which_attribute_is_missing(void **state)
{
    struct sy_err err = {0};

    assert_int_equal(ask(*state, "device.attributes['gpu.example.com'].nothing", false, &err),
                     -EINVAL);
    assert_string_equal(err.msg, "no such key: nothing");
}

static void test_an_expression_has_limits(void **state)
{
    char text[SY_CEL_TEXT_MAX + 2];
    struct sy_err err = {0};

    memset(text, '(', 40);
    snprintf(text + 40, sizeof(text) - 40, "true");
    assert_int_equal(ask(*state, text, false, &err), -E2BIG);
    memset(text, '!', 40);
    assert_int_equal(ask(*state, text, false, &err), -E2BIG);
    memset(text, ' ', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    assert_int_equal(ask(*state, text, false, &err), -E2BIG);
    /* A long chain is not a deep one. */
    size_t len = 0;
    for (int i = 0; i < 1000; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "true && ");
    snprintf(text + len, sizeof(text) - len, "true");
    assert_int_equal(ask(*state, text, false, &err), 1);
    len = 0;
    for (int i = 0; i < 1000; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "1 + ");
    snprintf(text + len, sizeof(text) - len, "1 > 0");
    assert_int_equal(ask(*state, text, false, &err), -E2BIG);
}

static void test_an_expression_has_a_price(void **state)
{
    struct sy_err err = {0};

    assert_int_equal(ask(*state,
                         "cel.bind(l, [1,2,3,4,5,6,7,8,9,10], l.all(a, l.all(b, l.all(c, l.all(d, "
                         "l.all(e, l.all(f, a + b + c + d + e + f > 0)))))))",
                         false, &err),
                     -ETIME);
    assert_int_equal(ask(*state,
                         "cel.bind(l, [1,2,3,4,5,6,7,8,9,10], l.map(a, l.map(b, l.map(c, l.map(d, "
                         "d)))).size() == 10)",
                         false, &err),
                     -E2BIG);
    assert_int_equal(
        ask(*state, "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'.matches('a*a*a*a*a*a*b')",
            false, &err),
        -ETIME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers_as_upstream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses_what_it_does_not_have, setup, teardown),
        cmocka_unit_test_setup_teardown(test_says_which_attribute_is_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_expression_has_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_expression_has_a_price, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
