/* SPDX-License-Identifier: Apache-2.0
 *
 * The YAML tree: shapes, lines, typed fields, and each rule that refuses. */
#include "kube/yaml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static struct sy_yaml_doc *parse(const char *text)
{
    struct sy_yaml_doc *d = NULL;
    struct sy_err err = {0};
    int r = sy_yaml_parse(text, strlen(text), "f.yaml", &d, &err);

    if (r)
        fail_msg("%s", err.msg);
    return d;
}

static void refuse(const char *text, size_t len, int code, const char *message)
{
    struct sy_yaml_doc *d = NULL;
    struct sy_err err = {0};

    assert_int_equal(sy_yaml_parse(text, len, "f.yaml", &d, &err), code);
    assert_null(d);
    if (!strstr(err.msg, message))
        fail_msg("\"%s\" lacks \"%s\"", err.msg, message);
}

static void refuse_z(const char *text, const char *message)
{
    refuse(text, strlen(text), -EINVAL, message);
}

static void test_tree(void **state)
{
    struct sy_yaml_doc *d = parse("a: 1\nb:\n- x\n- 'y'\n- {k: v}\nc: |\n  two\n  lines\n");
    const struct sy_yaml *root = sy_yaml_root(d);
    const struct sy_yaml *b = sy_yaml_find(root, "b");

    (void)state;
    assert_int_equal(root->kind, SY_YAML_MAP);
    assert_int_equal(root->len, 3);
    assert_int_equal(b->kind, SY_YAML_LIST);
    assert_int_equal(b->len, 3);
    assert_int_equal(b->key_line, 2);
    assert_false(b->at->is_quoted);
    assert_true(b->at->next->is_quoted);
    assert_int_equal(b->at->next->line, 4);
    assert_string_equal(sy_yaml_find(b->at->next->next, "k")->text.p, "v");
    assert_null(b->at->next->next->next);
    assert_string_equal(sy_yaml_find(root, "c")->text.p, "two\nlines\n");
    assert_string_equal(sy_yaml_file(d), "f.yaml");
    sy_yaml_free(d);
    d = parse("{\"a\": [1, 2, {\"b\": null}], \"c\": \"\\u00e9\"}");
    assert_int_equal(sy_yaml_find(sy_yaml_root(d), "a")->len, 3);
    assert_string_equal(sy_yaml_find(sy_yaml_root(d), "c")->text.p, "\xc3\xa9");
    sy_yaml_free(d);
    d = parse("");
    assert_true(sy_yaml_is_null(sy_yaml_root(d)));
    sy_yaml_free(d);
    d = parse("a: ~\nb: 'null'\n");
    assert_null(sy_yaml_find(sy_yaml_root(d), "a"));
    assert_non_null(sy_yaml_find(sy_yaml_root(d), "b"));
    sy_yaml_free(d);
}

