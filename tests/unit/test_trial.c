/* SPDX-License-Identifier: Apache-2.0
 *
 * Where upstream's answer in a what-if hangs on what was done, not on where the pods are: pods that
 * spread does not count are taken off all the same, and ports are a set. */
#include "across.h"

#define HOST "kubernetes.io/hostname"

struct what_if {
    struct across *w;
    struct sy_shape *shape;
    uint32_t node;
};

static struct what_if begin(struct across *w, uint32_t pod, const char *node)
{
    struct what_if t = {.w = w,
                        .shape = sy_shape_ref(&w->shapes, &w->c.pods.p[pod], &w->profile),
                        .node = sy_cluster_node_find(&w->c, core_id(&w->k, node))};

    sy_shape_best(&w->shapes, t.shape);
    sy_cluster_trial_begin(&w->c);
    return t;
}

static void end(struct what_if *t)
{
    sy_cluster_trial_end(&t->w->c);
    sy_shape_unref(&t->w->shapes, t->shape);
}

static bool fits(struct what_if *t)
{
    return sy_shape_fits(&t->w->shapes, t->shape, t->node, NULL);
}

static void without(struct what_if *t, uint32_t pod)
{
    sy_cluster_trial_remove(&t->w->c, pod);
}

static void with(struct what_if *t, uint32_t pod)
{
    sy_cluster_trial_restore(&t->w->c, pod, t->node);
}

static struct sy_spread_constraint by_host(struct across *w, const char *selector)
{
    return (struct sy_spread_constraint){.max_skew = 1,
                                         .topology_key = core_id(&w->k, HOST),
                                         .when_unsatisfiable = SY_DO_NOT_SCHEDULE,
                                         .honor_affinity = true,
                                         .selector = across_selector(w, selector)};
}

static uint32_t spread_pod(struct across *w, const struct sy_spread_constraint *c)
{
    struct sy_pod pod = across_pod(w, "p", "app=web");

    pod.spec.spread = c;
    pod.spec.spread_len = 1;
    return across_put(w, pod, NULL);
}

/* One web pod on a, and one that is going and not counted; b has none. Without the latter a counts
 * as having none, so there is room. */
static void test_terminating_pods_count_when_taken_off(void **state)
{
    struct across *w = *state;
    struct sy_spread_constraint c = by_host(w, "app=web");
    struct sy_pod going = across_pod(w, "going", "app=web");
    struct sy_pod elsewhere = across_pod(w, "elsewhere", "app=web");

    across_node(w, "a", HOST "=a");
    across_node(w, "b", HOST "=b");
    across_run(w, "r", "app=web", "a");
    going.deleting_wall_ns = 1;
    uint32_t victim = across_put(w, going, "a");
    elsewhere.deleting_wall_ns = 1;
    elsewhere.ns = core_id(&w->k, "elsewhere");
    uint32_t other = across_put(w, elsewhere, "a");
    uint32_t pod = spread_pod(w, &c);
    struct what_if t = begin(w, pod, "a");
    assert_false(fits(&t));
    without(&t, other);
    assert_false(fits(&t));
    without(&t, victim);
    assert_true(fits(&t));
    with(&t, victim);
    with(&t, other);
    assert_false(fits(&t));
    end(&t);
    across_compare(w, pod);
}

/* An empty selector counts no pod there is, but each one that comes in a what-if. */
static void test_empty_selector_counts_what_comes(void **state)
{
    struct across *w = *state;
    struct sy_spread_constraint c = by_host(w, "");

    across_node(w, "a", HOST "=a");
    across_node(w, "b", HOST "=b");
    across_run(w, "r", "app=web", "a");
    uint32_t pod = spread_pod(w, &c);
    uint32_t nominated = across_put(w, across_pod(w, "n", "app=db"), NULL);
    struct what_if t = begin(w, pod, "a");
    assert_true(fits(&t));
    with(&t, nominated);
    assert_false(fits(&t));
    without(&t, nominated);
    assert_true(fits(&t));
    end(&t);
    across_compare(w, pod);
}

/* Two pods on a node have the same port. */
static void test_ports_are_a_set(void **state)
{
    struct across *w = *state;
    struct sy_host_port port = {.ip = core_id(&w->k, "0.0.0.0"), .port = 80};
    struct sy_pod owner = across_pod(w, "owner", "");

    owner.spec.host_ports = &port;
    owner.spec.host_ports_len = 1;
    across_node(w, "a", HOST "=a");
    uint32_t first = across_put(w, owner, "a");
    owner.name = core_text(&w->k, "second");
    owner.uid = core_text(&w->k, "uid-second");
    uint32_t second = across_put(w, owner, "a");
    owner.name = core_text(&w->k, "p");
    owner.uid = core_text(&w->k, "uid-p");
    uint32_t pod = across_put(w, owner, NULL);

    struct what_if t = begin(w, pod, "a");
    assert_false(fits(&t));
    without(&t, first);
    assert_true(fits(&t));
    sy_cluster_trial_begin(&w->c); /* what is put there for a look is gone with it */
    with(&t, pod);
    assert_false(fits(&t));
    without(&t, pod);
    sy_cluster_trial_end(&w->c);
    assert_true(fits(&t));
    with(&t, first);
    assert_false(fits(&t));
    without(&t, second);
    with(&t, second);
    assert_false(fits(&t));
    end(&t);
    t = begin(w, pod, "a");
    assert_false(fits(&t));
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_terminating_pods_count_when_taken_off, across_setup,
                                        across_teardown),
        cmocka_unit_test_setup_teardown(test_empty_selector_counts_what_comes, across_setup,
                                        across_teardown),
        cmocka_unit_test_setup_teardown(test_ports_are_a_set, across_setup, across_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
