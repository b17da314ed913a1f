/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods with resource claims through the scheduler: what is held and written before they are bound,
 * what becomes of it when a write or a bind fails, and what the API server is told. */
#include "claim_world.h"

/* -- writing -- */

static void test_a_claim_is_allocated_before_its_pod_is_bound(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim claim = make_claim(f, "c", "1");
    struct sy_pod pod = make_pod(f, "p", "c", NULL);

    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, &pod);
    run(f);
    struct said protect = take(f, "p", SY_CLAIM_PROTECT);
    assert_string_equal(protect.version, "1");
    assert_string_equal(protect.body,
                        "{\"metadata\":{\"uid\":\"uid-c\",\"resourceVersion\":\"1\",\"finalizers\":"
                        "[\"resource.kubernetes.io/delete-protection\"]}}");
    struct sy_device_claim now = changed(f, claim, "2");
    answer(f, protect, SY_CLAIM_RESULT_OK, &now, NULL);
    assert_null(heard(f, SY_DECIDE_BIND, "p"));
    struct said allocate = take(f, "p", SY_CLAIM_ALLOCATE);
    assert_string_equal(
        allocate.body,
        "{\"metadata\":{\"uid\":\"uid-c\",\"resourceVersion\":\"2\"},\"status\":{\"allocation\":{"
        "\"allocationTimestamp\":\"1970-01-01T00:00:00Z\",\"devices\":{\"results\":[{\"request\":"
        "\"r\",\"driver\":\"gpu.example.com\",\"pool\":\"n1\",\"device\":\"n1-gpu0\"}]},"
        "\"nodeSelector\":{\"nodeSelectorTerms\":[{\"matchFields\":[{\"key\":\"metadata.name\","
        "\"operator\":\"In\",\"values\":[\"n1\"]}]}]}},\"reservedFor\":[{\"resource\":\"pods\","
        "\"name\":\"p\",\"uid\":\"uid-p\"}]}}");
    now = allocated(f, now, "3", "n1", "n1-gpu0", "p");
    answer(f, allocate, SY_CLAIM_RESULT_OK, &now, NULL);
    const struct said *bind = heard(f, SY_DECIDE_BIND, "p");
    assert_non_null(bind);
    assert_string_equal(bind->node, "n1");
    sy_sched_bind_result(f->s, bind->ticket, SY_BIND_RESULT_OK, NULL, f->now);
    assert_int_equal(sy_sched_stats(f->s)->attempts_scheduled, 1);
}

static void test_a_device_is_promised_once(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim a = make_claim(f, "a", "1"), b = make_claim(f, "b", "1");
    struct sy_pod pa = make_pod(f, "pa", "a", NULL), pb = make_pod(f, "pb", "b", NULL);

    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &a);
    put(f, SY_DEVICES_CLAIM, &b);
    put_pod(f, &pa);
    put_pod(f, &pb);
    run(f);
    assert_null(heard(f, SY_DECIDE_CLAIM, "pb"));
    assert_says(f, "pb", "1 cannot allocate all claims");
    struct said write = take(f, "pa", SY_CLAIM_PROTECT);
    answer(f, write, SY_CLAIM_RESULT_REFUSED, NULL, "no");
    assert_says(
        f, "pa",
        "running PreBind plugin \"DynamicResources\": add finalizer to claim default/a: no");
    run(f);
    (void)take(f, "pb", SY_CLAIM_PROTECT); /* so the device was free again */
}

