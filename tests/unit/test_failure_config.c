/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of `failures`, and a node's Lease in both forms. */
#include "app/failure_config.h"

#include "app/config.h"
#include "kube/decode.h"

#include <errno.h>
#include <string.h>

#include "wire.h"

#define OURS "apiVersion: steelyard.dev/v1\nkind: SteelyardConfiguration\n"

struct read {
    struct sy_config c;
    struct sy_problems problems;
    struct sy_config_failures_room room;
    struct sy_failure_options options;
    const struct sy_failure_options *taken;
};

static struct read *take(const char *text, int want)
{
    struct read *r = sy_xcalloc(1, sizeof(*r));

    assert_int_equal(sy_config_parse(text, strlen(text), "f", &r->c, &r->problems), want);
    r->taken = sy_config_failures(&r->c.failures, &r->room, &r->options);
    return r;
}

static void drop(struct read *r)
{
    sy_problems_done(&r->problems);
    sy_config_done(&r->c);
    free(r);
}

static void test_defaults(void **state)
{
    struct sy_failure_options want;
    struct read *r = take(OURS, 0);

    (void)state;
    sy_failure_options_default(&want);
    assert_ptr_equal(r->taken, &r->options);
    /* But for what only points. */
    want.labels = r->options.labels;
    want.scheduler_names = r->options.scheduler_names;
    assert_int_equal(want.suspect_after_ns, r->options.suspect_after_ns);
    assert_int_equal(want.grace_ns, r->options.grace_ns);
    assert_int_equal(want.hold_ns, r->options.hold_ns);
    assert_int_equal(want.hold_down_ns, r->options.hold_down_ns);
    assert_int_equal(want.hold_down_max_ns, r->options.hold_down_max_ns);
    assert_int_equal(want.flap_half_life_ns, r->options.flap_half_life_ns);
    assert_int_equal(want.breaker_least, r->options.breaker_least);
    assert_int_equal(want.breaker_window_ns, r->options.breaker_window_ns);
    assert_int_equal(want.breaker_resume_ns, r->options.breaker_resume_ns);
    assert_true(want.breaker_share == r->options.breaker_share);
    assert_true(want.breaker_zone_share == r->options.breaker_zone_share);
    assert_true(want.evictions_per_s == r->options.evictions_per_s);
    assert_true(want.evictions_burst == r->options.evictions_burst);
    assert_false(r->options.force_allowed || r->options.gpus);
    drop(r);
}

static void test_keys(void **state)
{
    struct read *r = take(OURS "failures:\n"
                               "  suspectAfter: 0s\n"
                               "  recoveryGrace: 0s\n"
                               "  forceDelete: true\n"
                               "  optInSchedulers: [a, b]\n"
                               "  unhealthyLabels: [{key: x/y}, {key: z, value: bad}]\n"
                               "  breaker: {nodes: 7, share: 0.5}\n",
                          0);

    (void)state;
    assert_int_equal(r->options.suspect_after_ns, 0);
    assert_int_equal(r->options.grace_ns, 0);
    assert_true(r->options.force_allowed);
    assert_int_equal(r->options.scheduler_names_len, 2);
    assert_string_equal(r->options.scheduler_names[1], "b");
    assert_int_equal(r->options.labels_len, 2);
    assert_string_equal(r->options.labels[0].key, "x/y");
    assert_null(r->options.labels[0].value);
    assert_string_equal(r->options.labels[1].value, "bad");
    assert_string_equal(r->room.keys[1], "z");
    assert_null(r->room.keys[2]);
    assert_int_equal(r->options.breaker_least, 7);
    drop(r);
    r = take(OURS "failures: {enabled: false}\n", 0);
    assert_null(r->taken);
    drop(r);
}

static void test_bad_values(void **state)
{
    static const char *const CASES[][2] = {
        {"{holdDown: 1m, holdDownMax: 1s}", "failures.holdDownMax: is less than holdDown"},
        {"{unhealthyLabels: [{key: 'a b'}]}", "is no key of a label"},
        {"{evictionsPerSecond: 0}", "failures.evictionsPerSecond"},
        {"{breaker: {share: 2}}", "failures.breaker.share"},
    };

    (void)state;
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        char text[256];
        snprintf(text, sizeof(text), OURS "failures: %s\n", CASES[i][0]);
        struct read *r = take(text, -EINVAL);
        assert_int_equal(r->problems.lines.len, 1);
        assert_non_null(strstr(r->problems.lines.p[0], CASES[i][1]));
        drop(r);
    }
}

static void test_lease(void **state)
{
    static const char JSON[] =
        "{\"metadata\":{\"name\":\"n1\",\"namespace\":\"kube-node-lease\"},\"spec\":{"
        "\"holderIdentity\":\"n1\",\"leaseDurationSeconds\":40,\"renewTime\":"
        "\"2023-11-14T22:13:20.123456Z\"}}";
    static const uint64_t KEY[2] = {1, 2};
    struct sy_strings *strings = sy_strings_new(KEY);
    struct sy_decode d;
    struct sy_node_lease lease;
    struct sy_buf all, meta, spec, time;

    (void)state;
    sy_decode_init(&d, strings, 1 << 20);
    sy_buf_init(&all, 4096);
    sy_buf_init(&meta, 4096);
    sy_buf_init(&spec, 4096);
    sy_buf_init(&time, 4096);
    pb_text(&meta, 1, "n1");
    pb_number(&time, 1, 1700000000);
    pb_number(&time, 2, 123456000);
    pb_text(&spec, 1, "n1");
    pb_number(&spec, 2, 40);
    pb_message(&spec, 4, &time);
    pb_message(&all, 1, &meta);
    pb_message(&all, 2, &spec);
    for (int json = 0; json < 2; json++) {
        struct sy_str raw = json ? SY_STR(JSON) : sy_buf_str(&all);
        assert_int_equal(
            sy_decode_lease(&d, json ? SY_ENCODING_JSON : SY_ENCODING_PROTOBUF, raw, &lease, NULL),
            0);
        assert_string_equal(sy_strings_getz(strings, lease.node), "n1");
        assert_int_equal(lease.duration_ns, 40 * SY_NS_PER_S);
        assert_int_equal(lease.renewed_wall_ns / SY_NS_PER_S, 1700000000);
    }
    assert_int_equal(sy_decode_lease(&d, SY_ENCODING_JSON, SY_STR("{}"), &lease, NULL), 0);
    assert_int_equal(lease.node, 0);
    assert_true(sy_decode_lease(&d, SY_ENCODING_JSON, SY_STR("["), &lease, NULL) < 0);
    assert_true(sy_decode_lease(&d, SY_ENCODING_PROTOBUF, SY_STR("\x0a\x7f"), &lease, NULL) < 0);
    sy_buf_done(&time);
    sy_buf_done(&spec);
    sy_buf_done(&meta);
    sy_buf_done(&all);
    sy_decode_done(&d);
    sy_strings_free(strings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_lease),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
