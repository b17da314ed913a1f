/* SPDX-License-Identifier: Apache-2.0
 *
 * Label lookup, selectors, node selectors, taints and tolerations. */
#include "base/mem.h"
#include "base/rng.h"
#include "base/vec.h"
#include "model/labels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint64_t HASH_KEY[2] = {1, 2};
static struct sy_strings *strings;

static int setup(void **state)
{
    (void)state;
    strings = sy_strings_new(HASH_KEY);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sy_strings_free(strings);
    return 0;
}

static sy_sid id(const char *text)
{
    return sy_strings_addz(strings, text);
}

/* "k=v" pairs into a label set in `room`. */
static struct sy_labels set(struct sy_label *room, const char *const *pairs, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        room[i] = (struct sy_label){id(pairs[2 * i]), id(pairs[2 * i + 1])};
    return (struct sy_labels){room, sy_labels_sort(room, len)};
}

static void test_sort_and_get(void **state)
{
    const char *pairs[] = {"a", "1", "b", "2", "a", "3", "c", "4", "b", "5"};
    struct sy_label room[5];
    (void)state;

    id("c"); /* so that ids are not in text order */
    struct sy_labels l = set(room, pairs, 5);
    assert_int_equal(l.len, 3);
    assert_int_equal(sy_labels_get(l, id("a")), id("3"));
    assert_int_equal(sy_labels_get(l, id("b")), id("5"));
    assert_int_equal(sy_labels_get(l, id("c")), id("4"));
    assert_int_equal(sy_labels_get(l, id("d")), 0);
    assert_int_equal(sy_labels_get(l, 0), 0);
    assert_int_equal(sy_labels_get((struct sy_labels){NULL, 0}, id("a")), 0);
    assert_int_equal(sy_labels_sort(NULL, 0), 0);
}

static void test_sort_against_naive(void **state)
{
    static const uint32_t lengths[] = {1, 2, 8, 9, 24, 25, 26, 100, 1000, 4097};
    struct sy_rng rng;
    (void)state;

    sy_rng_seed(&rng, 7);
    for (size_t n = 0; n < SY_ARRAY_LEN(lengths); n++) {
        for (int without_memory = 0; without_memory < 2; without_memory++) {
            uint32_t len = lengths[n];
            struct sy_label *p = sy_xcalloc(len, sizeof(*p));
            sy_sid *last = sy_xcalloc(len + 1, sizeof(*last));
            for (uint32_t i = 0; i < len; i++) {
                p[i].key = 1 + (sy_sid)sy_rng_below(&rng, len);
                p[i].value = i + 1;
                last[p[i].key] = i + 1;
            }
            sy_mem_fail_at(without_memory ? 1 : 0);
            struct sy_labels l = {p, sy_labels_sort(p, len)};
            sy_mem_fail_at(0);
            uint32_t distinct = 0;
            for (uint32_t key = 1; key <= len; key++) {
                assert_int_equal(sy_labels_get(l, key), last[key]);
                distinct += last[key] != 0;
            }
            assert_int_equal(l.len, distinct);
            for (uint32_t i = 1; i < l.len; i++)
                assert_true(p[i - 1].key < p[i].key);
            free(p);
            free(last);
        }
    }
    sy_sid ids[] = {5, 1, 5, 3, 1, 1};
    assert_int_equal(sy_sids_sort(ids, 6), 3);
    assert_true(ids[0] == 1 && ids[1] == 3 && ids[2] == 5);
}

static void test_eq(void **state)
{
    struct sy_label a[] = {{1, 2}, {3, 4}}, b[] = {{1, 2}, {3, 4}}, c[] = {{1, 2}, {3, 5}};
    (void)state;

    assert_true(sy_labels_eq((struct sy_labels){a, 2}, (struct sy_labels){b, 2}));
    assert_false(sy_labels_eq((struct sy_labels){a, 2}, (struct sy_labels){c, 2}));
    assert_false(sy_labels_eq((struct sy_labels){a, 2}, (struct sy_labels){b, 1}));
    assert_true(sy_labels_eq((struct sy_labels){NULL, 0}, (struct sy_labels){b, 0}));
}

