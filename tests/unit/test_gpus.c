/* SPDX-License-Identifier: Apache-2.0
 *
 * GPUs: what pods ask for, the ledger of devices, which devices a bind names, and scores. */
#include "cluster/gpus.h"

#include "base/rng.h"
#include "core_gpus.h"
#include "policy/gpu_value.h"

/* -- requests -- */

static struct sy_gpu_request ask(struct fixture *f, const char *milli, const char *memory,
                                 const char *a, int64_t an, const char *b, int64_t bn)
{
    struct sy_amount p[2];
    uint32_t len = 0;

    if (a)
        p[len++] = (struct sy_amount){core_id(&f->k, a), an};
    if (b)
        p[len++] = (struct sy_amount){core_id(&f->k, b), bn};
    struct sy_gpu_words words = {.requests = {p, sy_amounts_sort(p, len)},
                                 .milli = sy_str_from(milli),
                                 .memory = sy_str_from(memory)};
    return sy_gpu_request_of(f->k.strings, &f->c->names, &words);
}

static void assert_asks(struct sy_gpu_request r, int count, int milli, int part, int64_t bytes)
{
    assert_int_equal(r.count, count);
    assert_int_equal(r.milli, milli);
    assert_int_equal(r.memory_milli, part);
    assert_int_equal(r.memory_bytes, bytes);
}

static void test_requests(void **state)
{
    struct fixture *f = *state;
    const int64_t gib = (int64_t)1 << 30;

    assert_asks(ask(f, NULL, NULL, "cpu", 4000, NULL, 0), 0, 0, 0, 0);
    assert_asks(ask(f, NULL, NULL, "nvidia.com/gpu", 4, "cpu", 1), 4, 1000, 0, 0);
    assert_asks(ask(f, "250", NULL, NULL, 0, NULL, 0), 1, 250, 0, 0);
    assert_asks(ask(f, "1000", NULL, NULL, 0, NULL, 0), 1, 1000, 0, 0);
    assert_asks(ask(f, "250", "8Gi", NULL, 0, NULL, 0), 1, 250, 0, 8 * gib);
    assert_asks(ask(f, NULL, "8Gi", NULL, 0, NULL, 0), 1, 0, 0, 8 * gib);
    /* What can not be read is nowhere to be had. */
    static const char *const wrong[] = {"0", "1001", "-5", "half", "500m", " 500"};
    for (size_t i = 0; i < SY_ARRAY_LEN(wrong); i++)
        assert_int_equal(ask(f, wrong[i], NULL, NULL, 0, NULL, 0).count, UINT16_MAX);
    assert_int_equal(ask(f, NULL, "lots", NULL, 0, NULL, 0).count, UINT16_MAX);
    assert_int_equal(ask(f, NULL, "-1Gi", NULL, 0, NULL, 0).count, UINT16_MAX);
    /* HAMi: of each of the GPUs. */
    assert_asks(ask(f, NULL, NULL, "nvidia.com/gpu", 2, "nvidia.com/gpucores", 30), 2, 300, 0, 0);
    assert_asks(ask(f, NULL, NULL, "nvidia.com/gpu", 1, "nvidia.com/gpumem", 3000), 1, 0, 0,
                (int64_t)3000 << 20);
    assert_asks(ask(f, NULL, NULL, "nvidia.com/gpucores", 40, "nvidia.com/gpumem-percentage", 50),
                1, 400, 500, 0);
    /* Koordinator: percents of all together. */
    assert_asks(ask(f, NULL, NULL, "koordinator.sh/gpu", 50, NULL, 0), 1, 500, 500, 0);
    assert_asks(ask(f, NULL, NULL, "koordinator.sh/gpu", 200, NULL, 0), 2, 1000, 1000, 0);
    assert_asks(
        ask(f, NULL, NULL, "koordinator.sh/gpu-core", 60, "koordinator.sh/gpu-memory-ratio", 70), 1,
        600, 700, 0);
    assert_int_equal(ask(f, NULL, NULL, "koordinator.sh/gpu", 150, NULL, 0).count, UINT16_MAX);
    assert_int_equal(ask(f, NULL, NULL, "nvidia.com/gpu", INT64_MAX, NULL, 0).count, UINT16_MAX);
}

