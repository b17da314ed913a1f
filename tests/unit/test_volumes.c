/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods with claims through the scheduler: what is written before they are bound, what is waited
 * for, and what ends the wait; and what the volume plugins say where tests/oracle has no cases. */
#include "core_sched.h"
#include "sched/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct said {
    enum sy_decision_kind kind;
    uint64_t ticket;
    char name[64], node[64], reason[64], message[1200];
    char volume[64], claim[64], version[32], uid[64];
    bool set_by_controller;
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
    core_keep(said.node, sizeof(said.node), d->node);
    core_keep(said.reason, sizeof(said.reason), d->reason);
    core_keep(said.message, sizeof(said.message), d->message);
    if (d->volume) {
        core_keep(said.volume, sizeof(said.volume), d->volume->volume);
        core_keep(said.claim, sizeof(said.claim), d->volume->claim);
        core_keep(said.version, sizeof(said.version), d->volume->version);
        core_keep(said.uid, sizeof(said.uid), d->volume->claim_uid);
        core_keep(said.node, sizeof(said.node), d->volume->node);
        said.set_by_controller = d->volume->set_by_controller;
    }
    sy_vec_push(&f->said, said);
}

static void put_class(struct fixture *f, const char *name, const char *provisioner)
{
    struct sy_storage_class class = {
        .resource_version = sy_str_from("1"),
        .name = core_id(&f->k, name),
        .provisioner = core_id(&f->k, provisioner),
        .mode = SY_BINDING_WAIT,
        .cannot_provision = strcmp(provisioner, "none") == 0,
    };

    assert_int_equal(sy_sched_storage(f->s, SY_STORAGE_CLASS, &class), 0);
}

