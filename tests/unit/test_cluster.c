/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/cluster.h"

#include "base/rng.h"
#include "core.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct core k;
    struct sy_cluster c;
};

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_cluster_init(&f->c, f->k.strings);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_cluster_done(&f->c);
    core_done(&f->k);
    free(f);
    return 0;
}

static void assert_sound(struct fixture *f)
{
    char text[256];
    const char *difference = sy_cluster_audit(&f->c, text, sizeof(text));

    if (difference)
        fail_msg("%s", difference);
}

static uint32_t put_node(struct fixture *f, struct sy_node node, uint32_t expect_change)
{
    uint32_t slot, change;

    assert_int_equal(sy_cluster_node_upsert(&f->c, &node, &slot, &change), 0);
    assert_int_equal(change, expect_change);
    assert_sound(f);
    return slot;
}

static uint32_t put_pod(struct fixture *f, struct sy_pod pod, uint32_t expect_change)
{
    uint32_t slot, change;

    assert_int_equal(sy_cluster_pod_upsert(&f->c, &pod, &slot, &change), 0);
    assert_int_equal(change, expect_change);
    assert_sound(f);
    return slot;
}

static int64_t used_cpu(const struct fixture *f, uint32_t node)
{
    return f->c.columns[SY_COLUMN_CPU_MILLI].used[node];
}

static void test_heartbeat_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "a", 4000, 1024, 8);

    put_node(f, node, SY_NODE_ADDED);
    uint64_t generation = f->c.generation;
    node.resource_version = SY_STR("77");
    put_node(f, node, 0);
    assert_int_equal(f->c.generation, generation);

    node.unschedulable = true;
    put_node(f, node, SY_NODE_SCHEDULABLE);
    node.allocatable = core_amounts(&f->k, 4000, 1024, 7, 110);
    put_node(f, node, SY_NODE_ALLOCATABLE);
    node.labels = core_label(&f->k, "disk", "ssd");
    put_node(f, node, SY_NODE_LABELS);
    assert_true(f->c.generation > generation);
}

static void test_assume_confirm_forget(void **state)
{
    struct fixture *f = *state;
    uint32_t a = put_node(f, core_node(&f->k, "a", 4000, 1024, 0), SY_NODE_ADDED);
    uint32_t b = put_node(f, core_node(&f->k, "b", 4000, 1024, 0), SY_NODE_ADDED);
    struct sy_pod pod = core_pod(&f->k, "p", 500, 64, 0);
    uint32_t slot = put_pod(f, pod, SY_POD_ADDED);

    assert_int_equal(sy_cluster_assume(&f->c, slot, a), 0);
    assert_int_equal(sy_cluster_assume(&f->c, slot, b), -EBUSY);
    assert_int_equal(used_cpu(f, a), 500);
    /* An update that does not bind leaves the assumption. */
    pod.labels = core_label(&f->k, "x", "y");
    put_pod(f, pod, SY_POD_SPEC);
    assert_int_equal(used_cpu(f, a), 500);
    sy_cluster_forget(&f->c, slot);
    assert_int_equal(used_cpu(f, a), 0);

    assert_int_equal(sy_cluster_assume(&f->c, slot, a), 0);
    pod.node = core_id(&f->k, "a");
    put_pod(f, pod, SY_POD_CONFIRMED);
    sy_cluster_forget(&f->c, slot); /* too late: the API server has bound it */
    assert_int_equal(used_cpu(f, a), 500);
    assert_int_equal(f->c.pods_assumed, 0);
}

static void test_assumed_here_bound_there(void **state)
{
    struct fixture *f = *state;
    uint32_t a = put_node(f, core_node(&f->k, "a", 4000, 1024, 0), SY_NODE_ADDED);
    uint32_t b = put_node(f, core_node(&f->k, "b", 4000, 1024, 0), SY_NODE_ADDED);
    struct sy_pod pod = core_pod(&f->k, "p", 500, 64, 0);
    uint32_t slot = put_pod(f, pod, SY_POD_ADDED);

    assert_int_equal(sy_cluster_assume(&f->c, slot, a), 0);
    pod.node = core_id(&f->k, "b");
    put_pod(f, pod, SY_POD_MOVED | SY_POD_FREED | SY_POD_BOUND);
    assert_int_equal(used_cpu(f, a), 0);
    assert_int_equal(used_cpu(f, b), 500);
}

/* Pods may be listed before their node, and outlive it: the node deleted and made anew under the
 * same name finds them charged. */
