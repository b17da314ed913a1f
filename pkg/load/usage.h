/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads one object of the lists that say what a node uses: NodeMetrics of metrics.k8s.io/v1beta1
 * and NodeMetric of slo.koordinator.sh/v1alpha1, as JSON. Any bytes are safe. No network, no clock.
 * Source: k8s.io/metrics pkg/apis/metrics/v1beta1/types.go; koordinator
 * apis/slo/v1alpha1/nodemetric_types.go. */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "model/load.h"

#include <stdbool.h>
#include <stdint.h>

enum { SY_USAGE_NAME_MAX = 253 }; /* of a node */

struct sy_usage {
    char node[SY_USAGE_NAME_MAX + 1];
    int64_t at_wall_ns; /* 0: not said, or no time */
    int64_t window_ns;  /* 0: not said */
    struct {
        bool is_there;
        bool is_malformed; /* it is there and cannot be read */
        bool is_share;
        double value; /* as in struct sy_load_sample */
    } metrics[SY_LOAD_METRICS];
};

/* out: *ret, on success only. Errors: -EBADMSG no such object, or one without a name. Cost:
 * O(bytes). Any thread. */
int sy_usage_read_node_metrics(struct sy_str raw, struct sy_usage *ret,
                               struct sy_err *err) SY_NODISCARD;
/* GPUs are given as the mean over the node's. */
int sy_usage_read_nodemetric(struct sy_str raw, struct sy_usage *ret,
                             struct sy_err *err) SY_NODISCARD;
