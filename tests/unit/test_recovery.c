/* SPDX-License-Identifier: Apache-2.0
 *
 * What the scheduler does about failed nodes, driven as the daemon drives it. */
#include "sched/health.h"

#include "core_sched.h"

#include <stdlib.h>

struct said {
    enum sy_decision_kind kind;
    enum sy_removal removal;
    uint64_t ticket;
    char name[64], node[64], reason[64], message[512];
};

struct fixture {
    struct core k;
    struct sy_sched *s;
    struct sy_profile profile;
    struct sy_failure_options failures;
    struct sy_sched_options options;
    SY_VEC(struct said) said;
    sy_time_ns now;
};

static void hear(void *arg, const struct sy_decision *d)
{
    struct fixture *f = arg;
    struct said said = {.kind = d->kind, .removal = d->removal, .ticket = d->ticket};

    core_keep(said.name, sizeof(said.name), d->name);
    core_keep(said.node, sizeof(said.node), d->node);
    core_keep(said.reason, sizeof(said.reason), d->reason);
    core_keep(said.message, sizeof(said.message), d->message);
    sy_vec_push(&f->said, said);
}

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_profile_default(&f->profile, "steelyard");
    sy_failure_options_default(&f->failures);
    f->options = (struct sy_sched_options){
        .profiles = &f->profile,
        .profiles_len = 1,
        .failures = &f->failures,
        .exact = true,
    };
    f->now = 1000 * SY_NS_PER_S;
    f->s = sy_sched_new(f->k.strings, &f->options, hear, f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    core_sched_end(f->s);
    sy_vec_done(&f->said);
    core_done(&f->k);
    free(f);
    return 0;
}

static void run(struct fixture *f)
{
    f->said.len = 0;
    sy_sched_run(f->s, true, 0, f->now);
}

static void run_later(struct fixture *f, int64_t seconds)
{
    f->now += seconds * SY_NS_PER_S;
    run(f);
}

static void put_node(struct fixture *f, const char *name, uint8_t ready, int64_t cpu_milli)
{
    struct sy_node node = core_node(&f->k, name, cpu_milli, 65536, 0);

    node.ready = ready;
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
}

/* The view has settled afterwards. */
static void put_nodes(struct fixture *f, int len)
{
    char name[32];

    for (int i = 0; i < len; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        put_node(f, name, SY_CONDITION_TRUE, 4000);
    }
    run(f);
    run_later(f, 10);
}

static void break_node(struct fixture *f, const char *name)
{
    put_node(f, name, SY_CONDITION_UNKNOWN, 4000);
}

/* A pod of 3 cores: one fits on a node. owner: of its controller, NULL: a bare pod. */
static struct sy_pod make_pod(struct fixture *f, const char *name, const char *owner,
                              struct sy_labels labels)
{
    struct sy_pod pod = core_pod(&f->k, name, 3000, 1024, 0);

    pod.labels = labels;
    if (owner) {
        pod.owner_uid = core_text(&f->k, owner);
        pod.owner_kind = core_id(&f->k, "ReplicaSet");
    }
    return pod;
}

static void put_pod(struct fixture *f, struct sy_pod pod)
{
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
}

static void put_bound(struct fixture *f, struct sy_pod pod, const char *node)
{
    pod.node = core_id(&f->k, node);
    pod.phase = SY_PHASE_RUNNING;
    put_pod(f, pod);
}

static struct sy_labels two_labels(struct fixture *f, const char *a, const char *x, const char *b,
                                   const char *y)
{
    struct sy_label *p = sy_arena_array(&f->k.arena, 2, sizeof(*p));

    p[0] = (struct sy_label){core_id(&f->k, a), core_id(&f->k, x)};
    p[1] = (struct sy_label){core_id(&f->k, b), core_id(&f->k, y)};
    return (struct sy_labels){p, sy_labels_sort(p, 2)};
}

static struct sy_labels evict_at_once(struct fixture *f)
{
    return two_labels(f, SY_RECOVERY_KEY, "evict", SY_RECOVERY_GRACE_KEY, "0s");
}

static const struct said *find(const struct fixture *f, enum sy_decision_kind kind,
                               const char *name)
{
    for (size_t i = 0; i < f->said.len; i++) {
        if (f->said.p[i].kind == kind && strcmp(f->said.p[i].name, name) == 0)
            return &f->said.p[i];
    }
    return NULL;
}

