/* SPDX-License-Identifier: Apache-2.0
 *
 * kube-scheduler's plugins that look at one node at a time: what the oracle's cases do not reach
 * (arguments, extremes, changes over time). */
#include "policy/plugins.h"

#include "base/rng.h"
#include "core.h"
#include "sched/shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct core k;
    struct sy_cluster c;
    struct sy_shapes shapes;
    struct sy_profile profile;
};

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_cluster_init(&f->c, f->k.strings);
    sy_shapes_init(&f->shapes, &f->c, (size_t)64 << 20);
    sy_profile_kube(&f->profile, "test");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char text[256];

    assert_null(sy_cluster_audit(&f->c, text, sizeof(text)));
    sy_shapes_done(&f->shapes);
    sy_cluster_done(&f->c);
    core_done(&f->k);
    free(f);
    return 0;
}

/* -- helpers -- */

static uint32_t put_node(struct fixture *f, struct sy_node node)
{
    uint32_t slot, change;

    assert_int_equal(sy_cluster_node_upsert(&f->c, &node, &slot, &change), 0);
    return slot;
}

static uint32_t put_pod(struct fixture *f, struct sy_pod pod)
{
    uint32_t slot, change;

    assert_int_equal(sy_cluster_pod_upsert(&f->c, &pod, &slot, &change), 0);
    return slot;
}

static struct sy_shape *shape_of(struct fixture *f, struct sy_pod pod)
{
    uint32_t slot = put_pod(f, pod);

    return sy_shape_ref(&f->shapes, &f->c.pods.p[slot], &f->profile);
}

/* A profile of one filter, or of one scorer with weight 1. */
static void only(struct fixture *f, const char *filter, const char *scorer)
{
    f->profile.filters_len = f->profile.scorers_len = 0;
    if (filter)
        f->profile.filters[f->profile.filters_len++] = sy_filter_find(filter);
    if (scorer)
        f->profile.scorers[f->profile.scorers_len++] =
            (struct sy_weighted_scorer){sy_scorer_find(scorer), 1};
}

/* Points of a node in whole points, -1 when it is not feasible. */
static int64_t points(struct fixture *f, struct sy_shape *shape, uint32_t node)
{
    struct sy_survey survey = sy_shape_survey(&f->shapes, shape);

    assert_int_equal(sy_shape_check(&f->shapes, shape), 0);
    survey = sy_shape_survey(&f->shapes, shape);
    for (uint32_t i = 0; i < survey.nodes_len; i++) {
        if (survey.nodes[i] == node)
            return survey.totals[i] / 1000;
    }
    return -1;
}

/* The text of the first reason against a node, "" when it fits. */
static const char *reason(struct fixture *f, struct sy_shape *shape, uint32_t node)
{
    struct sy_survey survey = sy_shape_survey(&f->shapes, shape);
    const struct sy_verdict *v;

    if (!survey.verdicts)
        return sy_strings_getz(f->k.strings, survey.outcome.reject.reasons[0]);
    v = sy_shapes_verdict(&f->shapes, survey.verdicts[node]);
    return v->code == SY_FIT ? "" : sy_strings_getz(f->k.strings, v->reasons[0]);
}

static struct sy_pod on_node(struct fixture *f, struct sy_pod pod, const char *node)
{
    pod.node = core_id(&f->k, node);
    return pod;
}

static struct sy_pod with_port(struct fixture *f, const char *name, const char *ip, int32_t port,
                               enum sy_protocol protocol)
{
    struct sy_pod pod = core_pod(&f->k, name, 0, 0, 0);
    struct sy_host_port *p = sy_arena_alloc(&f->k.arena, sizeof(*p));

    *p = (struct sy_host_port){core_id(&f->k, ip), port, (uint8_t)protocol};
    pod.spec.host_ports = p;
    pod.spec.host_ports_len = 1;
    return pod;
}

/* -- NodePorts -- */

static const char NO_PORTS[] = "node(s) didn't have free ports for the requested pod ports";

