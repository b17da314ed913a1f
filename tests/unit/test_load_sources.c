/* SPDX-License-Identifier: Apache-2.0
 *
 * What sources of load answer, read: Prometheus' vectors, metrics.k8s.io, NodeMetric; which node a
 * series is of; the default queries as text; the core's time of a sample. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/queries.h"
#include "load/series.h"
#include "load/usage.h"

/* ---- series ---- */

#define VECTOR(series)                                                                             \
    "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" series "]}}"
#define SERIES(label, value)                                                                       \
    "{\"metric\":{\"node\":\"" label "\"},\"value\":[1700000000.5,\"" value "\"]}"

static int read_series(const char *body, struct sy_series_set *set, struct sy_err *err)
{
    *set = (struct sy_series_set){0};
    *err = (struct sy_err){0};
    return sy_series_read(sy_str_from(body), "node", set, err);
}

static void test_series_values(void **state)
{
    static const struct {
        const char *text;
        double value; /* NAN: any NaN */
        bool is_malformed;
    } CASES[] = {
        {"0.25", 0.25, false},
        {"1e-3", 0.001, false},
        {"-1", -1, false},
        {"NaN", NAN, false},
        {"+Inf", INFINITY, false},
        {"-Inf", -INFINITY, false},
        {"1e999", INFINITY, false},
        {"", 0, true},
        {" 1", 0, true},
        {"1 ", 0, true},
        {"0x10", 0, true},
        {"nan(1)", 0, true},
        {"1,5", 0, true},
        {"1\\u0000", 0, true},
        {"infinity", 0, true},
        {"11111111111111111111111111111111111111111111111111111111111111111", 0, true},
    };
    struct sy_series_set set;
    struct sy_err err;
    char body[512];

    (void)state;
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        snprintf(body, sizeof(body), VECTOR(SERIES("a", "%s")), CASES[i].text);
        assert_int_equal(read_series(body, &set, &err), 0);
        assert_int_equal(set.malformed, CASES[i].is_malformed);
        assert_int_equal(set.all.len, !CASES[i].is_malformed);
        if (set.all.len && isnan(CASES[i].value))
            assert_true(isnan(set.all.p[0].value));
        else if (set.all.len)
            assert_true(set.all.p[0].value == CASES[i].value);
        sy_series_done(&set);
    }
}

static void test_series_odd_ones_cost_only_themselves(void **state)
{
    static const char BODY[] =
        VECTOR(SERIES("a", "1") ",{},[],7,null,\"x\",{\"metric\":{\"node\":\"b\"}},"
                                "{\"metric\":{\"node\":\"b\"},\"value\":[]},"
                                "{\"metric\":{\"node\":\"b\"},\"value\":[1,\"1\",2]},"
                                "{\"metric\":{\"node\":\"b\"},\"value\":[1,2]},"
                                "{\"metric\":{\"node\":\"b\"},\"value\":[\"1\",\"2\"]},"
                                "{\"metric\":{\"node\":\"b\"},\"value\":[-5,\"2\"]},"
                                "{\"metric\":{\"node\":\"b\"},\"value\":[1e300,\"2\"]},"
                                "{\"metric\":{\"other\":\"b\"},\"value\":[1,\"2\"]},"
                                "{\"metric\":{\"node\":\"\"},\"value\":[1,\"2\"]},"
                                "{\"metric\":{\"node\":7},\"value\":[1,\"2\"]},"
                                "{\"value\":[1,\"2\"]}," SERIES("c", "3"));
    struct sy_series_set set;
    struct sy_err err;

    (void)state;
    assert_int_equal(read_series(BODY, &set, &err), 0);
    assert_int_equal(set.all.len, 2);
    assert_int_equal(set.malformed, 12);
    assert_int_equal(set.unlabelled, 4);
    assert_true(sy_str_eqz(sy_series_label(&set, &set.all.p[0]), "a"));
    assert_true(sy_str_eqz(sy_series_label(&set, &set.all.p[1]), "c"));
    assert_true(set.all.p[1].at_s == 1700000000.5);
    sy_series_done(&set);
}

