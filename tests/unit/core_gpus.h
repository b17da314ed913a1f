/* SPDX-License-Identifier: Apache-2.0
 *
 * A scheduler with the profile for GPUs, pods and nodes for it, and what its ledger says. */
#pragma once

#include "cluster/gpus.h"
#include "core_sched.h"

#include <stdlib.h>

struct said {
    uint64_t ticket;
    char name[64], node[64], gpus[64], message[512];
    bool is_bind;
};

struct fixture {
    struct core k;
    struct sy_profile profile;
    struct sy_sched *s;
    struct sy_cluster *c;
    SY_VEC(struct said) said;
    sy_time_ns now;
};

static inline void hear(void *arg, const struct sy_decision *d)
{
    struct fixture *f = arg;
    struct said said = {.ticket = d->ticket, .is_bind = d->kind == SY_DECIDE_BIND};

    if (d->kind == SY_DECIDE_EVENT)
        return;
    core_keep(said.name, sizeof(said.name), d->name);
    core_keep(said.node, sizeof(said.node), d->node);
    core_keep(said.gpus, sizeof(said.gpus), d->gpu_devices);
    core_keep(said.message, sizeof(said.message), d->message);
    sy_vec_push(&f->said, said);
}

static inline void start(struct fixture *f)
{
    static const char *const amd[] = {"amd.com/gpu"};
    struct sy_sched_options options = {.profiles = &f->profile,
                                       .profiles_len = 1,
                                       .exact = true,
                                       .records_max = 10,
                                       .gpu_resources = amd,
                                       .gpu_resources_len = 1};

    f->s = sy_sched_new(f->k.strings, &options, hear, f);
    f->c = sy_sched_cluster(f->s);
}

static inline int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_profile_gpu(&f->profile, "steelyard");
    f->now = 1000 * SY_NS_PER_S;
    start(f);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    core_sched_end(f->s);
    sy_vec_done(&f->said);
    core_done(&f->k);
    free(f);
    return 0;
}

static inline uint32_t put_node(struct fixture *f, const char *name, int64_t gpus)
{
    struct sy_node node = core_node(&f->k, name, 64000, 256000, gpus);

    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    return sy_cluster_node_find(f->c, node.name);
}

/* Whole GPUs by the resource, parts as the annotation has them. */
static inline struct sy_pod make_pod(struct fixture *f, const char *name, uint16_t count,
                                     uint16_t milli)
{
    struct sy_pod pod = core_pod(&f->k, name, 1000, 1000, milli == SY_GPU_WHOLE_MILLI ? count : 0);

    pod.spec.gpu = (struct sy_gpu_request){.count = count, .milli = milli};
    return pod;
}

static inline uint32_t put_pod(struct fixture *f, struct sy_pod pod)
{
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
    return sy_cluster_pod_find(f->c, pod.uid);
}

/* A pod that somebody else has bound. */
static inline uint32_t put_bound(struct fixture *f, const char *name, uint16_t count,
                                 uint16_t milli, const char *node, uint64_t devices)
{
    struct sy_pod pod = make_pod(f, name, count, milli);

    pod.spec.scheduler_name = core_id(&f->k, "other");
    pod.node = core_id(&f->k, node);
    pod.gpu_devices = devices;
    return put_pod(f, pod);
}

static inline const struct said *decide(struct fixture *f, struct sy_pod pod)
{
    put_pod(f, pod);
    f->said.len = 0;
    sy_sched_run(f->s, true, 0, f->now);
    assert_int_equal(f->said.len, 1);
    return &f->said.p[0];
}

/* What is free of each device, as "1000 500". */
static inline const char *free_of(const struct fixture *f, uint32_t node)
{
    static char text[512];
    const struct sy_gpu_node *g = sy_gpus_of(f->c, node);
    size_t len = 0;

    text[0] = '\0';
    for (uint32_t i = 0; g && i < g->len; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%d", i ? " " : "",
                                g->gpus[i].free_milli);
    return text;
}

static inline void assert_sound(const struct fixture *f)
{
    char text[256];

    assert_null(sy_cluster_audit(f->c, text, sizeof(text)));
}
