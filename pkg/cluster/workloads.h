/* SPDX-License-Identifier: Apache-2.0
 *
 * The selectors of Services, ReplicationControllers, ReplicaSets and StatefulSets: what the default
 * spread constraints count. Part of the cluster; one thread. Source of semantics:
 * pkg/scheduler/framework/plugins/helper/spread.go (v1.37.2). */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "cluster/specs.h"

#include <stdbool.h>
#include <stdint.h>

struct sy_cluster;

enum sy_owner_kind { SY_OWNER_REPLICATION_CONTROLLER, SY_OWNER_REPLICA_SET, SY_OWNER_STATEFUL_SET };

struct sy_service {
    sy_sid ns;
    sy_sid name;
    const struct sy_shared_labels *selector;
    bool is_seen; /* in the replacement that is going on */
};

struct sy_owner {
    uint64_t uid_hash;                   /* as sy_cluster_owner_hash() gives */
    const struct sy_shared_spec *packed; /* its one affinity term holds the selector */
    uint8_t kind;                        /* enum sy_owner_kind */
    bool is_seen;
};

struct sy_workloads {
    SY_VEC(struct sy_service) services; /* in no order; none without a selector */
    SY_VEC(struct sy_owner) owners;     /* in no order */
    struct sy_map owner_by_hash;
    uint64_t generation; /* grows with every change */
    bool owners_matter;  /* one has been seen: pods of different owners may have different shapes */
};

/* Adds or updates a Service; one whose selector is empty or absent counts as gone. selector is
 * borrowed. 0 or -ENOMEM. O(services). */
int sy_cluster_service_upsert(struct sy_cluster *c, sy_sid ns, sy_sid name,
                              struct sy_labels selector) SY_NODISCARD;
void sy_cluster_service_delete(struct sy_cluster *c, sy_sid ns, sy_sid name);
/* Adds or updates a controller by its uid. selector is borrowed; a ReplicationController's is its
 * map as In requirements of one value each. 0 or -ENOMEM. O(1). */
int sy_cluster_owner_upsert(struct sy_cluster *c, enum sy_owner_kind kind, struct sy_str uid,
                            const struct sy_selector *selector) SY_NODISCARD;
void sy_cluster_owner_delete(struct sy_cluster *c, struct sy_str uid);
/* Around the upserts of a fresh list: the end deletes what was not seen again. */
void sy_cluster_services_replace_begin(struct sy_cluster *c);
void sy_cluster_services_replace_end(struct sy_cluster *c);
void sy_cluster_owners_replace_begin(struct sy_cluster *c, enum sy_owner_kind kind);
void sy_cluster_owners_replace_end(struct sy_cluster *c, enum sy_owner_kind kind);

/* What a pod slot remembers of its controlling owner: 0 for none. */
uint64_t sy_cluster_owner_hash(const struct sy_cluster *c, struct sy_str uid);

/* kube-scheduler's helper.DefaultSelector for a pod: what the Services that select it, and its
 * controlling owner, ask for together. Fills *ret, with memory from arena; it is nil when nothing
 * selects the pod. labels: at least those whose keys some selector names. 0, -ENOMEM or -E2BIG.
 * O(services + requirements). */
int sy_cluster_default_selector(const struct sy_cluster *c, sy_sid ns, struct sy_labels labels,
                                uint64_t owner, struct sy_arena *arena,
                                struct sy_selector *ret) SY_NODISCARD;

/* For cluster.c only. */
void sy_workloads_mark(const struct sy_cluster *c);
void sy_workloads_done(struct sy_cluster *c);
