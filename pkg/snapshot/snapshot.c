/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "snapshot/docs.h"
#include "snapshot/manifest.h"

enum { NAME_MAX_BYTES = 320, COPIES_MAX_DIGITS = 10 };
#define ARENA_CAP_BYTES ((size_t)8 << 30)

enum category {
    NODE,
    POD,
    WORKLOAD,
    BUDGET,
    STORAGE,
    DEVICES,
    GROUP,
    PRIORITY,
    HEADER,
    END,
    /* A controller that is not kept itself. */
    CONTROLLER,
    UNEXPANDED,
};

static const struct {
    const char *group; /* of the apiVersion, "" for v1 */
    const char *kind;
    uint8_t category; /* enum category */
    uint8_t as;       /* the category's own kind */
} KINDS[] = {
    {"", "Node", NODE, 0},
    {"", "Pod", POD, 0},
    {"", "Namespace", WORKLOAD, SY_WORKLOAD_NAMESPACE},
    {"", "Service", WORKLOAD, SY_WORKLOAD_SERVICE},
    {"", "ReplicationController", WORKLOAD, SY_WORKLOAD_REPLICATION_CONTROLLER},
    {"apps", "ReplicaSet", WORKLOAD, SY_WORKLOAD_REPLICA_SET},
    {"apps", "StatefulSet", WORKLOAD, SY_WORKLOAD_STATEFUL_SET},
    {"apps", "Deployment", CONTROLLER, 0},
    {"batch", "Job", CONTROLLER, 0},
    {"apps", "DaemonSet", UNEXPANDED, 0},
    {"batch", "CronJob", UNEXPANDED, 0},
    {"policy", "PodDisruptionBudget", BUDGET, 0},
    {"scheduling.k8s.io", "PriorityClass", PRIORITY, 0},
    {"", "PersistentVolume", STORAGE, SY_STORAGE_VOLUME},
    {"", "PersistentVolumeClaim", STORAGE, SY_STORAGE_CLAIM},
    {"storage.k8s.io", "StorageClass", STORAGE, SY_STORAGE_CLASS},
    {"storage.k8s.io", "CSINode", STORAGE, SY_STORAGE_NODE},
    {"storage.k8s.io", "CSIDriver", STORAGE, SY_STORAGE_DRIVER},
    {"storage.k8s.io", "CSIStorageCapacity", STORAGE, SY_STORAGE_CAPACITY},
    {"storage.k8s.io", "VolumeAttachment", STORAGE, SY_STORAGE_ATTACHMENT},
    {"resource.k8s.io", "ResourceSlice", DEVICES, SY_DEVICES_SLICE},
    {"resource.k8s.io", "DeviceClass", DEVICES, SY_DEVICES_CLASS},
    {"resource.k8s.io", "ResourceClaim", DEVICES, SY_DEVICES_CLAIM},
    {"resource.k8s.io", "DeviceTaintRule", DEVICES, SY_DEVICES_RULE},
    {"scheduling.k8s.io", "PodGroup", GROUP, SY_GROUP_NATIVE},
    {"scheduling.x-k8s.io", "PodGroup", GROUP, SY_GROUP_COSCHEDULE},
    {"scheduling.volcano.sh", "PodGroup", GROUP, SY_GROUP_VOLCANO},
    {"scheduling.run.ai", "PodGroup", GROUP, SY_GROUP_KAI},
    {"snapshot.steelyard.dev", "Snapshot", HEADER, 0},
    {"snapshot.steelyard.dev", "SnapshotEnd", END, 0},
};

static size_t find_kind(const struct sy_doc *doc)
{
    const char *slash = strchr(doc->api_version, '/');
    struct sy_str group = {doc->api_version, slash ? (size_t)(slash - doc->api_version) : 0};
    size_t i = 0;

    while (i < SY_ARRAY_LEN(KINDS) &&
           (strcmp(KINDS[i].kind, doc->kind) != 0 || !sy_str_eqz(group, KINDS[i].group)))
        i++;
    return i;
}

