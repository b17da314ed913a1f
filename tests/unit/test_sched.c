/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sched.h"

#include "base/rng.h"
#include "core_sched.h"
#include "sched/learn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct said {
    enum sy_decision_kind kind;
    uint64_t ticket;
    char name[64], node[64], reason[64], message[1200];
};

struct fixture {
    struct core k;
    struct sy_sched *s;
    struct sy_profile profile;
    struct sy_sched_options options;
    SY_VEC(struct said) said;
    sy_time_ns now;
};

static void hear(void *arg, const struct sy_decision *d)
{
    struct fixture *f = arg;
    struct said said = {.kind = d->kind, .ticket = d->ticket};

    core_keep(said.name, sizeof(said.name), d->name);
    core_keep(said.node, sizeof(said.node), d->nominated_node ? d->nominated_node : d->node);
    core_keep(said.reason, sizeof(said.reason), d->reason);
    core_keep(said.message, sizeof(said.message), d->message);
    sy_vec_push(&f->said, said);
}

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_profile_default(&f->profile, "steelyard");
    f->options =
        (struct sy_sched_options){.profiles = &f->profile, .profiles_len = 1, .exact = true};
    f->s = sy_sched_new(f->k.strings, &f->options, hear, f);
    f->now = 1000 * SY_NS_PER_S;
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

static void put_node(struct fixture *f, struct sy_node node)
{
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
}

static void put_pod(struct fixture *f, struct sy_pod pod)
{
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
}

/* Runs one turn and forgets what was said before. Returns the next deadline. */
static sy_time_ns run(struct fixture *f)
{
    f->said.len = 0;
    return sy_sched_run(f->s, true, 0, f->now);
}

static const struct said *heard(const struct fixture *f, enum sy_decision_kind kind,
                                const char *name)
{
    for (size_t i = 0; i < f->said.len; i++) {
        if (f->said.p[i].kind == kind && (!name || strcmp(f->said.p[i].name, name) == 0))
            return &f->said.p[i];
    }
    return NULL;
}

static size_t count(const struct fixture *f, enum sy_decision_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < f->said.len; i++)
        n += f->said.p[i].kind == kind;
    return n;
}

/* What the API server would do: acknowledges the bind, then the watch shows it. */
static void acknowledge(struct fixture *f, struct sy_pod pod, struct said bind)
{
    sy_sched_bind_result(f->s, bind.ticket, SY_BIND_RESULT_OK, NULL, f->now);
    pod.node = core_id(&f->k, bind.node);
    put_pod(f, pod);
}

static void test_binds_and_says_so(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = core_pod(&f->k, "p", 500, 64, 0);

    put_node(f, core_node(&f->k, "small", 1000, 1024, 0));
    put_node(f, core_node(&f->k, "large", 64000, 65536, 0));
    put_pod(f, pod);
    run(f);
    const struct said *bind = heard(f, SY_DECIDE_BIND, "p");
    assert_non_null(bind);
    assert_string_equal(bind->node, "large");
    acknowledge(f, pod, *bind);
    const struct said *event = heard(f, SY_DECIDE_EVENT, "p");
    assert_non_null(event);
    assert_string_equal(event->reason, "Scheduled");
    assert_string_equal(event->message, "Successfully assigned default/p to large");
    assert_int_equal(sy_sched_binds_in_flight(f->s), 0);
    assert_int_equal(sy_sched_stats(f->s)->attempts_scheduled, 1);
}

static void test_pods_of_others_are_left_alone(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = core_pod(&f->k, "p", 500, 64, 0);

    put_node(f, core_node(&f->k, "n", 4000, 4096, 0));
    pod.spec.scheduler_name = core_id(&f->k, "default-scheduler");
    put_pod(f, pod);
    run(f);
    assert_int_equal(f->said.len, 0);
    /* But once bound they count. */
    pod.node = core_id(&f->k, "n");
    put_pod(f, pod);
    assert_int_equal(sy_sched_cluster(f->s)->columns[SY_COLUMN_CPU_MILLI].used[0], 500);
}

static void keep_refused(void *arg, const struct sy_refused_pods *r)
{
    struct sy_buf *out = arg;

    sy_buf_addf(out, "%s %s %u;", r->scheduler_name, r->filter, r->pods);
}

