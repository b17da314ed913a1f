/* SPDX-License-Identifier: Apache-2.0
 *
 * Namespaces, Services and controllers from both encodings into the scheduler, and what they change
 * for pods that wait. */
#include "sched/inputs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "core.h"
#include "kube/decode.h"

/* ---- decoding ---- */

/* One length-delimited field. */
static void field(struct sy_buf *out, unsigned number, const void *p, size_t len)
{
    assert_true(len < 128 && number < 16);
    sy_buf_addc(out, (char)(number << 3 | 2));
    sy_buf_addc(out, (char)len);
    sy_buf_add(out, p, len);
}

static void text_field(struct sy_buf *out, unsigned number, const char *text)
{
    field(out, number, text, strlen(text));
}

static void pair_field(struct sy_buf *out, unsigned number, const char *key, const char *value)
{
    struct sy_buf pair;

    sy_buf_init(&pair, 256);
    text_field(&pair, 1, key);
    text_field(&pair, 2, value);
    field(out, number, pair.p, pair.len);
    sy_buf_done(&pair);
}

static void buf_field(struct sy_buf *out, unsigned number, struct sy_buf *inner)
{
    field(out, number, inner->p, inner->len);
    sy_buf_done(inner);
}

static struct sy_buf metadata(const char *label)
{
    struct sy_buf meta;

    sy_buf_init(&meta, 256);
    text_field(&meta, 1, "n");
    text_field(&meta, 3, "ns");
    text_field(&meta, 5, "u-1");
    if (label)
        pair_field(&meta, 11, label, "v");
    return meta;
}

static struct sy_workload decode(struct sy_decode *d, enum sy_workload_kind kind,
                                 enum sy_encoding enc, struct sy_str raw)
{
    struct sy_workload ret = {0};
    struct sy_err err = {0};

    int r = sy_decode_workload(d, kind, enc, raw, &ret, &err);
    if (r)
        fail_msg("%s", sy_err_text(&err, r));
    assert_string_equal(sy_strings_getz(d->strings, ret.name), "n");
    assert_true(sy_str_eq(ret.uid, SY_STR("u-1")));
    return ret;
}

static void assert_same_selector(const struct sy_selector *a, const struct sy_selector *b)
{
    assert_int_equal(a->is_nil, b->is_nil);
    assert_int_equal(a->is_invalid, b->is_invalid);
    assert_int_equal(a->len, b->len);
    for (uint32_t i = 0; i < a->len; i++) {
        assert_int_equal(a->reqs[i].key, b->reqs[i].key);
        assert_int_equal(a->reqs[i].op, b->reqs[i].op);
        assert_int_equal(a->reqs[i].values_len, b->reqs[i].values_len);
        for (uint32_t n = 0; n < a->reqs[i].values_len; n++)
            assert_int_equal(a->reqs[i].values[n], b->reqs[i].values[n]);
    }
}

