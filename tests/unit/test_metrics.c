/* SPDX-License-Identifier: Apache-2.0
 *
 * /metrics and the health endpoints' text: the whole exposition is parsed again here, strictly, and
 * the writers are tried with awkward labels and numbers. */
#include "serve/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/vec.h"
#include "sched/inputs.h"
#include "serve/expo.h"
#include "serve/health.h"

/* ---- a strict parser of the format ---- */

enum { NAME_MAX_BYTES = 256, SAMPLE_MAX_BYTES = 2048 };

struct parsed {
    SY_VEC(char *) families;
    SY_VEC(char *) samples; /* name and labels */
    SY_VEC(double) values;
    char family[NAME_MAX_BYTES];
    char type[32];
    double last_bucket, last_le; /* of the histogram that is being read */
    bool in_buckets;
};

static bool is_name_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
           (!first && c >= '0' && c <= '9');
}

static const char *read_name(const char *p, char *ret)
{
    size_t n = 0;

    assert_true(is_name_char(*p, true));
    while (is_name_char(p[n], n == 0)) {
        assert_true(n < NAME_MAX_BYTES - 1);
        ret[n] = p[n];
        n++;
    }
    ret[n] = '\0';
    return p + n;
}

static double read_number(const char *p)
{
    char *end;

    if (strcmp(p, "NaN") == 0)
        return NAN;
    assert_true(*p != '\0' && *p != ' ');
    double v = strtod(p, &end);
    assert_string_equal(end, "");
    return v;
}

/* name="value"[,...] up to the brace; *ret_le is the label le. */
static const char *read_labels(const char *p, char *ret_le)
{
    char name[NAME_MAX_BYTES];

    for (;;) {
        size_t n = 0;
        char value[NAME_MAX_BYTES];
        p = read_name(p, name);
        assert_null(strchr(name, ':'));
        assert_int_equal(strncmp(p, "=\"", 2), 0);
        for (p += 2; *p != '"'; p++) {
            assert_true((unsigned char)*p >= 0x20 || *p == '\t');
            if (*p == '\\') {
                p++;
                assert_true(*p == '\\' || *p == '"' || *p == 'n');
            }
            assert_true(n < sizeof(value) - 1);
            value[n++] = *p;
        }
        value[n] = '\0';
        if (strcmp(name, "le") == 0)
            memcpy(ret_le, value, n + 1);
        p++;
        if (*p == '}')
            return p + 1;
        assert_int_equal(*p, ',');
        p++;
    }
}

static void add_unique(char ***list, size_t *len, size_t *room, const char *text)
{
    SY_VEC(char *) v = {*list, *len, *room};

    for (size_t i = 0; i < v.len; i++) {
        if (strcmp(v.p[i], text) == 0)
            fail_msg("twice: %s", text);
    }
    sy_vec_push(&v, sy_xstrdup(text));
    *list = v.p;
    *len = v.len;
    *room = v.room;
}

static void parse_sample(struct parsed *r, const char *line)
{
    char name[NAME_MAX_BYTES], le[NAME_MAX_BYTES] = "", sample[SAMPLE_MAX_BYTES];
    const char *p = read_name(line, name);

    if (*p == '{')
        p = read_labels(p + 1, le);
    assert_int_equal(*p, ' ');
    assert_true((size_t)(p - line) < sizeof(sample));
    memcpy(sample, line, (size_t)(p - line));
    sample[p - line] = '\0';
    add_unique(&r->samples.p, &r->samples.len, &r->samples.room, sample);
    double value = read_number(p + 1);
    sy_vec_push(&r->values, value);

    size_t family_len = strlen(r->family);
    assert_int_equal(strncmp(name, r->family, family_len), 0);
    const char *suffix = name + family_len;
    if (strcmp(r->type, "histogram") != 0) {
        assert_string_equal(suffix, "");
        assert_string_equal(le, "");
        if (strcmp(r->type, "counter") == 0)
            assert_true(value >= 0);
    } else if (strcmp(suffix, "_bucket") == 0) {
        double bound = strcmp(le, "+Inf") == 0 ? INFINITY : read_number(le);
        if (r->in_buckets) {
            assert_true(bound > r->last_le);
            assert_true(value >= r->last_bucket);
        }
        r->in_buckets = true;
        r->last_le = bound;
        r->last_bucket = value;
    } else if (strcmp(suffix, "_sum") == 0) {
        assert_true(isinf(r->last_le));
        r->in_buckets = false;
    } else {
        assert_string_equal(suffix, "_count");
        assert_true(value == r->last_bucket);
    }
}

