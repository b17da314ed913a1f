/* SPDX-License-Identifier: Apache-2.0
 *
 * Names come and go for ever, so interned strings are swept. Two schedulers get the same objects,
 * one is swept again and again, the other never: they must say the same, word by word. */
#include "sched/inputs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kube/decode.h"

enum { ROUNDS = 120, NODES = 12, PODS_PER_ROUND = 6, LIFE = 14, ARG_KEYS = 60 };

struct bind {
    uint64_t ticket;
    char *name;
    char *node;
};

/* A pod that may still be there: its object up to the node's name. */
struct known {
    char *uid;
    char *json;
};

struct world {
    struct sy_strings *strings;
    struct sy_sched *sched;
    struct sy_decode decode;
    struct sy_profile profile;
    struct sy_arena arena; /* of the profile's arguments */
    struct sy_rng rng;
    struct sy_buf said; /* decisions of this round, as text */
    SY_VEC(struct bind) binds;
    SY_VEC(struct known) known;
    sy_time_ns now;
    uint32_t serial;
};

/* Text that lives as long as the world. */
static SY_PRINTF(2, 3) const char *format(struct world *w, const char *fmt, ...)
{
    char room[4096];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(room, sizeof(room), fmt, ap);
    va_end(ap);
    assert_true(n >= 0 && (size_t)n < sizeof(room));
    return sy_arena_str(&w->arena, sy_str_from(room));
}
#define FMT(...) format(w, __VA_ARGS__)

static const char *text(const char *s)
{
    return s ? s : "-";
}

static void hear(void *arg, const struct sy_decision *d)
{
    struct world *w = arg;

    sy_buf_addf(&w->said, "%d %s/%s %s %s %s %s %s\n", (int)d->kind, text(d->ns), text(d->name),
                text(d->node), text(d->type), text(d->reason), text(d->message),
                text(d->nominated_node));
    if (d->kind == SY_DECIDE_BIND)
        sy_vec_push(&w->binds, (struct bind){d->ticket, sy_xstrdup(d->name), sy_xstrdup(d->node)});
}

/* A new one has other names in its arguments. */
static void make_profile(struct world *w)
{
    struct sy_requirement *reqs = sy_arena_array(&w->arena, ARG_KEYS, sizeof(*reqs));
    struct sy_node_term *term = sy_arena_alloc(&w->arena, sizeof(*term));
    struct sy_spread_constraint *spread = sy_arena_alloc(&w->arena, sizeof(*spread));
    struct sy_preferred_node_term *preferred = sy_arena_alloc(&w->arena, sizeof(*preferred));

    /* Nobody has these labels, until one of the ids is taken for another's. */
    for (uint32_t i = 0; i < ARG_KEYS; i++)
        reqs[i] = (struct sy_requirement){
            .key = sy_strings_addz(w->strings, FMT("no-%u-%u", w->serial, i)),
            .op = SY_OP_DOES_NOT_EXIST,
        };
    *term = (struct sy_node_term){.exprs = reqs, .exprs_len = ARG_KEYS};
    *preferred = (struct sy_preferred_node_term){.weight = 5, .term = *term};
    *spread = (struct sy_spread_constraint){
        .max_skew = 2,
        .topology_key = sy_strings_addz(w->strings, FMT("rack-%u", w->serial % 3)),
        .when_unsatisfiable = SY_SCHEDULE_ANYWAY,
        .honor_affinity = true,
        .selector = {.is_nil = true},
    };
    sy_profile_kube(&w->profile, "steelyard");
    w->profile.args.added_affinity =
        (struct sy_node_selector){.terms = term, .len = 1, .is_set = true};
    w->profile.args.added_preferred = preferred;
    w->profile.args.added_preferred_len = 1;
    w->profile.args.spread_defaults_are_listed = true;
    w->profile.args.spread_defaults = spread;
    w->profile.args.spread_defaults_len = 1;
}