static const struct said *find_event(const struct fixture *f, const char *name, const char *reason)
{
    for (size_t i = 0; i < f->said.len; i++) {
        if (f->said.p[i].kind == SY_DECIDE_EVENT && strcmp(f->said.p[i].name, name) == 0 &&
            strcmp(f->said.p[i].reason, reason) == 0)
            return &f->said.p[i];
    }
    return NULL;
}

static void assert_bind(const struct fixture *f, const char *name, const char *node)
{
    const struct said *said = find(f, SY_DECIDE_BIND, name);

    assert_non_null(said);
    assert_string_equal(said->node, node);
}

static uint32_t removals(const struct fixture *f)
{
    uint32_t n = 0;

    for (size_t i = 0; i < f->said.len; i++)
        n += f->said.p[i].kind == SY_DECIDE_EVICT;
    return n;
}

/* -- no more pods go there -- */

static void test_nothing_goes_to_a_node_that_is_not_ready(void **state)
{
    static const struct sy_toleration ANY = {.op = SY_TOLERATION_EXISTS};
    struct fixture *f = *state;

    put_nodes(f, 1);
    break_node(f, "n0");
    struct sy_pod pod = make_pod(f, "p", "rs", (struct sy_labels){0});
    pod.spec.tolerations = &ANY; /* whatever it tolerates */
    pod.spec.tolerations_len = 1;
    put_pod(f, pod);
    run(f);
    assert_null(find(f, SY_DECIDE_BIND, "p"));
    assert_non_null(strstr(find(f, SY_DECIDE_CONDITION, "p")->message, "node(s) were not ready"));
    put_node(f, "n0", SY_CONDITION_TRUE, 4000);
    run(f);
    assert_null(find(f, SY_DECIDE_BIND, "p"));
    run_later(f, 9);
    assert_null(find(f, SY_DECIDE_BIND, "p")); /* held down */
    run_later(f, 1);
    assert_bind(f, "p", "n0");
}

static void test_a_pod_that_can_go_nowhere_else_goes(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = make_pod(f, "p", "ds", (struct sy_labels){0});
    sy_sid name = core_id(&f->k, "n0");
    struct sy_requirement field = {
        .key = core_id(&f->k, "metadata.name"), .op = SY_OP_IN, .values_len = 1, .values = &name};
    struct sy_node_term term = {.fields = &field, .fields_len = 1};

    put_nodes(f, 2);
    break_node(f, "n0");
    pod.spec.required_nodes = (struct sy_node_selector){&term, 1, true};
    put_pod(f, pod);
    run(f);
    assert_bind(f, "p", "n0");
}

static void test_what_is_assumed_is_taken_back_at_once(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 1);
    put_pod(f, make_pod(f, "p", "rs", (struct sy_labels){0}));
    run(f);
    const struct said *bind = find(f, SY_DECIDE_BIND, "p");
    assert_non_null(bind);
    uint64_t ticket = bind->ticket;
    break_node(f, "n0");
    put_node(f, "spare", SY_CONDITION_TRUE, 4000);
    run(f);
    /* On its way: it may have landed. */
    assert_null(find(f, SY_DECIDE_BIND, "p"));
    assert_int_equal(sy_sched_binds_in_flight(f->s), 1);
    sy_sched_bind_result(f->s, ticket, SY_BIND_RESULT_REFUSED, "no", f->now);
    run_later(f, 2);
    assert_bind(f, "p", "spare");
}

/* -- room is held -- */

static void test_room_is_held_for_the_replacement(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 2);
    put_bound(f, make_pod(f, "old", "rs", core_label(&f->k, SY_RECOVERY_KEY, "evict")), "n0");
    break_node(f, "n0");
    run(f);
    assert_non_null(find_event(f, "old", "ReplacementHeld"));
    assert_int_equal(removals(f), 0); /* grace */
    put_pod(f, make_pod(f, "stranger", "other", (struct sy_labels){0}));
    run(f);
    assert_null(find(f, SY_DECIDE_BIND, "stranger"));
    put_pod(f, make_pod(f, "new", "rs", (struct sy_labels){0}));
    run(f);
    assert_bind(f, "new", "n1");
    assert_int_equal(sy_sched_recovery(f->s)->holds.len, 0);
    assert_int_equal(sy_sched_recovery(f->s)->stats.holds_made, 1);
}

