/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods and nodes: every field shows in the encoding and the dump, copies are complete and own
 * nothing of the original, and marking keeps every id. */
#include "base/mem.h"
#include "model/node.h"
#include "model/pod.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A new field must be encoded, copied, marked and dumped, and changed in test_each_spec_field or
 * test_each_pod_field below. */
_Static_assert(sizeof(struct sy_pod_spec) == 312, "new field in struct sy_pod_spec");
_Static_assert(sizeof(struct sy_pod) == 512, "new field in struct sy_pod");
_Static_assert(sizeof(struct sy_affinity_term) == 56, "new field in struct sy_affinity_term");
_Static_assert(sizeof(struct sy_spread_constraint) == 48, "new field in sy_spread_constraint");
_Static_assert(sizeof(struct sy_requirement) == 32, "new field in struct sy_requirement");
_Static_assert(sizeof(struct sy_selector) == 16, "new field in struct sy_selector");
_Static_assert(sizeof(struct sy_volume) == 32, "new field in struct sy_volume");
_Static_assert(sizeof(struct sy_resource_claim_ref) == 12, "new field in sy_resource_claim_ref");
_Static_assert(sizeof(struct sy_device_resource) == 32, "new field in sy_device_resource");
_Static_assert(sizeof(struct sy_host_port) == 12, "new field in struct sy_host_port");
_Static_assert(sizeof(struct sy_toleration) == 12, "new field in struct sy_toleration");
_Static_assert(sizeof(struct sy_node) == 208, "new field in struct sy_node");

enum { CAP = 1 << 20 };

struct fixture {
    struct sy_strings *strings;
    struct sy_arena arena;
    struct sy_buf before;
    struct sy_buf after;
    struct sy_pod pod;
    struct sy_node node;
    int ids;
};

/* A new string each time, so that no two fields hold the same id. */
static sy_sid fresh(struct fixture *f)
{
    char text[32];

    snprintf(text, sizeof(text), "text-%04d", ++f->ids);
    return sy_strings_addz(f->strings, text);
}

static void *room(struct fixture *f, size_t count, size_t size)
{
    void *p = sy_arena_array(&f->arena, count, size);

    assert_non_null(p);
    return p;
}

static const sy_sid *sids(struct fixture *f, uint32_t len)
{
    sy_sid *p = room(f, len, sizeof(*p));

    for (uint32_t i = 0; i < len; i++)
        p[i] = fresh(f);
    return p;
}

static struct sy_labels labels(struct fixture *f)
{
    struct sy_label *p = room(f, 2, sizeof(*p));

    for (int i = 0; i < 2; i++)
        p[i] = (struct sy_label){fresh(f), fresh(f)};
    return (struct sy_labels){p, 2};
}

static struct sy_amounts amounts(struct fixture *f)
{
    struct sy_amount *p = room(f, 2, sizeof(*p));

    for (int i = 0; i < 2; i++)
        p[i] = (struct sy_amount){fresh(f), 1000 * i + 7};
    return (struct sy_amounts){p, 2};
}

static const struct sy_requirement *requirements(struct fixture *f)
{
    struct sy_requirement *p = room(f, 2, sizeof(*p));

    p[0] = (struct sy_requirement){
        .key = fresh(f), .op = SY_OP_NOT_IN, .values = sids(f, 2), .values_len = 2};
    p[1] = (struct sy_requirement){.key = fresh(f),
                                   .op = SY_OP_GT,
                                   .number_ok = true,
                                   .values = sids(f, 1),
                                   .values_len = 1,
                                   .number = -5};
    return p;
}

static struct sy_selector selector(struct fixture *f)
{
    return (struct sy_selector){.reqs = requirements(f), .len = 2};
}

static struct sy_node_term node_term(struct fixture *f)
{
    return (struct sy_node_term){requirements(f), 2, requirements(f), 2};
}

static struct sy_affinity_term affinity_term(struct fixture *f)
{
    return (struct sy_affinity_term){selector(f), sids(f, 2), 2, selector(f), fresh(f)};
}

