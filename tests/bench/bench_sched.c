/* SPDX-License-Identifier: Apache-2.0
 *
 * What the core alone costs for the shapes of scheduler_perf that `build/bench` measures on an API
 * server (perf.go has them): 5,000 nodes, no I/O, each pod as the watch would bring it: pending,
 * then, once its binding was answered, bound. Without arguments all; else those named. */

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

enum { NODES = 5000, PODS = 2000, TEXT_MAX = 8192, DELETIONS_PER_POD = 3, DEVICES_PER_NODE = 10 };

#define DRIVER "test-driver.cdi.k8s.io"

struct bind {
    uint64_t ticket;
    uint32_t pod;
    char node[32];
};

/* A claim as the API server has it after a write that was asked for. */
struct write {
    uint64_t ticket;
    uint32_t pod;
    bool is_allocated;
    bool is_reserved;
    char node[32];
    char device[32];
};

struct world {
    struct sy_strings *strings;
    struct sy_sched *sched;
    struct sy_decode decode;
    SY_VEC(struct bind) binds;
    SY_VEC(struct write) writes;
    SY_VEC(char *) victims; /* UIDs, in order */
    size_t deleted;         /* of these */
    sy_time_ns now;
    int64_t cpu_ns; /* inside the scheduler while pods are measured */
    char text[TEXT_MAX];
};

static int64_t cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * SY_NS_PER_S + t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "bench_sched: %s\n", what);
    exit(1);
}

static SY_PRINTF(2, 3) struct sy_str format(struct world *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(w->text, sizeof(w->text), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(w->text))
        die("an object is too long");
    return (struct sy_str){w->text, (size_t)n};
}

static void hear(void *arg, const struct sy_decision *d)
{
    struct world *w = arg;

    if (d->kind == SY_DECIDE_BIND) {
        struct bind b = {.ticket = d->ticket};
        if (sscanf(d->name, "pod-%u", &b.pod) != 1)
            die("a pod is bound that is not measured");
        snprintf(b.node, sizeof(b.node), "%s", d->node);
        sy_vec_push(&w->binds, b);
    } else if (d->kind == SY_DECIDE_CLAIM) {
        const struct sy_device_allocation *a = d->claim->allocation;
        struct write write = {.ticket = d->ticket, .is_allocated = a != NULL};
        if (sscanf(d->claim->name, "pod-%u", &write.pod) != 1)
            die("a claim is written that is not measured");
        if (a) {
            write.is_reserved = true;
            snprintf(write.node, sizeof(write.node), "%s",
                     sy_strings_getz(w->strings, a->grants[0].result.pool));
            snprintf(write.device, sizeof(write.device), "%s",
                     sy_strings_getz(w->strings, a->grants[0].result.device));
        }
        sy_vec_push(&w->writes, write);
    } else if (d->kind == SY_DECIDE_EVICT) {
        sy_vec_push(&w->victims, sy_xstrdup(d->uid));
    }
}

static void put_node(struct world *w, uint32_t n)
{
    struct sy_node node;
    struct sy_str json = format(
        w,
        "{\"metadata\":{\"name\":\"node-%05u\",\"uid\":\"n-%u\",\"labels\":{"
        "\"kubernetes.io/hostname\":\"node-%05u\",\"topology.kubernetes.io/zone\":\"zone-%u\"}},"
        "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}],"
        "\"allocatable\":{\"cpu\":\"64\",\"memory\":\"512Gi\",\"pods\":\"110\"%s}}}",
        n, n, n, n % 3, n % 5 ? "" : ",\"nvidia.com/gpu\":\"8\"");

    sy_arena_reset(&w->decode.arena);
    if (sy_decode_node(&w->decode, SY_ENCODING_JSON, json, &node, NULL) < 0 ||
        sy_sched_node(w->sched, &node, w->now) < 0)
        die("a node was refused");
}

/* Part of a pod's spec that makes the shape, and its labels. */
struct shape {
    const char *name;
    uint32_t initial;
    const char *initial_spec; /* NULL: as spec */
    const char *spec;
    const char *labels;
    const char *cpu;
    int priority;
    bool has_volume;
    bool has_devices;
    bool has_churn;
};

