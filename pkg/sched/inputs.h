/* SPDX-License-Identifier: Apache-2.0
 *
 * Inputs beside nodes, pods and storage: what stands around pods (namespaces, Services,
 * controllers), disruption budgets, measured load and devices. Pods that wait are looked at again
 * in the next sy_sched_run() when something changed for them. */
#pragma once

#include "cluster/load.h"
#include "model/budget.h"
#include "model/group.h"
#include "model/workload.h"
#include "sched/sched.h"

/* Objects are borrowed; their ids are of the scheduler's table. Errors: -ENOMEM, -E2BIG (object not
 * taken over, state as before). Cost: as the cluster's functions of those names. */
int sy_sched_workload(struct sy_sched *s, enum sy_workload_kind kind,
                      const struct sy_workload *object) SY_NODISCARD;
/* Namespaces and Services go by name, controllers by uid. */
void sy_sched_workload_deleted(struct sy_sched *s, enum sy_workload_kind kind, sy_sid ns,
                               sy_sid name, struct sy_str uid);
/* Around a full list: what was not given between begin and end is deleted at end. */
void sy_sched_workloads_replace_begin(struct sy_sched *s, enum sy_workload_kind kind);
void sy_sched_workloads_replace_end(struct sy_sched *s, enum sy_workload_kind kind);

/* While namespaces can not be read, pods whose required affinity terms select them by label wait,
 * as their condition says. Off at first. */
void sy_sched_namespaces_unknown(struct sy_sched *s, bool are_unknown);

int sy_sched_budget(struct sy_sched *s, const struct sy_budget *budget) SY_NODISCARD;
void sy_sched_budget_deleted(struct sy_sched *s, sy_sid ns, sy_sid name);
void sy_sched_budgets_replace_begin(struct sy_sched *s);
void sy_sched_budgets_replace_end(struct sy_sched *s);

/* One measurement of a node, as sy_cluster_load() says. A loop that gives many should let
 * sy_sched_run() follow once, at the end. */
enum sy_load_result sy_sched_load(struct sy_sched *s, sy_sid node_name,
                                  const struct sy_load_sample *sample, sy_time_ns now);

/* Resource slices, device classes and resource claims: as sy_devices_upsert() and its neighbours.
 * Pods that wait for them are looked at in the next sy_sched_run(). */
int sy_sched_devices(struct sy_sched *s, enum sy_devices_kind kind,
                     const void *object) SY_NODISCARD;
void sy_sched_devices_deleted(struct sy_sched *s, enum sy_devices_kind kind, sy_sid ns,
                              sy_sid name);
void sy_sched_devices_replace_begin(struct sy_sched *s, enum sy_devices_kind kind);
void sy_sched_devices_replace_end(struct sy_sched *s, enum sy_devices_kind kind);

/* Whether all three kinds are known and CLAIM decisions are carried out. Until it is said that they
 * are, pods with resource claims wait, as their condition says. */
void sy_sched_devices_known(struct sy_sched *s, bool are_known);

/* PodGroup objects, copied. source: enum sy_group_source, the API that they are of. O(1), and
 * O(members of that gang) in the next sy_sched_run(). */
void sy_sched_pod_group(struct sy_sched *s, const struct sy_group_object *object);
void sy_sched_pod_group_deleted(struct sy_sched *s, uint8_t source, sy_sid ns, sy_sid name);
/* Around a full list of one API's. From its end on, a group of that kind that has no object waits
 * for it, unless its pods say how many they have to be. O(objects). */
void sy_sched_pod_groups_replace_begin(struct sy_sched *s, uint8_t source);
void sy_sched_pod_groups_replace_end(struct sy_sched *s, uint8_t source);
/* The server has no such API (any more): what pods say counts alone, as at first. */
void sy_sched_pod_groups_absent(struct sy_sched *s, uint8_t source);
