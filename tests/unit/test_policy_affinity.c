/* SPDX-License-Identifier: Apache-2.0 */
#include "across.h"

#include "base/rng.h"

#define HOST "kubernetes.io/hostname"
#define ZONE "topology.kubernetes.io/zone"

static const char AFFINITY[] = "never: node(s) didn't match pod affinity rules";
static const char ANTI[] = "node(s) didn't match pod anti-affinity rules";
static const char EXISTING[] = "node(s) didn't satisfy existing pods anti-affinity rules";

static void put_nodes(struct across *w)
{
    across_node(w, "a1", HOST "=a1 " ZONE "=a");
    across_node(w, "a2", HOST "=a2 " ZONE "=a");
    across_node(w, "b1", HOST "=b1 " ZONE "=b");
    across_node(w, "x1", HOST "=x1");
}

static uint32_t with_affinity(struct across *w, const char *name, const char *labels,
                              const struct sy_affinity_term *terms, uint32_t len)
{
    struct sy_pod pod = across_pod(w, name, labels);

    pod.spec.affinity = terms;
    pod.spec.affinity_len = len;
    return across_put(w, pod, NULL);
}

static uint32_t with_anti(struct across *w, const char *name, const char *labels,
                          const struct sy_affinity_term *terms, uint32_t len, const char *node)
{
    struct sy_pod pod = across_pod(w, name, labels);

    pod.spec.anti_affinity = terms;
    pod.spec.anti_affinity_len = len;
    return across_put(w, pod, node);
}

static void test_affinity_needs_one_pod_in_the_domain(void **state)
{
    struct across *w = *state;
    struct sy_affinity_term t = across_term(w, "app=db", ZONE);

    put_nodes(w);
    uint32_t pod = with_affinity(w, "p", "app=web", &t, 1);
    assert_string_equal(across_why(w, pod, "a1"), AFFINITY);
    uint32_t db = across_run(w, "db", "app=db", "a2");
    assert_string_equal(across_why(w, pod, "a1"), "");
    assert_string_equal(across_why(w, pod, "b1"), AFFINITY);
    assert_string_equal(across_why(w, pod, "x1"), AFFINITY);
    sy_cluster_pod_delete(&w->c, db);
    assert_string_equal(across_why(w, pod, "a1"), AFFINITY);
}

/* All terms must be met by one and the same pod, each in its own domain. */
static void test_affinity_terms_are_met_together(void **state)
{
    struct across *w = *state;
    struct sy_affinity_term t[2] = {across_term(w, "app=db", ZONE), across_term(w, "tier=x", HOST)};

    put_nodes(w);
    uint32_t pod = with_affinity(w, "p", "app=web", t, 2);
    across_run(w, "db", "app=db", "a1");
    across_run(w, "x", "tier=x", "a1");
    assert_string_equal(across_why(w, pod, "a1"), AFFINITY);
    across_run(w, "both", "app=db tier=x", "a1");
    assert_string_equal(across_why(w, pod, "a1"), "");
    assert_string_equal(across_why(w, pod, "a2"), AFFINITY); /* right zone, wrong host */
}

static void test_first_of_a_group(void **state)
{
    struct across *w = *state;
    struct sy_affinity_term t = across_term(w, "app=web", ZONE);

    put_nodes(w);
    uint32_t pod = with_affinity(w, "p", "app=web", &t, 1);
    assert_string_equal(across_why(w, pod, "b1"), "");
    assert_string_equal(across_why(w, pod, "x1"), AFFINITY); /* not without the label */
    /* One where no term's label is does not make the next one second. */
    across_run(w, "r0", "app=web", "x1");
    assert_string_equal(across_why(w, pod, "b1"), "");
    across_run(w, "r1", "app=web", "a1");
    assert_string_equal(across_why(w, pod, "b1"), AFFINITY);
}

static void test_anti_affinity_both_ways(void **state)
{
    struct across *w = *state;
    struct sy_affinity_term t = across_term(w, "app=web", ZONE);

    put_nodes(w);
    across_run(w, "r1", "app=web", "a1");
    uint32_t pod = with_anti(w, "p", "app=db", &t, 1, NULL);
    assert_string_equal(across_why(w, pod, "a2"), ANTI);
    assert_string_equal(across_why(w, pod, "b1"), "");
    assert_string_equal(across_why(w, pod, "x1"), "");

    uint32_t hater = with_anti(w, "hater", "app=db", &t, 1, "b1");
    uint32_t web = across_put(w, across_pod(w, "web", "app=web"), NULL);
    assert_string_equal(across_why(w, web, "b1"), EXISTING);
    assert_string_equal(across_why(w, web, "a1"), "");
    sy_cluster_pod_delete(&w->c, hater);
    assert_string_equal(across_why(w, web, "b1"), "");
}