static void test_device_lists(void **state)
{
    char text[SY_GPU_DEVICES_TEXT_MAX];

    (void)state;
    assert_true(sy_gpu_devices_parse(SY_STR("0,3")) == 9);
    assert_true(sy_gpu_devices_parse(SY_STR("3,0")) == 9);
    assert_true(sy_gpu_devices_parse(SY_STR("63")) == (uint64_t)1 << 63);
    static const char *const wrong[] = {"", ",", "1,", ",1", "1,1", "64", "-1", "a", "1, 2", "1;2"};
    for (size_t i = 0; i < SY_ARRAY_LEN(wrong); i++)
        assert_true(sy_gpu_devices_parse(sy_str_from(wrong[i])) == 0);
    assert_string_equal(sy_gpu_devices_format(9, text), "0,3");
    assert_true(strlen(sy_gpu_devices_format(UINT64_MAX, text)) < sizeof(text));
    assert_true(sy_gpu_devices_parse(sy_str_from(text)) == UINT64_MAX);
}

/* -- the ledger -- */

static void test_others(void **state)
{
    struct fixture *f = *state;
    uint32_t n = put_node(f, "n", 4);

    put_bound(f, "a", 1, 500, "n", 1U << 2); /* its annotation says */
    assert_string_equal(free_of(f, n), "1000 1000 500 1000");
    put_bound(f, "b", 1, 700, "n", 0); /* presumed on the lowest that fits */
    put_bound(f, "c", 2, 1000, "n", 0);
    assert_string_equal(free_of(f, n), "300 0 500 0");
    put_bound(f, "d", 1, 400, "n", 0);
    assert_string_equal(free_of(f, n), "300 0 100 0");
    /* One that names devices which are not there, or too few, is as one that names none. */
    put_bound(f, "e", 1, 300, "n", 1U << 9);
    assert_string_equal(free_of(f, n), "0 0 100 0");
    /* Two on one device, by another scheduler's word: no more than all of it is gone. */
    put_bound(f, "g", 1, 600, "n", 1U << 2);
    assert_string_equal(free_of(f, n), "0 0 0 0");
    assert_int_equal(sy_gpus_of(f->c, n)->unplaced, 1); /* d has lost its place to it */
    assert_sound(f);
    sy_sched_pod_deleted(f->s, SY_STR("uid-g"), f->now);
    assert_string_equal(free_of(f, n), "0 0 100 0");
    assert_int_equal(sy_gpus_of(f->c, n)->unplaced, 0);
    assert_sound(f);
}

static void test_more_than_there_are(void **state)
{
    struct fixture *f = *state;
    uint32_t n = put_node(f, "n", 2);

    put_bound(f, "a", 2, 1000, "n", 3);
    put_bound(f, "b", 1, 1000, "n", 0);
    assert_int_equal(sy_gpus_of(f->c, n)->unplaced, 1);
    assert_string_equal(free_of(f, n), "0 0");
    const struct said *said = decide(f, make_pod(f, "p", 1, 100));
    assert_false(said->is_bind);
    assert_non_null(strstr(said->message, "more pods with GPUs than GPUs for them"));
    sy_sched_pod_deleted(f->s, SY_STR("uid-a"), f->now);
    assert_int_equal(sy_gpus_of(f->c, n)->unplaced, 0); /* b has found its place */
    assert_string_equal(free_of(f, n), "0 1000");
    f->said.len = 0;
    sy_sched_run(f->s, true, 0, f->now);
    assert_int_equal(f->said.len, 1);
    assert_true(f->said.p[0].is_bind);
    assert_string_equal(f->said.p[0].gpus, "1");
}

