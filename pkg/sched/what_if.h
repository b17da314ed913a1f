/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes to a pod that waits, tried one at a time on the state of the moment: which of them alone
 * would let it fit. Used by explain.c alone. */
#pragma once

#include "sched/explain.h"
#include "sched/inside.h"

/* What a resource's amount looks like in a manifest: "1500m", "2Gi", "3". Written to room and
 * returned. Amounts of bytes above 1 Gi are cut to whole Mi, up or down. */
const char *sy_explain_amount(const struct sy_cluster *c, sy_sid resource, int64_t amount, bool up,
                              char *room, size_t size);
/* "key=value:NoSchedule". */
const char *sy_explain_taint(const struct sy_strings *strings, const struct sy_taint *taint,
                             char *room, size_t size);

/* Tries what the refusals in e->filters suggest, and fills e->changes, sorted. verdicts: of a
 * survey just made, one for each node slot; copied by the caller. */
void sy_explain_what_if(const struct sy_sched_inside *in, uint32_t pod, const uint32_t *verdicts,
                        uint32_t verdicts_len, struct sy_explanation *e);