static void test_namespaces(void **state)
{
    struct across *w = *state;
    struct sy_affinity_term t = across_term(w, "app=web", HOST);
    sy_sid blue = core_id(&w->k, "blue"), grey = core_id(&w->k, "grey");
    struct sy_pod there = across_pod(w, "r1", "app=web");

    put_nodes(w);
    there.ns = blue;
    across_put(w, there, "a1");
    assert_string_equal(across_why(w, with_anti(w, "p", "", &t, 1, NULL), "a1"), "");

    t.namespaces = &blue;
    t.namespaces_len = 1;
    assert_string_equal(across_why(w, with_anti(w, "q", "", &t, 1, NULL), "a1"), ANTI);

    /* An empty selector takes every namespace, known or not; another one only known ones. */
    t.namespaces_len = 0;
    t.namespace_selector = across_selector(w, "");
    assert_string_equal(across_why(w, with_anti(w, "r", "", &t, 1, NULL), "a1"), ANTI);
    t.namespace_selector = across_selector(w, "colour=blue");
    uint32_t pod = with_anti(w, "s", "", &t, 1, NULL);
    assert_string_equal(across_why(w, pod, "a1"), "");
    assert_int_equal(sy_cluster_namespace_upsert(&w->c, blue, across_labels(w, "colour=blue")), 0);
    assert_string_equal(across_why(w, pod, "a1"), ANTI);
    sy_cluster_namespace_delete(&w->c, blue);
    assert_string_equal(across_why(w, pod, "a1"), "");

    /* For the term of a running pod, an unknown namespace is one without labels. */
    struct sy_requirement none = {.key = core_id(&w->k, "colour"), .op = SY_OP_DOES_NOT_EXIST};
    t.namespace_selector = (struct sy_selector){.reqs = &none, .len = 1};
    uint32_t mine = with_anti(w, "t", "", &t, 1, NULL);
    assert_string_equal(across_why(w, mine, "a1"), ""); /* blue is not known */
    with_anti(w, "hater", "", &t, 1, "b1");
    there = across_pod(w, "u", "app=web");
    there.ns = grey;
    assert_string_equal(across_why(w, across_put(w, there, NULL), "b1"), EXISTING);
}

static void test_wrong_selectors(void **state)
{
    struct across *w = *state;
    struct sy_affinity_term t[2] = {across_term(w, "app=web", HOST),
                                    across_term(w, "app=web", HOST)};

    put_nodes(w);
    t[1].selector.is_invalid = true;
    uint32_t pod = with_anti(w, "p", "", t, 2, NULL);
    assert_string_equal(across_why(w, pod, "a1"),
                        "pod: never: parsing pod: a label selector can not be converted");
    /* A running pod's list with one of them does not count at all. */
    with_anti(w, "hater", "", t, 2, "a1");
    uint32_t web = across_put(w, across_pod(w, "web", "app=web"), NULL);
    assert_string_equal(across_why(w, web, "a1"), "");
}

static void test_preferred_terms_of_both_sides(void **state)
{
    struct across *w = *state;
    struct sy_weighted_affinity_term near = {10, across_term(w, "app=db", ZONE)};
    struct sy_weighted_affinity_term far = {4, across_term(w, "app=noisy", HOST)};
    struct sy_pod pod = across_pod(w, "p", "app=web");

    put_nodes(w);
    pod.spec.preferred_affinity = &near;
    pod.spec.preferred_affinity_len = 1;
    pod.spec.preferred_anti_affinity = &far;
    pod.spec.preferred_anti_affinity_len = 1;
    uint32_t slot = across_put(w, pod, NULL);
    assert_int_equal(across_points(w, slot, "InterPodAffinity", "a1"), 0);
    across_run(w, "db", "app=db", "a1");
    across_run(w, "noisy", "app=noisy", "a2");
    /* 10, 6, 0, 0 over a range of 10. */
    assert_int_equal(across_points(w, slot, "InterPodAffinity", "a1"), 100);
    assert_int_equal(across_points(w, slot, "InterPodAffinity", "a2"), 60);
    assert_int_equal(across_points(w, slot, "InterPodAffinity", "b1"), 0);

    /* The same terms, of the pods that run, and the weight of a required one. */
    pod = across_pod(w, "friend", "app=web");
    pod.spec.preferred_affinity = &near;
    pod.spec.preferred_affinity_len = 1;
    pod.spec.affinity = &near.term;
    pod.spec.affinity_len = 1;
    across_put(w, pod, "b1");
    uint32_t db = across_put(w, across_pod(w, "d2", "app=db"), NULL);
    assert_int_equal(across_points(w, db, "InterPodAffinity", "b1"), 100); /* 10 + 1 */
    assert_int_equal(across_points(w, db, "InterPodAffinity", "a1"), 0);

    w->profile.args.ignore_preferred_terms_of_existing_pods = true;
    assert_int_equal(across_points(w, db, "InterPodAffinity", "b1"), 0);
    w->profile.args.ignore_preferred_terms_of_existing_pods = false;
}

