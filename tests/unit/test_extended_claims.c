/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods that ask by name for resources that only devices serve, through the scheduler: the claim
 * that is made for them, what it is held for, and that it goes when the pod cannot be bound. */
#include "claim_world.h"

/* The class serves x.y/gpu; n1 has that many devices. */
static void serve(struct fixture *f, uint32_t devices)
{
    struct sy_device_slice slice = make_slice(f, "n1", devices);
    struct sy_device_class class = {.resource_version = core_text(&f->k, "2"),
                                    .name = core_id(&f->k, "gpu"),
                                    .extended_resource = core_id(&f->k, "x.y/gpu")};

    put(f, SY_DEVICES_CLASS, &class);
    put(f, SY_DEVICES_SLICE, &slice);
}

/* An init container that asks for so many, and one beside it. */
static struct sy_pod resource_pod(struct fixture *f, const char *name, int64_t init, int64_t main)
{
    struct sy_pod pod = core_pod(&f->k, name, 100, 64, 0);
    struct sy_device_resource *r = room(f, 2, sizeof(*r));
    struct sy_amounts had = pod.spec.requests.requests;
    struct sy_amount *p = room(f, had.len + 1, sizeof(*p));
    uint32_t len = 0;

    r[0] = (struct sy_device_resource){
        core_id(&f->k, "x.y/gpu"), init, core_id(&f->k, "first"), 0, 0, SY_CONTAINER_INIT};
    len += init != 0;
    r[len] = (struct sy_device_resource){
        core_id(&f->k, "x.y/gpu"), main, core_id(&f->k, "c"), (uint16_t)len, 1, SY_CONTAINER_MAIN};
    len++;
    pod.spec.device_resources = r;
    pod.spec.device_resources_len = len;
    memcpy(p, had.p, had.len * sizeof(*p));
    p[had.len] = (struct sy_amount){core_id(&f->k, "x.y/gpu"), init > main ? init : main};
    pod.spec.requests.requests = (struct sy_amounts){p, sy_amounts_sort(p, had.len + 1)};
    return pod;
}

/* As the API server has it that was asked to create it. */
static struct sy_device_claim created(struct fixture *f, struct said create, const char *version)
{
    struct sy_device_claim claim = make_claim(f, create.claim, version);
    char uid[128];

    snprintf(uid, sizeof(uid), "uid-%s", create.name);
    claim.owner_uid = core_text(&f->k, uid);
    claim.is_for_extended = true;
    return claim;
}

static struct said start(struct fixture *f, const struct sy_pod *pod, const char *name)
{
    put_pod(f, pod);
    run(f);
    return take(f, name, SY_CLAIM_CREATE);
}

/* Up to the write of the pod's status; *ret: the claim as it is by then. */
static struct said go_to_tell(struct fixture *f, const char *pod, struct said create,
                              struct sy_device_claim *ret)
{
    struct sy_device_claim claim = created(f, create, "1");

    answer(f, create, SY_CLAIM_RESULT_OK, &claim, NULL);
    put(f, SY_DEVICES_CLAIM, &claim);
    run(f);
    struct said allocate = go_to_allocate(f, pod, claim);
    *ret = allocated(f, claim, "3", "n1", allocate.device, pod);
    answer(f, allocate, SY_CLAIM_RESULT_OK, ret, NULL);
    assert_null(heard(f, SY_DECIDE_BIND, pod));
    return take(f, pod, SY_CLAIM_TELL_POD);
}