static void put_pod(struct world *w, const struct shape *sh, const char *run, uint32_t i,
                    const char *spec, const char *cpu_amount, int priority, const char *node)
{
    struct sy_pod pod;
    struct sy_str json = format(
        w,
        "{\"metadata\":{\"name\":\"%s-%u\",\"namespace\":\"default\",\"uid\":\"uid-%s-%u\","
        "\"labels\":{\"app\":\"bench\",\"run\":\"%s\"%s}},\"status\":{\"phase\":\"Pending\"},"
        "\"spec\":{\"schedulerName\":\"steelyard\",\"priority\":%d,%s%s%s%s\"containers\":[{"
        "\"name\":\"c\",\"image\":\"registry.k8s.io/pause:3.10.2\",\"resources\":{\"requests\":"
        "{\"cpu\":\"%s\",\"memory\":\"500Mi\"}}}],\"tolerations\":[{\"key\":"
        "\"node.kubernetes.io/not-ready\",\"operator\":\"Exists\",\"effect\":\"NoExecute\","
        "\"tolerationSeconds\":300}]}}",
        run, i, run, i, run, sh->labels, priority, *node ? "\"nodeName\":\"" : "", node,
        *node ? "\"," : "", spec, cpu_amount);

    sy_arena_reset(&w->decode.arena);
    if (sy_decode_pod(&w->decode, SY_ENCODING_JSON, json, &pod, NULL) < 0)
        die("a pod can not be decoded");
    int64_t began = cpu();
    if (sy_sched_pod(w->sched, &pod, w->now) < 0)
        die("a pod was refused");
    w->cpu_ns += cpu() - began;
}

static void put_storage(struct world *w, enum sy_storage_kind kind, struct sy_str json)
{
    union sy_storage_object object;

    sy_arena_reset(&w->decode.arena);
    if (sy_decode_storage(&w->decode, kind, SY_ENCODING_JSON, json, &object, NULL) < 0 ||
        sy_sched_storage(w->sched, kind, &object) < 0)
        die("an object of storage was refused");
}

static void put_volume(struct world *w, const char *run, uint32_t i)
{
    put_storage(w, SY_STORAGE_VOLUME,
                format(w,
                       "{\"metadata\":{\"name\":\"%s-%u\",\"uid\":\"v-%s-%u\"},\"spec\":{"
                       "\"capacity\":{\"storage\":\"1Gi\"},\"accessModes\":[\"ReadOnlyMany\"],"
                       "\"csi\":{\"driver\":\"ebs.csi.aws.com\",\"volumeHandle\":\"%s-%u\"},"
                       "\"claimRef\":{\"namespace\":\"default\",\"name\":\"%s-%u\"}}}",
                       run, i, run, i, run, i, run, i));
    put_storage(w, SY_STORAGE_CLAIM,
                format(w,
                       "{\"metadata\":{\"name\":\"%s-%u\",\"namespace\":\"default\",\"uid\":"
                       "\"c-%s-%u\",\"annotations\":{\"pv.kubernetes.io/bind-completed\":"
                       "\"true\"}},\"spec\":{\"accessModes\":[\"ReadOnlyMany\"],\"resources\":{"
                       "\"requests\":{\"storage\":\"1Gi\"}},\"volumeName\":\"%s-%u\"}}",
                       run, i, run, i, run, i));
}

