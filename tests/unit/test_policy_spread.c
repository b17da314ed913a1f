/* SPDX-License-Identifier: Apache-2.0 */
#include "across.h"

#define HOST "kubernetes.io/hostname"
#define ZONE "topology.kubernetes.io/zone"

static const char TOO_SKEWED[] = "node(s) didn't match pod topology spread constraints";
static const char NO_LABEL[] =
    "never: node(s) didn't match pod topology spread constraints (missing required label)";

static struct sy_spread_constraint constraint(struct across *w, const char *key, int32_t max_skew,
                                              uint8_t action, const char *selector)
{
    return (struct sy_spread_constraint){.max_skew = max_skew,
                                         .topology_key = core_id(&w->k, key),
                                         .when_unsatisfiable = action,
                                         .honor_affinity = true,
                                         .selector = across_selector(w, selector)};
}

static uint32_t spread_pod(struct across *w, const char *name, const char *labels,
                           const struct sy_spread_constraint *c, uint32_t len)
{
    struct sy_pod pod = across_pod(w, name, labels);

    pod.spec.spread = c;
    pod.spec.spread_len = len;
    return across_put(w, pod, NULL);
}

/* Zones a (a1, a2), b (b1), and one node without a zone. */
static void put_nodes(struct across *w)
{
    across_node(w, "a1", HOST "=a1 " ZONE "=a");
    across_node(w, "a2", HOST "=a2 " ZONE "=a");
    across_node(w, "b1", HOST "=b1 " ZONE "=b");
    across_node(w, "x1", HOST "=x1");
}

static void test_skew_counts_domains(void **state)
{
    struct across *w = *state;
    struct sy_spread_constraint c = constraint(w, ZONE, 1, SY_DO_NOT_SCHEDULE, "app=web");

    put_nodes(w);
    across_run(w, "r1", "app=web", "a1");
    uint32_t pod = spread_pod(w, "p", "app=web", &c, 1);
    assert_string_equal(across_why(w, pod, "a1"), TOO_SKEWED);
    assert_string_equal(across_why(w, pod, "a2"), TOO_SKEWED);
    assert_string_equal(across_why(w, pod, "b1"), "");
    assert_string_equal(across_why(w, pod, "x1"), NO_LABEL);

    /* A pod that is not counted itself adds nothing to the skew. */
    uint32_t other = spread_pod(w, "o", "app=other", &c, 1);
    assert_string_equal(across_why(w, other, "a1"), "");

    /* The counts follow what is bound, moved away and terminating. */
    uint32_t r2 = across_run(w, "r2", "app=web", "b1");
    assert_string_equal(across_why(w, pod, "a1"), "");
    struct sy_pod going = across_pod(w, "r2", "app=web");
    going.deleting_wall_ns = 1;
    assert_int_equal(across_put(w, going, "b1"), r2);
    assert_string_equal(across_why(w, pod, "a1"), TOO_SKEWED);
}

static void test_other_namespaces_do_not_count(void **state)
{
    struct across *w = *state;
    struct sy_spread_constraint c = constraint(w, ZONE, 1, SY_DO_NOT_SCHEDULE, "app=web");

    put_nodes(w);
    struct sy_pod elsewhere = across_pod(w, "r1", "app=web");
    elsewhere.ns = core_id(&w->k, "elsewhere");
    across_put(w, elsewhere, "a1");
    uint32_t pod = spread_pod(w, "p", "app=web", &c, 1);
    assert_string_equal(across_why(w, pod, "a1"), "");
}

static void test_min_domains(void **state)
{
    struct across *w = *state;
    struct sy_spread_constraint c = constraint(w, ZONE, 1, SY_DO_NOT_SCHEDULE, "app=web");

    put_nodes(w);
    across_run(w, "r1", "app=web", "a1");
    across_run(w, "r2", "app=web", "b1");
    c.min_domains = 3; /* there are two: the fewest counts as none */
    assert_string_equal(across_why(w, spread_pod(w, "p", "app=web", &c, 1), "b1"), TOO_SKEWED);
    c.min_domains = 2;
    assert_string_equal(across_why(w, spread_pod(w, "q", "app=web", &c, 1), "b1"), "");
}

static void test_empty_selector_counts_none_but_itself(void **state)
{
    struct across *w = *state;
    struct sy_spread_constraint c = constraint(w, ZONE, 1, SY_DO_NOT_SCHEDULE, "");

    put_nodes(w);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "r%d", i);
        across_run(w, name, "app=web", "a1");
    }
    assert_string_equal(across_why(w, spread_pod(w, "p", "app=web", &c, 1), "a1"), "");
    c.max_skew = 0; /* not valid, yet shows that the pod counts itself */
    assert_string_equal(across_why(w, spread_pod(w, "q", "app=web", &c, 1), "a1"), TOO_SKEWED);
}

