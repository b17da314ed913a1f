/* SPDX-License-Identifier: Apache-2.0
 *
 * Gangs, driven through the scheduler as the daemon drives it: all or nothing, whatever fails. */
#include "gang_world.h"

static void test_waits_until_all_members_are_there(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 4, 8);
    put_gang(f, "g", 0, 3, "4", 1);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    assert_int_equal(f->said.len, 0);
    assert_int_equal(sy_sched_stats(f->s)->in_gangs, 3);
    run_later(f, 3);
    assert_int_equal(with_reason(f, "WaitingForGang"), 3);
    assert_string_equal(heard(f, SY_DECIDE_CONDITION, "g-0")->message,
                        "waiting for 1 more members of gang default/g");
    put_gang(f, "g", 3, 4, "4", 1);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 4);
    assert_int_equal(sy_sched_cluster(f->s)->pods_assumed, 4);
    acknowledge(f, "g", "4", 1);
    assert_int_equal(sy_sched_binds_in_flight(f->s), 0);
    assert_int_equal(sy_sched_stats(f->s)->in_gangs, 0);
    run_later(f, 100);
    assert_int_equal(f->said.len, 0);
}

static void test_gated_members_do_not_count(void **state)
{
    struct fixture *f = *state;
    struct sy_pod gated = member(f, "g", 1, "2", 1);

    put_nodes(f, 1, 8);
    gated.gates_len = 1;
    put_gang(f, "g", 0, 1, "2", 1);
    put_pod(f, gated);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    gated.gates_len = 0;
    put_pod(f, gated);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 2);
}

static void test_binds_nothing_when_one_does_not_fit(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 3, 8);
    put_gang(f, "g", 0, 8, "8", 4);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    assert_int_equal(sy_sched_cluster(f->s)->pods_assumed, 0);
    /* Two members lack room; the others are not called unschedulable. */
    assert_int_equal(with_reason(f, "Unschedulable"), 2);
    assert_int_equal(with_reason(f, "WaitingForGang"), 6);
    assert_int_equal(count(f, SY_DECIDE_EVENT), 1);
    assert_string_equal(heard(f, SY_DECIDE_EVENT, NULL)->message,
                        "gang default/g: 6 of 8 members fit; member g-6: 0/3 nodes are available: "
                        "3 Insufficient nvidia.com/gpu.");
    /* The same again is not said again. */
    run_later(f, 60);
    assert_int_equal(f->said.len, 0);
    put_node(f, core_node(&f->k, "n3", 64000, 65536, 8));
    run_later(f, 60);
    assert_int_equal(count(f, SY_DECIDE_BIND), 8);
}

static void test_a_gang_without_room_does_not_stop_others(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 2, 8);
    put_gang(f, "large", 0, 3, "3", 8);
    put_pod(f, core_pod(&f->k, "single", 100, 64, 8));
    put_gang(f, "small", 0, 2, "2", 4);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "single"));
    assert_non_null(heard(f, SY_DECIDE_BIND, "small-0"));
    assert_non_null(heard(f, SY_DECIDE_BIND, "small-1"));
    assert_int_equal(count(f, SY_DECIDE_BIND), 3);
}

/* Waiting gangs hold nothing and leave no trace: pods that wait are not woken by their tries. */
static void test_a_try_wakes_nobody(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 2, 8);
    put_pod(f, core_pod(&f->k, "too-large", 100, 64, 9));
    put_gang(f, "a", 0, 3, "3", 8);
    put_gang(f, "b", 0, 3, "3", 8);
    run(f);
    uint64_t before = sy_sched_stats(f->s)->attempts_unschedulable;
    assert_int_equal(before, 3);
    for (int i = 0; i < 20; i++)
        run_later(f, 1);
    assert_int_equal(sy_sched_stats(f->s)->attempts_unschedulable, before);
}

static void test_members_above_the_minimum_follow_singly(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 3, 8);
    put_gang(f, "g", 0, 5, "2", 8);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 3);
    assert_int_equal(with_reason(f, "Unschedulable"), 2);
    acknowledge(f, "g", "2", 8);
    put_node(f, core_node(&f->k, "n3", 64000, 65536, 8));
    run_later(f, 1);
    assert_int_equal(count(f, SY_DECIDE_BIND), 1);
}

