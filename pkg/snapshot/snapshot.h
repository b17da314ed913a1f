/* SPDX-License-Identifier: Apache-2.0
 *
 * A cluster and its workload from files: our own snapshots, lists of an API server's objects, and
 * manifests as people write them, with what an API server would have filled in. docs/snapshot.md
 * is the format. The result is the compact model; what is done with it is up to the callers. One
 * thread. */
#pragma once

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "kube/decode.h"

enum {
    SY_SNAPSHOT_FORMAT = 1,
    SY_SNAPSHOT_NODES_MAX = 50000,
    SY_SNAPSHOT_PODS_MAX = 2000000,
};
#define SY_SNAPSHOT_API     "snapshot.steelyard.dev/v1"
#define SY_SNAPSHOT_ARRIVES "simulate.steelyard.dev/arrives-after"
#define SY_SNAPSHOT_EVERY   "simulate.steelyard.dev/arrives-every"
#define SY_SNAPSHOT_LASTS   "simulate.steelyard.dev/runs-for"
#define SY_SNAPSHOT_COPIES  "simulate.steelyard.dev/copies"

struct sy_snapshot_pod {
    struct sy_pod pod;
    int64_t arrives_ns; /* after the start; 0: at once */
    int64_t lasts_ns;   /* once it is bound; 0: until the end */
    bool says_priority; /* as numbers, so that its class does not matter */
};

struct sy_snapshot_workload {
    enum sy_workload_kind kind;
    struct sy_workload object;
};

struct sy_snapshot_storage {
    enum sy_storage_kind kind;
    union sy_storage_object object;
};

struct sy_snapshot_devices {
    enum sy_devices_kind kind;
    union sy_devices_object object;
};

struct sy_snapshot_priority {
    sy_sid name;
    int32_t value;
    bool is_default, never_preempts;
};

struct sy_snapshot {
    struct sy_decode decode; /* its arena holds all that follows */
    SY_VEC(struct sy_node) nodes;
    SY_VEC(struct sy_snapshot_pod) pods; /* in the files' order; copies one after another */
    SY_VEC(struct sy_snapshot_workload) workloads;
    SY_VEC(struct sy_budget) budgets;
    SY_VEC(struct sy_snapshot_storage) storage;
    SY_VEC(struct sy_snapshot_devices) devices;
    SY_VEC(struct sy_group_object) groups; /* PodGroups of all APIs */
    SY_VEC(struct sy_snapshot_priority) priorities;
    uint32_t pods_max;     /* SY_SNAPSHOT_PODS_MAX unless set lower */
    uint32_t nodes_max;    /* SY_SNAPSHOT_NODES_MAX, likewise */
    uint64_t skipped;      /* objects of kinds that scheduling does not look at */
    bool is_snapshot;      /* a header was there: */
    int64_t taken_wall_ns; /* 0: it does not say */
    /* Private. */
    struct sy_map node_names, pod_names;
    bool has_header, has_end;
    uint64_t objects; /* of the file being read */
};

/* in: strings: borrowed, for the life of s. Ids of all objects are of this table. */
void sy_snapshot_init(struct sy_snapshot *s, struct sy_strings *strings);
void sy_snapshot_done(struct sy_snapshot *s);

/* Adds what text holds: a file's bytes, which may be freed after. Several files may be read one
 * after another; sy_snapshot_finish() when that was the last.
 * errors: -EINVAL with "file:line: Kind name: what" (malformed, a name that is there twice, a
 *     snapshot of a later format or cut short), -E2BIG, -ENOMEM. What was read before stays.
 * cost: O(bytes). */
int sy_snapshot_read(struct sy_snapshot *s, struct sy_str text, const char *file,
                     struct sy_err *err) SY_NODISCARD;
/* Gives pods without a priority that of their class, which may come later in the files than they.
 * errors: -EINVAL for a class that is not there. */
int sy_snapshot_finish(struct sy_snapshot *s, struct sy_err *err) SY_NODISCARD;
/* Whether a file looks like one for sy_snapshot_read(): JSON or YAML objects, and not a table. */
bool sy_snapshot_is_likely(struct sy_str text);
