/* SPDX-License-Identifier: Apache-2.0
 *
 * Fails each allocation that a peer can size, in turn, on the way of nodes and pods into the core
 * and through a cycle: an object is taken over whole or refused, and the sums stay true. */
#include "sched/sched.h"

#include "core.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
    struct core k;
    struct sy_profile profile;
    struct sy_sched *s;
    uint64_t ticket;
    uint32_t binds;
};

static void hear(void *arg, const struct sy_decision *d)
{
    struct world *w = arg;

    if (d->kind != SY_DECIDE_BIND)
        return;
    w->ticket = d->ticket;
    w->binds++;
}

/* Spread, affinity, ports and volumes, so that every copy is long. */
static struct sy_pod rich_pod(struct core *k)
{
    struct sy_pod pod = core_pod(k, "rich", 100, 64, 1);
    struct sy_requirement *req = sy_arena_alloc(&k->arena, sizeof(*req));
    struct sy_affinity_term *term = sy_arena_alloc(&k->arena, sizeof(*term));
    struct sy_spread_constraint *spread = sy_arena_alloc(&k->arena, sizeof(*spread));
    struct sy_host_port *port = sy_arena_alloc(&k->arena, sizeof(*port));

    *req = (struct sy_requirement){.key = core_id(k, "app"), .op = SY_OP_EXISTS};
    *term = (struct sy_affinity_term){
        .selector = {.reqs = req, .len = 1},
        .namespace_selector = {.is_nil = true},
        .topology_key = core_id(k, "kubernetes.io/hostname"),
    };
    *spread = (struct sy_spread_constraint){
        .max_skew = 1,
        .topology_key = core_id(k, "kubernetes.io/hostname"),
        .honor_affinity = true,
        .selector = {.reqs = req, .len = 1},
    };
    *port = (struct sy_host_port){core_id(k, "0.0.0.0"), 80, SY_PROTOCOL_TCP};
    pod.labels = core_label(k, "app", "x");
    pod.spec.anti_affinity = term;
    pod.spec.anti_affinity_len = 1;
    pod.spec.spread = spread;
    pod.spec.spread_len = 1;
    pod.spec.host_ports = port;
    pod.spec.host_ports_len = 1;
    return pod;
}

/* Returns how many fallible allocations there were. */
static size_t live_once(size_t fail_at)
{
    static const struct sy_sched_options OPTIONS = {.profiles_len = 1, .exact = true};
    struct world w = {0};
    struct sy_sched_options options = OPTIONS;
    char text[256];

    core_init(&w.k);
    sy_profile_default(&w.profile, "steelyard");
    options.profiles = &w.profile;
    w.s = sy_sched_new(w.k.strings, &options, hear, &w);
    struct sy_node node = core_node(&w.k, "n", 4000, 4096, 8);
    node.labels = core_label(&w.k, "kubernetes.io/hostname", "n");
    struct sy_pod plain = core_pod(&w.k, "plain", 100, 64, 0), rich = rich_pod(&w.k);

    (void)sy_mem_fail_at(fail_at);
    int results[] = {sy_sched_node(w.s, &node, 1), sy_sched_pod(w.s, &plain, 1),
                     sy_sched_pod(w.s, &rich, 1)};
    sy_sched_run(w.s, true, 0, 2);
    size_t calls = sy_mem_fail_at(0);

    for (size_t i = 0; i < SY_ARRAY_LEN(results); i++)
        assert_true(results[i] == 0 || results[i] == -ENOMEM || results[i] == -E2BIG);
    const char *difference = sy_cluster_audit(sy_sched_cluster(w.s), text, sizeof(text));
    if (difference)
        fail_msg("allocation %zu failing: %s", fail_at, difference);
    if (w.binds)
        sy_sched_bind_result(w.s, w.ticket, SY_BIND_RESULT_OK, NULL, 3);

    /* What was refused is taken over when it comes again. */
    assert_int_equal(sy_sched_node(w.s, &node, 4), 0);
    assert_int_equal(sy_sched_pod(w.s, &plain, 4), 0);
    assert_int_equal(sy_sched_pod(w.s, &rich, 4), 0);
    sy_sched_run(w.s, true, 0, 100 * SY_NS_PER_S);
    assert_int_equal(w.binds, 2);
    assert_null(sy_cluster_audit(sy_sched_cluster(w.s), text, sizeof(text)));
    sy_sched_free(w.s);
    core_done(&w.k);
    return calls;
}

static void test_every_allocation_fails_once(void **state)
{
    size_t calls = live_once(0);

    (void)state;
    assert_true(calls > 5);
    for (size_t n = 1; n <= calls; n++)
        live_once(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation_fails_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