static void test_message_is_kube_schedulers(void **state)
{
    struct fixture *f = *state;
    struct sy_node cordoned = core_node(&f->k, "c", 64000, 65536, 8);
    struct sy_node tainted = core_node(&f->k, "t", 64000, 65536, 8);
    struct sy_taint taint = {core_id(&f->k, "k"), core_id(&f->k, "v"), SY_EFFECT_NO_SCHEDULE};

    put_pod(f, core_pod(&f->k, "none", 1, 1, 0));
    run(f);
    assert_string_equal(heard(f, SY_DECIDE_CONDITION, "none")->message,
                        "no nodes available to schedule pods");

    cordoned.unschedulable = true;
    tainted.taints = &taint;
    tainted.taints_len = 1;
    put_node(f, cordoned);
    put_node(f, tainted);
    put_node(f, core_node(&f->k, "s1", 100, 10, 0));
    put_node(f, core_node(&f->k, "s2", 100, 4096, 4));
    put_pod(f, core_pod(&f->k, "p", 500, 64, 2));
    run(f);
    const struct said *condition = heard(f, SY_DECIDE_CONDITION, "p");
    assert_non_null(condition);
    assert_string_equal(condition->reason, "Unschedulable");
    assert_string_equal(
        condition->message,
        "0/4 nodes are available: 1 Insufficient memory, 1 Insufficient "
        "nvidia.com/gpu, 1 node(s) had "
        "untolerated taint(s), 1 node(s) were unschedulable, 2 Insufficient cpu. preemption: "
        "0/4 nodes are available: 4 Preemption is not helpful for scheduling.");
    assert_string_equal(heard(f, SY_DECIDE_EVENT, "p")->reason, "FailedScheduling");

    /* Pod none fits by now, p waits. */
    struct sy_buf refused;
    sy_buf_init(&refused, 4096);
    sy_sched_refused_pods(f->s, keep_refused, &refused);
    assert_string_equal(refused.p, "steelyard NodeUnschedulable 1;steelyard TaintToleration 1;"
                                   "steelyard NodeResourcesFit 1;");
    sy_buf_done(&refused);
}

static void test_says_only_what_changed(void **state)
{
    struct fixture *f = *state;

    put_node(f, core_node(&f->k, "n", 100, 4096, 0));
    put_pod(f, core_pod(&f->k, "p", 500, 64, 0));
    run(f);
    assert_int_equal(count(f, SY_DECIDE_CONDITION), 1);
    f->now += 31 * SY_NS_PER_S;
    run(f); /* swept: same verdict, nothing to say */
    assert_int_equal(sy_sched_stats(f->s)->incoming_swept, 1);
    assert_int_equal(f->said.len, 0);
    put_node(f, core_node(&f->k, "n2", 100, 4096, 0));
    f->now += 31 * SY_NS_PER_S;
    run(f);
    assert_int_equal(count(f, SY_DECIDE_CONDITION), 1);
    assert_non_null(strstr(f->said.p[0].message, "0/2 nodes"));
}

static void test_condition_from_before_a_restart_is_not_repeated(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = core_pod(&f->k, "p", 500, 64, 0);

    put_node(f, core_node(&f->k, "n", 100, 4096, 0));
    pod.scheduled = SY_CONDITION_FALSE;
    pod.scheduled_reason = core_id(&f->k, "Unschedulable");
    pod.scheduled_message =
        SY_STR("0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are "
               "available: 1 Preemption is not helpful for scheduling.");
    put_pod(f, pod);
    run(f);
    assert_int_equal(f->said.len, 0);
    assert_int_equal(sy_sched_stats(f->s)->unschedulable, 1);
}

static void test_woken_by_what_helps_and_only_that(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "n", 100, 4096, 0);
    struct sy_pod other = core_pod(&f->k, "other", 90, 64, 0);

    put_node(f, node);
    other.node = core_id(&f->k, "n");
    put_pod(f, other);
    put_pod(f, core_pod(&f->k, "p", 50, 64, 0));
    run(f);
    assert_int_equal(sy_sched_stats(f->s)->unschedulable, 1);
    uint64_t woken = sy_sched_stats(f->s)->incoming_woken;
    put_node(f, core_node(&f->k, "tiny", 10, 4096, 0)); /* helps nobody */
    run(f);
    assert_int_equal(sy_sched_stats(f->s)->incoming_woken, woken);
    sy_sched_pod_deleted(f->s, other.uid, f->now);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "p"));
    assert_int_equal(sy_sched_stats(f->s)->incoming_woken, woken + 1);
}