/* Fifty gangs that each need 60 % of the cluster: one runs at a time, and all do in the end. */
static void test_no_deadlock(void **state)
{
    enum { GANGS = 50, MEMBERS = 6 };
    struct fixture *f = *state;
    bool done[GANGS] = {0};
    char name[16];

    put_nodes(f, 10, 8);
    for (uint32_t i = 0; i < MEMBERS; i++) { /* interleaved: the worst for who holds what it has */
        for (uint32_t g = 0; g < GANGS; g++) {
            snprintf(name, sizeof(name), "g%u", g);
            put_pod(f, member(f, name, i, "6", 8));
        }
    }
    for (uint32_t turn = 0; turn < GANGS; turn++) {
        unsigned g = 0;
        /* The first of them does not sit out its backoff when room has come. */
        run(f);
        for (int i = 0; i < 2 && !count(f, SY_DECIDE_BIND); i++)
            run_later(f, 1);
        assert_int_equal(count(f, SY_DECIDE_BIND), MEMBERS);
        assert_int_equal(sscanf(heard(f, SY_DECIDE_BIND, NULL)->name, "g%u-", &g), 1);
        assert_true(g < GANGS && !done[g]);
        done[g] = true;
        snprintf(name, sizeof(name), "g%u", g);
        acknowledge(f, name, "6", 8);
        for (uint32_t i = 0; i < MEMBERS; i++)
            delete_member(f, name, i);
    }
    assert_int_equal(sy_sched_stats(f->s)->in_gangs, 0);
}

static void test_priority_is_the_highest_members(void **state)
{
    struct fixture *f = *state;
    struct sy_pod leader = member(f, "g", 0, "2", 8);

    put_nodes(f, 2, 8);
    put_gang(f, "before", 0, 2, "2", 8);
    leader.priority = 10;
    put_pod(f, leader);
    put_gang(f, "g", 1, 2, "2", 8);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "g-0"));
    assert_non_null(heard(f, SY_DECIDE_BIND, "g-1"));
    assert_int_equal(count(f, SY_DECIDE_BIND), 2);
}

/* -- failures -- */

static void test_a_refused_bind_keeps_its_place(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 2, 8);
    put_gang(f, "g", 0, 2, "2", 8);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 2);
    struct said refused = *heard(f, SY_DECIDE_BIND, "g-1");
    struct said other = *heard(f, SY_DECIDE_BIND, "g-0");
    sy_sched_bind_result(f->s, refused.ticket, SY_BIND_RESULT_REFUSED, "no", f->now);
    sy_sched_bind_result(f->s, other.ticket, SY_BIND_RESULT_OK, NULL, f->now);
    struct sy_pod bound = member(f, "g", 0, "2", 8);
    bound.node = core_id(&f->k, other.node);
    put_pod(f, bound);
    struct sy_pod thief = core_pod(&f->k, "thief", 100, 64, 8);
    thief.priority = 1000;
    thief.never_preempts = true;
    put_pod(f, thief);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    run_later(f, 2);
    assert_int_equal(count(f, SY_DECIDE_BIND), 1);
    assert_string_equal(heard(f, SY_DECIDE_BIND, "g-1")->node, refused.node);
}

static void test_places_are_given_back_in_the_end(void **state)
{
    struct fixture *f = *state;
    uint32_t refusals = 0;

    put_nodes(f, 2, 8);
    put_gang(f, "g", 0, 2, "2", 8);
    run(f);
    struct said kept = *heard(f, SY_DECIDE_BIND, "g-0");
    sy_sched_bind_result(f->s, kept.ticket, SY_BIND_RESULT_OK, NULL, f->now);
    struct sy_pod bound = member(f, "g", 0, "2", 8);
    bound.node = core_id(&f->k, kept.node);
    put_pod(f, bound);
    struct said bind = *heard(f, SY_DECIDE_BIND, "g-1");
    sy_sched_bind_result(f->s, bind.ticket, SY_BIND_RESULT_REFUSED, "no", f->now);
    put_pod(f, core_pod(&f->k, "single", 100, 64, 8));
    for (int i = 0; i < 62; i++) {
        run_later(f, 1);
        if (heard(f, SY_DECIDE_BIND, "single"))
            break;
        if (!heard(f, SY_DECIDE_BIND, "g-1"))
            continue;
        bind = *heard(f, SY_DECIDE_BIND, "g-1");
        sy_sched_bind_result(f->s, bind.ticket, SY_BIND_RESULT_REFUSED, "no", f->now);
        refusals++;
    }
    assert_true(refusals > 3);
    assert_non_null(heard(f, SY_DECIDE_BIND, "single"));
    assert_string_equal(heard(f, SY_DECIDE_CONDITION, "g-1")->message,
                        "gang default/g: 1 members were not bound in time and gave their places "
                        "back; 1 are bound and stay");
}