static void put_node(struct fixture *f, const char *name)
{
    struct sy_node node = core_node(&f->k, name, 8000, 8192, 0);

    node.labels = core_label(&f->k, "kubernetes.io/hostname", name);
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
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
    put_node(f, "n1");
    put_class(f, "local", "none");
    put_class(f, "made", "disk.example.com");
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

static sy_time_ns run(struct fixture *f)
{
    f->said.len = 0;
    return sy_sched_run(f->s, true, 0, f->now);
}

static const struct said *heard(const struct fixture *f, enum sy_decision_kind kind,
                                const char *name)
{
    for (size_t i = 0; i < f->said.len; i++) {
        if (f->said.p[i].kind == kind && strcmp(f->said.p[i].name, name) == 0)
            return &f->said.p[i];
    }
    return NULL;
}

/* The pod's condition, "" when none was written. */
static const char *condition(const struct fixture *f, const char *name)
{
    const struct said *said = heard(f, SY_DECIDE_CONDITION, name);

    return said ? said->message : "";
}

static void assert_says(const struct fixture *f, const char *name, const char *text)
{
    if (!strstr(condition(f, name), text))
        fail_msg("%s says '%s', not '%s'", name, condition(f, name), text);
}

/* -- objects -- */

static struct sy_pv make_volume(struct fixture *f, const char *name, int64_t bytes,
                                const char *version)
{
    return (struct sy_pv){
        .uid = core_text(&f->k, name),
        .resource_version = core_text(&f->k, version),
        .name = core_id(&f->k, name),
        .class = core_id(&f->k, "local"),
        .capacity_bytes = bytes,
        .access = SY_ACCESS_RWO,
    };
}

static void put_volume(struct fixture *f, const struct sy_pv *pv)
{
    assert_int_equal(sy_sched_storage(f->s, SY_STORAGE_VOLUME, pv), 0);
}

static struct sy_pvc make_claim(struct fixture *f, const char *name, const char *class,
                                const char *version)
{
    char uid[64];

    snprintf(uid, sizeof(uid), "uid-%s", name);
    return (struct sy_pvc){
        .uid = core_text(&f->k, uid),
        .resource_version = core_text(&f->k, version),
        .ns = core_id(&f->k, "default"),
        .name = core_id(&f->k, name),
        .class = core_id(&f->k, class),
        .request_bytes = 5,
        .has_request = true,
        .access = SY_ACCESS_RWO,
        .selector = {.is_nil = true},
    };
}

static void put_claim(struct fixture *f, const struct sy_pvc *claim)
{
    assert_int_equal(sy_sched_storage(f->s, SY_STORAGE_CLAIM, claim), 0);
}

/* As the volume controller leaves a claim. */
static void bind_claim(struct fixture *f, struct sy_pvc *claim, const char *volume,
                       const char *version)
{
    claim->volume = core_id(&f->k, volume);
    claim->bind_completed = true;
    claim->resource_version = core_text(&f->k, version);
    put_claim(f, claim);
}

/* As the API server has a volume after our write. */
static void keep_volume(struct fixture *f, struct sy_pv *pv, const struct sy_pvc *claim,
                        const char *version)
{
    pv->claim = (struct sy_claim_ref){true, claim->ns, claim->name, claim->uid};
    pv->bound_by_controller = true;
    pv->resource_version = core_text(&f->k, version);
    put_volume(f, pv);
}

static struct sy_pod make_pod(struct fixture *f, const char *name, const char *claim)
{
    struct sy_pod pod = core_pod(&f->k, name, 100, 64, 0);
    struct sy_volume *v = sy_arena_alloc(&f->k.arena, sizeof(*v));

    *v = (struct sy_volume){.kind = SY_VOLUME_CLAIM, .name = core_id(&f->k, claim)};
    pod.spec.volumes = v;
    pod.spec.volumes_len = 1;
    return pod;
}

static void put_pod(struct fixture *f, const struct sy_pod *pod)
{
    assert_int_equal(sy_sched_pod(f->s, pod, f->now), 0);
}

static void acknowledge(struct fixture *f, struct sy_pod pod, struct said bind)
{
    sy_sched_bind_result(f->s, bind.ticket, SY_BIND_RESULT_OK, NULL, f->now);
    pod.node = core_id(&f->k, bind.node);
    put_pod(f, &pod);
}

static void written(struct fixture *f, const struct said *write)
{
    sy_sched_volume_result(f->s, write->ticket, NULL, f->now);
}

/* -- static volumes -- */

static void test_a_claim_gets_its_volume_before_its_pod_is_bound(void **state)
{
    struct fixture *f = *state;
    struct sy_pv large = make_volume(f, "large", 100, "1"),
                 small = make_volume(f, "small", 10, "7");
    struct sy_pvc claim = make_claim(f, "data", "local", "3");
    struct sy_pod pod = make_pod(f, "p", "data");

    put_volume(f, &large);
    put_volume(f, &small);
    put_claim(f, &claim);
    put_pod(f, &pod);
    run(f);
    const struct said *write = heard(f, SY_DECIDE_VOLUME, "p");
    assert_non_null(write);
    assert_string_equal(write->volume, "small");
    assert_string_equal(write->version, "7");
    assert_string_equal(write->claim, "data");
    assert_string_equal(write->uid, "uid-data");
    assert_true(write->set_by_controller);
    assert_null(heard(f, SY_DECIDE_BIND, "p"));
    assert_int_equal(sy_sched_binds_in_flight(f->s), 0);
    assert_int_equal(sy_sched_cluster(f->s)->pods_assumed, 1);
    written(f, write);
    run(f);
    assert_null(heard(f, SY_DECIDE_BIND, "p")); /* the volume has not come back */
    keep_volume(f, &small, &claim, "8");
    run(f);
    assert_null(heard(f, SY_DECIDE_BIND, "p")); /* the claim is not bound */
    bind_claim(f, &claim, "small", "4");
    run(f);
    const struct said *bind = heard(f, SY_DECIDE_BIND, "p");
    assert_non_null(bind);
    assert_string_equal(bind->node, "n1");
    acknowledge(f, pod, *bind);
    assert_int_equal(sy_sched_stats(f->s)->attempts_scheduled, 1);
}

static void test_a_volume_is_promised_once(void **state)
{
    struct fixture *f = *state;
    struct sy_pv pv = make_volume(f, "only", 10, "1");
    struct sy_pvc a = make_claim(f, "a", "local", "1"), b = make_claim(f, "b", "local", "1");
    struct sy_pod pod_a = make_pod(f, "pa", "a"), pod_b = make_pod(f, "pb", "b");

    put_volume(f, &pv);
    put_claim(f, &a);
    put_claim(f, &b);
    put_pod(f, &pod_a);
    put_pod(f, &pod_b);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_VOLUME, "pa"));
    assert_null(heard(f, SY_DECIDE_VOLUME, "pb"));
    assert_says(f, "pb", "1 node(s) didn't find available persistent volumes to bind");
    struct sy_pv second = make_volume(f, "second", 10, "1");
    put_volume(f, &second);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_VOLUME, "pb"));
}

