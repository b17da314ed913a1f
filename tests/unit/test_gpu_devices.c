/* SPDX-License-Identifier: Apache-2.0
 *
 * Which devices of a node there are and go together: groups, unhealthy ones, those of other
 * vendors, MIG's slices, and what other schedulers have put there. */
#include "core_gpus.h"
#include "sched/explain.h"
#include "serve/api_nodes.h"

static const uint64_t PAIRS[] = {0x3, 0xC, 0x30, 0xC0};
static const uint64_t PAIRS_AND_QUADS[] = {0x3, 0xC, 0xF, 0x30, 0xC0, 0xF0};

static struct sy_node grouped_node(struct fixture *f, const char *name, int64_t gpus,
                                   const uint64_t *groups, uint32_t len)
{
    struct sy_node node = core_node(&f->k, name, 64000, 256000, gpus);

    node.gpu_groups = groups;
    node.gpu_groups_len = len;
    return node;
}

static uint32_t put(struct fixture *f, struct sy_node node)
{
    node.capacity = node.capacity.len ? node.capacity : node.allocatable;
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    return sy_cluster_node_find(f->c, node.name);
}

static struct sy_pod near_pod(struct fixture *f, const char *name, uint16_t count)
{
    struct sy_pod pod = make_pod(f, name, count, SY_GPU_WHOLE_MILLI);

    pod.spec.gpu.one_group = true;
    return pod;
}

/* What is said of the pods that waited, after something has changed. */
static const struct said *decide_again(struct fixture *f)
{
    f->said.len = 0;
    sy_sched_run(f->s, true, 0, f->now);
    assert_int_equal(f->said.len, 1);
    return &f->said.p[0];
}

/* -- groups -- */

static void test_group_lists(void **state)
{
    uint64_t groups[SY_GPUS_MAX];
    static const char *const wrong[] = {"",    ";",     "0,1;",    ";0,1", "0,1;1,1",
                                        "0-3", "0.1;2", "0,1_2,3", "64",   "a"};
    char many[256] = "0";

    (void)state;
    assert_int_equal(sy_gpu_groups_parse(SY_STR("0,1;2,3;0,1,2,3"), groups), 3);
    assert_true(groups[0] == 3 && groups[1] == 12 && groups[2] == 15);
    assert_int_equal(sy_gpu_groups_parse(SY_STR("0.1_2.3"), groups), 2);
    assert_true(groups[0] == 3 && groups[1] == 12);
    assert_int_equal(sy_gpu_groups_parse(SY_STR("0,1,2"), groups), 1);
    for (size_t i = 0; i < SY_ARRAY_LEN(wrong); i++)
        assert_int_equal(sy_gpu_groups_parse(sy_str_from(wrong[i]), groups), 0);
    for (int i = 1; i < SY_GPUS_MAX; i++)
        memcpy(many + 2 * i - 1, ";0", 3);
    assert_int_equal(sy_gpu_groups_parse(sy_str_from(many), groups), SY_GPUS_MAX);
    memcpy(many + 2 * SY_GPUS_MAX - 1, ";0", 3);
    assert_int_equal(sy_gpu_groups_parse(sy_str_from(many), groups), 0);
}

static void test_tightest_group(void **state)
{
    struct fixture *f = *state;
    uint32_t n = put(f, grouped_node(f, "n", 8, PAIRS_AND_QUADS, 6));

    put_bound(f, "a", 1, 1000, "n", 1U << 1);
    /* One goes where a pair is broken already, two to a pair, three beside it into the quad. */
    assert_string_equal(decide(f, make_pod(f, "one", 1, 1000))->gpus, "0");
    assert_string_equal(decide(f, make_pod(f, "two", 2, 1000))->gpus, "2,3");
    assert_string_equal(decide(f, make_pod(f, "three", 3, 1000))->gpus, "4,5,6");
    assert_string_equal(free_of(f, n), "0 0 0 0 0 0 0 1000");
    assert_sound(f);
}