static const struct sy_affinity_term *affinity_terms(struct fixture *f)
{
    struct sy_affinity_term *p = room(f, 1, sizeof(*p));

    *p = affinity_term(f);
    return p;
}

static const struct sy_weighted_affinity_term *weighted_terms(struct fixture *f)
{
    struct sy_weighted_affinity_term *p = room(f, 1, sizeof(*p));

    *p = (struct sy_weighted_affinity_term){50, affinity_term(f)};
    return p;
}

static struct sy_pod_spec full_spec(struct fixture *f)
{
    struct sy_node_term *terms = room(f, 2, sizeof(*terms));
    struct sy_preferred_node_term *preferred = room(f, 1, sizeof(*preferred));
    struct sy_spread_constraint *spread = room(f, 1, sizeof(*spread));
    struct sy_toleration *tolerations = room(f, 1, sizeof(*tolerations));
    struct sy_host_port *ports = room(f, 1, sizeof(*ports));
    struct sy_volume *volumes = room(f, 1, sizeof(*volumes));
    struct sy_resource_claim_ref *claims = room(f, 1, sizeof(*claims));
    struct sy_device_resource *resources = room(f, 1, sizeof(*resources));

    terms[0] = node_term(f);
    terms[1] = node_term(f);
    *preferred = (struct sy_preferred_node_term){-3, node_term(f)};
    *spread = (struct sy_spread_constraint){.max_skew = 2,
                                            .min_domains = 3,
                                            .topology_key = fresh(f),
                                            .honor_affinity = true,
                                            .selector = selector(f),
                                            .match_label_keys = sids(f, 2),
                                            .match_label_keys_len = 2};
    *tolerations =
        (struct sy_toleration){fresh(f), fresh(f), SY_TOLERATION_EXISTS, SY_EFFECT_NO_EXECUTE};
    *ports = (struct sy_host_port){fresh(f), 8080, SY_PROTOCOL_UDP};
    *volumes = (struct sy_volume){.kind = SY_VOLUME_RBD,
                                  .name = fresh(f),
                                  .aux = fresh(f),
                                  .number = 4,
                                  .list = sids(f, 2),
                                  .list_len = 2};
    *claims = (struct sy_resource_claim_ref){fresh(f), fresh(f), fresh(f)};
    *resources = (struct sy_device_resource){fresh(f), 3, fresh(f), 2, 1, SY_CONTAINER_MAIN};
    return (struct sy_pod_spec){
        .scheduler_name = fresh(f),
        .requests = {.requests = amounts(f), .nonzero_cpu_milli = 100, .nonzero_memory_bytes = 200},
        .node_selector = labels(f),
        .required_nodes = {terms, 2, true},
        .preferred_nodes = preferred,
        .preferred_nodes_len = 1,
        .affinity = affinity_terms(f),
        .affinity_len = 1,
        .preferred_affinity = weighted_terms(f),
        .preferred_affinity_len = 1,
        .anti_affinity = affinity_terms(f),
        .anti_affinity_len = 1,
        .preferred_anti_affinity = weighted_terms(f),
        .preferred_anti_affinity_len = 1,
        .spread = spread,
        .spread_len = 1,
        .tolerations = tolerations,
        .tolerations_len = 1,
        .host_ports = ports,
        .host_ports_len = 1,
        .images = sids(f, 2),
        .images_len = 2,
        .containers_len = 2,
        .volumes = volumes,
        .volumes_len = 1,
        .claims = claims,
        .claims_len = 1,
        .device_resources = resources,
        .device_resources_len = 1,
        .scheduling_group = fresh(f),
    };
}

static struct sy_node full_node(struct fixture *f)
{
    struct sy_taint *taints = room(f, 1, sizeof(*taints));
    struct sy_image *images = room(f, 2, sizeof(*images));