static void test_series_answers_that_are_none(void **state)
{
    static const struct {
        const char *body;
        int code;
        const char *says;
    } CASES[] = {
        {"", -EBADMSG, "no JSON object"},
        {"[]", -EBADMSG, "no JSON object"},
        {"{", -EBADMSG, "no JSON object"},
        {"<html>502</html>", -EBADMSG, "no JSON object"},
        {"{}", -EBADMSG, "not what Prometheus answers"},
        {"{} {}", -EBADMSG, "no JSON object"},
        {"{\"status\":\"success\"}", -EPROTO, "not a vector"},
        {"{\"status\":\"success\",\"data\":[]}", -EPROTO, "not a vector"},
        {"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}", -EPROTO,
         "gives a matrix"},
        {"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\"}}", -EBADMSG, "data.result"},
        {"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":{}}}", -EBADMSG,
         "data.result"},
        {"{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error\\nat 1\"}",
         -EREMOTEIO, "bad_data: parse error at 1"},
        {"{\"status\":\"error\"}", -EREMOTEIO, "Prometheus says"},
    };
    struct sy_series_set set;
    struct sy_err err;

    (void)state;
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        assert_int_equal(read_series(CASES[i].body, &set, &err), CASES[i].code);
        if (!strstr(err.msg, CASES[i].says))
            fail_msg("\"%s\" lacks \"%s\"", err.msg, CASES[i].says);
        sy_series_done(&set);
    }
    char deep[200] = "";
    memset(deep, '[', 100);
    assert_int_equal(read_series(deep, &set, &err), -EBADMSG);
    sy_series_done(&set);
}

static void test_series_warnings_are_kept(void **state)
{
    struct sy_series_set set;
    struct sy_err err;

    (void)state;
    assert_int_equal(read_series("{\"status\":\"success\",\"warnings\":[\"store x is away\"],"
                                 "\"data\":{\"resultType\":\"vector\",\"result\":[]}}",
                                 &set, &err),
                     0);
    assert_string_equal(set.warning, "store x is away");
    sy_series_done(&set);
    assert_int_equal(read_series(VECTOR(""), &set, &err), 0);
    assert_string_equal(set.warning, "");
    sy_series_done(&set);
}

static void test_series_that_differ_are_marked(void **state)
{
    struct sy_series_set set;
    struct sy_err err;
    const struct sy_series *s;

    (void)state;
    assert_int_equal(
        read_series(
            VECTOR(SERIES("b", "2") "," SERIES("a", "1") "," SERIES("b", "1") "," SERIES(
                "c", "NaN") "," SERIES("c",
                                       "NaN") "," SERIES("a",
                                                         "1") "," SERIES("d",
                                                                         "3") "," SERIES("d",
                                                                                         "NaN")),
            &set, &err),
        0);
    sy_series_unite(&set);
    assert_int_equal(set.all.len, 4);
    assert_false(sy_series_find(&set, SY_STR("a"))->differs);
    s = sy_series_find(&set, SY_STR("b"));
    assert_true(s->differs);
    assert_true(s->value == 1);
    assert_false(sy_series_find(&set, SY_STR("c"))->differs);
    assert_true(sy_series_find(&set, SY_STR("d"))->differs);
    assert_null(sy_series_find(&set, SY_STR("e")));
    assert_null(sy_series_find(&set, SY_STR("")));
    sy_series_done(&set);
    sy_series_unite(&set);
    assert_null(sy_series_find(&set, SY_STR("a")));
}

/* ---- usage ---- */