static struct sy_sched_options options_of(struct world *w)
{
    return (struct sy_sched_options){.profiles = &w->profile, .profiles_len = 1, .exact = true};
}

static void world_start(struct world *w)
{
    static const uint64_t KEY[2] = {3, 4};

    *w = (struct world){.now = 1000 * SY_NS_PER_S};
    sy_rng_seed(&w->rng, 42);
    sy_arena_init(&w->arena, 64 << 20);
    sy_buf_init(&w->said, 64 << 20);
    w->strings = sy_strings_new(KEY);
    sy_decode_init(&w->decode, w->strings, 1 << 20);
    make_profile(w);
    struct sy_sched_options options = options_of(w);
    w->sched = sy_sched_new(w->strings, &options, hear, w);
}

static void forget_binds(struct world *w)
{
    for (size_t i = 0; i < w->binds.len; i++) {
        free(w->binds.p[i].name);
        free(w->binds.p[i].node);
    }
    w->binds.len = 0;
}

static void world_end(struct world *w)
{
    char why[256];

    assert_null(sy_cluster_audit(sy_sched_cluster(w->sched), why, sizeof(why)));
    assert_int_equal(sy_sched_stats(w->sched)->exact_differences, 0);
    sy_sched_free(w->sched);
    sy_decode_done(&w->decode);
    forget_binds(w);
    sy_vec_done(&w->binds);
    for (size_t i = 0; i < w->known.len; i++) {
        free(w->known.p[i].uid);
        free(w->known.p[i].json);
    }
    sy_vec_done(&w->known);
    sy_strings_free(w->strings);
    sy_buf_done(&w->said);
    sy_arena_done(&w->arena);
}

static uint32_t pick(struct world *w, uint32_t n)
{
    return (uint32_t)sy_rng_below(&w->rng, n);
}

/* ---- objects ---- */

static void put_node(struct world *w, const char *json)
{
    struct sy_node node;

    sy_arena_reset(&w->decode.arena);
    assert_int_equal(sy_decode_node(&w->decode, SY_ENCODING_JSON, sy_str_from(json), &node, NULL),
                     0);
    assert_int_equal(sy_sched_node(w->sched, &node, w->now), 0);
}

static void put_pod(struct world *w, const char *json)
{
    struct sy_pod pod;

    sy_arena_reset(&w->decode.arena);
    assert_int_equal(sy_decode_pod(&w->decode, SY_ENCODING_JSON, sy_str_from(json), &pod, NULL), 0);
    assert_int_equal(sy_sched_pod(w->sched, &pod, w->now), 0);
}

static void put_workload(struct world *w, enum sy_workload_kind kind, const char *json)
{
    struct sy_workload object;

    sy_arena_reset(&w->decode.arena);
    assert_int_equal(
        sy_decode_workload(&w->decode, kind, SY_ENCODING_JSON, sy_str_from(json), &object, NULL),
        0);
    assert_int_equal(sy_sched_workload(w->sched, kind, &object), 0);
}

static void put_storage(struct world *w, enum sy_storage_kind kind, const char *json)
{
    union sy_storage_object object;

    sy_arena_reset(&w->decode.arena);
    assert_int_equal(
        sy_decode_storage(&w->decode, kind, SY_ENCODING_JSON, sy_str_from(json), &object, NULL), 0);
    assert_int_equal(sy_sched_storage(w->sched, kind, &object), 0);
}

static void put_budget(struct world *w, const char *json)
{
    struct sy_budget budget;

    sy_arena_reset(&w->decode.arena);
    assert_int_equal(
        sy_decode_budget(&w->decode, SY_ENCODING_JSON, sy_str_from(json), &budget, NULL), 0);
    assert_int_equal(sy_sched_budget(w->sched, &budget), 0);
}

