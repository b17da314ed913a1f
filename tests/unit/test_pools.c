/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools, balance, the load gate and the threshold of single nodes, over the whole scheduler. */
#include "cluster/pools.h"

#include "base/rng.h"
#include "core_sched.h"
#include "sched/balance.h"
#include "sched/inputs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { S = 1000000000 };

struct fixture {
    struct core k;
    struct sy_sched *s;
    struct sy_cluster *c;
    struct sy_profile profile;
    struct sy_pools_options pools;
    char node[64];
    char message[1200];
    uint64_t ticket;
    uint32_t serial, evictions;
    sy_time_ns now;
};

static void hear(void *arg, const struct sy_decision *d)
{
    struct fixture *f = arg;

    f->evictions += d->kind == SY_DECIDE_EVICT;
    if (d->kind == SY_DECIDE_CONDITION)
        snprintf(f->message, sizeof(f->message), "%s", d->message);
    if (d->kind != SY_DECIDE_BIND)
        return;
    snprintf(f->node, sizeof(f->node), "%s", d->node);
    f->ticket = d->ticket;
}

static void configure(struct fixture *f)
{
    struct sy_sched_options options = {
        .profiles = &f->profile, .profiles_len = 1, .pools = &f->pools, .exact = true};

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
    f->now = 1000 * (sy_time_ns)S;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_pools_follow(f->c);
    core_sched_end(f->s);
    core_done(&f->k);
    free(f);
    return 0;
}

static struct sy_gate_options gate(double close_above, double open_below)
{
    return (struct sy_gate_options){
        .is_on = true,
        .close_above = {[SY_LOAD_CPU] = close_above, [SY_LOAD_MEMORY] = close_above},
        .open_below = {[SY_LOAD_CPU] = open_below, [SY_LOAD_MEMORY] = open_below},
    };
}

static void put_node(struct fixture *f, const char *name, int64_t cpu_milli,
                     struct sy_labels labels)
{
    struct sy_node node = core_node(&f->k, name, cpu_milli, 100 * cpu_milli, 0);

    node.labels = labels;
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
}

static void give_cpu(struct fixture *f, const char *node, double share)
{
    struct sy_load_sample sample = {.metric = SY_LOAD_CPU,
                                    .value = share,
                                    .is_share = true,
                                    .at_ns = f->now,
                                    .window_ns = 30 * (int64_t)S};

    assert_int_equal(sy_sched_load(f->s, core_id(&f->k, node), &sample, f->now), SY_LOAD_TAKEN);
}

static struct sy_pod new_pod(struct fixture *f, int64_t cpu_milli)
{
    char name[32];

    snprintf(name, sizeof(name), "p%u", f->serial++);
    return core_pod(&f->k, name, cpu_milli, 1, 0);
}

/* One turn; "" when nothing was bound in it. */
static const char *run_after(struct fixture *f, int64_t seconds)
{
    f->node[0] = '\0';
    f->now += seconds * S;
    sy_sched_run(f->s, true, 0, f->now);
    if (f->node[0])
        sy_sched_bind_result(f->s, f->ticket, SY_BIND_RESULT_OK, NULL, f->now);
    return f->node;
}

static const char *place(struct fixture *f, struct sy_pod pod)
{
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
    return run_after(f, 1);
}

static void test_states_of_balance(void **state)
{
    (void)state;
    assert_int_equal(sy_balance_state(51, 100, 0.5), SY_OVERLOADED);
    assert_int_equal(sy_balance_state(50, 100, 0.5), SY_BALANCED);
    assert_int_equal(sy_balance_state(49, 100, 0.5), SY_UNDERLOADED);
    assert_int_equal(sy_balance_state(60, 100, 0.8), SY_UNDERLOADED);
    assert_string_equal(sy_balance_state_name(SY_OVERLOADED), "Overloaded");
}

