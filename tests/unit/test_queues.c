/* SPDX-License-Identifier: Apache-2.0
 *
 * Queues that share the cluster, driven through the scheduler as the daemon drives it: whose turn
 * it is, limits, what is guaranteed, reclaim, and a configuration that changes. */
#include "cluster/shares.h"

#include "base/rng.h"
#include "core_sched.h"
#include "sched/inputs.h"

#include <stdlib.h>

enum { QUEUES_MAX = 4, BINDS_MAX = 256 };

struct fixture {
    struct core k;
    struct sy_sched *s;
    struct sy_cluster *c;
    struct sy_profile profile;
    struct sy_queue_options queues[QUEUES_MAX];
    struct sy_queue_resource resources[QUEUES_MAX][2];
    char *namespaces[QUEUES_MAX];
    uint32_t queues_len;
    SY_VEC(struct sy_pod) pods; /* that were given last; they live in the core's arena */
    uint64_t tickets[BINDS_MAX];
    char nodes[BINDS_MAX][32];
    char bound[BINDS_MAX][32];
    uint32_t binds;
    char evicted[BINDS_MAX][32];
    uint32_t evictions;
    char name[64], reason[64], message[1200];
    uint32_t conditions;
    sy_time_ns now;
};

static void hear(void *arg, const struct sy_decision *d)
{
    struct fixture *f = arg;

    if (d->kind == SY_DECIDE_CONDITION) {
        core_keep(f->name, sizeof(f->name), d->name);
        core_keep(f->reason, sizeof(f->reason), d->reason);
        core_keep(f->message, sizeof(f->message), d->message);
        f->conditions++;
    } else if (d->kind == SY_DECIDE_EVICT) {
        core_keep(f->evicted[f->evictions++], sizeof(f->evicted[0]), d->name);
    } else if (d->kind == SY_DECIDE_BIND) {
        core_keep(f->bound[f->binds], sizeof(f->bound[0]), d->name);
        core_keep(f->nodes[f->binds], sizeof(f->nodes[0]), d->node);
        f->tickets[f->binds++] = d->ticket;
    }
}

static void configure(struct fixture *f)
{
    struct sy_queues_options queues = {f->queues, f->queues_len};
    struct sy_sched_options options = {.profiles = &f->profile,
                                       .profiles_len = 1,
                                       .queues = &queues,
                                       .binds_in_flight_max = BINDS_MAX,
                                       .exact = true};

    if (f->s)
        sy_sched_configure(f->s, &options, f->now);
    else
        f->s = sy_sched_new(f->k.strings, &options, hear, f);
    f->c = sy_sched_cluster(f->s);
}

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_profile_default(&f->profile, "steelyard");
    f->now = 1000 * SY_NS_PER_S;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    core_sched_end(f->s);
    sy_vec_done(&f->pods);
    core_done(&f->k);
    free(f);
    return 0;
}

/* A queue of the namespace that is called like it; amounts in whole cores, 0 and -1: none. */
static struct sy_queue_options *queue(struct fixture *f, const char *name, double weight,
                                      int64_t guaranteed, int64_t limit)
{
    uint32_t i = f->queues_len++;

    f->namespaces[i] = (char *)(uintptr_t)name;
    f->resources[i][0] = (struct sy_queue_resource){"cpu", guaranteed * 1000,
                                                    limit < 0 ? SY_NO_LIMIT : limit * 1000};
    f->queues[i] = (struct sy_queue_options){.name = name,
                                             .weight = weight,
                                             .borrows = true,
                                             .is_reclaimable = true,
                                             .namespaces = &f->namespaces[i],
                                             .namespaces_len = 1,
                                             .resources = f->resources[i],
                                             .resources_len = 1};
    return &f->queues[i];
}

static void put_node(struct fixture *f, const char *name, int64_t cores)
{
    struct sy_node node = core_node(&f->k, name, cores * 1000, 1 << 20, 0);

    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
}

static struct sy_pod make(struct fixture *f, const char *ns, const char *name, int64_t cores,
                          int32_t priority)
{
    struct sy_pod pod = core_pod(&f->k, name, cores * 1000, 0, 0);

    pod.ns = core_id(&f->k, ns);
    pod.priority = priority;
    return pod;
}

static void put(struct fixture *f, struct sy_pod pod)
{
    size_t i = 0;

    while (i < f->pods.len && !sy_str_eq(f->pods.p[i].uid, pod.uid))
        i++;
    if (i == f->pods.len)
        sy_vec_push(&f->pods, pod);
    f->pods.p[i] = pod;
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
}

