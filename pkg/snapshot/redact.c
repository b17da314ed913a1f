/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/redact.h"

#include <string.h>

#include "base/compiler.h"
#include "base/vec.h"
#include "model/group.h"

typedef bool keep_fn(const char *key);

static bool is_in(const char *key, const char *const *list)
{
    while (*list && strcmp(*list, key) != 0)
        list++;
    return *list;
}

/* Takes out each field that is not to be kept. */
static void keep_only(struct json_object *o, keep_fn *keep)
{
    SY_VEC(const char *) gone = {0};

    if (!json_object_is_type(o, json_type_object))
        return;
    struct json_object_iterator at = json_object_iter_begin(o), end = json_object_iter_end(o);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        if (!keep(json_object_iter_peek_name(&at)))
            sy_vec_push(&gone, json_object_iter_peek_name(&at));
    }
    for (size_t i = 0; i < gone.len; i++)
        json_object_object_del(o, gone.p[i]);
    sy_vec_done(&gone);
}

static struct json_object *field(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;

    if (json_object_is_type(o, json_type_object))
        json_object_object_get_ex(o, key, &v);
    return v;
}

static bool keeps_metadata(const char *key)
{
    static const char *const KEPT[] = {"name",
                                       "generateName",
                                       "namespace",
                                       "uid",
                                       "resourceVersion",
                                       "generation",
                                       "creationTimestamp",
                                       "deletionTimestamp",
                                       "labels",
                                       "annotations",
                                       "ownerReferences",
                                       NULL};

    return is_in(key, KEPT);
}

static bool keeps_annotation(const char *key)
{
    static const char *const PARTS[] = {
        "steelyard.dev/",
        "scheduling.koordinator.sh/",
        "hami.io/",
        "nvidia.com/",
        "kai.scheduler/",
        "run.ai/",
        "volume.kubernetes.io/",
        "volume.beta.kubernetes.io/",
        "pv.kubernetes.io/",
        "storageclass.kubernetes.io/",
    };

    for (size_t i = 0; i < SY_ARRAY_LEN(PARTS); i++) {
        if (strstr(key, PARTS[i]))
            return true;
    }
    return is_in(key, sy_group_annotations);
}

static bool keeps_pod_spec(const char *key)
{
    static const char *const KEPT[] = {"affinity",
                                       "containers",
                                       "hostNetwork",
                                       "initContainers",
                                       "nodeName",
                                       "nodeSelector",
                                       "overhead",
                                       "preemptionPolicy",
                                       "priority",
                                       "priorityClassName",
                                       "resourceClaims",
                                       "resources",
                                       "schedulerName",
                                       "schedulingGates",
                                       "schedulingGroup",
                                       "tolerations",
                                       "topologySpreadConstraints",
                                       "volumes",
                                       NULL};

    return is_in(key, KEPT);
}

static bool keeps_container(const char *key)
{
    static const char *const KEPT[] = {"name",      "image",         "ports",
                                       "resources", "restartPolicy", NULL};

    return is_in(key, KEPT);
}

static bool keeps_pod_status(const char *key)
{
    static const char *const KEPT[] = {"phase",
                                       "conditions",
                                       "startTime",
                                       "nominatedNodeName",
                                       "resourceClaimStatuses",
                                       "extendedResourceClaimStatus",
                                       NULL};

    return is_in(key, KEPT);
}

/* Sorts of volumes that a filter looks at. */
static bool keeps_volume(const char *key)
{
    static const char *const KEPT[] = {"name",
                                       "persistentVolumeClaim",
                                       "ephemeral",
                                       "csi",
                                       "awsElasticBlockStore",
                                       "azureDisk",
                                       "cinder",
                                       "gcePersistentDisk",
                                       "iscsi",
                                       "rbd",
                                       NULL};

    return is_in(key, KEPT);
}

static bool keeps_csi(const char *key)
{
    return strcmp(key, "driver") == 0;
}

static bool keeps_node_spec(const char *key)
{
    static const char *const KEPT[] = {"taints", "unschedulable", NULL};

    return is_in(key, KEPT);
}

static bool keeps_node_status(const char *key)
{
    static const char *const KEPT[] = {"addresses", "allocatable",      "capacity", "conditions",
                                       "images",    "declaredFeatures", NULL};

    return is_in(key, KEPT);
}

static void each(struct json_object *list, keep_fn *keep)
{
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
        keep_only(json_object_array_get_idx(list, i), keep);
}

static void redact_metadata(struct json_object *metadata)
{
    keep_only(metadata, keeps_metadata);
    keep_only(field(metadata, "annotations"), keeps_annotation);
}

static void redact_pod_spec(struct json_object *spec)
{
    struct json_object *volumes = field(spec, "volumes");

    keep_only(spec, keeps_pod_spec);
    each(field(spec, "containers"), keeps_container);
    each(field(spec, "initContainers"), keeps_container);
    each(volumes, keeps_volume);
    for (size_t i = 0;
         json_object_is_type(volumes, json_type_array) && i < json_object_array_length(volumes);
         i++)
        keep_only(field(json_object_array_get_idx(volumes, i), "csi"), keeps_csi);
}

void sy_redact(struct json_object *tree, const char *kind)
{
    struct json_object *spec = field(tree, "spec"), *made = field(spec, "template");

    redact_metadata(field(tree, "metadata"));
    if (strcmp(kind, "Pod") == 0) {
        redact_pod_spec(spec);
        keep_only(field(tree, "status"), keeps_pod_status);
    } else if (strcmp(kind, "Node") == 0) {
        keep_only(spec, keeps_node_spec);
        keep_only(field(tree, "status"), keeps_node_status);
    } else if (strcmp(kind, "StorageClass") == 0) {
        json_object_object_del(tree, "parameters");
    }
    if (made) {
        redact_metadata(field(made, "metadata"));
        redact_pod_spec(field(made, "spec"));
    }
}
