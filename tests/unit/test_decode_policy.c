/* SPDX-License-Identifier: Apache-2.0
 *
 * Disruption budgets: both forms give the same model; odd and cut-off bytes do no harm. */
#include "kube/decode.h"

#include <errno.h>
#include <string.h>

#include "wire.h"

struct fixture {
    struct sy_strings *strings;
    struct sy_decode d;
    struct sy_buf buf;
};

static int setup(void **state)
{
    static const uint64_t key[2] = {1, 2};
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    f->strings = sy_strings_new(key);
    sy_decode_init(&f->d, f->strings, 1 << 20);
    sy_buf_init(&f->buf, 1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_buf_done(&f->buf);
    sy_decode_done(&f->d);
    sy_strings_free(f->strings);
    free(f);
    return 0;
}

static const char JSON[] =
    "{\"kind\":\"PodDisruptionBudget\",\"apiVersion\":\"policy/v1\",\"metadata\":{\"name\":\"b\","
    "\"namespace\":\"ns\",\"uid\":\"u\"},\"spec\":{\"minAvailable\":\"50%\",\"selector\":{"
    "\"matchLabels\":{\"app\":\"web\"},\"matchExpressions\":[{\"key\":\"tier\",\"operator\":"
    "\"Exists\"}]}},\"status\":{\"observedGeneration\":1,\"disruptedPods\":{\"p2\":"
    "\"2023-11-14T22:13:20Z\",\"p1\":\"2023-11-14T22:13:20Z\"},\"disruptionsAllowed\":3,"
    "\"currentHealthy\":4,\"desiredHealthy\":1,\"expectedPods\":4}}";

/* The same object, with the fields that we skip. */
static void write_protobuf(struct sy_buf *out)
{
    struct sy_buf meta, spec, selector, requirement, status, entry, time, min;

    sy_buf_init(&meta, 4096);
    sy_buf_init(&spec, 4096);
    sy_buf_init(&selector, 4096);
    sy_buf_init(&requirement, 4096);
    sy_buf_init(&status, 4096);
    sy_buf_init(&min, 4096);
    pb_text(&meta, 1, "b");
    pb_text(&meta, 3, "ns");
    pb_text(&meta, 5, "u");
    pb_message(out, 1, &meta);
    pb_number(&min, 1, 1);
    pb_text(&min, 3, "50%");
    pb_message(&spec, 1, &min);
    pb_pair(&selector, 1, "app", "web");
    pb_text(&requirement, 1, "tier");
    pb_text(&requirement, 2, "Exists");
    pb_message(&selector, 2, &requirement);
    pb_message(&spec, 2, &selector);
    pb_message(out, 2, &spec);
    pb_number(&status, 1, 1);
    for (int i = 2; i >= 1; i--) {
        sy_buf_init(&entry, 4096);
        sy_buf_init(&time, 4096);
        pb_number(&time, 1, 1700000000);
        pb_text(&entry, 1, i == 1 ? "p1" : "p2");
        pb_message(&entry, 2, &time);
        pb_message(&status, 2, &entry);
    }
    pb_number(&status, 3, 3);
    pb_number(&status, 4, 4);
    pb_message(out, 3, &status);
}

static bool is_disrupted(struct fixture *f, const struct sy_budget *b, const char *name)
{
    for (uint32_t i = 0; i < b->disrupted_len; i++) {
        if (strcmp(sy_strings_getz(f->strings, b->disrupted[i]), name) == 0)
            return true;
    }
    return false;
}

static void check(struct fixture *f, enum sy_encoding enc, struct sy_str raw)
{
    struct sy_budget b;

    sy_arena_reset(&f->d.arena);
    assert_int_equal(sy_decode_budget(&f->d, enc, raw, &b, NULL), 0);
    assert_string_equal(sy_strings_getz(f->strings, b.ns), "ns");
    assert_string_equal(sy_strings_getz(f->strings, b.name), "b");
    assert_false(b.selector.is_nil);
    assert_int_equal(b.selector.len, 2);
    assert_int_equal(b.disruptions_allowed, 3);
    assert_int_equal(b.disrupted_len, 2);
    assert_true(is_disrupted(f, &b, "p1"));
    assert_true(is_disrupted(f, &b, "p2"));
}

static void test_both_forms(void **state)
{
    struct fixture *f = *state;

    check(f, SY_ENCODING_JSON, sy_str_from(JSON));
    write_protobuf(&f->buf);
    check(f, SY_ENCODING_PROTOBUF, sy_buf_str(&f->buf));
    assert_int_equal(f->d.odd_values, 0);
}

static void test_selectors(void **state)
{
    struct fixture *f = *state;
    struct sy_budget b;

    assert_int_equal(sy_decode_budget(&f->d, SY_ENCODING_JSON, SY_STR("{}"), &b, NULL), 0);
    assert_true(b.selector.is_nil);
    assert_int_equal(b.disrupted_len, 0);
    assert_int_equal(b.disruptions_allowed, 0);
    assert_int_equal(
        sy_decode_budget(&f->d, SY_ENCODING_JSON, SY_STR("{\"spec\":{\"selector\":{}}}"), &b, NULL),
        0);
    assert_false(b.selector.is_nil);
    assert_int_equal(b.selector.len, 0);
    assert_int_equal(sy_decode_budget(&f->d, SY_ENCODING_JSON,
                                      SY_STR("{\"status\":{\"disruptionsAllowed\":-1}}"), &b, NULL),
                     0);
    assert_int_equal(b.disruptions_allowed, -1);
}

static void test_bad_bytes(void **state)
{
    struct fixture *f = *state;
    struct sy_budget b = {.name = 77};
    struct sy_str json = sy_str_from(JSON);

    write_protobuf(&f->buf);
    struct sy_str pb = sy_buf_str(&f->buf);
    for (size_t len = 0; len < json.len; len++) {
        struct sy_str cut = {json.p, len};
        assert_int_equal(sy_decode_budget(&f->d, SY_ENCODING_JSON, cut, &b, NULL), -EBADMSG);
        assert_int_equal(b.name, 77);
    }
    /* Cut protobuf may be whole by chance, and any byte may be wrong. */
    for (size_t i = 0; i < pb.len; i++) {
        char *copy = sy_xmalloc(pb.len);
        struct sy_str cut = {copy, i};
        memcpy(copy, pb.p, pb.len);
        (void)!sy_decode_budget(&f->d, SY_ENCODING_PROTOBUF, cut, &b, NULL);
        for (unsigned bit = 0; bit < 8; bit++) {
            copy[i] = (char)(pb.p[i] ^ (1 << bit));
            cut.len = pb.len;
            sy_arena_reset(&f->d.arena);
            (void)!sy_decode_budget(&f->d, SY_ENCODING_PROTOBUF, cut, &b, NULL);
        }
        free(copy);
    }
}

static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    struct sy_budget b;
    struct sy_err err;
    int r = -ENOMEM;

    for (size_t n = 1; r == -ENOMEM; n++) {
        struct sy_decode d;
        sy_decode_init(&d, f->strings, 1 << 20);
        sy_mem_fail_at(n);
        r = sy_decode_budget(&d, SY_ENCODING_JSON, sy_str_from(JSON), &b, &err);
        sy_mem_fail_at(0);
        sy_decode_done(&d);
        assert_true(n < 1000);
        assert_true(r == 0 || r == -ENOMEM);
        assert_true(n > 1 || r == -ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_selectors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
