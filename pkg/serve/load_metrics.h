/* SPDX-License-Identifier: Apache-2.0
 *
 * What /metrics says of measured load. */
#pragma once

#include "cluster/cluster.h"
#include "cluster/load.h"
#include "serve/expo.h"

#include <stdbool.h>
#include <stdint.h>

enum { SY_LOAD_FIGURES_MAX = 16, SY_LOAD_OUTCOMES_MAX = 16 };

/* Of one source; pkg/app fills it in. Strings are borrowed. */
struct sy_load_source_figures {
    const char *name;
    bool is_up;
    bool has_xid;
    uint32_t xid_nodes;
    uint64_t answers, failures;
    struct {
        const char *result;
        uint64_t count;
    } outcomes[SY_LOAD_OUTCOMES_MAX];
    uint32_t outcomes_len;
    bool has[SY_LOAD_METRICS];
    double age_s[SY_LOAD_METRICS]; /* of the newest sample */
};

/* Nothing without a source. Cost: O(nodes x metrics). */
void sy_load_metrics_write(struct sy_expo *e, const struct sy_cluster *c,
                           const struct sy_load_source_figures *sources, uint32_t len);
