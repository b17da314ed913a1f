/* SPDX-License-Identifier: Apache-2.0
 *
 * Queues that share the cluster: a tree of them, which pods belong to which, what each uses and
 * waits for, and what the tree says of the next pod: whose turn it is, whether a limit or what is
 * guaranteed to others stands in its way, what each queue deserves. Every pod on a node counts,
 * whatever its scheduler. Pure bookkeeping: what is done about it is up to pkg/sched. Without
 * queues nothing is kept and nothing costs. docs/queues.md has the rules. */
#pragma once

#include "base/strings.h"
#include "base/vec.h"
#include "model/labels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sy_cluster;
struct sy_pod_spec;

enum {
    SY_QUEUES_MAX = 128,         /* without the root and a default queue that nobody configured */
    SY_QUEUE_RESOURCES_MAX = 16, /* that are counted: of all queues together */
    SY_QUEUE_LABELS_MAX = 8,
    SY_QUEUE_DEPTH_MAX = 8,
    SY_QUEUE_ROOT = 0, /* index of the queue above all, which has no name in the configuration */
};
#define SY_NO_QUEUE      UINT16_MAX
#define SY_NO_LIMIT      INT64_MAX /* a limit that is not there */
#define SY_DEFAULT_QUEUE "default" /* of the queue of pods that no other one claims */

/* In thousandths: of cores, bytes, GPUs, units. */
struct sy_queue_resource {
    const char *name;
    int64_t guaranteed_milli; /* 0: nothing */
    int64_t limit_milli;      /* SY_NO_LIMIT: none */
};

struct sy_queue_options {
    const char *name;
    const char *parent; /* NULL: the root */
    double weight;      /* more than 0 */
    bool borrows;       /* uses more than is guaranteed, while nobody else is owed it */
    bool is_reclaimable;
    /* Pods of one of these namespaces (none: of any) with all of these labels; without both, no
     * pods but those of its children, or of nobody for the default queue. */
    char *const *namespaces;
    uint32_t namespaces_len;
    const char *keys[SY_QUEUE_LABELS_MAX];
    const char *values[SY_QUEUE_LABELS_MAX]; /* NULL: any */
    uint32_t labels_len;
    const struct sy_queue_resource *resources;
    uint32_t resources_len;
};

/* All borrowed for the call. Parents are there, and nobody is above itself. */
struct sy_queues_options {
    const struct sy_queue_options *queues;
    uint32_t len; /* SY_QUEUES_MAX at most; 0: no queues */
};

/* In the unit that struct sy_amount has, but GPUs in thousandths. */
struct sy_queue_amounts {
    int64_t of[SY_QUEUE_RESOURCES_MAX]; /* by index in sy_shares.resources */
};

struct sy_queue {
    char *name; /* owned */
    uint16_t parent;
    uint16_t first_child, next_sibling; /* in the order of the configuration; SY_NO_QUEUE: none */
    bool borrows, is_reclaimable;
    double weight;
    SY_VEC(sy_sid) namespaces;
    sy_sid keys[SY_QUEUE_LABELS_MAX];
    sy_sid values[SY_QUEUE_LABELS_MAX]; /* 0: any */
    uint32_t labels_len;
    /* Of what the queue does not name but its children do, their sum is guaranteed. */
    struct sy_queue_amounts guaranteed, limit;
    struct sy_queue_amounts used;    /* by pods on nodes, assumed ones included */
    struct sy_queue_amounts pending; /* asked for by pods of ours that wait */
    uint32_t used_pods, pending_pods;
    uint32_t ready; /* of those that wait, how many are to be looked at now */
    double share;   /* dominant share: of what is used, the largest part of the whole */
    struct sy_queue_amounts owed; /* still guaranteed and asked for; see sy_shares_ask() */
};

struct sy_counted_resource {
    sy_sid name;
    int64_t total; /* of all nodes */
};

struct sy_shares {
    bool is_on;
    SY_VEC(struct sy_queue) all; /* the root first; parents anywhere */
    SY_VEC(uint16_t) bottom_up;  /* every queue after all of its children */
    uint16_t other;              /* the default queue */
    struct sy_counted_resource resources[SY_QUEUE_RESOURCES_MAX];
    uint32_t resources_len;
    bool totals_are_stale, owed_is_stale;
    uint64_t relief; /* grows whenever a pod that a quota held up may pass */
};

