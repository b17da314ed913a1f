/* SPDX-License-Identifier: Apache-2.0
 *
 * A scheduler with one node and devices, for tests of pods with claims: makes objects, hears
 * decisions and answers writes. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "core_sched.h"
#include "kube/actions_claim.h"
#include "sched/inputs.h"

enum { BODY_MAX = 4096 };

struct said {
    enum sy_decision_kind kind;
    enum sy_claim_write_kind write;
    uint64_t ticket;
    char name[64], node[64], message[1200], claim[64], version[32], body[BODY_MAX];
    char device[64]; /* the first of the allocation */
};

struct fixture {
    struct core k;
    struct sy_sched *s;
    struct sy_profile profile;
    struct sy_sched_options options;
    struct sy_rng rng;
    SY_VEC(struct said) said;
    sy_time_ns now;
};

static inline void hear(void *arg, const struct sy_decision *d)
{
    struct fixture *f = arg;
    struct said said = {.kind = d->kind, .ticket = d->ticket};

    core_keep(said.name, sizeof(said.name), d->name);
    core_keep(said.node, sizeof(said.node), d->node);
    core_keep(said.message, sizeof(said.message), d->message);
    if (d->claim) {
        struct sy_buf body;
        sy_buf_init(&body, BODY_MAX);
        sy_body_claim(&body, d->claim, f->k.strings, &f->rng, 0);
        said.write = d->claim->kind;
        core_keep(said.claim, sizeof(said.claim), d->claim->name);
        core_keep(said.version, sizeof(said.version), d->claim->version);
        core_keep(said.body, sizeof(said.body), body.p);
        sy_buf_done(&body);
        if (d->claim->allocation)
            core_keep(said.device, sizeof(said.device),
                      sy_strings_getz(f->k.strings, d->claim->allocation->grants[0].result.device));
    }
    sy_vec_push(&f->said, said);
}

/* -- objects -- */

static inline void *room(struct fixture *f, size_t count, size_t size)
{
    return sy_arena_array(&f->k.arena, count, size);
}

static inline void put(struct fixture *f, enum sy_devices_kind kind, const void *object)
{
    assert_int_equal(sy_sched_devices(f->s, kind, object), 0);
}

static inline struct sy_device_slice make_slice(struct fixture *f, const char *node,
                                                uint32_t devices)
{
    struct sy_device *p = room(f, devices, sizeof(*p));
    char name[64];

    for (uint32_t i = 0; i < devices; i++) {
        snprintf(name, sizeof(name), "%s-gpu%u", node, i);
        p[i] = (struct sy_device){.name = core_id(&f->k, name)};
    }
    return (struct sy_device_slice){
        .resource_version = core_text(&f->k, "1"),
        .name = core_id(&f->k, node),
        .driver = core_id(&f->k, "gpu.example.com"),
        .pool = core_id(&f->k, node),
        .pool_generation = 1,
        .pool_slices = 1,
        .nodes = {.node = core_id(&f->k, node)},
        .devices = p,
        .devices_len = devices,
    };
}

static inline struct sy_device_claim make_claim(struct fixture *f, const char *name,
                                                const char *version)
{
    struct sy_device_request *r = room(f, 1, sizeof(*r));
    struct sy_device_want *w = room(f, 1, sizeof(*w));
    char uid[128];

    snprintf(uid, sizeof(uid), "uid-%s", name);
    *w = (struct sy_device_want){.class = core_id(&f->k, "gpu"), .count = 1};
    *r = (struct sy_device_request){.name = core_id(&f->k, "r"), .wants = w, .wants_len = 1};
    return (struct sy_device_claim){
        .uid = core_text(&f->k, uid),
        .resource_version = core_text(&f->k, version),
        .ns = core_id(&f->k, "default"),
        .name = core_id(&f->k, name),
        .requests = r,
        .requests_len = 1,
    };
}

/* As the API server has it then. */
static inline struct sy_device_claim changed(struct fixture *f, struct sy_device_claim claim,
                                             const char *version)
{
    claim.resource_version = core_text(&f->k, version);
    return claim;
}