/* A device that the node no longer has to give. */
static void test_fewer_devices(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "n", 64000, 256000, 4);
    struct sy_amounts all = node.allocatable;

    node.capacity = all;
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    uint32_t n = sy_cluster_node_find(f->c, node.name);
    put_bound(f, "a", 1, 500, "n", 1U << 3);
    node.allocatable = core_amounts(&f->k, 64000, 256000, 2, 110);
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    assert_string_equal(free_of(f, n), "1000 0 0 500"); /* those that nobody is on */
    assert_sound(f);
    const struct said *said = decide(f, make_pod(f, "p", 3, 1000));
    assert_false(said->is_bind);
    node.allocatable = all;
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    assert_string_equal(free_of(f, n), "1000 1000 1000 500");
    f->said.len = 0;
    sy_sched_run(f->s, true, 0, f->now);
    assert_string_equal(f->said.p[0].gpus, "0,1,2"); /* healthy again: it is woken */
    /* All at once, with pods there. */
    node.allocatable = core_amounts(&f->k, 64000, 256000, 0, 110);
    node.capacity = node.allocatable;
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    assert_null(sy_gpus_of(f->c, n));
    assert_sound(f);
}

static void test_memory_and_labels(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "n", 64000, 256000, 2);
    struct sy_pod pod = make_pod(f, "p", 1, 100);

    pod.spec.gpu.memory_bytes = (int64_t)30 << 30;
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    const struct said *said = decide(f, pod); /* nobody knows how much there is */
    assert_false(said->is_bind);
    assert_non_null(strstr(said->message, "Insufficient gpu-memory"));
    node.labels = core_label(&f->k, "nvidia.com/gpu.memory", "40960");
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    f->said.len = 0;
    sy_sched_run(f->s, true, 0, f->now);
    assert_true(f->said.p[0].is_bind);
    pod = make_pod(f, "q", 1, 100);
    pod.spec.gpu.memory_milli = 300;
    said = decide(f, pod); /* 12 of 40 GiB: not beside the 30 */
    assert_string_equal(said->gpus, "1");
    pod = make_pod(f, "r", 1, 100);
    pod.spec.gpu.memory_bytes = (int64_t)29 << 30;
    said = decide(f, pod);
    assert_non_null(strstr(said->message, "Insufficient gpu-memory"));
    uint32_t n = sy_cluster_node_find(f->c, node.name);
    assert_string_equal(free_of(f, n), "900 900");
}

/* A device plugin that hands out ten units of each device. */
static void test_plugin_that_shares(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "n", 64000, 256000, 20);

    node.labels = core_label(&f->k, "nvidia.com/gpu.count", "2");
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof(name), "p%d", i);
        const struct said *said = decide(f, make_pod(f, name, 1, 1000));
        assert_true(said->is_bind);
        assert_string_equal(said->gpus, "");
    }
    const struct said *said = decide(f, make_pod(f, "part", 1, 500));
    assert_string_equal(said->gpus, "0");
    /* Of more devices than the ledger takes only the number is known. */
    put_node(f, "many", SY_GPUS_MAX + 1);
    assert_null(sy_gpus_of(f->c, sy_cluster_node_find(f->c, core_id(&f->k, "many"))));
}