/* A what-if is seen while it goes on, and is forgotten after. */
static void test_what_if(void **state)
{
    struct across *w = *state;
    struct sy_affinity_term t = across_term(w, "app=web", ZONE);

    put_nodes(w);
    uint32_t victim = with_anti(w, "victim", "app=web", &t, 1, "a1");
    uint32_t pod = with_anti(w, "p", "app=web", &t, 1, NULL);
    uint32_t node = w->c.pods.p[victim].node;
    struct sy_shape *shape = sy_shape_ref(&w->shapes, &w->c.pods.p[pod], &w->profile);
    assert_string_equal(across_why(w, pod, "a1"), ANTI);
    for (int i = 0; i < 3; i++) {
        sy_cluster_trial_begin(&w->c);
        assert_false(sy_shape_fits(&w->shapes, shape, node, NULL));
        sy_cluster_trial_remove(&w->c, victim);
        assert_true(sy_shape_fits(&w->shapes, shape, node, NULL));
        sy_cluster_trial_restore(&w->c, victim, node);
        if (i)
            assert_false(sy_shape_fits(&w->shapes, shape, node, NULL));
        sy_cluster_trial_end(&w->c);
        assert_string_equal(across_why(w, pod, "a1"), ANTI);
    }
    sy_shape_unref(&w->shapes, shape);
}

/* -- random clusters that change, against shapes that remember nothing -- */

enum { NODES = 9, RUNNING = 30, WAITING = 8 };

static const char *pick(struct sy_rng *rng, const char *const *from, uint32_t len)
{
    return from[sy_rng_below(rng, len)];
}

static const char *random_labels(struct sy_rng *rng)
{
    static const char *const LABELS[] = {"app=a", "app=b", "app=a tier=x", "app=b tier=y", ""};

    return pick(rng, LABELS, SY_ARRAY_LEN(LABELS));
}

static struct sy_affinity_term random_term(struct across *w, struct sy_rng *rng)
{
    static const char *const KEYS[] = {HOST, ZONE, ZONE, "rack"};
    static const char *const SELECTORS[] = {"app=a", "app=b", "tier=x", "", NULL};
    static const char *const NAMESPACES[] = {"", "team=1", "team=2"};
    struct sy_affinity_term t = across_term(w, pick(rng, SELECTORS, SY_ARRAY_LEN(SELECTORS)),
                                            pick(rng, KEYS, SY_ARRAY_LEN(KEYS)));

    if (sy_rng_below(rng, 4) == 0)
        t.namespace_selector = across_selector(w, pick(rng, NAMESPACES, SY_ARRAY_LEN(NAMESPACES)));
    return t;
}

static const struct sy_affinity_term *random_terms(struct across *w, struct sy_rng *rng,
                                                   uint32_t *ret_len)
{
    struct sy_affinity_term *terms = sy_arena_array(&w->k.arena, 2, sizeof(*terms));

    *ret_len = sy_rng_below(rng, 3) ? 0 : 1 + (uint32_t)sy_rng_below(rng, 2);
    for (uint32_t i = 0; i < *ret_len; i++)
        terms[i] = random_term(w, rng);
    return terms;
}

static const struct sy_weighted_affinity_term *random_weighted(struct across *w, struct sy_rng *rng,
                                                               uint32_t *ret_len)
{
    struct sy_weighted_affinity_term *terms = sy_arena_array(&w->k.arena, 2, sizeof(*terms));

    *ret_len = sy_rng_below(rng, 3) ? 0 : 1 + (uint32_t)sy_rng_below(rng, 2);
    for (uint32_t i = 0; i < *ret_len; i++) {
        terms[i].weight = 1 + (int32_t)sy_rng_below(rng, 100);
        terms[i].term = random_term(w, rng);
    }
    return terms;
}