static inline struct sy_device_claim allocated(struct fixture *f, struct sy_device_claim claim,
                                               const char *version, const char *node,
                                               const char *device, const char *pod)
{
    struct sy_device_result *r = room(f, 1, sizeof(*r));
    struct sy_node_term *term = room(f, 1, sizeof(*term));
    struct sy_requirement *field = room(f, 1, sizeof(*field));
    sy_sid *value = room(f, 1, sizeof(*value));
    struct sy_str *uids = room(f, claim.reserved_for_len + 1, sizeof(*uids));
    char uid[128];

    *r = (struct sy_device_result){.request = core_id(&f->k, "r"),
                                   .driver = core_id(&f->k, "gpu.example.com"),
                                   .pool = core_id(&f->k, node),
                                   .device = core_id(&f->k, device)};
    *value = core_id(&f->k, node);
    *field = (struct sy_requirement){
        .key = core_id(&f->k, "metadata.name"), .op = SY_OP_IN, .values = value, .values_len = 1};
    *term = (struct sy_node_term){.fields = field, .fields_len = 1};
    claim = changed(f, claim, version);
    claim.is_allocated = true;
    claim.results = r;
    claim.results_len = 1;
    claim.nodes = (struct sy_node_selector){term, 1, true};
    for (uint32_t i = 0; i < claim.reserved_for_len; i++)
        uids[i] = claim.reserved_for[i];
    if (pod) {
        snprintf(uid, sizeof(uid), "uid-%s", pod);
        uids[claim.reserved_for_len++] = core_text(&f->k, uid);
    }
    claim.reserved_for = uids;
    return claim;
}

/* Claims by name, NULL ends them. */
static inline struct sy_pod make_pod(struct fixture *f, const char *name, const char *first,
                                     const char *second)
{
    struct sy_pod pod = core_pod(&f->k, name, 100, 64, 0);
    struct sy_resource_claim_ref *refs = room(f, 2, sizeof(*refs));

    refs[0] = (struct sy_resource_claim_ref){core_id(&f->k, first), core_id(&f->k, first), 0};
    if (second)
        refs[1] = (struct sy_resource_claim_ref){core_id(&f->k, second), core_id(&f->k, second), 0};
    pod.spec.claims = refs;
    pod.spec.claims_len = second ? 2 : 1;
    return pod;
}

static inline void put_pod(struct fixture *f, const struct sy_pod *pod)
{
    assert_int_equal(sy_sched_pod(f->s, pod, f->now), 0);
}

static inline void put_node(struct fixture *f, const char *name)
{
    struct sy_node node = core_node(&f->k, name, 8000, 8192, 0);

    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
}

static inline int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_rng_seed(&f->rng, 1);
    sy_profile_default(&f->profile, "steelyard");
    f->options =
        (struct sy_sched_options){.profiles = &f->profile, .profiles_len = 1, .exact = true};
    f->s = sy_sched_new(f->k.strings, &f->options, hear, f);
    f->now = 1000 * SY_NS_PER_S;
    put_node(f, "n1");
    struct sy_device_class class = {.resource_version = core_text(&f->k, "1"),
                                    .name = core_id(&f->k, "gpu")};
    put(f, SY_DEVICES_CLASS, &class);
    sy_sched_devices_known(f->s, true);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    assert_null(sy_device_index_audit(sy_sched_cluster(f->s)));
    core_sched_end(f->s);
    sy_vec_done(&f->said);
    core_done(&f->k);
    free(f);
    return 0;
}

static inline void run(struct fixture *f)
{
    f->said.len = 0;
    (void)sy_sched_run(f->s, true, 0, f->now);
}

static inline const struct said *heard(const struct fixture *f, enum sy_decision_kind kind,
                                       const char *name)
{
    for (size_t i = 0; i < f->said.len; i++) {
        if (f->said.p[i].kind == kind && strcmp(f->said.p[i].name, name) == 0)
            return &f->said.p[i];
    }
    return NULL;
}

/* The write that was asked for; forgets all that was said. */
static inline struct said take(struct fixture *f, const char *name, enum sy_claim_write_kind kind)
{
    const struct said *said = heard(f, SY_DECIDE_CLAIM, name);

    if (!said)
        fail_msg("nothing is written for %s", name);
    assert_int_equal(said->write, kind);
    struct said copy = *said;
    f->said.len = 0;
    return copy;
}

static inline void answer(struct fixture *f, struct said write, enum sy_claim_result result,
                          const struct sy_device_claim *claim, const char *error)
{
    sy_sched_claim_result(f->s, write.ticket, result, claim, error, f->now);
}

static inline void assert_says(const struct fixture *f, const char *name, const char *text)
{
    const struct said *said = heard(f, SY_DECIDE_CONDITION, name);
    const char *message = said ? said->message : "";

    if (!strstr(message, text))
        fail_msg("%s says '%s', not '%s'", name, message, text);
}

/* Up to the write of an allocation of a claim that has just been put at version 1. */
static inline struct said go_to_allocate(struct fixture *f, const char *pod,
                                         struct sy_device_claim claim)
{
    struct said protect = take(f, pod, SY_CLAIM_PROTECT);
    struct sy_device_claim now = changed(f, claim, "2");

    answer(f, protect, SY_CLAIM_RESULT_OK, &now, NULL);
    return take(f, pod, SY_CLAIM_ALLOCATE);
}
