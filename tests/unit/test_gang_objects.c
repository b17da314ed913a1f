/* SPDX-License-Identifier: Apache-2.0
 *
 * PodGroup objects beside the pods that name them: decoding, terms, what their status is told. */
#include "gang_world.h"
#include "kube/decode.h"

static struct sy_group_object object(struct fixture *f, const char *name, uint32_t min)
{
    return (struct sy_group_object){
        .source = SY_GROUP_COSCHEDULE,
        .ns = core_id(&f->k, "default"),
        .name = core_id(&f->k, name),
        .uid = SY_STR("uid-1"),
        .min_members = min,
    };
}

/* A member by label scheduling.x-k8s.io/pod-group, which has PodGroups. */
static struct sy_pod labelled(struct fixture *f, const char *gang, uint32_t i, int64_t gpus)
{
    struct sy_pod pod = member(f, gang, i, NULL, gpus);

    pod.labels = core_label(&f->k, "scheduling.x-k8s.io/pod-group", gang);
    return pod;
}

static void put_labelled(struct fixture *f, const char *gang, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        put_pod(f, labelled(f, gang, i, 1));
}

static void know(struct fixture *f)
{
    sy_sched_pod_groups_replace_begin(f->s, SY_GROUP_COSCHEDULE);
    sy_sched_pod_groups_replace_end(f->s, SY_GROUP_COSCHEDULE);
}

static void test_the_object_says_the_minimum(void **state)
{
    struct fixture *f = *state;
    struct sy_group_object o = object(f, "g", 3);

    put_nodes(f, 1, 8);
    know(f);
    sy_sched_pod_group(f->s, &o);
    put_labelled(f, "g", 0, 2);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    put_labelled(f, "g", 2, 3);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 3);
}

/* It counts more than what the pods say, and may change. */
static void test_the_object_wins_over_annotations(void **state)
{
    struct fixture *f = *state;
    struct sy_group_object o = object(f, "g", 2);

    put_nodes(f, 1, 8);
    know(f);
    for (uint32_t i = 0; i < 2; i++) {
        struct sy_pod pod = labelled(f, "g", i, 1);
        pod.annotations = core_label(&f->k, "steelyard.dev/min-member", "5");
        put_pod(f, pod);
    }
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    o.min_members = 3;
    sy_sched_pod_group(f->s, &o);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    o.min_members = 2;
    sy_sched_pod_group(f->s, &o);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 2);
}

static void test_members_wait_for_their_object(void **state)
{
    struct fixture *f = *state;
    struct sy_group_object o = object(f, "g", 2);

    put_nodes(f, 1, 8);
    know(f);
    put_labelled(f, "g", 0, 2);
    run(f);
    run_later(f, 3);
    assert_int_equal(with_reason(f, "WaitingForGang"), 2);
    assert_string_equal(heard(f, SY_DECIDE_CONDITION, "g-0")->message,
                        "waiting for the PodGroup default/g: there is none yet");
    sy_sched_pod_group(f->s, &o);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 2);
}

/* Not installed, installed, removed: what pods say counts while there are no objects. */
static void test_the_api_comes_and_goes(void **state)
{
    struct fixture *f = *state;

    put_nodes(f, 1, 8);
    put_labelled(f, "before", 0, 1);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 1);
    know(f);
    put_labelled(f, "after", 0, 1);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 0);
    sy_sched_pod_groups_absent(f->s, SY_GROUP_COSCHEDULE);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 1);
}

static void test_a_deleted_object_does_not_hold_up_a_gang_that_runs(void **state)
{
    struct fixture *f = *state;
    struct sy_group_object o = object(f, "g", 2);

    put_nodes(f, 1, 8);
    know(f);
    sy_sched_pod_group(f->s, &o);
    put_labelled(f, "g", 0, 2);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 2);
    sy_sched_pod_group_deleted(f->s, o.source, o.ns, o.name);
    put_labelled(f, "g", 2, 3);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 1);
}

static void test_a_list_without_it_deletes_it(void **state)
{
    struct fixture *f = *state;
    struct sy_group_object o = object(f, "g", 1), other = object(f, "other", 1);

    put_nodes(f, 1, 8);
    know(f);
    sy_sched_pod_group(f->s, &o);
    sy_sched_pod_groups_replace_begin(f->s, o.source);
    sy_sched_pod_group(f->s, &other);
    sy_sched_pod_groups_replace_end(f->s, o.source);
    put_labelled(f, "g", 0, 1);
    put_labelled(f, "other", 0, 1);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 1);
    assert_non_null(heard(f, SY_DECIDE_BIND, "other-0"));
}

static void test_a_basic_group_is_no_gang(void **state)
{
    struct fixture *f = *state;
    struct sy_group_object o = object(f, "g", 0);

    o.source = SY_GROUP_NATIVE;
    o.is_single = true;
    put_nodes(f, 1, 1);
    sy_sched_pod_groups_replace_begin(f->s, o.source);
    sy_sched_pod_group(f->s, &o);
    sy_sched_pod_groups_replace_end(f->s, o.source);
    for (uint32_t i = 0; i < 2; i++) {
        struct sy_pod pod = member(f, "g", i, NULL, 1);
        pod.labels = (struct sy_labels){0};
        pod.spec.scheduling_group = core_id(&f->k, "g");
        put_pod(f, pod);
    }
    run(f);
    assert_int_equal(count(f, SY_DECIDE_BIND), 1);
    assert_int_equal(count(f, SY_DECIDE_GROUP), 0);
}