static void test_held_room_is_given_up_in_time_and_when_the_node_is_back(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 2);
    put_bound(f, make_pod(f, "old", "rs", core_label(&f->k, SY_RECOVERY_KEY, "evict")), "n0");
    put_pod(f, make_pod(f, "stranger", "other", (struct sy_labels){0}));
    break_node(f, "n0");
    run(f);
    assert_null(find(f, SY_DECIDE_BIND, "stranger"));
    put_node(f, "n0", SY_CONDITION_TRUE, 4000);
    run(f);
    assert_bind(f, "stranger", "n1");
    sy_sched_pod_deleted(f->s, SY_STR("uid-stranger"), f->now);
    put_pod(f, make_pod(f, "again", "other", (struct sy_labels){0}));
    break_node(f, "n0");
    run(f);
    assert_null(find(f, SY_DECIDE_BIND, "again"));
    run_later(f, 300);
    assert_bind(f, "again", "n1");
    assert_int_equal(sy_sched_recovery(f->s)->stats.holds_expired, 1);
}

static void test_room_that_comes_is_held(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 1);
    put_bound(f, make_pod(f, "old", "rs", core_label(&f->k, SY_RECOVERY_KEY, "evict")), "n0");
    break_node(f, "n0");
    run(f);
    assert_non_null(find_event(f, "old", "ReplacementLacksRoom"));
    put_node(f, "n1", SY_CONDITION_TRUE, 4000);
    run_later(f, 1);
    put_pod(f, make_pod(f, "stranger", "other", (struct sy_labels){0}));
    run(f);
    assert_null(find(f, SY_DECIDE_BIND, "stranger"));
}

static void test_held_room_survives_a_full_list(void **state)
{
    struct fixture *f = *state;
    struct sy_pod old = make_pod(f, "old", "rs", core_label(&f->k, SY_RECOVERY_KEY, "evict"));

    put_nodes(f, 2);
    put_bound(f, old, "n0");
    break_node(f, "n0");
    run(f);
    sy_sched_pods_replace_begin(f->s);
    put_bound(f, old, "n0");
    sy_sched_pods_replace_end(f->s, f->now);
    put_pod(f, make_pod(f, "stranger", "other", (struct sy_labels){0}));
    run(f);
    assert_int_equal(sy_sched_recovery(f->s)->holds.len, 1);
    assert_null(find(f, SY_DECIDE_BIND, "stranger"));
}

/* -- who is evicted -- */

static void test_only_what_opted_in_is_evicted(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 3);
    put_bound(f, make_pod(f, "asks", "rs", evict_at_once(f)), "n0");
    put_bound(f, make_pod(f, "bare", NULL, evict_at_once(f)), "n0");
    put_bound(f, make_pod(f, "silent", "rs", (struct sy_labels){0}), "n0");
    struct sy_pod daemon = make_pod(f, "daemon", "ds", evict_at_once(f));
    daemon.owner_kind = core_id(&f->k, "DaemonSet");
    put_bound(f, daemon, "n0");
    struct sy_pod foreign = make_pod(f, "foreign", "rs", evict_at_once(f));
    foreign.spec.scheduler_name = core_id(&f->k, "another");
    put_bound(f, foreign, "n0");
    break_node(f, "n0");
    run(f);
    assert_int_equal(removals(f), 1);
    assert_int_equal(find(f, SY_DECIDE_EVICT, "asks")->removal, SY_REMOVE_BY_EVICTION);
    assert_non_null(find_event(f, "asks", "RecoveryEviction"));
    run_later(f, 3600);
    assert_int_equal(removals(f), 0); /* once */
}

static void test_all_of_a_profile_opt_in_but_who_does_not_want(void **state)
{
    static const char *const NAMES[] = {"steelyard"};
    struct fixture *f = *state;

    f->failures.scheduler_names = NAMES;
    f->failures.scheduler_names_len = 1;
    sy_sched_configure(f->s, &f->options, f->now);
    put_nodes(f, 3);
    put_bound(f, make_pod(f, "a", "rs", (struct sy_labels){0}), "n0");
    put_bound(f, make_pod(f, "b", "rs", core_label(&f->k, SY_RECOVERY_KEY, "off")), "n0");
    break_node(f, "n0");
    run_later(f, 29);
    assert_int_equal(removals(f), 0);
    run_later(f, 1); /* the configured grace */
    assert_int_equal(removals(f), 1);
    assert_non_null(find(f, SY_DECIDE_EVICT, "a"));
}

