/* SPDX-License-Identifier: Apache-2.0
 *
 * What would become of pods that nobody has created: would they fit now, all together, where, and
 * whom would they displace. Goes the way that a real gang goes (gang_plan.h, preempt.h), on the
 * state of the moment, and leaves it as it was: nothing is decided, written or remembered. */
#pragma once

#include "sched/explain.h"
#include "sched/sched.h"

enum { SY_WOULD_PODS_MAX = 512 };

struct sy_would_ask {
    const struct sy_pod *pods; /* borrowed; ids of the scheduler's table */
    uint32_t pods_len;         /* 1 to SY_WOULD_PODS_MAX */
    uint32_t needed;           /* so many of them at least; 0: all */
    sy_sid topology_key;       /* all on nodes of one value of this label; 0: anywhere */
    bool topology_is_required; /* else it is tried first */
};

struct sy_would {
    const struct sy_profile *profile; /* of the first pod; one whose scheduler is none of ours is
                                         looked at under our first. Borrowed */
    uint32_t nodes_alive;
    bool fits;             /* `needed` of them, now */
    uint32_t placed;       /* in the try that got furthest, when they do not */
    sy_sid domain;         /* value of the topology key; 0: none */
    SY_VEC(sy_sid) nodes;  /* by pod: where it would go, now or once the victims have gone; 0 */
    uint32_t blocker;      /* index of the pod that found no place, or SY_NONE */
    char *message;         /* what it would be told; owned, NULL when all fit */
    char *no_quota;        /* why their queue may not have them now; owned, NULL: it may, and all
                              else is asked as if */
    bool fits_by_eviction; /* if not now: once these pods, by slot, have gone */
    SY_VEC(uint32_t) victims;
    uint32_t violations;       /* disruption budgets that this would violate */
    bool has_why;              /* a single pod: */
    struct sy_explanation why; /* its survey alone; `pod` is NULL */
};

/* errors: -EINVAL no pods or too many, -ENOMEM, -E2BIG. *ret on success only, to be released by
 * sy_would_done(); slots and borrowed text hold until the next call of the scheduler. now: the
 * core's time. Cost: as one attempt of a gang of these pods, and one search for victims. Loop
 * thread, outside all other calls. */
int sy_sched_would(struct sy_sched *s, const struct sy_would_ask *ask, sy_time_ns now,
                   struct sy_would *ret) SY_NODISCARD;
void sy_would_done(struct sy_would *w);
