/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoders: that both forms of the same object give the same model, that it is what upstream
 * computes, and that no bytes do harm. */
#include "kube/decode.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>

#include "wire.h"

enum { ARENA_CAP = 64 << 20 };

static const char *const annotation_keys[] = {"steelyard.dev/gang", "steelyard.dev/other", NULL};

struct fixture {
    struct sy_strings *strings;
    struct sy_decode d;
    struct sy_buf buf;
};

static int setup(void **state)
{
    static const uint64_t key[2] = {1, 2};
    struct fixture *f = sy_xcalloc(1, sizeof(*f));

    f->strings = sy_strings_new(key);
    sy_decode_init(&f->d, f->strings, ARENA_CAP);
    f->d.annotation_keys = annotation_keys;
    sy_buf_init(&f->buf, 256 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sy_buf_done(&f->buf);
    sy_decode_done(&f->d);
    sy_strings_free(f->strings);
    free(f);
    return 0;
}

/* ---- one model from two forms ---------------------------------------------------------------- */

/* The model as text, with the bytes that its spec encodes to in hex. Free with free(). */
static char *pod_text(struct fixture *f, enum sy_encoding enc, struct sy_str raw, const char *name)
{
    struct sy_err err = {0};
    struct sy_pod pod;
    struct sy_buf out, bytes;

    sy_buf_init(&out, 256 << 20);
    sy_buf_init(&bytes, 64 << 20);
    sy_arena_reset(&f->d.arena);
    if (sy_decode_pod(&f->d, enc, raw, &pod, &err) < 0)
        fail_msg("%s: %s", name, err.msg);
    assert_int_equal(sy_pod_dump(&pod, f->strings, &out), 0);
    assert_int_equal(sy_pod_spec_encode(&pod.spec, &bytes), 0);
    for (size_t i = 0; i < bytes.len; i++)
        sy_buf_addf(&out, "%02x", (unsigned char)bytes.p[i]);
    sy_buf_done(&bytes);
    return sy_buf_take(&out);
}

static char *node_text(struct fixture *f, enum sy_encoding enc, struct sy_str raw, const char *name)
{
    struct sy_err err = {0};
    struct sy_node node;
    struct sy_buf out;

    sy_buf_init(&out, 64 << 20);
    sy_arena_reset(&f->d.arena);
    if (sy_decode_node(&f->d, enc, raw, &node, &err) < 0)
        fail_msg("%s: %s", name, err.msg);
    assert_int_equal(sy_node_dump(&node, f->strings, &out), 0);
    return sy_buf_take(&out);
}

static void compare(struct fixture *f, const char *name, struct sy_str json, struct sy_str pb)
{
    bool is_node = strncmp(name, "node-", 5) == 0;
    char *a = is_node ? node_text(f, SY_ENCODING_JSON, json, name)
                      : pod_text(f, SY_ENCODING_JSON, json, name);
    char *b = is_node ? node_text(f, SY_ENCODING_PROTOBUF, pb, name)
                      : pod_text(f, SY_ENCODING_PROTOBUF, pb, name);

    if (strcmp(a, b) != 0)
        fail_msg("%s: from JSON\n%.4000s\nfrom protobuf\n%.4000s", name, a, b);
    free(a);
    free(b);
}

static void test_both_forms_are_equal(void **state)
{
    struct fixture *f = *state;
    DIR *dir = opendir(OBJECTS);
    int pairs = 0;

    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        size_t len = strlen(e->d_name);
        if (len < 6 || strcmp(e->d_name + len - 5, ".json") != 0)
            continue;
        char *name = sy_xstrndup(e->d_name, len - 5);
        char *json_path = sy_xasprintf(OBJECTS "%s.json", name);
        char *pb_path = sy_xasprintf(OBJECTS "%s.pb", name);
        struct sy_str json = read_whole(json_path), pb = read_whole(pb_path);
        compare(f, name, json, pb);
        free((char *)json.p);
        free((char *)pb.p);
        free(json_path);
        free(pb_path);
        free(name);
        pairs++;
    }
    closedir(dir);
    assert_true(pairs >= 60);
}

/* ---- what upstream computes ------------------------------------------------------------------ */

struct want {
    char object[64], what[16], key[64], value[64];
};

static bool next_want(FILE *file, struct want *w)
{
    char line[512];

    while (fgets(line, sizeof(line), file)) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        w->value[0] = '\0';
        assert_true(sscanf(line, "%63[^\t]\t%15[^\t]\t%63[^\t]\t%63[^\n]", w->object, w->what,
                           w->key, w->value) >= 3);
        return true;
    }
    return false;
}

static void check_amount(struct fixture *f, const struct want *w, struct sy_amounts amounts)
{
    sy_sid resource = sy_strings_add(f->strings, sy_str_from(w->key));
    int64_t value;

    assert_int_equal(sy_str_i64(sy_str_from(w->value), &value), 0);
    if (!sy_amounts_has(amounts, resource) || sy_amounts_get(amounts, resource) != value)
        fail_msg("%s: %s of %s is %" PRId64 " and not %s", w->object, w->what, w->key,
                 sy_amounts_get(amounts, resource), w->value);
}

static void check_pod(struct fixture *f, const struct want *w, const struct sy_pod *pod)
{
    if (strcmp(w->what, "requests") == 0) {
        check_amount(f, w, pod->spec.requests.requests);
    } else if (strcmp(w->what, "created") == 0) {
        int64_t seconds;
        assert_int_equal(sy_str_i64(sy_str_from(w->value), &seconds), 0);
        assert_int_equal(pod->created_wall_ns, seconds * SY_NS_PER_S);
    } else if (strcmp(w->key, "name") == 0) {
        assert_true(sy_str_eqz(pod->name, w->value));
    } else {
        assert_string_equal(w->key, "uid");
        assert_true(sy_str_eqz(pod->uid, w->value));
    }
}

static void check_want(struct fixture *f, const struct want *w, enum sy_encoding enc)
{
    char *path = sy_xasprintf(OBJECTS "%s.%s", w->object, enc == SY_ENCODING_JSON ? "json" : "pb");
    struct sy_str raw = read_whole(path);

    sy_arena_reset(&f->d.arena);
    if (strncmp(w->object, "node-", 5) == 0) {
        struct sy_node node;
        assert_int_equal(sy_decode_node(&f->d, enc, raw, &node, NULL), 0);
        check_amount(f, w, w->what[0] == 'a' ? node.allocatable : node.capacity);
    } else {
        struct sy_pod pod;
        assert_int_equal(sy_decode_pod(&f->d, enc, raw, &pod, NULL), 0);
        check_pod(f, w, &pod);
    }
    free((char *)raw.p);
    free(path);
}

static void test_upstream_agrees(void **state)
{
    FILE *file = fopen(OBJECTS "want.tsv", "re");
    struct want w;
    int count = 0;

    assert_non_null(file);
    for (; next_want(file, &w); count++) {
        check_want(*state, &w, SY_ENCODING_JSON);
        check_want(*state, &w, SY_ENCODING_PROTOBUF);
    }
    fclose(file);
    assert_true(count > 300);
}

/* ---- fields, one by one ---------------------------------------------------------------------- */

static struct sy_pod decode_json(struct fixture *f, const char *text)
{
    struct sy_err err = {0};
    struct sy_pod pod;

    sy_arena_reset(&f->d.arena);
    if (sy_decode_pod(&f->d, SY_ENCODING_JSON, sy_str_from(text), &pod, &err) < 0)
        fail_msg("%s: %s", text, err.msg);
    return pod;
}