static void test_a_node_that_comes_back_in_time_keeps_its_pods(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 2);
    put_bound(f, make_pod(f, "p", "rs", core_label(&f->k, SY_RECOVERY_KEY, "evict")), "n0");
    break_node(f, "n0");
    run(f);
    run_later(f, 20);
    put_node(f, "n0", SY_CONDITION_TRUE, 4000);
    run_later(f, 60);
    assert_int_equal(removals(f), 0);
    assert_int_equal(sy_sched_recovery(f->s)->holds.len, 0);
}

static void test_what_a_budget_refuses_is_asked_for_again(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 2);
    put_bound(f, make_pod(f, "p", "rs", evict_at_once(f)), "n0");
    break_node(f, "n0");
    run(f);
    assert_int_equal(removals(f), 1);
    sy_sched_evict_later(f->s, SY_STR("uid-p"), 10 * SY_NS_PER_S, f->now);
    run_later(f, 9);
    assert_int_equal(removals(f), 0);
    run_later(f, 1);
    assert_int_equal(removals(f), 1);
    assert_int_equal(sy_sched_recovery(f->s)->stats.refused, 1);
}

static void test_evictions_have_a_rate(void **state)
{
    struct fixture *f = *state;
    char name[32];

    f->failures.evictions_per_s = 1;
    f->failures.evictions_burst = 2;
    sy_sched_configure(f->s, &f->options, f->now);
    put_nodes(f, 2);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        put_bound(f, make_pod(f, name, "rs", evict_at_once(f)), "n0");
    }
    break_node(f, "n0");
    run(f);
    assert_int_equal(removals(f), 2);
    run_later(f, 1);
    assert_int_equal(removals(f), 1);
    run_later(f, 60);
    assert_int_equal(removals(f), 2);
}

static void test_the_breaker_holds_evictions_back(void **state)
{
    struct fixture *f = *state;
    char name[32];

    put_nodes(f, 10);
    put_bound(f, make_pod(f, "p", "rs", evict_at_once(f)), "n0");
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        break_node(f, name);
    }
    run(f);
    assert_int_equal(removals(f), 0);
    assert_non_null(find_event(f, "p", "RecoverySuspended"));
    run_later(f, 5);
    assert_int_equal(removals(f), 0);
    assert_null(find_event(f, "p", "RecoverySuspended")); /* once */
    put_node(f, "n3", SY_CONDITION_TRUE, 4000);
    run_later(f, 1);
    assert_int_equal(removals(f), 1);
}

static void test_nobody_is_evicted_on_an_old_view(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 2);
    put_bound(f, make_pod(f, "p", "rs", evict_at_once(f)), "n0");
    sy_sched_run(f->s, false, 0, f->now);
    break_node(f, "n0");
    f->said.len = 0;
    sy_sched_run(f->s, false, 0, f->now);
    assert_int_equal(f->said.len, 0);
    run_later(f, 1);
    assert_int_equal(removals(f), 0); /* lists may be old */
    run_later(f, 6);
    assert_int_equal(removals(f), 1);
}

/* -- force -- */

static struct sy_pod leaving(struct fixture *f, struct sy_pod pod)
{
    pod.node = core_id(&f->k, "n0");
    pod.deleting_wall_ns = 1;
    pod.phase = SY_PHASE_RUNNING;
    return pod;
}

static void test_force_only_where_nothing_can_run(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "n0", 4000, 65536, 0);
    struct sy_taint out = {core_id(&f->k, "node.kubernetes.io/out-of-service"),
                           core_id(&f->k, "nodeshutdown"), SY_EFFECT_NO_EXECUTE};
    struct sy_pod pod = make_pod(f, "p", "rs", evict_at_once(f));

    put_nodes(f, 2);
    put_bound(f, pod, "n0");
    put_bound(f, make_pod(f, "bare", NULL, evict_at_once(f)), "n0");
    break_node(f, "n0");
    run(f);
    assert_int_equal(find(f, SY_DECIDE_EVICT, "p")->removal, SY_REMOVE_BY_EVICTION);
    put_pod(f, leaving(f, pod));
    run_later(f, 600);
    assert_int_equal(removals(f), 0); /* it is on its way out, and the kubelet may be alive */
    node.ready = SY_CONDITION_UNKNOWN;
    node.taints = &out;
    node.taints_len = 1;
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    run(f);
    assert_int_equal(removals(f), 1);
    assert_int_equal(find(f, SY_DECIDE_EVICT, "p")->removal, SY_REMOVE_BY_FORCE);
    run_later(f, 60);
    assert_int_equal(removals(f), 0);
}