static void test_node_metrics(void **state)
{
    static const char RAW[] =
        "{\"metadata\":{\"name\":\"node-1\"},\"timestamp\":\"2026-11-24T10:00:00Z\","
        "\"window\":\"15.5s\",\"usage\":{\"cpu\":\"123456789n\",\"memory\":\"2Mi\"}}";
    struct sy_usage u;

    (void)state;
    assert_int_equal(sy_usage_read_node_metrics(sy_str_from(RAW), &u, NULL), 0);
    assert_string_equal(u.node, "node-1");
    assert_int_equal(u.at_wall_ns, 1795514400 * SY_NS_PER_S);
    assert_int_equal(u.window_ns, 15500 * SY_NS_PER_MS);
    assert_true(u.metrics[SY_LOAD_CPU].is_there && !u.metrics[SY_LOAD_CPU].is_malformed);
    assert_true(u.metrics[SY_LOAD_CPU].value == 124);
    assert_false(u.metrics[SY_LOAD_CPU].is_share);
    assert_true(u.metrics[SY_LOAD_MEMORY].value == 2 << 20);
    assert_false(u.metrics[SY_LOAD_GPU].is_there);
}

static void test_node_metrics_odd(void **state)
{
    static const struct {
        const char *raw;
        int code;
        bool has_cpu, cpu_malformed, has_time;
        int64_t window_ns;
    } CASES[] = {
        {"", -EBADMSG, 0, 0, 0, 0},
        {"[]", -EBADMSG, 0, 0, 0, 0},
        {"{}", -EBADMSG, 0, 0, 0, 0},
        {"{\"metadata\":{\"name\":\"\"}}", -EBADMSG, 0, 0, 0, 0},
        {"{\"metadata\":{\"name\":\"a\\u0000b\"}}", -EBADMSG, 0, 0, 0, 0},
        {"{\"metadata\":{\"name\":\"a\"}}", 0, 0, 0, 0, 0},
        {"{\"metadata\":{\"name\":\"a\"},\"usage\":[]}", 0, 0, 0, 0, 0},
        {"{\"metadata\":{\"name\":\"a\"},\"usage\":{\"cpu\":\"1x\"}}", 0, 1, 1, 0, 0},
        {"{\"metadata\":{\"name\":\"a\"},\"usage\":{\"cpu\":null}}", 0, 1, 1, 0, 0},
        {"{\"metadata\":{\"name\":\"a\"},\"usage\":{\"cpu\":{}}}", 0, 1, 1, 0, 0},
        {"{\"metadata\":{\"name\":\"a\"},\"usage\":{\"cpu\":\"NaN\"}}", 0, 1, 1, 0, 0},
        {"{\"metadata\":{\"name\":\"a\"},\"usage\":{\"cpu\":\"9999999999999999999E\"}}", 0, 1, 1, 0,
         0},
        {"{\"metadata\":{\"name\":\"a\"},\"usage\":{\"cpu\":2},\"timestamp\":\"2026-11-24T10:00:"
         "00Z\"}",
         0, 1, 0, 1, 0},
        {"{\"metadata\":{\"name\":\"a\"},\"timestamp\":\"soon\",\"window\":\"1d\"}", 0, 0, 0, 0, 0},
        {"{\"metadata\":{\"name\":\"a\"},\"timestamp\":7,\"window\":\"-5s\"}", 0, 0, 0, 0, 0},
        {"{\"metadata\":{\"name\":\"a\"},\"window\":\"1000000h\"}", 0, 0, 0, 0, 0},
        {"{\"metadata\":{\"name\":\"a\"},\"window\":\"1m0.5s\"}", 0, 0, 0, 0, 60500 * SY_NS_PER_MS},
    };
    struct sy_usage u;

    (void)state;
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        u = (struct sy_usage){0};
        assert_int_equal(sy_usage_read_node_metrics(sy_str_from(CASES[i].raw), &u, NULL),
                         CASES[i].code);
        if (CASES[i].code)
            continue;
        assert_int_equal(u.metrics[SY_LOAD_CPU].is_there, CASES[i].has_cpu);
        assert_int_equal(u.metrics[SY_LOAD_CPU].is_malformed, CASES[i].cpu_malformed);
        assert_int_equal(u.at_wall_ns > 0, CASES[i].has_time);
        assert_int_equal(u.window_ns, CASES[i].window_ns);
    }
}