static void add_node(struct world *w, uint32_t n)
{
    put_node(
        w, FMT("{\"metadata\":{\"name\":\"node-%u\",\"uid\":\"n-%u\",\"labels\":{"
               "\"kubernetes.io/hostname\":\"node-%u\",\"topology.kubernetes.io/zone\":\"z-"
               "%u\",\"zone\":\"z%u\",\"own-%u\":\"x\",\"rack-%u\":\"r%u\"}},"
               "\"spec\":{%s},"
               "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"}],"
               "\"images\":[{\"names\":[\"img-%u\"],\"sizeBytes\":500000000}],"
               "\"allocatable\":{\"cpu\":\"4\",\"memory\":\"8Gi\",\"pods\":\"20\","
               "\"ex.com/r-%u\":\"2\"}}}",
               n, n, n, n / 6, n % 3, n, n % 3, n % 2,
               n % 5 ? "" : FMT("\"taints\":[{\"key\":\"t-%u\",\"effect\":\"NoSchedule\"}]", n / 2),
               n % 7 ? "True" : "False", n / 3, n / 5));
    put_storage(w, SY_STORAGE_NODE,
                FMT("{\"metadata\":{\"name\":\"node-%u\"},\"spec\":{\"drivers\":[{\"name\":"
                    "\"d-%u\",\"allocatable\":{\"count\":2}}]}}",
                    n, n / 8));
}

static void remove_node(struct world *w, uint32_t n)
{
    sy_sid name = sy_strings_find(w->strings, sy_str_from(FMT("node-%u", n)));

    if (!name)
        return;
    sy_sched_node_deleted(w->sched, name, w->now);
    sy_sched_storage_deleted(w->sched, SY_STORAGE_NODE, 0, name);
}

static const char *affinity(struct world *w, uint32_t n)
{
    uint32_t app = n > 8 ? n - pick(w, 8) : n;

    switch (pick(w, 7)) {
    case 0:
        return FMT("\"affinity\":{\"podAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecut"
                   "ion\":[{\"labelSelector\":{\"matchLabels\":{\"app-%u\":\"v%u\"}},"
                   "\"topologyKey\":\"topology.kubernetes.io/zone\",\"namespaceSelector\":"
                   "{\"matchLabels\":{\"team\":\"t%u\"}}}]}},",
                   app % 5, app, pick(w, 3));
    case 1:
        return FMT("\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringEx"
                   "ecution\":[{\"labelSelector\":{\"matchExpressions\":[{\"key\":\"app-%u\","
                   "\"operator\":\"Exists\"}]},\"topologyKey\":\"%s\"}]}},",
                   n % 5, pick(w, 2) ? "kubernetes.io/hostname" : FMT("own-%u", w->serial));
    case 2:
        return FMT("\"topologySpreadConstraints\":[{\"maxSkew\":1,\"topologyKey\":\"rack-%u\","
                   "\"whenUnsatisfiable\":\"DoNotSchedule\",\"labelSelector\":{\"matchLabels\":"
                   "{\"app-%u\":\"v%u\"}}}],",
                   pick(w, 3), n % 5, n);
    case 3:
        return FMT("\"affinity\":{\"nodeAffinity\":{\"preferredDuringSchedulingIgnoredDuringExec"
                   "ution\":[{\"weight\":50,\"preference\":{\"matchExpressions\":[{\"key\":\"own-"
                   "%u\",\"operator\":\"Exists\"}]}}]}},",
                   pick(w, ROUNDS));
    case 4:
        return FMT("\"nodeSelector\":{\"own-%u\":\"x\"},", w->serial);
    default:
        return "";
    }
}

