/* SPDX-License-Identifier: Apache-2.0
 *
 * The bodies that actions send: exact JSON, protobuf read back field by field, cuts and escapes. */
#include "kube/actions_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kube/pb.h"

static struct sy_buf out;

static int begin(void **state)
{
    (void)state;
    sy_buf_init(&out, 65536);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sy_buf_done(&out);
    return 0;
}

/* The bytes of the nth field of that number; fails when it is not there. */
static struct sy_str field(struct sy_str message, uint32_t number, unsigned nth)
{
    struct sy_pb pb = sy_pb_of(message);
    struct sy_pb_field f;

    while (sy_pb_next(&pb, &f))
        if (f.number == number && nth-- == 0)
            return f.bytes;
    fail_msg("no field %u", number);
    return (struct sy_str){0};
}

static uint64_t number_field(struct sy_str message, uint32_t number)
{
    struct sy_pb pb = sy_pb_of(message);
    struct sy_pb_field f;

    while (sy_pb_next(&pb, &f))
        if (f.number == number)
            return f.value;
    fail_msg("no field %u", number);
    return 0;
}

static size_t fields(struct sy_str message)
{
    struct sy_pb pb = sy_pb_of(message);
    struct sy_pb_field f;
    size_t n = 0;

    while (sy_pb_next(&pb, &f))
        n++;
    assert_false(pb.bad);
    return n;
}

static void assert_text(struct sy_str s, const char *text)
{
    if (!sy_str_eqz(s, text))
        fail_msg("\"" SY_STR_FMT "\" is not \"%s\"", SY_STR_ARG(s), text);
}

static struct sy_str envelope(const char *api_version, const char *kind)
{
    struct sy_str all = sy_buf_str(&out);

    assert_true(all.len > 4);
    assert_memory_equal(all.p, "k8s\0", 4);
    struct sy_str unknown = {all.p + 4, all.len - 4};
    assert_int_equal(fields(unknown), 2);
    assert_text(field(field(unknown, 1, 0), 1, 0), api_version);
    assert_text(field(field(unknown, 1, 0), 2, 0), kind);
    return field(unknown, 2, 0);
}

static void test_bind(void **state)
{
    const char *const annotations[] = {"k", "v", "e", "", NULL};

    (void)state;
    sy_body_bind(&out, SY_ENCODING_JSON, "ns", "p\"", "u1", "n1", NULL);
    assert_string_equal(
        out.p, "{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":\"p\\\"\","
               "\"namespace\":\"ns\",\"uid\":\"u1\"},\"target\":{\"kind\":\"Node\","
               "\"name\":\"n1\"}}");
    sy_buf_reset(&out);
    sy_body_bind(&out, SY_ENCODING_JSON, "ns", "p", "u1", "n1", annotations);
    assert_non_null(strstr(out.p, ",\"annotations\":{\"k\":\"v\",\"e\":\"\"}},\"target\""));

    sy_buf_reset(&out);
    char *node = sy_xmalloc(301); /* a length of two bytes */
    memset(node, 'n', 300);
    node[300] = 0;
    sy_body_bind(&out, SY_ENCODING_PROTOBUF, "ns", "p", "u1", node, annotations);
    struct sy_str binding = envelope("v1", "Binding");
    struct sy_str meta = field(binding, 1, 0);
    assert_int_equal(fields(binding), 2);
    assert_int_equal(fields(meta), 5);
    assert_text(field(meta, 1, 0), "p");
    assert_text(field(meta, 3, 0), "ns");
    assert_text(field(meta, 5, 0), "u1");
    assert_text(field(field(meta, 12, 0), 1, 0), "k");
    assert_text(field(field(meta, 12, 0), 2, 0), "v");
    assert_text(field(field(meta, 12, 1), 1, 0), "e");
    assert_text(field(field(meta, 12, 1), 2, 0), "");
    assert_text(field(field(binding, 2, 0), 1, 0), "Node");
    assert_text(field(field(binding, 2, 0), 3, 0), node);
    free(node);
}