#define DEVICE(type, core, memory)                                                                 \
    "{\"type\":\"" type "\",\"resources\":{\"koordinator.sh/gpu-core\":" core                      \
    ",\"koordinator.sh/gpu-memory-ratio\":" memory "}}"

static void test_nodemetric(void **state)
{
    static const char RAW[] =
        "{\"metadata\":{\"name\":\"node-2\"},"
        "\"spec\":{\"metricCollectPolicy\":{\"aggregateDurationSeconds\":90}},"
        "\"status\":{\"updateTime\":\"2026-11-24T10:00:00+01:00\",\"nodeMetric\":{\"nodeUsage\":{"
        "\"resources\":{\"cpu\":\"1500m\",\"memory\":\"1Gi\"},\"devices\":[" DEVICE(
            "gpu", "\"90\"",
            "\"20\"") "," DEVICE("gpu", "30",
                                 "\"40\"") "," DEVICE("rdma", "\"100\"",
                                                      "\"100\"") ",{},7]}},\"podsMetric\":[{}]}}";
    struct sy_usage u;

    (void)state;
    assert_int_equal(sy_usage_read_nodemetric(sy_str_from(RAW), &u, NULL), 0);
    assert_string_equal(u.node, "node-2");
    assert_int_equal(u.at_wall_ns, 1795510800 * SY_NS_PER_S);
    assert_int_equal(u.window_ns, 90 * SY_NS_PER_S);
    assert_true(u.metrics[SY_LOAD_CPU].value == 1500);
    assert_true(u.metrics[SY_LOAD_MEMORY].value == 1 << 30);
    assert_true(u.metrics[SY_LOAD_GPU].is_share && u.metrics[SY_LOAD_GPU_MEMORY].is_share);
    assert_true(fabs(u.metrics[SY_LOAD_GPU].value - 0.6) < 1e-9);
    assert_true(fabs(u.metrics[SY_LOAD_GPU_MEMORY].value - 0.3) < 1e-9);
}

static void test_nodemetric_odd(void **state)
{
    static const char BARE[] = "{\"metadata\":{\"name\":\"a\"}}";
    static const char BAD_GPU[] =
        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"metricCollectPolicy\":{"
        "\"aggregateDurationSeconds\":-3}},\"status\":{\"nodeMetric\":{\"nodeUsage\":{\"devices\":"
        "[" DEVICE("gpu", "\"x\"", "\"50\"") "]}}}}";
    struct sy_usage u;

    (void)state;
    assert_int_equal(sy_usage_read_nodemetric(sy_str_from(BARE), &u, NULL), 0);
    assert_int_equal(u.at_wall_ns, 0);
    assert_int_equal(u.window_ns, 300 * SY_NS_PER_S);
    for (uint32_t i = 0; i < SY_LOAD_METRICS; i++)
        assert_false(u.metrics[i].is_there);
    assert_int_equal(sy_usage_read_nodemetric(sy_str_from(BAD_GPU), &u, NULL), 0);
    assert_int_equal(u.window_ns, 300 * SY_NS_PER_S);
    assert_true(u.metrics[SY_LOAD_GPU].is_malformed);
    assert_false(u.metrics[SY_LOAD_GPU_MEMORY].is_malformed);
    assert_true(u.metrics[SY_LOAD_GPU_MEMORY].value == 0.5);
}

/* ---- join ---- */

static const char *find(const struct sy_load_join *j, enum sy_load_join_by by, const char *value)
{
    static char name[300];
    struct sy_str node;

    if (!sy_load_join_find(j, by, sy_str_from(value), &node))
        return "";
    snprintf(name, sizeof(name), SY_STR_FMT, SY_STR_ARG(node));
    return name;
}

static void set(struct sy_load_join *j, const char *node, const char *ip, const char *ip6,
                const char *hostname)
{
    struct sy_str ips[] = {sy_str_from(ip), sy_str_from(ip6)};

    sy_load_join_set(j, sy_str_from(node), ips, 2, sy_str_from(hostname));
}