static void both_encodings(void **state)
{
    static const char *const JSON[SY_WORKLOAD_KINDS] = {
        [SY_WORKLOAD_NAMESPACE] =
            "{\"metadata\":{\"name\":\"n\",\"namespace\":\"ns\",\"uid\":\"u-1\","
            "\"labels\":{\"k\":\"v\"}},\"spec\":{\"finalizers\":[\"x\"]}}",
        [SY_WORKLOAD_SERVICE] =
            "{\"metadata\":{\"name\":\"n\",\"namespace\":\"ns\",\"uid\":\"u-1\"},"
            "\"spec\":{\"ports\":[],\"selector\":{\"a\":\"b\"}}}",
        [SY_WORKLOAD_REPLICATION_CONTROLLER] =
            "{\"metadata\":{\"name\":\"n\",\"namespace\":\"ns\",\"uid\":\"u-1\"},"
            "\"spec\":{\"replicas\":1,\"selector\":{\"a\":\"b\"}}}",
        [SY_WORKLOAD_REPLICA_SET] =
            "{\"metadata\":{\"name\":\"n\",\"namespace\":\"ns\",\"uid\":\"u-1\"},"
            "\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{\"a\":\"b\"},"
            "\"matchExpressions\":[{\"key\":\"c\",\"operator\":\"In\",\"values\":[\"x\",\"y\"]}]}}"
            "}",
        [SY_WORKLOAD_STATEFUL_SET] =
            "{\"metadata\":{\"name\":\"n\",\"namespace\":\"ns\",\"uid\":\"u-1\"},"
            "\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{\"a\":\"b\"},"
            "\"matchExpressions\":[{\"key\":\"c\",\"operator\":\"In\",\"values\":[\"x\",\"y\"]}]}}"
            "}",
    };
    static const uint64_t KEY[2] = {1, 2};
    struct sy_strings *strings = sy_strings_new(KEY);
    struct sy_decode d, e;

    (void)state;
    sy_decode_init(&d, strings, 1 << 20);
    sy_decode_init(&e, strings, 1 << 20);
    for (int i = 0; i < SY_WORKLOAD_KINDS; i++) {
        enum sy_workload_kind kind = (enum sy_workload_kind)i;
        bool is_map = kind == SY_WORKLOAD_SERVICE || kind == SY_WORKLOAD_REPLICATION_CONTROLLER;
        struct sy_buf raw, spec, inner, meta = metadata(kind == SY_WORKLOAD_NAMESPACE ? "k" : NULL);
        sy_buf_init(&raw, 1024);
        sy_buf_init(&spec, 1024);
        buf_field(&raw, 1, &meta);
        if (is_map) {
            pair_field(&spec, 2, "a", "b");
        } else if (kind != SY_WORKLOAD_NAMESPACE) {
            struct sy_buf expression;
            sy_buf_init(&inner, 256);
            sy_buf_init(&expression, 256);
            pair_field(&inner, 1, "a", "b");
            text_field(&expression, 1, "c");
            text_field(&expression, 2, "In");
            text_field(&expression, 3, "x");
            text_field(&expression, 3, "y");
            buf_field(&inner, 2, &expression);
            buf_field(&spec, 2, &inner);
        }
        buf_field(&raw, 2, &spec);

        struct sy_workload a = decode(&d, kind, SY_ENCODING_PROTOBUF, sy_buf_str(&raw));
        struct sy_workload b = decode(&e, kind, SY_ENCODING_JSON, sy_str_from(JSON[kind]));
        assert_true(sy_labels_eq(a.labels, b.labels));
        assert_int_equal(a.labels.len,
                         kind == SY_WORKLOAD_NAMESPACE || kind == SY_WORKLOAD_SERVICE);
        assert_same_selector(&a.selector, &b.selector);
        assert_int_equal(a.selector.len, kind == SY_WORKLOAD_REPLICATION_CONTROLLER ? 1
                                         : kind > SY_WORKLOAD_SERVICE               ? 2
                                                                                    : 0);
        sy_buf_done(&raw);
    }
    sy_decode_done(&d);
    sy_decode_done(&e);
    sy_strings_free(strings);
}

/* Nothing in an object is needed, and nothing crashes. */
static void bare_objects(void **state)
{
    static const uint64_t KEY[2] = {1, 2};
    struct sy_strings *strings = sy_strings_new(KEY);
    struct sy_workload w;
    struct sy_decode d;

    (void)state;
    sy_decode_init(&d, strings, 1 << 20);
    for (int i = 0; i < SY_WORKLOAD_KINDS; i++) {
        enum sy_workload_kind kind = (enum sy_workload_kind)i;
        assert_int_equal(sy_decode_workload(&d, kind, SY_ENCODING_JSON, SY_STR("{}"), &w, NULL), 0);
        assert_true(w.selector.is_nil);
        assert_int_equal(
            sy_decode_workload(&d, kind, SY_ENCODING_JSON, SY_STR("{\"spec\":{}}"), &w, NULL), 0);
        assert_int_equal(
            sy_decode_workload(&d, kind, SY_ENCODING_PROTOBUF, SY_STR("\x0a\x7f"), &w, NULL),
            -EBADMSG);
    }
    sy_decode_done(&d);
    sy_strings_free(strings);
}