static void test_ports_collide_by_address(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *ip;
        int32_t port;
        enum sy_protocol protocol;
        bool collides;
    } CASES[] = {
        {"10.0.0.1", 80, SY_PROTOCOL_TCP, true},  {"0.0.0.0", 80, SY_PROTOCOL_TCP, true},
        {"10.0.0.2", 80, SY_PROTOCOL_TCP, false}, {"10.0.0.1", 80, SY_PROTOCOL_UDP, false},
        {"10.0.0.1", 81, SY_PROTOCOL_TCP, false}, {"10.0.0.3", 53, SY_PROTOCOL_UDP, true},
        {"0.0.0.0", 53, SY_PROTOCOL_SCTP, false},
    };

    only(f, "NodePorts", NULL);
    uint32_t node = put_node(f, core_node(&f->k, "n", 1000, 1000, 0));
    put_pod(f, on_node(f, with_port(f, "a", "10.0.0.1", 80, SY_PROTOCOL_TCP), "n"));
    put_pod(f, on_node(f, with_port(f, "b", "0.0.0.0", 53, SY_PROTOCOL_UDP), "n"));
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        struct sy_shape *shape =
            shape_of(f, with_port(f, "new", CASES[i].ip, CASES[i].port, CASES[i].protocol));
        assert_string_equal(reason(f, shape, node), CASES[i].collides ? NO_PORTS : "");
        sy_shape_unref(&f->shapes, shape);
    }
}

static void test_port_is_free_when_its_last_pod_is_gone(void **state)
{
    struct fixture *f = *state;

    only(f, "NodePorts", NULL);
    uint32_t node = put_node(f, core_node(&f->k, "n", 1000, 1000, 0));
    /* Static pods may hold one port twice. */
    uint32_t a = put_pod(f, on_node(f, with_port(f, "a", "0.0.0.0", 80, SY_PROTOCOL_TCP), "n"));
    uint32_t b = put_pod(f, on_node(f, with_port(f, "b", "0.0.0.0", 80, SY_PROTOCOL_TCP), "n"));
    struct sy_shape *shape = shape_of(f, with_port(f, "c", "0.0.0.0", 80, SY_PROTOCOL_TCP));
    assert_string_equal(reason(f, shape, node), NO_PORTS);
    sy_cluster_pod_delete(&f->c, a);
    assert_string_equal(reason(f, shape, node), NO_PORTS);
    sy_cluster_pod_delete(&f->c, b);
    assert_string_equal(reason(f, shape, node), "");
    sy_shape_unref(&f->shapes, shape);
}

/* -- NodeResourcesFit -- */

static struct sy_pod asks_for(struct fixture *f, const char *resource, int64_t amount)
{
    struct sy_pod pod = core_pod(&f->k, resource, 0, 0, 0);
    struct sy_amount *p = sy_arena_alloc(&f->k.arena, sizeof(*p));

    *p = (struct sy_amount){core_id(&f->k, resource), amount};
    pod.spec.requests.requests = (struct sy_amounts){p, 1};
    return pod;
}

static void test_ignored_resources(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *resource;
        bool fits;
    } CASES[] = {
        {"example.com/one", true},   {"example.com/two", false}, {"vendor.io/any", true},
        {"sub.vendor.io/it", false}, {"hugepages-2Mi", false},   {"x.kubernetes.io/z", false},
    };

    only(f, "NodeResourcesFit", NULL);
    f->profile.args.ignored_resources[0] = "example.com/one";
    f->profile.args.ignored_resources[1] = "hugepages-2Mi"; /* not extended: not ignored */
    f->profile.args.ignored_resources_len = 2;
    f->profile.args.ignored_resource_groups[0] = "vendor.io";
    f->profile.args.ignored_resource_groups[1] = "x.kubernetes.io";
    f->profile.args.ignored_resource_groups_len = 2;
    uint32_t node = put_node(f, core_node(&f->k, "n", 1000, 1000, 0));
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        struct sy_shape *shape = shape_of(f, asks_for(f, CASES[i].resource, 1));
        assert_int_equal(*reason(f, shape, node) == '\0', CASES[i].fits);
        sy_shape_unref(&f->shapes, shape);
    }
}

static void test_all_reasons_are_kept(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = core_pod(&f->k, "p", 0, 0, 0);
    struct sy_amount *p = sy_arena_array(&f->k.arena, 12, sizeof(*p));
    char name[32];

    only(f, "NodeResourcesFit", NULL);
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof(name), "example.com/r%d", i);
        p[i] = (struct sy_amount){core_id(&f->k, name), 1};
    }
    pod.spec.requests.requests = (struct sy_amounts){p, sy_amounts_sort(p, 12)};
    uint32_t node = put_node(f, core_node(&f->k, "n", 1000, 1000, 0));
    struct sy_shape *shape = shape_of(f, pod);
    struct sy_survey survey = sy_shape_survey(&f->shapes, shape);
    const struct sy_verdict *v = sy_shapes_verdict(&f->shapes, survey.verdicts[node]);
    assert_int_equal(v->reasons_len, 12);
    assert_int_equal(v->code, SY_UNRESOLVABLE);
    sy_shape_unref(&f->shapes, shape);
}