static void test_a_member_that_goes_in_mid_bind(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 4, 8);
    put_gang(f, "g", 0, 4, "4", 8);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 4);
    struct said gone = *heard(f, SY_DECIDE_BIND, "g-2");
    delete_member(f, "g", 2);
    acknowledge(f, "g", "4", 8); /* its bind too is answered, and the watch is behind */
    delete_member(f, "g", 2);
    sy_sched_bind_result(f->s, gone.ticket, SY_BIND_RESULT_GONE, NULL, f->now);
    assert_int_equal(sy_sched_binds_in_flight(f->s), 0);
    put_gang(f, "g", 7, 8, "4", 8); /* what comes in its place */
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 1);
    assert_string_equal(heard(f, SY_DECIDE_BIND, "g-7")->node, gone.node);
}

/* A restart in mid-bind: those that are bound count, and the rest go together. */
static void test_bound_members_count_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod;
    char node[16];

    put_nodes(f, 4, 8);
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(node, sizeof(node), "n%u", i);
        pod = member(f, "g", i, "4", 8);
        pod.node = core_id(&f->k, node);
        put_pod(f, pod);
    }
    put_gang(f, "g", 2, 4, "4", 8);
    pod = core_pod(&f->k, "in-the-way", 100, 64, 8);
    pod.node = core_id(&f->k, "n3");
    put_pod(f, pod);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    assert_string_equal(heard(f, SY_DECIDE_EVENT, NULL)->message,
                        "gang default/g: 3 of 4 members fit; member g-3: 0/4 nodes are available: "
                        "4 Insufficient nvidia.com/gpu.");
    sy_sched_pod_deleted(f->s, SY_STR("uid-in-the-way"), f->now);
    run_later(f, 2);
    assert_int_equal(count(f, SY_DECIDE_BIND), 2);
}

/* -- topology -- */

static struct sy_pod near(struct fixture *f, uint32_t i, const char *topology, int64_t gpus)
{
    struct sy_pod pod = member(f, "g", i, NULL, gpus);
    struct sy_label *p = sy_arena_array(&f->k.arena, 2, sizeof(*p));

    p[0] = (struct sy_label){core_id(&f->k, "steelyard.dev/min-member"), core_id(&f->k, "4")};
    p[1] = (struct sy_label){core_id(&f->k, topology), core_id(&f->k, "rack")};
    pod.annotations = (struct sy_labels){p, sy_labels_sort(p, 2)};
    return pod;
}

/* Racks a (8 nodes), b (4 nodes), c (3 nodes). */
static void put_racks(struct fixture *f)
{
    static const char RACKS[] = "aaaaaaaabbbbccc";
    char name[16], rack[2] = "";

    for (uint32_t i = 0; RACKS[i]; i++) {
        snprintf(name, sizeof(name), "%c%u", RACKS[i], i);
        rack[0] = RACKS[i];
        struct sy_node node = core_node(&f->k, name, 64000, 65536, 8);
        node.labels = core_label(&f->k, "rack", rack);
        put_node(f, node);
    }
}

static void test_goes_to_the_tightest_domain(void **state)
{
    struct fixture *f = *state;

    put_racks(f);
    for (uint32_t i = 0; i < 4; i++)
        put_pod(f, near(f, i, "steelyard.dev/required-topology", 8));
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 4);
    for (size_t i = 0; i < f->said.len; i++)
        assert_int_equal(f->said.p[i].node[0], 'b');
}

