/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/manifest.h"

#include <errno.h>
#include <string.h>

#include "base/duration.h"
#include "snapshot/snapshot.h"

static const char DEFAULT_PODS[] = "110"; /* the kubelet's */
/* A hundred years; sums of two stay in range. */
static const int64_t TIME_MAX_NS = (int64_t)100 * 365 * 86400 * 1000000000;
static const char HOSTNAME[] = "kubernetes.io/hostname";

/* The object below a key, NULL when there is none. Borrowed. */
static struct json_object *below(struct json_object *tree, const char *key)
{
    struct json_object *v = NULL;

    if (!tree || !json_object_is_type(tree, json_type_object) ||
        !json_object_object_get_ex(tree, key, &v) || !json_object_is_type(v, json_type_object))
        return NULL;
    return v;
}

/* The same, made when it is not there; NULL for want of memory. */
static struct json_object *make_below(struct json_object *tree, const char *key)
{
    struct json_object *v = below(tree, key);

    if (v)
        return v;
    v = json_object_new_object();
    if (v && json_object_object_add(tree, key, v) < 0) {
        json_object_put(v);
        return NULL;
    }
    return v;
}

static bool has(struct json_object *tree, const char *key)
{
    return json_object_object_get_ex(tree, key, NULL);
}

static int set_text(struct json_object *tree, const char *key, const char *text)
{
    struct json_object *v = json_object_new_string(text);

    if (v && json_object_object_add(tree, key, v) == 0)
        return 0;
    json_object_put(v);
    return -ENOMEM;
}

/* What `from` has and `to` lacks; values are shared. */
static int fill_in(struct json_object *to, struct json_object *from)
{
    json_object_object_foreach(from, key, value)
    {
        if (has(to, key))
            continue;
        struct json_object *shared = json_object_get(value);
        if (json_object_object_add(to, key, shared) < 0) {
            json_object_put(shared);
            return -ENOMEM;
        }
    }
    return 0;
}

/* -- annotations -- */

static const char *annotation(struct json_object *metadata, const char *key)
{
    struct json_object *annotations = below(metadata, "annotations"), *v = NULL;

    if (!annotations || !json_object_object_get_ex(annotations, key, &v) ||
        !json_object_is_type(v, json_type_string))
        return NULL;
    return json_object_get_string(v);
}

static int read_duration(const struct sy_doc *doc, struct json_object *metadata, const char *key,
                         int64_t *ret, struct sy_err *err)
{
    const char *text = annotation(metadata, key);

    if (!text || (sy_duration_parse(sy_str_from(text), ret) == 0 && *ret <= TIME_MAX_NS))
        return 0;
    return sy_doc_error(doc, err, -EINVAL,
                        "annotation %s: \"%.64s\" is no duration; write 90s or 1h30m", key, text);
}

static int check_copies(const struct sy_doc *doc, const char *what, int64_t copies,
                        struct sy_manifest_plan *plan, struct sy_err *err)
{
    if (copies < 0 || copies > SY_SNAPSHOT_PODS_MAX)
        return sy_doc_error(doc, err, -EINVAL, "%s: give a number from 0 to %d", what,
                            SY_SNAPSHOT_PODS_MAX);
    plan->copies = (uint32_t)copies;
    return 0;
}

/* What metadata says, over what the plan has. */
static int read_plan(const struct sy_doc *doc, struct json_object *metadata,
                     struct sy_manifest_plan *plan, struct sy_err *err)
{
    const char *copies = annotation(metadata, SY_SNAPSHOT_COPIES);
    int64_t n = -1;
    int code = read_duration(doc, metadata, SY_SNAPSHOT_ARRIVES, &plan->arrives_ns, err);

    if (code == 0)
        code = read_duration(doc, metadata, SY_SNAPSHOT_EVERY, &plan->every_ns, err);
    if (code == 0)
        code = read_duration(doc, metadata, SY_SNAPSHOT_LASTS, &plan->lasts_ns, err);
    if (code == 0 && copies) {
        plan->is_numbered = true;
        if (sy_str_i64(sy_str_from(copies), &n) < 0)
            n = -1;
        code = check_copies(doc, "annotation " SY_SNAPSHOT_COPIES, n, plan, err);
    }
    if (code == 0 && plan->every_ns && plan->copies > TIME_MAX_NS / plan->every_ns)
        return sy_doc_error(doc, err, -EINVAL,
                            "annotation " SY_SNAPSHOT_EVERY ": its last copies arrive in more than "
                            "a hundred years");
    return code;
}

/* -- nodes -- */