/* Everything runs on the core's thread, and only want of memory stops it, which aborts. */

/* Takes the options over; usage is counted anew, and what waits and what is ready starts at 0: the
 * caller tells it again. O(pods). */
void sy_shares_configure(struct sy_cluster *c, const struct sy_queues_options *options);
/* The queue of pods of a namespace with such labels: the first in the configuration's order that
 * claims them. SY_NO_QUEUE when there are no queues. O(queues). */
uint16_t sy_shares_find(const struct sy_cluster *c, sy_sid ns, struct sy_labels labels);
static inline bool sy_shares_is_leaf(const struct sy_shares *s, uint16_t queue)
{
    return s->all.p[queue].first_child == SY_NO_QUEUE;
}

/* What a pod counts with. A part of a GPU counts as such, and GPU memory if it is the greater
 * part. O(resources). */
void sy_shares_amounts(const struct sy_cluster *c, const struct sy_pod_spec *spec,
                       struct sy_queue_amounts *ret);
void sy_shares_add(struct sy_queue_amounts *sum, const struct sy_queue_amounts *more);
/* A pod of ours begins (sign 1) or ends (-1) to wait in a queue; or to be ready. O(depth). */
void sy_shares_wait(struct sy_cluster *c, uint16_t queue, const struct sy_pod_spec *spec, int sign);
void sy_shares_ready(struct sy_cluster *c, uint16_t queue, int sign);

/* The leaf whose turn it is of those with ready pods, SY_NO_QUEUE when there is none. From the root
 * down: queues that use less than is guaranteed to them come first, then the lowest dominant share
 * over weight, then the order of the configuration. O(queues). */
uint16_t sy_shares_next(struct sy_cluster *c);

enum sy_quota {
    SY_QUOTA_FREE,
    SY_QUOTA_LIMIT, /* `queue` would be over its limit, or its guaranteed share as it must not
                       borrow */
    SY_QUOTA_OWED,  /* it would borrow what `queue` is owed */
};
struct sy_quota_answer {
    enum sy_quota quota;
    uint16_t queue;
    uint32_t resource; /* index */
};
/* Whether pods that ask for so much may be placed now. A queue owes: while another one has pods
 * that wait and less than is guaranteed to it, so much of what is free in the cluster is not lent.
 * O(depth x resources), O(queues) after a change. */
struct sy_quota_answer sy_shares_ask(struct sy_cluster *c, uint16_t queue,
                                     const struct sy_queue_amounts *asked);

/* Whether so much more for `queue` is within what is guaranteed, where it and `from` part in the
 * tree: then it may take back of what `from` has borrowed. ret_named: bits of the resources that
 * this is about. False for queues that are one. O(depth). */
bool sy_shares_is_entitled(const struct sy_cluster *c, uint16_t queue, uint16_t from,
                           const struct sy_queue_amounts *asked, uint32_t *ret_named);
/* Whether `from` uses more of the resource than is guaranteed, on every level up to where it parts
 * from `queue`. O(depth). */
bool sy_shares_has_borrowed(const struct sy_cluster *c, uint16_t from, uint16_t queue,
                            uint32_t resource);

/* What each queue deserves of each resource: what is guaranteed to it, as far as it wants that, and
 * of the rest by weight, as much as it wants and its limit lets it. ret: one for each queue.
 * O(queues^2 x resources). */
void sy_shares_deserved(struct sy_cluster *c, struct sy_queue_amounts *ret);

/* An amount with its unit, for people: "1.5 cpu", "64Gi memory". Written to room and returned. */
const char *sy_shares_text(const struct sy_cluster *c, uint32_t resource, int64_t amount,
                           char *room, size_t size);
/* The same as a number: cores, bytes, GPUs. */
double sy_shares_number(const struct sy_cluster *c, uint32_t resource, int64_t amount);

/* For cluster.c only: a pod comes to its node, or leaves it; allocatable of nodes has changed. */
void sy_shares_charge(struct sy_cluster *c, uint32_t pod, int sign);
void sy_shares_done(struct sy_cluster *c);
void sy_shares_mark(const struct sy_cluster *c);
/* Whether usage is what counting gives. O(pods). */
bool sy_shares_audit(const struct sy_cluster *c);
