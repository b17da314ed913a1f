/* SPDX-License-Identifier: Apache-2.0
 *
 * Why nodes were refused, counted, and kube-scheduler's text of it. */
#pragma once

#include "base/vec.h"
#include "cluster/cluster.h"

struct sy_reason_count {
    sy_sid reason;
    uint32_t nodes;
};

struct sy_reason_counts {
    SY_VEC(struct sy_reason_count) counts;
};

void sy_reasons_add(struct sy_reason_counts *r, sy_sid reason, uint32_t nodes);
/* "0/N nodes are available: 1 reason, 2 other." sorted as text, as FitError.Error() words it. Owned
 * by the caller. */
char *sy_reasons_text(const struct sy_reason_counts *r, const struct sy_cluster *c);