static void add_pod(struct world *w, uint32_t n)
{
    bool has_claim = pick(w, 5) == 0;
    char *json = sy_xasprintf(
        "{\"metadata\":{\"name\":\"p%u\",\"namespace\":\"ns-%u\",\"uid\":\"u-%u\",\"labels\":"
        "{\"app-%u\":\"v%u\",\"one\":\"of-%u\"},\"ownerReferences\":[{\"kind\":\"ReplicaSet\","
        "\"uid\":\"rs-%u\",\"controller\":true}]},\"status\":{\"phase\":\"Pending\"},"
        "\"spec\":{\"schedulerName\":\"steelyard\",\"priority\":%u,%s"
        "\"tolerations\":[{\"key\":\"t-%u\",\"operator\":\"Exists\"}],"
        "\"volumes\":[%s],"
        "\"containers\":[{\"name\":\"c\",\"image\":\"img-%u\",\"ports\":[{\"hostPort\":%u,"
        "\"hostIP\":\"10.0.%u.1\"}],\"resources\":{\"requests\":{\"cpu\":\"%um\",\"memory\":"
        "\"%uMi\"%s}}}]",
        n, n / 20, n, n % 5, n, n, n / 9, pick(w, 3) * 100, affinity(w, n), pick(w, w->serial + 1),
        has_claim ? FMT("{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"c-%u\"}}", n)
                  : "",
        n / 4, 1000 + n % 7, n % 9, 100 + pick(w, 12) * 100, 64 + pick(w, 900),
        pick(w, 4) ? "" : FMT(",\"ex.com/r-%u\":\"1\"", w->serial / 5));
    put_pod(w, FMT("%s}}", json));
    sy_vec_push(&w->known, (struct known){sy_xasprintf("u-%u", n), json});
    if (!has_claim)
        return;
    put_storage(w, SY_STORAGE_CLAIM,
                FMT("{\"metadata\":{\"name\":\"c-%u\",\"namespace\":\"ns-%u\",\"uid\":\"c-%u\","
                    "\"resourceVersion\":\"1\"%s},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
                    "\"resources\":{\"requests\":{\"storage\":\"1Gi\"}},\"storageClassName\":"
                    "\"sc-%u\",\"volumeName\":\"%s\"}}",
                    n, n / 20, n,
                    n % 3 ? ",\"annotations\":{\"pv.kubernetes.io/bind-completed\":\"yes\"}" : "",
                    n / 30, n % 3 ? FMT("pv-%u", n) : ""));
    put_storage(w, SY_STORAGE_CLASS,
                FMT("{\"metadata\":{\"name\":\"sc-%u\"},\"provisioner\":\"prov-%u\","
                    "\"volumeBindingMode\":\"WaitForFirstConsumer\"}",
                    n / 30, n / 30));
    put_storage(w, SY_STORAGE_VOLUME,
                FMT("{\"metadata\":{\"name\":\"pv-%u\",\"uid\":\"pv-%u\",\"resourceVersion\":"
                    "\"1\",\"labels\":{\"topology.kubernetes.io/zone\":\"z-%u\"}},\"spec\":{"
                    "\"capacity\":{\"storage\":\"1Gi\"},\"accessModes\":[\"ReadWriteOnce\"],"
                    "\"storageClassName\":\"sc-%u\",\"csi\":{\"driver\":\"d-%u\","
                    "\"volumeHandle\":\"h-%u\"},\"claimRef\":{\"namespace\":\"ns-%u\",\"name\":"
                    "\"c-%u\",\"uid\":\"c-%u\"}}}",
                    n, n, w->serial / 6, n / 30, w->serial / 8, n, n / 20, n, n));
}

static void remove_pod(struct world *w, size_t i)
{
    const char *uid = w->known.p[i].uid;
    sy_sid name = sy_strings_find(w->strings, sy_str_from(FMT("pv-%s", uid + 2)));

    if (name)
        sy_sched_storage_deleted(w->sched, SY_STORAGE_VOLUME, 0, name);
    sy_sched_pod_deleted(w->sched, sy_str_from(uid), w->now);
    free(w->known.p[i].uid);
    free(w->known.p[i].json);
    memmove(w->known.p + i, w->known.p + i + 1, (w->known.len - i - 1) * sizeof(*w->known.p));
    w->known.len--;
}