static void test_pods_share_a_claim_once_it_is_allocated(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim claim = make_claim(f, "c", "1");
    struct sy_pod p = make_pod(f, "p", "c", NULL), q = make_pod(f, "q", "c", NULL);

    put_node(f, "n2");
    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, &p);
    put_pod(f, &q);
    run(f);
    assert_says(f, "q", "resource claim default/c is in the process of being allocated");
    struct said allocate = go_to_allocate(f, "p", claim);
    claim = allocated(f, claim, "3", "n1", "n1-gpu0", "p");
    answer(f, allocate, SY_CLAIM_RESULT_OK, &claim, NULL);
    assert_non_null(heard(f, SY_DECIDE_BIND, "p"));
    run(f);
    struct said reserve = take(f, "q", SY_CLAIM_RESERVE);
    assert_string_equal(reserve.body,
                        "{\"metadata\":{\"uid\":\"uid-c\",\"resourceVersion\":\"3\"},\"status\":{"
                        "\"reservedFor\":[{\"resource\":\"pods\",\"name\":\"q\",\"uid\":\"uid-q\"}"
                        "]}}");
    claim = allocated(f, claim, "4", "n1", "n1-gpu0", "q");
    answer(f, reserve, SY_CLAIM_RESULT_OK, &claim, NULL);
    assert_string_equal(heard(f, SY_DECIDE_BIND, "q")->node, "n1");
}

static void test_a_claim_that_is_reserved_already_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim claim = make_claim(f, "c", "1");
    struct sy_pod pod = make_pod(f, "p", "c", NULL);

    claim = allocated(f, claim, "3", "n1", "n1-gpu0", "p"); /* by one who died before the bind */
    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, &pod);
    run(f);
    assert_null(heard(f, SY_DECIDE_CLAIM, "p"));
    assert_non_null(heard(f, SY_DECIDE_BIND, "p"));
}

/* -- what goes wrong -- */

static void test_a_change_by_another_is_taken_in(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim claim = make_claim(f, "c", "1");
    struct sy_pod pod = make_pod(f, "p", "c", NULL);

    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, &pod);
    run(f);
    struct said write = go_to_allocate(f, "p", claim);
    claim = changed(f, claim, "7");
    answer(f, write, SY_CLAIM_RESULT_CONFLICT, &claim, "modified");
    write = take(f, "p", SY_CLAIM_ALLOCATE);
    assert_string_equal(write.version, "7");
    for (int i = 0; i < 3; i++) {
        answer(f, write, SY_CLAIM_RESULT_CONFLICT, &claim, "modified");
        write = take(f, "p", SY_CLAIM_ALLOCATE);
    }
    answer(f, write, SY_CLAIM_RESULT_CONFLICT, &claim, "modified");
    assert_says(f, "p", "add allocation and reservation to claim default/c: modified");
    assert_int_equal(sy_sched_cluster(f->s)->pods_assumed, 0);
}

static void test_a_write_that_landed_unheard_counts(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim claim = make_claim(f, "c", "1");
    struct sy_pod pod = make_pod(f, "p", "c", NULL);

    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, &pod);
    run(f);
    struct said write = go_to_allocate(f, "p", claim);
    claim = allocated(f, claim, "3", "n1", "n1-gpu0", "p");
    answer(f, write, SY_CLAIM_RESULT_CONFLICT, &claim, "modified");
    const struct said *bind = heard(f, SY_DECIDE_BIND, "p");
    assert_non_null(bind);
    struct said copy = *bind;
    f->said.len = 0;
    /* And is ours to take back. */
    sy_sched_bind_result(f->s, copy.ticket, SY_BIND_RESULT_REFUSED, "no", f->now);
    (void)take(f, "p", SY_CLAIM_UNRESERVE);
}

static void test_another_allocation_ends_the_attempt(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 2);
    struct sy_device_claim claim = make_claim(f, "c", "1");
    struct sy_pod pod = make_pod(f, "p", "c", NULL);

    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, &pod);
    run(f);
    struct said write = go_to_allocate(f, "p", claim);
    claim = allocated(f, claim, "3", "n1", "n1-gpu1", NULL);
    answer(f, write, SY_CLAIM_RESULT_CONFLICT, &claim, "modified");
    assert_says(f, "p", "claim default/c got allocated elsewhere in the meantime");
    f->now += 2 * SY_NS_PER_S;
    run(f);
    (void)take(f, "p", SY_CLAIM_RESERVE);
}