/* ---- into the scheduler ---- */

struct fixture {
    struct core k;
    struct sy_sched *s;
    sy_time_ns now;
    char bound[64]; /* "pod node" of the last bind */
};

static void hear(void *arg, const struct sy_decision *d)
{
    struct fixture *f = arg;

    if (d->kind == SY_DECIDE_BIND)
        snprintf(f->bound, sizeof(f->bound), "%s %s", d->name, d->node);
}

/* listed: default constraints of the profile, or NULL. */
static void start_with(struct fixture *f, struct sy_spread_constraint *listed)
{
    struct sy_profile profile;
    struct sy_sched_options options = {
        .profiles = &profile, .profiles_len = 1, .exact = true, .sweep_ns = 3600 * SY_NS_PER_S};

    *f = (struct fixture){.now = 1000 * SY_NS_PER_S};
    core_init(&f->k);
    sy_profile_kube(&profile, "steelyard");
    if (listed) {
        listed->topology_key = core_id(&f->k, "kubernetes.io/hostname");
        profile.args.spread_defaults_are_listed = true;
        profile.args.spread_defaults = listed;
        profile.args.spread_defaults_len = 1;
    }
    f->s = sy_sched_new(f->k.strings, &options, hear, f);
    for (int i = 1; i <= 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "n%d", i);
        struct sy_node node = core_node(&f->k, name, 8000, 8192, 0);
        node.labels = core_label(&f->k, "kubernetes.io/hostname", name);
        assert_int_equal(sy_sched_node(f->s, &node, f->now), 0);
    }
}

static void start(struct fixture *f)
{
    start_with(f, NULL);
}

static void end(struct fixture *f)
{
    assert_int_equal(sy_sched_stats(f->s)->exact_differences, 0);
    sy_sched_free(f->s);
    core_done(&f->k);
}

static void put(struct fixture *f, struct sy_pod pod)
{
    assert_int_equal(sy_sched_pod(f->s, &pod, f->now), 0);
}

static const char *run(struct fixture *f)
{
    f->bound[0] = '\0';
    f->now += SY_NS_PER_S;
    sy_sched_run(f->s, true, 0, f->now);
    return f->bound;
}

static void put_workload(struct fixture *f, enum sy_workload_kind kind, struct sy_workload w)
{
    assert_int_equal(sy_sched_workload(f->s, kind, &w), 0);
}

/* Wants to be beside app=db of any namespace with team=a. */
static struct sy_pod follower(struct fixture *f, const char *name)
{
    struct sy_pod pod = core_pod(&f->k, name, 100, 64, 0);
    struct sy_requirement *reqs = sy_arena_array(&f->k.arena, 2, sizeof(*reqs));
    struct sy_affinity_term *term = sy_arena_alloc(&f->k.arena, sizeof(*term));
    struct sy_labels db = core_label(&f->k, "app", "db"), team = core_label(&f->k, "team", "a");

    reqs[0] = (struct sy_requirement){
        .key = db.p->key, .op = SY_OP_IN, .values = &db.p->value, .values_len = 1};
    reqs[1] = (struct sy_requirement){
        .key = team.p->key, .op = SY_OP_IN, .values = &team.p->value, .values_len = 1};
    *term = (struct sy_affinity_term){
        .selector = {.reqs = &reqs[0], .len = 1},
        .namespace_selector = {.reqs = &reqs[1], .len = 1},
        .topology_key = core_id(&f->k, "kubernetes.io/hostname"),
    };
    pod.spec.affinity = term;
    pod.spec.affinity_len = 1;
    return pod;
}

