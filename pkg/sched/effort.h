/* SPDX-License-Identifier: Apache-2.0
 *
 * What a pod's scheduling cycle may cost, estimated before it begins: so that a pod with thousands
 * of terms, which anybody may create, keeps nobody waiting for long. Whose turn it is decides
 * sched_effort.c. Pure. */
#pragma once

#include "model/pod.h"

enum sy_effort {
    SY_EFFORT_PLAIN,
    SY_EFFORT_COSTLY,   /* such pods together get a tenth of the time */
    SY_EFFORT_TOO_MUCH, /* is not tried at all */
};

struct sy_effort_estimate {
    uint32_t terms; /* requirements on other pods, for the most part */
    int64_t ns;     /* on a machine of today; what is decided by it is the same on every machine */
};

/* in:  nodes, pods: how many there are, whoever schedules them.
 * O(terms). Measured by tests/bench/bench_hostile.c. */
struct sy_effort_estimate sy_effort_of(const struct sy_pod_spec *spec, uint32_t nodes,
                                       uint32_t pods);
/* Few terms are plain in clusters of every size. */
enum sy_effort sy_effort_judge(const struct sy_effort_estimate *estimate);
