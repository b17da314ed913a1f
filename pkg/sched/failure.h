/* SPDX-License-Identifier: Apache-2.0
 *
 * The failure machine: which nodes have failed, may have, or have to prove themselves, from what is
 * told of them. It judges and keeps count; what is done about it is up to sched_failure.c. Pure:
 * the same inputs at the same times give the same states. One thread.
 *
 *   Healthy -> Suspect                     reversible: takes no pods
 *   any     -> NotReady -> Holding         the API server says so: room is held for what may come
 *              -> Evicting -> Forced       what opted in is replaced
 *   back    -> HeldDown -> Healthy         after a failure, for longer with each one
 *
 * Slots are those of the cluster; a record belongs to the name that it was made for. */
#pragma once

#include "base/clock.h"
#include "cluster/cluster.h"

enum sy_failure_state {
    SY_FAILURE_HEALTHY,
    SY_FAILURE_SUSPECT,
    SY_FAILURE_NOT_READY,
    SY_FAILURE_HOLDING,  /* not ready, and room is held for pods on it */
    SY_FAILURE_EVICTING, /* not ready, and pods of it have been evicted */
    SY_FAILURE_FORCED,   /* not ready, and pods of it have been ended by force */
    SY_FAILURE_HELD_DOWN,
    SY_FAILURE_STATES,
};
/* "Healthy", "Suspect" and so on. */
const char *sy_failure_state_name(enum sy_failure_state state);

enum sy_failure_cause {
    SY_CAUSE_NOT_READY, /* condition Ready is not True, or the taint that stands for that */
    SY_CAUSE_GONE,      /* the node was deleted, and pods are charged to it still */
    SY_CAUSE_LEASE,     /* its lease is not renewed */
    SY_CAUSE_LABEL,     /* a label or annotation that the configuration names */
    SY_CAUSE_GPUS,      /* fewer GPUs than it has */
    SY_CAUSES,
};
/* "NotReady", "Deleted", "LeaseStale", "UnhealthyLabel", "GpusMissing". */
const char *sy_failure_cause_name(enum sy_failure_cause cause);

enum { SY_FAILURE_LABELS_MAX = 16, SY_FAILURE_NAMES_MAX = 64 };

/* A node with the label or annotation is suspect. */
struct sy_failure_label {
    const char *key;
    const char *value; /* NULL: any but "" and "false" */
};

struct sy_failure_options {
    int64_t suspect_after_ns; /* without renewal, for a lease of 40 s; others in proportion */
    int64_t grace_ns;         /* from NotReady to the eviction of what opted in */
    int64_t hold_ns;          /* room is held for a replacement for so long */
    double evictions_per_s;
    double evictions_burst;
    bool gpus;            /* fewer allocatable GPUs than there were make a node suspect */
    bool force_allowed;   /* pods that ask for it are ended by force on a node that is not ready */
    int64_t hold_down_ns; /* after the first failure; doubled with each further one */
    int64_t hold_down_max_ns;
    int64_t flap_half_life_ns;
    /* The breaker opens when more nodes than both fail within `window`, or this share of a zone. */
    uint32_t breaker_least;
    double breaker_share;
    double breaker_zone_share;
    int64_t breaker_window_ns;
    int64_t breaker_resume_ns; /* no node has failed for so long: it closes, whatever is left */
    const struct sy_failure_label *labels; /* copied */
    uint32_t labels_len;
    const char *const *scheduler_names; /* whose pods have all opted in; copied */
    uint32_t scheduler_names_len;
};
/* The defaults that docs/configuration.md has. */
void sy_failure_options_default(struct sy_failure_options *o);

struct sy_node_failure {
    sy_sid name;          /* whose record this is; 0: nobody's */
    uint8_t state;        /* enum sy_failure_state */
    uint8_t causes;       /* 1 << enum sy_failure_cause */
    bool was_ready;       /* at some time: else it only joins, and nothing is counted */
    bool is_dirty;        /* in `dirty` */
    bool is_counted;      /* this failure has been; it ends in HELD_DOWN */
    bool is_out;          /* taint node.kubernetes.io/out-of-service */
    sy_time_ns since_ns;  /* of the state */
    sy_time_ns failed_ns; /* when it was seen not ready, or gone; 0: it is not */
    sy_time_ns bad_ns;    /* when the first of its causes came; 0: none */
    sy_time_ns until_ns;  /* HELD_DOWN */
    float flaps;          /* failures, decayed */
    sy_time_ns flaps_at_ns;
    int64_t lease_wall_ns;    /* its last renewal, as written; 0: no lease is known */
    sy_time_ns lease_ns;      /* when that was seen */
    int64_t lease_stale_ns;   /* it is stale after so long */
    int64_t gpus_usual;       /* allocatable */
    int64_t gpus;             /* now */
    sy_time_ns gpus_since_ns; /* as many as now */
};