static struct sy_pod decode_file(struct fixture *f, const char *name)
{
    char *path = sy_xasprintf(OBJECTS "pod-%s.pb", name);
    struct sy_str raw = read_whole(path);
    struct sy_pod pod;

    sy_arena_reset(&f->d.arena);
    assert_int_equal(sy_decode_pod(&f->d, SY_ENCODING_PROTOBUF, raw, &pod, NULL), 0);
    free((char *)raw.p);
    free(path);
    return pod;
}

static void assert_id(struct fixture *f, sy_sid id, const char *text)
{
    if (!text) {
        assert_int_equal(id, 0);
        return;
    }
    assert_true(id != 0);
    assert_string_equal(sy_strings_getz(f->strings, id), text);
}

static void test_typical_pod(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = decode_file(f, "typical");

    assert_true(sy_str_eqz(pod.name, "web-7d4b9c6f5d-x2x7k"));
    assert_true(sy_str_eqz(pod.resource_version, "4711"));
    assert_id(f, pod.ns, "default");
    assert_id(f, pod.node, "node-17");
    assert_id(f, pod.nominated_node, NULL);
    assert_int_equal(pod.labels.len, 3);
    assert_id(f, sy_labels_get(pod.labels, sy_strings_addz(f->strings, "tier")), "frontend");
    assert_int_equal(pod.annotations.len, 1);
    assert_id(f, pod.annotations.p[0].value, "none");
    assert_int_equal(pod.generation, 3);
    assert_int_equal(pod.created_wall_ns, 1790000000 * SY_NS_PER_S);
    assert_int_equal(pod.started_wall_ns, 1790000001 * SY_NS_PER_S);
    assert_int_equal(pod.deleting_wall_ns, 0);
    assert_int_equal(pod.priority, 1000);
    assert_false(pod.never_preempts);
    assert_int_equal(pod.phase, SY_PHASE_RUNNING);
    assert_int_equal(pod.scheduled, SY_CONDITION_TRUE);
    assert_int_equal(pod.ready, SY_CONDITION_TRUE);
    assert_id(f, pod.owner_kind, "ReplicaSet");
    assert_true(sy_str_eqz(pod.owner_uid, "77aa"));
    assert_id(f, pod.spec.scheduler_name, "steelyard");
    assert_int_equal(pod.spec.tolerations_len, 2);
    assert_id(f, pod.spec.tolerations[0].key, "node.kubernetes.io/not-ready");
    assert_id(f, pod.spec.tolerations[0].value, "");
    assert_int_equal(pod.spec.tolerations[0].op, SY_TOLERATION_EXISTS);
    assert_int_equal(pod.spec.tolerations[0].effect, SY_EFFECT_NO_EXECUTE);
    assert_int_equal(pod.spec.volumes_len, 0);
    assert_int_equal(pod.spec.images_len, 1);
    assert_id(f, pod.spec.images[0], "registry.example/app:v1");
}

static void test_selectors(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"op", "gt", "none", "extra", "key", "value", "nothing"};
    struct sy_pod pod = decode_file(f, "selector-nil");

    assert_int_equal(pod.spec.anti_affinity_len, 1);
    assert_true(pod.spec.anti_affinity[0].selector.is_nil);
    assert_true(pod.spec.anti_affinity[0].namespace_selector.is_nil);
    pod = decode_file(f, "selector-empty");
    assert_false(pod.spec.anti_affinity[0].selector.is_nil);
    assert_int_equal(pod.spec.anti_affinity[0].selector.len, 0);
    for (size_t i = 0; i < SY_ARRAY_LEN(bad); i++) {
        char *name = sy_xasprintf("selector-bad-%s", bad[i]);
        pod = decode_file(f, name);
        assert_true(pod.spec.anti_affinity[0].selector.is_invalid);
        free(name);
    }
    pod = decode_file(f, "selectors");
    const struct sy_selector *s = &pod.spec.affinity[0].selector;
    assert_false(s->is_invalid);
    assert_int_equal(s->len, 8);
    for (uint32_t i = 1; i < s->len; i++) {
        assert_true(s->reqs[i - 1].key < s->reqs[i].key ||
                    (s->reqs[i - 1].key == s->reqs[i].key && s->reqs[i - 1].op <= s->reqs[i].op));
    }
    assert_int_equal(pod.spec.preferred_anti_affinity[0].weight, -7);
    assert_id(f, pod.spec.preferred_anti_affinity[0].term.topology_key, NULL);

    pod = decode_file(f, "namespaces");
    assert_int_equal(pod.spec.anti_affinity[0].namespaces_len, 3);
    assert_true(pod.spec.anti_affinity[0].namespace_selector.is_nil);
    assert_false(pod.spec.anti_affinity[1].namespace_selector.is_nil);
    assert_int_equal(pod.spec.anti_affinity[2].namespace_selector.len, 1);
}

static void test_node_affinity(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = decode_file(f, "plain");

    assert_false(pod.spec.required_nodes.is_set);
    pod = decode_file(f, "affinity-empties");
    assert_false(pod.spec.required_nodes.is_set);
    pod = decode_file(f, "node-affinity-none");
    assert_true(pod.spec.required_nodes.is_set);
    assert_int_equal(pod.spec.required_nodes.len, 0);
    pod = decode_file(f, "node-affinity");
    assert_int_equal(pod.spec.required_nodes.len, 2);
    const struct sy_node_term *term = &pod.spec.required_nodes.terms[0];
    assert_int_equal(term->exprs_len, 6);
    assert_int_equal(term->exprs[0].values_len, 2);
    assert_int_equal(term->exprs[1].op, SY_OP_GT);
    assert_true(term->exprs[1].number_ok);
    assert_int_equal(term->exprs[1].number, 16);
    assert_int_equal(term->exprs[2].number, 64);
    assert_int_equal(term->fields_len, 1);
    assert_int_equal(pod.spec.preferred_nodes_len, 2);
    pod = decode_file(f, "node-affinity-odd");
    term = &pod.spec.required_nodes.terms[0];
    for (uint32_t i = 0; i < term->exprs_len; i++)
        assert_true(term->exprs[i].op == SY_OP_INVALID || !term->exprs[i].number_ok);
    assert_int_equal(term->fields[0].op, SY_OP_INVALID);
    assert_int_equal(term->fields[1].op, SY_OP_INVALID);
    assert_int_equal(term->fields[2].op, SY_OP_IN);
    assert_int_equal(term->fields[3].op, SY_OP_NOT_IN);
}

static void test_spread_and_tolerations(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = decode_file(f, "spread");

    assert_int_equal(pod.spec.spread_len, 3);
    assert_int_equal(pod.spec.spread[0].min_domains, 3);
    assert_true(pod.spec.spread[0].honor_affinity);
    assert_false(pod.spec.spread[0].honor_taints);
    assert_int_equal(pod.spec.spread[1].when_unsatisfiable, SY_SCHEDULE_ANYWAY);
    assert_false(pod.spec.spread[1].honor_affinity);
    assert_true(pod.spec.spread[1].honor_taints);
    assert_int_equal(pod.spec.spread[1].match_label_keys_len, 2);
    assert_id(f, pod.spec.spread[1].match_label_keys[0], "pod-template-hash");
    assert_true(pod.spec.spread[2].selector.is_nil);

    pod = decode_file(f, "tolerations");
    static const uint8_t ops[] = {
        SY_TOLERATION_EQUAL, SY_TOLERATION_EXISTS, SY_TOLERATION_EQUAL,   SY_TOLERATION_EQUAL,
        SY_TOLERATION_GT,    SY_TOLERATION_LT,     SY_TOLERATION_INVALID, SY_TOLERATION_INVALID,
    };
    assert_int_equal(pod.spec.tolerations_len, SY_ARRAY_LEN(ops));
    for (size_t i = 0; i < SY_ARRAY_LEN(ops); i++)
        assert_int_equal(pod.spec.tolerations[i].op, ops[i]);
    assert_id(f, pod.spec.tolerations[0].key, NULL);
}