static const struct sy_balance *find(const struct sy_balance *all, uint32_t len,
                                     enum sy_balance_kind kind, const char *name)
{
    for (uint32_t i = 0; i < len; i++) {
        if (all[i].kind == kind && strcmp(all[i].name, name) == 0)
            return &all[i];
    }
    return NULL;
}

static void test_sums_of_pools_and_zones(void **state)
{
    struct fixture *f = *state;
    static const struct sy_pool_options POOLS[] = {
        {.name = "fast", .keys = {"kind"}, .values = {"fast"}, .labels_len = 1},
        {.name = "any-kind", .keys = {"kind"}, .labels_len = 1},
    };
    struct sy_balance all[SY_BALANCE_MAX];

    f->pools.pools = POOLS;
    f->pools.pools_len = 2;
    configure(f);
    put_node(f, "a", 1000, core_label(&f->k, "kind", "fast"));
    put_node(f, "b", 3000, core_label(&f->k, "kind", "slow"));
    put_node(f, "c", 4000, core_label(&f->k, "topology.kubernetes.io/zone", "z1"));
    put_node(f, "d", 2000, core_label(&f->k, "topology.kubernetes.io/zone", "z1"));
    struct sy_pod pod = new_pod(f, 600);
    pod.node = core_id(&f->k, "a");
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
    give_cpu(f, "c", 0.75);

    uint32_t len = sy_sched_balance(f->s, all, SY_BALANCE_MAX);
    assert_int_equal(len, 1 + 3 + 1);
    assert_int_equal(sy_sched_balance(f->s, NULL, 0), len);
    assert_int_equal(all[0].kind, SY_BALANCE_CLUSTER);
    assert_int_equal(all[0].sums.nodes, 4);
    assert_int_equal(all[0].sums.total[SY_LOAD_CPU], 10000);
    assert_int_equal(all[0].sums.used[SY_LOAD_CPU], 600 + 3000);
    const struct sy_balance *fast = find(all, len, SY_BALANCE_POOL, "fast");
    assert_int_equal(fast->sums.nodes, 1);
    assert_int_equal(fast->states[SY_LOAD_CPU], SY_OVERLOADED);
    assert_int_equal(fast->fullest, SY_LOAD_CPU);
    assert_int_equal(fast->state, SY_OVERLOADED);
    assert_int_equal(find(all, len, SY_BALANCE_POOL, "any-kind")->state, SY_UNDERLOADED);
    assert_int_equal(find(all, len, SY_BALANCE_POOL, "default")->sums.nodes, 2);
    const struct sy_balance *zone = find(all, len, SY_BALANCE_ZONE, "z1");
    assert_true(fabs(zone->load[SY_LOAD_CPU] - 0.5) < 1e-9);
    assert_int_equal(zone->state, SY_BALANCED);
}

static void test_the_gate_closes_and_opens(void **state)
{
    struct fixture *f = *state;

    f->pools.default_gate = gate(0.8, 0.75);
    configure(f);
    put_node(f, "a", 10000, (struct sy_labels){0});
    struct sy_pod first = new_pod(f, 8000);
    assert_string_equal(place(f, first), "a"); /* 80 %: not more than that */
    struct sy_pod second = new_pod(f, 300);
    assert_string_equal(place(f, second), "a");
    assert_string_equal(place(f, new_pod(f, 100)), "");
    assert_string_equal(f->message, "0/1 nodes are available: 1 node(s) in pool default, which is "
                                    "overloaded (cpu 83.0 % > 80 %). preemption: 0/1 nodes are "
                                    "available: 1 Preemption is not helpful for scheduling.");
    assert_int_equal(sy_sched_gate_waiting(f->s), 1);
    struct sy_balance all[8];
    sy_sched_balance(f->s, all, 8);
    assert_true(all[1].has_gate && all[1].is_closed && strstr(all[1].reason, "overloaded"));

    sy_sched_pod_deleted(f->s, second.uid, f->now);
    assert_string_equal(run_after(f, 1), ""); /* 80 %: between the two it stays as it was */
    sy_sched_pod_deleted(f->s, first.uid, f->now);
    assert_string_equal(run_after(f, 1), "a"); /* woken at once, not by the sweep */
    assert_int_equal(sy_sched_gate_waiting(f->s), 0);
    sy_sched_balance(f->s, all, 8);
    assert_false(all[1].is_closed);
    assert_int_equal(all[1].closings, 1);
}