static void test_join(void **state)
{
    struct sy_load_join *j = sy_load_join_new();

    (void)state;
    set(j, "n1", "10.0.0.1", "fd00::1", "host1");
    set(j, "n2", "10.0.0.2", "", "host2");
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "10.0.0.1:9100"), "n1");
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "10.0.0.1"), "n1");
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "[fd00::1]:9100"), "n1");
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "fd00::1"), "n1");
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "10.0.0.3:9100"), "");
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "n1"), "");
    assert_string_equal(find(j, SY_LOAD_BY_HOSTNAME, "host2"), "n2");
    assert_string_equal(find(j, SY_LOAD_BY_HOSTNAME, "n2:9400"), "n2");
    assert_string_equal(find(j, SY_LOAD_BY_NAME, "any:1"), "any");
    assert_string_equal(find(NULL, SY_LOAD_BY_NAME, "any"), "any");
    assert_string_equal(find(NULL, SY_LOAD_BY_INTERNAL_IP, "10.0.0.1"), "");
    assert_string_equal(find(j, SY_LOAD_BY_NAME, ":9100"), "");
    assert_string_equal(find(j, SY_LOAD_BY_NAME, "[]:9100"), "");
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "[fd00::1"), "");

    /* An address that moved is the new node's; what was said before is forgotten. */
    set(j, "n2", "10.0.0.1", "", "host2");
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "10.0.0.1"), "n2");
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "10.0.0.2"), "");
    set(j, "n1", "10.0.0.9", "", "host1");
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "10.0.0.1"), "n2");
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "fd00::1"), "");
    sy_load_join_forget(j, SY_STR("n2"));
    sy_load_join_forget(j, SY_STR("n7"));
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "10.0.0.1"), "");
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "10.0.0.9"), "n1");

    /* A full list. */
    sy_load_join_replace_begin(j);
    set(j, "n3", "10.0.0.3", "", "host3");
    sy_load_join_replace_end(j);
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "10.0.0.9"), "");
    assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "10.0.0.3"), "n3");
    sy_load_join_set(j, (struct sy_str){"a\0b", 3}, NULL, 0, SY_STR("x"));
    sy_load_join_set(j, SY_STR("n4"), NULL, 0, (struct sy_str){"a\0b", 3});
    sy_load_join_forget(j, SY_STR("n4"));
    sy_load_join_free(j);
}

static void test_join_many(void **state)
{
    struct sy_load_join *j = sy_load_join_new();
    char node[32], ip[32];

    (void)state;
    for (int round = 0; round < 3; round++) {
        sy_load_join_replace_begin(j);
        for (int i = 0; i < 500; i++) {
            snprintf(node, sizeof(node), "n%d", i);
            snprintf(ip, sizeof(ip), "10.0.%d.%d", (i + round) / 250, (i + round) % 250);
            set(j, node, ip, "", node);
        }
        sy_load_join_replace_end(j);
        assert_string_equal(find(j, SY_LOAD_BY_INTERNAL_IP, "10.0.1.249:9100"), round == 0 ? "n499"
                                                                                : round == 1
                                                                                    ? "n498"
                                                                                    : "n497");
    }
    sy_load_join_free(j);
}

/* ---- queries ---- */

static void test_default_queries(void **state)
{
    struct sy_load_source source = {.type = SY_LOAD_PROMETHEUS};
    struct sy_load_asked q;

    (void)state;
    for (uint32_t i = 0; i < SY_LOAD_QUERIES; i++) {
        sy_load_asked_init(&q, &source, i);
        assert_null(strstr(q.promql, "$joinLabel"));
        bool is_dcgm = i == SY_LOAD_GPU || i == SY_LOAD_GPU_MEMORY || i == SY_LOAD_XID;
        assert_string_equal(q.join_label, is_dcgm ? "Hostname" : "instance");
        assert_int_equal(q.join_by, is_dcgm ? SY_LOAD_BY_HOSTNAME : SY_LOAD_BY_INTERNAL_IP);
        assert_non_null(strstr(q.promql, q.join_label));
        assert_int_equal(q.time_promql != NULL, i != SY_LOAD_XID);
        if (q.time_promql)
            assert_non_null(strstr(q.time_promql, "timestamp("));
        sy_load_asked_done(&q);
    }
    source.join_label = "node";
    source.join_by = SY_LOAD_BY_NAME;
    sy_load_asked_init(&q, &source, SY_LOAD_GPU);
    assert_string_equal(q.promql, "avg by (node) (DCGM_FI_DEV_GPU_UTIL)");
    assert_string_equal(q.time_promql, "min by (node) (timestamp(DCGM_FI_DEV_GPU_UTIL))");
    assert_int_equal(q.unit, SY_LOAD_PERCENT);
    assert_int_equal(q.join_by, SY_LOAD_BY_NAME);
    sy_load_asked_done(&q);
}