    *taints = (struct sy_taint){fresh(f), fresh(f), SY_EFFECT_NO_SCHEDULE};
    uint64_t *groups = room(f, 2, sizeof(*groups));
    groups[0] = 3;
    groups[1] = 12;
    images[0] = (struct sy_image){fresh(f), 1000};
    images[1] = (struct sy_image){fresh(f), 2000};
    return (struct sy_node){.uid = SY_STR("uid-n"),
                            .resource_version = SY_STR("77"),
                            .name = fresh(f),
                            .labels = labels(f),
                            .annotations = labels(f),
                            .allocatable = amounts(f),
                            .capacity = amounts(f),
                            .taints = taints,
                            .taints_len = 1,
                            .ready = SY_CONDITION_TRUE,
                            .ready_changed_wall_ns = 5,
                            .created_wall_ns = 6,
                            .images = images,
                            .images_len = 2,
                            .gpu_groups = groups,
                            .gpu_groups_len = 2};
}

static int setup(void **state)
{
    static const uint64_t key[2] = {7, 8};
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    f->strings = sy_strings_new(key);
    sy_arena_init(&f->arena, CAP);
    sy_buf_init(&f->before, CAP);
    sy_buf_init(&f->after, CAP);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_buf_done(&f->before);
    sy_buf_done(&f->after);
    sy_arena_done(&f->arena);
    sy_strings_free(f->strings);
    free(f);
    return 0;
}

static bool same(const struct fixture *f)
{
    return sy_str_eq(sy_buf_str(&f->before), sy_buf_str(&f->after));
}

/* -- each field in turn --
 * The lists hang off const pointers, so a change goes through a cast; all memory is the arena's. */

typedef void encode_fn(struct fixture *f, struct sy_buf *out);

static void encode_spec(struct fixture *f, struct sy_buf *out)
{
    assert_int_equal(sy_pod_spec_encode(&f->pod.spec, out), 0);
}

static void dump_pod(struct fixture *f, struct sy_buf *out)
{
    assert_int_equal(sy_pod_dump(&f->pod, f->strings, out), 0);
}

static void dump_node(struct fixture *f, struct sy_buf *out)
{
    assert_int_equal(sy_node_dump(&f->node, f->strings, out), 0);
}

/* Changes size bytes at `at` to those of `other` and expects that encode shows it. */
static void expect_shown(struct fixture *f, encode_fn *encode, const char *field, const void *at,
                         const void *other, size_t size)
{
    char *p = (char *)(uintptr_t)at;
    char saved[16];

    assert_true(size <= sizeof(saved));
    sy_buf_reset(&f->before);
    sy_buf_reset(&f->after);
    encode(f, &f->before);
    memcpy(saved, p, size);
    memcpy(p, other, size);
    encode(f, &f->after);
    memcpy(p, saved, size);
    if (same(f))
        fail_msg("a change of %s is not seen", field);
    sy_buf_reset(&f->after);
    encode(f, &f->after);
    assert_true(same(f));
}

/* Flips the lowest bit: another id, number, length or truth. A length of 1 becomes 0, 2 becomes 3,
 * so lengths go through SHORTER. */