static const struct sy_body_event event = {
    .component = "steelyard",
    .instance = "steelyard-host",
    .type = "Normal",
    .reason = "Scheduled",
    .action = "Binding",
    .ns = "ns",
    .name = "pod-1",
    .uid = "u1",
    .note = "Successfully assigned ns/pod-1 to n1",
    .first_wall_ns = 1700000000123456789,
    .last_wall_ns = 1700000005000000000,
    .count = 1,
};

static void test_event_json(void **state)
{
    struct sy_body_event e = event;

    (void)state;
    sy_body_event(&out, SY_ENCODING_JSON, &e);
    assert_string_equal(
        out.p, "{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\",\"metadata\":{\"name\":"
               "\"pod-1.17979cfe3d85cd15\",\"namespace\":\"ns\"},"
               "\"eventTime\":\"2023-11-14T22:13:20.123456Z\","
               "\"reportingController\":\"steelyard\",\"reportingInstance\":\"steelyard-host\","
               "\"action\":\"Binding\",\"reason\":\"Scheduled\",\"regarding\":{\"kind\":\"Pod\","
               "\"apiVersion\":\"v1\",\"namespace\":\"ns\",\"name\":\"pod-1\",\"uid\":\"u1\"},"
               "\"note\":\"Successfully assigned ns/pod-1 to n1\",\"type\":\"Normal\"}");
    sy_buf_reset(&out);
    e.count = 7;
    sy_body_event(&out, SY_ENCODING_JSON, &e);
    assert_non_null(strstr(
        out.p, "\"series\":{\"count\":7,\"lastObservedTime\":\"2023-11-14T22:13:25.000000Z\"},"));
    sy_buf_reset(&out);
    sy_body_series(&out, &e);
    assert_string_equal(
        out.p, "{\"series\":{\"count\":7,\"lastObservedTime\":\"2023-11-14T22:13:25.000000Z\"}}");
}

static void test_event_protobuf(void **state)
{
    struct sy_body_event e = event;

    (void)state;
    e.count = 300;
    sy_body_event(&out, SY_ENCODING_PROTOBUF, &e);
    struct sy_str m = envelope("events.k8s.io/v1", "Event");
    assert_int_equal(fields(m), 10);
    assert_text(field(field(m, 1, 0), 1, 0), "pod-1.17979cfe3d85cd15");
    assert_text(field(field(m, 1, 0), 3, 0), "ns");
    assert_int_equal(number_field(field(m, 2, 0), 1), 1700000000);
    assert_int_equal(number_field(field(m, 2, 0), 2), 123456000);
    assert_int_equal(number_field(field(m, 3, 0), 1), 300);
    assert_int_equal(number_field(field(field(m, 3, 0), 2, 0), 1), 1700000005);
    assert_int_equal(number_field(field(field(m, 3, 0), 2, 0), 2), 0);
    assert_text(field(m, 4, 0), "steelyard");
    assert_text(field(m, 5, 0), "steelyard-host");
    assert_text(field(m, 6, 0), "Binding");
    assert_text(field(m, 7, 0), "Scheduled");
    struct sy_str regarding = field(m, 8, 0);
    assert_text(field(regarding, 1, 0), "Pod");
    assert_text(field(regarding, 2, 0), "ns");
    assert_text(field(regarding, 3, 0), "pod-1");
    assert_text(field(regarding, 4, 0), "u1");
    assert_text(field(regarding, 5, 0), "v1");
    assert_text(field(m, 10, 0), e.note);
    assert_text(field(m, 11, 0), "Normal");
    sy_buf_reset(&out);
    e.count = 1;
    sy_body_event(&out, SY_ENCODING_PROTOBUF, &e);
    assert_int_equal(fields(envelope("events.k8s.io/v1", "Event")), 9);
}