static void test_room_for_three_wakes_three(void **state)
{
    struct fixture *f = *state;

    put_node(f, core_node(&f->k, "n", 10, 4096, 0));
    for (int i = 0; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof(name), "p%d", i);
        put_pod(f, core_pod(&f->k, name, 1000, 64, 0));
    }
    run(f);
    assert_int_equal(sy_sched_stats(f->s)->unschedulable, 10);
    put_node(f, core_node(&f->k, "n", 3500, 4096, 0));
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 3);
    assert_int_equal(sy_sched_stats(f->s)->unschedulable, 7);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "p%d", i);
        assert_non_null(heard(f, SY_DECIDE_BIND, name)); /* the oldest first */
    }
}

static void test_priority_then_age(void **state)
{
    struct fixture *f = *state;
    static const int32_t PRIORITIES[] = {0, 5, 5, -3, 9};
    static const char *const EXPECT[] = {"p4", "p1", "p2", "p0", "p3"};

    put_node(f, core_node(&f->k, "n", 64000, 65536, 0));
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof(name), "p%d", i);
        struct sy_pod pod = core_pod(&f->k, name, 100, 64, 0);
        pod.priority = PRIORITIES[i];
        put_pod(f, pod);
    }
    run(f);
    assert_int_equal(f->said.len, 5);
    for (int i = 0; i < 5; i++)
        assert_string_equal(f->said.p[i].name, EXPECT[i]);
}

static void test_gated_pods_wait_for_their_gates(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = core_pod(&f->k, "p", 100, 64, 0);

    put_node(f, core_node(&f->k, "n", 64000, 65536, 0));
    pod.gates_len = 1;
    put_pod(f, pod);
    run(f);
    assert_int_equal(f->said.len, 0);
    assert_int_equal(sy_sched_stats(f->s)->gated, 1);
    pod.gates_len = 0;
    put_pod(f, pod);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "p"));
    assert_int_equal(sy_sched_stats(f->s)->gated, 0);
}

static void test_unknown_outcome_keeps_the_slot(void **state)
{
    struct fixture *f = *state;
    struct sy_pod p = core_pod(&f->k, "p", 800, 64, 0), q = core_pod(&f->k, "q", 800, 64, 0);

    put_node(f, core_node(&f->k, "n", 1000, 4096, 0));
    put_pod(f, p);
    run(f);
    struct said bind = *heard(f, SY_DECIDE_BIND, "p");
    sy_sched_bind_result(f->s, bind.ticket, SY_BIND_RESULT_UNKNOWN, NULL, f->now);
    put_pod(f, q);
    run(f);
    assert_null(heard(f, SY_DECIDE_BIND, "q"));
    /* It had landed after all. */
    acknowledge(f, p, bind);
    assert_int_equal(sy_sched_cluster(f->s)->pods_assumed, 0);
    assert_int_equal(sy_sched_cluster(f->s)->columns[SY_COLUMN_CPU_MILLI].used[0], 800);
}

static void test_refused_bind_backs_off_and_doubles(void **state)
{
    struct fixture *f = *state;

    put_node(f, core_node(&f->k, "n", 1000, 4096, 0));
    put_pod(f, core_pod(&f->k, "p", 800, 64, 0));
    int64_t expect_s[] = {1, 2, 4, 8, 10, 10};
    for (size_t i = 0; i < SY_ARRAY_LEN(expect_s); i++) {
        run(f);
        const struct said *bind = heard(f, SY_DECIDE_BIND, "p");
        assert_non_null(bind);
        sy_sched_bind_result(f->s, bind->ticket, SY_BIND_RESULT_REFUSED, "no", f->now);
        assert_int_equal(sy_sched_cluster(f->s)->pods_assumed, 0);
        assert_int_equal(run(f), f->now + expect_s[i] * SY_NS_PER_S);
        assert_null(heard(f, SY_DECIDE_BIND, "p"));
        f->now += expect_s[i] * SY_NS_PER_S;
    }
}

static void test_conflict_then_bound_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = core_pod(&f->k, "p", 800, 64, 0);

    put_node(f, core_node(&f->k, "a", 1000, 4096, 0));
    put_node(f, core_node(&f->k, "b", 1000, 4096, 0));
    put_pod(f, pod);
    run(f);
    struct said bind = *heard(f, SY_DECIDE_BIND, "p");
    sy_sched_bind_result(f->s, bind.ticket, SY_BIND_RESULT_CONFLICT, NULL, f->now);
    pod.node = core_id(&f->k, strcmp(bind.node, "a") == 0 ? "b" : "a");
    put_pod(f, pod);
    f->now += 60 * SY_NS_PER_S;
    run(f);
    assert_null(heard(f, SY_DECIDE_BIND, "p"));
    assert_int_equal(sy_sched_stats(f->s)->backoff, 0);
    assert_false(sy_sched_has_work(f->s));
}

