/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices' objects: exact quantities, both encodings against each other, copies, cut-off input. */
#include "model/devices.h"

#include "kube/decode.h"
#include "wire.h"

#define DEVICES "tests/unit/data/devices/"

static const struct {
    const char *name;
    enum sy_devices_kind kind;
} OBJECTS_OF[] = {
    {"slice-full", SY_DEVICES_SLICE},   {"slice-counters", SY_DEVICES_SLICE},
    {"slice-groups", SY_DEVICES_SLICE}, {"slice-all", SY_DEVICES_SLICE},
    {"class", SY_DEVICES_CLASS},        {"class-empty", SY_DEVICES_CLASS},
    {"claim-spec", SY_DEVICES_CLAIM},   {"claim-allocated", SY_DEVICES_CLAIM},
    {"claim-empty", SY_DEVICES_CLAIM},  {"rule", SY_DEVICES_RULE},
    {"rule-all", SY_DEVICES_RULE},      {"rule-empty", SY_DEVICES_RULE},
};

struct fixture {
    struct sy_strings *strings;
    struct sy_decode decode;
    struct sy_arena copies;
};

static int setup(void **state)
{
    static const uint64_t KEY[2] = {1, 2};
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    f->strings = sy_strings_new(KEY);
    sy_decode_init(&f->decode, f->strings, (size_t)16 << 20);
    sy_arena_init(&f->copies, (size_t)16 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_arena_done(&f->copies);
    sy_decode_done(&f->decode);
    sy_strings_free(f->strings);
    free(f);
    return 0;
}

static struct sy_str file_of(const char *name, const char *ending)
{
    char path[256];

    snprintf(path, sizeof(path), "%s%s.%s", DEVICES, name, ending);
    return read_whole(path);
}

/* The dump of a copy that outlives what it was made of. Free with free(). */
static char *text_of(struct fixture *f, enum sy_devices_kind kind, enum sy_encoding enc,
                     struct sy_str raw)
{
    union sy_devices_object object, copy;
    struct sy_err err = {0};
    struct sy_buf out;

    sy_arena_reset(&f->decode.arena);
    sy_arena_reset(&f->copies);
    if (sy_decode_devices(&f->decode, kind, enc, raw, &object, &err) < 0)
        return NULL;
    assert_int_equal(sy_devices_copy(kind, &f->copies, &object, &copy), 0);
    sy_arena_reset(&f->decode.arena);
    sy_arena_reset(&f->decode.scratch);
    sy_buf_init(&out, 1 << 20);
    assert_int_equal(sy_devices_dump(kind, &copy, f->strings, &out), 0);
    return sy_buf_take(&out);
}

static void test_both_encodings_give_one_model(void **state)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(OBJECTS_OF); i++) {
        struct sy_str json = file_of(OBJECTS_OF[i].name, "json");
        struct sy_str pb = file_of(OBJECTS_OF[i].name, "pb");
        char *a = text_of(*state, OBJECTS_OF[i].kind, SY_ENCODING_JSON, json);
        char *b = text_of(*state, OBJECTS_OF[i].kind, SY_ENCODING_PROTOBUF, pb);
        assert_non_null(a);
        assert_non_null(b);
        assert_string_equal(a, b);
        free(a);
        free(b);
        free((void *)(uintptr_t)json.p);
        free((void *)(uintptr_t)pb.p);
    }
}

static void expect_lines(struct fixture *f, const char *name, enum sy_devices_kind kind,
                         const char *const *lines)
{
    struct sy_str pb = file_of(name, "pb");
    char *text = text_of(f, kind, SY_ENCODING_PROTOBUF, pb);

    assert_non_null(text);
    for (; *lines; lines++) {
        if (!strstr(text, *lines))
            fail_msg("%s: no \"%s\" in\n%s", name, *lines, text);
    }
    free(text);
    free((void *)(uintptr_t)pb.p);
}

