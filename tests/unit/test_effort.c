/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods that were made to cost much: what they are estimated at, and that they keep nobody waiting.
 */
#include "sched/effort.h"

#include "core_sched.h"

#include <stdlib.h>

/* With how many terms a pod is costly, and too much, beside NODES nodes and next to no pods. */
enum { NODES = 100, COSTLY = 2000, TOO_MUCH = 25000 };

struct fixture {
    struct core k;
    struct sy_sched *s;
    struct sy_profile profile;
    uint32_t binds, errors, others;
    char last_bound[64], last_error[256];
    uint64_t tickets[64];
    sy_time_ns now;
};

static void hear(void *arg, const struct sy_decision *d)
{
    struct fixture *f = arg;

    if (d->kind == SY_DECIDE_BIND) {
        f->tickets[f->binds++ % SY_ARRAY_LEN(f->tickets)] = d->ticket;
        core_keep(f->last_bound, sizeof(f->last_bound), d->name);
    } else if (d->kind == SY_DECIDE_CONDITION) {
        bool is_error = strcmp(d->reason, "SchedulerError") == 0;
        f->errors += is_error;
        f->others += !is_error;
        core_keep(f->last_error, sizeof(f->last_error), d->message);
    }
}

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));
    char name[32];

    core_init(&f->k);
    sy_profile_default(&f->profile, "steelyard");
    struct sy_sched_options options = {.profiles = &f->profile, .profiles_len = 1};
    f->s = sy_sched_new(f->k.strings, &options, hear, f);
    f->now = 1000 * SY_NS_PER_S;
    for (uint32_t i = 0; i < NODES; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        struct sy_node node = core_node(&f->k, name, 64000, 65536, 0);
        assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    core_sched_end(f->s);
    core_done(&f->k);
    free(f);
    return 0;
}

/* Affinity to pods that are nowhere: it fits no node. */
static struct sy_pod with_terms(struct fixture *f, const char *name, uint32_t terms)
{
    struct sy_pod pod = core_pod(&f->k, name, 100, 64, 0);
    struct sy_affinity_term *p = sy_arena_array(&f->k.arena, terms, sizeof(*p));
    sy_sid *ns = sy_arena_alloc(&f->k.arena, sizeof(*ns));
    char value[32];

    *ns = pod.ns;
    for (uint32_t i = 0; i < terms; i++) {
        struct sy_requirement *req = sy_arena_alloc(&f->k.arena, sizeof(*req));
        sy_sid *id = sy_arena_alloc(&f->k.arena, sizeof(*id));
        snprintf(value, sizeof(value), "v%u", i);
        *id = core_id(&f->k, value);
        *req = (struct sy_requirement){
            .key = core_id(&f->k, "app"), .op = SY_OP_IN, .values = id, .values_len = 1};
        p[i] = (struct sy_affinity_term){
            .selector = {.reqs = req, .len = 1},
            .namespaces = ns,
            .namespaces_len = 1,
            .namespace_selector = {.is_nil = true},
            .topology_key = core_id(&f->k, "kubernetes.io/hostname"),
        };
    }
    pod.spec.affinity = p;
    pod.spec.affinity_len = terms;
    return pod;
}

static void put(struct fixture *f, struct sy_pod pod)
{
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
}

static sy_time_ns run(struct fixture *f)
{
    return sy_sched_run(f->s, true, 0, f->now);
}

static const struct sy_sched_stats *stats(struct fixture *f)
{
    return sy_sched_stats(f->s);
}

static enum sy_effort judge(const struct sy_pod_spec *spec, uint32_t nodes, uint32_t pods)
{
    struct sy_effort_estimate e = sy_effort_of(spec, nodes, pods);

    return sy_effort_judge(&e);
}

static void test_estimates(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = with_terms(f, "p", 30);

    assert_int_equal(judge(&pod.spec, 0, 0), SY_EFFORT_PLAIN);
    assert_int_equal(judge(&pod.spec, 100000, 10000000), SY_EFFORT_PLAIN);
    pod = with_terms(f, "p", 100);
    assert_int_equal(judge(&pod.spec, 100, 100), SY_EFFORT_PLAIN);
    assert_int_equal(judge(&pod.spec, 5000, 100), SY_EFFORT_COSTLY);
    assert_int_equal(judge(&pod.spec, 100, 100000), SY_EFFORT_COSTLY);
    assert_int_equal(judge(&pod.spec, 50000, 100), SY_EFFORT_TOO_MUCH);
    assert_int_equal(judge(&pod.spec, UINT32_MAX, UINT32_MAX), SY_EFFORT_TOO_MUCH);
    pod = with_terms(f, "p", COSTLY);
    assert_int_equal(judge(&pod.spec, NODES, 100), SY_EFFORT_COSTLY);
    pod = with_terms(f, "p", TOO_MUCH);
    assert_int_equal(judge(&pod.spec, NODES, 100), SY_EFFORT_TOO_MUCH);
}