static void test_a_refused_write_is_tried_again(void **state)
{
    struct fixture *f = *state;
    struct sy_pv pv = make_volume(f, "pv", 10, "1");
    struct sy_pvc claim = make_claim(f, "data", "local", "1");
    struct sy_pod pod = make_pod(f, "p", "data");

    put_volume(f, &pv);
    put_claim(f, &claim);
    put_pod(f, &pod);
    run(f);
    struct said write = *heard(f, SY_DECIDE_VOLUME, "p");
    f->said.len = 0;
    sy_sched_volume_result(f->s, write.ticket, "the object has been modified", f->now);
    assert_string_equal(condition(f, "p"), "running PreBind plugin \"VolumeBinding\": the object "
                                           "has been modified");
    assert_int_equal(sy_sched_cluster(f->s)->pods_assumed, 0);
    sy_sched_volume_result(f->s, write.ticket, NULL, f->now); /* too late to matter */
    run(f);
    assert_null(heard(f, SY_DECIDE_VOLUME, "p"));
    f->now += 2 * SY_NS_PER_S;
    run(f);
    const struct said *again = heard(f, SY_DECIDE_VOLUME, "p");
    assert_non_null(again); /* so the volume was free again */
    assert_true(again->ticket != write.ticket);
}

static void test_waiting_ends_after_ten_minutes(void **state)
{
    struct fixture *f = *state;
    struct sy_pv pv = make_volume(f, "pv", 10, "1");
    struct sy_pvc claim = make_claim(f, "data", "local", "1");
    struct sy_pod pod = make_pod(f, "p", "data");

    put_volume(f, &pv);
    put_claim(f, &claim);
    put_pod(f, &pod);
    run(f);
    written(f, heard(f, SY_DECIDE_VOLUME, "p"));
    keep_volume(f, &pv, &claim, "2");
    sy_time_ns next = run(f);
    assert_true(next <= f->now + 600 * SY_NS_PER_S);
    f->now += 599 * SY_NS_PER_S;
    run(f);
    assert_string_equal(condition(f, "p"), "");
    f->now += 2 * SY_NS_PER_S;
    run(f);
    assert_string_equal(condition(f, "p"), "running PreBind plugin \"VolumeBinding\": binding "
                                           "volumes: context deadline exceeded");
    /* The next try finds the volume kept for the claim: nothing is left to write. */
    f->now += 2 * SY_NS_PER_S;
    run(f);
    assert_null(heard(f, SY_DECIDE_VOLUME, "p"));
    bind_claim(f, &claim, "pv", "2");
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "p"));
}