static void test_as_few_groups_as_will_do(void **state)
{
    struct fixture *f = *state;

    put(f, grouped_node(f, "n", 8, PAIRS, 4));
    put_bound(f, "a", 2, 1000, "n", 1U << 0 | 1U << 2);
    assert_string_equal(decide(f, make_pod(f, "three", 3, 1000))->gpus, "1,4,5");
    /* Devices in no group are taken last. */
    put(f, grouped_node(f, "m", 4, PAIRS, 1));
    sy_sched_node_deleted(f->s, core_id(&f->k, "n"), f->now);
    assert_string_equal(decide(f, make_pod(f, "four", 3, 1000))->gpus, "0,1,2");
}

static void test_one_group_is_required(void **state)
{
    struct fixture *f = *state;

    put(f, grouped_node(f, "n", 4, PAIRS, 2));
    const struct said *said = decide(f, near_pod(f, "large", 3));
    assert_non_null(strstr(said->message, "no group of GPUs that is large enough"));
    sy_sched_pod_deleted(f->s, SY_STR("uid-large"), f->now);
    put_bound(f, "a", 1, 1000, "n", 1);
    put_bound(f, "b", 1, 1000, "n", 4);
    said = decide(f, near_pod(f, "p", 2)); /* without the wish the other two would do */
    assert_false(said->is_bind);
    assert_non_null(strstr(said->message, "1 Insufficient GPUs in one group"));
    sy_sched_pod_deleted(f->s, SY_STR("uid-b"), f->now);
    said = decide_again(f);
    assert_true(said->is_bind);
    assert_string_equal(said->gpus, "2,3");
    /* A node that says nothing of groups. */
    sy_sched_node_deleted(f->s, core_id(&f->k, "n"), f->now);
    put_node(f, "plain", 4);
    said = decide(f, near_pod(f, "r", 2));
    assert_non_null(strstr(said->message, "no group of GPUs that is large enough"));
    assert_true(decide(f, near_pod(f, "single", 1))->is_bind);
}

/* Who waits for the number of GPUs is woken when one goes that was bound by us. */
static void test_woken_by_number(void **state)
{
    struct fixture *f = *state;

    put(f, grouped_node(f, "n", 4, PAIRS, 2));
    const struct said *said = decide(f, near_pod(f, "pair", 2));
    sy_sched_bind_result(f->s, said->ticket, SY_BIND_RESULT_OK, NULL, f->now);
    struct sy_pod bound = near_pod(f, "pair", 2);
    bound.node = core_id(&f->k, "n");
    bound.gpu_devices = 3;
    put_pod(f, bound);
    struct sy_pod one = make_pod(f, "one", 1, 1000);
    said = decide(f, one);
    assert_string_equal(said->gpus, "2");
    sy_sched_bind_result(f->s, said->ticket, SY_BIND_RESULT_OK, NULL, f->now);
    one.node = core_id(&f->k, "n");
    one.gpu_devices = 4;
    put_pod(f, one);
    assert_non_null(strstr(decide(f, near_pod(f, "pair2", 2))->message, "Insufficient nvidia.com"));
    sy_sched_pod_deleted(f->s, SY_STR("uid-one"), f->now);
    assert_string_equal(decide_again(f)->gpus, "2,3");
}

/* Of two nodes with as much free the one where they are near each other. */
static void test_near_ones_have_more_points(void **state)
{
    struct fixture *f = *state;

    put(f, grouped_node(f, "a", 4, PAIRS, 2));
    put(f, grouped_node(f, "b", 4, PAIRS, 2));
    put_bound(f, "a0", 2, 1000, "a", 1U << 0 | 1U << 2);
    put_bound(f, "b0", 2, 1000, "b", 1U << 0 | 1U << 1);
    const struct said *said = decide(f, make_pod(f, "p", 2, 1000));
    assert_string_equal(said->node, "b");
    assert_string_equal(said->gpus, "2,3");
}

/* -- unhealthy ones -- */