static void test_match_label_keys(void **state)
{
    struct across *w = *state;
    struct sy_spread_constraint c = constraint(w, ZONE, 1, SY_DO_NOT_SCHEDULE, "app=web");
    sy_sid key = core_id(&w->k, "rev");

    put_nodes(w);
    c.match_label_keys = &key;
    c.match_label_keys_len = 1;
    across_run(w, "r1", "app=web rev=1", "a1");
    assert_string_equal(across_why(w, spread_pod(w, "p", "app=web rev=1", &c, 1), "a1"),
                        TOO_SKEWED);
    assert_string_equal(across_why(w, spread_pod(w, "q", "app=web rev=2", &c, 1), "a1"), "");
    assert_string_equal(across_why(w, spread_pod(w, "r", "app=web", &c, 1), "a1"), TOO_SKEWED);
}

static void test_inclusion_policies(void **state)
{
    struct across *w = *state;
    struct sy_spread_constraint c = constraint(w, ZONE, 1, SY_DO_NOT_SCHEDULE, "app=web");
    struct sy_pod pod = across_pod(w, "p", "app=web");

    across_node(w, "a1", ZONE "=a disk=ssd");
    across_node(w, "b1", ZONE "=b disk=hdd");
    across_run(w, "r1", "app=web", "a1");
    pod.spec.node_selector = across_labels(w, "disk=ssd");
    pod.spec.spread = &c;
    pod.spec.spread_len = 1;
    assert_string_equal(across_why(w, across_put(w, pod, NULL), "a1"), ""); /* a alone counts */
    c.honor_affinity = false;
    assert_string_equal(across_why(w, across_put(w, pod, NULL), "a1"), TOO_SKEWED);

    /* A tainted domain is one until taints are honoured. */
    struct sy_taint taint = {core_id(&w->k, "k"), core_id(&w->k, ""), SY_EFFECT_NO_SCHEDULE};
    struct sy_node tainted = core_node(&w->k, "b1", 64000, 1 << 18, 0);
    uint32_t slot, change;
    tainted.labels = across_labels(w, ZONE "=b disk=hdd");
    tainted.taints = &taint;
    tainted.taints_len = 1;
    assert_int_equal(sy_cluster_node_upsert(&w->c, &tainted, &slot, &change), 0);
    assert_string_equal(across_why(w, across_put(w, pod, NULL), "a1"), TOO_SKEWED);
    c.honor_taints = true;
    assert_string_equal(across_why(w, across_put(w, pod, NULL), "a1"), "");
}

static void test_scores_prefer_the_emptier(void **state)
{
    struct across *w = *state;
    struct sy_spread_constraint c = constraint(w, ZONE, 1, SY_SCHEDULE_ANYWAY, "app=web");

    put_nodes(w);
    across_run(w, "r1", "app=web", "a1");
    across_run(w, "r2", "app=web", "a2");
    across_run(w, "r3", "app=web", "b1");
    uint32_t pod = spread_pod(w, "p", "app=web", &c, 1);
    /* 2 * ln 4 and 1 * ln 4 round to 3 and 1: 100 * (3 + 1 - s) / 3. */
    assert_int_equal(across_points(w, pod, "PodTopologySpread", "a1"), 33);
    assert_int_equal(across_points(w, pod, "PodTopologySpread", "b1"), 100);
    assert_int_equal(across_points(w, pod, "PodTopologySpread", "x1"), 0); /* ignored */
}

static uint32_t plain_pod(struct across *w, const char *name, const char *labels, const char *owner)
{
    struct sy_pod pod = across_pod(w, name, labels);

    pod.owner_uid = core_text(&w->k, owner);
    return across_put(w, pod, NULL);
}

static void test_system_defaults_follow_services_and_owners(void **state)
{
    struct across *w = *state;
    sy_sid ns = core_id(&w->k, "default"), name = core_id(&w->k, "svc");

    put_nodes(w);
    across_run(w, "r1", "app=web rev=1", "a1");
    uint32_t pod = plain_pod(w, "p", "app=web rev=1", "rs-1");
    uint32_t twin = plain_pod(w, "t", "app=web rev=1", "rs-2");
    assert_int_equal(across_points(w, pod, "PodTopologySpread", "b1"), 0); /* nothing selects it */

    assert_int_equal(sy_cluster_service_upsert(&w->c, ns, name, across_labels(w, "app=web")), 0);
    int64_t full = across_points(w, pod, "PodTopologySpread", "a1");
    assert_true(full < across_points(w, pod, "PodTopologySpread", "b1"));
    /* Nodes without a zone take part: the system's constraints do not require all labels. */
    assert_true(across_points(w, pod, "PodTopologySpread", "x1") > 0);

    /* A ReplicaSet narrows the selector for its own pods alone. */
    struct sy_selector rs = across_selector(w, "rev=2");
    assert_int_equal(sy_cluster_owner_upsert(&w->c, SY_OWNER_REPLICA_SET, SY_STR("rs-1"), &rs), 0);
    assert_int_equal(across_points(w, pod, "PodTopologySpread", "a1"),
                     across_points(w, pod, "PodTopologySpread", "a2"));
    assert_true(across_points(w, twin, "PodTopologySpread", "a1") <
                across_points(w, twin, "PodTopologySpread", "a2"));

    /* A fresh list without it takes it away again. */
    sy_cluster_owners_replace_begin(&w->c, SY_OWNER_REPLICA_SET);
    sy_cluster_owners_replace_end(&w->c, SY_OWNER_REPLICA_SET);
    assert_int_equal(across_points(w, pod, "PodTopologySpread", "a1"), full);
    sy_cluster_services_replace_begin(&w->c);
    assert_int_equal(sy_cluster_service_upsert(&w->c, ns, name, across_labels(w, "app=web")), 0);
    sy_cluster_services_replace_end(&w->c);
    assert_int_equal(across_points(w, pod, "PodTopologySpread", "a1"), full);
    sy_cluster_service_delete(&w->c, ns, name);
    assert_int_equal(across_points(w, pod, "PodTopologySpread", "b1"), 0);
}

