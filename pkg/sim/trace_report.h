/* SPDX-License-Identifier: Apache-2.0
 *
 * Policies on traces side by side, as tables, JSON and one HTML page. */
#pragma once

#include "base/buf.h"
#include "sim/published.h"
#include "sim/trace.h"

struct sy_trace_comparison {
    const char *const *traces; /* names; all lists are borrowed */
    uint32_t traces_len;
    const char *const *policies;
    uint32_t policies_len;
    const uint64_t *seeds;
    uint32_t seeds_len;
    const struct sy_trace_result
        *results; /* [(trace * policies_len + policy) * seeds_len + seed] */
    double tune;
    uint32_t departures;
    bool waits;                           /* pods waited for room: there are waits */
    bool is_listed;                       /* ... and came as listed */
    const struct sy_published *published; /* NULL: none */
};

/* Appends. Errors as sy_buf_add(). */
int sy_trace_table(const struct sy_trace_comparison *c, struct sy_buf *out);
int sy_trace_json(const struct sy_trace_comparison *c, struct sy_buf *out);
int sy_trace_html(const struct sy_trace_comparison *c, struct sy_buf *out);
/* Against what is published: each policy and trace, and a verdict. *ret_reproduced: whether all
 * policies that are published are as near as they must be: 0.3 points at 130 % arrived, 0.6 for
 * GpuPacking and GpuClustering. */
int sy_trace_reproduction(const struct sy_trace_comparison *c, struct sy_buf *out,
                          bool *ret_reproduced);
