/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects as people write them, made into what an API server would serve: defaults filled in, and
 * controllers replaced by the pods that they would make. Works on trees alone. */
#pragma once

#include "snapshot/docs.h"

/* How often and when what an object stands for is there: from its annotations, docs/snapshot.md. */
struct sy_manifest_plan {
    uint32_t copies;  /* more than SY_SNAPSHOT_PODS_MAX is an error */
    bool is_numbered; /* names get "-0", "-1", ... */
    int64_t arrives_ns, every_ns, lasts_ns;
};

/* Fills in what is absent: a node's allocatable, room for pods and hostname label; a pod's
 * namespace and its containers' requests. errors: -EINVAL with the object and what it lacks;
 * -ENOMEM. */
int sy_manifest_node(const struct sy_doc *doc, struct sy_manifest_plan *ret,
                     struct sy_err *err) SY_NODISCARD;
int sy_manifest_pod(const struct sy_doc *doc, struct sy_manifest_plan *ret,
                    struct sy_err *err) SY_NODISCARD;
/* Whether the object makes pods; a DaemonSet and CronJob do not, here. */
bool sy_manifest_is_controller(const char *kind);
/* The pod that a controller makes so many of, as for sy_manifest_pod(). *ret_pod: the caller's to
 * json_object_put(). */
int sy_manifest_controller(const struct sy_doc *doc, struct json_object **ret_pod,
                           struct sy_manifest_plan *ret, struct sy_err *err) SY_NODISCARD;