static void test_a_volume_that_is_taken_away(void **state)
{
    struct fixture *f = *state;
    struct sy_pv pv = make_volume(f, "pv", 10, "1");
    struct sy_pvc claim = make_claim(f, "data", "local", "1");
    struct sy_pod pod = make_pod(f, "p", "data");

    put_volume(f, &pv);
    put_claim(f, &claim);
    put_pod(f, &pod);
    run(f);
    written(f, heard(f, SY_DECIDE_VOLUME, "p"));
    pv.resource_version = core_text(&f->k, "2"); /* the controller has undone it */
    put_volume(f, &pv);
    run(f);
    assert_string_equal(condition(f, "p"), "running PreBind plugin \"VolumeBinding\": binding "
                                           "volumes: ClaimRef got reset for pv \"pv\"");
    f->now += 2 * SY_NS_PER_S;
    run(f);
    written(f, heard(f, SY_DECIDE_VOLUME, "p"));
    sy_sched_storage_deleted(f->s, SY_STORAGE_VOLUME, 0, pv.name);
    run(f);
    assert_says(f, "p", "failed to check binding: persistentvolumes \"pv\" not found");
}

static void test_a_pod_that_goes_while_its_volumes_are_bound(void **state)
{
    struct fixture *f = *state;
    struct sy_pv pv = make_volume(f, "pv", 10, "1");
    struct sy_pvc claim = make_claim(f, "data", "local", "1");
    struct sy_pod pod = make_pod(f, "p", "data"), other = make_pod(f, "q", "data");

    put_volume(f, &pv);
    put_claim(f, &claim);
    put_pod(f, &pod);
    run(f);
    struct said write = *heard(f, SY_DECIDE_VOLUME, "p");
    sy_sched_pod_deleted(f->s, pod.uid, f->now);
    written(f, &write);
    run(f);
    assert_int_equal(f->said.len, 0);
    put_pod(f, &other);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_VOLUME, "q"));
    /* Bound by somebody else meanwhile: nothing more is ours to do. */
    other.node = core_id(&f->k, "n1");
    put_pod(f, &other);
    run(f);
    assert_int_equal(f->said.len, 0);
}

static void test_pods_that_share_a_claim(void **state)
{
    struct fixture *f = *state;
    struct sy_pv pv = make_volume(f, "pv", 10, "1");
    struct sy_pvc claim = make_claim(f, "data", "local", "1");
    struct sy_pod a = make_pod(f, "a", "data"), b = make_pod(f, "b", "data");

    put_volume(f, &pv);
    put_claim(f, &claim);
    put_pod(f, &a);
    put_pod(f, &b);
    run(f);
    struct said write = *heard(f, SY_DECIDE_VOLUME, "a");
    assert_null(heard(f, SY_DECIDE_VOLUME, "b")); /* it is being written already */
    assert_string_equal(condition(f, "b"), "");
    written(f, &write);
    keep_volume(f, &pv, &claim, "2");
    bind_claim(f, &claim, "pv", "2");
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "a"));
    assert_non_null(heard(f, SY_DECIDE_BIND, "b"));
}

static void test_new_settings_while_volumes_are_bound(void **state)
{
    struct fixture *f = *state;
    struct sy_pv pv = make_volume(f, "pv", 10, "1");
    struct sy_pvc claim = make_claim(f, "data", "local", "1");
    struct sy_pod pod = make_pod(f, "p", "data");

    put_volume(f, &pv);
    put_claim(f, &claim);
    put_pod(f, &pod);
    run(f);
    struct said write = *heard(f, SY_DECIDE_VOLUME, "p");
    sy_sched_configure(f->s, &f->options, f->now);
    written(f, &write);
    keep_volume(f, &pv, &claim, "2");
    bind_claim(f, &claim, "pv", "2");
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "p"));
}

/* -- volumes that are made -- */