static void test_both_claims_or_none(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 2);
    struct sy_device_claim a = make_claim(f, "a", "1"), b = make_claim(f, "b", "1");
    struct sy_pod pod = make_pod(f, "p", "a", "b");

    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &a);
    put(f, SY_DEVICES_CLAIM, &b);
    put_pod(f, &pod);
    run(f);
    struct said write = go_to_allocate(f, "p", a);
    a = allocated(f, a, "3", "n1", write.device, "p");
    answer(f, write, SY_CLAIM_RESULT_OK, &a, NULL);
    assert_null(heard(f, SY_DECIDE_BIND, "p"));
    write = go_to_allocate(f, "p", b);
    answer(f, write, SY_CLAIM_RESULT_REFUSED, NULL, "forbidden");
    assert_null(heard(f, SY_DECIDE_CONDITION, "p")); /* first it is taken back */
    struct said undo = take(f, "p", SY_CLAIM_UNRESERVE);
    assert_string_equal(undo.claim, "a");
    assert_string_equal(undo.body, "{\"metadata\":{\"uid\":\"uid-a\"},\"status\":{\"reservedFor\":"
                                   "[{\"$patch\":\"delete\",\"uid\":\"uid-p\"}]}}");
    a.reserved_for_len = 0;
    a = changed(f, a, "4");
    answer(f, undo, SY_CLAIM_RESULT_OK, &a, NULL);
    assert_says(f, "p", "add allocation and reservation to claim default/b: forbidden");
    assert_null(heard(f, SY_DECIDE_BIND, "p"));
    assert_int_equal(sy_sched_cluster(f->s)->pods_assumed, 0);
}

static void test_a_refused_bind_gives_the_reservation_back(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim claim = make_claim(f, "c", "1");
    struct sy_pod pod = make_pod(f, "p", "c", NULL);

    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, &pod);
    run(f);
    struct said write = go_to_allocate(f, "p", claim);
    claim = allocated(f, claim, "3", "n1", "n1-gpu0", "p");
    answer(f, write, SY_CLAIM_RESULT_OK, &claim, NULL);
    struct said bind = *heard(f, SY_DECIDE_BIND, "p");
    f->said.len = 0;
    sy_sched_bind_result(f->s, bind.ticket, SY_BIND_RESULT_REFUSED, "no", f->now);
    struct said undo = take(f, "p", SY_CLAIM_UNRESERVE);
    assert_int_equal(sy_sched_binds_in_flight(f->s), 0);
    answer(f, undo, SY_CLAIM_RESULT_REFUSED, NULL, "gone"); /* no matter: it is retried then */
    assert_says(f, "p", "no");
    f->now += 2 * SY_NS_PER_S;
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "p"));
}

static void test_devices_stay_taken_until_a_write_has_ended(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim a = make_claim(f, "a", "1"), b = make_claim(f, "b", "1");
    struct sy_pod pa = make_pod(f, "pa", "a", NULL), pb = make_pod(f, "pb", "b", NULL);

    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &a);
    put(f, SY_DEVICES_CLAIM, &b);
    put_pod(f, &pa);
    run(f);
    struct said write = go_to_allocate(f, "pa", a);
    sy_sched_pod_deleted(f->s, pa.uid, f->now);
    put_pod(f, &pb);
    run(f);
    assert_null(heard(f, SY_DECIDE_CLAIM, "pb")); /* the allocation may yet land */
    answer(f, write, SY_CLAIM_RESULT_REFUSED, NULL, "gone");
    answer(f, write, SY_CLAIM_RESULT_REFUSED, NULL, "gone"); /* nobody awaits it any more */
    run(f);
    (void)take(f, "pb", SY_CLAIM_PROTECT);
}