static void test_keeps_what_allocation_needs(void **state)
{
    static const char *const SLICE[] = {
        "driver=\"gpu.example.com\"",
        "generation=3\nslices=2\n",
        "attribute \"model\" \"gpu.example.com\" 3 0 \"a\"",
        "attribute \"index\" \"gpu.example.com\" 1 0 -",
        "attribute \"neg\" \"gpu.example.com\" 1 -7 -",
        "attribute \"fast\" \"gpu.example.com\" 2 0 -",
        "attribute \"version\" \"other.example.com\" 4 0 \"1.2.3-rc.1\"",
        "attribute \"empty\" \"gpu.example.com\" 3 0 \"\"",
        "attribute \"list\" \"gpu.example.com\" 0 0 -",
        "capacity \"memory\" \"gpu.example.com\" 0 42949672960.000000000i\n",
        "capacity \"cores\" \"gpu.example.com\" 1 1.500000000 policy range=0 default 1.000000000\n",
        "capacity \"range\" \"gpu.example.com\" 0 85899345920.000000000i policy range=1 default "
        "4294967296.000000000i min 2147483648.000000000i max 68719476736.000000000i step "
        "1073741824.000000000i\n",
        "capacity \"values\" \"gpu.example.com\" 0 8.000000000 policy range=0 default 1.000000000 "
        "or 1.000000000 or 2.500000000 or 8.000000000\n",
        "counter \"card\" \"memory\" 21474836480.000000000",
        "taint \"sick\" \"v\" NoSchedule",
        "conditions [\"ready\"] failures [\"failed\"]\n  shared=1 bound=1",
        NULL,
    };
    static const char *const CLAIM[] = {
        "owner=\"owner\"",
        "class=\"gpu\"\n  mode=0 count=2 admin=1\n  selector=\"true\"",
        "want=\"s0\"\n  class=\"big\"\n  mode=1",
        "toleration \"sick\" \"\" 1 0",
        "toleration \"x\" \"v\" 0 3",
        "toleration \"y\" \"\" 4 0",
        "capacity \"c\" \"a.b\" 1 0.001000000",
        "match \"gpu.example.com\" \"numa\"",
        "distinct \"a\" \"b\"",
        "allocated=0",
        NULL,
    };
    static const char *const ALLOCATED[] = {
        "deleting=1",
        "allocated=1 nodes",
        "admin=1 share=0",
        "admin=0 share=1\n  consumed \"memory\" - 0 8589934592.000000000i",
        "for extended=1\nfailed=1\n",
        "reserved for=\"u9\"\nreserved for=\"u10\"",
        NULL,
    };
    static const char *const RULE[] = {
        "selects=1",
        "driver=\"gpu.example.com\"\npool=\"n1\"\ndevice=\"gpu-0\"",
        "taint \"example.com/sick\" \"very\" NoExecute",
        NULL,
    };
    static const char *const RULE_FOR_ALL[] = {"selects=1", "taint \"k\" \"\" NoSchedule", NULL};
    static const char *const RULE_FOR_NONE[] = {"selects=0", NULL};

    expect_lines(*state, "slice-full", SY_DEVICES_SLICE, SLICE);
    expect_lines(*state, "claim-spec", SY_DEVICES_CLAIM, CLAIM);
    expect_lines(*state, "claim-allocated", SY_DEVICES_CLAIM, ALLOCATED);
    expect_lines(*state, "rule", SY_DEVICES_RULE, RULE);
    expect_lines(*state, "rule-all", SY_DEVICES_RULE, RULE_FOR_ALL);
    expect_lines(*state, "rule-empty", SY_DEVICES_RULE, RULE_FOR_NONE);
}

static void test_cut_off_input_is_an_error_or_an_object(void **state)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(OBJECTS_OF); i++) {
        for (int json = 0; json < 2; json++) {
            struct sy_str raw = file_of(OBJECTS_OF[i].name, json ? "json" : "pb");
            for (size_t len = 0; len < raw.len; len++) {
                struct sy_str part = {raw.p, len};
                free(text_of(*state, OBJECTS_OF[i].kind,
                             json ? SY_ENCODING_JSON : SY_ENCODING_PROTOBUF, part));
            }
            free((void *)(uintptr_t)raw.p);
        }
    }
}