static void test_tries_another_domain_when_the_tightest_fails(void **state)
{
    struct fixture *f = *state;
    struct sy_pod filler = core_pod(&f->k, "filler", 100, 64, 1);

    put_racks(f);
    filler.node = core_id(&f->k, "b8");
    put_pod(f, filler); /* sums say 31 of 32 GPUs are free, but no node for the fourth 7 */
    filler = core_pod(&f->k, "filler2", 100, 64, 1);
    filler.node = core_id(&f->k, "b8");
    put_pod(f, filler);
    for (uint32_t i = 0; i < 4; i++)
        put_pod(f, near(f, i, "steelyard.dev/required-topology", 7));
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 4);
    for (size_t i = 0; i < f->said.len; i++)
        assert_int_equal(f->said.p[i].node[0], 'a');
}

static void fill_rack(struct fixture *f, const char *node)
{
    char name[32];

    snprintf(name, sizeof(name), "fill-%s", node);
    struct sy_pod filler = core_pod(&f->k, name, 100, 64, 8);
    filler.node = core_id(&f->k, node);
    put_pod(f, filler);
}

static void test_required_topology_holds_and_preferred_does_not(void **state)
{
    struct fixture *f = *state;

    put_racks(f);
    fill_rack(f, "b8");
    for (uint32_t i = 0; i < 5; i++) {
        char node[8];
        snprintf(node, sizeof(node), "a%u", i);
        fill_rack(f, node);
    }
    for (uint32_t i = 0; i < 4; i++)
        put_pod(f, near(f, i, "steelyard.dev/required-topology", 8));
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    assert_non_null(
        strstr(heard(f, SY_DECIDE_EVENT, NULL)->message, "3 of 4 members fit in rack="));
    for (uint32_t i = 0; i < 4; i++)
        put_pod(f, near(f, i, "steelyard.dev/preferred-topology", 8));
    run_later(f, 5);
    assert_int_equal(count(f, SY_DECIDE_BIND), 4);
}

static void test_a_topology_that_no_node_has(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 4, 8);
    for (uint32_t i = 0; i < 4; i++)
        put_pod(f, near(f, i, "steelyard.dev/required-topology", 8));
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    assert_string_equal(heard(f, SY_DECIDE_EVENT, NULL)->message,
                        "gang default/g: 0 of 4 members fit; member g-0: no node has the label "
                        "rack that the gang is to be kept together by");
}

/* -- members that need each other -- */

static void test_members_may_come_to_fit_by_others(void **state)
{
    struct fixture *f = *state;
    struct sy_affinity_term *term = sy_arena_alloc(&f->k.arena, sizeof(*term));
    struct sy_requirement *req = sy_arena_alloc(&f->k.arena, sizeof(*req));
    sy_sid *values = sy_arena_array(&f->k.arena, 2, sizeof(*values));
    struct sy_label *labels = sy_arena_array(&f->k.arena, 2, sizeof(*labels));

    for (uint32_t i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof(name), "h%u", i);
        struct sy_node node = core_node(&f->k, name, 64000, 65536, 8);
        node.labels = core_label(&f->k, "host", name);
        put_node(f, node);
    }
    values[0] = core_id(&f->k, "leader");
    values[1] = core_id(&f->k, "default");
    *req = (struct sy_requirement){
        .key = core_id(&f->k, "role"), .op = SY_OP_IN, .values = values, .values_len = 1};
    *term = (struct sy_affinity_term){
        .selector = {.reqs = req, .len = 1},
        .namespaces = &values[1],
        .namespaces_len = 1,
        .namespace_selector = {.is_nil = true},
        .topology_key = core_id(&f->k, "host"),
    };
    struct sy_pod worker = member(f, "g", 0, "2", 1); /* comes first, and wants to be near g-1 */
    worker.spec.affinity = term;
    worker.spec.affinity_len = 1;
    put_pod(f, worker);
    struct sy_pod leader = member(f, "g", 1, "2", 1);
    labels[0] = leader.labels.p[0];
    labels[1] = (struct sy_label){core_id(&f->k, "role"), values[0]};
    leader.labels = (struct sy_labels){labels, sy_labels_sort(labels, 2)};
    put_pod(f, leader);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 2);
    assert_string_equal(heard(f, SY_DECIDE_BIND, "g-0")->node,
                        heard(f, SY_DECIDE_BIND, "g-1")->node);
}

/* -- what pods say -- */

static void read_group(struct fixture *f, const char *label, const char *annotation,
                       struct sy_pod_group *ret)
{
    struct sy_group_keys keys;
    struct sy_pod pod = core_pod(&f->k, "p", 1, 1, 0);