static void test_the_watch_may_be_behind_an_answer(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim a = make_claim(f, "a", "1"), b = make_claim(f, "b", "1");
    struct sy_pod pa = make_pod(f, "pa", "a", NULL), pb = make_pod(f, "pb", "b", NULL);

    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &a);
    put(f, SY_DEVICES_CLAIM, &b);
    put_pod(f, &pa);
    run(f);
    struct said write = go_to_allocate(f, "pa", a);
    struct sy_device_claim late = changed(f, a, "2"),
                           now = allocated(f, a, "10", "n1", "n1-gpu0", "pa");
    answer(f, write, SY_CLAIM_RESULT_OK, &now, NULL);
    put(f, SY_DEVICES_CLAIM, &late);
    put_pod(f, &pb);
    run(f);
    assert_null(heard(f, SY_DECIDE_CLAIM, "pb"));
    put(f, SY_DEVICES_CLAIM, &now); /* it has caught up */
    late = changed(f, a, "11");
    put(f, SY_DEVICES_CLAIM, &late); /* and goes on: deallocated */
    run(f);
    (void)take(f, "pb", SY_CLAIM_PROTECT);
}

static void test_an_answer_about_a_claim_that_is_gone_brings_nothing(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim a = make_claim(f, "a", "1"), b = make_claim(f, "b", "1");
    struct sy_pod pa = make_pod(f, "pa", "a", NULL), pb = make_pod(f, "pb", "b", NULL);

    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &a);
    put(f, SY_DEVICES_CLAIM, &b);
    put_pod(f, &pa);
    run(f);
    struct said write = go_to_allocate(f, "pa", a);
    sy_sched_devices_deleted(f->s, SY_DEVICES_CLAIM, a.ns, a.name);
    a = allocated(f, a, "3", "n1", "n1-gpu0", "pa");
    answer(f, write, SY_CLAIM_RESULT_OK, &a, NULL);
    put_pod(f, &pb);
    run(f);
    (void)take(f, "pb", SY_CLAIM_PROTECT);
}

static void test_an_allocation_in_the_way_is_undone(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim claim = make_claim(f, "c", "1");
    struct sy_pod pod = make_pod(f, "p", "c", NULL);

    put_node(f, "n2");
    put(f, SY_DEVICES_SLICE, &slice);
    claim = allocated(f, claim, "3", "n3", "n3-gpu0", NULL); /* whose node is not there */
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, &pod);
    run(f);
    assert_says(f, "p", "2 resourceclaim not available on the node");
    struct said undo = take(f, "p", SY_CLAIM_DEALLOCATE);
    assert_string_equal(undo.version, "3");
    assert_string_equal(undo.body,
                        "{\"metadata\":{\"uid\":\"uid-c\",\"resourceVersion\":\"3\"},\"status\":{"
                        "\"allocation\":null,\"reservedFor\":null,\"devices\":null}}");
    struct sy_device_claim fresh = make_claim(f, "c", "4");
    answer(f, undo, SY_CLAIM_RESULT_OK, &fresh, NULL);
    run(f);
    (void)take(f, "p", SY_CLAIM_PROTECT);
}

static void test_an_allocation_that_others_use_stays(void **state)
{
    struct fixture *f = *state;
    struct sy_device_claim claim = make_claim(f, "c", "1");
    struct sy_pod pod = make_pod(f, "p", "c", NULL);

    claim = allocated(f, claim, "3", "n3", "n3-gpu0", "other");
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, &pod);
    run(f);
    assert_says(f, "p", "1 resourceclaim not available on the node");
    assert_null(heard(f, SY_DECIDE_CLAIM, "p"));
}

static void test_pods_wait_while_devices_are_unknown(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim claim = make_claim(f, "c", "1");
    struct sy_pod pod = make_pod(f, "p", "c", NULL);

    sy_sched_devices_known(f->s, false);
    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, &pod);
    run(f);
    assert_says(f, "p", "resource claims, resource slices or device classes can not be read");
    sy_sched_devices_known(f->s, true);
    run(f);
    (void)take(f, "p", SY_CLAIM_PROTECT);
}

static void test_names_in_use_survive_a_sweep(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim claim = make_claim(f, "c", "1");
    struct sy_pod pod = make_pod(f, "p", "c", NULL);

    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, &pod);
    run(f);
    struct said protect = take(f, "p", SY_CLAIM_PROTECT);
    sy_sched_devices_deleted(f->s, SY_DEVICES_SLICE, 0, slice.name);
    sy_strings_mark_begin(f->k.strings);
    sy_sched_mark(f->s);
    (void)sy_strings_sweep(f->k.strings);
    struct sy_device_claim now = make_claim(f, "c", "2");
    answer(f, protect, SY_CLAIM_RESULT_OK, &now, NULL);
    struct said allocate = take(f, "p", SY_CLAIM_ALLOCATE);
    assert_non_null(strstr(allocate.body, "\"driver\":\"gpu.example.com\",\"pool\":\"n1\","
                                          "\"device\":\"n1-gpu0\""));
}

