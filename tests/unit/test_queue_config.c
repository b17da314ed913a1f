/* SPDX-License-Identifier: Apache-2.0
 *
 * The key `queues` of the configuration: what it becomes, and what is said of a bad one. */
#include "app/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define OURS "apiVersion: steelyard.dev/v1\nkind: SteelyardConfiguration\nqueues:\n"
#define KUBE                                                                                       \
    "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"               \
    "steelyard:\n  queues:\n"

static void test_all_keys(void **state)
{
    static const char TEXT[] =
        OURS "- {name: vision, parent: ml, namespaces: [vision, images], reclaimable: false}\n"
             "- name: ml\n"
             "  weight: 2.5\n"
             "  resources:\n"
             "  - {name: cpu, guaranteed: 4, limit: \"16\"}\n"
             "  - {name: memory, limit: 2Gi}\n"
             "  - {name: nvidia.com/gpu, guaranteed: 500m}\n"
             "- name: speech\n"
             "  parent: ml\n"
             "  podLabels: [{key: team, value: speech}, {key: paid}]\n"
             "  borrow: false\n";
    struct sy_config c;
    struct sy_problems problems = {0};
    struct sy_config_queues_room room;
    struct sy_queues_options o;

    (void)state;
    assert_int_equal(sy_config_parse(TEXT, strlen(TEXT), "f", &c, &problems), 0);
    sy_config_queues(&c.queues, &room, &o);
    assert_int_equal(o.len, 3);
    const struct sy_queue_options *q = o.queues;
    assert_string_equal(q[0].parent, "ml");
    assert_int_equal(q[0].namespaces_len, 2);
    assert_string_equal(q[0].namespaces[1], "images");
    assert_true(q[0].borrows && !q[0].is_reclaimable && q[0].weight == 1);
    assert_true(q[1].weight == 2.5 && !q[1].parent);
    assert_int_equal(q[1].resources_len, 3);
    assert_int_equal(q[1].resources[0].guaranteed_milli, 4000);
    assert_int_equal(q[1].resources[0].limit_milli, 16000);
    assert_int_equal(q[1].resources[1].guaranteed_milli, 0);
    assert_int_equal(q[1].resources[1].limit_milli, ((int64_t)2 << 30) * 1000);
    assert_int_equal(q[1].resources[2].guaranteed_milli, 500);
    assert_int_equal(q[1].resources[2].limit_milli, SY_NO_LIMIT);
    assert_int_equal(q[2].labels_len, 2);
    assert_string_equal(q[2].values[0], "speech");
    assert_null(q[2].values[1]);
    assert_true(!q[2].borrows && q[2].is_reclaimable);
    sy_config_queues_done(&room);
    sy_problems_done(&problems);
    sy_config_done(&c);
}

/* The text has one problem, and it is this one. */
static void expect(const char *text, const char *line)
{
    struct sy_config c;
    struct sy_problems problems = {0};

    assert_true(sy_config_parse(text, strlen(text), "f", &c, &problems) < 0);
    for (size_t i = 0; i < problems.lines.len; i++) {
        if (strcmp(problems.lines.p[i], line) != 0)
            print_message("%s\n", problems.lines.p[i]);
    }
    assert_int_equal(problems.lines.len, 1);
    assert_string_equal(problems.lines.p[0], line);
    sy_problems_done(&problems);
    sy_config_done(&c);
}

static void test_bad_ones_are_told_in_a_line(void **state)
{
    (void)state;
    expect(OURS "- {name: a, namespaces: [x], parent: b}\n",
           "f:4: queues[0].parent: there is no queue \"b\"; add it, or name another");
    expect(OURS "- {name: a, namespaces: [x], parent: a}\n",
           "f:4: queues[0].parent: makes a circle: queue a would be above itself");
    expect(OURS "- {name: a, namespaces: [x], resources: [{name: cpu, guaranteed: 3, limit: 2}]}\n",
           "f:4: queues[0].resources[0].guaranteed: is more than limit; lower it");
    expect(OURS
           "- {name: a, resources: [{name: cpu, guaranteed: 3}]}\n"
           "- {name: b, parent: a, namespaces: [x], resources: [{name: cpu, guaranteed: 2}]}\n"
           "- {name: c, parent: a, namespaces: [y], resources: [{name: cpu, guaranteed: 2}]}\n",
           "f:4: queues[0].resources[0].guaranteed: is less than what is guaranteed to the queues "
           "below a together");
    expect(OURS
           "- {name: a, resources: [{name: cpu, limit: 3}]}\n"
           "- {name: b, parent: a}\n"
           "- {name: c, parent: b, namespaces: [y], resources: [{name: cpu, guaranteed: 4}]}\n",
           "f:4: queues[0].resources[0].limit: is less than what is guaranteed to the queues "
           "below a together");
    expect(OURS "- {name: a, namespaces: [x, y]}\n- {name: b, namespaces: [z, y]}\n",
           "f:5: queues[1].namespaces[1]: y is of queue a already; remove one of the two");
    expect(OURS "- {name: a}\n", "f:4: queues[0]: has no pods; give namespaces or podLabels");
    expect(OURS "- {name: a, namespaces: [x]}\n- {name: b, namespaces: [y], parent: a}\n",
           "f:4: queues[0]: has pods and queue a below it; give the pods a queue of their own");
    expect(OURS "- {name: default, namespaces: [x]}\n",
           "f:4: queues[0]: the queue default has the pods that no other claims; remove "
           "namespaces and podLabels");
    expect(OURS "- {name: root, namespaces: [x]}\n",
           "f:4: queues[0].name: is the name of the queue above all others; give another");
    expect(OURS "- {name: a, namespaces: [x], weight: 0}\n",
           "f:4: queues[0].weight: is not more than 0; raise it");
    expect(OURS "- {name: a, namespaces: [x], resources: [{name: cpu, limit: -1}]}\n",
           "f:4: queues[0].resources[0].limit: \"-1\" is no amount; give one such as 500m, 16 or "
           "64Gi");
    expect(KUBE "  - {name: a, namespaces: [x], parent: b}\n",
           "f:5: steelyard.queues[0].parent: there is no queue \"b\"; add it, or name another");
}

static void test_circles_and_depth(void **state)
{
    static const char CIRCLE[] = OURS "- {name: a, parent: c}\n- {name: b, parent: a}\n"
                                      "- {name: c, parent: b}\n"
                                      "- {name: d, parent: a, namespaces: [x]}\n";
    char deep[2048] = OURS "- {name: q0}\n";
    struct sy_config c;
    struct sy_problems problems = {0};

    (void)state;
    assert_true(sy_config_parse(CIRCLE, strlen(CIRCLE), "f", &c, &problems) < 0);
    assert_int_equal(problems.lines.len, 3);
    sy_problems_done(&problems);
    sy_config_done(&c);
    problems = (struct sy_problems){0};
    for (int i = 1; i <= SY_QUEUE_DEPTH_MAX; i++) {
        size_t len = strlen(deep);
        snprintf(deep + len, sizeof(deep) - len, "- {name: q%d, parent: q%d%s}\n", i, i - 1,
                 i == SY_QUEUE_DEPTH_MAX ? ", namespaces: [x]" : "");
    }
    assert_true(sy_config_parse(deep, strlen(deep), "f", &c, &problems) < 0);
    assert_int_equal(problems.lines.len, 1);
    assert_non_null(strstr(problems.lines.p[0], "is too deep"));
    sy_problems_done(&problems);
    sy_config_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_keys),
        cmocka_unit_test(test_bad_ones_are_told_in_a_line),
        cmocka_unit_test(test_circles_and_depth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