static struct json_object *field(struct json_object *tree, const char *key, enum json_type type)
{
    struct json_object *v = NULL;

    if (!tree || !json_object_is_type(tree, json_type_object) ||
        !json_object_object_get_ex(tree, key, &v) || !json_object_is_type(v, type))
        return NULL;
    return v;
}

static struct sy_str text_of(struct json_object *tree)
{
    size_t len;
    const char *p = json_object_to_json_string_length(tree, JSON_C_TO_STRING_PLAIN, &len);

    return (struct sy_str){p, p ? len : 0};
}

static int decode_failed(const struct sy_doc *doc, int code, struct sy_err *err)
{
    struct sy_err inner = {0};

    if (err)
        inner = *err;
    return sy_doc_error(doc, err, code == -EBADMSG ? -EINVAL : code, "%s",
                        sy_err_text(&inner, code));
}

/* -- names -- */

struct name {
    const struct sy_snapshot *s;
    sy_sid ns;
    struct sy_str name;
};

static bool is_pod_named(const void *arg, const void *key, uint32_t value)
{
    const struct sy_snapshot *s = arg;
    const struct name *n = key;

    return s->pods.p[value].pod.ns == n->ns && sy_str_eq(s->pods.p[value].pod.name, n->name);
}

static uint64_t pod_hash(const struct sy_snapshot *s, sy_sid ns, struct sy_str name)
{
    uint64_t hash[2];

    sy_siphash128(name.p, name.len, sy_strings_hash_key(s->decode.strings), hash);
    return sy_hash_u64(hash[0] ^ ns);
}

/* "base-7", in the arena; base itself when the plan has one copy without a number. */
static struct sy_str copy_name(struct sy_snapshot *s, struct sy_str base,
                               const struct sy_manifest_plan *plan, uint32_t i)
{
    char text[NAME_MAX_BYTES + COPIES_MAX_DIGITS + 2];

    if (!plan->is_numbered)
        return base;
    int len = snprintf(text, sizeof(text), SY_STR_FMT "-%u", (int)base.len, base.p, i);
    const char *p = sy_arena_str(&s->decode.arena, (struct sy_str){text, (size_t)len});
    return (struct sy_str){p, p ? (size_t)len : 0};
}

static int too_much(const struct sy_snapshot *s, const struct sy_doc *doc, struct sy_err *err)
{
    return sy_doc_error(doc, err, sy_arena_why(&s->decode.arena, 1, NAME_MAX_BYTES),
                        "more than fits in memory");
}

/* -- nodes -- */

static int add_node(struct sy_snapshot *s, const struct sy_doc *doc, struct sy_node node,
                    struct sy_err *err)
{
    uint64_t hash = sy_hash_u64(node.name);

    if (s->nodes.len >= s->nodes_max)
        return sy_doc_error(doc, err, -E2BIG, "there are more than %u nodes", s->nodes_max);
    if (sy_map_get(&s->node_names, hash, NULL, NULL, NULL) != SY_MAP_NONE)
        return sy_doc_error(doc, err, -EINVAL, "a node \"%s\" is there twice",
                            sy_strings_getz(s->decode.strings, node.name));
    sy_map_add(&s->node_names, hash, (uint32_t)s->nodes.len);
    sy_vec_push(&s->nodes, node);
    return 0;
}

/* The node's labels with its name as the host's. */
static int name_host(struct sy_snapshot *s, struct sy_node *node)
{
    struct sy_label *p =
        sy_arena_array(&s->decode.arena, node->labels.len + 1, sizeof(struct sy_label));
    sy_sid key = sy_strings_addz(s->decode.strings, "kubernetes.io/hostname");
    uint32_t i = 0, len = 0;

    if (!p)
        return -ENOMEM;
    for (; i < node->labels.len && node->labels.p[i].key < key; i++)
        p[len++] = node->labels.p[i];
    p[len++] = (struct sy_label){key, node->name};
    for (; i < node->labels.len; i++) {
        if (node->labels.p[i].key != key)
            p[len++] = node->labels.p[i];
    }
    node->labels = (struct sy_labels){p, len};
    return 0;
}