static const struct sy_spread_constraint *random_spread(struct across *w, struct sy_rng *rng,
                                                        uint32_t *ret_len)
{
    struct sy_spread_constraint *all = sy_arena_array(&w->k.arena, 2, sizeof(*all));

    *ret_len = sy_rng_below(rng, 2) ? 0 : 1 + (uint32_t)sy_rng_below(rng, 2);
    for (uint32_t i = 0; i < *ret_len; i++) {
        struct sy_affinity_term t = random_term(w, rng);
        all[i] = (struct sy_spread_constraint){
            .max_skew = 1 + (int32_t)sy_rng_below(rng, 3),
            .min_domains = (int32_t)sy_rng_below(rng, 4),
            .topology_key = t.topology_key,
            .when_unsatisfiable = (uint8_t)sy_rng_below(rng, 2),
            .honor_affinity = sy_rng_below(rng, 2),
            .honor_taints = sy_rng_below(rng, 2),
            .selector = t.selector,
        };
    }
    return all;
}

static struct sy_pod random_pod(struct across *w, struct sy_rng *rng, const char *name)
{
    static const char *const SPACES[] = {"default", "default", "ns1", "ns2"};
    static const char *const OWNERS[] = {"", "rs-1", "rs-2"};
    struct sy_pod pod = across_pod(w, name, random_labels(rng));

    pod.ns = core_id(&w->k, pick(rng, SPACES, SY_ARRAY_LEN(SPACES)));
    pod.owner_uid = core_text(&w->k, pick(rng, OWNERS, SY_ARRAY_LEN(OWNERS)));
    pod.spec.affinity = random_terms(w, rng, &pod.spec.affinity_len);
    pod.spec.anti_affinity = random_terms(w, rng, &pod.spec.anti_affinity_len);
    pod.spec.preferred_affinity = random_weighted(w, rng, &pod.spec.preferred_affinity_len);
    pod.spec.preferred_anti_affinity =
        random_weighted(w, rng, &pod.spec.preferred_anti_affinity_len);
    pod.spec.spread = random_spread(w, rng, &pod.spec.spread_len);
    if (sy_rng_below(rng, 4) == 0)
        pod.spec.node_selector = across_labels(w, "disk=ssd");
    return pod;
}

static void random_node(struct across *w, struct sy_rng *rng)
{
    static const char *const LABELS[] = {ZONE "=a", ZONE "=b disk=ssd", ZONE "=c rack=1", "rack=2",
                                         ZONE "= disk=ssd"};
    uint32_t i = (uint32_t)sy_rng_below(rng, NODES);
    struct sy_taint taint = {core_id(&w->k, "k"), core_id(&w->k, ""), SY_EFFECT_NO_SCHEDULE};
    char name[16], labels[128];
    uint32_t slot, change;

    snprintf(name, sizeof(name), "n%u", i);
    if (sy_rng_below(rng, 4) == 0) {
        sy_cluster_node_delete(&w->c, core_id(&w->k, name));
        return;
    }
    snprintf(labels, sizeof(labels), HOST "=%s %s", name, pick(rng, LABELS, SY_ARRAY_LEN(LABELS)));
    struct sy_node node = core_node(&w->k, name, 64000, 1 << 18, 0);
    node.labels = across_labels(w, labels);
    node.taints = &taint;
    node.taints_len = sy_rng_below(rng, 5) == 0;
    assert_int_equal(sy_cluster_node_upsert(&w->c, &node, &slot, &change), 0);
}

static void random_running(struct across *w, struct sy_rng *rng)
{
    char name[16], node[16];

    snprintf(name, sizeof(name), "r%u", (uint32_t)sy_rng_below(rng, RUNNING));
    snprintf(node, sizeof(node), "n%u", (uint32_t)sy_rng_below(rng, NODES));
    struct sy_pod pod = random_pod(w, rng, name);
    uint32_t old = sy_cluster_pod_find(&w->c, pod.uid);
    if (old != SY_NONE && sy_rng_below(rng, 2))
        sy_cluster_pod_delete(&w->c, old);
    pod.deleting_wall_ns = sy_rng_below(rng, 6) == 0;
    across_put(w, pod, node);
}