static void put_pod(struct fixture *f, const char *ns, const char *name, int64_t cores,
                    int32_t priority)
{
    put(f, make(f, ns, name, cores, priority));
}

static void put_pods(struct fixture *f, const char *ns, uint32_t len, int64_t cores)
{
    char name[32];

    for (uint32_t i = 0; i < len; i++) {
        snprintf(name, sizeof(name), "%s-%u", ns, i);
        put_pod(f, ns, name, cores, 0);
    }
}

static void remove_pod(struct fixture *f, const char *name)
{
    char uid[64];

    for (size_t i = 0; i < f->pods.len; i++) {
        if (sy_str_eqz(f->pods.p[i].name, name))
            sy_vec_swap_remove(&f->pods, i);
    }
    snprintf(uid, sizeof(uid), "uid-%s", name);
    sy_sched_pod_deleted(f->s, sy_str_from(uid), f->now);
}

/* Runs, and lets all binds that come of it land. */
static void run(struct fixture *f)
{
    f->binds = f->evictions = f->conditions = 0;
    f->now += SY_NS_PER_MS;
    sy_sched_run(f->s, true, 0, f->now);
    for (uint32_t i = 0; i < f->binds; i++) {
        size_t at = 0;
        while (!sy_str_eqz(f->pods.p[at].name, f->bound[i]))
            at++;
        f->pods.p[at].node = core_id(&f->k, f->nodes[i]);
        sy_sched_bind_result(f->s, f->tickets[i], SY_BIND_RESULT_OK, NULL, f->now);
        assert_int_equal(sy_sched_pod(f->s, &f->pods.p[at], f->now), 0);
    }
}

static uint32_t bound_of(const struct fixture *f, const char *prefix)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < f->binds; i++)
        n += strncmp(f->bound[i], prefix, strlen(prefix)) == 0;
    return n;
}

static void test_a_limit_holds_and_lets_go(void **state)
{
    struct fixture *f = *state;

    queue(f, "a", 1, 0, 4);
    configure(f);
    put_node(f, "n", 64);
    put_pods(f, "a", 6, 1);
    put_pods(f, "b", 3, 1);
    run(f);
    assert_int_equal(bound_of(f, "a"), 4);
    assert_int_equal(bound_of(f, "b"), 3);
    assert_string_equal(f->reason, "WaitingForQuota");
    assert_string_equal(f->message, "waiting for quota: with this pod queue a would be over its "
                                    "limit of 4 cpu");
    run(f);
    assert_int_equal(f->binds, 0);
    remove_pod(f, "b-0"); /* room in the cluster, none in the queue */
    run(f);
    assert_int_equal(f->binds, 0);
    remove_pod(f, "a-0");
    run(f);
    assert_int_equal(f->binds, 1);
    assert_string_equal(f->bound[0], "a-4");
    remove_pod(f, "a-1");
    remove_pod(f, "a-2");
    run(f);
    assert_int_equal(f->binds, 1);
    assert_string_equal(f->bound[0], "a-5");
}

static void test_a_limit_above(void **state)
{
    struct fixture *f = *state;

    queue(f, "a", 1, 0, -1)->parent = "dept";
    queue(f, "b", 1, 0, -1)->parent = "dept";
    queue(f, "dept", 1, 0, 5)->namespaces_len = 0;
    configure(f);
    put_node(f, "n", 64);
    put_pods(f, "a", 4, 1);
    put_pods(f, "b", 4, 1);
    run(f);
    assert_int_equal(f->binds, 5);
    assert_non_null(strstr(f->message, "queue dept would be over its limit of 5 cpu"));
    remove_pod(f, "b-0");
    run(f);
    assert_int_equal(f->binds, 1);
}

static void test_shares_follow_weights(void **state)
{
    struct fixture *f = *state;

    queue(f, "a", 1, 0, -1);
    queue(f, "b", 2, 0, -1);
    configure(f);
    put_node(f, "n", 30);
    put_pods(f, "a", 40, 1);
    put_pods(f, "b", 40, 1);
    run(f);
    assert_int_equal(bound_of(f, "a"), 10);
    assert_int_equal(bound_of(f, "b"), 20);
}