static int read_node(struct sy_snapshot *s, const struct sy_doc *doc, struct sy_err *err)
{
    struct sy_manifest_plan plan = {.copies = 1};
    struct sy_node node;
    int code = doc->is_served ? 0 : sy_manifest_node(doc, &plan, err);

    if (code < 0)
        return code;
    code = sy_decode_node(&s->decode, SY_ENCODING_JSON, text_of(doc->tree), &node, err);
    if (code < 0)
        return decode_failed(doc, code, err);
    struct sy_str base = sy_strings_get(s->decode.strings, node.name);
    for (uint32_t i = 0; i < plan.copies && code == 0; i++) {
        struct sy_node copy = node;
        struct sy_str name = copy_name(s, base, &plan, i);
        if (!name.len)
            return too_much(s, doc, err);
        copy.name = sy_strings_add(s->decode.strings, name);
        if (!doc->is_served)
            copy.uid = sy_strings_get(s->decode.strings, copy.name);
        if (!copy.name || (plan.is_numbered && name_host(s, &copy) < 0))
            return too_much(s, doc, err);
        code = add_node(s, doc, copy, err);
    }
    return code;
}

/* -- pods -- */

static int add_pod(struct sy_snapshot *s, const struct sy_doc *doc, struct sy_snapshot_pod pod,
                   struct sy_err *err)
{
    const struct name name = {s, pod.pod.ns, pod.pod.name};
    uint64_t hash = pod_hash(s, name.ns, name.name);

    if (s->pods.len >= s->pods_max)
        return sy_doc_error(doc, err, -E2BIG, "there are more than %u pods", s->pods_max);
    if (sy_map_get(&s->pod_names, hash, is_pod_named, s, &name) != SY_MAP_NONE)
        return sy_doc_error(doc, err, -EINVAL, "a pod \"" SY_STR_FMT "\" is there twice",
                            SY_STR_ARG(name.name));
    sy_map_add(&s->pod_names, hash, (uint32_t)s->pods.len);
    sy_vec_push(&s->pods, pod);
    return 0;
}

static struct sy_str make_uid(struct sy_snapshot *s, const struct sy_pod *pod)
{
    char text[2 * NAME_MAX_BYTES];
    int len =
        snprintf(text, sizeof(text), "%.*s/" SY_STR_FMT, NAME_MAX_BYTES - 1,
                 sy_strings_getz(s->decode.strings, pod->ns), (int)pod->name.len, pod->name.p);
    const char *p = sy_arena_str(&s->decode.arena, (struct sy_str){text, (size_t)len});

    return (struct sy_str){p, p ? (size_t)len : 0};
}

static int read_pods(struct sy_snapshot *s, const struct sy_doc *doc, struct json_object *tree,
                     const struct sy_manifest_plan *plan, struct sy_err *err)
{
    struct sy_snapshot_pod pod = {.lasts_ns = plan->lasts_ns};
    struct json_object *spec = field(tree, "spec", json_type_object);
    int code = sy_decode_pod(&s->decode, SY_ENCODING_JSON, text_of(tree), &pod.pod, err);

    if (code < 0)
        return decode_failed(doc, code, err);
    pod.says_priority = spec && field(spec, "priority", json_type_int);
    if (!pod.pod.ns)
        pod.pod.ns = sy_strings_addz(s->decode.strings, "default");
    struct sy_str base = pod.pod.name;
    for (uint32_t i = 0; i < plan->copies && code == 0; i++) {
        pod.pod.name = copy_name(s, base, plan, i);
        if (!doc->is_served)
            pod.pod.uid = make_uid(s, &pod.pod);
        if (!pod.pod.name.len || !pod.pod.uid.len)
            return too_much(s, doc, err);
        pod.arrives_ns = plan->arrives_ns + (int64_t)i * plan->every_ns;
        code = add_pod(s, doc, pod, err);
    }
    return code;
}