static void test_a_claim_is_told_its_node(void **state)
{
    struct fixture *f = *state;
    struct sy_pvc claim = make_claim(f, "data", "made", "3");
    struct sy_pod pod = make_pod(f, "p", "data");

    put_claim(f, &claim);
    put_pod(f, &pod);
    run(f);
    struct said write = *heard(f, SY_DECIDE_VOLUME, "p");
    assert_string_equal(write.volume, "");
    assert_string_equal(write.claim, "data");
    assert_string_equal(write.version, "3");
    assert_string_equal(write.node, "n1");
    written(f, &write);
    claim.has_selected_node = true;
    claim.selected_node = core_id(&f->k, "n1");
    claim.resource_version = core_text(&f->k, "4");
    put_claim(f, &claim);
    run(f);
    assert_int_equal(f->said.len, 0);
    bind_claim(f, &claim, "fresh", "5");
    run(f);
    assert_int_equal(f->said.len, 0); /* nobody has told of that volume */
    struct sy_pv pv = make_volume(f, "fresh", 5, "1");
    pv.class = core_id(&f->k, "made");
    put_volume(f, &pv);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "p"));
}

static void test_a_provisioner_that_gives_up(void **state)
{
    struct fixture *f = *state;
    struct sy_pvc claim = make_claim(f, "data", "made", "3");
    struct sy_pod pod = make_pod(f, "p", "data");

    put_claim(f, &claim);
    put_pod(f, &pod);
    run(f);
    written(f, heard(f, SY_DECIDE_VOLUME, "p"));
    claim.resource_version = core_text(&f->k, "5"); /* without a node again */
    put_claim(f, &claim);
    run(f);
    assert_string_equal(condition(f, "p"), "running PreBind plugin \"VolumeBinding\": binding "
                                           "volumes: provisioning failed for PVC \"data\"");
    f->now += 2 * SY_NS_PER_S;
    run(f);
    const struct said *again = heard(f, SY_DECIDE_VOLUME, "p");
    assert_non_null(again);
    assert_string_equal(again->version, "5");
}

static void test_a_claim_ties_pods_to_the_node_it_was_told(void **state)
{
    struct fixture *f = *state;
    struct sy_pvc claim = make_claim(f, "data", "made", "3");
    struct sy_pod pod = make_pod(f, "p", "data");

    claim.has_selected_node = true;
    claim.selected_node = core_id(&f->k, "n2");
    put_claim(f, &claim);
    put_pod(f, &pod);
    run(f);
    assert_says(f, "p", "1 node(s) didn't find available persistent volumes to bind");
    put_node(f, "n2");
    run(f);
    assert_null(heard(f, SY_DECIDE_VOLUME, "p")); /* it has been told already */
    bind_claim(f, &claim, "fresh", "4");
    struct sy_pv pv = make_volume(f, "fresh", 5, "1");
    put_volume(f, &pv);
    run(f);
    assert_string_equal(heard(f, SY_DECIDE_BIND, "p")->node, "n2");
}

/* -- what is missing -- */

static void test_the_coming_of_a_claim_wakes(void **state)
{
    struct fixture *f = *state;
    struct sy_pvc claim = make_claim(f, "data", "local", "1");
    struct sy_pv pv = make_volume(f, "pv", 10, "1");
    struct sy_pod pod = make_pod(f, "p", "data");

    put_pod(f, &pod);
    run(f);
    assert_says(f, "p", "0/1 nodes are available: persistentvolumeclaim \"data\" not found.");
    put_claim(f, &claim);
    run(f);
    assert_null(heard(f, SY_DECIDE_VOLUME, "p"));
    put_volume(f, &pv);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_VOLUME, "p"));
}