    sy_group_keys_init(&keys, f->k.strings);
    if (label)
        pod.labels = core_label(&f->k, label, "x");
    if (annotation)
        pod.annotations = core_label(&f->k, annotation, "x");
    sy_group_of_pod(&keys, f->k.strings, &pod, ret);
}

static void test_all_ways_to_name_a_group(void **state)
{
    static const struct {
        const char *label, *annotation;
        uint8_t source;
    } CASES[] = {
        {NULL, NULL, SY_GROUP_NONE},
        {"steelyard.dev/pod-group", NULL, SY_GROUP_LABEL},
        {"scheduling.x-k8s.io/pod-group", NULL, SY_GROUP_COSCHEDULE},
        {NULL, "scheduling.k8s.io/group-name", SY_GROUP_VOLCANO},
        {NULL, "scheduling.volcano.sh/group-name", SY_GROUP_VOLCANO},
        {NULL, "volcano.sh/group-name", SY_GROUP_VOLCANO},
        {NULL, "pod-group-name", SY_GROUP_KAI},
        {NULL, "steelyard.dev/pod-group", SY_GROUP_NONE},
        {"steelyard.dev/pod-group", "pod-group-name", SY_GROUP_LABEL},
    };
    struct fixture *f = *state;
    struct sy_pod_group group;

    for (size_t i = 0; i < SY_ARRAY_LEN(CASES); i++) {
        read_group(f, CASES[i].label, CASES[i].annotation, &group);
        assert_int_equal(group.source, CASES[i].source);
        assert_int_equal(group.name, CASES[i].source ? core_id(&f->k, "x") : 0);
        assert_false(group.is_malformed);
    }
    struct sy_group_keys keys;
    struct sy_pod pod = core_pod(&f->k, "p", 1, 1, 0);
    sy_group_keys_init(&keys, f->k.strings);
    pod.spec.scheduling_group = core_id(&f->k, "native");
    pod.labels = core_label(&f->k, "steelyard.dev/pod-group", "x");
    sy_group_of_pod(&keys, f->k.strings, &pod, &group);
    assert_int_equal(group.source, SY_GROUP_NATIVE);
    assert_int_equal(group.name, core_id(&f->k, "native"));
}

static void test_malformed_terms_hold_the_gang(void **state)
{
    static const char *const BAD[] = {"0", "-1", "two", "99999999999", "1.5"};
    struct fixture *f = *state;
    char name[16];

    put_nodes(f, 1, 8);
    for (uint32_t i = 0; i < SY_ARRAY_LEN(BAD); i++) {
        snprintf(name, sizeof(name), "bad%u", i);
        put_gang(f, name, 0, 1, BAD[i], 1);
    }
    run(f);
    run_later(f, 3);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    assert_int_equal(with_reason(f, "WaitingForGang"), SY_ARRAY_LEN(BAD));
    assert_non_null(strstr(heard(f, SY_DECIDE_CONDITION, "bad0-0")->message, "not a number"));
    put_gang(f, "bad0", 0, 1, "1", 1);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 1);
}

static void test_leaving_a_group_sets_a_pod_free(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = member(f, "g", 0, "5", 1);

    put_nodes(f, 1, 8);
    put_pod(f, pod);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    pod.labels = (struct sy_labels){0};
    put_pod(f, pod);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 1);
}

static void test_a_new_configuration_keeps_gangs_together(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 1, 8);
    put_gang(f, "g", 0, 2, "2", 5);
    run(f);
    sy_sched_configure(f->s, &f->options, f->now);
    run_later(f, 11);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    assert_int_equal(sy_sched_stats(f->s)->in_gangs, 2);
    put_node(f, core_node(&f->k, "n9", 64000, 65536, 8));
    run_later(f, 11);
    assert_int_equal(count(f, SY_DECIDE_BIND), 2);
}

/* -- random arrivals and failures -- */

enum { RANDOM_NODES = 12, RANDOM_GANGS = 24, RANDOM_MEMBERS = 9 };

struct live {
    uint32_t id, members, min, gpus;
    bool is_there[RANDOM_MEMBERS], is_bound[RANDOM_MEMBERS], is_sent[RANDOM_MEMBERS];
    char node[RANDOM_MEMBERS][64];
    bool was_whole;
};