static void put_devices(struct world *w, uint32_t node)
{
    union sy_devices_object object;
    struct sy_buf text;

    sy_buf_init(&text, TEXT_MAX);
    sy_buf_addf(
        &text,
        "{\"metadata\":{\"name\":\"node-%05u\",\"resourceVersion\":\"1\"},\"spec\":{\"driver\":"
        "\"" DRIVER "\",\"nodeName\":\"node-%05u\",\"pool\":{\"name\":\"node-%05u\","
        "\"generation\":1,\"resourceSliceCount\":1},\"devices\":[",
        node, node, node);
    for (uint32_t i = 0; i < DEVICES_PER_NODE; i++)
        sy_buf_addf(&text,
                    "%s{\"name\":\"device-%u\",\"attributes\":{\"model\":{\"string\":\"B60\"},"
                    "\"driverVersion\":{\"version\":\"1.2.3\"},\"sriov\":{\"bool\":true}},"
                    "\"capacity\":{\"memory\":{\"value\":\"24480Mi\"}}}",
                    i ? "," : "", i);
    sy_buf_adds(&text, "]}}");
    sy_arena_reset(&w->decode.arena);
    if (sy_decode_devices(&w->decode, SY_DEVICES_SLICE, SY_ENCODING_JSON, sy_buf_str(&text),
                          &object, NULL) < 0 ||
        sy_sched_devices(w->sched, SY_DEVICES_SLICE, &object) < 0)
        die("a slice was refused");
    sy_buf_done(&text);
}

static void put_class(struct world *w)
{
    union sy_devices_object object;
    struct sy_str json =
        format(w, "{\"metadata\":{\"name\":\"test-class\"},\"spec\":{\"selectors\":[{"
                  "\"cel\":{\"expression\":\"device.driver == \\\"" DRIVER "\\\"\"}}]}}");

    sy_arena_reset(&w->decode.arena);
    if (sy_decode_devices(&w->decode, SY_DEVICES_CLASS, SY_ENCODING_JSON, json, &object, NULL) <
            0 ||
        sy_sched_devices(w->sched, SY_DEVICES_CLASS, &object) < 0)
        die("a class was refused");
}

/* The claim of a pod; in the state that a write has left it in, unless that is NULL. */
static void decode_claim(struct world *w, uint32_t i, const struct write *write,
                         union sy_devices_object *ret)
{
    char status[1024] = "";

    if (write && write->is_allocated)
        snprintf(
            status, sizeof(status),
            "\"allocation\":{\"devices\":{\"results\":[{\"request\":\"req-0\",\"driver\":\"" DRIVER
            "\",\"pool\":\"%s\",\"device\":\"%s\"}]},\"nodeSelector\":{\"nodeSelectorTerms\":[{"
            "\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"%s\"]}"
            "]}]}},\"reservedFor\":[{\"resource\":\"pods\",\"name\":\"pod-%u\",\"uid\":"
            "\"uid-pod-%u\"}]",
            write->node, write->device, write->node, i, i);
    struct sy_str json = format(
        w,
        "{\"metadata\":{\"name\":\"pod-%u\",\"namespace\":\"default\",\"uid\":\"claim-%u\","
        "\"resourceVersion\":\"%u\"%s},\"spec\":{\"devices\":{\"requests\":[{\"name\":\"req-0\","
        "\"exactly\":{\"deviceClassName\":\"test-class\",\"allocationMode\":\"ExactCount\","
        "\"count\":1}"
        "}]}},\"status\":{%s}}",
        i, i,
        !write                ? 1U
        : write->is_allocated ? 3U
                              : 2U,
        write ? ",\"finalizers\":[\"resource.kubernetes.io/delete-protection\"]" : "", status);

    sy_arena_reset(&w->decode.arena);
    if (sy_decode_devices(&w->decode, SY_DEVICES_CLAIM, SY_ENCODING_JSON, json, ret, NULL) < 0)
        die("a claim can not be decoded");
}

static void put_claim(struct world *w, uint32_t i)
{
    union sy_devices_object object;

    decode_claim(w, i, NULL, &object);
    if (sy_sched_devices(w->sched, SY_DEVICES_CLAIM, &object) < 0)
        die("a claim was refused");
}

static void answer_write(struct world *w, const struct write *write)
{
    union sy_devices_object object;

    decode_claim(w, write->pod, write, &object);
    int64_t began = cpu();
    sy_sched_claim_result(w->sched, write->ticket, SY_CLAIM_RESULT_OK, &object.claim, NULL, w->now);
    if (sy_sched_devices(w->sched, SY_DEVICES_CLAIM, &object) < 0) /* the watch says it too */
        die("a claim was refused");
    w->cpu_ns += cpu() - began;
}