static void test_ports_images_volumes(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = decode_file(f, "ports");

    assert_true(pod.spec.host_network);
    assert_int_equal(pod.spec.host_ports_len, 5);
    assert_id(f, pod.spec.host_ports[0].ip, "0.0.0.0");
    assert_int_equal(pod.spec.host_ports[0].port, 8080);
    assert_int_equal(pod.spec.host_ports[1].protocol, SY_PROTOCOL_UDP);
    assert_id(f, pod.spec.host_ports[1].ip, "10.0.0.1");
    assert_int_equal(pod.spec.host_ports[2].protocol, SY_PROTOCOL_SCTP);
    pod = decode_file(f, "init"); /* the sidecar's port, not the init container's */
    assert_int_equal(pod.spec.host_ports_len, 1);
    assert_int_equal(pod.spec.host_ports[0].port, 15001);

    static const char *const images[] = {
        "a:latest", "host:5000/a:latest", "host:5000/a:v2",    ":latest", "a@sha256:00", "a:v1",
        "a:v1",     "b/c:latest",         "models/llm:latest", ":latest",
    };
    pod = decode_file(f, "images");
    assert_int_equal(pod.spec.images_len, SY_ARRAY_LEN(images));
    assert_int_equal(pod.spec.containers_len, SY_ARRAY_LEN(images));
    for (size_t i = 0; i < SY_ARRAY_LEN(images); i++)
        assert_id(f, pod.spec.images[i], images[i]);

    static const struct {
        uint8_t kind;
        bool read_only;
        const char *name, *aux;
        int number;
        unsigned list_len;
    } volumes[] = {
        {SY_VOLUME_CLAIM, true, "data", NULL, 0, 0},
        {SY_VOLUME_EPHEMERAL, false, "scratch", NULL, 0, 0},
        {SY_VOLUME_EPHEMERAL, false, "bare", NULL, 0, 0},
        {SY_VOLUME_CSI, true, "csi.example", NULL, 0, 0},
        {SY_VOLUME_CSI, false, "csi.example", NULL, 0, 0},
        {SY_VOLUME_GCE_PD, true, "pd", NULL, 0, 0},
        {SY_VOLUME_AWS_EBS, false, "vol-1", NULL, 0, 0},
        {SY_VOLUME_ISCSI, true, "iqn.x", "1.2.3.4:3260", 7, 0},
        {SY_VOLUME_RBD, true, "img", "pool", 0, 3},
    };
    pod = decode_file(f, "volumes");
    assert_int_equal(pod.spec.volumes_len, SY_ARRAY_LEN(volumes));
    for (size_t i = 0; i < SY_ARRAY_LEN(volumes); i++) {
        const struct sy_volume *v = &pod.spec.volumes[i];
        assert_int_equal(v->kind, volumes[i].kind);
        assert_int_equal(v->read_only, volumes[i].read_only);
        assert_id(f, v->name, volumes[i].name);
        assert_id(f, v->aux, volumes[i].aux);
        assert_int_equal(v->number, volumes[i].number);
        assert_int_equal(v->list_len, volumes[i].list_len);
    }
    assert_id(f, pod.spec.volumes[8].list[0], "m2");
}

static void test_small_fields(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = decode_file(f, "gates");

    assert_int_equal(pod.gates_len, 3);
    assert_int_equal(pod.priority, INT32_MIN);
    assert_true(pod.never_preempts);
    pod = decode_file(f, "group");
    assert_id(f, pod.spec.scheduling_group, "gang-1");
    assert_int_equal(pod.priority, INT32_MAX);
    pod = decode_file(f, "group-empty");
    assert_id(f, pod.spec.scheduling_group, NULL);
    pod = decode_file(f, "deleting");
    assert_int_equal(pod.deleting_wall_ns, 1790000100 * SY_NS_PER_S);
    assert_true(sy_pod_is_terminal(&pod));
    pod = decode_file(f, "owners");
    assert_id(f, pod.owner_kind, "Job");
    assert_true(sy_str_eqz(pod.owner_uid, "u3"));
    pod = decode_file(f, "conditions");
    assert_int_equal(pod.scheduled, SY_CONDITION_FALSE);
    assert_id(f, pod.scheduled_reason, "Unschedulable");
    assert_true(sy_str_eqz(pod.scheduled_message, "0/3 nodes are available"));
    assert_int_equal(pod.ready, SY_CONDITION_UNKNOWN);
    assert_id(f, pod.nominated_node, "node-9");
    assert_int_equal(pod.started_wall_ns, -SY_NS_PER_S);
    pod = decode_file(f, "claims");
    assert_int_equal(pod.spec.claims_len, 3);
    assert_id(f, pod.spec.claims[0].claim, "shared");
    assert_id(f, pod.spec.claims[0].template, NULL);
    assert_id(f, pod.spec.claims[1].template, "tmpl");
    pod = decode_file(f, "phase-3");
    assert_int_equal(pod.phase, SY_PHASE_UNKNOWN);

    uint64_t odd = f->d.odd_values;
    pod = decode_file(f, "times");
    assert_int_equal(pod.started_wall_ns, 0); /* 2262 is past what nanoseconds hold */
    assert_int_equal(f->d.odd_values, odd + 1);
    assert_true(pod.deleting_wall_ns > INT64_C(9200000000) * SY_NS_PER_S);
}

/* What device classes may stand for, by container and with the place among all its requests. */
static void test_device_resources_of_containers(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = decode_json(
        f, "{\"spec\":{\"initContainers\":[{\"name\":\"i\",\"resources\":{\"requests\":{"
           "\"cpu\":\"1\",\"a.b/z\":\"2\",\"a.b/c\":\"1\",\"a.b/none\":\"0\"}}},"
           "{\"name\":\"s\",\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{"
           "\"deviceclass.resource.kubernetes.io/gpu\":\"1\","
           "\"x.kubernetes.io/y\":\"1\",\"requests.a.b/c\":\"1\"}}}],"
           "\"containers\":[{\"name\":\"m\"},{\"name\":\"n\",\"resources\":{\"requests\":{"
           "\"a.b/c\":\"3\",\"hugepages-2Mi\":\"2Mi\"}}}]}}");
    static const struct {
        const char *resource, *container;
        int64_t amount;
        unsigned number, index, kind;
    } WANT[] = {
        {"a.b/c", "i", 1, 0, 0, SY_CONTAINER_INIT},
        {"a.b/z", "i", 2, 0, 2, SY_CONTAINER_INIT},
        {"deviceclass.resource.kubernetes.io/gpu", "s", 1, 1, 0, SY_CONTAINER_SIDECAR},
        {"a.b/c", "n", 3, 3, 0, SY_CONTAINER_MAIN},
    };

    assert_int_equal(pod.spec.device_resources_len, SY_ARRAY_LEN(WANT));
    for (size_t i = 0; i < SY_ARRAY_LEN(WANT); i++) {
        const struct sy_device_resource *r = &pod.spec.device_resources[i];
        assert_id(f, r->resource, WANT[i].resource);
        assert_id(f, r->container_name, WANT[i].container);
        assert_int_equal(r->amount, WANT[i].amount);
        assert_int_equal(r->container, WANT[i].number);
        assert_int_equal(r->index, WANT[i].index);
        assert_int_equal(r->kind, WANT[i].kind);
    }
}

