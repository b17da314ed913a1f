/* SPDX-License-Identifier: Apache-2.0 */
#include "app/model_config.h"

#include "app/config.h"
#include "base/arena.h"
#include "policy/policy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OURS "apiVersion: steelyard.dev/v1\nkind: SteelyardConfiguration\n"
#define KUBE "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"

static void close_to(double a, double b)
{
    if (fabs(a - b) > 1e-9)
        fail_msg("%.12f is not %.12f", a, b);
}

struct read {
    struct sy_config c;
    struct sy_problems problems;
    struct sy_arena arena;
    struct sy_profile profiles[SY_PROFILES_MAX];
    struct sy_config_pools_room room;
    struct sy_pools_options pools;
};

static struct read *take(const char *text)
{
    struct read *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    int result = sy_config_parse(text, strlen(text), "f", &r->c, &r->problems);
    for (size_t i = 0; i < r->problems.lines.len; i++)
        print_message("%s\n", r->problems.lines.p[i]);
    assert_int_equal(result, 0);
    sy_arena_init(&r->arena, 1 << 20);
    assert_true(sy_config_profiles(&r->c, NULL, &r->arena, r->profiles) > 0);
    sy_config_pools(&r->c.models, &r->room, &r->pools);
    return r;
}

static void drop(struct read *r)
{
    sy_arena_done(&r->arena);
    sy_problems_done(&r->problems);
    sy_config_done(&r->c);
    free(r);
}

static bool has_filter(const struct sy_profile *p, const char *name)
{
    for (uint32_t i = 0; i < p->filters_len; i++) {
        if (strcmp(p->filters[i]->name, name) == 0)
            return true;
    }
    return false;
}

static void test_defaults_change_nothing(void **state)
{
    static const char *const FILES[] = {OURS, KUBE};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct read *r = take(FILES[i]);
        assert_int_equal(r->pools.pools_len, 0);
        assert_false(r->pools.default_gate.is_on);
        close_to(r->pools.balance_fraction, 0.5);
        close_to(r->c.models.ageing_points_per_minute, 0);
        assert_int_equal(r->profiles[0].args.dynamic_selection, SY_SELECT_LEVEL);
        assert_int_equal(r->profiles[0].args.static_selection, SY_SELECT_SHARES);
        assert_string_equal(r->profiles[0].args.static_label, "steelyard.dev/weight");
        /* A gate and thresholds need no more than to be set in our own kind; kube-scheduler's has
         * kube-scheduler's filters. */
        assert_true(has_filter(&r->profiles[0], "LoadGate") == (i == 0));
        assert_true(has_filter(&r->profiles[0], "NodeLoad") == (i == 0));
        drop(r);
    }
}

static void test_gates_and_pools(void **state)
{
    (void)state;
    struct read *r = take(KUBE "profiles:\n"
                               "- plugins: {multiPoint: {enabled: [{name: LoadGate}]}}\n"
                               "steelyard:\n"
                               "  gate: {enabled: true, exemptPriorityFrom: 1000,\n"
                               "         exemptPriorityClasses: [urgent, vital]}\n"
                               "  pools:\n"
                               "  - name: gpu\n"
                               "    nodeLabels: [{key: gpu}, {key: model, value: h100}]\n"
                               "    gate:\n"
                               "      enabled: true\n"
                               "      closeAbove: 0.9\n"
                               "      openBelow: 0.6\n"
                               "      resources: [{name: gpu, closeAbove: 0.95}, {name: cpu},\n"
                               "                  {name: network, openBelow: 0.1}]\n"
                               "  models: {balanceFraction: 0.7, startHalfLife: 1m}\n"
                               "  queue: {ageing: {pointsPerMinute: 2.5, mostPoints: 100}}\n");
    const struct sy_gate_options *gate = &r->pools.default_gate;

    assert_true(has_filter(&r->profiles[0], "LoadGate"));
    assert_true(gate->is_on);
    close_to(gate->close_above[SY_LOAD_CPU], 0.8);
    close_to(gate->open_below[SY_LOAD_CPU], 0.75);
    close_to(gate->close_above[SY_LOAD_MEMORY], 0.8);
    close_to(gate->close_above[SY_LOAD_GPU], 0); /* does not count */
    assert_true(r->pools.exempt_by_priority);
    assert_int_equal(r->pools.exempt_priority, 1000);
    assert_int_equal(r->pools.exempt_classes_len, 2);
    assert_string_equal(r->pools.exempt_classes[1], "vital");

    assert_int_equal(r->pools.pools_len, 1);
    assert_string_equal(r->pools.pools[0].name, "gpu");
    assert_int_equal(r->pools.pools[0].labels_len, 2);
    assert_null(r->pools.pools[0].values[0]);
    assert_string_equal(r->pools.pools[0].values[1], "h100");
    gate = &r->pools.pools[0].gate;
    close_to(gate->close_above[SY_LOAD_GPU], 0.95);
    close_to(gate->open_below[SY_LOAD_GPU], 0.9);
    close_to(gate->close_above[SY_LOAD_CPU], 0.9);
    close_to(gate->open_below[SY_LOAD_CPU], 0.6);
    close_to(gate->open_below[SY_LOAD_NETWORK], 0.1);
    close_to(gate->close_above[SY_LOAD_MEMORY], 0);
    close_to(r->pools.balance_fraction, 0.7);
    assert_int_equal(r->c.models.start_half_life_ns, 60 * SY_NS_PER_S);
    close_to(r->c.models.ageing_points_per_minute, 2.5);
    close_to(r->c.models.ageing_most, 100);
    drop(r);
}

