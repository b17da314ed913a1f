/* SPDX-License-Identifier: Apache-2.0
 *
 * The published means of the FGD experiment, from its summary.csv: metric, workload, policy and
 * mean_50 to mean_130. */
#pragma once

#include "base/err.h"
#include "base/vec.h"
#include "sim/trace.h"

struct sy_published_row {
    char trace[48];  /* "default" */
    char policy[32]; /* "FGD" */
    double allocated[SY_TRACE_POINTS];
};

/* Zero it first; free with sy_vec_done(&p->rows). */
struct sy_published {
    SY_VEC(struct sy_published_row) rows;
};

/* errors: -EINVAL with "file:line: what". */
int sy_published_read(struct sy_published *p, struct sy_str text, const char *file,
                      struct sy_err *err) SY_NODISCARD;
/* NULL when there is none. */
const struct sy_published_row *sy_published_find(const struct sy_published *p, const char *trace,
                                                 const char *policy);
/* "dir/openb_pod_list_default.csv" is the trace "default"; other names go without .csv. */
void sy_published_trace_name(const char *file, char *ret, size_t room);