static void add_surroundings(struct world *w, uint32_t n)
{
    put_workload(w, SY_WORKLOAD_NAMESPACE,
                 FMT("{\"metadata\":{\"name\":\"ns-%u\",\"labels\":{\"team\":\"t%u\","
                     "\"of-%u\":\"x\"}}}",
                     n / 20, pick(w, 3), n));
    put_workload(w, SY_WORKLOAD_SERVICE,
                 FMT("{\"metadata\":{\"name\":\"s-%u\",\"namespace\":\"ns-%u\"},\"spec\":{"
                     "\"selector\":{\"app-%u\":\"v%u\"}}}",
                     n / 3, n / 20, n % 5, n));
    put_workload(w, SY_WORKLOAD_REPLICA_SET,
                 FMT("{\"metadata\":{\"name\":\"rs-%u\",\"namespace\":\"ns-%u\",\"uid\":"
                     "\"rs-%u\"},\"spec\":{\"selector\":{\"matchExpressions\":[{\"key\":"
                     "\"app-%u\",\"operator\":\"Exists\"}]}}}",
                     n / 9, n / 20, n / 9, n % 5));
    put_budget(w, FMT("{\"metadata\":{\"name\":\"b-%u\",\"namespace\":\"ns-%u\"},\"spec\":{"
                      "\"selector\":{\"matchLabels\":{\"app-%u\":\"v%u\"}}},\"status\":{"
                      "\"disruptionsAllowed\":1,\"disruptedPods\":{\"p%u\":null}}}",
                      n / 4, n / 20, n % 5, n, n));
    if (n < 60)
        return;
    uint32_t old = (n - 60) / 3;
    sy_sid other = sy_strings_find(w->strings, sy_str_from(FMT("ns-%u", n / 20 - 2)));
    sy_sched_workload_deleted(w->sched, SY_WORKLOAD_NAMESPACE, 0, other, SY_STR(""));
    sy_sid ns = sy_strings_find(w->strings, sy_str_from(FMT("ns-%u", (n - 60) / 20)));
    sy_sid service = sy_strings_find(w->strings, sy_str_from(FMT("s-%u", old)));
    sy_sid budget = sy_strings_find(w->strings, sy_str_from(FMT("b-%u", (n - 60) / 4)));
    sy_sched_workload_deleted(w->sched, SY_WORKLOAD_SERVICE, ns, service, SY_STR(""));
    sy_sched_workload_deleted(w->sched, SY_WORKLOAD_REPLICA_SET, ns, service,
                              sy_str_from(FMT("rs-%u", (n - 60) / 9)));
    sy_sched_budget_deleted(w->sched, ns, budget);
}

/* What the API server would do with the binds. */
static void carry_out(struct world *w)
{
    for (size_t i = 0; i < w->binds.len; i++) {
        const struct bind *b = &w->binds.p[i];
        if (pick(w, 9) == 0) {
            sy_sched_bind_result(w->sched, b->ticket, SY_BIND_RESULT_REFUSED, "no luck", w->now);
            continue;
        }
        sy_sched_bind_result(w->sched, b->ticket, SY_BIND_RESULT_OK, NULL, w->now);
        for (size_t k = 0; k < w->known.len; k++) {
            if (strcmp(w->known.p[k].uid + 2, b->name + 1) == 0)
                put_pod(w, FMT("%s,\"nodeName\":\"%s\"}}", w->known.p[k].json, b->node));
        }
    }
    forget_binds(w);
}