static void test_own_queries(void **state)
{
    struct sy_load_source source = {.type = SY_LOAD_PROMETHEUS};
    struct sy_load_asked q;

    (void)state;
    source.queries[SY_LOAD_CPU] = (struct sy_load_query){
        .promql = "x{$joinLabel!=\"\"}",
        .unit = SY_LOAD_AMOUNT,
        .window_ns = 7,
        .join_label = "machine",
        .join_by = SY_LOAD_BY_HOSTNAME,
    };
    sy_load_asked_init(&q, &source, SY_LOAD_CPU);
    assert_string_equal(q.promql, "x{machine!=\"\"}");
    assert_string_equal(q.time_promql, "timestamp(x{machine!=\"\"})");
    assert_int_equal(q.unit, SY_LOAD_AMOUNT);
    assert_int_equal(q.window_ns, 7);
    assert_int_equal(q.join_by, SY_LOAD_BY_HOSTNAME);
    sy_load_asked_done(&q);
    source.queries[SY_LOAD_CPU].time_promql = "t by ($joinLabel)";
    sy_load_asked_init(&q, &source, SY_LOAD_CPU);
    assert_string_equal(q.time_promql, "t by (machine)");
    sy_load_asked_done(&q);
}

static void test_escape(void **state)
{
    struct sy_buf out;

    (void)state;
    sy_buf_init(&out, 100);
    assert_int_equal(sy_load_url_escape(&out, "a-1 {x=\"+\xc3\xa9&%\"}"), 0);
    assert_string_equal(out.p, "a-1%20%7Bx%3D%22%2B%C3%A9%26%25%22%7D");
    sy_buf_done(&out);
}

/* ---- time ---- */

static void test_core_time(void **state)
{
    const int64_t s = SY_NS_PER_S, wall = 1795514400 * s;

    (void)state;
    assert_int_equal(sy_load_core_time(wall - 5 * s, wall, 100 * s, 60 * s), 95 * s);
    assert_int_equal(sy_load_core_time(wall - 500 * s, wall, 100 * s, 60 * s), -400 * s);
    assert_int_equal(sy_load_core_time(wall + 59 * s, wall, 100 * s, 60 * s), 100 * s);
    assert_int_equal(sy_load_core_time(wall + 61 * s, wall, 100 * s, 60 * s), 161 * s);
    assert_true(sy_load_core_time(INT64_MIN, wall, 100 * s, 60 * s) < -2000000000 * s);
    assert_true(sy_load_core_time(INT64_MAX, 0, 100 * s, 60 * s) > 2000000000 * s);
    assert_true(sy_load_core_time(INT64_MAX, INT64_MIN, INT64_MAX / 2, 0) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_series_values),
        cmocka_unit_test(test_series_odd_ones_cost_only_themselves),
        cmocka_unit_test(test_series_answers_that_are_none),
        cmocka_unit_test(test_series_warnings_are_kept),
        cmocka_unit_test(test_series_that_differ_are_marked),
        cmocka_unit_test(test_node_metrics),
        cmocka_unit_test(test_node_metrics_odd),
        cmocka_unit_test(test_nodemetric),
        cmocka_unit_test(test_nodemetric_odd),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_join_many),
        cmocka_unit_test(test_default_queries),
        cmocka_unit_test(test_own_queries),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_core_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