static void test_deleted_while_the_bind_is_in_flight(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = core_pod(&f->k, "p", 800, 64, 0);

    put_node(f, core_node(&f->k, "a", 1000, 4096, 0));
    put_pod(f, pod);
    run(f);
    struct said bind = *heard(f, SY_DECIDE_BIND, "p");
    sy_sched_pod_deleted(f->s, pod.uid, f->now);
    assert_int_equal(sy_sched_binds_in_flight(f->s), 1);
    sy_sched_bind_result(f->s, bind.ticket, SY_BIND_RESULT_GONE, NULL, f->now);
    sy_sched_bind_result(f->s, bind.ticket, SY_BIND_RESULT_OK, NULL,
                         f->now); /* late, stale: ignored */
    assert_int_equal(sy_sched_binds_in_flight(f->s), 0);
    assert_int_equal(sy_sched_stats(f->s)->binds_ok, 0);
}

static void test_inactive_decides_nothing(void **state)
{
    struct fixture *f = *state;

    put_node(f, core_node(&f->k, "a", 1000, 4096, 0));
    put_pod(f, core_pod(&f->k, "p", 800, 64, 0));
    sy_sched_run(f->s, false, 0, f->now);
    assert_int_equal(f->said.len, 0);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "p"));
}

static void test_in_flight_limit(void **state)
{
    struct fixture *f = *state;

    f->options.binds_in_flight_max = 3;
    sy_sched_configure(f->s, &f->options, f->now);
    put_node(f, core_node(&f->k, "a", 100000, 65536, 0));
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof(name), "p%d", i);
        put_pod(f, core_pod(&f->k, name, 10, 64, 0));
    }
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 3);
    uint64_t ticket = f->said.p[0].ticket;
    sy_sched_bind_result(f->s, ticket, SY_BIND_RESULT_OK, NULL, f->now);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 1);
}

static void test_reload_keeps_pods_and_places(void **state)
{
    struct fixture *f = *state;
    struct sy_profile profiles[2];

    put_node(f, core_node(&f->k, "a", 1000, 4096, 0));
    put_pod(f, core_pod(&f->k, "flying", 400, 64, 0));
    run(f);
    struct said flying = *heard(f, SY_DECIDE_BIND, "flying");
    put_pod(f, core_pod(&f->k, "big", 5000, 64, 0));
    struct sy_pod late = core_pod(&f->k, "late", 100, 64, 0);
    late.spec.scheduler_name = core_id(&f->k, "second");
    put_pod(f, late);
    run(f);
    assert_null(heard(f, SY_DECIDE_BIND, "late"));

    sy_profile_default(&profiles[0], "second");
    sy_profile_default(&profiles[1], "steelyard");
    f->options.profiles = profiles;
    f->options.profiles_len = 2;
    sy_sched_configure(f->s, &f->options, f->now);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "late"));
    assert_int_equal(sy_sched_stats(f->s)->unschedulable, 1);
    sy_sched_bind_result(f->s, flying.ticket, SY_BIND_RESULT_OK, NULL, f->now);
    assert_int_equal(sy_sched_stats(f->s)->binds_ok, 1);

    f->options.profiles_len = 1; /* "steelyard" is nobody's now */
    sy_sched_configure(f->s, &f->options, f->now);
    run(f);
    assert_int_equal(sy_sched_stats(f->s)->unschedulable, 0);
    assert_int_equal(sy_sched_stats(f->s)->active, 0);
}

static void test_slow_and_failing_nodes_weigh_less(void **state)
{
    struct fixture *f = *state;
    struct sy_node node = core_node(&f->k, "flaky", 8000, 8192, 0);

    f->profile.scorers_len = 1;
    f->profile.scorers[0] = (struct sy_weighted_scorer){sy_scorer_find("DynamicWeight"), 1};
    sy_sched_configure(f->s, &f->options, f->now);
    put_node(f, node);
    put_node(f, core_node(&f->k, "steady", 8000, 8192, 0));
    node.ready = SY_CONDITION_FALSE;
    put_node(f, node);
    node.ready = SY_CONDITION_TRUE;
    put_node(f, node);
    put_pod(f, core_pod(&f->k, "p", 100, 64, 0));
    run(f);
    assert_string_equal(heard(f, SY_DECIDE_BIND, "p")->node, "steady");
    struct sy_cluster *c = sy_sched_cluster(f->s);
    uint32_t flaky = sy_cluster_node_find(c, node.name);
    float after_failure = c->reliability[flaky];
    assert_true(after_failure < 1);
    f->now += 3 * 86400 * SY_NS_PER_S;
    run(f);
    assert_true(c->reliability[flaky] > after_failure);
}