static void test_unhealthy(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = grouped_node(f, "n", 4, NULL, 0);
    uint32_t n = put(f, node);

    put_bound(f, "a", 1, 500, "n", 1U << 1);
    node.gpus_unhealthy = 1U << 1 | 1U << 2 | 1U << 9; /* the last is not there */
    put(f, node);
    assert_string_equal(free_of(f, n), "1000 0 0 1000");
    assert_int_equal(sy_gpus_of(f->c, n)->lost, 2);
    assert_int_equal(sy_gpus_of(f->c, n)->unplaced, 0); /* who is on one stays there */
    assert_int_equal(sy_gpus_of(f->c, n)->gpus[1].users, 1);
    assert_sound(f);
    assert_string_equal(decide(f, make_pod(f, "part", 1, 400))->gpus, "0");
    assert_string_equal(decide(f, make_pod(f, "one", 1, 1000))->gpus, "3");
    const struct said *said = decide(f, make_pod(f, "next", 1, 1000));
    assert_non_null(strstr(said->message, "Insufficient unshared GPUs"));
    node.gpus_unhealthy = 1U << 1;
    put(f, node); /* healthy again: it is woken */
    said = decide_again(f);
    assert_true(said->is_bind);
    assert_string_equal(said->gpus, "2");
    assert_sound(f);
}

/* The plugin takes away what it finds unhealthy: the names say which these are, and only what they
 * do not explain is presumed. */
static void test_unhealthy_and_fewer(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = grouped_node(f, "n", 4, NULL, 0);

    node.capacity = node.allocatable;
    node.allocatable = core_amounts(&f->k, 64000, 256000, 3, 110);
    node.gpus_unhealthy = 1;
    uint32_t n = put(f, node);
    assert_string_equal(free_of(f, n), "0 1000 1000 1000");
    node.allocatable = core_amounts(&f->k, 64000, 256000, 2, 110);
    put(f, node);
    assert_string_equal(free_of(f, n), "0 1000 1000 0");
    const struct said *said = decide(f, make_pod(f, "p", 3, 1000));
    assert_false(said->is_bind);
    node.gpus_unhealthy = UINT64_MAX; /* it says something that can not be read */
    put(f, node);
    assert_string_equal(free_of(f, n), "0 0 0 0");
    node.gpus_unhealthy = 0;
    node.allocatable = node.capacity;
    put(f, node);
    said = decide_again(f);
    assert_string_equal(said->gpus, "0,1,2");
}

static void test_unhealthy_ones_are_of_no_group(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = grouped_node(f, "n", 4, PAIRS, 2);

    node.gpus_unhealthy = 1;
    put(f, node);
    assert_string_equal(decide(f, near_pod(f, "p", 2))->gpus, "2,3");
    const struct said *said = decide(f, near_pod(f, "q", 2));
    assert_non_null(strstr(said->message, "Insufficient"));
    node.gpus_unhealthy = 1 | 4;
    put(f, node);
    assert_true(sy_gpus_of(f->c, sy_cluster_node_find(f->c, node.name))->lost == 2);
}

/* Another scheduler on a node with an unhealthy device: its pods that say where they are, are
 * there; others are presumed on those that work. */
static void test_foreign_pods_beside_unhealthy(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = grouped_node(f, "n", 3, NULL, 0);

    node.gpus_unhealthy = 1;
    uint32_t n = put(f, node);
    put_bound(f, "a", 1, 500, "n", 0);
    assert_string_equal(free_of(f, n), "0 500 1000");
    put_bound(f, "b", 1, 300, "n", 1);
    assert_string_equal(free_of(f, n), "0 500 1000");
    assert_int_equal(sy_gpus_of(f->c, n)->gpus[0].users, 1);
    /* It moves, by the other scheduler's word. */
    struct sy_pod moved = make_pod(f, "b", 1, 300);
    moved.spec.scheduler_name = core_id(&f->k, "other");
    moved.node = core_id(&f->k, "n");
    moved.gpu_devices = 4;
    put_pod(f, moved);
    assert_string_equal(free_of(f, n), "0 500 700");
    assert_string_equal(decide(f, make_pod(f, "p", 1, 700))->gpus, "2");
    assert_sound(f);
}