static void test_one_turn_does_not_overrun_the_gate(void **state)
{
    struct fixture *f = *state;

    f->pools.default_gate = gate(0.5, 0.5);
    configure(f);
    put_node(f, "a", 1000, (struct sy_labels){0});
    for (int i = 0; i < 10; i++) {
        struct sy_pod pod = new_pod(f, 100);
        assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
    }
    run_after(f, 1);
    assert_int_equal(f->c->columns[SY_COLUMN_CPU_MILLI].used[0], 600); /* the one above, no more */
    assert_int_equal(sy_sched_stats(f->s)->unschedulable, 4);
}

static void test_each_pool_has_its_gate(void **state)
{
    struct fixture *f = *state;
    struct sy_pool_options pool = {
        .name = "gpu", .keys = {"gpu"}, .labels_len = 1, .gate = gate(0.8, 0.7)};

    f->pools.pools = &pool;
    f->pools.pools_len = 1;
    configure(f);
    put_node(f, "g", 10000, core_label(&f->k, "gpu", "h100"));
    put_node(f, "x", 2000, (struct sy_labels){0});
    give_cpu(f, "g", 0.9);
    assert_string_equal(place(f, new_pod(f, 500)), "x"); /* although g has more room */
    f->now += 40 * (sy_time_ns)S;
    give_cpu(f, "g", 0.3);
    assert_string_equal(place(f, new_pod(f, 500)), "g");
    /* A sample that fades opens it as well. */
    f->now += 40 * (sy_time_ns)S;
    give_cpu(f, "g", 0.9);
    assert_string_equal(place(f, new_pod(f, 1600)), "");
    assert_string_equal(run_after(f, 95), "g");
}

static void test_exempt_pods_pass(void **state)
{
    struct fixture *f = *state;
    static const char *const CLASSES[] = {"urgent"};

    f->pools.default_gate = gate(0.8, 0.7);
    f->pools.exempt_by_priority = true;
    f->pools.exempt_priority = 1000;
    f->pools.exempt_classes = CLASSES;
    f->pools.exempt_classes_len = 1;
    configure(f);
    put_node(f, "a", 10000, (struct sy_labels){0});
    give_cpu(f, "a", 0.9);
    struct sy_pod pod = new_pod(f, 100);
    assert_string_equal(place(f, pod), "");
    pod = new_pod(f, 100);
    pod.priority = 999;
    assert_string_equal(place(f, pod), "");
    pod = new_pod(f, 100);
    pod.priority = 1000;
    assert_string_equal(place(f, pod), "a");
    pod = new_pod(f, 100);
    pod.priority_class = core_id(&f->k, "urgent");
    assert_string_equal(place(f, pod), "a");
    assert_int_equal(f->evictions, 0); /* the one of 999 evicts none of 0 */

    /* A reload keeps the gate closed, and takes new exemptions over. */
    f->pools.exempt_priority = 999;
    configure(f);
    assert_string_equal(run_after(f, 1), "a");
    assert_int_equal(sy_sched_stats(f->s)->unschedulable, 1);
    f->pools.default_gate.is_on = false;
    configure(f);
    assert_string_equal(run_after(f, 1), "a");
}

static void test_profile_without_the_filter_has_no_gate(void **state)
{
    struct fixture *f = *state;

    sy_profile_kube(&f->profile, "steelyard");
    f->pools.default_gate = gate(0.8, 0.7);
    configure(f);
    put_node(f, "a", 10000, (struct sy_labels){0});
    give_cpu(f, "a", 0.9);
    assert_string_equal(place(f, new_pod(f, 100)), "a");
}

