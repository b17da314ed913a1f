/* SPDX-License-Identifier: Apache-2.0
 *
 * What one pod can cost that was made to cost: each is about as large as an API server takes (1.5
 * MB), on 1,000 nodes with 10 ordinary pods each. Milliseconds of processor: to read it, for its
 * scheduling cycle, for the same after a change of one node, and for the cycle of an ordinary pod
 * beside 10 such that wait. Without arguments all; else those named. */

/* The folder is also a Go package, which is not to take this file in. */
/* clang-format off */
//go:build ignore
/* clang-format on */

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "kube/decode.h"
#include "sched/inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NODES = 1000, PODS = 10000, HOSTILE = 10, TEXT_MAX = 8 << 20 };

struct world {
    struct sy_strings *strings;
    struct sy_sched *sched;
    struct sy_decode decode;
    struct sy_buf text;
    SY_VEC(uint64_t) tickets;
    sy_time_ns now;
    int64_t decode_ns, input_ns;
};

static int64_t cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * SY_NS_PER_S + t.tv_nsec;
}

static double ms(int64_t ns)
{
    return (double)ns / 1e6;
}

static void die(const char *what)
{
    fprintf(stderr, "bench_hostile: %s\n", what);
    exit(1);
}

static void hear(void *arg, const struct sy_decision *d)
{
    struct world *w = arg;

    if (d->kind == SY_DECIDE_BIND)
        sy_vec_push(&w->tickets, d->ticket);
}

static void put_node(struct world *w, uint32_t n, bool is_changed)
{
    struct sy_node node;

    sy_buf_reset(&w->text);
    sy_buf_addf(&w->text,
                "{\"metadata\":{\"name\":\"node-%05u\",\"uid\":\"n-%u\",\"labels\":{%s"
                "\"kubernetes.io/hostname\":\"node-%05u\",\"topology.kubernetes.io/zone\":"
                "\"zone-%u\"}},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}"
                "],\"allocatable\":{\"cpu\":\"64\",\"memory\":\"512Gi\",\"pods\":\"110\"}}}",
                n, n, is_changed ? "\"changed\":\"x\"," : "", n, n % 3);
    sy_arena_reset(&w->decode.arena);
    if (sy_decode_node(&w->decode, SY_ENCODING_JSON, sy_buf_str(&w->text), &node, NULL) < 0 ||
        sy_sched_node(w->sched, &node, w->now) < 0)
        die("a node was refused");
}

/* What is in w->text. */
static void put_pod(struct world *w)
{
    struct sy_pod pod;
    int64_t began = cpu();

    sy_arena_reset(&w->decode.arena);
    if (w->text.failed ||
        sy_decode_pod(&w->decode, SY_ENCODING_JSON, sy_buf_str(&w->text), &pod, NULL) < 0)
        die("a pod cannot be decoded");
    w->decode_ns += cpu() - began;
    began = cpu();
    if (sy_sched_pod(w->sched, &pod, w->now) < 0)
        die("a pod was refused");
    w->input_ns += cpu() - began;
}

static void begin_pod(struct world *w, const char *group, uint32_t i, const char *labels)
{
    sy_buf_reset(&w->text);
    sy_buf_addf(&w->text,
                "{\"metadata\":{\"name\":\"%s-%u\",\"namespace\":\"default\",\"uid\":\"%s-%u\","
                "\"labels\":{\"app\":\"%s\"%s}},\"status\":{\"phase\":\"Pending\"},\"spec\":{"
                "\"schedulerName\":\"steelyard\",",
                group, i, group, i, group, labels);
}

static void end_pod(struct world *w, const char *more)
{
    sy_buf_addf(&w->text,
                "\"containers\":[{\"name\":\"c\",\"image\":\"x\",\"resources\":{\"requests\":{"
                "\"cpu\":\"100m\"}}}]%s}}",
                more);
    put_pod(w);
}

static int64_t run(struct world *w)
{
    int64_t began = cpu();

    sy_sched_run(w->sched, true, 0, w->now);
    began = cpu() - began;
    for (size_t i = 0; i < w->tickets.len; i++)
        sy_sched_bind_result(w->sched, w->tickets.p[i], SY_BIND_RESULT_OK, NULL, w->now);
    w->tickets.len = 0;
    return began;
}

typedef void write_fn(struct sy_buf *b, uint32_t i);

static void list(struct world *w, const char *before, uint32_t n, write_fn *fn, const char *after)
{
    sy_buf_adds(&w->text, before);
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            sy_buf_addc(&w->text, ',');
        fn(&w->text, i);
    }
    sy_buf_adds(&w->text, after);
}