static void parse(struct parsed *r, const char *text)
{
    char line[SAMPLE_MAX_BYTES * 2], name[NAME_MAX_BYTES];
    bool type_is_due = false;

    *r = (struct parsed){0};
    while (*text) {
        const char *end = strchr(text, '\n');
        assert_non_null(end); /* the last line must end, too */
        assert_true((size_t)(end - text) < sizeof(line));
        memcpy(line, text, (size_t)(end - text));
        line[end - text] = '\0';
        text = end + 1;
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_false(type_is_due);
            const char *p = read_name(line + 7, r->family);
            assert_true(*p == ' ' && p[1]);
            add_unique(&r->families.p, &r->families.len, &r->families.room, r->family);
            type_is_due = true;
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_true(type_is_due);
            const char *p = read_name(line + 7, name);
            assert_string_equal(name, r->family);
            assert_true(strcmp(p, " counter") == 0 || strcmp(p, " gauge") == 0 ||
                        strcmp(p, " histogram") == 0);
            snprintf(r->type, sizeof(r->type), "%s", p + 1);
            type_is_due = false;
            if (strcmp(r->type, "counter") == 0) {
                size_t len = strlen(name);
                assert_true(len > 6 && strcmp(name + len - 6, "_total") == 0);
            }
        } else {
            assert_false(type_is_due);
            parse_sample(r, line);
        }
    }
}

static void parsed_done(struct parsed *r)
{
    for (size_t i = 0; i < r->families.len; i++)
        free(r->families.p[i]);
    for (size_t i = 0; i < r->samples.len; i++)
        free(r->samples.p[i]);
    sy_vec_done(&r->families);
    sy_vec_done(&r->samples);
    sy_vec_done(&r->values);
}

static double value_of(const struct parsed *r, const char *sample)
{
    for (size_t i = 0; i < r->samples.len; i++) {
        if (strcmp(r->samples.p[i], sample) == 0)
            return r->values.p[i];
    }
    fail_msg("no sample %s", sample);
    return 0;
}

/* ---- the tests ---- */

struct heard {
    uint64_t ticket;
    char reporters[64]; /* of events */
};

static void hear(void *arg, const struct sy_decision *d)
{
    struct heard *h = arg;
    size_t len = strlen(h->reporters);

    if (d->kind == SY_DECIDE_BIND)
        h->ticket = d->ticket;
    if (d->kind == SY_DECIDE_EVENT)
        snprintf(h->reporters + len, sizeof(h->reporters) - len, "%s ", d->reporter);
}