static void test_marks_all_its_names(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < SY_ARRAY_LEN(OBJECTS_OF); i++) {
        struct sy_str raw = file_of(OBJECTS_OF[i].name, "pb");
        union sy_devices_object object;
        struct sy_buf before, after;
        sy_arena_reset(&f->decode.arena);
        assert_int_equal(sy_decode_devices(&f->decode, OBJECTS_OF[i].kind, SY_ENCODING_PROTOBUF,
                                           raw, &object, NULL),
                         0);
        sy_buf_init(&before, 1 << 20);
        sy_buf_init(&after, 1 << 20);
        assert_int_equal(sy_devices_dump(OBJECTS_OF[i].kind, &object, f->strings, &before), 0);
        sy_strings_mark_begin(f->strings);
        sy_decode_mark(&f->decode);
        sy_devices_mark(OBJECTS_OF[i].kind, &object, f->strings);
        sy_strings_sweep(f->strings);
        assert_int_equal(sy_devices_dump(OBJECTS_OF[i].kind, &object, f->strings, &after), 0);
        assert_string_equal(before.p, after.p);
        sy_buf_done(&before);
        sy_buf_done(&after);
        free((void *)(uintptr_t)raw.p);
    }
}

static void test_exact_quantities(void **state)
{
    static const struct {
        const char *text;
        int64_t whole;
        uint32_t nano;
    } CASES[] = {
        {"0", 0, 0},
        {"1", 1, 0},
        {"-1", -1, 0},
        {"1500m", 1, 500000000},
        {"-1500m", -2, 500000000},
        {"1n", 0, 1},
        {"0.1n", 0, 1},
        {"1u", 0, 1000},
        {"40Gi", (int64_t)40 << 30, 0},
        {"0.5Ki", 512, 0},
        {"1Ei", (int64_t)1 << 60, 0},
        {"1E", 1000000000000000000, 0},
        {"1e3", 1000, 0},
        {"1E3", 1000, 0},
        {"1e-9", 0, 1},
        {"1e-100", 0, 1},
        {"1e100", INT64_MAX, 0},
        {"-1e100", -INT64_MAX, 0},
        {"9223372036854775807", INT64_MAX, 0},
        {"99999999999999999999999999999999999999999999", INT64_MAX, 0},
        {"16Ei", INT64_MAX, 0},
        {"0.0000000000000000000000000000000001", 0, 1},
    };
    struct sy_exact e;

    (void)state;
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        assert_int_equal(sy_exact_parse(sy_str_from(CASES[i].text), &e), 0);
        if (e.whole != CASES[i].whole || e.nano != CASES[i].nano)
            fail_msg("%s: %lld and %u", CASES[i].text, (long long)e.whole, e.nano);
    }
    assert_true(sy_exact_parse(sy_str_from("1Xi"), &e) < 0);
    assert_true(sy_exact_parse(sy_str_from(""), &e) < 0);
    e = sy_exact_sub((struct sy_exact){.whole = 1}, (struct sy_exact){.nano = 1});
    assert_true(e.whole == 0 && e.nano == 999999999);
    e = sy_exact_add((struct sy_exact){.whole = INT64_MAX}, (struct sy_exact){.whole = 1});
    assert_true(e.whole == INT64_MAX && e.nano == 0);
    assert_true(sy_exact_cmp((struct sy_exact){.whole = 1, .nano = 1},
                             (struct sy_exact){.whole = 1, .nano = 2}) < 0);
}

static void test_quantities_are_written_as_kubernetes_does(void **state)
{
    static const char *const CASES[][2] = {
        {"0", "0"},
        {"0Ki", "0"},
        {"1500m", "1500m"},
        {"1.5", "1500m"},
        {"1000", "1k"},
        {"1001", "1001"},
        {"40Gi", "40Gi"},
        {"1024Mi", "1Gi"},
        {"1023Ki", "1023Ki"},
        {"0.5Ki", "512"},
        {"-2Ki", "-2Ki"},
        {"1n", "1n"},
        {"12e6", "12M"},
        {"1E", "1E"},
        {"2500000u", "2500m"},
        {"1.5Gi", "1536Mi"},
        {"-1500m", "-1500m"},
        {"9223372036854775806.000000001", "9223372036854775806000000001n"},
    };

    (void)state;
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        struct sy_exact e;
        struct sy_buf b;
        sy_buf_init(&b, 256);
        assert_int_equal(sy_exact_parse(sy_str_from(CASES[i][0]), &e), 0);
        assert_int_equal(sy_exact_print(e, &b), 0);
        assert_string_equal(b.p, CASES[i][1]);
        sy_buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_quantities),
        cmocka_unit_test(test_quantities_are_written_as_kubernetes_does),
        cmocka_unit_test_setup_teardown(test_both_encodings_give_one_model, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keeps_what_allocation_needs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_off_input_is_an_error_or_an_object, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_marks_all_its_names, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
