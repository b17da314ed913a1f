/* SPDX-License-Identifier: Apache-2.0
 *
 * What a pod's volumes need before it is bound: a persistent volume that is kept for a claim, or a
 * claim that is told its node. Merge patches that name the resourceVersion, so that none lands on
 * an object that has changed since it was chosen. Owned by the actions. Loop thread only. */
#pragma once

#include "kube/actions.h"

struct sy_volume_writes;

/* k is borrowed. Never fails. Free with sy_volume_writes_free(). */
struct sy_volume_writes *sy_volume_writes_new(struct sy_kube *k, struct sy_actions_stats *stats,
                                              sy_volume_fn *on_done, void *arg);
/* To be called before the client's end. What is under way is abandoned without on_done. */
void sy_volume_writes_free(struct sy_volume_writes *v); /* NULL allowed */
void sy_volume_writes_add(struct sy_volume_writes *v, const struct sy_volume_write *write);
/* While paused what is added, or not sent yet, fails with -ECANCELED. */
void sy_volume_writes_pause(struct sy_volume_writes *v, bool is_paused);
/* Writes that wait or are under way. */
uint32_t sy_volume_writes_len(const struct sy_volume_writes *v);