static void label(struct sy_buf *b, uint32_t i)
{
    sy_buf_addf(b, "\"l%u\":\"v%u\"", i, i);
}
static void node_term(struct sy_buf *b, uint32_t i)
{
    sy_buf_addf(
        b,
        "{\"matchExpressions\":[{\"key\":\"topology.kubernetes.io/zone\",\"operator\":\"In\","
        "\"values\":[\"no-%u\"]}]}",
        i);
}
static void node_term_glob(struct sy_buf *b, uint32_t i)
{
    sy_buf_addf(
        b,
        "{\"weight\":1,\"preference\":{\"matchExpressions\":[{\"key\":\"kubernetes.io/hostname\","
        "\"operator\":\"NotIn\",\"values\":[\"no-%u\"]}]}}",
        i);
}
static void value(struct sy_buf *b, uint32_t i)
{
    sy_buf_addf(b, "\"value-%u\"", i);
}
static void pod_term(struct sy_buf *b, uint32_t i)
{
    sy_buf_addf(
        b,
        "{\"topologyKey\":\"kubernetes.io/hostname\",\"labelSelector\":{\"matchExpressions\":[{"
        "\"key\":\"app\",\"operator\":\"NotIn\",\"values\":[\"x%u\"]}]}}",
        i);
}
static void pod_term_anti(struct sy_buf *b, uint32_t i)
{
    sy_buf_addf(b,
                "{\"topologyKey\":\"kubernetes.io/hostname\",\"labelSelector\":{\"matchLabels\":{"
                "\"app\":\"x%u\"}}}",
                i);
}
static void pod_term_weighted(struct sy_buf *b, uint32_t i)
{
    sy_buf_adds(b, "{\"weight\":1,\"podAffinityTerm\":");
    pod_term(b, i);
    sy_buf_addc(b, '}');
}
static void spread(struct sy_buf *b, uint32_t i)
{
    sy_buf_addf(b,
                "{\"maxSkew\":1,\"topologyKey\":\"%s%u\",\"whenUnsatisfiable\":\"ScheduleAnyway\","
                "\"labelSelector\":{\"matchLabels\":{\"app\":\"x%u\"}}}",
                i & 1 ? "k" : "topology.kubernetes.io/", i, i);
}
/* The API server takes a key once only. */
static void spread_hard(struct sy_buf *b, uint32_t i)
{
    sy_buf_addf(b,
                "{\"maxSkew\":1,\"topologyKey\":\"k%u\",\"whenUnsatisfiable\":\"DoNotSchedule\","
                "\"labelSelector\":{\"matchLabels\":{\"app\":\"x%u\"}}}",
                i, i);
}
static void toleration(struct sy_buf *b, uint32_t i)
{
    sy_buf_addf(b, "{\"key\":\"k%u\",\"operator\":\"Exists\"}", i);
}
static void port(struct sy_buf *b, uint32_t i)
{
    sy_buf_addf(b, "{\"containerPort\":1,\"hostPort\":%u}", i % 65000 + 1);
}
static void resource(struct sy_buf *b, uint32_t i)
{
    sy_buf_addf(b, "\"example.com/r%u\":\"1\"", i);
}
static void container(struct sy_buf *b, uint32_t i)
{
    sy_buf_addf(b,
                "{\"name\":\"c%u\",\"image\":\"registry/"
                "x%u\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}",
                i, i);
}
static void volume(struct sy_buf *b, uint32_t i)
{
    sy_buf_addf(b, "{\"name\":\"v%u\",\"persistentVolumeClaim\":{\"claimName\":\"c%u\"}}", i, i);
}
static void claim(struct sy_buf *b, uint32_t i)
{
    sy_buf_addf(b, "{\"name\":\"v%u\",\"resourceClaimName\":\"c%u\"}", i, i);
}
#define PODS_BY(kind, when)                                                                        \
    "\"affinity\":{\"" kind "\":{\"" when "DuringSchedulingIgnoredDuringExecution\":["

static const struct kind {
    const char *name;
    const char *before;
    uint32_t count;
    write_fn *fn;
    const char *after;
} KINDS[] = {
    {"node-terms",
     "\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"
     "\"nodeSelectorTerms\":[",
     10000, node_term, "]}}},"},
    {"node-preferred", PODS_BY("nodeAffinity", "preferred"), 10000, node_term_glob, "]}},"},
    {"node-values",
     "\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"
     "\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"kubernetes.io/"
     "hostname\",\"operator\":\"In\",\"values\":[",
     100000, value, "]}]}]}}},"},
    {"pod-affinity", PODS_BY("podAffinity", "required"), 10000, pod_term, "]}},"},
    {"pod-anti-affinity", PODS_BY("podAntiAffinity", "required"), 10000, pod_term_anti, "]}},"},
    {"pod-preferred", PODS_BY("podAntiAffinity", "preferred"), 10000, pod_term_weighted, "]}},"},
    {"spread-soft", "\"topologySpreadConstraints\":[", 10000, spread, "],"},
    {"spread-hard", "\"topologySpreadConstraints\":[", 10000, spread_hard, "],"},
    {"tolerations", "\"tolerations\":[", 30000, toleration, "],"},
    {"node-selector", "\"nodeSelector\":{", 50000, label, "},"},
    {"host-ports", "\"initContainers\":[{\"name\":\"i\",\"restartPolicy\":\"Always\",\"ports\":[",
     30000, port, "]}],"},
    {"resources", "\"initContainers\":[{\"name\":\"i\",\"resources\":{\"requests\":{", 30000,
     resource, "}}}],"},
    {"containers", "\"initContainers\":[", 15000, container, "],"},
    {"volumes", "\"volumes\":[", 20000, volume, "],"},
    {"claims", "\"resourceClaims\":[", 20000, claim, "],"},
    {"labels", NULL, 50000, label, ""},
};