static void random_workload(struct across *w, struct sy_rng *rng)
{
    static const char *const UIDS[] = {"rs-1", "rs-2"};
    struct sy_str uid = core_text(&w->k, pick(rng, UIDS, SY_ARRAY_LEN(UIDS)));
    sy_sid ns = core_id(&w->k, sy_rng_below(rng, 2) ? "default" : "ns1");
    struct sy_selector selector = across_selector(w, random_labels(rng));

    switch (sy_rng_below(rng, 4)) {
    case 0:
        assert_int_equal(sy_cluster_service_upsert(&w->c, ns, core_id(&w->k, "svc"),
                                                   across_labels(w, random_labels(rng))),
                         0);
        break;
    case 1:
        sy_cluster_service_delete(&w->c, ns, core_id(&w->k, "svc"));
        break;
    case 2:
        assert_int_equal(sy_cluster_owner_upsert(&w->c, SY_OWNER_REPLICA_SET, uid, &selector), 0);
        break;
    default:
        sy_cluster_owner_delete(&w->c, uid);
    }
}

static void random_namespace(struct across *w, struct sy_rng *rng)
{
    sy_sid ns = core_id(&w->k, sy_rng_below(rng, 2) ? "ns1" : "ns2");

    if (sy_rng_below(rng, 3))
        assert_int_equal(
            sy_cluster_namespace_upsert(
                &w->c, ns, across_labels(w, sy_rng_below(rng, 2) ? "team=1" : "team=2")),
            0);
    else
        sy_cluster_namespace_delete(&w->c, ns);
}

/* Takes a node's pods off and asks, as preemption does. */
static void random_trial(struct across *w, struct sy_rng *rng, const uint32_t *waiting)
{
    uint32_t node = (uint32_t)sy_rng_below(rng, w->c.nodes_len);
    uint32_t taken[RUNNING + WAITING], len = 0;

    sy_cluster_trial_begin(&w->c);
    while (w->c.nodes[node].first_pod != SY_NONE && len < SY_ARRAY_LEN(taken)) {
        taken[len++] = w->c.nodes[node].first_pod;
        sy_cluster_trial_remove(&w->c, taken[len - 1]);
        if (sy_rng_below(rng, 2) == 0)
            break;
    }
    for (uint32_t i = 0; i < WAITING && sy_cluster_node_is_alive(&w->c, node); i++) {
        struct sy_shapes fresh;
        const struct sy_pod_slot *p = &w->c.pods.p[waiting[i]];
        struct sy_shape *shape = sy_shape_ref(&w->shapes, p, &w->profile);
        sy_shapes_init(&fresh, &w->c, (size_t)1 << 20);
        struct sy_shape *anew = sy_shape_ref(&fresh, p, &w->profile);
        assert_int_equal(sy_shape_fits(&w->shapes, shape, node, NULL),
                         sy_shape_fits(&fresh, anew, node, NULL));
        sy_shape_unref(&fresh, anew);
        sy_shapes_done(&fresh);
        sy_shape_unref(&w->shapes, shape);
    }
    while (len)
        sy_cluster_trial_restore(&w->c, taken[--len], node);
    sy_cluster_trial_end(&w->c);
}

static void test_what_is_kept_never_lies(void **state)
{
    struct across *w = *state;
    struct sy_rng rng;
    uint32_t waiting[WAITING];
    char name[16], text[256];

    sy_rng_seed(&rng, 20);
    for (uint32_t i = 0; i < WAITING; i++) {
        snprintf(name, sizeof(name), "w%u", i);
        waiting[i] = across_put(w, random_pod(w, &rng, name), NULL);
    }
    for (int step = 0; step < 1500; step++) {
        switch (sy_rng_below(&rng, 16)) {
        case 0:
        case 1:
        case 2:
            random_node(w, &rng);
            break;
        case 3:
            random_workload(w, &rng);
            break;
        case 4:
            random_namespace(w, &rng);
            break;
        case 5:
        case 6:
            if (w->c.nodes_len)
                random_trial(w, &rng, waiting);
            break;
        case 7:
            snprintf(name, sizeof(name), "w%u", (uint32_t)sy_rng_below(&rng, WAITING));
            across_put(w, random_pod(w, &rng, name), NULL);
            break;
        default:
            random_running(w, &rng);
        }
        for (uint32_t i = step % 2; i < WAITING; i += 2)
            across_compare(w, waiting[i]);
        if (step % 50 == 0)
            assert_null(sy_cluster_audit(&w->c, text, sizeof(text)));
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, across_setup, across_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_affinity_needs_one_pod_in_the_domain),
        TEST(test_affinity_terms_are_met_together),
        TEST(test_first_of_a_group),
        TEST(test_anti_affinity_both_ways),
        TEST(test_namespaces),
        TEST(test_wrong_selectors),
        TEST(test_preferred_terms_of_both_sides),
        TEST(test_what_if),
        TEST(test_what_is_kept_never_lies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