static void test_node_fields(void **state)
{
    struct fixture *f = *state;
    struct sy_str raw = read_whole(OBJECTS "node-images.pb");
    struct sy_node node;

    assert_int_equal(sy_decode_node(&f->d, SY_ENCODING_PROTOBUF, raw, &node, NULL), 0);
    free((char *)raw.p);
    assert_id(f, node.name, "images");
    assert_int_equal(node.ready, SY_CONDITION_TRUE);
    assert_int_equal(node.ready_changed_wall_ns, 1790000010 * SY_NS_PER_S);
    assert_int_equal(node.images_len, 4);
    for (uint32_t i = 0; i < node.images_len; i++) {
        const char *name = sy_strings_getz(f->strings, node.images[i].name);
        assert_true(!i || node.images[i - 1].name < node.images[i].name);
        if (strcmp(name, "b:v1") == 0)
            assert_int_equal(node.images[i].size_bytes, INT64_C(1) << 40); /* the last given */
    }
    raw = read_whole(OBJECTS "node-taints.pb");
    assert_int_equal(sy_decode_node(&f->d, SY_ENCODING_PROTOBUF, raw, &node, NULL), 0);
    free((char *)raw.p);
    assert_true(node.unschedulable);
    assert_int_equal(node.taints_len, 5);
    assert_id(f, node.taints[0].key, "b");
    assert_int_equal(node.taints[0].effect, SY_EFFECT_NO_EXECUTE);
    assert_id(f, node.taints[1].value, "");
    assert_int_equal(node.taints[3].effect, SY_EFFECT_NONE);
    raw = read_whole(OBJECTS "node-annotated.pb");
    assert_int_equal(sy_decode_node(&f->d, SY_ENCODING_PROTOBUF, raw, &node, NULL), 0);
    free((char *)raw.p);
    assert_int_equal(node.annotations.len, 2);
    assert_int_equal(node.internal_ips_len, 1);
    assert_true(sy_str_eqz(node.internal_ips[0], "10.0.0.1"));
}

/* ---- JSON that is not what it should be ------------------------------------------------------ */

static void test_absent_null_and_wrong_types_are_equal(void **state)
{
    struct fixture *f = *state;
    static const char *const values[] = {
        "null",   "true", "7",  "-1.5",      "\"text\"", "[]",
        "[null]", "[1]",  "{}", "{\"x\":1}", "[\"x\"]",  "99999999999999999999"};
    /* A key and the index of a value of the right type, which is left out. */
    static const struct {
        const char *format;
        const char *right;
    } fields[] = {
        {"{\"metadata\":%s}", "{"},
        {"{\"spec\":%s}", "{"},
        {"{\"status\":%s}", "{"},
        {"{\"metadata\":{\"name\":%s}}", "\""},
        {"{\"metadata\":{\"creationTimestamp\":%s}}", "\""},
        {"{\"metadata\":{\"labels\":%s}}", "{"},
        {"{\"metadata\":{\"ownerReferences\":%s}}", "["},
        {"{\"spec\":{\"nodeName\":%s}}", "\""},
        {"{\"spec\":{\"hostNetwork\":%s}}", "t"},
        {"{\"spec\":{\"priority\":%s}}", "7"},
        {"{\"spec\":{\"containers\":%s}}", "["},
        {"{\"spec\":{\"affinity\":%s}}", "{"},
        {"{\"spec\":{\"affinity\":{\"nodeAffinity\":%s}}}", "{"},
        {"{\"spec\":{\"overhead\":%s}}", "{"},
        {"{\"spec\":{\"tolerations\":%s}}", "["},
        {"{\"spec\":{\"volumes\":%s}}", "["},
        {"{\"spec\":{\"schedulingGroup\":%s}}", "{"},
        {"{\"status\":{\"phase\":%s}}", "\""},
        {"{\"status\":{\"conditions\":%s}}", "["},
    };
    char *absent = pod_text(f, SY_ENCODING_JSON, SY_STR("{}"), "absent");

    for (size_t i = 0; i < SY_ARRAY_LEN(fields); i++) {
        const char *gap = strstr(fields[i].format, "%s");
        for (size_t j = 0; j < SY_ARRAY_LEN(values); j++) {
            if (values[j][0] == fields[i].right[0])
                continue;
            char *text = sy_xasprintf("%.*s%s%s", (int)(gap - fields[i].format), fields[i].format,
                                      values[j], gap + 2);
            uint64_t odd = f->d.odd_values;
            char *got = pod_text(f, SY_ENCODING_JSON, sy_str_from(text), text);
            if (strcmp(got, absent) != 0)
                fail_msg("%s gives\n%s\ninstead of\n%s", text, got, absent);
            assert_int_equal(f->d.odd_values > odd, strcmp(values[j], "null") != 0);
            free(got);
            free(text);
        }
    }
    free(absent);
}

static void test_wrong_elements_are_left_out(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = decode_json(
        f, "{\"metadata\":{\"labels\":{\"a\":1,\"b\":null,\"c\":\"ok\",\"d\":[]}},"
           "\"spec\":{\"tolerations\":[null,1,{\"key\":\"k\"},[]],\"affinity\":{\"podAffinity\":{"
           "\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"namespaces\":[\"n\",null,3]}]}},"
           "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":2,\"memory\":1.5,"
           "\"example.com/a\":true,\"example.com/b\":null,\"example.com/c\":\"bad\"}}}]}}");

    assert_int_equal(pod.labels.len, 1);
    assert_int_equal(pod.spec.tolerations_len, 1);
    assert_int_equal(pod.spec.affinity[0].namespaces_len, 1);
    assert_int_equal(sy_amounts_get(pod.spec.requests.requests, f->d.names.cpu), 2000);
    assert_int_equal(sy_amounts_get(pod.spec.requests.requests, f->d.names.memory), 2);
    assert_int_equal(pod.spec.requests.requests.len, 2);
}

static void test_json_numbers_out_of_range(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"2147483648", "-2147483649", "9223372036854775808",
                                      "18446744073709551615", "-9223372036854775809"};

    for (size_t i = 0; i < SY_ARRAY_LEN(bad); i++) {
        char *text = sy_xasprintf("{\"spec\":{\"priority\":%s}}", bad[i]);
        uint64_t odd = f->d.odd_values;
        struct sy_pod pod = decode_json(f, text);
        assert_int_equal(pod.priority, 0);
        assert_int_equal(f->d.odd_values, odd + 1);
        free(text);
    }
    struct sy_pod pod = decode_json(f, "{\"spec\":{\"priority\":-2147483648}}");
    assert_int_equal(pod.priority, INT32_MIN);
}

