/* SPDX-License-Identifier: Apache-2.0
 *
 * A cluster and its pods as the openb traces have them. Columns go by the header: nodes have sn,
 * cpu_milli, memory_mib, gpu and, where there are GPUs, model; pods have name, cpu_milli,
 * memory_mib, num_gpu, gpu_milli and may have gpu_spec ("A|B": any of these models),
 * creation_time and deletion_time in seconds, gang (pods of one value belong together) and gang_min
 * (how many of them at least; all, when it is empty). Nodes and pods of other origin may carry
 * their whole objects; the numbers are then what the simulator's own ledger goes by. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/vec.h"
#include "model/group.h"
#include "model/node.h"
#include "model/pod.h"
#include "model/workload.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SY_OPENB_MODELS_MAX = 64,
    SY_OPENB_GPUS_MAX = 64, /* of one node */
    SY_OPENB_NODES_MAX = 50000,
    SY_OPENB_PODS_MAX = 2000000,
};
#define SY_OPENB_TEXT_MAX_BYTES ((size_t)512 << 20)

struct sy_openb_node {
    const char *name;
    int64_t cpu_milli, memory_bytes;
    uint32_t gpus;
    uint32_t model;               /* index; of no use without GPUs */
    const struct sy_node *object; /* NULL: what the numbers say; borrowed */
};

struct sy_openb_pod {
    const char *name;
    int64_t cpu_milli, memory_bytes;
    uint32_t gpus;
    uint32_t gpu_milli;          /* of each; 1000 when there are several, 0 when there is none */
    uint64_t models;             /* bits by index; 0: any */
    double arrives_s;            /* from some start; 0: the list does not say */
    double lasts_s;              /* 0: the list does not say */
    uint32_t gang;               /* same number, one gang; 0: none */
    uint32_t gang_min;           /* 0: all members; the largest of the members' counts */
    const struct sy_pod *object; /* NULL: what the numbers say; borrowed */
};

/* What arrives at once: a gang, or one pod. */
struct sy_openb_unit {
    uint32_t first, len; /* in members */
    uint32_t min;
    int64_t milli;    /* GPUs of all */
    double arrives_s; /* the first of its members */
    double lasts_s;   /* the longest of its members; 0: not said */
    double milli_s;   /* GPUs by time of all */
};

struct sy_openb_workload {
    enum sy_workload_kind kind;
    const struct sy_workload *object; /* borrowed */
};

/* Zero it first; free with sy_openb_done(). Several pod lists may share one node list. */
struct sy_openb {
    struct sy_arena arena; /* names */
    const char *models[SY_OPENB_MODELS_MAX];
    uint32_t models_len;
    SY_VEC(struct sy_openb_node) nodes; /* sorted by name */
    SY_VEC(struct sy_openb_pod) pods;   /* sorted by name */
    SY_VEC(struct sy_openb_unit) units; /* by the first of their members; sy_openb_group() */
    SY_VEC(uint32_t) members;           /* index into pods */
    /* With objects: what all their ids are of, none of it reclaimed; pods that are there before the
     * first arrives, at their objects' nodes; and what else stands around. */
    const struct sy_strings *strings; /* borrowed */
    SY_VEC(struct sy_openb_pod) residents;
    SY_VEC(struct sy_openb_workload) around;
    SY_VEC(struct sy_group_object) groups;
};

/* Each adds what text holds; text may be freed after. file: for messages. errors: -EINVAL with
 * "file:line: what"; -E2BIG, -ENOMEM. What was read before the error stays. O(bytes + n log n). */
int sy_openb_read_nodes(struct sy_openb *o, struct sy_str text, const char *file,
                        struct sy_err *err) SY_NODISCARD;
int sy_openb_read_pods(struct sy_openb *o, struct sy_str text, const char *file,
                       struct sy_err *err) SY_NODISCARD;
void sy_openb_done(struct sy_openb *o);
/* The index of a model, added when new. errors: -EINVAL for more than SY_OPENB_MODELS_MAX. */
int sy_openb_model(struct sy_openb *o, struct sy_str name, uint32_t *ret,
                   struct sy_err *err) SY_NODISCARD;
/* Sees to units and members: after pods were changed by other hands than these. O(pods). */
void sy_openb_group(struct sy_openb *o);
/* Has so much of the demand for whole GPUs, in [0,1], come as gangs of 2, 4, 8 or 16 like pods:
 * pods that are drawn by the seed get as many copies. Lists that have gangs stay as they are. */
void sy_openb_make_gangs(struct sy_openb *o, double share, uint64_t seed);

static inline int64_t sy_openb_pod_milli(const struct sy_openb_pod *p)
{
    return (int64_t)p->gpus * p->gpu_milli;
}
/* Of all nodes. */
int64_t sy_openb_capacity_milli(const struct sy_openb *o);