static int read_pod(struct sy_snapshot *s, const struct sy_doc *doc, struct sy_err *err)
{
    struct sy_manifest_plan plan = {.copies = 1};
    int code = doc->is_served ? 0 : sy_manifest_pod(doc, &plan, err);

    return code < 0 ? code : read_pods(s, doc, doc->tree, &plan, err);
}

static int read_controller(struct sy_snapshot *s, const struct sy_doc *doc, struct sy_err *err)
{
    struct json_object *tree = NULL;
    struct sy_manifest_plan plan;
    int code = sy_manifest_controller(doc, &tree, &plan, err);

    if (code == 0)
        code = read_pods(s, doc, tree, &plan, err);
    json_object_put(tree);
    return code;
}

/* -- what stands around them -- */

static int read_priority(struct sy_snapshot *s, const struct sy_doc *doc, struct sy_err *err)
{
    struct json_object *value = field(doc->tree, "value", json_type_int);
    struct json_object *is_default = field(doc->tree, "globalDefault", json_type_boolean);
    struct json_object *policy = field(doc->tree, "preemptionPolicy", json_type_string);
    int64_t n = value ? json_object_get_int64(value) : INT64_MAX;

    if (n > INT32_MAX || n < INT32_MIN)
        return sy_doc_error(doc, err, -EINVAL, "value: give a whole number of 32 bits");
    sy_vec_push(&s->priorities,
                (struct sy_snapshot_priority){
                    .name = sy_strings_addz(s->decode.strings, doc->name),
                    .value = (int32_t)n,
                    .is_default = is_default && json_object_get_boolean(is_default),
                    .never_preempts = policy && !strcmp(json_object_get_string(policy), "Never"),
                });
    return 0;
}

static int read_around(struct sy_snapshot *s, const struct sy_doc *doc, size_t kind,
                       struct sy_err *err)
{
    struct sy_str raw = text_of(doc->tree);
    struct sy_snapshot_workload w = {.kind = (enum sy_workload_kind)KINDS[kind].as};
    struct sy_snapshot_storage o = {.kind = (enum sy_storage_kind)KINDS[kind].as};
    struct sy_snapshot_devices d = {.kind = (enum sy_devices_kind)KINDS[kind].as};
    struct sy_group_object group;
    struct sy_budget budget;
    int code;

    switch (KINDS[kind].category) {
    case WORKLOAD:
        code = sy_decode_workload(&s->decode, w.kind, SY_ENCODING_JSON, raw, &w.object, err);
        if (code == 0)
            sy_vec_push(&s->workloads, w);
        break;
    case BUDGET:
        code = sy_decode_budget(&s->decode, SY_ENCODING_JSON, raw, &budget, err);
        if (code == 0)
            sy_vec_push(&s->budgets, budget);
        break;
    case GROUP:
        code = sy_decode_group(&s->decode, KINDS[kind].as, SY_ENCODING_JSON, raw, &group, err);
        if (code == 0 && !group.ns)
            group.ns = sy_strings_addz(s->decode.strings, "default");
        if (code == 0)
            sy_vec_push(&s->groups, group);
        break;
    case STORAGE:
        code = sy_decode_storage(&s->decode, o.kind, SY_ENCODING_JSON, raw, &o.object, err);
        if (code == 0)
            sy_vec_push(&s->storage, o);
        break;
    default:
        code = sy_decode_devices(&s->decode, d.kind, SY_ENCODING_JSON, raw, &d.object, err);
        if (code == 0)
            sy_vec_push(&s->devices, d);
        break;
    }
    if (code < 0)
        return decode_failed(doc, code, err);
    if (!doc->is_served && sy_manifest_is_controller(doc->kind))
        return read_controller(s, doc, err);
    return 0;
}