/* GPUs by annotation, in both forms. */
static void test_gpu_annotations(void **state)
{
    struct fixture *f = *state;
    struct sy_buf m;
    struct sy_pod pods[2];

    pods[0] = decode_json(f, "{\"metadata\":{\"annotations\":{\"steelyard.dev/gpu-milli\":\"250\","
                             "\"steelyard.dev/gpu-memory\":\"1Gi\","
                             "\"steelyard.dev/gpu-devices\":\"0,3\"}}}");
    sy_buf_init(&m, 4096);
    sy_buf_reset(&f->buf);
    pb_pair(&m, 12, "steelyard.dev/gpu-milli", "250");
    pb_pair(&m, 12, "steelyard.dev/gpu-memory", "1Gi");
    pb_pair(&m, 12, "steelyard.dev/gpu-devices", "0,3");
    pb_message(&f->buf, 1, &m);
    assert_int_equal(
        sy_decode_pod(&f->d, SY_ENCODING_PROTOBUF, sy_buf_str(&f->buf), &pods[1], NULL), 0);
    sy_buf_done(&m);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pods[i].spec.gpu.count, 1);
        assert_int_equal(pods[i].spec.gpu.milli, 250);
        assert_int_equal(pods[i].spec.gpu.memory_bytes, 1 << 30);
        assert_true(pods[i].gpu_devices == 9);
    }
    pods[0] = decode_json(f, "{\"metadata\":{\"annotations\":{\"steelyard.dev/gpu-milli\":\"\","
                             "\"steelyard.dev/gpu-devices\":\"0,0\"}}}");
    assert_int_equal(pods[0].spec.gpu.count, UINT16_MAX);
    assert_true(pods[0].gpu_devices == 0);
    pods[0] = decode_json(f, "{\"spec\":{\"containers\":[{\"resources\":{\"requests\":{"
                             "\"nvidia.com/gpu\":\"2\"}}}]}}");
    assert_int_equal(pods[0].spec.gpu.count, 2);
    assert_int_equal(pods[0].spec.gpu.milli, 1000);
    assert_false(pods[0].spec.gpu.one_group);
#define IN_GROUP(value)                                                                            \
    "{\"metadata\":{\"annotations\":{\"steelyard.dev/gpu-group\":\"" value                         \
    "\"}},\"spec\":{\"containers\":[{\"resources\":{\"requests\":{\"nvidia.com/gpu\":\"2\"}}}]}}"
    pods[0] = decode_json(f, IN_GROUP("required"));
    assert_int_equal(pods[0].spec.gpu.count, 2);
    assert_true(pods[0].spec.gpu.one_group);
    pods[0] = decode_json(f, IN_GROUP("preferred"));
    assert_int_equal(pods[0].spec.gpu.count, 2);
    assert_false(pods[0].spec.gpu.one_group);
    pods[0] = decode_json(f, IN_GROUP("yes"));
    assert_int_equal(pods[0].spec.gpu.count, UINT16_MAX);
}

/* What Koordinator's scheduler has given to a pod, as its annotation says. */
static struct sy_pod given(struct fixture *f, const char *node, const char *allocated)
{
    static char text[2048];
    size_t len = (size_t)snprintf(text, sizeof(text),
                                  "{\"spec\":{\"nodeName\":\"%s\"},\"metadata\":{\"annotations\":{"
                                  "\"scheduling.koordinator.sh/device-allocated\":\"",
                                  node);

    for (; *allocated; allocated++) {
        if (*allocated == '"')
            text[len++] = '\\';
        text[len++] = *allocated;
    }
    snprintf(text + len, sizeof(text) - len, "\"}}}");
    return decode_json(f, text);
}

static void test_koordinator_allocated(void **state)
{
    struct fixture *f = *state;
    static const char two[] =
        "{\"gpu\":[{\"minor\":1,\"resources\":{\"koordinator.sh/gpu-core\":\"50\","
        "\"koordinator.sh/gpu-memory\":\"8Gi\",\"koordinator.sh/gpu-memory-ratio\":50}},"
        "{\"minor\":4,\"resources\":{\"koordinator.sh/gpu-core\":40}}],"
        "\"rdma\":[{\"minor\":0}]}";
    static const char *const wrong[] = {
        "",
        "{",
        "[]",
        "{\"gpu\":7}",
        "{\"gpu\":[]}",
        "{\"gpu\":[7]}",
        "{\"gpu\":[{}]}",
        "{\"gpu\":[{\"minor\":\"1\"}]}",
        "{\"gpu\":[{\"minor\":-1}]}",
        "{\"gpu\":[{\"minor\":64}]}",
        "{\"gpu\":[{\"minor\":1},{\"minor\":1}]}",
        "{\"rdma\":[{\"minor\":1}]}",
    };

    struct sy_pod pod = given(f, "n", two);
    assert_true(pod.gpu_devices == (1U << 1 | 1U << 4));
    assert_int_equal(pod.spec.gpu.count, 2);
    assert_int_equal(pod.spec.gpu.milli, 500);
    assert_int_equal(pod.spec.gpu.memory_milli, 500);
    assert_true(pod.spec.gpu.memory_bytes == (int64_t)8 << 30);
    pod = given(f, "", two); /* who waits has none */
    assert_true(pod.gpu_devices == 0);
    assert_int_equal(pod.spec.gpu.count, 0);
    pod = given(f, "n", "{\"gpu\":[{\"minor\":0,\"resources\":null}]}");
    assert_true(pod.gpu_devices == 1);
    assert_int_equal(pod.spec.gpu.milli, 1000);
    for (size_t i = 0; i < SY_ARRAY_LEN(wrong); i++) {
        pod = given(f, "n", wrong[i]);
        assert_true(pod.gpu_devices == 0);
        assert_int_equal(pod.spec.gpu.count, 0);
    }
}

static void test_node_gpus(void **state)
{
    struct fixture *f = *state;
    struct sy_buf m;
    struct sy_node nodes[2];

    sy_buf_reset(&f->buf);
    sy_buf_adds(&f->buf, "{\"metadata\":{\"labels\":{\"steelyard.dev/gpu-groups\":\"0.1\"},"
                         "\"annotations\":{\"steelyard.dev/gpu-groups\":\"0,1;2,3\","
                         "\"steelyard.dev/gpu-unhealthy\":\"2\"}}}");
    assert_int_equal(sy_decode_node(&f->d, SY_ENCODING_JSON, sy_buf_str(&f->buf), &nodes[0], NULL),
                     0);
    sy_buf_init(&m, 4096);
    sy_buf_reset(&f->buf);
    pb_pair(&m, 11, "steelyard.dev/gpu-groups", "0.1");
    pb_pair(&m, 12, "steelyard.dev/gpu-groups", "0,1;2,3");
    pb_pair(&m, 12, "steelyard.dev/gpu-unhealthy", "2");
    pb_message(&f->buf, 1, &m);
    assert_int_equal(
        sy_decode_node(&f->d, SY_ENCODING_PROTOBUF, sy_buf_str(&f->buf), &nodes[1], NULL), 0);
    sy_buf_done(&m);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(nodes[i].gpu_groups_len, 2);
        assert_true(nodes[i].gpu_groups[0] == 3 && nodes[i].gpu_groups[1] == 12);
        assert_true(nodes[i].gpus_unhealthy == 4);
    }
    static const struct {
        const char *text;
        uint32_t groups;
        uint64_t unhealthy;
    } more[] = {
        {"{\"metadata\":{\"labels\":{\"gpu.intel.com/pci-groups\":\"0.1_2.3_4\"}}}", 3, 0},
        {"{\"metadata\":{\"labels\":{\"steelyard.dev/gpu-groups\":\"near\"}}}", 0, 0},
        {"{\"metadata\":{\"annotations\":{\"steelyard.dev/gpu-unhealthy\":\"\"}}}", 0, 0},
        {"{\"metadata\":{\"annotations\":{\"steelyard.dev/gpu-unhealthy\":\"some\"}}}", 0,
         UINT64_MAX},
    };
    for (size_t i = 0; i < SY_ARRAY_LEN(more); i++) {
        assert_int_equal(
            sy_decode_node(&f->d, SY_ENCODING_JSON, sy_str_from(more[i].text), &nodes[0], NULL), 0);
        assert_int_equal(nodes[0].gpu_groups_len, more[i].groups);
        assert_true(nodes[0].gpus_unhealthy == more[i].unhealthy);
    }
}

