/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods whose required affinity names their nodes, as those of a DaemonSet: these nodes alone are
 * looked at, and the answers are those of pods that are looked at everywhere. */
#include "across.h"

#define HOST     "kubernetes.io/hostname"
#define EXCLUDED "never: node(s) didn't satisfy plugin(s) [NodeAffinity]"

/* names: of nodes, one term each. */
static uint32_t named_pod(struct across *w, const char *name, int64_t cpu_milli, const char *names)
{
    struct sy_pod pod = core_pod(&w->k, name, cpu_milli, 100, 0);
    struct sy_node_term *terms = sy_arena_array(&w->k.arena, 8, sizeof(*terms));
    uint32_t len = 0;
    char node[16];
    int used;

    for (; sscanf(names, " %15s%n", node, &used) == 1; names += used) {
        struct sy_requirement *req = sy_arena_alloc(&w->k.arena, sizeof(*req));
        sy_sid *value = sy_arena_alloc(&w->k.arena, sizeof(*value));
        *value = core_id(&w->k, node);
        *req = (struct sy_requirement){.key = core_id(&w->k, "metadata.name"),
                                       .op = SY_OP_IN,
                                       .values = value,
                                       .values_len = 1};
        terms[len++] = (struct sy_node_term){.fields = req, .fields_len = 1};
    }
    pod.spec.required_nodes = (struct sy_node_selector){.terms = terms, .len = len, .is_set = true};
    return across_put(w, pod, NULL);
}

static const char *best(struct across *w, uint32_t pod)
{
    struct sy_shape *shape = sy_shape_ref(&w->shapes, &w->c.pods.p[pod], &w->profile);
    uint32_t node = sy_shape_best(&w->shapes, shape).node;
    struct sy_survey survey = sy_shape_survey(&w->shapes, shape);

    assert_int_equal(survey.outcome.node, node);
    assert_int_equal(sy_shape_check(&w->shapes, shape), 0);
    sy_shape_unref(&w->shapes, shape);
    return node == SY_NONE ? "" : sy_strings_getz(w->k.strings, w->c.nodes[node].node.name);
}

static void put_nodes(struct across *w)
{
    across_node(w, "a", HOST "=a");
    across_node(w, "b", HOST "=b");
    across_node(w, "c", HOST "=c");
}

static void test_named_nodes_alone(void **state)
{
    struct across *w = *state;

    put_nodes(w);
    uint64_t evaluated = w->shapes.evaluated, builds = w->shapes.builds;
    uint32_t pod = named_pod(w, "p", 100, "b");
    assert_string_equal(best(w, pod), "b");
    assert_int_equal(w->shapes.builds, builds);
    assert_int_equal(w->shapes.evaluated - evaluated, 3); /* in each of three looks */
    assert_string_equal(across_why(w, pod, "a"), EXCLUDED);
    assert_string_equal(across_why(w, pod, "b"), "");

    /* The emptier of several; of equals, the first. */
    assert_string_equal(best(w, named_pod(w, "q", 100, "c b")), "b");
    across_put(w, core_pod(&w->k, "r", 8000, 100, 0), "b");
    assert_string_equal(best(w, named_pod(w, "s", 100, "b c")), "c");
    assert_string_equal(best(w, named_pod(w, "t", 100, "x y")), "");
    assert_int_equal(w->shapes.builds, builds);
    /* Many names: as any other pod. */
    assert_string_equal(best(w, named_pod(w, "u", 100, "x y z c u")), "c");
    assert_true(w->shapes.builds > builds);
}

static void test_refused_and_relieved(void **state)
{
    struct across *w = *state;

    put_nodes(w);
    uint32_t big = across_put(w, core_pod(&w->k, "big", 63950, 100, 0), "b");
    uint32_t pod = named_pod(w, "p", 100, "b d");
    struct sy_shape *shape = sy_shape_ref(&w->shapes, &w->c.pods.p[pod], &w->profile);
    assert_string_equal(best(w, pod), "");
    assert_string_equal(sy_shape_message(&w->shapes, shape),
                        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy "
                        "plugin(s) [NodeAffinity].");
    struct sy_slots slots = {0};
    sy_shape_nodes_with_code(&w->shapes, shape, SY_UNSCHEDULABLE, &slots);
    assert_int_equal(slots.slots.len, 1);
    assert_string_equal(sy_strings_getz(w->k.strings, w->c.nodes[slots.slots.p[0]].node.name), "b");
    sy_vec_done(&slots.slots);
    assert_false(sy_shape_is_relieved(&w->shapes, shape));

    /* A node of that name comes. */
    across_node(w, "d", HOST "=d");
    assert_true(sy_shape_is_relieved(&w->shapes, shape));
    assert_string_equal(best(w, pod), "d");
    sy_cluster_node_delete(&w->c, core_id(&w->k, "d"));
    assert_string_equal(best(w, pod), "");

    /* There is room. */
    sy_cluster_pod_delete(&w->c, big);
    assert_true(sy_shape_is_relieved(&w->shapes, shape));
    assert_string_equal(best(w, pod), "b");
    across_compare(w, pod);
    sy_shape_unref(&w->shapes, shape);
}

static void test_claims_count(void **state)
{
    struct across *w = *state;

    put_nodes(w);
    uint32_t pod = named_pod(w, "p", 100, "b");
    uint32_t nominated = across_put(w, core_pod(&w->k, "n", 63950, 100, 0), NULL);
    w->shapes.asking = pod;
    sy_shapes_nominate(&w->shapes, nominated, sy_cluster_node_find(&w->c, core_id(&w->k, "b")));
    assert_string_equal(best(w, pod), "");
    sy_shapes_end_nomination(&w->shapes, nominated);
    assert_string_equal(best(w, pod), "b");
    w->shapes.asking = SY_NONE;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_named_nodes_alone, across_setup, across_teardown),
        cmocka_unit_test_setup_teardown(test_refused_and_relieved, across_setup, across_teardown),
        cmocka_unit_test_setup_teardown(test_claims_count, across_setup, across_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