static void test_pods_before_and_after_their_node(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = core_pod(&f->k, "p", 500, 64, 0);

    pod.node = core_id(&f->k, "late");
    put_pod(f, pod, SY_POD_ADDED | SY_POD_BOUND);
    uint32_t slot = put_node(f, core_node(&f->k, "late", 4000, 1024, 0), SY_NODE_ADDED);
    assert_int_equal(used_cpu(f, slot), 500);
    assert_int_equal(sy_cluster_node_delete(&f->c, pod.node), slot);
    assert_sound(f);
    assert_int_equal(f->c.nodes_alive, 0);
    assert_int_equal(put_node(f, core_node(&f->k, "late", 8000, 1024, 0), SY_NODE_ADDED), slot);
    assert_int_equal(used_cpu(f, slot), 500);
    sy_cluster_node_delete(&f->c, pod.node);
    sy_cluster_pod_delete(&f->c, sy_cluster_pod_find(&f->c, pod.uid));
    assert_sound(f);
    assert_int_equal(sy_cluster_node_find(&f->c, pod.node), SY_NONE);
}

static void test_terminal_and_resized_pods(void **state)
{
    struct fixture *f = *state;
    uint32_t a = put_node(f, core_node(&f->k, "a", 4000, 1024, 0), SY_NODE_ADDED);
    struct sy_pod pod = core_pod(&f->k, "p", 500, 64, 0);
    uint32_t slot, change;

    pod.node = core_id(&f->k, "a");
    pod.phase = SY_PHASE_RUNNING;
    put_pod(f, pod, SY_POD_ADDED | SY_POD_BOUND | SY_POD_STARTED);
    pod.spec.requests.requests = core_amounts(&f->k, 900, 64, 0, 0);
    put_pod(f, pod, SY_POD_SPEC | SY_POD_FREED);
    assert_int_equal(used_cpu(f, a), 900);
    pod.deleting_wall_ns = 1;
    put_pod(f, pod, SY_POD_DELETING); /* holds its resources until it is gone */
    assert_int_equal(used_cpu(f, a), 900);
    pod.phase = SY_PHASE_SUCCEEDED;
    assert_int_equal(sy_cluster_pod_upsert(&f->c, &pod, &slot, &change), 0);
    assert_int_equal(slot, SY_NONE);
    assert_int_equal(used_cpu(f, a), 0);
    assert_int_equal(f->c.pods_alive, 0);
}

static void test_equal_specs_are_shared(void **state)
{
    struct fixture *f = *state;
    uint32_t slots[3];

    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "p%d", i);
        slots[i] = put_pod(f, core_pod(&f->k, name, i == 2 ? 700 : 500, 64, 0), SY_POD_ADDED);
    }
    assert_ptr_equal(f->c.pods.p[slots[0]].spec, f->c.pods.p[slots[1]].spec);
    assert_ptr_not_equal(f->c.pods.p[slots[0]].spec, f->c.pods.p[slots[2]].spec);
    assert_int_equal(sy_specs_len(f->c.specs), 2);
    sy_cluster_pod_delete(&f->c, slots[2]);
    assert_int_equal(sy_specs_len(f->c.specs), 1);
}

static void test_sums_never_wrap(void **state)
{
    struct fixture *f = *state;
    uint32_t a = put_node(f, core_node(&f->k, "a", 4000, 1024, 0), SY_NODE_ADDED);

    for (int i = 0; i < 8; i++) {
        char name[16];
        snprintf(name, sizeof(name), "p%d", i);
        struct sy_pod pod = core_pod(&f->k, name, INT64_MAX, 64, 0);
        pod.node = core_id(&f->k, "a");
        put_pod(f, pod, SY_POD_ADDED | SY_POD_BOUND);
    }
    assert_true(used_cpu(f, a) >= 8 * SY_CHARGE_MAX);
}

static void test_names_with_nul_are_refused(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = core_pod(&f->k, "p", 1, 1, 0);
    uint32_t slot, change;

    pod.name = (struct sy_str){"a\0b", 3};
    assert_int_equal(sy_cluster_pod_upsert(&f->c, &pod, &slot, &change), -ENOMEM);
    assert_int_equal(f->c.pods_alive, 0);
    assert_int_equal(sy_specs_len(f->c.specs), 0);
}