struct world {
    struct fixture *f;
    struct sy_rng rng;
    struct live live[RANDOM_GANGS];
    uint32_t next_id;
    uint64_t arrived, completed, refused;
    SY_VEC(struct said) pending; /* binds whose answer is out */
};

static struct sy_pod live_pod(struct world *w, const struct live *g, uint32_t i)
{
    char name[32], min[16];

    snprintf(name, sizeof(name), "r%u", g->id);
    snprintf(min, sizeof(min), "%u", g->min);
    return member(w->f, name, i, min, g->gpus);
}

static struct live *find_live(struct world *w, const char *name, uint32_t *ret_member)
{
    unsigned id, i;

    assert_int_equal(sscanf(name, "r%u-%u", &id, &i), 2);
    *ret_member = i;
    for (size_t g = 0; g < RANDOM_GANGS; g++) {
        if (w->live[g].members && w->live[g].id == id)
            return &w->live[g];
    }
    return NULL;
}

static void arrive(struct world *w)
{
    struct live *g = NULL;

    for (size_t i = 0; i < RANDOM_GANGS && !g; i++)
        g = w->live[i].members ? NULL : &w->live[i];
    if (!g)
        return;
    *g = (struct live){.id = w->next_id++};
    g->members = 1 + (uint32_t)sy_rng_below(&w->rng, RANDOM_MEMBERS);
    g->min = 1 + (uint32_t)sy_rng_below(&w->rng, g->members);
    g->gpus = 1 + (uint32_t)sy_rng_below(&w->rng, 8);
    for (uint32_t i = 0; i < g->members; i++) {
        put_pod(w->f, live_pod(w, g, i));
        g->is_there[i] = true;
    }
    w->arrived++;
}

static void remove_member(struct world *w, struct live *g, uint32_t i)
{
    char name[32];

    if (!g->is_there[i])
        return;
    snprintf(name, sizeof(name), "r%u", g->id);
    delete_member(w->f, name, i);
    g->is_there[i] = g->is_bound[i] = g->is_sent[i] = false;
}

static void leave_all(struct world *w, struct live *g)
{
    for (uint32_t i = 0; i < g->members; i++)
        remove_member(w, g, i);
    *g = (struct live){0};
    w->completed++;
}

/* The first bind of a gang goes out with those of all that its minimum asks for. */
static void check_said(struct world *w)
{
    const struct sy_cluster *c = sy_sched_cluster(w->f->s);

    for (size_t n = 0; n < w->f->said.len; n++) {
        const struct said *d = &w->f->said.p[n];
        uint32_t i;
        if (d->kind != SY_DECIDE_BIND)
            continue;
        struct live *g = find_live(w, d->name, &i);
        assert_non_null(g);
        assert_true(g->is_there[i] && !g->is_bound[i]);
        g->is_sent[i] = true;
        copy_text(g->node[i], sizeof(g->node[i]), d->node);
        sy_vec_push(&w->pending, *d);
    }
    for (size_t n = 0; n < RANDOM_GANGS; n++) {
        struct live *g = &w->live[n];
        uint32_t sent = 0;
        for (uint32_t i = 0; i < g->members; i++)
            sent += g->is_sent[i];
        if (sent && !g->was_whole) {
            assert_true(sent >= g->min);
            g->was_whole = true;
        }
    }
    for (uint32_t node = 0; node < c->nodes_len; node++) {
        for (uint32_t r = 0; r < c->columns_len; r++)
            assert_true(c->columns[r].used[node] <= c->columns[r].allocatable[node]);
    }
}

static void answer(struct world *w)
{
    if (!w->pending.len)
        return;
    size_t at = (size_t)sy_rng_below(&w->rng, w->pending.len);
    struct said d = w->pending.p[at];
    uint32_t i;
    sy_vec_swap_remove(&w->pending, at);
    struct live *g = find_live(w, d.name, &i);
    if (!g || !g->is_there[i]) {
        sy_sched_bind_result(w->f->s, d.ticket, SY_BIND_RESULT_GONE, NULL, w->f->now);
        return;
    }
    if (sy_rng_below(&w->rng, 4) == 0) {
        w->refused++;
        sy_sched_bind_result(w->f->s, d.ticket, SY_BIND_RESULT_REFUSED, "no", w->f->now);
        return;
    }
    struct sy_pod pod = live_pod(w, g, i);
    pod.node = core_id(&w->f->k, d.node);
    bool watch_is_first = sy_rng_below(&w->rng, 2);
    if (watch_is_first)
        put_pod(w->f, pod);
    sy_sched_bind_result(w->f->s, d.ticket, SY_BIND_RESULT_OK, NULL, w->f->now);
    if (!watch_is_first)
        put_pod(w->f, pod);
    g->is_bound[i] = true;
}