/* Whoever asks is told which are unhealthy, and who is on them. */
static void test_nodes_are_shown(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = grouped_node(f, "n", 3, NULL, 0);
    struct sy_buf out;

    node.capacity = node.allocatable;
    node.allocatable = core_amounts(&f->k, 64000, 256000, 1, 110);
    node.gpus_unhealthy = 1;
    put(f, node);
    put_bound(f, "a", 1, 300, "n", 1);
    put_bound(f, "b", 1, 300, "n", 2);
    sy_buf_init(&out, 1 << 20);
    sy_api_nodes_write(f->s, f->now, &out);
    assert_non_null(strstr(
        out.p,
        "\"resource\":\"nvidia.com/gpu\",\"freeMilli\":700,\"unplacedPods\":0,\"devices\":["
        "{\"device\":0,\"freeMilli\":0,\"pods\":1,\"state\":\"Unhealthy\"},"
        "{\"device\":1,\"freeMilli\":700,\"pods\":1,\"state\":\"Healthy\"},"
        "{\"device\":2,\"freeMilli\":0,\"pods\":0,\"state\":\"Gone\"}],"
        "\"podsOnUnhealthy\":[{\"namespace\":\"default\",\"name\":\"a\",\"devices\":\"0\"}]"));
    sy_buf_done(&out);
}

/* Points of a scorer that can fall below 0 are kept and shown as they are. */
static void test_losses_are_points(void **state)
{
    struct fixture *f = *state;
    struct sy_explanation e;
    double least = 0;

    /* What is expected is eight at once: a single one breaks up a node. */
    struct sy_pod_spec eight = make_pod(f, "eight", 8, 1000).spec;
    const struct sy_pod_spec *specs[] = {&eight};
    assert_int_equal(sy_gpu_targets_set(f->c, specs, (double[]){1}, 1), 0);
    sy_gpu_targets_learn(f->c, false);
    put_node(f, "a", 8);
    put_node(f, "b", 8);
    assert_true(decide(f, make_pod(f, "p", 1, 1000))->is_bind);
    assert_int_equal(sy_sched_explain(f->s, SY_STR("default"), SY_STR("p"), &e), 0);
    assert_true(e.record->has_points);
    for (uint32_t i = 0; i < e.profile->scorers_len; i++) {
        if (e.profile->scorers[i].scorer->unit) {
            assert_true(e.record->nodes[0].points[i] != SY_RECORD_NO_POINTS);
            least = (double)e.record->nodes[0].points[i] / 100;
        }
    }
    /* Seven GPUs are of no more use; bestfit gives back less than ten points. */
    assert_true(least < -600 && least > -710);
    sy_explanation_done(&e);
}

/* -- other vendors -- */

static struct sy_amounts amounts_of(struct fixture *f, const char *resource, int64_t amount)
{
    struct sy_amount *p = sy_arena_array(&f->k.arena, 4, sizeof(*p));

    p[0] = (struct sy_amount){f->k.names.cpu, 64000};
    p[1] = (struct sy_amount){f->k.names.memory, (int64_t)256000 << 20};
    p[2] = (struct sy_amount){f->k.names.pods, 110};
    p[3] = (struct sy_amount){core_id(&f->k, resource), amount};
    return (struct sy_amounts){p, sy_amounts_sort(p, 4)};
}

static struct sy_pod vendor_pod(struct fixture *f, const char *name, const char *resource,
                                int64_t count)
{
    struct sy_pod pod = core_pod(&f->k, name, 1000, 1000, 0);
    struct sy_amount *p = sy_arena_array(&f->k.arena, 2, sizeof(*p));

    p[0] = (struct sy_amount){f->k.names.cpu, 1000};
    p[1] = (struct sy_amount){core_id(&f->k, resource), count};
    pod.spec.requests.requests = (struct sy_amounts){p, sy_amounts_sort(p, 2)};
    struct sy_gpu_words words = {.requests = pod.spec.requests.requests};
    pod.spec.gpu = sy_gpu_request_of(f->k.strings, &f->c->names, &words);
    return pod;
}

