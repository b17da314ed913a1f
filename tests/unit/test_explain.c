/* SPDX-License-Identifier: Apache-2.0
 *
 * What explain says of pods that wait, are held back, or have gone somewhere; that each change
 * which it names does let the pod fit; and that looking leaves nothing behind. */
#include "sched/explain.h"

#include "core_sched.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct core k;
    struct sy_sched *s;
    struct sy_profile profile;
    struct sy_sched_options options;
    sy_time_ns now;
    uint64_t ticket;
    char node[64];
    uint32_t decisions;
};

static void hear(void *arg, const struct sy_decision *d)
{
    struct fixture *f = arg;

    f->decisions++;
    if (d->kind != SY_DECIDE_BIND)
        return;
    f->ticket = d->ticket;
    snprintf(f->node, sizeof(f->node), "%s", d->node);
}

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_profile_kube(&f->profile, "steelyard");
    f->options = (struct sy_sched_options){
        .profiles = &f->profile, .profiles_len = 1, .exact = true, .records_max = 8};
    f->s = sy_sched_new(f->k.strings, &f->options, hear, f);
    f->now = 1000 * SY_NS_PER_S;
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

static void put_node(struct fixture *f, struct sy_node node)
{
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
}

static void put_pod(struct fixture *f, struct sy_pod pod)
{
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
}

static void run(struct fixture *f)
{
    (void)sy_sched_run(f->s, true, 0, f->now);
}

static struct sy_explanation explain(struct fixture *f, const char *name)
{
    struct sy_explanation e;
    uint32_t before = f->decisions;

    assert_int_equal(sy_sched_explain(f->s, SY_STR("default"), sy_str_from(name), &e), 0);
    assert_int_equal(f->decisions, before);
    return e;
}

static const char *text_of(struct fixture *f, sy_sid id)
{
    return sy_strings_getz(f->k.strings, id);
}

static const struct sy_explain_filter *filter(const struct sy_explanation *e, const char *plugin)
{
    for (size_t i = 0; i < e->filters.len; i++) {
        if (strcmp(e->filters.p[i].plugin, plugin) == 0)
            return &e->filters.p[i];
    }
    fail_msg("%s refuses nothing", plugin);
    return NULL;
}

static const struct sy_explain_change *change(const struct sy_explanation *e,
                                              enum sy_explain_change_kind kind)
{
    for (size_t i = 0; i < e->changes.len; i++) {
        if (e->changes.p[i].kind == kind)
            return &e->changes.p[i];
    }
    fail_msg("no change of kind %s", sy_explain_change_name(kind));
    return NULL;
}

static void put_tainted(struct fixture *f, const char *name, int64_t cpu_milli)
{
    struct sy_node node = core_node(&f->k, name, cpu_milli, 8192, 0);
    struct sy_taint *taint = sy_arena_alloc(&f->k.arena, sizeof(*taint));

    *taint = (struct sy_taint){core_id(&f->k, "team"), core_id(&f->k, "ml"), SY_EFFECT_NO_SCHEDULE};
    node.taints = taint;
    node.taints_len = 1;
    put_node(f, node);
}