static void test_replacement_finds_the_missing(void **state)
{
    struct fixture *f = *state;
    struct sy_pod p = core_pod(&f->k, "p", 1, 1, 0), q = core_pod(&f->k, "q", 1, 1, 0);
    uint32_t at = 0;

    uint32_t p_slot = put_pod(f, p, SY_POD_ADDED);
    put_pod(f, q, SY_POD_ADDED);
    sy_cluster_pods_replace_begin(&f->c);
    put_pod(f, q, 0);
    assert_int_equal(sy_cluster_pods_next_unseen(&f->c, &at), p_slot);
    assert_int_equal(sy_cluster_pods_next_unseen(&f->c, &at), SY_NONE);

    put_node(f, core_node(&f->k, "a", 1, 1, 0), SY_NODE_ADDED);
    uint32_t b = put_node(f, core_node(&f->k, "b", 1, 1, 0), SY_NODE_ADDED);
    sy_cluster_nodes_replace_begin(&f->c);
    put_node(f, core_node(&f->k, "a", 1, 1, 0), 0);
    at = 0;
    assert_int_equal(sy_cluster_nodes_next_unseen(&f->c, &at), b);
}

static void test_too_many_resource_names(void **state)
{
    struct fixture *f = *state;
    struct sy_amount *p = sy_arena_array(&f->k.arena, 2000, sizeof(*p));
    struct sy_node node = core_node(&f->k, "a", 1000, 1024, 0);

    for (int i = 0; i < 2000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "vendor.example/r%d", i);
        p[i] = (struct sy_amount){core_id(&f->k, name), 1};
    }
    node.allocatable = (struct sy_amounts){p, sy_amounts_sort(p, 2000)};
    put_node(f, node, SY_NODE_ADDED);
    assert_int_equal(f->c.columns_len, SY_COLUMNS_MAX);
}

/* Random storms of everything, audited: sums stay what the pods add up to. */
static void test_random_operations_keep_the_sums(void **state)
{
    struct fixture *f = *state;
    struct sy_rng rng;
    uint32_t slot, change;

    sy_rng_seed(&rng, 7);
    for (int step = 0; step < 20000; step++) {
        char pod_name[16], node_name[16];
        snprintf(pod_name, sizeof(pod_name), "p%d", (int)sy_rng_below(&rng, 60));
        snprintf(node_name, sizeof(node_name), "n%d", (int)sy_rng_below(&rng, 12));
        struct sy_pod pod = core_pod(&f->k, pod_name, 100 * (int64_t)sy_rng_below(&rng, 8), 64,
                                     (int64_t)sy_rng_below(&rng, 3));
        slot = sy_cluster_pod_find(&f->c, pod.uid);
        switch (sy_rng_below(&rng, 8)) {
        case 0:
        case 1:
            if (slot != SY_NONE && f->c.pods.p[slot].node != SY_NONE &&
                !(f->c.pods.p[slot].flags & SY_POD_ASSUMED))
                pod.node = f->c.nodes[f->c.pods.p[slot].node].node.name; /* a pod never moves */
            else if (sy_rng_below(&rng, 2))
                pod.node = core_id(&f->k, node_name);
            assert_int_equal(sy_cluster_pod_upsert(&f->c, &pod, &slot, &change), 0);
            break;
        case 2:
            if (slot != SY_NONE)
                sy_cluster_pod_delete(&f->c, slot);
            break;
        case 3:
            if (slot != SY_NONE &&
                sy_cluster_node_find(&f->c, core_id(&f->k, node_name)) != SY_NONE)
                (void)!sy_cluster_assume(&f->c, slot,
                                         sy_cluster_node_find(&f->c, core_id(&f->k, node_name)));
            break;
        case 4:
            if (slot != SY_NONE)
                sy_cluster_forget(&f->c, slot);
            break;
        case 5:
            sy_cluster_node_delete(&f->c, core_id(&f->k, node_name));
            break;
        default: {
            struct sy_node node =
                core_node(&f->k, node_name, 1000 * (1 + (int64_t)sy_rng_below(&rng, 4)), 4096,
                          (int64_t)sy_rng_below(&rng, 9));
            assert_int_equal(sy_cluster_node_upsert(&f->c, &node, &slot, &change), 0);
        }
        }
        if (step % 16 == 0)
            assert_sound(f);
    }
    assert_sound(f);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_heartbeat_changes_nothing),
        TEST(test_assume_confirm_forget),
        TEST(test_assumed_here_bound_there),
        TEST(test_pods_before_and_after_their_node),
        TEST(test_terminal_and_resized_pods),
        TEST(test_equal_specs_are_shared),
        TEST(test_sums_never_wrap),
        TEST(test_names_with_nul_are_refused),
        TEST(test_replacement_finds_the_missing),
        TEST(test_too_many_resource_names),
        TEST(test_random_operations_keep_the_sums),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