static void test_other_vendors(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "amd", 64000, 256000, 0);

    node.allocatable = amounts_of(f, "amd.com/gpu", 4);
    uint32_t n = put(f, node);
    assert_string_equal(free_of(f, n), "1000 1000 1000 1000");
    struct sy_pod pod = vendor_pod(f, "p", "amd.com/gpu", 2);
    assert_int_equal(pod.spec.gpu.count, 2);
    assert_int_equal(pod.spec.gpu.milli, 1000);
    assert_string_equal(decide(f, pod)->gpus, "0,1");
    assert_string_equal(free_of(f, n), "0 0 1000 1000");
    const struct said *said = decide(f, vendor_pod(f, "q", "nvidia.com/gpu", 1));
    assert_non_null(strstr(said->message, "Insufficient nvidia.com/gpu"));
    sy_sched_pod_deleted(f->s, SY_STR("uid-q"), f->now);
    /* Parts may be on any. */
    assert_string_equal(decide(f, make_pod(f, "part", 1, 300))->gpus, "2");
    /* A resource that is not configured has no ledger. */
    assert_int_equal(vendor_pod(f, "r", "example.com/gpu", 1).spec.gpu.count, 0);
    struct sy_gpu_sums sums = sy_gpus_sums(f->c, n);
    assert_int_equal(sums.total_milli, 4000);
    assert_int_equal(sums.used_milli, 2000);
    assert_sound(f);
}

/* A node that has GPUs of two vendors: the ledger is of the first, and pods that ask for the other
 * are counted by number. */
static void test_two_vendors_on_a_node(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "n", 64000, 256000, 2);
    struct sy_amounts amd = amounts_of(f, "amd.com/gpu", 1);

    node.allocatable = sy_amounts_max(&f->k.arena, node.allocatable, amd);
    uint32_t n = put(f, node);
    assert_string_equal(free_of(f, n), "1000 1000");
    const struct said *said = decide(f, vendor_pod(f, "p", "amd.com/gpu", 1));
    assert_true(said->is_bind);
    assert_string_equal(said->gpus, "");
    assert_string_equal(free_of(f, n), "1000 1000");
    said = decide(f, vendor_pod(f, "q", "amd.com/gpu", 1));
    assert_non_null(strstr(said->message, "Insufficient amd.com/gpu"));
    assert_sound(f);
}

/* -- MIG -- */

static void test_mig(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "n", 64000, 256000, 2);
    struct sy_amounts small = amounts_of(f, "nvidia.com/mig-1g.10gb", 4);
    struct sy_amounts large = amounts_of(f, "nvidia.com/mig-3g.40gb", 1);

    node.allocatable = sy_amounts_max(&f->k.arena, node.allocatable, small);
    node.allocatable = sy_amounts_max(&f->k.arena, node.allocatable, large);
    node.labels = core_label(&f->k, "nvidia.com/gpu.count", "3"); /* with the one that is cut up */
    uint32_t n = put(f, node);
    assert_string_equal(free_of(f, n), "1000 1000");
    assert_int_equal(sy_gpus_sums(f->c, n).total_milli, 2000 + 571 + 428);
    const struct said *said = decide(f, vendor_pod(f, "p", "nvidia.com/mig-3g.40gb", 1));
    assert_true(said->is_bind);
    assert_string_equal(said->gpus, ""); /* which slice is the plugin's to say */
    assert_string_equal(free_of(f, n), "1000 1000");
    assert_int_equal(sy_gpus_sums(f->c, n).used_milli, 428);
    said = decide(f, vendor_pod(f, "q", "nvidia.com/mig-3g.40gb", 1));
    assert_non_null(strstr(said->message, "Insufficient nvidia.com/mig-3g.40gb"));
    sy_sched_pod_deleted(f->s, SY_STR("uid-q"), f->now);
    assert_string_equal(decide(f, make_pod(f, "whole", 2, 1000))->gpus, "0,1");
    assert_int_equal(sy_gpus_sums(f->c, n).used_milli, 2428);
    struct sy_group_sums pool[SY_POOLS_MAX + 1], all;
    sy_pools_count(f->c, pool, &all);
    assert_int_equal(all.used[SY_LOAD_GPU], 2428);
    assert_int_equal(all.total[SY_LOAD_GPU], 2999);
}