static void test_phases_are_told_once_each(void **state)
{
    struct fixture *f = *state;
    struct sy_group_object o = object(f, "g", 2);

    put_nodes(f, 1, 8);
    know(f);
    sy_sched_pod_group(f->s, &o);
    put_labelled(f, "g", 0, 1);
    run(f);
    assert_int_equal(count(f, SY_DECIDE_GROUP), 1);
    assert_string_equal(heard(f, SY_DECIDE_GROUP, "g")->reason, "Pending");
    run_later(f, 60);
    assert_int_equal(count(f, SY_DECIDE_GROUP), 0);
    put_labelled(f, "g", 1, 2);
    run(f);
    assert_string_equal(heard(f, SY_DECIDE_GROUP, "g")->reason, "Scheduling");
    assert_int_equal(count(f, SY_DECIDE_BIND), 2);
    for (uint32_t i = 0; i < 2; i++) {
        struct sy_pod pod = labelled(f, "g", i, 1);
        pod.node = core_id(&f->k, "n0");
        pod.phase = SY_PHASE_RUNNING;
        put_pod(f, pod);
    }
    run(f);
    assert_int_equal(count(f, SY_DECIDE_GROUP), 1);
    assert_string_equal(heard(f, SY_DECIDE_GROUP, "g")->reason, "Running");
}

static void test_pods_of_others_are_none_of_our_business(void **state)
{
    struct fixture *f = *state;
    struct sy_group_object o = object(f, "g", 1);
    struct sy_pod pod = labelled(f, "g", 0, 1);

    know(f);
    sy_sched_pod_group(f->s, &o);
    pod.spec.scheduler_name = core_id(&f->k, "another");
    put_pod(f, pod);
    run(f);
    assert_int_equal(f->said.len, 0);
}

/* -- decoding -- */

static struct sy_group_object decoded(struct fixture *f, uint8_t source, const char *text)
{
    struct sy_group_object o;
    struct sy_decode d;

    sy_decode_init(&d, f->k.strings, 1 << 20);
    assert_int_equal(sy_decode_group(&d, source, SY_ENCODING_JSON, sy_str_from(text), &o, NULL), 0);
    o.uid = (struct sy_str){0};
    sy_decode_done(&d);
    return o;
}

static void test_decodes_all_apis(void **state)
{
    struct fixture *f = *state;
    struct sy_group_object o =
        decoded(f, SY_GROUP_NATIVE,
                "{\"metadata\":{\"name\":\"a\",\"namespace\":\"x\",\"generation\":3},\"spec\":{"
                "\"schedulingPolicy\":{\"gang\":{\"minCount\":4}},\"schedulingConstraints\":{"
                "\"topology\":[{\"key\":\"rack\"}]}},\"status\":{\"conditions\":[{\"type\":"
                "\"PodGroupInitiallyScheduled\",\"status\":\"True\"}]}}");

    assert_int_equal(o.min_members, 4);
    assert_int_equal(o.generation, 3);
    assert_int_equal(o.topology_key, core_id(&f->k, "rack"));
    assert_true(o.topology_is_required && o.was_scheduled && !o.is_single);
    o = decoded(f, SY_GROUP_NATIVE, "{\"spec\":{\"schedulingPolicy\":{\"basic\":{}}}}");
    assert_true(o.is_single);
    o = decoded(f, SY_GROUP_COSCHEDULE,
                "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"minMember\":2,"
                "\"scheduleTimeoutSeconds\":9},\"status\":{\"phase\":\"Running\"}}");
    assert_int_equal(o.min_members, 2);
    assert_int_equal(o.timeout_ns, 9 * SY_NS_PER_S);
    assert_int_equal(o.phase, core_id(&f->k, "Running"));
    o = decoded(f, SY_GROUP_KAI,
                "{\"spec\":{\"minMember\":7,\"topologyConstraint\":{\"preferredTopologyLevel\":"
                "\"zone\"}}}");
    assert_int_equal(o.min_members, 7);
    assert_int_equal(o.topology_key, core_id(&f->k, "zone"));
    assert_false(o.topology_is_required);
    o = decoded(f, SY_GROUP_VOLCANO, "{\"spec\":{\"minMember\":-1}}");
    assert_int_equal(o.min_members, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_the_object_says_the_minimum),
        CASE(test_the_object_wins_over_annotations),
        CASE(test_members_wait_for_their_object),
        CASE(test_the_api_comes_and_goes),
        CASE(test_a_deleted_object_does_not_hold_up_a_gang_that_runs),
        CASE(test_a_list_without_it_deletes_it),
        CASE(test_a_basic_group_is_no_gang),
        CASE(test_phases_are_told_once_each),
        CASE(test_pods_of_others_are_none_of_our_business),
        CASE(test_decodes_all_apis),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