static void put_hostile(struct world *w, const struct kind *k, uint32_t i)
{
    if (k->before) {
        begin_pod(w, "hostile", i, "");
        list(w, k->before, k->count, k->fn, k->after);
    } else {
        sy_buf_reset(&w->text);
        sy_buf_addf(&w->text,
                    "{\"metadata\":{\"name\":\"hostile-%u\",\"namespace\":\"default\",\"uid\":"
                    "\"hostile-%u\",\"labels\":{",
                    i, i);
        list(w, "", k->count, k->fn, "");
        sy_buf_adds(&w->text, "}},\"spec\":{\"schedulerName\":\"steelyard\",");
    }
    /* No two are equal, or they would share what is found out. */
    char more[64];
    snprintf(more, sizeof(more), ",\"priority\":%u", i + 1);
    end_pod(w, more);
}

static void bench(const struct kind *k)
{
    static const uint64_t KEY[2] = {3, 4};
    struct world w = {0};
    struct sy_profile profile;

    w.strings = sy_strings_new(KEY);
    sy_profile_default(&profile, "steelyard");
    struct sy_sched_options options = {
        .profiles = &profile, .profiles_len = 1, .clock = sy_clock_boot_ns};
    w.sched = sy_sched_new(w.strings, &options, hear, &w);
    sy_decode_init(&w.decode, w.strings, 64 << 20);
    sy_buf_init(&w.text, TEXT_MAX);
    w.now = SY_NS_PER_S;
    for (uint32_t n = 0; n < NODES; n++)
        put_node(&w, n, false);
    for (uint32_t i = 0; i < PODS; i++) {
        begin_pod(&w, "ordinary", i, "");
        end_pod(&w, "");
        run(&w);
    }
    begin_pod(&w, "before", 0, "");
    end_pod(&w, "");
    int64_t plain = run(&w);

    w.decode_ns = w.input_ns = 0;
    put_hostile(&w, k, 0);
    size_t bytes = w.text.len;
    int64_t decode = w.decode_ns, input = w.input_ns;
    int64_t cycle = run(&w);
    const struct sy_sched_stats *stats = sy_sched_stats(w.sched);
    const char *end = stats->costly_refused  ? "refused"
                      : stats->unschedulable ? "waits"
                      : stats->backoff       ? "turns"
                                             : "bound";
    put_node(&w, 7, true);
    w.now += SY_NS_PER_S;
    int64_t change = run(&w);
    for (uint32_t i = 1; i < HOSTILE; i++) {
        put_hostile(&w, k, i);
        w.now += SY_NS_PER_S;
        run(&w);
    }
    int64_t most = 0, input_most = 0;
    for (uint32_t i = 0; i < 20; i++) {
        w.input_ns = w.decode_ns = 0;
        begin_pod(&w, "after", i, i & 1 ? ",\"odd\":\"x\"" : "");
        end_pod(&w, "");
        w.now += 10 * SY_NS_PER_MS;
        int64_t took = run(&w);
        most = took > most ? took : most;
        input_most = w.input_ns > input_most ? w.input_ns : input_most;
    }
    int64_t began = cpu();
    w.now += 40 * SY_NS_PER_S; /* the sweep looks at all that wait */
    run(&w);
    int64_t swept = cpu() - began;
    printf("%-18s %7.2f MB %-7s decode %8.2f input %8.2f cycle %8.2f node change %8.2f | ordinary "
           "%6.2f, "
           "beside %d hostile %8.2f + %6.2f, sweep %8.2f\n",
           k->name, (double)bytes / 1e6, end, ms(decode), ms(input), ms(cycle), ms(change),
           ms(plain), HOSTILE, ms(most), ms(input_most), ms(swept));
    fflush(stdout);
    sy_vec_done(&w.tickets);
    sy_buf_done(&w.text);
    sy_decode_done(&w.decode);
    sy_sched_free(w.sched);
    sy_strings_free(w.strings);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(KINDS); i++) {
        bool is_wanted = argc < 2;
        for (int n = 1; n < argc; n++)
            is_wanted |= strcmp(argv[n], KINDS[i].name) == 0;
        if (is_wanted)
            bench(&KINDS[i]);
    }
    return 0;
}