/* -- drivers that have a say -- */

/* Up to the wait for the driver of a pod's claim, which is returned as it is then. */
static struct sy_device_claim go_to_wait(struct fixture *f, const struct sy_pod *pod)
{
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim claim = make_claim(f, "c", "1");

    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, pod);
    run(f);
    struct said write = go_to_allocate(f, "p", claim);
    claim = allocated(f, claim, "3", "n1", "n1-gpu0", "p");
    claim.is_waiting = true;
    answer(f, write, SY_CLAIM_RESULT_OK, &claim, NULL);
    assert_null(heard(f, SY_DECIDE_BIND, "p"));
    assert_string_equal(heard(f, SY_DECIDE_EVENT, "p")->message,
                        "waiting for binding conditions for device on node n1");
    run(f);
    assert_null(heard(f, SY_DECIDE_BIND, "p"));
    assert_null(heard(f, SY_DECIDE_EVENT, "p"));
    return claim;
}

static void test_a_driver_s_word_is_waited_for(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = make_pod(f, "p", "c", NULL);
    struct sy_device_claim claim = go_to_wait(f, &pod);

    claim = changed(f, claim, "4");
    claim.is_waiting = false;
    put(f, SY_DEVICES_CLAIM, &claim);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "p"));
}

static void test_a_driver_s_no_has_other_devices_tried(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = make_pod(f, "p", "c", NULL);
    struct sy_device_claim claim = go_to_wait(f, &pod);

    claim = changed(f, claim, "4");
    claim.is_waiting = false;
    claim.has_failed = true;
    put(f, SY_DEVICES_CLAIM, &claim);
    run(f);
    struct said undo = take(f, "p", SY_CLAIM_UNRESERVE);
    claim = changed(f, claim, "5");
    claim.reserved_for_len = 0;
    answer(f, undo, SY_CLAIM_RESULT_OK, &claim, NULL);
    assert_says(f, "p", "device binding failed: claim=c");
    f->now += 2 * SY_NS_PER_S;
    run(f);
    (void)take(f, "p", SY_CLAIM_DEALLOCATE);
}

static void test_a_driver_s_silence_has_an_end(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = make_pod(f, "p", "c", NULL);

    (void)go_to_wait(f, &pod);
    f->now += 599 * SY_NS_PER_S;
    run(f);
    assert_null(heard(f, SY_DECIDE_CLAIM, "p"));
    f->now += SY_NS_PER_S;
    run(f);
    struct said undo = take(f, "p", SY_CLAIM_DEALLOCATE);
    struct sy_device_claim fresh = make_claim(f, "c", "4");
    answer(f, undo, SY_CLAIM_RESULT_OK, &fresh, NULL);
    assert_says(f, "p", "device binding timeout: claim=c");
    assert_int_equal(sy_sched_cluster(f->s)->pods_assumed, 0);
}

static void test_a_wait_goes_on_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim claim = make_claim(f, "c", "1");
    struct sy_pod pod = make_pod(f, "p", "c", NULL);

    claim = allocated(f, claim, "3", "n1", "n1-gpu0", "p");
    claim.is_waiting = true;
    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, &pod);
    run(f);
    assert_null(heard(f, SY_DECIDE_CLAIM, "p"));
    assert_null(heard(f, SY_DECIDE_BIND, "p"));
    claim = changed(f, claim, "4");
    claim.is_waiting = false;
    put(f, SY_DEVICES_CLAIM, &claim);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "p"));
}

/* -- what an allocation says -- */

