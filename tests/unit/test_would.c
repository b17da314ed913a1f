/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods that nobody created: where they would go, whom they would displace, why not; that the
 * scheduler then does the same with real ones, and that asking leaves nothing behind. */
#include "sched/would.h"

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
    sy_time_ns now;
    uint64_t ticket;
    char node[64];
    uint32_t decisions, evictions;
};

static void hear(void *arg, const struct sy_decision *d)
{
    struct fixture *f = arg;

    f->decisions++;
    f->evictions += d->kind == SY_DECIDE_EVICT;
    if (d->kind != SY_DECIDE_BIND)
        return;
    f->ticket = d->ticket;
    core_keep(f->node, sizeof(f->node), d->node);
}

static void start(struct fixture *f)
{
    f->s = sy_sched_new(
        f->k.strings,
        &(struct sy_sched_options){.profiles = &f->profile, .profiles_len = 1, .exact = true}, hear,
        f);
}

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_profile_default(&f->profile, "steelyard");
    start(f);
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

static void put_node(struct fixture *f, const char *name, int64_t cpu_milli, const char *rack)
{
    struct sy_node node = core_node(&f->k, name, cpu_milli, 8192, 0);

    if (rack)
        node.labels = core_label(&f->k, "rack", rack);
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
}

/* A pod that runs on the node. */
static void put_pod(struct fixture *f, const char *name, const char *node, int64_t cpu_milli)
{
    struct sy_pod pod = core_pod(&f->k, name, cpu_milli, 64, 0);

    pod.node = node ? core_id(&f->k, node) : 0;
    pod.phase = node ? SY_PHASE_RUNNING : SY_PHASE_PENDING;
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
}

/* What the scheduler has, as far as a what-if could change it for good. */
struct state {
    /* All of one size: they are compared as memory. */
    uint64_t pods_alive, assumed, decisions, relief, scheduled, unschedulable;
    int64_t used;
};

static struct state state_of(const struct fixture *f)
{
    const struct sy_cluster *c = sy_sched_cluster(f->s);
    const struct sy_sched_stats *stats = sy_sched_stats(f->s);
    struct state s = {.pods_alive = c->pods_alive,
                      .assumed = c->pods_assumed,
                      .decisions = f->decisions,
                      .relief = c->relief.len,
                      .scheduled = stats->attempts_scheduled,
                      .unschedulable = stats->attempts_unschedulable};

    for (uint32_t i = 0; i < c->nodes_len; i++)
        s.used += c->columns[SY_COLUMN_CPU_MILLI].used[i] * (i + 1);
    return s;
}

static struct sy_would would(struct fixture *f, struct sy_would_ask ask)
{
    struct state before = state_of(f), after;
    struct sy_would w;
    char text[256];

    assert_int_equal(sy_sched_would(f->s, &ask, f->now, &w), 0);
    after = state_of(f);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_null(sy_cluster_audit(sy_sched_cluster(f->s), text, sizeof(text)));
    return w;
}

static struct sy_would would_one(struct fixture *f, struct sy_pod pod)
{
    return would(f, (struct sy_would_ask){.pods = &pod, .pods_len = 1});
}

static const char *node_of(struct fixture *f, const struct sy_would *w, size_t i)
{
    assert_true(i < w->nodes.len);
    return w->nodes.p[i] ? sy_strings_getz(f->k.strings, w->nodes.p[i]) : "";
}

static void test_a_pod_goes_where_the_real_one_then_goes(void **state)
{
    struct fixture *f = *state;

    put_node(f, "a", 4000, NULL);
    put_node(f, "b", 8000, NULL);
    put_pod(f, "old", "b", 7500);
    for (int i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof(name), "p%d", i);
        struct sy_pod pod = core_pod(&f->k, name, 400, 64, 0);
        struct sy_would w = would_one(f, pod);
        assert_true(w.fits);
        assert_null(w.message);
        assert_true(w.has_why);
        assert_int_equal(w.why.feasible, w.nodes_alive - (i > 1));
        assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
        (void)sy_sched_run(f->s, true, 0, f->now);
        assert_string_equal(f->node, node_of(f, &w, 0));
        sy_sched_bind_result(f->s, f->ticket, SY_BIND_RESULT_OK, NULL, f->now);
        sy_would_done(&w);
        if (i == 1)
            put_pod(f, "filler", "b", 200);
    }
}

static void test_what_was_asked_for_takes_no_room(void **state)
{
    struct fixture *f = *state;

    put_node(f, "a", 1000, NULL);
    for (int i = 0; i < 5; i++) {
        struct sy_would w = would_one(f, core_pod(&f->k, "p", 1000, 64, 0));
        assert_true(w.fits);
        sy_would_done(&w);
    }
    put_pod(f, "real", NULL, 1000);
    (void)sy_sched_run(f->s, true, 0, f->now);
    assert_string_equal(f->node, "a");
}

static void test_why_not_and_what_would_help(void **state)
{
    struct fixture *f = *state;

    put_node(f, "a", 1000, NULL);
    put_pod(f, "old", "a", 600);
    struct sy_would w = would_one(f, core_pod(&f->k, "p", 700, 64, 0));
    assert_false(w.fits);
    assert_false(w.fits_by_eviction);
    assert_int_equal(w.blocker, 0);
    assert_string_equal(node_of(f, &w, 0), "");
    assert_string_equal(w.message, "0/1 nodes are available: 1 Insufficient cpu.");
    assert_int_equal(w.why.feasible, 0);
    assert_int_equal(w.why.changes.p[0].kind, SY_CHANGE_REQUEST);
    assert_string_equal(w.why.changes.p[0].text,
                        "ask for 400m cpu at most instead of 700m: fits 1 node");
    sy_would_done(&w);
}

