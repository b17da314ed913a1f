/* SPDX-License-Identifier: Apache-2.0
 *
 * Disks that two pods of a node cannot share, and claims that one pod has for itself. */
#include "policy/plugins.h"

#include "core_sched.h"

#include <stdlib.h>

struct fixture {
    struct core k;
    struct sy_sched *s;
    struct sy_profile profile;
    char node[64], message[512];
    uint64_t ticket;
    sy_time_ns now;
};

static void hear(void *arg, const struct sy_decision *d)
{
    struct fixture *f = arg;

    if (d->kind == SY_DECIDE_BIND) {
        core_keep(f->node, sizeof(f->node), d->node);
        f->ticket = d->ticket;
    } else if (d->kind == SY_DECIDE_CONDITION) {
        core_keep(f->message, sizeof(f->message), d->message);
    }
}

static int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_profile_default(&f->profile, "steelyard");
    struct sy_sched_options options = {.profiles = &f->profile, .profiles_len = 1, .exact = true};
    f->s = sy_sched_new(f->k.strings, &options, hear, f);
    f->now = 1000 * SY_NS_PER_S;
    struct sy_node node = core_node(&f->k, "n", 64000, 65536, 0);
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
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

static struct sy_pod with_volumes(struct fixture *f, const char *name,
                                  const struct sy_volume *volumes, uint32_t len)
{
    struct sy_pod pod = core_pod(&f->k, name, 100, 64, 0);

    pod.spec.volumes = volumes;
    pod.spec.volumes_len = len;
    return pod;
}

/* Whether a pod that comes is bound; else f->message says why not. It is gone afterwards. */
static bool is_bound(struct fixture *f, const char *name, const struct sy_volume *volumes,
                     uint32_t len)
{
    struct sy_pod pod = with_volumes(f, name, volumes, len);

    f->node[0] = f->message[0] = '\0';
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
    sy_sched_run(f->s, true, 0, f->now);
    bool bound = f->node[0] != '\0';
    assert_true(bound != (f->message[0] != '\0'));
    if (bound)
        sy_sched_bind_result(f->s, f->ticket, SY_BIND_RESULT_OK, NULL, f->now);
    sy_sched_pod_deleted(f->s, pod.uid, f->now);
    return bound;
}

static void put_running(struct fixture *f, const char *name, const struct sy_volume *volumes,
                        uint32_t len, const char *node)
{
    struct sy_pod pod = with_volumes(f, name, volumes, len);

    pod.node = core_id(&f->k, node);
    pod.phase = SY_PHASE_RUNNING;
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
}

static void test_disks(void **state)
{
    struct fixture *f = *state;
    sy_sid disk = core_id(&f->k, "disk"), other = core_id(&f->k, "other");
    sy_sid pool = core_id(&f->k, "pool");
    sy_sid ab[] = {core_id(&f->k, "a"), core_id(&f->k, "b")};
    sy_sid bc[] = {ab[1], core_id(&f->k, "c")};
    sy_sid cd[] = {bc[1], core_id(&f->k, "d")};
    const struct sy_volume rbd = {
        .kind = SY_VOLUME_RBD, .name = disk, .aux = pool, .list = ab, .list_len = 2};
    struct sy_volume shares = rbd, apart = rbd, elsewhere = rbd, read_rbd = rbd;
    shares.list = bc;
    apart.list = cd;
    elsewhere.aux = other;
    read_rbd.read_only = true;
    const struct {
        struct sy_volume has, wants;
        bool fits;
    } cases[] = {
        {{.kind = SY_VOLUME_GCE_PD, .name = disk}, {.kind = SY_VOLUME_GCE_PD, .name = disk}, false},
        {{.kind = SY_VOLUME_GCE_PD, .name = disk}, {.kind = SY_VOLUME_GCE_PD, .name = other}, true},
        {{.kind = SY_VOLUME_GCE_PD, .name = disk, .read_only = true},
         {.kind = SY_VOLUME_GCE_PD, .name = disk, .read_only = true},
         true},
        {{.kind = SY_VOLUME_GCE_PD, .name = disk, .read_only = true},
         {.kind = SY_VOLUME_GCE_PD, .name = disk},
         false},
        {{.kind = SY_VOLUME_ISCSI, .name = disk}, {.kind = SY_VOLUME_ISCSI, .name = disk}, false},
        {{.kind = SY_VOLUME_GCE_PD, .name = disk}, {.kind = SY_VOLUME_ISCSI, .name = disk}, true},
        {{.kind = SY_VOLUME_AWS_EBS, .name = disk, .read_only = true},
         {.kind = SY_VOLUME_AWS_EBS, .name = disk, .read_only = true},
         false},
        {rbd, rbd, false},
        {rbd, shares, false},
        {rbd, apart, true},
        {rbd, elsewhere, true},
        {read_rbd, read_rbd, true},
        {read_rbd, rbd, false},
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(cases); i++) {
        char name[32];
        snprintf(name, sizeof(name), "has%zu", i);
        put_running(f, name, &cases[i].has, 1, "n");
        snprintf(name, sizeof(name), "wants%zu", i);
        if (is_bound(f, name, &cases[i].wants, 1) != cases[i].fits)
            fail_msg("case %zu: '%s'", i, f->message);
        if (!cases[i].fits && !strstr(f->message, "1 node(s) had no available disk"))
            fail_msg("case %zu says '%s'", i, f->message);
        snprintf(name, sizeof(name), "uid-has%zu", i);
        sy_sched_pod_deleted(f->s, sy_str_from(name), f->now);
    }
}

static void test_a_claim_of_one_pod(void **state)
{
    struct fixture *f = *state;
    struct sy_pv pv = {
        .uid = core_text(&f->k, "v"),
        .resource_version = core_text(&f->k, "1"),
        .name = core_id(&f->k, "v"),
        .capacity_bytes = 10,
        .access = SY_ACCESS_RWOP,
    };
    struct sy_pvc claim = {
        .uid = core_text(&f->k, "c"),
        .resource_version = core_text(&f->k, "1"),
        .ns = core_id(&f->k, "default"),
        .name = core_id(&f->k, "mine"),
        .request_bytes = 5,
        .has_request = true,
        .access = SY_ACCESS_RWOP,
        .selector = {.is_nil = true},
        .volume = pv.name,
        .bind_completed = true,
    };
    pv.claim = (struct sy_claim_ref){true, claim.ns, claim.name, claim.uid};
    assert_int_equal(sy_sched_storage(f->s, SY_STORAGE_VOLUME, &pv), 0);
    assert_int_equal(sy_sched_storage(f->s, SY_STORAGE_CLAIM, &claim), 0);
    /* Named twice it is still one pod's. */
    const struct sy_volume uses[] = {
        {.kind = SY_VOLUME_CLAIM, .name = claim.name},
        {.kind = SY_VOLUME_CLAIM, .name = claim.name},
    };

    assert_true(is_bound(f, "first", uses, 2));
    put_running(f, "on-a-lost-node", uses, 1, "gone");
    assert_true(is_bound(f, "second", uses, 1));
    put_running(f, "running", uses, 1, "n");
    assert_false(is_bound(f, "third", uses, 1));
    assert_non_null(strstr(f->message, "node(s) unavailable due to PersistentVolumeClaim with "
                                       "ReadWriteOncePod access mode already in-use by another "
                                       "pod"));
    sy_sched_pod_deleted(f->s, SY_STR("uid-running"), f->now);
    assert_true(is_bound(f, "fourth", uses, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_disks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_claim_of_one_pod, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