/* Wherever the requirements stand, they are seen. */
static void test_all_lists_count(void **state)
{
    struct fixture *f = *state;
    struct sy_pod_spec terms = with_terms(f, "p", 1000).spec;
    struct sy_requirement *reqs = sy_arena_array(&f->k.arena, 8000, sizeof(*reqs));
    for (uint32_t i = 0; i < 8000; i++)
        reqs[i] = *terms.affinity[0].selector.reqs;
    struct sy_affinity_term deep = terms.affinity[0];
    deep.selector = (struct sy_selector){.reqs = reqs, .len = 8000};
    struct sy_affinity_term by_namespace = terms.affinity[0];
    by_namespace.namespace_selector = deep.selector;
    struct sy_requirement wide_req = {.key = 1, .op = SY_OP_IN, .values_len = 16000};
    struct sy_affinity_term wide = terms.affinity[0];
    wide.selector = (struct sy_selector){.reqs = &wide_req, .len = 1};
    struct sy_weighted_affinity_term *weighted =
        sy_arena_array(&f->k.arena, 1000, sizeof(*weighted));
    struct sy_spread_constraint *spread = sy_arena_array(&f->k.arena, 1000, sizeof(*spread));
    for (uint32_t i = 0; i < 1000; i++) {
        weighted[i] = (struct sy_weighted_affinity_term){1, terms.affinity[i]};
        spread[i] = (struct sy_spread_constraint){.selector = terms.affinity[i].selector};
    }
    struct sy_volume *disks = sy_arena_array(&f->k.arena, 100, sizeof(*disks));
    struct sy_volume *claims = sy_arena_array(&f->k.arena, 8000, sizeof(*claims));
    for (uint32_t i = 0; i < 8000; i++) {
        if (i < 100)
            disks[i] = (struct sy_volume){.kind = SY_VOLUME_GCE_PD};
        claims[i] = (struct sy_volume){.kind = SY_VOLUME_CLAIM};
    }
    struct sy_node_term node_term = {.exprs = reqs, .exprs_len = 8000};
    struct sy_node_term by_field = {.fields = reqs, .fields_len = 8000};
    struct sy_preferred_node_term preferred = {.weight = 1, .term = node_term};
    const struct sy_pod_spec all[] = {
        {.affinity = terms.affinity, .affinity_len = 1000},
        {.anti_affinity = terms.affinity, .anti_affinity_len = 1000},
        {.preferred_affinity = weighted, .preferred_affinity_len = 1000},
        {.preferred_anti_affinity = weighted, .preferred_anti_affinity_len = 1000},
        {.spread = spread, .spread_len = 1000},
        {.affinity = &deep, .affinity_len = 1},
        {.affinity = &by_namespace, .affinity_len = 1},
        {.anti_affinity = &wide, .anti_affinity_len = 1},
        {.required_nodes = {.terms = &node_term, .len = 1}},
        {.required_nodes = {.terms = &by_field, .len = 1}},
        {.preferred_nodes = &preferred, .preferred_nodes_len = 1},
        {.tolerations_len = 8000},
        {.host_ports_len = 8000},
        {.requests = {.requests = {.len = 8000}}},
        {.node_selector = {.len = 8000}},
        {.volumes = disks, .volumes_len = 100},
        {.volumes = claims, .volumes_len = 8000},
        {.claims_len = 8000},
        {.device_resources_len = 8000},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(all); i++) {
        if (judge(&all[i], 2000, 0) == SY_EFFORT_PLAIN)
            fail_msg("case %zu is plain", i);
    }
}