static void test_force_on_a_node_that_is_gone(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 2);
    put_bound(f, make_pod(f, "p", "rs", evict_at_once(f)), "n0");
    put_bound(f, make_pod(f, "q", "rs", (struct sy_labels){0}), "n0");
    sy_sched_node_deleted(f->s, core_id(&f->k, "n0"), f->now);
    run(f);
    assert_int_equal(removals(f), 1);
    assert_int_equal(find(f, SY_DECIDE_EVICT, "p")->removal, SY_REMOVE_BY_FORCE);
    assert_non_null(strstr(find(f, SY_DECIDE_EVICT, "p")->message, "was deleted"));
    /* The same name again is another machine. */
    put_node(f, "n0", SY_CONDITION_TRUE, 4000);
    run(f);
    sy_sched_pod_deleted(f->s, SY_STR("uid-p"), f->now);
    sy_sched_pod_deleted(f->s, SY_STR("uid-q"), f->now);
    put_bound(f, make_pod(f, "x", "other", (struct sy_labels){0}), "n1");
    put_pod(f, make_pod(f, "y", "other", (struct sy_labels){0}));
    run(f);
    assert_bind(f, "y", "n0");
}

static void test_force_needs_both_to_agree(void **state)
{
    struct fixture *f = *state;
    struct sy_labels willing =
        two_labels(f, SY_RECOVERY_FORCE_KEY, "true", SY_RECOVERY_KEY, "evict");

    f->failures.grace_ns = 0;
    for (int allowed = 0; allowed < 2; allowed++) {
        f->failures.force_allowed = allowed;
        sy_sched_configure(f->s, &f->options, f->now);
        put_nodes(f, 2);
        put_bound(f, make_pod(f, "willing", "rs", willing), "n0");
        put_bound(f, make_pod(f, "asks", "rs", evict_at_once(f)), "n0");
        break_node(f, "n0");
        run(f);
        assert_int_equal(removals(f), 2);
        assert_int_equal(find(f, SY_DECIDE_EVICT, "asks")->removal, SY_REMOVE_BY_EVICTION);
        assert_int_equal(find(f, SY_DECIDE_EVICT, "willing")->removal,
                         allowed ? SY_REMOVE_BY_FORCE : SY_REMOVE_BY_EVICTION);
        sy_sched_pod_deleted(f->s, SY_STR("uid-willing"), f->now);
        sy_sched_pod_deleted(f->s, SY_STR("uid-asks"), f->now);
        put_node(f, "n0", SY_CONDITION_TRUE, 4000);
        run_later(f, 1000);
    }
}

/* -- gangs -- */

static struct sy_pod make_member(struct fixture *f, const char *name, const char *owner,
                                 struct sy_labels says)
{
    struct sy_label *p = sy_arena_array(&f->k.arena, says.len + 1, sizeof(*p));
    struct sy_label *min = sy_arena_array(&f->k.arena, 1, sizeof(*min));

    for (uint32_t i = 0; i < says.len; i++)
        p[i] = says.p[i];
    p[says.len] =
        (struct sy_label){core_id(&f->k, "steelyard.dev/pod-group"), core_id(&f->k, "job")};
    struct sy_pod pod =
        make_pod(f, name, owner, (struct sy_labels){p, sy_labels_sort(p, says.len + 1)});
    *min = (struct sy_label){core_id(&f->k, "steelyard.dev/min-member"), core_id(&f->k, "2")};
    pod.annotations = (struct sy_labels){min, 1};
    return pod;
}