/* What is known, beside what is said about it. */
static void say_state(struct world *w)
{
    const struct sy_cluster *c = sy_sched_cluster(w->sched);
    struct sy_utilization all[SY_COLUMNS_MAX];
    uint32_t len = sy_sched_utilization(w->sched, all, SY_COLUMNS_MAX);

    for (uint32_t i = 0; i < len; i++)
        sy_buf_addf(&w->said, "%s %lld of %lld\n", sy_strings_getz(w->strings, all[i].resource),
                    (long long)all[i].used, (long long)all[i].total);
    sy_buf_addf(&w->said, "%zu services, %zu owners, %zu namespaces, %zu budgets\n",
                c->workloads.services.len, c->workloads.owners.len, c->namespaces.len,
                c->budgets.len);
    for (size_t i = 0; i < c->pods.len; i++) {
        if (c->pods.p[i].flags & SY_POD_ALIVE)
            sy_buf_addf(&w->said, "%s/%s ", sy_strings_getz(w->strings, c->pods.p[i].ns),
                        c->pods.p[i].name);
    }
    for (size_t i = 0; i < c->namespaces.len; i++)
        sy_buf_addf(&w->said, "%s ", sy_strings_getz(w->strings, c->namespaces.p[i].name));
    for (size_t i = 0; i < c->workloads.services.len; i++)
        sy_buf_addf(&w->said, "%s ", sy_strings_getz(w->strings, c->workloads.services.p[i].name));
}

static void play_round(struct world *w, uint32_t round)
{
    w->now += 2 * SY_NS_PER_S;
    w->serial = round;
    sy_buf_reset(&w->said);
    /* In some rounds only pods come and go, so that what is cached stays. */
    bool is_quiet = round % 4 == 3;
    if (!is_quiet)
        add_node(w, round);
    if (!is_quiet && round >= NODES)
        remove_node(w, round - NODES);
    for (uint32_t i = 0; i < PODS_PER_ROUND; i++) {
        uint32_t n = round * PODS_PER_ROUND + i;
        if (!is_quiet)
            add_surroundings(w, n);
        add_pod(w, n);
    }
    while (w->known.len > LIFE * PODS_PER_ROUND)
        remove_pod(w, pick(w, (uint32_t)w->known.len));
    if (round % 17 == 16) {
        make_profile(w);
        struct sy_sched_options options = options_of(w);
        sy_sched_configure(w->sched, &options, w->now);
    }
    sy_sched_run(w->sched, true, 0, w->now);
    carry_out(w);
    sy_sched_run(w->sched, true, 0, w->now);
    say_state(w);
}

static uint32_t sweep(struct world *w)
{
    sy_strings_mark_begin(w->strings);
    sy_sched_mark(w->sched);
    sy_decode_mark(&w->decode);
    return sy_strings_sweep(w->strings);
}

static void swept_and_unswept_agree(void **state)
{
    struct world *a = sy_xcalloc(1, sizeof(*a)), *b = sy_xcalloc(1, sizeof(*b));
    uint32_t freed = 0, most = 0;

    (void)state;
    world_start(a);
    world_start(b);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        play_round(a, round);
        play_round(b, round);
        if (!sy_str_eq(sy_buf_str(&a->said), sy_buf_str(&b->said)))
            fail_msg("round %u: with sweeps\n%s\nwithout\n%s", round, a->said.p, b->said.p);
        /* The second lets ids that the first freed be given out again. */
        freed += sweep(a);
        if (round % 3)
            freed += sweep(a);
        assert_int_equal(sy_strings_stale(a->strings), 0);
        if (round >= ROUNDS / 2 && sy_strings_len(a->strings) > most)
            most = sy_strings_len(a->strings);
    }
    const struct sy_sched_stats *stats = sy_sched_stats(a->sched);
    print_message("%u binds, %u unschedulable, %u victims; %u strings freed, %u kept, %u unswept\n",
                  (unsigned)stats->binds_ok, (unsigned)stats->attempts_unschedulable,
                  (unsigned)stats->preemption_victims, freed, most, sy_strings_len(b->strings));
    /* Else it proves nothing. */
    assert_true(stats->binds_ok > 100);
    assert_true(stats->attempts_unschedulable > 100);
    assert_true(stats->preemption_victims > 0);
    assert_true(freed > 1000);
    assert_true(most < sy_strings_len(b->strings) / 2);
    assert_int_equal(sy_strings_stale(b->strings), 0);
    world_end(a);
    world_end(b);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swept_and_unswept_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