static void test_json_text(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod = decode_json(f, "{\"metadata\":{\"name\":\"a\\u0000b\",\"uid\":\"\xff\xfe\","
                                       "\"labels\":{\"k\\u0000x\":\"\xc3\x28\"}}}");

    assert_int_equal(pod.name.len, 3);
    assert_memory_equal(pod.name.p, "a\0b", 3);
    assert_int_equal(pod.uid.len, 2);
    assert_int_equal(pod.labels.len, 1);
}

static void test_json_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "",     " ",   "null",  "[]",       "1",          "\"x\"",
        "{",    "{}x", "{} {}", "{\"a\":}", "{\"a\":1,}", "{\"metadata\":{\"name\":\"unterminated}",
        "\xff", "k8s", "// {}",
    };
    struct sy_pod pod;

    for (size_t i = 0; i < SY_ARRAY_LEN(bad); i++) {
        struct sy_err err = {0};
        int r = sy_decode_pod(&f->d, SY_ENCODING_JSON, sy_str_from(bad[i]), &pod, &err);
        if (r != -EBADMSG)
            fail_msg("%s: %d", bad[i], r);
        assert_non_null(strstr(err.msg, "decoding a pod: malformed JSON"));
    }
    assert_int_equal(sy_decode_pod(&f->d, SY_ENCODING_JSON, SY_STR("{}\0{}"), &pod, NULL),
                     -EBADMSG);
    assert_int_equal(sy_decode_pod(&f->d, SY_ENCODING_JSON, SY_STR("\0{}"), &pod, NULL), -EBADMSG);
    assert_int_equal(sy_decode_pod(&f->d, SY_ENCODING_JSON, SY_STR(" {} \r\n\t"), &pod, NULL), 0);

    for (int i = 0; i < 100; i++)
        sy_buf_adds(&f->buf, "{\"a\":");
    assert_int_equal(sy_decode_pod(&f->d, SY_ENCODING_JSON, sy_buf_str(&f->buf), &pod, NULL),
                     -EBADMSG);
    for (int i = 0; i < 100000; i++)
        sy_buf_adds(&f->buf, "[");
    assert_int_equal(sy_decode_pod(&f->d, SY_ENCODING_JSON, sy_buf_str(&f->buf), &pod, NULL),
                     -EBADMSG);
}

/* ---- protobuf that is not what it should be -------------------------------------------------- */

static void test_pb_refused(void **state)
{
    struct fixture *f = *state;
    static const struct sy_str bad[] = {
        {"\x0a", 1},                                          /* no length */
        {"\x0a\x05\x0a", 3},                                  /* length past the end */
        {"\x0b", 1},                                          /* group */
        {"\x0c", 1},                                          /* end of group */
        {"\x0e\x00", 2},                                      /* wire type 6 */
        {"\x02\x00", 2},                                      /* field 0 */
        {"\x08\x01", 2},                                      /* metadata as a number */
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* length 2^64 - 1 */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10},     /* over 64 bits */
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11}, /* 11 bytes */
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 10},     /* field 2^60 */
        {"\x12\x03\x3a\x01\x0a", 5},                          /* nodeSelector entry cut short */
        {"\x12\x04\x3a\x02\x08\x01", 6},                      /* its key as a number */
        {"\x0a\x03\x42\x01\x08", 5},                          /* time cut short */
        {"\x0a\x03\x5a\x01\x0a", 5},                          /* label cut short */
        {"\x3d\x01\x02\x03", 4},                              /* fixed32 cut short */
        {"\x39\x01\x02\x03\x04", 5},                          /* fixed64 cut short */
        {"k8s\0\x12\x05", 6},                                 /* envelope cut short */
    };
    struct sy_pod pod;

    for (size_t i = 0; i < SY_ARRAY_LEN(bad); i++) {
        int r = sy_decode_pod(&f->d, SY_ENCODING_PROTOBUF, bad[i], &pod, NULL);
        if (r != -EBADMSG)
            fail_msg("case %zu: %d", i, r);
    }
    assert_int_equal(sy_decode_pod(&f->d, SY_ENCODING_PROTOBUF, SY_STR(""), &pod, NULL), 0);
}

static void test_pb_unknown_fields_and_merging(void **state)
{
    struct fixture *f = *state;
    struct sy_buf m;
    struct sy_pod pod;

    sy_buf_init(&m, 1 << 20);
    pb_number(&f->buf, 1000, UINT64_MAX);
    pb_text(&f->buf, 99, "unknown");
    sy_buf_add(&f->buf, "\x3d\x01\x02\x03\x04", 5); /* 7: fixed32 */
    sy_buf_add(&f->buf, "\x39\x01\x02\x03\x04\x05\x06\x07\x08", 9);
    pb_text(&m, 1, "first");
    pb_text(&m, 3, "ns");
    pb_pair(&m, 11, "k", "1");
    pb_message(&f->buf, 1, &m);
    pb_text(&m, 1, "second");
    pb_pair(&m, 11, "k", "2");
    pb_pair(&m, 11, "l", "3");
    pb_message(&f->buf, 1, &m);
    assert_int_equal(sy_decode_pod(&f->d, SY_ENCODING_PROTOBUF, sy_buf_str(&f->buf), &pod, NULL),
                     0);
    assert_true(sy_str_eqz(pod.name, "second"));
    assert_id(f, pod.ns, "ns");
    assert_int_equal(pod.labels.len, 2);
    assert_id(f, sy_labels_get(pod.labels, sy_strings_addz(f->strings, "k")), "2");

    /* The same in an envelope. */
    pb_envelope(&m, "Pod", sy_buf_str(&f->buf));
    assert_int_equal(sy_decode_pod(&f->d, SY_ENCODING_PROTOBUF, sy_buf_str(&m), &pod, NULL), 0);
    assert_true(sy_str_eqz(pod.name, "second"));
    sy_buf_done(&m);
}

static void test_pb_odd_numbers(void **state)
{
    struct fixture *f = *state;
    struct sy_buf m;
    struct sy_pod pod;

    sy_buf_init(&m, 1 << 20);
    pb_number(&m, 25, UINT64_C(1) << 40); /* priority */
    pb_number(&m, 11, 2);                 /* hostNetwork */
    pb_message(&f->buf, 2, &m);
    uint64_t odd = f->d.odd_values;
    assert_int_equal(sy_decode_pod(&f->d, SY_ENCODING_PROTOBUF, sy_buf_str(&f->buf), &pod, NULL),
                     0);
    assert_int_equal(pod.priority, 0);
    assert_true(pod.spec.host_network);
    assert_int_equal(f->d.odd_values, odd + 1);
}