static struct sy_pod running(struct fixture *f, const char *name, const char *node,
                             int64_t cpu_milli, int32_t priority)
{
    struct sy_pod pod = core_pod(&f->k, name, cpu_milli, 64, 0);

    pod.node = core_id(&f->k, node);
    pod.phase = SY_PHASE_RUNNING;
    pod.priority = priority;
    pod.started_wall_ns = 1;
    return pod;
}

static struct sy_pod important(struct fixture *f, const char *name, int64_t cpu_milli,
                               int32_t priority)
{
    struct sy_pod pod = core_pod(&f->k, name, cpu_milli, 64, 0);

    pod.priority = priority;
    return pod;
}

static void test_preempts_the_least(void **state)
{
    struct fixture *f = *state;
    struct sy_pod vip = important(f, "vip", 800, 100);

    put_node(f, core_node(&f->k, "a", 1000, 4096, 0));
    put_node(f, core_node(&f->k, "b", 1000, 4096, 0));
    put_node(f, core_node(&f->k, "c", 500, 4096, 0)); /* too small whatever is removed */
    put_pod(f, running(f, "a-high", "a", 900, 50));
    put_pod(f, running(f, "b-low", "b", 400, 10));
    put_pod(f, running(f, "b-spared", "b", 150, 10));
    put_pod(f, running(f, "b-mid", "b", 400, 20));
    put_pod(f, vip);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_EVICT),
                     2); /* b's priorities are lower; one of its pods can stay */
    assert_non_null(heard(f, SY_DECIDE_EVICT, "b-low"));
    assert_non_null(heard(f, SY_DECIDE_EVICT, "b-mid"));
    const struct said *condition = heard(f, SY_DECIDE_CONDITION, "vip");
    assert_non_null(strstr(condition->message,
                           "found a potential placement for pod on node b, preempting 2 victims"));
    assert_string_equal(condition->node, "b"); /* the nomination */

    /* The room is promised: an equal one does not get it, and the waiting one does not evict more.
     */
    sy_sched_pod_deleted(f->s, SY_STR("uid-b-low"), f->now);
    put_pod(f, important(f, "rival", 600, 100));
    run(f);
    assert_null(heard(f, SY_DECIDE_BIND, "vip"));
    assert_null(heard(f, SY_DECIDE_BIND, "rival"));
    sy_sched_pod_deleted(f->s, SY_STR("uid-b-mid"), f->now);
    run(f);
    assert_string_equal(heard(f, SY_DECIDE_BIND, "vip")->node, "b");
    assert_int_equal(sy_sched_stats(f->s)->preemption_victims, 3); /* rival's own victim on a */
    assert_int_equal(sy_sched_stats(f->s)->victims.count, 2);
    assert_true(sy_sched_stats(f->s)->victims.sum == 3);
}

/* One victim of several that is gone is no reason to look at all nodes, unless it was enough. */
static void test_waits_for_the_last_victim(void **state)
{
    struct fixture *f = *state;
    uint64_t attempts;

    put_node(f, core_node(&f->k, "a", 1000, 4096, 0));
    put_pod(f, running(f, "one", "a", 300, 0));
    put_pod(f, running(f, "two", "a", 300, 0));
    put_pod(f, running(f, "three", "a", 300, 0));
    put_pod(f, running(f, "other", "a", 100, 200));
    put_pod(f, important(f, "vip", 900, 100));
    run(f);
    assert_int_equal(count(f, SY_DECIDE_EVICT), 3);
    attempts = sy_sched_stats(f->s)->attempts_unschedulable;
    sy_sched_pod_deleted(f->s, SY_STR("uid-one"), f->now);
    run(f);
    assert_int_equal(sy_sched_stats(f->s)->attempts_unschedulable, attempts);
    sy_sched_pod_deleted(f->s, SY_STR("uid-other"), f->now);
    run(f);
    assert_null(heard(f, SY_DECIDE_BIND, "vip"));
    sy_sched_pod_deleted(f->s, SY_STR("uid-two"), f->now);
    run(f);
    assert_null(heard(f, SY_DECIDE_BIND, "vip"));
    assert_int_equal(sy_sched_stats(f->s)->attempts_unschedulable, attempts);
    sy_sched_pod_deleted(f->s, SY_STR("uid-three"), f->now);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "vip"));
}