#define OTHER(x)                                                                                   \
    do {                                                                                           \
        __typeof__(x) other_ = (x) ^ 1;                                                            \
        EXPECT(#x, x, other_);                                                                     \
    } while (0)
#define SHORTER(x)                                                                                 \
    do {                                                                                           \
        assert_true((x) > 0);                                                                      \
        __typeof__(x) other_ = (x)-1;                                                              \
        EXPECT(#x, x, other_);                                                                     \
    } while (0)
#define EXPECT(name, x, other)                                                                     \
    do {                                                                                           \
        if (encoded)                                                                               \
            expect_shown(f, encode_spec, name, &(x), &(other), sizeof(x));                         \
        expect_shown(f, dump, name, &(x), &(other), sizeof(x));                                    \
    } while (0)

static void change_requirements(struct fixture *f, const struct sy_requirement *reqs)
{
    const bool encoded = true;
    encode_fn *const dump = dump_pod;

    OTHER(reqs[0].key);
    OTHER(reqs[0].op);
    OTHER(reqs[0].values[1]);
    SHORTER(reqs[0].values_len);
    OTHER(reqs[1].number);
    OTHER(reqs[1].number_ok);
}

static void change_selector(struct fixture *f, const struct sy_selector *sel)
{
    const bool encoded = true;
    encode_fn *const dump = dump_pod;

    change_requirements(f, sel->reqs);
    SHORTER(sel->len);
    OTHER(sel->is_nil);
    OTHER(sel->is_invalid);
}

static void change_node_term(struct fixture *f, const struct sy_node_term *term)
{
    const bool encoded = true;
    encode_fn *const dump = dump_pod;

    change_requirements(f, term->exprs);
    SHORTER(term->exprs_len);
    change_requirements(f, term->fields);
    SHORTER(term->fields_len);
}

static void change_affinity_term(struct fixture *f, const struct sy_affinity_term *term)
{
    const bool encoded = true;
    encode_fn *const dump = dump_pod;

    change_selector(f, &term->selector);
    OTHER(term->namespaces[1]);
    SHORTER(term->namespaces_len);
    change_selector(f, &term->namespace_selector);
    OTHER(term->topology_key);
}

static void change_labels(struct fixture *f, const struct sy_labels *l, encode_fn *dump,
                          bool encoded)
{
    OTHER(l->p[0].key);
    OTHER(l->p[1].value);
    SHORTER(l->len);
}

static void change_amounts(struct fixture *f, const struct sy_amounts *a, encode_fn *dump,
                           bool encoded)
{
    OTHER(a->p[0].resource);
    OTHER(a->p[1].amount);
    SHORTER(a->len);
}

static void test_each_spec_field(void **state)
{
    struct fixture *f = *state;
    const bool encoded = true;
    encode_fn *const dump = dump_pod;
    struct sy_pod_spec *s = &f->pod.spec;

    *s = full_spec(f);
    OTHER(s->scheduler_name);
    OTHER(s->host_network);
    change_amounts(f, &s->requests.requests, dump, encoded);
    OTHER(s->requests.nonzero_cpu_milli);
    OTHER(s->requests.nonzero_memory_bytes);
    OTHER(s->requests.scored_apart);
    s->requests.scored_apart = true;
    OTHER(s->requests.scored_cpu_milli);
    OTHER(s->requests.scored_memory_bytes);
    s->gpu = (struct sy_gpu_request){.count = 3, .milli = 500};
    OTHER(s->gpu.count);
    OTHER(s->gpu.milli);
    OTHER(s->gpu.memory_milli);
    OTHER(s->gpu.memory_bytes);
    OTHER(s->gpu.resource);
    OTHER(s->gpu.one_group);
    change_labels(f, &s->node_selector, dump, encoded);
    OTHER(s->required_nodes.is_set);
    SHORTER(s->required_nodes.len);
    change_node_term(f, &s->required_nodes.terms[1]);
    SHORTER(s->preferred_nodes_len);
    OTHER(s->preferred_nodes[0].weight);
    change_node_term(f, &s->preferred_nodes[0].term);
    SHORTER(s->affinity_len);
    change_affinity_term(f, s->affinity);
    SHORTER(s->preferred_affinity_len);
    OTHER(s->preferred_affinity[0].weight);
    change_affinity_term(f, &s->preferred_affinity[0].term);
    SHORTER(s->anti_affinity_len);
    change_affinity_term(f, s->anti_affinity);
    SHORTER(s->preferred_anti_affinity_len);
    OTHER(s->preferred_anti_affinity[0].weight);
    change_affinity_term(f, &s->preferred_anti_affinity[0].term);
    SHORTER(s->spread_len);
    OTHER(s->spread[0].max_skew);
    OTHER(s->spread[0].min_domains);
    OTHER(s->spread[0].topology_key);
    OTHER(s->spread[0].when_unsatisfiable);
    OTHER(s->spread[0].honor_affinity);
    OTHER(s->spread[0].honor_taints);
    change_selector(f, &s->spread[0].selector);
    OTHER(s->spread[0].match_label_keys[1]);
    SHORTER(s->spread[0].match_label_keys_len);
    SHORTER(s->tolerations_len);
    OTHER(s->tolerations[0].key);
    OTHER(s->tolerations[0].value);
    OTHER(s->tolerations[0].op);
    OTHER(s->tolerations[0].effect);
    SHORTER(s->host_ports_len);
    OTHER(s->host_ports[0].ip);
    OTHER(s->host_ports[0].port);
    OTHER(s->host_ports[0].protocol);
    OTHER(s->images[1]);
    SHORTER(s->images_len);
    OTHER(s->containers_len);
    SHORTER(s->volumes_len);
    OTHER(s->volumes[0].kind);
    OTHER(s->volumes[0].read_only);
    OTHER(s->volumes[0].name);
    OTHER(s->volumes[0].aux);
    OTHER(s->volumes[0].number);
    OTHER(s->volumes[0].list[1]);
    SHORTER(s->volumes[0].list_len);
    SHORTER(s->claims_len);
    OTHER(s->claims[0].name);
    OTHER(s->claims[0].claim);
    OTHER(s->claims[0].template);
    SHORTER(s->device_resources_len);
    OTHER(s->device_resources[0].resource);
    OTHER(s->device_resources[0].amount);
    OTHER(s->device_resources[0].container_name);
    OTHER(s->device_resources[0].container);
    OTHER(s->device_resources[0].index);
    OTHER(s->device_resources[0].kind);
    OTHER(s->scheduling_group);
}

static void test_each_pod_field(void **state)
{
    struct fixture *f = *state;
    const bool encoded = false;
    encode_fn *const dump = dump_pod;
    struct sy_pod *p = &f->pod;
    struct sy_str other = SY_STR("other");

    *p = (struct sy_pod){.ns = fresh(f),
                         .node = fresh(f),
                         .nominated_node = fresh(f),
                         .labels = labels(f),
                         .annotations = labels(f),
                         .scheduled_reason = fresh(f),
                         .owner_kind = fresh(f),
                         .priority_class = fresh(f),
                         .phase = SY_PHASE_RUNNING};
    EXPECT("uid", p->uid, other);
    EXPECT("name", p->name, other);
    EXPECT("resource_version", p->resource_version, other);
    OTHER(p->ns);
    OTHER(p->node);
    OTHER(p->nominated_node);
    change_labels(f, &p->labels, dump, encoded);
    change_labels(f, &p->annotations, dump, encoded);
    OTHER(p->gpu_devices);
    OTHER(p->generation);
    OTHER(p->created_wall_ns);
    OTHER(p->started_wall_ns);
    OTHER(p->deleting_wall_ns);
    OTHER(p->priority);
    OTHER(p->priority_class);
    OTHER(p->never_preempts);
    OTHER(p->phase);
    OTHER(p->scheduled);
    OTHER(p->ready);
    OTHER(p->gates_len);
    OTHER(p->scheduled_reason);
    EXPECT("scheduled_message", p->scheduled_message, other);
    OTHER(p->owner_kind);
    EXPECT("owner_uid", p->owner_uid, other);
}

static void dump_difference(struct fixture *f, struct sy_buf *out)
{
    static const struct sy_node *reference;

    /* "Same for scheduling" as an encoding: 0 when the node equals what it was at first. */
    if (!f->before.len && out == &f->before) {
        struct sy_node *copy = room(f, 1, sizeof(*copy));
        assert_int_equal(sy_node_copy(&f->arena, &f->node, copy), 0);
        reference = copy;
    }
    sy_buf_addc(out, sy_node_same_for_scheduling(reference, &f->node) ? '1' : '0');
}

static void change_node(struct fixture *f, encode_fn *dump)
{
    const bool encoded = false;
    struct sy_node *n = &f->node;
    struct sy_str other = SY_STR("other");

    EXPECT("uid", n->uid, other);
    OTHER(n->name);
    change_labels(f, &n->labels, dump, encoded);
    change_labels(f, &n->annotations, dump, encoded);
    change_amounts(f, &n->allocatable, dump, encoded);
    change_amounts(f, &n->capacity, dump, encoded);
    SHORTER(n->taints_len);
    OTHER(n->taints[0].key);
    OTHER(n->taints[0].value);
    OTHER(n->taints[0].effect);
    OTHER(n->unschedulable);
    OTHER(n->ready);
    OTHER(n->ready_changed_wall_ns);
    OTHER(n->created_wall_ns);
    SHORTER(n->images_len);
    OTHER(n->images[0].name);
    OTHER(n->images[1].size_bytes);
    OTHER(n->gpus_unhealthy);
    SHORTER(n->gpu_groups_len);
    OTHER(n->gpu_groups[0]);
}

static void test_each_node_field(void **state)
{
    struct fixture *f = *state;
    struct sy_node other;

    f->node = full_node(f);
    change_node(f, dump_node);
    change_node(f, dump_difference);
    assert_int_equal(sy_node_copy(&f->arena, &f->node, &other), 0);
    other.resource_version = SY_STR("78"); /* a heartbeat */
    assert_true(sy_node_same_for_scheduling(&f->node, &other));
    sy_buf_reset(&f->before);
    dump_node(f, &f->before);
    assert_non_null(strstr(f->before.p, "resourceVersion=\"77\"\n"));
}

/* -- copies -- */

static void test_copy_stands_alone(void **state)
{
    struct fixture *f = *state;
    struct sy_arena own;
    struct sy_pod_spec copy;
    struct sy_node node;

    f->pod.spec = full_spec(f);
    f->node = full_node(f);
    sy_arena_init(&own, CAP);
    assert_int_equal(sy_pod_spec_copy(&own, &f->pod.spec, &copy), 0);
    assert_int_equal(sy_node_copy(&own, &f->node, &node), 0);
    encode_spec(f, &f->before);
    dump_pod(f, &f->before);
    dump_node(f, &f->before);
    /* What the copies would share is gone by now. */
    sy_arena_done(&f->arena);
    f->pod.spec = copy;
    f->node = node;
    encode_spec(f, &f->after);
    dump_pod(f, &f->after);
    dump_node(f, &f->after);
    assert_true(same(f));
    sy_arena_done(&own);
}

static void test_copy_without_memory(void **state)
{
    struct fixture *f = *state;
    struct sy_arena own;
    struct sy_pod_spec copy = {.containers_len = 99};
    struct sy_node node = {.images_len = 99};
    int failed_specs = 0, failed_nodes = 0;

    f->pod.spec = full_spec(f);
    f->node = full_node(f);
    for (size_t cap = 0; copy.containers_len == 99 || node.images_len == 99; cap += 8) {
        assert_true(cap < 65536);
        sy_arena_init(&own, cap);
        int r = sy_pod_spec_copy(&own, &f->pod.spec, &copy);
        assert_true(r == 0 || (r == -E2BIG && copy.containers_len == 99));
        failed_specs += r != 0;
        sy_arena_done(&own);
        r = sy_node_copy(&own, &f->node, &node);
        assert_true(r == 0 || (r == -E2BIG && node.images_len == 99));
        failed_nodes += r != 0;
        sy_arena_done(&own);
    }
    assert_true(failed_specs > 50 && failed_nodes > 10);

    sy_arena_init(&own, CAP);
    sy_mem_fail_at(1);
    assert_int_equal(sy_pod_spec_copy(&own, &f->pod.spec, &copy), -ENOMEM);
    assert_int_equal(sy_node_copy(&own, &f->node, &node), -ENOMEM);
    sy_mem_fail_at(0);
    sy_arena_done(&own);
}

static void test_marks_every_id(void **state)
{
    struct fixture *f = *state;
    uint32_t kept;

    f->pod.spec = full_spec(f);
    kept = sy_strings_len(f->strings);
    sy_strings_mark_begin(f->strings);
    sy_pod_spec_mark(&f->pod.spec, f->strings);
    assert_int_equal(sy_strings_sweep(f->strings), 0);
    assert_int_equal(sy_strings_len(f->strings), kept);

    f->node = full_node(f);
    uint32_t both = sy_strings_len(f->strings);
    sy_strings_mark_begin(f->strings);
    sy_node_mark(&f->node, f->strings);
    assert_int_equal(sy_strings_sweep(f->strings), kept);
    assert_int_equal(sy_strings_len(f->strings), both - kept);
}

/* -- encoding and printing at their edges -- */

static void test_encoding_edges(void **state)
{
    struct fixture *f = *state;
    struct sy_pod_spec empty = {0}, numbers = {0};
    struct sy_requirement *reqs = room(f, 5000, sizeof(*reqs));
    struct sy_node_term *term = room(f, 1, sizeof(*term));
    struct sy_buf small;

    assert_int_equal(sy_pod_spec_encode(&empty, &f->before), 0);
    assert_true(f->before.len > 0 && f->before.len < 64);
    numbers.requests.nonzero_cpu_milli = INT64_MIN;
    numbers.requests.nonzero_memory_bytes = INT64_MAX;
    numbers.containers_len = UINT32_MAX;
    assert_int_equal(sy_pod_spec_encode(&numbers, &f->after), 0);
    assert_int_equal(f->after.len, f->before.len + 9 + 9 + 4);

    /* Longer than the writer's own chunk, and appended to what is there. */
    for (int i = 0; i < 5000; i++)
        reqs[i] = (struct sy_requirement){.key = UINT32_MAX, .number = INT64_MIN};
    *term = (struct sy_node_term){.exprs = reqs, .exprs_len = 5000};
    numbers.required_nodes = (struct sy_node_selector){term, 1, true};
    sy_buf_reset(&f->before);
    sy_buf_adds(&f->before, "x");
    assert_int_equal(sy_pod_spec_encode(&numbers, &f->before), 0);
    assert_true(f->before.len > 5000 * 15);
    assert_int_equal(f->before.p[0], 'x');

    sy_buf_init(&small, 100);
    assert_int_equal(sy_pod_spec_encode(&numbers, &small), -E2BIG);
    assert_int_equal(small.len, 0);
    sy_buf_done(&small);
}

static void test_dump_is_in_text_order(void **state)
{
    struct fixture *f = *state;
    sy_sid b = sy_strings_addz(f->strings, "b"), a = sy_strings_addz(f->strings, "a\n\"");
    struct sy_label l[] = {{b, a}, {a, b}};
    sy_sid images[] = {b, a};

    f->pod = (struct sy_pod){.labels = {l, 2}, .spec = {.images = images, .images_len = 2}};
    dump_pod(f, &f->before);
    assert_non_null(
        strstr(f->before.p, "\nlabels=\"a\\u000a\\\"\":\"b\" \"b\":\"a\\u000a\\\"\"\n"));
    assert_non_null(strstr(f->before.p, "\nimages=[\"b\",\"a\\u000a\\\"\"]\n"));
    assert_non_null(strstr(f->before.p, "\nnode=-\n"));

    /* A value that no table knows must not read beyond it. */
    f->pod.phase = f->pod.ready = 200;
    sy_buf_reset(&f->before);
    dump_pod(f, &f->before);
    assert_non_null(strstr(f->before.p, "phase=?\n"));
    sy_buf_init(&f->after, 50);
    assert_int_equal(sy_pod_dump(&f->pod, f->strings, &f->after), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_spec_field, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_pod_field, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_node_field, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy_stands_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy_without_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks_every_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_encoding_edges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dump_is_in_text_order, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