static void a_request_too_large(void **state)
{
    struct fixture *f = *state;

    put_node(f, core_node(&f->k, "small", 2000, 8192, 0));
    put_node(f, core_node(&f->k, "large", 3500, 8192, 0));
    put_node(f, core_node(&f->k, "smaller", 1000, 8192, 0));
    put_tainted(f, "tainted", 8000);
    put_pod(f, core_pod(&f->k, "p", 4000, 1024, 0));
    run(f);
    struct sy_explanation e = explain(f, "p");
    assert_int_equal(e.state, SY_EXPLAIN_WAITING);
    assert_int_equal(e.attempts, 1);
    assert_int_equal(e.nodes_alive, 4);
    assert_int_equal(e.feasible, 0);
    assert_true(e.next_look_ns > f->now);
    assert_non_null(e.record);
    assert_int_equal(e.record->kind, SY_RECORD_REFUSED);
    assert_non_null(strstr(text_of(f, e.record->text), "0/4 nodes are available: 1 node(s) had"));
    const struct sy_explain_filter *fit = filter(&e, "NodeResourcesFit");
    assert_int_equal(fit->nodes, 3);
    assert_int_equal(fit->reasons.len, 1);
    assert_string_equal(text_of(f, fit->reasons.p[0].text), "Insufficient cpu");
    assert_int_equal(fit->reasons.p[0].nodes, 3);
    assert_int_equal(fit->nearest_len, 3);
    assert_string_equal(text_of(f, fit->nearest[0].node), "large");
    assert_string_equal(fit->nearest[0].text, "lacks 500m cpu");
    assert_string_equal(text_of(f, fit->nearest[1].node), "small");
    assert_string_equal(fit->nearest[1].text, "lacks 2 cpu");
    assert_int_equal(filter(&e, "TaintToleration")->nodes, 1);
    assert_string_equal(filter(&e, "TaintToleration")->nearest[0].text,
                        "has the taint team=ml:NoSchedule");
    /* Smallest first: 3500m of 4 is an eighth less. */
    assert_int_equal(e.changes.len, 2);
    assert_int_equal(e.changes.p[0].kind, SY_CHANGE_REQUEST);
    assert_string_equal(
        e.changes.p[0].text,
        "ask for 3500m cpu at most instead of 4: fits 1 node, more with still less");
    assert_int_equal(e.changes.p[1].kind, SY_CHANGE_TOLERATION);
    assert_string_equal(e.changes.p[1].text, "tolerate the taint team=ml:NoSchedule: fits 1 node");
    sy_explanation_done(&e);
    /* And it is so. */
    put_pod(f, core_pod(&f->k, "q", 3500, 1024, 0));
    run(f);
    assert_string_equal(f->node, "large");
}

static void two_things_at_once_have_no_single_change(void **state)
{
    struct fixture *f = *state;

    put_node(f, core_node(&f->k, "n", 1000, 1024, 0));
    put_pod(f, core_pod(&f->k, "p", 2000, 4096, 0));
    run(f);
    struct sy_explanation e = explain(f, "p");
    assert_int_equal(e.changes.len, 0);
    assert_string_equal(filter(&e, "NodeResourcesFit")->nearest[0].text,
                        "lacks 1 cpu, lacks 3Gi memory");
    sy_explanation_done(&e);
}

static void labels_that_no_node_has(void **state)
{
    struct fixture *f = *state;
    struct sy_node east = core_node(&f->k, "east", 4000, 8192, 0);
    struct sy_pod pod = core_pod(&f->k, "p", 1000, 1024, 0);

    east.labels = core_label(&f->k, "zone", "east");
    put_node(f, east);
    put_node(f, core_node(&f->k, "bare", 4000, 8192, 0));
    pod.spec.node_selector = core_label(&f->k, "zone", "west");
    put_pod(f, pod);
    run(f);
    struct sy_explanation e = explain(f, "p");
    const struct sy_explain_filter *affinity = filter(&e, "NodeAffinity");
    assert_int_equal(affinity->nodes, 2);
    assert_string_equal(affinity->nearest[0].text, "zone is east, not west");
    assert_string_equal(affinity->nearest[1].text, "has no label zone");
    const struct sy_explain_change *drop = change(&e, SY_CHANGE_SELECTOR);
    assert_string_equal(drop->text, "drop zone: west from nodeSelector: fits 2 nodes");
    assert_int_equal(drop->nodes, 2);
    sy_explanation_done(&e);
}

static void a_cordon(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "n", 4000, 8192, 0);

    node.unschedulable = true;
    put_node(f, node);
    put_pod(f, core_pod(&f->k, "p", 1000, 1024, 0));
    run(f);
    struct sy_explanation e = explain(f, "p");
    assert_string_equal(change(&e, SY_CHANGE_UNCORDON)->text, "uncordon n: fits 1 node");
    sy_explanation_done(&e);
}