static void put_budget(struct fixture *f, int32_t allowed)
{
    sy_sid app = core_id(&f->k, "web");
    struct sy_requirement req = {
        .key = core_id(&f->k, "app"), .op = SY_OP_IN, .values = &app, .values_len = 1};
    struct sy_budget budget = {.ns = core_id(&f->k, "default"),
                               .name = core_id(&f->k, "budget"),
                               .selector = {.reqs = &req, .len = 1},
                               .disruptions_allowed = allowed};

    assert_int_equal(sy_cluster_budget_upsert(sy_sched_cluster(f->s), &budget), 0);
}

/* Equal pods preempt one after the other, and nodes, victims and budgets change between them: each
 * finds what it would have found without what the ones before have learnt (see teardown). */
static void test_preemption_remembers_no_more_than_is_true(void **state)
{
    struct fixture *f = *state;
    struct sy_rng rng;
    int evicted = 0;

    sy_rng_seed(&rng, 5);
    for (int step = 0; step < 4000; step++) {
        char node[16], name[32];
        snprintf(node, sizeof(node), "n%d", (int)sy_rng_below(&rng, 24));
        snprintf(name, sizeof(name), "%s-%d", node, (int)sy_rng_below(&rng, 4));
        struct sy_pod pod = running(f, name, node, 250, (int32_t)sy_rng_below(&rng, 2));
        pod.started_wall_ns = (int64_t)sy_rng_below(&rng, 3);
        if (sy_rng_below(&rng, 2))
            pod.labels = core_label(&f->k, "app", "web");
        switch (sy_rng_below(&rng, 6)) {
        case 0:
        case 1:
            put_pod(f, pod);
            break;
        case 2:
            put_node(f,
                     core_node(&f->k, node, 800 + 200 * (int64_t)sy_rng_below(&rng, 2), 4096, 0));
            break;
        case 3:
            if (sy_rng_below(&rng, 2))
                put_budget(f, (int32_t)sy_rng_below(&rng, 3));
            else
                sy_cluster_budget_delete(sy_sched_cluster(f->s), core_id(&f->k, "default"),
                                         core_id(&f->k, "budget"));
            break;
        default:
            snprintf(name, sizeof(name), "vip-%d", (int)sy_rng_below(&rng, 12));
            if (sy_rng_below(&rng, 2))
                put_pod(f, important(f, name, 600, 100));
            else
                sy_sched_pod_deleted(f->s, core_pod(&f->k, name, 1, 1, 0).uid, f->now);
        }
        f->now += (int64_t)sy_rng_below(&rng, 3) * SY_NS_PER_S;
        run(f);
        for (size_t i = 0; i < f->said.len; i++) {
            if (f->said.p[i].kind == SY_DECIDE_EVICT) {
                struct sy_str uid = core_pod(&f->k, f->said.p[i].name, 1, 1, 0).uid;
                evicted++;
                if (sy_rng_below(&rng, 2))
                    sy_sched_pod_deleted(f->s, uid, f->now);
                else
                    sy_sched_evict_failed(f->s, uid, f->now);
            }
            if (f->said.p[i].kind == SY_DECIDE_BIND)
                sy_sched_bind_result(f->s, f->said.p[i].ticket, SY_BIND_RESULT_REFUSED, "no",
                                     f->now);
        }
        assert_int_equal(sy_sched_stats(f->s)->exact_differences, 0);
    }
    assert_true(evicted > 100);
}

static void test_preempts_only_ours_and_not_when_told_never(void **state)
{
    struct fixture *f = *state;
    struct sy_pod other = running(f, "other", "a", 900, 0);
    struct sy_pod shy = important(f, "shy", 800, 100);

    other.spec.scheduler_name = core_id(&f->k, "default-scheduler");
    put_node(f, core_node(&f->k, "a", 1000, 4096, 0));
    put_pod(f, other);
    put_pod(f, important(f, "vip", 800, 100));
    run(f);
    assert_int_equal(count(f, SY_DECIDE_EVICT), 0);
    assert_non_null(strstr(
        heard(f, SY_DECIDE_CONDITION, "vip")->message,
        "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."));
    put_pod(f, running(f, "ours", "a", 100, 0));
    shy.never_preempts = true;
    put_pod(f, shy);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_EVICT), 0);
    assert_non_null(strstr(heard(f, SY_DECIDE_CONDITION, "shy")->message,
                           "not eligible due to preemptionPolicy=Never."));
    f->profile.args.preempts_any_scheduler = true;
    sy_sched_configure(f->s, &f->options, f->now);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_EVICT, "other"));
}