static void weigh(struct fixture *f, enum sy_scoring_strategy strategy)
{
    only(f, NULL, "NodeResourcesFit");
    f->profile.args.fit_strategy = strategy;
    f->profile.args.fit_resources[0] = (struct sy_scoring_resource){"cpu", 3};
    f->profile.args.fit_resources[1] = (struct sy_scoring_resource){"nvidia.com/gpu", 5};
    f->profile.args.fit_resources[2] = (struct sy_scoring_resource){"no.such/thing", 7};
    f->profile.args.fit_resources_len = 3;
}

static void test_fit_strategies(void **state)
{
    struct fixture *f = *state;

    uint32_t node = put_node(f, core_node(&f->k, "n", 1000, 1000, 4));
    uint32_t bare = put_node(f, core_node(&f->k, "bare", 1000, 1000, 0));
    struct sy_pod pod = core_pod(&f->k, "p", 250, 10, 1);
    weigh(f, SY_LEAST_ALLOCATED);
    struct sy_shape *shape = shape_of(f, pod);
    assert_int_equal(points(f, shape, node), 75);
    assert_int_equal(points(f, shape, bare), 75); /* what a node has none of is left out */
    sy_shape_unref(&f->shapes, shape);
    sy_shapes_drop_caches(&f->shapes);

    weigh(f, SY_MOST_ALLOCATED);
    put_pod(f, on_node(f, core_pod(&f->k, "other", 0, 0, 2), "n"));
    shape = shape_of(f, pod);
    /* cpu: 100m stands for the other's none. 35 x 3 + 75 x 5 over 8. */
    assert_int_equal(points(f, shape, node), 60);
    sy_shape_unref(&f->shapes, shape);
    sy_shapes_drop_caches(&f->shapes);

    /* A pod that asks for no GPU is not drawn to, nor kept from, nodes with them. */
    shape = shape_of(f, core_pod(&f->k, "cpu", 400, 10, 0));
    assert_int_equal(points(f, shape, node), 50);
    assert_int_equal(points(f, shape, bare), 40);
    sy_shape_unref(&f->shapes, shape);
    sy_shapes_drop_caches(&f->shapes);
}

static void test_fit_curve(void **state)
{
    struct fixture *f = *state;

    weigh(f, SY_REQUESTED_TO_CAPACITY_RATIO);
    f->profile.args.fit_points[0] = (struct sy_utilization_point){20, 10};
    f->profile.args.fit_points[1] = (struct sy_utilization_point){70, 3};
    f->profile.args.fit_points[2] = (struct sy_utilization_point){90, 0};
    f->profile.args.fit_points_len = 3;
    uint32_t node = put_node(f, core_node(&f->k, "n", 1000, 1000, 4));
    static const struct {
        int64_t cpu_milli, gpus, want;
    } CASES[] = {
        {100, 0, 100}, {200, 0, 100}, {450, 0, 65}, {451, 0, 65},
        {470, 0, 63},  {900, 0, 0},   {1500, 0, 0}, /* over its capacity: as full */
        {900, 1, 93}, /* cpu has no points, so its weight counts neither: 100 - 70 * 5 / 50 */
        {450, 2, 61}, /* (65 x 3 + 58 x 5) / 8 is 60.6 */
    };
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        struct sy_shape *shape =
            shape_of(f, core_pod(&f->k, "p", CASES[i].cpu_milli, 10, CASES[i].gpus));
        assert_int_equal(points(f, shape, node), CASES[i].want);
        sy_shape_unref(&f->shapes, shape);
        sy_shapes_drop_caches(&f->shapes);
    }
}

