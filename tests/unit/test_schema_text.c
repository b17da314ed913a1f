/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration's tables as JSON Schema and as Markdown: that every key is there, with what the
 * reader accepts. */
#include "app/schema_text.h"

#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "app/config.h"

struct inner {
    bool yes;
    int64_t took_ns;
};
struct outer {
    char *name;
    int64_t port, level;
    double part;
    struct inner inner, again;
    struct sy_option_list inners, texts;
};
static const char *const LEVELS[] = {"low", "high", NULL};
static const struct sy_option INNER[] = {
    {"yes", SY_OPTION_BOOL, .offset = offsetof(struct inner, yes), .initial = "true",
     .help = "a|b"},
    {"took", SY_OPTION_DURATION, .offset = offsetof(struct inner, took_ns), .initial = "1s",
     .least = 1000000, .most = 60000000000, .help = "how \"long\""},
    {0},
};
static const struct sy_option OUTER[] = {
    {"name", SY_OPTION_TEXT, .offset = offsetof(struct outer, name), .is_required = true},
    {"port", SY_OPTION_PORT, .offset = offsetof(struct outer, port), .initial = "off",
     .most = 65535},
    {"level", SY_OPTION_CHOICE, .is_live = true, .offset = offsetof(struct outer, level),
     .initial = "low", .choices = LEVELS},
    {"part", SY_OPTION_REAL, .offset = offsetof(struct outer, part), .initial = "0.5", .most = 1},
    {"inner", SY_OPTION_MAP, .offset = offsetof(struct outer, inner), .fields = INNER},
    {"again", SY_OPTION_MAP, .offset = offsetof(struct outer, again), .fields = INNER},
    {"inners", SY_OPTION_MAPS, .is_live = true, .offset = offsetof(struct outer, inners),
     .fields = INNER, .element_size = sizeof(struct inner), .elements_max = 3},
    {"texts", SY_OPTION_TEXTS, .offset = offsetof(struct outer, texts), .elements_max = 2},
    {"never", SY_OPTION_REFUSED, .help = "not here"},
    {0},
};

/* The value at a path of keys, as JSON; "" when there is none. */
static const char *at(json_object *o, const char *path)
{
    json_object *found = NULL;

    if (json_pointer_get(o, path, &found) < 0)
        return "";
    return json_object_to_json_string_ext(found, JSON_C_TO_STRING_PLAIN);
}

static json_object *parse(struct sy_buf *out)
{
    json_object *o = json_tokener_parse(out->p);

    assert_non_null(o);
    return o;
}

static void json_says_what_the_reader_accepts(void **state)
{
    (void)state;
    struct sy_buf out;

    sy_buf_init(&out, 1 << 20);
    assert_int_equal(sy_schema_json(OUTER, "Outer", &out), 0);
    json_object *o = parse(&out);
    assert_string_equal(at(o, "/title"), "\"Outer\"");
    assert_string_equal(at(o, "/required"), "[\"name\"]");
    assert_string_equal(at(o, "/additionalProperties"), "false");
    assert_string_equal(at(o, "/properties/name/type"), "\"string\"");
    assert_string_equal(at(o, "/properties/port/default"), "\"off\"");
    assert_string_equal(at(o, "/properties/level/enum"), "[\"low\",\"high\",null]");
    assert_string_equal(at(o, "/properties/part/default"), "0.5");
    assert_string_equal(at(o, "/properties/inner/properties/yes/default"), "true");
    assert_string_equal(at(o, "/properties/inner/properties/took/description"),
                        "\"how \\\"long\\\"\"");
    assert_string_equal(at(o, "/properties/again/additionalProperties"), "false");
    assert_string_equal(at(o, "/properties/inners/items/properties/took/default"), "\"1s\"");
    assert_string_equal(at(o, "/properties/inners/maxItems"), "3");
    assert_string_equal(at(o, "/properties/texts/uniqueItems"), "true");
    assert_string_equal(at(o, "/properties/never/not"), "{}");
    json_object_put(o);
    sy_buf_done(&out);
}

static void markdown_has_a_row_for_each_value(void **state)
{
    (void)state;
    struct sy_buf out;

    sy_buf_init(&out, 1 << 20);
    assert_int_equal(sy_schema_markdown(OUTER, &out), 0);
    assert_string_equal(out.p,
                        "| key | value | default | live | what it is |\n"
                        "|---|---|---|---|---|\n"
                        "| `name` | text | must be given |  |  |\n"
                        "| `port` | port or off | `off` |  |  |\n"
                        "| `level` | low, high | `low` | yes |  |\n"
                        "| `part` | number, 0 to 1 | `0.5` |  |  |\n"
                        "| `inner.yes` | true or false | `true` |  | a\\|b |\n"
                        "| `inner.took` | duration, 1ms to 1m | `1s` |  | how \"long\" |\n"
                        "| `again` | as `inner` | | | |\n"
                        "| `inners[].yes` | true or false | `true` | yes | a\\|b |\n"
                        "| `inners[].took` | duration, 1ms to 1m | `1s` | yes | how \"long\" |\n"
                        "| `texts` | list of up to 2 texts |  |  |  |\n");
    sy_buf_done(&out);
}

static void what_does_not_fit_is_an_error(void **state)
{
    (void)state;
    struct sy_buf out;

    sy_buf_init(&out, 100);
    assert_true(sy_schema_json(OUTER, "Outer", &out) < 0);
    sy_buf_done(&out);
}

/* Every key that `config print` shows is in the schema of the real tables. */
static void the_real_one_is_whole(void **state)
{
    (void)state;
    struct sy_buf out;

    sy_buf_init(&out, 1 << 20);
    assert_int_equal(sy_config_schema(&out), 0);
    json_object *o = parse(&out);
    assert_string_equal(at(o, "/properties/kind/default"), "\"SteelyardConfiguration\"");
    assert_string_equal(at(o, "/properties/queue/properties/backoffMax/default"), "\"10s\"");
    assert_string_equal(at(o, "/properties/binding/properties/maxInFlight/minimum"), "1");
    json_object_put(o);
    sy_buf_done(&out);
    sy_buf_init(&out, 1 << 20);
    assert_int_equal(sy_config_reference(&out), 0);
    assert_non_null(strstr(out.p, "| `gate.closeAbove` | "));
    sy_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_says_what_the_reader_accepts),
        cmocka_unit_test(markdown_has_a_row_for_each_value),
        cmocka_unit_test(what_does_not_fit_is_an_error),
        cmocka_unit_test(the_real_one_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