static void test_forget_and_trial(void **state)
{
    struct fixture *f = *state;
    uint32_t n = put_node(f, "n", 2);
    uint32_t a = put_bound(f, "a", 1, 600, "n", 0);
    uint32_t b = put_bound(f, "b", 1, 600, "n", 0);

    assert_string_equal(free_of(f, n), "400 400");
    sy_cluster_trial_begin(f->c);
    sy_cluster_trial_remove(f->c, a);
    assert_string_equal(free_of(f, n), "400 1000");
    sy_cluster_trial_remove(f->c, b);
    sy_cluster_trial_restore(f->c, b, n);
    sy_cluster_trial_restore(f->c, a, n);
    sy_cluster_trial_end(f->c);
    assert_string_equal(free_of(f, n), "400 400");
    uint32_t p = put_pod(f, make_pod(f, "p", 1, 300));
    assert_int_equal(sy_cluster_assume(f->c, p, n), 0);
    assert_string_equal(free_of(f, n), "100 400");
    assert_true(f->c->pods.p[p].gpu_devices == 1);
    sy_cluster_forget(f->c, p);
    assert_string_equal(free_of(f, n), "400 400");
    assert_true(f->c->pods.p[p].gpu_devices == 0);
    sy_gpus_propose(f->c, p, 2);
    assert_int_equal(sy_cluster_assume(f->c, p, n), 0);
    assert_string_equal(free_of(f, n), "400 100");
    sy_gpus_propose(f->c, p, 1); /* too late */
    assert_true(f->c->pods.p[p].gpu_devices == 2);
    sy_cluster_forget(f->c, p);
    assert_sound(f);
}

/* Any order of events: the sums are those of the pods. */
static void test_random_events(void **state)
{
    struct fixture *f = *state;
    struct sy_rng rng;
    char name[32], node[32];

    sy_rng_seed(&rng, 6);
    for (int i = 0; i < 4; i++) {
        snprintf(node, sizeof(node), "n%d", i);
        put_node(f, node, 4);
    }
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "p%u", (unsigned int)sy_rng_below(&rng, 40));
        snprintf(node, sizeof(node), "n%u", (unsigned int)sy_rng_below(&rng, 4));
        uint16_t milli = (uint16_t)(sy_rng_below(&rng, 10) * 100 + 100);
        uint16_t count = milli == 1000 ? (uint16_t)(sy_rng_below(&rng, 4) + 1) : 1;
        char uid[48];
        snprintf(uid, sizeof(uid), "uid-%s", name);
        uint32_t slot = sy_cluster_pod_find(f->c, sy_str_from(uid));
        switch (sy_rng_below(&rng, 5)) {
        case 0:
            if (slot == SY_NONE)
                put_bound(f, name, count, milli, node, sy_rng_below(&rng, 32));
            break;
        case 1:
            sy_sched_pod_deleted(f->s, sy_str_from(uid), f->now);
            break;
        case 2:
            if (slot == SY_NONE)
                put_pod(f, make_pod(f, name, count, milli));
            break;
        case 3:
            put_node(f, node, (int64_t)sy_rng_below(&rng, 6));
            break;
        default:
            f->said.len = 0;
            sy_sched_run(f->s, true, 1, f->now);
            for (size_t j = 0; j < f->said.len; j++) {
                if (f->said.p[j].is_bind)
                    sy_sched_bind_result(f->s, f->said.p[j].ticket, SY_BIND_RESULT_REFUSED, "no",
                                         f->now);
            }
            f->now += SY_NS_PER_S;
        }
        assert_sound(f);
    }
}

/* -- decisions -- */

static void test_shares(void **state)
{
    struct fixture *f = *state;
    uint32_t n = put_node(f, "n", 2);

    assert_string_equal(decide(f, make_pod(f, "a", 1, 500))->gpus, "0");
    assert_string_equal(decide(f, make_pod(f, "b", 1, 500))->gpus, "0"); /* not the second one */
    assert_string_equal(decide(f, make_pod(f, "c", 1, 1000))->gpus, "1");
    assert_string_equal(free_of(f, n), "0 0");
    const struct said *said = decide(f, make_pod(f, "d", 1, 100));
    assert_non_null(strstr(said->message, "Insufficient gpu-milli"));
    said = decide(f, make_pod(f, "e", 3, 1000));
    assert_non_null(strstr(said->message, "Insufficient nvidia.com/gpu"));
    assert_string_equal(decide(f, core_pod(&f->k, "cpu", 1000, 1000, 0))->gpus, "");
}