static void test_fit_extremes(void **state)
{
    struct fixture *f = *state;

    f->profile.filters_len = 0;
    struct sy_node node = core_node(&f->k, "n", INT64_MAX, 0, INT64_MAX);
    uint32_t huge = put_node(f, node);
    uint32_t none = put_node(f, core_node(&f->k, "none", 0, 0, 0));
    for (int strategy = SY_LEAST_ALLOCATED; strategy <= SY_REQUESTED_TO_CAPACITY_RATIO;
         strategy++) {
        weigh(f, (enum sy_scoring_strategy)strategy);
        struct sy_shape *shape = shape_of(f, core_pod(&f->k, "p", INT64_MAX, 1, INT64_MAX));
        int64_t got = points(f, shape, huge);
        assert_true(got >= 0 && got <= 100);
        assert_int_equal(points(f, shape, none), 0);
        sy_shape_unref(&f->shapes, shape);
        sy_shapes_drop_caches(&f->shapes);
    }
}

/* -- NodeResourcesBalancedAllocation -- */

static void test_balance(void **state)
{
    struct fixture *f = *state;

    only(f, NULL, "NodeResourcesBalancedAllocation");
    uint32_t even = put_node(f, core_node(&f->k, "even", 1000, 1000, 0));
    uint32_t skewed = put_node(f, core_node(&f->k, "skewed", 1000, 1000, 0));
    put_pod(f, on_node(f, core_pod(&f->k, "x", 0, 800, 0), "skewed"));
    struct sy_shape *shape = shape_of(f, core_pod(&f->k, "p", 400, 0, 0));
    assert_int_equal(points(f, shape, even), 65);   /* 80 - 100 */
    assert_int_equal(points(f, shape, skewed), 85); /* 80 - 60 */
    sy_shape_unref(&f->shapes, shape);
    /* Asks for none of the two: no points, where 75 would be "changes nothing". */
    shape = shape_of(f, core_pod(&f->k, "gpu", 0, 0, 1));
    assert_int_equal(points(f, shape, even), 0);
    sy_shape_unref(&f->shapes, shape);
}

static void test_balance_of_three(void **state)
{
    struct fixture *f = *state;

    only(f, NULL, "NodeResourcesBalancedAllocation");
    f->profile.args.balanced_resources[2] = (struct sy_scoring_resource){"nvidia.com/gpu", 1};
    f->profile.args.balanced_resources_len = 3;
    uint32_t node = put_node(f, core_node(&f->k, "n", 1000, 1000, 2));
    struct sy_shape *shape = shape_of(f, core_pod(&f->k, "p", 0, 0, 1));
    /* Shares 0, 0, 1/2: deviation sqrt(1/18), so 76 with the pod and 100 without. */
    assert_int_equal(points(f, shape, node), 50 + (50 + 76 - 100) / 2);
    sy_shape_unref(&f->shapes, shape);
}

/* -- ImageLocality -- */

static struct sy_node with_image(struct fixture *f, const char *name, const char *image,
                                 int64_t bytes)
{
    struct sy_node node = core_node(&f->k, name, 1000, 1000, 0);
    struct sy_image *p = sy_arena_alloc(&f->k.arena, sizeof(*p));

    *p = (struct sy_image){core_id(&f->k, image), bytes};
    node.images = p;
    node.images_len = image[0] != '\0';
    return node;
}

static struct sy_pod runs(struct fixture *f, const char *image)
{
    struct sy_pod pod = core_pod(&f->k, "runs", 0, 0, 0);
    sy_sid *p = sy_arena_alloc(&f->k.arena, sizeof(*p));

    *p = core_id(&f->k, image);
    pod.spec.images = p;
    pod.spec.images_len = pod.spec.containers_len = 1;
    return pod;
}

/* Cached scores follow what happens on other nodes. */
static void test_image_counts(void **state)
{
    struct fixture *f = *state;
    const int64_t mib = 1 << 20;

    only(f, NULL, "ImageLocality");
    uint32_t a = put_node(f, with_image(f, "a", "img", 600 * mib));
    put_node(f, with_image(f, "b", "", 0));
    struct sy_shape *shape = shape_of(f, runs(f, "img"));
    assert_int_equal(points(f, shape, a), 28); /* 300 MiB of 23..1000 */
    put_node(f, with_image(f, "b", "img", 600 * mib));
    assert_int_equal(points(f, shape, a), 59); /* 600 */
    put_node(f, with_image(f, "c", "other", 600 * mib));
    assert_int_equal(points(f, shape, a), 38); /* 400 */
    sy_cluster_node_delete(&f->c, core_id(&f->k, "b"));
    assert_int_equal(points(f, shape, a), 28);
    put_node(f, with_image(f, "a", "", 0));
    assert_int_equal(points(f, shape, a), 0);
    sy_shape_unref(&f->shapes, shape);
}