/* -- snapshots -- */

static int read_header(struct sy_snapshot *s, const struct sy_doc *doc, struct sy_err *err)
{
    struct json_object *metadata = field(doc->tree, "metadata", json_type_object);
    struct json_object *taken = field(metadata, "creationTimestamp", json_type_string);

    if (strcmp(doc->api_version, SY_SNAPSHOT_API) != 0)
        return sy_doc_error(doc, err, -EINVAL,
                            "it is of format %.64s; this steelyard reads " SY_SNAPSHOT_API
                            ": use the one that wrote it, or a newer one",
                            doc->api_version);
    if (s->has_header || s->objects)
        return sy_doc_error(doc, err, -EINVAL, "a snapshot's header is its first object");
    s->has_header = s->is_snapshot = true;
    if (taken) {
        const char *text = json_object_get_string(taken);
        if (sy_rfc3339_parse(text, strlen(text), &s->taken_wall_ns) < 0)
            return sy_doc_error(doc, err, -EINVAL,
                                "metadata.creationTimestamp: \"%.40s\" is no time; write "
                                "2026-01-31T12:00:00Z",
                                text);
    }
    return 0;
}

static int read_end(struct sy_snapshot *s, const struct sy_doc *doc, struct sy_err *err)
{
    struct json_object *objects = field(doc->tree, "objects", json_type_int);

    if (!s->has_header)
        return sy_doc_error(doc, err, -EINVAL, "there is no snapshot that could end here");
    if (!objects || (uint64_t)json_object_get_int64(objects) != s->objects)
        return sy_doc_error(doc, err, -EINVAL,
                            "the snapshot should have %lld objects and has %llu: some are lost",
                            (long long)(objects ? json_object_get_int64(objects) : -1),
                            (unsigned long long)s->objects);
    s->has_end = true;
    return 0;
}

static int read_kept(struct sy_snapshot *s, const struct sy_doc *doc, size_t kind,
                     struct sy_err *err)
{
    enum category category = (enum category)KINDS[kind].category;

    if (!doc->name[0])
        return sy_doc_error(doc, err, -EINVAL, "metadata.name is missing");
    if (strlen(doc->name) >= NAME_MAX_BYTES - COPIES_MAX_DIGITS)
        return sy_doc_error(doc, err, -EINVAL, "its name is too long");
    switch (category) {
    case NODE:
        return read_node(s, doc, err);
    case POD:
        return read_pod(s, doc, err);
    case PRIORITY:
        return read_priority(s, doc, err);
    case CONTROLLER:
        /* The pods of one that an API server served are in the file themselves. */
        return doc->is_served ? 0 : read_controller(s, doc, err);
    case UNEXPANDED:
        if (doc->is_served)
            return 0;
        return sy_doc_error(doc, err, -EINVAL,
                            "a %s is not expanded; write its pods as Pods, with spec.nodeName or "
                            "annotation " SY_SNAPSHOT_ARRIVES,
                            doc->kind);
    default:
        return read_around(s, doc, kind, err);
    }
}

static int read_doc(void *arg, const struct sy_doc *doc, struct sy_err *err)
{
    struct sy_snapshot *s = arg;
    size_t kind = find_kind(doc);

    if (kind < SY_ARRAY_LEN(KINDS) && KINDS[kind].category == HEADER)
        return read_header(s, doc, err);
    if (s->has_end)
        return sy_doc_error(doc, err, -EINVAL, "it is behind the end of the snapshot");
    if (kind < SY_ARRAY_LEN(KINDS) && KINDS[kind].category == END)
        return read_end(s, doc, err);
    s->objects++;
    if (kind == SY_ARRAY_LEN(KINDS)) {
        s->skipped++;
        return 0;
    }
    return read_kept(s, doc, kind, err);
}