struct sy_failures {
    bool is_on;
    bool leases_live;                  /* renewals are being received */
    bool view_is_live;                 /* decisions may be made on what is known */
    struct sy_failure_options options; /* without what it points to */
    struct {
        sy_sid key, value; /* value 0: any */
    } labels[SY_FAILURE_LABELS_MAX];
    sy_sid names[SY_FAILURE_NAMES_MAX];
    sy_sid taint_out, taint_unreachable, taint_not_ready, zone, empty, word_false;
    SY_VEC(struct sy_node_failure) nodes; /* by slot */
    SY_VEC(uint32_t) dirty;               /* slots whose state has changed */
    uint64_t generation;                  /* of the states of all nodes */
    sy_time_ns next_ns;                   /* sy_failures_run() has something to do */
    sy_time_ns view_since_ns;             /* what is known has been up to date since then */
    /* The breaker. */
    bool is_open;
    sy_time_ns last_failure_ns;
    uint64_t breaker_generation; /* that it was worked out for */
    uint64_t openings;
    uint64_t counts[SY_CAUSES]; /* failures by what made them known */
};

/* Nothing is judged until sy_failures_configure(). */
void sy_failures_init(struct sy_failures *f);
void sy_failures_done(struct sy_failures *f);
/* o: copied; NULL turns it off, and all nodes are good again. O(nodes). */
void sy_failures_configure(struct sy_failures *f, struct sy_cluster *c,
                           const struct sy_failure_options *o, sy_time_ns now);
/* Marks the ids that it holds. */
void sy_failures_mark(const struct sy_failures *f, struct sy_strings *strings);

/* The node in that slot is new or has changed. O(its taints and labels). */
void sy_failures_node(struct sy_failures *f, struct sy_cluster *c, uint32_t node, sy_time_ns now);
/* It was deleted and pods are charged to it still. is_planned: it was cordoned before, which is how
 * nodes are taken away on purpose. */
void sy_failures_gone(struct sy_failures *f, struct sy_cluster *c, uint32_t node, bool is_planned,
                      sy_time_ns now);
/* Its lease, as it was written: renewed at wall_ns, for duration_ns. O(1). */
void sy_failures_lease(struct sy_failures *f, struct sy_cluster *c, sy_sid name, int64_t wall_ns,
                       int64_t duration_ns, sy_time_ns now);
/* Whether renewals arrive: while they do not, leases grow no older. */
void sy_failures_leases_live(struct sy_failures *f, bool live, sy_time_ns now);
/* Whether what is known is up to date. After a time when it was not, leases begin anew and the
 * breaker stays open for a while. */
void sy_failures_view(struct sy_failures *f, bool live, sy_time_ns now);
/* Lets time pass: leases, hold-downs, the breaker. O(1) before next_ns and while nothing has
 * changed, else O(nodes). */
void sy_failures_run(struct sy_failures *f, struct sy_cluster *c, sy_time_ns now);
/* The next slot whose state has changed, SY_NONE when there is none. */
uint32_t sy_failures_next_dirty(struct sy_failures *f);
/* A failed node has got so far: HOLDING, EVICTING or FORCED; never back. */
void sy_failures_advance(struct sy_failures *f, uint32_t node, enum sy_failure_state to,
                         sy_time_ns now);

/* The record of a slot, NULL when there is none. Borrowed until the next call. */
const struct sy_node_failure *sy_failures_of(const struct sy_failures *f,
                                             const struct sy_cluster *c, uint32_t node);
static inline bool sy_failure_is_failed(const struct sy_node_failure *n)
{
    return n->state >= SY_FAILURE_NOT_READY && n->state <= SY_FAILURE_FORCED;
}
/* Why nobody is evicted now, NULL when that may be. Static text. */
const char *sy_failures_suspended(const struct sy_failures *f, sy_time_ns now);
/* How many nodes are in each state. O(nodes). */
void sy_failures_count(const struct sy_failures *f, const struct sy_cluster *c,
                       uint32_t ret[SY_FAILURE_STATES]);