static const struct sy_device_config *config(struct fixture *f, const char *request,
                                             const char *parameters)
{
    struct sy_device_config *p = room(f, 1, sizeof(*p));
    sy_sid *name = room(f, 1, sizeof(*name));

    *name = request ? core_id(&f->k, request) : 0;
    *p = (struct sy_device_config){.requests = name,
                                   .requests_len = request != NULL,
                                   .driver = core_id(&f->k, "gpu.example.com"),
                                   .parameters = core_text(&f->k, parameters)};
    return p;
}

static void test_an_allocation_says_all_that_a_driver_needs(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 2);
    struct sy_device_claim claim = make_claim(f, "c", "1");
    struct sy_pod pod = make_pod(f, "p", "c", NULL);
    struct sy_device_class class = {.resource_version = core_text(&f->k, "2"),
                                    .name = core_id(&f->k, "gpu"),
                                    .config = config(f, NULL, "{\"of\":\"class\"}"),
                                    .config_len = 1};
    const struct sy_toleration tolerations[] = {
        {core_id(&f->k, "k"), core_id(&f->k, ""), SY_TOLERATION_EXISTS, SY_EFFECT_NO_EXECUTE},
        {core_id(&f->k, "l"), core_id(&f->k, "v"), SY_TOLERATION_EQUAL, SY_EFFECT_NONE}};
    const int64_t seconds[] = {60, INT64_MIN};
    struct sy_device_want wants[2] = {
        {.name = core_id(&f->k, "many"), .class = core_id(&f->k, "gpu"), .count = 9},
        {.name = core_id(&f->k, "one"),
         .class = core_id(&f->k, "gpu"),
         .count = 1,
         .tolerations = tolerations,
         .toleration_seconds = seconds,
         .tolerations_len = 2}};
    struct sy_device_want admin = {
        .class = core_id(&f->k, "gpu"), .count = 1, .admin_access = true};
    struct sy_device_request requests[2] = {
        {.name = core_id(&f->k, "r"), .has_alternatives = true, .wants = wants, .wants_len = 2},
        {.name = core_id(&f->k, "s"), .wants = &admin, .wants_len = 1}};
    struct sy_device_config own[3] = {*config(f, "r/many", "{\"lost\":1}"),
                                      *config(f, "r/one", "{\"kept\":1}"), *config(f, "s", "2")};
    struct sy_device *devices = (struct sy_device *)(uintptr_t)slice.devices;
    const struct sy_capacity memory = {.name = core_id(&f->k, "memory"),
                                       .value = {(int64_t)40 << 30, 0, true}};
    sy_sid condition = core_id(&f->k, "ready");

    devices[0].is_shared = true;
    devices[0].capacity = &memory;
    devices[0].capacity_len = 1;
    devices[0].failure_conditions = &condition;
    devices[0].failure_conditions_len = 1;
    claim.requests = requests;
    claim.requests_len = 2;
    claim.config = own;
    claim.config_len = 3;
    put(f, SY_DEVICES_CLASS, &class);
    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, &pod);
    run(f);
    struct said write = go_to_allocate(f, "p", claim);
    static const char *const PARTS[] = {
        "{\"request\":\"r/one\",\"driver\":\"gpu.example.com\",\"pool\":\"n1\",\"device\":"
        "\"n1-gpu0\",\"tolerations\":[{\"operator\":\"Exists\",\"key\":\"k\",\"effect\":"
        "\"NoExecute\",\"tolerationSeconds\":60},{\"operator\":\"Equal\",\"key\":\"l\",\"value\":"
        "\"v\"}],\"bindingFailureConditions\":[\"ready\"],\"shareID\":\"",
        "\",\"consumedCapacity\":{\"memory\":\"40Gi\"}}",
        "{\"request\":\"s\",\"driver\":\"gpu.example.com\",\"pool\":\"n1\",\"device\":\"n1-gpu",
        "\"adminAccess\":true",
        "\"config\":[{\"source\":\"FromClass\",\"opaque\":{\"driver\":\"gpu.example.com\","
        "\"parameters\":{\"of\":\"class\"}}},{\"source\":\"FromClaim\",\"requests\":[\"r/one\"],"
        "\"opaque\":{\"driver\":\"gpu.example.com\",\"parameters\":{\"kept\":1}}},{\"source\":"
        "\"FromClaim\",\"requests\":[\"s\"],\"opaque\":{\"driver\":\"gpu.example.com\","
        "\"parameters\":2}}]",
    };
    for (size_t i = 0; i < SY_ARRAY_LEN(PARTS); i++) {
        if (!strstr(write.body, PARTS[i]))
            fail_msg("no '%s' in '%s'", PARTS[i], write.body);
    }
}