static void test_image_bounds(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int64_t bytes, want;
    } CASES[] = {{INT64_MIN, 0},      {-1, 0},         {23 << 20, 0}, {33 << 20, 1},
                 {1000LL << 20, 100}, {INT64_MAX, 100}};

    only(f, NULL, "ImageLocality");
    struct sy_shape *none = shape_of(f, core_pod(&f->k, "no-containers", 0, 0, 0));
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        uint32_t node = put_node(f, with_image(f, "n", "img", CASES[i].bytes));
        struct sy_shape *shape = shape_of(f, runs(f, "img"));
        assert_int_equal(points(f, shape, node), CASES[i].want);
        assert_int_equal(points(f, none, node), 0);
        sy_shape_unref(&f->shapes, shape);
    }
    sy_shape_unref(&f->shapes, none);
}

/* -- TaintToleration -- */

static void test_preferred_taints(void **state)
{
    struct fixture *f = *state;
    sy_sid empty = core_id(&f->k, "");
    struct sy_taint taints[3] = {
        {core_id(&f->k, "a"), empty, SY_EFFECT_PREFER_NO_SCHEDULE},
        {core_id(&f->k, "b"), empty, SY_EFFECT_PREFER_NO_SCHEDULE},
        {core_id(&f->k, "c"), empty, SY_EFFECT_NO_SCHEDULE},
    };
    struct sy_toleration exists = {.key = core_id(&f->k, "a"),
                                   .value = empty,
                                   .op = SY_TOLERATION_EXISTS,
                                   .effect = SY_EFFECT_NO_SCHEDULE};

    only(f, NULL, "TaintToleration");
    uint32_t clean = put_node(f, core_node(&f->k, "clean", 1000, 1000, 0));
    struct sy_pod pod = core_pod(&f->k, "p", 0, 0, 0);
    pod.spec.tolerations = &exists;
    pod.spec.tolerations_len = 1;
    struct sy_shape *shape = shape_of(f, pod);
    assert_int_equal(points(f, shape, clean), 100);
    struct sy_node node = core_node(&f->k, "two", 1000, 1000, 0);
    node.taints = taints;
    node.taints_len = 3;
    uint32_t two = put_node(f, node);
    node = core_node(&f->k, "one", 1000, 1000, 0);
    node.taints = taints;
    node.taints_len = 1;
    uint32_t one = put_node(f, node);
    assert_int_equal(points(f, shape, clean), 100);
    assert_int_equal(points(f, shape, two), 0); /* the toleration is of another effect */
    assert_int_equal(points(f, shape, one), 50);
    sy_shape_unref(&f->shapes, shape);
    exists.effect = SY_EFFECT_NONE;
    shape = shape_of(f, pod);
    assert_int_equal(points(f, shape, one), 100);
    sy_shape_unref(&f->shapes, shape);
}

/* -- NodeAffinity -- */

/* ---- declared features ---- */

static void test_declared_features(void **state)
{
    struct fixture *f = *state;
    struct sy_node none = core_node(&f->k, "none", 1000, 1024, 0), one = none, both = none;
    struct sy_pod plain = core_pod(&f->k, "plain", 100, 64, 0), needs = plain;
    static const char NO_FEATURES[] = "node(s) didn't match Pod's required features";

    one.name = core_id(&f->k, "one");
    one.declared_features = 1U << SY_FEATURE_RESTART_ALL_CONTAINERS;
    both.name = core_id(&f->k, "both");
    both.declared_features = one.declared_features | 1U << SY_FEATURE_BIND_MOUNT_OPTIONS |
                             1U << SY_FEATURE_POD_LEVEL_RESIZE;
    needs.uid = core_text(&f->k, "needs");
    needs.spec.needed_features =
        1U << SY_FEATURE_RESTART_ALL_CONTAINERS | 1U << SY_FEATURE_BIND_MOUNT_OPTIONS;
    only(f, "NodeDeclaredFeatures", NULL);
    uint32_t a = put_node(f, none), b = put_node(f, one), c = put_node(f, both);
    struct sy_shape *any = shape_of(f, plain), *shape = shape_of(f, needs);
    assert_string_equal(reason(f, any, a), "");
    assert_string_equal(reason(f, shape, a), NO_FEATURES);
    assert_string_equal(reason(f, shape, b), NO_FEATURES);
    assert_string_equal(reason(f, shape, c), "");
    assert_int_equal(
        sy_shapes_verdict(&f->shapes, sy_shape_survey(&f->shapes, shape).verdicts[b])->code,
        SY_UNRESOLVABLE);
    /* A kubelet that was upgraded says so. */
    one.declared_features = both.declared_features;
    put_node(f, one);
    assert_string_equal(reason(f, shape, b), "");
    assert_int_equal(sy_shape_check(&f->shapes, shape), 0);
    sy_shape_unref(&f->shapes, any);
    sy_shape_unref(&f->shapes, shape);
}