static void test_priority_counts_within_a_queue(void **state)
{
    struct fixture *f = *state;

    queue(f, "a", 1, 0, -1);
    queue(f, "b", 1, 0, -1);
    configure(f);
    put_node(f, "n", 4);
    put_pod(f, "a", "a-low", 1, 0);
    put_pod(f, "a", "a-high", 1, 10);
    put_pod(f, "a", "a-higher", 1, 20);
    put_pod(f, "b", "b-low", 1, 0);
    put_pod(f, "b", "b-high", 1, 5);
    put_pod(f, "b", "b-higher", 1, 6);
    run(f);
    assert_int_equal(f->binds, 4);
    assert_string_equal(f->bound[0], "a-higher");
    assert_string_equal(f->bound[1], "b-higher");
    assert_string_equal(f->bound[2], "a-high");
    assert_string_equal(f->bound[3], "b-high");
}

/* What a queue may still ask for is not lent, as long as it does ask. */
static void test_nothing_owed_is_lent(void **state)
{
    struct fixture *f = *state;

    queue(f, "a", 1, 8, -1);
    queue(f, "b", 1, 0, -1);
    configure(f);
    put_node(f, "n", 10);
    struct sy_pod picky = make(f, "a", "a-0", 6, 0);
    picky.spec.node_selector = core_label(&f->k, "disk", "none");
    put(f, picky);
    put_pods(f, "b", 10, 1);
    run(f);
    assert_int_equal(bound_of(f, "b"), 4); /* 10 without the 6 that a waits for */
    assert_string_equal(f->message,
                        "waiting for quota: queue b would borrow cpu that is guaranteed to queue "
                        "a, which has pods waiting for it");
    remove_pod(f, "a-0");
    run(f);
    assert_int_equal(bound_of(f, "b"), 6);
}

static void test_a_queue_that_must_not_borrow(void **state)
{
    struct fixture *f = *state;

    queue(f, "a", 1, 3, 9)->borrows = false;
    configure(f);
    put_node(f, "n", 10);
    put_pods(f, "a", 5, 1);
    run(f);
    assert_int_equal(f->binds, 3);
    assert_non_null(strstr(f->message, "limit of 3 cpu"));
}

static struct sy_pod member(struct fixture *f, const char *name, const char *min_member)
{
    struct sy_pod pod = make(f, "a", name, 1, 0);

    pod.labels = core_label(&f->k, "steelyard.dev/pod-group", "train");
    pod.annotations = core_label(&f->k, "steelyard.dev/min-member", min_member);
    return pod;
}

static void test_a_gang_counts_whole(void **state)
{
    struct fixture *f = *state;
    char name[16];

    queue(f, "a", 1, 0, 4);
    configure(f);
    put_node(f, "n", 64);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "a-%d", i);
        struct sy_pod pod = member(f, name, "6");
        put(f, pod);
    }
    run(f);
    assert_int_equal(f->binds, 0);
    assert_string_equal(f->reason, "WaitingForQuota");
    assert_string_equal(f->message, "waiting for quota: with gang a/train queue a would be over "
                                    "its limit of 4 cpu");
    f->resources[0][0].limit_milli = 6000;
    configure(f);
    run(f);
    assert_int_equal(f->binds, 6);
}

static void test_queues_come_and_go(void **state)
{
    struct fixture *f = *state;

    queue(f, "a", 1, 0, 2);
    configure(f);
    put_node(f, "n", 64);
    put_pods(f, "a", 6, 1);
    run(f);
    assert_int_equal(f->binds, 2);
    f->resources[0][0].limit_milli = 5000;
    configure(f);
    assert_int_equal(f->c->shares.all.p[1].used.of[0], 2000);
    run(f);
    assert_int_equal(f->binds, 3);
    f->queues_len = 0;
    configure(f);
    run(f);
    assert_int_equal(f->binds, 1);
    put_pods(f, "b", 3, 1);
    f->queues_len = 1;
    configure(f);
    assert_int_equal(f->c->shares.all.p[1].used_pods, 6);
    assert_int_equal(f->c->shares.all.p[2].pending_pods, 3);
    run(f);
    assert_int_equal(f->binds, 3);
}

/* A pod that changes what it asks for, or its queue, while it waits leaves no trace where it was.
 */
