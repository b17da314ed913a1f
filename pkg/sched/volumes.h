/* SPDX-License-Identifier: Apache-2.0
 *
 * What one pod's claims need before the pod can be bound: volumes to be kept for them, nodes to be
 * named for those to be made, written one after another; then a wait for the controllers. What is
 * written is assumed in the cluster from the start. Source of the steps: k8s.io/kubernetes
 * pkg/scheduler/framework/plugins/volumebinding/binder.go (v1.37.2). */
#pragma once

#include "policy/volume_binding.h"
#include "sched/sched.h"

struct sy_volume_work;

/* plan is borrowed; assumes in the cluster's storage all that will be written. Free with
 * sy_volume_work_free(). */
struct sy_volume_work *sy_volume_work_new(struct sy_cluster *c, const struct sy_volume_plan *plan,
                                          uint32_t node);
/* Takes back what was assumed and not written. NULL allowed. */
void sy_volume_work_free(struct sy_cluster *c, struct sy_volume_work *w);

/* Marks the string ids that it holds. NULL allowed. */
void sy_volume_work_mark(const struct sy_volume_work *w, struct sy_strings *strings);

/* The next write; false when there is none left. Text is borrowed until the work or the cluster
 * changes. The same one until sy_volume_work_written(). */
bool sy_volume_work_next(const struct sy_cluster *c, const struct sy_volume_work *w,
                         struct sy_decision_volume *ret);
void sy_volume_work_written(struct sy_volume_work *w);

enum sy_volume_progress { SY_VOLUMES_WAIT, SY_VOLUMES_BOUND, SY_VOLUMES_FAILED };
/* How far the controllers are, once all is written. out: on FAILED *ret_error, owned by the caller,
 * in kube-scheduler's words. */
enum sy_volume_progress sy_volume_work_check(const struct sy_cluster *c,
                                             const struct sy_volume_work *w, char **ret_error);