static void step(struct world *w)
{
    struct live *g = &w->live[sy_rng_below(&w->rng, RANDOM_GANGS)];

    switch (sy_rng_below(&w->rng, 8)) {
    case 0:
    case 1:
        arrive(w);
        break;
    case 2:
        if (g->members)
            leave_all(w, g);
        break;
    case 3:
        if (g->members && sy_rng_below(&w->rng, 4) == 0)
            remove_member(w, g, (uint32_t)sy_rng_below(&w->rng, g->members));
        break;
    case 4:
        w->f->now += (int64_t)sy_rng_below(&w->rng, 5) * SY_NS_PER_S;
        break;
    default:
        answer(w);
        break;
    }
    run(w->f);
    check_said(w);
}

static void test_random_arrivals_and_failures(void **state)
{
    struct fixture *f = *state;
    struct world w = {.f = f};
    const char *more = getenv("STEELYARD_GANG_ARRIVALS");
    uint64_t wanted = 1500;
    char text[256];

    if (more)
        assert_int_equal(sy_str_u64(sy_str_from(more), &wanted), 0);
    if (more) { /* a long run compares less often what was computed with what is */
        sy_sched_free(f->s);
        f->options.exact = false;
        begin(f);
    }
    sy_rng_seed(&w.rng, 7);
    put_nodes(f, RANDOM_NODES, 8);
    for (uint64_t n = 0; w.arrived < wanted; n++) {
        step(&w);
        if (n % 1000 == 0)
            assert_null(sy_cluster_audit(sy_sched_cluster(f->s), text, sizeof(text)));
        if (n % 4096 == 0 && more) { /* what the arena holds is not needed any more */
            for (size_t g = 0; g < RANDOM_GANGS; g++) {
                if (w.live[g].members)
                    leave_all(&w, &w.live[g]);
            }
            while (w.pending.len)
                answer(&w);
            run(f);
            sy_arena_reset(&f->k.arena);
        }
    }
    assert_true(w.completed > wanted / 2);
    assert_true(w.refused > wanted / 10);
    /* In the end all leave, and nothing of them is left. */
    for (size_t g = 0; g < RANDOM_GANGS; g++) {
        if (w.live[g].members)
            leave_all(&w, &w.live[g]);
    }
    while (w.pending.len)
        answer(&w);
    run(f);
    assert_int_equal(sy_sched_cluster(f->s)->pods_alive, 0);
    assert_int_equal(sy_sched_stats(f->s)->in_gangs, 0);
    assert_int_equal(sy_sched_stats(f->s)->unschedulable, 0);
    sy_vec_done(&w.pending);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_waits_until_all_members_are_there),
        CASE(test_gated_members_do_not_count),
        CASE(test_binds_nothing_when_one_does_not_fit),
        CASE(test_a_gang_without_room_does_not_stop_others),
        CASE(test_a_try_wakes_nobody),
        CASE(test_members_above_the_minimum_follow_singly),
        CASE(test_no_deadlock),
        CASE(test_priority_is_the_highest_members),
        CASE(test_a_refused_bind_keeps_its_place),
        CASE(test_places_are_given_back_in_the_end),
        CASE(test_a_member_that_goes_in_mid_bind),
        CASE(test_bound_members_count_after_a_restart),
        CASE(test_goes_to_the_tightest_domain),
        CASE(test_tries_another_domain_when_the_tightest_fails),
        CASE(test_required_topology_holds_and_preferred_does_not),
        CASE(test_a_topology_that_no_node_has),
        CASE(test_members_may_come_to_fit_by_others),
        CASE(test_all_ways_to_name_a_group),
        CASE(test_malformed_terms_hold_the_gang),
        CASE(test_leaving_a_group_sets_a_pod_free),
        CASE(test_a_new_configuration_keeps_gangs_together),
        CASE(test_random_arrivals_and_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
