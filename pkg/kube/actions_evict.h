/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods that are made to go: for preemption and by force first the status, then the deletion, else
 * an eviction; a few pods at a time. Owned by the actions, which look after pausing and counting.
 * Loop thread only. Source of preemption's two steps: k8s.io/kubernetes
 * pkg/scheduler/framework/preemption/executor.go (v1.37.2). */
#pragma once

#include "kube/actions.h"

struct sy_evictions;

/* k and stats are borrowed; the two eviction counters of stats are kept here. Never fails. Free
 * with sy_evictions_free(). */
struct sy_evictions *sy_evictions_new(struct sy_kube *k, struct sy_actions_stats *stats,
                                      sy_evict_failed_fn *on_failed, void *arg);
/* To be called before the client's end. What is under way is abandoned without on_failed. */
void sy_evictions_free(struct sy_evictions *e); /* NULL allowed */

/* Strings are copied. */
void sy_evictions_add(struct sy_evictions *e, enum sy_evict_how how, const char *ns,
                      const char *name, const char *uid, const char *message, int64_t generation);
/* While paused nothing is written: what waits, and what has its second step to do, fails with
 * -ECANCELED. */
void sy_evictions_pause(struct sy_evictions *e, bool is_paused);
/* Pods that wait or are under way. */
uint32_t sy_evictions_len(const struct sy_evictions *e);