int sy_manifest_node(const struct sy_doc *doc, struct sy_manifest_plan *ret, struct sy_err *err)
{
    struct json_object *metadata = below(doc->tree, "metadata");
    struct json_object *status = below(doc->tree, "status");
    struct sy_manifest_plan plan = {.copies = 1};

    if (!below(status, "allocatable") && !below(status, "capacity"))
        return sy_doc_error(doc, err, -EINVAL,
                            "it has neither status.capacity nor status.allocatable, which say what "
                            "it can hold");
    int code = read_plan(doc, metadata, &plan, err);
    if (code < 0)
        return code;
    struct json_object *allocatable = make_below(status, "allocatable");
    struct json_object *capacity = make_below(status, "capacity");
    struct json_object *labels = make_below(metadata, "labels");
    if (!allocatable || !capacity || !labels || fill_in(allocatable, capacity) < 0 ||
        (!has(allocatable, "pods") && set_text(allocatable, "pods", DEFAULT_PODS) < 0) ||
        fill_in(capacity, allocatable) < 0 ||
        (!plan.is_numbered && !has(labels, HOSTNAME) && set_text(labels, HOSTNAME, doc->name) < 0))
        return sy_doc_error(doc, err, -ENOMEM, "out of memory");
    *ret = plan;
    return 0;
}

/* -- pods -- */

/* What is limited and not requested is requested as much. */
static int fill_in_requests(struct json_object *spec, const char *list)
{
    struct json_object *containers = NULL;

    if (!json_object_object_get_ex(spec, list, &containers) ||
        !json_object_is_type(containers, json_type_array))
        return 0;
    for (size_t i = 0; i < json_object_array_length(containers); i++) {
        struct json_object *resources =
            below(json_object_array_get_idx(containers, i), "resources");
        struct json_object *limits = below(resources, "limits");
        if (!limits)
            continue;
        struct json_object *requests = make_below(resources, "requests");
        if (!requests || fill_in(requests, limits) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int fill_in_pod(const struct sy_doc *doc, struct json_object *pod, struct sy_err *err)
{
    struct json_object *metadata = make_below(pod, "metadata");
    struct json_object *spec = below(pod, "spec");

    if (!spec)
        return sy_doc_error(doc, err, -EINVAL, "it has no spec of a pod");
    if (!metadata ||
        (!has(metadata, "namespace") &&
         set_text(metadata, "namespace", doc->ns[0] ? doc->ns : "default") < 0) ||
        fill_in_requests(spec, "containers") < 0 || fill_in_requests(spec, "initContainers") < 0)
        return sy_doc_error(doc, err, -ENOMEM, "out of memory");
    return 0;
}

int sy_manifest_pod(const struct sy_doc *doc, struct sy_manifest_plan *ret, struct sy_err *err)
{
    struct sy_manifest_plan plan = {.copies = 1};
    int code = read_plan(doc, below(doc->tree, "metadata"), &plan, err);

    if (code == 0)
        code = fill_in_pod(doc, doc->tree, err);
    if (code == 0)
        *ret = plan;
    return code;
}

bool sy_manifest_is_controller(const char *kind)
{
    static const char *const KINDS[] = {"Deployment", "ReplicaSet", "StatefulSet",
                                        "ReplicationController", "Job"};

    for (size_t i = 0; i < SY_ARRAY_LEN(KINDS); i++) {
        if (strcmp(kind, KINDS[i]) == 0)
            return true;
    }
    return false;
}

/* A field of the spec that is a number; `otherwise` when it is not there. */
static int64_t number(struct json_object *spec, const char *key, int64_t otherwise)
{
    struct json_object *v = NULL;

    if (!json_object_object_get_ex(spec, key, &v) || !v)
        return otherwise;
    return json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : -1;
}

int sy_manifest_controller(const struct sy_doc *doc, struct json_object **ret_pod,
                           struct sy_manifest_plan *ret, struct sy_err *err)
{
    struct json_object *spec = below(doc->tree, "spec");
    struct json_object *template = below(spec, "template");
    struct sy_manifest_plan plan = {0};
    bool is_job = strcmp(doc->kind, "Job") == 0;

    if (!template)
        return sy_doc_error(doc, err, -EINVAL, "it has no spec.template");
    int64_t copies = is_job ? number(spec, "completions", number(spec, "parallelism", 1))
                            : number(spec, "replicas", 1);
    int code = check_copies(doc, is_job ? "spec.completions" : "spec.replicas", copies, &plan, err);
    if (code == 0)
        code = read_plan(doc, below(doc->tree, "metadata"), &plan, err);
    if (code == 0)
        code = read_plan(doc, below(template, "metadata"), &plan, err);
    if (code == 0)
        code = fill_in_pod(doc, template, err);
    if (code < 0)
        return code;
    plan.is_numbered = true;
    if (set_text(below(template, "metadata"), "name", doc->name) < 0)
        return sy_doc_error(doc, err, -ENOMEM, "out of memory");
    *ret_pod = json_object_get(template);
    *ret = plan;
    return 0;
}