static const char *spec_of(const struct shape *sh, const char *spec, const char *run, uint32_t i,
                           char *room, size_t len)
{
    if (sh->has_devices)
        snprintf(room, len,
                 "\"resourceClaims\":[{\"name\":\"gpu\",\"resourceClaimName\":\"%s-%u\"}],", run,
                 i);
    if (!sh->has_volume)
        return sh->has_devices ? room : spec;
    snprintf(room, len,
             "\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"%s-%u\"}}],",
             run, i);
    return room;
}

/* All that is to be done now: decisions, their answers, and what the watch says of them. */
static uint32_t turn(struct world *w, const struct shape *sh)
{
    char room[256];
    uint32_t bound = 0;

    for (bool again = true; again;) {
        int64_t began = cpu();
        sy_sched_run(w->sched, true, 0, w->now);
        w->cpu_ns += cpu() - began;
        again = w->binds.len || w->writes.len;
        for (size_t n = 0; n < w->writes.len; n++) {
            struct write write = w->writes.p[n]; /* an answer may bring the next one */
            answer_write(w, &write);
        }
        w->writes.len = 0;
        for (size_t n = 0; n < w->binds.len; n++) {
            struct bind b = w->binds.p[n];
            began = cpu();
            sy_sched_bind_result(w->sched, b.ticket, SY_BIND_RESULT_OK, NULL, w->now);
            w->cpu_ns += cpu() - began;
            put_pod(w, sh, "pod", b.pod, spec_of(sh, sh->spec, "pod", b.pod, room, sizeof(room)),
                    sh->cpu, sh->priority, b.node);
            bound++;
        }
        w->binds.len = 0;
    }
    return bound;
}

/* One more victim has gone: the API server takes its time, and other pods come meanwhile. */
static bool delete_victim(struct world *w)
{
    if (w->deleted == w->victims.len)
        return false;
    char *uid = w->victims.p[w->deleted++];
    int64_t began = cpu();
    sy_sched_pod_deleted(w->sched, sy_str_from(uid), w->now);
    w->cpu_ns += cpu() - began;
    free(uid);
    return true;
}

static void measure(const struct shape *sh)
{
    static const uint64_t KEY[2] = {3, 4};
    struct sy_profile profile;
    struct world *w = sy_xcalloc(1, sizeof(*w));
    char room[256], node[32];
    uint32_t bound = 0;

    w->now = 1000 * SY_NS_PER_S;
    w->strings = sy_strings_new(KEY);
    sy_decode_init(&w->decode, w->strings, 1 << 20);
    sy_profile_default(&profile, "steelyard");
    struct sy_sched_options options = {.profiles = &profile, .profiles_len = 1};
    w->sched = sy_sched_new(w->strings, &options, hear, w);
    for (uint32_t i = 0; i < NODES; i++) {
        put_node(w, i);
        if (sh->has_volume)
            put_storage(w, SY_STORAGE_NODE,
                        format(w,
                               "{\"metadata\":{\"name\":\"node-%05u\"},\"spec\":{\"drivers\":[{"
                               "\"name\":\"ebs.csi.aws.com\",\"allocatable\":{\"count\":39}}]}}",
                               i));
    }
    if (sh->has_devices) {
        put_class(w);
        for (uint32_t i = 0; i < NODES; i++)
            put_devices(w, i);
        for (uint32_t i = 0; i < PODS; i++)
            put_claim(w, i);
        sy_sched_devices_known(w->sched, true);
    }
    for (uint32_t i = 0; i < sh->initial; i++) {
        const char *spec = sh->initial_spec ? sh->initial_spec : sh->spec;
        if (sh->has_volume)
            put_volume(w, "init", i);
        snprintf(node, sizeof(node), "node-%05u", i % NODES);
        put_pod(w, sh, "init", i, spec_of(sh, spec, "init", i, room, sizeof(room)),
                sh->priority ? "14400m" : "100m", 0, node);
    }
    if (sh->has_volume) {
        for (uint32_t i = 0; i < PODS; i++)
            put_volume(w, "pod", i);
    }
    turn(w, sh);
    w->cpu_ns = 0;
    for (uint32_t i = 0; i < PODS; i++) {
        w->now += SY_NS_PER_MS;
        if (sh->has_churn && i % 100 == 0)
            put_pod(w, sh, "churn", i, "", "65", 10, "");
        put_pod(w, sh, "pod", i, spec_of(sh, sh->spec, "pod", i, room, sizeof(room)), sh->cpu,
                sh->priority, "");
        bound += turn(w, sh);
        for (uint32_t n = 0; n < DELETIONS_PER_POD && delete_victim(w); n++)
            bound += turn(w, sh);
    }
    while (delete_victim(w))
        bound += turn(w, sh);
    const struct sy_sched_stats *stats = sy_sched_stats(w->sched);
    printf("%-20s %5u of %u pods, %8.1f us of CPU each; %llu nodes evaluated, %llu shapes built\n",
           sh->name, bound, (unsigned)PODS, (double)w->cpu_ns / 1e3 / PODS,
           (unsigned long long)stats->nodes_evaluated, (unsigned long long)stats->shape_builds);
    if (bound != PODS)
        die("not all pods were bound");
    sy_sched_free(w->sched);
    sy_decode_done(&w->decode);
    sy_strings_free(w->strings);
    sy_vec_done(&w->binds);
    sy_vec_done(&w->writes);
    sy_vec_done(&w->victims);
    free(w);
}

