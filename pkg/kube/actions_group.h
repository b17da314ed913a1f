/* SPDX-License-Identifier: Apache-2.0
 *
 * The status of PodGroups: one PATCH after another, so that the last word stands; of several for
 * one group that wait the last counts. Owned by the actions. Loop thread only. */
#pragma once

#include "kube/actions.h"

struct sy_group_writes;

/* k and stats are borrowed; the two counters of group writes in stats are kept here. Never fails.
 * Free with sy_group_writes_free(). */
struct sy_group_writes *sy_group_writes_new(struct sy_kube *k, struct sy_actions_stats *stats);
/* To be called before the client's end. What waits is dropped. */
void sy_group_writes_free(struct sy_group_writes *w); /* NULL allowed */
/* Strings are copied. */
void sy_group_writes_add(struct sy_group_writes *w, const struct sy_group_write *write);
/* While paused nothing is sent; what waits stays. */
void sy_group_writes_pause(struct sy_group_writes *w, bool is_paused);
/* Those that wait or are under way. */
uint32_t sy_group_writes_len(const struct sy_group_writes *w);
