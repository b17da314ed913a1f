/* SPDX-License-Identifier: Apache-2.0
 *
 * A PodDisruptionBudget, as far as preemption looks at it. Decoders fill it with pointers into a
 * scratch arena; the cluster keeps packed copies. */
#pragma once

#include "model/labels.h"

struct sy_budget {
    sy_sid ns;
    sy_sid name;
    struct sy_selector selector; /* nil or empty: no pod, as upstream's preemption has it */
    int32_t disruptions_allowed; /* status */
    const sy_sid *disrupted; /* status.disruptedPods: names whose eviction is under way already */
    uint32_t disrupted_len;
};