#define SELECTOR(color) "\"labelSelector\":{\"matchLabels\":{\"color\":\"" color "\"}},"

static const struct shape SHAPES[] = {
    {.name = "basic", .spec = ""},
    {.name = "anti-affinity",
     .initial = 1000,
     .labels = ",\"color\":\"green\"",
     .spec = "\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\""
             ":[{" SELECTOR("green") "\"topologyKey\":\"kubernetes.io/hostname\"}]}},"},
    {.name = "affinity",
     .initial = 5000,
     .labels = ",\"color\":\"blue\"",
     .spec = "\"affinity\":{\"podAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":["
             "{" SELECTOR("blue") "\"topologyKey\":\"topology.kubernetes.io/zone\"}]}},"},
    {.name = "spread",
     .initial = 5000,
     .initial_spec = "",
     .labels = ",\"color\":\"blue\"",
     .spec = "\"topologySpreadConstraints\":[{\"maxSkew\":5,\"whenUnsatisfiable\":\"DoNotSchedule\""
             "," SELECTOR("blue") "\"topologyKey\":\"topology.kubernetes.io/zone\"}],"},
    {.name = "preferred-affinity",
     .initial = 5000,
     .labels = ",\"color\":\"red\"",
     .spec =
         "\"affinity\":{\"podAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[{"
         "\"weight\":1,\"podAffinityTerm\":{" SELECTOR("red") "\"topologyKey\":"
                                                              "\"kubernetes.io/hostname\"}}]}},"},
    {.name = "unschedulable", .initial = 100, .spec = "", .has_churn = true},
    {.name = "preemption", .initial = 4 * NODES, .spec = "", .cpu = "63500m", .priority = 10},
    {.name = "node-affinity",
     .initial = 5000,
     .spec = "\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"
             "\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"topology.kubernetes.io/zone"
             "\",\"operator\":\"In\",\"values\":[\"zone-0\",\"zone-1\"]}]}]}}},"},
    {.name = "volumes", .initial = 1000, .spec = "", .has_volume = true},
    {.name = "dra", .spec = "", .has_devices = true},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < SY_ARRAY_LEN(SHAPES); i++) {
        struct shape sh = SHAPES[i];
        bool wanted = argc == 1;
        for (int n = 1; n < argc; n++)
            wanted |= strcmp(argv[n], sh.name) == 0;
        if (!wanted)
            continue;
        sh.labels = sh.labels ? sh.labels : "";
        sh.cpu = sh.cpu ? sh.cpu : "100m";
        measure(&sh);
    }
    return 0;
}
