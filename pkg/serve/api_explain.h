/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON of /steelyard/v1/explain; docs/explain.md describes it. */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "sched/explain.h"
#include "sched/sched.h"

/* Appends the part `now` of an explanation, as a field of the object that j is in. */
void sy_api_survey_write(struct sy_json *j, const struct sy_strings *strings,
                         const struct sy_explanation *e);
/* Appends the answer about a pod. 0, or -ENOENT when there is no such pod (nothing is appended);
 * out's own failure is for the caller to look at. now: the core's time; wall_now: of the same
 * moment, since 1970. Cost: that of sy_sched_explain(). Loop thread. */
int sy_api_explain_write(struct sy_sched *sched, const struct sy_strings *strings, const char *ns,
                         const char *name, sy_time_ns now, int64_t wall_now_ns,
                         struct sy_buf *out) SY_NODISCARD;