static void whole_exposition(void **state)
{
    static const uint64_t KEY[2] = {1, 2};
    struct sy_strings *strings = sy_strings_new(KEY);
    struct sy_profile profiles[2];
    struct heard heard = {0};
    struct sy_process_figures process;
    struct parsed r;
    struct sy_buf out;

    (void)state;
    sy_profile_default(&profiles[0], "steelyard");
    sy_profile_default(&profiles[1], "other");
    struct sy_pools_options pools = {
        .default_gate = {.is_on = true, .close_above = {0.9}, .open_below = {0.8}}};
    struct sy_sched_options options = {.profiles = profiles, .profiles_len = 2, .pools = &pools};
    struct sy_sched *sched = sy_sched_new(strings, &options, hear, &heard);
    struct sy_amount amounts[] = {{sy_strings_addz(strings, "cpu"), 4000},
                                  {sy_strings_addz(strings, "pods"), 10}};
    uint32_t len = sy_amounts_sort(amounts, 2);
    struct sy_node node = {.uid = SY_STR("u"),
                           .name = sy_strings_addz(strings, "n"),
                           .allocatable = {amounts, len},
                           .capacity = {amounts, len}};
    assert_int_equal(sy_sched_node(sched, &node, 1), 0);
    struct sy_pod pod = {.uid = SY_STR("p"),
                         .name = SY_STR("p"),
                         .ns = sy_strings_addz(strings, "d"),
                         .node = node.name};
    struct sy_amount asked[] = {{sy_strings_addz(strings, "cpu"), 1000}};
    pod.spec.scheduler_name = sy_strings_addz(strings, "steelyard");
    pod.spec.requests.requests = (struct sy_amounts){asked, 1};
    assert_int_equal(sy_sched_pod(sched, &pod, 1), 0);

    /* One that is bound, under the first profile, and one that fits nowhere, under the other. */
    struct sy_pod small = {.uid = SY_STR("s"), .name = SY_STR("s"), .ns = pod.ns};
    small.spec.scheduler_name = pod.spec.scheduler_name;
    assert_int_equal(sy_sched_pod(sched, &small, 1), 0);
    struct sy_amount huge[] = {{sy_strings_addz(strings, "cpu"), 9000}};
    struct sy_pod large = {.uid = SY_STR("l"), .name = SY_STR("l"), .ns = pod.ns};
    large.spec.scheduler_name = sy_strings_addz(strings, "other");
    large.spec.requests.requests = (struct sy_amounts){huge, 1};
    assert_int_equal(sy_sched_pod(sched, &large, 1), 0);
    sy_sched_run(sched, true, 0, 2);
    sy_sched_bind_result(sched, heard.ticket, SY_BIND_RESULT_OK, NULL, 3);
    assert_string_equal(heard.reporters, "other steelyard ");
    /* Figures outlive a new configuration. */
    sy_sched_configure(sched, &options, 4);

    struct sy_figures f = {
        .version = "v1 \"x\" \\ \n",
        .compiler = "gcc",
        .server = "127.0.0.1:6443",
        .requests = {{"GET", 200, 7}, {"POST", 0, 2}},
        .requests_len = 2,
        .strings_swept = 4,
        .reflectors = {{.resource = "nodes", .events = 3}, {.resource = "pods", .skipped = 9}},
        .reflectors_len = 2,
        .is_scheduling = true,
        .loads = {{.name = "prom",
                   .has_xid = true,
                   .xid_nodes = 3,
                   .answers = 5,
                   .outcomes = {{"taken", 8}, {"absurd", 1}},
                   .outcomes_len = 2,
                   .has = {[SY_LOAD_CPU] = true, [SY_LOAD_MEMORY] = true, [SY_LOAD_GPU] = true},
                   .age_s = {[SY_LOAD_CPU] = 2.5}}},
        .loads_len = 1,
        .node_weights = true,
        .is_elected_by_lease = true,
        .is_leader = true,
        .leader_name = "l",
        .leader_term = 3,
        .leader_slow_paths = 2,
        .writes_withheld = 5,
    };
    struct sy_load_sample half = {
        .metric = SY_LOAD_CPU, .value = 0.5, .is_share = true, .at_ns = 4};
    assert_int_equal(sy_sched_load(sched, node.name, &half, 4), SY_LOAD_TAKEN);
    sy_process_read(&process);
    sy_buf_init(&out, 1 << 20);
    assert_int_equal(sy_metrics_write(sched, strings, &f, &process, &out), 0);
    parse(&r, out.p);
    assert_true(r.families.len > 40);
    assert_true(value_of(&r, "steelyard_pool_utilization{pool=\"default\",resource=\"cpu\"}") ==
                0.5);
    assert_true(value_of(&r, "steelyard_balance_state{pool=\"default\",state=\"Balanced\"}") == 1);
    assert_true(value_of(&r, "steelyard_balance_state{pool=\"default\",state=\"Overloaded\"}") ==
                0);
    assert_true(value_of(&r, "steelyard_gate_closed{pool=\"default\"}") == 0);
    assert_true(value_of(&r, "steelyard_gate_waiting_pods") == 0);
    assert_true(value_of(&r, "steelyard_node_weight{factor=\"reliability\",node=\"n\"}") == 1);
    assert_true(value_of(&r, "scheduler_scheduler_cache_size{type=\"nodes\"}") == 1);
    assert_true(value_of(&r, "scheduler_pending_pods{queue=\"gated\"}") == 0);
    assert_true(value_of(&r, "steelyard_utilization_ratio{resource=\"cpu\"}") == 0.25);
    assert_true(value_of(&r, "rest_client_requests_total{code=\"200\",host=\"127.0.0.1:6443\","
                             "method=\"GET\"}") == 7);
    assert_true(value_of(&r, "rest_client_requests_total{code=\"<error>\",host=\"127.0.0.1:6443\","
                             "method=\"POST\"}") == 2);
    assert_true(value_of(&r, "steelyard_strings_stale_total") == 0);
    assert_true(value_of(&r, "steelyard_strings_swept_total") == 4);
    assert_true(value_of(&r, "scheduler_schedule_attempts_total{profile=\"steelyard\",result="
                             "\"scheduled\"}") == 1);
    assert_true(value_of(&r, "scheduler_schedule_attempts_total{profile=\"other\",result="
                             "\"unschedulable\"}") == 1);
    assert_true(value_of(&r, "scheduler_schedule_attempts_total{profile=\"other\",result="
                             "\"scheduled\"}") == 0);
    assert_true(value_of(&r,
                         "scheduler_scheduling_attempt_duration_seconds_count{profile=\"other\","
                         "result=\"unschedulable\"}") == 1);
    assert_true(
        value_of(&r, "scheduler_pod_scheduling_sli_duration_seconds_count{attempts=\"1\"}") == 1);
    assert_true(value_of(&r, "steelyard_reflector_skipped_total{resource=\"pods\"}") == 9);
    assert_true(value_of(&r, "steelyard_scheduling") == 1);
    assert_true(value_of(&r, "leader_election_master_status{name=\"l\"}") == 1);
    assert_true(value_of(&r, "leader_election_slowpath_total{name=\"l\"}") == 2);
    assert_true(value_of(&r, "steelyard_leader_term") == 3);
    assert_true(value_of(&r, "steelyard_writes_withheld_total") == 5);
    assert_true(value_of(&r, "process_resident_memory_bytes") > 100000);
    assert_true(value_of(&r, "process_open_fds") >= 3);
    assert_true(value_of(&r, "process_start_time_seconds") > 1e9);
    assert_true(value_of(&r, "steelyard_build_info{version=\"v1 \\\"x\\\" \\\\ \\n\","
                             "compiler=\"gcc\"}") == 1);
    assert_true(
        value_of(&r, "scheduler_scheduling_algorithm_duration_seconds_bucket{le=\"+Inf\"}") == 2);
    assert_true(value_of(&r, "steelyard_load_source_up{source=\"prom\"}") == 0);
    assert_true(value_of(&r, "steelyard_load_samples_total{result=\"absurd\",source=\"prom\"}") ==
                1);
    assert_true(value_of(&r, "steelyard_load_answers_total{result=\"ok\",source=\"prom\"}") == 5);
    assert_true(value_of(&r, "steelyard_load_metric_age_seconds{metric=\"cpu\",source=\"prom\"}") ==
                2.5);
    assert_true(value_of(&r, "steelyard_load_xid_nodes{source=\"prom\"}") == 3);
    assert_true(value_of(&r, "steelyard_load_nodes_without{metric=\"cpu\"}") == 0);
    assert_true(value_of(&r, "steelyard_load_nodes_without{metric=\"memory\"}") == 1);
    /* The node has no GPUs that could be measured. */
    assert_true(value_of(&r, "steelyard_load_nodes_without{metric=\"gpu\"}") == 0);
    parsed_done(&r);
    sy_buf_done(&out);
    sy_sched_free(sched);
    sy_strings_free(strings);
}