static void namespaces_wake(void **state)
{
    struct sy_workload other = {0};
    struct fixture f;

    (void)state;
    start(&f);
    struct sy_pod db = core_pod(&f.k, "db", 100, 64, 0);
    db.ns = core_id(&f.k, "other");
    db.labels = core_label(&f.k, "app", "db");
    db.node = core_id(&f.k, "n2");
    put(&f, db);
    put(&f, follower(&f, "a"));
    assert_string_equal(run(&f), "");
    other.name = db.ns;
    put_workload(&f, SY_WORKLOAD_NAMESPACE, other);
    assert_string_equal(run(&f), "");
    other.labels = core_label(&f.k, "team", "a");
    put_workload(&f, SY_WORKLOAD_NAMESPACE, other);
    assert_string_equal(run(&f), "a n2");

    /* A list that does not have it any more. */
    sy_sched_workloads_replace_begin(f.s, SY_WORKLOAD_NAMESPACE);
    put_workload(&f, SY_WORKLOAD_NAMESPACE, (struct sy_workload){.name = core_id(&f.k, "x")});
    sy_sched_workloads_replace_end(f.s, SY_WORKLOAD_NAMESPACE);
    put(&f, follower(&f, "b"));
    assert_string_equal(run(&f), "");
    sy_sched_workloads_replace_begin(f.s, SY_WORKLOAD_NAMESPACE);
    put_workload(&f, SY_WORKLOAD_NAMESPACE, other);
    sy_sched_workloads_replace_end(f.s, SY_WORKLOAD_NAMESPACE);
    assert_string_equal(run(&f), "b n2");
    sy_sched_workload_deleted(f.s, SY_WORKLOAD_NAMESPACE, 0, other.name, SY_STR(""));
    put(&f, follower(&f, "c"));
    assert_string_equal(run(&f), "");
    end(&f);
}

/* n1 has a pod of the group that the default constraint counts; n2 and n3 are full of others. */
static void put_skewed(struct fixture *f)
{
    struct sy_pod pod = core_pod(&f->k, "peer", 100, 64, 0);

    pod.labels = core_label(&f->k, "app", "web");
    pod.owner_uid = SY_STR("u-set");
    pod.node = core_id(&f->k, "n1");
    put(f, pod);
    for (int i = 2; i <= 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "full%d", i);
        pod = core_pod(&f->k, name, 8000, 64, 0);
        snprintf(name, sizeof(name), "n%d", i);
        pod.node = core_id(&f->k, name);
        put(f, pod);
    }
}

static struct sy_pod web(struct fixture *f, const char *name)
{
    struct sy_pod pod = core_pod(&f->k, name, 100, 64, 0);

    pod.labels = core_label(&f->k, "app", "web");
    pod.owner_uid = SY_STR("u-set");
    return pod;
}

/* What the default constraints count comes from Services and controllers: a change of one of these
 * alone wakes who waits for it. */
static void selectors_wake(void **state)
{
    struct sy_spread_constraint listed = {.max_skew = 1,
                                          .when_unsatisfiable = SY_DO_NOT_SCHEDULE,
                                          .honor_affinity = true,
                                          .selector = {.is_nil = true}};
    struct fixture f;

    (void)state;
    start_with(&f, &listed);
    struct sy_label *label = sy_arena_alloc(&f.k.arena, sizeof(*label));
    *label = (struct sy_label){core_id(&f.k, "app"), core_id(&f.k, "web")};
    struct sy_workload service = {.ns = core_id(&f.k, "default"), .name = core_id(&f.k, "s")};
    struct sy_requirement req = {
        .key = label->key, .op = SY_OP_IN, .values = &label->value, .values_len = 1};
    struct sy_workload set = {.ns = service.ns,
                              .name = service.name,
                              .uid = SY_STR("u-set"),
                              .selector = {.reqs = &req, .len = 1}};
    service.labels = (struct sy_labels){label, 1};
    put_skewed(&f);

    put_workload(&f, SY_WORKLOAD_SERVICE, service);
    put(&f, web(&f, "a"));
    assert_string_equal(run(&f), "");
    sy_sched_workload_deleted(f.s, SY_WORKLOAD_SERVICE, service.ns, service.name, SY_STR(""));
    assert_string_equal(run(&f), "a n1");

    /* A selector that is another one. */
    put_workload(&f, SY_WORKLOAD_SERVICE, service);
    put(&f, web(&f, "b"));
    assert_string_equal(run(&f), "");
    service.labels = core_label(&f.k, "app", "db");
    put_workload(&f, SY_WORKLOAD_SERVICE, service);
    assert_string_equal(run(&f), "b n1");

    put_workload(&f, SY_WORKLOAD_REPLICA_SET, set);
    put(&f, web(&f, "c"));
    assert_string_equal(run(&f), "");
    sy_sched_workload_deleted(f.s, SY_WORKLOAD_REPLICA_SET, 0, 0, set.uid);
    assert_string_equal(run(&f), "c n1");

    /* A list that has it no more. */
    put_workload(&f, SY_WORKLOAD_STATEFUL_SET, set);
    put(&f, web(&f, "d"));
    assert_string_equal(run(&f), "");
    sy_sched_workloads_replace_begin(f.s, SY_WORKLOAD_STATEFUL_SET);
    sy_sched_workloads_replace_end(f.s, SY_WORKLOAD_STATEFUL_SET);
    assert_string_equal(run(&f), "d n1");
    end(&f);
}