static struct sy_requirement requires(struct fixture *f, const char *key, enum sy_op op,
                                      const char *a, const char *b)
{
    sy_sid *values = sy_arena_array(&f->k.arena, 2, sizeof(*values));
    uint32_t len = 0;

    if (a)
        values[len++] = core_id(&f->k, a);
    if (b)
        values[len++] = core_id(&f->k, b);
    len = sy_sids_sort(values, len);
    return (struct sy_requirement){
        .key = core_id(&f->k, key), .op = (uint8_t)op, .values = values, .values_len = len};
}

static struct sy_pod must_be_on(struct fixture *f, const struct sy_node_term *terms, uint32_t len)
{
    struct sy_pod pod = core_pod(&f->k, "p", 0, 0, 0);

    pod.spec.required_nodes = (struct sy_node_selector){terms, len, true};
    return pod;
}

static const char NOT_MATCHED[] = "node(s) didn't match Pod's node affinity/selector";
static const char NOT_SELECTED[] = "node(s) didn't satisfy plugin(s) [NodeAffinity]";

static void test_affinity_by_name(void **state)
{
    struct fixture *f = *state;
    struct sy_requirement is_a = requires(f, "metadata.name", SY_OP_IN, "a", NULL);
    struct sy_requirement is_b = requires(f, "metadata.name", SY_OP_IN, "b", NULL);
    struct sy_requirement not_a = requires(f, "metadata.name", SY_OP_NOT_IN, "a", NULL);
    struct sy_requirement a_or_b = requires(f, "metadata.name", SY_OP_IN, "a", "b");
    struct sy_requirement both[2] = {is_a, is_b};
    struct sy_requirement narrow[2] = {a_or_b, is_b};
    struct sy_requirement zone = requires(f, "zone", SY_OP_EXISTS, NULL, NULL);

    only(f, "NodeAffinity", NULL);
    uint32_t a = put_node(f, core_node(&f->k, "a", 1000, 1000, 0));
    uint32_t b = put_node(f, core_node(&f->k, "b", 1000, 1000, 0));
    uint32_t c = put_node(f, core_node(&f->k, "c", 1000, 1000, 0));
    const struct {
        struct sy_node_term terms[2];
        uint32_t len;
        const char *on_a, *on_b, *on_c;
    } CASES[] = {
        {{{.fields = &is_a, .fields_len = 1}}, 1, "", NOT_SELECTED, NOT_SELECTED},
        {{{.fields = &is_a, .fields_len = 1}, {.fields = &is_b, .fields_len = 1}},
         2,
         "",
         "",
         NOT_SELECTED},
        /* A term that names no node takes any: nothing is excluded. */
        {{{.fields = &is_a, .fields_len = 1}, {.exprs = &zone, .exprs_len = 1}},
         2,
         "",
         NOT_MATCHED,
         NOT_MATCHED},
        {{{.fields = &not_a, .fields_len = 1}}, 1, NOT_MATCHED, "", ""},
        {{{.fields = both, .fields_len = 2}},
         1,
         "pod affinity terms conflict",
         "pod affinity terms conflict",
         "pod affinity terms conflict"},
        {{{.fields = both, .fields_len = 2}, {.fields = &is_b, .fields_len = 1}},
         2,
         NOT_SELECTED,
         "",
         NOT_SELECTED},
        /* Two values are one too many for the filter, though not for the names. */
        {{{.fields = &a_or_b, .fields_len = 1}}, 1, NOT_MATCHED, NOT_MATCHED, NOT_SELECTED},
        {{{.fields = narrow, .fields_len = 2}}, 1, NOT_SELECTED, NOT_MATCHED, NOT_SELECTED},
        {{{0}}, 0, NOT_MATCHED, NOT_MATCHED, NOT_MATCHED},
        {{{0}}, 1, NOT_MATCHED, NOT_MATCHED, NOT_MATCHED},
    };
    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        struct sy_shape *shape = shape_of(f, must_be_on(f, CASES[i].terms, CASES[i].len));
        assert_string_equal(reason(f, shape, a), CASES[i].on_a);
        assert_string_equal(reason(f, shape, b), CASES[i].on_b);
        assert_string_equal(reason(f, shape, c), CASES[i].on_c);
        sy_shape_unref(&f->shapes, shape);
    }
}