/* A node whose GPUs are all cut up reports none whole, and may have another vendor's. */
static void test_none_is_no_resource(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "n", 64000, 256000, 0);
    struct sy_amounts none = amounts_of(f, "nvidia.com/gpu", 0);

    node.allocatable = sy_amounts_max(&f->k.arena, amounts_of(f, "amd.com/gpu", 2), none);
    uint32_t n = put(f, node);
    assert_string_equal(free_of(f, n), "1000 1000");
    assert_string_equal(decide(f, vendor_pod(f, "p", "amd.com/gpu", 1))->gpus, "0");
    node.allocatable = sy_amounts_max(&f->k.arena, none, amounts_of(f, "nvidia.com/mig-1g.5gb", 7));
    node.capacity = node.allocatable;
    assert_null(sy_gpus_of(f->c, put(f, node)));
}

static void test_mig_names(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name;
        int milli;
    } want[] = {
        {"nvidia.com/mig-7g.80gb", 1000},
        {"nvidia.com/mig-1g.5gb.me", 142},
        {"nvidia.com/mig-1c.3g.20gb", 142},
        {"nvidia.com/mig-8g.80gb", 0},
        {"nvidia.com/mig-", 0},
        {"nvidia.com/mig-1", 0},
        {"example.com/mig-1g.5gb", 0},
        {"nvidia.com/mig-xg.5gb", 0},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(want); i++) {
        struct sy_node node = core_node(&f->k, want[i].name, 64000, 256000, 0);
        node.allocatable = amounts_of(f, want[i].name, 1);
        assert_int_equal(sy_gpus_sums(f->c, put(f, node)).total_milli, want[i].milli);
    }
}

/* -- HAMi's containers -- */

static void test_hami_containers(void **state)
{
    struct fixture *f = *state;
    struct sy_container c[3] = {
        {.kind = SY_CONTAINER_INIT}, {.kind = SY_CONTAINER_MAIN}, {.kind = SY_CONTAINER_MAIN}};
    struct sy_amount p[3][2] = {
        {{f->k.names.nvidia_gpu, 2}, {core_id(&f->k, "nvidia.com/gpucores"), 20}},
        {{f->k.names.nvidia_gpu, 1}, {core_id(&f->k, "nvidia.com/gpucores"), 30}},
        {{f->k.names.nvidia_gpu, 2}, {core_id(&f->k, "nvidia.com/gpucores"), 50}},
    };
    struct sy_amount sum[2] = {{f->k.names.nvidia_gpu, 3},
                               {core_id(&f->k, "nvidia.com/gpucores"), 80}};
    struct sy_gpu_words words = {
        .requests = {sum, sy_amounts_sort(sum, 2)}, .containers = c, .containers_len = 3};

    for (int i = 0; i < 3; i++)
        c[i].requests = (struct sy_amounts){p[i], sy_amounts_sort(p[i], 2)};
    struct sy_gpu_request r = sy_gpu_request_of(f->k.strings, &f->c->names, &words);
    assert_int_equal(r.count, 3);
    assert_int_equal(r.milli, 500);
    /* An init container that asks for more than all others together. */
    p[0][0].amount = p[0][0].resource == f->k.names.nvidia_gpu ? 4 : p[0][0].amount;
    p[0][1].amount = p[0][1].resource == f->k.names.nvidia_gpu ? 4 : p[0][1].amount;
    assert_int_equal(sy_gpu_request_of(f->k.strings, &f->c->names, &words).count, 4);
    /* One container that asks for whole ones. */
    c[1].requests = (struct sy_amounts){&(struct sy_amount){f->k.names.nvidia_gpu, 1}, 1};
    assert_int_equal(sy_gpu_request_of(f->k.strings, &f->c->names, &words).milli, 1000);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_group_lists),
        CASE(test_tightest_group),
        CASE(test_as_few_groups_as_will_do),
        CASE(test_one_group_is_required),
        CASE(test_woken_by_number),
        CASE(test_near_ones_have_more_points),
        CASE(test_unhealthy),
        CASE(test_unhealthy_and_fewer),
        CASE(test_unhealthy_ones_are_of_no_group),
        CASE(test_foreign_pods_beside_unhealthy),
        CASE(test_nodes_are_shown),
        CASE(test_losses_are_points),
        CASE(test_other_vendors),
        CASE(test_two_vendors_on_a_node),
        CASE(test_mig),
        CASE(test_none_is_no_resource),
        CASE(test_mig_names),
        CASE(test_hami_containers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
