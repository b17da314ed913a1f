/* SPDX-License-Identifier: Apache-2.0
 *
 * The feed of measured load against servers that are slow, wrong, gone or hostile: what is handed
 * on, what is left out and said, and that one question does not touch another. */
#include "fake_api.h"

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>

#include "base/mem.h"
#include "base/vec.h"
#include "load/load.h"

struct seen {
    char node[64];
    struct sy_load_sample sample;
};

static struct fake fake;
static struct fake_client client;
static struct sy_load_feed *feed;
static struct {
    SY_VEC(struct seen) samples;
    char states[4096];   /* "SOURCE/WHAT: down MESSAGE;" or "SOURCE/WHAT: up;" */
    char left_out[4096]; /* "SOURCE/WHAT: OUTCOME xCOUNT EXAMPLE;" */
    int64_t waits[64];
    unsigned rounds, failures, stop_at_rounds, stop_at_failures;
    enum sy_load_result result;
} seen;

static void append(char *to, size_t room, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void append(char *to, size_t room, const char *fmt, ...)
{
    size_t len = strlen(to);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(to + len, room - len, fmt, ap);
    va_end(ap);
}

static enum sy_load_result on_sample(void *arg, struct sy_str node,
                                     const struct sy_load_sample *sample)
{
    struct seen one = {.sample = *sample};

    (void)arg;
    snprintf(one.node, sizeof(one.node), SY_STR_FMT, SY_STR_ARG(node));
    sy_vec_push(&seen.samples, one);
    return seen.result;
}

static void on_samples(void *arg)
{
    (void)arg;
    if (++seen.rounds == seen.stop_at_rounds)
        sy_loop_stop(client.loop);
}

static void on_state(void *arg, const char *source, const char *what, const struct sy_err *err,
                     int64_t retry_in_ns)
{
    (void)arg;
    append(seen.states, sizeof(seen.states), "%s/%s: %s%s;", source, what, err ? "down " : "up",
           err ? err->msg : "");
    if (!err)
        return;
    seen.waits[seen.failures] = retry_in_ns;
    if (++seen.failures == seen.stop_at_failures)
        sy_loop_stop(client.loop);
}

static void on_left_out(void *arg, const char *source, const char *what, int outcome,
                        uint64_t count, const char *example)
{
    (void)arg;
    append(seen.left_out, sizeof(seen.left_out), "%s/%s: %d x%llu %s;", source, what, outcome,
           (unsigned long long)count, example);
}

/* ---- sources ---- */

static char url[64];

/* Prometheus with some of its queries: a mask of 1 << enum sy_load_metric. */
static struct sy_load_source prometheus(unsigned queries)
{
    struct sy_load_source s = {
        .name = "prom",
        .type = SY_LOAD_PROMETHEUS,
        .interval_ns = 20 * SY_NS_PER_MS,
        .timeout_ns = 5 * SY_NS_PER_S,
        .url = url,
        .join_label = "node",
        .join_by = SY_LOAD_BY_NAME,
    };

    for (unsigned i = 0; i < SY_LOAD_QUERIES; i++)
        s.queries[i].is_off = !(queries >> i & 1);
    return s;
}

static struct sy_load_source list(enum sy_load_type type)
{
    return (struct sy_load_source){
        .name = type == SY_LOAD_METRICS_API ? "api" : "koord",
        .type = type,
        .interval_ns = 20 * SY_NS_PER_MS,
        .timeout_ns = 5 * SY_NS_PER_S,
    };
}

static void begin_feed(fake_fn *fn)
{
    memset(&seen, 0, sizeof(seen));
    fake_start(&fake, fn, 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/prefix/", fake.port);
    fake_client_start(&client, fake.port, NULL, NULL);
}

static void make(const struct sy_load_source *sources, uint32_t len)
{
    struct sy_load_options options = {
        .loop = client.loop,
        .kube = client.k,
        .sources = sources,
        .sources_len = len,
        .seed = 1,
        .on_sample = on_sample,
        .on_samples = on_samples,
        .on_state = on_state,
        .on_left_out = on_left_out,
    };
    struct sy_err err = {0};

    if (sy_load_feed_new(&options, &feed, &err))
        fail_msg("%s", err.msg);
    sy_load_feed_start(feed);
}

static void run_rounds(unsigned rounds)
{
    seen.stop_at_rounds = seen.rounds + rounds;
    assert_true(fake_client_run(&client, 20));
}

static void run_failures(unsigned failures)
{
    seen.stop_at_failures = seen.failures + failures;
    assert_true(fake_client_run(&client, 20));
}

static void end_feed(void)
{
    sy_load_feed_free(feed);
    feed = NULL;
    fake_client_stop(&client);
    fake_stop(&fake);
    fake_free_log(&fake);
    sy_vec_done(&seen.samples);
}

static const struct sy_load_sample *sample_of(const char *node, enum sy_load_metric metric)
{
    for (size_t i = seen.samples.len; i--;) {
        if (strcmp(seen.samples.p[i].node, node) == 0 && seen.samples.p[i].sample.metric == metric)
            return &seen.samples.p[i].sample;
    }
    return NULL;
}

static uint64_t outcome(int which)
{
    struct sy_load_figures f;

    sy_load_feed_figures(feed, 0, &f);
    return f.outcomes[which];
}

static bool is_up(uint32_t source)
{
    struct sy_load_figures f;

    sy_load_feed_figures(feed, source, &f);
    return f.is_up;
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" lacks \"%s\"", text, part);
}

#define EVALUATED 1700000000.0
#define VECTOR    "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["

/* Answers with pairs of a label's value and a number, up to NULL. */
static bool reply_vector(int fd, const char *const *pairs)
{
    char body[8192] = VECTOR;

    for (size_t i = 0; pairs[i]; i += 2)
        append(body, sizeof(body), "%s{\"metric\":{\"node\":\"%s\"},\"value\":[%.3f,\"%s\"]}",
               i ? "," : "", pairs[i], EVALUATED, pairs[i + 1]);
    append(body, sizeof(body), "]}}");
    return fake_reply(fd, 200, "", body);
}
#define REPLY(fd, ...) reply_vector(fd, (const char *const[]){__VA_ARGS__, NULL})

static bool is_time(const char *body)
{
    return strstr(body, "timestamp") != NULL;
}

/* ---- Prometheus ---- */

static bool serve_all(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                      const char *head, const char *body)
{
    (void)f;
    (void)n;
    (void)head;
    if (strcmp(method, "POST") != 0 || strcmp(target, "/prefix/api/v1/query") != 0 ||
        strncmp(body, "query=", 6) != 0)
        return fake_reply(fd, 404, "", "404 page not found");
    if (strstr(body, "XID_ERRORS"))
        return REPLY(fd, "a", "79", "b", "0");
    if (is_time(body))
        return REPLY(fd, "a", "1699999990", "b:9100", "1699999700.5");
    if (strstr(body, "DCGM_FI_DEV_GPU_UTIL"))
        return REPLY(fd, "a", "90", "b:9100", "30");
    return REPLY(fd, "a", "0.5", "b:9100", "NaN");
}

static void test_prometheus_gives_samples(void **state)
{
    struct sy_load_source s = prometheus(1U << SY_LOAD_CPU | 1U << SY_LOAD_GPU | 1U << SY_LOAD_XID);

    (void)state;
    s.interval_ns = 60 * SY_NS_PER_S; /* each once */
    begin_feed(serve_all);
    make(&s, 1);
    sy_time_ns before = sy_clock_boot_ns();
    run_rounds(3);
    sy_time_ns after = sy_clock_boot_ns();

    const struct sy_load_sample *a = sample_of("a", SY_LOAD_CPU);
    assert_non_null(a);
    assert_true(a->is_share && a->value == 0.5);
    assert_int_equal(a->window_ns, 120 * SY_NS_PER_S);
    /* Ten seconds old on the server's clock, which is years from ours. */
    assert_in_range(a->at_ns + 10 * SY_NS_PER_S, before, after);
    const struct sy_load_sample *b = sample_of("b", SY_LOAD_CPU);
    assert_true(b && isnan(b->value));
    assert_in_range(b->at_ns + 299500 * SY_NS_PER_MS, before, after);
    assert_true(fabs(sample_of("a", SY_LOAD_GPU)->value - 0.9) < 1e-9);
    assert_true(sample_of("a", SY_LOAD_GPU)->is_share);
    struct sy_load_figures f;
    sy_load_feed_figures(feed, 0, &f);
    assert_string_equal(f.name, "prom");
    assert_true(f.is_up && f.has_xid);
    assert_int_equal(f.xid_nodes, 1);
    assert_int_equal(f.answers, 3);
    assert_int_equal(f.outcomes[SY_LOAD_TAKEN], 4);
    assert_true(f.has[SY_LOAD_CPU] && f.has[SY_LOAD_GPU] && !f.has[SY_LOAD_MEMORY]);
    assert_int_equal(f.at_ns[SY_LOAD_CPU], a->at_ns);
    assert_string_equal(seen.states, "");
    assert_string_equal(seen.left_out, "");
    end_feed();
}

static bool serve_amounts(struct fake *f, int fd, unsigned n, const char *method,
                          const char *target, const char *head, const char *body)
{
    (void)f;
    (void)n;
    (void)method;
    (void)target;
    if (!strstr(head, "Authorization: Bearer s3cret\r\n"))
        return fake_reply(fd, 401, "", "Unauthorized");
    if (is_time(body))
        return REPLY(fd, "a", "1700000030", "b", "1700000090");
    return REPLY(fd, "a", "2.5", "b", "1");
}

static void test_units_skew_and_token(void **state)
{
    struct sy_load_source s = prometheus(1U << SY_LOAD_CPU | 1U << SY_LOAD_MEMORY);
    char path[] = "/tmp/test_load_feed.XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_int_equal(write(fd, "s3cret\n", 7), 7);
    close(fd);
    s.bearer_token_file = path;
    s.queries[SY_LOAD_CPU].promql = s.queries[SY_LOAD_MEMORY].promql = "x";
    s.queries[SY_LOAD_CPU].unit = s.queries[SY_LOAD_MEMORY].unit = SY_LOAD_AMOUNT;
    begin_feed(serve_amounts);
    s.interval_ns = SY_NS_PER_S;
    make(&s, 1);
    sy_time_ns before = sy_clock_boot_ns();
    run_rounds(2);
    sy_time_ns after = sy_clock_boot_ns();
    const struct sy_load_sample *a = sample_of("a", SY_LOAD_CPU);
    assert_true(a && !a->is_share && a->value == 2500);
    assert_true(sample_of("a", SY_LOAD_MEMORY)->value == 2.5);
    /* Ahead by less than a window: now. By more: the core will say what it thinks of that. */
    assert_in_range(a->at_ns, before, after);
    assert_in_range(sample_of("b", SY_LOAD_CPU)->at_ns - 90 * SY_NS_PER_S, before, after);

    /* A file that is gone is a failure of the question, told without what was in it. */
    unlink(path);
    run_failures(1);
    assert_contains(seen.states, "bearerTokenFile");
    assert_null(strstr(seen.states, "s3cret"));
    end_feed();
}

static bool serve_odd(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                      const char *head, const char *body)
{
    (void)n;
    (void)method;
    (void)target;
    (void)head;
    if (is_time(body))
        return REPLY(fd, "a", "1700000000", "twice", "1700000000", "same", "1700000000", "odd",
                     "NaN", "same", "1699999999");
    if (atomic_load(&f->stage))
        return REPLY(fd, "a", "0.5");
    return REPLY(fd, "a", "0.5", "twice:9100", "0.1", "twice:9200", "0.2", "same", "0.3", "same:1",
                 "0.3", "odd", "0.4", "untimed", "0.4", "", "0.5", "x", "ten");
}

static void test_left_out_is_counted_and_said_once(void **state)
{
    struct sy_load_source s = prometheus(1U << SY_LOAD_CPU);

    (void)state;
    begin_feed(serve_odd);
    make(&s, 1);
    run_rounds(1);
    assert_int_equal(seen.samples.len, 2); /* a, same */
    assert_non_null(sample_of("same", SY_LOAD_CPU));
    assert_null(sample_of("twice", SY_LOAD_CPU));
    assert_int_equal(outcome(SY_LOAD_TAKEN), 2);
    assert_int_equal(outcome(SY_LOAD_DUPLICATE), 1);
    assert_int_equal(outcome(SY_LOAD_MALFORMED), 3); /* odd, untimed, x */
    assert_int_equal(outcome(SY_LOAD_UNJOINED), 1);  /* "" */
    assert_contains(seen.left_out, "twice by the label node");
    assert_contains(seen.left_out, "a series without the label node");
    size_t len = strlen(seen.left_out);
    run_rounds(2);
    assert_int_equal(strlen(seen.left_out), len);
    assert_int_equal(outcome(SY_LOAD_DUPLICATE), 3);
    /* Well for once, and wrong again: said again. */
    atomic_store(&fake.stage, 1);
    run_rounds(2);
    assert_int_equal(strlen(seen.left_out), len);
    atomic_store(&fake.stage, 0);
    run_rounds(2);
    assert_true(strlen(seen.left_out) > len);
    end_feed();
}

static void test_what_the_core_refuses_is_said(void **state)
{
    struct sy_load_source s = prometheus(1U << SY_LOAD_CPU);

    (void)state;
    begin_feed(serve_all);
    make(&s, 1);
    seen.result = SY_LOAD_ABSURD;
    run_rounds(1);
    assert_int_equal(outcome(SY_LOAD_ABSURD), 2);
    assert_contains(seen.left_out, "x2 a;");
    /* A young one that the core finds too old came before, perhaps from another source. */
    seen.result = SY_LOAD_STALE;
    run_rounds(1);
    assert_int_equal(outcome(SY_LOAD_SUPERSEDED), 2);
    assert_int_equal(outcome(SY_LOAD_STALE), 0);
    end_feed();
}

static bool serve_addresses(struct fake *f, int fd, unsigned n, const char *method,
                            const char *target, const char *head, const char *body)
{
    (void)f;
    (void)n;
    (void)method;
    (void)target;
    (void)head;
    if (is_time(body))
        return REPLY(fd, "10.0.0.1:9100", "1700000000");
    return REPLY(fd, "10.0.0.1:9100", "0.5", "10.0.0.9:9100", "0.5", "10.0.0.8:9100", "0.6");
}

static void test_joins_by_address(void **state)
{
    struct sy_load_source s = prometheus(1U << SY_LOAD_CPU);
    struct sy_str ip = SY_STR("10.0.0.1");

    (void)state;
    begin_feed(serve_addresses);
    make(&s, 1);
    assert_null(sy_load_feed_join(feed));
    sy_load_feed_free(feed);
    s.join_by = SY_LOAD_BY_INTERNAL_IP;
    make(&s, 1);
    sy_load_join_set(sy_load_feed_join(feed), SY_STR("n1"), &ip, 1, SY_STR("n1"));
    run_rounds(1);
    assert_int_equal(seen.samples.len, 1);
    assert_string_equal(seen.samples.p[0].node, "n1");
    assert_int_equal(outcome(SY_LOAD_UNJOINED), 2);
    assert_contains(seen.left_out, "x2 node=10.0.0.9:9100;");
    end_feed();
}

static bool serve_gpus(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                       const char *head, const char *body)
{
    (void)f;
    (void)n;
    (void)method;
    (void)target;
    (void)head;
    if (is_time(body))
        return REPLY(fd, "held", "1699999900", "empty", "1699999900", "busy", "1699999900", "fresh",
                     "1699999990");
    if (strstr(body, "FB_USED"))
        return REPLY(fd, "held", "0.8", "empty", "0.001", "busy", "0.8", "fresh", "0.8");
    return REPLY(fd, "held", "0", "empty", "0", "busy", "5", "fresh", "0");
}

static void test_old_idle_of_gpus_in_use_is_doubted(void **state)
{
    struct sy_load_source s = prometheus(1U << SY_LOAD_GPU | 1U << SY_LOAD_GPU_MEMORY);

    (void)state;
    begin_feed(serve_gpus);
    make(&s, 1);
    run_rounds(6); /* the memory's answer comes before the second of the others at the latest */
    seen.samples.len = 0;
    uint64_t doubted = outcome(SY_LOAD_DOUBTED);
    run_rounds(4);
    assert_true(outcome(SY_LOAD_DOUBTED) > doubted);
    assert_null(sample_of("held", SY_LOAD_GPU));
    assert_non_null(sample_of("empty", SY_LOAD_GPU));
    assert_non_null(sample_of("busy", SY_LOAD_GPU));
    assert_non_null(sample_of("fresh", SY_LOAD_GPU));
    assert_contains(seen.left_out, " held;");
    end_feed();
}

/* ---- failures ---- */

static bool serve_cpu_fails(struct fake *f, int fd, unsigned n, const char *method,
                            const char *target, const char *head, const char *body)
{
    if (strstr(body, "node_cpu") && !atomic_load(&f->stage))
        return fake_reply(
            fd, 422, "",
            "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"too many\"}");
    return serve_all(f, fd, n, method, target, head, body);
}

static void test_one_query_does_not_touch_another(void **state)
{
    struct sy_load_source s = prometheus(1U << SY_LOAD_CPU | 1U << SY_LOAD_MEMORY);

    (void)state;
    begin_feed(serve_cpu_fails);
    make(&s, 1);
    run_rounds(5);
    assert_non_null(sample_of("a", SY_LOAD_MEMORY));
    assert_null(sample_of("a", SY_LOAD_CPU));
    assert_string_equal(seen.states, "prom/cpu: down Prometheus says execution: too many;");
    assert_false(is_up(0));
    atomic_store(&fake.stage, 1);
    while (!is_up(0))
        run_rounds(1);
    assert_contains(seen.states, ";prom/cpu: up;");
    assert_non_null(sample_of("a", SY_LOAD_CPU));
    end_feed();
}

static bool serve_time_fails(struct fake *f, int fd, unsigned n, const char *method,
                             const char *target, const char *head, const char *body)
{
    if (is_time(body))
        return fake_reply(fd, 503, "Retry-After: 7\r\n", "<html>no backend</html>");
    return serve_all(f, fd, n, method, target, head, body);
}

static void test_a_value_without_a_time_is_none(void **state)
{
    struct sy_load_source s = prometheus(1U << SY_LOAD_CPU);

    (void)state;
    begin_feed(serve_time_fails);
    make(&s, 1);
    run_failures(1);
    assert_int_equal(seen.samples.len, 0);
    assert_contains(seen.states, "when it was measured: the server answers HTTP 503");
    assert_int_equal(seen.waits[0], 7 * SY_NS_PER_S);
    end_feed();
}

static bool serve_by_stage(struct fake *f, int fd, unsigned n, const char *method,
                           const char *target, const char *head, const char *body)
{
    (void)n;
    (void)method;
    (void)target;
    (void)head;
    (void)body;
    switch (atomic_load(&f->stage)) {
    case 0:
        return fake_reply(fd, 200, "", "<html>a login page</html>");
    case 1:
        return fake_reply(fd, 302, "Location: /login\r\n", "");
    case 2:
        return fake_reply(fd, 404, "", "");
    case 3:
        return fake_reply(fd, 403, "", "{\"status\":");
    case 4:
        fake_hold(fd);
        return false;
    default:
        return false; /* closes */
    }
}

static void test_servers_that_are_none(void **state)
{
    static const char *const SAYS[] = {"no JSON object",    "redirects are not followed",
                                       "HTTP 404; see url", "HTTP 403; see bearerTokenFile",
                                       "/api/v1/query",     "/api/v1/query"};
    struct sy_load_source s = prometheus(1U << SY_LOAD_CPU);

    (void)state;
    s.timeout_ns = 300 * SY_NS_PER_MS;
    for (int stage = 0; stage < (int)SY_ARRAY_LEN(SAYS); stage++) {
        begin_feed(serve_by_stage);
        atomic_store(&fake.stage, stage);
        make(&s, 1);
        run_failures(1);
        assert_contains(seen.states, SAYS[stage]);
        assert_false(is_up(0));
        assert_int_equal(seen.samples.len, 0);
        end_feed();
    }
}

static unsigned failures_of(uint32_t source)
{
    struct sy_load_figures f;

    sy_load_feed_figures(feed, source, &f);
    return (unsigned)f.failures;
}

static void on_poke(void *arg)
{
    struct sy_timer **t = arg;

    if (failures_of(0) >= 4)
        sy_loop_stop(client.loop);
    else
        sy_timer_arm(*t, 10 * SY_NS_PER_MS);
}

static void test_a_dead_server_is_said_once(void **state)
{
    struct sy_load_source s = prometheus(1U << SY_LOAD_CPU);
    struct sy_timer *poke;

    (void)state;
    begin_feed(serve_all);
    snprintf(url, sizeof(url), "http://127.0.0.1:1");
    make(&s, 1);
    poke = sy_timer_new(client.loop, on_poke, &poke);
    sy_timer_arm(poke, 0);
    assert_true(fake_client_run(&client, 20));
    assert_int_equal(seen.failures, 1);
    assert_true(seen.waits[0] >= 10 * SY_NS_PER_MS && seen.waits[0] <= 20 * SY_NS_PER_MS);
    assert_int_equal(seen.rounds, 0);
    sy_timer_free(poke);
    end_feed();
}

static void test_free_in_flight(void **state)
{
    struct sy_load_source s[] = {prometheus(1U << SY_LOAD_CPU), list(SY_LOAD_METRICS_API),
                                 list(SY_LOAD_NODEMETRIC)};
    struct sy_timer *stop;

    (void)state;
    begin_feed(serve_by_stage);
    atomic_store(&fake.stage, 4);
    make(s, 3);
    stop = sy_timer_new(client.loop, (sy_timer_fn *)sy_loop_stop, client.loop);
    sy_timer_arm(stop, 100 * SY_NS_PER_MS);
    assert_true(fake_client_run(&client, 20));
    sy_timer_free(stop);
    end_feed();
    assert_int_equal(seen.rounds + seen.failures, 0);
}

/* ---- lists of the API server ---- */

#define ITEM(name, at, cpu)                                                                        \
    "{\"metadata\":{\"name\":\"" name "\"},\"timestamp\":\"%s\",\"window\":\"10s\","               \
    "\"usage\":{\"cpu\":\"" cpu "\",\"memory\":\"1Gi\"}}"

static bool serve_list(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                       const char *head, const char *body)
{
    char now[SY_RFC3339_MAX], text[2048];

    (void)n;
    (void)method;
    (void)head;
    (void)body;
    if (strcmp(target, "/apis/metrics.k8s.io/v1beta1/nodes") != 0)
        return fake_reply(fd, 404, "", "{}");
    if (atomic_load(&f->stage) == 1)
        return fake_reply(fd, 503, "", "service unavailable");
    sy_rfc3339_format(sy_clock_wall_ns() - 5 * SY_NS_PER_S, 1, now);
    snprintf(text, sizeof(text),
             "{\"kind\":\"NodeMetricsList\",\"items\":[" ITEM("a", "%s", "1500m") ",{}," ITEM(
                 "b", "%s", "much") "%s",
             now, now, atomic_load(&f->stage) == 2 ? "" : "]}");
    return fake_reply(fd, 200, "", text);
}

static void test_metrics_api(void **state)
{
    struct sy_load_source s = list(SY_LOAD_METRICS_API);

    (void)state;
    begin_feed(serve_list);
    make(&s, 1);
    sy_time_ns before = sy_clock_boot_ns();
    run_rounds(1);
    sy_time_ns after = sy_clock_boot_ns();
    assert_int_equal(seen.samples.len, 3); /* b's cpu cannot be read, its memory can */
    const struct sy_load_sample *a = sample_of("a", SY_LOAD_CPU);
    assert_true(!a->is_share && a->value == 1500);
    assert_int_equal(a->window_ns, 10 * SY_NS_PER_S);
    assert_in_range(a->at_ns + 5001 * SY_NS_PER_MS, before, after + SY_NS_PER_S);
    assert_true(sample_of("b", SY_LOAD_MEMORY)->value == 1 << 30);
    assert_int_equal(outcome(SY_LOAD_MALFORMED), 2);
    assert_true(is_up(0));
    atomic_store(&fake.stage, 1);
    run_failures(1);
    assert_contains(seen.states, "api/nodes: down");
    assert_false(is_up(0));
    atomic_store(&fake.stage, 0);
    run_rounds(1);
    assert_contains(seen.states, ";api/nodes: up;");
    /* What came before the break is good. */
    seen.samples.len = 0;
    atomic_store(&fake.stage, 2);
    run_failures(1);
    assert_non_null(sample_of("a", SY_LOAD_CPU));
    assert_false(is_up(0));
    end_feed();
}

static bool serve_pages(struct fake *f, int fd, unsigned n, const char *method, const char *target,
                        const char *head, const char *body)
{
    static const char PATH[] = "/apis/slo.koordinator.sh/v1alpha1/nodemetrics?limit=250";
    char now[SY_RFC3339_MAX];
    bool is_second = strcmp(target + sizeof(PATH) - 1, "&continue=a%2Bb%3D") == 0;
    char text[2048];

    (void)f;
    (void)n;
    (void)method;
    (void)head;
    (void)body;
    if (strncmp(target, PATH, sizeof(PATH) - 1) != 0 || (!is_second && target[sizeof(PATH) - 1]))
        return fake_reply(fd, 400, "", "{}");
    sy_rfc3339_format(sy_clock_wall_ns(), 0, now);
    snprintf(text, sizeof(text),
             "{\"metadata\":{\"continue\":\"%s\"},\"items\":[{\"metadata\":{\"name\":\"%s\"},"
             "\"status\":{\"updateTime\":\"%s\",\"nodeMetric\":{\"nodeUsage\":{\"resources\":{"
             "\"cpu\":\"2\"}}}}}]}",
             is_second ? "" : "a+b=", is_second ? "second" : "first", now);
    return fake_reply(fd, 200, "", text);
}

static void test_nodemetrics_in_pages(void **state)
{
    struct sy_load_source s = list(SY_LOAD_NODEMETRIC);

    (void)state;
    begin_feed(serve_pages);
    make(&s, 1);
    run_rounds(1);
    assert_int_equal(seen.samples.len, 2);
    assert_true(sample_of("first", SY_LOAD_CPU)->value == 2000);
    assert_int_equal(sample_of("second", SY_LOAD_CPU)->window_ns, 300 * SY_NS_PER_S);
    assert_true(is_up(0));
    end_feed();
}

static void test_ca_file_that_is_none(void **state)
{
    struct sy_load_source s = prometheus(1U << SY_LOAD_CPU);
    struct sy_load_options options = {.sources = &s, .sources_len = 1};
    struct sy_err err = {0};

    (void)state;
    begin_feed(serve_all);
    options.loop = client.loop;
    s.ca_file = "/nonexistent/ca.crt";
    assert_int_equal(sy_load_feed_new(&options, &feed, &err), -ENOENT);
    assert_contains(err.msg, "load source prom: caFile");
    end_feed();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prometheus_gives_samples),
        cmocka_unit_test(test_units_skew_and_token),
        cmocka_unit_test(test_left_out_is_counted_and_said_once),
        cmocka_unit_test(test_what_the_core_refuses_is_said),
        cmocka_unit_test(test_joins_by_address),
        cmocka_unit_test(test_old_idle_of_gpus_in_use_is_doubted),
        cmocka_unit_test(test_one_query_does_not_touch_another),
        cmocka_unit_test(test_a_value_without_a_time_is_none),
        cmocka_unit_test(test_servers_that_are_none),
        cmocka_unit_test(test_a_dead_server_is_said_once),
        cmocka_unit_test(test_free_in_flight),
        cmocka_unit_test(test_metrics_api),
        cmocka_unit_test(test_nodemetrics_in_pages),
        cmocka_unit_test(test_ca_file_that_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