static void test_a_claim_is_made_for_a_resource(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = resource_pod(f, "p", 2, 1);
    struct sy_device_claim claim;
    char want[BODY_MAX];

    serve(f, 2);
    struct said create = start(f, &pod, "p");
    assert_int_equal(strlen(create.claim), strlen("p-extended-resources-") + 5);
    snprintf(
        want, sizeof(want),
        "{\"apiVersion\":\"resource.k8s.io/v1\",\"kind\":\"ResourceClaim\",\"metadata\":{\"name\":"
        "\"%s\",\"generateName\":\"p-extended-resources-\",\"namespace\":\"default\","
        "\"annotations\":{\"resource.kubernetes.io/extended-resource-claim\":\"true\"},"
        "\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"controller\":true,\"name\":"
        "\"p\",\"uid\":\"uid-p\"}]},\"spec\":{\"devices\":{\"requests\":[{\"name\":"
        "\"container-0-request-0\",\"exactly\":{\"deviceClassName\":\"gpu\",\"allocationMode\":"
        "\"ExactCount\",\"count\":1}},{\"name\":\"container-1-request-1\",\"exactly\":{"
        "\"deviceClassName\":\"gpu\",\"allocationMode\":\"ExactCount\",\"count\":1}}]}}}",
        create.claim);
    assert_string_equal(create.body, want);
    struct said tell = go_to_tell(f, "p", create, &claim);
    snprintf(want, sizeof(want),
             "{\"metadata\":{\"uid\":\"uid-p\"},\"status\":{\"extendedResourceClaimStatus\":{"
             "\"resourceClaimName\":\"%s\",\"requestMappings\":[{\"containerName\":\"c\","
             "\"resourceName\":\"x.y/gpu\",\"requestName\":\"container-1-request-1\"},{"
             "\"containerName\":\"first\",\"resourceName\":\"x.y/gpu\",\"requestName\":"
             "\"container-1-request-1\"},{\"containerName\":\"first\",\"resourceName\":\"x.y/gpu\","
             "\"requestName\":\"container-0-request-0\"}]}}}",
             create.claim);
    assert_string_equal(tell.body, want);
    answer(f, tell, SY_CLAIM_RESULT_OK, NULL, NULL);
    assert_string_equal(heard(f, SY_DECIDE_BIND, "p")->node, "n1");
}

/* From the decision on, over the creation, to the allocation. */
static void test_devices_are_held_before_there_is_a_claim(void **state)
{
    struct fixture *f = *state;
    struct sy_pod p = resource_pod(f, "p", 0, 1), q = resource_pod(f, "q", 0, 1);

    serve(f, 1);
    put_pod(f, &q);
    put_pod(f, &p);
    run(f);
    assert_says(f, "p", "1 cannot allocate all claims");
    struct said create = take(f, "q", SY_CLAIM_CREATE);
    struct sy_device_claim claim = created(f, create, "1");
    answer(f, create, SY_CLAIM_RESULT_OK, &claim, NULL);
    sy_strings_mark_begin(f->k.strings);
    sy_sched_mark(f->s);
    (void)sy_strings_sweep(f->k.strings);
    assert_null(heard(f, SY_DECIDE_CLAIM, "q")); /* the watch has not told yet */
    f->now += 60 * SY_NS_PER_S;
    run(f);
    assert_null(heard(f, SY_DECIDE_CLAIM, "p"));
    assert_null(heard(f, SY_DECIDE_CLAIM, "q"));
    claim = created(f, create, "1");
    put(f, SY_DEVICES_CLAIM, &claim);
    f->now += 20 * SY_NS_PER_S;
    run(f);
    assert_null(heard(f, SY_DECIDE_CLAIM, "p"));
    (void)take(f, "q", SY_CLAIM_PROTECT);
}

static void test_a_claim_whose_answer_was_lost_is_ours(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = resource_pod(f, "p", 0, 1);

    serve(f, 1);
    struct said create = start(f, &pod, "p");
    struct sy_device_claim claim = created(f, create, "1");
    answer(f, create, SY_CLAIM_RESULT_CONFLICT, &claim, "already exists");
    assert_null(heard(f, SY_DECIDE_CLAIM, "p"));
    put(f, SY_DEVICES_CLAIM, &claim);
    run(f);
    assert_string_equal(take(f, "p", SY_CLAIM_PROTECT).claim, create.claim);
}

static void test_another_s_claim_of_that_name_is_not(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = resource_pod(f, "p", 0, 1);

    serve(f, 1);
    struct said create = start(f, &pod, "p");
    struct sy_device_claim claim = created(f, create, "1");
    claim.owner_uid = core_text(&f->k, "another");
    for (int i = 0; i < 4; i++) {
        answer(f, create, SY_CLAIM_RESULT_CONFLICT, &claim, "already exists");
        create = take(f, "p", SY_CLAIM_CREATE);
    }
    answer(f, create, SY_CLAIM_RESULT_CONFLICT, &claim, "already exists");
    assert_null(heard(f, SY_DECIDE_CLAIM, "p")); /* nothing of ours to delete */
    assert_says(f, "p",
                "running PreBind plugin \"DynamicResources\": create claim for extended resources "
                "default/: already exists");
    f->now += 60 * SY_NS_PER_S;
    run(f);
    assert_string_not_equal(take(f, "p", SY_CLAIM_CREATE).claim, create.claim);
}