static void host_ports_and_spread(void **state)
{
    struct fixture *f = *state;
    struct sy_pod first = core_pod(&f->k, "first", 100, 10, 0);
    struct sy_pod second = core_pod(&f->k, "second", 100, 10, 0);
    struct sy_host_port port = {core_id(&f->k, "0.0.0.0"), 80, SY_PROTOCOL_TCP};

    put_node(f, core_node(&f->k, "n", 4000, 8192, 0));
    first.spec.host_ports = second.spec.host_ports = &port;
    first.spec.host_ports_len = second.spec.host_ports_len = 1;
    put_pod(f, first);
    run(f);
    put_pod(f, second);
    run(f);
    struct sy_explanation e = explain(f, "second");
    assert_string_equal(change(&e, SY_CHANGE_PORTS)->text, "ask for no host ports: fits 1 node");
    sy_explanation_done(&e);
}

static struct sy_selector select_app(struct fixture *f)
{
    struct sy_requirement *req = sy_arena_alloc(&f->k.arena, sizeof(*req));
    sy_sid *value = sy_arena_alloc(&f->k.arena, sizeof(*value));

    *value = core_id(&f->k, "web");
    *req = (struct sy_requirement){
        .key = core_id(&f->k, "app"), .op = SY_OP_IN, .values = value, .values_len = 1};
    return (struct sy_selector){.reqs = req, .len = 1};
}

static void pods_that_repel_and_spread(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "n", 4000, 8192, 0);
    struct sy_pod first = core_pod(&f->k, "first", 100, 10, 0);
    struct sy_pod apart = core_pod(&f->k, "apart", 100, 10, 0);
    struct sy_pod spread = core_pod(&f->k, "spread", 100, 10, 0);
    sy_sid ns = core_id(&f->k, "default");
    struct sy_affinity_term term = {.selector = select_app(f),
                                    .namespaces = &ns,
                                    .namespaces_len = 1,
                                    .namespace_selector = {.is_nil = true},
                                    .topology_key = core_id(&f->k, "kubernetes.io/hostname")};
    struct sy_spread_constraint constraint = {.max_skew = 1,
                                              .min_domains = 5,
                                              .topology_key =
                                                  core_id(&f->k, "kubernetes.io/hostname"),
                                              .when_unsatisfiable = SY_DO_NOT_SCHEDULE,
                                              .honor_affinity = true,
                                              .selector = select_app(f)};

    node.labels = core_label(&f->k, "kubernetes.io/hostname", "n");
    put_node(f, node);
    first.labels = apart.labels = spread.labels = core_label(&f->k, "app", "web");
    put_pod(f, first);
    run(f);
    assert_string_equal(f->node, "n");
    apart.spec.anti_affinity = &term;
    apart.spec.anti_affinity_len = 1;
    put_pod(f, apart);
    spread.spec.spread = &constraint;
    spread.spec.spread_len = 1;
    put_pod(f, spread);
    run(f);
    struct sy_explanation e = explain(f, "apart");
    assert_int_equal(filter(&e, "InterPodAffinity")->nodes, 1);
    assert_string_equal(
        change(&e, SY_CHANGE_POD_AFFINITY)->text,
        "drop the required pod anti-affinity over kubernetes.io/hostname: fits 1 node");
    sy_explanation_done(&e);
    e = explain(f, "spread");
    assert_int_equal(filter(&e, "PodTopologySpread")->nodes, 1);
    assert_string_equal(
        change(&e, SY_CHANGE_SPREAD)->text,
        "drop the spread constraint over kubernetes.io/hostname (maxSkew 1): fits 1 node");
    sy_explanation_done(&e);
}

