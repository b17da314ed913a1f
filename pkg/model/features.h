/* SPDX-License-Identifier: Apache-2.0
 *
 * Features that a node declares and a pod may need (KEP-5328), as bits: those that Kubernetes
 * v1.37.2 knows, in the order of their names. Source: k8s.io/component-helpers nodedeclaredfeatures
 * (v0.37.2). */
#pragma once

#include "base/str.h"

#include <stdint.h>

enum sy_node_feature {
    SY_FEATURE_DRA_NODE_ALLOCATABLE_RESOURCES,
    SY_FEATURE_DRA_OPTIONAL_NODE_OPERATIONS,
    SY_FEATURE_EXTEND_WEBSOCKETS_TO_KUBELET,
    SY_FEATURE_POD_LEVEL_RESIZE,
    SY_FEATURE_INIT_CONTAINERS_RESIZE,
    SY_FEATURE_MEMORY_VOLUMES_RESIZE,
    SY_FEATURE_RESTART_ALL_CONTAINERS,       /* pods may need it */
    SY_FEATURE_USER_NAMESPACES_HOST_NETWORK, /* pods may need it */
    SY_FEATURE_BIND_MOUNT_OPTIONS,           /* pods may need it */
    SY_NODE_FEATURES,
};

/* Takes the names of one node in the order of its status: fills a set of 1 << enum sy_node_feature.
 * As upstream's merge of two sorted lists does, a name that is out of order hides itself and may
 * hide what follows. Start with an all-zero struct. */
struct sy_features {
    uint16_t set;
    uint8_t next; /* private: the first that may still come */
};
void sy_features_take(struct sy_features *f, struct sy_str name);