static void test_replication_controllers_override_services(void **state)
{
    struct across *w = *state;
    struct sy_arena arena;
    struct sy_selector got, rc = across_selector(w, "app=other tier=x");
    sy_sid ns = core_id(&w->k, "default");

    assert_int_equal(
        sy_cluster_service_upsert(&w->c, ns, core_id(&w->k, "svc"), across_labels(w, "app=web")),
        0);
    assert_int_equal(
        sy_cluster_owner_upsert(&w->c, SY_OWNER_REPLICATION_CONTROLLER, SY_STR("rc"), &rc), 0);
    sy_arena_init(&arena, 1 << 16);
    struct sy_labels web = across_labels(w, "app=web");
    uint64_t owner = sy_cluster_owner_hash(&w->c, SY_STR("rc"));
    assert_int_equal(sy_cluster_default_selector(&w->c, ns, web, owner, &arena, &got), 0);
    assert_int_equal(got.len, 2); /* one requirement per key, the controller's */
    assert_true(sy_selector_matches(&got, w->k.strings, across_labels(w, "app=other tier=x")));
    assert_false(sy_selector_matches(&got, w->k.strings, web));
    assert_int_equal(
        sy_cluster_default_selector(&w->c, core_id(&w->k, "ns2"), web, 0, &arena, &got), 0);
    assert_true(got.is_nil);
    sy_arena_done(&arena);
}

static void test_listed_defaults(void **state)
{
    struct across *w = *state;
    struct sy_spread_constraint c = constraint(w, ZONE, 1, SY_DO_NOT_SCHEDULE, NULL);

    put_nodes(w);
    across_run(w, "r1", "app=web", "a1");
    w->profile.args.spread_defaults_are_listed = true;
    w->profile.args.spread_defaults = &c;
    w->profile.args.spread_defaults_len = 1;
    assert_int_equal(sy_cluster_service_upsert(&w->c, core_id(&w->k, "default"),
                                               core_id(&w->k, "svc"), across_labels(w, "app=web")),
                     0);
    uint32_t pod = plain_pod(w, "p", "app=web", "");
    assert_string_equal(across_why(w, pod, "a1"), TOO_SKEWED);
    assert_string_equal(across_why(w, pod, "b1"), "");
    assert_string_equal(across_why(w, pod, "x1"), NO_LABEL);
    /* A pod that nothing selects is held to nothing. */
    assert_string_equal(across_why(w, plain_pod(w, "q", "app=db", ""), "x1"), "");
}

static void test_wrong_selector_is_an_error(void **state)
{
    struct across *w = *state;
    struct sy_spread_constraint c = constraint(w, ZONE, 1, SY_DO_NOT_SCHEDULE, "app=web");

    put_nodes(w);
    c.selector.is_invalid = true;
    assert_string_equal(
        across_why(w, spread_pod(w, "p", "app=web", &c, 1), "a1"),
        "pod: running PreFilter plugin \"PodTopologySpread\": parsing pod: a label selector "
        "can not be converted");
}

/* Nodes come and go under a domain's name many times over: ids are used again. */
static void test_domains_do_not_pile_up(void **state)
{
    struct across *w = *state;
    struct sy_topology *t = sy_topology_get(&w->c, core_id(&w->k, HOST));

    put_nodes(w);
    for (int i = 0; i < 50; i++) {
        char name[16], labels[64];
        snprintf(name, sizeof(name), "n%d", i);
        snprintf(labels, sizeof(labels), HOST "=n%d", i);
        across_node(w, name, labels);
        assert_int_not_equal(sy_cluster_node_delete(&w->c, core_id(&w->k, name)), SY_NONE);
    }
    assert_int_equal(t->domains_len, 5);
    assert_true(sy_counters_audit(&w->c));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, across_setup, across_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_skew_counts_domains),
        TEST(test_other_namespaces_do_not_count),
        TEST(test_min_domains),
        TEST(test_empty_selector_counts_none_but_itself),
        TEST(test_match_label_keys),
        TEST(test_inclusion_policies),
        TEST(test_scores_prefer_the_emptier),
        TEST(test_system_defaults_follow_services_and_owners),
        TEST(test_replication_controllers_override_services),
        TEST(test_listed_defaults),
        TEST(test_wrong_selector_is_an_error),
        TEST(test_domains_do_not_pile_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