static void test_the_claim_goes_when_the_pod_cannot_be_told(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = resource_pod(f, "p", 0, 1);
    struct sy_device_claim claim;

    serve(f, 1);
    struct said create = start(f, &pod, "p");
    answer(f, go_to_tell(f, "p", create, &claim), SY_CLAIM_RESULT_REFUSED, NULL, "no");
    struct said deletion = take(f, "p", SY_CLAIM_DELETE);
    assert_string_equal(deletion.claim, create.claim);
    assert_non_null(strstr(deletion.body, "\"$deleteFromPrimitiveList/finalizers\":["
                                          "\"resource.kubernetes.io/delete-protection\"]"));
    answer(f, deletion, SY_CLAIM_RESULT_OK, NULL, NULL);
    assert_says(f, "p",
                "running PreBind plugin \"DynamicResources\": update pod default/p "
                "ExtendedResourceClaimStatus: no");
    /* Until the watch tells that it has gone it is in the way, and told to go once more. */
    f->now += 60 * SY_NS_PER_S;
    run(f);
    assert_says(f, "p", "1 cannot schedule extended resource claim");
    assert_string_equal(take(f, "p", SY_CLAIM_DELETE).claim, create.claim);
    sy_sched_devices_deleted(f->s, SY_DEVICES_CLAIM, claim.ns, claim.name);
    f->now += 60 * SY_NS_PER_S;
    run(f);
    assert_string_not_equal(take(f, "p", SY_CLAIM_CREATE).claim, create.claim);
}

static void test_the_claim_goes_when_the_bind_is_refused(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = resource_pod(f, "p", 0, 1);
    struct sy_device_claim claim;

    serve(f, 1);
    struct said create = start(f, &pod, "p");
    answer(f, go_to_tell(f, "p", create, &claim), SY_CLAIM_RESULT_OK, NULL, NULL);
    uint64_t ticket = heard(f, SY_DECIDE_BIND, "p")->ticket;
    sy_sched_bind_result(f->s, ticket, SY_BIND_RESULT_REFUSED, "no", f->now);
    assert_string_equal(take(f, "p", SY_CLAIM_DELETE).claim, create.claim);
}

static void test_a_claim_that_never_comes_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = resource_pod(f, "p", 0, 1);

    serve(f, 1);
    struct said create = start(f, &pod, "p");
    struct sy_device_claim claim = created(f, create, "1");
    answer(f, create, SY_CLAIM_RESULT_OK, &claim, NULL);
    f->now += 121 * SY_NS_PER_S;
    run(f);
    answer(f, take(f, "p", SY_CLAIM_DELETE), SY_CLAIM_RESULT_OK, NULL, NULL);
    assert_says(f, "p", "was created, but does not come");
}

static void test_a_pod_that_goes_leaves_nothing_held(void **state)
{
    struct fixture *f = *state;
    struct sy_pod p = resource_pod(f, "p", 0, 1), q = resource_pod(f, "q", 0, 1);

    serve(f, 1);
    struct said create = start(f, &p, "p");
    sy_sched_pod_deleted(f->s, p.uid, f->now);
    put_pod(f, &q);
    run(f);
    assert_null(heard(f, SY_DECIDE_CLAIM, "q")); /* the claim may yet come and be kept */
    answer(f, create, SY_CLAIM_RESULT_REFUSED, NULL, "the pod is gone");
    f->now += 60 * SY_NS_PER_S;
    run(f);
    (void)take(f, "q", SY_CLAIM_CREATE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_claim_is_made_for_a_resource),
        CASE(test_devices_are_held_before_there_is_a_claim),
        CASE(test_a_claim_whose_answer_was_lost_is_ours),
        CASE(test_another_s_claim_of_that_name_is_not),
        CASE(test_the_claim_goes_when_the_pod_cannot_be_told),
        CASE(test_the_claim_goes_when_the_bind_is_refused),
        CASE(test_a_claim_that_never_comes_is_given_up),
        CASE(test_a_pod_that_goes_leaves_nothing_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