static void test_added_affinity(void **state)
{
    struct fixture *f = *state;
    struct sy_requirement pool = requires(f, "pool", SY_OP_IN, "x", NULL);
    struct sy_requirement fast = requires(f, "fast", SY_OP_EXISTS, NULL, NULL);
    struct sy_node_term term = {.exprs = &pool, .exprs_len = 1};
    struct sy_preferred_node_term preferred = {7, {.exprs = &fast, .exprs_len = 1}};

    only(f, "NodeAffinity", "NodeAffinity");
    f->profile.args.added_affinity = (struct sy_node_selector){&term, 1, true};
    f->profile.args.added_preferred = &preferred;
    f->profile.args.added_preferred_len = 1;
    struct sy_node node = core_node(&f->k, "x", 1000, 1000, 0);
    node.labels = core_label(&f->k, "pool", "x");
    uint32_t x = put_node(f, node);
    uint32_t y = put_node(f, core_node(&f->k, "y", 1000, 1000, 0));
    struct sy_label both[2] = {{core_id(&f->k, "pool"), core_id(&f->k, "x")},
                               {core_id(&f->k, "fast"), core_id(&f->k, "")}};
    node = core_node(&f->k, "z", 1000, 1000, 0);
    node.labels = (struct sy_labels){both, sy_labels_sort(both, 2)};
    uint32_t z = put_node(f, node);
    struct sy_shape *shape = shape_of(f, core_pod(&f->k, "p", 0, 0, 0));
    assert_string_equal(reason(f, shape, y),
                        "node(s) didn't match scheduler-enforced node affinity");
    assert_int_equal(points(f, shape, x), 0);
    assert_int_equal(points(f, shape, z), 100);
    sy_shape_unref(&f->shapes, shape);
}

static void test_preferred_that_does_not_parse(void **state)
{
    struct fixture *f = *state;
    struct sy_requirement bad = requires(f, "num", SY_OP_GT, "many", NULL);
    struct sy_requirement good = requires(f, "num", SY_OP_EXISTS, NULL, NULL);
    struct sy_preferred_node_term terms[2] = {{5, {.exprs = &good, .exprs_len = 1}},
                                              {0, {.exprs = &bad, .exprs_len = 1}}};

    only(f, NULL, "NodeAffinity");
    put_node(f, core_node(&f->k, "a", 1000, 1000, 0));
    uint32_t b = put_node(f, core_node(&f->k, "b", 1000, 1000, 0));
    struct sy_pod pod = core_pod(&f->k, "p", 0, 0, 0);
    pod.spec.preferred_nodes = terms;
    pod.spec.preferred_nodes_len = 2;
    struct sy_shape *shape = shape_of(f, pod);
    assert_int_equal(points(f, shape, b), 0); /* weight 0 is not looked at */
    sy_shape_unref(&f->shapes, shape);
    terms[1].weight = 1;
    shape = shape_of(f, pod);
    struct sy_outcome out = sy_shape_best(&f->shapes, shape);
    assert_int_equal(out.reject.code, SY_ERROR);
    assert_string_equal(out.reject_plugin, "NodeAffinity");
    assert_int_equal(out.node, SY_NONE);
    /* A single feasible node is taken unscored, as upstream does. */
    sy_cluster_node_delete(&f->c, core_id(&f->k, "a"));
    assert_int_equal(sy_shape_best(&f->shapes, shape).node, b);
    sy_shape_unref(&f->shapes, shape);
}

/* -- all together, over time -- */