/* Requirement `key op values` as a decoder builds it, over labels {env: prod, n: 5, empty: ""}. */
static bool matches(const char *key, enum sy_op op, const char *const *values, uint32_t len)
{
    const char *pairs[] = {"env", "prod", "n", "5", "empty", "", "text", "5x"};
    struct sy_label room[4];
    sy_sid ids[8];
    struct sy_labels l = set(room, pairs, 4);

    for (uint32_t i = 0; i < len; i++)
        ids[i] = id(values[i]);
    struct sy_requirement req = {.key = id(key), .op = (uint8_t)op, .values = ids};
    req.values_len = sy_sids_sort(ids, len);
    sy_requirement_check(&req, strings);
    return sy_requirement_matches(&req, strings, l);
}
#define MATCHES(key, op, ...)                                                                      \
    matches(key, op, (const char *const[]){__VA_ARGS__},                                           \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void test_operators(void **state)
{
    (void)state;
    assert_true(MATCHES("env", SY_OP_IN, "dev", "prod"));
    assert_false(MATCHES("env", SY_OP_IN, "dev"));
    assert_false(MATCHES("absent", SY_OP_IN, "dev"));
    assert_false(MATCHES("absent", SY_OP_IN, ""));
    assert_true(MATCHES("empty", SY_OP_IN, ""));
    assert_false(MATCHES("env", SY_OP_NOT_IN, "dev", "prod"));
    assert_true(MATCHES("env", SY_OP_NOT_IN, "dev"));
    assert_true(MATCHES("absent", SY_OP_NOT_IN, "dev"));
    assert_true(matches("env", SY_OP_EXISTS, NULL, 0));
    assert_true(matches("empty", SY_OP_EXISTS, NULL, 0));
    assert_false(matches("absent", SY_OP_EXISTS, NULL, 0));
    assert_false(matches("env", SY_OP_DOES_NOT_EXIST, NULL, 0));
    assert_true(matches("absent", SY_OP_DOES_NOT_EXIST, NULL, 0));
    assert_true(MATCHES("n", SY_OP_GT, "4"));
    assert_false(MATCHES("n", SY_OP_GT, "5"));
    assert_true(MATCHES("n", SY_OP_LT, "6"));
    assert_false(MATCHES("n", SY_OP_LT, "5"));
    assert_false(MATCHES("absent", SY_OP_GT, "4"));
    assert_false(MATCHES("absent", SY_OP_LT, "4"));
    assert_false(MATCHES("text", SY_OP_GT, "4"));
    assert_false(MATCHES("empty", SY_OP_LT, "4"));
}

static void test_what_upstream_cannot_build(void **state)
{
    (void)state;
    assert_false(matches("env", SY_OP_IN, NULL, 0));
    assert_false(matches("env", SY_OP_NOT_IN, NULL, 0));
    assert_false(matches("absent", SY_OP_NOT_IN, NULL, 0));
    assert_false(MATCHES("env", SY_OP_EXISTS, "prod"));
    assert_false(MATCHES("absent", SY_OP_DOES_NOT_EXIST, "x"));
    assert_false(MATCHES("n", SY_OP_GT, "1", "2"));
    assert_false(matches("n", SY_OP_LT, NULL, 0));
    assert_false(MATCHES("n", SY_OP_GT, "four"));
    assert_false(MATCHES("n", SY_OP_GT, "99999999999999999999"));
    assert_false(MATCHES("n", SY_OP_GT, "-1")); /* not a label value, so not built */
    assert_false(MATCHES("env", SY_OP_IN, "prod", "not a value"));
    assert_false(MATCHES("bad key", SY_OP_NOT_IN, "prod"));
    assert_false(MATCHES("env", SY_OP_INVALID, "prod"));
}

static void test_key_and_value_syntax(void **state)
{
    static const char *const good_keys[] = {"a", "A-b_c.d9", "example.com/x", "a-b.c--d/Name",
                                            "0/0"};
    static const char *const bad_keys[] = {"",      "/x",     "x/",     "a/b/c", "-a",  "a-",
                                           "A.b/x", "a..b/x", "a-.b/x", ".a/x",  "a b", "a./x"};
    char long_word[65];
    (void)state;

    for (size_t i = 0; i < SY_ARRAY_LEN(good_keys); i++)
        assert_true(sy_label_key_valid(sy_str_from(good_keys[i])));
    for (size_t i = 0; i < SY_ARRAY_LEN(bad_keys); i++)
        assert_false(sy_label_key_valid(sy_str_from(bad_keys[i])));
    memset(long_word, 'x', sizeof(long_word));
    assert_true(sy_label_value_valid((struct sy_str){long_word, 63}));
    assert_false(sy_label_value_valid((struct sy_str){long_word, 64}));
    assert_true(sy_label_value_valid(SY_STR("")));
    assert_false(sy_label_value_valid(SY_STR("a/b")));
}

static void test_selector(void **state)
{
    const char *pairs[] = {"app", "web", "tier", "front"};
    struct sy_label room[2];
    struct sy_labels l = set(room, pairs, 2);
    sy_sid web = id("web"), back = id("back");
    struct sy_requirement reqs[] = {
        {.key = id("app"), .op = SY_OP_IN, .values = &web, .values_len = 1},
        {.key = id("tier"), .op = SY_OP_NOT_IN, .values = &back, .values_len = 1},
    };
    struct sy_selector sel = {.reqs = reqs, .len = 2};
    struct sy_selector nothing = {.is_nil = true}, all = {0};
    (void)state;

    assert_true(sy_selector_matches(&sel, strings, l));
    assert_false(sy_selector_matches(&sel, strings, (struct sy_labels){0}));
    assert_false(sy_selector_matches(&nothing, strings, l));
    assert_true(sy_selector_matches(&all, strings, l));
    assert_true(sy_selector_matches(&all, strings, (struct sy_labels){0}));
    sel.is_invalid = true;
    assert_false(sy_selector_matches(&sel, strings, l));
    sel.is_invalid = false;
    reqs[1] = (struct sy_requirement){.key = id("app"), .op = SY_OP_LT, .number_ok = true};
    assert_false(sy_selector_matches(&sel, strings, l));
}

static bool field_term(enum sy_op op, const char *field, const char *value, const char *node)
{
    sy_sid ids[] = {id(value)};
    struct sy_requirement req = {
        .key = id(field), .op = (uint8_t)op, .values = ids, .values_len = 1};
    struct sy_node_term term = {.fields = &req, .fields_len = 1};

    return sy_node_term_matches(&term, strings, (struct sy_labels){0}, node ? id(node) : 0,
                                id("metadata.name"));
}

static void test_node_selector(void **state)
{
    const char *pairs[] = {"zone", "a"};
    struct sy_label room[1];
    struct sy_labels l = set(room, pairs, 1);
    sy_sid name = id("n1"), field = id("metadata.name"), a = id("a"), b = id("b");
    struct sy_requirement in_a = {.key = id("zone"), .op = SY_OP_IN, .values = &a, .values_len = 1};
    struct sy_requirement in_b = {.key = id("zone"), .op = SY_OP_IN, .values = &b, .values_len = 1};
    struct sy_requirement is_n1 = {.key = field, .op = SY_OP_IN, .values = &name, .values_len = 1};
    struct sy_node_term terms[] = {
        {.exprs = &in_b, .exprs_len = 1},
        {.exprs = &in_a, .exprs_len = 1, .fields = &is_n1, .fields_len = 1}};
    struct sy_node_selector sel = {.terms = terms, .len = 2, .is_set = true}, unset = {0};
    struct sy_node_selector none = {.is_set = true};
    struct sy_node_term empty = {0};
    (void)state;

    assert_true(sy_node_selector_matches(&sel, strings, l, name, field));
    assert_false(sy_node_selector_matches(&sel, strings, l, id("n2"), field));
    sel.len = 1;
    assert_false(sy_node_selector_matches(&sel, strings, l, name, field));
    assert_true(sy_node_selector_matches(&unset, strings, l, name, field));
    assert_false(sy_node_selector_matches(&none, strings, l, name, field));
    assert_false(sy_node_term_matches(&empty, strings, l, name, field));

    assert_true(field_term(SY_OP_IN, "metadata.name", "n1", "n1"));
    assert_false(field_term(SY_OP_IN, "metadata.name", "n1", "n2"));
    assert_false(field_term(SY_OP_NOT_IN, "metadata.name", "n1", "n1"));
    assert_true(field_term(SY_OP_NOT_IN, "metadata.name", "n1", "n2"));
    assert_false(field_term(SY_OP_EXISTS, "metadata.name", "n1", "n1"));
    assert_false(field_term(SY_OP_GT, "metadata.name", "n1", "n1"));
    assert_false(field_term(SY_OP_IN, "spec.x", "n1", "n1"));
    assert_true(field_term(SY_OP_IN, "spec.x", "", "n1"));
    assert_true(field_term(SY_OP_NOT_IN, "spec.x", "n1", "n1"));
    assert_true(field_term(SY_OP_IN, "metadata.name", "n1", NULL));
    assert_false(field_term(SY_OP_EXISTS, "metadata.name", "n1", NULL));

    sy_sid two[] = {name, a};
    is_n1.values = two;
    is_n1.values_len = 2; /* upstream wants exactly one */
    sel.len = 2;
    assert_false(sy_node_selector_matches(&sel, strings, l, name, field));
}

static void test_tolerations(void **state)
{
    sy_sid empty = id("");
    struct sy_taint taint = {id("gpu"), id("yes"), SY_EFFECT_NO_SCHEDULE};
    const struct {
        struct sy_toleration t;
        bool covers;
    } cases[] = {
        {{id("gpu"), id("yes"), SY_TOLERATION_EQUAL, SY_EFFECT_NONE}, true},
        {{id("gpu"), id("yes"), SY_TOLERATION_EQUAL, SY_EFFECT_NO_SCHEDULE}, true},
        {{id("gpu"), id("yes"), SY_TOLERATION_EQUAL, SY_EFFECT_NO_EXECUTE}, false},
        {{id("gpu"), id("no"), SY_TOLERATION_EQUAL, SY_EFFECT_NONE}, false},
        {{id("gpu"), empty, SY_TOLERATION_EXISTS, SY_EFFECT_NONE}, true},
        {{id("cpu"), empty, SY_TOLERATION_EXISTS, SY_EFFECT_NONE}, false},
        {{0, empty, SY_TOLERATION_EXISTS, SY_EFFECT_NONE}, true},
        {{0, empty, SY_TOLERATION_EXISTS, SY_EFFECT_NO_EXECUTE}, false},
        {{0, id("yes"), SY_TOLERATION_EQUAL, SY_EFFECT_NONE}, true},
        {{id("gpu"), id("yes"), SY_TOLERATION_INVALID, SY_EFFECT_NONE}, false},
    };
    (void)state;

    for (size_t i = 0; i < SY_ARRAY_LEN(cases); i++)
        assert_int_equal(sy_toleration_covers(&cases[i].t, strings, &taint), cases[i].covers);

    struct sy_taint number = {id("sla"), id("950"), SY_EFFECT_NO_SCHEDULE};
    struct sy_toleration more = {id("sla"), id("900"), SY_TOLERATION_GT, SY_EFFECT_NONE};
    struct sy_toleration less = {id("sla"), id("990"), SY_TOLERATION_LT, SY_EFFECT_NONE};
    assert_false(sy_toleration_covers(&more, strings, &number));
    assert_false(sy_toleration_covers(&less, strings, &number));
}

static void test_first_untolerated(void **state)
{
    sy_sid empty = id("");
    struct sy_taint taints[] = {{id("a"), empty, SY_EFFECT_PREFER_NO_SCHEDULE},
                                {id("b"), empty, SY_EFFECT_NO_SCHEDULE},
                                {id("c"), empty, SY_EFFECT_NO_EXECUTE}};
    struct sy_toleration b = {id("b"), empty, SY_TOLERATION_EXISTS, SY_EFFECT_NONE};
    uint32_t hard = 1U << SY_EFFECT_NO_SCHEDULE | 1U << SY_EFFECT_NO_EXECUTE;
    (void)state;

    assert_ptr_equal(sy_taints_first_untolerated(taints, 3, NULL, 0, strings, hard), &taints[1]);
    assert_ptr_equal(sy_taints_first_untolerated(taints, 3, &b, 1, strings, hard), &taints[2]);
    assert_null(sy_taints_first_untolerated(taints, 2, &b, 1, strings, hard));
    assert_ptr_equal(
        sy_taints_first_untolerated(taints, 2, &b, 1, strings, 1U << SY_EFFECT_PREFER_NO_SCHEDULE),
        &taints[0]);
    assert_null(sy_taints_first_untolerated(NULL, 0, NULL, 0, strings, hard));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sort_and_get, setup, teardown),
        cmocka_unit_test(test_sort_against_naive),
        cmocka_unit_test(test_eq),
        cmocka_unit_test_setup_teardown(test_operators, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_upstream_cannot_build, setup, teardown),
        cmocka_unit_test(test_key_and_value_syntax),
        cmocka_unit_test_setup_teardown(test_selector, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node_selector, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tolerations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_first_untolerated, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