static void test_an_ephemeral_volume_is_its_pods(void **state)
{
    struct fixture *f = *state;
    struct sy_pod a = make_pod(f, "a", "scratch"), b = make_pod(f, "b", "scratch");
    struct sy_pvc claim = make_claim(f, "b-scratch", "local", "1");
    struct sy_pv pv = make_volume(f, "pv", 10, "1");

    ((struct sy_volume *)(uintptr_t)a.spec.volumes)->kind = SY_VOLUME_EPHEMERAL;
    ((struct sy_volume *)(uintptr_t)b.spec.volumes)->kind = SY_VOLUME_EPHEMERAL;
    claim.owner_uid = b.uid;
    put_volume(f, &pv);
    put_pod(f, &a);
    put_pod(f, &b);
    run(f);
    assert_says(f, "a",
                "waiting for ephemeral volume controller to create the persistentvolumeclaim "
                "\"a-scratch\"");
    assert_says(f, "b", "\"b-scratch\""); /* equal specs, and yet two shapes */
    put_claim(f, &claim);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_VOLUME, "b"));
    assert_null(heard(f, SY_DECIDE_VOLUME, "a"));
    claim = make_claim(f, "a-scratch", "local", "1");
    claim.owner_uid = b.uid;
    put_claim(f, &claim);
    f->now += 31 * SY_NS_PER_S; /* the sweep looks again, and has something else to say */
    run(f);
    assert_says(f, "a",
                "PVC default/a-scratch was not created for pod default/a (pod is not owner)");
}

/* -- limits of drivers -- */

static void put_bound(struct fixture *f, const char *claim_name, const char *volume_name,
                      const char *driver)
{
    struct sy_pv pv = make_volume(f, volume_name, 10, "1");
    struct sy_pvc claim = make_claim(f, claim_name, "local", "1");

    pv.driver = core_id(&f->k, driver);
    pv.handle = core_id(&f->k, volume_name);
    put_volume(f, &pv);
    bind_claim(f, &claim, volume_name, "1");
}

static void put_limit(struct fixture *f, const char *node, const char *driver, int32_t limit)
{
    struct sy_csi_node_driver d = {
        .name = core_id(&f->k, driver), .has_limit = true, .limit = limit};
    struct sy_csi_node csi = {.name = core_id(&f->k, node), .drivers = &d, .drivers_len = 1};

    assert_int_equal(sy_sched_storage(f->s, SY_STORAGE_NODE, &csi), 0);
}

static void put_attachment(struct fixture *f, const char *name, const char *volume)
{
    struct sy_volume_attachment va = {
        .name = core_id(&f->k, name),
        .resource_version = sy_str_from("1"),
        .attacher = core_id(&f->k, "csi"),
        .node = core_id(&f->k, "n1"),
        .volume = core_id(&f->k, volume),
    };

    assert_int_equal(sy_sched_storage(f->s, SY_STORAGE_ATTACHMENT, &va), 0);
}

static void test_attached_volumes_count_once(void **state)
{
    struct fixture *f = *state;
    struct sy_pod running = make_pod(f, "running", "used"), pod = make_pod(f, "p", "data"),
                  same = make_pod(f, "same", "used");

    put_limit(f, "n1", "csi", 2);
    put_bound(f, "used", "v1", "csi");
    put_bound(f, "data", "v2", "csi");
    put_bound(f, "gone", "v3", "csi");
    running.node = core_id(&f->k, "n1");
    put_pod(f, &running);
    put_attachment(f, "va1", "v1"); /* of the pod that is there */
    put_attachment(f, "va3", "v3"); /* of one that has gone */
    put_pod(f, &pod);
    put_pod(f, &same);
    run(f);
    assert_says(f, "p", "1 node(s) exceed max volume count");
    assert_non_null(heard(f, SY_DECIDE_BIND, "same")); /* its volume is there already */
    sy_sched_storage_deleted(f->s, SY_STORAGE_ATTACHMENT, 0, core_id(&f->k, "va3"));
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "p")); /* woken by the detaching */
}

static void test_a_driver_that_must_be_on_the_node(void **state)
{
    struct fixture *f = *state;
    struct sy_csi_driver driver = {.name = core_id(&f->k, "csi"), .must_be_on_node = true};
    struct sy_pod pod = make_pod(f, "p", "data");

    put_bound(f, "data", "v1", "csi");
    assert_int_equal(sy_sched_storage(f->s, SY_STORAGE_DRIVER, &driver), 0);
    put_pod(f, &pod);
    run(f);
    assert_says(f, "p", "1 csi CSI driver is not installed on the node");
    put_limit(f, "n1", "csi", 1);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "p"));
}