static void numbers_and_labels(void **state)
{
    struct sy_buf out;
    struct parsed r;
    struct sy_expo e = {.out = &out};

    (void)state;
    sy_buf_init(&out, 1 << 16);
    sy_expo_family(&e, "a", SY_EXPO_GAUGE, "back\\slash and\nnewline");
    sy_expo_f64(&e, 0.1, NULL);
    sy_expo_f64(&e, 1.0 / 3, "k", "third", NULL);
    sy_expo_f64(&e, NAN, "k", "nan", NULL);
    sy_expo_f64(&e, -INFINITY, "k", "inf", NULL);
    sy_expo_f64(&e, 123456789, "k", "long", NULL);
    sy_expo_u64(&e, UINT64_MAX, "k", "", "l", "\xff\xc3\xa9\xed\xa0\x80", NULL);
    assert_string_equal(out.p, "# HELP a back\\\\slash and\\nnewline\n"
                               "# TYPE a gauge\n"
                               "a 0.1\n"
                               "a{k=\"third\"} 0.33333333333333331\n"
                               "a{k=\"nan\"} NaN\n"
                               "a{k=\"inf\"} -Inf\n"
                               "a{k=\"long\"} 123456789\n"
                               "a{k=\"\",l=\"\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf"
                               "\xbd\"} 18446744073709551615\n");
    parse(&r, out.p);
    parsed_done(&r);
    sy_buf_done(&out);
}

