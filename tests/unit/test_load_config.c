/* SPDX-License-Identifier: Apache-2.0
 *
 * The section `load` of both kinds of file: what it becomes, and what is refused with which words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "app/config.h"

#define OURS "apiVersion: steelyard.dev/v1\nkind: SteelyardConfiguration\nload:\n  sources:\n"
#define KUBE                                                                                       \
    "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"               \
    "steelyard:\n load:\n  sources:\n"
#define PROM "  - {type: prometheus, url: \"http://p:9090\""

static void parse(const char *text, struct sy_config *c)
{
    struct sy_problems problems = {0};

    if (sy_config_parse(text, strlen(text), "f", c, &problems))
        fail_msg("%s", problems.lines.p[0]);
    sy_problems_done(&problems);
}

static void test_defaults(void **state)
{
    struct sy_load_source s[SY_LOAD_SOURCES_MAX];
    struct sy_config c;

    (void)state;
    parse(OURS "  - {type: metrics.k8s.io}\n" PROM "}\n  - {type: nodemetric, name: koord}\n", &c);
    assert_int_equal(sy_config_load_sources(&c.load, s), 3);
    assert_int_equal(s[0].type, SY_LOAD_METRICS_API);
    assert_string_equal(s[0].name, "metrics.k8s.io");
    assert_int_equal(s[0].interval_ns, 15 * SY_NS_PER_S);
    assert_int_equal(s[0].timeout_ns, 10 * SY_NS_PER_S);
    assert_int_equal(s[1].type, SY_LOAD_PROMETHEUS);
    assert_string_equal(s[1].url, "http://p:9090");
    assert_null(s[1].join_label);
    for (int i = 0; i < SY_LOAD_QUERIES; i++)
        assert_true(!s[1].queries[i].is_off && !s[1].queries[i].promql);
    assert_int_equal(s[2].type, SY_LOAD_NODEMETRIC);
    assert_string_equal(s[2].name, "koord");
    sy_config_done(&c);
    parse("apiVersion: steelyard.dev/v1\nkind: SteelyardConfiguration\n", &c);
    assert_int_equal(sy_config_load_sources(&c.load, s), 0);
    sy_config_done(&c);
}

static void test_everything_set(void **state)
{
    static const char TEXT[] =
        KUBE PROM ", interval: 3s, timeout: 1s, bearerTokenFile: /t, caFile: /c, joinLabel: node,\n"
                  "     queries: {cpu: {query: q, timestamp: t, unit: percent, window: 90s,\n"
                  "       joinLabel: host, joinBy: hostname}, gpu: {enabled: false},\n"
                  "       memory: {joinLabel: instance}}}\n";
    struct sy_load_source s[SY_LOAD_SOURCES_MAX];
    struct sy_config c;

    (void)state;
    parse(TEXT, &c);
    assert_int_equal(sy_config_load_sources(&c.load, s), 1);
    assert_int_equal(s[0].interval_ns, 3 * SY_NS_PER_S);
    assert_string_equal(s[0].bearer_token_file, "/t");
    assert_string_equal(s[0].ca_file, "/c");
    assert_string_equal(s[0].join_label, "node");
    assert_int_equal(s[0].join_by, SY_LOAD_BY_NAME);
    const struct sy_load_query *cpu = &s[0].queries[SY_LOAD_CPU];
    assert_string_equal(cpu->promql, "q");
    assert_string_equal(cpu->time_promql, "t");
    assert_int_equal(cpu->unit, SY_LOAD_PERCENT);
    assert_int_equal(cpu->window_ns, 90 * SY_NS_PER_S);
    assert_string_equal(cpu->join_label, "host");
    assert_int_equal(cpu->join_by, SY_LOAD_BY_HOSTNAME);
    assert_true(s[0].queries[SY_LOAD_GPU].is_off);
    assert_int_equal(s[0].queries[SY_LOAD_MEMORY].join_by, SY_LOAD_BY_INTERNAL_IP);
    sy_config_done(&c);
}

static void test_problems(void **state)
{
    static const struct {
        const char *text, *says;
    } CASES[] = {
        {OURS "  - {interval: 5s}\n", "sources[0].type: is missing"},
        {OURS "  - {type: graphite}\n",
         "\"graphite\" is not known; give metrics.k8s.io or prometheus or nodemetric"},
        {OURS "  - {type: prometheus}\n", "sources[0].url: is missing"},
        {OURS "  - {type: prometheus, url: \"prom:9090\"}\n", "url: is no URL"},
        {OURS "  - {type: prometheus, url: \"http:///x\"}\n", "url: is no URL"},
        {OURS "  - {type: prometheus, url: \"http://me:pw@p\"}\n", "url: has a '@'"},
        {OURS "  - {type: prometheus, url: \"http://p?x=1\"}\n", "url: has a '?'"},
        {OURS PROM ", joinBy: name}\n", "joinBy: stands without joinLabel"},
        {OURS PROM ", joinLabel: a-b}\n", "\"a-b\" is no name of a label"},
        {OURS PROM ", joinLabel: \"1a\"}\n", "\"1a\" is no name of a label"},
        {OURS PROM ", joinLabel: a, joinBy: ip}\n", "\"ip\" is not known; give name, internalIP"},
        {OURS PROM ", queries: {cpu: {unit: share}}}\n", "cpu.unit: stands without query"},
        {OURS PROM ", queries: {cpu: {window: 5s}}}\n", "cpu.window: stands without query"},
        {OURS PROM ", queries: {cpu: {timestamp: t}}}\n", "cpu.timestamp: stands without query"},
        {OURS PROM ", queries: {cpu: {query: q, unit: cores}}}\n", "\"cores\" is not known"},
        {OURS PROM ", queries: {disk: {query: q}}}\n", "queries.disk: unknown key"},
        {OURS PROM ", name: \"a b\"}\n", "\"a b\" is no name here"},
        {OURS PROM ", interval: 1ms}\n", "interval: 1ms is out of range"},
        {OURS PROM "}\n" PROM "}\n", "sources[1]: another source is named prometheus"},
        {OURS PROM "}\n  - {type: nodemetric, name: prometheus}\n", "sources[1]: another source"},
        {OURS "  - {type: nodemetric, url: \"http://p\"}\n", "url: is for type prometheus alone"},
        {OURS "  - {type: nodemetric, queries: {gpu: {enabled: false}}}\n",
         "queries.gpu: is for type prometheus alone"},
    };

    (void)state;
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        struct sy_problems problems = {0};
        struct sy_config c;
        bool is_said = false;
        assert_int_equal(sy_config_parse(CASES[i].text, strlen(CASES[i].text), "f", &c, &problems),
                         -EINVAL);
        for (size_t n = 0; n < problems.lines.len; n++)
            is_said = is_said || strstr(problems.lines.p[n], CASES[i].says);
        if (!is_said)
            fail_msg("\"%s\" lacks \"%s\"", problems.lines.p[0], CASES[i].says);
        sy_problems_done(&problems);
        sy_config_done(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything_set),
        cmocka_unit_test(test_problems),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