static void test_event_name(void **state)
{
    struct sy_body_event e = event;
    char name[254];

    (void)state;
    memset(name, 'a', 253);
    name[253] = 0;
    e.name = name;
    sy_body_event_name(&out, &e);
    assert_int_equal(out.len, 253);
    assert_string_equal(out.p + 236, ".17979cfe3d85cd15");
}

static void test_condition(void **state)
{
    (void)state;
    sy_body_condition(&out, "u1", "Unschedulable", "0/3 nodes", NULL, 1700000000000000000, 0);
    assert_string_equal(out.p,
                        "{\"metadata\":{\"uid\":\"u1\"},\"status\":{\"conditions\":[{\"type\":"
                        "\"PodScheduled\",\"status\":\"False\",\"lastProbeTime\":null,"
                        "\"reason\":\"Unschedulable\",\"message\":\"0/3 nodes\","
                        "\"lastTransitionTime\":\"2023-11-14T22:13:20Z\"}]}}");
    sy_buf_reset(&out);
    sy_body_condition(&out, "u1", "Unschedulable", "", "n1", 0, 0);
    assert_non_null(strstr(out.p, "}],\"nominatedNodeName\":\"n1\"}}"));
    sy_buf_reset(&out);
    sy_body_condition(&out, "u1", "Unschedulable", "", "", 0, 7);
    assert_non_null(strstr(out.p, ",\"observedGeneration\":7,\"lastTransitionTime\""));
    assert_non_null(strstr(out.p, "}],\"nominatedNodeName\":null}}"));
}

static void test_preemption(void **state)
{
    (void)state;
    sy_body_disruption(&out, "u1", "s: \"why\"", false, 1700000000000000000, 3);
    assert_string_equal(
        out.p, "{\"metadata\":{\"uid\":\"u1\"},\"status\":{\"conditions\":[{\"type\":"
               "\"DisruptionTarget\",\"status\":\"True\",\"lastProbeTime\":null,"
               "\"reason\":\"PreemptionByScheduler\",\"message\":\"s: \\\"why\\\"\","
               "\"observedGeneration\":3,\"lastTransitionTime\":\"2023-11-14T22:13:20Z\"}]}}");
    sy_buf_reset(&out);
    sy_body_delete(&out, "u\"1", false);
    assert_string_equal(out.p, "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
                               "\"preconditions\":{\"uid\":\"u\\\"1\"}}");
}

static void test_text(void **state)
{
    (void)state;
    sy_body_segment(&out, "a-b_c.d~E9/ ?%\xc3");
    assert_string_equal(out.p, "a-b_c.d~E9%2F%20%3F%25%C3");
    char *s = sy_body_cut("short", 8);
    assert_string_equal(s, "short");
    free(s);
    s = sy_body_cut("123456789", 8);
    assert_string_equal(s, "1234 ...");
    free(s);
    s = sy_body_cut("123\xc3\xa9xxxxxxx", 8); /* the cut would split the letter */
    assert_string_equal(s, "123 ...");
    free(s);
}

/* A buffer too small fails as a whole and says so. */
static void test_overflow(void **state)
{
    struct sy_buf small;

    (void)state;
    sy_buf_init(&small, 40);
    sy_body_bind(&small, SY_ENCODING_PROTOBUF, "ns", "p", "u1", "a-rather-long-name", NULL);
    assert_int_not_equal(small.failed, 0);
    sy_buf_done(&small);
    sy_buf_init(&small, 40);
    sy_body_event(&small, SY_ENCODING_JSON, &event);
    assert_int_not_equal(small.failed, 0);
    sy_buf_done(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bind, begin, end),
        cmocka_unit_test_setup_teardown(test_event_json, begin, end),
        cmocka_unit_test_setup_teardown(test_event_protobuf, begin, end),
        cmocka_unit_test_setup_teardown(test_event_name, begin, end),
        cmocka_unit_test_setup_teardown(test_condition, begin, end),
        cmocka_unit_test_setup_teardown(test_preemption, begin, end),
        cmocka_unit_test_setup_teardown(test_text, begin, end),
        cmocka_unit_test(test_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