static void expressions_of_node_affinity(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "n", 4000, 8192, 0);
    struct sy_pod pod = core_pod(&f->k, "p", 100, 10, 0);
    sy_sid east = core_id(&f->k, "east"), fast = core_id(&f->k, "fast");
    struct sy_requirement exprs[] = {
        {.key = core_id(&f->k, "zone"), .op = SY_OP_IN, .values = &east, .values_len = 1},
        {.key = core_id(&f->k, "disk"), .op = SY_OP_IN, .values = &fast, .values_len = 1},
    };
    struct sy_node_term term = {.exprs = exprs, .exprs_len = 2};

    node.labels = core_label(&f->k, "zone", "east");
    put_node(f, node);
    pod.spec.required_nodes = (struct sy_node_selector){.terms = &term, .len = 1, .is_set = true};
    put_pod(f, pod);
    run(f);
    struct sy_explanation e = explain(f, "p");
    assert_int_equal(e.changes.len, 2);
    assert_string_equal(e.changes.p[0].text,
                        "drop the expression on disk from the required node affinity: fits 1 node");
    assert_int_equal(e.changes.p[1].kind, SY_CHANGE_AFFINITY);
    sy_explanation_done(&e);
}

/* A pod that may not preempt is told who is in its way, and nobody is evicted for the asking. */
static void pods_in_the_way(void **state)
{
    struct fixture *f = *state;
    struct sy_pod other = core_pod(&f->k, "other", 900, 10, 0),
                  pod = core_pod(&f->k, "p", 500, 10, 0);

    put_node(f, core_node(&f->k, "n", 1000, 8192, 0));
    other.node = core_id(&f->k, "n");
    other.priority = 7;
    put_pod(f, other);
    put_pod(f, pod);
    run(f);
    struct sy_explanation e = explain(f, "p");
    const struct sy_explain_change *evict = change(&e, SY_CHANGE_EVICT);
    assert_string_equal(evict->text,
                        "have 1 pod go from n (default/other), the highest of priority 7");
    assert_string_equal(text_of(f, evict->node), "n");
    assert_string_equal(change(&e, SY_CHANGE_REQUEST)->text,
                        "ask for 100m cpu at most instead of 500m: fits 1 node");
    assert_int_equal(e.pod->priority, 0);
    sy_explanation_done(&e);
    run(f);
    e = explain(f, "p");
    assert_int_equal(e.state, SY_EXPLAIN_WAITING);
    assert_int_equal(e.attempts, 1);
    sy_explanation_done(&e);
}

static void states_before_a_decision(void **state)
{
    struct fixture *f = *state;
    struct sy_pod gated = core_pod(&f->k, "gated", 100, 10, 0),
                  foreign = core_pod(&f->k, "foreign", 1, 1, 0);
    struct sy_explanation e;

    put_node(f, core_node(&f->k, "n", 4000, 8192, 0));
    gated.gates_len = 1;
    put_pod(f, gated);
    foreign.spec.scheduler_name = core_id(&f->k, "another");
    put_pod(f, foreign);
    put_pod(f, core_pod(&f->k, "new", 100, 10, 0));
    e = explain(f, "gated");
    assert_int_equal(e.state, SY_EXPLAIN_GATED);
    assert_int_equal(e.feasible, 1);
    assert_int_equal(e.next_look_ns, INT64_MAX);
    sy_explanation_done(&e);
    e = explain(f, "foreign");
    assert_int_equal(e.state, SY_EXPLAIN_NOT_OURS);
    assert_null(e.profile);
    assert_false(e.has_survey);
    sy_explanation_done(&e);
    e = explain(f, "new");
    assert_int_equal(e.state, SY_EXPLAIN_ACTIVE);
    assert_int_equal(e.rank.len, 1);
    assert_string_equal(text_of(f, e.best[0]), "n");
    sy_explanation_done(&e);
    assert_int_equal(sy_sched_explain(f->s, SY_STR("default"), SY_STR("none"), &e), -ENOENT);
    assert_int_equal(sy_sched_explain(f->s, SY_STR("nowhere"), SY_STR("new"), &e), -ENOENT);
    assert_int_equal(sy_sched_explain(f->s, SY_STR("default"), (struct sy_str){NULL, 0}, &e),
                     -ENOENT);
}

