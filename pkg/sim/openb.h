/* SPDX-License-Identifier: Apache-2.0
 *
 * A cluster and its pods as the openb traces have them. Columns go by the header: nodes have sn,
 * cpu_milli, memory_mib, gpu and, where there are GPUs, model; pods have name, cpu_milli,
 * memory_mib, num_gpu, gpu_milli and may have gpu_spec ("A|B": any of these models),
 * creation_time and deletion_time in seconds. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/vec.h"

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
    int64_t cpu_milli, memory_mib;
    uint32_t gpus;
    uint32_t model; /* index; of no use without GPUs */
};

struct sy_openb_pod {
    const char *name;
    int64_t cpu_milli, memory_mib;
    uint32_t gpus;
    uint32_t gpu_milli; /* of each; 1000 when there are several, 0 when there is none */
    uint64_t models;    /* bits by index; 0: any */
    double lasts_s;     /* 0: the list does not say */
};

/* Zero it first; free with sy_openb_done(). Several pod lists may share one node list. */
struct sy_openb {
    struct sy_arena arena; /* names */
    const char *models[SY_OPENB_MODELS_MAX];
    uint32_t models_len;
    SY_VEC(struct sy_openb_node) nodes; /* sorted by name */
    SY_VEC(struct sy_openb_pod) pods;   /* sorted by name */
};

/* Each adds what text holds; text may be freed after. file: for messages. errors: -EINVAL with
 * "file:line: what"; -E2BIG, -ENOMEM. What was read before the error stays. O(bytes + n log n). */
int sy_openb_read_nodes(struct sy_openb *o, struct sy_str text, const char *file,
                        struct sy_err *err) SY_NODISCARD;
int sy_openb_read_pods(struct sy_openb *o, struct sy_str text, const char *file,
                       struct sy_err *err) SY_NODISCARD;
void sy_openb_done(struct sy_openb *o);

static inline int64_t sy_openb_pod_milli(const struct sy_openb_pod *p)
{
    return (int64_t)p->gpus * p->gpu_milli;
}
/* Of all nodes. */
int64_t sy_openb_capacity_milli(const struct sy_openb *o);