static void unknown_namespaces_hold(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    struct sy_workload team = {.name = core_id(&f.k, "other"),
                               .labels = core_label(&f.k, "team", "a")};
    put_workload(&f, SY_WORKLOAD_NAMESPACE, team);
    struct sy_pod db = core_pod(&f.k, "db", 100, 64, 0);
    db.ns = team.name;
    db.labels = core_label(&f.k, "app", "db");
    db.node = core_id(&f.k, "n2");
    put(&f, db);
    sy_sched_namespaces_unknown(f.s, true);
    put(&f, follower(&f, "a"));
    assert_string_equal(run(&f), "");
    put(&f, core_pod(&f.k, "plain", 100, 64, 0));
    assert_int_equal(strncmp(run(&f), "plain ", 6), 0);
    sy_sched_namespaces_unknown(f.s, false);
    assert_string_equal(run(&f), "a n2");
    end(&f);
}

/* Each kind goes to its own place, and goes away by a list that does not have it. */
static void kinds_are_kept_apart(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    const struct sy_cluster *c = sy_sched_cluster(f.s);
    for (int i = SY_WORKLOAD_SERVICE; i < SY_WORKLOAD_KINDS; i++) {
        char uid[16];
        snprintf(uid, sizeof(uid), "u-%d", i);
        put_workload(&f, (enum sy_workload_kind)i,
                     (struct sy_workload){.ns = core_id(&f.k, "default"),
                                          .name = core_id(&f.k, "n"),
                                          .uid = core_text(&f.k, uid),
                                          .labels = core_label(&f.k, "a", "b")});
    }
    assert_int_equal(c->workloads.services.len, 1);
    assert_int_equal(c->workloads.owners.len, 3);
    for (int i = SY_WORKLOAD_REPLICATION_CONTROLLER; i < SY_WORKLOAD_KINDS; i++) {
        sy_sched_workloads_replace_begin(f.s, (enum sy_workload_kind)i);
        sy_sched_workloads_replace_end(f.s, (enum sy_workload_kind)i);
        assert_int_equal(c->workloads.owners.len, SY_WORKLOAD_KINDS - 1 - i);
    }
    assert_int_equal(c->workloads.services.len, 1);
    sy_sched_workload_deleted(f.s, SY_WORKLOAD_SERVICE, core_id(&f.k, "default"),
                              core_id(&f.k, "n"), SY_STR(""));
    assert_int_equal(c->workloads.services.len, 0);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_encodings),       cmocka_unit_test(bare_objects),
        cmocka_unit_test(namespaces_wake),      cmocka_unit_test(unknown_namespaces_hold),
        cmocka_unit_test(kinds_are_kept_apart), cmocka_unit_test(selectors_wake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