static void test_whom_it_displaces(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = core_pod(&f->k, "urgent", 700, 64, 0);

    put_node(f, "a", 1000, NULL);
    put_pod(f, "old", "a", 600);
    pod.priority = 10;
    struct sy_would w = would_one(f, pod);
    assert_false(w.fits);
    assert_true(w.fits_by_eviction);
    assert_string_equal(node_of(f, &w, 0), "a");
    assert_int_equal(w.victims.len, 1);
    assert_string_equal(sy_sched_cluster(f->s)->pods.p[w.victims.p[0]].name, "old");
    sy_would_done(&w);
    assert_int_equal(f->evictions, 0);
    pod.never_preempts = true;
    w = would_one(f, pod);
    assert_false(w.fits_by_eviction);
    assert_int_equal(w.victims.len, 0);
    sy_would_done(&w);
}

static void test_a_gang_fits_as_a_whole_or_not(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pods[4];

    put_node(f, "a", 1000, NULL);
    put_node(f, "b", 1000, NULL);
    put_node(f, "c", 1000, NULL);
    for (int i = 0; i < 4; i++)
        pods[i] = core_pod(&f->k, "member", 600, 64, 0);
    struct sy_would w = would(f, (struct sy_would_ask){.pods = pods, .pods_len = 4});
    assert_false(w.fits);
    assert_int_equal(w.placed, 3);
    assert_int_equal(w.blocker, 3);
    assert_string_equal(w.message, "0/3 nodes are available: 3 Insufficient cpu.");
    assert_false(w.has_why);
    sy_would_done(&w);
    w = would(f, (struct sy_would_ask){.pods = pods, .pods_len = 4, .needed = 3});
    assert_true(w.fits);
    assert_string_not_equal(node_of(f, &w, 0), node_of(f, &w, 1));
    assert_string_not_equal(node_of(f, &w, 0), node_of(f, &w, 2));
    assert_string_not_equal(node_of(f, &w, 1), node_of(f, &w, 2));
    assert_string_equal(node_of(f, &w, 3), "");
    sy_would_done(&w);
}

static void test_a_gang_displaces_in_one_rack(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pods[2];

    put_node(f, "a", 1000, "r1");
    put_node(f, "b", 1000, "r2");
    put_node(f, "c", 1000, "r2");
    put_pod(f, "old", "c", 600);
    for (int i = 0; i < 2; i++) {
        pods[i] = core_pod(&f->k, "member", 600, 64, 0);
        pods[i].priority = 5;
    }
    struct sy_would_ask ask = {.pods = pods,
                               .pods_len = 2,
                               .topology_key = core_id(&f->k, "rack"),
                               .topology_is_required = true};
    struct sy_would w = would(f, ask);
    assert_false(w.fits);
    assert_true(w.fits_by_eviction);
    assert_int_equal(w.victims.len, 1);
    sy_would_done(&w);
    ask.topology_key = 0;
    w = would(f, ask);
    assert_true(w.fits);
    sy_would_done(&w);
}

static void test_turns_go_on_as_if_nobody_had_asked(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pods[3];
    char first[64];

    sy_sched_free(f->s);
    f->profile.scorers_len = 0;
    f->profile.scorers[f->profile.scorers_len++] =
        (struct sy_weighted_scorer){.scorer = sy_scorer_find("RoundRobin"), .weight = 1};
    start(f);
    put_node(f, "a", 4000, NULL);
    put_node(f, "b", 4000, NULL);
    put_pod(f, "p0", NULL, 100);
    (void)sy_sched_run(f->s, true, 0, f->now);
    core_keep(first, sizeof(first), f->node);
    for (int i = 0; i < 3; i++)
        pods[i] = core_pod(&f->k, "member", 100, 64, 0);
    struct sy_would w = would(f, (struct sy_would_ask){.pods = pods, .pods_len = 3});
    assert_true(w.fits);
    sy_would_done(&w);
    put_pod(f, "p1", NULL, 100);
    (void)sy_sched_run(f->s, true, 0, f->now);
    assert_string_not_equal(f->node, first);
    put_pod(f, "p2", NULL, 100);
    (void)sy_sched_run(f->s, true, 0, f->now);
    assert_string_equal(f->node, first);
}

static void test_a_pod_of_nobodys_scheduler_and_too_many(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = core_pod(&f->k, "p", 100, 64, 0);
    struct sy_would w;

    put_node(f, "a", 1000, NULL);
    pod.spec.scheduler_name = core_id(&f->k, "another");
    pod.node = core_id(&f->k, "a");
    w = would_one(f, pod);
    assert_true(w.fits);
    assert_string_equal(w.profile->scheduler_name, "steelyard");
    sy_would_done(&w);
    struct sy_would_ask ask = {.pods = &pod, .pods_len = 0};
    assert_int_equal(sy_sched_would(f->s, &ask, f->now, &w), -EINVAL);
    ask.pods_len = SY_WOULD_PODS_MAX + 1;
    assert_int_equal(sy_sched_would(f->s, &ask, f->now, &w), -EINVAL);
    ask = (struct sy_would_ask){.pods = &pod, .pods_len = 1, .needed = 2};
    assert_int_equal(sy_sched_would(f->s, &ask, f->now, &w), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_pod_goes_where_the_real_one_then_goes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_was_asked_for_takes_no_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_why_not_and_what_would_help, setup, teardown),
        cmocka_unit_test_setup_teardown(test_whom_it_displaces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_gang_fits_as_a_whole_or_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_gang_displaces_in_one_rack, setup, teardown),
        cmocka_unit_test_setup_teardown(test_turns_go_on_as_if_nobody_had_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_pod_of_nobodys_scheduler_and_too_many, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
