/* SPDX-License-Identifier: Apache-2.0
 *
 * What still fits: how much of each resource is free, how much of that nobody can have and why, and
 * how many more there is room for of the kinds of pods that there are most of. Looks, decides
 * nothing and leaves nothing behind. */
#pragma once

#include "sched/sched.h"

/* Why what is free on a node is of no use; of several the first here counts. */
enum sy_stranded {
    SY_STRANDED_NOT_READY,
    SY_STRANDED_CORDONED,
    SY_STRANDED_TAINTED,   /* NoSchedule or NoExecute: for pods that tolerate it only */
    SY_STRANDED_NO_PODS,   /* the node may have no more of them */
    SY_STRANDED_NO_CPU,    /* less than 100m is left */
    SY_STRANDED_NO_MEMORY, /* less than 64 MiB is left */
    SY_STRANDED_CAUSES,
};
/* "NotReady", "Cordoned" and so on. */
const char *sy_stranded_name(enum sy_stranded cause);

/* Amounts as requests have them. */
struct sy_capacity_resource {
    sy_sid resource;
    int64_t total, free; /* of all nodes that there are */
    int64_t usable;      /* of free, what is not stranded */
    int64_t largest;     /* of usable, on one node: */
    sy_sid node;         /* 0: nothing is usable */
    int64_t stranded[SY_STRANDED_CAUSES];
    uint32_t stranded_nodes[SY_STRANDED_CAUSES];
};

/* Pods of one spec. */
struct sy_capacity_shape {
    uint32_t example; /* slot of one of them */
    uint32_t pods;    /* so many there are */
    uint32_t waiting; /* of these without a node */
    uint32_t nodes;   /* that one more would fit now, all filters asked */
    uint64_t more;    /* so many would fit there by requests; filters may allow fewer */
};

enum { SY_CAPACITY_SHAPES = 10 };

struct sy_capacity_found {
    SY_VEC(struct sy_capacity_resource) resources; /* of which some node has any */
    uint32_t shapes_len;                           /* most pods first */
    struct sy_capacity_shape shapes[SY_CAPACITY_SHAPES];
};

/* ret: to be released by sy_capacity_done(); slots hold until the scheduler's next call. Cost:
 * O(nodes x resources + pods log pods), and a look at all nodes for each shape. Loop thread,
 * outside all other calls. */
void sy_sched_capacity(struct sy_sched *s, struct sy_capacity_found *ret);
void sy_capacity_done(struct sy_capacity_found *c);