static void test_a_broken_gang_has_room_held_though_it_did_not_opt_in(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 3);
    put_bound(f, make_member(f, "m0", "job", (struct sy_labels){0}), "n0");
    put_bound(f, make_member(f, "m1", "job", (struct sy_labels){0}), "n1");
    break_node(f, "n0");
    run(f);
    assert_int_equal(removals(f), 0);
    put_pod(f, make_pod(f, "stranger", "other", (struct sy_labels){0}));
    run(f);
    assert_null(find(f, SY_DECIDE_BIND, "stranger"));
    sy_sched_pod_deleted(f->s, SY_STR("uid-m0"), f->now);
    /* Another controller's member of the gang: whoever replaces it. */
    put_pod(f, make_member(f, "m2", "job-again", (struct sy_labels){0}));
    run(f);
    assert_bind(f, "m2", "n2");
}

static void test_a_gang_starts_anew_as_a_whole(void **state)
{
    struct fixture *f = *state;
    struct sy_labels says = two_labels(f, SY_RECOVERY_KEY, "gang", SY_RECOVERY_GRACE_KEY, "0s");

    put_nodes(f, 3);
    put_bound(f, make_member(f, "m0", "job", says), "n0");
    put_bound(f, make_member(f, "m1", "job", says), "n1");
    break_node(f, "n0");
    run(f);
    assert_int_equal(removals(f), 2);
    assert_int_equal(find(f, SY_DECIDE_EVICT, "m1")->removal, SY_REMOVE_BY_EVICTION);
    /* A survivor that a budget keeps goes later, and members that come are left alone. */
    sy_sched_evict_later(f->s, SY_STR("uid-m1"), 10 * SY_NS_PER_S, f->now);
    put_bound(f, make_member(f, "m2", "job", says), "n2");
    run_later(f, 10);
    assert_int_equal(removals(f), 1);
    assert_non_null(find(f, SY_DECIDE_EVICT, "m1"));
    /* Their room is theirs while they go and come. */
    sy_sched_pod_deleted(f->s, SY_STR("uid-m0"), f->now);
    sy_sched_pod_deleted(f->s, SY_STR("uid-m1"), f->now);
    put_pod(f, make_pod(f, "stranger", "other", (struct sy_labels){0}));
    run(f);
    assert_null(find(f, SY_DECIDE_BIND, "stranger"));
    put_pod(f, make_member(f, "m3", "job", says));
    run(f);
    assert_bind(f, "m3", "n1");
}

static void test_the_time_to_recover_is_measured(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 2);
    put_bound(f, make_pod(f, "old", "rs", evict_at_once(f)), "n0");
    break_node(f, "n0");
    run(f);
    f->now += SY_NS_PER_S / 2;
    put_pod(f, make_pod(f, "new", "rs", evict_at_once(f)));
    run(f);
    const struct said *bind = find(f, SY_DECIDE_BIND, "new");
    assert_non_null(bind);
    f->now += SY_NS_PER_S / 2;
    sy_sched_bind_result(f->s, bind->ticket, SY_BIND_RESULT_OK, NULL, f->now);
    assert_int_equal(sy_sched_recovery(f->s)->stats.bound_s.count, 1);
    assert_true(sy_sched_recovery(f->s)->stats.bound_s.sum > 0.999 &&
                sy_sched_recovery(f->s)->stats.bound_s.sum < 1.001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_nothing_goes_to_a_node_that_is_not_ready),
        TEST(test_a_pod_that_can_go_nowhere_else_goes),
        TEST(test_what_is_assumed_is_taken_back_at_once),
        TEST(test_room_is_held_for_the_replacement),
        TEST(test_held_room_is_given_up_in_time_and_when_the_node_is_back),
        TEST(test_room_that_comes_is_held),
        TEST(test_held_room_survives_a_full_list),
        TEST(test_only_what_opted_in_is_evicted),
        TEST(test_all_of_a_profile_opt_in_but_who_does_not_want),
        TEST(test_a_node_that_comes_back_in_time_keeps_its_pods),
        TEST(test_what_a_budget_refuses_is_asked_for_again),
        TEST(test_evictions_have_a_rate),
        TEST(test_the_breaker_holds_evictions_back),
        TEST(test_nobody_is_evicted_on_an_old_view),
        TEST(test_force_only_where_nothing_can_run),
        TEST(test_force_on_a_node_that_is_gone),
        TEST(test_force_needs_both_to_agree),
        TEST(test_a_broken_gang_has_room_held_though_it_did_not_opt_in),
        TEST(test_a_gang_starts_anew_as_a_whole),
        TEST(test_the_time_to_recover_is_measured),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