/* A whole GPU is one that nobody is on, though the resource has some left. */
static void test_whole_ones_are_unshared(void **state)
{
    struct fixture *f = *state;

    put_node(f, "n", 2);
    put_bound(f, "a", 1, 100, "n", 1);
    put_bound(f, "b", 1, 100, "n", 2);
    const struct said *said = decide(f, make_pod(f, "p", 1, 1000));
    assert_non_null(strstr(said->message, "Insufficient unshared GPUs"));
}

/* What a new leader finds is what the old one knew. */
static void test_rebuilt_from_pods(void **state)
{
    struct fixture *f = *state;
    uint32_t n = put_node(f, "n", 4);
    static const uint16_t milli[] = {300, 800, 300, 1000, 200};
    struct sy_pod pods[SY_ARRAY_LEN(milli)];
    char before[512], name[32];

    for (size_t i = 0; i < SY_ARRAY_LEN(milli); i++) {
        snprintf(name, sizeof(name), "p%zu", i);
        pods[i] = make_pod(f, name, 1, milli[i]);
        const struct said *said = decide(f, pods[i]);
        pods[i].node = core_id(&f->k, "n");
        pods[i].gpu_devices = sy_gpu_devices_parse(sy_str_from(said->gpus));
        assert_true(pods[i].gpu_devices != 0);
    }
    core_keep(before, sizeof(before), free_of(f, n));
    core_sched_end(f->s);
    start(f);
    for (size_t i = SY_ARRAY_LEN(milli); i--;)
        put_pod(f, pods[i]);
    n = put_node(f, "n", 4);
    assert_string_equal(free_of(f, n), before);
}

/* -- scores -- */

static struct sy_shape_view view_of(struct fixture *f, const struct sy_policy_texts *texts,
                                    const struct sy_pod_spec *spec, uint32_t *column,
                                    int64_t *amount)
{
    *column = SY_COLUMN_CPU_MILLI;
    *amount = sy_amounts_get(spec->requests.requests, f->k.names.cpu);
    return (struct sy_shape_view){.cluster = f->c,
                                  .profile = &f->profile,
                                  .spec = spec,
                                  .requests_len = 1,
                                  .request_columns = column,
                                  .request_amounts = amount,
                                  .texts = texts};
}

/* Worked out by hand: FGD's F over three targets, and the points of the published policies. */
static void test_values(void **state)
{
    struct fixture *f = *state;
    uint32_t n = put_node(f, "n", 4);
    struct sy_pod whole = make_pod(f, "w", 2, 1000), half = make_pod(f, "h", 1, 500);
    struct sy_pod cpu = core_pod(&f->k, "c", 1000, 1000, 0);
    const struct sy_pod_spec *specs[] = {&whole.spec, &half.spec, &cpu.spec};
    const double weights[] = {2, 1, 1};
    struct sy_policy_texts texts;
    struct sy_gpu_room room;
    uint32_t column;
    int64_t amount;

    sy_policy_texts_init(&texts, f->k.strings);
    assert_int_equal(sy_gpu_targets_set(f->c, specs, weights, 3), 0);
    put_bound(f, "a", 1, 300, "n", 1);
    put_bound(f, "b", 1, 700, "n", 2);
    struct sy_shape_view view = view_of(f, &texts, &half.spec, &column, &amount);
    sy_gpu_value_prepare(&view);
    sy_gpu_room_of(f->c, n, &room); /* 700 300 1000 1000 */
    /* 1/2: 700 + 300 are too small for whole ones; 1/4: 300; 1/4: 3000, as no GPU is wanted. */
    assert_float_equal(sy_gpu_fragment(f->c, &room), 0.5 * 1000 + 0.25 * 300 + 0.25 * 3000, 1e-9);
    /* On 700: 200 + 300 of 2500 are small: 0.5 x 500 + 0.25 x 500 + 0.25 x 2500 = 1000. On a whole
     * one 500 300 1000: but one is left for two: 0.5 x 2500 + 75 + 625 = 1950. Floor of 100
     * sigmoid(0.325) = 58. */
    assert_int_equal(sy_scorer_find("FGD")->score(&view, NULL, n), 58);
    assert_true(sy_scorer_find("FGD")->devices(&view, NULL, n) == 1);
    assert_true(sy_scorer_find("GpuFragmentation")->devices(&view, NULL, n) == 1);
    /* 100 (1 - 61/128/2 - 2500/8000/2), of 64 cpus two are taken and one is asked for. */
    assert_int_equal(sy_scorer_find("GpuBestFit")->score(&view, NULL, n), 60);
    assert_int_equal(sy_scorer_find("GpuPacking")->score(&view, NULL, n), 100 - 70 / 10);
    assert_int_equal(sy_scorer_find("GpuClustering")->score(&view, NULL, n),
                     25 * 5000 / 8000 + 75); /* parts alone are there */
    assert_int_equal(sy_scorer_find("DotProduct")->score(&view, NULL, n), 98);
    view = view_of(f, &texts, &whole.spec, &column, &amount);
    assert_int_equal(sy_scorer_find("GpuPacking")->score(&view, NULL, n), 50 - 2);
    assert_int_equal(sy_scorer_find("GpuClustering")->score(&view, NULL, n), 25 * 5000 / 8000);
    view = view_of(f, &texts, &cpu.spec, &column, &amount);
    assert_int_equal(sy_scorer_find("FGD")->score(&view, NULL, n), 50);
    assert_int_equal(sy_scorer_find("GpuPacking")->score(&view, NULL, n), 0);
}