/* As upstream: what is wrong with the claims of a pod that is there is no refusal of its node. */
static void test_an_error_on_a_node_ends_the_attempt(void **state)
{
    struct fixture *f = *state;
    struct sy_pod running = make_pod(f, "running", "scratch"), pod = make_pod(f, "p", "data");
    struct sy_volume v = {.kind = SY_VOLUME_EPHEMERAL, .name = core_id(&f->k, "scratch")};

    put_limit(f, "n1", "csi", 1);
    put_bound(f, "running-scratch", "v1", "csi"); /* of nobody */
    put_bound(f, "data", "v2", "csi");
    running.spec.volumes = &v;
    running.node = core_id(&f->k, "n1");
    put_pod(f, &running);
    put_pod(f, &pod);
    run(f);
    assert_string_equal(heard(f, SY_DECIDE_CONDITION, "p")->reason, "SchedulerError");
    assert_says(f, "p", "PVC default/running-scratch was not created for pod default/running");
}

/* Pods with a claim each are alike but for that: nodes are not judged anew for each. */
static void test_pods_with_a_claim_each_share_what_is_known_of_nodes(void **state)
{
    struct fixture *f = *state;
    char name[16];

    put_node(f, "n2");
    put_limit(f, "n1", "csi", 3);
    put_limit(f, "n2", "csi", 2);
    for (uint32_t i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "p%u", i);
        put_bound(f, name, name, "csi");
        struct sy_pod pod = make_pod(f, name, name);
        put_pod(f, &pod);
        run(f);
        const struct said *bind = heard(f, SY_DECIDE_BIND, name);
        if (bind)
            acknowledge(f, pod, *bind);
        else
            assert_int_equal(i, 5); /* five volumes fit */
    }
    assert_says(f, "p5", "2 node(s) exceed max volume count");
    assert_int_equal(sy_sched_stats(f->s)->attempts_scheduled, 5);
    assert_int_equal(sy_sched_stats(f->s)->shape_builds, 1);
}

static void put_in_zone(struct fixture *f, const char *name, const char *zone, int64_t used_milli)
{
    struct sy_node node = core_node(&f->k, name, 8000, 8192, 0);
    char pod_name[32];

    node.labels = core_label(&f->k, "topology.kubernetes.io/zone", zone);
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    snprintf(pod_name, sizeof(pod_name), "on-%s", name);
    struct sy_pod pod = core_pod(&f->k, pod_name, used_milli, 64, 0);
    pod.node = node.name;
    put_pod(f, &pod);
}

static struct sy_pod put_zonal(struct fixture *f, const char *name, const char *zone)
{
    struct sy_pv pv = make_volume(f, name, 10, "1");
    struct sy_pvc claim = make_claim(f, name, "local", "1");

    pv.labels = core_label(&f->k, "topology.kubernetes.io/zone", zone);
    put_volume(f, &pv);
    bind_claim(f, &claim, name, "1");
    struct sy_pod pod = make_pod(f, name, name);
    put_pod(f, &pod);
    return pod;
}

/* With many nodes the best are asked first: what comes out is the best that passes. */
static void test_the_best_of_many_that_passes(void **state)
{
    struct fixture *f = *state;
    char name[16];

    sy_sched_node_deleted(f->s, core_id(&f->k, "n1"), f->now);
    for (uint32_t i = 0; i < 130; i++) {
        snprintf(name, sizeof(name), "m%u", i);
        put_in_zone(f, name, i % 2 ? "b" : "a", i == 77 ? 500 : i % 2 ? 1000 : 100);
    }
    put_in_zone(f, "m130", "c", 4000);
    struct sy_pod pod = put_zonal(f, "p", "b");
    run(f);
    assert_string_equal(heard(f, SY_DECIDE_BIND, "p")->node, "m77");
    acknowledge(f, pod, *heard(f, SY_DECIDE_BIND, "p"));
    pod = put_zonal(f, "q", "c");
    run(f);
    assert_string_equal(heard(f, SY_DECIDE_BIND, "q")->node, "m130");
    put_zonal(f, "r", "d");
    run(f);
    assert_says(f, "r", "131 node(s) had no available volume zone");
}