static void test_costly_pods_take_turns(void **state)
{
    struct fixture *f = *state;
    char name[32];

    for (uint32_t i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "hostile%u", i);
        struct sy_pod pod = with_terms(f, name, COSTLY + i);
        pod.priority = 1000;
        put(f, pod);
    }
    for (uint32_t i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "plain%u", i);
        put(f, core_pod(&f->k, name, 100, 64, 0));
    }
    /* One of the first is tried, and all of the second, whatever the priority. */
    sy_time_ns next = run(f);
    assert_int_equal(stats(f)->costly_attempts, 1);
    assert_int_equal(stats(f)->costly_put_off, 2);
    assert_int_equal(f->binds, 5);
    assert_int_equal(f->others, 1);
    assert_int_equal(stats(f)->attempts_unschedulable, 1);
    /* Where changes would wake it, it does not wait. */
    assert_int_equal(stats(f)->unschedulable, 0);
    assert_int_equal(stats(f)->backoff, 3);
    assert_null(strstr(f->last_error, "preemption"));
    /* The next one's turn comes after nine times what this one took, and not before. */
    assert_true(next > f->now + 9 * 10 * SY_NS_PER_MS);
    f->now = next - 1;
    run(f);
    assert_int_equal(stats(f)->costly_attempts, 1);
    f->now = next;
    run(f);
    assert_int_equal(stats(f)->costly_attempts, 2);
    for (uint32_t i = 0; i < 100 && stats(f)->costly_attempts < 6; i++) {
        f->now += SY_NS_PER_S;
        run(f);
    }
    /* All of them have had more than one. */
    assert_int_equal(stats(f)->costly_attempts, 6);
}

static void test_what_would_take_too_long_is_not_tried(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = with_terms(f, "hostile", TOO_MUCH);
    uint64_t evaluated;

    put(f, pod);
    evaluated = stats(f)->nodes_evaluated;
    run(f);
    assert_int_equal(stats(f)->nodes_evaluated, evaluated);
    assert_int_equal(stats(f)->costly_refused, 1);
    assert_int_equal(stats(f)->attempts_error, 1);
    assert_int_equal(f->errors, 1);
    assert_string_equal(f->last_error, "the pod has 25000 terms of affinity, spread and the like, "
                                       "too many to look at in a cluster of this size");
    /* It is said once, and others are served. */
    put(f, core_pod(&f->k, "plain", 100, 64, 0));
    f->now += 60 * SY_NS_PER_S;
    run(f);
    assert_int_equal(stats(f)->costly_refused, 2);
    assert_int_equal(f->errors, 1);
    assert_string_equal(f->last_bound, "plain");
    /* A cluster that shrinks can look at it. */
    for (uint32_t i = 1; i < NODES; i++) {
        char name[32];
        snprintf(name, sizeof(name), "n%u", i);
        sy_sched_node_deleted(f->s, core_id(&f->k, name), f->now);
    }
    f->now += 60 * SY_NS_PER_S;
    run(f);
    assert_int_equal(stats(f)->costly_refused, 2);
    assert_int_equal(f->others, 1);
}

/* Members of one gang count together. */
static void test_a_gang_of_costly_members(void **state)
{
    struct fixture *f = *state;
    char name[32];

    for (uint32_t i = 0; i < 12; i++) {
        snprintf(name, sizeof(name), "m%u", i);
        struct sy_pod pod = with_terms(f, name, COSTLY + i);
        pod.labels = core_label(&f->k, "steelyard.dev/pod-group", "g");
        pod.annotations = core_label(&f->k, "steelyard.dev/min-member", "12");
        put(f, pod);
    }
    put(f, core_pod(&f->k, "plain", 100, 64, 0));
    run(f);
    run(f);
    assert_string_equal(f->last_bound, "plain");
    assert_int_equal(stats(f)->costly_refused, 1);
    assert_int_equal(stats(f)->costly_attempts, 0);
    assert_int_equal(f->errors, 1);
    f->now += 60 * SY_NS_PER_S;
    run(f);
    assert_int_equal(stats(f)->costly_refused, 2);
    /* With fewer it is tried, in its turn. */
    for (uint32_t i = 0; i < 12; i++) {
        snprintf(name, sizeof(name), "uid-m%u", i);
        if (i >= 2)
            sy_sched_pod_deleted(f->s, sy_str_from(name), f->now);
    }
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "m%u", i);
        struct sy_pod pod = with_terms(f, name, COSTLY + i);
        pod.labels = core_label(&f->k, "steelyard.dev/pod-group", "g");
        pod.annotations = core_label(&f->k, "steelyard.dev/min-member", "2");
        put(f, pod);
    }
    f->now += 60 * SY_NS_PER_S;
    run(f);
    assert_int_equal(stats(f)->costly_attempts, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_estimates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_lists_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_costly_pods_take_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_would_take_too_long_is_not_tried, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_gang_of_costly_members, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
