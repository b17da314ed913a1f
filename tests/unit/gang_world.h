/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of gangs: a scheduler that is driven as the daemon drives it, what it was heard to
 * decide, and gangs put before it. Members are called GANG-0, GANG-1, ... */
#pragma once

#include "base/rng.h"
#include "core.h"
#include "sched/inputs.h"
#include "sched/sched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct said {
    enum sy_decision_kind kind;
    uint64_t ticket;
    char name[64], node[64], reason[64], message[1200];
};

struct fixture {
    struct core k;
    struct sy_sched *s;
    struct sy_profile profile;
    struct sy_sched_options options;
    SY_VEC(struct said) said;
    sy_time_ns now;
};

static inline void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

static inline void hear(void *arg, const struct sy_decision *d)
{
    struct fixture *f = arg;
    struct said said = {.kind = d->kind, .ticket = d->ticket};

    copy_text(said.name, sizeof(said.name), d->name);
    copy_text(said.node, sizeof(said.node), d->node);
    copy_text(said.reason, sizeof(said.reason), d->reason);
    copy_text(said.message, sizeof(said.message), d->message);
    if (d->group.phase)
        copy_text(said.reason, sizeof(said.reason), d->group.phase);
    sy_vec_push(&f->said, said);
}

static inline void begin(struct fixture *f)
{
    f->s = sy_sched_new(f->k.strings, &f->options, hear, f);
}

static inline int setup(void **state)
{
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    core_init(&f->k);
    sy_profile_default(&f->profile, "steelyard");
    f->options =
        (struct sy_sched_options){.profiles = &f->profile, .profiles_len = 1, .exact = true};
    f->now = 1000 * SY_NS_PER_S;
    begin(f);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    char text[256];

    assert_null(sy_cluster_audit(sy_sched_cluster(f->s), text, sizeof(text)));
    assert_int_equal(sy_sched_stats(f->s)->exact_differences, 0);
    sy_sched_free(f->s);
    sy_vec_done(&f->said);
    core_done(&f->k);
    free(f);
    return 0;
}

static inline void put_node(struct fixture *f, struct sy_node node)
{
    assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
}

static inline void put_pod(struct fixture *f, struct sy_pod pod)
{
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
}

static inline void put_nodes(struct fixture *f, uint32_t len, int64_t gpus)
{
    char name[32];

    for (uint32_t i = 0; i < len; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        put_node(f, core_node(&f->k, name, 64000, 65536, gpus));
    }
}

static inline void run(struct fixture *f)
{
    f->said.len = 0;
    sy_sched_run(f->s, true, 0, f->now);
}

/* Lets time pass until nothing is left to try. */
static inline void run_later(struct fixture *f, int64_t seconds)
{
    f->now += seconds * SY_NS_PER_S;
    run(f);
}

static inline size_t count(const struct fixture *f, enum sy_decision_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < f->said.len; i++)
        n += f->said.p[i].kind == kind;
    return n;
}

static inline const struct said *heard(const struct fixture *f, enum sy_decision_kind kind,
                                       const char *name)
{
    for (size_t i = 0; i < f->said.len; i++) {
        if (f->said.p[i].kind == kind && (!name || strcmp(f->said.p[i].name, name) == 0))
            return &f->said.p[i];
    }
    return NULL;
}

static inline uint32_t with_reason(const struct fixture *f, const char *reason)
{
    uint32_t n = 0;

    for (size_t i = 0; i < f->said.len; i++)
        n += f->said.p[i].kind == SY_DECIDE_CONDITION && !strcmp(f->said.p[i].reason, reason);
    return n;
}

/* min: text, NULL for none. */
static inline struct sy_pod member(struct fixture *f, const char *gang, uint32_t i, const char *min,
                                   int64_t gpus)
{
    char name[64];

    snprintf(name, sizeof(name), "%s-%u", gang, i);
    struct sy_pod pod = core_pod(&f->k, name, 100, 64, gpus);
    pod.labels = core_label(&f->k, "steelyard.dev/pod-group", gang);
    if (min)
        pod.annotations = core_label(&f->k, "steelyard.dev/min-member", min);
    return pod;
}

static inline void put_gang(struct fixture *f, const char *gang, uint32_t from, uint32_t to,
                            const char *min, int64_t gpus)
{
    for (uint32_t i = from; i < to; i++)
        put_pod(f, member(f, gang, i, min, gpus));
}

/* What the API server would do with all binds heard: acknowledges each, then the watch shows it. */
static inline void acknowledge(struct fixture *f, const char *gang, const char *min, int64_t gpus)
{
    SY_VEC(struct said) binds = {0};
    unsigned i;

    for (size_t n = 0; n < f->said.len; n++) {
        if (f->said.p[n].kind == SY_DECIDE_BIND)
            sy_vec_push(&binds, f->said.p[n]);
    }
    for (size_t n = 0; n < binds.len; n++) {
        const struct said *bind = &binds.p[n];
        if (strncmp(bind->name, gang, strlen(gang)) != 0 || bind->name[strlen(gang)] != '-')
            continue;
        sy_sched_bind_result(f->s, bind->ticket, SY_BIND_RESULT_OK, NULL, f->now);
        assert_int_equal(sscanf(bind->name + strlen(gang) + 1, "%u", &i), 1);
        struct sy_pod pod = member(f, gang, i, min, gpus);
        pod.node = core_id(&f->k, bind->node);
        put_pod(f, pod);
    }
    sy_vec_done(&binds);
}

static inline void delete_member(struct fixture *f, const char *gang, uint32_t i)
{
    char uid[80];

    snprintf(uid, sizeof(uid), "uid-%s-%u", gang, i);
    sy_sched_pod_deleted(f->s, sy_str_from(uid), f->now);
}