static void test_preemption_can_be_held(void **state)
{
    struct fixture *f = *state;

    sy_sched_hold_preemption(f->s, true);
    put_node(f, core_node(&f->k, "a", 1000, 4096, 0));
    put_pod(f, running(f, "low", "a", 900, 0));
    put_pod(f, important(f, "vip", 800, 100));
    put_pod(f, important(f, "small", 50, 100));
    run(f);
    assert_int_equal(count(f, SY_DECIDE_EVICT), 0);
    assert_non_null(heard(f, SY_DECIDE_BIND, "small"));
    assert_non_null(strstr(heard(f, SY_DECIDE_CONDITION, "vip")->message,
                           "preemption: off while disruption budgets cannot be read."));
    /* Its end is noticed at once. */
    sy_sched_hold_preemption(f->s, false);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_EVICT, "low"));
}

static void test_budgets_are_respected_where_possible(void **state)
{
    struct fixture *f = *state;
    struct sy_pod guarded = running(f, "guarded", "a", 900, 0),
                  bare = running(f, "bare", "b", 900, 5);
    sy_sid value = core_id(&f->k, "db");
    struct sy_requirement req = {
        .key = core_id(&f->k, "app"), .op = SY_OP_IN, .values = &value, .values_len = 1};
    struct sy_budget budget = {.ns = core_id(&f->k, "default"),
                               .name = core_id(&f->k, "pdb"),
                               .selector = {.reqs = &req, .len = 1}};

    guarded.labels = core_label(&f->k, "app", "db");
    put_node(f, core_node(&f->k, "a", 1000, 4096, 0));
    put_node(f, core_node(&f->k, "b", 1000, 4096, 0));
    put_pod(f, guarded);
    put_pod(f, bare);
    assert_int_equal(sy_cluster_budget_upsert(sy_sched_cluster(f->s), &budget), 0);
    put_pod(f, important(f, "vip", 800, 100));
    run(f);
    assert_int_equal(count(f, SY_DECIDE_EVICT), 1);
    assert_non_null(heard(f, SY_DECIDE_EVICT, "bare"));
}

static void test_failure_formulas(void **state)
{
    (void)state;
    /* The worked example: p = 0.01 and 24 nodes give 21.4 %. */
    assert_true(sy_failure_probability(0) > 0.0099 && sy_failure_probability(0) < 0.0101);
    double any = sy_failure_probability_any(0.01, 24);
    assert_true(any > 0.2143 && any < 0.2144);
    /* 80 of 100 cores is 80 %, so what one half-life leaves of a sample is half. */
    assert_true(sy_ewma_alpha(10, 10) > 0.4999 && sy_ewma_alpha(10, 10) < 0.5001);
}

/* Nothing of ours ever puts more on a node than it has, every pending pod is in one place, and the
 * caches are exact: over random storms, with an API server that answers late, wrongly or never. */
