/* SPDX-License-Identifier: Apache-2.0
 *
 * What is kept for getting pods off nodes that failed: what each pod says about it, room that is
 * held for replacements, how fast evictions may go, and figures. Bookkeeping only: sched_failure.c
 * acts. One thread. */
#pragma once

#include "base/histogram.h"
#include "cluster/cluster.h"
#include "model/pod.h"

/* What a pod says: labels or annotations of these names. docs/failures.md explains them. */
#define SY_RECOVERY_KEY       "steelyard.dev/recovery" /* evict, gang, off */
#define SY_RECOVERY_GRACE_KEY "steelyard.dev/recovery-grace"
#define SY_RECOVERY_FORCE_KEY "steelyard.dev/force-delete"

enum sy_recovery_flags {
    SY_RECOVERY_OWNED = 1 << 0, /* a controller would make a new one, on any node */
    SY_RECOVERY_ASKS = 1 << 1,
    SY_RECOVERY_GANG = 1 << 2, /* and its whole gang is to start anew */
    SY_RECOVERY_OFF = 1 << 3,
    SY_RECOVERY_MAY_FORCE = 1 << 4,
    /* What became of it. */
    SY_RECOVERY_FORCED = 1 << 5,
    SY_RECOVERY_STARTED_GANG = 1 << 6,
    SY_RECOVERY_TOLD = 1 << 7, /* that evictions are suspended */
};

struct sy_recovery_terms {
    uint64_t uid_hash;   /* whose terms these are: slots are used again */
    int64_t grace_ns;    /* -1: as configured */
    sy_time_ns retry_ns; /* not before, as the server has asked */
    uint8_t flags;
};

/* Room that is held on a node for the pod that is to replace one of a failed node. */
struct sy_hold {
    uint32_t ghost; /* slot of the stand-in (SY_POD_HOLD), which is nominated to the node */
    uint32_t node;  /* SY_NONE: there is no room yet */
    uint32_t from;  /* slot of the failed node */
    uint64_t pod;   /* uid_hash of the pod that is to be replaced */
    uint64_t claimant;
    sy_time_ns failed_ns;
    sy_time_ns until_ns;
    bool is_leaving; /* the pod has been evicted: a replacement comes even if the node is back */
};

/* A pod that is to go because its gang starts anew. */
struct sy_restart {
    uint32_t pod;
    uint64_t uid_hash;
};

struct sy_recovery_stats {
    uint64_t released; /* pods whose place on a failed node was given up before they were bound */
    uint64_t evicted, forced, gangs_restarted;
    uint64_t refused;            /* evictions that the server did not carry out */
    uint64_t holds_made;         /* that found room */
    uint64_t holds_expired;      /* and nobody came */
    struct sy_histogram hold_s;  /* from the failure to room being held */
    struct sy_histogram bound_s; /* from the failure to the replacement being bound */
};

enum { SY_HOLDS_MAX = 1024 };

struct sy_recovery {
    sy_sid key, grace_key, force_key;
    sy_sid evict, gang, off, yes, daemon_set, node_kind;
    SY_VEC(struct sy_recovery_terms) of_pod; /* by slot */
    SY_VEC(struct sy_hold) holds;
    SY_VEC(struct sy_restart) restarts;
    uint64_t next_hold; /* number of the next ghost */
    double tokens;      /* evictions that may be made now */
    sy_time_ns tokens_ns;
    sy_time_ns next_ns; /* something is to be done */
    struct sy_recovery_stats stats;
};

/* Annotations that a decoder must keep, NULL-terminated. */
extern const char *const sy_recovery_annotations[];

void sy_recovery_init(struct sy_recovery *r, struct sy_strings *strings);
void sy_recovery_done(struct sy_recovery *r);
void sy_recovery_mark(const struct sy_recovery *r, struct sy_strings *strings);

/* Takes over what a pod says; of the two places the label counts. A grace that is no duration is
 * the configured one. O(labels). */
void sy_recovery_pod(struct sy_recovery *r, const struct sy_strings *strings,
                     const struct sy_cluster *c, uint32_t slot, const struct sy_pod *pod);
/* The terms of the pod in that slot, NULL when none are known. Borrowed until the next call. */
struct sy_recovery_terms *sy_recovery_of(struct sy_recovery *r, const struct sy_cluster *c,
                                         uint32_t slot);

/* Takes one eviction out of what may be made at rate_per_s, of which burst may come at once; false:
 * none is left, *ret_ns says when. */
bool sy_recovery_take_token(struct sy_recovery *r, double rate_per_s, double burst, sy_time_ns now,
                            sy_time_ns *ret_ns);