static void test_a_waiting_pod_changes(void **state)
{
    struct fixture *f = *state;

    queue(f, "a", 1, 0, 2);
    f->queues[0].namespaces_len = 0;
    f->queues[0].keys[0] = "team";
    f->queues[0].labels_len = 1;
    configure(f);
    put_node(f, "n", 64);
    struct sy_pod pod = make(f, "x", "p", 3, 0);
    pod.labels = core_label(&f->k, "team", "one");
    put(f, pod);
    run(f);
    assert_int_equal(f->binds, 0);
    assert_int_equal(f->c->shares.all.p[1].pending.of[0], 3000);
    pod.spec.requests.requests = core_amounts(&f->k, 4000, 0, 0, 0);
    put(f, pod);
    assert_int_equal(f->c->shares.all.p[1].pending.of[0], 4000);
    pod.labels = core_label(&f->k, "team2", "one");
    put(f, pod);
    assert_int_equal(f->c->shares.all.p[1].pending.of[0], 0);
    assert_int_equal(f->c->shares.all.p[2].pending.of[0], 4000);
    run(f);
    assert_int_equal(f->binds, 1);
    assert_int_equal(f->c->shares.all.p[2].pending_pods, 0);
}

/* -- reclaim -- */

/* All evictions come true. */
static void let_go(struct fixture *f)
{
    for (uint32_t i = 0; i < f->evictions; i++)
        remove_pod(f, f->evicted[i]);
    run(f);
}

static void test_what_is_guaranteed_comes_back(void **state)
{
    struct fixture *f = *state;

    queue(f, "a", 1, 4, -1);
    queue(f, "b", 1, 4, -1);
    configure(f);
    put_node(f, "n", 8);
    put_pod(f, "b", "b-high", 1,
            100); /* priority does not protect what is borrowed, it comes last */
    put_pods(f, "b", 7, 1);
    run(f);
    assert_int_equal(f->binds, 8);
    put_pods(f, "a", 6, 1);
    for (int i = 0; i < 4; i++) {
        run(f);
        let_go(f);
    }
    assert_int_equal(f->c->shares.all.p[1].used.of[0], 4000);
    assert_int_equal(f->c->shares.all.p[2].used.of[0], 4000);
    run(f);
    assert_int_equal(f->evictions, 0);
    assert_int_not_equal(sy_cluster_pod_find(f->c, sy_str_from("uid-b-high")), SY_NONE);
}

static void test_a_minimal_set_is_reclaimed(void **state)
{
    struct fixture *f = *state;

    queue(f, "a", 1, 4, -1);
    queue(f, "b", 1, 2, -1);
    configure(f);
    put_node(f, "n", 8);
    put_pods(f, "b", 8, 1);
    run(f);
    put_pod(f, "a", "a-0", 3, 0);
    run(f);
    assert_int_equal(f->evictions, 3);
    assert_non_null(strstr(f->message, "preempting 3 victims"));
    let_go(f);
    assert_int_equal(f->binds, 1);
    assert_string_equal(f->bound[0], "a-0");
    put_pod(f, "a", "a-1", 2, 0); /* more than is guaranteed: nobody has to go for it */
    run(f);
    assert_int_equal(f->evictions, 0);
}

/* What room is being made for counts as if it were there. */
static void test_no_more_than_is_guaranteed(void **state)
{
    struct fixture *f = *state;

    queue(f, "a", 1, 2, -1);
    configure(f);
    put_node(f, "n", 8);
    put_pods(f, "b", 8, 1);
    run(f);
    put_pods(f, "a", 5, 1);
    run(f);
    assert_int_equal(f->evictions, 2);
    let_go(f);
    assert_int_equal(bound_of(f, "a"), 2);
    assert_int_equal(f->evictions, 0);
}

static void test_not_all_can_be_reclaimed(void **state)
{
    struct fixture *f = *state;
    char name[16];

    queue(f, "a", 1, 2, -1);
    queue(f, "b", 1, 0, -1)->is_reclaimable = false;
    queue(f, "c", 1, 2, -1);
    configure(f);
    put_node(f, "n", 8);
    put_pods(f, "b", 2, 1);
    put_pods(f, "c", 2, 1); /* its own */
    struct sy_pod strange = make(f, "x", "strange-0", 1, 0);
    strange.spec.scheduler_name = core_id(&f->k, "default-scheduler");
    strange.node = core_id(&f->k, "n");
    put(f, strange);
    for (int i = 0; i < 3; i++) { /* a gang of the default queue, which has nothing of its own */
        snprintf(name, sizeof(name), "g-%d", i);
        struct sy_pod pod = member(f, name, "3");
        pod.ns = core_id(&f->k, "y");
        put(f, pod);
    }
    run(f);
    assert_int_equal(f->binds, 7);
    put_pods(f, "a", 1, 1);
    run(f);
    assert_int_equal(f->evictions, 0);
    assert_string_equal(f->reason, "Unschedulable");
    remove_pod(f, "strange-0");
    struct sy_pod more = member(f, "g-3", "3"); /* one above the gang's minimum may go */
    more.ns = core_id(&f->k, "y");
    more.node = core_id(&f->k, "n");
    put(f, more);
    f->now += 60 * SY_NS_PER_S;
    run(f);
    assert_int_equal(f->evictions, 1);
    assert_int_equal(f->evicted[0][0], 'g');
}