static void histogram(void **state)
{
    struct sy_histogram h;
    struct sy_buf out;
    struct sy_expo e = {.out = &out};

    (void)state;
    sy_histogram_init(&h, 0.5, 2, 3);
    sy_histogram_add(&h, 0.5); /* a bound belongs to its own bucket */
    sy_histogram_add(&h, 1.5);
    sy_histogram_add(&h, 100);
    sy_buf_init(&out, 1 << 16);
    sy_expo_family(&e, "h", SY_EXPO_HISTOGRAM, "x");
    sy_expo_histogram(&e, &h, "r", "s", NULL);
    assert_string_equal(out.p, "# HELP h x\n"
                               "# TYPE h histogram\n"
                               "h_bucket{r=\"s\",le=\"0.5\"} 1\n"
                               "h_bucket{r=\"s\",le=\"1\"} 1\n"
                               "h_bucket{r=\"s\",le=\"2\"} 2\n"
                               "h_bucket{r=\"s\",le=\"+Inf\"} 3\n"
                               "h_sum{r=\"s\"} 102\n"
                               "h_count{r=\"s\"} 3\n");
    sy_buf_done(&out);
}

/* The writers go on after a failure and the caller learns of it. */
static void does_not_fit(void **state)
{
    struct sy_buf out;
    struct sy_expo e = {.out = &out};

    (void)state;
    sy_buf_init(&out, 10);
    sy_expo_family(&e, "name", SY_EXPO_GAUGE, "help");
    sy_expo_u64(&e, 1, NULL);
    assert_int_not_equal(out.failed, 0);
    sy_buf_done(&out);
}

static void health(void **state)
{
    struct sy_health_check checks[] = {{"a", true, NULL}, {"b", true, NULL}};
    struct sy_buf out;

    (void)state;
    sy_buf_init(&out, 4096);
    assert_int_equal(sy_health_write("readyz", checks, 2, false, &out), 200);
    assert_string_equal(out.p, "ok");
    sy_buf_reset(&out);
    assert_int_equal(sy_health_write("readyz", checks, 2, true, &out), 200);
    assert_string_equal(out.p, "[+]a ok\n[+]b ok\nreadyz check passed\n");
    sy_buf_reset(&out);
    checks[1] = (struct sy_health_check){"b", false, "not listed yet"};
    assert_int_equal(sy_health_write("readyz", checks, 2, false, &out), 503);
    assert_string_equal(out.p, "[+]a ok\n[-]b failed: not listed yet\nreadyz check failed\n");
    sy_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_exposition), cmocka_unit_test(numbers_and_labels),
        cmocka_unit_test(histogram),        cmocka_unit_test(does_not_fit),
        cmocka_unit_test(health),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