static double points(const struct sy_record *r, const struct sy_profile *p, uint32_t node,
                     const char *plugin)
{
    for (uint32_t i = 0; i < p->scorers_len; i++) {
        if (strcmp(p->scorers[i].scorer->name, plugin) == 0)
            return (double)r->nodes[node].points[i] / 100;
    }
    fail_msg("no scorer %s", plugin);
    return 0;
}

static void why_it_went_there(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = core_pod(&f->k, "p", 1000, 1024, 0);

    put_node(f, core_node(&f->k, "quarter", 4000, 4096, 0)); /* would be a quarter full */
    put_node(f, core_node(&f->k, "eighth", 8000, 8192, 0));
    put_node(f, core_node(&f->k, "half", 2000, 2048, 0));
    put_node(f, core_node(&f->k, "full", 1000, 1024, 0));
    put_tainted(f, "refused", 4000);
    put_pod(f, pod);
    run(f);
    struct sy_explanation e = explain(f, "p");
    assert_int_equal(e.state, SY_EXPLAIN_BINDING);
    assert_string_equal(text_of(f, e.node), "eighth");
    assert_false(e.has_survey);
    assert_non_null(e.record);
    const struct sy_record *r = e.record;
    assert_int_equal(r->kind, SY_RECORD_PLACED);
    assert_true(r->has_points);
    assert_int_equal(r->feasible, 4);
    assert_int_equal(r->nodes_len, 3);
    assert_string_equal(text_of(f, r->nodes[0].name), "eighth");
    assert_string_equal(text_of(f, r->nodes[1].name), "quarter");
    assert_string_equal(text_of(f, r->nodes[2].name), "half");
    /* LeastAllocated, with the pod placed: what is left of a hundred. */
    assert_true(points(r, e.profile, 0, "NodeResourcesFit") == 87);
    assert_true(points(r, e.profile, 1, "NodeResourcesFit") == 75);
    assert_true(points(r, e.profile, 2, "NodeResourcesFit") == 50);
    for (uint32_t n = 0; n < 3; n++) {
        double sum = 0;
        for (uint32_t i = 0; i < e.profile->scorers_len; i++) {
            if (r->nodes[n].points[i] != SY_RECORD_NO_POINTS)
                sum += (double)r->nodes[n].points[i] / 100 * e.profile->scorers[i].weight;
        }
        assert_true(sum * 1000 == r->nodes[n].total);
    }
    assert_true((double)r->capacity == 1);
    for (int m = 0; m < SY_LOAD_METRICS; m++)
        assert_int_equal(r->load_age_s[m], SY_RECORD_NO_AGE);
    sy_explanation_done(&e);
    sy_sched_bind_result(f->s, f->ticket, SY_BIND_RESULT_OK, NULL, f->now);
    pod.node = core_id(&f->k, "eighth");
    put_pod(f, pod);
    e = explain(f, "p");
    assert_int_equal(e.state, SY_EXPLAIN_BOUND);
    assert_ptr_equal(e.record, r);
    sy_explanation_done(&e);
}

/* Many of one shape in one turn: the first has all, the others where they went. */
static void a_turn_full_of_equal_pods(void **state)
{
    struct fixture *f = *state;

    put_node(f, core_node(&f->k, "a", 8000, 8192, 0));
    put_node(f, core_node(&f->k, "b", 8000, 8192, 0));
    put_pod(f, core_pod(&f->k, "p0", 100, 10, 0));
    put_pod(f, core_pod(&f->k, "p1", 100, 10, 0));
    run(f);
    struct sy_explanation e = explain(f, "p0");
    assert_true(e.record->has_points);
    sy_explanation_done(&e);
    e = explain(f, "p1");
    assert_false(e.record->has_points);
    assert_int_equal(e.record->nodes_len, 1);
    assert_true(e.record->nodes[0].name == e.node);
    sy_explanation_done(&e);
    f->now += SY_NS_PER_MS;
    put_pod(f, core_pod(&f->k, "p2", 100, 10, 0));
    run(f);
    e = explain(f, "p2");
    assert_true(e.record->has_points);
    assert_int_equal(e.record->nodes_len, 2);
    sy_explanation_done(&e);
}

