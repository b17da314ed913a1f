/* SPDX-License-Identifier: Apache-2.0
 *
 * What still fits, what is free and of no use, and that the sums are of the nodes there are. */
#include "sched/capacity.h"

#include "core_sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct core k;
    struct sy_sched *s;
    struct sy_profile profile;
    struct sy_capacity_found found;
};

static void hear(void *arg SY_UNUSED, const struct sy_decision *d SY_UNUSED)
{
}

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_profile_default(&f->profile, "steelyard");
    f->s = sy_sched_new(
        f->k.strings,
        &(struct sy_sched_options){.profiles = &f->profile, .profiles_len = 1, .exact = true}, hear,
        f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_capacity_done(&f->found);
    core_sched_end(f->s);
    core_done(&f->k);
    free(f);
    return 0;
}

static void put_pod(struct fixture *f, const char *name, const char *node, int64_t cpu_milli,
                    int64_t gpus)
{
    struct sy_pod pod = core_pod(&f->k, name, cpu_milli, 64, gpus);

    pod.node = node ? core_id(&f->k, node) : 0;
    pod.phase = node ? SY_PHASE_RUNNING : SY_PHASE_PENDING;
    assert_int_equal(sy_sched_pod(f->s, &pod, 1), 0);
}

static const struct sy_capacity_resource *resource(const struct fixture *f, sy_sid name)
{
    for (size_t i = 0; i < f->found.resources.len; i++) {
        if (f->found.resources.p[i].resource == name)
            return &f->found.resources.p[i];
    }
    fail_msg("no resource %u", name);
    return NULL;
}

static void test_nothing(void **state)
{
    struct fixture *f = *state;

    sy_sched_capacity(f->s, &f->found);
    assert_int_equal(f->found.resources.len, 0);
    assert_int_equal(f->found.shapes_len, 0);
}

static void test_free_and_stranded(void **state)
{
    struct fixture *f = *state;
    struct sy_node nodes[5];
    struct sy_taint taint = {core_id(&f->k, "team"), 0, SY_EFFECT_NO_SCHEDULE};
    const char *const NAMES[] = {"open", "full", "cordoned", "tainted", "down"};

    for (int i = 0; i < 5; i++)
        nodes[i] = core_node(&f->k, NAMES[i], 4000, 8192, 8);
    nodes[2].unschedulable = true;
    nodes[3].taints = &taint;
    nodes[3].taints_len = 1;
    nodes[4].ready = SY_CONDITION_FALSE;
    for (int i = 0; i < 5; i++)
        assert_int_equal(sy_sched_node(f->s, &nodes[i], 1), 0);
    put_pod(f, "hog", "full", 3950, 2);
    put_pod(f, "small", "open", 500, 1);
    sy_sched_capacity(f->s, &f->found);
    const struct sy_capacity_resource *gpu = resource(f, f->k.names.nvidia_gpu);
    assert_int_equal(gpu->total, 40);
    assert_int_equal(gpu->free, 37);
    assert_int_equal(gpu->usable, 7);
    assert_int_equal(gpu->largest, 7);
    assert_int_equal(gpu->node, core_id(&f->k, "open"));
    assert_int_equal(gpu->stranded[SY_STRANDED_NO_CPU], 6);
    assert_int_equal(gpu->stranded[SY_STRANDED_CORDONED], 8);
    assert_int_equal(gpu->stranded[SY_STRANDED_TAINTED], 8);
    assert_int_equal(gpu->stranded[SY_STRANDED_NOT_READY], 8);
    assert_int_equal(gpu->stranded_nodes[SY_STRANDED_NO_MEMORY], 0);
    const struct sy_capacity_resource *cpu = resource(f, f->k.names.cpu);
    assert_int_equal(cpu->usable, 3500 + 50);
    assert_int_equal(cpu->largest, 3500);
}

static void test_how_many_more(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        struct sy_node node = core_node(&f->k, i ? "b" : "a", 4000, 8192, 0);
        assert_int_equal(sy_sched_node(f->s, &node, 1), 0);
    }
    put_pod(f, "p0", "a", 1500, 0);
    put_pod(f, "p1", "a", 1500, 0);
    put_pod(f, "p2", NULL, 1500, 0);
    put_pod(f, "large", NULL, 9000, 0);
    sy_sched_capacity(f->s, &f->found);
    assert_int_equal(f->found.shapes_len, 2);
    assert_int_equal(f->found.shapes[0].pods, 3);
    assert_int_equal(f->found.shapes[0].waiting, 1);
    assert_int_equal(f->found.shapes[0].nodes, 1);
    assert_int_equal(f->found.shapes[0].more, 2);
    assert_int_equal(f->found.shapes[1].pods, 1);
    assert_int_equal(f->found.shapes[1].nodes, 0);
    assert_int_equal(f->found.shapes[1].more, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_free_and_stranded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_how_many_more, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