static void test_truncated_anywhere(void **state)
{
    struct fixture *f = *state;
    struct sy_str pb = read_whole(OBJECTS "pod-typical.pb");
    struct sy_str json = read_whole(OBJECTS "pod-typical.json");
    struct sy_pod pod;

    /* In blocks of their own, so that the sanitizer sees any read past the end. */
    for (size_t len = 0; len < pb.len; len++) {
        char *cut = sy_xmalloc(len ? len : 1);
        memcpy(cut, pb.p, len);
        sy_arena_reset(&f->d.arena);
        int r = sy_decode_pod(&f->d, SY_ENCODING_PROTOBUF, (struct sy_str){cut, len}, &pod, NULL);
        assert_true(r == 0 || r == -EBADMSG);
        free(cut);
    }
    for (size_t len = 0; len < json.len - 1; len++) {
        char *cut = sy_xmalloc(len ? len : 1);
        memcpy(cut, json.p, len);
        sy_arena_reset(&f->d.arena);
        assert_int_equal(
            sy_decode_pod(&f->d, SY_ENCODING_JSON, (struct sy_str){cut, len}, &pod, NULL),
            -EBADMSG);
        free(cut);
    }
    free((char *)pb.p);
    free((char *)json.p);
}

/* Every byte set to a few values: nothing to see but that it ends. */
static void test_flipped_bytes(void **state)
{
    struct fixture *f = *state;
    struct sy_str pb = read_whole(OBJECTS "pod-selectors.pb");
    static const unsigned char masks[] = {0x01, 0x80, 0xff, 0x07};
    struct sy_pod pod;

    for (size_t i = 0; i < pb.len; i++) {
        for (size_t m = 0; m < sizeof(masks); m++) {
            ((char *)pb.p)[i] ^= (char)masks[m];
            sy_arena_reset(&f->d.arena);
            int r = sy_decode_pod(&f->d, SY_ENCODING_PROTOBUF, pb, &pod, NULL);
            assert_true(r == 0 || r == -EBADMSG);
            ((char *)pb.p)[i] ^= (char)masks[m];
        }
    }
    free((char *)pb.p);
}

/* ---- large objects --------------------------------------------------------------------------- */

enum { MANY = 10000 };

static void add_json_pairs(struct sy_buf *out, const char *format)
{
    for (int i = MANY - 1; i >= 0; i--)
        sy_buf_addf(out, "%s\"%s%d\":\"v%d\"", i == MANY - 1 ? "" : ",", format, i, i % 7);
}

static void test_many_labels(void **state)
{
    struct fixture *f = *state;
    struct sy_buf m, json;
    char key[32], value[32];

    sy_buf_init(&m, 64 << 20);
    sy_buf_init(&json, 64 << 20);
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        snprintf(value, sizeof(value), "v%d", i % 7);
        pb_pair(&m, 11, key, value);
    }
    pb_message(&f->buf, 1, &m);
    sy_buf_adds(&json, "{\"metadata\":{\"labels\":{");
    add_json_pairs(&json, "key");
    sy_buf_adds(&json, "}}}");
    compare(f, "pod-many-labels", sy_buf_str(&json), sy_buf_str(&f->buf));
    struct sy_pod pod;
    sy_arena_reset(&f->d.arena);
    assert_int_equal(sy_decode_pod(&f->d, SY_ENCODING_JSON, sy_buf_str(&json), &pod, NULL), 0);
    assert_int_equal(pod.labels.len, MANY);
    sy_buf_done(&json);
}

static void test_huge_annotation(void **state)
{
    struct fixture *f = *state;
    enum { HUGE_BYTES = 5 << 20 };
    char *text = sy_xmalloc(HUGE_BYTES + 1);
    struct sy_buf m, json;

    memset(text, 'x', HUGE_BYTES);
    text[HUGE_BYTES] = '\0';
    sy_buf_init(&m, 64 << 20);
    sy_buf_init(&json, 64 << 20);
    pb_pair(&m, 12, "dropped", text);
    pb_pair(&m, 12, "steelyard.dev/gang", text);
    pb_message(&f->buf, 1, &m);
    sy_buf_addf(
        &json,
        "{\"metadata\":{\"annotations\":{\"steelyard.dev/gang\":\"%s\",\"dropped\":\"%s\"}}}", text,
        text);
    uint64_t odd = f->d.odd_values;
    compare(f, "pod-huge-annotation", sy_buf_str(&json), sy_buf_str(&f->buf));
    /* Once for each form: too long to intern, so it is cut. */
    assert_int_equal(f->d.odd_values, odd + 2);
    assert_true(f->d.arena.used_bytes < 4096);
    sy_buf_done(&json);
    free(text);
}

static void test_deep_selector(void **state)
{
    struct fixture *f = *state;
    struct sy_buf term, selector, req, affinity, json;
    char value[32];

    sy_buf_init(&term, 64 << 20);
    sy_buf_init(&selector, 64 << 20);
    sy_buf_init(&req, 64 << 20);
    sy_buf_init(&affinity, 64 << 20);
    sy_buf_init(&json, 64 << 20);
    sy_buf_adds(&json, "{\"spec\":{\"affinity\":{\"podAffinity\":{"
                       "\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"labelSelector\":{"
                       "\"matchExpressions\":[");
    for (int i = 0; i < 100; i++) {
        pb_text(&req, 1, "k");
        pb_text(&req, 2, "NotIn");
        sy_buf_addf(&json, "%s{\"key\":\"k\",\"operator\":\"NotIn\",\"values\":[", i ? "," : "");
        for (int j = 0; j < 200; j++) {
            snprintf(value, sizeof(value), "v%d", (j * 31 + i) % 150);
            pb_text(&req, 3, value);
            sy_buf_addf(&json, "%s\"%s\"", j ? "," : "", value);
        }
        sy_buf_adds(&json, "]}");
        pb_message(&selector, 2, &req);
    }
    sy_buf_adds(&json, "]}}]}}}}");
    pb_message(&term, 1, &selector);
    pb_message(&req, 1, &term);
    pb_message(&affinity, 2, &req);
    pb_message(&req, 18, &affinity);
    pb_message(&f->buf, 2, &req);
    compare(f, "pod-deep-selector", sy_buf_str(&json), sy_buf_str(&f->buf));
    sy_buf_done(&json);
}

/* 50,000 containers and as many statuses of one name: must not take quadratic time. */
static void test_many_containers(void **state)
{
    struct fixture *f = *state;
    struct sy_buf c, spec, status;
    struct sy_pod pod;
    char name[32];

    sy_buf_init(&c, 1 << 20);
    sy_buf_init(&spec, 64 << 20);
    sy_buf_init(&status, 64 << 20);
    for (int i = 0; i < 50000; i++) {
        snprintf(name, sizeof(name), "c%d", i % 3 ? i : 0);
        pb_text(&c, 1, name);
        pb_message(&spec, 2, &c);
        pb_text(&c, 1, name);
        pb_message(&status, 8, &c);
    }
    pb_message(&f->buf, 2, &spec);
    pb_message(&f->buf, 3, &status);
    assert_int_equal(sy_decode_pod(&f->d, SY_ENCODING_PROTOBUF, sy_buf_str(&f->buf), &pod, NULL),
                     0);
    assert_int_equal(pod.spec.containers_len, 50000);
}