static struct sy_node random_node(struct fixture *f, struct sy_rng *rng, const char *name)
{
    static const char *const IMAGES[] = {"", "img0", "img1"};
    struct sy_node node =
        with_image(f, name, IMAGES[sy_rng_below(rng, 3)], (int64_t)sy_rng_below(rng, 2000) << 20);

    if (sy_rng_below(rng, 3) == 0) {
        struct sy_taint *taint = sy_arena_alloc(&f->k.arena, sizeof(*taint));
        *taint = (struct sy_taint){core_id(&f->k, "t"), core_id(&f->k, ""),
                                   SY_EFFECT_PREFER_NO_SCHEDULE};
        node.taints = taint;
        node.taints_len = 1;
    }
    return node;
}

/* Whether the choice is one of the best of a survey, which takes no short cut. */
static void check_choice(struct fixture *f, struct sy_shape *shape)
{
    uint32_t node = sy_shape_best(&f->shapes, shape).node;
    struct sy_survey survey = sy_shape_survey(&f->shapes, shape);
    int64_t most = INT64_MIN, ours = INT64_MIN;

    assert_int_equal(sy_shape_check(&f->shapes, shape), 0);
    for (uint32_t i = 0; i < survey.nodes_len; i++) {
        most = survey.totals[i] > most ? survey.totals[i] : most;
        if (survey.nodes[i] == node)
            ours = survey.totals[i];
    }
    assert_int_equal(node == SY_NONE, survey.nodes_len == 0);
    assert_true(ours == most || survey.nodes_len == 1);
}

static void test_storm(void **state)
{
    struct fixture *f = *state;
    struct sy_shape *shapes[4];
    struct sy_rng rng;
    char name[16], text[256];

    sy_rng_seed(&rng, 5);
    shapes[0] = shape_of(f, runs(f, "img0"));
    shapes[1] = shape_of(f, with_port(f, "port", "0.0.0.0", 80, SY_PROTOCOL_TCP));
    shapes[2] = shape_of(f, core_pod(&f->k, "plain", 300, 100, 0));
    struct sy_pod pod = runs(f, "img1");
    pod.spec.requests = core_pod(&f->k, "x", 100, 300, 0).spec.requests;
    shapes[3] = shape_of(f, pod);
    for (int step = 0; step < 3000; step++) {
        uint64_t kind = sy_rng_below(&rng, 8);
        snprintf(name, sizeof(name), "n%d", (int)sy_rng_below(&rng, 6));
        sy_sid node = core_id(&f->k, name);
        if (kind < 2) {
            put_node(f, random_node(f, &rng, name));
        } else if (kind == 2) {
            sy_cluster_node_delete(&f->c, node);
        } else {
            char uid[32];
            snprintf(name, sizeof(name), "p%d", (int)sy_rng_below(&rng, 20));
            snprintf(uid, sizeof(uid), "uid-%s", name);
            uint32_t slot = sy_cluster_pod_find(&f->c, sy_str_from(uid));
            pod = kind < 5 ? with_port(f, name, "0.0.0.0", 80, SY_PROTOCOL_TCP)
                           : core_pod(&f->k, name, 100 * (int64_t)sy_rng_below(&rng, 4), 100, 0);
            pod.node = node;
            if (slot != SY_NONE)
                sy_cluster_pod_delete(&f->c, slot);
            else
                put_pod(f, pod);
        }
        check_choice(f, shapes[sy_rng_below(&rng, SY_ARRAY_LEN(shapes))]);
        if (step % 50 == 0)
            assert_null(sy_cluster_audit(&f->c, text, sizeof(text)));
    }
    for (size_t i = 0; i < SY_ARRAY_LEN(shapes); i++)
        sy_shape_unref(&f->shapes, shapes[i]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ports_collide_by_address),
        TEST(test_port_is_free_when_its_last_pod_is_gone),
        TEST(test_ignored_resources),
        TEST(test_all_reasons_are_kept),
        TEST(test_fit_strategies),
        TEST(test_fit_curve),
        TEST(test_fit_extremes),
        TEST(test_balance),
        TEST(test_balance_of_three),
        TEST(test_image_counts),
        TEST(test_image_bounds),
        TEST(test_preferred_taints),
        TEST(test_affinity_by_name),
        TEST(test_added_affinity),
        TEST(test_declared_features),
        TEST(test_preferred_that_does_not_parse),
        TEST(test_storm),
    };

    return cmocka_run_group_tests_name("policy_local", tests, NULL, NULL);
}