static void test_arguments_of_our_plugins(void **state)
{
    (void)state;
    struct read *r = take(OURS "profiles:\n"
                               "- schedulerName: a\n"
                               "  pluginConfig:\n"
                               "  - {name: DynamicWeight, args: {selection: Shares}}\n"
                               "  - name: StaticWeights\n"
                               "    args: {selection: Best, label: my/weight, other: 0,\n"
                               "           weights: [{key: tier, value: edge, weight: 5},\n"
                               "                     {key: tier, weight: 2}]}\n"
                               "  - name: NodeLoad\n"
                               "    args: {thresholds: [{name: memory, above: 0.95}]}\n"
                               "- schedulerName: b\n");
    const struct sy_policy_args *args = &r->profiles[0].args;

    assert_int_equal(args->dynamic_selection, SY_SELECT_SHARES);
    assert_int_equal(args->static_selection, SY_SELECT_BEST);
    assert_string_equal(args->static_label, "my/weight");
    assert_int_equal(args->static_default, 0);
    assert_int_equal(args->static_weights_len, 2);
    assert_string_equal(args->static_weights[0].value, "edge");
    assert_int_equal(args->static_weights[0].weight, 5);
    assert_null(args->static_weights[1].value);
    close_to(args->node_load_max[SY_LOAD_MEMORY], 0.95);
    close_to(args->node_load_max[SY_LOAD_CPU], 0);
    assert_int_equal(r->profiles[1].args.dynamic_selection, SY_SELECT_LEVEL);
    assert_int_equal(r->profiles[1].args.static_weights_len, 0);
    drop(r);
}

static void test_what_is_wrong(void **state)
{
    static const struct {
        const char *text, *problem;
    } CASES[] = {
        {"gate: {openBelow: 0.9}\n", "f:3: gate.openBelow: is more than closeAbove; lower it"},
        {"gate: {closeAbove: 1.1}\n", "f:3: gate.closeAbove: 1.1 is out of range; give 0 to 1"},
        {"gate: {resources: [{name: disk}]}\n", "f:3: gate.resources[0].name: "},
        {"gate: {resources: [{name: cpu}, {name: cpu}]}\n",
         "f:3: gate.resources[1].name: is there twice; remove one"},
        {"pools: [{name: default, nodeLabels: [{key: a}]}]\n",
         "f:3: pools[0].name: is the name of the pool of all other nodes; give another"},
        {"pools: [{name: x}]\n", "f:3: pools[0].nodeLabels: "},
        {"pools: [{name: x, nodeLabels: []}]\n",
         "f:3: pools[0].nodeLabels: is empty; name a label, or leave the pool out"},
        {"pools: [{name: x, nodeLabels: [{key: '-'}]}]\n",
         "f:3: pools[0].nodeLabels[0].key: \"-\" is no key of a label"},
        {"models: {startHalfLife: 1ms}\n", "f:3: models.startHalfLife: "},
        {"queue: {ageing: {pointsPerMinute: -1}}\n", "f:3: queue.ageing.pointsPerMinute: "},
        {"profiles: [{schedulerName: a, pluginConfig: [{name: NodeLoad, args: {thresholds: "
         "[{name: cpu}]}}]}]\n",
         "f:3: profiles[0].pluginConfig[0].args.thresholds[0].above: "},
        {"profiles: [{schedulerName: a, pluginConfig: [{name: StaticWeights, args: {weights: "
         "[{key: a, weight: 1001}]}}]}]\n",
         "f:3: profiles[0].pluginConfig[0].args.weights[0].weight: "},
    };

    (void)state;
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        struct sy_config c;
        struct sy_problems problems = {0};
        char text[512];
        snprintf(text, sizeof(text), OURS "%s", CASES[i].text);
        assert_true(sy_config_parse(text, strlen(text), "f", &c, &problems) < 0);
        assert_true(problems.lines.len > 0);
        if (strncmp(problems.lines.p[0], CASES[i].problem, strlen(CASES[i].problem)) != 0)
            fail_msg("%s", problems.lines.p[0]);
        sy_problems_done(&problems);
        sy_config_done(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_change_nothing),
        cmocka_unit_test(test_gates_and_pools),
        cmocka_unit_test(test_arguments_of_our_plugins),
        cmocka_unit_test(test_what_is_wrong),
    };

    return cmocka_run_group_tests_name("model_config", tests, NULL, NULL);
}