static void test_single_nodes_above_a_threshold(void **state)
{
    struct fixture *f = *state;

    f->profile.args.node_load_max[SY_LOAD_CPU] = 0.65;
    configure(f);
    put_node(f, "a", 10000, (struct sy_labels){0});
    put_node(f, "b", 2000, (struct sy_labels){0});
    give_cpu(f, "a", 0.7);
    assert_string_equal(place(f, new_pod(f, 1500)), "b");
    assert_string_equal(place(f, new_pod(f, 1500)), "");
    assert_non_null(strstr(f->message, "1 Insufficient cpu, 1 node(s) had more than 65 % of cpu "
                                       "in use."));
    give_cpu(f, "a", 0.4);
    f->now += S;
    give_cpu(f, "a", 0.3);
    assert_string_equal(run_after(f, 1), "a"); /* woken, not swept */
    f->now += S;
    give_cpu(f, "a", 0.9);
    assert_string_equal(place(f, new_pod(f, 1600)), "");
    assert_string_equal(run_after(f, 65), "a"); /* nobody has measured since */
}

/* Whatever happens, sums that follow are what counting gives (the teardown and the audit). */
static void test_any_order_stays_exact(void **state)
{
    struct fixture *f = *state;
    static const struct sy_pool_options POOLS[] = {
        {.name = "x", .keys = {"pool"}, .values = {"x"}, .labels_len = 1},
        {.name = "y", .keys = {"pool"}, .values = {"y"}, .labels_len = 1}};
    struct sy_pool_options pools[2] = {POOLS[0], POOLS[1]};
    struct sy_rng rng;
    char name[32], text[256];
    uint64_t closings = 0;

    pools[0].gate = gate(0.5, 0.4);
    f->pools.pools = pools;
    f->pools.pools_len = 2;
    f->pools.default_gate = gate(0.6, 0.6);
    configure(f);
    sy_rng_seed(&rng, 5);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "n%u", (unsigned)sy_rng_below(&rng, 14));
        uint32_t node = sy_cluster_node_find(f->c, core_id(&f->k, name));
        switch (sy_rng_below(&rng, 6)) {
        case 0:
        case 1:
            put_node(f, name, 1000 * (1 + (int64_t)sy_rng_below(&rng, 3)),
                     sy_rng_below(&rng, 3)
                         ? core_label(&f->k, "pool", sy_rng_below(&rng, 2) ? "x" : "y")
                         : (struct sy_labels){0});
            break;
        case 2:
            if (sy_rng_below(&rng, 4) == 0)
                sy_sched_node_deleted(f->s, core_id(&f->k, name), f->now);
            break;
        case 3:
            if (node != SY_NONE && sy_cluster_node_is_alive(f->c, node))
                give_cpu(f, name, sy_rng_unit(&rng));
            break;
        default: {
            struct sy_pod pod = new_pod(f, 100 + (int64_t)sy_rng_below(&rng, 400));
            place(f, pod);
            if (sy_rng_below(&rng, 3) == 0)
                sy_sched_pod_deleted(f->s, pod.uid, f->now);
        }
        }
        run_after(f, (int64_t)sy_rng_below(&rng, 12));
        sy_pools_follow(f->c);
        assert_null(sy_cluster_audit(f->c, text, sizeof(text)));
    }
    for (size_t i = 0; i < f->c->pools.all.len; i++)
        closings += f->c->pools.all.p[i].closings;
    assert_true(closings > 5);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states_of_balance),
        TEST(test_sums_of_pools_and_zones),
        TEST(test_the_gate_closes_and_opens),
        TEST(test_one_turn_does_not_overrun_the_gate),
        TEST(test_each_pool_has_its_gate),
        TEST(test_exempt_pods_pass),
        TEST(test_profile_without_the_filter_has_no_gate),
        TEST(test_single_nodes_above_a_threshold),
        TEST(test_any_order_stays_exact),
    };

    return cmocka_run_group_tests_name("pools", tests, NULL, NULL);
}