static void records_are_bounded_and_the_newest(void **state)
{
    struct fixture *f = *state;
    char name[16];

    put_node(f, core_node(&f->k, "n", 64000, 65536, 0));
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        put_pod(f, core_pod(&f->k, name, 100, 10, 0));
        f->now += SY_NS_PER_MS;
        run(f);
    }
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        struct sy_explanation e = explain(f, name);
        if (i < 12)
            assert_null(e.record);
        else
            assert_int_equal(e.record->at_ns, (1000 * SY_NS_PER_S) + (i + 1) * SY_NS_PER_MS);
        sy_explanation_done(&e);
    }
    f->options.records_max = 0;
    sy_sched_configure(f->s, &f->options, f->now);
    put_pod(f, core_pod(&f->k, "last", 100, 10, 0));
    run(f);
    struct sy_explanation e = explain(f, "last");
    assert_int_equal(e.state, SY_EXPLAIN_BINDING);
    assert_null(e.record);
    sy_explanation_done(&e);
}

/* What is recorded outlives the sweep of the table of strings. */
static void a_sweep_keeps_the_texts(void **state)
{
    struct fixture *f = *state;

    put_node(f, core_node(&f->k, "n", 1000, 1024, 0));
    put_pod(f, core_pod(&f->k, "p", 2000, 10, 0));
    run(f);
    struct sy_explanation e = explain(f, "p");
    sy_sid text = e.record->text;
    sy_explanation_done(&e);
    sy_strings_mark_begin(f->k.strings);
    sy_sched_mark(f->s);
    (void)sy_strings_sweep(f->k.strings);
    assert_non_null(strstr(text_of(f, text), "Insufficient cpu"));
    e = explain(f, "p");
    assert_int_equal(e.record->text, text);
    assert_string_equal(change(&e, SY_CHANGE_REQUEST)->text,
                        "ask for 1 cpu at most instead of 2: fits 1 node");
    sy_explanation_done(&e);
    assert_int_equal(sy_strings_stale(f->k.strings), 0);
}

/* No nodes, a pod that asks for what there is none of. */
static void edges(void **state)
{
    struct fixture *f = *state;

    put_pod(f, core_pod(&f->k, "p", 1000, 10, 3));
    run(f);
    struct sy_explanation e = explain(f, "p");
    assert_int_equal(e.nodes_alive, 0);
    assert_int_equal(e.filters.len, 0);
    assert_int_equal(e.changes.len, 0);
    sy_explanation_done(&e);
    put_node(f, core_node(&f->k, "n", 4000, 8192, 0));
    run(f);
    e = explain(f, "p");
    assert_string_equal(filter(&e, "NodeResourcesFit")->nearest[0].text, "lacks 3 nvidia.com/gpu");
    assert_string_equal(change(&e, SY_CHANGE_REQUEST)->text,
                        "do not ask for nvidia.com/gpu (3 now): fits 1 node");
    sy_explanation_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_too_large, setup, teardown),
        cmocka_unit_test_setup_teardown(two_things_at_once_have_no_single_change, setup, teardown),
        cmocka_unit_test_setup_teardown(labels_that_no_node_has, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cordon, setup, teardown),
        cmocka_unit_test_setup_teardown(host_ports_and_spread, setup, teardown),
        cmocka_unit_test_setup_teardown(pods_that_repel_and_spread, setup, teardown),
        cmocka_unit_test_setup_teardown(expressions_of_node_affinity, setup, teardown),
        cmocka_unit_test_setup_teardown(pods_in_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(states_before_a_decision, setup, teardown),
        cmocka_unit_test_setup_teardown(why_it_went_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_turn_full_of_equal_pods, setup, teardown),
        cmocka_unit_test_setup_teardown(records_are_bounded_and_the_newest, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sweep_keeps_the_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(edges, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