/* Pods that may go anywhere leave scarce models to those that need them, once these are known. */
static void test_scarce_models_have_a_price(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "rare", 64000, 256000, 4);
    char name[32];

    node.labels = core_label(&f->k, "model", "rare");
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    put_node(f, "plain", 4);
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "r%d", i);
        struct sy_pod pod = make_pod(f, name, 1, 1000);
        pod.spec.node_selector = core_label(&f->k, "model", "rare");
        put_pod(f, pod);
        sy_sched_pod_deleted(f->s, pod.uid, f->now);
    }
    assert_true(f->c->gpus.targets.len >= 1); /* learned from those that came */
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        assert_string_equal(decide(f, make_pod(f, name, 1, 1000))->node, "plain");
    }
    assert_string_equal(decide(f, make_pod(f, "last", 1, 1000))->node, "rare");
}

static void test_learning(void **state)
{
    struct fixture *f = *state;
    const struct sy_gpu_targets *t = &f->c->gpus.targets;
    const int64_t day = 24 * 3600 * SY_NS_PER_S;
    char name[32];

    put_node(f, "n", 4);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        struct sy_pod pod = make_pod(f, name, 1, i % 2 ? 500 : 1000);
        pod.created_wall_ns = day;
        put_pod(f, pod);
        if (i == 2)
            assert_int_equal(t->len, 0);
        if (i == 3)
            assert_int_equal(t->len, 2);
    }
    assert_float_equal(t->p[0].share, 0.5, 0.02);
    for (int i = 0; i < 10; i++) { /* years later: what was is forgotten */
        snprintf(name, sizeof(name), "q%d", i);
        struct sy_pod pod = make_pod(f, name, 2, 1000);
        pod.created_wall_ns = 2000 * day;
        put_pod(f, pod);
    }
    sy_gpu_targets_learn(f->c, true);
    assert_int_equal(t->len, 1);
    assert_int_equal(t->p[0].gpus, 2);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "uid-p%d", i);
        sy_sched_pod_deleted(f->s, sy_str_from(name), f->now);
    }
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_requests),
        CASE(test_device_lists),
        CASE(test_others),
        CASE(test_more_than_there_are),
        CASE(test_fewer_devices),
        CASE(test_memory_and_labels),
        CASE(test_plugin_that_shares),
        CASE(test_forget_and_trial),
        CASE(test_random_events),
        CASE(test_shares),
        CASE(test_whole_ones_are_unshared),
        CASE(test_rebuilt_from_pods),
        CASE(test_values),
        CASE(test_scarce_models_have_a_price),
        CASE(test_learning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