static void test_random_storm(void **state)
{
    struct fixture *f = *state;
    struct sy_rng rng;
    SY_VEC(struct said) flying = {0};
    uint32_t evicted = 0;

    sy_rng_seed(&rng, 11);
    for (int step = 0; step < 20000; step++) {
        char pod_name[16], node_name[16];
        snprintf(pod_name, sizeof(pod_name), "p%d", (int)sy_rng_below(&rng, 80));
        snprintf(node_name, sizeof(node_name), "n%d", (int)sy_rng_below(&rng, 10));
        uint64_t kind = sy_rng_below(&rng, 10);
        struct sy_cluster *c = sy_sched_cluster(f->s);
        struct sy_pod pod = core_pod(&f->k, pod_name, 100 * (1 + (int64_t)(sy_rng_below(&rng, 6))),
                                     64, (int64_t)sy_rng_below(&rng, 3));
        pod.priority = (int32_t)sy_rng_below(&rng, 3);
        uint32_t slot = sy_cluster_pod_find(c, pod.uid);
        if (kind < 4 && slot == SY_NONE) {
            put_pod(f, pod);
        } else if (kind == 4) {
            sy_sched_pod_deleted(f->s, pod.uid, f->now);
        } else if (kind == 5) {
            struct sy_node node = core_node(&f->k, node_name, 2000, 4096, 4);
            node.unschedulable = sy_rng_below(&rng, 4) == 0;
            put_node(f, node);
        } else if (kind == 6 && sy_rng_below(&rng, 3) == 0) {
            sy_sched_node_deleted(f->s, core_id(&f->k, node_name), f->now);
        } else if (kind >= 7 && flying.len) {
            size_t i = sy_rng_below(&rng, flying.len);
            struct said bind = flying.p[i];
            bool keep = false;
            char uid[80];
            snprintf(uid, sizeof(uid), "uid-%s", bind.name);
            uint32_t at = sy_cluster_pod_find(c, sy_str_from(uid));
            switch (sy_rng_below(&rng, 5)) {
            case 0:
                sy_sched_bind_result(f->s, bind.ticket, SY_BIND_RESULT_REFUSED, "no", f->now);
                break;
            case 1:
                sy_sched_bind_result(f->s, bind.ticket, SY_BIND_RESULT_UNKNOWN, NULL, f->now);
                keep = true;
                break;
            default:
                sy_sched_bind_result(f->s, bind.ticket,
                                     at == SY_NONE ? SY_BIND_RESULT_GONE : SY_BIND_RESULT_OK, NULL,
                                     f->now);
                /* The watch echoes the bind, with the pod's own spec. One that came after under the
                 * same UID, which the API server never has, may be on another node by now. */
                if (at != SY_NONE && (c->pods.p[at].flags & SY_POD_ASSUMED) &&
                    c->nodes[c->pods.p[at].node].node.name == core_id(&f->k, bind.node)) {
                    struct sy_pod bound = core_pod(&f->k, bind.name, 1, 1, 0);
                    bound.spec = c->pods.p[at].spec->spec;
                    bound.priority = c->pods.p[at].priority;
                    bound.node = core_id(&f->k, bind.node);
                    put_pod(f, bound);
                }
            }
            if (!keep)
                sy_vec_swap_remove(&flying, i);
        }
        f->now += (int64_t)sy_rng_below(&rng, 400) * SY_NS_PER_MS;
        run(f);
        for (size_t i = 0; i < f->said.len; i++) {
            if (f->said.p[i].kind == SY_DECIDE_BIND)
                sy_vec_push(&flying, f->said.p[i]);
            if (f->said.p[i].kind == SY_DECIDE_EVICT) {
                char uid[80];
                snprintf(uid, sizeof(uid), "uid-%s", f->said.p[i].name);
                evicted++;
                if (sy_rng_below(&rng, 4))
                    sy_sched_pod_deleted(f->s, sy_str_from(uid), f->now);
                else
                    sy_sched_evict_failed(f->s, sy_str_from(uid), f->now);
            }
        }
        for (uint32_t n = 0; n < c->nodes_len; n++) {
            for (uint32_t col = 0; sy_cluster_node_is_alive(c, n) && col < c->columns_len; col++)
                assert_true(c->columns[col].used[n] <= c->columns[col].allocatable[n]);
        }
        const struct sy_sched_stats *stats = sy_sched_stats(f->s);
        uint32_t pending = 0;
        for (size_t i = 0; i < c->pods.len; i++)
            pending += (c->pods.p[i].flags & SY_POD_ALIVE) && c->pods.p[i].node == SY_NONE;
        assert_int_equal(stats->active + stats->backoff + stats->unschedulable + stats->gated,
                         pending);
        assert_int_equal(sy_sched_binds_in_flight(f->s), flying.len);
        assert_int_equal(stats->exact_differences, 0);
    }
    assert_true(sy_sched_stats(f->s)->attempts_scheduled > 500);
    assert_true(evicted > 20);
    sy_vec_done(&flying);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_binds_and_says_so),
        TEST(test_pods_of_others_are_left_alone),
        TEST(test_message_is_kube_schedulers),
        TEST(test_says_only_what_changed),
        TEST(test_condition_from_before_a_restart_is_not_repeated),
        TEST(test_woken_by_what_helps_and_only_that),
        TEST(test_room_for_three_wakes_three),
        TEST(test_priority_then_age),
        TEST(test_gated_pods_wait_for_their_gates),
        TEST(test_unknown_outcome_keeps_the_slot),
        TEST(test_refused_bind_backs_off_and_doubles),
        TEST(test_conflict_then_bound_elsewhere),
        TEST(test_deleted_while_the_bind_is_in_flight),
        TEST(test_inactive_decides_nothing),
        TEST(test_in_flight_limit),
        TEST(test_reload_keeps_pods_and_places),
        TEST(test_slow_and_failing_nodes_weigh_less),
        TEST(test_preempts_the_least),
        TEST(test_waits_for_the_last_victim),
        TEST(test_preemption_remembers_no_more_than_is_true),
        TEST(test_preempts_only_ours_and_not_when_told_never),
        TEST(test_preemption_can_be_held),
        TEST(test_budgets_are_respected_where_possible),
        TEST(test_failure_formulas),
        TEST(test_random_storm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