/* A budget of which nothing is left protects its pods. */
static void test_budgets_are_respected(void **state)
{
    struct fixture *f = *state;

    queue(f, "a", 1, 2, -1);
    configure(f);
    put_node(f, "n", 2);
    struct sy_pod pod = make(f, "b", "b-0", 2, 0);
    pod.labels = core_label(&f->k, "app", "db");
    put(f, pod);
    run(f);
    struct sy_requirement app = {.key = core_id(&f->k, "app"), .op = SY_OP_EXISTS};
    struct sy_budget budget = {.ns = core_id(&f->k, "b"),
                               .name = core_id(&f->k, "db"),
                               .selector = {.reqs = &app, .len = 1}};
    assert_int_equal(sy_sched_budget(f->s, &budget), 0);
    put_pods(f, "a", 1, 1);
    run(f);
    assert_int_equal(f->evictions, 0);
    budget.disruptions_allowed = 1;
    assert_int_equal(sy_sched_budget(f->s, &budget), 0);
    f->now += 60 * SY_NS_PER_S;
    run(f);
    assert_int_equal(f->evictions, 1);
}

/* A pod of high priority has pods of its own queue evicted, never those of another. */
static void test_priority_ends_with_the_queue(void **state)
{
    struct fixture *f = *state;

    queue(f, "a", 1, 0, -1);
    queue(f, "b", 1, 0, -1);
    configure(f);
    put_node(f, "n", 2);
    put_pods(f, "b", 2, 1);
    run(f);
    put_pod(f, "a", "a-high", 1, 1000);
    run(f);
    assert_int_equal(f->evictions, 0);
    put_pod(f, "b", "b-high", 1, 1000);
    run(f);
    assert_int_equal(f->evictions, 1);
    assert_int_equal(f->evicted[0][0], 'b');
}

/* -- over time -- */

/* Two queues that always want more than there is: pods end at random, and what each has had comes
 * to its weight; guaranteed or not, each gets on. */
static void test_time_converges_to_weights(void **state)
{
    struct fixture *f = *state;
    struct sy_rng rng;
    char running[64][32];
    uint32_t len = 0, next[2] = {0}, had[2] = {0};
    static const char *const NAMES[] = {"a", "b"};

    sy_rng_seed(&rng, 7);
    queue(f, "a", 1, 0, -1);
    queue(f, "b", 3, 0, -1);
    configure(f);
    put_node(f, "n", 40);
    for (int step = 0; step < 2000; step++) {
        for (int q = 0; q < 2; q++) {
            while (f->c->shares.all.p[q + 1].pending_pods < 5) {
                char name[32];
                snprintf(name, sizeof(name), "%s-%u", NAMES[q], next[q]++);
                put_pod(f, NAMES[q], name, 1 + (int64_t)sy_rng_below(&rng, 2), 0);
            }
        }
        run(f);
        for (uint32_t i = 0; i < f->binds; i++)
            core_keep(running[len++], sizeof(running[0]), f->bound[i]);
        for (int q = 0; q < 2 && step > 200; q++)
            had[q] += (uint32_t)f->c->shares.all.p[q + 1].used.of[0];
        uint32_t gone = (uint32_t)sy_rng_below(&rng, len);
        remove_pod(f, running[gone]);
        memmove(running[gone], running[--len], sizeof(running[0]));
    }
    double ratio = (double)had[1] / had[0];
    assert_true(ratio > 2.7 && ratio < 3.3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_limit_holds_and_lets_go),    TEST(test_a_limit_above),
        TEST(test_shares_follow_weights),        TEST(test_priority_counts_within_a_queue),
        TEST(test_nothing_owed_is_lent),         TEST(test_a_queue_that_must_not_borrow),
        TEST(test_a_gang_counts_whole),          TEST(test_queues_come_and_go),
        TEST(test_a_waiting_pod_changes),        TEST(test_what_is_guaranteed_comes_back),
        TEST(test_a_minimal_set_is_reclaimed),   TEST(test_no_more_than_is_guaranteed),
        TEST(test_not_all_can_be_reclaimed),     TEST(test_budgets_are_respected),
        TEST(test_priority_ends_with_the_queue), TEST(test_time_converges_to_weights),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