static void test_typed(void **state)
{
    struct sy_yaml_doc *d =
        parse("s: text\nn: -7\nf: 2.5\nt: true\nq: 'true'\nl: [1]\nz: \"a\\0b\"\n"
              "digits: 0123\nm: {x: 1}\n");
    const struct sy_yaml *root = sy_yaml_root(d);
    struct sy_err err;
    const char *s = "default";
    int64_t n = 3;
    double f = 1;
    bool t = false;
    const struct sy_yaml *node;

    (void)state;
    assert_int_equal(sy_yaml_get_str(d, root, "absent", &s, &err), 0);
    assert_string_equal(s, "default");
    assert_int_equal(sy_yaml_get_str(d, root, "s", &s, &err), 0);
    assert_string_equal(s, "text");
    assert_int_equal(sy_yaml_get_str(d, root, "digits", &s, &err), 0);
    assert_string_equal(s, "0123");
    assert_int_equal(sy_yaml_get_i64(d, root, "n", &n, &err), 0);
    assert_int_equal(n, -7);
    assert_int_equal(sy_yaml_get_f64(d, root, "f", &f, &err), 0);
    assert_true(f == 2.5);
    assert_int_equal(sy_yaml_get_bool(d, root, "t", &t, &err), 0);
    assert_true(t);
    assert_int_equal(sy_yaml_get_node(d, root, "l", SY_YAML_LIST, &node, &err), 0);
    assert_int_equal(node->len, 1);
    assert_int_equal(sy_yaml_get_node(d, root, "absent", SY_YAML_LIST, &node, &err), 0);
    assert_null(node);

    assert_int_equal(sy_yaml_get_str(d, root, "l", &s, &err), -EINVAL);
    assert_string_equal(err.msg, "f.yaml:6: l must be text, not a list");
    assert_int_equal(sy_yaml_get_str(d, root, "z", &s, &err), -EINVAL);
    assert_int_equal(sy_yaml_get_i64(d, root, "f", &n, &err), -EINVAL);
    assert_string_equal(err.msg, "f.yaml:3: f must be a whole number");
    assert_int_equal(sy_yaml_get_f64(d, root, "s", &f, &err), -EINVAL);
    assert_int_equal(sy_yaml_get_bool(d, root, "q", &t, &err), -EINVAL);
    assert_string_equal(err.msg, "f.yaml:5: q must be true or false");
    assert_int_equal(sy_yaml_get_node(d, root, "m", SY_YAML_LIST, &node, &err), -EINVAL);
    assert_string_equal(err.msg, "f.yaml:9: m must be a list, not a map");
    sy_yaml_free(d);
}

static void test_unknown_keys(void **state)
{
    static const char *const known[] = {"percentage", "name", NULL};
    struct sy_yaml_doc *d = parse("name: x\npercntage: 3\n");
    struct sy_err err;

    (void)state;
    assert_int_equal(sy_yaml_check_keys(d, sy_yaml_root(d), known, &err), -EINVAL);
    assert_string_equal(err.msg,
                        "f.yaml:2: unknown key \"percntage\"; did you mean \"percentage\"?");
    assert_int_equal(sy_yaml_check_keys(d, NULL, known, &err), 0);
    sy_yaml_free(d);
}

static void test_refusals(void **state)
{
    char deep[256];

    (void)state;
    refuse_z("a: 1\nb: 2\na: 3\n", "f.yaml:3: key \"a\" appears twice (first in line 1)");
    refuse_z("a: &x 1\nb: *x\n", "f.yaml:2: aliases (*x) are not supported");
    refuse_z("a: &x [*x]\n", "aliases");
    refuse_z("<<: {a: 1}\n", "merge keys");
    refuse_z("a: !!binary aGk=\n", "f.yaml:1: tag tag:yaml.org,2002:binary is not supported");
    refuse_z("a: !x {}\n", "tags are not supported");
    refuse_z("a: 1\n---\nb: 2\n", "f.yaml:2: more than one document");
    refuse_z("? [a]\n: b\n", "a key must be a plain text");
    refuse_z("a: [1\nb: 2\n", "f.yaml:2:");
    refuse_z("\ta: 1\n", "f.yaml:1:");
    refuse_z("a: \xff\n", "not UTF-8 text at byte 3");
    refuse_z("\"a\\0\": 1\n", "NUL");
    memset(deep, '[', sizeof(deep));
    refuse(deep, sizeof(deep), -E2BIG, "f.yaml:1: more than 64 levels");
    char *big = calloc(1, SY_YAML_MAX_BYTES + 1);
    memset(big, ' ', SY_YAML_MAX_BYTES + 1);
    refuse(big, SY_YAML_MAX_BYTES + 1, -E2BIG, "larger than 1048576 bytes");
    free(big);
}

static void test_file(void **state)
{
    struct sy_yaml_doc *d = NULL;
    struct sy_err err;

    (void)state;
    assert_int_equal(sy_yaml_load("/nonexistent/x", &d, &err), -ENOENT);
    assert_string_equal(err.msg, "cannot open /nonexistent/x: No such file or directory");
    assert_int_equal(sy_yaml_load("/", &d, &err), -EISDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),         cmocka_unit_test(test_typed),
        cmocka_unit_test(test_unknown_keys), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
