/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects that stand around pods and that scheduling looks at for their labels or selector alone:
 * namespaces, Services and controllers. Decoders fill it with pointers into a scratch arena. */
#pragma once

#include "model/labels.h"

enum sy_workload_kind {
    SY_WORKLOAD_NAMESPACE,
    SY_WORKLOAD_SERVICE,
    SY_WORKLOAD_REPLICATION_CONTROLLER,
    SY_WORKLOAD_REPLICA_SET,
    SY_WORKLOAD_STATEFUL_SET,
    SY_WORKLOAD_KINDS,
};

struct sy_workload {
    sy_sid ns; /* 0 for a namespace */
    sy_sid name;
    struct sy_str uid;
    struct sy_labels labels;     /* a namespace's labels, a Service's selector */
    struct sy_selector selector; /* of the controllers; a ReplicationController's is its map */
};