static void test_too_large(void **state)
{
    struct fixture *f = *state;
    struct sy_decode small;
    struct sy_buf spec;
    struct sy_pod pod;
    struct sy_err err = {0};

    /* Two bytes on the wire for a struct each: the cap holds. */
    sy_buf_init(&spec, 64 << 20);
    for (int i = 0; i < 1000; i++)
        sy_buf_add(&spec, "\x12\x00", 2);
    pb_message(&f->buf, 2, &spec);
    sy_decode_init(&small, f->strings, 16 << 10);
    assert_int_equal(sy_decode_pod(&small, SY_ENCODING_PROTOBUF, sy_buf_str(&f->buf), &pod, &err),
                     -E2BIG);
    assert_non_null(strstr(err.msg, "16384 bytes"));
    sy_decode_done(&small);
    struct sy_str json = read_whole(OBJECTS "pod-many-containers.json");
    sy_decode_init(&small, f->strings, 4 << 10);
    assert_int_equal(sy_decode_pod(&small, SY_ENCODING_JSON, json, &pod, &err), -E2BIG);
    free((char *)json.p);
    sy_decode_done(&small);
}

/* ---- metadata and statuses ------------------------------------------------------------------- */

static void test_meta(void **state)
{
    struct fixture *f = *state;
    struct sy_str json = SY_STR(
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"n\",\"namespace\":\"s\",\"uid\":\"u\","
        "\"resourceVersion\":\"12\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}");
    struct sy_buf m;
    struct sy_meta meta;

    assert_int_equal(sy_decode_meta(&f->d, SY_ENCODING_JSON, json, &meta, NULL), 0);
    assert_true(sy_str_eqz(meta.name, "n"));
    assert_true(sy_str_eqz(meta.ns, "s"));
    assert_true(sy_str_eqz(meta.uid, "u"));
    assert_true(sy_str_eqz(meta.resource_version, "12"));
    assert_true(meta.initial_events_end);

    sy_buf_init(&m, 1 << 20);
    pb_text(&m, 1, "n");
    pb_text(&m, 6, "12");
    pb_pair(&m, 12, "k8s.io/initial-events-end", "false");
    pb_message(&f->buf, 1, &m);
    assert_int_equal(sy_decode_meta(&f->d, SY_ENCODING_PROTOBUF, sy_buf_str(&f->buf), &meta, NULL),
                     0);
    assert_true(sy_str_eqz(meta.name, "n"));
    assert_true(sy_str_eqz(meta.resource_version, "12"));
    assert_false(meta.initial_events_end);
    assert_int_equal(sy_decode_meta(&f->d, SY_ENCODING_JSON, SY_STR("{}"), &meta, NULL), 0);
    assert_int_equal(meta.name.len, 0);
    assert_int_equal(sy_decode_meta(&f->d, SY_ENCODING_JSON, SY_STR("[]"), &meta, NULL), -EBADMSG);
}

static void test_status(void **state)
{
    struct fixture *f = *state;
    struct sy_str json = SY_STR(
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"wait\",\"reason\":\"Timeout\",\"details\":{\"causes\":[{\"reason\":"
        "\"ResourceVersionTooLarge\",\"message\":\"x\"}],\"retryAfterSeconds\":7},\"code\":504}");
    struct sy_buf details, cause, status;
    struct sy_status s;

    assert_int_equal(sy_decode_status(&f->d, SY_ENCODING_JSON, json, &s, NULL), 0);
    assert_int_equal(s.code, 504);
    assert_true(sy_str_eqz(s.reason, "Timeout"));
    assert_true(sy_str_eqz(s.message, "wait"));
    assert_int_equal(s.retry_after_ms, 7000);
    assert_true(s.resource_version_too_large);

    sy_buf_init(&details, 1 << 16);
    sy_buf_init(&cause, 1 << 16);
    sy_buf_init(&status, 1 << 16);
    pb_text(&cause, 1, "Other");
    pb_message(&details, 4, &cause);
    pb_number(&details, 5, UINT32_MAX / 2);
    pb_text(&status, 3, "too old");
    pb_text(&status, 4, "Expired");
    pb_message(&status, 5, &details);
    pb_number(&status, 6, 410);
    assert_int_equal(sy_decode_status(&f->d, SY_ENCODING_PROTOBUF, sy_buf_str(&status), &s, NULL),
                     0);
    assert_int_equal(s.code, 410);
    assert_true(sy_str_eqz(s.reason, "Expired"));
    assert_int_equal(s.retry_after_ms, UINT32_MAX);
    assert_false(s.resource_version_too_large);

    pb_envelope(&f->buf, "Status", sy_buf_str(&status));
    assert_int_equal(sy_decode_status(&f->d, SY_ENCODING_PROTOBUF, sy_buf_str(&f->buf), &s, NULL),
                     0);
    assert_true(sy_str_eqz(s.message, "too old"));
    sy_buf_reset(&f->buf);
    pb_envelope(&f->buf, "Pod", sy_buf_str(&status));
    assert_int_equal(sy_decode_status(&f->d, SY_ENCODING_PROTOBUF, sy_buf_str(&f->buf), &s, NULL),
                     -EBADMSG);
    sy_buf_done(&status);
    assert_int_equal(
        sy_decode_status(&f->d, SY_ENCODING_JSON, SY_STR("{\"kind\":\"Pod\"}"), &s, NULL),
        -EBADMSG);
    assert_int_equal(
        sy_decode_status(&f->d, SY_ENCODING_JSON, SY_STR("<html>Bad Gateway</html>"), &s, NULL),
        -EBADMSG);
    assert_int_equal(
        sy_decode_status(&f->d, SY_ENCODING_JSON,
                         SY_STR("{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":-3}}"), &s,
                         NULL),
        0);
    assert_int_equal(s.retry_after_ms, 0);
}

/* The decoder's own ids survive a sweep, when it is asked to mark them. */
static void test_sweep(void **state)
{
    struct fixture *f = *state;
    struct sy_pod pod;

    decode_file(f, "ports");
    sy_strings_mark_begin(f->strings);
    sy_decode_mark(&f->d);
    assert_true(sy_strings_sweep(f->strings) > 0);
    pod = decode_file(f, "ports");
    assert_id(f, pod.spec.host_ports[0].ip, "0.0.0.0");
    assert_int_equal(sy_amounts_get(pod.spec.requests.requests, sy_strings_addz(f->strings, "cpu")),
                     250);
    assert_id(f, f->d.empty, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_both_forms_are_equal),
        TEST(test_upstream_agrees),
        TEST(test_typical_pod),
        TEST(test_selectors),
        TEST(test_node_affinity),
        TEST(test_spread_and_tolerations),
        TEST(test_ports_images_volumes),
        TEST(test_small_fields),
        TEST(test_device_resources_of_containers),
        TEST(test_node_fields),
        TEST(test_absent_null_and_wrong_types_are_equal),
        TEST(test_wrong_elements_are_left_out),
        TEST(test_json_numbers_out_of_range),
        TEST(test_gpu_annotations),
        TEST(test_koordinator_allocated),
        TEST(test_node_gpus),
        TEST(test_json_text),
        TEST(test_json_refused),
        TEST(test_pb_refused),
        TEST(test_pb_unknown_fields_and_merging),
        TEST(test_pb_odd_numbers),
        TEST(test_truncated_anywhere),
        TEST(test_flipped_bytes),
        TEST(test_many_labels),
        TEST(test_huge_annotation),
        TEST(test_deep_selector),
        TEST(test_many_containers),
        TEST(test_too_large),
        TEST(test_meta),
        TEST(test_status),
        TEST(test_sweep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