void sy_snapshot_init(struct sy_snapshot *s, struct sy_strings *strings)
{
    *s = (struct sy_snapshot){.pods_max = SY_SNAPSHOT_PODS_MAX, .nodes_max = SY_SNAPSHOT_NODES_MAX};
    sy_decode_init(&s->decode, strings, ARENA_CAP_BYTES);
    s->decode.annotation_keys = sy_group_annotations;
}

void sy_snapshot_done(struct sy_snapshot *s)
{
    sy_vec_done(&s->nodes);
    sy_vec_done(&s->pods);
    sy_vec_done(&s->workloads);
    sy_vec_done(&s->budgets);
    sy_vec_done(&s->storage);
    sy_vec_done(&s->devices);
    sy_vec_done(&s->groups);
    sy_vec_done(&s->priorities);
    sy_map_done(&s->node_names);
    sy_map_done(&s->pod_names);
    sy_decode_done(&s->decode);
}

int sy_snapshot_read(struct sy_snapshot *s, struct sy_str text, const char *file,
                     struct sy_err *err)
{
    s->has_header = s->has_end = false;
    s->objects = 0;
    int code = sy_docs_each(text, file, read_doc, s, err);
    if (code == 0 && s->has_header && !s->has_end)
        code = sy_err_set(err, -EINVAL,
                          "%s: the snapshot has no SnapshotEnd as its last object: it is cut short",
                          file);
    return code;
}

int sy_snapshot_finish(struct sy_snapshot *s, struct sy_err *err)
{
    const struct sy_snapshot_priority BUILT_IN[] = {
        {sy_strings_addz(s->decode.strings, "system-cluster-critical"), 2000000000, false, false},
        {sy_strings_addz(s->decode.strings, "system-node-critical"), 2000001000, false, false},
    };
    const struct sy_snapshot_priority *otherwise = NULL;

    for (size_t i = 0; i < SY_ARRAY_LEN(BUILT_IN); i++)
        sy_vec_push(&s->priorities, BUILT_IN[i]);
    for (size_t i = 0; i < s->priorities.len; i++)
        otherwise = s->priorities.p[i].is_default ? &s->priorities.p[i] : otherwise;
    for (size_t i = 0; i < s->pods.len; i++) {
        struct sy_snapshot_pod *pod = &s->pods.p[i];
        const struct sy_snapshot_priority *class = NULL;
        if (pod->says_priority)
            continue;
        for (size_t k = 0; k < s->priorities.len && pod->pod.priority_class && !class; k++)
            class = s->priorities.p[k].name == pod->pod.priority_class ? &s->priorities.p[k] : NULL;
        if (pod->pod.priority_class && !class)
            return sy_err_set(
                err, -EINVAL,
                "Pod %s/" SY_STR_FMT ": there is no PriorityClass \"%s\" in the files",
                sy_strings_getz(s->decode.strings, pod->pod.ns), SY_STR_ARG(pod->pod.name),
                sy_strings_getz(s->decode.strings, pod->pod.priority_class));
        class = class ? class : otherwise;
        if (class) {
            pod->pod.priority = class->value;
            pod->pod.never_preempts = pod->pod.never_preempts || class->never_preempts;
        }
    }
    return 0;
}

bool sy_snapshot_is_likely(struct sy_str text)
{
    size_t i = 0, line = 0;

    while (i < text.len && strchr(" \t\r\n", text.p[i]) && text.p[i])
        i++;
    if (i < text.len && (text.p[i] == '{' || text.p[i] == '['))
        return true;
    /* A table's first line has commas and no colon; a YAML document's has a colon, or says "---" or
     * is a comment. */
    for (line = i; line < text.len && text.p[line] != '\n'; line++) {
        if (text.p[line] == ':' || text.p[line] == '#')
            return true;
    }
    return text.len - i >= 3 && memcmp(text.p + i, "---", 3) == 0;
}