static void test_disks_that_pods_name_count_too(void **state)
{
    struct fixture *f = *state;
    struct sy_pod first = make_pod(f, "first", "disk-1"), second = make_pod(f, "second", "disk-2");

    ((struct sy_volume *)(uintptr_t)first.spec.volumes)->kind = SY_VOLUME_GCE_PD;
    ((struct sy_volume *)(uintptr_t)second.spec.volumes)->kind = SY_VOLUME_GCE_PD;
    put_limit(f, "n1", "pd.csi.storage.gke.io", 1);
    first.node = core_id(&f->k, "n1");
    put_pod(f, &first);
    put_pod(f, &second);
    run(f);
    assert_says(f, "second", "1 node(s) exceed max volume count");
    put_limit(f, "n1", "pd.csi.storage.gke.io", 2);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "second"));
}

/* A driver that has taken over an in-tree kind looks for its own label on the node. */
static void test_affinity_where_a_driver_took_over(void **state)
{
    struct fixture *f = *state;
    struct sy_pv pv = make_volume(f, "v1", 10, "1");
    struct sy_pvc claim = make_claim(f, "data", "local", "1");
    struct sy_pod pod = make_pod(f, "p", "data");
    sy_sid zone = core_id(&f->k, "z1");
    struct sy_requirement req = {
        .key = core_id(&f->k, "driver/zone"), .op = SY_OP_IN, .values = &zone, .values_len = 1};
    struct sy_node_term term = {.exprs = &req, .exprs_len = 1};
    struct sy_csi_node csi = {.name = core_id(&f->k, "n1"), .migrated = 1 << SY_IN_TREE_CINDER};

    pv.in_tree = SY_IN_TREE_CINDER;
    pv.handle = core_id(&f->k, "v1");
    pv.affinity_of_driver = (struct sy_node_selector){.terms = &term, .len = 1, .is_set = true};
    put_volume(f, &pv);
    bind_claim(f, &claim, "v1", "1");
    assert_int_equal(sy_sched_storage(f->s, SY_STORAGE_NODE, &csi), 0);
    put_pod(f, &pod);
    run(f);
    assert_says(f, "p", "1 node(s) didn't match PersistentVolume's node affinity");
    csi.migrated = 0;
    assert_int_equal(sy_sched_storage(f->s, SY_STORAGE_NODE, &csi), 0);
    run(f);
    assert_non_null(heard(f, SY_DECIDE_BIND, "p"));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_claim_gets_its_volume_before_its_pod_is_bound),
        TEST(test_a_volume_is_promised_once),
        TEST(test_a_refused_write_is_tried_again),
        TEST(test_waiting_ends_after_ten_minutes),
        TEST(test_a_volume_that_is_taken_away),
        TEST(test_a_pod_that_goes_while_its_volumes_are_bound),
        TEST(test_pods_that_share_a_claim),
        TEST(test_new_settings_while_volumes_are_bound),
        TEST(test_a_claim_is_told_its_node),
        TEST(test_a_provisioner_that_gives_up),
        TEST(test_a_claim_ties_pods_to_the_node_it_was_told),
        TEST(test_the_coming_of_a_claim_wakes),
        TEST(test_an_ephemeral_volume_is_its_pods),
        TEST(test_attached_volumes_count_once),
        TEST(test_a_driver_that_must_be_on_the_node),
        TEST(test_an_error_on_a_node_ends_the_attempt),
        TEST(test_pods_with_a_claim_each_share_what_is_known_of_nodes),
        TEST(test_the_best_of_many_that_passes),
        TEST(test_disks_that_pods_name_count_too),
        TEST(test_affinity_where_a_driver_took_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