static void test_devices_of_many_nodes_keep_their_selectors(void **state)
{
    struct fixture *f = *state;
    struct sy_device_slice slice = make_slice(f, "n1", 1);
    struct sy_device_claim claim = make_claim(f, "c", "1");
    struct sy_pod pod = make_pod(f, "p", "c", NULL);
    struct sy_node node = core_node(&f->k, "n1", 8000, 8192, 0);
    const sy_sid zones[] = {core_id(&f->k, "z1")};
    const struct sy_requirement zone = {
        .key = core_id(&f->k, "zone"), .op = SY_OP_IN, .values = zones, .values_len = 1};
    const struct sy_node_term term = {.exprs = &zone, .exprs_len = 1};

    node.labels = core_label(&f->k, "zone", "z1");
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    slice.nodes = (struct sy_device_nodes){.selector = {&term, 1, true}};
    put(f, SY_DEVICES_SLICE, &slice);
    put(f, SY_DEVICES_CLAIM, &claim);
    put_pod(f, &pod);
    run(f);
    struct said write = go_to_allocate(f, "p", claim);
    assert_non_null(strstr(write.body, "\"nodeSelector\":{\"nodeSelectorTerms\":[{"
                                       "\"matchExpressions\":[{\"key\":\"zone\",\"operator\":"
                                       "\"In\",\"values\":[\"z1\"]}]}]}"));
    /* Everywhere, but for good where it was first used. */
    struct sy_device_claim other = make_claim(f, "d", "1");
    struct sy_pod second = make_pod(f, "q", "d", NULL);
    struct sy_device_slice bound = make_slice(f, "n2", 1);
    bound.nodes = (struct sy_device_nodes){.all = true};
    ((struct sy_device *)(uintptr_t)bound.devices)[0].binds_to_node = true;
    put(f, SY_DEVICES_SLICE, &bound);
    put(f, SY_DEVICES_CLAIM, &other);
    put_pod(f, &second);
    run(f);
    write = go_to_allocate(f, "q", other);
    assert_non_null(strstr(write.body, "\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":"
                                       "\"In\",\"values\":[\"n1\"]}]"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_claim_is_allocated_before_its_pod_is_bound),
        CASE(test_a_device_is_promised_once),
        CASE(test_pods_share_a_claim_once_it_is_allocated),
        CASE(test_a_claim_that_is_reserved_already_is_left_alone),
        CASE(test_a_change_by_another_is_taken_in),
        CASE(test_a_write_that_landed_unheard_counts),
        CASE(test_another_allocation_ends_the_attempt),
        CASE(test_both_claims_or_none),
        CASE(test_a_refused_bind_gives_the_reservation_back),
        CASE(test_devices_stay_taken_until_a_write_has_ended),
        CASE(test_the_watch_may_be_behind_an_answer),
        CASE(test_an_answer_about_a_claim_that_is_gone_brings_nothing),
        CASE(test_an_allocation_in_the_way_is_undone),
        CASE(test_an_allocation_that_others_use_stays),
        CASE(test_pods_wait_while_devices_are_unknown),
        CASE(test_names_in_use_survive_a_sweep),
        CASE(test_a_driver_s_word_is_waited_for),
        CASE(test_a_driver_s_no_has_other_devices_tried),
        CASE(test_a_driver_s_silence_has_an_end),
        CASE(test_a_wait_goes_on_after_a_restart),
        CASE(test_an_allocation_says_all_that_a_driver_needs),
        CASE(test_devices_of_many_nodes_keep_their_selectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
